"""What a node says is wrong with it, in its status and in its log (P5, P9)."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field
from random import Random
from typing import Any, cast

import pytest

from paxoskv.node import health as health_module
from paxoskv.node.health import Health
from paxoskv.node.scrubber import Scrubber
from paxoskv.paxos.ballot import NO_BALLOT, Ballot, Vote
from paxoskv.paxos.log import Log
from paxoskv.paxos.messages import Heartbeat, Learn
from paxoskv.paxos.quorum import Quorums
from paxoskv.paxos.replica import Replica, Settings
from paxoskv.paxos.timing import Timing
from paxoskv.storage.writer import JournalWriter
from tests.support import eventually

B2 = Ballot(1, 2)


@dataclass
class Rest:
    """What a Health asks of the writer and of the scrubber."""

    stalled: str | None = None
    mended: int = 0
    fields: dict[str, Callable[[], Any]] = field(default_factory=dict)

    def gauges(self) -> dict[str, Callable[[], Any]]:
        return self.fields


class Patient:
    """A node 1 of three, with the log it starts with."""

    def __init__(self, slots: Log) -> None:
        settings = Settings(1, Quorums.of((1, 2, 3)), Timing())
        self.replica = Replica(settings, slots, NO_BALLOT, Random(1), 100.0)
        self.rest = Rest()
        self.health = Health(self.replica, cast(JournalWriter, self.rest), cast(Scrubber, self.rest))

    def status(self) -> dict[str, Any]:
        return {name: gauge() for name, gauge in self.health.gauges().items()}

    def learn(self, slot: int) -> None:
        """Node 2 teaches a slot."""
        self.replica.on_message(2, Heartbeat(NO_BALLOT, slot, 1, True), 100.0)
        self.replica.on_message(2, Learn(slot, 0, ((slot, Vote(B2, b"")),)), 100.0)


def test_a_sound_node_has_nothing_to_say() -> None:
    status = Patient(Log()).status()
    assert (status["healthy"], status["error"], status["quarantined"]) == (True, None, False)
    assert (status["repairing"], status["faulty_slots"], status["repaired_rows"]) == (False, [], 0)


def test_a_repairing_node_says_what_it_waits_for() -> None:
    patient = Patient(Log(3, {}, [4, 9], 0, known_slot=4))
    status = patient.status()
    assert (status["healthy"], status["repairing"], status["faulty_slots"]) == (False, True, [4, 9])
    assert "repairing: the chosen value in slot 4 is lost here" in status["error"]
    assert "damaged records: 2;" in status["error"]
    patient.learn(4)
    status = patient.status()
    assert (status["healthy"], status["repairing"], status["faulty_slots"]) == (False, False, [9])
    assert status["error"] == "damaged records: 1, from slot 9 on; they are being written anew"
    assert status["repaired_rows"] == 1


def test_a_full_disk_comes_first() -> None:
    patient = Patient(Log(3, {}, [4], 0, known_slot=4))
    patient.rest.stalled = "disk full, free space in /data"
    assert patient.status()["error"] == "disk full, free space in /data"


def test_only_the_first_of_many_damaged_slots_are_listed() -> None:
    status = Patient(Log(0, {}, range(1, 1000), 0, known_slot=999)).status()
    assert status["faulty_slots"] == list(range(1, 65))
    assert "damaged records: 999;" in status["error"]


async def test_trouble_and_its_end_are_logged_once_each(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(health_module, "WATCH_S", 0.001)
    caplog.set_level("INFO")
    patient = Patient(Log(3, {}, [4], 0, known_slot=4))
    watch = asyncio.create_task(patient.health.watch())
    await eventually(lambda: "not healthy" in caplog.messages)
    patient.learn(4)
    await eventually(lambda: "healthy again" in caplog.messages)
    watch.cancel()
    assert caplog.messages == ["not healthy", "healthy again"]

"""One step of the core, carried out whole and in the order of the fields of `Effects`; the core says what we like.

What a step's messages to the node itself bring about belongs to the next step (P1, P23, P25).
"""

from __future__ import annotations

from typing import Any, cast

import pytest

from paxoskv.kv.commands import encode_batch
from paxoskv.kv.limits import KvLimits
from paxoskv.kv.machine import Machine
from paxoskv.kv.replies import Reply
from paxoskv.node.engine import Engine
from paxoskv.paxos.ballot import Ballot, Vote
from paxoskv.paxos.effects import Effects, Load, SaveVote, Write
from paxoskv.paxos.messages import Accepted, Ask, Envelope, Grant, Message
from paxoskv.paxos.replica import Replica, Role

VALUE = encode_batch(0, [])
BALLOT = Ballot(1, 1)
VOTE = SaveVote(1, Vote(BALLOT, VALUE), 0)


class Script:
    """A core of node 1 whose steps are written down: `effects` for timers, `heard` for what it is told."""

    node = 1
    role = Role.FOLLOWER

    def __init__(self, *effects: Effects) -> None:
        self.effects = list(effects)
        self.done: list[str] = []

    def on_timer(self, now: float) -> Effects:
        return self.effects.pop(0)

    def on_message(self, sender: int, message: Message, now: float) -> Effects:
        self.done.append(f"heard {type(message).__name__}")
        return self.effects.pop(0) if self.effects else Effects()

    def on_written(self, ticket: int, now: float) -> None:
        self.done.append(f"written {ticket}")


class Witness:
    """Journal and listener of the engine: notes what it is asked for and told."""

    backlog_bytes = 0

    def __init__(self, done: list[str]) -> None:
        self.done = done

    def submit(self, ticket: int, writes: list[Write]) -> None:
        self.done.append(f"submit {ticket}")

    def on_role(self) -> None:
        self.done.append("role")

    def on_chosen(self, slots: list[int]) -> None:
        self.done.append(f"chosen {slots}")

    def on_applied(self, slot: int, replies: list[Reply]) -> None:
        self.done.append(f"applied {slot}")

    def on_reads(self, ready: list[int], failed: list[int]) -> None:
        self.done.append(f"reads {ready} {failed}")


def engine_of(script: Script) -> Engine:
    """Return an engine around a scripted core."""

    def send(to: int, message: Message) -> None:
        script.done.append(f"send {type(message).__name__}")

    def load(load: Load) -> None:
        script.done.append("load")

    engine = Engine(cast(Replica, script), Machine(KvLimits()), send, load, lambda: 0.0)
    witness: Any = Witness(script.done)
    engine.connect(witness, witness)
    return engine


def full_step(**changes: Any) -> Effects:
    """Return a step that asks for everything at once."""
    asked: dict[str, Any] = {
        "send_now": [Envelope(2, Ask(1))],
        "persist": [VOTE],
        "ticket": 1,
        "send_synced": [Envelope(2, Accepted(BALLOT, 1))],
        "load": [Load(2, 1, 1)],
        "role_changed": True,
        "chosen": [(1, VALUE), (2, VALUE)],
        "reads_ready": [7],
        "reads_failed": [8],
    }
    return Effects(**{**asked, **changes})


def test_a_step_is_carried_out_in_the_order_of_its_fields() -> None:
    """Reads are answered from the state that the same step has just made; a role is told before anything is applied."""
    script = Script(full_step())
    engine = engine_of(script)
    engine.on_timer()
    expected = ["send Ask", "submit 1", "load", "role", "chosen [1, 2]", "applied 1", "applied 2", "reads [7] [8]"]
    assert script.done == expected
    engine.on_written(1)
    assert script.done[len(expected) :] == ["written 1", "send Accepted"]


@pytest.mark.parametrize("field", ["send_now", "send_synced"])
def test_a_message_to_oneself_is_heard_when_the_step_is_over(field: str) -> None:
    """The core must not be stepped again before its last step was carried out whole, least of all its records."""
    script = Script(full_step(**{field: [Envelope(1, Grant(1))]}))
    engine = engine_of(script)
    engine.on_timer()
    engine.on_written(1)
    heard = script.done.index("heard Grant")
    assert heard > script.done.index("reads [7] [8]")
    if field == "send_synced":
        assert heard > script.done.index("written 1"), "our own word waits for the disk like any other"


def test_messages_to_oneself_are_heard_in_order_one_step_at_a_time() -> None:
    first = Effects(send_now=[Envelope(1, Ask(1)), Envelope(1, Grant(1))])
    second = Effects(send_now=[Envelope(1, Accepted(BALLOT, 1))], chosen=[(1, VALUE)])
    script = Script(first, second)
    engine_of(script).on_timer()
    assert script.done == ["heard Ask", "chosen [1]", "applied 1", "heard Grant", "heard Accepted"]


def test_a_word_about_older_records_waits_with_them() -> None:
    """P1: the step itself wrote nothing; what it speaks of is not durable all the same."""
    repeated = Effects(send_synced=[Envelope(2, Accepted(BALLOT, 1))])
    script = Script(Effects(persist=[VOTE], ticket=1), repeated, Effects(persist=[VOTE], ticket=2))
    engine = engine_of(script)
    for _ in range(3):
        engine.on_timer()
    assert script.done == ["submit 1", "submit 2"]
    engine.on_written(1)
    assert script.done[2:] == ["written 1", "send Accepted"]


def test_a_ticket_releases_what_waited_for_it_and_nothing_later() -> None:
    steps = [full_step(ticket=ticket, send_now=[], chosen=[], load=[], role_changed=False) for ticket in (1, 2)]
    script = Script(*steps)
    engine = engine_of(script)
    engine.on_timer()
    engine.on_timer()
    engine.on_written(1)
    assert script.done.count("send Accepted") == 1
    engine.on_written(2)
    assert script.done.count("send Accepted") == 2


# When what was chosen is applied


def test_a_follower_votes_before_it_applies() -> None:
    """Others wait for its vote in the next slot, and nobody for its state."""
    script = Script(Effects(persist=[VOTE], ticket=1, chosen=[(1, VALUE)]), Effects(persist=[VOTE], ticket=2))
    engine = engine_of(script)
    engine.on_timer()
    engine.on_timer()
    assert script.done == ["submit 1", "chosen [1]", "submit 2"]
    engine.on_written(1)
    assert script.done[3:] == ["written 1", "applied 1"]


def test_a_step_that_writes_nothing_applies_what_was_left() -> None:
    """A disk that hangs keeps a follower's votes back, not its state: the next heartbeat brings it up to date."""
    script = Script(Effects(persist=[VOTE], ticket=1, chosen=[(1, VALUE)]), Effects(chosen=[(2, VALUE)]))
    engine = engine_of(script)
    engine.on_timer()
    engine.on_timer()
    assert script.done[-3:] == ["chosen [2]", "applied 1", "applied 2"]


def test_reads_see_what_a_follower_left_for_later() -> None:
    """P23: what was chosen before is applied before any read is answered, vote or no vote."""
    steps = [
        Effects(persist=[VOTE], ticket=1, chosen=[(1, VALUE)]),
        Effects(persist=[VOTE], ticket=2, reads_ready=[7]),
    ]
    script = Script(*steps)
    engine = engine_of(script)
    engine.on_timer()
    engine.on_timer()
    assert script.done[-2:] == ["applied 1", "reads [7] []"]


def test_a_leader_applies_in_the_same_step() -> None:
    """Its clients wait for that."""
    script = Script(Effects(persist=[VOTE], ticket=1, chosen=[(1, VALUE)]))
    script.role = Role.LEADER
    engine_of(script).on_timer()
    assert script.done == ["submit 1", "chosen [1]", "applied 1"]

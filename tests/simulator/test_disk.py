"""What a crash leaves on a simulated disk, and the ways in which it fails."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Callable, Coroutine
from typing import Any

import pytest

from paxoskv.paxos.ballot import Ballot
from paxoskv.simulator.disk import Disk, SimulatedBallast
from paxoskv.simulator.links import Mood
from paxoskv.simulator.marks import Marks
from paxoskv.simulator.network import Network
from paxoskv.simulator.process import Process
from paxoskv.simulator.world import World
from paxoskv.storage.errors import DiskFull
from paxoskv.storage.identity import Identity

INSERT = "INSERT OR REPLACE INTO peers VALUES (?, 'x', 1, 0)"


class Bench:
    """A disk, and a process that writes rows of `peers` into it. done: numbers of the rows reported as written."""

    def __init__(self, seed: int = 1) -> None:
        self.world = World(seed)
        self.marks = Marks()
        self.disk = Disk(self.world, Identity("cluster", 1, "life"), self.marks)
        self.done: list[int] = []
        self.errors: list[str] = []
        self._network = Network(self.world, Mood(), 1 << 16, self.marks)

    def run(self, work: Callable[[], Coroutine[Any, Any, None]]) -> Process:
        process = Process(self.world, self._network, 1, "writer")
        process.start(work())
        return process

    def write(self, *numbers: int) -> Process:
        """Begin a process that writes rows one after the other, until an error."""

        async def work() -> None:
            process = asyncio.get_running_loop()._process  # type: ignore[attr-defined]  # the simulated loop
            connection = self.disk.connect(process)
            for number in numbers:
                try:
                    await connection.execute_fetchall(INSERT, (number,))
                except sqlite3.Error as error:
                    self.errors.append(str(error))
                    return
                self.done.append(number)

        return self.run(work)

    def rows(self) -> list[int]:
        return [row[0] for row in self.disk.database.execute("SELECT node FROM peers ORDER BY node")]

    def wait(self, seconds: float) -> None:
        self.world.run_until(self.world.now + seconds)


@pytest.mark.parametrize("seed", range(20))
def test_a_crash_keeps_what_was_reported_and_at_most_one_more(seed: int) -> None:
    bench = Bench(seed)
    process = bench.write(*range(1, 1000))
    bench.wait(0.05)
    process.die()
    bench.disk.lose_power()
    assert bench.done
    assert bench.rows() in (bench.done, [*bench.done, len(bench.done) + 1])


def test_both_fates_of_a_transaction_under_way_occur() -> None:
    extra = set()
    for seed in range(20):
        bench = Bench(seed)
        process = bench.write(*range(1, 1000))
        bench.wait(0.05)
        process.die()
        bench.disk.lose_power()
        extra.add(len(bench.rows()) - len(bench.done))
    assert extra == {0, 1}


def test_a_hung_disk_reports_nothing_until_it_goes_on() -> None:
    bench = Bench()
    bench.disk.hangs = True
    bench.write(1, 2)
    bench.wait(60)
    assert bench.done == []
    bench.disk.resume()
    bench.wait(1)
    assert bench.done == [1, 2]


def test_a_full_disk_takes_nothing_but_what_its_reserve_holds() -> None:
    """P9."""
    bench = Bench()
    bench.disk.full = True
    bench.write(1)
    bench.wait(1)
    assert bench.errors == ["database or disk is full"]
    bench.disk.reserve = 1
    bench.write(2)
    bench.write(3)
    bench.wait(1)
    assert bench.rows() == [2]


def test_a_ballast_makes_room_and_cannot_be_had_on_a_full_disk() -> None:
    bench = Bench()
    ballast, told = SimulatedBallast(bench.disk), []

    async def work() -> None:
        await ballast.acquire()
        bench.disk.full = True
        told.append(await ballast.release())
        with pytest.raises(DiskFull):
            await ballast.acquire()
        told.append(bench.disk.reserve > 0)

    bench.run(work)
    bench.wait(1)
    assert told == [True, True]


@pytest.mark.parametrize(("failing", "rows"), [("EIO", []), ("false", [1])])
def test_a_failed_write_is_there_or_not(failing: str, rows: list[int]) -> None:
    """P6: the error says nothing about the data."""
    bench = Bench()
    bench.disk.failing = failing
    bench.write(1)
    bench.wait(1)
    assert bench.errors == ["disk I/O error"]
    assert bench.rows() == rows


def test_a_lying_disk_forgets_only_if_power_is_lost_in_time() -> None:
    bench = Bench()
    bench.write(1)
    bench.wait(1)
    bench.disk.begin_to_lie()
    process = bench.write(2)
    bench.wait(1)
    assert bench.done == [1, 2]
    process.die()
    bench.disk.lose_power()
    assert bench.rows() == [1]
    assert bench.disk.rolled_back
    bench.disk.begin_to_lie()
    bench.write(3)
    bench.wait(1)
    bench.disk.stop_lying()
    bench.disk.lose_power()
    assert bench.rows() == [1, 3]


def test_an_image_brings_back_what_was_there() -> None:
    bench = Bench()
    bench.write(1)
    bench.wait(1)
    image = bench.disk.image()
    bench.write(2)
    bench.wait(1)
    bench.disk.restore(image)
    assert bench.rows() == [1]


def test_somebody_may_be_killed_in_the_middle_of_a_write() -> None:
    bench = Bench()
    process = bench.write(1, 2, 3)
    count = 0

    def strike() -> None:
        nonlocal count
        count += 1
        if count == 2:
            process.die()
            bench.disk.lose_power()

    bench.disk.on_write = strike
    bench.wait(1)
    assert bench.done == [1]
    assert bench.rows() in ([1], [1, 2])


def test_a_new_journal_has_promised_nothing() -> None:
    disk = Bench().disk
    assert disk.promised() == Ballot(0, 0)
    assert disk.vote(1) is None
    assert disk.seq() == 1
    assert not disk.knows(2)
    assert disk.seq_of(2) == 0

"""Does our own disk make progress? (P18)"""

from __future__ import annotations

from paxoskv.paxos.ballot import Ballot, Vote
from paxoskv.paxos.disk import DiskProgress
from paxoskv.paxos.effects import SavePromise, SaveVote

TIMEOUT_S = 0.4


def test_a_disk_with_nothing_to_write_is_not_stalled() -> None:
    assert not DiskProgress(TIMEOUT_S).is_stalled(1000.0)


def test_a_disk_that_does_not_return_is_stalled_after_the_timeout() -> None:
    disk = DiskProgress(TIMEOUT_S)
    disk.issue(10.0)
    assert not disk.is_stalled(10.39)
    assert disk.is_stalled(10.41)


def test_a_slow_disk_that_makes_progress_is_not_stalled() -> None:
    disk = DiskProgress(TIMEOUT_S)
    first, second = disk.issue(10.0), disk.issue(10.0)
    assert second == first + 1
    disk.on_written(first, 10.3)
    assert not disk.is_stalled(10.69)
    assert disk.is_stalled(10.71)


def test_one_answer_covers_every_earlier_ticket() -> None:
    disk = DiskProgress(TIMEOUT_S)
    disk.issue(10.0)
    disk.on_written(disk.issue(10.0), 10.1)
    assert not disk.is_stalled(99.0)


def test_idle_time_before_a_write_does_not_count() -> None:
    disk = DiskProgress(TIMEOUT_S)
    disk.on_written(disk.issue(10.0), 10.1)
    disk.issue(50.0)
    assert not disk.is_stalled(50.39)


def test_a_full_disk_is_stalled_whatever_it_still_writes() -> None:
    """P9: promises may find room in a reserve; that is no progress."""
    disk = DiskProgress(0.4)
    disk.is_full = True
    assert disk.is_stalled(10.0)
    disk.on_written(disk.issue(10.0), 10.1)
    assert disk.is_stalled(10.1)
    disk.is_full = False
    assert not disk.is_stalled(10.1)


def test_what_the_journal_was_told_is_known_when_it_is_durable() -> None:
    """A vote's row says up to where slots were chosen; of several that are durable the highest counts."""
    disk = DiskProgress(TIMEOUT_S)
    ballot = Ballot(1, 1)
    first = disk.issue(1.0, [SavePromise(ballot), SaveVote(5, Vote(ballot, b""), 4), SaveVote(6, Vote(ballot, b""), 3)])
    second = disk.issue(1.0, [SaveVote(7, Vote(ballot, b""), 6)])
    assert disk.on_written(first, 1.1) == 4
    assert disk.on_written(second, 1.2) == 6
    assert disk.on_written(disk.issue(1.3, [SavePromise(ballot)]), 1.4) == 0

"""The mender: damaged records are written anew, from memory or from a peer (P5)."""

from __future__ import annotations

import pytest

from paxoskv.paxos import log as log_module
from paxoskv.paxos.ballot import Ballot, Vote
from paxoskv.paxos.effects import Effects, SaveVote
from paxoskv.paxos.learner import Learner
from paxoskv.paxos.log import Log
from paxoskv.paxos.mender import Mender
from paxoskv.paxos.messages import CatchUp, Envelope, Learn
from paxoskv.paxos.timing import Timing

B1 = Ballot(1, 2)
REPEAT_S = Timing().repeat_s


@pytest.fixture
def mender(monkeypatch: pytest.MonkeyPatch) -> Mender:
    """Slots 1 to 8 are chosen, 7 and 8 in memory still, and 9 is an open vote. Peers 2 and 3 know all."""
    monkeypatch.setattr(log_module, "TAIL_SLOTS", 2)
    log = Log()
    for slot in range(1, 10):
        log.record(slot, Vote(B1, b"v%d" % slot))
    log.settle(8)
    for _ in range(8):
        log.choose()
    learner = Learner(1, log, Timing())
    for peer in (2, 3):
        learner.note(peer, 8)
    return Mender(log, learner, Timing())


def test_what_memory_holds_is_written_again(mender: Mender) -> None:
    out = Effects()
    mender.on_damaged([8, 9], 10.0, out)
    assert out == Effects(persist=[SaveVote(8, Vote(B1, b"v8"), 8), SaveVote(9, Vote(B1, b"v9"), 8)])
    assert mender.wanted == []


def test_what_left_memory_is_asked_of_one_peer_after_the_other(mender: Mender) -> None:
    out = Effects()
    mender.on_damaged([2, 3, 5], 10.0, out)
    for late in (0.5, 1.1, 2.2):
        mender.on_timer(10.0 + late * REPEAT_S, out)
    assert out == Effects(send_now=[Envelope(peer, CatchUp(2, 3)) for peer in (2, 3, 2)])


def test_a_value_that_was_told_is_written_and_the_next_asked_for(mender: Mender) -> None:
    mender.on_damaged([2, 5], 10.0, Effects())
    out = Effects()
    mender.on_learn(Learn(8, 0, ((2, Vote(B1, b"v2")), (3, Vote(B1, b"v3")))), out)
    mender.on_timer(10.0, out)
    assert out == Effects(persist=[SaveVote(2, Vote(B1, b"v2"), 8)], send_now=[Envelope(2, CatchUp(5, 5))])
    assert mender.wanted == [5]


def test_the_same_damage_is_reported_once(mender: Mender) -> None:
    mender.on_damaged([2], 10.0, Effects())
    mender.on_damaged([2], 10.0, Effects())
    assert mender.wanted == [2]


def test_compacted_slots_are_not_missed(mender: Mender) -> None:
    mender._log.compacted_slot = 2
    mender.on_damaged([2], 10.0, Effects())
    assert mender.wanted == []


def test_nobody_is_asked_for_what_nobody_knows(mender: Mender) -> None:
    for peer in (2, 3):
        mender._learner.note(peer, 4)
    out = Effects()
    mender.on_damaged([5], 10.0, out)
    assert out == Effects()
    mender._learner.note(3, 8)
    mender.on_timer(10.0, out)
    assert out == Effects(send_now=[Envelope(3, CatchUp(5, 5))])

"""The acceptor: given a state, one Prepare or Accept, the exact Effects."""

from __future__ import annotations

import pytest

from paxoskv.paxos import acceptor as acceptor_module
from paxoskv.paxos import log as log_module
from paxoskv.paxos.acceptor import Acceptor
from paxoskv.paxos.ballot import NO_BALLOT, NOOP, Ballot, Vote
from paxoskv.paxos.effects import Effects, SavePromise, SaveVote
from paxoskv.paxos.log import SLOT_AHEAD_MAX, Log
from paxoskv.paxos.messages import Accept, Accepted, Envelope, Prepare, Promise, Rejected

LOW, MID, HIGH = Ballot(1, 2), Ballot(2, 1), Ballot(2, 3)


def accept(acceptor: Acceptor, ballot: Ballot, slot: int, value: bytes = b"x") -> tuple[bool, Effects]:
    out = Effects()
    return acceptor.on_accept(ballot.node, Accept(ballot, slot, value, 0), out), out


def prepare(acceptor: Acceptor, ballot: Ballot, from_slot: int = 1) -> tuple[bool, Effects]:
    out = Effects()
    return acceptor.on_prepare(ballot.node, Prepare(ballot, from_slot), out), out


def test_a_first_prepare_is_promised_after_the_disk() -> None:
    """P1: the promise is spoken of in `send_synced`, behind its record."""
    acceptor = Acceptor(1, Log(), NO_BALLOT, first_answer=7)
    held, out = prepare(acceptor, MID)
    promise = Promise(MID, 0, 1, 0, 0, (), (), 8, 0)
    assert held
    assert out == Effects(persist=[SavePromise(MID)], send_synced=[Envelope(1, promise)])
    assert acceptor.promised == MID


def test_a_lower_prepare_is_rejected_at_once() -> None:
    acceptor = Acceptor(1, Log(), HIGH, 0)
    held, out = prepare(acceptor, MID)
    assert not held
    assert out == Effects(send_now=[Envelope(1, Rejected(MID, HIGH))])
    assert acceptor.promised == HIGH


def test_a_repeated_prepare_is_answered_again_without_a_new_record_under_a_new_answer_number() -> None:
    """P12: parts of the two answers must not be mixed, so each has a number of its own."""
    acceptor = Acceptor(1, Log(), MID, first_answer=7)
    first, second = prepare(acceptor, MID)[1], prepare(acceptor, MID)[1]
    assert not first.persist
    assert not second.persist
    answers = [envelope.message for out in (first, second) for envelope in out.send_synced]
    assert answers == [Promise(MID, 0, 1, 0, 0, (), (), 8, 0), Promise(MID, 0, 1, 0, 0, (), (), 9, 0)]


def test_a_promise_reports_open_votes_commit_compacted_and_faulty_slots() -> None:
    log = Log(4, {5: Vote(LOW, b"e"), 9: Vote(LOW, b"i")}, [7], 2)
    _, out = prepare(Acceptor(1, log, LOW, 0), MID)
    assert [envelope.message for envelope in out.send_synced] == [
        Promise(MID, 0, 1, 4, 2, ((5, Vote(LOW, b"e")), (9, Vote(LOW, b"i"))), (7,), 1, 4)
    ]


def test_a_promise_leaves_out_votes_below_the_slot_asked_for() -> None:
    log = Log(0, {1: Vote(LOW, b"a"), 2: Vote(LOW, b"b")})
    _, out = prepare(Acceptor(1, log, LOW, 0), MID, from_slot=2)
    [envelope] = out.send_synced
    assert isinstance(envelope.message, Promise)
    assert envelope.message.votes == ((2, Vote(LOW, b"b")),)


def test_a_large_promise_travels_in_parts_of_one_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    """P32: by bytes and by count; every part names the whole."""
    monkeypatch.setattr(acceptor_module, "PART_BYTES_MAX", 5)
    monkeypatch.setattr(acceptor_module, "PART_VOTES_MAX", 3)
    sizes = {1: 3, 2: 2, 3: 1, 4: 9, 5: 0, 6: 0, 7: 0, 8: 0}
    log = Log(0, {slot: Vote(LOW, b"x" * size) for slot, size in sizes.items()})
    _, out = prepare(Acceptor(1, log, LOW, 0), MID)
    parts = [envelope.message for envelope in out.send_synced if isinstance(envelope.message, Promise)]
    assert [[slot for slot, _ in part.votes] for part in parts] == [[1, 2], [3], [4], [5, 6, 7], [8]]
    assert [(part.part, part.parts, part.answer) for part in parts] == [(number, 5, 1) for number in range(5)]


def test_a_vote_is_durable_before_it_is_spoken_of() -> None:
    """P1: Accepted only in `send_synced`, behind the vote."""
    acceptor = Acceptor(1, Log(), MID, 0)
    held, out = accept(acceptor, MID, 1)
    assert held
    assert out == Effects(persist=[SaveVote(1, Vote(MID, b"x"), 0)], send_synced=[Envelope(1, Accepted(MID, 1))])


def test_an_accept_of_a_higher_ballot_raises_the_promise_in_a_record_of_its_own() -> None:
    """P5: if the vote's record is damaged later, the promise it stood for is not lost with it."""
    acceptor = Acceptor(1, Log(), LOW, 0)
    _, out = accept(acceptor, HIGH, 1)
    assert out.persist == [SavePromise(HIGH), SaveVote(1, Vote(HIGH, b"x"), 0)]
    assert acceptor.promised == HIGH


def test_an_accept_below_the_promise_is_rejected_at_once_and_changes_nothing() -> None:
    log = Log()
    held, out = accept(Acceptor(1, log, HIGH, 0), MID, 1)
    assert not held
    assert out == Effects(send_now=[Envelope(1, Rejected(MID, HIGH))])
    assert log.votes == {}


def test_a_repeated_accept_is_answered_without_a_second_record() -> None:
    acceptor = Acceptor(1, Log(), MID, 0)
    accept(acceptor, MID, 1)
    _, out = accept(acceptor, MID, 1)
    assert out == Effects(send_synced=[Envelope(1, Accepted(MID, 1))])


def test_a_vote_of_a_higher_ballot_replaces_the_older_one() -> None:
    log = Log(0, {1: Vote(LOW, b"old")})
    _, out = accept(Acceptor(1, log, MID, 0), MID, 1, b"new")
    assert log.votes == {1: Vote(MID, b"new")}
    assert out.persist == [SaveVote(1, Vote(MID, b"new"), 0)]


def test_the_record_of_a_vote_says_what_was_chosen_before() -> None:
    log = Log()
    acceptor = Acceptor(1, log, MID, 0)
    accept(acceptor, MID, 1)
    log.choose()
    assert accept(acceptor, MID, 2)[1].persist == [SaveVote(2, Vote(MID, b"x"), 1)]


def test_two_values_of_one_ballot_in_one_slot_stop_the_process() -> None:
    acceptor = Acceptor(1, Log(), MID, 0)
    accept(acceptor, MID, 1, b"a")
    with pytest.raises(AssertionError, match="two values in slot 1"):
        accept(acceptor, MID, 1, b"b")


def test_another_value_above_a_chosen_one_stops_the_process() -> None:
    """P2b, as far as one acceptor can see it."""
    log = Log()
    acceptor = Acceptor(1, log, MID, 0)
    accept(acceptor, MID, 1, b"a")
    log.choose()
    with pytest.raises(AssertionError, match="two values in slot 1"):
        accept(acceptor, HIGH, 1, b"b")


@pytest.mark.parametrize("in_memory", [True, False])
def test_the_record_of_a_chosen_slot_never_changes(in_memory: bool) -> None:
    """P14, P31: a late Accept of a deposed leader may carry another value; it gets its yes, and no record."""
    log = Log(commit_slot=0 if in_memory else 1)
    if in_memory:
        log.record(1, Vote(HIGH, b"chosen"))
        log.choose()
    before = dict(log.votes)
    held, out = accept(Acceptor(1, log, LOW, 0), LOW, 1, b"late")
    assert held
    assert out == Effects(send_synced=[Envelope(2, Accepted(LOW, 1))])
    assert log.votes == before


@pytest.mark.parametrize("slot", [2 + SLOT_AHEAD_MAX, 1 << 63])
def test_an_absurd_slot_gets_no_vote_and_no_answer(slot: int) -> None:
    """H14; the ballot itself is fine, so the sender is still followed."""
    log = Log()
    held, out = accept(Acceptor(1, log, MID, 0), MID, slot)
    assert held
    assert out == Effects()
    assert log.votes == {}


def test_a_promise_raised_by_an_accept_without_room_is_durable_too(monkeypatch: pytest.MonkeyPatch) -> None:
    """P1: a late Prepare of that ballot is answered from memory; the record has to be there by then."""
    monkeypatch.setattr(log_module, "OPEN_BYTES_MAX", 1)
    log = Log(0, {5: Vote(LOW, b"full")})
    acceptor = Acceptor(1, log, LOW, 0)
    _, out = accept(acceptor, MID, 2)
    assert out == Effects(persist=[SavePromise(MID)])
    _, out = accept(acceptor, MID, 1, NOOP)
    assert out.persist == [SaveVote(1, Vote(MID, NOOP), 0)]


def test_a_promise_stays_small_however_much_is_lost() -> None:
    """P5, P32: chosen slots that cannot be read are told by one number, not one by one."""
    log = Log(0, {100_002: Vote(LOW, b"x")}, [*range(1, 100_000), 100_001], 0, known_slot=99_999)
    acceptor, out = Acceptor(1, log, LOW, 0), Effects()
    acceptor.on_prepare(2, Prepare(MID, 1), out)
    [envelope] = out.send_synced
    assert envelope.message == Promise(MID, 0, 1, 0, 0, ((100_002, Vote(LOW, b"x")),), (100_001,), 1, 99_999)

"""A write happens at most once and is answered the same for ever, in whatever order its copies arrive (P25)."""

from __future__ import annotations

from dataclasses import dataclass, field

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from paxoskv.kv import commands
from paxoskv.kv.commands import ABSENT, EXPECT_VALUE, NUMBER_MAX, REVISION
from paxoskv.kv.limits import KvLimits
from paxoskv.kv.replies import (
    APPLIED,
    COMPARE_FAILED,
    SEQ_ACKNOWLEDGED,
    SESSION_EXPIRED,
    TOO_MANY_REPLIES,
    Reply,
)
from tests.kv.driver import Driver


def put(seq: int, value: bytes, acked: int = 0, session: int = 1) -> bytes:
    """A put to the one key that matters here."""
    return commands.put(session, seq, acked, b"k", value)


# Copies


def test_a_copy_gets_the_first_reply_and_does_nothing() -> None:
    """In the same slot, in later ones, after other changes."""
    d = Driver()
    first, copy = d.slot(put(1, b"a"), put(1, b"a"))
    assert first == copy == (APPLIED, 1, 2)
    d.one(put(2, b"b"))
    assert d.one(put(1, b"a")) == first
    assert d.machine.get(b"k") == (b"b", 1, 2, 2, 0)


@pytest.mark.parametrize(
    "command",
    [
        commands.delete(1, 2, 0, b"k"),
        commands.delete(1, 2, 0, b"absent"),
        commands.cas(1, 2, 0, b"k", b"w", EXPECT_VALUE, b"v"),
        commands.cas(1, 2, 0, b"k", b"w", EXPECT_VALUE, b"other"),
        commands.cas(1, 2, 0, b"absent", b"w", REVISION, 1),
        commands.cas(1, 2, 0, b"k", b"w", ABSENT, None),
    ],
)
def test_a_copy_of_any_write_gets_the_first_reply(command: bytes) -> None:
    """Also when the write would now do something else: the key was created, changed or deleted in between."""
    d = Driver(sessions=2)
    d.one(commands.put(1, 1, 0, b"k", b"v"))
    first = d.one(command)
    d.put(b"k", b"v", session=2)
    d.put(b"absent", b"w", session=2)
    digest, revision = d.machine.digest(), d.machine.revision
    assert d.one(command) == first
    assert d.machine.revision == revision
    assert d.machine.digest() != digest, "a slot was applied"


def test_a_failed_compare_is_remembered_like_a_success() -> None:
    """Its retry may not succeed later: the caller may have acted on the failure, whose answer was lost."""
    d = Driver(sessions=2)
    failing = commands.cas(1, 1, 0, b"k", b"mine", EXPECT_VALUE, b"free")
    assert d.one(failing) == (COMPARE_FAILED, 0, 3, None)
    d.put(b"k", b"free", session=2)
    assert d.one(failing) == (COMPARE_FAILED, 0, 3, None)
    assert d.machine.get(b"k") == (b"free", 1, 1, 1, 0)


def test_the_first_reply_counts_even_if_the_copy_is_another_command() -> None:
    """A client that reuses a number is wrong; the number decides all the same."""
    d = Driver()
    first = d.one(put(1, b"a"))
    assert d.one(commands.delete(1, 1, 0, b"k")) == first
    assert d.machine.get(b"k") == (b"a", 1, 1, 1, 0)


def test_sessions_are_apart() -> None:
    """The same number in two sessions is two writes."""
    d = Driver(sessions=2)
    assert d.one(put(1, b"a", session=1)) == (APPLIED, 1, 3)
    assert d.one(put(1, b"b", session=2)) == (APPLIED, 2, 4)
    assert d.machine.get(b"k") == (b"b", 1, 2, 2, 0)


# Order


def test_a_pipeline_may_arrive_in_any_order() -> None:
    """Numbers are executed as they come, each once."""
    d = Driver()
    replies = {seq: d.one(put(seq, b"%d" % seq)) for seq in (3, 1, 2)}
    assert replies == {3: (APPLIED, 1, 2), 1: (APPLIED, 2, 3), 2: (APPLIED, 3, 4)}
    assert {seq: d.one(put(seq, b"again")) for seq in (1, 2, 3)} == replies
    assert d.machine.get(b"k") == (b"2", 1, 3, 3, 0)


def test_an_acknowledged_number_is_never_executed_again() -> None:
    """The late copy of a write whose reply has arrived."""
    d = Driver()
    d.one(put(1, b"a"))
    d.one(put(2, b"b", acked=1))
    assert d.one(put(1, b"a")) == (SEQ_ACKNOWLEDGED, 2, 4)
    assert d.machine.get(b"k") == (b"b", 1, 2, 2, 0)


def test_an_acknowledged_number_is_never_executed_first() -> None:
    """The client gave up a write that was never chosen, and said so; then its copy arrives."""
    d = Driver()
    d.one(put(5, b"e", acked=4))
    for seq in (1, 4):
        assert d.one(put(seq, b"late")) == (SEQ_ACKNOWLEDGED, 1, d.machine.applied_slot)
    assert d.machine.get(b"k") == (b"e", 1, 1, 1, 0)


def test_acknowledgement_never_falls() -> None:
    """A late command carries a low `acked`; what was forgotten stays settled."""
    d = Driver()
    d.one(put(9, b"a", acked=5))
    d.one(put(10, b"b", acked=2))
    assert d.one(put(5, b"late"))[0] == SEQ_ACKNOWLEDGED


def test_replies_above_the_acknowledgement_are_kept() -> None:
    """Also those executed out of order."""
    d = Driver()
    replies = {seq: d.one(put(seq, b"v")) for seq in (4, 2, 3, 1)}
    d.one(put(5, b"v", acked=2))
    assert {seq: d.one(put(seq, b"v")) for seq in (3, 4)} == {3: replies[3], 4: replies[4]}
    assert d.one(put(2, b"v"))[0] == SEQ_ACKNOWLEDGED


def test_a_jump_over_all_numbers_costs_nothing() -> None:
    """A hostile client acknowledges 2**62 numbers at once; the machine does not count them."""
    d = Driver()
    d.one(put(1, b"a"))
    d.one(put(NUMBER_MAX, b"z", acked=NUMBER_MAX - 1))
    assert d.one(put(1, b"a"))[0] == SEQ_ACKNOWLEDGED
    assert d.one(put(NUMBER_MAX, b"z")) == (APPLIED, 2, 3)


# Bounds


def test_a_session_keeps_a_bounded_number_of_replies() -> None:
    """Refused is not executed: after an acknowledgement the same command runs."""
    d = Driver(KvLimits(session_replies_max=2))
    d.slot(put(1, b"a"), put(2, b"b"))
    assert d.one(put(3, b"c")) == (TOO_MANY_REPLIES, 2, 3)
    assert d.machine.get(b"k") == (b"b", 1, 2, 2, 0)
    assert d.one(put(2, b"b")) == (APPLIED, 2, 2), "a copy needs no room"
    assert d.one(put(4, b"d", acked=1)) == (APPLIED, 3, 5)
    assert d.one(put(3, b"c")) == (TOO_MANY_REPLIES, 3, 6)
    assert d.one(put(3, b"c", acked=2)) == (APPLIED, 4, 7)


def test_the_write_that_all_others_wait_for_has_room() -> None:
    """Without it nothing could ever be acknowledged, and a session that was filled out of order would stay full."""
    d = Driver(KvLimits(session_replies_max=2))
    assert [reply[0] for reply in d.slot(put(2, b"b"), put(3, b"c"), put(4, b"d"))] == [0, 0, TOO_MANY_REPLIES]
    assert d.one(put(1, b"a"))[0] == APPLIED
    assert [reply[0] for reply in d.slot(put(5, b"e"), put(4, b"d", acked=3), put(5, b"e"))] == [TOO_MANY_REPLIES, 0, 0]


def test_a_session_keeps_a_bounded_number_of_bytes() -> None:
    """Replies of failed compares hold on to values that nobody else needs any more."""
    d = Driver(KvLimits(session_reply_bytes_max=10), sessions=2)

    def failing(seq: int, acked: int = 0) -> Reply:
        return d.one(commands.cas(1, seq, acked, b"k", b"", ABSENT, None))

    d.put(b"k", b"123456", session=2)
    assert [failing(1)[0], failing(2)[0], failing(3)[0]] == [COMPARE_FAILED, COMPARE_FAILED, TOO_MANY_REPLIES]
    assert d.put(b"k", b"1234567", session=2)[0] == APPLIED, "other sessions go on"
    assert failing(3, acked=1)[0] == COMPARE_FAILED
    assert failing(5)[0] == TOO_MANY_REPLIES
    assert failing(4, acked=3)[0] == COMPARE_FAILED
    assert failing(5)[0] == COMPARE_FAILED, "all bytes of acknowledged replies were given back"


def test_a_failed_compare_on_an_absent_key_needs_no_bytes() -> None:
    """There is no record in its reply."""
    d = Driver(KvLimits(session_reply_bytes_max=1))
    replies = [d.one(commands.cas(1, seq, 0, b"k", b"", REVISION, 1))[0] for seq in range(1, 6)]
    assert replies == [COMPARE_FAILED] * 5
    assert d.one(put(6, b"v", acked=5))[0] == APPLIED


# Sessions end


def test_nothing_is_executed_without_a_session() -> None:
    """Never opened, or closed."""
    d = Driver()
    assert d.one(put(1, b"a", session=2)) == (SESSION_EXPIRED, 0, 2)
    d.one(put(1, b"a"))
    assert d.one(commands.close_session(1, 2, 1)) == (APPLIED, 1, 4)
    assert d.one(put(1, b"a")) == (SESSION_EXPIRED, 1, 5)
    assert d.one(put(3, b"c")) == (SESSION_EXPIRED, 1, 6)
    assert d.one(commands.close_session(1, 2, 1)) == (SESSION_EXPIRED, 1, 7)
    assert d.machine.get(b"k") == (b"a", 1, 1, 1, 0)


def test_a_late_copy_of_a_close_cannot_end_another_session() -> None:
    """Ids are never reused."""
    d = Driver()
    close = commands.close_session(1, 1, 0)
    d.one(close)
    assert d.open()[3] == 2
    assert d.one(close)[0] == SESSION_EXPIRED
    assert d.one(put(1, b"a", session=2))[0] == APPLIED


def test_a_session_idle_for_exactly_its_time_is_alive() -> None:
    """P26: and for one millisecond longer it is not; the boundary is the same on every replica."""
    for idle_ms, code in ((1000, APPLIED), (1001, SESSION_EXPIRED)):
        d = Driver(KvLimits(session_idle_ms=1000))
        assert d.machine.next_expiry_ms == 1001
        (reply,) = d.slot(put(1, b"a"), elapsed_ms=idle_ms)
        assert reply[0] == code


def test_expiry_comes_before_the_commands_of_its_batch() -> None:
    """A retry that arrives with the tick that ends its session is refused, and frees a place for another."""
    d = Driver(KvLimits(session_idle_ms=10, sessions_max=1))
    d.one(put(1, b"a"))
    retry, opened = d.slot(put(1, b"a"), commands.open_session(), elapsed_ms=11)
    assert retry == (SESSION_EXPIRED, 1, 3)
    assert opened == (APPLIED, 1, 3, 2)


def test_every_command_keeps_its_session_alive() -> None:
    """New ones, copies, late ones, refused ones: somebody is there."""
    d = Driver(KvLimits(session_idle_ms=10, session_replies_max=1))
    for command in (put(2, b"a", acked=1), put(2, b"a"), put(1, b"late"), put(4, b"c")):
        d.slot(command, elapsed_ms=10)
    assert d.machine.sessions == 1
    assert d.machine.next_expiry_ms == 51
    d.advance(11)
    assert d.machine.sessions == 0
    assert d.machine.next_expiry_ms is None


def test_sessions_expire_oldest_activity_first() -> None:
    """One that was used meanwhile outlives one that was opened later."""
    d = Driver(KvLimits(session_idle_ms=10), sessions=3)
    d.slot(put(1, b"a", session=1), elapsed_ms=5)
    assert d.machine.next_expiry_ms == 11
    d.advance(6)
    assert d.machine.sessions == 1
    assert d.machine.next_expiry_ms == 16
    codes = [d.one(put(2, b"v", session=session))[0] for session in (1, 2, 3)]
    assert codes == [APPLIED, SESSION_EXPIRED, SESSION_EXPIRED]


def test_an_idle_log_expires_nobody() -> None:
    """P26: only a chosen advance does, however many slots pass."""
    d = Driver(KvLimits(session_idle_ms=1))
    for _ in range(5):
        d.slot()
    assert d.machine.sessions == 1


def test_a_late_copy_of_an_open_revives_nobody() -> None:
    """It makes a session that nobody uses; the writes of the expired one stay refused, so nothing runs twice."""
    d = Driver(KvLimits(session_idle_ms=10))
    write = put(1, b"a")
    d.one(write)
    d.advance(11)
    assert d.open() == (APPLIED, 1, 4, 2)
    assert d.one(write) == (SESSION_EXPIRED, 1, 5)
    assert d.machine.get(b"k") == (b"a", 1, 1, 1, 0)


# All of it at once


@dataclass
class Model:
    """What exactly-once means, said as plainly as possible: every session remembers everything it ever answered."""

    idle_ms: int
    replies_max: int
    now_ms: int = 0
    active_ms: dict[int, int] = field(default_factory=dict)
    acked: dict[int, int] = field(default_factory=dict)
    first: dict[tuple[int, int], Reply] = field(default_factory=dict)

    def expected(self, session: int, seq: int, acked: int) -> int | Reply | None:
        """Return the code of a refusal, the first reply, or None for a new write."""
        if session not in self.active_ms or self.now_ms - self.active_ms[session] > self.idle_ms:
            self.active_ms.pop(session, None)
            return SESSION_EXPIRED
        self.active_ms[session] = self.now_ms
        settled = self.acked[session] = max(acked, self.acked.get(session, 0))
        if seq <= settled:
            return SEQ_ACKNOWLEDGED
        if (session, seq) in self.first:
            return self.first[session, seq]
        kept = sum(1 for owner, number in self.first if owner == session and number > settled)
        return TOO_MANY_REPLIES if kept >= self.replies_max and seq > settled + 1 else None


steps = st.tuples(st.integers(1, 4), st.integers(1, 6), st.integers(0, 5), st.sampled_from([0, 0, 0, 1, 5, 6]))


@settings(deadline=None, max_examples=300)
@given(st.lists(steps, max_size=40))
def test_any_order_of_copies_and_acknowledgements_and_time(story: list[tuple[int, int, int, int]]) -> None:
    """Against the model: three sessions and an unknown one, hostile orders, expiry at the boundary, small bounds."""
    d = Driver(KvLimits(session_idle_ms=5, session_replies_max=3), sessions=3)
    model = Model(idle_ms=5, replies_max=3, active_ms={1: 0, 2: 0, 3: 0})
    for session, seq, acked, elapsed_ms in story:
        if acked >= seq:
            continue
        model.now_ms += elapsed_ms
        expected = model.expected(session, seq, acked)
        before = d.machine.revision
        (reply,) = d.slot(put(seq, b"%d" % before, acked, session), elapsed_ms=elapsed_ms)
        if expected is None:
            assert reply == (APPLIED, before + 1, d.machine.applied_slot)
            model.first[session, seq] = reply
        else:
            assert (reply if isinstance(expected, tuple) else reply[0]) == expected
            assert d.machine.revision == before

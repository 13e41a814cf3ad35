"""What a client may ask: checked, then sent the way it has to go (H2 to H4, H14)."""

from __future__ import annotations

from itertools import count
from typing import Any

import pytest

from paxoskv.kv import commands
from paxoskv.kv.limits import KvLimits
from paxoskv.kv.operations import KEYS_ONLY
from paxoskv.net import protocol
from paxoskv.net.protocol import ProtocolError
from paxoskv.node.reads import PAGE_KEYS_MAX
from paxoskv.paxos.lease import NO_LEASES, LeaseTerms
from tests.node.kit import OPEN, Answers, Lab, serve

LIMITS = KvLimits(key_bytes_max=32, value_bytes_max=1 << 20)
W, G, R, S = protocol.WRITE, protocol.GET, protocol.RANGE, protocol.STATUS
LIN, LEASE, STALE = protocol.LINEARIZABLE, protocol.LEASE_READ, protocol.STALE


class Desk:
    """The requests of node 1 of a lab. forwarded: (leader, command) of all that was passed on."""

    def __init__(self, nodes: int = 1, leader: int | None = 1, lease: LeaseTerms = NO_LEASES) -> None:
        self.lab = Lab(nodes, LIMITS, lease=lease)
        self.forwarded: list[tuple[int, bytes]] = []
        self.answers = Answers()
        self._numbers = count(1)
        self.service = serve(self.lab, LIMITS, self._forward)
        self.requests = self.service.requests
        if leader is not None:
            self.lab.elect(leader)

    def _forward(self, leader: int, number: int, command: bytes) -> bool:
        self.forwarded.append((leader, command))
        return True

    def ask(self, kind: Any, *fields: Any) -> tuple[Any, ...]:
        """Handle a request and let the lab settle; return its answer, () if there is none yet."""
        number = next(self._numbers)
        self.requests.handle((kind, number, *fields), self.answers.waiter(number))
        self.lab.settle()
        return self.answers.got.get(number, ())

    def fill(self, keys: int, value: bytes = b"v") -> None:
        """Put keys in order."""
        session = self.ask(W, OPEN)[2][3]
        for seq in range(1, keys + 1):
            self.ask(W, commands.put(session, seq, seq - 1, b"k%05d" % seq, value))


# The ways


def test_the_leader_proposes() -> None:
    desk = Desk()
    status, ballot, reply = desk.ask(W, OPEN)
    assert (status, ballot.node, reply[0]) == (protocol.OK, 1, 0)


def test_a_follower_passes_on_what_it_has_checked() -> None:
    desk = Desk(nodes=3, leader=2)
    assert desk.ask(W, OPEN) == ()
    assert desk.forwarded == [(2, OPEN)]
    assert desk.ask(W, b"garbage")[0] == protocol.BAD_REQUEST
    assert len(desk.forwarded) == 1


def test_without_a_leader_a_write_is_surely_not_applied() -> None:
    desk = Desk(nodes=3, leader=None)
    status, message, retry_after_ms = desk.ask(W, OPEN)
    assert status == protocol.UNAVAILABLE
    assert "no leader is known here" in message
    assert retry_after_ms > 0


@pytest.mark.parametrize("leader", [2, None])
def test_what_was_passed_on_is_not_passed_on_again(leader: int | None) -> None:
    """Two nodes that each take the other for the leader must not play ball."""
    desk = Desk(nodes=3, leader=leader)
    desk.requests.write_forwarded(OPEN, desk.answers.waiter(1))
    assert desk.answers.statuses == {1: protocol.UNAVAILABLE}
    assert desk.forwarded == []


def test_the_leader_proposes_what_was_passed_on_and_checks_it_again() -> None:
    desk = Desk()
    desk.requests.write_forwarded(OPEN, desk.answers.waiter(1))
    desk.requests.write_forwarded(b"garbage", desk.answers.waiter(2))
    desk.lab.settle()
    assert desk.answers.statuses == {1: protocol.OK, 2: protocol.BAD_REQUEST}


def test_a_stale_read_asks_nobody() -> None:
    desk = Desk(nodes=3, leader=None)
    assert desk.ask(G, STALE, b"k")[0] == protocol.OK
    assert desk.ask(R, STALE, b"", b"", 0, 0)[0] == protocol.OK
    assert desk.ask(G, LIN, b"k")[0] == protocol.UNAVAILABLE


def test_a_read_under_a_lease_is_refused_with_the_remedy_where_none_is_granted() -> None:
    """P24: only as an option that somebody has chosen, since it trusts clocks."""
    desk = Desk()
    for answer in (desk.ask(G, LEASE, b"k"), desk.ask(R, LEASE, b"", b"", 0, 0)):
        assert answer[0] == protocol.BAD_REQUEST
        assert "--lease-reads" in answer[1]
        assert "clock_drift_max" in answer[1]


def test_reads_under_a_lease_are_answered_like_others() -> None:
    desk = Desk(nodes=3, lease=LeaseTerms(0.3, 0.01))
    desk.lab.settle()
    assert desk.ask(G, LEASE, b"k") == desk.ask(G, LIN, b"k")
    assert desk.ask(R, LEASE, b"", b"", 0, 0) == desk.ask(R, LIN, b"", b"", 0, 0)
    assert desk.ask(G, LEASE, b"")[0] == protocol.BAD_REQUEST


def test_status_is_answered_whoever_leads() -> None:
    assert Desk(nodes=3, leader=None).ask(S) == (protocol.OK, {"node": 1})


# Reads


def test_a_get_tells_the_record_and_where_it_stands() -> None:
    desk = Desk()
    desk.fill(1)
    status, ballot, revision, slot, record = desk.ask(G, LIN, b"k00001")
    machine = desk.lab.engine.machine
    assert (status, ballot, revision, slot) == (protocol.OK, desk.lab.engine.ballot, 1, machine.applied_slot)
    assert record == (b"v", 1, 1, 1, 0)
    assert desk.ask(G, LIN, b"absent")[4] is None


@pytest.mark.parametrize("mode", [LIN, STALE])
def test_a_range_comes_in_pages(mode: int) -> None:
    desk = Desk()
    desk.fill(10)
    first, count, resume = desk.ask(R, mode, b"k", b"", 4, 0)[4:7]
    assert ([key for key, _ in first], count, resume) == ([b"k%05d" % number for number in (1, 2, 3, 4)], 4, b"k00005")
    rest, count, resume = desk.ask(R, mode, resume, b"k00009", 0, KEYS_ONLY)[4:7]
    assert ([key for key, _ in rest], count, resume) == ([b"k%05d" % number for number in (5, 6, 7, 8)], 4, None)
    assert {record[0] for _, record in rest} == {b""}


def test_a_page_has_a_bounded_size_whatever_is_asked_for() -> None:
    """H4: a few large values, or a great many small ones."""
    desk = Desk()
    desk.fill(8, b"x" * 300_000)
    *_, entries, count, resume = desk.ask(R, LIN, b"", b"", (1 << 63) - 1, 0)
    assert (len(entries), count, resume) == (3, 3, b"k00004")
    desk = Desk()
    desk.fill(PAGE_KEYS_MAX + 1)
    *_, entries, count, resume = desk.ask(R, LIN, b"", b"", 0, KEYS_ONLY)
    assert (len(entries), count, resume) == (PAGE_KEYS_MAX, PAGE_KEYS_MAX, b"k%05d" % (PAGE_KEYS_MAX + 1))


# What is wrong


@pytest.mark.parametrize(
    ("request_fields", "status"),
    [
        ((W, commands.put(1, 1, 0, b"k" * 33, b"v")), protocol.TOO_LARGE),
        ((W, commands.put(1, 1, 0, b"k", b"v" * ((1 << 20) + 1))), protocol.TOO_LARGE),
        ((W, commands.put(1, 1, 0, b"", b"v")), protocol.BAD_REQUEST),
        ((W, b""), protocol.BAD_REQUEST),
        ((G, LIN, b""), protocol.BAD_REQUEST),
        ((G, LIN, b"k" * 33), protocol.TOO_LARGE),
        ((G, 1, b"k"), protocol.BAD_REQUEST),
        ((R, LIN, b"k" * 34, b"", 1, 0), protocol.TOO_LARGE),
        ((R, LIN, b"", b"k" * 34, 1, 0), protocol.TOO_LARGE),
        ((R, 1, b"", b"", 1, 0), protocol.BAD_REQUEST),
        ((0,), protocol.BAD_REQUEST),
        ((77,), protocol.BAD_REQUEST),
        (("GET",), protocol.BAD_REQUEST),
        ((None,), protocol.BAD_REQUEST),
    ],
    ids=lambda value: f"{value!r:.40}",
)
def test_a_wrong_request_is_answered_once_and_for_all(request_fields: tuple[Any, ...], status: int) -> None:
    told, message, retry_after_ms = Desk().ask(*request_fields)
    assert (told, retry_after_ms) == (status, 0)
    assert message


@pytest.mark.parametrize(
    "request_fields",
    [
        (W,),
        (W, b"", b""),
        (W, "text"),
        (G, LIN),
        (G, LIN, "text"),
        (G, LIN, b"k", b"k"),
        (G, LIN, b"k", 0, 0, 0),
        (R, LIN, b"", b"", 1, False),
        (R, LIN, b"", b"", 1),
        (R, LIN, None, b"", 1, 0),
        (R, LIN, b"", b"", "1", 0),
        (R, LIN, b"", b"", -1, 0),
        (R, LIN, b"", b"", 1 << 63, 0),
    ],
    ids=str,
)
def test_a_request_of_another_shape_is_a_fault_of_the_connection(request_fields: tuple[Any, ...]) -> None:
    with pytest.raises(ProtocolError):
        Desk().ask(*request_fields)


def test_bounds_of_a_range_may_be_just_after_the_longest_key() -> None:
    desk = Desk()
    assert desk.ask(R, LIN, b"k" * 32 + b"\0", b"", 1, 0)[0] == protocol.OK
    assert desk.ask(R, LIN, b"z", b"a", 1, 0)[4:] == ([], 0, None)

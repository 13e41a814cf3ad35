"""What strangers, and a member gone mad, send to the peer port of a real node (H1 to H3, H9, H10, H14, P31 to P34).

Two of three members are real and serve all the while; the test plays the third one, or worse.
"""

from __future__ import annotations

import random
import struct
from collections.abc import AsyncIterator, Callable
from dataclasses import replace
from typing import Any

import pytest

from paxoskv.kv import commands
from paxoskv.net import codec, protocol
from paxoskv.net.frames import PEER_FRAME_BYTES_MAX, frame
from paxoskv.net.peering import PEER_MAGIC, Card, encode_refusal
from paxoskv.paxos.ballot import Ballot, Vote
from paxoskv.paxos.messages import (
    Accept,
    Accepted,
    Ask,
    CatchUp,
    Grant,
    Heartbeat,
    HeartbeatAck,
    Learn,
    Message,
    Prepare,
    ReadAnswer,
    ReadAsk,
    Rejected,
)
from tests.cluster.prey import MEMBER, Prey
from tests.cluster.wire import wire
from tests.support import eventually

PROMISE = 6
ROUND_MAX = (1 << 63) - 1
FAR_SLOT = (1 << 63) - 1
VALUE = commands.encode_batch(0, [])
FORWARD, FORWARDED = 20, 21


@pytest.fixture(autouse=True)
async def unharmed(prey: Prey) -> AsyncIterator[None]:
    """Every test here is an attack, and has to leave no trace."""
    before = prey.look()
    yield
    await prey.check(before)


def is_refusal(said: list[tuple[Any, ...]]) -> bool:
    """Whether the node said nothing, or no more than why it closes."""
    return not said or (len(said) == 1 and said[0][:2] == (PEER_MAGIC, 0))


async def answer_to(port: int, raw: bytes) -> list[tuple[Any, ...]]:
    """Send bytes and nothing more; return all that is said until the node closes."""
    async with wire(port) as connection:
        connection.write(raw)
        connection.write_end()
        return await connection.until_closed()


# Before the welcome


async def test_a_hello_cut_at_any_byte_welcomes_nobody(prey: Prey) -> None:
    hello = frame(prey.card().encode())
    for cut in range(len(hello)):
        assert await answer_to(prey.victim.peer_port, hello[:cut]) == []


async def test_a_hello_with_any_byte_changed_welcomes_nobody(prey: Prey) -> None:
    hello = frame(prey.card().encode())
    for position in range(len(hello)):
        damaged = bytearray(hello)
        damaged[position] ^= 0x21
        assert is_refusal(await answer_to(prey.victim.peer_port, bytes(damaged)))


async def test_noise_welcomes_nobody(prey: Prey) -> None:
    rng = random.Random(7)
    for size in (1, 7, 8, 9, 100, 4_096, 100_000):
        for _ in range(5):
            assert is_refusal(await answer_to(prey.victim.peer_port, rng.randbytes(size)))


@pytest.mark.parametrize(
    ("raw", "reason"),
    [
        (struct.pack(">II", 0, 0), "frame length 0"),
        (struct.pack(">II", 4_097, 0), "frame length 4097"),
        (struct.pack(">II", 1 << 31, 0), "frame length 2147483648"),
        (struct.pack(">II", (1 << 32) - 1, 0), "frame length 4294967295"),
        (frame(b"\xc0"), "non-empty array"),
        (frame(b"\x91" * 1_000), "not a msgpack array"),
        (frame(b"\xdd\x00\x01\x00\x00" * 500), "not a msgpack array"),
        (frame(b"\x92\x01\xc7\x03\x05abc"), "not a msgpack array"),
        (frame(b"\x92\xa2\xff\xfe\x01"), "not a msgpack array"),
        (frame(protocol.encode(protocol.MAGIC, protocol.PROTOCOL)), "this is the port for peers"),
        (frame(protocol.encode(PEER_MAGIC)), "this is the port for peers"),
        (frame(protocol.encode(PEER_MAGIC, 1)), "expected an array"),
        (frame(protocol.encode(PEER_MAGIC, 1, "c", 3, "life", "h:1", 1)), "expected an array"),
        (frame(protocol.encode(PEER_MAGIC, 99, "c", 3, "life", "h:1", 1, [], 1)), "peer speaks protocol 99"),
        (frame(protocol.encode(PEER_MAGIC, 1, "c", (1 << 64) - 1, "life", "h:1", 1, [], 1)), "expected a number"),
        (frame(protocol.encode(PEER_MAGIC, 1, b"c", 3, "life", "h:1", 1, [], 1)), "expected text"),
        (frame(protocol.encode(PEER_MAGIC, 1, "c", 3, "life", "h:1", 1, [[1]], 1)), "expected an array of 3"),
        (frame(protocol.encode(PEER_MAGIC, 1, "c", 3, "life", "h:1", 1, [[1, 2, 3]], 1)), "expected text"),
        (frame(encode_refusal("I refuse")), "a hello was expected, not a refusal"),
    ],
    ids=lambda value: f"{value!r:.60}",
)
async def test_what_is_no_hello_is_told_why(prey: Prey, raw: bytes, reason: str) -> None:
    async with wire(prey.victim.peer_port) as connection:
        connection.write(raw)
        ((magic, zero, told, forgotten),) = await connection.until_closed()
    assert (magic, zero, forgotten) == (PEER_MAGIC, 0, None)
    assert reason in told


@pytest.mark.parametrize(
    ("change", "reason", "forgotten"),
    [
        (lambda card: replace(card, cluster="another"), "this is cluster", False),
        (lambda card: replace(card, node=1), "both ends call themselves node 1", False),
        (lambda card: replace(card, node=9), "node 9 is not a member of this cluster", False),
        (lambda card: replace(card, node=0), "node 0 is not a member of this cluster", False),
        (lambda card: replace(card, to_node=2), "meant to reach node 2, this is node 1", False),
        (lambda card: replace(card, node=2), "node 2 is known here in another incarnation", True),
        (lambda card: replace(card, incarnation="another"), "node 3 is known here in another incarnation", True),
        (lambda card: replace(card, cluster="c\n" * 100, known={}), "this is cluster", False),
    ],
    ids=["cluster", "own number", "no member", "nobody", "wrong address", "forged member", "other life", "lines"],
)
async def test_a_stranger_is_refused_by_name(
    prey: Prey, change: Callable[[Card], Card], reason: str, forgotten: bool
) -> None:
    async with prey.member():
        pass  # from now on the third member's life is known
    async with wire(prey.victim.peer_port) as connection:
        card = change(prey.card())
        connection.write(frame(card.encode()))
        ((magic, zero, told, lost),) = await connection.until_closed()
    assert (magic, zero, lost) == (PEER_MAGIC, 0, card.life if forgotten else None)
    assert reason in told


async def test_a_forged_member_does_not_push_out_the_real_one(prey: Prey) -> None:
    for _ in range(20):
        async with wire(prey.victim.peer_port) as connection:
            connection.write(frame(replace(prey.card(), node=2).encode()))
            await connection.until_closed()
    assert 2 in (await prey.victim.status())["peers"]


async def test_who_speaks_before_the_welcome_is_not_heard(prey: Prey) -> None:
    async with wire(prey.victim.peer_port) as connection:
        connection.write(frame(prey.card().encode()) + frame(codec.encode(Ask(1))))
        said = await connection.until_closed()
    assert [items[1] for items in said] == [0]
    assert "waits for its welcome" in said[0][2]


# After the welcome: what costs the connection


@pytest.mark.parametrize(
    "items",
    [
        (0,),
        (14,),
        (19, 1),
        (22, 1, b""),
        (1 << 40,),
        (-1,),
        (None,),
        ("Accept", 1),
        ([7], 1),
        *[(tag,) for tag in range(1, 14)],
        (1, (1, MEMBER), 0, 1),
        (1, (1, MEMBER), 0, 1, 1),
        (1, (1, MEMBER), 0, 1, None),
        (2, (1, MEMBER), 1, (1, 1)),
        (2, (1, MEMBER), 1, (1, 1), -1),
        (3, -1),
        (3, 1 << 63),
        (3, "1"),
        (5, ((1 << 64) - 1, MEMBER), 1),
        (5, (ROUND_MAX, (1 << 64) - 1), 1),
        (5, (1, MEMBER), 0),
        (5, (1, MEMBER), 1 << 63),
        (5, (1,), 1),
        (5, 1, 1),
        (6, (1, MEMBER), 0, 1, 0, 0, [[1, [[1, 3]]]], [], 0, 0, 1),
        (7, (1, MEMBER), 1 << 63, VALUE, 0),
        (7, (1, MEMBER), 0, VALUE, 0),
        (7, (1, MEMBER), 1, "text", 0),
        (7, (1, MEMBER), 1, VALUE, 1 << 63),
        (8, (1, MEMBER), 0, 1),
        (8, (1, MEMBER), 1, 1 << 63),
        (11, 1, 0, [[1, [[1, 3], "text"]]]),
        (11, 1, 0, [[0, [[1, 3], b""]]]),
        (11, 1, 0, "votes"),
        (FORWARD,),
        (FORWARD, 1),
        (FORWARD, 1, "text"),
        (FORWARD, -1, b""),
        (FORWARDED,),
        (FORWARDED, 1),
        (FORWARDED, "1", 0),
    ],
    ids=lambda value: f"{value!r:.60}",
)
async def test_a_message_of_the_wrong_shape_costs_the_connection(prey: Prey, items: tuple[Any, ...]) -> None:
    async with prey.member() as member:
        member.send(*items)
        said = await member.until_closed()
    assert [answer[:2] for answer in said] == [(PEER_MAGIC, 0)]


@pytest.mark.parametrize(
    "raw",
    [
        frame(b"\xc0"),
        frame(b"\x90"),
        frame(b"\x81\xa1a\x01"),
        frame(b"\x91" * 1_000),
        frame(b"\xdd\x00\x01\x00\x00" * 500),
        frame(b"\x92\x01\xc7\x03\x05abc"),
        frame(b"\x92\xa2\xff\xfe\x01"),
        struct.pack(">II", 0, 0),
        struct.pack(">II", PEER_FRAME_BYTES_MAX + 1, 0),
        struct.pack(">II", (1 << 32) - 1, 0),
        frame(b"x" * 100)[:-1] + b"y",
        frame(protocol.encode(PEER_MAGIC, 1, "c", 3, "life", "h:1", 1, [], 1)),
    ],
    ids=["nil", "empty", "map", "bomb", "greedy", "ext", "utf8", "0", "4 MiB + 1", "4 GiB", "crc", "second hello"],
)
async def test_bytes_that_are_no_message_cost_the_connection(prey: Prey, raw: bytes) -> None:
    async with prey.member() as member:
        member.write(raw)
        said = await member.until_closed()
    assert [answer[:2] for answer in said] == [(PEER_MAGIC, 0)]


@pytest.mark.parametrize(
    ("message", "reason"),
    [
        (Prepare(Ballot(1, 1), 1), "which is not its own"),
        (Accept(Ballot(1, 2), 1, VALUE, 0), "which is not its own"),
        (Prepare(Ballot(ROUND_MAX, MEMBER), 1), "jumps too far"),
        (Accept(Ballot(ROUND_MAX, MEMBER), 1, VALUE, 0), "jumps too far"),
        (Heartbeat(Ballot(ROUND_MAX, MEMBER), 0, 1, True), "jumps too far"),
        (HeartbeatAck(Ballot(1, 1), 1, Ballot(ROUND_MAX, MEMBER)), "jumps too far"),
        (Rejected(Ballot(1, 1), Ballot(ROUND_MAX, 2)), "jumps too far"),
    ],
    ids=lambda value: f"{value!r:.50}",
)
async def test_what_no_correct_peer_says_costs_the_connection(prey: Prey, message: Message, reason: str) -> None:
    """H14: a forged round must not use up the numbers."""
    async with prey.member() as member:
        announced = [1] if isinstance(message, codec.ANNOUNCING) else []
        member.write(frame(codec.encode(message, *announced)))
        ((_, _, told, _),) = await member.until_closed()
    assert reason in told
    assert (await prey.victim.status())["promised"][0] < 1 << 62


@pytest.mark.parametrize(("part", "parts"), [(5, 2), (1, 1), (FAR_SLOT, 2)])
async def test_an_impossible_promise_costs_the_connection(prey: Prey, part: int, parts: int) -> None:
    async with prey.member() as member:
        member.send(PROMISE, (1, 1), part, parts, 0, 0, [], [], 0, 0, 1)
        ((_, _, told, _),) = await member.until_closed()
    assert "impossible promise" in told


# After the welcome: what is no fault by itself


async def test_an_accept_from_the_far_future_is_not_kept(prey: Prey) -> None:
    """H14: its ballot may win an election, its slot must not make anybody fill an endless gap."""
    async with prey.member() as member:
        promised = (await prey.victim.status())["promised"]
        for slot in (FAR_SLOT, 1 << 40, 1 << 21):
            member.write(frame(codec.encode(Accept(Ballot(promised[0] + 1, MEMBER), slot, VALUE, 0))))
        await eventually(lambda: _has_promised(prey, promised[0] + 1), 60)
    leader = await prey.cluster.leader([node.number for node in prey.real])
    assert (await leader.status())["commit_slot"] < 1 << 20


async def test_words_about_slots_that_nobody_has_are_ignored(prey: Prey) -> None:
    async with prey.member() as member:
        for message in (
            Learn(FAR_SLOT, 0, ((FAR_SLOT, Vote(Ballot(1, MEMBER), VALUE)),)),
            Learn(0, FAR_SLOT, ()),
            CatchUp(1, FAR_SLOT),
            CatchUp(FAR_SLOT, 1),
            ReadAsk(FAR_SLOT),
            ReadAnswer(FAR_SLOT, Ballot(1, MEMBER), FAR_SLOT, 0),
            Grant(FAR_SLOT),
            Ask(FAR_SLOT),
            Heartbeat(Ballot(0, 0), FAR_SLOT, 1, True),
        ):
            member.write(frame(codec.encode(message)))
        member.write(frame(codec.encode(Accepted(Ballot(1, 1), FAR_SLOT), 1)))
        member.send(FORWARDED, FAR_SLOT, 0, (1, 1), (0, 1, 1))
        member.send(FORWARD, 1, b"\x91" * 100)
        member.send(FORWARD, 2, commands.put(1, 1, 0, b"k" * 5_000, b"v"))
        await _is_still_heard(prey, member.send)


async def test_old_messages_come_again_and_again(prey: Prey) -> None:
    """P31: late and repeated messages of a connection, or of one before, are harmless."""
    storm = b"".join(
        frame(codec.encode(message))
        for message in (Prepare(Ballot(0, MEMBER), 1), Accept(Ballot(0, MEMBER), 1, VALUE, 0), Ask(1), ReadAsk(1))
    )
    for _ in range(3):
        async with prey.member() as member:
            member.write(storm * 500)
            await _is_still_heard(prey, member.send)


async def test_a_member_that_connects_a_hundred_times(prey: Prey) -> None:
    """Each new connection replaces the one before."""
    for _ in range(100):
        async with prey.member():
            pass


async def _has_promised(prey: Prey, round_number: int) -> bool:
    return bool((await prey.victim.status())["promised"][0] >= round_number)


async def _is_still_heard(prey: Prey, send: Callable[..., None]) -> None:
    """Wait until the victim has taken everything on a connection: a higher ballot, sent last, is promised there."""
    promised = (await prey.victim.status())["promised"]
    send(5, (promised[0] + 1, MEMBER), 1)
    await eventually(lambda: _has_promised(prey, promised[0] + 1), 60, "the last word of the third member")

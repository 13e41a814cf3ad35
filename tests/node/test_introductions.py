"""Whom a node believes: identities at both ends of a new connection, and what is remembered of them (P3, P4, P34)."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import replace

import pytest

from paxoskv.net.peering import Card, Life, Refused, decode_card
from paxoskv.node.exits import QUARANTINED, NodeFailure, Quarantined
from paxoskv.node.introductions import Introductions
from paxoskv.node.memory import PeerMemory
from paxoskv.storage.errors import DiskFull
from paxoskv.storage.identity import Identity
from paxoskv.storage.records import PeerRecord

ME = Identity("c1", 1, "life-1")
TWO = Card("c1", 2, "life-2", "127.0.0.1:7302", to_node=1, known={}, seq=20)


class Desk:
    """Introductions of node 1 of 1, 2 and 3, with a memory that can be looked at.

    saved: what became durable, in order. failures: what would have ended the node. disk_full: no more is saved.
    seq: of its own journal.
    """

    def __init__(self, known: dict[int, str] | None = None, seq: int = 10) -> None:
        self.saved: list[tuple[int, str]] = []
        self.failures: list[NodeFailure] = []
        self.disk_full = False
        self.seq = seq
        self.memory = PeerMemory({node: PeerRecord(life, 0) for node, life in (known or {}).items()}, self._save)
        self.introductions = Introductions(
            ME, [1, 2, 3], "127.0.0.1:7301", self.memory, lambda: self.seq, self.failures.append
        )

    async def _save(self, peers: Mapping[int, PeerRecord]) -> None:
        await asyncio.sleep(0)
        if self.disk_full:
            raise DiskFull("journal.db cannot grow: disk full")
        self.saved += [(node, peer.incarnation) for node, peer in peers.items()]

    async def refusal(self, card: Card, expected: int | None = None) -> Refused:
        """Return why `card` is not believed."""
        with pytest.raises(Refused) as caught:
            await self.introductions.admit(card, expected)
        return caught.value


def lives(known: dict[int, str]) -> dict[int, Life]:
    """Lives that have announced nothing yet."""
    return {node: Life(incarnation, 0) for node, incarnation in known.items()}


async def test_a_member_that_was_never_met_is_believed_and_remembered() -> None:
    desk = Desk()
    await desk.introductions.admit(TWO)
    assert desk.saved == [(2, "life-2")]
    assert desk.introductions.client_endpoints == {1: "127.0.0.1:7301", 2: "127.0.0.1:7302"}
    lives = {1: Life("life-1", 10), 2: Life("life-2", 20)}
    assert desk.introductions.card(3) == Card("c1", 1, "life-1", "127.0.0.1:7301", 3, lives, seq=10)
    assert decode_card(desk.introductions.card(3).encode()) == desk.introductions.card(3)


async def test_a_member_that_is_known_costs_no_write() -> None:
    desk = Desk({2: "life-2"})
    await desk.introductions.admit(TWO)
    assert desk.saved == []


async def test_the_lives_that_others_have_met_are_remembered_too() -> None:
    """So a wiped node is recognised even by those who were away while it lived."""
    desk = Desk()
    await desk.introductions.admit(replace(TWO, known=lives({1: "life-1", 2: "life-2", 3: "life-3", 9: "no member"})))
    assert desk.saved == [(2, "life-2"), (3, "life-3")]
    reborn = replace(TWO, node=3, incarnation="life-3b")
    assert (await desk.refusal(reborn)).forgotten


@pytest.mark.parametrize(
    ("card", "reason"),
    [
        (replace(TWO, cluster="c2"), "this is cluster c1, not c2"),
        (replace(TWO, node=1), "both ends call themselves node 1"),
        (replace(TWO, node=4), "node 4 is not a member"),
        (replace(TWO, to_node=3), "meant to reach node 3, this is node 1"),
    ],
    ids=["cluster", "own number", "no member", "wrong address"],
)
async def test_a_stranger_is_refused_by_name(card: Card, reason: str) -> None:
    desk = Desk()
    refused = await desk.refusal(card)
    assert reason in str(refused)
    assert not refused.forgotten
    assert (desk.saved, desk.failures) == ([], [])


async def test_somebody_else_at_the_dialled_address_is_refused() -> None:
    assert "check the addresses" in str(await Desk().refusal(TWO, expected=3))


async def test_a_node_that_comes_back_in_another_life_is_told_so() -> None:
    desk = Desk({2: "life-2"})
    refused = await desk.refusal(replace(TWO, incarnation="life-2b"))
    assert refused.forgotten
    assert "replace the node" in str(refused)
    assert desk.failures == [], "the one that remembers goes on"


async def test_a_node_that_is_remembered_in_another_life_ends() -> None:
    desk = Desk()
    await desk.refusal(replace(TWO, known=lives({1: "an earlier life"})))
    (failure,) = desk.failures
    assert isinstance(failure, Quarantined)
    assert failure.code == QUARANTINED
    assert "node 2 will not have node 1 of cluster c1: it is known there in another incarnation" in str(failure)
    assert "replace the node" in str(failure)


async def test_a_stranger_cannot_end_a_node_by_claiming_to_remember_it() -> None:
    desk = Desk({2: "life-2"})
    lie = replace(TWO, known={1: Life("made up", 99)})
    for card in (
        replace(lie, cluster="c2"),
        replace(lie, node=4),
        replace(lie, to_node=3),
        replace(lie, incarnation="life-2b"),
    ):
        await desk.refusal(card)
    assert desk.failures == []


async def test_two_lives_of_one_node_at_the_same_time_only_one_is_believed() -> None:
    """Both connect before either is durable."""
    desk = Desk()
    cards = [TWO, replace(TWO, incarnation="life-2b")]
    ends = await asyncio.gather(*(desk.introductions.admit(card) for card in cards), return_exceptions=True)
    assert [type(end) for end in ends] == [type(None), Refused]
    assert desk.saved == [(2, "life-2")]


async def test_nobody_is_believed_whom_a_full_disk_cannot_remember() -> None:
    """P9: the node goes on, and admits the peer when there is space again."""
    desk = Desk()
    desk.disk_full = True
    refused = await desk.refusal(TWO)
    assert "cannot remember node 2 just now: journal.db cannot grow: disk full" in str(refused)
    assert not refused.forgotten
    assert desk.introductions.card(2).known == {1: Life("life-1", 10)}
    desk.disk_full = False
    await desk.introductions.admit(TWO)
    assert desk.saved == [(2, "life-2")]


# How far each life had got (P4)


async def test_a_node_that_announces_less_than_it_had_is_refused_and_told_why() -> None:
    """R14: an older copy of its directory was put in its place."""
    desk = Desk()
    await desk.introductions.admit(TWO)
    desk.memory.note(2, 25)
    refused = await desk.refusal(replace(TWO, seq=24))
    assert refused.forgotten
    assert "node 2 is at transaction 24 of its journal, though it had announced 25" in str(refused)
    assert "put the original directory back, or replace the node" in str(refused)
    assert desk.failures == []
    await desk.introductions.admit(replace(TWO, seq=25))


async def test_a_node_may_have_written_more_than_anybody_saw() -> None:
    desk = Desk()
    await desk.introductions.admit(TWO)
    await desk.introductions.admit(replace(TWO, seq=2000, known={1: Life("life-1", 10)}))
    assert desk.memory.seen(2) == 2000


async def test_a_node_that_others_have_seen_further_on_ends() -> None:
    desk = Desk(seq=10)
    await desk.refusal(replace(TWO, known={1: Life("life-1", 11)}))
    (failure,) = desk.failures
    assert isinstance(failure, Quarantined)
    assert "node 1 is at transaction 10 of its journal, though it had announced 11" in str(failure)


async def test_what_overtook_a_welcome_is_no_rollback() -> None:
    """Node 2 welcomed us at 20; its Accepted of 21 came on its own connection before the welcome did."""
    desk = Desk()
    await desk.introductions.admit(TWO)
    desk.memory.note(2, 21)
    await desk.introductions.admit(TWO, expected=2)
    assert desk.memory.seen(2) == 21


async def test_hearsay_that_overtook_a_hello_is_no_rollback() -> None:
    """Node 2 said hello at 20 and went on; what node 3 has heard of it since is here first."""
    desk = Desk({2: "life-2"})
    three = replace(TWO, node=3, incarnation="life-3", known={2: Life("life-2", 22)})
    await desk.introductions.admit(three)
    await desk.introductions.admit(TWO)
    assert desk.introductions.card(2).known[2] == Life("life-2", 22), "but node 2 itself will be told"


async def test_hearsay_about_another_life_counts_for_nothing() -> None:
    desk = Desk({2: "life-2"})
    await desk.introductions.admit(replace(TWO, node=3, incarnation="life-3", known={2: Life("life-2b", 99)}))
    assert desk.introductions.card(2).known[2] == Life("life-2", 0)


async def test_what_is_remembered_counts_after_a_restart_whoever_told_it() -> None:
    desk = Desk({2: "life-2"})
    await desk.introductions.admit(replace(TWO, node=3, incarnation="life-3", known={2: Life("life-2", 22)}))
    again = Desk()
    again.introductions.memory = PeerMemory({2: PeerRecord(*desk.memory.lives()[2])}, again._save)
    assert (await again.refusal(TWO)).forgotten

"""Whom a node believes: identities at both ends of a new connection, and what is remembered of them (P3, P34)."""

from __future__ import annotations

import asyncio
from dataclasses import replace

import pytest

from paxoskv.net.peering import Card, Refused
from paxoskv.node.exits import QUARANTINED, NodeFailure
from paxoskv.node.introductions import Introductions
from paxoskv.storage.errors import DiskFull
from paxoskv.storage.identity import Identity

ME = Identity("c1", 1, "life-1")
TWO = Card("c1", 2, "life-2", "127.0.0.1:7302", to_node=1, known={})


class Desk:
    """Introductions of node 1 of 1, 2 and 3, with a memory that can be looked at.

    saved: what became durable, in order. failures: what would have ended the node. disk_full: no more is saved.
    """

    def __init__(self, known: dict[int, str] | None = None) -> None:
        self.saved: list[tuple[int, str]] = []
        self.failures: list[NodeFailure] = []
        self.disk_full = False
        self.introductions = Introductions(
            ME, [1, 2, 3], "127.0.0.1:7301", dict(known or {}), self._save, self.failures.append
        )

    async def _save(self, node: int, incarnation: str) -> None:
        await asyncio.sleep(0)
        if self.disk_full:
            raise DiskFull("journal.db cannot grow: disk full")
        self.saved.append((node, incarnation))

    async def refusal(self, card: Card, expected: int | None = None) -> Refused:
        """Return why `card` is not believed."""
        with pytest.raises(Refused) as caught:
            await self.introductions.admit(card, expected)
        return caught.value


async def test_a_member_that_was_never_met_is_believed_and_remembered() -> None:
    desk = Desk()
    await desk.introductions.admit(TWO)
    assert desk.saved == [(2, "life-2")]
    assert desk.introductions.client_endpoints == {1: "127.0.0.1:7301", 2: "127.0.0.1:7302"}
    assert desk.introductions.card(3) == Card("c1", 1, "life-1", "127.0.0.1:7301", 3, {1: "life-1", 2: "life-2"})


async def test_a_member_that_is_known_costs_no_write() -> None:
    desk = Desk({2: "life-2"})
    await desk.introductions.admit(TWO)
    assert desk.saved == []


async def test_the_lives_that_others_have_met_are_remembered_too() -> None:
    """So a wiped node is recognised even by those who were away while it lived."""
    desk = Desk()
    await desk.introductions.admit(replace(TWO, known={1: "life-1", 2: "life-2", 3: "life-3", 9: "no member"}))
    assert desk.saved == [(2, "life-2"), (3, "life-3")]
    reborn = Card("c1", 3, "life-3b", "127.0.0.1:7303", to_node=1, known={})
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
    await desk.refusal(replace(TWO, known={1: "an earlier life"}))
    (failure,) = desk.failures
    assert failure.code == QUARANTINED
    assert "node 2 knows node 1 of cluster c1 in another incarnation" in str(failure)
    assert "replace the node" in str(failure)


async def test_a_stranger_cannot_end_a_node_by_claiming_to_remember_it() -> None:
    desk = Desk({2: "life-2"})
    lie = replace(TWO, known={1: "made up"})
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
    assert desk.introductions.card(2).known == {1: "life-1"}
    desk.disk_full = False
    await desk.introductions.admit(TWO)
    assert desk.saved == [(2, "life-2")]

"""Each fault of links on a live cluster: frames are really treated so, and afterwards none is."""

from __future__ import annotations

from random import Random

import pytest

from paxoskv.verifier.faults import FAULTS, Lane
from paxoskv.verifier.faults.network import CUTS, disturbed
from tests.support import eventually
from tests.verify.conftest import Live

pytestmark = [pytest.mark.cluster, pytest.mark.asyncio(loop_scope="module")]

EFFECTS = {
    "partition-oneway": "dropped",
    "deaf": "dropped",
    "delay": "delayed",
    "loss": "dropped",
    "duplicate": "duplicated",
    "reorder": "reordered",
    "corrupt": "corrupted",
    "clients-loss": "dropped",
}
"""Fault -> what the proxies count while it stands."""

PARTITIONS = ("partition-one", "partition-halves", "constrained", "chained", "flap", "clients-cut")
"""In silence frames are dropped; by resets none even begins to travel."""


async def counted(live: Live, what: str) -> int:
    return sum(counts.get(what, 0) for counts in (await live.cluster.network.counts()).values())


async def test_every_fault_of_links_is_tested_here() -> None:
    of_links = {name for name, fault in FAULTS.items() if fault.lane is Lane.LINKS}
    assert of_links == {*EFFECTS, *PARTITIONS, "quorum-loss", "clog"}


@pytest.mark.parametrize("name", EFFECTS)
async def test_frames_are_treated_while_it_stands_and_not_afterwards(live: Live, name: str) -> None:
    before = await counted(live, EFFECTS[name])

    async def happens() -> bool:
        return await counted(live, EFFECTS[name]) > before

    async with FAULTS[name].inject(live.stage, Random(1)):
        await eventually(happens, within_s=30)
    await live.progresses()
    after = await counted(live, EFFECTS[name])
    await live.progresses()
    assert await counted(live, EFFECTS[name]) == after
    assert live.stage.surprises == []


@pytest.mark.parametrize("name", PARTITIONS)
@pytest.mark.parametrize("seed", [1, 2])
async def test_cuts_are_felt_and_healed(live: Live, name: str, seed: int) -> None:
    """Somebody who is cut off is missed by others, or a leader steps down; clients find another way, or wait."""
    frames = await counted(live, "frames")
    async with FAULTS[name].inject(live.stage, Random(seed)) as hit:
        assert hit
        await eventually(lambda: counted_more(live, frames))
    await live.progresses()
    assert live.stage.surprises == []


async def counted_more(live: Live, frames: int) -> bool:
    return await counted(live, "frames") > frames


async def test_a_clogged_node_says_little(live: Live) -> None:
    async with FAULTS["clog"].inject(live.stage, Random(1)) as hit:
        assert hit.startswith("node ")
        await live.progresses()
    await live.progresses()
    assert live.stage.surprises == []


async def test_a_follower_that_is_cut_off_is_not_heard(live: Live) -> None:
    """The heart of every partition, seen from the peers that the nodes themselves report."""
    leader = await eventually(lambda: live.stage.observer.leader, within_s=30)
    cut = live.stage.others(leader)[0]

    async with disturbed(live.stage, live.stage.between([cut], live.stage.others(cut)), CUTS[1]):
        await eventually(lambda: has_peers(live, cut, False), within_s=30)
        await live.progresses()
    await eventually(lambda: has_peers(live, cut, True), within_s=30)
    await live.is_sound()


async def has_peers(live: Live, node: int, wanted: bool) -> bool:
    told = await live.cluster.status(node)
    return told is not None and bool(told["peers"]) == wanted


async def test_quorum_loss(live_five: Live) -> None:
    """P20a: every node sees one follower alone; that one leads in the end, and writes go on while the fault stands."""
    await eventually(lambda: live_five.stage.observer.leader, within_s=30)
    async with FAULTS["quorum-loss"].inject(live_five.stage, Random(1)) as hit:
        hub = int(hit.removeprefix("all see node ").removesuffix(" alone"))
        await eventually(lambda: live_five.stage.observer.leader == hub, within_s=60, what="the hub leads")
        await live_five.progresses()
    await live_five.is_sound()

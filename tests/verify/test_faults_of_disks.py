"""Each fault of disks and clocks on a live cluster, by the library under its nodes."""

from __future__ import annotations

import time
from random import Random

import pytest

from paxoskv.testbed.shim.page import Counters, Page
from paxoskv.verifier.faults import FAULTS, Need
from tests.support import eventually
from tests.verify.conftest import Live

pytestmark = [pytest.mark.cluster, pytest.mark.asyncio(loop_scope="module")]

TESTED = {
    "slow-fsync",
    "hung-fsync",
    "fsync-error",
    "write-error",
    "disk-full",
    "disk-full-all",
    "clock-step",
    "clock-skew",
}


@pytest.fixture(autouse=True)
def shim(live: Live) -> None:
    """Without the library there is nothing to test."""
    if live.shim_trouble is not None:
        pytest.skip(f"no library under nodes here: {live.shim_trouble}")


def page(live: Live, node: int) -> Page:
    found = live.cluster.member(node).page
    assert found is not None
    return found


def counters(live: Live) -> Counters:
    """The sums over all nodes."""
    each = [page(live, node).counters for node in live.cluster.nodes]
    return Counters(*(sum(column) for column in zip(*each, strict=True)))


async def test_every_fault_that_needs_the_library_is_tested_here() -> None:
    assert {name for name, fault in FAULTS.items() if Need.SHIM in fault.needs} == TESTED


@pytest.mark.parametrize("name", ["slow-fsync", "hung-fsync"])
async def test_syncs_take_long_and_then_not(live: Live, name: str) -> None:
    before = counters(live).syncs_slow
    async with FAULTS[name].inject(live.stage, Random(1)):
        await eventually(lambda: counters(live).syncs_slow > before, within_s=30)
    await live.progresses()
    await eventually(lambda: no_slow_syncs(live), within_s=30)
    await live.is_sound()


async def no_slow_syncs(live: Live) -> bool:
    """Whether writes were acknowledged, and so synced, without a slow sync."""
    before = counters(live).syncs_slow
    await live.progresses()
    return counters(live).syncs_slow == before


@pytest.mark.parametrize("name", ["fsync-error", "write-error"])
async def test_a_node_whose_disk_fails_ends_with_its_own_code_and_comes_back(live: Live, name: str) -> None:
    """P6. Another exit code, or none, would be noted as a surprise."""
    async with FAULTS[name].inject(live.stage, Random(2)) as hit:
        node = int(hit.removeprefix("node "))
        process = live.cluster.member(node).process
        assert process is not None
        assert process.exit_code == 6
        failed = page(live, node).counters
        assert failed.syncs_failed + failed.writes_failed > 0
    await live.is_sound()


@pytest.mark.parametrize("name", ["disk-full", "disk-full-all"])
async def test_a_full_disk_refuses_writes_and_is_waited_out(live: Live, name: str) -> None:
    """P9: no node ends, and when there is room again all go on."""
    before = counters(live).writes_failed
    async with FAULTS[name].inject(live.stage, Random(3)):
        await eventually(lambda: counters(live).writes_failed > before, within_s=30)
    await live.is_sound()


async def test_the_wall_clock_jumps_and_nothing_else_does(live: Live) -> None:
    """P30, seen in the only place where a node shows its wall clock: the time in its log."""
    async with FAULTS["clock-step"].inject(live.stage, Random(4)) as hit:
        node = int(hit.removeprefix("node "))
        before = page(live, node).counters.clock_reads
        await live.progresses()
        assert page(live, node).counters.clock_reads > before
    await live.is_sound()


async def test_clocks_run_at_another_rate(live: Live) -> None:
    node, rate = 1, 4.0
    first = await uptime_s(live, node)
    began_s = time.monotonic()
    page(live, node).set_rate(rate)
    await eventually(lambda: is_ahead(live, node, first, began_s), within_s=30)
    page(live, node).set_rate(1.0)
    async with FAULTS["clock-skew"].inject(live.stage, Random(5)):
        await live.progresses()
    await live.is_sound()


async def uptime_s(live: Live, node: int) -> float:
    told = await live.cluster.status(node)
    return 0.0 if told is None else float(told["uptime_s"])


async def is_ahead(live: Live, node: int, first_s: float, began_s: float) -> bool:
    """Whether more time has passed on the node than here."""
    return await uptime_s(live, node) - first_s > time.monotonic() - began_s + 0.5

"""Faults of one node's disk, by the library under it: slow, hanging and failing syncs, failing writes, no space."""

from __future__ import annotations

import errno
from collections.abc import AsyncIterator, Callable
from random import Random

from paxoskv.node.exits import JOURNAL_FAILED
from paxoskv.testbed.shim.page import Page
from paxoskv.verifier.faults.base import Lane, Need, fault
from paxoskv.verifier.stage import Stage

SHIM = (Need.SHIM,)


@fault(
    "slow-fsync", "every sync of a node takes 20 to 500 ms more", "R10 S18 P18", Lane.NODES, needs=SHIM, hold_s=(1, 3)
)
async def _slow_fsync(stage: Stage, random: Random) -> AsyncIterator[str]:
    node, delay_ms = stage.victim(random), random.choice((20, 100, 500))
    page = page_of(stage, node)
    page.sync(delay_ms=delay_ms)
    yield f"node {node}, {delay_ms} ms"
    page.sync()


@fault(
    "hung-fsync", "the syncs of a node do not return until later", "R10 S18 P18", Lane.NODES, needs=SHIM, hold_s=(1, 4)
)
async def _hung_fsync(stage: Stage, random: Random) -> AsyncIterator[str]:
    node = stage.victim(random)
    page = page_of(stage, node)
    page.sync(hangs=True)
    yield f"node {node}"
    page.sync()


@fault(
    "fsync-error",
    "the syncs of a node fail with EIO: it has to end",
    "R8 S16 P6",
    Lane.NODES,
    needs=SHIM,
    hold_s=(0, 1),
)
async def _fsync_error(stage: Stage, random: Random) -> AsyncIterator[str]:
    node = stage.victim(random)
    await _fail_until_it_ends(stage, node, lambda page: page.sync(errno=errno.EIO), "its syncs fail")
    yield f"node {node}"
    await stage.bring_back(node)


@fault(
    "write-error",
    "the writes of a node fail with EIO: it has to end",
    "R9 S16 P6",
    Lane.NODES,
    needs=SHIM,
    hold_s=(0, 1),
)
async def _write_error(stage: Stage, random: Random) -> AsyncIterator[str]:
    node = stage.victim(random)
    await _fail_until_it_ends(stage, node, lambda page: page.fail_writes(errno.EIO), "its writes fail")
    yield f"node {node}"
    await stage.bring_back(node)


@fault(
    "disk-full",
    "a node's disk takes no more writes, later it does again",
    "R11 S17 P9",
    Lane.NODES,
    needs=SHIM,
    hold_s=(1, 3),
)
async def _disk_full(stage: Stage, random: Random) -> AsyncIterator[str]:
    node = stage.victim(random)
    page = page_of(stage, node)
    page.fail_writes(errno.ENOSPC)
    yield f"node {node}"
    page.fail_writes(0)
    await stage.bring_up_to_date(node)


@fault(
    "disk-full-all",
    "all disks take no more writes, later they do again",
    "R11 S17 P9",
    Lane.NODES,
    needs=SHIM,
    hold_s=(0.5, 2),
)
async def _disk_full_all(stage: Stage, random: Random) -> AsyncIterator[str]:
    pages = [page_of(stage, node) for node in stage.cluster.nodes]
    for page in pages:
        page.fail_writes(errno.ENOSPC)
    yield "all nodes"
    for page in pages:
        page.fail_writes(0)
    for node in stage.cluster.nodes:
        await stage.bring_up_to_date(node)


def page_of(stage: Stage, node: int) -> Page:
    """Return the page of a node; only for faults that need the library."""
    page = stage.cluster.member(node).page
    assert page is not None, "a fault that needs the library was injected without it"
    return page


async def _fail_until_it_ends(stage: Stage, node: int, order: Callable[[Page], None], why: str) -> None:
    """Let the disk fail until the node has ended as it has to; one that wrote nothing meanwhile owes us no end."""
    page = page_of(stage, node)
    process = stage.cluster.expect_end(node)
    if process is None:
        return
    before = page.counters
    order(page)
    try:
        ended = await stage.ends(node, process, JOURNAL_FAILED, why)
    finally:
        page.heal()
    after = page.counters
    if not ended and (before.syncs_failed, before.writes_failed) != (after.syncs_failed, after.writes_failed):
        stage.surprise(f"node {node} goes on although {why}: it has to end with exit code {JOURNAL_FAILED}")
    await stage.cluster.kill(node)

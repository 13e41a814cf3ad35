"""Each fault of a process on a live cluster: it really happens, and it is healed."""

from __future__ import annotations

from pathlib import Path
from random import Random

import pytest

from paxoskv.verifier.faults import FAULTS
from tests.support import eventually
from tests.verify.conftest import Live

pytestmark = [pytest.mark.cluster, pytest.mark.asyncio(loop_scope="module")]


def pids(live: Live) -> dict[int, int]:
    """Node -> number of its process."""
    processes = {node: live.cluster.member(node).process for node in live.cluster.nodes}
    return {node: process.pid for node, process in processes.items() if process is not None}


def state_of(pid: int) -> str:
    """The letter by which the system calls the state of a process (Linux)."""
    stat = Path(f"/proc/{pid}/stat")
    if not stat.exists():
        pytest.skip("needs /proc to look at the state of a process")
    return stat.read_text().rpartition(")")[2].split()[0]


async def test_kill(live: Live) -> None:
    before = pids(live)
    async with FAULTS["kill"].inject(live.stage, Random(1)) as hit:
        node = int(hit.removeprefix("node "))
        assert not live.cluster.member(node).runs
        assert sum(live.cluster.member(other).runs for other in live.cluster.nodes) == 2
    assert pids(live)[node] != before[node]
    await live.is_sound()


async def test_kill_all(live: Live) -> None:
    before = pids(live)
    async with FAULTS["kill-all"].inject(live.stage, Random(2)):
        assert not any(live.cluster.member(node).runs for node in live.cluster.nodes)
    assert not set(before.values()) & set(pids(live).values())
    await live.is_sound()


async def test_pause(live: Live) -> None:
    async with FAULTS["pause"].inject(live.stage, Random(3)) as hit:
        pid = pids(live)[int(hit.removeprefix("node "))]
        await eventually(lambda: state_of(pid) == "T")
    await eventually(lambda: state_of(pid) != "T")
    await live.is_sound()


async def test_pause_majority(live: Live) -> None:
    async with FAULTS["pause-majority"].inject(live.stage, Random(4)):
        await eventually(lambda: [state_of(pid) for pid in pids(live).values()].count("T") == 2)
    await live.is_sound()


async def test_starve(live: Live) -> None:
    """The process is seen stopped and running in turn, and neither for long."""
    async with FAULTS["starve"].inject(live.stage, Random(12)) as hit:
        pid = pids(live)[int(hit.removeprefix("node "))]
        for _ in range(2):
            await eventually(lambda: state_of(pid) == "T", within_s=30)
            await eventually(lambda: state_of(pid) != "T", within_s=30)
    await eventually(lambda: state_of(pid) != "T")
    await live.is_sound()


async def test_restart_loop(live: Live) -> None:
    async with FAULTS["restart-loop"].inject(live.stage, Random(5)) as hit:
        node = int(hit.removeprefix("node "))
        seen = {pids(live)[node]}

        def restarted() -> bool:
            seen.add(pids(live)[node])
            return len(seen) >= 3

        await eventually(restarted, within_s=60)
    await live.is_sound()


async def test_sigterm_and_rolling_restart(live: Live) -> None:
    """P37: an orderly end is exit code 0, else it would be noted as a surprise."""
    before = pids(live)
    async with FAULTS["sigterm"].inject(live.stage, Random(6)) as hit:
        assert not live.cluster.member(int(hit.removeprefix("node "))).runs
    async with FAULTS["rolling-restart"].inject(live.stage, Random(7)):
        assert not set(before.values()) & set(pids(live).values())
    await live.is_sound()


async def test_second_process(live: Live) -> None:
    before = pids(live)
    async with FAULTS["second-process"].inject(live.stage, Random(8)):
        assert pids(live) == before
    await live.is_sound()


async def test_blocked_log_pipe(live: Live) -> None:
    """R25: while nobody reads, nothing reaches the log, and the node serves; later the log goes on."""
    async with FAULTS["blocked-log-pipe"].inject(live.stage, Random(9)) as hit:
        node = int(hit.removeprefix("node "))
        log = live.cluster.member(node).log
        size = log.stat().st_size
        await live.progresses()
        assert log.stat().st_size == size
    await eventually(lambda: log.stat().st_size > size)
    await live.is_sound()


async def test_garbage(live: Live) -> None:
    before = pids(live)
    async with FAULTS["garbage"].inject(live.stage, Random(10)):
        assert pids(live) == before
    await live.is_sound()


async def test_a_node_that_ends_by_itself_is_a_surprise(live: Live) -> None:
    """What nobody meant to happen must not pass unnoticed, whoever sent the signal."""
    process = live.cluster.member(1).process
    assert process is not None
    await process.kill()
    await eventually(lambda: live.stage.surprises)
    assert live.stage.surprises[0].startswith("node 1 ended by itself with exit code -9")
    live.stage.surprises.clear()
    await live.is_sound()

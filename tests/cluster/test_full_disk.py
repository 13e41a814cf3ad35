"""A disk that is full under a node: it says so, loses nothing, leaves leading to others, and recovers (P9, R11)."""

from __future__ import annotations

import errno
import subprocess
from collections.abc import Callable, Iterator
from contextlib import suppress
from io import FileIO
from pathlib import Path

import pytest

from paxoskv import Client, DiskFull, OutcomeUnknown, Unavailable
from tests.cluster.kit import Cluster, NodeProcess
from tests.cluster.workload import Workload, check
from tests.support import PortLease, eventually

DISK_BYTES = 16 << 20
VALUE_BYTES = 4_000
WARM = 100

Mount = Callable[[Path], None]


@pytest.fixture
def small_disk() -> Iterator[Mount]:
    """Mount a file system of `DISK_BYTES` at a path; all are gone at the end. Skips where that is not permitted."""
    mounted: list[Path] = []

    def mount(path: Path) -> None:
        path.mkdir(parents=True)
        command = ["mount", "-t", "tmpfs", "-o", f"size={DISK_BYTES}", "tmpfs", str(path)]
        try:
            done = subprocess.run(command, capture_output=True, text=True, check=False)
        except FileNotFoundError:
            pytest.skip("there is no mount command, so no disk that could be full")
        if done.returncode != 0:
            pytest.skip(f"mounting a small disk needs root: {done.stderr.strip()}")
        mounted.append(path)

    yield mount
    for path in mounted:
        subprocess.run(["umount", str(path)], check=True)


@pytest.mark.parametrize("role", ["leader", "follower"])
async def test_a_full_disk_stops_one_node_for_as_long_as_it_is_full(
    tmp_path: Path, ports: PortLease, small_disk: Mount, role: str
) -> None:
    cluster = Cluster(tmp_path, ports)
    for node in cluster:
        small_disk(node.directory)
    async with cluster:
        async with Workload(cluster, value_bytes=VALUE_BYTES) as load:
            await load.progress(WARM)
            victim = await cluster.leader() if role == "leader" else (await cluster.followers())[0]
            fill(victim)
            await eventually(lambda: says_full(victim), 60, "a node that says that its disk is full")
            await cluster.leader(node.number for node in cluster if node is not victim)
            await load.progress(WARM)
            assert await says_full(victim)
            empty(victim)
            await eventually(lambda: is_healthy(victim), 30, "a node that has recovered")
        await check(cluster, load.account)


async def test_a_node_may_crash_and_start_again_on_a_full_disk(
    tmp_path: Path, ports: PortLease, small_disk: Mount
) -> None:
    """It serves what it has and takes part again when there is space; nobody has to repair anything."""
    cluster = Cluster(tmp_path, ports)
    victim = cluster[2]
    small_disk(victim.directory)
    async with cluster:
        async with Workload(cluster, value_bytes=VALUE_BYTES) as load:
            await load.progress(WARM)
            fill(victim)
            await eventually(lambda: says_full(victim), 60, "a node that says that its disk is full")
            victim.kill()
            victim.start()
            await victim.serves()
            await load.progress(WARM)
            await eventually(lambda: says_full(victim), 30, "the same after its restart")
            assert await victim.stop() == 0
            victim.start()
            empty(victim)
        await check(cluster, load.account)


async def test_a_write_that_no_disk_has_room_for_is_refused_by_name(
    tmp_path: Path, ports: PortLease, small_disk: Mount
) -> None:
    """Typed, and surely not applied; what was there stays readable, and writing goes on when there is space."""
    cluster = Cluster(tmp_path, ports, count=1)
    small_disk(cluster[1].directory)
    async with cluster, cluster.connect(timeout_s=5.0) as kv:
        await kv.put(b"k", b"before")
        fill(cluster[1])
        with suppress(Unavailable, OutcomeUnknown):
            while True:
                await kv.put(b"big", bytes(VALUE_BYTES))
        await eventually(lambda: says_full(cluster[1]), 30, "a node that says that its disk is full")
        await eventually(lambda: is_refused(kv), 60, "a refusal that names the disk")
        empty(cluster[1])
        await eventually(lambda: is_healthy(cluster[1]), 30, "a node that has recovered")
        await kv.put(b"k", b"after")
        assert (await kv.get(b"k")).value == b"after"


async def is_refused(kv: Client) -> bool:
    """Whether a write is surely not applied because of the full disk; one that was under way at the end is in doubt."""
    try:
        await kv.put(b"j", b"never")
    except DiskFull as error:
        assert (await kv.get(b"k", consistency="stale")).value == b"before"
        return "the disk of node 1 is full: " in str(error) and "free space in" in str(error)
    except (Unavailable, OutcomeUnknown):
        return False
    raise AssertionError("a write was acknowledged on a full disk")


async def says_full(node: NodeProcess) -> bool:
    """Whether the node is unhealthy, and tells why and what to do."""
    status = await node.status()
    return not status["healthy"] and "disk full, free space in" in status["error"]


async def is_healthy(node: NodeProcess) -> bool:
    """Whether the node says that all is well."""
    return bool((await node.status())["healthy"])


def fill(node: NodeProcess) -> None:
    """Leave no free byte on the disk of a node."""
    with ballast(node).open("wb", buffering=0) as file:
        for size in (1 << 16, 1 << 12, 1):
            while _write(file, b"x" * size):
                continue


def _write(file: FileIO, data: bytes) -> bool:
    """Whether there was room for at least a part of `data`."""
    try:
        file.write(data)
    except OSError as error:
        if error.errno != errno.ENOSPC:
            raise
        return False
    return True


def empty(node: NodeProcess) -> None:
    """Make room again."""
    ballast(node).unlink()


def ballast(node: NodeProcess) -> Path:
    """The file that fills the disk of a node."""
    return node.directory / "ballast"

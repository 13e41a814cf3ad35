"""Faults of a stopped node's files. At most a minority is damaged at a time: so much the cluster promises to bear.

Three outcomes are right: the damage changes nothing, it is repaired from the peers, or the node refuses to serve (exit
code 5) and says what to do. Then the original files are put back: the node has said nothing since they were its own.
Anything silent shows in the history and in the digests.
"""

from __future__ import annotations

import asyncio
import shutil
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from random import Random

from paxoskv.node.exits import QUARANTINED
from paxoskv.storage.ballast import BALLAST_NAME
from paxoskv.storage.lockfile import LOCK_NAME
from paxoskv.verifier.faults.base import Lane, fault
from paxoskv.verifier.stage import ANSWER_TIMEOUT_S, CATCH_UP_TIMEOUT_S, Stage

FLIPS_MAX = 4
PROGRESS_S = 1.0
PROGRESS_TIMEOUT_S = 20.0
"""A node has to go on for so long after its backup was taken, so that the backup is a stale one."""

Damage = Callable[[Path, Random], str]
"""Damages a directory and says how."""


@fault("flip-bytes", "flip bits in the files of a stopped node", "R12 P5 I3", Lane.NODES, hold_s=(0, 0))
async def _flip_bytes(stage: Stage, random: Random) -> AsyncIterator[str]:
    yield await _damage_and_restart(stage, random, flip)


@fault("truncate", "cut files of a stopped node short, or to nothing", "R13", Lane.NODES, hold_s=(0, 0))
async def _truncate(stage: Stage, random: Random) -> AsyncIterator[str]:
    yield await _damage_and_restart(stage, random, cut_short)


@fault("delete-file", "remove one file of a stopped node", "R13", Lane.NODES, hold_s=(0, 0))
async def _delete_file(stage: Stage, random: Random) -> AsyncIterator[str]:
    yield await _damage_and_restart(stage, random, remove_one)


@fault(
    "copy-chunk",
    "overwrite a part of a stopped node's file by another part of it",
    "R13 S12",
    Lane.NODES,
    hold_s=(0, 0),
)
async def _copy_chunk(stage: Stage, random: Random) -> AsyncIterator[str]:
    yield await _damage_and_restart(stage, random, misplace)


@fault(
    "emptied-directory",
    "start a node on an empty directory, also as a new one",
    "R14 S15 P3",
    Lane.NODES,
    hold_s=(0, 0),
)
async def _emptied_directory(stage: Stage, random: Random) -> AsyncIterator[str]:
    node = stage.victim(random)
    arguments = random.choice(((), ("--bootstrap",)))
    await stage.cluster.kill(node)
    directory = stage.cluster.member(node).directory
    kept = _set_aside(directory)
    directory.mkdir(mode=0o700)
    await _must_be_refused(stage, node, "its directory is empty", *arguments)
    await stage.cluster.kill(node)
    _put_back(kept, directory)
    yield f"node {node}" + " with --bootstrap" * bool(arguments)
    await stage.bring_back(node)


@fault("swapped-directories", "start two nodes on each other's directory", "R14 P34", Lane.NODES, hold_s=(0, 0))
async def _swapped_directories(stage: Stage, random: Random) -> AsyncIterator[str]:
    nodes = random.sample(stage.cluster.nodes, 2)
    await asyncio.gather(*(stage.cluster.kill(node) for node in nodes))
    first, second = (stage.cluster.member(node).directory for node in nodes)
    _swap(first, second)
    await asyncio.gather(*(_must_be_refused(stage, node, "its directory is another node's") for node in nodes))
    await asyncio.gather(*(stage.cluster.kill(node) for node in nodes))
    _swap(first, second)
    yield f"nodes {nodes[0]} and {nodes[1]}"
    await stage.bring_back_all(nodes)


@fault(
    "stale-backup",
    "start a node on a copy of its directory that is a second old",
    "R14 S14 P4",
    Lane.NODES,
    hold_s=(0, 0),
)
async def _stale_backup(stage: Stage, random: Random) -> AsyncIterator[str]:
    node = stage.victim(random)
    directory = stage.cluster.member(node).directory
    backup = directory.with_suffix(".backup")
    await stage.cluster.kill(node)
    await asyncio.to_thread(shutil.copytree, directory, backup)
    await stage.bring_back(node)
    await stage.bring_up_to_date(node)
    has_gone_on = await _goes_on(stage, node)
    await stage.cluster.kill(node)
    kept = _set_aside(directory)
    backup.rename(directory)
    if has_gone_on:
        await _must_be_refused(stage, node, "its directory is an old copy")
    if stage.cluster.member(node).runs:
        shutil.rmtree(kept)  # it has gone on with the old copy, which is its memory now
    else:
        _put_back(kept, directory)
    yield f"node {node}" + ", which wrote nothing meanwhile: not tried" * (not has_gone_on)
    await stage.bring_back(node)


# Damages


def flip(directory: Path, random: Random) -> str:
    """Flip one to some bits of one file."""
    file = _pick(directory, random)
    content = bytearray(file.read_bytes())
    flips = random.randint(1, FLIPS_MAX)
    for _ in range(flips):
        bit = random.randrange(len(content) * 8)
        content[bit // 8] ^= 1 << bit % 8
    file.write_bytes(content)
    return f"{file.name}, {flips} bits"


def cut_short(directory: Path, random: Random) -> str:
    """Cut one file short, every third time to nothing."""
    file = _pick(directory, random)
    size = random.choice((0, random.randrange(file.stat().st_size), random.randrange(file.stat().st_size)))
    with file.open("r+b") as stream:
        stream.truncate(size)
    return f"{file.name} to {size} bytes"


def remove_one(directory: Path, random: Random) -> str:
    """Remove one file, an empty one too."""
    file = random.choice(sorted(path for path in directory.iterdir() if path.is_file()))
    file.unlink()
    return file.name


def misplace(directory: Path, random: Random) -> str:
    """Write a part of a file over another part of it, as a misdirected write does."""
    file = _pick(directory, random)
    content = bytearray(file.read_bytes())
    size = min(random.choice((64, 512, 4096)), len(content))
    whence, whither = (random.randrange(len(content) - size + 1) for _ in range(2))
    content[whither : whither + size] = content[whence : whence + size]
    file.write_bytes(content)
    return f"{file.name}, {size} bytes"


def _pick(directory: Path, random: Random) -> Path:
    """Return a file that holds something, small ones as often as large ones; mere ballast is hit less often."""
    files = sorted(path for path in directory.iterdir() if path.is_file() and path.stat().st_size)
    files = [path for path in files if path.name != LOCK_NAME]
    return random.choices(files, [1 if path.name == BALLAST_NAME else 5 for path in files])[0]


# The way of a damaged node


async def _damage_and_restart(stage: Stage, random: Random, damage: Damage) -> str:
    """Damage one stopped node, start it, and see to it that it serves again in the end."""
    node = stage.victim(random)
    await stage.cluster.kill(node)
    directory = stage.cluster.member(node).directory
    kept = directory.with_suffix(".kept")
    await asyncio.to_thread(shutil.copytree, directory, kept)
    how = damage(directory, random)
    refused = await _is_refused(stage, node, how)
    if refused:
        shutil.rmtree(directory)
        kept.rename(directory)
        await stage.bring_back(node)
        await stage.bring_up_to_date(node)
    else:
        shutil.rmtree(kept)
    return f"node {node}, {how}: " + ("quarantined" if refused else "harmless or repaired")


async def _is_refused(stage: Stage, node: int, how: str) -> bool:
    """Start a damaged node; return whether it refused, as opposed to serving and catching up. Both are right."""
    process = await stage.cluster.start(node, may_end=True)
    answers = await stage.cluster.wait_until_it_answers(node, ANSWER_TIMEOUT_S)
    if answers and await stage.cluster.wait_until_caught_up(node, CATCH_UP_TIMEOUT_S):
        stage.cluster.expect_life(process)
        return False
    if process.exit_code != QUARANTINED:
        stage.surprise(f"node {node} neither serves nor refuses with {how}: {process.exit_code} {process.last_words()}")
        await stage.cluster.kill(node)
    return True


async def _must_be_refused(stage: Stage, node: int, why: str, *arguments: str) -> None:
    """Start a node that has to refuse its directory."""
    process = await stage.cluster.start(node, *arguments, may_end=True)
    if not await stage.ends(node, process, QUARANTINED, why):
        stage.surprise(f"node {node} serves although {why}: it has to end with exit code {QUARANTINED}")
        stage.cluster.expect_life(process)


async def _goes_on(stage: Stage, node: int) -> bool:
    """Wait until a node has applied more than it has now, and a little longer; return whether it did."""
    loop = asyncio.get_running_loop()
    deadline_s = loop.time() + PROGRESS_TIMEOUT_S
    before = await stage.cluster.status(node)
    while loop.time() < deadline_s:
        await asyncio.sleep(PROGRESS_S)
        after = await stage.cluster.status(node)
        if before is not None and after is not None and after["applied_slot"] > before["applied_slot"]:
            return True
        before = before or after
    return False


def _set_aside(directory: Path) -> Path:
    kept = directory.with_suffix(".kept")
    directory.rename(kept)
    return kept


def _put_back(kept: Path, directory: Path) -> None:
    shutil.rmtree(directory)
    kept.rename(directory)


def _swap(first: Path, second: Path) -> None:
    aside = _set_aside(first)
    second.rename(first)
    aside.rename(second)

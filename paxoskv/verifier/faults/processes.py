"""Faults of processes: killed, paused, restarted, started twice, stopped in order, their output blocked."""

from __future__ import annotations

import asyncio
import os
import tempfile
from collections.abc import AsyncIterator
from pathlib import Path
from random import Random

from paxoskv.node.exits import OK, USAGE
from paxoskv.testbed.process import NodeProcess
from paxoskv.verifier.faults.base import Lane, fault
from paxoskv.verifier.faults.hostile import throw_garbage
from paxoskv.verifier.stage import ANSWER_TIMEOUT_S, Stage

RESTART_PAUSE_S = (0.05, 0.6)
STARVE_CYCLE_S = 0.1
SECOND_PROCESS_TIMEOUT_S = 60.0


@fault("kill", "SIGKILL one node, start it again later", "R1 R2 S8", Lane.NODES)
async def _kill(stage: Stage, random: Random) -> AsyncIterator[str]:
    node = stage.victim(random)
    await stage.cluster.kill(node)
    yield f"node {node}"
    await stage.bring_back(node)


@fault("kill-all", "SIGKILL all nodes, start them again later", "R3 S9", Lane.NODES, hold_s=(0.0, 1.0))
async def _kill_all(stage: Stage, random: Random) -> AsyncIterator[str]:
    nodes = random.sample(stage.cluster.nodes, len(stage.cluster.nodes))
    await asyncio.gather(*(stage.cluster.kill(node) for node in nodes))
    yield "all nodes"
    await stage.bring_back_all(nodes)


@fault("restart-loop", "kill one node again and again, some times while it starts", "R4 S9", Lane.NODES, hold_s=(2, 4))
async def _restart_loop(stage: Stage, random: Random) -> AsyncIterator[str]:
    node = stage.victim(random)

    async def loop() -> None:
        while True:
            await stage.cluster.kill(node)
            await stage.cluster.start(node)
            await asyncio.sleep(random.uniform(*RESTART_PAUSE_S))

    looping = asyncio.create_task(loop())
    try:
        yield f"node {node}"
    finally:
        looping.cancel()
        await asyncio.wait([looping])
    await stage.bring_back(node)


@fault("pause", "SIGSTOP one node, let it go on later: its connections stay open and silent", "R6 S19", Lane.NODES)
async def _pause(stage: Stage, random: Random) -> AsyncIterator[str]:
    node = stage.victim(random)
    stage.cluster.pause(node)
    yield f"node {node}"
    stage.cluster.resume(node)


@fault("pause-majority", "SIGSTOP a majority of the nodes", "R6 S19", Lane.NODES, hold_s=(0.5, 2))
async def _pause_majority(stage: Stage, random: Random) -> AsyncIterator[str]:
    nodes = sorted(random.sample(stage.cluster.nodes, stage.cluster.minority + 1))
    for node in nodes:
        stage.cluster.pause(node)
    yield f"nodes {nodes}"
    for node in nodes:
        stage.cluster.resume(node)


@fault("starve", "one node gets a tenth of its time, by SIGSTOP and SIGCONT in turn", "R24 S21 P42", Lane.NODES)
async def _starve(stage: Stage, random: Random) -> AsyncIterator[str]:
    node = stage.victim(random)

    async def loop() -> None:
        while True:
            stage.cluster.pause(node)
            await asyncio.sleep(0.9 * STARVE_CYCLE_S)
            stage.cluster.resume(node)
            await asyncio.sleep(0.1 * STARVE_CYCLE_S)

    starving = asyncio.create_task(loop())
    try:
        yield f"node {node}"
    finally:
        starving.cancel()
        await asyncio.wait([starving])
        stage.cluster.resume(node)


@fault("rolling-restart", "SIGTERM one node after the other, start each again", "R7 P37", Lane.NODES, hold_s=(0, 0))
async def _rolling_restart(stage: Stage, random: Random) -> AsyncIterator[str]:
    for node in random.sample(stage.cluster.nodes, len(stage.cluster.nodes)):
        await _stop_in_order(stage, node)
        await stage.bring_back(node)
    yield "all nodes"


@fault("sigterm", "SIGTERM one node, start it again later", "R7 P37", Lane.NODES)
async def _sigterm(stage: Stage, random: Random) -> AsyncIterator[str]:
    node = stage.victim(random)
    await _stop_in_order(stage, node)
    yield f"node {node}"
    await stage.bring_back(node)


@fault("second-process", "start a second process on a node's directory", "R26 P7", Lane.NODES, hold_s=(0, 0))
async def _second_process(stage: Stage, random: Random) -> AsyncIterator[str]:
    member = stage.cluster.member(stage.victim(random))
    with tempfile.TemporaryDirectory() as directory:
        arguments = ["--config", str(member.config_file), "--dir", str(member.directory)]
        second = await NodeProcess.start(arguments, {}, Path(directory) / "log")
        try:
            if await second.wait(SECOND_PROCESS_TIMEOUT_S) != USAGE or "in use by process" not in second.last_words():
                stage.surprise(f"a second process on node {member.number}'s directory says: {second.last_words()}")
        except TimeoutError:
            stage.surprise(f"a second process on node {member.number}'s directory does not end")
        finally:
            await second.kill()
            second.dispose()
    yield f"node {member.number}"


@fault("blocked-log-pipe", "nobody reads what a node logs, and the pipe is full", "R25 P36", Lane.NODES, hold_s=(1, 3))
async def _blocked_log_pipe(stage: Stage, random: Random) -> AsyncIterator[str]:
    node = stage.victim(random)
    member = stage.cluster.member(node)
    process = member.process
    assert process is not None, "every node was started once"
    process.block_output()
    for port in (member.addresses.client, member.addresses.peer):  # each refusal is a line in the log
        await throw_garbage(port, os.urandom(64))
    yield f"node {node}"
    if process.runs and not await stage.cluster.wait_until_it_answers(node, ANSWER_TIMEOUT_S):
        stage.surprise(f"node {node} does not answer while nobody reads its log")
    process.read_output()


async def _stop_in_order(stage: Stage, node: int) -> None:
    """SIGTERM a node, which has to end with exit code 0."""
    process = stage.cluster.member(node).process
    try:
        code = await stage.cluster.terminate(node)
    except TimeoutError:
        stage.surprise(f"node {node} does not end after SIGTERM")
        await stage.cluster.kill(node)
        return
    if code not in (OK, None):
        words = "" if process is None else process.last_words()
        stage.surprise(f"node {node} ended with exit code {code} after SIGTERM: {words}")

"""Faults of one node's clocks, by the library under it (P30)."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from random import Random

from paxoskv.verifier.faults.base import Lane, Need, fault
from paxoskv.verifier.faults.disks import page_of
from paxoskv.verifier.stage import Stage

STEPS_S = (-86_400.0, -3_600.0, -1.0, 1.0, 3_600.0, 86_400.0)
STEP_INTERVAL_S = 0.2
RATES = (0.5, 0.9, 1.1, 2.0)


@fault(
    "clock-step",
    "a node's wall clock jumps back and forth, by up to a day",
    "R23 S20 P30",
    Lane.NODES,
    needs=(Need.SHIM,),
    hold_s=(1, 2),
)
async def _clock_step(stage: Stage, random: Random) -> AsyncIterator[str]:
    node = stage.victim(random)
    page = page_of(stage, node)

    async def loop() -> None:
        while True:
            page.step_wall_clock(random.choice(STEPS_S))
            await asyncio.sleep(STEP_INTERVAL_S)

    stepping = asyncio.create_task(loop())
    try:
        yield f"node {node}"
    finally:
        stepping.cancel()
        await asyncio.wait([stepping])
        page.step_wall_clock(0.0)


@fault(
    "clock-skew",
    "all clocks of a node run at half to twice their speed",
    "R23 S20 P24",
    Lane.NODES,
    needs=(Need.SHIM,),
    hold_s=(1.5, 4),
)
async def _clock_skew(stage: Stage, random: Random) -> AsyncIterator[str]:
    node, rate = stage.victim(random), random.choice(RATES)
    page = page_of(stage, node)
    page.set_rate(rate)
    yield f"node {node}, {rate:g} times"
    page.set_rate(1.0)

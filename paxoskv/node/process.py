"""The process around a node: event loop, signals, logs, exit code."""

from __future__ import annotations

import asyncio
import gc
import logging
import os
import signal
import sys
from collections.abc import Callable, Coroutine
from typing import Any, NoReturn

from paxoskv.node.config import NodeConfig
from paxoskv.node.exits import BUG, JOURNAL_FAILED, OK, USAGE, NodeFailure
from paxoskv.node.logs import LogPipe, structured_logs
from paxoskv.node.server import serve

log = logging.getLogger(__name__)

SWITCH_INTERVAL_S = 0.0005
"""How long the journal's thread may wait for the interpreter when the loop is busy (default: ten times it)."""

GC_THRESHOLDS = (50_000, 20, 50)
"""Rarer collections: long-lived records are tuples of atoms, which make no cycles (P42)."""


def run(config: NodeConfig) -> int:
    """Run a node until SIGTERM or SIGINT; return the exit code of its process."""
    if not __debug__:
        print("paxoskv does not run under python -O: its invariants have to stay on", file=sys.stderr)  # noqa: T201
        return USAGE
    sys.setswitchinterval(SWITCH_INTERVAL_S)
    gc.set_threshold(*GC_THRESHOLDS)
    with structured_logs(level=config.log_level, format=config.log_format, node=config.node) as logs:
        try:
            _run_loop()(_main(config, logs))
        except NodeFailure as failure:
            log.critical(str(failure), exc_info=failure.__cause__ if failure.code == BUG else None)
            return failure.code
    return OK


async def _main(config: NodeConfig, logs: LogPipe) -> None:
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    try:
        await serve(config, stop, _freeze)
    except NodeFailure as failure:
        if failure.code == JOURNAL_FAILED:
            _leave_at_once(failure, logs)
        raise


def _freeze() -> None:
    """Let collections pass over what was loaded: it is there to stay (P42)."""
    gc.collect()
    gc.freeze()


def _leave_at_once(failure: NodeFailure, logs: LogPipe) -> NoReturn:
    """End the process without its threads: those that wait for a disk that hangs would keep it alive with them."""
    log.critical(str(failure))
    logs.stop()
    os._exit(failure.code)


def _run_loop() -> Callable[[Coroutine[Any, Any, None]], None]:
    """Return uvloop's runner where it is installed, asyncio's elsewhere."""
    try:
        import uvloop
    except ImportError:
        return asyncio.run
    return uvloop.run

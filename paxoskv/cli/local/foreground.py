"""What `paxoskv cluster up` does until Ctrl-C: tell what happens in the cluster, then stop it."""

from __future__ import annotations

import asyncio
import json
import signal
from collections.abc import Collection
from typing import Any

import click

from paxoskv.cli import survey
from paxoskv.cli.failures import CORRUPT, DONE, UNAVAILABLE, USAGE
from paxoskv.cli.local import processes
from paxoskv.cli.local.layout import Layout
from paxoskv.cli.local.processes import Started, explain_exit
from paxoskv.cli.survey import Survey

LOOK_INTERVAL_S = 0.5
STOP_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


class Narrator:
    """Prints one line per event: text, or a JSON document with the field `event`."""

    def __init__(self, as_json: bool) -> None:
        self._as_json = as_json

    def tell(self, text: str, event: str, **fields: Any) -> None:
        """Print an event at once."""
        click.echo(json.dumps({"event": event, **fields}) if self._as_json else text)


class Watcher:
    """Follows a running cluster and tells of changes: leaders, nodes that answer or not, nodes that end.

    A node that was restarted from elsewhere is followed too, though it is not our child.
    """

    def __init__(self, layout: Layout, started: Collection[Started], narrator: Narrator) -> None:
        self._layout = layout
        self._children = {item.node: item for item in started}
        self._narrator = narrator
        self._leader: int | None = None
        self._answering: set[int] = set()
        self.exit_codes: dict[int, int] = {}

    async def watch(self, stop: asyncio.Event) -> None:
        """Look again and again until `stop` is set, or no node is left."""
        while not stop.is_set():
            self.look(await survey.ask(self._layout.endpoints, survey.ASK_TIMEOUT_S_MAX))
            if not self._children and not self._answering and not processes.running(self._layout):
                self._narrator.tell("no node runs any more", "empty")
                return
            try:
                async with asyncio.timeout(LOOK_INTERVAL_S):
                    await stop.wait()
            except TimeoutError:
                continue

    def look(self, picture: Survey) -> None:
        """Tell what has changed since the last look."""
        self._tell_ends()
        answering = {row["node"] for row in picture.rows if row["error"] is None}
        for node in sorted(answering - self._answering):
            self._narrator.tell(f"node {node} answers", "answers", node=node)
        for node in sorted(self._answering - answering):
            self._narrator.tell(f"node {node} does not answer", "silent", node=node)
        self._answering = answering
        if picture.leader != self._leader:
            self._leader = picture.leader
            text = "no leader is known" if picture.leader is None else f"node {picture.leader} leads"
            self._narrator.tell(text, "leader", leader=picture.leader)

    def _tell_ends(self) -> None:
        """Reap our children that have ended."""
        for node, child in list(self._children.items()):
            code = child.process.poll()
            if code is None:
                continue
            del self._children[node]
            self.exit_codes[node] = code
            last = child.tail()[-1:] if code > 0 else []
            text = f"node {node} ended: {explain_exit(code)}" + "".join(f": {line}" for line in last)
            self._narrator.tell(text, "ended", node=node, exit_code=code, log=str(child.log))


async def follow(layout: Layout, started: Collection[Started], narrator: Narrator) -> int:
    """Tell what happens until a stop signal, then stop every node; return the exit code of the command.

    A second signal kills what has not stopped yet.
    """
    loop = asyncio.get_running_loop()
    stop = asyncio.Event()
    for number in STOP_SIGNALS:
        loop.add_signal_handler(number, stop.set)
    watcher = Watcher(layout, started, narrator)
    await watcher.watch(stop)
    if not stop.is_set():
        return _worst(watcher.exit_codes)
    for number in STOP_SIGNALS:
        loop.add_signal_handler(number, _kill_all, layout)
    narrator.tell("stopping; once more kills", "stopping")
    ends = await asyncio.to_thread(processes.stop_all, layout)
    for node, how in ends.items():
        narrator.tell(f"node {node} {how}", "ended", node=node, how=how)
    for item in started:
        item.process.poll()
    return DONE


def _kill_all(layout: Layout) -> None:
    for node in layout.nodes:
        processes.send(layout, node, signal.SIGKILL)


def _worst(exit_codes: dict[int, int]) -> int:
    """Return the exit code after all nodes have ended by themselves: the one that asks most of the user."""
    codes = set(exit_codes.values())
    for code in (CORRUPT, USAGE):
        if code in codes:
            return code
    return UNAVAILABLE if any(codes) else DONE

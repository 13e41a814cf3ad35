"""From files to a cluster that has a leader."""

from __future__ import annotations

import asyncio
import socket
import time
from collections.abc import Collection
from contextlib import closing
from pathlib import Path

import click

from paxoskv.cli import survey
from paxoskv.cli.failures import CORRUPT, UNAVAILABLE, USAGE, Failure
from paxoskv.cli.local import layout as files
from paxoskv.cli.local import processes
from paxoskv.cli.local.layout import HOST, Layout
from paxoskv.cli.local.processes import Started
from paxoskv.cli.survey import Survey
from paxoskv.node.config import ConfigError, NodeConfig
from paxoskv.storage.errors import DirectoryInUse, DirectoryUnusable, StorageError
from paxoskv.storage.journal import Journal
from paxoskv.storage.lockfile import DirectoryLock

DEFAULT_NODES = 3
DEFAULT_BASE_PORT = 7300
READY_TIMEOUT_S = 30.0
_ASK_TIMEOUT_S = 0.5
_POLL_S = 0.05


def prepare(
    directory: Path, nodes: int | None, base_port: int | None, phase2_quorum: int | None, lease_reads: bool
) -> Layout:
    """Return the cluster in `directory`, or the plan of one. None or False means: as stored, or the default.

    The caller holds the directory's lock. Raises: Failure if stored and given settings differ.
    """
    if not files.exists(directory):
        members = DEFAULT_NODES if nodes is None else nodes
        if phase2_quorum is not None and phase2_quorum > members:
            raise Failure(
                USAGE,
                "usage",
                f"--phase2-quorum {phase2_quorum} of {members} nodes can never be reached: at most {members}",
            )
        port = DEFAULT_BASE_PORT if base_port is None else base_port
        return files.plan(directory, members, port, phase2_quorum, lease_reads)
    layout = files.read(directory)
    for flag, given, stored in (
        ("--nodes", nodes, layout.choices.nodes),
        ("--base-port", base_port, layout.choices.base_port),
        ("--phase2-quorum", phase2_quorum, layout.choices.phase2_quorum),
    ):
        if given is not None and given != stored:
            raise Failure(
                USAGE,
                "usage",
                f"the cluster in {directory} was born with {flag} {stored or 'of a majority'}, not {given}: leave "
                "the flag out, choose another --dir, or remove that cluster with `paxoskv cluster down --wipe`",
            )
    if lease_reads and not layout.choices.lease_reads:
        raise Failure(
            USAGE,
            "usage",
            f"the cluster in {directory} was born without --lease-reads: leave the flag out, choose another --dir, or "
            "remove that cluster with `paxoskv cluster down --wipe`",
        )
    return layout


def give_birth(layout: Layout) -> Layout:
    """Make the configurations and, once in the life of the cluster, the journals of all nodes.

    No node runs before cluster.json says that all journals exist. So after a crash in between everything made here
    may be made again, and after it nothing ever is (P3). Raises: Failure.
    """
    files.found(layout)
    files.write_configs(layout)
    if layout.choices.is_born:
        return layout
    try:
        asyncio.run(_make_journals(layout))
    except (DirectoryInUse, DirectoryUnusable) as error:
        raise Failure(USAGE, "usage", str(error)) from None
    except StorageError as error:
        raise Failure(CORRUPT, "corrupt", str(error)) from None
    return files.mark_born(layout)


async def _make_journals(layout: Layout) -> None:
    for node in layout.nodes:
        config = read_config(layout, node)
        with DirectoryLock(config.directory):
            journal = await Journal.create(config.directory, config.cluster_id, config.node)
            await journal.close()


def read_config(layout: Layout, node: int) -> NodeConfig:
    """Return the configuration of a node. Raises: Failure if its file was edited into something wrong."""
    try:
        return layout.config(node)
    except ConfigError as error:
        raise Failure(USAGE, "usage", str(error)) from None


def check_ports(layout: Layout, nodes: Collection[int]) -> None:
    """Raises: Failure if a port of one of the nodes, none of which runs, is in use."""
    for node in nodes:
        for port, purpose in ((layout.client_port(node), "clients"), (layout.peer_port(node), "peers")):
            with closing(socket.socket()) as probe:
                probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                try:
                    probe.bind((HOST, port))
                except OSError as error:
                    raise Failure(
                        USAGE,
                        "usage",
                        f"node {node} cannot listen on {HOST}:{port} for {purpose}: {error.strerror or error}. Stop "
                        "what uses the port (perhaps a cluster in another directory), or choose another --base-port",
                    ) from None


async def wait_for_leader(layout: Layout, started: Collection[Started], timeout_s: float = READY_TIMEOUT_S) -> Survey:
    """Return the cluster's state once every started node knows the leader or has ended.

    Raises: Failure if no started node is left, or after `timeout_s`.
    """
    deadline_s = time.monotonic() + timeout_s
    while True:
        picture = await survey.ask(layout.endpoints, _ASK_TIMEOUT_S)
        alive = {item.node for item in started if item.process.poll() is None}
        following = {row["node"] for row in picture.rows if row.get("leader") == picture.leader}
        if picture.leader is not None and alive <= following:
            return picture
        if started and not alive and not processes.running(layout):
            raise ended(next(iter(started)))
        if time.monotonic() > deadline_s:
            raise Failure(
                UNAVAILABLE,
                "unavailable",
                f"no leader within {timeout_s:g} s; nodes {sorted(alive) or 'none'} run. Look at the logs in "
                f"{layout.directory}, and at `paxoskv cluster status`",
            )
        await asyncio.sleep(_POLL_S)


async def wait_for_answer(layout: Layout, started: Started, timeout_s: float = READY_TIMEOUT_S) -> None:
    """Return once the started node answers clients. Raises: Failure if it ends, or after `timeout_s`."""
    endpoint = f"{HOST}:{layout.client_port(started.node)}"
    deadline_s = time.monotonic() + timeout_s
    while started.process.poll() is None:
        picture = await survey.ask([endpoint], _ASK_TIMEOUT_S)
        if picture.rows[0]["node"] == started.node:
            return
        if time.monotonic() > deadline_s:
            raise Failure(
                UNAVAILABLE,
                "unavailable",
                f"node {started.node} runs but does not answer on {endpoint}: see {started.log}",
            )
        await asyncio.sleep(_POLL_S)
    raise ended(started)


def ended(started: Started) -> Failure:
    """Show the last words of a node that ended, and return the failure with its exit code."""
    code = started.process.wait()
    for line in started.tail():
        click.echo(f"node {started.node}: {line}", err=True)
    kind = "corrupt" if code == CORRUPT else "node_ended"
    return Failure(
        code if code > 0 else UNAVAILABLE,
        kind,
        f"node {started.node} ended at once: {processes.explain_exit(code)}. Its log is {started.log}",
    )

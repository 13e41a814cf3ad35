"""`cluster`: several nodes on this machine, for development, tests and drills."""

from __future__ import annotations

import asyncio
import signal
from dataclasses import replace
from pathlib import Path
from typing import Any

import click

from paxoskv.cli import status, survey
from paxoskv.cli.failures import DONE, NOT_MET, USAGE, Failure
from paxoskv.cli.local import layout as files
from paxoskv.cli.local import processes, startup
from paxoskv.cli.local.foreground import Narrator, follow
from paxoskv.cli.local.layout import BASE_PORT_MAX, BASE_PORT_MIN, NODES_MAX, Layout
from paxoskv.cli.options import output_option
from paxoskv.cli.output import print_document
from paxoskv.cli.survey import Survey
from paxoskv.storage.quarantine import reason_of_quarantine

_directory_option = click.option(
    "--dir",
    "directory",
    type=click.Path(file_okay=False, path_type=Path),
    default=Path(".paxoskv"),
    help="Directory of the cluster (.paxoskv).",
)
_node_argument = click.argument("node", type=click.IntRange(1, NODES_MAX))


@click.group("cluster")
def cluster_command() -> None:
    """Run a cluster on this machine: node I serves clients on port base+I and peers on base+100+I."""


@cluster_command.command("up")
@click.option("--nodes", type=click.IntRange(1, NODES_MAX), default=None, help="How many, at birth (3).")
@click.option(
    "--base-port", type=click.IntRange(BASE_PORT_MIN, BASE_PORT_MAX), default=None, help="First port, at birth (7300)."
)
@click.option(
    "--phase2-quorum", type=click.IntRange(1, NODES_MAX), default=None, help="Votes that choose (a majority)."
)
@click.option("--lease-reads", is_flag=True, help="Grant leases for reads, at birth: see the README on clocks.")
@click.option("--detach", is_flag=True, help="Return when a leader is known; the nodes go on.")
@_directory_option
@output_option
def up_command(
    directory: Path,
    as_json: bool,
    detach: bool,
    nodes: int | None,
    base_port: int | None,
    phase2_quorum: int | None,
    lease_reads: bool,
) -> int:
    """Start the cluster in --dir, which is made at the first start; later ones use what was chosen then.

    In the foreground it tells who leads and which nodes end, and Ctrl-C stops them all.
    """
    _make(directory)
    with files.locked(directory):
        layout = startup.prepare(directory, nodes, base_port, phase2_quorum, lease_reads)
        runs = processes.running(layout)
        missing = [node for node in layout.nodes if node not in runs]
        if runs and not detach:
            raise Failure(USAGE, "usage", f"{_already(layout, runs)}: `paxoskv cluster down` stops them")
        startup.check_ports(layout, missing)
        layout = startup.give_birth(layout)
        started = [processes.start(layout, node) for node in missing]
        if detach:
            if runs:
                click.echo(f"paxoskv: {_already(layout, runs)}", err=True)
            picture = asyncio.run(startup.wait_for_leader(layout, started))
            return _end_of_detached(layout, started, picture, as_json)
    narrator = Narrator(as_json)
    narrator.tell(
        f"{len(started)} nodes start, data and logs in {directory}, clients connect to {','.join(layout.endpoints)}",
        "started",
        endpoints=layout.endpoints,
        directory=str(directory),
    )
    return asyncio.run(follow(layout, started, narrator))


@cluster_command.command("status")
@_directory_option
@output_option
def status_command(directory: Path, as_json: bool) -> int:
    """Show every node and its process; exit code 3 unless a leader is known and a majority is healthy."""
    layout = files.read(directory)
    picture = asyncio.run(survey.ask(layout.endpoints, survey.ASK_TIMEOUT_S_MAX))
    return status.show(_with_processes(layout, picture), as_json)


@cluster_command.command("start")
@_node_argument
@_directory_option
@output_option
def start_command(node: int, directory: Path, as_json: bool) -> int:
    """Start NODE and wait until it answers; if it ends instead, show why, with its exit code."""
    layout = _layout(directory, node)
    with files.locked(directory):
        pid = processes.pid_of(layout, node)
        if pid is None:
            if not layout.choices.is_born:
                raise Failure(USAGE, "usage", f"the cluster in {directory} was never up: start it with `cluster up`")
            startup.check_ports(layout, [node])
            files.write_configs(layout)
            started = processes.start(layout, node)
            asyncio.run(startup.wait_for_answer(layout, started))
    return _report(as_json, node, "already runs" if pid else "started", pid or processes.pid_of(layout, node))


@cluster_command.command("kill")
@_node_argument
@_directory_option
@output_option
def kill_command(node: int, directory: Path, as_json: bool) -> int:
    """Kill NODE with SIGKILL, as a crash would, and wait until it is gone."""
    layout = _layout(directory, node)
    pid = _send(layout, node, signal.SIGKILL)
    processes.wait_gone(layout, [node], processes.KILL_TIMEOUT_S)
    return _report(as_json, node, "killed", pid)


@cluster_command.command("pause")
@_node_argument
@_directory_option
@output_option
def pause_command(node: int, directory: Path, as_json: bool) -> int:
    """Stop the clock of NODE with SIGSTOP; its connections stay open and silent."""
    return _report(as_json, node, "paused", _send(_layout(directory, node), node, signal.SIGSTOP))


@cluster_command.command("resume")
@_node_argument
@_directory_option
@output_option
def resume_command(node: int, directory: Path, as_json: bool) -> int:
    """Let a paused NODE go on with SIGCONT."""
    return _report(as_json, node, "resumed", _send(_layout(directory, node), node, signal.SIGCONT))


@cluster_command.command("down")
@click.option("--wipe", is_flag=True, help="Then remove the cluster and all its data.")
@_directory_option
@output_option
def down_command(directory: Path, as_json: bool, wipe: bool) -> int:
    """Stop all nodes with SIGTERM; those that take more than 10 s with SIGKILL."""
    layout = files.read(directory)
    ends = processes.stop_all(layout)
    left = processes.running(layout)
    if left:
        raise Failure(USAGE, "usage", f"nodes {sorted(left)} do not end: another command may have started them again")
    if wipe:
        with files.locked(directory):
            if processes.running(layout):
                raise Failure(USAGE, "usage", "a node was started meanwhile: nothing was wiped")
            files.wipe(layout)
    document = {"nodes": [{"node": node, "end": how} for node, how in ends.items()], "wiped": wipe}
    lines = [f"node {node} {how}" + " after 10 s without an end" * (how == "killed") for node, how in ends.items()]
    lines = lines or ["no node was running"]
    return _print(as_json, document, "\n".join(lines + [f"{directory} wiped"] * wipe))


def _make(directory: Path) -> None:
    """Make the cluster's directory. Raises: Failure."""
    try:
        directory.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        raise Failure(USAGE, "usage", f"cannot make directory {directory}: {error.strerror or error}") from None


def _layout(directory: Path, node: int) -> Layout:
    """Return the cluster that has `node`. Raises: Failure."""
    layout = files.read(directory)
    layout.check_node(node)
    return layout


def _send(layout: Layout, node: int, signal_number: int) -> int:
    """Signal a node and return its pid. Raises: Failure if it does not run."""
    pid = processes.send(layout, node, signal_number)
    if pid is None:
        raise Failure(NOT_MET, "not_running", f"node {node} does not run: `paxoskv cluster start {node}` starts it")
    return pid


def _already(layout: Layout, runs: dict[int, int]) -> str:
    pids = ", ".join(f"node {node} (pid {pid})" for node, pid in runs.items())
    return f"already running in {layout.directory}: {pids}"


def _with_processes(layout: Layout, picture: Survey) -> Survey:
    """Return the survey with what is known of the processes: pid and `process`, and the number of silent nodes."""
    rows = []
    for node, row in zip(layout.nodes, picture.rows, strict=True):
        pid = processes.pid_of(layout, node)
        known = {"node": node, "pid": pid, "process": processes.state_of(pid), "log": str(layout.log_file(node))}
        rows.append({**row, **known, **_quarantine(layout, node)})
    return replace(picture, rows=tuple(rows))


def _quarantine(layout: Layout, node: int) -> dict[str, Any]:
    """Return what a node that its peers will not have back has left behind."""
    reason = reason_of_quarantine(layout.data(node))
    return {"quarantined": False} if reason is None else {"quarantined": True, "error": f"in quarantine: {reason}"}


def _end_of_detached(layout: Layout, started: list[processes.Started], picture: Survey, as_json: bool) -> int:
    """Show the state of the cluster that was started. Raises: Failure for a node that did not stay."""
    for item in started:
        if item.process.poll() is not None:
            raise startup.ended(item)
    return status.show(_with_processes(layout, picture), as_json)


def _report(as_json: bool, node: int, what: str, pid: int | None) -> int:
    return _print(as_json, {"node": node, "done": what, "pid": pid}, f"node {node} {what} (pid {pid})")


def _print(as_json: bool, document: dict[str, object], text: str) -> int:
    if as_json:
        print_document(document)
    else:
        click.echo(text)
    return DONE

"""The files of a local cluster, and what was chosen when it was born."""

from __future__ import annotations

import fcntl
import json
import os
import secrets
import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, fields, replace
from pathlib import Path
from typing import Any

from paxoskv.cli.failures import CORRUPT, USAGE, Failure
from paxoskv.node.config import NodeConfig, load

FORMAT = 1
FILE_NAME = "cluster.json"
HOST = "127.0.0.1"
PEER_PORT_OFFSET = 100
NODES_MAX = 9
BASE_PORT_MIN = 1024
BASE_PORT_MAX = 65_000
LOCK_PATIENCE_S = 30.0
_LOCK_RETRY_S = 0.05


@dataclass(frozen=True, slots=True)
class Choices:
    """What the cluster was born with.

    is_born: all journals exist; from then on no node is bootstrapped (P3). lease_reads: absent in older files.
    """

    nodes: int
    base_port: int
    token: str
    phase2_quorum: int | None
    is_born: bool
    lease_reads: bool = False


@dataclass(frozen=True, slots=True)
class Layout:
    """A directory and the choices in its cluster.json."""

    directory: Path
    choices: Choices

    @property
    def nodes(self) -> range:
        """The numbers of all nodes."""
        return range(1, self.choices.nodes + 1)

    @property
    def endpoints(self) -> list[str]:
        """Where clients connect, by node."""
        return [f"{HOST}:{self.client_port(node)}" for node in self.nodes]

    def client_port(self, node: int) -> int:
        """Return the port of a node for clients."""
        return self.choices.base_port + node

    def peer_port(self, node: int) -> int:
        """Return the port of a node for its peers."""
        return self.choices.base_port + PEER_PORT_OFFSET + node

    def data(self, node: int) -> Path:
        """Return the data directory of a node."""
        return self.directory / f"node{node}"

    def config_file(self, node: int) -> Path:
        """Return the TOML file of a node."""
        return self.directory / f"node{node}.toml"

    def log_file(self, node: int) -> Path:
        """Return the file that takes a node's output."""
        return self.directory / f"node{node}.log"

    def config(self, node: int) -> NodeConfig:
        """Return the configuration with which a node is started. Raises: ConfigError."""
        return load({"dir": str(self.data(node))}, {}, self.config_file(node))

    def check_node(self, node: int) -> None:
        """Raises: Failure if the cluster has no such node."""
        if node not in self.nodes:
            raise Failure(
                USAGE, "usage", f"there is no node {node} in {self.directory}: it has nodes 1 to {self.nodes[-1]}"
            )


def exists(directory: Path) -> bool:
    """Whether a cluster was ever begun in `directory`."""
    return (directory / FILE_NAME).exists()


def read(directory: Path) -> Layout:
    """Return the cluster in `directory`. Raises: Failure if there is none, or its file is damaged."""
    file = directory / FILE_NAME
    try:
        stored = json.loads(file.read_text())
    except FileNotFoundError:
        raise Failure(
            USAGE, "usage", f"there is no cluster in {directory} (no {FILE_NAME}): start one with `paxoskv cluster up`"
        ) from None
    except OSError as error:
        raise Failure(USAGE, "usage", f"cannot read {file}: {error.strerror or error}") from None
    except ValueError as error:
        raise _damaged(file, f"not JSON ({error})") from None
    return Layout(directory, _choices(file, stored))


def plan(directory: Path, nodes: int, base_port: int, phase2_quorum: int | None, lease_reads: bool = False) -> Layout:
    """Return a new cluster for `directory`, with a token of its own; nothing is written yet."""
    token = secrets.token_hex(8)
    return Layout(directory, Choices(nodes, base_port, token, phase2_quorum, is_born=False, lease_reads=lease_reads))


def found(layout: Layout) -> None:
    """Note durably that a birth has begun, unless one was noted before."""
    if not exists(layout.directory):
        _write(layout)


def mark_born(layout: Layout) -> Layout:
    """Note durably that every journal exists."""
    born = replace(layout, choices=replace(layout.choices, is_born=True))
    _write(born)
    return born


def write_configs(layout: Layout) -> None:
    """Write the TOML files that are missing; those that are there may have been edited and stay."""
    members = ",".join(f"{node}={HOST}:{layout.peer_port(node)}" for node in layout.nodes)
    quorum = layout.choices.phase2_quorum
    for node in layout.nodes:
        if layout.config_file(node).exists():
            continue
        lines = [
            f"# Node {node} of a local cluster. By hand: paxoskv node --config node{node}.toml --dir node{node}",
            f"node = {node}",
            f'cluster = "{members}"',
            f'cluster_token = "{layout.choices.token}"',
            f'listen_client = "{HOST}:{layout.client_port(node)}"',
            *([] if quorum is None else [f"phase2_quorum = {quorum}"]),
            *(["lease_reads = true"] if layout.choices.lease_reads else []),
        ]
        layout.config_file(node).write_text("\n".join(lines) + "\n")


def wipe(layout: Layout) -> None:
    """Remove what `up` has made, cluster.json last, and the directory if nothing else is in it."""
    for node in layout.nodes:
        data, log = layout.data(node), layout.log_file(node)
        if data.is_dir() and not data.is_symlink():
            shutil.rmtree(data)
        else:
            data.unlink(missing_ok=True)
        for file in (layout.config_file(node), log, log.with_suffix(".log.1")):
            file.unlink(missing_ok=True)
    (layout.directory / FILE_NAME).unlink()
    if not any(layout.directory.iterdir()):
        layout.directory.rmdir()


@contextmanager
def locked(directory: Path) -> Iterator[None]:
    """Keep other `paxoskv cluster` commands from starting or wiping nodes in `directory` meanwhile.

    Raises: Failure if one is at it for too long.
    """
    fd = os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        deadline_s = time.monotonic() + LOCK_PATIENCE_S
        while not _try_lock(fd):
            if time.monotonic() > deadline_s:
                raise Failure(USAGE, "usage", f"another paxoskv cluster command is at work in {directory}: wait for it")
            time.sleep(_LOCK_RETRY_S)
        yield
    finally:
        os.close(fd)


def _try_lock(fd: int) -> bool:
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _write(layout: Layout) -> None:
    """Replace cluster.json in one step, durably: a crash leaves the old one or the new one."""
    file = layout.directory / FILE_NAME
    draft = file.with_suffix(".json.new")
    with draft.open("w") as stream:
        json.dump({"format": FORMAT, **asdict(layout.choices)}, stream, indent=1)
        stream.flush()
        os.fsync(stream.fileno())
    draft.replace(file)
    fd = os.open(layout.directory, os.O_RDONLY)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)


def _choices(file: Path, stored: Any) -> Choices:
    """Return what cluster.json holds, checked. Raises: Failure."""
    if not isinstance(stored, dict) or stored.pop("format", None) != FORMAT:
        raise _damaged(file, f"not of format {FORMAT}")
    stored.setdefault("lease_reads", False)
    if stored.keys() != {item.name for item in fields(Choices)}:
        raise _damaged(file, f"its fields are {sorted(stored)}")
    choices = Choices(**stored)
    quorum = choices.phase2_quorum
    plausible = (
        _is_within(choices.nodes, 1, NODES_MAX)
        and _is_within(choices.base_port, BASE_PORT_MIN, BASE_PORT_MAX)
        and (quorum is None or _is_within(quorum, 1, choices.nodes))
        and type(choices.token) is str
        and choices.token.isalnum()
        and type(choices.is_born) is bool
        and type(choices.lease_reads) is bool
    )
    if not plausible:
        raise _damaged(file, f"its values are {stored}")
    return choices


def _is_within(value: object, least: int, most: int) -> bool:
    return type(value) is int and least <= value <= most


def _damaged(file: Path, problem: str) -> Failure:
    return Failure(
        CORRUPT, "corrupt", f"{file} is damaged: {problem}. Restore it, or remove the directory with the data in it"
    )

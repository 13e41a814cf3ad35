"""The configuration of one node: every setting with its default, its bounds and what it must go with."""

from __future__ import annotations

import ipaddress
import json
import tomllib
from collections.abc import Mapping
from dataclasses import MISSING, dataclass, field, fields
from hashlib import blake2b
from pathlib import Path
from typing import Any

from paxoskv.kv.limits import ITEMS_MAX, RULES, KvLimits
from paxoskv.net.frames import CLIENT_FRAME_BYTES_MAX, PEER_FRAME_BYTES_MAX
from paxoskv.node.settings import NODE_MAX, ConfigError, Setting, parse_address
from paxoskv.paxos.lease import NO_LEASES, LeaseTerms
from paxoskv.paxos.quorum import QuorumError, Quorums

__all__ = ["ConfigError", "NodeConfig", "load", "settings"]

CLIENT_PORT_BASE = 7300
ENVELOPE_BYTES_MAX = 1 << 16
"""What frame, command and batch headers add to keys and values, generously."""


def _setting(
    key: str,
    kind: type,
    text: str,
    *,
    least: float | None = None,
    most: float | None = None,
    choices: tuple[str, ...] = (),
) -> dict[str, Setting]:
    """Return the metadata of a field: how its setting is written."""
    return {"setting": Setting(key, kind, text, least, most, choices)}


@dataclass(frozen=True, slots=True, kw_only=True)
class NodeConfig:
    """Everything one server has to be told. Addresses are texts `host:port`; times are seconds.

    cluster: the founding members, node -> address of its peer port.
    routes: node -> address at which this node reaches that member: a tunnel, a port mapped by NAT, a proxy.
    listen_client, listen_peer, advertise_client: filled in from `node` and `cluster` when empty.
    Raises: ConfigError, naming the setting and what to write instead.
    """

    node: int = field(metadata=_setting("node", int, "number of this node in the list", least=1, most=NODE_MAX))
    directory: Path = field(metadata=_setting("dir", Path, "data directory, this node's alone"))
    cluster: Mapping[int, str] = field(metadata=_setting("cluster", dict, "founding members, by their peer addresses"))
    cluster_token: str = field(
        default="paxoskv",
        metadata=_setting("cluster_token", str, "tells clusters with equal lists apart", least=1, most=100),
    )
    routes: Mapping[int, str] = field(
        default_factory=dict,
        metadata=_setting(
            "routes", dict, "where to reach members instead of at their addresses in the list", least=0, most=NODE_MAX
        ),
    )
    bootstrap: bool = field(default=False, metadata=_setting("bootstrap", bool, "first start of a node that never ran"))
    listen_client: str = field(
        default="", metadata=_setting("listen_client", str, "address for clients; if empty, 127.0.0.1:7300+NODE")
    )
    listen_peer: str = field(
        default="", metadata=_setting("listen_peer", str, "address for peers; if empty, the own entry of the list")
    )
    advertise_client: str = field(
        default="", metadata=_setting("advertise_client", str, "address told to clients; if empty, listen_client")
    )
    insecure: bool = field(
        default=False, metadata=_setting("insecure", bool, "listen beyond loopback, without TLS or passwords")
    )
    phase2_quorum: int | None = field(
        default=None,
        metadata=_setting(
            "phase2_quorum", int, "votes that choose a value; if absent, a majority", least=1, most=NODE_MAX
        ),
    )
    heartbeat_s: float = field(
        default=0.05, metadata=_setting("heartbeat_s", float, "interval between heartbeats", least=0.005, most=10)
    )
    election_timeout_s: float = field(
        default=0.4,
        metadata=_setting("election_timeout_s", float, "silence after which a leader is gone", least=0.02, most=120),
    )
    election_jitter_s: float = field(
        default=0.2,
        metadata=_setting("election_jitter_s", float, "random extra patience, at most", least=0.005, most=120),
    )
    lease_reads: bool = field(
        default=False,
        metadata=_setting("lease_reads", bool, "grant leases for reads; agreed on when the cluster is founded"),
    )
    lease_s: float = field(
        default=0.2,
        metadata=_setting(
            "lease_s", float, "how long nodes promise no other leader anything, with lease_reads", least=0.01, most=120
        ),
    )
    clock_drift_max: float = field(
        default=0.01,
        metadata=_setting(
            "clock_drift_max", float, "error of the rate of any node's clock, with lease_reads", least=0, most=0.5
        ),
    )
    window: int = field(default=16, metadata=_setting("window", int, "slots in flight, at most", least=1, most=64))
    key_bytes_max: int = field(
        default=4096, metadata=_setting("key_bytes_max", int, "longest key", least=1, most=1 << 16)
    )
    value_bytes_max: int = field(
        default=1 << 20,
        metadata=_setting("value_bytes_max", int, "longest value", least=1, most=CLIENT_FRAME_BYTES_MAX),
    )
    batch_bytes_max: int = field(
        default=1 << 20,
        metadata=_setting(
            "batch_bytes_max", int, "bytes of commands in one slot", least=1024, most=PEER_FRAME_BYTES_MAX
        ),
    )
    batch_commands_max: int = field(
        default=4096, metadata=_setting("batch_commands_max", int, "commands in one slot", least=1, most=1 << 14)
    )
    requests_in_flight_max: int = field(
        default=1024,
        metadata=_setting("requests_in_flight_max", int, "open requests of one connection", least=1, most=1 << 20),
    )
    bytes_in_flight_max: int = field(
        default=64 << 20, metadata=_setting("bytes_in_flight_max", int, "bytes of open writes", least=1, most=1 << 40)
    )
    peer_queue_bytes_max: int = field(
        default=64 << 20,
        metadata=_setting(
            "peer_queue_bytes_max", int, "bytes waiting for one peer", least=PEER_FRAME_BYTES_MAX, most=1 << 40
        ),
    )
    connections_max: int = field(
        default=10_000, metadata=_setting("connections_max", int, "connections of clients", least=1, most=1 << 20)
    )
    watches_max: int = field(
        default=20_000, metadata=_setting("watches_max", int, "watches of this node", least=1, most=1 << 20)
    )
    watches_per_connection_max: int = field(
        default=10_000,
        metadata=_setting("watches_per_connection_max", int, "watches of one connection", least=1, most=1 << 16),
    )
    history_events_max: int = field(
        default=100_000,
        metadata=_setting(
            "history_events_max", int, "changes kept for watches and reads of the past", least=16, most=1 << 24
        ),
    )
    history_bytes_max: int = field(
        default=64 << 20,
        metadata=_setting(
            "history_bytes_max", int, "bytes of the keys and former values in them", least=1024, most=1 << 40
        ),
    )
    txn_operations_max: int = field(
        default=128,
        metadata=_setting("txn_operations_max", int, "operations of one transaction", least=1, most=ITEMS_MAX),
    )
    lease_ttl_s_min: float = field(
        default=0.5, metadata=_setting("lease_ttl_s_min", float, "shortest life of a lease", least=0.001, most=1e6)
    )
    leases_max: int = field(
        default=50_000, metadata=_setting("leases_max", int, "leases alive at a time", least=1, most=1 << 24)
    )
    sessions_max: int = field(
        default=10_000, metadata=_setting("sessions_max", int, "sessions open at a time", least=1, most=1 << 24)
    )
    session_idle_s: float = field(
        default=600.0,
        metadata=_setting("session_idle_s", float, "idle log time that ends a session", least=1, most=31_536_000),
    )
    ballast_bytes: int = field(
        default=4 << 20,
        metadata=_setting("ballast_bytes", int, "reserve for a full disk; 0: none", least=0, most=1 << 30),
    )
    scrub_s: float = field(
        default=3600.0,
        metadata=_setting("scrub_s", float, "pause between verifications of the journal; 0: none", least=0, most=1e8),
    )
    log_level: str = field(
        default="info",
        metadata=_setting("log_level", str, "least level to log", choices=("debug", "info", "warning", "error")),
    )
    log_format: str = field(
        default="text", metadata=_setting("log_format", str, "form of log lines", choices=("text", "json"))
    )

    def __post_init__(self) -> None:
        for name, setting in settings().items():
            if (value := getattr(self, name)) is not None:
                setting.check(value)
        self._check_membership()
        self._fill_in("listen_client", f"127.0.0.1:{CLIENT_PORT_BASE + self.node}")
        self._fill_in("listen_peer", self.cluster[self.node])
        self._fill_in("advertise_client", self.listen_client)
        self._check_addresses()
        self._check_timing()
        self._check_leases()
        self._check_sizes()

    @property
    def quorums(self) -> Quorums:
        """The quorums of the founding members."""
        return Quorums.of(self.cluster, self.phase2_quorum)

    @property
    def addresses(self) -> dict[int, tuple[str, int]]:
        """Host and port at which every member's peer port is reached from here."""
        return {node: parse_address(address) for node, address in {**self.cluster, **self.routes}.items()}

    @property
    def kv_limits(self) -> KvLimits:
        """The limits of the state machine."""
        return KvLimits(
            key_bytes_max=self.key_bytes_max,
            value_bytes_max=self.value_bytes_max,
            batch_commands_max=self.batch_commands_max,
            batch_bytes_max=self.batch_bytes_max,
            sessions_max=self.sessions_max,
            session_idle_ms=round(self.session_idle_s * 1000),
            txn_operations_max=self.txn_operations_max,
            lease_ttl_ms_min=round(self.lease_ttl_s_min * 1000),
            leases_max=self.leases_max,
            history_events_max=self.history_events_max,
            history_bytes_max=self.history_bytes_max,
        )

    @property
    def lease(self) -> LeaseTerms:
        """What the members have agreed on about leases for reads."""
        return LeaseTerms(self.lease_s, self.clock_drift_max) if self.lease_reads else NO_LEASES

    @property
    def cluster_id(self) -> str:
        """Identity of the cluster: whatever all members must agree on, in whichever order they list it (P34).

        The limits that decide what a command does are part of it, since replicas with different ones would diverge
        (P26). So are leases for reads, where they are granted: a node that waits less than the leader counts on, or
        less than it has granted in an earlier life, would make reads stale (P24). Routes are not: they are each node's
        own view of the network.
        """
        limits = self.kv_limits
        agreed: list[Any] = [
            self.cluster_token,
            sorted(self.cluster.items()),
            self.quorums.phase2,
            [getattr(limits, rule) for rule in RULES],
        ]
        if self.lease_reads:
            agreed += [self.lease_s, self.clock_drift_max]
        return blake2b(json.dumps(agreed).encode(), digest_size=16).hexdigest()

    def _fill_in(self, name: str, address: str) -> None:
        if not getattr(self, name):
            object.__setattr__(self, name, address)

    def _check_membership(self) -> None:
        if self.node not in self.cluster:
            raise ConfigError(
                f"node {self.node} is not in the cluster list {sorted(self.cluster)}: correct node or cluster"
            )
        if strangers := sorted(self.routes.keys() - self.cluster.keys() | self.routes.keys() & {self.node}):
            raise ConfigError(
                f"routes names node {strangers[0]}, which is no other member of {sorted(self.cluster)}: correct it"
            )
        try:
            Quorums.of(self.cluster, self.phase2_quorum)
        except QuorumError as error:
            raise ConfigError(
                f"phase2_quorum {self.phase2_quorum} does not suit {len(self.cluster)} members: {error}. "
                f"Choose 1 to {len(self.cluster)}; electing a leader then takes {len(self.cluster)} + 1 less that many"
            ) from None

    def _check_addresses(self) -> None:
        for name in ("listen_client", "listen_peer"):
            host, _ = parse_address(getattr(self, name))
            if not self.insecure and not _is_loopback(host):
                raise ConfigError(
                    f"{name} {getattr(self, name)} is reachable from other machines, and there is no TLS and no "
                    "password yet: listen on 127.0.0.1, or accept that with insecure (--insecure)"
                )
        if self.listen_client == self.listen_peer:
            raise ConfigError(f"listen_client and listen_peer are both {self.listen_peer}: give each its own port")
        if parse_address(self.advertise_client)[0] in ("0.0.0.0", "::"):
            raise ConfigError(
                f"advertise_client {self.advertise_client} means every address and so none: name one that clients reach"
            )

    def _check_timing(self) -> None:
        if self.election_timeout_s < 4 * self.heartbeat_s:
            raise ConfigError(
                f"election_timeout_s {self.election_timeout_s:g} is less than 4 times heartbeat_s "
                f"{self.heartbeat_s:g}: one lost heartbeat could depose a leader. Raise the one or lower the other"
            )

    def _check_leases(self) -> None:
        """A lease is renewed in time, and is over before an election would begin anyway (P24)."""
        if self.lease_reads and not 2 * self.heartbeat_s <= self.lease_s <= self.election_timeout_s:
            raise ConfigError(
                f"lease_s {self.lease_s:g} is not between 2 times heartbeat_s {self.heartbeat_s:g} and "
                f"election_timeout_s {self.election_timeout_s:g}: it would run out between heartbeats, or delay "
                "elections"
            )

    def _check_sizes(self) -> None:
        command_bytes_max = self.key_bytes_max + self.value_bytes_max + ENVELOPE_BYTES_MAX
        if command_bytes_max > CLIENT_FRAME_BYTES_MAX:
            raise ConfigError(
                f"key_bytes_max {self.key_bytes_max} and value_bytes_max {self.value_bytes_max} do not fit in one "
                f"frame: together they may be {CLIENT_FRAME_BYTES_MAX - ENVELOPE_BYTES_MAX} bytes"
            )
        if self.batch_bytes_max + command_bytes_max > PEER_FRAME_BYTES_MAX:
            raise ConfigError(
                f"batch_bytes_max {self.batch_bytes_max} does not fit in a frame between nodes: with these keys and "
                f"values it may be {PEER_FRAME_BYTES_MAX - command_bytes_max} (P32)"
            )
        if self.bytes_in_flight_max < command_bytes_max:
            raise ConfigError(
                f"bytes_in_flight_max {self.bytes_in_flight_max} is less than one large write: give it at least "
                f"{command_bytes_max}"
            )


def settings() -> dict[str, Setting]:
    """Return all settings by the name of their field in `NodeConfig`."""
    return {item.name: item.metadata["setting"] for item in fields(NodeConfig)}


def load(flags: Mapping[str, str | bool | None], environ: Mapping[str, str], file: Path | None = None) -> NodeConfig:
    """Return the configuration made of flags over environment over file.

    flags: by key (`Setting.key`); None, or False for a switch, means not given.
    file: TOML with the same keys; nothing else may be in it.
    Raises: ConfigError, naming the setting, where it was given, and what to write instead.
    """
    from_file = {} if file is None else _read_toml(file)
    values: dict[str, Any] = {}
    for name, setting in settings().items():
        given = flags.get(setting.key)
        if given is not None and given is not False:
            values[name] = given if given is True else _parse(setting.flag, setting, given)
        elif setting.variable in environ:
            values[name] = _parse(setting.variable, setting, environ[setting.variable])
        elif setting.key in from_file:
            values[name] = from_file[setting.key]
    _require(values)
    try:
        return NodeConfig(**values)
    except ConfigError as error:
        raise ConfigError(f"{error} (read from {file})" if file else str(error)) from None


def _parse(origin: str, setting: Setting, text: str) -> Any:
    try:
        return setting.from_text(text)
    except ConfigError as error:
        raise ConfigError(f"{origin}: {error}") from None


def _read_toml(file: Path) -> dict[str, Any]:
    """Return the settings in `file`, checked one by one. Raises: ConfigError."""
    try:
        with file.open("rb") as stream:
            content = tomllib.load(stream)
    except OSError as error:
        raise ConfigError(f"cannot read configuration {file}: {error.strerror or error}") from None
    except (ValueError, RecursionError) as error:  # also numbers of thousands of digits, and nesting as deep (H18)
        raise ConfigError(f"{file} is not TOML: {error}") from None
    known = {setting.key: setting for setting in settings().values()}
    if unknown := sorted(content.keys() - known.keys()):
        raise ConfigError(f"{file}: unknown setting {unknown[0]}; known are {', '.join(known)}")
    values = {}
    for key, value in content.items():
        try:
            values[key] = known[key].from_toml(value)
        except ConfigError as error:
            raise ConfigError(f"{file}: {error}") from None
    return values


def _require(values: Mapping[str, Any]) -> None:
    """Raises: ConfigError if a setting without a default was given nowhere."""
    for item in fields(NodeConfig):
        setting: Setting = item.metadata["setting"]
        if item.default is MISSING and item.default_factory is MISSING and item.name not in values:
            raise ConfigError(
                f"{setting.key} is not set: give {setting.flag}, {setting.variable}, or {setting.key} in the file "
                f"named by --config ({setting.help})"
            )


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"

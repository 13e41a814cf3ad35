"""The bounds of the state machine: how large what enters may be, and how much is kept."""

from __future__ import annotations

from dataclasses import asdict, dataclass

ITEMS_MAX = 1024
"""Items of any array inside a command that a decoder accepts: more never enter any log (H3)."""
DEPTH_MAX = 8
"""Transactions within one another that a decoder accepts."""

_READABLE_MAX = {"txn_operations_max": ITEMS_MAX, "txn_depth_max": DEPTH_MAX, "keep_alive_leases_max": ITEMS_MAX}

RULES = (
    "sessions_max",
    "session_replies_max",
    "session_reply_bytes_max",
    "session_idle_ms",
    "leases_max",
    "lease_keys_max",
    "expiry_keys_max",
    "command_keys_max",
    "reply_bytes_max",
    "grown_value_bytes_max",
)
"""The limits that decide what a command does, in the order in which they enter the digest."""


@dataclass(frozen=True, slots=True)
class KvLimits:
    """The limits at the door and those of the history may differ between nodes and change at any restart.

    All others decide what a command does, so they are a part of the cluster's identity: every replica must have the
    same ones from its first slot on (P26). The machine mixes them into its digest.

    At the door, what may enter the log:

    batch_commands_max, batch_bytes_max: of one slot; a single larger command still gets a slot of its own.
    command_bytes_max:        of one command.
    txn_operations_max:       of a transaction, both branches and nested ones included; and as many compares.
    txn_depth_max:            transactions within one another; 1 allows no nested one.
    lease_ttl_ms_min, lease_ttl_ms_max: time to live that a lease may have.
    keep_alive_leases_max:    renewed by one command.

    Sessions:

    sessions_max:             open at the same time.
    session_replies_max:      replies that one session keeps because its client has not confirmed them; one more for the
                              write that comes next.
    session_reply_bytes_max:  bytes of values in those replies; the one that passes the bound is still kept.
    session_idle_ms:          log time without a command after which a session is still alive, but no longer.

    Leases, and what one command may do:

    leases_max, lease_keys_max: alive at the same time; keys attached to one of them.
    expiry_keys_max:          that expire in one slot, leases counted too; the one that passes it is expired whole.
    command_keys_max:         that one command compares, deletes or returns.
    reply_bytes_max:          of the records in the reply of one write.
    grown_value_bytes_max:    of a value that grows by appending.

    History, in the memory of a node:

    history_events_max, history_bytes_max: changes kept for watches and past reads, their keys and former values.

    Raises: ValueError if a limit is less than 1, or a transaction could be larger than any version can read.
    """

    key_bytes_max: int = 4096
    value_bytes_max: int = 1 << 20
    batch_commands_max: int = 4096
    batch_bytes_max: int = 1 << 20
    sessions_max: int = 10_000
    session_replies_max: int = 1024
    session_reply_bytes_max: int = 16 << 20
    session_idle_ms: int = 600_000
    command_bytes_max: int = 3 << 19
    txn_operations_max: int = 128
    txn_depth_max: int = 4
    lease_ttl_ms_min: int = 500
    lease_ttl_ms_max: int = 365 * 24 * 3_600_000
    keep_alive_leases_max: int = 1024
    leases_max: int = 50_000
    lease_keys_max: int = 4096
    expiry_keys_max: int = 4096
    command_keys_max: int = 10_000
    reply_bytes_max: int = 3 << 19
    grown_value_bytes_max: int = 1 << 20
    history_events_max: int = 100_000
    history_bytes_max: int = 64 << 20

    def __post_init__(self) -> None:
        for name, limit in asdict(self).items():
            if limit < 1:
                raise ValueError(f"{name} is {limit}: it must be at least 1")
        for name, most in _READABLE_MAX.items():
            if getattr(self, name) > most:
                raise ValueError(f"{name} is {getattr(self, name)}: it must be at most {most}")

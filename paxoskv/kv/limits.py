"""The bounds of the state machine: how large what enters may be, and how much is kept."""

from __future__ import annotations

from dataclasses import asdict, dataclass


@dataclass(frozen=True, slots=True)
class KvLimits:
    """The first four rule what may enter the log, and may differ between nodes and change at any restart.

    The session limits decide what a command does, so they are a part of the cluster's identity: every replica
    must have the same ones from its first slot on (P26). The machine mixes them into its digest.

    batch_commands_max, batch_bytes_max: of one slot; a single larger command still gets a slot of its own.
    sessions_max:             open at the same time.
    session_replies_max:      replies that one session keeps because its client has not confirmed them.
    session_reply_bytes_max:  bytes of values in those replies; the one that passes the bound is still kept.
    session_idle_ms:          log time without a command after which a session is still alive, but no longer.

    Raises: ValueError if a limit is less than 1.
    """

    key_bytes_max: int = 4096
    value_bytes_max: int = 1 << 20
    batch_commands_max: int = 4096
    batch_bytes_max: int = 1 << 20
    sessions_max: int = 10_000
    session_replies_max: int = 1024
    session_reply_bytes_max: int = 16 << 20
    session_idle_ms: int = 600_000

    def __post_init__(self) -> None:
        for name, limit in asdict(self).items():
            if limit < 1:
                raise ValueError(f"{name} is {limit}: it must be at least 1")

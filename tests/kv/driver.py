"""A machine driven in a few verbs: each is one slot."""

from __future__ import annotations

from paxoskv.kv import commands, requests
from paxoskv.kv.history import Change
from paxoskv.kv.limits import KvLimits
from paxoskv.kv.machine import Machine
from paxoskv.kv.operations import Operation
from paxoskv.kv.records import Record
from paxoskv.kv.replies import Reply

RANGE_BYTES_MAX = 1 << 20


class Driver:
    """Owns a machine with `sessions` open sessions, whose ids are 1, 2, 3..."""

    def __init__(self, limits: KvLimits | None = None, sessions: int = 1) -> None:
        self.machine = Machine(limits or KvLimits())
        self._seqs: dict[int, int] = {}
        for _ in range(sessions):
            self.open()

    def slot(self, *encoded: bytes, elapsed_ms: int = 0) -> list[Reply]:
        """Apply one batch of encoded commands; return their replies."""
        value = commands.encode_batch(elapsed_ms, encoded)
        return self.machine.apply(self.machine.applied_slot + 1, value)

    def one(self, encoded: bytes) -> Reply:
        """Apply one command in a slot of its own."""
        (reply,) = self.slot(encoded)
        return reply

    def advance(self, elapsed_ms: int) -> None:
        """Let log time pass, nothing else."""
        assert self.slot(elapsed_ms=elapsed_ms) == []

    def open(self) -> Reply:
        """Open a session."""
        return self.one(commands.open_session())

    def put(self, key: bytes, value: bytes, session: int = 1) -> Reply:
        """Put as the next write of the session."""
        return self.one(commands.put(session, *self._next(session), key, value))

    def delete(self, key: bytes, session: int = 1) -> Reply:
        """Delete as the next write of the session."""
        return self.one(commands.delete(session, *self._next(session), key))

    def cas(self, key: bytes, value: bytes, condition: int, operand: bytes | int | None, session: int = 1) -> Reply:
        """Compare and set as the next write of the session."""
        return self.one(commands.cas(session, *self._next(session), key, value, condition, operand))

    def do(self, operation: Operation, session: int = 1) -> Reply:
        """Carry out an operation or a transaction as the next write of the session."""
        return self.one(requests.write(session, *self._next(session), operation))

    def grant(self, ttl_ms: int, session: int = 1) -> int:
        """Grant a lease that must be granted; return its id."""
        code, _, _, lease, told_ms = self.one(requests.grant(session, *self._next(session), ttl_ms))
        assert (code, told_ms) == (0, ttl_ms)
        assert isinstance(lease, int)
        return lease

    def revoke(self, lease: int, session: int = 1) -> Reply:
        """Revoke a lease as the next write of the session."""
        return self.one(requests.revoke(session, *self._next(session), lease))

    def compact(self, revision: int, session: int = 1) -> Reply:
        """Compact as the next write of the session."""
        return self.one(requests.compact(session, *self._next(session), revision))

    def changes(self, first: int = 1) -> list[Change]:
        """Return all that changed from a revision on."""
        return list(self.machine.events(first, self.machine.revision))

    def items(self, start: bytes = b"", end: bytes = b"") -> list[tuple[bytes, Record]]:
        """Return all keys from `start` to before `end` with their records."""
        found, more = self.machine.range(start, end, 1_000_000, False, 1 << 40)
        assert not more
        return found

    def _next(self, session: int) -> tuple[int, int]:
        """Return seq and acked of the next write: all before it are acknowledged."""
        seq = self._seqs.get(session, 0) + 1
        self._seqs[session] = seq
        return seq, seq - 1

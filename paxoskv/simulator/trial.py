"""Operations and transactions as the model carries them out: on a copy of all keys, which is kept if all went well."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Mapping
from typing import Any

from paxoskv.kv import commands, replies
from paxoskv.kv import operations as ops
from paxoskv.kv.limits import KvLimits
from paxoskv.simulator.past import Interval, Record

_COST_OF_A_RECORD = 48
_NUMBER = re.compile(rb"0|-?[1-9][0-9]*")
_FIELD = {ops.VALUE: 0, ops.CREATED: 1, ops.MODIFIED: 2, ops.VERSION: 3, ops.LEASE: 4}


class Refusal(Exception):
    """The command is refused, and changes nothing. outcome: the code, and what follows revision and slot."""

    def __init__(self, code: int, *more: Any) -> None:
        super().__init__(code)
        self.outcome = (code, *more)


class Trial:
    """One command. keys: what there is now, and after `run` what there would be.

    wrote: whether a key was written or removed, so that there is a revision. values: that were written, in order;
    an appended text counts as one. index: of the operation under way, counted in the order of execution.
    """

    def __init__(self, keys: Mapping[bytes, Record], revision: int, leases: Collection[int], limits: KvLimits) -> None:
        self.keys = dict(keys)
        self.wrote = False
        self.values: list[bytes] = []
        self.index = -1
        self._before = keys
        self._revision = revision + 1
        self._leases = leases
        self._limits = limits
        self._keys_left = limits.command_keys_max
        self._bytes_left = limits.reply_bytes_max

    def run(self, command: tuple[Any, ...]) -> tuple[Any, ...]:
        """Carry out a command, `(op, argument, ...)`; return code and rest of its reply. Raises: Refusal."""
        op, *arguments = command
        if op == commands.CAS:
            return self._cas(*arguments)
        if op == ops.TXN:
            return self._whole_txn(*arguments)
        result = self._operate(command)
        if op == ops.PUT:
            return (replies.APPLIED,)
        if op == ops.PUT_WITH:
            return (replies.APPLIED if result[0] else replies.COMPARE_FAILED, result[1])
        return (replies.APPLIED, *result) if op == ops.DELETE_RANGE else (replies.APPLIED, result)

    # Transactions

    def _whole_txn(self, compares: Any, then: Any, otherwise: Any) -> tuple[Any, ...]:
        try:
            plan = self._choose(compares, then, otherwise)
            return (replies.APPLIED, *self._follow(*plan))
        except Refusal as refusal:
            raise Refusal(*refusal.outcome, self.index) from None

    def _choose(self, compares: Any, then: Any, otherwise: Any) -> tuple[int, list[Any]]:
        """Return (succeeded, branch), with what is nested in the branch chosen as well, all on the state before."""
        succeeded = 1
        for one in compares:
            if not self._holds(*one):
                succeeded = 0
                break
        branch = then if succeeded else otherwise
        return succeeded, [(ops.TXN, *self._choose(*one[1:])) if one[0] == ops.TXN else one for one in branch]

    def _follow(self, succeeded: int, branch: list[Any]) -> tuple[int, tuple[Any, ...]]:
        results = []
        for one in branch:
            if one[0] == ops.TXN:
                self.index += 1
                results.append(self._follow(*one[1:]))
            else:
                results.append(self._operate(one))
        return succeeded, tuple(results)

    def _holds(self, target: int, relation: int, start: bytes, end: bytes | None, operand: Any) -> bool:
        if end is None:
            return _compare(self._before.get(start), target, relation, operand)
        found = [key for key in self._before if key in Interval(start, end)]
        if target == ops.ABSENT:
            return bool(found) == (relation == ops.NOT_EQUAL)
        if len(found) > self._keys_left:
            raise Refusal(replies.TOO_MANY_KEYS)
        self._keys_left -= len(found)
        records: list[Record | None] = [self._before[key] for key in found]
        return all(_compare(record, target, relation, operand) for record in records or [None])

    # Single operations

    def _operate(self, operation: tuple[Any, ...]) -> Any:
        self.index += 1
        return _OPERATIONS[operation[0]](self, *operation[1:])

    def _cas(self, key: bytes, value: bytes, condition: int, operand: Any) -> tuple[Any, ...]:
        record = self.keys.get(key)
        if condition == commands.ABSENT:
            is_met = record is None
        else:
            is_met = record is not None and record[0 if condition == commands.EXPECT_VALUE else 2] == operand
        if not is_met:
            raise Refusal(replies.COMPARE_FAILED, record)
        self._put(key, value, 0)
        return (replies.APPLIED,)

    def _put(self, key: bytes, value: bytes, lease: int) -> None:
        self.values.append(value)
        self._write(key, value, lease)

    def _delete(self, key: bytes) -> int:
        if self.keys.pop(key, None) is None:
            return 0
        self.wrote = True
        return 1

    def _get(self, key: bytes) -> Record | None:
        return self._tell(key, self.keys.get(key))

    def _incr(self, key: bytes, delta: int) -> int:
        value, lease = self._held(key, b"0")
        if not _NUMBER.fullmatch(value) or not -(2**63) <= int(value) < 2**63:
            raise Refusal(replies.NOT_A_NUMBER)
        total = int(value) + delta
        if not -(2**63) <= total < 2**63:
            raise Refusal(replies.NUMBER_OVERFLOW)
        self._write(key, str(total).encode(), lease)
        return total

    def _append(self, key: bytes, suffix: bytes) -> int:
        value, lease = self._held(key, b"")
        if len(value) + len(suffix) > self._limits.grown_value_bytes_max:
            raise Refusal(replies.VALUE_TOO_LARGE)
        self.values.append(suffix)
        self._write(key, value + suffix, lease)
        return len(value) + len(suffix)

    def _put_with(self, key: bytes, value: bytes, lease: int, options: int) -> tuple[int, Record | None]:
        record = self.keys.get(key)
        if (options & ops.IF_ABSENT and record) or (options & ops.IF_PRESENT and not record):
            return 0, self._tell(key, record)
        if options & ops.KEEP_LEASE:
            lease = record[4] if record else 0
        self._put(key, value, lease)
        return 1, self._tell(key, record) if options & ops.PREVIOUS else None

    def _delete_range(self, start: bytes, end: bytes, limit: int, options: int) -> tuple[Any, ...]:
        found = self._found(start, end)
        if not limit and len(found) > self._keys_left:
            raise Refusal(replies.TOO_MANY_KEYS)
        chosen = self._look_at(found, limit)
        told = [(key, self._tell(key, self.keys[key])) for key in chosen] if options & ops.PREVIOUS else []
        for key in chosen:
            self._delete(key)
        return len(chosen), int(len(chosen) < len(found)), tuple(told)

    def _range(self, start: bytes, end: bytes, limit: int, options: int) -> tuple[Any, ...]:
        found = self._found(start, end)
        if options & ops.COUNT_ONLY:
            return len(found), 0, ()
        told: list[Any] = []
        for key in self._look_at(found[::-1] if options & ops.DESCENDING else found, limit):
            record = self.keys[key]
            shown: Record = (b"", *record[1:]) if options & ops.KEYS_ONLY else record
            if len(key) + len(shown[0]) + _COST_OF_A_RECORD > self._bytes_left:
                break
            told.append((key, self._tell(key, shown)))
        return len(told), int(len(told) < len(found)), tuple(told)

    # Parts of them

    def _held(self, key: bytes, absent: bytes) -> tuple[bytes, int]:
        """Return value and lease of a key."""
        record = self.keys.get(key)
        return (absent, 0) if record is None else (record[0], record[4])

    def _write(self, key: bytes, value: bytes, lease: int) -> None:
        before = self.keys.get(key)
        if lease and (before is None or before[4] != lease):
            if lease not in self._leases:
                raise Refusal(replies.LEASE_NOT_FOUND)
            if sum(record[4] == lease for record in self.keys.values()) >= self._limits.lease_keys_max:
                raise Refusal(replies.TOO_MANY_LEASE_KEYS)
        created, version = (self._revision, 1) if before is None else (before[1], before[3])
        if before is not None and before[2] != self._revision:
            version += 1
        self.keys[key] = (value, created, self._revision, version, lease)
        self.wrote = True

    def _found(self, start: bytes, end: bytes) -> list[bytes]:
        return sorted(key for key in self.keys if key in Interval(start, end))

    def _look_at(self, found: list[bytes], limit: int) -> list[bytes]:
        """Return as many keys as were asked for, and may still be looked at."""
        chosen = found[: min(limit or len(found), self._keys_left)]
        self._keys_left -= len(chosen)
        return chosen

    def _tell(self, key: bytes, record: Record | None) -> Record | None:
        """Put a record into the reply."""
        if record is not None:
            cost = len(key) + len(record[0]) + _COST_OF_A_RECORD
            if cost > self._bytes_left:
                raise Refusal(replies.REPLY_TOO_LARGE)
            self._bytes_left -= cost
        return record


_OPERATIONS: dict[int, Callable[..., Any]] = {
    ops.PUT: Trial._put,
    ops.DELETE: Trial._delete,
    ops.GET: Trial._get,
    ops.INCR: Trial._incr,
    ops.APPEND: Trial._append,
    ops.PUT_WITH: Trial._put_with,
    ops.DELETE_RANGE: Trial._delete_range,
    ops.RANGE: Trial._range,
}


def _compare(record: Record | None, target: int, relation: int, operand: Any) -> bool:
    if target == ops.ABSENT:
        return (record is None) == (relation == ops.EQUAL)
    if record is None and target == ops.VALUE:
        return False
    present: Any = 0 if record is None else record[_FIELD[target]]
    if relation == ops.EQUAL:
        return bool(present == operand)
    if relation == ops.NOT_EQUAL:
        return bool(present != operand)
    return bool(present < operand) if relation == ops.LESS else bool(present > operand)

"""What transactions are made of: operations and compares, for `txn`.

    from paxoskv import ops

    counted = ops.incr("jobs")
    done = await kv.txn(
        compare=[ops.value("state", "=", "open"), ops.absent("halt")],
        then=[ops.put("job/7", "..."), counted],
        otherwise=[ops.get("state")],
    )
    if done.succeeded:
        print(done.of(counted))

All compares are decided on the store before the transaction; operations see what earlier ones did. A compare names a
key, or with `keys` an interval, every key of which has to pass. Of an absent key all numbers are 0, and no compare on
its value holds, "!=" neither.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, Generic, Literal, NamedTuple, TypeVar

from paxoskv.client import outcomes
from paxoskv.client.calls.base import LeaseLike, Text, lease_id
from paxoskv.client.calls.keys import put_options
from paxoskv.client.keys import interval, to_bytes, to_delta, to_key, to_limit, to_revision
from paxoskv.client.outcomes import Deleted, Page, Written
from paxoskv.client.results import Entry
from paxoskv.errors import BadRequest
from paxoskv.kv import operations

__all__ = [
    "Compare",
    "Deleted",
    "Keys",
    "Operation",
    "Outcome",
    "Page",
    "Relation",
    "Written",
    "absent",
    "append",
    "created",
    "delete",
    "delete_range",
    "get",
    "guard",
    "incr",
    "keys",
    "lease",
    "modified",
    "present",
    "put",
    "range",
    "txn",
    "value",
    "version",
]

T = TypeVar("T")

Relation = Literal["=", "!=", "<", ">"]
_RELATIONS = {
    "=": operations.EQUAL,
    "!=": operations.NOT_EQUAL,
    "<": operations.LESS,
    ">": operations.GREATER,
}


class Operation(NamedTuple, Generic[T]):
    """One step of a transaction; its result has the type T.

    encode: (prefix of the view) -> what travels. decode: (raw result, prefix) -> result; raises ProtocolError.
    """

    encode: Callable[[bytes], operations.Operation]
    decode: Callable[[Any, bytes], T]


@dataclass(frozen=True, slots=True)
class Keys:
    """An interval of keys, made by `keys`."""

    prefix: Text | None
    start: Text | None
    end: Text | None


class Compare(NamedTuple):
    """A condition of a transaction.

    encode: (prefix of the view) -> what travels.
    """

    encode: Callable[[bytes], operations.Compare]


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a transaction did.

    succeeded: whether all compares held, so that `then` was carried out, not `otherwise`.
    results: one for each operation of that branch. operations: these.
    """

    succeeded: bool
    results: tuple[Any, ...]
    operations: tuple[Operation[Any], ...] = field(repr=False)

    def of(self, operation: Operation[T]) -> T:
        """Return the result of an operation, also of one within a nested transaction.

        Raises: LookupError if it was not carried out.
        """
        for each, result in zip(self.operations, self.results, strict=True):
            if each is operation:
                found: T = result
                return found
            if isinstance(result, Outcome) and result.has(operation):
                return result.of(operation)
        raise LookupError("this operation was not carried out: it is of the other branch, or of no branch")

    def has(self, operation: Operation[Any]) -> bool:
        """Return whether the operation was carried out."""
        return any(
            each is operation or (isinstance(result, Outcome) and result.has(operation))
            for each, result in zip(self.operations, self.results, strict=True)
        )


# Operations


def put(
    key: Text,
    value: Text,
    *,
    lease: LeaseLike | None = None,
    keep_lease: bool = False,
    if_absent: bool = False,
    if_present: bool = False,
    previous: bool = False,
) -> Operation[Written]:
    """Set a key, as `put` of the client does; a condition that fails does not fail the transaction."""
    name, content, attached = to_key(key), to_bytes("value", value), lease_id(lease)
    if not (keep_lease or if_absent or if_present or previous):
        return Operation(lambda scope: operations.put(scope + name, content, attached), outcomes.put)
    options = put_options(keep_lease, if_absent, if_present, previous)
    return Operation(
        lambda scope: operations.put_with(scope + name, content, attached, options), outcomes.put_with(name)
    )


def get(key: Text) -> Operation[Entry | None]:
    """Read a key."""
    name = to_key(key)
    return Operation(lambda scope: operations.get(scope + name), outcomes.get(name))


def delete(key: Text) -> Operation[bool]:
    """Remove a key; the result says whether it existed."""
    name = to_key(key)
    return Operation(lambda scope: operations.delete(scope + name), outcomes.flag)


def incr(key: Text, by: int = 1) -> Operation[int]:
    """Add to the number that a key holds; the result is the sum."""
    name, delta = to_key(key), to_delta(by)
    return Operation(lambda scope: operations.incr(scope + name, delta), outcomes.signed)


def append(key: Text, suffix: Text) -> Operation[int]:
    """Add to the end of what a key holds; the result is the size in bytes."""
    name, content = to_key(key), to_bytes("suffix", suffix)
    return Operation(lambda scope: operations.append(scope + name, content), outcomes.signed)


def delete_range(
    prefix: Text | None = None,
    *,
    start: Text | None = None,
    end: Text | None = None,
    limit: int = 0,
    previous: bool = False,
) -> Operation[Deleted]:
    """Remove the keys of a range, as `delete_range` of the client does."""
    if prefix is None and start is None and end is None:
        raise BadRequest('name what to delete: a prefix, start or end; the prefix "" means every key')
    most, options = to_limit(limit), previous * operations.PREVIOUS
    return Operation(
        lambda scope: operations.delete_range(*interval(prefix, start, end, scope), most, options), outcomes.deleted
    )


def range(
    prefix: Text | None = None,
    *,
    start: Text | None = None,
    end: Text | None = None,
    limit: int = 0,
    descending: bool = False,
    keys_only: bool = False,
    count_only: bool = False,
) -> Operation[Page]:
    """Read the keys of a range, at most `limit`; 0: as many as one reply may hold."""
    options = descending * operations.DESCENDING | keys_only * operations.KEYS_ONLY | count_only * operations.COUNT_ONLY
    most = to_limit(limit)
    return Operation(
        lambda scope: operations.read_range(*interval(prefix, start, end, scope), most, options), outcomes.page
    )


def txn(
    compare: Sequence[Compare] = (), then: Sequence[Operation[Any]] = (), otherwise: Sequence[Operation[Any]] = ()
) -> Operation[Outcome]:
    """A transaction within a transaction; its compares, too, are decided on the store before the outermost one."""
    return Operation(
        lambda scope: encode_txn(compare, then, otherwise, scope),
        lambda raw, scope: decode_txn(raw, then, otherwise, scope),
    )


# Compares


def keys(prefix: Text | None = None, *, start: Text | None = None, end: Text | None = None) -> Keys:
    """Every key of a range, as what a compare is about; a range without keys counts as one absent key."""
    return Keys(prefix, start, end)


def value(where: Text | Keys, relation: Relation, operand: Text) -> Compare:
    """What the key holds."""
    return _compare(operations.VALUE, where, relation, to_bytes("compared value", operand))


def version(where: Text | Keys, relation: Relation, operand: int) -> Compare:
    """How often the key was written since its creation, that included."""
    return _compare(operations.VERSION, where, relation, to_revision("compared number", operand))


def created(where: Text | Keys, relation: Relation, operand: int) -> Compare:
    """The revision at which the key was created."""
    return _compare(operations.CREATED, where, relation, to_revision("compared number", operand))


def modified(where: Text | Keys, relation: Relation, operand: int) -> Compare:
    """The revision at which the key was last changed."""
    return _compare(operations.MODIFIED, where, relation, to_revision("compared number", operand))


def lease(where: Text | Keys, relation: Relation, operand: LeaseLike) -> Compare:
    """The lease that the key is attached to."""
    return _compare(operations.LEASE, where, relation, lease_id(operand))


def absent(where: Text | Keys) -> Compare:
    """No such key exists."""
    return _compare(operations.ABSENT, where, "=", None)


def present(where: Text | Keys) -> Compare:
    """The key exists; of an interval, at least one does."""
    return _compare(operations.ABSENT, where, "!=", None)


def guard(key: bytes, created_at: int) -> Compare:
    """The key `key`, whole and in no view's scope, still is the one created at this revision."""
    condition = operations.compare(operations.CREATED, operations.EQUAL, key, created_at)
    return Compare(lambda scope: condition)


def _compare(target: int, where: Text | Keys, relation: Relation, operand: bytes | int | None) -> Compare:
    if relation not in _RELATIONS:
        raise BadRequest(f"relation {relation!r:.20} is unknown: choose =, !=, < or >")
    how = _RELATIONS[relation]
    if isinstance(where, Keys):
        bounds = (where.prefix, where.start, where.end)
        interval(*bounds)

        def encode(scope: bytes) -> operations.Compare:
            start, end = interval(*bounds, scope)
            return operations.compare(target, how, start, operand, end)

        return Compare(encode)
    name = to_key(where)
    return Compare(lambda scope: operations.compare(target, how, scope + name, operand))


# Encoding


def encode_txn(
    compare: Sequence[Compare], then: Sequence[Operation[Any]], otherwise: Sequence[Operation[Any]], scope: bytes
) -> operations.Operation:
    """Return a transaction as it travels."""
    return operations.txn(
        [one.encode(scope) for one in compare],
        [one.encode(scope) for one in then],
        [one.encode(scope) for one in otherwise],
    )


def decode_txn(raw: Any, then: Sequence[Operation[Any]], otherwise: Sequence[Operation[Any]], scope: bytes) -> Outcome:
    """Return the outcome that `[succeeded, [result, ...]]` stands for. Raises: ProtocolError."""
    succeeded, results = outcomes.branch(raw)
    branch = tuple(then if succeeded else otherwise)
    if len(results) != len(branch):
        raise outcomes.miscounted(len(results), len(branch))
    decoded = tuple(one.decode(result, scope) for one, result in zip(branch, results, strict=True))
    return Outcome(succeeded, decoded, branch)

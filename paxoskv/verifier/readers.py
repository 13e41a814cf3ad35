"""What the watches of a run have told, against what clients were told of their writes (P29)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from itertools import pairwise

from paxoskv.checker import Operation
from paxoskv.verifier.gazette import News


def unseen(operations: Sequence[Operation], news: Mapping[bytes, Sequence[News]]) -> Iterator[str]:
    """Yield acknowledged writes that a watch has not told, or not as they were, and what came twice or out of order."""
    told = {key: {item.revision: item.value for item in items} for key, items in news.items()}
    for key, items in news.items():
        for before, after in pairwise(items):
            if after.revision <= before.revision:
                yield f"{key.decode()}: revision {after.revision} was told after {before.revision}"
    for operation in operations:
        if operation.outcome == "ok" and operation.revision is not None and operation.surely_changes:
            for key, value, is_end in _written(operation):
                found = told.get(key, {}).get(operation.revision, b"")
                if operation.revision not in told.get(key, {}):
                    yield f"{key.decode()}: revision {operation.revision} was never told: {operation.f} of {value!r}"
                elif found is None or not (found.endswith(value) if is_end else found == value):
                    yield f"{key.decode()}: of revision {operation.revision} was told {found!r}, not {value!r}"


def _written(operation: Operation) -> Iterator[tuple[bytes, bytes, bool]]:
    """Yield key and value of what an operation has written, and whether the value is only the end of it."""
    if operation.told is not None:
        results = zip(operation.steps, operation.told.results, strict=True)
        yield from ((step.key, result, False) for step, result in results if step.f == "incr" and result is not None)
    elif operation.f == "incr":
        yield operation.key, operation.result or b"", False
    elif isinstance(operation.value, tuple):
        yield operation.key, operation.value[1], False
    else:
        yield operation.key, operation.value or b"", operation.f == "append"

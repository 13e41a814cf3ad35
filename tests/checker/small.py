"""Small random histories, most of them wrong, for comparison with the definition."""

from __future__ import annotations

import random

from hypothesis import strategies as st

from paxoskv.checker import Operation
from paxoskv.checker.events import APPEND, CAS, DELETE, FAIL, GET, INFO, OK, PUT, Value
from tests.checker.worlds import EVERYTHING, Call, record

VALUES = (b"", b"a", b"b", b"ab")
SEEN = (None, *VALUES, b"ba", b"aa")
MIXES = ((PUT, GET), (PUT, GET, CAS), (PUT, GET, DELETE, CAS), (APPEND, GET), EVERYTHING)
TIMES = 9


def value_for(f: str, value: bytes, expected: bytes | None) -> Value:
    """Return what a call of `f` is given."""
    values: dict[str, Value] = {PUT: value, APPEND: value, CAS: (expected, value)}
    return values.get(f)


def small_history(seed: int) -> list[Operation]:
    """Return up to six operations on one key, with few values, so that some are right by chance."""
    rng = random.Random(seed)
    functions = rng.choice(MIXES)
    calls = []
    for process in range(rng.randint(2, 6)):
        f = rng.choice(functions)
        outcome = rng.choices([OK, FAIL, INFO], [6, 2 if f == CAS else 0.5, 2])[0]
        start = rng.randrange(TIMES)
        done = start + rng.randrange(5) if rng.random() < 0.95 or outcome != INFO else None
        value = value_for(f, rng.choice(VALUES), rng.choice((None, *VALUES)))
        result = rng.choice(SEEN) if f == GET and outcome == OK else None
        calls.append(Call(process, f, b"k", value, start, done, outcome, result))
    return record(calls)


def _call(process: int, f: str) -> st.SearchStrategy[Call]:
    outcomes = (OK, OK, FAIL, INFO) if f == CAS else (OK, OK, OK, INFO)
    return st.builds(
        lambda value, expected, start, length, outcome, result: Call(
            process,
            f,
            b"k",
            value_for(f, value, expected),
            start,
            start + length,
            outcome,
            result if f == GET and outcome == OK else None,
        ),
        st.sampled_from(VALUES),
        st.sampled_from((None, *VALUES)),
        st.integers(0, TIMES),
        st.integers(0, 5),
        st.sampled_from(outcomes),
        st.sampled_from(SEEN),
    )


SMALL_HISTORIES: st.SearchStrategy[list[Operation]] = st.lists(
    st.sampled_from((PUT, GET, DELETE, CAS, APPEND)), min_size=1, max_size=5
).flatmap(lambda functions: st.tuples(*(_call(process, f) for process, f in enumerate(functions))).map(record))
"""Histories for hypothesis, which shrinks them."""

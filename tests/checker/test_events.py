"""Lines of a history: what is read back as it was written, and what is refused with its line and a reason."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from paxoskv.checker import BadEvent
from paxoskv.checker.events import (
    APPEND,
    CAS,
    DELETE,
    FUNCTIONS,
    GET,
    INCR,
    INFO,
    INVOKE,
    NO_KEY,
    OK,
    PUT,
    TXN,
    TYPES,
    Event,
    Value,
    event_line,
    parse_event,
)
from paxoskv.checker.txns import Step, Told, Txn

GOOD = {"process": 3, "type": "invoke", "f": "put", "key": "a", "value": "17", "time": 123456789}


def line(**changes: Any) -> bytes:
    """Return a good line with fields changed; `...` removes one."""
    fields = {name: value for name, value in {**GOOD, **changes}.items() if value is not ...}
    return json.dumps(fields).encode()


def values(f: str, kind: str) -> st.SearchStrategy[Value]:
    """Return the values that an event may have."""
    if f == GET:
        return st.none() | st.binary() if kind == OK else st.none()
    if f == DELETE:
        return st.none()
    given = GIVEN.get(f, st.binary())
    if kind == OK and f in (INCR, TXN):
        return TOLD if f == TXN else given
    return given if kind == INVOKE else st.none() | given


SIGNED = st.integers(-(1 << 63), (1 << 63) - 1).map(lambda number: b"%d" % number)
STEPS = (
    st.builds(Step, st.sampled_from((GET, DELETE)), st.binary(), st.none())
    | st.builds(Step, st.sampled_from((PUT, APPEND)), st.binary(), st.binary())
    | st.builds(Step, st.just(INCR), st.binary(), SIGNED)
)
TXNS = st.builds(
    Txn,
    st.lists(st.tuples(st.binary(), st.none() | st.binary()), max_size=3).map(tuple),
    st.lists(STEPS, min_size=1, max_size=3).map(tuple),
    st.lists(STEPS, max_size=3).map(tuple),
)
TOLD = st.builds(Told, st.booleans(), st.lists(st.none() | st.binary(), max_size=3).map(tuple))
GIVEN: dict[str, st.SearchStrategy[Value]] = {
    CAS: st.tuples(st.none() | st.binary(), st.binary()),
    INCR: SIGNED,
    TXN: TXNS,
}
NUMBERS = st.integers(0, 1 << 70)
EVENTS = st.tuples(st.sampled_from(FUNCTIONS), st.sampled_from(TYPES)).flatmap(
    lambda pair: st.builds(
        Event,
        process=NUMBERS,
        type=st.just(pair[1]),
        f=st.just(pair[0]),
        key=st.just(NO_KEY) if pair[0] == TXN else st.binary(),
        value=values(*pair),
        time_ns=NUMBERS,
        revision=st.none() | NUMBERS,
        slot=st.none() | NUMBERS,
        error=st.none() | st.text(),
    )
)


@given(EVENTS)
def test_an_event_is_read_back_as_it_was_written(event: Event) -> None:
    written = event_line(event)
    assert written.count("\n") == 1
    assert parse_event(written.encode(), 1) == event


@given(st.binary(max_size=200) | st.text().map(str.encode))
def test_any_bytes_are_an_event_or_refused(junk: bytes) -> None:
    with pytest.raises(BadEvent, match=r"^line 7: "):
        parse_event(junk, 7)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=6,
)


@given(st.dictionaries(st.sampled_from([*GOOD, "revision", "slot", "error", "value_base64", "key_base64"]), JSON))
def test_wrong_fields_never_raise_anything_else(changes: dict[str, Any]) -> None:
    try:
        event = parse_event(line(**changes), 1)
    except BadEvent:
        return
    assert isinstance(event.key, bytes)
    assert event.time_ns >= 0


def test_the_example_of_the_format() -> None:
    assert parse_event(line(), 1) == Event(3, INVOKE, PUT, b"a", b"17", 123456789)


def test_further_fields_are_ignored_and_those_of_replies_kept() -> None:
    event = parse_event(line(type="ok", index=7, revision=4, slot=9, error=["timeout", 5]), 1)
    assert (event.revision, event.slot, event.error) == (4, 9, '["timeout", 5]')


def test_bytes_that_are_not_text_are_base64() -> None:
    event = Event(0, INVOKE, CAS, b"\xff", (b"\x00\xfe", b"plain"), 1)
    fields = json.loads(event_line(event))
    assert fields["key_base64"] == "/w=="
    assert fields["value_base64"] == ["AP4=", "cGxhaW4="]
    assert not {"key", "value"} & fields.keys()


@pytest.mark.parametrize(
    ("damaged", "reason"),
    [
        (b'{"process": 3, "type": "inv', "no JSON .* is the file cut off"),
        (b"\xff\xfe{}", "no JSON"),
        (b"[" * 100_000, "no JSON"),
        (b"[1, 2]", "a JSON object"),
        (b"null", "a JSON object"),
        (line(f="increment"), "f is one of put, get, delete, cas, append, incr, txn, not 'increment'"),
        (line(f=None), "f is one of"),
        (line(f=["put"]), "f is one of"),
        (line(type="okay"), "type is one of invoke, ok, fail, info, not 'okay'"),
        (line(process=...), "process is missing"),
        (line(process="3"), "process is a whole number from 0, not '3'"),
        (line(process=True), "process is a whole number"),
        (line(process=-1), "process is a whole number"),
        (line(time=...), "time is missing"),
        (line(time=1.5), "time is a whole number"),
        (line(revision="4"), "revision is a whole number"),
        (line(slot=-1), "slot is a whole number"),
        (line(key=...), "key is missing"),
        (line(key=7), "key holds 7: keys and values are texts, numbers stand in quotes"),
        (line(key="\ud800"), "key is no valid text"),
        (line(value=17), "value holds 17: keys and values are texts"),
        (line(value=...), "the value of a put at invoke is a text"),
        (line(value=["a", "b"]), "the value of a put at invoke is a text"),
        (line(value=..., value_base64="?"), "value is no base64"),
        (line(value_base64="AA=="), "exclude each other"),
        (line(f="get"), "the value of a get at invoke is null"),
        (line(f="get", type="ok", value=["a", "b"]), "the value of a get at ok is"),
        (line(f="get", type="fail"), "the value of a get at fail is null"),
        (line(f="delete"), "the value of a delete at invoke is null"),
        (line(f="cas"), r"the value of a cas at invoke is \[expected, new\]"),
        (line(f="cas", value=["a"]), "value is an array of 1"),
        (line(f="cas", value=["a", None]), "new is a text"),
        (line(f="cas", value=[1, "b"]), "value holds 1"),
        (line(f="append", value=None), "the value of a append at invoke"),
    ],
)
def test_a_wrong_line_is_refused_with_a_reason(damaged: bytes, reason: str) -> None:
    with pytest.raises(BadEvent, match=reason) as raised:
        parse_event(damaged, 12)
    assert raised.value.line == 12
    assert len(str(raised.value)) < 400


@pytest.mark.parametrize("f", [PUT, CAS, APPEND])
def test_a_completion_may_repeat_the_value_or_leave_it_out(f: str) -> None:
    value = ["a", "b"] if f == CAS else "a"
    for kind in (OK, INFO):
        assert parse_event(line(f=f, type=kind, value=value), 1).value is not None
        assert parse_event(line(f=f, type=kind, value=None), 1).value is None

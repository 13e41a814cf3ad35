"""From events to operations: pairing, order, the recorder, and what no history may hold."""

from __future__ import annotations

import io
import random
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest

from paxoskv.checker import BadEvent, BadOrder, HistoryWriter, Operation, judge, parse_history, read_history
from paxoskv.checker.events import CAS, FAIL, GET, INFO, INVOKE, OK, PUT, Event, Value, event_line
from tests.checker.worlds import EVERYTHING, Mix, random_calls, record

K = b"k"


def lines(*events: Event) -> list[bytes]:
    return [event_line(event).encode() for event in events]


def put(kind: str, process: int, time_ns: int, value: bytes | None = b"1") -> Event:
    return Event(process, kind, PUT, K, value, time_ns)


def get(kind: str, process: int, time_ns: int, value: bytes | None = None) -> Event:
    return Event(process, kind, GET, K, value, time_ns)


def test_an_operation_is_an_invocation_and_its_completion() -> None:
    operations = parse_history(
        lines(
            put(INVOKE, 0, 10),
            get(INVOKE, 1, 20),
            put(OK, 0, 30)._replace(revision=4, slot=9),
            get(OK, 1, 40, b"1"),
        )
    )
    assert operations == [
        Operation(0, PUT, K, b"1", OK, None, 10, 30, began=0, ended=2, revision=4, slot=9, line=1),
        Operation(1, GET, K, None, OK, b"1", 20, 40, began=1, ended=3, line=2),
    ]


def test_what_never_completes_has_an_unknown_outcome() -> None:
    lost, told = parse_history(
        lines(put(INVOKE, 0, 10), put(INVOKE, 1, 20), put(INFO, 1, 30)._replace(error="timeout"))
    )
    assert (lost.outcome, lost.ended, lost.completed_ns) == (INFO, None, None)
    assert (told.outcome, told.ended, told.completed_ns, told.error) == (INFO, None, 30, "timeout")


def test_empty_lines_are_skipped_and_lines_counted() -> None:
    with pytest.raises(BadEvent, match=r"^line 4: "):
        parse_history([b"\n", *lines(put(INVOKE, 0, 10)), b"  \n", b"{"])


@pytest.mark.parametrize(
    ("events", "reason"),
    [
        ([put(INVOKE, 0, 10), get(INVOKE, 0, 20)], r"line 2: process 0 invokes get while its put of line 1 is open"),
        ([put(OK, 0, 10)], r"line 1: process 0 completes a put that it has not invoked"),
        ([put(INVOKE, 0, 10), put(OK, 0, 20), put(OK, 0, 30)], r"line 3: process 0 completes a put"),
        ([put(INVOKE, 0, 10), put(OK, 0, 9)], r"line 2: time goes back, from 10 to 9 ns"),
        (
            [put(INVOKE, 0, 10), put(INFO, 0, 20), put(INVOKE, 0, 30)],
            r"line 3: process 0 goes on after an unknown outcome",
        ),
        (
            [put(INVOKE, 0, 10), get(OK, 0, 20, b"1")],
            r"line 2: process 0 completes get of b'k', but what it invoked of line 1",
        ),
        ([put(INVOKE, 0, 10), put(OK, 0, 20)._replace(key=b"j")], r"line 2: process 0 completes put of b'j'"),
        ([put(INVOKE, 0, 10), put(OK, 0, 20, b"2")], r"line 2: .* completes with another value than invoked"),
    ],
)
def test_events_that_contradict_those_before_are_refused(events: list[Event], reason: str) -> None:
    with pytest.raises(BadOrder, match=reason) as raised:
        parse_history(lines(*events))
    assert raised.value.line == len(events)


def test_events_at_the_same_time_have_no_known_order() -> None:
    """The read of process 1 may have come first, although its invocation stands behind the completion of the put."""
    for second in (1, 0):
        operations = parse_history(
            lines(put(INVOKE, 0, 10), put(OK, 0, 20), get(INVOKE, second, 20), get(OK, second, 30))
        )
        assert judge(operations).linearizable is (second == 1)


def test_one_process_does_one_thing_after_another_within_a_tick() -> None:
    """A client of a simulated world may do several things at one time: they stay in their order."""
    events = []
    for value in (b"1", b"2"):
        events += [put(INVOKE, 0, 10, value), put(OK, 0, 10, value)]
    first, second = parse_history(lines(*events))
    assert first.ended is not None
    assert first.ended < second.began
    other, *_ = parse_history(lines(get(INVOKE, 1, 10), *events, get(OK, 1, 10)))
    assert other.process == 1
    assert judge(parse_history(lines(*events, get(INVOKE, 0, 10), get(OK, 0, 10, b"1")))).linearizable is False


def test_what_is_recorded_is_read_back(tmp_path: Path) -> None:
    path = tmp_path / "history.jsonl"
    for seed in range(20):
        calls = random_calls(seed, Mix(operations=40, clients=4, keys=3, functions=EVERYTHING, unknown=0.1))
        with path.open("w", encoding="utf-8") as stream:
            recorded = record(calls, HistoryWriter(stream))
        assert read_history(path) == recorded


def test_standard_input_is_a_history_too(monkeypatch: pytest.MonkeyPatch) -> None:
    data = b"".join(lines(put(INVOKE, 0, 10), put(OK, 0, 20)))
    monkeypatch.setattr(sys, "stdin", SimpleNamespace(buffer=io.BytesIO(data)))
    assert [op.f for op in read_history("-")] == [PUT]


def test_the_recorder_gives_out_numbers_that_nobody_had() -> None:
    writer = HistoryWriter()
    assert [writer.new_process(), writer.new_process()] == [0, 1]
    writer.invoke(7, GET, K, time_ns=1)
    assert writer.new_process() == 8


def test_the_recorder_knows_what_each_process_is_doing() -> None:
    writer = HistoryWriter()
    writer.invoke(0, CAS, K, (None, b"1"), time_ns=1)
    writer.invoke(1, GET, K, time_ns=2)
    writer.fail(0, time_ns=3, revision=5, slot=6)
    writer.ok(1, b"7", time_ns=4)
    failed, read = writer.operations()
    assert (failed.outcome, failed.revision, failed.slot, failed.is_observer, failed.counts) == (FAIL, 5, 6, True, True)
    assert read.result == b"7"


@pytest.mark.parametrize("f", [PUT, GET, CAS])
def test_what_was_refused_says_nothing(f: str) -> None:
    """A cas that failed without an error has compared; with an error it was never executed."""
    writer = HistoryWriter()
    values: dict[str, Value] = {PUT: b"1", CAS: (b"9", b"1")}
    writer.invoke(0, f, K, values.get(f), time_ns=1)
    writer.fail(0, time_ns=2, error="no leader")
    assert [op.counts for op in writer.operations()] == [False]


def test_the_recorder_refuses_what_no_history_may_hold() -> None:
    writer = HistoryWriter()
    with pytest.raises(BadOrder, match="has not invoked"):
        writer.ok(0, time_ns=1)
    with pytest.raises(BadEvent, match="f is one of"):
        writer.invoke(0, "increment", K, time_ns=1)
    with pytest.raises(BadEvent, match="the value of a put"):
        writer.invoke(0, PUT, K, time_ns=1)
    writer.invoke(0, PUT, K, b"1", time_ns=5)
    with pytest.raises(BadOrder, match="while its put is open"):
        writer.invoke(0, GET, K, time_ns=6)
    with pytest.raises(BadOrder, match="time goes back"):
        writer.invoke(1, GET, K, time_ns=4)
    writer.info(0, time_ns=7)
    with pytest.raises(BadOrder, match="goes on after an unknown outcome"):
        writer.invoke(0, GET, K, time_ns=8)
    assert len(writer.operations()) == 1


def test_a_refused_event_is_not_written() -> None:
    stream = io.StringIO()
    writer = HistoryWriter(stream)
    writer.invoke(0, PUT, K, b"1", time_ns=5)
    with pytest.raises(BadOrder):
        writer.invoke(0, GET, K, time_ns=6)
    writer.ok(0, time_ns=7)
    assert [op.f for op in parse_history(stream.getvalue().encode().splitlines())] == [PUT]


def test_the_order_of_events_is_that_of_their_times() -> None:
    """began and ended are places in one order of all events: none twice, earlier times first."""
    rng = random.Random(1)
    for _ in range(50):
        calls = random_calls(rng.randrange(1 << 30), Mix(operations=30, clients=3, unknown=0.2))
        calls = [
            call._replace(start_ns=call.start_ns // 700, done_ns=None if call.done_ns is None else call.done_ns // 700)
            for call in calls
        ]
        operations = record(calls)
        ends = [(op.completed_ns, op.ended) for op in operations if op.ended is not None]
        places = [*((op.invoked_ns, op.began) for op in operations), *ends]
        assert len({place for _, place in places}) == len(places)
        assert sorted(places, key=lambda pair: pair[1]) == sorted(places)

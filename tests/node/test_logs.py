"""Logs that cannot stop the node (P36)."""

from __future__ import annotations

import json
import logging
import os
import queue
import subprocess
import sys
import threading
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, cast

import pytest

from paxoskv.node.logs import TEXT_CHARS_MAX, LogPipe, render_json, render_text, structured_logs
from paxoskv.paxos.ballot import Ballot

log = logging.getLogger("paxoskv.test")

REPOSITORY = Path(__file__).parents[2]


@pytest.fixture
def pipe() -> Iterator[tuple[int, int]]:
    """A pipe as (reading end, writing end)."""
    ends = os.pipe()
    yield ends
    for end in ends:
        os.close(end)


def lines_of(write: Callable[[], object], format: str = "json", node: int | None = 1) -> list[str]:
    """Return the lines that `write` logs."""
    reader, writer = os.pipe()
    try:
        with structured_logs(format=format, node=node, fd=writer):
            write()
    finally:
        os.close(writer)
    with open(reader, encoding="utf-8") as stream:
        return stream.read().splitlines()


def json_of(write: Callable[[], object]) -> dict[str, Any]:
    """Return the one record that `write` logs."""
    (line,) = lines_of(write)
    record: dict[str, Any] = json.loads(line)
    return record


def test_json_has_the_fields_in_their_own_types() -> None:
    extra = {"ballot": Ballot(4, 2), "peer": "127.0.0.1:7401", "ratio": 0.5, "path": Path("/x"), "none": None}
    record = json_of(lambda: log.info("became %s", "leader", extra=extra))
    assert record.pop("time").endswith("+00:00")
    assert record == {
        "level": "info",
        "node": 1,
        "logger": "paxoskv.test",
        "message": "became leader",
        "ballot": [4, 2],
        "peer": "127.0.0.1:7401",
        "ratio": 0.5,
        "path": "/x",
        "none": None,
    }


def test_an_extra_field_does_not_hide_one_of_ours() -> None:
    record = json_of(lambda: log.info("peer refused", extra={"node": 3, "level": "high"}))
    assert (record["node"], record["node_"], record["level"], record["level_"]) == (1, 3, "info", "high")


def test_text_is_one_line_with_the_fields_behind_the_message() -> None:
    (line,) = lines_of(lambda: log.warning("link lost", extra={"peer": 3, "reason": "reset by peer"}), format="text")
    assert line.endswith('WARNING n1 paxoskv.test: link lost peer=3 reason="reset by peer"')


def test_a_peers_text_cannot_forge_a_line_or_send_control_codes_to_a_terminal() -> None:
    forged = "x\n2026-01-01 ERROR n1 all lost \x1b[2J\x9b"
    lines = lines_of(lambda: log.warning("peer says: %s", forged, extra={"greeting": forged}), format="text")
    assert len(lines) == 1
    assert all(character.isprintable() for character in lines[0])


def test_a_traceback_is_kept() -> None:
    def fail() -> None:
        try:
            raise ZeroDivisionError("no such share")
        except ZeroDivisionError:
            log.exception("a task died")

    assert "ZeroDivisionError: no such share" in json_of(fail)["traceback"]
    head, *below = lines_of(fail, format="text")
    assert head.endswith("a task died")
    assert below
    assert all(line.startswith("  ") for line in below)


def test_a_huge_message_and_a_huge_value_are_cut() -> None:
    record = json_of(lambda: log.info("v" * 10**6, extra={"value": b"x" * 10**6, "slots": list(range(10**5))}))
    for field in ("message", "value", "slots"):
        assert len(record[field]) < TEXT_CHARS_MAX + 30, field


def test_a_broken_log_call_is_reported_by_its_place_and_raises_nothing(capfd: pytest.CaptureFixture[str]) -> None:
    record = json_of(lambda: log.info("%d slots", "many"))
    assert record["level"] == "error"
    assert f"broken log call at {__file__}:" in record["message"]
    assert capfd.readouterr().err == ""


def test_the_level_holds_and_warnings_are_logged() -> None:
    def write() -> None:
        log.debug("not shown")
        with warnings.catch_warnings():
            warnings.simplefilter("always")
            logging.captureWarnings(True)  # catch_warnings brought its own showwarning
            warnings.warn("a resource was not closed", ResourceWarning, stacklevel=1)

    assert "a resource was not closed" in json_of(write)["message"]


def test_what_was_set_before_is_set_again(pipe: tuple[int, int]) -> None:
    root = logging.getLogger()
    before = (root.handlers, root.level, warnings.showwarning)
    with structured_logs(level="error", fd=pipe[1]):
        assert root.level == logging.ERROR
    assert (root.handlers, root.level, warnings.showwarning) == before


@pytest.mark.parametrize(("level", "format"), [("loud", "text"), ("info", "xml")])
def test_an_unknown_level_or_format_is_refused_with_the_known_ones(level: str, format: str) -> None:
    with (
        pytest.raises(ValueError, match=r"levels are debug, info.*formats are text, json"),
        structured_logs(level, format),
    ):
        pytest.fail("it was taken")


def take_line(handler: LogPipe) -> bytes:
    """Take the next line from the queue, as the writer does."""
    lines = cast("queue.Queue[bytes]", handler.queue)
    return lines.get_nowait()


def test_a_full_queue_drops_and_counts_and_the_next_line_reports_the_gap(pipe: tuple[int, int]) -> None:
    """The writer is not started: nothing leaves the queue."""
    handler = LogPipe(render_json, node=1, fd=pipe[1], lines_max=2)
    for number in range(5):
        handler.handle(logging.makeLogRecord({"msg": f"record {number}", "levelname": "INFO"}))
    assert handler.dropped == 3
    handler.start()
    assert json.loads(os.read(pipe[0], 4_096).splitlines()[0])["message"] == "record 0"
    handler.stop()
    last = json.loads(os.read(pipe[0], 4_096).splitlines()[-1])
    assert (last["count"], last["level"]) == (3, "warning")
    assert "dropped" in last["message"]


def test_the_gap_is_reported_once_and_at_its_place(pipe: tuple[int, int]) -> None:
    handler = LogPipe(render_text, node=None, fd=pipe[1], lines_max=1)
    records = [logging.makeLogRecord({"msg": f"record {number}", "levelname": "INFO"}) for number in range(4)]
    for record in records[:2]:
        handler.handle(record)
    take_line(handler)
    handler.handle(records[2])
    first = take_line(handler)
    handler.handle(records[3])
    second = take_line(handler)
    assert [b"dropped" in line for line in first.splitlines()] == [True, False]
    assert b"count=1" in first
    assert b"record 3" in second
    assert b"dropped" not in second


def test_a_reader_that_has_gone_is_no_error(pipe: tuple[int, int]) -> None:
    reader, writer = os.pipe()
    os.close(reader)
    with structured_logs(fd=writer) as logs:
        log.info("to nobody")
    os.close(writer)
    assert logs.dropped == 1


def test_a_descriptor_that_someone_made_non_blocking_loses_nothing() -> None:
    reader, writer = os.pipe()
    os.set_blocking(writer, False)
    received: list[bytes] = []
    with open(reader, "rb") as stream:
        thread = threading.Thread(target=lambda: received.extend(stream))
        with structured_logs(format="json", fd=writer):
            for number in range(200):
                log.info("x" * 1_000, extra={"number": number})
            thread.start()
        os.close(writer)
        thread.join()
    assert [json.loads(line)["number"] for line in received] == list(range(200))


BLOCKED = """
import asyncio, logging, sys, time
from paxoskv.node.logs import structured_logs

async def main():
    worst = 0.0
    for number in range(20_000):
        before = time.monotonic()
        logging.info("x" * 200, extra={"number": number})
        worst = max(worst, time.monotonic() - before)
        if number % 100 == 0:
            await asyncio.sleep(0)
    return worst

with structured_logs(level="info", format="json", node=1) as logs:
    worst = asyncio.run(main())
    before = time.monotonic()
print(logs.dropped, worst, time.monotonic() - before, flush=True)
"""


def test_a_blocked_standard_error_stalls_neither_the_loop_nor_the_end_of_the_process() -> None:
    """P36: nobody reads the pipe. Without the queue the first 64 KiB would be the node's last words."""
    process = subprocess.Popen(
        [sys.executable, "-c", BLOCKED], cwd=REPOSITORY, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    try:
        assert process.wait(timeout=60) == 0
        assert process.stdout is not None
        dropped, longest_call_s, stop_s = map(float, process.stdout.read().split())
    finally:
        process.kill()
        process.communicate()
    assert dropped > 10_000
    assert longest_call_s < 5, "a log call waited for the reader"
    assert stop_s < 5, "the end waited for the reader"

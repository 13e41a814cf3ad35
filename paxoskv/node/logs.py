"""Structured logs that cannot stop the node (P36).

A log call formats its line, puts it in a bounded queue and returns; one daemon thread writes the lines to standard
error. If nobody reads there (a blocked pipe), the queue fills, further records are dropped and counted, and the first
line that finds room again is preceded by the count. The process's end waits for the writer only for `FLUSH_S`.

Fields are given as `log.info("became leader", extra={"ballot": ballot})`, never woven into the message: the message
stays the same text every time, so that it can be searched for.
"""

from __future__ import annotations

import json
import logging
import os
import queue
import re
import select
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from logging.handlers import QueueHandler
from typing import Any

LEVELS = {"debug": logging.DEBUG, "info": logging.INFO, "warning": logging.WARNING, "error": logging.ERROR}
LINES_MAX = 4_096
"""Lines that wait for the writer; what comes when so many wait is dropped."""
TEXT_CHARS_MAX = 2_048
"""Longest message or value of a field; the rest is cut off."""
TRACEBACK_CHARS_MAX = 8_192
"""Longest traceback; its end, which names the error, is what stays."""
ITEMS_MAX = 32
"""Most items of a list or tuple given as a field that are written as a list."""
FLUSH_S = 1.0
"""Longest time that the end of the process waits for lines to be written."""

Fields = dict[str, Any]

_STANDARD = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime"}
_PLAIN_WORD = re.compile(r"[\w.:/@+-]+")
_CONTROL = {code: f"\\x{code:02x}" for code in (*range(32), *range(127, 160))} | {10: "\\n", 13: "\\r", 9: "\\t"}


@contextmanager
def structured_logs(
    level: str = "info", format: str = "text", node: int | None = None, fd: int = 2
) -> Iterator[LogPipe]:
    """Send the records of all loggers, and Python's warnings, to file descriptor `fd` while the context is open.

    level: `debug`, `info`, `warning` or `error`. format: `text` for people, `json` for one JSON object a line.
    node: named in every line. What was set before is set again at the end.
    Raises: ValueError for another level or format.
    """
    if level not in LEVELS or format not in RENDERERS:
        raise ValueError(
            f"no such log level or format: {level!r}, {format!r}; levels are {', '.join(LEVELS)}, "
            f"formats are {', '.join(RENDERERS)}"
        )
    pipe = LogPipe(RENDERERS[format], node, fd)
    root = logging.getLogger()
    handlers, prior_level = root.handlers, root.level
    root.handlers = [pipe]
    root.setLevel(LEVELS[level])
    logging.captureWarnings(True)
    pipe.start()
    try:
        yield pipe
    finally:
        logging.captureWarnings(False)
        root.handlers = handlers
        root.setLevel(prior_level)
        pipe.stop()


class LogPipe(QueueHandler):
    """The handler that queues lines, and the thread that writes them."""

    def __init__(self, render: Callable[[Fields], str], node: int | None, fd: int, lines_max: int = LINES_MAX) -> None:
        self._lines: queue.Queue[bytes | None] = queue.Queue(lines_max)
        super().__init__(self._lines)
        self._render = render
        self._node = node
        self._fd = fd
        self._dropped = 0
        self._unreported = 0
        self._thread = threading.Thread(target=self._write_lines, name="log-writer", daemon=True)

    @property
    def dropped(self) -> int:
        """Records lost since the start because the reader of the logs was too slow, or had gone."""
        return self._dropped

    def start(self) -> None:
        """Start the thread that writes."""
        self._thread.start()

    def stop(self) -> None:
        """Write what is queued, for `FLUSH_S` at most; a writer that is blocked ends with the process."""
        deadline = time.monotonic() + FLUSH_S
        try:
            if report := self._report():
                self._lines.put(report, timeout=FLUSH_S)
            self._lines.put(None, timeout=max(0.0, deadline - time.monotonic()))
        except queue.Full:
            return
        self._thread.join(max(0.0, deadline - time.monotonic()))

    def prepare(self, record: logging.LogRecord) -> bytes:
        """Make the whole line in the caller's thread: what the record refers to may change afterwards."""
        return self._encode(fields_of(record, self._node))

    def enqueue(self, record: Any) -> None:
        """Queue a line, or drop it; never wait. Runs under the handler's lock."""
        line: bytes = record
        try:
            self._lines.put_nowait(self._report() + line)
        except queue.Full:
            self._dropped += 1
            self._unreported += 1
        else:
            self._unreported = 0

    def handleError(self, record: logging.LogRecord) -> None:  # noqa: N802 - a hook of logging, named there
        """Report a log call that cannot be formatted by its place, through the same queue."""
        broken = logging.makeLogRecord({"name": record.name, "levelno": logging.ERROR, "levelname": "ERROR"})
        broken.msg = f"broken log call at {record.pathname}:{record.lineno}: {str(record.msg)[:TEXT_CHARS_MAX]!r}"
        self.enqueue(self._encode(fields_of(broken, self._node)))

    def _encode(self, fields: Fields) -> bytes:
        return (self._render(fields) + "\n").encode(errors="backslashreplace")

    def _report(self) -> bytes:
        """Return the line that tells how many records are missing at this place, or nothing."""
        if not self._unreported:
            return b""
        record = logging.makeLogRecord({"name": __name__, "levelno": logging.WARNING, "levelname": "WARNING"})
        record.msg = "log records dropped: the reader of standard error was too slow"
        return self._encode(fields_of(record, self._node) | {"count": self._unreported})

    def _write_lines(self) -> None:
        """Body of the thread: write until told to end, whatever becomes of the reader."""
        while (line := self._lines.get()) is not None:
            try:
                write_all(self._fd, line)
            except OSError:  # the reader has gone: nobody is left to tell but `dropped`
                self._dropped += 1


def write_all(fd: int, data: bytes) -> None:
    """Write `data` to `fd`, waiting as long as it takes. Raises: OSError when the other end has gone."""
    rest = memoryview(data)
    while rest:
        try:
            rest = rest[os.write(fd, rest) :]
        except BlockingIOError:  # someone who shares the descriptor made it non-blocking
            poll = select.poll()
            poll.register(fd, select.POLLOUT)
            poll.poll()


def fields_of(record: logging.LogRecord, node: int | None) -> Fields:
    """Return the fields of `record` in the order of printing; an extra field never hides one of ours."""
    base = {
        "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
        "level": record.levelname.lower(),
        "node": node,
        "logger": record.name,
        "message": cut(record.getMessage()),
    }
    if node is None:
        del base["node"]
    extra = {key: plain(value) for key, value in vars(record).items() if key not in _STANDARD}
    fields = base | {key if key not in base else f"{key}_": value for key, value in extra.items()}
    if record.exc_info:
        fields["traceback"] = logging.Formatter().formatException(record.exc_info)[-TRACEBACK_CHARS_MAX:]
    return fields


def plain(value: object) -> Any:
    """Return `value` as JSON can hold it, and not longer than a log should."""
    if value is None or isinstance(value, bool | int | float):
        return value
    if isinstance(value, list | tuple) and len(value) <= ITEMS_MAX:
        return [item if item is None or isinstance(item, bool | int | float) else cut(str(item)) for item in value]
    return cut(str(value))


def cut(text: str) -> str:
    """Return at most `TEXT_CHARS_MAX` characters of `text`, saying how many are missing."""
    return text if len(text) <= TEXT_CHARS_MAX else f"{text[:TEXT_CHARS_MAX]}... ({len(text) - TEXT_CHARS_MAX} more)"


def render_json(fields: Fields) -> str:
    """Render one JSON object on one line."""
    return json.dumps(fields, ensure_ascii=False)


def render_text(fields: Fields) -> str:
    """Render `time LEVEL [node] logger: message key=value ...`, a traceback below; nothing can forge another line."""
    rest = dict(fields)
    traceback = rest.pop("traceback", "")
    node = f" n{rest.pop('node')}" if "node" in rest else ""
    head = f"{rest.pop('time')} {rest.pop('level').upper():<7}{node} {rest.pop('logger')}: {rest.pop('message')}"
    line = " ".join([head, *(f"{key}={_word(value)}" for key, value in rest.items())]).translate(_CONTROL)
    return f"{line}\n  {traceback.replace(chr(10), chr(10) + '  ')}" if traceback else line


def _word(value: Any) -> str:
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    return text if not isinstance(value, str) or _PLAIN_WORD.fullmatch(text) else json.dumps(text, ensure_ascii=False)


RENDERERS: dict[str, Callable[[Fields], str]] = {"text": render_text, "json": render_json}

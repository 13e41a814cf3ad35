"""The tools in scripts/."""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from scripts.bench_etcd import quantile_ms, spread
from scripts.grpc_wire import (
    ACK,
    DATA,
    END_HEADERS,
    END_STREAM,
    GOAWAY,
    HEADERS,
    PING,
    PREFACE,
    WINDOW_UPDATE,
    Connection,
    Reply,
    field_bytes,
    fields_of,
    frame,
    varint,
)

ROOT = Path(__file__).parents[1]


class Wire(asyncio.Transport):
    """Keeps what is written."""

    def __init__(self) -> None:
        super().__init__()
        self.written = bytearray()
        self.closed = False

    def write(self, data: bytes | bytearray | memoryview) -> None:
        self.written += data

    def close(self) -> None:
        self.closed = True

    def take(self) -> bytes:
        """Return what was written since the last look."""
        taken, self.written = bytes(self.written), bytearray()
        return taken


@pytest.fixture
def wire() -> Wire:
    return Wire()


@pytest.fixture
def connection(wire: Wire) -> Connection:
    connection = Connection()
    connection.connection_made(wire)
    assert wire.take().startswith(PREFACE)
    return connection


def answer(stream: int, message: bytes) -> bytes:
    """Return the frames of a successful answer."""
    body = b"\0" + len(message).to_bytes(4, "big") + message
    head = frame(HEADERS, END_HEADERS, stream, b"\x88")
    return head + frame(DATA, 0, stream, body) + frame(HEADERS, END_HEADERS | END_STREAM, stream, b"trailers")


def test_answers_reach_their_calls_in_any_order_and_any_pieces(connection: Connection) -> None:
    replies: dict[str, Reply] = {}
    for name in ("a", "b"):
        connection.call(b"headers", b"ask", lambda reply, name=name: replies.update({name: reply}))  # type: ignore[misc]
    for byte in answer(3, b"second") + answer(1, b"first"):
        connection.data_received(bytes((byte,)))
    assert replies == {"a": b"first", "b": b"second"}


def test_trailers_without_a_message_are_a_failure(connection: Connection) -> None:
    replies: list[Reply] = []
    connection.call(b"headers", b"ask", replies.append)
    connection.data_received(frame(HEADERS, END_HEADERS | END_STREAM, 1, b"grpc-status: 8"))
    assert replies == [None]


def test_a_ping_is_answered(connection: Connection, wire: Wire) -> None:
    connection.data_received(frame(PING, 0, 0, b"12345678"))
    assert wire.take() == frame(PING, ACK, 0, b"12345678")


def test_a_call_waits_for_the_servers_window(connection: Connection, wire: Wire) -> None:
    for _ in range(3):
        connection.call(b"h", bytes(30_000), lambda reply: None)
    assert len(wire.take()) < 65_000
    connection.data_received(frame(WINDOW_UPDATE, 0, 0, (30_000).to_bytes(4, "big")))
    assert len(wire.take()) > 30_000


def test_a_goodbye_fails_open_and_later_calls(connection: Connection, wire: Wire) -> None:
    replies: list[Reply] = []
    connection.call(b"headers", b"ask", replies.append)
    connection.data_received(frame(GOAWAY, 0, 0, bytes(8) + b"too many pings"))
    connection.call(b"headers", b"ask", replies.append)
    assert replies == [None, None]
    assert wire.closed
    assert connection.lost is not None
    assert "too many pings" in connection.lost


@pytest.mark.parametrize("number", [0, 1, 127, 128, 300, 2**32, 2**63])
def test_numbers_and_fields_are_read_back(number: int) -> None:
    assert fields_of(b"\x08" + varint(number) + field_bytes(2, b"x" * 200)) == {1: number, 2: b"x" * 200}


@pytest.mark.parametrize("message", [b"\x08", b"\x12\x05ab", b"\x0d1234", b"\x08" + b"\xff" * 11])
def test_what_is_cut_off_or_of_another_type_is_refused(message: bytes) -> None:
    with pytest.raises(ValueError, match=r"no number|of type"):
        fields_of(message)


def test_clients_are_spread_and_quantiles_taken() -> None:
    assert spread(7, 3) == [3, 2, 2]
    assert [quantile_ms([1_000_000, 2_000_000, 9_000_000], share) for share in (0.0, 0.5, 1.0)] == [1.0, 2.0, 9.0]
    assert quantile_ms([], 0.5) is None


@pytest.mark.skipif(shutil.which("etcd") is None, reason="etcd is not installed")
@pytest.mark.parametrize("op", ["put", "get"])
def test_a_real_etcd_is_loaded_and_nothing_is_left(op: str, tmp_path: Path) -> None:
    options = ["--op", op, "--clients", "4", "--seconds", "0.2", "--keys", "20", "--dir", str(tmp_path)]
    output = subprocess.check_output([sys.executable, "-m", "scripts.bench_etcd", *options], cwd=ROOT, timeout=100)
    document = json.loads(output)
    assert document["ops"] > 0
    assert document["errors"] == 0
    assert (document["op"], document["nodes"]) == (op, 3)
    assert list(tmp_path.iterdir()) == []


def test_the_loop_stops_at_the_first_failure_and_names_the_run(tmp_path: Path) -> None:
    """A test that fails in its third run."""
    count = tmp_path / "count"
    test = tmp_path / "test_third.py"
    test.write_text(
        "from pathlib import Path\n"
        "def test_third():\n"
        f"    count = Path({str(count)!r})\n"
        "    count.write_text((count.read_text() if count.exists() else '') + 'x')\n"
        "    assert count.read_text() != 'xxx'\n"
    )
    loop = [str(ROOT / "scripts" / "loop_tests.sh"), "5", str(test), "-p", "no:cacheprovider"]
    environment = {name: value for name, value in os.environ.items() if not name.startswith("PYTEST_XDIST")}
    result = subprocess.run(loop, capture_output=True, text=True, timeout=100, env=environment)
    assert result.returncode == 1
    assert "run 2 of 5: 1 passed" in result.stdout
    assert "run 3 of 5 failed" in result.stderr
    assert count.read_text() == "xxx"

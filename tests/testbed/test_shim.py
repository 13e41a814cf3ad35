"""The library under a node: a small process syncs, writes and looks at clocks, and sees what it was told to see."""

from __future__ import annotations

import errno
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from paxoskv.testbed.shim import compiled
from paxoskv.testbed.shim.compiled import Shim, prepare
from paxoskv.testbed.shim.page import Page
from paxoskv.verifier.exhaustive.crash import Loss, remains_of

WRITER = """
import json, os, sys
directory = sys.argv[1]
def attempt(call, *args):
    try:
        call(*args)
        return 0
    except OSError as error:
        return error.errno
file = os.open(directory + "/file", os.O_RDWR | os.O_CREAT)
results = {"write": attempt(os.write, file, b"data"), "sync": attempt(os.fdatasync, file)}
results["outside"] = attempt(lambda: os.fsync(os.open(sys.argv[2], os.O_RDWR | os.O_CREAT)))
print(json.dumps(results))
"""

CLOCKS = """
import json, sys, threading, time
begin = time.monotonic(), time.time()
threading.Event().wait(0.4)
time.sleep(0.2)
print(json.dumps({"monotonic": time.monotonic() - begin[0], "wall": time.time()}))
"""

DURABLE = """
import os, sys
directory = sys.argv[1]
def make(name, synced, unsynced):
    file = os.open(directory + "/" + name, os.O_RDWR | os.O_CREAT)
    os.write(file, synced)
    os.fsync(file)
    os.write(file, unsynced)
make("kept", b"synced", b" and not")
os.fsync(os.open(directory, os.O_RDONLY))
make("nameless", b"synced", b"")
os.rename(directory + "/kept", directory + "/renamed")
"""


@pytest.fixture(scope="module")
def shim(tmp_path_factory: pytest.TempPathFactory) -> Shim:
    """The library, compiled once."""
    made = prepare(tmp_path_factory.mktemp("shim"))
    if made.trouble is not None:
        pytest.skip(f"no library under nodes here: {made.trouble}")
    return made


@pytest.fixture
def page(tmp_path: Path) -> Iterator[Page]:
    made = Page(tmp_path / "page")
    yield made
    made.close()


@pytest.fixture
def run(shim: Shim, page: Page, tmp_path: Path) -> Callable[[str], Any]:
    """Run a program over the directory `tmp_path/data`; return what it prints as JSON."""
    data = tmp_path / "data"
    data.mkdir()

    def run_now(program: str) -> Any:
        environment = {**os.environ, **shim.environment(page.path, data)}
        command = [sys.executable, "-c", program, str(data), str(tmp_path / "elsewhere")]
        return json.loads(subprocess.run(command, env=environment, capture_output=True, check=True, timeout=60).stdout)

    return run_now


def test_without_orders_everything_is_as_it_is(run: Callable[[str], Any], page: Page) -> None:
    assert run(WRITER) == {"write": 0, "sync": 0, "outside": 0}
    assert (page.counters.syncs, page.counters.syncs_slow, page.counters.syncs_failed) == (1, 0, 0)


def test_syncs_fail_in_the_directory_and_nowhere_else(run: Callable[[str], Any], page: Page) -> None:
    page.sync(errno=errno.EIO)
    assert run(WRITER) == {"write": 0, "sync": errno.EIO, "outside": 0}
    assert page.counters.syncs_failed == 1


def test_writes_fail_when_the_disk_is_full(run: Callable[[str], Any], page: Page) -> None:
    page.fail_writes(errno.ENOSPC)
    assert run(WRITER)["write"] == errno.ENOSPC
    assert page.counters.writes_failed == 1
    page.heal()
    assert run(WRITER)["write"] == 0


def test_syncs_take_longer(run: Callable[[str], Any], page: Page) -> None:
    page.sync(delay_ms=300)
    began_s = time.monotonic()
    assert run(WRITER)["sync"] == 0
    assert time.monotonic() - began_s >= 0.3
    assert page.counters.syncs_slow == 1


def test_a_hung_sync_returns_when_it_may(shim: Shim, page: Page, tmp_path: Path) -> None:
    data = tmp_path / "data"
    data.mkdir()
    page.sync(hangs=True)
    environment = {**os.environ, **shim.environment(page.path, data)}
    process = subprocess.Popen([sys.executable, "-c", WRITER, str(data), str(tmp_path / "elsewhere")], env=environment)
    try:
        wait_for(lambda: page.counters.syncs_slow == 1)
        assert process.poll() is None
        page.sync()
        assert process.wait(30) == 0
    finally:
        process.kill()
        process.wait()


def test_a_process_dies_at_the_sync_of_a_number(run: Callable[[str], Any], page: Page) -> None:
    page.kill_at_sync(2)
    assert run(WRITER)["sync"] == 0
    with pytest.raises(subprocess.CalledProcessError) as raised:
        run(WRITER)
    assert raised.value.returncode == -signal.SIGKILL
    page.reset()
    assert page.counters.syncs == 0
    assert run(WRITER)["sync"] == 0


def test_the_wall_clock_jumps_and_no_other(run: Callable[[str], Any], page: Page) -> None:
    page.step_wall_clock(-3600)
    told = run(CLOCKS)
    assert abs(told["wall"] - time.time() + 3600) < 60
    assert 0.55 < told["monotonic"] < 30


@pytest.mark.parametrize("rate", [0.5, 4.0])
def test_clocks_run_at_another_rate_and_waiting_goes_by_them(
    run: Callable[[str], Any], page: Page, rate: float
) -> None:
    """A process waits by its own clock: a second of its time is shorter or longer, and ends in either case."""
    page.set_rate(rate)
    began_s = time.monotonic()
    told = run(CLOCKS)
    assert told["monotonic"] >= 0.59
    assert time.monotonic() - began_s >= 0.59 / rate
    assert told["monotonic"] <= (time.monotonic() - began_s) * rate


def test_the_durable_image_holds_what_was_synced_and_nothing_else(shim: Shim, page: Page, tmp_path: Path) -> None:
    data, durable = tmp_path / "data", tmp_path / "durable"
    data.mkdir()
    durable.mkdir()
    environment = {**os.environ, **shim.environment(page.path, data, durable)}
    subprocess.run([sys.executable, "-c", DURABLE, str(data)], env=environment, check=True, timeout=60)
    remains = remains_of(data, durable)
    assert remains.after(Loss.KEPT, _never()) == {"renamed": b"synced and not", "nameless": b"synced"}
    assert remains.after(Loss.LOST, _never()) == {"kept": b"synced"}


def test_where_no_compiler_is_the_trouble_is_told(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(compiled, "COMPILERS", ("no-such-compiler",))
    made = prepare(tmp_path)
    assert "needs a C compiler" in str(made.trouble) or "needs Linux" in str(made.trouble)
    assert made.environment(tmp_path, tmp_path) == {}


def test_where_syncs_cannot_be_intercepted_the_trouble_is_told(
    shim: Shim, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """An SQLite that was linked statically would make every disk fault pass unnoticed."""
    monkeypatch.setattr(compiled, "_PROBE", "import time; print(time.time())")
    assert "cannot be intercepted" in str(prepare(tmp_path).trouble)


def _never() -> Any:
    """For losses that leave nothing to chance."""


def wait_for(condition: Callable[[], bool], within_s: float = 30) -> None:
    deadline_s = time.monotonic() + within_s
    while not condition():
        assert time.monotonic() < deadline_s, "the library never did it"
        time.sleep(0.005)

"""The pytest plugin, as somebody's tests use it: each test here runs a pytest of its own in a directory of its own."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import tomllib
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.support import eventually
from tests.testing.kit import PATIENCE_S, PLUGIN, ROOT, Project

SWEEP_S_MAX = 30.0
"""It takes some milliseconds, on a machine that is not too busy."""


def test_fixtures_for_blocking_and_asyncio_tests(project: Project) -> None:
    project.write(
        test_users="""
        def test_blocking(paxoskv_cluster):
            with paxoskv_cluster.client(timeout_s=60) as kv:
                kv.put("k", "v")
                paxoskv_cluster.kill(paxoskv_cluster.leader())
                assert kv.get("k").value == b"v"

        async def test_asyncio(paxoskv_cluster):
            cluster = paxoskv_cluster.aio
            async with cluster.client(timeout_s=60) as kv:
                assert (await kv.put("k", "v")).revision == 1, "a cluster of its own"
                await cluster.kill(await cluster.leader())
                assert (await kv.get("k")).value == b"v"

        def test_node(paxoskv_node):
            with paxoskv_node.client(timeout_s=60) as kv:
                assert kv.put("k", "v").revision == 1

        async def test_asyncio_node(paxoskv_node):
            async with paxoskv_node.aio.client(timeout_s=60) as kv:
                assert (await kv.put("k", "v")).revision == 1
        """
    )
    project.run().assert_outcomes(passed=4)


def test_scopes_nodes_and_settings(project: Project) -> None:
    project.write(
        conftest="""
        import pytest

        @pytest.fixture(scope="session")
        def paxoskv_nodes():
            return 1

        @pytest.fixture(scope="session")
        def paxoskv_settings():
            return {"value_bytes_max": 10}
        """,
        test_one="""
        import pytest, paxoskv

        def test_session(paxoskv_session_cluster):
            with paxoskv_session_cluster.client(timeout_s=60) as kv:
                assert kv.put("k", "v").revision == 1
                with pytest.raises(paxoskv.TooLarge):
                    kv.put("k", "more than ten bytes")

        def test_module(paxoskv_module_cluster):
            assert paxoskv_module_cluster.nodes == [1]
            with paxoskv_module_cluster.client(timeout_s=60) as kv:
                assert kv.put("k", "v").revision == 1

        def test_module_again(paxoskv_module_cluster):
            with paxoskv_module_cluster.client(timeout_s=60) as kv:
                assert kv.put("k", "v").revision == 2
        """,
        test_two="""
        def test_session(paxoskv_session_cluster):
            with paxoskv_session_cluster.client(timeout_s=60) as kv:
                assert kv.put("k", "v").revision == 2

        def test_module(paxoskv_module_cluster):
            with paxoskv_module_cluster.client(timeout_s=60) as kv:
                assert kv.put("k", "v").revision == 1
        """,
    )
    project.run().assert_outcomes(passed=5)


def test_side_by_side_under_xdist(project: Project) -> None:
    project.write(
        test_many="""
        import pytest

        @pytest.fixture(scope="session")
        def paxoskv_nodes():
            return 1

        @pytest.mark.parametrize("number", range(4))
        def test_own(paxoskv_cluster, number):
            with paxoskv_cluster.client(timeout_s=60) as kv:
                assert kv.put("k", str(number)).revision == 1
                assert kv.get("k").value == str(number).encode()
        """
    )
    project.run("-n", "2").assert_outcomes(passed=4)


def test_a_failure_shows_what_the_nodes_logged(project: Project) -> None:
    project.write(
        test_wrong="""
        def test_wrong(paxoskv_cluster):
            assert paxoskv_cluster.leader() == 4
        """
    )
    result = project.run()
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines([f"*paxoskv_cluster: node {node}*" for node in (1, 2, 3)])
    result.stdout.fnmatch_lines(["*serving*"])


def test_without_a_compiler_a_slow_disk_is_skipped_and_the_rest_runs(
    project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(project.path))
    project.write(
        test_disks="""
        def test_slow(paxoskv_cluster):
            paxoskv_cluster.slow_disk(1, 0.1)

        def test_quick(paxoskv_cluster):
            paxoskv_cluster.kill(1)
        """
    )
    result = project.run("-rs")
    result.assert_outcomes(passed=1, skipped=1)
    result.stdout.fnmatch_lines(["*SKIPPED*disks cannot be slowed down here: needs*"])


STUCK = """
import json, os, pathlib, threading

def test_stuck(paxoskv_cluster):
    paxoskv_cluster.pause(2)
    pids = [int(path.read_text()) for path in pathlib.Path(os.environ["TMPDIR"]).glob("paxoskv-*/node*/lock")]
    pathlib.Path("pids.new").write_text(json.dumps(pids))
    os.rename("pids.new", "pids")
    threading.Event().wait()
"""


@pytest.fixture
def stuck(project: Project) -> Iterator[subprocess.Popen[bytes]]:
    """A run that waits in a test for ever, and may be interrupted whoever started us."""
    project.write(test_stuck=STUCK)
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        run = subprocess.Popen(project.command(), cwd=project.path, stdout=subprocess.DEVNULL, start_new_session=True)
    finally:
        signal.signal(signal.SIGINT, before)
    yield run
    run.kill()
    run.wait()


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="needs handles of processes (Linux)")
@pytest.mark.parametrize("end", [os.kill, os.killpg], ids=["process", "group"])
async def test_tests_that_are_killed_leave_nothing_behind(
    project: Project, stuck: subprocess.Popen[bytes], end: Callable[[int, int], None]
) -> None:
    """A paused node can do nothing for itself; and a runner of jobs kills whole groups of processes."""
    pids = await eventually(lambda: read_pids(project.path / "pids"), PATIENCE_S, "a running test")
    assert len(pids) == 3
    assert all(lives(pid) for pid in pids)
    end(stuck.pid, signal.SIGKILL)
    await eventually(lambda: not any(lives(pid) for pid in pids), SWEEP_S_MAX, "the end of the nodes")
    await eventually(lambda: not project.left(), SWEEP_S_MAX, "the end of the directory")


async def test_an_interrupted_run_leaves_nothing_behind(project: Project, stuck: subprocess.Popen[bytes]) -> None:
    pids = await eventually(lambda: read_pids(project.path / "pids"), PATIENCE_S, "a running test")
    os.killpg(stuck.pid, signal.SIGINT)
    await eventually(lambda: stuck.poll() is not None, PATIENCE_S, "the end of the run")
    assert stuck.returncode == pytest.ExitCode.INTERRUPTED
    assert not any(lives(pid) for pid in pids)


def read_pids(file: Path) -> list[int]:
    """Return the numbers in a file, none while it is not there."""
    return list(json.loads(file.read_text())) if file.exists() else []


def lives(pid: int) -> bool:
    """Whether a process has not ended; its parent may be yet to hear of its end."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except (FileNotFoundError, ProcessLookupError):
        return False


def test_the_installed_package_brings_the_plugin_under_the_name_of_its_module() -> None:
    """So `-p paxoskv.pytest_plugin` in a checkout and the entry point of an installation never load it twice."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    assert project["entry-points"]["pytest11"] == {PLUGIN: PLUGIN}
    assert [text.partition(">")[0] for text in project["optional-dependencies"]["testing"]] == ["pytest"]


def test_a_run_that_uses_no_fixture_does_not_import_the_server(project: Project) -> None:
    project.write(
        test_nothing="""
        import sys

        def test_nothing():
            assert "paxoskv.pytest_plugin" in sys.modules
            assert not {"paxoskv.testing", "paxoskv.node", "aiosqlite"} & set(sys.modules)
        """
    )
    project.run().assert_outcomes(passed=1)

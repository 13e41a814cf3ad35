"""P38: a task that dies ends the node, with a reason and the exit code that fits it."""

from __future__ import annotations

import asyncio
import errno

import pytest

from paxoskv.node.exits import BUG, JOURNAL_FAILED, QUARANTINED, USAGE, NodeFailure
from paxoskv.node.supervisor import Supervisor
from paxoskv.storage.errors import (
    DirectoryInUse,
    DirectoryUnusable,
    DiskFull,
    JournalCorrupt,
    JournalFailed,
    NotBootstrapped,
    StorageError,
    UnknownFormat,
    WrongIdentity,
)
from tests.support import eventually


async def failing(error: BaseException) -> None:
    """Work that dies."""
    await asyncio.sleep(0)
    raise error


async def failure_of(supervisor: Supervisor) -> NodeFailure:
    """Wait for the node's end; return its reason."""
    with pytest.raises(NodeFailure) as caught:
        async with asyncio.timeout(10):
            await supervisor.wait(asyncio.Event())
    await supervisor.cancel()
    return caught.value


async def test_a_task_that_dies_ends_the_node_and_keeps_its_traceback() -> None:
    supervisor = Supervisor()
    error = ZeroDivisionError("made up")
    supervisor.spawn(failing(error), "doomed")
    failure = await failure_of(supervisor)
    assert (failure.code, str(failure)) == (BUG, "ZeroDivisionError: made up")
    assert failure.__cause__ is error


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (DirectoryInUse("held", 1), USAGE),
        (DirectoryUnusable("permissions"), USAGE),
        (DiskFull("full"), USAGE),
        (JournalFailed("disk"), JOURNAL_FAILED),
        (JournalCorrupt("slot 7"), QUARANTINED),
        (NotBootstrapped("empty"), QUARANTINED),
        (WrongIdentity("other"), QUARANTINED),
        (UnknownFormat("newer"), QUARANTINED),
        (NodeFailure(QUARANTINED, "known to a peer"), QUARANTINED),
    ],
    ids=lambda value: type(value).__name__,
)
async def test_the_exit_code_says_what_the_operator_has_to_do(error: StorageError | NodeFailure, code: int) -> None:
    """A damaged record that a catch-up task comes across is no bug of ours."""
    supervisor = Supervisor()
    supervisor.spawn(failing(error), "reader")
    failure = await failure_of(supervisor)
    assert (failure.code, str(failure)) == (code, str(error))


async def test_only_the_first_failure_counts() -> None:
    supervisor = Supervisor()
    supervisor.fail(NodeFailure(QUARANTINED, "first"))
    supervisor.fail(NodeFailure(BUG, "second"))
    assert str(await failure_of(supervisor)) == "first"


async def test_an_error_in_a_callback_of_the_loop_ends_the_node_too() -> None:
    supervisor = Supervisor()
    loop = asyncio.get_running_loop()
    loop.set_exception_handler(supervisor.on_loop_error)
    loop.call_soon(lambda: 1 // 0)
    failure = await failure_of(supervisor)
    assert failure.code == BUG
    assert "ZeroDivisionError" in str(failure)


@pytest.mark.parametrize("error", [None, OSError(errno.EMFILE, "Too many open files"), OSError(errno.ENFILE, "full")])
async def test_a_complaint_of_the_loop_that_is_no_error_of_ours_is_only_logged(
    error: OSError | None, caplog: pytest.LogCaptureFixture
) -> None:
    """asyncio reports a connection that it cannot accept for want of descriptors, and tries again (R24)."""
    supervisor, stop = Supervisor(), asyncio.Event()
    supervisor.on_loop_error(asyncio.get_running_loop(), {"message": "socket.accept() failed", "exception": error})
    stop.set()
    await supervisor.wait(stop)
    assert [vars(record)["reason"] for record in caplog.records] == [f"socket.accept() failed: {error}"]


async def test_any_other_error_of_the_system_in_a_callback_is_a_failure() -> None:
    supervisor = Supervisor()
    supervisor.on_loop_error(asyncio.get_running_loop(), {"message": "?", "exception": OSError(errno.EIO, "disk")})
    assert (await failure_of(supervisor)).code == BUG


async def test_work_that_ends_or_is_cancelled_is_no_failure() -> None:
    supervisor, stop, begun = Supervisor(), asyncio.Event(), asyncio.Event()

    async def endless() -> None:
        begun.set()
        await asyncio.Event().wait()

    supervisor.spawn(asyncio.sleep(0), "short")
    supervisor.spawn(endless(), "long")
    await begun.wait()
    stop.set()
    await supervisor.wait(stop)
    await supervisor.cancel()
    await supervisor.wait(stop)


async def test_a_failure_at_the_very_end_does_not_complain_of_being_unread() -> None:
    """What fails between the stop signal and the end is not fetched by anybody: no warning may come of it."""
    supervisor = Supervisor()
    supervisor.spawn(failing(ZeroDivisionError()), "late")
    tasks = asyncio.all_tasks() - {asyncio.current_task()}
    await eventually(lambda: all(task.done() for task in tasks))
    await supervisor.cancel()


async def test_tasks_are_held_while_they_run() -> None:
    """The loop itself keeps weak references only."""
    supervisor = Supervisor()
    done: list[str] = []

    async def work() -> None:
        await asyncio.sleep(0.01)
        done.append("work")

    supervisor.spawn(work(), "held")
    await eventually(lambda: done)
    await supervisor.cancel()

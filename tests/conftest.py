"""Fixtures of all tests, and the rule that no test leaves a process behind."""

from __future__ import annotations

import os
import signal
import time
import uuid
from collections.abc import Iterator
from contextlib import suppress

import pytest
from hypothesis import HealthCheck, settings

from tests.support import POLL_S, PortLease, processes_with

SESSION_VARIABLE = "PYTEST_SESSION_MARK"
"""Inherited by every process that a test starts, also by those that detach; so the leftovers can be found."""
GRACE_S = 2.0
"""A process that was killed takes a moment to vanish."""

# On a machine that is busy with other things nothing is too slow: how fast an example is made or run says nothing.
settings.register_profile("patient", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("patient")


@pytest.fixture
def ports() -> Iterator[PortLease]:
    """Free loopback ports, this test's alone until it ends."""
    lease = PortLease()
    yield lease
    lease.release()


@pytest.fixture(scope="session", autouse=True)
def session_mark() -> Iterator[str]:
    """Mark the processes of this session; at its end, kill those that are left and fail."""
    mark = uuid.uuid4().hex
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv(SESSION_VARIABLE, mark)
        yield mark
    leftovers = after_grace(mark)
    for pid in leftovers:
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
    assert not leftovers, f"tests left processes behind (killed now): {leftovers}"


def after_grace(mark: str) -> dict[int, str]:
    """Return the processes of the session that are still there after `GRACE_S`."""
    deadline = time.monotonic() + GRACE_S
    while (leftovers := processes_with(SESSION_VARIABLE, mark)) and time.monotonic() < deadline:
        time.sleep(POLL_S)
    return leftovers

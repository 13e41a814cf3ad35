"""File descriptors: the limit is raised as far as it may be, and clients get what the node does not need (H7, R24)."""

from __future__ import annotations

import resource

import pytest

from paxoskv.node.descriptors import CONNECTIONS_MIN, RESERVED, room_for

INFINITE = resource.RLIM_INFINITY


@pytest.fixture
def limits(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """The limits of this process, [soft, hard], without touching the real ones."""
    limits = [1024, 4096]
    monkeypatch.setattr(resource, "getrlimit", lambda kind: tuple(limits))
    monkeypatch.setattr(resource, "setrlimit", lambda kind, new: limits.__setitem__(slice(None), list(new)))
    return limits


def test_a_limit_that_suffices_is_left_alone(limits: list[int]) -> None:
    assert room_for(1024 - RESERVED) == 1024 - RESERVED
    assert limits == [1024, 4096]


def test_a_limit_that_does_not_is_raised_as_far_as_needed(limits: list[int]) -> None:
    assert room_for(2000) == 2000
    assert limits == [2000 + RESERVED, 4096]


def test_beyond_what_is_permitted_fewer_clients_fit(limits: list[int], caplog: pytest.LogCaptureFixture) -> None:
    assert room_for(10_000) == 4096 - RESERVED
    assert limits == [4096, 4096]
    assert [vars(record)["fitting"] for record in caplog.records] == [4096 - RESERVED]


@pytest.mark.parametrize("soft", [1024, INFINITE])
def test_without_a_hard_limit_everybody_fits(limits: list[int], soft: int) -> None:
    limits[:] = [soft, INFINITE]
    assert room_for(100_000) == 100_000
    assert limits[0] in (INFINITE, 100_000 + RESERVED)


def test_a_few_clients_are_always_served(limits: list[int]) -> None:
    limits[:] = [50, 50]
    assert room_for(1_000) == CONNECTIONS_MIN
    assert room_for(3) == 3


def test_the_real_limit_of_this_process_is_never_lowered() -> None:
    before, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    room_for(1)
    assert resource.getrlimit(resource.RLIMIT_NOFILE)[0] == before

"""What a fault is: one declaration, and one function that injects, waits to be healed, and heals."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass
from enum import Enum
from random import Random

from paxoskv.verifier.stage import Stage

Inject = Callable[[Stage, Random], AbstractAsyncContextManager[str]]
"""Entering injects, leaving heals; in between it stands, and the value says what was hit."""

_Injector = Callable[[Stage, Random], AsyncIterator[str]]


class Lane(Enum):
    """Faults of one lane come one after another, so that they do not undo each other; the lanes run side by side."""

    NODES = "nodes"
    LINKS = "links"


class Need(Enum):
    """What a fault cannot do without; the value says it in words."""

    SHIM = "the library under the nodes"
    FIVE_NODES = "5 nodes: with 3 the leader cannot lose its quorum while another node keeps one"


@dataclass(frozen=True, slots=True)
class Fault:
    """One kind of fault.

    pitfall: the ids in the catalogue of faults that it covers. hold_s: how long it stands, from and to.
    """

    name: str
    description: str
    pitfall: str
    lane: Lane
    inject: Inject
    needs: tuple[Need, ...]
    hold_s: tuple[float, float]


DECLARED: dict[str, Fault] = {}
"""All kinds that were declared so far, by name."""


def fault(
    name: str,
    description: str,
    pitfall: str,
    lane: Lane,
    *,
    needs: tuple[Need, ...] = (),
    hold_s: tuple[float, float] = (0.5, 2.5),
) -> Callable[[_Injector], Inject]:
    """Declare a kind of fault: what stands before the function's `yield` injects it, what stands after it heals."""

    def declare(function: _Injector) -> Inject:
        assert name not in DECLARED, f"two faults are called {name}"
        inject = asynccontextmanager(function)
        DECLARED[name] = Fault(name, description, pitfall, lane, inject, needs, hold_s)
        return inject

    return declare

"""The list of fault kinds, one declaration each."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from random import Random

from paxoskv.simulator.scene import Scene

Inject = Callable[[Scene, Random], None]


@dataclass(frozen=True, slots=True)
class Fault:
    """A kind of fault.

    ids: of pitfalls C.1. per_minute: how often it happens, on average, in a run that has it at its usual rate.
    inject: does it once, drawing whatever is open from a generator of its own; it ends by itself or with the phase.
    """

    name: str
    ids: str
    text: str
    per_minute: float
    inject: Inject


CATALOGUE: dict[str, Fault] = {}


def fault(name: str, ids: str, text: str, per_minute: float = 20.0) -> Callable[[Inject], Inject]:
    """Declare the decorated function as a fault kind."""

    def declare(inject: Inject) -> Inject:
        assert name not in CATALOGUE, f"two faults are called {name}"
        CATALOGUE[name] = Fault(name, ids, text, per_minute, inject)
        return inject

    return declare

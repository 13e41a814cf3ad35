"""What is fuzzed, and how it is judged."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Coroutine
from dataclasses import dataclass, field
from typing import Any, NoReturn

from scripts.fuzz.noise import Noise

TAKEN = "taken"
"""The input was understood, whatever it made of it."""
REFUSED = "refused"
"""A documented error, or the connection was closed."""
STOPPED = "stopped"
"""An invariant ended the node on purpose: only an authenticated peer that forges sound messages comes so far (H15)."""


class Finding(Exception):
    """The input did what no input may do."""


@dataclass(slots=True)
class Tally:
    """What became of the inputs of a run. inputs: how many there were. outcomes: by TAKEN, REFUSED, STOPPED."""

    inputs: int = 0
    outcomes: Counter[str] = field(default_factory=Counter)

    def count(self, outcome: str) -> None:
        """Count one input."""
        self.inputs += 1
        self.outcomes[outcome] += 1

    def add(self, other: Tally) -> None:
        """Add another run's."""
        self.inputs += other.inputs
        self.outcomes.update(other.outcomes)


Batch = Callable[[Noise, int, Tally], Coroutine[Any, Any, None]]
"""Feeds so many inputs made by the noise and counts them. Raises: Finding, or whatever escaped."""


@dataclass(frozen=True, slots=True)
class Target:
    """One port or decoder. inputs: of one batch; each batch has a seed of its own, which repeats it alone."""

    name: str
    inputs: int
    run: Batch


def decoder(make: Callable[[Noise], object], take: Callable[..., object], *refusals: type[Exception]) -> Batch:
    """Return a batch that gives what `make` makes to `take`, which may raise `refusals` and nothing else."""

    async def run(noise: Noise, inputs: int, tally: Tally) -> None:
        for _ in range(inputs):
            made = make(noise)
            try:
                take(made)
            except refusals:
                tally.count(REFUSED)
            except Exception as error:
                raise Finding(f"{type(error).__name__}: {error}, out of {shown(made)}") from error
            else:
                tally.count(TAKEN)

    return run


def demand(condition: bool, what: str, made: object) -> None:
    """Raises: Finding unless `condition` holds."""
    if not condition:
        _find(what, made)


def _find(what: str, made: object) -> NoReturn:
    raise Finding(f"{what}, out of {shown(made)}")


def shown(made: object) -> str:
    """Return an input as a finding shows it: whole if it is short, both ends if not."""
    text = repr(made)
    return text if len(text) <= 2000 else f"{text[:1000]} ... {text[-900:]}"

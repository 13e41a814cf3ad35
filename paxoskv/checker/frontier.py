"""A set of configurations that keeps none which another one makes needless."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Generic, TypeVar

Place = TypeVar("Place")


class Frontier(Generic[Place]):
    """Configurations `(place, spent)`: where a search stands, and which optional operations it took to get there.

    place: hashable; what is placed already, and the state. spent: one bit for each optional operation.

    Of two at the same place, one that spent less can do all that the other can. So a configuration that spent more
    than a known one is dropped: this is what keeps many operations of unknown outcome from doubling the work each.
    """

    __slots__ = ("_spent",)

    def __init__(self) -> None:
        self._spent: dict[Place, list[int]] = {}

    def __len__(self) -> int:
        return sum(map(len, self._spent.values()))

    def __iter__(self) -> Iterator[tuple[Place, int]]:
        for place, known in self._spent.items():
            for spent in known:
                yield place, spent

    def add(self, place: Place, spent: int) -> bool:
        """Add a configuration; return False if a known one makes it needless."""
        known = self._spent.setdefault(place, [])
        for other in known:
            if other & spent == other:
                return False
        if known:
            known[:] = [other for other in known if other & spent != spent]
        known.append(spent)
        return True

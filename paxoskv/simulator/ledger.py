"""Exactly once, summed up: what counters and growing texts hold in the end, and what clients were told (I6, P25)."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator

from paxoskv.simulator.model import Model


class Ledger:
    """The acknowledged and the uncertain additions to keys that nothing else changes."""

    def __init__(self) -> None:
        self._added: dict[bytes, int] = defaultdict(int)
        self._perhaps_added: dict[bytes, list[int]] = defaultdict(list)
        self._appended: dict[bytes, list[tuple[int, bytes]]] = defaultdict(list)
        self._perhaps_appended: dict[bytes, list[bytes]] = defaultdict(list)

    def add(self, key: bytes, delta: int, is_sure: bool) -> None:
        """A counter was added to, or may have been."""
        if is_sure:
            self._added[key] += delta
        else:
            self._perhaps_added[key].append(delta)

    def append(self, key: bytes, text: bytes, revision: int | None) -> None:
        """A text was appended at a revision, or may have been: None."""
        if revision is None:
            self._perhaps_appended[key].append(text)
        else:
            self._appended[key].append((revision, text))

    def errors(self, model: Model) -> Iterator[str]:
        """Yield what does not add up."""
        for key in {**self._added, **self._perhaps_added}:
            record = model.record_at(key, model.applied_slot)
            extra = (0 if record is None else int(record[0])) - self._added[key]
            perhaps = self._perhaps_added[key]
            if not sum(d for d in perhaps if d < 0) <= extra <= sum(d for d in perhaps if d > 0):
                yield f"counter {key!r} is {extra} off {self._added[key]} acknowledged, perhaps added {perhaps}"
        for key in {**self._appended, **self._perhaps_appended}:
            yield from self._text_errors(key, model)

    def _text_errors(self, key: bytes, model: Model) -> Iterator[str]:
        record = model.record_at(key, model.applied_slot)
        text = b"" if record is None else record[0]
        order = [text.find(piece) for _, piece in sorted(self._appended[key])]
        if order != sorted(order) or -1 in order:
            yield f"text {key!r} is {text!r:.300}, appended were {sorted(self._appended[key])!r:.300}"
        pieces = [piece for _, piece in self._appended[key]]
        for piece in (*pieces, *self._perhaps_appended[key]):
            if text.count(piece) > 1:
                yield f"text {key!r} holds {piece!r} {text.count(piece)} times"
        left = len(text) - sum(map(len, pieces))
        if left > sum(len(piece) for piece in self._perhaps_appended[key]):
            yield f"text {key!r} holds more than was appended: {text!r:.300}"

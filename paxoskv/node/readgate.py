"""Linearizable reads: gathered for a turn of the loop, confirmed together, answered from the applied state.

Under a lease of this node they need neither a turn nor a confirmation.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

from paxoskv.node.answers import Waiter
from paxoskv.node.engine import Engine
from paxoskv.node.turns import CallSoon

Serve = Callable[[Waiter], object]


class _Draft:
    """An answer that is not given yet."""

    is_writable = True
    fields: tuple[Any, ...]

    def hold(self, work: Callable[[], object]) -> None:
        """There is always room for a draft."""
        work()

    def answer(self, number: int, *fields: Any) -> None:
        """Keep what would be answered."""
        self.fields = fields


class ReadGate:
    """Holds reads until the core has confirmed that the state is fresh enough for them.

    All reads of one turn share a token, and all tokens that wait for a round share the round.
    """

    def __init__(self, engine: Engine, call_soon: CallSoon) -> None:
        """call_soon: runs a function at the end of this turn of the event loop."""
        self._engine = engine
        self._call_soon = call_soon
        self._token = 0
        self._turn: list[tuple[Serve, Waiter]] = []
        self._held: dict[int, list[tuple[Serve, Waiter]]] = {}

    def submit(self, serve: Serve, waiter: Waiter) -> None:
        """Call `serve(waiter)` when a linearizable read is allowed, or fail the waiter."""
        if not self._turn:
            self._call_soon(self._flush_turn)
        self._turn.append((serve, waiter))

    def submit_leased(self, serve: Serve, waiter: Waiter) -> None:
        """As `submit`, but at once while this node has a lease (P24)."""
        if self._engine.has_lease():
            waiter.serve(partial(self._serve_leased, serve))
        else:
            self.submit(serve, waiter)

    def on_reads(self, ready: list[int], failed: list[int]) -> None:
        """The core has decided about tokens."""
        for token in ready:
            for serve, waiter in self._held.pop(token):
                waiter.serve(serve)
        for token in failed:
            for _, waiter in self._held.pop(token):
                waiter.unavailable("no leader could confirm the read: retry, or read stale")

    def _serve_leased(self, serve: Serve, waiter: Waiter) -> None:
        """Compute, then look at the lease, then reply: it may have run out meanwhile, or this process stood still."""
        draft = _Draft()
        serve(Waiter(draft, waiter.number))
        if self._engine.has_lease():
            waiter.sink.answer(waiter.number, *draft.fields)
        else:
            self.submit(serve, waiter)

    def _flush_turn(self) -> None:
        self._token += 1
        self._held[self._token], self._turn = self._turn, []
        self._engine.read(self._token)

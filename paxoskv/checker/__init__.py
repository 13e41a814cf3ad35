"""The judge: histories of what clients did, and whether the store behaved as one copy that does one thing at a time.

    writer = HistoryWriter(stream)                              # records, and writes JSON Lines
    client = writer.new_process()
    writer.invoke(client, "put", b"a", b"1", time_ns=clock())   # before the request leaves
    writer.ok(client, time_ns=clock(), revision=4, slot=9)      # after the answer came
    verdict = judge(writer.operations())                        # or judge(read_history(path))
    verdict.linearizable                                        # True, False, or None: undecided

A history is linearizable if each operation can be given one moment between its invocation and its completion, so
that executed at these moments, one after another, all of them have the outcomes that were recorded. An operation of
unknown outcome (`info`, or never completed) may have its moment at any later time, or none.
The form of a history: `paxoskv.checker.events`. A key starts absent.

What it does: judges every key on its own, which is enough for operations on single keys; tries to find an order, and
if none turns up follows all configurations the key could be in until none is left. What it never does: guess. A
verdict of True comes with an order that is checked again without a search, or from an exhausted search, and where
the budget runs out the verdict is None. It knows nothing of the server and imports nothing of it.

Where to start reading: `events` and `history` (what is recorded), `model` (what a key does), `wgl` and
`configurations` (the two searches), `unknowns` (what makes unknown outcomes cheap), `judge`.
"""

from __future__ import annotations

from paxoskv.checker.events import BadEvent, BadOrder, HistoryError
from paxoskv.checker.history import HistoryWriter, parse_history, read_history
from paxoskv.checker.judge import BUDGET_STEPS, KeyVerdict, Verdict, judge
from paxoskv.checker.operations import Operation

__all__ = [
    "BUDGET_STEPS",
    "BadEvent",
    "BadOrder",
    "HistoryError",
    "HistoryWriter",
    "KeyVerdict",
    "Operation",
    "Verdict",
    "judge",
    "parse_history",
    "read_history",
]

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

What it does: judges every key on its own, which is enough for operations on single keys, and keys that transactions
tie together as one; tries to find an order, and if none turns up follows all configurations the keys could be in until
none is left. What is wrong is shrunk to the few operations that contradict each other. Where replies carry revisions
and slots, the order that these claim is checked too, over all keys: a history can be linearizable and its revisions
wrong, so look at `verdict.acceptable`.

What it never does: guess. A verdict of True comes from an order that was checked again without a search, or from a
search that left out nothing; where the budget runs out the verdict is None. It knows nothing of the server and
imports nothing of it: a judge that shares code with the accused is none.

Where to start reading: `events`, `txns` and `history` (what is recorded), `model` and `groups` (what keys do), `wgl`
and `configurations` (the two searches), `unknowns` (what makes unknown outcomes cheap), `revisions` and `replay` (the
claimed order), `shrink` and `causes` (what is wrong, in few operations and in words), `page` and `timeline` (the
picture), `judge` (all of it together).
"""

from __future__ import annotations

from paxoskv.checker.counterexample import Counterexample
from paxoskv.checker.document import verdict_document
from paxoskv.checker.events import BadEvent, BadOrder, HistoryError
from paxoskv.checker.history import HistoryWriter, parse_history, read_history
from paxoskv.checker.judge import BUDGET_STEPS, KeyVerdict, Verdict, judge
from paxoskv.checker.operations import Operation
from paxoskv.checker.page import verdict_page
from paxoskv.checker.revisions import RevisionReport
from paxoskv.checker.timeline import timeline_svg
from paxoskv.checker.txns import Step, Told, Txn

__all__ = [
    "BUDGET_STEPS",
    "BadEvent",
    "BadOrder",
    "Counterexample",
    "HistoryError",
    "HistoryWriter",
    "KeyVerdict",
    "Operation",
    "RevisionReport",
    "Step",
    "Told",
    "Txn",
    "Verdict",
    "judge",
    "parse_history",
    "read_history",
    "timeline_svg",
    "verdict_document",
    "verdict_page",
]

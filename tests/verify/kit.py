"""Evidence made by hand, for the tests of what judges and shows it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from paxoskv.checker import HistoryWriter, Operation
from paxoskv.verifier.evidence import Counter, Evidence, Final
from paxoskv.verifier.gazette import News
from paxoskv.verifier.observer import Sample
from paxoskv.verifier.torment import Injection

MS = 1_000_000
S = 1_000 * MS


class History:
    """Writes a history operation by operation, one a millisecond and each by a process of its own."""

    def __init__(self) -> None:
        self._writer = HistoryWriter()
        self._now_ns = 0
        self._revision = 0

    @property
    def operations(self) -> list[Operation]:
        return self._writer.operations()

    def put(self, key: bytes, value: bytes, outcome: str = "ok", at_ms: int = 0) -> None:
        """A write; only an acknowledged one has a revision."""
        self._revision += 1
        self._do("put", key, value, outcome, None, at_ms)

    def delete(self, key: bytes, outcome: str = "ok") -> None:
        self._revision += 1
        self._do("delete", key, None, outcome, None, 0)

    def get(self, key: bytes, value: bytes | None, at_ms: int = 0) -> None:
        self._do("get", key, None, "ok", value, at_ms)

    def cas(self, key: bytes, expected: bytes | None, value: bytes, outcome: str = "ok") -> None:
        self._revision += outcome == "ok"
        self._do("cas", key, (expected, value), outcome, None, 0)

    def _do(self, f: str, key: bytes, value: Any, outcome: str, read: bytes | None, at_ms: int) -> None:
        process = self._writer.new_process()
        begin_ns = max(self._now_ns + MS, at_ms * MS)
        self._now_ns = begin_ns + MS // 2
        self._writer.invoke(process, f, key, value, time_ns=begin_ns)
        if outcome == "ok":
            self._writer.ok(process, read, time_ns=self._now_ns, revision=self._revision, slot=self._revision)
        elif outcome == "info":
            self._writer.info(process, time_ns=self._now_ns, error="OutcomeUnknown: nobody knows")
        else:
            error = None if f == "cas" and outcome == "mismatch" else "Unavailable: no leader"
            self._writer.fail(process, time_ns=self._now_ns, error=error)


def sound_history() -> History:
    """Some keys, a counter, and nothing wrong."""
    history = History()
    history.put(b"key-0001", b"0.1")
    history.get(b"key-0001", b"0.1")
    history.put(b"key-0001", b"1.2")
    history.cas(b"counter-0001", None, b"1/0.3")
    history.cas(b"counter-0001", b"1/0.3", b"2/1.4")
    history.get(b"key-0001", b"1.2", at_ms=900)
    history.get(b"counter-0001", b"2/1.4")
    return history


def evidence(operations: Sequence[Operation] | None = None, **changes: Any) -> Evidence:
    """Evidence of a run in which all was well, but for `changes`."""
    made = Evidence(
        nodes=3,
        clients=2,
        seed=7,
        settings={"window": 1},
        began_ns=0,
        ended_ns=S,
        operations=sound_history().operations if operations is None else operations,
        injections=[
            Injection("pause", "nodes", "node 1", 100 * MS, 110 * MS, 400 * MS, 420 * MS),
            Injection("corrupt", "links", "<2% of all frames>", 200 * MS, 200 * MS, 800 * MS, 810 * MS),
        ],
        samples=[
            Sample(0, 1, "leader", (1, 1)),
            Sample(0, 2, "follower", (1, 1)),
            Sample(0, 3, "follower", (1, 1)),
            Sample(120 * MS, 1, "silent", (0, 0)),
            Sample(600 * MS, 2, "leader", (2, 2)),
        ],
        states={1: (12, "abcd"), 2: (12, "abcd"), 3: (12, "abcd")},
        disagreements=[],
        surprises=[],
        finals={b"key-0001": Final(b"1.2", 2), b"counter-0001": Final(b"2/1.4", 4)},
        counters={b"counter-0001": Counter(added=2, perhaps_added=0)},
        not_run={"quorum-loss": "needs 5 nodes", "clock-step": "no compiler", "clock-skew": "no compiler"},
        links={"1>2": {"frames": 10, "corrupted": 2}, "c>1": {"frames": 5}},
        news={},
        unbalanced=[],
    )
    return replace(made, **{"news": news_of(changes.get("operations", made.operations)), **changes})


def news_of(operations: Sequence[Operation]) -> dict[bytes, list[News]]:
    """What watches tell when nothing is wrong: of every acknowledged put and cas."""
    news: dict[bytes, list[News]] = {}
    for op in operations:
        if op.outcome == "ok" and op.revision is not None and op.f in ("put", "cas"):
            value = op.value[1] if isinstance(op.value, tuple) else op.value
            news.setdefault(op.key, []).append(News(op.revision, value))
    return news

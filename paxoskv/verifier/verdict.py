"""Judges the evidence of a run, by several means that know nothing of each other."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from paxoskv.checker import Operation, judge
from paxoskv.checker import Verdict as HistoryVerdict
from paxoskv.verifier.evidence import Counter, Evidence, Final
from paxoskv.verifier.readers import unseen
from paxoskv.verifier.workload import counter_number

CHANGES = ("put", "cas")
"""What gives a key a value that nobody else gives it."""

LASTING = (*CHANGES, "incr", "append", "txn")
"""What leaves its mark on a key, at a revision of its own; transactions here move amounts, or only read."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """What a run has shown.

    faults: how many were injected; a run without any has shown nothing.
    history: the checker's judgement. lost_writes, phantoms, wrong_counters: one line in words for each. So with
        unseen: of the writes that a watch did not tell, or not as they were, and unbalanced: of what was torn apart.
    agreed: whether all nodes came to the same slot. digests_equal: whether nodes at one slot always held the same.
    """

    faults: int
    history: HistoryVerdict
    lost_writes: tuple[str, ...]
    phantoms: tuple[str, ...]
    wrong_counters: tuple[str, ...]
    unseen: tuple[str, ...]
    unbalanced: tuple[str, ...]
    agreed: bool
    digests_equal: bool
    surprises: tuple[str, ...]

    @property
    def linearizable(self) -> bool | None:
        """Whether one order explains every reply; None if that is undecided, which no run may be."""
        return self.history.acceptable

    @property
    def passed(self) -> bool:
        """Whether nothing at all is wrong."""
        return (
            self.faults > 0
            and self.linearizable is True
            and self.agreed
            and self.digests_equal
            and not (self.lost_writes or self.phantoms or self.wrong_counters or self.surprises)
            and not (self.unseen or self.unbalanced)
        )

    def complaints(self) -> list[str]:
        """Return everything that is wrong, in words, the gravest first."""
        found = [f"lost: {line}" for line in self.lost_writes]
        if self.linearizable is not True:
            found.append(
                "the history is not linearizable" if self.linearizable is False else "the history is undecided"
            )
        found += [f"out of nowhere: {line}" for line in self.phantoms]
        found += [f"counter: {line}" for line in self.wrong_counters]
        found += [f"watch: {line}" for line in self.unseen]
        found += [f"torn: {line}" for line in self.unbalanced]
        if not self.digests_equal:
            found.append("nodes at the same slot do not hold the same")
        if not self.agreed:
            found.append("the nodes did not come to the same slot after everything was healed")
        if not self.faults:
            found.append("no fault was injected, so nothing was shown: give it more time, or other faults")
        return found + [f"surprise: {line}" for line in self.surprises]


def judge_run(evidence: Evidence) -> Verdict:
    """Judge a run."""
    by_key: dict[bytes, list[Operation]] = {}
    for operation in evidence.operations:
        for key in operation.keys:
            by_key.setdefault(key, []).append(operation)
    states = evidence.states
    return Verdict(
        faults=len(evidence.injections),
        history=judge(evidence.operations),
        lost_writes=tuple(_lost(by_key, evidence.finals)),
        phantoms=tuple(_phantoms(by_key)),
        wrong_counters=tuple(_wrong_counters(evidence.counters, evidence.finals)),
        unseen=tuple(unseen(evidence.operations, evidence.news)),
        unbalanced=tuple(evidence.unbalanced),
        agreed=states is not None,
        digests_equal=len(set((states or {}).values())) <= 1 and not evidence.disagreements,
        surprises=(*evidence.surprises, *evidence.disagreements),
    )


def _lost(by_key: Mapping[bytes, Sequence[Operation]], finals: Mapping[bytes, Final]) -> Iterator[str]:
    """Yield acknowledged writes that are neither there in the end nor overwritten by a later change."""
    for key, operations in by_key.items():
        final = finals.get(key)
        if final is None:
            yield f"{key.decode()}: could not be read in the end"
            continue
        if final.value is None and any(op.f == "delete" and op.outcome != "fail" for op in operations):
            continue  # which write a delete of unknown place has removed is for the checker to find out
        for op in operations:
            lasts = op.f in LASTING and op.surely_changes
            if lasts and op.outcome == "ok" and op.revision is not None and op.revision > final.modified:
                written = f"{op.f} of {_new(op) or op.txn!r} at revision {op.revision}"
                yield f"{key.decode()}: {written}; in the end its last change is of revision {final.modified}"


def _phantoms(by_key: Mapping[bytes, Sequence[Operation]]) -> Iterator[str]:
    """Yield reads of values that nobody had begun to write, or whose write surely did not happen.

    Counters and texts, whose values nobody writes as they are, are for the checker alone.
    """
    for key, operations in by_key.items():
        if any(op.f in ("incr", "append", "txn") for op in operations):
            continue
        begun = {_new(op): op.began for op in operations if op.f in CHANGES and op.outcome != "fail"}
        failed = {_new(op) for op in operations if op.f in CHANGES and op.outcome == "fail"}
        for op in operations:
            if op.result is None or op.ended is None or begun.get(op.result, op.ended) < op.ended:
                continue
            why = "whose write was reported as failed" if op.result in failed else "which nobody had written"
            yield f"{key.decode()}: {op.result!r} was read, {why}"


def _wrong_counters(counters: Mapping[bytes, Counter], finals: Mapping[bytes, Final]) -> Iterator[str]:
    """Yield counters that stand elsewhere than the additions allow."""
    for key, counter in counters.items():
        if key in finals and not 0 <= counter_number(finals[key].value) - counter.added <= counter.perhaps_added:
            yield (
                f"{key.decode()} stands at {counter_number(finals[key].value)} after {counter.added} acknowledged "
                f"additions and {counter.perhaps_added} of unknown outcome"
            )


def _new(operation: Operation) -> bytes | None:
    """Return the value that an operation of CHANGES gives."""
    value = operation.value
    return value[1] if isinstance(value, tuple) else value

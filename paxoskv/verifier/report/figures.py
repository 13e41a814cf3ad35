"""Figures made from the evidence: throughput and latency over time, and what each kind of fault cost."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import zip_longest
from typing import NamedTuple

from paxoskv.checker import Operation
from paxoskv.verifier.evidence import Evidence
from paxoskv.verifier.faults import FAULTS
from paxoskv.verifier.observer import Sample

BUCKETS_MAX = 240
BUCKET_S_MIN = 0.25
_NS = 1_000_000_000


class Bucket(NamedTuple):
    """One interval of the run. p50_ms, p99_ms: None if nothing succeeded in it. errors: failed or unknown."""

    at_s: float
    ok_per_s: float
    errors_per_s: float
    p50_ms: float | None
    p99_ms: float | None


class Phase(NamedTuple):
    """A time in which a node was in one state."""

    node: int
    state: str
    from_s: float
    to_s: float


class Band(NamedTuple):
    """An injected fault on the time line. It stood from `stood_s` to `healing_s`."""

    fault: str
    lane: str
    hit: str
    from_s: float
    stood_s: float
    healing_s: float
    to_s: float
    gap_s: float


class Cost(NamedTuple):
    """One kind of fault: how often, and the longest time without any success while it stood or was healed."""

    fault: str
    description: str
    pitfall: str
    times: int
    gap_s_max: float


@dataclass(frozen=True, slots=True)
class Figures:
    """All times are seconds from the beginning of the clients' work.

    failed: operations that surely did not happen, comparisons that did not hold aside.
    """

    seconds: float
    bucket_s: float
    ok: int
    failed: int
    unknown: int
    p50_ms: float
    p99_ms: float
    gap_s_max: float
    leaderships: int
    buckets: tuple[Bucket, ...]
    phases: tuple[Phase, ...]
    bands: tuple[Band, ...]
    costs: tuple[Cost, ...]


def figures_of(evidence: Evidence) -> Figures:
    """Return the figures of a run in which at least one operation was begun."""
    operations = evidence.operations
    begin_ns = operations[0].invoked_ns
    end_ns = max(op.completed_ns or op.invoked_ns for op in operations)
    seconds = (end_ns - begin_ns) / _NS
    bucket_s = max(BUCKET_S_MIN, seconds / BUCKETS_MAX)
    successes = sorted(op.completed_ns for op in operations if _succeeded(op) and op.completed_ns is not None)
    latencies = sorted(_latency_ms(op) for op in operations if _succeeded(op))
    bands = tuple(_bands(evidence, begin_ns, [begin_ns, *successes, end_ns]))
    return Figures(
        seconds=seconds,
        bucket_s=bucket_s,
        ok=len(successes),
        failed=sum(op.outcome == "fail" and not _succeeded(op) for op in operations),
        unknown=sum(op.outcome == "info" for op in operations),
        p50_ms=percentile(latencies, 50) or 0.0,
        p99_ms=percentile(latencies, 99) or 0.0,
        gap_s_max=longest_gap_ns([begin_ns, *successes, end_ns], begin_ns, end_ns) / _NS,
        leaderships=len({(sample.node, sample.ballot) for sample in evidence.samples if sample.state == "leader"}),
        buckets=tuple(_buckets(operations, begin_ns, seconds, bucket_s)),
        phases=tuple(_phases(evidence.samples, evidence.nodes, begin_ns, end_ns)),
        bands=bands,
        costs=tuple(_costs(bands)),
    )


def percentile(ordered: Sequence[float], percent: float) -> float | None:
    """Return the value that `percent` of the ordered ones do not exceed, None of none."""
    return ordered[min(len(ordered) - 1, int(len(ordered) * percent / 100))] if ordered else None


def longest_gap_ns(times_ns: Sequence[int], from_ns: int, to_ns: int) -> int:
    """Return the longest time between two of the ordered `times_ns` that meets from..to, its part outside included."""
    first = max(1, bisect_left(times_ns, from_ns))
    last = min(len(times_ns) - 1, bisect_left(times_ns, to_ns))
    return max((times_ns[place] - times_ns[place - 1] for place in range(first, last + 1)), default=0)


def _succeeded(operation: Operation) -> bool:
    """Whether the cluster answered; that a comparison did not hold is an answer."""
    return operation.outcome == "ok" or (
        operation.f == "cas" and operation.outcome == "fail" and operation.error is None
    )


def _latency_ms(operation: Operation) -> float:
    return ((operation.completed_ns or operation.invoked_ns) - operation.invoked_ns) / 1e6


def _buckets(operations: Sequence[Operation], begin_ns: int, seconds: float, bucket_s: float) -> Iterator[Bucket]:
    count = int(seconds / bucket_s) + 1
    latencies: list[list[float]] = [[] for _ in range(count)]
    errors = [0] * count
    for op in operations:
        if op.completed_ns is not None:
            place = int((op.completed_ns - begin_ns) / _NS / bucket_s)
            if _succeeded(op):
                latencies[place].append(_latency_ms(op))
            else:
                errors[place] += 1
    for place, own in enumerate(latencies):
        own.sort()
        rate, lost = len(own) / bucket_s, errors[place] / bucket_s
        yield Bucket(place * bucket_s, rate, lost, percentile(own, 50), percentile(own, 99))


def _phases(samples: Sequence[Sample], nodes: int, begin_ns: int, end_ns: int) -> Iterator[Phase]:
    for node in range(1, nodes + 1):
        own = [sample for sample in samples if sample.node == node]
        for sample, following in zip_longest(own, own[1:]):
            until_ns = end_ns if following is None else min(following.time_ns, end_ns)
            from_s, to_s = max(0.0, (sample.time_ns - begin_ns) / _NS), (until_ns - begin_ns) / _NS
            if to_s > from_s:
                yield Phase(node, sample.state, from_s, to_s)


def _bands(evidence: Evidence, begin_ns: int, successes_ns: Sequence[int]) -> Iterator[Band]:
    for one in evidence.injections:
        gap_ns = longest_gap_ns(successes_ns, one.began_ns, one.ended_ns)
        times = (one.began_ns, one.stood_ns, one.healing_ns, one.ended_ns)
        from_s, stood_s, healing_s, to_s = ((time_ns - begin_ns) / _NS for time_ns in times)
        yield Band(one.fault, one.lane, one.hit, from_s, stood_s, healing_s, to_s, gap_ns / _NS)


def _costs(bands: Sequence[Band]) -> Iterator[Cost]:
    for name, fault in FAULTS.items():
        gaps = [band.gap_s for band in bands if band.fault == name]
        if gaps:
            yield Cost(name, fault.description, fault.pitfall, len(gaps), max(gaps))

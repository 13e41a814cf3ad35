"""Latencies counted in buckets that are the same everywhere, so that histograms of many processes add up exactly."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

_SUB_BUCKET_BITS = 8


class Histogram:
    """Counts of latencies in nanoseconds: exact below 256 ns, in buckets of less than 0.8 % width above.

    counts: by number of the bucket. max_ns: the longest latency, exactly.
    """

    def __init__(self) -> None:
        self.counts: Counter[int] = Counter()
        self.max_ns = 0

    @property
    def count(self) -> int:
        """How many latencies were recorded."""
        return self.counts.total()

    def record(self, latency_ns: int) -> None:
        """Count one latency, not negative."""
        shift = latency_ns.bit_length() - _SUB_BUCKET_BITS
        bucket = (shift << _SUB_BUCKET_BITS) + (latency_ns >> shift) if shift > 0 else latency_ns
        self.counts[bucket] += 1
        if latency_ns > self.max_ns:
            self.max_ns = latency_ns

    def merge(self, counts: Mapping[int, int], max_ns: int) -> None:
        """Add what another histogram holds."""
        self.counts.update(counts)
        self.max_ns = max(self.max_ns, max_ns)

    def percentile_ms(self, percent: float) -> float:
        """Return a latency in ms that `percent` of all are not above; 0 if nothing was recorded.

        The upper edge of its bucket, so never flattering, but no longer than the longest.
        """
        rank = math.ceil(self.count * percent / 100)
        seen = 0
        for bucket, count in sorted(self.counts.items()):
            seen += count
            if seen >= rank:
                return min(_upper_edge_ns(bucket), self.max_ns) / 1e6
        return 0.0


def _upper_edge_ns(bucket: int) -> int:
    shift, within = divmod(bucket, 1 << _SUB_BUCKET_BITS)
    return ((within + 1) << shift) - 1


@dataclass(slots=True)
class Tally:
    """What the clients of one process did. errors: counts by kind. ended_s: when the last operation ended."""

    histogram: Histogram = field(default_factory=Histogram)
    errors: Counter[str] = field(default_factory=Counter)
    ended_s: float = 0.0

    def document(self) -> dict[str, Any]:
        """Return the results for the parent."""
        return {
            "counts": self.histogram.counts,
            "max_ns": self.histogram.max_ns,
            "errors": self.errors,
            "ended_s": self.ended_s,
        }

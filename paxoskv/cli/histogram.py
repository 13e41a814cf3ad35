"""Latencies counted in buckets that are the same everywhere, so that histograms of many processes add up exactly."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping

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
        shift = max(0, latency_ns.bit_length() - _SUB_BUCKET_BITS)
        self.counts[(shift << _SUB_BUCKET_BITS) + (latency_ns >> shift)] += 1
        self.max_ns = max(self.max_ns, latency_ns)

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

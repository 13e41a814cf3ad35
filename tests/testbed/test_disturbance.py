"""The fate of a single frame: every disturbance happens, as often as it should, and to nothing else."""

from __future__ import annotations

from dataclasses import asdict
from random import Random

import pytest

from paxoskv.net.frames import FrameError, FrameReader, frame
from paxoskv.testbed.links.disturbance import HEALTHY, LATE_S_MAX, Delivery, Direction, Disturbance

FRAMES = [frame(b"payload %d" % number) for number in range(2000)]


def fates(wish: Disturbance, seed: int = 1) -> tuple[Direction, list[list[Delivery] | None]]:
    """The fates of all FRAMES, one a millisecond."""
    direction = Direction("1>2", Random(seed))
    direction.disturbance = wish
    turn_s, results = 0.0, []
    for number, one in enumerate(FRAMES):
        deliveries = direction.fate(one, number / 1000, turn_s)
        turn_s = max([turn_s, *(delivery.due_s for delivery in deliveries or [] if delivery.in_turn)])
        results.append(deliveries)
    return direction, results


def test_a_healthy_link_delivers_every_frame_once_at_once_and_unchanged() -> None:
    direction, results = fates(HEALTHY)
    assert results == [[Delivery(number / 1000, True, one)] for number, one in enumerate(FRAMES)]
    assert direction.counts == {"frames": len(FRAMES)}


def test_a_cut_link_delivers_nothing() -> None:
    direction, results = fates(Disturbance(cut=True))
    assert results == [[]] * len(FRAMES)
    assert direction.counts["dropped"] == len(FRAMES)


@pytest.mark.parametrize(
    ("wish", "what"),
    [
        (Disturbance(drop=0.2), "dropped"),
        (Disturbance(duplicate=0.2), "duplicated"),
        (Disturbance(reorder=0.2), "reordered"),
        (Disturbance(corrupt=0.2), "corrupted"),
        (Disturbance(reset=0.2), "resets"),
    ],
)
def test_chances_are_kept_and_counted(wish: Disturbance, what: str) -> None:
    direction, results = fates(wish)
    hit = [
        place for place, (mine, healthy) in enumerate(zip(results, fates(HEALTHY)[1], strict=True)) if mine != healthy
    ]
    assert 0.15 < direction.counts[what] / len(FRAMES) < 0.25
    assert len(hit) >= direction.counts[what] > 0
    assert set(direction.counts) == {"frames", what}


def test_frames_that_are_not_disturbed_keep_their_bytes() -> None:
    _, results = fates(Disturbance(drop=0.1, duplicate=0.3, reorder=0.3, delay_ms=5, jitter_ms=20))
    for one, deliveries in zip(FRAMES, results, strict=True):
        assert all(delivery.data == one for delivery in deliveries or [])


def test_a_damaged_frame_differs_in_one_bit_and_its_checksum_tells() -> None:
    """R21: whatever bit flips, in the length, the checksum or the payload, no payload comes of it."""
    _, results = fates(Disturbance(corrupt=1.0))
    for one, deliveries in zip(FRAMES, results, strict=True):
        assert deliveries is not None
        damaged = deliveries[0].data
        assert sum((a ^ b).bit_count() for a, b in zip(one, damaged, strict=True)) == 1
        reader = FrameReader(1 << 20)
        try:
            assert reader.feed(damaged) == []  # the length grew: it waits for more
        except FrameError:
            continue


def test_delayed_frames_stay_in_order() -> None:
    _, results = fates(Disturbance(delay_ms=10, jitter_ms=50))
    dues = [deliveries[0].due_s for deliveries in results if deliveries]
    assert dues == sorted(dues)
    assert all(number / 1000 + 0.0099 < due for number, due in enumerate(dues))


def test_overtaken_frames_come_late_and_no_later_than_promised() -> None:
    _, results = fates(Disturbance(reorder=0.5))
    late = [deliveries[0] for deliveries in results if deliveries and not deliveries[0].in_turn]
    lags = [delivery.due_s - FRAMES.index(delivery.data) / 1000 for delivery in late]
    assert 0 < min(lags) <= max(lags) <= LATE_S_MAX + 1e-9


def test_a_clogged_link_passes_so_many_bytes_and_no_more() -> None:
    _, results = fates(Disturbance(bytes_per_s=1000))
    last = results[-1]
    assert last is not None
    assert last[0].due_s >= sum(map(len, FRAMES)) / 1000 - 1e-6


def test_the_same_seed_brings_the_same_fates() -> None:
    wish = Disturbance(drop=0.1, duplicate=0.1, reorder=0.1, corrupt=0.1, jitter_ms=3)
    assert fates(wish)[1] == fates(wish)[1] != fates(wish, seed=2)[1]


def test_a_disturbance_survives_the_way_to_the_proxies() -> None:
    wish = Disturbance(cut=True, drop=0.5, bytes_per_s=7)
    assert Disturbance(**asdict(wish)) == wish

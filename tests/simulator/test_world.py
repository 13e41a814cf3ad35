"""Time and the order of events."""

from __future__ import annotations

import pytest

from paxoskv.simulator.world import EventsExhausted, Violation, World


def test_events_happen_in_the_order_of_time_then_of_scheduling() -> None:
    world, seen = World(seed=1), []
    for name, at in (("c", 2.0), ("a", 1.0), ("b", 1.0)):
        world.at(at, lambda name=name: seen.append((name, world.now)))  # type: ignore[misc]
    world.run_until(1.5)
    assert seen == [("a", 1.0), ("b", 1.0)]
    assert world.now == 1.5
    world.run_until(3.0)
    assert seen[2:] == [("c", 2.0)]


def test_an_event_may_schedule_another_one_for_the_same_moment() -> None:
    world, seen = World(seed=1), []
    world.at(1.0, lambda: world.after(0.0, lambda: seen.append(world.now)))
    world.run_until(1.0)
    assert seen == [1.0]


def test_the_first_violation_ends_the_run_and_later_ones_do_not_count() -> None:
    world, seen = World(seed=1), []

    def fail() -> None:
        world.fail("I1", "first")
        world.fail("I2", "second")

    world.at(1.0, fail)
    world.at(1.0, lambda: seen.append("later"))
    with pytest.raises(Violation, match="I1: first"):
        world.run_until(2.0)
    assert seen == []


def test_a_loop_that_feeds_itself_is_found() -> None:
    world = World(seed=1, events_max=100)

    def again() -> None:
        world.after(0.0, again)

    world.at(0.0, again)
    with pytest.raises(EventsExhausted):
        world.run_until(1.0)


def test_waiting_ends_when_what_is_waited_for_holds() -> None:
    world, seen = World(seed=1), []
    for at in (1.0, 2.0, 3.0):
        world.at(at, lambda: seen.append(world.now))
    assert world.run_until(9.0, lambda: len(seen) == 2)
    assert world.now == 2.0
    assert not world.run_until(9.0, lambda: len(seen) == 9)


def test_generators_of_subsystems_do_not_move_each_other() -> None:
    one, other = World(seed=5), World(seed=5)
    one.rng("network").random()
    assert one.rng("disk").random() == other.rng("disk").random()
    assert one.rng("disk").random() != World(seed=6).rng("disk").random()


def test_the_hash_tells_runs_apart() -> None:
    one, other = World(seed=1), World(seed=1)
    assert one.trace_hash() == other.trace_hash()
    one.note(b"a")
    assert one.trace_hash() != other.trace_hash()

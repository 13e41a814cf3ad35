"""Who judges watches sees each breach of P29, and lets what is right pass."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from paxoskv.client.results import Entry
from paxoskv.kv import commands
from paxoskv.kv.limits import KvLimits
from paxoskv.simulator.marks import Marks
from paxoskv.simulator.model import Model
from paxoskv.simulator.past import EVERYTHING, Interval
from paxoskv.simulator.sight import Sight, Wish
from paxoskv.simulator.world import World

Told = tuple[bytes, Entry | None, Entry | None]

ALL = Wish(EVERYTHING)
ONE = Entry(b"k", b"1", 1, 1, 1, 0)
TWO = Entry(b"k", b"2", 1, 3, 2, 0)
OTHER = Entry(b"o", b"x", 2, 2, 1, 0)


class Theatre:
    """A log that puts k, o, k again and deletes k, at the revisions 1 to 4 and in as many slots, from slot 2 on."""

    def __init__(self) -> None:
        self.world = World(seed=1)
        self.marks = Marks()
        self.model = Model(KvLimits())
        log = [
            commands.open_session(),
            commands.put(1, 1, 0, b"k", b"1"),
            commands.put(1, 2, 0, b"o", b"x"),
            commands.put(1, 3, 0, b"k", b"2"),
            commands.delete(1, 4, 0, b"k"),
        ]
        for slot, command in enumerate(log, start=1):
            self.model.apply(slot, commands.encode_batch(0, [command]))

    def sight(self, wish: Wish = ALL, told: int = 0) -> Sight:
        return Sight(self.world, self.model, self.marks, wish, told)

    @property
    def verdict(self) -> str:
        return "" if self.world.violation is None else str(self.world.violation)


def put(entry: Entry, previous: Entry | None = None) -> list[Told]:
    return [(entry.key, entry, previous)]


GONE: list[Told] = [(b"k", None, None)]


def test_everything_in_order_passes() -> None:
    theatre = Theatre()
    sight = theatre.sight()
    for revision, events in enumerate((put(ONE), put(OTHER), put(TWO), GONE), start=1):
        assert not sight.is_complete
        sight.take(revision, events, node=1)
    assert theatre.verdict == ""
    assert sight.is_complete


def test_a_watch_of_one_key_is_told_of_nothing_else_and_of_what_it_was() -> None:
    theatre = Theatre()
    sight = theatre.sight(Wish(Interval(b"k", b"k\0"), previous=True), told=1)
    sight.take(3, put(TWO, ONE), node=1)
    sight.take(4, [(b"k", None, TWO)], node=2)
    assert theatre.verdict == ""
    assert theatre.marks.hits["watch goes on at another node"] == 1


def test_only_what_was_wished_for_has_to_come() -> None:
    theatre = Theatre()
    puts = theatre.sight(Wish(EVERYTHING, deletes=False), told=3)
    assert puts.is_complete
    puts.take(4, [], node=1)
    deletes = theatre.sight(Wish(EVERYTHING, puts=False))
    deletes.take(4, GONE, node=1)
    assert theatre.verdict == ""


@pytest.mark.parametrize(
    ("told", "breach"),
    [
        (0, lambda sight: sight.take(2, put(OTHER), 1)),
        (1, lambda sight: sight.take(1, put(ONE), 1)),
        (2, lambda sight: sight.take(3, put(ONE), 1)),
        (2, lambda sight: sight.take(3, [*put(TWO), *put(OTHER)], 1)),
        (2, lambda sight: sight.take(3, put(TWO, ONE), 1)),
        (2, lambda sight: sight.take(3, [], 1)),
        (3, lambda sight: sight.take(4, [], 1)),
        (4, lambda sight: sight.take(5, put(ONE), 1)),
        (0, lambda sight: sight.compacted(2)),
        (0, lambda sight: sight.begin(2, floor=4)),
        (0, lambda sight: sight.begin(5, floor=4)),
    ],
    ids=[
        "an event is left out",
        "an event comes twice",
        "the record is another one",
        "an event of nowhere",
        "a previous record that was not asked for",
        "a mark before the event",
        "a mark instead of the deletion",
        "a revision of the future",
        "compacted though nobody has compacted",
        "a beginning in the past",
        "a beginning in the future",
    ],
)
def test_a_breach_is_seen(told: int, breach: Callable[[Sight], None]) -> None:
    theatre = Theatre()
    breach(theatre.sight(told=told))
    assert theatre.verdict.startswith("P29")


def test_compacted_is_believed_where_a_node_has_forgotten_and_the_watch_needs_it() -> None:
    theatre = Theatre()
    theatre.model.forgotten.add(2)
    theatre.sight(told=1).compacted(2)
    assert theatre.verdict == ""
    theatre.sight(told=2).compacted(2)
    assert theatre.verdict.startswith("P29")

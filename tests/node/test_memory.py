"""What a node remembers of its peers, and when it becomes durable (P3, P4, P9)."""

from __future__ import annotations

from collections.abc import Mapping

import pytest

from paxoskv.net.peering import Life
from paxoskv.node.memory import PeerMemory
from paxoskv.storage.errors import DiskFull, JournalFailed
from paxoskv.storage.records import PeerRecord


class Shelf:
    """Where records become durable: `writes`, one a call."""

    def __init__(self) -> None:
        self.writes: list[dict[int, PeerRecord]] = []
        self.error: Exception | None = None

    async def save(self, peers: Mapping[int, PeerRecord]) -> None:
        if self.error is not None:
            raise self.error
        self.writes.append(dict(peers))


async def test_a_life_is_durable_before_it_is_believed() -> None:
    shelf = Shelf()
    memory = PeerMemory({}, shelf.save)
    await memory.meet(2, "life-2")
    assert shelf.writes == [{2: PeerRecord("life-2", 0)}]
    assert memory.incarnation(2) == "life-2"


async def test_a_life_that_does_not_fit_on_the_disk_is_not_believed() -> None:
    shelf = Shelf()
    memory = PeerMemory({}, shelf.save)
    shelf.error = DiskFull("full")
    with pytest.raises(DiskFull):
        await memory.meet(2, "life-2")
    assert memory.incarnation(2) is None


async def test_only_what_has_grown_is_written_and_all_of_it_at_once() -> None:
    shelf = Shelf()
    memory = PeerMemory(
        {2: PeerRecord("life-2", 5), 3: PeerRecord("life-3", 5), 4: PeerRecord("life-4", 5)}, shelf.save
    )
    await memory.save()
    memory.note(2, 7)
    memory.note(2, 6)
    memory.hear(3, Life("life-3", 8))
    memory.hear(4, Life("another", 8))
    await memory.save()
    await memory.save()
    assert shelf.writes == [{2: PeerRecord("life-2", 7), 3: PeerRecord("life-3", 8)}]


async def test_a_full_disk_is_no_reason_to_end_and_a_broken_one_is() -> None:
    shelf = Shelf()
    memory = PeerMemory({2: PeerRecord("life-2", 5)}, shelf.save)
    memory.note(2, 7)
    shelf.error = DiskFull("full")
    await memory.save()
    shelf.error = JournalFailed("broken")
    with pytest.raises(JournalFailed):
        await memory.save()
    shelf.error = None
    await memory.save()
    assert shelf.writes == [{2: PeerRecord("life-2", 7)}]


async def test_numbers_of_a_node_that_was_never_met_are_kept_in_memory_only() -> None:
    shelf = Shelf()
    memory = PeerMemory({}, shelf.save)
    memory.note(2, 7)
    await memory.save()
    assert shelf.writes == []
    await memory.meet(2, "life-2")
    assert shelf.writes == [{2: PeerRecord("life-2", 7)}]

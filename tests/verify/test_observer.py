"""The observer: who leads, when that changed, and whether nodes ever told different stories of one slot."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any, cast

from paxoskv.testbed.cluster import Cluster
from paxoskv.verifier import observer as module
from paxoskv.verifier.observer import Observer

NODES = cast(Cluster, SimpleNamespace(nodes=[1, 2, 3]))


def told(
    role: str = "follower", ballot: int = 1, slot: int = 1, digest: str = "d", healthy: bool = True
) -> dict[str, Any]:
    return {"role": role, "ballot": [ballot, 1], "applied_slot": slot, "digest": digest, "healthy": healthy}


def leader_after(*told_by: tuple[int, dict[str, Any] | None]) -> int | None:
    observer = Observer(NODES)
    for time_ns, (node, answer) in enumerate(told_by):
        observer.take(node, answer, time_ns)
    return observer.leader


def test_the_leader_is_the_one_with_the_highest_ballot() -> None:
    assert leader_after() is None
    assert leader_after((1, told())) is None
    assert leader_after((1, told("leader", 3)), (2, told("leader", 5)), (3, told())) == 2
    assert leader_after((1, told("leader", 3)), (2, told("leader", 5)), (2, None)) == 1


def test_only_changes_are_kept() -> None:
    observer = Observer(NODES)
    for time_ns, answer in enumerate([told(), told(), told("leader", 2), told("leader", 2), None, None, told()]):
        observer.take(1, answer, time_ns)
    assert [(sample.time_ns, sample.state) for sample in observer.samples] == [
        (0, "follower"),
        (2, "leader"),
        (4, "silent"),
        (6, "follower"),
    ]


def test_a_node_that_says_it_is_sick_is_shown_so() -> None:
    observer = Observer(NODES)
    observer.take(1, told("leader", healthy=False), 1)
    assert observer.samples[0].state == "sick"


def test_different_digests_of_one_slot_are_a_disagreement() -> None:
    """I5: equal slots, equal states, at any time and not only in the end."""
    observer = Observer(NODES)
    observer.take(1, told(slot=4, digest="a"), 1)
    observer.take(2, told(slot=5, digest="b"), 2)
    assert observer.disagreements == []
    observer.take(3, told(slot=4, digest="c"), 3)
    assert observer.disagreements == ["slot 4: digest a on node 1, c on node 3"]


def test_old_slots_are_forgotten(monkeypatch: Any) -> None:
    monkeypatch.setattr(module, "DIGESTS_KEPT", 10)
    observer = Observer(NODES)
    for slot in range(100):
        observer.take(1, told(slot=slot), slot)
    observer.take(2, told(slot=99, digest="x"), 100)
    observer.take(2, told(slot=3, digest="x"), 101)
    assert observer.disagreements == ["slot 99: digest d on node 1, x on node 2"]

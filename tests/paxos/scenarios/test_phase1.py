"""A new leader and what the former one left behind (P11, P12, P13, P15)."""

from __future__ import annotations

import pytest

from paxoskv.paxos import acceptor, log
from paxoskv.paxos.ballot import NOOP
from paxoskv.paxos.messages import Accept, Accepted, CatchUp, Heartbeat, Learn, Prepare, Promise
from paxoskv.paxos.replica import Role
from tests.paxos.world import Cluster


def test_a_stale_promise_elects_nobody() -> None:
    """P11. Node 2's promise is of node 3's first ballot; since then node 2 may have voted for anybody."""
    c = Cluster()
    c.campaign(3)
    c.deliver(Prepare, to=2)
    late = c.take(Promise, frm=2)
    c.drop(Prepare)
    c.isolate(3)
    c.tick(0.5)
    c.heal()
    c.campaign(3)
    c.put(late)
    c.deliver(Promise, to=3)
    assert c.replica(3).role is Role.CANDIDATE


def test_duplicate_promises_and_votes_count_once() -> None:
    """P11: among five, node 2 said yes three times; that is one yes."""
    c = Cluster(nodes=5)
    c.campaign(1)
    c.deliver(Prepare, to=2)
    c.duplicate(Promise)
    c.duplicate(Promise)
    c.deliver(Promise)
    assert c.replica(1).role is Role.CANDIDATE
    c.settle()
    assert c.leaders() == [1]
    slot = c.propose(1, b"x")
    c.deliver(Accept, to=2)
    c.duplicate(Accepted)
    c.duplicate(Accepted)
    c.deliver(Accepted)
    assert slot not in c.chosen
    assert c.commit_slots()[1] < slot


def three_open_slots(c: Cluster) -> None:
    """Leader 1 proposes a, b, c in slots 2 to 4; only node 2 votes, and node 1 dies."""
    c.elect(1)
    for value in (b"a", b"b", b"c"):
        c.propose(1, value)
    c.deliver(Accept, to=2)
    c.drop(Accepted)
    c.drop(Accept)
    c.crash(1)


def test_a_promise_in_parts_counts_when_the_last_part_is_there(monkeypatch: pytest.MonkeyPatch) -> None:
    """P12. Nodes 1 and 2 chose a, b, c. If two parts of three were enough, the new leader would lose one."""
    monkeypatch.setattr(acceptor, "PART_VOTES_MAX", 1)
    c = Cluster()
    three_open_slots(c)
    c.campaign(3)
    c.deliver(Prepare, to=2)
    parts = c.take(Promise, to=3)
    assert len(parts) == 3
    c.put([parts[2], parts[0], parts[0]])
    c.deliver(Promise)
    assert c.replica(3).role is Role.CANDIDATE
    c.put([parts[1]])
    c.settle()
    assert [c.chosen[slot] for slot in (2, 3, 4)] == [b"a", b"b", b"c"]


def test_parts_of_two_answers_do_not_make_one_promise(monkeypatch: pytest.MonkeyPatch) -> None:
    """P12. Between its answers to a Prepare and to its duplicate, node 2 learns slot 2 and cuts its votes elsewhere:
    (2, 3) (4, 5), then (3, 4) (5). The first part of one and the last of the other would lose slot 4.
    """
    monkeypatch.setattr(acceptor, "PART_VOTES_MAX", 2)
    c = Cluster()
    c.elect(1)
    for value in (b"a", b"b", b"c", b"d"):
        c.propose(1, value)
    c.deliver(Accept, to=2)
    c.drop(Accept)
    c.put([packet for packet in c.take(Accepted) if getattr(packet.message, "slot", 0) == 2])
    c.deliver(Accepted)
    assert c.commit_slots() == {1: 2, 2: 1, 3: 1}
    c.campaign(3)
    prepare = c.take(Prepare, to=2)
    c.put(prepare)
    c.deliver(Prepare, to=2)
    first, _ = c.take(Promise, to=3)
    c.cut(1, 3)
    step_down = c.replica(1).step_down(c.now)
    c.carry_out(c.nodes[1], step_down)
    c.run_timers()
    c.deliver(Heartbeat, frm=1, to=2)
    c.deliver(CatchUp, to=1)
    c.deliver(Learn, to=2)
    assert c.commit_slots()[2] == 2
    c.put(prepare)
    c.deliver(Prepare, to=2)
    _, second = c.take(Promise, to=3)
    c.put([first, second])
    c.deliver(Promise)
    assert c.replica(3).role is Role.CANDIDATE
    c.crash(1)
    c.heal()
    c.tick_until("a leader", leader_in=[2, 3])
    assert [c.chosen[slot] for slot in (2, 3, 4, 5)] == [b"a", b"b", b"c", b"d"]


def test_a_gap_becomes_a_noop_and_a_vote_beyond_it_is_kept() -> None:
    """P13. A new leader in the middle of a window: a survivor voted in slots 3 and 5 of 2 to 5."""
    c = Cluster()
    c.elect(1)
    for value in (b"a", b"b", b"c", b"d"):
        c.propose(1, value)
    accepts = c.take(Accept)
    c.put([packet for packet in accepts if packet.to == 2 and getattr(packet.message, "slot", 0) in (3, 5)])
    c.deliver(Accept)
    c.crash(1)
    c.elect(3)
    assert [c.chosen[slot] for slot in (2, 3, 4, 5)] == [NOOP, b"b", NOOP, b"d"]
    c.start(1)
    c.tick(0.5)
    assert len(set(c.commit_slots().values())) == 1


@pytest.mark.parametrize("reached", [(), (2,), (3,), (2, 3)])
def test_a_leader_dies_when_some_of_its_accepts_have_arrived(reached: tuple[int, ...]) -> None:
    """What any survivor voted for is kept; what nobody has may be dropped; nothing is chosen twice."""
    c = Cluster()
    c.elect(1)
    slot = c.propose(1, b"x")
    for node in reached:
        c.deliver(Accept, to=node)
    for packet in c.on_wire(Accept):
        c.wire.remove(packet)
    c.crash(1)
    c.elect(3)
    assert c.chosen[slot] == (b"x" if reached else NOOP)


def test_recovery_of_more_slots_than_the_window_holds() -> None:
    """The successor works through what the dead leader left, in order, and serves no client before."""
    c = Cluster(window=2)
    c.elect(1)
    c.propose(1, b"a")
    c.propose(1, b"b")
    c.deliver(Accept, to=2)
    c.wire.clear()
    c.crash(1)
    c.campaign(3)
    c.deliver(Prepare, to=2)
    c.deliver(Promise)
    assert c.leaders() == [3]
    assert not c.replica(3).can_propose(), "the no-op that opens its leadership still waits for room"
    c.settle()
    assert [c.chosen[slot] for slot in (2, 3, 4)] == [b"a", b"b", NOOP]
    assert c.replica(3).can_propose()


def test_a_candidate_far_behind_fetches_before_it_leads() -> None:
    """P15, P20 (b). Node 3 missed 50 slots; below what others know to be chosen nothing is empty."""
    c = Cluster()
    c.elect(1)
    c.isolate(3)
    c.write(1, *(f"v{n}".encode() for n in range(50)))
    c.heal()
    c.campaign(3)
    c.tick_until("node 3 leads", leader=3)
    assert c.commit_slots()[3] > 51
    assert [c.chosen[slot] for slot in (2, 51)] == [b"v0", b"v49"]


def test_compacted_slots_are_never_empty(monkeypatch: pytest.MonkeyPatch) -> None:
    """P15. What node 3 lacks exists in checkpoints only: it may not lead, and it may not stop the others."""
    monkeypatch.setattr(log, "TAIL_SLOTS", 2)
    c = Cluster()
    c.elect(1)
    c.isolate(3)
    c.write(1, b"a", b"b", b"c", b"d")
    for node in (1, 2):
        c.compact(node, 4)
    c.heal()
    c.campaign(3)
    c.settle()
    assert c.leaders() != [3]
    assert c.commit_slots()[3] == 1
    c.tick_until("one that knows leads", leader_in=[1, 2], within_s=4.0)
    c.write(c.leaders()[0], b"e")
    assert list(c.chosen.values())[-1] == b"e"

"""A full disk: no votes and no leadership, but promises still (P9)."""

from __future__ import annotations

import pytest

from paxoskv.paxos.effects import SaveVote
from paxoskv.paxos.messages import Accepted, CatchUp, Prepare, Promise
from paxoskv.paxos.replica import Role
from tests.paxos.world import Cluster


def fill(c: Cluster, *nodes: int, full: bool = True) -> None:
    """The disks of `nodes` are full, or have space again."""
    for node in nodes:
        c.carry_out(c.nodes[node], c.replica(node).on_disk_full(full, c.now))


def test_a_leader_whose_disk_is_full_hands_over_at_once_and_does_not_come_back() -> None:
    """No need to wait for silence: it says so with its next heartbeat."""
    c = Cluster()
    c.elect(1)
    fill(c, 1)
    assert c.leaders() == []
    c.tick_until("another leads", leader_in=[2, 3], within_s=1.0)
    c.write(c.leaders()[0], b"a")
    for node in (2, 3):
        c.carry_out(c.nodes[node], c.replica(node).step_down(c.now))
        c.tick(1.0)
        assert c.leaders() in ([2], [3])


def test_a_candidate_whose_disk_fills_up_gives_up() -> None:
    c = Cluster()
    c.campaign(2)
    fill(c, 2)
    c.settle()
    assert c.replica(2).role is Role.FOLLOWER


def test_a_full_node_promises_but_does_not_vote() -> None:
    """Its promise elects; its vote would not be durable, so it is missing."""
    c = Cluster()
    c.elect(1)
    c.crash(1)
    fill(c, 2)
    c.campaign(3)
    c.deliver(Prepare, to=2)
    c.deliver(Promise)
    assert c.leaders() == [3]
    c.settle()
    assert not c.on_wire(Accepted, frm=2)
    assert not any(isinstance(write, SaveVote) for _, writes in c.nodes[2].cache for write in writes)
    assert c.commit_slots()[3] == 1, "the no-op of its leadership has one vote of two"
    fill(c, 2, full=False)
    c.tick(0.5)
    c.write(3, b"a")
    assert list(c.chosen.values())[-1] == b"a"


def test_a_full_follower_falls_behind_and_catches_up_when_there_is_space() -> None:
    c = Cluster()
    c.elect(1)
    fill(c, 3)
    c.write(1, b"a", b"b", b"c")
    assert c.commit_slots()[3] == 1
    asked = 0
    for _ in range(50):
        c.now += 0.01
        c.run_timers()
        asked += len(c.on_wire(CatchUp, frm=3))
        c.settle()
    assert asked == 0, "what it learned would have to be written"
    fill(c, 3, full=False)
    c.tick(0.5)
    assert len(set(c.commit_slots().values())) == 1


@pytest.mark.parametrize("space", [1, 2, 3])
def test_when_all_disks_are_full_nobody_leads_until_a_quorum_has_space(space: int) -> None:
    c = Cluster()
    c.elect(1)
    c.write(1, b"a")
    fill(c, 1, 2, 3)
    c.tick(2.0)
    assert c.leaders() == []
    promised = c.replica(1).promised
    c.tick(2.0)
    assert c.replica(1).promised == promised, "no ballots are used up"
    fill(c, *range(1, space + 1), full=False)
    c.tick(2.0)
    assert len(c.leaders()) == 1
    slot = max(c.chosen)
    if space > 1:
        c.write(c.leaders()[0], b"b")
        assert c.chosen[slot + 1] == b"b"
    else:
        assert max(c.chosen) == slot, "the vote of one is no quorum"

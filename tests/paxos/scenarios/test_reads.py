"""Reads without writing: what would make them stale (P23), and late messages of a former life (P31)."""

from __future__ import annotations

import pytest

from paxoskv.paxos.messages import (
    Accept,
    Accepted,
    Ask,
    Grant,
    Heartbeat,
    HeartbeatAck,
    Learn,
    Message,
    Prepare,
    Promise,
    ReadAnswer,
    ReadAsk,
)
from paxoskv.paxos.replica import Role
from tests.paxos.world import Cluster, Packet


def test_no_read_before_the_new_leader_has_finished_what_it_recovered() -> None:
    """P23 (1). Slot 2 was acknowledged by the dead leader; its successor has the value, and does not know yet."""
    c = Cluster()
    c.elect(1)
    slot = c.propose(1, b"acknowledged")
    c.deliver(Accept, to=2)
    c.deliver(Accepted)
    assert c.commit_slots()[1] == slot
    c.crash(1)
    c.wire.clear()
    c.campaign(2)
    c.deliver(Prepare, to=3)
    c.deliver(Promise, to=2)
    accepts = c.take(Accept)
    read = c.read(2)
    c.settle()
    assert c.commit_slots()[2] < slot
    assert read not in c.reads_done
    c.put(accepts)
    c.settle()
    assert c.reads_done[read] == "ready"


def test_a_confirmation_under_way_does_not_serve_reads_that_arrive_later() -> None:
    """P23 (2). The acks were given before the new leader was elected; the read came after it had written."""
    c = Cluster()
    c.elect(1)
    early = c.read(1)
    c.deliver(Heartbeat)
    acks = c.take(HeartbeatAck, to=1)
    c.campaign(3)
    c.deliver(Prepare, to=2)
    c.deliver(Promise, to=3)
    c.cut(1, 2)
    c.cut(1, 3)
    c.wire = [packet for packet in c.wire if packet.to != 1 and packet.frm != 1]
    c.write(3, b"new")
    assert c.replica(1).role is Role.LEADER
    late = c.read(1)
    c.put(acks)
    c.deliver(HeartbeatAck, to=1)
    assert c.reads_done.get(early) in (None, "ready")
    assert late not in c.reads_done
    c.tick(1.0)
    assert c.reads_done[late] == "failed"


def test_acks_of_an_earlier_round_do_not_confirm_a_later_one() -> None:
    """P23 (3): a round has one number, for ever."""
    c = Cluster()
    c.elect(1)
    c.tick(0.04)
    c.run_timers()
    c.now += 0.05
    c.run_timers()
    c.deliver(Heartbeat)
    acks = c.take(HeartbeatAck, to=1)
    read = c.read(1)
    c.wire.clear()
    c.put(acks)
    c.deliver(HeartbeatAck)
    assert read not in c.reads_done
    c.tick(0.1)
    assert c.reads_done[read] == "ready"


def test_a_read_dies_with_the_leadership_that_was_to_confirm_it() -> None:
    """P23 (4): even if the same node leads again, under another ballot, before the acks arrive."""
    c = Cluster()
    c.elect(1)
    read = c.read(1)
    c.deliver(Heartbeat)
    acks = c.take(HeartbeatAck, to=1)
    c.elect(3)
    assert c.reads_done[read] == "failed"
    c.elect(1)
    again = c.read(1)
    c.wire.clear()
    c.put(acks)
    c.deliver(HeartbeatAck)
    assert again not in c.reads_done


def test_a_follower_answers_when_it_has_applied_the_slot() -> None:
    """P23 (5)."""
    c = Cluster()
    c.elect(1)
    c.cut_one_way(1, 3)
    c.propose(1, b"x")
    c.settle()
    c.heal()
    assert c.commit_slots()[3] == 1
    read = c.read(3)
    c.deliver(ReadAsk)
    c.deliver(Heartbeat)
    c.deliver(HeartbeatAck)
    c.deliver(ReadAnswer)
    assert read not in c.reads_done
    c.tick(0.3)
    assert c.reads_done[read] == "ready"
    assert c.commit_slots()[3] == 2


def test_a_read_does_not_hang_at_a_follower_that_cannot_catch_up() -> None:
    """P33: it has missed a slot, and every lesson about it gets lost; its client may ask another node."""
    c = Cluster()
    c.elect(1)
    c.cut_one_way(1, 3)
    c.propose(1, b"x")
    c.settle()
    c.heal()
    read = c.read(3)
    for _ in range(100):
        c.now += 0.01
        c.run_timers()
        while c.wire:
            packet = c.wire.pop(0)
            if not isinstance(packet.message, Learn):
                c.hand(packet)
    assert c.commit_slots() == {1: 2, 2: 2, 3: 1}
    assert c.reads_done[read] == "failed"


def test_a_deposed_leader_that_knows_nothing_of_it_answers_no_read() -> None:
    """Cut off, it may believe for an election timeout; its reads wait for a quorum that never comes."""
    c = Cluster()
    c.elect(1)
    c.isolate(1)
    c.campaign(3)
    c.settle()
    c.write(3, b"new")
    read = c.read(1)
    c.tick(1.0)
    assert c.reads_done[read] == "failed"


def test_a_leader_that_stood_still_answers_no_read_from_the_past() -> None:
    """R6, P42: the read arrives in the first moment after the pause, before any timer."""
    c = Cluster()
    c.elect(1)
    c.pause(1)
    c.tick_until("a successor", leader_in=[2, 3])
    c.write(next(leader for leader in c.leaders() if leader != 1), b"new")
    c.resume(1)
    read = c.read(1)
    c.settle()
    assert c.reads_done[read] == "failed"


@pytest.mark.parametrize("reader", [1, 2, 3])
@pytest.mark.parametrize("lost", [Heartbeat, HeartbeatAck, ReadAsk, ReadAnswer])
def test_no_read_hangs_whatever_is_lost(reader: int, lost: type[Message]) -> None:
    """A read comes back, answered or failed, within an election timeout and a bit of the loss being over."""
    c = Cluster()
    c.elect(1)
    c.run_timers()
    reads = []
    for _ in range(5):
        reads.append(c.read(reader))
        for packet in c.on_wire(lost):
            c.wire.remove(packet)
        c.settle()
        c.now += 0.01
    c.tick(0.6)
    assert {c.reads_done.get(read, "hangs") for read in reads} <= {"ready", "failed"}


def test_two_are_enough_to_confirm_a_read_if_two_are_enough_to_choose() -> None:
    """Flexible quorums: any four that could elect another leader meet the two."""
    c = Cluster(nodes=5, phase2=2)
    c.elect(1)
    for node in (3, 4, 5):
        c.crash(node)
    c.tick(0.1)
    assert c.leaders() == [1]
    read = c.read(1)
    c.settle()
    assert c.reads_done[read] == "ready"


def test_everything_twice_changes_nothing() -> None:
    """P31: every message is delivered twice, the second time after all others."""
    c = Cluster()
    reads = []
    for step in range(300):
        c.now += 0.01
        c.run_timers()
        for leader in c.leaders():
            if step % 10 == 0 and c.replica(leader).can_propose():
                c.propose(leader, b"v%d" % step)
            reads.append(c.read(step % 3 + 1))
        again = []
        while c.wire:
            packet = c.wire.pop(0)
            again.append(packet)
            c.hand(packet)
        for packet in again:
            c.hand(packet)
    c.tick(0.5)
    values = list(c.chosen.values())
    assert len(values) > 20
    assert len(values) - values.count(b"") == len(set(values) - {b""}), "each write once"
    assert c.oracle.ballots_used == 1
    assert all(c.reads_done[read] == "ready" for read in reads)


def test_messages_to_a_former_life_mean_nothing_to_the_next() -> None:
    """P31: Grant, HeartbeatAck and ReadAnswer of before the restart, delivered at the moment they would fit best."""
    c = Cluster()
    c.elect(1)
    read = c.read(3)
    c.deliver(ReadAsk)
    c.deliver(Heartbeat)
    c.deliver(HeartbeatAck, to=1)
    answers = c.take(ReadAnswer, to=3)
    c.restart(3)
    c.tick(0.1)
    assert read not in c.reads_done
    c.write(1, b"x")
    late = c.read(3)
    c.take(ReadAsk)
    c.put(answers)
    c.deliver(ReadAnswer)
    assert late not in c.reads_done


def test_consent_given_to_a_former_life_elects_nobody() -> None:
    """P31, P21."""
    c = Cluster()
    grants: list[Packet] = []
    while not grants:
        c.now += 0.01
        c.run_timers()
        while c.wire:
            packet = c.wire.pop(0)
            if isinstance(packet.message, Grant):
                grants.append(packet)
            else:
                c.hand(packet)
    [node] = {packet.to for packet in grants}
    c.restart(node)
    c.put(grants)
    c.settle()
    assert c.replica(node).role is Role.FOLLOWER


def test_an_ack_to_a_former_life_proves_no_link() -> None:
    """P31, P21: the new life has begun as many rounds as the old one; it hears nobody, so it must not ask."""
    c = Cluster()
    c.run_timers()
    c.deliver(Heartbeat)
    late = c.take(HeartbeatAck, to=3)
    c.drop(HeartbeatAck)
    c.restart(3)
    asked = []
    for _ in range(20):
        c.now += 0.01
        c.run_timers()
        asked += c.on_wire(Ask, frm=3)
        c.wire.clear()
        for packet in late:
            c.hand(packet)
    assert asked == []


def test_late_votes_for_a_former_leadership_of_the_same_node_do_not_count() -> None:
    """P11, P31: node 1 leads again; votes of its former ballot in the same slot are of another proposal."""
    c = Cluster()
    c.elect(1)
    slot = c.propose(1, b"old")
    c.deliver(Accept, to=2)
    late = c.take(Accepted, to=1)
    c.wire.clear()
    c.restart(1)
    c.campaign(1)
    c.deliver(Prepare, to=3)
    c.deliver(Promise)
    assert c.leaders() == [1]
    c.put(late)
    c.deliver(Accepted, to=1)
    assert c.commit_slots()[1] == slot - 1
    c.settle()
    assert c.chosen[slot] == b"old"

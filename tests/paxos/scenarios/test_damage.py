"""Records that turn out to be damaged: never "nothing accepted", never in the way for good (P5, P13, P15)."""

from __future__ import annotations

import pytest

from paxoskv.paxos import log
from paxoskv.paxos.ballot import NOOP
from paxoskv.paxos.effects import SaveVote
from paxoskv.paxos.messages import Accept, Accepted, CatchUp, Heartbeat, Learn, Prepare, Promise
from paxoskv.paxos.replica import Role
from tests.paxos.world import Cluster


def damage(c: Cluster, node: int, *slots: int) -> None:
    """The records of `slots` turn out to be damaged at the node's next start."""
    c.crash(node)
    c.nodes[node].journal.damaged |= set(slots)
    c.start(node)


def written(c: Cluster, values: int = 8) -> None:
    """Node 1 leads; every node knows slots 1 to values + 1 to be chosen, the followers' journals two less."""
    c.elect(1)
    c.write(1, *(b"v%d" % number for number in range(values)))


def assert_repaired(c: Cluster, node: int) -> None:
    """Every record is sound again, and the node is level with the others."""
    assert c.nodes[node].journal.damaged == set()
    assert c.replica(node).damaged_slots == []
    assert len({slot for one, slot in c.commit_slots().items() if c.nodes[one].up}) == 1


def test_a_damaged_chosen_record_is_fetched_and_the_rest_read_from_the_journal() -> None:
    """Slots 4 and 5 come from a peer; 6 and 7 are known to be chosen and sound: nobody is asked for them."""
    c = Cluster()
    written(c)
    damage(c, 3, 4, 5)
    assert c.commit_slots()[3] == 3, "what the state machine may be told at once"
    assert c.replica(3).log.known_slot == 7, "what the journal knows to be chosen"
    asked = []
    for _ in range(60):
        c.now += 0.01
        c.run_timers()
        while c.wire:
            packet = c.wire.pop(0)
            if isinstance(packet.message, CatchUp) and packet.frm == 3:
                asked.append((packet.message.from_slot, packet.message.to_slot))
            c.hand(packet)
    assert asked[0] == (4, 5)
    assert all(first >= 8 for first, _ in asked[1:])
    assert_repaired(c, 3)
    assert c.replica(3).log.mended == 2


def test_a_repairing_node_leaves_reads_to_others() -> None:
    """They would wait for as long as the repair takes."""
    c = Cluster()
    written(c)
    damage(c, 3, 4)
    c.now += 0.05
    c.run_timers()
    for packet in c.take(Heartbeat, frm=1, to=3):
        c.hand(packet)
    token = c.read(3)
    assert c.replica(3).leader == 1
    assert c.reads_done == {token: "failed"}
    c.tick(0.5)
    token = c.read(3)
    c.tick(0.1)
    assert c.reads_done[token] == "ready"


def test_everything_damaged_is_learned_anew() -> None:
    c = Cluster()
    written(c)
    damage(c, 3, *range(1, 9))
    c.tick(0.5)
    assert_repaired(c, 3)


def test_a_repairing_node_votes_in_new_slots_meanwhile() -> None:
    """Node 3 is dead, so every write needs node 2, whose questions are all lost."""
    c = Cluster()
    written(c)
    c.crash(3)
    damage(c, 2, 4)
    for _ in range(20):
        c.now += 0.01
        c.run_timers()
        while c.wire:
            packet = c.wire.pop(0)
            if not isinstance(packet.message, CatchUp):
                c.hand(packet)
    slot = c.propose(1, b"new")
    c.deliver(Accept, to=2)
    c.deliver(Accepted)
    assert c.chosen[slot] == b"new"
    assert c.commit_slots()[2] == 3
    c.tick(0.5)
    assert_repaired(c, 2)


def slot_known_to_one_that_lost_it(c: Cluster) -> None:
    """ "chosen" is in slot 2 by nodes 1 and 2. Node 3 missed all; node 1 dies; node 2 finds slot 2 damaged."""
    c.elect(1)
    c.isolate(3)
    c.write(1, b"chosen", b"a", b"b", b"c")
    assert c.nodes[2].journal.commit_slot == 3
    c.crash(1)
    damage(c, 2, 2)
    c.heal()


def test_a_damaged_chosen_slot_is_never_empty() -> None:
    """P13. If node 2's silence passed for "nothing accepted", node 3 would fill slot 2 with a no-op."""
    c = Cluster()
    slot_known_to_one_that_lost_it(c)
    c.tick(2.0)
    assert c.leaders() == [], "nodes 2 and 3 together cannot know slot 2"
    c.start(1)
    c.tick_until("with node 1 they can", leader_in=[1, 2, 3])
    c.tick(0.5)
    assert c.chosen[2] == b"chosen"
    assert_repaired(c, 2)


@pytest.mark.parametrize("candidate", [2, 3])
def test_slots_above_a_damaged_one_are_not_empty_either(candidate: int) -> None:
    """Node 2 knows 2 and 3 to be chosen and reports neither: they must not look as if nobody had voted there."""
    c = Cluster()
    slot_known_to_one_that_lost_it(c)
    c.campaign(candidate)
    c.deliver(Prepare)
    [packet] = c.on_wire(Promise)
    c.settle()
    assert c.replica(candidate).role is Role.CANDIDATE
    if candidate == 3:
        assert isinstance(packet.message, Promise)
        assert (packet.message.commit_slot, packet.message.known_slot, packet.message.votes[0][0]) == (1, 3, 4)


def test_a_candidate_that_missed_only_the_slots_above_the_damaged_one_does_not_fill_them() -> None:
    """Node 3 knows slot 2, which node 2 lost, but not slot 3, which node 2 knows to be chosen and does not report.

    If node 2's silence about slot 3 passed for "nothing accepted", node 3 would write over it.
    """
    c = Cluster()
    c.elect(1)
    c.write(1, b"chosen")
    c.isolate(3)
    c.write(1, b"a", b"b", b"c")
    c.crash(1)
    damage(c, 2, 2)
    c.heal()
    c.campaign(3)
    c.deliver(Prepare)
    c.deliver(Promise)
    assert c.replica(3).role is Role.CANDIDATE
    c.tick_until("node 2 is taught slot 2, and then tells", leader_in=[2, 3], within_s=4.0)
    c.tick(0.3)
    assert c.chosen[3] == b"a"
    assert_repaired(c, 2)


def test_what_the_journal_of_nobody_holds_is_a_halt_and_not_a_guess() -> None:
    """Slot 2 was chosen by nodes 1 and 2 and is damaged at both: node 3 never saw it. Nobody leads, ever."""
    c = Cluster()
    slot_known_to_one_that_lost_it(c)
    c.start(1)
    damage(c, 1, 2)
    c.tick(5.0)
    assert c.leaders() == []
    assert c.chosen[2] == b"chosen"


def test_two_damaged_journals_complete_each_other() -> None:
    """Node 1 lost slot 3, node 2 slot 5, node 3 has missed both; all start at once."""
    c = Cluster()
    c.elect(1)
    c.isolate(3)
    c.write(1, *(b"v%d" % number for number in range(8)))
    for node in c.nodes:
        c.crash(node)
    c.nodes[1].journal.damaged = {3}
    c.nodes[2].journal.damaged = {5}
    c.heal()
    for node in c.nodes:
        c.start(node)
    c.tick_until("they lead", leader_in=[1, 2, 3], within_s=8.0)
    c.tick(0.5)
    for node in c.nodes:
        assert_repaired(c, node)


def test_a_leader_that_needs_the_damaged_node_has_its_vote_in_the_damaged_slot() -> None:
    """Phase 1 of 2, phase 2 of 4 among five, and node 5 is dead: nothing is chosen without node 1.

    Node 1 alone remembers durably that slot 2 is chosen, and its record is damaged. Were it to stay away until somebody
    can teach it the slot, all would wait for one another.
    """
    c = Cluster(nodes=5, phase2=4)
    c.elect(2)
    c.hold_disk(2)
    c.write(2, b"chosen")
    for node in (2, 3, 4):
        c.hold_disk(node)
    c.write(2, b"more")
    for node in c.nodes:
        c.crash(node)
    assert [c.nodes[node].journal.commit_slot for node in (1, 3, 4)] == [2, 1, 1]
    c.nodes[1].journal.damaged = {2}
    for node in (1, 2, 3, 4):
        c.start(node)
    c.tick_until("nodes 1 to 4 elect", leader_in=[1, 2, 3, 4], within_s=8.0)
    c.write(c.leaders()[0], b"on")
    assert c.chosen[2] == b"chosen"
    assert list(c.chosen.values())[-1] == b"on"
    assert_repaired(c, 1)


@pytest.mark.parametrize("synced", range(5))
def test_a_crash_at_every_point_of_a_repair(synced: int) -> None:
    """`synced` of the transactions of the repair are durable when the node dies; the next life does the rest."""
    c = Cluster()
    written(c)
    damage(c, 3, 2, 4, 5, 7)
    c.hold_disk(3)
    c.tick(0.4)
    c.sync(3, synced)
    c.restart(3)
    c.tick(0.6)
    assert_repaired(c, 3)


def test_a_new_leader_in_the_middle_of_a_repair() -> None:
    """The answer to node 3's question arrives after the leader died and another one took over, and twice."""
    c = Cluster()
    written(c)
    damage(c, 3, 4)
    while not c.on_wire(CatchUp, frm=3):
        c.now += 0.01
        c.run_timers()
        for packet in [packet for packet in c.wire if not isinstance(packet.message, CatchUp)]:
            c.wire.remove(packet)
            c.hand(packet)
    c.deliver(CatchUp, frm=3)
    late = c.take(Learn, to=3)
    c.wire.clear()
    c.crash(1)
    c.elect(2)
    c.write(2, b"x")
    c.put(late + late)
    c.settle()
    assert_repaired(c, 3)
    assert c.nodes[3].journal.votes[4].value == b"v2"


def test_a_late_accept_does_not_pass_for_the_lost_value() -> None:
    """P1a: node 2 voted for "late" nowhere, but a deposed leader still offers it in the slot that was lost."""
    c = Cluster()
    c.elect(1)
    slot = c.propose(1, b"late")
    late = c.take(Accept)
    c.wire.clear()
    c.crash(1)
    c.elect(3)
    c.write(3, b"a", b"b", b"c")
    assert c.chosen[slot] == NOOP
    c.crash(3)
    damage(c, 2, slot)
    c.put(late)
    c.settle()
    assert slot in c.replica(2).damaged_slots
    c.start(3)
    c.tick_until("somebody leads", leader_in=[2, 3])
    c.tick(0.3)
    assert c.nodes[2].journal.votes[slot].value == NOOP


def test_an_open_damaged_slot_waits_for_others_and_is_voted_in_again() -> None:
    """Phase 1 with a faulty slot: of five, two reports are sound and one is not; the fourth decides."""
    c = Cluster(nodes=5)
    c.elect(1)
    slot = c.propose(1, b"x")
    c.deliver(Accept, to=2)
    c.deliver(Accept, to=3)
    c.wire.clear()
    c.crash(1)
    damage(c, 2, slot)
    c.crash(5)
    c.tick(1.0)
    assert c.leaders() == [], "sound for the slot are 3 and 4 alone"
    c.start(5)
    c.tick_until("with node 5 they are three", leader_in=[2, 3, 4, 5])
    c.tick(0.5)
    assert c.chosen[slot] == b"x"
    assert c.replica(2).damaged_slots == []


# Damage that is found while the node runs


def test_damage_found_later_is_mended_from_memory() -> None:
    """Open or chosen: what is in memory is what was said."""
    c = Cluster()
    written(c)
    c.hold_disk(2)
    c.propose(1, b"open")
    c.settle()
    out = c.replica(2).on_damaged([5, 9, 10], c.now)
    assert [(w.slot, w.commit_slot) for w in out.persist if isinstance(w, SaveVote)] == [(5, 9), (9, 9), (10, 9)]
    assert out.send_now == []


def test_damage_found_later_is_mended_by_peers(monkeypatch: pytest.MonkeyPatch) -> None:
    """The values left memory long ago; the leader does not answer, another peer does."""
    monkeypatch.setattr(log, "TAIL_SLOTS", 2)
    c = Cluster()
    written(c)
    c.nodes[3].journal.damaged = {2, 3, 5}
    c.carry_out(c.nodes[3], c.replica(3).on_damaged([2, 3, 5], c.now))
    assert c.replica(3).damaged_slots == [2, 3, 5]
    c.drop(CatchUp, frm=3)
    c.cut(1, 3)
    c.tick(1.0)
    assert_repaired(c, 3)
    assert c.replica(3).log.mended == 3


def test_a_leader_mends_its_journal_without_giving_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(log, "TAIL_SLOTS", 2)
    c = Cluster()
    written(c)
    c.nodes[1].journal.damaged = {3}
    c.carry_out(c.nodes[1], c.replica(1).on_damaged([3], c.now))
    c.tick(0.5)
    assert c.leaders() == [1]
    assert_repaired(c, 1)


def test_a_teacher_that_cannot_read_its_own_record_repairs_itself_first(monkeypatch: pytest.MonkeyPatch) -> None:
    """Node 3 is taught by the leader, which finds slot 3 damaged in its journal when it is asked; node 2 has it."""
    monkeypatch.setattr(log, "TAIL_SLOTS", 2)
    c = Cluster()
    c.elect(1)
    c.isolate(3)
    c.write(1, *(b"v%d" % number for number in range(8)))
    c.nodes[1].journal.damaged = {3}
    c.heal()
    c.tick(1.0)
    assert_repaired(c, 1)
    assert_repaired(c, 3)


def test_what_was_mended_but_not_yet_durable_is_damaged_again_after_a_crash(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(log, "TAIL_SLOTS", 2)
    c = Cluster()
    written(c)
    c.hold_disk(3)
    c.nodes[3].journal.damaged = {3}
    c.carry_out(c.nodes[3], c.replica(3).on_damaged([3], c.now))
    c.tick(0.2)
    assert c.replica(3).damaged_slots == []
    c.restart(3)
    assert c.replica(3).damaged_slots == [3]
    c.tick(0.5)
    assert_repaired(c, 3)


def test_our_own_journal_damaged_further_on_while_it_teaches_us() -> None:
    """Slot 4 is fetched; then 6, which passed at the start, cannot be read any more."""
    c = Cluster()
    written(c)
    damage(c, 3, 4)
    c.nodes[3].journal.damaged.add(6)
    c.tick(1.0)
    assert_repaired(c, 3)

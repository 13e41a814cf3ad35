"""One test for every sentence of the notes on "Paxos Made Simple" that the core has to keep, quoted on top.

One decree of the paper is one slot here; "number" is a ballot, "accept" is to vote.
"""

from __future__ import annotations

import random

import pytest

from paxoskv.paxos.acceptor import Acceptor
from paxoskv.paxos.ballot import NO_BALLOT, NOOP, Ballot, NodeId, Vote
from paxoskv.paxos.candidate import safe_value
from paxoskv.paxos.effects import Effects
from paxoskv.paxos.log import Log
from paxoskv.paxos.messages import Accept, Accepted, Envelope, Heartbeat, Prepare, Promise, Rejected
from paxoskv.paxos.replica import Role
from tests.paxos.world import Cluster

LOW, MID, HIGH = Ballot(1, 2), Ballot(2, 1), Ballot(3, 3)


def prepare(acceptor: Acceptor, ballot: Ballot) -> Promise | Rejected:
    out = Effects()
    acceptor.on_prepare(ballot.node, Prepare(ballot, 1), out)
    [envelope] = out.send_now + out.send_synced
    assert isinstance(envelope.message, Promise | Rejected)
    return envelope.message


def accept(acceptor: Acceptor, ballot: Ballot, value: bytes = b"v", slot: int = 1) -> Accepted | Rejected:
    out = Effects()
    acceptor.on_accept(ballot.node, Accept(ballot, slot, value, 0), out)
    [envelope] = out.send_now + out.send_synced
    assert isinstance(envelope.message, Accepted | Rejected)
    return envelope.message


def fresh(promised: Ballot = NO_BALLOT, votes: dict[int, Vote] | None = None) -> Acceptor:
    return Acceptor(1, Log(0, votes or {}), promised, 0)


# Assumptions


def test_each_agent_can_fail_and_restart() -> None:
    """ "each agents operate at arbitrary speed, can fail and restart" """
    c = Cluster()
    c.elect(1)
    for node in (3, 2, 1):
        c.restart(node)
        c.tick_until("a leader", leader_in=[1, 2, 3])
        c.write(c.leaders()[0], b"after %d" % node)
    assert [b"after %d" % node in c.chosen.values() for node in (1, 2, 3)] == [True] * 3


@pytest.mark.parametrize("seed", range(5))
def test_messages_can_be_delayed_lost_and_duplicated(seed: int) -> None:
    """ "messages can be delayed, lost, duplicated" """
    rng, c = random.Random(seed), Cluster(seed=seed)
    for step in range(600):
        c.now += 0.01
        c.run_timers()
        for leader in c.leaders():
            if c.replica(leader).can_propose():
                c.propose(leader, b"%d" % step)
        rng.shuffle(c.wire)
        packets, c.wire = c.wire, []
        for packet in packets:
            fate = rng.random()
            if fate < 0.2:
                continue
            if fate < 0.5:
                c.put([packet])
            if fate > 0.3:
                c.hand(packet)
    assert len(c.chosen) > 10
    c.tick(3.0)
    assert len(set(c.commit_slots().values())) == 1


# The proposer's requirements


def test_p1_an_acceptor_accepts_the_first_proposal_it_receives() -> None:
    """ "P1. An acceptor must accept the first proposal that it receives." """
    assert accept(fresh(), LOW) == Accepted(LOW, 1)


def test_an_acceptor_may_accept_more_than_one_proposal() -> None:
    """ "The acceptor must be allowed to accept more than one proposal and the proposal is labeled with number" """
    acceptor = fresh()
    assert accept(acceptor, LOW, b"a") == Accepted(LOW, 1)
    assert accept(acceptor, MID, b"b") == Accepted(MID, 1)
    assert prepare(acceptor, HIGH) == Promise(HIGH, 0, 1, 0, 0, ((1, Vote(MID, b"b")),), (), 1, 0)


def chosen_then_contested() -> Cluster:
    """ "v" is chosen by nodes 1 and 2 alone; then node 3, which never heard of it, takes the lead."""
    c = Cluster()
    c.elect(1)
    c.cut(1, 3)
    c.propose(1, b"v")
    c.deliver(Accept, to=2)
    c.deliver(Accepted, to=1)
    assert c.chosen[2] == b"v"
    c.crash(1)
    c.wire.clear()
    c.campaign(3)
    c.settle()
    assert c.leaders() == [3]
    return c


def test_p2_every_higher_numbered_proposal_that_is_chosen_has_the_chosen_value() -> None:
    """ "P2. If a proposal with value v is chosen, then every higher-numbered proposal that is chosen has value v." """
    c = chosen_then_contested()
    assert c.commit_slots()[3] >= 2, "chosen again, under node 3's number"
    assert c.chosen[2] == b"v"


def test_p2a_every_higher_numbered_proposal_accepted_has_the_chosen_value() -> None:
    """ "P2a. If a proposal with value v is chosen, then every higher-numbered proposal accepted by any acceptor has
    value v" """
    c = chosen_then_contested()
    for node in (2, 3):
        vote = c.nodes[node].journal.votes[2]
        assert (vote.ballot, vote.value) == (c.replica(3).ballot, b"v")


def test_p2b_every_higher_numbered_proposal_issued_has_the_chosen_value() -> None:
    """ "P2b. If a proposal with value v is chosen, then every higher-numbered proposal issued by any proposer has value
    v." """
    c = Cluster()
    c.elect(1)
    c.write(1, b"v")
    issued = []
    for leader in (2, 3, 1, 3):
        c.campaign(leader)
        while c.wire:
            packet = c.wire.pop(0)
            if isinstance(packet.message, Accept):
                issued.append(packet.message)
            c.hand(packet)
        c.restart(leader % 3 + 1)
        c.tick(0.5)
    assert all(message.value == b"v" for message in issued if message.slot == 2)
    assert c.chosen[2] == b"v"


def test_p2c_a_nobody_in_a_majority_has_accepted_anything() -> None:
    """ "P2c. ... either (a) no acceptor in S has accepted any proposal numbered less than n" """
    assert safe_value([{}, {2: Vote(LOW, b"elsewhere")}], 1) == NOOP


def test_p2c_b_the_value_of_the_highest_numbered_proposal_among_those_accepted() -> None:
    """ "(b) v is the value of the highest-numbered proposal among all proposals numbered less than n accepted by the
    acceptors in S." """
    reports = [{1: Vote(LOW, b"low")}, {1: Vote(MID, b"mid")}, {}]
    assert safe_value(reports, 1) == b"mid"
    assert safe_value(list(reversed(reports)), 1) == b"mid"


# The algorithm


def test_prepare_request_a_a_promise_never_again_to_accept_a_lower_number() -> None:
    """ "(a) A promise never again to accept a proposal numbered less than n" """
    acceptor = fresh()
    prepare(acceptor, HIGH)
    assert accept(acceptor, MID) == Rejected(MID, HIGH)
    assert accept(acceptor, MID, slot=99) == Rejected(MID, HIGH), "in no slot"


def test_prepare_request_b_the_proposal_with_the_highest_number_it_has_accepted() -> None:
    """ "(b) The proposal with the highest number less than n that it has accepted, if any." """
    acceptor = fresh()
    accept(acceptor, LOW, b"a")
    accept(acceptor, MID, b"b")
    answer = prepare(acceptor, HIGH)
    assert isinstance(answer, Promise)
    assert answer.votes == ((1, Vote(MID, b"b")),)
    assert prepare(fresh(), LOW) == Promise(LOW, 0, 1, 0, 0, (), (), 1, 0)


def test_accept_request_only_after_a_majority_has_answered() -> None:
    """ "If the proposer receives the requested responses from a majority of the acceptors, then it can issue a
    proposal" """
    c = Cluster(nodes=5)
    c.campaign(1)
    c.deliver(Prepare, to=2)
    c.deliver(Promise)
    assert not c.on_wire(Accept)
    c.deliver(Prepare, to=3)
    c.deliver(Promise)
    assert len(c.on_wire(Accept)) == 4


def test_accept_request_any_value_if_no_proposals_were_reported() -> None:
    """ "or is any value selected by the proposer if the responders reported no proposals" """
    c = Cluster()
    c.elect(1)
    slot = c.propose(1, b"the client's")
    c.settle()
    assert c.chosen[slot] == b"the client's"


@pytest.mark.parametrize("promised", [NO_BALLOT, LOW, MID])
def test_p1a_accepts_unless_a_higher_number_was_promised(promised: Ballot) -> None:
    """ "P1a. An acceptor can accept a proposal numbered n iff it has not responded to a prepare request having a number
    greater than n." If:"""
    assert accept(fresh(promised), MID) == Accepted(MID, 1)


def test_p1a_rejects_if_a_higher_number_was_promised() -> None:
    """ "... iff ..." Only if:"""
    assert accept(fresh(HIGH), MID) == Rejected(MID, HIGH)


def test_the_loser_of_phase_1_is_told() -> None:
    """ "if n+1's prepare is accepted, ... ignore n's prepare request": it is answered, for the loser to give up."""
    acceptor = fresh()
    prepare(acceptor, HIGH)
    assert prepare(acceptor, MID) == Rejected(MID, HIGH)


def test_an_answer_may_still_be_given_while_the_higher_number_is_not_promised() -> None:
    """ "if n hasn't reply n+1's prepare request, it can still response n's accept request" """
    acceptor = fresh()
    prepare(acceptor, MID)
    assert accept(acceptor, MID) == Accepted(MID, 1)


def test_an_acceptor_remembers_its_votes_and_its_promise_across_a_restart() -> None:
    """ "Acceptor remember only 1. the highest-numbered proposal that it has ever accepted 2. the number of the
    highest-numbered prepare request to which it has responded." """
    c = Cluster()
    c.elect(1)
    slot = c.propose(1, b"v")
    c.deliver(Accept, to=2)
    c.wire.clear()
    c.campaign(3)
    c.deliver(Prepare, to=2)
    promised = c.replica(2).promised
    assert promised == c.replica(3).promised
    c.restart(2)
    assert c.replica(2).promised == promised
    assert c.replica(2).log.votes[slot].value == b"v"


def test_phase_1a_a_new_number_to_all() -> None:
    """ "(a) A proposer selects a proposal number n and sends a prepare request with number n to a majority of
    acceptors." """
    c = Cluster(nodes=5)
    c.campaign(4)
    [ballot] = {packet.message.ballot for packet in c.on_wire(Prepare) if isinstance(packet.message, Prepare)}
    assert ballot.node == 4
    assert {packet.to for packet in c.on_wire(Prepare)} == {1, 2, 3, 5}


@pytest.mark.parametrize(("promised", "answers"), [(LOW, True), (MID, True), (HIGH, False)])
def test_phase_1b_promises_what_is_not_below_its_promise(promised: Ballot, answers: bool) -> None:
    """ "(b) If an acceptor receives a prepare request with number n greater than that of any prepare request to which
    it has already responded, then it responds": an equal one is the same proposer's, repeated."""
    assert isinstance(prepare(fresh(promised), MID), Promise if answers else Rejected)


def test_phase_2a_the_value_of_the_highest_numbered_report_is_sent() -> None:
    """ "it sends an accept request ... with a value v, where v is the value of the highest-numbered proposal among the
    responses" """
    c = Cluster(nodes=5)
    first_vote(c, 1, b"low", voter=2)
    first_vote(c, 3, b"high", voter=4)
    c.crash(1)
    c.crash(3)
    c.campaign(5)
    c.settle()
    assert c.chosen[1] == b"high"


def first_vote(c: Cluster, node: NodeId, value: bytes, voter: NodeId) -> None:
    """Have `voter` alone vote for `value` in slot 1 under a new ballot of `node`."""
    ballot = Ballot(max(c.replica(one).promised.round for one in c.nodes) + 1, node)
    message = Accept(ballot, 1, value, 0)
    c.oracle.on_sent(node, 0, message, c.nodes[node].journal)
    c.carry_out(c.nodes[voter], c.replica(voter).on_message(node, message, c.now))
    c.wire.clear()
    for one in c.nodes:
        c.carry_out(c.nodes[one], c.replica(one).on_message(node, Heartbeat(NO_BALLOT, 0, 1, connected=False), c.now))
    c.wire.clear()


def test_phase_2b_accepts_unless_it_promised_a_greater_number() -> None:
    """ "(b) ... it accepts the proposal unless it has already responded to a prepare request having a number greater
    than n." """
    acceptor = fresh()
    prepare(acceptor, MID)
    assert accept(acceptor, MID) == Accepted(MID, 1)
    prepare(acceptor, HIGH)
    assert accept(acceptor, MID) == Rejected(MID, HIGH)


def test_the_loser_is_informed_and_abandons_its_proposal() -> None:
    """ "It should probably inform the proposer, who should then abandon its proposal." """
    c = Cluster()
    c.elect(1)
    c.campaign(3)
    c.deliver(Prepare, to=2)
    assert c.leaders() == [1]
    c.propose(1, b"late")
    c.deliver(Accept, to=2)
    [packet] = c.on_wire(Rejected)
    assert packet.message == Rejected(Ballot(1, 1), c.replica(3).promised)
    c.deliver(Rejected)
    assert c.replica(1).role is Role.FOLLOWER


# Learning, progress, implementation


def test_learners_are_informed_by_a_distinguished_one() -> None:
    """ "the acceptors could respond with their acceptances to some set of distinguished learners, each of which can
    then inform all the learners when a value has been chosen": the leader."""
    c = Cluster()
    c.elect(1)
    slot = c.propose(1, b"v")
    c.deliver(Accept)
    assert {packet.to for packet in c.on_wire(Accepted)} == {1}
    c.deliver(Accepted)
    assert c.commit_slots() == {1: slot, 2: slot - 1, 3: slot - 1}
    c.tick(0.1)
    assert set(c.commit_slots().values()) == {slot}


def test_chosen_by_a_majority_only() -> None:
    """ "A value is chosen only when it is accepted by a majority of acceptor" """
    c = Cluster(nodes=5)
    c.elect(1)
    slot = c.propose(1, b"v")
    c.deliver(Accept, to=2)
    c.deliver(Accepted)
    assert slot not in c.chosen
    assert c.commit_slots()[1] == slot - 1
    c.deliver(Accept, to=5)
    c.deliver(Accepted)
    assert c.chosen[slot] == b"v"
    assert c.commit_slots()[1] == slot


def test_two_proposers_may_outbid_each_other_and_choose_nothing() -> None:
    """ "if p1 and p2 propse at the same time, ...": the danger is real; safety does not depend on it."""
    c = Cluster()
    promised = []
    for node in (1, 3, 1, 3):
        c.campaign(node)
        c.deliver(Prepare, to=2)
        promised.append(c.replica(2).promised)
        c.wire.clear()
    assert promised == sorted(promised)
    assert c.chosen == {}


@pytest.mark.parametrize("seed", range(6))
def test_liveness_by_electing_a_single_distinguished_proposer(seed: int) -> None:
    """ "liveness can therefore be achieved by electing a single distinguished proposer" """
    c = Cluster(nodes=5, seed=seed)
    c.tick_until("one leads", leader_in=list(c.nodes))
    c.tick(1.0)
    ballots = c.oracle.ballots_used
    [leader] = c.leaders()
    c.write(leader, *(b"%d" % n for n in range(50)))
    assert c.leaders() == [leader]
    assert c.oracle.ballots_used == ballots, "phase 1 once per leadership"
    assert set(c.commit_slots().values()) == {51}


def test_numbers_are_unique() -> None:
    """ "safety properties - assuming unique proposal numbers": a node's own part tells them apart, its own promise
    makes each of its next ones higher."""
    assert len({Ballot(1, 1), Ballot(1, 2), Ballot(2, 1)}) == 3
    c = Cluster()
    used = []
    for node in (1, 2, 3, 1, 1, 2):
        c.campaign(node)
        used.append(c.replica(node).promised)
        c.drop(Prepare)
        c.restart(node)
    assert len(set(used)) == len(used)
    assert all(ballot.node == node for ballot, node in zip(used, (1, 2, 3, 1, 1, 2), strict=True))


def test_each_server_applies_the_same_commands_in_the_same_order() -> None:
    """ "Each server independently implements a deterministic state machine": the core hands the values out in order,
    each once; the harness checks both at every step."""
    c = Cluster()
    c.elect(1)
    c.write(1, b"a", b"b", b"a")
    assert list(c.chosen.items()) == [(1, NOOP), (2, b"a"), (3, b"b"), (4, b"a")]
    assert c.commit_slots() == {1: 4, 2: 4, 3: 4}


def test_clients_send_commands_to_the_leader() -> None:
    """ "Client send cmd to leader.": nobody else takes one."""
    c = Cluster()
    c.elect(2)
    assert [c.replica(node).can_propose() for node in (1, 2, 3)] == [False, True, False]
    assert [c.replica(node).leader for node in (1, 2, 3)] == [2, 2, 2]
    with pytest.raises(AssertionError, match="without leading"):
        c.propose(1, b"x")


def test_our_own_vote_travels_like_any_other() -> None:
    """ "One server is the leader": it is an acceptor too, and asks itself by the same messages."""
    c = Cluster(nodes=1)
    c.tick_until("the only node leads", leader=1)
    _, out = c.replica(1).propose(b"x", c.now)
    assert out.send_now == []
    assert out.send_synced == [Envelope(1, Accepted(Ballot(1, 1), 2))]

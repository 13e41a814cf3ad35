"""The oracle sees every broken rule of the cores, and takes late, repeated and lost messages for what they are."""

from __future__ import annotations

from random import Random
from typing import Any, cast

import pytest

from paxoskv.kv import commands, requests
from paxoskv.kv.limits import KvLimits
from paxoskv.kv.machine import Machine
from paxoskv.paxos.ballot import NO_BALLOT, NOOP, Ballot, Vote
from paxoskv.paxos.effects import Effects, SaveVote
from paxoskv.paxos.log import Log
from paxoskv.paxos.messages import Accept, Accepted, Envelope, Learn, Message, Prepare, Promise
from paxoskv.paxos.quorum import Quorums
from paxoskv.paxos.replica import Replica, Role, Settings
from paxoskv.paxos.timing import Timing
from paxoskv.simulator.disk import Disk
from paxoskv.simulator.model import Model
from paxoskv.simulator.oracle import Oracle
from paxoskv.simulator.world import World
from paxoskv.storage.scan import Recovered

B1, B2, B3 = Ballot(1, 1), Ballot(2, 2), Ballot(3, 1)


class FakeDisk:
    """What is durable on one node."""

    def __init__(self) -> None:
        self.ruined = ""
        self.foreign = False
        self.votes: dict[int, Vote] = {}
        self.promise = NO_BALLOT

    def promised(self) -> Ballot:
        return self.promise

    def vote(self, slot: int) -> Vote | None:
        return self.votes.get(slot)


class Bench:
    """Three nodes that only say what a test tells them to."""

    def __init__(self, limits: KvLimits = KvLimits()) -> None:  # noqa: B008 - limits never change
        self.world = World(seed=1)
        quorums = Quorums.of((1, 2, 3))
        self.oracle = Oracle(self.world, quorums, Model(limits))
        self.disks = {node: FakeDisk() for node in quorums.members}
        self.oracle.disks = cast("dict[int, Disk]", self.disks)
        self.replicas = {
            node: Replica(Settings(node, quorums, Timing()), Log(), NO_BALLOT, Random(1), 0.0) for node in (1, 2, 3)
        }

    @property
    def verdict(self) -> str:
        return "" if self.world.violation is None else self.world.violation.rule

    def propose(self, ballot: Ballot, slot: int, value: bytes) -> None:
        """The owner of a ballot sends an Accept."""
        out = Effects(send_now=[Envelope(2, Accept(ballot, slot, value, 0))])
        self.oracle.on_step(self.replicas[ballot.node], out)

    def vote(self, node: int, ballot: Ballot, slot: int, value: bytes, *, durable: bool = True) -> None:
        """A node votes, says so, and is heard."""
        if durable:
            self.disks[node].votes[slot] = Vote(ballot, value)
        self.say(node, Accepted(ballot, slot))

    def say(self, node: int, message: Message) -> None:
        self.oracle.on_step(self.replicas[node], Effects(send_synced=[Envelope(1, message)]))
        self.hear(node, message)

    def hear(self, node: int, message: Message) -> None:
        self.oracle.on_message(self.replicas[1], node, message)

    def choose(self, ballot: Ballot, slot: int, value: bytes) -> None:
        self.propose(ballot, slot, value)
        for node in (1, 2):
            self.vote(node, ballot, slot, value)

    def take_for_chosen(self, node: int, slot: int, value: bytes) -> None:
        self.oracle.on_step(self.replicas[node], Effects(chosen=[(slot, value)]))

    def recover(self, node: int, **found: Any) -> None:
        held = {"promised": NO_BALLOT, "commit_slot": 0, "known_slot": 0, "compacted_slot": 0, "highest_slot": 0}
        fields = {**held, "seq": 1, "open_votes": {}, "faulty": (), **found}
        self.oracle.on_recovered(node, 2, Recovered(**fields))


def promise(ballot: Ballot) -> Promise:
    return Promise(ballot, 0, 1, 0, 0, (), (), 1, 0)


def test_a_quorum_of_votes_under_one_ballot_chooses() -> None:
    bench = Bench()
    bench.propose(B1, 1, b"x")
    bench.vote(1, B1, 1, b"x")
    bench.vote(1, B1, 1, b"x")
    assert bench.oracle.chosen == {}, "one node twice is no quorum (P11)"
    bench.vote(3, B1, 1, b"x")
    assert bench.oracle.chosen == {1: b"x"}
    bench.take_for_chosen(2, 1, b"x")
    bench.propose(B3, 1, b"x")
    assert bench.verdict == ""


def test_votes_of_two_ballots_make_no_quorum() -> None:
    bench = Bench()
    bench.propose(B1, 1, b"x")
    bench.propose(B2, 1, b"x")
    bench.vote(1, B1, 1, b"x")
    bench.vote(2, B2, 1, b"x")
    assert bench.oracle.chosen == {}


def test_a_second_value_in_a_slot_is_seen() -> None:
    bench = Bench()
    bench.propose(B2, 1, b"y")
    bench.choose(B1, 1, b"x")
    assert bench.verdict == "P2b", "proposed above the choice, before it was known"


def test_another_value_above_the_choice_is_seen_when_it_is_proposed() -> None:
    bench = Bench()
    bench.choose(B1, 1, b"x")
    bench.propose(B2, 1, b"y")
    assert bench.verdict == "P2b"


def test_another_value_below_the_choice_is_harmless() -> None:
    bench = Bench()
    bench.propose(B1, 1, b"y")
    bench.choose(B2, 1, b"x")
    assert bench.verdict == ""


def test_two_values_of_one_ballot_are_seen() -> None:
    bench = Bench()
    bench.propose(B1, 1, b"x")
    bench.oracle.on_step(bench.replicas[2], Effects(persist=[SaveVote(1, Vote(B1, b"y"), 0)]))
    assert bench.verdict == "one value per ballot"


@pytest.mark.parametrize("slot", [1, 2])
def test_what_no_quorum_voted_for_is_not_chosen(slot: int) -> None:
    bench = Bench()
    bench.choose(B1, 1, b"x")
    bench.take_for_chosen(3, slot, b"y")
    assert bench.verdict == "I3"


def test_a_lesson_of_something_else_is_seen() -> None:
    bench = Bench()
    bench.choose(B1, 1, b"x")
    bench.hear(2, Learn(1, 0, ((1, Vote(B1, NOOP)),)))
    assert bench.verdict == "I3"


def test_a_vote_that_is_not_durable_is_seen() -> None:
    """I2."""
    bench = Bench()
    bench.propose(B1, 1, b"x")
    bench.vote(2, B1, 1, b"x", durable=False)
    assert bench.verdict == "I2"


def test_a_promise_that_is_not_durable_is_seen() -> None:
    bench = Bench()
    bench.say(2, promise(B1))
    assert bench.verdict == "I2"


def test_a_vote_below_a_promise_is_seen() -> None:
    """P1a."""
    bench = Bench()
    bench.propose(B1, 1, b"x")
    bench.disks[2].promise = B2
    bench.say(2, promise(B2))
    bench.vote(2, B1, 1, b"x")
    assert bench.verdict == "P1a"


def test_a_vote_said_before_a_promise_and_heard_after_it_is_none_below_it() -> None:
    """P31: late messages are no lies."""
    bench = Bench()
    bench.propose(B1, 1, b"x")
    bench.disks[2].votes[1], bench.disks[2].promise = Vote(B1, b"x"), B2
    late = Accepted(B1, 1)
    bench.oracle.on_step(bench.replicas[2], Effects(send_synced=[Envelope(1, late)]))
    bench.say(2, promise(B2))
    bench.hear(2, late)
    assert bench.verdict == ""


def test_a_restart_that_forgot_a_promise_is_seen() -> None:
    bench = Bench()
    bench.disks[2].promise = B2
    bench.say(2, promise(B2))
    bench.recover(2, promised=B1)
    assert bench.verdict == "I2"


def test_a_restart_that_forgot_a_vote_is_seen() -> None:
    bench = Bench()
    bench.propose(B1, 1, b"x")
    bench.vote(2, B1, 1, b"x")
    bench.recover(2, promised=B1)
    assert bench.verdict == "I2"


def test_a_restart_that_knows_the_chosen_value_under_another_ballot_has_forgotten_nothing() -> None:
    bench = Bench()
    bench.choose(B1, 1, b"x")
    bench.propose(B3, 1, b"x")
    bench.say(2, Accepted(B3, 1))
    bench.recover(2, promised=B3, open_votes={1: Vote(B1, b"x")})
    assert bench.verdict == ""


def test_a_disk_that_was_ruined_is_no_witness_against_its_node() -> None:
    bench = Bench()
    bench.propose(B1, 1, b"x")
    bench.vote(2, B1, 1, b"x")
    bench.disks[2].ruined = "a bit has flipped"
    bench.recover(2)
    assert bench.verdict == ""


def test_a_ballot_that_was_heard_of_and_used_again_is_seen() -> None:
    """P2."""
    bench = Bench()
    bench.say(1, Prepare(B1, 1))
    bench.disks[1].promise = B1
    bench.recover(1, promised=B1)
    bench.say(1, Prepare(B1, 1))
    assert bench.verdict == "P2"


def test_a_ballot_that_nobody_heard_of_may_be_used_again() -> None:
    bench = Bench()
    bench.oracle.on_step(bench.replicas[1], Effects(send_synced=[Envelope(2, Prepare(B1, 1))]))
    bench.recover(1)
    bench.say(1, Prepare(B1, 1))
    assert bench.verdict == ""


def test_two_leaders_of_one_ballot_are_seen(monkeypatch: pytest.MonkeyPatch) -> None:
    """I12."""
    bench = Bench()
    monkeypatch.setattr(Replica, "ballot", B1)
    for node in (1, 2):
        bench.replicas[node].role = Role.LEADER
        bench.oracle.on_step(bench.replicas[node], Effects(role_changed=True))
    assert bench.verdict == "I12"


class Tenant(Bench):
    """A log, from slot 1 on, and a machine that applies it; `pass_s` is the time before each proposal."""

    def __init__(self, expiry_keys_max: int = 100) -> None:
        limits = KvLimits(lease_ttl_ms_min=1, expiry_keys_max=expiry_keys_max)
        super().__init__(limits)
        self._machine = Machine(limits)
        self._slot = 0

    @property
    def leases(self) -> int:
        """How many exist."""
        return self._machine.leases

    def go_on(self, ballot: Ballot, elapsed_ms: int, *batch: bytes, pass_s: float = 0.0) -> None:
        """A leader proposes a batch, which is chosen and applied."""
        self.world.now += pass_s
        self._slot += 1
        value = commands.encode_batch(elapsed_ms, list(batch))
        self.choose(ballot, self._slot, value)
        self.oracle.on_applied(1, self._slot, value, self._machine.apply(self._slot, value), self._machine)


GRANT = (commands.open_session(), requests.grant(1, 1, 0, 500))


def test_a_lease_that_ends_in_its_time_passes() -> None:
    bench = Tenant()
    bench.go_on(B1, 0, *GRANT)
    bench.go_on(B1, 501, pass_s=0.501)
    assert bench.verdict == ""


def test_a_lease_that_ends_before_its_time_by_any_clock_is_seen() -> None:
    """I8: log time runs ahead of the world, as it would for a leader that counts too much."""
    bench = Tenant()
    bench.go_on(B1, 0, *GRANT)
    bench.go_on(B1, 501, pass_s=0.4)
    assert bench.verdict == "I8"


def test_where_clocks_are_wrong_log_time_may_be() -> None:
    bench = Tenant()
    bench.world.clocks_differ = True
    bench.go_on(B1, 0, *GRANT)
    bench.go_on(B1, 501, pass_s=0.4)
    assert bench.verdict == ""


@pytest.mark.parametrize(("batch", "verdict"), [((), "P18"), ((requests.extend(),), "")])
def test_a_new_leader_ends_only_what_it_has_extended(batch: tuple[bytes, ...], verdict: str) -> None:
    """P18, P26."""
    bench = Tenant()
    bench.go_on(B1, 0, *GRANT)
    bench.go_on(B2, 0, *batch, pass_s=0.3)
    bench.go_on(B2, 501, pass_s=0.6)
    assert bench.verdict == verdict


def test_a_lease_that_waits_for_room_to_end_was_ended_by_who_counted_its_time() -> None:
    """Seed 178: two leases are due in a slot that ends one of them; a new leader's first no-op ends the other."""
    bench = Tenant(expiry_keys_max=1)
    bench.go_on(B1, 0, *GRANT, requests.grant(1, 2, 0, 500))
    bench.go_on(B1, 501, pass_s=0.501)
    assert bench.leases == 1
    bench.go_on(B2, 0)
    assert (bench.leases, bench.verdict) == (0, "")


def test_a_machine_that_tells_other_events_than_happened_is_seen(monkeypatch: pytest.MonkeyPatch) -> None:
    """P29."""
    bench = Tenant()
    monkeypatch.setattr(Machine, "events", lambda *asked: iter(()))
    bench.go_on(B1, 0, commands.open_session(), commands.put(1, 1, 0, b"k", b"1"))
    assert bench.verdict == "P29"

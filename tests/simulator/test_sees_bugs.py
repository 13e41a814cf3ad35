"""Rules of production code are broken on purpose: each is seen within a few seeds, or the judges would be blind."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any, NamedTuple

import pytest

from paxoskv.kv.sessions import Session
from paxoskv.node.engine import Engine
from paxoskv.paxos.acceptor import Acceptor
from paxoskv.paxos.candidate import Candidate
from paxoskv.paxos.learner import Learner
from paxoskv.paxos.reads import LeaderReads
from paxoskv.simulator import Result, run_seed
from paxoskv.simulator.run import run_plan
from paxoskv.simulator.shrink import Shrinker
from paxoskv.simulator.swarm import draw

SEEDS = range(1, 301)

Patch = Callable[[pytest.MonkeyPatch], None]


def without_saving_promises(patch: pytest.MonkeyPatch) -> None:
    keep = Acceptor._keep_promise

    def forgetful(self: Acceptor, ballot: Any, out: Any) -> None:
        keep(self, ballot, out)
        out.persist = [write for write in out.persist if type(write).__name__ != "SavePromise"]

    patch.setattr(Acceptor, "_keep_promise", forgetful)


def without_saving_votes(patch: pytest.MonkeyPatch) -> None:
    vote = Acceptor._vote

    def forgetful(self: Acceptor, slot: int, made: Any, out: Any) -> None:
        vote(self, slot, made, out)
        out.persist = [write for write in out.persist if type(write).__name__ != "SaveVote"]

    patch.setattr(Acceptor, "_vote", forgetful)


def without_waiting_for_the_disk(patch: pytest.MonkeyPatch) -> None:
    carry_out = Engine._carry_out

    def hasty(self: Engine, out: Any) -> None:
        out.send_now, out.send_synced = [*out.send_now, *out.send_synced], []
        carry_out(self, out)

    patch.setattr(Engine, "_carry_out", hasty)


def with_stale_promises(patch: pytest.MonkeyPatch) -> None:
    """P11."""
    on_promise = Candidate.on_promise

    def credulous(self: Candidate, sender: int, msg: Any) -> None:
        own, self.ballot = self.ballot, msg.ballot
        on_promise(self, sender, msg)
        self.ballot = own

    patch.setattr(Candidate, "on_promise", credulous)


def without_the_check_of_commits(patch: pytest.MonkeyPatch) -> None:
    """P14."""

    def trusting(self: Learner, out: Any) -> None:
        while self._log.commit_slot < self._told[1] and self._log.commit_slot + 1 in self._log.votes:
            self.choose_next(out)

    patch.setattr(Learner, "_follow", trusting)


def without_kept_replies(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(Session, "keep", lambda self, seq, reply: None)


def with_reads_that_nobody_confirmed(patch: pytest.MonkeyPatch) -> None:
    finish = LeaderReads.finish_round

    def hasty(self: LeaderReads, commit_slot: int, out: Any) -> None:
        self._acks |= set(range(1, 10))
        finish(self, commit_slot, out)

    patch.setattr(LeaderReads, "finish_round", hasty)


class Bug(NamedTuple):
    """break_it: patches production code. rules: which of them may be found broken. kinds: the faults that it takes."""

    break_it: Patch
    rules: set[str]
    kinds: tuple[str, ...] = ()


BUGS = {
    "promises are not saved": Bug(without_saving_promises, {"I2"}),
    "votes are not saved": Bug(without_saving_votes, {"I2"}),
    "messages do not wait for the disk": Bug(without_waiting_for_the_disk, {"I2"}),
    "promises of other ballots count": Bug(with_stale_promises, {"P2b", "I1", "I3", "I4"}, ("late promises",)),
    "commits need no vote of their ballot": Bug(
        without_the_check_of_commits, {"I3", "P2b"}, ("isolate", "split", "duel", "kill")
    ),
    "replies are not kept": Bug(without_kept_replies, {"I5", "I6"}, ("reset", "kill")),
    "reads are not confirmed": Bug(with_reads_that_nobody_confirmed, {"I4"}, ("zombie leader",)),
}


def first_failure(kinds: tuple[str, ...]) -> Result:
    for seed in SEEDS:
        result = run_seed(seed, kinds=kinds)
        if not result.passed:
            return result
    raise AssertionError(f"not seen in {len(SEEDS)} seeds")


@pytest.mark.parametrize("name", BUGS)
def test_a_broken_rule_is_seen(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    bug = BUGS[name]
    bug.break_it(monkeypatch)
    assert first_failure(bug.kinds).rule in bug.rules


def test_a_plan_that_no_configuration_allows_is_no_smaller_one(monkeypatch: pytest.MonkeyPatch) -> None:
    """A short election timeout allows short heartbeats only: neither can be left out without the other."""
    without_saving_votes(monkeypatch)
    plan = draw(2, kinds=())
    plan = replace(plan, settings={"election_timeout_s": 0.2, "heartbeat_s": 0.05, "election_jitter_s": 0.1})
    shrinker = Shrinker(plan, run_plan(plan), runs_max=20)
    smallest = shrinker.shrink()
    assert shrinker.result.rule == "I2"
    assert run_plan(smallest).rule == "I2"


def test_a_failing_plan_shrinks_to_what_it_needs(monkeypatch: pytest.MonkeyPatch) -> None:
    """Votes that are not saved need no fault at all to be seen."""
    without_saving_votes(monkeypatch)
    plan = draw(2, kinds=("kill", "pause"))
    assert plan.events
    shrinker = Shrinker(plan, run_plan(plan), runs_max=60)
    smallest = shrinker.shrink()
    assert smallest.events == ()
    assert len(smallest.settings) < len(plan.settings)
    assert run_plan(smallest).rule == shrinker.result.rule == "I2"

"""Mutants of what must survive a crash, and of ballots that must not come twice (P1, P2, P5)."""

from __future__ import annotations

from scripts.mutants.mutant import Edit, Mutant

_STORY = "tests/paxos/scenarios/test_durability.py"
_ACCEPTOR = "tests/paxos/test_acceptor.py"
_DAMAGE = "tests/paxos/scenarios/test_damage.py"
_RANDOM = "tests/paxos/test_random.py"

MUTANTS = (
    Mutant(
        "promise-not-saved",
        "P1",
        "a promise is durable before it is spoken of",
        (
            Edit(
                "paxos/acceptor.py",
                "Acceptor._keep_promise",
                "out.persist.append(SavePromise(ballot))",
                "pass",
            ),
        ),
        (_STORY,),
    ),
    Mutant(
        "vote-not-saved",
        "P1",
        "a vote is durable before it is spoken of",
        (
            Edit(
                "paxos/acceptor.py",
                "Acceptor._vote",
                "out.persist.append(SaveVote(slot, vote, self._log.commit_slot))",
                "pass",
            ),
        ),
        (_STORY,),
    ),
    Mutant(
        "learned-value-not-saved",
        "P1",
        "what was learned from a peer is durable before a later record calls it chosen",
        (
            Edit(
                "paxos/learner.py",
                "Learner._adopt",
                "out.persist.append(SaveVote(slot, vote, self._log.commit_slot))",
                "pass",
            ),
        ),
        ("tests/paxos/test_learner.py",),
    ),
    Mutant(
        "promise-before-durable",
        "P1",
        "a Promise waits for the disk",
        (
            Edit(
                "paxos/acceptor.py",
                "Acceptor.on_prepare",
                "out.send_synced.append(",
                "out.send_now.append(",
            ),
        ),
        (_STORY,),
    ),
    Mutant(
        "accepted-before-durable",
        "P1",
        "an Accepted waits for the disk",
        (
            Edit(
                "paxos/acceptor.py",
                "Acceptor.on_accept",
                "out.send_synced.append(",
                "out.send_now.append(",
            ),
        ),
        (_STORY,),
    ),
    Mutant(
        "own-vote-counted-at-once",
        "P1",
        "the leader's own vote counts when it is durable, not when it is proposed",
        (
            Edit(
                "paxos/leader.py",
                "Leader.propose",
                "InFlight(value, now)",
                "InFlight(value, now, {self.ballot.node})",
            ),
        ),
        (_STORY,),
    ),
    Mutant(
        "prepare-before-durable",
        "P2",
        "a ballot is durable before anybody hears of it",
        (
            Edit(
                "paxos/replica.py",
                "Replica._become_candidate",
                "out.send_synced += ",
                "out.send_now += ",
            ),
        ),
        (_STORY,),
    ),
    Mutant(
        "ballot-reused-after-restart",
        "P2",
        "a new life begins above the highest ballot of the former one",
        (
            Edit(
                "paxos/replica.py",
                "Replica.__init__",
                "Plausibility(promised.round)",
                "Plausibility(promised.round - 1)",
            ),
        ),
        (_STORY,),
    ),
    Mutant(
        "ballot-reused-by-a-second-try",
        "P2",
        "every candidacy has a ballot of its own",
        (
            Edit(
                "paxos/replica.py",
                "Replica._become_candidate",
                "self._plausibility.highest_round += 1",
                "self._plausibility.highest_round += self.promised.node != self.node",
            ),
        ),
        ("tests/paxos/scenarios/test_elections.py", _RANDOM),
    ),
    Mutant(
        "vote-below-the-promise",
        "P1",
        "P1a: no vote in a ballot below the promised one",
        (
            Edit(
                "paxos/acceptor.py",
                "Acceptor.on_accept",
                "if msg.ballot < self.promised:",
                "if False:",
            ),
        ),
        (_STORY, _ACCEPTOR),
    ),
    Mutant(
        "promise-below-the-promise",
        "P1",
        "P1a: no promise of a ballot below the promised one",
        (
            Edit(
                "paxos/acceptor.py",
                "Acceptor.on_prepare",
                "if msg.ballot < self.promised:",
                "if False:",
            ),
        ),
        (_ACCEPTOR, _STORY),
    ),
    Mutant(
        "vote-raises-no-promise",
        "P1",
        "a vote is a promise too: none in a lower ballot afterwards",
        (
            Edit(
                "paxos/acceptor.py",
                "Acceptor.on_accept",
                "self._keep_promise(msg.ballot, out)",
                "pass",
            ),
        ),
        (_STORY, _ACCEPTOR),
    ),
    Mutant(
        "commit-slot-covers-its-own-record",
        "P14",
        "a record calls chosen what was chosen before it, not the vote it holds",
        (
            Edit(
                "paxos/acceptor.py",
                "Acceptor._vote",
                "SaveVote(slot, vote, self._log.commit_slot)",
                "SaveVote(slot, vote, slot)",
            ),
        ),
        (_STORY, _ACCEPTOR),
    ),
    Mutant(
        "damaged-vote-not-reported",
        "P5",
        "a Promise names the slots whose record is damaged",
        (
            Edit(
                "paxos/acceptor.py",
                "Acceptor._promise",
                "faulty = tuple(log.open_faulty())",
                "faulty: tuple[int, ...] = ()",
            ),
        ),
        (_STORY, _ACCEPTOR),
    ),
    Mutant(
        "damaged-vote-counts-as-none",
        "P5",
        "an acceptor with a damaged record counts for the ballot, not for the slot",
        (
            Edit(
                "paxos/candidate.py",
                "Report.speaks_of",
                " and slot not in self.faulty",
                "",
            ),
        ),
        (_STORY, "tests/paxos/test_candidate.py"),
    ),
    Mutant(
        "unreadable-chosen-slot-counts-as-empty",
        "P5",
        "an acceptor that cannot read its chosen records says nothing about those slots",
        (
            Edit(
                "paxos/candidate.py",
                "Report.speaks_of",
                "slot > self.known_slot and ",
                "",
            ),
            Edit(
                "paxos/candidate.py",
                "Candidate.recovered",
                " or (is_empty and slot <= known_slot)",
                "",
            ),
        ),
        (_DAMAGE, "tests/paxos/test_candidate.py"),
    ),
    Mutant(
        "noop-where-somebody-knows-a-choice",
        "P5",
        "a slot that somebody knows to be chosen and nobody can tell is no gap: no leader until it is found",
        (
            Edit(
                "paxos/candidate.py",
                "Candidate.recovered",
                " or (is_empty and slot <= known_slot)",
                "",
            ),
        ),
        ("tests/paxos/test_candidate.py", _DAMAGE),
    ),
    Mutant(
        "known-slot-not-reported",
        "P5",
        "a Promise names the slots that are chosen though the acceptor cannot read them",
        (
            Edit(
                "paxos/acceptor.py",
                "Acceptor._promise",
                "self._answer, log.known_slot",
                "self._answer, log.commit_slot",
            ),
        ),
        (_DAMAGE, _ACCEPTOR),
    ),
    Mutant(
        "chosen-vote-of-another-life-believed",
        "P5",
        "a slot known to be chosen is marked by its own journal's value or a later vote, not by whatever is there",
        (
            Edit(
                "paxos/log.py",
                "Log.is_in_journal",
                " and slot not in self.faulty",
                "",
            ),
        ),
        (_DAMAGE, "tests/paxos/test_log.py"),
    ),
    Mutant(
        "damaged-record-not-mended",
        "P5",
        "a damaged record is written anew",
        (
            Edit(
                "paxos/mender.py",
                "Mender._write",
                "out.persist.append(SaveVote(slot, vote, self._log.commit_slot))",
                "pass",
            ),
        ),
        ("tests/paxos/test_mender.py", _DAMAGE),
    ),
    Mutant(
        "mended-with-anything",
        "P5",
        "the mender writes the slots that are wanted, no others",
        (
            Edit(
                "paxos/mender.py",
                "Mender.on_learn",
                "if slot in self.wanted:\n                self.wanted.remove(slot)",
                "if True:\n                self.wanted.clear()",
            ),
        ),
        ("tests/paxos/test_mender.py", _DAMAGE),
    ),
)

"""Mutants of learning what was chosen: Multi-Paxos has no log matching (P14, P15, P31)."""

from __future__ import annotations

from scripts.mutants.mutant import Edit, Mutant

_STORY = "tests/paxos/scenarios/test_learning.py"
_LEARNER = "tests/paxos/test_learner.py"
_ACCEPTOR = "tests/paxos/test_acceptor.py"
_REPLICA = "tests/paxos/test_replica.py"
_RANDOM = "tests/paxos/test_random.py"

MUTANTS = (
    Mutant(
        "commit-without-the-ballot",
        "P14",
        "chosen up to N says nothing about a vote of another ballot",
        (
            Edit(
                "paxos/learner.py",
                "Learner._follow",
                "if vote is None or vote.ballot != ballot:",
                "if vote is None:",
            ),
        ),
        (_STORY, _LEARNER),
    ),
    Mutant(
        "commit-by-a-higher-vote",
        "P14",
        "a leader's word covers votes of its very ballot, not those of a later leader",
        (
            Edit(
                "paxos/learner.py",
                "Learner._follow",
                "if vote is None or vote.ballot != ballot:",
                "if vote is None or vote.ballot < ballot:",
            ),
        ),
        (_LEARNER, _STORY),
    ),
    Mutant(
        "word-of-a-former-leader-under-a-new-ballot",
        "P14",
        "a ballot and the commit slot told with it belong together",
        (
            Edit(
                "paxos/learner.py",
                "Learner.on_commit",
                "self._told = max(self._told, (ballot, commit_slot))",
                "self._told = (ballot, max(self._told[1], commit_slot))",
            ),
        ),
        (_LEARNER, _STORY, _RANDOM),
    ),
    Mutant(
        "open-votes-taught-as-chosen",
        "P14",
        "a laggard is taught what is known to be chosen, not what was merely voted for",
        (
            Edit(
                "paxos/learner.py",
                "Learner.on_catch_up",
                "to_slot = min(msg.to_slot, log.commit_slot)",
                "to_slot = min(msg.to_slot, log.highest_slot)",
            ),
            Edit(
                "paxos/log.py",
                "Log.chosen_from",
                "range(from_slot, min(to_slot, self.commit_slot) + 1)",
                "range(from_slot, to_slot + 1)",
            ),
        ),
        (_LEARNER,),
    ),
    Mutant(
        "learned-out-of-order",
        "P31",
        "only the value that follows ours is taken over, whatever else arrives",
        (
            Edit(
                "paxos/learner.py",
                "Learner.on_learn",
                "if slot == log.commit_slot + 1",
                "if slot > log.commit_slot",
            ),
        ),
        (_LEARNER, _STORY),
    ),
    Mutant(
        "learned-below-our-vote",
        "P14",
        "a learned value never lowers the ballot of a vote",
        (
            Edit(
                "paxos/learner.py",
                "Learner._adopt",
                "if prior is None or prior.ballot < vote.ballot:",
                "if True:",
            ),
        ),
        (_LEARNER,),
    ),
    Mutant(
        "stale-vote-kept-as-the-chosen-value",
        "P14",
        "a learned value replaces a stale vote",
        (
            Edit(
                "paxos/learner.py",
                "Learner._adopt",
                "if prior is None or prior.ballot < vote.ballot:",
                "if prior is None:",
            ),
        ),
        (_LEARNER, _STORY),
    ),
    Mutant(
        "late-accept-overwrites-a-chosen-slot",
        "P31",
        "a slot known to be chosen keeps its record, whatever comes late",
        (
            Edit(
                "paxos/acceptor.py",
                "Acceptor._vote",
                "if slot > self._log.commit_slot and (prior is None or prior.ballot < vote.ballot):",
                "if prior is None or prior.ballot < vote.ballot:",
            ),
            Edit(
                "paxos/log.py",
                "Log.record",
                "assert slot > self.commit_slot",
                "assert slot",
            ),
        ),
        (_STORY, _ACCEPTOR),
    ),
    Mutant(
        "chosen-slot-not-answered",
        "P31",
        "an Accept of a slot known to be chosen is answered, or a leader that knows less stands still",
        (
            Edit(
                "paxos/acceptor.py",
                "Acceptor.on_accept",
                "if not self._log.has_room(msg.slot):",
                "if not self._log.has_room(msg.slot) or msg.slot <= self._log.commit_slot:",
            ),
        ),
        (_STORY, _ACCEPTOR),
    ),
    Mutant(
        "leader-learns-from-others",
        "P31",
        "a leader's commit slot is its own count",
        (
            Edit(
                "paxos/replica.py",
                "Replica._on_learn",
                "if self._leader:",
                "if False:",
            ),
        ),
        (_REPLICA, _RANDOM),
    ),
    Mutant(
        "compacted-slots-answered-as-empty",
        "P15",
        "a slot that left the journal is answered with where the journal begins",
        (
            Edit(
                "paxos/learner.py",
                "Learner.on_catch_up",
                "if msg.from_slot <= log.compacted_slot:",
                "if False:",
            ),
        ),
        (_LEARNER, "tests/paxos/scenarios/test_phase1.py"),
    ),
    Mutant(
        "lost-answer-never-asked-again",
        "P31",
        "a catch-up whose answer is overdue is asked for again",
        (
            Edit(
                "paxos/learner.py",
                "Learner.ask",
                "now - self._asked_s < self._timing.repeat_s",
                "self._asked_s > 0",
            ),
        ),
        (_STORY, _LEARNER),
    ),
    Mutant(
        "best-word-of-a-peer-for-ever",
        "P31",
        "a peer's last word counts: after a crash it may know less",
        (
            Edit(
                "paxos/learner.py",
                "Learner.note",
                "self._known[sender] = commit_slot",
                "self._known[sender] = max(commit_slot, self._known.get(sender, 0))",
            ),
        ),
        (_LEARNER, _STORY),
    ),
    Mutant(
        "tail-forgotten-before-the-journal-knows",
        "P15",
        "a chosen slot stays in memory until the journal knows that it is chosen and can tell a laggard",
        (
            Edit(
                "paxos/log.py",
                "Log._trim_tail",
                " and self._tail_from <= self.durable_slot",
                "",
            ),
        ),
        ("tests/paxos/test_log.py",),
    ),
    Mutant(
        "journal-believed-to-know-at-once",
        "P15",
        "the journal knows what a vote's row tells it when that row is durable",
        (
            Edit(
                "paxos/disk.py",
                "DiskProgress.on_written",
                "while self._pending and self._pending[0][0] <= ticket:",
                "while self._pending:",
            ),
        ),
        ("tests/paxos/test_disk.py",),
    ),
)

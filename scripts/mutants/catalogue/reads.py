"""Mutants of linearizable reads without writing: everything that makes them stale (P23, P31)."""

from __future__ import annotations

from scripts.mutants.mutant import Edit, Mutant

_STORY = "tests/paxos/scenarios/test_reads.py"
_UNIT = "tests/paxos/test_reads.py"
_RANDOM = "tests/paxos/test_random.py"

MUTANTS = (
    Mutant(
        "read-without-a-round",
        "P23",
        "a leader confirms its leadership before it answers a read",
        (
            Edit(
                "paxos/reads.py",
                "LeaderReads.add",
                "self._waiting.tokens.append(token)",
                "self._ready.append((self._barrier_slot, token))",
            ),
        ),
        (_STORY, _UNIT),
    ),
    Mutant(
        "round-begun-before-the-read",
        "P23",
        "a round confirms the reads that arrived before it began, and no others",
        (
            Edit(
                "paxos/reads.py",
                "LeaderReads.add",
                "self._waiting.tokens.append(token)",
                "(self._confirming or self._waiting).tokens.append(token)",
            ),
        ),
        (_STORY, _UNIT),
    ),
    Mutant(
        "ack-of-an-earlier-round",
        "P23",
        "an ack confirms the round it answers, not a later one",
        (
            Edit(
                "paxos/reads.py",
                "LeaderReads.on_ack",
                " and msg.round >= self._round",
                "",
            ),
        ),
        (_STORY, _UNIT),
    ),
    Mutant(
        "ack-of-another-ballot",
        "P23",
        "an ack given to another leadership confirms nothing",
        (
            Edit(
                "paxos/reads.py",
                "LeaderReads.on_ack",
                "msg.ballot == self._ballot and ",
                "",
            ),
        ),
        (_UNIT, _STORY),
    ),
    Mutant(
        "ack-of-an-acceptor-that-promised-higher",
        "P23",
        "an acceptor that promised another leader does not confirm this one",
        (
            Edit(
                "paxos/reads.py",
                "LeaderReads.on_ack",
                " and msg.promised <= self._ballot",
                "",
            ),
        ),
        (_UNIT, _STORY),
    ),
    Mutant(
        "one-ack-confirms-for-many",
        "P11",
        "one peer confirms once, however often it answers",
        (
            Edit(
                "paxos/reads.py",
                "LeaderReads.on_ack",
                "self._acks.add(sender)",
                "self._acks.add(-len(self._acks) if sender in self._acks else sender)",
            ),
        ),
        (_UNIT,),
    ),
    Mutant(
        "read-confirmed-by-nobody",
        "P23",
        "a quorum confirms a round",
        (
            Edit(
                "paxos/reads.py",
                "LeaderReads.finish_round",
                "if self._confirming is None or not self._quorums.is_phase2(self._acks):",
                "if self._confirming is None:",
            ),
        ),
        (_STORY, _UNIT),
    ),
    Mutant(
        "read-slot-without-barrier",
        "P23",
        "no read before a new leader has finished what it recovered",
        (
            Edit(
                "paxos/reads.py",
                "LeaderReads.on_round",
                "max(commit_slot, self._barrier_slot)",
                "commit_slot",
            ),
        ),
        (_STORY, _UNIT),
    ),
    Mutant(
        "barrier-below-the-recovered-slots",
        "P23",
        "the barrier is above everything that phase 1 recovered",
        (
            Edit(
                "paxos/leader.py",
                "Leader.__init__",
                "self.barrier_slot = log.commit_slot + len(self._recovered)",
                "self.barrier_slot = log.commit_slot",
            ),
        ),
        (_STORY, "tests/paxos/test_leader.py"),
    ),
    Mutant(
        "leader-answers-before-its-slot",
        "P23",
        "a confirmed read waits until its slot is reached",
        (
            Edit(
                "paxos/reads.py",
                "LeaderReads.release",
                "[token for slot, token in self._ready if slot <= commit_slot]",
                "[token for slot, token in self._ready]",
            ),
            Edit(
                "paxos/reads.py",
                "LeaderReads.release",
                "[(slot, token) for slot, token in self._ready if slot > commit_slot]",
                "[]",
            ),
        ),
        (_STORY, _UNIT),
    ),
    Mutant(
        "follower-answers-before-its-slot",
        "P23",
        "a follower answers when it has reached the slot it was told",
        (
            Edit(
                "paxos/reads.py",
                "FollowerReads.release",
                "[token for slot, token, _ in self._ready if slot <= commit_slot]",
                "[token for slot, token, _ in self._ready]",
            ),
            Edit(
                "paxos/reads.py",
                "FollowerReads.release",
                "[ready for ready in self._ready if ready[0] > commit_slot]",
                "[]",
            ),
        ),
        (_STORY, _UNIT),
    ),
    Mutant(
        "answer-to-another-question",
        "P31",
        "a late answer of the leader means nothing to a later question",
        (
            Edit(
                "paxos/reads.py",
                "FollowerReads.on_answer",
                "if msg.ask == self._ask:",
                "if True:",
            ),
        ),
        (_UNIT, _STORY),
    ),
    Mutant(
        "questions-counted-from-zero",
        "P31",
        "an answer meant for a former life of the node matches nothing of this one",
        (
            Edit(
                "paxos/reads.py",
                "FollowerReads.__init__",
                "self._ask = first_ask",
                "self._ask = 0",
            ),
        ),
        (_STORY,),
    ),
    Mutant(
        "read-joins-an-older-question",
        "P23",
        "a read that comes after the question waits for the next one",
        (
            Edit(
                "paxos/reads.py",
                "FollowerReads.add",
                "self._waiting.append(token)",
                "(self._asked or self._waiting).append(token)",
            ),
        ),
        (_UNIT, _STORY),
    ),
    Mutant(
        "read-outlives-its-leadership",
        "P23",
        "reads die with the leadership that was to confirm them",
        (
            Edit(
                "paxos/replica.py",
                "Replica._become_follower",
                "self._leader_reads.fail(out)",
                "pass",
            ),
        ),
        (_STORY,),
    ),
    Mutant(
        "overdue-question-hangs",
        "P31",
        "a read whose question got lost is given up, not kept for ever",
        (
            Edit(
                "paxos/reads.py",
                "FollowerReads.fail_overdue",
                "if self._asked and self._asked_s <= before_s:",
                "if False:",
            ),
        ),
        (_STORY, _UNIT),
    ),
    Mutant(
        "answer-that-is-too-new-hangs",
        "P33",
        "a read is given up by a node that does not catch up, not kept for ever",
        (
            Edit(
                "paxos/reads.py",
                "FollowerReads.fail_overdue",
                "if self._ready:",
                "if False:",
            ),
        ),
        (_STORY, _UNIT),
    ),
)

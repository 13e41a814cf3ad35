"""Mutants of who may lead, who must give up, and what a link proves (P18 to P21, P31)."""

from __future__ import annotations

from scripts.mutants.mutant import Edit, Mutant

_STORY = "tests/paxos/scenarios/test_elections.py"
_READS = "tests/paxos/scenarios/test_reads.py"
_ELECTION = "tests/paxos/test_election.py"
_REPLICA = "tests/paxos/test_replica.py"
_CONNECTIVITY = "tests/paxos/test_connectivity.py"
_DISK = "tests/paxos/test_disk.py"
_RANDOM = "tests/paxos/test_random.py"

MUTANTS = (
    Mutant(
        "grant-while-hearing-a-leader",
        "P21",
        "who hears a quorum-connected leader grants nobody",
        (
            Edit(
                "paxos/replica.py",
                "Replica._on_ask",
                " and not self._election.hears_leader(now)",
                "",
            ),
        ),
        (_STORY, _REPLICA),
    ),
    Mutant(
        "leader-grants-its-successor",
        "P21",
        "a leader grants nobody",
        (
            Edit(
                "paxos/replica.py",
                "Replica._on_ask",
                "self._leader is None and ",
                "",
            ),
        ),
        (_REPLICA, _STORY),
    ),
    Mutant(
        "one-grant-is-enough",
        "P19",
        "a ballot is raised only with the consent of a quorum",
        (
            Edit(
                "paxos/election.py",
                "Election.is_granted",
                "self._quorums.is_phase1(self._grants)",
                "bool(self._grants)",
            ),
        ),
        (_ELECTION, _STORY),
    ),
    Mutant(
        "grant-of-another-attempt-counted",
        "P31",
        "consent to an earlier attempt elects nobody",
        (
            Edit(
                "paxos/election.py",
                "Election.on_grant",
                "if attempt == self.attempt:",
                "if True:",
            ),
        ),
        (_ELECTION, _READS),
    ),
    Mutant(
        "leader-without-a-quorum-stays",
        "P20",
        "a leader that reaches no quorum gives up",
        (
            Edit(
                "paxos/replica.py",
                "Replica._lead",
                "not self.is_in_touch(now) or ",
                "",
            ),
        ),
        (_STORY,),
    ),
    Mutant(
        "leader-with-a-stuck-disk-stays",
        "P18",
        "a leader whose own disk makes no progress gives up",
        (
            Edit(
                "paxos/replica.py",
                "Replica._lead",
                " or self._disk.is_stalled(now)",
                "",
            ),
        ),
        (_STORY,),
    ),
    Mutant(
        "candidate-with-a-stuck-disk",
        "P18",
        "a node whose disk makes no progress does not stand",
        (
            Edit(
                "paxos/replica.py",
                "Replica._follow",
                " and not self._disk.is_stalled(now)",
                "",
            ),
        ),
        (_STORY, _REPLICA),
    ),
    Mutant(
        "slow-disk-taken-for-a-dead-one",
        "P18",
        "a disk that still makes progress is not stalled, however long its queue",
        (
            Edit(
                "paxos/disk.py",
                "DiskProgress.is_stalled",
                "max(self._pending[0][1], self._progress_s)",
                "self._pending[0][1]",
            ),
        ),
        (_DISK,),
    ),
    Mutant(
        "heartbeat-waits-for-the-disk",
        "P18",
        "heartbeats never queue behind an fsync",
        (
            Edit(
                "paxos/connectivity.py",
                "Connectivity.begin_round",
                "out.send_now += ",
                "out.send_synced += ",
            ),
        ),
        (_STORY, _CONNECTIVITY),
    ),
    Mutant(
        "candidate-without-a-quorum",
        "P20",
        "only a quorum-connected node stands",
        (
            Edit(
                "paxos/replica.py",
                "Replica._follow",
                "self._connectivity.reaches(both_phases - 1, now) and ",
                "",
            ),
        ),
        (_STORY, _REPLICA),
    ),
    Mutant(
        "unconnected-leader-followed",
        "P20",
        "a leader that says it reaches no quorum is nobody to wait for",
        (
            Edit(
                "paxos/replica.py",
                "Replica._on_heartbeat",
                "if msg.connected:",
                "if True:",
            ),
        ),
        (_STORY, _REPLICA),
    ),
    Mutant(
        "connected-whatever-the-quorum",
        "P20",
        "a heartbeat says truly whether its sender reaches a quorum",
        (
            Edit(
                "paxos/connectivity.py",
                "Connectivity.begin_round",
                "self.reaches(quorum_peers, now)",
                "True",
            ),
        ),
        (_CONNECTIVITY, _STORY),
    ),
    Mutant(
        "heard-is-connected",
        "P21",
        "a round trip proves a link, a message received does not",
        (
            Edit(
                "paxos/replica.py",
                "Replica._on_heartbeat",
                "self._plausibility.check_round(msg.ballot)",
                "self._plausibility.check_round(msg.ballot)\n        self._connectivity._heard_s[sender] = now",
            ),
        ),
        (_STORY, _REPLICA),
    ),
    Mutant(
        "leadership-gossiped",
        "P20",
        "a heartbeat carries the sender's own leadership, not that of the leader it follows",
        (
            Edit(
                "paxos/replica.py",
                "Replica._begin_round",
                "else NO_BALLOT",
                "else self._election.leader_ballot",
            ),
            Edit(
                "paxos/replica.py",
                "Replica._on_heartbeat",
                " and msg.ballot.node == sender",
                "",
            ),
        ),
        (_STORY, _REPLICA),
    ),
    Mutant(
        "outdated-leader-followed",
        "P20",
        "the leader of a ballot below our promise is a leader no more",
        (
            Edit(
                "paxos/replica.py",
                "Replica._on_heartbeat",
                "elif msg.ballot >= self.promised and msg.ballot.node == sender:",
                "elif msg.ballot.node == sender:",
            ),
        ),
        (_REPLICA, _STORY),
    ),
    Mutant(
        "lower-leader-displaces-a-higher-one",
        "P20",
        "of two leaders heard the one of the higher ballot counts",
        (
            Edit(
                "paxos/election.py",
                "Election.hear_leader",
                "if ballot < self.leader_ballot:",
                "if False:",
            ),
        ),
        (_ELECTION,),
    ),
    Mutant(
        "rejected-ignored",
        "P19",
        "who is rejected by a higher ballot has lost, and gives up",
        (
            Edit(
                "paxos/replica.py",
                "Replica._on_rejected",
                "if mine and msg.ballot == mine.ballot and msg.promised > mine.ballot:",
                "if False:",
            ),
        ),
        (_REPLICA, _STORY),
    ),
    Mutant(
        "late-rejection-deposes",
        "P31",
        "a rejection of a former ballot means nothing to the present one",
        (
            Edit(
                "paxos/replica.py",
                "Replica._on_rejected",
                "msg.ballot == mine.ballot and ",
                "",
            ),
        ),
        (_REPLICA,),
    ),
    Mutant(
        "higher-promise-in-an-ack-ignored",
        "P19",
        "a leader that hears of a promise above its ballot gives up",
        (
            Edit(
                "paxos/replica.py",
                "Replica._on_heartbeat_ack",
                "if self._leader and msg.promised > self._leader.ballot:",
                "if False:",
            ),
        ),
        (_REPLICA, _READS),
    ),
    Mutant(
        "highest-ballot-forgotten",
        "P19",
        "the next ballot is above every ballot heard of",
        (
            Edit(
                "paxos/plausibility.py",
                "Plausibility.check_round",
                "self.highest_round = ballot.round",
                "pass",
            ),
        ),
        (_STORY, _REPLICA),
    ),
    Mutant(
        "no-pause-after-a-loss",
        "P19",
        "after a loss a candidate waits for a random time",
        (
            Edit(
                "paxos/election.py",
                "Election.back_off",
                "self._rng.uniform(0, 1) * scale_s",
                "0 * scale_s",
            ),
        ),
        (_ELECTION, _STORY),
    ),
    Mutant(
        "promised-candidate-outbid",
        "P19",
        "a node that promised another candidate leaves it the time to win",
        (
            Edit(
                "paxos/replica.py",
                "Replica._on_prepare",
                "self._election.yield_to(now)",
                "pass",
            ),
        ),
        (_REPLICA, _STORY),
    ),
    Mutant(
        "deposed-leader-goes-on",
        "P19",
        "a leader that promises another candidate leads no more",
        (
            Edit(
                "paxos/replica.py",
                "Replica._on_prepare",
                "if self.role is not Role.FOLLOWER:",
                "if False:",
            ),
        ),
        (_REPLICA,),
    ),
    Mutant(
        "rounds-begin-at-zero",
        "P31",
        "an ack meant for a former life of the node proves no link of this one",
        (
            Edit(
                "paxos/connectivity.py",
                "Connectivity.__init__",
                "self.round = first_round",
                "self.round = 0",
            ),
        ),
        (_READS, _CONNECTIVITY),
    ),
    Mutant(
        "attempts-counted-from-one",
        "P31",
        "a grant given to a former life of the node elects nobody",
        (
            Edit(
                "paxos/election.py",
                "Election.ask",
                "self.attempt = self._rng.getrandbits(62) | 1",
                "self.attempt = 1",
            ),
        ),
        (_READS, _ELECTION),
    ),
)

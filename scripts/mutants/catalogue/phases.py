"""Mutants of phase 1 and phase 2: quorums, the value of an open slot, slots in flight (P11 to P15, P31, P33, H14)."""

from __future__ import annotations

from scripts.mutants.mutant import Edit, Mutant

_PHASE1 = "tests/paxos/scenarios/test_phase1.py"
_CANDIDATE = "tests/paxos/test_candidate.py"
_LEADER = "tests/paxos/test_leader.py"
_READS = "tests/paxos/scenarios/test_reads.py"
_REPLICA = "tests/paxos/test_replica.py"
_LOG = "tests/paxos/test_log.py"
_QUORUM = "tests/paxos/test_quorum.py"

MUTANTS = (
    Mutant(
        "stale-promise-counted",
        "P11",
        "only promises of exactly this ballot count",
        (
            Edit(
                "paxos/candidate.py",
                "Candidate.on_promise",
                "if msg.ballot != self.ballot:",
                "if False:",
            ),
        ),
        (_PHASE1, _CANDIDATE),
    ),
    Mutant(
        "repeated-promise-counted-twice",
        "P11",
        "an acceptor that answers twice is one acceptor",
        (
            Edit(
                "paxos/candidate.py",
                "Candidate.on_promise",
                "report = self._reports.get(sender)",
                "known = self._reports.get(sender)\n"
                "        sender = sender if known is None or known.answer == msg.answer else -msg.answer\n"
                "        report = self._reports.get(sender)",
            ),
        ),
        (_CANDIDATE, _PHASE1),
    ),
    Mutant(
        "repeated-vote-counted-twice",
        "P11",
        "an acceptor that says Accepted twice has one vote",
        (
            Edit(
                "paxos/leader.py",
                "Leader.on_accepted",
                "flight.voters.add(sender)",
                "flight.voters.add(-len(flight.voters) if sender in flight.voters else sender)",
            ),
        ),
        (_PHASE1, _LEADER),
    ),
    Mutant(
        "vote-of-another-ballot-counted",
        "P11",
        "only votes of exactly this ballot count",
        (
            Edit(
                "paxos/leader.py",
                "Leader.on_accepted",
                " if msg.ballot == self.ballot else None",
                "",
            ),
        ),
        (_READS, _LEADER),
    ),
    Mutant(
        "promise-of-a-stranger-to-itself",
        "P11",
        "the candidate's own promise is among those that elect it",
        (
            Edit(
                "paxos/candidate.py",
                "Candidate.has_quorum",
                "self.ballot.node in promised_by and ",
                "",
            ),
        ),
        (_CANDIDATE,),
    ),
    Mutant(
        "phase-1-quorum-too-small",
        "P11",
        "a phase-1 quorum has as many members as configured",
        (
            Edit(
                "paxos/quorum.py",
                "Quorums.is_phase1",
                "len(nodes) >= self.phase1",
                "len(nodes) >= self.phase1 - 1",
            ),
        ),
        (_QUORUM, _PHASE1),
    ),
    Mutant(
        "phase-2-quorum-too-small",
        "P11",
        "a phase-2 quorum has as many members as configured",
        (
            Edit(
                "paxos/quorum.py",
                "Quorums.is_phase2",
                "len(nodes) >= self.phase2",
                "len(nodes) >= self.phase2 - 1",
            ),
        ),
        (_QUORUM, _LEADER),
    ),
    Mutant(
        "quorums-that-miss-each-other",
        "P11",
        "every phase-1 quorum meets every phase-2 quorum, or they are refused",
        (
            Edit(
                "paxos/quorum.py",
                "Quorums.__post_init__",
                "if self.phase1 + self.phase2 <= count:",
                "if self.phase1 + self.phase2 < count:",
            ),
        ),
        (_QUORUM,),
        simulated=False,
    ),
    Mutant(
        "incomplete-promise-counted",
        "P12",
        "a promise in parts counts when its last part is there",
        (
            Edit(
                "paxos/candidate.py",
                "Report.complete",
                "len(self.pieces) == self.parts",
                "len(self.pieces) >= 1",
            ),
        ),
        (_PHASE1, _CANDIDATE),
    ),
    Mutant(
        "parts-of-two-answers-put-together",
        "P12",
        "the parts of two answers need not fit together",
        (
            Edit(
                "paxos/candidate.py",
                "Candidate.on_promise",
                "if msg.answer == report.answer:",
                "if True:",
            ),
        ),
        (_PHASE1, _CANDIDATE),
    ),
    Mutant(
        "value-of-the-lowest-ballot",
        "P12",
        "P2c: of all reported votes the one of the highest ballot is proposed",
        (
            Edit(
                "paxos/candidate.py",
                "safe_value",
                "return max(votes,",
                "return min(votes,",
            ),
        ),
        (_CANDIDATE, _PHASE1),
    ),
    Mutant(
        "noop-over-a-reported-vote",
        "P13",
        "a no-op fills a slot only if no acceptor of a quorum reports a vote there",
        (
            Edit(
                "paxos/candidate.py",
                "Candidate.recovered",
                "values.append(safe_value([reports[node].votes for node in sound], slot))",
                "values.append(NOOP)",
            ),
        ),
        (_PHASE1, _CANDIDATE),
    ),
    Mutant(
        "next-slot-without-max",
        "P12",
        "phase 1 ends above the highest slot that anybody reports, not above our own",
        (
            Edit(
                "paxos/candidate.py",
                "Candidate.recovered",
                "for report in reports.values() for slot in (*report.votes, *report.faulty)",
                "for slot in reports[self.ballot.node].votes",
            ),
        ),
        (_PHASE1, _CANDIDATE),
    ),
    Mutant(
        "promise-leaves-out-the-first-open-slot",
        "P12",
        "a Promise reports every vote from the slot asked for on",
        (
            Edit(
                "paxos/log.py",
                "Log.open_votes",
                "first = max(from_slot, self.known_slot + 1)",
                "first = max(from_slot + 1, self.known_slot + 1)",
            ),
        ),
        (_LOG, _PHASE1),
    ),
    Mutant(
        "recovered-values-in-other-slots",
        "P12",
        "what phase 1 found is proposed in order, each value in its own slot",
        (
            Edit(
                "paxos/leader.py",
                "Leader.propose_recovered",
                "self._recovered.popleft()",
                "self._recovered.pop()",
            ),
        ),
        (_PHASE1, _LEADER),
    ),
    Mutant(
        "chosen-slots-taken-for-empty",
        "P15",
        "below a reported commit slot nothing is open: the candidate catches up before it leads",
        (
            Edit(
                "paxos/replica.py",
                "Replica._try_to_lead",
                "if self.log.commit_slot < commit_slot:",
                "if False:",
            ),
        ),
        (_PHASE1, _REPLICA),
    ),
    Mutant(
        "slot-proposed-twice",
        "P12",
        "one value per ballot and slot: the next proposal goes into the next slot",
        (
            Edit(
                "paxos/leader.py",
                "Leader.propose",
                "self.next_slot = slot + 1",
                "self.next_slot = slot + (slot % 2)",
            ),
        ),
        (_LEADER,),
    ),
    Mutant(
        "chosen-out-of-order",
        "P12",
        "slots are handed out as chosen in order, each after the one before it",
        (
            Edit(
                "paxos/leader.py",
                "Leader.on_accepted",
                "return msg.slot == self._log.commit_slot + 1 and self._quorums.is_phase2(flight.voters)",
                "return self._quorums.is_phase2(flight.voters)",
            ),
            Edit(
                "paxos/leader.py",
                "Leader.take_chosen",
                "if flight is None or not self._quorums.is_phase2(flight.voters):",
                "if flight is None:",
            ),
        ),
        (_LEADER,),
    ),
    Mutant(
        "window-without-bound",
        "P33",
        "few enough slots are in flight",
        (
            Edit(
                "paxos/leader.py",
                "Leader._window_is_open",
                "len(self._in_flight) < self._window and ",
                "",
            ),
        ),
        (_LEADER, _PHASE1),
    ),
    Mutant(
        "open-votes-without-bound",
        "P33",
        "open votes fill no more memory than they may",
        (
            Edit(
                "paxos/log.py",
                "Log.has_room",
                "ahead <= SLOT_AHEAD_MAX and self._open_bytes < OPEN_BYTES_MAX",
                "ahead <= SLOT_AHEAD_MAX",
            ),
        ),
        (_LOG,),
        simulated=False,
    ),
    Mutant(
        "vote-in-the-far-future",
        "H14",
        "no vote far above the commit slot: a later leader would fill an endless gap",
        (
            Edit(
                "paxos/log.py",
                "Log.has_room",
                "ahead <= SLOT_AHEAD_MAX and self._open_bytes < OPEN_BYTES_MAX",
                "self._open_bytes < OPEN_BYTES_MAX",
            ),
        ),
        (_LOG,),
        simulated=False,
    ),
    Mutant(
        "ballot-jumps-to-the-end",
        "H14",
        "a forged ballot does not use up the numbers",
        (
            Edit(
                "paxos/plausibility.py",
                "Plausibility.check_round",
                "if ballot.round > self.highest_round + ROUND_JUMP_MAX:",
                "if False:",
            ),
        ),
        (_REPLICA,),
        simulated=False,
    ),
    Mutant(
        "promise-of-an-endless-gap",
        "H14",
        "a promise with a vote far beyond its commit slot is impossible, and refused",
        (
            Edit(
                "paxos/plausibility.py",
                "Plausibility.check_promise",
                " or highest - max(msg.commit_slot, msg.known_slot) > SLOT_AHEAD_MAX",
                "",
            ),
        ),
        (_REPLICA,),
        simulated=False,
    ),
    Mutant(
        "ballot-of-another-node",
        "P34",
        "a ballot has one owner: nobody else may propose under it",
        (
            Edit(
                "paxos/plausibility.py",
                "Plausibility.check_owner",
                "if ballot.node != sender:",
                "if False:",
            ),
        ),
        (_REPLICA,),
        simulated=False,
    ),
    Mutant(
        "lost-accept-never-repeated",
        "P31",
        "an Accept that got lost is sent again",
        (
            Edit(
                "paxos/leader.py",
                "Leader.repeat",
                "if flight.sent_s > before_s:",
                "if True:",
            ),
        ),
        ("tests/paxos/scenarios/test_learning.py", _LEADER),
    ),
)

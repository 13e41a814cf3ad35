"""Mutants of leases for reads: everything that lets somebody lead within a lease of another (P24)."""

from __future__ import annotations

from scripts.mutants.mutant import Edit, Mutant

_STORY = "tests/paxos/scenarios/test_leases.py"
_UNIT = "tests/paxos/test_lease.py"
_GATE = "tests/node/test_readgate.py"
_REQUESTS = "tests/node/test_requests.py"
_CONFIG = "tests/node/test_config.py"

MUTANTS = (
    Mutant(
        "lease-counted-from-the-answer",
        "P24",
        "a lease counts from when the round was sent, not from its answer",
        (
            Edit(
                "paxos/replica.py",
                "Replica._on_heartbeat_ack",
                "self._connectivity.began_s(msg.round)",
                "now",
            ),
        ),
        (_STORY,),
    ),
    Mutant(
        "restart-forgets-the-wait",
        "P24",
        "a restarted acceptor waits for as long as it may have granted",
        (
            Edit(
                "paxos/lease.py",
                "Hold.__init__",
                "self._until_s = now + self._length_s",
                "self._until_s = _NEVER_S",
            ),
        ),
        (_UNIT, _STORY),
    ),
    Mutant(
        "slow-clock-of-the-leader-ignored",
        "P24",
        "the leader's clock may be slow",
        (
            Edit(
                "paxos/lease.py",
                "LeaseTerms.leader_s",
                "self.length_s * (1 - self.drift_max)",
                "self.length_s",
            ),
        ),
        (_UNIT, _STORY),
    ),
    Mutant(
        "fast-clock-of-an-acceptor-ignored",
        "P24",
        "an acceptor's clock may be fast",
        (
            Edit(
                "paxos/lease.py",
                "LeaseTerms.leader_s",
                " / (1 + self.drift_max)",
                "",
            ),
        ),
        (_UNIT, _STORY),
    ),
    Mutant(
        "step-down-keeps-the-lease",
        "P24",
        "a leadership takes its lease along",
        (
            Edit(
                "paxos/replica.py",
                "Replica._become_follower",
                "self._leader_reads = self._lease = None",
                "self._leader_reads = None",
            ),
        ),
        (_STORY,),
    ),
    Mutant(
        "promise-within-a-hold",
        "P24",
        "who acknowledged a leader promises no higher ballot for the length of a lease",
        (
            Edit(
                "paxos/replica.py",
                "Replica._on_prepare",
                "if msg.ballot > self.promised and self._hold.is_on(now):",
                "if False:",
            ),
        ),
        (_STORY,),
    ),
    Mutant(
        "hold-refuses-what-was-promised",
        "P24",
        "a hold takes no promise back",
        (
            Edit(
                "paxos/replica.py",
                "Replica._on_prepare",
                "msg.ballot > self.promised and self._hold.is_on(now)",
                "self._hold.is_on(now)",
            ),
        ),
        (_STORY,),
    ),
    Mutant(
        "consent-within-a-hold",
        "P24",
        "nobody consents to what it could not promise",
        (
            Edit(
                "paxos/replica.py",
                "Replica._on_ask",
                " and not self._hold.is_on(now)",
                "",
            ),
        ),
        (_STORY,),
    ),
    Mutant(
        "standing-within-a-hold",
        "P24",
        "nobody asks for consent while a leader may count on it",
        (
            Edit(
                "paxos/replica.py",
                "Replica._follow",
                "self._candidate or self._hold.is_on(now) or not",
                "self._candidate or not",
            ),
        ),
        (_STORY,),
    ),
    Mutant(
        "candidate-within-a-hold",
        "P24",
        "nobody promises itself a ballot while a leader may count on it",
        (
            Edit(
                "paxos/replica.py",
                "Replica._on_grant",
                " and not self._hold.is_on(now)",
                "",
            ),
        ),
        (_STORY,),
    ),
    Mutant(
        "acknowledged-and-not-held",
        "P24",
        "an acknowledgement is held to",
        (
            Edit(
                "paxos/replica.py",
                "Replica._on_heartbeat",
                "self._hold.on_acknowledged(now)",
                "pass",
            ),
        ),
        (_STORY,),
    ),
    Mutant(
        "lease-of-an-acceptor-that-promised-another",
        "P24",
        "an acceptor that promised a higher ballot grants this one nothing",
        (
            Edit(
                "paxos/lease.py",
                "LeaderLease.on_ack",
                " or msg.promised > self._ballot",
                "",
            ),
        ),
        (_UNIT,),
    ),
    Mutant(
        "lease-of-another-ballot",
        "P24",
        "an acknowledgement of another leadership grants this one nothing",
        (
            Edit(
                "paxos/lease.py",
                "LeaderLease.on_ack",
                " or msg.ballot != self._ballot",
                "",
            ),
        ),
        (_UNIT,),
    ),
    Mutant(
        "lease-granted-by-too-few",
        "P24",
        "a lease is granted by a quorum that meets every quorum that elects",
        (
            Edit(
                "paxos/lease.py",
                "LeaderLease.__init__",
                "self._peers = quorums.phase2 - 1",
                "self._peers = min(1, quorums.phase2 - 1)",
            ),
        ),
        (_UNIT, _STORY),
    ),
    Mutant(
        "lease-as-long-as-the-latest-allows",
        "P24",
        "a lease ends with the oldest of the rounds that a quorum acknowledged",
        (
            Edit(
                "paxos/lease.py",
                "LeaderLease.on_ack",
                "latest_s[self._peers - 1]",
                "latest_s[0]",
            ),
        ),
        (_UNIT,),
    ),
    Mutant(
        "late-acknowledgement-shortens-a-lease",
        "P24",
        "an answer to an earlier round takes nothing away",
        (
            Edit(
                "paxos/lease.py",
                "LeaderLease.on_ack",
                "max(began_s, self._began_s.get(sender, _NEVER_S))",
                "began_s",
            ),
        ),
        (_UNIT,),
    ),
    Mutant(
        "lease-before-the-barrier",
        "P24",
        "no read before a new leader has finished what it recovered",
        (
            Edit(
                "paxos/lease.py",
                "LeaderLease.holds",
                "commit_slot >= self._barrier_slot and now",
                "now",
            ),
        ),
        (_UNIT, _STORY),
    ),
    Mutant(
        "lease-not-looked-at-again",
        "P24",
        "compute, then look at the lease, then reply",
        (
            Edit(
                "node/readgate.py",
                "ReadGate._serve_leased",
                "if self._engine.has_lease():",
                "if True:",
            ),
        ),
        (_GATE,),
    ),
    Mutant(
        "leased-read-without-a-lease",
        "P24",
        "who has no lease asks the others",
        (
            Edit(
                "node/readgate.py",
                "ReadGate.submit_leased",
                "if self._engine.has_lease():",
                "if True:",
            ),
        ),
        (_GATE,),
    ),
    Mutant(
        "leased-read-before-applying",
        "P24",
        "what was chosen is applied before a read under a lease",
        (
            Edit(
                "node/engine.py",
                "Engine.has_lease",
                "self._apply()",
                "pass",
            ),
        ),
        (_GATE,),
    ),
    Mutant(
        "leased-read-where-none-is-granted",
        "P24",
        "a read under a lease is refused where none is granted",
        (
            Edit(
                "node/reads.py",
                "Reads.read",
                "mode == protocol.LEASE_READ and self._engine.replica.grants_leases",
                "mode == protocol.LEASE_READ and True",
            ),
        ),
        (_REQUESTS,),
    ),
    Mutant(
        "members-with-different-leases",
        "P24",
        "members with different leases belong to different clusters",
        (
            Edit(
                "node/config.py",
                "NodeConfig.cluster_id",
                "if self.lease_reads:",
                "if False:",
            ),
        ),
        (_CONFIG,),
        simulated=False,
    ),
    Mutant(
        "lease-longer-than-the-patience",
        "P24",
        "a lease is over before an election would begin anyway",
        (
            Edit(
                "node/config.py",
                "NodeConfig._check_leases",
                " <= self.election_timeout_s:",
                ":",
            ),
        ),
        (_CONFIG,),
        simulated=False,
    ),
    Mutant(
        "lease-on-a-clock-that-sleeps",
        "P24",
        "the clock of a lease goes on while the machine is suspended",
        (
            Edit(
                "node/clock.py",
                "clock_for",
                "return boottime",
                "return time.monotonic",
            ),
        ),
        (_CONFIG,),
        simulated=False,
    ),
)

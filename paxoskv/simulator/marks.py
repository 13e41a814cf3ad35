"""Rare events by name, so that a long run can say which of them it has never seen.

A run of thousands of seeds that never met a faulty slot in phase 1 proves nothing about faulty slots. `MARKS` names
what has to happen sooner or later; `sightings` finds most of it in what cores hear and do, the rest is marked where it
is done.
"""

from __future__ import annotations

from collections import Counter

MARKS: dict[str, str] = {
    # elections
    "two candidates at once": "a node stands while another one stands",
    "candidate outbid": "a candidate hears that a higher ballot was promised",
    "leader outbid": "a leader hears that a higher ballot was promised",
    "deposed leader hears its successor": "a leader gets an Accept or a heartbeat of a higher ballot",
    "leader without a quorum steps down": "round trips with too few peers within the election timeout",
    "leader stepped down for its disk": "its journal made no progress for an election timeout (P18)",
    "leader leaves in order": "a leading node is told to shut down",
    "consent refused: a leader is heard": "an Ask without a Grant (P20, P21)",
    "late consent": "a Grant of an earlier attempt, or of an earlier life",
    "Prepare repeated": "a Prepare of the very ballot that was promised",
    "Prepare refused": "a Prepare below the promise",
    "stale promise": "a Promise of another ballot than the candidate's (P11)",
    "promise repeated": "a Promise that was counted already",
    "promise in several parts": "more votes than one message holds (P12)",
    "parts of two answers": "a part of another answer than the one begun with (P12)",
    "promise after the election": "a Promise of its own ballot reaches a leader",
    "candidate has to learn first": "an acceptor knows chosen slots that the candidate does not",
    "phase 1 meets a faulty slot": "an acceptor says that a record is damaged (P5)",
    "phase 1 waits for a faulty slot": "a quorum promised, and too few of it can be trusted for a slot (P13)",
    "value of an earlier ballot proposed again": "P2c with a vote to respect",
    "two votes reported for one slot": "acceptors report different ballots in one slot",
    "two values reported for one slot": "acceptors report different values in one slot",
    "gap filled with no-op": "an open slot below a vote in which nobody voted (P13)",
    # phase 2
    "vote repeated": "an Accepted that was counted already (P11)",
    "Accepted after a leader change": "an Accepted of another ballot than the one now led",
    "Accepted of a chosen slot": "a vote more than were needed",
    "Accept refused": "an Accept below the promise (P1a)",
    "Accept repeated": "an Accept of the vote that was made",
    "Accept of a chosen slot": "an Accept at or below the commit slot",
    "vote replaced by a higher ballot": "an acceptor votes again in a slot",
    "vote replaced by another value": "and for another value",
    "window full": "as many slots in flight as may be",
    "chosen without the leader's own disk": "a quorum of followers was faster",
    "chosen out of order": "a slot has its quorum before the one below it",
    "many commands in one slot": "a batch of more than one",
    # learning
    "P14: commit told, vote of another ballot": "chosen up to here does not make our vote the chosen one",
    "P14: and of another value": "our vote is not what was chosen",
    "commit told, no vote": "a follower missed an Accept",
    "catch-up from memory": "chosen slots are taught from the tail",
    "catch-up from the journal": "chosen slots are read back for a laggard",
    "catch-up in several answers": "more to teach than one message holds",
    "learned over an own vote": "a chosen value is learned in a slot with a vote of another ballot",
    "late lesson": "a Learn of slots that are known already",
    "leader ignores a lesson": "a leader hears a Learn",
    # reads
    "read round dropped by a change of leadership": "reads fail with the ballot under which they began (P23)",
    "many reads in one round": "reads share a confirmation",
    "read waits for the barrier": "a new leader is asked before its first slot is chosen (P23)",
    "read through the leader": "a follower serves a linearizable read",
    "late read answer": "an answer to another ask than the current one (P31)",
    "read given up": "a follower's read fails",
    "follower waits for the read slot": "a follower is told to wait for a slot it has not applied",
    "read under a lease": "a leader answers without asking anybody (P24)",
    "leader without a lease has to ask": "too few have acknowledged it lately, or it has just been elected",
    "Prepare held back for a lease": "an acceptor has acknowledged a leader, or has just started",
    "consent held back for a lease": "nobody is heard any more, but may still count on us",
    # disks
    "restart with open votes": "a node comes back with votes above its commit slot",
    "restart with a faulty slot": "and one of them is damaged",
    "restart forgets a commit": "a node comes back with a lower commit slot than it had",
    "killed in a transaction, data there": "the transaction under way is durable although nobody was told",
    "killed in a transaction, data gone": "it is not",
    "false failure": "a write is reported as failed, and the data is there (P6)",
    "write error": "a write fails, the process ends, and is started again",
    "full disk waited out": "a journal stands still and goes on (P9)",
    "start on a full disk": "a node starts that cannot write",
    "hung disk goes on": "a sync that takes long ends after all",
    "acknowledged writes lost": "a disk has lied, and a crash shows it",
    "damaged record found": "a journal finds a row that fails its checksum",
    "quarantine": "a node refuses to serve for good, and says why",
    "emptied node found out": "peers know a node in another incarnation (P3)",
    "rolled back node found out": "peers remember more of a node than its own journal (P4)",
    "directory of another node": "a node refuses the journal of another one",
    # network and processes
    "damaged frame": "a connection is closed for a frame that fails its checksum",
    "connection superseded": "a peer connects anew while its former connection stands",
    "connection timed out": "a kernel gives up a connection whose bytes are not acknowledged",
    "slow reader cut off": "more waits for a connection than may",
    "stranger refused": "somebody else than a member of the cluster introduces itself",
    "process gone": "a port refuses, so its node is known to be dead",
    # clients
    "retry answered from the kept reply": "a copy of an executed write (P25)",
    "late copy refused": "a copy of a write that its client has settled",
    "session expired": "a session was idle for too long in log time",
    "outcome unknown": "a client gives up a write that may have been applied",
    "write refused": "a client is told that a write surely was not applied",
    "forwarded write loses its leader": "a follower does not hear what became of a write",
    "overloaded": "a node refuses work that exceeds its bounds",
    "watch goes on at another node": "a watch is told the next events by another node than the last ones (P29)",
    "watcher told Compacted": "a watch ends because nodes have forgotten what comes next (P29)",
    "read of a compacted revision": "a read of the past comes too late",
    "lease extended by a new leader": "a lease begins its time anew because nobody led for a while (P18)",
    "lease expired": "the time of a lease is over",
    "lease gone while its owner asked for more time": "a lease ends while a renewal is under way",
    "lease lost by its owner": "an owner that keeps its lease alive has to give it up",
    "transaction refused": "the state does not allow an operation of a transaction, so nothing of it is done",
    "retry of a transaction answered from the kept reply": "a copy of an executed transaction (P25)",
    "operation cancelled": "a program does not wait for its answer",
}


class Marks:
    """Counts sightings of the marks of one run."""

    def __init__(self) -> None:
        self.hits: Counter[str] = Counter()

    def hit(self, mark: str) -> None:
        """Count one sighting."""
        assert mark in MARKS, f"{mark!r} is no mark"
        self.hits[mark] += 1


def never_hit(hits: Counter[str]) -> list[str]:
    """Return the marks that were not seen."""
    return [mark for mark in MARKS if not hits[mark]]

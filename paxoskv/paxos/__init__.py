"""The algorithm: Multi-Paxos with a stable leader, as a pure Python object.

A `Replica` is one node's part. It takes messages, timer ticks, proposals and reads together with the time, and returns
`Effects`: messages to send, records to make durable, values that were chosen, reads that may be answered. It never
does any of that itself: no I/O, no clock, no randomness of its own, so the same object runs in a server, in a
simulator and in a unit test.

Where to start reading: `messages` (what nodes say), `replica` (who handles it), then one file a role: `acceptor`
(promises and votes), `candidate` (phase 1), `leader` (phase 2), `learner` (what was chosen), `mender` (damaged
records), `election` and `connectivity` (who may try), `reads` (linearizable reads without writing),
`lease` (reads without asking).

The rules, by the names used in the code and the tests:

- P1a   an acceptor votes in a ballot only if it has promised no higher one; promises and votes are durable before
        they are spoken of.
- P2c   a new leader proposes in an open slot the value of the highest-ballot vote that a phase-1 quorum reports, a
        no-op if none does; slots that somebody can teach are learned, never proposed.
- one value per ballot and slot: a ballot has one owner, which never uses it twice and issues each slot once.
- chosen: a phase-2 quorum of distinct members voted for it under one ballot.
- compacted_slot <= commit_slot < next_slot; the runtime adds checkpoint_slot <= applied_slot <= commit_slot.
- commit_slot <= known_slot: after damage to its journal a node may know that more is chosen than it can read; it says
  nothing of those slots, not even "no vote", until they are repaired.
"""

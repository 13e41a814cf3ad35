"""The state machine: what the chosen log means, as a pure Python object.

A `Machine` takes the values of slots 1, 2, 3... and turns each command in them into a reply. Replicas that applied
the same log hold the same keys, the same sessions and the same digest, whatever their process, platform or hash seed.

- A slot's value is a batch: how much log time passes, then commands, each encoded by the client that sent it.
- A key holds a record `(value, created, modified, version, lease)`. Every command that changes a key moves the one
  revision counter by 1; a revision is never used again, so it serves as a fencing token (P27, P28).
- A write happens once: it names a session and a number in it, and the reply of the first execution is kept in the
  state until the client confirms it, so a retry after any failure gets the same reply (P25).
- Time is log time, which advances only by what the batches carry; a session idle for too long expires by it (P26).

It never does I/O, reads no clock, draws no random number, calls no `hash()` and iterates over no set. It never skips
what it cannot read: a batch or a command of a newer version raises, and the node stops (P35).

Where to start reading: `commands` (what stands in the log), `machine` (what it does, and exactly once), then its
parts: `store` and `records` (keys and what they hold), `sessions` (kept replies, expiry), `digest` (how replicas
compare), `replies` (the answers), `limits` (the bounds of everything).
"""

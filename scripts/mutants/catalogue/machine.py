"""Mutants of the state machine: exactly once, the same everywhere, compares, revisions (P10, P25 to P28, P35)."""

from __future__ import annotations

from scripts.mutants.mutant import Edit, Mutant

_ONCE = "tests/kv/test_exactly_once.py"
_MACHINE = "tests/kv/test_machine.py"
_STORE = "tests/kv/test_store.py"
_SAME = "tests/kv/test_determinism.py"
_BATCHES = "tests/kv/test_batches.py"
_COMMANDS = "tests/kv/test_commands.py"

MUTANTS = (
    Mutant(
        "session-table-not-consulted",
        "P25",
        "a copy of a write gets the reply of the first execution",
        (
            Edit(
                "kv/machine.py",
                "Machine._execute",
                "if first is not None:",
                "if False:",
            ),
        ),
        (_ONCE,),
    ),
    Mutant(
        "reply-not-kept",
        "P25",
        "the reply of a write is a part of the state",
        (
            Edit(
                "kv/machine.py",
                "Machine._execute",
                "session.keep(seq, reply)",
                "pass",
            ),
        ),
        (_ONCE,),
    ),
    Mutant(
        "acknowledged-write-executed-again",
        "P25",
        "a late copy of a write whose reply was confirmed is refused",
        (
            Edit(
                "kv/machine.py",
                "Machine._execute",
                "if seq <= session.acked:",
                "if seq < session.acked:",
            ),
        ),
        (_ONCE,),
    ),
    Mutant(
        "open-reply-forgotten",
        "P25",
        "only replies up to the confirmed number are forgotten",
        (
            Edit(
                "kv/sessions.py",
                "Session.acknowledge",
                "            self._forget(acked)\n",
                "            self._forget(acked)\n            self._forget(acked + 1)\n",
            ),
        ),
        (_ONCE,),
    ),
    Mutant(
        "expired-session-revived",
        "P25",
        "a write of an expired session is an error, never executed",
        (
            Edit(
                "kv/machine.py",
                "Machine._execute",
                "if session is None:\n            return self._reply(SESSION_EXPIRED)",
                "if session is None:\n            self._sessions._by_activity[fields[1]] = session = Session(0)",
            ),
            Edit(
                "kv/machine.py",
                "Machine._execute",
                "op, seq = fields[0], fields[2]",
                "from paxoskv.kv.sessions import Session\n\n        op, seq = fields[0], fields[2]",
            ),
        ),
        (_ONCE,),
    ),
    Mutant(
        "session-id-used-again",
        "P25",
        "the id of a session is never given to another one",
        (
            Edit(
                "kv/sessions.py",
                "Sessions.open",
                "self.opened += 1",
                "self.opened = len(self._by_activity) + 1",
            ),
        ),
        (_ONCE,),
    ),
    Mutant(
        "busy-session-expires",
        "P26",
        "every command of a session begins its idle time anew",
        (
            Edit(
                "kv/sessions.py",
                "Sessions.touch",
                "session.active_ms = now_ms",
                "pass",
            ),
        ),
        (_ONCE,),
    ),
    Mutant(
        "session-expires-early",
        "P26",
        "a session lives for its whole idle time",
        (
            Edit(
                "kv/sessions.py",
                "Sessions.expire",
                "if oldest.active_ms >= idle_since_ms:",
                "if oldest.active_ms > idle_since_ms:",
            ),
        ),
        (_ONCE,),
    ),
    Mutant(
        "session-expires-by-the-clock",
        "P26",
        "sessions expire by log time: replay at another hour gives the same state",
        (
            Edit(
                "kv/machine.py",
                "Machine.apply",
                "self._sessions.expire(self.now_ms)",
                "self._sessions.expire(int(__import__('time').time() * 1000))",
            ),
        ),
        (_ONCE,),
    ),
    Mutant(
        "log-time-stands-still",
        "P26",
        "log time advances by what the batches carry",
        (
            Edit(
                "kv/machine.py",
                "Machine.apply",
                "self.now_ms += elapsed_ms",
                "pass",
            ),
        ),
        (_ONCE, _MACHINE),
    ),
    Mutant(
        "replies-without-bound",
        "P33",
        "a session keeps no more replies than it may",
        (
            Edit(
                "kv/sessions.py",
                "Sessions.has_room",
                "len(session.replies) < limits.session_replies_max and ",
                "",
            ),
        ),
        (_ONCE,),
        simulated=False,
    ),
    Mutant(
        "no-room-for-the-next-write",
        "P25",
        "the write that all acknowledgements wait for is never refused for their number",
        (
            Edit(
                "kv/sessions.py",
                "Sessions.has_room",
                "return seq == session.acked + 1",
                "return False",
            ),
        ),
        (_ONCE,),
        simulated=False,
    ),
    Mutant(
        "sessions-without-bound",
        "P33",
        "no more sessions are open than may be",
        (
            Edit(
                "kv/sessions.py",
                "Sessions.open",
                "if len(self._by_activity) >= self._limits.sessions_max:",
                "if False:",
            ),
        ),
        (_MACHINE,),
        simulated=False,
    ),
    Mutant(
        "cas-absent-on-a-present-key",
        "P28",
        "a cas that expects absence fails on a present key",
        (
            Edit(
                "kv/machine.py",
                "_holds",
                "return record is None and condition == ABSENT",
                "return condition == ABSENT",
            ),
        ),
        (_MACHINE,),
    ),
    Mutant(
        "cas-on-an-absent-key",
        "P28",
        "a cas that expects a value or a revision fails on an absent key",
        (
            Edit(
                "kv/machine.py",
                "_holds",
                "return record is None and condition == ABSENT",
                "return record is None",
            ),
        ),
        (_MACHINE,),
    ),
    Mutant(
        "cas-by-creation",
        "P28",
        "a compare by revision sees every change of the key, not only its creation",
        (
            Edit(
                "kv/machine.py",
                "_holds",
                "record[MODIFIED]",
                "record[1]",
            ),
        ),
        (_MACHINE,),
    ),
    Mutant(
        "failed-compare-writes",
        "P28",
        "a cas whose condition does not hold changes nothing",
        (
            Edit(
                "kv/machine.py",
                "Machine._cas",
                "return self._reply(COMPARE_FAILED, record)",
                "self._store.put(key, value)\n            return self._reply(COMPARE_FAILED, record)",
            ),
        ),
        (_MACHINE,),
    ),
    Mutant(
        "put-without-a-revision",
        "P28",
        "every change moves the revision",
        (
            Edit(
                "kv/store.py",
                "Store.put",
                "self.revision += 1",
                "self.revision += prior is None",
            ),
        ),
        (_STORE, _MACHINE),
    ),
    Mutant(
        "delete-without-a-revision",
        "P28",
        "a delete is a change: a key that comes back does not come back at an old revision",
        (
            Edit(
                "kv/store.py",
                "Store.seal",
                "self.revision += 1",
                "pass",
            ),
        ),
        (_STORE, _MACHINE),
    ),
    Mutant(
        "delete-of-nothing-moves-the-revision",
        "P28",
        "a delete of an absent key changes nothing",
        (
            Edit(
                "kv/store.py",
                "Store.delete",
                "            return False",
                "            self.revision += 1\n            return False",
            ),
        ),
        (_STORE, _MACHINE),
    ),
    Mutant(
        "deleted-key-still-listed",
        "P28",
        "a deleted key is in no range",
        (
            Edit(
                "kv/store.py",
                "Store.replace",
                "self._order.remove(key)",
                "pass",
            ),
        ),
        (_STORE,),
    ),
    Mutant(
        "digest-without-values",
        "P26",
        "replicas that hold different values have different digests",
        (
            Edit(
                "kv/digest.py",
                "of_record",
                "crc32(key) << 32 | crc32(value)",
                "crc32(key) << 32",
            ),
        ),
        (_SAME, _STORE),
    ),
    Mutant(
        "digest-without-history",
        "P26",
        "replicas that answered differently have different digests",
        (
            Edit(
                "kv/machine.py",
                "Machine.apply",
                "self._history = digest.mix(self._history, _checksum(value, replies))",
                "pass",
            ),
        ),
        (_SAME,),
    ),
    Mutant(
        "digest-without-rules",
        "P26",
        "replicas under other session limits have another digest",
        (
            Edit(
                "kv/machine.py",
                "Machine.__init__",
                "self._history = _digest_of_rules(limits)",
                "self._history = 0",
            ),
        ),
        (_SAME,),
        simulated=False,
    ),
    Mutant(
        "digest-of-the-process",
        "P26",
        "a digest does not depend on the process that made it",
        (
            Edit(
                "kv/digest.py",
                "of_record",
                "crc32(key) << 32",
                "(hash(key) & MASK)",
            ),
        ),
        (_SAME,),
        simulated=False,
    ),
    Mutant(
        "half-a-batch-applied",
        "P35",
        "a batch that cannot be read whole changes nothing",
        (
            Edit(
                "kv/machine.py",
                "Machine.apply",
                "replies = [self._execute(fields) for fields in decoded]",
                "replies = [self._execute(_decode(slot, command)) for command in commands]",
            ),
            Edit(
                "kv/machine.py",
                "Machine.apply",
                "decoded = [_decode(slot, command) for command in commands]",
                "",
            ),
        ),
        (_MACHINE,),
    ),
    Mutant(
        "unknown-command-skipped",
        "P35",
        "a command of a newer version stops the node, it is never skipped",
        (
            Edit(
                "kv/machine.py",
                "Machine.apply",
                "decoded = [_decode(slot, command) for command in commands]",
                "decoded = [fields for command in commands if (fields := _decoded_or_none(command)) is not None]",
            ),
            Edit(
                "kv/machine.py",
                "_decode",
                "def _decode(slot: int, command: bytes) -> Fields:",
                "def _decoded_or_none(command: bytes) -> Fields | None:\n"
                "    try:\n"
                "        return decode_command(command)\n"
                "    except BadCommand:\n"
                "        return None\n\n\n"
                "def _decode(slot: int, command: bytes) -> Fields:",
            ),
        ),
        (_MACHINE,),
    ),
    Mutant(
        "batch-of-a-newer-format-read",
        "P35",
        "a batch of an unknown format is refused",
        (
            Edit(
                "kv/commands.py",
                "decode_batch",
                " or fields[0] != BATCH_FORMAT",
                "",
            ),
        ),
        (_BATCHES, _MACHINE),
        simulated=False,
    ),
    Mutant(
        "slot-applied-twice",
        "P10",
        "every slot is applied once, in order",
        (
            Edit(
                "kv/machine.py",
                "Machine.apply",
                "assert slot == self.applied_slot + 1",
                "assert slot",
            ),
        ),
        (_MACHINE,),
        simulated=False,
    ),
    Mutant(
        "oversized-value-let-through",
        "P32",
        "a value too large to replicate never enters the log",
        (
            Edit(
                "kv/commands.py",
                "check",
                "    if len(fields[5]) > limits.value_bytes_max:",
                "    if False:",
            ),
        ),
        (_COMMANDS,),
        simulated=False,
    ),
    Mutant(
        "oversized-key-let-through",
        "P32",
        "a key beyond its limit never enters the log",
        (
            Edit(
                "kv/commands.py",
                "check",
                "if len(fields[4]) > limits.key_bytes_max:",
                "if False:",
            ),
        ),
        (_COMMANDS,),
        simulated=False,
    ),
    Mutant(
        "write-without-a-number",
        "P25",
        "a write has a number above all that were acknowledged",
        (
            Edit(
                "kv/commands.py",
                "decode_command",
                "0 <= acked < seq <= NUMBER_MAX",
                "0 <= acked <= seq <= NUMBER_MAX",
            ),
        ),
        (_COMMANDS,),
        simulated=False,
    ),
)

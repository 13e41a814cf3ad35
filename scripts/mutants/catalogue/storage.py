"""Mutants of the journal and its writer: what is on the disk, whole, and whose (P1, P3 to P7, P9)."""

from __future__ import annotations

from scripts.mutants.mutant import Edit, Mutant

_JOURNAL = "tests/storage/test_journal.py"
_DAMAGE = "tests/storage/test_damage.py"
_BIRTH = "tests/storage/test_birth.py"
_RECORDS = "tests/storage/test_records.py"
_LOCK = "tests/storage/test_lockfile.py"
_WAL = "tests/storage/test_wal.py"
_WRITER = "tests/storage/test_writer.py"
_SCAN = "tests/storage/test_scan.py"

MUTANTS = (
    Mutant(
        "promise-row-not-written",
        "P1",
        "a promise is in a row of its own",
        (
            Edit(
                "storage/journal.py",
                "Journal.write",
                "if highest > self._promised:",
                "if False:",
            ),
        ),
        (_JOURNAL,),
    ),
    Mutant(
        "promise-lives-in-its-vote-alone",
        "P5",
        "a vote that is damaged later takes no promise with it",
        (
            Edit(
                "storage/journal.py",
                "Journal.write",
                "write.ballot if isinstance(write, SavePromise) else write.vote.ballot for write in writes",
                "write.ballot for write in writes if isinstance(write, SavePromise)",
            ),
        ),
        (_JOURNAL, _DAMAGE),
    ),
    Mutant(
        "promise-recovered-without-max",
        "P6",
        "a restart has promised the highest ballot that it voted in",
        (
            Edit(
                "storage/scan.py",
                "Scan.take",
                "self._promised = max(self._promised, record.vote.ballot)",
                "pass",
            ),
        ),
        (_SCAN, _JOURNAL),
    ),
    Mutant(
        "older-vote-kept",
        "P1",
        "a vote replaces the older one of its slot",
        (
            Edit(
                "storage/journal.py",
                "_insert",
                "INSERT OR REPLACE INTO",
                "INSERT OR IGNORE INTO",
            ),
        ),
        (_JOURNAL,),
    ),
    Mutant(
        "first-vote-of-a-slot-wins",
        "P1",
        "of two votes of a slot in one transaction the last one is kept",
        (
            Edit(
                "storage/journal.py",
                "Journal._save_votes",
                "latest = {save.slot: save for save in votes}",
                "latest = {save.slot: save for save in reversed(votes)}",
            ),
        ),
        (_JOURNAL,),
    ),
    Mutant(
        "sequence-number-stands-still",
        "P4",
        "the durable sequence number grows with every transaction",
        (
            Edit(
                "storage/journal.py",
                "Journal._save_votes",
                "seq = self.seq + 1",
                "seq = self.seq",
            ),
        ),
        (_JOURNAL,),
    ),
    Mutant(
        "sequence-number-falls-at-a-restart",
        "P4",
        "a restart goes on from the highest sequence number it finds",
        (
            Edit(
                "storage/scan.py",
                "Scan.take",
                "self._seq = max(self._seq, record.seq)",
                "pass",
            ),
        ),
        (_JOURNAL, _DAMAGE),
    ),
    Mutant(
        "vote-checksum-ignored",
        "P5",
        "a damaged row is not a vote",
        (
            Edit(
                "storage/records.py",
                "decode_vote",
                'if checksum != seal.checksum(b"vote",',
                'if None is seal.checksum(b"vote",',
            ),
        ),
        (_RECORDS, _DAMAGE),
    ),
    Mutant(
        "checksum-without-the-value",
        "P5",
        "a checksum covers the value",
        (
            Edit(
                "storage/records.py",
                "Seal.checksum",
                "digest.update(body)",
                "pass",
            ),
        ),
        (_RECORDS, _DAMAGE),
    ),
    Mutant(
        "checksum-without-the-cluster",
        "P34",
        "a row of another cluster is as wrong as a damaged one",
        (
            Edit(
                "storage/records.py",
                "Seal.__init__",
                "key=blake2b(cluster.encode(), digest_size=32).digest()",
                'key=b""',
            ),
        ),
        (_RECORDS,),
        simulated=False,
    ),
    Mutant(
        "damaged-open-vote-forgotten",
        "P5",
        "an open vote whose row is damaged is faulty, never absent",
        (
            Edit(
                "storage/scan.py",
                "Scan.take",
                "self._damaged.append(slot)",
                "pass",
            ),
        ),
        (_DAMAGE,),
    ),
    Mutant(
        "two-kinds-of-rows-alike",
        "P5",
        "no sort of row passes as another",
        (
            Edit(
                "storage/records.py",
                "Seal.checksum",
                "digest.update(kind)",
                "pass",
            ),
        ),
        (_RECORDS,),
        simulated=False,
    ),
    Mutant(
        "directory-of-another-node",
        "P34",
        "a node never starts from the directory of another one",
        (
            Edit(
                "storage/identity.py",
                "check_identity",
                "if (found.cluster, found.node) != (cluster, node):",
                "if found.cluster != cluster:",
            ),
        ),
        (_BIRTH, _JOURNAL),
        simulated=False,
    ),
    Mutant(
        "emptied-directory-born-again",
        "P3",
        "a directory that had a journal does not get another one",
        (
            Edit(
                "storage/precheck.py",
                "is_born",
                "if traces:",
                "if False:",
            ),
        ),
        (_BIRTH, _DAMAGE),
        simulated=False,
    ),
    Mutant(
        "missing-log-not-missed",
        "P5",
        "a write-ahead log that must be there and is not means lost votes",
        (
            Edit(
                "storage/journal.py",
                "Journal",
                "await asyncio.to_thread(mark_open, self._directory)",
                "pass",
            ),
        ),
        (_DAMAGE, _WAL, _BIRTH),
        simulated=False,
    ),
    Mutant(
        "damaged-log-not-noticed",
        "P5",
        "a damaged commit in the write-ahead log is seen before SQLite drops what follows it",
        (
            Edit(
                "storage/precheck.py",
                "check_files",
                "check_wal(wal, PAGE_BYTES)",
                "pass",
            ),
        ),
        (_WAL, _DAMAGE),
        simulated=False,
    ),
    Mutant(
        "two-processes-share-a-directory",
        "P7",
        "a data directory belongs to one process",
        (
            Edit(
                "storage/lockfile.py",
                "DirectoryLock._acquire",
                "while not _try_lock(fd, fcntl.LOCK_EX):",
                "while not _try_lock(fd, fcntl.LOCK_SH):",
            ),
        ),
        (_LOCK,),
        simulated=False,
    ),
    Mutant(
        "io-error-survived",
        "P6",
        "after the first I/O error nothing more is written",
        (
            Edit(
                "storage/connection.py",
                "Connection.query",
                "self._failure = error",
                "pass",
            ),
        ),
        (_WRITER, _BIRTH),
    ),
    Mutant(
        "writer-goes-on-after-a-failure",
        "P6",
        "after a failure nothing is written or reported any more",
        (
            Edit(
                "storage/writer.py",
                "JournalWriter._fail",
                "self._has_failed = True",
                "self._work = None",
            ),
        ),
        (_WRITER, _BIRTH),
    ),
    Mutant(
        "reported-before-written",
        "P1",
        "a ticket comes back when its records are durable",
        (
            Edit(
                "storage/writer.py",
                "JournalWriter._write",
                "writes = [write for unit in batch for write in unit.writes]",
                "writes = [write for unit in batch for write in unit.writes]\n"
                "        self._on_written(batch[-1].ticket)",
            ),
            Edit(
                "storage/writer.py",
                "JournalWriter._write",
                "        self.backlog_records -= len(writes)\n        self._on_written(batch[-1].ticket)\n",
                "        self.backlog_records -= len(writes)\n",
            ),
        ),
        (_WRITER, _BIRTH),
    ),
    Mutant(
        "full-disk-reported-as-written",
        "P9",
        "what a full disk did not take is not reported as written",
        (
            Edit(
                "storage/writer.py",
                "JournalWriter._try",
                "            return False",
                "            return True",
            ),
        ),
        (_WRITER, _BIRTH),
    ),
    Mutant(
        "commit-without-fsync",
        "P7",
        "SQLite syncs at every commit",
        (
            Edit(
                "storage/connection.py",
                "Connection._set_up",
                "taken = await self.pragma(name)",
                'await self.query("PRAGMA synchronous = NORMAL")\n            taken = expected',
            ),
        ),
        (_WRITER, _BIRTH),
        simulated=False,
    ),
    Mutant(
        "setting-not-read-back",
        "P7",
        "a setting that SQLite did not take stops the node",
        (
            Edit(
                "storage/connection.py",
                "Connection._set_up",
                "if taken != expected:",
                "if False:",
            ),
        ),
        (_WRITER, _BIRTH),
        simulated=False,
    ),
    Mutant(
        "open-votes-read-as-chosen",
        "P14",
        "the journal serves a laggard nothing above its durable commit slot",
        (
            Edit(
                "storage/journal.py",
                "Journal.load",
                "to_slot = min(to_slot, max(self.commit_slot, self.recovered.known_slot))",
                "pass",
            ),
        ),
        (_JOURNAL,),
    ),
    Mutant(
        "gap-in-the-journal-read-over",
        "P15",
        "a missing chosen slot is an error, never skipped",
        (
            Edit(
                "storage/recovery.py",
                "Reader.chosen",
                "if row[0] != slot or record is None:",
                "slot = row[0]\n            if record is None:",
            ),
        ),
        (_DAMAGE, _JOURNAL),
    ),
)

"""What must survive: one node's identity, promise and votes, in one SQLite file under one lock.

    directory/lock              held (flock) while a node runs; names its process
    directory/journal.db        identity, promise, what is known of the peers, votes by slot
    directory/journal.db-wal    SQLite's write-ahead log; the latest commits live here
    directory/journal.open      exists while a process uses the journal: then a missing -wal is a loss, not a clean end
    directory/journal.failed    the disk failed under the last process: the next start copies the journal
    directory/journal.ballast   space kept for promises on a full disk
    directory/quarantine        why peers will not have this node back; it does not start any more

A record is reported as written only when it is on the disk (P1). What can go wrong with it, and what becomes of it:

- A vote does not match its checksum, or its row has vanished: it is *faulty*, never absent (P5). The core is told the
  slot, says nothing about it to others, and has the row written anew, from memory or from peers; a node alone, without
  peers, is refused. That is found at the start, where every row is read, whenever a row is read again, and by sweeps
  over the whole journal while the node runs.
- The promise, the identity, a peer, or SQLite's structure is damaged: nobody else knows what they held, so the journal
  is refused at the start (JournalCorrupt). Damaged while the node runs, the first three are written anew from memory.
- Something durable is gone as a whole: an emptied directory, an older copy, an acknowledged write that the disk lost.
  The file itself looks sound; peers know better, by incarnation and by the sequence number of the journal (P3, P4).
  The node then ends for good, and a note in the directory keeps it from starting again.
- The disk returns an error: nothing more is written or said, and the next start copies the journal into a new file
  (P6).
- The disk is full: a reserve is given up for promises; votes are refused until there is space again (P9).

It never decides anything: which votes to make is the business of `paxoskv.paxos`. It never opens a second connection
to a file (P7), and never makes a journal anew where one has been (P3).

Where to start reading: `journal` (the file, as the node sees it) and `writer` (the one task that writes). Below them:
`connection` (settings, errors), `recovery` and `scan` (reading back, and the verdict), `inspection` (reading again),
`birth` (the first start), `precheck` and `wal` (what is looked at before SQLite may touch the files), `rebuild` (after
a failure), `ballast` (the reserve), `quarantine`, `records` and `identity` (bytes and checksums), `pagecache`,
`lockfile`, `directory`, `errors` (what can go wrong, by what the operator must do).
"""

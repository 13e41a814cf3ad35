"""What must survive: one node's identity, promise and votes, in one SQLite file under one lock.

    directory/lock              held (flock) while a node runs; names its process
    directory/journal.db        identity, promise, peers' incarnations, votes by slot
    directory/journal.db-wal    SQLite's write-ahead log; the latest commits live here
    directory/journal.open      exists while a process uses the journal: then a missing -wal is a loss, not a clean end

A record is reported as written only when it is on the disk (P1). A record that does not match its checksum is
*faulty*, never absent (P5): at or below the durable commit slot it makes the journal corrupt, above it the core is
told. After an I/O error nothing more is written (P6); a full disk is waited out (P9).

It never decides anything: which votes to make is the business of `paxoskv.paxos`. It never opens a second connection
to a file (P7), never repairs, and never makes a journal anew where one has been (P3).

Where to start reading: `journal` (the file, as the node sees it) and `writer` (the one task that writes). Below them:
`connection` (settings, errors), `recovery` (reading back), `birth` (the first start), `precheck` and `wal` (what is
looked at before SQLite may touch the files), `records` and `identity` (bytes and checksums), `lockfile`, `directory`,
`errors` (what can go wrong, by what the operator must do).
"""

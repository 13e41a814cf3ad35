"""The command line: click commands, one file a family. `main` is the entry point.

It parses, asks a node or a local process, and prints: text for people, or with `-o json` exactly one JSON document.
It never decides anything about data, and no traceback reaches a user: an error is one line (what, why, what to do)
and an exit code.

    0 done                                         3 unavailable: surely not applied
    1 not found, a comparison failed, or refused   4 outcome unknown: perhaps applied; or a lock was lost
    2 usage, or a bad request                      5 corrupt or quarantined

Where to start reading: `app` (the commands and how their errors end), `options` and `output` (what all share), `keys`
(the simplest family), `txn` (the language of transactions), `holding` and `child` (locks around a command), `shell`,
`cluster` and `local` (nodes on this machine), `bench` and `load`.
"""

from __future__ import annotations

from paxoskv.cli.app import main

__all__ = ["main"]

"""One running server: the core, the state machine, the journal and the network on one event loop.

The loop steps the core at once for whatever arrives and never awaits the disk in a step; one writer task turns all
that was queued during a commit into the next transaction. It decides nothing about consensus and nothing about keys.

Where to start reading: `server` (what begins and ends in which order), `engine` (how the core's effects are carried
out), `service` (what serves clients, and who of it hears what), then the way of a request: `clients`, `requests`,
`proposals` or `forwards` for a write, `reads` and `readgate` or `revisionwaits` for a read, and `scans` for one of many
keys. A watch: `watchrequests`, `watches` (who is told when), `cohort` and `latecomers` (from where in the history),
`watchgroup` (what, and encoded once for all who want the same), `watchindex` (who watches a key).
"""

from __future__ import annotations

from paxoskv.node.config import NodeConfig


def run(config: NodeConfig) -> int:
    """Run a node until SIGTERM or SIGINT; return the exit code of its process."""
    from paxoskv.node.process import run as run_process

    return run_process(config)

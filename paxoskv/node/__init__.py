"""One running server: the core, the state machine, the journal and the network on one event loop.

The loop steps the core at once for whatever arrives and never awaits the disk in a step; one writer task turns all
that was queued during a commit into the next transaction. It decides nothing about consensus and nothing about keys.

Where to start reading: `server` (what is wired to what, in which order it begins and ends), `engine` (how the core's
effects are carried out), then the way of a request: `clients`, `requests`, `proposals` or `readgate` or `forwards`.
"""

from __future__ import annotations

from paxoskv.node.config import NodeConfig


def run(config: NodeConfig) -> int:
    """Run a node until SIGTERM or SIGINT; return the exit code of its process."""
    from paxoskv.node.process import run as run_process

    return run_process(config)

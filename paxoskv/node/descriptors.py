"""File descriptors: enough for every client that is allowed in, or fewer clients (H7, R24).

A node that runs out of them cannot be reached by its peers, nor open its own files.
"""

from __future__ import annotations

import logging
import resource

RESERVED = 96
"""For the journal, the logs, the event loop, the peers, and strangers on the peer port."""
CONNECTIONS_MIN = 8

log = logging.getLogger(__name__)


def room_for(connections: int) -> int:
    """Raise this process's limit as far as needed and permitted; return how many of `connections` fit below it."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    needed = connections + RESERVED
    if soft == resource.RLIM_INFINITY or soft >= needed:
        return connections
    limit = needed if hard == resource.RLIM_INFINITY else min(needed, hard)
    if limit > soft:
        resource.setrlimit(resource.RLIMIT_NOFILE, (limit, hard))
    fitting = max(CONNECTIONS_MIN, limit - RESERVED)
    if fitting < connections:
        log.warning(
            "fewer clients than configured fit below the limit of open files: raise it (ulimit -n)",
            extra={"connections_max": connections, "fitting": fitting, "open_files_max": limit},
        )
    return min(connections, fitting)

"""What a node tells about itself."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from paxoskv.node.engine import Engine


@dataclass(frozen=True, slots=True)
class Status:
    """Makes the answer to STATUS. gauges: more fields, each a function called when asked."""

    cluster: str
    endpoint: str
    engine: Engine
    gauges: dict[str, Callable[[], Any]]
    started_s: float

    def report(self) -> dict[str, Any]:
        """Return the fields of this node; `leader` is 0 while none is known."""
        replica, machine = self.engine.replica, self.engine.machine
        return {
            "cluster": self.cluster,
            "node": replica.node,
            "endpoint": self.endpoint,
            "role": replica.role.value,
            "leader": replica.leader or 0,
            "ballot": list(replica.ballot),
            "promised": list(replica.promised),
            "commit_slot": replica.log.commit_slot,
            "applied_slot": machine.applied_slot,
            "checkpoint_slot": 0,
            "compacted_slot": replica.log.compacted_slot,
            "revision": machine.revision,
            "digest": machine.digest(),
            "uptime_s": round(time.monotonic() - self.started_s, 3),
            **{name: gauge() for name, gauge in self.gauges.items()},
        }

"""paxoskv for tests: real clusters that can be broken, and a single node inside the test's own process.

    def test_the_worker_survives_failover(paxoskv_cluster):  # a fixture of the pytest plugin
        with paxoskv_cluster.client() as kv:
            kv.put("job", "waiting")
            paxoskv_cluster.kill(paxoskv_cluster.leader())
            assert kv.get("job").value == b"waiting"

    async with paxoskv.testing.node() as node, node.client() as kv:
        await kv.put("greeting", "hello")

`cluster` starts real processes on free ports, in about a second; they are killed and paused by signals, cut off by
proxies, slowed down by a library under them (Linux, and a C compiler). `node` runs one node on a thread of this
process, in less than a tenth of a second. Both are entered by `with`, for blocking calls and clients, or by
`async with`, for asyncio in any event loop. The plugin (`paxoskv.pytest_plugin`) makes fixtures of them.

What it never does: leave a process or a directory behind, also when the tests are killed (Linux; a node inside them
leaves its directory then); use a port that somebody else has; weaken a node: both journal and sync as in production.

Where to start reading: `faces` (what tests call), `engine` (a cluster), `single` (a node), `entrance` (`with`).
"""

from __future__ import annotations

from paxoskv.testing.engine import CannotSlowDisk
from paxoskv.testing.faces import AsyncCluster, AsyncNode, Cluster, Node, cluster, node

__all__ = ["AsyncCluster", "AsyncNode", "CannotSlowDisk", "Cluster", "Node", "cluster", "node"]

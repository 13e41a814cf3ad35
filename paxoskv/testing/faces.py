"""What tests hold in their hands: a cluster or a node, with blocking calls or with asyncio ones."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from pathlib import Path

from paxoskv import Client, connect, sync
from paxoskv.sync.facade import Facade, awaiting, blocking
from paxoskv.sync.thread import LoopThread
from paxoskv.testing.engine import ClusterEngine
from paxoskv.testing.entrance import Entrance
from paxoskv.testing.single import NodeEngine


def cluster(
    nodes: int = 3, *, settings: Mapping[str, object] | None = None, directory: Path | None = None
) -> Entrance[Cluster, AsyncCluster]:
    """Return a cluster of real nodes, to be entered by `with` or `async with`.

    settings: of every node, by their names in a configuration file. directory: an empty one that is to stay, for
    journals and logs; a temporary one unless given. Entering raises TimeoutError if the nodes do not start. Leaving
    raises AssertionError if a node has ended that the test had not killed.
    Raises: ValueError.
    """
    engine = ClusterEngine(nodes, settings or {}, directory)
    return Entrance("cluster", engine, partial(Cluster, engine), partial(AsyncCluster, engine))


def node(*, settings: Mapping[str, object] | None = None) -> Entrance[Node, AsyncNode]:
    """Return one node inside this process, to be entered by `with` or `async with`.

    settings: by their names in a configuration file. Entering raises ConfigError for wrong ones.
    """
    engine = NodeEngine(settings or {})
    return Entrance("node", engine, partial(Node, engine), partial(AsyncNode, engine))


class _Cluster(Facade[ClusterEngine]):
    def __init__(self, engine: ClusterEngine, thread: LoopThread) -> None:
        self._aio = engine
        self._thread = thread

    @property
    def nodes(self) -> list[int]:
        """The numbers of all nodes, from 1."""
        return self._aio.nodes

    @property
    def endpoints(self) -> str:
        """Where clients connect, for `paxoskv.connect`."""
        return self._aio.endpoints

    def log(self, node: int) -> str:
        """Return the end of what a node has logged, over all its lives."""
        return self._aio.log(node)


class AsyncCluster(_Cluster):
    """A cluster for tests in any event loop."""

    kill = awaiting(ClusterEngine.kill)
    restart = awaiting(ClusterEngine.restart)
    pause = awaiting(ClusterEngine.pause)
    resume = awaiting(ClusterEngine.resume)
    partition = awaiting(ClusterEngine.partition)
    slow_disk = awaiting(ClusterEngine.slow_disk)
    heal = awaiting(ClusterEngine.heal)
    restore = awaiting(ClusterEngine.restore)
    leader = awaiting(ClusterEngine.leader)
    status = awaiting(ClusterEngine.status)

    def client(self, *, timeout_s: float = 5.0) -> Client:
        """Return an asyncio client, for `async with`."""
        return connect(self.endpoints, timeout_s=timeout_s)


class Cluster(_Cluster):
    """A cluster for tests without an event loop. aio: the same one for asyncio."""

    kill = blocking(ClusterEngine.kill)
    restart = blocking(ClusterEngine.restart)
    pause = blocking(ClusterEngine.pause)
    resume = blocking(ClusterEngine.resume)
    partition = blocking(ClusterEngine.partition)
    slow_disk = blocking(ClusterEngine.slow_disk)
    heal = blocking(ClusterEngine.heal)
    restore = blocking(ClusterEngine.restore)
    leader = blocking(ClusterEngine.leader)
    status = blocking(ClusterEngine.status)

    def client(self, *, timeout_s: float = 5.0) -> sync.Client:
        """Return a blocking client, for `with`."""
        return sync.connect(self.endpoints, timeout_s=timeout_s)

    @property
    def aio(self) -> AsyncCluster:
        """The face for asyncio tests."""
        return AsyncCluster(self._aio, self._running())


class _Node(Facade[NodeEngine]):
    def __init__(self, engine: NodeEngine, thread: LoopThread) -> None:
        self._aio = engine
        self._thread = thread

    @property
    def endpoints(self) -> str:
        """Where clients connect, for `paxoskv.connect`."""
        return self._aio.endpoint


class AsyncNode(_Node):
    """A node for tests in any event loop."""

    status = awaiting(NodeEngine.status)

    def client(self, *, timeout_s: float = 5.0) -> Client:
        """Return an asyncio client, for `async with`."""
        return connect(self.endpoints, timeout_s=timeout_s)


class Node(_Node):
    """A node for tests without an event loop. aio: the same one for asyncio."""

    status = blocking(NodeEngine.status)

    def client(self, *, timeout_s: float = 5.0) -> sync.Client:
        """Return a blocking client, for `with`."""
        return sync.connect(self.endpoints, timeout_s=timeout_s)

    @property
    def aio(self) -> AsyncNode:
        """The face for asyncio tests."""
        return AsyncNode(self._aio, self._running())

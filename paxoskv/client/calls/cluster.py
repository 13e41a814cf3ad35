"""Calls about the cluster itself."""

from __future__ import annotations

from typing import Any

from paxoskv.client import answers
from paxoskv.client.calls.base import Calls
from paxoskv.client.probe import node_status
from paxoskv.client.results import WriteResult
from paxoskv.net import protocol


class ClusterCalls(Calls):
    """How far the store is, and how its nodes are."""

    async def sync(self) -> WriteResult:
        """Return how far the store is: every write that was finished before this call is at or before its revision."""
        answer = await self._wire.vigil.sync(self._deadline_s())
        return WriteResult(answer.revision, answer.slot, answer.ballot)

    async def status(self, endpoint: str | None = None) -> dict[str, Any]:
        """Return what a node says about itself: the one at `endpoint`, or the one this client is connected to."""
        if endpoint is not None:
            return await node_status(endpoint, timeout_s=self._timeout_s)
        fields: dict[str, Any] = await self._read(answers.status_answer, protocol.STATUS)
        return fields

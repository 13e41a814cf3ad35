"""Asks several nodes for their status at the same time and makes one picture of the answers."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from paxoskv.cli.output import table
from paxoskv.client import node_status
from paxoskv.errors import PaxoskvError

ASK_TIMEOUT_S_MAX = 1.0
"""A node that does not tell its status within this time is not healthy."""

FIELDS = (
    "role",
    "ballot",
    "commit_slot",
    "applied_slot",
    "checkpoint_slot",
    "compacted_slot",
    "revision",
    "digest",
)


@dataclass(frozen=True, slots=True)
class Survey:
    """The rows of all nodes asked, in the order of the endpoints."""

    rows: tuple[Mapping[str, Any], ...]

    @property
    def leader(self) -> int | None:
        """The node that leads: the one that says so, of several the one with the highest ballot.

        What followers believe counts only if every node asked has answered, since their leader may just have died.
        """
        leading = [row for row in self.rows if row["healthy"] and row["role"] == "leader"]
        if leading:
            node: int = max(leading, key=lambda row: tuple(row["ballot"]))["node"]
            return node
        answering = {row["node"] for row in self.rows}
        believed: set[int] = {row["leader"] for row in self.rows if row.get("leader")} - answering
        return believed.pop() if len(believed) == 1 and all(row["healthy"] for row in self.rows) else None

    @property
    def serves(self) -> bool:
        """Whether a leader is known and a majority of the nodes asked is healthy."""
        healthy = sum(1 for row in self.rows if row["healthy"])
        return self.leader is not None and healthy > len(self.rows) // 2

    def document(self) -> dict[str, Any]:
        """Return the document that `paxoskv status` prints."""
        cluster = next((row["cluster"] for row in self.rows if row.get("cluster")), None)
        return {"cluster": cluster, "leader": self.leader, "nodes": [dict(row) for row in self.rows]}

    def text(self) -> str:
        """Return the picture as a table."""
        heading = ["NODE", "ENDPOINT", "ROLE", "BALLOT", "COMMIT", "APPLIED", "REVISION", "STATE"]
        return table([heading, *(_cells(row) for row in self.rows)])


async def ask(endpoints: Sequence[str], timeout_s: float) -> Survey:
    """Return what the nodes at `endpoints` say within `timeout_s`. Raises: nothing that a node could cause."""
    answers = await asyncio.gather(*(_ask_one(endpoint, timeout_s) for endpoint in endpoints))
    return Survey(tuple(answers))


async def _ask_one(endpoint: str, timeout_s: float) -> dict[str, Any]:
    """Return one row, with `healthy` and `error`; fields that this version does not know are passed on."""
    row: dict[str, Any] = {"node": None, "endpoint": endpoint, **dict.fromkeys(FIELDS)}
    try:
        told = await node_status(endpoint, timeout_s=min(timeout_s, ASK_TIMEOUT_S_MAX))
    except PaxoskvError as error:
        return {**row, "healthy": False, "error": str(error)}
    return {"healthy": True, "error": None, **row, **told, "endpoint": endpoint}


def _cells(row: Mapping[str, Any]) -> list[str]:
    cells = [row["node"], row["endpoint"], row["role"]]
    ballot = ".".join(map(str, row["ballot"])) if row["ballot"] else None
    cells += [ballot, row["commit_slot"], row["applied_slot"], row["revision"]]
    state = "healthy" if row["healthy"] else row["error"] or "not healthy"
    if row.get("process", "running") != "running":
        state = "quarantined" if row.get("quarantined") else row["process"]
    return [*("-" if cell is None else str(cell) for cell in cells), state]

"""A transaction that is ready to be sent, whose results can still be told by the names of its operations."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from paxoskv.client import ops


@dataclass(frozen=True, slots=True)
class Step:
    """One operation. op: its name. plan: of a nested transaction, else None."""

    op: str
    operation: ops.Operation[Any]
    plan: Plan | None = None


@dataclass(slots=True)
class Plan:
    """A transaction. Its operations are told in the order of the branch that was carried out."""

    compare: list[ops.Compare] = field(default_factory=list)
    then: list[Step] = field(default_factory=list)
    otherwise: list[Step] = field(default_factory=list)

    def branch(self, succeeded: bool) -> Sequence[Step]:
        """Return the steps that were carried out."""
        return self.then if succeeded else self.otherwise

    def arguments(self) -> dict[str, Any]:
        """Return the arguments of `txn`, of a client or of a transaction around this one."""
        return {
            "compare": self.compare,
            "then": [step.operation for step in self.then],
            "otherwise": [step.operation for step in self.otherwise],
        }

"""Which model judges some operations: that of one key, or that of a group of keys."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol

from paxoskv.checker.groups import GroupModel, has_txns
from paxoskv.checker.model import Model
from paxoskv.checker.operations import Operation


class AnyModel(Protocol):
    """What the searches need of a model; its states, and REFUSED, are its own affair.

    initial: the state before everything. is_one_key: what is put or deleted has no other effect than that.
    """

    is_one_key: bool

    @property
    def initial(self) -> Any:
        """The state before everything."""

    def step(self, operation: Operation, state: Any) -> Any:
        """Return the state after an operation, or REFUSED."""

    def spend(self, operation: Operation, state: Any) -> Any:
        """Return the state after an operation that need not have happened; REFUSED also if it serves no purpose."""


def model_for(operations: Sequence[Operation], exact: bool = False) -> AnyModel:
    """Return the model for the operations of a key, or of a group of keys that transactions tie together."""
    return GroupModel(operations) if has_txns(operations) else Model(operations, exact)

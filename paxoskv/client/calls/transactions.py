"""Transactions."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from paxoskv.client import answers, ops
from paxoskv.client.calls.base import Calls
from paxoskv.client.results import Ballot


@dataclass(frozen=True, slots=True)
class TxnResult(ops.Outcome):
    """What a transaction did, and where in the cluster's order. Its revision is new only if it wrote a key."""

    revision: int
    slot: int
    ballot: Ballot


class TxnCalls(Calls):
    """Several operations, all or none."""

    async def txn(
        self,
        *,
        compare: Sequence[ops.Compare] = (),
        then: Sequence[ops.Operation[Any]] = (),
        otherwise: Sequence[ops.Operation[Any]] = (),
    ) -> TxnResult:
        """Carry out `then` if every compare holds, `otherwise` if not, at one revision: see `paxoskv.ops`.

        Raises: Refused, with the number of the operation that the store did not allow, and nothing was applied.
        """
        scope = self._prefix

        def parse(answer: tuple[Any, ...]) -> answers.WriteAnswer:
            checked = answers.txn_answer(answer)
            if checked.reply[0]:
                return checked
            outcome = ops.decode_txn(checked.reply[3:5], then, otherwise, scope)
            return answers.WriteAnswer(checked.ballot, (*checked.reply[:3], outcome))

        answer = await self._write_keys(parse, ops.encode_txn(compare, then, otherwise, scope))
        _, revision, slot, outcome = answer.reply
        return TxnResult(outcome.succeeded, outcome.results, outcome.operations, revision, slot, answer.ballot)

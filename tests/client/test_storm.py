"""Many writes through nodes that fail at random: what the client says about each must be true."""

from __future__ import annotations

import asyncio
from collections import Counter
from random import Random

import pytest

import paxoskv.client as client
from paxoskv.errors import OutcomeUnknown, Overloaded, Unavailable
from paxoskv.net import protocol
from tests.client.fake import (
    Action,
    FakeConnection,
    FakeNode,
    Request,
    apply_and_drop,
    drop,
    hold,
    refuse,
    serve,
)

pytestmark = pytest.mark.usefixtures("each_client")

UNSURE = refuse(protocol.OUTCOME_UNKNOWN)


def apply_and_be_unsure(connection: FakeConnection, request: Request) -> None:
    """Execute the write, but lose its reply within the cluster."""
    connection.node.store.apply(request[2])
    UNSURE(connection, request)


FAULTS: list[Action] = [
    drop,
    apply_and_drop,
    hold,
    refuse(protocol.UNAVAILABLE),
    refuse(protocol.OVERLOADED, retry_after_ms=5),
    refuse(protocol.SHUTTING_DOWN),
    UNSURE,
    apply_and_be_unsure,
]


@pytest.mark.parametrize("seed", range(6))
async def test_outcomes_are_true_and_nothing_is_applied_twice(trio: list[FakeNode], seed: int) -> None:
    """P25, P31: done is applied once, unavailable never, unknown at most once, even if late copies arrive at last."""
    random = Random(seed)
    fault_share = random.choice([0.2, 0.6, 0.9])

    def misbehave(connection: FakeConnection, request: Request) -> None:
        (random.choice(FAULTS) if random.random() < fault_share else serve)(connection, request)

    for node in trio:
        node.always["put"] = node.always["open"] = misbehave
        node.point_to(node)
    outcomes: dict[bytes, type[Exception] | None] = {}

    async def write(kv: client.Client, key: bytes) -> None:
        try:
            await kv.put(key, "v")
        except (Unavailable, Overloaded, OutcomeUnknown) as error:
            outcomes[key] = type(error)
        else:
            outcomes[key] = None

    async with client.connect([node.endpoint for node in trio], timeout_s=0.6, max_in_flight=8) as kv:
        for turn in range(4):
            await asyncio.gather(*(write(kv, b"%d/%d" % (turn, number)) for number in range(12)))
    for node in trio:
        for _, request in node.held:
            node.store.apply(request[2])
    times = Counter(fields[4] for fields in trio[0].store.applied)
    allowed: dict[type[Exception] | None, set[int]] = {
        None: {1},
        OutcomeUnknown: {0, 1},
        Unavailable: {0},
        Overloaded: {0},
    }
    wrong = {key: (outcome, times[key]) for key, outcome in outcomes.items() if times[key] not in allowed[outcome]}
    assert len(outcomes) == 48
    assert not wrong, f"seed {seed}: {wrong}"

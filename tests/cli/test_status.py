"""status: one row per endpoint, a leader, and an exit code that scripts can trust."""

from __future__ import annotations

from typing import Any

import pytest

from paxoskv.cli.survey import Survey
from paxoskv.net import protocol
from tests.cli.conftest import Shell
from tests.client.fake import Action, FakeConnection, FakeNode, Request, hold

FIELDS = {
    "node",
    "endpoint",
    "role",
    "ballot",
    "commit_slot",
    "applied_slot",
    "checkpoint_slot",
    "compacted_slot",
    "revision",
    "digest",
    "healthy",
    "error",
}


def tells(**fields: Any) -> Action:
    """Answer a status request with these fields."""

    def act(connection: FakeConnection, request: Request) -> None:
        connection.send(request[1], protocol.OK, {"node": connection.node.number, "ballot": [4, 1], **fields})

    return act


def play(nodes: list[FakeNode], *roles: str, leader: int = 1) -> None:
    """Let each node tell its role."""
    for node, role in zip(nodes, roles, strict=True):
        node.always["status"] = tells(role=role, leader=leader, cluster="c1", spare=7)


async def test_a_healthy_cluster(shell: Shell) -> None:
    play(shell.nodes, "leader", "follower", "follower")
    outcome = await shell("status", "-o", "json")
    document = outcome.document
    assert (outcome.code, document["cluster"], document["leader"]) == (0, "c1", 1)
    assert [row["node"] for row in document["nodes"]] == [1, 2, 3]
    for node, row in zip(shell.nodes, document["nodes"], strict=True):
        assert row.keys() >= FIELDS
        assert (row["endpoint"], row["healthy"], row["error"], row["spare"]) == (node.endpoint, True, None, 7)


async def test_an_unreachable_node_is_told_with_its_error(shell: Shell) -> None:
    play(shell.nodes, "leader", "follower", "follower")
    await shell.nodes[2].stop()
    outcome = await shell("status", "-o", "json")
    assert (outcome.code, outcome.document["leader"]) == (0, 1)
    row = outcome.document["nodes"][2]
    assert row.keys() >= FIELDS
    assert (row["healthy"], row["role"], row["endpoint"]) == (False, None, shell.nodes[2].endpoint)
    assert row["error"]


async def test_a_silent_node_does_not_hold_up_the_others(shell: Shell) -> None:
    """R6: a paused node accepts connections and says nothing."""
    play(shell.nodes, "leader", "follower", "follower")
    shell.nodes[1].always["status"] = hold
    outcome = await shell("status", "-o", "json", timeout_s=0.3)
    assert [row["healthy"] for row in outcome.document["nodes"]] == [True, False, True]
    assert "0.3 s" in outcome.document["nodes"][1]["error"]


async def test_without_a_majority_the_exit_code_is_3(shell: Shell) -> None:
    play(shell.nodes, "leader", "follower", "follower")
    await shell.nodes[1].stop()
    await shell.nodes[2].stop()
    assert (await shell("status")).code == 3


async def test_without_a_leader_the_exit_code_is_3(shell: Shell) -> None:
    play(shell.nodes, "follower", "candidate", "follower", leader=0)
    outcome = await shell("status", "-o", "json")
    assert (outcome.code, outcome.document["leader"]) == (3, None)


async def test_a_node_may_call_itself_unhealthy(shell: Shell) -> None:
    play(shell.nodes, "leader", "follower", "follower")
    for node in shell.nodes[1:]:
        node.always["status"] = tells(role="follower", leader=1, healthy=False, error="disk full")
    outcome = await shell("status")
    assert outcome.code == 3
    assert b"disk full" in outcome.out


async def test_the_table_names_the_leader(shell: Shell) -> None:
    play(shell.nodes, "leader", "follower", "follower")
    outcome = await shell("status")
    lines = outcome.out.decode().splitlines()
    assert len(lines) == 5
    assert lines[1].split()[:4] == ["1", shell.nodes[0].endpoint, "leader", "4.1"]
    assert lines[-1] == "node 1 leads"


async def test_the_same_endpoint_twice_is_one_row(shell: Shell) -> None:
    endpoint = shell.nodes[0].endpoint
    outcome = await shell("status", "--endpoints", f"{endpoint},{endpoint}", "-o", "json")
    assert len(outcome.document["nodes"]) == 1


def row(node: int, role: str, leader: int, ballot: tuple[int, int] = (1, 1), healthy: bool = True) -> dict[str, Any]:
    return {"node": node, "role": role, "leader": leader, "ballot": list(ballot), "healthy": healthy}


DEAD = {"node": None, "role": None, "ballot": None, "healthy": False}


@pytest.mark.parametrize(
    ("rows", "leader"),
    [
        ([row(1, "leader", 1), row(2, "follower", 1)], 1),
        ([row(1, "leader", 1, (1, 1)), row(2, "leader", 2, (2, 2))], 2),
        ([row(2, "follower", 1)], 1),
        ([row(2, "follower", 1), DEAD], None),
        ([row(2, "follower", 3), row(3, "follower", 3)], None),
        ([row(2, "follower", 1), row(3, "follower", 4)], None),
        ([row(1, "leader", 1, healthy=False), row(2, "follower", 1)], None),
        ([DEAD, DEAD], None),
    ],
)
def test_a_follower_is_believed_only_while_nobody_is_missing(rows: list[dict[str, Any]], leader: int | None) -> None:
    """Of two that say they lead, the higher ballot counts; a leader that may just have died is not named."""
    assert Survey(tuple(rows)).leader == leader

"""put, get, delete, cas, incr and append: what they do, print, and leave as exit codes."""

from __future__ import annotations

import asyncio
import base64
import json

import pytest

from paxoskv.net import protocol
from paxoskv.net.frames import CLIENT_FRAME_BYTES_MAX
from tests.cli.conftest import Shell, feed
from tests.client.fake import refuse


async def test_put_then_get_as_text(shell: Shell) -> None:
    put = await shell("put", "k", "v")
    assert (put.code, put.out, put.err) == (0, b"ok, revision 1\n", "")
    got = await shell("get", "k")
    assert (got.code, got.out, got.err) == (0, b"v\n", "")


async def test_put_and_get_as_json(shell: Shell) -> None:
    put = await shell("put", "k", "v", "-o", "json")
    assert put.document == {"revision": 1, "slot": 2}
    got = await shell("get", "k", "-o", "json")
    assert got.document == {
        "key": "k",
        "value": "v",
        "revision": 1,
        "created": 1,
        "modified": 1,
        "version": 1,
        "lease": 0,
        "slot": got.document["slot"],
    }


async def test_an_absent_key_is_exit_code_1_and_a_null(shell: Shell) -> None:
    got = await shell("get", "k")
    assert (got.code, got.out) == (1, b"")
    assert "'k' does not exist" in got.err
    asked = await shell("get", "k", "-o", "json")
    assert asked.code == 1
    assert asked.document == {"key": "k", "value": None, "revision": 0, "slot": 0}


async def test_the_value_is_printed_as_it_is(shell: Shell) -> None:
    shell.seed({b"k": b"\x00\xff\n"})
    assert (await shell("get", "k")).out == b"\x00\xff\n\n"


async def test_bytes_that_are_not_text_are_base64_in_json(shell: Shell) -> None:
    shell.seed({b"\xfe": b"\xff\x00"})
    key = base64.b64encode(b"\xfe").decode()
    document = (await shell("get", key, "--base64", "-o", "json")).document
    assert document["key_base64"] == key
    assert document["value_base64"] == base64.b64encode(b"\xff\x00").decode()
    assert not {"key", "value"} & document.keys()


async def test_base64_is_decoded_for_keys_and_values(shell: Shell) -> None:
    assert (await shell("put", "/w==", "AAE=", "--base64")).code == 0
    assert shell.value(b"\xff") == b"\x00\x01"


async def test_wrong_base64_is_a_usage_error(shell: Shell) -> None:
    outcome = await shell("put", "k!", "v", "--base64")
    assert outcome.code == 2
    assert "is not base64" in outcome.err


async def test_a_dash_reads_the_value_from_standard_input(shell: Shell, monkeypatch: pytest.MonkeyPatch) -> None:
    data = bytes(range(256)) * 100
    feed(monkeypatch, data)
    assert (await shell("put", "k", "-")).code == 0
    assert shell.value(b"k") == data


async def test_standard_input_is_read_no_further_than_a_frame_holds(
    shell: Shell, monkeypatch: pytest.MonkeyPatch
) -> None:
    feed(monkeypatch, bytes(CLIENT_FRAME_BYTES_MAX + 1))
    outcome = await shell("put", "k", "-", "-o", "json")
    assert (outcome.code, outcome.document["code"]) == (2, "too_large")
    assert shell.value(b"k") is None


async def test_what_looks_like_an_option_is_a_value_after_two_dashes(shell: Shell) -> None:
    assert (await shell("put", "--", "-k", "--o")).code == 0
    assert shell.value(b"-k") == b"--o"


async def test_an_empty_key_is_a_bad_request(shell: Shell) -> None:
    for verb in (["put", "", "v"], ["get", ""], ["delete", ""], ["cas", "", "v", "--absent"]):
        outcome = await shell(*verb, "-o", "json")
        assert (outcome.code, outcome.document["code"]) == (2, "bad_request"), verb


async def test_delete_says_whether_there_was_anything(shell: Shell) -> None:
    shell.seed({b"k": b"v"})
    first = await shell("delete", "k", "-o", "json")
    assert (first.code, first.document["deleted"]) == (0, True)
    second = await shell("delete", "k", "-o", "json")
    assert (second.code, second.document["deleted"]) == (1, False)
    assert "does not exist" in second.err


async def test_cas_by_value_by_absence_and_by_revision(shell: Shell) -> None:
    assert (await shell("cas", "k", "1", "--absent")).code == 0
    assert (await shell("cas", "k", "2", "--expect", "1")).code == 0
    document = (await shell("cas", "k", "3", "--revision", "2", "-o", "json")).document
    assert document == {"succeeded": True, "revision": 3, "slot": document["slot"], "current": None}
    assert shell.value(b"k") == b"3"


async def test_a_failed_comparison_shows_what_is_there(shell: Shell) -> None:
    shell.seed({b"a": b"", b"k": b"v"})
    outcome = await shell("cas", "k", "new", "--expect", "", "-o", "json")
    assert (outcome.code, outcome.document["succeeded"]) == (1, False)
    assert outcome.document["current"]["modified"] == 2
    assert "comparison failed" in outcome.err
    assert shell.value(b"k") == b"v"


async def test_a_failed_comparison_with_an_absent_key(shell: Shell) -> None:
    outcome = await shell("cas", "k", "new", "--revision", "3")
    assert (outcome.code, outcome.out) == (1, b"")
    assert "it does not exist" in outcome.err


@pytest.mark.parametrize("conditions", [[], ["--absent", "--revision", "1"], ["--expect", "", "--absent"]])
async def test_cas_takes_exactly_one_condition(shell: Shell, conditions: list[str]) -> None:
    outcome = await shell("cas", "k", "v", *conditions)
    assert outcome.code == 2
    assert "exactly one of" in outcome.err


async def test_options_of_clients_may_stand_before_or_after_the_verb(shell: Shell) -> None:
    before = await shell("-o", "json", "put", "k", "v")
    after = await shell("put", "k", "v", "-o", "json")
    assert before.document.keys() == after.document.keys()
    wrong_before = await shell("--endpoints", "127.0.0.1:1", "put", "k", "v", "--endpoints", shell.endpoints)
    assert wrong_before.code == 0


async def test_endpoints_come_from_the_environment(shell: Shell, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PAXOSKV_ENDPOINTS", shell.endpoints)
    assert (await asyncio.to_thread(shell._call, "put", "k", "v")).code == 0


@pytest.mark.parametrize(("name", "mode"), [("lease", protocol.LEASE_READ), ("stale", protocol.STALE)])
async def test_other_reads_than_the_default_are_asked_for(shell: Shell, name: str, mode: int) -> None:
    await shell("get", "k", "--consistency", name)
    payloads = [payload for node in shell.nodes for payload in node.received("get")]
    assert [protocol.decode(payload)[2] for payload in payloads] == [mode]


async def test_no_node_at_all_is_unavailable(shell: Shell) -> None:
    outcome = await shell("put", "k", "v", "--endpoints", "127.0.0.1:1", "--timeout", "0.2", "-o", "json")
    assert (outcome.code, outcome.document["code"]) == (3, "unavailable")
    assert outcome.err.startswith("paxoskv: ")
    assert outcome.err.count("\n") == 1


async def test_an_outcome_that_nobody_knows_has_its_own_code(shell: Shell) -> None:
    """P25: a write that may have been applied is never reported as failed."""
    for node in shell.nodes:
        node.always["put"] = refuse(protocol.OUTCOME_UNKNOWN)
    outcome = await shell("put", "k", "v", "-o", "json", timeout_s=0.3)
    assert (outcome.code, outcome.document["code"]) == (4, "outcome_unknown")


async def test_a_value_beyond_the_limit_is_too_large(shell: Shell) -> None:
    for node in shell.nodes:
        node.always["put"] = refuse(protocol.TOO_LARGE)
    outcome = await shell("put", "k", "v", "-o", "json")
    assert (outcome.code, outcome.document["code"]) == (2, "too_large")


async def test_a_cluster_without_a_leader_is_unavailable(shell: Shell) -> None:
    for node in shell.nodes:
        node.always["put"] = node.always["get"] = node.always["open"] = refuse(protocol.UNAVAILABLE)
    for verb in (["put", "k", "v"], ["get", "k"]):
        outcome = await shell(*verb, "-o", "json", timeout_s=0.3)
        assert (outcome.code, outcome.document["code"]) == (3, "unavailable"), verb


async def test_something_else_on_the_port_is_a_usage_error(shell: Shell) -> None:
    shell.nodes[0].greeting = b"HTTP/1.1 400 Bad Request\r\n\r\n"
    outcome = await shell("get", "k", "--endpoints", shell.nodes[0].endpoint, "-o", "json")
    assert (outcome.code, outcome.document["code"]) == (2, "protocol_mismatch")


async def test_json_is_one_line(shell: Shell) -> None:
    shell.seed({b"k": "ü\n".encode()})
    outcome = await shell("get", "k", "-o", "json")
    assert outcome.out.count(b"\n") == 1
    assert json.loads(outcome.out)["value"] == "ü\n"


async def test_a_put_with_a_condition_says_what_is_there(shell: Shell) -> None:
    assert (await shell("put", "k", "1", "--if-absent")).out == b"ok, revision 1\n"
    refused = await shell("put", "k", "2", "--if-absent", "-o", "json")
    assert (refused.code, refused.document["written"], refused.document["previous"]["value"]) == (1, False, "1")
    absent = await shell("put", "other", "1", "--if-present")
    assert (absent.code, absent.out) == (1, b"")
    assert "'other' does not exist; nothing was changed" in absent.err
    assert (await shell("put", "k", "3", "--if-present")).code == 0
    assert shell.value(b"k") == b"3"


async def test_a_put_gives_back_what_it_replaces(shell: Shell) -> None:
    first = await shell("put", "k", "1", "--previous", "-o", "json")
    assert (first.document["written"], first.document["previous"]) == (True, None)
    assert (await shell("put", "k", "2", "--previous")).out == b"1\n"


async def test_a_put_attaches_a_key_to_a_lease_and_leaves_it_there(shell: Shell) -> None:
    lease = (await shell("lease", "grant", "30", "-o", "json")).document["lease"]
    await shell("put", "k", "1", "--lease", str(lease))
    await shell("put", "k", "2", "--keep-lease")
    assert shell.nodes[0].store.machine.lease_keys(lease) == [b"k"]
    await shell("put", "k", "3")
    assert shell.nodes[0].store.machine.lease_keys(lease) == []


async def test_a_lease_that_is_not_there_is_exit_code_1(shell: Shell) -> None:
    outcome = await shell("put", "k", "v", "--lease", "7", "-o", "json")
    assert (outcome.code, outcome.document["code"]) == (1, "lease_not_found")
    assert shell.value(b"k") is None


async def test_a_get_looks_into_the_past_and_waits_for_a_revision(shell: Shell) -> None:
    shell.seed({b"k": b"old"})
    shell.seed({b"k": b"new"})
    assert (await shell("get", "k", "--revision", "1")).out == b"old\n"
    assert (await shell("get", "k", "--min-revision", "2")).out == b"new\n"
    future = await shell("get", "k", "--revision", "9", "-o", "json")
    assert (future.code, future.document["code"]) == (1, "future_revision")


async def test_incr_adds_what_may_be_negative(shell: Shell) -> None:
    assert (await shell("incr", "n")).out == b"1\n"
    assert (await shell("incr", "n", "-5")).out == b"-4\n"
    assert (await shell("incr", "n", "10", "-o", "json")).document == {"value": 6, "revision": 3, "slot": 8}


@pytest.mark.parametrize(
    ("value", "by", "code"), [(b"text", "1", "not_a_number"), (b"%d" % (2**63 - 1), "1", "number_overflow")]
)
async def test_an_incr_that_is_not_possible_changes_nothing(shell: Shell, value: bytes, by: str, code: str) -> None:
    shell.seed({b"n": value})
    outcome = await shell("incr", "n", by, "-o", "json")
    assert (outcome.code, outcome.document["code"]) == (1, code)
    assert shell.value(b"n") == value


async def test_append_takes_text_or_standard_input(shell: Shell, monkeypatch: pytest.MonkeyPatch) -> None:
    assert (await shell("append", "k", "ab")).out == b"2\n"
    feed(monkeypatch, b"c\n")
    outcome = await shell("append", "k", "-", "-o", "json")
    assert outcome.document["size_bytes"] == 4
    assert shell.value(b"k") == b"abc\n"

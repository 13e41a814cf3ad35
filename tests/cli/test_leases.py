"""lease: grant, keep-alive, revoke, ttl and list."""

from __future__ import annotations

import signal

import pytest

from tests.cli.conftest import Shell, Spawn, ending, line


async def test_a_lease_is_granted_and_looked_at(shell: Shell) -> None:
    granted = (await shell("lease", "grant", "30", "-o", "json")).document
    assert granted == {"lease": 1, "ttl_s": 30.0, "revision": 0, "slot": granted["slot"]}
    assert (await shell("lease", "grant", "60")).out == b"2\n"
    await shell("put", "k", "v", "--lease", "1")
    assert (await shell("lease", "ttl", "1", "--keys")).out == b"30.0 of 30 s, 1 keys\nk\n"
    document = (await shell("lease", "ttl", "1", "--keys", "-o", "json")).document
    assert document == {"lease": 1, "ttl_s": 30.0, "remaining_s": 30.0, "key_count": 1, "keys": [{"key": "k"}]}
    listed = (await shell("lease", "list", "-o", "json")).document["leases"]
    assert [(lease["lease"], lease["key_count"]) for lease in listed] == [(1, 1), (2, 0)]
    assert (await shell("lease", "list")).out.startswith(b"LEASE  TTL_S  REMAINING_S  KEYS\n1")


async def test_a_revoked_lease_takes_its_keys_along(shell: Shell) -> None:
    await shell("lease", "grant", "30")
    await shell("put", "k", "v", "--lease", "1")
    assert (await shell("lease", "revoke", "1", "-o", "json")).document["deleted"] == 1
    assert shell.value(b"k") is None


@pytest.mark.parametrize("verb", ["revoke", "ttl", "keep-alive"])
async def test_a_lease_that_is_not_there_is_exit_code_1(shell: Shell, verb: str) -> None:
    outcome = await shell("lease", verb, "7", "-o", "json")
    assert (outcome.code, outcome.document["code"]) == (1, "lease_not_found")


async def test_a_lease_is_renewed_once(shell: Shell) -> None:
    await shell("lease", "grant", "30")
    shell.nodes[0].store.pass_time(20)
    assert (await shell("lease", "keep-alive", "1", "--once")).out == b"lease 1 lives for another 30 s\n"
    assert (await shell("lease", "ttl", "1", "-o", "json")).document["remaining_s"] == 30


async def test_a_lease_is_kept_alive_until_it_ends_by_other_means(shell: Shell, spawn: Spawn) -> None:
    await shell("lease", "grant", "0.6")
    keeping = await spawn("lease", "keep-alive", "1", "-o", "json")
    for _ in range(2):
        assert await line(keeping) == b'{"lease": 1, "ttl_s": 0.6}\n'
    await shell("lease", "revoke", "1")
    code, _, err = await ending(keeping)
    assert code == 1
    assert "lease 1 does not exist" in err


async def test_sigterm_ends_keeping_alive(shell: Shell, spawn: Spawn) -> None:
    await shell("lease", "grant", "30")
    keeping = await spawn("lease", "keep-alive", "1")
    assert await line(keeping) == b"lease 1 lives for another 30 s\n"
    keeping.send_signal(signal.SIGTERM)
    assert (await ending(keeping))[0] == -signal.SIGTERM

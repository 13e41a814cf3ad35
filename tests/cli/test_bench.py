"""bench: the figures, the histogram behind them, and its load processes."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from paxoskv.cli.bench import _merge, _shares
from paxoskv.cli.histogram import Histogram
from paxoskv.cli.load import Job
from paxoskv.kv import commands
from paxoskv.net import protocol
from tests.cli.conftest import Shell
from tests.client.fake import refuse

FIELDS = {
    "op",
    "clients",
    "ops",
    "errors",
    "seconds",
    "ops_per_s",
    "p50_ms",
    "p99_ms",
    "p999_ms",
    "max_ms",
    "value_size",
    "nodes",
}
SHORT = ["--seconds", "0.2", "--warmup", "0", "--keys", "10", "-o", "json"]

latencies = st.lists(st.integers(0, 10**11), min_size=1, max_size=200)


def histogram_of(values: list[int]) -> Histogram:
    made = Histogram()
    for value in values:
        made.record(value)
    return made


@given(latencies, st.sampled_from([0.1, 50, 99, 99.9, 100]))
def test_a_percentile_is_at_most_a_bucket_above_the_true_one(values: list[int], percent: float) -> None:
    true_ns = sorted(values)[max(1, math.ceil(len(values) * percent / 100)) - 1]
    told_ns = histogram_of(values).percentile_ms(percent) * 1e6
    assert true_ns <= told_ns + 1e-3
    assert told_ns <= true_ns * (1 + 1 / 128) + 1


@given(latencies, latencies)
def test_histograms_of_two_processes_add_up_exactly(some: list[int], others: list[int]) -> None:
    merged = histogram_of(some)
    more = histogram_of(others)
    merged.merge(more.counts, more.max_ns)
    whole = histogram_of(some + others)
    assert (merged.counts, merged.max_ns, merged.count) == (whole.counts, whole.max_ns, len(some) + len(others))


def test_an_empty_histogram_has_no_latency() -> None:
    assert Histogram().percentile_ms(99) == 0


def test_clients_are_spread_evenly_and_all_different() -> None:
    shares = _shares(Job("e", "put", 7, 4, 1, 0, 1, 1, 1, 0), 3)
    assert [job.clients for job in shares] == [3, 2, 2]
    assert [job.connections for job in shares] == [2, 1, 1]
    assert len({job.seed for job in shares}) == 3


def test_a_gap_at_the_end_lowers_the_rate() -> None:
    tally = {"counts": {"100": 10}, "max_ns": 3_000_000_000, "errors": {"Unavailable": 1}, "ended_s": 103.0}
    figures = _merge([tally, {**tally, "max_ns": 5, "ended_s": 101.0}], start_s=100.0, seconds=2.0)
    assert (figures["ops"], figures["errors"], figures["seconds"]) == (20, 2, 3.0)
    assert figures["max_ms"] == 3000.0
    assert figures["ops_per_s"] == pytest.approx(6.7)


async def test_puts_from_two_processes_are_counted(shell: Shell) -> None:
    outcome = await shell("bench", "--op", "put", "--clients", "4", "--processes", "2", "--value-size", "20", *SHORT)
    document = outcome.document
    assert outcome.code == 0
    assert document.keys() >= FIELDS
    assert (document["op"], document["clients"], document["nodes"], document["value_size"]) == ("put", 4, 3, 20)
    assert 0 < document["ops"] <= len(shell.nodes[0].store.applied)
    assert document["errors"] == 0
    assert 0 < document["p50_ms"] <= document["p99_ms"] <= document["p999_ms"] <= document["max_ms"]
    assert {len(args[1]) for _, _, _, _, *args in shell.nodes[0].store.applied} == {20}


async def test_gets_find_values(shell: Shell) -> None:
    outcome = await shell("bench", "--op", "get", "--clients", "2", *SHORT)
    assert outcome.document["ops"] > 0
    assert shell.nodes[0].store.machine.keys == 10


@pytest.mark.parametrize(("given", "sessions"), [([], 2), (["--connections", "3"], 3), (["--connections", "99"], 9)])
async def test_clients_share_connections_and_each_of_them_ends_its_session(
    shell: Shell, given: list[str], sessions: int
) -> None:
    outcome = await shell("bench", "--op", "put", "--clients", "9", *SHORT, *given)
    assert outcome.document["connections"] == sessions
    assert shell.nodes[0].store.session_count == sessions
    assert shell.nodes[0].store.machine.sessions == 0


async def test_failures_are_counted_and_nothing_but_failures_is_exit_code_3(shell: Shell) -> None:
    for node in shell.nodes:
        node.always["get"] = refuse(protocol.BAD_REQUEST)
    outcome = await shell("bench", "--op", "get", "--clients", "1", *SHORT[:-2])
    assert outcome.code == 3
    assert b"0 operations" in outcome.out
    assert "no operation succeeded" in outcome.err


async def test_a_transaction_sets_three_keys(shell: Shell) -> None:
    outcome = await shell("bench", "--op", "txn", "--clients", "2", *SHORT)
    assert (outcome.document["op"], outcome.document["errors"]) == ("txn", 0)
    _, _, _, _, compares, then, _ = shell.nodes[0].store.applied[0]
    assert (len(compares), len(then)) == (3, 3)


async def test_leases_are_granted_and_revoked(shell: Shell) -> None:
    outcome = await shell("bench", "--op", "lease", "--clients", "2", *SHORT)
    assert outcome.document["ops"] > 0
    assert shell.nodes[0].store.machine.leases == 0


async def test_puts_are_measured_under_live_leases_which_end_afterwards(shell: Shell) -> None:
    outcome = await shell("bench", "--op", "put", "--clients", "1", "--leases", "20", *SHORT)
    assert outcome.document["leases"] == 20
    puts = [fields[4] for fields in shell.nodes[0].store.applied if fields[0] == commands.PUT]
    assert len([key for key in puts if key.startswith(b"bench-lease/")]) == 20
    assert shell.nodes[0].store.machine.leases == 0
    assert shell.keys(b"bench-lease/") == []


async def test_watchers_of_everything_are_what_is_measured(shell: Shell) -> None:
    outcome = await shell("bench", "--op", "watch", "--watchers", "3", "--clients", "1", *SHORT)
    document = outcome.document
    assert document.keys() >= FIELDS
    assert (document["op"], document["watchers"], document["errors"]) == ("watch", 3, 0)
    assert min(document["ops"], document["puts_per_s"]) > 0
    assert document["p50_ms"] > 0
    assert sum(len(node.received("watch")) for node in shell.nodes) == 3


async def test_puts_are_measured_under_watchers_of_one_key_each(shell: Shell) -> None:
    outcome = await shell("bench", "--op", "put", "--watchers", "4", "--clients", "1", *SHORT[:-2])
    assert b"with 1 clients, 4 watchers, values of" in outcome.out
    watched = [protocol.decode(payload)[2] for node in shell.nodes for payload in node.received("watch")]
    assert sorted(watched) == [b"bench/%08d" % number for number in range(4)]


async def test_watchers_need_values_that_tell_their_time(shell: Shell) -> None:
    outcome = await shell("bench", "--op", "watch", "--value-size", "7", *SHORT)
    assert (outcome.code, outcome.document["code"]) == (2, "usage")


async def test_a_cluster_that_is_not_there_is_exit_code_3(shell: Shell) -> None:
    given = ["--endpoints", "127.0.0.1:1", "--timeout", "0.2"]
    outcome = await shell("bench", "--op", "put", "--clients", "1", *SHORT, *given)
    assert (outcome.code, outcome.document["code"]) == (3, "unavailable")

"""range, delete of several keys, and compact."""

from __future__ import annotations

from typing import Any

import pytest

from tests.cli.conftest import Outcome, Shell


def keys(outcome: Outcome) -> list[str]:
    """Return the keys of a range in JSON."""
    return [entry["key"] for entry in outcome.document["entries"]]


async def test_range_prints_keys_and_values_in_order(shell: Shell) -> None:
    shell.seed({key: b"v-" + key for key in (b"b/2", b"a", b"b/1", b"c")})
    assert (await shell("range", "b/")).out == b"b/1\tv-b/1\nb/2\tv-b/2\n"
    assert (await shell("range", "b/", "--keys-only")).out == b"b/1\nb/2\n"
    assert (await shell("range", "", "--keys-only")).out == b"a\nb/1\nb/2\nc\n"
    assert (await shell("range", "none")).out == b""


async def test_range_as_json_says_whether_more_is_left(shell: Shell) -> None:
    shell.seed({b"k%d" % number: b"v" for number in range(5)})
    first = (await shell("range", "k", "--limit", "2", "-o", "json")).document
    assert [entry["key"] for entry in first["entries"]] == ["k0", "k1"]
    assert (first["count"], first["more"], first["entries"][0]["value"]) == (2, True, "v")
    rest = (await shell("range", "k", "--after", "k1", "--keys-only", "-o", "json")).document
    assert [entry["key"] for entry in rest["entries"]] == ["k2", "k3", "k4"]
    assert not rest["more"]
    assert "value" not in rest["entries"][0]


@pytest.mark.parametrize(("limit", "count"), [([], 2_500), (["--limit", "1700"], 1_700), (["--limit", "1000"], 1_000)])
async def test_range_turns_the_pages_by_itself(shell: Shell, limit: list[str], count: int) -> None:
    shell.seed({b"k%04d" % number: b"v" for number in range(2_500)})
    document = (await shell("range", "k", *limit, "-o", "json")).document
    assert [entry["key"] for entry in document["entries"]] == [f"k{number:04}" for number in range(count)]
    assert document["more"] is (count < 2_500)


async def test_range_takes_an_interval_from_either_end(shell: Shell) -> None:
    shell.seed(dict.fromkeys((b"a", b"b", b"bb", b"c"), b"v"))
    assert keys(await shell("range", "a", "--end", "c", "-o", "json")) == ["a", "b", "bb"]
    assert keys(await shell("range", "b", "--end", "", "-o", "json")) == ["b", "bb", "c"]
    assert keys(await shell("range", "", "--descending", "--limit", "2", "-o", "json")) == ["c", "bb"]
    assert keys(await shell("range", "", "--descending", "--after", "bb", "-o", "json")) == ["b", "a"]


async def test_range_counts(shell: Shell) -> None:
    shell.seed({b"k%04d" % number: b"v" for number in range(2_500)})
    assert (await shell("range", "k", "--count")).out == b"2500\n"
    document = (await shell("range", "k1", "--count", "-o", "json")).document
    assert (document["count"], document["revision"]) == (1_000, 2_500)


@pytest.mark.parametrize("more", [["--limit", "1"], ["--descending"], ["--keys-only"], ["--after", "k"]])
async def test_a_count_takes_nothing_that_means_nothing_to_it(shell: Shell, more: list[str]) -> None:
    outcome = await shell("range", "k", "--count", *more)
    assert outcome.code == 2
    assert "--count goes with" in outcome.err


async def test_range_looks_into_the_past(shell: Shell) -> None:
    shell.seed({b"a": b"1", b"b": b"1"})
    shell.seed({b"a": b"2", b"c": b"2"})
    assert (await shell("range", "", "--revision", "2")).out == b"a\t1\nb\t1\n"
    assert (await shell("range", "", "--count", "--revision", "1")).out == b"1\n"
    assert keys(await shell("range", "", "--created-since", "3", "-o", "json")) == ["c"]
    assert keys(await shell("range", "", "--modified-since", "3", "-o", "json")) == ["a", "c"]


async def test_what_is_compacted_cannot_be_read(shell: Shell) -> None:
    shell.seed({b"a": b"1", b"b": b"1"})
    outcome = await shell("compact", "2", "-o", "json")
    assert (outcome.code, outcome.document["compacted_revision"]) == (0, 2)
    for verb in (["get", "a"], ["range", ""]):
        outcome = await shell(*verb, "--revision", "1", "-o", "json")
        assert (outcome.code, outcome.document["code"]) == (1, "compacted"), verb
    future = await shell("compact", "9", "-o", "json")
    assert (future.code, future.document["code"]) == (1, "future_revision")


@pytest.mark.parametrize(
    ("arguments", "deleted", "left"),
    [
        (["b", "--prefix"], 2, [b"a", b"c"]),
        (["a", "--range", "bb"], 2, [b"bb", b"c"]),
        (["b", "--end", ""], 3, [b"a"]),
        (["", "--prefix", "--limit", "1"], 1, [b"b", b"bb", b"c"]),
    ],
)
async def test_several_keys_are_deleted_at_one_revision(
    shell: Shell, arguments: list[str], deleted: int, left: list[bytes]
) -> None:
    shell.seed(dict.fromkeys((b"a", b"b", b"bb", b"c"), b"v"))
    document = (await shell("delete", *arguments, "-o", "json")).document
    assert (document["deleted"], document["more"], document["revision"]) == (deleted, "--limit" in arguments, 5)
    assert [key for key in (b"a", b"b", b"bb", b"c") if shell.value(key) is not None] == left


async def test_delete_gives_back_what_was_there(shell: Shell) -> None:
    shell.seed({b"a": b"1", b"b": b"2"})
    one: dict[str, Any] = (await shell("delete", "a", "--previous", "-o", "json")).document
    assert (one["deleted"], one["previous"]["value"]) == (True, "1")
    assert (await shell("delete", "b", "--prefix", "--previous")).out == b"b\t2\n"
    none = await shell("delete", "b", "--prefix")
    assert (none.code, none.out) == (1, b"")

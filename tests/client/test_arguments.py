"""Endpoints, keys and intervals as users write them."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from paxoskv.client.endpoints import Endpoint, parse_endpoint, parse_endpoints
from paxoskv.client.keys import UNBOUNDED, interval, prefix_end
from paxoskv.errors import BadRequest


@pytest.mark.parametrize(
    ("text", "endpoint"),
    [
        ("127.0.0.1:7301", Endpoint("127.0.0.1", 7301)),
        (" localhost:1 ", Endpoint("localhost", 1)),
        ("[::1]:65535", Endpoint("::1", 65535)),
    ],
)
def test_endpoint_is_read_and_written_alike(text: str, endpoint: Endpoint) -> None:
    assert parse_endpoint(text) == endpoint
    assert str(endpoint) == text.strip()


@pytest.mark.parametrize(
    "text", ["", "host", ":7301", "host:", "host:0", "host:65536", "host:-1", "host:7x", "::1:7301", "h:٣", "[]:1"]
)
def test_malformed_endpoint_is_refused(text: str) -> None:
    with pytest.raises(BadRequest, match="not host:port"):
        parse_endpoint(text)


def test_endpoints_come_as_text_or_sequence_each_once() -> None:
    expected = (Endpoint("a", 1), Endpoint("b", 2))
    assert parse_endpoints("a:1, b:2,,a:1") == expected
    assert parse_endpoints(["a:1", "b:2"]) == expected


@pytest.mark.parametrize("nothing", ["", " , ", []])
def test_no_endpoint_is_refused(nothing: str | list[str]) -> None:
    with pytest.raises(BadRequest, match="no endpoint"):
        parse_endpoints(nothing)


@given(st.binary(max_size=6), st.binary(max_size=6))
def test_interval_of_a_prefix_holds_what_begins_with_it_and_nothing_else(prefix: bytes, key: bytes) -> None:
    end = prefix_end(prefix)
    inside = prefix <= key and (end == UNBOUNDED or key < end)
    assert inside == key.startswith(prefix)


def test_interval_within_a_scope_never_leaves_it() -> None:
    assert interval("a", None, None, b"s/") == (b"s/a", b"s/b")
    assert interval(None, None, None, b"s/") == (b"s/", b"s0")
    assert interval(None, "b", None, b"s/") == (b"s/b", b"s0")
    assert interval(None, None, "c", b"s/") == (b"s/", b"s/c")
    assert interval(None, None, None, b"\xff") == (b"\xff", UNBOUNDED)

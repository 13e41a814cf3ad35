"""Where nodes listen for clients: `host:port`, several of them separated by commas."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from paxoskv.errors import BadRequest

_PORT_MAX = 65_535


class Endpoint(NamedTuple):
    """A host (name or address, IPv6 without its brackets) and a TCP port."""

    host: str
    port: int

    def __str__(self) -> str:
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


def parse_endpoint(text: str) -> Endpoint:
    """Return the endpoint written as `host:port` or `[ipv6]:port`.

    Raises: BadRequest, quoting `text`.
    """
    host, _, port = text.strip().rpartition(":")
    bracketed = host.startswith("[") and host.endswith("]")
    if bracketed:
        host = host[1:-1]
    digits = port.isascii() and port.isdigit() and len(port) <= len(str(_PORT_MAX))
    if not host or not digits or not 0 < int(port) <= _PORT_MAX or (":" in host and not bracketed):
        raise BadRequest(f"endpoint {text!r:.80} is not host:port: write it like 127.0.0.1:7301 or [::1]:7301")
    return Endpoint(host, int(port))


def parse_endpoints(endpoints: str | Sequence[str]) -> tuple[Endpoint, ...]:
    """Return the endpoints of a comma-separated text or a sequence of texts, each once, in their order.

    Raises: BadRequest if there is none, or one is malformed.
    """
    texts = endpoints.split(",") if isinstance(endpoints, str) else endpoints
    parsed = tuple(dict.fromkeys(parse_endpoint(text) for text in texts if text.strip()))
    if not parsed:
        raise BadRequest("no endpoint is given: name at least one node, like 127.0.0.1:7301")
    return parsed

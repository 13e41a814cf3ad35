"""What a node may hold on to: bounds while it works (I10), and nothing when nobody asks for anything any more."""

from __future__ import annotations

from collections.abc import Iterator

from paxoskv.simulator.node import SimulatedNode


def excesses(node: SimulatedNode) -> Iterator[str]:
    """Yield what of a serving node exceeds its bound."""
    server, config = node.server, node.config
    if server is None or node.replica is None:
        return
    leader = node.replica._leader
    if leader is not None and len(leader._in_flight) > config.window:
        yield f"{len(leader._in_flight)} slots in flight, the window is {config.window}"
    forwards = server._clients.requests._forwards
    for name, holder in (("proposals", server._proposals), ("forwards", forwards)):
        if holder.bytes_in_flight > config.bytes_in_flight_max:
            yield f"{holder.bytes_in_flight} bytes of {name} in flight, {config.bytes_in_flight_max} are allowed"
    for stream in server._clients._streams:
        if stream._in_flight > config.requests_in_flight_max + _ANSWERED_LATER:
            yield f"{stream._in_flight} requests of one connection, {config.requests_in_flight_max} are allowed"


_ANSWERED_LATER = 1
"""A request too many is counted until it is refused."""


def leftovers(node: SimulatedNode) -> Iterator[str]:
    """Yield what still waits on a node, although no client waits for anything."""
    server = node.server
    if server is None:
        yield f"node {node.node} does not serve"
        return
    if not server._proposals.is_idle or server._proposals.bytes_in_flight:
        yield f"node {node.node}: {server._proposals.bytes_in_flight} bytes of proposals in flight"
    requests = server._clients.requests
    if requests._forwards._open or requests._forwards.bytes_in_flight:
        yield f"node {node.node}: {len(requests._forwards._open)} forwards in flight"
    if requests._reads._held:
        yield f"node {node.node}: {len(requests._reads._held)} groups of reads held"
    waiting = sum(stream._in_flight for stream in server._clients._streams)
    if waiting:
        yield f"node {node.node}: {waiting} requests of clients unanswered"

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
    service = server.service
    for name, holder in (("proposals", service.proposals), ("forwards", service.forwards)):
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
    service = server.service
    if not service.proposals.is_idle or service.proposals.bytes_in_flight:
        yield f"node {node.node}: {service.proposals.bytes_in_flight} bytes of proposals in flight"
    if service.forwards._open or service.forwards.bytes_in_flight:
        yield f"node {node.node}: {len(service.forwards._open)} forwards in flight"
    if service.gate._held:
        yield f"node {node.node}: {len(service.gate._held)} groups of reads held"
    if service.waits._open:
        yield f"node {node.node}: {len(service.waits._open)} reads wait for a revision"
    waiting = sum(stream._in_flight for stream in server._clients._streams)
    if waiting:
        yield f"node {node.node}: {waiting} requests of clients unanswered"

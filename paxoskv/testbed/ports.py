"""Loopback ports that nobody else can get while the cluster's processes come and go."""

from __future__ import annotations

import socket

LOOPBACK = "127.0.0.1"


class Ports:
    """Holds every port it gives out with a socket that is bound and never listens.

    A server that sets SO_REUSEADDR, as every server here does, may still bind and listen there, again and again; the
    kernel gives the port to no one else meanwhile.
    """

    def __init__(self) -> None:
        self._holders: list[socket.socket] = []

    def take(self) -> int:
        """Return a free port."""
        holder = socket.socket()
        try:
            holder.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            holder.bind((LOOPBACK, 0))
        except OSError:
            holder.close()
            raise
        self._holders.append(holder)
        port: int = holder.getsockname()[1]
        return port

    def release(self) -> None:
        """Give all ports back."""
        while self._holders:
            self._holders.pop().close()

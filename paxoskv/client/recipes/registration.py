"""A service that is listed while it lives."""

from __future__ import annotations

import asyncio
import secrets
from types import TracebackType
from typing import Self

from paxoskv.client.calls.base import Text
from paxoskv.client.keys import to_bytes, to_key
from paxoskv.client.recipes.line import ended
from paxoskv.client.results import Entry
from paxoskv.client.store import Store
from paxoskv.errors import LeaseLost, LeaseNotFound, OutcomeUnknown, Overloaded, Unavailable

_RETRY_S = 0.2
_TEMPORARY = (Unavailable, Overloaded, OutcomeUnknown, LeaseLost, LeaseNotFound)


class Registration:
    """Lists a service under `NAME/` while the block runs.

        async with Registration(kv, "services/web", "10.0.0.7:80"):
            await serve()

    When its lease is lost, after a long pause for instance, it is listed again under a new one. `ttl_s`: after how
    long a service that has died is listed no more. Others look with `members`, or keep a `Cache` of `NAME/`.
    """

    def __init__(self, kv: Store, name: Text, value: Text, *, ttl_s: float = 10.0) -> None:
        self._kv = kv
        self._key = to_key(name) + b"/" + secrets.token_hex(8).encode()
        self._value = to_bytes("value", value)
        self._ttl_s = ttl_s
        self._listed = asyncio.Event()
        self._task: asyncio.Task[None] | None = None

    @property
    def key(self) -> bytes:
        """The key under which it is listed."""
        return self._key

    async def __aenter__(self) -> Self:
        if self._task is not None:
            raise RuntimeError("a registration is entered once: make another one")
        self._task = asyncio.create_task(self._stay_listed(), name="paxoskv registration")
        listed = asyncio.ensure_future(self._listed.wait())
        try:
            await asyncio.wait((listed, self._task), return_when=asyncio.FIRST_COMPLETED)
            if self._task.done():
                self._task.result()
        except BaseException:
            await ended(self._task)
            raise
        finally:
            await ended(listed)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if self._task is not None:
            await ended(self._task)
            if error is None and not self._task.cancelled():
                self._task.result()  # it has died of a bug, and the service was not listed any more (P38)

    @staticmethod
    async def members(kv: Store, name: Text) -> list[Entry]:
        """Return the services listed under a name."""
        return [entry async for entry in kv.scan(to_key(name) + b"/")]

    async def _stay_listed(self) -> None:
        """List the service under one lease after the other. Raises: PaxoskvError the first time."""
        while True:
            try:
                async with self._kv.lease(self._ttl_s) as lease:
                    await self._kv.put(self._key, self._value, lease=lease)
                    self._listed.set()
                    await lease.lost.wait()
            except _TEMPORARY as error:
                if not self._listed.is_set() and not isinstance(error, LeaseLost):
                    raise
                await asyncio.sleep(_RETRY_S)

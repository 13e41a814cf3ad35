"""How Python values become bytes, by an explicit choice."""

from __future__ import annotations

import json
from typing import Any, Protocol, TypeVar

from paxoskv.errors import BadRequest

T = TypeVar("T")


class Codec(Protocol[T]):
    """Turns values into bytes and back."""

    def encode(self, value: T) -> bytes:
        """Return the bytes of a value. Raises: BadRequest if it has none."""

    def decode(self, data: bytes) -> T:
        """Return the value. Raises: ValueError if these are not its bytes."""


class _Json:
    """JSON in UTF-8, the shortest form, keys in their order; no NaN, which JSON does not know."""

    def encode(self, value: Any) -> bytes:
        """Return the bytes of a value. Raises: BadRequest if JSON cannot say it."""
        try:
            return json.dumps(value, allow_nan=False, ensure_ascii=False, separators=(",", ":")).encode()
        except (TypeError, ValueError, RecursionError) as error:
            raise BadRequest(f"the value cannot be said in JSON: {error}") from None

    def decode(self, data: bytes) -> Any:
        """Return the value. Raises: ValueError."""
        return json.loads(data)


JSON: Codec[Any] = _Json()

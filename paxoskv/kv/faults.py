"""What is wrong with a command, and how a message shows it."""

from __future__ import annotations

from collections.abc import Sized
from typing import Any


class BadCommand(ValueError):
    """A command that must not enter the log: its sender is wrong. The message says what."""


class CommandTooLarge(BadCommand):
    """A key, a value or the whole command exceeds its limit."""


def shown(raw: Any) -> str:
    """Return how a message calls a wrong field; never its whole text, which may be megabytes."""
    kind = type(raw).__name__
    return f"{kind} of length {len(raw)}" if isinstance(raw, Sized) else f"{kind} {raw!r:.60}"

"""One setting of a node: what it is called everywhere, how it is read, and what it may be."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any, NoReturn

NODE_MAX = 255
_PORT_MAX = 65_535
_TRUE = ("1", "true", "yes", "on")
_FALSE = ("0", "false", "no", "off", "")


class ConfigError(ValueError):
    """A setting is unknown, malformed, out of range, or does not go with another one (H18)."""


@dataclass(frozen=True, slots=True)
class Setting:
    """One setting and its names: `key` in a file, `--key` as a flag, `PAXOSKV_KEY` in the environment.

    kind: int, float, bool, str, Path, or dict for a list of nodes with addresses.
    least, most: bounds of a number, of the number of characters of a text, or of the entries of a list.
    """

    key: str
    kind: type
    help: str
    least: float | None = None
    most: float | None = None
    choices: tuple[str, ...] = ()

    @property
    def flag(self) -> str:
        """The name on the command line."""
        return "--" + self.key.replace("_", "-")

    @property
    def variable(self) -> str:
        """The name in the environment."""
        return "PAXOSKV_" + self.key.upper()

    def from_text(self, text: str) -> Any:
        """Return the value written as `text` on the command line or in the environment.

        Raises: ConfigError, without the place, which the caller knows.
        """
        if self.kind is bool:
            return self._flag_from_text(text)
        if self.kind is dict:
            return {} if not text and self.least == 0 else parse_members(text, self.key)
        if self.kind is Path and (not text or "\0" in text):
            self._refuse(text)
        try:
            value = self.kind(text)
        except ValueError:
            self._refuse(text)
        self.check(value)
        return value

    def from_toml(self, value: object) -> Any:
        """Return the value that a TOML file gives with a type of its own. Raises: ConfigError."""
        if self.kind in (Path, dict):
            return self.from_text(value) if isinstance(value, str) else self._refuse(value)
        if self.kind is float and type(value) is int:
            value = float(value)
        if type(value) is not self.kind:
            self._refuse(value)
        self.check(value)
        return value

    def check(self, value: Any) -> None:
        """Raises: ConfigError if `value`, of the right type, is not allowed."""
        if self.choices and value not in self.choices:
            self._refuse(value)
        if self.least is not None and self.most is not None:
            measure = len(value) if isinstance(value, str | dict) else value
            if not self.least <= measure <= self.most:
                self._refuse(value)

    def expected(self) -> str:
        """Return what may be written, for messages and for help."""
        if self.choices:
            return "one of " + ", ".join(self.choices)
        if self.kind in (int, float):
            noun = "a whole number" if self.kind is int else "a number"
            return noun if self.least is None else f"{noun} from {self.least:g} to {self.most:.10g}"
        if self.kind is str and self.least is not None:
            return f"a text of {self.least:g} to {self.most:g} characters"
        return {bool: "true or false", dict: "a text like 1=HOST:PORT,2=HOST:PORT", Path: "a path"}.get(
            self.kind, "a text"
        )

    def _flag_from_text(self, text: str) -> bool:
        if text.lower() not in _TRUE + _FALSE:
            self._refuse(text)
        return text.lower() in _TRUE

    def _refuse(self, value: object) -> NoReturn:
        raise ConfigError(f"{self.key} must be {self.expected()}, not {_shown(value)}")


def _shown(value: object) -> str:
    """Return a wrong value for a message, which may have more digits than Python converts into text."""
    try:
        return f"{value!r:.60}"
    except ValueError:
        return f"a {type(value).__name__} with thousands of digits"


def parse_address(text: str) -> tuple[str, int]:
    """Return (host, port) of `host:port` or `[ipv6]:port`. Raises: ConfigError, quoting `text`."""
    host, _, port = text.strip().rpartition(":")
    bracketed = host.startswith("[") and host.endswith("]")
    if bracketed:
        host = host[1:-1]
    digits = port.isascii() and port.isdigit() and len(port) <= len(str(_PORT_MAX))
    if not host or not digits or not 0 < int(port) <= _PORT_MAX or (":" in host and not bracketed):
        raise ConfigError(f"address {text!r:.60} is not HOST:PORT: write it like 127.0.0.1:7401 or [::1]:7401")
    return host, int(port)


def parse_members(text: str, key: str = "cluster") -> dict[int, str]:
    """Return the nodes written as `1=HOST:PORT,2=HOST:PORT`; their order means nothing (P34).

    key: the setting that is read. Raises: ConfigError if an entry is malformed, or a number or address given twice.
    """
    members: dict[int, str] = {}
    for part in text.split(","):
        number, _, address = (piece.strip() for piece in part.partition("="))
        if not (number.isascii() and number.isdigit() and len(number) <= 3 and 1 <= int(number) <= NODE_MAX):
            raise ConfigError(
                f"{key}: member {part.strip()!r:.60} is not NODE=HOST:PORT with NODE from 1 to {NODE_MAX}"
            )
        parse_address(address)
        if int(number) in members:
            raise ConfigError(f"{key}: node {int(number)} is listed twice: every number belongs to one node")
        if address in members.values():
            raise ConfigError(f"{key}: {address} is listed twice: every node has an address of its own")
        members[int(number)] = address
    return members

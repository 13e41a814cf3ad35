"""Lines into words: quotes, escapes, and in compares punctuation."""

from __future__ import annotations

import re
from dataclasses import dataclass

from paxoskv.errors import BadRequest

_ESCAPES = {b"n": b"\n", b"t": b"\t", b"r": b"\r", b"0": b"\0", b"\\": b"\\", b'"': b'"', b"'": b"'"}
_ESCAPE = re.compile(rb"\\(x[0-9a-fA-F]{2}|.|$)", re.DOTALL)
_WORD = re.compile(
    rb"""\s* (?:
        "(?P<double>(?:[^"\\]|\\.)*)" |
        '(?P<single>[^']*)' |
        (?P<open>["']) |
        (?P<bare>[^\s"']+)
    )""",
    re.VERBOSE | re.DOTALL,
)
_PUNCTUATION = re.compile(rb"(!=|[()=<>])")


@dataclass(frozen=True, slots=True)
class Word:
    """A word. is_quoted: it stood in quotes, and so is never an option, a number sign or punctuation."""

    text: bytes
    is_quoted: bool

    def means(self, *texts: bytes) -> bool:
        """Whether this is one of these, as it stands, without quotes."""
        return not self.is_quoted and self.text in texts


def split(line: bytes, *, punctuated: bool = False) -> list[Word]:
    """Return the words of a line; with `punctuated`, ( ) = != < > are words of their own. Raises: BadRequest.

    Between double quotes a backslash escapes: \\n \\t \\r \\0 \\\\ \\" and \\xHH. Single quotes keep everything as
    it is. A # at the beginning of a word begins a comment.
    """
    words: list[Word] = []
    place, end = 0, len(line.rstrip())
    while place < end:
        found = _WORD.match(line, place, end)
        assert found is not None, f"every rest of a line is a word: {line!r} from {place}"
        if found["open"]:
            raise BadRequest("a quote is opened and never closed")
        if found["bare"] is None:
            words.append(Word(_unescape(found["double"]) if found["single"] is None else found["single"], True))
        elif found["bare"].startswith(b"#"):
            break
        else:
            words += _bare(found["bare"], punctuated)
        place = found.end()
    return words


def _bare(text: bytes, punctuated: bool) -> list[Word]:
    parts = _PUNCTUATION.split(text) if punctuated else [text]
    return [Word(part, False) for part in parts if part]


def _unescape(text: bytes) -> bytes:
    return _ESCAPE.sub(_unescaped, text)


def _unescaped(found: re.Match[bytes]) -> bytes:
    name = found[1]
    if name.startswith(b"x") and len(name) == 3:
        return bytes([int(name[1:], 16)])
    if name not in _ESCAPES:
        raise BadRequest(f'\\{name.decode(errors="replace")} is no escape: write \\n \\t \\r \\0 \\\\ \\" or \\xHH')
    return _ESCAPES[name]

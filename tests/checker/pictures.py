"""Histories drawn as pictures: a row is a client, from left to right runs the time.

    [put 1]    [get 2]
       [put 2  ]

`[...]` answered, `[...!` failed, `[...?` nobody knows, `[...>` never completed. Inside stands `put V`, `get V`,
`delete`, `cas OLD NEW` or `append V`; `-` is an absent key, `""` the empty value. `[other: put 1]` names the key.
"""

from __future__ import annotations

import re

from paxoskv.checker import Operation
from paxoskv.checker.events import APPEND, CAS, FAIL, GET, INFO, OK, PUT
from tests.checker.worlds import Call, record

BAR = re.compile(r"\[(?:(?P<key>\w+):)?(?P<text>[^\]!?>]*)(?P<end>[\]!?>])")
OUTCOMES = {"]": OK, "!": FAIL, "?": INFO, ">": INFO}
KEY = b"k"


def calls_of(picture: str) -> list[Call]:
    """Return the calls of a picture; a column is a nanosecond."""
    calls: list[Call] = []
    process = 0
    for row in picture.splitlines():
        for bar in BAR.finditer(row):
            f, *words = bar["text"].split()
            values = [None if word == "-" else b"" if word == '""' else word.encode() for word in words]
            outcome = OUTCOMES[bar["end"]]
            call = Call(process, f, (bar["key"] or KEY.decode()).encode(), None, bar.start(), bar.end(), outcome)
            if f == GET and outcome == OK:
                call = call._replace(result=values[0])
            elif f in (PUT, APPEND):
                call = call._replace(value=values[0])
            elif f == CAS:
                assert values[1] is not None, f"a cas writes a value: {bar['text']}"
                call = call._replace(value=(values[0], values[1]))
            calls.append(call._replace(done_ns=None) if bar["end"] == ">" else call)
            process += outcome == INFO
        process += 1
    return calls


def drawn(picture: str) -> list[Operation]:
    """Return the operations of a picture."""
    return record(calls_of(picture))


def words_of(operation: Operation) -> str:
    """Return an operation as pictures write it."""

    def word(value: bytes | None) -> str:
        return "-" if value is None else value.decode() or '""'

    if isinstance(operation.value, tuple):
        return f"{operation.f} {word(operation.value[0])} {word(operation.value[1])}"
    if operation.f == GET and operation.outcome == OK:
        return f"{operation.f} {word(operation.result)}"
    return operation.f if operation.value is None else f"{operation.f} {word(operation.value)}"

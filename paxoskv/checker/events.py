"""One line of a history: an event, as Jepsen names them, and its form in JSON.

    {"process": 3, "type": "invoke", "f": "put", "key": "a", "value": "17", "time": 123456789}

    f        value at the invocation    value at the completion
    put      the value written          null, or the same again
    get      null                       at ok the value read, null if the key is absent; else null
    delete   null                       null
    cas      [expected, new]            null, or the same again; expected is null for "the key is absent"
    append   the text appended          null, or the same again
    incr     the number added           at ok the number that the key holds now; else null, or the same again
    txn      see `txns`                 at ok what it was answered; else null, or the same again

type: `invoke`, then `ok`, `fail` (surely did not happen) or `info` (unknown). A `fail` of a cas without an `error`
says that the comparison failed, which is an observation; with an `error` it says that the cas was never executed.
Numbers stand in quotes, like all values. The key of a txn is null, since it names its keys itself.
time: nanoseconds of one clock. An event may carry `revision` and `slot`; other fields are ignored.
Keys and values are text; bytes that are not UTF-8 stand as `key_base64` and `value_base64` instead.
"""

from __future__ import annotations

import base64
import binascii
import json
from typing import Any, NamedTuple

from paxoskv.checker.txns import Told, Txn, number_of, parse_told, parse_txn, shown

INVOKE = "invoke"
OK = "ok"
FAIL = "fail"
INFO = "info"
TYPES = (INVOKE, OK, FAIL, INFO)

PUT = "put"
GET = "get"
DELETE = "delete"
CAS = "cas"
APPEND = "append"
INCR = "incr"
TXN = "txn"
FUNCTIONS = (PUT, GET, DELETE, CAS, APPEND, INCR, TXN)

Value = bytes | tuple[bytes | None, bytes] | Txn | Told | None
"""The value of an event, its shape as in the table above; the pair belongs to cas."""

NO_KEY = b""
"""In the place of the key of a transaction."""

_LINE_SHOWN_MAX = 80


class HistoryError(ValueError):
    """The history cannot be judged as it is. line: from 1, 0 if it was not read from a file."""

    def __init__(self, message: str, line: int) -> None:
        super().__init__(f"line {line}: {message}" if line else message)
        self.line = line


class BadEvent(HistoryError):
    """A line is no event: no JSON, a field is missing, or one has the wrong shape."""


class BadOrder(HistoryError):
    """An event contradicts those before it: two operations open at once, a completion of nothing, time going back."""


class Event(NamedTuple):
    """What happened at one end of an operation. value, error, revision, slot: None if there is none."""

    process: int
    type: str
    f: str
    key: bytes
    value: Value
    time_ns: int
    revision: int | None = None
    slot: int | None = None
    error: str | None = None


def parse_event(line: bytes, number: int) -> Event:
    """Return the event on line `number`. Raises: BadEvent."""
    fields = _fields(line, number)
    try:
        return _event(fields)
    except ValueError as error:
        raise BadEvent(f"{error}, in {_shown(line)}", number) from None


def event_line(event: Event) -> str:
    """Return the event as one line of JSON, the line's end included; `parse_event` reads it back."""
    fields: dict[str, Any] = {"process": event.process, "type": event.type, "f": event.f}
    fields |= text_field("key", event.key if event.f != TXN else None)
    fields |= text_field("value", event.value)
    fields["time"] = event.time_ns
    for name, extra in (("revision", event.revision), ("slot", event.slot), ("error", event.error)):
        if extra is not None:
            fields[name] = extra
    return json.dumps(fields, ensure_ascii=False) + "\n"


def text_field(name: str, value: Value) -> dict[str, Any]:
    """Return `value` as the JSON field `name`, or as `name_base64` if it is not all UTF-8."""
    if isinstance(value, Txn | Told):
        return _txn_field(name, value)
    parts = value if isinstance(value, tuple) else (value,)
    try:
        texts = [None if part is None else part.decode() for part in parts]
    except UnicodeDecodeError:
        name = f"{name}_base64"
        texts = [None if part is None else _as_base64(part) for part in parts]
    return {name: texts if isinstance(value, tuple) else texts[0]}


def _txn_field(name: str, value: Txn | Told) -> dict[str, Any]:
    try:
        return {name: shown(value, bytes.decode)}
    except UnicodeDecodeError:
        return {f"{name}_base64": shown(value, _as_base64)}


def _as_base64(part: bytes) -> str:
    return base64.b64encode(part).decode("ascii")


def check_value(f: str, kind: str, value: Value) -> None:
    """Refuse a value that does not have the shape of `f` at an event of type `kind`. Raises: ValueError."""
    if f == GET:
        allowed = kind == OK or value is None
        wanted = "null unless it is the value read, at ok"
    elif f == DELETE:
        allowed, wanted = value is None, "null"
    elif f == TXN:
        shape: type = Told if kind == OK else Txn
        allowed, wanted = isinstance(value, shape) or (kind not in (INVOKE, OK) and value is None), "see `txns`"
    elif f == INCR:
        is_number = isinstance(value, bytes) and number_of(value) is not None
        allowed, wanted = is_number or (kind not in (INVOKE, OK) and value is None), "a number in quotes"
    else:
        shape, wanted = (tuple, "[expected, new]") if f == CAS else (bytes, "a text")
        allowed = isinstance(value, shape) or (kind != INVOKE and value is None)
    if not allowed or (f == GET and isinstance(value, tuple)) or (f == CAS and isinstance(value, Txn | Told)):
        raise ValueError(f"the value of a {f} at {kind} is {wanted}")


def _fields(line: bytes, number: int) -> dict[str, Any]:
    try:
        fields = json.loads(line)
    except (ValueError, RecursionError) as error:
        reason = str(error) if isinstance(error, ValueError) else "nested too deeply"
        raise BadEvent(f"no JSON ({reason}), is the file cut off or damaged? It holds {_shown(line)}", number) from None
    if not isinstance(fields, dict):
        raise BadEvent(f"an event is a JSON object, not {_shown(line)}", number)
    return fields


def _event(fields: dict[str, Any]) -> Event:
    f, kind = _choice(fields, "f", FUNCTIONS), _choice(fields, "type", TYPES)
    key = _bytes_field(fields, "key")
    if f == TXN and key is None:
        key = NO_KEY
    if not isinstance(key, bytes) or (f == TXN and key):
        raise ValueError("the key of a txn is null" if f == TXN else "key is missing or no text")
    value = _bytes_field(fields, "value") if f != TXN else _txn_value(fields, kind)
    check_value(f, kind, value)
    process, time_ns = _number(fields, "process"), _number(fields, "time")
    if process is None or time_ns is None:
        raise ValueError(f"{'process' if process is None else 'time'} is missing")
    error = fields.get("error")
    shown = error if error is None or isinstance(error, str) else json.dumps(error)
    return Event(process, kind, f, key, value, time_ns, _number(fields, "revision"), _number(fields, "slot"), shown)


def _choice(fields: dict[str, Any], name: str, choices: tuple[str, ...]) -> str:
    chosen = fields.get(name)
    if chosen not in choices:
        raise ValueError(f"{name} is one of {', '.join(choices)}, not {_shown_value(chosen)}")
    return str(chosen)


def _number(fields: dict[str, Any], name: str) -> int | None:
    number = fields.get(name)
    if number is not None and (type(number) is not int or number < 0):
        raise ValueError(f"{name} is a whole number from 0, not {_shown_value(number)}")
    return number


def _bytes_field(fields: dict[str, Any], name: str) -> Value:
    """Return the field `name` or `name_base64` as bytes, a pair for an array of two, None for null or no field."""
    plain, coded = fields.get(name), fields.get(f"{name}_base64")
    if plain is not None and coded is not None:
        raise ValueError(f"{name} and {name}_base64 exclude each other")
    raw = plain if coded is None else coded
    if not isinstance(raw, list):
        return _blob(name, raw, coded is not None)
    new = _blob(name, raw[-1], coded is not None) if len(raw) == 2 else None
    if new is None:
        raise ValueError(f"{name} is an array of {len(raw)}: the one of a cas is [expected, new], and new is a text")
    return _blob(name, raw[0], coded is not None), new


def _txn_value(fields: dict[str, Any], kind: str) -> Txn | Told | None:
    """Return the field `value` or `value_base64` of a transaction."""
    plain, coded = fields.get("value"), fields.get("value_base64")
    raw = plain if coded is None else coded
    if raw is None:
        return None
    parse = parse_told if kind == OK else parse_txn
    return parse(raw, lambda part: _blob("value", part, coded is not None))


def _blob(name: str, raw: Any, is_base64: bool) -> bytes | None:
    if raw is None:
        return None
    if not isinstance(raw, str):
        raise ValueError(f"{name} holds {_shown_value(raw)}: keys and values are texts, numbers stand in quotes")
    try:
        return base64.b64decode(raw, validate=True) if is_base64 else raw.encode()
    except (binascii.Error, UnicodeEncodeError) as error:
        raise ValueError(f"{name} is no {'base64' if is_base64 else 'valid text'}: {error}") from None


def _shown(line: bytes) -> str:
    text = line.decode(errors="backslashreplace").strip()
    return repr(text if len(text) <= _LINE_SHOWN_MAX else text[:_LINE_SHOWN_MAX] + "...")


def _shown_value(value: Any) -> str:
    return f"{value!r:.40}"

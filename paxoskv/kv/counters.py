"""Values that count and values that grow: what increment and append make of a value."""

from __future__ import annotations

from paxoskv.kv.replies import NOT_A_NUMBER, NUMBER_OVERFLOW, VALUE_TOO_LARGE, Refused

COUNTER_MAX = (1 << 63) - 1
COUNTER_MIN = -(1 << 63)
_DIGITS_MAX = len(b"%d" % COUNTER_MIN)


def incremented(value: bytes | None, delta: int) -> int:
    """Return the number in `value`, None for an absent key, which counts as 0, plus `delta`.

    A counter is the shortest decimal text of a signed number of 64 bits: b"-12", never b"+7", b"007" or b"1_0".
    Raises: Refused, NOT_A_NUMBER if the value is no such text, NUMBER_OVERFLOW if the sum has more than 64 bits.
    """
    number = 0 if value is None else _number(value)
    total = number + delta
    if not COUNTER_MIN <= total <= COUNTER_MAX:
        raise Refused(NUMBER_OVERFLOW)
    return total


def appended(value: bytes | None, suffix: bytes, bytes_max: int) -> bytes:
    """Return `value`, None for an absent key, followed by `suffix`.

    Raises: Refused, VALUE_TOO_LARGE if that has more than `bytes_max` bytes.
    """
    whole = suffix if value is None else value + suffix
    if len(whole) > bytes_max:
        raise Refused(VALUE_TOO_LARGE)
    return whole


def _number(value: bytes) -> int:
    """Return the number that a value is the text of."""
    try:
        number = int(value) if len(value) <= _DIGITS_MAX else None
    except ValueError:
        number = None
    if number is None or b"%d" % number != value or not COUNTER_MIN <= number <= COUNTER_MAX:
        raise Refused(NOT_A_NUMBER)
    return number

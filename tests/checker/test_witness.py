"""An order is a proof only if it is one: each way in which it may not be."""

from __future__ import annotations

import pytest

from paxoskv.checker.witness import flaw
from tests.checker.pictures import drawn

PICTURE = """
        [put 1]  [put 2   ]
                    [get 2]       [get 2]
                              [put 3 ?
        """


@pytest.mark.parametrize(
    ("order", "reason"),
    [
        ("put 1, put 2, get 2, get 2'", None),
        ("put 1, put 2, get 2', get 2", "invoked only after the completion"),
        ("put 1, put 2, get 2, get 2', put 3", None),
        ("put 1, put 2, get 2, put 3, get 2'", "what is held is b'3'"),
        ("put 2, put 1, get 2, get 2'", "invoked only after"),
        ("put 1, get 2, put 2, get 2'", "what is held is b'1'"),
        ("put 1, put 2, get 2", "does not stand in the order"),
        ("put 1, put 2, get 2, get 2, get 2'", "twice"),
    ],
)
def test_an_order_is_checked(order: str, reason: str | None) -> None:
    first, second, read, later, unknown = drawn(PICTURE)[0], *sorted(drawn(PICTURE)[1:], key=lambda op: op.began)
    if later.f == "put":
        later, unknown = unknown, later
    names = {"put 1": first, "put 2": second, "get 2": read, "get 2'": later, "put 3": unknown}
    found = flaw(drawn(PICTURE), [names[name] for name in order.split(", ")])
    assert (found is None) is (reason is None)
    assert reason is None or (found is not None and reason in found)


def test_an_operation_of_another_history_is_none_of_this_one() -> None:
    operations = drawn("[put 1]  [get 1]")
    assert "not in the history" in (flaw(operations[:1], operations) or "")

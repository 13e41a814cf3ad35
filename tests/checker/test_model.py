"""What a key does, step by step, and which values need not be told apart."""

from __future__ import annotations

import pytest

from paxoskv.checker.model import HIDDEN, INITIAL, REFUSED, Mark, Model, step
from tests.checker.pictures import drawn


def test_a_key_starts_absent() -> None:
    assert INITIAL is None


@pytest.mark.parametrize(
    ("picture", "before", "after"),
    [
        ("[put 1]", None, b"1"),
        ("[put 1]", b"0", b"1"),
        ("[get 1]", b"1", b"1"),
        ("[get 1]", b"2", REFUSED),
        ("[get 1]", None, REFUSED),
        ("[get -]", None, None),
        ("[get -]", b"", REFUSED),
        ("[delete]", b"1", None),
        ("[delete]", None, None),
        ("[cas 1 2]", b"1", b"2"),
        ("[cas 1 2]", b"3", REFUSED),
        ("[cas 1 2]", None, REFUSED),
        ("[cas - 2]", None, b"2"),
        ("[cas - 2]", b"", REFUSED),
        ("[cas 1 2!", b"1", REFUSED),
        ("[cas 1 2!", b"3", b"3"),
        ("[cas 1 2!", None, None),
        ("[cas 1 2?", b"1", b"2"),
        ("[cas 1 2?", b"3", REFUSED),
        ("[append 1]", b"0", b"01"),
        ("[append 1]", None, b"1"),
        ('[append ""]', None, b""),
    ],
)
def test_a_step(picture: str, before: bytes | None, after: bytes | Mark | None) -> None:
    assert step(drawn(picture)[0], before) == after


def test_values_that_nobody_looks_for_are_one() -> None:
    put, read, unseen, append, cas = drawn("[put 1]\n[get 1]\n[put 2]\n[append 3]\n[cas 4 5!")
    model = Model([put, read, unseen, cas])
    assert model.step(put, None) == b"1"
    assert model.step(unseen, None) is HIDDEN
    assert model.step(read, HIDDEN) is REFUSED
    assert model.step(cas, HIDDEN) is HIDDEN
    assert model.step(put, HIDDEN) == b"1"
    assert Model([read, append]).step(append, HIDDEN) is HIDDEN
    assert Model([put, read, unseen], exact=True).step(unseen, None) == b"2"


def test_what_a_seen_value_begins_with_matters_if_there_are_appends() -> None:
    first, second, third, read = drawn("[append a]\n[append b]\n[append c]\n[get ab]")
    model = Model([first, second, third, read])
    assert model.step(first, None) == b"a"
    assert model.step(second, b"a") == b"ab"
    assert model.step(second, None) is HIDDEN
    assert model.step(third, b"ab") is HIDDEN


def test_an_optional_operation_that_serves_no_purpose_is_not_tried() -> None:
    put, read, unseen, failed = drawn("[put 1?\n[get 1]\n[put 2?\n[cas 1 5!")
    assert Model([put, read]).spend(put, None) == b"1"
    assert Model([put, read]).spend(put, b"1") is REFUSED
    assert Model([put, read, unseen]).spend(unseen, None) is REFUSED
    assert Model([put, read, unseen, failed]).spend(unseen, b"1") is HIDDEN

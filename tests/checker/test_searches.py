"""The two searches against the definition of linearizability, against each other, and on long histories."""

from __future__ import annotations

import random
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from paxoskv.checker import Operation, configurations, wgl
from paxoskv.checker.events import APPEND, CAS, DELETE, GET, OK, PUT
from paxoskv.checker.groups import split
from paxoskv.checker.unknowns import settle
from paxoskv.checker.witness import flaw
from tests.checker.brute import brute_force
from tests.checker.pictures import drawn
from tests.checker.small import SMALL_HISTORIES, small_history
from tests.checker.worlds import EVERYTHING, Call, Mix, random_calls, record, with_stale_read

PLENTY = 10_000_000


def both(operations: list[Operation]) -> bool:
    """Return the verdict of both searches, which must agree, and check the order that one of them found."""
    history = settle(operations)
    found = wgl.search(history, PLENTY)
    swept = configurations.search(history, PLENTY)
    assert found.linearizable is not None
    assert found.linearizable == swept.linearizable
    if found.linearizable:
        assert flaw(operations, found.order) is None
    else:
        assert swept.culprit is not None
    return found.linearizable


@pytest.mark.parametrize("first", range(0, 1_600, 400))
def test_both_searches_agree_with_the_definition(first: int) -> None:
    verdicts = set()
    for seed in range(first, first + 400):
        operations = small_history(seed)
        verdict = brute_force(operations)
        assert both(operations) is verdict, f"seed {seed}: {operations}"
        verdicts.add(verdict)
    assert verdicts == {True, False}


@given(SMALL_HISTORIES)
@settings(max_examples=100, deadline=None)
def test_both_searches_agree_with_the_definition_on_any_history(operations: list[Operation]) -> None:
    assert both(operations) is brute_force(operations)


MIXES = [
    Mix(functions=(PUT, GET, GET)),
    Mix(functions=(PUT, GET), unknown=0.05),
    Mix(functions=(PUT, GET, DELETE, CAS), unknown=0.02),
    Mix(functions=(PUT, GET, DELETE, CAS), distinct=False, unknown=0.05),
    Mix(functions=(APPEND, GET), unknown=0.02),
    Mix(functions=EVERYTHING),
    Mix(functions=EVERYTHING, distinct=False, unknown=0.02, operations=150),
    Mix(functions=(PUT, GET), clients=16, operations=200),
]


@pytest.mark.parametrize("mix", MIXES, ids=str)
def test_a_long_history_of_a_right_store_passes(mix: Mix) -> None:
    operations = record(random_calls(1, mix))
    found = wgl.search(settle(operations), PLENTY)
    assert found.linearizable is True
    assert flaw(operations, found.order) is None


@pytest.mark.parametrize("mix", MIXES[:-2], ids=str)
def test_the_search_over_configurations_lets_it_pass_too(mix: Mix) -> None:
    operations = record(random_calls(2, replace(mix, operations=200)))
    assert configurations.search(settle(operations), PLENTY).linearizable is True


@given(
    st.integers(0, 1 << 30),
    st.builds(
        Mix,
        operations=st.integers(1, 60),
        clients=st.integers(1, 5),
        keys=st.integers(1, 3),
        functions=st.sampled_from(((PUT, GET), (CAS, GET, DELETE), (APPEND, GET), EVERYTHING)),
        unknown=st.sampled_from((0.0, 0.1, 0.4)),
        distinct=st.booleans(),
        hot=st.booleans(),
    ),
)
@settings(max_examples=40, deadline=None)
def test_any_history_of_a_right_store_passes(seed: int, mix: Mix) -> None:
    for operations in split(record(random_calls(seed, mix))).values():
        assert both(operations)


@pytest.mark.parametrize("mix", [mix for mix in MIXES[:-1] if PUT in mix.functions and mix.distinct], ids=str)
def test_one_stale_read_in_a_long_history_is_found(mix: Mix) -> None:
    """The hard case for a depth-first search: the search over configurations has to decide it."""
    operations = record(with_stale_read(random_calls(1, mix), seed=1))
    assert configurations.search(settle(operations), PLENTY).linearizable is False


def mutated(calls: list[Call], rng: random.Random) -> list[Call]:
    """Return the history with a reply exchanged for another one."""
    reads = [number for number, call in enumerate(calls) if call.f == GET and call.outcome == OK]
    place, other = rng.choice(reads), rng.choice(reads)
    return [*calls[:place], calls[place]._replace(result=calls[other].result), *calls[place + 1 :]]


@pytest.mark.parametrize("functions", [(PUT, GET), (CAS, GET, DELETE), (APPEND, GET), EVERYTHING], ids="-".join)
def test_exchanged_replies_are_judged_alike_by_both(functions: tuple[str, ...]) -> None:
    verdicts = set()
    for seed in range(40):
        mix = Mix(operations=60, clients=4, functions=functions, unknown=0.05, distinct=seed % 2 == 0)
        calls = random_calls(seed, mix)
        verdicts.add(both(record(mutated(calls, random.Random(seed)))))
    assert verdicts == {True, False}


def test_an_exhausted_budget_is_no_verdict() -> None:
    history = settle(record(with_stale_read(random_calls(1, MIXES[0]), 1)))
    assert wgl.search(history, 5).linearizable is None
    assert configurations.search(history, 5).linearizable is None


def test_the_culprit_is_the_operation_at_whose_completion_it_showed() -> None:
    culprit = configurations.search(settle(drawn("[put 1]  [put 2]  [get 1]  [get 7]")), PLENTY).culprit
    assert culprit is not None
    assert (culprit.f, culprit.result) == (GET, b"1")


def test_many_unknown_outcomes_do_not_double_the_work_each() -> None:
    """Forty writes that may still happen: 2 ** 40 sets of them, were it not for the frontier."""
    unknown = [Call(process, PUT, b"k", b"%d" % process, process, None) for process in range(40)]
    done: list[Call] = []
    for number in range(60):
        start = 100 + 10 * number
        value = b"%d" % (number % 40)
        done.append(Call(100, DELETE, b"k", None, start, start + 3))
        done.append(Call(100, GET, b"k", None, start + 4, start + 7, result=value if number < 40 else None))
    assert both(record([*unknown, *done]))
    done[-1] = done[-1]._replace(result=b"3")
    swept = configurations.search(settle(record([*unknown, *done])), PLENTY)
    assert swept.linearizable is False
    assert swept.steps < 100_000


def test_a_cas_that_fails_may_be_excused_by_a_hidden_write() -> None:
    picture = """
        [put 1]  [put 2 ?
                           [cas 1 3!  [cas 2 3!
                 [put 4 ?
        """
    assert both(drawn(picture))
    assert not both(drawn("[put 1]\n         [cas 1 3!"))


def test_what_the_key_may_have_held_is_told() -> None:
    operations = drawn(
        """
        [put 1]  [put 2]
                            [get 1]
                          [put 3     ]
        """
    )
    history = settle(operations)
    read = next(op for op in operations if op.f == GET)
    assert configurations.held_during(history, read, PLENTY) == {b"2", b"3"}


def test_an_open_cas_is_no_proof_that_it_happened() -> None:
    assert both(drawn("[put 1]\n         [cas 1 2 ?\n                        [get 1]  [cas 1 5]"))
    assert CAS in {op.f for op in drawn("[cas 1 2 ?")}

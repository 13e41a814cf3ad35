"""The judge is judged: histories that are wrong in every way we know are rejected, and for the right reason.

Each picture is one error of real systems, drawn as small as it shows, with bystanders that have nothing to do with it.
"""

from __future__ import annotations

from typing import NamedTuple

import pytest

from paxoskv.checker import judge
from tests.checker.brute import brute_force
from tests.checker.pictures import drawn, words_of


class Bad(NamedTuple):
    """kind: what the judge has to call it. core: the operations that it has to show, by invocation."""

    picture: str
    kind: str
    core: tuple[str, ...]


BAD = {
    "stale read": Bad(
        """
        [put 1]    [put 2]          [get 2]
            [get 1]        [get 1]
        """,
        "stale read",
        ("put 1", "put 2", "get 1"),
    ),
    "stale read after another client saw the new value": Bad(
        """
        [put 1]   [put 2                                ]
                     [get 2]
                             [get 1]     [get 2]
        """,
        "reads go back",
        ("put 1", "get 2", "get 1"),
    ),
    "lost write": Bad(
        """
        [put 1]
                 [get -]
        """,
        "lost write",
        ("put 1", "get -"),
    ),
    "write acknowledged by a node that was deposed": Bad(
        """
        [put 1]   [get 1]
                           [put 2]     [get 2]
                                   [get 1]
        """,
        "stale read",
        ("put 1", "put 2", "get 1"),
    ),
    "lost update": Bad(
        """
        [put 0]
                [cas 0 1]
                  [cas 0 2]
                             [get 2]
        """,
        "lost update",
        ("cas 0 1", "cas 0 2"),
    ),
    "lock held twice": Bad(
        """
        [cas - alice]
            [cas - bob]
        """,
        "lost update",
        ("cas - alice", "cas - bob"),
    ),
    "dirty read of a write that failed": Bad(
        """
        [put 1]  [put 2   !
                    [get 2]
        """,
        "aborted read",
        ("get 2",),
    ),
    "a write took effect after it was refused": Bad(
        """
        [put 1]  [put 2!
                           [get 1]  [get 2]
        """,
        "aborted read",
        ("get 2",),
    ),
    "a cas took effect although its comparison failed": Bad(
        """
        [put 1]  [cas 5 6!
                           [get 6]
        """,
        "aborted read",
        ("get 6",),
    ),
    "thin-air read": Bad(
        """
        [put 1]   [get 1]
           [get 7]
        """,
        "thin-air read",
        ("get 7",),
    ),
    "resurrected delete": Bad(
        """
        [put 1]  [delete]
                          [get -]  [get 1]
        """,
        "resurrected value",
        ("put 1", "delete", "get 1"),
    ),
    "reordered writes": Bad(
        """
        [put 1]  [put 2]  [put 3]
                                  [get 3]  [get 2]
        """,
        "stale read",
        ("put 2", "put 3", "get 2"),
    ),
    "two clients see two concurrent writes in different orders": Bad(
        """
        [put 1                   ]
          [put 2                 ]
             [get 1]   [get 2]
                               [get 1]  [get 2]
        """,
        "reads go back",
        ("get 1", "get 2", "get 1"),
    ),
    "split brain: both sides serve their own value": Bad(
        """
        [put 1]    [get 1]          [get 1]
             [put 2]       [get 2]          [get 2]
        """,
        "reads go back",
        ("put 1", "get 2", "get 1"),
    ),
    "duplicated append": Bad(
        """
        [append a]             [get aba]
                    [append b]
        """,
        "duplicated append",
        ("get aba",),
    ),
    "lost append": Bad(
        """
        [append a]  [append b]
                               [get a]
        """,
        "lost append",
        ("append b", "get a"),
    ),
    "reordered appends": Bad(
        """
        [append a]  [append b]
                               [get ba]
        """,
        "reordered appends",
        ("append a", "append b", "get ba"),
    ),
    "an append beside does not make it an error of appends": Bad(
        """
        [put 1 ?
             [put 2  ]    [get 2]             [append x]
                            [get 1]
                                      [get 2]
        """,
        "reads go back",
        ("put 2", "get 1", "get 2"),
    ),
    "append that failed": Bad(
        """
        [append a]  [append b!
                               [get ab]
        """,
        "aborted read",
        ("get ab",),
    ),
    "double-applied cas": Bad(
        """
        [put 1]  [cas 1 2]  [put 1]
                                     [get 1]  [get 2]
        """,
        "stale read",
        ("cas 1 2", "put 1", "get 2"),
    ),
    "double-applied put of a client that retried": Bad(
        """
        [put 1    ]
                    [put 2]  [get 2]
                                      [get 1]
        """,
        "stale read",
        ("put 1", "put 2", "get 1"),
    ),
    "read of a future value": Bad(
        """
        [get 1]
                 [put 1]
        """,
        "read from the future",
        ("get 1",),
    ),
    "cas that found a value that was replaced long ago": Bad(
        """
        [put 1]  [put 2]
                          [cas 1 3]
        """,
        "stale compare",
        ("put 1", "put 2", "cas 1 3"),
    ),
    "cas that failed although the value was there": Bad(
        """
        [put 1]
                 [cas 1 2!
        """,
        "wrong compare",
        ("put 1", "cas 1 2"),
    ),
    "cas on an absent key that failed": Bad(
        """
        [cas - 1!
        """,
        "wrong compare",
        ("cas - 1",),
    ),
    "non-monotone reads of one client": Bad(
        """
        [put 1]
                [put 2            >
                   [get 2]  [get 1]
        """,
        "reads go back",
        ("put 1", "get 2", "get 1"),
    ),
    "a write of unknown outcome took effect twice": Bad(
        """
        [put 1 ?
                 [put 2]           [put 3]
                          [get 1]           [get 1]
        """,
        "reads go back",
        ("get 1", "put 3", "get 1"),
    ),
    "a write of unknown outcome was read before it began": Bad(
        """
        [get 1]   [get -]
                           [put 1 ?
        """,
        "read from the future",
        ("get 1",),
    ),
    "a value that only an impossible cas could have written": Bad(
        """
        [cas 5 6  ?
                      [get 6]
        """,
        "impossible value",
        ("cas 5 6", "get 6"),
    ),
}


@pytest.mark.parametrize("bad", BAD.values(), ids=BAD)
def test_a_bad_history_is_rejected_for_the_right_reason(bad: Bad) -> None:
    operations = drawn(bad.picture)
    assert not brute_force(operations)
    verdict = judge(operations)
    assert verdict.linearizable is False
    assert verdict.acceptable is False
    found = verdict.counterexample
    assert found is not None
    assert (found.kind, tuple(map(words_of, found.operations))) == (bad.kind, bad.core)
    assert found.is_minimal


@pytest.mark.parametrize("bad", BAD.values(), ids=BAD)
def test_it_is_found_among_other_keys_and_later_operations(bad: Bad) -> None:
    """The contradiction stays the same when the history goes on and other keys do fine."""
    rows = bad.picture.splitlines()
    later = " " * (max(map(len, rows)) + 2)
    picture = "\n".join([*rows, f"{later}[other: put 1]  [other: get 1]  [k: put z]", f"{later}{' ' * 44}[get z]"])
    verdict = judge(drawn(picture))
    found = verdict.counterexample
    assert found is not None
    assert (found.kind, tuple(map(words_of, found.operations))) == (bad.kind, bad.core)
    assert [(key.key, key.linearizable) for key in verdict.keys] == [(b"k", False), (b"other", True)]


GOOD = {
    "an empty history": "",
    "a read beside a write may see either": """
        [put 1      ]
          [get -]
             [get 1]
        """,
    "concurrent writes, seen in one order": """
        [put 1                   ]
          [put 2                 ]
             [get 1]   [get 2]
                               [get 2]  [get 2]
        """,
    "a write of unknown outcome took effect late": """
        [put 1 ?
                  [put 2]          [get 2]
                           [get 2]         [get 1]
        """,
    "a write of unknown outcome never took effect": """
        [put 1 ?  [get -]
                            [get -]
        """,
    "a write that never completed was seen": """
        [put 1                           >
           [get -]   [get 1]   [get 1]
        """,
    "a write that failed was never seen": """
        [put 1]  [put 2!
                         [get 1]
        """,
    "a cas failed because of a write of unknown outcome": """
        [put 1]  [put 2 ?
                     [cas 1 3!    [get 2]
        """,
    "a read of unknown outcome says nothing": """
        [put 1]
                 [get 7 ?
        """,
    "a cas between two writes": """
        [put 1]   [put 2]
             [cas 1 5]
                          [get 2]
        """,
    "appends of unknown outcome": """
        [append a ?
                       [append b]
                                   [get ba]
        """,
    "an append creates the key": """
        [append a]  [get a]  [delete]  [append b]  [get b]
        """,
    "a cas on an absent key": """
        [cas - 1]  [cas - 2!  [delete]  [cas - 3]  [get 3]
        """,
    "an empty value is not an absent key": """
        [put ""]  [get ""]  [cas - 1!  [cas "" 2]  [get 2]
        """,
}


@pytest.mark.parametrize("picture", GOOD.values(), ids=GOOD)
def test_what_may_happen_is_accepted(picture: str) -> None:
    operations = drawn(picture)
    assert brute_force(operations)
    verdict = judge(operations)
    assert verdict.linearizable is True
    assert verdict.acceptable is True
    assert verdict.counterexample is None

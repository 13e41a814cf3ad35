"""The arithmetic of `acked`."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from paxoskv.client.session import Session


def test_acked_waits_for_the_oldest_open_write() -> None:
    session = Session(9)
    assert [session.begin() for _ in range(4)] == [1, 2, 3, 4]
    seen = []
    for seq in (2, 4, 1, 3):
        session.finish(seq)
        seen.append(session.acked)
    assert seen == [0, 0, 2, 4]


@given(st.data())
def test_acked_is_the_end_of_the_finished_prefix(data: st.DataObject) -> None:
    """Model: a set of finished numbers, in any mix of beginning and finishing in any order."""
    session, open_, finished = Session(1), set[int](), set[int]()
    for begins in data.draw(st.lists(st.booleans(), max_size=60)):
        if begins or not open_:
            open_.add(session.begin())
        else:
            seq = data.draw(st.sampled_from(sorted(open_)))
            open_.remove(seq)
            finished.add(seq)
            session.finish(seq)
        expected = next(n for n in range(len(finished) + 1) if n + 1 not in finished)
        assert session.acked == expected

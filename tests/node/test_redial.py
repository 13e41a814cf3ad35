"""Links that stand and bring nothing back are dialled anew (R22)."""

from __future__ import annotations

from paxoskv.node.redial import SILENCE_S, Redial


class Links:
    """connected: the peers whose link is up. redialled: those that were dropped, in order."""

    def __init__(self) -> None:
        self.connected = [2, 3]
        self.redialled: list[int] = []

    def redial(self, peer: int, reason: str) -> None:
        self.redialled.append(peer)


class Watch:
    """A `Redial` of node 1 and its clock. heard: the peers with which round trips come back."""

    def __init__(self) -> None:
        self.links = Links()
        self.heard = {2, 3}
        self.now = 50.0
        self.redial = Redial(self.links, (2, 3), lambda peer, now: peer in self.heard, lambda: self.now)

    def pass_time(self, seconds: float) -> None:
        for _ in range(10):
            self.now += seconds / 10
            self.redial.look()


def test_a_link_that_brings_no_round_trip_back_is_dialled_anew() -> None:
    """Found by the simulator: a damaged length made a peer wait for megabytes, and deaf for as long."""
    watch = Watch()
    watch.heard = {3}
    watch.pass_time(SILENCE_S * 0.9)
    assert watch.links.redialled == []
    watch.pass_time(SILENCE_S * 0.2)
    assert watch.links.redialled == [2]
    watch.pass_time(SILENCE_S * 0.7)
    assert watch.links.redialled == [2], "the new connection has its own time"
    watch.pass_time(SILENCE_S * 0.5)
    assert watch.links.redialled == [2, 2]


def test_links_that_answer_and_links_that_are_down_are_left_alone() -> None:
    watch = Watch()
    watch.links.connected = [2]
    watch.heard = {2}
    watch.pass_time(SILENCE_S * 5)
    assert watch.links.redialled == []


def test_a_link_that_has_just_come_up_has_its_time() -> None:
    watch = Watch()
    watch.links.connected, watch.heard = [3], {3}
    watch.pass_time(SILENCE_S * 5)
    watch.links.connected = [2, 3]
    watch.pass_time(SILENCE_S * 0.9)
    assert watch.links.redialled == []

"""Connections that behave like TCP, links that are cut, and proxies that meddle with frames."""

from __future__ import annotations

from typing import Any

import pytest

from paxoskv.net.frames import FrameError, FrameReader, frame
from paxoskv.simulator.links import flip_bit, frames_in, tag_of
from paxoskv.simulator.transport import USER_TIMEOUT_S
from tests.simulator.kit import PORT, Place


def test_bytes_arrive_in_order_both_ways() -> None:
    place = Place(delay_s=0.05)
    place.dial()
    for number in range(50):
        place.say("client", bytes([number]))
        place.say("server", bytes([100 + number]))
    place.wait(5)
    assert place.heard["server"] == bytes(range(50))
    assert place.heard["client"] == bytes(range(100, 150))


def test_a_port_without_a_process_refuses() -> None:
    place = Place()
    place.server.die()

    async def work() -> None:
        with pytest.raises(ConnectionRefusedError):
            await place.connect()

    place.run(work())
    assert place.world.violation is None


@pytest.mark.parametrize("obstacle", ["cut there", "cut back", "no power"])
def test_nobody_answers_through_a_cut_link_or_without_power(obstacle: str) -> None:
    place = Place()
    if obstacle == "no power":
        place.server.die(reset=False)
        place.network.off.add(1)
    else:
        place.network.link(*((2, 1) if obstacle == "cut there" else (1, 2))).cut = "drop"
    place.dial()
    assert not place.ears
    assert not place.lost


def test_a_dead_process_resets_its_connections() -> None:
    place = Place()
    place.dial()
    place.server.die()
    place.wait(1)
    assert place.lost in ([("client", "ConnectionResetError")], [("client", "end")])


def test_without_power_nobody_is_told() -> None:
    place = Place()
    place.dial()
    place.network.off.add(1)
    place.server.die(reset=False)
    place.wait(2)
    assert place.lost == []
    place.say("client", b"anybody there?")
    place.wait(USER_TIMEOUT_S + 1)
    assert place.lost == [("client", "TimeoutError")]


def test_what_meets_a_held_link_travels_when_it_works_again() -> None:
    place = Place()
    place.dial()
    link = place.network.link(2, 1)
    link.cut = "hold"
    place.say("client", b"one ")
    place.wait(1)
    place.say("client", b"two")
    place.wait(1)
    assert place.heard["server"] == b""
    place.network.restore(link)
    place.wait(1)
    assert place.heard["server"] == b"one two"


def test_a_kernel_gives_up_what_is_held_for_too_long() -> None:
    place = Place()
    place.dial()
    place.network.link(2, 1).cut = "hold"
    place.say("client", b"x")
    place.wait(USER_TIMEOUT_S + 1)
    assert place.lost == [("client", "TimeoutError")], "the other side stays half open"


def test_a_dropping_link_loses_in_silence() -> None:
    place = Place()
    place.dial()
    link = place.network.link(2, 1)
    link.cut = "drop"
    place.say("client", b"lost ")
    place.wait(1)
    place.network.restore(link)
    place.say("client", b"found")
    place.wait(1)
    assert place.heard["server"] == b"found"
    assert place.lost == []


def test_a_reset_that_cannot_be_heard_is_repeated_until_it_is() -> None:
    place = Place()
    place.dial()
    back = place.network.link(1, 2)
    back.cut = "hold"
    place.server.die()
    place.say("client", b"x")
    place.wait(1)
    assert place.lost == []
    place.network.restore(back)
    place.wait(USER_TIMEOUT_S + 1)
    assert [who for who, _ in place.lost] == ["client"]


def test_writes_beyond_the_kernel_wait_in_the_transport() -> None:
    place = Place(kernel_bytes=10)
    place.dial()
    place.server.pause(5)
    place.say("client", b"x" * 30)
    place.wait(1)
    assert place.ears["client"].transport.get_write_buffer_size() == 20
    place.wait(6)
    assert place.ears["client"].transport.get_write_buffer_size() == 0


def test_who_does_not_read_gets_everything_later_in_order() -> None:
    place = Place()
    place.dial()
    place.ears["server"].transport.pause_reading()
    for number in range(5):
        place.say("client", bytes([number]))
        place.wait(0.1)
    assert place.heard["server"] == b""
    place.server.report(place.ears["server"].transport.resume_reading)
    place.say("client", bytes([5]))
    place.wait(1)
    assert place.heard["server"] == bytes(range(6))


def test_frames_are_lost_repeated_and_overtaken_whole() -> None:
    place = Place(loss=0.3, duplicate=0.3, reorder=0.3)
    place.dial()
    frames = [frame(bytes([number]) * 5) for number in range(200)]
    for one in frames:
        place.say("client", one)
    place.wait(10)
    arrived = frames_in(place.heard["server"])
    assert set(arrived) < set(frames), "whole frames only, and some are missing"
    assert len(arrived) != len(set(arrived)), "some twice"
    assert [one for one in frames if one in arrived] != list(dict.fromkeys(arrived)), "not in order"


def test_a_damaged_frame_is_seen_by_its_checksum() -> None:
    place = Place(corrupt=1.0)
    place.dial()
    place.say("client", frame(b"payload"))
    place.wait(1)
    with pytest.raises(FrameError):
        FrameReader().feed(place.heard["server"] + bytes(5000))


@pytest.mark.parametrize(("mood", "held"), [("held", True), ("copied", False)])
def test_messages_of_one_kind_are_late_or_come_again(mood: str, held: bool) -> None:
    moods: dict[str, Any] = {f"{mood}_tags": (7,), f"{mood}_s": 1.0}
    place = Place(**moods)
    place.dial()
    chosen, other = frame(b"\x92\x07\x01"), frame(b"\x92\x08\x01")
    place.say("client", chosen + other)
    place.wait(0.4)
    assert place.heard["server"] == (other if held else chosen + other)
    place.wait(2)
    assert place.heard["server"] == (other + chosen if held else chosen + other + chosen)


def test_a_chunk_may_arrive_in_pieces() -> None:
    place = Place(fragment=1.0)
    place.dial()
    place.say("client", b"0123456789")
    place.wait(1)
    assert place.heard["server"] == b"0123456789"


def test_a_port_that_was_closed_refuses() -> None:
    place = Place()
    place.network.servers[PORT].close()
    place.dial()
    assert not place.ears


def test_frames_are_cut_where_they_end() -> None:
    one, two = frame(b"abc"), frame(b"defg")
    assert frames_in(one + two) == [one, two]
    assert frames_in(one + two[:-1]) == [one, two[:-1]]
    assert frames_in(b"") == []
    assert tag_of(frame(b"\x93\x05\x01\x02")) == 5
    assert tag_of(frame(b"\xa1x")) == 0
    assert flip_bit(b"\x00\x00", 9) == b"\x00\x02"

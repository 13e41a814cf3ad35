"""Exactly once: every write carries the number of its session and its own, the same ones on every retry (P25)."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable
from functools import partial
from random import Random

from paxoskv.client import answers
from paxoskv.client.answers import Refusal, WriteAnswer
from paxoskv.client.backoff import backoff_s
from paxoskv.client.channel import Channel
from paxoskv.client.operation import Operation, Parse
from paxoskv.client.places import Places
from paxoskv.client.refusals import REFUSALS, refused
from paxoskv.errors import InternalError, PaxoskvError, SessionExpired, TooLarge, Unavailable
from paxoskv.kv import commands, replies
from paxoskv.net import protocol

UNFINISHED_MAX = 1_000
"""Writes that go on at a time; a session keeps a few more replies than that. The others wait for their turn."""

_CROWDED = {
    replies.TOO_MANY_REPLIES: "too many writes of this client are unacknowledged",
    replies.TOO_MANY_SESSIONS: "too many sessions are open",
}


class Session:
    """The sequence numbers of one session.

    acked: the highest number such that no write up to it will ever be sent again: its reply is here, or its caller
    has given up. The state machine may forget their replies, and refuses copies that come late.
    """

    __slots__ = ("_begun", "_finished", "acked", "id")

    def __init__(self, id: int) -> None:
        self.id = id
        self.acked = 0
        self._begun = 0
        self._finished: set[int] = set()

    def begin(self) -> int:
        """Return the number of a new write, from 1."""
        self._begun += 1
        return self._begun

    def command(self, seq: int, encode: Callable[..., bytes], args: tuple[object, ...]) -> bytes:
        """Return the write `seq`, encoded with what is acknowledged by now."""
        return encode(self.id, seq, self.acked, *args)

    def finish(self, seq: int) -> None:
        """The write `seq`, begun here, will never be sent again. Once for each."""
        assert self.acked < seq <= self._begun, f"finished {seq}, outside {self.acked + 1}..{self._begun}"
        if seq != self.acked + 1:
            self._finished.add(seq)
            return
        self.acked = seq
        while self._finished and self.acked + 1 in self._finished:
            self.acked += 1
            self._finished.remove(self.acked)


class Writer:
    """Sends the writes of a client, under a session that it opens before the first one.

    Opening may be repeated freely: a session that nobody uses expires by itself.
    """

    def __init__(self, channel: Channel, random: Random) -> None:
        self._channel = channel
        self._random = random
        self._loop = asyncio.get_running_loop()
        self._session: Session | None = None
        self._opening = asyncio.Lock()
        self._places = Places(UNFINISHED_MAX)

    async def write(self, deadline_s: float, parse: Parse, encode: Callable[..., bytes], *args: object) -> WriteAnswer:
        """Send the command `encode(session, seq, acked, *args)`; return its answer, applied or compare failed.

        deadline_s: loop time. Raises: PaxoskvError.
        """
        if not self._places.try_take():
            await self._wait_for_turn(deadline_s)
        try:
            while True:
                session = self._session or await self._opened(deadline_s)
                seq = session.begin()
                try:
                    command = session.command(seq, encode, args)
                    operation = self._channel.operation(parse, deadline_s, True, protocol.WRITE, command)
                    answer: WriteAnswer = await self._channel.perform(operation)
                    if answer.reply[0] in _CROWDED:
                        answer = await self._wait_for_room(
                            operation, answer, partial(session.command, seq, encode, args)
                        )
                finally:
                    session.finish(seq)
                code = answer.reply[0]
                if code == replies.APPLIED or code == replies.COMPARE_FAILED:
                    return answer
                self._on_rejected(answer, session, operation)
        finally:
            self._places.leave()

    async def write_freely(self, deadline_s: float, parse: Parse, command: bytes) -> WriteAnswer:
        """Send a command that has no session, since carrying it out twice is harmless; return its answer, applied.

        deadline_s: loop time. Raises: PaxoskvError.
        """
        operation = self._channel.operation(parse, deadline_s, False, protocol.WRITE, command)
        answer: WriteAnswer = await self._channel.perform(operation)
        if answer.reply[0] in _CROWDED:
            answer = await self._wait_for_room(operation, answer, lambda: command)
        if answer.reply[0] != replies.APPLIED:
            raise InternalError(f"a write without a session was answered with code {answer.reply[0]}")
        return answer

    async def close(self, deadline_s: float) -> None:
        """Close the session if a node can be asked to; otherwise it expires by itself."""
        session, self._session = self._session, None
        if session is None or self._channel.connection is None:
            return
        command = commands.close_session(session.id, session.begin(), session.acked)
        operation = self._channel.operation(answers.write_answer, deadline_s, True, protocol.WRITE, command)
        with contextlib.suppress(PaxoskvError):
            await self._channel.perform(operation)

    async def _wait_for_turn(self, deadline_s: float) -> None:
        """Wait for a place among the writes that go on. Raises: Unavailable if none is free in time."""
        try:
            await self._places.take(deadline_s)
        except TimeoutError:
            why = f"not sent in time: {UNFINISHED_MAX} earlier writes of this client are not done"
            raise Unavailable(why) from None

    async def _opened(self, deadline_s: float) -> Session:
        """Return the session, opened by whoever comes first; if that one fails or goes away, by the next."""
        async with self._opening:
            if self._session is None:
                answer = await self.write_freely(deadline_s, answers.session_answer, commands.open_session())
                self._session = Session(answer.reply[3])
            return self._session

    async def _wait_for_room(
        self, operation: Operation, answer: WriteAnswer, encode: Callable[[], bytes]
    ) -> WriteAnswer:
        """While the state machine has no room for the operation, try again until the deadline.

        encode: makes the command anew. It has to say what is acknowledged by now: many writes that were begun at once
        know of no reply but their own, and would wait for one another's room for ever.
        """
        while (crowded := _CROWDED.get(answer.reply[0])) is not None:
            operation.turn_down(Refusal(protocol.OVERLOADED, crowded, 0.0))
            left_s = operation.deadline_s - self._loop.time()
            await asyncio.sleep(min(backoff_s(operation.retries, self._random), max(left_s, 0.0)))
            with contextlib.suppress(TooLarge):  # by a few bytes of a larger number: the old words do as well
                self._channel.reword(operation, protocol.WRITE, encode())
            answer = await self._channel.perform(operation)
        return answer

    def _on_rejected(self, answer: WriteAnswer, session: Session, operation: Operation) -> None:
        """Forget an expired session. Returns if the write surely was not executed and may be issued anew (P25).

        Raises: Refused, TooLarge if the store does not allow the write; SessionExpired if an earlier copy may have
        run before the session expired; InternalError.
        """
        code = answer.reply[0]
        if code in REFUSALS:
            raise refused(answer.reply)
        if code != replies.SESSION_EXPIRED:
            raise InternalError(f"a write of session {session.id} was answered with code {code}")
        if self._session is session:
            self._session = None
        if operation.uncertain:
            raise SessionExpired("the session expired while the outcome of the write was open: read before you go on")

"""Mutants of the client: retries, their numbers, and the truth about outcomes (P25, P31, P34, P39)."""

from __future__ import annotations

from scripts.mutants.mutant import Edit, Mutant

_ONCE = "tests/client/test_exactly_once.py"
_FAILOVER = "tests/client/test_failover.py"
_LIMITS = "tests/client/test_limits.py"
_SESSION = "tests/client/test_session.py"
_STORM = "tests/client/test_storm.py"
_WATCH = "tests/client/test_watch.py"
_LEASES = "tests/client/test_leases.py"
_HOLDING = "tests/client/recipes/test_holding.py"

MUTANTS = (
    Mutant(
        "retry-under-a-new-number",
        "P25",
        "a write whose session expired while its outcome was open is never issued anew",
        (
            Edit(
                "client/session.py",
                "Writer._on_rejected",
                "if operation.uncertain:",
                "if False:",
            ),
        ),
        (_ONCE,),
    ),
    Mutant(
        "lost-attempt-called-unavailable",
        "P25",
        "an attempt without an answer leaves the outcome open",
        (
            Edit(
                "client/operation.py",
                "Operation.lose_attempt",
                "self.uncertain |= self.in_flight and self.is_write",
                "pass",
            ),
        ),
        (_ONCE,),
    ),
    Mutant(
        "open-outcome-called-unavailable",
        "P25",
        "a status that leaves the outcome open is told as such",
        (
            Edit(
                "client/operation.py",
                "Operation.turn_down",
                "self.uncertain |= self.is_write",
                "pass",
            ),
        ),
        (_ONCE,),
    ),
    Mutant(
        "refusal-hides-a-lost-attempt",
        "P25",
        "one lost attempt among refusals makes the outcome unknown",
        (
            Edit(
                "client/operation.py",
                "Operation.turn_down",
                "return OutcomeUnknown(self._in_doubt(refusal.message)) if self.uncertain else final(refusal.message)",
                "return final(refusal.message)",
            ),
        ),
        (_ONCE,),
    ),
    Mutant(
        "open-write-acknowledged",
        "P25",
        "a reply is acknowledged when no write up to it will be sent again",
        (
            Edit(
                "client/session.py",
                "Session.finish",
                "if seq != self.acked + 1:",
                "if False:",
            ),
        ),
        (_SESSION, _ONCE),
    ),
    Mutant(
        "every-attempt-has-a-number-of-its-own",
        "P25",
        "every attempt of a write carries the same number",
        (
            Edit(
                "client/channel.py",
                "Channel._send",
                "connection.send_frame(operation.framed)",
                "connection.send_frame(_renumbered(operation))",
            ),
            Edit(
                "client/channel.py",
                "Channel",
                "class Channel:",
                "def _renumbered(operation: Operation) -> bytes:\n"
                "    import msgpack\n\n"
                "    request = msgpack.unpackb(operation.framed[8:])\n"
                "    if operation.is_write and operation.retries:\n"
                "        command = msgpack.unpackb(request[2])\n"
                "        command[2] += 1000 * operation.retries\n"
                "        request[2] = msgpack.packb(command)\n"
                "    return frame(msgpack.packb(request))\n\n\n"
                "class Channel:",
            ),
        ),
        (_ONCE,),
    ),
    Mutant(
        "answer-to-a-request-that-waits",
        "P31",
        "an answer to a request that is not in flight means nothing",
        (
            Edit(
                "client/channel.py",
                "Channel.on_answer",
                " or not operation.in_flight",
                "",
            ),
        ),
        ("tests/client/test_repeated_answers.py",),
    ),
    Mutant(
        "cancelled-write-sent-again",
        "P39",
        "what nobody waits for any more is never sent again",
        (
            Edit(
                "client/channel.py",
                "Channel._pump",
                "if not operation.outcome.done():",
                "if True:",
            ),
            Edit(
                "client/channel.py",
                "Channel._take_back",
                "if operation.outcome.done():",
                "if False:",
            ),
        ),
        (_ONCE, _LIMITS, _STORM),
    ),
    Mutant(
        "another-cluster-served",
        "P34",
        "a client never moves to a node of another cluster",
        (
            Edit(
                "client/navigator.py",
                "Navigator._check",
                "elif self._cluster != connection.cluster:",
                "elif False:",
            ),
        ),
        (_FAILOVER,),
    ),
    Mutant(
        "write-repeated-as-freely-as-a-read",
        "P25",
        "a write is told apart from what may be repeated freely",
        (
            Edit(
                "client/session.py",
                "Writer.write",
                "self._channel.operation(parse, deadline_s, True, protocol.WRITE, command)",
                "self._channel.operation(parse, deadline_s, False, protocol.WRITE, command)",
            ),
        ),
        (_ONCE,),
    ),
    Mutant(
        "refused-write-repeats-its-old-words",
        "P25",
        "a write without room says anew what is acknowledged by now",
        (
            Edit(
                "client/session.py",
                "Writer._wait_for_room",
                "self._channel.reword(operation, protocol.WRITE, encode())",
                "pass",
            ),
        ),
        (_ONCE,),
    ),
    Mutant(
        "wait-that-never-looks-up",
        "P39",
        "a signal that wakes nobody is noticed by a thread that waits",
        (
            Edit(
                "sync/thread.py",
                "_result",
                "outcome.result(NOTICE_S)",
                "outcome.result()",
            ),
        ),
        ("tests/sync/test_interrupts.py",),
    ),
    Mutant(
        "malformed-answer-believed",
        "H1",
        "an answer is checked field by field before a caller sees it",
        (
            Edit(
                "client/answers.py",
                "_with_number",
                "number(_at_least(answer.reply, 4)[3])",
                "_at_least(answer.reply, 4)",
            ),
        ),
        (_ONCE,),
    ),
    Mutant(
        "watch-asked-for-from-where-it-was",
        "P29",
        "a watch goes on after the last revision it was told",
        (
            Edit(
                "client/streams.py",
                "Streams._request",
                "stream.next_revision",
                "1",
            ),
        ),
        (_WATCH,),
    ),
    Mutant(
        "half-a-revision-kept-across-nodes",
        "P29",
        "what a lost node told of a revision is forgotten with it",
        (
            Edit(
                "client/stream.py",
                "Stream.interrupt",
                "self._part = None",
                "pass",
            ),
        ),
        (_WATCH,),
    ),
    Mutant(
        "progress-of-others-believed",
        "P29",
        "marks of progress concern the watches that stand, and no others",
        (
            Edit(
                "client/streams.py",
                "Streams.on_progress",
                "if stream.stands and",
                "if",
            ),
        ),
        (_WATCH,),
    ),
    Mutant(
        "renewal-counted-from-its-answer",
        "P24",
        "a lease is believed in from when its renewal was sent",
        (
            Edit(
                "client/keeper.py",
                "Keeper._renew",
                "kept.renew(sent_s)",
                "kept.renew(self.clock())",
            ),
        ),
        (_LEASES,),
    ),
    Mutant(
        "lease-believed-in-until-told",
        "P24",
        "a program that stood still asks its clock before it believes in its lease",
        (
            Edit(
                "client/keeper.py",
                "Kept.is_lost",
                " or self._clock() >= self.expires_s",
                "",
            ),
        ),
        (_LEASES,),
    ),
    Mutant(
        "turn-without-a-place",
        "P27",
        "nobody's turn comes when the own place in the line is gone",
        (
            Edit(
                "client/recipes/line.py",
                "Place._blockers",
                "if len(before) == len(line) or line[len(before)].key != self.key:",
                "if False:",
            ),
        ),
        (_HOLDING,),
    ),
)

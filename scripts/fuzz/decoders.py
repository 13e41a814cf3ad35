"""Targets that are functions: frames, messages, commands, batches, answers, rows, cards, settings, histories."""

from __future__ import annotations

import contextlib
import os
import tempfile
from collections.abc import Callable
from functools import partial
from pathlib import Path
from random import Random
from typing import Any

from paxoskv.checker.events import HistoryError
from paxoskv.checker.history import parse_history
from paxoskv.cli.txn import document
from paxoskv.cli.txn import text as script
from paxoskv.client import answers, events
from paxoskv.client.endpoints import parse_endpoints
from paxoskv.errors import BadRequest
from paxoskv.kv import commands
from paxoskv.kv.limits import KvLimits
from paxoskv.kv.machine import Machine
from paxoskv.net import codec, protocol
from paxoskv.net.frames import HEADER_BYTES, HELLO_FRAME_BYTES_MAX, FrameError, FrameReader, frame
from paxoskv.net.peering import Refused, decode_card
from paxoskv.net.protocol import ProtocolError
from paxoskv.node.config import ConfigError, load
from paxoskv.node.settings import parse_address, parse_members
from paxoskv.paxos.ballot import Ballot, Vote
from paxoskv.storage import records
from paxoskv.storage.errors import JournalCorrupt, StorageError
from paxoskv.storage.identity import Identity, decode_identity, encode_identity
from scripts.fuzz import samples
from scripts.fuzz.noise import Noise
from scripts.fuzz.target import REFUSED, TAKEN, Tally, Target, decoder, demand

LIMITS = KvLimits()
_READER_BYTES_MAX = HELLO_FRAME_BYTES_MAX + HEADER_BYTES
_SAMPLES = Random(1)

_MESSAGES = [protocol.decode(codec.encode(one)) for _ in range(20) for one in samples.messages(_SAMPLES)]
_COMMANDS = [protocol.decode(command) for _ in range(20) for command in samples.command_list(_SAMPLES)]
_BATCHES = [protocol.decode(batch) for _ in range(20) for batch in samples.batches(_SAMPLES) if batch]
_ANSWERS = [answer for _ in range(10) for answer in samples.answers(_SAMPLES)[2:]]
_CARDS = samples.cards()


# Frames


async def _frames(noise: Noise, inputs: int, tally: Tally) -> None:
    """A stream of sound frames, changed and cut anywhere: no payload comes out that did not go in, none is hoarded."""
    for _ in range(inputs):
        payloads = [noise.rng.randbytes(noise.rng.choice((1, 9, 100))) for _ in range(noise.rng.randrange(1, 4))]
        stream = noise.spoil(b"".join(map(frame, payloads)))
        reader = FrameReader()
        try:
            for piece in noise.pieces(stream):
                for payload in reader.feed(piece):
                    demand(payload in payloads, f"payload {payload!r} was never sent", stream)
                demand(len(reader._rest) <= _READER_BYTES_MAX, "more is kept than one frame", stream)
        except FrameError:
            tally.count(REFUSED)
        else:
            tally.count(TAKEN)


# Messages, commands, batches


def _take_message(payload: bytes) -> None:
    """What the decoder takes it encodes again to the same message."""
    message = codec.decode(protocol.decode(payload))
    again = codec.decode(protocol.decode(codec.encode(message)))
    demand(again == message, f"{message} is encoded as {again}", payload)


def _take_command(command: bytes) -> None:
    """What may enter the log can be applied, by a machine with a session 1 and by one without."""
    commands.check(command, LIMITS)
    value = commands.encode_batch(0, [command])
    fresh, ready = Machine(LIMITS), Machine(LIMITS)
    ready.apply(1, commands.encode_batch(0, [commands.open_session()]))
    replies = [fresh.apply(1, value), ready.apply(2, value)]
    demand(all(len(one) == 1 for one in replies), f"replies {replies}", command)


def _take_batch(value: bytes) -> None:
    Machine(LIMITS).apply(1, value)


# Answers, as a client takes them

_PARSERS: tuple[Callable[[tuple[Any, ...]], object], ...] = (
    answers.write_answer,
    answers.delete_answer,
    answers.session_answer,
    answers.cas_answer,
    answers.get_answer,
    answers.range_answer,
    answers.signed_answer,
    answers.put_with_answer,
    answers.delete_range_answer,
    answers.grant_answer,
    answers.keep_alive_answer,
    answers.txn_answer,
    answers.sync_answer,
    answers.lease_answer,
    answers.leases_answer,
    lambda answer: (events.addressees(answer), events.told(answer, 1)),
    answers.status_answer,
    answers.refusal,
)


def _take_answer(payload: bytes) -> None:
    answer = protocol.decode(payload)
    taken = 0
    for parse in _PARSERS:
        with contextlib.suppress(ProtocolError):
            parse(answer)
            taken += 1
    if not taken:
        raise ProtocolError("no parser took it")


# Rows of the journal

_SEAL = records.Seal(samples.CLUSTER)
_VOTE = records.encode_vote(_SEAL, records.VoteRecord(7, Vote(Ballot(3, 2), b"some value"), 6, 99))
_PROMISE = records.encode_promise(_SEAL, records.PromiseRecord(Ballot(3, 2), 9))
_COMPACTION = records.encode_compaction(_SEAL, records.CompactionRecord(4, 9))
_PEER = records.encode_peer(_SEAL, 2, records.PeerRecord("22bb", 9))
_IDENTITY = encode_identity(Identity(samples.CLUSTER, 1, "22bb"))
_ROWS: tuple[tuple[Callable[[records.Row], object], records.Row], ...] = (
    (partial(records.decode_vote, _SEAL), _VOTE),
    (partial(records.decode_promise, _SEAL), _PROMISE),
    (partial(records.decode_compaction, _SEAL), _COMPACTION),
    (partial(records.decode_peer, _SEAL), _PEER),
    (lambda row: decode_identity(row, "here"), _IDENTITY),
)


def _make_row(noise: Noise) -> tuple[int, records.Row]:
    """Change a column as SQLite might return it: numbers of 64 bits, floats, bytes (also for texts), or nothing."""
    which = noise.rng.randrange(len(_ROWS))
    row = list(_ROWS[which][1])
    place = noise.rng.randrange(len(row))
    value = noise.leaf(row[place]) if noise.rng.random() < 0.8 else noise.hostile()
    if type(value) is int:
        value = (value + (1 << 63)) % (1 << 64) - (1 << 63)
    elif isinstance(value, str):
        value = value.encode()
    row[place] = value if isinstance(value, int | float | bytes) and not isinstance(value, bool) else None
    return which, tuple(row)


def _take_row(made: tuple[int, records.Row]) -> None:
    """A changed row is damaged: nothing comes out of it, whichever sort of row it pretends to be."""
    which, row = made
    decode, sound = _ROWS[which]
    found = decode(row)
    if found is None:
        raise JournalCorrupt("damaged")
    demand(row == sound, f"a damaged row was read as {found}", row)


# Settings, endpoints, histories


def _make_text(noise: Noise) -> str:
    return noise.spoil(noise.rng.choice(samples.TEXTS).encode()).decode("latin-1")


def _take_text(text: str) -> None:
    refused = 0
    for parse, refusal in ((parse_members, ConfigError), (parse_address, ConfigError), (parse_endpoints, BadRequest)):
        try:
            parse(text)
        except refusal:
            refused += 1
    if refused == 3:
        raise ConfigError("nobody took it")


def _make_txn(noise: Noise) -> bytes:
    if noise.rng.random() < 0.02:
        return noise.rng.choice((b"[" * 5000, b'{"then":[' * 5000, b"then\n" + b"txn\n" * 5000, b"9" * 5000))
    return noise.spoil(noise.rng.choice(samples.TXNS))


def _take_txn(text: bytes) -> None:
    (document if text.lstrip()[:1] in b"{[" else script).parse(text)


def _make_toml(noise: Noise) -> bytes:
    if noise.rng.random() < 0.02:
        return b"window = " + noise.rng.choice((b"[" * 5000, b"{a=" * 5000, b"9" * 5000, b"0x" + b"f" * 5000))
    return noise.spoil(noise.rng.choice(samples.TOML))


def _take_toml(text: bytes) -> None:
    """Written to a file in memory, where the system has one."""
    directory = Path("/dev/shm") if os.access("/dev/shm", os.W_OK) else Path(tempfile.gettempdir())
    path = directory / f"paxoskv-fuzz-{os.getpid()}.toml"
    path.write_bytes(text)
    try:
        load({}, {}, path)
    finally:
        path.unlink()


def _make_history(noise: Noise) -> list[bytes]:
    lines = [*samples.EVENTS]
    place = noise.rng.randrange(len(lines))
    lines[place] = noise.spoil(lines[place]) if noise.rng.random() < 0.95 else b"[" * 100_000
    return lines


DECODERS = (
    Target("frames", 1000, _frames),
    Target(
        "messages",
        1000,
        decoder(lambda noise: noise.payload(noise.rng.choice(_MESSAGES)), _take_message, ProtocolError),
    ),
    Target(
        "commands",
        1000,
        decoder(lambda noise: noise.payload(noise.rng.choice(_COMMANDS)), _take_command, commands.BadCommand),
    ),
    Target(
        "batches",
        1000,
        decoder(lambda noise: noise.payload(noise.rng.choice(_BATCHES)), _take_batch, commands.BadBatch),
    ),
    Target(
        "answers",
        1000,
        decoder(lambda noise: noise.payload(noise.rng.choice(_ANSWERS)), _take_answer, ProtocolError),
    ),
    Target(
        "cards",
        1000,
        decoder(lambda noise: noise.payload(noise.rng.choice(_CARDS)), decode_card, ProtocolError, Refused),
    ),
    Target("rows", 1000, decoder(_make_row, _take_row, StorageError)),
    Target("texts", 1000, decoder(_make_text, _take_text, ConfigError)),
    Target("toml", 200, decoder(_make_toml, _take_toml, ConfigError)),
    Target("txns", 200, decoder(_make_txn, _take_txn, BadRequest)),
    Target("histories", 200, decoder(_make_history, parse_history, HistoryError)),
)

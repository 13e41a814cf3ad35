"""Valid inputs of every port and decoder, from which noise is made."""

from __future__ import annotations

from random import Random

from paxoskv.kv import commands, operations
from paxoskv.kv import requests as ask
from paxoskv.net import codec, peering, protocol
from paxoskv.net.peering import Life
from paxoskv.node.mesh import FORWARD, FORWARDED
from paxoskv.paxos.ballot import NO_BALLOT, NOOP, Ballot, Slot, Vote
from paxoskv.paxos.messages import (
    Accept,
    Accepted,
    Ask,
    CatchUp,
    Grant,
    Heartbeat,
    HeartbeatAck,
    Learn,
    Message,
    Prepare,
    Promise,
    ReadAnswer,
    ReadAsk,
    Rejected,
)
from scripts.fuzz.noise import Tree

CLUSTER, NODE, PEER = "f1e1d", 1, 2
BALLOT = Ballot(3, PEER)
SEQ = 9
INCARNATIONS = {node: Life(life, SEQ) for node, life in ((1, "11aa"), (2, "22bb"), (3, "33cc"))}


def command_list(rng: Random) -> list[bytes]:
    """Return one command of every kind, of session 1."""
    seq = rng.randrange(1, 1000)
    key, value = rng.choice((b"k", b"key", b"\0", b"k" * 100)), rng.randbytes(rng.choice((0, 3, 256)))
    head = (1, seq, rng.randrange(seq))
    return [
        commands.put(*head, key, value),
        commands.delete(*head, key),
        commands.cas(*head, key, value, commands.EXPECT_VALUE, b"old"),
        commands.cas(*head, key, value, commands.ABSENT, None),
        commands.cas(*head, key, value, commands.REVISION, rng.randrange(100)),
        commands.open_session(),
        commands.close_session(*head),
        *[ask.write(*head, operation) for operation in operation_list(rng, key, value)],
        ask.grant(*head, rng.choice((500, 60_000))),
        ask.keep_alive(rng.sample(range(1, 9), rng.randrange(1, 4))),
        ask.revoke(*head, rng.randrange(1, 3)),
        ask.compact(*head, rng.randrange(3)),
        ask.extend(),
    ]


def operation_list(rng: Random, key: bytes, value: bytes) -> list[operations.Operation]:
    """Return one operation of every kind, and transactions of them."""
    simple = [
        operations.put_with(key, value, rng.randrange(3), rng.randrange(16)),
        operations.delete_range(key, key + b"z", rng.randrange(3), rng.randrange(2)),
        operations.incr(key, rng.randrange(-3, 3)),
        operations.append(key, value),
    ]
    reads = [operations.get(key), operations.read_range(key, b"", rng.randrange(3), rng.randrange(8))]
    compares = [
        operations.compare(operations.VALUE, rng.randrange(4), key, value),
        operations.compare(operations.VERSION, rng.randrange(4), key, rng.randrange(3), key + b"z"),
        operations.compare(operations.ABSENT, rng.randrange(2), key, None),
    ]
    flat = operations.txn(compares, [operations.put(key, value), *simple, *reads], [operations.delete(key)])
    deep = operations.txn([], [operations.txn(compares[:1], [flat], [flat])])
    return [*simple, operations.txn([], []), flat, deep]


def batches(rng: Random) -> list[bytes]:
    """Return values of slots."""
    every = command_list(rng)
    return [NOOP, commands.encode_batch(0, every), commands.encode_batch(rng.randrange(10_000), [rng.choice(every)])]


def messages(rng: Random, ballot: Ballot = BALLOT, slot: Slot = 1) -> list[Message]:
    """Return one message of every kind, as the leader of `ballot` or its follower might send it next."""
    value = rng.choice(batches(rng))
    votes = tuple((slot + offset, Vote(ballot, value)) for offset in range(rng.randrange(3)))
    number = rng.getrandbits(62)
    return [
        Heartbeat(ballot, max(slot - 1, 0), number, True),
        Heartbeat(NO_BALLOT, 0, number, False),
        HeartbeatAck(ballot, number, ballot),
        Ask(number),
        Grant(number),
        Prepare(Ballot(ballot.round + 1, PEER), slot),
        Promise(ballot, 0, 1, max(slot - 1, 0), 0, votes, (slot + 3,), number, slot),
        Accept(ballot, slot, value, max(slot - 1, 0)),
        Accepted(ballot, slot),
        Rejected(ballot, Ballot(ballot.round + 1, PEER)),
        CatchUp(1, slot),
        Learn(slot, 0, votes),
        ReadAsk(number),
        ReadAnswer(number, ballot, slot, slot),
    ]


def peer_payloads(rng: Random, ballot: Ballot = BALLOT, slot: Slot = 1) -> list[Tree]:
    """Return what a welcomed peer says, as arrays: messages of the core, forwarded writes and their answers."""
    answer = (FORWARDED, rng.randrange(1, 9), protocol.OK, tuple(ballot), (0, 3, slot))
    core = [protocol.decode(payload(message, rng)) for message in messages(rng, ballot, slot)]
    return [*core, (FORWARD, rng.randrange(1, 9), rng.choice(command_list(rng))), answer]


def payload(message: Message, rng: Random) -> bytes:
    """Return `message` as a node sends it: some kinds announce the sequence number of the sender's journal."""
    return codec.encode(message, *([rng.randrange(1, 99)] if type(message) in codec.ANNOUNCING else []))


def requests(rng: Random) -> list[Tree]:
    """Return one request of a client of every kind, as arrays."""
    number, key = rng.randrange(1, 1 << 32), rng.choice((b"k", b"key", b"k" * 4096))
    mode = rng.choice(range(4))
    small = [rng.randrange(4) for _ in range(6)]
    writes = [(protocol.WRITE, number, command) for command in command_list(rng)]
    return [
        *writes,
        (protocol.GET, number, mode, key),
        (protocol.GET, number, mode, key, *small[:2]),
        (protocol.RANGE, number, mode, b"", b"", rng.randrange(20), rng.randrange(8)),
        (protocol.RANGE, number, mode, b"", b"z", rng.randrange(20), rng.randrange(8), *small),
        (protocol.STATUS, number),
        (protocol.LEASE, number, mode, rng.randrange(3), b"", rng.randrange(3)),
        (protocol.LEASES, number, mode, rng.randrange(3), rng.randrange(3)),
        (protocol.WATCH, number, key, rng.choice((b"", key + b"\0")), rng.randrange(9), rng.randrange(8)),
        (protocol.WATCH, number % 8 + 1, b"", b"", 0, protocol.PREVIOUS),
        (protocol.CANCEL, number, number % 8 + 1),
        (protocol.SYNC, number, mode),
    ]


def answers(rng: Random, number: int = 1) -> list[Tree]:
    """Return what a node says to a client, the welcome and a refusal first, then answers to the request `number`."""
    ballot, record = (3, 1), (b"value", 3, 12, 4, 0)
    return [
        (protocol.MAGIC, protocol.PROTOCOL, CLUSTER, NODE, NODE, "127.0.0.1:7301"),
        (protocol.MAGIC, 0, "no"),
        (number, protocol.OK, ballot, (0, 13, 41)),
        (number, protocol.OK, ballot, (0, 13, 41, 1)),
        (number, protocol.OK, ballot, (1, 13, 41, record)),
        (number, protocol.OK, ballot, (1, 13, 41, None)),
        (number, protocol.OK, ballot, 12, 40, record),
        (number, protocol.OK, ballot, 12, 40, ((b"a", record), (b"b", record)), 2, None),
        (0, protocol.EVENTS, 13, ((13, ((b"a", record, None), (b"b", None, record))),), (number,)),
        (number, protocol.COMPACTED, "too slow", 0, 12),
        (0, protocol.PROGRESS, 13, 20),
        (0, protocol.EVENTS, 15, ((14, ((b"a", record, None),)), (15, ((b"c", record, None),))), (number,)),
        (0, protocol.EVENTS, 15, ((16, ((b"a", record, None),)),), (number,)),
        (number, protocol.OK, ballot, 12, 40),
        (number, protocol.OK, ballot, (0, 13, 41, -7)),
        (number, protocol.OK, ballot, (0, 13, 41, 2, 0, ((b"a", record),))),
        (number, protocol.OK, ballot, (0, 13, 41, 7, 60_000)),
        (number, protocol.OK, ballot, (0, 13, 41, (60_000, 0))),
        (number, protocol.OK, ballot, (0, 13, 41, 1, (0, 1, (2, 0, ((b"a", record),)), (1, record)))),
        (number, protocol.OK, ballot, (13, 13, 41, 2)),
        (number, protocol.OK, ballot, 12, 40, (7, 60_000, 59_000, 2), (b"a", b"b"), 0),
        (number, protocol.OK, ballot, 12, 40, ((7, 60_000, 59_000, 2),), 1),
        (number, protocol.OK, {"node": 1, "role": "leader"}),
        (number, rng.randrange(1, 7), "why", 20),
        (0, protocol.LEADER, 2, "127.0.0.1:7302"),
        (0, protocol.GOODBYE, "going down"),
    ]


def cards(to_node: int = NODE, seq: int = SEQ) -> list[Tree]:
    """Return the hello of node 2, which is at transaction `seq`, and a refusal, as arrays."""
    incarnation = INCARNATIONS[PEER].incarnation
    card = peering.Card(CLUSTER, PEER, incarnation, "127.0.0.1:7302", to_node, INCARNATIONS, seq)
    return [protocol.decode(card.encode()), protocol.decode(peering.encode_refusal("who are you", card.life))]


HELLO: Tree = (protocol.MAGIC, protocol.PROTOCOL)

TOML = (
    b'node = 1\ndir = "/tmp/x"\ncluster = "1=127.0.0.1:7401,2=127.0.0.1:7402,3=[::1]:7403"\nwindow = 8\n',
    b'node = 2\ndir = "d"\ncluster = "2=127.0.0.1:7402"\nheartbeat_s = 0.05\nelection_timeout_s = 1\ninsecure = true\n',
)

TXNS = (
    b'if\n  version(jobs/7) = 0\n  value("a b") != "c\\x00"\nthen\n  put jobs/7 "to do"\n  incr a 2\nelse\n  get a\n',
    b"then\n  range a --end b --limit 3\n  delete a --prefix\n  append log x\n",
    b'{"compare": [{"key": "a", "target": "version", "operator": "=", "version": 0}], "then": [{"op": "put",'
    b' "key": "a", "value": "1"}], "else": [{"op": "get", "key": "a"}]}',
)

TEXTS = (
    "1=127.0.0.1:7401,2=127.0.0.1:7402",
    "1=[::1]:7401",
    "127.0.0.1:7301",
    "[::1]:7301",
    "localhost:1,localhost:2",
)

EVENTS = (
    b'{"process": 3, "type": "invoke", "f": "put", "key": "a", "value": "17", "time": 1}',
    b'{"process": 3, "type": "ok", "f": "put", "key": "a", "value": "17", "time": 5, "revision": 3, "slot": 4}',
    b'{"process": 4, "type": "invoke", "f": "cas", "key": "a", "value": ["17", "18"], "time": 6}',
    b'{"process": 4, "type": "fail", "f": "cas", "key": "a", "value": ["17", "18"], "time": 7}',
    b'{"process": 5, "type": "invoke", "f": "get", "key": "a", "value": null, "time": 8}',
    b'{"process": 5, "type": "info", "f": "get", "key": "a", "value": null, "time": 9}',
)

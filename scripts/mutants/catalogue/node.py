"""Mutants of the node: order of effects, outcomes told, log time, identities, limits, dying (P1, P3, P23 to P45)."""

from __future__ import annotations

from scripts.mutants.mutant import Edit, Mutant

_ENGINE = "tests/node/test_effects.py"
_PROPOSALS = "tests/node/test_proposals.py"
_FORWARDS = "tests/node/test_forwards.py"
_GATE = "tests/node/test_readgate.py"
_REQUESTS = "tests/node/test_requests.py"
_CLIENTS = "tests/node/test_clients.py"
_CARDS = "tests/node/test_introductions.py"
_MEMORY = "tests/node/test_memory.py"
_MESH = "tests/node/test_mesh.py"
_SUPERVISOR = "tests/node/test_supervisor.py"
_FUZZ = "tests/fuzz/test_ports.py"
_NODE = "tests/node"

MUTANTS = (
    # The engine
    Mutant(
        "synced-messages-leave-at-once",
        "P1",
        "what speaks of records leaves when they are durable",
        (
            Edit(
                "node/engine.py",
                "Engine._carry_out",
                "if self._written >= self._ticket:",
                "if True:",
            ),
        ),
        (_ENGINE,),
    ),
    Mutant(
        "any-ticket-releases-everything",
        "P1",
        "a durable ticket releases what waited for it, not what waits for a later one",
        (
            Edit(
                "node/engine.py",
                "Engine.on_written",
                "while self._unsynced and self._unsynced[0][0] <= ticket:",
                "while self._unsynced:",
            ),
        ),
        (_ENGINE,),
    ),
    Mutant(
        "synced-messages-overtake",
        "P1",
        "a message that speaks of older records waits with them, though its own step wrote nothing",
        (
            Edit(
                "node/engine.py",
                "Engine._carry_out",
                "if self._written >= self._ticket:",
                "if not out.persist:",
            ),
        ),
        (_ENGINE,),
    ),
    Mutant(
        "reads-answered-before-the-step-is-applied",
        "P23",
        "reads are answered from the state as the same step has just made it",
        (
            Edit(
                "node/engine.py",
                "Engine._carry_out",
                "            self._apply()\n            self._events.on_reads(",
                "            self._events.on_reads(",
            ),
        ),
        (_ENGINE,),
    ),
    Mutant(
        "follower-applies-at-leisure-only",
        "P23",
        "what a follower left unapplied is applied by the next step that writes nothing, though its disk may hang",
        (
            Edit(
                "node/engine.py",
                "Engine._carry_out",
                "if self.leads or not out.persist:",
                "if self.leads:",
            ),
        ),
        (_ENGINE,),
    ),
    Mutant(
        "applied-out-of-order",
        "P25",
        "slots are applied in their order, also those that a step leaves for later",
        (
            Edit(
                "node/engine.py",
                "Engine._apply",
                "self._unapplied[0]",
                "self._unapplied[-1]",
            ),
            Edit(
                "node/engine.py",
                "Engine._apply",
                "self._unapplied.popleft()",
                "self._unapplied.pop()",
            ),
        ),
        (_ENGINE,),
    ),
    Mutant(
        "new-role-told-after-applying",
        "P25",
        "a lost leadership is told before anything newly chosen is applied: its slots may hold another's commands",
        (
            Edit(
                "node/engine.py",
                "Engine._carry_out",
                "        if out.role_changed:\n            self._events.on_role()\n",
                "",
            ),
            Edit(
                "node/engine.py",
                "Engine._carry_out",
                "        if out.reads_ready or out.reads_failed:",
                "        if out.role_changed:\n            self._events.on_role()\n"
                "        if out.reads_ready or out.reads_failed:",
            ),
        ),
        (_ENGINE,),
    ),
    Mutant(
        "own-messages-heard-inside-a-step",
        "P1",
        "a message to oneself is heard when the step before was carried out whole",
        (
            Edit(
                "node/engine.py",
                "Engine._dispatch",
                "self._to_self.append(envelope.message)",
                "self.on_message(envelope.to, envelope.message)",
            ),
        ),
        (_ENGINE,),
    ),
    Mutant(
        "votes-beyond-the-backlog",
        "P33",
        "while too much waits for the disk an Accept counts as lost",
        (
            Edit(
                "node/engine.py",
                "Engine.on_message",
                "self._journal.backlog_bytes > BACKLOG_BYTES_MAX",
                "False",
            ),
        ),
        ("tests/node/test_engine.py",),
        simulated=False,
    ),
    # Proposals
    Mutant(
        "open-write-called-unavailable",
        "P25",
        "a write in a slot when leadership is lost has an unknown outcome",
        (
            Edit(
                "node/proposals.py",
                "Proposals.on_role",
                "waiter.unknown(",
                "waiter.unavailable(",
            ),
        ),
        (_PROPOSALS,),
    ),
    Mutant(
        "reply-of-another-leadership",
        "P25",
        "who leads anew does not answer the requests of its former leadership from new slots",
        (
            Edit(
                "node/proposals.py",
                "Proposals.on_role",
                "pending, self._pending = self._pending, {}",
                "pending = self._pending",
            ),
        ),
        (_PROPOSALS,),
    ),
    Mutant(
        "log-time-of-a-former-leadership",
        "P26",
        "a new leadership's first batch adds no log time",
        (
            Edit(
                "node/proposals.py",
                "Proposals.on_role",
                "self._ballot = None",
                "pass",
            ),
        ),
        (_PROPOSALS,),
    ),
    Mutant(
        "log-time-since-the-clock-began",
        "P26",
        "log time counts from the batch before, not from the beginning of the clock",
        (
            Edit(
                "node/proposals.py",
                "Proposals._elapsed_ms",
                "self._batch_s = now",
                "pass",
            ),
        ),
        (_PROPOSALS,),
    ),
    Mutant(
        "log-time-lost-by-rounding",
        "P26",
        "the next interval begins where the milliseconds of this one end",
        (
            Edit(
                "node/proposals.py",
                "Proposals._advance_ms",
                "self._batch_s += elapsed_ms / 1000",
                "self._batch_s = self._clock()",
            ),
        ),
        (_PROPOSALS,),
    ),
    Mutant(
        "idle-log-expires-nothing",
        "P26",
        "log time advances by itself when something is due to expire",
        (
            Edit(
                "node/proposals.py",
                "Proposals.on_timer",
                "self._propose([])",
                "pass",
            ),
        ),
        (_PROPOSALS,),
    ),
    Mutant(
        "writes-in-flight-without-bound",
        "P33",
        "beyond the bytes in flight a write is told that the node is overloaded",
        (
            Edit(
                "node/proposals.py",
                "Proposals.submit",
                "if self.bytes_in_flight + len(command) > self._bytes_max:",
                "if False:",
            ),
        ),
        (_PROPOSALS,),
        simulated=False,
    ),
    Mutant(
        "bytes-in-flight-never-given-back",
        "P33",
        "an answered write is in flight no more",
        (
            Edit(
                "node/proposals.py",
                "Proposals.on_applied",
                "self.bytes_in_flight -= len(command)",
                "pass",
            ),
        ),
        (_PROPOSALS,),
        simulated=False,
    ),
    Mutant(
        "write-taken-while-shutting-down",
        "P37",
        "a node that shuts down takes no new writes",
        (
            Edit(
                "node/proposals.py",
                "Proposals.submit",
                "if self.closing:",
                "if False:",
            ),
        ),
        (_PROPOSALS,),
        simulated=False,
    ),
    Mutant(
        "shutdown-before-the-last-answer",
        "P37",
        "a node that shuts down answers what it has accepted",
        (
            Edit(
                "node/proposals.py",
                "Proposals.drain",
                "if not self.is_idle:",
                "if False:",
            ),
        ),
        (_PROPOSALS,),
        simulated=False,
    ),
    # Forwards, reads, requests
    Mutant(
        "forwarded-write-sent-twice",
        "P25",
        "a node passes a write on once; repeating it is the client's right, under its own number",
        (
            Edit(
                "node/forwards.py",
                "Forwards.submit",
                "if not self._send(leader, self._number, command):",
                "if not (self._send(leader, self._number, command) and self._send(leader, self._number, command)):",
            ),
        ),
        (_FORWARDS,),
    ),
    Mutant(
        "lost-forward-called-unavailable",
        "P25",
        "a write that was passed on and got no answer has an unknown outcome",
        (
            Edit(
                "node/forwards.py",
                "Forwards._fail",
                "waiter.unknown(",
                "waiter.unavailable(",
            ),
        ),
        (_FORWARDS,),
    ),
    Mutant(
        "answer-of-another-node",
        "P31",
        "only the node that was asked answers a forwarded write",
        (
            Edit(
                "node/forwards.py",
                "Forwards.on_answer",
                " or entry.leader != leader",
                "",
            ),
        ),
        (_FORWARDS,),
    ),
    Mutant(
        "forwards-hang-after-a-change-of-leader",
        "P25",
        "what another leader was asked is given up when a new one is known",
        (
            Edit(
                "node/forwards.py",
                "Forwards.fail_others",
                "if entry.leader != leader",
                "if False",
            ),
        ),
        (_FORWARDS,),
    ),
    Mutant(
        "lost-forward-hangs",
        "P31",
        "a forward that is not answered is given up",
        (
            Edit(
                "node/forwards.py",
                "Forwards.on_timer",
                "self._fail([number])",
                "return",
            ),
        ),
        (_FORWARDS,),
    ),
    Mutant(
        "forwards-without-bound",
        "P33",
        "no more bytes are passed on than may be in flight",
        (
            Edit(
                "node/forwards.py",
                "Forwards.submit",
                "if self.bytes_in_flight + len(command) > self._bytes_max:",
                "if False:",
            ),
        ),
        (_FORWARDS,),
        simulated=False,
    ),
    Mutant(
        "read-served-without-asking",
        "P23",
        "a linearizable read waits until the core has confirmed it",
        (
            Edit(
                "node/readgate.py",
                "ReadGate.submit",
                "self._turn.append((serve, waiter))",
                "serve(waiter)",
            ),
        ),
        (_GATE,),
    ),
    Mutant(
        "failed-read-answered",
        "P23",
        "a read that nobody could confirm is not answered",
        (
            Edit(
                "node/readgate.py",
                "ReadGate.on_reads",
                'waiter.unavailable("no leader could confirm the read: retry, or read stale")',
                "_(waiter)",
            ),
        ),
        (_GATE,),
    ),
    Mutant(
        "linearizable-read-taken-for-stale",
        "P23",
        "the default read is linearizable",
        (
            Edit(
                "node/reads.py",
                "Reads.read",
                "if mode == protocol.LINEARIZABLE:",
                "if False:",
            ),
            Edit(
                "node/reads.py",
                "Reads.read",
                "elif mode == protocol.STALE:",
                "elif mode in (protocol.LINEARIZABLE, protocol.STALE):",
            ),
        ),
        (_REQUESTS, _GATE),
    ),
    Mutant(
        "command-enters-the-log-unchecked",
        "P32",
        "a command that cannot be applied never enters the log: it would stop every node",
        (
            Edit(
                "node/requests.py",
                "Requests.write",
                "check(command, self._limits)",
                "pass",
            ),
        ),
        (_REQUESTS, _FUZZ),
        simulated=False,
    ),
    Mutant(
        "forward-passed-on-again",
        "P31",
        "a forwarded write is not passed on again: it would travel in circles",
        (
            Edit(
                "node/requests.py",
                "Requests.write_forwarded",
                "if self._engine.leads:",
                "if True:",
            ),
        ),
        (_REQUESTS,),
    ),
    Mutant(
        "requests-without-bound",
        "P33",
        "a connection has no more requests in flight than it may",
        (
            Edit(
                "node/clients.py",
                "ClientStream._on_request",
                "if self._in_flight > self._clients.requests_max:",
                "if False:",
            ),
        ),
        (_CLIENTS,),
        simulated=False,
    ),
    Mutant(
        "connections-without-bound",
        "P33",
        "a node serves no more connections than it may",
        (
            Edit(
                "node/clients.py",
                "Clients.admit",
                "if len(self._streams) > self._connections_max:",
                "if False:",
            ),
        ),
        (_CLIENTS, _FUZZ),
        simulated=False,
    ),
    Mutant(
        "request-of-endless-arrays",
        "H3",
        "a client's request claims no more items than any request has",
        (
            Edit(
                "node/clients.py",
                "ClientStream.on_payload",
                "protocol.decode(payload, protocol.REQUEST_ITEMS_MAX)",
                "protocol.decode(payload)",
            ),
        ),
        (_FUZZ,),
        simulated=False,
    ),
    Mutant(
        "peer-served-on-the-client-port",
        "P34",
        "a connection says what it is, and of which version, before anything else",
        (
            Edit(
                "node/clients.py",
                "ClientStream._on_hello",
                "if fields[1] != protocol.PROTOCOL:",
                "if False:",
            ),
        ),
        (_CLIENTS, _FUZZ),
        simulated=False,
    ),
    # Identities
    Mutant(
        "another-cluster-admitted",
        "P34",
        "a node of another cluster is refused",
        (
            Edit(
                "node/introductions.py",
                "Introductions._check",
                "if card.cluster != me.cluster:",
                "if False:",
            ),
        ),
        (_CARDS,),
        simulated=False,
    ),
    Mutant(
        "stranger-admitted",
        "P34",
        "a node that is no member is refused",
        (
            Edit(
                "node/introductions.py",
                "Introductions._check",
                "if card.node not in self._members:",
                "if False:",
            ),
        ),
        (_CARDS,),
        simulated=False,
    ),
    Mutant(
        "own-number-admitted",
        "P34",
        "two nodes under one number, or a node that talks to itself, are noticed",
        (
            Edit(
                "node/introductions.py",
                "Introductions._check",
                "if card.node == me.node:",
                "if False:",
            ),
        ),
        (_CARDS,),
        simulated=False,
    ),
    Mutant(
        "wrong-address-not-noticed",
        "P34",
        "a node that meant to reach another one is refused",
        (
            Edit(
                "node/introductions.py",
                "Introductions._check",
                "if card.to_node != me.node or (expected is not None and card.node != expected):",
                "if False:",
            ),
        ),
        (_CARDS,),
        simulated=False,
    ),
    Mutant(
        "emptied-node-admitted",
        "P3",
        "a node that comes back in another incarnation has lost its promises",
        (
            Edit(
                "node/introductions.py",
                "Introductions._check_memory_of",
                "if known is not None and known != card.incarnation:",
                "if False:",
            ),
        ),
        (_CARDS,),
    ),
    Mutant(
        "emptied-node-goes-on",
        "P3",
        "a node that others know in another incarnation stops",
        (
            Edit(
                "node/introductions.py",
                "Introductions._check_own_memory",
                "if own.incarnation != me.incarnation:",
                "if False:",
            ),
        ),
        (_CARDS,),
    ),
    Mutant(
        "life-not-remembered",
        "P3",
        "a life that was met is durable before it is believed",
        (
            Edit(
                "node/introductions.py",
                "Introductions._remember",
                "await self.memory.meet(node, incarnation)",
                "self.memory._incarnations[node] = incarnation",
            ),
        ),
        (_CARDS,),
    ),
    Mutant(
        "rolled-back-node-admitted",
        "P4",
        "a node whose journal is behind what it once announced was rolled back",
        (
            Edit(
                "node/introductions.py",
                "Introductions._check_memory_of",
                "if expected is None and card.seq < seen:",
                "if False:",
            ),
        ),
        (_CARDS,),
    ),
    Mutant(
        "rolled-back-node-goes-on",
        "P4",
        "a node that others remember to be further stops",
        (
            Edit(
                "node/introductions.py",
                "Introductions._check_own_memory",
                "if own.seq > self.seq():",
                "if False:",
            ),
        ),
        (_CARDS,),
    ),
    Mutant(
        "announcement-not-noted",
        "P4",
        "what a node announces of its journal is remembered",
        (
            Edit(
                "node/memory.py",
                "PeerMemory.note",
                "self._seen[node] = seq",
                "pass",
            ),
        ),
        (_MEMORY,),
    ),
    Mutant(
        "announcement-goes-back",
        "P4",
        "a late, lower number does not make forget a higher one",
        (
            Edit(
                "node/memory.py",
                "PeerMemory.note",
                "if seq > self._seen.get(node, 0):",
                "if True:",
            ),
        ),
        (_MEMORY,),
    ),
    Mutant(
        "announcements-not-saved",
        "P4",
        "what nodes have announced survives a restart of those who heard it",
        (
            Edit(
                "node/memory.py",
                "PeerMemory.save",
                "await self._write(grown)",
                "pass",
            ),
        ),
        (_MEMORY,),
    ),
    Mutant(
        "promise-without-its-number",
        "P4",
        "what speaks of records carries the number of their transaction",
        (
            Edit(
                "node/mesh.py",
                "Mesh.send",
                "codec.encode(message, self.introductions.seq())",
                "codec.encode(message, 0)",
            ),
        ),
        (_MESH,),
    ),
    # Connections of peers
    Mutant(
        "former-connection-still-heard",
        "P31",
        "old bytes of a peer that has connected anew are dropped",
        (
            Edit(
                "node/mesh.py",
                "Mesh._welcome",
                "if former is not None:",
                "if False:",
            ),
        ),
        (_MESH,),
        simulated=False,
    ),
    Mutant(
        "peer-heard-before-its-welcome",
        "P34",
        "a peer is heard when its card was believed",
        (
            Edit(
                "node/mesh.py",
                "Inbound.on_payload",
                'raise ProtocolError("a peer waits for its welcome before it speaks")',
                "return",
            ),
        ),
        (_MESH, _FUZZ),
        simulated=False,
    ),
    Mutant(
        "implausible-peer-ends-the-node",
        "H14",
        "a message that no correct peer sends costs its connection, not the node",
        (
            Edit(
                "node/mesh.py",
                "Inbound",
                "faults = (FrameError, ProtocolError, Implausible)",
                "faults = (FrameError, ProtocolError)",
            ),
        ),
        (_MESH, _FUZZ, "tests/fuzz"),
        simulated=False,
    ),
    # The process
    Mutant(
        "dead-task-unnoticed",
        "P38",
        "a task that dies ends the node",
        (
            Edit(
                "node/supervisor.py",
                "Supervisor._done",
                "self.fail(error)",
                "pass",
            ),
        ),
        (_SUPERVISOR,),
        simulated=False,
    ),
    Mutant(
        "error-in-a-callback-logged-away",
        "P38",
        "an error in a callback of the loop is a bug like one in a task",
        (
            Edit(
                "node/supervisor.py",
                "Supervisor.on_loop_error",
                "self.fail(error)",
                "pass",
            ),
        ),
        (_SUPERVISOR,),
        simulated=False,
    ),
    Mutant(
        "runs-without-its-invariants",
        "P45",
        "the server refuses python -O, which removes its assertions",
        (
            Edit(
                "node/process.py",
                "run",
                "if not __debug__:",
                "if False:",
            ),
        ),
        (_NODE,),
        simulated=False,
    ),
    Mutant(
        "slots-skipped-at-the-start",
        "P37",
        "nothing is served before every chosen slot of the journal was applied",
        (
            Edit(
                "node/server.py",
                "replay",
                "journal.replay(1,",
                "journal.replay(2,",
            ),
        ),
        (_NODE,),
    ),
)

"""Faults made for elections: candidates who hear what was said long ago, and quorums that cannot be trusted."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from random import Random

from paxoskv.net import codec
from paxoskv.paxos.messages import Ask, Learn, Prepare, Promise
from paxoskv.simulator.faults.catalogue import fault
from paxoskv.simulator.faults.disks import flipped
from paxoskv.simulator.links import Link
from paxoskv.simulator.node import SimulatedNode
from paxoskv.simulator.scene import Scene

_PAUSES = 4
_ASK = codec._CHECKS[Ask][0]
_PREPARE = codec._CHECKS[Prepare][0]
_PROMISE = codec._CHECKS[Promise][0]
_LEARN = codec._CHECKS[Learn][0]


@fault("late promises", "S3", "a leader comes and goes; a rival out of its reach hears promises late", per_minute=30)
def late_promises(scene: Scene, rng: Random) -> None:
    """What a promise says may have been overtaken when the rival stands again under another ballot (P11, P31).

    Each pause lets the rival stand, each return lets the leader choose something of which the rival knows nothing.
    """
    leader = scene.leader()
    if leader is None or any(link.cut for link in scene.network.links(scene.ids)):
        return  # there is trouble enough for both: nobody would come to lead in between
    rival = rng.choice([node for node in scene.ids if node != leader.node])
    timeout_s = leader.config.election_timeout_s
    period_s = timeout_s * rng.uniform(2.5, 4.0)
    seconds = period_s * _PAUSES + timeout_s
    between = [scene.network.link(leader.node, rival), scene.network.link(rival, leader.node)]
    scene.cut(between, "drop")
    scene.later(seconds, lambda: scene.restore(between))
    towards = [scene.network.link(node, rival) for node in scene.ids if node not in (rival, leader.node)]
    scene.while_it_lasts(towards, seconds, lambda link: _hold_news(link, 1.8 * period_s))
    for turn in range(_PAUSES):
        scene.later(period_s * turn, lambda: _trade_places(leader, scene.cluster.nodes[rival], timeout_s))


def _hold_news(link: Link, held_s: float) -> None:
    """Promises arrive late, again and again.

    Lessons are late as well, or the rival would know everything; and so is what others ask, or one of them would lead.
    """
    late = replace(link.mood, held_tags=(_ASK, _PROMISE, _LEARN), held_s=held_s)
    link.mood = replace(late, copied_tags=(_PROMISE,), copied_s=held_s, copies=4)


def _trade_places(leader: SimulatedNode, rival: SimulatedNode, timeout_s: float) -> None:
    """The leader falls silent, and the rival is the first to lose patience."""
    if leader.process is not None:
        leader.process.pause(timeout_s * 1.5)
    if rival.process is not None:
        rival.process.set_clock(ahead_s=timeout_s)


@fault(
    "hasty restart", "P24", "those who acknowledge a leader die, and forget what they have acknowledged", per_minute=15
)
def hasty_restart(scene: Scene, rng: Random) -> None:
    """The others do not hear the leader, and wait for consent; they have it as soon as somebody is back."""
    leader = scene.leader()
    if leader is None:
        return
    others = [node for node in scene.cluster.nodes.values() if node is not leader]
    rng.shuffle(others)
    witnesses = others[: leader.config.quorums.phase2 - 1]
    ids = {leader.node, *(node.node for node in witnesses)}
    around = [link for link in scene.network.links(scene.ids) if leader.node in (link.frm, link.to)]
    scene.cut([link for link in around if not {link.frm, link.to} <= ids], "drop")
    timeout_s = leader.config.election_timeout_s
    strike_s = timeout_s * rng.uniform(1.5, 2.5)
    scene.later(strike_s, lambda: scene.cut(around, "drop"))
    for node in witnesses:
        scene.later(strike_s, node.kill)
        scene.later(strike_s + 0.001, partial(scene.cluster.start_again, node))
    scene.later(strike_s + timeout_s * rng.uniform(1.0, 4.0), lambda: scene.restore(around))


@fault("rotten votes", "S12", "all nodes die, votes in open slots rot, and a sound node comes back late", per_minute=8)
def rotten_votes(scene: Scene, rng: Random) -> None:
    """A quorum is back, and can be trusted for every slot but one, until the late node is there (P5, P13).

    The candidate waits for it, and hears everything of its phase 1 twice meanwhile (P12).
    """
    nodes = list(scene.cluster.nodes.values())
    rng.shuffle(nodes)
    for node in nodes:
        node.kill()
    sound = [node for node in nodes if not _rot_open_vote(scene, node, rng)]
    for node in nodes:
        late_s = rng.choice((0.5, 2.0, 4.0)) if node in sound[:1] else 0.01
        scene.later(late_s, partial(scene.cluster.start_again, node))
    scene.while_it_lasts(scene.network.links(scene.ids), 4.0, _repeat_phase_1)


def _rot_open_vote(scene: Scene, node: SimulatedNode, rng: Random) -> bool:
    """Damage the vote of a node in its newest slot, unless that is known to be chosen; return whether it was done."""
    if not scene.may_ruin(node, rng):
        return False
    database = node.disk.database
    row = database.execute("SELECT slot, value FROM votes ORDER BY slot DESC LIMIT 1").fetchone()
    if row is None or row[0] <= scene.durable_commit(node):
        return False
    database.execute("UPDATE votes SET value = ? WHERE slot = ?", (flipped(row[1], rng), row[0]))
    node.disk.ruined = f"a bit of the vote in slot {row[0]} has flipped"
    return True


def _repeat_phase_1(link: Link) -> None:
    link.mood = replace(link.mood, copied_tags=(_PREPARE, _PROMISE), copied_s=0.05)

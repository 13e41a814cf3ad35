"""Faults of disks: slow ones, full ones, failing ones, and those that forget or change what they were given."""

from __future__ import annotations

import sqlite3
from random import Random

from paxoskv.simulator.faults.catalogue import fault
from paxoskv.simulator.node import SimulatedNode
from paxoskv.simulator.scene import Scene
from paxoskv.storage.identity import Identity


@fault("slow disk", "S18", "syncs take 10 to 1000 times as long")
def slow_disk(scene: Scene, rng: Random) -> None:
    """The leader must move away from it if it is stuck for an election timeout."""
    disk, usual_s = scene.disk(rng), scene.sync_s
    disk.sync_s = usual_s * rng.choice((10, 100, 1000))
    scene.later(rng.choice((0.5, 2.0, 5.0)), lambda: setattr(disk, "sync_s", usual_s))


@fault("hung sync", "S18", "syncs do not return for up to 10 s")
def hung_sync(scene: Scene, rng: Random) -> None:
    """Heartbeats and rejections must not wait for it."""
    disk = scene.disk(rng)
    disk.hangs = True
    scene.later(rng.choice((0.1, 0.6, 2.0, 10.0)), disk.resume)


@fault("disk full", "S17", "no room for writes, freed later")
def disk_full(scene: Scene, rng: Random) -> None:
    """Nothing is lost; the node goes on when there is room (P9)."""
    disk = scene.disk(rng)
    disk.full = True
    scene.later(rng.choice((0.2, 1.0, 4.0)), lambda: setattr(disk, "full", False))


@fault("write error", "S16", "a write fails with EIO; the data is there after all, or not")
def write_error(scene: Scene, rng: Random) -> None:
    """The process ends without a word; the next start looks at what is there (P6)."""
    scene.disk(rng).failing = rng.choice(("EIO", "false"))


@fault("rot", "S12", "a bit flips in a stored record", per_minute=12)
def rot(scene: Scene, rng: Random) -> None:
    """Of a vote, open or chosen, of the promise or of something else. It is damage, never absence (P5)."""
    node = scene.victim(rng)
    if not scene.may_ruin(node, rng):
        return
    table, column, key = rng.choice(
        (
            *(
                ("votes", column, "slot")
                for column in ("value", "checksum", "round", "commit_slot", "seq", "slot_copy")
            ),
            *(("votes", "value", "slot") for _ in range(6)),
            ("meta", "payload", "name"),
            ("peers", "incarnation", "node"),
        )
    )
    _damage(node, rng, table, column, key)


def _damage(node: SimulatedNode, rng: Random, table: str, column: str, key: str) -> None:
    database = node.disk.database
    rows = database.execute(f"SELECT {key}, {column} FROM {table} ORDER BY {key} DESC LIMIT 30").fetchall()
    if not rows:
        return
    row_key, content = rng.choice(rows[: rng.choice((2, 30))])
    try:
        database.execute(f"UPDATE {table} SET {column} = ? WHERE {key} = ?", (flipped(content, rng), row_key))
    except sqlite3.IntegrityError:
        return  # a flipped bit made it equal to another key
    node.disk.ruined = f"a bit of {column} in {table} {row_key!r} has flipped"


def flipped(content: int | bytes, rng: Random) -> int | bytes:
    """Return `content` with one bit the other way round."""
    if isinstance(content, int):
        return content ^ 1 << rng.randrange(40)
    if not content:
        return b"\x00"
    damaged = bytearray(content)
    damaged[rng.randrange(len(damaged))] ^= 1 << rng.randrange(8)
    return bytes(damaged)


@fault("lost record", "S13", "a stored record vanishes, as after a misdirected write", per_minute=6)
def lost_record(scene: Scene, rng: Random) -> None:
    """Found at the next start if a later record shows that it was there."""
    node = scene.victim(rng)
    database = node.disk.database
    rows = database.execute("SELECT slot FROM votes ORDER BY slot DESC LIMIT 20").fetchall()
    if len(rows) > 5 and scene.may_ruin(node, rng) and node.replica is not None:
        slot = rng.choice(rows[3:])[0]
        if slot <= scene.durable_commit(node):
            database.execute("DELETE FROM votes WHERE slot = ?", (slot,))
            node.disk.ruined = f"the record of slot {slot} has vanished"


@fault("lying disk", "S13", "writes are acknowledged and not kept; the next crash shows it", per_minute=6)
def lying_disk(scene: Scene, rng: Random) -> None:
    """If power is lost in time: then the node comes back with an older journal (P4)."""
    node = scene.victim(rng)
    if not scene.may_ruin(node, rng):
        return
    node.disk.begin_to_lie()
    seconds = rng.choice((0.05, 0.5, 2.0))
    scene.later(seconds * rng.uniform(0.2, 1.5), lambda: scene.cluster.lose_power_and_restart(node))
    scene.later(seconds, node.disk.stop_lying)


@fault("older image", "S14", "a node is started on a copy of its directory made earlier", per_minute=12)
def older_image(scene: Scene, rng: Random) -> None:
    """Peers know that it has gone further: it must not vote again (P3, P4)."""
    node = scene.victim(rng)
    if not scene.may_ruin(node, rng):
        return
    image = node.disk.image()
    scene.later(rng.choice((0.1, 1.0, 3.0, 6.0)), lambda: scene.cluster.restart_on(node, image))


@fault("emptied directory", "S15", "a directory is emptied, and the node bootstrapped again", per_minute=4)
def emptied(scene: Scene, rng: Random) -> None:
    """Peers know the node in another incarnation: it must not take part (P3)."""
    node = scene.victim(rng)
    if not scene.may_ruin(node, rng) or not scene.cluster.is_known_to_all(node):
        return
    node.kill()
    before = node.disk.identity
    node.disk.found_anew(Identity(before.cluster, before.node, f"incarnation-{before.node}-{node.life + 1}"))
    node.disk.ruined = "the directory was emptied"
    scene.cluster.start_again(node)


@fault("swapped directories", "S27", "two nodes are started on each other's directories, then put right", per_minute=4)
def swapped(scene: Scene, rng: Random) -> None:
    """Each must refuse the other's."""
    a, b = rng.sample(list(scene.cluster.nodes.values()), 2)
    if scene.cluster.exchange(a, b):
        scene.later(0.5, lambda: scene.cluster.exchange_back(a, b))

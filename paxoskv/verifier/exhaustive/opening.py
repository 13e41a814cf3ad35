"""What a node remembers when its directory is opened, and whether damage has changed that in silence.

Opening runs the production code: lock, checks of the files, journal, every row verified. It needs no process, so that
hundreds of thousands of directories can be tried.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum
from pathlib import Path

from paxoskv.paxos.ballot import Ballot, Vote
from paxoskv.storage.errors import StorageError
from paxoskv.storage.identity import Identity
from paxoskv.storage.journal import Journal
from paxoskv.storage.lockfile import DirectoryLock
from paxoskv.verifier.exhaustive.crash import Files, write_files

_VOTE_BYTES_MAX = 1 << 20


class Outcome(Enum):
    """What damage has done. All but the last two are right."""

    HARMLESS = "harmless"
    """The node remembers exactly what it did before."""

    REPAIRED = "repaired"
    """Some records are known to be damaged and are asked for at the peers; all else is as before."""

    REFUSED = "refused"
    """The directory is not opened: exit code 5, with the remedy."""

    DISOWNED = "disowned"
    """Its sequence number has fallen behind what its peers have heard: they refuse it, and it ends with exit code 5."""

    CRASHED = "crashed"
    """The opening fails in a way that nobody foresaw: exit code 70, and no word of what to do."""

    SILENT = "silent"
    """It remembers something else and nobody would notice."""

    @property
    def is_right(self) -> bool:
        """Whether a cluster may rely on it."""
        return self not in (Outcome.CRASHED, Outcome.SILENT)


@dataclass(frozen=True, slots=True)
class Memory:
    """What an opened directory says. votes: of every slot that is not faulty. lives: the incarnations of the peers."""

    identity: Identity
    promised: Ballot
    votes: Mapping[int, Vote]
    faulty: frozenset[int]
    seq: int
    lives: Mapping[int, str]


async def open_files(directory: Path, files: Files, cluster: str, node: int) -> Memory | Exception:
    """Put `files` into `directory`, open it as a node does when it starts, and return what it remembers, or why not."""
    write_files(directory, files)
    try:
        return await _open(directory, cluster, node)
    except Exception as error:  # noqa: BLE001 - whatever a damaged directory brings about is a finding
        return error


def compare(before: Memory, after: Memory | Exception) -> Outcome:
    """Return what came of damage between two openings."""
    if isinstance(after, Exception):
        return Outcome.REFUSED if isinstance(after, StorageError) else Outcome.CRASHED
    if after.identity != before.identity:
        return Outcome.SILENT
    if after.seq < before.seq:
        return Outcome.DISOWNED
    known = all(after.votes.get(slot) == vote or slot in after.faulty for slot, vote in before.votes.items())
    invented = any(slot not in before.votes for slot in after.votes)
    if not known or invented or after.promised != before.promised or after.lives != before.lives:
        return Outcome.SILENT
    return Outcome.REPAIRED if after.faulty else Outcome.HARMLESS


def difference(before: Memory, after: Memory | Exception) -> str:
    """Return, in words, what a node remembers that it should not, or not any more."""
    if isinstance(after, Exception):
        return repr(after)
    pairs = {name: (getattr(before, name), getattr(after, name)) for name in ("identity", "promised", "seq", "lives")}
    found = [f"{name} {old} became {new}" for name, (old, new) in pairs.items() if old != new]
    changed = sorted(
        slot
        for slot in before.votes.keys() | after.votes.keys()
        if before.votes.get(slot) != after.votes.get(slot) and slot not in after.faulty
    )
    return ", ".join([*found, *[f"the votes in slots {changed[:10]} changed"] * bool(changed)])


async def _open(directory: Path, cluster: str, node: int) -> Memory:
    with DirectoryLock(directory):
        journal = await Journal.open(directory, cluster, node)
        try:
            found = journal.recovered
            votes = dict(found.open_votes)
            faulty = frozenset(found.faulty)
            for slot in range(found.compacted_slot + 1, found.known_slot + 1):
                if slot not in faulty:
                    votes.update(await journal.load(slot, slot, _VOTE_BYTES_MAX))
            lives = {peer: record.incarnation for peer, record in journal.peers.items()}
            return Memory(journal.identity, found.promised, votes, faulty, found.seq, lives)
        finally:
            await journal.close()

"""Making and opening a directory, and every reason to refuse one (P3, P7, R13, R14)."""

from __future__ import annotations

import json
import os
import shutil
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from paxoskv.paxos.ballot import NO_BALLOT
from paxoskv.paxos.effects import SavePromise
from paxoskv.storage import birth, connection, identity
from paxoskv.storage.errors import (
    DirectoryInUse,
    DirectoryUnusable,
    JournalCorrupt,
    JournalFailed,
    NotBootstrapped,
    UnknownFormat,
    WrongIdentity,
)
from paxoskv.storage.identity import Identity
from paxoskv.storage.journal import Journal
from tests.storage.kit import B1, CLUSTER, NODE, opened, tamper, vote, written


async def test_a_new_journal_has_promised_nothing_and_voted_for_nothing(tmp_path: Path) -> None:
    async with opened(tmp_path / "n1") as journal:
        found = journal.recovered
        assert (found.promised, found.commit_slot, found.compacted_slot) == (NO_BALLOT, 0, 0)
        assert (found.highest_slot, found.open_votes, found.faulty) == (0, {}, ())
        assert (journal.identity.cluster, journal.identity.node) == (CLUSTER, NODE)
        assert journal.peers == {}


async def test_only_the_owner_may_read_what_is_made(tmp_path: Path) -> None:
    directory = tmp_path / "n1"
    async with opened(directory) as journal:
        await journal.write([vote(1)])
        assert directory.stat().st_mode & 0o777 == 0o700
        modes = {path.name: path.stat().st_mode & 0o777 for path in directory.iterdir()}
        assert modes == {"journal.db": 0o600, "journal.db-wal": 0o600, "journal.open": 0o600}
    assert [path.name for path in directory.iterdir()] == ["journal.db"]


async def test_creating_again_only_opens(tmp_path: Path) -> None:
    """A directory that was bootstrapped keeps its incarnation and its promise, however it is started."""
    async with opened(tmp_path) as journal:
        first = journal.identity
        await journal.write([SavePromise(B1)])
    async with opened(tmp_path) as journal:
        assert journal.identity == first
        assert journal.recovered.promised == B1


async def test_two_births_are_two_incarnations(tmp_path: Path) -> None:
    async with opened(tmp_path / "a") as one, opened(tmp_path / "b") as two:
        assert one.identity.incarnation != two.identity.incarnation


@pytest.mark.parametrize("make", [False, True])
async def test_without_a_journal_a_node_does_not_start(tmp_path: Path, make: bool) -> None:
    """P3, S15: an emptied directory must not vote."""
    directory = tmp_path / "n1"
    if make:
        directory.mkdir()
    with pytest.raises(NotBootstrapped, match=r"--bootstrap.*must be replaced by a new node"):
        await Journal.open(directory, CLUSTER, NODE)


@pytest.mark.parametrize(("cluster", "node"), [("other", NODE), (CLUSTER, 2)])
async def test_a_journal_of_somebody_else_is_refused(tmp_path: Path, cluster: str, node: int) -> None:
    """R14: directories of two nodes swapped."""
    await written(tmp_path, vote(1))
    for opener in (Journal.open, Journal.create):
        with pytest.raises(
            WrongIdentity, match=rf"node 1 of cluster {CLUSTER}, not to node {node} of cluster {cluster}"
        ):
            await opener(tmp_path, cluster, node)
    async with opened(tmp_path) as journal:
        assert journal.recovered.highest_slot == 1


async def test_an_unknown_format_says_who_wrote_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(identity, "FORMAT", 7)
        patch.setattr(identity, "_software", lambda: "paxoskv 9.9")
        birth.bear(tmp_path, Identity.new(CLUSTER, NODE))
    with pytest.raises(UnknownFormat, match=r"format 7, made by paxoskv 9\.9.*reads format 1"):
        await Journal.open(tmp_path, CLUSTER, NODE)


async def test_a_half_born_directory_was_never_born(tmp_path: Path) -> None:
    """P7: a crash before the rename leaves no node; the next bootstrap begins anew."""
    (tmp_path / "journal.new").write_bytes(b"half a journal")
    (tmp_path / "journal.new-wal").write_bytes(b"and its log")
    with pytest.raises(NotBootstrapped):
        await Journal.open(tmp_path, CLUSTER, NODE)
    async with opened(tmp_path):
        assert not [name for name in os.listdir(tmp_path) if name.startswith("journal.new")]


async def test_a_birth_that_fails_leaves_nothing_of_that_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(path: Path) -> None:
        raise OSError(5, "Input/output error", str(path))

    with monkeypatch.context() as patch:
        patch.setattr(birth, "sync", broken)
        with pytest.raises(DirectoryUnusable, match="Input/output error"):
            await Journal.create(tmp_path, CLUSTER, NODE)
    assert not (tmp_path / "journal.db").exists()
    async with opened(tmp_path) as journal:
        assert journal.recovered.promised == NO_BALLOT


@pytest.mark.parametrize("left", ["journal.db-wal", "journal.open"])
async def test_a_lost_journal_is_not_made_again(tmp_path: Path, left: str) -> None:
    """P3, R13: the database was deleted, its companions show that the node has run."""
    (tmp_path / left).touch()
    for opener in (Journal.open, Journal.create):
        with pytest.raises(JournalCorrupt, match=rf"journal\.db is missing, but {left} shows that this node has run"):
            await opener(tmp_path, CLUSTER, NODE)


@pytest.mark.parametrize("bytes_left", [0, 10, 100, 4096, 5000])
async def test_a_truncated_journal_is_refused_every_time(tmp_path: Path, bytes_left: int) -> None:
    """R13: cut short or zero-length; also at the second try, and never replaced by an empty one."""
    await written(tmp_path, *(vote(slot, bytes(3000)) for slot in range(1, 9)))
    os.truncate(tmp_path / "journal.db", bytes_left)
    for opener in (Journal.open, Journal.create, Journal.open):
        with pytest.raises(JournalCorrupt, match=r"journal\.db is"):
            await opener(tmp_path, CLUSTER, NODE)


async def test_garbage_is_not_a_journal(tmp_path: Path) -> None:
    (tmp_path / "journal.db").write_bytes(bytes(range(256)) * 64)
    with pytest.raises(JournalCorrupt, match="not a journal of ours"):
        await Journal.open(tmp_path, CLUSTER, NODE)


async def test_another_database_is_not_a_journal(tmp_path: Path) -> None:
    with closing(sqlite3.connect(tmp_path / "journal.db", isolation_level=None)) as other:
        other.execute("PRAGMA journal_mode = WAL")
        other.execute("CREATE TABLE votes(slot)")
    with pytest.raises(JournalCorrupt, match="not those of a journal"):
        await Journal.open(tmp_path, CLUSTER, NODE)


async def test_an_sqlite_shell_on_the_file_is_named_as_the_reason(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """P7: never two connections to one file."""
    monkeypatch.setattr(connection, "BUSY_TIMEOUT_S", 0.0)
    await written(tmp_path, vote(1))
    with closing(sqlite3.connect(tmp_path / "journal.db", isolation_level=None)) as shell:
        shell.execute("BEGIN IMMEDIATE")
        with pytest.raises(DirectoryInUse, match="held open by another program") as refusal:
            await Journal.open(tmp_path, CLUSTER, NODE)
        assert refusal.value.pid is None
    async with opened(tmp_path) as journal:
        assert journal.recovered.highest_slot == 1


@pytest.mark.skipif(os.geteuid() == 0, reason="not run: root may write to a read-only directory")
async def test_a_read_only_directory_is_refused_with_the_reason(tmp_path: Path) -> None:
    await written(tmp_path / "n1", vote(1))
    (tmp_path / "n1").chmod(0o500)
    try:
        with pytest.raises(DirectoryUnusable, match="Permission denied"):
            await Journal.open(tmp_path / "n1", CLUSTER, NODE)
    finally:
        (tmp_path / "n1").chmod(0o700)


async def test_a_directory_that_cannot_be_made_is_refused_with_the_reason(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(DirectoryUnusable, match="Check its owner, its permissions"):
        await Journal.create(tmp_path / "file" / "n1", CLUSTER, NODE)


async def test_a_file_that_cannot_be_flushed_is_a_failed_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """P1, P6: what is only in the page cache is not durable yet."""
    await written(tmp_path, vote(1))

    def broken(fd: int) -> None:
        raise OSError(5, "Input/output error")

    monkeypatch.setattr("paxoskv.storage.precheck.os.fsync", broken)
    with pytest.raises(JournalFailed, match="cannot be flushed"):
        await Journal.open(tmp_path, CLUSTER, NODE)


async def test_a_copy_of_a_closed_directory_opens(tmp_path: Path) -> None:
    """One file holds everything after an orderly end."""
    await written(tmp_path / "a", vote(1), vote(2))
    shutil.copytree(tmp_path / "a", tmp_path / "b")
    async with opened(tmp_path / "b") as journal:
        assert journal.recovered.commit_slot == 1


async def test_settings_are_taken_and_read_back(tmp_path: Path) -> None:
    async with opened(tmp_path) as journal:
        taken = {name: await journal._connection.pragma(name) for name, _, _ in connection.SETTINGS}
    assert taken == {
        "locking_mode": b"exclusive",
        "journal_mode": b"wal",
        "synchronous": 2,
        "fullfsync": 1,
        "checkpoint_fullfsync": 1,
        "cell_size_check": 1,
        "trusted_schema": 0,
        "mmap_size": 0,
        "wal_autocheckpoint": 0,
    }


async def test_a_setting_that_is_not_taken_ends_the_start(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """P7: a PRAGMA that SQLite does not know is ignored without a word."""
    monkeypatch.setattr(connection, "SETTINGS", (("synchronus", "FULL", 2),))
    with pytest.raises(JournalFailed, match="did not take PRAGMA synchronus = FULL, it reads None"):
        await Journal.create(tmp_path, CLUSTER, NODE)


async def test_the_identity_row_is_readable_by_every_version(tmp_path: Path) -> None:
    """P35: plain JSON; a later format must still be able to say what it is."""
    async with opened(tmp_path) as journal:
        payload, _ = await journal._reader.meta("identity")
    assert set(json.loads(payload)) == {"format", "written_by", "cluster", "node", "incarnation"}


async def test_a_damaged_identity_is_refused(tmp_path: Path) -> None:
    await written(tmp_path, vote(1))
    tamper(tmp_path, "UPDATE meta SET payload = replace(payload, '\"node\": 1', '\"node\": 2') WHERE name = 'identity'")
    with pytest.raises(JournalCorrupt, match="identity is damaged"):
        await Journal.open(tmp_path, CLUSTER, 2)

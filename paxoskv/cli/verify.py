"""`verify`: a throwaway cluster of real processes, broken on purpose, and the judgement of what its clients saw."""

from __future__ import annotations

import asyncio
import random
import shutil
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

import click

from paxoskv.cli import exhaustive as every_one
from paxoskv.cli.failures import DONE, NOT_MET, UNAVAILABLE, USAGE, Failure
from paxoskv.cli.looping import run_loop
from paxoskv.cli.options import Seconds, output_option
from paxoskv.cli.output import print_document, table
from paxoskv.verifier.evidence import Evidence
from paxoskv.verifier.faults import FAULTS, Fault
from paxoskv.verifier.report.document import document_of
from paxoskv.verifier.report.figures import figures_of
from paxoskv.verifier.report.page import page_of
from paxoskv.verifier.report.text import text_of
from paxoskv.verifier.run import CannotRun, Options, Run
from paxoskv.verifier.schedule import tuning
from paxoskv.verifier.verdict import judge_run

PROGRESS_INTERVAL_S = 0.5
SEED_MAX = 1 << 32
HISTORY_NAME = "history.jsonl"
PAGE_NAME = "report.html"

_file = click.Path(dir_okay=False, path_type=Path)


@click.command("verify")
@click.option("--nodes", type=click.Choice(["3", "5"]), default="3", help="Nodes of the cluster (3).")
@click.option("--seconds", type=Seconds(1, 86_400), default=30.0, metavar="S", help="How long it is tormented (30).")
@click.option("--clients", type=click.IntRange(1, 64), default=8, help="Clients (8; more make the judging slow).")
@click.option("--faults", default="all", metavar="all|A,B,...|list", help="Which faults; `list` names them all.")
@click.option("--seed", type=click.IntRange(0, SEED_MAX), default=None, help="Plan of faults and clients (random).")
@click.option(
    "--dir", "directory", type=click.Path(file_okay=False, path_type=Path), default=None, help="Keep all here."
)
@click.option("--report", type=_file, default=None, help="File for the page (report.html in a new directory).")
@click.option("--history", type=_file, default=None, help="File for the history (beside the report).")
@click.option(
    "--exhaustive", type=click.Choice(every_one.KINDS), default=None, help="Instead: each one, not at random."
)
@click.option("--every", type=click.IntRange(1), default=1, metavar="K", help="With --exhaustive: each K-th only (1).")
@output_option
def verify_command(
    nodes: str,
    seconds: float,
    clients: int,
    faults: str,
    seed: int | None,
    directory: Path | None,
    report: Path | None,
    history: Path | None,
    exhaustive: str | None,
    every: int,
    as_json: bool,
) -> int:
    """Break a real cluster on purpose and judge whether it kept its word.

    Starts a throwaway cluster on free ports of this machine, lets clients read and write through the public client,
    injects random faults of processes, links, disks, clocks and files, heals everything, and judges: every reply
    explained by one order (linearizable), no acknowledged write lost, counters exact, all nodes equal.
    What cannot be injected here is listed as not run. The same seed makes the same plan.

    --exhaustive syncs kills a node at every single sync of a scripted life and takes from its disk what was not synced;
    --exhaustive bytes flips every byte of every file of a stopped node. Both take some minutes.

    \b
    Exit codes: 0 all is well; 1 something is wrong, and the cluster's directory is kept; 2 usage; 3 it did not start.
    """
    if faults == "list":
        click.echo(_list())
        return DONE
    if exhaustive is not None:
        return every_one.run(exhaustive, every, as_json)
    chosen = _chosen(faults)
    root = _root(directory)
    history_file, page_file = history or root / HISTORY_NAME, report or root / PAGE_NAME
    planned = random.randrange(SEED_MAX) if seed is None else seed
    options = Options(root, int(nodes), seconds, clients, planned, chosen, tuning(planned))
    repeat = (
        f"paxoskv verify --nodes {nodes} --seconds {seconds:g} --clients {clients} --faults {faults} --seed {planned}"
    )
    try:
        evidence = _torment(options, history_file, page_file)
    except CannotRun as error:
        raise Failure(UNAVAILABLE, "unavailable", f"{error}. Its log is in {root}") from None
    except (KeyboardInterrupt, Failure):
        _clean(root, directory, keep=())
        raise
    verdict = judge_run(evidence)
    figures = figures_of(evidence)
    page_file.write_text(page_of(evidence, verdict, figures, repeat), encoding="utf-8")
    if verdict.passed:
        _clean(root, directory, keep=(history_file, page_file))
    if as_json:
        print_document(document_of(evidence, verdict, figures, history_file, page_file))
    else:
        click.echo(text_of(evidence, verdict, figures, history_file, page_file))
        click.echo(f"again    {repeat}" + f"\nlogs     {root}" * root.is_dir())
    return DONE if verdict.passed else NOT_MET


def _torment(options: Options, history_file: Path, page_file: Path) -> Evidence:
    """Do the run, with its progress on a terminal. Raises: CannotRun; Failure if a file cannot be written."""
    try:
        page_file.touch()
        stream = history_file.open("w", encoding="utf-8")
    except OSError as error:
        raise Failure(USAGE, "unwritable", f"cannot write {error.filename}: {error.strerror or error}") from None
    with stream:
        run = Run(options, stream)

        async def both() -> Evidence:
            showing = asyncio.create_task(_show_progress(run, options.seconds))
            try:
                return await run.evidence()
            finally:
                showing.cancel()
                await asyncio.wait([showing])

        return run_loop(both())


async def _show_progress(run: Run, seconds: float) -> None:
    """Tell on a terminal what is going on."""
    while sys.stderr.isatty():
        now = run.progress()
        leader = f"node {now.leader} leads" if now.leader else "no leader"
        line = (
            f"verify: {min(now.elapsed_s, seconds):.0f} of {seconds:g} s, {now.operations:,} operations, "
            f"{now.unknown} unknown, {leader}, {now.faults or 'no fault'}"
        )
        click.echo(f"\r\033[K{line:.{shutil.get_terminal_size().columns - 1}}", nl=False, err=True)
        try:
            await asyncio.sleep(PROGRESS_INTERVAL_S)
        finally:
            click.echo("\r\033[K", nl=False, err=True)


def _chosen(names: str) -> list[Fault]:
    """Return the faults named. Raises: Failure for a name that no fault has."""
    if names == "all":
        return list(FAULTS.values())
    wanted = [name.strip() for name in names.split(",") if name.strip()]
    for name in wanted:
        if name not in FAULTS:
            raise Failure(USAGE, "usage", f"there is no fault {name!r}: `paxoskv verify --faults list` names them all")
    return [FAULTS[name] for name in dict.fromkeys(wanted)]


def _list() -> str:
    rows = [["FAULT", "CATALOGUE", "WHAT IT IS"]]
    rows += [[fault.name, fault.pitfall, fault.description] for fault in FAULTS.values()]
    return table(rows)


def _root(directory: Path | None) -> Path:
    """Return an empty directory, the one that was named or a new one. Raises: Failure."""
    if directory is None:
        return Path(tempfile.mkdtemp(prefix="paxoskv-verify-"))
    try:
        directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        if any(directory.iterdir()):
            raise Failure(USAGE, "usage", f"{directory} is not empty: name a directory that is, or a new one")
    except OSError as error:
        raise Failure(USAGE, "usage", f"cannot make directory {directory}: {error.strerror or error}") from None
    return directory.absolute()


def _clean(root: Path, directory: Path | None, keep: Sequence[Path]) -> None:
    """Remove all but `keep` from a directory of our own, and itself if nothing is left; not one that was named."""
    if directory is not None:
        return
    for path in root.iterdir():
        if path in keep:
            continue
        if path.is_dir():
            shutil.rmtree(path)
        else:
            path.unlink()
    if not any(root.iterdir()):
        root.rmdir()

"""A node that its peers will not have back is told from one that merely does not run (P4)."""

from __future__ import annotations

from pathlib import Path

from paxoskv.cli.cluster import _with_processes
from paxoskv.cli.local.layout import plan
from paxoskv.cli.survey import FIELDS, Survey
from paxoskv.storage.quarantine import quarantine


def test_the_status_of_a_local_cluster_names_quarantine_and_reason(tmp_path: Path) -> None:
    layout = plan(tmp_path, 2, 7300, None)
    for node in layout.nodes:
        layout.data(node).mkdir()
    quarantine(layout.data(2), "node 1 remembers more")
    silent = {**dict.fromkeys(FIELDS), "healthy": False, "error": "nobody answers"}
    rows = tuple({**silent, "endpoint": endpoint} for endpoint in layout.endpoints)
    picture = _with_processes(layout, Survey(rows))
    assert [(row["quarantined"], row["error"]) for row in picture.rows] == [
        (False, "nobody answers"),
        (True, "in quarantine: node 1 remembers more"),
    ]
    lines = picture.text().splitlines()
    assert "quarantined" not in lines[1]
    assert lines[2].endswith("quarantined")

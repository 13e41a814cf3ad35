"""The test that the README shows works when pasted."""

from __future__ import annotations

import re

from tests.testing.kit import ROOT, Project


def test_the_readmes_test_works_when_pasted(project: Project) -> None:
    blocks = re.findall(
        r"^```python\n(.*?)^```$", (ROOT / "README.md").read_text(encoding="utf-8"), re.DOTALL | re.MULTILINE
    )
    (pasted,) = [block for block in blocks if "def test_" in block]
    (project.path / "test_worker.py").write_text(pasted)
    project.run().assert_outcomes(passed=1)

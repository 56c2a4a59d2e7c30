"""Every broken bundle breaks the rules that it broke, in the same words."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.snapshot import compare
from tests.snapshot.bundles import SNAPSHOTS


@pytest.mark.parametrize("name", SNAPSHOTS)
def test_findings_are_what_they_were(name: str, tmp_path: Path) -> None:
    compare.assert_unchanged(name, SNAPSHOTS[name], tmp_path)

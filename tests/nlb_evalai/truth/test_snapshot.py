"""Sessions become the arrays that they became, or are refused in the same words."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.snapshot import compare
from tests.snapshot.sessions import SNAPSHOTS


@pytest.mark.parametrize("name", SNAPSHOTS)
def test_sessions_are_read_as_they_were(name: str, tmp_path: Path) -> None:
    compare.assert_unchanged(name, SNAPSHOTS[name], tmp_path)

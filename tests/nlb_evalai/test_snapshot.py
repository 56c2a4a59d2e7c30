"""The commands answer what they answered: boards, ``check``, store, award, pages."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.snapshot import compare
from tests.snapshot.tools import SNAPSHOTS


@pytest.mark.parametrize("name", SNAPSHOTS)
def test_the_commands_answer_as_they_did(name: str, tmp_path: Path) -> None:
    compare.assert_unchanged(name, SNAPSHOTS[name], tmp_path)

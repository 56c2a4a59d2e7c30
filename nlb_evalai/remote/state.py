"""Where the workers of this host keep their record and the files in hand."""

from __future__ import annotations

import shutil
from pathlib import Path

import platformdirs

from nlb_evalai.remote.ledger import Ledger


def default_state() -> Path:
    """The workers' folder in the user's state folder, which no change of directory moves."""
    return platformdirs.user_state_path("nlb-evalai", appauthor=False) / "worker"


def sweep(work: Path, ledger: Ledger) -> None:
    """Remove files that workers which were killed left behind."""
    if not work.is_dir():
        return
    held = {str(number) for number in ledger.held()}
    for folder in work.iterdir():
        if folder.name not in held:
            shutil.rmtree(folder, ignore_errors=True)

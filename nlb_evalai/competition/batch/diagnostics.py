"""Diagnostics of a batch: a file beside the store, which hosts keep to themselves."""

from __future__ import annotations

import json
from pathlib import Path

from nlb_evalai.competition.batch.task import Outcome
from nlb_evalai.errors import ToolError


class DiagnosticsFile:
    """Lines of JSON, one for each submission that was scored with diagnostics.

    The keys are ``name``, ``phase``, ``rules_version``, ``submission_sha256``,
    ``ground_truth_sha256`` and ``diagnostics`` (by group). New lines are added behind those that
    are there.

    Parameters
    ----------
    store : Path
        The store that it stands beside, as ``results.sqlite.diagnostics.jsonl``.
    """

    def __init__(self, store: Path) -> None:
        self.path = store.with_name(f"{store.name}.diagnostics.jsonl")

    def add(self, outcome: Outcome, phase: str) -> None:
        """Add the diagnostics of an outcome, if it has some.

        Raises
        ------
        ToolError
            If the file cannot be written.
        """
        if outcome.diagnostics is None or outcome.card is None:
            return
        receipt = outcome.card.receipt
        line = {
            "name": outcome.source.name,
            "phase": phase,
            "rules_version": receipt["rules_version"],
            "submission_sha256": outcome.sha256,
            "ground_truth_sha256": receipt["files"]["ground_truth"]["sha256"],
            "diagnostics": outcome.diagnostics,
        }
        try:
            with self.path.open("a", encoding="utf-8") as file:
                file.write(json.dumps(line, allow_nan=False) + "\n")
        except OSError as error:
            raise ToolError(f"{self.path}: cannot be written: {error.strerror}") from None

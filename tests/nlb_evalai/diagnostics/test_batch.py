"""A batch leaves diagnostics in a file beside the store, and nowhere else."""

from __future__ import annotations

import json
import sqlite3
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from nlb_evalai.cli import cli
from nlb_evalai.cli import score as score_command
from nlb_evalai.competition.batch.task import score_task
from tests.paths import GOLDEN


def test_diagnostics_of_a_batch_stand_beside_the_store(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # in this process: what pools and clusters do with tasks is tested elsewhere
    monkeypatch.setattr(score_command, "run_pool", lambda tasks, workers: map(score_task, tasks))
    store = tmp_path / "results.sqlite"
    command: Any = [
        "score",
        GOLDEN / "submission_val_a.h5",
        "--phase",
        "val",
        "--annotations",
        GOLDEN / "target_val.h5",
        "--store",
        store,
        "--diagnostics",
    ]
    for scored in (1, 0):  # what the store holds is not scored again
        done = CliRunner().invoke(cli, [str(one) for one in command])
        assert done.exit_code == 0, done.output
        assert f"{scored} scored" in done.output
    (line,) = (tmp_path / "results.sqlite.diagnostics.jsonl").read_text().splitlines()
    found = json.loads(line)
    assert (found["name"], found["phase"]) == ("submission_val_a", "val")
    assert len(found["submission_sha256"]) == len(found["ground_truth_sha256"]) == 64
    shares = found["diagnostics"]["mc_maze"]["co_smoothing"]["neurons"]["bits_per_spike"]
    assert len(shares) == 5
    assert "few_shot" in found["diagnostics"]["mc_maze"]
    with sqlite3.connect(store) as kept:
        everything = "\n".join(kept.iterdump())
    assert "co_smoothing" not in everything
    assert "consistency" not in everything
    assert sorted(path.name for path in tmp_path.iterdir() if "diagnostics" in path.name) == [
        "results.sqlite.diagnostics.jsonl"
    ]

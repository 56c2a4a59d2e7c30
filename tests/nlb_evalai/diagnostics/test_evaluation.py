"""Diagnostics stand beside scores, change none, and say why one cannot be had."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, Dict

import pytest
from click.testing import CliRunner

from evaluation_script.scorecard import Scorecard
from evaluation_script.scoring import score
from nlb_evalai import evaluate
from nlb_evalai.cli import cli
from nlb_evalai.diagnostics.evaluation import Evaluation
from nlb_evalai.diagnostics.group import DIAGNOSTICS, DiagnosticsObserver
from tests.paths import GOLDEN

SCORED = {"mc_maze", "mc_maze_20", "mc_rtt", "mc_rtt_20"}


def bits(card: Scorecard) -> Dict[str, Any]:
    return {
        f"{name} {key}": (one.value.hex(), one.standard_error and one.standard_error.hex())
        for name, group in card.groups.items()
        for key, one in group.scores.items()
    }


@pytest.fixture(scope="module")
def golden() -> Evaluation:
    return evaluate(
        GOLDEN / "submission_val_a.h5", GOLDEN / "target_val.h5", phase="val", diagnostics=True
    )


def check_the_same(plain_card: Scorecard, watched: Scorecard, groups: Any) -> None:
    assert bits(watched) == bits(plain_card)
    assert set(groups) == set(watched.groups)
    for name, found in groups.items():
        for diagnostic in DIAGNOSTICS:
            assert (getattr(found, diagnostic) is None) == (diagnostic in found.left_out)
        assert found.co_smoothing is not None
        total = found.co_smoothing.neurons.contribution.sum()
        assert total == pytest.approx(watched.groups[name].scores["co-bps"].value, abs=1e-9)


def test_scores_are_the_same_to_the_last_bit(golden: Evaluation) -> None:
    plain_card = score(GOLDEN / "target_val.h5", GOLDEN / "submission_val_a.h5", "val")
    groups = {name: group.diagnostics for name, group in golden.groups.items()}
    check_the_same(plain_card, golden.card, groups)


def test_scores_are_the_same_where_trials_are_jittered_and_decoders_are_two() -> None:
    paths = GOLDEN / "target_test.h5", GOLDEN / "submission_test_b.h5"
    observer = DiagnosticsObserver()
    check_the_same(score(*paths, "test"), score(*paths, "test", observer=observer), observer.groups)


def test_what_cannot_be_had_says_why(golden: Evaluation) -> None:
    found = golden
    assert set(found.groups) == SCORED
    rtt = found.groups["mc_rtt"].diagnostics
    assert rtt is not None
    assert rtt.left_out == {
        "ceilings": "the truth knows no conditions: no trial repeats another",
        "few_shot": "it needs model inputs (--inputs)",
    }
    assert rtt.decoding is not None
    assert rtt.decoding.within_left_out == rtt.left_out["ceilings"]
    json.dumps(found.to_dict(), allow_nan=False)


def run(*arguments: Any) -> Any:
    return CliRunner().invoke(cli, [str(one) for one in arguments])


def test_the_command_tells_the_same_in_words_and_as_json(tmp_path: Path) -> None:
    command = [
        "evaluate",
        GOLDEN / "submission_val_a.h5",
        "--annotations",
        GOLDEN / "target_val.h5",
        "--phase",
        "val",
    ]
    told = run(*command, "--diagnostics")
    assert told.exit_code == 0, told.output
    for line in (
        "neurons     5 held-out neurons",
        "conditions  10 conditions",
        "trials      25 eval trials",
        "ceilings    psth R2",
        "calibration within neurons",
        "consistency held-out log rates share",
        "decoding    within conditions",
        "left out    few shot: it needs model inputs (--inputs)",
        "left out    ceilings: the truth knows no conditions",
        "note: the ceilings of co-bps assume that",
    ):
        assert line in told.output
    answer = json.loads(run(*command, "--diagnostics", "--json").output)
    assert set(answer) == {"receipt", "notes", "diagnostics"}
    assert set(answer["diagnostics"]) == SCORED
    assert len(answer["diagnostics"]["mc_maze"]["co_smoothing"]["neurons"]["spikes"]) == 5
    assert "diagnostics" not in answer["receipt"]
    wrong = run(*command, "--inputs", GOLDEN / "target_val.h5")
    assert wrong.exit_code == 2
    assert "--inputs is for --diagnostics" in wrong.output
    text = tmp_path / "inputs.h5"
    text.write_text("no HDF5")
    unreadable = run(*command, "--diagnostics", "--inputs", text)
    assert "cannot be read as HDF5" in str(unreadable.exception)


def test_check_tells_consistency_without_a_truth(golden: Evaluation) -> None:
    answer = json.loads(
        run(
            "check",
            GOLDEN / "submission_val_a.h5",
            "--phase",
            "val",
            "--annotations",
            GOLDEN / "target_val.h5",
            "--json",
        ).output
    )
    assert set(answer["consistency"]) == SCORED
    for name, found in answer["consistency"].items():
        diagnostics = golden.groups[name].diagnostics
        assert diagnostics is not None
        assert diagnostics.consistency is not None
        assert found["shared"] == pytest.approx(diagnostics.consistency.shared)

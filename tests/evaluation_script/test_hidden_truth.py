"""What a phase with hidden truth says of a submission, and what a host is told of it."""

from __future__ import annotations

import json
import logging
import subprocess
import sys
from pathlib import Path
from typing import Callable

import h5py
import numpy as np
import pytest

from evaluation_script import evaluate
from evaluation_script.errors import AnnotationError, SubmissionError
from evaluation_script.leaderboard import shown, shown_error
from evaluation_script.scorecard import Score
from evaluation_script.scoring import score
from evaluation_script.suites import DEFAULT_SUITE
from tests.paths import ROOT

GROUP = "mc_maze_small_20"
TEST, VAL = DEFAULT_SUITE.phase("test"), DEFAULT_SUITE.phase("val")
Edited = Callable[..., Path]


@pytest.mark.parametrize(
    ("value", "expected"),
    [(0.12345678, 0.1235), (-0.99996, -1.0), (-1.00001, -1.0), (-92555484.5639, -1.0)],
)
def test_a_hidden_score_has_four_decimals_and_a_floor(value: float, expected: float) -> None:
    assert shown(value, TEST) == expected
    assert shown(value, VAL) == value


def test_a_score_that_rounds_to_minus_zero_is_zero() -> None:
    assert str(shown(-0.00001, TEST)) == str(shown(-0.0, VAL)) == "0.0"


def test_an_error_bar_has_three_decimals_and_is_one_at_the_floor() -> None:
    assert shown_error(Score(0.3, 0.0123456), TEST) == 0.012
    assert shown_error(Score(-1.0, 0.0123456), TEST) == 0.012
    assert shown_error(Score(-1.1, 1e5), TEST) == 1.0
    assert shown_error(Score(-1.1, 1e5), VAL) == 1e5
    assert shown_error(Score(-1.1, None), TEST) is None


RTT = "mc_rtt_20"  # alone on its board, so that the board's error bars are complete


def _ruined(file: h5py.File) -> None:
    file[RTT]["eval_rates_heldin"][0, 0, 0] = 1e5


def test_one_huge_rate_tells_no_more_than_that_it_is_bad(
    golden: Path, edited: Edited, capsys: pytest.CaptureFixture
) -> None:
    path = edited(_ruined, RTT, part="test_a")
    answer = evaluate(golden / "target_test.h5", path, "test")
    split = "mc_rtt_20_split"
    result = next(entry[split] for entry in answer["result"] if split in entry)
    bars = next(entry[split] for entry in answer["error"] if split in entry)
    assert result["vel R2"] == -1.0
    assert bars["error_vel R2"] == 1.0
    told = answer["submission_result"]["scores"][RTT]["vel R2"]
    assert told == {"value": -1.0, "standard_error": 1.0, "remark": "below -1"}
    assert "vel R2 below -1" in capsys.readouterr().out
    exact = answer["submission_metadata"]["groups"][RTT]["scores"]["vel R2"]["value"]
    assert exact < -1e3
    assert str(exact)[:6] not in json.dumps(answer["submission_result"])
    # a host sees that somebody asks
    counts = answer["submission_metadata"]["rates"][f"{RTT}/eval_rates_heldin"]
    assert counts == {"zeros": 0, "tiny": 0, "huge": 1}


@pytest.mark.parametrize("dtype", ["f4", "f8"])
def test_tiny_rates_are_refused_of_participants_with_the_line_that_mends_them(
    golden: Path, edited: Edited, dtype: str
) -> None:
    def change(file: h5py.File) -> None:
        values = file[GROUP]["eval_rates_heldout"][()].astype(dtype)
        values[2, 1, 3] = 1e-12
        values[4] = 0.0
        values[5] = 1e-9  # in single precision a little less than 1e-9
        del file[GROUP]["eval_rates_heldout"]
        file[GROUP]["eval_rates_heldout"] = values

    path, truth = edited(change, part="test_c"), golden / "target_test.h5"
    with pytest.raises(SubmissionError) as caught:
        evaluate(truth, path, "test")
    assert caught.value.problems == [
        f"{GROUP}/eval_rates_heldout: 1 positive rates below 1e-09, first at trial 2, bin 1, "
        "neuron 3 (counted from 0); raise them before you write the file: "
        "rates = np.maximum(rates, 1e-09)"
    ]
    card = score(truth, path, "test")  # a host who scores again
    with h5py.File(path) as file:
        n_zeros = file[GROUP]["eval_rates_heldout"][4].size
    counts = card.receipt["rates"][f"{GROUP}/eval_rates_heldout"]
    assert counts == {"zeros": n_zeros, "tiny": 1, "huge": 0}


def test_where_truth_is_public_tiny_rates_are_scored(golden: Path, edited: Edited) -> None:
    def change(file: h5py.File) -> None:
        file[GROUP]["eval_rates_heldout"][2, 1, 3] = 1e-12

    assert evaluate(golden / "target_val.h5", edited(change), "val")["result"]


def test_truth_with_a_trial_in_two_conditions_is_the_hosts_to_mend(
    golden: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    truth = tmp_path / "truth.h5"
    truth.write_bytes((golden / "target_val.h5").read_bytes())
    with h5py.File(truth, "r+") as file:
        lists = file[GROUP]["eval_cond_idx"]
        first, second = [i for i, trials in enumerate(lists[()]) if len(trials)][:2]
        trial = int(lists[first][0])
        lists[second] = np.append(lists[second], trial)
    with caplog.at_level(logging.ERROR):
        card = score(truth, golden / "submission_val_c.h5", "val")
    assert "psth R2" in card.groups[GROUP].left_out
    assert f"{GROUP}: psth R2: trial {trial} is in two conditions" in caplog.text


def test_truth_without_eval_trials_is_the_hosts_to_mend(golden: Path, tmp_path: Path) -> None:
    truth = tmp_path / "truth.h5"
    with h5py.File(truth, "w") as file:
        file[f"{GROUP}/eval_spikes_heldout"] = np.zeros((0, 35, 5))
    with pytest.raises(AnnotationError) as caught:
        score(truth, golden / "submission_val_c.h5", "val")
    assert "has no eval trials" in caught.value.detail


#: what EvalAI's worker sets up: the console is for development, the file is nobody's to read
_EVALAI = """
import logging.config, sys
logging.config.dictConfig({
    "version": 1, "disable_existing_loggers": False,
    "filters": {"debug": {"()": lambda: type("Never", (), {"filter": lambda self, r: False})()}},
    "handlers": {"console": {"class": "logging.StreamHandler", "filters": ["debug"]}},
    "root": {"handlers": ["console"], "level": "INFO"},
})
import io
sys.path.insert(0, sys.argv[1])
from evaluation_script import evaluate
sys.stdout, sys.stderr = told, shown = io.StringIO(), io.StringIO()
for _ in range(2):
    try:
        evaluate(sys.argv[2], sys.argv[3], "val")
    except Exception as error:
        print(error)
sys.__stdout__.write(told.getvalue() + shown.getvalue())
"""


def test_what_is_wrong_with_truth_reaches_the_host_and_not_the_participant(
    golden: Path, tmp_path: Path
) -> None:
    truth = tmp_path / "secret-place.h5"
    finished = subprocess.run(
        [sys.executable, "-c", _EVALAI, str(ROOT), str(truth), str(golden / "submission_val_c.h5")],
        capture_output=True,
        text=True,
        check=True,
    )
    assert finished.stderr.count("secret-place.h5: [Errno 2]") == 2
    assert "secret-place" not in finished.stdout
    assert "The organizers must mend it" in finished.stdout


def test_the_attacks_find_less_than_where_scores_are_merely_rounded() -> None:
    finished = subprocess.run(
        [sys.executable, str(ROOT / "benchmarks" / "leak.py"), "--submissions", "4"],
        env={"PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=True,
    )
    rows = [line.strip("| ").split(" | ") for line in finished.stdout.splitlines()[2:]]
    found = {attack: (before, after) for attack, before, after in rows}
    assert found["spikes, by the digits of its error bar"][1].startswith("nothing")
    before, after = (
        float(text.split()[1]) for text in found["a velocity, by vel R2 (3 submissions)"]
    )
    assert before < 1e-5 < 1e-4 < after
    before, after = map(int, found["set-go intervals: bins asked in one submission"])
    assert after < before

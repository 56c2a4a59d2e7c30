"""The call that EvalAI makes: what it returns, what it says, and that it leaves nothing behind."""

from __future__ import annotations

import hashlib
import json
import logging
import math
import os
import sys
import traceback
from pathlib import Path
from typing import Any, Callable, Dict, List

import h5py
import numpy as np
import pytest

from evaluation_script import evaluate
from evaluation_script.errors import AnnotationError, InternalError, SubmissionError
from evaluation_script.receipt import SCHEMA
from evaluation_script.scoring import TRUTH_UNFIT, score
from evaluation_script.suites import DEFAULT_SUITE
from tests.evaluation_script.conftest import children, open_descriptors

GROUP = "mc_maze_small_20"


def call(golden: Path, part: str = "c", phase: str = "val", **kwargs: Any) -> dict:
    return evaluate(
        golden / f"target_{phase}.h5", golden / f"submission_{phase}_{part}.h5", phase, **kwargs
    )


def test_everything_returned_is_strict_json(golden: Path) -> None:
    answer = call(golden, submission_metadata={"id": 1})
    assert set(answer) == {"result", "error", "submission_result", "submission_metadata"}
    json.dumps(answer, allow_nan=False)
    for entry in [*answer["result"], *answer["error"]]:
        assert len(entry) == 1
        for values in entry.values():
            assert all(type(value) is float and math.isfinite(value) for value in values.values())


def test_error_bars_come_for_complete_splits_only(golden: Path, edited: Callable) -> None:
    answer = call(golden)
    scaling = [next(iter(entry)) for entry in answer["error"]]
    assert scaling == ["mc_maze_scaling_split", "mc_maze_scaling_20_split"]
    labels = {f"error_{label}" for label in DEFAULT_SUITE.labels("mc_maze_scaling")}
    assert set(answer["error"][0]["mc_maze_scaling_split"]) == labels
    alone = evaluate(golden / "target_val.h5", edited(lambda file: None), "val")
    assert "error" not in alone
    receipt = alone["submission_metadata"]["groups"][GROUP]["scores"]
    assert all(score["standard_error"] > 0 for score in receipt.values())


def test_test_phase_shows_four_decimals_three_of_errors_and_the_receipt_all(
    golden: Path, capsys: pytest.CaptureFixture
) -> None:
    answer = call(golden, phase="test")
    stdout = capsys.readouterr().out
    for group, scores in answer["submission_metadata"]["groups"].items():
        for key, exact in scores["scores"].items():
            shown = answer["submission_result"]["scores"][group][key]
            assert shown["value"] == round(exact["value"], 4)
            assert shown["standard_error"] == round(exact["standard_error"], 3)
            for full in exact.values():
                assert repr(full)[:9] not in json.dumps(answer["submission_result"])
                assert repr(full)[:9] not in stdout
    for entry in answer["error"]:
        for values in entry.values():
            assert all(value == round(value, 3) for value in values.values())


def test_left_out_metrics_are_told_with_the_reason(
    golden: Path, edited: Callable, capsys: pytest.CaptureFixture
) -> None:
    def change(file: h5py.File) -> None:
        for name in ("eval_rates_heldin_forward", "eval_rates_heldout_forward"):
            del file[GROUP][name]

    answer = evaluate(golden / "target_val.h5", edited(change), "val")
    reason = "no forward predictions were submitted"
    assert answer["submission_result"]["left_out"] == {GROUP: {"fp-bps": reason}}
    assert "[100] fp-bps" not in answer["result"][0]["mc_maze_scaling_20_split"]
    assert f"{GROUP}: fp-bps left out: {reason}" in capsys.readouterr().out


def test_receipt_tells_from_what_the_scores_came(golden: Path) -> None:
    receipt = call(golden)["submission_metadata"]
    assert receipt["schema"] == SCHEMA
    assert receipt["rules_version"] == DEFAULT_SUITE.rules_version
    for name, path in (
        ("submission", golden / "submission_val_c.h5"),
        ("ground_truth", golden / "target_val.h5"),
    ):
        data = path.read_bytes()
        expected = {"sha256": hashlib.sha256(data).hexdigest(), "bytes": len(data)}
        assert receipt["files"][name] == expected
    assert receipt["peak_memory_mib"]["scorer"] > 0
    if sys.platform.startswith("linux"):
        assert 10 < receipt["peak_memory_mib"]["reader"] < 150
    assert receipt["versions"]["numpy"] == np.__version__


def damaged(golden: Path, tmp_path: Path, how: str) -> Path:
    path = tmp_path / "truth.h5"
    if how == "missing":
        return path
    path.write_bytes((golden / "target_val.h5").read_bytes())
    if how == "not HDF5":
        path.write_bytes(b"no ground truth " * 100)
    elif how == "cut short":
        path.write_bytes(path.read_bytes()[:5000])
    else:
        with h5py.File(path, "r+") as file:
            group = file[GROUP]
            if how == "other phase":
                file.attrs["phase"] = "test"
            elif how == "other suite":
                file.attrs["suite"] = "nlb99"
            elif how == "no dataset":
                for name in list(file):
                    del file[name]
            elif how == "trials disagree":
                values = group["eval_behavior"][:-1]
                del group["eval_behavior"]
                group["eval_behavior"] = values
            elif how == "two axes":
                del group["eval_spikes_heldout"]
                group["eval_spikes_heldout"] = np.zeros((13, 35))
            elif how == "a group for an array":
                del group["eval_spikes_heldout"]
                group.create_group("eval_spikes_heldout")
            elif how == "an array for a group":
                del file[GROUP]
                file[GROUP] = np.zeros(3)
            elif how == "negative counts":
                group["eval_spikes_heldout"][0, 0, 0] = -1
            elif how == "index out of range":
                rows = group["eval_cond_idx"][()]
                rows[0] = np.array([999], np.int32)
                group["eval_cond_idx"][0] = rows[0]
    return path


@pytest.mark.parametrize(
    "how",
    [
        "missing",
        "not HDF5",
        "cut short",
        "other phase",
        "other suite",
        "no dataset",
        "trials disagree",
        "two axes",
        "a group for an array",
        "an array for a group",
        "negative counts",
        "index out of range",
    ],
)
def test_unusable_truth_is_the_hosts_error_with_details_in_the_log_alone(
    golden: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture, how: str
) -> None:
    truth = damaged(golden, tmp_path, how)
    with caplog.at_level(logging.ERROR), pytest.raises(AnnotationError) as caught:
        evaluate(truth, golden / "submission_val_c.h5", "val")
    assert "The organizers must mend it" in str(caught.value)
    assert str(tmp_path) not in str(caught.value)
    assert "truth.h5" in caplog.text
    assert caught.value.detail in caplog.text
    assert call(golden)["result"]


def test_truth_that_is_replaced_while_it_is_in_use_gives_no_score(
    golden: Path, tmp_path: Path
) -> None:
    truth, other = tmp_path / "truth.h5", tmp_path / "other.h5"
    for path in (truth, other):
        path.write_bytes((golden / "target_val.h5").read_bytes())
    with h5py.File(other, "r+") as file:
        file[GROUP]["eval_spikes_heldout"][0, 0, 0] += 1
    # As cp -p and rsync do: the time of one on the other.
    os.utime(other, ns=(truth.stat().st_atime_ns, truth.stat().st_mtime_ns))

    def replace(done: int, total: int) -> None:
        if other.exists():
            other.replace(truth)

    with pytest.raises(AnnotationError) as caught:
        score(truth, golden / "submission_val_c.h5", "val", progress=replace)
    assert "changed while it was in use" in caught.value.detail
    # The receipt names what is there now, not what was hashed before.
    receipt = score(truth, golden / "submission_val_c.h5", "val").receipt
    digest = hashlib.sha256(truth.read_bytes()).hexdigest()
    assert receipt["files"]["ground_truth"]["sha256"] == digest


def test_the_phase_may_be_written_as_bytes(golden: Path, tmp_path: Path) -> None:
    truth = tmp_path / "truth.h5"
    truth.write_bytes((golden / "target_val.h5").read_bytes())
    with h5py.File(truth, "r+") as file:
        file.attrs["phase"] = np.bytes_("val")
    assert score(truth, golden / "submission_val_c.h5", "val").groups


@pytest.mark.parametrize("dataset", ["mc_maze_small_20", "dmfc_rsg_20"])
def test_what_the_truth_cannot_serve_is_left_out_and_never_blamed_on_the_rates(
    golden: Path, tmp_path: Path, edited: Callable, caplog: pytest.LogCaptureFixture, dataset: str
) -> None:
    truth = tmp_path / "truth.h5"
    truth.write_bytes((golden / "target_val.h5").read_bytes())
    with h5py.File(truth, "r+") as file:
        group = file[dataset]
        if dataset == "dmfc_rsg_20":
            # Bins that the trials' jitter reaches out of the trial for.
            psth = np.nan_to_num(group["psth"][()])
            group["psth"][()] = psth
            key, reason = "psth R2", "jitter"
        else:
            del group["eval_behavior"]
            key, reason = "vel R2", "eval_behavior missing"

    def change(file: h5py.File) -> None:
        if dataset == "mc_maze_small_20":
            file[dataset]["train_rates_heldin"][0, 0, 0] = np.nan

    path = edited(change) if dataset == GROUP else golden / "submission_val_b.h5"
    with caplog.at_level(logging.ERROR):
        found = score(truth, path, "val").groups[dataset]
    assert found.left_out == {key: TRUTH_UNFIT}
    assert reason in caplog.text


def test_participants_see_no_frame_but_evaluates_own(golden: Path, edited: Callable) -> None:
    path = edited(lambda file: file.create_group("wrong"))
    try:
        evaluate(golden / "target_val.h5", path, "val")
    except SubmissionError:
        shown = traceback.format_exc()
    frames = [line for line in shown.splitlines() if line.lstrip().startswith("File ")]
    assert len(frames) == 2
    assert "evaluate" in frames[1]
    assert "another exception" not in shown
    assert str(path.parent) not in shown.replace(str(Path(__file__).parent), "")


def test_a_fault_of_the_scorer_is_told_without_its_text(
    golden: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def fail(*_: object) -> None:
        raise ZeroDivisionError("secret detail")

    monkeypatch.setattr("evaluation_script.scoring.GroupScorer.finish", fail)
    with pytest.raises(InternalError, match="fault of the server") as caught:
        call(golden)
    assert "secret" not in str(caught.value)
    assert "secret detail" in caplog.text


def test_unknown_phase_is_an_error_for_the_host(golden: Path) -> None:
    with pytest.raises(InternalError, match="phase is not set up"):
        evaluate(golden / "target_val.h5", golden / "submission_val_c.h5", "dev")


def test_no_file_stays_open_and_no_process_behind(golden: Path, edited: Callable) -> None:
    bad = edited(lambda file: file.create_group("wrong"))

    def rounds() -> None:
        call(golden)
        with pytest.raises(SubmissionError):
            evaluate(golden / "target_val.h5", bad, "val")
        with pytest.raises(AnnotationError):
            evaluate(golden / "nowhere.h5", bad, "val")

    rounds()
    descriptors, processes = open_descriptors(), children()
    rounds()
    # What other tests of this process left may go meanwhile.
    assert not open_descriptors() - descriptors
    assert not children() - processes


def test_a_split_with_a_missing_score_has_no_error_bars_and_the_participant_is_told(
    golden: Path, edited: Callable[..., Path]
) -> None:
    group, part = "mc_rtt_20", "val_a"  # alone on its board

    def change(file: h5py.File) -> None:
        for name in ("eval_rates_heldin_forward", "eval_rates_heldout_forward"):
            del file[group][name]

    def note(answer: Dict[str, Any]) -> List[str]:
        notes = answer["submission_result"]["notes"]
        return [one for one in notes if one.startswith("mc_rtt_20_split")]

    whole = evaluate(golden / "target_val.h5", edited(lambda file: None, group, part=part), "val")
    answer = evaluate(golden / "target_val.h5", edited(change, group, part=part), "val")
    assert "mc_rtt_20_split" in {split for entry in whole["error"] for split in entry}
    assert "error" not in answer
    assert "mc_rtt_20_split" in {split for entry in answer["result"] for split in entry}
    assert note(whole) == []
    assert note(answer) == [
        "mc_rtt_20_split: EvalAI shows no error bars of this entry there, because fp-bps is "
        "missing; among equal scores it is placed first"
    ]

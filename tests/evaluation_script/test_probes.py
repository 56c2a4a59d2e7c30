"""Every golden probe: scored as the reference does, or refused or left out for a stated reason.

``SCORED``: the same result as the reference. ``REFUSED``: the reference stops with a bare
exception, or gives a result that the benchmark's rules do not want; the text is part of our
message. ``LEFT_OUT``: the reference stops, or gives NaN or infinity, for one metric; we leave out
that metric alone and say so.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, Callable, Dict, List

import h5py
import numpy as np
import pytest

from evaluation_script import evaluate
from evaluation_script.errors import SubmissionError
from evaluation_script.metrics import bits_per_spike
from tests.evaluation_script.conftest import flat

SCORED = [
    "no_forward",
    "one_dataset",
    "heldout_forward_only",
    "zero_rates",
    "zero_rates_as_1e-9",
    "all_zero_heldout",
    "nan_where_target_nan",
    "nan_where_target_nan_all_units",
    "nan_heldin_dmfc_outlier_trial",
    "nan_train_where_behavior_nan",
    "negative_heldin",
    "dmfc_without_train_rates",
    "target_lacks_dataset",
    "int_rates",
    "constant_rates",
    "target_without_psth",
    "target_without_forward",
    "dmfc_group_of_two",
    "target_nan_one_unit",
    "area2_one_train_trial",
    "behavior_nan_column0_only",
    "psth_condition_all_nan",
    "psth_constant_unit",
    "psth_constant_unit_matched",
    "two_binwidths_order",
]

REFUSED = {
    "heldin_forward_only": "mc_maze_small_20: eval_rates_heldout_forward is missing",
    "nan_heldout_where_target_finite": "dmfc_rsg_20/eval_rates_heldout: 1 NaN",
    "nan_heldin_dmfc": "dmfc_rsg_20/eval_rates_heldin: 1 NaN",
    "nan_heldin_maze": "mc_maze_small_20/eval_rates_heldin: 1 NaN",
    "nan_train_maze": "mc_maze_small_20/train_rates_heldin: 1 NaN",
    "negative_heldout": "mc_maze_small_20/eval_rates_heldout: 1 negative",
    "negative_forward": "eval_rates_heldin_forward: 1 negative",
    "shape_heldout_trials": "eval_rates_heldout: shape (12, 35, 5), expected (13, 35, 5)",
    "shape_heldin_trials": "eval_rates_heldin: shape (12, 35, 12), expected (13, 35, 12)",
    "shape_train_heldin_trials": "train_rates_heldin: shape (23, 35, 12), expected (24, 35, 12)",
    "shape_heldout_time": "eval_rates_heldout: shape (13, 34, 5), expected (13, 35, 5)",
    "shape_heldin_time": "eval_rates_heldin: shape (13, 34, 12), expected (13, 35, 12)",
    "shape_train_heldin_time": "train_rates_heldin: shape (24, 34, 12), expected (24, 35, 12)",
    "shape_heldout_units": "eval_rates_heldout: shape (13, 35, 4), expected (13, 35, 5)",
    "shape_heldin_units": "eval_rates_heldin: shape (13, 35, 11), expected (13, 35, 12)",
    "shape_train_heldin_units": "train_rates_heldin: shape (24, 35, 11), expected (24, 35, 12)",
    "shape_train_both_trials": "train_rates_heldout: shape (23, 35, 5), expected (24, 35, 5)",
    "shape_heldin_units_both": "eval_rates_heldin: shape (13, 35, 11), expected (13, 35, 12)",
    # The reference scores it: without a PSTH nothing there counts the held-in neurons.
    "shape_heldin_units_both_rtt": "eval_rates_heldin: shape (20, 30, 11), expected (20, 30, 12)",
    "shape_forward_heldin_time": "eval_rates_heldin_forward: shape (13, 9, 12)",
    "shape_forward_both_time": "eval_rates_heldout_forward: shape (13, 9, 5), expected (13, 10, 5)",
    # The reference passes over the dataset in silence.
    "missing_eval_rates_heldout": "mc_maze_small_20: eval_rates_heldout is missing",
    "missing_eval_rates_heldin": "mc_maze_small_20: eval_rates_heldin is missing",
    "missing_train_rates_heldin": "train_rates_heldin is missing (required)",
    "missing_train_rates_heldout": "train_rates_heldout is missing (required)",
    # The reference ignores unknown groups: a misspelt dataset would just vanish.
    "unknown_groups": "not a dataset of this benchmark; did you mean",
    "empty_submission": "nothing to score",
    "inf_rate_zero_spikes": "NaN or infinite values",
    "inf_heldin": "NaN or infinite values",
    "one_bad_dataset_kills_all": "mc_maze_small_20/eval_rates_heldout: 1 negative",
}

#: probe -> (metric that is left out, scores that remain)
LEFT_OUT = {
    "constant_rates_dmfc": ("tp corr", {"co-bps", "psth R2", "fp-bps"}),
    "dmfc_group_of_one": ("tp corr", {"co-bps", "psth R2", "fp-bps"}),
    "dmfc_tp_nan": ("tp corr", {"co-bps", "psth R2", "fp-bps"}),
    "no_spikes": ("co-bps", {"vel R2", "psth R2", "fp-bps"}),
    "area2_empty_group": ("vel R2", {"co-bps", "psth R2", "fp-bps"}),
    "behavior_nan_column1_only": ("vel R2", {"co-bps", "fp-bps"}),
    "psth_nan_not_unit0": ("psth R2", {"co-bps", "vel R2", "fp-bps"}),
}

FUNCTIONS = {
    "dict_inputs_not_mutated",
    "bits_per_spike_mutates",
    "bits_per_spike_no_mutation_with_nan_spikes",
    "path_object",
    "missing_file",
}


@pytest.fixture(scope="module")
def probes(golden_json: Callable[[str], Any]) -> Dict[str, Any]:
    return golden_json("probes.json")


def _evaluate(golden: Path, probe: Dict[str, Any]) -> Dict[str, Any]:
    target = probe["target"].replace("golden_target", "target")
    return evaluate(golden / target, golden / probe["submission"], "val")


def test_every_probe_is_in_the_table(probes: Dict[str, Any]) -> None:
    tables: List[Any] = [SCORED, REFUSED, LEFT_OUT, FUNCTIONS]
    named = [name for table in tables for name in table]
    assert sorted(named) == sorted(probes)


@pytest.mark.parametrize("name", SCORED)
def test_probe_scores_as_the_reference(golden: Path, probes: Dict[str, Any], name: str) -> None:
    found = flat(_evaluate(golden, probes[name])["result"])
    expected = flat(probes[name]["result"])
    assert list(found) == list(expected)
    assert found == pytest.approx(expected, abs=1e-9, rel=0)


@pytest.mark.parametrize("name", sorted(REFUSED))
def test_probe_is_refused_with_a_reason(golden: Path, probes: Dict[str, Any], name: str) -> None:
    with pytest.raises(SubmissionError) as caught:
        _evaluate(golden, probes[name])
    assert REFUSED[name] in str(caught.value)
    assert str(golden) not in str(caught.value)


@pytest.mark.parametrize("name", sorted(LEFT_OUT))
def test_probe_leaves_out_one_metric_alone(golden: Path, probes: Dict[str, Any], name: str) -> None:
    answer = _evaluate(golden, probes[name])
    metric, remaining = LEFT_OUT[name]
    [(group, reasons)] = answer["submission_result"]["left_out"].items()
    assert metric in reasons
    assert set(answer["submission_result"]["scores"][group]) == remaining
    expected = flat(probes[name].get("result") or [])
    for key, value in flat(answer["result"]).items():
        assert np.isfinite(value)
        if key in expected:
            assert value == pytest.approx(float(expected[key]), abs=1e-9, rel=0)


def test_bits_per_spike_counts_zeros_as_1e9_and_leaves_the_callers_array_alone(
    golden: Path, probes: Dict[str, Any]
) -> None:
    with (
        h5py.File(golden / "probes" / "zero_rates.h5") as submission,
        h5py.File(golden / "target_val.h5") as target,
    ):
        rates = submission["mc_maze_small_20/eval_rates_heldout"][()].astype(float)
        spikes = target["mc_maze_small_20/eval_spikes_heldout"][()].astype(float)
    before = rates.copy()
    expected = probes["bits_per_spike_mutates"]["value"]
    assert bits_per_spike(rates, spikes) == pytest.approx(expected, abs=1e-12)
    assert np.array_equal(rates, before)
    spikes[0, 0, 0] = np.nan
    expected = probes["bits_per_spike_no_mutation_with_nan_spikes"]["value"]
    assert bits_per_spike(rates, spikes) == pytest.approx(expected, abs=1e-12)
    assert np.array_equal(rates, before)


def test_scores_with_zeros_in_heldout_rates_alone(
    golden: Path, probes: Dict[str, Any], edited: Callable[..., Path]
) -> None:
    with h5py.File(golden / "probes" / "zero_rates.h5") as source:
        zeros = {
            name: source[f"mc_maze_small_20/{name}"][()]
            for name in ("eval_rates_heldout", "eval_rates_heldin_forward")
        }

    def change(file: h5py.File) -> None:
        for name, values in zeros.items():
            file["mc_maze_small_20"][name][...] = values

    found = flat(evaluate(golden / "target_val.h5", edited(change), "val")["result"])
    expected = flat(probes["dict_inputs_not_mutated"]["result"])
    key = ("mc_maze_scaling_20_split", "[100] co-bps")
    assert found[key] == pytest.approx(expected[key], abs=1e-9, rel=0)


def test_paths_may_be_objects_and_a_missing_file_is_an_error_without_its_path(
    golden: Path, tmp_path: Path
) -> None:
    assert evaluate(golden / "target_val.h5", golden / "probes" / "one_dataset.h5", "val")["result"]
    with pytest.raises(Exception, match="submit it again") as caught:
        evaluate(golden / "target_val.h5", tmp_path / "nope.h5", "val")
    assert "nope" not in str(caught.value)

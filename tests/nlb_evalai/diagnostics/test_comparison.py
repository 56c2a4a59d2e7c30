"""Comparisons tell real differences, say where they are, and seldom cry wolf."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any, Tuple

import numpy as np
import pytest
from click.testing import CliRunner

from evaluation_script.errors import SubmissionError
from evaluation_script.metrics import bits_per_spike
from evaluation_script.metrics.jackknife import jackknife_error
from nlb_evalai import compare
from nlb_evalai.cli import cli
from nlb_evalai.diagnostics.comparison import Comparison, names_of, trials_needed
from nlb_evalai.errors import ToolError
from nlb_evalai.paired import Difference, holm
from tests.nlb_evalai.diagnostics.five_models import BROKEN, N_HELDIN, Files, Simulated
from tests.nlb_evalai.diagnostics.type_one import METRICS, p_values
from tests.paths import GOLDEN

COMPARED = ("true", "broken neuron", "condition mean")


@pytest.fixture(scope="module")
def compared(five: Tuple[Files, Simulated]) -> Comparison:
    files = five[0]
    return compare([files.submissions[name] for name in COMPARED], files.truth, suite=files.suite)


def test_all_pairs_are_compared_with_paired_errors(
    compared: Comparison, five: Tuple[Files, Simulated]
) -> None:
    simulated = five[1]
    assert compared.submissions == ["true.h5", "broken_neuron.h5", "condition_mean.h5"]
    pairs = [(row.first, row.second) for row in compared.scores if row.metric == "co-bps"]
    first, second, third = compared.submissions
    assert pairs == [(first, second), (first, third), (second, third)]
    row = compared.scores[0]
    spikes = simulated.spikes["val"][..., N_HELDIN:]
    rates = [
        model("val").astype(np.float32)[..., N_HELDIN:]
        for model in (simulated.rates.get, simulated.broken)
    ]
    left = []
    for trial in range(len(spikes)):
        rest = [np.delete(one, trial, axis=0) for one in (*rates, spikes)]
        left.append(bits_per_spike(rest[0], rest[2]) - bits_per_spike(rest[1], rest[2]))
    n = len(left)
    expected = np.sqrt((n - 1) / n * np.square(left - np.mean(left)).sum())
    assert row.difference == pytest.approx(
        bits_per_spike(rates[0], spikes) - bits_per_spike(rates[1], spikes), abs=1e-9
    )
    assert row.standard_error == pytest.approx(expected, rel=1e-6)
    assert row.n_trials == n


def test_p_values_are_corrected_for_all_that_is_compared(compared: Comparison) -> None:
    known = [row for row in compared.scores if row.p_value is not None]
    assert compared.n_tests == len(known) == 9
    corrected = holm([row.p_value for row in known])  # type: ignore[misc]
    assert [row.p_holm for row in known] == pytest.approx(corrected)
    assert all(row.p_holm >= row.p_value for row in known)  # type: ignore[operator]


def test_a_broken_neuron_is_where_two_models_differ(compared: Comparison) -> None:
    where = compared.where[0]
    assert (where.first, where.second) == ("true.h5", "broken_neuron.h5")
    worst = where.neurons[0]
    assert worst.number == BROKEN
    assert worst.p_holm is not None
    assert worst.p_holm < 0.001
    clear = [one for one in where.neurons if one.p_holm is not None and one.p_holm < 0.05]
    assert len(clear) == 1
    total = compared.scores[0].difference
    for places in (where.neurons, where.conditions):
        assert sum(one.difference for one in places) == pytest.approx(total, abs=1e-9)
        sizes = [abs(one.difference) for one in places]
        assert sizes == sorted(sizes, reverse=True)


def test_a_conditions_error_bar_is_over_its_own_trials(
    compared: Comparison, five: Tuple[Files, Simulated]
) -> None:
    simulated = five[1]
    spikes = simulated.spikes["val"][..., N_HELDIN:]
    first, second = (
        model("val").astype(np.float32)[..., N_HELDIN:].astype(float)
        for model in (simulated.rates.__getitem__, simulated.condition_mean)
    )
    gain = (spikes * np.log(first / second) - first + second).sum(axis=(1, 2)) / np.log(2)
    counts = spikes.sum(axis=(1, 2))
    where = compared.where[1]
    for place in where.conditions[:3]:
        own = np.flatnonzero(simulated.condition("val") == place.number)
        assert place.difference == pytest.approx(gain[own].sum() / counts.sum(), rel=1e-6)
        rest = [np.delete(own, i) for i in range(len(own))]
        left = np.array([gain[one].sum() / counts[one].sum() for one in rest])
        share = counts[own].sum() / counts.sum()
        assert place.standard_error == pytest.approx(jackknife_error(left) * share, rel=1e-6)


def test_of_two_files_that_are_the_same_nothing_differs(five, tmp_path: Path) -> None:
    files, _ = five
    paths = [files.submissions["true"]]
    for folder in ("a", "b"):
        (tmp_path / folder).mkdir()
        paths.append(Path(shutil.copy(paths[0], tmp_path / folder / "true.h5")))
    found = compare(paths[1:], files.truth, suite=files.suite)
    assert found.submissions == [str(path) for path in paths[1:]]
    for row in found.scores:
        assert (row.difference, row.p_value, row.trials_needed) == (0.0, 1.0, None)
    assert names_of([paths[0], paths[0]]) == [f"{n}: {paths[0]}" for n in (1, 2)]


def test_so_many_trials_tell_a_difference_four_times_out_of_five() -> None:
    rng = np.random.default_rng(0)
    effect, spread, n = 0.3, 1.0, 20
    needed = trials_needed(Difference(effect, spread / np.sqrt(n), n), n)
    assert needed is not None
    draws = rng.normal(effect, spread, (4000, needed))
    z = draws.mean(axis=1) / (draws.std(axis=1, ddof=1) / np.sqrt(needed))
    assert np.mean(np.abs(z) > 1.96) == pytest.approx(0.8, abs=0.03)
    assert trials_needed(Difference(0.0, 1.0, 20), 20) is None
    assert trials_needed(Difference(0.1, None, 20), 20) is None


@pytest.mark.parametrize(
    ("key", "n_sessions", "n_trials"),
    [("co-bps", 200, 60), ("vel R2", 120, 60), ("psth R2", 150, 60)],
)
def test_equal_models_are_told_apart_as_often_as_the_level_says(
    key: str, n_sessions: int, n_trials: int
) -> None:
    found = p_values(METRICS[key], n_sessions, n_trials)
    assert 0.03 <= np.mean(found < 0.05) <= 0.07
    assert 0.4 <= np.mean(found < 0.5) <= 0.6


def run(*arguments: Any) -> Any:
    return CliRunner().invoke(cli, [str(one) for one in arguments])


def test_files_without_a_common_group_are_compared_in_nothing() -> None:
    paths = [GOLDEN / f"submission_val_{letter}.h5" for letter in "ab"]
    truth = ["--annotations", GOLDEN / "target_val.h5", "--phase", "val"]
    answer = json.loads(run("compare", *paths, *truth, "--json").output)
    assert answer["submissions"] == [path.name for path in paths]
    assert (answer["scores"], answer["n_tests"]) == ([], 0)
    assert answer["left_out"][0] == "mc_maze: submission_val_b.h5 has none"
    alone = run("compare", paths[0], *truth)
    assert alone.exit_code == 2
    assert "name two submissions or more" in alone.output


def test_a_difference_is_shown_with_its_place(compared: Comparison, capsys: Any) -> None:
    from nlb_evalai.cli.compare import _show

    _show(compared)
    told = capsys.readouterr().out
    assert "true.h5 less broken_neuron.h5" in told
    assert "mc_maze  co-bps   0.2580  0.1729  0.0851 ±" in told
    assert f"neurons that differ clearly (1 of 12): number {BROKEN}, 0.0851" in told
    assert "p is corrected for all 9 differences (Holm)" in told


def test_a_submission_at_fault_is_named(tmp_path: Path) -> None:
    bad = tmp_path / "bad.h5"
    bad.write_text("no HDF5")
    with pytest.raises(SubmissionError, match=r"bad\.h5: "):
        compare([bad, GOLDEN / "submission_val_a.h5"], GOLDEN / "target_val.h5", phase="val")


def test_one_submission_is_too_few() -> None:
    with pytest.raises(ToolError, match="two or more"):
        compare([GOLDEN / "submission_val_a.h5"], GOLDEN / "target_val.h5", phase="val")

"""Structure and values of a submission: every problem named at once, in words that help."""

from __future__ import annotations

from pathlib import Path
from typing import Callable

import h5py
import numpy as np
import pytest

from evaluation_script import evaluate
from evaluation_script.errors import MAX_PROBLEMS_LISTED, SubmissionError
from evaluation_script.scoring import score
from evaluation_script.suites import DEFAULT_SUITE

GROUP = "mc_maze_small_20"
Edited = Callable[..., Path]


def rejection(golden: Path, path: Path, phase: str = "val") -> str:
    with pytest.raises(SubmissionError) as caught:
        evaluate(golden / f"target_{phase}.h5", path, phase)
    return str(caught.value)


def replace(file: h5py.File, name: str, values: np.ndarray, **options: object) -> None:
    del file[GROUP][name]
    file[GROUP].create_dataset(name, data=values, **options)


def test_three_mistakes_get_one_error_that_names_all_three(golden: Path, edited: Edited) -> None:
    def change(file: h5py.File) -> None:
        replace(file, "eval_rates_heldout", file[GROUP]["eval_rates_heldout"][..., :-1])
        del file[GROUP]["train_rates_heldin"]
        file["mc_mase"] = 1.0

    assert rejection(golden, edited(change)).splitlines() == [
        "submission rejected, 3 problems:",
        "  mc_mase: not a dataset of this benchmark; did you mean mc_maze?",
        f"  {GROUP}: train_rates_heldin is missing (required)",
        f"  {GROUP}/eval_rates_heldout: shape (13, 35, 4), expected (13, 35, 5) "
        "(trials, 20 ms bins, held-out neurons)",
    ]


def test_bad_values_of_several_arrays_are_all_named(golden: Path, edited: Edited) -> None:
    def change(file: h5py.File) -> None:
        file[GROUP]["train_rates_heldin"][20, 3, 1] = np.inf
        file[GROUP]["eval_rates_heldout"][2, 1, 4] = -1.0
        file[GROUP]["eval_rates_heldout"][2, 2, 4] = -1.0
        file[GROUP]["eval_rates_heldin_forward"][0, 0, 0] = np.nan

    message = rejection(golden, edited(change))
    assert "3 problems" in message
    assert f"{GROUP}/train_rates_heldin: 1 NaN or infinite values, first at trial 20" in message
    assert f"{GROUP}/eval_rates_heldout: 2 negative rates, first at trial 2, bin 1" in message
    assert f"{GROUP}/eval_rates_heldin_forward: 1 NaN" in message


@pytest.mark.parametrize("dtype", ["f2", "f4", ">f8"])
@pytest.mark.parametrize("value", [np.inf, -np.inf])
def test_an_infinite_rate_is_refused_in_every_number_type(
    golden: Path, edited: Edited, dtype: str, value: float
) -> None:
    def change(file: h5py.File) -> None:
        values = file[GROUP]["train_rates_heldout"][()].astype(dtype)
        values[3, 2, 1] = value
        replace(file, "train_rates_heldout", values)

    message = rejection(golden, edited(change))
    assert f"{GROUP}/train_rates_heldout: 1 NaN or infinite values, first at trial 3" in message


def test_nan_in_an_unscored_bin_is_fine_in_val_and_refused_in_test(
    golden: Path, edited: Edited
) -> None:
    group = "dmfc_rsg_20"
    for phase in ("val", "test"):
        with h5py.File(golden / f"target_{phase}.h5") as target:
            unscored = np.isnan(target[group]["eval_spikes_heldout"][()])

        def change(file: h5py.File, unscored: np.ndarray = unscored) -> None:
            rates = file[group]["eval_rates_heldout"][()]
            rates[unscored] = np.nan
            file[group]["eval_rates_heldout"][...] = rates

        path = edited(change, group, part=f"{phase}_b")
        if phase == "val":
            assert score(golden / "target_val.h5", path, phase).groups[group].scores
        else:
            message = rejection(golden, path, phase)
            assert "every value must be finite" in message
            assert "scored" not in message


def test_negative_rates_are_refused_even_where_unscored(golden: Path, edited: Edited) -> None:
    group = "dmfc_rsg_20"
    with h5py.File(golden / "target_test.h5") as target:
        unscored = np.argwhere(np.isnan(target[group]["eval_spikes_heldout"][()]))[0]

    def change(file: h5py.File) -> None:
        file[group]["eval_rates_heldout"][tuple(unscored)] = -0.5

    message = rejection(golden, edited(change, group, part="test_b"), "test")
    assert f"{group}/eval_rates_heldout: 1 negative" in message


def test_axes_written_by_matlab_are_recognized(golden: Path, edited: Edited) -> None:
    message = rejection(
        golden,
        edited(
            lambda file: replace(file, "eval_rates_heldin", file[GROUP]["eval_rates_heldin"][()].T)
        ),
    )
    assert "the axes are reversed, as MATLAB and Julia write them" in message


@pytest.mark.parametrize(
    ("values", "found"),
    [
        (np.full((13, 35, 5), b"a"), "string"),
        (np.full((13, 35, 5), 1 + 1j), "compound"),
        (np.full((13, 35, 5), True), "booleans"),
        (np.full((35, 5), 0.1), "shape (35, 5)"),
        (np.float64(0.1), "no shape"),
        (np.full((13, 35, 5), 0.1, np.longdouble), "dtype"),
    ],
)
def test_elements_that_are_no_real_numbers_and_wrong_shapes_are_named(
    golden: Path, edited: Edited, values: np.ndarray, found: str
) -> None:
    path = edited(lambda file: replace(file, "eval_rates_heldout", values))
    assert found in rejection(golden, path)


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"chunks": (1, 35, 5)},
        {"chunks": (13, 7, 2), "compression": "gzip", "shuffle": True},
        {"chunks": (5, 35, 5), "compression": "gzip", "fletcher32": True},
        {"chunks": (4, 3, 5), "compression": "lzf"},
        {"chunks": (4, 35, 3), "compression": "gzip"},
        {"dtype": ">f4"},
        {"dtype": "f8", "compression": "gzip"},
        {"maxshape": (None, None, None), "chunks": (16, 64, 8), "compression": "gzip"},
    ],
    ids=str,
)
def test_every_ordinary_way_of_storing_an_array_gives_the_same_scores(
    golden: Path, edited: Edited, options: dict
) -> None:
    expected = score(golden / "target_val.h5", edited(lambda file: None), "val").groups[GROUP]

    def change(file: h5py.File) -> None:
        for name in list(file[GROUP]):
            kept = dict(options)
            if "chunks" in kept:
                shape = file[GROUP][name].shape
                limit = shape if "maxshape" not in kept else (999,) * 3
                kept["chunks"] = tuple(map(min, kept["chunks"], limit))
            replace(file, name, file[GROUP][name][()], **kept)

    found = score(golden / "target_val.h5", edited(change), "val").groups[GROUP]
    assert found.scores.keys() == expected.scores.keys()
    for key, value in expected.scores.items():
        assert found.scores[key].value == pytest.approx(value.value, abs=1e-12, rel=0)


def test_a_file_with_a_user_block_is_read_like_any_other(
    golden: Path, edited: Edited, tmp_path: Path
) -> None:
    plain = edited(lambda file: None)
    matlab = tmp_path / "with_user_block.h5"
    with h5py.File(plain) as source, h5py.File(matlab, "w", userblock_size=512) as new:
        source.copy(GROUP, new)
    expected, found = (score(golden / "target_val.h5", p, "val").groups for p in (plain, matlab))
    assert found[GROUP].scores == expected[GROUP].scores


def test_names_from_the_file_are_escaped_and_cut(golden: Path, edited: Edited) -> None:
    path = edited(lambda file: file.create_group("evil\x1b[31m\n<script>" + "x" * 500))
    message = rejection(golden, path)
    assert "\x1b" not in message
    assert "x" * 100 not in message
    assert len(message.splitlines()) == 2


def test_a_long_list_of_problems_is_capped_and_counted(golden: Path, edited: Edited) -> None:
    def change(file: h5py.File) -> None:
        for index in range(MAX_PROBLEMS_LISTED + 9):
            file.create_group(f"no dataset {index}")

    lines = rejection(golden, edited(change)).splitlines()
    assert lines[0] == f"submission rejected, {MAX_PROBLEMS_LISTED + 9} problems:"
    assert lines[-1] == "  and 9 more"
    assert len(lines) == MAX_PROBLEMS_LISTED + 2


def test_a_dataset_that_is_no_group_is_refused_even_where_it_is_not_scored(
    golden: Path, edited: Edited, tmp_path: Path
) -> None:
    truth = tmp_path / "target_val.h5"
    with h5py.File(golden / "target_val.h5") as whole, h5py.File(truth, "w") as part:
        whole.copy(GROUP, part)
    path = edited(lambda file: file.create_dataset("mc_rtt", data=[1.0]))
    assert "mc_rtt: found a dataset, expected a group" in rejection(tmp_path, path)


def test_unknown_arrays_are_ignored_and_reported(golden: Path, edited: Edited) -> None:
    path = edited(lambda file: file[GROUP].create_dataset("my_notes", data=[1.0]))
    notes = score(golden / "target_val.h5", path, "val").notes
    assert f"{GROUP}: ignored, not used by this benchmark: my_notes" in notes


def test_negative_heldin_rates_and_exact_zeros_are_reported(golden: Path, edited: Edited) -> None:
    def change(file: h5py.File) -> None:
        file[GROUP]["eval_rates_heldin"][0, 0, 0] = -0.5
        file[GROUP]["eval_rates_heldout"][0, :2, 0] = 0.0

    notes = score(golden / "target_val.h5", edited(change), "val").notes
    assert f"{GROUP}/eval_rates_heldin: 1 negative rates; is that meant?" in notes
    assert f"{GROUP}/eval_rates_heldout: 2 rates are exactly 0 and count as 1e-9" in notes
    assert any("without [500] co-bps" in note and "ranks this entry as 0" in note for note in notes)


def test_a_dataset_the_phase_does_not_score_is_left_out_or_refused_if_alone(
    golden: Path, edited: Edited, tmp_path: Path
) -> None:
    truth = tmp_path / "truth.h5"
    with h5py.File(golden / "target_val.h5") as source, h5py.File(truth, "w") as new:
        source.copy(GROUP, new)
    both = edited(lambda file: None, GROUP, "mc_maze_large_20")
    card = score(truth, both, "val")
    assert list(card.groups) == [GROUP]
    assert "mc_maze_large_20: left out, this phase does not score it" in card.notes
    alone = edited(lambda file: None, "mc_maze_large_20")
    with pytest.raises(SubmissionError, match="nothing to score: this phase does not score"):
        score(truth, alone, "val")


def test_without_a_hint_of_the_number_heldin_arrays_must_agree(
    golden: Path, edited: Edited, tmp_path: Path
) -> None:
    truth = tmp_path / "truth.h5"
    with h5py.File(golden / "target_val.h5") as source, h5py.File(truth, "w") as new:
        source.copy(GROUP, new)
        for name in ("psth", "eval_spikes_heldin_forward", "eval_spikes_heldout_forward"):
            del new[GROUP][name]
    card = score(truth, edited(lambda file: None), "val")
    assert set(card.groups[GROUP].scores) == {"co-bps", "vel R2"}
    path = edited(
        lambda file: replace(file, "eval_rates_heldin", file[GROUP]["eval_rates_heldin"][..., 1:])
    )
    with pytest.raises(SubmissionError, match="numbers of held-in neurons differ"):
        score(truth, path, "val")


def test_held_in_neurons_are_those_of_the_published_session(
    golden: Path, edited: Edited, tmp_path: Path
) -> None:
    """Where truth does not tell, and is of that session: else participants could choose."""
    published = DEFAULT_SUITE.groups()[GROUP][0].published
    assert published.n_heldin
    assert published.n_heldout
    truth = tmp_path / "truth.h5"
    rng = np.random.default_rng(0)
    with h5py.File(golden / "target_val.h5") as source, h5py.File(truth, "w") as new:
        trials, bins, _ = source[GROUP]["eval_spikes_heldout"].shape
        spikes = rng.poisson(0.3, (trials, bins, published.n_heldout)).astype("f4")
        new[f"{GROUP}/eval_spikes_heldout"] = spikes

    def with_heldin(count: int) -> Path:
        def change(file: h5py.File) -> None:
            replace(file, "eval_rates_heldin", np.full((trials, bins, count), 0.1))
            replace(file, "eval_rates_heldout", spikes + 0.1)
            for name in ("train_rates_heldin", "train_rates_heldout"):
                del file[GROUP][name]

        return edited(change)

    expected = f"({trials}, {bins}, {published.n_heldin}) (trials, 20 ms bins, held-in neurons)"
    for count in (1, published.n_heldin - 1, 3 * published.n_heldin):
        with pytest.raises(SubmissionError) as caught:
            score(truth, with_heldin(count), "val")
        found = f"{GROUP}/eval_rates_heldin: shape ({trials}, {bins}, {count}), expected {expected}"
        assert found in str(caught.value)
    assert score(truth, with_heldin(published.n_heldin), "val").groups[GROUP].scores


def test_a_file_of_nothing_that_is_scored_is_told_what_is(
    golden: Path, edited: Edited, tmp_path: Path
) -> None:
    truth = tmp_path / "truth.h5"
    with h5py.File(golden / "target_val.h5") as source, h5py.File(truth, "w") as new:
        for name in ("mc_maze_large_20", GROUP):
            source.copy(name, new)

    def only(name: str) -> Callable[[h5py.File], None]:
        def change(file: h5py.File) -> None:
            file.clear()
            if name:
                file.create_group(name)

        return change

    for name in ("", "mc_rtt"):
        with pytest.raises(SubmissionError) as caught:
            score(truth, edited(only(name)), "val")
        message = str(caught.value)
        assert "nothing to score" in message
        assert name in message
        assert message.endswith(f"expected one or more of the groups mc_maze_large_20, {GROUP}")


def test_a_bad_first_dataset_does_not_hide_what_is_wrong_with_the_next(
    golden: Path, edited: Edited
) -> None:
    def change(file: h5py.File) -> None:
        file["mc_maze_large_20"]["train_rates_heldin"][...] = np.nan
        file[GROUP]["eval_rates_heldout"][0, 0, 0] = -1.0

    message = rejection(golden, edited(change, "mc_maze_large_20", GROUP))
    assert "mc_maze_large_20/train_rates_heldin" in message
    assert f"{GROUP}/eval_rates_heldout: 1 negative" in message


def test_overlooked_nan_are_told_in_val(golden: Path, edited: Edited) -> None:
    group = "dmfc_rsg_20"
    with h5py.File(golden / "target_val.h5") as target:
        unscored = np.argwhere(np.isnan(target[group]["eval_spikes_heldout"][()]))[0]

    def change(file: h5py.File) -> None:
        file[group]["eval_rates_heldout"][tuple(unscored)] = np.nan

    card = score(golden / "target_val.h5", edited(change, group, part="val_b"), "val")
    assert f"{group}/eval_rates_heldout: 1 NaN in bins that no metric uses" in card.notes


@pytest.mark.parametrize("rate", [2e6, -1e22, 3e38])
def test_rates_beyond_any_neuron_are_refused(golden: Path, edited: Edited, rate: float) -> None:
    def change(file: h5py.File) -> None:
        file[GROUP]["train_rates_heldin"][20, 3, 1] = rate

    message = rejection(golden, edited(change))
    assert f"{GROUP}/train_rates_heldin: 1 values beyond 1e+06 spikes per bin" in message
    assert "first at trial 20, bin 3, neuron 1" in message

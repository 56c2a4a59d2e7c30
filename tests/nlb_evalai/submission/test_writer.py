"""A submission that is written here is what the server takes, or is not there at all."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path
from typing import Any, Dict

import h5py
import numpy as np
import pytest

from evaluation_script.arrays import RATE_ARRAYS
from evaluation_script.submission.layout import published_layouts
from evaluation_script.suites import DEFAULT_SUITE, load
from nlb_evalai.errors import ProblemsError, ToolError
from nlb_evalai.submission import Writer, save
from nlb_evalai.submission.check import check_submission
from tests.paths import FINGERS, GOLDEN


def rates_of(group: str, phase: str = "val") -> Dict[str, np.ndarray]:
    """Fit rates of the official shapes, by the arrays' names in files."""
    layout = published_layouts(DEFAULT_SUITE, phase)[group]
    rng = np.random.default_rng(1)
    return {
        array.name: (rng.integers(1, 9, [n or 5 for n in layout.shape(array)]) / 16).astype(
            np.float32
        )
        for part in (*layout.required(), *layout.optional())
        for array in part.arrays
    }


def keywords(rates: Dict[str, np.ndarray]) -> Dict[str, Any]:
    return {name.replace("_rates", ""): values for name, values in rates.items()}


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "out" / "s.h5"


@pytest.fixture(autouse=True)
def folder(path: Path) -> None:
    path.parent.mkdir()


def left(path: Path) -> list:
    return sorted(one.name for one in path.parent.iterdir())


def test_what_is_written_is_read_back_whole_and_taken_by_the_check(path: Path) -> None:
    rates = rates_of("mc_maze_small_20")
    with Writer(path, phase="val") as writer:
        writer.add("mc_maze_small", bin_width_ms=20, **keywords(rates))
    report = check_submission(path, "val")
    assert report.accepted
    assert report.would_score["mc_maze_small_20"][0] == "co-bps"
    assert writer.notes == []
    assert all("board" in note or "_split: " in note for note in report.notes)
    with h5py.File(path) as file:
        for name, values in rates.items():
            array = file[f"mc_maze_small_20/{name}"]
            np.testing.assert_array_equal(array[()], values)
            assert (array.dtype, array.compression, array.shuffle) == (np.float32, "gzip", True)
            assert array.chunks[1:] == array.shape[1:]


@pytest.mark.parametrize("step", [1, 7, 30, 1000])
def test_blocks_of_any_size_make_the_same_file_as_whole_arrays(path: Path, step: int) -> None:
    rates = rates_of("mc_maze_small_20")
    with Writer(path, phase="val") as writer:
        blocks = {n: [v[i : i + step] for i in range(0, len(v), step)] for n, v in rates.items()}
        writer.add_group("mc_maze_small_20", {n: iter(each) for n, each in blocks.items()})
    in_blocks = path.read_bytes()
    save(path, {"mc_maze_small_20": rates}, phase="val")
    assert path.read_bytes() == in_blocks


def test_memory_maps_and_arrays_of_another_file_are_read_in_blocks(path: Path) -> None:
    rates = rates_of("mc_maze_small_20")
    mapped = {}
    for name, values in rates.items():
        np.save(path.parent / f"{name}.npy", values.astype(np.float64))
        mapped[name] = np.load(path.parent / f"{name}.npy", mmap_mode="r")
    save(path, {"mc_maze_small_20": rates}, phase="val")
    first = path.read_bytes()
    save(path, {"mc_maze_small_20": mapped}, phase="val")
    assert path.read_bytes() == first
    with h5py.File(path) as other:
        save(path.parent / "again.h5", other, phase="val")
    assert (path.parent / "again.h5").read_bytes() == first


PROBES = sorted(one for one in (GOLDEN / "probes").glob("*.h5") if "_target" not in one.stem)


@pytest.mark.parametrize("probe", PROBES[1::4], ids=lambda one: one.stem)
def test_what_the_check_refuses_is_refused_in_its_words(path: Path, probe: Path) -> None:
    """The probes have the small sample's shapes, and faults, and are held against official ones."""
    groups = DEFAULT_SUITE.groups()
    with h5py.File(probe) as file:
        arrays = {
            group: {name: a[()] for name, a in file[group].items() if name in RATE_ARRAYS}
            for group in file
            if group in groups
        }
    problems = check_submission(probe, "val").problems
    said = {one for one in problems if re.split("[/:]", one)[0] in arrays}
    with pytest.raises(ProblemsError) as refused:
        save(path, arrays, phase="val")
    values = re.compile(r"\S+: \d+ (NaN|negative|positive|values)")
    structure = {one for one in refused.value.problems if not values.match(one)}
    assert structure == (said or {"nothing to score: the file holds no dataset of this benchmark"})
    assert left(path) == []


def spoil(name: str, value: Any) -> Dict[str, np.ndarray]:
    rates = rates_of("mc_maze_small_20", "test")
    rates[name][3, 2, 1] = value
    return rates


@pytest.mark.parametrize(
    ("name", "value", "words"),
    [
        ("eval_rates_heldout", np.nan, "1 NaN or infinite values, first at trial 3, bin 2"),
        ("train_rates_heldin", np.inf, "1 NaN or infinite values, first at trial 3, bin 2"),
        ("eval_rates_heldout", -0.1, "1 negative rates, first at trial 3, bin 2, neuron 1"),
        ("eval_rates_heldout_forward", 1e-12, "1 positive rates below 1e-09"),
        ("eval_rates_heldin", 1e7, "1 values beyond 1e+06 spikes per bin"),
    ],
)
def test_values_are_held_against_the_servers_rules(
    path: Path, name: str, value: float, words: str
) -> None:
    rates = spoil(name, value)
    with pytest.raises(ProblemsError, match="would be rejected in phase test") as refused:
        save(path, {"mc_maze_small_20": rates}, phase="test")
    assert len(refused.value.problems) == 1
    assert refused.value.problems[0].startswith(f"mc_maze_small_20/{name}: {words}")
    assert left(path) == []


def test_what_float32_cannot_hold_is_refused_as_the_server_will_see_it(path: Path) -> None:
    rates = rates_of("mc_maze_small_20")
    wide = rates["eval_rates_heldin"].astype(np.float64)
    wide[0, 0, 0] = 1e300
    with pytest.raises(ProblemsError, match="1 NaN or infinite values"):
        save(path, {"mc_maze_small_20": {**rates, "eval_rates_heldin": wide}}, phase="val")


def test_all_problems_of_an_array_and_of_all_groups_come_at_once(path: Path) -> None:
    rates = spoil("eval_rates_heldin", np.nan)
    del rates["train_rates_heldout"]
    rates["eval_rates_heldout"] = rates["eval_rates_heldout"].transpose(2, 1, 0)
    rates["train_rates_heldin"] = rates["train_rates_heldin"].astype(complex)
    with pytest.raises(ProblemsError) as refused:
        save(path, {"mc_maze_small_20": rates, "mc_mase": {}}, phase="test")
    text = str(refused.value)
    assert len(refused.value.problems) == 5
    assert "mc_maze_small_20: train_rates_heldout is missing" in text
    assert "eval_rates_heldout: shape (35, 35, 100), expected (100, 35, 35)" in text
    assert "the axes are reversed" in text
    assert "train_rates_heldin: found complex128 elements, expected real numbers" in text
    assert "eval_rates_heldin: 1 NaN" in text
    assert "mc_mase: not a dataset of this benchmark; did you mean mc_maze?" in text


def test_blocks_that_do_not_fit_each_other_are_named(path: Path) -> None:
    rates = rates_of("mc_maze_small_20")
    heldout = rates["eval_rates_heldout"]
    odd = [heldout[:10], heldout[10:20, :, :5], heldout[20:], heldout[:0], heldout[0]]
    with pytest.raises(ProblemsError) as refused:
        save(path, {"mc_maze_small_20": {**rates, "eval_rates_heldout": odd}}, phase="val")
    assert any(
        "block 1 (counted from 0) has shape (10, 35, 5), expected (trials, 35, 35)" in problem
        for problem in refused.value.problems
    )
    with pytest.raises(ProblemsError, match="eval_rates_heldout: no shape, expected"):
        save(path, {"mc_maze_small_20": {**rates, "eval_rates_heldout": iter(())}}, phase="val")


def test_a_refused_group_leaves_nothing_and_can_be_added_again(path: Path) -> None:
    rates = rates_of("mc_maze_small_20")
    with Writer(path, phase="val") as writer:
        bad = {**rates, "eval_rates_heldin": -rates["eval_rates_heldin"] * np.inf}
        with pytest.raises(ProblemsError):
            writer.add_group("mc_maze_small_20", bad)
        writer.add_group("mc_maze_small_20", rates)
        with pytest.raises(ProblemsError, match="mc_maze_small_20: is in the file already"):
            writer.add_group("mc_maze_small_20", rates)
    assert check_submission(path, "val").accepted


def test_an_error_of_the_callers_own_leaves_the_old_file(path: Path) -> None:
    save(path, {"mc_maze_small_20": rates_of("mc_maze_small_20")}, phase="val")
    before = path.read_bytes()

    def broken():
        yield rates_of("mc_maze_small_20")["eval_rates_heldin"][:4]
        raise RuntimeError("the model is gone")

    with pytest.raises(RuntimeError, match="the model is gone"), Writer(path, phase="val") as one:
        one.add("mc_maze_small", bin_width_ms=20, eval_heldin=broken())
    assert path.read_bytes() == before
    assert left(path) == ["s.h5"]


def test_names_and_widths_that_are_not_the_suites_are_refused(path: Path) -> None:
    with pytest.raises(ToolError, match="phase: found 'tset', expected val or test; did you mean"):
        Writer(path, phase="tset")
    with Writer(path, phase="val") as writer:
        for dataset, width, problem in (
            ("mc_maze_smal", 5, r"mc_maze_smal: not a dataset.*did you mean mc_maze_small\?"),
            ("mc_maze_small", 10, "mc_maze_small: bin_width_ms: found 10, expected 5 or 20"),
        ):
            with pytest.raises(ProblemsError, match=problem):
                writer.add(dataset, bin_width_ms=width)
        with pytest.raises(ProblemsError, match="eval_rates: not an array of this benchmark"):
            writer.add_group("mc_maze_small", {"eval_rates": np.ones((2, 2, 2))})
        writer.add_group("mc_maze_small_20", rates_of("mc_maze_small_20"))
    with pytest.raises(ToolError, match="is not open"):
        writer.add("mc_maze_small", bin_width_ms=5)
    assert check_submission(path, "val").accepted


def test_a_file_without_a_dataset_is_refused(path: Path) -> None:
    with pytest.raises(ProblemsError, match="nothing to score: the file holds no dataset"):
        save(path, {}, phase="val")
    assert left(path) == []


def test_what_is_odd_and_what_nobody_reads_is_noted(path: Path) -> None:
    rates = rates_of("mc_maze_small_20")
    rates["eval_rates_heldout"][0, 0, :2] = 0
    rates["eval_rates_heldin"][0, 0, 0] = np.nan
    del rates["eval_rates_heldin_forward"]
    notes = save(path, {"mc_maze_small_20": rates}, phase="val")
    assert notes[0] == (
        "mc_maze_small_20: eval_rates_heldout_forward ignored, since eval_rates_heldin_forward "
        "is missing"
    )
    assert "mc_maze_small_20/eval_rates_heldin: 1 NaN in bins that no metric uses" in notes
    assert "mc_maze_small_20/eval_rates_heldout: 2 rates are exactly 0 and count as 1e-9" in notes


def test_any_suite_gives_datasets_widths_and_shapes(path: Path) -> None:
    suite = load(FINGERS)
    dataset = suite.datasets[0]
    width = suite.bin_widths(dataset)[0]
    group = suite.group(dataset, width)
    layout = published_layouts(suite, suite.phases[0].codename)[group]
    rates = {
        array.name: np.ones([n or 4 for n in layout.shape(array)])
        for part in layout.required()
        for array in part.arrays
    }
    with Writer(path, phase=suite.phases[0].codename, suite=suite) as writer:
        writer.add(dataset.name, bin_width_ms=width, **keywords(rates))
    assert check_submission(path, suite.phases[0].codename, suite=suite).accepted


def test_writing_imports_nothing_heavy(path: Path) -> None:
    program = (
        "import sys; from nlb_evalai.submission import Writer, save; print([name for name in "
        "('scipy', 'sklearn', 'matplotlib', 'boto3', 'requests', 'rich') if name in sys.modules])"
    )
    ran = subprocess.run([sys.executable, "-c", program], capture_output=True, check=True)
    assert ran.stdout.decode().strip() == "[]"

"""Suites: found, loaded from a file, held to their own rules; and one that is not nlb21, scored."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import h5py
import numpy as np
import pytest

from evaluation_script import suites
from evaluation_script.errors import AnnotationError
from evaluation_script.metrics import CoSmoothing, bits_per_spike, velocity_decoding
from evaluation_script.scoring import score
from evaluation_script.suites import DEFAULT_SUITE, Suite, SuiteError
from tests.paths import FINGERS, ROOT


@pytest.fixture(scope="module")
def fingers() -> Suite:
    return suites.load(FINGERS)


def test_a_suite_from_a_file_is_found_by_its_name(fingers: Suite) -> None:
    assert suites.find("fingers") is fingers
    assert "fingers" in suites.names()
    assert fingers.splits() == [
        "taps_split",
        "taps_50_split",
        "squeezes_split",
        "squeezes_50_split",
    ]
    assert fingers.labels("taps") == ["co-bps", "vel R2", "pop r", "fp-bps"]
    assert list(fingers.groups()) == ["taps", "taps_50", "squeezes", "squeezes_50"]


def test_an_unknown_suite_is_told_with_what_is_near() -> None:
    with pytest.raises(SuiteError, match=r"found 'nlb12', expected .*nlb21.*did you mean nlb21\?"):
        suites.find("nlb12")


@pytest.mark.parametrize(
    ("name", "text", "why"),
    [
        ("odd-name.py", "", "expected a Python file named NAME.py"),
        ("empty.py", "", "found no SUITE"),
        ("broken.py", "1 / 0", "cannot be imported: ZeroDivisionError"),
        ("absent.py", None, "cannot be imported: FileNotFoundError"),
        ("nlb21.py", "SUITE = None", "is a suite of this package"),
        ("suite.py", "SUITE = None", "is a module of this package"),
        (
            "other.py",
            "from .nlb21 import SUITE",
            "its suite is called 'nlb21', expected 'other'",
        ),
    ],
)
def test_a_file_that_is_no_suite_is_refused(tmp_path: Path, name: str, text: str, why: str) -> None:
    path = tmp_path / name
    if text is not None:
        path.write_text(text)
    before = suites.names()
    with pytest.raises(SuiteError, match=why):
        suites.load(path)
    assert suites.names() == before
    assert suites.find("nlb21") is DEFAULT_SUITE


@pytest.mark.parametrize(
    ("change", "why"),
    [
        (lambda s: replace(s, datasets=()), "it needs a dataset, a phase and a bin width"),
        (lambda s: replace(s, datasets=s.datasets * 2), "two groups are called taps"),
        (lambda s: replace(s, phases=s.phases * 2), "two phases are called final"),
        (lambda s: replace(s, bin_widths_ms=(10, 30)), "window_ms: found 500, no multiple of 30"),
        (
            lambda s: replace(s, datasets=(replace(s.datasets[0], metrics=()),)),
            "taps: it has no metric",
        ),
        (
            lambda s: replace(s, datasets=tuple(replace(d, board="one") for d in s.datasets)),
            "one: two columns are called co-bps: datasets need a label_prefix",
        ),
        (
            lambda s: replace(
                s,
                datasets=(
                    replace(s.datasets[0], board="one"),
                    replace(s.datasets[1], board="one", label_prefix="2 ", bin_widths_ms=(10,)),
                ),
            ),
            "one: its datasets differ in bin widths",
        ),
        (
            lambda s: replace(
                s, phases=tuple(replace(p, nan_where_unscored=True) for p in s.phases)
            ),
            "qualifier: NaN tells about hidden truth",
        ),
        (
            lambda s: replace(
                s,
                datasets=(
                    replace(
                        s.datasets[0],
                        metrics=(CoSmoothing, type("Twin", (CoSmoothing,), {})),
                    ),
                ),
            ),
            "two metrics are called co-bps",
        ),
    ],
)
def test_a_suite_that_contradicts_itself_says_so(fingers: Suite, change, why: str) -> None:  # type: ignore[no-untyped-def]
    with pytest.raises(SuiteError, match=why):
        change(fingers)


def _write(path: Path, arrays: dict, **attributes: str) -> Path:
    with h5py.File(path, "w") as file:
        file.attrs.update(attributes)
        for group, members in arrays.items():
            for name, values in members.items():
                file.create_dataset(f"{group}/{name}", data=values)
    return path


def test_a_suite_of_ones_own_is_scored_as_its_truth_says(fingers: Suite, tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    spikes = rng.poisson(0.4, (9, 50, 3)).astype(np.float32)
    behavior = {n: rng.normal(size=(t, 50, 3)) for n, t in (("train", 12), ("eval", 9))}
    rates = {
        f"{part}_rates_{side}": rng.gamma(2.0, 0.2, (trials, 50, neurons))
        for part, trials in (("train", 12), ("eval", 9))
        for side, neurons in (("heldin", 4), ("heldout", 3))
    }
    truth = {
        "eval_spikes_heldout": spikes,
        "train_behavior": behavior["train"],
        "eval_behavior": behavior["eval"],
    }
    annotations = _write(tmp_path / "t.h5", {"taps": truth}, suite="fingers", phase="practice")
    submission = _write(tmp_path / "s.h5", {"taps": rates})
    card = score(annotations, submission, "practice")
    assert card.suite == card.receipt["suite"] == "fingers"
    found = {key: one.value for key, one in card.groups["taps"].scores.items()}
    both = [
        np.concatenate([rates[f"{part}_rates_heldin"], rates[f"{part}_rates_heldout"]], axis=2)
        for part in ("train", "eval")
    ]
    masks = [np.ones((trials, 1), bool) for trials in (12, 9)]
    counts = rates["eval_rates_heldout"].sum(axis=(1, 2)), spikes.sum(axis=(1, 2))
    assert found == {
        "co-bps": pytest.approx(bits_per_spike(rates["eval_rates_heldout"], spikes), abs=1e-12),
        "vel R2": pytest.approx(
            velocity_decoding(
                both[0], behavior["train"], masks[0], both[1], behavior["eval"], masks[1]
            ),
            abs=1e-12,
        ),
        "pop r": pytest.approx(np.corrcoef(*counts)[0, 1], abs=1e-12),
    }
    # the host's truth has no forward windows: the metric is left out, and nobody asks for rates
    assert set(card.groups["taps"].left_out) == {"fp-bps"}


def test_truth_of_an_unknown_suite_is_the_hosts_to_mend(tmp_path: Path) -> None:
    truth = {"taps": {"eval_spikes_heldout": np.ones((2, 50, 3))}}
    annotations = _write(tmp_path / "t.h5", truth, suite="toes")
    submission = _write(tmp_path / "s.h5", {"taps": {"eval_rates_heldout": np.ones((2, 50, 3))}})
    with pytest.raises(AnnotationError) as caught:
        score(annotations, submission, "practice")
    assert "found 'toes', expected" in caught.value.detail
    assert "toes" not in str(caught.value)


def test_a_broken_suite_shows_when_the_scorer_is_imported(tmp_path: Path) -> None:
    package = tmp_path / "challenge" / "evaluation_script"
    package.mkdir(parents=True)
    for path in (ROOT / "evaluation_script").rglob("*.py"):
        target = package / path.relative_to(ROOT / "evaluation_script")
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(path.read_bytes())
    (package / "suites" / "toes.py").write_text("from ..metrics import Nothing\n")
    finished = subprocess.run(
        [sys.executable, "-c", "import evaluation_script"],
        cwd=tmp_path / "challenge",
        capture_output=True,
        text=True,
        check=False,
    )
    assert finished.returncode == 1
    assert "cannot import name 'Nothing'" in finished.stderr

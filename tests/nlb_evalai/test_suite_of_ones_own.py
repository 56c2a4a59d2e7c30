"""A suite that is no part of the package: the commands work on it, in processes of any kind."""

from __future__ import annotations

import csv
import json
import multiprocessing
import pickle
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Dict, Iterator, List, Sequence

import h5py
import numpy as np
import pytest
from distributed import LocalCluster

from evaluation_script import suites
from evaluation_script.metrics import PsthMatch, VelocityDecoding
from evaluation_script.scoring import score
from evaluation_script.suites import DEFAULT_SUITE, Suite
from evaluation_script.suites.suite import Published
from nlb_evalai.competition.batch.cluster import run_cluster
from nlb_evalai.competition.batch.task import Source, Task
from nlb_evalai.competition.store import Store
from nlb_evalai.errors import ToolError
from nlb_evalai.remote.scorer import Scorer
from nlb_evalai.remote.service import find_annotations
from nlb_evalai.sample.files import SamplePaths, write_sample
from nlb_evalai.submission.baseline import build_baseline
from nlb_evalai.truth.build import build_annotations, build_input_file, parse_sources
from nlb_evalai.truth.verify import check_path
from tests.paths import FINGERS
from tests.snapshot.entry import command, succeeded

RULES = """\
schema: nlb-evalai/rules/1
name: fingers_final
version: "0.1"
title: Fingers, the final
suite: fingers
phase: final
deadline: {at: "2030-01-01T00:00Z", whole_minute: false}
ranking: {metric: co-bps, bin_width_ms: 50}
not_counting: [cancelled, late]
prizes:
  - {key: taps, title: Taps, datasets: [taps], usd: 100}
  - {key: both, title: Both, datasets: [taps, squeezes], usd: 50}
"""


@pytest.fixture(scope="module")
def fingers() -> Suite:
    return suites.load(FINGERS)


@pytest.fixture(scope="module")
def sample(fingers: Suite, tmp_path_factory: pytest.TempPathFactory) -> SamplePaths:
    return write_sample(tmp_path_factory.mktemp("fingers"), fingers)


@pytest.fixture
def unknown() -> Iterator[None]:
    """The suite is not known in this process, as when a command begins."""
    known = suites._known.pop("fingers"), suites._loaded.pop("fingers")
    yield
    suites._known["fingers"], suites._loaded["fingers"] = known


# ---- processes --------------------------------------------------------------------------------


def test_a_known_suite_travels_by_name_and_a_copy_as_data(fingers: Suite) -> None:
    for suite in (fingers, DEFAULT_SUITE):
        assert len(pickle.dumps(suite)) < 300
        assert pickle.loads(pickle.dumps(suite)) is suite
    changed = replace(DEFAULT_SUITE, rules_version="9.9")
    assert pickle.loads(pickle.dumps(changed)) == changed
    assert suites.load(FINGERS) is fingers, "the file runs once"


@pytest.mark.parametrize("method", ["spawn", "forkserver"])
def test_a_suite_arrives_in_a_new_process(fingers: Suite, method: str) -> None:
    with multiprocessing.get_context(method).Pool(1) as pool:
        assert pool.apply(_name_and_metric, (fingers,)) == ("fingers", "pop r")


def _name_and_metric(suite: Suite) -> tuple:
    return suites.find("fingers").name, suite.datasets[0].metrics[2].key


def test_the_remote_scorer_scores_it(fingers: Suite, sample: SamplePaths) -> None:
    truth, submission = sample.annotations["final"], sample.submissions["final"]["true"]
    scorer = Scorer(60, False, fingers)
    outcome, settled = scorer.score(truth, submission, "final", lambda: None)
    assert settled
    assert outcome["submission_status"] == "finished", outcome["stderr"]
    splits = [row["split"] for row in json.loads(outcome["result"])]
    assert splits == fingers.splits()


def test_a_cluster_scores_it(fingers: Suite, sample: SamplePaths) -> None:
    source = Source("true", str(sample.submissions["final"]["true"]))
    task = Task(source, str(sample.annotations["final"]), "final", fingers)
    with LocalCluster(
        n_workers=1, threads_per_worker=1, processes=True, dashboard_address=None
    ) as cluster:
        (outcome,) = run_cluster([task], cluster.scheduler_address)
    assert outcome.error == ""
    assert outcome.card.groups["taps_50"].scores["pop r"].value > 0.5


# ---- the commands -----------------------------------------------------------------------------


def test_the_sample_ranks_its_models_and_checks_fit(
    fingers: Suite, sample: SamplePaths, unknown: None
) -> None:
    for phase in sample.annotations:
        truth = sample.annotations[phase]
        told = json.loads(
            succeeded(
                "annotations", "verify", truth, "--shapes", "any", "--json", "--suite", FINGERS
            ).out
        )
        assert (told["suite"], told["problems"]) == ("fingers", [])
        for name, path in sample.submissions[phase].items():
            options = ["--phase", phase, "--annotations", truth, "--json"]
            report = json.loads(succeeded("check", path, *options).out)
            assert report["accepted"], report
            groups = ["taps", "taps_50"] if name == "one-dataset" else list(fingers.groups())
            assert list(report["would_score"]) == groups


def test_a_phase_is_held_against_the_suite_that_is_meant(sample: SamplePaths) -> None:
    truth, path = sample.annotations["final"], sample.submissions["final"]["mean"]
    by_truth = command("check", path, "--phase", "finale", "--annotations", truth)
    by_name = command("check", path, "--phase", "finale", "--suite", "fingers")
    for ran in (by_truth, by_name):
        assert ran.code == 2
        assert (
            "found 'finale', expected practice or qualifier or final (suite fingers); did you "
            "mean final?" in " ".join(ran.err.split())
        )


def test_without_its_file_the_suite_is_named_as_unknown(
    sample: SamplePaths, tmp_path: Path, unknown: None
) -> None:
    truth, path = sample.annotations["final"], sample.submissions["final"]["mean"]
    Store(tmp_path / "store", suite="fingers", write=True).close()
    for arguments in (
        ["check", path, "--phase", "final", "--annotations", truth],
        ["score", path, "--phase", "final", "--annotations", truth, "--store", tmp_path / "s"],
        ["report", "--store", tmp_path / "store", "--out", tmp_path / "r.html"],
    ):
        ran = command(*arguments)
        assert ran.code == 2
        assert "suite: found 'fingers', expected nlb21" in ran.err
    with pytest.raises(ToolError, match=r"final\.h5: suite: found 'fingers', expected nlb21"):
        find_annotations([str(truth)])
    ran = command("annotations", "verify", truth)
    assert ran.code == 1
    assert "attribute suite: found 'fingers', expected nlb21" in ran.err


def test_a_worker_takes_the_phases_that_each_truth_says(sample: SamplePaths) -> None:
    folder = str(sample.annotations["final"].parent)
    assert sorted(find_annotations([folder])) == ["final", "practice", "qualifier"]
    with pytest.raises(ToolError, match="found phase 'practice', expected val or test"):
        find_annotations([folder], DEFAULT_SUITE)


def entries(path: Path, ids: Sequence[str]) -> Path:
    rows = [("id", "Team Name", "Challenge Phase", "Submitted At")]
    rows += [(name, f"Team {name}", "Final", "2029-01-01T00:00Z") for name in ids]
    with path.open("w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows(rows)
    return path


def test_batch_award_and_report_follow_the_suite(
    fingers: Suite, sample: SamplePaths, tmp_path: Path, unknown: None
) -> None:
    folder, store = sample.submissions["final"]["true"].parent, tmp_path / "results.sqlite"
    own = ["--suite", FINGERS]
    places = [folder, "--annotations", sample.annotations["final"], "--phase", "final"]
    score_command = [sys.executable, "-m", "nlb_evalai", "score", *places, *own, "--json"]
    done = subprocess.run(
        [*map(str, score_command), "--store", str(store), "--workers", "2"],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["scored"] == 4

    table = entries(tmp_path / "entries.csv", ["true", "smoothing", "mean", "one-dataset"])
    deciding = ["award", "--store", store, "--entries", table, "--out", tmp_path / "award", *own]
    refused = command(*deciding)
    assert refused.code == 2
    assert "the rules of suite fingers: found none here: give --rules FILE" in refused.err
    (tmp_path / "rules.yaml").write_text(RULES)
    succeeded(*deciding, "--rules", tmp_path / "rules.yaml")
    award = json.loads((tmp_path / "award" / "award.json").read_text())
    assert {name: [row["entry"] for row in rows] for name, rows in award["rankings"].items()} == {
        "taps": ["true", "one-dataset", "smoothing", "mean"],
        "squeezes": ["true", "smoothing", "mean"],
    }
    assert award["rankings"]["squeezes"][0]["lead"]["clear"] is True, "leads are paired"
    assert [prize["winners"][0]["team"] for prize in award["prizes"]] == ["Team true"] * 2

    out = tmp_path / "report" / "index.html"
    succeeded("report", "--store", store, "--award", tmp_path / "award", "--out", out, *own)
    boards = json.loads(out.with_name("leaderboard.json").read_text())["boards"]
    assert [(one["dataset"], one["bin_width_ms"], one["ranked"]) for one in boards] == [
        ("taps", 10, False), ("taps", 50, True), ("squeezes", 10, False), ("squeezes", 50, True),
    ]  # fmt: skip
    page = out.read_text()
    assert "Fingers, the final" in page
    assert "on the hidden truth of the Final phase" in page
    assert "DANDI" not in page
    plain = tmp_path / "plain" / "index.html"
    succeeded("report", "--store", store, "--out", plain, *own)
    assert "Fingers &amp; &lt;Squeezes&gt;: Final" in plain.read_text()


def test_rules_that_the_suite_cannot_follow_are_told(sample: SamplePaths, tmp_path: Path) -> None:
    store = tmp_path / "store"
    Store(store, suite="fingers", write=True).close()
    text = RULES.replace("bin_width_ms: 50", "bin_width_ms: 5").replace("co-bps", "tp corr")
    (tmp_path / "rules.yaml").write_text(text.replace("suite: fingers", "suite: nlb21"))
    table = entries(tmp_path / "entries.csv", ["true"])
    ran = command(
        "award", "--store", store, "--entries", table, "--rules", tmp_path / "rules.yaml",
        "--out", tmp_path / "award",
    )  # fmt: skip
    assert ran.code == 1
    assert ran.err.splitlines()[1:] == [
        "  suite: found 'nlb21', expected one of fingers",
        "  ranking/bin_width_ms: found 5, expected one of 10, 50",
        "  ranking/metric: found 'tp corr', expected one of co-bps, vel R2, pop r, fp-bps, psth R2",
    ]
    (tmp_path / "rules.yaml").write_text(RULES.replace("co-bps", "psth R2"))
    ran = command(
        "award", "--store", store, "--entries", table, "--rules", tmp_path / "rules.yaml",
        "--out", tmp_path / "award",
    )  # fmt: skip
    assert "prizes/0/datasets: found 'taps', expected one of squeezes" in ran.err


# ---- recordings -------------------------------------------------------------------------------


def write_session(path: Path, align: str, columns: Dict[str, Sequence], series: str = "") -> Path:
    """A small NWB session: 24 trials of 1.5 s, seven held-in and three held-out units."""
    rng = np.random.default_rng(1)
    n_trials, n_units = 24, 10
    starts = np.arange(n_trials) * 2.0
    splits: List[str] = [("train", "dev", "first", "last")[i % 4] for i in range(n_trials)]
    with h5py.File(path, "w") as file:
        trials = file.create_group("intervals/trials")
        trials["id"] = np.arange(n_trials)
        trials["start_time"], trials["stop_time"] = starts, starts + 1.9
        trials[align] = starts + 0.6
        trials["split"] = np.array(splits, object).astype(h5py.string_dtype())
        for name, values in columns.items():
            trials[name] = np.asarray(values)
        units = file.create_group("units")
        units["id"], units["heldout"] = np.arange(n_units), np.arange(n_units) >= 7
        spikes = [np.sort(rng.uniform(0, starts[-1] + 1.9, 900)) for _ in range(n_units)]
        spans = np.array([[0.0, starts[-1] + 1.9]])
        for name, rows in (("spike_times", spikes), ("obs_intervals", [spans] * n_units)):
            units[name] = np.concatenate(rows)
            units[f"{name}_index"] = np.cumsum([len(row) for row in rows])
        if series:
            group = file.create_group(f"processing/behavior/{series}")
            group.attrs["neurodata_type"] = "TimeSeries"
            times = np.arange(0, starts[-1] + 1.9, 0.001)
            group["timestamps"] = times
            group["data"] = np.stack([np.sin(times * (i + 1)) for i in range(3)], axis=1)
            group["data"].attrs["conversion"] = 1.0
    return path


@pytest.fixture
def sources(fingers: Suite, tmp_path: Path) -> Dict[str, List[Path]]:
    taps = write_session(tmp_path / "taps.nwb", "tap_time", {}, "finger_vel")
    force = np.arange(24) % 3
    squeezes = write_session(tmp_path / "squeezes.nwb", "squeeze_time", {"force": force})
    return parse_sources([f"taps={taps}", f"squeezes={squeezes}"], fingers)


def test_sessions_become_truth_inputs_and_a_baseline(
    fingers: Suite, sources: Dict[str, List[Path]], tmp_path: Path
) -> None:
    truth, inputs, baseline = (tmp_path / f"{name}.h5" for name in ("truth", "inputs", "baseline"))
    result = build_annotations("qualifier", sources, truth, fingers)
    assert check_path(truth, fingers).problems == []
    assert {group.group: (group.eval_trials, group.bins) for group in result.groups} == {
        "taps": (6, 50), "taps_50": (6, 10), "squeezes": (6, 50), "squeezes_50": (6, 10),
    }  # fmt: skip
    build_input_file("qualifier", sources, inputs, fingers)
    build_baseline("qualifier", sources, baseline, fingers)
    with h5py.File(truth) as file:
        assert file.attrs["suite"] == "fingers"
        assert file["taps/train_behavior"].shape == (12, 50, 3)
        assert file["taps_50/eval_spikes_heldin_forward"].shape == (6, 2, 7)
        assert sorted(file["squeezes"]) == [
            "eval_cond_idx", "eval_spikes_heldout", "psth", "train_cond_idx",
        ]  # fmt: skip
    with h5py.File(inputs) as file:
        assert "train_behavior" not in file["squeezes"]
        assert "eval_spikes_heldout" not in file["squeezes"], "the qualifier's truth is hidden"
    card = score(truth, baseline, "qualifier")
    assert {name: set(group.scores) for name, group in card.groups.items()} == {
        "taps": {"co-bps", "vel R2", "pop r", "fp-bps"},
        "taps_50": {"co-bps", "vel R2", "pop r", "fp-bps"},
        "squeezes": {"co-bps", "psth R2"}, "squeezes_50": {"co-bps", "psth R2"},
    }  # fmt: skip


def test_a_dataset_without_rules_for_recordings_is_refused_in_words(
    fingers: Suite, sources: Dict[str, List[Path]]
) -> None:
    (path,) = sources["taps"]
    some = replace(fingers, datasets=(replace(fingers.datasets[0], session=None),))
    with pytest.raises(ToolError) as caught:
        parse_sources([f"taps={path}", f"tap={path}"], some)
    assert str(caught.value).splitlines()[1:] == [
        "  'taps': suite fingers has no rules for its recordings (session=... of the dataset), so "
        "nothing can be made of them",
        "  'tap': not a dataset; none has rules for them",
    ]


def test_datasets_without_held_out_neurons_go_the_whole_way(
    fingers: Suite, sources: Dict[str, List[Path]], tmp_path: Path
) -> None:
    none = Published(n_heldin=80, n_heldout=0)
    taps = replace(fingers.datasets[0], published=none, metrics=(VelocityDecoding,))
    squeezes = replace(fingers.datasets[1], published=none, metrics=(PsthMatch,))
    suite = replace(fingers, datasets=(taps, squeezes), ranked_by=VelocityDecoding)
    paths = write_sample(tmp_path / "sample", suite, phases=["final"])
    truth = paths.annotations["final"]
    assert check_path(truth, suite).problems == []
    scores = {
        name: score(truth, path, "final", suite=suite).groups["taps"].scores["vel R2"].value
        for name, path in paths.submissions["final"].items()
    }
    assert scores["true"] > scores["smoothing"] > scores["mean"]
    for path in (paths_ for files in sources.values() for paths_ in files):
        with h5py.File(path, "r+") as file:
            file["units/heldout"][...] = False
    built, baseline = tmp_path / "built.h5", tmp_path / "baseline.h5"
    build_annotations("final", sources, built, suite)
    build_baseline("final", sources, baseline, suite)
    card = score(built, baseline, "final", suite=suite)
    assert set(card.groups["squeezes"].scores) == {"psth R2"}

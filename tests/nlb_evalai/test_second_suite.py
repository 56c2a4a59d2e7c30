"""A suite that is one data file, through everything that a benchmark goes through."""

from __future__ import annotations

import json
import subprocess
import sys
import zipfile
from pathlib import Path
from typing import Any, Dict, List

import h5py
import numpy as np
import pytest
import yaml

from evaluation_script import suites
from evaluation_script.metrics import bits_per_spike
from tests.paths import FINGERS, ROOT

SUITE = ["--suite", str(FINGERS)]
RULES = {
    "schema": "nlb-evalai/rules/1",
    "name": "fingers_2026",
    "version": "1",
    "title": "Fingers & <Squeezes>, the competition",
    "suite": "fingers",
    "phase": "final",
    "deadline": {"at": "2026-05-01T23:59-12:00", "whole_minute": True},
    "ranking": {"metric": "co-bps", "bin_width_ms": 10},
    "not_counting": ["cancelled", "late", "withdrawn", "organizer", "code not released"],
    "code_release_attribute": "Code will be released",
    "prizes": [
        {"key": "taps", "title": "Taps", "datasets": ["taps"], "usd": 100},
        {"key": "both", "title": "Both", "datasets": ["taps", "squeezes"], "usd": 200},
    ],
    "judging": {
        "criteria": ["interpretability"],
        "lowest": 0,
        "highest": 10,
        "interpretability": "interpretability",
        "prizes": [{"title": "Judges' choice", "usd": 50}],
    },
}


def run(folder: Path, *arguments: object, code: int = 0) -> str:
    """A command in a process of its own; what it prints on standard output."""
    finished = subprocess.run(
        [sys.executable, "-m", "nlb_evalai", *map(str, arguments)],
        cwd=folder,
        env={
            "PYTHONPATH": str(ROOT),
            "PATH": "/usr/bin:/bin",
            "HOME": str(folder),
            "LC_ALL": "C.UTF-8",
        },
        capture_output=True,
        text=True,
        check=False,
    )
    assert finished.returncode == code, finished.stdout + finished.stderr
    return finished.stdout


@pytest.fixture(scope="module")
def sample(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("fingers")
    run(folder, "sample", folder / "sample", *SUITE)
    return folder


def test_the_sample_has_the_phases_groups_and_arrays_of_the_suite(sample: Path) -> None:
    for phase in ("practice", "qualifier", "final"):
        with h5py.File(sample / "sample" / "annotations" / f"{phase}.h5") as file:
            assert file.attrs["suite"] == "fingers"
            assert sorted(file) == ["squeezes", "squeezes_50", "taps", "taps_50"]
            assert "psth" not in file["taps"]
            assert "eval_spikes_heldout_forward" not in file["squeezes"]
            assert file["taps_50/train_behavior"].shape[1:] == (10, 3)


def test_check_says_what_the_server_would(sample: Path) -> None:
    truth = sample / "sample" / "annotations" / "final.h5"
    file = sample / "sample" / "submissions" / "final" / "true.h5"
    report = json.loads(
        run(sample, "check", file, "--phase", "final", "--annotations", truth, *SUITE, "--json")
    )
    assert report["accepted"]
    assert report["would_score"]["taps"] == ["co-bps", "vel R2", "pop r", "fp-bps"]
    assert report["would_score"]["squeezes_50"] == ["co-bps", "psth R2"]
    run(sample, "check", file, "--phase", "test", *SUITE, code=2)


@pytest.fixture(scope="module")
def bundle(sample: Path) -> Path:
    out = sample / "bundle.zip"
    run(sample, "bundle", "build", *SUITE, "--out", out)
    return out


def test_the_bundle_is_made_of_the_suite(sample: Path, bundle: Path) -> None:
    with zipfile.ZipFile(bundle) as archive:
        config = yaml.safe_load(archive.read("challenge_config.yaml"))
        script = zipfile.ZipFile(archive.open("evaluation_script.zip"))
        assert script.read("suites/fingers.py") == FINGERS.read_bytes()
        pages = {
            name: archive.read(name).decode() for name in archive.namelist() if ".html" in name
        }
    assert [phase["codename"] for phase in config["challenge_phases"]] == [
        "practice", "qualifier", "final",
    ]  # fmt: skip
    splits = [split["codename"] for split in config["dataset_splits"]]
    assert splits == ["taps_split", "taps_50_split", "squeezes_split", "squeezes_50_split"]
    assert "Tapping with three fingers" in pages["templates/description.html"]
    assert "Fingers &amp; &lt;Squeezes&gt;" in pages["templates/description.html"]
    assert "pop r" in pages["templates/evaluation_details.html"]
    assert not any("mc_maze" in page.lower() for page in pages.values())
    report = json.loads(run(sample, "bundle", "check", bundle, *SUITE, "--json"))
    assert [one["code"] for one in report["findings"] if one["severity"] == "error"] == []
    assert report["fit"]


def test_the_replica_shows_every_board_of_every_phase(sample: Path, bundle: Path) -> None:
    kept = sample / "kept"
    shown = run(sample, "dry-run", "--bundle", bundle, "--keep", kept, *SUITE)
    for phase in ("practice", "qualifier", "final"):
        result = json.loads((kept / phase / "true" / "result.json").read_text())
        assert [next(iter(row)) for row in result] == [
            "taps_split", "taps_50_split", "squeezes_split", "squeezes_50_split",
        ]  # fmt: skip
        error = json.loads((kept / phase / "true" / "error.json").read_text())
        assert len(error) == 4
    assert "EvalAI would take all of it" in shown
    assert shown.count("pop r") >= 6


# ---- ground truth from a session -----------------------------------------------------------------


def _session(path: Path) -> Path:
    rng = np.random.default_rng(0)
    n_trials, seconds = 30, 1.2
    splits = ["train"] * 16 + ["dev"] * 8 + ["none"] * 2 + ["first"] * 4
    taps = np.arange(n_trials) * seconds + 0.5
    length = n_trials * seconds + 1
    spikes = [np.sort(rng.uniform(0, length, 400)) for _ in range(9)]
    with h5py.File(path, "w") as file:
        file.attrs.update(nwb_version="2.4.0", neurodata_type="NWBFile")
        trials = file.create_group("intervals/trials")
        trials["id"] = np.arange(n_trials)
        trials["start_time"], trials["stop_time"] = taps - 0.5, taps + 0.7
        trials["tap_time"] = taps
        trials.create_dataset("split", data=splits, dtype=h5py.string_dtype())
        trials.attrs["colnames"] = ["start_time", "stop_time", "split", "tap_time"]
        units = file.create_group("units")
        units["id"] = np.arange(9)
        units["heldout"] = np.arange(9) % 3 == 2
        units["spike_times"] = np.concatenate(spikes)
        units["spike_times_index"] = np.cumsum([len(one) for one in spikes])
        units["obs_intervals"] = np.tile([[0.0, length]], (9, 1))
        units["obs_intervals_index"] = np.arange(1, 10)
        velocity = file.create_group("processing/behavior/finger_vel")
        velocity.attrs.update(neurodata_type="TimeSeries", comments="columns=[x,y,z]")
        velocity["data"] = rng.normal(size=(int(length * 1000), 3))
        velocity["starting_time"] = 0.0
        velocity["starting_time"].attrs["rate"] = 1000.0
    return path


def test_ground_truth_inputs_and_a_baseline_come_from_a_session(tmp_path: Path) -> None:
    session = _session(tmp_path / "taps.nwb")
    source = ["--phase", "practice", "--nwb", f"taps={session}", *SUITE]
    run(tmp_path, "annotations", "build", *source, "--out", "truth.h5")
    run(tmp_path, "inputs", "build", *source, "--out", "inputs.h5")
    run(tmp_path, "baseline", *source, "--out", "rates.h5")
    run(tmp_path, "annotations", "verify", "truth.h5", "--shapes", "any", "--partial", *SUITE)
    with h5py.File(tmp_path / "truth.h5") as truth, h5py.File(tmp_path / "rates.h5") as rates:
        assert sorted(truth) == ["taps", "taps_50"]
        assert truth["taps/eval_spikes_heldout"].shape == (8, 50, 3)
        assert truth["taps/train_behavior"].shape == (16, 50, 3)
        assert truth["taps_50/eval_spikes_heldin_forward"].shape == (8, 2, 6)
        expected = bits_per_spike(
            rates["taps/eval_rates_heldout"][()], truth["taps/eval_spikes_heldout"][()]
        )
    answer = json.loads(
        run(tmp_path, "evaluate", "rates.h5", "--annotations", "truth.h5", *SUITE, "--json")
    )
    scores = answer["receipt"]["groups"]["taps"]["scores"]
    assert scores["co-bps"]["value"] == pytest.approx(expected, abs=1e-9)
    assert set(scores) == {"co-bps", "vel R2", "pop r", "fp-bps"}
    # a dataset that no recording can be read for says so
    run(tmp_path, "annotations", "build", *source[:2], "--nwb", "tap=x.nwb", *SUITE,
        "--out", "t.h5", code=2)  # fmt: skip


# ---- the competition -----------------------------------------------------------------------------


def test_entries_are_scored_ranked_and_reported(sample: Path) -> None:
    truth = sample / "sample" / "annotations" / "final.h5"
    files = sample / "files"
    files.mkdir()
    models = sorted((sample / "sample" / "submissions" / "final").glob("*.h5"))
    teams: List[Dict[str, Any]] = []
    for number, path in enumerate(models, start=1):
        (files / f"{number}.h5").write_bytes(path.read_bytes())
        teams.append({"id": number, "team": path.stem})
    header = ["id", "Team Name", "Challenge Phase", "Status", "Submitted File", "Submitted At",
              "Method Name", "Submission Meta Attributes"]  # fmt: skip
    attributes = [{"name": "Code will be released", "type": "boolean", "value": "True"}]
    lines = [header] + [
        [str(one["id"]), one["team"], "Final", "finished", "", "2026-04-01T10:00:00+00:00", "m",
         json.dumps(attributes)]
        for one in teams
    ]  # fmt: skip
    quoted = [",".join('"' + cell.replace('"', '""') + '"' for cell in line) for line in lines]
    (sample / "export.csv").write_text("\n".join(quoted) + "\n")
    (sample / "rules.yaml").write_text(yaml.safe_dump(RULES))
    run(sample, "score", "export.csv", "--files", files, "--phase", "final", "--annotations", truth,
        "--store", "results.sqlite", "--workers", "2", *SUITE)  # fmt: skip
    run(sample, "award", "--store", "results.sqlite", "--entries", "export.csv", "--out", "award",
        "--rules", "rules.yaml", *SUITE)  # fmt: skip
    award = json.loads((sample / "award" / "award.json").read_text())
    ranks = {name: [row["team"] for row in rows] for name, rows in award["rankings"].items()}
    assert ranks["taps"][:1] == ranks["squeezes"][:1] == ["true"]
    assert {prize["key"]: prize["winners"][0]["team"] for prize in award["prizes"]} == {
        "taps": "true",
        "both": "true",
    }
    run(sample, "report", "--store", "results.sqlite", "--award", "award", "--out",
        "public/report.html", *SUITE)  # fmt: skip
    page = (sample / "public" / "report.html").read_text()
    assert "Taps" in page
    assert "pop r" in page
    rows = json.loads((sample / "public" / "leaderboard.json").read_text())
    assert rows["suite"] == "fingers"


def test_the_suites_file_is_all_that_there_is_of_it() -> None:
    """Nothing in the two packages knows the suite of this test."""
    suite = suites.load(FINGERS)
    words = [suite.name, *(dataset.name for dataset in suite.datasets), "pop r", "finger_vel"]
    for package in ("evaluation_script", "nlb_evalai"):
        for path in (ROOT / package).rglob("*.py"):
            if path.name != "nlb21.py":  # mc_rtt's behavior is called finger_vel, too
                text = path.read_text("utf-8")
                assert not [word for word in words if f'"{word}"' in text], path

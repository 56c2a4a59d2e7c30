"""What a file is: by its hash, by its structure, or in words."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Callable, Dict

import h5py
import numpy as np
import pytest

from evaluation_script.arrays import RATE_ARRAYS
from evaluation_script.files import file_sha256
from evaluation_script.submission.layout import published_layouts
from evaluation_script.suites import DEFAULT_SUITE
from nlb_evalai.truth import identify, known
from nlb_evalai.truth.build import build_input_file
from nlb_evalai.truth.identify import Kind, what_is
from tests.nlb_evalai.truth.conftest import SESSIONS
from tests.paths import GOLDEN
from tests.real_sessions import write_sessions

TRUTH = GOLDEN / "target_test.h5"


@pytest.fixture
def registered(monkeypatch: pytest.MonkeyPatch) -> Callable[..., known.KnownFile]:
    """Put a file's own hash into the place of a known one's."""

    def register(name: str, path: Path) -> known.KnownFile:
        files = {one.name: one for one in known.known_files()}
        digest, size = file_sha256(path), path.stat().st_size
        files[name] = replace(files[name], sha256=digest, n_bytes=size)
        monkeypatch.setattr(known, "known_files", lambda: tuple(files.values()))
        monkeypatch.setattr(identify, "known_files", known.known_files)
        return files[name]

    return register


@pytest.fixture(scope="module")
def sessions(tmp_path_factory: pytest.TempPathFactory) -> Dict[str, Dict[str, Path]]:
    folder = tmp_path_factory.mktemp("sessions")
    return {n: write_sessions(n, folder) for n in ("mc_maze", "mc_rtt", "area2_bump", "dmfc_rsg")}


# -- by hash -------------------------------------------------------------------------------------


def test_the_published_truth_is_named_and_said_to_be_public(registered) -> None:
    entry = registered("test-truth", TRUTH)
    found = what_is(TRUTH)
    assert found.known == entry
    assert found.words.startswith("test-truth: ground truth of the test phase")
    assert "it is public: scores on it are not scores on hidden truth" in found.notes
    assert found.kind is Kind.TRUTH


def test_a_superseded_recording_is_named_with_what_that_means(registered) -> None:
    path = SESSIONS / "dmfc_rsg_train.nwb"
    registered("dmfc_rsg-train-gershwin", path)
    found = what_is(path)
    assert found.known is not None
    assert found.known.name == "dmfc_rsg-train-gershwin"
    assert found.words.endswith("replaced in November 2021, scores are not comparable")
    assert found.notes[0] == "it is an NWB session of dmfc_rsg"
    unasked = what_is(path, by_hash=False)
    assert (unasked.known, unasked.sha256) == (None, None)


def test_size_and_name_say_what_a_file_may_be(tmp_path: Path) -> None:
    path = tmp_path / "a.nwb"
    with path.open("wb") as file:
        file.truncate(1_204_656)
    (note,) = what_is(path).notes
    assert note == (
        "by its size it is dmfc_rsg-test-gershwin, whose hash was never seen; replaced in "
        "November 2021, scores are not comparable"
    )
    path = path.rename(tmp_path / "sub-Gershwin_desc-train_ecephys.nwb")
    path.write_bytes(b"")
    (note,) = what_is(path).notes
    assert note.startswith("by its name it is dmfc_rsg-train-gershwin; replaced in November 2021")


# -- by structure --------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["mc_rtt", "area2_bump", "dmfc_rsg"])
@pytest.mark.parametrize("variant", ["train", "full", "test"])
def test_a_session_says_of_which_dataset_it_is(sessions, name: str, variant: str) -> None:
    found = what_is(sessions[name][variant])
    assert found.kind is Kind.RECORDING
    if (name, variant) == ("area2_bump", "test"):  # its columns are those of a maze's
        assert name in found.datasets
        assert len(found.datasets) == 5
    else:
        assert found.datasets == (name,)
        assert found.words == f"an NWB session of {name}"
    wanted = {
        "train": "9 held-in units and 4 held-out units, and trials 3 none, 24 train, 12 val",
        "full": "9 held-in units and 4 held-out units, and trials 3 none, 10 test, 24 train",
        "test": "9 held-in units and 0 held-out units, and trials 10 test",
    }
    assert wanted[variant] in found.notes[0]
    assert ("it gives model inputs, and no ground truth" in str(found.notes)) == (variant == "test")


def test_counts_of_units_tell_the_mazes_apart(sessions, tmp_path: Path) -> None:
    found = what_is(sessions["mc_maze"]["train"])
    assert found.datasets == ("mc_maze", "mc_maze_large", "mc_maze_medium", "mc_maze_small")
    published = DEFAULT_SUITE.dataset("mc_maze_medium").published
    path = tmp_path / "a.nwb"
    path.write_bytes(sessions["mc_maze"]["train"].read_bytes())
    with h5py.File(path, "r+") as file:
        del file["units/heldout"]
        flags = np.arange(published.n_heldin + published.n_heldout) >= published.n_heldin
        file["units/heldout"] = flags
    assert what_is(path).datasets == ("mc_maze_medium",)


@pytest.mark.parametrize("phase", ["val", "test"])
def test_truth_and_submissions_say_their_suite_and_the_phases_they_fit(
    tmp_path: Path, phase: str
) -> None:
    layouts = published_layouts(DEFAULT_SUITE, phase)
    truth, rates = tmp_path / "truth.h5", tmp_path / "rates.h5"
    groups = ("mc_rtt", "mc_rtt_20")
    with h5py.File(truth, "w") as file, h5py.File(rates, "w") as other:
        for group in groups:
            sizes = {axis.name: size for axis, size in layouts[group].sizes.items()}
            shape = (sizes["EVAL_TRIALS"], sizes["BINS"], sizes["HELDOUT"])
            file.create_dataset(f"{group}/eval_spikes_heldout", shape, "f4", compression="gzip")
            for name in RATE_ARRAYS[2:4]:
                last = sizes["HELDIN" if "heldin" in name else "HELDOUT"]
                other.create_dataset(f"{group}/{name}", (*shape[:2], last), "f4")
    found = what_is(truth)
    assert (found.kind, found.suite, found.phases) == (Kind.TRUTH, "nlb21", (phase,))
    assert found.words == (
        "ground truth of nlb21; it does not say its phase, its shapes are those of phase " + phase
    )
    assert found.notes[-1].startswith("it has mc_rtt, mc_rtt_20; without mc_maze, mc_maze_20, ")
    found = what_is(rates)
    assert (found.kind, found.suite, found.phases) == (Kind.SUBMISSION, "nlb21", (phase,))
    with h5py.File(truth, "r+") as file:
        file.attrs["phase"] = "val"
    found = what_is(truth)
    assert found.phases == ("val",)
    assert ("its shapes are not the published ones of phase val" in found.notes) == (phase != "val")


def test_small_truth_submissions_and_inputs_are_told_apart(tmp_path: Path) -> None:
    assert what_is(TRUTH).phases == ()
    assert "published ones of no phase" in what_is(TRUTH).words
    assert what_is(GOLDEN / "submission_val_a.h5").kind is Kind.SUBMISSION
    session = SESSIONS / "mc_maze_small_train.nwb"
    build_input_file("val", {"mc_maze_small": [session]}, tmp_path / "inputs.h5", DEFAULT_SUITE)
    found = what_is(tmp_path / "inputs.h5")
    assert (found.kind, found.phases) == (Kind.INPUTS, ("val",))


def test_truth_that_cannot_be_scored_with_says_why(tmp_path: Path) -> None:
    path = tmp_path / "truth.h5"
    with h5py.File(path, "w") as file:
        file["mc_rtt/eval_spikes_heldout"] = np.zeros((3, 4), "f4")
    found = what_is(path)
    assert found.kind is Kind.TRUTH
    assert "it cannot be scored with: " in found.notes[0]
    assert "expected three axes" in found.notes[0]


# -- what stands for a file ----------------------------------------------------------------------


def _pointer(digest: str) -> str:
    return f"version https://git-lfs.github.com/spec/v1\noid sha256:{digest}\nsize 105927616\n"


def test_an_lfs_pointer_says_what_is_behind_it(tmp_path: Path) -> None:
    path = tmp_path / "eval_data_test.h5"
    path.write_text(_pointer("0" * 64))
    found = what_is(path)
    assert found.kind is Kind.LFS_POINTER
    assert found.words.startswith("a Git LFS pointer, not the file: 105.9 MB are behind it")
    assert found.pointer is not None
    assert found.pointer.n_bytes == 105_927_616
    truth = known.published_truth("nlb21", "test")
    assert truth is not None
    path.write_text(_pointer(str(truth.sha256)))
    found = what_is(path)
    assert found.known is truth
    assert found.words.endswith("the file is that of test-truth")


def test_a_pointer_to_truth_is_one(tmp_path: Path) -> None:
    path = tmp_path / "test.yaml"
    path.write_text("location: s3://bucket/test.h5\nsha256: abc\nsize: 1\nphase: test\n")
    assert what_is(path).kind is Kind.TRUTH_POINTER


# -- anything else -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "an empty file"),
        (b"PK\x03\x04....", "a zip archive"),
        (b"\x1f\x8b\x08", "a gzip file"),
        (b"\x93NUMPY\x01", r"a NumPy array"),
        (b"\x80\x04\x95", "a pickle"),
        (b"<!DOCTYPE html><html>", "a web page, as a server shows instead of a file"),
        (b"hello\n", "a text file"),
        ("é".encode() * 600, "a text file"),
        (b"\xff\xfe\x00\x01", "no HDF5 and nothing else of the benchmark"),
        (TRUTH.read_bytes()[:5000], "HDF5 that is damaged or not complete"),
    ],
)
def test_anything_else_is_told_in_words(tmp_path: Path, content: bytes, words: str) -> None:
    path = tmp_path / "file"
    path.write_bytes(content)
    found = what_is(path)
    assert found.kind is Kind.OTHER
    assert found.words.startswith(words)
    assert what_is(tmp_path).words == "a folder"


def test_hdf5_of_others_is_told_without_following_its_links(tmp_path: Path) -> None:
    path = tmp_path / "file.h5"
    with h5py.File(path, "w") as file:
        file["mc_maze"] = h5py.ExternalLink(str(TRUTH), "/mc_maze")
        file["x\x1b[31m"] = 3
    found = what_is(path)
    assert found.kind is Kind.OTHER
    assert found.words == r"HDF5 that is nothing of the benchmark; it holds mc_maze, x\x1b[31m"
    with h5py.File(path, "w") as file:
        file.attrs["nwb_version"] = "2.4.0"
        file["units/id"] = [1]
    assert "without a table 'intervals/trials'" in what_is(path).words

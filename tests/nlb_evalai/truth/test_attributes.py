"""What a truth says of itself counts the same as text and as bytes, wherever it is read."""

from __future__ import annotations

from pathlib import Path
from typing import Callable

import h5py
import numpy as np
import pytest
from click.testing import CliRunner

from nlb_evalai.challenge.evalai.bundle import BundleError, build_bundle
from nlb_evalai.challenge.evalai.rules.run import check_bundle
from nlb_evalai.cli.annotations import annotations_group
from nlb_evalai.sample.files import ORIGIN, SamplePaths, is_sample
from nlb_evalai.truth.publish import PublishError, publish
from nlb_evalai.truth.verify import check_path

as_bytes = pytest.mark.parametrize("kind", [str, np.bytes_], ids=["text", "bytes"])


def truths(folder: Path, val: object, test: object) -> Path:
    """A folder with two truths that say these phases."""
    folder.mkdir()
    for name, phase in (("val", val), ("test", test)):
        with h5py.File(folder / f"{name}.h5", "w") as file:
            file.attrs.update(phase=phase, suite=type(phase)("nlb21"))
    return folder


@as_bytes
def test_verification_takes_the_right_phase_and_suite_alone(tmp_path: Path, kind: Callable) -> None:
    folder = truths(tmp_path / "truth", kind("val"), kind("dev"))
    assert check_path(folder / "val.h5").problems == ["no group of nlb21"]
    assert check_path(folder / "val.h5", phase="test").problems[0] == (
        "attribute phase: found 'val', expected 'test'"
    )
    assert "'dev', not a phase" in check_path(folder / "test.h5").problems[0]
    with h5py.File(folder / "val.h5", "a") as file:
        file.attrs["suite"] = kind("other")
    assert check_path(folder / "val.h5").problems[0] == (
        "attribute suite: found 'other', expected nlb21"
    )


@as_bytes
def test_a_bundle_takes_the_right_phase_alone(tmp_path: Path, kind: Callable) -> None:
    folder = truths(tmp_path / "truth", kind("val"), kind("test"))
    built = build_bundle(tmp_path / "good.zip", folder)
    assert check_bundle(built.path) == []
    swapped = truths(tmp_path / "swapped", kind("test"), kind("val"))
    with pytest.raises(BundleError, match="found ground truth of phase val, expected phase test"):
        build_bundle(tmp_path / "bad.zip", swapped)


@as_bytes
def test_publishing_takes_the_right_phase_alone(tmp_path: Path, kind: Callable) -> None:
    folder = truths(tmp_path / "truth", kind("val"), kind("dev"))
    with pytest.raises(PublishError, match=r"^destination: "):  # the step after the phase
        publish(folder / "val.h5", "nowhere", phase="val")
    with pytest.raises(PublishError, match="holds the truth of phase 'val', expected 'test'"):
        publish(folder / "val.h5", "nowhere", phase="test")
    with pytest.raises(PublishError, match="phase 'dev', expected val or test"):
        publish(folder / "test.h5", "nowhere")


def test_a_sample_is_one_also_when_it_says_so_in_bytes(
    tmp_path: Path, sample_paths: SamplePaths
) -> None:
    folder = truths(tmp_path / "truth", "val", "test")
    with h5py.File(sample_paths.annotations["val"], "r") as file:
        origin = file.attrs[ORIGIN]
    assert not is_sample(folder / "val.h5")
    with h5py.File(folder / "val.h5", "a") as file:
        file.attrs[ORIGIN] = np.bytes_(origin)
    assert is_sample(folder / "val.h5")
    built = build_bundle(tmp_path / "x.zip", folder)
    assert built.origins == {"val": origin, "test": "as given"}


@as_bytes
def test_show_tells_them(tmp_path: Path, kind: Callable) -> None:
    folder = truths(tmp_path / "truth", kind("val"), kind("test"))
    result = CliRunner().invoke(annotations_group, ["show", str(folder / "val.h5")])
    assert result.exit_code == 0
    assert "  phase: val\n  suite: nlb21\n" in result.output

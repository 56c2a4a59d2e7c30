"""The bundle: reproducible, complete, and refused where truth is not what it should be."""

from __future__ import annotations

import io
import os
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import boto3
import h5py
import pytest
import yaml
from click.testing import CliRunner

from evaluation_script import suites
from evaluation_script.suites import DEFAULT_SUITE
from nlb_evalai import __version__, cli
from nlb_evalai.challenge.evalai.bundle import BundleError, build_bundle, script_zip
from nlb_evalai.challenge.evalai.compose import challenge_files, write_files
from nlb_evalai.challenge.evalai.config import CONFIG_NAME, read_challenge
from nlb_evalai.challenge.head import read_head
from nlb_evalai.cli.bundle import bundle as bundle_command
from nlb_evalai.errors import ToolError
from nlb_evalai.truth.publish import publish
from tests import store
from tests.paths import FINGERS, ROOT


@pytest.fixture
def truth(tmp_path: Path) -> Path:
    """A folder with ground truth that is not the sample's."""
    folder = tmp_path / "truth"
    folder.mkdir()
    for phase in ("val", "test"):
        with h5py.File(folder / f"{phase}.h5", "w") as file:
            file.attrs["phase"] = phase
    return folder


def test_the_same_input_gives_the_same_bytes(tmp_path, truth):
    first = build_bundle(tmp_path / "one.zip", truth)
    for name in ("val.h5", "test.h5"):
        os.utime(truth / name, (0, 0))
    copy = shutil.copytree(
        ROOT,
        tmp_path / "copy",
        ignore=shutil.ignore_patterns(".*", "tests", "build", "__pycache__"),
    )
    (copy / "evaluation_script" / "main.py").chmod(0o700)
    second = build_bundle(tmp_path / "deeper" / "two.zip", truth, root=copy)
    assert first.path.read_bytes() == second.path.read_bytes()
    assert first.sha256 == second.sha256


def test_the_sample_bundle_is_the_same_each_time(tmp_path):
    first, second = (build_bundle(tmp_path / f"{i}.zip") for i in range(2))
    assert first.path.read_bytes() == second.path.read_bytes()


def test_members_are_sorted_with_fixed_times_and_permissions(tmp_path, truth):
    built = build_bundle(tmp_path / "x.zip", truth)
    with zipfile.ZipFile(built.path) as outer:
        inner = zipfile.ZipFile(io.BytesIO(outer.read("evaluation_script.zip")))
        for archive in (outer, inner):
            names = archive.namelist()
            assert names == sorted(names)
            for info in archive.infolist():
                assert info.date_time == (1980, 1, 1, 0, 0, 0)
                assert info.external_attr >> 16 == 0o100644
                assert info.create_system == 3


def test_the_bundle_holds_what_its_config_names_and_nothing_else(tmp_path, truth):
    built = build_bundle(tmp_path / "x.zip", truth)
    challenge = read_challenge(ROOT / CONFIG_NAME)
    assert set(built.members) == {CONFIG_NAME, *challenge.files}
    with zipfile.ZipFile(built.path) as archive:
        for phase in ("val", "test"):
            assert archive.read(f"annotations/{phase}.h5") == (truth / f"{phase}.h5").read_bytes()


def test_the_script_zip_is_the_package_without_what_tools_leave_behind(tmp_path):
    folder = tmp_path / "script"
    for name in (
        "__init__.py",
        "metrics/__init__.py",
        "requirements.txt",
        "__pycache__/main.cpython-39.pyc",
        "metrics/old.pyc",
        ".hidden/x.py",
        ".DS_Store",
    ):
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(name)
    with zipfile.ZipFile(io.BytesIO(script_zip(folder))) as archive:
        assert archive.namelist() == ["__init__.py", "metrics/__init__.py", "requirements.txt"]


def test_a_bundle_of_sample_truth_warns_loudly(tmp_path):
    result = CliRunner().invoke(bundle_command, ["build", "--out", str(tmp_path / "x.zip")])
    assert result.exit_code == 0, result.output
    assert "WARNING: the ground truth of val and test is the embedded sample" in result.output


def test_sample_truth_given_as_annotations_warns_too(tmp_path, sample_paths):
    folder = sample_paths.annotations["val"].parent
    built = build_bundle(tmp_path / "x.zip", folder)
    assert len(built.warnings) == 1


def lasting(warnings):
    """Without those that a truth of a few trials gets."""
    return [warning for warning in warnings if "[truth-as-published]" not in warning]


def test_a_bundle_of_other_truth_does_not_warn(tmp_path, truth):
    assert lasting(build_bundle(tmp_path / "x.zip", truth).warnings) == []


def test_all_that_is_wrong_with_the_truth_is_said_at_once_and_nothing_written(tmp_path):
    folder = tmp_path / "truth"
    folder.mkdir()
    (folder / "test.h5").write_text("not HDF5")
    with pytest.raises(BundleError) as caught:
        build_bundle(tmp_path / "x.zip", folder)
    text = str(caught.value)
    assert "2 problems" in text
    assert "val.h5: the ground truth of phase val is missing" in text
    assert "test.h5: no HDF5 file; expected the ground truth of phase test" in text
    assert list(tmp_path.iterdir()) == [folder]


def test_truth_of_the_other_phase_is_refused(tmp_path, truth):
    shutil.copyfile(truth / "val.h5", truth / "test.h5")
    with pytest.raises(BundleError, match="found ground truth of phase val, expected phase test"):
        build_bundle(tmp_path / "x.zip", truth)


def test_truth_of_another_suite_is_refused(tmp_path, truth):
    with h5py.File(truth / "val.h5", "r+") as file:
        file.attrs["suite"] = "fingers"
    message = r"val\.h5: found ground truth of suite fingers, expected suite nlb21"
    with pytest.raises(BundleError, match=message):
        build_bundle(tmp_path / "x.zip", truth)
    fingers = suites.load(FINGERS)
    for phase in fingers.phases:
        shutil.copyfile(truth / "test.h5", truth / f"{phase.codename}.h5")
    with pytest.raises(BundleError, match="found ground truth of suite nlb21, expected suite fin"):
        build_bundle(tmp_path / "x.zip", truth, suite=fingers)


def test_a_suite_of_ones_own_goes_into_the_script_and_says_that_it_has_no_head(tmp_path):
    built = build_bundle(tmp_path / "x.zip", suite=suites.load(FINGERS))
    with zipfile.ZipFile(built.path) as outer:
        inner = zipfile.ZipFile(io.BytesIO(outer.read("evaluation_script.zip")))
        assert inner.read("suites/fingers.py") == FINGERS.read_bytes()
        assert "templates/phase_qualifier.html" in outer.namelist()
    (note,) = built.notes
    assert "suite fingers has no head" in note


def test_a_head_of_ones_own_is_what_the_bundle_says(tmp_path, truth):
    head = tmp_path / "head.yaml"
    head.write_text("title: Another title\nphases: {test: {max_submissions_per_day: 3}}\n")
    built = build_bundle(tmp_path / "x.zip", truth, head=head)
    with zipfile.ZipFile(built.path) as archive:
        config = yaml.safe_load(archive.read(CONFIG_NAME))
        assert b"Phase 2: prizes" not in archive.read("templates/evaluation_details.html")
    assert config["title"] == "Another title"
    assert [p["max_submissions_per_day"] for p in config["challenge_phases"]] == [5, 3]
    assert lasting(built.warnings) == built.notes == []


def test_an_installed_package_of_any_version_builds_the_same_bundle(tmp_path, truth):
    for package in ("evaluation_script", "nlb_evalai"):
        shutil.copytree(ROOT / package, tmp_path / "installed" / package)
    init = tmp_path / "installed" / "nlb_evalai" / "__init__.py"
    init.write_text(init.read_text().replace(__version__, "9.9.9"))
    command = ["bundle", "build", "--annotations", truth, "--out", tmp_path / "there.zip"]
    subprocess.run(
        [sys.executable, "-m", "nlb_evalai", *map(str, command)],
        cwd=tmp_path / "installed",
        env={**os.environ, "PYTHONPATH": str(tmp_path / "installed")},
        check=True,
    )
    here = build_bundle(tmp_path / "here.zip", truth)
    assert "9.9.9" in init.read_text()
    assert (tmp_path / "there.zip").read_bytes() == here.path.read_bytes()


def test_a_page_edited_by_hand_or_out_of_date_is_told(tmp_path, truth):
    ignored = shutil.ignore_patterns(".*", "tests", "build", "__pycache__")
    root = shutil.copytree(ROOT, tmp_path / "root", ignore=ignored)
    page = root / "templates" / "phase_val.html"
    page.write_text(page.read_text() + "<p>More.</p>\n")
    (warning,) = lasting(build_bundle(tmp_path / "x.zip", truth, root=root).warnings)
    assert "[edited-by-hand] templates/phase_val.html" in warning
    head = tmp_path / "head.yaml"
    head.write_text("title: Another title\n")
    write_files(challenge_files(DEFAULT_SUITE, read_head(head, DEFAULT_SUITE)), root)
    built = build_bundle(tmp_path / "x.zip", truth, root=root)
    assert lasting(built.warnings) == []
    (note,) = built.notes
    assert note.startswith(CONFIG_NAME)
    assert "run `make challenge`" in note


def test_truncated_truth_is_refused(tmp_path, truth):
    content = (truth / "val.h5").read_bytes()
    (truth / "val.h5").write_bytes(content[: len(content) // 2])
    with pytest.raises(BundleError, match=r"val\.h5: damaged"):
        build_bundle(tmp_path / "x.zip", truth)


def test_a_page_that_the_config_names_and_the_checkout_lacks_is_named(tmp_path, truth):
    root = tmp_path / "root"
    shutil.copytree(ROOT / "evaluation_script", root / "evaluation_script")
    shutil.copytree(ROOT / "templates", root / "templates")
    shutil.copyfile(ROOT / CONFIG_NAME, root / CONFIG_NAME)
    (root / "templates" / "phase_val.html").unlink()
    with pytest.raises(BundleError) as caught:
        build_bundle(tmp_path / "x.zip", truth, root=root)
    assert [line.rsplit("/", 1)[1] for line in caught.value.problems] == [
        f"logo.png: missing, but {CONFIG_NAME} names it",
        f"phase_val.html: missing, but {CONFIG_NAME} names it",
    ]


def test_a_place_that_cannot_be_written_is_a_clear_error(tmp_path, truth):
    (tmp_path / "file").touch()
    with pytest.raises(ToolError, match="cannot be written"):
        build_bundle(tmp_path / "file" / "x.zip", truth)


def test_the_command_shows_the_error_and_fails(tmp_path):
    (tmp_path / "empty").mkdir()
    result = CliRunner().invoke(
        bundle_command,
        ["build", "--annotations", str(tmp_path / "empty"), "--out", str(tmp_path / "x.zip")],
    )
    assert result.exit_code != 0
    assert isinstance(result.exception, BundleError)


@pytest.fixture
def published(truth, moto, proxy):
    """The folder of truth, its test.h5 moved to a store and a pointer left in its place."""
    client = boto3.client("s3", endpoint_url="http://{}:{}".format(*moto), region_name="us-east-1")
    client.create_bucket(Bucket="published")
    content = (truth / "test.h5").read_bytes()
    publish(truth / "test.h5", "s3://published/test.h5", overwrite=True)
    (truth / "test.h5").unlink()
    client.close()
    return truth, content


def test_truth_behind_a_pointer_goes_into_the_bundle(published, tmp_path):
    folder, content = published
    built = build_bundle(tmp_path / "x.zip", folder)
    with zipfile.ZipFile(built.path) as archive:
        assert archive.read("annotations/test.h5") == content


def write_pointer(path: Path, phase: str) -> Path:
    path.write_text(
        f"location: s3://b0b/{phase}.h5\nsha256: '{'0' * 64}'\nsize: 9\nphase: {phase}\n"
    )
    return path


def test_for_remote_evaluation_the_pointers_alone_leave_the_host(tmp_path, truth, remote_head):
    # as `annotations publish` leaves it: the pointer beside the truth; nothing is fetched
    pointers = {phase: write_pointer(truth / f"{phase}.yaml", phase) for phase in ("val", "test")}
    built = build_bundle(tmp_path / "x.zip", truth, head=remote_head)
    assert built.warnings == []
    with zipfile.ZipFile(built.path) as archive:
        for phase, pointer in pointers.items():
            assert archive.read(f"annotations/{phase}.h5") == pointer.read_bytes()


def test_truth_itself_is_refused_for_remote_evaluation(tmp_path, truth, remote_head):
    write_pointer(truth / "val.yaml", "val")
    with pytest.raises(BundleError) as caught:
        build_bundle(tmp_path / "x.zip", truth, head=remote_head)
    (problem,) = caught.value.problems
    assert problem.startswith(f"{truth / 'test.h5'}: is the truth itself")
    assert f"`nlb-evalai annotations publish {truth / 'test.h5'} s3://BUCKET/KEY`" in problem
    assert not (tmp_path / "x.zip").exists()


def test_the_sample_may_be_tried_with_remote_evaluation_too(tmp_path, remote_head):
    (warning,) = build_bundle(tmp_path / "x.zip", head=remote_head).warnings
    assert "embedded sample" in warning


def test_truth_that_cannot_be_fetched_stops_the_build_with_the_reason(
    published, proxy, tmp_path, monkeypatch, capsys
):
    proxy.always = store.error(400, "ExpiredToken")
    out = tmp_path / "x.zip"
    arguments = ["bundle", "build", "--annotations", str(published[0]), "--out", str(out)]
    monkeypatch.setattr("sys.argv", ["nlb-evalai", *arguments])
    with pytest.raises(SystemExit) as caught:
        cli.main()
    assert caught.value.code == 2
    assert "error: s3://published/test.h5: the credentials have expired" in capsys.readouterr().err
    assert not out.exists()

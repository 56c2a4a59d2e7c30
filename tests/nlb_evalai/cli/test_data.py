"""``nlb-evalai data``, with a server in place of both archives."""

from __future__ import annotations

import hashlib
import json
from dataclasses import replace
from pathlib import Path
from typing import Dict, Iterator

import pytest
from click.testing import CliRunner, Result

from nlb_evalai.cli import cli
from nlb_evalai.errors import ProblemsError, ToolError
from nlb_evalai.truth import known
from nlb_evalai.web import download
from nlb_evalai.web.http import Timing
from tests.nlb_evalai.truth.conftest import SESSIONS
from tests.nlb_evalai.web.archive import LocalArchive
from tests.paths import GOLDEN

CONTENT = {
    "mc_maze_small-train": b"a recording" * 9,
    "mc_maze_small-test": b"its test trials",
    "mc_rtt-test": b"a file whose hash was never seen",
    "test-truth": b"truth" * 99,
}


def run(*arguments: object) -> Result:
    return CliRunner().invoke(cli, ["data", *map(str, arguments)])


@pytest.fixture
def archive(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[LocalArchive]:
    """Both archives, with a few bytes for some of the files, of which the list then knows."""
    server = LocalArchive()
    files: Dict[str, known.KnownFile] = {one.name: one for one in known.known_files()}
    for name, content in CONTENT.items():
        digest = files[name].sha256 and hashlib.sha256(content).hexdigest()
        one = files[name] = replace(files[name], n_bytes=len(content), sha256=digest)
        path = f"/api/assets/{one.asset}/download/" if one.asset else f"/lfs/{one.path}"
        server.files[path] = content
    monkeypatch.setattr(known, "known_files", lambda: tuple(files.values()))
    monkeypatch.setenv("NLB_EVALAI_DANDI", f"{server.address}/api/")
    monkeypatch.setenv("NLB_EVALAI_NLB_TOOLS", f"{server.address}/lfs")
    monkeypatch.setenv("NLB_EVALAI_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(download, "TIMING", Timing(repeats=2, first_pause_seconds=0.001))
    yield server
    server.stop()


def test_the_list_has_every_file_its_licence_and_what_was_replaced() -> None:
    output = run("list").output
    for one in known.known_files():
        assert one.name in output
        assert one.file in output
    assert "superseded: dmfc_rsg-train-gershwin (sub-Gershwin_desc-train_ecephys.nwb" in output
    assert "licence of test-truth: MIT" in output
    listed = json.loads(run("list", "--json").output)
    assert [one["name"] for one in listed] == [one.name for one in known.known_files()]
    assert {"address", "sha256", "n_bytes", "licence", "version"} <= set(listed[0])


def test_a_dataset_and_the_truth_come_into_a_folder_verified(
    archive: LocalArchive, tmp_path: Path
) -> None:
    to = tmp_path / "data"
    result = run("fetch", "mc_maze_small", "test-truth", "--to", to)
    assert result.exit_code == 0, result.output
    assert result.output.count("fetched, verified: ") == 3
    names = sorted(path.name for path in (to / "mc_maze_small").iterdir())
    assert names == [
        "sub-Jenkins_ses-small_desc-test_ecephys.nwb",
        "sub-Jenkins_ses-small_desc-train_behavior+ecephys.nwb",
    ]
    assert (to / "eval_data_test.h5").read_bytes() == CONTENT["test-truth"]
    archive.requests.clear()
    again = run("fetch", "mc_maze_small", "--to", to)
    assert again.output.count("is there, verified: ") == 2
    assert archive.requests == []


def test_without_a_folder_files_lie_in_the_cache_where_tools_find_them(
    archive: LocalArchive, tmp_path: Path
) -> None:
    assert run("fetch", "test-truth").exit_code == 0
    (one,) = known.named(["test-truth"])
    copy = known.obtain(one)
    assert copy.path == tmp_path / "cache" / "known" / "eval_data_test.h5"
    assert (copy.verified, copy.fresh) == (True, False)


def test_a_file_whose_hash_was_never_seen_is_marked_and_its_hash_printed(
    archive: LocalArchive, tmp_path: Path
) -> None:
    result = run("fetch", "mc_rtt-test", "--to", tmp_path)
    assert result.exit_code == 0
    assert "fetched, UNVERIFIED, its size alone is known: " in result.output
    assert f"sha256 {hashlib.sha256(CONTENT['mc_rtt-test']).hexdigest()}" in result.output


def test_one_that_fails_does_not_keep_the_others_and_all_are_told(
    archive: LocalArchive, tmp_path: Path
) -> None:
    for path in archive.files:
        if archive.files[path] == CONTENT["mc_maze_small-train"]:
            archive.files[path] = CONTENT["mc_maze_small-train"][:-1] + b"x"
    result = run("fetch", "mc_maze_small", "mc_maze_large-test", "--to", tmp_path)
    assert isinstance(result.exception, ProblemsError)
    wrong, lost = result.exception.problems
    assert wrong.startswith("mc_maze_small-train: http://127.0.0.1")
    for content in (CONTENT["mc_maze_small-train"][:-1] + b"x", CONTENT["mc_maze_small-train"]):
        assert hashlib.sha256(content).hexdigest() in wrong
    assert "HTTP 404" in lost
    assert [path.name for path in (tmp_path / "mc_maze_small").iterdir()] == [
        "sub-Jenkins_ses-small_desc-test_ecephys.nwb"
    ]


def test_a_superseded_file_cannot_be_had(archive: LocalArchive) -> None:
    result = run("fetch", "dmfc_rsg-train-gershwin")
    assert isinstance(result.exception, ToolError)
    assert "it cannot be had any more: replaced in November 2021" in str(result.exception)


def test_no_network_is_one_sentence_with_where_to_fetch_and_put_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("NLB_EVALAI_DANDI", "http://127.0.0.1:9/api/")
    monkeypatch.setattr(download, "TIMING", Timing(repeats=2, first_pause_seconds=0.001))
    result = run("fetch", "mc_rtt-test", "--to", tmp_path)
    (one,) = known.named(["mc_rtt-test"])
    assert str(result.exception) == (
        "mc_rtt-test: could not be fetched: cannot connect; fetch "
        f"http://127.0.0.1:9/api/assets/{one.asset}/download/ by hand and put it at "
        f"{tmp_path}/mc_rtt/sub-Indy_desc-test_ecephys.nwb, or run the command again: it goes on "
        "where it was"
    )


def test_identify_says_it_for_people_and_as_json(tmp_path: Path) -> None:
    pointer = tmp_path / "truth.h5"
    pointer.write_text(
        f"version https://git-lfs.github.com/spec/v1\noid sha256:{'0' * 64}\nsize 105927616\n"
    )
    paths = [SESSIONS / "mc_rtt_train.nwb", GOLDEN / "target_val.h5", pointer]
    output = run("identify", *paths).output
    assert f"{paths[0]}: an NWB session of mc_rtt\n" in output
    assert f"{paths[1]}: ground truth of nlb21; " in output
    assert f"{pointer}: a Git LFS pointer, not the file: 105.9 MB are behind it" in output
    found = json.loads(run("identify", "--json", *paths).output)
    kinds = [one["kind"] for one in found]
    assert kinds == ["NWB session", "ground truth", "Git LFS pointer"]
    assert found[0]["datasets"] == ["mc_rtt"]

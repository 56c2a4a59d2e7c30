"""Published files: resumed after a restart, under their name only when verified."""

from __future__ import annotations

import hashlib
import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any, Iterator

import pytest

from nlb_evalai.errors import ToolError
from nlb_evalai.web.download import (
    Downloaded,
    Unreachable,
    WrongContent,
    download,
    etag_of,
    part_of,
)
from nlb_evalai.web.http import Timing
from tests.nlb_evalai.web.archive import LocalArchive

CONTENT = bytes(range(256)) * 4000
SHA256 = hashlib.sha256(CONTENT).hexdigest()
ONCE = Timing(repeats=1, first_pause_seconds=0.001)
QUICK = Timing(repeats=3, first_pause_seconds=0.001)


@pytest.fixture
def archive() -> Iterator[LocalArchive]:
    server = LocalArchive()
    server.files["/a"] = CONTENT
    yield server
    server.stop()


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "below" / "file.nwb"


def get(archive: LocalArchive, path: Path, **changed: Any) -> Downloaded:
    wanted = {"n_bytes": len(CONTENT), "sha256": SHA256, "timing": QUICK, **changed}
    return download(f"{archive.address}/a", path, **wanted)


def left(path: Path) -> set:
    return {one.name for one in path.parent.iterdir()}


def test_a_redirect_is_followed_without_credentials(
    archive: LocalArchive, path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    netrc = tmp_path / "netrc"
    netrc.write_text("machine 127.0.0.1 login me password word\n")
    monkeypatch.setenv("NETRC", str(netrc))
    heard = []
    found = get(archive, path, progress=heard.append)
    assert found == Downloaded(path, SHA256, fresh=True)
    assert path.read_bytes() == CONTENT
    assert left(path) == {path.name}
    assert heard[0] == 0
    assert heard[-1] == len(CONTENT)
    assert [path.partition("?")[0] for path, _ in archive.requests] == ["/a", "/storage/a"]
    assert all("Authorization" not in headers for _, headers in archive.requests)


def test_a_file_that_is_there_is_verified_and_not_fetched_again(
    archive: LocalArchive, path: Path
) -> None:
    get(archive, path)
    archive.requests.clear()
    assert get(archive, path) == Downloaded(path, SHA256, fresh=False)
    assert archive.requests == []


def test_another_file_of_that_name_stays_and_both_hashes_are_told(
    archive: LocalArchive, path: Path
) -> None:
    path.parent.mkdir()
    path.write_bytes(b"mine")
    with pytest.raises(WrongContent, match="there is another file") as caught:
        get(archive, path)
    assert SHA256 in str(caught.value)
    assert hashlib.sha256(b"mine").hexdigest() in str(caught.value)
    assert path.read_bytes() == b"mine"
    assert archive.requests == []


def test_what_was_cut_off_goes_on_in_the_next_call(archive: LocalArchive, path: Path) -> None:
    archive.cut = [300_000, 0]
    with pytest.raises(Unreachable, match="cut"):
        get(archive, path, timing=ONCE)
    assert left(path) == {part_of(path).name, etag_of(path).name}
    began = part_of(path).stat().st_size
    assert 0 < began <= 300_000
    heard = []
    get(archive, path, progress=heard.append)
    assert heard[0] == began
    assert path.read_bytes() == CONTENT
    assert left(path) == {path.name}
    last = archive.of_storage()[-1]
    assert last["Range"] == f"bytes={began}-"
    assert last["If-Range"] == f'"{hashlib.md5(CONTENT).hexdigest()}"'


def test_a_process_that_was_killed_left_what_the_next_one_goes_on_from(
    archive: LocalArchive, path: Path
) -> None:
    archive.slow = threading.Event()
    code = (
        "import sys; from pathlib import Path\n"
        "from nlb_evalai.web.download import download\n"
        "download(sys.argv[1], Path(sys.argv[2]), n_bytes=int(sys.argv[3]))\n"
    )
    arguments = [f"{archive.address}/a", str(path), str(len(CONTENT))]
    process = subprocess.Popen([sys.executable, "-c", code, *arguments])
    try:
        until = time.monotonic() + 20
        while not (part_of(path).exists() and part_of(path).stat().st_size > 400_000):
            assert time.monotonic() < until
            time.sleep(0.02)
    finally:
        os.kill(process.pid, signal.SIGKILL)
        process.wait()
    archive.slow.set()
    archive.slow = None
    began = part_of(path).stat().st_size
    get(archive, path)
    assert path.read_bytes() == CONTENT
    assert archive.of_storage()[-1]["Range"] == f"bytes={began}-"


@pytest.mark.parametrize("etag", ["changed", "none at all"])
def test_a_content_that_changed_meanwhile_or_has_no_name_starts_over(
    archive: LocalArchive, path: Path, etag: str
) -> None:
    archive.files["/a"] = bytes(len(CONTENT))
    archive.etags = {} if etag == "changed" else {"/a": ""}
    archive.cut = [300_000, 0]
    with pytest.raises(Unreachable):
        get(archive, path, timing=ONCE)
    archive.files["/a"] = CONTENT
    get(archive, path)
    assert path.read_bytes() == CONTENT
    assert ("If-Range" in archive.of_storage()[-1]) == (etag == "changed")


def test_a_whole_part_needs_no_request(archive: LocalArchive, path: Path) -> None:
    path.parent.mkdir()
    part_of(path).write_bytes(CONTENT)
    etag_of(path).write_text('"any"')
    assert get(archive, path).fresh
    assert archive.requests == []


@pytest.mark.parametrize(
    "content", [CONTENT[:-1] + b"x", CONTENT[:-1], CONTENT + b"x"], ids=["hash", "short", "long"]
)
def test_wrong_content_leaves_nothing_and_tells_what_came(
    archive: LocalArchive, path: Path, content: bytes
) -> None:
    archive.files["/a"] = content
    with pytest.raises(WrongContent, match="nothing of it is kept") as caught:
        get(archive, path)
    assert left(path) == set()
    assert "secret" not in str(caught.value)
    if len(content) <= len(CONTENT):
        assert hashlib.sha256(content).hexdigest() in str(caught.value)
        assert SHA256 in str(caught.value)


def test_a_pointer_that_came_instead_is_recognized(archive: LocalArchive, path: Path) -> None:
    archive.files["/a"] = (
        f"version https://git-lfs.github.com/spec/v1\noid sha256:{SHA256}\nsize 105927616\n"
    ).encode()
    with pytest.raises(WrongContent, match=r"a Git LFS pointer, .* 105\.9 MB are behind it"):
        get(archive, path)
    assert left(path) == set()


def test_without_a_known_hash_the_size_alone_decides(archive: LocalArchive, path: Path) -> None:
    assert get(archive, path, sha256=None).sha256 == SHA256
    with pytest.raises(WrongContent, match=r"of sha256 \(never seen\)"):
        get(archive, path, sha256=None, n_bytes=7)


def test_what_is_not_there_or_cannot_be_reached_is_told_in_words(
    archive: LocalArchive, path: Path
) -> None:
    del archive.files["/a"]
    with pytest.raises(Unreachable, match=r"^HTTP 404$"):
        get(archive, path)
    assert len(archive.of_storage()) == 1
    with pytest.raises(Unreachable, match=r"^cannot connect$"):
        download("http://127.0.0.1:9/a", path, n_bytes=3, timing=QUICK)


@pytest.mark.parametrize("target", ["file:///etc/passwd", "ftp://127.0.0.1/a", "s3://bucket/a"])
def test_no_redirect_leaves_the_web(archive: LocalArchive, path: Path, target: str) -> None:
    archive.redirect_to = target
    with pytest.raises(Unreachable, match="not one of http or https"):
        get(archive, path)
    with pytest.raises(ToolError, match="expected an address of http or https"):
        download(target, path, n_bytes=3)


def test_redirects_in_a_circle_end(archive: LocalArchive, path: Path) -> None:
    archive.redirect_to = f"{archive.address}/a"
    with pytest.raises(Unreachable, match="redirected too often"):
        get(archive, path)


def test_two_at_once_fetch_it_once(archive: LocalArchive, path: Path) -> None:
    found = []
    threads = [threading.Thread(target=lambda: found.append(get(archive, path))) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(one.fresh for one in found) == [False, False, True]
    assert len(archive.of_storage()) == 1
    assert left(path) == {path.name}


def test_a_disk_without_room_is_told_before_anything_is_fetched(
    archive: LocalArchive, path: Path
) -> None:
    with pytest.raises(ToolError, match=r"free, expected \d+\.\d MB for the rest of file\.nwb"):
        get(archive, path, n_bytes=10**18)
    assert archive.requests == []


def test_a_folder_that_cannot_be_written_is_told_in_words(
    archive: LocalArchive, tmp_path: Path
) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(ToolError, match="cannot be written: "):
        get(archive, tmp_path / "file" / "a")

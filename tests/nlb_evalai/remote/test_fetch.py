"""Submitted files over HTTP: cut off, resumed, refused."""

from __future__ import annotations

from pathlib import Path

import pytest

from nlb_evalai.remote.errors import FetchError, FileRefused, HandBack
from nlb_evalai.remote.fetch import fetch
from tests.nlb_evalai.remote.standin import StandIn, Trouble

CONTENT = bytes(range(256)) * 8000


def _url(server: StandIn, pk: int) -> str:
    return server._submission(pk)[1]["input_file"]


def test_a_transfer_that_is_cut_goes_on_where_it_was(standin, tmp_path: Path):
    server = standin(trouble=Trouble(cut_file=0.6), seed=1)
    pk = server.submit(CONTENT)
    path = tmp_path / "file"
    size = fetch(_url(server, pk), path, max_bytes=10**7, pause_seconds=0.01)
    assert size == len(CONTENT)
    assert path.read_bytes() == CONTENT
    ranges = [request.get("Range") for request in server.storage_requests]
    assert ranges[0] is None
    assert server.injected["cut_file"] >= 1
    assert all(asked for asked in ranges[1:])


def test_a_server_without_ranges_starts_over(standin, tmp_path: Path):
    server = standin(trouble=Trouble(cut_file=0.4), seed=1)
    server.supports_ranges = False
    pk = server.submit(CONTENT)
    path = tmp_path / "file"
    fetch(_url(server, pk), path, max_bytes=10**7, pause_seconds=0.01)
    assert len(server.storage_requests) > 1
    assert path.read_bytes() == CONTENT


def test_a_refusal_is_told_without_the_signature(standin, tmp_path: Path):
    server = standin()
    with pytest.raises(FetchError, match="HTTP 403") as caught:
        fetch(server.storage + "/other?X-Amz-Signature=sig", tmp_path / "file", max_bytes=9)
    assert "sig" not in str(caught.value).replace("signature", "")


def test_an_unreachable_host_is_told_in_words(tmp_path: Path):
    with pytest.raises(FetchError, match="could not be fetched: cannot connect"):
        fetch("http://127.0.0.1:9/x?s=1", tmp_path / "file", max_bytes=9, pause_seconds=0.001)


@pytest.mark.parametrize("url", ["file:///etc/passwd", "s3://bucket/key"])
def test_only_web_addresses_are_followed(url, tmp_path: Path):
    with pytest.raises(FetchError, match="no web address"):
        fetch(url, tmp_path / "file", max_bytes=9)


def test_a_file_is_never_written_past_the_limit(standin, tmp_path: Path):
    server = standin()
    pk = server.submit(CONTENT)
    path = tmp_path / "file"
    with pytest.raises(FileRefused, match=r"found 2\.0 MB, expected at most 1\.0 MB"):
        fetch(_url(server, pk), path, max_bytes=10**6)
    assert path.stat().st_size <= 10**6


def test_what_the_beat_raises_ends_the_transfer(standin, tmp_path: Path):
    server = standin()
    pk = server.submit(CONTENT)

    def stop() -> None:
        raise HandBack

    with pytest.raises(HandBack):
        fetch(_url(server, pk), tmp_path / "file", max_bytes=10**7, beat=stop)

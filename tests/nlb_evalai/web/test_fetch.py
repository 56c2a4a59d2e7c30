"""Submitted files over HTTP and S3: cut off, resumed, refused."""

from __future__ import annotations

import subprocess
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import boto3
import pytest

from nlb_evalai.web.fetch import FetchError, FileRefused, NotGiven, fetch
from nlb_evalai.web.http import Timing
from nlb_evalai.web.locations import DOWNLOAD_PREFIX, fetched, objects_below
from tests import store
from tests.nlb_evalai.remote.standin import StandIn, Trouble

CONTENT = bytes(range(256)) * 8000
QUICK = Timing(first_pause_seconds=0.001)
ROOT = Path(__file__).resolve().parents[3]


def _url(server: StandIn, pk: int) -> str:
    return server._submission(pk)[1]["input_file"]


def test_a_transfer_that_is_cut_goes_on_where_it_was(standin, tmp_path: Path):
    server = standin(trouble=Trouble(cut_file=0.6), seed=1)
    pk = server.submit(CONTENT)
    path = tmp_path / "file"
    size = fetch(_url(server, pk), path, max_bytes=10**7, timing=QUICK)
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
    fetch(_url(server, pk), path, max_bytes=10**7, timing=QUICK)
    assert len(server.storage_requests) > 1
    assert path.read_bytes() == CONTENT


def test_a_refusal_is_told_without_the_signature(standin, tmp_path: Path):
    server = standin()
    with pytest.raises(FetchError, match="HTTP 403") as caught:
        fetch(server.storage + "/other?X-Amz-Signature=sig", tmp_path / "file", max_bytes=9)
    assert "sig" not in str(caught.value).replace("signature", "")


def test_an_unreachable_host_is_told_in_words(tmp_path: Path):
    with pytest.raises(FetchError, match="could not be fetched: cannot connect"):
        fetch("http://127.0.0.1:9/x?s=1", tmp_path / "file", max_bytes=9, timing=QUICK)


@pytest.mark.parametrize(
    "url", ["file:///etc/passwd", "s3://bucket/key", "/etc/passwd", "http://[broken"]
)
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

    class Ended(Exception):
        pass

    def stop() -> None:
        raise Ended

    with pytest.raises(Ended):
        fetch(_url(server, pk), tmp_path / "file", max_bytes=10**7, beat=stop)


# -- whatever a location is ----------------------------------------------------------------------


def test_a_path_is_the_file_itself(tmp_path: Path):
    with fetched(str(tmp_path / "file.h5")) as path:
        assert path == tmp_path / "file.h5"


def test_a_download_that_is_cut_off_goes_on_is_bounded_and_is_deleted(standin, monkeypatch):
    monkeypatch.setattr("nlb_evalai.web.fetch.time.sleep", lambda seconds: None)
    server = standin(trouble=Trouble(cut_file=0.6), seed=1)
    url = _url(server, server.submit(CONTENT))
    with fetched(url) as path:
        assert path.read_bytes() == CONTENT
    assert not path.exists()
    assert server.injected["cut_file"] >= 1
    with pytest.raises(FileRefused, match=r"too large: found 2\.0 MB, expected at most 1\.0") as no:
        fetched(url, 10**6).__enter__()
    assert "Signature" not in str(no.value)
    assert str(no.value).startswith(f"{server.storage}/media/")


def test_an_address_of_another_kind_is_refused():
    with pytest.raises(NotGiven, match=r"^ftp://x\.org/f: expected a path, s3:// or http"):
        fetched("ftp://me:word@x.org/f?s=1").__enter__()


@pytest.fixture
def bucket(proxy, moto):
    client = boto3.client("s3", endpoint_url="http://{}:{}".format(*moto), region_name="us-east-1")
    client.create_bucket(Bucket="uploads")
    client.put_object(Bucket="uploads", Key="a/1.h5", Body=CONTENT)
    client.put_object(Bucket="uploads", Key="a/b/none.h5", Body=b"")
    client.close()
    return proxy


def test_an_object_is_fetched_whole_though_it_was_cut_off(bucket):
    bucket.faults = [lambda _: False, *[store.truncated] * 3]
    with fetched("s3://uploads/a/1.h5") as path:
        assert path.read_bytes() == CONTENT
    assert bucket.faults == []
    assert not path.exists()


def test_an_empty_object_is_an_empty_file(bucket):
    with fetched("s3://uploads/a/b/none.h5") as path:
        assert path.read_bytes() == b""


def test_an_object_past_the_limit_is_not_downloaded(bucket):
    with pytest.raises(FileRefused, match=r"^s3://uploads/a/1\.h5: .* found 2\.0 MB, expected at"):
        fetched("s3://uploads/a/1.h5", 10**6).__enter__()
    assert len(bucket.requests) == 1


def test_an_object_that_grew_since_its_header_is_not_written_past_the_limit(bucket, tmp_path: Path):
    """As from a store that answers a part with all of it, or with more than it announced."""

    def larger(handler) -> bool:
        if "bytes=" in handler.headers.get("Range", "") or bucket.requests[1:]:
            handler.answer(200, [("ETag", '"x"')], CONTENT)
        else:
            handler.answer(200, [("ETag", '"x"')], CONTENT[:1000])
        return True

    bucket.always = larger
    with pytest.raises(FileRefused, match=r"too large: found more, expected at most 1\.0 MB"):
        fetched("s3://uploads/a/1.h5", 10**6, tmp_path / "work").__enter__()
    assert list((tmp_path / "work").iterdir()) == []


def test_a_download_lies_in_the_folder_that_is_given(standin, tmp_path: Path):
    server = standin()
    folder = tmp_path / "work"
    with fetched(_url(server, server.submit(CONTENT)), folder=folder) as path:
        assert path.parent.parent == folder
        assert path.parent.name.startswith(DOWNLOAD_PREFIX)
    assert list(folder.iterdir()) == []
    with pytest.raises(FetchError, match="could not be stored: FileNotFoundError"):
        fetched("https://x.org/f", folder=tmp_path / "none" / "work").__enter__()


@pytest.mark.parametrize(
    ("status", "for_good"),
    [(401, True), (403, True), (404, True), (410, True), (451, True), (400, False), (418, False)],
)
def test_what_is_meant_for_good_is_told_from_what_may_pass(status, for_good, tmp_path: Path):
    class Refusing(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_error(status)

        def log_message(self, *_: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Refusing) as server:
        threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
        with pytest.raises(FetchError, match=f"HTTP {status}") as caught:
            fetched(f"http://127.0.0.1:{server.server_port}/f").__enter__()
        server.shutdown()
    assert isinstance(caught.value, NotGiven) == for_good


def test_an_object_that_is_not_there_will_not_be(bucket):
    for place in ("uploads/a/none.h5", "nowhere/a.h5"):
        with pytest.raises(NotGiven, match="there is no such"):
            fetched(f"s3://{place}").__enter__()


@pytest.mark.parametrize(
    ("fault", "words"),
    [
        (store.error(403, "AccessDenied"), "access denied: these credentials"),
        (store.dropped, "the connection was lost, and again when tried again"),
        (store.truncated, "the download broke off, and again when tried again"),
    ],
)
def test_what_a_store_refuses_is_told_in_words_and_may_pass(bucket, fault, words):
    bucket.always = fault
    with pytest.raises(FetchError, match=rf"^s3://uploads/a/1\.h5: {words}") as caught:
        fetched("s3://uploads/a/1.h5").__enter__()
    assert not isinstance(caught.value, (FileRefused, NotGiven))


def test_an_object_that_finds_no_room_is_refused_in_words(bucket):
    code = (
        "import resource\n"
        "from nlb_evalai.web.fetch import NoRoom\n"
        "from nlb_evalai.web.locations import fetched\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (50_000, 50_000))\n"
        "try:\n    fetched('s3://uploads/a/1.h5').__enter__()\n"
        "except NoRoom as error:\n    print(error)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert "s3://uploads/a/1.h5: the server ran out of disk space" in done.stdout


def test_objects_are_listed_by_what_comes_after_the_last_slash(bucket):
    for prefix in ("a/", "a", "", "a/b"):
        found = {one.below: one.location for one in objects_below(f"s3://uploads/{prefix}")}
        expected = {
            "a/": {"1.h5": "a/1.h5", "b/none.h5": "a/b/none.h5"},
            "a/b": {"b/none.h5": "a/b/none.h5"},
        }.get(prefix, {"a/1.h5": "a/1.h5", "a/b/none.h5": "a/b/none.h5"})
        assert found == {below: f"s3://uploads/{key}" for below, key in expected.items()}

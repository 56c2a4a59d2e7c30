"""Where submissions come from: files, folders, exports with files or addresses, S3."""

from __future__ import annotations

import os
import threading
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Iterator, List

import boto3
import pytest
from moto.server import ThreadedMotoServer

from evaluation_script.suites import DEFAULT_SUITE
from nlb_evalai.competition.batch.run import BatchError, Tally, run_batch
from nlb_evalai.competition.batch.sources import SourceError, collect
from nlb_evalai.competition.store import Store
from nlb_evalai.web.fetch import FetchError
from nlb_evalai.web.locations import fetched
from tests.nlb_evalai.competition.conftest import Bench, no_file_beyond, of_csv, serially

HEADER = ("id", "Team Name", "Challenge Phase", "Submitted File")


#: paths in the order in which they were asked for
asked: List[str] = []


class Silent(SimpleHTTPRequestHandler):
    def do_GET(self) -> None:
        asked.append(self.path)
        super().do_GET()

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def web(bench: Bench) -> Iterator[str]:
    handler = partial(Silent, directory=str(bench.folder))
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


def score(bench: Bench, store: Path, places: List[str], retry: bool = False) -> Tally:
    sources = collect(places, ["test", "Test"]).sources
    with Store(store, suite=DEFAULT_SUITE.name, write=True) as opened:
        return run_batch(opened, sources, bench.annotations, "test", serially, retry=retry)


def test_an_export_is_fetched_scored_once_and_its_credentials_are_not_kept(
    bench: Bench, web: str, tmp_path: Path
) -> None:
    rows = [
        HEADER,
        ("1", "A", "Test", f"{web}/100.h5?Signature=secret"),
        ("2", "A", "Test", f"{web}/gone.h5?Signature=secret"),
        ("3", "A", "Test", ""),
        ("4", "A", "Validation", f"{web}/101.h5"),
    ]
    export, store = str(of_csv(tmp_path / "export.csv", rows)), tmp_path / "results.sqlite"
    assert score(bench, store, [export]) == Tally(1, 2, 0, 1)
    with Store(store) as opened:
        current = opened.current("test")
        assert set(current) == {"1", "2", "3"}
        assert "HTTP 404" in current["2"].error
        assert "no Submitted File" in current["3"].error
    assert b"secret" not in store.read_bytes()
    again = score(bench, store, [export])
    assert again == Tally(0, 1, 2, 1), "what is known, and what is not there, is not fetched again"


def test_what_cannot_be_had_is_asked_for_again_on_demand_or_at_another_address_alone(
    bench: Bench, web: str, tmp_path: Path
) -> None:
    def export(address: str) -> str:
        return str(of_csv(tmp_path / "export.csv", [HEADER, ("1", "A", "Test", address)]))

    store, gone = tmp_path / "results.sqlite", f"{web}/gone.h5"
    asked.clear()
    assert score(bench, store, [export(f"{gone}?Signature=1")]) == Tally(0, 1, 0, 1)
    with Store(store) as opened:
        assert opened.current("test")["1"].error_kind == "refused"
    assert score(bench, store, [export(f"{gone}?Signature=1")]) == Tally(0, 0, 1, 1)
    assert asked == ["/gone.h5?Signature=1"]
    assert score(bench, store, [export(f"{gone}?Signature=1")], retry=True) == Tally(0, 1, 0, 1)
    assert score(bench, store, [export(f"{gone}?Signature=2")]) == Tally(0, 1, 0, 1)
    assert asked[1:] == ["/gone.h5?Signature=1", "/gone.h5?Signature=2"]
    assert score(bench, store, [export("ftp://x.org/1.h5")]) == Tally(0, 1, 0, 1)
    assert score(bench, store, [export(f"{web}/100.h5")]) == Tally(1, 0, 0)
    with Store(store) as opened:
        assert opened.current("test")["1"].is_scored
    assert score(bench, store, [export(f"{gone}?Signature=3")]) == Tally(0, 1, 0, 1)
    with Store(store) as opened:
        assert opened.current("test")["1"].is_scored, "scores stay when their file goes"


def test_without_room_for_a_download_the_batch_ends_and_the_same_command_goes_on(
    bench: Bench, web: str, tmp_path: Path
) -> None:
    rows = [HEADER, *((f"{i}", "A", "Test", f"{web}/{100 + i}.h5") for i in range(2))]
    export, store = str(of_csv(tmp_path / "export.csv", rows)), tmp_path / "results.sqlite"
    kept = tmp_path / "kept.h5"
    kept.write_bytes((bench.folder / "102.h5").read_bytes())
    places = [str(kept), export]
    assert score(bench, store, places[:1]) == Tally(1)
    with (
        no_file_beyond(kept.stat().st_size // 2),
        pytest.raises(
            BatchError, match=r"results\.sqlite\.work: the disk is full, .* submission 0"
        ),
    ):
        score(bench, store, places)
    with Store(store) as opened:
        assert set(opened.current("test")) == {"kept"}, "what was scored before; no failure"
    assert not store.with_name("results.sqlite.work").exists()
    assert score(bench, store, places) == Tally(2, 0, 1)


def test_files_of_an_export_are_found_by_id(bench: Bench, tmp_path: Path) -> None:
    files = tmp_path / "files"
    (files / "3").mkdir(parents=True)
    for name in ("1.h5", "submission_2.h5", "3/upload.h5"):
        (files / name).write_bytes((bench.folder / "100.h5").read_bytes())
    rows = [HEADER, *((str(i), "A", "Test", "https://x.org/f.h5") for i in range(1, 5))]
    export = str(of_csv(tmp_path / "export.csv", rows))
    found = collect([export], ["Test"], files)
    assert [Path(one.location).name for one in found.sources] == [
        "1.h5", "submission_2.h5", "upload.h5", "",
    ]  # fmt: skip
    assert "no file of this id; expected one 4.h5" in found.sources[3].missing


def test_an_s3_prefix_is_scored_and_known_objects_are_not_fetched_again(
    bench: Bench, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    server = ThreadedMotoServer(port=0)
    server.start()
    try:
        host, port = server.get_host_and_port()
        monkeypatch.setenv("AWS_ENDPOINT_URL", f"http://{host}:{port}")
        for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
            monkeypatch.setenv(name, "testing")
        monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
        client = boto3.client("s3")
        client.create_bucket(Bucket="competition")
        for key in ("phase/100.h5", "phase/sub/101.h5", "phase/note.txt", "other/102.h5"):
            path = bench.folder / Path(key).name
            body = path.read_bytes() if path.exists() else b"text"
            client.put_object(Bucket="competition", Key=key, Body=body)
        store = tmp_path / "results.sqlite"
        assert score(bench, store, ["s3://competition/phase/"]) == Tally(2, 0, 0)
        with Store(store) as opened:
            assert set(opened.current("test")) == {"100", "sub/101"}
        assert score(bench, store, ["s3://competition/phase/"]) == Tally(0, 0, 2)
        with pytest.raises(SourceError, match="s3://nowhere"):
            collect(["s3://nowhere/x"], ["test"])
        client.put_object(Bucket="competition", Key="odd/a?b#1.h5", Body=b"odd")
        (odd,) = collect(["s3://competition/odd/"], ["test"]).sources
        with fetched(odd.location) as path:
            assert path.read_bytes() == b"odd"
        monkeypatch.setenv("AWS_ENDPOINT_URL", "no address")
        with pytest.raises(
            SourceError, match="s3://competition/phase/: Invalid endpoint: no address"
        ):
            collect(["s3://competition/phase/"], ["test"])
        with pytest.raises(FetchError, match=r"100\.h5: Invalid endpoint"):
            fetched("s3://competition/phase/100.h5").__enter__()
    finally:
        server.stop()


def test_every_place_without_submissions_and_every_double_name_is_named(
    bench: Bench, tmp_path: Path
) -> None:
    (tmp_path / "empty").mkdir()
    (tmp_path / "100.h5").write_bytes(b"x")
    odd = Path(os.fsdecode(bytes(tmp_path / "odd") + b"\xff.h5"))
    odd.write_bytes(b"x")
    places = [str(tmp_path / "empty"), str(tmp_path / "none.h5"), str(bench.folder), str(odd)]
    with pytest.raises(SourceError, match="4 problems") as caught:
        collect([*places, str(tmp_path / "100.h5")], ["test"])
    for words in ("no submission there", "no such file", "two submissions are called 100", "UTF-8"):
        assert words in str(caught.value)

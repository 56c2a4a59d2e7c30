"""Private truth over HTTP: what is fetched, what is kept, and what each fault says."""

from __future__ import annotations

import hashlib
import logging
import os
import signal
import stat
import subprocess
import sys
import time
import traceback
from pathlib import Path

import boto3
import botocore.config
import h5py
import numpy as np
import pytest
import yaml

import evaluation_script
from evaluation_script import storage
from evaluation_script.errors import HOST_MUST_MEND, AnnotationError
from tests import store

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def truth(tmp_path):
    path = tmp_path / "truth.h5"
    with h5py.File(path, "w") as file:
        noise = np.random.default_rng(0).integers(0, 250, 200_000)
        file["mc_maze/eval_spikes_heldout"] = noise.astype("u1")
    return path


@pytest.fixture
def pointer(proxy, moto, truth, tmp_path):
    """A pointer to ``truth``, which lies in a bucket of the store."""
    client = boto3.client("s3", endpoint_url="http://{}:{}".format(*moto), region_name="us-east-1")
    client.create_bucket(Bucket="truth")
    client.put_object(Bucket="truth", Key="nlb21/test.h5", Body=truth.read_bytes())
    client.close()
    return write_pointer(tmp_path, truth.read_bytes())


def write_pointer(folder, content, **changes):
    fields = {
        "location": "s3://truth/nlb21/test.h5",
        "sha256": hashlib.sha256(content).hexdigest(),
        "size": len(content),
        "phase": "test",
        **changes,
    }
    path = folder / "test.yaml"
    path.write_text(yaml.safe_dump({k: v for k, v in fields.items() if v is not None}))
    return path


def cached(tmp_path):
    return sorted(p.name for p in (tmp_path / "cache").glob("*") if p.suffix != ".lock")


def refusal(path, **kwargs):
    with pytest.raises(AnnotationError) as caught:
        storage.resolve(path, **kwargs)
    assert str(caught.value) == HOST_MUST_MEND
    assert "not-a-secret" not in caught.value.detail
    assert "\n" not in caught.value.detail
    return caught.value.detail


def test_a_pointer_becomes_a_verified_local_file(pointer, truth):
    local = storage.resolve(pointer, phase="test")
    assert local.read_bytes() == truth.read_bytes()
    with h5py.File(local) as file:
        assert file["mc_maze/eval_spikes_heldout"].shape == (200_000,)


def test_the_cache_is_for_its_owner_alone(pointer, tmp_path):
    local = storage.resolve(pointer)
    assert stat.S_IMODE(local.parent.stat().st_mode) == 0o700
    assert stat.S_IMODE(local.stat().st_mode) == 0o600


def test_an_existing_cache_folder_is_made_private(pointer, tmp_path):
    (tmp_path / "cache").mkdir(mode=0o777)
    storage.resolve(pointer)
    assert stat.S_IMODE((tmp_path / "cache").stat().st_mode) == 0o700


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can make a folder of someone else")
def test_a_cache_folder_of_another_user_is_refused(pointer, tmp_path):
    (tmp_path / "cache").mkdir()
    os.chown(tmp_path / "cache", 12345, 12345)
    assert "belongs to user 12345" in refusal(pointer)


def test_what_is_cached_is_not_fetched_again(pointer, proxy):
    first = storage.resolve(pointer)
    seen = len(proxy.requests)
    assert storage.resolve(pointer) == first
    storage._verified.clear()  # as another process would
    assert storage.resolve(pointer) == first
    assert len(proxy.requests) == seen


def test_a_damaged_cache_is_noticed_and_fetched_again(pointer, truth, caplog):
    local = storage.resolve(pointer)
    content = bytearray(truth.read_bytes())
    content[5000] ^= 1
    local.write_bytes(content)
    assert storage.resolve(pointer).read_bytes() == truth.read_bytes()
    assert "damaged" in caplog.text


def test_an_ordinary_hdf5_needs_neither_boto3_nor_yaml(truth):
    code = (
        "import sys; sys.modules['boto3'] = sys.modules['yaml'] = None\n"
        "from evaluation_script.storage import resolve\n"
        f"assert str(resolve({str(truth)!r})) == {str(truth)!r}"
    )
    subprocess.run([sys.executable, "-c", code], check=True, cwd=ROOT)


def test_what_is_neither_text_nor_there_is_left_to_whoever_opens_it(tmp_path):
    corrupt = tmp_path / "corrupt.h5"
    corrupt.write_bytes(b"\x89HDF\r\n\x1a\n" + b"\xff" * 100)
    assert storage.resolve(corrupt) == corrupt
    words = tmp_path / "words.h5"
    words.write_text("just words")
    assert storage.resolve(words) == words
    assert storage.resolve(tmp_path / "absent.h5") == tmp_path / "absent.h5"


MALFORMED = [
    ({"size": None, "phase": None}, "size is missing; phase is missing"),
    ({"location": "https://host/key"}, "expected s3://bucket/key"),
    ({"location": "s3://bucket-only"}, "expected s3://bucket/key"),
    ({"sha256": "abc"}, "expected 64 hex digits"),
    ({"sha256": 12}, "expected 64 hex digits"),
    ({"size": 0}, "expected bytes as an integer > 0"),
    ({"size": True}, "expected bytes as an integer > 0"),
    ({"size": "12"}, "expected bytes as an integer > 0"),
    ({"phase": 3}, "expected a phase codename"),
    ({"region": "x"}, "'region' is not a key of a pointer"),
]


@pytest.mark.parametrize(("changes", "message"), MALFORMED)
def test_a_malformed_pointer_says_what_is_wrong(tmp_path, changes, message):
    assert message in refusal(write_pointer(tmp_path, b"x", **changes))


@pytest.mark.parametrize("text", ["size: [", "- x\nsize: 3", "[\nsize: 3]", "phase: 2022-99-99"])
def test_a_pointer_that_is_no_yaml_mapping_is_refused(tmp_path, text):
    path = tmp_path / "test.yaml"
    path.write_text(text)
    assert "pointer" in refusal(path)


def test_a_pointer_to_another_phase_is_refused(pointer, proxy):
    assert "phase 'test', expected 'val'" in refusal(pointer, phase="val")
    assert proxy.requests == []


def test_details_reach_the_log_and_no_exception_is_chained(tmp_path, caplog):
    caplog.set_level(logging.ERROR)
    path = write_pointer(tmp_path, b"x", size=0)
    with pytest.raises(storage.StorageError) as caught:
        storage.resolve(path)
    assert caught.value.detail in caplog.text
    assert caught.value.__suppress_context__


# Faults that pass: the answer is had all the same.
PASSING = {
    "5xx once": [store.error(503, "SlowDown")],
    "dropped once": [store.dropped],
    "dropped at the second request": [lambda _: False, store.dropped],
    "half the content, repeatedly": [store.truncated] * 4,
}


@pytest.mark.parametrize("name", PASSING)
def test_a_passing_fault_is_retried(pointer, proxy, truth, tmp_path, name):
    proxy.faults = list(PASSING[name])
    assert storage.resolve(pointer).read_bytes() == truth.read_bytes()
    assert proxy.faults == []
    assert cached(tmp_path) == [hashlib.sha256(truth.read_bytes()).hexdigest() + ".h5"]


# Faults that stay: one clear error, nothing in the cache.
LASTING = {
    "5xx": (store.error(500, "InternalError"), "the store failed, and did so again"),
    "dropped": (store.dropped, "the connection was lost, and again when tried again"),
    "half the content": (store.truncated, "the download broke off, and again when tried again"),
    "expired": (store.error(400, "ExpiredToken"), "credentials have expired: renew them"),
    "unknown key": (store.error(403, "InvalidAccessKeyId"), "access key is not known"),
    "denied": (store.error(403, "AccessDenied"), "access denied: these credentials"),
    "clock": (store.error(403, "RequestTimeTooSkewed"), "this machine's clock is wrong"),
    "odd": (store.error(418, "Teapot"), "the store refused (HTTP 418, Teapot)"),
}


@pytest.mark.parametrize("name", LASTING)
def test_a_lasting_fault_is_one_clear_error_and_leaves_nothing(pointer, proxy, tmp_path, name):
    proxy.always, message = LASTING[name]
    detail = refusal(pointer)
    assert message in detail
    assert detail.startswith("s3://truth/nlb21/test.h5: ")
    assert cached(tmp_path) == []


def test_no_server_at_all_is_a_lost_connection(pointer, proxy, tmp_path, monkeypatch):
    monkeypatch.setenv("AWS_ENDPOINT_URL_S3", "http://127.0.0.1:9")
    assert "the connection was lost" in refusal(pointer)
    assert cached(tmp_path) == []


def test_an_address_of_the_store_that_is_none_is_said(pointer, monkeypatch):
    monkeypatch.setenv("AWS_ENDPOINT_URL_S3", "not an address")
    assert "Invalid endpoint: not an address" in refusal(pointer)


def test_no_password_in_an_address_is_repeated(pointer, monkeypatch, caplog):
    monkeypatch.setenv("AWS_ENDPOINT_URL_S3", "http://user:hush@127.0.0.1:9")
    assert "http://127.0.0.1:9" in refusal(pointer)
    assert "hush" not in caplog.text


def test_missing_credentials_say_how_to_give_them(pointer, monkeypatch):
    for name in store.CREDENTIALS:
        monkeypatch.delenv(name, raising=False)
    assert "no credentials were found: set AWS_PROFILE" in refusal(pointer)


def test_a_missing_object_or_bucket_is_named(proxy, pointer, tmp_path):
    gone = write_pointer(tmp_path, b"x", location="s3://truth/gone.h5")
    assert "s3://truth/gone.h5: there is no such object" in refusal(gone)
    nowhere = write_pointer(tmp_path, b"x", location="s3://nowhere/gone.h5")
    assert "there is no such bucket" in refusal(nowhere)


def test_content_of_another_hash_is_never_used(pointer, truth, tmp_path):
    other = write_pointer(tmp_path, truth.read_bytes(), sha256="0" * 64)
    detail = refusal(other)
    assert "expected " + "0" * 64 in detail
    assert "found sha256 " + hashlib.sha256(truth.read_bytes()).hexdigest() in detail
    assert cached(tmp_path) == []


def test_content_of_another_size_is_not_even_downloaded(pointer, proxy, truth, tmp_path):
    other = write_pointer(tmp_path, truth.read_bytes(), size=99)
    assert f"found {truth.stat().st_size} bytes, expected 99" in refusal(other)
    assert len(proxy.requests) == 1
    assert cached(tmp_path) == []


def checksums_asked(pointer, proxy, **options):
    """Headers about checksums that go with an upload and a download."""
    asked = []

    def look(handler):
        asked.extend(name.lower() for name in handler.headers if "checksum" in name.lower())
        asked.extend(v for k, v in handler.headers.items() if "aws-chunked" in v)
        return False

    proxy.always = look
    with storage.client(**options) as s3:
        s3.put_object(Bucket="truth", Key="new.h5", Body=b"content")
        assert s3.get_object(Bucket="truth", Key="new.h5")["Body"].read() == b"content"
    assert len(proxy.requests) == 2
    return asked


@pytest.mark.parametrize("where", ["argument", "variable", "service variable", "profile"])
def test_a_store_of_its_own_address_is_asked_for_no_checksum(
    pointer, proxy, tmp_path, monkeypatch, where
):
    monkeypatch.delenv("AWS_ENDPOINT_URL_S3")
    options = {"endpoint_url": proxy.url} if where == "argument" else {}
    if where == "variable":
        monkeypatch.setenv("AWS_ENDPOINT_URL", proxy.url)
    elif where == "service variable":
        monkeypatch.setenv("AWS_ENDPOINT_URL_S3", proxy.url)
    elif where == "profile":
        (tmp_path / "config").write_text(f"[default]\nendpoint_url = {proxy.url}\n")
        monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "config"))
    assert checksums_asked(pointer, proxy, **options) == []


def test_aws_keeps_the_checksums_that_boto3_sends(proxy, monkeypatch):
    monkeypatch.delenv("AWS_ENDPOINT_URL_S3")
    plain = boto3.client("s3", region_name="us-east-1")
    for region in ("us-east-1", "eu-central-1", "cn-north-1"):
        monkeypatch.setenv("AWS_DEFAULT_REGION", region)
        with storage.client() as s3:
            for name in ("request_checksum_calculation", "response_checksum_validation"):
                found, usual = (getattr(c.meta.config, name, None) for c in (s3, plain))
                assert found == usual != "when_required"
    plain.close()


def test_a_boto3_that_does_not_know_the_words_is_not_told(pointer, truth, monkeypatch):
    class Older(botocore.config.Config):
        def __init__(self, *args, **options):
            if any("checksum" in name for name in options):
                raise TypeError("Got unexpected keyword argument")
            super().__init__(*args, **options)

    monkeypatch.setattr("botocore.config.Config", Older)
    assert storage.resolve(pointer).read_bytes() == truth.read_bytes()


def run_resolve(pointer, prelude="", **kwargs):
    code = (
        "import sys\n" + prelude + "\nfrom evaluation_script import storage\n"
        "try:\n    print(storage.resolve(sys.argv[1]))\n"
        "except storage.StorageError as error:\n    print(error.detail); sys.exit(3)\n"
    )
    return subprocess.Popen(
        [sys.executable, "-c", code, str(pointer)],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        **kwargs,
    )


def test_a_full_disk_is_said_and_leaves_nothing(pointer, tmp_path):
    limit = "import resource; resource.setrlimit(resource.RLIMIT_FSIZE, (50_000, 50_000))"
    process = run_resolve(pointer, limit)
    out, err = process.communicate(timeout=60)
    assert process.returncode == 3, err
    assert "the disk is full, or a limit on file size was met" in out
    assert cached(tmp_path) == []


def test_concurrent_processes_download_once_and_all_get_it(pointer, proxy, truth):
    started = [run_resolve(pointer) for _ in range(4)]
    answers = [process.communicate(timeout=60) for process in started]
    assert [process.returncode for process in started] == [0] * 4, answers
    assert len({out for out, _ in answers}) == 1
    assert Path(answers[0][0].strip()).read_bytes() == truth.read_bytes()
    # one probe and one download, before which an older boto3 asks for the size
    asked = [request.split()[0] for request in proxy.requests]
    assert asked in (["GET", "GET"], ["GET", "HEAD", "GET"])


def test_a_process_killed_while_downloading_leaves_nothing_that_is_used(
    pointer, proxy, truth, tmp_path
):
    def stalled(handler):
        if handler.command != "GET" or "bytes=0-0" in (handler.headers.get("Range") or ""):
            return False
        status, headers, content = handler.forward()
        handler.answer(status, headers, content, send=len(content) // 2)
        handler.wfile.flush()
        time.sleep(5)
        return True

    proxy.always = stalled
    process = run_resolve(pointer)
    deadline = time.monotonic() + 30
    while not any(name.startswith(".partial") for name in cached(tmp_path)):
        assert time.monotonic() < deadline
        time.sleep(0.02)
    process.send_signal(signal.SIGKILL)
    process.communicate()
    assert all(name.startswith(".partial") for name in cached(tmp_path))
    proxy.always = None
    assert storage.resolve(pointer).read_bytes() == truth.read_bytes()
    assert [name for name in cached(tmp_path) if name.startswith(".partial")] == []


def test_evaluate_scores_against_the_truth_behind_a_pointer(golden, proxy, moto, tmp_path):
    content = (golden / "target_val.h5").read_bytes()
    client = boto3.client("s3", endpoint_url="http://{}:{}".format(*moto), region_name="us-east-1")
    client.create_bucket(Bucket="truth")
    client.put_object(Bucket="truth", Key="val.h5", Body=content)
    client.close()
    pointer = write_pointer(tmp_path, content, location="s3://truth/val.h5", phase="val")
    submission = golden / "submission_val_c.h5"
    behind = evaluation_script.evaluate(pointer, submission, "val", submission_metadata={})
    direct = evaluation_script.evaluate(golden / "target_val.h5", submission, "val")
    assert behind["result"] == direct["result"]
    truth = behind["submission_metadata"]["files"]["ground_truth"]
    assert truth["sha256"] == hashlib.sha256(content).hexdigest()


def test_evaluate_tells_a_participant_nothing_of_a_storage_fault(golden, pointer, proxy):
    proxy.always = store.error(403, "AccessDenied")
    with pytest.raises(AnnotationError) as caught:
        evaluation_script.evaluate(pointer, golden / "submission_val_c.h5", "test")
    shown = "".join(traceback.format_exception(type(caught.value), caught.value, None))
    assert "s3://" not in shown
    assert "AccessDenied" not in shown
    assert HOST_MUST_MEND in shown

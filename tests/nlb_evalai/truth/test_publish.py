"""Publishing truth: to a store over HTTP, never public, and pointed at only when it is there."""

from __future__ import annotations

import json

import boto3
import h5py
import numpy as np
import pytest
import yaml
from click.testing import CliRunner

from evaluation_script import storage
from nlb_evalai.cli.annotations import annotations_group
from nlb_evalai.truth.publish import PublishError, publish
from tests import store


@pytest.fixture
def truth(tmp_path):
    return write_truth(tmp_path / "test.h5", 100_000)


def write_truth(path, n_bytes):
    with h5py.File(path, "w") as file:
        file.attrs["phase"] = "test"
        file["noise"] = np.random.default_rng(0).integers(0, 255, n_bytes).astype("u1")
    return path


@pytest.fixture
def bucket(moto, proxy, request):
    """A private bucket of the store, asked past the faults."""
    name = "b-" + str(abs(hash(request.node.name)))[:12]
    client = boto3.client("s3", endpoint_url="http://{}:{}".format(*moto), region_name="us-east-1")
    client.create_bucket(Bucket=name)
    bucket = boto3.resource(
        "s3", endpoint_url="http://{}:{}".format(*moto), region_name="us-east-1"
    ).Bucket(name)
    yield bucket
    bucket.objects.all().delete()
    bucket.delete()
    bucket.meta.client.close()
    client.close()


def keys(bucket):
    return [item.key for item in bucket.objects.all()]


def test_what_was_published_can_be_resolved_from_the_pointer(truth, bucket, proxy):
    pointer = publish(truth, f"s3://{bucket.name}/nlb21/test.h5")
    assert pointer == truth.with_suffix(".yaml")
    local = storage.resolve(pointer, phase="test")
    assert local != truth
    assert local.read_bytes() == truth.read_bytes()
    assert keys(bucket) == ["nlb21/test.h5"]  # the probe is gone


def test_it_is_encrypted_uploaded_in_parts_and_says_its_hash(tmp_path, bucket, proxy):
    truth = write_truth(tmp_path / "test.h5", 9_000_000)
    publish(truth, f"s3://{bucket.name}/test.h5")
    head = bucket.Object("test.h5").get()
    head["Body"].close()
    assert head["ServerSideEncryption"] == "AES256"
    assert head["Metadata"]["sha256"] == storage.file_sha256(truth)
    assert head["ETag"].strip('"').endswith("-2")  # two parts
    assert not any("x-amz-acl" in line for line in proxy.requests)


def test_a_kms_key_is_used_when_given(truth, bucket, proxy):
    publish(truth, f"s3://{bucket.name}/test.h5", kms_key="alias/truth")
    head = bucket.Object("test.h5").get()
    head["Body"].close()
    assert (head["ServerSideEncryption"], head["SSEKMSKeyId"]) == ("aws:kms", "alias/truth")


def test_a_trailing_slash_makes_a_key_of_phase_and_hash(truth, bucket):
    pointer = publish(truth, f"s3://{bucket.name}/nlb21/")
    digest = storage.file_sha256(truth)
    location = yaml.safe_load(pointer.read_text())["location"]
    assert location == f"s3://{bucket.name}/nlb21/test-{digest[:16]}.h5"


def make_public(bucket, proxy):
    statement = {
        "Effect": "Allow",
        "Principal": "*",
        "Action": "s3:GetObject",
        "Resource": f"arn:aws:s3:::{bucket.name}/*",
    }
    policy = {"Version": "2012-10-17", "Statement": [statement]}
    bucket.Policy().put(Policy=json.dumps(policy))
    proxy.public = True


def test_a_public_bucket_is_refused_before_the_truth_is_sent(truth, bucket, proxy):
    make_public(bucket, proxy)
    with pytest.raises(PublishError, match="anyone can read what lies there"):
        publish(truth, f"s3://{bucket.name}/test.h5")
    assert keys(bucket) == []
    assert not truth.with_suffix(".yaml").exists()
    assert not any("PUT" in line and "probe" not in line for line in proxy.requests)


def test_truth_that_turns_out_public_is_removed_again(truth, bucket, proxy):
    def open_the_bucket_at_the_upload(handler):
        if handler.command == "PUT" and "probe" not in handler.path:
            make_public(bucket, proxy)
        return False

    proxy.always = open_the_bucket_at_the_upload
    with pytest.raises(PublishError, match="the truth was not left there"):
        publish(truth, f"s3://{bucket.name}/test.h5")
    assert keys(bucket) == []
    assert not truth.with_suffix(".yaml").exists()


def test_other_content_under_the_key_is_kept_unless_told(truth, bucket):
    bucket.put_object(Key="test.h5", Body=b"older truth")
    with pytest.raises(PublishError, match="holds something else"):
        publish(truth, f"s3://{bucket.name}/test.h5")
    assert keys(bucket) == ["test.h5"]
    publish(truth, f"s3://{bucket.name}/test.h5", overwrite=True)
    publish(truth, f"s3://{bucket.name}/test.h5")  # the same content again is no conflict


@pytest.mark.parametrize(
    ("checksum", "message"),
    [
        (False, "differs from what was uploaded"),
        (True, "does not match the checksum|differs from what was uploaded"),  # by boto3's version
    ],
)
def test_content_that_comes_back_changed_gets_no_pointer(truth, bucket, proxy, checksum, message):
    def flip(handler):
        if "Authorization" not in handler.headers:
            return False
        status, headers, content = handler.forward()
        if handler.command == "GET" and len(content) > 1000:
            content = content[:-1] + bytes([content[-1] ^ 1])
            headers = [pair for pair in headers if checksum or "checksum" not in pair[0]]
        handler.answer(status, headers, content)
        return True

    proxy.always = flip
    with pytest.raises(PublishError, match=message):
        publish(truth, f"s3://{bucket.name}/test.h5")
    assert not truth.with_suffix(".yaml").exists()


FAULTS = {
    "expired": (store.error(400, "ExpiredToken"), "credentials have expired: renew them"),
    "denied": (store.error(403, "AccessDenied"), "access denied: these credentials"),
    "5xx": (store.error(500, "InternalError"), "the store failed, and did so again"),
    "dropped": (store.dropped, "the connection was lost, and again when tried again"),
}


@pytest.mark.parametrize("when", ["from the start", "at the upload"])
@pytest.mark.parametrize("name", FAULTS)
def test_a_fault_of_the_store_is_one_line_and_leaves_no_pointer(truth, bucket, proxy, name, when):
    fault, message = FAULTS[name]
    during_upload = when == "at the upload"
    proxy.always = lambda handler: (
        (not during_upload or (handler.command == "PUT" and "probe" not in handler.path))
        and fault(handler)
    )
    with pytest.raises(PublishError) as caught:
        publish(truth, f"s3://{bucket.name}/test.h5")
    assert message in str(caught.value)
    assert "not-a-secret" not in str(caught.value)
    assert "\n" not in str(caught.value)
    assert not truth.with_suffix(".yaml").exists()


def test_a_missing_bucket_is_named(truth, proxy):
    with pytest.raises(PublishError, match=r"s3://no-such-bucket/x: there is no such bucket"):
        publish(truth, "s3://no-such-bucket/x")


@pytest.mark.parametrize(
    ("attribute", "phase", "message"),
    [
        (None, None, "does not say its phase: add --phase"),
        ("val", "test", "holds the truth of phase 'val', expected 'test'"),
        ("dev", None, "phase 'dev', expected val or test"),
    ],
)
def test_the_phase_must_be_known_and_agree(truth, attribute, phase, message):
    with h5py.File(truth, "a") as file:
        del file.attrs["phase"]
        if attribute:
            file.attrs["phase"] = attribute
    with pytest.raises(PublishError, match=message):
        publish(truth, "s3://bucket/key", phase=phase)


def test_what_is_no_hdf5_is_not_published(tmp_path):
    path = tmp_path / "x.h5"
    path.write_text("words")
    with pytest.raises(PublishError, match="not an HDF5 file"):
        publish(path, "s3://bucket/key", phase="val")


def test_a_destination_must_be_s3(truth):
    with pytest.raises(PublishError, match="expected s3://bucket/key"):
        publish(truth, "https://bucket/key")


def test_an_endpoint_that_is_no_address_is_named(truth, proxy):
    with pytest.raises(PublishError, match=r"s3://bucket/key: Invalid endpoint: nonsense"):
        publish(truth, "s3://bucket/key", endpoint_url="nonsense")


def test_the_command_writes_and_shows_the_pointer(truth, bucket, tmp_path):
    pointer = tmp_path / "pointers" / "test.yaml"
    arguments = ["publish", str(truth), f"s3://{bucket.name}/a/", "--pointer", str(pointer)]
    outcome = CliRunner().invoke(annotations_group, arguments, catch_exceptions=False)
    assert outcome.exit_code == 0
    assert "location: s3://" in outcome.output
    assert yaml.safe_load(pointer.read_text())["phase"] == "test"

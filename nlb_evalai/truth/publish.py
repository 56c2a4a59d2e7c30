"""Ground truth -> private object storage, and the pointer that scoring follows to it."""

from __future__ import annotations

import hashlib
import os
import secrets
import tempfile
from pathlib import Path
from typing import Any, Callable, Dict, NoReturn, Optional

import h5py
import yaml
from botocore.exceptions import ClientError

from evaluation_script import storage
from evaluation_script.annotation import root_text
from evaluation_script.files import file_sha256
from evaluation_script.storage import Pointer, StorageError
from evaluation_script.suites import DEFAULT, Suite, SuiteError, find
from nlb_evalai.errors import ToolError
from nlb_evalai.outputs import spare_inputs

Progress = Callable[[int], None]

_POINTER_HEADER = """\
# Where the ground truth of this phase is kept, and what it must be. Holds no secret:
# reading the truth takes credentials for the bucket.
"""


class PublishError(ToolError):
    """The truth could not be published; the message says what to do."""


def publish(
    truth: Path,
    destination: str,
    *,
    pointer_path: Optional[Path] = None,
    phase: Optional[str] = None,
    kms_key: Optional[str] = None,
    overwrite: bool = False,
    endpoint_url: Optional[str] = None,
    suite: Optional[Suite] = None,
    uploaded: Optional[Progress] = None,
    read_back: Optional[Progress] = None,
) -> Path:
    """Upload a phase's truth, read it back, and write the pointer to it.

    Parameters
    ----------
    truth : Path
        Annotation file (HDF5).
    destination : str
        ``s3://bucket/key``; with a trailing slash, ``PHASE-HASH.h5`` is added.
    pointer_path : Path, optional
        The pointer; by default next to ``truth``, with the suffix ``.yaml``.
    phase : str, optional
        Codename; by default what the file's root attribute ``phase`` says.
    suite : Suite, optional
        Left out, the file says of which suite it is.
    kms_key : str, optional
        Encrypt with this KMS key instead of the store's own keys.
    overwrite : bool
        Replace other content under the same key, which older pointers may still name.
    endpoint_url : str, optional
        Of a store other than AWS; by default ``AWS_ENDPOINT_URL_S3``.
    uploaded, read_back : callable, optional
        Told the number of bytes that went by.

    Returns
    -------
    Path
        The pointer, written last and at once: where there is a pointer, the truth is there.

    Raises
    ------
    PublishError
        If the file is no truth of the phase, the store fails or refuses, what it gives back
        differs, or anyone could read the object.
    """
    pointer_path = pointer_path or truth.with_suffix(".yaml")
    spare_inputs([pointer_path], [truth])
    phase = _phase_of(truth, phase, suite)
    size, digest = truth.stat().st_size, file_sha256(truth)
    if destination.endswith("/"):
        destination += f"{phase}-{digest[:16]}.h5"
    try:
        bucket, key = storage.parse_location(destination)
    except ValueError as error:
        raise PublishError(f"destination: {error}") from None
    pointer = Pointer(bucket, key, digest, size, phase)
    try:
        with storage.client(endpoint_url) as s3, storage.client(endpoint_url, True) as stranger:
            if not overwrite:
                _refuse_other_content(s3, pointer)
            _refuse_public_bucket(s3, stranger, pointer)
            _upload(s3, truth, pointer, kms_key, uploaded)
            if _can_read(stranger, bucket, key):
                s3.delete_object(Bucket=bucket, Key=key)
                _public(pointer)
            _verify(s3, pointer, read_back)
    except StorageError as error:
        raise PublishError(error.detail) from None
    except storage.faults() as error:
        raise PublishError(f"{pointer.location}: {storage.explain(error)}") from None
    return _write_pointer(pointer, pointer_path)


def _phase_of(truth: Path, phase: Optional[str], suite: Optional[Suite]) -> str:
    try:
        with h5py.File(truth, "r") as file:
            said, name = root_text(file, "phase"), root_text(file, "suite")
        suite = suite or find(name or DEFAULT)
    except OSError:
        raise PublishError(f"{truth}: not an HDF5 file that can be read") from None
    except SuiteError as error:
        raise PublishError(f"{truth}: {error}") from None
    if name not in (None, suite.name):
        raise PublishError(f"{truth}: suite: found {name!r}, expected {suite.name!r}")
    known = [one.codename for one in suite.phases]
    if phase is None and said is None:
        raise PublishError(f"{truth} does not say its phase: add --phase ({' or '.join(known)})")
    if phase is not None and said is not None and phase != said:
        raise PublishError(f"{truth}: holds the truth of phase {said!r}, expected {phase!r}")
    chosen = phase or said
    if chosen not in known:
        raise PublishError(f"{truth}: phase {chosen!r}, expected {' or '.join(known)}")
    return chosen


def _refuse_other_content(s3: Any, pointer: Pointer) -> None:
    try:
        # A GET, not a HEAD: only a GET's answer says what is wrong.
        found = s3.get_object(Bucket=pointer.bucket, Key=pointer.key, Range="bytes=0-0")
        found["Body"].close()
        digest = found.get("Metadata", {}).get("sha256")
    except ClientError as error:
        code = error.response["Error"]["Code"]
        # Without the right to list, a store does not tell that nothing is there; whether these
        # credentials may write shows next.
        if code in ("NoSuchKey", "404", "AccessDenied", "403"):
            return
        if code != "InvalidRange":  # said of an empty object
            raise
        digest = None
    if digest != pointer.sha256:
        raise PublishError(
            f"{pointer.location} holds something else, which older pointers may name: choose "
            "another key (a trailing slash makes one from the hash), or add --overwrite"
        )


def _refuse_public_bucket(s3: Any, stranger: Any, pointer: Pointer) -> None:
    """Try with a byte before trusting the bucket with the truth."""
    probe = f"{pointer.key}.probe-{secrets.token_hex(8)}"
    s3.put_object(Bucket=pointer.bucket, Key=probe, Body=b"?")
    try:
        public = _can_read(stranger, pointer.bucket, probe)
    finally:
        s3.delete_object(Bucket=pointer.bucket, Key=probe)
    if public:
        _public(pointer)


def _public(pointer: Pointer) -> NoReturn:
    raise PublishError(
        f"{pointer.location}: anyone can read what lies there, so the truth was not left there; "
        "turn on 'block public access' for the bucket and remove policies that allow everyone"
    )


def _can_read(stranger: Any, bucket: str, key: str) -> bool:
    try:
        stranger.get_object(Bucket=bucket, Key=key)["Body"].close()
    except ClientError as error:
        if error.response["ResponseMetadata"]["HTTPStatusCode"] in (401, 403, 404):
            return False
        raise
    return True


def _upload(
    s3: Any, truth: Path, pointer: Pointer, kms_key: Optional[str], progress: Optional[Progress]
) -> None:
    """In parts where it is large (boto3's default); an ACL is never sent, so it is private."""
    extra: Dict[str, Any] = {
        "ServerSideEncryption": "aws:kms" if kms_key else "AES256",
        "Metadata": {"sha256": pointer.sha256, "phase": pointer.phase},
        "ContentType": "application/x-hdf5",
    }
    if kms_key:
        extra["SSEKMSKeyId"] = kms_key
    s3.upload_file(str(truth), pointer.bucket, pointer.key, ExtraArgs=extra, Callback=progress)


class _HashSink:
    """A file to write to that keeps the hash alone."""

    def __init__(self, progress: Optional[Progress]) -> None:
        self.digest = hashlib.sha256()
        self.progress = progress

    def write(self, block: bytes) -> int:
        self.digest.update(block)
        if self.progress:
            self.progress(len(block))
        return len(block)


def _verify(s3: Any, pointer: Pointer, progress: Optional[Progress]) -> None:
    sink = _HashSink(progress)
    storage.download(s3, pointer, sink)  # type: ignore[arg-type]
    if sink.digest.hexdigest() != pointer.sha256:
        raise PublishError(
            f"{pointer.location}: what the store gives back differs from what was uploaded "
            f"(sha256 {sink.digest.hexdigest()}, expected {pointer.sha256}); no pointer was "
            "written, publish again"
        )


def _write_pointer(pointer: Pointer, path: Path) -> Path:
    fields = {
        "location": pointer.location,
        "sha256": pointer.sha256,
        "size": pointer.size,
        "phase": pointer.phase,
    }
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.NamedTemporaryFile(
            "w", dir=path.parent, prefix=".pointer-", delete=False, encoding="utf-8"
        ) as file:
            try:
                file.write(_POINTER_HEADER + yaml.safe_dump(fields, sort_keys=False))
                file.close()
                os.replace(file.name, path)  # noqa: PTH105 - a name, not a Path
                path.chmod(0o644)  # it holds no secret, and others build the bundle
            except BaseException:
                Path(file.name).unlink(missing_ok=True)
                raise
    except OSError as error:
        raise PublishError(
            f"{path}: the pointer could not be written ({error.strerror}); the truth is at "
            f"{pointer.location}"
        ) from None
    return path

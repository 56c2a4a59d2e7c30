"""Ground truth that lives on private object storage: a pointer -> a verified local file.

A phase's annotation file may be a small YAML file instead of the HDF5 itself:

    location: s3://our-bucket/nlb21/test.h5
    sha256: 9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08
    size: 183500800
    phase: test

:func:`resolve` fetches the object with boto3 (ordinary AWS credential chain, retries and
endpoint settings, such as ``AWS_PROFILE``, ``AWS_MAX_ATTEMPTS`` and ``AWS_ENDPOINT_URL_S3``),
verifies it and caches it by its hash. An ordinary HDF5 passes through untouched, and then
neither boto3 nor PyYAML is imported.
"""

from __future__ import annotations

import contextlib
import fcntl
import logging
import os
import re
import stat
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, Dict, Iterator, List, NoReturn, Optional, Tuple, Type
from urllib.parse import urlsplit

from .errors import IN_ERROR, AnnotationError
from .files import PathLike, file_identity, file_sha256, is_disk_full

#: The cache's folder; without it ``$XDG_CACHE_HOME/nlb-evalai/truth`` or ``~/.cache/…``.
CACHE_VARIABLE = "NLB_EVALAI_CACHE"

_MAX_POINTER_BYTES = 64 * 1024
_KEYS = ("location", "sha256", "size", "phase")
_AWS_HOSTS = (".amazonaws.com", ".amazonaws.com.cn", ".api.aws")

_log = logging.getLogger(__name__)

#: Identities of cached files that this process has hashed already.
_verified: Dict[str, tuple] = {}


class StorageError(AnnotationError):
    """Truth behind a pointer could not be had."""


@dataclass(frozen=True)
class Pointer:
    """Where a phase's truth is, and what it must be (``size`` in bytes)."""

    bucket: str
    key: str
    sha256: str
    size: int
    phase: str

    @property
    def location(self) -> str:
        return f"s3://{self.bucket}/{self.key}"


def resolve(annotation_path: PathLike, phase: Optional[str] = None) -> Path:
    """A local file with the ground truth that ``annotation_path`` holds or points at.

    Parameters
    ----------
    annotation_path : path
        An HDF5 file (returned as it is) or a YAML pointer.
    phase : str, optional
        Refuse a pointer to the truth of another phase.

    Raises
    ------
    StorageError
        If the pointer is malformed or of another phase, or the truth cannot be fetched and
        verified. Details go to ``logging``.
    """
    path = Path(annotation_path)
    if not is_pointer(path):
        return path
    pointer = read_pointer(path)
    if phase is not None and pointer.phase != phase:
        _fail(f"{path}: points at the truth of phase {pointer.phase!r}, expected {phase!r}")
    return fetch(pointer)


def is_pointer(path: Path) -> bool:
    """Whether this is a small text file with a pointer's keys."""
    try:
        if path.stat().st_size > _MAX_POINTER_BYTES:
            return False
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError):
        return False  # whoever opens it as HDF5 says what is wrong
    return re.search(rf"^({'|'.join(_KEYS)})\s*:", text, re.MULTILINE) is not None


def parse_location(location: str) -> tuple:
    """``s3://bucket/key`` -> (bucket, key); ValueError if it is not of that form."""
    match = re.fullmatch(r"s3://([a-z0-9][a-z0-9.-]{1,61}[a-z0-9])/([^\s/][^\n]*)", location)
    if match is None:
        raise ValueError(f"found {location!r}, expected s3://bucket/key")
    return match.group(1), match.group(2)


def read_pointer(path: Path) -> Pointer:
    """Parse a pointer and check it whole; StorageError names every problem."""
    import yaml

    try:
        content = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, yaml.YAMLError) as error:  # ValueError: bad UTF-8, a bad date
        _fail(f"{path}: not readable as a pointer: {' '.join(str(error).split())}")
    if not isinstance(content, dict):
        _fail(f"{path}: not a pointer (YAML with {', '.join(_KEYS)})")
    problems = [f"{key} is missing" for key in _KEYS if key not in content]
    problems += [f"{key!r} is not a key of a pointer" for key in content if key not in _KEYS]
    problems += _wrong_values(content)
    if problems:
        _fail(f"{path}: not a valid pointer: " + "; ".join(problems))
    bucket, key = parse_location(content["location"])
    return Pointer(bucket, key, content["sha256"], content["size"], content["phase"])


def _wrong_values(content: Dict[str, Any]) -> List[str]:
    problems = []
    if "location" in content:
        try:
            parse_location(str(content["location"]))
        except ValueError as error:
            problems.append(f"location: {error}")
    digest = content.get("sha256", "0" * 64)
    if not (isinstance(digest, str) and re.fullmatch("[0-9a-f]{64}", digest)):
        problems.append(f"sha256: found {digest!r}, expected 64 hex digits in quotes")
    size = content.get("size", 1)
    if not (type(size) is int and size > 0):
        problems.append(f"size: found {size!r}, expected bytes as an integer > 0")
    phase = content.get("phase", "-")
    if not (isinstance(phase, str) and phase):
        problems.append(f"phase: found {phase!r}, expected a phase codename")
    return problems


def fetch(pointer: Pointer) -> Path:
    """The verified local copy of what ``pointer`` names, downloaded if there is none yet.

    Safe for concurrent processes: one downloads, the others wait for it. A file comes under
    its final name only when it is complete and its hash is right.

    Raises
    ------
    StorageError
        Details go to ``logging``.
    """
    cache = cache_folder()
    final = cache / f"{pointer.sha256}.h5"
    try:
        with _lock(cache / f"{pointer.sha256}.lock"):
            if not _is_verified(final, pointer):
                _download_into_cache(pointer, cache, final)
    except OSError as error:
        _fail(_file_fault(error, f"caching {pointer.location} in {cache}"))
    return final


def _download_into_cache(pointer: Pointer, cache: Path, final: Path) -> None:
    prefix = f".partial-{pointer.sha256[:16]}-"
    for left_over in cache.glob(prefix + "*"):  # of a process that was killed: we hold the lock
        left_over.unlink()
    descriptor, name = tempfile.mkstemp(prefix=prefix, dir=cache)
    partial = Path(name)
    try:
        with os.fdopen(descriptor, "w+b") as file:
            with _explained(pointer), client() as s3:
                download(s3, pointer, file)
            file.flush()
            os.fsync(file.fileno())
        found = file_sha256(partial)
        if found != pointer.sha256:
            _fail(
                f"{pointer.location}: its content is not what the pointer promises: found "
                f"sha256 {found}, expected {pointer.sha256}; publish the truth again, or "
                "correct the pointer"
            )
        partial.replace(final)
        _verified[str(final)] = file_identity(final)
        _log.info("fetched %s (%d bytes) into %s", pointer.location, pointer.size, final)
    finally:
        partial.unlink(missing_ok=True)


def download(s3: Any, pointer: Pointer, file: IO[bytes]) -> None:
    """Write the object to ``file``; refuses an object of another size before reading it.

    Lost connections, half answers and 5xx are retried by boto3; then StorageError. The hash is
    the caller's to verify.
    """
    with _explained(pointer):
        # A GET of one byte, not a HEAD: only a GET's answer says what is wrong.
        answer = s3.get_object(Bucket=pointer.bucket, Key=pointer.key, Range="bytes=0-0")
        answer["Body"].close()
        size = int(answer.get("ContentRange", f"/{answer['ContentLength']}").split("/")[-1])
        if size != pointer.size:
            _fail(
                f"{pointer.location}: found {size} bytes, expected {pointer.size}; "
                "publish the truth again, or correct the pointer"
            )
        s3.download_fileobj(pointer.bucket, pointer.key, file)


@contextlib.contextmanager
def _explained(pointer: Pointer) -> Iterator[None]:
    """Turn what boto3 raises into a StorageError."""
    try:
        yield
    except faults() as error:
        _fail(f"{pointer.location}: {explain(error)}")


def faults() -> Tuple[Type[Exception], ...]:
    """What using a :func:`client` raises where the store or the way to it fails."""
    from boto3.exceptions import Boto3Error
    from botocore.exceptions import BotoCoreError, ClientError
    from s3transfer import exceptions as transfer

    # Replaced while it was read; older versions of s3transfer do not notice, the hash does.
    replaced = getattr(transfer, "S3DownloadFailedError", ClientError)
    no_address = ValueError  # of an endpoint
    others = (Boto3Error, transfer.RetriesExceededError, replaced, no_address)
    return (BotoCoreError, ClientError, *others)


@contextlib.contextmanager
def client(endpoint_url: Optional[str] = None, anonymous: bool = False) -> Iterator[Any]:
    """An S3 client with time-outs and retries, closed at the end.

    Parameters
    ----------
    endpoint_url : str, optional
        Of a store other than AWS; by default what the environment or the profile sets.
    anonymous : bool
        Send no credentials.
    """
    import boto3
    from botocore import UNSIGNED
    from botocore.config import Config

    config = Config(
        retries={"mode": "standard"}, connect_timeout=10, read_timeout=60, tcp_keepalive=True
    )
    if anonymous:
        config = config.merge(Config(signature_version=UNSIGNED))
    # A region is part of the signature, yet most S3-compatible stores have none.
    session = boto3.session.Session()
    region = session.region_name or "us-east-1"

    def connect(config: Any) -> Any:
        return session.client("s3", endpoint_url=endpoint_url, region_name=region, config=config)

    s3 = connect(config)
    # boto3 alone knows which of argument, environment and profile sets the address.
    host = urlsplit(s3.meta.endpoint_url).hostname or ""
    if not host.endswith(_AWS_HOSTS):
        s3.close()
        s3 = connect(_without_checksums(config))
    try:
        yield s3
    finally:
        s3.close()


def _without_checksums(config: Any) -> Any:
    """No more checksums than S3's calls require: other stores fail with the rest of them."""
    from botocore.config import Config

    names = ("request_checksum_calculation", "response_checksum_validation")
    try:
        return config.merge(Config(**dict.fromkeys(names, "when_required")))
    except TypeError:  # boto3 before 1.36 knows neither the words nor the checksums
        return config


_ADVICE = {
    "NoSuchBucket": "there is no such bucket",
    "NoSuchKey": "there is no such object",
    "404": "there is no such object",
    "InvalidRange": "the object is empty",
    "AccessDenied": "access denied: these credentials may not use this object",
    "403": "access denied: these credentials may not use this object",
    "ExpiredToken": "the credentials have expired: renew them (aws sso login, or a new token)",
    "InvalidAccessKeyId": "the access key is not known to the store",
    "InvalidToken": "the session token is not valid: renew the credentials",
    "SignatureDoesNotMatch": "the secret key does not belong to the access key",
    "RequestTimeTooSkewed": "this machine's clock is wrong",
}


def explain(error: Exception) -> str:
    """What a boto3 exception means and what to do, in one line, without a secret."""
    from boto3.exceptions import S3UploadFailedError
    from botocore import exceptions as boto

    inner = error.__cause__ or error.__context__
    if isinstance(error, S3UploadFailedError) and isinstance(inner, Exception):
        return explain(inner)  # only there is the store's answer
    response = getattr(error, "response", None)
    if isinstance(response, dict):
        code = str(response.get("Error", {}).get("Code", "?"))
        status = response.get("ResponseMetadata", {}).get("HTTPStatusCode", "?")
        if code in _ADVICE:
            return f"{_ADVICE[code]} (HTTP {status}, {code})"
        if isinstance(status, int) and status >= 500:
            return f"the store failed, and did so again when asked again (HTTP {status}, {code})"
        return f"the store refused (HTTP {status}, {code})"
    if isinstance(error, (boto.NoCredentialsError, boto.PartialCredentialsError)):
        return (
            "no credentials were found: set AWS_PROFILE, AWS_ACCESS_KEY_ID and "
            "AWS_SECRET_ACCESS_KEY, or give the machine a role"
        )
    if isinstance(error, (boto.UnauthorizedSSOTokenError, boto.CredentialRetrievalError)):
        return f"no credentials could be had: {_one_line(error)}"
    if type(error).__name__ == "FlexibleChecksumError":  # newer versions of boto3 only
        return "the content does not match the checksum that the store gives for it"
    if isinstance(error, (boto.HTTPClientError, boto.ConnectionError)):
        return f"the connection was lost, and again when tried again: {_one_line(error)}"
    cause = getattr(error, "last_exception", None)
    if isinstance(cause, Exception):  # RetriesExceededError: the body broke off each time
        return f"the download broke off, and again when tried again: {_one_line(cause)}"
    return _one_line(error)


def _is_verified(path: Path, pointer: Pointer) -> bool:
    """Whether the cache holds the right file; hashed once a process, then known by its stat."""
    if not path.exists():
        return False
    if path.stat().st_size == pointer.size:
        identity = file_identity(path)
        if _verified.get(str(path)) == identity:
            return True
        if file_sha256(path) == pointer.sha256:
            _verified[str(path)] = identity
            return True
    _log.warning("%s is damaged; fetching %s again", path, pointer.location)
    return False


def cache_folder() -> Path:
    """The cache folder, which nobody but this user may look into; it is made.

    Raises
    ------
    StorageError
        If there can be none.
    """
    named = os.environ.get(CACHE_VARIABLE)
    try:
        folder = Path(named) if named else _default_folder()
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        status = folder.stat()
        if status.st_uid != os.geteuid():
            _fail(
                f"{folder}: the cache of ground truth belongs to user {status.st_uid}, not to "
                f"this one ({os.geteuid()}); set {CACHE_VARIABLE} to a folder of your own"
            )
        if stat.S_IMODE(status.st_mode) & 0o077:
            folder.chmod(0o700)
    except OSError as error:
        where = named or "the default cache folder"
        _fail(_file_fault(error, f"{where} cannot hold the ground truth (see {CACHE_VARIABLE})"))
    return folder


def _default_folder() -> Path:
    root = os.environ.get("XDG_CACHE_HOME")
    try:
        base = Path(root) if root else Path.home() / ".cache"
    except RuntimeError:  # a user without a home, as in some containers
        base = Path(tempfile.gettempdir()) / f"cache-of-user-{os.geteuid()}"
    return base / "nlb-evalai" / "truth"


@contextlib.contextmanager
def _lock(path: Path) -> Iterator[None]:
    """Hold an exclusive lock between processes; the system frees it when a process dies."""
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


def _file_fault(error: OSError, what: str) -> str:
    if is_disk_full(error):
        return f"{what}: the disk is full, or a limit on file size was met ({error.strerror})"
    return f"{what}: {error.strerror or _one_line(error)}"


def _one_line(error: Exception) -> str:
    """Its text in one line, without the user and password that an address may hold."""
    text = " ".join(str(error).split()) or type(error).__name__
    return re.sub(r"//[^/@\s]*@", "//", text)


def _fail(detail: str) -> NoReturn:
    _log.error("%s", detail, extra=IN_ERROR)
    raise StorageError(detail) from None

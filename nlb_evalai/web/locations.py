"""A location becomes a file on this machine: a path, an object in S3, or what the web has there.

It is the person at the command line who names it, or their export; strangers' addresses go to
``fetch`` alone.
"""

from __future__ import annotations

import tempfile
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any, BinaryIO, Iterator, List, NamedTuple, Optional, Tuple

from evaluation_script import storage
from nlb_evalai.web.fetch import (
    MAX_BYTES,
    FetchError,
    NotGiven,
    disk_trouble,
    fetch,
    too_large,
)
from nlb_evalai.web.http import without_query

#: how the names of folders begin in which downloads lie
DOWNLOAD_PREFIX = "nlb-submission-"


@contextmanager
def fetched(
    location: str, max_bytes: int = MAX_BYTES, folder: Optional[Path] = None
) -> Iterator[Path]:
    """The file at a path, an ``s3://`` address or a URL; a download is deleted afterwards.

    Parameters
    ----------
    location : str
    max_bytes : int
        The largest size taken of a download.
    folder : Path, optional
        Where downloads lie, each in a folder called :data:`DOWNLOAD_PREFIX` and more; made if there
        is none. Left out, the temporary folder.

    Raises
    ------
    FetchError
        If it cannot be had; FileRefused or NotGiven if that will not change. A path is not looked
        at.
    """
    if "://" not in location:
        yield Path(location)
        return
    with ExitStack() as stack:
        try:
            path = stack.enter_context(_room(folder)) / "submission.h5"
            if location.startswith("s3://"):
                _fetch_object(location, path, max_bytes)
            elif location.startswith(("http://", "https://")):
                fetch(location, path, max_bytes=max_bytes)
            else:
                raise NotGiven("expected a path, s3:// or http(s)://")
        except FetchError as error:
            raise type(error)(f"{without_query(location)}: {error}") from None
        yield path


@contextmanager
def _room(folder: Optional[Path]) -> Iterator[Path]:
    try:
        if folder is not None:
            folder.mkdir(exist_ok=True)
        room = tempfile.TemporaryDirectory(prefix=DOWNLOAD_PREFIX, dir=folder)
    except OSError as error:
        raise disk_trouble(error) from None
    with room as name:
        yield Path(name)


# -- S3 ------------------------------------------------------------------------------------------


class Object(NamedTuple):
    """An object in S3.

    ``below``: its key after the last slash of the prefix that was asked for. ``version`` changes
    with its content.
    """

    below: str
    location: str
    version: str


def objects_below(location: str) -> List[Object]:
    """The objects whose address starts with ``s3://bucket/prefix``.

    Raises
    ------
    FetchError
        If they cannot be listed.
    """
    bucket, prefix = _bucket_and_key(location)
    start = prefix.rfind("/") + 1
    with _s3() as s3:
        pages = s3.get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=prefix)
        return [
            Object(
                item["Key"][start:].lstrip("/"),
                f"s3://{bucket}/{item['Key']}",
                f"{item['ETag']} {item['Size']}",
            )
            for page in pages
            for item in page.get("Contents", ())
        ]


def _fetch_object(location: str, path: Path, max_bytes: int) -> None:
    """An object to disk; what is cut off goes on where it was, part by part, in boto3."""
    bucket, key = _bucket_and_key(location)
    try:
        with _s3() as s3, path.open("wb") as file:
            # A GET, not a HEAD: only a GET's answer says what is wrong.
            found = s3.get_object(Bucket=bucket, Key=key)
            found["Body"].close()
            size = found["ContentLength"]
            if size > max_bytes:
                raise too_large(size, max_bytes)
            if size:  # of nothing, no store gives a part
                s3.download_fileobj(bucket, key, _Capped(file, max_bytes))
    except OSError as error:
        raise disk_trouble(error) from None


class _Capped:
    """A file for the parts that boto3 writes: takes nothing past a size, whatever a header said."""

    def __init__(self, file: BinaryIO, max_bytes: int) -> None:
        self._file = file
        self._max_bytes = max_bytes
        self.seek, self.tell, self.seekable = file.seek, file.tell, file.seekable

    def write(self, piece: bytes) -> int:
        """Write a piece, or raise FileRefused."""
        if self._file.tell() + len(piece) > self._max_bytes:
            raise too_large(None, self._max_bytes)
        return self._file.write(piece)


@contextmanager
def _s3() -> Iterator[Any]:
    try:
        with storage.client() as s3:
            yield s3
    except storage.faults() as error:
        kind = NotGiven if _is_absent(error) else FetchError
        raise kind(storage.explain(error)) from None


def _is_absent(error: Exception) -> bool:
    """Whether S3 says that there is no such object: else its answer may be another one tomorrow."""
    answer = getattr(error, "response", None)
    code = answer.get("Error", {}).get("Code") if isinstance(answer, dict) else None
    return code in ("NoSuchBucket", "NoSuchKey", "404")


def _bucket_and_key(location: str) -> Tuple[str, str]:
    bucket, _, key = location[len("s3://") :].partition("/")
    return bucket, key

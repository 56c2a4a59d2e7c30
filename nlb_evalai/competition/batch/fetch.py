"""A submission's location -> a file on this machine, for as long as it is needed."""

from __future__ import annotations

import tempfile
from contextlib import contextmanager
from pathlib import Path
from typing import Iterator, Tuple

from nlb_evalai.errors import ToolError
from nlb_evalai.remote.client import without_query
from nlb_evalai.remote.errors import RemoteError
from nlb_evalai.remote.fetch import MAX_BYTES, fetch


class FetchError(ToolError):
    """A submission cannot be had; the message holds no query string, which may be a secret."""


def split_s3(location: str) -> Tuple[str, str]:
    """``s3://bucket/key`` -> (bucket, key)."""
    bucket, _, key = location[len("s3://") :].partition("/")
    return bucket, key


@contextmanager
def fetched(location: str) -> Iterator[Path]:
    """The file at a path, an ``s3://`` address or a URL; a download is deleted afterwards.

    Raises
    ------
    FetchError
        If it cannot be had.
    """
    if "://" not in location:
        yield Path(location)
        return
    with tempfile.TemporaryDirectory(prefix="nlb-submission-") as folder:
        path = Path(folder) / "submission.h5"
        if location.startswith("s3://"):
            _from_s3(location, path)
        elif location.startswith(("http://", "https://")):
            _from_web(location, path)
        else:
            raise FetchError(f"{without_query(location)}: expected a path, s3:// or http(s)://")
        yield path


def _from_s3(location: str, path: Path) -> None:
    import boto3
    from boto3.exceptions import Boto3Error
    from botocore.exceptions import BotoCoreError, ClientError

    bucket, key = split_s3(location)
    try:
        boto3.client("s3").download_file(bucket, key, str(path))
    except (Boto3Error, BotoCoreError, ClientError, ValueError) as error:
        raise FetchError(f"{location}: {error}") from None


def _from_web(location: str, path: Path) -> None:
    try:
        fetch(location, path, max_bytes=MAX_BYTES)
    except (RemoteError, ValueError) as error:  # ValueError: no address at all
        raise FetchError(f"{without_query(location)}: {error}") from None

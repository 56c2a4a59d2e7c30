"""A submission's location -> a file on this machine, for as long as it is needed."""

from __future__ import annotations

import tempfile
from contextlib import contextmanager
from pathlib import Path
from typing import Iterator, Tuple
from urllib.parse import urlsplit

import requests
from requests.adapters import HTTPAdapter
from urllib3.util import Retry

from nlb_evalai.errors import ToolError

_PIECE_BYTES = 1 << 20
_TIMEOUT_SECONDS = (10, 60)


class FetchError(ToolError):
    """A submission cannot be had; the message holds no query string, which may be a secret."""


def without_query(location: str) -> str:
    """An address fit to be kept and shown: signed URLs carry credentials after the ``?``."""
    if "://" not in location:
        return location
    parts = urlsplit(location)
    return f"{parts.scheme}://{parts.hostname or ''}{parts.path}"


def split_s3(location: str) -> Tuple[str, str]:
    """``s3://bucket/key`` -> (bucket, key)."""
    parts = urlsplit(location)
    return parts.netloc, parts.path.lstrip("/")


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
    retry = Retry(total=4, backoff_factor=0.5, status_forcelist=(429, 500, 502, 503, 504))
    with requests.Session() as session:
        for scheme in ("http://", "https://"):
            session.mount(scheme, HTTPAdapter(max_retries=retry))
        try:
            with session.get(location, stream=True, timeout=_TIMEOUT_SECONDS) as answer:
                if answer.status_code != requests.codes.ok:
                    raise FetchError(f"{without_query(location)}: HTTP {answer.status_code}")
                with path.open("wb") as stream:
                    for piece in answer.iter_content(_PIECE_BYTES):
                        stream.write(piece)
                expected = answer.headers.get("Content-Length")
        except requests.RequestException as error:
            reason = type(error).__name__
            raise FetchError(f"{without_query(location)}: cannot be fetched ({reason})") from None
    encoded = "Content-Encoding" in answer.headers
    if expected is not None and not encoded and path.stat().st_size != int(expected):
        raise FetchError(
            f"{without_query(location)}: cut short: found {path.stat().st_size} bytes, "
            f"expected {expected}"
        )

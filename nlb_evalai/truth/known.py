"""Files of the benchmark that the public can have: what they are, and where they lie.

The list is data, in ``known.yaml``; its head says where the figures come from.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, Callable, Dict, Iterable, List, Optional, Tuple

import yaml

from evaluation_script.storage import cache_folder
from evaluation_script.text import did_you_mean
from nlb_evalai.errors import ProblemsError, ToolError

RECORDING, TRUTH = "recording", "truth"
_LIST = Path(__file__).with_name("known.yaml")


@dataclass(frozen=True)
class Archive:
    """Where files lie. The environment variable, if set, takes the place of the address."""

    name: str
    title: str
    address: str
    variable: str

    @property
    def base(self) -> str:
        """The address in use, with a slash at its end."""
        return (os.environ.get(self.variable) or self.address).rstrip("/") + "/"


@dataclass(frozen=True)
class KnownFile:
    """A file that was published.

    Attributes
    ----------
    name : str
        What people call it by, as ``mc_maze_small-train``.
    kind : str
        :data:`RECORDING` or :data:`TRUTH`.
    what : str
        What it is, in words.
    suite : str
    file : str
        Its name where it was published.
    version, page, licence : str
    n_bytes : int
    sha256 : str, optional
        None where its hash was never seen.
    dataset, split : str
        Of a recording: ``split`` is that of the file's name, train or test.
    phase : str
        Of a truth.
    asset, path : str
        Its place in the archive; neither where it cannot be had any more.
    replaced : str
        Of a superseded file: since when, and what that means.
    """

    name: str
    kind: str
    what: str
    suite: str
    archive: Archive
    file: str
    version: str
    page: str
    licence: str
    n_bytes: int
    sha256: Optional[str]
    dataset: str = ""
    split: str = ""
    phase: str = ""
    asset: str = ""
    path: str = ""
    replaced: str = ""

    @property
    def address(self) -> Optional[str]:
        """Where to fetch it; None where it cannot be had any more."""
        if self.asset:
            return f"{self.archive.base}assets/{self.asset}/download/"
        return self.archive.base + self.path if self.path else None

    def below(self, folder: Path) -> Path:
        """Its place in a folder of such files: recordings lie in one folder for each dataset."""
        return folder / self.dataset / self.file

    def as_json(self) -> Dict[str, Any]:
        """All that is known of it, as plain JSON values."""
        plain = {key: value for key, value in vars(self).items() if key != "archive"}
        return {**plain, "archive": self.archive.name, "address": self.address}


@cache
def read_list(path: Path) -> Tuple[KnownFile, ...]:
    """The files of a list in the form of ``known.yaml``, in its order."""
    content = yaml.safe_load(path.read_text(encoding="utf-8"))
    archives = {name: Archive(name, **entry) for name, entry in content["archives"].items()}
    files = []
    for entry in content["files"]:
        fields = {**entry, "archive": archives[entry["archive"]], "n_bytes": entry["bytes"]}
        del fields["bytes"]
        files.append(KnownFile(**fields))
    return tuple(files)


def known_files() -> Tuple[KnownFile, ...]:
    """Every file that is known, also those that were replaced."""
    return read_list(_LIST)


def named(names: Iterable[str]) -> List[KnownFile]:
    """The files that some names mean, each once: a file's name, or a dataset's for all it has.

    Raises
    ------
    ProblemsError
        For every name that means none.
    """
    current = [one for one in known_files() if not one.replaced]
    words = {one.name: [one] for one in known_files()}
    words.update(
        {
            dataset: [one for one in current if one.dataset == dataset]
            for dataset in dict.fromkeys(one.dataset for one in current if one.dataset)
        }
    )
    names = list(names)
    problems = [
        f"{name!r}: not a known file or dataset{did_you_mean(name, words)}"
        for name in names
        if name not in words
    ]
    if problems:
        raise ProblemsError("see nlb-evalai data list:", problems)
    return list(dict.fromkeys(one for name in names for one in words[name]))


def by_content(sha256: str) -> Optional[KnownFile]:
    """The known file of that hash, if there is one."""
    return next((one for one in known_files() if one.sha256 == sha256), None)


def by_size(n_bytes: int) -> Optional[KnownFile]:
    """The known file of that size among those whose hash was never seen, if there is one."""
    return next((one for one in known_files() if not one.sha256 and one.n_bytes == n_bytes), None)


def published_truth(suite: str, phase: str) -> Optional[KnownFile]:
    """The published ground truth of a phase, if there is one."""
    return next(
        (
            one
            for one in known_files()
            if (one.kind, one.suite, one.phase) == (TRUTH, suite, phase) and not one.replaced
        ),
        None,
    )


@dataclass(frozen=True)
class Copy:
    """A known file on this machine.

    ``verified`` is False where its hash was never seen and only its size is right. ``fresh``: it
    was not there before.
    """

    known: KnownFile
    path: Path
    sha256: str
    verified: bool
    fresh: bool


def obtain(
    known: KnownFile,
    folder: Optional[Path] = None,
    progress: Callable[[int], None] = lambda done: None,
) -> Copy:
    """A known file on this machine, fetched if it is not there.

    Parameters
    ----------
    known : KnownFile
    folder : Path, optional
        Where such files lie; left out, it is the cache (``NLB_EVALAI_CACHE``).
    progress : callable
        Called with the bytes that are there.

    Raises
    ------
    ToolError
        If it cannot be had; says how to fetch it by hand, and where to put it.
    """
    from nlb_evalai.web.download import Unreachable, download

    path = known.below(folder or cache_folder() / "known")
    if known.address is None:
        raise ToolError(
            f"{known.name}: it cannot be had any more: {known.replaced or 'no address is known'}"
        )
    try:
        found = download(
            known.address, path, n_bytes=known.n_bytes, sha256=known.sha256, progress=progress
        )
    except Unreachable as error:
        raise ToolError(
            f"{known.name}: could not be fetched: {error}; fetch {known.address} by hand and put "
            f"it at {path}, or run the command again: it goes on where it was"
        ) from None
    except ToolError as error:
        raise type(error)(f"{known.name}: {error}") from None
    return Copy(known, path, found.sha256, known.sha256 is not None, found.fresh)

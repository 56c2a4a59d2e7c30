"""A bundle opened for checking: its members, its config, its evaluation script.

Accessors are tolerant: they leave out what is not of the right form, which the schema's check
reports, so that every rule can rely on what it is given.
"""

from __future__ import annotations

import lzma
import shutil
import tempfile
import zipfile
import zlib
from functools import cached_property
from pathlib import Path
from typing import Any, Callable, Dict, Iterator, List, Optional, Tuple, TypeVar

from evaluation_script.suites import Suite
from nlb_evalai.challenge.evalai.config import CONFIG_NAME
from nlb_evalai.challenge.evalai.rules import limits
from nlb_evalai.challenge.evalai.rules.finding import ERROR, Finding
from nlb_evalai.challenge.evalai.scored import Scored
from nlb_evalai.yamltext import YamlProblem, read_yaml

T = TypeVar("T")

#: (where it is in the config, the entry)
ConfigEntry = Tuple[str, Dict[str, Any]]

PAGE_KEYS = (
    "description",
    "evaluation_details",
    "terms_and_conditions",
    "submission_guidelines",
)


#: What reading a damaged or encrypted member raises.
_DAMAGE = (
    zipfile.BadZipFile,
    zlib.error,
    OSError,
    EOFError,
    RuntimeError,
    ValueError,
    lzma.LZMAError,
)


class Unreadable(Exception):
    """Nothing can be checked; holds the one finding that says why."""

    def __init__(self, code: str, location: str, message: str) -> None:
        super().__init__(message)
        self.finding = Finding(code, ERROR, location, message)


class Bundle:
    """A challenge zip.

    Parameters
    ----------
    path : Path
    suite : Suite, optional
        What its evaluation script scores, as the host knows it.
    scored : Scored, optional
        The same, as the evaluation script told it where it ran.

    Raises
    ------
    Unreadable
        If it is no zip, or has no config at its root that can be read.
    """

    def __init__(
        self, path: Path, suite: Optional[Suite] = None, scored: Optional[Scored] = None
    ) -> None:
        self.path = path
        self.suite = suite
        self.scored = scored
        self._results: Dict[Any, Any] = {}
        #: why its evaluation script is not looked into, known once `script` was
        self.script_fault: Optional[str] = None
        try:
            crowded = limits.crowded(path)
            if crowded is not None:
                message = f"{crowded}: build it again with `bundle build`"
                raise Unreadable("bundle-zip", str(path), message)
            self._zip = zipfile.ZipFile(path)
        except FileNotFoundError:
            raise Unreadable("bundle-zip", str(path), "not found") from None
        except (OSError, zipfile.BadZipFile, ValueError, NotImplementedError) as error:
            message = f"cannot be read as a zip ({error}); build it again with `bundle build`"
            raise Unreadable("bundle-zip", str(path), message) from None
        self._scratch = tempfile.TemporaryDirectory(prefix="nlb-bundle-check-")
        try:
            self.names: List[str] = self._zip.namelist()
            #: member -> why it is not read
            self.too_large = limits.too_large(self._zip.infolist())
            self.config = self._read_config()
        except BaseException:
            self.close()
            raise

    def __enter__(self) -> Bundle:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def once(self, function: Callable[[Bundle], T]) -> T:
        """What a function makes of this bundle, computed at the first call."""
        if function not in self._results:
            self._results[function] = function(self)
        result: T = self._results[function]
        return result

    def close(self) -> None:
        """Close the zip and remove what was extracted of it."""
        self._zip.close()
        self._scratch.cleanup()

    # ---- the zip --------------------------------------------------------------------------

    def read(self, name: str) -> Optional[bytes]:
        """The content of a page, a logo or the config; None if there is none that can be read."""
        if name not in self.names or name in self.too_large:
            return None
        if self._zip.getinfo(name).file_size > limits.READ_WHOLE_BYTES:
            return None  # no name of a page or logo: the rule about names says so
        try:
            return self._zip.read(name)
        except _DAMAGE:
            return None  # `damaged-member` says so

    def extract(self, name: str) -> Optional[Path]:
        """A member as a file, for what must be read from one; None as for ``read``."""
        if name not in self.names or name in self.too_large:
            return None
        target = Path(self._scratch.name) / f"{self.names.index(name)}{Path(name).suffix}"
        if not target.exists():
            try:
                with self._zip.open(name) as source, target.open("wb") as copy:
                    shutil.copyfileobj(source, copy, 1 << 20)
            except _DAMAGE:
                target.unlink()
                return None
        return target

    def damaged(self) -> Optional[str]:
        """The first member whose content does not fit its checksum."""
        for name in self.names:
            if name in self.too_large:
                continue
            try:
                with self._zip.open(name) as source:
                    while source.read(1 << 20):
                        pass
            except _DAMAGE:
                return name
        return None

    @cached_property
    def script(self) -> Optional[Path]:
        """The evaluation script's files in a folder; None if its zip cannot be read."""
        name = self.config.get("evaluation_script")
        archive = self.extract(name) if isinstance(name, str) else None
        if archive is None:
            return None
        folder = Path(self._scratch.name) / "script"
        try:
            with zipfile.ZipFile(archive) as members:
                self.script_fault = limits.script_fault(members.infolist())
                if self.script_fault is None:
                    members.extractall(folder)
        except _DAMAGE:
            return None
        return folder if folder.is_dir() else None

    # ---- the config -----------------------------------------------------------------------

    def _read_config(self) -> Dict[str, Any]:
        if CONFIG_NAME in self.too_large:
            raise Unreadable("member-size", CONFIG_NAME, self.too_large[CONFIG_NAME])
        content = self.read(CONFIG_NAME)
        if content is None and CONFIG_NAME in self.names:
            raise Unreadable("damaged-member", CONFIG_NAME, "is damaged or encrypted; build again")
        if content is None:
            nested = [name for name in self.names if name.endswith("/" + CONFIG_NAME)]
            found = f"found it as {nested[0]}" if nested else "it is not there"
            message = f"must be at the root of the zip, but {found}: zip the files, not a folder"
            raise Unreadable("config-at-root", CONFIG_NAME, message)
        try:
            config = read_yaml(content)
        except YamlProblem as problem:
            where = f"{CONFIG_NAME}:{problem.line}" if problem.line else CONFIG_NAME
            raise Unreadable("config-yaml", where, str(problem)) from None
        if not isinstance(config, dict):
            found = type(config).__name__
            message = f"found {found}, expected keys and values at the top"
            raise Unreadable("config-yaml", CONFIG_NAME, message)
        return dict(config)

    def entries(self, key: str) -> List[ConfigEntry]:
        """The entries of a top-level list that are mappings, with their places."""
        found = self.config.get(key)
        if not isinstance(found, list):
            return []
        return [
            (f"{CONFIG_NAME}: {key}[{i}]", entry)
            for i, entry in enumerate(found)
            if isinstance(entry, dict)
        ]

    def by_id(self, key: str) -> Dict[int, Dict[str, Any]]:
        """The entries of a top-level list by their ``id``."""
        if key not in self._results:
            found: Dict[int, Dict[str, Any]] = {}
            for _, entry in self.entries(key):
                if type(entry.get("id")) is int:
                    found.setdefault(entry["id"], entry)
            self._results[key] = found
        by_id: Dict[int, Dict[str, Any]] = self._results[key]
        return by_id

    def boards(self) -> Iterator[Tuple[str, Dict[str, Any], List[str]]]:
        """(where, schema, labels) of every leaderboard."""
        for where, board in self.entries("leaderboard"):
            schema = board.get("schema")
            if isinstance(schema, dict):
                yield f"{where}.schema", schema, labels_of(board)

    def files(self) -> List[Tuple[str, str]]:
        """(where it is named, path) of every file that the config names."""
        named = [
            (f"{CONFIG_NAME}: {key}", self.config.get(key))
            for key in (*PAGE_KEYS, "image", "evaluation_script")
        ]
        for where, phase in self.entries("challenge_phases"):
            named += [
                (f"{where}.{key}", phase.get(key))
                for key in ("description", "test_annotation_file")
            ]
        return [(where, name) for where, name in named if isinstance(name, str) and name]


def labels_of(board: Optional[Dict[str, Any]]) -> List[str]:
    """The columns of a leaderboard; none if it is not of the right form."""
    schema = (board or {}).get("schema")
    labels = schema.get("labels") if isinstance(schema, dict) else None
    if not isinstance(labels, list):
        return []
    return [label for label in labels if isinstance(label, str)]

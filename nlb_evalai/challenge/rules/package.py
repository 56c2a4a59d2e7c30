"""A platform's package opened for checking: its members, its config, programs in it, its truth.

Accessors are tolerant: they leave out what is not of the right form, which the rules about shape
report, so that every rule can rely on what it is given.
"""

from __future__ import annotations

import lzma
import shutil
import tempfile
import zipfile
import zlib
from pathlib import Path
from typing import Any, Callable, ClassVar, Dict, Iterator, List, Optional, Tuple, TypeVar

from evaluation_script.suites import Suite
from nlb_evalai.challenge.rules import limits
from nlb_evalai.challenge.rules.finding import ERROR, Finding
from nlb_evalai.challenge.rules.registry import Rulebook
from nlb_evalai.yamltext import YamlProblem, read_yaml

T = TypeVar("T")
Self = TypeVar("Self", bound="Package")

#: (where it is in the config, the entry)
ConfigEntry = Tuple[str, Dict[str, Any]]

#: What reading a damaged or encrypted member raises.
DAMAGE = (
    zipfile.BadZipFile,
    zlib.error,
    OSError,
    EOFError,
    RuntimeError,
    ValueError,
    lzma.LZMAError,
)

#: the rules that are applied while a package is opened
OPENING = Rulebook()
OPENING.declare("bundle-zip", ERROR, "A bundle is a zip that can be read.")
OPENING.declare("config-at-root", ERROR, "The config is at the root of the zip.")
OPENING.declare("config-yaml", ERROR, "The config is YAML of a config's size, with each key once.")


class Unreadable(Exception):
    """Nothing can be checked; holds the one finding that says why."""

    def __init__(self, code: str, location: str, message: str) -> None:
        super().__init__(message)
        self.finding = Finding(code, ERROR, location, message)


class Package:
    """A package.

    Parameters
    ----------
    path : Path
    suite : Suite, optional
        What its scorer scores, as the host knows it.

    Raises
    ------
    Unreadable
        If it is no zip, or has no config at its root that can be read.
    """

    #: the platform, for people; what its config is called; and what else it takes for one
    title: ClassVar[str]
    config_name: ClassVar[str]
    other_configs: ClassVar[Tuple[str, ...]] = ()
    limits: ClassVar[limits.Limits]

    def __init__(self, path: Path, suite: Optional[Suite] = None) -> None:
        self.path = path
        self.suite = suite
        self._results: Dict[Any, Any] = {}
        #: program's member -> why it is not looked into, known once `program` was asked
        self.program_faults: Dict[str, str] = {}
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
        self.scratch = Path(self._scratch.name)
        try:
            self.names: List[str] = self._zip.namelist()
            #: member -> why it is not read
            self.too_large = limits.too_large(self._zip.infolist(), self.limits)
            self.config = self._read_config()
        except BaseException:
            self.close()
            raise

    def __enter__(self: Self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def once(self, function: Callable[[Any], T]) -> T:
        """What a function makes of this package, computed at the first call."""
        if function not in self._results:
            self._results[function] = function(self)
        result: T = self._results[function]
        return result

    def close(self) -> None:
        """Close the zip and remove what was extracted of it."""
        self._zip.close()
        self._scratch.cleanup()

    # ---- what each platform says ----------------------------------------------------------

    def files(self) -> List[Tuple[str, str]]:
        """(where it is named, path) of every file that the config names."""
        raise NotImplementedError

    def page_names(self) -> List[str]:
        """The members that are pages."""
        raise NotImplementedError

    def truths(self) -> Iterator[Tuple[str, Any, Path]]:
        """(name, the phase's codename, file) of each ground truth that is there."""
        raise NotImplementedError

    # ---- the zip --------------------------------------------------------------------------

    def read(self, name: str) -> Optional[bytes]:
        """The content of a page, a logo or the config; None if there is none that can be read."""
        if name not in self.names or name in self.too_large:
            return None
        if self._zip.getinfo(name).file_size > limits.READ_WHOLE_BYTES:
            return None  # no name of a page or logo: the rule about names says so
        try:
            return self._zip.read(name)
        except DAMAGE:
            return None  # `damaged-member` says so

    def pages(self) -> Dict[str, bytes]:
        """The content of every page that can be read."""
        found = {name: self.read(name) for name in self.page_names()}
        return {name: content for name, content in found.items() if content is not None}

    def extract(self, name: str) -> Optional[Path]:
        """A member as a file, for what must be read from one; None as for ``read``."""
        if name not in self.names or name in self.too_large:
            return None
        target = self.scratch / f"{self.names.index(name)}{Path(name).suffix}"
        if not target.exists():
            try:
                with self._zip.open(name) as source, target.open("wb") as copy:
                    shutil.copyfileobj(source, copy, 1 << 20)
            except DAMAGE:
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
            except DAMAGE:
                return name
        return None

    def program(self, name: Any) -> Optional[Path]:
        """The files of a program's zip in a folder; None if it cannot be read."""
        archive = self.extract(name) if isinstance(name, str) else None
        if archive is None:
            return None
        folder = archive.with_name(archive.stem + "-files")
        if folder.exists() or name in self.program_faults:
            return folder if folder.is_dir() else None
        try:
            with zipfile.ZipFile(archive) as members:
                fault = limits.script_fault(members.infolist())
                if fault is not None:
                    self.program_faults[name] = fault
                else:
                    members.extractall(folder)
        except DAMAGE:
            shutil.rmtree(folder, ignore_errors=True)
            return None
        return folder if folder.is_dir() else None

    # ---- the config -----------------------------------------------------------------------

    def _read_config(self) -> Dict[str, Any]:
        name = self.config_name
        if name in self.too_large:
            raise Unreadable("member-size", name, self.too_large[name])
        content = self.read(name)
        if content is None and name in self.names:
            raise Unreadable("damaged-member", name, "is damaged or encrypted; build again")
        if content is None:
            nested = [one for one in self.names if one.endswith("/" + name)]
            found = f"found it as {nested[0]}" if nested else "it is not there"
            message = f"must be at the root of the zip, but {found}: zip the files, not a folder"
            raise Unreadable("config-at-root", name, message)
        try:
            config = read_yaml(content)
        except YamlProblem as problem:
            where = f"{name}:{problem.line}" if problem.line else name
            raise Unreadable("config-yaml", where, str(problem)) from None
        if not isinstance(config, dict):
            found = type(config).__name__
            message = f"found {found}, expected keys and values at the top"
            raise Unreadable("config-yaml", name, message)
        return dict(config)

    def entries(self, key: str) -> List[ConfigEntry]:
        """The entries of a top-level list that are mappings, with their places."""
        found = self.config.get(key)
        if not isinstance(found, list):
            return []
        return [
            (f"{self.config_name}: {key}[{i}]", entry)
            for i, entry in enumerate(found)
            if isinstance(entry, dict)
        ]

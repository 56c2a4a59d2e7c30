"""The seam between a benchmark and a platform that hosts it.

A platform is one package beside this module with a module ``platform`` that has a ``PLATFORM``. It
lays out a package of a suite and a head, brings the program that makes the one scoring call and
writes its answer, has rules for packages, and plays the platform on this machine.
"""

from __future__ import annotations

import importlib
import zipfile
from abc import ABC, abstractmethod
from pathlib import Path
from typing import ClassVar, Dict, List, Optional, Tuple

from evaluation_script.suites import Suite
from nlb_evalai import challenge
from nlb_evalai.challenge.build import BuiltBundle, Content
from nlb_evalai.challenge.names import DEFAULT, names
from nlb_evalai.challenge.replica import Replica
from nlb_evalai.challenge.rules.finding import Finding
from nlb_evalai.challenge.rules.registry import Rulebook

#: the code of every platform's warning that it is not
SUITE_UNKNOWN = "suite-unknown"


class Platform(ABC):
    """A platform.

    ``name`` is for scripts, ``title`` for people; ``config_name`` is the member at the root of a
    package that tells whose it is. ``need_suite`` are the codes of rules that are only applied to
    packages whose suite is one that is known here.
    """

    name: ClassVar[str]
    title: ClassVar[str]
    config_name: ClassVar[str]
    rules: ClassVar[Rulebook]
    need_suite: ClassVar[Tuple[str, ...]]

    @abstractmethod
    def program(self, suite: Suite) -> Dict[str, Content]:
        """What runs on the platform, by its path in the program's own zip.

        It holds the scorer, makes the one scoring call, and writes its answer the platform's way.
        """

    @abstractmethod
    def build(
        self,
        out: Path,
        annotations: Optional[Path] = None,
        *,
        suite: Suite,
        head: Optional[Path] = None,
    ) -> BuiltBundle:
        """Lay out and write the package.

        Parameters
        ----------
        out : Path
            The zip to write.
        annotations : Path, optional
            Folder of the ground truth, one file for each phase; the embedded sample if left out.
        suite : Suite
        head : Path, optional
            The head's YAML file; this project's own for the suite, or a plain one, if left out.

        Raises
        ------
        BundleError
            If something is missing, or the package would break a rule. Nothing is written.
        """

    @abstractmethod
    def check(
        self, path: Path, old: Optional[Path] = None, suite: Optional[Suite] = None
    ) -> List[Finding]:
        """Everything that the platform would refuse in a package, or take and then trip over.

        ``old`` is the package of the live challenge that this one updates.
        """

    @abstractmethod
    def replica(self, bundle: Path) -> Replica:
        """The platform, played, with this package loaded."""


def find(name: str) -> Platform:
    """The platform of that name, which is imported now."""
    module = importlib.import_module(f"{challenge.__name__}.{name}.platform")
    platform: Platform = module.PLATFORM
    return platform


def platform_of(package: Path) -> Platform:
    """Whose package that is, by its config; the default's where nothing tells."""
    try:
        with zipfile.ZipFile(package) as archive:
            members = archive.namelist()
    except (OSError, ValueError, NotImplementedError, zipfile.BadZipFile):
        return find(DEFAULT)  # which says why it cannot be read
    for base in (members, [member.rpartition("/")[2] for member in members]):
        for name in sorted(names(), key=lambda one: one != DEFAULT):
            if find(name).config_name in base:
                return find(name)
    return find(DEFAULT)

"""What a dry run needs of a platform's replica: phases, scoring, and boards to look at."""

from __future__ import annotations

import json
from abc import ABC, abstractmethod
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Any, ClassVar, Dict, List, Mapping, Optional, Sequence, Tuple, Type, TypeVar

from nlb_evalai.challenge.rules.finding import Finding
from nlb_evalai.errors import NOT_FIT, ToolError

Self = TypeVar("Self", bound="Replica")


class ReplicaError(ToolError):
    """The platform could not load this bundle."""

    exit_code = NOT_FIT


@dataclass(frozen=True)
class Problem:
    """Something that the platform would refuse or trip over, and where in the output it is."""

    where: str
    message: str

    def __str__(self) -> str:
        return f"{self.where}: {self.message}"


@dataclass(frozen=True)
class View:
    """Something that one side gets to see of a submission: text, or JSON values."""

    who: str
    what: str
    content: Any


@dataclass(frozen=True)
class Outcome:
    """What became of one submission.

    ``failed``: it has no score, and ``stderr`` (which the participant reads) says why.
    ``output``: what the scoring program answered. ``problems``: what the platform would refuse of
    it, or trip over. ``peak_mib``: the most memory that it took; 0 where nobody measured.
    """

    phase: str
    stdout: str
    stderr: str
    failed: bool
    output: Any = None
    problems: List[Problem] = field(default_factory=list)
    seconds: float = 0.0
    peak_mib: float = 0.0

    @property
    def fit(self) -> bool:
        """Whether the platform takes it and shows all of it."""
        return not (self.failed or self.problems)

    @property
    def refused(self) -> bool:
        """Whether it has no score for being incomplete or faulty, said as it should be said.

        Always False where a platform takes incomplete submissions.
        """
        return False

    @property
    def result(self) -> Any:
        """What goes to the leaderboards, as JSON values."""
        return self.output

    @property
    def summary(self) -> str:
        """What a fit one gives, in a few words."""
        raise NotImplementedError

    def views(self) -> List[View]:
        """What people see of it."""
        raise NotImplementedError

    def kept(self) -> Dict[str, str]:
        """Everything that the platform keeps of it: text by file name."""
        return {"stdout.txt": self.stdout, "stderr.txt": self.stderr}


def as_text(value: Any) -> str:
    """JSON values as the text of a file."""
    return json.dumps(value, indent=1, default=str) + "\n"


@dataclass(frozen=True)
class ShownRow:
    """A row of a leaderboard; a label without a score is missing from ``cells``."""

    rank: int
    team: str
    cells: Mapping[str, str]


@dataclass(frozen=True)
class ShownBoard:
    """A leaderboard as the platform shows it, ordered by its label ``primary``."""

    name: str
    title: str
    labels: Tuple[str, ...]
    primary: str
    rows: Sequence[ShownRow]


@dataclass(frozen=True)
class ShownPhase:
    """The leaderboards of a phase, who sees them, and what they do to entries that lack something.

    ``missing`` stands where a score is missing, and ``missing_style`` is its look.
    """

    heading: str
    boards: Sequence[ShownBoard]
    remarks: Sequence[str]
    missing: str
    missing_style: str = "dim"


@dataclass(frozen=True)
class OfferedPhase:
    """A phase to submit to; ``phase`` is the suite's, of which its truth is."""

    codename: str
    name: str
    phase: str
    truth: Path


class Replica(ABC):
    """A platform with one bundle loaded; scores what it is given.

    Raises
    ------
    ReplicaError
        If the platform could not load the bundle; says everything that is in the way.
    """

    title: ClassVar[str]
    #: how the bundle was loaded, in words
    loaded: str = ""

    def __enter__(self: Self) -> Self:
        return self

    def __exit__(
        self,
        kind: Optional[Type[BaseException]],
        error: Optional[BaseException],
        trace: Optional[TracebackType],
    ) -> None:
        self.close()

    @abstractmethod
    def close(self) -> None:
        """Remove all that was made."""

    @property
    @abstractmethod
    def phases(self) -> Sequence[OfferedPhase]:
        """The phases that take submissions."""

    def offered(self, codename: str) -> OfferedPhase:
        """The phase of that codename.

        Raises
        ------
        ToolError
            If there is none; names those there are.
        """
        for phase in self.phases:
            if phase.codename == codename:
                return phase
        known = ", ".join(phase.codename for phase in self.phases)
        raise ToolError(f"phase: found {codename!r}, expected one of {known}")

    @abstractmethod
    def score(self, submission: Path, codename: str) -> Outcome:
        """What becomes of a submission to a phase."""

    @abstractmethod
    def shown(self, codename: str, outcomes: Mapping[str, Outcome]) -> ShownPhase:
        """The boards of a phase after the fit submissions of these teams, oldest first."""

    def rates(self, truth: Path, codename: str) -> List[List[Any]]:
        """What a submission of constant rates must hold, of a suite that is not known here."""
        raise ToolError(
            f"the suite of phase {codename} is not known here: name its file with --suite, or give "
            "a submission to score with --submission FILE --phase PHASE"
        )

    def ask_suite(self, bundle: Path) -> Tuple[str, List[Finding]]:
        """Hold the bundle against what its own scorer says that it scores, where that runs.

        Returns
        -------
        (what came of it in words, findings)
        """
        return "every answer of the scoring program is held against the boards", []

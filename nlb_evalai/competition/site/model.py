"""What the site shows, whatever it comes from: entries with shown numbers, and what goes with them.

A source (a store and its award, a folder of cards) fills an :class:`Entry` for each row that is
public; the pages, figures and downloads are made of these alone. All text is fit to be shown: it
went through :func:`text_of`, so it holds no e-mail address and nothing invisible. All numbers are
those of the boards: :func:`cell_of` rounds and floors them as the phase says, and a receipt is a
public one (docs/receipt.md).
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Mapping, Optional, Tuple
from urllib.parse import urlsplit

from evaluation_script.leaderboard import shown, shown_error
from evaluation_script.scorecard import Score
from evaluation_script.suites import Phase, Suite
from evaluation_script.text import printable
from nlb_evalai.competition.award.export import web_address, without_email

#: dataset, bin width in ms, metric
ScoreKey = Tuple[str, int, str]

#: what an entry is: one model, several that vote, or nobody said
KINDS = ("single", "ensemble", "unknown")

#: characters of a name, and of a longer text, that are shown
MOST_OF_NAME, MOST_OF_TEXT = 120, 2000
_MOST_OF_ADDRESS = 2000


@dataclass(frozen=True)
class Cell:
    """A score as it is shown, and its standard error if it has one."""

    value: float
    standard_error: Optional[float] = None


@dataclass(frozen=True)
class Entry:
    """An entry as everyone may see it.

    Attributes
    ----------
    key : str
        Names it among the entries of a site, and its page: it must not tell who is anonymous.
    team, method : str
        As they are shown; an anonymous team has a made-up name, and no method.
    authors : tuple of str
    description : str
        What its team says of it.
    notes : tuple of str
        What the scorer said of it.
    links : mapping
        What is there (``paper``, ``code``, ``project``) -> an address of :func:`link_of`.
    kind : str
        One of :data:`KINDS`.
    is_code_open : bool, optional
        None where nobody said.
    submitted_at : str
        ISO 8601, a date at least; empty where it is not known.
    scores : mapping
        (dataset, bin width in ms, metric) -> :class:`Cell`; nothing where there is no score.
    left_out : mapping
        The same keys -> why there is no score.
    ranks : mapping
        Dataset -> the rank that an award gave; the site ranks by shown numbers where none did.
    remark : str
        Why it does not count; empty if it does.
    origin : str
        Where its scores come from, in words: ``scored by …``, ``board of EvalAI, imported on …``.
    receipt : mapping, optional
        In its public form.
    is_anonymous : bool
        It has no page of its own, no method, notes, links or receipt.
    """

    key: str
    team: str
    method: str = ""
    authors: Tuple[str, ...] = ()
    links: Mapping[str, str] = field(default_factory=dict)
    kind: str = "unknown"
    is_code_open: Optional[bool] = None
    submitted_at: str = ""
    description: str = ""
    notes: Tuple[str, ...] = ()
    scores: Mapping[ScoreKey, Cell] = field(default_factory=dict)
    left_out: Mapping[ScoreKey, str] = field(default_factory=dict)
    ranks: Mapping[str, int] = field(default_factory=dict)
    remark: str = ""
    origin: str = ""
    receipt: Optional[Mapping[str, Any]] = None
    is_anonymous: bool = False


@dataclass(frozen=True)
class Comparison:
    """Two neighbors on a board, by the score that ranks; ``better`` and ``worse`` are keys.

    ``difference`` and ``standard_error`` come from the same trials if ``is_paired``, else from the
    two scores and their error bars alone, which takes more to tell two apart. Whether two can be
    told apart says nothing of a third: marks are not to be chained.
    """

    dataset: str
    bin_width_ms: int
    better: str
    worse: str
    difference: float
    standard_error: float
    is_clear: bool
    is_paired: bool = True


@dataclass(frozen=True)
class Point:
    """A judged team: accuracy as it is shown, interpretability as a z-score of the judges."""

    team: str
    accuracy: float
    interpretability: float
    dominated_by: Tuple[str, ...] = ()


@dataclass(frozen=True)
class HistoricalRow:
    """A published score that was not computed here.

    ``kind`` is ``paper``, ``board`` or ``self-reported``; ``source`` names where it stands, and
    ``note`` how it came from there. ``date`` is when it was published or read, in ISO 8601, a year
    at least.
    """

    model: str
    dataset: str
    bin_width_ms: int
    metric: str
    value: float
    date: str
    kind: str
    source: str
    link: str = ""
    note: str = ""


@dataclass(frozen=True)
class Site:
    """All that is on the pages.

    Entries are ranked by the metric of that key, at that bin width, where a dataset has it.
    ``provenance`` gives a text for each label. ``fronts`` are the judged teams by dataset.
    ``citation`` is BibTeX, or empty.
    """

    suite: Suite
    phase: Phase
    title: str
    metric: str
    bin_width_ms: int
    entries: Tuple[Entry, ...]
    comparisons: Tuple[Comparison, ...] = ()
    fronts: Mapping[str, Tuple[Point, ...]] = field(default_factory=dict)
    historical: Tuple[HistoricalRow, ...] = ()
    citation: str = ""
    provenance: Mapping[str, str] = field(default_factory=dict)


def text_of(text: object, most: int = MOST_OF_TEXT) -> str:
    """Text of a stranger, fit to be shown: no address, nothing invisible, not too long."""
    lines = " ".join(without_email(str("" if text is None else text)).split())
    return printable(lines, most)


def link_of(text: object) -> str:
    """An address that may be linked to, with http or https; empty if it is none.

    ``lab.edu/model``, ``doi:10.…`` and ``arXiv:…`` get their scheme.
    """
    address = web_address(str("" if text is None else text))
    try:
        host = urlsplit(address).hostname
    except ValueError:  # as of http://[
        return ""
    return address if host and printable(address, _MOST_OF_ADDRESS) == address else ""


def cell_of(value: float, standard_error: Optional[float], phase: Phase) -> Cell:
    """A score as the phase shows it: rounded, and no lower than its floor."""
    return Cell(shown(value, phase), shown_error(Score(value, standard_error), phase))

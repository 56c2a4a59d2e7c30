"""The rules of a competition as data: what is ranked, by when, who counts, what can be won."""

from __future__ import annotations

import math
from dataclasses import dataclass
from datetime import datetime, timedelta
from fractions import Fraction
from pathlib import Path
from typing import Any, Dict, Iterable, List, Optional, Sequence, Tuple

import jsonschema
import yaml

from evaluation_script.suites import MetricType, Suite
from nlb_evalai.competition.award.export import parse_time
from nlb_evalai.errors import NOT_SEEN, ProblemsError, ToolError

#: the first is the current one
RULES_SCHEMAS = ("nlb-evalai/rules/2", "nlb-evalai/rules/1")
_RULES = Path(__file__).with_name("rules")
#: reasons that an entry can have; all that apply are given, in this order
_FIRST_REASONS = ("withdrawn", "cancelled", "organizer", "late", "private", "code not released")
REASONS = (*_FIRST_REASONS, "unfinished", "not reproduced", "not yet reproduced")
#: what may be warned of, and is decided by people
ALIKE_NAMES, ONE_FILE, SHARED_MEMBERS = "alike names", "one file", "shared members"
AMBIGUOUS_DATES, MISSING_ANSWERS = "ambiguous dates", "missing answers"
LONE_JUDGMENTS, DISJOINT_PANELS = "lone judgments", "disjoint panels"
WARNINGS = (
    *(ALIKE_NAMES, ONE_FILE, SHARED_MEMBERS, AMBIGUOUS_DATES, MISSING_ANSWERS),
    *(LONE_JUDGMENTS, DISJOINT_PANELS),
)
ANONYMOUS, PUBLIC = "anonymous", "public"
COMPLETE_TEAMS, ALL_TEAMS = "complete teams", "all teams"
EARLIEST_ENTRY, ROUNDED = "earliest entry", "rounded"

_TEXT = {"type": "string", "minLength": 1}
_USD = {"type": "number", "minimum": 0}
_TEXTS = {"type": "array", "items": _TEXT, "minItems": 1}


def _object(optional: Tuple[str, ...] = (), **properties: Any) -> Dict[str, Any]:
    return {
        "type": "object",
        "properties": properties,
        "required": [name for name in properties if name not in optional],
        "additionalProperties": False,
    }


def _some_of(known: Sequence[str]) -> Dict[str, Any]:
    return {"type": "array", "items": {"enum": list(known)}}


def _layout(
    schema: str, reasons: Sequence[str], ranking: Dict[str, Any], **more: Any
) -> Dict[str, Any]:
    return _object(
        ("judging", "code_release_attribute"),
        schema={"const": schema},
        name=_TEXT,
        version=_TEXT,
        title=_TEXT,
        suite=_TEXT,
        phase=_TEXT,
        deadline=_object(at=_TEXT, whole_minute={"type": "boolean"}),
        ranking=_object(metric=_TEXT, bin_width_ms={"type": "integer"}, **ranking),
        not_counting=_some_of(reasons),
        code_release_attribute=_TEXT,
        prizes={
            "type": "array",
            "items": _object(key=_TEXT, title=_TEXT, datasets=_TEXTS, usd=_USD),
        },
        judging=_object(
            criteria=_TEXTS,
            lowest={"type": "number"},
            highest={"type": "number"},
            interpretability=_TEXT,
            prizes={"type": "array", "items": _object(title=_TEXT, usd=_USD)},
        ),
        **more,
    )


_LEVEL = {"type": "number", "exclusiveMinimum": 0, "exclusiveMaximum": 1}
_LAYOUTS = {
    RULES_SCHEMAS[0]: _layout(
        RULES_SCHEMAS[0],
        REASONS,
        {"lead": _object(level=_LEVEL, corrected_for={"const": "entries"})},
        unlisted={"enum": [ANONYMOUS, PUBLIC]},
        winning=_object(
            ("better_than",),
            better_than={"type": "number"},
            averages_among={"enum": [COMPLETE_TEAMS, ALL_TEAMS]},
            odd_cents={"enum": [EARLIEST_ENTRY]},
        ),
        warn_of=_some_of(WARNINGS),
    ),
    RULES_SCHEMAS[1]: _layout(RULES_SCHEMAS[1], _FIRST_REASONS, {}),
}
#: what files of the first schema leave unsaid, and meant
_UNSAID: Dict[str, Any] = {
    "unlisted": PUBLIC,
    "winning": {"averages_among": ALL_TEAMS, "odd_cents": ROUNDED},
    "warn_of": [],
}


class RulesError(ProblemsError):
    """A rules file is at fault; lists every problem."""


@dataclass(frozen=True)
class RankPrize:
    """Goes to the best rank on a dataset, or the best average rank over several."""

    key: str
    title: str
    datasets: Tuple[str, ...]
    usd: float


@dataclass(frozen=True)
class PlacePrize:
    """Goes to a place in the judges' order."""

    title: str
    usd: float


@dataclass(frozen=True)
class Judging:
    """How judges score and what they give."""

    criteria: Tuple[str, ...]
    lowest: float
    highest: float
    interpretability: str
    prizes: Tuple[PlacePrize, ...]


@dataclass(frozen=True)
class Rulebook:
    """A rules file, checked. ``deadline`` is the first moment that is too late.

    ``lead_level`` is None where a lead is real beyond 1.96 standard errors, uncorrected.
    """

    name: str
    version: str
    title: str
    suite: Suite
    phase: str
    deadline_text: str
    deadline: datetime
    metric: MetricType
    bin_width_ms: int
    lead_level: Optional[float]
    not_counting: Tuple[str, ...]
    code_release_attribute: str
    unlisted: str
    better_than: Optional[float]
    averages_among: str
    odd_cents: str
    warn_of: Tuple[str, ...]
    prizes: Tuple[RankPrize, ...]
    judging: Optional[Judging]

    def datasets(self) -> List[str]:
        """The datasets that have a ranking, in the suite's order."""
        return ranked(self.suite, self.metric.key, self.bin_width_ms)

    def is_better(self, value: float, than: float) -> bool:
        """Whether one score is better than another."""
        return value > than if self.metric.higher_is_better() else value < than

    def can_win(self, values: Iterable[float]) -> bool:
        """Whether each score is better than a winner must be."""
        limit = self.better_than
        return limit is None or all(self.is_better(value, limit) for value in values)


def ranked(suite: Suite, metric: str, bin_width_ms: int) -> List[str]:
    """The datasets that are scored by a metric at a bin width, in the suite's order."""
    return [
        dataset.name
        for dataset in suite.datasets
        if bin_width_ms in suite.bin_widths(dataset)
        and metric in [one.key for one in dataset.metrics]
    ]


def judges_key(place: int) -> str:
    """The key of the prize that judges give for a place."""
    return f"judges_{place}"


def rules_of(suite: Suite) -> Path:
    """The current rules file that comes with a suite, ``rules/<suite>_<competition>.yaml``.

    Raises
    ------
    ToolError
        If there is none, or more than one.
    """
    found = sorted(_RULES.glob(f"{suite.name}_*.yaml"))
    if len(found) == 1:
        return found[0]
    names = ", ".join(path.name for path in found) or "none"
    raise ToolError(f"the rules of suite {suite.name}: found {names} here: give --rules FILE")


def load_rules(path: Path, suite: Suite) -> Rulebook:
    """Read a rules file for a competition on ``suite``.

    Raises
    ------
    RulesError
        If it cannot be read, is laid out otherwise, or names what the suite does not have;
        every problem at once.
    """
    try:
        found = yaml.safe_load(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise RulesError(f"{path}:", [str(error.strerror)], exit_code=NOT_SEEN) from None
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        problem = f"no YAML: {' '.join(str(error).split())}"
        raise RulesError(f"{path}:", [problem], exit_code=NOT_SEEN) from None
    schema = found.get("schema") if isinstance(found, dict) else None
    layout = _LAYOUTS[schema if schema in RULES_SCHEMAS else RULES_SCHEMAS[0]]
    problems = [
        f"{'/'.join(map(str, error.absolute_path)) or 'the file'}: {error.message}"
        for error in jsonschema.Draft202012Validator(layout).iter_errors(found)
    ]
    problems = problems or _contradictions(found, suite)
    if problems:
        raise RulesError(f"{path}:", problems)
    return _rulebook({**_UNSAID, **found}, suite)


def _contradictions(found: Dict[str, Any], suite: Suite) -> List[str]:
    problems = []

    def check(where: str, value: Any, known: List[Any]) -> None:
        if value not in known:
            expected = ", ".join(map(str, known))
            problems.append(f"{where}: found {value!r}, expected one of {expected}")

    check("suite", found["suite"], [suite.name])
    check("phase", found["phase"], [phase.codename for phase in suite.phases])
    width, metric = found["ranking"]["bin_width_ms"], found["ranking"]["metric"]
    widths = {width for dataset in suite.datasets for width in suite.bin_widths(dataset)}
    check("ranking/bin_width_ms", width, sorted(widths))
    check("ranking/metric", metric, [one.key for one in suite.metrics()])
    # what cannot be ranked at all is said above, once
    known = ranked(suite, metric, width) or [dataset.name for dataset in suite.datasets]
    judging = found.get("judging")
    places = judging["prizes"] if judging else []
    keys = [judges_key(place) for place in range(1, len(places) + 1)]
    for i, prize in enumerate(found["prizes"]):
        for name in prize["datasets"]:
            check(f"prizes/{i}/datasets", name, known)
        for name in sorted({one for one in prize["datasets"] if prize["datasets"].count(one) > 1}):
            problems.append(f"prizes/{i}/datasets: {name} comes twice")
        if prize["key"] in keys:
            problems.append(f"prizes/{i}/key: another prize has the key {prize['key']!r} too")
        keys.append(prize["key"])
    for where, prizes in (("prizes", found["prizes"]), ("judging/prizes", places)):
        for i, prize in enumerate(prizes):
            if "winning" in found and not _is_whole(prize["usd"]):
                problems.append(f"{where}/{i}/usd: found {prize['usd']!r}, expected whole cents")
    if parse_time(found["deadline"]["at"]) is None:
        problems.append(f"deadline/at: found {found['deadline']['at']!r}, expected a date and time")
    if judging:
        check("judging/interpretability", judging["interpretability"], judging["criteria"])
        if len({name.casefold() for name in judging["criteria"]}) < len(judging["criteria"]):
            problems.append("judging/criteria: two differ in nothing but case")
        if not judging["lowest"] < judging["highest"]:
            problems.append("judging: lowest must be below highest")
    return problems


def _is_whole(usd: float) -> bool:
    return math.isfinite(usd) and (Fraction(str(usd)) * 100).denominator == 1


def _rulebook(found: Dict[str, Any], suite: Suite) -> Rulebook:
    deadline = parse_time(found["deadline"]["at"])
    assert deadline is not None
    smallest = timedelta(minutes=1) if found["deadline"]["whole_minute"] else timedelta.resolution
    judging = found.get("judging")
    return Rulebook(
        name=found["name"],
        version=found["version"],
        title=found["title"],
        suite=suite,
        phase=found["phase"],
        deadline_text=found["deadline"]["at"],
        deadline=deadline + smallest,
        metric=next(one for one in suite.metrics() if one.key == found["ranking"]["metric"]),
        bin_width_ms=found["ranking"]["bin_width_ms"],
        lead_level=found["ranking"].get("lead", {}).get("level"),
        not_counting=tuple(found["not_counting"]),
        code_release_attribute=found.get("code_release_attribute", ""),
        unlisted=found["unlisted"],
        better_than=found["winning"].get("better_than"),
        averages_among=found["winning"]["averages_among"],
        odd_cents=found["winning"]["odd_cents"],
        warn_of=tuple(found["warn_of"]),
        prizes=tuple(
            RankPrize(one["key"], one["title"], tuple(one["datasets"]), one["usd"])
            for one in found["prizes"]
        ),
        judging=judging
        and Judging(
            tuple(judging["criteria"]),
            judging["lowest"],
            judging["highest"],
            judging["interpretability"],
            tuple(PlacePrize(one["title"], one["usd"]) for one in judging["prizes"]),
        ),
    )

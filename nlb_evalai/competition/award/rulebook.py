"""The rules of a competition as data: what is ranked, by when, who counts, what can be won."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, Dict, List, Optional, Tuple

import jsonschema
import yaml

from evaluation_script.suites import MetricType, Suite
from nlb_evalai.competition.award.export import parse_time
from nlb_evalai.errors import NOT_SEEN, ProblemsError, ToolError

RULES_SCHEMA = "nlb-evalai/rules/1"
_RULES = Path(__file__).with_name("rules")
#: reasons that an entry can have; all that apply are given, in this order
REASONS = ("withdrawn", "cancelled", "organizer", "late", "private", "code not released")

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


_LAYOUT = _object(
    ("judging", "code_release_attribute"),
    schema={"const": RULES_SCHEMA},
    name=_TEXT,
    version=_TEXT,
    title=_TEXT,
    suite=_TEXT,
    phase=_TEXT,
    deadline=_object(at=_TEXT, whole_minute={"type": "boolean"}),
    ranking=_object(metric=_TEXT, bin_width_ms={"type": "integer"}),
    not_counting={"type": "array", "items": {"enum": list(REASONS)}},
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
)


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
    """A rules file, checked. ``deadline`` is the first moment that is too late."""

    name: str
    version: str
    title: str
    suite: Suite
    phase: str
    deadline_text: str
    deadline: datetime
    metric: MetricType
    bin_width_ms: int
    not_counting: Tuple[str, ...]
    code_release_attribute: str
    prizes: Tuple[RankPrize, ...]
    judging: Optional[Judging]

    def datasets(self) -> List[str]:
        """The datasets that have a ranking, in the suite's order."""
        return ranked(self.suite, self.metric.key, self.bin_width_ms)


def ranked(suite: Suite, metric: str, bin_width_ms: int) -> List[str]:
    """The datasets that are scored by a metric at a bin width, in the suite's order."""
    return [
        dataset.name
        for dataset in suite.datasets
        if bin_width_ms in suite.bin_widths(dataset)
        and metric in [one.key for one in dataset.metrics]
    ]


def rules_of(suite: Suite) -> Path:
    """The rules file that comes with a suite, ``rules/<suite>_<competition>.yaml``.

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
    problems = [
        f"{'/'.join(map(str, error.absolute_path)) or 'the file'}: {error.message}"
        for error in jsonschema.Draft202012Validator(_LAYOUT).iter_errors(found)
    ]
    problems = problems or _contradictions(found, suite)
    if problems:
        raise RulesError(f"{path}:", problems)
    return _rulebook(found, suite)


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
    for i, prize in enumerate(found["prizes"]):
        for name in prize["datasets"]:
            check(f"prizes/{i}/datasets", name, known)
    if parse_time(found["deadline"]["at"]) is None:
        problems.append(f"deadline/at: found {found['deadline']['at']!r}, expected a date and time")
    judging = found.get("judging")
    if judging:
        check("judging/interpretability", judging["interpretability"], judging["criteria"])
        if len({name.casefold() for name in judging["criteria"]}) < len(judging["criteria"]):
            problems.append("judging/criteria: two differ in nothing but case")
        if not judging["lowest"] < judging["highest"]:
            problems.append("judging: lowest must be below highest")
    return problems


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
        not_counting=tuple(found["not_counting"]),
        code_release_attribute=found.get("code_release_attribute", ""),
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

"""The head of a challenge: what its platform is told that the suite does not say.

A head is a short YAML file that people write, with a logo and pieces of pages (HTML) beside it. Its
keys are EvalAI's own, and a key with the name of another platform holds what is said to that one
alone. What is wrong in a value is found by the rules for a bundle.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Dict, Iterator, List, Mapping, Optional, Tuple

import yaml

from evaluation_script.suites import Suite
from evaluation_script.text import did_you_mean, printable
from nlb_evalai.challenge.names import names
from nlb_evalai.errors import ProblemsError, ToolError

#: heads of this package's suites, by name; ``default`` says what a head leaves out
HEADS = Path(__file__).with_name("heads")
HEAD_NAME = "head.yaml"
#: pieces of pages that a head may have; one that it has not is left out
SECTIONS = (
    "overview", "datasets", "questions", "citation", "contact", "metrics", "prizes", "writing",
    "terms", "eligibility",
)  # fmt: skip
#: keys of a config that follow from the suite
_DERIVED = {
    "description", "evaluation_details", "terms_and_conditions", "submission_guidelines", "image",
    "evaluation_script", "leaderboard", "challenge_phases", "dataset_splits",
    "challenge_phase_splits",
}  # fmt: skip
_OWN = ("logo", "sections", "every_phase", "phases")
#: what EvalAI reads of a phase and no default says
_PHASE_KEYS = (
    "allowed_email_ids", "disable_logs", "end_date", "is_submission_paused", "is_submission_public",
    "max_concurrent_submissions_allowed", "public", "start_date",
    "submission_artifact_retention_policy", "submission_meta_attributes",
)  # fmt: skip


class HeadError(ProblemsError):
    """A head cannot be used; lists everything that is wrong with it."""


@dataclass(frozen=True)
class Head:
    """A head, read, with the defaults for what it leaves out.

    Attributes
    ----------
    source : str
        Where people edit it; without folders where it is not this package's own.
    top : dict
        Keys and values of the config.
    phases : dict
        Codename -> keys and values of that phase, and ``public``.
    sections : dict
        Name -> HTML.
    logo : Path
    is_default : bool
        Nobody wrote it.
    own : dict
        Platform -> keys and values that are said to it alone.
    folder : Path, optional
        Where the files lie that it names; None where nobody wrote it.
    """

    source: str
    top: Dict[str, Any]
    phases: Dict[str, Dict[str, Any]]
    sections: Dict[str, str]
    logo: Path
    is_default: bool = False
    own: Dict[str, Dict[str, Any]] = field(default_factory=dict)
    folder: Optional[Path] = None


def head_of(suite: Suite) -> Head:
    """The head that this package has for a suite, or a plain one with the defaults alone."""
    own = HEADS / suite.name / HEAD_NAME
    return read_head(own if own.is_file() else None, suite)


def read_head(path: Optional[Path], suite: Suite) -> Head:
    """Read a head for a suite; None for the plain one.

    Raises
    ------
    ToolError
        If the file cannot be read, or is no YAML.
    HeadError
        If it does not fit the suite, or names files that are not there.
    """
    default = _mapping(HEADS / "default" / HEAD_NAME)
    given = {} if path is None else _mapping(path)
    folder = HEADS / "default" if path is None or "logo" not in given else path.parent
    logo = folder / str(given.get("logo", default["logo"]))
    sections, problems = sections_of(given.get("sections", {}), path and path.parent)
    others = names()
    for name in others:
        if not isinstance(given.get(name, {}), dict):
            problems.append(f"{name}: found {printable(given[name])}, expected keys and values")
    problems += _problems(given, suite, default)
    if not logo.is_file():
        problems.append(f"logo: {logo.name}: not found beside it")
    if problems:
        raise HeadError(f"{path}: no head for suite {suite.name},", problems)
    top = {**_from(suite), **default, **given}
    return Head(
        source=_shown(path),
        top={key: value for key, value in top.items() if key not in (*_OWN, *others)},
        phases={
            phase.codename: {
                "public": not phase.truth_is_public,
                "start_date": top["start_date"],
                "end_date": top["end_date"],
                **default["every_phase"],
                **given.get("every_phase", {}),
                **given.get("phases", {}).get(phase.codename, {}),
            }
            for phase in suite.phases
        },
        sections=sections,
        logo=logo,
        is_default=path is None,
        own={name: {**default.get(name, {}), **given.get(name, {})} for name in others},
        folder=None if path is None else path.parent,
    )


def _shown(path: Optional[Path]) -> str:
    if path is None:
        return ""
    if HEADS in path.parents:
        return path.relative_to(HEADS.parents[2]).as_posix()
    return path.name


def _mapping(path: Path) -> Dict[str, Any]:
    try:
        found = yaml.safe_load(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise ToolError(f"{path}: {error.strerror}") from None
    except (yaml.YAMLError, ValueError) as error:
        raise ToolError(f"{path}: no YAML: {error}") from None
    if not isinstance(found, dict):
        raise ToolError(f"{path}: found {type(found).__name__}, expected keys and values")
    return found


def _from(suite: Suite) -> Dict[str, Any]:
    """What a suite says of itself where no head does."""
    ranked = suite.ranked_by
    return {
        "title": suite.title,
        "short_description": f"{suite.title}: models of neural population activity are scored.",
        "leaderboard_description": (
            f"{ranked.key} is the primary metric; only {suite.ranked_bin_width_ms} ms bins count "
            "for ranking. # marks a score that was not submitted or is undefined."
        ),
    }


def _problems(given: Mapping[str, Any], suite: Suite, default: Mapping[str, Any]) -> List[str]:
    problems = [
        f"{key}: found it here, but it follows from the suite: leave it out"
        for key in given
        if key in _DERIVED
    ]
    known = [*default["every_phase"], *_PHASE_KEYS]
    codenames = [phase.codename for phase in suite.phases]
    for where, codename, values in _of_phases(given):
        if codename is not None and codename not in codenames:
            hint = did_you_mean(codename, codenames)
            problems.append(
                f"{where}: the suite has no such phase, only {', '.join(codenames)}{hint}"
            )
        if not isinstance(values, dict):
            problems.append(f"{where}: found {printable(values)}, expected keys and values")
            continue
        for key in map(str, values):
            if key not in known:
                hint = did_you_mean(key, known)
                problems.append(f"{where}.{key}: no key of a phase that a head may give{hint}")
        if not isinstance(values.get("public", True), bool):
            problems.append(f"{where}.public: found {values['public']!r}, expected true or false")
    return problems


def _of_phases(given: Mapping[str, Any]) -> Iterator[Tuple[str, Optional[str], Any]]:
    """(where, codename or None for all, values) of what a head says of phases."""
    yield "every_phase", None, given.get("every_phase", {})
    phases = given.get("phases", {})
    if isinstance(phases, dict):
        for codename, values in phases.items():
            yield f"phases.{codename}", str(codename), values
    else:
        yield "phases", None, phases


def sections_of(named: Any, folder: Optional[Path]) -> Tuple[Dict[str, str], List[str]]:
    """The text of each section, empty where there is none; and what is wrong.

    ``named`` says which file of the folder holds a section; none for one that is left out.
    """
    found, problems = dict.fromkeys(SECTIONS, ""), []
    if not isinstance(named, dict):
        return found, [f"sections: found {printable(named)}, expected names and files"]
    for name, file in named.items():
        if name not in SECTIONS:
            hint = did_you_mean(str(name), SECTIONS)
            problems.append(
                f"sections.{name}: found a section that no page has, expected some of "
                f"{', '.join(SECTIONS)}{hint}"
            )
            continue
        if file is None:
            continue
        try:
            assert folder is not None
            found[name] = (folder / str(file)).read_text(encoding="utf-8").rstrip("\n")
        except OSError as error:
            problems.append(f"sections.{name}: {file}: {error.strerror}")
        except ValueError:
            problems.append(f"sections.{name}: {file}: is not UTF-8 text")
    return found, problems

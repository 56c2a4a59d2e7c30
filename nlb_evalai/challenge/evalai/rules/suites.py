"""Rules about what the evaluation script will send: its suite's phases, splits and labels.

A stranger's suite is code, and never runs here: what a bundle scores is known where its suites are
those that are installed, or the host's own file. Elsewhere the dry run asks it in a process apart.
"""

from __future__ import annotations

from typing import Dict, Iterator, List, Optional

from evaluation_script.suites import DEFAULT, Suite, SuiteError, find, names
from nlb_evalai.challenge.evalai.rules.boards import as_id, phase_splits
from nlb_evalai.challenge.evalai.rules.contents import Bundle, labels_of
from nlb_evalai.challenge.evalai.rules.registry import Fault, check
from nlb_evalai.challenge.evalai.rules.truth import said_by_truth
from nlb_evalai.challenge.evalai.scored import Scored, scored_by
from nlb_evalai.challenge.rules.finding import WARNING
from nlb_evalai.challenge.suite_files import script_modules

#: the rules that need to know what a bundle scores
NEED_SUITE = ("suite-phase", "suite-split", "suite-label")
#: what is said where they are not applied
UNKNOWN = "suite-unknown"


def scored_of(bundle: Bundle) -> Optional[Scored]:
    """What its evaluation script scores; None where only running it would tell."""
    if bundle.scored is not None:
        return bundle.scored
    suite = _suite(bundle)
    return None if suite is None or _others(bundle, suite) else scored_by(suite)


def suite_name(bundle: Bundle) -> str:
    """The suite that its truth says, or that has its splits; else the default one."""
    said = [name or DEFAULT for _, name in said_by_truth(bundle, "suite")]
    codenames = [entry.get("codename") for _, entry in bundle.entries("dataset_splits")]
    shown = {name for name in codenames if isinstance(name, str)}
    said += [name for name in names() if shown & {*find(name).splits()}]
    return said[0] if said else DEFAULT


def _suite(bundle: Bundle) -> Optional[Suite]:
    try:
        return bundle.suite or find(suite_name(bundle))
    except SuiteError:
        return None


def _modules(bundle: Bundle) -> Dict[str, bytes]:
    """The suites in its evaluation script, by path there."""
    folder = bundle.script
    found = [] if folder is None else sorted((folder / "suites").glob("*.py"))
    return {f"suites/{path.name}": path.read_bytes() for path in found}


def _others(bundle: Bundle, suite: Suite) -> List[str]:
    """The modules of suites that differ from those that are known here."""
    there, here = _modules(bundle), script_modules(suite)
    return [name for name in sorted({*there, *here}) if there.get(name) != here.get(name)]


def _some(names: List[str], most: int = 3) -> str:
    more = f" and {len(names) - most} more" if len(names) > most else ""
    return ", ".join(names[:most]) + more


@check(UNKNOWN, WARNING)
def its_suites_are_known(bundle: Bundle) -> Iterator[Fault]:
    if bundle.script is None or not (bundle.script / "__init__.py").is_file():
        return  # other rules say so
    if bundle.once(scored_of) is not None:
        return
    suite = _suite(bundle)
    others = [f"suites/{suite_name(bundle)}.py"] if suite is None else _others(bundle, suite)
    yield (
        str(bundle.config.get("evaluation_script")),
        f"its suites are not those that are known here ({_some(others)}), and this check runs no "
        "code of a bundle: phases, splits and labels were not held against them. If the suite is "
        "your own, give its file with --suite FILE.py; else run `dry-run --bundle`, which asks it "
        "in a process apart",
    )


@check("suite-phase")
def phases_are_those_of_the_suite(bundle: Bundle) -> Iterator[Fault]:
    scored = bundle.once(scored_of)
    if scored is None:
        return
    for where, phase in bundle.entries("challenge_phases"):
        if isinstance(phase.get("codename"), str) and phase["codename"] not in scored.phases:
            yield (
                f"{where}.codename",
                f"found {phase['codename']!r}, but the evaluation script scores only "
                f"{' and '.join(scored.phases)}: every submission would fail",
            )


@check("suite-split")
def phases_show_every_split_of_the_suite(bundle: Bundle) -> Iterator[Fault]:
    scored = bundle.once(scored_of)
    if scored is None:
        return
    splits = bundle.by_id("dataset_splits")
    for where, phase in bundle.entries("challenge_phases"):
        shown = {
            str(splits.get(as_id(split.get("dataset_split_id")), {}).get("codename"))
            for _, split in phase_splits(bundle)
            if split.get("challenge_phase_id") == phase.get("id")
        }
        missing = [name for name in scored.splits if name not in shown]
        if shown and missing:
            yield (
                where,
                f"does not show {', '.join(missing)}, which the evaluation script returns: "
                "a submission with it fails as a whole",
            )


@check("suite-label")
def boards_have_the_labels_of_the_suite(bundle: Bundle) -> Iterator[Fault]:
    scored = bundle.once(scored_of)
    if scored is None:
        return
    splits, boards = bundle.by_id("dataset_splits"), bundle.by_id("leaderboard")
    for where, split in phase_splits(bundle):
        codename = str(splits.get(as_id(split.get("dataset_split_id")), {}).get("codename"))
        found = labels_of(boards.get(as_id(split.get("leaderboard_id"))))
        labels = list(scored.splits.get(codename, ()))
        if found and labels and set(found) != set(labels):
            yield (
                f"{where}.leaderboard_id",
                f"its board has the labels {found}, but the evaluation script scores "
                f"{codename} with {labels}",
            )


@check("truth-suite")
def truth_is_of_a_suite_that_is_there(bundle: Bundle) -> Iterator[Fault]:
    there = _modules(bundle)
    for path, said in said_by_truth(bundle, "suite"):
        name = said or DEFAULT
        if there and f"suites/{name}.py" not in there:
            yield (
                path,
                f"holds the truth of suite {name!r}, which the evaluation script does not know: "
                "every submission would fail. Build the bundle with that suite or with other truth",
            )

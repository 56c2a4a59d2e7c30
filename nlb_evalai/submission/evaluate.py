"""One submission and its truth, scored here: the table that a laboratory wants, and its receipt."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Dict, List, Mapping, Optional

from evaluation_script.files import file_sha256
from evaluation_script.scorecard import Scorecard
from evaluation_script.scoring import score
from evaluation_script.submission.stream import Progress
from evaluation_script.suites import Phase, Suite, SuiteError, find
from nlb_evalai.errors import ProblemsError, ToolError
from nlb_evalai.submission.receipts import as_shown, is_public

#: scores of one version of the rules agree to this, whatever libraries computed them
TOLERANCE = 1e-9


def evaluate_submission(
    submission: Path,
    truth: Path,
    phase: str,
    suite: Optional[Suite] = None,
    progress: Optional[Progress] = None,
) -> Scorecard:
    """Score a submission at full precision, as a host does.

    Parameters
    ----------
    submission, truth : Path
    phase : str
        The codename of the truth's phase.
    suite : Suite, optional
        Left out, the truth says it.
    progress : callable, optional
        Called with (bytes read, bytes to read).

    Raises
    ------
    SubmissionError, LimitError
        If the submission is at fault, or reading it hit a limit.
    AnnotationError
        If the truth is.
    """
    return score(truth, submission, phase, suite=suite, progress=progress)


def as_json(card: Scorecard) -> Dict[str, Any]:
    """A scored submission as plain JSON values: the receipt, and every remark in words."""
    return {"receipt": card.receipt, "notes": list(card.notes)}


def write_receipt(card: Scorecard, out: Path) -> None:
    """Write the receipt of a scored submission."""
    try:
        out.write_text(json.dumps(card.receipt, indent=1) + "\n", encoding="utf-8")
    except OSError as error:
        raise ToolError(f"{out}: cannot be written: {error.strerror}") from None


@dataclass(frozen=True)
class Verdict:
    """What came of checking a receipt: what differs, and what is said besides."""

    differences: List[str]
    notes: List[str]
    n_scores: int


def verify_receipt(
    receipt: Mapping[str, Any],
    submission: Path,
    truth: Path,
    suite: Optional[Suite] = None,
    progress: Optional[Progress] = None,
) -> Verdict:
    """Hold a receipt against the files that it names, hashes first, then every number.

    Parameters
    ----------
    receipt : mapping
        See :func:`.receipts.read_receipt`; of a public one, what is shown is compared.
    submission, truth : Path
    suite : Suite, optional
        For a suite that is not the package's own.
    progress : callable, optional

    Raises
    ------
    ToolError
        If nobody here knows the receipt's suite.
    SubmissionError, AnnotationError
        If the files cannot be scored.
    """
    differences = []
    for name, path in (("submission", submission), ("ground_truth", truth)):
        said, found = receipt["files"][name]["sha256"], file_sha256(path)
        if said != found:
            differences.append(
                f"{name.replace('_', ' ')}: {path} has sha256 {found}, the receipt says {said}: "
                "it is another file"
            )
    if differences:
        return Verdict(differences, [], 0)
    if suite is None:
        try:
            suite = find(receipt["suite"])
        except SuiteError as error:
            raise ToolError(f"the receipt's {error}; name its file with --suite") from None
    card = evaluate_submission(submission, truth, receipt["phase"], suite, progress)
    return _compared(receipt, card.receipt, card.phase if is_public(receipt) else None)


def _compared(
    receipt: Mapping[str, Any], today: Mapping[str, Any], shown_by: Optional[Phase]
) -> Verdict:
    """``shown_by`` is the phase that rounded the receipt's scores; None: nobody did."""
    same_rules = receipt["rules_version"] == today["rules_version"]
    differences, notes = [], []
    if not same_rules:
        notes.append(
            f"the receipt is of rules {receipt['rules_version']}, here they are "
            f"{today['rules_version']}: scores are compared; error bars are not, as they may differ"
        )
    n_scores = 0
    for group in dict.fromkeys([*receipt["groups"], *today["groups"]]):
        before, now = (one["groups"].get(group, {}).get("scores", {}) for one in (receipt, today))
        for key in dict.fromkeys([*before, *now]):
            n_scores += 1
            what = [("value", "score")] + [("standard_error", "error bar")] * same_rules
            for field, name in what:
                said = before.get(key, {}).get(field)
                could_be = [one.get(field) for one in _as_compared(now.get(key), shown_by)]
                found = could_be[0]
                if not any(_equal(said, one) for one in could_be):
                    differences.append(
                        f"{group}: {name} of {key}: the receipt says {said}, found {found}"
                    )
    libraries = [
        f"{name} {receipt['versions'][name]}, here {version}"
        for name, version in today["versions"].items()
        if name in receipt["versions"] and receipt["versions"][name] != version
    ]
    if libraries:
        notes.append(f"computed with other versions: {'; '.join(libraries)}")
    return Verdict(differences, notes, n_scores)


def _as_compared(
    score: Optional[Mapping[str, Any]], shown_by: Optional[Phase]
) -> List[Mapping[str, Any]]:
    """A score as a receipt may say it: where it is rounded, a last digit may tip either way."""
    if score is None or shown_by is None:
        return [score or {}]
    return [
        as_shown({key: one if one is None else one + shift for key, one in score.items()}, shown_by)
        for shift in (0.0, -TOLERANCE, TOLERANCE)
    ]


def _equal(said: Optional[float], found: Optional[float]) -> bool:
    if said is None or found is None:
        return said is found
    return abs(said - found) <= TOLERANCE * max(1.0, abs(found))


def not_verified(receipt: Path, differences: List[str]) -> ProblemsError:
    """The error of a receipt that does not hold."""
    return ProblemsError(f"{receipt}: not verified,", differences, "difference")

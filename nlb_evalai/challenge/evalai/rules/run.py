"""All rules, applied to one bundle."""

from __future__ import annotations

from pathlib import Path
from typing import List, Optional

from evaluation_script.suites import Suite
from nlb_evalai.challenge.evalai.rules import (  # noqa: F401 - importing them registers the rules
    archive,
    boards,
    config,
    pages,
    script,
    shape,
    suites,
    truth,
)
from nlb_evalai.challenge.evalai.rules.contents import Bundle
from nlb_evalai.challenge.evalai.rules.diff import diff_bundles
from nlb_evalai.challenge.evalai.rules.registry import RULES
from nlb_evalai.challenge.evalai.scored import Scored
from nlb_evalai.challenge.rules.finding import ERROR, Finding
from nlb_evalai.challenge.rules.package import Unreadable
from nlb_evalai.challenge.rules.registry import in_order
from nlb_evalai.errors import ProblemsError


class BundleCheckError(ProblemsError):
    """EvalAI would refuse this bundle, or trip over it; lists why."""

    def __init__(self, bundle: Path, errors: List[Finding]) -> None:
        super().__init__(f"{bundle}: not fit for EvalAI,", [str(one) for one in errors], "error")


def check_bundle(
    path: Path, old: Optional[Path] = None, suite: Optional[Suite] = None
) -> List[Finding]:
    """Check a challenge zip.

    Parameters
    ----------
    path : Path
    old : Path, optional
        The bundle of the live challenge that this one is to update.
    suite : Suite, optional
        What the evaluation script scores, as the host knows it. Left out, it is a suite that is
        known here, if the bundle's are the same to the byte; nothing of a bundle ever runs.

    Returns
    -------
    list of Finding
        Errors first; empty for a bundle without fault.
    """
    try:
        with Bundle(path, suite) as bundle:
            found = RULES.apply(bundle)
            if old is not None:
                found += _compare(old, bundle)
    except Unreadable as error:
        found = [error.finding]
    return in_order(found)


def check_scored(path: Path, scored: Scored) -> List[Finding]:
    """Hold a bundle against what its evaluation script said that it scores, where it ran."""
    with Bundle(path, scored=scored) as bundle:
        return [one for check in RULES.checks(suites.NEED_SUITE) for one in check(bundle)]


def _compare(old: Path, bundle: Bundle) -> List[Finding]:
    try:
        with Bundle(old) as before:
            return diff_bundles(before, bundle)
    except Unreadable as error:
        finding = error.finding
        return [Finding(finding.code, ERROR, f"{old}: {finding.location}", finding.message)]

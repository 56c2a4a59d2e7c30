"""Everything that EvalAI would refuse in a bundle, or take and then trip over.

Each rule is one small function, registered under a code (see ``registry``). They are grouped by
what they look at: ``archive``, ``config``, ``boards``, ``script``, ``pages``, ``truth``; ``diff``
holds what an update of a live challenge may not change.
"""

from __future__ import annotations

from pathlib import Path
from typing import List, Optional

from evaluation_script.suite import NLB21, Suite
from nlb_evalai.challenge.evalai.rules import (  # noqa: F401
    archive,
    boards,
    config,
    pages,
    script,
    truth,
)
from nlb_evalai.challenge.evalai.rules.contents import Bundle, Unreadable
from nlb_evalai.challenge.evalai.rules.diff import diff_bundles
from nlb_evalai.challenge.evalai.rules.registry import ERROR, WARNING, Finding, checks, codes
from nlb_evalai.errors import ToolError

__all__ = [
    "ERROR", "WARNING", "BundleCheckError", "Finding", "check_bundle", "codes", "errors_of",
]  # fmt: skip


class BundleCheckError(ToolError):
    """EvalAI would refuse this bundle, or trip over it; lists why."""

    def __init__(self, bundle: Path, errors: List[Finding]) -> None:
        self.errors = errors
        count = len(errors)
        lines = [f"{bundle}: not fit for EvalAI, {count} error{'s' * (count != 1)}:"]
        super().__init__("\n".join(lines + [f"  {finding}" for finding in errors]))


def check_bundle(path: Path, old: Optional[Path] = None, suite: Suite = NLB21) -> List[Finding]:
    """Check a challenge zip.

    Parameters
    ----------
    path : Path
    old : Path, optional
        The bundle of the live challenge that this one is to update.
    suite : Suite
        What the evaluation script scores.

    Returns
    -------
    list of Finding
        Errors first; empty for a bundle without fault.
    """
    try:
        with Bundle(path, suite) as bundle:
            found = [finding for check in checks() for finding in check(bundle)]
            if old is not None:
                found += _compare(old, bundle)
    except Unreadable as error:
        found = [error.finding]
    return sorted(dict.fromkeys(found), key=lambda finding: finding.severity != ERROR)


def _compare(old: Path, bundle: Bundle) -> List[Finding]:
    try:
        with Bundle(old, bundle.suite) as before:
            return diff_bundles(before, bundle)
    except Unreadable as error:
        finding = error.finding
        return [Finding(finding.code, ERROR, f"{old}: {finding.location}", finding.message)]


def errors_of(findings: List[Finding]) -> List[Finding]:
    """Those that keep a bundle from being built or pushed."""
    return [finding for finding in findings if finding.severity == ERROR]

"""All rules, applied to one bundle."""

from __future__ import annotations

from pathlib import Path
from typing import List, Optional

from evaluation_script.suites import Suite
from nlb_evalai.challenge.codabench.rules import (  # noqa: F401 - importing them registers the rules
    board,
    pages,
    phases,
    program,
    shape,
)
from nlb_evalai.challenge.codabench.rules.contents import Bundle
from nlb_evalai.challenge.codabench.rules.registry import RULES
from nlb_evalai.challenge.rules.finding import Finding
from nlb_evalai.challenge.rules.package import Unreadable
from nlb_evalai.challenge.rules.registry import in_order


def check_bundle(path: Path, suite: Optional[Suite] = None) -> List[Finding]:
    """Check a competition bundle.

    Parameters
    ----------
    path : Path
    suite : Suite, optional
        What the scoring program scores, as the host knows it. Left out, it is a suite that is known
        here, if the bundle's are the same to the byte; nothing of a bundle ever runs.

    Returns
    -------
    list of Finding
        Errors first; empty for a bundle without fault.
    """
    try:
        with Bundle(path, suite) as bundle:
            return in_order(RULES.apply(bundle))
    except Unreadable as error:
        return [error.finding]

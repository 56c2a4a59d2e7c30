"""The list of Codabench's rules."""

from __future__ import annotations

from nlb_evalai.challenge.rules.archive import ARCHIVE
from nlb_evalai.challenge.rules.package import OPENING
from nlb_evalai.challenge.rules.pages import PAGES
from nlb_evalai.challenge.rules.registry import Fault, Rulebook
from nlb_evalai.challenge.rules.truth import TRUTH

RULES = Rulebook()
for _shared in (OPENING, ARCHIVE, PAGES, TRUTH):
    RULES.include(_shared)
check = RULES.check

__all__ = ["RULES", "Fault", "check"]

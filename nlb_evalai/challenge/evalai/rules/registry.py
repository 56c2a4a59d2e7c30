"""The list of EvalAI's rules."""

from __future__ import annotations

from nlb_evalai.challenge.rules.package import OPENING
from nlb_evalai.challenge.rules.registry import Fault, Rulebook

RULES = Rulebook()
RULES.include(OPENING)
check = RULES.check
declare = RULES.declare

__all__ = ["RULES", "Fault", "check", "declare"]

"""The list of all rules, and how a rule gets into it."""

from __future__ import annotations

from typing import Callable, Dict, Iterable, Iterator, List, Optional, Sequence, Tuple

from nlb_evalai.challenge.evalai.rules.contents import Bundle
from nlb_evalai.challenge.evalai.rules.finding import ERROR, Finding

#: What a rule yields: where, and what to do about it.
Fault = Tuple[str, str]
Rule = Callable[[Bundle], Iterable[Fault]]
Check = Callable[[Bundle], Iterator[Finding]]

_CHECKS: Dict[str, Check] = {}


def check(code: str, severity: str = ERROR) -> Callable[[Rule], Rule]:
    """Register a rule under a code of its own."""

    def register(rule: Rule) -> Rule:
        if code in _CHECKS:
            raise ValueError(f"two checks are called {code}")

        def run(bundle: Bundle) -> Iterator[Finding]:
            for location, message in rule(bundle):
                yield Finding(code, severity, location, message)

        _CHECKS[code] = run
        return rule

    return register


def checks(chosen: Optional[Sequence[str]] = None) -> List[Check]:
    """Every registered check, or those of some codes, in the order of registration."""
    return [run for code, run in _CHECKS.items() if chosen is None or code in chosen]


def codes() -> List[str]:
    """The codes of all registered checks."""
    return list(_CHECKS)

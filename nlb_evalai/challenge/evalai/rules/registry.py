"""The list of all rules, and how a rule gets into it."""

from __future__ import annotations

from typing import Callable, Dict, Iterable, Iterator, List, Tuple

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


def checks() -> List[Check]:
    """Every registered check, in the order of registration."""
    return list(_CHECKS.values())


def codes() -> List[str]:
    """The codes of all registered checks."""
    return list(_CHECKS)

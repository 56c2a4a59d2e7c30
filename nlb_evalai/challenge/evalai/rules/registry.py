"""The list of all rules, and how a rule gets into it."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Callable, Dict, Iterable, Iterator, List, Optional, Sequence, Tuple

from nlb_evalai.challenge.evalai.rules.contents import Bundle
from nlb_evalai.challenge.evalai.rules.finding import ERROR, Finding

#: What a rule yields: where, and what to do about it.
Fault = Tuple[str, str]
Rule = Callable[[Bundle], Iterable[Fault]]
Check = Callable[[Bundle], Iterator[Finding]]

_CHECKS: Dict[str, Check] = {}
#: a stranger's bundle may have thousands of one kind; whoever mends some sees the next
_MOST_OF_A_KIND = 100


@dataclass(frozen=True)
class About:
    """A rule in words."""

    code: str
    severity: str
    sentence: str

    def as_json(self) -> Dict[str, str]:
        """As plain JSON values."""
        return asdict(self)


_ABOUT: Dict[str, About] = {}


def check(code: str, severity: str = ERROR, sentence: str = "") -> Callable[[Rule], Rule]:
    """Register a rule under a code of its own; without a sentence its function's name is one."""

    def register(rule: Rule) -> Rule:
        if code in _CHECKS:
            raise ValueError(f"two checks are called {code}")

        def run(bundle: Bundle) -> Iterator[Finding]:
            for count, (location, message) in enumerate(rule(bundle)):
                if count == _MOST_OF_A_KIND:
                    yield Finding(code, severity, location, "is one of many more: mend some first")
                    return
                yield Finding(code, severity, location, message)

        _CHECKS[code] = run
        declare(code, severity, sentence or rule.__name__.replace("_", " ").capitalize() + ".")
        return rule

    return register


def checks(chosen: Optional[Sequence[str]] = None) -> List[Check]:
    """Every registered check, or those of some codes, in the order of registration."""
    return [run for code, run in _CHECKS.items() if chosen is None or code in chosen]


def codes() -> List[str]:
    """The codes of all registered checks."""
    return list(_CHECKS)


def declare(code: str, severity: str, sentence: str) -> None:
    """Name a rule that is applied elsewhere: while a bundle is opened, or between two bundles."""
    _ABOUT[code] = About(code, severity, sentence)


def rules() -> List[About]:
    """Every rule in words, by code."""
    return [_ABOUT[code] for code in sorted(_ABOUT)]


declare("bundle-zip", ERROR, "A bundle is a zip that can be read.")
declare("config-at-root", ERROR, "The config is at the root of the zip.")
declare("config-yaml", ERROR, "The config is YAML of a config's size, with each key once.")

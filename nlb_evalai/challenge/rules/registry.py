"""The list of a platform's rules, and how a rule gets into it."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any, Callable, Dict, Iterable, Iterator, List, Optional, Sequence, Tuple

from nlb_evalai.challenge.rules.finding import ERROR, Finding

#: What a rule yields: where, and what to do about it.
Fault = Tuple[str, str]
#: It looks at a package, in the form that its platform gives it.
Rule = Callable[[Any], Iterable[Fault]]
Check = Callable[[Any], Iterator[Finding]]

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


class Rulebook:
    """The rules of one platform, or those that several share."""

    def __init__(self) -> None:
        self._checks: Dict[str, Check] = {}
        self._about: Dict[str, About] = {}

    def check(self, code: str, severity: str = ERROR, sentence: str = "") -> Callable[[Rule], Rule]:
        """Register a rule under a code of its own; without a sentence its name is one."""

        def register(rule: Rule) -> Rule:
            def run(bundle: Any) -> Iterator[Finding]:
                for count, (location, message) in enumerate(rule(bundle)):
                    if count == _MOST_OF_A_KIND:
                        more = "is one of many more: mend some first"
                        yield Finding(code, severity, location, more)
                        return
                    yield Finding(code, severity, location, message)

            self._add(code, run)
            words = sentence or rule.__name__.replace("_", " ").capitalize() + "."
            self.declare(code, severity, words)
            return rule

        return register

    def include(self, shared: Rulebook) -> None:
        """Take in rules that do not depend on the platform."""
        for code, run in shared._checks.items():
            self._add(code, run)
        self._about.update(shared._about)

    def _add(self, code: str, run: Check) -> None:
        if code in self._checks:
            raise ValueError(f"two checks are called {code}")
        self._checks[code] = run

    def declare(self, code: str, severity: str, sentence: str) -> None:
        """Name a rule that is applied elsewhere: while a bundle is opened, or between two."""
        self._about[code] = About(code, severity, sentence)

    def checks(self, chosen: Optional[Sequence[str]] = None) -> List[Check]:
        """Every registered check, or those of some codes, in the order of registration."""
        return [run for code, run in self._checks.items() if chosen is None or code in chosen]

    def codes(self) -> List[str]:
        """The codes of all registered checks."""
        return list(self._checks)

    def rules(self) -> List[About]:
        """Every rule in words, by code."""
        return [self._about[code] for code in sorted(self._about)]

    def apply(self, bundle: Any) -> List[Finding]:
        """What all rules find."""
        return [finding for check in self.checks() for finding in check(bundle)]


def in_order(findings: Iterable[Finding]) -> List[Finding]:
    """Each finding once, errors first."""
    return sorted(dict.fromkeys(findings), key=lambda finding: finding.severity != ERROR)

"""What a check is, and the list of all of them."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Callable, Dict, Iterable, Iterator, List, Tuple

if TYPE_CHECKING:
    from nlb_evalai.challenge.evalai.rules.contents import Bundle

#: EvalAI refuses it, or fails submissions or boards because of it.
ERROR = "error"
#: It works, and hardly as meant.
WARNING = "warning"

#: What a rule yields: where, and what to do about it.
Said = Tuple[str, str]
Rule = Callable[["Bundle"], Iterable[Said]]


@dataclass(frozen=True)
class Finding:
    """Something wrong with a bundle: where it is, and what to do."""

    code: str
    severity: str
    location: str
    message: str

    def __str__(self) -> str:
        return f"{self.severity} [{self.code}] {self.location}: {self.message}"

    def as_json(self) -> Dict[str, str]:
        """As plain JSON values."""
        return asdict(self)


_CHECKS: Dict[str, Callable[[Bundle], Iterator[Finding]]] = {}


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


def checks() -> List[Callable[[Bundle], Iterator[Finding]]]:
    """Every registered check, in the order of registration."""
    return list(_CHECKS.values())


def codes() -> List[str]:
    """The codes of all registered checks."""
    return list(_CHECKS)

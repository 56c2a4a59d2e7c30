"""What a check finds."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Dict, List

from evaluation_script.text import printable

#: EvalAI refuses it, or fails submissions or boards because of it.
ERROR = "error"
#: It works, and hardly as meant.
WARNING = "warning"


@dataclass(frozen=True)
class Finding:
    """Something wrong with a bundle: where it is, and what to do.

    Both may quote the bundle, so what cannot be seen in them is escaped.
    """

    code: str
    severity: str
    location: str
    message: str

    def __post_init__(self) -> None:
        for name in ("location", "message"):
            object.__setattr__(self, name, printable(getattr(self, name)))

    def __str__(self) -> str:
        return f"{self.severity} [{self.code}] {self.location}: {self.message}"

    def as_json(self) -> Dict[str, str]:
        """As plain JSON values."""
        return asdict(self)


def errors_of(findings: List[Finding]) -> List[Finding]:
    """Those that keep a bundle from being built or pushed."""
    return [finding for finding in findings if finding.severity == ERROR]

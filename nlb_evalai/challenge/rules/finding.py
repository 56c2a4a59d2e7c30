"""What a check finds."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Dict, List

from evaluation_script.text import printable

#: The platform refuses it, or fails submissions or boards because of it.
ERROR = "error"
#: It works, and hardly as meant.
WARNING = "warning"
_LONGEST_PLACE, _LONGEST_MESSAGE = 300, 2000


@dataclass(frozen=True)
class Finding:
    """Something wrong with a bundle: where it is, and what to do.

    Both may quote the bundle, so what cannot be seen in them is escaped, and what is long is cut.
    """

    code: str
    severity: str
    location: str
    message: str

    def __post_init__(self) -> None:
        object.__setattr__(self, "location", printable(self.location, most=_LONGEST_PLACE))
        object.__setattr__(self, "message", printable(self.message, most=_LONGEST_MESSAGE))

    def __str__(self) -> str:
        return f"{self.severity} [{self.code}] {self.location}: {self.message}"

    def as_json(self) -> Dict[str, str]:
        """As plain JSON values."""
        return asdict(self)


def errors_of(findings: List[Finding]) -> List[Finding]:
    """Those that keep a bundle from being built or pushed."""
    return [finding for finding in findings if finding.severity == ERROR]

"""A likely cause of what is wrong with a submission, and what mends it."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Dict, List, Sequence

from evaluation_script.text import printable


@dataclass(frozen=True)
class Finding:
    """A likely cause. It never decides whether a file is refused: the server's own checks do.

    Attributes
    ----------
    cause : str
        A short name, the same wherever that cause is found.
    where : str
        As ``mc_maze/eval_rates_heldout``; empty for the whole file.
    what : str
        What it is, with what was found.
    mend : str
        The line that mends it, of numpy or h5py wherever one does.
    """

    cause: str
    where: str
    what: str
    mend: str

    def __post_init__(self) -> None:
        # both may quote names of the file
        for name in ("where", "what", "mend"):
            object.__setattr__(self, name, printable(getattr(self, name)))

    def as_json(self) -> Dict[str, str]:
        """As plain JSON values."""
        return asdict(self)


def told(findings: Sequence[Finding]) -> List[str]:
    """Two lines for each cause, however many arrays have it: what it is, and what mends it."""
    lines = []
    for cause in dict.fromkeys(finding.cause for finding in findings):
        first, *others = [finding for finding in findings if finding.cause == cause]
        places = len({other.where for other in others} - {first.where})
        where = first.where and f"{first.where}: "
        more = f" (and so in {places} more)" if places else ""
        lines += [f"likely cause: {where}{first.what}{more}", f"  to mend it: {first.mend}"]
    return lines

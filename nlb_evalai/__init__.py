"""Everything around the scorer lives here: what organizers, participants and workers run."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from nlb_evalai.diagnostics.comparison import compare
    from nlb_evalai.diagnostics.evaluation import evaluate

__version__ = "0.1.0"
__all__ = ["compare", "evaluate"]


def __getattr__(name: str) -> Any:
    # imported when they are asked for: to list the commands needs no numpy
    if name == "evaluate":
        from nlb_evalai.diagnostics.evaluation import evaluate

        return evaluate
    if name == "compare":
        from nlb_evalai.diagnostics.comparison import compare

        return compare
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")

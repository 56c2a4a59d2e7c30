"""Participants write, check and upload a submission here, and make a baseline."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from nlb_evalai.beside import namesake

if TYPE_CHECKING:
    from nlb_evalai.submission.writer import Writer, save

__all__ = ["Writer", "save"]


def __getattr__(name: str) -> Any:
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    if namesake():
        raise ImportError(namesake())
    from nlb_evalai.submission import writer

    return getattr(writer, name)

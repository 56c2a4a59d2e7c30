"""A participant's check before upload: the server's own checks, without the truth."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Dict, List, Optional

import numpy as np

from evaluation_script.annotation import Annotation
from evaluation_script.errors import LimitError, SubmissionError
from evaluation_script.reader.process import ReaderProcess
from evaluation_script.scoring import GroupScorer
from evaluation_script.submission.audit import ValueAudit
from evaluation_script.submission.layout import published_layouts
from evaluation_script.submission.plan import Block
from evaluation_script.submission.stream import Progress, stream
from evaluation_script.submission.structure import Inspection, inspect
from evaluation_script.submission.upload import Upload
from evaluation_script.suites import Suite


@dataclass
class CheckReport:
    """What the server would say of a submission's form.

    ``would_score`` and ``left_out`` give metrics by group; both are empty if it is rejected.
    """

    submission: str
    phase: str
    checked_against: str
    problems: List[str] = field(default_factory=list)
    notes: List[str] = field(default_factory=list)
    would_score: Dict[str, List[str]] = field(default_factory=dict)
    left_out: Dict[str, Dict[str, str]] = field(default_factory=dict)

    @property
    def accepted(self) -> bool:
        """Whether the server would score it."""
        return not self.problems

    def as_json(self) -> Dict[str, Any]:
        """The report as plain JSON values."""
        return {
            "submission": self.submission,
            "phase": self.phase,
            "checked_against": self.checked_against,
            "accepted": self.accepted,
            "problems": self.problems,
            "notes": self.notes,
            "would_score": self.would_score,
            "left_out": self.left_out,
        }


def check_submission(
    submission: Path,
    phase_codename: str,
    annotations: Optional[Path] = None,
    *,
    suite: Optional[Suite] = None,
    progress: Optional[Progress] = None,
) -> CheckReport:
    """Check structure and values of a submission as the server does.

    Parameters
    ----------
    submission : Path
    phase_codename : str
    annotations : Path, optional
        A truth file whose shapes are expected; without it, the benchmark's official shapes.
    suite : Suite, optional
        The truth file says of which suite it is; without one, this must be given.
    progress : callable, optional
        Called with (bytes read, bytes to read).

    Returns
    -------
    CheckReport
        Problems are in the report, not raised.

    Raises
    ------
    AnnotationError
        If ``annotations`` cannot be used.
    KeyError
        If the suite has no such phase.
    ValueError
        If there is neither a truth file nor a suite.
    """
    if annotations is None and suite is None:
        raise ValueError("without a truth file the suite must be given")
    against = "official shapes" if annotations is None else str(annotations)
    report = CheckReport(str(submission), phase_codename, against)
    annotation = None if annotations is None else Annotation(annotations, phase_codename, suite)
    try:
        suite = suite or annotation.suite  # type: ignore[union-attr]
        phase = suite.phase(phase_codename)
        layouts = annotation.layouts if annotation else published_layouts(suite, phase_codename)
        with Upload(submission) as upload, ReaderProcess(upload.descriptor) as reader:
            inspection = inspect(reader, suite, layouts)
            audit = ValueAudit(phase.nan_where_unscored, inspection.not_negative)
            for group, pieces in stream(reader, inspection.plan, progress):
                used = _nowhere
                if annotation is not None:
                    used = GroupScorer(annotation, group, inspection.parts[group]).used
                for block, values in pieces:
                    audit.passes(block, values, used)
        report.problems = audit.problems
        report.notes = inspection.notes + audit.notes
        if (
            annotation is None
            and phase.nan_where_unscored
            and any("NaN" in n for n in report.notes)
        ):
            report.notes.append(
                "NaN may stand in bins that no metric uses; only a truth file (--annotations) "
                "can tell which these are"
            )
        if report.accepted:
            _say_what_is_scored(report, inspection)
    except SubmissionError as error:
        report.problems = error.problems
    except LimitError as error:
        report.problems = [str(error)]
    finally:
        if annotation is not None:
            annotation.close()
    return report


def _nowhere(block: Block) -> List[np.ndarray]:
    """Where metrics use a block: without a truth nobody can say, and only infinities count."""
    return [np.zeros((1, 1, 1), bool)] * 2


def _say_what_is_scored(report: CheckReport, inspection: Inspection) -> None:
    for group, layout in inspection.layouts.items():
        brought = set(inspection.parts[group])
        scored = [metric for metric in layout.dataset.metrics if set(metric.parts) <= brought]
        report.would_score[group] = [metric.key for metric in scored]
        left_out = {m.key: m.absent for m in layout.dataset.metrics if m not in scored}
        if left_out:
            report.left_out[group] = left_out

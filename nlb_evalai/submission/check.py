"""A participant's check before upload: the server's own checks, without the truth."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Dict, List, Optional

import numpy as np

from evaluation_script.annotation import Annotation
from evaluation_script.errors import LimitError, SubmissionError
from evaluation_script.reader.process import ReaderProcess
from evaluation_script.scoring import NO_FORWARD, DatasetScorer
from evaluation_script.submission.audit import ValueAudit
from evaluation_script.submission.layout import Layout, official_layout
from evaluation_script.submission.plan import Block
from evaluation_script.submission.stream import Progress, checked_blocks
from evaluation_script.submission.structure import Inspection, inspect
from evaluation_script.submission.upload import Upload
from evaluation_script.suite import FP_BPS, NLB21, Suite


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
    suite: Suite = NLB21,
    progress: Optional[Progress] = None,
) -> CheckReport:
    """Check structure and values of a submission as the server does.

    Parameters
    ----------
    submission : Path
    phase_codename : str
    annotations : Path, optional
        A truth file whose shapes are expected; without it, the benchmark's official shapes.
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
    """
    against = "official shapes" if annotations is None else str(annotations)
    report = CheckReport(str(submission), phase_codename, against)
    phase = suite.phase(phase_codename)
    annotation = None if annotations is None else Annotation(annotations, suite, phase_codename)
    try:
        layouts = annotation.layouts if annotation else _official(suite, phase_codename)
        audit = ValueAudit(phase.nan_where_unscored)
        required = _Required(annotation)
        with Upload(submission) as upload, ReaderProcess(upload.descriptor) as reader:
            inspection = inspect(reader, suite, layouts)
            required.parts = inspection.parts
            for _ in checked_blocks(reader, inspection, audit, required, progress):
                pass
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


def _official(suite: Suite, phase: str) -> Dict[str, Layout]:
    return {
        group: official_layout(suite, phase, dataset, width)
        for group, (dataset, width) in suite.groups().items()
    }


class _Required:
    """Where metrics use a block; without a truth nobody can say, and only infinities count."""

    def __init__(self, annotation: Optional[Annotation]) -> None:
        self._annotation = annotation
        self._scorers: Dict[str, DatasetScorer] = {}
        self.parts: Dict[str, List[str]] = {}

    def __call__(self, block: Block) -> List[np.ndarray]:
        if self._annotation is None:
            nowhere = np.zeros((1, 1, 1), bool)
            return [nowhere, nowhere]
        if block.group not in self._scorers:
            truth = self._annotation.load(block.group)
            self._scorers = {
                block.group: DatasetScorer(block.group, truth, self.parts[block.group])
            }
        return self._scorers[block.group].required(block)


def _say_what_is_scored(report: CheckReport, inspection: Inspection) -> None:
    for group, layout in inspection.layouts.items():
        keys = [metric.key for metric in layout.dataset.metrics]
        if "forward" not in inspection.parts[group] and FP_BPS.key in keys:
            keys.remove(FP_BPS.key)
            report.left_out[group] = {FP_BPS.key: NO_FORWARD}
        report.would_score[group] = keys

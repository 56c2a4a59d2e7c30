"""A participant's check before upload: the server's own checks without the truth, and causes."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Dict, List, Mapping, Optional, Union

import numpy as np

from evaluation_script.annotation import Annotation
from evaluation_script.arrays import EVAL, Axis
from evaluation_script.errors import LimitError, SubmissionError
from evaluation_script.leaderboard import board_notes
from evaluation_script.reader.process import ReaderProcess
from evaluation_script.scorecard import GroupScores, Score, Scorecard
from evaluation_script.scoring import GroupScorer
from evaluation_script.submission.audit import ValueAudit
from evaluation_script.submission.layout import Layout, published_layouts
from evaluation_script.submission.plan import Block
from evaluation_script.submission.stream import Progress, stream
from evaluation_script.submission.structure import Inspection, inspect
from evaluation_script.submission.upload import Upload
from evaluation_script.suites import DEFAULT_SUITE, Phase, Suite
from nlb_evalai.challenge.head import head_of
from nlb_evalai.diagnostics.base import plain
from nlb_evalai.diagnostics.consistency import Consistency, ConsistencyWatch
from nlb_evalai.submission.causes import file_findings, structure_findings
from nlb_evalai.submission.finding import Finding, told
from nlb_evalai.submission.values import ValueWatch


@dataclass
class CheckReport:
    """What the server would say of a submission's form, and why.

    ``problems`` and ``notes`` are the server's own words; ``causes`` are likely explanations, which
    refuse nothing by themselves. ``would_score`` and ``left_out`` give metrics by group,
    ``consistency`` whether held-in and held-out rates tell one story, or why that cannot be said;
    all are empty if it is rejected.
    """

    submission: str
    phase: str
    checked_against: str
    causes: List[Finding] = field(default_factory=list)
    problems: List[str] = field(default_factory=list)
    notes: List[str] = field(default_factory=list)
    would_score: Dict[str, List[str]] = field(default_factory=dict)
    left_out: Dict[str, Dict[str, str]] = field(default_factory=dict)
    consistency: Dict[str, Union[Consistency, str]] = field(default_factory=dict)

    @property
    def accepted(self) -> bool:
        """Whether the server would score it."""
        return not self.problems

    def causes_told(self) -> List[str]:
        """Two lines for each likely cause, for people."""
        return told(self.causes)

    def as_json(self) -> Dict[str, Any]:
        """The report as plain JSON values."""
        return {
            "submission": self.submission,
            "phase": self.phase,
            "checked_against": self.checked_against,
            "accepted": self.accepted,
            "causes": [cause.as_json() for cause in self.causes],
            "problems": self.problems,
            "notes": self.notes,
            "would_score": self.would_score,
            "left_out": self.left_out,
            "consistency": plain(self.consistency),
        }


def check_submission(
    submission: Path,
    phase_codename: str,
    annotations: Optional[Path] = None,
    *,
    suite: Optional[Suite] = None,
    progress: Optional[Progress] = None,
) -> CheckReport:
    """Check structure and values of a submission as the server does, and look for causes.

    Parameters
    ----------
    submission : Path
    phase_codename : str
    annotations : Path, optional
        A truth file whose shapes are expected; without it, the benchmark's published shapes.
    suite : Suite, optional
        The truth file says of which suite it is; without one, the default suite is meant.
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
    """
    if annotations is None:
        return _Check(submission, phase_codename, suite or DEFAULT_SUITE, None).run(progress)
    with Annotation(annotations, phase_codename, suite) as truth:
        check = _Check(submission, phase_codename, truth.suite, truth)
        check.report.checked_against = str(annotations)
        return check.run(progress)


class _Check:
    """One submission, checked once."""

    def __init__(
        self, submission: Path, codename: str, suite: Suite, truth: Optional[Annotation]
    ) -> None:
        self.submission = submission
        self.suite = suite
        self.truth = truth
        # what is known to be public refuses nothing for secrecy
        self.phase: Phase = truth.phase() if truth else suite.phase(codename)
        self.layouts: Mapping[str, Layout] = (
            truth.layouts if truth else published_layouts(suite, codename)
        )
        self.report = CheckReport(str(submission), codename, "published shapes")

    def run(self, progress: Optional[Progress]) -> CheckReport:
        """Look at all of it; the report."""
        try:
            with Upload(self.submission) as upload:
                try:
                    reader = ReaderProcess(upload.descriptor)
                except SubmissionError:
                    self.report.causes = file_findings(self.submission)
                    raise
                with reader:
                    self._look(reader, progress)
        except SubmissionError as error:
            self.report.problems = error.problems
        except LimitError as error:
            self.report.problems = [str(error)]
        return self.report

    def _look(self, reader: ReaderProcess, progress: Optional[Progress]) -> None:
        report = self.report
        try:
            inspection = inspect(reader, self.suite, self.layouts)
        except SubmissionError:
            report.causes = structure_findings(
                reader, self.submission, self.suite, self.phase.codename, self.layouts
            )
            raise
        audit = ValueAudit(
            self.phase.nan_where_unscored,
            inspection.not_negative,
            smallest_rate=self.phase.smallest_rate,
            refuse_tiny=True,
        )
        watch = ValueWatch(inspection.layouts, inspection.not_negative)
        consistency: Dict[str, ConsistencyWatch] = {}
        for group, pieces in stream(reader, inspection.plan, progress):
            used = _nowhere
            if self.truth is not None:
                used = GroupScorer(self.truth, group, inspection.parts[group]).used
            consistency[group] = ConsistencyWatch(inspection.layouts[group].bin_width_ms)
            for block, values in pieces:
                fine = audit.passes(block, values, used)
                watch.passes(block, values)
                if fine and block.part is EVAL:
                    consistency[group].update(block.start, *values)
        report.causes = watch.findings()
        report.problems = audit.problems
        report.notes = inspection.notes + audit.notes + self._own_notes(inspection, audit.notes)
        if report.accepted:
            self._say_what_is_scored(inspection)
            report.consistency = {group: one.told() for group, one in consistency.items()}

    def _own_notes(self, inspection: Inspection, said: List[str]) -> List[str]:
        """What only a check without the truth, or before the upload, has to say."""
        notes = []
        if self.truth is None:
            if self.phase.nan_where_unscored and any("NaN" in note for note in said):
                notes.append(
                    "NaN may stand in bins that no metric uses; only a truth file (--annotations) "
                    "can tell which these are"
                )
            for group in inspection.layouts:
                unknown = _not_published(self.layouts[group])
                if unknown:
                    notes.append(
                        f"{group}: the number of {' and of '.join(unknown)} is not published, so "
                        "it was not compared"
                    )
        types = head_of(self.suite).phases[self.phase.codename]["allowed_submission_file_types"]
        if self.submission.suffix.lower() not in str(types).replace(",", " ").split():
            notes.append(f"the file's name: EvalAI takes names that end in {types}: rename it")
        return notes

    def _say_what_is_scored(self, inspection: Inspection) -> None:
        report = self.report
        card = Scorecard(self.suite.name, self.phase)
        for group, layout in inspection.layouts.items():
            brought = set(inspection.parts[group])
            scored = [metric for metric in layout.dataset.metrics if set(metric.parts) <= brought]
            report.would_score[group] = [metric.key for metric in scored]
            left_out = {m.key: m.absent for m in layout.dataset.metrics if m not in scored}
            if left_out:
                report.left_out[group] = left_out
            scores = {metric.key: Score(0.0) for metric in scored}  # of whatever value
            card.groups[group] = GroupScores(
                group, layout.dataset.name, layout.bin_width_ms, scores
            )
        report.notes += board_notes(card, self.suite)


def _nowhere(block: Block) -> List[np.ndarray]:
    """Where metrics use a block: without a truth nobody can say, and only infinities count."""
    return [np.zeros((1, 1, 1), bool)] * 2


def _not_published(layout: Layout) -> List[str]:
    """The axes of a submission's arrays whose lengths nobody published."""
    arrays = [array for part in (*layout.required(), *layout.optional()) for array in part.arrays]
    axes = dict.fromkeys(axis for array in arrays for axis in array.axes)
    return [axis.value for axis in axes if isinstance(axis, Axis) and layout.size(axis) is None]

"""A submission scored here, with its diagnostics where they are asked for."""

from __future__ import annotations

import os
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Callable, Dict, List, Mapping, Optional, Union

from evaluation_script.annotation import Annotation
from evaluation_script.scorecard import GroupScores, Scorecard
from evaluation_script.scoring import score
from evaluation_script.submission.stream import Progress
from evaluation_script.suites import Suite
from nlb_evalai.diagnostics.base import Plain, plain
from nlb_evalai.diagnostics.few_shot import FewShot
from nlb_evalai.diagnostics.few_shot_files import few_shot_of_file
from nlb_evalai.diagnostics.group import DiagnosticsObserver, GroupDiagnostics
from nlb_evalai.diagnostics.inputs import InputsFile
from nlb_evalai.extras import install
from nlb_evalai.truth.phase import phase_of_truth, suite_of_truth

PathLike = Union[str, os.PathLike]


@dataclass(frozen=True)
class MetricScore(Plain):
    """A score at full precision, and its jackknife standard error if it has one."""

    value: float
    standard_error: Optional[float]


@dataclass
class GroupEvaluation(Plain):
    """One dataset at one bin width.

    Attributes
    ----------
    dataset : str
    bin_width_ms : int
    scores : dict of str to MetricScore
        By metric, as ``co-bps``.
    left_out : dict of str to str
        Why there is no score, by metric.
    diagnostics : GroupDiagnostics or None
        None where they were not asked for.
    """

    dataset: str
    bin_width_ms: int
    scores: Dict[str, MetricScore]
    left_out: Dict[str, str]
    diagnostics: Optional[GroupDiagnostics] = None


@dataclass
class Evaluation(Plain):
    """A scored submission.

    Attributes
    ----------
    suite, phase : str
    groups : dict of str to GroupEvaluation
        By the name of the group in the file, as ``mc_maze_20``.
    notes : list of str
        What looked odd, in words.
    receipt : dict
        With what and from what it was scored (docs/receipt.md).
    card : Scorecard
        As the scorer gives it; ``to_dict`` leaves it out.
    """

    suite: str
    phase: str
    groups: Dict[str, GroupEvaluation]
    notes: List[str]
    receipt: Dict[str, Any]
    card: Scorecard = field(repr=False)

    def to_dict(self) -> Dict[str, Any]:
        """All but ``card`` as plain JSON values."""
        names = ("suite", "phase", "groups", "notes", "receipt")
        return {name: plain(getattr(self, name)) for name in names}


def evaluate(
    submission: PathLike,
    annotations: PathLike,
    *,
    phase: Optional[str] = None,
    suite: Optional[Suite] = None,
    diagnostics: bool = False,
    inputs: Optional[PathLike] = None,
    progress: Optional[Progress] = None,
    tick: Callable[[str], None] = lambda group: None,
) -> Evaluation:
    """Score a submission at full precision, with the scorer that runs on EvalAI.

    Parameters
    ----------
    submission, annotations : str or path
        The submission, and the annotation file with the truth or a pointer to one.
    phase : str, optional
        Its codename, where the truth does not say it.
    suite : Suite, optional
        Where the truth does not say it.
    diagnostics : bool
        Whether to look into why it scores what it scores. The scores are the same.
    inputs : str or path, optional
        Model inputs, as ``nlb-evalai inputs build`` writes them; with ``diagnostics``, few-shot
        co-smoothing and one ceiling need them.
    progress : callable, optional
        Called with (bytes read, bytes to read).
    tick : callable
        Called with each group's name before its few-shot co-smoothing.

    Returns
    -------
    Evaluation

    Raises
    ------
    SubmissionError, LimitError
        If the submission is at fault, or reading it hit a limit.
    AnnotationError
        If the truth is.
    ToolError
        If the phase cannot be told, or ``inputs`` cannot be read.

    Examples
    --------
    >>> import tempfile
    >>> from dataclasses import replace
    >>> from nlb_evalai.sample.files import write_sample
    >>> from evaluation_script.suites import DEFAULT_SUITE
    >>> two = replace(DEFAULT_SUITE, datasets=DEFAULT_SUITE.datasets[:2])
    >>> folder = tempfile.TemporaryDirectory()
    >>> paths = write_sample(folder.name, two, phases=["val"], models=["true"])
    >>> found = evaluate(
    ...     paths.submissions["val"]["true"], paths.annotations["val"], diagnostics=True
    ... )
    >>> found.groups["mc_maze"].scores["vel R2"].value > 0.5
    True
    >>> shares = found.groups["mc_maze"].diagnostics.co_smoothing
    >>> bool(abs(shares.neurons.contribution.sum()
    ...     - found.groups["mc_maze"].scores["co-bps"].value) < 1e-9)
    True
    >>> found.groups["mc_rtt"].diagnostics.left_out["ceilings"]
    'the truth knows no conditions: no trial repeats another'
    >>> sorted(found.to_dict())
    ['groups', 'notes', 'phase', 'receipt', 'suite']
    >>> folder.cleanup()
    """
    truth, path = Path(annotations), Path(submission)
    suite = suite_of_truth(truth, suite)
    codename = phase_of_truth(truth, suite, phase)
    with ExitStack() as opened:
        file = None
        if diagnostics and inputs is not None:
            file = opened.enter_context(InputsFile(Path(inputs)))
        observer = DiagnosticsObserver(file) if diagnostics else None
        card = score(truth, path, codename, suite=suite, progress=progress, observer=observer)
        found = observer.groups if observer else {}
        if observer:
            _add_few_shot(found, path, truth, codename, suite, file, tick)
    groups = {name: _group(one, found.get(name)) for name, one in card.groups.items()}
    return Evaluation(card.suite, codename, groups, list(card.notes), card.receipt, card)


def _group(scores: GroupScores, diagnostics: Optional[GroupDiagnostics]) -> GroupEvaluation:
    found = {key: MetricScore(one.value, one.standard_error) for key, one in scores.scores.items()}
    return GroupEvaluation(
        scores.dataset, scores.bin_width_ms, found, dict(scores.left_out), diagnostics
    )


def _add_few_shot(
    found: Dict[str, GroupDiagnostics],
    submission: Path,
    truth: Path,
    phase: str,
    suite: Suite,
    inputs: Optional[InputsFile],
    tick: Callable[[str], None],
) -> None:
    results: Mapping[str, Union[FewShot, str]]
    if inputs is None:
        results = dict.fromkeys(found, "it needs model inputs (--inputs)")
    else:
        try:
            with Annotation(truth, phase, suite) as annotation:
                results = few_shot_of_file(submission, annotation, inputs, list(found), tick)
        except ModuleNotFoundError as error:
            why = f"{error.name} is not installed: {install('diagnostics')}"
            results = dict.fromkeys(found, why)
    for group, result in results.items():
        if isinstance(result, str):
            found[group].left_out["few_shot"] = result
        else:
            found[group].few_shot = result

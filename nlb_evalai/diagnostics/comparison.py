"""Two or more submissions on the same trials: which differences are real, and where they are."""

from __future__ import annotations

import math
from contextlib import suppress
from dataclasses import dataclass, field, replace
from functools import partial
from itertools import combinations
from pathlib import Path
from typing import Callable, Dict, List, Mapping, Optional, Sequence, Tuple

import numpy as np

from evaluation_script.annotation import Annotation
from evaluation_script.arrays import Axis, Part
from evaluation_script.errors import SubmissionError
from evaluation_script.metrics import Metric
from evaluation_script.metrics.jackknife import Spread, by_block
from evaluation_script.scorecard import Scorecard
from evaluation_script.scoring import score
from evaluation_script.submission.plan import Block
from evaluation_script.suites import Suite
from nlb_evalai.diagnostics.base import Case, NotHadError, Plain
from nlb_evalai.diagnostics.co_smoothing import CoSmoothingDiagnostic, Likelihoods
from nlb_evalai.diagnostics.evaluation import PathLike
from nlb_evalai.errors import ToolError
from nlb_evalai.paired import Difference, holm, of_left_out
from nlb_evalai.truth.phase import phase_of_truth, suite_of_truth

#: trials are counted for this two-sided level and this power
LEVEL, POWER = 0.05, 0.8


@dataclass(frozen=True)
class ScoreDifference(Plain):
    """Two submissions' scores of one metric on one group.

    Attributes
    ----------
    group, metric, first, second : str
        The two submissions are named as in ``Comparison.submissions``.
    first_score, second_score, difference : float
        ``difference`` is the first score minus the second.
    standard_error : float or None
        Of the difference, paired by trial: with each eval trial left out of both.
    p_value, p_holm : float or None
        Two-sided, and corrected for all differences of the comparison.
    n_trials : int
        Eval trials.
    trials_needed : int or None
        With so many eval trials like these, a difference of this size is told from none four times
        out of five at a level of 5 % (uncorrected). None where the scores are equal.
    """

    group: str
    metric: str
    first: str
    second: str
    first_score: float
    second_score: float
    difference: float
    standard_error: Optional[float]
    p_value: Optional[float]
    p_holm: Optional[float]
    n_trials: int
    trials_needed: Optional[int]


@dataclass(frozen=True)
class PlaceOfDifference(Plain):
    """What one neuron or condition adds to a difference in co-bps.

    ``number`` counts from 0; -1 stands for the trials that belong to no condition. ``difference``
    is in bits per spike of all spikes: over all neurons, or all conditions, they sum up to the
    difference in co-bps. ``p_holm`` is corrected for as many as there are.
    """

    number: int
    difference: float
    standard_error: Optional[float]
    p_value: Optional[float]
    p_holm: Optional[float]


@dataclass(frozen=True)
class WhereTheyDiffer(Plain):
    """Where two submissions differ in co-bps; the largest differences come first."""

    group: str
    first: str
    second: str
    neurons: List[PlaceOfDifference]
    conditions: List[PlaceOfDifference]


@dataclass
class Comparison(Plain):
    """Submissions compared pair by pair.

    Attributes
    ----------
    suite, phase : str
    submissions : list of str
        Their names: the files', or the paths where files are called the same.
    n_tests : int
        How many differences ``p_holm`` is corrected for.
    scores : list of ScoreDifference
    where : list of WhereTheyDiffer
    left_out : list of str
        What could not be compared, and why.
    """

    suite: str
    phase: str
    submissions: List[str]
    n_tests: int
    scores: List[ScoreDifference]
    where: List[WhereTheyDiffer]
    left_out: List[str] = field(default_factory=list)


@dataclass(frozen=True)
class _Shares:
    """What is kept of a submission's co-bps: not the truth, which is large."""

    likelihoods: Likelihoods
    conditions: List[np.ndarray]
    has_outsiders: bool


class _Keeper:
    """Keeps of each group what pairs are made of; see ``scoring.Observer``.

    Attributes
    ----------
    spreads : dict of str to dict of str to Spread or None
        By group and metric.
    shares : dict of str to _Shares
    """

    def __init__(self) -> None:
        self.spreads: Dict[str, Dict[str, Optional[Spread]]] = {}
        self.shares: Dict[str, _Shares] = {}
        self.n_trials: Dict[str, int] = {}

    def begin(self, annotation: Annotation, group: str, parts: Sequence[Part]) -> None:
        self._annotation, self._group = annotation, group
        self._begun = False
        self._diagnostic: Optional[CoSmoothingDiagnostic] = None
        self.n_trials[group] = annotation.layouts[group].size(Axis.EVAL_TRIALS) or 0

    def _begin(self) -> None:
        # not before the metrics have found the truth fit
        if not self._begun:
            self._begun = True
            truth = self._annotation.arrays(self._group)
            layout = self._annotation.layouts[self._group]
            with suppress(NotHadError):
                self._diagnostic = CoSmoothingDiagnostic(
                    Case(self._group, layout, truth, truth.group)
                )

    def update(self, block: Block, heldin: np.ndarray, heldout: np.ndarray) -> None:
        self._begin()
        if self._diagnostic is not None and block.part in self._diagnostic.parts:
            self._diagnostic.update(block.part, block.start, heldin, heldout)

    def finish(self, metrics: Mapping[str, Metric]) -> None:
        self.spreads[self._group] = {key: metric.spread() for key, metric in metrics.items()}
        found, self._diagnostic = self._diagnostic, None
        if found is not None:
            self.shares[self._group] = _Shares(
                found.likelihoods, found.groups(), found.has_outsiders
            )


@dataclass
class _Entry:
    name: str
    card: Scorecard
    kept: _Keeper


def compare(
    submissions: Sequence[PathLike],
    annotations: PathLike,
    *,
    phase: Optional[str] = None,
    suite: Optional[Suite] = None,
    progress: Optional[Callable[[str, int, int], None]] = None,
) -> Comparison:
    """Compare submissions on the same truth, pair by pair, trial by trial.

    Parameters
    ----------
    submissions : sequence of str or path
        Two or more.
    annotations : str or path
        The annotation file with the truth, or a pointer to one.
    phase : str, optional
        Its codename, where the truth does not say it.
    suite : Suite, optional
        Where the truth does not say it.
    progress : callable, optional
        Called with (name, bytes read, bytes to read).

    Returns
    -------
    Comparison

    Raises
    ------
    ToolError
        If there are fewer than two, or the phase cannot be told.
    SubmissionError, LimitError
        If a submission is at fault, whose name stands before every problem, or reading one hit a
        limit.
    AnnotationError
        If the truth is at fault.

    Examples
    --------
    >>> import tempfile
    >>> from dataclasses import replace
    >>> from nlb_evalai.sample.files import write_sample
    >>> from evaluation_script.suites import DEFAULT_SUITE
    >>> maze = replace(DEFAULT_SUITE, datasets=DEFAULT_SUITE.datasets[:1])
    >>> folder = tempfile.TemporaryDirectory()
    >>> paths = write_sample(folder.name, maze, phases=["val"], models=["true", "mean"])
    >>> two = [paths.submissions["val"][name] for name in ("true", "mean")]
    >>> found = compare(two, paths.annotations["val"])
    >>> first = found.scores[0]
    >>> (first.group, first.first, first.second, first.n_trials)
    ('mc_maze', 'true.h5', 'mean.h5', 16)
    >>> first.difference > 0.1 and first.p_holm < 0.05
    True
    >>> total = sum(place.difference for place in found.where[0].neurons)
    >>> bool(abs(total - first.difference) < 1e-9)
    True
    >>> folder.cleanup()
    """
    paths = [Path(one) for one in submissions]
    if len(paths) < 2:
        raise ToolError(f"found {len(paths)} submission, expected two or more to compare")
    truth = Path(annotations)
    suite = suite_of_truth(truth, suite)
    codename = phase_of_truth(truth, suite, phase)
    entries = []
    for name, path in zip(names_of(paths), paths):
        keeper = _Keeper()
        tell = partial(progress, name) if progress else None
        try:
            card = score(truth, path, codename, suite=suite, progress=tell, observer=keeper)
        except SubmissionError as error:
            raise SubmissionError([f"{name}: {problem}" for problem in error.problems]) from None
        entries.append(_Entry(name, card, keeper))
    return _compared(suite, codename, entries)


def names_of(paths: Sequence[Path]) -> List[str]:
    """File names, or paths where some are the same; numbered where even these are."""
    names = [path.name for path in paths]
    if len(set(names)) < len(names):
        names = [str(path) for path in paths]
    if len(set(names)) < len(names):
        names = [f"{number}: {name}" for number, name in enumerate(names, start=1)]
    return names


def _compared(suite: Suite, phase: str, entries: Sequence[_Entry]) -> Comparison:
    rows: List[Tuple[ScoreDifference, Difference]] = []
    where: List[WhereTheyDiffer] = []
    left_out: Dict[str, None] = {}
    for first, second in combinations(entries, 2):
        for group in dict.fromkeys([*first.card.groups, *second.card.groups]):
            lacking = [one.name for one in (first, second) if group not in one.card.groups]
            if lacking:
                left_out[f"{group}: {lacking[0]} has none"] = None
                continue
            for metric in suite.groups()[group][0].metrics:
                pair = [one.card.groups[group].scores.get(metric.key) for one in (first, second)]
                if None in pair:
                    for one in (first, second):
                        why = one.card.groups[group].left_out.get(metric.key)
                        if why:
                            left_out[f"{group}: {metric.key} of {one.name}: {why}"] = None
                    continue
                rows.append(_difference(group, metric.key, first, second))
                if rows[-1][1].standard_error is None:
                    left_out[f"{group}: {metric.key}: no error bar of its differences"] = None
            if group in first.kept.shares and group in second.kept.shares:
                where.append(_where(group, first, second))
    known = [row for row, found in rows if found.p_value is not None]
    corrected = dict(zip(map(id, known), holm([row.p_value or 0.0 for row in known])))
    scores = [
        replace(row, p_holm=float(corrected[id(row)]) if id(row) in corrected else None)
        for row, _ in rows
    ]
    names = [one.name for one in entries]
    return Comparison(suite.name, phase, names, len(known), scores, where, list(left_out))


def _difference(
    group: str, key: str, first: _Entry, second: _Entry
) -> Tuple[ScoreDifference, Difference]:
    scores = [one.card.groups[group].scores[key].value for one in (first, second)]
    n_trials = first.kept.n_trials[group]
    spreads = [one.kept.spreads[group][key] for one in (first, second)]
    found = difference_of(scores[0] - scores[1], *spreads)
    row = ScoreDifference(
        group,
        key,
        first.name,
        second.name,
        scores[0],
        scores[1],
        found.difference,
        found.standard_error,
        found.p_value,
        None,
        n_trials,
        trials_needed(found, n_trials),
    )
    return row, found


def difference_of(
    difference: float, first: Optional[Spread], second: Optional[Spread]
) -> Difference:
    """A difference of two scores on the same trials, with the error that their spreads give it."""
    if first is None or second is None:
        return Difference(difference, None, 0)
    spread = first - second
    return Difference(difference, spread.error(), spread.size)


def trials_needed(found: Difference, n_trials: int) -> Optional[int]:
    """How many trials tell a difference of this size from none, at ``LEVEL`` with ``POWER``.

    The error bar, which is that of ``n_trials``, shrinks with the root of their number.

    Examples
    --------
    >>> trials_needed(Difference(0.004, 0.005, 100), 100)  # 0.8 standard errors from 100 trials
    1227
    """
    from scipy.stats import norm

    if not found.difference or not found.standard_error:
        return None
    wanted = float(norm.ppf(1 - LEVEL / 2) + norm.ppf(POWER))
    needed = n_trials * (wanted * found.standard_error / found.difference) ** 2
    return math.ceil(needed) if needed < 1e15 else None


def _where(group: str, first: _Entry, second: _Entry) -> WhereTheyDiffer:
    """The parts of a difference in co-bps: the mean rates, equal in both, drop out."""
    shares = first.kept.shares[group]
    spikes = shares.likelihoods.spikes.sum(axis=1)
    gain = shares.likelihoods.model - second.kept.shares[group].likelihoods.model
    conditions = _by_condition(gain.sum(axis=1), spikes, shares.conditions)
    if shares.has_outsiders and conditions:
        conditions[-1] = replace(conditions[-1], number=-1)
    neurons = _by_neuron(gain, spikes, shares.likelihoods.block_starts)
    return WhereTheyDiffer(group, first.name, second.name, _sorted(neurons), _sorted(conditions))


def _by_neuron(
    gain: np.ndarray, spikes: np.ndarray, block_starts: Optional[np.ndarray]
) -> List[PlaceOfDifference]:
    """Of gains in nats (trials, neurons), with each trial or block of them left out."""
    gain, spikes = by_block(gain, block_starts), by_block(spikes, block_starts)
    left = (spikes.sum() - spikes)[:, None] * np.log(2)
    with np.errstate(divide="ignore", invalid="ignore"):
        without = (gain.sum(axis=0) - gain) / left
    differences = gain.sum(axis=0) / spikes.sum() / np.log(2)
    return _places([of_left_out(one, column) for one, column in zip(differences, without.T)])


def _by_condition(
    gain: np.ndarray, spikes: np.ndarray, groups: Sequence[np.ndarray]
) -> List[PlaceOfDifference]:
    """Of gains in nats (trials,), with each trial of the condition left out of it.

    How many trials a condition has is no chance, and so is its share of the spikes.
    """
    found = []
    for trials in groups:
        own, counts = gain[trials], spikes[trials]
        scale = counts.sum() / spikes.sum() / np.log(2)
        with np.errstate(divide="ignore", invalid="ignore"):
            without = (own.sum() - own) / (counts.sum() - counts)
        found.append(of_left_out(own.sum() / spikes.sum() / np.log(2), without * scale))
    return _places(found)


def _places(found: Sequence[Difference]) -> List[PlaceOfDifference]:
    values = [one.p_value for one in found]
    known = [value for value in values if value is not None]
    corrected = iter(holm(known))
    return [
        PlaceOfDifference(
            number,
            one.difference,
            one.standard_error,
            value,
            None if value is None else float(next(corrected)),
        )
        for number, (one, value) in enumerate(zip(found, values))
    ]


def _sorted(places: List[PlaceOfDifference]) -> List[PlaceOfDifference]:
    return sorted(places, key=lambda one: -abs(one.difference))

"""What a metric is. One class says all that the project knows about one."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Any, ClassVar, Dict, Mapping, Optional, Tuple

import numpy as np

from ..arrays import Part, RateArray, TruthArray

#: where a metric uses a part's held-in and held-out rates: booleans that broadcast to (trials,
#: bins, neurons)
Used = Tuple[np.ndarray, np.ndarray]


class Metric(ABC):
    """A column of a leaderboard: what it needs, and an accumulator that computes it.

    A subclass states the class attributes below. An instance belongs to one dataset: it is made
    from the truth's arrays, takes a submission's rates in blocks of trials (part after part, trial
    after trial), then gives the score and its error bar.

    Attributes
    ----------
    key : str
        The label on leaderboards and in files.
    title, unit : str
        What it is, and in what it is measured.
    best : float
        The value of a perfect model; infinite where there is no bound.
    summary, about : str
        What leaderboards say of the column, in a few words, and what the challenge's pages say: how
        the score is computed. Plain text, in which ``{forward}`` stands for the length of the
        forward window. Where they are empty, nothing more than the title is said.
    truth : tuple of TruthArray
        The arrays that it reads of the ground truth.
    parts : tuple of Part
        The parts that it reads of a submission.
    absent : str
        Why there is no score where a submission does not bring the parts. Empty: it must.
    not_negative : tuple of RateArray
        The arrays that it scores by likelihood: a negative rate in them is refused.
    takes_blocks : bool
        Whether its error bar can leave out blocks of trials, as a continuous session needs it.
    block_starts : ndarray of int (blocks,), optional
        The first trial of each block that the error bar leaves out as one (see
        ``jackknife.block_starts``); None: each trial stands for itself.
    """

    key: ClassVar[str]
    title: ClassVar[str]
    unit: ClassVar[str]
    best: ClassVar[float]
    summary: ClassVar[str] = ""
    about: ClassVar[str] = ""
    truth: ClassVar[Tuple[TruthArray, ...]]
    parts: ClassVar[Tuple[Part, ...]]
    absent: ClassVar[str] = ""
    not_negative: ClassVar[Tuple[RateArray, ...]] = ()
    takes_blocks: ClassVar[bool] = False
    block_starts: Optional[np.ndarray] = None

    @abstractmethod
    def __init__(self, truth: Mapping[str, Any]) -> None:
        """Take the truth's arrays by name, all of those in ``truth``."""

    @classmethod
    def unfit(cls, truth: Mapping[str, Any]) -> Optional[str]:
        """Why no score can be computed from these arrays, for the host; None if one can."""
        return None

    @abstractmethod
    def update(self, part: Part, start: int, heldin: np.ndarray, heldout: np.ndarray) -> None:
        """Take the next trials of a part.

        Parameters
        ----------
        part : Part
            One of ``parts``.
        start : int
            The first of these trials.
        heldin, heldout : ndarray (trials, bins, neurons)
            Spikes per bin, finite where :meth:`used` says so. Only valid during the call.
        """

    @abstractmethod
    def used(self, part: Part, start: int, stop: int) -> Optional[Used]:
        """Where the rates of trials ``start:stop`` are used; None for nowhere."""

    @abstractmethod
    def compute(self) -> float:
        """The score; not finite where it is undefined for these rates."""

    @abstractmethod
    def standard_error(self) -> Optional[float]:
        """Its jackknife standard error over the eval trials; None where it has none."""

    def per_trial(self) -> Dict[str, np.ndarray]:
        """Arrays (eval trials,) from which two submissions can be compared trial by trial."""
        return {}

    @classmethod
    def higher_is_better(cls) -> bool:
        """Whether a board of this metric is in descending order."""
        return cls.best > 0

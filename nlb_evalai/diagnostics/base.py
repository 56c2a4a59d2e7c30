"""What a diagnostic is: an accumulator like a metric, which may be had or say why not."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass, fields, is_dataclass
from typing import Any, ClassVar, Dict, Mapping, Optional, Tuple, Type, TypeVar

import numpy as np

from evaluation_script.arrays import EVAL, SPIKES, Part
from evaluation_script.metrics import Metric
from evaluation_script.submission.layout import Layout

M = TypeVar("M", bound=Metric)


class NotHadError(Exception):
    """A diagnostic cannot be had here; the message says why, and the others go on."""


@dataclass(frozen=True)
class Inputs:
    """The held-in spikes of a group's eval trials, from model inputs.

    Attributes
    ----------
    eval_heldin : ndarray (trials, bins, held-in neurons), optional
        Counts; NaN where nothing was recorded.
    why : str
        Why they are not there.
    """

    eval_heldin: Optional[np.ndarray] = None
    why: str = "it needs model inputs (--inputs)"


@dataclass
class Case:
    """What diagnostics may look at: one group of a submission, and its truth.

    Attributes
    ----------
    group : str
    layout : Layout
        Dataset, bin width and lengths.
    truth : mapping
        The truth's arrays by name (``annotation.TruthArrays``), read when they are asked for.
    file : mapping
        The truth's group in the file, for what no metric reads.
    inputs : Inputs
    """

    group: str
    layout: Layout
    truth: Mapping[str, Any]
    file: Mapping[str, Any]
    inputs: Inputs = Inputs()


@dataclass
class Seen:
    """What has seen the whole group when the findings are asked for.

    Attributes
    ----------
    metrics : mapping
        The group's metrics by key.
    diagnostics : mapping
        The diagnostics that can be had, by name.
    """

    metrics: Mapping[str, Metric]
    diagnostics: Mapping[str, Diagnostic]

    def metric(self, kind: Type[M]) -> Optional[M]:
        """The metric of that class, if the group has it."""
        return next((one for one in self.metrics.values() if isinstance(one, kind)), None)


def heldout_spikes(truth: Mapping[str, Any]) -> np.ndarray:
    """Held-out spikes of the eval trials (trials, bins, neurons).

    Raises
    ------
    NotHadError
        If no metric reads them, or there is none.
    """
    spikes = truth.get(SPIKES.name)
    if spikes is None or not np.nansum(spikes) > 0:
        raise NotHadError("there is no held-out spike")
    return np.asarray(spikes)


class Diagnostic(ABC):
    """Takes the same blocks as a metric, then gives its findings.

    An instance belongs to one group of one submission. What it needs and cannot have is a
    :class:`NotHadError`, of ``__init__`` or of ``result``.

    Attributes
    ----------
    parts : tuple of Part
        The parts whose blocks it takes.
    """

    parts: ClassVar[Tuple[Part, ...]] = (EVAL,)

    @abstractmethod
    def __init__(self, case: Case) -> None:
        """Look at the truth."""

    @abstractmethod
    def update(self, part: Part, start: int, heldin: np.ndarray, heldout: np.ndarray) -> None:
        """Take the next trials of a part, as ``Metric.update`` does; they must not be changed."""

    @abstractmethod
    def result(self, seen: Seen) -> Any:
        """The findings, a dataclass."""


def plain(value: Any) -> Any:
    """A value as JSON has them: dataclasses become objects, arrays lists, NaN and infinity null.

    Examples
    --------
    >>> plain({"bits": np.array([0.5, np.nan]), "neuron": np.int64(3)})
    {'bits': [0.5, None], 'neuron': 3}
    """
    if is_dataclass(value) and not isinstance(value, type):
        return {one.name: plain(getattr(value, one.name)) for one in fields(value)}
    if isinstance(value, Mapping):
        return {str(key): plain(one) for key, one in value.items()}
    if isinstance(value, np.ndarray):
        return plain(value.tolist())
    if isinstance(value, (list, tuple)):
        return [plain(one) for one in value]
    if isinstance(value, np.generic):
        return plain(value.item())
    if isinstance(value, float) and not np.isfinite(value):
        return None
    return value


class Plain:
    """A result that turns into plain JSON values."""

    def to_dict(self) -> Dict[str, Any]:
        """The result as plain JSON values; what is undefined is None."""
        return dict(plain(self))

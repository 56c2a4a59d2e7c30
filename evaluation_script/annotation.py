"""What the host knows: one phase's ground truth, checked and loaded a dataset at a time."""

from __future__ import annotations

import logging
import os
from functools import lru_cache
from pathlib import Path
from typing import Any, Dict, Iterator, List, Mapping, Optional, Sequence, Tuple, Union
from weakref import WeakValueDictionary

import h5py
import numpy as np

from .arrays import SPIKES, Axis, Kind, TruthArray
from .errors import IN_ERROR, AnnotationError
from .files import file_identity, file_sha256
from .metrics import Metric
from .storage import resolve
from .submission.layout import Layout
from .suites import DEFAULT, Dataset, MetricType, Phase, Suite, SuiteError, find
from .suites.session import SeriesBehavior
from .suites.suite import PublishedTruth

logger = logging.getLogger(__name__)

_DTYPES = {Kind.NUMBERS: float, Kind.INTEGERS: np.intp, Kind.MASK: bool}


def host_error(detail: str) -> AnnotationError:
    """Log what is wrong for the host, and make the error that the participant reads."""
    logger.error("ground truth: %s", detail, extra=IN_ERROR)
    return AnnotationError(detail)


def root_text(file: h5py.File, name: str) -> Optional[str]:
    """A root attribute of a truth file (``phase``, ``suite``) as text; None if it has none.

    Files of the reference have no attributes; MATLAB and C write them as bytes.
    """
    found = file.attrs.get(name)
    if isinstance(found, bytes):
        return found.decode("utf-8", "replace")
    return None if found is None else str(found)


class Annotation:
    """An annotation file, open.

    Parameters
    ----------
    path : str or Path
        An HDF5 file in the reference's layout, or a pointer to one (see ``storage``).
    phase : str
        The phase's codename; a root attribute ``phase`` that says otherwise is an error.
    suite : Suite, optional
        A root attribute ``suite`` that says otherwise is an error. Left out, the file says of which
        suite it is.

    Raises
    ------
    AnnotationError
        If the file is missing, unreadable, of another phase or an unknown suite, or holds no
        dataset of the suite.
    """

    def __init__(
        self, path: Union[str, os.PathLike[str]], phase: str, suite: Optional[Suite] = None
    ) -> None:
        self._path = resolve(path, phase)
        self._phase = phase
        self._arrays: WeakValueDictionary[str, TruthArrays] = WeakValueDictionary()
        try:
            self._identity = file_identity(self._path)
            self._file = h5py.File(self._path, "r")
        except OSError as error:
            raise host_error(f"cannot open {self._path}: {error}") from None
        try:
            self._expect("phase", phase)
            if suite is not None:
                self._expect("suite", suite.name)
            self.suite: Suite = suite or self._said_suite()
            self.layouts: Dict[str, Layout] = self._layouts()
            if not self.layouts:
                raise host_error(f"{self._path} holds no dataset of {self.suite.name}")
        except (KeyError, OSError, RuntimeError, ValueError) as error:
            self.close()
            raise host_error(f"{self._path} is damaged: {error!r}") from None
        except BaseException:
            self.close()
            raise

    def __enter__(self) -> Annotation:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the file."""
        self._file.close()

    def facts(self) -> Dict[str, Any]:
        """The file's hash and size, for the receipt.

        Raises
        ------
        AnnotationError
            If the file is not the one any more that was opened.
        """
        try:
            digest = _sha256(self._path, self._identity)
            changed = file_identity(self._path) != self._identity
            n_bytes = self._path.stat().st_size
        except OSError as error:
            raise host_error(f"cannot read {self._path}: {error}") from None
        if changed:
            raise host_error(f"{self._path} changed while it was in use")
        return {"sha256": digest, "bytes": n_bytes}

    @property
    def published(self) -> Optional[PublishedTruth]:
        """The file with public truth that this one is, if it is one.

        Raises
        ------
        AnnotationError
            If the file cannot be read.
        """
        n_bytes = self._identity[2]
        alike = [known for known in self.suite.published_truth if known.n_bytes == n_bytes]
        if not alike:
            return None
        digest = self.facts()["sha256"]
        return next((known for known in alike if known.sha256 == digest), None)

    def phase(self) -> Phase:
        """The phase, with nothing to hide where its truth is known to be public.

        Everything that rounds, floors or refuses for secrecy asks here.

        Raises
        ------
        KeyError
            If the suite has no such phase.
        AnnotationError
            If the file cannot be read.
        """
        phase = self.suite.phase(self._phase)
        return phase.with_public_truth() if self.published else phase

    def arrays(self, group: str) -> TruthArrays:
        """The truth's arrays of a group.

        As long as somebody holds them they are the same ones, so that each is read once.
        """
        arrays = self._arrays.get(group)
        if arrays is None:
            arrays = self._arrays[group] = TruthArrays(self._file[group], self.layouts[group])
        return arrays

    def metrics(self, group: str) -> Tuple[Dict[str, Metric], Dict[str, str]]:
        """The metrics of a group with its truth taken in, ready for a submission.

        Returns
        -------
        dict of str to Metric
            By key, in the order of the suite.
        dict of str to str
            Why each of the others cannot be computed from this truth, by key, for the host.

        Raises
        ------
        AnnotationError
            If an array cannot be read or contradicts another.
        """
        try:
            ready, unfit = _ready(self.arrays(group), self.layouts[group].dataset.metrics)
        except (KeyError, OSError, RuntimeError, ValueError, TypeError) as error:
            raise host_error(f"{self._path}, {group}: {error!r}") from None
        layout = self.layouts[group]
        for metric in ready.values():
            metric.block_starts = layout.dataset.block_starts(layout.size(Axis.EVAL_TRIALS) or 0)
        return ready, unfit

    def _expect(self, name: str, expected: str) -> None:
        found = root_text(self._file, name)
        if found is not None and found != expected:
            raise host_error(f"{self._path} is of {name} {found}, expected {expected}")

    def _said_suite(self) -> Suite:
        try:
            return find(root_text(self._file, "suite") or DEFAULT)
        except SuiteError as error:
            raise host_error(f"{self._path}: {error}") from None

    def _layouts(self) -> Dict[str, Layout]:
        layouts = {}
        for group, (dataset, width) in self.suite.groups().items():
            if group not in self._file:
                continue
            if not isinstance(self._file[group], h5py.Group):
                raise ValueError(f"{group} is not a group")
            if SPIKES.name not in self._file[group]:
                logger.warning("ground truth: %s has no %s, left out", group, SPIKES.name)
                continue
            layout = _layout(self._file[group], dataset, width)
            if layout.metrics:
                layouts[group] = layout
            else:
                logger.warning("ground truth: %s serves no metric, left out", group)
        return layouts


@lru_cache(maxsize=8)
def _sha256(path: Path, identity: tuple) -> str:
    """Hash of a file, once for each version of it that a worker sees."""
    return file_sha256(path)


def _layout(group: h5py.Group, dataset: Dataset, bin_width_ms: int) -> Layout:
    """What a submission must look like, from the shapes of the truth."""
    sizes: Dict[Axis, Optional[int]] = {}
    if isinstance(dataset.behavior, SeriesBehavior):
        sizes[Axis.BEHAVIOR] = dataset.behavior.width
    totals: List[int] = []
    for array in dict.fromkeys([SPIKES, *(a for metric in dataset.metrics for a in metric.truth)]):
        if array.name not in group:
            continue
        for axis, length in zip(array.axes, _shape(group, array)):
            if axis is Axis.NEURONS:
                totals.append(length)
            elif isinstance(axis, Axis):
                if length == 0 and axis is not Axis.HELDOUT:
                    raise ValueError(f"{group.name}/{array.name} has no {axis.value}")
                sizes.setdefault(axis, length)
    heldout = sizes[Axis.HELDOUT]
    assert heldout is not None
    if totals:
        sizes.setdefault(Axis.HELDIN, totals[0] - heldout)
    complete = tuple(metric for metric in dataset.metrics if not _missing(group, metric))
    return Layout(dataset, bin_width_ms, sizes, complete)


def _missing(group: h5py.Group, metric: MetricType) -> List[str]:
    """Names of the arrays that a metric needs and the truth lacks."""
    return [a.name for a in metric.truth if a.default is None and a.name not in group]


def _shape(group: h5py.Group, array: TruthArray) -> Tuple[int, ...]:
    """Shape of an array, which must have as many axes as it should."""
    shape = getattr(group[array.name], "shape", None)
    if shape is None or len(shape) != len(array.axes):
        expected = {1: "one axis", 2: "two axes", 3: "three axes"}[len(array.axes)]
        raise ValueError(f"{group.name}/{array.name} has shape {shape}, expected {expected}")
    return tuple(shape)


class TruthArrays(Mapping[str, Any]):
    """The arrays of one group by name, each read and checked when it is first asked for.

    They are those that some metric of the dataset declares. One that the file lacks is a KeyError,
    a contradiction between them is a ValueError.

    Attributes
    ----------
    group : h5py.Group
        The group in the file, for what no metric reads.
    """

    def __init__(self, group: h5py.Group, layout: Layout) -> None:
        self.group = group
        self._layout = layout
        self._declared = {a.name: a for metric in layout.dataset.metrics for a in metric.truth}
        self._lengths: Dict[str, int] = {}
        self._read: Dict[str, Any] = {}

    def __getitem__(self, name: str) -> Any:
        if name not in self._read:
            self._read[name] = self._values(self._declared[name])
        return self._read[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._declared)

    def __len__(self) -> int:
        return len(self._declared)

    def _length(self, axis: Union[Axis, int, str]) -> Optional[int]:
        if isinstance(axis, Axis):
            return self._layout.size(axis)
        return axis if isinstance(axis, int) else self._lengths.get(axis)

    def _values(self, array: TruthArray) -> Any:
        expected = tuple(self._length(axis) for axis in array.axes)
        if array.default is not None and array.name not in self.group:
            values = np.full([length or 1 for length in expected], array.default)
        else:
            node = self.group[array.name]
            if not isinstance(node, h5py.Dataset):
                raise ValueError(f"{array.name} is not an array")
            values = np.asarray(node[()])
        matches = values.ndim == len(expected) and all(
            want is None or got == want for got, want in zip(values.shape, expected)
        )
        if not matches:
            raise ValueError(f"{array.name} has shape {values.shape}, expected {expected}")
        self._lengths.update(
            (axis, length) for axis, length in zip(array.axes, values.shape) if type(axis) is str
        )
        return self._converted(array, values)

    def _converted(self, array: TruthArray, values: np.ndarray) -> Any:
        if array.kind is Kind.COUNTS:
            spikes = values.astype(np.float32, copy=False)
            if np.nanmin(spikes, initial=0.0) < 0 or np.isinf(spikes).any():
                raise ValueError(f"{array.name} holds negative or infinite counts")
            return spikes
        if array.kind is Kind.TRIAL_LISTS:
            lists = [np.asarray(trials, dtype=np.intp) for trials in values]
            n_trials = self._layout.size(Axis.EVAL_TRIALS) or 0
            for trials in lists:
                if trials.size and not (trials.min() >= 0 and trials.max() < n_trials):
                    raise ValueError(f"{array.name} points at trials that are not there")
            return lists
        return values.astype(
            {Kind.NUMBERS: float, Kind.INTEGERS: np.intp, Kind.MASK: bool}[array.kind]
        )


def _ready(
    arrays: TruthArrays, metrics: Sequence[MetricType]
) -> Tuple[Dict[str, Metric], Dict[str, str]]:
    ready: Dict[str, Metric] = {}
    unfit: Dict[str, str] = {}
    for metric in metrics:
        missing = _missing(arrays.group, metric)
        reason = f"{' and '.join(missing)} missing" if missing else metric.unfit(arrays)
        if reason:
            unfit[metric.key] = reason
            logger.error("ground truth: %s: %s: %s", arrays.group.name, metric.key, reason)
        else:
            ready[metric.key] = metric(arrays)
    return ready, unfit

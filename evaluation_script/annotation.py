"""What the host knows: one phase's ground truth, checked and loaded a dataset at a time."""

from __future__ import annotations

import logging
import os
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import Any, Dict, List, Optional, Tuple, Union

import h5py
import numpy as np

from .errors import IN_ERROR, AnnotationError
from .files import file_identity, file_sha256
from .storage import resolve
from .submission.layout import Layout
from .suite import FP_BPS, PSTH_R2, TP_CORR, VEL_R2, Dataset, Suite

logger = logging.getLogger(__name__)


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


@dataclass
class Truth:
    """The ground truth of one dataset at one bin width, checked.

    Shapes: spikes (trials, bins, neurons), NaN where not scored; velocity behavior (trials, bins,
    2), timing behavior (trials, 5); decode masks (trials, decoders), one column of True where the
    file has none; psth (conditions, bins, neurons). ``unfit`` tells why a metric cannot be
    computed from this truth, by key.
    """

    layout: Layout
    eval_spikes: np.ndarray
    train_behavior: Optional[np.ndarray] = None
    eval_behavior: Optional[np.ndarray] = None
    train_mask: Optional[np.ndarray] = None
    eval_mask: Optional[np.ndarray] = None
    psth: Optional[np.ndarray] = None
    eval_conditions: List[np.ndarray] = field(default_factory=list)
    eval_jitter: Optional[np.ndarray] = None
    forward_spikes: Optional[np.ndarray] = None
    unfit: Dict[str, str] = field(default_factory=dict)


class Annotation:
    """An annotation file, open.

    Parameters
    ----------
    path : str or Path
        An HDF5 file in the reference's layout, or a pointer to one (see ``storage``).
    suite : Suite
    phase : str
        The phase's codename; a root attribute ``phase`` that says otherwise is an error.

    Raises
    ------
    AnnotationError
        If the file is missing, unreadable, of another phase, or holds no dataset of the suite.
    """

    def __init__(self, path: Union[str, os.PathLike[str]], suite: Suite, phase: str) -> None:
        self._path = resolve(path, phase)
        try:
            self._identity = file_identity(self._path)
            self._file = h5py.File(self._path, "r")
        except OSError as error:
            raise host_error(f"cannot open {self._path}: {error}") from None
        try:
            self._check_root(suite, phase)
            self.layouts: Dict[str, Layout] = self._layouts(suite)
            if not self.layouts:
                raise host_error(f"{self._path} holds no dataset of {suite.name}")
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

    def load(self, group: str) -> Truth:
        """Read and check the arrays of one group.

        Raises
        ------
        AnnotationError
            If an array cannot be read or contradicts another.
        """
        try:
            return _Loader(self._file[group], self.layouts[group]).load()
        except (KeyError, OSError, RuntimeError, ValueError, TypeError) as error:
            raise host_error(f"{self._path}, {group}: {error!r}") from None

    def _check_root(self, suite: Suite, phase: str) -> None:
        for name, expected in (("phase", phase), ("suite", suite.name)):
            found = root_text(self._file, name)
            if found is not None and found != expected:
                raise host_error(f"{self._path} is of {name} {found}, expected {expected}")

    def _layouts(self, suite: Suite) -> Dict[str, Layout]:
        layouts = {}
        for group, (dataset, width) in suite.groups().items():
            if group not in self._file:
                continue
            if not isinstance(self._file[group], h5py.Group):
                raise ValueError(f"{group} is not a group")
            if "eval_spikes_heldout" not in self._file[group]:
                logger.warning("ground truth: %s has no eval_spikes_heldout, left out", group)
                continue
            layouts[group] = _layout(self._file[group], dataset, width)
        return layouts


def _layout(group: h5py.Group, dataset: Dataset, bin_width_ms: int) -> Layout:
    """What a submission must look like, from the shapes of the truth."""
    n_eval, n_bins, n_heldout = _shape(group, "eval_spikes_heldout")
    n_heldin = n_forward = None
    if "eval_spikes_heldin_forward" in group and "eval_spikes_heldout_forward" in group:
        _, n_bins_forward, n_heldin = _shape(group, "eval_spikes_heldin_forward")
        if FP_BPS in dataset.metrics:
            n_forward = n_bins_forward
    elif "psth" in group:
        n_heldin = _shape(group, "psth")[2] - n_heldout
    has_train = VEL_R2 in dataset.metrics and "train_behavior" in group
    return Layout(
        dataset=dataset,
        bin_width_ms=bin_width_ms,
        n_train=_shape(group, "train_behavior")[0] if has_train else None,
        n_eval=n_eval,
        n_bins=n_bins,
        n_forward=n_forward,
        n_heldin=n_heldin,
        n_heldout=n_heldout,
    )


def _shape(group: h5py.Group, name: str) -> Tuple[int, int, int]:
    """Shape of an array of three axes."""
    shape = getattr(group[name], "shape", None)
    if shape is None or len(shape) != 3:
        raise ValueError(f"{group.name}/{name} has shape {shape}, expected three axes")
    return shape[0], shape[1], shape[2]


@lru_cache(maxsize=8)
def _sha256(path: Path, identity: tuple) -> str:
    """Hash of a file, once for each version of it that a worker sees."""
    return file_sha256(path)


class _Loader:
    """Reads one group; a contradiction is a ValueError, a metric that cannot be an entry."""

    def __init__(self, group: h5py.Group, layout: Layout) -> None:
        self.group = group
        self.layout = layout
        self.truth = Truth(layout, self._counts("eval_spikes_heldout", layout.n_heldout))

    def load(self) -> Truth:
        layout, truth = self.layout, self.truth
        metrics = layout.dataset.metrics
        if not np.nansum(truth.eval_spikes) > 0:
            truth.unfit["co-bps"] = "there is no held-out spike to predict"
        if VEL_R2 in metrics:
            self._velocity()
        if TP_CORR in metrics:
            self._timing()
        if PSTH_R2 in metrics:
            self._psth()
        if FP_BPS in metrics:
            self._forward()
        for key, reason in truth.unfit.items():
            logger.error("ground truth: %s: %s: %s", self.group.name, key, reason)
        return truth

    def _array(self, name: str, shape: Tuple[Optional[int], ...]) -> np.ndarray:
        if not isinstance(self.group[name], h5py.Dataset):
            raise ValueError(f"{name} is not an array")
        found = self.group[name][()]
        matches = found.ndim == len(shape) and all(
            want is None or got == want for got, want in zip(found.shape, shape)
        )
        if not matches:
            raise ValueError(f"{name} has shape {found.shape}, expected {shape}")
        return np.asarray(found)

    def _counts(self, name: str, neurons: Optional[int]) -> np.ndarray:
        layout = self.layout
        bins = layout.n_forward if name.endswith("_forward") else layout.n_bins
        spikes = self._array(name, (layout.n_eval, bins, neurons)).astype(np.float32, copy=False)
        if np.nanmin(spikes, initial=0.0) < 0 or np.isinf(spikes).any():
            raise ValueError(f"{name} holds negative or infinite counts")
        return spikes

    def _velocity(self) -> None:
        layout, truth = self.layout, self.truth
        missing = [n for n in ("train_behavior", "eval_behavior") if n not in self.group]
        if missing:
            truth.unfit[VEL_R2.key] = f"{' and '.join(missing)} missing"
            return
        truth.train_behavior = self._behavior("train_behavior", layout.n_train)
        truth.eval_behavior = self._behavior("eval_behavior", layout.n_eval)
        if "train_decode_mask" in self.group:
            truth.train_mask = self._array("train_decode_mask", (layout.n_train, None)).astype(bool)
            columns = truth.train_mask.shape[1]
            truth.eval_mask = self._array("eval_decode_mask", (layout.n_eval, columns)).astype(bool)
        else:
            truth.train_mask = np.ones((truth.train_behavior.shape[0], 1), bool)
            truth.eval_mask = np.ones((layout.n_eval, 1), bool)
        reason = _unfit_velocity(truth)
        if reason:
            truth.unfit[VEL_R2.key] = reason

    def _behavior(self, name: str, trials: Optional[int]) -> np.ndarray:
        return self._array(name, (trials, self.layout.n_bins, 2)).astype(float)

    def _timing(self) -> None:
        truth = self.truth
        if "eval_behavior" not in self.group:
            truth.unfit[TP_CORR.key] = "eval_behavior missing"
            return
        truth.eval_behavior = self._array("eval_behavior", (self.layout.n_eval, 5)).astype(float)
        reason = _unfit_timing(truth)
        if reason:
            truth.unfit[TP_CORR.key] = reason

    def _psth(self) -> None:
        layout, truth = self.layout, self.truth
        missing = [n for n in ("psth", "eval_cond_idx") if n not in self.group]
        if missing:
            truth.unfit[PSTH_R2.key] = f"{' and '.join(missing)} missing"
            return
        neurons = None if layout.n_heldin is None else layout.n_heldin + layout.n_heldout
        truth.psth = self._array("psth", (None, layout.n_bins, neurons)).astype(float)
        lists = self._array("eval_cond_idx", (truth.psth.shape[0],))
        truth.eval_conditions = [np.asarray(trials, dtype=np.intp) for trials in lists]
        for trials in truth.eval_conditions:
            if trials.size and not (trials.min() >= 0 and trials.max() < layout.n_eval):
                raise ValueError("eval_cond_idx points at trials that are not there")
        truth.eval_jitter = np.zeros(layout.n_eval, np.intp)
        if "eval_jitter" in self.group:
            truth.eval_jitter = self._array("eval_jitter", (layout.n_eval,)).astype(np.intp)
        reason = _unfit_psth(truth)
        if reason:
            truth.unfit[PSTH_R2.key] = reason

    def _forward(self) -> None:
        layout, truth = self.layout, self.truth
        if layout.n_forward is None:
            truth.unfit[FP_BPS.key] = "forward spikes missing"
            return
        heldin = self._counts("eval_spikes_heldin_forward", layout.n_heldin)
        heldout = self._counts("eval_spikes_heldout_forward", layout.n_heldout)
        truth.forward_spikes = np.concatenate([heldin, heldout], axis=2)
        if not np.nansum(truth.forward_spikes) > 0:
            truth.unfit[FP_BPS.key] = "there is no spike in the forward window"


def _unfit_velocity(truth: Truth) -> Optional[str]:
    """Why no decoder can be fitted or scored with this behavior, or None."""
    pairs = (
        ("train", truth.train_behavior, truth.train_mask, 5),
        ("eval", truth.eval_behavior, truth.eval_mask, 2),
    )
    for name, behavior, mask, least in pairs:
        assert behavior is not None
        assert mask is not None
        kept = ~np.isnan(behavior[..., 0])
        for column in range(mask.shape[1]):
            rows = behavior[mask[:, column]][kept[mask[:, column]]]
            if len(rows) < least:
                return f"decode mask {column} leaves {len(rows)} {name} bins"
            if not np.isfinite(rows).all():
                return f"{name}_behavior is not finite in one column only"
    return None


def _unfit_timing(truth: Truth) -> Optional[str]:
    """Why no correlation can be computed with these trials, or None."""
    from .metrics.timing import condition_members

    behavior = truth.eval_behavior
    assert behavior is not None
    members = condition_members(behavior)
    scored = (~np.isnan(truth.eval_spikes[..., 0])).sum(axis=1)
    if not members:
        return "no trial belongs to a condition"
    for trials in members:
        if len(trials) < 2:
            return "a condition has fewer than two trials"
        if not np.isfinite(behavior[trials, -1]).all():
            return "tp is not finite in a trial of a condition"
        if (scored[trials] < 2).any():
            return "a trial of a condition has fewer than two scored bins"
    return None


def _unfit_psth(truth: Truth) -> Optional[str]:
    """Why the PSTHs cannot be compared, or None."""
    assert truth.psth is not None
    assert truth.eval_jitter is not None
    rows = 0
    for condition, trials in enumerate(truth.eval_conditions):
        if trials.size == 0:
            continue
        valid = ~np.isnan(truth.psth[condition, :, 0])
        if not np.isfinite(truth.psth[condition][valid]).all():
            return "psth is NaN for some neurons of a bin only"
        source = np.flatnonzero(valid)[None, :] - truth.eval_jitter[trials, None]
        if source.size and not (source.min() >= 0 and source.max() < len(valid)):
            return f"jitter shifts bins of condition {condition} in from outside the trial"
        rows += int(valid.sum())
    return None if rows >= 2 else "no condition has both eval trials and a PSTH"

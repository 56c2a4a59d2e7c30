"""A session -> the ground truth of one dataset in one phase, at every bin width.

Array names, layouts and values are the reference's (``make_eval_target_tensors``).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Callable, Dict, List, Optional, Sequence, Tuple

import numpy as np
from numpy.typing import NDArray

from evaluation_script.suites import Dataset, Phase
from evaluation_script.suites.session import SeriesBehavior, TrialBehavior, Window
from nlb_evalai.truth.errors import SessionError
from nlb_evalai.truth.psth import Psth, build_psths
from nlb_evalai.truth.recording import NO_TIME, NS_PER_MS, Recording
from nlb_evalai.truth.resample import Binned, bin_recording
from nlb_evalai.truth.sessions import columns, rules_of
from nlb_evalai.truth.windows import pad_back, pad_front, stack, trial_ranges

#: array name -> array, or a list of index arrays for ``*_cond_idx``
Arrays = Dict[str, object]


@dataclass(frozen=True)
class Selection:
    """Which trials train, which are evaluated, and which are averaged in the PSTHs.

    ``psth_beyond`` averages over all trials but those of split ``none``, also over ones in
    neither selection. ``truth_is_public``: the held-out spikes of the eval trials are known.
    """

    train: Tuple[str, ...]
    evaluate: Tuple[str, ...]
    psth_beyond: bool = False
    truth_is_public: bool = True

    @classmethod
    def of_phase(cls, phase: Phase) -> Selection:
        """The selection of a phase of the challenge."""
        return cls(
            phase.train_splits, (phase.eval_split,), phase.psth_beyond, phase.truth_is_public
        )


@dataclass
class _Side:
    """The train or the eval trials: rows of the table, and their jittered event."""

    rows: NDArray[np.int64]
    included: NDArray[np.bool_]
    align_ns: NDArray[np.int64]
    jitter: NDArray[np.int64]


def build_targets(
    recording: Recording,
    dataset: Dataset,
    selection: Selection,
    bin_widths_ms: Sequence[int],
    seed: int = 0,
    tick: Optional[Callable[[], None]] = None,
) -> Dict[int, Arrays]:
    """Ground truth of a session: bin width in ms -> arrays by name.

    Parameters
    ----------
    recording : Recording
        Read with ``keep_series=dataset.series``.
    dataset : Dataset
    selection : Selection
    bin_widths_ms : sequence of int
    seed : int
        Of the jitter's random numbers, in datasets that have it.
    tick : callable, optional
        Called after each unit.

    Raises
    ------
    SessionError
        If the session lacks something that the arrays need; names file, table and column.
    """
    check_fits(recording, dataset, targets=True)
    for splits in (selection.train, selection.evaluate):
        check_splits(recording, splits)
    psths: Dict[int, Psth] = {}
    psth_rule = rules_of(dataset).psth
    if psth_rule is not None:
        usable = _psth_trials(recording, selection)
        psths = build_psths(recording, psth_rule, usable, bin_widths_ms, tick)
    return {
        width: _at_width(recording, dataset, selection, width, seed, psths.get(width))
        for width in bin_widths_ms
    }


def check_fits(recording: Recording, dataset: Dataset, targets: bool) -> None:
    """Raise a SessionError unless the session has the columns, units and series it needs."""
    trials = recording.trials
    found = set(trials.names())
    missing = sorted(columns(dataset, targets) - found)
    if missing:
        raise SessionError(
            f"{recording.where}: table intervals/trials has no column "
            f"{', '.join(map(repr, missing))}, needed for {dataset.name}; found "
            f"{', '.join(sorted(found))}; is it a session of another dataset?"
        )
    if not len(recording.heldin):
        raise SessionError(f"{recording.where}: table units has no held-in unit")
    if not targets:
        return
    if not len(recording.heldout) and dataset.published.n_heldout != 0:
        raise SessionError(
            f"{recording.where}: table units has no held-out unit (column 'heldout'); ground "
            "truth needs the session with all of them"
        )
    if dataset.series is not None and dataset.series not in recording.series:
        why = recording.dropped.get(dataset.series)
        found_series = ", ".join(sorted(recording.series)) or "none"
        detail = f"it is left out: {why}" if why else f"found {found_series}"
        raise SessionError(
            f"{recording.where}: no time series {dataset.series!r}, the behavior of "
            f"{dataset.name}; {detail}"
        )


def check_splits(recording: Recording, splits: Sequence[str]) -> None:
    """Raise a SessionError unless each split has a trial."""
    column = recording.trials.column("split").astype(str)
    present = sorted(set(column.tolist()))
    missing = [split for split in splits if split not in present]
    if missing:
        raise SessionError(
            f"{recording.where}: table intervals/trials, column 'split': no trial of "
            f"{', '.join(map(repr, missing))}, found {', '.join(map(repr, present))}"
        )


def take_side(
    recording: Recording,
    dataset: Dataset,
    window: Window,
    splits: Sequence[str],
    bin_width_ms: int,
    seed: int,
) -> _Side:
    """The trials of some splits, without those that lack the event (said in a note).

    The reference leaves such trials out of the model inputs, and stops on them when it makes
    the truth; leaving them out of both keeps the two in step.
    """
    trials = recording.trials
    chosen = trials.in_splits(splits)
    align_ns = trials.time(window.align).copy()
    jitter = np.zeros(len(trials), np.int64)
    if rules_of(dataset).jitter is not None:
        bins, known = _draw_jitter(recording, dataset, chosen, bin_width_ms, seed)
        jitter[chosen] = bins
        shifted = align_ns + jitter * bin_width_ms * NS_PER_MS
        align_ns = np.where((align_ns == NO_TIME) | ~known, NO_TIME, shifted)
    lost = chosen & (align_ns == NO_TIME)
    if lost.any():
        _note_once(
            recording,
            f"{recording.where}: rows {', '.join(map(str, np.flatnonzero(lost)))} of the trials "
            f"table ({', '.join(splits)}) have no {window.align!r} and are left out",
        )
    included = chosen & ~lost
    return _Side(np.flatnonzero(included), included, align_ns, jitter[included])


def _draw_jitter(
    recording: Recording,
    dataset: Dataset,
    chosen: NDArray[np.bool_],
    bin_width_ms: int,
    seed: int,
) -> Tuple[NDArray[np.int64], NDArray[np.bool_]]:
    """Jitter in bins of the chosen trials, and for which of all trials it is known.

    One draw a trial, in table order, also where there is no room for any jitter; the same
    seed for train and eval trials. All of this decides the published numbers.
    """
    rule = rules_of(dataset).jitter
    assert rule is not None
    trials = recording.trials
    room_ms = np.zeros(len(trials))
    exempt = trials.in_splits([rule.exempt_split])
    if not exempt[chosen].all():
        values = trials.number(rule.column)
        room_ms = np.where(exempt, 0.0, np.clip(rule.limit_ms - values, 0.0, rule.max_ms))
    highest = np.floor(np.round(room_ms[chosen] / bin_width_ms, 4))
    draws = np.random.RandomState(seed).random_sample(int(chosen.sum()))
    bins = np.round(draws * highest)
    known = ~np.isnan(room_ms)
    return np.where(np.isnan(bins), 0, bins).astype(np.int64), known


def _psth_trials(recording: Recording, selection: Selection) -> NDArray[np.bool_]:
    if selection.psth_beyond:
        return ~recording.trials.in_splits(["none"])
    return recording.trials.in_splits([*selection.train, *selection.evaluate])


def _at_width(
    recording: Recording,
    dataset: Dataset,
    selection: Selection,
    width: int,
    seed: int,
    psth: Optional[Psth],
) -> Arrays:
    binned = bin_recording(recording, width, dataset.series)
    window = rules_of(dataset).eval_window
    train = take_side(recording, dataset, window, selection.train, width, seed)
    evaluate = take_side(recording, dataset, window, selection.evaluate, width, seed)
    arrays: Arrays = {"eval_spikes_heldout": _eval_spikes(recording, dataset, binned, evaluate)}
    if dataset.behavior is not None:
        for name, side in (("train", train), ("eval", evaluate)):
            arrays[f"{name}_behavior"] = behavior_of(recording, dataset, window, binned, side)
    if dataset.forward_ms is not None:
        forward = forward_spikes(recording, dataset, window, binned, evaluate, "eval")
        arrays["eval_spikes_heldin_forward"], arrays["eval_spikes_heldout_forward"] = forward
    decode_masks = rules_of(dataset).decode_masks
    if decode_masks is not None:
        column, values = decode_masks
        masks = np.stack([recording.trials.number(column) == value for value in values], axis=1)
        arrays["train_decode_mask"] = masks[train.rows]
        arrays["eval_decode_mask"] = masks[evaluate.rows]
    if psth is not None:
        arrays["psth"] = psth.values.astype(np.float32)
        for name, side in (("train", train), ("eval", evaluate)):
            arrays[f"{name}_cond_idx"] = [
                np.flatnonzero(np.isin(side.rows, rows)).astype(np.int32) for rows in psth.rows
            ]
            if rules_of(dataset).jitter is not None:
                arrays[f"{name}_jitter"] = side.jitter.astype(np.int32)
    return arrays


def _eval_spikes(
    recording: Recording, dataset: Dataset, binned: Binned, side: _Side
) -> NDArray[np.float32]:
    """Held-out spikes of the scored part of each eval trial."""
    width, window = binned.bin_width_ms, rules_of(dataset).eval_window
    ranges = trial_ranges(
        recording.trials, side.included, window, width, binned.n_bins, side.align_ns
    )
    if window.start_ms is not None and window.stop_ms is not None:
        what = f"{recording.where}: eval_spikes_heldout at {width} ms"
        return stack(ranges, [binned.heldout], binned.complete, what, recording.notes)[0]
    length_ms = rules_of(dataset).pad_front_ms
    assert length_ms is not None, "windows of several lengths need pad_front_ms"
    length = round(length_ms / width)
    padded = pad_front(ranges, binned.heldout, side.rows, length, side.jitter, binned.complete)
    if np.isnan(padded).all():
        raise SessionError(
            f"{recording.where}: no eval trial has an observed bin between "
            f"{window.start_field!r} and {window.end_field!r}; do obs_intervals and trial times "
            "share a clock?"
        )
    return padded.astype(np.float32)


def behavior_of(
    recording: Recording, dataset: Dataset, window: Window, binned: Binned, side: _Side
) -> NDArray[np.float32]:
    """Velocity (trials, bins, columns), or trial columns (trials, columns); NaN where unknown."""
    trials, behavior = recording.trials, dataset.behavior
    if isinstance(behavior, TrialBehavior):
        table = np.stack([trials.number(name) for name in behavior.columns], axis=1)
        table[trials.number(behavior.valid_column) != 0] = np.nan
        return table[side.rows].astype(np.float32)
    assert isinstance(behavior, SeriesBehavior)
    assert binned.behavior is not None
    ranges = trial_ranges(
        trials,
        side.included,
        window.lagged(behavior.lag_ms),
        binned.bin_width_ms,
        binned.n_bins,
        side.align_ns,
    )
    values = pad_back(ranges, binned.behavior, side.rows)
    if np.isnan(values).all():
        raise SessionError(
            f"{recording.where}: time series {behavior.series!r} has no value in any of "
            f"{len(side.rows)} windows around {window.align!r}; do they share a clock?"
        )
    return values.astype(np.float32)


def forward_spikes(
    recording: Recording,
    dataset: Dataset,
    window: Window,
    binned: Binned,
    side: _Side,
    name: str,
) -> List[NDArray[np.float32]]:
    """Held-in and held-out spikes of the time after the window."""
    assert dataset.forward_ms is not None
    width = binned.bin_width_ms
    ranges = trial_ranges(
        recording.trials,
        side.included,
        window.following(dataset.forward_ms),
        width,
        binned.n_bins,
        side.align_ns,
    )
    what = f"{recording.where}: {name} spikes of the forward window at {width} ms"
    return stack(ranges, [binned.heldin, binned.heldout], binned.complete, what, recording.notes)


def _note_once(recording: Recording, note: str) -> None:
    if note not in recording.notes:
        recording.notes.append(note)

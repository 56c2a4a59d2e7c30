"""A session -> what models get: spikes of the train trials, held-in spikes of the eval trials.

Array names, layouts and values are the reference's (``make_train_input_tensors`` with behavior
and forward spikes, ``make_eval_input_tensors``).
"""

from __future__ import annotations

from typing import Dict, Sequence

from numpy.typing import NDArray

from evaluation_script.suites import Dataset
from evaluation_script.suites.session import TrialBehavior
from nlb_evalai.truth.recording import Recording
from nlb_evalai.truth.resample import Binned, bin_recording
from nlb_evalai.truth.sessions import rules_of
from nlb_evalai.truth.targets import (
    Selection,
    behavior_of,
    check_fits,
    check_splits,
    forward_spikes,
    take_side,
)
from nlb_evalai.truth.windows import stack, trial_ranges


def build_inputs(
    recording: Recording,
    dataset: Dataset,
    selection: Selection,
    bin_widths_ms: Sequence[int],
    seed: int = 0,
    for_model: bool = False,
) -> Dict[int, Dict[str, NDArray]]:
    """Model inputs of a session: bin width in ms -> arrays by name.

    ``train_spikes_heldin``, ``train_spikes_heldout`` and the same with ``_forward``,
    ``train_behavior`` (where the session has it), ``eval_spikes_heldin``, and where the eval
    trials are not those of split ``test`` also ``eval_spikes_heldout``; spikes per bin,
    (trials, bins, units). ``for_model`` leaves out the behavior and keeps the forward window
    of every train trial, NaN where nothing was recorded.

    Raises
    ------
    SessionError
        If the session lacks something that the arrays need; names file, table and column.
    """
    check_fits(recording, dataset, targets=False)
    for splits in (selection.train, selection.evaluate):
        check_splits(recording, splits)
    inputs = {}
    for width in bin_widths_ms:
        binned = bin_recording(recording, width, dataset.series)
        inputs[width] = {
            **_train_arrays(recording, dataset, selection, binned, seed, for_model),
            **_eval_arrays(recording, dataset, selection, binned, seed),
        }
    return inputs


def _train_arrays(
    recording: Recording,
    dataset: Dataset,
    selection: Selection,
    binned: Binned,
    seed: int,
    for_model: bool,
) -> Dict[str, NDArray]:
    width, window = binned.bin_width_ms, rules_of(dataset).train_window
    side = take_side(recording, dataset, window, selection.train, width, seed)
    ranges = trial_ranges(
        recording.trials, side.included, window, width, binned.n_bins, side.align_ns
    )
    what = f"{recording.where}: train spikes at {width} ms"
    fields = [binned.heldin, binned.heldout]
    spikes = stack(ranges, fields, binned.complete, what, recording.notes)
    arrays = {"train_spikes_heldin": spikes[0], "train_spikes_heldout": spikes[1]}
    if dataset.forward_ms is not None:
        forward = forward_spikes(
            recording, dataset, window, binned, side, "train", every_trial=for_model
        )
        arrays["train_spikes_heldin_forward"], arrays["train_spikes_heldout_forward"] = forward
    if not for_model and _has_behavior(recording, dataset, binned):
        arrays["train_behavior"] = behavior_of(recording, dataset, window, binned, side)
    return arrays


def _has_behavior(recording: Recording, dataset: Dataset, binned: Binned) -> bool:
    behavior = dataset.behavior
    if isinstance(behavior, TrialBehavior):
        return {*behavior.columns, behavior.valid_column} <= set(recording.trials.names())
    return binned.behavior is not None


def _eval_arrays(
    recording: Recording, dataset: Dataset, selection: Selection, binned: Binned, seed: int
) -> Dict[str, NDArray]:
    """Bins without a recording stay in, as NaN; held-out spikes only where they are public."""
    width, window = binned.bin_width_ms, rules_of(dataset).train_window
    side = take_side(recording, dataset, window, selection.evaluate, width, seed)
    ranges = trial_ranges(
        recording.trials, side.included, window, width, binned.n_bins, side.align_ns
    )
    what = f"{recording.where}: eval spikes at {width} ms"
    fields = [binned.heldin, binned.heldout] if selection.truth_is_public else [binned.heldin]
    spikes = stack(ranges, fields, None, what, recording.notes)
    return dict(zip(("eval_spikes_heldin", "eval_spikes_heldout"), spikes))

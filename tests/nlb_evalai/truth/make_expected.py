"""Fingerprints of what the reference makes of the test sessions -> tests/data/ground_truth.json.

Run it in the reference's environment (Python 3.9, nlb-tools 0.0.4, numpy 1.21.6, scipy 1.7.3,
pandas 1.3.4, pynwb 2.0.1), on the sessions as pynwb wrote them:

    python make_expected.py SESSIONS_FOLDER OUT.json
"""

from __future__ import annotations

import json
import logging
import shutil
import sys
import tempfile
from pathlib import Path
from typing import Any, Dict

import h5py
from digests import fingerprints
from nlb_tools.make_tensors import (
    PARAMS,
    make_eval_input_tensors,
    make_eval_target_tensors,
    make_train_input_tensors,
)
from nlb_tools.nwb_interface import NWBDataset
from odd_sessions import ODD, STOPPED, Odd, dataset_of

PHASES = {"val": ("train", "train", "val"), "test": ("full", ["train", "val"], "test")}
SEVERAL_FILES = ("mc_maze_small", "dmfc_rsg", "mc_rtt")


def load(path: Path, prefix: str, width: int) -> NWBDataset:
    dataset = NWBDataset(str(path), prefix)
    if width != 1:
        dataset.resample(width)
    return dataset


def inputs(dataset: NWBDataset, name: str, train: Any, evaluate: Any, forward: bool) -> Dict:
    extra = {"include_behavior": True, "include_forward_pred": forward}
    quiet = {"save_file": False}
    arrays = make_train_input_tensors(dataset, name, train, **extra, **quiet)
    return {**arrays, **make_eval_input_tensors(dataset, name, evaluate, **quiet)}


def odd_targets(folder: Path, odd: Odd) -> Dict[str, Any]:
    name = dataset_of(odd.session)
    with tempfile.TemporaryDirectory() as scratch:
        path = Path(scratch) / "session.nwb"
        shutil.copyfile(folder / f"{odd.session}.nwb", path)
        path.chmod(0o644)
        with h5py.File(path, "r+") as file:
            odd.edit(file)
        dataset = load(path, "", odd.bin_width_ms)
        params = {"eval_make_params": PARAMS[name]["make_params"]} if odd.like_lightning else None
        built = make_eval_target_tensors(
            dataset,
            name,
            odd.train,
            odd.evaluate,
            update_params=params,
            include_psth=True,
            save_path=str(Path(scratch) / "target.h5"),
        )
    return next(iter(built.values()))


def main(folder: Path, out: Path) -> None:
    expected: Dict[str, Any] = {"inputs": {}, "several_files": {}, "odd": {}}
    for phase, (variant, train, evaluate) in PHASES.items():
        for name in PARAMS:
            for width in (5, 20):
                dataset = load(folder / f"{name}_{variant}.nwb", "", width)
                # with forward spikes the reference stops on mc_rtt
                arrays = inputs(dataset, name, train, evaluate, forward=name != "mc_rtt")
                group = name if width == 5 else f"{name}_{width}"
                expected["inputs"][f"{phase}/{group}"] = fingerprints(arrays)
    with tempfile.TemporaryDirectory() as scratch:
        for name in SEVERAL_FILES:
            both = Path(scratch) / name
            both.mkdir()
            for variant in ("test", "train"):
                (both / f"{name}_{variant}.nwb").symlink_to(folder / f"{name}_{variant}.nwb")
            for width in (5, 20):
                dataset = load(both, "", width)
                built = make_eval_target_tensors(
                    dataset, name, "train", "val", include_psth=True, save_file=False
                )
                dataset = load(both, "", width)
                arrays = inputs(dataset, name, ["train", "val"], "test", forward=name != "mc_rtt")
                group = next(iter(built))
                expected["several_files"][group] = {
                    "targets": fingerprints(built[group]),
                    "inputs": fingerprints(arrays),
                }
    for case, odd in ODD.items():
        expected["odd"][case] = fingerprints(odd_targets(folder, odd))
    for case, (odd, message) in STOPPED.items():
        try:
            odd_targets(folder, odd)
        except Exception as error:
            found = f"{type(error).__name__}: {error}"
            if not found.startswith(message):
                raise
        else:
            raise SystemExit(f"{case}: the reference did not stop")
    out.write_text(json.dumps(expected, indent=1, sort_keys=True) + "\n")


if __name__ == "__main__":
    logging.disable(logging.CRITICAL)
    main(Path(sys.argv[1]).resolve(), Path(sys.argv[2]))

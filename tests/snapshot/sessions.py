"""Snapshots of what is made of NWB sessions: ground truth, inputs, a baseline, and refusals."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any, Callable, Dict, List

import h5py

from tests.nlb_evalai.truth.digests import fingerprint
from tests.nlb_evalai.truth.odd_sessions import ODD, STOPPED
from tests.nlb_evalai.truth.test_bad_sessions import CASES as BAD
from tests.nlb_evalai.truth.test_verify import FAULTS

from .entry import GOLDEN, SESSIONS, command, evaluated, plain_lines, said, succeeded

#: phase -> which file of a session it is built from
VARIANT = {"val": "train", "test": "full"}
#: several files of one session
JOINED = ("mc_maze_small", "dmfc_rsg", "mc_rtt")


def _sources(variant: str) -> List[object]:
    names = sorted(path.stem for path in SESSIONS.glob(f"*_{variant}.nwb"))
    return [
        argument
        for name in names
        for argument in ("--nwb", f"{name[: -len(variant) - 1]}={SESSIONS / name}.nwb")
    ]


def built(folder: Path) -> Dict[str, Any]:
    """Truth and inputs of all sessions, array by array."""
    found: Dict[str, Any] = {}
    for phase, variant in VARIANT.items():
        truth = folder / f"truth_{phase}.h5"
        arguments = ["--phase", phase, *_sources(variant)]
        ran = succeeded("annotations", "build", *arguments, "--out", truth)
        found[f"annotations {phase}"] = _file(truth)
        found[f"annotations {phase}, words"] = said(ran, folder)
        found[f"verify {phase}"] = said(
            command("annotations", "verify", "--shapes", "any", truth), folder
        )
    inputs = folder / "inputs.h5"
    arguments = ["--phase", "val", *_sources("train")]
    found["inputs, words"] = said(succeeded("inputs", "build", *arguments, "--out", inputs), folder)
    found["inputs"] = _file(inputs)
    for name in JOINED:
        both = folder / name
        both.mkdir()
        for variant in ("test", "train"):
            shutil.copyfile(SESSIONS / f"{name}_{variant}.nwb", both / f"{name}_{variant}.nwb")
        truth = folder / f"{name}.h5"
        ran = succeeded(
            *("annotations", "build", "--phase", "val", "--nwb", f"{name}={both}", "--out", truth)
        )
        found[f"several files, {name}"] = {**_file(truth), "words": said(ran, folder)}
    return found


def _file(path: Path) -> Dict[str, Any]:
    """Attributes but the versions, and a fingerprint for each array."""
    with h5py.File(path) as file:
        attributes = {
            name: json.loads(value) if str(value).startswith("{") else str(value)
            for name, value in file.attrs.items()
            if name != "versions"
        }
        arrays = {
            f"{group}/{name}": _line(node[()])
            for group in file
            for name, node in file[group].items()
        }
    return {"attributes": attributes, "arrays": arrays}


def _line(value: Any) -> str:
    return " ".join(f"{k}={v}" for k, v in fingerprint(value).items())


def baseline(folder: Path) -> Dict[str, Any]:
    """The rates of the smoothing model and their scores.

    Its matrix products are of single precision, so the last digits are those of the machine's
    linear algebra: this one is compared more loosely.
    """
    rates = folder / "rates.h5"
    ran = succeeded("baseline", "--phase", "val", *_sources("train"), "--out", rates)
    found: Dict[str, Any] = {"words": said(ran, folder)}
    with h5py.File(rates) as file:
        for group in file:
            for name, node in file[group].items():
                mean = float(node[()].mean(dtype=float))
                found[f"{group}/{name}"] = [f"{node.shape} {node.dtype}", mean]
    scored = evaluated(GOLDEN / "target_val.h5", rates, "val")
    return {**found, "receipt": scored["submission_metadata"]}


def refused(folder: Path) -> Dict[str, Any]:
    """What is said of sessions that are bad or odd, and of annotation files with faults."""
    found: Dict[str, Any] = {}
    odd = {**ODD, **{name: case for name, (case, _) in STOPPED.items()}}
    cases = {f"bad: {name}": (session, edit) for name, (session, edit, _) in BAD.items()}
    cases.update({f"odd: {name}": (case.session, case.edit) for name, case in odd.items()})
    for name, (session, edit) in cases.items():
        if edit.__name__ == "as_it_is":
            continue
        path = folder / f"{session}.nwb"
        shutil.copyfile(SESSIONS / path.name, path)
        with h5py.File(path, "r+") as file:
            edit(file)
        out = folder / "val.h5"
        source = f"{session.rpartition('_')[0]}={path}"
        ran = command("annotations", "build", "--phase", "val", "--nwb", source, "--out", out)
        found[name] = said(ran, folder)
        if out.exists():
            found[name]["arrays"] = _file(out)["arrays"]
            out.unlink()
    truth = folder / "val.h5"
    for name, (edit, _) in FAULTS.items():
        shutil.copyfile(GOLDEN / "target_val.h5", truth)
        with h5py.File(truth, "r+") as file:
            edit(file)
        ran = command("annotations", "verify", "--shapes", "any", truth)
        found[f"fault: {name}"] = plain_lines(ran.out + ran.err, folder)
        if name in _UNUSABLE:
            ran = command("check", *_SMALLEST, "--annotations", truth)
            found[f"fault: {name}"] += ["check says:", *plain_lines(ran.err, folder)]
    golden = GOLDEN / "target_val.h5"
    found["official shapes"] = said(
        command("annotations", "verify", "--phase", "val", golden), folder
    )
    found["show"] = said(command("annotations", "show", golden), folder)
    return found


#: faults for which the scorer takes nothing of the file, or of a dataset
_UNUSABLE = ("another phase", "another suite", "flat spikes", "no spikes")
_SMALLEST = (GOLDEN / "probes" / "one_dataset.h5", "--phase", "val")

#: name of the snapshot -> what collects it, given an empty folder
SNAPSHOTS: Dict[str, Callable[[Path], Any]] = {
    "ground_truth": built,
    "baseline": baseline,
    "bad_sessions": refused,
}

"""Wrong files of every kind, with the likely cause and the line that mends it."""

from __future__ import annotations

import io
import pickle
import zipfile
from pathlib import Path
from typing import Callable, Dict, NamedTuple, Tuple

import h5py
import numpy as np

from evaluation_script.arrays import PARTS
from evaluation_script.submission.layout import published_layouts
from evaluation_script.suites import DEFAULT_SUITE

GROUP = "mc_maze_small_20"
Shape = Tuple[int, ...]
Rates = Callable[[str, np.ndarray], np.ndarray]


def shapes(group: str = GROUP, phase: str = "test") -> Dict[str, Shape]:
    """The published shapes, of arrays that metrics read."""
    layout = published_layouts(DEFAULT_SUITE, phase)[group]
    return {
        array.name: tuple(length or 1 for length in layout.shape(array))
        for part in PARTS
        if layout.readers(part)
        for array in part.arrays
    }


def empty(path: Path, arrays: Dict[str, Shape], group: str = GROUP) -> None:
    """Arrays of these shapes that were never written: a wrong structure is refused unread."""
    with h5py.File(path, "a") as file:
        for name, shape in arrays.items():
            file.create_dataset(f"{group}/{name}".lstrip("/"), shape, "f4")


def like(name: str, shape: Shape) -> np.ndarray:
    """Rates as a model of 20 ms bins gives them, about 8 spikes per second."""
    rng = np.random.default_rng([3, len(name)])
    return rng.gamma(4.0, 0.04, shape).astype("f4")


def filled(path: Path, change: Rates, group: str = GROUP) -> None:
    """A submission of the published shapes; ``change`` gets the name and honest rates."""
    with h5py.File(path, "w") as file:
        for name, shape in shapes(group).items():
            file[f"{group}/{name}"] = change(name, like(name, shape))


class Wrong(NamedTuple):
    """How a wrong file is written, and what is to be said first of it."""

    write: Callable[[Path], object]
    what: str
    mend: str
    accepted: bool = False


def reshaped(change: Callable[[str, Shape], Shape], group: str = GROUP) -> Callable[[Path], None]:
    return lambda path: empty(
        path, {name: change(name, shape) for name, shape in shapes(group).items()}, group
    )


def side(name: str) -> str:
    return name.replace("heldin", "*").replace("heldout", "heldin").replace("*", "heldout")


def trials(name: str) -> str:
    return name.replace("train", "*").replace("eval_r", "train_r").replace("*", "eval")


def at_root(path: Path) -> None:
    empty(path, shapes(), "")


def cut_short(path: Path) -> None:
    filled(path, lambda name, rates: rates)
    path.write_bytes(path.read_bytes()[:-1000])


def zipped(path: Path, name: str = "submission.h5") -> None:
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr(name, b"\x89HDF")


def matlab(path: Path) -> None:
    with h5py.File(path, "w", userblock_size=512) as file:
        file["rates"] = np.zeros(3)
    with path.open("r+b") as file:
        file.write(b"MATLAB 7.3 MAT-file, Platform: GLNXA64")


def nwb(path: Path) -> None:
    with h5py.File(path, "w") as file:
        for name in ("acquisition", "analysis", "general", "intervals", "processing", "units"):
            file.create_group(name)


def pickled(path: Path, protocol: int) -> None:
    path.write_bytes(pickle.dumps({GROUP: {"eval_rates_heldin": [0.1]}}, protocol))


def numpy_bytes(**arrays: np.ndarray) -> bytes:
    buffer = io.BytesIO()
    np.savez(buffer, **arrays)
    return buffer.getvalue()


def old_session(path: Path) -> None:
    old = {"train": 989, "eval": 252}
    arrays = {
        name: (old[name.partition("_")[0]], shape[1], 45 if "heldin" in name else 15)
        for name, shape in shapes("dmfc_rsg").items()
    }
    empty(path, arrays, "dmfc_rsg")


def renamed(rename: Callable[[str], str], group: str = GROUP) -> Callable[[Path], None]:
    return lambda path: empty(path, {rename(n): s for n, s in shapes().items()}, group)


def lfs(path: Path) -> None:
    path.write_text(
        f"version https://git-lfs.github.com/spec/v1\noid sha256:{'0' * 64}\nsize 123456\n",
        encoding="ascii",
    )


def written(content: bytes) -> Callable[[Path], object]:
    return lambda path: path.write_bytes(content)


def values(change: Rates) -> Callable[[Path], None]:
    return lambda path: filled(path, change)


def only_heldin(change: Callable[[np.ndarray], np.ndarray]) -> Callable[[Path], None]:
    return values(lambda name, rates: change(rates) if "heldin" in name else rates)


def some_zeros(name: str, rates: np.ndarray) -> np.ndarray:
    rates[rates < 0.1] = 0
    return rates


def one_rate(name: str, rates: np.ndarray) -> np.ndarray:
    return np.broadcast_to(rates[:1, :1], rates.shape)


WRONG: Dict[str, Wrong] = {
    # values
    "spikes per second": Wrong(
        values(lambda name, rates: rates * 50),
        "would mean 400 spikes per second and neuron", "rates = rates * 0.02", accepted=True,
    ),
    "spikes per second of one array": Wrong(
        values(lambda name, rates: rates * (50 if name == "eval_rates_heldout" else 1)),
        f"{GROUP}/eval_rates_heldout: the mean is", "rates = rates * 0.02", accepted=True,
    ),
    "log rates": Wrong(
        values(lambda name, rates: np.log(np.minimum(rates, 0.99))), "logarithms of rates",
        "np.exp(rates)",
    ),
    "log rates held-in": Wrong(
        only_heldin(lambda rates: np.log(np.minimum(rates, 0.99))), "logarithms of rates",
        "np.exp(rates)", accepted=False,
    ),
    "logits": Wrong(
        values(lambda name, rates: np.log(rates / 0.4)), "or logits", "1 / (1 + np.exp(-rates))",
    ),
    "a little below zero": Wrong(
        values(lambda name, rates: rates - 0.03), "as a linear readout", "np.maximum(rates, 1e-4)",
    ),
    "counts": Wrong(
        values(lambda name, rates: np.random.default_rng(1).poisson(rates).astype("f4")),
        "look like spike counts", "np.convolve", accepted=True,
    ),
    "counts as integers": Wrong(
        values(lambda name, rates: np.random.default_rng(1).poisson(rates).astype("u1")),
        "look like spike counts", "np.convolve", accepted=True,
    ),
    "one number": Wrong(
        values(lambda name, rates: np.full_like(rates, 0.1)), "every value is 0.1",
        "rates.std() > 0", accepted=True,
    ),
    "all zeros": Wrong(
        values(lambda name, rates: rates * 0), "every value is 0; was the array never filled?",
        "rates.std() > 0", accepted=True,
    ),
    "one rate a neuron": Wrong(
        values(one_rate), "each neuron has one rate", "rates.std(axis=(0, 1))", accepted=True,
    ),
    "zeros where spikes are likely": Wrong(
        values(some_zeros), "rates are exactly 0", "np.maximum(rates, 1e-3)", accepted=True,
    ),
    # axes
    "bins and neurons swapped": Wrong(
        reshaped(lambda name, shape: (shape[0], shape[2], shape[1])),
        "bins and neurons are swapped", "rates.transpose(0, 2, 1)",
    ),
    "axes reversed": Wrong(
        reshaped(lambda name, shape: shape[::-1]), "MATLAB and Julia", "rates.transpose(2, 1, 0)",
    ),
    "bins first": Wrong(
        reshaped(lambda name, shape: (shape[1], shape[0], shape[2])),
        "trials and bins are swapped", "rates.transpose(1, 0, 2)",
    ),
    "neurons first": Wrong(
        reshaped(lambda name, shape: (shape[2], shape[0], shape[1])), "the axes are rolled",
        "rates.transpose(1, 2, 0)",
    ),
    "trials and bins in one axis": Wrong(
        reshaped(lambda name, shape: (shape[0] * shape[1], shape[2])), "found 2 axes",
        "rates.reshape(100, 35, 107)",
    ),
    "an axis too many": Wrong(
        reshaped(lambda name, shape: (*shape, 1)), "found 4 axes", "rates.reshape(100, 35, 107)",
    ),
    # which trials, bins and neurons
    "held-in and held-out swapped": Wrong(
        reshaped(lambda name, shape: shapes()[side(name)]),
        "held-in and held-out neurons are swapped", "= heldout, heldin",
    ),
    "training and evaluation swapped": Wrong(
        lambda path: empty(
            path, {n: shapes(phase="val").get(trials(n), s) for n, s in shapes(phase="val").items()}
        ),
        "training and evaluation trials are swapped", "= train, evaluation",
    ),
    "20 ms data under a 5 ms name": Wrong(
        lambda path: empty(path, shapes("mc_maze_small_20"), "mc_maze_small"),
        "these are 20 ms bins under a 5 ms name",
        "file.move('mc_maze_small', 'mc_maze_small_20')",
    ),
    "5 ms data under a 20 ms name": Wrong(
        lambda path: empty(path, shapes("mc_maze_small"), "mc_maze_small_20"),
        "these are 5 ms bins under a 20 ms name",
        "file.move('mc_maze_small_20', 'mc_maze_small')",
    ),
    "validation trials in test": Wrong(
        lambda path: empty(path, shapes(phase="val")),
        "these are the trials of the validation phase (val), not of test", "--phase val",
    ),
    "test trials in validation": Wrong(
        lambda path: empty(path, shapes(phase="test")),
        "these are the trials of the test phase (test), not of val", "--phase test",
    ),
    "validation trials of 20 ms under a 5 ms name in test": Wrong(
        lambda path: empty(path, shapes("mc_maze_small_20", "val"), "mc_maze_small"),
        "20 ms bins under a 5 ms name and these are the trials of the validation phase",
        "file.move('mc_maze_small', 'mc_maze_small_20')",
    ),
    "the withdrawn recording": Wrong(
        old_session, "the recording that was withdrawn in November 2021", "DANDI 000130",
    ),
    "data of another dataset": Wrong(
        lambda path: empty(path, shapes("mc_maze_medium_20"), GROUP),
        "its shapes are those of mc_maze_medium_20",
        "file.move('mc_maze_small_20', 'mc_maze_medium_20')",
    ),
    "all neurons in held-out": Wrong(
        reshaped(lambda name, s: (*s[:2], 142) if name.endswith("heldout") else s),
        "all 142 neurons are in it", "rates[:, :, 107:]",
    ),
    "forward bins behind the others": Wrong(
        reshaped(lambda name, s: s if "forward" in name else (s[0], 45, s[2])),
        "both windows are in it", "rates[:, :35]",
    ),
    # names
    "spikes for rates": Wrong(
        renamed(lambda name: name.replace("rates", "spikes")), "it holds spikes",
        f"file['{GROUP}/eval_rates_heldin'] = rates",
    ),
    "a flat file": Wrong(at_root, "stands at the root", "file.move("),
    "a flat file of spikes": Wrong(
        renamed(lambda name: name.replace("rates", "spikes"), ""), "stands at the root",
        "file.move(",
    ),
    "a nested file": Wrong(
        renamed(str, f"submission/{GROUP}"), "submission: the datasets' groups stand in it",
        "file['submission']",
    ),
    "nested arrays": Wrong(
        renamed(str, f"{GROUP}/rates"), f"its arrays stand in {GROUP}/rates", "file.move(",
    ),
    "the bin width in the name": Wrong(
        renamed(str, "mc_maze_small_5"), "the 5 ms group of mc_maze_small is called mc_maze_small",
        "file.move('mc_maze_small_5', 'mc_maze_small')",
    ),
    "a name in capitals": Wrong(
        renamed(str, "MC_Maze_Small"), "the nearest name is mc_maze_small",
        "file.move('MC_Maze_Small', 'mc_maze_small')",
    ),
    "arrays of other names": Wrong(
        renamed(lambda name: name.replace("heldout", "held_out")), "eval_rates_held_out is there",
        f"file.move('{GROUP}/eval_rates_held_out', '{GROUP}/eval_rates_heldout')",
    ),
    "half of forward": Wrong(
        lambda path: empty(
            path, {n: s for n, s in shapes().items() if n != "eval_rates_heldout_forward"}
        ),
        "eval_rates_heldin_forward is there without", "eval_rates_heldout_forward'] = rates",
    ),
    "an HDF5 file of nothing": Wrong(
        lambda path: h5py.File(path, "w").close(), "holds nothing at all", "= rates"
    ),
    # other things
    "NWB": Wrong(nwb, "it is an NWB session", "nlb-evalai inputs build"),
    "MATLAB 7.3": Wrong(matlab, "a MATLAB file of version 7.3", "h5create"),
    "MATLAB 5": Wrong(
        written(b"MATLAB 5.0 MAT-file, Platform: GLNXA64".ljust(200)),
        "it is a MATLAB file of version 5", "scipy.io.loadmat",
    ),
    "zip": Wrong(zipped, "it is a zip archive", "unpack it"),
    "npz": Wrong(written(numpy_bytes(rates=np.ones(3))), "a NumPy archive (.npz)", "np.load"),
    "PyTorch": Wrong(
        lambda path: zipped(path, "model/data.pkl"), "a PyTorch checkpoint", "torch.load"
    ),
    "gzip": Wrong(written(b"\x1f\x8b\x08\0\0"), "it is a gzip file", "unpack it"),
    "xz": Wrong(written(b"\xfd7zXZ\0\0\4"), "a compressed file", "unpack it"),
    "pickle": Wrong(lambda path: pickled(path, 4), "it is a pickle", "never opened"),
    "old pickle": Wrong(lambda path: pickled(path, 0), "it is a pickle", "never opened"),
    "web page": Wrong(written(b"<!DOCTYPE html>\n<html>"), "a web page", "download"),
    "answer of a storage": Wrong(written(b"<?xml version='1.0'?><Error>"), "XML", "download"),
    "Git LFS pointer": Wrong(lfs, "a Git LFS pointer, not the file", "git lfs pull"),
    "empty": Wrong(written(b""), "it is an empty file", "close the file"),
    "zero bytes": Wrong(written(bytes(5000)), "a file of zero bytes", "download"),
    "words": Wrong(written(b"1,2,3\n"), "it is a text file", "save("),
    "cut short": Wrong(cut_short, "cut short: 1,000 bytes are missing", "h5py.File"),
}  # fmt: skip

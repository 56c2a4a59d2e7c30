"""Submissions honest and hostile, each with the truth and phase that it is judged by.

Built on the arena of the attacks and on the fuzz's edits: small files, made anew each time.
"""

from __future__ import annotations

import io
import zlib
from contextlib import redirect_stdout
from pathlib import Path
from typing import Any, Callable, Dict, NamedTuple, Sequence, Tuple

import h5py
import numpy as np

from tests.evaluation_script.attacks import arena as arenas
from tests.evaluation_script.attacks.arena import MAZE, RSG, Arena, rates, shapes
from tests.evaluation_script.attacks.test_types import REFUSED as OTHER_TYPES
from tests.fuzz.mutate import mutant

ARRAY = "eval_rates_heldout"
SHAPE = shapes(MAZE)[ARRAY]
HELDIN = "eval_rates_heldin"

Change = Callable[[h5py.File], Any]
Make = Callable[..., Any]


class Case(NamedTuple):
    """What one call of ``evaluate`` gets."""

    truth: Path
    submission: Path
    phase: str


def build(folder: Path) -> Dict[str, Case]:
    """Write all files below a folder."""
    with redirect_stdout(io.StringIO()):
        arena = Arena(folder)
    val, test = (
        lambda path, phase=phase, truth=arena.truth: Case(truth, path, phase)
        for phase in ("val", "test")
    )
    loose = arena.loose_truth
    cases = {
        "honest": val(arena.honest),
        "honest in test": test(arena.honest),
        "honest, truth without held-in": Case(loose, arena.honest, "val"),
        "no such phase": Case(arena.truth, arena.honest, "dev"),
        "no such submission": val(folder / "nowhere.h5"),
        "no such truth": Case(folder / "nowhere.h5", arena.honest, "val"),
        "truth is no HDF5 file": Case(_written(folder / "words.h5", b"words"), arena.honest, "val"),
    }
    for name, change in _CHANGED.items():
        cases[f"changed: {name}"] = val(arena.new(change))
    for name, makes in _REMADE.items():
        cases[f"remade: {name}"] = val(arena.new(_each(makes)))
    for name, link in _LINKS.items():
        cases[f"link: {name}"] = val(arena.new(link(arena.truth)))
    cases["file of the latest format"] = val(arena.new(libver="latest", compression="gzip"))
    for name, content in _contents(arena.honest.read_bytes()).items():
        path = folder / f"content{len(cases)}.h5"
        cases[f"content: {name}"] = val(_written(path, content))
    cases["overlooked nan in test"] = test(arena.new(_CHANGED["overlooked nan"]))
    for count in (0, 2):
        path = arena.new(_with_heldin(count))
        cases[f"{count} held-in neurons, truth without held-in"] = Case(loose, path, "val")
    for name, change in _TRUTHS.items():
        cases[f"truth: {name}"] = Case(_truth(folder, change), arena.honest, "val")
    for seed in _SEEDS:
        path = folder / f"mutant{seed}.h5"
        done = mutant(seed, [arena.honest], arena.truth, path)
        cases[f"mutant {seed}: {done}"] = val(path)
    return cases


def _written(path: Path, content: bytes) -> Path:
    path.write_bytes(content)
    return path


def _truth(folder: Path, change: Change) -> Path:
    path = folder / f"truth{len(list(folder.iterdir()))}.h5"
    arenas.write_truth(path)
    with h5py.File(path, "r+") as file:
        change(file)
    return path


# ---- what is done to them ---------------------------------------------------------------------


def _each(makes: Sequence[Make]) -> Change:
    """Each array of the group made anew, in turn; at most six."""

    def change(file: h5py.File) -> None:
        for name, make in zip(shapes(MAZE), makes):
            del file[MAZE][name]
            make(file[MAZE], name)

    return change


def _put(name: str, at: Any, value: float, group: str = MAZE) -> Change:
    def change(file: h5py.File) -> None:
        file[f"{group}/{name}"][at] = value

    return change


def _drop(*names: str, group: str = MAZE) -> Change:
    def change(file: h5py.File) -> None:
        for name in names:
            del file[group][name]

    return change


def _all(*changes: Change) -> Change:
    def change(file: h5py.File) -> None:
        for one in changes:
            one(file)

    return change


def _rename(old: str, new: str) -> Change:
    return lambda file: file.move(old, new)


def _of_type(element: str) -> Make:
    scale = 1 if "f" in element else 10

    def make(group: h5py.Group, name: str) -> None:
        group.create_dataset(name, data=(rates(MAZE, name) * scale).astype(element))

    return make


def _stored(**options: Any) -> Make:
    return lambda group, name: group.create_dataset(name, data=rates(MAZE, name), **options)


def _shaped(shape: Tuple[int, ...], element: str = "f4", **options: Any) -> Make:
    return lambda group, name: group.create_dataset(name, shape, element, **options)


def _data(value: Any) -> Make:
    return lambda group, name: group.create_dataset(name, data=value)


def _chunk(content: bytes, mask: int = 0) -> Make:
    def make(group: h5py.Group, name: str) -> None:
        values = rates(MAZE, name)
        made = group.create_dataset(name, data=values, chunks=values.shape, compression="gzip")
        made.id.write_direct_chunk((0, 0, 0), content, mask)

    return make


def _odd_names(file: h5py.File) -> None:
    for name in (b"\xff\xfe", b"\x1b[31mred\x07", "\u202eevil".encode(), b"a\nb", b"n" * 60_000):
        h5py.h5g.create(file.id, name)
        h5py.h5g.create(file[MAZE].id, name)


def _second_group(file: h5py.File) -> None:
    for name in shapes(RSG):
        file[f"{RSG}/{name}"] = rates(RSG, name)


def _axes_reversed(file: h5py.File) -> None:
    for name in shapes(MAZE):
        values = file[MAZE][name][()].transpose(2, 1, 0)
        del file[MAZE][name]
        file[MAZE][name] = values


def _with_heldin(count: int) -> Change:
    def change(file: h5py.File) -> None:
        for name, shape in shapes(MAZE).items():
            if "heldin" in name:
                del file[MAZE][name]
                file[MAZE].create_dataset(name, (*shape[:2], count), "f4", fillvalue=0.3)

    return change


def _instead(name: str, make: Callable[[h5py.File], Any]) -> Change:
    def change(file: h5py.File) -> None:
        del file[name]
        file[name] = make(file)

    return change


_CHANGED: Dict[str, Change] = {
    "nothing": lambda file: None,
    "two datasets": _second_group,
    "bad values": _all(
        _put(HELDIN, (2, 3, 1), np.nan),
        _put(ARRAY, (0, 0, 0), np.inf),
        _put(ARRAY, (2, 3, 1), -1),
        _put("train_rates_heldin", (5, 0, 0), 1e30),
        _put("eval_rates_heldout_forward", slice(2), -0.5),
    ),
    "negative heldin": _put(HELDIN, (2, 3, 1), -1),
    "zeros": _put(ARRAY, slice(0, 3), 0.0),
    "overlooked nan": _all(_second_group, _put(HELDIN, (1, slice(60, 75)), np.nan, RSG)),
    "no forward": _drop("eval_rates_heldin_forward", "eval_rates_heldout_forward"),
    "half of forward": _drop("eval_rates_heldout_forward"),
    "no train": _drop("train_rates_heldin", "train_rates_heldout"),
    "nothing in the group": _drop(*shapes(MAZE)),
    "axes reversed": _axes_reversed,
    "misspelt": _rename(MAZE, "mc_mase_small_20"),
    "more groups": lambda file: [file.create_group(name) for name in ("more", "mc_maze_x", "z")],
    "more arrays": lambda file: file[MAZE].create_dataset("eval_behavior", data=[1.0]),
    "group is an array": _instead(MAZE, lambda file: np.zeros(3)),
    "names that are no text": _odd_names,
    "300 typos": lambda file: [file.create_group(f"typo_{i}_{'x' * 900}") for i in range(300)],
}

_TYPES = [make for make, _ in OTHER_TYPES.values()]
_N_BYTES = int(np.prod(SHAPE)) * 4

#: makers of arrays; each file takes one for each of its six arrays, and names every problem
_REMADE: Dict[str, Sequence[Make]] = {
    "other storages": (
        _stored(track_times=False),
        _stored(chunks=(1, 1, 1), compression="gzip"),
        _stored(chunks=(5, 7, 2), compression="gzip", shuffle=True),
        _stored(compression="lzf"),
        _stored(compression="gzip", fletcher32=True),
        _stored(chunks=(3, 9, 1)),
    ),
    "other numbers": [_of_type(kind) for kind in ("<f2", ">f8", "u1", ">i2", "<u4", "<i8")],
    **{f"other types {i}": _TYPES[i : i + 6] for i in range(0, len(_TYPES), 6)},
    "other shapes": [
        *map(_shaped, ((1,), SHAPE[:2], (*SHAPE, 1), (0, *SHAPE[1:]))),
        _data(h5py.Empty("f4")),
        _data(0.5),
    ],
    "no arrays, and beyond memory": (
        lambda group, name: group.create_group(name),
        _shaped((1 << 40, 1 << 10, 1 << 9)),
        _shaped(SHAPE, "f8", chunks=(1 << 10, 1 << 10, 1 << 8), maxshape=(None,) * 3),
        _stored(scaleoffset=3),
    ),
    "one rate": [_data(np.full(shape, 0.25, np.float32)) for shape in shapes(MAZE).values()],
    "no zlib stream": [_chunk(b"x" * 50)] * 6,
    "inflates to too little": [_chunk(zlib.compress(bytes(16)))] * 6,
    "too long": [_chunk(bytes(_N_BYTES * 8), 1)] * 6,
}


def _linked(truth: Path) -> Change:
    targets = (
        h5py.ExternalLink(str(truth), f"{MAZE}/eval_spikes_heldout"),
        h5py.SoftLink(f"/{MAZE}/{HELDIN}"),
        h5py.SoftLink("/nowhere"),
    )
    return _each([lambda group, name, to=to: group.__setitem__(name, to) for to in targets])


_LINKS: Dict[str, Callable[[Path], Change]] = {
    "arrays": _linked,
    "a group": lambda truth: _instead(MAZE, lambda file: h5py.ExternalLink(str(truth), MAZE)),
    "itself": lambda truth: lambda file: file[MAZE].__setitem__("again", file[MAZE]),
    "root as a dataset": lambda truth: _all(
        _rename(MAZE, "aside"), lambda file: file.__setitem__(MAZE, file["/"])
    ),
}

#: what a host may get wrong; participants are told that much and no more
_TRUTHS: Dict[str, Change] = {
    "of another phase": lambda file: file.attrs.update(phase="test"),
    "of this phase, as bytes": lambda file: file.attrs.update(phase=np.bytes_("val")),
    "without spikes": _drop("eval_spikes_heldout"),
    "without behavior": _drop("train_behavior", "eval_behavior"),
    "without psth": _drop("psth"),
    "without the conditions' trials": _drop("eval_cond_idx"),
    "without forward": _drop("eval_spikes_heldin_forward", "eval_spikes_heldout_forward"),
    "no spike": _put("eval_spikes_heldout", slice(None), 0.0),
    "half a spike": _put("eval_spikes_heldout", (0, 0, 0), 0.5),
    "behavior of nan": _put("train_behavior", slice(None), np.nan),
}

#: of these seeds every edit is one of structure or values; what scribbles over bytes depends on
#: the HDF5 library that wrote the file
_SEEDS = (14, 21, 30, 51, 54, 101, 116)


def _contents(honest: bytes) -> Dict[str, bytes]:
    return {
        "pickle": b"\x80\x04\x95cposix\nsystem\n(S'true'\ntR.",
        "signature and zeros": b"\x89HDF\r\n\x1a\n" + bytes(4096),
        "all but a byte": honest[:-1],
    }

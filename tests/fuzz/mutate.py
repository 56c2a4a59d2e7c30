"""From a seed and some submissions, one that is damaged, odd or hostile."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any, Callable, List, Sequence, Tuple

import h5py
import numpy as np

Rng = np.random.Generator

#: where the structure of an HDF5 file lies: signatures of its parts
_MARKERS = (
    *(b"\x89HDF", b"TREE", b"SNOD", b"HEAP", b"OHDR", b"OCHK", b"FRHP", b"FHDB", b"FHIB"),
    *(b"BTHD", b"BTLF", b"FAHD", b"FADB", b"EAHD", b"EAIB", b"deflate", b"shuffle"),
)
_DTYPES = (
    *("<f2", "<f4", ">f4", "<f8", ">f8", "i1", "u1", "<i2", ">u2", "<i4", "<u8", "?", "c8", "S4"),
    np.longdouble,
)
_VALUES = (np.nan, np.inf, -np.inf, -1.0, 0.0, 1e-300, 1e30, 5.0)
_STORAGES = (
    {},
    {"compression": "gzip"},
    {"compression": "gzip", "shuffle": True},
    {"compression": "gzip", "fletcher32": True},
    {"compression": "lzf", "shuffle": True},
    {"chunks": True},
    {"chunks": True, "shuffle": True},
    {"scaleoffset": 2},
)


def mutant(seed: int, bases: Sequence[Path], truth: Path, target: Path) -> str:
    """Write the mutant of that seed to ``target`` and say what was done."""
    rng = np.random.default_rng(seed)
    base = bases[int(rng.integers(len(bases)))]
    shutil.copyfile(base, target)
    done = [base.stem]
    edits, scribbles = [(1, 0), (2, 0), (0, 1), (0, 3), (1, 1)][int(rng.integers(5))]
    for _ in range(edits):
        done.append(_edit(rng, target, truth))
    for _ in range(scribbles):
        done.append(_scribble(rng, target))
    return ", ".join(done)


def _edit(rng: Rng, path: Path, truth: Path) -> str:
    edits: Tuple[Callable[..., Any], ...] = (
        *(_drop, _rename, _add, _swap, _retype, _reshape, _restore, _restore, _restore, _spoil),
        *(_spoil, _spoil, _scale, _link, _elsewhere, _unwritten, _direct, _direct, _attribute),
    )
    edit = edits[int(rng.integers(len(edits)))]
    try:
        with h5py.File(path, "r+") as file:
            group = file[_pick(rng, [name for name in file if isinstance(file[name], h5py.Group)])]
            array = _pick(rng, [name for name in group if isinstance(group[name], h5py.Dataset)])
            edit(rng, group, array, truth)
    except Exception as error:  # noqa: BLE001 - an edit may not fit what the last one left
        return f"{edit.__name__} failed ({type(error).__name__})"
    return f"{edit.__name__} {group.name if group else ''}/{array}"


def _pick(rng: Rng, choices: Sequence[Any]) -> Any:
    return choices[int(rng.integers(len(choices)))]


def _rewrite(group: h5py.Group, array: str, values: np.ndarray, **storage: Any) -> None:
    del group[array]
    group.create_dataset(array, data=values, **storage)


def _drop(rng: Rng, group: h5py.Group, array: str, truth: Path) -> None:
    del group[array]


def _rename(rng: Rng, group: h5py.Group, array: str, truth: Path) -> None:
    names = ("rates", array.upper(), array + "\x00x", array.replace("eval", "train"), "é\x1b")
    group.move(array, _pick(rng, names))


def _add(rng: Rng, group: h5py.Group, array: str, truth: Path) -> None:
    holder = _pick(rng, (group, group.file))
    name = _pick(rng, ("mc_maze", "mc_rtt_20", "more", "mc_mase", "x" * 300))
    if rng.random() < 0.5:
        holder.create_group(name)
    else:
        holder[name] = np.arange(5)


def _swap(rng: Rng, group: h5py.Group, array: str, truth: Path) -> None:
    other = _pick(rng, list(group))
    group.move(array, "aside")
    group.move(other, array)
    group.move("aside", other)


def _retype(rng: Rng, group: h5py.Group, array: str, truth: Path) -> None:
    _rewrite(group, array, (group[array][()] * 4).astype(_pick(rng, _DTYPES)))


def _reshape(rng: Rng, group: h5py.Group, array: str, truth: Path) -> None:
    values = group[array][()]
    shapes: List[np.ndarray] = [
        values.transpose(2, 1, 0),
        values[:-1],
        values[:, :-1],
        np.concatenate([values, values], axis=2),
        values.ravel(),
        values[..., None],
        values[:0],
    ]
    _rewrite(group, array, _pick(rng, shapes))


def _restore(rng: Rng, group: h5py.Group, array: str, truth: Path) -> None:
    values = group[array][()]
    storage = dict(_pick(rng, _STORAGES))
    if storage and rng.random() < 0.7:
        storage["chunks"] = tuple(int(rng.integers(1, n + 1)) for n in values.shape)
    if rng.random() < 0.3:
        values = values.astype(_pick(rng, ("<f8", ">f4", "<f2")))
    _rewrite(group, array, values, **storage)


def _spoil(rng: Rng, group: h5py.Group, array: str, truth: Path) -> None:
    values = group[array][()]
    count = int(rng.integers(1, 4))
    places = tuple(rng.integers(0, n, count) for n in values.shape)
    values[places] = _pick(rng, _VALUES)
    group[array][...] = values


def _scale(rng: Rng, group: h5py.Group, array: str, truth: Path) -> None:
    group[array][...] = group[array][()] * _pick(rng, (0.0, 1e-12, 1e3, 1.5))


def _link(rng: Rng, group: h5py.Group, array: str, truth: Path) -> None:
    loot = f"{group.name}/eval_spikes_heldout"
    links = (
        h5py.SoftLink(f"{group.name}/eval_rates_heldin"),
        h5py.SoftLink("/nowhere"),
        h5py.ExternalLink(str(truth), loot),
        h5py.ExternalLink("nowhere.h5", "/"),
        group,
        group.file["/"],
    )
    del group[array]
    group[array] = _pick(rng, links)


def _elsewhere(rng: Rng, group: h5py.Group, array: str, truth: Path) -> None:
    shape = group[array].shape
    del group[array]
    if rng.random() < 0.5:
        n_bytes = int(np.prod(shape)) * 4
        group.create_dataset(array, shape, "f4", external=[(str(truth), 2048, n_bytes)])
    else:
        layout = h5py.VirtualLayout(shape, "f4")
        layout[...] = h5py.VirtualSource(str(truth), f"{group.name}/eval_spikes_heldout", shape)
        group.create_virtual_dataset(array, layout)


def _unwritten(rng: Rng, group: h5py.Group, array: str, truth: Path) -> None:
    values = group[array][()]
    chunks = tuple(int(rng.integers(1, n + 1)) for n in values.shape)
    del group[array]
    made = group.create_dataset(
        array, values.shape, "f4", chunks=chunks, fillvalue=_pick(rng, (0.2, 0.0, 1.0))
    )
    if rng.random() < 0.7:
        made[: max(1, values.shape[0] // 2)] = values[: max(1, values.shape[0] // 2)]


def _direct(rng: Rng, group: h5py.Group, array: str, truth: Path) -> None:
    dataset = group[array]
    info = dataset.id.get_chunk_info(int(rng.integers(dataset.id.get_num_chunks())))
    mask, data = dataset.id.read_direct_chunk(info.chunk_offset)
    changed = bytearray(data)
    if rng.random() < 0.5:
        changed = changed[: int(rng.integers(1, len(changed) + 1))]
    else:
        changed[int(rng.integers(len(changed)))] ^= 1 << int(rng.integers(8))
    dataset.id.write_direct_chunk(info.chunk_offset, bytes(changed), int(rng.integers(2)) * mask)


def _attribute(rng: Rng, group: h5py.Group, array: str, truth: Path) -> None:
    _pick(rng, (group, group[array], group.file)).attrs["note"] = "x" * int(rng.integers(1, 2000))


def _scribble(rng: Rng, path: Path) -> str:
    """Damage bytes, mostly those that say how the rest is to be read."""
    data = bytearray(path.read_bytes())
    kind = _pick(rng, ("flip", "flip", "flip", "number", "run", "cut", "move", "append"))
    at = _place(rng, data)
    if kind == "flip":
        for _ in range(int(rng.integers(1, 5))):
            data[min(at + int(rng.integers(32)), len(data) - 1)] ^= 1 << int(rng.integers(8))
    elif kind == "number":
        width = int(_pick(rng, (1, 2, 4, 8)))
        number = _pick(rng, (0, 1, 255, 2**31, 2**32 - 1, 2**63 - 1, 2**64 - 1, len(data)))
        data[at : at + width] = (number % (1 << 8 * width)).to_bytes(width, "little")
    elif kind == "run":
        data[at : at + 64] = rng.integers(0, 256, 64, np.uint8).tobytes()
    elif kind == "cut":
        del data[max(1, at) :]
    elif kind == "move":
        other = _place(rng, data)
        data[at : at + 128] = data[other : other + 128]
    else:
        data += rng.integers(0, 256, 512, np.uint8).tobytes()
    path.write_bytes(data)
    return f"{kind} at {at}"


def _place(rng: Rng, data: bytearray) -> int:
    """A position near the start, near a marker, or anywhere."""
    way = rng.random()
    if way < 0.3:
        return int(rng.integers(min(len(data), 3000)))
    if way < 0.75:
        marker = _pick(rng, _MARKERS)
        found = data.find(marker, int(rng.integers(len(data))))
        found = data.find(marker) if found < 0 else found
        if found >= 0:
            return min(found + int(rng.integers(0, 128)), len(data) - 1)
    return int(rng.integers(len(data)))

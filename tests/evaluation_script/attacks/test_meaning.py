"""What HDF5 reads in a file is what is scored; where it would read nothing certain, no score."""

from __future__ import annotations

import shutil
import zlib
from pathlib import Path
from typing import Any, Callable, Dict, Iterable, List, Tuple

import h5py
import numpy as np
import pytest
from h5py import h5d, h5p, h5s, h5t

from evaluation_script.reader.filters import fletcher32
from tests.evaluation_script.attacks.arena import (
    MAZE,
    Arena,
    leave_partial_chunks_unfiltered,
    rates,
    shapes,
)

ARRAY = "eval_rates_heldout"
SHAPE = shapes(MAZE)[ARRAY]
#: in steps of it the array does not end at the edge of a chunk
CHUNKS = (4, 16, 2)
CHUNK_BYTES = 4 * int(np.prod(CHUNKS))


def plain(path: Path) -> np.ndarray:
    with h5py.File(path) as file:
        return np.asarray(file[f"{MAZE}/{ARRAY}"][()])


def scores_as_read(arena: Arena, path: Path) -> None:
    """The file scores as another one does that holds what h5py reads in it, plainly stored."""
    values = plain(path)
    copy = arena.swap(lambda group, array: group.create_dataset(array, data=values))
    assert arena.score(path)["result"] == arena.score(copy)["result"]


def low_level(
    set_up: Callable[[h5p.PropDCID], None],
    write: Callable[[h5d.DatasetID], Any],
    element: h5t.TypeID = h5t.IEEE_F32LE,
) -> Callable[[h5py.Group, str], None]:
    """An array whose storage ``set_up`` describes and ``write`` fills."""

    def make(group: h5py.Group, array: str) -> None:
        create = h5p.create(h5p.DATASET_CREATE)
        set_up(create)
        space = h5s.create_simple(SHAPE)
        write(h5d.create(group.id, array.encode(), element, space, create))

    return make


# -- what was never written ------------------------------------------------------------------


@pytest.mark.parametrize("time", [h5d.FILL_TIME_NEVER, h5d.FILL_TIME_IFSET, h5d.FILL_TIME_ALLOC])
@pytest.mark.parametrize("storage", ["chunks", "gzip", "contiguous"])
def test_fill_values_count_where_hdf5_fills_them_in(arena: Arena, storage: str, time: int) -> None:
    def set_up(create: h5p.PropDCID) -> None:
        create.set_fill_value(np.array(0.7, "f4"))
        create.set_fill_time(time)
        if storage != "contiguous":
            create.set_chunk(CHUNKS)
        if storage == "gzip":
            create.set_deflate(4)

    def write(made: h5d.DatasetID) -> None:
        if storage != "contiguous":
            space = made.get_space()
            space.select_hyperslab((0, 0, 0), CHUNKS)
            made.write(h5s.create_simple(CHUNKS), space, np.full(CHUNKS, 0.2, "f4"))

    path = arena.swap(low_level(set_up, write))
    untouched = np.float32(0.0 if time == h5d.FILL_TIME_NEVER else 0.7)
    assert (plain(path)[-1] == untouched).all()
    scores_as_read(arena, path)
    assert "never written" in arena.notes(path)


# -- partial chunks that are stored unfiltered ------------------------------------------------


def leave_partial_chunks(create: h5p.PropDCID) -> None:
    create.set_chunk(CHUNKS)
    create.set_shuffle()
    create.set_deflate(4)
    leave_partial_chunks_unfiltered(create)


def unfiltered(arena: Arena, tmp_path: Path, edge: bytes = b"") -> Path:
    """A file whose partial chunks are stored as they are; ``edge`` becomes one of them."""
    source, path = arena.new(), tmp_path / "partial.h5"
    values = rates(MAZE, ARRAY)

    def write(made: h5d.DatasetID) -> None:
        made.write(h5s.ALL, h5s.ALL, values)
        if edge:
            made.write_direct_chunk((4, 32, 2), edge)

    with h5py.File(source) as old, h5py.File(path, "w", libver="latest") as new:
        old.copy(MAZE, new)
        del new[MAZE][ARRAY]
        low_level(leave_partial_chunks, write)(new[MAZE], ARRAY)
    return path


def test_partial_chunks_stored_unfiltered_are_read_as_they_are(
    arena: Arena, tmp_path: Path
) -> None:
    path = unfiltered(arena, tmp_path)
    with h5py.File(path) as file:
        made = file[f"{MAZE}/{ARRAY}"].id
        assert made.get_chunk_info_by_coord((4, 32, 2)).size == CHUNK_BYTES
        assert made.get_chunk_info_by_coord((0, 0, 0)).size < CHUNK_BYTES
    np.testing.assert_array_equal(plain(path), rates(MAZE, ARRAY))
    assert arena.score(path)["result"] == arena.score(arena.new())["result"]


def test_an_unfiltered_chunk_that_could_be_inflated_is_not(arena: Arena, tmp_path: Path) -> None:
    """Bytes that are numbers to HDF5, and a zlib stream of other numbers besides."""
    other = np.full(CHUNKS, 0.9, "f4").view(np.uint8).reshape(-1, 4).T.tobytes()
    packed = zlib.compress(other)
    values = np.full(CHUNKS, 0.25, "f4")
    edge = packed + values.tobytes()[len(packed) :]
    assert len(edge) == CHUNK_BYTES
    path = unfiltered(arena, tmp_path, edge)
    read = plain(path)[4:, 32:, 2:].ravel()
    assert read[0] != np.float32(0.9)
    # What the bytes of a stream are as numbers is no rate, and says where.
    message = arena.refused(path, f"{MAZE}/{ARRAY}: ")
    assert "cannot be read" not in message


def test_an_unfiltered_chunk_that_is_too_short_is_refused(arena: Arena, tmp_path: Path) -> None:
    for edge in (zlib.compress(bytes(CHUNK_BYTES)), bytes(CHUNK_BYTES - 1)):
        arena.refused(unfiltered(arena, tmp_path, edge), f"{MAZE}/{ARRAY}: the data cannot be read")


# -- chunks that turn out too short -----------------------------------------------------------


def stored_chunk(values: np.ndarray, **options: Any) -> bytes:
    """A chunk of these values as h5py stores it."""
    with h5py.File("none", "w", driver="core", backing_store=False) as file:
        made = file.create_dataset("x", data=values, chunks=values.shape, **options)
        mask, data = made.id.read_direct_chunk((0,) * values.ndim)
        assert mask == 0
        return bytes(data)


@pytest.mark.parametrize(
    "options",
    [
        {"fletcher32": True},
        {"compression": "gzip", "fletcher32": True},
        {"compression": "lzf"},
        {"compression": "lzf", "shuffle": True, "fletcher32": True},
        {},
        {"compression": "gzip", "shuffle": True},
    ],
    ids=str,
)
@pytest.mark.parametrize("element", ["<f4", "bfloat16"])
def test_chunks_that_turn_out_short_or_long_are_refused(
    arena: Arena, options: Dict[str, Any], element: str
) -> None:
    """HDF5 hands out memory that nobody wrote: three runs gave three scores."""
    width = 4 if element == "<f4" else 2

    def kind() -> h5t.TypeID:
        bfloat16 = h5t.IEEE_F32LE.copy()
        bfloat16.set_fields(15, 7, 8, 0, 7)
        bfloat16.set_precision(16)
        bfloat16.set_size(2)
        return bfloat16 if element == "bfloat16" else h5t.IEEE_F32LE

    def sized(n_values: int) -> Callable[..., None]:
        half = np.full(n_values * width // 2, 0x3E80, "<u2")  # 0.25 in bfloat16
        values = half if element == "bfloat16" else np.full(n_values, 0.25, "<f4")

        def set_up(create: h5p.PropDCID) -> None:
            create.set_chunk(CHUNKS)
            for name in ("shuffle", "compression", "fletcher32"):
                if name in options:
                    if name == "shuffle":
                        create.set_shuffle()
                    elif name == "fletcher32":
                        create.set_fletcher32()
                    elif options[name] == "gzip":
                        create.set_deflate(4)
                    else:
                        create.set_filter(h5py.h5z.FILTER_LZF, h5py.h5z.FLAG_OPTIONAL)

        def write(made: h5d.DatasetID) -> None:
            chunk = stored_chunk(values, **options)
            for trial in range(0, SHAPE[0], CHUNKS[0]):
                for bin_ in range(0, SHAPE[1], CHUNKS[1]):
                    for unit in range(0, SHAPE[2], CHUNKS[2]):
                        made.write_direct_chunk((trial, bin_, unit), chunk)

        return low_level(set_up, write, kind())

    n_values = int(np.prod(CHUNKS))
    if options or element == "bfloat16":
        scores_as_read(arena, arena.swap(sized(n_values)))
    for wrong in (n_values // 2, n_values - 1, n_values + 1, 2 * n_values):
        arena.refused(arena.swap(sized(wrong)), f"{MAZE}/{ARRAY}: the data cannot be read")


def test_a_checksum_that_does_not_match_is_refused(arena: Arena) -> None:
    def checked(change: Callable[[bytearray], Any]) -> Path:
        def make(group: h5py.Group, array: str) -> None:
            made = group.create_dataset(
                array, data=rates(MAZE, array), chunks=CHUNKS, fletcher32=True
            )
            data = bytearray(made.id.read_direct_chunk((4, 0, 0))[1])
            change(data)
            made.id.write_direct_chunk((4, 0, 0), bytes(data))

        return arena.swap(make)

    def swap_halves(data: bytearray) -> None:
        data[-4:] = bytes((data[-3], data[-4], data[-1], data[-2]))

    damaged = checked(lambda data: data.__setitem__(5, data[5] ^ 1))
    with pytest.raises(OSError, match="read data"):
        plain(damaged)
    arena.refused(damaged, f"{MAZE}/{ARRAY}: the data cannot be read")
    # As a library of 2005 wrote it; HDF5 takes it still.
    swapped = checked(swap_halves)
    np.testing.assert_array_equal(plain(swapped), rates(MAZE, ARRAY))
    assert arena.score(swapped)["result"] == arena.score(arena.new())["result"]


# -- what is no zlib stream to zlib -----------------------------------------------------------


class Bits:
    """Bits of a deflate stream, least first; Huffman codes come the other way round."""

    def __init__(self) -> None:
        self.bits: List[int] = []

    def number(self, value: int, width: int) -> None:
        self.bits += [value >> n & 1 for n in range(width)]

    def code(self, value: int, width: int) -> None:
        self.bits += [value >> n & 1 for n in reversed(range(width))]

    def data(self) -> bytes:
        padded = self.bits + [0] * (-len(self.bits) % 8)
        return np.packbits(np.array(padded, np.uint8), bitorder="little").tobytes()


def canonical(lengths: Dict[int, int]) -> Dict[int, Tuple[int, int]]:
    """Code and length of each symbol (RFC 1951, 3.2.2)."""
    codes, code, before = {}, 0, 0
    for length, symbol in sorted((length, symbol) for symbol, length in lengths.items()):
        code <<= length - before
        codes[symbol], before = (code, length), length
        code += 1
    return codes


def dynamic(
    data: bytes, literals: Dict[int, int], distances: Dict[int, int], of_lengths: Dict[int, int]
) -> bytes:
    """A zlib stream of one block, whose three codes have these lengths by symbol."""
    order = (16, 17, 18, 0, 8, 7, 9, 6, 10, 5, 11, 4, 12, 3, 13, 2, 14, 1, 15)
    bits = Bits()
    bits.number(1, 1)
    bits.number(2, 2)
    n_distances = max(distances, default=0) + 1
    bits.number(0, 5)  # 257 literals
    bits.number(n_distances - 1, 5)
    bits.number(19 - 4, 4)
    for symbol in order:
        bits.number(of_lengths.get(symbol, 0), 3)
    codes = canonical(of_lengths)
    for symbol in range(257):
        bits.code(*codes[literals.get(symbol, 0)])
    for symbol in range(n_distances):
        bits.code(*codes[distances.get(symbol, 0)])
    codes = canonical(literals)
    for symbol in (*data, 256):
        bits.code(*codes[symbol])
    return b"\x78\x9c" + bits.data() + zlib.adler32(data).to_bytes(4, "big")


def with_header(first: int, second: int, check: bool = True) -> Callable[[bytes], bytes]:
    def change(data: bytes) -> bytes:
        packed = zlib.compress(data)
        right = (second & ~31) | (31 - (first * 256 + (second & ~31)) % 31) % 31
        return bytes((first, right if check else second)) + packed[2:]

    return change


def coded(
    literals: Iterable[int],
    distances: Iterable[int] = (1, 1),
    of_lengths: Iterable[Tuple[int, int]] = ((0, 2), (1, 2), (2, 2), (3, 2)),
) -> Callable[[bytes], bytes]:
    """Lengths of the codes of the data's bytes and of the block's end, in the order of symbols."""

    def pack(data: bytes) -> bytes:
        symbols = [*sorted(set(data)), 256]
        return dynamic(
            data, dict(zip(symbols, literals)), dict(enumerate(distances)), dict(of_lengths)
        )

    return pack


STREAMS: Dict[str, Callable[[bytes], bytes]] = {
    "incomplete literals": coded((2, 2, 3)),
    "over-subscribed literals": coded((1, 1, 2)),
    "incomplete distances": coded((1, 2, 2), (2, 2)),
    "over-subscribed distances": coded((1, 2, 2), (1, 1, 1)),
    "incomplete lengths": coded((1, 2, 2), (1, 1), ((0, 3), (1, 2), (2, 2), (3, 3))),
    "over-subscribed lengths": coded((1, 2, 2), (1, 1), ((0, 1), (1, 2), (2, 2), (3, 2))),
    "a window of 64 KiB": with_header(0x88, 0x1C),
    "a window of 8 MiB": with_header(0xF8, 0x00),
    "a false level": with_header(0x78, 0x9D, check=False),
    "another method": with_header(0x77, 0x00),
    "a dictionary": with_header(0x78, 0x20),
}


@pytest.mark.parametrize("pack", STREAMS.values(), ids=STREAMS)
def test_streams_that_zlib_refuses_are_refused(
    arena: Arena, pack: Callable[[bytes], bytes]
) -> None:
    data = np.full(CHUNKS, 2.0, "<f4").tobytes()  # of two different bytes
    assert sorted(set(data)) == [0, 0x40]
    good = coded((1, 2, 2))(data)
    assert zlib.decompress(good) == data, "else these streams say nothing"
    packed = pack(data)
    with pytest.raises(zlib.error):
        zlib.decompress(packed)

    def stored(chunk: bytes) -> Path:
        def make(group: h5py.Group, array: str) -> None:
            values = np.full(SHAPE, 2.0, "f4")
            made = group.create_dataset(array, data=values, chunks=CHUNKS, compression="gzip")
            made.id.write_direct_chunk((4, 0, 0), chunk)

        return arena.swap(make)

    scores_as_read(arena, stored(good))
    with pytest.raises(OSError, match="read data"):
        plain(stored(packed))
    arena.refused(stored(packed), f"{MAZE}/{ARRAY}: the data cannot be read")


# -- files that are still being written -------------------------------------------------------


@pytest.mark.parametrize("swmr", [False, True])
@pytest.mark.parametrize("userblock", [0, 1024])
def test_a_file_that_is_marked_as_open_for_writing_is_told_so(
    arena: Arena, tmp_path: Path, swmr: bool, userblock: int
) -> None:
    path, copy = tmp_path / "written.h5", tmp_path / "copy.h5"
    with h5py.File(path, "w", libver="latest", userblock_size=userblock) as file:
        for name in shapes(MAZE):
            file.create_dataset(f"{MAZE}/{name}", data=rates(MAZE, name), chunks=True)
        file.flush()
        if swmr:
            file.swmr_mode = True
        shutil.copyfile(path, copy)
    arena.refused(copy, "the file is marked as open for writing", "h5clear")
    assert arena.score(path)["result"] == arena.score(arena.new())["result"]
    # Damage that is none of these is called what it was called.
    data = bytearray(path.read_bytes())
    data[userblock + 12 : userblock + 20] = b"\xff" * 8
    copy.write_bytes(data)
    arena.refused(copy, "the file is not an HDF5 file, or is damaged")


def test_the_checksum_is_hdf5s() -> None:
    rng = np.random.default_rng(3)
    for n_bytes in (1, 2, 3, 4, 719, 720, 722, 5000, 131072, 131075, 700_001):
        for data in (rng.integers(0, 256, n_bytes, np.uint8), np.full(n_bytes, 255, np.uint8)):
            stored = stored_chunk(data, fletcher32=True)
            assert fletcher32(data.tobytes()) == int.from_bytes(stored[-4:], "little"), n_bytes
    assert fletcher32(bytes(100)) == 0

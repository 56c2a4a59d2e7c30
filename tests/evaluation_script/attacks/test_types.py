"""Real numbers of at most 64 bits, in the right shape, and nothing else."""

from __future__ import annotations

from typing import Any, Callable, Dict

import h5py
import numpy as np
import pytest
from h5py import h5d, h5s, h5t

from tests.evaluation_script.attacks.arena import MAZE, Arena, rates, shapes

ARRAY = "eval_rates_heldout"
SHAPE = shapes(MAZE)[ARRAY]


def typed(element: Any) -> Callable[..., Any]:
    """An array of the right shape, never written, of another type."""
    return lambda group, array: group.create_dataset(array, SHAPE, element)


def low_level(make_type: Callable[[], h5t.TypeID]) -> Callable[..., Any]:
    def make(group: h5py.Group, array: str) -> None:
        h5d.create(group.id, array.encode(), make_type(), h5s.create_simple(SHAPE))

    return make


def resized(base: h5t.TypeID, n_bytes: int, precision: int) -> h5t.TypeID:
    kind = base.copy()
    kind.set_precision(precision)
    kind.set_size(n_bytes)
    return kind


REFUSED: Dict[str, Any] = {
    "fixed string": (typed("S8"), "found string elements"),
    "variable string": (typed(h5py.string_dtype()), "found string elements"),
    "opaque": (typed("V8"), "found opaque elements"),
    "compound": (typed([("a", "f4"), ("b", "f4")]), "found compound"),
    "complex": (typed("c8"), "expected real numbers"),
    "boolean": (typed("?"), "found enumeration"),
    "enumeration": (typed(h5py.enum_dtype({"a": 0, "b": 1})), "found enumeration"),
    "object reference": (typed(h5py.ref_dtype), "found reference elements"),
    "region reference": (typed(h5py.regionref_dtype), "found reference elements"),
    "variable length": (typed(h5py.vlen_dtype("f4")), "found variable-length elements"),
    "array": (low_level(lambda: h5t.array_create(h5t.IEEE_F32LE, (2,))), "found array elements"),
    "bit field": (low_level(lambda: h5t.STD_B8LE.copy()), "found bit field elements"),
    "long double": (typed(np.longdouble), "expected real numbers of at most 64 bits"),
    "16-byte integer": (
        low_level(lambda: resized(h5t.STD_I64LE, 16, 128)),
        "expected real numbers",
    ),
    "3-byte integer": (low_level(lambda: resized(h5t.STD_I32LE, 3, 24)), "expected real numbers"),
}  # fmt: skip


def test_other_types_than_real_numbers_are_refused_by_name(arena: Arena) -> None:
    cases = {arena.swap(make): (f"{MAZE}/{ARRAY}: ", words) for make, words in REFUSED.values()}
    arena.refused_all(cases)


@pytest.mark.parametrize("element", ["<f2", ">f4", ">f8", "u1", ">i2", "<u4", "<i8", "<u8"])
def test_every_real_number_type_scores_as_its_values(arena: Arena, element: str) -> None:
    values = (rates(MAZE, ARRAY) * (1 if "f" in element else 10)).astype(element)
    assert values.any()
    path = arena.swap(lambda group, array: group.create_dataset(array, data=values))
    wide = arena.swap(lambda group, array: group.create_dataset(array, data=values.astype("f8")))
    for found, expected in zip(arena.score(path)["result"], arena.score(wide)["result"]):
        for split, scores in expected.items():
            assert found[split] == pytest.approx(scores, rel=1e-6, abs=1e-6)


def test_a_float_format_of_their_own_is_read_as_its_values(arena: Arena) -> None:
    bfloat16 = h5t.IEEE_F32LE.copy()
    bfloat16.set_fields(15, 7, 8, 0, 7)
    bfloat16.set_precision(16)
    bfloat16.set_size(2)
    values = np.round(rates(MAZE, ARRAY) * 8 + 1) / 8  # exact in eight bits

    def make(group: h5py.Group, array: str) -> None:
        made = h5d.create(group.id, array.encode(), bfloat16, h5s.create_simple(SHAPE))
        made.write(h5s.ALL, h5s.ALL, values.astype("f4"))

    exact = arena.swap(lambda group, array: group.create_dataset(array, data=values))
    assert arena.score(arena.swap(make))["result"] == arena.score(exact)["result"]


def test_spaces_without_a_shape_and_wrong_shapes_are_refused(arena: Arena) -> None:
    wrong = [(1,), SHAPE[:2], (*SHAPE, 1), SHAPE[::-1], (0, *SHAPE[1:]), (1,) * 32]
    cases = {
        arena.swap(lambda group, array, shape=shape: group.create_dataset(array, shape, "f4")): (
            f"{MAZE}/{ARRAY}: shape (",
            "expected (8, 35, 3) (trials, 20 ms bins, held-out neurons)",
        )
        for shape in wrong
    }
    null = arena.swap(lambda group, array: group.create_dataset(array, data=h5py.Empty("f4")))
    scalar = arena.swap(lambda group, array: group.create_dataset(array, data=0.5))
    cases[null] = cases[scalar] = (f"{MAZE}/{ARRAY}: no shape, expected (8, 35, 3)",)
    found = arena.refused_all(cases)
    assert sum("axes are reversed" in message for message in found.values()) == 1


def test_groups_arrays_and_named_types_in_each_others_place_are_refused(arena: Arena) -> None:
    def group_is_array(file: h5py.File) -> None:
        del file[MAZE]
        file[MAZE] = np.zeros(3)

    def group_is_type(file: h5py.File) -> None:
        del file[MAZE]
        file[MAZE] = np.dtype("f4")

    def named_type(group: h5py.Group, array: str) -> None:
        group[array] = np.dtype("f4")

    arena.refused_all(
        {
            arena.new(group_is_array): (f"{MAZE}: found a dataset, expected a group",),
            arena.new(group_is_type): (f"{MAZE}: found a datatype, expected a group",),
            arena.swap(lambda group, array: group.create_group(array)): (
                f"{MAZE}/{ARRAY}: found a group, expected an array",
            ),
            arena.swap(named_type): (f"{MAZE}/{ARRAY}: found a datatype, expected an array",),
        }
    )


def test_names_that_are_no_text_are_shown_harmlessly(arena: Arena) -> None:
    names = [b"\xff\xfe\x00"[:2], b"\x1b[31mred\x07", "\u202eevil".encode(), b"a\nb", b"n" * 60_000]

    def strange(file: h5py.File) -> None:
        for name in names:
            h5py.h5g.create(file.id, name)
            h5py.h5g.create(file[MAZE].id, name)

    message = arena.refused(arena.new(strange), "5 problems", "not a dataset of this benchmark")
    assert message.isascii()
    assert len(message) < 2000

    def inside(file: h5py.File) -> None:
        for name in names:
            h5py.h5g.create(file[MAZE].id, name)

    assert arena.notes(arena.new(inside)).isascii()


def test_values_that_cannot_be_rates_are_counted_and_placed(arena: Arena) -> None:
    def spoil(value: float, *names: str) -> Callable[[h5py.File], None]:
        def change(file: h5py.File) -> None:
            for name in names:
                file[f"{MAZE}/{name}"][2, 3, 1] = value

        return change

    at = "first at trial 2, bin 3, neuron 1 (counted from 0)"
    both = ("eval_rates_heldin", ARRAY)
    arena.refused_all(
        {
            arena.new(spoil(np.nan, *both)): ("2 problems", f"1 NaN or infinite values, {at}"),
            arena.new(spoil(np.inf, *both)): ("2 problems", f"1 NaN or infinite values, {at}"),
            arena.new(spoil(-1, *both)): ("1 problem:", f"{ARRAY}: 1 negative rates, {at}"),
        }
    )
    # Numbers too large to compute with are no rates.
    huge = arena.swap(lambda group, array: group.create_dataset(array, data=np.full(SHAPE, 1e308)))
    arena.refused(huge, f"{ARRAY}: {np.prod(SHAPE)} values beyond 1e+06 spikes per bin")

"""No link is followed, of whatever kind, at whatever level."""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import Any, Callable

import h5py
import pytest

from tests.evaluation_script.attacks.arena import EVAL, HELDOUT, MAZE, Arena

ARRAY = "eval_rates_heldout"
#: an array of the truth with just the shape that the submission's must have
LOOT = f"{MAZE}/eval_spikes_heldout"


def replace(level: str, make: Callable[[str], Any]) -> Callable[[h5py.File], None]:
    """Put a link, made for the object of that name in the truth, in place of what was there."""

    def change(file: h5py.File) -> None:
        name = MAZE if level == "group" else f"{MAZE}/{ARRAY}"
        del file[name]
        file[name] = make(MAZE if level == "group" else LOOT)

    return change


@pytest.mark.parametrize("level", ["group", "array"])
def test_external_links_to_the_truth_are_refused(arena: Arena, level: str) -> None:
    descriptor = os.open(arena.truth, os.O_RDONLY)
    try:
        names = (str(arena.truth), arena.truth.name, f"/proc/self/fd/{descriptor}")
        cases = {
            arena.new(replace(level, lambda target, name=name: h5py.ExternalLink(name, target))): (
                "found a link (external); links are not followed",
                MAZE if level == "group" else f"{MAZE}/{ARRAY}",
            )
            for name in names
        }
        arena.refused_all(cases)
    finally:
        os.close(descriptor)


def test_soft_links_are_refused_dangling_looping_or_not(arena: Arena) -> None:
    def aside(file: h5py.File) -> None:
        file.move(MAZE, "elsewhere")
        file[MAZE] = h5py.SoftLink("/elsewhere")

    cases = {arena.new(aside): ("found a link (soft)", "elsewhere: not a dataset")}
    for target in ("/nowhere", f"/{MAZE}/{ARRAY}", f"/{MAZE}/eval_rates_heldin"):
        change = replace("array", lambda _, target=target: h5py.SoftLink(target))
        cases[arena.new(change)] = (f"{MAZE}/{ARRAY}: found a link (soft)",)
    arena.refused_all(cases)


@pytest.mark.parametrize("level", ["group", "array"])
def test_user_defined_links_are_refused(arena: Arena, level: str) -> None:
    path = arena.new(
        replace(level, lambda target: h5py.ExternalLink(str(arena.truth), target)), track_order=None
    )
    # h5py cannot write such a link: take an external one (class 64) and change its class.
    name = (MAZE if level == "group" else ARRAY).encode()
    data = path.read_bytes()
    found = list(re.finditer(rb"\x01[\x08-\x1f]\x40.{1,10}?" + re.escape(name), data, re.DOTALL))
    assert found, "the link message is not where it was"
    changed = bytearray(data)
    for match in found:
        changed[match.start() + 2] = 187
    path.write_bytes(changed)
    arena.refused(path, "found a link (user-defined); links are not followed")


def test_a_group_that_holds_itself_is_not_walked(arena: Arena) -> None:
    def loop(file: h5py.File) -> None:
        file[f"{MAZE}/again"] = file[MAZE]
        file[f"{MAZE}/up"] = file["/"]

    path = arena.new(loop)
    assert arena.score(path)["result"] == arena.score(arena.new())["result"]
    assert "again" in arena.notes(path)


def test_the_root_hard_linked_as_a_dataset_misses_its_arrays(arena: Arena) -> None:
    def root_as_group(file: h5py.File) -> None:
        file.move(MAZE, "aside")
        file[MAZE] = file["/"]

    arena.refused(arena.new(root_as_group), f"{MAZE}: eval_rates_heldout is missing")


def test_one_array_hard_linked_twice_is_only_an_array(arena: Arena) -> None:
    def twice(file: h5py.File) -> None:
        del file[f"{MAZE}/train_rates_heldout"]
        values = file[f"{MAZE}/eval_rates_heldout"]
        assert values.shape[2] == HELDOUT
        assert values.shape[0] == EVAL
        file[f"{MAZE}/train_rates_heldout"] = values

    arena.refused(arena.new(twice), "train_rates_heldout: shape (8, 35, 3), expected (12, 35, 3)")


def test_links_beside_what_is_asked_for_change_nothing(arena: Arena, tmp_path: Path) -> None:
    def beside(file: h5py.File) -> None:
        file[f"{MAZE}/loot"] = h5py.ExternalLink(str(arena.truth), LOOT)
        file[f"{MAZE}/dangling"] = h5py.SoftLink("/nowhere")

    path = arena.new(beside)
    assert arena.score(path)["result"] == arena.score(arena.new())["result"]
    arena.refused(arena.new(lambda f: f.__setitem__("x", h5py.SoftLink("/"))), "x: not a dataset")

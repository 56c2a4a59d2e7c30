"""Rules of all platforms about each phase's ground truth."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Dict, Iterator, Optional, Tuple

import h5py

from evaluation_script.annotation import root_text
from evaluation_script.storage import StorageError, is_pointer, read_pointer
from evaluation_script.suites import DEFAULT, Phase, Suite, SuiteError, find
from nlb_evalai.challenge.rules.finding import WARNING
from nlb_evalai.challenge.rules.package import Package
from nlb_evalai.challenge.rules.registry import Fault, Rulebook
from nlb_evalai.sample.files import is_sample
from nlb_evalai.truth.complete import differences, published_as

TRUTH = Rulebook()
check = TRUTH.check


@check("truth-format", sentence="Each truth is HDF5, or a pointer to it.")
def truth_is_hdf5_or_a_pointer(bundle: Package) -> Iterator[Fault]:
    for name, _, path in bundle.truths():
        if is_pointer(path):
            try:
                read_pointer(path)
            except StorageError as error:
                yield name, error.detail.partition(": ")[2]
        elif not opens(path):
            yield name, "is no HDF5 file that can be opened: put the phase's ground truth there"


@check("truth-phase")
def truth_is_of_its_phase(bundle: Package) -> Iterator[Fault]:
    for name, codename, path in bundle.truths():
        found = _pointed_at(path) if is_pointer(path) else said(path, "phase")
        if found is not None and found != codename:
            yield name, f"holds the truth of phase {found!r}, expected {codename!r}"


@check("truth-shared")
def phases_have_truth_of_their_own(bundle: Package) -> Iterator[Fault]:
    seen: Dict[str, Any] = {}
    for name, codename, _ in bundle.truths():
        if name in seen:
            yield name, f"is the truth of phases {seen[name]!r} and {codename!r}"
        seen.setdefault(name, codename)


@check("sample-truth", WARNING, "Truth is no sample.")
def truth_is_real(bundle: Package) -> Iterator[Fault]:
    for name, _, path in bundle.truths():
        if opens(path) and is_sample(path):
            yield (
                name,
                "is the embedded sample, nothing to put online: build with --annotations DIR",
            )


@check("published-truth", WARNING)
def hidden_truth_is_not_out_already(bundle: Package) -> Iterator[Fault]:
    for name, suite, phase, path in _of_suite(bundle):
        known = published_as(path, suite)
        if known is not None and not phase.truth_is_public:
            yield (
                name,
                f"is {known.name}, published since {known.since}: this phase hides nothing, and "
                "shows full precision",
            )


@check("truth-as-published", WARNING)
def truth_has_all_datasets_in_their_published_shapes(bundle: Package) -> Iterator[Fault]:
    for name, suite, phase, path in _of_suite(bundle):
        if bundle.suite and not is_sample(path):  # as `bundle build`, or --suite, has it
            for difference in differences(path, suite, phase.codename):
                yield name, difference


def _of_suite(bundle: Package) -> Iterator[Tuple[str, Suite, Phase, Path]]:
    """(name, suite, phase, file) of each annotation file that holds truth of a known suite."""
    for name, codename, path in bundle.truths():
        suite = bundle.suite or _said_suite(path)
        known = {one.codename: one for one in suite.phases} if suite else {}
        if suite and isinstance(codename, str) and codename in known and opens(path):
            yield name, suite, known[codename], path


def _said_suite(path: Path) -> Optional[Suite]:
    try:
        with h5py.File(path, "r") as file:
            return find(root_text(file, "suite") or DEFAULT)
    except (OSError, RuntimeError, SuiteError):
        return None


def opens(path: Path) -> bool:
    """Whether it is HDF5 that can be read."""
    try:
        with h5py.File(path, "r"):
            return True
    except (OSError, RuntimeError):
        return False


def said_by_truth(bundle: Package, attribute: str) -> Iterator[Tuple[str, Optional[str]]]:
    """(name, what it says of itself) of each annotation file that holds truth."""
    for name, _, path in bundle.truths():
        if opens(path):
            yield name, said(path, attribute)


def said(path: Path, attribute: str) -> Optional[str]:
    """What a file says of itself; None if it does not."""
    try:
        with h5py.File(path, "r") as file:
            return root_text(file, attribute)
    except (OSError, RuntimeError):
        return None


def _pointed_at(path: Path) -> Optional[str]:
    try:
        return read_pointer(path).phase
    except StorageError:
        return None

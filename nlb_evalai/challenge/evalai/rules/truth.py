"""Rules about the annotation files: each phase's ground truth, or a pointer to it."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Dict, Iterator, Optional, Tuple

import h5py

from evaluation_script.annotation import root_text
from evaluation_script.storage import StorageError, is_pointer, read_pointer
from evaluation_script.suites import DEFAULT, Phase, Suite, SuiteError, find
from nlb_evalai.challenge.evalai.rules.contents import Bundle
from nlb_evalai.challenge.evalai.rules.finding import WARNING
from nlb_evalai.challenge.evalai.rules.registry import Fault, check
from nlb_evalai.sample.files import is_sample
from nlb_evalai.truth.complete import differences, published_as


def _truths(bundle: Bundle) -> Iterator[Tuple[str, Dict[str, Any], Path]]:
    """(name, phase, file) of each annotation file that is there."""
    for _, phase in bundle.entries("challenge_phases"):
        name = phase.get("test_annotation_file")
        path = bundle.extract(name) if isinstance(name, str) else None
        if path is not None:
            yield str(name), phase, path


@check("truth-format", sentence="Each truth is HDF5, or a pointer to it.")
def truth_is_hdf5_or_a_pointer(bundle: Bundle) -> Iterator[Fault]:
    for name, _, path in _truths(bundle):
        if is_pointer(path):
            try:
                read_pointer(path)
            except StorageError as error:
                yield name, error.detail.partition(": ")[2]
        elif not _opens(path):
            yield name, "is no HDF5 file that can be opened: put the phase's ground truth there"


@check("truth-phase")
def truth_is_of_its_phase(bundle: Bundle) -> Iterator[Fault]:
    for name, phase, path in _truths(bundle):
        found = _pointed_at(path) if is_pointer(path) else _said(path, "phase")
        if found is not None and found != phase.get("codename"):
            yield name, f"holds the truth of phase {found!r}, expected {phase.get('codename')!r}"


@check("truth-shared")
def phases_have_truth_of_their_own(bundle: Bundle) -> Iterator[Fault]:
    seen: Dict[str, Any] = {}
    for name, phase, _ in _truths(bundle):
        if name in seen:
            yield name, f"is the truth of phases {seen[name]!r} and {phase.get('codename')!r}"
        seen.setdefault(name, phase.get("codename"))


@check(
    "pointer-unreachable",
    sentence="A pointer to truth is there only where the host's machines score.",
)
def pointers_are_for_the_hosts_machines(bundle: Bundle) -> Iterator[Fault]:
    if bundle.config.get("remote_evaluation") is True:
        return
    for name, _, path in _truths(bundle):
        if is_pointer(path):
            yield (
                name,
                "is a pointer to private storage, which EvalAI's own worker has no credentials "
                "for: put the HDF5 itself into the bundle, or set remote_evaluation: true and run "
                "workers of your own",
            )


@check("remote-truth", sentence="Truth itself stays with the host where the host's machines score.")
def truth_stays_on_the_hosts_machines(bundle: Bundle) -> Iterator[Fault]:
    if bundle.config.get("remote_evaluation") is not True:
        return
    for name, _, path in _truths(bundle):
        if _opens(path) and not is_sample(path):
            yield (
                name,
                "is the truth itself, which EvalAI has no part in with remote_evaluation: true: "
                "run `annotations publish` and build the bundle with the pointer that it writes",
            )


@check("sample-truth", WARNING, "Truth is no sample.")
def truth_is_real(bundle: Bundle) -> Iterator[Fault]:
    for name, _, path in _truths(bundle):
        if _opens(path) and is_sample(path):
            yield (
                name,
                "is the embedded sample, nothing to put online: build with --annotations DIR",
            )


@check("published-truth", WARNING)
def hidden_truth_is_not_out_already(bundle: Bundle) -> Iterator[Fault]:
    for name, suite, phase, path in _of_suite(bundle):
        known = published_as(path, suite)
        if known is not None and not phase.truth_is_public:
            yield (
                name,
                f"is {known.name}, published since {known.since}: this phase hides nothing, and "
                "shows full precision",
            )


@check("truth-as-published", WARNING)
def truth_has_all_datasets_in_their_published_shapes(bundle: Bundle) -> Iterator[Fault]:
    for name, suite, phase, path in _of_suite(bundle):
        if bundle.suite and not is_sample(path):  # as `bundle build`, or --suite, has it
            for difference in differences(path, suite, phase.codename):
                yield name, difference


def _of_suite(bundle: Bundle) -> Iterator[Tuple[str, Suite, Phase, Path]]:
    """(name, suite, phase, file) of each annotation file that holds truth of a known suite."""
    for name, phase, path in _truths(bundle):
        suite = bundle.suite or _said_suite(path)
        known = {one.codename: one for one in suite.phases} if suite else {}
        codename = phase.get("codename")
        if suite and isinstance(codename, str) and codename in known and _opens(path):
            yield name, suite, known[codename], path


def _said_suite(path: Path) -> Optional[Suite]:
    try:
        with h5py.File(path, "r") as file:
            return find(root_text(file, "suite") or DEFAULT)
    except (OSError, RuntimeError, SuiteError):
        return None


def _opens(path: Path) -> bool:
    try:
        with h5py.File(path, "r"):
            return True
    except (OSError, RuntimeError):
        return False


def said_by_truth(
    bundle: Bundle, attribute: str
) -> Iterator[Tuple[str, Dict[str, Any], Optional[str]]]:
    """(name, phase, what it says of itself) of each annotation file that holds truth."""
    for name, phase, path in _truths(bundle):
        if _opens(path):
            yield name, phase, _said(path, attribute)


def _said(path: Path, attribute: str) -> Optional[str]:
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

"""The challenge bundle: one zip with everything that EvalAI is told, the same bytes each time."""

from __future__ import annotations

import tempfile
from dataclasses import replace
from functools import partial as bound
from pathlib import Path, PurePosixPath
from typing import Dict, List, Mapping, Optional, Tuple

import evaluation_script
from evaluation_script.storage import is_pointer
from evaluation_script.suites import DEFAULT_SUITE, Suite
from evaluation_script.text import printable
from nlb_evalai.challenge.build import (
    NO_HEAD,
    NOT_WRITTEN,
    BuiltBundle,
    BundleError,
    Content,
    files_of,
    origin_of,
    partial,
    problems_of_truth,
    truth_of,
    truths_in,
    write_bundle,
    zipped,
)
from nlb_evalai.challenge.evalai.compose import challenge_files, write_files
from nlb_evalai.challenge.evalai.config import CONFIG_NAME, Challenge, read_challenge
from nlb_evalai.challenge.evalai.rules.run import check_bundle
from nlb_evalai.challenge.evalai.seal import edited
from nlb_evalai.challenge.head import head_of, read_head
from nlb_evalai.challenge.suite_files import of_ones_own
from nlb_evalai.outputs import spare_inputs
from nlb_evalai.sample.files import is_sample, write_sample

_PACKAGE = Path(evaluation_script.__file__).parent


def checkout_root() -> Optional[Path]:
    """The checkout around this package, with its generated files; None if there is none."""
    root = Path(evaluation_script.__file__).resolve().parent.parent
    return root if (root / CONFIG_NAME).is_file() else None


def build_bundle(
    out: Path,
    annotations: Optional[Path] = None,
    root: Optional[Path] = None,
    *,
    suite: Suite = DEFAULT_SUITE,
    head: Optional[Path] = None,
) -> BuiltBundle:
    """Build the challenge zip.

    Parameters
    ----------
    out : Path
        The zip to write; its folder is made.
    annotations : Path, optional
        Folder of the ground truth, one file for each phase, named as in the config (``val.h5``,
        ``test.h5``), or a pointer to it (``test.yaml``). Left out: the embedded sample. For
        remote evaluation the pointer itself goes into the bundle, and truth is refused.
    root : Path, optional
        The checkout to build from. Left out, it is the one around this package for the suite and
        the head that its files were made of; elsewhere the files are made anew.
    suite : Suite
        What is scored. One's own must have been loaded from its file, which goes into the bundle.
    head : Path, optional
        The head's YAML file; the package's own for this suite, or a plain one, when left out.

    Returns
    -------
    BuiltBundle

    Raises
    ------
    BundleError
        If a file that the config names is missing, truth is missing, no HDF5 or of another suite,
        or truth would go into a bundle for remote evaluation.
    ConfigError
        If ``challenge_config.yaml`` cannot be read.
    HeadError
        If the head does not fit the suite.
    StorageError
        If what a pointer names cannot be fetched.
    """
    with tempfile.TemporaryDirectory(prefix="nlb-bundle-") as scratch:
        if root is None and head is None and suite is DEFAULT_SUITE:
            root = checkout_root()
        read = head_of(suite) if head is None else read_head(head, suite)
        made = challenge_files(suite, read)
        notes = [NO_HEAD.format(printable(suite.name))] if read.is_default else []
        if root is None:
            root = Path(scratch) / "challenge"
            write_files(made, root)
        else:
            notes += _stale(root, made)
        challenge = read_challenge(root / CONFIG_NAME)
        if annotations is None:
            codenames = [phase.codename for phase in suite.phases]
            write_sample(scratch, suite, phases=codenames, models=())
            annotations = Path(scratch) / "annotations"
        scripts = (root / "evaluation_script").rglob("*")
        named = [root / CONFIG_NAME, *(root / name for name in challenge.files)]
        spare_inputs([out, partial(out)], [*truths_in(annotations), *scripts, *named])
        sources, problems = _sources(root, challenge, annotations)
        for phase in challenge.phases:
            truth = sources.get(phase.annotation)
            if truth is not None:
                found = problems_of_truth(truth, phase.codename, suite)
                problems += found or (_stays_here(truth) if challenge.remote else [])
        if problems:
            raise BundleError(NOT_WRITTEN, problems)
        origins = {
            phase.codename: origin_of(sources[phase.annotation]) for phase in challenge.phases
        }
        folder = root / "evaluation_script"
        script = script_zip(folder if folder.is_dir() else _PACKAGE, of_ones_own(suite))
        members: Dict[str, Content] = {**sources, challenge.evaluation_script: script}
        built = write_bundle(out, members, origins, "EvalAI", bound(check_bundle, suite=suite))
        return replace(built, notes=notes)


def _stale(root: Path, made: Mapping[str, bytes]) -> List[str]:
    """What to say where a checkout's generated files follow its suite and head no more."""
    edits = edited((root / CONFIG_NAME).read_text(encoding="utf-8"), bound(_content, root))
    old = [name for name, content in made.items() if _content(root, name) not in (content, None)]
    if not old or edits:  # the check of the bundle says who edited what
        return []
    return [f"{', '.join(old)}: not what the suite and the head give now: run `make challenge`"]


def _content(folder: Path, name: str) -> Optional[bytes]:
    path = folder / name
    return path.read_bytes() if path.is_file() else None


def _sources(
    root: Path, challenge: Challenge, annotations: Path
) -> Tuple[Dict[str, Path], List[str]]:
    """Path inside the bundle -> file to put there, and what is missing."""
    sources, problems = {CONFIG_NAME: root / CONFIG_NAME}, []
    truth = {phase.annotation: phase for phase in challenge.phases}
    for name in challenge.files:
        parts = PurePosixPath(name)
        if parts.is_absolute() or ".." in parts.parts:
            problems.append(f"{CONFIG_NAME}: {name}: found a path that leaves the bundle")
        elif name in truth:
            # What a worker of the host's own reads, EvalAI must not get.
            found, missing = truth_of(
                annotations, parts.stem, truth[name].codename, pointer=challenge.remote
            )
            problems += missing
            if found is not None:
                sources[name] = found
        elif name != challenge.evaluation_script:
            if (root / name).is_file():
                sources[name] = root / name
            else:
                problems.append(f"{root / name}: missing, but {CONFIG_NAME} names it")
    return sources, problems


def _stays_here(path: Path) -> List[str]:
    """What to say of truth itself where only its pointer may leave the host's machines."""
    if is_pointer(path) or is_sample(path):
        return []
    return [
        f"{path}: is the truth itself, which stays on your machines where {CONFIG_NAME} has "
        f"remote_evaluation: true; run `nlb-evalai annotations publish {path} "
        "s3://BUCKET/KEY`: the pointer that it writes goes into the bundle"
    ]


def script_zip(folder: Path, more: Optional[Mapping[str, Path]] = None) -> bytes:
    """``evaluation_script.zip``: the files of the package at its root, as EvalAI imports it.

    ``more`` gives files that come from elsewhere, by their path there.
    """
    return zipped({**files_of(folder), **(more or {})})

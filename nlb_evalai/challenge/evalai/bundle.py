"""The challenge bundle: one zip with everything that EvalAI is told, the same bytes each time."""

from __future__ import annotations

import io
import shutil
import tempfile
import zipfile
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path, PurePosixPath
from typing import BinaryIO, Dict, List, Mapping, Optional, Tuple

import h5py

import evaluation_script
from evaluation_script.annotation import root_text
from evaluation_script.files import file_sha256
from evaluation_script.storage import StorageError, is_pointer, read_pointer, resolve
from evaluation_script.suites import DEFAULT, DEFAULT_SUITE, Suite
from evaluation_script.text import printable
from nlb_evalai.challenge.evalai.compose import challenge_files, write_files
from nlb_evalai.challenge.evalai.config import (
    CONFIG_NAME,
    Challenge,
    ChallengePhase,
    read_challenge,
)
from nlb_evalai.challenge.evalai.rules.finding import errors_of
from nlb_evalai.challenge.evalai.rules.run import check_bundle
from nlb_evalai.challenge.evalai.scored import in_package, suite_file
from nlb_evalai.challenge.evalai.seal import edited
from nlb_evalai.challenge.head import head_of, read_head
from nlb_evalai.errors import ProblemsError, ToolError
from nlb_evalai.outputs import spare_inputs
from nlb_evalai.sample.files import ORIGIN, is_sample, write_sample
from nlb_evalai.truth.folder import HDF5_SUFFIXES, POINTER_SUFFIXES, find_truth

#: The oldest time a zip can hold: a bundle does not depend on when it was built.
_TIMESTAMP = (1980, 1, 1, 0, 0, 0)
_UNIX, _REGULAR_0644 = 3, 0o100644
#: These hold compressed data; deflating them again takes time and saves nothing.
_STORED = (".h5", ".hdf5", ".png", ".jpg", ".jpeg", ".zip")
_OF_TRUTH = (*HDF5_SUFFIXES, *POINTER_SUFFIXES)
_NOT_WRITTEN = "no bundle was written,"
_PACKAGE = Path(evaluation_script.__file__).parent
_NO_HEAD = (
    "suite {} has no head, so title, dates and quotas are plain ones, and nothing is published: "
    "write a head and give it with --head HEAD.yaml before the bundle goes live"
)
#: Left behind by tools in the folder of the evaluation script.
_SKIPPED = ("__pycache__", ".mypy_cache", ".ruff_cache", ".pytest_cache")


class BundleError(ProblemsError):
    """A bundle cannot be built; lists everything that is in the way."""


@dataclass(frozen=True)
class BuiltBundle:
    """What was built: its members' sizes in bytes, and what the host must know about it.

    ``warnings`` say what must not go live, ``notes`` what else people should look at before.
    """

    path: Path
    sha256: str
    members: Dict[str, int]
    origins: Dict[str, str]
    warnings: List[str] = field(default_factory=list)
    notes: List[str] = field(default_factory=list)


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
        notes = [_NO_HEAD.format(printable(suite.name))] if read.is_default else []
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
        truths = [path for path in annotations.iterdir() if path.suffix in _OF_TRUTH]
        scripts = (root / "evaluation_script").rglob("*")
        named = [root / CONFIG_NAME, *(root / name for name in challenge.files)]
        spare_inputs([out, _partial(out)], [*truths, *scripts, *named])
        sources, problems = _sources(root, challenge, annotations)
        origins = {}
        for phase in challenge.phases:
            truth = sources.get(phase.annotation)
            if truth is not None:
                problems += _problems_of_truth(truth, phase, challenge.remote, suite)
        if problems:
            raise BundleError(_NOT_WRITTEN, problems)
        for phase in challenge.phases:
            origins[phase.codename] = _origin(sources[phase.annotation])
        folder = root / "evaluation_script"
        script = script_zip(folder if folder.is_dir() else _PACKAGE, _of_ones_own(suite))
        return replace(_write(out, challenge, sources, script, origins, suite), notes=notes)


def _stale(root: Path, made: Mapping[str, bytes]) -> List[str]:
    """What to say where a checkout's generated files follow its suite and head no more."""
    edits = edited((root / CONFIG_NAME).read_text(encoding="utf-8"), partial(_content, root))
    old = [name for name, content in made.items() if _content(root, name) not in (content, None)]
    if not old or edits:  # the check of the bundle says who edited what
        return []
    return [f"{', '.join(old)}: not what the suite and the head give now: run `make challenge`"]


def _content(folder: Path, name: str) -> Optional[bytes]:
    path = folder / name
    return path.read_bytes() if path.is_file() else None


def _of_ones_own(suite: Suite) -> Dict[str, Path]:
    """The file of a suite that is not the package's, by its path in the evaluation script."""
    file = suite_file(suite)
    return {} if in_package(suite) else {f"suites/{file.name}": file}


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
            codename = truth[name].codename
            found = find_truth(annotations, parts.stem, pointer=challenge.remote)
            if found is None:
                inside = annotations / "annotations"
                below = find_truth(inside, parts.stem, pointer=challenge.remote)
                problems.append(
                    f"{annotations / parts.name}: the ground truth of phase {codename} is missing"
                    + (f"; found {below}: give {inside} as the folder" if below else "")
                )
            else:
                # What a worker of the host's own reads, EvalAI must not get.
                sources[name] = found if challenge.remote else _fetched(found, codename)
        elif name != challenge.evaluation_script:
            if (root / name).is_file():
                sources[name] = root / name
            else:
                problems.append(f"{root / name}: missing, but {CONFIG_NAME} names it")
    return sources, problems


def _fetched(path: Path, codename: str) -> Path:
    """What a pointer points at; a file under the truth's own name is judged as it is."""
    return resolve(path, codename) if path.suffix in POINTER_SUFFIXES else path


def _problems_of_truth(path: Path, phase: ChallengePhase, remote: bool, suite: Suite) -> List[str]:
    if is_pointer(path):
        return _problems_of_pointer(path, phase)
    if not h5py.is_hdf5(path):
        return [f"{path}: no HDF5 file; expected the ground truth of phase {phase.codename}"]
    try:
        with h5py.File(path, "r") as file:
            found, of_suite = root_text(file, "phase"), root_text(file, "suite") or DEFAULT
    except OSError as error:
        return [f"{path}: damaged: {error}"]
    if of_suite != suite.name:
        return [f"{path}: found ground truth of suite {of_suite}, expected suite {suite.name}"]
    if found is not None and found != phase.codename:
        return [f"{path}: found ground truth of phase {found}, expected phase {phase.codename}"]
    if remote and not is_sample(path):
        return [
            f"{path}: is the truth itself, which stays on your machines where {CONFIG_NAME} has "
            f"remote_evaluation: true; run `nlb-evalai annotations publish {path} "
            "s3://BUCKET/KEY`: the pointer that it writes goes into the bundle"
        ]
    return []


def _problems_of_pointer(path: Path, phase: ChallengePhase) -> List[str]:
    try:
        found = read_pointer(path).phase
    except StorageError as error:
        return [error.detail]
    if found != phase.codename:
        return [f"{path}: points at ground truth of phase {found}, expected phase {phase.codename}"]
    return []


def _origin(path: Path) -> str:
    if is_sample(path):
        with h5py.File(path, "r") as file:
            return str(root_text(file, ORIGIN))
    return "as given"


def script_zip(folder: Path, more: Optional[Mapping[str, Path]] = None) -> bytes:
    """``evaluation_script.zip``: the files of the package at its root, as EvalAI imports it.

    ``more`` gives files that come from elsewhere, by their path there.
    """
    files = dict(more or {})
    for path in folder.rglob("*"):
        relative = path.relative_to(folder)
        hidden = any(part in _SKIPPED or part.startswith(".") for part in relative.parts)
        if path.is_file() and not hidden and path.suffix != ".pyc":
            files.setdefault(relative.as_posix(), path)
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for name, path in sorted(files.items()):
            with path.open("rb") as stream:
                _add(archive, name, stream)
    return buffer.getvalue()


def _partial(out: Path) -> Path:
    return out.with_name(out.name + ".partial")


def _write(
    out: Path,
    challenge: Challenge,
    sources: Dict[str, Path],
    script: bytes,
    origins: Dict[str, str],
    suite: Suite,
) -> BuiltBundle:
    part = _partial(out)
    names = sorted([*sources, challenge.evaluation_script])
    try:
        out.parent.mkdir(parents=True, exist_ok=True)
        with zipfile.ZipFile(part, "w") as archive:
            for name in names:
                if name == challenge.evaluation_script:
                    _add(archive, name, io.BytesIO(script))
                else:
                    with sources[name].open("rb") as stream:
                        _add(archive, name, stream)
            members = {info.filename: info.file_size for info in archive.infolist()}
        warnings = _checked(part, suite)
        part.replace(out)
    except OSError as error:
        raise ToolError(f"{error.filename or out}: cannot be written: {error.strerror}") from None
    finally:
        if part.exists():
            part.unlink()
    sample = [codename for codename, origin in origins.items() if origin != "as given"]
    if sample:
        warnings.append(
            f"the ground truth of {' and '.join(sample)} is the embedded sample, not real data: "
            "never put this bundle on EvalAI. Give the real one with --annotations DIR"
        )
    return BuiltBundle(out, file_sha256(out), members, origins, warnings)


def _checked(bundle: Path, suite: Suite) -> List[str]:
    """Warnings about a bundle; BundleError if EvalAI would refuse it or trip over it."""
    findings = check_bundle(bundle, suite=suite)
    errors = errors_of(findings)
    if errors:
        raise BundleError(_NOT_WRITTEN, [str(finding) for finding in errors])
    # The sample's own warning, which names the phases, says this better.
    return [str(finding) for finding in findings if finding.code != "sample-truth"]


def _add(archive: zipfile.ZipFile, name: str, stream: BinaryIO) -> None:
    """One member with everything fixed that could differ between two builds."""
    info = zipfile.ZipInfo(name, _TIMESTAMP)
    info.create_system = _UNIX
    info.external_attr = _REGULAR_0644 << 16
    stored = PurePosixPath(name).suffix.lower() in _STORED
    info.compress_type = zipfile.ZIP_STORED if stored else zipfile.ZIP_DEFLATED
    with archive.open(info, "w", force_zip64=False) as member:
        shutil.copyfileobj(stream, member, 1 << 20)

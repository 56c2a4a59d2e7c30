"""What every platform's build does: it finds the truth, writes one zip, and keeps no faulty one.

The same input gives the same bytes.
"""

from __future__ import annotations

import io
import shutil
import zipfile
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import BinaryIO, Callable, Dict, List, Mapping, Optional, Tuple, Union

import h5py

from evaluation_script.annotation import root_text
from evaluation_script.files import file_sha256
from evaluation_script.storage import StorageError, is_pointer, read_pointer, resolve
from evaluation_script.suites import DEFAULT, Suite
from nlb_evalai.challenge.rules.finding import Finding, errors_of
from nlb_evalai.errors import ProblemsError, ToolError
from nlb_evalai.sample.files import ORIGIN, is_sample
from nlb_evalai.truth.folder import HDF5_SUFFIXES, POINTER_SUFFIXES, find_truth

#: The oldest time a zip can hold: a bundle does not depend on when it was built.
_TIMESTAMP = (1980, 1, 1, 0, 0, 0)
_UNIX, _REGULAR_0644 = 3, 0o100644
#: These hold compressed data; deflating them again takes time and saves nothing.
_STORED = (".h5", ".hdf5", ".png", ".jpg", ".jpeg", ".zip")
_OF_TRUTH = (*HDF5_SUFFIXES, *POINTER_SUFFIXES)
NOT_WRITTEN = "no bundle was written,"
NO_HEAD = (
    "suite {} has no head, so title, dates and quotas are plain ones, and nothing is published: "
    "write a head and give it with --head HEAD.yaml before the bundle goes live"
)
#: Left behind by tools in a folder of Python modules.
_SKIPPED = ("__pycache__", ".mypy_cache", ".ruff_cache", ".pytest_cache")
_AS_GIVEN = "as given"

#: what a member of a zip is made of
Content = Union[bytes, Path]


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


# ---- the truth --------------------------------------------------------------------------------


def truths_in(annotations: Path) -> List[Path]:
    """Every file of a folder that may be truth, or a pointer to it."""
    return [path for path in annotations.iterdir() if path.suffix in _OF_TRUTH]


def truth_of(
    annotations: Path, name: str, codename: str, *, pointer: bool = False
) -> Tuple[Optional[Path], List[str]]:
    """The truth of a phase in a folder, under its name without suffix; or what is in the way.

    ``pointer``: a pointer is wanted as it is; else what it points at is fetched.
    """
    found = find_truth(annotations, name, pointer=pointer)
    if found is None:
        inside = annotations / "annotations"
        below = find_truth(inside, name, pointer=pointer)
        return None, [
            f"{annotations / name}.h5: the ground truth of phase {codename} is missing"
            + (f"; found {below}: give {inside} as the folder" if below else "")
        ]
    # A file under the truth's own name is judged as it is.
    fetched = not pointer and found.suffix in POINTER_SUFFIXES
    return (resolve(found, codename) if fetched else found), []


def problems_of_truth(path: Path, codename: str, suite: Suite) -> List[str]:
    """Why a file is not the truth of that phase and suite, nor a pointer to it."""
    if is_pointer(path):
        return _problems_of_pointer(path, codename)
    if not h5py.is_hdf5(path):
        return [f"{path}: no HDF5 file; expected the ground truth of phase {codename}"]
    try:
        with h5py.File(path, "r") as file:
            found, of_suite = root_text(file, "phase"), root_text(file, "suite") or DEFAULT
    except OSError as error:
        return [f"{path}: damaged: {error}"]
    if of_suite != suite.name:
        return [f"{path}: found ground truth of suite {of_suite}, expected suite {suite.name}"]
    if found is not None and found != codename:
        return [f"{path}: found ground truth of phase {found}, expected phase {codename}"]
    return []


def _problems_of_pointer(path: Path, codename: str) -> List[str]:
    try:
        found = read_pointer(path).phase
    except StorageError as error:
        return [error.detail]
    if found != codename:
        return [f"{path}: points at ground truth of phase {found}, expected phase {codename}"]
    return []


def origin_of(path: Path) -> str:
    """Where a truth says that it comes from."""
    if is_sample(path):
        with h5py.File(path, "r") as file:
            return str(root_text(file, ORIGIN))
    return _AS_GIVEN


# ---- the zip ----------------------------------------------------------------------------------


def files_of(folder: Path) -> Dict[str, Path]:
    """Path inside -> file of a folder of modules, without what tools leave behind."""
    found = {}
    for path in folder.rglob("*"):
        relative = path.relative_to(folder)
        hidden = any(part in _SKIPPED or part.startswith(".") for part in relative.parts)
        if path.is_file() and not hidden and path.suffix != ".pyc":
            found[relative.as_posix()] = path
    return found


def zipped(members: Mapping[str, Content]) -> bytes:
    """A small zip, in memory."""
    buffer = io.BytesIO()
    _write(buffer, members)
    return buffer.getvalue()


def write_zip(path: Path, members: Mapping[str, Content]) -> Dict[str, int]:
    """Write a zip; the sizes of its members by name."""
    with path.open("wb") as stream:
        return _write(stream, members)


def _write(stream: BinaryIO, members: Mapping[str, Content]) -> Dict[str, int]:
    with zipfile.ZipFile(stream, "w") as archive:
        for name, content in sorted(members.items()):
            source = io.BytesIO(content) if isinstance(content, bytes) else content.open("rb")
            with closing(source):
                _add(archive, name, source)
        return {info.filename: info.file_size for info in archive.infolist()}


def _add(archive: zipfile.ZipFile, name: str, stream: BinaryIO) -> None:
    """One member with everything fixed that could differ between two builds."""
    info = zipfile.ZipInfo(name, _TIMESTAMP)
    info.create_system = _UNIX
    info.external_attr = _REGULAR_0644 << 16
    stored = PurePosixPath(name).suffix.lower() in _STORED
    info.compress_type = zipfile.ZIP_STORED if stored else zipfile.ZIP_DEFLATED
    with archive.open(info, "w", force_zip64=False) as member:
        shutil.copyfileobj(stream, member, 1 << 20)


def partial(out: Path) -> Path:
    """What a bundle is called until it is whole and checked."""
    return out.with_name(out.name + ".partial")


def write_bundle(
    out: Path,
    members: Mapping[str, Content],
    origins: Dict[str, str],
    platform: str,
    check: Callable[[Path], List[Finding]],
) -> BuiltBundle:
    """Write a bundle, unless it breaks a rule of its platform.

    Parameters
    ----------
    origins : dict
        Phase -> where its truth comes from (see :func:`origin_of`).
    platform : str
        What it must not be put on with the sample's truth, for people.
    check : callable
        What the platform's rules find.

    Raises
    ------
    BundleError
        If they find an error; nothing is left behind.
    ToolError
        If it cannot be written.
    """
    part = partial(out)
    try:
        out.parent.mkdir(parents=True, exist_ok=True)
        sizes = write_zip(part, members)
        findings = check(part)
        errors = errors_of(findings)
        if errors:
            raise BundleError(NOT_WRITTEN, [str(finding) for finding in errors])
        part.replace(out)
    except OSError as error:
        raise ToolError(f"{error.filename or out}: cannot be written: {error.strerror}") from None
    finally:
        if part.exists():
            part.unlink()
    # The sample's own warning, which names the phases, says this better.
    warnings = [str(finding) for finding in findings if finding.code != "sample-truth"]
    sample = [codename for codename, origin in origins.items() if origin != _AS_GIVEN]
    if sample:
        warnings.append(
            f"the ground truth of {' and '.join(sample)} is the embedded sample, not real data: "
            f"never put this bundle on {platform}. Give the real one with --annotations DIR"
        )
    return BuiltBundle(out, file_sha256(out), sizes, origins, warnings)

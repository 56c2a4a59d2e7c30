"""What was named on the command line -> the submissions to score, each with a name of its own."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Dict, Iterable, List, Optional, Sequence

from nlb_evalai.competition.award.export import Entry, read_export
from nlb_evalai.competition.batch.task import Source
from nlb_evalai.errors import NOT_SEEN, ProblemsError
from nlb_evalai.web.fetch import FetchError
from nlb_evalai.web.http import without_query
from nlb_evalai.web.locations import objects_below

_SUFFIXES = (".h5", ".hdf5", ".nwb")


class SourceError(ProblemsError):
    """Submissions cannot be found, or two have one name; lists every problem."""

    exit_code = NOT_SEEN

    def __init__(self, problems: Sequence[str]) -> None:
        super().__init__("submissions:", problems)


@dataclass
class Collection:
    """The submissions found, and what was odd about where they were looked for."""

    sources: List[Source] = field(default_factory=list)
    warnings: List[str] = field(default_factory=list)


def collect(
    places: Iterable[str], phase_names: Sequence[str], files: Optional[Path] = None
) -> Collection:
    """Find the submissions.

    Parameters
    ----------
    places : iterable of str
        HDF5 files, folders (searched through), ``s3://`` prefixes, EvalAI's CSV exports. A file's
        name is its path below the folder or prefix, without extension; an export's are its ids.
    phase_names : sequence of str
        What the phase is called in an export.
    files : path, optional
        Where an export's files are, as ``<id>.h5``, ``submission_<id>.h5`` or ``<id>/<any>.h5``,
        instead of the addresses in the export.

    Raises
    ------
    SourceError, TableError
        Names every place without submissions, and every name that comes twice.
    """
    found = Collection()
    problems: List[str] = []
    for place in places:
        before = len(found.sources)
        if place.startswith("s3://"):
            found.sources += _in_s3(place, problems)
        elif Path(place).is_dir():
            found.sources += _in_folder(Path(place))
        elif place.casefold().endswith(".csv"):
            export = read_export(Path(place), phase_names, ("id", "file"))
            found.warnings += export.warnings
            found.sources += [_of_entry(entry, files) for entry in export.entries]
        elif Path(place).is_file():
            found.sources.append(Source(Path(place).stem, str(Path(place).resolve())))
        else:
            problems.append(f"{place}: there is no such file or folder")
            continue
        if len(found.sources) == before and not any(place in text for text in problems):
            problems.append(f"{place}: no submission there ({', '.join(_SUFFIXES)})")
    problems += _twice(found.sources)
    for source in found.sources:
        try:
            f"{source.name} {source.location}".encode()
        except UnicodeEncodeError:
            problems.append(f"{source.location}: its name is no UTF-8 text; rename it")
    if problems:
        raise SourceError(problems)
    return found


def _twice(sources: Sequence[Source]) -> List[str]:
    seen: Dict[str, Source] = {}
    problems = []
    for source in sources:
        other = seen.setdefault(source.name, source)
        if other is not source:
            problems.append(
                f"two submissions are called {source.name}: {without_query(other.location)} and "
                f"{without_query(source.location)}"
            )
    return problems


def _in_folder(folder: Path) -> List[Source]:
    paths = sorted(p for p in folder.rglob("*") if p.suffix.casefold() in _SUFFIXES)
    return [
        Source(path.relative_to(folder).with_suffix("").as_posix(), str(path.resolve()))
        for path in paths
        if path.is_file()
    ]


def _in_s3(place: str, problems: List[str]) -> List[Source]:
    try:
        return [
            Source(one.below.rpartition(".")[0], one.location, one.version)
            for one in objects_below(place)
            if one.location.casefold().endswith(_SUFFIXES)
        ]
    except FetchError as error:
        problems.append(f"{place}: {error}")
        return []


def _of_entry(entry: Entry, files: Optional[Path]) -> Source:
    if files is None:
        # EvalAI never changes an uploaded file: its address stands for its content
        return Source(
            entry.id,
            entry.file,
            without_query(entry.file),
            missing="" if entry.file else "the export gives no Submitted File for it",
        )
    found = [
        path
        for stem in (entry.id, f"submission_{entry.id}")
        for suffix in _SUFFIXES
        for path in [files / f"{stem}{suffix}"]
        if path.is_file()
    ]
    folder = files / entry.id
    if folder.is_dir():
        found += sorted(p for p in folder.iterdir() if p.suffix.casefold() in _SUFFIXES)
    if len(found) == 1:
        return Source(entry.id, str(found[0].resolve()))
    what = "no file of this id" if not found else f"{len(found)} files of this id"
    return Source(entry.id, missing=f"--files: {what}; expected one {entry.id}.h5")

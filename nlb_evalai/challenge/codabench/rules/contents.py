"""A competition bundle opened for checking: what competition.yaml names in it."""

from __future__ import annotations

import shutil
import zipfile
from pathlib import Path
from typing import Any, Dict, Iterator, List, Optional, Tuple

from nlb_evalai.challenge.codabench.compose import CONFIG_NAME
from nlb_evalai.challenge.codabench.program.task import TASK_NAME, Task, parse_task
from nlb_evalai.challenge.rules.limits import MIB, Limits, crowded
from nlb_evalai.challenge.rules.package import DAMAGE, ConfigEntry, Package
from nlb_evalai.challenge.rules.truth import said

_MOST_MIB = 2048
#: files that a task or a phase may name
OF_TASK = ("scoring_program", "reference_data", "ingestion_program", "input_data")
OF_PHASE = ("public_data", "starting_kit")


class Bundle(Package):
    """A competition bundle."""

    title = "Codabench"
    config_name = CONFIG_NAME
    limits = Limits(
        member_mib=_MOST_MIB,
        zip_mib=_MOST_MIB,
        total_mib=2 * _MOST_MIB,
        why="no bundle needs a file of that size: leave it out",
        needless="leave out what Codabench does not need",
    )

    def files(self) -> List[Tuple[str, str]]:
        named = [(f"{CONFIG_NAME}: {key}", self.config.get(key)) for key in ("image", "terms")]
        named += [(f"{where}.file", page.get("file")) for where, page in self.entries("pages")]
        for key, names in (("tasks", OF_TASK), ("phases", OF_PHASE)):
            for where, entry in self.entries(key):
                named += [(f"{where}.{name}", entry.get(name)) for name in names]
        named += [(f"{where}.path", one.get("path")) for where, one in self.entries("solutions")]
        return [(where, name) for where, name in named if isinstance(name, str) and name]

    def page_names(self) -> List[str]:
        names = [page.get("file") for _, page in self.entries("pages")]
        return [name for name in [*names, self.config.get("terms")] if isinstance(name, str)]

    def tasks(self) -> Dict[int, ConfigEntry]:
        """The tasks by their index."""
        return {
            task["index"]: (where, task)
            for where, task in self.entries("tasks")
            if type(task.get("index")) is int
        }

    def tasks_of(self, phase: Dict[str, Any]) -> List[ConfigEntry]:
        """The tasks that a phase names, as far as they are there."""
        named = phase.get("tasks")
        known = self.tasks()
        return [
            known[one]
            for one in (named if isinstance(named, list) else [])
            if type(one) is int and one in known
        ]

    def boards(self) -> Iterator[Tuple[str, Dict[str, Any], List[ConfigEntry]]]:
        """(where, leaderboard, its columns) of the one that Codabench uses."""
        for where, board in self.entries("leaderboards")[:1]:
            columns = board.get("columns")
            found = [
                (f"{where}.columns[{i}]", column)
                for i, column in enumerate(columns if isinstance(columns, list) else [])
                if isinstance(column, dict)
            ]
            yield where, board, found

    def programs(self) -> Dict[str, Path]:
        """Member -> its files in a folder, of each scoring program that can be read."""
        names = [task.get("scoring_program") for _, task in self.entries("tasks")]
        found = {str(name): self.program(name) for name in dict.fromkeys(map(str, names))}
        return {name: folder for name, folder in found.items() if folder is not None}

    def told(self, task: Dict[str, Any]) -> Optional[Task]:
        """What the scoring program of a task is told; None if it is not one of this project."""
        folder = self.program(task.get("scoring_program"))
        try:
            return None if folder is None else parse_task((folder / TASK_NAME).read_bytes())
        except (OSError, ValueError):
            return None

    def truths(self) -> Iterator[Tuple[str, Any, Path]]:
        seen = set()
        for _, task in self.entries("tasks"):
            name, told = task.get("reference_data"), self.told(task)
            for inner, path in self.once(_references).get(str(name), []):
                codename = told.phase if told else said(path, "phase")
                if (inner, codename) not in seen:
                    seen.add((inner, codename))
                    yield inner, codename, path


def _references(bundle: Bundle) -> Dict[str, List[Tuple[str, Path]]]:
    """Member with reference data -> (name, file) of each file in it."""
    found: Dict[str, List[Tuple[str, Path]]] = {}
    for _, task in bundle.entries("tasks"):
        name = task.get("reference_data")
        archive = bundle.extract(name) if isinstance(name, str) and name not in found else None
        if archive is not None:
            found[str(name)] = list(_unpacked(archive, str(name)))
    return found


def _unpacked(archive: Path, name: str) -> Iterator[Tuple[str, Path]]:
    if crowded(archive):
        return
    try:
        with zipfile.ZipFile(archive) as members:
            for i, info in enumerate(members.infolist()):
                if info.is_dir() or info.file_size > _MOST_MIB * MIB:
                    continue
                path = archive.with_name(f"{archive.stem}-{i}{Path(info.filename).suffix}")
                with members.open(info) as source, path.open("wb") as copy:
                    shutil.copyfileobj(source, copy, 1 << 20)
                yield f"{name}: {info.filename}", path
    except DAMAGE:
        return

"""Codabench, played: a bundle unpacked, and its command in a process that sees ``/app`` alone."""

from __future__ import annotations

import os
import re
import shlex
import shutil
import signal
import subprocess
import tempfile
import time
import zipfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Dict, List, Mapping, Optional

from evaluation_script.text import plural
from nlb_evalai.challenge import replica as base
from nlb_evalai.challenge.codabench.boards import columns_of, shown_phase
from nlb_evalai.challenge.codabench.compose import CONFIG_NAME
from nlb_evalai.challenge.codabench.output import judge
from nlb_evalai.challenge.codabench.program.answer import PAGE_NAME
from nlb_evalai.challenge.codabench.program.main import LOG_VARIABLE
from nlb_evalai.challenge.codabench.program.task import read_task
from nlb_evalai.challenge.replica import (
    OfferedPhase,
    Outcome,
    Problem,
    ReplicaError,
    ShownPhase,
    View,
    as_text,
)
from nlb_evalai.challenge.surroundings import fresh_python, place
from nlb_evalai.errors import ToolError
from nlb_evalai.yamltext import YamlProblem, read_yaml

_METADATA = ("metadata.yaml", "metadata")
_DEFAULT_LIMIT_SECONDS = 600
#: what Codabench puts in for names of folders, and where it has them
_FOLDER = re.compile(r"\$(program|input|output)|/app/(program|input|output)")
#: how a scoring program begins when the file is at fault, as the scorer's ``SubmissionError`` does
_REFUSED = "submission rejected"
_CONFIG_FAULTS = (KeyError, TypeError, AttributeError, ValueError, IndexError)


@dataclass(frozen=True)
class CodabenchOutcome(Outcome):
    """What became of one submission; ``output`` are the scores that Codabench stores, by key.

    ``page`` is what it shows as detailed results. ``log`` is what the scoring program tells a dry
    run, and nobody on Codabench.
    """

    page: str = ""
    log: str = ""

    @property
    def refused(self) -> bool:
        return self.failed and not self.problems and self.stderr.startswith(_REFUSED)

    @property
    def summary(self) -> str:
        return plural(len(self.output), "score")

    def views(self) -> List[View]:
        status = "Failed" if self.failed else "Finished"
        page = f"{len(self.page)} characters of HTML" if self.page else "(none)"
        return [
            View("everyone", "status", status),
            View("everyone", "stdout", self.stdout),
            View("everyone", "stderr", self.stderr),
            View("everyone", "scores.json", self.output or {}),
            View("everyone", "detailed results", page),
            View("this dry run", "log", self.log),
        ]

    def kept(self) -> Dict[str, str]:
        texts = {
            **super().kept(),
            "scores.json": as_text(self.output),
            "program.log": self.log,
        }
        return {**texts, PAGE_NAME: self.page} if self.page else texts


@dataclass(frozen=True)
class _Place:
    """A phase, where its program and truth were unpacked, and how long a run may take."""

    offered: OfferedPhase
    program: Path
    reference: Optional[Path]
    limit_seconds: int


class Replica(base.Replica):
    """Codabench with one bundle unpacked.

    Parameters
    ----------
    bundle : Path
    python : Path, optional
        What `python3` means in the image; left out, an interpreter with the libraries from here.

    Raises
    ------
    ReplicaError
        If Codabench could not unpack it.
    """

    title = "Codabench"

    def __init__(self, bundle: Path, python: Optional[Path] = None) -> None:
        self._scratch = tempfile.TemporaryDirectory(prefix="nlb-codabench-")
        self.folder = Path(self._scratch.name).resolve()
        try:
            with zipfile.ZipFile(bundle) as archive:
                archive.extractall(self.folder / "bundle")
            self.config = self._config()
            self._board: Dict[str, Any] = self.config["leaderboards"][0]
            self._columns = {one.key: one.computed for one in columns_of(self._board)}
            self._places = [self._place(i, one) for i, one in enumerate(self.config["phases"])]
            self._python = python or fresh_python(self.folder / "python")
        except (OSError, zipfile.BadZipFile) as error:
            self.close()
            raise ReplicaError(f"{bundle}: cannot be unpacked: {error}") from None
        except _CONFIG_FAULTS as error:
            self.close()
            what = f"{type(error).__name__}: {error}"
            raise ReplicaError(
                f"{bundle}: {CONFIG_NAME} is not laid out as a competition ({what})"
            ) from None
        except BaseException:
            self.close()
            raise
        count = plural(len(self._places), "phase")
        self.loaded = f"{count}, scored in fresh processes that see folders like /app alone"

    def close(self) -> None:
        self._scratch.cleanup()

    # ---- unpacking ------------------------------------------------------------------------

    def _config(self) -> Dict[str, Any]:
        path = self.folder / "bundle" / CONFIG_NAME
        if not path.is_file():
            raise ReplicaError(f"{CONFIG_NAME} must be at the root of the zip")
        try:
            config = read_yaml(path.read_bytes())
        except YamlProblem as problem:
            raise ReplicaError(f"{CONFIG_NAME}: {problem}") from None
        if not isinstance(config, dict):
            raise ReplicaError(f"{CONFIG_NAME}: expected keys and values")
        return config

    def _place(self, index: int, phase: Mapping[str, Any]) -> _Place:
        tasks = {task["index"]: task for task in self.config["tasks"]}
        task = tasks[phase["tasks"][0]]
        program = self._unpacked(task["scoring_program"])
        reference = self._unpacked(task["reference_data"]) if "reference_data" in task else None
        try:
            told = read_task(program)
            codename, of_suite = told.phase + (f"-{told.board}" if told.board else ""), told.phase
        except (OSError, ValueError):  # no program of this project
            codename = of_suite = f"phase-{index}"
        files = sorted(path for path in (reference or program).rglob("*") if path.is_file())
        truth = files[0] if reference and files else program
        limit = phase.get("execution_time_limit", _DEFAULT_LIMIT_SECONDS)
        offered = OfferedPhase(codename, str(phase["name"]), of_suite, truth)
        return _Place(offered, program, reference, int(limit))

    def _unpacked(self, name: str) -> Path:
        target = self.folder / "unpacked" / Path(name).name
        if not target.exists():
            with zipfile.ZipFile(self.folder / "bundle" / name) as archive:
                archive.extractall(target)
        return target

    # ---- its phases and boards ------------------------------------------------------------

    @property
    def phases(self) -> List[OfferedPhase]:
        return [one.offered for one in self._places]

    def shown(self, codename: str, outcomes: Mapping[str, Outcome]) -> ShownPhase:
        entries = {team: outcome.output for team, outcome in outcomes.items()}
        return shown_phase(self.offered(codename), self._board, entries)

    # ---- scoring --------------------------------------------------------------------------

    def score(self, submission: Path, codename: str) -> CodabenchOutcome:
        """Run the scoring program on a file, or on what a zip holds, as Codabench does.

        Raises
        ------
        ToolError
            If there is no such phase, or the submission cannot be read.
        """
        offered = self.offered(codename)
        where = next(one for one in self._places if one.offered == offered)
        app = Path(tempfile.mkdtemp(prefix="run-", dir=self.folder)) / "app"
        try:
            self._lay_out(app, where, submission)
            return self._run(app, where, codename)
        finally:
            shutil.rmtree(app.parent, ignore_errors=True)

    def _lay_out(self, app: Path, where: _Place, submission: Path) -> None:
        shutil.copytree(where.program, app / "program")
        (app / "input" / "res").mkdir(parents=True)
        (app / "output").mkdir()
        if where.reference is not None:
            (app / "input" / "ref").mkdir()
            for path in where.reference.iterdir():
                place(path, app / "input" / "ref" / path.name)
        given = app / "input" / "res"
        try:
            if zipfile.is_zipfile(submission):
                with zipfile.ZipFile(submission) as archive:
                    if not {*_METADATA} & {*archive.namelist()}:  # else it is taken for a program
                        archive.extractall(given)
            else:
                place(submission, given / submission.name)
        except (OSError, zipfile.BadZipFile) as error:
            raise ToolError(f"{submission}: {error}") from None
        (given / "metadata").write_text("started: now\n", encoding="utf-8")

    def _command(self, app: Path) -> List[str]:
        for name in _METADATA:
            path = app / "program" / name
            if path.is_file():
                found = read_yaml(path.read_bytes())
                words = shlex.split(found["command"])
                break
        else:
            raise ReplicaError("the scoring program has no metadata.yaml at its root")
        words = [
            _FOLDER.sub(lambda found: str(app / (found[1] or found[2])), word) for word in words
        ]
        if words[0] in ("python3", "python"):
            words[0] = str(self._python)
        return words

    def _run(self, app: Path, where: _Place, codename: str) -> CodabenchOutcome:
        started = time.perf_counter()
        try:
            command = self._command(app)
        except (YamlProblem, *_CONFIG_FAULTS) as error:
            raise ReplicaError(f"the scoring program's metadata: {error}") from None
        log = app.parent / "program.log"
        process = subprocess.Popen(
            command,
            cwd=app / "program",
            env={"PATH": os.defpath, "PYTHONUNBUFFERED": "1", LOG_VARIABLE: str(log)},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            start_new_session=True,
        )
        problems: List[Problem] = []
        try:
            out, err = process.communicate(timeout=where.limit_seconds)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            out, err = process.communicate()
            problems.append(
                Problem(
                    "program",
                    f"ran for more than {where.limit_seconds} s: it must end itself before, since "
                    "the platform's limit is unreliable",
                )
            )
        stdout, stderr = (text.decode("utf-8", errors="replace") for text in (out, err))
        failed = process.returncode != 0
        scores: Dict[str, float] = {}
        if failed:
            problems += _of_failure(stderr, app / "output")
        else:
            scores, found = judge(app / "output", self._columns)
            problems += found
        page = app / "output" / PAGE_NAME
        return CodabenchOutcome(
            phase=codename,
            stdout=stdout,
            stderr=stderr,
            failed=failed,
            output=scores,
            problems=problems,
            seconds=time.perf_counter() - started,
            page=_text(page),
            log=_text(log),
        )


def _text(path: Path) -> str:
    return path.read_text(encoding="utf-8", errors="replace") if path.is_file() else ""


def _of_failure(stderr: str, output: Path) -> List[Problem]:
    """What is wrong with how a program failed."""
    problems = []
    if not stderr.strip():
        problems.append(Problem("stderr", "says nothing: nobody would know why it failed"))
    if "Traceback (most recent call last)" in stderr:
        problems.append(Problem("stderr", "is a traceback, which everybody can read"))
    if any(output.iterdir()):
        problems.append(Problem("output", "holds something though there is no score"))
    return problems

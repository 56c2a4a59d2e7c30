"""EvalAI's worker, played: a fresh folder, a fresh process, the files under names of its own."""

from __future__ import annotations

import contextlib
import json
import shutil
import subprocess
import tempfile
import uuid
import zipfile
from pathlib import Path
from typing import Any, Dict, List, Mapping, Optional, Tuple

import h5py

from evaluation_script.annotation import root_text
from evaluation_script.suites import DEFAULT
from evaluation_script.text import listed, plural, printable
from nlb_evalai.challenge import replica as base
from nlb_evalai.challenge.evalai.config import (
    CONFIG_NAME,
    Challenge,
    ChallengePhase,
    parse_challenge,
)
from nlb_evalai.challenge.evalai.replica import boards
from nlb_evalai.challenge.evalai.replica.outcome import ReplicaOutcome, reader_peak_mib
from nlb_evalai.challenge.evalai.replica.output import judge, revive
from nlb_evalai.challenge.evalai.replica.pins import script_problems
from nlb_evalai.challenge.evalai.rules.run import check_scored
from nlb_evalai.challenge.evalai.scored import Scored, from_answer
from nlb_evalai.challenge.replica import (
    OfferedPhase,
    Outcome,
    Problem,
    ReplicaError,
    ShownPhase,
)
from nlb_evalai.challenge.rules.finding import Finding
from nlb_evalai.challenge.surroundings import (
    PROJECT,
    fresh_python,
    place,
    random_name,
)
from nlb_evalai.errors import ToolError

#: Memory of EvalAI's worker unless the platform's staff raise it.
DEFAULT_MEMORY_MIB = 1024


class Replica(base.Replica):
    """A worker that has one challenge loaded, and scores what it is given.

    Parameters
    ----------
    bundle : Path
        The challenge zip.
    challenge_pk : int
        The number EvalAI would give the challenge.
    memory_mib : int
        What the worker has; a submission that takes more ends it.

    Raises
    ------
    ReplicaError
        If EvalAI's worker could not load it; says everything that is in the way.
    """

    title = "EvalAI"

    def __init__(
        self, bundle: Path, challenge_pk: int = 1256, memory_mib: int = DEFAULT_MEMORY_MIB
    ) -> None:
        self._memory_mib = memory_mib
        self.package = f"challenge_data.challenge_{challenge_pk}"
        self.loaded = f"{self.package}, imported in a fresh process that cannot see this checkout"
        self._scratch = tempfile.TemporaryDirectory(prefix="nlb-replica-")
        self._process: Optional[subprocess.Popen] = None
        self.folder = Path(self._scratch.name).resolve()
        self._log = self.folder / "worker.log"
        try:
            self.challenge, self.annotations = self._extract(bundle, challenge_pk)
            self._start()
        except BaseException:
            self.close()
            raise

    def close(self) -> None:
        """End the process and remove its folder."""
        self._end_process()
        self._scratch.cleanup()

    def _end_process(self) -> Optional[int]:
        process, self._process = self._process, None
        if process is None:
            return None
        status = process.poll()
        for stream in (process.stdin, process.stdout):
            if stream is not None:
                with contextlib.suppress(BrokenPipeError):
                    stream.close()
        if status is None:
            process.kill()
        return process.wait()

    # ---- loading --------------------------------------------------------------------------

    def _extract(self, bundle: Path, challenge_pk: int) -> tuple[Challenge, Dict[str, Path]]:
        challenge_folder = self.folder / "challenge_data" / f"challenge_{challenge_pk}"
        challenge_folder.mkdir(parents=True)
        (self.folder / "challenge_data" / "__init__.py").touch()
        try:
            with zipfile.ZipFile(bundle) as archive:
                challenge = self._config(archive, bundle)
                self._check_members(archive, challenge)
                try:
                    self._extract_script(archive, challenge, challenge_folder)
                except zipfile.BadZipFile as error:
                    where = f"{bundle}: {challenge.evaluation_script}"
                    raise ReplicaError(f"{where}: no zip file: {error}") from None
                annotations = {}
                for phase in challenge.phases:
                    target = challenge_folder / "phase_data" / f"phase_{phase.pk}"
                    path = target / random_name(phase.annotation)
                    target.mkdir(parents=True)
                    with archive.open(phase.annotation) as source, path.open("wb") as copy:
                        shutil.copyfileobj(source, copy, 1 << 20)
                    annotations[phase.codename] = path
        except OSError as error:
            raise ReplicaError(f"{bundle}: {error.strerror or error}") from None
        except zipfile.BadZipFile as error:
            raise ReplicaError(f"{bundle}: no zip file: {error}") from None
        return challenge, annotations

    @staticmethod
    def _config(archive: zipfile.ZipFile, bundle: Path) -> Challenge:
        if CONFIG_NAME not in archive.namelist():
            raise ReplicaError(f"{bundle}: {CONFIG_NAME} must be at the root of the zip")
        try:
            text = archive.read(CONFIG_NAME).decode("utf-8")
        except UnicodeDecodeError:
            raise ReplicaError(f"{bundle}: {CONFIG_NAME} is not UTF-8 text") from None
        return parse_challenge(text)

    @staticmethod
    def _check_members(archive: zipfile.ZipFile, challenge: Challenge) -> None:
        present = set(archive.namelist())
        missing = [name for name in challenge.files if name not in present]
        if missing:
            names = [printable(name) for name in missing]
            raise ReplicaError(listed("the bundle lacks what its config names,", names, "file"))

    @staticmethod
    def _extract_script(archive: zipfile.ZipFile, challenge: Challenge, folder: Path) -> None:
        name = challenge.evaluation_script
        with archive.open(name) as stream, zipfile.ZipFile(stream) as script:
            members = script.namelist()
            if "__init__.py" not in members:
                tops = {member.split("/")[0] for member in members}
                found = f"all is in {tops.pop()}/" if len(tops) == 1 else "it is not there"
                raise ReplicaError(
                    f"{name}: __init__.py must be at its root, but {found}: EvalAI loads such a "
                    "zip, and then fails every submission"
                )
            script.extractall(folder)
        problems = script_problems(folder)
        if problems:
            raise ReplicaError(listed(f"{name} cannot run there,", problems))

    def _start(self) -> None:
        elsewhere = self.folder / "elsewhere"
        elsewhere.mkdir(exist_ok=True)
        with self._log.open("ab") as log:
            self._process = subprocess.Popen(
                [
                    str(fresh_python(self.folder / "python")),
                    "-I",
                    str(Path(__file__).with_name("child.py")),
                    str(self.folder / "django.log"),
                ],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=log,
                cwd=elsewhere,
                text=True,
            )
        answer = self._ask(
            action="load",
            folder=str(self.folder),
            package=self.package,
            forbidden=PROJECT,
        )
        if answer is None:
            raise ReplicaError("the worker died while it loaded the challenge")
        if "failed" in answer or "late" in answer:
            raise ReplicaError(
                f"the evaluation script does not load:\n{answer.get('failed') or answer['late']}"
            )

    # ---- its phases and boards ------------------------------------------------------------

    @property
    def phases(self) -> List[OfferedPhase]:
        return [
            OfferedPhase(
                phase.codename, phase.name, phase.codename, self.annotations[phase.codename]
            )
            for phase in self.challenge.phases
        ]

    def shown(self, codename: str, outcomes: Mapping[str, Outcome]) -> ShownPhase:
        phase = self.challenge.phase(codename)
        outputs = {team: outcome.output for team, outcome in outcomes.items()}
        return boards.shown_phase(phase, self.challenge.splits_of(phase), outputs)

    # ---- its suite ------------------------------------------------------------------------

    def suite_name(self) -> Optional[str]:
        """The suite that the bundle's truth is of; None where it holds pointers alone."""
        for path in self.annotations.values():
            with contextlib.suppress(OSError), h5py.File(path, "r") as file:
                return root_text(file, "suite") or DEFAULT
        return None

    def scored(self) -> Optional[Scored]:
        """What the evaluation script's own suite scores; None where it knows no suites.

        Raises
        ------
        ReplicaError
            If the suite is not there, or cannot tell.
        """
        answer = self._asked(
            action="suite",
            package=self.package,
            suite=self.suite_name(),
            splits=[split.split for split in self.challenge.phase_splits],
        )
        return from_answer(answer["scored"]) if answer else None

    def ask_suite(self, bundle: Path) -> Tuple[str, List[Finding]]:
        scored = self.scored()
        if scored is None:
            nothing = "the evaluation script knows no suites: nothing to hold the boards against"
            return nothing, []
        findings = check_scored(bundle, scored)
        kept = "phases, splits and labels are what it scores"
        found = f"{plural(len(findings), 'fault')} in the bundle" if findings else kept
        return f"{scored.suite}, asked where it runs: {found}", findings

    def rates(self, truth: Path, codename: str) -> List[List[Any]]:
        """What a submission of constant rates must hold, see ``child.constant_rates``.

        Raises
        ------
        ReplicaError
            If the evaluation script cannot read that truth.
        """
        answer = self._asked(
            action="rates", package=self.package, annotation=str(truth), phase_codename=codename
        )
        rates: List[List[Any]] = answer["rates"]
        return rates

    def _asked(self, **request: Any) -> Dict[str, Any]:
        if self._process is None:
            self._start()
        answer = self._ask(**request)
        if answer is None:
            self._end_process()
            raise ReplicaError("the worker died while it was asked for its suite")
        if "failed" in answer:
            raise ReplicaError(f"the evaluation script's suite: {answer['failed']}")
        return answer

    # ---- scoring --------------------------------------------------------------------------

    def score(self, submission: Path, codename: str) -> ReplicaOutcome:
        """Hand a submission to ``evaluate``, as the worker does.

        Raises
        ------
        ConfigError
            If the challenge has no such phase.
        ToolError
            If the submission cannot be copied.
        """
        phase = self.challenge.phase(codename)
        if self._process is None:
            self._start()
        folder = self.folder / "submission_files" / f"submission_{uuid.uuid4().hex[:8]}"
        folder.mkdir(parents=True)
        given = folder / random_name(submission.name)
        try:
            place(submission, given)
        except OSError as error:
            raise ToolError(f"{submission}: {error.strerror}") from None
        stdout, stderr = folder / "temp_stdout.txt", folder / "temp_stderr.txt"
        seen = self._log.stat().st_size if self._log.exists() else 0
        answer = self._ask(
            action="evaluate",
            package=self.package,
            annotation=str(self.annotations[codename]),
            submission=str(given),
            phase_codename=codename,
            metadata=_metadata(phase, given),
            stdout=str(stdout),
            stderr=str(stderr),
        )
        outcome = self._outcome(codename, answer, stdout, stderr, seen)
        shutil.rmtree(folder, ignore_errors=True)
        return outcome

    def _outcome(
        self, codename: str, answer: Optional[Dict[str, Any]], stdout: Path, stderr: Path, seen: int
    ) -> ReplicaOutcome:
        log = self._log.read_bytes()[seen:].decode(errors="replace") if self._log.exists() else ""
        out, err = (
            path.read_text(errors="replace") if path.exists() else "" for path in (stdout, stderr)
        )
        if answer is None:
            code = self._end_process()
            death = Problem(
                "worker",
                f"the process died (exit status {code}): on EvalAI the submission would stay "
                "running for ever",
            )
            return ReplicaOutcome(codename, out, err, True, problems=[death], worker_log=log)
        output, problems = None, []
        if not answer.get("failed"):
            output = revive(answer["output"])
            problems = judge(output, self.challenge.splits_of(self.challenge.phase(codename)))
        problems += [
            Problem("worker", f"evaluate left a file open ({Path(path).suffix})")
            for path in answer["open_files"]
        ]
        peak_mib = answer["peak_mib"] + reader_peak_mib(output)
        if peak_mib > self._memory_mib:
            self._end_process()
            problems.append(
                Problem(
                    "worker",
                    f"it took up to {peak_mib:.0f} MiB of memory, and EvalAI's worker has "
                    f"{self._memory_mib} MiB: there it is killed, and the submission stays "
                    "running for ever",
                )
            )
        return ReplicaOutcome(
            phase=codename,
            stdout=out,
            stderr=err,
            worker_log=log,
            failed=bool(answer.get("failed")),
            output=output,
            problems=problems,
            seconds=answer["seconds"],
            peak_mib=peak_mib,
        )

    def _ask(self, **request: Any) -> Optional[Dict[str, Any]]:
        """The worker's answer, or None if it died."""
        process = self._process
        assert process is not None
        assert process.stdin is not None
        assert process.stdout is not None
        try:
            process.stdin.write(json.dumps(request) + "\n")
            process.stdin.flush()
        except BrokenPipeError:
            process.wait()
            return None
        line = process.stdout.readline()
        if not line:
            process.wait()  # its output has ended, so it will
            return None
        answer: Dict[str, Any] = json.loads(line)
        return answer


def _metadata(phase: ChallengePhase, submission: Path) -> Dict[str, Any]:
    """The keyword argument that EvalAI adds; nothing in it may be relied on."""
    return {
        "id": 1,
        "challenge_phase": phase.pk,
        "participant_team": 1,
        "input_file": f"/media/submission_files/submission_1/{submission.name}",
        "status": "running",
        "is_public": False,
        "method_name": "",
        "method_description": "",
        "project_url": "",
        "publication_url": "",
        "submission_metadata": None,
    }

"""A worker process: its loops, its signals, and its end."""

from __future__ import annotations

import logging
import os
import signal
import socket
import sqlite3
import threading
import time
import uuid
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Dict, List, Mapping, Optional

import h5py

from evaluation_script import suites
from evaluation_script.annotation import root_text
from evaluation_script.suites import Suite, SuiteError
from nlb_evalai.errors import ToolError
from nlb_evalai.remote.client import Client
from nlb_evalai.remote.health import Health
from nlb_evalai.remote.ledger import LEDGER, Ledger
from nlb_evalai.remote.log import say
from nlb_evalai.remote.policy import Policy, Shared
from nlb_evalai.remote.scorer import Scorer
from nlb_evalai.remote.state import sweep
from nlb_evalai.remote.worker import Loop
from nlb_evalai.truth.folder import truths_in
from nlb_evalai.web.http import Timing

#: What scoring one submission may hold: the scorer, its reader, and room for growth.
SCORING_MIB = 640
#: Kept of the grace time for handing back.
_LAST_SECONDS = 2.0
#: a wait for the next request that is worth a word
_LONG_TURN_SECONDS = 10.0


@dataclass(frozen=True)
class Settings:
    """Everything a worker is told. ``suite`` makes one of the host's own known to scorings."""

    api: str
    queue: str
    token: str = field(repr=False)
    annotations: Mapping[str, Path]
    state: Path
    health_file: Path
    policy: Policy = field(default_factory=Policy)
    timing: Timing = field(default_factory=Timing)
    once: bool = False
    concurrency: int = 1
    lease_seconds: float = 120.0
    grace_seconds: float = 20.0
    scoring_seconds: float = 2400.0
    requests_per_minute: float = 60.0
    log_json: bool = False
    suite: Optional[Suite] = None


def find_annotations(given: List[str], suite: Optional[Suite] = None) -> Mapping[str, Path]:
    """Phase -> ground truth, from folders, files named after their phase, and ``phase=file``.

    Parameters
    ----------
    given : list of str
    suite : Suite, optional
        Left out, each file says of which suite it is; what a pointer points at may be of any.

    Raises
    ------
    ToolError
        Naming all that is missing, of an unknown suite, of no phase, or there twice.
    """
    found: Dict[str, Path] = {}
    problems: List[str] = []
    for item in given:
        phase, mark, rest = item.partition("=")
        path = Path(rest if mark else item)
        if path.is_dir() and not mark:
            files = truths_in(path)
            if not files:
                problems.append(f"{path}: no annotation file, expected <phase>.h5")
        elif path.is_file():
            files = {phase if mark else path.stem: path}
        else:
            problems.append(f"{path}: no such file" + ("" if mark else " or folder"))
            continue
        for name, file in files.items():
            try:
                known = _phases(file, suite)
            except SuiteError as error:
                problems.append(f"{file}: {error}")
                continue
            if name not in known:
                problems.append(f"{file}: found phase {name!r}, expected {' or '.join(known)}")
            elif name in found:
                problems.append(f"{file}: phase {name} has {found[name]} already")
            else:
                found[name] = file.resolve()
    if problems:
        raise ToolError("annotations:\n" + "\n".join(f"  {problem}" for problem in problems))
    return found


def _phases(truth: Path, suite: Optional[Suite]) -> List[str]:
    """The phases that a file can be of."""
    if suite is None:
        try:
            with h5py.File(truth, "r") as file:
                suite = suites.find(root_text(file, "suite") or suites.DEFAULT)
        except OSError:  # a pointer, or damaged: then scoring says so
            found = [phase for name in suites.names() for phase in suites.find(name).phases]
            return list(dict.fromkeys(phase.codename for phase in found))
    return [phase.codename for phase in suite.phases]


def within_memory(wanted: int, memory_mib: Optional[int]) -> int:
    """How many submissions may be scored at a time.

    Raises
    ------
    ToolError
        If the memory is too small for one.
    """
    if memory_mib is None:
        return wanted
    if memory_mib < SCORING_MIB:
        raise ToolError(f"memory: found {memory_mib} MiB, expected at least {SCORING_MIB}")
    return min(wanted, memory_mib // SCORING_MIB)


class Service:
    """Runs loops in threads, each scoring in processes of its own."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        try:
            self._ledger = Ledger(settings.state, settings.lease_seconds)
        except OSError as error:
            raise ToolError(f"{settings.state}: cannot be written: {error.strerror}") from None
        except sqlite3.Error as error:
            raise ToolError(
                f"{settings.state / LEDGER}: cannot be used as the workers' record ({error}); if "
                "it is damaged, stop all workers and remove it: what is in hand is scored again"
            ) from None
        self._shared = Shared(
            policy=settings.policy,
            annotations=settings.annotations,
            ledger=self._ledger,
            scorer=Scorer(settings.scoring_seconds, settings.log_json, settings.suite),
            health=Health(settings.health_file),
            work=settings.state / "work",
        )
        self._failures: List[BaseException] = []
        self._name = f"{socket.gethostname()}-{os.getpid()}-{uuid.uuid4().hex[:8]}"

    def run(self) -> Counter:
        """Work until the queue is empty (``once``) or a signal comes; what was done, counted.

        Raises
        ------
        RemoteError
            If the server refuses the token or the queue; with ``once``, if it cannot be reached.
        """
        settings = self._settings
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, self._on_signal)
        sweep(self._shared.work, self._ledger)
        say(
            logging.INFO,
            "worker started",
            api=settings.api,
            queue=settings.queue,
            phases=sorted(settings.annotations),
            concurrency=settings.concurrency,
        )
        threads = [self._start(i) for i in range(settings.concurrency)]
        for thread in threads:
            # Waits in pieces: a signal is only seen between them.
            while thread.is_alive() and not self._shared.stop.is_set():
                thread.join(0.5)
        self._wind_up(threads)
        say(logging.INFO, "worker ended", **dict(self._shared.counts))
        if self._failures:
            raise self._failures[0]
        return self._shared.counts

    @property
    def left(self) -> Dict[int, str]:
        """Submissions that are not settled though nobody else has them, and why."""
        return dict(self._shared.left)

    def _wind_up(self, threads: List[threading.Thread]) -> None:
        """Let the loops finish within the grace time, then have them hand back."""
        deadline = time.monotonic() + self._settings.grace_seconds
        _join(threads, deadline - min(_LAST_SECONDS, self._settings.grace_seconds / 2))
        self._shared.abort.set()
        _join(threads, deadline)
        if any(thread.is_alive() for thread in threads):
            # Stuck in a request. Its message comes again, its lease runs out.
            say(logging.WARNING, "worker ended in the middle", **dict(self._shared.counts))
            logging.shutdown()
            os._exit(1)

    def _start(self, index: int) -> threading.Thread:
        name = f"{self._name}-{index}"
        thread = threading.Thread(target=self._loop, args=(name,), name=f"loop-{index}")
        thread.daemon = True
        thread.start()
        return thread

    def _loop(self, name: str) -> None:
        settings = self._settings

        def pace() -> None:
            self._shared.health.beat(name, "asking")
            seconds = self._ledger.turn(settings.requests_per_minute)
            if seconds > _LONG_TURN_SECONDS:
                say(logging.INFO, "waiting for its turn to ask", seconds=round(seconds, 1))
            self._shared.abort.wait(seconds)

        client = Client(
            settings.api, settings.queue, settings.token, pace=pace, timing=settings.timing
        )
        try:
            Loop(name, client, self._shared).run(settings.once)
        except BaseException as error:  # noqa: BLE001 - raised again in the main thread
            self._failures.append(error)
            self._shared.stop.set()

    def _on_signal(self, number: int, frame: Any) -> None:
        self._shared.stop.set()


def _join(threads: List[threading.Thread], deadline: float) -> None:
    for thread in threads:
        thread.join(max(0.0, deadline - time.monotonic()))

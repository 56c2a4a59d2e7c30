"""A file, the stand-in for EvalAI, and uploads between them with little pauses and small parts."""

from __future__ import annotations

import random
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any, Callable, Iterator, List, Optional

import pytest

from nlb_evalai.submission.submit.answers import Answers
from nlb_evalai.submission.submit.client import Client, Submission
from nlb_evalai.submission.submit.run import Submitter
from nlb_evalai.submission.submit.state import Store, Upload
from nlb_evalai.submission.submit.steps import Policy, Steps
from nlb_evalai.submission.submit.storage import Storage
from nlb_evalai.web.http import Timing
from tests.nlb_evalai.submission.submit.evalai import CHALLENGE, TOKEN, EvalAI

QUICK = Timing(connect_seconds=5, answer_seconds=5, repeats=2, first_pause_seconds=0.002)
POLICY = Policy(
    part_bytes=1000,
    poll_seconds=0.002,
    longest_poll_seconds=0.01,
    doubt_seconds=0.05,
    tries=3,
    pause_seconds=0.002,
)
ANSWERS = Answers(
    method="Smooth ü",
    description="kernel\nregression",
    project_url="https://p.example",
    code_released=True,
    attributes=("external data used=no", "Interpretability statement=clear = ü"),
)


EXPORTED = [
    "Code will be released: True",
    "External data used: False",
    "Interpretability statement: clear = ü",
]


def check_one(evalai: EvalAI, file: Path) -> None:
    """One submission is alive, was sent once, has the file and all that was said of it."""
    (entry,) = evalai.alive
    assert entry.messages == 1
    assert entry.file == file.read_bytes()
    assert evalai.holding == []
    assert entry.content["method_name"] == "Smooth ü"
    assert evalai.export()[-3:] == EXPORTED


class Machine:
    """A participant's machine: each call is a process of its own, as far as EvalAI can tell."""

    def __init__(self, evalai: EvalAI, folder: Path) -> None:
        self.evalai = evalai
        self.folder = folder
        self.said: List[str] = []
        self.progress: List[int] = []
        self.on_progress: Callable[[int], None] = lambda done: None

    @property
    def store(self) -> Store:
        return Store(self.folder)

    def steps(self, token: str, **policy: Any) -> Steps:
        def tell(done: int, total: int) -> None:
            self.progress.append(done)
            self.on_progress(done)

        client = Client(self.evalai.api, token, timing=QUICK)
        return Steps(
            client, Storage(QUICK), self.store, replace(POLICY, **policy), self.said.append, tell
        )

    def submit(
        self,
        file: Path,
        answers: Answers = ANSWERS,
        *,
        token: str = TOKEN,
        again: bool = False,
        send_again: bool = False,
        **policy: Any,
    ) -> Submission:
        steps = self.steps(token, **policy)
        with closing(steps.client), closing(steps.storage):
            submitter = Submitter(steps, CHALLENGE, "test")
            upload = submitter.submit(file, answers, again=again, send_again=send_again)
            return submitter.follow(upload)

    def abandon(self, file: Optional[Path] = None) -> List[int]:
        steps = self.steps(TOKEN)
        with closing(steps.client), closing(steps.storage):
            return Submitter(steps, CHALLENGE, "test").abandon(file)

    def interrupt_at(self, n_bytes: int) -> None:
        """Raise KeyboardInterrupt, once, when so much is uploaded."""

        def stop(done: int) -> None:
            if done >= n_bytes:
                self.on_progress = lambda done: None
                raise KeyboardInterrupt

        self.on_progress = stop

    @property
    def uploads(self) -> List[Upload]:
        found = [self.store.load(path.stem) for path in self.store.folder.glob("*.json")]
        return [one for one in found if one is not None]


@pytest.fixture
def evalai() -> Iterator[EvalAI]:
    server = EvalAI()
    yield server
    server.close()
    assert server.violations == []


@pytest.fixture
def machine(evalai: EvalAI, tmp_path: Path) -> Machine:
    return Machine(evalai, tmp_path / "state")


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """Four and a half parts of noise."""
    path = tmp_path / "mine.h5"
    path.write_bytes(random.Random(3).randbytes(4_500))
    return path

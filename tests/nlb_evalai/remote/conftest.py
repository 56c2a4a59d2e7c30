"""A tiny benchmark, the stand-in for EvalAI, and workers as real processes."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Callable, Dict, Iterator, List

import h5py
import pytest

import evaluation_script
from evaluation_script.suites import DEFAULT_SUITE
from nlb_evalai.sample.files import write_sample
from tests.nlb_evalai.remote.standin import CHALLENGE, QUEUE, TOKEN, StandIn


@dataclass(frozen=True)
class Tiny:
    """Ground truth of one dataset, submissions, and the scores they must get."""

    annotations: Path
    files: Dict[str, bytes]
    scores: Dict[str, Dict[str, Dict[str, float]]]


@pytest.fixture(scope="session")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> Tiny:
    folder = tmp_path_factory.mktemp("tiny")
    rtt = tuple(dataset for dataset in DEFAULT_SUITE.datasets if dataset.name == "mc_rtt")
    models = ["true", "smoothing", "mean"]
    paths = write_sample(
        folder, suite=replace(DEFAULT_SUITE, datasets=rtt), phases=["val"], models=models
    )
    files, scores = {}, {}
    for name, path in paths.submissions["val"].items():
        with h5py.File(path, "a") as file:
            del file["mc_rtt"]  # 20 ms alone is enough, and quick
        answer = evaluation_script.evaluate(paths.annotations["val"], path, "val")
        files[name] = path.read_bytes()
        scores[name] = {split: row for one in answer["result"] for split, row in one.items()}
    return Tiny(folder / "annotations", files, scores)


class Worker:
    """``nlb-evalai worker`` as a process; its log is parsed."""

    def __init__(self, server: StandIn, tiny: Tiny, state: Path, *options: str) -> None:
        state.mkdir(parents=True, exist_ok=True)
        self.log_path = state / f"log-{time.monotonic_ns()}.jsonl"
        environment = {
            **os.environ,
            "AUTH_TOKEN": TOKEN,
            "API_SERVER": server.api,
            "QUEUE_NAME": QUEUE,
            "CHALLENGE_PK": str(CHALLENGE),
            "NLB_EVALAI_STATE": str(state),
        }
        command = [sys.executable, "-m", "nlb_evalai", "worker", "--log-json"]
        command += ["--annotations", str(tiny.annotations), "--poll", "0.2"]
        command += ["--requests-per-minute", "100000", "--first-pause", "0.02"]
        command += ["--private-storage", "localhost", *options]
        with self.log_path.open("wb") as log:
            self.process = subprocess.Popen(
                command, env=environment, stdout=subprocess.PIPE, stderr=log, cwd=state
            )
        self.said = ""

    def wait(self, seconds: float = 60) -> int:
        out, _ = self.process.communicate(timeout=seconds)
        self.said += out.decode()
        return self.process.returncode

    def stop(self, number: int = signal.SIGTERM, seconds: float = 30) -> int:
        if self.process.poll() is None:
            self.process.send_signal(number)
        return self.wait(seconds)

    @property
    def text(self) -> str:
        return self.log_path.read_text(encoding="utf-8")

    @property
    def log(self) -> List[Dict[str, Any]]:
        return [json.loads(line) for line in self.text.splitlines() if line.startswith("{")]

    def events(self, event: str) -> List[Dict[str, Any]]:
        return [line for line in self.log if line["event"] == event]


@pytest.fixture
def start(tiny: Tiny, tmp_path: Path) -> Iterator[Callable[..., Worker]]:
    workers: List[Worker] = []

    def begin(server: StandIn, *options: str, state: str = "state") -> Worker:
        workers.append(Worker(server, tiny, tmp_path / state, *options))
        return workers[-1]

    yield begin
    for worker in workers:
        if worker.process.poll() is None:
            worker.process.kill()
            worker.wait()


def until(condition: Callable[[], bool], seconds: float, what: str) -> None:
    """Wait for something, or fail saying what did not come."""
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, f"not within {seconds} s: {what}"
        time.sleep(0.05)

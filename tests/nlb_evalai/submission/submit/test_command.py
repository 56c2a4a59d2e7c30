"""``nlb-evalai submit`` as people run it: real files, real processes, real signals."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any, List, Optional

import numpy as np
import pytest
from click.testing import CliRunner, Result

from evaluation_script.submission.layout import published_layouts
from evaluation_script.suites import DEFAULT_SUITE
from nlb_evalai.cli.submit import submit
from nlb_evalai.submission import save
from tests.nlb_evalai.submission.submit.evalai import CHALLENGE, TOKEN, EvalAI, called

PART = 64_000


@pytest.fixture(scope="module")
def fit(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A submission of the official shapes of one small group."""
    layout = published_layouts(DEFAULT_SUITE, "test")["mc_maze_small_20"]
    rng = np.random.default_rng(0)
    arrays = {
        array.name: (rng.integers(1, 9, layout.shape(array)) / 16).astype(np.float32)
        for part in layout.required()
        for array in part.arrays
    }
    path = tmp_path_factory.mktemp("fit") / "fit.h5"
    save(path, {"mc_maze_small_20": arrays}, phase="test")
    return path


def options(evalai: EvalAI, state: Path) -> List[str]:
    fixed = ["--challenge", str(CHALLENGE), "--phase", "test", "--api", evalai.api]
    return [*fixed, "--state", str(state), "--part-bytes", str(PART), "--pause", "0.002"]


def run(evalai: EvalAI, state: Path, *arguments: Any, token: Optional[str] = TOKEN) -> Result:
    """In this process; what is raised is in ``exception``."""
    given = [*map(str, arguments), *options(evalai, state)]
    return CliRunner().invoke(submit, given, env={"EVALAI_TOKEN": token})


def test_a_file_is_checked_uploaded_and_followed_to_its_scores(
    evalai: EvalAI, fit: Path, tmp_path: Path
) -> None:
    evalai.stdout = "phase test: 1 group scored\n\x1b[2J  mc_maze_small_20  co-bps 0.2"
    said = ("--method", "Smooth", "--private", "--code-will-be-released")
    result = run(evalai, tmp_path, fit, *said, "--attribute", "External data used=no")
    assert result.exit_code == 0, result.output
    lines = result.output.splitlines()
    assert lines[-2:] == ["phase test: 1 group scored", r"\x1b[2J  mc_maze_small_20  co-bps 0.2"]
    assert "submission 11 was made (private)" in lines
    assert any(line.startswith("uploaded 0.1 of ") for line in lines)
    (entry,) = evalai.alive
    assert (entry.messages, entry.file) == (1, fit.read_bytes())
    assert evalai.export()[:2] == ["Code will be released: True", "External data used: False"]
    shown = run(evalai, tmp_path, "--status", 11)
    assert shown.exit_code == 0
    assert shown.output.splitlines()[0] == "submission 11 is finished"
    evalai.stdout = ""
    assert '{"scores": {}}' in run(evalai, tmp_path, "--status", 11).output


def test_what_the_server_would_reject_is_not_sent(
    evalai: EvalAI, fit: Path, tmp_path: Path
) -> None:
    bad = tmp_path / "bad\x1b.h5"
    bad.write_bytes(fit.read_bytes()[:-5000])
    result = run(evalai, tmp_path, bad)
    assert result.exit_code == 1
    assert "bad\\x1b.h5: would be rejected in phase test, so nothing was sent, 1 problem:" in (
        result.output
    )
    assert evalai.requests == []


def test_a_failure_is_told_with_its_reason(evalai: EvalAI, fit: Path, tmp_path: Path) -> None:
    evalai.end, evalai.stdout = "failed", ""
    evalai.stderr = "SubmissionError: submission rejected, 1 problem:\n  mc_rtt: is missing\n"
    result = run(evalai, tmp_path, fit)
    assert result.exit_code == 1
    assert result.output.splitlines()[-2:] == evalai.stderr.splitlines()
    assert run(evalai, tmp_path, "--status", 11).exit_code == 1


def test_no_wait_leaves_once_it_is_sent(evalai: EvalAI, fit: Path, tmp_path: Path) -> None:
    evalai.works = False
    result = run(evalai, tmp_path, fit, "--no-wait")
    assert result.exit_code == 0
    assert "submission 11 was sent to be scored" in result.output
    assert run(evalai, tmp_path, "--status", 11).output == "submission 11 is submitted\n"


@pytest.mark.parametrize(
    ("arguments", "token", "words"),
    [
        ([], None, "no token: put the one from your EvalAI profile into EVALAI_TOKEN"),
        ([], "two words", "the token: found spaces or odd characters"),
        (["--token-file", "/nowhere/token"], TOKEN, "/nowhere/token: the token cannot be read"),
        (["--phase", "tset"], TOKEN, "--phase: found 'tset', expected val or test (suite nlb21)"),
        (["--api", "http://eval.ai"], TOKEN, "would send the token unencrypted"),
    ],
)
def test_what_is_wrong_with_the_command_is_told_before_anything_is_sent(
    evalai: EvalAI, fit: Path, tmp_path: Path, arguments: List[str], token: str, words: str
) -> None:
    given = [str(fit), *options(evalai, tmp_path), *arguments]
    result = CliRunner().invoke(submit, given, env={"EVALAI_TOKEN": token})
    assert words in f"{result.output}{result.exception}"
    assert evalai.requests == []


def test_what_is_missing_is_named(fit: Path) -> None:
    result = CliRunner().invoke(submit, ["--phase", "test"])
    assert result.exit_code == 2
    assert "FILE, --challenge missing, as --status is not given" in result.output


def test_ctrl_c_says_what_is_left_and_the_same_command_goes_on(
    evalai: EvalAI, fit: Path, tmp_path: Path
) -> None:
    secret = tmp_path / "token"
    secret.write_text(f"{TOKEN}\n")
    command = [sys.executable, "-m", "nlb_evalai", "submit", str(fit), "--token-file", str(secret)]
    command += options(evalai, tmp_path / "state")
    environment = {name: text for name, text in os.environ.items() if name != "EVALAI_TOKEN"}
    process = subprocess.Popen(
        command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT
    )
    seen: List[str] = []

    def interrupt() -> None:
        seen.append(Path(f"/proc/{process.pid}/cmdline").read_text())
        process.send_signal(signal.SIGINT)
        time.sleep(0.2)

    evalai.after("put", called(interrupt))
    said = process.communicate(timeout=60)[0].decode()
    assert process.returncode == 130
    assert "interrupted; submission 11 takes quota and a place" in said
    again = subprocess.run(command, env=environment, capture_output=True, check=True, timeout=60)
    assert "submission 11 goes on" in again.stderr.decode()
    (entry,) = evalai.alive
    assert (entry.messages, entry.file) == (1, fit.read_bytes())
    assert TOKEN not in said + again.stderr.decode() + again.stdout.decode() + seen[0]


def test_abandon_says_what_it_gave_up(evalai: EvalAI, fit: Path, tmp_path: Path) -> None:
    evalai.before("send", lambda handler: bool(handler.drop()) or True)
    result = run(evalai, tmp_path, fit, "--no-wait")
    assert "nobody knows whether its message arrived" in str(result.exception)
    result = run(evalai, tmp_path, "--abandon")
    assert result.exit_code == 0
    assert result.output.splitlines() == [
        "submission 11 was cancelled: it takes no quota and no place",
        "1 submission given up",
    ]
    assert evalai.alive == []

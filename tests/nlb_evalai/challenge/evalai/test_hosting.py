"""The commands of docs/hosting.md, in order, from a clone to an update, against stand-ins."""

from __future__ import annotations

import re
import shlex
import shutil
import subprocess
import zipfile
from pathlib import Path
from typing import Dict, Iterator, List

import boto3
import pytest
import yaml

from nlb_evalai import cli
from tests.nlb_evalai.challenge.evalai.server import CREATE, TOKEN, VALIDATE, EvalAI
from tests.paths import ROOT

PAGE = ROOT / "docs" / "hosting.md"
SESSION = ROOT / "tests" / "data" / "sessions" / "mc_rtt_full.nwb"
#: first words of a command on the page; what else is indented there is no command
COMMANDS = ("git", "cd", "make", ".", "nlb-evalai", "export", "cp")
#: what a reader fills in -> what this test does
FILLED = {
    "mc_maze=…": f"mc_rtt={SESSION}",
    "AUTH_TOKEN=…": f"AUTH_TOKEN={TOKEN}",
    "--host-team 123": f"--host-team {EvalAI.team}",
    # the tests' sessions are small, and of one dataset
    "annotations verify": "annotations verify --shapes any --partial",
}
BEFORE = ["git clone ADDRESS nlb-evalai", "cd nlb-evalai", "make venv", ". .venv/bin/activate"]


def commands() -> List[str]:
    indented = re.findall(r"^ {4,}(\S.*)$", PAGE.read_text("utf-8"), re.MULTILINE)
    ours = [line for line in indented if "mine.py" not in line]  # no suite of that name is there
    return [line for line in ours if line.split()[0] in COMMANDS]


@pytest.fixture
def evalai() -> Iterator[EvalAI]:
    server = EvalAI()
    yield server
    server.close()


@pytest.fixture
def clone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of what a clone has, in which the commands run."""
    ignored = shutil.ignore_patterns(".*", "tests", "build", "*.h5", "__pycache__", "docs")
    folder = shutil.copytree(ROOT, tmp_path / "nlb-evalai", ignore=ignored)
    monkeypatch.chdir(folder)
    monkeypatch.setattr("nlb_evalai.challenge.evalai.bundle.checkout_root", lambda: folder)
    monkeypatch.delenv("AUTH_TOKEN", raising=False)
    return folder


def test_the_commands_of_the_page_lead_from_a_clone_to_an_update(
    clone: Path, evalai: EvalAI, proxy, moto, monkeypatch: pytest.MonkeyPatch, capsys
) -> None:
    client = boto3.client("s3", endpoint_url="http://{}:{}".format(*moto), region_name="us-east-1")
    client.create_bucket(Bucket="our-bucket")
    client.close()
    lines = commands()
    assert lines[:4] == BEFORE  # what this test's own set-up stands for
    subprocess.run(["make", "-n", "venv"], cwd=clone, check=True, capture_output=True)
    said: Dict[str, str] = {}
    for line in lines[4:]:
        if "build/next.zip" in line and "build" in line.split():
            _edit(clone)
        capsys.readouterr()
        _do(line, evalai, monkeypatch)
        said[line] = capsys.readouterr().out

    assert all(any(word in line for line in lines) for word in FILLED)
    assert evalai.calls == [VALIDATE, VALIDATE, CREATE, VALIDATE, CREATE]
    (live,) = evalai.challenges.values()
    assert live == (clone / "build" / "live.zip").read_bytes()
    with zipfile.ZipFile(clone / "build" / "live.zip") as bundle:
        assert yaml.safe_load(bundle.read("challenge_config.yaml"))["title"].endswith("(edited)")
        assert bundle.read("annotations/test.h5")[:4] == b"\x89HDF"
    assert "s3://our-bucket/nlb21/test-" in (clone / "annotations" / "test.yaml").read_text()
    pushes = [text for line, text in said.items() if "bundle push" in line]
    assert "Nothing was created or changed" in pushes[0]
    assert "has been created successfully" in pushes[1]
    assert "has been updated successfully" in pushes[2]
    address = f"Look at it: {evalai.url}/web/challenges/challenge-page/41/overview"
    assert [text.rstrip().splitlines()[-1] for text in pushes[1:]] == [address] * 2


def _do(line: str, evalai: EvalAI, monkeypatch: pytest.MonkeyPatch) -> None:
    """One line of the page, as a shell does it; ``nlb-evalai`` in this process."""
    for word, instead in FILLED.items():
        line = line.replace(word, instead)
    first, *rest = shlex.split(line)
    if first == "export":
        monkeypatch.setenv(*rest[0].split("=", 1))
    elif first == "nlb-evalai":
        if rest[:2] == ["bundle", "push"]:
            rest += ["--api", evalai.url]
        monkeypatch.setattr("sys.argv", [first, *rest])
        try:
            cli.main()
        except SystemExit as end:
            assert not end.code, line
    else:
        subprocess.run([first, *rest], check=True)


def _edit(clone: Path) -> None:
    path = clone / "challenge_config.yaml"
    text = path.read_text("utf-8")
    title = yaml.safe_load(text)["title"]
    edited = re.sub(r"^title: .*$", f'title: "{title} (edited)"', text, flags=re.MULTILINE)
    assert edited != text
    path.write_text(edited, "utf-8")

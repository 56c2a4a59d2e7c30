"""A challenge repository's own evaluation_script is never taken for the scorer."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from nlb_evalai import cli
from tests.paths import ROOT


@pytest.fixture
def site(tmp_path: Path) -> Path:
    """The two packages, as an installation has them."""
    folder = tmp_path / "site"
    for name in ("evaluation_script", "nlb_evalai"):
        shutil.copytree(ROOT / name, folder / name, ignore=shutil.ignore_patterns("__pycache__"))
    return folder


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    """Somebody's challenge, whose code must not run."""
    folder = tmp_path / "challenge" / "evaluation_script"
    folder.mkdir(parents=True)
    (folder / "__init__.py").write_text("raise SystemExit('a namesake was imported')\n")
    return folder.parent


def run(site: Path, cwd: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    environment = {"PYTHONPATH": str(site), "PATH": "/usr/bin:/bin", "COLUMNS": "200"}
    return subprocess.run(
        [sys.executable, *arguments], capture_output=True, text=True, cwd=cwd, env=environment
    )


def test_python_m_beside_a_namesake_says_what_it_found(site: Path, repository: Path) -> None:
    done = run(site, repository, "-m", "nlb_evalai", "check", "--help")
    assert done.returncode == 2
    assert done.stdout == ""
    (line,) = done.stderr.splitlines()
    found, expected = repository / "evaluation_script", site / "evaluation_script"
    assert f"evaluation_script: found {found}, expected {expected}" in line


def test_a_script_beside_a_namesake_is_told_so(site: Path, repository: Path) -> None:
    script = repository / "write.py"
    script.write_text("from nlb_evalai.submission import Writer\n")
    done = run(site, site, str(script))
    assert done.returncode == 1
    assert "ImportError: evaluation_script: found " in done.stderr
    assert "a namesake was imported" not in done.stderr


def test_the_command_beside_a_namesake_uses_the_scorer_that_came_with_it(
    site: Path, repository: Path, tmp_path: Path
) -> None:
    command = tmp_path / "bin" / "nlb-evalai"  # a console script puts its own folder on the path
    command.parent.mkdir()
    command.write_text("from nlb_evalai.cli import main\nmain()\n")
    done = run(site, repository, str(command), "check", "--help")
    assert (done.returncode, done.stderr) == (0, "")
    assert "as the server would" in done.stdout


def test_windows_is_told_of_wsl(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "platform", "win32")
    with pytest.raises(SystemExit) as ended:
        cli.main()
    assert ended.value.code == 2
    assert "WSL" in capsys.readouterr().err

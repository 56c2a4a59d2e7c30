"""Reads a Dockerfile of plain steps, and replays a target without Docker."""

from __future__ import annotations

import json
import os
import re
import shlex
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Dict, List, Tuple

ROOT = Path(__file__).resolve().parents[2]
#: Instructions without effect on what is installed or run.
_PASSIVE = {"WORKDIR", "USER", "VOLUME", "STOPSIGNAL", "HEALTHCHECK", "CMD"}


@dataclass(frozen=True)
class Target:
    base: str
    steps: List[Tuple[str, str]]

    def values(self, instruction: str) -> List[str]:
        return [value for name, value in self.steps if name == instruction]


def targets(path: Path = ROOT / "docker" / "Dockerfile") -> Dict[str, Target]:
    found: Dict[str, Target] = {}
    steps: List[Tuple[str, str]] = []
    for line in path.read_text(encoding="utf-8").splitlines():
        if not line.strip() or line.startswith("#"):
            continue
        name, _, value = line.partition(" ")
        if name == "FROM":
            base, name = re.fullmatch(r"(\S+) AS (\S+)", value).groups()
            steps = []
            found[name] = Target(base, steps)
        else:
            steps.append((name, value))
    return found


class Replay:
    """A target's steps below a folder: paths and ``python`` are translated, nothing else."""

    def __init__(self, target: Target, folder: Path) -> None:
        self.folder = folder
        self.environment = {"PATH": os.environ["PATH"], "HOME": str(folder)}
        for name in ("PIP_CERT", "PIP_INDEX_URL", "SSL_CERT_FILE", "HTTPS_PROXY", "HTTP_PROXY"):
            if name in os.environ:
                self.environment[name] = os.environ[name]
        self.python = folder / "venv" / "bin" / "python"
        subprocess.run([sys.executable, "-m", "venv", str(folder / "venv")], check=True)
        self.entry: List[str] = []
        for name, value in target.steps:
            self._step(name, value)

    def _step(self, name: str, value: str) -> None:
        if name == "ENV":
            key, _, content = value.partition("=")
            self.environment[key] = self._here(content)
        elif name == "COPY":
            source, destination = value.split()
            self._copy(ROOT / source, Path(self._here(destination)))
        elif name == "RUN":
            self.run([self._translated(word) for word in shlex.split(value)])
        elif name == "ENTRYPOINT":
            self.entry = [self._translated(word) for word in json.loads(value)]
        else:
            assert name in _PASSIVE, f"{name}: a step that a replay does not know"

    def _copy(self, source: Path, destination: Path) -> None:
        destination.parent.mkdir(parents=True, exist_ok=True)
        if source.is_dir():
            shutil.copytree(source, destination, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copy(source, destination)

    def run(self, words: List[str]) -> None:
        if words[0] == "mkdir":  # chown to another user needs root: left out
            words = words[: words.index("&&")]
        subprocess.run(words, check=True, env=self.environment, cwd=self.folder)

    def _here(self, path: str) -> str:
        return str(self.folder) + path if path.startswith("/") else path

    def _translated(self, word: str) -> str:
        return str(self.python) if word == "python" else self._here(word)

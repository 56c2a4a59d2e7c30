"""A competition bundle taken apart, to be broken one thing at a time."""

from __future__ import annotations

import io
import zipfile
from pathlib import Path
from typing import Any, Dict, Optional

import h5py
import yaml

from evaluation_script.suites import DEFAULT_SUITE

CONFIG = "competition.yaml"
#: the quick one of libyaml, where PyYAML was built with it
_DUMPER = getattr(yaml, "CSafeDumper", yaml.SafeDumper)
PROGRAM, OTHER_PROGRAM = "scoring_program-val.zip", "scoring_program-test.zip"
REFERENCE = "reference_data-val.zip"


def dumped(config: Any) -> str:
    text: str = yaml.dump(config, Dumper=_DUMPER, sort_keys=False)
    return text


def zipped(members: Dict[str, bytes]) -> bytes:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return stream.getvalue()


def unzipped(content: bytes) -> Dict[str, bytes]:
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


class Parts:
    """A bundle: its config, its members, and what is in its programs and reference data."""

    def __init__(self, path: Path) -> None:
        self.members = unzipped(path.read_bytes())
        self.config: Any = yaml.safe_load(self.members.pop(CONFIG))
        self.inner = {
            name: unzipped(self.members.pop(name)) for name in (PROGRAM, OTHER_PROGRAM, REFERENCE)
        }
        self.text: Optional[str] = None
        self.expected_too = ()

    def light(self) -> Parts:
        """Itself with little of its scorer, which takes long to look at; its suites stay."""
        for name in (PROGRAM, OTHER_PROGRAM):
            self.inner[name] = {
                one: content
                for one, content in self.inner[name].items()
                if "/" not in one or "/suites/" in one
            }
        return self

    def write(self, path: Path) -> Path:
        members = {**self.members, **{k: zipped(v) for k, v in self.inner.items()}}
        if self.config is not None:
            members[CONFIG] = (self.text or dumped(self.config)).encode()
        path.write_bytes(zipped(members))
        return path

    # what the table's changes are written with
    @property
    def phase(self) -> Any:
        return self.config["phases"][0]

    @property
    def board(self) -> Any:
        return self.config["leaderboards"][0]

    @property
    def column(self) -> Any:
        return self.board["columns"][0]

    @property
    def program(self) -> Dict[str, bytes]:
        return self.inner[PROGRAM]

    def truth(self, name: str = "truth.h5", without: str = "", **attributes: str) -> None:
        stream = io.BytesIO()
        with h5py.File(stream, "w") as file:
            file.attrs.update(attributes)
            for group in DEFAULT_SUITE.groups():
                if group != without:
                    file.create_group(group)
        self.inner[REFERENCE] = {name: stream.getvalue()}

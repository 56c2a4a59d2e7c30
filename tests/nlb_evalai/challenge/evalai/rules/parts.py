"""A bundle taken apart, to be broken one thing at a time, and the tables of what breaks it."""

from __future__ import annotations

import io
import zipfile
from pathlib import Path
from typing import Callable, List, NamedTuple, Tuple

import h5py
import yaml

from nlb_evalai.challenge.evalai.rules.run import check_bundle
from nlb_evalai.challenge.rules.finding import ERROR

CONFIG = "challenge_config.yaml"
SCRIPT = "evaluation_script.zip"
#: the quick ones of libyaml, where PyYAML was built with it
_LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
_DUMPER = getattr(yaml, "CSafeDumper", yaml.SafeDumper)

_STUB = b"def evaluate(*args, **kwargs):\n    pass\n"


class Parts:
    """A bundle taken apart: its config, its members, its evaluation script's members."""

    def __init__(self, path: Path) -> None:
        with zipfile.ZipFile(path) as archive:
            self.members = {name: archive.read(name) for name in archive.namelist()}
        with zipfile.ZipFile(io.BytesIO(self.members.pop(SCRIPT))) as archive:
            self.script = {name: archive.read(name) for name in archive.namelist()}
        self.config_text = self.members.pop(CONFIG)
        self.config = yaml.load(self.config_text, _LOADER)
        self.repeated = []

    def write(self, path: Path) -> Path:
        with zipfile.ZipFile(path, "w") as archive:
            if self.config is not None:
                archive.writestr(CONFIG, self.yaml())
            if self.script is not None:
                archive.writestr(SCRIPT, zipped(self.script))
            for name, content in [*self.members.items(), *self.repeated]:
                archive.writestr(name, content)
        return path

    def yaml(self) -> str:
        text: str = yaml.dump(self.config, Dumper=_DUMPER, sort_keys=False)
        return text

    def light(self) -> Parts:
        """Itself with little of its script, which takes long to look at; its suites stay."""
        suites = {name: code for name, code in self.script.items() if name.startswith("suites/")}
        self.script = {"__init__.py": _STUB, **suites}
        return self

    # what the table's changes are written with
    @property
    def phase(self):
        return self.config["challenge_phases"][0]

    @property
    def schema(self):
        return self.config["leaderboard"][0]["schema"]

    @property
    def split(self):
        return self.config["challenge_phase_splits"][0]

    def truth(self, name, phase=None, **attributes):
        stream = io.BytesIO()
        with h5py.File(stream, "w") as file:
            file.attrs.update(attributes, **({"phase": phase} if phase else {}))
        self.members[name] = stream.getvalue()


def zipped(members):
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return stream.getvalue()


def drop(mapping, key):
    del mapping[key]


def rename(mapping, old, new):
    mapping[new] = mapping.pop(old)


class Case(NamedTuple):
    """A change that breaks one rule, and what the check must say of it."""

    change: Callable[[Parts], None]
    code: str
    where: str
    message: str
    severity: str
    #: the messages of EvalAI's validator that it would answer with
    breaks: Tuple[str, ...] = ()


class Table(List[Case]):
    """The cases of one family of rules; :meth:`case` adds one."""

    def case(self, code, where, message, severity=ERROR, breaks=()):
        def register(change):
            self.append(Case(change, code, where, message, severity, tuple(breaks)))
            return change

        return register


def write_broken(case: Case, parts: Parts, folder: Path) -> Path:
    """Break the bundle and write it."""
    case.change(parts)
    path = parts.write(folder / "broken.zip")
    if hasattr(parts, "corrupt"):
        flip_a_byte(path, parts.corrupt)
    return path


def assert_found(case: Case, parts: Parts, folder: Path) -> None:
    """Break the bundle, and expect that rule, and no other unless the change says so."""
    findings = check_bundle(write_broken(case, parts, folder))
    expected = {case.code, *getattr(parts, "expected_too", ())}
    assert {finding.code for finding in findings} == expected
    (finding, *_) = [f for f in findings if f.code == case.code and case.where in f.location]
    assert case.message in finding.message
    assert finding.severity == case.severity


def flip_a_byte(path, member):
    with zipfile.ZipFile(path) as archive:
        info = archive.getinfo(member)
    content = bytearray(path.read_bytes())
    content[info.header_offset + 30 + len(member) + 20] ^= 1
    path.write_bytes(content)

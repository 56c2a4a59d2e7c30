"""Bundles that are made to harm are answered in words, in bounded time and memory."""

from __future__ import annotations

import io
import json
import subprocess
import sys
import zipfile
import zlib
from functools import cache
from pathlib import Path
from typing import Callable, Dict, NamedTuple

import pytest

from tests.nlb_evalai.challenge.evalai.rules.parts import CONFIG, SCRIPT, Parts

#: Of processor time on a busy machine; on an idle one none takes half of it. Faults took 12 s.
MOST_SECONDS = 2.0
#: Python with its libraries takes 70 of them. Faults took 800.
MOST_MIB = 200
MB = 1_000_000

#: Checks each bundle in a process of its own, and says what that took.
MEASURE = """
import json, os, sys
from pathlib import Path
from nlb_evalai.challenge.evalai.rules.run import check_bundle

for path in sys.argv[1:]:
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        found = [str(finding) for finding in check_bundle(Path(path))]
        with os.fdopen(writing, "w") as pipe:
            json.dump(found, pipe)
        os._exit(0)
    os.close(writing)
    with os.fdopen(reading) as pipe:
        said = pipe.read()
    _, status, usage = os.wait4(child, 0)
    row = {"seconds": usage.ru_utime + usage.ru_stime, "mib": usage.ru_maxrss / 1024}
    print(json.dumps({**row, "status": status, "findings": json.loads(said or "[]")}))
"""

Change = Callable[[Parts], None]


class Hostile(NamedTuple):
    """A change of the bundle, and what the check must say of it."""

    change: Change
    code: str
    words: str


HOSTILE: Dict[str, Hostile] = {}


def hostile(code: str, words: str) -> Callable[[Change], Change]:
    def register(change: Change) -> Change:
        HOSTILE[change.__name__] = Hostile(change, code, words)
        return change

    return register


def config(parts: Parts, text: str) -> None:
    """The same config with more text at its end."""
    parts.members[CONFIG] = (parts.yaml() + text).encode()
    parts.config = None


def zeros(parts: Parts, name: str, size: int) -> None:
    """A member of so many zeros, packed small."""
    parts.bombs.append((name, size))


@hostile("config-yaml", "values, its aliases followed")
def aliases_that_multiply(parts):
    levels = "".join(f"a{i}: &a{i} [{', '.join([f'*a{i - 1}'] * 10)}]\n" for i in range(1, 10))
    config(parts, "a0: &a0 [lol, lol, lol]\n" + levels)


@hostile("config-yaml", "values, its aliases followed")
def merges_that_multiply(parts):
    levels = "".join(
        f"m{i}: &m{i} {{<<: [{', '.join([f'*m{i - 1}'] * 10)}]}}\n" for i in range(1, 9)
    )
    config(parts, "m0: &m0 {a: 1}\n" + levels)


@hostile("config-yaml", "holds itself")
def list_that_holds_itself(parts):
    config(parts, "tags: &t [a, *t]\n")


@hostile("config-yaml", "holds itself")
def mapping_that_holds_itself(parts):
    config(parts, "prizes: &p {a: *p}\n")


@hostile("config-yaml", "nest")
def lists_in_lists(parts):
    config(parts, "deep: " + "[" * 100_000)


@hostile("config-yaml", "more than 32 deep")
def lists_in_lists_by_indentation(parts):
    config(parts, "deep:\n  " + "- " * 100_000)


@hostile("config-yaml", "a number of 100000 characters")
def number_without_end(parts):
    config(parts, "submission_time_limit: 1" + "0" * 99_999 + "\n")


@hostile("config-yaml", "is not valid YAML")
def tag_that_does_not_fit(parts):
    config(parts, "published2: !!bool maybe\n")


@hostile("member-size", "expected at most 256")
def config_of_a_long_text(parts):
    config(parts, f"short: {'x' * 260_000}\n")


@hostile("member-size", "expected at most 256")
def config_of_megabytes(parts):
    config(parts, "x" * MB)


@hostile("unknown-key", "mend some first")
def thousands_of_unknown_keys(parts):
    config(parts, "".join(f"key{i}: 1\n" for i in range(9_000)))


@hostile("unknown-key", "aaa...")
def key_of_120_000_letters(parts):
    config(parts, f"? {'a' * 120_000}\n: 1\n")


@hostile("duplicate-label", "is there twice")
def thousands_of_labels(parts):
    parts.schema["labels"] = ["co-bps", *(f"l{i // 2}" for i in range(18_000))]


@hostile("split-shown-twice", "mend some first")
def thousands_of_phase_splits(parts):
    parts.config["challenge_phase_splits"] += [dict(parts.split) for _ in range(1_300)]


@hostile("date-format", "u001b[31m")
def value_with_an_escape(parts):
    parts.config["start_date"] = ["\x1b[31m"]


@hostile("metadata-label", r"\x1b]0;owned\x07")
def label_with_an_escape(parts):
    parts.schema["metadata"]["\x1b]0;owned\x07"] = {"sort_ascending": True}


@hostile("unused-member", r"\x1b[2J\u202egnp")
def member_with_an_escape(parts):
    parts.members["\x1b[2J\u202egnp"] = b"x"


@hostile("member-size", "EvalAI takes bundles of 200 MB at most")
def truth_of_600_megabytes(parts):
    zeros(parts, "annotations/val.h5", 600 * MB)


@hostile("member-size", "of more than 220 MiB in all")
def members_of_600_megabytes_in_all(parts):
    for i in range(10):
        zeros(parts, f"filler/{i}", 60 * MB)


@hostile("member-size", "expected at most 256")
def page_of_60_megabytes(parts):
    zeros(parts, "templates/description.html", 60 * MB)


@hostile("bundle-zip", "expected at most 2,000")
def members_by_the_thousand(parts):
    parts.members.update({f"filler/{i}": b"" for i in range(3_000)})


@hostile("script-archive", "leave data out")
def script_that_is_a_bomb(parts):
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as archive:
        write_zeros(archive, "data.bin", 60 * MB)
    parts.script, parts.members[SCRIPT] = None, stream.getvalue()


@hostile("script-archive", "expected a module of at most 128")
def module_of_a_megabyte(parts):
    parts.script["odd.py"] = b"a\n" * 500_000


@hostile("script-modules", "odd.py: nests too deep")
def module_that_nests(parts):
    parts.script["odd.py"] = b"-" * 100_000 + b"1\n"


@hostile("script-exit", "sys.exit() kills")
def module_of_a_long_chain(parts):
    parts.script["odd.py"] = b"import sys\na" + b".a" * 900 + b"\nsys.exit()\n"


@hostile("script-archive", "expected at most 64")
def requirements_of_a_megabyte(parts):
    parts.script["requirements.txt"] = b"a[" * 500_000


@hostile("page-active", "mend some first")
def page_of_many_scripts(parts):
    parts.members["templates/description.html"] = b"<script></script>" * 10_000


#: each repeated to the end of a page, never closed
_OPEN = [
    "<!--",
    "<a ",
    "<a b='>",
    '<a b=">" ',
    "<a =",
    "<a b c d=e",
    "</a ",
    "<![",
    "<?",
    "&#",
    "<a\n",
]


@hostile("page-link", "found 'x'")
def pages_that_never_close(parts):
    names = [name for name in parts.members if name.endswith(".html")]
    for name, mark in zip(names, _OPEN):
        parts.members[name] = b'<a href="x">' + mark.encode() * (200_000 // len(mark))


@hostile("page-link", "found 'x'")
def more_pages_that_never_close(parts):
    names = [name for name in parts.members if name.endswith(".html")]
    for name, mark in zip(names, _OPEN[len(names) :]):
        parts.members[name] = b'<a href="x">' + mark.encode() * (200_000 // len(mark))


def write_zeros(archive: zipfile.ZipFile, name: str, size: int) -> None:
    """A member of so many zeros, without packing them all: a block of them again and again."""
    packer = zlib.compressobj(9, zlib.DEFLATED, -15)
    block = packer.compress(bytes(MB)) + packer.flush(zlib.Z_FULL_FLUSH)
    end = packer.flush(zlib.Z_FINISH)
    info = zipfile.ZipInfo(name)
    info.compress_type = zipfile.ZIP_DEFLATED
    info.CRC, info.file_size = _checksum(size), size
    info.compress_size = len(block) * (size // MB) + len(end)
    info.header_offset = archive.start_dir
    archive.fp.seek(archive.start_dir)
    archive.fp.write(info.FileHeader() + block * (size // MB) + end)
    archive.filelist.append(info)
    archive.NameToInfo[name] = info
    archive.start_dir, archive._didModify = archive.fp.tell(), True


@cache
def _checksum(size: int) -> int:
    checksum = 0
    for _ in range(size // MB):
        checksum = zlib.crc32(bytes(MB), checksum)
    return checksum


@pytest.fixture(scope="module")
def measured(own_bundle, tmp_path_factory) -> Dict[str, dict]:
    """Name -> what the check of that bundle took, and found."""
    folder = tmp_path_factory.mktemp("hostile")
    paths = [_write(one, own_bundle, folder / f"{name}.zip") for name, one in HOSTILE.items()]
    command = [sys.executable, "-c", MEASURE, *map(str, paths)]
    ran = subprocess.run(command, capture_output=True, text=True, timeout=300)
    assert ran.returncode == 0, ran.stderr
    return dict(zip(HOSTILE, map(json.loads, ran.stdout.splitlines())))


def _write(one: Hostile, own_bundle: Path, path: Path) -> Path:
    parts = Parts(own_bundle).light()
    parts.bombs = []
    one.change(parts)
    for name, _ in parts.bombs:
        parts.members.pop(name, None)
    parts.write(path)
    with zipfile.ZipFile(path, "a") as archive:
        for name, size in parts.bombs:
            write_zeros(archive, name, size)
    return path


@pytest.mark.parametrize("name", HOSTILE)
def test_a_hostile_bundle_is_answered_in_words(measured, name):
    took = measured[name]
    assert took["status"] == 0
    about = [finding for finding in took["findings"] if f"[{HOSTILE[name].code}]" in finding]
    assert any(HOSTILE[name].words in finding for finding in about), took["findings"][:5]
    assert all(finding.isprintable() and len(finding) < 2500 for finding in took["findings"])
    assert took["seconds"] < MOST_SECONDS
    assert took["mib"] < MOST_MIB

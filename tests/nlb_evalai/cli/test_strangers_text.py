"""Text that strangers wrote reaches a terminal as text: no escape, no line, no markup of theirs."""

from __future__ import annotations

import shutil
import subprocess
import sys
import zipfile
from pathlib import Path
from typing import List

import h5py
import pytest
from click.testing import CliRunner

from nlb_evalai import cli
from nlb_evalai.challenge.dry_run import plan
from nlb_evalai.challenge.evalai import answers
from nlb_evalai.challenge.evalai.bundle import build_bundle
from nlb_evalai.challenge.evalai.replica.worker import Replica
from nlb_evalai.cli.annotations import annotations_group
from nlb_evalai.cli.bundle_check import check as bundle_check
from nlb_evalai.cli.check import check
from nlb_evalai.competition.award.decisions import read_overrides
from nlb_evalai.competition.award.export import read_export
from nlb_evalai.competition.award.standing import match
from nlb_evalai.errors import ProblemsError
from nlb_evalai.tables import TableError
from tests.paths import DATA, GOLDEN

#: a color, markup, a line of its own, a right-to-left mark
EVIL = "[red]x[/]\x1b[31m\nerror: y\u202e"
SHOWN = "[red]x[/]\\x1b[31m\\nerror: y\\u202e"


def lines_of(text: str) -> List[str]:
    lines = text.split("\n")
    assert all(line.isprintable() for line in lines)
    assert not any(line.startswith("error: y") for line in lines)
    return lines


def test_the_name_of_a_submission_is_shown_as_it_is(tmp_path: Path) -> None:
    path = tmp_path / f"{EVIL.replace('/', '')}.h5"
    shutil.copyfile(GOLDEN / "submission_test_a.h5", path)
    result = CliRunner().invoke(check, [str(path), "--phase", "test"])
    (first, *_) = lines_of(result.output)
    assert first.startswith(f"✗ {SHOWN.replace('/', '')}.h5 would be rejected in phase test, ")
    truth = tmp_path / f"truth {path.name}"
    shutil.copyfile(GOLDEN / "target_test.h5", truth)
    options = ["--phase", "test", "--annotations", str(truth)]
    result = CliRunner().invoke(check, [str(path), *options])
    assert lines_of(result.output)[-2].startswith("checked against ")
    assert f"truth {SHOWN.replace('/', '')}.h5" in result.output


def test_an_error_of_any_command_keeps_its_lines_and_nothing_else() -> None:
    code = (
        "import click\nfrom nlb_evalai import cli\nfrom nlb_evalai.errors import ToolError\n"
        "@cli.cli.command('fail')\ndef fail():\n"
        "    raise ToolError('one\\x1b[2J\\n  two\\u202e')\n"
        "cli.LazyGroup.get_command = lambda *_: fail\n"
        "import sys; sys.argv = ['nlb-evalai', 'fail']; cli.main()"
    )
    process = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=False
    )
    assert process.returncode == 2
    assert process.stderr == "error: one\\x1b[2J\n  two\\u202e\n"


def test_a_listed_problem_is_one_line() -> None:
    error = ProblemsError(f"{EVIL}:", [EVIL, "plain"])
    assert str(error) == f"{SHOWN}: 2 problems:\n  {SHOWN}\n  plain"
    assert error.problems == [SHOWN, "plain"]


def test_members_and_keys_of_a_bundle(tmp_path: Path) -> None:
    built = build_bundle(tmp_path / "good.zip")
    path = tmp_path / "evil.zip"
    with zipfile.ZipFile(built.path) as old, zipfile.ZipFile(path, "w") as new:
        for name in old.namelist():
            content = old.read(name)
            if name == "challenge_config.yaml":
                content += b'\n"imge\\e[31m\\nerror: y": 1\n'
            new.writestr(name, content)
        new.writestr(EVIL, b"x")
    result = CliRunner().invoke(bundle_check, [str(path)])
    lines = lines_of(result.output)
    assert f"warning [unused-member] {SHOWN}" in lines
    assert "warning [unknown-key] challenge_config.yaml: imge\\x1b[31m\\nerror: y" in lines


def test_the_team_of_a_dry_run(tmp_path: Path) -> None:
    built = build_bundle(tmp_path / "good.zip")
    path = tmp_path / f"{EVIL.replace('/', '')}.h5"
    with Replica(built.path) as replica:
        (entry,) = plan(replica, tmp_path, "val", path)
    assert entry.team == SHOWN.replace("/", "")


def test_names_in_an_annotation_file(tmp_path: Path) -> None:
    path = tmp_path / "truth.h5"
    name = EVIL.replace("/", "")
    with h5py.File(path, "w") as file:
        file.attrs["phase"] = name
        file[f"{name}/array"] = [1]
    result = CliRunner().invoke(annotations_group, ["show", str(path)])
    lines = lines_of(result.output)
    assert f"  phase: {SHOWN.replace('/', '')}" in lines
    assert any(line.strip().startswith(SHOWN.replace("/", "")) for line in lines[2:])


def test_a_column_of_a_session(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "session.nwb"
    shutil.copyfile(DATA / "sessions" / "mc_rtt_train.nwb", path)
    name = EVIL.replace("/", "")
    with h5py.File(path, "a") as file:
        file[f"units/{name}"] = file["units/heldout"][()]
        del file["units/heldout"]
    arguments = ["inputs", "build", "--phase", "val", "--nwb", f"mc_rtt={path}"]
    sys_argv, sys.argv = sys.argv, ["nlb-evalai", *arguments, "--out", str(tmp_path / "x.h5")]
    try:
        with pytest.raises(SystemExit):
            cli.main()
    finally:
        sys.argv = sys_argv
    (line, last) = lines_of(capsys.readouterr().err)
    assert SHOWN.replace("/", "") in line
    assert last == ""


def test_cells_of_a_table(tmp_path: Path) -> None:
    quoted = f'"{EVIL}"'
    path = tmp_path / "export.csv"
    path.write_text(f"id,Team Nam,{quoted}\n1,A,x\n", encoding="utf-8")
    with pytest.raises(TableError) as caught:
        read_export(path, ["Test"])
    assert SHOWN in lines_of(str(caught.value))[1]
    path.write_text(
        f"id,Team Name,Submitted At,Challenge Phase\n{quoted},A,2022-04-03T00:00:00Z,Test\n"
        f"{quoted},A,2022-04-03T00:00:00Z,Test\n",
        encoding="utf-8",
    )
    export = read_export(path, ["Test"])
    assert any(f"id {SHOWN} again" in warning for warning in export.warnings)
    overrides = tmp_path / "overrides.csv"
    overrides.write_text(f"team,action,reason\n{quoted},{quoted},x\n", encoding="utf-8")
    with pytest.raises(TableError) as caught:
        read_overrides(overrides, export.entries)
    assert len(lines_of(str(caught.value))) == 3
    _, warnings = match([EVIL], ["other"])
    assert warnings[-1].endswith(f"not ranked: {SHOWN}")


def test_what_a_server_answers() -> None:
    assert list(answers.lines_of({EVIL: "a\x1b[2J\u202e"})) == [f"{SHOWN}: a\\x1b[2J\\u202e"]

"""Every command: listed without being imported, with help for all that it takes, and exit codes."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Dict, Iterator, List, Tuple

import click
import h5py
import pytest

from nlb_evalai.cli import cli
from nlb_evalai.cli._lazy import LazyGroup
from tests.paths import DATA, FINGERS, GOLDEN
from tests.snapshot.entry import Ran, command

SMALL = DATA / "sessions" / "mc_rtt_train.nwb"
#: what a list of commands has no use for, and takes long
HEAVY = ("evaluation_script", "numpy", "scipy", "sklearn", "h5py", "matplotlib", "rich", "boto3")


def walk(group: click.Group, path: Tuple[str, ...] = ()) -> Iterator[Tuple[str, click.Command]]:
    context = click.Context(group)
    for name in group.list_commands(context):
        found = group.get_command(context, name)
        assert found is not None
        yield " ".join((*path, name)), found
        if isinstance(found, click.Group):
            yield from walk(found, (*path, name))


COMMANDS: Dict[str, click.Command] = dict(walk(cli))
GROUPS = {"": cli, **{k: v for k, v in COMMANDS.items() if isinstance(v, LazyGroup)}}


@pytest.mark.parametrize(
    "group", [[], ["annotations"], ["bundle"], ["inputs"], ["site"]], ids=" ".join
)
def test_a_list_of_commands_imports_none_of_them(group: List[str]) -> None:
    code = (
        "import sys\nfrom nlb_evalai.cli import cli\n"
        f"cli({[*group, '--help']}, standalone_mode=False)\n"
        f"print(sorted(set({HEAVY}) & set(sys.modules)))"
    )
    process = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    )
    assert process.stdout.splitlines()[-1] == "[]"


@pytest.mark.parametrize("name", GROUPS)
def test_the_short_help_of_a_list_is_each_commands_own(name: str) -> None:
    group = GROUPS[name]
    context = click.Context(group)
    for key, (_, text) in group.lazy.items():
        found = group.get_command(context, key)
        assert found is not None
        listed = click.Command(key, help=text)
        assert listed.get_short_help_str(1000) == found.get_short_help_str(1000)
        assert found.name == key


@pytest.mark.parametrize("name", COMMANDS)
def test_every_option_and_argument_has_a_help_text(name: str) -> None:
    found = COMMANDS[name]
    assert found.help
    for parameter in found.params:
        if isinstance(parameter, click.Option):
            assert parameter.help, parameter.opts
            assert parameter.help[0].isupper(), parameter.help
        else:
            shown = parameter.metavar or (parameter.name or "").upper()
            assert shown in found.help, f"{name}: its help does not name {shown}"


# ---- exit codes -------------------------------------------------------------------------------


@pytest.fixture
def files(tmp_path: Path) -> Path:
    """Files that are fit, files that are not, and files that cannot be looked at."""
    (tmp_path / "words").write_text("words")
    shutil.copyfile(GOLDEN / "target_val.h5", tmp_path / "unfit.h5")
    with h5py.File(tmp_path / "unfit.h5", "r+") as file:
        del file["mc_rtt/eval_spikes_heldout"]
    shutil.copyfile(SMALL, tmp_path / "unfit.nwb")
    with h5py.File(tmp_path / "unfit.nwb", "r+") as file:
        del file["intervals/trials/split"]
    shutil.copyfile(tmp_path / "words", tmp_path / "words.nwb")
    shutil.copyfile(tmp_path / "words", tmp_path / "suite.py")
    (tmp_path / "rules.yaml").write_text("schema: other\n")
    (tmp_path / "odd.csv").write_text("a,b\n1,2\n")
    shutil.copyfile(DATA / "old" / "results.sqlite", tmp_path / "store")
    (tmp_path / "award").mkdir()
    (tmp_path / "award" / "award.json").write_text("{}")
    return tmp_path


TRUTH, SUBMISSION = str(GOLDEN / "target_val.h5"), str(GOLDEN / "submission_val_a.h5")
BROKEN = str(GOLDEN / "probes" / "shape_heldin_units.h5")
STORED = ["--store", "{}/store"]
SCORE = ["--phase", "val", "--store", "{}/new.sqlite", "--workers", "1"]
BUILD = ["annotations", "build", "--phase", "val", "--out", "{}/out.h5", "--nwb"]
BASELINE = ["baseline", "--phase", "val", "--out", "{}/out.h5", "--nwb"]
WORKER = ["worker", "--once", "--queue", "q", "--state", "{}/state", "--first-pause", "0.01"]

#: arguments (with the files' folder for ``{}``) -> exit code
ENDS: List[Tuple[int, List[str]]] = [
    # 0: fit
    (0, ["check", SUBMISSION, "--phase", "val", "--annotations", TRUTH]),
    (0, ["annotations", "verify", TRUTH, "--shapes", "any"]),
    (0, ["annotations", "show", TRUTH]),
    (0, ["score", SUBMISSION, "--annotations", TRUTH, *SCORE]),
    (0, ["score", BROKEN, "--annotations", TRUTH, *SCORE]),
    (0, ["report", *STORED, "--out", "{}/r/r.html"]),
    # 1: looked at, and not fit
    (1, ["check", BROKEN, "--phase", "val", "--annotations", TRUTH]),
    (1, ["annotations", "verify", "{}/unfit.h5", "--shapes", "any"]),
    (1, ["annotations", "verify", "{}/unfit.h5", "--shapes", "any", "--json"]),
    (1, [*BUILD, "mc_rtt={}/unfit.nwb"]),
    (1, [*BASELINE, "mc_rtt={}/unfit.nwb"]),
    (1, ["inputs", *BUILD[1:], "mc_rtt={}/unfit.nwb"]),
    (1, ["award", *STORED, "--entries", "{}/odd.csv", "--out", "{}/a"]),
    (1, ["award", *STORED, "--entries", "{}/odd.csv", "--rules", "{}/rules.yaml", "--out", "{}/a"]),
    (1, ["report", *STORED, "--award", "{}/award", "--out", "{}/r.html"]),
    (1, ["site", "check", "{}/award"]),
    (1, ["bundle", "check", "{}/words"]),
    (1, ["bundle", "check", "{}/words", "--json"]),
    # 2: could not be looked at
    (2, ["bundle", "check", "{}/none"]),
    (2, ["bundle", "push", "{}/none", "--host-team", "1", "--repository", "a/b"]),
    (2, ["bundle", "build", "--annotations", "{}/none", "--out", "{}/b.zip"]),
    (2, ["bundle", "build", "--suite", "nlb12", "--out", "{}/b.zip"]),
    (2, ["bundle", "build", "--out", "{}/words/b.zip"]),
    (2, ["dry-run", "--bundle", "{}/none"]),
    (2, ["dry-run", "--submission", "{}/words"]),
    (2, ["check", "{}/none.h5", "--phase", "val"]),
    (2, ["check", SUBMISSION, "--phase", "vol"]),
    (2, ["check", SUBMISSION, "--phase", "vol", "--annotations", TRUTH]),
    (2, ["check", SUBMISSION, "--phase", "val", "--annotations", "{}/words"]),
    (2, ["check", SUBMISSION, "--phase", "val", "--suite", "nlb12"]),
    (2, ["check", SUBMISSION, "--phase", "val", "--suite", "{}/suite.py"]),
    (2, ["check", SUBMISSION, "--phase", "val", "--suite", "{}/none.py"]),
    (2, ["annotations", "verify", "{}/words"]),
    (2, ["annotations", "verify", "{}/words", "--json"]),
    (2, ["annotations", "verify", TRUTH, "--phase", "vol"]),
    (2, ["annotations", "show", "{}/words"]),
    (2, ["annotations", "publish", "{}/words", "s3://bucket/key"]),
    (2, ["annotations", "publish", TRUTH, "s3://bucket/key"]),
    (2, [*BUILD, "mc_rtt={}/words.nwb"]),
    (2, [*BUILD, "mc_rtx={}/unfit.nwb"]),
    (2, [*BUILD, f"mc_rtt={SMALL}", "--phase", "vol"]),
    (2, [*BASELINE, "mc_rtt={}/words.nwb"]),
    (2, ["inputs", *BUILD[1:], "mc_rtt={}/words.nwb"]),
    (2, ["sample", "{}/words/below"]),
    (2, ["sample", "{}/sample", "--phase", "vol"]),
    (2, ["score", "{}/none", "--annotations", TRUTH, *SCORE]),
    (2, ["score", SUBMISSION, "--annotations", "{}/words", *SCORE]),
    (2, ["score", SUBMISSION, "--annotations", TRUTH, *SCORE, "--phase", "vol"]),
    (2, ["score", SUBMISSION, "--annotations", TRUTH, *SCORE, "--store", "{}/words"]),
    (2, ["score", SUBMISSION, "--annotations", TRUTH, *SCORE, "--suite", str(FINGERS)]),
    (2, ["award", "--store", "{}/none", "--entries", "{}/odd.csv", "--out", "{}/a"]),
    (2, ["award", *STORED, "--entries", "{}/none", "--out", "{}/a"]),
    (2, ["award", *STORED, "--entries", TRUTH, "--out", "{}/a"]),
    (2, ["award", *STORED, "--entries", "{}/odd.csv", "--rules", TRUTH, "--out", "{}/a"]),
    (2, ["report", "--store", "{}/words", "--out", "{}/r.html"]),
    (2, ["report", *STORED, "--phase", "vol", "--out", "{}/r.html"]),
    (2, ["report", *STORED, "--suite", str(FINGERS), "--out", "{}/r.html"]),
    (2, ["site", "check", "{}/none"]),
    (2, ["site", "import", "--challenge", "1", "--out", "{}/cards", "--api", "http://evalai.org"]),
    (2, [*WORKER, "--annotations", "{}/none"]),
    (2, [*WORKER, "--annotations", f"val={TRUTH}", "--api", "http://127.0.0.1:9"]),
    (2, [*WORKER[:1], *WORKER[2:], "--annotations", f"val={TRUTH}", "--json"]),
    # 3: some may pass when tried again
    (3, ["score", "{}/export.csv", "--annotations", TRUTH, *SCORE]),
]  # fmt: skip


def in_a_process(arguments: List[str]) -> Ran:
    """A command that sets signals and logs up."""
    call = [sys.executable, "-m", "nlb_evalai", *arguments]
    process = subprocess.run(call, capture_output=True, text=True, check=False)
    return Ran(process.returncode, process.stdout, process.stderr)


@pytest.mark.parametrize(
    ("code", "arguments"), ENDS, ids=[" ".join(a).replace("{}/", "")[-60:] for _, a in ENDS]
)
def test_the_exit_code_says_whether_it_was_fit_or_could_not_be_looked_at(
    files: Path, monkeypatch: pytest.MonkeyPatch, code: int, arguments: List[str]
) -> None:
    export = "id,Team Name,Challenge Phase,Submitted File\n9,A,Validation,\n"
    (files / "export.csv").write_text(export)
    monkeypatch.setenv("AUTH_TOKEN", "token")
    arguments = [argument.replace("{}", str(files)) for argument in arguments]
    ran = in_a_process(arguments) if arguments[0] == "worker" else command(*arguments)
    assert ran.code == code, ran.err
    assert "Traceback" not in ran.err
    assert code == 0 or ran.err or "--json" in arguments or "check" in arguments


# ---- --json -----------------------------------------------------------------------------------


def told(*arguments: object) -> Dict[str, object]:
    """The one JSON object on standard output."""
    found = json.loads(command(*arguments, "--json").out)
    assert isinstance(found, dict)
    return found


def test_show_as_json_tells_arrays_and_origin(files: Path) -> None:
    with h5py.File(files / "unfit.h5", "r+") as file:
        file.attrs["phase"], file["odd"] = "v\x1bal", 3
    found = told("annotations", "show", files / "unfit.h5")
    assert list(found) == [
        "file", "phase", "suite", "rules_version", "sources", "versions", "groups", "not_groups",
    ]  # fmt: skip
    assert (found["phase"], found["suite"], found["sources"]) == ("v\x1bal", None, {})
    assert found["not_groups"] == {"odd": {"type": "int64", "shape": [], "nan_share": None}}
    arrays = found["groups"]["mc_maze"]  # type: ignore[index]
    assert arrays["eval_spikes_heldout"]["type"] == "float32"
    assert len(arrays["eval_spikes_heldout"]["shape"]) == 3
    assert arrays["eval_cond_idx"]["type"] == "lists of int32"


def test_verify_as_json_tells_every_problem(files: Path) -> None:
    found = told("annotations", "verify", files / "unfit.h5", "--shapes", "any")
    assert list(found) == ["file", "suite", "shapes", "fit", "problems", "notes"]
    assert (found["suite"], found["fit"]) == ("nlb21", False)
    assert found["problems"] == ["mc_rtt/eval_spikes_heldout: missing"]
    fit = told("annotations", "verify", TRUTH, "--shapes", "any")
    assert (fit["fit"], fit["problems"]) == (True, [])


def test_score_as_json_counts_and_names_what_failed(files: Path) -> None:
    (files / "export.csv").write_text(
        "id,Team Name,Challenge Phase,Submitted File\n9,A,Validation,\n"
    )
    places = [SUBMISSION, BROKEN, files / "export.csv"]
    options = [argument.replace("{}", str(files)) for argument in SCORE]
    found = told("score", *places, "--annotations", TRUTH, *options)
    assert list(found) == [
        "suite", "phase", "store", "scored", "failed", "skipped", "refused", "failures", "may_pass",
        "in_store",
    ]  # fmt: skip
    assert (found["scored"], found["failed"], found["skipped"]) == (1, 2, 0)
    failures = {one["name"]: one["kind"] for one in found["failures"]}  # type: ignore[attr-defined]
    assert failures == {Path(BROKEN).stem: "submission", "9": "unavailable"}
    assert found["may_pass"] == ["unavailable"]
    assert found["in_store"] == {"scored": 1, "failed": 2}

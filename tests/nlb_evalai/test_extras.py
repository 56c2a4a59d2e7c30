"""A light install is enough for participants, and what is missing is named."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from importlib.metadata import requires
from pathlib import Path
from typing import Dict, List, Set

import pytest

from nlb_evalai.extras import EXTRA_OF, install
from tests.nlb_evalai.test_imports import FILES
from tests.paths import DATA, GOLDEN, ROOT
from tests.test_workflows import DISTRIBUTIONS, third_parties

#: Runs a command, or other code, where the modules of all extras are not there.
LIGHT = f"""
import sys

class Absent:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in {sorted(EXTRA_OF)!r}:
            raise ModuleNotFoundError(f"No module named {{name!r}}", name=name)

sys.meta_path.insert(0, Absent())
"""
MAIN = LIGHT + "from nlb_evalai.cli import main\nmain()"


def light(code: str, *arguments: str, cwd: Path = ROOT) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-c", code, *arguments]
    return subprocess.run(command, capture_output=True, text=True, cwd=cwd)


def brought_by() -> Dict[str, Set[str]]:
    """Extra, or nothing -> names of the distributions that it brings."""
    brought: Dict[str, Set[str]] = {}
    for line in requires("nlb-evalai") or []:
        name = re.match(r"[\w.-]+", line)
        extra = re.search(r"extra == ['\"](\w+)['\"]", line)
        assert name
        brought.setdefault(extra[1] if extra else "", set()).add(name[0].lower())
    return brought


#: extras that an extra brings along
BROUGHT_ALONG = {"host": ["score", "diagnostics"], "diagnostics": ["score"]}
TRUTH = ["--annotations", str(GOLDEN / "target_test.h5")]
SUBMISSION = str(GOLDEN / "submission_test_a.h5")


@pytest.mark.parametrize(
    "arguments",
    [
        ["check", SUBMISSION, "--phase", "test", *TRUTH],
        ["data", "list"],
        ["data", "identify", SUBMISSION],
        ["receipt", "show", str(DATA / "old" / "receipt.json")],
        ["submit", "--help"],
        ["sample", "--help"],
        ["--version"],
    ],
    ids=lambda arguments: "-".join(arguments[:2])[:20],
)
def test_participants_commands_run_in_a_light_install(arguments: List[str]) -> None:
    done = light(MAIN, *arguments)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout


def test_a_submission_is_written_in_a_light_install() -> None:
    code = """
import doctest
from nlb_evalai.submission import writer
found = doctest.testmod(writer)
assert found.attempted and not found.failed
"""
    done = light(LIGHT + code)
    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.parametrize(
    ("arguments", "extra"),
    [
        (["evaluate", SUBMISSION, "--phase", "test", *TRUTH], "score"),
        (["compare", SUBMISSION, SUBMISSION, *TRUTH], "score"),
        (["dry-run"], "host"),
        (["bundle", "build", "--out", "nlb21.zip"], "host"),
        (["score", SUBMISSION, *TRUTH], "score"),
        (["worker", *TRUTH], "score"),
        (["report", "--help"], "host"),
        (["award", "--help"], "host"),
        (["baseline", "--help"], "host"),
        (["annotations", "publish", "--help"], "host"),
        (["inputs", "build", "--help"], "score"),
    ],
    ids=lambda value: str(value[0]),
)
def test_a_command_whose_extra_is_missing_says_which(
    arguments: List[str], extra: str, tmp_path: Path
) -> None:
    done = light(MAIN, *arguments)
    assert done.returncode == 2
    (line,) = done.stderr.splitlines()
    assert line.startswith("error: this command needs more (")
    assert "nlb-evalai[" in line
    brought = re.search(r"nlb-evalai\[(\w+)\]", line)
    assert brought
    assert brought[1] == extra
    assert line.endswith(install(extra))


def test_an_odd_receipt_is_refused_in_a_light_install(tmp_path: Path) -> None:
    good = json.loads((DATA / "old" / "receipt.json").read_text("utf-8"))
    odd = {
        "a list": ["a"],
        "lacks the groups": {key: one for key, one in good.items() if key != "groups"},
        "another version": {**good, "schema": "nlb-evalai/receipt/0"},
        "groups of another kind": {**good, "groups": "many"},
        "a group without scores": {**good, "groups": {"mc_maze": {}}},
    }
    for name, content in odd.items():
        path = tmp_path / "receipt.json"
        path.write_text(json.dumps(content), encoding="utf-8")
        done = light(MAIN, "receipt", "show", str(path))
        assert done.returncode == 2, name
        (line,) = done.stderr.splitlines()
        assert "is no receipt: " in line


def test_a_light_install_has_few_packages_and_all_others_are_in_an_extra() -> None:
    brought = brought_by()
    assert len(brought[""]) <= 8
    for module, extra in EXTRA_OF.items():
        distribution = {"s3transfer": "boto3"}.get(module, DISTRIBUTIONS.get(module, module))
        along = (brought[one] for one in BROUGHT_ALONG.get(extra, []))
        within = brought[extra].union(*along)
        assert distribution in within, module
        assert distribution not in brought[""], module
    used = {DISTRIBUTIONS.get(name, name) for name in third_parties(set(FILES))}
    known = {DISTRIBUTIONS.get(name, name) for name in EXTRA_OF}
    # requests and jinja2 bring one each; under the others the reader imports itself, and so does
    # the scoring program for Codabench
    assert used - known - brought[""] == {"urllib3", "markupsafe", "nlb_reader", "program"}

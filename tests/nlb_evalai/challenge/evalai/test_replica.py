"""The replica keeps to what EvalAI's worker does, seen through toy evaluation scripts."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import zipfile
from pathlib import Path

import h5py
import numpy as np
import pytest

from nlb_evalai.challenge.evalai.config import ConfigError
from nlb_evalai.challenge.evalai.replica import child
from nlb_evalai.challenge.evalai.replica.pins import PINS, script_problems
from nlb_evalai.challenge.evalai.replica.worker import Replica, ReplicaError
from nlb_evalai.errors import ToolError
from tests.nlb_evalai.challenge.evalai import toy
from tests.paths import ROOT

HEAD = """
import json, logging, os, sys
CALLS = []

def evaluate(test_annotation_file, user_submission_file, phase_codename, **kwargs):
"""
REPORT = '    return {"result": [{"one_split": {"a": 1.0}}], "submission_metadata": told}\n'


def _bundle(tmp_path: Path, body: str) -> Path:
    lines = "".join(f"    {line}\n" for line in body.strip().splitlines())
    return toy.write_bundle(tmp_path / "toy.zip", HEAD + lines + REPORT)


def _told(tmp_path: Path, body: str):
    """What an evaluation script with that body tells of its surroundings."""
    submission = toy.write_submission(tmp_path / "mine.v2.h5", {})
    with Replica(_bundle(tmp_path, body)) as replica:
        outcome = replica.score(submission, "test")
    assert not outcome.failed, outcome.stderr
    assert outcome.problems == []
    return outcome.output["submission_metadata"]


def test_an_output_within_the_rules_comes_back(tmp_path):
    output = {"result": [{"one_split": {"a": 0.1, "b": 2}}, {"three_split": {"c": 1.0}}]}
    submission = toy.write_submission(tmp_path / "s.h5", output)
    with Replica(toy.write_bundle(tmp_path / "toy.zip")) as replica:
        outcome = replica.score(submission, "test")
    assert outcome.output == output
    assert outcome.problems == []
    assert not outcome.failed


def test_an_output_is_judged_by_the_boards_of_its_own_phase(tmp_path):
    submission = toy.write_submission(tmp_path / "s.h5", {"result": [{"two_split": {"a": 1.0}}]})
    with Replica(toy.write_bundle(tmp_path / "toy.zip")) as replica:
        assert replica.score(submission, "val").problems == []
        (problem,) = replica.score(submission, "test").problems
    assert "no split of this phase" in str(problem)


def test_files_get_random_names_and_keep_their_extensions(tmp_path):
    told = _told(tmp_path, "told = [test_annotation_file, user_submission_file]")
    truth, submission = map(Path, told)
    assert truth.suffix == submission.suffix == ".h5"
    assert "test" not in truth.name
    assert "mine" not in submission.name
    assert truth.parent.name == "phase_2"


def test_each_phase_gets_its_own_truth_and_codename(tmp_path):
    body = "told = [open(test_annotation_file).read(), phase_codename, sorted(kwargs)]"
    submission = toy.write_submission(tmp_path / "s.h5", {})
    with Replica(_bundle(tmp_path, body)) as replica:
        for phase in ("val", "test"):
            told = replica.score(submission, phase).output["submission_metadata"]
            assert told == [f"truth of {phase}", phase, ["submission_metadata"]]


def test_the_script_is_a_package_of_challenge_data(tmp_path):
    assert _told(tmp_path, "told = __name__") == "challenge_data.challenge_1256"


def test_the_module_is_kept_between_submissions(tmp_path):
    body = "CALLS.append(phase_codename)\ntold = list(CALLS)"
    submission = toy.write_submission(tmp_path / "s.h5", {})
    with Replica(_bundle(tmp_path, body)) as replica:
        replica.score(submission, "val")
        told = replica.score(submission, "test").output["submission_metadata"]
    assert told == ["val", "test"]


def test_stdout_and_stderr_are_plain_objects_that_can_write_and_no_more(tmp_path):
    body = """
told = [hasattr(stream, name) for stream in (sys.stdout, sys.stderr)
        for name in ("write", "fileno", "flush", "isatty")]
"""
    assert _told(tmp_path, body) == [True, False, False, False] * 2


def test_stdout_reaches_the_participant_and_only_the_containers_stderr_the_host(tmp_path):
    body = (
        'print("hello")\nlogging.getLogger("x").error("for nobody")\n'
        'print("for hosts", file=sys.__stderr__, flush=True)\ntold = None'
    )
    submission = toy.write_submission(tmp_path / "s.h5", {})
    with Replica(_bundle(tmp_path, body)) as replica:
        for _ in range(2):
            outcome = replica.score(submission, "val")
            assert outcome.stdout == "hello\n"
            assert outcome.stderr == ""
            assert outcome.worker_log == "for hosts\n"


def test_what_is_printed_below_python_does_not_break_the_replica(tmp_path):
    assert _told(tmp_path, 'os.write(1, b"{noise}\\n")\ntold = "fine"') == "fine"


@pytest.mark.parametrize("name", ["evaluation_script", "nlb_evalai"])
def test_this_checkout_is_not_importable_not_even_by_a_process_of_the_script(tmp_path, name):
    body = f"""
import importlib.util, subprocess
child = subprocess.run([sys.executable, "-I", "-c", "import {name}"], stderr=subprocess.PIPE)
told = [importlib.util.find_spec("{name}") is None, b"ModuleNotFoundError" in child.stderr]
"""
    assert _told(tmp_path, body) == [True, True]


def test_an_installation_of_this_project_is_left_out_and_the_rest_of_its_folder_is_not(tmp_path):
    site = tmp_path / "site-packages"
    for name in ("evaluation_script", "nlb_evalai", "another"):
        (site / name).mkdir(parents=True)
        (site / name / "__init__.py").touch()
    body = """
import importlib.util
names = "evaluation_script", "nlb_evalai", "another"
told = [importlib.util.find_spec(name) is not None for name in names]
"""
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(site))
        assert _told(tmp_path, body) == [False, False, True]


def test_the_libraries_of_this_environment_are_there(tmp_path):
    body = """
import importlib, numpy, scipy, sklearn, yaml
told = [numpy.__version__, importlib.import_module("h5py").__version__]
"""
    assert _told(tmp_path, body) == [np.__version__, h5py.__version__]


def test_python_variables_do_not_reach_the_worker(tmp_path, monkeypatch):
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    assert _told(tmp_path, "told = [path for path in sys.path if path == os.getcwd()]") == []


def test_an_exception_fails_the_submission_and_its_text_is_shown_and_the_next_is_scored(tmp_path):
    script = """
def evaluate(truth, submission, phase, **kwargs):
    if phase == "val":
        raise ValueError("too bad")
    return {"result": [{"one_split": {"a": 1.0}}]}
"""
    submission = toy.write_submission(tmp_path / "s.h5", {})
    with Replica(toy.write_bundle(tmp_path / "toy.zip", script)) as replica:
        failed = replica.score(submission, "val")
        fine = replica.score(submission, "test")
    assert failed.failed
    assert "ValueError: too bad" in failed.stderr
    assert fine.output == {"result": [{"one_split": {"a": 1.0}}]}


@pytest.mark.parametrize(
    ("act", "status"), [("sys.exit(0)", "0"), ("os.kill(os.getpid(), 9)", "-9")]
)
def test_what_ends_the_process_is_a_problem_and_a_new_worker_takes_the_next(tmp_path, act, status):
    body = f'if phase_codename == "val": {act}\ntold = None'
    submission = toy.write_submission(tmp_path / "s.h5", {})
    with Replica(_bundle(tmp_path, body)) as replica:
        dead = replica.score(submission, "val")
        assert not replica.score(submission, "test").failed
    (problem,) = dead.problems
    assert f"the process died (exit status {status})" in str(problem)
    assert "running for ever" in str(problem)


@pytest.mark.skipif(not Path("/proc/self/fd").is_dir(), reason="seen through /proc only")
def test_a_file_that_is_left_open_is_a_problem(tmp_path):
    submission = toy.write_submission(tmp_path / "s.h5", {})
    bundle = _bundle(tmp_path, "CALLS.append(open(user_submission_file))\ntold = None")
    with Replica(bundle) as replica:
        (problem,) = replica.score(submission, "val").problems
    assert "left a file open" in str(problem)


def test_the_memory_of_the_worker_is_told_and_not_that_of_this_process(tmp_path):
    ballast = np.ones((300, 1 << 17))  # 300 MiB, here
    submission = toy.write_submission(tmp_path / "s.h5", {})
    with Replica(_bundle(tmp_path, "told = len(bytearray(50 << 20))")) as replica:
        assert 50 < replica.score(submission, "val").peak_mib < 200
    assert ballast.size


def test_what_takes_more_memory_than_there_is_ends_the_worker_and_only_that_submission(tmp_path):
    large = toy.write_submission(tmp_path / "large.h5", [90 << 20])
    small = toy.write_submission(tmp_path / "small.h5", [1])
    body = "told = len(bytearray(json.load(open(user_submission_file))[0]))"
    with Replica(_bundle(tmp_path, body), memory_mib=100) as replica:
        first, second = replica.score(large, "val"), replica.score(small, "val")
    assert ["and EvalAI's worker has 100 MiB" in str(problem) for problem in first.problems] == [
        True
    ]
    assert second.problems == []


def test_the_submission_itself_is_not_touched(tmp_path):
    submission = toy.write_submission(tmp_path / "s.h5", {"result": []})
    before = submission.read_bytes()
    with Replica(toy.write_bundle(tmp_path / "toy.zip")) as replica:
        replica.score(submission, "val")
    assert submission.read_bytes() == before


def test_closing_ends_the_process_and_removes_its_folder(tmp_path):
    submission = toy.write_submission(tmp_path / "s.h5", {})
    with Replica(_bundle(tmp_path, "told = os.getpid()")) as replica:
        pid = replica.score(submission, "val").output["submission_metadata"]
        folder = replica.folder
    assert not folder.exists()
    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)


# ---- bundles that EvalAI's worker could not load ----------------------------------------------


def _refused(bundle: Path) -> str:
    with pytest.raises(ReplicaError) as caught:
        Replica(bundle)
    return str(caught.value)


def test_a_bundle_that_is_no_zip_is_refused(tmp_path):
    (tmp_path / "x.zip").write_text("x")
    assert "no zip file" in _refused(tmp_path / "x.zip")


@pytest.mark.parametrize(
    ("member", "message"),
    [
        ("challenge_config.yaml", "challenge_config.yaml must be at the root"),
        ("annotations/test.h5", "annotations/test.h5"),
        ("page.html", "page.html"),
        ("evaluation_script.zip", "evaluation_script.zip"),
    ],
)
def test_a_missing_member_is_named(tmp_path, member, message):
    assert message in _refused(toy.write_bundle(tmp_path / "x.zip", leave_out=member))


def test_a_script_that_is_no_zip_is_named(tmp_path):
    bundle = toy.write_bundle(tmp_path / "x.zip", leave_out="evaluation_script.zip")
    with zipfile.ZipFile(bundle, "a") as archive:
        archive.writestr("evaluation_script.zip", "words")
    assert "evaluation_script.zip: no zip file" in _refused(bundle)


def test_a_single_top_level_folder_in_the_script_zip_is_refused(tmp_path):
    files = {"evaluation_script/__init__.py": toy.ECHO}
    message = _refused(toy.write_bundle(tmp_path / "x.zip", script_files=files))
    assert "__init__.py must be at its root, but all is in evaluation_script/" in message


def test_relative_imports_and_nested_packages_work(tmp_path):
    files = {
        "__init__.py": "from .main import evaluate",
        "main.py": "from .inner.deep import VALUE\n"
        "def evaluate(*args, **kwargs):\n"
        '    return {"result": [{"one_split": {"a": VALUE}}]}',
        "inner/__init__.py": "",
        "inner/deep.py": "VALUE = 3.0",
    }
    submission = toy.write_submission(tmp_path / "s.h5", {})
    with Replica(toy.write_bundle(tmp_path / "x.zip", script_files=files)) as replica:
        assert replica.score(submission, "val").problems == []


@pytest.mark.parametrize(
    ("files", "message"),
    [
        ({"__init__.py": "evaluate = 3"}, "must expose it"),
        ({"__init__.py": "1 / 0"}, "ZeroDivisionError"),
        ({"__init__.py": "import no_such_library"}, "No module named 'no_such_library'"),
        (
            {"__init__.py": "from main import evaluate", "main.py": toy.ECHO},
            "__init__.py:1: imports main: absolute imports of siblings fail",
        ),
        (
            {"__init__.py": "import rich\n" + toy.ECHO},
            "__init__.py:1: imports rich: it is here but not on EvalAI's worker",
        ),
        (
            {"__init__.py": "def evaluate(): pass\nmatch 1:\n    case 1: pass\n"},
            ": not Python 3.9: ",
        ),
        (
            {"__init__.py": toy.ECHO, "requirements.txt": "h5py==3.14.0\nnumpy>=2"},
            "requirements.txt:2: found numpy>=2, but EvalAI's worker pins numpy 1.26.4",
        ),
        (
            {"__init__.py": toy.ECHO, "requirements.txt": "h5py==3.15.1"},
            "requirements.txt:1: found h5py==3.15.1, but the newest for the worker's Python is",
        ),
        (
            {"__init__.py": toy.ECHO, "requirements.txt": "not a requirement!"},
            "requirements.txt:1: 'not a requirement!' is no requirement",
        ),
        (
            {"__init__.py": toy.ECHO, "inner/requirements.txt": "h5py"},
            "inner/requirements.txt: only the one at the root is installed",
        ),
    ],
)
def test_a_script_that_the_worker_cannot_run_is_refused_with_the_reason(tmp_path, files, message):
    assert message in _refused(toy.write_bundle(tmp_path / "x.zip", script_files=files))


def test_a_required_library_may_be_imported(tmp_path):
    files = {"__init__.py": "import h5py\n" + toy.ECHO, "requirements.txt": "h5py==3.14.0  # why"}
    with Replica(toy.write_bundle(tmp_path / "x.zip", script_files=files)):
        pass


def test_an_unknown_phase_and_a_missing_submission_are_clear_errors(tmp_path):
    with Replica(toy.write_bundle(tmp_path / "x.zip")) as replica:
        with pytest.raises(ConfigError, match="expected one of val, test"):
            replica.score(tmp_path / "s.h5", "tset")
        with pytest.raises(ToolError, match=r"s\.h5: No such file"):
            replica.score(tmp_path / "s.h5", "val")


def test_the_child_needs_the_standard_library_only():
    program = Path(child.__file__)
    finished = subprocess.run(
        [sys.executable, "-I", "-S", str(program), os.devnull],
        input=json.dumps({"action": "load", "folder": "/", "package": "json", "forbidden": []}),
        capture_output=True,
        text=True,
        check=True,
    )
    assert "has no evaluate" in finished.stdout


def test_the_pinned_test_environment_is_the_worker_that_the_replica_knows():
    text = (ROOT / "tests" / "requirements-evalai.txt").read_text()
    pinned = dict(line.split("==") for line in text.splitlines() if "==" in line)
    assert {"numpy", "scipy", "scikit-learn", "boto3"} <= set(pinned)
    assert pinned == {name: PINS[name] for name in pinned}


def test_the_script_of_this_project_can_run_there():
    assert script_problems(ROOT / "evaluation_script") == []

"""What the evaluation script may not be."""

from __future__ import annotations

import pytest

from nlb_evalai.challenge.rules.finding import WARNING
from tests.nlb_evalai.challenge.evalai.rules.parts import SCRIPT, Table, assert_found

TABLE = Table()


@TABLE.case("script-archive", SCRIPT, "cannot be read as a zip")
def script_is_no_zip(parts):
    parts.script, parts.members[SCRIPT] = None, b"words"


@TABLE.case("script-root", SCRIPT, "all is in evaluation_script/")
def script_in_a_folder(parts):
    parts.script = {f"evaluation_script/{name}": c for name, c in parts.script.items()}
    parts.expected_too = {"script-nested-requirements", "script-modules"}


@TABLE.case("script-evaluate", "__init__.py", "must expose evaluate")
def script_without_evaluate(parts):
    parts.script["__init__.py"] = b'"""Nothing."""\n'


@TABLE.case("script-signature", "main.py", "take these three arguments and **kwargs")
def evaluate_without_kwargs(parts):
    parts.script["main.py"] = b"def evaluate(truth, submission, phase):\n    return {}\n"


@TABLE.case("script-requirements", "requirements.txt:", "the worker cannot load")
def requirement_against_the_pins(parts):
    parts.script["requirements.txt"] += b"\nnumpy>=2\n"


@TABLE.case("script-nested-requirements", "metrics/requirements.txt", "only the one at the root")
def requirements_in_a_folder(parts):
    parts.script["metrics/requirements.txt"] = b"h5py\n"


@TABLE.case("script-modules", "metrics/odd.py:1", "absolute imports of siblings fail")
def absolute_import(parts):
    parts.script["metrics/odd.py"] = b"import scoring\n"


@TABLE.case("script-modules", "metrics/odd.py", "not Python 3.9")
def newer_syntax(parts):
    parts.script["metrics/odd.py"] = b"match 1:\n    case 1:\n        pass\n"


@TABLE.case("script-exit", "metrics/odd.py:2", "sys.exit() kills EvalAI's worker")
def script_that_exits(parts):
    parts.script["metrics/odd.py"] = b"import sys\nsys.exit()\n"


@TABLE.case("script-fileno", "metrics/odd.py:2", "objects without fileno", WARNING)
def script_that_needs_a_stream(parts):
    parts.script["metrics/odd.py"] = b"import sys\nx = sys.stdout.fileno()\n"


@TABLE.case("script-data", "test.h5", "data in the evaluation script", WARNING)
def truth_in_the_script(parts):
    parts.script["test.h5"] = b"x"


@pytest.mark.parametrize("case", TABLE, ids=lambda case: case.change.__name__)
def test_a_broken_bundle_is_found(all_parts, tmp_path, case):
    assert_found(case, all_parts, tmp_path)

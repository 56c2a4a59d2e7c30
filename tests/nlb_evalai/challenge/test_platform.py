"""The seam: a platform is one package, and what is beside it knows none by name."""

from __future__ import annotations

import re
import zipfile
from pathlib import Path

import pytest

import evaluation_script
import nlb_evalai
from evaluation_script import suites
from nlb_evalai import challenge
from nlb_evalai.challenge.head import read_head
from nlb_evalai.challenge.names import names
from nlb_evalai.challenge.platform import find, platform_of
from tests.paths import FINGERS

SCORER = Path(evaluation_script.__file__).parent
TOOLS = Path(nlb_evalai.__file__).parent
CHALLENGE = Path(challenge.__file__).parent


@pytest.mark.parametrize("name", names())
def test_a_platform_says_what_it_is(name):
    platform = find(name)
    assert platform.name == name
    assert {*platform.need_suite} <= {*platform.rules.codes()}
    assert (CHALLENGE / "pages" / f"on_{name}.html.j2").is_file()


def test_only_its_own_package_knows_codabench():
    modules = [*SCORER.rglob("*.py"), *TOOLS.rglob("*.py")]
    own = CHALLENGE / "codabench"
    naming = [path for path in modules if "codabench" in path.read_text("utf-8").lower()]
    assert {path for path in naming if own not in path.parents} == set()
    assert naming


def test_neither_platform_knows_the_other():
    for name in names():
        for other in {*names()} - {name}:
            imported = re.compile(rf"import .*challenge\.{other}|from .*challenge\.{other}")
            for path in (CHALLENGE / name).rglob("*.py"):
                assert not imported.search(path.read_text("utf-8")), path


def test_the_shared_rules_know_no_platform():
    for path in (CHALLENGE / "rules").glob("*.py"):
        text = path.read_text("utf-8").replace("nlb_evalai", "")
        assert not [name for name in names() if name in text.lower()], path


def zipped(path: Path, *members: str) -> Path:
    with zipfile.ZipFile(path, "w") as archive:
        for name in members:
            archive.writestr(name, "")
    return path


@pytest.mark.parametrize(
    ("members", "expected"),
    [
        (["challenge_config.yaml"], "evalai"),
        (["competition.yaml"], "codabench"),
        (["folder/competition.yaml"], "codabench"),
        (["folder/challenge_config.yaml", "competition.yaml"], "codabench"),
        ([], "evalai"),
    ],
)
def test_a_bundle_tells_whose_it_is_by_its_config(tmp_path, members, expected):
    assert platform_of(zipped(tmp_path / "x.zip", *members)).name == expected


def test_what_is_no_zip_is_the_default_platforms(tmp_path):
    path = tmp_path / "x.zip"
    path.write_text("words")
    assert platform_of(path).name == "evalai"


def test_what_a_head_says_to_one_platform_is_told_to_no_other(tmp_path):
    (tmp_path / "head.yaml").write_text("codabench: {docker_image: a/b:1}\n")
    head = read_head(tmp_path / "head.yaml", suites.load(FINGERS))
    assert head.own["codabench"]["docker_image"] == "a/b:1"
    assert not {*names()} & {*head.top}

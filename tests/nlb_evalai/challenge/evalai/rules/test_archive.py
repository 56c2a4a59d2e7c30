"""What the zip itself may not be."""

from __future__ import annotations

import pytest

from nlb_evalai.challenge.evalai.rules.finding import WARNING
from tests.nlb_evalai.challenge.evalai.rules.parts import Table, assert_found, drop

TABLE = Table()


@TABLE.case("damaged-member", "logo.png", "damaged or encrypted; build the bundle again")
def damaged(parts):
    parts.corrupt = "logo.png"


@TABLE.case("member-path", "../outside.txt", "leads out of the folder")
def member_outside(parts):
    parts.members["../outside.txt"] = b"x"


@TABLE.case("duplicate-member", "logo.png", "more than once")
def member_twice(parts):
    parts.repeated.append(("logo.png", parts.members["logo.png"]))


@TABLE.case("file-path", "description", "expected a relative path inside the zip")
def path_leaves_the_bundle(parts):
    parts.config["description"] = "/templates/description.html"
    drop(parts.members, "templates/description.html")


@TABLE.case("file-missing", "image", "logo.png is not in the zip")
def file_missing(parts):
    drop(parts.members, "logo.png")


@TABLE.case("file-missing", "test_annotation_file", "annotations/val.h5 is not in the zip")
def truth_missing(parts):
    drop(parts.members, "annotations/val.h5")


@TABLE.case("unused-member", "notes.txt", "does not name it", WARNING)
def member_nobody_needs(parts):
    parts.members["notes.txt"] = b"x"


@pytest.mark.filterwarnings("ignore:Duplicate name")
@pytest.mark.parametrize("case", TABLE, ids=lambda case: case.change.__name__)
def test_a_broken_bundle_is_found(parts, tmp_path, case):
    assert_found(case, parts, tmp_path)

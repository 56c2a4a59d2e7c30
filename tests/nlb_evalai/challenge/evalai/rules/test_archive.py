"""What the zip itself may not be."""

from __future__ import annotations

import pytest

from nlb_evalai.challenge.evalai.rules.run import check_bundle
from nlb_evalai.challenge.rules.finding import WARNING
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


@TABLE.case(
    "config-once", "challenge_config.yml", "takes it for a second", breaks=["multiple_yaml_files"]
)
def config_under_its_other_name(parts):
    parts.members["challenge_config.yml"] = b"title: x\n"


@TABLE.case("member-size", "templates/description.html", "expected at most 256")
def page_of_a_megabyte(parts):
    parts.members["templates/description.html"] = b" " * 2**20


@TABLE.case("file-path", "description", "expected a relative path inside the zip")
def path_leaves_the_bundle(parts):
    parts.config["description"] = "/templates/description.html"
    drop(parts.members, "templates/description.html")


@TABLE.case("file-missing", "image", "logo.png is not in the zip")
def file_missing(parts):
    drop(parts.members, "logo.png")


@TABLE.case(
    "file-missing",
    "test_annotation_file",
    "annotations/val.h5 is not in the zip",
    breaks=["no_test_annotation_file_found"],
)
def truth_missing(parts):
    drop(parts.members, "annotations/val.h5")


@TABLE.case("unused-member", "notes.txt", "does not name it", WARNING)
def member_nobody_needs(parts):
    parts.members["notes.txt"] = b"x"


@pytest.mark.filterwarnings("ignore:Duplicate name")
@pytest.mark.parametrize("case", TABLE, ids=lambda case: case.change.__name__)
def test_a_broken_bundle_is_found(parts, tmp_path, case):
    assert_found(case, parts, tmp_path)


def test_a_bundle_that_is_too_large_for_the_upload_is_said(own_bundle, tmp_path):
    path = tmp_path / "large.zip"
    with path.open("wb") as file:
        file.truncate(201 * 2**20)  # a hole, which takes no room; a zip may have anything before it
        file.seek(0, 2)
        file.write(own_bundle.read_bytes())
    (finding,) = check_bundle(path)
    assert (finding.code, finding.severity) == ("bundle-size", WARNING)
    assert "201 MiB" in finding.message

"""What the pages and the logo may not be."""

from __future__ import annotations

import pytest

from nlb_evalai.challenge.evalai.rules.run import check_bundle
from nlb_evalai.challenge.rules.finding import WARNING
from tests.nlb_evalai.challenge.evalai.rules.parts import CONFIG, Table, assert_found

TABLE = Table()


@TABLE.case("page-text", "templates/description.html", "is not UTF-8 text")
def page_not_utf8(parts):
    parts.members["templates/description.html"] = b"<p>\xff</p>"


@TABLE.case("page-empty", "templates/phase_val.html", "is empty")
def empty_page(parts):
    parts.members["templates/phase_val.html"] = b" \n"


@TABLE.case("page-active", "templates/description.html:2", "<script> is removed", WARNING)
def page_with_a_script(parts):
    parts.members["templates/description.html"] = b"<p>x</p>\n<script>1</script>"


@TABLE.case(
    "page-link", "templates/description.html:1", "expected a full https:// address", WARNING
)
def page_with_a_relative_link(parts):
    parts.members["templates/description.html"] = b'<a href="docs/a.html">x</a>'


@TABLE.case("page-text", "templates/description.html", "holds a NUL byte")
def page_with_a_nul(parts):
    parts.members["templates/description.html"] = b"<p>a\0b</p>"


@TABLE.case("image-content", "logo.png", "is a damaged picture")
def logo_cut_short(parts):
    parts.members["logo.png"] = parts.members["logo.png"][:2000]


@TABLE.case("image-content", "logo.png", "neither PNG nor JPEG inside")
def logo_only_named_png(parts):
    parts.members["logo.png"] = b"<svg/>"


@TABLE.case(
    "edited-by-hand",
    "templates/phase_val.html",
    "the first lines of challenge_config.yaml",
    WARNING,
)
def page_edited_by_hand(parts):
    parts.members[CONFIG] = parts.config_text
    parts.config = None
    parts.members["templates/phase_val.html"] += b"<p>More.</p>\n"


@pytest.mark.parametrize(
    ("change", "where"),
    [
        (lambda text: text.replace(b"max_submissions: 2000", b"max_submissions: 2001"), CONFIG),
        (lambda text: text.replace(b"\n", b"\r\n"), None),
        (lambda text: text.partition(b"\n\n")[2], None),
    ],
    ids=["a quota", "line ends alone", "no seal"],
)
def test_an_edit_of_the_config_is_told_and_line_ends_are_none(parts, tmp_path, change, where):
    parts.members[CONFIG] = change(parts.config_text)
    parts.config = None
    findings = check_bundle(parts.write(tmp_path / "x.zip"))
    assert [(f.code, f.location) for f in findings] == ([("edited-by-hand", where)] * bool(where))


@pytest.mark.parametrize("case", TABLE, ids=lambda case: case.change.__name__)
def test_a_broken_bundle_is_found(parts, tmp_path, case):
    assert_found(case, parts, tmp_path)

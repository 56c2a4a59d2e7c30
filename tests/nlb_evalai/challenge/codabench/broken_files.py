"""Bundles that break one rule each in their files: the scoring program, the truth, the pages.

They join the table of ``broken``.
"""

from __future__ import annotations

from nlb_evalai.challenge.rules.finding import WARNING
from tests.nlb_evalai.challenge.codabench.broken import case
from tests.nlb_evalai.challenge.codabench.parts import PROGRAM, REFERENCE


@case("program-zip", "tasks[0].scoring_program", "cannot be read as a zip")
def a_program_that_is_no_zip(parts):
    del parts.inner[PROGRAM]
    parts.members[PROGRAM] = b"no zip"


@case("program-command", PROGRAM, "must be at the root of the zip, but it is in program/")
def a_folder_zipped(parts):
    parts.program["program/metadata.yaml"] = parts.program.pop("metadata.yaml")


@case("program-command", "metadata.yaml", "would hang to the time limit")
def no_command(parts):
    parts.program["metadata.yaml"] = b"description: scores\n"


@case("program-command", "metadata.yaml", "no shell runs it")
def a_command_of_a_shell(parts):
    parts.program["metadata.yaml"] = (
        b"command: cd /app/program && python3 score.py $input $output\n"
    )


@case("program-command", "metadata.yaml", "which is not in the zip")
def a_command_that_is_not_there(parts):
    parts.program["metadata.yaml"] = b"command: python3 $program/run.py $input $output\n"


@case("program-folders", "metadata.yaml", "does not name $output")
def a_command_without_output(parts):
    parts.program["metadata.yaml"] = b"command: python3 $program/score.py $input\n"


@case("program-syntax", "score.py", "is no Python")
def a_program_of_another_language(parts):
    parts.program["score.py"] = b"print 'x'\n"


@case("program-data", "truth.h5", "nobody can download")
def truth_in_the_program(parts):
    parts.program["truth.h5"] = b"x"


@case("reference-zip", "reference_data", "is no zip with a file in it")
def truth_without_zip(parts):
    parts.members[REFERENCE] = parts.inner.pop(REFERENCE)["truth.h5"]


@case("truth-name", "reference_data", "holds val.h5, expected truth.h5")
def truth_under_another_name(parts):
    parts.truth("val.h5", phase="val")


@case("truth-format", REFERENCE, "is no HDF5 file")
def truth_that_is_no_hdf5(parts):
    parts.inner[REFERENCE] = {"truth.h5": b"no HDF5"}


@case("truth-phase", REFERENCE, "holds the truth of phase 'test', expected 'val'")
def truth_of_another_phase(parts):
    parts.truth(phase="test")


@case("truth-shared", REFERENCE, "is the truth of phases", too=["truth-phase", "unused-member"])
def one_truth_for_both(parts):
    parts.config["tasks"][1]["reference_data"] = REFERENCE


@case("truth-complete", REFERENCE, "lacks mc_rtt, which")
def truth_without_a_dataset(parts):
    parts.truth(phase="val", without="mc_rtt")


@case("sample-truth", REFERENCE, "embedded sample", WARNING)
def the_samples_truth(parts):
    parts.truth(phase="val", origin="embedded sample, small")


@case("page-empty", "pages/description.html", "is empty")
def an_empty_page(parts):
    parts.members["pages/description.html"] = b"\n"


@case("page-text", "pages/terms_and_conditions.html", "is not UTF-8 text")
def terms_in_another_code(parts):
    parts.members["pages/terms_and_conditions.html"] = b"<p>\xff</p>"


@case("page-link", "pages/description.html:1", "expected a full https:// address", WARNING)
def a_relative_link(parts):
    parts.members["pages/description.html"] = b'<p><a href="data.html">data</a></p>'


@case("page-formula", "pages/description.html:1", "write &#36;", WARNING)
def prizes_in_dollars(parts):
    parts.members["pages/description.html"] = b"<p>$100 for the first</p><p>$50 for another</p>"


@case("page-script", "pages/description.html:2", "has an empty line in <pre>", WARNING)
def a_script_with_an_empty_line(parts):
    parts.members["pages/description.html"] = b"<p>x</p>\n<pre>import h5py\n\nimport numpy</pre>"


@case("image-content", "logo.png", "which Codabench refuses")
def a_damaged_logo(parts):
    parts.members["logo.png"] = parts.members["logo.png"][:-20]


@case("file-missing", "image", "logo.png is not in the zip")
def no_logo(parts):
    del parts.members["logo.png"]


@case("file-path", "image", "expected a relative path inside the zip", too=["unused-member"])
def a_logo_outside(parts):
    parts.config["image"] = "../logo.png"


@case("member-path", "../x", "leads out of the folder")
def a_member_outside(parts):
    parts.members["../x"] = b"x"


@case("member-size", "pages/description.html", "expected at most 256")
def a_page_of_a_megabyte(parts):
    parts.members["pages/description.html"] = b" " * 2**20


@case("unused-member", "notes.txt", "does not name it; leave out what Codabench", WARNING)
def a_member_nobody_needs(parts):
    parts.members["notes.txt"] = b"x"

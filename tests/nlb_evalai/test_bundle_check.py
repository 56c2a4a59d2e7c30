"""A table of broken bundles, each breaking one rule, and the clean one they start from."""

from __future__ import annotations

import copy
import io
import json
import zipfile
from pathlib import Path

import h5py
import pytest
import yaml
from click.testing import CliRunner
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from nlb_evalai.bundle import BundleError, build_bundle, checkout_root
from nlb_evalai.bundle_check import ERROR, WARNING, check_bundle, codes
from nlb_evalai.cli.bundle import bundle as bundle_command

CONFIG = "challenge_config.yaml"
SCRIPT = "evaluation_script.zip"


class Parts:
    """A bundle taken apart: its config, its members, its evaluation script's members."""

    def __init__(self, path: Path) -> None:
        with zipfile.ZipFile(path) as archive:
            self.members = {name: archive.read(name) for name in archive.namelist()}
        with zipfile.ZipFile(io.BytesIO(self.members.pop(SCRIPT))) as archive:
            self.script = {name: archive.read(name) for name in archive.namelist()}
        self.config = yaml.safe_load(self.members.pop(CONFIG))
        self.repeated = []

    def write(self, path: Path) -> Path:
        with zipfile.ZipFile(path, "w") as archive:
            if self.config is not None:
                archive.writestr(CONFIG, yaml.dump(self.config, sort_keys=False))
            if self.script is not None:
                archive.writestr(SCRIPT, zipped(self.script))
            for name, content in [*self.members.items(), *self.repeated]:
                archive.writestr(name, content)
        return path

    # what the table's changes are written with
    @property
    def phase(self):
        return self.config["challenge_phases"][0]

    @property
    def schema(self):
        return self.config["leaderboard"][0]["schema"]

    @property
    def split(self):
        return self.config["challenge_phase_splits"][0]

    def truth(self, name, phase=None, **attributes):
        stream = io.BytesIO()
        with h5py.File(stream, "w") as file:
            file.attrs.update(attributes, **({"phase": phase} if phase else {}))
        self.members[name] = stream.getvalue()


def zipped(members):
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return stream.getvalue()


@pytest.fixture(scope="session")
def own_bundle(tmp_path_factory):
    """The project's own bundle, with truth that is not the sample's."""
    folder = tmp_path_factory.mktemp("own")
    for phase in ("val", "test"):
        with h5py.File(folder / f"{phase}.h5", "w") as file:
            file.attrs["phase"] = phase
    return build_bundle(folder / "own.zip", folder).path


@pytest.fixture
def parts(own_bundle):
    return Parts(own_bundle)


def test_the_projects_own_bundle_is_clean(own_bundle):
    assert check_bundle(own_bundle) == []


def test_the_bundle_the_table_starts_from_is_clean(parts, tmp_path):
    assert check_bundle(parts.write(tmp_path / "x.zip")) == []


# ---- the table --------------------------------------------------------------------------------

CASES = []


def case(code, where, message, severity=ERROR):
    def register(change):
        CASES.append(pytest.param(change, code, where, message, severity, id=change.__name__))
        return change

    return register


def drop(mapping, key):
    del mapping[key]


def rename(mapping, old, new):
    mapping[new] = mapping.pop(old)


@case("damaged-member", "logo.png", "damaged or encrypted; build the bundle again")
def damaged(parts):
    parts.corrupt = "logo.png"


@case("member-path", "../outside.txt", "leads out of the folder")
def member_outside(parts):
    parts.members["../outside.txt"] = b"x"


@case("duplicate-member", "logo.png", "more than once")
def member_twice(parts):
    parts.repeated.append(("logo.png", parts.members["logo.png"]))


@case("file-path", "description", "expected a relative path inside the zip")
def path_leaves_the_bundle(parts):
    parts.config["description"] = "/templates/description.html"
    drop(parts.members, "templates/description.html")


@case("file-missing", "image", "logo.png is not in the zip")
def file_missing(parts):
    drop(parts.members, "logo.png")


@case("file-missing", "test_annotation_file", "annotations/val.h5 is not in the zip")
def truth_missing(parts):
    drop(parts.members, "annotations/val.h5")


@case("unused-member", "notes.txt", "does not name it", WARNING)
def member_nobody_needs(parts):
    parts.members["notes.txt"] = b"x"


@case("config-at-root", CONFIG, "found it as challenge/challenge_config.yaml")
def config_in_a_folder(parts):
    parts.members["challenge/" + CONFIG] = yaml.dump(parts.config).encode()
    parts.config = None


@case("config-at-root", CONFIG, "it is not there")
def config_missing(parts):
    parts.config = None


@case("config-yaml", CONFIG + ":2", "is not valid YAML")
def config_no_yaml(parts):
    parts.config, parts.members[CONFIG] = None, b"title: [a\n"


@case("config-yaml", CONFIG + ":2", "'title' is given twice")
def key_twice(parts):
    parts.config, parts.members[CONFIG] = None, b"title: a\ntitle: b\n"


@case("config-yaml", CONFIG, "expected keys and values")
def config_is_a_list(parts):
    parts.config, parts.members[CONFIG] = None, b"- a\n"


@case("config-yaml", CONFIG, "is not UTF-8 text")
def config_not_utf8(parts):
    parts.config, parts.members[CONFIG] = None, b"title: \xff\n"


@case("config-shape", CONFIG, "terms_and_conditions is missing")
def required_key_missing(parts):
    name = parts.config.pop("terms_and_conditions")
    drop(parts.members, name)


@case("config-shape", "is_public", 'found "yes"; expected type boolean')
def wrong_type(parts):
    parts.phase["is_public"] = "yes"


@case("title-length", "title", "shorten the title to at most 100")
def long_title(parts):
    parts.config["title"] = "x" * 101


@case("tags", "tags", "at most 4 tags")
def five_tags(parts):
    parts.config["tags"] = list("abcde")


@case("domain", "domain", "leave domain out")
def unknown_domain(parts):
    parts.config["domain"] = "NEURO"


@case("image-type", "image", "give a .jpg, .jpeg or .png file")
def svg_logo(parts):
    parts.config["image"] = "logo.svg"
    rename(parts.members, "logo.png", "logo.svg")


@case("image-content", "logo.png", "neither PNG nor JPEG inside", WARNING)
def logo_only_named_png(parts):
    parts.members["logo.png"] = b"<svg/>"


@case("page-type", "description", "name an .html file")
def markdown_page(parts):
    parts.config["description"] = "templates/description.md"
    rename(parts.members, "templates/description.html", "templates/description.md")


@case("script-zip", "evaluation_script", "name a .zip")
def script_no_zip_name(parts):
    parts.config["evaluation_script"] = "evaluation_script.tar"
    parts.members["evaluation_script.tar"] = zipped(parts.script)
    parts.script = None


@case("worker-python", "worker_python_version", "nothing newer")
def newer_python(parts):
    parts.config["worker_python_version"] = "3.12"


@case("worker-python", "worker_python_version", "in quotes")
def python_without_quotes(parts):
    parts.config["worker_python_version"] = 3.9


@case("date-format", "end_date", "give date and time")
def date_without_time(parts):
    parts.config["end_date"] = "2099-12-31"


@case("config-shape", "challenge_phases[0]", "start_date is missing")
def phase_without_dates(parts):
    drop(parts.phase, "start_date")


@case("date-order", "challenge_phases[0]", "ends")
def ends_before_it_starts(parts):
    parts.phase["start_date"], parts.phase["end_date"] = (
        "2030-01-02 00:00:00",
        "2030-01-01 00:00:00",
    )


@case("phase-outside-challenge", "challenge_phases[0]", "the challenge is not", WARNING)
def phase_outlives_challenge(parts):
    parts.phase["end_date"] = "2199-01-01 00:00:00"


@case("duplicate-id", "challenge_phases[2].id", "1 is also that of challenge_phases[0]")
def id_twice(parts):
    phase = {**copy.deepcopy(parts.phase), "codename": "test", "name": "Again"}
    parts.config["challenge_phases"].append(phase)
    parts.expected_too = {"duplicate-codename", "truth-shared", "truth-phase"}


@case("duplicate-codename", "dataset_splits[10].codename", "choose another")
def codename_twice(parts):
    extra = {"id": 11, "name": "x", "codename": "mc_maze_split"}
    parts.config["dataset_splits"].append(extra)
    parts.expected_too = {"unused-split"}


@case("quotas", "max_submissions_per_month", "less than max_submissions_per_day", WARNING)
def monthly_quota_below_daily(parts):
    parts.phase["max_submissions_per_month"] = 1


@case("submission-types", "allowed_submission_file_types", "add .h5", WARNING)
def hdf5_not_offered(parts):
    parts.phase["allowed_submission_file_types"] = ".json"


@case("unknown-key", "submision_guidelines", "did you mean submission_guidelines?", WARNING)
def misspelled_key(parts):
    parts.config["submision_guidelines"] = "x"


@case("ignored-key", "worker_memory", "EvalAI ignores it", WARNING)
def worker_memory(parts):
    parts.config["worker_memory"] = 4096


@case("sort-ascending", "leaderboard[0].schema.metadata", "sort_ascending is missing")
def description_without_sort_ascending(parts):
    drop(parts.schema["metadata"]["vel R2"], "sort_ascending")


@case("default-order", "leaderboard[0].schema.default_order_by", "'co_bps' is none of its labels")
def ordered_by_no_label(parts):
    parts.schema["default_order_by"] = "co_bps"


@case("duplicate-label", "leaderboard[0].schema.labels", "'vel R2' is there twice")
def label_twice(parts):
    parts.schema["labels"].append("vel R2")


@case("metadata-label", "leaderboard[0].schema.metadata", "'other' is no label", WARNING)
def metadata_of_no_label(parts):
    parts.schema["metadata"]["other"] = {"sort_ascending": True}


@case("meta-attribute", "submission_meta_attributes[0]", "description is missing")
def attribute_without_description(parts):
    drop(parts.phase["submission_meta_attributes"][0], "description")


@case(
    "meta-attribute", "submission_meta_attributes[0].type", "use boolean, text, radio or checkbox"
)
def attribute_of_unknown_type(parts):
    parts.phase["submission_meta_attributes"][0]["type"] = "number"


@case("meta-options", "submission_meta_attributes[0]", "give options to choose from")
def radio_without_options(parts):
    parts.phase["submission_meta_attributes"][0]["type"] = "radio"


@case("phase-truth", "challenge_phases[0]", "the worker cannot load")
def phase_without_truth(parts):
    drop(parts.phase, "test_annotation_file")
    drop(parts.members, "annotations/val.h5")


@case("phase-split-keys", "challenge_phase_splits[0]", "leaderboard_decimal_precision is missing")
def phase_split_without_decimals(parts):
    drop(parts.split, "leaderboard_decimal_precision")


@case("visibility", "challenge_phase_splits[0].visibility", "use 1 (host only) or 3 (public)")
def unknown_visibility(parts):
    parts.split["visibility"] = 4


@case("visibility-two", "challenge_phase_splits[0].visibility", "2 acts like 1", WARNING)
def visibility_two(parts):
    parts.split["visibility"] = 2


@case("split-reference", "challenge_phase_splits[0].leaderboard_id", "no entry with id 99")
def reference_to_nothing(parts):
    parts.split["leaderboard_id"] = 99


@case("split-shown-twice", "challenge_phase_splits[20]", "then fails every submission")
def split_on_two_boards(parts):
    parts.config["challenge_phase_splits"].append({**parts.split, "leaderboard_id": 3})


@case("phase-without-split", "challenge_phases[0]", "every submission fails")
def phase_shows_nothing(parts):
    splits = parts.config["challenge_phase_splits"]
    parts.config["challenge_phase_splits"] = [s for s in splits if s["challenge_phase_id"] != 1]


@case("unused-split", "dataset_splits[10]", "no phase shows it", WARNING)
def split_nobody_sees(parts):
    extra = {"id": 11, "name": "x", "codename": "x_split"}
    parts.config["dataset_splits"].append(extra)


@case("unused-board", "leaderboard[5]", "no phase shows it", WARNING)
def board_nobody_sees(parts):
    extra = {"id": 6, "schema": {"labels": ["a"], "default_order_by": "a"}}
    parts.config["leaderboard"].append(extra)


@case("order-contradiction", "is_leaderboard_order_descending", "the two must differ")
def board_with_two_orders(parts):
    parts.split["is_leaderboard_order_descending"] = False


@case("suite-phase", "challenge_phases[0].codename", "scores only val and test")
def phase_nobody_scores(parts):
    parts.phase["codename"] = "dev"
    parts.truth("annotations/val.h5", "dev")


@case("suite-split", "challenge_phases[0]", "does not show mc_rtt_20_split")
def split_not_shown(parts):
    splits = parts.config["challenge_phase_splits"]
    parts.config["challenge_phase_splits"] = [
        s for s in splits if (s["challenge_phase_id"], s["dataset_split_id"]) != (1, 4)
    ]


@case("suite-label", "challenge_phase_splits[2].leaderboard_id", "scores mc_rtt_split with")
def label_nobody_scores(parts):
    schema = parts.config["leaderboard"][1]["schema"]
    schema["labels"].append("psth R2")


@case("script-archive", SCRIPT, "cannot be read as a zip")
def script_is_no_zip(parts):
    parts.script, parts.members[SCRIPT] = None, b"words"


@case("script-root", SCRIPT, "all is in evaluation_script/")
def script_in_a_folder(parts):
    parts.script = {f"evaluation_script/{name}": c for name, c in parts.script.items()}
    parts.expected_too = {"script-nested-requirements", "script-modules"}


@case("script-evaluate", "__init__.py", "must expose evaluate")
def script_without_evaluate(parts):
    parts.script["__init__.py"] = b'"""Nothing."""\n'


@case("script-signature", "main.py", "take these three arguments and **kwargs")
def evaluate_without_kwargs(parts):
    parts.script["main.py"] = b"def evaluate(truth, submission, phase):\n    return {}\n"


@case("script-requirements", "requirements.txt:", "the worker cannot load")
def requirement_against_the_pins(parts):
    parts.script["requirements.txt"] += b"\nnumpy>=2\n"


@case("script-nested-requirements", "metrics/requirements.txt", "only the one at the root")
def requirements_in_a_folder(parts):
    parts.script["metrics/requirements.txt"] = b"h5py\n"


@case("script-modules", "metrics/odd.py:1", "absolute imports of siblings fail")
def absolute_import(parts):
    parts.script["metrics/odd.py"] = b"import suite\n"


@case("script-modules", "metrics/odd.py", "not Python 3.9")
def newer_syntax(parts):
    parts.script["metrics/odd.py"] = b"match 1:\n    case 1:\n        pass\n"


@case("script-exit", "metrics/odd.py:2", "sys.exit() kills EvalAI's worker")
def script_that_exits(parts):
    parts.script["metrics/odd.py"] = b"import sys\nsys.exit()\n"


@case("script-fileno", "metrics/odd.py:2", "objects without fileno", WARNING)
def script_that_needs_a_stream(parts):
    parts.script["metrics/odd.py"] = b"import sys\nx = sys.stdout.fileno()\n"


@case("script-data", "test.h5", "data in the evaluation script", WARNING)
def truth_in_the_script(parts):
    parts.script["test.h5"] = b"x"


@case("page-text", "templates/description.html", "is not UTF-8 text")
def page_not_utf8(parts):
    parts.members["templates/description.html"] = b"<p>\xff</p>"


@case("page-empty", "templates/phase_val.html", "is empty")
def empty_page(parts):
    parts.members["templates/phase_val.html"] = b" \n"


@case("page-active", "templates/description.html:2", "<script> is removed", WARNING)
def page_with_a_script(parts):
    parts.members["templates/description.html"] = b"<p>x</p>\n<script>1</script>"


@case("page-link", "templates/description.html:1", "expected a full https:// address", WARNING)
def page_with_a_relative_link(parts):
    parts.members["templates/description.html"] = b'<a href="docs/a.html">x</a>'


@case("truth-format", "annotations/val.h5", "no HDF5 file that can be opened")
def truth_is_no_hdf5(parts):
    parts.members["annotations/val.h5"] = b"words"


@case("truth-format", "annotations/val.h5", "size is missing")
def malformed_pointer(parts):
    parts.config["remote_evaluation"] = True
    parts.members["annotations/val.h5"] = pointer(size=None)
    parts.members["annotations/test.h5"] = pointer(phase="test")


@case("truth-phase", "annotations/val.h5", "holds the truth of phase 'test', expected 'val'")
def truth_of_another_phase(parts):
    parts.truth("annotations/val.h5", "test")


@case("truth-shared", "annotations/val.h5", "is the truth of phases 'val' and 'test'")
def truth_of_two_phases(parts):
    parts.config["challenge_phases"][1]["test_annotation_file"] = "annotations/val.h5"
    parts.truth("annotations/val.h5")
    drop(parts.members, "annotations/test.h5")


@case("pointer-unreachable", "annotations/val.h5", "has no credentials")
def pointer_for_evalais_worker(parts):
    parts.members["annotations/val.h5"] = pointer()


@case("remote-truth", "annotations/test.h5", "run `annotations publish`")
def truth_that_must_not_leave_the_host(parts):
    parts.config["remote_evaluation"] = True
    parts.members["annotations/val.h5"] = pointer()


@case("sample-truth", "annotations/val.h5", "the embedded sample", WARNING)
def sample_truth(parts):
    parts.truth("annotations/val.h5", "val", **sample_origin())


def pointer(**changes):
    fields = {
        "location": "s3://bucket/key",
        "sha256": "0" * 64,
        "size": 9,
        "phase": "val",
        **changes,
    }
    return yaml.dump({key: value for key, value in fields.items() if value}).encode()


def sample_origin():
    from nlb_evalai import sample

    return {sample.ORIGIN: sample._SAMPLE}


@pytest.mark.parametrize(("change", "code", "where", "message", "severity"), CASES)
@pytest.mark.filterwarnings("ignore:Duplicate name")
def test_a_broken_bundle_is_found(parts, tmp_path, change, code, where, message, severity):
    change(parts)
    path = parts.write(tmp_path / "broken.zip")
    if hasattr(parts, "corrupt"):
        flip_a_byte(path, parts.corrupt)
    findings = check_bundle(path)
    assert {finding.code for finding in findings} == {code, *getattr(parts, "expected_too", ())}
    (finding, *_) = [f for f in findings if f.code == code and where in f.location]
    assert message in finding.message
    assert finding.severity == severity


def flip_a_byte(path, member):
    with zipfile.ZipFile(path) as archive:
        info = archive.getinfo(member)
    content = bytearray(path.read_bytes())
    content[info.header_offset + 30 + len(member) + 20] ^= 1
    path.write_bytes(content)


def test_every_rule_is_broken_by_some_bundle():
    broken = {parameter.values[1] for parameter in CASES}
    assert set(codes()) <= broken
    assert len(CASES) >= 30


def test_what_is_no_zip_is_said(tmp_path):
    path = tmp_path / "x.zip"
    path.write_text("words")
    (finding,) = check_bundle(path)
    assert (finding.code, finding.severity) == ("bundle-zip", ERROR)


# ---- updates of a live challenge --------------------------------------------------------------


def relabel(parts):
    parts.schema["labels"][1] = "velocity"


def new_codename(parts):
    parts.config["dataset_splits"][0]["codename"] = "maze_split"


def show_val(parts):
    parts.split["visibility"] = 3


def add_a_phase_split(parts):
    parts.config["dataset_splits"].append({"id": 11, "name": "x", "codename": "x_split"})
    parts.config["challenge_phase_splits"].append({**parts.split, "dataset_split_id": 11})


def drop_a_phase_split(parts):
    del parts.config["challenge_phase_splits"][3]


def drop_a_phase(parts):
    del parts.config["challenge_phases"][0]


@pytest.mark.parametrize(
    ("change", "code", "message"),
    [
        (relabel, "live-labels", "labels were ['co-bps', 'vel R2'"),
        (new_codename, "live-codename", "codename was 'mc_maze_split', found 'maze_split'"),
        (show_val, "live-visibility", "visibility was 1, found 3: it is locked"),
        (add_a_phase_split, "live-phase-split", "can be added to an existing phase"),
        (add_a_phase_split, "live-new", "is new"),
        (drop_a_phase_split, "live-phase-split", "is gone"),
        (drop_a_phase, "live-codename", "'val' is gone"),
    ],
)
def test_an_update_may_not_change_what_is_locked(
    own_bundle, parts, tmp_path, change, code, message
):
    change(parts)
    new = parts.write(tmp_path / "new.zip")
    findings = [finding for finding in check_bundle(new, own_bundle) if finding.code == code]
    assert any(message in finding.message for finding in findings)


def test_an_update_of_pages_truth_and_quotas_is_fine(own_bundle, parts, tmp_path):
    parts.members["templates/description.html"] = b"<p>New.</p>"
    parts.phase["max_submissions_per_day"] = 7
    parts.truth("annotations/val.h5", "val", more="x")
    assert check_bundle(parts.write(tmp_path / "new.zip"), own_bundle) == []


def test_an_unreadable_old_bundle_is_an_error_of_its_own(own_bundle, tmp_path):
    old = tmp_path / "old.zip"
    old.write_text("words")
    (finding,) = check_bundle(own_bundle, old)
    assert finding.code == "bundle-zip"
    assert "old.zip" in finding.location


# ---- robustness, commands, build --------------------------------------------------------------

_odd = st.one_of(
    st.none(), st.booleans(), st.integers(-2, 12), st.text(max_size=5),
    st.lists(st.integers(), max_size=2), st.dictionaries(st.text(max_size=3), st.none()),
)  # fmt: skip


def places(node, path=()):
    if isinstance(node, (dict, list)):
        for key, value in node.items() if isinstance(node, dict) else enumerate(node):
            yield (*path, key)
            yield from places(value, (*path, key))


@settings(max_examples=40, deadline=None, suppress_health_check=list(HealthCheck))
@given(data=st.data())
def test_no_config_however_odd_stops_the_check(own_bundle, tmp_path, data):
    parts = Parts(own_bundle)
    parts.script = {"__init__.py": b"def evaluate(*args, **kwargs):\n    pass\n"}
    for _ in range(data.draw(st.integers(1, 3))):
        *path, last = data.draw(st.sampled_from(list(places(parts.config))))
        node = parts.config
        for key in path:
            node = node[key]
        node[last] = data.draw(_odd)
    for finding in check_bundle(parts.write(tmp_path / "odd.zip")):
        assert finding.location
        assert finding.message


def run(*arguments):
    return CliRunner().invoke(bundle_command, ["check", *map(str, arguments)])


def test_the_command_names_code_place_and_remedy_and_fails_on_errors(parts, tmp_path):
    parts.config["title"] = "x" * 101
    parts.config["worker_memory"] = 1
    result = run(parts.write(tmp_path / "x.zip"))
    assert result.exit_code == 1
    first, *rest = result.output.splitlines()
    assert first == "error [title-length] challenge_config.yaml: title"
    assert "shorten the title" in " ".join(line.strip() for line in rest)
    assert "1 error, 1 warning" in result.output


def test_warnings_alone_do_not_fail(parts, tmp_path):
    parts.config["worker_memory"] = 1
    assert run(parts.write(tmp_path / "x.zip")).exit_code == 0


def test_the_json_is_for_scripts(parts, own_bundle, tmp_path):
    relabel(parts)
    result = run(parts.write(tmp_path / "x.zip"), "--diff", own_bundle, "--json")
    report = json.loads(result.output)
    assert result.exit_code == 1
    assert report["fit"] is False
    assert "live-labels" in {finding["code"] for finding in report["findings"]}


def test_a_bundle_that_breaks_a_rule_is_not_built(tmp_path, own_bundle):
    import shutil

    ignored = shutil.ignore_patterns(".*", "tests", "build", "__pycache__")
    copied = shutil.copytree(checkout_root(), tmp_path / "copy", ignore=ignored)
    config = copied / CONFIG
    text = config.read_text().replace("title: Neural", "title: " + "x" * 100 + " Neural", 1)
    config.write_text(text)
    with pytest.raises(BundleError, match="title-length"):
        build_bundle(tmp_path / "out.zip", own_bundle.parent, root=copied)
    assert not (tmp_path / "out.zip").exists()
    assert list(tmp_path.glob("*.partial")) == []

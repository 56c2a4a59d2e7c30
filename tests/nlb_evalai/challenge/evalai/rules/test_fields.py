"""Every fault of every field of challenge_config.yaml is found by its rule, at its place."""

from __future__ import annotations

import copy
import datetime
from typing import Any, Iterator, NamedTuple, Set, Tuple

import pytest

from nlb_evalai.challenge.evalai.rules.fields import UNBREAKABLE, Field, fields, recorded
from nlb_evalai.challenge.evalai.rules.run import check_bundle
from nlb_evalai.challenge.evalai.rules.shape import answer
from nlb_evalai.challenge.rules.finding import WARNING
from tests.nlb_evalai.challenge.evalai.rules.parts import Parts

#: a value that EvalAI takes for fields that the own bundle leaves out
FILLED = {
    "prizes": [{"rank": 1, "amount": "100.00USD", "description": "first"}],
    "sponsors": [{"name": "A", "website": "https://a.org"}],
    "tags": ["a"],
    "domain": "CV",
}
FILLED_BY_TYPE = {
    "CharField": "words",
    "BooleanField": True,
    "IntegerField": 1,
    "ListField": ["a"],
    "SlugField": "a-b_1",
    "URLField": "https://example.org/forum",
}
FILLED_ALONE = {
    "challenge_usage_type": "paid",
    "submission_artifact_retention_policy": "keep_forever",
    "worker_python_version": "3.9",
    "worker_image_url": "ami-0123456789abcdef0",
    "is_submission_public": False,
    "is_restricted_to_select_one_submission": False,
}
#: what is broken with a field, because other rules read it
CONSEQUENCES = {
    "challenge_phases[].id": {"split-reference", "phase-without-split", "suite-split"},
    "challenge_phase_splits[].challenge_phase_id": {"split-reference", "suite-split"},
    "challenge_phase_splits[].leaderboard_id": {"split-reference", "unused-board"},
    "challenge_phase_splits[].dataset_split_id": {
        *("split-reference", "split-shown-twice", "suite-split", "unused-split"),
    },
    "dataset_splits[].id": {"split-reference", "unused-split", "suite-split"},
    "dataset_splits[].codename": {"suite-split"},
    "dataset_splits": {"split-reference", "suite-split"},
    "dataset_splits[]": {"split-reference", "suite-split"},
    "leaderboard[].id": {"split-reference", "unused-board"},
    "leaderboard[]": {"split-reference"},
    "leaderboard": {"split-reference"},
    "leaderboard[].schema.labels": {"default-order", "metadata-label"},
    "leaderboard[].schema.labels[]": {"default-order", "metadata-label", "suite-label"},
    "leaderboard[].schema.default_order_by": {"default-order"},
    "challenge_phases": {"split-reference", "unused-member"},
    "challenge_phases[]": {"split-reference", "unused-member"},
    "challenge_phases[].codename": {"suite-phase", "truth-phase"},
    "challenge_phases[].max_submissions": {"quotas"},
    "challenge_phases[].max_submissions_per_day": {"quotas"},
    "challenge_phases[].max_submissions_per_month": {"quotas"},
    "challenge_phases[].allowed_submission_file_types": {"submission-types"},
    "challenge_phase_splits": {"phase-without-split", "unused-split", "unused-board"},
    "challenge_phase_splits[]": {"suite-split", "unused-split", "unused-board"},
    **{
        path: {"file-missing", "unused-member"}
        for path in (
            "description",
            "evaluation_details",
            "terms_and_conditions",
            "submission_guidelines",
            "image",
            "evaluation_script",
            "challenge_phases[].description",
            "challenge_phases[].test_annotation_file",
        )
    },
}


class Fault(NamedTuple):
    """A value (or none) that breaks a field, and which of its faults that is."""

    kind: str
    value: Any = None


_LIST, _MAPPING = ["a"], {"a": 1}
_WRONG_TYPES = {
    "CharField": (_LIST, True),
    "Text": (7, True, _LIST),
    "FileField": (7, _LIST),
    "ImageField": (7, _LIST),
    "SlugField": (_LIST, True),
    "URLField": (_LIST, True),
    "BooleanField": ("yes", "true", 1),
    "IntegerField": ("5", 5.0, True),
    "DateTimeField": (7, datetime.date(2030, 1, 1)),
    "ListField": ("a", _MAPPING),
    "List": ("a", _MAPPING),
    "Mapping": ("a", _LIST),
}


def faults_of(field: Field) -> Iterator[Fault]:
    """Everything that can be wrong with a field."""
    if field.required:
        yield Fault("missing")
    if not field.null:
        yield Fault("choice" if field.type == "ChoiceField" else "type", None)
    for value in _WRONG_TYPES.get(field.type, ()):
        yield Fault("type", value)
    if field.type in ("CharField", "Text", "FileField", "ImageField", "SlugField", "URLField"):
        if not field.blank:
            yield Fault("blank", "  ")
        if field.max_length:
            yield Fault("length", "x" * (field.max_length + 1))
    if field.type == "ListField" and field.max_length:
        yield Fault("length", ["a"] * (field.max_length + 1))
    if field.type == "List":
        yield Fault("blank", [])
    if field.type == "IntegerField":
        yield Fault("range", field.min_value - 1)
        yield Fault("range", field.max_value + 1)
    if field.type == "ChoiceField":
        yield Fault("choice", "other")
        yield Fault("choice", [1])
    if field.pattern or field.type in ("SlugField", "URLField", "DateTimeField"):
        yield Fault("format", "a b")
    if field.json:
        yield Fault("json", _with_a_date)


def _with_a_date(value: Any) -> Any:
    """The same, and a date in it, which YAML has and JSON has not."""
    entry = value if isinstance(value, dict) else value[0]
    entry["since"] = datetime.datetime(2030, 1, 1)
    return value


def filled(parts: Parts) -> Parts:
    """The config with every field there, each with a value that EvalAI takes."""
    for path, value in FILLED.items():
        parts.config.setdefault(path, copy.deepcopy(value))
    for field in fields():
        for holder, key in holders(parts.config, field.path):
            value = FILLED_ALONE.get(field.key, FILLED_BY_TYPE.get(field.type))
            if value is not None and isinstance(holder, dict):
                holder.setdefault(key, copy.deepcopy(value))
    return parts


def holders(config: dict, path: str) -> Iterator[Tuple[Any, Any]]:
    """(holder, key) of every place of a path, as ``fields`` writes it."""
    found = [(None, None, config)]
    for part in path.replace("[]", ".[]").replace("{}", ".{}").split("."):
        inside = []
        for _, _, value in found:
            if part == "[]":
                inside += [(value, i, one) for i, one in enumerate(value or ())]
            elif part == "{}":
                inside += [(value, key, one) for key, one in (value or {}).items()]
            elif isinstance(value, dict):
                inside.append((value, part, value.get(part)))
        found = inside
    return iter([(holder, key) for holder, key, _ in found])


@pytest.fixture(scope="module")
def whole(own_bundle) -> Parts:
    """The bundle that each fault is put into: every field is there, and little to read else."""
    parts = filled(Parts(own_bundle).light())
    parts.script = {"__init__.py": parts.script["__init__.py"]}
    # Two entries of each list are enough to break one of them, and much quicker to read.
    boards, splits = (parts.config[name][:2] for name in ("leaderboard", "dataset_splits"))
    parts.config.update(leaderboard=boards, dataset_splits=splits)
    held = ({one["id"] for one in boards}, {one["id"] for one in splits})
    parts.config["challenge_phase_splits"] = [
        one
        for one in parts.config["challenge_phase_splits"]
        if one["leaderboard_id"] in held[0] and one["dataset_split_id"] in held[1]
    ]
    pages = {name: b"<p>a</p>" for name in parts.members if name.endswith(".html")}
    parts.members.update(pages)
    return parts


@pytest.fixture(scope="module")
def usual(whole, tmp_path_factory) -> Set[str]:
    """The codes of the bundle without a fault."""
    findings = check_bundle(whole.write(tmp_path_factory.mktemp("usual") / "whole.zip"))
    assert [one for one in findings if one.severity != WARNING] == []
    return {finding.code for finding in findings}


@pytest.mark.parametrize("field", fields(), ids=lambda field: field.path)
def test_every_fault_of_a_field_is_found_by_its_rule(whole, usual, tmp_path, field):
    held = list(faults_of(field))
    assert held
    for fault in held:
        parts = copy.copy(whole)
        parts.config = copy.deepcopy(whole.config)
        holder, key = next(holders(parts.config, field.path))
        if fault.kind == "missing":
            del holder[key]
        else:
            holder[key] = fault.value(holder[key]) if callable(fault.value) else fault.value
        findings = check_bundle(parts.write(tmp_path / "broken.zip"))
        code, _ = answer(field, fault.kind, "")
        found = {finding.code for finding in findings}
        assert code in found, fault
        assert found - usual - CONSEQUENCES.get(field.path, set()) == {code}, fault
        # the place is named, or the place that lacks it
        (finding, *_) = [one for one in findings if one.code == code]
        assert field.key.rstrip("[]{}") in f"{finding.location} {finding.message}"


def test_every_field_of_evalais_serializers_is_checked_or_has_a_reason():
    checked = {field.path for field in fields()}
    assert checked.isdisjoint(UNBREAKABLE)
    assert set(recorded()) <= checked | set(UNBREAKABLE)
    assert set(UNBREAKABLE) <= set(recorded())

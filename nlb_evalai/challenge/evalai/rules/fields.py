"""Every field of challenge_config.yaml that EvalAI reads, and what it takes there.

``evalai.json`` is what EvalAI's serializers say of their fields, as they are. This module adds
where the fields stand in the file, what EvalAI's validator reads besides, and where this project
asks for more: codes and advice of their own, text where EvalAI also takes a number, and the like.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field, replace
from functools import lru_cache
from pathlib import Path
from typing import Any, Dict, List, Mapping, Tuple

#: EvalAI's serializers and messages, recorded
RECORD = Path(__file__).with_name("evalai.json")
#: a 32-bit column, which an id is stored in; an id of 0 is stored as none, and no update finds it
_MOST_ID = 2147483647
#: the server's own folder is part of the name that may have 100 characters
_LONGEST_PATH = 72

#: serializer -> where its fields stand: ``[]`` is each entry of a list, ``{}`` each of a mapping
PLACES = {
    "challenge": "",
    "challenge phase": "challenge_phases[].",
    "leaderboard": "leaderboard[].",
    "dataset split": "dataset_splits[].",
    "challenge phase split": "challenge_phase_splits[].",
    "prize": "prizes[].",
    "sponsor": "sponsors[].",
}

#: fault -> (code, advice); "" stands for every fault
Own = Mapping[str, Tuple[str, str]]


@dataclass(frozen=True)
class Field:
    """A field of the config.

    ``path`` says where, ``type`` what: a class of Django REST framework, or one of ``Text``,
    ``List`` and ``Mapping``; ``json``, that EvalAI stores it as JSON. ``own`` names codes and
    advice in place of the general ones.
    """

    path: str
    type: str
    required: bool = False
    null: bool = False
    blank: bool = False
    max_length: int = 0
    min_value: int = 0
    max_value: int = 0
    choices: Tuple[Any, ...] = ()
    pattern: str = ""
    json: bool = False
    #: it is required too where a key beside it has one of these values
    required_where: Tuple[str, Tuple[Any, ...]] = ("", ())
    own: Own = field(default_factory=dict)

    @property
    def parent(self) -> str:
        """The path of what holds it; empty for the file itself."""
        return self.path.rpartition(".")[0]

    @property
    def key(self) -> str:
        """Its name there."""
        return self.path.rpartition(".")[2]


def _id(path: str, **more: Any) -> Field:
    return Field(path, "IntegerField", True, min_value=1, max_value=_MOST_ID, **more)


def _all(code: str, advice: str) -> Own:
    return {"": (code, advice)}


_PAGE: Dict[str, Any] = {
    "type": "Text",
    "required": True,
    "null": False,
    "blank": False,
    "pattern": r".+\.html",
    "own": {"format": ("page-type", "name an .html file inside the bundle")},
}
_DATE: Dict[str, Any] = {
    "required": True,
    "null": False,
    "own": {
        "type": ("date-format", "give date and time, as 2099-12-31 23:59:59"),
        "format": ("date-format", "give date and time, as 2099-12-31 23:59:59"),
    },
}
_QUOTA: Dict[str, Any] = {"min_value": 1}
_NAME: Dict[str, Any] = {"type": "Text", "required": True}
_SPLIT_KEY = ("phase-split-keys", "give all six keys for every phase split")
_META = _all("meta-attribute", "give name, description and type")
_TAGS = _all("tags", "keep at most 4 tags, each a string")
_TRUTH = (
    "phase-truth",
    "name the phase's ground truth: without it the worker cannot load the challenge",
)
_SORT = "always give sort_ascending: with a description alone the order flips"
_DECIMALS = {"required": True, "own": {"missing": _SPLIT_KEY}}

#: where this project asks for more than EvalAI's serializers do
_STRICTER: Dict[str, Dict[str, Any]] = {
    "title": {
        "type": "Text",
        "own": {"length": ("title-length", "shorten the title to at most 100 characters")},
    },
    "description": _PAGE,
    "evaluation_details": _PAGE,
    "terms_and_conditions": _PAGE,
    "submission_guidelines": _PAGE,
    "start_date": _DATE,
    "end_date": _DATE,
    "image": {
        "required": True,
        "null": False,
        "pattern": r".+\.(jpg|jpeg|png)",
        "own": {"format": ("image-type", "give a .jpg, .jpeg or .png file, in small letters")},
    },
    "evaluation_script": {
        "required": True,
        "max_length": _LONGEST_PATH,
        "pattern": r".+\.zip",
        "own": {"format": ("script-zip", "name a .zip inside the bundle")},
    },
    "worker_python_version": {
        "own": {
            "choice": (
                "worker-python",
                'write "3.9", in quotes: EvalAI\'s worker offers 3.7, 3.8 and 3.9, nothing newer',
            )
        },
    },
    "worker_image_url": {
        "pattern": r"(?i:ami-[0-9a-f]+)|\d{12}\.dkr\.ecr\.[a-z0-9-]+\.amazonaws\.com/evalai-.*",
        "own": {"format": ("worker-image", "leave it out: EvalAI takes images of its own alone")},
    },
    "challenge_phases[].name": _NAME,
    "challenge_phases[].codename": _NAME,
    "challenge_phases[].description": _PAGE,
    "challenge_phases[].start_date": _DATE,
    "challenge_phases[].end_date": _DATE,
    "challenge_phases[].max_submissions_per_day": _QUOTA,
    "challenge_phases[].max_submissions_per_month": _QUOTA,
    "challenge_phases[].max_submissions": _QUOTA,
    "challenge_phases[].submission_meta_attributes": {"type": "ListField"},
    "challenge_phases[].default_submission_meta_attributes": {"type": "ListField"},
    "dataset_splits[].name": _NAME,
    "dataset_splits[].codename": _NAME,
    "leaderboard[].schema": {"type": "Mapping"},
    "challenge_phase_splits[].visibility": {
        "required": True,
        "own": {
            "missing": _SPLIT_KEY,
            "choice": ("visibility", "use 1 (host only) or 3 (public)"),
        },
    },
    "challenge_phase_splits[].leaderboard_decimal_precision": _DECIMALS,
    "challenge_phase_splits[].is_leaderboard_order_descending": _DECIMALS,
    "prizes[].amount": {
        "type": "Text",
        "pattern": r"\d+(\.\d{1,2})?[A-Z]{3}",
        "own": {"format": ("prize-amount", "write an amount and a currency, as 100.00USD")},
    },
    "prizes[].rank": {"min_value": 1},
    # EvalAI's creation reads them of every prize and sponsor, though its serializer needs neither
    "prizes[].description": {"required": True},
    "sponsors[].name": {"required": True},
    "sponsors[].website": {"required": True},
}

#: what EvalAI's validator reads besides its serializers, and the file's own layout
_BESIDES = (
    Field("leaderboard", "List", True),
    Field("leaderboard[]", "Mapping"),
    _id("leaderboard[].id"),
    Field("leaderboard[].schema.labels", "List", True),
    Field("leaderboard[].schema.labels[]", "Text"),
    Field("leaderboard[].schema.default_order_by", "Text", True),
    Field("leaderboard[].schema.metadata", "Mapping", null=True),
    Field("leaderboard[].schema.metadata{}", "Mapping", own=_all("sort-ascending", _SORT)),
    Field(
        "leaderboard[].schema.metadata{}.sort_ascending",
        "BooleanField",
        True,
        own={
            "missing": ("sort-ascending", _SORT),
            "type": ("sort-ascending", "write true or false, without quotes"),
        },
    ),
    Field("leaderboard[].schema.metadata{}.description", "CharField", null=True, blank=True),
    Field("challenge_phases", "List", True),
    Field("challenge_phases[]", "Mapping"),
    _id("challenge_phases[].id"),
    Field(
        "challenge_phases[].test_annotation_file",
        "Text",
        True,
        max_length=_LONGEST_PATH,
        own=dict.fromkeys(("missing", "type", "blank"), _TRUTH),
    ),
    Field("challenge_phases[].submission_meta_attributes[]", "Mapping", own=_META),
    Field("challenge_phases[].submission_meta_attributes[].name", "Text", True, own=_META),
    Field("challenge_phases[].submission_meta_attributes[].description", "Text", True, own=_META),
    Field(
        "challenge_phases[].submission_meta_attributes[].type",
        "ChoiceField",
        True,
        choices=("boolean", "text", "radio", "checkbox"),
        own={
            "missing": _META[""],
            "choice": ("meta-attribute", "use boolean, text, radio or checkbox"),
        },
    ),
    Field(
        "challenge_phases[].submission_meta_attributes[].options",
        "List",
        required_where=("type", ("radio", "checkbox")),
        own=_all("meta-options", "give options to choose from"),
    ),
    Field("challenge_phases[].submission_meta_attributes[].required", "BooleanField"),
    Field("challenge_phases[].default_submission_meta_attributes[]", "Mapping"),
    Field(
        "challenge_phases[].default_submission_meta_attributes[].name",
        "ChoiceField",
        True,
        choices=("method_name", "method_description", "project_url", "publication_url"),
    ),
    Field(
        "challenge_phases[].default_submission_meta_attributes[].is_visible", "BooleanField", True
    ),
    Field("challenge_phases[].allowed_email_ids[]", "CharField", null=True, blank=True),
    Field("dataset_splits", "List", True),
    Field("dataset_splits[]", "Mapping"),
    _id("dataset_splits[].id"),
    Field("challenge_phase_splits", "List", True),
    Field("challenge_phase_splits[]", "Mapping"),
    _id("challenge_phase_splits[].challenge_phase_id", own={"missing": _SPLIT_KEY}),
    _id("challenge_phase_splits[].leaderboard_id", own={"missing": _SPLIT_KEY}),
    _id("challenge_phase_splits[].dataset_split_id", own={"missing": _SPLIT_KEY}),
    Field("tags", "ListField", max_length=4, own=_TAGS),
    Field("tags[]", "Text", own=_TAGS),
    Field(
        "domain",
        "ChoiceField",
        choices=("CV", "NLP", "RL", "MM", "AUD", "TAB"),
        own=_all("domain", "leave domain out, or use CV, NLP, RL, MM, AUD or TAB"),
    ),
    Field("allowed_email_domains[]", "CharField", blank=True, max_length=50),
    Field("blocked_email_domains[]", "CharField", blank=True, max_length=50),
    Field("banned_email_ids[]", "CharField", null=True, blank=True),
    Field("prizes", "ListField"),
    Field("prizes[]", "Mapping"),
    Field("sponsors", "ListField"),
    Field("sponsors[]", "Mapping"),
)

_BY_ID = "EvalAI overwrites it with the entry's id"
_BY_CREATION = "EvalAI sets it to the challenge that is being made"
#: fields of the serializers that nothing in a bundle can break, and why
UNBREAKABLE = {
    "creator": "EvalAI sets it to the host team that pushes",
    "github_repository": "EvalAI sets it to what the push says",
    "challenge_phases[].challenge": _BY_CREATION,
    "challenge_phases[].test_annotation": "EvalAI sets it from `test_annotation_file`, below",
    "challenge_phases[].config_id": _BY_ID,
    "leaderboard[].config_id": _BY_ID,
    "dataset_splits[].config_id": _BY_ID,
    "challenge_phase_splits[].challenge_phase": "EvalAI sets it from `challenge_phase_id`, below",
    "challenge_phase_splits[].dataset_split": "EvalAI sets it from `dataset_split_id`, below",
    "challenge_phase_splits[].leaderboard": "EvalAI sets it from `leaderboard_id`, below",
    "prizes[].challenge": _BY_CREATION,
    "sponsors[].challenge": _BY_CREATION,
}


@lru_cache(maxsize=1)
def recorded() -> Dict[str, Dict[str, Any]]:
    """Path -> what EvalAI's serializer says of the field there."""
    serializers = json.loads(RECORD.read_text(encoding="utf-8"))["serializers"]
    return {
        PLACES[name] + key: limits
        for name, keys in serializers.items()
        for key, limits in keys.items()
    }


@lru_cache(maxsize=1)
def fields() -> Tuple[Field, ...]:
    """Every field that a bundle can break, those of EvalAI's serializers first."""
    found: List[Field] = []
    for path, limits in recorded().items():
        if path not in UNBREAKABLE:
            said = {**limits, "choices": tuple(limits.get("choices", ()))}
            is_json = limits["type"] == "JSONField"
            found.append(replace(Field(path, json=is_json, **said), **_STRICTER.get(path, {})))
    return (*found, *_BESIDES)

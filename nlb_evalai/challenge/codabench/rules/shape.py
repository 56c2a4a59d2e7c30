"""Rules about the shape of competition.yaml, made from a table of its fields."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any, Iterator, List, Optional, Tuple

from evaluation_script.text import did_you_mean, printable
from nlb_evalai.challenge.codabench.compose import CONFIG_NAME
from nlb_evalai.challenge.codabench.rules.contents import Bundle
from nlb_evalai.challenge.codabench.rules.registry import Fault, check
from nlb_evalai.challenge.rules.finding import WARNING
from nlb_evalai.challenge.rules.places import Place, places

_WHOLE = "a whole number, without quotes"
RULES_OF_SUBMISSION = (
    *("Add", "Add_And_Delete", "Add_And_Delete_Multiple"),
    *("Force_Last", "Force_Latest_Multiple", "Force_Best"),
)


@dataclass(frozen=True)
class Field:
    """A field: what it is in words, and what Codabench takes there."""

    path: str
    kind: type
    required: bool = False
    most: int = 0
    least: int = 0
    choices: Tuple[Any, ...] = ()

    @property
    def key(self) -> str:
        """Its name where it stands."""
        return self.path.rpartition(".")[2]


#: what Codabench needs, or this project writes
FIELDS = (
    Field("version", object, True, choices=(2, "2")),
    Field("title", str, True, most=256),
    Field("image", str, True),
    Field("terms", str, True),
    Field("docker_image", str, most=128),
    Field("pages", list, True),
    Field("pages[].title", str, True, most=255),
    Field("pages[].file", str, True),
    Field("tasks", list, True),
    Field("tasks[].index", int, True),
    Field("tasks[].name", str, True, most=256),
    Field("tasks[].scoring_program", str, True),
    Field("phases", list, True),
    Field("phases[].name", str, True, most=256),
    Field("phases[].start", object, True),
    Field("phases[].tasks", list, True),
    Field("phases[].execution_time_limit", int, least=1),
    Field("phases[].max_submissions_per_day", int, least=1),
    Field("phases[].max_submissions", int, least=1),
    Field("leaderboards", list, True),
    Field("leaderboards[].title", str, True, most=64),
    Field("leaderboards[].key", str, True, most=36),
    Field("leaderboards[].primary_index", int),
    Field("leaderboards[].submission_rule", str, choices=RULES_OF_SUBMISSION),
    Field("leaderboards[].columns", list, True),
    Field("leaderboards[].columns[].title", str, True, most=36),
    Field("leaderboards[].columns[].key", str, True, most=36),
    Field("leaderboards[].columns[].index", int, True),
    Field("leaderboards[].columns[].sorting", str, choices=("desc", "asc")),
    Field("leaderboards[].columns[].precision", int),
    Field("leaderboards[].columns[].hidden", bool),
)
#: what Codabench reads besides
_ALSO = {
    "": (
        *("description", "queue", "registration_auto_approve", "enable_detailed_results"),
        *("show_detailed_results_in_submission_panel", "show_detailed_results_in_leaderboard"),
        *("auto_run_submissions", "can_participants_make_submissions_public"),
        *("make_programs_available", "make_input_data_available", "competition_type"),
        *("fact_sheet", "reward", "contact_email", "forum_enabled", "solutions"),
    ),
    "tasks[].": (
        *("key", "description", "ingestion_only_during_scoring", "ingestion_program"),
        *("input_data", "reference_data"),
    ),
    "phases[].": (
        *("index", "description", "end", "auto_migrate_to_this_phase", "hide_output"),
        *("hide_prediction_output", "hide_score_output", "public_data", "starting_kit"),
    ),
    "leaderboards[].": ("hidden",),
    "leaderboards[].columns[].": ("computation", "computation_indexes"),
    "pages[].": (),
}
_TYPES = {
    str: "text",
    int: _WHOLE,
    list: "a list that is not empty",
    bool: "true or false, without quotes",
}


def _faults(bundle: Bundle) -> List[Tuple[str, str, str]]:
    """(code, where, message) of everything that is not as the table says."""
    found = []
    for field in FIELDS:
        for place in places(bundle.config, field.path):
            fault = _fault(field, place)
            if fault is not None:
                code, where, message = fault
                found.append((code, f"{CONFIG_NAME}: {where}" if where else CONFIG_NAME, message))
    return found


def _fault(field: Field, place: Place) -> Optional[Tuple[str, str, str]]:
    value = place.value
    if not place.there:
        where = place.holder.where if place.holder else ""
        return ("config-shape", where, f"{field.key} is missing") if field.required else None
    if field.choices:
        if value in field.choices and type(value) is not bool:
            return None
        code = "config-version" if field.key == "version" else "choice"
        wanted = ", ".join(map(repr, field.choices))
        return code, place.where, f"{_found(value)}, expected one of {wanted}"
    right = isinstance(value, field.kind) and (field.kind is not int or type(value) is int)
    if not right or (field.required and value in ("", [])):
        expected = _TYPES.get(field.kind, "a value")
        return "config-shape", place.where, f"{_found(value)}, expected {expected}"
    if field.most and len(value) > field.most:
        length = f"has {len(value)} characters, expected at most {field.most}: shorten it"
        return "text-length", place.where, f"{_found(value)}; {length}"
    if field.least and value < field.least:
        return "number-range", place.where, f"{_found(value)}, expected {field.least} or more"
    return None


def _found(value: Any) -> str:
    return f"found {printable(value, most=60)}"


for _code, _sentence in {
    "config-version": "The config says version 2; without, it is read as an older format.",
    "config-shape": "The config has every key that is needed, each of its type.",
    "text-length": "Texts are no longer than Codabench stores.",
    "number-range": "Limits are positive numbers.",
    "choice": "Where Codabench offers a choice, one of its words is taken.",
}.items():

    def _register(code: str, sentence: str) -> None:
        @check(code, sentence=sentence)
        def shape(bundle: Bundle) -> Iterator[Fault]:
            for found, where, message in bundle.once(_faults):
                if found == code:
                    yield where, message

    _register(_code, _sentence)


@check("unknown-key", WARNING, "Codabench reads every key; what it does not know it passes over.")
def keys_are_known(bundle: Bundle) -> Iterator[Fault]:
    for above, also in _ALSO.items():
        known = [*also, *(one.key for one in FIELDS if one.path == above + one.key)]
        for place in places(bundle.config, above.rstrip(".")):
            for key in place.value if isinstance(place.value, dict) else ():
                if key not in known:
                    where = f"{place.where}.{key}".lstrip(".")
                    hint = did_you_mean(key, known)
                    yield f"{CONFIG_NAME}: {where}", f"Codabench passes it over: remove it{hint}"


@check("image-type", sentence="The logo is a .png, .jpg or .jpeg file.")
def the_logo_has_a_type_that_is_taken(bundle: Bundle) -> Iterator[Fault]:
    name = bundle.config.get("image")
    if isinstance(name, str) and not re.search(r"\.(png|jpe?g)$", name, re.IGNORECASE):
        yield f"{CONFIG_NAME}: image", f"found {name!r}, expected a .png, .jpg or .jpeg file"


@check("docker-image", sentence="The image is one that can score; the default one has no h5py.")
def the_image_is_named(bundle: Bundle) -> Iterator[Fault]:
    image = bundle.config.get("docker_image")
    if image is None or str(image).startswith("codalab/codalab-legacy"):
        yield (
            f"{CONFIG_NAME}: docker_image",
            f"found {image or 'none, which means codalab/codalab-legacy:py37'}: it has no h5py, "
            "and every submission would fail; name one made with docker/Dockerfile",
        )


@check("docker-image-tag", WARNING, "The image is named with a tag or digest of its own.")
def the_image_stays_the_same(bundle: Bundle) -> Iterator[Fault]:
    image = bundle.config.get("docker_image")
    if isinstance(image, str) and image:
        last = image.rpartition("/")[2]
        if ":" not in last or last.endswith(":latest"):
            yield (
                f"{CONFIG_NAME}: docker_image",
                f"found {image!r}: name a tag or digest, so that scores do not change under it",
            )

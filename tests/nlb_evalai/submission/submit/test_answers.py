"""What is said of a submission comes in the shape that EvalAI's export needs."""

from __future__ import annotations

from typing import Any, Dict, List

import pytest

from nlb_evalai.errors import ProblemsError
from nlb_evalai.submission.submit.answers import Answers
from tests.nlb_evalai.submission.submit.evalai import PHASES

ASKED: List[Dict[str, Any]] = [
    *PHASES["results"][1]["submission_meta_attributes"],
    {"name": "Trained on", "type": "radio", "options": ["train", "train and val"]},
    {"name": "Uses", "type": "checkbox", "options": ["LFADS", "GPFA", "else"]},
    {"name": "a=b", "type": "text", "required": True, "description": "an odd name"},
]


def attributes(*texts: str, code_released: bool = False) -> Dict[str, Any]:
    answers = Answers(attributes=texts, code_released=code_released)
    found = answers.content(ASKED)["submission_metadata"]
    assert [
        {k: v for k, v in one.items() if k not in ("value", "values")} for one in found
    ] == ASKED
    return {one["name"]: one["values" if one["type"] == "checkbox" else "value"] for one in found}


def test_every_attribute_is_there_as_it_was_asked_for_with_its_answer() -> None:
    assert attributes("a=b=c=d", code_released=True) == {
        "Code will be released": "True",
        "External data used": None,
        "Interpretability statement": None,
        "Trained on": None,
        "Uses": [],
        "a=b": "c=d",
    }
    found = attributes(
        "A=B=",
        "code WILL be released=No",
        "Trained on=train and val",
        "Uses=GPFA",
        "Uses=else",
        "Interpretability statement=a\nb",
    )
    assert found == {
        "Code will be released": "False",
        "External data used": None,
        "Interpretability statement": "a\nb",
        "Trained on": "train and val",
        "Uses": ["GPFA", "else"],
        "a=b": "",
    }


def test_all_that_does_not_fit_is_named_at_once() -> None:
    answers = Answers(
        method="m" * 1001,
        code_released=True,
        attributes=(
            "Code will be released=true",
            "External data used=maybe",
            "Trained on=trian",
            "Uses=gpfa",
            "nothing",
            "Extrenal data used=yes",
            "\x1b[2J=x",
        ),
    )
    with pytest.raises(ProblemsError) as refused:
        answers.content(ASKED)
    text = str(refused.value)
    for words in (
        "--method: found 1001 characters, expected at most 1000",
        "--attribute Code will be released: found 2 values, expected one",
        "--attribute External data used: found 'maybe', expected true or false",
        "found 'trian', expected train or train and val; did you mean train?",
        "found 'gpfa', expected LFADS or GPFA or else; did you mean GPFA?",
        "--attribute: found 'nothing', expected NAME=VALUE",
        "'Extrenal data used' is not asked for in this phase",
        "did you mean External data used?",
        "--attribute a=b: is missing, and required: an odd name",
    ):
        assert words in text
    assert len(refused.value.problems) == 9
    assert "\x1b" not in text


def test_a_phase_that_asks_for_nothing_is_told_nothing() -> None:
    assert Answers().content([]) == {}
    with pytest.raises(ProblemsError, match="which asks for no attribute"):
        Answers(code_released=True).content([])

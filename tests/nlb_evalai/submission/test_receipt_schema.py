"""Every receipt keeps to the published schema."""

from __future__ import annotations

import json
from importlib import resources

import jsonschema
import pytest

from evaluation_script.scoring import score
from tests.paths import GOLDEN


@pytest.mark.parametrize("phase", ["val", "test"])
def test_receipt_keeps_to_its_schema_and_a_change_is_noticed(phase: str) -> None:
    text = resources.files("nlb_evalai.submission").joinpath("receipt-1.json").read_text()
    validator = jsonschema.Draft202012Validator(json.loads(text))
    card = score(GOLDEN / f"target_{phase}.h5", GOLDEN / f"submission_{phase}_b.h5", phase)
    receipt = json.loads(json.dumps(card.receipt, allow_nan=False))
    validator.validate(receipt)
    receipt["extra"] = 1
    assert not validator.is_valid(receipt)

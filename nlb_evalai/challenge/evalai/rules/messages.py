"""Every message of EvalAI's validator, and the rules that find its cause before the upload."""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import lru_cache
from typing import Dict, Tuple

from nlb_evalai.challenge.evalai.rules.fields import RECORD


@dataclass(frozen=True)
class Answer:
    """The codes of the rules that find what a message is about; or why no bundle can cause it."""

    rules: Tuple[str, ...] = ()
    reason: str = ""


def _by(*rules: str) -> Answer:
    return Answer(rules)


_UNSENT = Answer(reason="Nothing in EvalAI's code sends it.")

MESSAGES: Dict[str, Answer] = {
    "no_yaml_file": _by("config-at-root"),
    "multiple_yaml_files": _by("config-once"),
    "yaml_file_read_error": _by("config-yaml"),
    "missing_challenge_title": _by("config-shape"),
    "missing_challenge_description": _by("config-shape"),
    "missing_evaluation_details": _by("config-shape"),
    "missing_terms_and_conditions": _by("config-shape"),
    "missing_submission_guidelines": _by("config-shape"),
    "missing_evaluation_script": _by("file-missing"),
    "missing_evaluation_script_key": _by("config-shape"),
    "missing_leaderboard_id": _by("config-shape"),
    "missing_leaderboard_schema": _by("config-shape"),
    "missing_leaderboard_default_order_by": _by("config-shape"),
    "missing_leaderboard_key": _by("config-shape"),
    "incorrect_default_order_by": _by("default-order"),
    "leaderboard_schema_error": _by("config-json", "number-range"),
    "leaderboard_additon_after_creation": _UNSENT,
    "leaderboard_deletion_after_creation": _by("live-labels"),
    "missing_leaderboard_labels": _by("config-shape"),
    "missing_challenge_phases": _by("config-shape"),
    "missing_challenge_phase_codename": _UNSENT,
    "missing_test_annotation_file": _UNSENT,
    "missing_submission_meta_attribute_keys": _UNSENT,
    "invalid_submission_meta_attribute_types": _by("meta-attribute"),
    "missing_challenge_phase_id": _UNSENT,
    "missing_challenge_phase_id_config": _UNSENT,
    "missing_leaderboard_id_config": _UNSENT,
    "missing_existing_leaderboard_id": _UNSENT,
    "missing_existing_challenge_phase_id": _UNSENT,
    "missing_dataset_splits_key": _by("config-shape"),
    "missing_dataset_split_name": _by("config-shape"),
    "missing_dataset_split_codename": _by("config-shape"),
    "duplicate_dataset_split_codename": _by("duplicate-codename"),
    "dataset_split_schema_errors": _by("text-length"),
    "dataset_split_addition": _UNSENT,
    "missing_existing_dataset_split_id": _by("live-codename"),
    "challenge_phase_split_not_exist": _UNSENT,
    "challenge_phase_split_addition_for_existing_phase": _by("live-phase-split"),
    "challenge_phase_split_leaderboard_not_allowed": _by("split-reference"),
    "challenge_phase_split_dataset_split_not_allowed": _by("split-reference"),
    "challenge_phase_split_schema_errors": _by("visibility"),
    "missing_keys_in_challenge_phase_splits": _by("phase-split-keys"),
    "challenge_phase_split_not_found": _by("live-phase-split"),
    "no_key_for_challenge_phase_splits": _by("config-shape"),
    "no_codename_for_challenge_phase": _by("config-shape"),
    "duplicate_codename_for_phase": _by("duplicate-codename"),
    "no_test_annotation_file_found": _by("file-missing"),
    "submission_meta_attribute_option_missing": _UNSENT,
    "missing_submission_meta_attribute_fields": _UNSENT,
    "challenge_phase_schema_errors": _by("quota-missing", "text-length"),
    "challenge_phase_addition": _UNSENT,
    "challenge_phase_not_found": _by("live-codename"),
    "is_submission_public_restricted": _by("public-restricted"),
    "missing_option_in_submission_meta_attribute": _by("meta-options"),
    "missing_fields_in_submission_meta_attribute": _by("meta-attribute"),
    "missing_date": _by("config-shape"),
    "start_date_greater_than_end_date": _by("date-order"),
    "missing_dates_challenge_phase": _by("config-shape"),
    "start_date_greater_than_end_date_challenge_phase": _by("date-order"),
    "extra_tags": _by("tags"),
    "wrong_domain": _by("domain"),
    "duplicate_combinations_in_challenge_phase_splits": _by("split-shown-twice"),
    "sponsor_not_found": _by("config-shape"),
    "prize_not_found": _by("config-shape"),
    "duplicate_rank": _by("prize-rank"),
    "prize_amount_wrong": _by("prize-amount"),
    "prize_rank_wrong": _by("number-range"),
    "challenge_metadata_schema_errors": _by("title-length"),
    "evaluation_script_not_zip": _by("script-zip"),
    "locked_leaderboard_modified": _by("live-labels", "live-board"),
    "locked_dataset_split_modified": _by("live-codename", "live-name"),
    "locked_challenge_phase_split_modified": _by("live-visibility", "live-order"),
}


@lru_cache(maxsize=1)
def recorded_messages() -> Tuple[str, ...]:
    """The messages that EvalAI has, by the record of them."""
    return tuple(json.loads(RECORD.read_text(encoding="utf-8"))["messages"])

"""Toy bundles: a complete challenge in a few lines, to be broken one thing at a time."""

from __future__ import annotations

import io
import json
import zipfile
from pathlib import Path
from typing import Any, Dict, Optional

import yaml

#: An evaluation script that returns what the submission says, by phase.
ECHO = """
import json

def evaluate(test_annotation_file, user_submission_file, phase_codename, **kwargs):
    with open(user_submission_file) as stream:
        return json.load(stream)
"""


def config() -> Dict[str, Any]:
    """Two phases, two splits of one board, and a third split on a board of its own."""
    phase_splits = [
        {
            "challenge_phase_id": phase,
            "leaderboard_id": board,
            "dataset_split_id": split,
            "visibility": 1 if phase == 1 else 3,
            "leaderboard_decimal_precision": 2,
            "is_leaderboard_order_descending": True,
        }
        for phase, split, board in ((1, 1, 1), (1, 2, 1), (2, 1, 1), (2, 3, 2))
    ]
    return {
        "title": "Toy",
        "description": "page.html",
        "evaluation_details": "page.html",
        "terms_and_conditions": "page.html",
        "submission_guidelines": "page.html",
        "image": "logo.png",
        "evaluation_script": "evaluation_script.zip",
        "leaderboard": [
            {"id": 1, "schema": {"labels": ["a", "b"], "default_order_by": "a"}},
            {"id": 2, "schema": {"labels": ["c"], "default_order_by": "c"}},
        ],
        "challenge_phases": [
            {
                "id": pk,
                "name": name,
                "codename": name.lower(),
                "description": "page.html",
                "test_annotation_file": f"annotations/{name.lower()}.h5",
            }
            for pk, name in ((1, "Val"), (2, "Test"))
        ],
        "dataset_splits": [
            {"id": pk, "name": name.title(), "codename": f"{name}_split"}
            for pk, name in ((1, "one"), (2, "two"), (3, "three"))
        ],
        "challenge_phase_splits": phase_splits,
    }


def write_bundle(
    path: Path,
    script: str = ECHO,
    *,
    script_files: Optional[Dict[str, str]] = None,
    challenge: Optional[Dict[str, Any]] = None,
    leave_out: str = "",
) -> Path:
    """Write a bundle; ``script_files`` replaces the files of the evaluation script."""
    inner = io.BytesIO()
    with zipfile.ZipFile(inner, "w") as archive:
        for name, text in (script_files or {"__init__.py": script}).items():
            archive.writestr(name, text)
    members = {
        "challenge_config.yaml": yaml.safe_dump(challenge or config()),
        "page.html": "<p>toy</p>",
        "logo.png": "",
        "annotations/val.h5": "truth of val",
        "annotations/test.h5": "truth of test",
        "evaluation_script.zip": inner.getvalue(),
    }
    with zipfile.ZipFile(path, "w") as archive:
        for name, content in members.items():
            if name != leave_out:
                archive.writestr(name, content)
    return path


def write_submission(path: Path, output: Any) -> Path:
    """A submission that makes ECHO return ``output`` (NaN and inf may be in it)."""
    path.write_text(json.dumps(output))
    return path

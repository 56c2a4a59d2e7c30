"""A challenge zip opened for checking: what EvalAI's config names in it."""

from __future__ import annotations

from functools import cached_property
from pathlib import Path
from typing import Any, Dict, Iterator, List, Optional, Tuple

from evaluation_script.suites import Suite
from nlb_evalai.challenge.evalai.config import CONFIG_NAME
from nlb_evalai.challenge.evalai.scored import Scored
from nlb_evalai.challenge.rules.limits import SCRIPT_MIB, Limits
from nlb_evalai.challenge.rules.package import ConfigEntry, Package

PAGE_KEYS = (
    "description",
    "evaluation_details",
    "terms_and_conditions",
    "submission_guidelines",
)
#: the body of a request, as EvalAI's proxy is set up
UPLOAD_MIB = 200


class Bundle(Package):
    """A challenge zip.

    Parameters
    ----------
    scored : Scored, optional
        What its evaluation script scores, as it told it where it ran.
    """

    title = "EvalAI"
    config_name = CONFIG_NAME
    other_configs = ("challenge_config.yml",)
    limits = Limits(
        member_mib=UPLOAD_MIB,
        zip_mib=SCRIPT_MIB,
        total_mib=220,
        why=f"EvalAI takes bundles of {UPLOAD_MIB} MB at most: leave it out, or publish the truth "
        "and set remote_evaluation: true",
        needless="leave out what EvalAI does not need",
    )

    def __init__(
        self, path: Path, suite: Optional[Suite] = None, scored: Optional[Scored] = None
    ) -> None:
        super().__init__(path, suite)
        self.scored = scored

    @cached_property
    def script(self) -> Optional[Path]:
        """The evaluation script's files in a folder; None if its zip cannot be read."""
        return self.program(self.config.get("evaluation_script"))

    @property
    def script_fault(self) -> Optional[str]:
        """Why its evaluation script is not looked into, known once `script` was."""
        return self.program_faults.get(str(self.config.get("evaluation_script")))

    def page_names(self) -> List[str]:
        names = [self.config.get(key) for key in PAGE_KEYS]
        names += [phase.get("description") for _, phase in self.entries("challenge_phases")]
        return [name for name in names if isinstance(name, str)]

    def truths(self) -> Iterator[Tuple[str, Any, Path]]:
        for _, phase in self.entries("challenge_phases"):
            name = phase.get("test_annotation_file")
            path = self.extract(name) if isinstance(name, str) else None
            if path is not None:
                yield str(name), phase.get("codename"), path

    def by_id(self, key: str) -> Dict[int, Dict[str, Any]]:
        """The entries of a top-level list by their ``id``."""
        if key not in self._results:
            found: Dict[int, Dict[str, Any]] = {}
            for _, entry in self.entries(key):
                if type(entry.get("id")) is int:
                    found.setdefault(entry["id"], entry)
            self._results[key] = found
        by_id: Dict[int, Dict[str, Any]] = self._results[key]
        return by_id

    def boards(self) -> Iterator[Tuple[str, Dict[str, Any], List[str]]]:
        """(where, schema, labels) of every leaderboard."""
        for where, board in self.entries("leaderboard"):
            schema = board.get("schema")
            if isinstance(schema, dict):
                yield f"{where}.schema", schema, labels_of(board)

    def files(self) -> List[Tuple[str, str]]:
        """(where it is named, path) of every file that the config names."""
        named = [
            (f"{CONFIG_NAME}: {key}", self.config.get(key))
            for key in (*PAGE_KEYS, "image", "evaluation_script")
        ]
        for where, phase in self.entries("challenge_phases"):
            named += [
                (f"{where}.{key}", phase.get(key))
                for key in ("description", "test_annotation_file")
            ]
        return [(where, name) for where, name in named if isinstance(name, str) and name]


def labels_of(board: Optional[Dict[str, Any]]) -> List[str]:
    """The columns of a leaderboard; none if it is not of the right form."""
    schema = (board or {}).get("schema")
    labels = schema.get("labels") if isinstance(schema, dict) else None
    if not isinstance(labels, list):
        return []
    return [label for label in labels if isinstance(label, str)]


__all__ = ["UPLOAD_MIB", "Bundle", "ConfigEntry", "labels_of"]

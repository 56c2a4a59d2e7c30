"""``challenge_config.yaml`` as objects: phases, leaderboards, splits, and how they hang together.

Only what the tools here need is read; whether EvalAI would take the file is another question.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Dict, List, Mapping, Tuple

from nlb_evalai.errors import ToolError
from nlb_evalai.yamltext import YamlProblem, read_yaml

CONFIG_NAME = "challenge_config.yaml"
#: EvalAI's ``visibility`` of a phase split that everyone sees; 1 and 2 are for hosts only
PUBLIC = 3


class ConfigError(ToolError):
    """``challenge_config.yaml`` cannot be read."""


@dataclass(frozen=True)
class ChallengePhase:
    """A phase as EvalAI sees it; ``annotation`` is a path inside the bundle."""

    pk: int
    name: str
    codename: str
    annotation: str


@dataclass(frozen=True)
class Leaderboard:
    """Columns of a board, and which of them orders it."""

    pk: int
    labels: Tuple[str, ...]
    default_order_by: str


@dataclass(frozen=True)
class PhaseSplit:
    """A leaderboard of a phase that shows one dataset split."""

    phase_pk: int
    split: str
    split_name: str
    leaderboard: Leaderboard
    visibility: int
    decimals: int
    descending: bool

    @property
    def is_public(self) -> bool:
        """Whether participants see this board."""
        return self.visibility == PUBLIC


@dataclass(frozen=True)
class Challenge:
    """A challenge; ``files`` are the paths inside the bundle that the config names.

    ``remote``: its submissions are scored on the host's own machines.
    """

    title: str
    evaluation_script: str
    phases: Tuple[ChallengePhase, ...]
    phase_splits: Tuple[PhaseSplit, ...]
    files: Tuple[str, ...]
    remote: bool = False

    def splits_of(self, phase: ChallengePhase) -> List[PhaseSplit]:
        """The leaderboards of a phase, in the config's order."""
        return [split for split in self.phase_splits if split.phase_pk == phase.pk]

    def phase(self, codename: str) -> ChallengePhase:
        """The phase of that codename.

        Raises
        ------
        ConfigError
            If there is none; names those there are.
        """
        for phase in self.phases:
            if phase.codename == codename:
                return phase
        known = ", ".join(phase.codename for phase in self.phases)
        raise ConfigError(f"phase: found {codename!r}, expected one of {known}")


def read_challenge(path: Path) -> Challenge:
    """Read a config file.

    Raises
    ------
    ConfigError
        If it is missing, no YAML, or lacks a key; says which.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except OSError as error:
        raise ConfigError(f"{path}: {error.strerror}") from None
    return parse_challenge(text, str(path))


def parse_challenge(text: str, where: str = CONFIG_NAME) -> Challenge:
    """The same from the text of a config file; ``where`` names it in errors."""
    try:
        config = read_yaml(text.encode("utf-8", errors="replace"))
    except YamlProblem as problem:
        line = f":{problem.line}" if problem.line else ""
        raise ConfigError(f"{where}{line}: {problem}") from None
    if not isinstance(config, dict):
        raise ConfigError(f"{where}: found {type(config).__name__}, expected keys and values")
    try:
        return _challenge(config)
    except KeyError as error:
        raise ConfigError(f"{where}: {error.args[0]} is missing") from None
    except (TypeError, AttributeError, ValueError) as error:
        raise ConfigError(f"{where}: not laid out as a challenge: {error}") from None


def _challenge(config: Mapping[str, Any]) -> Challenge:
    phases, pages = [], []
    for i, entry in enumerate(_entries(config, "challenge_phases")):
        where = f"challenge_phases[{i}]"
        phases.append(
            ChallengePhase(
                pk=_number(entry, "id", where),
                name=_text(entry, "name", where),
                codename=_text(entry, "codename", where),
                annotation=_text(entry, "test_annotation_file", where),
            )
        )
        pages += [_text(entry, "description", where), phases[i].annotation]
    keys = ("description", "evaluation_details", "terms_and_conditions", "submission_guidelines")
    script = _text(config, "evaluation_script")
    files = [script, _text(config, "image"), *(_text(config, key) for key in keys), *pages]
    return Challenge(
        title=_text(config, "title"),
        evaluation_script=script,
        phases=tuple(phases),
        phase_splits=_phase_splits(config),
        files=tuple(dict.fromkeys(files)),
        remote=config.get("remote_evaluation") is True,
    )


def _phase_splits(config: Mapping[str, Any]) -> Tuple[PhaseSplit, ...]:
    boards: Dict[int, Leaderboard] = {}
    metadata: Dict[int, Any] = {}
    for i, entry in enumerate(_get(config, "leaderboard")):
        where = f"leaderboard[{i}]"
        schema = _get(entry, "schema", where)
        labels = tuple(str(label) for label in _entries(schema, "labels", where + ".schema"))
        order = _text(schema, "default_order_by", where + ".schema")
        pk = _number(entry, "id", where)
        boards[pk] = Leaderboard(pk, labels, order)
        metadata[pk] = (schema.get("metadata") or {}).get(order)
    splits = {
        _number(entry, "id", f"dataset_splits[{i}]"): entry
        for i, entry in enumerate(_get(config, "dataset_splits"))
    }
    found = []
    for i, entry in enumerate(_get(config, "challenge_phase_splits")):
        where = f"challenge_phase_splits[{i}]"
        split = _get(splits, _get(entry, "dataset_split_id", where), f"{where}: dataset split")
        board = _get(boards, _get(entry, "leaderboard_id", where), f"{where}: leaderboard")
        found.append(
            PhaseSplit(
                phase_pk=_number(entry, "challenge_phase_id", where),
                split=_text(split, "codename", "dataset_splits"),
                split_name=_text(split, "name", "dataset_splits"),
                leaderboard=board,
                visibility=_number(entry, "visibility", where),
                decimals=_number(entry, "leaderboard_decimal_precision", where),
                descending=_is_descending(entry, metadata[board.pk], where),
            )
        )
    return tuple(found)


def _is_descending(split: Mapping[str, Any], metadata: Any, where: str) -> bool:
    """The order of a board: what its default label's metadata say goes before the split's flag."""
    flag = _flag(split, "is_leaderboard_order_descending", where)
    return flag if metadata is None else metadata.get("sort_ascending") is False


def _get(mapping: Mapping[Any, Any], key: Any, where: str = "") -> Any:
    if key not in mapping:
        raise KeyError(f"{where}: {key}" if where else str(key))
    return mapping[key]


def _text(mapping: Mapping[Any, Any], key: str, where: str = "") -> str:
    value = _get(mapping, key, where)
    if not isinstance(value, str):
        raise _odd(where, key, value, "text")
    return value


def _number(mapping: Mapping[Any, Any], key: str, where: str) -> int:
    value = _get(mapping, key, where)
    if type(value) is not int or value < 0:
        raise _odd(where, key, value, "a whole number, 0 or more")
    return value


def _flag(mapping: Mapping[Any, Any], key: str, where: str) -> bool:
    value = _get(mapping, key, where)
    if not isinstance(value, bool):
        raise _odd(where, key, value, "true or false")
    return value


def _entries(mapping: Mapping[Any, Any], key: str, where: str = "") -> List[Any]:
    value = _get(mapping, key, where)
    if not isinstance(value, list) or not value:
        raise _odd(where, key, value, "a list that is not empty")
    return value


def _odd(where: str, key: str, value: Any, expected: str) -> ValueError:
    return ValueError(f"{f'{where}.' if where else ''}{key}: found {value!r}, expected {expected}")

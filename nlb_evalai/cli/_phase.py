"""A phase of a store, and its award if there is one: what ``report`` and ``site build`` publish."""

from __future__ import annotations

import json
from contextlib import contextmanager
from dataclasses import dataclass
from importlib import resources
from pathlib import Path
from textwrap import shorten
from typing import Any, Dict, Iterator, Optional

import jsonschema

from evaluation_script.suites import Suite
from nlb_evalai.cli._suite import phase_of, suite_of_store
from nlb_evalai.competition.award.decide import AWARD_SCHEMA, changed_since
from nlb_evalai.competition.award.rulebook import ranked
from nlb_evalai.competition.award.standing import some_of
from nlb_evalai.competition.store import Store
from nlb_evalai.errors import NOT_FIT, ToolError


@dataclass(frozen=True)
class StoredPhase:
    """An open store, the suite whose scores it holds, a phase, and the award of that phase."""

    store: Store
    suite: Suite
    codename: str
    award: Optional[Dict[str, Any]]


@contextmanager
def stored_phase(
    store_path: Path, award_dir: Optional[Path], phase: Optional[str], suite: Optional[Suite]
) -> Iterator[StoredPhase]:
    """Open a store to publish a phase of it: the award's, or the suite's last, if none is given.

    Raises
    ------
    ToolError
        If the store has nothing of the phase, or the award is of another phase or other scores.
    """
    with Store(store_path, suite=suite.name if suite else None) as store:
        suite = suite_of_store(store, suite)
        decided = _award(award_dir, suite) if award_dir else None
        awarded = decided["rules"]["phase"] if decided else suite.phases[-1].codename
        codename = phase_of(suite, phase or awarded).codename
        if decided and codename != awarded:
            raise ToolError(f"--phase {codename}: the award is for phase {awarded}")
        if codename not in store.phases():
            held = ", ".join(f"{n} of {one}" for one, n in store.phases().items()) or "nothing"
            raise ToolError(f"{store_path}: no submission of phase {codename}; found {held}")
        changed = changed_since(store, decided) if decided else []
        if changed:
            raise ToolError(
                f"{award_dir}: scores changed since this award: run `award` again; of entries "
                f"{some_of(changed)}",
                exit_code=NOT_FIT,
            )
        yield StoredPhase(store, suite, codename, decided)


def _award(folder: Path, suite: Suite) -> Dict[str, Any]:
    path = folder / "award.json"
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise ToolError(f"{path}: {error.strerror}; `nlb-evalai award` writes it") from None
    except ValueError as error:
        raise ToolError(f"{path}: no JSON: {error}") from None
    schema = found.get("schema") if isinstance(found, dict) else None
    if schema != AWARD_SCHEMA:
        raise ToolError(
            f"{path}: schema: found {schema!r}, expected {AWARD_SCHEMA!r}", exit_code=NOT_FIT
        )
    layout = (
        resources.files("nlb_evalai.competition.award").joinpath("award-1.json").read_text("utf-8")
    )
    fault = next(jsonschema.Draft202012Validator(json.loads(layout)).iter_errors(found), None)
    if fault is not None:
        where = "/".join(map(str, fault.absolute_path)) or "the file"
        raise ToolError(
            f"{path}: {where}: {shorten(fault.message, 200)}; `nlb-evalai award` writes it anew",
            exit_code=NOT_FIT,
        )
    rules = found["rules"]
    if rules["suite"] != suite.name:
        raise ToolError(
            f"{path}: rules/suite: found {rules['suite']!r}, expected {suite.name!r} as in the "
            "store",
            exit_code=NOT_FIT,
        )
    expected = ranked(suite, rules["metric"], rules["bin_width_ms"])
    missing = [name for name in expected if name not in found["rankings"]]
    if missing:
        raise ToolError(f"{path}: rankings: expected {', '.join(missing)} too", exit_code=NOT_FIT)
    result: Dict[str, Any] = found
    return result

"""Receipts as files: read in bounded time, held against their schemas, and made fit for everyone.

docs/receipt.md tells what a receipt holds, and what its public form keeps.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, Dict, Iterator, List, Mapping, Tuple

from evaluation_script.leaderboard import shown, shown_error
from evaluation_script.receipt import SCHEMA
from evaluation_script.scorecard import Score
from evaluation_script.suites import Phase, Suite
from evaluation_script.text import printable
from nlb_evalai.errors import ToolError

PUBLIC_SCHEMA = "nlb-evalai/public-receipt/1"
_LAYOUTS = {SCHEMA: "receipt-1.json", PUBLIC_SCHEMA: "public-receipt-1.json"}
#: a receipt of the largest suite here has 20 kB
MOST_BYTES = 256 * 1024
#: characters of a value that a message shows
_MOST_SHOWN = 80
#: what a public receipt keeps as it is; memory, time and platform are the host's own affair
_KEPT = ("suite", "rules_version", "phase", "truth", "created_at", "rates")
_VERSIONS = ("python", "numpy", "h5py", "hdf5")


def read_receipt(path: Path) -> Dict[str, Any]:
    """A receipt, or the public form of one, that keeps to its schema.

    Raises
    ------
    ToolError
        If it cannot be read, or is none; says where it differs.
    """
    try:
        with path.open("rb") as file:
            content = file.read(MOST_BYTES + 1)
    except OSError as error:
        raise ToolError(f"{path}: {error.strerror}") from None
    found, faults = parse_receipt(content)
    if faults:
        raise ToolError(f"{path}: {faults[0]}")
    return found


def parse_receipt(content: bytes) -> Tuple[Dict[str, Any], List[str]]:
    """The values of a receipt's text, and all that is wrong with it.

    Without jsonschema, which a participant need not have, only its version and the names of its
    fields are looked at.
    """
    if len(content) > MOST_BYTES:
        return {}, [f"is no receipt: found more than {MOST_BYTES // 1024} KiB"]
    try:
        found = json.loads(content.decode("utf-8"), parse_constant=_no_number)
    except (ValueError, RecursionError) as error:
        why = "it nests too deep" if isinstance(error, RecursionError) else error
        return {}, [f"is no JSON: {why}"]
    said = found.get("schema") if isinstance(found, dict) else None
    name = _LAYOUTS.get(said if isinstance(said, str) else SCHEMA, _LAYOUTS[SCHEMA])
    schema = json.loads(Path(__file__).with_name(name).read_text(encoding="utf-8"))
    faults = [f"is no receipt: {fault}" for fault in _faults(found, schema)]
    return (found if isinstance(found, dict) else {}), faults


def _no_number(name: str) -> None:
    raise ValueError(f"{name} is no number")


def _faults(found: Any, schema: Mapping[str, Any]) -> Iterator[str]:
    try:
        import jsonschema
    except ModuleNotFoundError:
        yield from filter(None, [_plain_fault(found, schema)])
        return
    for fault in jsonschema.Draft202012Validator(schema).iter_errors(found):
        where = "/".join(map(str, fault.absolute_path)) or "the file"
        yield f"{where}: {shortened(fault)}"


def shortened(fault: Any) -> str:
    """What jsonschema says of a fault, without the end of what it found."""
    said, value = str(fault.message), repr(fault.instance)
    if len(value) > _MOST_SHOWN and said.startswith(value):
        return value[:_MOST_SHOWN] + "..." + said[len(value) :]
    return printable(said, 4 * _MOST_SHOWN)


def _plain_fault(found: Any, schema: Mapping[str, Any]) -> str:
    if not isinstance(found, dict):
        return f"the file: found {type(found).__name__}, expected an object"
    lacking = [name for name in schema["required"] if name not in found]
    if lacking:
        return f"the file: {lacking[0]!r} is a required property"
    expected = schema["properties"]["schema"]["const"]
    return "" if found["schema"] == expected else f"schema: {expected!r} was expected"


# ---- for everyone -----------------------------------------------------------------------------


def is_public(receipt: Mapping[str, Any]) -> bool:
    """Whether a receipt is the form that everyone may see."""
    return bool(receipt["schema"] == PUBLIC_SCHEMA)


def phase_of(receipt: Mapping[str, Any], suite: Suite) -> Phase:
    """The phase of a receipt, with nothing to hide where its truth is known to be public.

    Raises
    ------
    ToolError
        If it is of another suite, or of no phase of this one.
    """
    if receipt["suite"] != suite.name:
        raise ToolError(f"suite: found {printable(receipt['suite'], 80)}, expected {suite.name}")
    phases = {phase.codename: phase for phase in suite.phases}
    if receipt["phase"] not in phases:
        found = printable(receipt["phase"], 80)
        raise ToolError(f"phase: found {found}, expected {' or '.join(phases)}")
    phase = phases[receipt["phase"]]
    truth = receipt["files"]["ground_truth"]["sha256"]
    known = any(one.sha256 == truth for one in suite.published_truth)
    return phase.with_public_truth() if known else phase


def public_receipt(receipt: Mapping[str, Any], phase: Phase) -> Dict[str, Any]:
    """A receipt with the scores that the phase shows, and nothing of the host.

    Parameters
    ----------
    receipt : mapping
        See docs/receipt.md; one that is public already stays as it is.
    phase : Phase
        As :func:`phase_of` gives it, so that known public truth hides no digit.
    """
    versions, files = receipt.get("versions", {}), receipt.get("files", {})
    return {
        "schema": PUBLIC_SCHEMA,
        **{key: receipt[key] for key in _KEPT if key in receipt},
        "files": {
            name: {key: facts[key] for key in ("sha256", "bytes") if key in facts}
            for name, facts in files.items()
        },
        "groups": {
            name: {
                "dataset": group["dataset"],
                "bin_width_ms": group["bin_width_ms"],
                "scores": {key: as_shown(one, phase) for key, one in group["scores"].items()},
                "left_out": dict(group.get("left_out", {})),
            }
            for name, group in receipt.get("groups", {}).items()
        },
        "versions": {name: versions[name] for name in _VERSIONS if name in versions},
    }


def as_shown(score: Mapping[str, Any], phase: Phase) -> Dict[str, Any]:
    """A receipt's score as the phase shows it: rounded, and no lower than its floor."""
    exact = Score(score["value"], score["standard_error"])
    return {"value": shown(exact.value, phase), "standard_error": shown_error(exact, phase)}

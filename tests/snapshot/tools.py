"""Snapshots of the commands: the sample's dry run, ``check``, the store, the award, the pages."""

from __future__ import annotations

import csv
import json
import shutil
import sqlite3
import zipfile
from pathlib import Path
from typing import Any, Callable, Dict, List

import numpy as np
import yaml

from . import corpus
from .entry import (
    GOLDEN,
    OLD,
    ROOT,
    command,
    lasting,
    plain_lines,
    said,
    succeeded,
    told,
)

CONFIG = "challenge_config.yaml"


# ---- the sample -------------------------------------------------------------------------------


def dry_run(folder: Path) -> Dict[str, Any]:
    """The sample's submissions in both phases, scored in the replica of EvalAI."""
    ran = succeeded("dry-run", "--keep", folder)
    found: Dict[str, Any] = {"boards": _boards(ran.out)}
    for path in sorted(folder.glob("*/*/stdout.txt")):
        kept = {
            one.stem: json.loads(one.read_text(encoding="utf-8"))
            for one in path.parent.glob("*.json")
        }
        entry = told(kept, path.read_text(encoding="utf-8"))
        entry["stderr"] = plain_lines((path.parent / "stderr.txt").read_text("utf-8"), folder)
        found[f"{path.parts[-3]} {path.parts[-2]}"] = entry
    return found


def _boards(text: str) -> List[str]:
    """The boards as printed; the steps' times before them and one receipt after them left out."""
    lines = [line.rstrip() for line in text.splitlines()]
    [start] = [i for i, line in enumerate(lines) if line.startswith("Validation (val)")]
    [end] = [i for i, line in enumerate(lines) if line.startswith("What people see of")]
    return [*lines[start:end], *lines[-1:]]


# ---- check ------------------------------------------------------------------------------------


#: one case for each way in which the check may go; it shares its words with the scorer
_CHECKED = (
    "honest", "honest in test", "honest, truth without held-in", "changed: two datasets",
    "changed: bad values", "changed: negative heldin", "changed: zeros", "changed: no forward",
    "changed: half of forward", "changed: nothing in the group", "changed: axes reversed",
    "changed: misspelt", "changed: more groups", "changed: names that are no text",
    "remade: other types 0", "remade: other shapes", "remade: no arrays, and beyond memory",
    "remade: too long", "link: arrays", "content: signature and zeros", "truth is no HDF5 file",
)  # fmt: skip


def checked(folder: Path) -> Dict[str, Any]:
    """What ``check`` says with the truth's shapes, with the official ones, and in words."""
    found: Dict[str, Any] = {}
    cases = corpus.build(folder)
    for name in _CHECKED:
        case = cases[name]
        arguments = ["--phase", case.phase, "--annotations", case.truth, "--json"]
        ran = command("check", case.submission, *arguments)
        report = json.loads(ran.out) if ran.out else {}
        for key in ("submission", "checked_against"):
            report.pop(key, None)  # paths
        found[name] = {"exit": ran.code, "report": report, "stderr": plain_lines(ran.err, folder)}
    honest = cases["honest"]
    for phase in ("val", "test"):
        ran = command("check", honest.submission, "--phase", phase)
        found[f"honest, official shapes of {phase}"] = said(ran, folder)
    ran = command("check", honest.submission, "--phase", "val", "--annotations", honest.truth)
    found["honest, in words"] = said(ran, folder)
    return found


def _made(folder: Path) -> Path:
    folder.mkdir()
    return folder


# ---- store, award, report ---------------------------------------------------------------------


def golden_store(folder: Path) -> Path:
    """The golden submissions of phase test, and two broken ones, scored into a store."""
    submissions = _made(folder / "submissions")
    for number, part in enumerate("abc", 1):
        shutil.copyfile(GOLDEN / f"submission_test_{part}.h5", submissions / f"{number}.h5")
    (submissions / "4.h5").write_bytes(b"words")
    shutil.copyfile(GOLDEN / "probes" / "shape_heldin_units.h5", submissions / "5.h5")
    store = folder / "results.sqlite"
    truth = GOLDEN / "target_test.h5"
    arguments = ["--phase", "test", "--annotations", truth, "--store", store, "--workers", 1]
    succeeded("score", submissions, *arguments)
    return store


def stored(folder: Path) -> Dict[str, Any]:
    """Scores, errors, receipts and log-likelihoods in a new store, and what is made of it."""
    return {**contents(golden_store(folder)), **made_of(folder / "results.sqlite", folder)}


def contents(path: Path) -> Dict[str, Any]:
    """A store's rows by the names of its submissions."""
    database = sqlite3.connect(path)
    database.row_factory = sqlite3.Row

    def rows(query: str) -> List[Dict[str, Any]]:
        return [dict(row) for row in database.execute(query)]

    found: Dict[str, Any] = {
        "meta": {row["key"]: row["value"] for row in rows("SELECT * FROM meta")}
    }
    names = {}
    for row in rows("SELECT * FROM submissions"):
        names[row.pop("row_id")] = row["name"]
        del row["seconds"]
        row["source"] = Path(row["source"]).name
        row["notes"] = json.loads(row["notes"])
        row["receipt"] = lasting(json.loads(row["receipt"]), files=True)
        row["error"] = row["error"].split("\n")
        found[f"submission {row['name']}"] = row
    for row in rows("SELECT * FROM scores"):
        place = f"scores {names[row['row_id']]}"
        key = f"{row['dataset']} {row['bin_width_ms']} ms {row['metric']}"
        scores = found.setdefault(place, {})
        scores[key] = [row["value"], row["standard_error"], row["left_out"]]
    for row in rows("SELECT * FROM trial_log_likelihood"):
        place = f"log-likelihood of trials {names[row['row_id']]}"
        key = f"{row['dataset']} {row['bin_width_ms']} ms"
        found.setdefault(place, {})[key] = _summary(np.frombuffer(row["nats"], "<f8"))
    for row in rows("SELECT * FROM trial_spikes"):
        key = f"{row['dataset']} {row['bin_width_ms']} ms"
        found.setdefault("spikes of trials", {})[key] = _summary(
            np.frombuffer(row["spikes"], "<f8")
        )
    database.close()
    return found


def old_store(folder: Path) -> Dict[str, Any]:
    """What an earlier version stored, with that version's error bars, and what is made of it."""
    store = shutil.copyfile(OLD / "results.sqlite", folder / "results.sqlite")
    return {**contents(store), **made_of(store, folder)}


def _summary(values: np.ndarray) -> Dict[str, Any]:
    weights = np.arange(1, len(values) + 1)
    return {
        "count": len(values),
        "first": float(values[0]),
        "sum": float(values.sum()),
        "weighted": float((values * weights).sum()),
    }


def made_of(store: Path, folder: Path) -> Dict[str, Any]:
    """Award and report of the golden store, by an export in which two teams compete."""
    teams = ("Ants", "Bees", "Ants", "Bees", "Crabs")
    rows = [
        ("id", "Team Name", "Challenge Phase", "Status", "Submitted File", "Submitted At",
         "Method Name", "Publication URL", "Project URL", "Submission Meta Attributes"),
    ]  # fmt: skip
    for number, team in enumerate(teams, 1):
        facts = ("Test", "finished", "https://x.org/f.h5", "2022-04-01T12:00:00+00:00")
        code = '[{"name": "Code will be released", "value": true}]'
        links = ("https://a.org/paper", "github.com/ants/model")
        rows.append((str(number), team, *facts, f"model {number}", *links, code))
    entries = folder / "entries.csv"
    with entries.open("w", newline="", encoding="utf-8") as stream:
        csv.writer(stream, quoting=csv.QUOTE_ALL).writerows(rows)
    return awarded(store, folder, "--entries", entries)


def awarded(store: Path, folder: Path, *arguments: object) -> Dict[str, Any]:
    """Every file of the award and of the report but the figures."""
    out, report = folder / "award", folder / "report" / "index.html"
    report.parent.mkdir()
    arguments = (*arguments, "--public-by-default")  # or the report would name nobody
    ran = succeeded("award", "--store", store, *arguments, "--out", out)
    reported = succeeded("report", "--store", store, "--award", out, "--out", report)
    found: Dict[str, Any] = {"award says": said(ran, folder), "report says": said(reported, folder)}
    for path in (*out.iterdir(), *report.parent.iterdir()):
        if path.suffix == ".json":
            found[path.name] = _dateless(json.loads(path.read_text(encoding="utf-8")))
        elif path.suffix == ".csv":
            with path.open(newline="", encoding="utf-8") as stream:
                found[path.name] = [[_number(cell) for cell in row] for row in csv.reader(stream)]
        elif path.suffix == ".md":
            found[path.name] = plain_lines(path.read_text(encoding="utf-8"), folder)
    return found


def _number(cell: str) -> Any:
    """A cell as a number, if it is one with decimals: the last of them is the machine's."""
    try:
        return float(cell) if "." in cell else cell
    except ValueError:
        return cell


def _dateless(value: Any) -> Any:
    """Without when and by which version a file was written."""
    if isinstance(value, dict):
        return {k: _dateless(v) for k, v in value.items() if k not in ("made_at", "versions")}
    return [_dateless(item) for item in value] if isinstance(value, list) else value


def award(folder: Path) -> Dict[str, Any]:
    """The written scenario with ties, late, private, withdrawn and organizers' entries."""
    store = shutil.copyfile(OLD / "scenario" / "results.sqlite", folder / "results.sqlite")
    tables = [
        argument
        for name in ("entries", "overrides", "judges")
        for argument in (f"--{name}", OLD / "scenario" / f"{name}.csv")
    ]
    return awarded(store, folder, *tables)


# ---- pages ------------------------------------------------------------------------------------


def pages(folder: Path) -> Dict[str, Any]:
    """Config and pages as they are committed; a bundle holds the same."""
    succeeded("bundle", "build", "--out", folder / "bundle.zip")
    found: Dict[str, Any] = {}
    with zipfile.ZipFile(folder / "bundle.zip") as archive:
        found["members"] = archive.namelist()
        for path in (ROOT / CONFIG, *sorted((ROOT / "templates").glob("*.html"))):
            name, text = path.relative_to(ROOT).as_posix(), path.read_text(encoding="utf-8")
            assert archive.read(name).decode() == text, f"the bundle holds another {name}"
            found[name] = _plain(yaml.safe_load(text)) if name == CONFIG else text.splitlines()
    return found


def _plain(config: Any) -> Any:
    """A config as JSON can hold it: a date that is not in quotes becomes text, and says so."""
    return json.loads(json.dumps(config, default=lambda value: f"{type(value).__name__} {value}"))


#: name of the snapshot -> what collects it, given an empty folder
SNAPSHOTS: Dict[str, Callable[[Path], Any]] = {
    "sample": dry_run,
    "check": checked,
    "store": stored,
    "award": award,
    "pages": pages,
}

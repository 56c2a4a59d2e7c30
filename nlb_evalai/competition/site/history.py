"""Published scores that were not computed here: each row names its source and its kind."""

from __future__ import annotations

import html
import json
import re
from dataclasses import fields
from importlib import resources
from pathlib import Path
from typing import Any, Dict, List, Optional, Sequence, Tuple

import jsonschema
import yaml

from evaluation_script.suites import Suite
from evaluation_script.text import did_you_mean
from nlb_evalai.challenge.head import HEADS
from nlb_evalai.competition.site.model import HistoricalRow, link_of, text_of
from nlb_evalai.errors import ProblemsError, ToolError

_HERE = resources.files("nlb_evalai.competition.site")
#: what a source says for all of its rows
_OF_SOURCE = ("kind", "source", "link", "date", "note")


def history_of(suite: Suite) -> Optional[Path]:
    """The file of published scores that comes with a suite, if there is one."""
    path = Path(str(_HERE.joinpath(f"published/{suite.name}.yaml")))
    return path if path.is_file() else None


def citation_of(suite: Suite) -> str:
    """BibTeX of the benchmark, as its challenge's pages give it; empty if they do not."""
    path = HEADS / suite.name / "citation.html"
    text = path.read_text(encoding="utf-8") if path.is_file() else ""
    found = re.search(r"<pre>(.*?)</pre>", text, re.DOTALL)
    return html.unescape(found[1]).strip() if found else ""


def read_history(path: Path, suite: Suite) -> Tuple[HistoricalRow, ...]:
    """Read published scores; ``history-1.json`` is their layout.

    Raises
    ------
    ToolError
        If the file cannot be read.
    ProblemsError
        For everything that is not as the layout says, and for datasets, bin widths and metrics that
        the suite does not have; all at once.
    """
    try:
        found = yaml.safe_load(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise ToolError(f"{path}: {error.strerror}") from None
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        raise ToolError(f"{path}: no YAML: {' '.join(str(error).split())}") from None
    layout = json.loads(_HERE.joinpath("history-1.json").read_text("utf-8"))
    problems = [
        f"{'/'.join(map(str, fault.absolute_path)) or 'the file'}: {fault.message[:200]}"
        for fault in jsonschema.Draft202012Validator(layout).iter_errors(found)
    ]
    if problems:
        raise ProblemsError(f"{path}:", problems)
    rows: List[HistoricalRow] = []
    for i, source in enumerate(found["sources"]):
        for j, row in enumerate(source["rows"]):
            problems += [f"sources/{i}/rows/{j}: {one}" for one in _unknown(row, suite)]
            rows.append(_row(row, source))
    if found["suite"] != suite.name:
        problems.insert(0, f"suite: found {found['suite']!r}, expected {suite.name!r}")
    if problems:
        raise ProblemsError(f"{path}:", problems)
    return tuple(rows)


def _unknown(row: Dict[str, Any], suite: Suite) -> Sequence[str]:
    names = [dataset.name for dataset in suite.datasets]
    if row["dataset"] not in names:
        return [f"dataset: found {row['dataset']!r}{did_you_mean(row['dataset'], names)}"]
    dataset = suite.dataset(row["dataset"])
    metrics, widths = [one.key for one in dataset.metrics], suite.bin_widths(dataset)
    problems = []
    if row["metric"] not in metrics:
        problems.append(f"metric: found {row['metric']!r}, expected one of {', '.join(metrics)}")
    if row["bin_width_ms"] not in widths:
        expected = " or ".join(map(str, widths))
        problems.append(f"bin_width_ms: found {row['bin_width_ms']}, expected {expected}")
    return problems


def _row(row: Dict[str, Any], source: Dict[str, Any]) -> HistoricalRow:
    said = {**{key: source[key] for key in _OF_SOURCE if key in source}, **row}
    texts = {
        field.name: text_of(said[field.name])
        for field in fields(HistoricalRow)
        if field.name in said and field.type == "str"
    }
    link = link_of(said.get("link", ""))
    numbers = {"bin_width_ms": said["bin_width_ms"], "value": float(said["value"])}
    return HistoricalRow(**{**texts, "link": link, **numbers})

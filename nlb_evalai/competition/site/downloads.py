"""The site's data as files: CSV without formulas, and JSON that follows ``site-1.json``."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any, Dict, List, Mapping, Sequence

from nlb_evalai.competition.site.model import Entry, Site
from nlb_evalai.tables import csv_text

SITE_SCHEMA = "nlb-evalai/site/1"


def entries_csv(site: Site, pages: Mapping[str, str]) -> str:
    """All entries as one long table: a row for each score."""
    rows: List[List[Any]] = [
        [
            *("dataset", "bin_width_ms", "metric", "value", "standard_error", "rank", "team"),
            *("method", "kind", "code_open", "submitted_at", "paper", "code", "counts", "page"),
        ]
    ]
    for entry in site.entries:
        for (dataset, width, metric), cell in entry.scores.items():
            rank = entry.ranks.get(dataset) if width == site.bin_width_ms else None
            rows.append(
                [
                    *(dataset, width, metric, cell.value, cell.standard_error, rank, entry.team),
                    *(entry.method, entry.kind, entry.is_code_open, entry.submitted_at),
                    *(entry.links.get("paper"), entry.links.get("code"), not entry.remark),
                    pages.get(entry.key),
                ]
            )
    return csv_text(rows)


def history_csv(site: Site) -> str:
    """Published scores, each with its source."""
    header = ["model", "dataset", "bin_width_ms", "metric", "value", "date", "kind", "source"]
    rows = [asdict(row) for row in site.historical]
    names = [*header, "link", "note"]
    return csv_text([names, *([row[name] for name in names] for row in rows)])


def site_json(site: Site, pages: Mapping[str, str], made_at: str) -> Dict[str, Any]:
    """Everything on the site as JSON values; ``site-1.json`` is their layout."""
    return {
        "schema": SITE_SCHEMA,
        "suite": site.suite.name,
        "phase": site.phase.codename,
        "title": site.title,
        "made_at": made_at,
        "ranked_by": {"metric": site.metric, "bin_width_ms": site.bin_width_ms},
        "metrics": [
            {
                "key": metric.key,
                "title": metric.title,
                "unit": metric.unit,
                "higher_is_better": metric.higher_is_better(),
            }
            for metric in site.suite.metrics()
        ],
        "datasets": [
            {
                "name": dataset.name,
                "title": dataset.title,
                "dandiset": dataset.dandiset,
                "bin_widths_ms": list(site.suite.bin_widths(dataset)),
            }
            for dataset in site.suite.datasets
        ],
        "entries": [_entry(one, pages.get(one.key)) for one in site.entries],
        "comparisons": [asdict(one) for one in site.comparisons],
        "history": [asdict(one) for one in site.historical],
        "provenance": dict(site.provenance),
    }


def _entry(one: Entry, page: Any) -> Dict[str, Any]:
    def where(key: Sequence[Any]) -> Dict[str, Any]:
        return dict(zip(("dataset", "bin_width_ms", "metric"), key))

    return {
        "key": one.key,
        "page": page,
        "team": one.team,
        "is_anonymous": one.is_anonymous,
        "method": one.method,
        "authors": list(one.authors),
        "links": dict(one.links),
        "kind": one.kind,
        "is_code_open": one.is_code_open,
        "submitted_at": one.submitted_at,
        "description": one.description,
        "notes": list(one.notes),
        "remark": one.remark,
        "origin": one.origin,
        "ranks": dict(one.ranks),
        "scores": [
            {**where(key), "value": cell.value, "standard_error": cell.standard_error}
            for key, cell in one.scores.items()
        ],
        "left_out": [{**where(key), "why": why} for key, why in one.left_out.items()],
        "receipt": None if one.receipt is None else dict(one.receipt),
    }

"""What the site shows -> its files."""

from __future__ import annotations

import hashlib
import json
import re
from collections import Counter
from datetime import date, datetime, timezone
from importlib import resources
from pathlib import Path
from typing import Any, Dict, Iterator, List, Mapping, Optional, Sequence, Tuple

import jinja2
from markupsafe import Markup

from evaluation_script.text import listed
from nlb_evalai import __version__
from nlb_evalai.competition.site.boards import (
    Board,
    Row,
    boards_of,
    is_awarded,
    main_metric,
    overview,
)
from nlb_evalai.competition.site.downloads import SITE_SCHEMA, entries_csv, history_csv, site_json
from nlb_evalai.competition.site.figures import (
    board_figure,
    front_figure,
    history_figure,
    metrics_figure,
)
from nlb_evalai.competition.site.model import Entry, HistoricalRow, Site
from nlb_evalai.errors import ToolError

HERE = Path(str(resources.files("nlb_evalai.competition.site")))
#: the folders that belong to the site: what a build does not write there is removed
FOLDERS = ("assets", "data", "datasets", "entries", "figures")
_DECIMALS = 4
_KINDS = {"single": "single", "ensemble": "ensemble", "unknown": "not said"}
_CODE: Mapping[Optional[bool], str] = {True: "yes", False: "no", None: "not said"}
Files = Dict[str, str]


def environment(*folders: Path) -> jinja2.Environment:
    """Templates of some folders, and those that the site and the report share."""
    return jinja2.Environment(
        loader=jinja2.FileSystemLoader([*map(str, folders), str(HERE / "templates")]),
        autoescape=True,
        trim_blocks=True,
        lstrip_blocks=True,
        undefined=jinja2.StrictUndefined,
    )


def decimals_of(phase_decimals: Optional[int]) -> int:
    """How many decimals of a score are printed."""
    return _DECIMALS if phase_decimals is None else phase_decimals


def stamp(made_at: Optional[datetime] = None) -> str:
    """When something was made, in ISO 8601."""
    return (made_at or datetime.now(timezone.utc)).isoformat(timespec="seconds")


def build(site: Site, out: Path, made_at: Optional[datetime] = None) -> List[Path]:
    """Write the site; pages of an earlier one that are no more are removed.

    Returns
    -------
    list of Path
        What was written, the overview first.

    Raises
    ------
    ToolError
        If the folder holds something else under the names that a site needs.
    """
    _check_place(out)
    files = render(site, made_at)
    for name, text in files.items():
        path = out / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    written = [out / name for name in files]
    for folder in FOLDERS:
        for path in (out / folder).iterdir() if (out / folder).is_dir() else ():
            if path not in written and path.is_file():
                path.unlink()
    if "interpretability.html" not in files:
        (out / "interpretability.html").unlink(missing_ok=True)
    return written


def _check_place(out: Path) -> None:
    if out.exists() and not out.is_dir():
        raise ToolError(f"{out}: found a file, expected a folder")
    taken = [name for name in (*FOLDERS, "index.html") if (out / name).exists()]
    try:
        found = json.loads((out / "data" / "site.json").read_text(encoding="utf-8"))
        is_site = found["schema"] == SITE_SCHEMA
    except (OSError, ValueError, KeyError, TypeError):
        is_site = False
    if taken and not is_site:
        raise ToolError(
            f"{out}: found {', '.join(taken)}, but not of a site that `nlb-evalai site build` "
            "made; expected an empty folder, or such a site, which is replaced"
        )


def render(site: Site, made_at: Optional[datetime] = None) -> Files:
    """All files of the site as text: name -> contents."""
    _check_keys(site.entries)
    return _Pages(site, stamp(made_at)).files()


def _check_keys(entries: Sequence[Entry]) -> None:
    counts = Counter(entry.key for entry in entries)
    twice = sorted(key for key, n in counts.items() if n > 1)
    if twice:
        raise ToolError(listed("the site has two entries of one key,", twice, "key"))


def page_of(key: str) -> str:
    """The address of an entry's page: its key, and a hash where that is no plain file name."""
    plain = re.sub(r"[^a-z0-9]+", "-", key.lower()).strip("-")[:60]
    if plain != key or not plain:
        plain += f"-{hashlib.sha256(key.encode()).hexdigest()[:8]}"
    return f"entries/{plain.lstrip('-')}.html"


class _Pages:
    """The files of a site, page after page."""

    def __init__(self, site: Site, made_at: str) -> None:
        self.site, self.made_at = site, made_at
        self.boards = boards_of(site)
        self.by_dataset: Dict[str, List[Board]] = {}
        for board in self.boards:
            self.by_dataset.setdefault(board.dataset.name, []).append(board)
        self.entry_pages = {
            one.key: page_of(one.key) for one in site.entries if not one.is_anonymous
        }
        self.titles = {dataset.name: dataset.title for dataset in site.suite.datasets}
        self.templates = environment()
        self.shared: Dict[str, Any] = {
            "site": site,
            "made_at": made_at,
            "version": __version__,
            "decimals": decimals_of(site.phase.score_decimals),
            "awarded": is_awarded(site),
            "pages": self._navigation(),
            "entry_pages": self.entry_pages,
            "names": {one.key: one.team for one in site.entries},
            "titles": self.titles,
            "kind_words": _KINDS,
            "code_words": _CODE,
        }
        paired = bool(site.comparisons)
        self.shared["marks"] = Markup(
            self.templates.get_template("marks.html").render(self.shared, paired=paired)
        )

    def _navigation(self) -> List[Tuple[str, str]]:
        pages = [("index.html", "Overview")]
        pages += [(f"datasets/{name}.html", self.titles[name]) for name in self.by_dataset]
        pages += [("history.html", "History")]
        if self.site.fronts:
            pages.append(("interpretability.html", "Accuracy and interpretability"))
        return [*pages, ("about.html", "About, data, citation")]

    def _page(self, template: str, here: str, **more: Any) -> str:
        root = "../" * here.count("/")
        return self.templates.get_template(template).render(
            {**self.shared, "here": here, "root": root, **more}
        )

    def files(self) -> Files:
        """Every file, the overview first."""
        return {
            "index.html": self._overview(),
            **self._datasets(),
            **self._entries(),
            **self._history(),
            **self._fronts(),
            "about.html": self._page("about.html", "about.html"),
            **self._data(),
            **{
                f"assets/{path.name}": path.read_text(encoding="utf-8")
                for path in sorted((HERE / "assets").iterdir())
            },
        }

    def _overview(self) -> str:
        decimals = self.shared["decimals"]
        datasets = [boards[0].dataset for boards in self.by_dataset.values()]
        return self._page(
            "overview.html",
            "index.html",
            teams=overview(self.site, self.boards),
            datasets=datasets,
            up={
                one.name: main_metric(one, self.site.metric).higher_is_better() for one in datasets
            },
            number=lambda value: f"{value:.{decimals}f}",
        )

    def _datasets(self) -> Files:
        files: Files = {}
        for name, boards in self.by_dataset.items():
            figures = {board.key: board_figure(board) for board in boards}
            metrics = metrics_figure(boards[0])
            here = f"datasets/{name}.html"
            files[here] = self._page(
                "dataset.html",
                here,
                dataset=boards[0].dataset,
                boards=boards,
                figures=figures,
                metrics_image=metrics,
            )
            drawn = {**figures, f"{name}-metrics": metrics}
            files.update({f"figures/{key}.svg": one.svg for key, one in drawn.items() if one})
        return files

    def _entries(self) -> Files:
        files: Files = {}
        on_boards: Dict[str, List[Tuple[Board, Row]]] = {}
        spans, bests = {}, {}
        for board in self.boards:
            for row in board.rows:
                on_boards.setdefault(row.entry.key, []).append((board, row))
            for metric in board.metrics:
                values = [
                    row.cells[metric.key].value for row in board.rows if metric.key in row.cells
                ]
                spans[board.key, metric.key] = board.span(metric.key)
                best = max if metric.higher_is_better() else min
                bests[board.key, metric.key] = best(values, default=0.0)
        for entry in self.site.entries:
            here = self.entry_pages.get(entry.key)
            if here is None:
                continue
            receipt = here.replace(".html", ".receipt.json")
            files[here] = self._page(
                "entry.html",
                here,
                entry=entry,
                on_boards=on_boards.get(entry.key, []),
                spans=spans,
                bests=bests,
                receipt_file=receipt.rpartition("/")[2],
            )
            if entry.receipt:
                files[receipt] = _json(entry.receipt)
        return files

    def _fronts(self) -> Files:
        label = f"{self.site.metric} ({self.site.bin_width_ms} ms)"
        drawn = [
            (name, self.titles[name], front_figure(self.titles[name], points, label), points)
            for name, points in self.site.fronts.items()
        ]
        if not drawn:
            return {}
        here = "interpretability.html"
        return {
            here: self._page(here, here, fronts=drawn),
            **{f"figures/front-{name}.svg": image.svg for name, _, image, _ in drawn},
        }

    # ---- history ------------------------------------------------------------------------------

    def _history(self) -> Files:
        steps, images = [], []
        for name, title in self.titles.items():
            records = list(self._records(name))
            steps += [
                {
                    "title": title,
                    "date": entry.submitted_at[:10],
                    "team": entry.team,
                    "page": self.entry_pages.get(entry.key),
                    "cell": entry.scores[name, self.site.bin_width_ms, self._main(name)],
                }
                for _, _, entry in records
            ]
            published: Dict[str, List[Tuple[date, float, str]]] = {}
            for row in self.site.historical:
                where = (row.dataset, row.bin_width_ms, row.metric)
                if where == (name, self.site.bin_width_ms, self._main(name)):
                    day = _day(row.date)
                    if day is not None:
                        published.setdefault(row.kind, []).append((day, row.value, row.model))
            best = [(day, value, entry.team) for day, value, entry in records]
            image = history_figure(title, self._main(name), best, published)
            if image is not None:
                images.append((name, title, image))
        here = "history.html"
        page = self._page(here, here, images=images, steps=steps, sources=self._sources())
        return {here: page, **{f"figures/history-{n}.svg": one.svg for n, _, one in images}}

    def _main(self, dataset: str) -> str:
        return main_metric(self.site.suite.dataset(dataset), self.site.metric).key

    def _records(self, dataset: str) -> Iterator[Tuple[date, float, Entry]]:
        """Entries that count and were the best when they were submitted, oldest first."""
        main = main_metric(self.site.suite.dataset(dataset), self.site.metric)
        sign = 1 if main.higher_is_better() else -1
        key = (dataset, self.site.bin_width_ms, main.key)
        dated = [
            (one.submitted_at, day, one.scores[key].value, one)
            for one in self.site.entries
            for day in [_day(one.submitted_at[:10])]
            if day is not None and key in one.scores and not one.remark
        ]
        best: Optional[float] = None
        for _, day, value, entry in sorted(dated, key=lambda one: (one[0], one[3].key)):
            if best is None or sign * value > sign * best:
                best = value
                yield day, value, entry

    def _sources(self) -> List[HistoricalRow]:
        return list({(one.source, one.note): one for one in self.site.historical}.values())

    # ---- data ---------------------------------------------------------------------------------

    def _data(self) -> Files:
        files = {
            "data/entries.csv": entries_csv(self.site, self.entry_pages),
            "data/site.json": _json(site_json(self.site, self.entry_pages, self.made_at)),
            "data/site-1.json": (HERE / "site-1.json").read_text(encoding="utf-8"),
        }
        if self.site.historical:
            files["data/history.csv"] = history_csv(self.site)
        return files


def _json(value: Mapping[str, Any]) -> str:
    return json.dumps(value, indent=1, ensure_ascii=False, allow_nan=False) + "\n"


def _day(text: str) -> Optional[date]:
    """A date, the middle of a month or of a year; None where it is none."""
    for day in (text, f"{text}-15", f"{text}-07-01"):
        try:
            return date.fromisoformat(day)
        except ValueError:
            continue
    return None

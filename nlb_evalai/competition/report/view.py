"""What everyone may see: boards, prizes and fronts, without private names and hidden digits."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from typing import Any, Dict, Iterable, List, Mapping, Optional, Sequence

from evaluation_script.leaderboard import shown, shown_error
from evaluation_script.scorecard import Score
from evaluation_script.suites import Dataset, MetricType, Suite
from nlb_evalai.competition.award.decide import ranked_in_private
from nlb_evalai.competition.award.explain import sentence, usd
from nlb_evalai.competition.award.export import has_email
from nlb_evalai.competition.award.standing import Scores
from nlb_evalai.competition.store import Store, StoredSubmission

#: of a difference of scores; six are for organizers
_DECIMALS = 4


@dataclass(frozen=True)
class Cell:
    """A score as it is shown; both None where there is none."""

    value: Optional[float] = None
    standard_error: Optional[float] = None


@dataclass
class Line:
    """A row of a leaderboard. A private entry has a made-up name and nothing else of its own."""

    name: str
    entry: str = ""
    method: str = ""
    paper: str = ""
    code: str = ""
    rank: Optional[int] = None
    note: str = ""
    cells: Dict[str, Cell] = field(default_factory=dict)
    lead: Optional[Dict[str, Any]] = None


@dataclass
class Board:
    """A dataset at one bin width, in the order of its ``main`` metric."""

    dataset: Dataset
    bin_width_ms: int
    is_ranked: bool
    main: MetricType
    metrics: Sequence[MetricType]
    lines: List[Line]
    key: str


@dataclass
class View:
    """Everything on the page but its figures."""

    suite: Suite
    phase: str
    boards: List[Board]
    award: Optional[Dict[str, Any]] = None
    prizes: List[Dict[str, Any]] = field(default_factory=list)
    judging: List[Dict[str, Any]] = field(default_factory=list)
    fronts: Dict[str, List[Dict[str, Any]]] = field(default_factory=dict)
    idle: List[Dict[str, str]] = field(default_factory=list)
    n_hidden: int = 0
    provenance: Dict[str, Any] = field(default_factory=dict)
    changes: Optional[List[Dict[str, Any]]] = None

    @property
    def decimals(self) -> int:
        """How many decimals of a score are printed."""
        known = self.suite.phase(self.phase).score_decimals
        return _DECIMALS if known is None else known


class Names:
    """Public names of entries and teams; a team has one name in all that counts."""

    def __init__(self, entries: Sequence[Mapping[str, Any]]) -> None:
        self._entries = {one["id"]: one for one in entries}
        self._public = {one["team"] for one in entries if one["counts"] and not one["private"]}
        private = {one["team"] for one in entries if one["private"]}
        # An order that tells nothing about the names.
        ordered = sorted(private, key=lambda team: hashlib.sha256(team.encode()).hexdigest())
        self._anonymous = {team: f"Anonymous {i}" for i, team in enumerate(ordered, start=1)}

    def of_entry(self, entry: str) -> str:
        """The team's name, or a made-up one if the entry is private."""
        one = self._entries[entry]
        return self._anonymous[one["team"]] if one["private"] else str(one["team"])

    def of_team(self, team: str) -> str:
        """The team's name, or a made-up one if no entry that counts is public."""
        return team if self.is_public(team) else self._anonymous[team]

    def is_public(self, team: str) -> bool:
        """Whether an entry that counts is shown under the team's name."""
        return team in self._public


def make_view(
    store: Store,
    suite: Suite,
    phase: str,
    award: Optional[Dict[str, Any]] = None,
    with_changes: bool = False,
) -> View:
    """Gather what is shown.

    Parameters
    ----------
    award : dict, optional
        What ``nlb-evalai award`` wrote; without it submissions go by their names in the store
        and nobody is ranked.
    """
    stored = store.current(phase)
    entries = _entries(award) if award else [_plain_entry(name) for name in stored]
    # an e-mail address is not for everyone, even as a team's name
    entries = [{**one, "private": one["private"] or has_email(one["team"])} for one in entries]
    names = Names(entries)
    scores = {
        name: {(s.dataset, s.bin_width_ms, s.metric): s for s in store.scores(one.row_id)}
        for name, one in stored.items()
        if one.is_scored
    }
    visible = [one for one in entries if not one["hidden"]]
    view = View(suite, phase, [], award)
    for dataset in suite.datasets:
        for width in suite.bin_widths(dataset):
            board = _board(suite, phase, dataset, width, visible, scores, names, award)
            if board.lines:
                view.boards.append(board)
    view.n_hidden = len(entries) - len(visible)
    if award:
        view.prizes = [_prize(prize, names) for prize in award["prizes"]]
        view.judging = [
            {**row, "team": names.of_team(row["team"])}
            for row in (award["judging"] or {"table": []})["table"]
        ]
        view.fronts = _fronts(award["pareto"], names, suite, phase)
        view.idle = [_idle(one, names) for one in visible if not one["counts"]]
    view.provenance = _provenance(store, phase, list(stored.values()))
    if with_changes:
        public = {
            one["store_name"]: (one["id"] if not one["private"] else names.of_entry(one["id"]))
            for one in visible
            if one["store_name"]
        }
        view.changes = changes(store, suite, phase, public)
    return view


def _entries(award: Mapping[str, Any]) -> List[Dict[str, Any]]:
    """The entries, all that count private if the team has a rank by a private one.

    Average ranks and judges' scores tie a team's ranks together: a name on one is one on all.
    """
    veiled = ranked_in_private(award["entries"], award["rankings"])
    return [
        {**one, "private": one["private"] or (one["counts"] and one["team"] in veiled)}
        for one in award["entries"]
    ]


def _plain_entry(name: str) -> Dict[str, Any]:
    texts = dict.fromkeys(("method", "description", "publication", "project"), "")
    flags = {"counts": True, "private": False, "hidden": False, "code_released": False}
    return {"id": name, "team": name, "store_name": name, "reasons": [], **texts, **flags}


# ---- boards -----------------------------------------------------------------------------------


def _board(
    suite: Suite,
    phase: str,
    dataset: Dataset,
    width: int,
    entries: Sequence[Mapping[str, Any]],
    scores: Mapping[str, Scores],
    names: Names,
    award: Optional[Mapping[str, Any]],
) -> Board:
    decided = award["rules"] if award and dataset.name in award["rankings"] else None
    is_ranked = decided is not None and width == decided["bin_width_ms"]
    main = _main_metric(dataset, decided["metric"] if decided else suite.ranked_by.key)
    ranking = award["rankings"][dataset.name] if award and is_ranked else []
    ranked = {row["entry"]: row for row in ranking}
    rules = suite.phase(phase)
    chosen: Dict[Any, Any] = {}
    lines = []
    for one in entries:
        own = scores.get(one["store_name"] or "", {})
        cells = {}
        for metric in dataset.metrics:
            score = own.get((dataset.name, width, metric.key))
            if score is not None and score.value is not None:
                error = shown_error(Score(score.value, score.standard_error), rules)
                cells[metric.key] = Cell(shown(score.value, rules), error)
        if not cells:
            continue
        score = own.get((dataset.name, width, main.key))
        exact = float("-inf")
        if score is not None and score.value is not None:
            exact = score.value if main.higher_is_better() else -score.value
        line = _line(one, names, cells)
        row = ranked.get(one["id"])
        if row is not None:
            line.rank, line.lead = row["rank"], _rounded(row["lead"])
        # One row for each team: its best that counts; what does not count is shown beside it.
        key = (one["team"], one["counts"], one["private"] if not one["counts"] else None)
        if not award:
            key = (one["id"], True, None)
        if is_ranked and one["counts"] and main.key in cells and row is None:
            continue
        # Beside the team's public entries a private one would be known by who is missing.
        if one["counts"] and one["private"] and names.is_public(one["team"]):
            continue
        if key not in chosen or exact > chosen[key][0]:
            chosen[key] = (exact, line)
    lines = [line for _, line in sorted(chosen.values(), key=lambda pair: (-pair[0], pair[1].name))]
    group = suite.group(dataset, width)
    return Board(dataset, width, is_ranked, main, dataset.metrics, lines, group)


def _main_metric(dataset: Dataset, wanted: str) -> MetricType:
    """The metric that orders a dataset's board: the one that is wanted, if the dataset has it."""
    return next((one for one in dataset.metrics if one.key == wanted), dataset.metrics[0])


def _line(one: Mapping[str, Any], names: Names, cells: Dict[str, Cell]) -> Line:
    note = "" if one["counts"] else _short(one["reasons"])
    line = Line(names.of_entry(one["id"]), note=note, cells=cells)
    if not one["private"]:
        line.entry, line.method = one["id"], one["method"]
        line.paper, line.code = one["publication"], one["project"]
    return line


def _short(reasons: Sequence[str]) -> str:
    """Reasons without their details: a word each."""
    return ", ".join(reason.split(":")[0] for reason in reasons)


def _rounded(lead: Optional[Mapping[str, Any]]) -> Optional[Dict[str, Any]]:
    if lead is None or lead["standard_error"] is None:
        return None
    return {
        "difference": f"{lead['difference']:.4f}",
        "standard_error": f"{lead['standard_error']:.4f}",
        "clear": lead["clear"],
    }


def _prize(prize: Mapping[str, Any], names: Names) -> Dict[str, Any]:
    return {
        "title": prize["title"],
        "usd": usd(prize["usd"]),
        "kind": prize["kind"],
        "datasets": prize["datasets"],
        "winners": [
            {"name": names.of_team(one["team"]), "usd": usd(one["usd"])} for one in prize["winners"]
        ],
        "why": [sentence(said, names.of_team, _DECIMALS) for said in prize["why"]],
        "table": [{**row, "team": names.of_team(row["team"])} for row in prize["table"]],
    }


def _fronts(
    pareto: Mapping[str, List[Dict[str, Any]]], names: Names, suite: Suite, phase: str
) -> Dict[str, List[Dict[str, Any]]]:
    rules = suite.phase(phase)
    return {
        dataset: [
            {
                "name": names.of_team(row["team"]),
                "accuracy": shown(row["accuracy"], rules),
                "interpretability": round(row["interpretability"], 4),
                "dominated_by": [names.of_team(team) for team in row["dominated_by"]],
            }
            for row in rows
        ]
        for dataset, rows in pareto.items()
    }


def _idle(one: Mapping[str, Any], names: Names) -> Dict[str, str]:
    """An entry that does not count; of a private one only what kind of reason."""
    if one["private"]:
        return {"entry": "", "name": names.of_entry(one["id"]), "why": _short(one["reasons"])}
    return {"entry": one["id"], "name": one["team"], "why": "; ".join(one["reasons"])}


# ---- where it comes from ----------------------------------------------------------------------


def _provenance(store: Store, phase: str, stored: Sequence[StoredSubmission]) -> Dict[str, Any]:
    scored = [one for one in stored if one.is_scored]

    def distinct(values: Iterable[Any]) -> List[str]:
        return sorted({str(value) for value in values if value})

    versions = [one.receipt.get("versions", {}) for one in scored]
    return {
        "scored": len(scored),
        "failed": len(stored) - len(scored),
        "truths": distinct(one.truth_sha256 for one in scored),
        "rules_versions": distinct(one.rules_version for one in scored),
        "software": {
            name: ", ".join(distinct(found.get(name) for found in versions))
            for name in ("python", "numpy", "h5py", "hdf5")
        },
    }


def changes(
    store: Store, suite: Suite, phase: str, public: Mapping[str, str]
) -> List[Dict[str, Any]]:
    """What moved between the scores that stand and the ones before them.

    Parameters
    ----------
    public : mapping
        Name in the store -> name to show; the others are left out.
    """
    rules = suite.phase(phase)
    before: Dict[str, StoredSubmission] = {}
    current = store.current(phase)
    for one in store.history(phase):
        standing = current.get(one.name)
        if standing and one.is_scored and one.row_id < standing.row_id:
            before[one.name] = one
    moved = []
    for name, old in before.items():
        new = current[name]
        if name not in public:
            continue
        why = _why_moved(old, new)
        old_scores = {(s.dataset, s.bin_width_ms, s.metric): s for s in store.scores(old.row_id)}
        new_scores = {(s.dataset, s.bin_width_ms, s.metric): s for s in store.scores(new.row_id)}
        for key in sorted({**old_scores, **new_scores}):
            a, b = old_scores.get(key), new_scores.get(key)
            first, second = (a.value if a else None), (b.value if b else None)
            if first == second:
                continue
            moved.append(
                {
                    "name": public[name],
                    "dataset": key[0],
                    "bin_width_ms": key[1],
                    "metric": key[2],
                    "before": None if first is None else shown(first, rules),
                    "after": None if second is None else shown(second, rules),
                    "why": why,
                }
            )
    return moved


def _why_moved(old: StoredSubmission, new: StoredSubmission) -> str:
    reasons = []
    if old.rules_version != new.rules_version:
        reasons.append(f"rules {old.rules_version} → {new.rules_version}")
    if old.truth_sha256 != new.truth_sha256:
        reasons.append("other ground truth")
    if old.submission_sha256 != new.submission_sha256:
        reasons.append("other file")
    return ", ".join(reasons)

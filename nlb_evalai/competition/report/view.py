"""The announcement: a site's boards with a row for each team, prizes, judges, and what moved."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Any, Dict, List, Mapping, Optional, Tuple

from evaluation_script.leaderboard import shown
from evaluation_script.suites import Suite
from nlb_evalai.competition.award.explain import sentence, usd
from nlb_evalai.competition.site.boards import Board, Row, boards_of, is_awarded
from nlb_evalai.competition.site.gather import site_of_store
from nlb_evalai.competition.site.model import Site, text_of
from nlb_evalai.competition.site.public import Names, provenance, public_entries, short
from nlb_evalai.competition.site.render import decimals_of
from nlb_evalai.competition.store import Store, StoredSubmission

#: of a difference of scores; six are for organizers
_DECIMALS = 4


@dataclass
class View:
    """Everything on the page but its figures."""

    site: Site
    boards: List[Board]
    award: Optional[Dict[str, Any]] = None
    prizes: List[Dict[str, Any]] = field(default_factory=list)
    judging: List[Dict[str, Any]] = field(default_factory=list)
    idle: List[Dict[str, str]] = field(default_factory=list)
    n_hidden: int = 0
    provenance: Dict[str, Any] = field(default_factory=dict)
    changes: Optional[List[Dict[str, Any]]] = None

    @property
    def decimals(self) -> int:
        """How many decimals of a score are printed."""
        return decimals_of(self.site.phase.score_decimals)


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
    site = site_of_store(store, suite, phase, award)
    entries = public_entries(award, stored)
    names = Names(entries)
    visible = [one for one in entries if not one["hidden"]]
    view = View(site, [_of_teams(board, site, award) for board in boards_of(site)], award)
    view.n_hidden = len(entries) - len(visible)
    if award:
        view.prizes = [_prize(prize, names) for prize in award["prizes"]]
        view.judging = [
            {**row, "team": names.of_team(row["team"])}
            for row in (award["judging"] or {"table": []})["table"]
        ]
        view.idle = [_idle(one, names) for one in visible if not one["counts"]]
    view.provenance = provenance(list(stored.values()))
    if with_changes:
        public = {
            one["store_name"]: text_of(
                one["id"] if not one["private"] else names.of_entry(one["id"])
            )
            for one in visible
            if one["store_name"]
        }
        view.changes = changes(store, suite, phase, public)
    return view


def _of_teams(board: Board, site: Site, award: Optional[Mapping[str, Any]]) -> Board:
    """The board with a row for each team, its best that counts, and one beside it for the rest.

    Without an award every submission has a row, and no place.
    """
    if not award:
        return replace(
            board, is_ranked=False, rows=tuple(replace(r, place=None) for r in board.rows)
        )
    is_ranked = is_awarded(site) and board.is_ranked
    best: Dict[Tuple[str, bool, bool], Row] = {}
    for row in board.rows:
        one = row.entry
        counts = not one.remark
        if is_ranked and counts and board.main.key in row.cells and row.place is None:
            continue
        best.setdefault((one.team, counts, one.is_anonymous and not counts), row)
    return replace(board, is_ranked=is_ranked, rows=tuple(best.values()))


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


def _idle(one: Mapping[str, Any], names: Names) -> Dict[str, str]:
    """An entry that does not count; of a private one only what kind of reason."""
    name = names.of_entry(one["id"])
    if one["private"]:
        return {"entry": "", "name": name, "why": short(one["reasons"])}
    why = "; ".join(text_of(reason) for reason in one["reasons"])
    return {"entry": text_of(one["id"]), "name": name, "why": why}


# ---- what moved -------------------------------------------------------------------------------


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

"""A store, and its award if there is one -> what the site shows."""

from __future__ import annotations

from collections import Counter
from typing import Any, Dict, Iterator, List, Mapping, Optional, Sequence, Tuple

from evaluation_script.suites import Dataset, MetricType, Phase, Suite
from nlb_evalai.competition.award.ranking import competition_ranks
from nlb_evalai.competition.award.ranks import stored_difference
from nlb_evalai.competition.award.standing import Scores
from nlb_evalai.competition.site.model import (
    MOST_OF_NAME,
    Cell,
    Comparison,
    Entry,
    ScoreKey,
    Site,
    cell_of,
    link_of,
    text_of,
)
from nlb_evalai.competition.site.public import Names, fronts, provenance, public_entries, short
from nlb_evalai.competition.store import Store, StoredSubmission
from nlb_evalai.submission.receipts import public_receipt

#: of a difference of scores, and of its error
_DECIMALS = 4
#: two-sided, of the test of two neighbors where no award has a say
_LEVEL = 0.05
Facts = Mapping[str, Any]


def site_of_store(store: Store, suite: Suite, codename: str, award: Optional[Facts] = None) -> Site:
    """Gather what is shown of a phase.

    Parameters
    ----------
    award : dict, optional
        What ``nlb-evalai award`` wrote. It says who is private, who is withdrawn and who has which
        rank; without it submissions go by their names in the store.
    """
    phase = suite.phase(codename)
    stored = store.current(codename)
    rules = award["rules"] if award else None
    metric = rules["metric"] if rules else suite.ranked_by.key
    width = rules["bin_width_ms"] if rules else suite.ranked_bin_width_ms
    known = public_entries(award, stored)
    names = Names(known)
    gathering = _Gathering(store, suite, phase, stored, award, names, metric, width)
    visible = [one for one in known if not one["hidden"]]
    entries = [
        *(gathering.public(one) for one in visible if not one["private"]),
        *gathering.anonymous([one for one in visible if one["private"]]),
    ]
    return Site(
        suite,
        phase,
        rules["title"] if rules else f"{suite.title}: {phase.title}",
        metric,
        width,
        tuple(entry for entry in entries if entry.scores),
        tuple(gathering.comparisons()),
        fronts(award["pareto"], names, phase) if award else {},
        provenance=_in_words(provenance(list(stored.values())), rules),
    )


def site_of_entries(suite: Suite, phase: Phase, entries: Sequence[Entry]) -> Site:
    """A site of entries that come without trials and without an award, as those of cards do."""
    origins = Counter(entry.origin for entry in entries if entry.origin)
    return Site(
        suite,
        phase,
        f"{suite.title}: {phase.title}",
        suite.ranked_by.key,
        suite.ranked_bin_width_ms,
        tuple(entry for entry in entries if entry.scores),
        provenance={
            "Entries": str(len(entries)),
            "Scores": "; ".join(f"{origin} ({n})" for origin, n in sorted(origins.items())),
        },
    )


class _Gathering:
    """What each step needs to know."""

    def __init__(
        self,
        store: Store,
        suite: Suite,
        phase: Phase,
        stored: Mapping[str, StoredSubmission],
        award: Optional[Facts],
        names: Names,
        metric: str,
        bin_width_ms: int,
    ) -> None:
        self.store, self.suite, self.phase, self.stored = store, suite, phase, stored
        self.award, self.names = award, names
        self.metric, self.bin_width_ms = metric, bin_width_ms
        self.scores: Dict[str, Scores] = {
            name: {(s.dataset, s.bin_width_ms, s.metric): s for s in store.scores(one.row_id)}
            for name, one in stored.items()
            if one.is_scored
        }
        self.rankings: Mapping[str, List[Dict[str, Any]]] = award["rankings"] if award else {}
        #: entry's id -> dataset -> rank
        self.ranks: Dict[str, Dict[str, int]] = {}
        for dataset, ranking in self.rankings.items():
            for row in ranking:
                self.ranks.setdefault(row["entry"], {})[dataset] = row["rank"]
        #: (entry's id, dataset) -> key on the site
        self.keys: Dict[Tuple[str, str], str] = {}

    # ---- entries ------------------------------------------------------------------------------

    def public(self, one: Facts) -> Entry:
        """An entry under its team's name, with all that it says of itself."""
        own = self.scores.get(one["store_name"] or "", {})
        stored = self.stored.get(one["store_name"] or "")
        links = {"paper": link_of(one["publication"]), "code": link_of(one["project"])}
        links = {what: address for what, address in links.items() if address}
        method = text_of(one["method"], MOST_OF_NAME)
        said, key = one["code_released"], text_of(one["id"], MOST_OF_NAME)
        for dataset in self.suite.datasets:
            self.keys[one["id"], dataset.name] = key
        return Entry(
            key=key,
            team=self.names.of_entry(one["id"]),
            method=method,
            links=links,
            kind="ensemble" if "ensemble" in method.casefold() else "unknown",
            is_code_open=True if "code" in links else said,
            submitted_at=one["submitted_at"] or "",
            description=text_of(one["description"]),
            notes=tuple(text_of(note) for note in (stored.notes if stored else ())),
            scores=self._cells(own),
            left_out={
                key: text_of(score.left_out)
                for key, score in own.items()
                if score.value is None and score.left_out
            },
            ranks=self.ranks.get(one["id"], {}),
            remark=short(one["reasons"]),
            origin=f"scored here, by rules {stored.rules_version}" if stored else "",
            receipt=(
                public_receipt(stored.receipt, self.phase) if stored and stored.receipt else None
            ),
        )

    def anonymous(self, private: Sequence[Facts]) -> Iterator[Entry]:
        """One entry for each anonymous team, and one for what does not count of it.

        On each board it has the scores of the team's best. What has no rank on a board that ranks
        is left out, and so is what counts of a team that is public elsewhere: it would be known by
        who is missing.
        """
        teams: Dict[Tuple[str, bool], List[Facts]] = {}
        for one in private:
            if not (one["counts"] and self.names.is_public(one["team"])):
                name = self.names.of_entry(one["id"])
                teams.setdefault((name, one["counts"]), []).append(one)
        for (name, counts), members in sorted(teams.items()):
            key = name.lower().replace(" ", "-") + ("" if counts else "-not-counting")
            scores: Dict[ScoreKey, Cell] = {}
            ranks: Dict[str, int] = {}
            for dataset in self.suite.datasets:
                for width in self.suite.bin_widths(dataset):
                    best = self._best(members, dataset, width)
                    if best is None:
                        continue
                    scores.update(self._cells(self._own(best), dataset.name, width))
                    rank = self.ranks.get(best["id"], {}).get(dataset.name)
                    if rank is not None and width == self.bin_width_ms:
                        ranks[dataset.name] = rank
                        self.keys[best["id"], dataset.name] = key
            reasons = list(dict.fromkeys(short(one["reasons"]) for one in members))
            yield Entry(
                key,
                name,
                scores=scores,
                ranks=ranks,
                remark="" if counts else ", ".join(reasons),
                is_anonymous=True,
            )

    def _own(self, one: Facts) -> Scores:
        return self.scores.get(one["store_name"] or "", {})

    def _best(self, members: Sequence[Facts], dataset: Dataset, width: int) -> Optional[Facts]:
        main = main_metric(dataset, self.metric)
        is_ranked = dataset.name in self.rankings and width == self.bin_width_ms

        def order(one: Facts) -> float:
            score = self._own(one).get((dataset.name, width, main.key))
            if score is None or score.value is None:
                return float("-inf")
            return score.value if main.higher_is_better() else -score.value

        fitting = [
            one
            for one in members
            if any(key[:2] == (dataset.name, width) for key in self._cells(self._own(one)))
        ]
        if is_ranked:
            fitting = [
                one
                for one in fitting
                if not one["counts"]
                or order(one) == float("-inf")
                or dataset.name in self.ranks.get(one["id"], {})
            ]
        return max(fitting, key=order, default=None)

    def _cells(
        self, scores: Scores, dataset: Optional[str] = None, width: Optional[int] = None
    ) -> Dict[ScoreKey, Cell]:
        return {
            key: cell_of(score.value, score.standard_error, self.phase)
            for key, score in scores.items()
            if score.value is not None and (dataset is None or key[:2] == (dataset, width))
        }

    # ---- neighbors ----------------------------------------------------------------------------

    def comparisons(self) -> Iterator[Comparison]:
        """Those of the award; without one, those of all neighbors on each board."""
        for name, ranking in self.rankings.items():
            for row, following in zip(ranking, ranking[1:]):
                pair = [self.keys.get((one["entry"], name)) for one in (row, following)]
                lead = row["lead"]
                if lead is None or lead["standard_error"] is None or None in pair:
                    continue
                yield Comparison(
                    name,
                    self.bin_width_ms,
                    str(pair[0]),
                    str(pair[1]),
                    round(lead["difference"], _DECIMALS),
                    round(lead["standard_error"], _DECIMALS),
                    lead["clear"],
                )
        if not self.award:
            for dataset, width in self.suite.groups().values():
                yield from self._neighbors(dataset, width)

    def _neighbors(self, dataset: Dataset, width: int) -> Iterator[Comparison]:
        main = self.suite.ranked_by
        values = {
            name: score.value
            for name, scores in self.scores.items()
            for score in [scores.get((dataset.name, width, main.key))]
            if score is not None and score.value is not None
        }
        ordered = list(competition_ranks(values, main.higher_is_better()))
        for pair in zip(ordered, ordered[1:]):
            a, b = (self.stored[name] for name in pair)
            keys = [self.keys.get((name, dataset.name)) for name in pair]
            lead = stored_difference(self.store, dataset, width, a, b)
            if lead is None or None in keys:
                continue
            if lead.standard_error is not None and lead.p_value is not None:
                yield Comparison(
                    dataset.name,
                    width,
                    str(keys[0]),
                    str(keys[1]),
                    round(lead.difference, _DECIMALS),
                    round(lead.standard_error, _DECIMALS),
                    lead.p_value < _LEVEL,
                )


def main_metric(dataset: Dataset, wanted: str) -> MetricType:
    """The metric that orders a dataset's board: the one that is wanted, if the dataset has it."""
    return next((one for one in dataset.metrics if one.key == wanted), dataset.metrics[0])


def _in_words(found: Mapping[str, Any], rules: Optional[Facts]) -> Dict[str, str]:
    failed = f", {found['failed']} could not be scored" if found["failed"] else ""
    software = [f"{name} {version}" for name, version in found["software"].items() if version]
    words = {
        "Submissions": f"{found['scored']} scored{failed}",
        "Scoring rules": ", ".join(found["rules_versions"]),
        "Rules of the prizes": f"{rules['name']} {rules['version']}" if rules else "",
        "Deadline": str(rules["deadline"]) if rules else "",
        "Ground truth (SHA-256)": ", ".join(found["truths"]),
        "Scored with": ", ".join(software),
    }
    return {label: text for label, text in words.items() if text}

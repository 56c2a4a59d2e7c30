"""A store of many simulated teams, and an export that names them, without scoring anything."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Dict, List, Mapping, Sequence, Tuple

import numpy as np
from click.testing import CliRunner

from evaluation_script.scorecard import GroupScores, Score, Scorecard
from evaluation_script.suites import DEFAULT_SUITE
from nlb_evalai.cli.award import award as award_command
from nlb_evalai.competition.batch.task import SCORED, Outcome, Source
from nlb_evalai.competition.store import Store
from tests.nlb_evalai.competition.conftest import of_csv

PHASE, TRIALS = "test", 60
HEADER = (
    "id", "Team Name", "Challenge Phase", "Status", "Submitted File", "Submitted At",
    "Method Name", "Method Description", "Publication URL", "Project URL",
    "Submission Meta Attributes",
)  # fmt: skip
CODE = '[{"name": "Code will be released", "value": true}]'


def fill(store: Path, count: int, wanted: Sequence[str] = tuple(DEFAULT_SUITE.groups())) -> None:
    """A submission of each team on every dataset; neighbors are close, as on real boards."""
    random = np.random.default_rng(0)
    groups = [
        (group, dataset, width)
        for group, (dataset, width) in DEFAULT_SUITE.groups().items()
        if group in wanted
    ]
    spikes = {group: random.poisson(80, TRIALS).astype(float) for group, _, _ in groups}
    shared = {group: random.normal(0, 5, TRIALS) for group, _, _ in groups}
    with Store(store, suite=DEFAULT_SUITE.name, write=True) as opened:
        for i in range(count):
            card = Scorecard(DEFAULT_SUITE.name, DEFAULT_SUITE.phase(PHASE))
            skill = random.normal(0, 0.05)
            for group, dataset, width in groups:
                n = spikes[group]
                value = 0.25 + skill + random.normal(0, 0.02)
                nats = value * n * np.log(2) + shared[group] + random.normal(0, 0.5, TRIALS)
                scores = {
                    metric.key: Score(0.5 + skill + random.normal(0, 0.05), 0.0123)
                    for metric in dataset.metrics
                }
                trials = {"log_likelihood": nats, "spikes": n}
                main = DEFAULT_SUITE.ranked_by.key
                scores[main] = Score(float(nats.sum() / n.sum() / np.log(2)), 0.0057)
                card.groups[group] = GroupScores(
                    group, dataset.name, width, scores, per_trial={main: trials}
                )
            card.receipt = _receipt(card, i)
            outcome = Outcome(Source(str(i + 1)), SCORED, f"hash {i + 1}", card)
            opened.add(outcome, PHASE, "truth", "1.1")


def _receipt(card: Scorecard, i: int) -> Dict[str, Any]:
    return {
        "schema": "nlb-evalai/receipt/1",
        "suite": card.suite,
        "rules_version": "1.1",
        "phase": PHASE,
        "created_at": "2022-04-05T00:00:00+00:00",
        "files": {"submission": {"sha256": f"{i:064x}", "bytes": 1000 + i}},
        "groups": {
            name: {
                "dataset": group.dataset,
                "bin_width_ms": group.bin_width_ms,
                "seconds": 1.0,
                "scores": {
                    key: {"value": one.value, "standard_error": one.standard_error}
                    for key, one in group.scores.items()
                },
                "left_out": {},
            }
            for name, group in card.groups.items()
        },
        "seconds": 1.0,
        "peak_memory_mib": {"scorer": 123, "reader": 45},
        "versions": {"python": "3.9.1", "numpy": "1.26", "platform": "Linux-secret-host"},
    }


def export(path: Path, count: int, names: Mapping[int, str] = {}) -> Path:
    """EvalAI's export of the teams; ``names`` gives those of some, who use them everywhere."""
    rows: List[Tuple[Any, ...]] = [HEADER]
    for i in range(count):
        name = names.get(i, f"Team {i + 1:03d}")
        when = f"2022-{1 + i % 3:02d}-{1 + i % 28:02d}T12:00:00+00:00"
        method = names.get(i, f"model {i + 1}" + (" [Ensemble]" if i % 4 == 0 else ""))
        about = names.get(i, "A model of everything.")
        links = ("https://example.org/paper", "https://example.org/code" if i % 3 else "")
        rows.append((str(i + 1), name, "Test", "finished", "", when, method, about, *links, CODE))
    return of_csv(path, rows)


def award(store: Path, count: int, private: Sequence[int] = ()) -> Path:
    """Decide the teams' award, with two judges on the first five; returns its folder."""
    folder = store.parent
    entries = export(folder / "entries.csv", count)
    visibility = [("id", "visibility")]
    visibility += [(str(i + 1), "private" if i in private else "public") for i in range(count)]
    judges = [("team", "judge", "criterion", "score")] + [
        (f"Team {i + 1:03d}", judge, "interpretability", (3 * i + shift) % 10)
        for i in range(min(count, 5))
        for shift, judge in enumerate(("one", "two"))
    ]
    of_csv(folder / "visibility.csv", visibility)
    of_csv(folder / "judges.csv", judges)
    arguments = ["--store", store, "--entries", entries, "--out", folder / "award"]
    for name in ("visibility", "judges"):
        arguments += [f"--{name}", folder / f"{name}.csv"]
    result = CliRunner().invoke(award_command, list(map(str, arguments)), catch_exceptions=False)
    assert result.exit_code == 0, result.output
    return folder / "award"

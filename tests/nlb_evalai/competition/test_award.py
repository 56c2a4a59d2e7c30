"""A written scenario with ties, late, private, withdrawn and organizer entries; and bad input."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, Dict, List, Mapping, Tuple

import jsonschema
import numpy as np
import pytest
from click.testing import CliRunner

from evaluation_script.scorecard import GroupScores, Score, Scorecard
from evaluation_script.suites import DEFAULT_SUITE
from nlb_evalai.cli.award import award as award_command
from nlb_evalai.competition.award import decide
from nlb_evalai.competition.award.decisions import read_judges, read_overrides
from nlb_evalai.competition.award.export import Entry, parse_time, read_export
from nlb_evalai.competition.award.rulebook import RulesError, load_rules, rules_of
from nlb_evalai.competition.batch.task import FAILED, SCORED, Outcome, Source
from nlb_evalai.competition.store import Store
from nlb_evalai.errors import ToolError
from nlb_evalai.tables import TableError
from tests.nlb_evalai.competition.conftest import of_csv

DEFAULT_RULES = rules_of(DEFAULT_SUITE)
HEADER = (
    "id", "Team Name", "Team Members", "Team Members Email Id", "Challenge Phase", "Status",
    "Submitted File", "Submitted At", "Method Name", "Publication URL", "Project URL",
    "Submission Meta Attributes",
)  # fmt: skip
IN_TIME, LATE = "2022-04-04T11:59:59.999999+00:00", "2022-04-04T12:00:00+00:00"
CODE = '[{"name": "Code will be released", "value": true}]'
LARGE, MEDIUM, SMALL = "mc_maze_large", "mc_maze_medium", "mc_maze_small"

#: id -> team, when, attributes, paper, co-bps by dataset
ENTRIES: Dict[str, Tuple[str, str, str, str, Mapping[str, float]]] = {
    "1": ("Ants", IN_TIME, CODE, "https://a.org/1", {"mc_maze": 0.30, "mc_rtt": 0.20, LARGE: 0.3}),
    "2": ("Ants", IN_TIME, CODE, "", {"mc_maze": 0.35, MEDIUM: 0.2, SMALL: 0.1}),
    "3": ("Bees", IN_TIME, CODE, "https://b.org/3", {"mc_maze": 0.35, LARGE: 0.2, MEDIUM: 0.3}),
    "4": ("Bees", IN_TIME, CODE, "", {SMALL: 0.2, "area2_bump": 0.1}),
    "5": ("Crabs", IN_TIME, CODE, "https://c.org/5", {"mc_rtt": 0.25, LARGE: 0.1, MEDIUM: 0.1}),
    "6": ("Doves", LATE, CODE, "https://d.org/6", {"mc_maze": 0.9, "dmfc_rsg": 0.9}),
    "7": ("Eels", IN_TIME, CODE, "https://e.org/7", {"mc_maze": 0.8}),
    "8": ("Foxes", IN_TIME, CODE, "https://f.org/8", {"mc_maze": 0.7, "area2_bump": 0.7}),
    "9": ("Gnats", IN_TIME, "[]", "https://g.org/9", {"mc_maze": 0.6, "dmfc_rsg": 0.5}),
    "10": ("Hares", IN_TIME, "[]", "", {"dmfc_rsg": 0.4}),
}
OVERRIDES = [
    ("id", "team", "action", "reason"),
    ("7", "", "withdrawn", "asked on 2 April"),
    ("", "Foxes", "organizer", "on the committee"),
    ("5", "", "private", "asked for it"),
    ("", "Hares", "code released", "mail of 1 April"),
]
JUDGES = [("team", "judge", "criterion", "score")] + [
    (team, judge, "usability", score)
    for judge, scores in (("one", (9, 9, 3, 10)), ("two", (6, 6, 2, 10)))
    for team, score in zip(("Ants", "Bees", "Crabs", "Doves"), scores)
]


def fill(path: Path) -> None:
    """A store with the scores above; Ants and Bees tie on mc_maze, nearly even on trials."""
    with Store(path, suite=DEFAULT_SUITE.name, write=True) as store:
        for name, (*_, scores) in ENTRIES.items():
            card = Scorecard(DEFAULT_SUITE.name, DEFAULT_SUITE.phase("test"))
            for i, (dataset, value) in enumerate(scores.items()):
                trials = value * 80 * np.log(2) + np.sin(np.arange(20) * (i + int(name)))
                card.groups[dataset] = GroupScores(
                    dataset,
                    dataset,
                    5,
                    {"co-bps": Score(value, 0.01)},
                    per_trial={"co-bps": {"log_likelihood": trials, "spikes": np.full(20, 80.0)}},
                )
            outcome = Outcome(Source(name), SCORED, f"hash {name}", card)
            store.add(outcome, "test", "truth", "1.0")
        broken = Outcome(Source("11"), FAILED, "hash 11", kind="submission", error="rejected: x")
        store.add(broken, "test", "truth", "1.0")


def rows() -> List[Tuple[Any, ...]]:
    listed: List[Tuple[Any, ...]] = [HEADER]
    for name, (team, when, attributes, paper, _) in ENTRIES.items():
        facts = ("Test", "finished", "https://x.org/f.h5", when, f"model {name}", paper, "")
        listed.append((name, team, "P. Person", f"p{name}@x.org", *facts, attributes))
    facts = ("Test", "finished", "https://x.org/f.h5", IN_TIME, "", "", "")
    listed.append(("11", "Ants", "P. Person", "p@x.org", *facts, CODE))
    return listed


@pytest.fixture
def scenario(tmp_path: Path) -> Path:
    fill(tmp_path / "results.sqlite")
    of_csv(tmp_path / "entries.csv", rows())
    of_csv(tmp_path / "overrides.csv", OVERRIDES)
    of_csv(tmp_path / "judges.csv", JUDGES)
    return tmp_path


def run(folder: Path, *more: str) -> Any:
    """Decide the scenario; without further options every entry is public that no override hides."""
    arguments = ["--store", str(folder / "results.sqlite"), "--out", str(folder / "award")]
    for name in ("entries", "overrides", "judges"):
        arguments += [f"--{name}", str(folder / f"{name}.csv")]
    arguments += more or ("--public-by-default",)
    return CliRunner().invoke(award_command, arguments, catch_exceptions=True)


def test_the_scenario_gives_exactly_these_prizes_with_reasons(scenario: Path) -> None:
    result = run(scenario)
    assert result.exit_code == 0, result.output
    found = json.loads((scenario / "award" / "award.json").read_text())
    schema = Path(decide.__file__).with_name("award-1.json")
    jsonschema.validate(found, json.loads(schema.read_text("utf-8")))
    won = {
        prize["key"]: {one["team"]: one["usd"] for one in prize["winners"]}
        for prize in found["prizes"]
    }
    assert won == {
        "mc_maze": {"Ants": 500, "Bees": 500},  # a tie; those above do not count
        "mc_rtt": {"Crabs": 1000},  # private, and wins all the same
        "area2_bump": {"Bees": 1000},  # the organizers' 0.7 cannot win
        "dmfc_rsg": {"Hares": 1000},  # late and unreleased ones are out; committed by mail
        "scaling": {"Bees": 1000},  # ranks 2, 1, 1 from two entries; Ants 1, 2, 2
        # Ants and Bees hold places 1 and 2 together: (2000 + 500) / 2
        "judges_1": {"Ants": 1250, "Bees": 1250},
        "judges_3": {"Crabs": 500},
    }
    scaling = next(prize for prize in found["prizes"] if prize["key"] == "scaling")
    assert {row["team"]: row["average"] for row in scaling["table"]} == {
        "Bees": "1 1/3",
        "Ants": "1 2/3",
    }
    assert scaling["incomplete"] == {"Crabs": [SMALL]}
    assert scaling["table"][0]["entries"] == {LARGE: "3", MEDIUM: "3", SMALL: "4"}
    out = {one["id"]: one["reasons"] for one in found["entries"] if not one["counts"]}
    assert out == {
        "6": ["late: submitted 2022-04-04 12:00:00 UTC, less than 1 s after the deadline"],
        "7": ["withdrawn: asked on 2 April"],
        "8": ["organizers cannot win: on the committee"],
        "9": ["no commitment to release the code"],
        "11": ["could not be scored: rejected: x"],
    }
    assert found["judging"]["left_out"].keys() == {"Doves"}
    ranks = {row["team"]: row["rank"] for row in found["rankings"]["mc_maze"]}
    assert ranks == {"Ants": 1, "Bees": 1}
    assert found["rankings"]["mc_maze"][0]["entry"] == "2", "the team's better entry"


def test_every_prize_and_refusal_is_explained_in_words(scenario: Path) -> None:
    run(scenario)
    text = (scenario / "award" / "award.md").read_text()
    for words in (
        "MC_Maze, 1000 USD: Ants (500 USD), Bees (500 USD)",
        "2 teams tie at full precision: the prize is split",
        "rank 1 of 2 teams with 0.250000",
        "ahead of Ants: a real lead",
        "best average rank, 1 1/3, of 2 with all datasets",
        "1/3 ahead of Ants with 1 2/3",
        "Crabs is not ranked: nothing that counts on mc\\_maze\\_small",
        "Doves is left out before scores are made comparable",
        "code released: mail of 1 April",
    ):
        assert words in text, words
    everything = "".join(path.read_text() for path in (scenario / "award").iterdir())
    assert "@x.org" not in everything


def test_what_is_scored_but_not_exported_and_the_other_way_round_is_said(scenario: Path) -> None:
    listed = [row for row in rows() if row[0] != "3"]
    of_csv(scenario / "entries.csv", [*listed, ("12", *listed[1][1:])])
    result = run(scenario)
    assert result.exit_code == 0, result.output
    assert "scored, but not in the export, so not ranked: 3" in result.output
    assert "in the export, but not scored, so not ranked: 12" in result.output


def test_an_empty_store_is_an_error(scenario: Path, tmp_path: Path) -> None:
    (scenario / "results.sqlite").unlink()
    Store(scenario / "results.sqlite", suite=DEFAULT_SUITE.name, write=True).close()
    result = run(scenario)
    assert isinstance(result.exception, ToolError)
    assert "no submission of phase test; found nothing" in str(result.exception)


# ---- bad input --------------------------------------------------------------------------------


def test_an_export_with_renamed_columns_names_them_and_what_is_near(tmp_path: Path) -> None:
    path = of_csv(tmp_path / "e.csv", [("id", "Team Nmae", "When"), ("1", "x", "y")])
    with pytest.raises(TableError) as caught:
        read_export(path, ["Test"])
    assert caught.value.problems == [
        "column 'Team Name' is missing; found id, Team Nmae, When; did you mean Team Nmae?",
        "column 'Submitted At' is missing; found id, Team Nmae, When",
    ]


def test_every_faulty_row_of_an_export_is_named_at_once(tmp_path: Path) -> None:
    header = ("id", "Team Name", "Challenge Phase", "Submitted At")
    good = ("1", "Ants", "Test", IN_TIME)
    listed = [
        header, good, good,
        ("1", "Bees", "Test", IN_TIME),
        ("2", "Bees", "Test", "soon"),
        ("", "Bees", "Test", IN_TIME),
        ("3", "", "Test", IN_TIME),
        ("4", "Bees", "Test"),
        ("5", "Bees", "Validation", "soon"),
    ]  # fmt: skip
    with pytest.raises(TableError) as caught:
        read_export(of_csv(tmp_path / "e.csv", listed), ["Test"])
    lines = [problem.split(":")[0] for problem in caught.value.problems]
    assert sorted(lines) == ["line 4", "line 5", "line 6", "line 7", "line 8"]
    fine = read_export(of_csv(tmp_path / "f.csv", [*listed[:3], listed[-1]]), ["test"])
    assert [entry.id for entry in fine.entries] == ["1"]
    assert any("the same; counted once" in text for text in fine.warnings)
    assert any("1 of 'Validation'" in text for text in fine.warnings)


def test_an_export_of_another_phase_is_an_error(tmp_path: Path) -> None:
    listed = [("id", "Team Name", "Challenge Phase", "Submitted At"), ("1", "A", "Dev", IN_TIME)]
    with pytest.raises(TableError, match="no row of phase 'test' or 'Test'; found 1 of 'Dev'"):
        read_export(of_csv(tmp_path / "e.csv", listed), ["test", "Test"])


def test_columns_that_decide_who_counts_are_missed(scenario: Path) -> None:
    where = {name: HEADER.index(name) for name in ("Status", "Submission Meta Attributes")}
    cut = [[cell for i, cell in enumerate(row) if i not in where.values()] for row in rows()]
    of_csv(scenario / "entries.csv", cut)
    result = run(scenario)  # an override says that the Hares release theirs
    assert result.exit_code == 0, result.output
    for name in where:
        assert f"warning: entries.csv: no column {name!r}" in result.output
    of_csv(scenario / "overrides.csv", [row for row in OVERRIDES if row[1] != "Hares"])
    renamed = [(*row[:-1], str(row[-1]).replace("Code", "The code")) for row in rows()]
    for listed in (cut, renamed):
        of_csv(scenario / "entries.csv", listed)
        result = run(scenario)
        assert isinstance(result.exception, ToolError)
        assert "has no answer to 'Code will be released'" in str(result.exception)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("https://a.org/x y", ""),
        ("HTTP://a.org:8000/x?y#z", "HTTP://a.org:8000/x?y#z"),
        ("github.com/dave/model", "https://github.com/dave/model"),
        ("lab.edu", "https://lab.edu"),
        ("lab.edu:8000/x", "https://lab.edu:8000/x"),
        ("doi:10.1101/2021.01.16.426955", "https://doi.org/10.1101/2021.01.16.426955"),
        ("arXiv:2109.04463v2", "https://arxiv.org/abs/2109.04463v2"),
        ("https://www.npmjs.com/package/x@1.2.3", "https://www.npmjs.com/package/x@1.2.3"),
        ("https://lab.edu/?who=alice@lab.edu", ""),
        ("alice@lab.edu", ""),
        ("javascript:alert(1)", ""),
        ("soon", ""),
        ("n/a", ""),
    ],
)
def test_addresses_are_taken_as_people_write_them(tmp_path: Path, text: str, expected: str) -> None:
    header = ("id", "Team Name", "Challenge Phase", "Submitted At", "Project URL")
    listed = [header, ("1", "Ants", "Test", IN_TIME, text)]
    export = read_export(of_csv(tmp_path / "e.csv", listed), ["Test"])
    assert export.entries[0].project == expected
    said = f"e.csv: line 2: Project URL {text!r} is no web address; ignored"
    assert (said in export.warnings) == (not expected)


def test_judged_teams_that_cannot_win_and_places_without_a_team_are_said(scenario: Path) -> None:
    listed = [list(row) for row in rows()]
    for row in listed[1:]:
        row[9] = "soon"
    of_csv(scenario / "entries.csv", listed)
    result = run(scenario)
    assert result.exit_code == 0, result.output
    for team in ("Ants", "Bees", "Crabs"):
        said = f"warning: judged, but left out: {team}: no entry with a write-up or open code"
        assert said in result.output
    assert "Judges' choice: not given" in result.output
    assert result.output.count("Runner-up: not given") == 2
    assert "Judges' choice, 2000 USD: not given" in (scenario / "award" / "award.md").read_text()


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("2022-04-03T23:59:00-12:00", "2022-04-04T11:59:00+00:00"),
        ("2022-04-03 23:59:00-1200", "2022-04-04T11:59:00+00:00"),
        ("2022-04-03T21:15:00.5Z", "2022-04-03T21:15:00.500000+00:00"),
        ("2022-04-03T21:15:00.123456789+02:00", "2022-04-03T19:15:00.123456+00:00"),
        ("04/03/2022 21:15:00", "2022-04-03T21:15:00+00:00"),
        ("13/03/2022 21:15:00", None),
        ("yesterday", None),
    ],
)
def test_times_come_in_iso_and_in_american_form(text: str, expected: str) -> None:
    found = parse_time(text)
    assert (found and found.isoformat()) == expected


def test_overrides_and_judges_name_every_fault(tmp_path: Path) -> None:
    entries = [Entry("1", "Ants"), Entry("2", "Bees")]
    overrides = [
        ("id", "team", "action", "reason"),
        ("9", "", "withdrawn", "x"), ("", "Ant", "withdrawn", "x"), ("1", "", "withdraw", "x"),
        ("1", "", "private", ""), ("1", "Ants", "private", "x"),
    ]  # fmt: skip
    with pytest.raises(TableError) as caught:
        read_overrides(of_csv(tmp_path / "o.csv", overrides), entries)
    assert len(caught.value.problems) == 5
    assert "; did you mean Ants?" in str(caught.value)
    assert "; did you mean withdrawn?" in str(caught.value)
    judging = load_rules(DEFAULT_RULES, DEFAULT_SUITE).judging
    assert judging is not None
    judges = [
        ("team", "judge", "criterion", "score"),
        ("Ants", "one", "usability", "5"), ("Ants", "one", "usability", "6"),
        ("Cats", "one", "usability", "5"), ("Bees", "one", "usability", "11"),
        ("Bees", "two", "usability", "nan"), ("Bees", "one", "beauty", "5"),
        ("Bees", "", "accuracy", "5"),
    ]  # fmt: skip
    with pytest.raises(TableError) as caught:
        read_judges(of_csv(tmp_path / "j.csv", judges), judging, entries)
    assert len(caught.value.problems) == 6
    assert "found '11', expected 0 to 10" in str(caught.value)


def test_criteria_are_read_in_any_case_and_kept_as_the_rules_have_them(tmp_path: Path) -> None:
    text = DEFAULT_RULES.read_text()
    text = text.replace("interpretability, usability", "Interpretability, usability")
    text = text.replace("interpretability: interpretability", "interpretability: Interpretability")
    (tmp_path / "rules.yaml").write_text(text)
    judging = load_rules(tmp_path / "rules.yaml", DEFAULT_SUITE).judging
    assert judging is not None
    header = ("team", "judge", "criterion", "score")
    judges = [header, ("Ants", "one", "interpretability", "5"), ("Ants", "one", "Usability", "6")]
    path = of_csv(tmp_path / "j.csv", judges)
    scores, _ = read_judges(path, judging, [Entry("1", "Ants")])
    assert scores == {("Ants", "one", "Interpretability"): 5, ("Ants", "one", "usability"): 6}


def test_a_rules_file_that_contradicts_the_suite_names_every_fault(tmp_path: Path) -> None:
    text = DEFAULT_RULES.read_text()
    text = text.replace("suite: nlb21", "suite: nlb22").replace("[mc_rtt]", "[mc_rtx]")
    (tmp_path / "rules.yaml").write_text(text)
    with pytest.raises(RulesError, match="2 problem") as caught:
        load_rules(tmp_path / "rules.yaml", DEFAULT_SUITE)
    assert "found 'nlb22'" in str(caught.value)
    assert "found 'mc_rtx'" in str(caught.value)
    twice = DEFAULT_RULES.read_text().replace("usability", "Accuracy")
    (tmp_path / "rules.yaml").write_text(twice)
    with pytest.raises(RulesError, match="judging/criteria: two differ in nothing but case"):
        load_rules(tmp_path / "rules.yaml", DEFAULT_SUITE)
    (tmp_path / "rules.yaml").write_text(text.replace("usd: 1000", "usd: lots", 1))
    with pytest.raises(RulesError, match="'lots' is not of type 'number'"):
        load_rules(tmp_path / "rules.yaml", DEFAULT_SUITE)

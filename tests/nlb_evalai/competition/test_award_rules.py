"""Each rule that decides about money, alone: who can win, how much, and what is a real lead."""

from __future__ import annotations

import importlib.util
import json
import shutil
from fractions import Fraction
from pathlib import Path
from typing import Any, Dict, List, Mapping, Sequence

import numpy as np
import pytest
import yaml
from click.testing import CliRunner
from hypothesis import given, settings
from hypothesis import strategies as st

from evaluation_script.scorecard import GroupScores, Score, Scorecard
from evaluation_script.suites import DEFAULT_SUITE
from nlb_evalai.cli.award import award as award_command
from nlb_evalai.competition.award.ranking import to_the_cent
from nlb_evalai.competition.award.rulebook import RulesError, load_rules, rules_of
from nlb_evalai.competition.batch.task import SCORED, Outcome, Source
from nlb_evalai.competition.store import Store
from tests.nlb_evalai.competition.conftest import of_csv
from tests.paths import DATA, ROOT

RULES = rules_of(DEFAULT_SUITE)
EARLIER = RULES.parent / "earlier" / "nlb21_phase2-1.0.yaml"
LARGE, MEDIUM, SMALL = "mc_maze_large", "mc_maze_medium", "mc_maze_small"
CODE = '[{"name": "Code will be released", "value": true}]'
WHEN = "2022-04-01T12:00:00Z"
HEADER = (
    "id", "Team Name", "Team Members", "Team Members Email Id", "Challenge Phase", "Status",
    "Submitted At", "Project URL", "Submission Meta Attributes",
)  # fmt: skip


class Competition:
    """Entries with written scores, and the award by some rules."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.rows: List[Dict[str, str]] = []
        self.out = ""
        self.store = Store(folder / "results.sqlite", suite=DEFAULT_SUITE.name, write=True)

    def enter(self, team: str, scores: Mapping[str, Any], sha256: str = "", **cells: str) -> None:
        """An entry of a team: dataset -> score, or the log-likelihoods of its trials."""
        name = str(len(self.rows) + 1)
        card = Scorecard(DEFAULT_SUITE.name, DEFAULT_SUITE.phase("test"))
        for dataset, given_ in scores.items():
            nats = np.asarray(given_, float)
            spikes = np.full(max(nats.size, 2), 80.0)
            trials = nats if nats.ndim else np.full(2, given_ * 80 * np.log(2))
            value = float(trials.sum() / spikes.sum() / np.log(2))
            card.groups[dataset] = GroupScores(
                dataset, dataset, 5, {"co-bps": Score(value if nats.ndim else given_, 0.01)},
                per_trial={"co-bps": {"log_likelihood": trials, "spikes": spikes}},
            )  # fmt: skip
        outcome = Outcome(Source(name), SCORED, sha256 or f"hash {name}", card)
        self.store.add(outcome, "test", "truth", "1.0")
        facts = ("", "", "Test", "finished", WHEN, "https://x.org", CODE)
        row = dict(zip(HEADER, (name, team, *facts)))
        self.rows.append({**row, **{key.replace("_", " "): cell for key, cell in cells.items()}})

    def decide(self, *options: str, rules: Path = RULES, **tables: Sequence[Any]) -> Dict[str, Any]:
        """The award, of tables given as rows under their option's name."""
        self.store.close()
        of_csv(self.folder / "entries.csv", [HEADER, *(tuple(row.values()) for row in self.rows)])
        arguments = ["--store", str(self.store.path), "--out", str(self.folder / "award")]
        for name, rows in {"entries": [], **tables}.items():
            path = self.folder / f"{name}.csv"
            if rows:
                of_csv(path, rows)
            arguments += [f"--{name}", str(path)]
        arguments += ["--rules", str(rules), *options]
        result = CliRunner().invoke(award_command, arguments)
        self.out = result.output
        assert result.exit_code == 0, result.exception or result.output
        found: Dict[str, Any] = json.loads(
            (self.folder / "award" / "award.json").read_text("utf-8")
        )
        return found


@pytest.fixture
def competition(tmp_path: Path) -> Competition:
    return Competition(tmp_path)


def won(award: Mapping[str, Any], key: str) -> Dict[str, float]:
    prize = next(one for one in award["prizes"] if one["key"] == key)
    return {one["team"]: one["usd"] for one in prize["winners"]}


def changed(folder: Path, **changes: Any) -> Path:
    """The current rules with other values at some top-level keys."""
    path = folder / "rules.yaml"
    rules = yaml.safe_load(RULES.read_text("utf-8"))
    path.write_text(yaml.safe_dump({**rules, **changes}), "utf-8")
    return path


# ---- the rules of before ----------------------------------------------------------------------


def test_the_rules_of_before_still_give_the_award_of_before_byte_for_byte(tmp_path: Path) -> None:
    old = DATA / "old" / "scenario"
    store = shutil.copyfile(old / "results.sqlite", tmp_path / "results.sqlite")
    arguments = ["--store", str(store), "--out", str(tmp_path / "award"), "--rules", str(EARLIER)]
    for name in ("entries", "overrides", "judges"):
        arguments += [f"--{name}", str(old / f"{name}.csv")]
    result = CliRunner().invoke(award_command, arguments)
    assert result.exit_code == 0, result.output
    for name in ("award.json", "award.md", "ranks.csv"):
        was, found = (old / "award" / name).read_bytes(), (tmp_path / "award" / name).read_bytes()
        assert found == was, name


# ---- who wins ---------------------------------------------------------------------------------


def scaling(competition: Competition, rules: Path) -> Dict[str, Any]:
    """Bees are better on two of three; two puppets on the third come between the two teams."""
    competition.enter("Ants", {LARGE: 0.3, MEDIUM: 0.2, SMALL: 0.2})
    competition.enter("Bees", {LARGE: 0.2, MEDIUM: 0.3, SMALL: 0.3})
    for team, value in (("Puppets", 0.25), ("Poppets", 0.24)):
        competition.enter(team, {LARGE: value})
    return competition.decide(rules=rules)


def test_teams_without_all_datasets_shift_no_average(competition: Competition) -> None:
    found = scaling(competition, RULES)
    assert won(found, "scaling") == {"Bees": 1000}
    prize = next(one for one in found["prizes"] if one["key"] == "scaling")
    assert {row["team"]: row["ranks"] for row in prize["table"]} == {
        "Bees": {LARGE: 2, MEDIUM: 1, SMALL: 1},
        "Ants": {LARGE: 1, MEDIUM: 2, SMALL: 2},
    }
    assert prize["incomplete"].keys() == {"Puppets", "Poppets"}


def test_by_the_rules_of_before_two_puppets_turn_the_winner_around(
    competition: Competition,
) -> None:
    assert won(scaling(competition, EARLIER), "scaling") == {"Ants": 1000}


def test_a_winner_beats_the_null_model(competition: Competition, tmp_path: Path) -> None:
    competition.enter("Ants", {"mc_maze": -0.01, LARGE: 0.3, MEDIUM: 0.3, SMALL: 0.0})
    competition.enter("Bees", {"mc_maze": -0.02, LARGE: 0.2, MEDIUM: 0.2, SMALL: 0.0001})
    found = competition.decide("--public-by-default")
    assert won(found, "mc_maze") == {}
    assert "Ants is first with -0.010000, no better than 0: the prize is not given" in (
        competition.out
    )
    assert won(found, "scaling") == {"Bees": 1000}
    assert "Ants with 1 1/3 cannot win: no better than 0 on mc_maze_small" in competition.out
    other = competition.decide("--public-by-default", rules=EARLIER)
    assert won(other, "mc_maze") == won(other, "scaling") == {"Ants": 1000}


def test_only_finished_entries_count(competition: Competition) -> None:
    for team, status in (
        ("Ants", "failed"),
        ("Bees", ""),
        ("Crabs", "Finished"),
        ("D", "cancelled"),
    ):
        competition.enter(team, {"mc_maze": 0.3}, Status=status)
    found = competition.decide()
    assert {one["team"]: one["reasons"] for one in found["entries"]} == {
        "Ants": ["not finished on EvalAI: status failed"],
        "Bees": ["not finished on EvalAI: status empty"],
        "Crabs": [],
        "D": ["cancelled on EvalAI"],
    }
    assert won(found, "mc_maze") == {"Crabs": 1000}


def test_what_was_not_reproduced_does_not_count_and_a_rule_may_ask_for_it(
    competition: Competition, tmp_path: Path
) -> None:
    for team, value in (("Ants", 0.3), ("Bees", 0.2), ("Crabs", 0.1)):
        competition.enter(team, {"mc_maze": value})
    said = [
        ("team", "action", "reason"),
        ("Ants", "not reproduced", "0.21 on our machine"), ("Crabs", "Reproduced", "equal"),
    ]  # fmt: skip
    found = competition.decide(overrides=said)
    assert won(found, "mc_maze") == {"Bees": 1000}
    one, _, three = found["entries"]
    assert one["reasons"] == ["not reproduced: 0.21 on our machine"]
    assert three["remarks"][-1] == "reproduced: equal"
    strict = changed(tmp_path, not_counting=["not yet reproduced"])
    assert won(competition.decide(overrides=said, rules=strict), "mc_maze") == {"Crabs": 1000}


# ---- shares -----------------------------------------------------------------------------------


def test_shares_add_up_to_the_prize_and_the_earliest_gets_the_odd_cent(
    competition: Competition,
) -> None:
    for team, day in (("Ants", 3), ("Bees", 1), ("Crabs", 2)):
        when = f"2022-04-0{day}T12:00:00Z"
        competition.enter(team, {"mc_maze": 0.3, "mc_rtt": 0.1}, Submitted_At=when)
    judges = [("team", "judge", "criterion", "score")]
    judges += [(team, "one", "usability", 5) for team in ("Ants", "Bees", "Crabs")]
    found = competition.decide(judges=judges)
    third = {"Ants": 333.33, "Bees": 333.34, "Crabs": 333.33}
    assert won(found, "mc_maze") == won(found, "mc_rtt") == third
    assert won(found, "judges_1") == dict.fromkeys(third, 1000)
    old = competition.decide("--public-by-default", rules=EARLIER)
    assert sum(won(old, "mc_maze").values()) == pytest.approx(999.99)


@settings(max_examples=50, deadline=None)
@given(
    st.integers(0, 1_000_000),
    st.lists(st.integers(1, 9), min_size=1, max_size=9),
    st.randoms(use_true_random=False),
)
def test_whole_cents_keep_the_sum_and_stay_within_a_cent(
    cents: int, weights: List[int], random: Any
) -> None:
    exact = {str(i): Fraction(cents, 100) * one / sum(weights) for i, one in enumerate(weights)}
    order = sorted(exact)
    random.shuffle(order)
    found = to_the_cent(exact, order)
    assert sum(found.values()) == Fraction(cents, 100)
    assert all(abs(found[key] - exact[key]) < Fraction(1, 100) for key in exact)
    assert all((one * 100).denominator == 1 for one in found.values())
    for first, second in zip(order, order[1:]):
        assert exact[first] != exact[second] or found[first] >= found[second]


# ---- a real lead ------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def simulation() -> Any:
    path = ROOT / "benchmarks" / "real_lead.py"
    spec = importlib.util.spec_from_file_location("real_lead", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_of_equal_teams_none_has_a_real_lead_in_more_than_three_percent(simulation: Any) -> None:
    assert load_rules(RULES, DEFAULT_SUITE).lead_level == simulation.LEVEL
    for sizes, alike in (((1, 1), 0.5), ((5, 1), 0.5), ((20, 1), 0.0), ((20, 20), 0.95)):
        shares = simulation.shares(1, 600, sizes, alike, n_trials=60)
        assert sum(shares[simulation.NOW]) <= 0.03, (sizes, shares)
        if sizes == (20, 1):
            assert shares[simulation.BEFORE][0] > 0.15
    for sizes in ((1, 1), (5, 1), (20, 20)):
        shares = simulation.shares(2, 50, sizes, 0.5, ahead=5.0, n_trials=60)
        assert shares[simulation.NOW][0] > 0.8, sizes


def test_a_lead_of_one_entry_of_many_is_corrected_for_them(competition: Competition) -> None:
    rng = np.random.default_rng(0)
    base = rng.normal(300, 30, 100)

    def gain(z: float) -> np.ndarray:
        noise = rng.normal(0, 1, 100)
        noise = (noise - noise.mean()) / noise.std(ddof=1)
        return base + noise + z / np.sqrt(100)

    lead = gain(2.6)
    for dataset, extra in (("mc_maze", 0), ("area2_bump", 9)):
        competition.enter("Ants", {dataset: lead})
        for _ in range(extra):
            competition.enter("Ants", {dataset: lead - 1 + rng.normal(0, 0.1, 100)})
        competition.enter("Bees", {dataset: base})
    competition.enter("Ants", {"area2_bump": lead - 1}, sha256="hash 3")  # the same file again
    found = competition.decide()
    one, many = (found["rankings"][name][0]["lead"] for name in ("mc_maze", "area2_bump"))
    assert (one["entries"], one["clear"]) == (1, True)
    assert (many["entries"], many["clear"]) == (10, False)
    assert many["p_value"] == pytest.approx(10 * one["p_value"])
    assert "the two cannot be told apart on these trials (p = 0.11, corrected for 10 entries)" in (
        competition.out
    )
    old = competition.decide("--public-by-default", rules=EARLIER)
    assert old["rankings"]["area2_bump"][0]["lead"]["clear"]


def test_trials_that_follow_each_other_are_left_out_in_blocks(competition: Competition) -> None:
    rng = np.random.default_rng(0)
    base = rng.normal(-300, 30, 100)
    drift = np.repeat(rng.normal(0.1, 1, 10), 10)
    for dataset in ("mc_maze", "mc_rtt"):
        competition.enter("Ants", {dataset: base + np.abs(drift)})
        competition.enter("Bees", {dataset: base})
    rankings = competition.decide()["rankings"]
    errors = {name: rankings[name][0]["lead"]["standard_error"] for name in ("mc_maze", "mc_rtt")}
    assert errors["mc_rtt"] > 2.5 * errors["mc_maze"]
    old = competition.decide("--public-by-default", rules=EARLIER)["rankings"]
    assert old["mc_rtt"][0]["lead"]["standard_error"] == pytest.approx(errors["mc_maze"])


def test_a_lead_must_hold_over_every_entry_of_the_next_team(competition: Competition) -> None:
    rng = np.random.default_rng(0)
    base = rng.normal(-300, 30, 100)
    competition.enter("Ants", {"mc_maze": base + 0.5})
    competition.enter("Bees", {"mc_maze": base + rng.normal(0, 0.01, 100)})
    noise = rng.normal(0, 40, 100)
    competition.enter("Bees", {"mc_maze": base - 1 + noise - noise.mean()})  # worse, but who knows
    lead = competition.decide()["rankings"]["mc_maze"][0]["lead"]
    assert lead["difference"] > 10 * lead["standard_error"]
    assert not lead["clear"]


def test_marks_of_neighbors_are_said_not_to_be_chained(competition: Competition) -> None:
    competition.enter("Ants", {"mc_maze": 0.3})
    competition.decide()
    words = (competition.folder / "award" / "award.md").read_text("utf-8")
    assert "is not to be chained" in words
    assert "two-sided at 2.5 %, corrected for the number of the team's own entries" in words


# ---- visibility -------------------------------------------------------------------------------


def test_what_nobody_called_public_counts_without_a_name(competition: Competition) -> None:
    for team, value in (("Ants", 0.4), ("Bees", 0.3), ("Crabs", 0.2), ("Doves", 0.1)):
        competition.enter(team, {"mc_maze": value})
    overrides = [("id", "action", "reason"), ("4", "public", "mail")]
    found = competition.decide(overrides=overrides)
    assert [one["private"] for one in found["entries"]] == [True, True, True, False]
    assert found["unlisted"] == ["1", "2", "3"]
    assert won(found, "mc_maze") == {"Ants": 1000}
    assert "id,visibility\n1,\n2,\n3,\n" in competition.out
    listed = [("id", "visibility"), ("1", "Public"), ("2", "private"), ("3", ""), ("4", "private")]
    found = competition.decide(overrides=overrides, visibility=listed)
    assert [one["private"] for one in found["entries"]] == [False, True, True, False]
    assert found["entries"][1]["remarks"] == ["private: the list of visibility says so"]
    assert found["unlisted"] == ["3"]
    found = competition.decide("--public-by-default", visibility=listed)
    assert [one["private"] for one in found["entries"]] == [False, True, False, True]
    assert "unlisted" not in found
    assert "id,visibility" not in competition.out


def test_a_faulty_list_of_visibility_names_every_fault(competition: Competition) -> None:
    competition.enter("Ants", {"mc_maze": 0.4})
    listed = [("id", "visibility"), ("1", "hidden"), ("1", "public"), ("1", "private")]
    with pytest.raises(AssertionError, match=r"(?s)found 'hidden'.*id 1 is both"):
        competition.decide(visibility=listed)
    with pytest.raises(AssertionError, match="none of its ids is in the export"):
        competition.decide(visibility=[("id", "visibility"), ("9", "public")])
    competition.decide(visibility=[("id", "visibility"), ("9", "private"), ("1", "public")])
    assert "visibility.csv: ids that are not in the export: 9" in competition.out


# ---- warnings ---------------------------------------------------------------------------------


def test_teams_that_may_be_one_are_warned_of_by_name(competition: Competition) -> None:
    members = {"Team_Members": "P. Person,q", "Team_Members_Email_Id": "p@x.org,q@x.org"}
    competition.enter("Café", {"mc_maze": 0.4}, sha256="one", **members)
    competition.enter("CAFE\u0301", {"mc_maze": 0.3}, sha256="two", Team_Members="P. PERSON")
    other = {"Team_Members": "Quentin", "Team_Members_Email_Id": "Q@x.org"}
    competition.enter("Bees", {"mc_maze": 0.2}, sha256="one", **other)
    warnings = competition.decide()["warnings"]
    assert "teams CAFE\u0301 and Café have names that people take for one" in " ".join(warnings)
    assert "one file (sha256 one) was submitted by 2 teams: Bees (3), Café (1)" in warnings
    people = [text for text in warnings if "of 2 teams" in text and "member" in text]
    assert people == [
        "P. PERSON and P. Person, who share a user name or an e-mail address, are members of 2 "
        "teams: CAFE\u0301, Café",
        "Quentin and q, who share a user name or an e-mail address, are members of 2 teams: Bees, "
        "Café",
    ]
    assert "x.org" not in " ".join(people)


def test_dates_that_read_two_ways_are_warned_of_and_what_they_decide(
    competition: Competition,
) -> None:
    for when in ("04/03/2022 21:15:00", "03/03/2022 21:15", "03/05/2022", WHEN):
        competition.enter("Ants", {"mc_maze": 0.4}, Submitted_At=when)
    assert (
        "2 dates can be read two ways and taken as month/day/year: entries 1, 3; as day/month/year "
        "the deadline would part otherwise: 3"
    ) in competition.decide()["warnings"]


def test_many_missing_answers_have_their_likely_reason(competition: Competition) -> None:
    for i in range(6):
        cell = {"Submission_Meta_Attributes": "[]"} if i % 2 else {}
        competition.enter(f"team {i}", {"mc_maze": 0.1}, **cell)
    [said] = [text for text in competition.decide()["warnings"] if "no answer" in text]
    assert said.startswith("3 of 6 entries have no answer to 'Code will be released': 2, 4, 6; ")
    assert "an upload tool that drops the form's answers" in said


def test_judges_who_compare_nothing_are_warned_of(competition: Competition) -> None:
    for team in ("Ants", "Bees", "Crabs", "Doves"):
        competition.enter(team, {"mc_maze": 0.1})
    judges = [("team", "judge", "criterion", "score")]
    seen = {"one": ("Ants", "Bees"), "two": ("Bees",), "three": ("Crabs", "Doves")}
    judges += [(team, judge, "usability", 5) for judge, teams in seen.items() for team in teams]
    warnings = competition.decide(judges=judges)["warnings"]
    assert (
        "judge two scored Bees alone on usability: with nothing to compare it counts as 0, the mean"
    ) in warnings
    [said] = [text for text in warnings if "panels" in text]
    assert "Ants, Bees by one, two" in said
    assert "Crabs, Doves by three" in said
    judges.append(("Crabs", "two", "usability", 6))
    joined = competition.decide(judges=judges)["warnings"]
    assert not any("panels" in text or "alone" in text for text in joined)


# ---- the rules file ---------------------------------------------------------------------------


def test_rules_that_contradict_themselves_name_every_fault(tmp_path: Path) -> None:
    maze = {"key": "a", "title": "A", "datasets": ["mc_maze", "mc_maze"], "usd": 0.005}
    rtt = {"key": "a", "title": "B", "datasets": ["mc_rtt"], "usd": float("inf")}
    third = {"key": "judges_3", "title": "C", "datasets": ["mc_rtt"], "usd": 0.1}
    with pytest.raises(RulesError) as caught:
        load_rules(changed(tmp_path, prizes=[maze, rtt, third]), DEFAULT_SUITE)
    assert caught.value.problems == [
        "prizes/0/datasets: mc_maze comes twice",
        "prizes/1/key: another prize has the key 'a' too",
        "prizes/2/key: another prize has the key 'judges_3' too",
        "prizes/0/usd: found 0.005, expected whole cents",
        "prizes/1/usd: found inf, expected whole cents",
    ]


def test_rules_of_an_unknown_schema_or_word_are_refused(tmp_path: Path) -> None:
    with pytest.raises(RulesError, match="'nlb-evalai/rules/2' was expected"):
        load_rules(changed(tmp_path, schema="nlb-evalai/rules/3"), DEFAULT_SUITE)
    with pytest.raises(RulesError, match=r"warn_of/0: 'weather' is not one of"):
        load_rules(changed(tmp_path, warn_of=["weather"]), DEFAULT_SUITE)
    text = EARLIER.read_text("utf-8").replace("[cancelled,", "[cancelled, unfinished,")
    (tmp_path / "old.yaml").write_text(text, "utf-8")
    with pytest.raises(RulesError, match="'unfinished' is not one of"):
        load_rules(tmp_path / "old.yaml", DEFAULT_SUITE)

"""The public report: complete, without private names, addresses, or anything from elsewhere."""

from __future__ import annotations

import csv
import io
import json
import re
from html.parser import HTMLParser
from pathlib import Path
from typing import Any, Dict, List, Optional, Tuple

import jsonschema
import pytest
from click.testing import CliRunner

from evaluation_script.scorecard import GroupScores, Score, Scorecard
from evaluation_script.suites import DEFAULT_SUITE
from nlb_evalai.cli.report import report as report_command
from nlb_evalai.competition import report
from nlb_evalai.competition.batch.task import SCORED, Outcome, Source
from nlb_evalai.competition.store import Store
from nlb_evalai.errors import ToolError
from tests.nlb_evalai.competition.conftest import N_GOOD, by_hand, of_csv
from tests.nlb_evalai.competition.test_award import fill, rows, run
from tests.nlb_evalai.competition.test_award import scenario as scenario  # a fixture

SCHEMA = Path(report.__file__).with_name("leaderboard-1.json")
FILES = ("report.html", "leaderboard.csv", "leaderboard.json", "leaderboard.md")


def write(folder: Path, *more: str) -> Dict[str, str]:
    out = folder / "public" / "report.html"
    arguments = ["--store", str(folder / "results.sqlite"), "--out", str(out), *more]
    result = CliRunner().invoke(report_command, arguments, catch_exceptions=False)
    assert result.exit_code == 0, result.output
    return {name: (out.parent / name).read_text(encoding="utf-8") for name in FILES}


@pytest.fixture
def published(scenario: Path) -> Dict[str, str]:
    judges = [("team", "judge", "criterion", "score")]
    judges += [(team, "one", "interpretability", n) for n, team in enumerate(("Ants", "Bees"), 3)]
    of_csv(scenario / "judges.csv", [*judges, ("Crabs", "one", "interpretability", 9)])
    assert run(scenario).exit_code == 0
    return write(scenario, "--award", str(scenario / "award"))


class Page(HTMLParser):
    """Tags in order, and cells by the table they are in."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: List[Tuple[str, Dict[str, Optional[str]]]] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: List[Tuple[str, Optional[str]]]) -> None:
        self.tags.append((tag, dict(attrs)))


def test_private_names_withdrawn_teams_and_addresses_are_nowhere(
    published: Dict[str, str],
) -> None:
    for name, text in published.items():
        for secret in ("Crabs", "model 5", "c.org", "Eels", "Person", "asked for it"):
            assert secret not in text, f"{name} holds {secret}"
        assert not re.search(r"[\w.]+@[\w-]+\.\w+", text), name
        assert "Anonymous 1" in text


def test_nothing_comes_from_elsewhere_and_every_image_has_words(
    published: Dict[str, str],
) -> None:
    page = Page(published["report.html"])
    images = [attributes for tag, attributes in page.tags if tag == "img"]
    assert len(images) > 4
    for image in images:
        assert (image["src"] or "").startswith("data:image/svg+xml;base64,")
        assert len(image["alt"] or "") > 40
    assert not {"script", "iframe", "object", "base"} & {tag for tag, _ in page.tags}
    for tag, attributes in page.tags:
        if tag not in ("a", "img"):
            for value in attributes.values():
                assert "//" not in (value or ""), tag
    assert "url(" not in published["report.html"].split("</style>")[0]
    headings = [int(tag[1]) for tag, _ in page.tags if re.fullmatch("h[1-6]", tag)]
    assert headings[0] == 1
    assert all(b - a <= 1 for a, b in zip(headings, headings[1:])), "no level is skipped"
    assert ("html", {"lang": "en"}) in page.tags


def test_every_row_is_on_the_page_and_in_the_tables(published: Dict[str, str]) -> None:
    jsonschema.validate(
        json.loads(published["leaderboard.json"]), json.loads(SCHEMA.read_text("utf-8"))
    )
    boards = json.loads(published["leaderboard.json"])["boards"]
    shown = re.findall(r'data-entry="(\w+)"', published["report.html"])
    named = [row["entry"] for board in boards for row in board["rows"] if row["entry"]]
    assert sorted(shown) == sorted(named)
    table = list(csv.DictReader(io.StringIO(published["leaderboard.csv"])))
    assert len(table) == sum(len(row["scores"]) for board in boards for row in board["rows"])
    maze = next(board for board in boards if board["dataset"] == "mc_maze")
    assert [(row["rank"], row["team"]) for row in maze["rows"]] == [
        (None, "Doves"), (None, "Foxes"), (None, "Gnats"), (1, "Ants"), (1, "Bees"),
    ]  # fmt: skip
    reasons = [row["reason"] for row in maze["rows"][:3]]
    assert reasons == ["late", "organizers cannot win", "no commitment to release the code"]
    for row in maze["rows"]:
        assert f"{row['scores']['co-bps']['value']:.4f}" in published["report.html"]
        assert row["team"] in published["leaderboard.md"]


def test_teams_named_by_e_mail_addresses_stay_apart_and_are_anonymous_to_all(
    scenario: Path,
) -> None:
    named = {"Ants": "alice@lab.edu", "Bees": "bob@lab.edu"}
    for name in ("entries", "judges"):
        path = scenario / f"{name}.csv"
        text = path.read_text("utf-8")
        for plain, address in named.items():
            text = text.replace(f'"{plain}"', f'"{address}"')
        path.write_text(text, "utf-8")
    result = run(scenario)
    assert result.exit_code == 0, result.output
    assert "team 'alice@lab.edu' has an e-mail address in its name" in result.output
    award = json.loads((scenario / "award" / "award.json").read_text("utf-8"))
    won = {one["key"]: [w["team"] for w in one["winners"]] for one in award["prizes"]}
    assert won["mc_maze"] == ["alice@lab.edu", "bob@lab.edu"]
    assert won["scaling"] == ["bob@lab.edu"]
    assert "alice@lab.edu (500 USD)" in (scenario / "award" / "award.md").read_text("utf-8")
    texts = write(scenario, "--award", str(scenario / "award"), "--changes")
    for name, text in texts.items():
        assert "@lab.edu" not in text, name
        assert "model 2" not in text, name
    boards = json.loads(texts["leaderboard.json"])["boards"]
    first = [row["team"] for row in boards[0]["rows"] if row["rank"] == 1]
    assert len(set(first)) == 2
    assert all(team.startswith("Anonymous ") for team in first)


def test_text_from_participants_stays_text(tmp_path: Path) -> None:
    fill(tmp_path / "results.sqlite")
    nasty = "<script>alert(1)</script>=1+1|x $y$"
    listed = [list(row) for row in rows()]
    for row in listed[1:]:
        row[1] = row[1] if row[0] != "1" else nasty
        row[9] = "javascript:alert(1)"
    listed[1][10] = "https://code.org/1"
    of_csv(tmp_path / "entries.csv", listed)
    of_csv(tmp_path / "overrides.csv", [("id", "action", "reason"), ("7", "withdrawn", "x")])
    judges = [("team", "judge", "criterion", "score"), (nasty, "one", "usability", 1)]
    of_csv(tmp_path / "judges.csv", judges)
    result = run(tmp_path)
    assert result.exit_code == 0, result.output
    texts = write(tmp_path, "--award", str(tmp_path / "award"))
    assert "<script" not in texts["report.html"]
    assert "&lt;script&gt;" in texts["report.html"]
    assert "javascript:" not in "".join(texts.values())
    assert 'href="https://code.org/1"' in texts["report.html"]
    assert "<script" not in texts["leaderboard.md"]


def published_with_private(folder: Path, name: str) -> Tuple[Dict[str, str], str]:
    """Hares own entries 9 and 10, whose order at 20 ms is the other way round; one is private."""
    listed = [list(row) for row in rows()]
    listed[9][1] = "Hares"
    of_csv(folder / "entries.csv", listed)
    overrides = [("id", "team", "action", "reason"), ("7", "", "withdrawn", "x")]
    overrides += [("", team, "organizer", "x") for team in ("Foxes", "Crabs")]
    overrides += [("", "Hares", "code released", "mail"), (name, "", "private", "asked")]
    of_csv(folder / "overrides.csv", overrides)
    judges = [("team", "judge", "criterion", "score"), ("Hares", "one", "interpretability", 5)]
    judges += [(team, "one", "interpretability", n) for n, team in enumerate(("Ants", "Bees"), 3)]
    of_csv(folder / "judges.csv", judges)
    with by_hand(folder / "results.sqlite") as db:
        db.execute(
            "INSERT INTO scores SELECT row_id, dataset, 20, metric, 1 - value, standard_error, "
            "left_out FROM scores"
        )
    result = run(folder)
    assert result.exit_code == 0, result.output
    return write(folder, "--award", str(folder / "award")), result.output


def test_a_private_entry_without_a_rank_leaves_its_team_named_and_is_not_shown(
    scenario: Path,
) -> None:
    texts, _ = published_with_private(scenario, "10")
    front = texts["report.html"].split('id="front"')[1].split("</section>")[0]
    assert "Hares" in front
    for name, text in texts.items():
        assert "Anonymous" not in text, name
    shown = re.findall(r'data-entry="(\w+)"', texts["report.html"])
    assert {"9", "10"} & set(shown) == {"9"}


def test_a_private_entry_with_a_rank_hides_its_team_in_all_that_counts(scenario: Path) -> None:
    texts, said = published_with_private(scenario, "2")  # Ants have ranks by entry 1 too
    assert "warning: team 'Ants' has a rank by a private entry: anonymous" in said
    assert "Ants" not in texts["report.html"].split('<section aria-labelledby="idle-title"')[0]
    for name in FILES[1:]:
        assert "Ants" not in texts[name], name
        assert "Anonymous 1" in texts[name], name


def score_again(folder: Path, name: str, value: float, hashed: str) -> None:
    """Score an entry's mc_maze anew; under the hash that it had, its row is changed in place."""
    card = Scorecard(DEFAULT_SUITE.name, DEFAULT_SUITE.phase("test"))
    card.groups["mc_maze"] = GroupScores("mc_maze", "mc_maze", 5, {"co-bps": Score(value, 0.01)})
    with Store(folder / "results.sqlite", suite=DEFAULT_SUITE.name, write=True) as store:
        store.add(Outcome(Source(name), SCORED, hashed, card), "test", "truth", "1.0")
    with by_hand(folder / "results.sqlite") as db:
        db.execute(
            "UPDATE scores SET value = ? WHERE dataset = 'mc_maze' AND row_id = "
            "(SELECT row_id FROM current WHERE name = ?)",
            (value, name),
        )


@pytest.mark.parametrize(
    ("name", "hashed"),
    [
        ("3", "another file"),
        ("3", "hash 3"),  # the same file, another score
        ("6", "another file"),  # shown, though it does not count
        ("11", "mended"),  # had no scores
    ],
)
def test_an_award_from_other_scores_is_refused(scenario: Path, name: str, hashed: str) -> None:
    assert run(scenario).exit_code == 0
    score_again(scenario, name, 0.1, hashed)
    with pytest.raises(ToolError, match=f"run `award` again; of entries {name}$"):
        write(scenario, "--award", str(scenario / "award"))


@pytest.mark.parametrize(
    ("place", "said"),
    [
        (["rules"], "the file: 'rules' is a required property"),
        (["rules", "phase"], "rules: 'phase' is a required property"),
        (["entries", 0, "scored"], "entries/0: 'scored' is a required property"),
        (["rankings", "mc_rtt"], "rankings: expected mc_rtt too"),
    ],
)
def test_an_incomplete_award_is_told_with_what_it_lacks(
    scenario: Path, place: List[Any], said: str
) -> None:
    assert run(scenario).exit_code == 0
    path = scenario / "award" / "award.json"
    award = json.loads(path.read_text("utf-8"))
    inner = award
    for key in place[:-1]:
        inner = inner[key]
    del inner[place[-1]]
    path.write_text(json.dumps(award), "utf-8")
    with pytest.raises(ToolError, match=re.escape(f"award.json: {said}")):
        write(scenario, "--award", str(path.parent))


def test_without_an_award_submissions_go_by_their_names_and_nobody_is_ranked(
    undisturbed: Path, tmp_path: Path
) -> None:
    (tmp_path / "results.sqlite").write_bytes(undisturbed.read_bytes())
    texts = write(tmp_path, "--changes")
    boards = json.loads(texts["leaderboard.json"])["boards"]
    assert {len(board["rows"]) for board in boards} == {N_GOOD}
    assert {row["rank"] for board in boards for row in board["rows"]} == {None}
    assert "No score moved" in texts["report.html"]


def test_hidden_scores_show_four_decimals_only(undisturbed: Path, tmp_path: Path) -> None:
    (tmp_path / "results.sqlite").write_bytes(undisturbed.read_bytes())
    for board in json.loads(write(tmp_path)["leaderboard.json"])["boards"]:
        for row in board["rows"]:
            for score in row["scores"].values():
                assert score["value"] == round(score["value"], 4)

"""Ranks, averages, shares and judges against the shortest code that could be right."""

from __future__ import annotations

import statistics
from fractions import Fraction

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nlb_evalai.competition.award.ranking import (
    average_ranks,
    competition_ranks,
    dominators,
    judged,
    shares,
)

TEAMS = [f"team {letter}" for letter in "abcdefgh"]
# Few distinct values, so that ties are common; some differ in the last bit only.
VALUES = st.sampled_from([-0.5, 0.0, 0.1, 0.1 + 2**-56, 0.3, 0.30000000000000004, 1.25])
TABLES = st.lists(st.dictionaries(st.sampled_from(TEAMS), VALUES), min_size=1, max_size=4)


@settings(max_examples=1000, deadline=None)
@given(TABLES, st.lists(st.integers(0, 3000), max_size=4))
def test_ranks_averages_and_shares_equal_a_brute_force_oracle(tables, prizes):
    ranks = [competition_ranks(table) for table in tables]
    for table, found in zip(tables, ranks):
        assert found == {
            team: 1 + sum(other > value for other in table.values())
            for team, value in table.items()
        }
    averages = average_ranks(ranks)
    everywhere = [team for team in TEAMS if all(team in table for table in tables)]
    assert averages == {
        team: Fraction(sum(one[team] for one in ranks), len(ranks)) for team in everywhere
    }
    final = competition_ranks(averages, highest_first=False)
    assert final == {
        team: 1 + sum(other < averages[team] for other in averages.values()) for team in everywhere
    }
    won = shares(final, prizes)
    places = {}
    for team in final:  # everyone takes a place, then those of one rank share alike
        places.setdefault(final[team], []).append(len(places.get(final[team], [])))
    for team, rank in final.items():
        pot = sum(prizes[rank - 1 + i] for i in places[rank] if rank - 1 + i < len(prizes))
        any_prize = rank - 1 < len(prizes)
        assert won.get(team) == (Fraction(pot, len(places[rank])) if any_prize else None)
    assert sum(won.values()) == sum(prizes[: len(final)])


def test_judges_are_made_comparable_per_judge_and_criterion():
    scores = {
        ("a", "mild", "use"): 9, ("b", "mild", "use"): 8, ("c", "mild", "use"): 7,
        ("a", "harsh", "use"): 1, ("b", "harsh", "use"): 3, ("c", "harsh", "use"): 5,
        ("a", "mild", "fit"): 5, ("b", "mild", "fit"): 5, ("c", "mild", "fit"): 5,
    }  # fmt: skip
    means = judged(scores)
    z = 1 / statistics.pstdev([7, 8, 9])
    # mild: (use + a constant fit) / 2; harsh: use alone; then over the two judges
    assert means["a"][""] == pytest.approx((z / 2 - z) / 2)
    assert means["c"][""] == pytest.approx(-means["a"][""])
    assert means["b"] == {"use": 0.0, "fit": 0.0, "": 0.0}
    assert means["a"]["use"] == means["c"]["use"] == 0.0


def test_a_judge_who_gives_everyone_the_same_counts_as_zero_however_it_rounds():
    scores = {(team, "same", "use"): 0.1 + 0.2 for team in TEAMS}
    assert {mean[""] for mean in judged(scores).values()} == {0.0}


@given(st.dictionaries(st.sampled_from(TEAMS), st.tuples(VALUES, VALUES)))
def test_the_front_is_what_nobody_beats(points):
    beaten = dominators(points)
    for team, (x, y) in points.items():
        assert set(beaten[team]) == {
            other for other, (a, b) in points.items() if a >= x and b >= y and (a > x or b > y)
        }
    assert not points or any(not by for by in beaten.values())

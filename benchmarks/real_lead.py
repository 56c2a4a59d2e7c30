"""How often "a real lead" is said of equal teams, and of unequal ones, by simulation.

    python benchmarks/real_lead.py [--runs 10000] [--seed 0]

Teams send several entries; the best of each is compared with the best of the other, as the award
does (nlb_evalai/paired.py), and as it did before: beyond 1.96 standard errors, whatever the number
of entries. An entry's log-likelihood of a trial is the trial's own difficulty, which all share and
which drops out, and noise with heavy tails (Student's t, 5 degrees of freedom) that grows with the
trial's spikes; a part of it, `alike`, is common to a team's entries, as those of one model are. The
table that it prints stands in docs/phase2.md.
"""

from __future__ import annotations

import argparse
from typing import Dict, List, Optional, Sequence, Tuple

import numpy as np

from nlb_evalai.paired import lead_p_value, paired_likelihoods

#: two-sided, as in the rules file
LEVEL = 0.025
#: as in the smallest scaling dataset's test phase
TRIALS = 100
BEFORE, NOW, PAIRS = "beyond 1.96 errors", "as today", "corrected for all pairs of entries"
#: entries of each team
FIELDS: Tuple[Tuple[int, ...], ...] = (
    (1, 1), (5, 1), (20, 1), (1, 20), (5, 5), (20, 5), (20, 20), (5,) * 10,
)  # fmt: skip
ALIKE = (0.0, 0.5, 0.95)
#: of the first team's entries, in standard errors of a difference of two
AHEAD = (3.0, 4.0, 5.0)

Team = np.ndarray


def teams(
    rng: np.random.Generator, sizes: Sequence[int], alike: float, ahead: float, spikes: np.ndarray
) -> List[Team]:
    """Log-likelihoods (entries, trials) in nats of each team; the first is ``ahead``."""

    def noise(count: int, part: float) -> np.ndarray:
        drawn = rng.standard_t(5, (count, len(spikes))) / np.sqrt(5 / 3)
        return drawn * np.sqrt(part * spikes)

    found = [noise(1, alike) + noise(count, 1 - alike) for count in sizes]
    # a difference of two entries has the variance of 2 * spikes, summed over trials
    found[0] = found[0] + ahead * np.sqrt(2 * spikes.sum()) * spikes / spikes.sum()
    return found


def real_leads(found: Sequence[Team], spikes: np.ndarray, level: float) -> Dict[str, Optional[int]]:
    """The team that is first if its lead over the second is called real; by rule."""
    best = [int(team.sum(axis=1).argmax()) for team in found]
    order = sorted(range(len(found)), key=lambda i: -found[i][best[i]].sum())
    first, second = order[:2]
    winner, others = found[first][best[first]], found[second]
    lead = paired_likelihoods(winner, others[best[second]], spikes)
    n_entries = len(found[first])
    said: Dict[str, Optional[int]] = dict.fromkeys((BEFORE, NOW, PAIRS))
    if lead.z is None or lead.z <= 1.96:
        return said  # the other rules ask for more
    said[BEFORE] = first
    if lead_p_value([lead], n_entries * len(others)) <= level:
        said[PAIRS] = first
    if lead_p_value([lead], n_entries) <= level:  # the other entries can only raise it
        over = [paired_likelihoods(winner, other, spikes) for other in others]
        if lead_p_value(over, n_entries) <= level:
            said[NOW] = first
    return said


def shares(
    seed: int,
    runs: int,
    sizes: Sequence[int],
    alike: float,
    ahead: float = 0.0,
    level: float = LEVEL,
    n_trials: int = TRIALS,
) -> Dict[str, List[float]]:
    """In which share of the runs each team's lead is called real, by rule."""
    rng = np.random.default_rng(seed)
    counts = {rule: [0] * len(sizes) for rule in (BEFORE, NOW, PAIRS)}
    for _ in range(runs):
        spikes = rng.poisson(80, n_trials) + 1.0
        found = teams(rng, sizes, alike, ahead, spikes)
        for rule, team in real_leads(found, spikes, level).items():
            if team is not None:
                counts[rule][team] += 1
    return {rule: [count / runs for count in of_team] for rule, of_team in counts.items()}


def named(sizes: Sequence[int]) -> str:
    """``20 against 5``, or ``10 teams of 5``."""
    if len(sizes) > 2:
        return f"{len(sizes)} teams of {sizes[0]}"
    return f"{sizes[0]} against {sizes[1]}"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--runs", type=int, default=10_000)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    power = " | ".join(f"{ahead:g} errors ahead" for ahead in AHEAD)
    print(f"| entries | alike | before | of these the first | now | of these the first | {power} |")
    print("|---|" + "---|" * (5 + len(AHEAD)))
    for sizes in FIELDS:
        for alike in ALIKE:
            null = shares(options.seed, options.runs, sizes, alike)
            said = [(sum(null[rule]), null[rule][0]) for rule in (BEFORE, NOW)]
            cells = [f"{100 * share:.1f} %" for both in said for share in both]
            for ahead in AHEAD:
                found = shares(options.seed + 1, options.runs // 10, sizes, alike, ahead)
                now, pairs = (f"{100 * found[rule][0]:.0f} %" for rule in (NOW, PAIRS))
                cells.append(f"{now} ({pairs})")
            print(f"| {named(sizes)} | {alike:g} | {' | '.join(cells)} |", flush=True)


if __name__ == "__main__":
    main()

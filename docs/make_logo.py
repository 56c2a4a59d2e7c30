"""Draws logo.png: spikes on the left become trajectories of latent states on the right.

python docs/make_logo.py logo.png "NLB’21"
"""

from __future__ import annotations

import sys

import matplotlib

matplotlib.use("Agg")
import matplotlib.pyplot as plt
import numpy as np

INK, COLORS = "#1d2b3a", ("#0f7b8a", "#e4702a", "#7a4fa3")


def draw(path: str, text: str) -> None:
    """Write the logo as a square PNG of 480 pixels, with that text below."""
    figure = plt.figure(figsize=(4, 4), dpi=120, facecolor="white")
    axes = figure.add_axes((0, 0, 1, 1), xlim=(-1, 1), ylim=(-1, 1))
    axes.axis("off")
    _spikes(axes)
    _trajectories(axes)
    axes.text(0, -0.74, text, ha="center", va="center", color=INK, fontsize=40, weight="bold")
    figure.savefig(path, metadata={"Software": None})


def _spikes(axes: plt.Axes) -> None:
    rng = np.random.default_rng(21)
    rows = np.linspace(-0.3, 0.8, 13)
    for number, height in enumerate(rows):
        times = np.linspace(-0.86, -0.14, 60)
        rate = 0.12 + 0.55 * np.exp(-(((times + 0.5 - 0.25 * np.sin(number / 2)) / 0.16) ** 2))
        kept = times[rng.random(len(times)) < rate]
        color = COLORS[number * len(COLORS) // len(rows)]
        axes.vlines(kept, height - 0.032, height + 0.032, color=color, lw=1.8)


def _trajectories(axes: plt.Axes) -> None:
    turn = np.linspace(0, 1.65 * np.pi, 200)
    for number, color in enumerate(COLORS):
        radius = 0.12 + 0.085 * number + 0.055 * turn / np.pi
        angle = turn + 0.35 + 0.25 * number
        x, y = 0.46 + radius * np.cos(angle) * 1.08, 0.25 + radius * np.sin(angle) * 1.3
        axes.plot(x[:-9], y[:-9], color=color, lw=5, solid_capstyle="round")
        axes.plot(x[0], y[0], "o", color=color, ms=9)
        axes.annotate(
            "",
            xy=(x[-1], y[-1]),
            xytext=(x[-14], y[-14]),
            arrowprops={
                "arrowstyle": "-|>",
                "color": color,
                "mutation_scale": 28,
                "lw": 0,
                "shrinkA": 0,
                "shrinkB": 0,
            },
        )


if __name__ == "__main__":
    draw(sys.argv[1], sys.argv[2])

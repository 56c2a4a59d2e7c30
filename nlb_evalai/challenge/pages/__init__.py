"""The challenge's pages are rendered from sources here, with the suite's numbers in them.

They go to ``templates/`` as plain HTML without styles or scripts, so that they survive EvalAI's
sanitizer and follow the reader's colors and screen. ``make pages`` renders them; a test holds the
committed pages to it.
"""

from __future__ import annotations

from pathlib import Path
from typing import Dict, List, NamedTuple

import jinja2

from evaluation_script.submission.layout import official_layout
from evaluation_script.submission.structure import MAX_CHUNK_BYTES
from evaluation_script.suite import NLB21, Dataset, Phase, Suite

#: page (its file name in templates/) -> source
PAGES = (
    "description.html",
    "evaluation_details.html",
    "phase_test.html",
    "phase_val.html",
    "submission_guidelines.html",
    "terms_and_conditions.html",
)

_PREMOTOR = "Dorsal premotor and primary motor cortex"

#: dataset -> task, brain area
_ABOUT = {
    "mc_maze": ("Delayed reaching in mazes, monkey", _PREMOTOR),
    "mc_rtt": ("Reaching to random targets, monkey", "Primary motor cortex"),
    "area2_bump": (
        "Centre-out reaching with bumps, monkey",
        "Brodmann area 2 of somatosensory cortex",
    ),
    "dmfc_rsg": ("Ready-set-go interval timing, monkey", "Dorsomedial frontal cortex"),
    "mc_maze_large": ("As MC_Maze, 500 training trials", _PREMOTOR),
    "mc_maze_medium": ("As MC_Maze, 250 training trials", _PREMOTOR),
    "mc_maze_small": ("As MC_Maze, 100 training trials", _PREMOTOR),
}


class ShapeRow(NamedTuple):
    """A row of the table of shapes: one dataset in one phase at one bin width."""

    group: str
    n_train: int
    n_eval: int
    n_bins: int
    n_forward: int
    n_heldin: int
    n_heldout: int


def shape_rows(suite: Suite, phase: Phase) -> List[ShapeRow]:
    """What a submission to ``phase`` must look like, a row a group."""
    rows = []
    for group, (dataset, width) in suite.groups().items():
        layout = official_layout(suite, phase.codename, dataset, width)
        rows.append(
            ShapeRow(
                group,
                dataset.n_train[phase.codename],
                layout.n_eval,
                layout.n_bins,
                layout.n_forward or 0,
                dataset.n_heldin,
                dataset.n_heldout,
            )
        )
    return rows


def about(dataset: Dataset) -> Dict[str, str]:
    """Task and brain area of a dataset, in words."""
    task, area = _ABOUT[dataset.name]
    return {"task": task, "area": area}


def render_pages(suite: Suite = NLB21) -> Dict[str, str]:
    """Every page by file name."""
    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("nlb_evalai.challenge", "pages"),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    context = {
        "suite": suite,
        "about": about,
        "shapes": {phase.codename: shape_rows(suite, phase) for phase in suite.phases},
        "phases": {phase.codename: phase for phase in suite.phases},
        "repository": "https://github.com/neurallatents/nlb_tools",
        "max_chunk_mib": MAX_CHUNK_BYTES >> 20,
        "paper": "https://arxiv.org/abs/2109.04463",
    }
    return {page: environment.get_template(f"{page}.j2").render(context) for page in PAGES}


def write_pages(folder: Path, suite: Suite = NLB21) -> None:
    """Render every page into ``folder``."""
    for name, html in render_pages(suite).items():
        (folder / name).write_text(html, encoding="utf-8")

"""The challenge's pages are rendered from sources here, with the suite's numbers in them.

They go to ``templates/`` as plain HTML without styles or scripts, so that they survive EvalAI's
sanitizer and follow the reader's colors and screen. ``make pages`` renders them; a test holds the
committed pages to it.
"""

from __future__ import annotations

from pathlib import Path
from typing import Dict, List, NamedTuple, Optional

import jinja2

from evaluation_script.arrays import Axis
from evaluation_script.submission.layout import published_layouts
from evaluation_script.submission.structure import MAX_CHUNK_BYTES
from evaluation_script.suites import DEFAULT_SUITE, Phase, Suite

#: page (its file name in templates/) -> source
PAGES = (
    "description.html",
    "evaluation_details.html",
    "phase_test.html",
    "phase_val.html",
    "submission_guidelines.html",
    "terms_and_conditions.html",
)


class ShapeRow(NamedTuple):
    """A row of the table of shapes: one dataset in one phase at one bin width.

    A figure that is not known is None.
    """

    group: str
    n_train: Optional[int]
    n_eval: Optional[int]
    n_bins: Optional[int]
    n_forward: Optional[int]
    n_heldin: Optional[int]
    n_heldout: Optional[int]


#: the axes behind the figures of a row
_COLUMNS = (
    Axis.TRAIN_TRIALS,
    Axis.EVAL_TRIALS,
    Axis.BINS,
    Axis.FORWARD_BINS,
    Axis.HELDIN,
    Axis.HELDOUT,
)


def shape_rows(suite: Suite, phase: Phase) -> List[ShapeRow]:
    """What a submission to ``phase`` must look like, a row a group."""
    return [
        ShapeRow(group, *(layout.size(axis) for axis in _COLUMNS))
        for group, layout in published_layouts(suite, phase.codename).items()
    ]


def render_pages(suite: Suite = DEFAULT_SUITE) -> Dict[str, str]:
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
        "shapes": {phase.codename: shape_rows(suite, phase) for phase in suite.phases},
        "phases": {phase.codename: phase for phase in suite.phases},
        "repository": "https://github.com/neurallatents/nlb_tools",
        "max_chunk_mib": MAX_CHUNK_BYTES >> 20,
        "paper": "https://arxiv.org/abs/2109.04463",
    }
    return {page: environment.get_template(f"{page}.j2").render(context) for page in PAGES}


def write_pages(folder: Path, suite: Suite = DEFAULT_SUITE) -> None:
    """Render every page into ``folder``."""
    for name, html in render_pages(suite).items():
        (folder / name).write_text(html, encoding="utf-8")

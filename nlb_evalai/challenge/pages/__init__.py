"""The challenge's pages are rendered from sources here, for any suite and head.

They are plain HTML without styles or scripts, so that they survive every platform's sanitizer and
follow the reader's colors and screen.
"""

from __future__ import annotations

import math
from typing import Any, Dict, Iterable, List, NamedTuple, Optional, Sequence

import jinja2
from markupsafe import Markup, escape

from evaluation_script.arrays import PARTS, Axis, Part
from evaluation_script.metrics.base import Metric
from evaluation_script.submission.audit import MAX_RATE
from evaluation_script.submission.layout import Layout, published_layouts
from evaluation_script.submission.structure import MAX_CHUNK_BYTES
from evaluation_script.suites import DEFAULT, Dataset, MetricType, Phase, Suite
from nlb_evalai.challenge.head import Head
from nlb_evalai.challenge.names import DEFAULT as DEFAULT_PLATFORM
from nlb_evalai.extras import install

#: EvalAI's name of each page of a challenge
PAGES = ("description", "evaluation_details", "terms_and_conditions", "submission_guidelines")


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


#: the links of a suite that pages show; each may be missing
_LINKS = ("paper", "code", "data")
#: the axes behind the figures of a row
_COLUMNS = (
    Axis.TRAIN_TRIALS,
    Axis.EVAL_TRIALS,
    Axis.BINS,
    Axis.FORWARD_BINS,
    Axis.HELDIN,
    Axis.HELDOUT,
)
#: what a cell of the table of arrays calls them
_WORDS = {
    Axis.TRAIN_TRIALS: "training",
    Axis.EVAL_TRIALS: "evaluation",
    Axis.BINS: "bins",
    Axis.FORWARD_BINS: "forward bins",
    Axis.HELDIN: "held-in",
    Axis.HELDOUT: "held-out",
}


class ArrayRow(NamedTuple):
    """A row of the table of arrays: what one is, and whether it must be there."""

    name: str
    trials: str
    bins: str
    neurons: str
    required: str


def phase_page(phase: Phase) -> str:
    """The file name of a phase's page."""
    return f"phase_{phase.codename}.html"


def render_pages(
    suite: Suite, head: Head, platform: str = DEFAULT_PLATFORM, **more: Any
) -> Dict[str, str]:
    """Every page by file name.

    Parameters
    ----------
    platform : str
        Whose ``on_NAME.html.j2`` says what is so there alone.
    **more
        What that template reads besides.
    """
    environment = _environment()
    context = {
        "suite": suite,
        "here_file": f"on_{platform}.html.j2",
        "links": {**dict.fromkeys(_LINKS, ""), **suite.links},
        "sections": {name: Markup(text) for name, text in head.sections.items()},
        "public": {codename: values["public"] for codename, values in head.phases.items()},
        "shapes": {phase.codename: shape_rows(suite, phase) for phase in suite.phases},
        "arrays": array_rows(suite),
        "not_negative": _not_negative(suite),
        "widths": sorted({width for d in suite.datasets for width in suite.bin_widths(d)}),
        "max_chunk_mib": MAX_CHUNK_BYTES >> 20,
        "max_rate": f"{int(MAX_RATE):,}",
        "with_data": any(dataset.dandiset for dataset in suite.datasets),
        "install": install(),
        "full_mb": _full_megabytes(suite),
        "suite_option": "" if suite.name == DEFAULT else f" --suite {suite.name}.py",
        **more,
    }
    pages = {
        f"{name}.html": environment.get_template(f"{name}.html.j2").render(context)
        for name in PAGES
    }
    for phase in suite.phases:
        page = environment.get_template("phase.html.j2").render(context, phase=phase)
        pages[phase_page(phase)] = page
    return pages


def _environment() -> jinja2.Environment:
    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("nlb_evalai.challenge", "pages"),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    environment.filters.update(
        listed=_listed, figure=_figure, about=_about, plainly=lambda number: f"{number:g}"
    )
    environment.tests["bounded"] = lambda metric: math.isfinite(metric.best)
    return environment


def shape_rows(suite: Suite, phase: Phase) -> List[ShapeRow]:
    """What a submission to ``phase`` must look like, a row a group."""
    return [
        ShapeRow(group, *(layout.size(axis) for axis in _COLUMNS))
        for group, layout in published_layouts(suite, phase.codename).items()
    ]


def array_rows(suite: Suite) -> List[ArrayRow]:
    """The arrays that a submission may hold, in reading order."""
    layouts = published_layouts(suite, suite.phases[0].codename).values()
    return [
        ArrayRow(
            array.name,
            _WORDS[array.trials],
            _WORDS[array.bins],
            _WORDS[array.neurons],
            _required(part, layouts),
        )
        for part in PARTS
        if any(layout.readers(part) for layout in layouts)
        for array in part.arrays
    ]


def _required(part: Part, layouts: Iterable[Layout]) -> str:
    """Whether the arrays of a part must be there, and for which datasets they must not."""
    readers = dict.fromkeys(metric.key for layout in layouts for metric in layout.readers(part))
    without = dict.fromkeys(layout.dataset.name for layout in layouts if not layout.readers(part))
    if all(part in layout.required() for layout in layouts):
        return "yes"
    text = "yes"
    if not any(part in layout.required() for layout in layouts):
        text = f"for {_listed(list(readers))}, both or neither"
    return text + (f" (not for {_listed(list(without))})" if without else "")


def _full_megabytes(suite: Suite) -> int:
    """Size of a submission with every array, as float32, as far as shapes are published."""
    layouts = published_layouts(suite, suite.phases[-1].codename).values()
    values = sum(
        math.prod(length or 0 for length in layout.shape(array))
        for layout in layouts
        for part in PARTS
        if layout.readers(part)
        for array in part.arrays
    )
    return round(values * 4 / 1e6)


def _not_negative(suite: Suite) -> List[str]:
    """Names of the arrays in which no rate may be negative, in reading order."""
    scored = {array for metric in suite.metrics() for array in metric.not_negative}
    return [array.name for part in PARTS for array in part.arrays if array in scored]


def described(text: str, metric: MetricType, datasets: Sequence[Dataset]) -> str:
    """A metric's own text, with the forward window of the datasets that it scores in it."""
    lengths = sorted({d.forward_ms for d in datasets if metric in d.metrics and d.forward_ms})
    forward = f"{_listed(lengths, 'or')} ms" if lengths else "forward window"
    return text.replace("{forward}", forward)


def _about(metric: MetricType, datasets: Sequence[Dataset]) -> str:
    assert issubclass(metric, Metric)
    return described(metric.about, metric, datasets)


def _listed(items: Iterable[object], word: str = "and", tag: str = "") -> str:
    """``a, b and c``, each in a tag if one is given."""
    around = Markup(f"<{tag}>{{}}</{tag}>") if tag else Markup("{}")
    shown = [around.format(item) for item in items]
    head, last = shown[:-1], shown[-1:]
    text = Markup(", ").join(head)
    return Markup(f" {escape(word)} ").join([text, *last] if head else last)


def _figure(number: Optional[int]) -> str:
    return "not published" if number is None else str(number)

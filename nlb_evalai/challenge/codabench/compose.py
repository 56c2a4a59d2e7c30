"""A suite and a head -> what Codabench is told: competition.yaml, pages, terms and logo."""

from __future__ import annotations

import re
from typing import Any, Dict, Iterator, List, Optional

import yaml

from evaluation_script.suites import Suite
from nlb_evalai.challenge.codabench.offer import NAME, Offer, Offered
from nlb_evalai.challenge.codabench.program.columns import Column, columns
from nlb_evalai.challenge.head import Head
from nlb_evalai.challenge.pages import render_pages

CONFIG_NAME = "competition.yaml"
_PAGES = "pages/"
#: page -> its title there
_TITLES = {
    "description.html": "Overview",
    "evaluation_details.html": "Evaluation",
    "submission_guidelines.html": "Submitting",
}
_TERMS = "terms_and_conditions.html"
#: digits of a column where no phase rounds
_DECIMALS = 4
_LONGEST_BOARD, _LONGEST_KEY = 64, 36


def program_name(offered: Offered) -> str:
    """The scoring program of a phase, by its path in the bundle."""
    return f"scoring_program-{offered.codename}.zip"


def reference_name(offered: Offered) -> str:
    """The truth of a phase, which phases for single boards share."""
    return f"reference_data-{offered.phase.codename}.zip"


def told_files(suite: Suite, head: Head, offer: Offer) -> Dict[str, bytes]:
    """Every file but programs and truth, by its name inside a bundle."""
    shown = Head(**{**vars(head), "sections": offer.sections})
    means = [one for one in columns(suite) if len(one.datasets) > 1 and not one.hidden]
    pages = render_pages(
        suite,
        shown,
        NAME,
        offered=offer.phases,
        limit_seconds=offer.own_limit_seconds,
        means=[f"{one.metric.key} over {suite.board_title(one.board)}" for one in means],
    )
    logo = "logo" + head.logo.suffix
    files = {_PAGES + name: as_block(pages[name]) for name in (*_TITLES, _TERMS)}
    config = "".join(_config(suite, head, offer, logo))
    return {
        CONFIG_NAME: config.encode("utf-8"),
        logo: head.logo.read_bytes(),
        **{name: text.encode("utf-8") for name, text in files.items()},
    }


def as_block(page: str) -> str:
    """A page of HTML as Markdown that means the same.

    Codabench takes pages for Markdown: HTML ends there at an empty line, as there is in a script,
    dollar signs mark formulas, and three accents mark code.
    """
    parts = re.split(r"(<pre>.*?</pre>)", page, flags=re.DOTALL)
    for i, part in enumerate(parts):
        if part.startswith("<pre>"):
            parts[i] = part.replace("\n", "&#10;")
        else:
            parts[i] = re.sub(r"\n\s*\n", "\n", part)
    text = "".join(parts).strip() + "\n"
    return text.replace("$", "&#36;").replace("```", "&#96;&#96;&#96;")


# ---- competition.yaml -------------------------------------------------------------------------


class _Dumper(yaml.SafeDumper):
    """Writes what is there twice twice, rather than a reference."""

    def ignore_aliases(self, data: Any) -> bool:
        return True


def _yaml(value: Any, flow: Optional[bool] = None) -> str:
    text: str = yaml.dump(
        value, Dumper=_Dumper, sort_keys=False, default_flow_style=flow, width=100,
        allow_unicode=True,
    )  # fmt: skip
    return text


def _config(suite: Suite, head: Head, offer: Offer, logo: str) -> Iterator[str]:
    """The text of the config, piece by piece."""
    yield "# Made by `nlb-evalai bundle build --platform codabench` from the suite and its head.\n"
    top = {
        "version": 2,
        "title": head.top["title"],
        "description": " ".join(str(head.top["short_description"]).split()),
        "image": logo,
        "terms": _PAGES + _TERMS,
        "docker_image": offer.docker_image,
        **({"queue": offer.queue} if offer.queue else {}),
        "enable_detailed_results": True,
        "make_programs_available": False,
        "make_input_data_available": False,
    }
    yield _yaml(top, flow=False)
    yield "\n" + _yaml(
        {"pages": [{"title": title, "file": _PAGES + name} for name, title in _TITLES.items()]}
    )
    yield "\n" + _yaml({"tasks": [_task(i, one, suite) for i, one in enumerate(offer.phases)]})
    yield "\n# Times are UTC, in quotes: without, the time of day is lost.\n"
    yield _yaml({"phases": [_phase(i, one, offer) for i, one in enumerate(offer.phases)]})
    yield "\n# A missing score would be first where the order descends: it is refused.\n"
    yield _yaml({"leaderboards": [_board(suite, offer)]})


def _task(index: int, offered: Offered, suite: Suite) -> Dict[str, Any]:
    return {
        "index": index,
        "name": f"{suite.title}: {offered.name}",
        "scoring_program": program_name(offered),
        "reference_data": reference_name(offered),
    }


def _phase(index: int, offered: Offered, offer: Offer) -> Dict[str, Any]:
    return {
        "index": index,
        "name": offered.name,
        "start": offered.start,
        **({"end": offered.end} if offered.end else {}),
        **offered.quotas,
        "execution_time_limit": offer.limit_seconds,
        "tasks": [index],
    }


def decimals(offer: Offer) -> int:
    """Digits of the columns, which all phases share: the scoring program has rounded before."""
    given = [one.phase.score_decimals for one in offer.phases]
    return max(_DECIMALS if one is None else one for one in given)


def _board(suite: Suite, offer: Offer) -> Dict[str, Any]:
    precision = decimals(offer)
    return {
        "title": suite.title[:_LONGEST_BOARD],
        "key": suite.name[:_LONGEST_KEY],
        "submission_rule": offer.submission_rule,
        "primary_index": 0,
        "columns": [_column(i, one, precision) for i, one in enumerate(columns(suite))],
    }


def _column(index: int, column: Column, precision: int) -> Dict[str, Any]:
    return {
        "index": index,
        "key": column.key,
        "title": column.title,
        "sorting": "asc" if column.ascending else "desc",
        "precision": precision,
        "hidden": column.hidden,
    }


def column_keys(suite: Suite) -> List[str]:
    """The keys that a suite's scoring program may write."""
    return [column.key for column in columns(suite)]

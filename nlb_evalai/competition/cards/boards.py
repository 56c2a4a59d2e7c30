"""EvalAI's public boards, read page by page; every value of an answer is a stranger's.

Nothing is sent along that says who asks: public boards need no token.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any, Dict, List, Mapping, Optional, Tuple
from urllib.parse import parse_qs, urlsplit

from evaluation_script.text import printable
from nlb_evalai.errors import ToolError
from nlb_evalai.submission.submit.answers import CODE_RELEASED
from nlb_evalai.web.http import Timing
from nlb_evalai.web.json_api import JsonApi, Lost, Refused, number

PUBLIC = 3
MISSING = "#"
_ROWS_OF_A_PAGE = 100
_MOST_PAGES = 200
_MOST_SHOWN = 80
_SURROGATE = re.compile("[\ud800-\udfff]")
_MOMENT = re.compile(r"\d{4}-\d\d-\d\d([T ]\d\d:\d\d(:\d\d(\.\d{1,6})?)?(Z|[+-]\d\d:\d\d)?)?")


class BoardUnread(ToolError):
    """A board cannot be read whole, so nothing of it counts."""


@dataclass(frozen=True)
class Split:
    """A board of a phase, as the API lists it; ``phase`` is a codename, empty if it says none."""

    pk: int
    name: str
    phase: str
    phase_name: str
    is_public: bool
    labels: Tuple[str, ...]

    def __str__(self) -> str:
        phase = printable(self.phase_name or self.phase, _MOST_SHOWN)
        return f"{phase}, {printable(self.name, _MOST_SHOWN)}"


@dataclass(frozen=True)
class Row:
    """A row of a board: label -> (score, error bar); what is missing or undefined is not there."""

    team: int
    team_name: str
    team_url: str
    method: str
    submission: int
    submitted: str
    code_promised: bool
    scores: Mapping[str, Tuple[float, Optional[float]]]


@dataclass(frozen=True)
class Board:
    """The rows of a board in its order, and what is wrong with those that are left out."""

    rows: List[Row]
    faults: List[str]
    n_hidden: int


class Boards:
    """The boards of a challenge, as everybody sees them.

    Parameters
    ----------
    api : str
        The server, as ``https://eval.ai``.
    challenge : int
    timing : Timing, optional
    """

    def __init__(self, api: str, challenge: int, *, timing: Optional[Timing] = None) -> None:
        self._api = JsonApi(api, timing=timing)
        self._challenge = challenge

    @property
    def address(self) -> str:
        """The server's, with a slash at its end."""
        return self._api.address

    def close(self) -> None:
        """Close the connections."""
        self._api.close()

    def title(self) -> str:
        """The challenge's title; empty if it has none.

        Raises
        ------
        Refused
            If there is no such challenge.
        Lost
        """
        found = self._api.call("GET", f"api/challenges/challenge/{self._challenge}/")
        return text_of(found.get("title")) if isinstance(found, dict) else ""

    def splits(self) -> List[Split]:
        """All boards that the server lists.

        Raises
        ------
        Refused, Lost
        """
        path = f"api/challenges/challenge/{self._challenge}/challenge_phase"
        codenames = {
            number(path, row, "id"): text_of(row.get("codename")) for row in self._pages(path)
        }
        path = f"api/challenges/{self._challenge}/challenge_phase_split"
        found = self._api.call("GET", path)
        if not isinstance(found, list) or not all(isinstance(one, dict) for one in found):
            raise Lost(f"{path}: expected a list of boards")
        return [_split(path, one, codenames) for one in found]

    def board(self, split: Split) -> Board:
        """A board's rows.

        Raises
        ------
        BoardUnread
            If it is not there, not public, not whole, or leads to another server.
        Refused, Lost
            If the server fails.
        """
        path = f"api/jobs/challenge_phase_split/{split.pk}/leaderboard/"
        try:
            rows = self._pages(path)
        except Refused as error:
            if error.status not in (400, 403, 404, 406):
                raise
            raise BoardUnread(f"HTTP {error.status}: {error.said or 'no reason given'}") from None
        found: Dict[int, Row] = {}
        faults, n_hidden = [], 0
        for row in rows:
            if row.get("result") == []:
                n_hidden += 1
                continue
            try:
                read = _row(row, split.labels)
            except ValueError as error:
                team = printable(row.get("submission__participant_team__team_name"), _MOST_SHOWN)
                faults.append(f"team {team}: {error}")
            else:
                found.setdefault(read.submission, read)  # a row may move while pages are turned
        return Board(list(found.values()), faults, n_hidden)

    def _pages(self, path: str) -> List[Mapping[str, Any]]:
        """The rows of all pages, where each names the next one of the same list and server."""
        rows: List[Mapping[str, Any]] = []
        for page in range(1, _MOST_PAGES + 1):
            query = f"?page={page}&page_size={_ROWS_OF_A_PAGE}"
            answer = self._api.call("GET", f"{path}{query}")
            found = answer.get("results") if isinstance(answer, dict) else None
            if not isinstance(found, list) or not all(isinstance(row, dict) for row in found):
                raise Lost(f"{path}{query}: expected a list of results")
            rows += found
            if not answer.get("next"):
                return rows
            self._check_next(answer["next"], path, page + 1)
        raise BoardUnread(f"has more than {_MOST_PAGES} pages of {_ROWS_OF_A_PAGE} rows")

    def _check_next(self, link: object, path: str, page: int) -> None:
        """Refuse a next page elsewhere: the server writes the request's Host header into it."""
        own = urlsplit(self.address)
        try:
            parts = urlsplit(link if isinstance(link, str) else "")
            # behind a proxy the scheme may be another
            same = parts.hostname == own.hostname and parts.port in (own.port, None)
            pages = parse_qs(parts.query, max_num_fields=20).get("page")
        except ValueError:
            same, pages = False, None
        if not same or parts.path != f"{own.path}{path}" or pages != [str(page)]:
            raise BoardUnread(
                f"its next page is said to be {printable(link, _MOST_SHOWN)}, expected page {page} "
                f"on {own.netloc}: not followed"
            )


def _split(path: str, found: Mapping[str, Any], codenames: Mapping[int, str]) -> Split:
    layout = found.get("leaderboard_schema")
    labels = layout.get("labels") if isinstance(layout, dict) else None
    is_list = isinstance(labels, list) and all(isinstance(one, str) for one in labels)
    phase = found.get("challenge_phase")
    return Split(
        number(path, found, "id"),
        text_of(found.get("dataset_split_name")),
        codenames.get(phase, "") if isinstance(phase, int) else "",
        text_of(found.get("challenge_phase_name")),
        found.get("visibility") == PUBLIC,
        tuple(labels or ()) if is_list else (),
    )


def text_of(value: object) -> str:
    """A text of the API; empty if it is none. What is no character in it is shown as one."""
    return _SURROGATE.sub("\ufffd", value) if isinstance(value, str) else ""


def _row(row: Mapping[str, Any], labels: Tuple[str, ...]) -> Row:
    """A row, typed; ValueError says what is not as it should be."""
    layout = row.get("leaderboard__schema")
    said = layout.get("labels") if isinstance(layout, dict) else None
    if said != list(labels):
        raise ValueError(f"labels: found {_short(said)}, expected those of its board")
    results, errors = row.get("result"), row.get("error")
    if not isinstance(results, list) or len(results) != len(labels):
        raise ValueError(f"result: found {_short(results)}, expected {len(labels)} scores")
    if errors is None:
        errors = [None] * len(labels)
    if not isinstance(errors, list) or len(errors) != len(labels):
        raise ValueError(f"error: found {_short(errors)}, expected {len(labels)} error bars")
    scores: Dict[str, Tuple[float, Optional[float]]] = {}
    for label, value, error in zip(labels, results, errors):
        if value is None or value == MISSING:
            continue
        name = printable(label, _MOST_SHOWN)
        if not _is_number(value):
            raise ValueError(f"result of {name}: found {_short(value)}, expected a number")
        has_bar = _is_number(error) and error >= 0
        if error is not None and error != MISSING and not has_bar:
            raise ValueError(f"error of {name}: found {_short(error)}, expected a number from 0 on")
        scores[label] = (value, error if has_bar else None)
    submitted = text_of(row.get("submission__submitted_at"))
    return Row(
        _pk(row, "submission__participant_team"),
        text_of(row.get("submission__participant_team__team_name")),
        text_of(row.get("submission__participant_team__team_url")),
        text_of(row.get("submission__method_name")),
        _pk(row, "submission__id"),
        submitted if _MOMENT.fullmatch(submitted) else "",
        _promises_code(row.get("submission__submission_metadata")),
        scores,
    )


def _pk(row: Mapping[str, Any], key: str) -> int:
    value = row.get(key)
    if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value < 2**63:
        raise ValueError(f"{key}: found {_short(value)}, expected a number")
    return value


def _is_number(value: object) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool) and abs(value) <= 1e100


def _promises_code(attributes: object) -> bool:
    return isinstance(attributes, list) and any(
        isinstance(one, dict)
        and one.get("name") == CODE_RELEASED
        and str(one.get("value")).lower() == "true"
        for one in attributes
    )


def _short(value: object) -> str:
    text = value[:_MOST_SHOWN] if isinstance(value, (str, list)) else value
    return printable(repr(text) if isinstance(text, str) else text, _MOST_SHOWN)

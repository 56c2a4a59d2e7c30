"""What EvalAI answers to a push -> a sentence each: what it means, and what to do.

The table of docs/hosting.md is made of :data:`ANSWERS` (``as_markdown``), and a test holds the two
equal.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from typing import Any, Iterator, List, Optional

from evaluation_script.text import printable

TOKEN_VARIABLE = "AUTH_TOKEN"
_MAX_LINES = 100


@dataclass(frozen=True)
class Answer:
    """One kind of refusal.

    ``words``: a regular expression for something that it says; empty if only the status tells.
    ``shown``: those words as people see them. ``help``: what it means, and what to do.
    """

    status: int
    help: str
    words: str = ""
    shown: str = ""

    def fits(self, status: int, said: str) -> bool:
        """Whether an answer is of this kind."""
        return status == self.status and bool(re.search(self.words, said, re.IGNORECASE))


#: the first that fits tells
ANSWERS = (
    Answer(
        400,
        "the update changes what is locked since EvalAI's staff approved the challenge: take those "
        "lines from the live bundle (`bundle check NEW --diff LIVE` names them), or write to the "
        "staff",
        r"after the challenge is approved",
        "cannot be changed after the challenge is approved",
    ),
    Answer(
        400,
        "EvalAI's validation passed this, and its creation does not: mend what it names, then push "
        "again",
        r"Error in (creating|updating) challenge",
        "Error in creating challenge",
    ),
    Answer(
        400, "EvalAI refuses the bundle, a line for each fault: mend what it names, then push again"
    ),
    Answer(
        401,
        "the token is valid, but its user is not in that host team: check --host-team, use a "
        "host's token, or have yourself added to the team",
        r"do not belong to this Host Team",
        "you do not belong to this Host Team!",
    ),
    Answer(
        401,
        f"the token in {TOKEN_VARIABLE} is not valid or has expired: take a new one from your "
        "EvalAI profile",
    ),
    Answer(
        403,
        "EvalAI has not verified the e-mail address of the token's user: follow the link in the "
        "mail that it sent, then push again",
        r"verify your email",
        "Please verify your email!",
    ),
    Answer(
        403,
        "the challenge that --repository names belongs to other hosts: use a token of theirs, or "
        "another --repository for a challenge of your own",
        r"not a host (for|of) this challenge",
        "you are not a host for this challenge",
    ),
    Answer(
        403,
        "this token's user is no host of that host team, or of the challenge that this repository "
        "created: use a host's token, or have yourself added to the team",
    ),
    Answer(
        404,
        "there is no host team of that number: check --host-team (the number is in the address "
        "of the team's page)",
        r"HostTeam \d+ does not exist",
        "ChallengeHostTeam 123 does not exist",
    ),
    Answer(404, "there is no such API at that address: check --api"),
    Answer(
        406,
        "the challenge is paused: resume submissions on its page, then push again",
        r"paused",
        "Submissions are currently paused",
    ),
    Answer(
        406,
        "what the bundle names by an id is not on the live challenge: an update keeps the ids of "
        "leaderboards, phases and dataset splits (`bundle check NEW --diff LIVE`)",
    ),
    Answer(
        413,
        "the bundle is too large for this server: keep the truth on private storage "
        "(`annotations publish`) and run workers of your own, or ask EvalAI's staff",
    ),
    Answer(
        429, "EvalAI throttles: too many requests, and again after waiting; push again in a minute"
    ),
)

#: what HTTP 500 without a word may mean, likeliest first
BARE_500 = (
    "the bundle has a fault that EvalAI's validator dies of, unknown to the checks here",
    "the update changes what a live challenge may not: run `bundle check NEW --diff LIVE`",
    "the challenge was created from another repository: --repository must be the first one's",
    "a fault of the server: try again, then write to EvalAI's staff with the time of this push",
)

#: the codes that come with a refused token
_CODES = {
    "token_not_valid": "the token is not valid",
    "user_not_found": "the token's user does not exist any more",
    "user_inactive": "the token's user is deactivated",
    "bad_authorization_header": "the request's Authorization header is malformed",
}
#: these hold the message itself
_PLAIN = ("Success", "success", "error", "error_message", "detail", "message", "messages")


def explained(status: int, lines: List[str]) -> List[str]:
    """A refusal for people: what it means and what to do, then what EvalAI said."""
    said = [f"  EvalAI: {line}" for line in lines]
    if status == 500 and not lines:
        head = "EvalAI gave no reason (HTTP 500). Likeliest causes, likeliest first:"
        return [head, *(f"  - {cause}" for cause in BARE_500)]
    if status >= 500:
        return [f"HTTP {status}: the server failed; try again later", *said]
    text = "\n".join(lines)
    found = next((answer for answer in ANSWERS if answer.fits(status, text)), None)
    return [f"HTTP {status}: {found.help if found else 'EvalAI refuses'}", *said]


def lines_of(answer: Any) -> List[str]:
    """What an answer says, a line each, with the text made visible and nothing said twice."""
    return list(dict.fromkeys(_texts(answer)))[:_MAX_LINES]


def _texts(answer: Any, key: Optional[str] = None) -> Iterator[str]:
    if isinstance(answer, dict):
        # A token's refusal has its message beside what kind of token it is.
        named = {"message": answer["message"]} if "message" in answer else answer
        for name, value in named.items():
            prefix = "" if name in _PLAIN or name == "code" else f"{printable(name)}: "
            for text in _texts(value, name):
                yield prefix + text
    elif isinstance(answer, list):
        for item in answer:
            yield from _texts(item, key)
    else:
        text = answer if isinstance(answer, str) else json.dumps(answer)
        if key == "code":
            text = _CODES.get(text, f"its code is {text}")
        elif key == "error_message":
            text = _unquoted(text)
        for line in text.splitlines():
            if line.strip():
                yield printable(line.strip())


def _unquoted(text: str) -> str:
    """A text that EvalAI wrote as JSON inside of JSON."""
    try:
        inner = json.loads(text)
    except ValueError:
        return text
    return inner if isinstance(inner, str) else text


def as_markdown() -> str:
    """The table for hosts: what ``push`` says, and what it means."""
    rows = [
        (f"HTTP {one.status}" + (f", “{one.shown}”" if one.shown else ""), one.help)
        for one in ANSWERS
    ]
    rows += [
        ("HTTP 3xx", "the server is elsewhere: give the address that it points to as --api"),
        ("HTTP 500 without a reason", "; or ".join(BARE_500)),
        ("HTTP 502, 503, 504", "the server failed, also when asked again: try again later"),
        (
            "may have taken the bundle all the same",
            "the answer was lost: look at the challenge, then push again, which updates",
        ),
    ]
    lines = ["| what `push` says | what it means, and what to do |", "|---|---|"]
    return "\n".join([*lines, *(f"| {says} | {means} |" for says, means in rows)]) + "\n"

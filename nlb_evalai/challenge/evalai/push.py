"""A bundle -> EvalAI: checked here, validated there, then created or updated.

The challenge is found again by the repository's name, so pushing twice updates and never
duplicates it.
"""

from __future__ import annotations

import json
import re
import secrets
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Callable, Dict, Iterator, List, Optional
from urllib.parse import urljoin

import requests

from evaluation_script.suites import Suite
from evaluation_script.text import printable
from nlb_evalai.challenge.evalai.rules.finding import Finding, errors_of
from nlb_evalai.challenge.evalai.rules.run import BundleCheckError, check_bundle
from nlb_evalai.errors import NOT_FIT, ToolError
from nlb_evalai.web.http import UNSEEN, Api, NoAnswer, Repeat, Timing

TOKEN_VARIABLE = "AUTH_TOKEN"
_TEAM = "api/challenges/challenge/challenge_host_team/{team}/"
_VALIDATE = _TEAM + "validate_challenge_config/"
_CREATE = _TEAM + "create_or_update_github_challenge/"
_MAX_LINES = 100

_HELP = {
    400: "EvalAI refuses the bundle; mend what it names, then push again",
    401: f"the token in {TOKEN_VARIABLE} is not valid or has expired: take a new one from your "
    "EvalAI profile",
    403: "this token's user is no host of that host team, or of the challenge that this "
    "repository created: use a host's token, or have yourself added to the team",
    404: "there is no such host team, or no such API: check --host-team and --api",
    413: "the bundle is too large for this server: keep the truth on private storage "
    "(`annotations publish`) and run workers of your own, or ask EvalAI's staff",
    429: "EvalAI throttles: too many requests, and again after waiting; push again later",
}
_BARE_500 = (
    "EvalAI gave no reason (HTTP 500). Likeliest causes, since the bundle passed the checks here:",
    "  - the host team does not exist, or the token's user is not in it: check --host-team",
    "  - the update changes what a live challenge may not: run `bundle check NEW --diff OLD`",
    "  - the challenge was created from another repository: --repository must be the first one's",
    "  - a fault of the server: try again, then write to EvalAI's staff with the time of this push",
)


class PushError(ToolError):
    """EvalAI did not take the bundle; the message says what it said, and what to do."""


#: EvalAI unpacks and checks the bundle before it answers
TIMING = Timing(answer_seconds=300.0, repeats=4, first_pause_seconds=2.0)
#: validation changes nothing there; its 500 is an answer
_VALIDATION = Repeat((429, 502, 503, 504), arrived=True)


@dataclass
class Pushed:
    """What became of a push: EvalAI's answers, line by line."""

    warnings: List[Finding] = field(default_factory=list)
    validated: List[str] = field(default_factory=list)
    created: Optional[List[str]] = None


def push(
    bundle: Path,
    *,
    api: str,
    host_team: int,
    repository: str,
    token: str,
    validate_only: bool = False,
    live: Optional[Path] = None,
    suite: Optional[Suite] = None,
    progress: Callable[[str], None] = lambda step: None,
    timing: Optional[Timing] = None,
) -> Pushed:
    """Check a bundle, have EvalAI validate it, and create or update the challenge.

    Parameters
    ----------
    bundle : Path
    api : str
        The server, as ``https://eval.ai``.
    host_team : int
        The host team's number on EvalAI.
    repository : str
        ``OWNER/NAME``, by which EvalAI finds the challenge again.
    token : str
        Of a host. It is in no message and goes to ``api`` alone.
    validate_only : bool
        Stop after validation; nothing is created or changed.
    live : Path, optional
        The bundle of the live challenge, to check what may not change.
    suite : Suite, optional
        As for ``check_bundle``.
    progress : callable, optional
        Told each step before it begins.
    timing : Timing, optional

    Raises
    ------
    BundleCheckError
        If the bundle breaks a rule, or holds the embedded sample's truth. Nothing is sent.
    PushError
        If EvalAI refuses, or cannot be reached.
    ToolError
        If ``api`` is no address, or one that the token would travel to unencrypted.
    """
    with closing(_Server(api, host_team, repository, token, timing or TIMING)) as server:
        progress("check here")
        findings = check_bundle(bundle, live, suite)
        stops = errors_of(findings) + [one for one in findings if one.code == "sample-truth"]
        if stops:
            raise BundleCheckError(bundle, stops)
        pushed = Pushed(warnings=findings)
        progress("validate there")
        pushed.validated = server.validate(bundle)
        if not validate_only:
            progress("create or update")
            pushed.created = server.create_or_update(bundle)
    return pushed


class _Server:
    """EvalAI's two calls for bundles."""

    def __init__(
        self, api: str, host_team: int, repository: str, token: str, timing: Timing
    ) -> None:
        self._api = Api(api, token, timing=timing)
        if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9-]*/[A-Za-z0-9._-]+", repository):
            raise PushError(f"--repository: found {repository!r}, expected OWNER/NAME")
        if not re.fullmatch(r"[\x21-\x7e]+", token):
            raise PushError(
                f"{TOKEN_VARIABLE} is empty or no token: put a host's token from your EvalAI "
                "profile into the environment"
            )
        self._team = host_team
        self._repository = repository
        self._token = token

    def validate(self, bundle: Path) -> List[str]:
        """Changes nothing there, so it may be repeated after any failure but a 500."""
        return self._post(_VALIDATE, bundle, _VALIDATION)

    def create_or_update(self, bundle: Path) -> List[str]:
        """Repeated only where the server cannot have begun."""
        return self._post(_CREATE, bundle, UNSEEN)

    def close(self) -> None:
        self._api.close()

    def _post(self, path: str, bundle: Path, repeat: Repeat) -> List[str]:
        path = path.format(team=self._team)
        url = urljoin(self._api.address, path)
        form = _Form(bundle, {"GITHUB_REPOSITORY": self._repository})
        headers = {"Content-Type": form.content_type}
        try:
            response = self._api.send("POST", path, repeat, data=form, headers=headers)
        except NoAnswer as error:
            raise PushError(self._lost(url, error.reason, repeat.arrived)) from None
        except OSError as error:
            raise PushError(f"{bundle}: cannot be read: {error.strerror}") from None
        lines = self._lines(response)
        if response.status_code in (200, 201):
            return lines
        message = "\n".join([self._mask(url) + ":", *self._refusal(response, lines)])
        raise PushError(message, exit_code=NOT_FIT if response.status_code == 400 else None)

    def _refusal(self, response: requests.Response, lines: List[str]) -> List[str]:
        status = response.status_code
        said = [f"  EvalAI: {line}" for line in lines]
        if 300 <= status < 400:
            target = self._mask(response.headers.get("Location", "nowhere"))
            return [f"HTTP {status}: the server points to {target}: give that address as --api"]
        if status == 500 and not lines:
            return list(_BARE_500)
        if status >= 500:
            return [f"HTTP {status}: the server failed; try again later", *said]
        return [f"HTTP {status}: {_HELP.get(status, 'EvalAI refuses')}", *said]

    def _lost(self, url: str, why: str, repeat: bool) -> str:
        text = f"{self._mask(url)}: {why}"
        if repeat:
            return f"{text}, and again when tried again; nothing was changed on EvalAI"
        return (
            f"{text}; EvalAI may have taken the bundle all the same: look at the challenge there, "
            "then push again (the same repository updates, it does not create a second challenge)"
        )

    def _lines(self, response: requests.Response) -> List[str]:
        """What an answer says, a line each; none for a page that is not the API's."""
        try:
            answer = response.json()
        except ValueError:
            if response.status_code in (200, 201):
                raise PushError(
                    f"{self._api.address}: the answer is not JSON, so this is not EvalAI's API: "
                    "check --api"
                ) from None
            return []
        return [self._mask(line) for line in _texts(answer)][:_MAX_LINES]

    def _mask(self, text: str) -> str:
        return text.replace(self._token, "***")


def _texts(answer: Any) -> Iterator[str]:
    """The messages of an answer: under Success, error or detail, as text, lists or by field."""
    if isinstance(answer, dict):
        for key, value in answer.items():
            prefix = (
                "" if key in ("Success", "success", "error", "detail") else f"{printable(key)}: "
            )
            for text in _texts(value):
                yield prefix + text
    elif isinstance(answer, list):
        for item in answer:
            yield from _texts(item)
    else:
        text = answer if isinstance(answer, str) else json.dumps(answer)
        for line in text.splitlines():
            if line.strip():
                yield printable(line.strip())


class _Form:
    """A multipart form with the bundle as ``zip_configuration``, read as it is sent.

    Iterated anew for each repeat; a bundle may be larger than memory.
    """

    def __init__(self, bundle: Path, fields: Dict[str, str]) -> None:
        self._bundle = bundle
        self._boundary = secrets.token_hex(16)
        text = ""
        for name, value in fields.items():
            text += f'--{self._boundary}\r\nContent-Disposition: form-data; name="{name}"\r\n\r\n'
            text += f"{value}\r\n"
        text += (
            f"--{self._boundary}\r\n"
            'Content-Disposition: form-data; name="zip_configuration"; filename="challenge.zip"\r\n'
            "Content-Type: application/zip\r\n\r\n"
        )
        self._head = text.encode()
        self._tail = f"\r\n--{self._boundary}--\r\n".encode()

    @property
    def content_type(self) -> str:
        return f"multipart/form-data; boundary={self._boundary}"

    def __len__(self) -> int:
        return len(self._head) + self._bundle.stat().st_size + len(self._tail)

    def __iter__(self) -> Iterator[bytes]:
        yield self._head
        with self._bundle.open("rb") as stream:
            yield from iter(lambda: stream.read(1 << 18), b"")
        yield self._tail

"""A bundle -> EvalAI: checked here, validated there, then created or updated.

The challenge is found again by the repository's name, so pushing twice updates and never
duplicates it.
"""

from __future__ import annotations

import re
import secrets
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Callable, Dict, Iterator, List, Mapping, Optional
from urllib.parse import urljoin

import requests

from evaluation_script.suites import Suite
from evaluation_script.text import printable
from nlb_evalai.challenge.evalai.answers import TOKEN_VARIABLE, explained, lines_of
from nlb_evalai.challenge.evalai.rules.run import BundleCheckError, check_bundle
from nlb_evalai.challenge.rules.finding import Finding, errors_of
from nlb_evalai.errors import NOT_FIT, ToolError
from nlb_evalai.web.http import UNSEEN, Api, NoAnswer, Repeat, Timing

_TEAM = "api/challenges/challenge/challenge_host_team/{team}/"
_VALIDATE = _TEAM + "validate_challenge_config/"
_CREATE = _TEAM + "create_or_update_github_challenge/"
_CHALLENGES = "api/challenges/challenge_host_team/{team}/challenge"
_MAX_PAGES = 10


class PushError(ToolError):
    """EvalAI did not take the bundle; the message says what it said, and what to do."""


#: EvalAI unpacks and checks the bundle before it answers
TIMING = Timing(answer_seconds=300.0, repeats=4, first_pause_seconds=2.0)
#: validation changes nothing there; its 500 is an answer
_VALIDATION = Repeat((429, 502, 503, 504), arrived=True)


@dataclass(frozen=True)
class Place:
    """Where the challenge is on EvalAI, and how it stands; ``pk`` is None where nobody could say.

    ``remote``: its queue's name, where workers of the host's own score.
    """

    address: str
    pk: Optional[int] = None
    approved: bool = True
    paused: bool = False
    remote: str = ""

    def told(self) -> List[str]:
        """What the host must know, the address last."""
        lines = []
        if self.remote:
            lines.append(
                f"For `nlb-evalai worker`: --challenge {self.pk} --queue {printable(self.remote)}"
            )
        if not self.approved:
            lines.append("EvalAI's staff have not approved it yet: ask for that on its page.")
        if self.paused:
            lines.append("Submissions are paused: nobody can submit until you resume them there.")
        return [*lines, f"Look at it: {self.address}"]


@dataclass
class Pushed:
    """What became of a push: EvalAI's answers, line by line."""

    warnings: List[Finding] = field(default_factory=list)
    validated: List[str] = field(default_factory=list)
    created: Optional[List[str]] = None
    place: Optional[Place] = None


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
        If the bundle breaks a rule. Nothing is sent.
    PushError
        If the bundle holds the embedded sample's truth, which is not sent; or if EvalAI refuses, or
        cannot be reached.
    ToolError
        If ``api`` is no address, or one that the token would travel to unencrypted.
    """
    with closing(_Server(api, host_team, repository, token, timing or TIMING)) as server:
        progress("check here")
        findings = check_bundle(bundle, live, suite)
        if errors_of(findings):
            raise BundleCheckError(bundle, errors_of(findings))
        sample = [str(one) for one in findings if one.code == "sample-truth"]
        if sample:
            message = "\n  ".join([f"{bundle}: is not sent to EvalAI:", *sample])
            raise PushError(message, exit_code=NOT_FIT)
        pushed = Pushed(warnings=findings)
        progress("validate there")
        pushed.validated = server.validate(bundle)
        if not validate_only:
            progress("create or update")
            pushed.created = server.create_or_update(bundle)
            pushed.place = server.place()
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

    def place(self) -> Place:
        """Where the challenge is now; a push that succeeded does not fail for want of that."""
        path = _CHALLENGES.format(team=self._team)
        for page in range(1, _MAX_PAGES + 1):
            try:
                answer = self._api.send("GET", f"{path}?page={page}", _VALIDATION).json()
                challenges = list(answer["results"])
                mine = [one for one in challenges if one["github_repository"] == self._repository]
                if mine:
                    return self._place(mine[0])
                if not answer["next"]:
                    break
            except (NoAnswer, ValueError, KeyError, TypeError):
                break
        return Place(urljoin(self._api.address, "web/hosted-challenges"))

    def _place(self, challenge: Mapping[str, Any]) -> Place:
        pk = int(challenge["id"])
        return Place(
            urljoin(self._api.address, f"web/challenges/challenge-page/{pk}/overview"),
            pk,
            challenge.get("approved_by_admin") is not False,
            challenge.get("is_submission_paused") is True,
            str(challenge.get("queue")) if challenge.get("remote_evaluation") is True else "",
        )

    def _refusal(self, response: requests.Response, lines: List[str]) -> List[str]:
        status = response.status_code
        if 300 <= status < 400:
            target = self._mask(printable(response.headers.get("Location", "nowhere")))
            return [f"HTTP {status}: the server points to {target}: give that address as --api"]
        return explained(status, lines)

    def _lost(self, url: str, why: str, repeat: bool) -> str:
        text = f"{self._mask(url)}: {why}"
        if repeat:
            return f"{text}, and again when tried again; nothing was changed on EvalAI"
        return (
            f"{text}; EvalAI may have taken the bundle all the same: look at the challenge there "
            f"({urljoin(self._api.address, 'web/hosted-challenges')}), then push again (the same "
            "repository updates, it does not create a second challenge)"
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
        return [self._mask(line) for line in lines_of(answer)]

    def _mask(self, text: str) -> str:
        return text.replace(self._token, "***")


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

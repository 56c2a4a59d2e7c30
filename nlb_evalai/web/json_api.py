"""A server with a JSON API, and what it says when it refuses.

What changes nothing twice is repeated. Of a request that is not, :class:`Lost` says that nobody
knows whether it arrived, and :class:`Refused` that it did nothing.
"""

from __future__ import annotations

import json
import time
from collections import deque
from typing import Any, Deque, Mapping, Optional
from urllib.parse import urljoin

import requests

from evaluation_script.text import printable
from nlb_evalai.errors import ToolError
from nlb_evalai.web.http import FREELY, Api, NoAnswer, Repeat, Timing, reason

#: EvalAI refuses more for one user, on all machines together
REQUESTS_PER_MINUTE = 50
#: a page of 1000 rows of a board has 3 MB
_MOST_BYTES = 32 << 20
_MAX_REASON = 1000
_HELP = {
    401: "; the token is not valid or has expired: take a new one from your EvalAI profile",
    429: "; too many requests, and again after waiting: try again in a minute",
}


class ApiError(ToolError):
    """The API did not do what it was asked."""


class Lost(ApiError):
    """Nobody knows whether a request arrived: it had no answer, or none of the API's."""


class Refused(ApiError):
    """The API said no; nothing was changed. ``status`` is HTTP's."""

    def __init__(self, where: str, status: int, said: str) -> None:
        self.status = status
        self.said = said
        super().__init__(
            f"{where}: HTTP {status}: {said or 'no reason given'}{_HELP.get(status, '')}"
        )


class Pace:
    """Waits where the last minute saw so many requests already."""

    def __init__(self, per_minute: int = REQUESTS_PER_MINUTE) -> None:
        self._times: Deque[float] = deque(maxlen=per_minute)

    def __call__(self) -> None:
        if len(self._times) == self._times.maxlen:
            time.sleep(max(0.0, self._times[0] + 60 - time.monotonic()))
        self._times.append(time.monotonic())


class JsonApi:
    """EvalAI's API, or one that answers like it; for one thread alone.

    Parameters
    ----------
    api : str
        The server, as ``https://eval.ai``; ToolError if it is no address for a token.
    token : str
        Sent to the server alone; no error has it. Empty: everybody may ask.
    timing : Timing, optional
    """

    def __init__(self, api: str, token: str = "", *, timing: Optional[Timing] = None) -> None:
        self._api = Api(api, token, timing=timing, pace=Pace())
        self._token = token

    @property
    def address(self) -> str:
        """The server's, with a slash at its end."""
        return self._api.address

    def close(self) -> None:
        """Close the connections."""
        self._api.close()

    def call(
        self,
        method: str,
        path: str,
        content: Optional[Mapping[str, Any]] = None,
        repeat: Repeat = FREELY,
    ) -> Any:
        """Ask, and take the values of the answer.

        Raises
        ------
        Refused
        Lost
        """
        where = f"{method} {urljoin(self._api.address, path)}"
        try:
            response = self._api.send(method, path, repeat, json=content, stream=True)
            body = _body(where, response)
        except NoAnswer as error:
            raise Lost(str(error)) from None
        except requests.RequestException as error:
            raise Lost(f"{where}: {reason(error)}") from None
        status = response.status_code
        try:
            answer = json.loads(body)
        except (ValueError, RecursionError):
            answer = None
        said = "" if answer is None else self._said(answer)
        if status >= 500:
            raise Lost(f"{where}: HTTP {status}: {said or 'the server failed'}")
        if status >= 400:
            raise Refused(where, status, said)
        if status < 300 and answer is not None:
            return answer
        raise Lost(f"{where}: HTTP {status} without JSON: is this EvalAI's API? Check --api")

    def _said(self, answer: Any) -> str:
        """What a refusal says, in one line and fit to be shown."""
        if isinstance(answer, dict):
            answer = answer.get("error") or answer.get("detail") or answer
        text = answer if isinstance(answer, str) else json.dumps(answer, ensure_ascii=False)
        line = " ".join(text.split())
        if self._token:
            line = line.replace(self._token, "***")
        return printable(line, most=_MAX_REASON)


def _body(where: str, response: requests.Response) -> bytes:
    with response:
        parts, n_bytes = [], 0
        for part in response.iter_content(1 << 16):
            parts.append(part)
            n_bytes += len(part)
            if n_bytes > _MOST_BYTES:
                raise Lost(f"{where}: answers with more than {_MOST_BYTES >> 20} MiB")
        return b"".join(parts)


def number(where: str, row: Mapping[str, Any], key: str) -> int:
    """The number that a row of an answer must have; Lost if it has none."""
    value = row.get(key)
    if isinstance(value, bool) or not isinstance(value, int):
        raise Lost(f"{where}: {key}: found {printable(value, most=40)}, expected a number")
    return value

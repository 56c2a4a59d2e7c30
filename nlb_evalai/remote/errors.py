"""What can go wrong between a worker and EvalAI, by what the worker does about it."""

from __future__ import annotations

from typing import Mapping

from nlb_evalai.errors import ProblemsError, ToolError


class RemoteError(ToolError):
    """Root of these errors; messages hold no token, and no query string of a URL."""


class Unreachable(RemoteError):
    """No answer, a server error, or too many requests, after all repeats: try again later."""


class Paused(Unreachable):
    """The API says that the challenge, or the phase, is paused."""


class BadAnswer(Unreachable):
    """An answer that is not what the API promises."""


class Refused(RemoteError):
    """The API said no (HTTP 4xx, or a redirect).

    Parameters
    ----------
    where : str
        Method and address.
    status : int
        The HTTP status.
    reason : str
        What the server said.
    """

    def __init__(self, where: str, status: int, reason: str) -> None:
        self.where = where
        self.status = status
        self.reason = reason
        super().__init__(f"{where}: refused with HTTP {status}{': ' + reason if reason else ''}")


class UpdateRefused(Refused):
    """The API said no to a submission's final update.

    ``of_the_result``: to what was sent, rather than to who sent it, or from where.
    """

    @property
    def of_the_result(self) -> bool:
        return self.status in (400, 413, 422)


class LeftBehind(ProblemsError):
    """A worker that was to work off the queue once had to leave submissions in it.

    Parameters
    ----------
    why : mapping
        Submission's number -> reason.
    """

    def __init__(self, why: Mapping[int, str]) -> None:
        lines = [f"submission {number}: {reason}" for number, reason in sorted(why.items())]
        super().__init__("what the queue held is not all settled, left:", lines, "submission")


class HandBack(Exception):
    """The worker must end: give up the submission in hand, so that another one takes it."""


class LeaseLost(Exception):
    """Another worker took the submission over, as this one seemed dead."""

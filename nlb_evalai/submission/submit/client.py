"""EvalAI's API for participants, typed.

What changes nothing twice is repeated. The calls that make, end or send a submission are not:
`Lost` says that nobody knows whether one arrived, `Refused` that it did nothing.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import Any, Dict, Iterator, List, Mapping, Optional
from urllib.parse import urljoin

from evaluation_script.text import did_you_mean, printable
from nlb_evalai.errors import ToolError
from nlb_evalai.web.http import UNSEEN, Timing
from nlb_evalai.web.json_api import JsonApi, Lost, number

SUBMITTED = "submitted"
CANCELLED = "cancelled"
FINAL_STATUSES = frozenset({"finished", "failed", CANCELLED, "archived"})
_MAX_PAGES = 200


@dataclass(frozen=True)
class Phase:
    """A phase: its number, and what it asks of a submission beside the file.

    ``public`` is what a submission becomes that does not say it.
    """

    pk: int
    codename: str
    attributes: List[Mapping[str, Any]]
    public: bool


@dataclass(frozen=True)
class Submission:
    """A submission as the API tells it; addresses are absolute, and empty where there is none."""

    pk: int
    status: str
    input_file: str = ""
    stdout_file: str = ""
    stderr_file: str = ""
    result_file: str = ""
    fields: Mapping[str, Any] = field(default_factory=dict)

    @property
    def is_final(self) -> bool:
        """Whether its state is decided."""
        return self.status in FINAL_STATUSES


@dataclass(frozen=True)
class Presigned:
    """A new submission, and the addresses of its parts in order."""

    submission: int
    upload_id: str
    addresses: List[str]


class Client:
    """EvalAI as a participant sees it.

    Parameters
    ----------
    api : str
        The server, as ``https://eval.ai``; ToolError if it is no address for a token.
    token : str
        A participant's. Sent to the server alone; no error has it.
    timing : Timing, optional
    """

    def __init__(self, api: str, token: str, *, timing: Optional[Timing] = None) -> None:
        self._api = JsonApi(api, token, timing=timing)
        self._call = self._api.call

    @property
    def address(self) -> str:
        """The server's, with a slash at its end."""
        return self._api.address

    def close(self) -> None:
        """Close the connections."""
        self._api.close()

    def phase(self, challenge: int, codename: str) -> Phase:
        """The phase of that codename; ToolError if the challenge has none."""
        path = f"api/challenges/challenge/{challenge}/challenge_phase"
        found = {str(row.get("codename")): row for row in self._pages(path)}
        if codename not in found:
            hint = printable(did_you_mean(codename, found))
            names = ", ".join(printable(name) for name in found) or "no phase at all"
            raise ToolError(
                f"challenge {challenge}: found {names}, expected a phase {codename}{hint}"
            )
        row = found[codename]
        attributes = row.get("submission_meta_attributes") or []
        if not isinstance(attributes, list) or not all(isinstance(a, dict) for a in attributes):
            raise Lost(f"{path}: submission_meta_attributes: expected a list of objects")
        return Phase(
            number(path, row, "id"), codename, attributes, bool(row.get("is_submission_public"))
        )

    def limits(self, challenge: int, phase: int) -> Dict[str, Any]:
        """What is left of a phase's quota, or a ``message``; empty where EvalAI does not say."""
        path = f"api/jobs/{challenge}/remaining_submissions/"
        answer = self._call("GET", path)
        rows = answer.get("phases") if isinstance(answer, dict) else None
        for row in rows if isinstance(rows, list) else ():
            if isinstance(row, dict) and row.get("id") == phase:
                limits = row.get("limits")
                return dict(limits) if isinstance(limits, dict) else {}
        return {}

    def own(self, challenge: int, phase: int) -> Iterator[Submission]:
        """The team's submissions to a phase."""
        path = f"api/jobs/challenge/{challenge}/challenge_phase/{phase}/submission/"
        for row in self._pages(path):
            yield self._submission(path, row)

    def submission(self, pk: int) -> Submission:
        """One of the team's submissions."""
        path = f"api/jobs/submission/{pk}"
        return self._submission(path, self._call("GET", path))

    def presign(self, phase: int, content: Mapping[str, Any], n_parts: int) -> Presigned:
        """Make a submission, and have addresses for the parts of its file.

        Raises
        ------
        Lost
            If it may be there or not.
        Refused
        """
        path = f"api/jobs/phases/{phase}/get_submission_file_presigned_url/"
        fixed = {"file_name": "submission.h5", "status": "submitting", "num_file_chunks": n_parts}
        answer = self._call("POST", path, {**content, **fixed}, UNSEEN)
        parts = answer.get("presigned_urls") if isinstance(answer, dict) else None
        try:
            addresses = {part["partNumber"]: part["url"] for part in parts or ()}
            ordered = [addresses[number] for number in range(1, n_parts + 1)]
            upload_id = answer["upload_id"]
        except (KeyError, TypeError):
            raise Lost(f"{path}: expected {n_parts} addresses and an upload_id") from None
        texts = (upload_id, *ordered)
        if not all(isinstance(text, str) and text for text in texts):
            raise Lost(f"{path}: expected text as addresses and as upload_id")
        return Presigned(number(path, answer, "submission_pk"), upload_id, ordered)

    def finish(self, phase: int, submission: int, upload_id: str, etags: List[str]) -> None:
        """Have the parts put together."""
        path = f"api/jobs/phases/{phase}/finish_submission_file_upload/{submission}/"
        parts = [{"ETag": tag, "PartNumber": number} for number, tag in enumerate(etags, start=1)]
        content = {"upload_id": upload_id, "parts": json.dumps(parts)}
        self._call("POST", path, content, UNSEEN)

    def send(self, phase: int, submission: int) -> None:
        """Have the submission scored; each call does that again."""
        path = f"api/jobs/phases/{phase}/send_submission_message/{submission}/"
        self._call("POST", path, {}, UNSEEN)

    def cancel(self, challenge: int, phase: int, submission: int) -> None:
        """Give a submission up, so that it takes no quota and no place."""
        base = f"api/jobs/challenge/{challenge}/challenge_phase/{phase}/submission"
        self._call("PATCH", f"{base}/{submission}", {"status": CANCELLED})

    def _pages(self, path: str) -> Iterator[Mapping[str, Any]]:
        """The rows of a list, page by page; ``next`` is no address to follow with a token."""
        for page in range(1, _MAX_PAGES):
            answer = self._call("GET", path if page == 1 else f"{path}?page={page}")
            rows = answer.get("results") if isinstance(answer, dict) else None
            if not isinstance(rows, list) or not all(isinstance(row, dict) for row in rows):
                raise Lost(f"{path}: expected a list of results")
            yield from rows
            if not answer.get("next"):
                return

    def _submission(self, path: str, row: Any) -> Submission:
        if not isinstance(row, dict) or not isinstance(row.get("status"), str):
            raise Lost(f"{path}: expected a submission with a status")

        def address(name: str) -> str:
            url = row.get(name)
            return urljoin(self._api.address, url) if isinstance(url, str) and url else ""

        return Submission(
            number(path, row, "id"),
            row["status"].lower(),
            address("input_file"),
            address("stdout_file"),
            address("stderr_file"),
            address("submission_result_file"),
            row,
        )

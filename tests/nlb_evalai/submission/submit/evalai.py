"""A stand-in for EvalAI as participants see it, over real HTTP, with its storage on another host.

It answers as the samples in tests/data/evalai do, and keeps what it saw. Trouble is put before or
after what a step does: before, the step does not happen; after, its answer is lost.
"""

from __future__ import annotations

import hashlib
import json
import re
import threading
import time
from dataclasses import dataclass, field
from typing import Any, Callable, Dict, List, Mapping, Optional, Tuple
from urllib.parse import parse_qs, urlsplit

from tests.nlb_evalai.remote.standin import _Handler, _Server
from tests.paths import DATA

TOKEN = "eyJ0eXAi.participants-token.xyz"
CHALLENGE = 7
PHASE = 2
PLACEHOLDER = b"placeholder\n"
IN_HAND = 3


def sample(name: str) -> Any:
    return json.loads((DATA / "evalai" / f"{name}.json").read_text(encoding="utf-8"))


#: case -> (HTTP status, body)
ANSWERS: Dict[str, Tuple[int, Any]] = {
    one["case"].strip(): (one["http"], one["body"]) for one in sample("upload_answers")
}
STORAGE_FAULT = ANSWERS["wrong ETag"]
PHASES = sample("challenge_phase")

#: what a fault does with a request; True if it answered
Fault = Callable[[Any], bool]


@dataclass
class Entry:
    """A submission as the server knows it."""

    pk: int
    content: Dict[str, Any]
    expires: float
    upload_id: str
    parts: Dict[int, bytes] = field(default_factory=dict)
    file: bytes = PLACEHOLDER
    status: str = "submitted"
    messages: int = 0

    @property
    def holds(self) -> bool:
        """Whether it takes a place and will never be scored."""
        return self.status == "submitted" and not self.messages


class EvalAI:
    """The API on one host, storage on another."""

    def __init__(self, *, min_part_bytes: int = 1000, address_seconds: float = 3600.0) -> None:
        self.min_part_bytes = min_part_bytes
        self.address_seconds = address_seconds
        self.lock = threading.RLock()
        self.entries: Dict[int, Entry] = {}
        self.requests: List[Tuple[str, Dict[str, str]]] = []
        self.violations: List[str] = []
        self.faults: List[Tuple[str, str, Fault]] = []
        self.phase: Dict[str, Any] = json.loads(json.dumps(PHASES["results"][1]))
        self.allowed = 5
        self.paused = False
        self.truncates = False
        self.end = "finished"
        self.works = True
        self.stdout = "phase test: 1 group scored\n  mc_rtt  co-bps 0.2"
        self.stderr = ""
        self.next_pk = 11
        self._servers = [self._serve(_Api), self._serve(_Storage)]

    def _serve(self, handler: Any) -> _Server:
        server = _Server(("127.0.0.1", 0), handler)
        server.owner = self  # type: ignore[assignment]
        threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
        return server

    def close(self) -> None:
        for server in self._servers:
            server.shutdown()
            server.server_close()

    @property
    def api(self) -> str:
        return f"http://127.0.0.1:{self._servers[0].server_port}"

    @property
    def storage(self) -> str:
        return f"http://localhost:{self._servers[1].server_port}"

    # -- what a test does ----------------------------------------------------------------------

    def before(self, step: str, fault: Fault) -> None:
        self.faults.append((step, "before", fault))

    def after(self, step: str, fault: Fault) -> None:
        self.faults.append((step, "after", fault))

    @property
    def alive(self) -> List[Entry]:
        return [one for one in self.entries.values() if one.status != "cancelled"]

    @property
    def holding(self) -> List[int]:
        return [one.pk for one in self.entries.values() if one.holds]

    def count(self, step: str) -> int:
        return sum(found == step for found, _ in self.requests)

    def export(self) -> List[str]:
        """The attributes as the host's CSV needs them: an entry of another shape is an error."""
        rows = []
        for entry in self.entries.values():
            for one in entry.content.get("submission_metadata") or ():
                value = ",".join(one["values"]) if one["type"] == "checkbox" else one["value"]
                assert value is None or isinstance(value, str)
                rows.append(f"{one['name']}: {value}")
        return rows

    # -- what the API does ---------------------------------------------------------------------

    def struck(self, step: str, when: str, handler: Any) -> bool:
        with self.lock:
            due = [one for one in self.faults if one[:2] == (step, when)][:1]
            for one in due:
                self.faults.remove(one)
        return any(fault(handler) for _, _, fault in due)

    def phases(self, _: Any) -> Tuple[int, Any]:
        return 200, {**PHASES, "results": [PHASES["results"][0], self.phase]}

    def remaining(self, _: Any) -> Tuple[int, Any]:
        left = self.allowed - sum(one.status != "failed" for one in self.alive)
        answer = sample("remaining_submissions" if left > 0 else "remaining_submissions_used_up")
        if left > 0:
            answer["phases"][1]["limits"]["remaining_submissions_today_count"] = left
        return 200, answer

    def own(self, _: Any) -> Tuple[int, Any]:
        rows = [self.row(one) for one in self.entries.values()]
        return 200, {"count": len(rows), "next": None, "previous": None, "results": rows}

    def row(self, entry: Entry) -> Dict[str, Any]:
        answer = dict(sample("submission_finished"))
        url = f"{self.storage}/media/{entry.pk}"
        is_final = entry.status in ("finished", "failed")
        answer.update(
            id=entry.pk,
            status=entry.status,
            input_file=f"{url}.h5?Signature=s3cr3t",
            stdout_file=f"{url}.stdout" if is_final and self.stdout else None,
            stderr_file=f"{url}.stderr" if is_final and self.stderr else None,
            submission_result_file=f"{url}.result" if entry.status == "finished" else None,
            submission_metadata=entry.content.get("submission_metadata"),
            method_name=entry.content.get("method_name", ""),
            method_description=entry.content.get("method_description", ""),
        )
        return answer

    def presign(self, content: Any) -> Tuple[int, Any]:
        if "file_name" not in content or not isinstance(content.get("is_public", ""), str):
            return 500, "UNHANDLED"
        if "status" not in content:
            return ANSWERS["no status"]
        if sum(one.status != "failed" for one in self.alive) >= self.allowed:
            return ANSWERS["presign 2 (none sent)"]
        if sum(one.status in ("submitted", "running") for one in self.alive) >= IN_HAND:
            return ANSWERS["concurrency (1 presigned, not sent)"]
        pk = self.next_pk
        self.next_pk += 1
        expires = time.time() + self.address_seconds
        entry = self.entries[pk] = Entry(pk, dict(content), expires, f"7544-{pk}-up")
        query = f"uploadId={entry.upload_id}&Signature=k%2Fy&Expires={expires:.0f}&partNumber="
        numbers = range(1, int(content.get("num_file_chunks", 1)) + 1)
        return 201, {
            "presigned_urls": [
                {"partNumber": n, "url": f"{self.storage}/media/{pk}.h5?{query}{n}"}
                for n in numbers
            ],
            "upload_id": entry.upload_id,
            "submission_pk": pk,
        }

    def finish(self, content: Any, pk: int) -> Tuple[int, Any]:
        entry = self.entries[pk]
        if not isinstance(content["parts"], str):
            return 500, "UNHANDLED"
        parts = json.loads(content["parts"])
        numbers = [part["PartNumber"] for part in parts]
        found = [entry.parts.get(number) for number in numbers]
        if (
            content["upload_id"] != entry.upload_id
            or entry.file != PLACEHOLDER
            or not parts
            or numbers != sorted(numbers)
            or any(data is None or part["ETag"] != etag(data) for part, data in zip(parts, found))
            or any(len(data or b"") < self.min_part_bytes for data in found[:-1])
        ):
            return STORAGE_FAULT
        kept = found[:-1] if self.truncates else found
        entry.file = b"".join(data or b"" for data in kept)
        return 201, {"upload_id": entry.upload_id, "submission_pk": pk}

    def send(self, _: Any, pk: int) -> Tuple[int, Any]:
        self.entries[pk].messages += 1
        return 200, {}

    def status(self, _: Any, pk: int) -> Tuple[int, Any]:
        entry = self.entries.get(pk)
        if entry is None:
            return 404, {"detail": f"Submission {pk} does not exist"}
        answer = self.row(entry)
        if entry.messages and self.works:
            entry.status = {"submitted": "running", "running": self.end}.get(
                entry.status, entry.status
            )
        return 200, answer

    def cancel(self, content: Any, pk: int) -> Tuple[int, Any]:
        if content != {"status": "cancelled"}:
            self.violations.append(f"PATCH with {content}")
        self.entries[pk].status = "cancelled"
        return 200, self.row(self.entries[pk])


def etag(data: bytes) -> str:
    return f'"{hashlib.md5(data).hexdigest()}"'


_ROUTES: Mapping[str, Tuple[str, str]] = {
    "phases": ("GET", rf"/api/challenges/challenge/{CHALLENGE}/challenge_phase"),
    "remaining": ("GET", rf"/api/jobs/{CHALLENGE}/remaining_submissions/"),
    "own": ("GET", rf"/api/jobs/challenge/{CHALLENGE}/challenge_phase/{PHASE}/submission/"),
    "presign": ("POST", rf"/api/jobs/phases/{PHASE}/get_submission_file_presigned_url/"),
    "finish": ("POST", rf"/api/jobs/phases/{PHASE}/finish_submission_file_upload/(\d+)/"),
    "send": ("POST", rf"/api/jobs/phases/{PHASE}/send_submission_message/(\d+)/"),
    "status": ("GET", r"/api/jobs/submission/(\d+)"),
    "cancel": (
        "PATCH",
        rf"/api/jobs/challenge/{CHALLENGE}/challenge_phase/{PHASE}/submission/(\d+)",
    ),
}


class _Api(_Handler):
    disable_nagle_algorithm = True

    def _handle(self) -> None:
        owner: EvalAI = self.server.owner  # type: ignore[assignment]
        length = int(self.headers.get("Content-Length") or 0)
        content = json.loads(self.rfile.read(length)) if length else None
        path = urlsplit(self.path).path
        matches = {
            step: re.fullmatch(pattern, path)
            for step, (method, pattern) in _ROUTES.items()
            if method == self.command
        }
        step, found = next(((name, one) for name, one in matches.items() if one), ("", None))
        if found is None:
            owner.violations.append(f"{self.command} {self.path}: no such address")
            self.send(405, {"detail": "Method not allowed."})
            return
        owner.requests.append((step, dict(self.headers.items())))
        if self.headers.get("Authorization") != f"Bearer {TOKEN}":
            self.send(*ANSWERS["wrong token"])
        elif owner.struck(step, "before", self):
            pass
        elif owner.paused and step in ("presign", "finish", "send"):
            self.send(*ANSWERS[f"phase paused: {step}"])
        else:
            with owner.lock:
                status, answer = getattr(owner, step)(content, *map(int, found.groups()))
            if not owner.struck(step, "after", self):
                self.send(status, answer)

    do_GET = do_POST = do_PATCH = _handle


class _Storage(_Handler):
    disable_nagle_algorithm = True

    def _entry(self) -> Tuple[EvalAI, Optional[Entry]]:
        owner: EvalAI = self.server.owner  # type: ignore[assignment]
        if "Authorization" in self.headers:
            owner.violations.append("storage was sent a token")
        found = re.match(r"/media/(\d+)\.", self.path)
        return owner, owner.entries.get(int(found.group(1))) if found else None

    def refuse(self, status: int, code: str, message: str) -> None:
        self.send(
            status, f"<Error><Code>{code}</Code><Message>{message}</Message></Error>".encode()
        )

    def do_PUT(self) -> None:
        owner, entry = self._entry()
        owner.requests.append(("put", dict(self.headers.items())))
        if owner.struck("put", "before", self):
            return
        if "Content-Length" not in self.headers or "Transfer-Encoding" in self.headers:
            self.refuse(411, "MissingContentLength", "You must provide the Content-Length header.")
            return
        data = self.rfile.read(int(self.headers["Content-Length"]))
        query = parse_qs(urlsplit(self.path).query)
        if "Content-Type" in self.headers or query.get("Signature") != ["k/y"]:
            self.refuse(403, "SignatureDoesNotMatch", "The request signature does not match.")
        elif entry is None or query.get("uploadId") != [entry.upload_id]:
            self.refuse(404, "NoSuchUpload", "The specified upload does not exist.")
        elif time.time() > entry.expires:
            self.refuse(403, "AccessDenied", "Request has expired")
        elif len(data) == int(self.headers["Content-Length"]):
            entry.parts[int(query["partNumber"][0])] = data
            if not owner.struck("put", "after", self):
                self.send(200, b"", ETag=etag(data))

    def do_GET(self) -> None:
        owner, entry = self._entry()
        owner.requests.append(("file", dict(self.headers.items())))
        if owner.struck("file", "before", self):
            return
        kind = urlsplit(self.path).path.rpartition(".")[2]
        if entry is None:
            self.refuse(404, "NoSuchKey", "The specified key does not exist.")
        elif kind == "h5":
            self.send(200, entry.file)
        else:
            texts = {"stdout": owner.stdout, "stderr": owner.stderr, "result": '{"scores": {}}'}
            self.send(200, texts[kind].encode())


# -- faults --------------------------------------------------------------------------------------


def lost(handler: Any) -> bool:
    """Hang up: before a step the request is lost, after it its answer."""
    handler.drop()
    return True


def answers(status: int, body: Any = b"<h1>trouble</h1>", **headers: str) -> Fault:
    """Answer so instead."""

    def fault(handler: Any) -> bool:
        if handler.command == "PUT":
            handler.rfile.read(int(handler.headers["Content-Length"]))
        handler.send(status, body, **headers)
        return True

    return fault


def cut(handler: Any) -> bool:
    """Take half of what comes, then hang up."""
    handler.rfile.read(int(handler.headers["Content-Length"]) // 2)
    return lost(handler)


def called(function: Callable[[], Any]) -> Fault:
    """Do something, and go on."""

    def fault(handler: Any) -> bool:
        function()
        return False

    return fault

"""A stand-in for EvalAI and its object storage, over real HTTP, that holds a worker to the API.

It keeps what it saw (every request, every update) and what it had to object to (``violations``).
Trouble is injected from a seeded generator: errors, lost requests, lost answers, duplicates.
"""

from __future__ import annotations

import json
import random
import re
import threading
import time
from collections import deque
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Deque, Dict, List, Mapping, Optional, Tuple

FINAL = ("finished", "failed", "cancelled", "archived")
TOKEN = "tok-0f3b9c66e1d94e72"
CHALLENGE = 42
PHASES = {1: "val", 2: "test"}
QUEUE = "nlb-queue-7"


@dataclass
class Trouble:
    """Probabilities of what goes wrong with a request."""

    error: float = 0.0
    lost_request: float = 0.0
    lost_answer: float = 0.0
    slow: float = 0.0
    duplicate: float = 0.0
    cut_file: float = 0.0


@dataclass
class Stored:
    """A submission as the server knows it."""

    pk: int
    phase: int
    file: bytes
    status: str = "submitted"
    updates: List[Dict[str, Any]] = field(default_factory=list)
    patches: int = 0


@dataclass
class Queued:
    body: Dict[str, int]
    visible_at: float = 0.0
    receipt: str = ""
    received: int = 0


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 64
    owner: StandIn

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that was killed is no news."""


class StandIn:
    """EvalAI's API on one port, object storage on another."""

    def __init__(
        self,
        boards: Mapping[str, List[str]],
        *,
        visibility_seconds: float = 30.0,
        per_minute: Optional[int] = None,
        trouble: Optional[Trouble] = None,
        seed: int = 0,
    ) -> None:
        self.boards = boards
        self.visibility_seconds = visibility_seconds
        self.per_minute = per_minute
        self.trouble = trouble or Trouble()
        self.lock = threading.RLock()
        self.random = random.Random(seed)
        self.submissions: Dict[int, Stored] = {}
        self.queue: List[Queued] = []
        self.requests: List[Tuple[str, str]] = []
        self.storage_requests: List[Dict[str, str]] = []
        self.violations: List[str] = []
        self.injected: Dict[str, int] = {}
        self._chances: Dict[str, int] = {}
        self.scripted: Deque[Tuple[str, str, int, Any]] = deque()
        self.refuse_results = False
        #: (status, headers) with which the storage answers everything, if not None
        self.storage_says: Optional[Tuple[int, Dict[str, str]]] = None
        self.supports_ranges = True
        self.taken_at: Deque[float] = deque()
        self._servers = [self._serve(_Api), self._serve(_Storage)]

    def _serve(self, handler: Any) -> _Server:
        server = _Server(("127.0.0.1", 0), handler)
        server.owner = self
        threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
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

    def submit(self, file: bytes, phase: int = 1, copies: int = 1) -> int:
        with self.lock:
            pk = 1000 + len(self.submissions)
            self.submissions[pk] = Stored(pk, phase, file)
            for _ in range(copies):
                self.enqueue(pk)
        return pk

    def enqueue(self, pk: int) -> None:
        body = {
            "submission_pk": pk,
            "challenge_pk": CHALLENGE,
            "phase_pk": self.submissions[pk].phase,
        }
        self.queue.append(Queued(body))

    def answer_next(self, method: str, status: int, content: Any, path: str = "/") -> None:
        """Answer one request of a method, to an address that starts so, in this way."""
        self.scripted.append((method, path, status, content))

    def cancel(self, pk: int) -> None:
        with self.lock:
            self.submissions[pk].status = "cancelled"

    def statuses(self) -> Dict[int, str]:
        with self.lock:
            return {pk: stored.status for pk, stored in self.submissions.items()}

    def settled(self) -> bool:
        with self.lock:
            return not self.queue and all(s.status in FINAL for s in self.submissions.values())

    def scores(self, pk: int) -> Dict[str, Dict[str, float]]:
        (update,) = [u for u in self.submissions[pk].updates if u["submission_status"] in FINAL]
        return {e["split"]: e["accuracies"] for e in json.loads(update["result"])}

    # -- what the API does ---------------------------------------------------------------------

    def inject(self, what: str) -> bool:
        """Whether this trouble strikes now: at its rate, and at its tenth chance at the latest."""
        with self.lock:
            rate = getattr(self.trouble, what)
            self._chances[what] = self._chances.get(what, 0) + 1
            overdue = rate > 0 and what not in self.injected and self._chances[what] >= 10
            hit = self.random.random() < rate or overdue
            if hit:
                self.injected[what] = self.injected.get(what, 0) + 1
            return hit

    def throttled(self) -> bool:
        with self.lock:
            now = time.monotonic()
            while self.taken_at and self.taken_at[0] < now - 60:
                self.taken_at.popleft()
            if self.per_minute is not None and len(self.taken_at) >= self.per_minute:
                return True
            self.taken_at.append(now)
            return False

    def answer(self, method: str, path: str, content: Any) -> Tuple[int, Any]:
        with self.lock:
            self.requests.append((method, path))
            for i, (wanted, start, status, scripted) in enumerate(self.scripted):
                if wanted == method and path.startswith(start):
                    del self.scripted[i]
                    return status, scripted
            if method == "GET" and path == f"/api/jobs/challenge/queues/{QUEUE}/":
                return 200, self._receive()
            if method == "POST" and path == f"/api/jobs/queues/{QUEUE}/":
                return self._delete(content)
            found = re.fullmatch(r"/api/jobs/submission/(\d+)", path)
            if method == "GET" and found:
                return self._submission(int(found.group(1)))
            found = re.fullmatch(r"/api/challenges/challenge/(\d+)/challenge_phase/(\d+)", path)
            if method == "GET" and found and int(found.group(2)) in PHASES:
                return 200, {"id": int(found.group(2)), "codename": PHASES[int(found.group(2))]}
            if path == f"/api/jobs/challenge/{CHALLENGE}/update_submission/":
                if method == "PATCH":
                    return self._patch(content)
                if method == "PUT":
                    return self._put(content)
            self.violations.append(f"{method} {path}: no such address")
            return 404, {"detail": "Not found."}

    def _receive(self) -> Dict[str, Any]:
        now = time.monotonic()
        for message in self.queue:
            if message.visible_at <= now:
                message.received += 1
                message.receipt = f"receipt-{self.random.getrandbits(64):x}"
                message.visible_at = now + self.visibility_seconds
                if self.inject("duplicate"):
                    message.visible_at = now
                return {"body": message.body, "receipt_handle": message.receipt}
        return {"body": None, "receipt_handle": None}

    def _delete(self, content: Any) -> Tuple[int, Any]:
        # An older receipt is accepted and deletes nothing.
        receipt = content["receipt_handle"]
        for message in self.queue:
            if message.receipt == receipt:
                stored = self.submissions.get(message.body["submission_pk"])
                if stored is not None and stored.status not in FINAL:
                    self.violations.append("message deleted before the final state")
                self.queue.remove(message)
                break
        return 200, {"success": "Message deleted successfully from the queue"}

    def _submission(self, pk: int) -> Tuple[int, Any]:
        stored = self.submissions.get(pk)
        if stored is None:
            return 404, {"error": f"Submission {pk} does not exist"}
        url = f"{self.storage}/media/{pk}.h5?X-Amz-Signature=secret-signature"
        return 200, {"id": pk, "status": stored.status, "input_file": url, "stdout_file": None}

    def _patch(self, content: Any) -> Tuple[int, Any]:
        if content.get("submission_status") != "running":
            return 400, {"error": "Sorry, submission status is invalid"}
        stored = self.submissions[content["submission"]]
        if stored.status in FINAL:
            self.violations.append(f"{stored.pk}: running after {stored.status}")
        stored.patches += 1
        stored.status = "running"
        return 200, {"status": "running"}

    def _put(self, content: Any) -> Tuple[int, Any]:
        stored = self.submissions[content["submission"]]
        status = content.get("submission_status")
        if status not in FINAL:
            return 400, {"error": "Sorry, submission status is invalid"}
        if content.get("challenge_phase") != stored.phase:
            return 400, {"error": "wrong phase"}
        for name in ("stdout", "stderr", "metadata"):
            if not isinstance(content.get(name), str):
                return 400, {"error": f"{name} is no text"}
        if status == "finished":
            problem = self._result_problem(content.get("result"))
            if self.refuse_results:
                problem = "Challenge Phase Split does not exist"
            if problem:
                return 400, {"error": problem}
        if stored.status in FINAL and not (stored.updates and stored.updates[-1] == content):
            self.violations.append(f"{stored.pk}: {stored.status} overwritten with {status}")
        if not (stored.updates and stored.updates[-1] == content):
            stored.updates.append(content)
        stored.status = status
        return 200, {"success": "Submission result has been successfully updated"}

    def _result_problem(self, result: Any) -> str:
        if not isinstance(result, str):
            return "`result` key contains invalid data with error: the JSON object must be str"
        try:
            entries = json.loads(result, parse_constant=lambda name: float("nan"))
        except ValueError as error:
            return f"`result` key contains invalid data with error {error}."
        for entry in entries:
            if set(entry) != {"split", "show_to_participant", "accuracies"}:
                return f"malformed entry: {sorted(entry)}"
            labels = self.boards.get(entry["split"])
            if labels is None:
                return f"Challenge Phase Split does not exist: {entry['split']}"
            for label, value in entry["accuracies"].items():
                if label not in labels:
                    return f"Following metrics are missing in the leaderboard data: {label}"
                if isinstance(value, bool) or not isinstance(value, (int, float)):
                    return f"Values for following metrics are not of float/int: {label}"
                if value != value or abs(value) == float("inf"):
                    return "out of range"
        return ""


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: _Server

    def log_message(self, format: str, *args: Any) -> None:
        pass

    def send(self, status: int, content: Any, **headers: str) -> None:
        raw = isinstance(content, bytes)
        data = content if raw else json.dumps(content).encode()
        self.send_response(status)
        self.send_header("Content-Type", "text/html" if raw else "application/json")
        self.send_header("Content-Length", str(len(data)))
        for name, value in headers.items():
            self.send_header(name.replace("_", "-"), value)
        self.end_headers()
        self.wfile.write(data)

    def drop(self) -> None:
        self.close_connection = True
        self.connection.close()


class _Api(_Handler):
    def _handle(self) -> None:
        owner = self.server.owner
        length = int(self.headers.get("Content-Length") or 0)
        content = json.loads(self.rfile.read(length)) if length else None
        if self.headers.get("Authorization") != f"Bearer {TOKEN}":
            self.send(401, {"detail": "Invalid token"})
        elif owner.throttled():
            self.send(429, {"detail": "Request was throttled."}, Retry_After="1")
        elif owner.inject("lost_request"):
            self.drop()
        elif owner.inject("error"):
            self.send(owner.random.choice([500, 502, 503, 504]), b"<h1>trouble</h1>")
        else:
            if owner.inject("slow"):
                time.sleep(0.3)
            status, answer = owner.answer(self.command, self.path, content)
            if owner.inject("lost_answer"):
                self.drop()
            else:
                self.send(status, answer)

    do_GET = do_POST = do_PUT = do_PATCH = _handle


class _Storage(_Handler):
    def do_GET(self) -> None:
        owner = self.server.owner
        with owner.lock:
            owner.storage_requests.append({":path": self.path, **dict(self.headers.items())})
        if owner.storage_says is not None:
            status, headers = owner.storage_says
            self.send(status, b"<Error/>", **headers)
            return
        found = re.match(r"/media/(\d+)\.h5", self.path)
        if found is None or "X-Amz-Signature=secret-signature" not in self.path:
            self.send(403, b"<Error>AccessDenied</Error>")
            return
        data = owner.submissions[int(found.group(1))].file
        start, status = 0, 200
        asked = re.fullmatch(r"bytes=(\d+)-", self.headers.get("Range", ""))
        if asked and owner.supports_ranges:
            start, status = int(asked.group(1)), 206
        self.send_response(status)
        self.send_header("ETag", '"v1"')
        self.send_header("Content-Length", str(len(data) - start))
        if status == 206:
            self.send_header("Content-Range", f"bytes {start}-{len(data) - 1}/{len(data)}")
        self.end_headers()
        part = data[start:]
        if owner.inject("cut_file"):
            self.wfile.write(part[: len(part) // 2 + 1])
            self.drop()
            return
        self.wfile.write(part)

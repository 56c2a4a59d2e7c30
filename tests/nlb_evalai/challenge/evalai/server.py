"""A stand-in for EvalAI's calls for hosts, over HTTP, that enforces the contract."""

from __future__ import annotations

import email
import email.policy
import io
import json
import re
import threading
import zipfile
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Dict, List, Tuple
from urllib.parse import parse_qs, urlsplit

import yaml

TOKEN = "host-token-0123456789abcdef"
VALIDATE, CREATE = "validate_challenge_config", "create_or_update_github_challenge"
WRONG_TOKEN = {
    "detail": "Given token not valid for any token type",
    "code": "token_not_valid",
    "messages": [
        {
            "token_class": "RefreshToken",
            "token_type": "refresh",
            "message": "Token is invalid or expired",
        }
    ],
}


class EvalAI:
    """Enforces the contract of pushing; ``faults`` (one a POST) come before it.

    ``facts`` are what the list of challenges says besides; ``page_size`` cuts it in pages.
    """

    team, others = 7, 8

    def __init__(self) -> None:
        self.calls: List[str] = []
        self.challenges: Dict[str, bytes] = {}
        self.faults: List[Any] = []
        self.problems: Any = None
        self.facts: Dict[str, Any] = {}
        self.page_size = 100
        self.lists = True
        self.server = ThreadingHTTPServer(("127.0.0.1", 0), _Handler)
        self.server.daemon_threads = True
        self.server.evalai = self  # type: ignore[attr-defined]
        threading.Thread(
            target=self.server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True
        ).start()

    def close(self) -> None:
        self.server.shutdown()
        self.server.server_close()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server.server_address[1]}"

    def judge(self, path: str, headers: Any, content: bytes) -> Tuple[int, Any]:
        """(status, answer) to a POST, as EvalAI gives them."""
        match = re.fullmatch(r"/api/challenges/challenge/challenge_host_team/(\d+)/(\w+)/", path)
        if match is None:
            return 404, {"detail": "Not found."}
        team, call = int(match.group(1)), match.group(2)
        self.calls.append(call)
        if headers.get("Authorization") != f"Bearer {TOKEN}":
            return 401, WRONG_TOKEN
        if team not in (self.team, self.others):
            return 404, {"detail": f"ChallengeHostTeam {team} does not exist"}
        if team == self.others and call == VALIDATE:
            return 401, {"error": "Sorry, you do not belong to this Host Team!"}
        form = parse_form(headers["Content-Type"], content)
        if set(form) != {"GITHUB_REPOSITORY", "zip_configuration"}:
            return 400, {"error": f"fields: {sorted(form)}"}
        with zipfile.ZipFile(io.BytesIO(form["zip_configuration"])) as archive:
            assert archive.testzip() is None
            title = yaml.safe_load(archive.read("challenge_config.yaml"))["title"]
        if self.problems:
            return 400, {"error": self.problems}
        if call == VALIDATE:
            return 200, {"Success": "The challenge config has been validated successfully"}
        repository = form["GITHUB_REPOSITORY"].decode()
        created = repository not in self.challenges
        self.challenges[repository] = form["zip_configuration"]
        if created:
            said = f"Challenge {title} has been created successfully and sent for review"
            return 201, {"Success": f"{said} to EvalAI Admin."}
        return 200, {"Success": f"The challenge {title} has been updated successfully"}

    def listed(self, path: str) -> Tuple[int, Any]:
        """(status, answer) to a GET: the host team's challenges, newest first."""
        parts = urlsplit(path)
        found = re.fullmatch(r"/api/challenges/challenge_host_team/(\d+)/challenge", parts.path)
        if found is None or not self.lists:
            return 404, {"detail": "Not found."}
        page = int(parse_qs(parts.query)["page"][0])
        everything = [
            {"id": pk, "github_repository": name, "approved_by_admin": True, **self.facts}
            for pk, name in enumerate(self.challenges, start=41)
        ][::-1]
        start = (page - 1) * self.page_size
        more = start + self.page_size < len(everything)
        following = f"{self.url}{parts.path}?page={page + 1}" if more else None
        return 200, {"next": following, "results": everything[start : start + self.page_size]}


def parse_form(content_type: str, content: bytes) -> Dict[str, bytes]:
    head = f"Content-Type: {content_type}\r\n\r\n".encode()
    message = email.message_from_bytes(head + content, policy=email.policy.HTTP)
    return {
        part.get_param("name", header="content-disposition"): part.get_payload(decode=True)
        for part in message.iter_parts()
    }


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *args: Any) -> None:
        pass

    def do_GET(self) -> None:
        evalai = self.server.evalai
        authorized = self.headers.get("Authorization") == f"Bearer {TOKEN}"
        self._send(*(evalai.listed(self.path) if authorized else (401, WRONG_TOKEN)), {})

    def do_POST(self) -> None:
        evalai = self.server.evalai
        content = self.rfile.read(int(self.headers["Content-Length"]))
        fault = evalai.faults.pop(0) if evalai.faults else None
        if fault is not None:
            evalai.calls.append(f"fault {fault if isinstance(fault, str) else fault[0]}")
        if fault == "drop":
            self.close_connection = True
            return
        self._send(*(fault or (*evalai.judge(self.path, self.headers, content), {})))

    def _send(self, status: int, answer: Any, headers: Dict[str, str]) -> None:
        body = answer.encode() if isinstance(answer, str) else json.dumps(answer).encode()
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

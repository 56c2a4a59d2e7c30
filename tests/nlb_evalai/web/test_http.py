"""What a request carries, how long it waits, and when it is sent again."""

from __future__ import annotations

import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Dict, Iterator, List, Optional, Tuple

import pytest

from nlb_evalai.web.http import (
    FREELY,
    UNSEEN,
    USER_AGENT,
    Api,
    Bearer,
    NoAnswer,
    Repeat,
    Timing,
    open_session,
    without_query,
)

QUICK = Timing(connect_seconds=5, answer_seconds=5, repeats=2, first_pause_seconds=0.001)


class Scripted(BaseHTTPRequestHandler):
    """Answers with the server's next (status, Retry-After), or hangs up; 200 after the last."""

    protocol_version = "HTTP/1.1"

    def log_message(self, *_: object) -> None:
        pass

    def do_GET(self) -> None:
        self.server.seen.append(dict(self.headers.items()))  # type: ignore[attr-defined]
        answers = self.server.answers  # type: ignore[attr-defined]
        answer = answers.pop(0) if answers else (200, None)
        if answer is None:
            self.close_connection = True
            return
        status, wait = answer
        self.send_response(status)
        if wait is not None:
            self.send_header("Retry-After", wait)
        self.send_header("Content-Length", "0")
        self.end_headers()


class Server(ThreadingHTTPServer):
    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Scripted)
        self.seen: List[Dict[str, str]] = []
        self.answers: List[Optional[Tuple[int, Optional[str]]]] = []
        threading.Thread(target=self.serve_forever, args=(0.05,), daemon=True).start()

    def address(self, host: str = "127.0.0.1") -> str:
        return f"http://{host}:{self.server_port}"


@pytest.fixture
def server() -> Iterator[Server]:
    with Server() as made:
        yield made
        made.shutdown()


@pytest.fixture
def slept(monkeypatch: pytest.MonkeyPatch) -> List[float]:
    found: List[float] = []
    monkeypatch.setattr("urllib3.util.retry.time.sleep", found.append)
    return found


def status_of(server: Server, repeat: Repeat, **options) -> int:
    api = Api(server.address(), "word", timing=QUICK, **options)
    try:
        return api.send("GET", "x", repeat).status_code
    finally:
        api.close()


@pytest.mark.parametrize("repeat", [FREELY, UNSEEN])
def test_no_server_makes_it_wait_longer_than_a_minute(
    server: Server, slept: List[float], repeat: Repeat
):
    server.answers = [(429, "86400"), (429, "7")]
    assert status_of(server, repeat) == 200
    assert slept == [60.0, 7]


@pytest.mark.parametrize("wait", [None, "0"])
@pytest.mark.parametrize("status", [413, 429, 500, 502, 503, 504])
@pytest.mark.parametrize("repeat", [FREELY, UNSEEN, Repeat((502,), arrived=True)])
def test_the_statuses_named_are_repeated_and_no_others(
    server: Server, repeat: Repeat, status: int, wait: Optional[str]
):
    server.answers = [(status, wait)]
    again = status in repeat.statuses
    assert status_of(server, repeat) == (200 if again else status)
    assert len(server.seen) == 1 + again


def test_after_so_many_repeats_the_answer_is_taken(server: Server):
    server.answers = [(503, None)] * 9
    assert status_of(server, FREELY) == 503
    assert len(server.seen) == 3


def test_what_may_have_arrived_is_repeated_only_where_that_does_no_harm(server: Server):
    server.answers = [None]
    assert status_of(server, FREELY) == 200
    server.answers = [None]
    with pytest.raises(NoAnswer, match=r"GET http://127\.0\.0\.1:\d+/x: the connection was cut"):
        status_of(server, UNSEEN)
    assert len(server.seen) == 3


def test_each_request_and_each_repeat_waits_for_its_turn(server: Server):
    turns: List[int] = []
    server.answers = [(503, None), None, (200, None)]
    assert status_of(server, FREELY, pace=lambda: turns.append(len(server.seen))) == 200
    assert turns == [0, 1, 2]


def test_a_token_goes_to_its_host_alone(server: Server, tmp_path, monkeypatch):
    netrc = tmp_path / "netrc"
    netrc.write_text("machine localhost login me password hush\n")
    netrc.chmod(0o600)
    monkeypatch.setenv("NETRC", str(netrc))
    api = Api(server.address(), "word", timing=QUICK)
    api.send("GET", "x", FREELY)
    api.send("GET", server.address("localhost") + "/x", FREELY)
    api.close()
    with open_session(Bearer()) as session:
        session.get(server.address("localhost"), timeout=5)
    assert [one.get("Authorization") for one in server.seen] == ["Bearer word", None, None]
    assert {one["User-Agent"] for one in server.seen} == {USER_AGENT}
    assert "word" not in repr(Bearer("word", "host"))


@pytest.mark.parametrize(
    ("address", "kept"),
    [
        ("http://x.org:8000/f.h5?Signature=s#1", "http://x.org:8000/f.h5"),
        ("https://me:word@x.org:8000/f.h5", "https://x.org:8000/f.h5"),
        ("https://x.org?Signature=a/b", "https://x.org"),
        ("http://[broken/f.h5?Signature=s", "http://[broken/f.h5"),
        ("s3://uploads/a?b#1.h5", "s3://uploads/a?b#1.h5"),
        ("/folder/a?b#1.h5", "/folder/a?b#1.h5"),
    ],
)
def test_of_an_address_all_is_kept_but_credentials(address: str, kept: str) -> None:
    assert without_query(address) == kept

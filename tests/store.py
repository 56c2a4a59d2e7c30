"""An S3 store over HTTP for tests: moto's server, with a proxy before it that can go wrong."""

from __future__ import annotations

import http.client
import socket
import struct
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Callable, List, Optional

import pytest

CREDENTIALS = ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN", "AWS_PROFILE")
ERROR_XML = (
    '<?xml version="1.0" encoding="UTF-8"?><Error><Code>{code}</Code>'
    "<Message>{message}</Message><RequestId>1</RequestId></Error>"
)

#: What a fault may do with a request: answer it itself and return True, or leave it.
Fault = Callable[["_Handler"], bool]


class FaultProxy:
    """Forwards to ``upstream`` (host, port); ``faults`` are asked first, one a request.

    ``faults`` is a list that is used up front to back; ``always`` is asked for every request.
    Strangers (without credentials) get nothing unless ``public``: moto's server would give them
    every object that has no ACL, which S3 does not.
    """

    def __init__(self, upstream: tuple) -> None:
        self.upstream = upstream
        self.faults: List[Fault] = []
        self.always: Optional[Fault] = None
        self.requests: List[str] = []
        self.public = False
        self.lock = threading.Lock()
        self.server = _Server(("127.0.0.1", 0), _Handler)
        self.server.proxy = self  # type: ignore[attr-defined]
        self.thread = threading.Thread(
            target=self.server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True
        )
        self.thread.start()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server.server_address[1]}"

    def stop(self) -> None:
        self.server.shutdown()
        self.server.server_close()
        self.thread.join()


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, *args: object) -> None:
        """Clients that hang up are what the tests are about."""


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *args: object) -> None:
        pass

    def handle_any(self) -> None:
        proxy: FaultProxy = self.server.proxy  # type: ignore[attr-defined]
        with proxy.lock:
            proxy.requests.append(f"{self.command} {self.path}")
            fault = proxy.faults.pop(0) if proxy.faults else None
        self.body = self._read_body()
        if (fault and fault(self)) or (proxy.always and proxy.always(self)):
            return
        if "Authorization" not in self.headers and not proxy.public:
            error(403, "AccessDenied")(self)
            return
        status, headers, content = self.forward()
        self.answer(status, headers, content)

    do_GET = do_PUT = do_POST = do_HEAD = do_DELETE = handle_any

    def handle_expect_100(self) -> bool:
        self.send_response_only(100)
        self.end_headers()
        return True

    def _read_body(self) -> bytes:
        return self.rfile.read(int(self.headers.get("Content-Length") or 0))

    def forward(self) -> tuple:
        """(status, headers, body) of the store's own answer."""
        connection = http.client.HTTPConnection(*self.server.proxy.upstream, timeout=30)  # type: ignore[attr-defined]
        try:
            headers = {k: v for k, v in self.headers.items() if k.lower() != "expect"}
            connection.request(self.command, self.path, body=self.body, headers=headers)
            response = connection.getresponse()
            return response.status, response.getheaders(), response.read()
        finally:
            connection.close()

    def answer(self, status: int, headers: list, content: bytes, send: Any = None) -> None:
        """Send an answer; only the first ``send`` bytes of its body, if given, then hang up."""
        self.send_response_only(status)
        for name, value in headers:
            if name.lower() not in ("connection", "transfer-encoding"):
                self.send_header(name, value)
        if not any(name.lower() == "content-length" for name, _ in headers):
            self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(content if send is None else content[:send])
        if send is not None:
            self.close_connection = True


def error(status: int, code: str, message: str = "said the store") -> Fault:
    """Answer with an S3 error document."""

    def fault(handler: _Handler) -> bool:
        text = ERROR_XML.format(code=code, message=message).encode()
        handler.answer(status, [("Content-Type", "application/xml")], text)
        return True

    return fault


def truncated(handler: _Handler) -> bool:
    """Break off in the middle of an object's content; other requests pass."""
    status, headers, content = handler.forward()
    if handler.command != "GET" or len(content) < 1000:
        handler.answer(status, headers, content)
    else:
        handler.answer(status, headers, content, send=len(content) // 2)
    return True


def dropped(handler: _Handler) -> bool:
    """Reset the connection without an answer."""
    linger = struct.pack("ii", 1, 0)
    handler.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
    handler.close_connection = True
    return True


@pytest.fixture(scope="session")
def moto():
    from moto.server import ThreadedMotoServer

    server = ThreadedMotoServer(port=0, verbose=False)
    server.start()
    yield server.get_host_and_port()
    server.stop()


@pytest.fixture
def proxy(moto, monkeypatch, tmp_path):
    for name in CREDENTIALS:
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "AKIDTEST")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "not-a-secret-but-never-shown")
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "no-config"))
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "no-credentials"))
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setenv("AWS_MAX_ATTEMPTS", "2")
    monkeypatch.setenv("NLB_EVALAI_CACHE", str(tmp_path / "cache"))
    proxy = FaultProxy(moto)
    monkeypatch.setenv("AWS_ENDPOINT_URL_S3", proxy.url)
    yield proxy
    proxy.stop()

"""A server in place of both archives: an API that redirects to storage, with faults to order."""

from __future__ import annotations

import hashlib
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Dict, List, Optional


class LocalArchive:
    """Serves ``files`` (path -> content) below ``/storage/``, and redirects everything else there.

    Attributes
    ----------
    cut : list of int
        For each of the next answers, after how many bytes the connection ends.
    redirect_to : str, optional
        Redirect there instead.
    etags : dict of str to str
        Where an ETag is not that of the content; an empty one is not sent.
    slow : threading.Event, optional
        Half of an answer is sent before it is set, the other half after it.
    requests : list
        (path, headers) of every request.
    """

    def __init__(self) -> None:
        self.files: Dict[str, bytes] = {}
        self.cut: List[int] = []
        self.redirect_to: Optional[str] = None
        self.etags: Dict[str, str] = {}
        self.slow: Optional[threading.Event] = None
        self.requests: List[Any] = []
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), _Handler)
        self._server.daemon_threads = True
        self._server.archive = self  # type: ignore[attr-defined]
        self._thread = threading.Thread(
            target=self._server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True
        )
        self._thread.start()

    @property
    def address(self) -> str:
        return f"http://127.0.0.1:{self._server.server_address[1]}"

    def stop(self) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    def of_storage(self) -> List[Any]:
        """The headers of each request to the storage."""
        return [headers for path, headers in self.requests if path.startswith("/storage/")]


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *args: object) -> None:
        pass

    def do_GET(self) -> None:
        archive: LocalArchive = self.server.archive  # type: ignore[attr-defined]
        archive.requests.append((self.path, dict(self.headers)))
        if not self.path.startswith("/storage/"):
            target = archive.redirect_to or f"{archive.address}/storage{self.path}?signature=secret"
            self._head(302, Location=target, Content_Length="0")
            return
        path = self.path.partition("?")[0][len("/storage") :]
        content = archive.files.get(path)
        if content is None:
            self._head(404, Content_Length="0")
            return
        etag = archive.etags.get(path, f'"{hashlib.md5(content).hexdigest()}"')
        named = {"ETag": etag} if etag else {}
        start = self._start(content, etag)
        if start:
            of = f"bytes {start}-{len(content) - 1}/{len(content)}"
            self._head(206, **named, Content_Range=of, Content_Length=str(len(content) - start))
        else:
            self._head(200, **named, Content_Length=str(len(content)))
        self._send(archive, content[start:])

    def _start(self, content: bytes, etag: str) -> int:
        asked = self.headers.get("Range")
        if not asked or self.headers.get("If-Range", etag) != etag:
            return 0
        return int(asked[len("bytes=") : -1])

    def _send(self, archive: LocalArchive, content: bytes) -> None:
        if archive.cut:
            content = content[: archive.cut.pop(0)]
            self.close_connection = True
        half = len(content) // 2
        self.wfile.write(content[:half])
        if archive.slow is not None:
            archive.slow.wait(20)
        try:
            self.wfile.write(content[half:])
        except OSError:
            self.close_connection = True  # whoever asked is gone

    def _head(self, status: int, **headers: str) -> None:
        self.send_response_only(status)
        for name, value in headers.items():
            self.send_header(name.replace("_", "-"), value)
        self.end_headers()

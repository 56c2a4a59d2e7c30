"""Headless Chromium over its DevTools protocol, on a pair of pipes: no driver, no library.

Protocol: https://chromedevtools.github.io/devtools-protocol/.
"""

from __future__ import annotations

import base64
import json
import os
import shutil
import subprocess
from pathlib import Path
from types import TracebackType
from typing import Any, Dict, List, Optional, Type

#: what a browser does on its own account is switched off; what a page does is not
FLAGS = [
    *("--headless", "--no-sandbox", "--disable-gpu", "--hide-scrollbars", "--no-first-run"),
    *("--disable-background-networking", "--disable-component-update", "--disable-sync"),
    *("--disable-default-apps", "--disable-dev-shm-usage", "--remote-debugging-pipe"),
]
#: the pipes' places in the child, by the protocol
_READS, _WRITES = 3, 4


class Chromium:
    """A running browser with one page; use it as a context manager.

    ``events`` holds all that the page and its network told since it was last cleared.
    """

    def __init__(self, profile: Path) -> None:
        program = shutil.which("chromium") or shutil.which("google-chrome")
        assert program, "no chromium: apt-get install chromium"
        to_child, self._out = os.pipe()
        self._in, from_child = os.pipe()

        def place() -> None:
            # first out of the way of each other
            read, write = os.dup(to_child), os.dup(from_child)
            os.dup2(os.dup(read), 20), os.dup2(os.dup(write), 21)
            os.dup2(20, _READS), os.dup2(21, _WRITES)

        self._process = subprocess.Popen(
            [program, *FLAGS, f"--user-data-dir={profile}", "about:blank"],
            preexec_fn=place,
            pass_fds=(_READS, _WRITES),
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        os.close(to_child), os.close(from_child)
        self._stream = os.fdopen(self._in, "rb")
        self._number, self._rest = 0, b""
        self.events: List[Dict[str, Any]] = []
        targets = self._send("Target.getTargets", {}, None)["targetInfos"]
        target = next(one["targetId"] for one in targets if one["type"] == "page")
        attached = self._send("Target.attachToTarget", {"targetId": target, "flatten": True}, None)
        self._session: Optional[str] = attached["sessionId"]
        for domain in ("Page", "Runtime", "Network", "Log"):
            self.call(f"{domain}.enable")
        self.call("Performance.enable", timeDomain="threadTicks")

    def __enter__(self) -> Chromium:
        return self

    def __exit__(
        self,
        kind: Optional[Type[BaseException]],
        error: Optional[BaseException],
        trace: Optional[TracebackType],
    ) -> None:
        os.close(self._out)
        self._process.terminate()
        self._process.wait(timeout=20)
        self._stream.close()

    def call(self, method: str, **parameters: Any) -> Dict[str, Any]:
        """A command of the protocol to the page, and its answer."""
        return self._send(method, parameters, self._session)

    def _send(
        self, method: str, parameters: Dict[str, Any], session: Optional[str]
    ) -> Dict[str, Any]:
        self._number += 1
        message: Dict[str, Any] = {"id": self._number, "method": method, "params": parameters}
        if session:
            message["sessionId"] = session
        os.write(self._out, json.dumps(message).encode() + b"\0")
        while True:
            answer = self._read()
            if answer.get("id") == self._number:
                assert "error" not in answer, f"{method}: {answer['error']}"
                result: Dict[str, Any] = answer["result"]
                return result
            self.events.append(answer)

    def _read(self) -> Dict[str, Any]:
        while b"\0" not in self._rest:
            found = os.read(self._in, 1 << 20)
            assert found, "chromium has ended"
            self._rest += found
        head, _, self._rest = self._rest.partition(b"\0")
        message: Dict[str, Any] = json.loads(head)
        return message

    def view(self, width: int, height: int = 900, dark: bool = False, scripts: bool = True) -> None:
        """How wide the window is, which colors the reader wants, and whether scripts run."""
        self.call(
            "Emulation.setDeviceMetricsOverride",
            width=width,
            height=height,
            deviceScaleFactor=1,
            mobile=width < 600,
        )
        scheme = "dark" if dark else "light"
        self.call(
            "Emulation.setEmulatedMedia",
            features=[{"name": "prefers-color-scheme", "value": scheme}],
        )
        self.call("Emulation.setScriptExecutionDisabled", value=not scripts)

    def open(self, page: Path, fragment: str = "") -> None:
        """Go to a file, and wait until it is loaded."""
        self.events = []
        self.call("Page.navigate", url=page.as_uri() + f"#{fragment}" * bool(fragment))
        while not any(one.get("method") == "Page.loadEventFired" for one in self.events):
            self.events.append(self._read())

    def run(self, script: str) -> Any:
        """The value of an expression in the page; promises are waited for."""
        done = self.call(
            "Runtime.evaluate", expression=script, returnByValue=True, awaitPromise=True
        )
        assert "exceptionDetails" not in done, done["exceptionDetails"]
        return done["result"].get("value")

    def worked(self) -> float:
        """Milliseconds of processor time that scripts, styles and layout have taken."""
        found = self.call("Performance.getMetrics")["metrics"]
        counted = ("ScriptDuration", "RecalcStyleDuration", "LayoutDuration")
        return sum(1000 * one["value"] for one in found if one["name"] in counted)

    def screenshot(self, path: Path, whole: bool = True) -> None:
        """A picture of the page, all of it or what is in the window."""
        found = self.call("Page.captureScreenshot", captureBeyondViewport=whole)
        path.write_bytes(base64.b64decode(found["data"]))

    def requests(self) -> List[str]:
        """Addresses that were asked for since the page was opened."""
        sent = [one for one in self.events if one.get("method") == "Network.requestWillBeSent"]
        return sorted({one["params"]["request"]["url"] for one in sent})

    def complaints(self) -> List[str]:
        """What the console says: errors, warnings and what the page's policy blocked."""
        found = []
        for one in self.events:
            if one.get("method") == "Log.entryAdded":
                found.append(one["params"]["entry"]["text"])
            elif one.get("method") == "Runtime.exceptionThrown":
                found.append(str(one["params"]["exceptionDetails"]))
            elif one.get("method") == "Runtime.consoleAPICalled":
                found.append(str(one["params"]["args"]))
        return found

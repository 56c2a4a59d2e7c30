"""The report in headless Chromium: complete, silent, and alone. Run by ``make test-browser``."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from pathlib import Path
from typing import List

import pytest

from tests.nlb_evalai.competition.test_award import scenario as scenario  # a fixture
from tests.nlb_evalai.competition.test_report import published as published

#: what a browser does on its own account is switched off; what the page does is not
FLAGS = [
    *("--headless", "--no-sandbox", "--disable-gpu", "--hide-scrollbars", "--no-first-run"),
    *("--disable-background-networking", "--disable-component-update", "--disable-sync"),
    *("--disable-default-apps", "--enable-logging=stderr"),
]


def chromium(page: Path, *more: str) -> subprocess.CompletedProcess[str]:
    program = shutil.which("chromium") or shutil.which("google-chrome")
    assert program, "no chromium: apt-get install chromium"
    profile = page.parent / "profile"
    call: List[str] = [program, *FLAGS, f"--user-data-dir={profile}", *more, page.as_uri()]
    return subprocess.run(call, capture_output=True, text=True, check=True, timeout=120)


def requests(log: Path) -> List[str]:
    """Addresses that the page started a request for, from Chromium's own network log.

    What the browser asks on its own account has no page as its initiator.
    """
    events = json.loads(log.read_text(encoding="utf-8"))["events"]
    asked = [event.get("params", {}) for event in events]
    return sorted(
        {
            one["url"]
            for one in asked
            if one.get("url", "").startswith(("http", "ws", "ftp"))
            and one.get("initiator", "not an origin") != "not an origin"
        }
    )


def test_the_page_is_complete_silent_and_asks_nobody(published: dict, scenario: Path) -> None:
    page, log = scenario / "public" / "report.html", scenario / "net.json"
    done = chromium(page, "--dump-dom", f"--log-net-log={log}")
    assert "CONSOLE" not in done.stderr, done.stderr
    assert requests(log) == []
    boards = json.loads(published["leaderboard.json"])["boards"]
    named = [row["entry"] for board in boards for row in board["rows"] if row["entry"]]
    assert sorted(re.findall(r'data-entry="(\w+)"', done.stdout)) == sorted(named)
    images = re.findall(r"<img [^>]*>", done.stdout)
    assert images
    assert all(re.search(r'alt="[^"]{40,}"', image) for image in images)


@pytest.mark.parametrize(("device", "width"), [("desktop", 1280), ("phone", 500)])
def test_a_screenshot_is_not_blank(
    published: dict, scenario: Path, device: str, width: int
) -> None:
    page, shot = scenario / "public" / "report.html", scenario / f"{device}.png"
    chromium(page, f"--window-size={width},2400", f"--screenshot={shot}")
    assert shot.stat().st_size > 50_000, "a blank page packs to a few kilobytes"


def test_a_page_that_did_ask_someone_would_be_caught(tmp_path: Path) -> None:
    page, log = tmp_path / "page.html", tmp_path / "net.json"
    page.write_text("<img src='http://127.0.0.1:9/x.png'><script>console.error('loud')</script>")
    done = chromium(page, "--dump-dom", f"--log-net-log={log}")
    assert "http://127.0.0.1:9/x.png" in requests(log)
    assert "loud" in done.stderr

"""What a worker says: lines for people or JSON for machines, and never the token."""

from __future__ import annotations

import json
import logging
import sys
from datetime import datetime, timezone
from typing import Any, Dict, Optional

LOGGER = "nlb_evalai.remote"


def set_up(as_json: bool, secret: str = "") -> None:
    """Log to stderr; ``secret`` is struck out wherever it turns up."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(_Formatter(as_json, secret))
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(logging.WARNING)
    for name in (LOGGER, "evaluation_script"):
        logger = logging.getLogger(name)
        logger.setLevel(logging.INFO)
        # Of its own, so that the scorer, which looks for one, adds no second way to stderr.
        logger.handlers[:] = [handler]
        logger.propagate = False
    # They would log addresses with their queries.
    for name in ("urllib3", "requests", "botocore", "boto3"):
        logging.getLogger(name).setLevel(logging.ERROR)


def say(level: int, event: str, submission: Optional[int] = None, **facts: Any) -> None:
    """One line: what happened, to which submission, and plain facts."""
    if submission is not None:
        facts = {"submission": submission, **facts}
    logging.getLogger(LOGGER).log(level, event, extra={"facts": facts})


class _Formatter(logging.Formatter):
    def __init__(self, as_json: bool, secret: str) -> None:
        super().__init__()
        self._as_json = as_json
        self._secret = secret

    def format(self, record: logging.LogRecord) -> str:
        moment = datetime.fromtimestamp(record.created, timezone.utc)
        facts: Dict[str, Any] = getattr(record, "facts", {})
        line = self._json if self._as_json else self._plain
        text = line(record, moment.isoformat(timespec="milliseconds"), facts)
        return text.replace(self._secret, "***") if self._secret else text

    def _json(self, record: logging.LogRecord, at: str, facts: Dict[str, Any]) -> str:
        content = {"at": at, "level": record.levelname.lower(), "event": record.getMessage()}
        if record.name != LOGGER:
            content["logger"] = record.name
        content.update({"thread": record.threadName or "", **facts})
        if record.exc_info:
            content["traceback"] = self.formatException(record.exc_info)
        return json.dumps(content, default=str)

    def _plain(self, record: logging.LogRecord, at: str, facts: Dict[str, Any]) -> str:
        text = f"{at} {record.levelname:7} {record.getMessage()}"
        text += "".join(f" {key}={_brief(value)}" for key, value in facts.items())
        if record.exc_info:
            text += "\n" + self.formatException(record.exc_info)
        return text


def _brief(value: Any) -> str:
    text = value if isinstance(value, str) else json.dumps(value, default=str)
    return json.dumps(text) if not text or any(c in text for c in ' "\n=') else text

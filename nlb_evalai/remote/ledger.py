"""What the workers of one host hold: a small database that they share.

EvalAI cannot say who scores a submission, so the workers keep a record of their own: who holds
it and until when (a lease, renewed while there is work), how often it was tried, and its outcome
until that has arrived. A worker that is killed leaves a lease that runs out.
"""

from __future__ import annotations

import json
import sqlite3
import threading
import time
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Dict, Iterator, List, Mapping, Optional

from nlb_evalai.remote.errors import LeaseLost

#: The database's file in the state folder.
LEDGER = "ledger.sqlite"

_SCHEMA = """
CREATE TABLE IF NOT EXISTS submissions (
    submission INTEGER PRIMARY KEY,
    holder TEXT NOT NULL DEFAULT '',      -- nobody if empty
    held_until REAL NOT NULL DEFAULT 0,
    ours INTEGER NOT NULL DEFAULT 0,      -- a worker of this host began it
    seen_running REAL,                    -- when it was first found running, begun elsewhere
    tries INTEGER NOT NULL DEFAULT 0,
    trouble TEXT NOT NULL DEFAULT '',     -- why the last try failed
    outcome TEXT,                         -- JSON, until EvalAI has it
    receipt TEXT NOT NULL DEFAULT '',     -- of the newest message: only that one deletes it
    touched REAL NOT NULL
);
CREATE TABLE IF NOT EXISTS turns (id INTEGER PRIMARY KEY CHECK (id = 1), next REAL NOT NULL);
INSERT OR IGNORE INTO turns VALUES (1, 0);
"""
_KEPT_SECONDS = 30 * 86400.0


@dataclass(frozen=True)
class Record:
    """What is known of a submission that was just claimed."""

    tries: int
    trouble: str
    ours: bool
    running_seconds: float
    outcome: Optional[Dict[str, Any]]


class Ledger:
    """The record in a state folder.

    Parameters
    ----------
    folder : Path
        On a disk of this host; made if need be.
    lease_seconds : float
        How long a silent holder keeps its submission.
    """

    def __init__(self, folder: Path, lease_seconds: float) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.lease_seconds = lease_seconds
        self._lock = threading.Lock()
        self._db = sqlite3.connect(
            str(folder / LEDGER),
            timeout=60,
            isolation_level=None,
            check_same_thread=False,
        )
        self._db.execute("PRAGMA journal_mode=WAL")
        self._db.execute("PRAGMA synchronous=NORMAL")
        with self._transaction() as db:
            for statement in _SCHEMA.split(";"):
                db.execute(statement)
            db.execute("DELETE FROM submissions WHERE touched < ?", [time.time() - _KEPT_SECONDS])

    def close(self) -> None:
        """Close the database; leases stay."""
        with self._lock:
            self._db.close()

    def claim(self, submission: int, holder: str, receipt: str) -> Optional[Record]:
        """Take a submission, unless another worker of this host holds it.

        The message's receipt is noted either way: it came later than the holder's.
        """
        now = time.time()
        with self._transaction() as db:
            db.execute(
                "INSERT INTO submissions (submission, receipt, touched) VALUES (?, ?, ?) "
                "ON CONFLICT (submission) DO UPDATE SET receipt = excluded.receipt",
                [submission, receipt, now],
            )
            row = db.execute(
                "SELECT holder, held_until, tries, trouble, ours, seen_running, outcome "
                "FROM submissions WHERE submission = ?",
                [submission],
            ).fetchone()
            if row[0] and row[1] > now:
                return None
            db.execute(
                "UPDATE submissions SET holder = ?, held_until = ?, touched = ? "
                "WHERE submission = ?",
                [holder, now + self.lease_seconds, now, submission],
            )
        return Record(
            tries=row[2],
            trouble=row[3],
            ours=bool(row[4]),
            running_seconds=now - row[5] if row[5] else 0.0,
            outcome=json.loads(row[6]) if row[6] else None,
        )

    def renew(self, submission: int, holder: str) -> None:
        """Prolong a lease; LeaseLost if another worker has the submission now."""
        self._change(submission, holder, "held_until = ?", time.time() + self.lease_seconds)

    def begin_try(self, submission: int, holder: str) -> None:
        """Count a try before it is made: a try that ends the worker must count."""
        self._change(submission, holder, "tries = tries + 1, ours = 1")

    def note_trouble(self, submission: int, holder: str, trouble: str) -> None:
        """Keep why a try failed."""
        self._change(submission, holder, "trouble = ?", trouble)

    def note_running(self, submission: int, holder: str) -> None:
        """Keep when a submission that was begun elsewhere was first seen running."""
        self._change(submission, holder, "seen_running = coalesce(seen_running, ?)", time.time())

    def keep_outcome(self, submission: int, holder: str, outcome: Mapping[str, Any]) -> None:
        """Keep what is to be sent, so that nobody has to score it again."""
        self._change(submission, holder, "outcome = ?", json.dumps(outcome))

    def receipt(self, submission: int) -> str:
        """Receipt of the submission's newest message."""
        with self._transaction() as db:
            row = db.execute(
                "SELECT receipt FROM submissions WHERE submission = ?", [submission]
            ).fetchone()
        return row[0] if row else ""

    def release(
        self, submission: int, holder: str, *, refund: bool = False, rest_seconds: float = 0.0
    ) -> None:
        """Let go: the next worker that gets the message goes on, after a rest if need be.

        ``refund``: the try does not count, since the submission had no part in its end.
        """
        with self._transaction() as db:
            db.execute(
                "UPDATE submissions SET held_until = ?, "
                "holder = CASE WHEN ? > 0 THEN holder ELSE '' END, tries = tries - ? "
                "WHERE submission = ? AND holder = ?",
                [time.time() + rest_seconds, rest_seconds, int(refund), submission, holder],
            )

    def forget(self, submission: int, holder: str) -> None:
        """The submission is in its final state."""
        with self._transaction() as db:
            db.execute(
                "DELETE FROM submissions WHERE submission = ? AND holder = ?", [submission, holder]
            )

    def held(self) -> List[int]:
        """Submissions that somebody holds now."""
        with self._transaction() as db:
            rows = db.execute(
                "SELECT submission FROM submissions WHERE holder != '' AND held_until > ?",
                [time.time()],
            ).fetchall()
        return [row[0] for row in rows]

    def turn(self, per_minute: float) -> float:
        """Seconds to wait for the next request's turn, among all workers of this record.

        A third of the minute's requests may come in one burst, the rest evenly spaced: together
        never more than ``per_minute`` in any minute.
        """
        interval, burst = 90.0 / per_minute, per_minute / 3
        now = time.time()
        with self._transaction() as db:
            (following,) = db.execute("SELECT next FROM turns").fetchone()
            # The clock may have been set back: a turn far away is none.
            following = min(following, now + 120.0)
            mine = max(following, now - burst * interval)
            db.execute("UPDATE turns SET next = ?", [mine + interval])
        return max(0.0, mine - now)

    def _change(self, submission: int, holder: str, change: str, *values: Any) -> None:
        with self._transaction() as db:
            changed = db.execute(
                f"UPDATE submissions SET {change} WHERE submission = ? AND holder = ?",
                [*values, submission, holder],
            )
            if not changed.rowcount:
                raise LeaseLost

    @contextmanager
    def _transaction(self) -> Iterator[sqlite3.Connection]:
        with self._lock:
            self._db.execute("BEGIN IMMEDIATE")
            try:
                yield self._db
            except BaseException:
                self._db.execute("ROLLBACK")
                raise
            self._db.execute("COMMIT")

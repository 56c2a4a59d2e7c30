"""The store: every score ever computed, in one SQLite file.

A row for each submission (under its hash, the truth's hash and the rules' version), each of its
scores, and the per-trial log-likelihoods behind the one that ranks. Rows are only ever added;
``current`` points at the ones that stand. Schema: docs/phase2.md.

One process writes at a time. It holds a lock on ``<store>.lock``, which the system frees even
when the process is killed; each submission is one transaction.
"""

from __future__ import annotations

import fcntl
import json
import os
import sqlite3
from contextlib import contextmanager
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any, Dict, FrozenSet, Iterator, List, Optional, Sequence, Tuple

import numpy as np

from evaluation_script.suites import find
from nlb_evalai.competition.batch.task import FAILED, LASTING, SCORED, Outcome
from nlb_evalai.errors import ToolError
from nlb_evalai.web.http import without_query

STORE_SCHEMA = "nlb-evalai/store/1"

_TABLES = """
CREATE TABLE IF NOT EXISTS meta (key TEXT PRIMARY KEY, value TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS submissions (
    row_id INTEGER PRIMARY KEY,
    name TEXT NOT NULL,
    phase TEXT NOT NULL,
    submission_sha256 TEXT NOT NULL,
    truth_sha256 TEXT NOT NULL,
    rules_version TEXT NOT NULL,
    status TEXT NOT NULL,
    error_kind TEXT NOT NULL,
    error TEXT NOT NULL,
    source TEXT NOT NULL,
    source_version TEXT NOT NULL,
    notes TEXT NOT NULL,
    receipt TEXT NOT NULL,
    seconds REAL NOT NULL,
    UNIQUE (name, phase, submission_sha256, truth_sha256, rules_version)
);
CREATE TABLE IF NOT EXISTS current (
    name TEXT NOT NULL,
    phase TEXT NOT NULL,
    row_id INTEGER NOT NULL REFERENCES submissions (row_id),
    PRIMARY KEY (name, phase)
);
CREATE TABLE IF NOT EXISTS scores (
    row_id INTEGER NOT NULL REFERENCES submissions (row_id),
    dataset TEXT NOT NULL,
    bin_width_ms INTEGER NOT NULL,
    metric TEXT NOT NULL,
    value REAL,
    standard_error REAL,
    left_out TEXT,
    PRIMARY KEY (row_id, dataset, bin_width_ms, metric)
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS trial_log_likelihood (
    row_id INTEGER NOT NULL REFERENCES submissions (row_id),
    dataset TEXT NOT NULL,
    bin_width_ms INTEGER NOT NULL,
    nats BLOB NOT NULL,
    PRIMARY KEY (row_id, dataset, bin_width_ms)
);
CREATE TABLE IF NOT EXISTS trial_spikes (
    truth_sha256 TEXT NOT NULL,
    dataset TEXT NOT NULL,
    bin_width_ms INTEGER NOT NULL,
    spikes BLOB NOT NULL,
    PRIMARY KEY (truth_sha256, dataset, bin_width_ms)
);
"""


class StoreError(ToolError):
    """The store cannot be used: missing, of another suite, or in use."""


@dataclass(frozen=True)
class StoredScore:
    """A score of the store; ``value`` is None where it was left out, with the reason."""

    dataset: str
    bin_width_ms: int
    metric: str
    value: Optional[float]
    standard_error: Optional[float]
    left_out: Optional[str]


@dataclass(frozen=True)
class StoredSubmission:
    """A submission of the store, without its scores."""

    row_id: int
    name: str
    phase: str
    submission_sha256: str
    truth_sha256: str
    rules_version: str
    status: str
    error_kind: str
    error: str
    source: str
    source_version: str
    notes: List[str]
    receipt: Dict[str, Any]
    seconds: float

    @property
    def is_scored(self) -> bool:
        """Whether it has scores, rather than an error."""
        return self.status == SCORED


class Store:
    """An open store; use it as a context manager.

    Parameters
    ----------
    path : path
    suite : str, optional
        Name of the suite whose scores it must hold; given on the first writing.
    write : bool
        Create it if need be and take the lock. Readers may come at any time.

    Raises
    ------
    StoreError
        If it is missing, no store, of another suite, or another process writes to it.
    """

    def __init__(self, path: Path, *, suite: Optional[str] = None, write: bool = False) -> None:
        self.path = Path(path)
        self._lock: Optional[int] = None
        if write:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            self._take_lock()
        elif not self.path.is_file():
            raise StoreError(f"{path}: there is no such store; `nlb-evalai score` makes one")
        try:
            self._open(suite, write)
        except sqlite3.DatabaseError as error:
            self.close()
            raise StoreError(f"{path}: cannot be used as a store: {error}") from None
        except BaseException:
            self.close()
            raise

    def __enter__(self) -> Store:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the file and free the lock."""
        connection = getattr(self, "_db", None)
        if connection is not None:
            connection.close()
        if self._lock is not None:
            os.close(self._lock)
            self._lock = None

    def _take_lock(self) -> None:
        lock = self.path.with_name(self.path.name + ".lock")
        self._lock = os.open(lock, os.O_RDWR | os.O_CREAT, 0o644)
        try:
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            os.close(self._lock)
            self._lock = None
            raise StoreError(
                f"{self.path}: another process is writing to this store; wait for it to end, or "
                "give each its own --store"
            ) from None

    def _open(self, suite: Optional[str], write: bool) -> None:
        self._db = sqlite3.connect(self.path, timeout=30, isolation_level=None)
        if write:
            self._db.execute("PRAGMA journal_mode = WAL")
            # A power cut may lose the last submissions, which are then scored again.
            self._db.execute("PRAGMA synchronous = NORMAL")
            with self._transaction():
                for statement in _TABLES.split(";"):
                    self._db.execute(statement)
                self._put_meta("schema", STORE_SCHEMA)
                if suite is not None:
                    self._put_meta("suite", suite)
        meta = dict(self._db.execute("SELECT key, value FROM meta"))
        if meta.get("schema") != STORE_SCHEMA:
            raise StoreError(
                f"{self.path}: schema: found {meta.get('schema')!r}, expected {STORE_SCHEMA!r}"
            )
        self.suite = str(meta.get("suite", ""))
        if suite is not None and self.suite != suite:
            raise StoreError(
                f"{self.path}: holds scores of suite {self.suite!r}, expected {suite!r}; give "
                "another --store"
            )

    def _put_meta(self, key: str, value: str) -> None:
        self._db.execute("INSERT OR IGNORE INTO meta VALUES (?, ?)", (key, value))

    @contextmanager
    def _transaction(self) -> Iterator[None]:
        self._db.execute("BEGIN IMMEDIATE")
        try:
            yield
        except BaseException:
            self._db.execute("ROLLBACK")
            raise
        self._db.execute("COMMIT")

    # ---- writing ------------------------------------------------------------------------------

    def add(self, outcome: Outcome, phase: str, truth_sha256: str, rules_version: str) -> None:
        """Keep what came of a submission: all of it, or nothing if interrupted.

        A failure that a new run may mend takes the place of an earlier one of the same key.
        """
        key = (outcome.source.name, phase, outcome.sha256, truth_sha256, rules_version)
        with self._transaction():
            found = self._find(key)
            if found is not None and (found[1] == SCORED or found[2] in LASTING):
                self._point(found[0], outcome.source.name, phase)
                return
            if found is not None:
                self._db.execute("DELETE FROM current WHERE row_id = ?", (found[0],))
                self._db.execute("DELETE FROM submissions WHERE row_id = ?", (found[0],))
            row_id = self._insert(outcome, key)
            lasting = outcome.status == SCORED or outcome.kind in LASTING
            if lasting or not self._stands(key):
                self._point(row_id, outcome.source.name, phase)

    def keep_current(
        self, name: str, phase: str, sha256: str, truth_sha256: str, rules_version: str
    ) -> None:
        """Let the row under these hashes stand for the submission."""
        with self._transaction():
            found = self._find((name, phase, sha256, truth_sha256, rules_version))
            if found is not None:
                self._point(found[0], name, phase)

    def _find(self, key: Sequence[str]) -> Optional[Tuple[int, str, str]]:
        found: Optional[Tuple[int, str, str]] = self._db.execute(
            "SELECT row_id, status, error_kind FROM submissions WHERE name = ? AND phase = ? AND "
            "submission_sha256 = ? AND truth_sha256 = ? AND rules_version = ?",
            tuple(key),
        ).fetchone()
        return found

    def _stands(self, key: Sequence[str]) -> bool:
        """Whether scores from the same truth and rules stand, which a hitch does not displace."""
        found = self._db.execute(
            "SELECT 1 FROM current JOIN submissions USING (row_id) WHERE current.name = ? AND "
            "current.phase = ? AND truth_sha256 = ? AND rules_version = ? AND status = ?",
            (key[0], key[1], key[3], key[4], SCORED),
        )
        return found.fetchone() is not None

    def _point(self, row_id: int, name: str, phase: str) -> None:
        self._db.execute("INSERT OR REPLACE INTO current VALUES (?, ?, ?)", (name, phase, row_id))

    def _insert(self, outcome: Outcome, key: Sequence[str]) -> int:
        card = outcome.card
        cursor = self._db.execute(
            "INSERT INTO submissions VALUES (NULL, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
            (
                *key,
                outcome.status,
                outcome.kind,
                outcome.error,
                without_query(outcome.source.location),
                outcome.source.version,
                json.dumps(card.notes if card else []),
                json.dumps(card.receipt if card else {}),
                outcome.seconds,
            ),
        )
        row_id = int(cursor.lastrowid or 0)
        for group in card.groups.values() if card else ():
            where = (row_id, group.dataset, group.bin_width_ms)
            rows: List[Tuple[Any, ...]] = [
                (*where, metric, score.value, score.standard_error, None)
                for metric, score in group.scores.items()
            ]
            rows += [(*where, metric, None, None, why) for metric, why in group.left_out.items()]
            self._db.executemany("INSERT INTO scores VALUES (?, ?, ?, ?, ?, ?, ?)", rows)
            # so that two entries can be compared in pairs, where they are ranked by a likelihood
            trials = group.per_trial.get(find(card.suite).ranked_by.key, {}) if card else {}
            if {"log_likelihood", "spikes"} <= set(trials):
                self._db.execute(
                    "INSERT INTO trial_log_likelihood VALUES (?, ?, ?, ?)",
                    (*where, _pack(trials["log_likelihood"])),
                )
                self._db.execute(
                    "INSERT OR IGNORE INTO trial_spikes VALUES (?, ?, ?, ?)",
                    (key[3], group.dataset, group.bin_width_ms, _pack(trials["spikes"])),
                )
        return row_id

    # ---- reading ------------------------------------------------------------------------------

    def lasting(
        self, phase: str, truth_sha256: str, rules_version: str
    ) -> Dict[str, FrozenSet[Tuple[str, str]]]:
        """What need not be scored again: name -> (hash, source version) of each."""
        marks = ", ".join("?" * len(LASTING))
        rows = self._db.execute(
            "SELECT name, submission_sha256, source_version FROM submissions WHERE phase = ? AND "
            f"truth_sha256 = ? AND rules_version = ? AND (status = ? OR error_kind IN ({marks}))",
            (phase, truth_sha256, rules_version, SCORED, *LASTING),
        )
        found: Dict[str, FrozenSet[Tuple[str, str]]] = {}
        for name, sha256, version in rows:
            found[name] = found.get(name, frozenset()) | {(sha256, version)}
        return found

    def current(self, phase: str) -> Dict[str, StoredSubmission]:
        """The submissions that stand, by name."""
        rows = self._db.execute(
            "SELECT submissions.* FROM current JOIN submissions USING (row_id) "
            "WHERE current.phase = ? ORDER BY submissions.name",
            (phase,),
        )
        return {row[1]: _submission(row) for row in rows}

    def history(self, phase: str) -> List[StoredSubmission]:
        """Every row of a phase, oldest first."""
        rows = self._db.execute(
            "SELECT * FROM submissions WHERE phase = ? ORDER BY row_id", (phase,)
        )
        return [_submission(row) for row in rows]

    def phases(self) -> Dict[str, int]:
        """Phases with their numbers of submissions."""
        return dict(self._db.execute("SELECT phase, COUNT(*) FROM current GROUP BY phase"))

    def scores(self, row_id: int) -> List[StoredScore]:
        """All scores of a submission, in no order that matters."""
        rows = self._db.execute(
            "SELECT dataset, bin_width_ms, metric, value, standard_error, left_out FROM scores "
            "WHERE row_id = ?",
            (row_id,),
        )
        return [StoredScore(*row) for row in rows]

    def trials(
        self, row_id: int, dataset: str, bin_width_ms: int
    ) -> Optional[Tuple[np.ndarray, np.ndarray]]:
        """(log-likelihood in nats, spikes), both (trials,), behind the score that ranks.

        None where the suite ranks by another kind of score, or the submission has none.
        """
        found = self._db.execute(
            "SELECT nats, spikes FROM trial_log_likelihood JOIN submissions USING (row_id) "
            "JOIN trial_spikes USING (truth_sha256, dataset, bin_width_ms) "
            "WHERE row_id = ? AND dataset = ? AND bin_width_ms = ?",
            (row_id, dataset, bin_width_ms),
        ).fetchone()
        return None if found is None else (_unpack(found[0]), _unpack(found[1]))

    def counts(self, phase: str) -> Dict[str, int]:
        """How many submissions stand as scored and as failed."""
        counts = {SCORED: 0, FAILED: 0}
        counts.update(
            self._db.execute(
                "SELECT status, COUNT(*) FROM current JOIN submissions USING (row_id) "
                "WHERE current.phase = ? GROUP BY status",
                (phase,),
            )
        )
        return counts


def _submission(row: Sequence[Any]) -> StoredSubmission:
    facts = dict(zip((field.name for field in fields(StoredSubmission)), row))
    for name in ("notes", "receipt"):
        facts[name] = json.loads(facts[name])
    return StoredSubmission(**facts)


def _pack(values: np.ndarray) -> bytes:
    return np.ascontiguousarray(values, dtype="<f8").tobytes()


def _unpack(blob: bytes) -> np.ndarray:
    return np.frombuffer(blob, dtype="<f8")

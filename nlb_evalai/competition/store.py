"""The store: every score ever computed, in one SQLite file.

A row for each submission (under its hash, the truth's hash and the rules' version), each of its
scores, and the per-trial log-likelihoods behind the one that ranks. Rows are only ever added;
``current`` points at the ones that stand. Schema: docs/phase2.md.

One process writes at a time, under a lock that the system frees even when the process is killed;
each submission is one transaction. The file itself is the business of ``storefile``.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any, Dict, FrozenSet, List, Optional, Sequence, Tuple

import numpy as np

from evaluation_script.suites import find
from nlb_evalai.competition.batch.task import FAILED, LASTING, REFUSED, SCORED, Outcome
from nlb_evalai.competition.digests import digest_of
from nlb_evalai.competition.storefile import StoreError, StoreFile
from nlb_evalai.web.http import without_query


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
        If it is missing, no store, damaged, of another suite, cannot be written, or another process
        writes to it. So does every method if the disk is full or fails: what was kept stays.
    """

    def __init__(self, path: Path, *, suite: Optional[str] = None, write: bool = False) -> None:
        self.path = Path(path)
        self._file = StoreFile(self.path, suite, write)
        self.suite = self._file.suite
        #: where its writer's downloads lie meanwhile
        self.work = self._file.work

    def __enter__(self) -> Store:
        return self

    def __exit__(self, kind: object, *_: object) -> None:
        try:
            self.close()
        except StoreError:
            if kind is None:  # else the first trouble is the one to tell
                raise

    def close(self) -> None:
        """Close the file and free the lock."""
        self._file.close()

    # ---- writing ------------------------------------------------------------------------------

    def add(self, outcome: Outcome, phase: str, truth_sha256: str, rules_version: str) -> None:
        """Keep what came of a submission: all of it, or nothing if interrupted.

        A failure that a new run may mend takes the place of an earlier one of the same key.
        """
        key = (outcome.source.name, phase, outcome.sha256, truth_sha256, rules_version)
        with self._file.transaction():
            found = self._find(key)
            if found is not None and not _is_lasting(*found[1:]):
                for table in ("current", "digests", "submissions"):
                    self._file.execute(f"DELETE FROM {table} WHERE row_id = ?", (found[0],))
                found = None
            if found is None:
                found = (self._insert(outcome, key), outcome.status, outcome.kind)
            self._let_stand(found, key)

    def keep_current(
        self, name: str, phase: str, sha256: str, truth_sha256: str, rules_version: str
    ) -> None:
        """Let the row under these hashes stand for the submission."""
        key = (name, phase, sha256, truth_sha256, rules_version)
        with self._file.transaction():
            found = self._find(key)
            if found is not None:
                self._let_stand(found, key)

    def _find(self, key: Sequence[str]) -> Optional[Tuple[int, str, str]]:
        """(row, status, kind of error) under a key."""
        found = self._file.rows(
            "SELECT row_id, status, error_kind FROM submissions WHERE name = ? AND phase = ? AND "
            "submission_sha256 = ? AND truth_sha256 = ? AND rules_version = ?",
            key,
        )
        return (found[0][0], found[0][1], found[0][2]) if found else None

    def _let_stand(self, found: Tuple[int, str, str], key: Sequence[str]) -> None:
        """Point at a row, unless it is a hitch and scores from the same truth and rules stand."""
        row_id, status, kind = found
        scored = self._file.rows(
            "SELECT 1 FROM current JOIN submissions USING (row_id) WHERE current.name = ? AND "
            "current.phase = ? AND truth_sha256 = ? AND rules_version = ? AND status = ?",
            (key[0], key[1], key[3], key[4], SCORED),
        )
        if _is_lasting(status, kind) or not scored:
            self._file.execute(
                "INSERT OR REPLACE INTO current VALUES (?, ?, ?)", (key[0], key[1], row_id)
            )

    def _insert(self, outcome: Outcome, key: Sequence[str]) -> int:
        card, source = outcome.card, outcome.source
        row_id = self._file.execute(
            "INSERT INTO submissions VALUES (NULL, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
            (
                *key,
                outcome.status,
                outcome.kind,
                # SQLite takes no surrogates, which names in a damaged file may hold
                outcome.error.encode("utf-8", "backslashreplace").decode("utf-8"),
                without_query(source.location),
                source.fingerprint if outcome.kind == REFUSED else source.version,
                json.dumps(card.notes if card else []),
                json.dumps(card.receipt if card else {}),
                outcome.seconds,
            ),
        )
        for group in card.groups.values() if card else ():
            where = (row_id, group.dataset, group.bin_width_ms)
            rows: List[Tuple[Any, ...]] = [
                (*where, metric, score.value, score.standard_error, None)
                for metric, score in group.scores.items()
            ]
            rows += [(*where, metric, None, None, why) for metric, why in group.left_out.items()]
            for row in rows:
                self._file.execute("INSERT INTO scores VALUES (?, ?, ?, ?, ?, ?, ?)", row)
            # so that two entries can be compared in pairs, where they are ranked by a likelihood
            trials = group.per_trial.get(find(card.suite).ranked_by.key, {}) if card else {}
            if {"log_likelihood", "spikes"} <= set(trials):
                self._file.execute(
                    "INSERT INTO trial_log_likelihood VALUES (?, ?, ?, ?)",
                    (*where, _pack(trials["log_likelihood"])),
                )
                self._file.execute(
                    "INSERT OR IGNORE INTO trial_spikes VALUES (?, ?, ?, ?)",
                    (key[3], group.dataset, group.bin_width_ms, _pack(trials["spikes"])),
                )
        self._file.execute(
            "INSERT INTO digests VALUES (?, ?)", (row_id, digest_of(self._file.rows, row_id))
        )
        return row_id

    # ---- reading ------------------------------------------------------------------------------

    def lasting(
        self, phase: str, truth_sha256: str, rules_version: str
    ) -> Dict[str, FrozenSet[Tuple[str, str]]]:
        """What need not be scored again: name -> (hash, source version) of each."""
        marks = ", ".join("?" * len(LASTING))
        rows = self._file.rows(
            "SELECT name, submission_sha256, source_version FROM submissions WHERE phase = ? AND "
            f"truth_sha256 = ? AND rules_version = ? AND (status = ? OR error_kind IN ({marks}))",
            (phase, truth_sha256, rules_version, SCORED, *LASTING),
        )
        found: Dict[str, FrozenSet[Tuple[str, str]]] = {}
        for name, sha256, version in rows:
            found[name] = found.get(name, frozenset()) | {(sha256, version)}
        return found

    def refused(self, phase: str, truth_sha256: str, rules_version: str) -> Dict[str, str]:
        """What will not be had: name -> fingerprint of the source for which that was said."""
        return dict(
            self._file.rows(
                "SELECT name, source_version FROM submissions WHERE phase = ? AND "
                "truth_sha256 = ? AND rules_version = ? AND error_kind = ?",
                (phase, truth_sha256, rules_version, REFUSED),
            )
        )

    def current(self, phase: str) -> Dict[str, StoredSubmission]:
        """The submissions that stand, by name."""
        rows = self._file.rows(
            "SELECT submissions.* FROM current JOIN submissions USING (row_id) "
            "WHERE current.phase = ? ORDER BY submissions.name",
            (phase,),
        )
        return {row[1]: self._submission(row) for row in rows}

    def history(self, phase: str) -> List[StoredSubmission]:
        """Every row of a phase, oldest first."""
        rows = self._file.rows(
            "SELECT * FROM submissions WHERE phase = ? ORDER BY row_id", (phase,)
        )
        return [self._submission(row) for row in rows]

    def _submission(self, row: Sequence[Any]) -> StoredSubmission:
        facts = dict(zip((field.name for field in fields(StoredSubmission)), row))
        for name in ("notes", "receipt"):
            try:
                facts[name] = json.loads(facts[name])
            except (TypeError, ValueError):  # of an earlier version, whose rows have no digest
                raise self._file.damaged(f"{name} of submission {facts['name']}") from None
        return StoredSubmission(**facts)

    def phases(self) -> Dict[str, int]:
        """Phases with their numbers of submissions."""
        return dict(self._file.rows("SELECT phase, COUNT(*) FROM current GROUP BY phase"))

    def scores(self, row_id: int) -> List[StoredScore]:
        """All scores of a submission, in no order that matters."""
        rows = self._file.rows(
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
        found = self._file.rows(
            "SELECT nats, spikes FROM trial_log_likelihood JOIN submissions USING (row_id) "
            "JOIN trial_spikes USING (truth_sha256, dataset, bin_width_ms) "
            "WHERE row_id = ? AND dataset = ? AND bin_width_ms = ?",
            (row_id, dataset, bin_width_ms),
        )
        return (_unpack(found[0][0]), _unpack(found[0][1])) if found else None

    def counts(self, phase: str) -> Dict[str, int]:
        """How many submissions stand as scored and as failed."""
        counts = {SCORED: 0, FAILED: 0}
        counts.update(
            self._file.rows(
                "SELECT status, COUNT(*) FROM current JOIN submissions USING (row_id) "
                "WHERE current.phase = ? GROUP BY status",
                (phase,),
            )
        )
        return counts


def _is_lasting(status: str, kind: str) -> bool:
    """Whether the same file gives the same again: its scores, or its own fault."""
    return status == SCORED or kind in LASTING


def _pack(values: np.ndarray) -> bytes:
    return np.ascontiguousarray(values, dtype="<f8").tobytes()


def _unpack(blob: bytes) -> np.ndarray:
    return np.frombuffer(blob, dtype="<f8")

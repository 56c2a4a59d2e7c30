"""The store's file: known before it is touched, written under a lock, closed whole.

Whatever goes wrong with it (it is damaged, somebody else's, on a full disk, not to be written)
becomes a :class:`StoreError` with a sentence that says so and what to do.

While one process writes, SQLite keeps a log beside the file (``-wal``), so that others can read.
The writer brings it into the file when it ends; after that the file alone is the store, also
where nothing can be written. After a kill the two belong together, and the next writer goes on.
"""

from __future__ import annotations

import fcntl
import os
import shutil
import sqlite3
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, Iterator, List, Optional, Sequence, Tuple

from evaluation_script.files import is_disk_full
from nlb_evalai.competition.digests import changed
from nlb_evalai.errors import ToolError
from nlb_evalai.web.locations import DOWNLOAD_PREFIX

STORE_SCHEMA = "nlb-evalai/store/1"
#: "NLBs" in the head of the file; SQLite's ``application_id``, which earlier versions left at 0
APPLICATION_ID = 0x4E4C4273

_MAGIC = b"SQLite format 3\0"
#: how long the writer waits at its end for those who read
_WAIT_MS = 2000
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
CREATE TABLE IF NOT EXISTS digests (
    row_id INTEGER PRIMARY KEY REFERENCES submissions (row_id),
    sha256 TEXT NOT NULL
);
"""

#: what SQLite says (its error codes have no names before Python 3.11) -> what to tell of it
_TOLD = (
    (
        "is full",
        "the disk is full; what was kept before is safe: make room, then run the same command "
        "again",
    ),
    (
        "disk I/O error",
        "it could not be read or written: the disk is full or fails, or a limit on file size was "
        "met; what was kept before is safe: see to the disk, then run the same command again",
    ),
    ("readonly database", "it or its folder cannot be written by this user; nothing was changed"),
    (
        "unable to open",
        "it cannot be opened: it, its folder or a file beside it is not for this user, or another "
        "process was killed while it wrote and left a log (-wal) that cannot be brought in here: "
        "copy both to a folder that can be written",
    ),
    ("is locked", "another process is using it; wait for that to end, then try again"),
)
_DAMAGED = "it is damaged ({}): bring back a copy, or move it away and score again"


class StoreError(ToolError):
    """The store cannot be used: missing, damaged, another's, in use, or there is no room."""


class StoreFile:
    """The store's file, open.

    Parameters
    ----------
    path : Path
    suite : str, optional
        Name of the suite whose scores it must hold; given on the first writing.
    write : bool
        Create it if need be, take its lock, and remove what a killed writer left in its work
        folder.

    Attributes
    ----------
    suite : str
        The suite whose scores it holds; empty if it does not say.
    work : Path
        Folder beside it for files that its writer needs for a while; made by who uses it.

    Raises
    ------
    StoreError
        If it is missing, no store, damaged, of another suite, or cannot be written.
    """

    def __init__(self, path: Path, suite: Optional[str], write: bool) -> None:
        self.path = path
        # a link's target: SQLite puts its files beside that one
        self._file = path.resolve()
        self.work = self._beside(".work")
        self._lock: Optional[int] = None
        self._db: Optional[sqlite3.Connection] = None
        try:
            with self._told():
                self._open(suite, write)
        except BaseException:
            self._let_go()
            raise

    def _beside(self, suffix: str) -> Path:
        return self._file.with_name(self._file.name + suffix)

    # ---- what goes wrong --------------------------------------------------------------------

    @contextmanager
    def _told(self) -> Iterator[None]:
        """Turn every fault of the file into a sentence."""
        try:
            yield
        except sqlite3.ProgrammingError:
            raise
        except (sqlite3.Error, UnicodeDecodeError) as error:  # of text, or of a damaged message
            said = str(error)
            what = next((told for words, told in _TOLD if words in said), _DAMAGED.format(said))
            raise StoreError(f"{self.path}: {what}") from None
        except OSError as error:
            full = "the disk is full" if is_disk_full(error) else error.strerror or str(error)
            where = f" ({error.filename})" if error.filename else ""
            raise StoreError(f"{self.path}: cannot be read or written: {full}{where}") from None

    def damaged(self, what: str) -> StoreError:
        """The error of what only the reader of rows can see."""
        return StoreError(f"{self.path}: {_DAMAGED.format(what)}")

    # ---- opening ----------------------------------------------------------------------------

    def _open(self, suite: Optional[str], write: bool) -> None:
        if not write and not self._file.is_file():
            raise StoreError(f"{self.path}: there is no such store; `nlb-evalai score` makes one")
        if write:
            self._file.parent.mkdir(parents=True, exist_ok=True)
        if self._file.exists():
            self._know()
        if write:
            self._take_lock()
            self._sweep()
            if not self._file.exists():
                self._create(suite)
        self._db = self._connect_to_read()
        with self.transaction("DEFERRED"):  # one look, whatever a writer does meanwhile
            self._check(suite, write)
        if write:
            self._db.close()
            self._db = self._connect("rw")
            self._db.execute("PRAGMA journal_mode = WAL")
            # A power cut may lose the last submissions, which are then scored again.
            self._db.execute("PRAGMA synchronous = NORMAL")
            with self.transaction():
                _make_tables(self._db, suite)
        self.suite = self._meta("suite")

    def _know(self) -> None:
        """Refuse what is no store, without a byte written to it or beside it."""
        with self._file.open("rb") as file:
            head = file.read(100)
        if not head:
            raise StoreError(
                f"{self.path}: it is empty, which no store is; bring back a copy, or remove it to "
                "start a new one"
            )
        if not head.startswith(_MAGIC):
            raise StoreError(
                f"{self.path}: it is no store (no SQLite file), or its beginning is damaged; "
                "nothing was written to it"
            )
        found = int.from_bytes(head[68:72], "big")
        if found != APPLICATION_ID and (found or not self._is_of_an_earlier_version()):
            raise StoreError(
                f"{self.path}: it is the database of another program (application id {found}, "
                "without the tables of a store), or its head is damaged; nothing was written to "
                "it: give another --store"
            )

    def _is_of_an_earlier_version(self) -> bool:
        # Reading alone may leave files beside it; where there is no log, SQLite need not look.
        db = self._connect("ro" if self._has_log() else "ro&immutable=1")
        try:
            return bool(db.execute("SELECT 1 FROM meta WHERE key = 'schema'").fetchall())
        except sqlite3.OperationalError as error:
            if str(error).startswith("no such "):
                return False
            raise
        finally:
            db.close()

    def _has_log(self) -> bool:
        log = self._beside("-wal")
        return log.exists() and log.stat().st_size > 0

    def _take_lock(self) -> None:
        self._lock = os.open(self._beside(".lock"), os.O_RDWR | os.O_CREAT, 0o644)
        try:
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(self._lock)
            self._lock = None
            raise StoreError(
                f"{self.path}: another process is writing to this store; wait for it to end, or "
                "give each its own --store"
            ) from None

    def _sweep(self) -> None:
        """Remove what a writer left in the work folder: it is gone, as we hold the lock."""
        for left in self.work.glob(f"{DOWNLOAD_PREFIX}*"):
            shutil.rmtree(left, ignore_errors=True)
        with suppress(OSError):  # it is not there, or holds what is not ours
            self.work.rmdir()

    def _create(self, suite: Optional[str]) -> None:
        """A new store comes under its name whole, so that none is ever half made."""
        for suffix in ("-wal", "-journal"):
            left = self._beside(suffix)
            if left.exists() and left.stat().st_size:
                raise StoreError(
                    f"{left}: it belongs to a store {self.path.name} that is not there, and may "
                    "hold scores: bring that back beside it, or move this away"
                )
        new = self._beside(".new")
        for left in (new, self._beside(".new-journal")):
            left.unlink(missing_ok=True)
        db = self._connect("rwc", new)
        try:
            db.execute(f"PRAGMA application_id = {APPLICATION_ID}")
            db.execute("BEGIN IMMEDIATE")
            _make_tables(db, suite)
            db.execute("COMMIT")
        finally:
            db.close()
        new.replace(self._file)

    def _connect(self, mode: str, path: Optional[Path] = None) -> sqlite3.Connection:
        uri = f"{(path or self._file).as_uri()}?mode={mode}"
        return sqlite3.connect(uri, uri=True, timeout=30, isolation_level=None)

    def _connect_to_read(self) -> sqlite3.Connection:
        """A connection that writes nothing, unless a killed process left a change half made."""
        db = self._connect("ro")
        try:
            db.execute("SELECT 1 FROM meta").fetchone()
        except sqlite3.OperationalError:
            db.close()
            if self._beside("-journal").exists():
                return self._connect("rw")  # which undoes it
            if self._has_log() or self._beside("-shm").exists():
                raise
            # it says that it has a log, and in a folder that cannot be written none can be made
            return self._connect("ro&immutable=1")
        return db

    def _check(self, suite: Optional[str], write: bool) -> None:
        ((found,),) = self.rows("PRAGMA integrity_check(1)")
        what = changed(self.rows) if found == "ok" else " ".join(str(found).split())
        if what:
            raise self.damaged(what)
        schema = self._meta("schema")
        if schema != STORE_SCHEMA:
            raise StoreError(
                f"{self.path}: schema: found {schema or None!r}, expected {STORE_SCHEMA!r}"
            )
        held = self._meta("suite")
        if suite is not None and held != suite and (held or not write):
            raise StoreError(
                f"{self.path}: holds scores of suite {held!r}, expected {suite!r}; give another "
                "--store"
            )

    def _meta(self, key: str) -> str:
        found = self.rows("SELECT value FROM meta WHERE key = ?", (key,))
        return str(found[0][0]) if found else ""

    # ---- closing ----------------------------------------------------------------------------

    def close(self) -> None:
        """Bring the log into the file, close it, empty the work folder, free the lock.

        Raises
        ------
        StoreError
            If there is no room to bring the log in: nothing is lost as long as both files are kept.
        """
        try:
            if self._db is not None and self._lock is not None:
                with self._told():
                    self._leave_log(self._db)
        finally:
            self._let_go()

    def _leave_log(self, db: sqlite3.Connection) -> None:
        db.execute(f"PRAGMA busy_timeout = {_WAIT_MS}")
        try:
            db.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()
            db.execute("PRAGMA journal_mode = DELETE").fetchall()
        except sqlite3.OperationalError as error:
            if "locked" not in str(error):  # else somebody reads: the next writer's end does it
                raise

    def _let_go(self) -> None:
        db, lock, self._db, self._lock = self._db, self._lock, None, None
        if db is not None:
            db.close()
        if lock is not None:
            self._sweep()
            os.close(lock)

    # ---- in use -----------------------------------------------------------------------------

    @contextmanager
    def transaction(self, kind: str = "IMMEDIATE") -> Iterator[None]:
        """All that is executed inside, or nothing of it."""
        self.execute(f"BEGIN {kind}")
        try:
            yield
            self.execute("COMMIT")
        except BaseException:
            # a full disk may have ended it already
            if self._db is not None and self._db.in_transaction:
                with self._told():
                    self._db.execute("ROLLBACK")
            raise

    def execute(self, statement: str, values: Sequence[Any] = ()) -> int:
        """Change something; the id of the row, where one was inserted."""
        assert self._db is not None
        with self._told():
            return int(self._db.execute(statement, values).lastrowid or 0)

    def rows(self, query: str, values: Sequence[Any] = ()) -> List[Tuple[Any, ...]]:
        """All rows that a query finds."""
        assert self._db is not None
        with self._told():
            return self._db.execute(query, values).fetchall()


def _make_tables(db: sqlite3.Connection, suite: Optional[str]) -> None:
    for statement in _TABLES.split(";"):
        db.execute(statement)
    for key, value in (("schema", STORE_SCHEMA), ("suite", suite)):
        if value is not None:
            db.execute("INSERT OR IGNORE INTO meta VALUES (?, ?)", (key, value))

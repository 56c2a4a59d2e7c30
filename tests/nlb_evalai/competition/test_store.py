"""The store's file: damaged, another's, without room, read-only, killed: whole, or a sentence."""

from __future__ import annotations

import ctypes
import json
import random
import shutil
import sqlite3
import struct
import subprocess
import sys
from contextlib import closing
from pathlib import Path
from typing import Any, Dict, List

import numpy as np
import pytest

from evaluation_script.scorecard import GroupScores, Score, Scorecard
from evaluation_script.suites import DEFAULT_SUITE
from nlb_evalai.competition.batch.task import FAILED, SCORED, Outcome, Source
from nlb_evalai.competition.store import Store
from nlb_evalai.competition.storefile import StoreError
from tests.nlb_evalai.competition.conftest import no_file_beyond
from tests.paths import ROOT

OLD = ROOT / "tests" / "data" / "old"
SUITE = DEFAULT_SUITE.name
DATASETS = [dataset.name for dataset in DEFAULT_SUITE.datasets[:2]]
KEY = DEFAULT_SUITE.ranked_by.key


def outcome(number: int) -> Outcome:
    """A submission with scores on two datasets; every fourth is at fault."""
    source, sha256 = Source(f"s{number}", f"/x/{number}.h5"), f"{number:064x}"
    if number % 4 == 0:
        return Outcome(source, FAILED, sha256, kind="submission", error="it is at fault " * 9)
    rng = np.random.default_rng(number)
    card = Scorecard(SUITE, DEFAULT_SUITE.phase("test"))
    for name in DATASETS:
        scores = {key: Score(float(rng.normal()), 0.01) for key in (KEY, "other")}
        card.groups[name] = GroupScores(name, name, 5, scores)
        trials = {"log_likelihood": rng.normal(size=40), "spikes": np.arange(40.0)}
        card.groups[name].per_trial = {KEY: trials}
    card.receipt = {"files": {"submission": "x" * 200}}
    return Outcome(source, SCORED, sha256, card)


def put(store: Store, *numbers: int) -> None:
    for number in numbers:
        store.add(outcome(number), "test", "t" * 64, "1.0")


def everything(path: Path) -> List[Any]:
    """All that a store answers."""
    with Store(path) as store:
        rows = store.history("test")
        current = store.current("test")
        found: List[Any] = [store.suite, store.phases(), store.counts("test"), current]
        for row in rows:
            scores = sorted(map(repr, store.scores(row.row_id)))
            trials = [store.trials(row.row_id, name, 5) for name in DATASETS]
            found.append((row, scores, repr(trials)))
        return found


def listing(folder: Path) -> Dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir() if path.is_file()}


def stopped(path: Path, folder: Path) -> Path:
    """What a kill at this moment would leave of a store that is open: the files as they are."""
    for beside in ("", "-wal", "-shm", "-journal"):
        if path.with_name(path.name + beside).exists():
            shutil.copyfile(path.with_name(path.name + beside), folder / (path.name + beside))
    return folder / path.name


@pytest.fixture(scope="module")
def calm(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A store of twelve submissions."""
    path = tmp_path_factory.mktemp("calm") / "results.sqlite"
    with Store(path, suite=SUITE, write=True) as store:
        put(store, *range(12))
    return path


# ---- damage -----------------------------------------------------------------------------------


def damaged(content: bytes, rng: random.Random) -> bytes:
    """The content with bits flipped, a piece zeroed or taken from elsewhere, or its end cut off."""
    changed = bytearray(content)
    at, other = rng.randrange(len(content)), rng.randrange(len(content) - 600)
    how = rng.randrange(5)
    if how < 2:
        for _ in range(1 + 4 * how):
            changed[rng.randrange(rng.choice((100, len(content))))] ^= 1 << rng.randrange(8)
    elif how == 2:
        return bytes(changed[:at])
    else:
        piece = content[other : other + 512] if how == 3 else bytes(512)
        changed[at : at + 512] = piece[: len(content) - at]
    return bytes(changed)


def test_a_damaged_store_answers_as_the_whole_one_or_says_so_and_is_not_written_to(
    calm: Path, tmp_path: Path
) -> None:
    expected, content = everything(calm), calm.read_bytes()
    rng = random.Random(20261126)
    equal = 0
    for number in range(120):
        path = tmp_path / f"{number}.sqlite"
        path.write_bytes(damaged(content, rng))
        before = path.read_bytes()
        try:
            assert everything(path) == expected, number
            equal += 1
        except StoreError as error:
            assert str(error).startswith(f"{path}: ")
            with pytest.raises(StoreError):
                Store(path, suite=SUITE, write=True)
        assert path.read_bytes() == before, number
    assert 0 < equal < 100, "some bytes are of no consequence, most are"


def test_a_digit_of_a_score_that_changed_is_seen(calm: Path, tmp_path: Path) -> None:
    path = tmp_path / "results.sqlite"
    card = outcome(5).card
    assert card is not None
    value = card.groups[DATASETS[0]].scores[KEY].value
    content = calm.read_bytes()
    assert content.count(struct.pack(">d", value)) == 1
    path.write_bytes(content.replace(struct.pack(">d", value), struct.pack(">d", value + 1e-9)))
    with pytest.raises(StoreError, match=r"damaged \(the row of submission s5 is not what was"):
        Store(path)
    shutil.copyfile(calm, path)
    with closing(sqlite3.connect(path)) as db, db:
        db.execute("UPDATE current SET row_id = 3 WHERE name = 's5'")
    with pytest.raises(StoreError, match="what stands for submission s5 is another's row"):
        Store(path)


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "it is empty, which no store is"),
        (b"team,score\nAnts,0.3\n", "it is no store"),
        (bytes(8192), "it is no store"),
        (b"SQLite format 3\0" + bytes(8000), "is damaged"),
    ],
)
@pytest.mark.parametrize("write", [False, True])
def test_what_is_no_store_is_told_and_stays(
    content: bytes, words: str, write: bool, tmp_path: Path
) -> None:
    path = tmp_path / "results.sqlite"
    path.write_bytes(content)
    with pytest.raises(StoreError, match=words) as caught:
        Store(path, suite=SUITE, write=write)
    assert caught.value.exit_code == 2
    assert listing(tmp_path) == {path.name: content}


# ---- what is another's ------------------------------------------------------------------------


@pytest.mark.parametrize("write", [False, True])
@pytest.mark.parametrize("how", ["tables", "id", "none", "log"])
def test_the_database_of_another_program_is_told_and_left_as_it_is(
    how: str, write: bool, tmp_path: Path
) -> None:
    path = tmp_path / "results.sqlite"
    with closing(sqlite3.connect(path)) as db:
        if how == "log":
            db.execute("PRAGMA journal_mode = WAL")
        if how == "id":
            db.execute("PRAGMA application_id = 7")
        if how == "none":
            db.execute("VACUUM")
        else:
            db.execute("CREATE TABLE meta (name, content)")
            db.execute("INSERT INTO meta VALUES ('schema', 'of others')")
        db.commit()
    before = listing(tmp_path)
    with pytest.raises(StoreError, match="it is the database of another program"):
        Store(path, suite=SUITE, write=write)
    assert listing(tmp_path) == before


def test_the_log_of_a_store_that_is_gone_is_not_written_over(tmp_path: Path) -> None:
    (tmp_path / "results.sqlite-wal").write_bytes(b"rows")
    with pytest.raises(
        StoreError, match=r"it belongs to a store results\.sqlite that is not there"
    ):
        Store(tmp_path / "results.sqlite", suite=SUITE, write=True)
    assert (tmp_path / "results.sqlite-wal").read_bytes() == b"rows"
    assert not (tmp_path / "results.sqlite").exists()


# ---- a full disk ------------------------------------------------------------------------------


def test_without_room_to_commit_what_was_kept_stays_and_the_same_goes_on(
    calm: Path, tmp_path: Path
) -> None:
    path = tmp_path / "results.sqlite"
    with Store(path, suite=SUITE, write=True) as store:
        store._file.execute("PRAGMA max_page_count = 16")
        with pytest.raises(StoreError, match="the disk is full; what was kept before is safe"):
            put(store, *range(12))
        done = len(store.current("test"))
    assert 0 < done < 12
    assert everything(path)[3] == {f"s{n}": everything(calm)[3][f"s{n}"] for n in range(done)}
    with Store(path, suite=SUITE, write=True) as store:
        put(store, *range(done, 12))
    assert everything(path) == everything(calm)


def test_past_a_limit_on_file_size_what_was_kept_stays(calm: Path, tmp_path: Path) -> None:
    path = tmp_path / "results.sqlite"
    store = Store(path, suite=SUITE, write=True)
    with no_file_beyond(100_000), pytest.raises(StoreError, match="a limit on file size was met"):
        put(store, *range(12))
    with no_file_beyond(20_000), pytest.raises(StoreError, match="a limit on file size was met"):
        store.close()  # nor is there room to bring the log in
    assert "results.sqlite-wal" in listing(tmp_path)
    found = everything(path)[3]
    assert 0 < len(found) < 12
    assert found == {f"s{n}": everything(calm)[3][f"s{n}"] for n in range(len(found))}
    with Store(path, suite=SUITE, write=True) as store:
        put(store, *range(len(found), 12))
    assert everything(path) == everything(calm)
    assert sorted(listing(tmp_path)) == ["results.sqlite", "results.sqlite.lock"]


def test_without_room_for_a_new_store_there_is_none(tmp_path: Path) -> None:
    path = tmp_path / "results.sqlite"
    with no_file_beyond(20_000), pytest.raises(StoreError, match="the disk is full or fails"):
        Store(path, suite=SUITE, write=True)
    assert not path.exists()
    Store(path, suite=SUITE, write=True).close()
    assert sorted(listing(tmp_path)) == ["results.sqlite", "results.sqlite.lock"]


# ---- the end of a writer ----------------------------------------------------------------------


def test_a_finished_store_is_one_file_which_a_reader_at_the_end_only_delays(
    calm: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("nlb_evalai.competition.storefile._WAIT_MS", 50)
    assert sorted(listing(calm.parent)) == ["results.sqlite", "results.sqlite.lock"]
    path = shutil.copyfile(calm, tmp_path / "results.sqlite")
    with Store(path, suite=SUITE, write=True) as store:
        put(store, 12)
        reader = Store(path)
    assert len(reader.current("test")) == 13
    reader.close()
    whole = shutil.copyfile(path, tmp_path / "copy.sqlite")
    assert everything(whole) == everything(path), "all of it is in the file, the log is empty"
    Store(path, suite=SUITE, write=True).close()
    assert "results.sqlite-wal" not in listing(tmp_path)


@pytest.mark.parametrize("write", [False, True])
def test_a_change_of_the_file_itself_that_was_half_made_is_undone(
    write: bool, calm: Path, tmp_path: Path
) -> None:
    """As when the machine stops while a writer begins, or closes the store out of its log."""
    (tmp_path / "before").mkdir()
    with closing(sqlite3.connect(shutil.copyfile(calm, tmp_path / "before" / calm.name))) as db:
        db.execute("PRAGMA cache_size = 1")
        db.execute("UPDATE submissions SET error = 'half made' || hex(zeroblob(5000))")
        path = stopped(tmp_path / "before" / calm.name, tmp_path)
    assert (tmp_path / "results.sqlite-journal").stat().st_size
    assert path.read_bytes() != calm.read_bytes()
    Store(path, suite=SUITE, write=write).close()
    assert everything(path) == everything(calm)
    assert "results.sqlite-journal" not in listing(tmp_path)


def test_the_work_folder_is_swept_by_the_next_writer_alone(tmp_path: Path) -> None:
    path, work = tmp_path / "results.sqlite", tmp_path / "results.sqlite.work"
    left = work / "nlb-submission-abc"
    left.mkdir(parents=True)
    (left / "submission.h5").write_bytes(b"x")
    with Store(path, suite=SUITE, write=True) as store:
        assert store.work == work
        assert not work.exists()
        left.mkdir(parents=True)
        with pytest.raises(StoreError, match="another process is writing"):
            Store(path, suite=SUITE, write=True)
        with Store(path):
            pass
        assert left.exists(), "neither who has no lock nor who reads"
        (work / "mine").write_text("of somebody")
    assert listing(work) == {"mine": b"of somebody"}
    assert not left.exists()


# ---- read-only --------------------------------------------------------------------------------

_AS_ANYBODY = """
import json, sys
from nlb_evalai.cli import cli
from nlb_evalai.competition.store import Store
from nlb_evalai.errors import ToolError

for line in sys.stdin:
    folder, *arguments = json.loads(line)
    try:
        if arguments:
            cli.main(arguments, standalone_mode=False)
            answer = "done"
        else:
            with Store(f"{folder}/results.sqlite") as store:
                answer = len(store.current("test"))
    except ToolError as error:
        answer = [error.exit_code, str(error)]
    print("answer", json.dumps(answer))
"""


def without_privilege() -> None:
    """Permissions hold for this process, even if it is root's."""
    prctl = getattr(ctypes.CDLL(None, use_errno=True), "prctl", None)
    for capability in (1, 2):  # CAP_DAC_OVERRIDE, CAP_DAC_READ_SEARCH
        if prctl is not None:  # Linux
            prctl(24, capability, 0, 0, 0)  # PR_CAPBSET_DROP


def test_a_store_in_a_folder_that_cannot_be_written_is_read_or_told(
    calm: Path, tmp_path: Path
) -> None:
    folders = {name: tmp_path / name for name in ("finished", "old", "killed", "cut", "single")}
    for name, folder in folders.items():
        folder.mkdir()
        path = folder / "results.sqlite"
        shutil.copyfile(OLD / "scenario" / path.name if name == "old" else calm, path)
    (tmp_path / "before").mkdir()
    with Store(
        shutil.copyfile(calm, tmp_path / "before" / calm.name), suite=SUITE, write=True
    ) as store:
        put(store, 12)
        for name in ("killed", "cut"):
            stopped(store.path, folders[name])
    assert (folders["killed"] / "results.sqlite-wal").stat().st_size
    (folders["cut"] / "results.sqlite-shm").unlink()
    for folder in folders.values():
        for path in folder.iterdir():
            path.chmod(0o444)
        if folder.name != "single":  # there the folder can be written, the file cannot
            folder.chmod(0o555)
    before = {name: listing(folder) for name, folder in folders.items()}
    old, award = folders["old"] / "results.sqlite", tmp_path / "award"
    entries = OLD / "scenario" / "entries.csv"
    truth = ROOT / "tests" / "data" / "golden" / "target_test.h5"
    score = ["score", "--phase", "test", "--annotations", str(truth), str(truth), "--store"]
    calls = [[str(folder)] for folder in folders.values()]
    calls += [
        ["", "award", "--store", str(old), "--entries", str(entries), "--out", str(award)],
        ["", "report", "--store", str(old), "--award", str(award), "--out", str(award / "r.html")],
    ]
    calls += [["", *score, str(folder / "results.sqlite")] for folder in folders.values()]
    done = subprocess.run(
        [sys.executable, "-c", _AS_ANYBODY],
        input="\n".join(map(json.dumps, calls)),
        capture_output=True,
        text=True,
        check=True,
        preexec_fn=without_privilege,
    )
    answers = [json.loads(line[7:]) for line in done.stdout.splitlines() if line[:7] == "answer "]
    assert len(answers) == len(calls), done.stdout
    finished, of_old, killed, cut, single = answers[:5]
    assert (finished, killed, single) == (12, 13, 12)
    assert of_old > 0
    assert cut[0] == 2
    assert "left a log (-wal) that cannot be brought in here: copy both" in cut[1]
    assert answers[5:7] == ["done", "done"]
    for code, said in answers[7:]:
        assert code == 2
        assert "cannot be" in said
    assert {name: listing(folder) for name, folder in folders.items()} == {
        **before,
        # what the writer's lock is on
        "single": {**before["single"], "results.sqlite.lock": b""},
    }

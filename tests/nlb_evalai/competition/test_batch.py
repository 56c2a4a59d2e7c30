"""A batch: what it keeps, what it skips, and that no interruption shows in the store."""

from __future__ import annotations

import os
import random
import shutil
import signal
import sqlite3
import subprocess
import sys
import threading
import time
from contextlib import suppress
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Iterator, List

import h5py
import psutil
import pytest
from click.testing import CliRunner

from evaluation_script.errors import AnnotationError
from evaluation_script.suites import DEFAULT_SUITE
from nlb_evalai.cli._ending import ending_of
from nlb_evalai.cli.score import score as score_command
from nlb_evalai.competition.batch.pool import run_pool
from nlb_evalai.competition.batch.run import Tally, run_batch
from nlb_evalai.competition.batch.sources import collect
from nlb_evalai.competition.batch.task import FAILED, SCORED, Outcome, Source, Task, score_task
from nlb_evalai.competition.report.view import changes
from nlb_evalai.competition.store import Store
from nlb_evalai.competition.storefile import StoreError
from tests.nlb_evalai.competition.conftest import (
    FULL,
    N_BAD,
    N_GOOD,
    Bench,
    by_hand,
    contents,
    of_csv,
    score_folder,
    serially,
)


def command(bench: Bench, store: Path) -> List[str]:
    places = [str(bench.folder), "--phase", "test", "--annotations", str(bench.annotations)]
    return [*places, "--store", str(store), "--workers", "2"]


def rows_in(store: Path) -> int:
    try:
        with sqlite3.connect(f"file:{store}?mode=ro", uri=True) as db:
            return int(db.execute("SELECT COUNT(*) FROM submissions").fetchone()[0])
    except sqlite3.Error:
        return 0
    finally:
        if "db" in locals():
            db.close()


@pytest.fixture
def dripping(bench: Bench, tmp_path: Path) -> Iterator[Path]:
    """An export of three submissions from a server that takes its time."""

    class Drip(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            content = (bench.folder / Path(self.path).name).read_bytes()
            self.send_response(200)
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            for start in range(0, len(content), len(content) // 4 + 1):
                self.wfile.write(content[start : start + len(content) // 4 + 1])
                time.sleep(0.1)

        def log_message(self, *_: object) -> None:
            pass

    class Server(ThreadingHTTPServer):
        def handle_error(self, *_: object) -> None:
            """Who asks is killed in the middle of the answer."""

    with Server(("127.0.0.1", 0), Drip) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        web = f"http://127.0.0.1:{server.server_port}"
        rows = [(f"{i}", "A", "Test", f"{web}/{100 + i}.h5") for i in range(3)]
        header = ("id", "Team Name", "Challenge Phase", "Submitted File")
        yield of_csv(tmp_path / "export.csv", [header, *rows])
        server.shutdown()


def end_all(process: subprocess.Popen, how: str) -> None:
    """Kill a run: all of its processes at once, or the first, which the others must follow."""
    try:
        helpers = psutil.Process(process.pid).children(recursive=True)
    except psutil.NoSuchProcess:
        helpers = []
    if how == "all":
        for one in (process, *helpers):
            with suppress(psutil.NoSuchProcess):
                one.kill()
    else:
        process.send_signal(signal.SIGKILL if how == "first" else signal.SIGTERM)
    process.wait()
    _, alive = psutil.wait_procs(helpers, timeout=10)
    assert not alive, "no worker outlives its parent"


def test_killed_at_random_moments_and_resumed_the_store_is_that_of_a_calm_run(
    bench: Bench, undisturbed: Path, dripping: Path, tmp_path: Path
) -> None:
    calm, store = tmp_path / "calm.sqlite", tmp_path / "store" / "results.sqlite"
    shutil.copyfile(undisturbed, calm)
    with Store(calm, suite=DEFAULT_SUITE.name, write=True) as opened:
        sources = collect([str(dripping)], ["Test"]).sources
        run_batch(opened, sources, bench.annotations, "test", serially)
    expected = contents(calm)
    work, temporary = store.with_name("results.sqlite.work"), tmp_path / "temporary"
    temporary.mkdir()
    environment = {**os.environ, "TMPDIR": str(temporary)}
    call = [sys.executable, "-m", "nlb_evalai", "score", str(dripping), *command(bench, store)]
    rng = random.Random(17)
    n_kills, total = 20 if FULL else 3, N_GOOD + N_BAD + 3
    goals = sorted(rng.randrange(total + 1) for _ in range(n_kills - 1))
    alive = 0
    for goal in (None, *goals):
        process = subprocess.Popen(
            call, stderr=subprocess.DEVNULL, stdout=subprocess.DEVNULL, env=environment
        )
        # as many rows, or the first download, and then a random moment
        deadline = time.monotonic() + 60
        while process.poll() is None and time.monotonic() < deadline:
            if rows_in(store) >= goal if goal is not None else list(work.glob("*/*")):
                time.sleep(rng.uniform(0.0, 0.2 if goal else 2.0) if goal is not None else 0.0)
                break
            time.sleep(0.005)
        alive += process.poll() is None
        end_all(process, "all" if goal is None else rng.choice(("all", "first", "terminated")))
        if goal is None:
            assert list(work.glob("*/*")), "killed while it fetched"
        if store.exists():
            assert set(contents(store)["submissions"]) <= set(expected["submissions"])
    assert alive > n_kills / 2, "killed on the way"
    done = subprocess.run(call, capture_output=True, text=True, check=True, env=environment)
    assert " there already" in done.stdout
    assert contents(store) == expected
    left = sorted(path.name for path in store.parent.iterdir())
    assert left == ["results.sqlite", "results.sqlite.lock"]
    assert not list(temporary.glob("nlb-submission-*"))


def test_a_failed_submission_is_a_row_with_its_error(undisturbed: Path) -> None:
    with Store(undisturbed) as store:
        current = store.current("test")
    failed = [one for one in current.values() if not one.is_scored]
    assert len(current) == N_GOOD + N_BAD
    assert len(failed) == N_BAD
    assert {one.error_kind for one in failed} == {"submission"}
    assert "expected" in current["208"].error
    assert len({one.error for one in failed}) > N_BAD / 2


def test_a_second_run_scores_nothing_and_says_so(
    bench: Bench, undisturbed: Path, tmp_path: Path
) -> None:
    store = tmp_path / "results.sqlite"
    store.write_bytes(undisturbed.read_bytes())
    before = contents(store)
    result = CliRunner().invoke(score_command, command(bench, store))
    assert result.exit_code == 0, result.output
    assert f"0 scored, 0 failed, {N_GOOD + N_BAD} there already" in result.output
    assert contents(store) == before


def test_failures_that_may_pass_give_an_exit_code_of_their_own(
    bench: Bench, tmp_path: Path
) -> None:
    header = ("id", "Team Name", "Challenge Phase", "Submitted File")
    export = of_csv(
        tmp_path / "export.csv", [header, ("200", "A", "Test", ""), ("999", "A", "Test", "")]
    )
    arguments = command(bench, tmp_path / "results.sqlite")[1:]
    arguments += [str(export), "--files", str(bench.folder)]
    result = CliRunner().invoke(score_command, arguments)
    assert result.exit_code == 3, result.output
    assert "failed for unavailable: run the same command to try these again" in result.output
    (tmp_path / "999.h5").write_bytes(b"")
    arguments = [str(tmp_path / "999.h5"), *command(bench, tmp_path / "results.sqlite")[1:]]
    result = CliRunner().invoke(score_command, arguments)
    assert result.exit_code == 0, "a submission that is at fault itself is no reason"


def test_ctrl_c_ends_with_130_and_keeps_what_is_scored(bench: Bench, tmp_path: Path) -> None:
    store = tmp_path / "results.sqlite"
    call = [sys.executable, "-m", "nlb_evalai", "score", *command(bench, store)]
    process = subprocess.Popen(
        call,
        stderr=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        text=True,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),
    )
    deadline = time.monotonic() + 60
    while rows_in(store) < 3 and time.monotonic() < deadline:
        time.sleep(0.01)
    process.send_signal(signal.SIGINT)
    _, said = process.communicate(timeout=30)
    assert process.returncode == 130
    assert "interrupted: what is scored is kept" in said
    assert "Traceback" not in said
    assert rows_in(store) >= 3
    left = sorted(path.name for path in tmp_path.iterdir())
    assert left == ["results.sqlite", "results.sqlite.lock"], "closed, and nothing left behind"


# ---- what is scored again ---------------------------------------------------------------------


def tally(store: Path, bench: Bench, names: List[str], suite=DEFAULT_SUITE) -> Tally:
    sources = [Source(name, str(bench.folder / f"{name}.h5")) for name in names]
    with Store(store, suite=suite.name, write=True) as opened:
        return run_batch(opened, sources, bench.annotations, "test", serially, suite=suite)


def test_new_rules_score_again_keep_old_rows_and_changes_says_what_moved(
    bench: Bench, tmp_path: Path
) -> None:
    store = tmp_path / "results.sqlite"
    assert tally(store, bench, ["100", "200"]).scored == 1
    newer = replace(DEFAULT_SUITE, rules_version="9.9")
    assert tally(store, bench, ["100", "200"], newer) == Tally(1, 1, 0)
    with Store(store) as opened:
        history = [one for one in opened.history("test") if one.name == "100"]
        assert [one.rules_version for one in history] == [DEFAULT_SUITE.rules_version, "9.9"]
        assert opened.current("test")["100"].rules_version == "9.9"
        assert changes(opened, DEFAULT_SUITE, "test", {"100": "100"}) == []
    with by_hand(store) as db:
        db.execute(
            "UPDATE scores SET value = value + 0.5 WHERE metric = 'co-bps' AND bin_width_ms = 5 "
            "AND row_id = ?",
            (history[1].row_id,),
        )
    with Store(store) as opened:
        (moved,) = changes(opened, DEFAULT_SUITE, "test", {"100": "100"})
    assert moved["after"] == pytest.approx(moved["before"] + 0.5)
    assert moved["why"] == f"rules {DEFAULT_SUITE.rules_version} → 9.9"


def test_a_changed_file_is_scored_again_and_the_old_one_stands_again_when_it_returns(
    bench: Bench, tmp_path: Path
) -> None:
    path, store = tmp_path / "x.h5", tmp_path / "results.sqlite"
    local = Bench(bench.annotations, tmp_path)
    hashes = []
    for source, expected in (("100", Tally(1)), ("101", Tally(1)), ("100", Tally(0, 0, 1))):
        path.write_bytes((bench.folder / f"{source}.h5").read_bytes())
        assert tally(store, local, ["x"]) == expected
        with Store(store) as opened:
            hashes.append(opened.current("test")["x"].submission_sha256)
    assert hashes[0] == hashes[2] != hashes[1]


def test_what_could_not_be_had_is_tried_again_and_does_not_displace_scores(
    bench: Bench, tmp_path: Path
) -> None:
    store = tmp_path / "results.sqlite"
    local = Bench(bench.annotations, tmp_path)
    assert tally(store, local, ["x"]) == Tally(0, 1, 0)
    with Store(store) as opened:
        assert opened.current("test")["x"].error_kind == "unavailable"
    (tmp_path / "x.h5").write_bytes((bench.folder / "100.h5").read_bytes())
    assert tally(store, local, ["x"]) == Tally(1, 0, 0)
    (tmp_path / "x.h5").unlink()
    assert tally(store, local, ["x"]) == Tally(0, 1, 0)
    with Store(store) as opened:
        assert opened.current("test")["x"].is_scored


# ---- the pool ---------------------------------------------------------------------------------


def deadly(task: Task) -> Outcome:
    """Work that ends its process for one of the tasks."""
    if task.source.name == "deadly":
        os._exit(9)
    time.sleep(0.02)
    return Outcome(task.source, SCORED)


def test_a_task_that_kills_its_worker_fails_alone(tmp_path: Path) -> None:
    names = [*"abc", "deadly", *"defgh"]
    tasks = [Task(Source(name), "truth", "test") for name in names]
    outcomes = {one.source.name: one for one in run_pool(tasks, 2, deadly)}
    assert sorted(outcomes) == sorted(names)
    assert outcomes.pop("deadly").kind == "crash"
    assert {one.status for one in outcomes.values()} == {SCORED}


def test_a_worker_with_another_truth_gives_no_score(bench: Bench, tmp_path: Path) -> None:
    def elsewhere(tasks):
        for task in tasks:
            outcome = score_task(task)
            assert outcome.card is not None
            outcome.card.receipt["files"]["ground_truth"]["sha256"] = "other"
            yield outcome

    source = Source("100", str(bench.folder / "100.h5"))
    with Store(tmp_path / "s", suite=DEFAULT_SUITE.name, write=True) as store:
        run_batch(store, [source], bench.annotations, "test", elsewhere)
        found = store.current("test")["100"]
    assert found.status == FAILED
    assert "ground truth of the worker: found other" in found.error


# ---- the store --------------------------------------------------------------------------------


def test_two_processes_cannot_write_the_same_store(bench: Bench, tmp_path: Path) -> None:
    store = tmp_path / "results.sqlite"
    with Store(store, suite=DEFAULT_SUITE.name, write=True):
        call = [sys.executable, "-m", "nlb_evalai", "score", *command(bench, store)]
        done = subprocess.run(call, capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert "another process is writing to this store" in done.stderr


def test_a_store_of_another_suite_and_what_is_no_store_are_refused(tmp_path: Path) -> None:
    store = tmp_path / "results.sqlite"
    Store(store, suite="nlb99", write=True).close()
    with pytest.raises(StoreError, match="suite 'nlb99', expected 'nlb21'"):
        Store(store, suite=DEFAULT_SUITE.name, write=True)
    with pytest.raises(StoreError, match="suite 'nlb99', expected 'nlb21'"):
        Store(store, suite=DEFAULT_SUITE.name)
    (tmp_path / "text").write_text("hello, this is no database")
    with pytest.raises(StoreError, match="it is no store"):
        Store(tmp_path / "text", suite=DEFAULT_SUITE.name)
    with pytest.raises(StoreError, match="there is no such store"):
        Store(tmp_path / "none")


def test_a_truth_that_cannot_be_used_stops_before_anything_is_kept(
    bench: Bench, tmp_path: Path
) -> None:
    broken = tmp_path / "truth.h5"
    broken.write_bytes(b"nothing")
    store = tmp_path / "results.sqlite"
    with pytest.raises(AnnotationError):
        score_folder(Bench(broken, bench.folder), store)
    assert rows_in(store) == 0


def test_a_wrong_truth_is_told_without_a_bar_or_a_store(bench: Bench, tmp_path: Path) -> None:
    words, other = tmp_path / "words.h5", tmp_path / "other.h5"
    words.write_text("no truth at all")
    shutil.copyfile(bench.annotations, other)
    with h5py.File(other, "r+") as file:
        file.attrs["suite"] = "nlb99"
    suite = ["--suite", DEFAULT_SUITE.name]
    for truth, phase, more, expected in (
        (words, "test", [], "cannot open"),
        (words, "test", suite, "cannot open"),
        (bench.annotations, "val", [], "of phase test, expected val"),
        (other, "test", [], "nlb99"),
        (other, "test", suite, "of suite nlb99, expected nlb21"),
    ):
        arguments = [str(bench.folder), "--phase", phase, "--annotations", str(truth), *more]
        result = CliRunner().invoke(
            score_command, [*arguments, "--store", str(tmp_path / "new" / "results.sqlite")]
        )
        ending = ending_of(result.exception)  # type: ignore[arg-type]
        assert ending is not None, result.exception
        assert (expected in ending[0], ending[1]) == (True, 2), ending
        assert result.output == ""
    assert not (tmp_path / "new").exists()


def test_scores_errors_and_trials_come_back_at_full_precision(
    bench: Bench, undisturbed: Path
) -> None:
    task = Task(Source("100", str(bench.folder / "100.h5")), str(bench.annotations), "test")
    card = score_task(task).card
    assert card is not None
    with Store(undisturbed) as store:
        row = store.current("test")["100"]
        kept = {(s.dataset, s.bin_width_ms, s.metric): s for s in store.scores(row.row_id)}
        for group in card.groups.values():
            where = (group.dataset, group.bin_width_ms)
            for key, score in group.scores.items():
                assert kept[(*where, key)].value == score.value
                assert kept[(*where, key)].standard_error == score.standard_error
            trials = store.trials(row.row_id, *where)
            assert trials is not None
            assert (trials[0] == group.per_trial["co-bps"]["log_likelihood"]).all()
            assert (trials[1] == group.per_trial["co-bps"]["spikes"]).all()
        assert row.receipt["files"]["submission"]["sha256"] == row.submission_sha256

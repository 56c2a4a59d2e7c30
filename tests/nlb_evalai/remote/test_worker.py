"""One worker, one situation at a time."""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path

import click
import pytest
from click.testing import CliRunner

import evaluation_script
from evaluation_script.suites import DEFAULT_SUITE
from nlb_evalai.cli.worker import worker as worker_command
from nlb_evalai.errors import ToolError
from nlb_evalai.remote.client import Client
from nlb_evalai.remote.errors import BadAnswer, UpdateRefused
from nlb_evalai.remote.health import problem
from nlb_evalai.remote.service import find_annotations, within_memory
from nlb_evalai.remote.state import default_state
from tests.nlb_evalai.remote.conftest import until
from tests.nlb_evalai.remote.standin import CHALLENGE, QUEUE, TOKEN, Trouble
from tests.paths import ROOT


def test_a_queue_is_worked_off_and_the_scores_arrive(standin, start, tiny):
    server = standin()
    wanted = {server.submit(tiny.files[name]): name for name in tiny.files}
    broken = server.submit(b"no HDF5 at all")
    worker = start(server, "--once")
    assert worker.wait() == 0, worker.text
    assert server.violations == []
    assert server.queue == []
    for pk, name in wanted.items():
        assert server.scores(pk) == tiny.scores[name]
        (update,) = server.submissions[pk].updates
        assert "mc_rtt_20" in update["stdout"]
        assert '"schema": "nlb-evalai/submission-result/1"' in update["stdout"]
        assert json.loads(update["metadata"])["schema"] == "nlb-evalai/receipt/1"
        assert server.submissions[pk].patches == 1
    (update,) = server.submissions[broken].updates
    assert update["submission_status"] == "failed"
    assert "not an HDF5 file" in update["stderr"]
    assert worker.said == "worker ended: 1 failed, 3 finished\n"


def test_json_is_all_that_once_prints(standin, start, tiny):
    server = standin()
    server.submit(tiny.files["mean"])
    worker = start(server, "--once", "--json")
    assert worker.wait() == 0, worker.text
    assert json.loads(worker.said) == {"phases": ["val"], "done": {"finished": 1}, "left": {}}


def test_a_settled_submission_is_not_scored_again(standin, start, tiny):
    server = standin()
    for status in ("finished", "failed", "cancelled"):
        server.submissions[server.submit(tiny.files["mean"])].status = status
    worker = start(server, "--once")
    assert worker.wait() == 0
    assert server.queue == []
    assert list(server.statuses().values()) == ["finished", "failed", "cancelled"]
    assert server.violations == []
    assert server.storage_requests == []


def test_a_submission_running_elsewhere_is_left_alone_then_taken_over(standin, start, tiny):
    server = standin(visibility_seconds=0.3)
    pk = server.submit(tiny.files["mean"])
    server.submissions[pk].status = "running"
    worker = start(server, "--takeover", "2")
    until(lambda: bool(worker.events("running elsewhere")), 20, "a look at it")
    assert server.submissions[pk].updates == []
    until(server.settled, 30, "the takeover")
    assert worker.events("taken over")
    assert server.scores(pk) == tiny.scores["mean"]
    assert server.submissions[pk].patches == 0  # its start time was not reset
    assert worker.stop() == 0


def test_a_cancelled_submission_stays_cancelled(standin, start, tiny):
    server = standin()
    pk = server.submit(tiny.files["mean"])
    worker = start(server)
    until(lambda: server.submissions[pk].status == "running", 20, "running")
    server.cancel(pk)
    until(lambda: server.queue == [], 20, "an empty queue")
    assert server.statuses() == {pk: "cancelled"}
    assert server.violations == []
    worker.stop()


def test_a_refused_result_fails_that_submission_and_the_log_says_why(standin, start, tiny):
    server = standin()
    server.refuse_results = True
    first = server.submit(tiny.files["mean"])
    second = server.submit(b"broken")
    worker = start(server, "--once")
    assert worker.wait() == 0
    (update,) = server.submissions[first].updates
    assert update["submission_status"] == "failed"
    assert update["stderr"] == ("EvalAI refused the result: Challenge Phase Split does not exist")
    assert server.statuses()[second] == "failed"
    (line,) = worker.events("result refused")
    assert line["why"] == "Challenge Phase Split does not exist"
    assert line["http"] == 400
    assert json.loads(line["result"])[0]["accuracies"] == tiny.scores["mean"]["mc_rtt_20_split"]
    assert worker.events("failed")[0]["why"] == update["stderr"]


def test_a_refusal_that_is_a_page_is_told_by_its_text(standin):
    server = standin()
    page = b"<html><head><title>x</title></head><body><h1>Too large</h1>\n<p>go\x1b away</body>"
    server.answer_next("PUT", 413, page)
    with pytest.raises(UpdateRefused) as caught:
        Client(server.api, QUEUE, TOKEN).finish(CHALLENGE, {})
    assert caught.value.reason == "Too large go\\x1b away"


def test_hidden_truth_is_scored_as_for_participants_and_shown_alike(standin, start, tiny):
    """Shown numbers alone go out, and what only a host may score is refused."""
    golden = ROOT / "tests" / "data" / "golden"
    good = (golden / "submission_test_a.h5").read_bytes()
    server = standin()
    pk = server.submit(good, phase=2)
    worker = start(server, "--annotations", f"test={golden / 'target_test.h5'}", "--once")
    assert worker.wait() == 0
    answer = evaluation_script.evaluate(
        str(golden / "target_test.h5"), str(golden / "submission_test_a.h5"), "test"
    )
    assert server.scores(pk) == {
        split: row for one in answer["result"] for split, row in one.items()
    }
    decimals = DEFAULT_SUITE.phase("test").score_decimals
    for row in server.scores(pk).values():
        assert all(round(value, decimals) == value >= -1 for value in row.values())


@pytest.mark.parametrize("value", ["\u00b2", "12 ", "-1", "9" * 30, 10**30, -1, True, None, 1.0])
def test_what_is_no_number_of_a_submission_is_refused(standin, value):
    server = standin()
    body = {"submission_pk": value, "challenge_pk": 42, "phase_pk": 1}
    server.answer_next("GET", 200, {"body": body, "receipt_handle": "r"})
    with pytest.raises(BadAnswer, match="submission_pk is"):
        Client(server.api, QUEUE, TOKEN).next_message()


def test_a_wrong_token_ends_the_worker_without_showing_it(standin, start, tiny, monkeypatch):
    server = standin()
    monkeypatch.setattr("tests.nlb_evalai.remote.conftest.TOKEN", "wrong-but-still-secret")
    worker = start(server)
    assert worker.wait() == 2
    assert "refused with HTTP 401: Invalid token" in worker.text
    assert "wrong-but-still-secret" not in worker.text + worker.said


def test_the_token_goes_to_the_api_alone_and_into_no_log(standin, start, tiny, tmp_path):
    trouble = Trouble(error=0.2, lost_answer=0.1, cut_file=0.3)
    server = standin(visibility_seconds=1, trouble=trouble, seed=3)
    for name in tiny.files:
        server.submit(tiny.files[name])
    server.submit(b"broken")
    server.answer_next("PUT", 400, {"error": f"do not say {TOKEN}"})
    worker = start(server, "--concurrency", "2")
    until(server.settled, 60, "the end")
    worker.stop()
    for request in server.storage_requests:
        assert "Authorization" not in request
        assert TOKEN not in str(request)
    assert server.storage_requests
    written = worker.text + worker.said
    assert TOKEN not in written
    assert "secret-signature" not in written
    for path in (tmp_path / "state").rglob("*"):
        if path.is_file() and path.suffix in (".json", ".jsonl"):
            assert TOKEN not in path.read_text()


def test_requests_stay_under_the_servers_limit(standin, start, tiny):
    server = standin(per_minute=60)
    server.submit(b"broken")
    worker = start(server, "--requests-per-minute", "60", "--poll", "0.01")
    until(lambda: len(server.requests) >= 23, 60, "requests")
    times = list(server.taken_at)
    # After the burst of 20 there are 40 a minute; one may have been held up on its way.
    for first, since in enumerate(times):
        for last, now in enumerate(times[first:], start=first):
            assert last - first + 1 <= 20 + (now - since) * 40 / 60 + 2
    assert times[-1] - times[0] >= 1.5
    worker.stop()


def test_health_is_told_by_a_file_that_grows_old(standin, start, tiny, tmp_path):
    server = standin()
    path = tmp_path / "health.json"
    assert "no health file" in problem(path)
    worker = start(server, "--health-file", str(path))
    until(path.exists, 20, "the file")
    assert problem(path, 30) == ""
    worker.stop()
    time.sleep(0.2)
    assert "no sign of life of" in problem(path, 0.1)


def test_what_a_killed_worker_left_is_swept(standin, start, tiny, tmp_path):
    left = tmp_path / "state" / "work" / "999"
    left.mkdir(parents=True)
    (left / "submission.h5").write_bytes(b"x")
    assert start(standin(), "--once").wait() == 0
    assert not left.exists()


def test_annotations_are_found_by_phase_as_files_or_pointers(tmp_path: Path):
    for name in ("val.h5", "test.yaml", "README.md"):
        (tmp_path / name).touch()
    assert {p: f.name for p, f in find_annotations([str(tmp_path)]).items()} == {
        "test": "test.yaml",
        "val": "val.h5",
    }
    (tmp_path / "val.yaml").touch()  # as `annotations publish` leaves it beside the truth
    assert find_annotations([str(tmp_path)])["val"].name == "val.h5"
    found = find_annotations([f"test={tmp_path / 'val.h5'}", str(tmp_path / "val.h5")])
    assert sorted(found) == ["test", "val"]
    with pytest.raises(ToolError, match=r"phase val has .*val\.h5 already"):
        find_annotations([str(tmp_path), str(tmp_path / "val.h5")])


def test_concurrency_stays_within_memory():
    assert within_memory(4, None) == 4
    assert within_memory(4, 2048) == 3
    with pytest.raises(ToolError, match="found 100 MiB, expected at least 640"):
        within_memory(1, 100)


def test_annotations_that_are_missing_are_all_named(tmp_path: Path):
    (tmp_path / "empty").mkdir()
    with pytest.raises(ToolError) as caught:
        find_annotations([str(tmp_path / "empty"), "test=nowhere.h5"])
    assert "expected <phase>.h5" in str(caught.value)
    assert "nowhere.h5: no such file" in str(caught.value)


def test_annotations_of_no_phase_are_named_with_the_phases_there_are(tmp_path: Path):
    (tmp_path / "truth.h5").touch()
    for given in (str(tmp_path), str(tmp_path / "truth.h5"), f"truth={tmp_path / 'truth.h5'}"):
        with pytest.raises(
            ToolError, match=r"truth\.h5: found phase 'truth', expected val or test"
        ):
            find_annotations([given])


@pytest.mark.parametrize(
    ("api", "message"),
    [
        ("eval.ai", "expected an address as https://eval.ai"),
        ("https://[eval.ai", "expected an address as https://eval.ai"),
        ("http://eval.ai", "would send the token unencrypted"),
    ],
)
def test_an_api_that_is_none_or_would_get_the_token_in_clear_is_refused(
    tmp_path, tiny, monkeypatch, api, message
):
    monkeypatch.setenv("AUTH_TOKEN", TOKEN)
    monkeypatch.setattr("nlb_evalai.remote.log.set_up", lambda *args: None)
    options = ["--annotations", tiny.annotations, "--queue", "q", "--state", tmp_path / "state"]
    result = CliRunner().invoke(worker_command, [*map(str, options), "--api", api])
    assert isinstance(result.exception, ToolError)
    assert message in str(result.exception)
    assert not (tmp_path / "state").exists()


def test_a_damaged_record_is_named_with_what_to_do(standin, start, tiny, tmp_path):
    (tmp_path / "state").mkdir()
    (tmp_path / "state" / "ledger.sqlite").write_bytes(b"no database, and long enough" * 100)
    worker = start(standin(), "--once")
    assert worker.wait(20) == 2
    assert "ledger.sqlite: cannot be used as the workers' record" in worker.text
    assert "stop all workers and remove it" in worker.text
    assert "Traceback" not in worker.text


def test_once_gives_up_where_nothing_answers(standin, start, tiny):
    server = standin()
    server.close()
    worker = start(server, "--once")
    assert worker.wait(20) == 2
    assert "error: GET http://127.0.0.1:" in worker.text
    assert "cannot connect" in worker.text


def test_the_record_is_kept_where_the_user_keeps_state(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("NLB_EVALAI_STATE", raising=False)
    kept = default_state()
    if sys.platform == "linux":
        assert kept == tmp_path / "state" / "nlb-evalai" / "worker"
    (option,) = [one for one in worker_command.params if one.name == "state"]
    assert option.get_default(click.Context(worker_command)) == kept
    assert kept.is_absolute()

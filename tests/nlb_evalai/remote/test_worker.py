"""One worker, one situation at a time."""

from __future__ import annotations

import json
import resource
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


def test_a_file_over_the_limit_is_refused_with_both_sizes(standin, start, tiny):
    server = standin()
    pk = server.submit(b"x" * 200_000)
    assert start(server, "--once", "--max-size", "0.1").wait() == 0
    (update,) = server.submissions[pk].updates
    assert update["stderr"] == (
        "the submitted file is too large: found 0.2 MB, expected at most 0.1 MB"
    )


@pytest.mark.skipif(not hasattr(resource, "prlimit"), reason="limits of another process")
def test_a_full_disk_fails_the_submission_and_the_worker_lives(standin, start, tiny):
    server = standin()
    large = server.submit(b"x" * 3_000_000)
    worker = start(server)
    # The kernel refuses to write further, as it does on a full disk.
    no_limit = resource.RLIM_INFINITY
    resource.prlimit(worker.process.pid, resource.RLIMIT_FSIZE, (1_000_000, no_limit))
    until(server.settled, 20, "the refusal")
    resource.prlimit(worker.process.pid, resource.RLIMIT_FSIZE, (no_limit, no_limit))
    small = server.submit(tiny.files["mean"])
    until(server.settled, 20, "the next one")
    assert server.statuses() == {large: "failed", small: "finished"}
    assert worker.stop() == 0
    (update,) = server.submissions[large].updates
    assert update["stderr"] == (
        "the server ran out of disk space while it fetched your file; the organizers must "
        "mend it, then please submit again"
    )


def test_a_submission_that_cannot_be_had_fails_after_bounded_tries(standin, start, tiny):
    server = standin(visibility_seconds=0.2)
    pk = server.submit(tiny.files["mean"])
    server.storage_says = (404, {})
    worker = start(server, "--max-tries", "2")
    until(server.settled, 40, "giving up")
    (update,) = server.submissions[pk].updates
    assert update["submission_status"] == "failed"
    assert "could not be scored in 2 tries" in update["stderr"]
    assert worker.stop() == 0


def test_a_failing_network_or_storage_fails_nobody(standin, start, tiny):
    server = standin(visibility_seconds=0.2)
    pk = server.submit(tiny.files["mean"])
    server.submissions[pk].file = None  # the storage's handler breaks: no answer at all
    worker = start(server, "--max-tries", "2")
    until(lambda: len(worker.events("not fetched")) >= 2, 20, "two tries without an answer")
    server.storage_says = (503, {})
    until(lambda: "HTTP 503" in worker.text, 20, "a storage that fails")
    server.storage_says = (302, {"Location": "http://127.0.0.1:9/elsewhere"})
    until(lambda: "127.0.0.1 is at a private address" in worker.text, 20, "a refused redirect")
    assert server.statuses() == {pk: "running"}
    server.storage_says = None
    server.submissions[pk].file = tiny.files["mean"]
    until(server.settled, 20, "a score after all")
    assert server.scores(pk) == tiny.scores["mean"]
    assert server.violations == []
    assert worker.stop() == 0


def test_a_fault_of_the_truth_is_tried_again_before_the_submission_fails(
    standin, start, tiny, tmp_path
):
    bad = tmp_path / "val.h5"
    bad.write_bytes(b"damaged")
    server = standin(visibility_seconds=0.2)
    pk = server.submit(tiny.files["mean"], phase=2)
    worker = start(server, "--annotations", f"test={bad}", "--max-tries", "2")
    until(server.settled, 30, "giving up")
    assert len(worker.events("scoring")) == 2
    assert server.statuses() == {pk: "failed"}
    worker.stop()
    about = [line for line in worker.log if line.get("logger", "").startswith("evaluation_script")]
    assert len(about) == 2  # the scorer's own words come once a try,
    assert all(line.startswith("{") for line in worker.text.splitlines())  # and as JSON


def test_what_a_single_run_leaves_is_named_and_stays_in_the_queue(standin, start, tiny):
    server = standin(visibility_seconds=0.3)
    pk = server.submit(tiny.files["mean"], phase=2)
    fine = server.submit(b"broken")
    worker = start(server, "--once")
    assert worker.wait() == 1
    assert worker.events("no annotations for its phase")
    assert "1 failed, 1 left for want of truth" in worker.said
    assert "left: 1 submission:" in worker.text
    assert f"submission {pk}: no annotations for phase test: give them with --annot" in worker.text
    assert len(server.queue) == 1
    assert server.statuses() == {pk: "submitted", fine: "failed"}


def test_every_status_is_known(standin, start):
    events = {
        "archived": "already archived",
        "queued": "scored",
        "resuming": "scored",
        "partially_evaluated": "running elsewhere",
        "submitting": "still uploaded",
        "dreaming": "of unknown status",
    }
    server = standin()
    numbers = {}
    for status in events:
        numbers[status] = server.submit(b"broken")
        server.submissions[numbers[status]].status = status
    worker = start(server, "--once")
    assert worker.wait() == 1
    for status, event in events.items():
        assert numbers[status] in [line["submission"] for line in worker.events(event)]
    waiting = {message.body["submission_pk"] for message in server.queue}
    left = ("partially_evaluated", "submitting", "dreaming")
    assert waiting == {numbers[status] for status in left}
    assert "left: 2 submissions:" in worker.text
    assert f"submission {numbers['dreaming']}: its status is dreaming" in worker.text
    assert server.violations == []


PAUSE = {"error": "Submissions are currently paused for this challenge. Please try again later."}


def test_a_pause_is_waited_out_and_said(standin, start, tiny):
    server = standin(visibility_seconds=0.2)
    pk = server.submit(b"broken")
    server.answer_next("GET", 406, PAUSE)  # the very first request
    server.answer_next("PATCH", 406, PAUSE)
    worker = start(server)
    until(server.settled, 20, "the end of the pause")
    assert worker.stop() == 0
    (line,) = worker.events("paused")
    assert "paused for this challenge" in line["trouble"]
    assert "paused for this challenge" in worker.events("left for later")[0]["trouble"]
    assert server.statuses() == {pk: "failed"}
    assert len(server.submissions[pk].updates) == 1


def test_a_crash_between_scoring_and_sending_does_not_score_again(standin, start, tiny, tmp_path):
    server = standin(visibility_seconds=0.5)
    pk = server.submit(tiny.files["mean"])
    for _ in range(40):
        server.answer_next("PUT", 500, {})
    worker = start(server, "--lease", "1")
    until(lambda: len(server.scripted) < 36, 30, "attempts to send")
    worker.process.kill()
    worker.wait()
    server.scripted.clear()
    other = start(server)
    until(server.settled, 30, "delivery")
    assert other.events("scored") == []
    assert server.scores(pk) == tiny.scores["mean"]
    other.stop()


def test_a_final_update_whose_answer_was_lost_is_not_sent_twice(standin, start, tiny):
    server = standin()
    pk = server.submit(tiny.files["mean"])
    put = server._put

    def arrives_but_the_answer_is_500(content):
        put(content)
        return 500, {}

    server._put = arrives_but_the_answer_is_500
    assert start(server, "--once").wait() == 0
    assert [method for method, _ in server.requests].count("PUT") == 1
    assert server.statuses() == {pk: "finished"}
    assert server.queue == []


LOOK = "/api/jobs/submission/"


def test_no_odd_answer_on_the_way_loses_a_score_or_scores_again(standin, start, tiny):
    server = standin(visibility_seconds=0.2)
    pk = server.submit(tiny.files["mean"])
    patch = server._patch

    def mark_running_then_refuse_the_next_look(content):
        server.answer_next("GET", 403, {"detail": "not now"}, LOOK)
        return patch(content)

    server._patch = mark_running_then_refuse_the_next_look
    server.answer_next("PUT", 403, {"detail": "not you"})
    server.answer_next("PUT", 200, b"<h1>down for maintenance</h1>")
    worker = start(server, "--takeover", "0.2")
    until(server.settled, 20, "delivery")
    assert worker.stop() == 0
    assert server.violations == []
    troubles = [line["trouble"] for line in worker.events("left for later")]
    assert "not now" in troubles[0]
    assert "not you" in troubles[1]
    assert len(worker.events("scored")) == 1
    assert server.scores(pk) == tiny.scores["mean"]


def test_a_message_is_deleted_on_404_only_if_evalai_says_twice_that_nothing_is_there(
    standin, start, tiny
):
    server = standin(visibility_seconds=0.2)
    pk = server.submit(tiny.files["mean"])
    gone = f"Submission {pk} does not exist"
    for answer in ({"detail": "Not found."}, b"<h1>404</h1>", {"error": gone}):
        server.answer_next("GET", 404, answer, LOOK)
    worker = start(server)
    until(server.settled, 20, "delivery")
    assert server.violations == []
    assert server.scores(pk) == tiny.scores["mean"]
    assert not worker.events("no such submission")
    server.enqueue(pk)
    del server.submissions[pk]
    until(lambda: not server.queue, 20, "deletion")
    assert worker.stop() == 0
    assert worker.events("no such submission")


def test_only_a_refusal_of_what_was_sent_may_fail_a_submission():
    found = {s: UpdateRefused("PUT", s, "").of_the_result for s in (302, 400, 401, 403, 404, 422)}
    assert [status for status, of_the_result in found.items() if of_the_result] == [400, 422]


def test_a_fault_of_the_answer_is_named_with_its_address(standin, start, tiny):
    server = standin()
    server.answer_next("GET", 200, {"body": {"submission_pk": None}, "receipt_handle": "r"})
    worker = start(server)
    until(lambda: bool(worker.events("no word from the queue")), 20, "the complaint")
    (line,) = worker.events("no word from the queue")
    assert "/api/jobs/challenge/queues/nlb-queue-7/" in line["trouble"]
    assert "submission_pk is null, expected a number" in line["trouble"]
    worker.stop()


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
    until(lambda: len(server.requests) >= 21, 30, "requests")
    before = len(server.requests)
    time.sleep(3)
    # After the burst of 20 there are 40 a minute.
    assert 1 <= len(server.requests) - before <= 3
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

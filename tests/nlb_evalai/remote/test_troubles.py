"""Whatever fails on the way: no score is lost, none is made twice, and nobody fails for it."""

from __future__ import annotations

import resource

import pytest

from nlb_evalai.remote.errors import UpdateRefused
from tests.nlb_evalai.remote.conftest import until


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

"""Whatever is lost or refused on the way: one submission, one message, the same bytes."""

from __future__ import annotations

import stat
from dataclasses import replace
from pathlib import Path

import pytest

from nlb_evalai.errors import ToolError
from nlb_evalai.submission.submit.answers import Answers
from tests.nlb_evalai.submission.submit.conftest import ANSWERS, Machine, check_one
from tests.nlb_evalai.submission.submit.evalai import (
    ANSWERS as SAMPLES,
)
from tests.nlb_evalai.submission.submit.evalai import (
    TOKEN,
    EvalAI,
    Fault,
    answers,
    called,
    cut,
    lost,
)


def test_a_file_arrives_with_all_that_was_said_of_it(
    evalai: EvalAI, machine: Machine, file: Path
) -> None:
    assert machine.submit(file).status == "finished"
    check_one(evalai, file)
    (entry,) = evalai.alive
    asked = evalai.phase["submission_meta_attributes"]
    values = ["True", "False", "clear = ü"]
    assert entry.content == {
        "file_name": "submission.h5",
        "status": "submitting",
        "num_file_chunks": 5,
        "method_name": "Smooth ü",
        "method_description": "kernel\nregression",
        "project_url": "https://p.example",
        "submission_metadata": [{**one, "value": value} for one, value in zip(asked, values)],
    }
    assert [evalai.count(step) for step in ("presign", "put", "finish", "send")] == [1, 5, 1, 1]
    assert machine.progress == sorted(machine.progress)
    assert (machine.progress[0], machine.progress[-1]) == (0, 4_500)
    assert machine.said[:2] == [
        "submissions left in phase test: 5 today, 19 this month, 199 in all",
        "submission 11 was made (public)",
    ]


def test_the_token_goes_to_the_api_alone_and_is_kept_nowhere(
    evalai: EvalAI, machine: Machine, file: Path
) -> None:
    machine.interrupt_at(2500)
    with pytest.raises(KeyboardInterrupt):
        machine.submit(file)
    kept = list(machine.store.folder.iterdir())
    assert {path.suffix for path in kept} == {".json", ".lock"}
    (record,) = (path for path in kept if path.suffix == ".json")
    assert stat.S_IMODE(record.stat().st_mode) == 0o600
    assert "Signature" in record.read_text()
    machine.submit(file)
    for step, headers in evalai.requests:
        assert ("Authorization" in headers) == (step not in ("put", "file"))
        assert step != "put" or "Content-Type" not in headers
    assert "Signature" not in record.read_text()
    assert all(TOKEN not in path.read_text() for path in kept)
    assert TOKEN not in " ".join(machine.said)


@pytest.mark.parametrize(("public", "word"), [(True, "true"), (False, "false")])
def test_visibility_is_sent_as_a_word(
    evalai: EvalAI, machine: Machine, file: Path, public: bool, word: str
) -> None:
    machine.submit(file, replace(ANSWERS, public=public))
    assert evalai.alive[0].content["is_public"] == word
    assert ("submission 11 was made (public)" in machine.said) == public


STEPS = ("phases", "remaining", "own", "presign", "put", "finish", "file", "status", "send")


def lose_answer(evalai: EvalAI, step: str) -> None:
    """Of a file nothing is changed by reading it: there the request is lost."""
    (evalai.before if step == "file" else evalai.after)(step, lost)


@pytest.mark.parametrize("step", STEPS)
def test_a_lost_answer_is_looked_up(
    evalai: EvalAI, machine: Machine, file: Path, step: str
) -> None:
    lose_answer(evalai, step)
    lose_answer(evalai, step)
    machine.submit(file)
    check_one(evalai, file)


def test_a_lost_answer_of_every_step_is_looked_up(
    evalai: EvalAI, machine: Machine, file: Path
) -> None:
    for step in STEPS:
        lose_answer(evalai, step)
    machine.submit(file)
    check_one(evalai, file)
    assert evalai.faults == []


@pytest.mark.parametrize(
    "fault",
    [lost, answers(500), answers(503), answers(429, {"detail": "throttled"}, Retry_After="0")],
    ids=["lost", "500", "503", "429"],
)
def test_trouble_before_every_step_is_got_over(
    evalai: EvalAI, machine: Machine, file: Path, fault: Fault
) -> None:
    for step in STEPS:
        if step != "send":
            evalai.before(step, fault)
    machine.submit(file)
    check_one(evalai, file)
    assert evalai.faults == []


def test_parts_that_are_cut_are_sent_again(evalai: EvalAI, machine: Machine, file: Path) -> None:
    for _ in range(4):
        evalai.before("put", cut)
    evalai.before("put", answers(400, b"<Error><Code>RequestTimeout</Code></Error>"))
    machine.submit(file)
    check_one(evalai, file)
    assert evalai.count("put") == 5 + 5
    assert sum("tried again" in line for line in machine.said) == 5
    assert "Signature" not in " ".join(machine.said)


def test_storage_that_asks_for_patience_gets_it(
    evalai: EvalAI, machine: Machine, file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    slept = []
    monkeypatch.setattr("nlb_evalai.submission.submit.storage.time.sleep", slept.append)
    evalai.before("put", answers(503, Retry_After="7"))
    evalai.before("put", answers(429, Retry_After="86400"))
    machine.submit(file)
    check_one(evalai, file)
    assert 7 in slept
    assert max(slept) == 60


@pytest.mark.parametrize("fault", [lost, answers(500), answers(504)], ids=["lost", "500", "504"])
def test_a_message_that_may_be_lost_is_never_sent_again_unasked(
    evalai: EvalAI, machine: Machine, file: Path, fault: Fault
) -> None:
    evalai.before("send", fault)
    for _ in range(2):
        with pytest.raises(ToolError, match="nobody knows whether its message arrived"):
            machine.submit(file)
        assert evalai.alive[0].messages == 0
    machine.submit(file, send_again=True)
    check_one(evalai, file)


def test_a_message_that_may_be_lost_can_be_given_up(
    evalai: EvalAI, machine: Machine, file: Path
) -> None:
    evalai.before("send", lost)
    with pytest.raises(ToolError, match="or --abandon"):
        machine.submit(file)
    assert machine.abandon(file) == [11]
    assert evalai.alive == []
    assert machine.uploads == []


def test_send_again_sends_nothing_where_the_message_arrived(
    evalai: EvalAI, machine: Machine, file: Path
) -> None:
    evalai.after("send", lost)
    evalai.works = False
    with pytest.raises(ToolError, match="nobody knows"):
        machine.submit(file)
    evalai.works = True
    evalai.entries[11].status = "running"
    machine.submit(file, send_again=True)
    check_one(evalai, file)


REFUSALS = sorted(
    case
    for case in SAMPLES
    if case.endswith(": presign")
    or case
    in (
        "outsider (no team)", "mail not verified", "month quota", "total quota",
        "concurrency (1 presigned, not sent)", "no token",
    )
)  # fmt: skip


@pytest.mark.parametrize("case", REFUSALS)
def test_a_refusal_is_told_in_evalais_words_and_leaves_nothing(
    evalai: EvalAI, machine: Machine, file: Path, case: str
) -> None:
    status, body = SAMPLES[case]
    evalai.before("presign", answers(status, body))
    with pytest.raises(ToolError) as refused:
        machine.submit(file)
    said = body.get("error") or body["detail"]
    assert f"HTTP {status}: {' '.join(said.split())}" in str(refused.value)
    assert evalai.entries == {}
    assert machine.uploads == []


def test_a_wrong_token_is_told_and_not_shown(machine: Machine, file: Path) -> None:
    with pytest.raises(ToolError, match=r"HTTP 401: Given token not valid.*EvalAI profile") as one:
        machine.submit(file, token="eyJ.wrong.token")
    assert "eyJ.wrong.token" not in str(one.value)


def test_what_a_server_says_is_made_visible_and_never_the_token(
    evalai: EvalAI, machine: Machine, file: Path
) -> None:
    evalai.before("presign", answers(406, {"error": f"\x1b[2J no {TOKEN}\u202e"}))
    with pytest.raises(ToolError) as refused:
        machine.submit(file)
    assert r"\x1b[2J no ***\u202e" in str(refused.value)


def test_a_quota_that_is_used_up_is_told_before_anything_is_made(
    evalai: EvalAI, machine: Machine, file: Path
) -> None:
    evalai.allowed = 0
    with pytest.raises(ToolError, match=r"exhausted today's.*There are more in 5 h 04 min\."):
        machine.submit(file)
    assert evalai.count("presign") == 0


def test_quota_used_up_meanwhile_is_refused_where_it_is_asked_for(
    evalai: EvalAI, machine: Machine, file: Path
) -> None:
    evalai.after("remaining", called(lambda: setattr(evalai, "allowed", 0)))
    with pytest.raises(ToolError, match="The maximum number of submission for today has been"):
        machine.submit(file)
    assert evalai.entries == {}


@pytest.mark.parametrize("step", ["finish", "send"])
def test_a_pause_on_the_way_keeps_the_upload(
    evalai: EvalAI, machine: Machine, file: Path, step: str
) -> None:
    evalai.before(step, answers(*SAMPLES[f"phase paused: {step}"]))
    with pytest.raises(ToolError, match=r"currently paused.*submission 11 waits.*--abandon"):
        machine.submit(file)
    assert evalai.holding == [11]
    machine.submit(file, Answers())
    check_one(evalai, file)
    assert evalai.count("put") == 5

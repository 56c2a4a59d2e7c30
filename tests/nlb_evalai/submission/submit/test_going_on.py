"""An upload that was interrupted, expired or given up goes on, begins anew, or holds no place."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import pytest

from nlb_evalai.errors import ToolError
from nlb_evalai.submission.submit import state
from nlb_evalai.submission.submit.answers import Answers
from tests.nlb_evalai.submission.submit.conftest import ANSWERS, Machine, check_one
from tests.nlb_evalai.submission.submit.evalai import (
    ANSWERS as SAMPLES,
)
from tests.nlb_evalai.submission.submit.evalai import (
    PLACEHOLDER,
    EvalAI,
    answers,
    called,
    lost,
    sample,
)
from tests.paths import ROOT


def test_after_an_interruption_only_what_is_missing_is_uploaded(
    evalai: EvalAI, machine: Machine, file: Path
) -> None:
    for n_bytes in (0, 1000, 2300, 4_500):
        machine.interrupt_at(n_bytes)
        with pytest.raises(KeyboardInterrupt):
            machine.submit(file)
    machine.submit(file)
    check_one(evalai, file)
    assert evalai.count("presign") == 1
    assert evalai.count("put") <= 5 + 4
    goes_on = [line.partition(": ")[2] for line in machine.said if "goes on" in line]
    assert goes_on[-1] in ("0 parts of 5 to upload", "1 part of 5 to upload")
    assert len(goes_on) == 4


CHILD = """
import sys
from pathlib import Path
from tests.nlb_evalai.submission.submit.conftest import Machine
from types import SimpleNamespace
Machine(SimpleNamespace(api=sys.argv[1]), Path(sys.argv[2])).submit(Path(sys.argv[3]))
"""


@pytest.mark.parametrize("step", ["presign", "put", "finish", "send"])
def test_after_a_crash_it_goes_on(evalai: EvalAI, machine: Machine, file: Path, step: str) -> None:
    """The process is killed when the step was done, and before it hears of it."""
    evalai.works = False
    command = [sys.executable, "-c", CHILD, evalai.api, str(machine.folder), str(file)]
    child = subprocess.Popen(command, cwd=ROOT)
    for _ in range(3 if step == "put" else 0):
        evalai.after(step, called(lambda: None))

    def kill() -> None:
        child.send_signal(signal.SIGKILL)
        child.wait()

    evalai.after(step, called(kill))
    assert child.wait(30) == -signal.SIGKILL
    evalai.works = True
    if step == "send":
        evalai.entries[11].status = "running"
    machine.submit(file)
    check_one(evalai, file)
    assert len(evalai.entries) == (2 if step == "presign" else 1)
    assert evalai.count("put") == (6 if step == "put" else 5)


def test_addresses_that_expire_end_the_upload_and_free_its_place(
    evalai: EvalAI, machine: Machine, file: Path
) -> None:
    evalai.after("put", called(lambda: setattr(evalai.entries[11], "expires", 0)))
    with pytest.raises(ToolError, match=r"part 2 of 5: .*its address has expired.*given up"):
        machine.submit(file)
    assert "submission 11 was cancelled: it takes no quota and no place" in machine.said
    assert evalai.alive == []
    machine.submit(file)
    check_one(evalai, file)


def test_parts_are_tried_until_the_addresses_expire(
    evalai: EvalAI, machine: Machine, file: Path
) -> None:
    for _ in range(500):
        evalai.before("put", answers(503))
    started = time.monotonic()
    with pytest.raises(ToolError, match="the addresses of the parts have expired"):
        machine.submit(file, address_seconds=0.2)
    assert time.monotonic() - started >= 0.15
    assert evalai.alive == []


def expire(machine: Machine) -> None:
    for upload in machine.uploads:
        upload.expires = time.time() - 1
        machine.store.save(upload)


def test_an_upload_whose_addresses_expired_meanwhile_begins_anew(
    evalai: EvalAI, machine: Machine, file: Path
) -> None:
    machine.interrupt_at(3000)
    with pytest.raises(KeyboardInterrupt):
        machine.submit(file)
    expire(machine)
    machine.submit(file)
    check_one(evalai, file)
    assert evalai.entries[11].status == "cancelled"


def test_with_all_parts_there_expired_addresses_do_no_harm(
    evalai: EvalAI, machine: Machine, file: Path
) -> None:
    evalai.before("finish", answers(*SAMPLES["phase paused: finish"]))
    with pytest.raises(ToolError):
        machine.submit(file)
    expire(machine)
    machine.submit(file)
    check_one(evalai, file)
    assert len(evalai.entries) == 1


@pytest.mark.parametrize(
    "spoil",
    [
        lambda evalai: setattr(evalai, "min_part_bytes", 5 << 20),
        lambda evalai: evalai.after(
            "put", called(lambda: evalai.entries[11].parts.update({1: b"other bytes"}))
        ),
        lambda evalai: setattr(evalai, "truncates", True),
        lambda evalai: evalai.before("put", answers(404, b"<Code>NoSuchUpload</Code>")),
        lambda evalai: evalai.before("put", answers(307, Location="http://elsewhere.example")),
    ],
    ids=["small parts", "wrong ETag", "truncated", "no such upload", "redirect"],
)
def test_what_storage_refuses_is_given_up_and_never_sent(
    evalai: EvalAI, machine: Machine, file: Path, spoil: object
) -> None:
    spoil(evalai)  # type: ignore[operator]
    with pytest.raises(ToolError, match="submission 11 was given up"):
        machine.submit(file)
    assert evalai.count("send") == 0
    assert evalai.alive == []
    assert machine.uploads == []


def test_a_file_that_changes_while_it_is_uploaded_is_not_sent(
    evalai: EvalAI, machine: Machine, file: Path
) -> None:
    evalai.after("put", called(lambda: file.write_bytes(b"x" * 4_500)))
    with pytest.raises(ToolError, match=r"mine\.h5: changed while it was uploaded"):
        machine.submit(file)
    evalai.after("put", called(lambda: file.write_bytes(b"x")))
    with pytest.raises(ToolError, match="the file became shorter"):
        machine.submit(file)
    assert evalai.count("send") == 0
    assert evalai.holding == [12]
    machine.abandon()
    assert evalai.holding == []


def test_an_upload_goes_on_with_what_was_said_of_it_when_it_began(
    evalai: EvalAI, machine: Machine, file: Path
) -> None:
    evalai.phase["submission_meta_attributes"][0]["required"] = True
    machine.interrupt_at(3000)
    with pytest.raises(KeyboardInterrupt):
        machine.submit(file)
    with pytest.raises(ToolError, match="begun with another method"):
        machine.submit(file, replace(ANSWERS, method="Rough"))
    machine.submit(file, Answers())
    check_one(evalai, file)


@pytest.mark.parametrize("which", ["this file's", "all"])
def test_abandon_frees_the_place(evalai: EvalAI, machine: Machine, file: Path, which: str) -> None:
    assert machine.abandon() == []
    machine.interrupt_at(3000)
    with pytest.raises(KeyboardInterrupt):
        machine.submit(file)
    other = file.with_name("other.h5")
    other.write_bytes(b"x" * 2000)
    assert machine.abandon(other) == []
    assert evalai.holding == [11]
    assert machine.abandon(file if which == "this file's" else None) == [11]
    assert evalai.alive == []
    assert machine.abandon() == []


def test_what_cannot_be_cancelled_is_told_and_kept(
    evalai: EvalAI, machine: Machine, file: Path
) -> None:
    machine.interrupt_at(3000)
    with pytest.raises(KeyboardInterrupt):
        machine.submit(file)
    evalai.before("cancel", answers(403, {"error": "not now"}))
    with pytest.raises(ToolError, match=r"not now; submission 11 could not be cancelled"):
        machine.abandon()
    assert len(machine.uploads) == 1
    evalai.after("cancel", lost)
    assert machine.abandon() == [11]


def test_what_is_being_scored_cannot_be_given_up(
    evalai: EvalAI, machine: Machine, file: Path
) -> None:
    evalai.after("send", lost)
    evalai.works = False
    with pytest.raises(ToolError):
        machine.submit(file)
    evalai.entries[11].status = "running"
    with pytest.raises(ToolError, match="submission 11 is running: it was sent, and cannot"):
        machine.abandon()


def test_other_files_that_are_unfinished_are_told_and_cancelled_once_expired(
    evalai: EvalAI, machine: Machine, file: Path
) -> None:
    other = file.with_name("oth\x1ber.h5")
    other.write_bytes(b"x" * 2000)
    machine.interrupt_at(1000)
    with pytest.raises(KeyboardInterrupt):
        machine.submit(other)
    machine.submit(file)
    assert any("submission 11 (oth\\x1ber.h5) is unfinished" in line for line in machine.said)
    assert evalai.holding == [11]
    expire(machine)
    evalai.before("cancel", answers(403, {"error": "not now"}))
    machine.submit(file, again=True)
    assert "submission 11 could not be cancelled" in " ".join(machine.said)
    machine.submit(file, again=True)
    assert evalai.holding == []
    assert [one.pk for one in evalai.alive] == [12, 13, 14]


def test_a_file_is_not_submitted_twice_unless_asked(
    evalai: EvalAI, machine: Machine, file: Path
) -> None:
    machine.submit(file)
    machine.submit(file)
    check_one(evalai, file)
    assert "this file was sent before, as submission 11" in " ".join(machine.said)
    machine.submit(file, again=True)
    assert [one.messages for one in evalai.alive] == [1, 1]


@pytest.mark.parametrize("how", ["cancelled there", "deleted there"])
def test_an_upload_that_somebody_ended_on_evalai_begins_anew(
    evalai: EvalAI, machine: Machine, file: Path, how: str
) -> None:
    machine.interrupt_at(3000)
    with pytest.raises(KeyboardInterrupt):
        machine.submit(file)
    if how == "cancelled there":
        evalai.entries[11].status = "cancelled"
    else:
        del evalai.entries[11]
    machine.submit(file)
    check_one(evalai, file)


def test_a_lost_answer_never_costs_a_team_mate_a_submission(
    evalai: EvalAI, machine: Machine, file: Path
) -> None:
    def team_mates() -> None:
        for content, stored in (({"method_name": "theirs"}, PLACEHOLDER), ({}, b"a file")):
            evalai.presign({**content, "file_name": "a.h5", "status": "submitting"})
            evalai.entries[evalai.next_pk - 1].file = stored

    evalai.before("presign", called(team_mates))
    evalai.after("presign", lost)
    machine.submit(file)
    assert [evalai.entries[pk].status for pk in (11, 12, 13)] == [
        "submitted",
        "submitted",
        "cancelled",
    ]
    assert evalai.entries[14].messages == 1


def test_two_processes_do_not_submit_the_same_file(machine: Machine, file: Path) -> None:
    machine.interrupt_at(3000)
    with pytest.raises(KeyboardInterrupt):
        machine.submit(file)
    (upload,) = machine.uploads
    with machine.store.held(machine.store.key_of(upload)):
        with pytest.raises(ToolError, match="being submitted by another process"):
            machine.submit(file)
        with pytest.raises(ToolError, match="being submitted by another process"):
            machine.abandon()


@pytest.mark.parametrize("content", ["", "{}", "[]", '{"format": 2}', '{"format": 1, "etags": {}}'])
def test_a_record_that_is_none_is_named(machine: Machine, file: Path, content: str) -> None:
    machine.interrupt_at(3000)
    with pytest.raises(KeyboardInterrupt):
        machine.submit(file)
    (record,) = machine.store.folder.glob("*.json")
    record.write_text(content)
    with pytest.raises(ToolError, match=f"{record.name}: is no record of an upload"):
        machine.submit(file)


def test_a_failed_submission_is_told_with_its_status(
    evalai: EvalAI, machine: Machine, file: Path
) -> None:
    evalai.end = "failed"
    assert machine.submit(file).status == "failed"
    statuses = [line for line in machine.said if line.startswith("submission 11 is")]
    assert statuses == [f"submission 11 is {one}" for one in ("submitted", "running", "failed")]
    assert machine.uploads[0].stage == state.TOLD


@pytest.mark.parametrize(
    "body",
    [b"<html>", [], {}, {"presigned_urls": [], "upload_id": "u", "submission_pk": 11},
     {"presigned_urls": [{"partNumber": n, "url": 5} for n in range(1, 6)], "upload_id": "u"}],
)  # fmt: skip
def test_an_answer_that_is_none_counts_as_lost(
    evalai: EvalAI, machine: Machine, file: Path, body: object
) -> None:
    evalai.after("presign", answers(201, body))
    machine.submit(file)
    check_one(evalai, file)
    assert evalai.entries[11].status == "cancelled"


def test_the_stand_in_answers_as_the_samples_do(
    evalai: EvalAI, machine: Machine, file: Path
) -> None:
    machine.submit(file)
    made = evalai.presign({"file_name": "a.h5", "status": "submitting", "num_file_chunks": 2})
    presigned = sample("presigned")
    assert made[1].keys() == presigned.keys()
    assert [one.keys() for one in made[1]["presigned_urls"]] == [
        one.keys() for one in presigned["presigned_urls"]
    ]
    (row,) = sample("own_submissions_test")["results"]
    assert evalai.own(None)[1]["results"][0].keys() == row.keys()
    kinds = [type(one["value"]) for one in row["submission_metadata"] if one["value"] is not None]
    assert set(kinds) == {str}
    assert json.dumps(evalai.remaining(None)[1]["phases"][0]) == json.dumps(
        sample("remaining_submissions")["phases"][0]
    )

"""What everyone may see of a receipt: shown numbers, and it can still be checked."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any, Dict

import jsonschema
import pytest
from click.testing import CliRunner

from evaluation_script.scorecard import Scorecard
from evaluation_script.scoring import score
from evaluation_script.suites import DEFAULT_SUITE
from evaluation_script.suites.suite import PublishedTruth
from nlb_evalai.cli.receipt import receipt_group
from nlb_evalai.errors import ToolError
from nlb_evalai.submission import receipts
from nlb_evalai.submission.evaluate import _compared, write_receipt
from nlb_evalai.submission.receipts import parse_receipt, phase_of, public_receipt
from tests.paths import GOLDEN

TRUTH, SUBMISSION = GOLDEN / "target_test.h5", GOLDEN / "submission_test_b.h5"
LAYOUT = json.loads(Path(receipts.__file__).with_name("public-receipt-1.json").read_text())


@pytest.fixture(scope="module")
def card() -> Scorecard:
    return score(TRUTH, SUBMISSION, "test")


def numbers(receipt: Dict[str, Any]) -> list[float]:
    return [
        number
        for group in receipt["groups"].values()
        for one in group["scores"].values()
        for number in one.values()
        if number is not None
    ]


def test_of_hidden_truth_shown_numbers_are_left_and_nothing_of_the_host(card: Scorecard) -> None:
    phase = phase_of(card.receipt, DEFAULT_SUITE)
    assert phase.score_decimals == 4
    made = public_receipt(card.receipt, phase)
    jsonschema.Draft202012Validator(LAYOUT).validate(json.loads(json.dumps(made)))
    assert all(one == round(one, 4) and one >= -1 for one in numbers(made))
    assert numbers(card.receipt) != numbers(made)
    assert not {"platform", "seconds", "peak_memory_mib"} & {*made, *made["versions"]}
    assert public_receipt(made, phase) == made


def test_of_known_public_truth_every_digit_is_left(card: Scorecard) -> None:
    sha256 = card.receipt["files"]["ground_truth"]["sha256"]
    known = PublishedTruth("t.h5", "test", sha256, 1, "2024", "https://example.org")
    suite = replace(DEFAULT_SUITE, published_truth=(known,))
    made = public_receipt(card.receipt, phase_of(card.receipt, suite))
    assert numbers(made) == numbers(card.receipt)


def test_it_is_written_shown_and_checked_and_an_edited_one_is_not(
    card: Scorecard, tmp_path: Path
) -> None:
    full, made = tmp_path / "full.json", tmp_path / "public.json"
    write_receipt(card, full)
    runner = CliRunner()
    done = runner.invoke(receipt_group, ["public", str(full), "--out", str(made)])
    assert done.exit_code == 0, done.output
    assert done.output == f"{made}: written, scores with 4 decimals\n"
    assert "truth: hidden" in runner.invoke(receipt_group, ["show", str(made)]).output
    files = ["--submission", str(SUBMISSION), "--annotations", str(TRUTH)]
    done = runner.invoke(receipt_group, ["verify", str(made), *files])
    assert done.exit_code == 0, done.output
    edited = json.loads(made.read_text())
    group = next(iter(edited["groups"]))
    edited["groups"][group]["scores"]["co-bps"]["value"] += 1e-4
    verdict = _compared(edited, card.receipt, card.phase)
    (difference,) = verdict.differences
    assert difference.startswith(f"{group}: score of co-bps: the receipt says ")
    assert runner.invoke(receipt_group, ["public", str(full), "--out", str(full)]).exit_code != 0


def test_what_is_no_receipt_is_said_in_bounded_time() -> None:
    _, (fault,) = parse_receipt(b"[" * 200_000)
    assert fault == "is no JSON: it nests too deep"
    _, (fault,) = parse_receipt(b" " * 300_000)
    assert fault == "is no receipt: found more than 256 KiB"
    assert parse_receipt(b"[NaN]")[1] == ["is no JSON: NaN is no number"]
    assert parse_receipt(b"\xff")[1][0].startswith("is no JSON: ")
    _, faults = parse_receipt(json.dumps({"schema": receipts.PUBLIC_SCHEMA}).encode())
    assert len(faults) == 7
    _, faults = parse_receipt(json.dumps(["x" * 100_000]).encode())
    assert all(len(one) < 400 for one in faults)


def test_a_receipt_of_another_suite_or_phase_has_no_phase(card: Scorecard) -> None:
    with pytest.raises(ToolError, match="suite: found other, expected nlb21"):
        phase_of({**card.receipt, "suite": "other"}, DEFAULT_SUITE)
    with pytest.raises(ToolError, match="phase: found final, expected val or test"):
        phase_of({**card.receipt, "phase": "final"}, DEFAULT_SUITE)

"""Who holds what, among several workers of one host."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from nlb_evalai.remote.errors import LeaseLost
from nlb_evalai.remote.ledger import Ledger


def test_only_one_holder_at_a_time_and_the_newest_receipt_is_kept(tmp_path: Path):
    one, two = Ledger(tmp_path, 60), Ledger(tmp_path, 60)
    assert one.claim(7, "a", "first") is not None
    assert two.claim(7, "b", "second") is None
    assert one.receipt(7) == "second"
    one.release(7, "a")
    assert two.claim(7, "b", "third") is not None
    one.close()
    two.close()


def test_a_lease_runs_out_and_its_holder_is_told(tmp_path: Path):
    ledger = Ledger(tmp_path, 0.05)
    ledger.claim(7, "a", "r")
    ledger.begin_try(7, "a")
    time.sleep(0.1)
    record = ledger.claim(7, "b", "r")
    assert record is not None
    assert (record.tries, record.ours) == (1, True)
    with pytest.raises(LeaseLost):
        ledger.renew(7, "a")
    ledger.release(7, "a")  # without effect
    ledger.forget(7, "a")
    ledger.renew(7, "b")
    ledger.close()


def test_a_try_that_was_handed_back_does_not_count(tmp_path: Path):
    ledger = Ledger(tmp_path, 60)
    ledger.claim(7, "a", "r")
    ledger.begin_try(7, "a")
    ledger.release(7, "a", refund=True)
    record = ledger.claim(7, "a", "r")
    assert record is not None
    assert record.tries == 0
    ledger.close()


def test_a_submission_can_be_put_to_rest_with_its_outcome(tmp_path: Path):
    ledger = Ledger(tmp_path, 60)
    ledger.claim(7, "a", "r")
    ledger.keep_outcome(7, "a", {"stdout": "x"})
    ledger.release(7, "a", rest_seconds=0.1)
    assert ledger.claim(7, "b", "r") is None
    time.sleep(0.15)
    record = ledger.claim(7, "b", "r")
    assert record is not None
    assert record.outcome == {"stdout": "x"}
    ledger.close()


def test_turns_of_all_workers_together_stay_under_the_limit(tmp_path: Path):
    one, two = Ledger(tmp_path, 60), Ledger(tmp_path, 60)
    waits = [ledger.turn(60) for _ in range(35) for ledger in (one, two)]
    assert waits[:20] == [0.0] * 20
    # Each turn's moment, as if all had come at once: none of them is the 61st of a minute.
    for i in range(len(waits) - 60):
        assert waits[i + 60] - waits[i] >= 59
    one.close()
    two.close()

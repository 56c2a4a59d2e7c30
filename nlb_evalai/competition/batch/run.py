"""Score many submissions into a store: what is there already is skipped, nothing stops a batch."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Callable, Iterable, Iterator, List, Optional, Sequence

from evaluation_script.annotation import Annotation
from evaluation_script.reader.process import Limits
from evaluation_script.suites import Suite
from nlb_evalai.competition.batch.task import (
    FAILED,
    KNOWN,
    NO_ROOM,
    REFUSED,
    SCORED,
    Outcome,
    Source,
    Task,
)
from nlb_evalai.competition.store import Store
from nlb_evalai.errors import ToolError
from nlb_evalai.web.fetch import MAX_BYTES

#: run(tasks) -> outcomes, in whatever order they come
Runner = Callable[[Iterable[Task]], Iterator[Outcome]]


class BatchError(ToolError):
    """A batch cannot go on here; what is scored is kept."""


@dataclass
class Tally:
    """What a batch came to; ``refused`` of the failed and skipped cannot be had."""

    scored: int = 0
    failed: int = 0
    skipped: int = 0
    refused: int = 0

    def count(self, outcome: Outcome) -> None:
        """Take one more outcome."""
        if outcome.status == SCORED:
            self.scored += 1
        elif outcome.status == FAILED:
            self.failed += 1
        else:
            self.skipped += 1
        self.refused += outcome.kind == REFUSED


def run_batch(
    store: Store,
    sources: Sequence[Source],
    annotations: Path,
    phase: str,
    runner: Runner,
    *,
    suite: Optional[Suite] = None,
    limits: Optional[Limits] = None,
    retry: bool = False,
    on_outcome: Callable[[Outcome], None] = lambda outcome: None,
) -> Tally:
    """Score every source that the store does not hold under the same hashes and rules.

    ``suite`` must be that of the truth; left out, the truth says it. ``retry`` asks again for what
    was refused, which else is skipped as long as its address is the same.

    Raises
    ------
    AnnotationError
        If the ground truth cannot be used at all.
    BatchError
        If there is no room for a submission while it is scored; what was scored before is kept.
    StoreError
        If the store cannot be written any more.
    """
    with Annotation(annotations, phase, suite) as truth:
        truth_sha256, suite = str(truth.facts()["sha256"]), truth.suite
    rules = suite.rules_version
    at_hand = store.lasting(phase, truth_sha256, rules)
    refused = {} if retry else store.refused(phase, truth_sha256, rules)
    tally = Tally()

    def take(outcome: Outcome) -> None:
        name = outcome.source.name
        if outcome.kind == NO_ROOM:
            raise BatchError(
                f"{outcome.error}; what is scored is kept: make room (up to "
                f"{MAX_BYTES / 1e9:.0f} GB for each worker), then run the same command again"
            )
        if outcome.status == KNOWN:
            store.keep_current(name, phase, outcome.sha256, truth_sha256, rules)
        else:
            store.add(outcome, phase, truth_sha256, rules)
        tally.count(outcome)
        on_outcome(outcome)

    tasks: List[Task] = []
    for source in sources:
        known = at_hand.get(source.name, frozenset())
        same = [sha256 for sha256, version in known if version and version == source.version]
        if same:
            take(Outcome(source, KNOWN, same[0]))
            continue
        if refused.get(source.name) == source.fingerprint:
            take(Outcome(source, KNOWN, kind=REFUSED))
            continue
        hashes = frozenset(sha256 for sha256, _ in known)
        where = str(Path(annotations).resolve())
        tasks.append(Task(source, where, phase, suite, hashes, limits, store.work))
    outcomes = iter(runner(tasks) if tasks else ())
    try:
        for outcome in outcomes:
            take(_of_this_batch(outcome, truth_sha256, rules))
    finally:
        # whatever happened, no worker is left that could still write to the work folder
        close = getattr(outcomes, "close", None)
        if close is not None:
            close()
    return tally


def _of_this_batch(outcome: Outcome, truth_sha256: str, rules_version: str) -> Outcome:
    """The outcome, or a failure if a worker had another truth or other rules."""
    if outcome.card is None:
        return outcome
    receipt = outcome.card.receipt
    for what, found, expected in (
        ("ground truth", receipt["files"]["ground_truth"]["sha256"], truth_sha256),
        ("rules version", receipt["rules_version"], rules_version),
    ):
        if found != expected:
            error = f"{what} of the worker: found {found}, expected {expected}"
            return replace(outcome, status=FAILED, card=None, kind="internal", error=error)
    return outcome

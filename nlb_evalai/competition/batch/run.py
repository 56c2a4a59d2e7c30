"""Score many submissions into a store: what is there already is skipped, nothing stops a batch."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Callable, Iterable, Iterator, List, Optional, Sequence

from evaluation_script.annotation import Annotation
from evaluation_script.reader.process import Limits
from evaluation_script.suites import Suite
from nlb_evalai.competition.batch.task import FAILED, KNOWN, SCORED, Outcome, Source, Task
from nlb_evalai.competition.store import Store

#: run(tasks) -> outcomes, in whatever order they come
Runner = Callable[[Iterable[Task]], Iterator[Outcome]]


@dataclass
class Tally:
    """What a batch came to."""

    scored: int = 0
    failed: int = 0
    skipped: int = 0

    def count(self, status: str) -> None:
        """Take one more outcome."""
        if status == SCORED:
            self.scored += 1
        elif status == FAILED:
            self.failed += 1
        else:
            self.skipped += 1


def run_batch(
    store: Store,
    sources: Sequence[Source],
    annotations: Path,
    phase: str,
    runner: Runner,
    *,
    suite: Optional[Suite] = None,
    limits: Optional[Limits] = None,
    on_outcome: Callable[[Outcome], None] = lambda outcome: None,
) -> Tally:
    """Score every source that the store does not hold under the same hashes and rules.

    ``suite`` must be that of the truth; left out, the truth says it.

    Raises
    ------
    AnnotationError
        If the ground truth cannot be used at all.
    """
    with Annotation(annotations, phase, suite) as truth:
        truth_sha256, suite = str(truth.facts()["sha256"]), truth.suite
    rules = suite.rules_version
    at_hand = store.lasting(phase, truth_sha256, rules)
    tally = Tally()
    tasks: List[Task] = []
    for source in sources:
        known = at_hand.get(source.name, frozenset())
        same = [sha256 for sha256, version in known if version and version == source.version]
        if same:
            store.keep_current(source.name, phase, same[0], truth_sha256, rules)
            outcome = Outcome(source, KNOWN, same[0])
            tally.count(outcome.status)
            on_outcome(outcome)
            continue
        hashes = frozenset(sha256 for sha256, _ in known)
        where = str(Path(annotations).resolve())
        tasks.append(Task(source, where, phase, suite, hashes, limits))
    for outcome in runner(tasks) if tasks else ():
        outcome = _of_this_batch(outcome, truth_sha256, rules)
        if outcome.status == KNOWN:
            name = outcome.source.name
            store.keep_current(name, phase, outcome.sha256, truth_sha256, rules)
        else:
            store.add(outcome, phase, truth_sha256, rules)
        tally.count(outcome.status)
        on_outcome(outcome)
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

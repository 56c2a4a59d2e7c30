"""What a recording must hold to be a session of a dataset."""

from __future__ import annotations

from typing import List, Set

from evaluation_script.suites import Dataset, Suite
from evaluation_script.suites.session import SessionRules, TrialBehavior

#: the column that says which split a trial belongs to
SPLIT = "split"


def rules_of(dataset: Dataset) -> SessionRules:
    """The rules of a dataset that has some."""
    assert dataset.session is not None, dataset.name
    return dataset.session


def columns(dataset: Dataset, targets: bool) -> Set[str]:
    """Trial columns needed for ground truth (``targets``), or for model inputs only."""
    rules = rules_of(dataset)
    needed = {SPLIT} | rules.train_window.columns
    if not targets:
        return needed
    needed |= rules.eval_window.columns
    if isinstance(dataset.behavior, TrialBehavior):
        needed |= {*dataset.behavior.columns, dataset.behavior.valid_column}
    if rules.jitter is not None:
        needed.add(rules.jitter.column)
    if rules.decode_masks is not None:
        needed.add(rules.decode_masks[0])
    if rules.psth is not None:
        needed |= {*rules.psth.conditions, *rules.psth.window.columns}
        if rules.psth.skip_column is not None:
            needed.add(rules.psth.skip_column)
    return needed


def fitting(suite: Suite, found: Set[str], series: Set[str]) -> List[str]:
    """Datasets whose ground truth needs no other trial columns and time series than these."""
    return [
        dataset.name
        for dataset in suite.datasets
        if dataset.session is not None
        and columns(dataset, targets=True) <= found
        and (dataset.series is None or dataset.series in series)
    ]

"""What a truth file lacks of its suite, where it differs from what was published, who has it."""

from __future__ import annotations

from pathlib import Path
from typing import Container, List, Optional

import h5py

from evaluation_script.files import file_sha256
from evaluation_script.suites import Suite
from evaluation_script.suites.suite import PublishedTruth
from nlb_evalai.truth.verify import check_file


def missing_datasets(found: Container[str], suite: Suite) -> Optional[str]:
    """Which datasets of the suite have no group among those found, and what that means.

    Parameters
    ----------
    found : container of str
        The groups of a truth file, or the file itself.

    Returns
    -------
    str or None
        One sentence; None where nothing is missing.
    """
    missing = [
        dataset
        for dataset in suite.datasets
        if not any(suite.group(dataset, width) in found for width in suite.bin_widths(dataset))
    ]
    if not missing:
        return None
    n_found = len(suite.datasets) - len(missing)
    names = ", ".join(dataset.name for dataset in missing)
    means = [
        f"entries rank as 0 on the {dataset.board} board"
        for dataset in missing
        if suite.ranking(dataset.board)[0] is dataset
        and len(suite.board_datasets(dataset.board)) > 1
    ]
    what = "; ".join([f"{names} missing", *means])
    return f"{n_found} of {len(suite.datasets)} datasets: {what}"


def differences(path: Path, suite: Suite, phase: str) -> List[str]:
    """What a truth file lacks, and every array whose shape is not the published one.

    Raises
    ------
    OSError
        If it cannot be read.
    """
    with h5py.File(path, "r") as file:
        lacking = missing_datasets(file, suite)
        consistent = check_file(file, suite, phase=phase).problems
        published = check_file(file, suite, official=True, phase=phase).problems
    return [*([lacking] if lacking else []), *(one for one in published if one not in consistent)]


def published_as(path: Path, suite: Suite) -> Optional[PublishedTruth]:
    """The known public file that a truth file is, if it is one.

    Raises
    ------
    OSError
        If it cannot be read.
    """
    n_bytes = path.stat().st_size
    alike = [known for known in suite.published_truth if known.n_bytes == n_bytes]
    if not alike:
        return None
    digest = file_sha256(path)
    return next((known for known in alike if known.sha256 == digest), None)

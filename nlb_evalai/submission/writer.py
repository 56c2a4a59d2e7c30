"""Submissions are written here in the layout that reads fastest, and checked meanwhile.

Nothing is scored, so nothing heavy is imported: numpy and h5py are all that it takes.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, ContextManager, List, Mapping, Optional, Sequence, Tuple, Type, Union, cast

import h5py
import numpy as np

from evaluation_script.arrays import PARTS, RATE_ARRAYS
from evaluation_script.errors import SubmissionError
from evaluation_script.reader.process import ReaderProcess
from evaluation_script.submission.audit import ValueAudit
from evaluation_script.submission.layout import Layout, published_layouts
from evaluation_script.submission.plan import Block
from evaluation_script.submission.structure import inspect
from evaluation_script.suites import DEFAULT_SUITE, Suite
from evaluation_script.text import did_you_mean
from nlb_evalai.errors import ProblemsError, ToolError
from nlb_evalai.hdf5 import TrialWriter, written_whole
from nlb_evalai.submission.blocks import Rates, Source, trials_per_chunk


class Writer:
    """A new submission, which takes its name only if all that was added is fit to be scored.

    Parameters
    ----------
    path : str or Path
        The file to write; what is there is replaced at the end, whole or not at all.
    phase : str
        The phase it is meant for, as ``test``: its trials and its rules are expected.
    suite : Suite, optional
        The benchmark, with its datasets, bin widths and published shapes.

    Attributes
    ----------
    notes : list of str
        What looks odd but is scored, in the server's words.

    Raises
    ------
    ToolError
        If there is no such phase, or the folder cannot be written to.
    ProblemsError
        At the end of the block, if nothing was added.

    Examples
    --------
    >>> import tempfile, numpy as np
    >>> rates = lambda *shape: np.full(shape, 0.1, np.float32)
    >>> path = tempfile.mkdtemp() + "/submission.h5"
    >>> with Writer(path, phase="val") as writer:
    ...     writer.add(
    ...         "mc_maze_small",
    ...         bin_width_ms=20,
    ...         train_heldin=rates(75, 35, 107),
    ...         train_heldout=rates(75, 35, 35),
    ...         eval_heldin=rates(25, 35, 107),
    ...         eval_heldout=(rates(5, 35, 35) for _ in range(5)),  # in blocks of trials
    ...     )
    """

    def __init__(self, path: Union[str, Path], *, phase: str, suite: Suite = DEFAULT_SUITE) -> None:
        names = [one.codename for one in suite.phases]
        if phase not in names:
            hint = did_you_mean(phase, names)
            raise ToolError(f"phase: found {phase!r}, expected {' or '.join(names)}{hint}")
        self.notes: List[str] = []
        self._path = Path(path)
        self._suite = suite
        self._phase = suite.phase(phase)
        self._layouts = published_layouts(suite, phase)
        self._whole: Optional[ContextManager[h5py.File]] = None
        self._file: Optional[h5py.File] = None

    def __enter__(self) -> Writer:
        self._whole = written_whole(self._path)
        self._file = self._whole.__enter__()
        return self

    def __exit__(
        self,
        kind: Optional[Type[BaseException]],
        error: Optional[BaseException],
        trace: Optional[TracebackType],
    ) -> None:
        assert self._whole is not None
        groups = list(self._file or ())
        self._file = None
        if kind is None and not groups:
            error = self._refused(self._structure([])[0])
            self._whole.__exit__(type(error), error, None)
            raise error
        self._whole.__exit__(kind, error, trace)

    def add(
        self,
        dataset: str,
        *,
        bin_width_ms: int,
        train_heldin: Optional[Rates] = None,
        train_heldout: Optional[Rates] = None,
        eval_heldin: Optional[Rates] = None,
        eval_heldout: Optional[Rates] = None,
        eval_heldin_forward: Optional[Rates] = None,
        eval_heldout_forward: Optional[Rates] = None,
    ) -> None:
        """Write the rates of one dataset at one bin width.

        Parameters
        ----------
        dataset : str
            As ``mc_maze``, without a bin width at its end.
        bin_width_ms : int
        train_heldin, train_heldout, eval_heldin, eval_heldout, eval_heldin_forward, \
eval_heldout_forward : array or iterable of arrays (trials, bins, neurons), optional
            Rates in spikes per bin, 0 or more, of any real number type; float32 is written. An
            iterable gives blocks of trials, in order. A memory map, or a dataset of an open HDF5
            file, is read in blocks too.

        Raises
        ------
        ProblemsError
            If the server would refuse them. It names every problem of this call in the server's
            words; nothing of this call is in the file then, and others may follow.
        """
        given = dict(zip(RATE_ARRAYS, (
            train_heldin, train_heldout, eval_heldin, eval_heldout,
            eval_heldin_forward, eval_heldout_forward,
        )))  # fmt: skip
        known = {one.name: one for one in self._suite.datasets}
        if dataset not in known:
            hint = did_you_mean(dataset, known)
            raise self._refused([f"{dataset}: not a dataset of this benchmark{hint}"])
        widths = self._suite.bin_widths(known[dataset])
        if bin_width_ms not in widths:
            expected = " or ".join(map(str, widths))
            raise self._refused(
                [f"{dataset}: bin_width_ms: found {bin_width_ms!r}, expected {expected}"]
            )
        group = self._suite.group(known[dataset], bin_width_ms)
        self.add_group(group, {name: one for name, one in given.items() if one is not None})

    def add_group(self, group: str, arrays: Mapping[str, Rates]) -> None:
        """Write a group by the names in files: ``mc_maze_20`` with ``eval_rates_heldin``, ….

        Raises
        ------
        ProblemsError
            As :meth:`add`, and for names that are none of this benchmark's.
        """
        if self._file is None:
            raise ToolError(f"{self._path}: is not open: use `with Writer(...) as writer:`")
        problems = []
        if group not in self._layouts:
            hint = did_you_mean(group, self._layouts)
            problems = [f"{group}: not a dataset of this benchmark{hint}"]
        elif group in self._file:
            problems = [f"{group}: is in the file already"]
        for name in arrays:
            if name not in RATE_ARRAYS:
                hint = did_you_mean(name, RATE_ARRAYS)
                problems.append(f"{group}/{name}: not an array of this benchmark{hint}")
        if problems:
            raise self._refused(problems)
        h5_group = self._file.create_group(group)
        try:
            self.notes += self._write(h5_group, self._layouts[group], arrays)
        except BaseException:
            del self._file[group]
            raise

    def _write(
        self, h5_group: h5py.Group, layout: Layout, arrays: Mapping[str, Rates]
    ) -> List[str]:
        """Write what metrics read of a group; its notes."""
        group = h5_group.name.strip("/")
        read = [part for part in PARTS if layout.readers(part)]
        sources = [
            Source(f"{group}/{array.name}", arrays[array.name], part)
            for part in read
            for array in part.arrays
            if array.name in arrays
        ]
        audit = ValueAudit(
            self._phase.nan_where_unscored,
            {
                f"{group}/{array.name}"
                for part in read
                for array in part.arrays
                if layout.must_not_be_negative(array)
            },
            smallest_rate=self._phase.smallest_rate,
            refuse_tiny=True,
        )
        # values of wrong shapes are looked at, so that all problems come at once, and not written
        fit = any(one.shape is None for one in sources) or not self._structure(sources, group)[0]
        for source in sources:
            writer: Optional[TrialWriter] = None
            for block, values in source.blocks(group):
                audit.passes(block, [values], _nowhere)
                if fit:
                    writer = writer or _new_array(h5_group, source)
                    writer.append(values)
            if writer is not None:
                writer.flush()
        problems, notes = self._structure(sources, group)
        problems += [fault for source in sources for fault in source.faults]
        problems += audit.problems
        if problems:
            raise self._refused(problems)
        unread = [name for name in arrays if all(one.name != name for one in sources)]
        if unread:
            notes.append(f"{group}: not written, no metric reads them: {', '.join(unread)}")
        return notes + audit.notes

    def _structure(self, sources: Sequence[Source], group: str = "") -> Tuple[List[str], List[str]]:
        """The server's problems with one group, or with a file that has none, and its notes."""
        arrays = {source.name: source.facts() for source in sources}
        facts = {"link": "hard", "kind": "group", "arrays": arrays, "other": [], "members": 0}
        described = _Described({group: facts} if group else {})
        try:
            inspection = inspect(cast(ReaderProcess, described), self._suite, self._layouts)
        except SubmissionError as error:
            return list(error.problems), []
        return [], list(inspection.notes)

    def _refused(self, problems: Sequence[str]) -> ProblemsError:
        head = f"{self._path}: would be rejected in phase {self._phase.codename},"
        return ProblemsError(head, problems)


def save(
    path: Union[str, Path],
    arrays: Mapping[str, Mapping[str, Rates]],
    *,
    phase: str,
    suite: Suite = DEFAULT_SUITE,
) -> List[str]:
    """Write nlb_tools' output dictionary, checked and whole, or not at all.

    Parameters
    ----------
    path : str or Path
    arrays : mapping
        Group (``mc_maze``, ``mc_maze_20``) to array name (``eval_rates_heldin``, …) to rates in
        spikes per bin (trials, bins, neurons).
    phase : str
    suite : Suite, optional

    Returns
    -------
    list of str
        What looks odd but is scored.

    Raises
    ------
    ProblemsError
        If the server would refuse it; names every problem of all groups.

    Examples
    --------
    >>> import tempfile, numpy as np
    >>> rates = lambda *shape: np.full(shape, 0.1, np.float32)
    >>> arrays = {
    ...     "train_rates_heldin": rates(75, 35, 107),
    ...     "train_rates_heldout": rates(75, 35, 35),
    ...     "eval_rates_heldin": rates(25, 35, 107),
    ...     "eval_rates_heldout": rates(25, 35, 35),
    ... }
    >>> path = tempfile.mkdtemp() + "/submission.h5"
    >>> notes = save(path, {"mc_maze_small_20": arrays}, phase="val")
    """
    problems: List[str] = []
    with Writer(path, phase=phase, suite=suite) as writer:
        for group, rates in arrays.items():
            try:
                writer.add_group(group, rates)
            except ProblemsError as error:
                problems += error.problems
        if problems:
            raise writer._refused(problems)
    return writer.notes


@dataclass
class _Described:
    """Says of arrays that are being written what the reader would say of the file."""

    groups: Mapping[str, Mapping[str, Any]]

    def describe(self, wanted: Mapping[str, Sequence[str]]) -> Mapping[str, Any]:
        return {"groups": self.groups, "other": [], "members": len(self.groups)}


def _new_array(group: h5py.Group, source: Source) -> TrialWriter:
    assert source.shape is not None
    row = source.shape[1:]
    return TrialWriter(
        group,
        source.name,
        (0, *row),
        maxshape=(None, *row),
        chunks=(trials_per_chunk(source.shape), *row),
        shuffle=True,
    )


def _nowhere(block: Block) -> List[np.ndarray]:
    """Where metrics use a block: without a truth nobody can say, and only infinities count."""
    return [np.zeros((1, 1, 1), bool)]

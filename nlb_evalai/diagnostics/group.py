"""All diagnostics of one submission, group by group, while it is scored."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Dict, Mapping, Optional, Sequence, Type

import numpy as np

from evaluation_script.annotation import Annotation
from evaluation_script.arrays import Part
from evaluation_script.metrics import Metric, PsthMatch
from evaluation_script.submission.plan import Block
from nlb_evalai.diagnostics.base import (
    Case,
    Diagnostic,
    Inputs,
    NotHadError,
    Plain,
    Seen,
    heldout_spikes,
)
from nlb_evalai.diagnostics.calibration import Calibration, CalibrationDiagnostic
from nlb_evalai.diagnostics.ceilings import Ceilings, CeilingsDiagnostic
from nlb_evalai.diagnostics.co_smoothing import CoSmoothingDiagnostic, CoSmoothingShares
from nlb_evalai.diagnostics.consistency import Consistency, ConsistencyDiagnostic
from nlb_evalai.diagnostics.decoding import Decoding, DecodingDiagnostic
from nlb_evalai.diagnostics.few_shot import FewShot
from nlb_evalai.diagnostics.inputs import EVAL_HELDIN, InputsFile

#: by the name of their result in :class:`GroupDiagnostics`, in order of use
DIAGNOSTICS: Mapping[str, Type[Diagnostic]] = {
    "co_smoothing": CoSmoothingDiagnostic,
    "ceilings": CeilingsDiagnostic,
    "calibration": CalibrationDiagnostic,
    "consistency": ConsistencyDiagnostic,
    "decoding": DecodingDiagnostic,
}


@dataclass
class GroupDiagnostics(Plain):
    """What the diagnostics say of one dataset at one bin width.

    ``left_out`` says why one is None, by its name.
    """

    dataset: str
    bin_width_ms: int
    co_smoothing: Optional[CoSmoothingShares] = None
    ceilings: Optional[Ceilings] = None
    calibration: Optional[Calibration] = None
    consistency: Optional[Consistency] = None
    decoding: Optional[Decoding] = None
    few_shot: Optional[FewShot] = None
    left_out: Dict[str, str] = field(default_factory=dict)


class DiagnosticsObserver:
    """Runs the diagnostics beside the metrics; see ``scoring.Observer``.

    Parameters
    ----------
    inputs : InputsFile, optional

    Attributes
    ----------
    groups : dict of str to GroupDiagnostics
    """

    def __init__(self, inputs: Optional[InputsFile] = None) -> None:
        self.groups: Dict[str, GroupDiagnostics] = {}
        self._inputs = inputs
        self._running: Optional[Dict[str, Diagnostic]] = None

    def begin(self, annotation: Annotation, group: str, parts: Sequence[Part]) -> None:
        """A group begins; the truth is looked at once the metrics have found it fit."""
        self._annotation, self._group = annotation, group
        layout = annotation.layouts[group]
        self._found = GroupDiagnostics(layout.dataset.name, layout.bin_width_ms)
        self._running = None

    def _diagnostics(self) -> Dict[str, Diagnostic]:
        if self._running is None:
            self._running = {}
            truth = self._annotation.arrays(self._group)
            layout = self._annotation.layouts[self._group]
            case = Case(self._group, layout, truth, truth.group, self._inputs_of(truth))
            for name, kind in DIAGNOSTICS.items():
                try:
                    self._running[name] = kind(case)
                except NotHadError as error:
                    self._found.left_out[name] = str(error)
        return self._running

    def _inputs_of(self, truth: Mapping[str, np.ndarray]) -> Inputs:
        has_psth = PsthMatch in self._annotation.layouts[self._group].metrics
        if self._inputs is None or not has_psth:
            return Inputs()
        try:
            shape = (*heldout_spikes(truth).shape[:2], None)
            return Inputs(self._inputs.spikes(self._group, EVAL_HELDIN, shape))
        except NotHadError as error:
            return Inputs(why=str(error))

    def update(self, block: Block, heldin: np.ndarray, heldout: np.ndarray) -> None:
        """Give a block to the diagnostics that take its part."""
        for diagnostic in self._diagnostics().values():
            if block.part in diagnostic.parts:
                diagnostic.update(block.part, block.start, heldin, heldout)

    def finish(self, metrics: Mapping[str, Metric]) -> None:
        """Ask each diagnostic for its findings."""
        running = self._diagnostics()
        seen = Seen(metrics, running)
        for name, diagnostic in running.items():
            try:
                setattr(self._found, name, diagnostic.result(seen))
            except NotHadError as error:
                self._found.left_out[name] = str(error)
        self.groups[self._group] = self._found
        self._running = None

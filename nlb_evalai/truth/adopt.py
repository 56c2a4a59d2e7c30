"""Truth of the reference, which says nothing of itself, gets attributes and provenance."""

from __future__ import annotations

import json
from pathlib import Path

import h5py

from evaluation_script.annotation import Annotation, root_text
from evaluation_script.files import file_sha256
from evaluation_script.suites import Suite
from nlb_evalai.errors import ToolError
from nlb_evalai.hdf5 import written_whole
from nlb_evalai.outputs import spare_inputs
from nlb_evalai.truth.files import write_provenance


def adopt(path: Path, out: Path, suite: Suite, phase: str) -> None:
    """Write a copy of a truth file that says its phase, its suite, and of which file it is a copy.

    Parameters
    ----------
    path, out : Path
        ``out`` must be another file.
    suite : Suite
    phase : str
        The codename of its phase.

    Raises
    ------
    ToolError
        If it says another phase or suite already, or cannot be read or written.
    AnnotationError
        If it is not laid out as ground truth of the suite.
    """
    spare_inputs([out], [path])
    with Annotation(path, phase, suite):
        pass  # it is truth, and of nothing else
    try:
        with h5py.File(path, "r") as source, written_whole(out) as target:
            said = root_text(source, "sources")
            for name in source:
                source.copy(source[name], target, name)
            origin = {path.name: file_sha256(path)}
            write_provenance(target, phase, suite.name, suite.rules_version, {"adopted": origin})
            if said is not None:
                target.attrs["sources"] = json.dumps({**json.loads(said), "adopted": origin})
    except (OSError, ValueError) as error:
        raise ToolError(f"{path}: cannot be copied: {error}") from None

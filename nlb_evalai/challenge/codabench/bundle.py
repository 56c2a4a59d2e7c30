"""The competition bundle: one zip with everything that Codabench is told, the same each time."""

from __future__ import annotations

import json
import tempfile
from dataclasses import replace
from functools import partial as bound
from pathlib import Path
from typing import Dict, List, Optional

import evaluation_script
from evaluation_script.suites import Suite
from evaluation_script.text import printable
from nlb_evalai.challenge.build import (
    NO_HEAD,
    NOT_WRITTEN,
    BuiltBundle,
    BundleError,
    Content,
    files_of,
    origin_of,
    partial,
    problems_of_truth,
    truth_of,
    truths_in,
    write_bundle,
    write_zip,
    zipped,
)
from nlb_evalai.challenge.codabench import program
from nlb_evalai.challenge.codabench.compose import program_name, reference_name, told_files
from nlb_evalai.challenge.codabench.offer import Offer, offer_of
from nlb_evalai.challenge.codabench.program.task import TASK_NAME, TRUTH_NAME, Task
from nlb_evalai.challenge.codabench.rules.run import check_bundle
from nlb_evalai.challenge.head import head_of, read_head
from nlb_evalai.challenge.suite_files import of_ones_own
from nlb_evalai.outputs import spare_inputs
from nlb_evalai.sample.files import write_sample

_SCORER = Path(evaluation_script.__file__).parent
_PROGRAM = Path(program.__file__).parent
#: the one command; Codabench puts the folders in
COMMAND = "python3 $program/score.py $input $output"
_REQUIREMENTS = "requirements.txt"


def program_files(suite: Suite) -> Dict[str, Content]:
    """What runs there, whatever the phase: the scorer, and what is around it."""
    scorer = {**files_of(_SCORER), **of_ones_own(suite)}
    around = files_of(_PROGRAM)
    requirements = around.pop(_REQUIREMENTS).read_bytes() + scorer[_REQUIREMENTS].read_bytes()
    return {
        "metadata.yaml": f"command: {json.dumps(COMMAND)}\n".encode("ascii"),
        "score.py": _PROGRAM.with_name("score.py"),
        _REQUIREMENTS: requirements,
        **{f"{_PROGRAM.name}/{name}": path for name, path in around.items()},
        **{f"{_SCORER.name}/{name}": path for name, path in scorer.items()},
    }


def build_bundle(
    out: Path,
    annotations: Optional[Path] = None,
    *,
    suite: Suite,
    head: Optional[Path] = None,
) -> BuiltBundle:
    """Build the competition bundle; parameters and errors as for every platform.

    Raises
    ------
    HeadError
        Also if the head names no image, as the default one cannot score.
    """
    read = head_of(suite) if head is None else read_head(head, suite)
    offer = offer_of(suite, read)
    codenames = list(dict.fromkeys(one.phase.codename for one in offer.phases))
    with tempfile.TemporaryDirectory(prefix="nlb-bundle-") as folder:
        scratch = Path(folder)
        if annotations is None:
            write_sample(scratch, suite, phases=codenames, models=())
            annotations = scratch / "annotations"
        spare_inputs([out, partial(out)], truths_in(annotations))
        truths: Dict[str, Path] = {}
        problems: List[str] = []
        for codename in codenames:
            found, missing = truth_of(annotations, codename, codename)
            problems += missing
            if found is not None:
                problems += problems_of_truth(found, codename, suite)
                truths[codename] = found
        if problems:
            raise BundleError(NOT_WRITTEN, problems)
        members: Dict[str, Content] = dict(told_files(suite, read, offer))
        members.update(_programs(suite, offer))
        for one in offer.phases:
            target = scratch / reference_name(one)
            if not target.exists():
                write_zip(target, {TRUTH_NAME: truths[one.phase.codename]})
            members[reference_name(one)] = target
        origins = {codename: origin_of(path) for codename, path in truths.items()}
        built = write_bundle(out, members, origins, "Codabench", bound(check_bundle, suite=suite))
    notes = [NO_HEAD.format(printable(suite.name))] if read.is_default else []
    return replace(built, notes=notes)


def _programs(suite: Suite, offer: Offer) -> Dict[str, bytes]:
    """The scoring program of each phase: they differ in their task alone."""
    files = program_files(suite)
    return {
        program_name(one): zipped(
            {
                **files,
                TASK_NAME: Task(one.phase.codename, one.board, offer.own_limit_seconds).as_json(),
            }
        )
        for one in offer.phases
    }

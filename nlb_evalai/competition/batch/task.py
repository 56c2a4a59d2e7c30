"""One submission to score, and what came of it: what travels to a worker process and back."""

from __future__ import annotations

import hashlib
import logging
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import FrozenSet, Optional

from evaluation_script.errors import EvaluationError, InternalError, LimitError, SubmissionError
from evaluation_script.files import file_sha256
from evaluation_script.reader.process import Limits
from evaluation_script.scorecard import Scorecard
from evaluation_script.scoring import score
from evaluation_script.suites import Suite
from nlb_evalai.web.fetch import FetchError, FileRefused, NoRoom, NotGiven
from nlb_evalai.web.locations import fetched

logger = logging.getLogger(__name__)

SCORED, FAILED, KNOWN = "scored", "failed", "known"
#: kinds of failure that a later run cannot mend, so that it does not try: the file is at fault,
#: which stands under its hash; or it will not be had from where it is said to be
LASTING, REFUSED = ("submission",), "refused"
#: there is no room here, which is nothing to keep of a submission: the batch ends
NO_ROOM = "no room"


@dataclass(frozen=True)
class Source:
    """Where a submission is: a path, an ``s3://`` address or a URL; or why it is nowhere.

    ``version`` identifies the content of what is not on this machine (an ETag, the address of a
    file that is never changed), so that it need not be fetched again to be known.
    """

    name: str
    location: str = ""
    version: str = ""
    missing: str = ""

    @property
    def fingerprint(self) -> str:
        """Changes with the address and its version; tells nothing of a credential in it."""
        return hashlib.sha256(
            f"{self.location}\n{self.version}".encode("utf-8", "replace")
        ).hexdigest()


@dataclass(frozen=True)
class Task:
    """A submission to score. ``known`` are the hashes under which its scores are at hand.

    ``suite`` makes one of the host's own known where the task arrives; left out, the truth says of
    which suite it is. ``work`` is the folder for downloads; left out, the temporary folder.
    """

    source: Source
    annotations: str
    phase: str
    suite: Optional[Suite] = None
    known: FrozenSet[str] = frozenset()
    limits: Optional[Limits] = None
    work: Optional[Path] = None


@dataclass
class Outcome:
    """What came of a task.

    ``kind`` of a failure: ``submission`` (the file is at fault), ``limit``, ``unavailable`` (it
    could not be fetched), ``refused`` (nor will it ever be from there), ``crash`` (its worker
    process ended), ``internal``, ``no room`` (on the disk of who scores).
    """

    source: Source
    status: str
    sha256: str = ""
    card: Optional[Scorecard] = None
    kind: str = ""
    error: str = ""
    seconds: float = 0.0


def score_task(task: Task) -> Outcome:
    """Fetch, hash and score one submission; every failure is an outcome, none is raised."""
    started = time.perf_counter()
    outcome = Outcome(task.source, FAILED)
    try:
        _score_into(outcome, task)
    except SubmissionError as error:
        outcome.kind, outcome.error = "submission", str(error)
    except LimitError as error:
        outcome.kind, outcome.error = "limit", str(error)
    except NoRoom:
        outcome.kind = NO_ROOM
        outcome.error = (
            f"{task.work or tempfile.gettempdir()}: the disk is full, or a limit on file size was "
            f"met, while submission {task.source.name} was fetched"
        )
    except (FileRefused, NotGiven) as error:
        outcome.kind, outcome.error = REFUSED, str(error)
    except FetchError as error:
        outcome.kind, outcome.error = "unavailable", str(error)
    except EvaluationError as error:
        outcome.kind, outcome.error = "internal", str(error)
    except Exception as error:
        logger.exception("scoring %s failed", task.source.name)
        outcome.kind = "internal"
        outcome.error = f"a fault of the scorer: {type(error).__name__}: {error}"
    outcome.seconds = time.perf_counter() - started
    return outcome


def _score_into(outcome: Outcome, task: Task) -> None:
    if task.source.missing:
        raise FetchError(task.source.missing)
    with fetched(task.source.location, folder=task.work) as path:
        try:
            outcome.sha256 = file_sha256(path)
        except OSError as error:
            raise FetchError(f"{path}: {error.strerror}") from None
        if outcome.sha256 in task.known:
            outcome.status = KNOWN
            return
        card = score(task.annotations, path, task.phase, suite=task.suite, limits=task.limits)
        if card.receipt["files"]["submission"]["sha256"] != outcome.sha256:
            raise InternalError("the submitted file changed while it was scored")
        outcome.card, outcome.status = card, SCORED

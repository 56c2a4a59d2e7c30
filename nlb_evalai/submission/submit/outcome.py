"""What became of a submission, in EvalAI's and the scorer's own words."""

from __future__ import annotations

from typing import List

from nlb_evalai.submission.submit.client import Submission
from nlb_evalai.submission.submit.storage import Storage, Unreadable

_MOST_BYTES = 1 << 18


def outcome(storage: Storage, found: Submission) -> List[str]:
    """The scores, or the reason why there are none, line by line and as strangers wrote it.

    Parameters
    ----------
    storage : Storage
    found : Submission
        Of any status; of one that is not decided there is nothing to say yet.
    """
    if found.status == "finished":
        # where a phase hides its logs there is still what the participant may download
        wanted = [found.stdout_file or found.result_file]
    else:
        wanted = [found.stdout_file, found.stderr_file]
    lines: List[str] = []
    for url in wanted:
        if url:
            try:
                lines += storage.text(url, _MOST_BYTES).splitlines()
            except Unreadable as error:
                lines.append(f"{error}; EvalAI shows it on the submission's page")
    return [line for line in lines if line.strip()]

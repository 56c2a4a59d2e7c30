"""Rules about truth that are EvalAI's own: who may read it where."""

from __future__ import annotations

from typing import Iterator

from evaluation_script.storage import is_pointer
from nlb_evalai.challenge.evalai.rules.contents import Bundle
from nlb_evalai.challenge.evalai.rules.registry import RULES, Fault, check
from nlb_evalai.challenge.rules.truth import TRUTH, opens, said_by_truth
from nlb_evalai.sample.files import is_sample

RULES.include(TRUTH)


@check(
    "pointer-unreachable",
    sentence="A pointer to truth is there only where the host's machines score.",
)
def pointers_are_for_the_hosts_machines(bundle: Bundle) -> Iterator[Fault]:
    if bundle.config.get("remote_evaluation") is True:
        return
    for name, _, path in bundle.truths():
        if is_pointer(path):
            yield (
                name,
                "is a pointer to private storage, which EvalAI's own worker has no credentials "
                "for: put the HDF5 itself into the bundle, or set remote_evaluation: true and run "
                "workers of your own",
            )


@check("remote-truth", sentence="Truth itself stays with the host where the host's machines score.")
def truth_stays_on_the_hosts_machines(bundle: Bundle) -> Iterator[Fault]:
    if bundle.config.get("remote_evaluation") is not True:
        return
    for name, _, path in bundle.truths():
        if opens(path) and not is_sample(path):
            yield (
                name,
                "is the truth itself, which EvalAI has no part in with remote_evaluation: true: "
                "run `annotations publish` and build the bundle with the pointer that it writes",
            )


__all__ = ["said_by_truth"]

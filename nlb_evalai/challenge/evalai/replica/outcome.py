"""What became of a submission on EvalAI, and who sees what of it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Dict, List

from evaluation_script.text import plural
from nlb_evalai.challenge.replica import Outcome, View, as_text


@dataclass(frozen=True)
class ReplicaOutcome(Outcome):
    """What became of one submission.

    ``output`` is what ``evaluate`` returned; if it ``failed``, it raised. ``worker_log`` is what
    hosts read, the standard error of the container. ``peak_mib`` counts the scorer's reader, too,
    if the receipt tells.
    """

    worker_log: str = ""

    @property
    def result(self) -> Any:
        return self.output["result"]

    @property
    def summary(self) -> str:
        return f"{plural(len(self.result), 'leaderboard row')}, {self.peak_mib:.0f} MiB"

    def views(self) -> List[View]:
        output = self.output if isinstance(self.output, dict) else {}
        status = "failed" if self.failed else "finished"
        told = View("participant", "result file", output.get("submission_result"))
        return [
            View("participant", "status", status),
            View("participant", "stdout", self.stdout),
            View("participant", "stderr", self.stderr) if self.failed else told,
            View("host", "metadata", output.get("submission_metadata")),
            View("host", "worker's log", self.worker_log),
        ]

    def kept(self) -> Dict[str, str]:
        output = self.output if isinstance(self.output, dict) else {}
        texts = {f"{key}.json": as_text(value) for key, value in output.items()}
        return {**super().kept(), "worker.log": self.worker_log, **texts}


def reader_peak_mib(output: Any) -> float:
    """Memory of the scorer's helper process, which the worker's own does not count."""
    metadata = output.get("submission_metadata") if isinstance(output, dict) else None
    peaks = metadata.get("peak_memory_mib") if isinstance(metadata, dict) else None
    peak = peaks.get("reader") if isinstance(peaks, dict) else None
    return float(peak) if isinstance(peak, (int, float)) else 0.0

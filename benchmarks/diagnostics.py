"""What diagnostics add to scoring a full submission: time, memory, and not a bit of a score.

    python benchmarks/diagnostics.py [--repeats N] [--few-shot]

The simulated data are those of ``bench.py``. Each measurement is a fresh process, with and without
diagnostics in turn; CPU time counts the scorer and its helper. ``--few-shot`` also simulates model
inputs and measures few-shot co-smoothing.
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
from pathlib import Path
from typing import Any, Dict, List

import h5py
from bench import CACHE, ROOT, PeakMemory, data, machine

from evaluation_script.suites import DEFAULT_SUITE
from nlb_evalai.sample.files import make_sessions

_RUN = """
import json, resource, sys, time
annotation, submission, inputs, diagnostics = sys.argv[1:5]
from nlb_evalai import evaluate
started = time.perf_counter()
found = evaluate(submission, annotation, phase="test", diagnostics=diagnostics == "yes",
                 inputs=inputs or None)
seconds = time.perf_counter() - started
used = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
cpu = sum(one.ru_utime + one.ru_stime for one in used)
scores = {f"{name} {key}": [one.value.hex(), one.standard_error and one.standard_error.hex()]
          for name, group in found.groups.items() for key, one in group.scores.items()}
print(json.dumps({"seconds": seconds, "cpu": cpu, "scores": scores}))
"""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--few-shot", action="store_true")
    options = parser.parse_args()
    print(machine(), "\n")
    annotation, submission = data("full", DEFAULT_SUITE)
    runs: Dict[str, List[Any]] = {"scores": [], "with diagnostics": []}
    for _ in range(options.repeats):
        for name, wanted in zip(runs, ("no", "yes")):
            runs[name].append(run(annotation, submission, "", wanted))
    if options.few_shot:
        inputs = model_inputs()
        runs["with few-shot"] = [run(annotation, submission, str(inputs), "yes")]
    peaks = {
        name: run(annotation, submission, "", wanted, memory=True)["peak"]
        for name, wanted in zip(("scores", "with diagnostics"), ("no", "yes"))
    }
    base = statistics.median(one["cpu"] for one in runs["scores"])
    for name, found in runs.items():
        assert all(one["scores"] == runs["scores"][0]["scores"] for one in found), name
        cpu = statistics.median(one["cpu"] for one in found)
        wall = statistics.median(one["seconds"] for one in found)
        peak = f", peak PSS {peaks[name]:.0f} MiB" if name in peaks else ""
        print(f"{name:18} CPU {cpu:6.2f} s ({cpu / base - 1:+.0%}), wall {wall:6.2f} s{peak}")
    print("every score and error bar is the same to the last bit")


def run(
    annotation: Path, submission: Path, inputs: str, diagnostics: str, memory: bool = False
) -> Dict[str, Any]:
    """Seconds, CPU seconds and scores of one fresh process; its peak memory if asked for."""
    command = [sys.executable, "-c", _RUN, str(annotation), str(submission), inputs, diagnostics]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, cwd=ROOT, text=True)
    peak = PeakMemory(process.pid) if memory else None
    output, _ = process.communicate()
    if process.returncode:
        raise SystemExit(f"a benchmark process failed:\n{output}")
    return {**json.loads(output.splitlines()[-1]), "peak": peak.stop() if peak else 0.0}


def model_inputs() -> Path:
    """Model inputs of the simulated sessions, made once."""
    path = CACHE / "full" / "inputs.h5"
    if path.exists():
        return path
    print("simulating model inputs ...", file=sys.stderr)
    part = path.with_suffix(".part")
    phase = DEFAULT_SUITE.phase("test")
    with h5py.File(part, "w") as file:
        for session in make_sessions(DEFAULT_SUITE, "full"):
            for name, splits in (("train", phase.train_splits), ("eval", (phase.eval_split,))):
                n_trials = sum(session.sizes[split] for split in splits)
                start = 0
                for block in session.blocks(splits):
                    for width in session.bin_widths_ms:
                        group = file.require_group(DEFAULT_SUITE.group(session.dataset, width))
                        spikes = block.window(block.spikes, width)[0]
                        for kind, units in (
                            ("heldin", slice(None, session.n_heldin)),
                            ("heldout", slice(session.n_heldin, None)),
                        ):
                            key = f"{name}_spikes_{kind}"
                            if (name, kind) not in (("train", "heldout"), ("eval", "heldin")):
                                continue
                            values = spikes[..., units]
                            if key not in group:
                                shape = (n_trials, *values.shape[1:])
                                group.create_dataset(
                                    key, shape, "u1", chunks=True, compression="gzip"
                                )
                            group[key][start : start + len(values)] = values
                    start += block.n_trials
    part.replace(path)
    return path


if __name__ == "__main__":
    main()

"""Five simulated models that three scores do not explain, written as files.

``python -m tests.nlb_evalai.diagnostics.five_models`` prints the table of docs/diagnostics.md.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Callable, Dict, Tuple

import h5py
import numpy as np

from evaluation_script.suites import DEFAULT_SUITE, Suite
from evaluation_script.suites.suite import Published
from nlb_evalai import evaluate
from nlb_evalai.diagnostics.evaluation import Evaluation
from nlb_evalai.sample.files import write_annotations
from nlb_evalai.sample.models import SmoothingModel, smoothing_matrix
from nlb_evalai.sample.simulation import Session

WIDTH_MS = 20
N_HELDIN, N_HELDOUT = 30, 12
BROKEN = 4
KERNEL_SD_MS = 30
N_CONDITIONS = 8
PHASE = "val"
MODELS = ("true", "invented dynamics", "condition mean", "smoothing", "broken neuron")

#: (split) -> rates (trials, bins, held-in + held-out)
Model = Callable[[str], np.ndarray]


@dataclass(frozen=True)
class Files:
    """What was written: the suite, the truth, model inputs, a submission by the model's name."""

    suite: Suite
    truth: Path
    inputs: Path
    submissions: Dict[str, Path]


def small_suite(n_train: int, n_eval: int) -> Suite:
    """One dataset with movement, conditions and a forward window, at 20 ms."""
    maze = DEFAULT_SUITE.datasets[0]
    assert maze.session is not None
    assert maze.session.psth is not None
    psth = replace(maze.session.psth, kernel_sd_ms=KERNEL_SD_MS)
    dataset = replace(
        maze,
        session=replace(maze.session, psth=psth),
        published=Published(N_HELDIN, N_HELDOUT, {PHASE: n_train}, {PHASE: n_eval}),
        simulation=replace(maze.simulation, full={"train": n_train, "val": n_eval, "test": n_eval}),
    )
    return replace(
        DEFAULT_SUITE,
        bin_widths_ms=(WIDTH_MS,),
        ranked_bin_width_ms=WIDTH_MS,
        datasets=(dataset,),
        published_truth=(),
    )


class FineSession(Session):
    """Simulated at 5 ms, though there are only wider bins: rates are high there, not cut."""

    def _draw_population(self) -> None:
        self.fine_ms = 5
        super()._draw_population()


class Simulated:
    """A session in memory: spikes, true rates and conditions by split."""

    def __init__(self, suite: Suite, seed: int) -> None:
        self.session = FineSession(suite, suite.datasets[0], N_CONDITIONS, seed)
        self.spikes: Dict[str, np.ndarray] = {}
        self.rates: Dict[str, np.ndarray] = {}
        for split in ("train", "val"):
            blocks = list(self.session.blocks([split]))
            for found, name in ((self.spikes, "spikes"), (self.rates, "rates")):
                found[split] = np.concatenate(
                    [block.window(getattr(block, name), WIDTH_MS)[0] for block in blocks]
                )

    def condition(self, split: str) -> np.ndarray:
        return self.session.trials(split).condition

    def models(self) -> Dict[str, Model]:
        return dict(
            zip(
                MODELS,
                (self.rates.get, self.invented, self.condition_mean, self.smoothing, self.broken),
            )
        )

    def invented(self, split: str) -> np.ndarray:
        """True held-out rates; held-in ones with dynamics of their own, the same on average."""
        rates = self.rates[split].copy()
        n_trials, n_bins, _ = rates.shape
        rng = np.random.default_rng([7, n_trials])
        latents = rng.standard_normal((n_trials, n_bins, 8))
        latents = np.einsum("bs,tsk->tbk", smoothing_matrix(n_bins, WIDTH_MS, 80), latents)
        latents /= latents.std()
        weights = np.random.default_rng(8).standard_normal((8, N_HELDIN)) * 0.2
        heldin = rates[..., :N_HELDIN] * np.exp(latents @ weights)
        for condition in range(N_CONDITIONS):
            of_it = self.condition(split) == condition
            if of_it.any():
                wanted = rates[of_it][..., :N_HELDIN].mean(axis=0)
                heldin[of_it] *= wanted / heldin[of_it].mean(axis=0)
        rates[..., :N_HELDIN] = heldin
        return rates

    def condition_mean(self, split: str) -> np.ndarray:
        every = np.concatenate(list(self.rates.values()))
        labels = np.concatenate([self.condition(one) for one in self.rates])
        means = np.zeros((N_CONDITIONS, *every.shape[1:]))
        for condition in set(labels.tolist()):
            means[condition] = every[labels == condition].mean(axis=0)
        return means[self.condition(split)]

    def smoothing(self, split: str) -> np.ndarray:
        model = SmoothingModel(self.session, ["train"])
        blocks = self.session.blocks([split])
        return np.concatenate([model.predict(block, WIDTH_MS)[0] for block in blocks])

    def broken(self, split: str) -> np.ndarray:
        """True rates, but those of one held-out neuron are another time's."""
        rates = self.rates[split].copy()
        rates[..., N_HELDIN + BROKEN] = rates[:, ::-1, N_HELDIN + BROKEN]
        return rates


def noisy_psth(simulated: Simulated) -> np.ndarray:
    """PSTHs of smoothed spikes of all trials, as those of recordings are."""
    spikes = np.concatenate(list(simulated.spikes.values()))
    labels = np.concatenate([simulated.condition(split) for split in simulated.spikes])
    smoothed = smoothing_matrix(spikes.shape[1], WIDTH_MS, KERNEL_SD_MS) @ spikes
    psth = np.zeros((N_CONDITIONS, *spikes.shape[1:]))
    for condition in set(labels.tolist()):
        psth[condition] = smoothed[labels == condition].mean(axis=0)
    return psth


def write_submission(path: Path, model: Model) -> None:
    with h5py.File(path, "w") as file:
        group = file.create_group(DEFAULT_SUITE.datasets[0].name)
        for split, part in (("train", "train"), ("val", "eval")):
            rates = model(split).astype(np.float32)
            group[f"{part}_rates_heldin"] = rates[..., :N_HELDIN]
            group[f"{part}_rates_heldout"] = rates[..., N_HELDIN:]


def write_files(
    folder: Path, n_train: int = 120, n_eval: int = 160, seed: int = 3
) -> Tuple[Files, Simulated]:
    """Simulate a session and write the truth, the model inputs and the five submissions."""
    suite = small_suite(n_train, n_eval)
    simulated = Simulated(suite, seed)
    truth, inputs = folder / "val.h5", folder / "inputs.h5"
    write_annotations(truth, suite.phase(PHASE), [simulated.session])
    name = suite.datasets[0].name
    with h5py.File(truth, "r+") as file:
        file[name]["psth"][...] = noisy_psth(simulated)
    with h5py.File(inputs, "w") as file:
        file[f"{name}/train_spikes_heldin"] = simulated.spikes["train"][..., :N_HELDIN]
        file[f"{name}/train_spikes_heldout"] = simulated.spikes["train"][..., N_HELDIN:]
        file[f"{name}/eval_spikes_heldin"] = simulated.spikes["val"][..., :N_HELDIN]
    submissions = {}
    for model_name, model in simulated.models().items():
        submissions[model_name] = folder / f"{model_name.replace(' ', '_')}.h5"
        write_submission(submissions[model_name], model)
    return Files(suite, truth, inputs, submissions), simulated


def row(found: Evaluation) -> Dict[str, float]:
    """What the docs' table says of a model: its scores, then what diagnostics say."""
    group = next(iter(found.groups.values()))
    diagnostics = group.diagnostics
    assert diagnostics is not None
    assert diagnostics.ceilings is not None
    assert diagnostics.calibration is not None
    assert diagnostics.calibration.within_neurons is not None
    assert diagnostics.consistency is not None
    assert diagnostics.decoding is not None
    assert diagnostics.few_shot is not None
    assert diagnostics.co_smoothing is not None
    values = {key: group.scores[key].value for key in ("co-bps", "vel R2", "psth R2")}
    values["share of its ceiling"] = diagnostics.ceilings.co_bps.fraction or np.nan
    values["worst neuron"] = float(diagnostics.co_smoothing.neurons.bits_per_spike.min())
    values["slope within neurons"] = diagnostics.calibration.within_neurons.b
    values["consistency"] = diagnostics.consistency.shared
    values["vel R2 within conditions"] = diagnostics.decoding.within_conditions or 0.0
    values["few-shot, 20 trials"] = diagnostics.few_shot.scores[0].score
    values["few-shot, 80 trials"] = diagnostics.few_shot.scores[1].score
    return values


def table(rows: Dict[str, Dict[str, float]]) -> str:
    """In Markdown, a model in each column."""
    lines = [f"| | {' | '.join(rows)} |", f"|---|{'---|' * len(rows)}"]
    for name in next(iter(rows.values())):
        lines.append(f"| {name} | {' | '.join(f'{one[name]:.3f}' for one in rows.values())} |")
    return "\n".join(lines)


if __name__ == "__main__":
    with TemporaryDirectory() as where:
        written, _ = write_files(Path(where))
        print(
            table(
                {
                    name: row(
                        evaluate(
                            path,
                            written.truth,
                            suite=written.suite,
                            diagnostics=True,
                            inputs=written.inputs,
                        )
                    )
                    for name, path in written.submissions.items()
                }
            )
        )

"""Diagnostics in words, for people."""

from __future__ import annotations

from typing import Iterable, Iterator, List, Optional, Tuple

import numpy as np

from nlb_evalai.diagnostics.calibration import Calibration
from nlb_evalai.diagnostics.ceilings import Ceilings, CoBpsCeiling
from nlb_evalai.diagnostics.co_smoothing import CoSmoothingShares, Shares
from nlb_evalai.diagnostics.decoding import Decoding
from nlb_evalai.diagnostics.few_shot import FewShot
from nlb_evalai.diagnostics.group import GroupDiagnostics

#: as many neurons without spikes are named
_MOST_NAMED = 10


def told(found: GroupDiagnostics) -> List[Tuple[str, str]]:
    """What the diagnostics of a group say: a word for each line, and the line."""
    lines: List[Tuple[str, str]] = []
    if found.co_smoothing:
        lines += _shares(found.co_smoothing)
    if found.ceilings:
        lines += [("ceilings", line) for line in _ceilings(found.ceilings)]
    if found.calibration:
        lines += [("calibration", line) for line in _calibration(found.calibration)]
    if found.consistency:
        shared = found.consistency.shared
        lines.append(
            (
                "consistency",
                f"held-out log rates share {shared:.3f} of the variance of held-in ones",
            )
        )
    if found.decoding:
        lines += [("decoding", line) for line in _decoding(found.decoding)]
    if found.few_shot:
        lines += [("few-shot", line) for line in _few_shot(found.few_shot)]
    left = [f"{name.replace('_', ' ')}: {why}" for name, why in found.left_out.items()]
    if found.ceilings:
        left += found.ceilings.left_out
    if found.decoding and found.decoding.within_left_out:
        left.append(f"decoding within conditions: {found.decoding.within_left_out}")
    return [*lines, *(("left out", line) for line in left)]


def assumptions(groups: Iterable[GroupDiagnostics]) -> List[str]:
    """What the ceilings of these groups rest on, each said once."""
    ceilings = [one.ceilings for one in groups if one.ceilings]
    found = [
        f"the ceilings of co-bps assume that {one.co_bps.assumption}"
        for one in ceilings
        if one.co_bps
    ]
    found += [
        f"the ceilings of psth R2 assume that {psth.assumption}"
        for one in ceilings
        for psth in one.psth
    ]
    return list(dict.fromkeys(found))


def measured(value: Optional[float], error: Optional[float] = None, digits: int = 4) -> str:
    """A number with its error bar, as far as there is one."""
    if value is None or not np.isfinite(value):
        return "undefined"
    bar = f" ± {error:.{digits}f}" if error is not None and np.isfinite(error) else ""
    return f"{value + 0.0:.{digits}f}{bar}"


def _shares(found: CoSmoothingShares) -> Iterator[Tuple[str, str]]:
    yield "neurons", _range("held-out neurons", "neuron", found.neurons)
    if found.silent_neurons:
        named = ", ".join(map(str, found.silent_neurons[:_MOST_NAMED]))
        more = ", …" if len(found.silent_neurons) > _MOST_NAMED else ""
        cost = found.neurons.contribution[found.silent_neurons].sum()
        yield "neurons", f"without a spike: {named}{more} (together they add {cost:.4f})"
    if found.conditions is not None:
        yield "conditions", _range("conditions", "condition", found.conditions)
    yield "trials", _range("eval trials", "trial", found.trials)


def _range(what: str, one: str, shares: Shares) -> str:
    """The least and the greatest bits per spike; numbers count from 0."""
    bits = shares.bits_per_spike
    known = np.flatnonzero(np.isfinite(bits))
    if not known.size:
        return f"{len(bits)} {what}, none with a spike"
    ends = [int(known[np.argmin(bits[known])]), int(known[np.argmax(bits[known])])]
    told_ends = " to ".join(
        f"{measured(bits[n], shares.standard_error[n], 3)} ({one} {n}, "
        f"adds {shares.contribution[n]:.4f})"
        for n in ends
    )
    below = int((bits[known] < 0).sum())
    return f"{len(bits)} {what}, {told_ends} bits per spike; {below} below 0"


def _ceilings(found: Ceilings) -> Iterator[str]:
    one = found.co_bps
    if one is not None:
        yield _co_bps_ceiling(one)
    for psth in found.psth:
        said = f"psth R2 {measured(psth.ceiling)} ({psth.neurons} neurons)"
        if psth.fraction is not None:
            said += f"; {measured(psth.score)} is {psth.fraction:.3f} of it"
        yield said


def _co_bps_ceiling(one: CoBpsCeiling) -> str:
    said = f"co-bps {measured(one.ceiling, one.ceiling_error)}"
    if one.fraction is not None:
        said += f"; {measured(one.score)} over the same trials is "
        said += f"{measured(one.fraction, one.fraction_error, 3)} of it"
    return f"{said} ({one.n_trials} trials, {one.n_conditions} conditions)"


def _calibration(found: Calibration) -> Iterator[str]:
    line = found.line
    yield (
        f"a {measured(line.a, None, 3)}, b {measured(line.b, line.b_error, 3)}: {line.verdict}; "
        f"co-bps would gain {line.gain:.4f}"
    )
    if found.within_neurons is not None:
        line = found.within_neurons
        yield (
            f"within neurons b {measured(line.b, line.b_error, 3)}: {line.verdict}; "
            f"co-bps would gain {line.gain:.4f}"
        )


def _decoding(found: Decoding) -> Iterator[str]:
    yield ", ".join(
        f"axis {one.axis}: {measured(one.r2, one.standard_error)}" for one in found.axes
    )
    if found.within_conditions is not None:
        within = measured(found.within_conditions, found.within_error)
        yield f"within conditions, after their means are removed: {within}"


def _few_shot(found: FewShot) -> Iterator[str]:
    for one in found.scores:
        yield (
            f"co-bps from {one.n_trials} trials: {measured(one.score, one.spread)} over "
            f"{len(one.draws)} draws ({found.n_components} components of {found.source})"
        )
    for k, why in found.left_out.items():
        yield f"none from {k} trials: {why}"

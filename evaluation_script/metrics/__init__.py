"""The metrics of the benchmark: pure functions over arrays, and accumulators that see data once.

An accumulator takes blocks of trials in order, ``update(...)``, then ``compute()`` gives the score
and ``standard_error()`` its delete-one-trial jackknife error. The functions keep the reference's
names and take whole arrays.
"""

from .decoding import VelocityDecoding, fit_and_eval_decoder, velocity_decoding
from .likelihood import BitsPerSpike, bits_per_spike, neg_log_likelihood
from .psth import PsthMatch, eval_psth
from .timing import SpeedTpCorrelation, speed_tp_correlation

__all__ = [
    "BitsPerSpike",
    "PsthMatch",
    "SpeedTpCorrelation",
    "VelocityDecoding",
    "bits_per_spike",
    "eval_psth",
    "fit_and_eval_decoder",
    "neg_log_likelihood",
    "speed_tp_correlation",
    "velocity_decoding",
]

"""Each metric is one class in a file of its own, with its plain function on arrays beside it.

A class (see ``base.Metric``) takes blocks of trials in order, ``update(...)``, then ``compute()``
gives the score and ``standard_error()`` its jackknife error over the eval trials. The functions
keep the reference's names and take whole arrays.
"""

from .base import Metric
from .co_smoothing import CoSmoothing, bits_per_spike
from .forward_prediction import ForwardPrediction
from .likelihood import neg_log_likelihood
from .psth_match import PsthMatch, eval_psth
from .speed_tp_correlation import SpeedTpCorrelation, speed_tp_correlation
from .velocity_decoding import VelocityDecoding, fit_and_eval_decoder, velocity_decoding

__all__ = [
    "CoSmoothing",
    "ForwardPrediction",
    "Metric",
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

"""Velocity decoding: cross-validated ridge regression from second moments.

Ridge regression needs no more of its training data than the sums of squares and products of
[rates, behavior, 1]. Those of each fold are kept apart; the training set of a fold is the sum of
the others. All moments are taken about the means of the first block, so that subtracting the exact
means later costs no digits.
"""

from __future__ import annotations

from typing import Any, List, Mapping, Optional, Tuple

import numpy as np

from ..arrays import EVAL, TRAIN, Axis, Kind, Part, TruthArray
from .base import Metric, Used
from .jackknife import LeftOut, by_block, r2_from_sums

PENALTIES = np.logspace(-4, 0, 9)
N_FOLDS = 5

TRAIN_BEHAVIOR = TruthArray(
    "train_behavior", (Axis.TRAIN_TRIALS, Axis.BINS, Axis.BEHAVIOR), Kind.NUMBERS
)
EVAL_BEHAVIOR = TruthArray(
    "eval_behavior", (Axis.EVAL_TRIALS, Axis.BINS, Axis.BEHAVIOR), Kind.NUMBERS
)
#: which trials each decoder is for; one decoder for all where the truth has no masks
TRAIN_MASK = TruthArray(
    "train_decode_mask", (Axis.TRAIN_TRIALS, "decoders"), Kind.MASK, default=True
)
EVAL_MASK = TruthArray("eval_decode_mask", (Axis.EVAL_TRIALS, "decoders"), Kind.MASK, default=True)


class _RidgeSearch:
    """Five-fold search for the penalty over the training rows of one decode mask.

    Parameters
    ----------
    behavior : ndarray (trials, bins, columns)
        Rows whose first column is NaN are dropped.
    chosen : ndarray of bool (trials,)
        Trials of this decoder.
    """

    def __init__(self, behavior: np.ndarray, chosen: np.ndarray) -> None:
        self._n_outputs = behavior.shape[2]
        self.kept = ~np.isnan(behavior[..., 0]) & chosen[:, None]
        n_rows = int(self.kept.sum())
        # As scikit-learn's KFold: contiguous, the first n % 5 folds one row longer.
        sizes = np.full(N_FOLDS, n_rows // N_FOLDS)
        sizes[: n_rows % N_FOLDS] += 1
        self._edges = np.concatenate([[0], np.cumsum(sizes)])
        rows = behavior[self.kept]
        self._fold_total = np.array(
            [
                np.square(part - part.mean(axis=0)).sum(axis=0)
                for part in (rows[a:b] for a, b in zip(self._edges[:-1], self._edges[1:]))
            ]
        )
        self._seen = 0
        self._moments: Optional[np.ndarray] = None
        self.weights = np.empty((0,))
        self.penalty = np.nan
        self.cv_scores = np.empty((0,))

    def update(self, rows: np.ndarray) -> None:
        """Take the next kept rows: [rates, behavior, 1], shifted."""
        if self._moments is None:
            self._moments = np.zeros((N_FOLDS, rows.shape[1], rows.shape[1]))
        first, last = self._seen, self._seen + len(rows)
        for fold in range(N_FOLDS):
            a, b = max(first, self._edges[fold]), min(last, self._edges[fold + 1])
            if a < b:
                part = rows[a - first : b - first]
                self._moments[fold] += part.T @ part
        self._seen = last

    def fit(self) -> None:
        """Choose the penalty (the first of equals) and fit it to all rows."""
        assert self._moments is not None
        total = self._moments.sum(axis=0)
        scores = [
            _penalty_scores(total - fold, fold, fold_total, self._n_outputs)
            for fold, fold_total in zip(self._moments, self._fold_total)
        ]
        if self._edges[-1] < 2 * N_FOLDS:
            # R2 of a fold of one row is undefined, and then scikit-learn takes the first penalty.
            scores = [np.full(len(PENALTIES), np.nan)]
        self.cv_scores = np.mean(scores, axis=0)
        best = int(np.argmax(np.nan_to_num(self.cv_scores, nan=-np.inf)))
        self.penalty = float(PENALTIES[best])
        mean, centered = _centered(total)
        n_rates = len(mean) - self._n_outputs
        if np.isfinite(centered).all():
            coefficients = _ridge(centered, n_rates, PENALTIES[[best]])[0]
        else:  # rates too large to compute with: the score will not be finite either
            coefficients = np.full((n_rates, self._n_outputs), np.nan)
        intercept = mean[n_rates:] - mean[:n_rates] @ coefficients
        self.weights = np.vstack([coefficients, intercept])
        self._moments = None


def _centered(moments: np.ndarray) -> Tuple[np.ndarray, np.ndarray]:
    """Means of [rates, behavior] and their second moments about these means."""
    n_rows = moments[-1, -1]
    mean = moments[-1, :-1] / n_rows
    return mean, moments[:-1, :-1] - n_rows * np.outer(mean, mean)


def _ridge(centered: np.ndarray, n_rates: int, penalties: np.ndarray) -> np.ndarray:
    """Ridge weights (penalties, rates, columns) from centered second moments of [rates, behavior].

    One solve for each penalty: for fewer than 200 neurons that is as fast as one eigendecomposition
    for all, and where rates of very different size meet it keeps the digits of the small ones,
    which an eigendecomposition loses.
    """
    rates, cross = centered[:n_rates, :n_rates], centered[:n_rates, n_rates:]
    penalized = np.repeat(rates[None], len(penalties), axis=0)
    penalized[:, np.arange(n_rates), np.arange(n_rates)] += penalties[:, None]
    try:
        np.linalg.cholesky(penalized[np.argmin(penalties)])
        return np.linalg.solve(penalized, np.broadcast_to(cross, (len(penalties), *cross.shape)))
    except np.linalg.LinAlgError:
        if len(penalties) > 1:
            return np.concatenate([_ridge(centered, n_rates, one) for one in penalties[:, None]])
        # Equal neurons of huge rates: rounding outweighs the penalty. Leave null directions out.
        values, vectors = np.linalg.eigh(rates)
        values = np.maximum(values, 0.0) + penalties[:, None]
        return np.asarray(vectors @ ((vectors.T @ cross) / values[..., None]))


def _penalty_scores(
    train: np.ndarray, test: np.ndarray, test_total: np.ndarray, n_outputs: int
) -> np.ndarray:
    """R2 on a fold for each penalty, averaged over the columns of behavior."""
    mean, centered = _centered(train)
    if not np.isfinite(centered).all():
        return np.full(len(PENALTIES), np.nan)
    n_rates = len(mean) - n_outputs
    n_rows, sums = test[-1, -1], test[-1, :-1]
    about = (
        test[:-1, :-1] - np.outer(sums, mean) - np.outer(mean, sums) + n_rows * np.outer(mean, mean)
    )
    rates, cross = about[:n_rates, :n_rates], about[:n_rates, n_rates:]
    weights = _ridge(centered, n_rates, PENALTIES)
    residual = np.diag(about)[n_rates:] - 2 * (weights * cross).sum(axis=1)
    residual += (weights * (rates @ weights)).sum(axis=1)
    return np.asarray(r2_from_sums(residual, test_total).mean(axis=1))


class VelocityDecoding(Metric):
    """Gathers blocks of trials into :func:`velocity_decoding` and its standard error.

    All training trials come first, then the eval trials.
    """

    key = "vel R2"
    title = "velocity decoding"
    unit = "R2"
    best = 1.0
    summary = "R2 of velocity decoded from the rates"
    about = (
        "A ridge regression from the rates of all neurons to the velocity of the same bin is "
        "fitted to the training trials. The score is R2 = 1 − Σ(v − v̂)² / Σ(v − v̄)² on the "
        "evaluation trials, averaged over the components of the velocity. The penalty comes from "
        "9 values between 1e-4 and 1 by 5-fold cross-validation on the training trials. Where "
        "trials are of several kinds that the ground truth tells apart, each kind has a decoder "
        "of its own, and their R2 are averaged."
    )
    truth = (TRAIN_BEHAVIOR, EVAL_BEHAVIOR, TRAIN_MASK, EVAL_MASK)
    parts = (TRAIN, EVAL)
    takes_blocks = True

    def __init__(self, truth: Mapping[str, Any]) -> None:
        self._train_behavior: np.ndarray = truth[TRAIN_BEHAVIOR.name]
        self._eval_behavior: np.ndarray = truth[EVAL_BEHAVIOR.name]
        self._eval_mask: np.ndarray = truth[EVAL_MASK.name]
        self._n_outputs = self._eval_behavior.shape[2]
        self._eval_kept: np.ndarray = ~np.isnan(self._eval_behavior[..., 0])
        self._searches = [
            _RidgeSearch(self._train_behavior, chosen) for chosen in truth[TRAIN_MASK.name].T
        ]
        self._shift = np.empty((0,))
        self._rows = np.empty((0, 0))
        self._fitted = False
        self._residual = np.zeros((len(self._searches), len(self._eval_behavior), self._n_outputs))
        #: behavior less what is decoded, (decoders, eval trials, bins, columns); NaN in bins that
        #: the decoder is not scored on
        self.errors = np.full((len(self._searches), *self._eval_behavior.shape), np.nan)

    @classmethod
    def unfit(cls, truth: Mapping[str, Any]) -> Optional[str]:
        for array, mask_array, least, bins in (
            (TRAIN_BEHAVIOR, TRAIN_MASK, N_FOLDS, "train bins"),
            (EVAL_BEHAVIOR, EVAL_MASK, 2, "eval bins"),
        ):
            behavior, mask = truth[array.name], truth[mask_array.name]
            kept = ~np.isnan(behavior[..., 0])
            for column in range(mask.shape[1]):
                rows = behavior[mask[:, column]][kept[mask[:, column]]]
                if len(rows) < least:
                    return f"decode mask {column} leaves {len(rows)} {bins}"
                if not np.isfinite(rows).all():
                    return f"{array.name} is not finite in one column only"
        return None

    def used(self, part: Part, start: int, stop: int) -> Optional[Used]:
        if part is TRAIN:
            kept = np.any([search.kept[start:stop] for search in self._searches], axis=0)
        else:
            chosen = self._eval_mask[start:stop].any(axis=1, keepdims=True)
            kept = self._eval_kept[start:stop] & chosen
        return kept[..., None], kept[..., None]

    def update(self, part: Part, start: int, heldin: np.ndarray, heldout: np.ndarray) -> None:
        if part is TRAIN:
            self._update_train(start, heldin, heldout)
        else:
            self._update_eval(start, heldin, heldout)

    def _update_train(self, start: int, *rates: np.ndarray) -> None:
        stop = start + rates[0].shape[0]
        behavior = self._train_behavior[start:stop]
        keeps = [search.kept[start:stop] for search in self._searches]
        anywhere = np.any(keeps, axis=0)
        if not anywhere.any():
            return
        if self._shift.size == 0:
            columns = [array[anywhere].mean(axis=0, dtype=float) for array in rates]
            self._shift = np.concatenate([*columns, behavior[anywhere].mean(axis=0), [0.0]])
        rows = self._shifted(rates, behavior)
        for search, kept in zip(self._searches, keeps):
            if kept.all():
                search.update(rows)
            elif kept.any():
                search.update(rows[kept.reshape(-1)])

    def _shifted(self, rates: Tuple[np.ndarray, ...], behavior: np.ndarray) -> np.ndarray:
        """[rates, behavior, 1] - shift of every bin (trials * bins, rates + columns + 1)."""
        n_rows = behavior.shape[0] * behavior.shape[1]
        if len(self._rows) < n_rows:
            self._rows = np.empty((n_rows, len(self._shift)))
        rows = self._rows[:n_rows]
        column = 0
        for array in (*rates, behavior):
            width = array.shape[2]
            rows[:, column : column + width] = array.reshape(n_rows, width)
            column += width
        rows[:, column] = 1.0
        # In a pass of its own: while it converts numpy would do it in small buffered pieces.
        rows -= self._shift
        return rows

    @property
    def penalties(self) -> List[float]:
        """The penalty chosen for each decode mask."""
        return [search.penalty for search in self._searches]

    def _update_eval(self, start: int, *rates: np.ndarray) -> None:
        if not self._fitted:
            for search in self._searches:
                search.fit()
            self._fitted = True
        stop = start + rates[0].shape[0]
        behavior = self._eval_behavior[start:stop]
        rows = self._shifted(rates, behavior)
        n_rates = rows.shape[1] - self._n_outputs - 1
        truth = rows[:, n_rates:-1]
        kept = self._eval_kept[start:stop]
        for index, search in enumerate(self._searches):
            used = kept & self._eval_mask[start:stop, index, None]
            if not used.any():
                continue
            error = truth - rows[:, :n_rates] @ search.weights[:-1] - search.weights[-1]
            self.errors[index, start:stop][used] = error[used.reshape(-1)]
            squares = np.square(error).reshape(*used.shape, self._n_outputs)
            self._residual[index, start:stop] = np.where(used[..., None], squares, 0.0).sum(axis=1)

    def compute(self) -> float:
        """Mean over decode masks of R2."""
        return float(np.mean([r2_from_sums(r.sum(axis=0), t) for r, t in self._sums()]))

    def spread(self) -> Optional[LeftOut]:
        """The score without each eval trial or block of them, decoders fixed."""
        left_out = []
        for index, (by_trial, _) in enumerate(self._sums()):
            moments = (by_trial, *self._trial_moments(index))
            residual, count, sums, squares = (by_block(m, self.block_starts) for m in moments)
            rest = count.sum() - count
            if (rest == 0).any():
                return None
            total = squares.sum(axis=0) - squares
            total -= np.square(sums.sum(axis=0) - sums) / rest[:, None]
            left_out.append(r2_from_sums(residual.sum(axis=0) - residual, total).mean(axis=1))
        return LeftOut(np.mean(left_out, axis=0))

    def _used(self, index: int) -> np.ndarray:
        return self._eval_kept & self._eval_mask[:, index, None]

    def _sums(self) -> List[Tuple[np.ndarray, np.ndarray]]:
        """Residuals by trial (trials, columns) and total sum of squares (columns,) by mask."""
        sums = []
        for index in range(len(self._searches)):
            rows = self._eval_behavior[self._used(index)]
            total = np.square(rows - rows.mean(axis=0)).sum(axis=0)
            sums.append((self._residual[index], total))
        return sums

    def _trial_moments(self, index: int) -> Tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Scored bins, sum and sum of squares of behavior about its mean, by trial."""
        used = self._used(index)
        centered = self._eval_behavior - self._eval_behavior[used].mean(axis=0)
        centered = np.where(used[..., None], centered, 0.0)
        return used.sum(axis=1), centered.sum(axis=1), np.square(centered).sum(axis=1)


def velocity_decoding(
    train_rates: np.ndarray,
    train_behavior: np.ndarray,
    train_decode_mask: np.ndarray,
    eval_rates: np.ndarray,
    eval_behavior: np.ndarray,
    eval_decode_mask: np.ndarray,
) -> float:
    """R2 of velocity decoded from rates by ridge regression, averaged over decode masks.

    The penalty comes from ``logspace(-4, 0, 9)`` by unshuffled 5-fold cross-validation over
    the training bins, trial after trial; bins whose first behavior column is NaN are dropped.

    Parameters
    ----------
    train_rates, eval_rates : ndarray (trials, bins, neurons)
        Spikes per bin.
    train_behavior, eval_behavior : ndarray (trials, bins, 2)
        Velocity.
    train_decode_mask, eval_decode_mask : ndarray of bool (trials, decoders)
        Trials of each decoder.

    Returns
    -------
    float
        1 is best; uniform average over x and y.

    Raises
    ------
    ValueError
        If shapes differ, or a rate in a used bin is not finite.

    References
    ----------
    Pei, Ye et al. 2021, arXiv:2109.04463, section 3; scikit-learn's GridSearchCV(Ridge()).

    Examples
    --------
    >>> rates = np.random.default_rng(0).random((4, 25, 5))  # 4 trials, 25 bins, 5 neurons
    >>> velocity = rates[..., :2] - 2 * rates[..., 2:4]
    >>> every = np.ones((4, 1), bool)  # one decoder, of all trials
    >>> round(velocity_decoding(rates, velocity, every, rates, velocity, every), 3)
    1.0
    """
    for rates, behavior, mask in (
        (train_rates, train_behavior, train_decode_mask),
        (eval_rates, eval_behavior, eval_decode_mask),
    ):
        if rates.shape[:2] != behavior.shape[:2] or len(mask) != len(rates):
            raise ValueError(
                f"rates have shape {rates.shape}, behavior {behavior.shape}, masks {mask.shape}"
            )
        used = ~np.isnan(behavior[..., 0]) & mask.any(axis=1, keepdims=True)
        if not np.isfinite(rates[used]).all():
            raise ValueError("a rate that the decoder needs is NaN or infinite")
    metric = VelocityDecoding(
        {
            TRAIN_BEHAVIOR.name: train_behavior,
            TRAIN_MASK.name: train_decode_mask,
            EVAL_BEHAVIOR.name: eval_behavior,
            EVAL_MASK.name: eval_decode_mask,
        }
    )
    metric._update_train(0, train_rates)
    metric._update_eval(0, eval_rates)
    return metric.compute()


def fit_and_eval_decoder(
    train_rates: np.ndarray,
    train_behavior: np.ndarray,
    eval_rates: np.ndarray,
    eval_behavior: np.ndarray,
) -> float:
    """:func:`velocity_decoding` for flat arrays: (rows, neurons) rates, (rows, 2) behavior.

    Examples
    --------
    >>> rates = np.random.default_rng(0).random((100, 5))
    >>> velocity = rates[:, :2] - 2 * rates[:, 2:4]
    >>> round(fit_and_eval_decoder(rates, velocity, rates, velocity), 3)
    1.0
    """
    ones = np.ones((1, 1), bool)
    return velocity_decoding(
        train_rates[None],
        train_behavior[None],
        ones,
        eval_rates[None],
        eval_behavior[None],
        ones,
    )

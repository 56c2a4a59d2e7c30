"""Ridge from second moments against scikit-learn's search, on kind and unkind data."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.linear_model import Ridge
from sklearn.model_selection import GridSearchCV

from evaluation_script.arrays import EVAL, TRAIN
from evaluation_script.metrics import fit_and_eval_decoder, velocity_decoding
from evaluation_script.metrics.velocity_decoding import PENALTIES, VelocityDecoding, _ridge


def _oracle(train: np.ndarray, y: np.ndarray, evaluation: np.ndarray, z: np.ndarray) -> tuple:
    search = GridSearchCV(Ridge(), {"alpha": PENALTIES})
    search.fit(train, y)
    return search.score(evaluation, z), search.best_params_["alpha"], search.cv_results_


def _data(kind: str, n_trials: int = 30, n_bins: int = 20, seed: int = 0) -> tuple:
    rng = np.random.default_rng(seed)
    latent = np.cumsum(rng.normal(size=(n_trials * 2, n_bins, 3)), axis=1)
    rates = np.exp(latent @ rng.normal(scale=0.15, size=(3, 12)) - 2)
    if kind == "silent units":
        rates[..., :4] = 0.0
    elif kind == "duplicated units":
        rates[..., 6:] = rates[..., :6]
    elif kind == "rates of 1e-9":
        rates = rates * 1e-9
    elif kind == "rates of 1e3":
        rates = rates * 1e3
    elif kind == "tiny units among large ones":
        rates[..., :3] *= 1e-9
        rates[..., 3:6] *= 1e3
    elif kind == "float32 on a pedestal":
        rates = (rates * 1e-3 + 1.0).astype(np.float32).astype(float)
    elif kind == "more units than rows in a fold":
        rates = rates[:, :2]
        latent = latent[:, :2]
        rates = np.concatenate([rates, rates**2, rng.gamma(1.0, 1.0, rates.shape)], axis=2)
    behavior = latent[..., :2] + rng.normal(scale=0.5, size=latent[..., :2].shape)
    return rates[:n_trials], behavior[:n_trials], rates[n_trials:], behavior[n_trials:]


@pytest.mark.parametrize(
    "kind",
    [
        "plain",
        "silent units",
        "duplicated units",
        "rates of 1e-9",
        "rates of 1e3",
        "tiny units among large ones",
        "float32 on a pedestal",
        "more units than rows in a fold",
    ],
)
def test_score_and_penalty_equal_scikit_learns_grid_search(kind: str) -> None:
    train, y, evaluation, z = _data(kind)
    n_units = train.shape[2]
    rows = [a.reshape(-1, a.shape[2]) for a in (train, y, evaluation, z)]
    expected, penalty, cv_results = _oracle(*rows)
    mask = np.ones((len(train), 1), bool)
    metric = VelocityDecoding(
        {
            "train_behavior": y,
            "train_decode_mask": mask,
            "eval_behavior": z,
            "eval_decode_mask": mask,
        }
    )
    for start in range(0, len(train), 7):
        block = train[start : start + 7]
        metric.update(TRAIN, start, block[:, :, : n_units - 2], block[:, :, n_units - 2 :])
    metric.update(EVAL, 0, evaluation[:, :, : n_units - 2], evaluation[:, :, n_units - 2 :])
    assert metric.compute() == pytest.approx(expected, abs=1e-9, rel=0)
    means = cv_results["mean_test_score"]
    assert metric._searches[0].cv_scores == pytest.approx(means, abs=1e-9, rel=0)
    if np.ptp(means) > 1e-9:
        assert metric.penalties == [penalty]


@pytest.mark.filterwarnings("ignore::UserWarning")  # R2 of a fold of one row
@pytest.mark.parametrize("n_rows", [5, 6, 7, 8, 9, 10, 11, 12, 13, 14])
def test_folds_have_scikit_learns_boundaries(n_rows: int) -> None:
    rng = np.random.default_rng(n_rows)
    rates, behavior = rng.normal(size=(n_rows, 2)), rng.normal(size=(n_rows, 2))
    expected, _, _ = _oracle(rates, behavior, rates, behavior)
    assert fit_and_eval_decoder(rates, behavior, rates, behavior) == pytest.approx(
        expected, abs=1e-9, rel=0
    )


def test_rows_with_nan_in_the_first_column_and_trials_in_no_mask_are_dropped() -> None:
    train, y, evaluation, z = _data("plain")
    y[3, 5:9, 0] = np.nan
    y[10] = np.nan
    z[2, 0, 0] = np.nan
    train[3, 6] = np.nan  # in a dropped bin a rate may be anything
    first = np.zeros((len(train), 2), bool)
    first[::3, 0] = first[1::3, 1] = True
    train[2] = np.nan  # in no mask
    expected = []
    for column in range(2):
        chosen = first[:, column]
        rows = [a[chosen].reshape(-1, a.shape[2]) for a in (train, y, evaluation, z)]
        kept, kept_eval = ~np.isnan(rows[1][:, 0]), ~np.isnan(rows[3][:, 0])
        expected.append(
            _oracle(rows[0][kept], rows[1][kept], rows[2][kept_eval], rows[3][kept_eval])[0]
        )
    found = velocity_decoding(train, y, first, evaluation, z, first)
    assert found == pytest.approx(np.mean(expected), abs=1e-9, rel=0)


def test_nan_in_a_needed_bin_is_an_error() -> None:
    train, y, evaluation, z = _data("plain")
    train[0, 0, 0] = np.nan
    mask = np.ones((len(train), 1), bool)
    with pytest.raises(ValueError, match="NaN or infinite"):
        velocity_decoding(train, y, mask, evaluation, z, mask)


def test_a_penalty_that_rounding_outweighs_leaves_null_directions_out_and_no_other_does() -> None:
    # The second direction's moment should be 0 and is -0.005: below it lie the small penalties.
    rates = np.array([[1e4, 1e4], [1e4, 1e4 - 0.01]])
    cross = np.array([[1.0], [-1.0]])
    centered = np.block([[rates, cross], [cross.T, np.ones((1, 1))]])
    weights = _ridge(centered, 2, PENALTIES)
    np.testing.assert_allclose(weights[0], cross / PENALTIES[0], rtol=1e-3)
    np.testing.assert_allclose(weights[-1], np.linalg.solve(rates + np.eye(2), cross), rtol=1e-9)
    assert abs(weights[-1, 0, 0] - 1) > 0.004, "the small moment counts where it is no fault"

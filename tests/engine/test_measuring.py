"""Losses and scores that are measured part by part, and many targets, of which no copies are kept."""

import numpy as np
import pytest
import torch
from sklearn.metrics import r2_score

from skreg import RegularizedMLPClassifier, RegularizedMLPRegressor
from skreg.engine import measuring
from skreg.engine.measuring import Measurement
from skreg.losses import HalfSquaredError, Huber, Poisson, Quantile
from skreg.losses._classification import LogisticLogLoss, SoftmaxLogLoss

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
N_ROWS, N_TARGETS = 120, 20
OPTIONS = {"max_iter": 4, "tol": 0, "n_iter_no_change": np.inf, "batch_size": 32, "random_state": 0}


@pytest.fixture(scope="module")
def rows():
    """Return inputs, numbers, labels and weights; some rows have no weight."""
    rng = np.random.default_rng(0)
    X = rng.normal(size=(N_ROWS, 5))
    numbers = X @ rng.normal(size=(5, N_TARGETS)) + 100 * np.arange(N_TARGETS)
    labels = (rng.random((N_ROWS, N_TARGETS)) < 0.3).astype(int)
    return X, numbers, labels, rng.integers(0, 3, N_ROWS) / 2


def measured(loss, Z, T, weight, n_rows, **options):
    """Return losses and score of batches of some rows."""
    measurement = Measurement(loss, weight, **options)
    for span in torch.arange(Z.shape[1]).split(n_rows):
        measurement.add(Z[:, span], T[:, span])
    measurement.finish()
    return measurement.losses, measurement.mean_loss, measurement.score


@pytest.mark.parametrize("offset", [0, 1e6])
def test_r2_of_parts_is_scikit_learns(rows, offset, in_parts):
    _, numbers, _, weight = rows
    T = numbers + offset
    Z = T + np.random.default_rng(1).normal(size=T.shape)
    expected = r2_score(T, Z, sample_weight=weight)
    in_parts()
    weight = torch.from_numpy(weight / weight.sum())
    tensors = torch.from_numpy(Z).unsqueeze(0), torch.from_numpy(T).unsqueeze(0)
    for n_rows in (7, 40, N_ROWS):
        *_, score = measured(HalfSquaredError(), *tensors, weight, n_rows)
        assert float(score[0]) == pytest.approx(expected, rel=1e-9)


LOSSES = {
    "squared": HalfSquaredError(),
    "huber": Huber(1.0),
    "counts": Poisson(),
    "quantile": Quantile((0.5,)),
    "quantiles": Quantile((0.2, 0.8)),
    "classes": SoftmaxLogLoss(),
    "labels": LogisticLogLoss(),
}


@pytest.mark.parametrize("n_members", [1, 3])
@pytest.mark.parametrize("loss", LOSSES.values(), ids=LOSSES)
def test_parts_measure_as_the_whole(loss, n_members, in_parts):
    generator = torch.Generator().manual_seed(0)
    T = torch.rand(n_members, 60, 4, generator=generator, dtype=torch.float64)
    Z = torch.randn(n_members, 60, loss.n_outputs(4), generator=generator, dtype=torch.float64)
    weight = torch.rand(n_members, 60, generator=generator, dtype=torch.float64)
    weight[:, 20:27] = 0  # a whole part
    weight = (weight / weight.sum(dim=1, keepdim=True))[0 if n_members == 1 else slice(None)]
    expected = measured(loss, Z, T, weight, 60)
    in_parts()
    measuring.MAX_PART_BYTES = 0  # every batch is a part
    for own, other in zip(measured(loss, Z, T, weight, 10), expected, strict=True):
        torch.testing.assert_close(own, other, rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("is_narrow", [True, False])
@pytest.mark.parametrize("n_members", [1, 3])
def test_copies_of_batches_measure_as_the_batches_do(n_members, is_narrow):
    generator = torch.Generator().manual_seed(0)
    shape = (n_members, 4, 60) if is_narrow else (n_members, 60, 4)
    Z, T = (torch.randn(shape, generator=generator) for _ in range(2))
    if is_narrow:
        Z, T = Z.mT, T.mT
    weight = torch.full((60,) if n_members == 1 else (n_members, 60), 1 / 60)
    own = measured(HalfSquaredError(), Z, T, weight, 7, keeps_batches=False)
    for values, other in zip(own, measured(HalfSquaredError(), Z, T, weight, 7), strict=True):
        assert torch.equal(values, other)


def test_a_constant_target_counts_as_in_one_piece(in_parts):
    T = torch.full((1, 60, 2), 0.1, dtype=torch.float64)
    weight = torch.full((60,), 1 / 60, dtype=torch.float64)
    Z = T + torch.tensor([0.0, 1.0], dtype=torch.float64)
    in_parts()
    measuring.MAX_PART_BYTES = 0
    assert measured(HalfSquaredError(), Z, T, weight, 10)[-1].tolist() == [0.5]


CASES = {
    "plain": {},
    "no hidden layer": {"hidden_layer_sizes": ()},
    "validated": {"early_stopping": True, "n_iter_no_change": 5},
    "huber": {"loss": "huber"},
    "absolute": {"loss": "absolute_error"},
    "quantiles": {"loss": "quantile", "quantile": [0.2, 0.8]},
    "smoothed": {"label_smoothing": 0.1},
    "lbfgs": {"solver": "lbfgs", "tol": 1e-4},
}


@pytest.mark.filterwarnings("ignore:y has a standard deviation")
@pytest.mark.parametrize("name", CASES)
def test_targets_that_are_cut_make_the_same_network(name, rows, in_parts):
    X, numbers, labels, weight = rows
    options = {"hidden_layer_sizes": (8,), **OPTIONS, **CASES[name]}
    models = []
    if "loss" not in options:
        models.append((RegularizedMLPClassifier(**options), labels))
    if "label_smoothing" not in options:
        models.append((RegularizedMLPRegressor(**options), numbers / 100))

    def trained():
        for model, y in models:
            yield model.fit(X, y).coefs_[0], model.history_
            yield model.fit(X, y, sample_weight=weight).coefs_[0], model.history_

    expected = list(trained())
    in_parts()
    for (own, history), (other, expected_history) in zip(trained(), expected, strict=True):
        np.testing.assert_allclose(own, other, rtol=1e-6, atol=1e-9)
        for column in history.keys() - {"stopping_reason"}:
            np.testing.assert_allclose(history[column], expected_history[column], rtol=1e-8)


@pytest.mark.filterwarnings("ignore:y has a standard deviation")
def test_numbers_that_are_not_copied_may_have_any_layout(rows):
    X, numbers, _, _ = rows
    before = numbers.copy()
    read_only = numbers.copy()
    read_only.flags.writeable = False
    expected = RegularizedMLPRegressor((8,), **OPTIONS).fit(X, numbers).coefs_[0]
    for y in (np.asfortranarray(numbers), read_only, numbers[::-1].copy()[::-1], numbers.astype(">f8")):
        np.testing.assert_array_equal(RegularizedMLPRegressor((8,), **OPTIONS).fit(X, y).coefs_[0], expected)
    np.testing.assert_array_equal(numbers, before)

"""Outputs of an ensemble, whose prediction is the mean of the members' predictions."""

import numpy as np
import pytest
import torch

from skreg.losses import (
    AbsoluteError,
    CustomLoss,
    Gamma,
    HalfSquaredError,
    Huber,
    LogisticLogLoss,
    Poisson,
    Quantile,
    SoftmaxLogLoss,
)


def squared_error(y_true, y_pred):
    return (y_true - y_pred).square().sum(dim=1) / 2


LOSSES = {
    "softmax": SoftmaxLogLoss(),
    "logistic": LogisticLogLoss(),
    "squared_error": HalfSquaredError(),
    "absolute_error": AbsoluteError(),
    "huber": Huber(1.0),
    "poisson": Poisson(),
    "gamma": Gamma(),
    "median": Quantile([0.5]),
    "quantiles": Quantile([0.1, 0.4, 0.6, 0.9]),
    "custom of numbers": CustomLoss(squared_error, HalfSquaredError()),
    "custom of classes": CustomLoss(squared_error, SoftmaxLogLoss()),
}


def outputs(n_members=5, dtype=torch.float64):
    return torch.from_numpy(np.random.default_rng(0).normal(size=(n_members, 30, 4)) * 3).to(dtype)


@pytest.mark.parametrize("name", LOSSES)
def test_the_prediction_is_the_mean_of_the_members_ones(name):
    loss, Z = LOSSES[name], outputs()
    mean = loss.mean_outputs(Z)
    assert mean.shape == (1, 30, 4)
    torch.testing.assert_close(loss.link(mean)[0], loss.link(Z).mean(dim=0), rtol=1e-12, atol=1e-13)


@pytest.mark.parametrize("name", LOSSES)
def test_one_member_has_its_own_predictions(name):
    loss, Z = LOSSES[name], outputs(1)
    torch.testing.assert_close(loss.link(loss.mean_outputs(Z)), loss.link(Z), rtol=1e-12, atol=1e-13)


def test_outputs_that_lie_in_memory_transposed_have_the_same_mean():
    Z = outputs()
    transposed = Z.permute(2, 1, 0).contiguous().permute(2, 1, 0)
    for loss in LOSSES.values():
        torch.testing.assert_close(loss.mean_outputs(transposed), loss.mean_outputs(Z), rtol=1e-13, atol=1e-14)


def test_losses_are_those_of_the_mean_by_numpy():
    Z, rows = outputs(), np.arange(30)
    shares = np.exp(Z.numpy())
    shares = (shares / shares.sum(axis=2, keepdims=True)).mean(axis=0)
    labels = np.random.default_rng(1).integers(0, 4, 30)
    one_hot = torch.from_numpy(np.eye(4)[labels])
    softmax = LOSSES["softmax"]
    found = softmax.per_row(softmax.mean_outputs(Z), one_hot)[0]
    np.testing.assert_allclose(found, -np.log(shares[rows, labels]), rtol=1e-11)
    # Convex in the prediction: the ensemble is never worse than its members on average (Jensen).
    assert (found <= softmax.per_row(Z, one_hot).mean(dim=0) + 1e-12).all()

    probabilities = (1 / (1 + np.exp(-Z.numpy()))).mean(axis=0)
    targets = np.random.default_rng(2).integers(0, 2, (30, 4))
    logistic = LOSSES["logistic"]
    found = logistic.per_row(logistic.mean_outputs(Z), torch.from_numpy(targets.astype(float)))[0]
    expected = -(targets * np.log(probabilities) + (1 - targets) * np.log(1 - probabilities)).sum(axis=1)
    np.testing.assert_allclose(found, expected, rtol=1e-10)

    squared = LOSSES["squared_error"]
    found = squared.per_row(squared.mean_outputs(Z), torch.from_numpy(targets.astype(float)))[0]
    np.testing.assert_allclose(found, ((Z.numpy().mean(axis=0) - targets) ** 2).sum(axis=1) / 2, rtol=1e-12)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("name", ["softmax", "logistic"])
def test_losses_are_finite_where_probabilities_underflow(name, dtype):
    Z = torch.zeros(3, 1, 2, dtype=dtype)
    Z[..., 0], Z[..., 1] = 2000.0, -2000.0
    loss = LOSSES[name]
    wrong = torch.tensor([[0.0, 1.0]], dtype=dtype)
    assert 80 < float(loss.per_row(loss.mean_outputs(Z), wrong)) < 2000
    assert float(loss.per_row(loss.mean_outputs(Z), 1 - wrong)) == pytest.approx(0, abs=1e-6)

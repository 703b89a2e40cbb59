"""The part of the objective that depends on data, against a mean of losses that is written out."""

import numpy as np
import pytest
import scipy.sparse
import torch

from skreg import RegularizedMLPClassifier, RegularizedMLPRegressor
from skreg._estimator.data import learnable_data
from skreg._estimator.objective import DataTerm

RNG = np.random.default_rng(0)
X = RNG.normal(size=(40, 3))
LABELS = np.arange(40) % 3
WEIGHT = np.where(np.arange(40) < 5, 0.0, RNG.uniform(0.5, 2, size=40))


def term_of(model, X, y, sample_weight=None):
    return DataTerm.of(model, learnable_data(model, X, y, sample_weight), model._make_loss())


@pytest.mark.parametrize("form", [np.asarray, scipy.sparse.csr_array, lambda X: X.astype(np.float32)])
def test_regressor(form):
    y = X @ [1.0, 2.0, 3.0]
    term = term_of(RegularizedMLPRegressor(), form(X), y, WEIGHT)
    rows = term.X.toarray() if scipy.sparse.issparse(term.X) else term.X
    np.testing.assert_allclose(rows, X[5:], rtol=1e-6)
    np.testing.assert_allclose(term.target[:, 0], y[5:], rtol=1e-6)
    np.testing.assert_allclose(term.weight, WEIGHT[5:] / WEIGHT.sum(), rtol=1e-12)
    assert term.target.dtype == term.weight.dtype == torch.float64


def test_rows_without_weights_count_the_same():
    np.testing.assert_array_equal(term_of(RegularizedMLPRegressor(), X, X[:, 0]).weight, np.full(40, 1 / 40))


def test_classes_have_weights_and_smoothed_targets():
    of_class = {0: 1.0, 1: 2.0, 2: 0.5}
    model = RegularizedMLPClassifier(class_weight=of_class, label_smoothing=0.3)
    term = term_of(model, X, LABELS, WEIGHT)
    weight = (WEIGHT * np.array(list(of_class.values()))[LABELS])[5:]
    np.testing.assert_allclose(term.weight, weight / weight.sum(), rtol=1e-12)
    np.testing.assert_allclose(term.target, np.eye(3)[LABELS[5:]] * 0.7 + 0.1, rtol=1e-12)


def test_is_the_mean_that_training_minimizes():
    # A step as short as that leaves the network where the history has measured it.
    options = {"learning_rate_init": 1e-15, "max_iter": 1, "n_iter_no_change": np.inf, "penalty": None}
    model = RegularizedMLPClassifier(
        (4,), class_weight="balanced", label_smoothing=0.1, batch_size=35, random_state=0, **options
    ).fit(X, LABELS, WEIGHT)
    term = term_of(model, X, LABELS, WEIGHT)
    outputs = torch.from_numpy(np.log(model.predict_proba(term.X)))
    losses = model._make_loss().per_row(outputs.unsqueeze(0), term.target)[0]
    np.testing.assert_allclose(losses @ term.weight, model.history_["train_loss"][-1], rtol=1e-6)

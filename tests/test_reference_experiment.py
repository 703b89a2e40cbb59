"""The reference experiment on Fashion-MNIST, one seed; `make fashion` runs three and prints the table.

The bounds are those of three seeds' means, which single fits stay within.
"""

import os

import numpy as np
import pytest
from sklearn.exceptions import ConvergenceWarning
from sklearn.neural_network import MLPClassifier

from skreg import RegularizedMLPClassifier
from skreg.datasets import fetch_fashion_mnist

NETWORK = {"hidden_layer_sizes": (256, 128), "batch_size": 128, "max_iter": 10, "tol": 0, "n_iter_no_change": np.inf}
MODELS = {
    "baseline": {"penalty": None},
    "l2": {"penalty": "l2", "alpha": (0.02, 0, 0)},
    "dropout": {"penalty": None, "dropout": 0.5},
    "l1": {"penalty": "l1", "alpha": (3e-4, 0, 0)},
    "weak l1": {"penalty": "l1", "alpha": (1e-6, 0, 0)},
}


@pytest.fixture(scope="module")
def data():
    try:
        X, y = fetch_fashion_mnist(return_X_y=True, download_if_missing=False)
    except OSError as error:
        if os.environ.get("CI") == "true":
            raise
        pytest.skip(str(error))
    return (X[:48_000], y[:48_000]), (X[60_000:], y[60_000:])


@pytest.fixture(scope="module")
def fits(data):
    train, test = data
    models = {name: RegularizedMLPClassifier(random_state=0, **NETWORK, **m).fit(*train) for name, m in MODELS.items()}
    return models, {name: model.score(*test) for name, model in models.items()}


@pytest.mark.parametrize(
    ("name", "low", "high"),
    [("baseline", 0.865, 0.9), ("l2", 0.83, 0.875), ("dropout", 0.85, 0.89), ("l1", 0.84, 0.89)],
)
def test_accuracies_are_those_of_the_reference(fits, name, low, high):
    assert low < fits[1][name] < high


def test_l2_draws_the_first_layer_to_a_spike(fits):
    models, _ = fits
    assert models["l2"].coefs_[0].std() < 0.1 * models["baseline"].coefs_[0].std()


def test_l1_zeroes_more_than_half_of_the_first_layer_and_nothing_else(fits):
    models, _ = fits
    assert models["l1"].sparsity_[0] > 0.5
    assert models["l1"].sparsity_[1:].tolist() == [0, 0]
    assert models["baseline"].sparsity_.tolist() == [0, 0, 0]


def test_a_weak_l1_wipes_out_no_pixel_that_varies(fits, data):
    """It leaves every varying pixel most of its weights (see the note on METRIC_FLOOR in optim.py)."""
    (X, _), _ = data
    zeros = (fits[0]["weak l1"].coefs_[0] == 0)[X.std(axis=0) > 0]
    assert zeros.mean() < 0.05
    assert zeros.mean(axis=1).max() < 0.5


def test_weights_and_predictions_are_free_of_denormals(fits):
    tiny = np.finfo(np.float32).tiny
    for model in fits[0].values():
        for W in model.coefs_:
            assert not ((W != 0) & (np.abs(W) < tiny)).any()


def test_same_network_in_scikit_learn_reaches_the_same_accuracy(fits, data):
    train, test = data
    theirs = MLPClassifier((256, 128), batch_size=128, max_iter=10, random_state=0)
    with pytest.warns(ConvergenceWarning):
        theirs.fit(*train)
    assert abs(theirs.score(*test) - fits[1]["baseline"]) < 0.015

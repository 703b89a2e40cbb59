"""What the tests of the estimators to start with share: two small networks, data, and a frame of every kind."""

import numpy as np
from sklearn.datasets import make_classification
from sklearn.preprocessing import scale

from skreg import TabularMLPClassifier, TabularMLPRegressor
from tests.helpers import KINDS
from tests.preprocessing.tables import every_kind

N_ROWS = 60
# They stop on held-out rows, which is to keep the best of all epochs.
EPOCHS = {"max_iter": 6, "learning_rate_init": 0.05, "n_iter_no_change": np.inf, "early_stopping": True}
TABULAR = {"classifier": TabularMLPClassifier, "regressor": TabularMLPRegressor}
WEIGHT = np.random.default_rng(0).uniform(0.1, 3, N_ROWS)
WEIGHT[::9] = 0


def networks(kind="classifier", **options):
    """Return the names and the networks of a linear and of a small model."""
    own = {"target_transform": "standard"} if kind == "regressor" else {}
    options = {**EPOCHS, **own, **options}
    return [("linear", KINDS[kind]((), alpha=0.1, **options)), ("small", KINDS[kind]((4,), **options))]


def model(kind="classifier", *, network=None, **options):
    """Return an estimator of two networks, which get the options of ``network``, and of two folds."""
    options = {"members": networks(kind, **(network or {})), "cv": 2, "random_state": 0, **options}
    return TABULAR[kind](**options)


def data(kind="classifier", n_rows=N_ROWS, n_classes=3):
    """Return four columns, and labels, or numbers that the columns determine but for noise."""
    X, labels = make_classification(
        n_rows, 4, n_informative=3, n_redundant=0, n_classes=n_classes, n_clusters_per_class=1, random_state=0
    )
    X = scale(X)
    noise = np.random.default_rng(0).normal(size=n_rows)
    return X, labels if kind == "classifier" else 10 + 3 * X[:, 0] + labels + 0.3 * noise


def whole_table(kind="classifier", n_rows=80):
    """Return a frame with a column of every kind and gaps in each, and labels or numbers."""
    X, score = every_kind(n_rows)
    return X, score if kind == "regressor" else np.where(score > np.median(score), "high", "low")


def table(kind="classifier"):
    """Return a frame of numbers, categories and truth values with gaps, and labels or numbers."""
    X, y = whole_table(kind)
    return X[["income", "town", "owner", "share"]], y


def weighted_mean(values, weights):
    """Return the weighted mean of arrays, both by name."""
    return sum(weights[name] * np.asarray(values[name], dtype=np.float64) for name in weights)


def assert_same_networks(first, second):
    """Fail unless the networks of all folds of two fitted estimators have learnt the same numbers, bit for bit."""
    assert first.weights_ == second.weights_
    for ours, theirs in zip(first.folds_.members_, second.folds_.members_, strict=True):
        pairs = zip(ours[-1].networks_.values(), theirs[-1].networks_.values(), strict=True)
        for mine, other in pairs:
            for W, V in zip(mine.coefs_, other.coefs_, strict=True):
                np.testing.assert_array_equal(W, V)

"""What the tests of ensembles share: small networks, data, and an estimator that keeps the rows of its fit."""

import numpy as np
from sklearn.base import BaseEstimator, ClassifierMixin, RegressorMixin
from sklearn.datasets import make_classification
from sklearn.model_selection import KFold
from sklearn.preprocessing import scale

from skreg import RegularizedMLPClassifier, RegularizedMLPRegressor

N_ROWS = 90
SMALL = {"hidden_layer_sizes": (3,), "max_iter": 4, "learning_rate_init": 0.05, "n_iter_no_change": np.inf}
# One that is held out first is the first.
SPLITS = list(KFold(3, shuffle=True, random_state=3).split(np.zeros(N_ROWS)))
WEIGHT = np.random.default_rng(0).uniform(0.1, 3, N_ROWS)
WEIGHT[::9] = 0


def classes(n_classes=3):
    """Return five scaled columns, and labels."""
    X, y = make_classification(N_ROWS, 5, n_informative=4, n_redundant=0, n_classes=n_classes, random_state=0)
    return scale(X), y


def numbers(n_outputs=1):
    """Return five scaled columns, and numbers that they determine but for noise."""
    X, labels = classes()
    y = X[:, :n_outputs] + 0.3 * labels[:, None]
    return X, y[:, 0] if n_outputs == 1 else y


def classifier(**options):
    return RegularizedMLPClassifier(**{**SMALL, **options})


def regressor(**options):
    return RegularizedMLPRegressor(**{**SMALL, **options})


class KeptRows(BaseEstimator):
    """Estimator that keeps what it is fitted to; the first column of X is to hold the numbers of the rows."""

    def __init__(self, fails_on=None, random_state=None):
        self.fails_on = fails_on
        self.random_state = random_state

    def fit(self, X, y, sample_weight=None):
        self.rows_, self.weight_ = np.asarray(X)[:, 0].astype(int), sample_weight
        if self.fails_on in self.rows_:
            raise ValueError(f"row {self.fails_on} must not be trained on")
        self.n_features_in_ = X.shape[1]
        return self


class KeptRowsClassifier(ClassifierMixin, KeptRows):
    def fit(self, X, y, sample_weight=None):
        self.classes_ = np.unique(y)
        return super().fit(X, y, sample_weight)

    def predict_proba(self, X):
        return np.full((len(X), len(self.classes_)), 1 / len(self.classes_))

    def predict(self, X):
        return self.classes_[np.zeros(len(X), dtype=int)]


class KeptRowsRegressor(RegressorMixin, KeptRows):
    def predict(self, X):
        return np.asarray(X)[:, 0]


def numbered(X):
    """Return X with the numbers of its rows as the first column."""
    return np.column_stack([np.arange(len(X)), X])


def rows_of(ensemble):
    """Return the rows that each member has kept."""
    return [member.rows_ for member in ensemble.members_]

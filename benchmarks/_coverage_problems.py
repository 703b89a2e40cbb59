"""Problems of `bench_coverage.py`: ten that are simulated, and six real tables; fixed before anything was measured.

Each is a function of a generator that returns training and test rows, and a kind: ``regression`` or
``classification``. Simulated problems draw 300 training and 1,000 test rows anew. Of a real table 300 rows (wine: 120
of its 178, digits: 500) are drawn for training, and at most 1,000 of the others for the test.
"""

import numpy as np
from _tables import table, toy
from sklearn import datasets

N_TRAIN, N_TEST = 300, 1000


def linear(random):
    """Return ten columns, three of which matter, and normal noise."""
    X = random.normal(size=(N_TRAIN + N_TEST, 10))
    return X, X[:, :3].sum(axis=1) + random.normal(size=len(X))


def friedman1(random):
    """Return Friedman's first problem with ten columns and normal noise."""
    seed = int(random.integers(2**31))
    return datasets.make_friedman1(N_TRAIN + N_TEST, n_features=10, noise=1.0, random_state=seed)


def heteroscedastic(random):
    """Return noise whose scale grows with a column, from 0.1 to 1.1."""
    X = random.uniform(-1, 1, size=(N_TRAIN + N_TEST, 5))
    return X, X[:, 0] + X[:, 1] ** 2 + (0.6 + 0.5 * X[:, 2]) * random.normal(size=len(X))


def heavy_tails(random):
    """Return noise of Student's t distribution with three degrees of freedom."""
    X = random.normal(size=(N_TRAIN + N_TEST, 5))
    return X, X[:, 0] - X[:, 1] + random.standard_t(3, size=len(X))


def sine(random):
    """Return a sine of one column plus half another, among five."""
    X = random.uniform(-1, 1, size=(N_TRAIN + N_TEST, 5))
    return X, np.sin(np.pi * X[:, 0]) + 0.5 * X[:, 1] + 0.3 * random.normal(size=len(X))


def _blobs(random, centres):
    y = random.integers(len(centres), size=N_TRAIN + N_TEST)
    return centres[y] + random.normal(size=(len(y), centres.shape[1])), y


def two_blobs(random):
    """Return two normal classes in five columns, whose centres are two standard deviations apart."""
    return _blobs(random, np.array([[-1.0, 0, 0, 0, 0], [1.0, 0, 0, 0, 0]]))


def four_blobs(random):
    """Return four normal classes at the corners of a square with sides of two standard deviations."""
    return _blobs(random, np.array([[-1.0, -1, 0, 0], [-1, 1, 0, 0], [1, -1, 0, 0], [1, 1, 0, 0]]))


def xor(random):
    """Return the exclusive or of the signs of two columns among four; 10 % of the labels are turned."""
    X = random.normal(size=(N_TRAIN + N_TEST, 4))
    return X, ((X[:, 0] > 0) ^ (X[:, 1] > 0) ^ (random.random(len(X)) < 0.1)).astype(int)


def imbalanced(random):
    """Return two normal classes, 20 % in the second, whose centres are 1.5 standard deviations apart."""
    y = (random.random(N_TRAIN + N_TEST) < 0.2).astype(int)
    return 1.5 * y[:, None] * np.eye(5)[0] + random.normal(size=(len(y), 5)), y


def label_noise(random):
    """Return three classes that are well apart, with 20 % of the labels drawn anew."""
    X, y = _blobs(random, 3 * np.eye(3, 5))
    return X, np.where(random.random(len(y)) < 0.2, random.integers(3, size=len(y)), y)


SIMULATED = {
    "linear": (linear, "regression"),
    "friedman1": (friedman1, "regression"),
    "heteroscedastic": (heteroscedastic, "regression"),
    "heavy_tails": (heavy_tails, "regression"),
    "sine": (sine, "regression"),
    "two_blobs": (two_blobs, "classification"),
    "four_blobs": (four_blobs, "classification"),
    "xor": (xor, "classification"),
    "imbalanced": (imbalanced, "classification"),
    "label_noise": (label_noise, "classification"),
}
# Loader, kind, training rows.
REAL = {
    "diabetes": (lambda: toy(datasets.load_diabetes), "regression", 300),
    "SaratogaHouses": (lambda: table("mosaicData", "SaratogaHouses", "price"), "regression", 300),
    "Wage": (lambda: table("ISLR", "Wage", "wage", ["logwage"]), "regression", 300),
    "breast_cancer": (lambda: toy(datasets.load_breast_cancer), "classification", 300),
    "wine": (lambda: toy(datasets.load_wine), "classification", 120),
    "digits": (lambda: toy(datasets.load_digits), "classification", 500),
}
PROBLEMS = (*SIMULATED, *REAL)


def kind_of(name):
    """Return 'regression' or 'classification'."""
    return {**SIMULATED, **REAL}[name][1]


def draw(name, split):
    """Return X_train, X_test, y_train and y_test of one split of a problem."""
    random = np.random.default_rng([PROBLEMS.index(name), split])
    if name in SIMULATED:
        X, y = SIMULATED[name][0](random)
        n_train = N_TRAIN
    else:
        load, _, n_train = REAL[name]
        X, y = load()
        rows = random.permutation(len(X))[: n_train + N_TEST]
        X, y = X[rows], y[rows]
    return X[:n_train], X[n_train:], y[:n_train], y[n_train:]

"""Settings and data that the tests share."""

import os

# scikit-learn runs its array API check only where scipy was told to support it, before its first import.
os.environ.setdefault("SCIPY_ARRAY_API", "1")

import matplotlib.pyplot as plt
import numpy as np
import pytest
from sklearn.datasets import load_digits
from sklearn.preprocessing import scale
from tqdm import tqdm

from skreg.stopping import split_validation

# Otherwise a failed assertion in them does not say what was compared.
pytest.register_assert_rewrite("tests.helpers", "tests.search_helpers")


@pytest.fixture(scope="session")
def digits():
    """Return digits scaled to [0, 1] in float32."""
    X, y = load_digits(return_X_y=True)
    return (X / 16).astype(np.float32), y


@pytest.fixture(scope="session")
def linear_problem():
    """Return 200 correlated rows of 20 standardized columns, of which five matter, and three targets."""
    rng = np.random.default_rng(0)
    X = scale(rng.normal(size=(200, 20)) @ (np.eye(20) + 0.2 * rng.normal(size=(20, 20))))
    weights = np.zeros((20, 3))
    weights[:5] = rng.normal(size=(5, 3)) + 1
    return X, X @ weights + 0.5 * rng.normal(size=(200, 3))


@pytest.fixture(scope="session")
def held_out():
    """Return a function that gives the rows which early stopping holds out with random_state=0."""

    def rows(n_rows, classes=None):
        seed = np.random.RandomState(0).randint(2**31 - 1, size=4)[3]
        return split_validation(n_rows, 0.1, classes=classes, seed=int(seed))[1]

    return rows


@pytest.fixture(autouse=True)
def closed_figures():
    """Begin without figures, and close those that a test leaves open."""
    plt.close("all")
    yield
    plt.close("all")


@pytest.fixture(autouse=True)
def seeded_generator():
    """Seed numpy's global generator: what scikit-learn draws from it must not depend on the tests before."""
    np.random.seed(0)  # noqa: NPY002 - the legacy generator is the one that is global


@pytest.fixture
def bars(monkeypatch):
    """Return a list that gets the description, count and total of every visible progress bar at its end.

    What a bar has written before depends on how fast the machine is: it is redrawn ten times a second at most.
    """
    ended = []

    def close(bar, closed=tqdm.close):
        if not bar.disable:
            ended.append((bar.desc, bar.n, bar.total))
        closed(bar)

    monkeypatch.setattr(tqdm, "close", close)
    return ended


@pytest.fixture
def global_state():
    """Fail if a test leaves the global state of torch, numpy or Python's generator other than it found it."""

    from tests.helpers import state_around  # after its assertions are registered

    before = state_around()
    yield
    assert state_around() == before

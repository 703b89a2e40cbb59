"""Data that the tests of inspection share."""

import pytest
from sklearn.datasets import load_iris
from sklearn.preprocessing import scale


@pytest.fixture(scope="session")
def iris():
    """Return the three classes of iris, with scaled columns."""
    X, y = load_iris(return_X_y=True)
    return scale(X), y

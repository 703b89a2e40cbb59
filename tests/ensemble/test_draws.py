import numpy as np
import pandas as pd
import pytest
from scipy import sparse, stats

from skreg.ensemble import _draws
from skreg.ensemble._draws import row_draws


def normal_rows(n_rows=2000):
    return np.random.default_rng(0).normal(size=(n_rows, 3))


@pytest.mark.parametrize("seed", [0, 1])
@pytest.mark.parametrize(
    "X", [normal_rows(), np.arange(2000)[:, None], pd.DataFrame({"a": np.arange(2000).astype(str)})]
)
def test_draws_are_uniform_and_independent_of_each_other(X, seed):
    draws = row_draws(X, seed)
    assert draws.min() >= 0
    assert draws.max() < 1
    assert stats.kstest(draws, "uniform").pvalue > 0.01
    assert abs(np.corrcoef(draws[1:], draws[:-1])[0, 1]) < 0.06
    # What is left of a draw after the choice of a fold is a draw, too.
    assert stats.kstest(draws * 5 % 1, "uniform").pvalue > 0.01


def test_draws_follow_from_the_row_and_the_seed():
    X = normal_rows(50)
    order = np.random.default_rng(1).permutation(50)
    np.testing.assert_array_equal(row_draws(X)[order], row_draws(X[order]))
    assert row_draws(X)[7] == row_draws(X[7:8])[0]
    assert np.abs(np.corrcoef(row_draws(X, 0), row_draws(X, 1))[0, 1]) < 0.4
    assert (row_draws(X, 0) != row_draws(X, 1)).all()
    assert len(set(row_draws(np.repeat(X[:1], 3, axis=0)))) == 1


def test_equal_numbers_of_other_types_have_equal_draws(monkeypatch):
    X = np.array([[0, 1], [2, 0], [-3, 5]])
    expected = row_draws(X)
    np.testing.assert_array_equal(row_draws(X.astype(float)), expected)
    np.testing.assert_array_equal(row_draws(np.where(X == 0, -0.0, X)), expected)
    np.testing.assert_array_equal(row_draws(X.tolist()), expected)
    monkeypatch.setattr(_draws, "BLOCK_SIZE", 4)
    np.testing.assert_array_equal(row_draws(sparse.csr_array(X)), expected)
    assert row_draws(sparse.csr_array((0, 2))).shape == (0,)


def test_frames_have_the_draws_of_their_columns():
    X = np.array([[0, 1], [2, 0], [-3, 5]])
    expected = row_draws(X)
    for types in ("int8", "float32", "Int64", {"a": "float32", "b": "int64"}):
        frame = pd.DataFrame(X, columns=["a", "b"], index=[7, 3, 3]).astype(types)
        np.testing.assert_array_equal(row_draws(frame), expected)
    np.testing.assert_array_equal(row_draws(pd.DataFrame(X, columns=["a", "a"])), expected)
    np.testing.assert_array_equal(row_draws(X.astype(np.float32)), expected)
    np.testing.assert_array_equal(row_draws(X.reshape(3, 1, 2)), expected)
    holed = pd.DataFrame({"a": [1.0, np.nan], "b": ["x", None]})
    integers = pd.DataFrame({"a": [1], "b": ["x"]})
    assert row_draws(holed)[0] == row_draws(integers)[0]
    assert row_draws(holed)[1] == row_draws(holed[1:])[0]


def test_texts_are_rows_too():
    texts = ["one", "two", "three"]
    np.testing.assert_array_equal(row_draws(texts), row_draws(pd.DataFrame({"text": texts})))
    assert row_draws(texts[1:2])[0] == row_draws(texts)[1]

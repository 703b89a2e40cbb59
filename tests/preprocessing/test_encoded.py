"""Encoded tables keep the original columns of their features where the columns stay the same, and nowhere else."""

import copy
import io
import pickle

import joblib
import numpy as np
import pandas as pd
import pytest
from sklearn.model_selection import train_test_split
from sklearn.utils import resample

from skreg.preprocessing._encoded import EncodedTable, source_columns_of

SOURCES = [0, 0, 2, 5]
VALUES = np.arange(16, dtype=np.float32).reshape(4, 4)


@pytest.fixture
def table():
    return EncodedTable(VALUES.copy(), SOURCES)


def through_joblib(table):
    file = io.BytesIO()
    joblib.dump(table, file)
    file.seek(0)
    return joblib.load(file)


@pytest.mark.parametrize(
    "select",
    [
        lambda X: X[1:3],
        lambda X: X[[2, 0]],
        lambda X: X[np.array([2, 0, 0])],
        lambda X: X[np.array([True, False, True, True])],
        lambda X: X[np.array([1, 2]), ...],
        lambda X: X[::-1, :],
        lambda X: X[...],
        lambda X: X[:0],
        lambda X: X.take([1, 3], axis=0),
        lambda X: np.take(X, [1, 3], axis=0),
        lambda X: train_test_split(X, random_state=0)[1],
        lambda X: resample(X, n_samples=6, random_state=0),
        lambda X: X.copy(),
        lambda X: copy.copy(X),
        lambda X: copy.deepcopy([X])[0],
        lambda X: X.astype(np.float64),
        lambda X: pickle.loads(pickle.dumps(X, 2)),
        lambda X: pickle.loads(pickle.dumps(X, 5)),
        through_joblib,
    ],
)
def test_rows_and_copies_keep_the_columns(table, select):
    expected = np.asarray(select(VALUES))
    result = select(table)
    assert isinstance(result, EncodedTable)
    np.testing.assert_array_equal(np.asarray(result), expected)
    assert result.dtype == expected.dtype
    np.testing.assert_array_equal(source_columns_of(result), SOURCES)


@pytest.mark.parametrize(
    "change",
    [
        lambda X: X[:, [1, 0, 2, 3]],
        lambda X: X[:, ::-1],
        lambda X: X[:, :2],
        lambda X: X[1],
        lambda X: X[1, :],
        lambda X: X[[0, 1], [1, 2]],
        lambda X: X[X > 3],
        lambda X: X[np.array([[0, 1], [2, 3]])],
        lambda X: X[None],
        lambda X: X[[0, 1], :, None],
        lambda X: X[..., 0],
        lambda X: X.take([0, 1], axis=1),
        lambda X: X.T,
        lambda X: X.reshape(4, 4),
        lambda X: X @ np.eye(4)[::-1],
        lambda X: X * 2,
        lambda X: X.sum(axis=0),
        lambda X: np.hstack([X[:, 2:], X[:, :2]]),
        lambda X: np.asarray(X),
    ],
)
def test_what_may_change_columns_loses_them(table, change):
    expected = change(VALUES)
    result = change(table)
    np.testing.assert_array_equal(np.asarray(result), expected)
    assert source_columns_of(result) is None


def test_values_are_shared_and_numbers_are_numbers(table):
    values = VALUES.copy()
    EncodedTable(values, SOURCES)[1:][0, 0] = -1
    assert values[1, 0] == -1
    assert type(table[1, 2]) is np.float32
    with pytest.raises(ValueError, match="read-only"):
        table.source_columns[0] = 3


def test_original_columns_must_go_with_the_values():
    with pytest.raises(ValueError, match=r"one number for each column of a table; got shape \(3,\) for .* \(4, 4\)"):
        EncodedTable(VALUES, [0, 1, 2])
    assert EncodedTable(VALUES, None).source_columns is None


def test_frames_are_read_by_their_names():
    frame = pd.DataFrame(VALUES, columns=list("abcd"))
    assert source_columns_of(frame) is None
    frame.attrs.update(source_columns=SOURCES, encoded_columns=list("abcd"))
    np.testing.assert_array_equal(source_columns_of(frame.iloc[[2, 1]]), SOURCES)
    np.testing.assert_array_equal(source_columns_of(frame[["d", "a"]]), [5, 0])
    assert source_columns_of(frame.rename(columns={"a": "e"})) is None
    assert source_columns_of(frame["a"]) is None


@pytest.mark.parametrize("value", [list("abcd"), {"a": "lab"}, 3, [0, 1, 1, 0, 5]])
def test_attributes_of_the_user_are_none(value):
    frame = pd.DataFrame(VALUES, columns=list("abcd"))
    frame.attrs["source_columns"] = value
    assert source_columns_of(frame) is None


@pytest.mark.parametrize("X", [None, [[1.0]], VALUES, "text", 3])
def test_others_have_none(X):
    assert source_columns_of(X) is None

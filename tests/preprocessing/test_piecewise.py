"""Pieces of numbers against numpy's interpolation, and against scikit-learn's splines of degree 1."""

import numpy as np
import pandas as pd
import pytest
from sklearn.base import clone
from sklearn.linear_model import LinearRegression
from sklearn.preprocessing import SplineTransformer
from sklearn.utils.estimator_checks import parametrize_with_checks

from skreg.preprocessing import PiecewiseLinearEncoder, TableEncoder
from skreg.preprocessing._encoded import EncodedTable, source_columns_of
from tests.preprocessing.tables import every_kind

RANDOM = np.random.default_rng(0)
X = np.column_stack([RANDOM.normal(size=200), RANDOM.exponential(size=200), RANDOM.integers(0, 2, 200)])


@parametrize_with_checks([PiecewiseLinearEncoder()])
def test_estimator_checks(estimator, check):
    check(estimator)


@pytest.mark.parametrize("n_bins", [2, 5, 8])
def test_features_of_the_pieces(n_bins):
    encoder = PiecewiseLinearEncoder(n_bins).fit(X)
    found = np.asarray(encoder.transform(X))
    assert found.shape == (200, 3 + 2 * n_bins)
    np.testing.assert_array_equal(found[:, :3], X)
    assert encoder.bin_edges_[2] is None
    for j in range(2):
        edges = np.quantile(X[:, j], np.linspace(0, 1, n_bins + 1))
        np.testing.assert_allclose(encoder.bin_edges_[j], edges)
        for number in range(n_bins):
            expected = np.interp(X[:, j], edges[number : number + 2], [0, 1])
            np.testing.assert_allclose(found[:, 3 + j * n_bins + number], expected, atol=1e-12)


def test_linear_models_of_them_are_splines_of_degree_one():
    x, y = X[:, [0]], np.sin(3 * X[:, 0])
    pieces = np.asarray(PiecewiseLinearEncoder(6).fit_transform(x))[:, 1:]
    splines = SplineTransformer(7, degree=1, knots="quantile").fit_transform(x)
    predicted = [LinearRegression().fit(features, y).predict(features) for features in (pieces, splines)]
    np.testing.assert_allclose(*predicted, atol=1e-8)


def test_equal_numbers_make_pieces_of_zeros():
    x = np.concatenate([np.zeros(90), np.arange(1.0, 11)])[:, None]
    encoder = PiecewiseLinearEncoder(4, min_unique=2).fit(x)
    found = np.asarray(encoder.transform([[-1.0], [0.0], [5.0], [50.0]]))
    np.testing.assert_array_equal(found[:, 1:4], 0)
    np.testing.assert_allclose(found[:, 4], [0, 0, 0.5, 1])


def test_parameters_that_are_set_after_fit_act_from_the_next_fit_on():
    encoder = PiecewiseLinearEncoder(4).fit(X)
    before, names = np.asarray(encoder.transform(X)), encoder.get_feature_names_out()
    encoder.set_params(n_bins=2)
    np.testing.assert_array_equal(encoder.transform(X), before)
    assert encoder.get_feature_names_out().tolist() == names.tolist()
    assert encoder.fit_transform(X).shape == (200, 7)


@pytest.mark.parametrize(("min_unique", "n_features"), [(2, 9), (3, 6), (4, 3)])
def test_columns_with_few_numbers_have_no_pieces(min_unique, n_features):
    x = np.column_stack([np.tile([0, 1], 6), np.tile([0, 1, 2], 4), np.ones(12)])
    found = PiecewiseLinearEncoder(3, min_unique=min_unique).fit_transform(x)
    assert found.shape == (12, n_features)


def test_dtypes_are_kept_and_close_edges_are_told_apart():
    single = X.astype(np.float32)
    assert PiecewiseLinearEncoder().fit_transform(single).dtype == np.float32
    assert PiecewiseLinearEncoder().fit_transform(X).dtype == np.float64
    close = (1 + np.arange(10) * 2**-23).astype(np.float32)[:, None]  # neighbours in single precision
    found = np.asarray(PiecewiseLinearEncoder(9).fit_transform(close))
    assert np.isfinite(found).all()
    assert (np.diff(found[:, 1:].sum(axis=1)) > 0.99).all()


def test_columns_of_the_original_table():
    frame, _ = every_kind(80)
    encoded = TableEncoder().fit(frame).transform(frame)
    encoder = PiecewiseLinearEncoder(3).fit(encoded)
    found = encoder.transform(encoded)
    assert isinstance(found, EncodedTable)
    np.testing.assert_array_equal(found.source_columns, encoder.source_columns_)
    np.testing.assert_array_equal(encoder.source_columns_, encoded.source_columns[encoder.input_features_])
    np.testing.assert_array_equal(encoder.input_features_[: encoded.shape[1]], np.arange(encoded.shape[1]))
    plain = PiecewiseLinearEncoder(3).fit(np.asarray(encoded))
    np.testing.assert_array_equal(plain.source_columns_, plain.input_features_)


def test_frames_and_names():
    frame = pd.DataFrame(X, columns=["dose", "rate", "sex"], index=np.arange(200)[::-1])
    encoder = PiecewiseLinearEncoder(2).set_output(transform="pandas")
    found = encoder.fit_transform(frame)
    assert found.columns.tolist() == [
        *frame.columns, "dose_piece0", "dose_piece1", "rate_piece0", "rate_piece1"
    ]  # fmt: skip
    assert found.index.equals(frame.index)
    np.testing.assert_array_equal(source_columns_of(found), [0, 1, 2, 0, 0, 1, 1])
    np.testing.assert_array_equal(source_columns_of(found.iloc[:, [4, 5]]), [0, 1])
    names = PiecewiseLinearEncoder(2).fit(X).get_feature_names_out()
    assert names.tolist() == ["x0", "x1", "x2", "x0_piece0", "x0_piece1", "x1_piece0", "x1_piece1"]


@pytest.mark.parametrize(
    ("parameters", "text"),
    [
        ({"n_bins": 1}, r"'n_bins' parameter .* int in the range \[2, inf\). Got 1"),
        ({"n_bins": 2.5}, r"'n_bins' parameter .* Got 2.5"),
        ({"min_unique": 1}, r"'min_unique' parameter .* int in the range \[2, inf\). Got 1"),
    ],
)
def test_wrong_parameters(parameters, text):
    encoder = PiecewiseLinearEncoder(**parameters)
    with pytest.raises(ValueError, match=text):
        encoder.fit(X)
    assert vars(encoder) == vars(clone(encoder))


def test_wrong_rows():
    encoder = PiecewiseLinearEncoder().fit(X)
    gaps = np.where(np.arange(200)[:, None] == 3, np.nan, X)
    for call in (encoder.transform, PiecewiseLinearEncoder().fit):
        with pytest.raises(ValueError, match="contains NaN"):
            call(gaps)
    with pytest.raises(ValueError, match="X has 2 features, but PiecewiseLinearEncoder is expecting 3"):
        encoder.transform(X[:, :2])

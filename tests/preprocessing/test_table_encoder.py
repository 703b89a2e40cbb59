"""What the encoder of tables makes of each kind of column, and of tables that are not as they should be."""

import datetime
import io
import pickle
import subprocess
import sys
from decimal import Decimal

import numpy as np
import pandas as pd
import polars as pl
import pytest
import scipy.sparse
import skrub
from sklearn import config_context
from sklearn.base import clone
from sklearn.exceptions import NotFittedError
from sklearn.linear_model import RidgeCV
from sklearn.model_selection import KFold, cross_val_predict
from sklearn.preprocessing import OrdinalEncoder, TargetEncoder
from sklearn.utils.estimator_checks import parametrize_with_checks

from skreg._seeds import fresh_seed, random_numbers
from skreg.preprocessing import TableEncoder, _plan
from skreg.preprocessing._encoded import EncodedTable, source_columns_of
from tests.preprocessing.tables import every_kind, with_strange_values


@parametrize_with_checks([TableEncoder(), TableEncoder(dtype="float64", min_frequency=0.1)])
def test_scikit_learns_checks(estimator, check):
    check(estimator)


@pytest.fixture(scope="module")
def table():
    return every_kind()


@pytest.fixture(scope="module")
def fitted(table):
    """Return an encoder of the table, fitted, for tests that change nothing in it."""
    X, y = table
    return TableEncoder(cardinality_threshold=30, target_type="continuous").fit(X, y)


def encode(frame, y=None, **options):
    """Return a frame of features, in double precision."""
    options = {"min_frequency": 1, "dtype": np.float64} | options
    return TableEncoder(**options).set_output(transform="pandas").fit_transform(frame, y)


def encoded_column(values, y=None, **options):
    return encode(pd.DataFrame({"x": values}), y, **options)


def squashed(values, bound=3):
    """Return the formula of the documentation, for quartiles that differ."""
    low, median, high = np.nanpercentile(values[np.isfinite(values)], [25, 50, 75])
    z = (values - median) / (high - low)
    with np.errstate(invalid="ignore"):
        z = np.where(np.isinf(z), bound * np.sign(z), z / np.sqrt(1 + (z / bound) ** 2))
    return np.where(np.isnan(z), 0, z)


class TestEveryKind:
    def test_kinds(self, table, fitted):
        kinds = {
            "number": ["income", "n_rooms", "share", "infinite", "price", "size"],
            "boolean": ["owner", "garden", "heated"],
            "category": ["town", "region", "grade", "code", "street", "mixed", "range"],
            "text": ["owned_by"],
            "date": ["since", "until", "seen", "born", "month"],
            "duration": ["stay", "at"],
            "dropped": ["id", "one", "seven"],
        }
        assert fitted.kinds_ == {name: kind for kind, names in kinds.items() for name in names}
        assert list(fitted.kinds_) == list(table[0].columns)

    def test_features_are_finite_and_small(self, table, fitted):
        X, y = table
        encoded = clone(fitted).fit_transform(X, y)
        assert isinstance(encoded, EncodedTable)
        assert encoded.dtype == np.float32
        assert encoded.flags.c_contiguous
        assert np.abs(encoded).max() <= 3
        assert (encoded.std(axis=0) > 0).all()
        assert (encoded.min(axis=0) < encoded.max(axis=0)).all()

    def test_new_rows_with_anything(self, table, fitted):
        X, _ = table
        new = with_strange_values(X)
        encoded = fitted.transform(new)
        assert np.isfinite(encoded).all()
        names = fitted.get_feature_names_out().tolist()
        assert encoded[0, names.index("town_rare")] == 1
        assert encoded[1, [names.index(f"grade_{level}") for level in "abc"]].any() == 0
        assert encoded[2, names.index("infinite")] == -3
        assert encoded[2, names.index("income")] == 3
        assert (encoded[:, names.index("n_rooms")] == 0).all()
        assert (encoded[:, names.index("n_rooms_missing")] == 1).all()

    def test_rows_do_not_depend_on_each_other(self, table, fitted):
        X, _ = table
        whole = fitted.transform(X)
        for rows in (slice(0, 1), slice(40, 80), [7, 5, 3]):
            np.testing.assert_allclose(fitted.transform(X.iloc[rows]), whole[rows], atol=1e-6)

    def test_columns_of_the_features(self, table, fitted):
        X, _ = table
        names = fitted.get_feature_names_out()
        sources = fitted.source_columns_
        assert len(names) == len(sources) == fitted.transform(X[:5]).shape[1] == len(set(names))
        assert all(name.startswith(X.columns[source]) for name, source in zip(names, sources, strict=True))
        assert (np.diff(sources) >= 0).all()
        np.testing.assert_array_equal(source_columns_of(fitted.transform(X)[3:9]), sources)
        dropped = {j for j, kind in enumerate(fitted.kinds_.values()) if kind == "dropped"}
        assert set(sources) == set(range(X.shape[1])) - dropped

    def test_frames_of_polars_give_the_same(self, table, fitted):
        X, y = table
        X = X.drop(columns=["price", "mixed", "seen", "month", "range", "id", "one", "at"])
        there = pl.DataFrame(
            {
                name: pl.Series(
                    name,
                    [None if value is pd.NaT or pd.isna(value) else value for value in X[name].astype(object)],
                    dtype=pl.Categorical if name in ("grade",) else pl.Duration if name == "stay" else None,
                    strict=False,
                )
                for name in X
                if name != "code"
            }
        )
        encoder = clone(fitted).fit(X.drop(columns="code"), y)
        other = clone(fitted).fit(there, y)
        assert encoder.kinds_ == other.kinds_
        np.testing.assert_allclose(other.transform(there), encoder.transform(X.drop(columns="code")), atol=1e-5)
        frame = clone(fitted).set_output(transform="polars").fit(there, y).transform(there)
        assert frame.columns == other.get_feature_names_out().tolist()

    @pytest.mark.parametrize("high_cardinality", ["target", "string"])
    @pytest.mark.parametrize("output", ["pandas", "polars"])
    def test_frames_may_be_set_for_all_transformers(self, table, output, high_cardinality):
        X, y = table
        X = X.reset_index(drop=True)
        encoder = TableEncoder(cardinality_threshold=5, high_cardinality=high_cardinality, random_state=0)
        expected = clone(encoder).set_output(transform=output)
        of_training, of_others = expected.fit_transform(X, y), expected.transform(X[:9])
        with config_context(transform_output=output):
            for found, own in ((encoder.fit_transform(X, y), of_training), (encoder.transform(X[:9]), of_others)):
                assert type(found) is type(own)
                assert found.equals(own)

    def test_copies_and_pickles(self, table, fitted):
        X, y = table
        expected = fitted.transform(X)
        np.testing.assert_array_equal(pickle.loads(pickle.dumps(fitted)).transform(X), expected)
        np.testing.assert_array_equal(clone(fitted).fit(X, y).transform(X), expected)

    def test_the_table_is_left_alone(self, table):
        X, y = table
        before = X.copy(deep=True)
        TableEncoder().fit_transform(X, y)
        pd.testing.assert_frame_equal(X, before)


class TestNumbers:
    VALUES = np.append(np.random.default_rng(0).lognormal(size=60), [np.nan, np.inf, -np.inf])

    @pytest.mark.parametrize("bound", [3, 10.0])
    def test_formula(self, bound):
        encoded = encoded_column(self.VALUES, max_absolute_value=bound)
        np.testing.assert_allclose(encoded["x"], squashed(self.VALUES, bound), atol=1e-12)
        np.testing.assert_array_equal(encoded["x_missing"], np.isnan(self.VALUES))

    def test_without_bound(self):
        finite = self.VALUES[:60]
        low, median, high = np.percentile(finite, [25, 50, 75])
        expected = np.arcsinh((finite - median) / (high - low))
        encoded = encoded_column(self.VALUES, max_absolute_value=None)
        expected = np.append(expected, [0, expected.max() + 1, expected.min() - 1])
        np.testing.assert_allclose(encoded["x"], expected, atol=1e-12)

    def test_rows_without_bound(self):
        encoder = TableEncoder(max_absolute_value=None, dtype=np.float64).fit(np.arange(20.0)[:, None])
        # Far out, ten times as much is as much more.
        steps = np.diff(encoder.transform(10.0 ** np.arange(4, 40)[:, None])[:, 0])
        np.testing.assert_allclose(steps, np.log(10), rtol=1e-3)
        # Numbers beyond 1e100 are infinite.
        of_infinite = encoder.transform([[np.inf], [1e200], [-np.inf], [19.0], [0.0]])[:, 0]
        np.testing.assert_allclose(of_infinite[:3], of_infinite[[3, 3, 4]] + [1, 1, -1])

    def test_infinity_beside_one_number_without_bound(self):
        values = np.array([np.inf, 1.0, 1.0, -np.inf, 1.0, np.nan])
        np.testing.assert_array_equal(encoded_column(values, max_absolute_value=None)["x"], [1, 0, 0, -1, 0, 0])

    @pytest.mark.parametrize(("bound", "far"), [(3.0, [3, 3, 3]), (None, [60, 110, 110])])
    @pytest.mark.filterwarnings("error")
    def test_rows_far_beyond_tiny_ones(self, bound, far):
        """Their squares are infinite."""
        encoder = TableEncoder(max_absolute_value=bound, dtype=np.float64).fit(self.VALUES[:60, None] * 1e-120)
        found = encoder.transform([[1e-90], [1e60], [1e99]])[:, 0]
        assert (found >= far).all() if bound is None else (found == far).all()
        TableEncoder(max_absolute_value=bound).fit_transform(self.VALUES[:60, None] * 1e-320)

    def test_pickles_of_before(self):
        encoder = TableEncoder().fit(self.VALUES[:60, None])
        expected = encoder.transform(self.VALUES[:60, None])
        for block in encoder._plan._blocks.values():
            for scaling in block._scalings:
                del scaling.limits, scaling.ends
        np.testing.assert_array_equal(encoder.transform(self.VALUES[:60, None]), expected)

    @pytest.mark.parametrize("unit", [1e-300, 1e-20, 2.0**-40, 1e90])
    def test_units_do_not_matter(self, unit):
        finite = self.VALUES[:60]
        np.testing.assert_allclose(encoded_column(finite * unit)["x"], squashed(finite), rtol=1e-9)

    def test_numbers_beyond_1e100_are_infinite(self):
        values = np.append(np.arange(20.0), [1e200, -1e308])
        np.testing.assert_array_equal(encoded_column(values)["x"][-2:], [3, -3])
        encoder = TableEncoder().fit(np.arange(20.0)[:, None])
        np.testing.assert_array_equal(encoder.transform([[1e200], [-1e308], [1e90]]), [[3], [-3], [3]])

    def test_strings_of_infinite_numbers(self):
        values = [*map(str, range(20)), "-inf", "inf"]
        np.testing.assert_array_equal(encoded_column(values)["x"][-2:], [-3, 3])
        assert TableEncoder(min_frequency=1).fit(pd.DataFrame({"x": ["inf", "-inf"]})).kinds_ == {"x": "category"}

    def test_masked_arrays(self):
        X = np.ma.masked_array([[1, 5], [2, 6], [3, 9], [4, 1]], mask=[[0, 0], [0, 1], [0, 0], [0, 0]])
        encoded = TableEncoder(min_frequency=1).fit_transform(X)
        np.testing.assert_array_equal(
            encoded, TableEncoder(min_frequency=1).fit_transform(X.astype(float).filled(np.nan))
        )
        np.testing.assert_array_equal(encoded[:, 2], [0, 1, 0, 0])
        X = np.ma.masked_array(X.astype(object), mask=X.mask)
        np.testing.assert_array_equal(TableEncoder(min_frequency=1).fit_transform(X), encoded)

    def test_columns_with_equal_quartiles_vary(self):
        encoded = encoded_column(np.r_[np.zeros(20), 1.0])
        assert encoded["x"].nunique() == 2

    @pytest.mark.parametrize("shape", [(7, 50), (90, 2)])
    def test_wide_and_long_tables_are_worked_on_in_parts(self, shape, monkeypatch):
        monkeypatch.setattr("skreg.preprocessing._blocks.CHUNK", 40)
        X = np.random.default_rng(0).normal(size=shape)
        encoder = TableEncoder(dtype="float64").fit(X)
        np.testing.assert_allclose(encoder.transform(X), np.stack([squashed(x) for x in X.T], axis=1), atol=1e-12)
        more = np.concatenate([X, X])
        np.testing.assert_array_equal(encoder.transform(more)[len(X) :], encoder.transform(X))

    def test_few_missing_values_have_no_indicator(self):
        values = np.r_[np.arange(20.0), [np.nan] * 4]
        assert list(encoded_column(values, min_frequency=5)) == ["x"]
        assert list(encoded_column(values, min_frequency=4)) == ["x", "x_missing"]
        assert list(encoded_column(values, min_frequency=0.2)) == ["x"]
        assert list(encoded_column(values[:21], min_frequency=None)) == ["x", "x_missing"]

    @pytest.mark.parametrize(
        "values",
        [
            [1, 2, 4, None],
            pd.array([1, 2, 4, None], dtype="Int8"),
            pd.array([1, 2, 4, None], dtype="Float64"),
            pd.Series(["1", " 2", "4.0", "N/A"]),
            pd.Series([1, "2", 4.0, "?"], dtype=object),
            pd.Series([1, Decimal(2), np.float32(4), Decimal("nan")], dtype=object),
            pd.arrays.SparseArray([1.0, 2, 4, np.nan]),
            np.array([1, 2, 4, np.nan], dtype=np.float16),
        ],
    )
    def test_numbers_of_any_dtype(self, values):
        np.testing.assert_allclose(encoded_column(values)["x"], squashed(np.array([1, 2, 4, np.nan])))


class TestCategories:
    def test_levels_rare_levels_and_missing_values(self):
        values = ["a"] * 5 + ["b"] * 3 + ["c"] * 2 + ["d"] + [None] * 3
        encoder = TableEncoder(min_frequency=3).fit(pd.DataFrame({"x": values}))
        assert encoder.get_feature_names_out().tolist() == ["x_a", "x_b", "x_rare", "x_missing"]
        new = pd.DataFrame({"x": ["a", "c", "d", "new", None, "b"]})
        expected = [[1, 0, 0, 0], [0, 0, 1, 0], [0, 0, 1, 0], [0, 0, 1, 0], [0, 0, 0, 1], [0, 1, 0, 0]]
        np.testing.assert_array_equal(encoder.transform(new), expected)

    def test_unseen_levels_and_gaps_without_rare_levels_in_training(self):
        encoder = TableEncoder(min_frequency=None).fit(pd.DataFrame({"x": list("aabbc")}))
        encoded = encoder.transform(pd.DataFrame({"x": ["new", None, "a"]}))
        np.testing.assert_array_equal(encoded, [[0, 0, 0], [0, 0, 0], [1, 0, 0]])

    def test_two_levels_are_one_feature(self):
        encoder = TableEncoder(min_frequency=1).fit(pd.DataFrame({"x": ["no", "yes", None, "no"]}))
        assert encoder.get_feature_names_out().tolist() == ["x_yes", "x_missing"]
        encoded = encoder.transform(pd.DataFrame({"x": ["yes", "no", None, "perhaps"]}))
        np.testing.assert_array_equal(encoded, [[1, 0], [-1, 0], [0, 1], [0, 0]])

    @pytest.mark.parametrize(
        "values",
        [
            [True, False, None, True],
            pd.array([True, False, None, True], dtype="boolean"),
            pd.Series([True, False, None, True]).astype("category"),
            pd.Series([True, False, "N/A", True], dtype=object),
        ],
    )
    def test_booleans(self, values):
        encoded = encoded_column(values).to_numpy()
        np.testing.assert_array_equal(encoded, [[1, 0], [-1, 0], [0, 1], [1, 0]])

    def test_plain_booleans_and_gaps_later(self):
        encoder = TableEncoder().fit(pd.DataFrame({"x": [True, False, True]}))
        np.testing.assert_array_equal(encoder.transform(pd.DataFrame({"x": [None, False, True]})), [[0], [-1], [1]])
        np.testing.assert_array_equal(encoder.transform(pd.DataFrame({"x": [0, 1]})), [[-1], [1]])

    def test_levels_of_a_dtype_that_do_not_occur(self):
        values = pd.Categorical(["a", "b", "c", "a"], categories=list("zabcd"))
        assert list(encoded_column(values)) == ["x_a", "x_b", "x_c"]

    def test_integers_as_categories(self):
        frame = pd.DataFrame({"x": pd.Series([10, 20, 30, 20, None]).astype("category")})
        encoder = TableEncoder(min_frequency=1).fit(frame)
        assert encoder.get_feature_names_out().tolist() == ["x_10", "x_20", "x_30", "x_missing"]
        # After a round through a file they are numbers, or floats where some are missing.
        for new in ([20, 40], [20.0, 40.0]):
            np.testing.assert_array_equal(encoder.transform(pd.DataFrame({"x": new})), [[0, 1, 0, 0], [0, 0, 0, 0]])

    @pytest.mark.parametrize("given", [["x"], [0], [True, False]])
    @pytest.mark.parametrize("container", ["pandas", "polars", "array"])
    def test_columns_that_are_said_to_be_categories(self, given, container):
        frame = {"x": [3.0, 1.0, 2.0, 2.0], "z": [1.0, 2.0, 3.0, 4.0]}
        X = {"pandas": pd.DataFrame, "polars": pl.DataFrame, "array": lambda X: np.column_stack(list(X.values()))}
        X = X[container](frame)
        encoder = TableEncoder(categorical_features=given, min_frequency=None)
        if container == "array" and given == ["x"]:
            with pytest.raises(ValueError, match=r"must be 'from_dtype', a mask of 2 columns, or indices from 0 to 1"):
                encoder.fit(X)
            return
        encoded = encoder.fit_transform(X)
        np.testing.assert_array_equal(encoded[:, :3], np.eye(3)[[2, 0, 1, 1]])
        assert encoded.shape == (4, 4)
        assert list(encoder.kinds_.values()) == ["category", "number"]

    def test_null_strings_are_levels_of_a_category_dtype_only(self):
        values = ["none", "a", "b", "a"]
        assert list(encoded_column(values)) == ["x_b", "x_missing"]
        assert list(encoded_column(pd.Categorical(values))) == ["x_a", "x_b", "x_none"]

    def test_arrays_of_objects(self):
        X = np.array([["a", 1, 2.5], ["b", 2, None], ["c", 5, 1.0], ["a", 9, 0.5]], dtype=object)
        encoder = TableEncoder(min_frequency=1).fit(X)
        assert encoder.kinds_ == {0: "category", 1: "number", 2: "number"}
        assert encoder.get_feature_names_out().tolist() == ["x0_a", "x0_b", "x0_c", "x1", "x2", "x2_missing"]
        assert encoder.get_feature_names_out(["u", "v", "w"]).tolist()[-1] == "w_missing"
        assert not hasattr(encoder, "feature_names_in_")

    def test_a_single_level_is_dropped_and_its_gaps_are_not(self):
        frame = pd.DataFrame({"x": ["a", "a", None, "a"], "y": list("bbbb"), "z": [1, 2, 3, 4], "n": [7, None, 7, 7]})
        encoder = TableEncoder(min_frequency=1).fit(frame)
        assert encoder.get_feature_names_out().tolist() == ["x_missing", "z", "n_missing"]
        assert encoder.kinds_ == {"x": "category", "y": "dropped", "z": "number", "n": "number"}
        assert encoder.transform(frame.assign(x="b", y="c"))[:, 0].tolist() == [0, 0, 0, 0]
        # What is dropped may change its type, but not what has an indicator.
        encoder.transform(frame.assign(y=[1, 2, 3, 4]))
        with pytest.raises(ValueError, match="'n' held numbers in fit and now holds text"):
            encoder.transform(frame.assign(n="text"))

    def test_names_are_all_different(self):
        frame = pd.DataFrame({"a": ["b", "c", "d"], "a_b": [1.0, 2.0, 3.0], "a_b_2": [1.0, 2.0, 3.0]})
        assert list(encode(frame)) == ["a_b", "a_c", "a_d", "a_b_3", "a_b_2"]

    def test_objects_without_a_type_of_their_own_are_text(self):
        encoded = encoded_column([(1, 2), (1, 2), b"a", "text", pd.Interval(0, 1)])
        assert list(encoded) == ["x_(0, 1]", "x_(1, 2)", "x_b'a'", "x_text"]

    def test_numbers_among_text(self):
        frame = pd.DataFrame({"x": pd.Series([1, "u", 2.5, None, True, 1], dtype=object)})
        encoder = TableEncoder(min_frequency=1).fit(frame)
        assert encoder.get_feature_names_out().tolist() == ["x_1", "x_2.5", "x_True", "x_u", "x_missing"]
        # Rows without text have a dtype of numbers.
        for new, level in ((1, "1"), (1.0, "1"), (2.5, "2.5"), (True, "True"), (7, None)):
            encoded = encoder.transform(pd.DataFrame({"x": [new]}))
            assert [f"x_{level}"] * int(encoded.sum()) == encoder.get_feature_names_out()[encoded[0] > 0].tolist()
            assert encoded.sum() == (level is not None)

    @pytest.mark.parametrize("is_dtype", [True, False])
    @pytest.mark.parametrize(
        ("values", "names"),
        [
            (pd.to_datetime(["2024-01-01 00:00", "2024-01-02 00:00", "2024-01-03 12:00"]), None),
            (pd.to_datetime(["2024-01-01", "2024-01-02", "2024-01-03"]).tz_localize("Asia/Tokyo"), None),
            (pd.to_timedelta([1, 2, 3], unit="h"), ["x_3600", "x_7200", "x_10800"]),
            (pd.period_range("2024-01", periods=3, freq="M"), ["x_2024-01", "x_2024-02", "x_2024-03"]),
            (pd.interval_range(0, 3), ["x_(0, 1]", "x_(1, 2]", "x_(2, 3]"]),
            (pd.Index([Decimal(1), Decimal("2.5"), Decimal(3)], dtype=object), ["x_1", "x_2.5", "x_3"]),
        ],
    )
    def test_categories_of_any_values(self, values, names, is_dtype):
        column = pd.Series(values)
        frame = pd.DataFrame({"x": column.astype("category") if is_dtype else column})
        encoder = TableEncoder(categorical_features=[0], min_frequency=1).fit(frame)
        assert encoder.kinds_ == {"x": "category"}
        if names is not None:
            assert encoder.get_feature_names_out().tolist() == names
        for new in (column, column.astype("category"), column.astype(object)):
            np.testing.assert_array_equal(encoder.transform(pd.DataFrame({"x": new})), np.eye(3))
            # A level does not depend on the other rows.
            np.testing.assert_array_equal(encoder.transform(pd.DataFrame({"x": new[1:2]})), [[0, 1, 0]])
            np.testing.assert_array_equal(
                encoder.transform(pd.DataFrame({"x": new.where(new != new[1])}))[1], [0, 0, 0]
            )

    def test_dates_as_categories_may_be_strings(self):
        frame = pd.DataFrame({"x": pd.to_datetime(["2024-01-01", "2024-01-02", "2024-01-03"])})
        encoder = TableEncoder(categorical_features=["x"], min_frequency=1).fit(frame)
        assert encoder.get_feature_names_out().tolist() == ["x_2024-01-01", "x_2024-01-02", "x_2024-01-03"]
        for form in ("%Y-%m-%d", "%Y-%m-%d %H:%M:%S"):
            encoded = encoder.transform(pd.DataFrame({"x": frame["x"].dt.strftime(form)}))
            np.testing.assert_array_equal(encoded, np.eye(3))


class TestManyLevels:
    N = 300
    LEVELS = np.array([f"zip{i}" for i in np.random.default_rng(0).integers(0, 60, size=N)])
    WORDS = tuple(f"{'red' if i % 2 else 'blue'} car {i}" for i in range(N))

    def test_target_encoding_is_that_of_scikit_learn(self):
        random = np.random.default_rng(1)
        y = random.normal(size=self.N)
        frame = pd.DataFrame({"x": self.LEVELS})
        encoder = TableEncoder(dtype="float64").fit(frame, y)
        assert encoder.kinds_ == TableEncoder().fit(frame, y[:, None]).kinds_ == {"x": "category"}
        theirs = TargetEncoder(target_type="continuous").fit(OrdinalEncoder().fit_transform(frame), y)
        means = theirs.transform(OrdinalEncoder().fit_transform(frame))[:, 0]
        encoded = encoder.transform(frame)[:, 0]
        assert np.corrcoef(means, encoded)[0, 1] > 0.98  # squashed
        # No row has a part in its own feature: on targets without a signal, the features have none either.
        own = TableEncoder(dtype="float64").fit_transform(frame, y)[:, 0]
        assert np.corrcoef(encoded, y)[0, 1] > 0.3
        assert np.corrcoef(own, y)[0, 1] < 0.1
        again, other = (
            TableEncoder(dtype="float64", random_state=seed).fit_transform(frame, y)[:, 0] for seed in (0, 1)
        )
        np.testing.assert_array_equal(again, own)
        assert not np.allclose(other, own)

    def test_unseen_levels_and_gaps_have_the_mean(self):
        frame = pd.DataFrame({"x": self.LEVELS})
        encoder = TableEncoder().fit(frame, np.arange(self.N) % 2)
        encoded = encoder.transform(pd.DataFrame({"x": ["new", None]}))
        assert encoded[0] == encoded[1]
        assert abs(encoded[0, 0]) < 1

    def test_targets_of_several_kinds(self):
        frame = pd.DataFrame({"x": self.LEVELS})
        classes = np.array(["red", "green", "blue"])[np.arange(self.N) % 3]
        names = ["x_blue", "x_green", "x_red"]
        assert list(encode(frame, classes)) == names
        assert list(encode(frame, np.arange(self.N) % 3)) == ["x_0", "x_1", "x_2"]
        assert list(encode(frame, np.arange(self.N) % 3, target_type="continuous")) == ["x"]
        # A class of a single row is in the training part of all folds but one.
        assert encode(frame, np.r_[np.zeros(self.N - 1), 1]).shape == (self.N, 1)

    def test_without_a_single_target_levels_are_text(self):
        frame = pd.DataFrame({"x": self.LEVELS})
        y = np.random.default_rng(0).normal(size=(self.N, 2))
        for targets in (None, y):
            encoder = TableEncoder().fit(frame, targets)
            assert encoder.kinds_ == {"x": "text"}
        for targets, got in ((None, "no y"), (y, r"y of shape \(300, 2\)")):
            with pytest.raises(ValueError, match=f"high_cardinality='target' needs a single target; got {got}"):
                TableEncoder(high_cardinality="target").fit(frame, targets)

    @pytest.mark.parametrize("y", [np.full(N, np.nan), np.array([None, "a", "b"] * 100, dtype=object)])
    def test_targets_with_missing_values(self, y):
        frame = pd.DataFrame({"x": self.LEVELS, "z": np.arange(self.N)})
        with pytest.raises(
            ValueError, match=r"Input y contains NaN: \d00 of 300 rows have no target .* columns \['x'\] by"
        ):
            TableEncoder().fit(frame, y)
        with pytest.raises(ValueError, match=r"Input y contains NaN: \d00 of 300 .* encode the columns \['w'\] by"):
            TableEncoder().fit(pd.DataFrame({"w": self.WORDS}), y)
        # What is encoded without them does not ask; the network does.
        assert TableEncoder().fit(frame[["z"]], y).kinds_ == {"z": "number"}

    def test_text_has_the_variance_of_one_column(self):
        encoder = TableEncoder(dtype="float64").fit(pd.DataFrame({"x": self.WORDS}))
        assert encoder.kinds_ == {"x": "text"}
        encoded = encoder.transform(pd.DataFrame({"x": self.WORDS}))
        assert encoded.shape == (self.N, 30)
        np.testing.assert_allclose(encoded.var(axis=0).sum(), 1, rtol=0.1)
        colour = [text.startswith("red") for text in self.WORDS]
        coefficients, *_ = np.linalg.lstsq(np.c_[encoded, np.ones(self.N)], colour, rcond=None)
        assert np.corrcoef(np.c_[encoded, np.ones(self.N)] @ coefficients, colour)[0, 1] > 0.99

    def test_text_of_few_rows_is_what_a_regression_on_its_parts_predicts(self):
        frame, colour = pd.DataFrame({"x": self.WORDS}), np.arange(self.N) % 2
        encoder = TableEncoder(dtype="float64", random_state=3)
        training, encoded = encoder.fit_transform(frame, colour), encoder.transform(frame)
        assert encoder.kinds_ == {"x": "text"}
        assert encoder.get_feature_names_out().tolist() == ["x"]
        seed = fresh_seed(random_numbers(3))
        features = skrub.StringEncoder(30, random_state=seed).fit_transform(frame["x"]).to_numpy(np.float64)
        regression, folds = RidgeCV(np.logspace(-2, 3, 11)), KFold(5, shuffle=True, random_state=seed)
        target = 2 * colour - 1  # in standard deviations, of which there are two between the classes
        predicted = cross_val_predict(regression, features, target, cv=folds)
        np.testing.assert_allclose(training[:, 0], predicted, atol=1e-6)
        predicted = regression.fit(features, target).predict(features)
        np.testing.assert_allclose(encoded[:, 0], predicted, atol=1e-6)
        assert np.corrcoef(training[:, 0], colour)[0, 1] > 0.95
        new = pd.DataFrame({"x": [None, "a red car", None]})
        np.testing.assert_array_equal(encoder.transform(new)[:1], encoder.transform(new[:1]))

    def test_the_own_class_has_no_part_in_the_features_of_a_text(self):
        frame, encoder, correlations = pd.DataFrame({"x": self.WORDS}), TableEncoder(), []
        for noise in np.random.default_rng(0).integers(2, size=(3, self.N)):
            encoded = encoder.fit_transform(frame, noise)[:, 0], encoder.transform(frame)[:, 0]
            correlations.append([np.corrcoef(own, noise)[0, 1] for own in encoded])
        training, new = np.mean(correlations, axis=0)
        assert training < 0.1
        assert new > training + 0.15

    def test_when_the_features_of_a_text_are_predictions(self, monkeypatch):
        frame, classes = pd.DataFrame({"x": self.WORDS}), np.array(["red", "blue", "green"])[np.arange(self.N) % 3]
        assert list(encode(frame, classes)) == ["x_blue", "x_green", "x_red"]
        assert list(encode(frame, np.arange(self.N) % 2, target_type="multiclass")) == ["x_0", "x_1"]
        # There are more classes than features to predict them by, or numbers.
        assert encode(frame, np.arange(self.N) % 31).shape == (self.N, 30)
        assert encode(frame, np.arange(self.N) / 7).shape == (self.N, 30)
        assert encode(frame, np.arange(self.N) % 2, target_type="continuous").shape == (self.N, 30)
        # With so many rows, all features do no harm.
        monkeypatch.setattr(_plan, "MIN_ROWS_PER_COMPONENT", self.N // 30)
        assert encode(frame, classes).shape == (self.N, 30)

    def test_short_text(self):
        encoded = encoded_column(list("abcdefgh") * 10, cardinality_threshold=2, high_cardinality="string")
        assert encoded.shape[0] == 80
        assert np.isfinite(encoded.to_numpy()).all()

    def test_names_and_ids_of_one_word_are_dropped(self):
        frame = pd.DataFrame({"id": [f"K{i}" for i in range(80)], "x": np.arange(80)})
        assert TableEncoder().fit(frame).kinds_ == {"id": "dropped", "x": "number"}
        assert TableEncoder(high_cardinality="string").fit(frame).kinds_ == {"id": "text", "x": "number"}
        for threshold, kind in ((80, "dropped"), (81, "category")):
            encoder = TableEncoder(cardinality_threshold=threshold, min_frequency=None).fit(frame)
            assert encoder.kinds_["id"] == kind
        # Text has two words in the mean.
        frame["id"] = [f"red K{i}" if i % 4 else f"K{i}" for i in range(80)]
        assert TableEncoder().fit(frame).kinds_ == {"id": "dropped", "x": "number"}

    def test_a_transformer(self):
        frame = pd.DataFrame({"x": self.LEVELS, "z": np.arange(self.N)})
        ordinal = OrdinalEncoder(handle_unknown="use_encoded_value", unknown_value=-1)
        encoder = TableEncoder(high_cardinality=ordinal, dtype="float64").fit(frame)
        np.testing.assert_allclose(encoder.transform(frame)[:, 0], squashed(ordinal.fit_transform(frame[["x"]])[:, 0]))
        assert not hasattr(TableEncoder(high_cardinality=OrdinalEncoder()).high_cardinality, "categories_")


class TestDates:
    DAYS = pd.Series(pd.date_range("2023-11-05", periods=50, freq="71h"))

    def test_parts_and_circles(self):
        encoded = encoded_column(self.DAYS)
        parts = ["month", "day", "hour", "weekday"]
        circles = [f"x_{part}_circular_{j}" for part in parts for j in (0, 1)]
        assert list(encoded) == ["x_year", "x_total_seconds", *circles]
        raw = np.sin(2 * np.pi * self.DAYS.dt.hour.to_numpy() / 24)
        np.testing.assert_allclose(encoded["x_hour_circular_0"], squashed(raw), atol=1e-6)

    @pytest.mark.parametrize("form", ["%Y-%m-%d %H:%M", "%d/%m/%Y %H:%M", "%d.%m.%Y"])
    def test_strings(self, form):
        texts = self.DAYS.dt.strftime(form)
        moments = pd.to_datetime(texts, format=form)
        np.testing.assert_allclose(encoded_column(texts), encoded_column(moments), atol=1e-6)
        encoder = TableEncoder().fit(pd.DataFrame({"x": texts}))
        for new in (texts, moments, texts.astype("category")):
            encoded = encoder.transform(pd.DataFrame({"x": new}))
            np.testing.assert_allclose(encoded, encoder.transform(pd.DataFrame({"x": texts})), atol=1e-6)
        assert (encoder.transform(pd.DataFrame({"x": ["no date", None]})) == 0).all()

    def test_time_zones(self):
        zoned = self.DAYS.dt.tz_localize("UTC").dt.tz_convert("America/Lima")
        encoder = TableEncoder().fit(pd.DataFrame({"x": zoned}))
        expected = encoder.transform(pd.DataFrame({"x": zoned}))
        there = pl.DataFrame({"x": pl.Series(self.DAYS.tolist()).dt.replace_time_zone("UTC")})
        there = there.with_columns(pl.col("x").dt.convert_time_zone("America/Lima"))
        for new in (
            pd.DataFrame({"x": zoned.dt.tz_convert("UTC")}),
            pd.DataFrame({"x": zoned.tolist()}, dtype=object),
            there,
        ):
            np.testing.assert_allclose(encoder.transform(new), expected, atol=1e-6)

    def test_digits_alone_are_numbers(self):
        assert TableEncoder().fit(pd.DataFrame({"x": ["1999", "2004", "2010"]})).kinds_ == {"x": "number"}


class TestDurations:
    SECONDS = pd.Series([991.0, 61.5, -3600.0, 90061.25, 7.0, 7200.0, 0.0, 45.0])

    def test_strings(self):
        durations = pd.to_timedelta(self.SECONDS, unit="s")
        expected = encoded_column(durations)
        csv = pd.read_csv(io.StringIO(pd.DataFrame({"x": durations}).to_csv(index=False)))["x"]
        assert csv[0] == "0 days 00:16:31.000000"
        iso = ["PT16M31S", "PT1M1.5S", "-PT1H", "P1DT1H1M1.25S", "PT7S", "PT2H", "PT0S", "PT45S"]
        printed = [str(datetime.timedelta(seconds=seconds)) for seconds in self.SECONDS]
        assert printed[3] == "1 day, 1:01:01.250000"
        for texts in (csv, csv.astype("string"), printed):
            np.testing.assert_allclose(encoded_column(texts), expected, atol=1e-6)
        encoder = TableEncoder(min_frequency=1).fit(pd.DataFrame({"x": csv}))
        assert encoder.kinds_ == {"x": "duration"}
        trained = encoder.transform(pd.DataFrame({"x": csv}))
        for new in (durations, csv.astype("category"), durations.astype("category"), iso):
            np.testing.assert_allclose(encoder.transform(pd.DataFrame({"x": new})), trained, atol=1e-6)
        assert (encoder.transform(pd.DataFrame({"x": ["no duration", None]})) == 0).all()
        with pytest.raises(ValueError, match="'x' held durations in fit and now holds numbers"):
            encoder.transform(pd.DataFrame({"x": [1.0, 2.0]}))

    def test_whole_days_times_and_gaps(self):
        expected = encoded_column(pd.to_timedelta(pd.Series([1, 2, 5, None] * 3), unit="D"))
        for texts in (["1 day", "2 days", "5 days", None] * 3, ["P1D", "P2D", "P5D", "N/A"] * 3):
            np.testing.assert_allclose(encoded_column(texts), expected, atol=1e-6)
        at = [datetime.time(hour, 30) for hour in range(9)]
        np.testing.assert_allclose(encoded_column([str(time) for time in at]), encoded_column(at), atol=1e-6)

    @pytest.mark.parametrize("texts", [["1 day", "soon"], ["P", "PT"], ["P1D", "P1M"], ["12:30", "14:45"], ["5", "d"]])
    def test_what_is_none(self, texts):
        assert TableEncoder().fit(pd.DataFrame({"x": texts * 5})).kinds_ != {"x": "duration"}


class TestBadTables:
    X = pd.DataFrame({"a": [1.0, 2, 3, 4], "b": ["u", "v", "u", "v"], "c": pd.date_range("2024", periods=4)})
    ENCODER = TableEncoder(min_frequency=1).fit(X)
    MORE = X.assign(k=pd.Categorical([1, 2, 1, 2]), flag=[True, False, True, False])
    WIDE = TableEncoder(min_frequency=1).fit(MORE)

    def test_columns_that_are_missing_or_new(self):
        with pytest.raises(ValueError, match="seen at fit time, yet now missing:\n- b"):
            self.ENCODER.transform(self.X.drop(columns="b"))
        with pytest.raises(ValueError, match="unseen at fit time:\n- d"):
            self.ENCODER.transform(self.X.assign(d=1))

    def test_columns_in_another_order(self):
        with pytest.raises(ValueError, match="in the same order as they were in fit.\nColumn 0 is 'b', and was 'a'"):
            self.ENCODER.transform(self.X[["b", "a", "c"]])

    def test_columns_that_are_there_twice(self):
        twice = pd.concat([self.X, self.X[["b"]]], axis=1)
        for call in (self.ENCODER.transform, TableEncoder().fit):
            with pytest.raises(ValueError, match=r"must have different names; got more than one of \['b'\]"):
                call(twice)

    @pytest.mark.parametrize("change", [lambda X: X[[1, 0]], lambda X: X.rename(columns={0: 7})])
    def test_names_that_are_numbers(self, change):
        frame = pd.DataFrame(np.arange(8.0).reshape(4, 2))
        encoder = TableEncoder().fit(frame)
        with pytest.raises(ValueError, match=r"Give X\[X_train\.columns\]|missing are \[0\], and new are \[7\]"):
            encoder.transform(change(frame))

    def test_a_name_that_is_missing(self):
        frame = pd.DataFrame(np.arange(8.0).reshape(4, 2), columns=[1.5, None])
        assert TableEncoder().fit(frame).transform(frame).shape == (4, 2)

    @pytest.mark.parametrize(
        ("name", "values", "message"),
        [
            ("a", list("wxyz"), "'a' held numbers in fit and now holds text or categories"),
            ("a", pd.date_range("2024", periods=4), "'a' held numbers in fit and now holds dates"),
            ("b", [1, 2, 3, 4], "'b' held categories in fit and now holds numbers"),
            ("c", [1, 2, 3, 4], "'c' held dates in fit and now holds numbers"),
            ("c", pd.to_timedelta([1, 2, 3, 4]), "'c' held dates in fit and now holds durations"),
            ("b", pd.date_range("2024", periods=4), "'b' held categories in fit and now holds dates"),
            ("k", pd.to_timedelta([1, 2, 3, 4]), "'k' held categories of numbers in fit and now holds durations"),
            ("k", list("uvuv"), "'k' held categories of numbers in fit and now holds text or categories"),
        ],
    )
    def test_columns_of_another_type(self, name, values, message):
        with pytest.raises(ValueError, match=f"Columns of X have changed their type: {message}."):
            self.WIDE.transform(self.MORE.assign(**{name: values}))

    def test_all_columns_of_another_type_are_named(self):
        X = pd.DataFrame({"flag": [True, False] * 3, "k": [1, 2, 3] * 2, "n": np.arange(6)})
        encoder = TableEncoder(categorical_features=["k"], min_frequency=1).fit(X)
        changed = pd.DataFrame({"flag": [2, 3], "k": ["a", "b"], "n": ["c", "d"]})
        with pytest.raises(
            ValueError, match="'k' held categories of numbers .* 'n' held numbers .* 'flag' held booleans"
        ):
            encoder.transform(changed)

    @pytest.mark.parametrize("values", [[None] * 4, [np.nan] * 4, [pd.NaT] * 4, ["?"] * 4])
    @pytest.mark.parametrize("name", ["a", "b", "c", "k", "flag"])
    def test_columns_without_a_value_may_have_any_type(self, name, values):
        new = self.MORE.assign(**{name: values})
        assert np.isfinite(self.WIDE.transform(new)).all()

    @pytest.mark.parametrize("gap", [None, np.nan, pd.NA, pd.NaT, "NA", "", " "])
    def test_gaps_of_any_kind(self, gap):
        new = self.MORE.assign(stay=pd.to_timedelta([1, 2, 3, 4], unit="h"))
        encoder = TableEncoder(min_frequency=1).fit(new)
        expected = encoder.transform(new)
        new = new.astype(object)
        new.iloc[1] = gap
        encoded = encoder.transform(new)
        np.testing.assert_allclose(encoded[[0, 2, 3]], expected[[0, 2, 3]], atol=1e-6)
        assert (encoded[1] == 0).all()

    def test_frames_of_polars_without_a_value(self):
        X = pl.DataFrame({"flag": [True, False, None], "n": [1.0, 2.0, 3.0]})
        encoded = TableEncoder(min_frequency=1).fit(X).transform(X.with_columns(flag=None, n=None))
        np.testing.assert_array_equal(encoded, [[0, 1, 0]] * 3)

    def test_columns_without_a_value_in_training_are_named(self):
        X = self.X.assign(d=np.nan, e=None, f="N/A", g=np.inf)
        with pytest.warns(
            UserWarning, match=r"The columns \['d', 'e', 'f', 'g'\] of X have no value in the training rows"
        ):
            encoder = TableEncoder(min_frequency=1).fit(X)
        np.testing.assert_array_equal(encoder.transform(X), self.ENCODER.transform(self.X))
        # Whatever they hold later.
        encoder.transform(X.assign(d="text", e=3))

    def test_nothing_that_varies(self):
        with pytest.raises(ValueError, match=r"X must have a column with different values .* in 3 sample\(s\)"):
            TableEncoder().fit(pd.DataFrame({"a": [1, 1, 1], "b": ["u", "u", "u"]}))

    @pytest.mark.parametrize(
        ("X", "error", "message"),
        [
            (scipy.sparse.eye(3).tocsr(), TypeError, "Sparse data was passed"),
            (pl.DataFrame({"a": [1, 2]}).lazy(), TypeError, r"X must be computed; got a LazyFrame"),
            (pd.DataFrame({"a": []}), ValueError, "Found array with 0 sample"),
            (pd.DataFrame(index=range(3)), ValueError, "Found array with 0 feature"),
            (pd.DataFrame({"a": [1j, 2], "b": 1}), ValueError, r"Complex data not supported: .*, unlike \['a'\]\."),
            (pd.DataFrame({"a": [1j, "u"], "b": 1}), ValueError, r"Complex data not supported: .*, unlike \['a'\]\."),
            (pd.DataFrame({"a": pd.Categorical([1j, 2])}), ValueError, r"Complex data not supported: .* \['a'\]\."),
            (
                pd.DataFrame({"a": [[1], [2, 3]]}),
                TypeError,
                r"X must hold single values, .*; got \[1\], of type list, in column 'a'",
            ),
            (pl.DataFrame({"a": [{"b": 1}, None]}), TypeError, r"got \{'b': 1\}, of type dict, in column 'a'"),
            (np.array([[{1}, 2], ["a", 3]], dtype=object), TypeError, r"got \{1\}, of type set, in column 0"),
            (
                pd.DataFrame({"a": [10**400, 2]}, dtype=object),
                ValueError,
                "in the range of float64; got larger integers in column 'a'",
            ),
            (pd.Series([1.0, 2.0]), ValueError, "Expected a 2-dimensional container"),
        ],
    )
    def test_what_is_no_table(self, X, error, message):
        with pytest.raises(error, match=message):
            TableEncoder().fit(X)

    @pytest.mark.parametrize(
        "options",
        [
            {"categorical_features": ["z"]},
            {"categorical_features": [3]},
            {"categorical_features": [-1]},
            {"categorical_features": [True]},
            {"cardinality_threshold": 0},
            {"high_cardinality": "gap"},
            {"min_frequency": 0},
            {"max_absolute_value": 0},
            {"target_type": "number"},
            {"dtype": "int8"},
        ],
    )
    def test_a_fit_that_fails_changes_nothing(self, options):
        encoder = pickle.loads(pickle.dumps(self.ENCODER))
        before = pickle.dumps(encoder.set_params(**options))
        with pytest.raises(ValueError, match=next(iter(options))):
            encoder.fit(self.X.rename(columns={"a": "z2"}))
        assert pickle.dumps(encoder) == before
        with pytest.raises(NotFittedError):
            clone(encoder).transform(self.X)


def test_skrub_is_imported_when_it_is_used():
    code = "import sys, skreg.preprocessing, skreg; skreg.TablePipeline; print('skrub' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "False\n"

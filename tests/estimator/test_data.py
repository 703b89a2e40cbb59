"""What X, y and sample_weight may be: arrays, sparse matrices, frames, tensors, and files mapped into memory."""

import copy
import mmap
from pathlib import Path

import joblib
import numpy as np
import pandas as pd
import polars
import pytest
import scipy.sparse
import torch
from sklearn.callback import ScoringMonitor
from sklearn.model_selection import GridSearchCV
from sklearn.utils.fixes import CSC_CONTAINERS, CSR_CONTAINERS

from skreg import RegularizedMLPClassifier, RegularizedMLPRegressor
from skreg.engine import arrays, batches
from tests.helpers import BOTH, assert_unchanged_by

SETTINGS = {
    "hidden_layer_sizes": (5,),
    "max_iter": 3,
    "tol": 0,
    "n_iter_no_change": np.inf,
    "batch_size": 16,
    "random_state": 0,
}
RNG = np.random.default_rng(0)
X = RNG.normal(size=(80, 4))
SPARSE_X = X * (RNG.uniform(size=X.shape) < 0.4)
WEIGHT = RNG.integers(1, 4, size=80).astype(float)
NAMES = ["a", "b", "c", "d"]


def targets(kind):
    return (X[:, 0] > 0).astype(int) if kind is RegularizedMLPClassifier else X[:, 0] - X[:, 1]


def assert_same_network(first, second, rtol=0.0):
    for name in ("coefs_", "intercepts_"):
        for a, b in zip(getattr(first, name), getattr(second, name), strict=True):
            assert a.dtype == b.dtype
            np.testing.assert_allclose(a, b, rtol=rtol, atol=rtol)


# -- types and layouts --------------------------------------------------------------------------------------


@BOTH
@pytest.mark.parametrize(
    ("given", "kept"),
    [
        (np.float32, np.float32),
        (np.float64, np.float64),
        (np.int64, np.float64),
        (np.int8, np.float64),
        (np.float16, np.float64),
        (bool, np.float64),
        (">f8", np.float64),
    ],
)
def test_floats_keep_their_type_and_all_else_becomes_float64(kind, given, kept):
    data = (4 * X).astype(given)
    model = kind(**SETTINGS).fit(data, targets(kind))
    assert {a.dtype for a in [*model.coefs_, *model.intercepts_]} == {np.dtype(kept)}
    assert_same_network(model, kind(**SETTINGS).fit(data.astype(kept), targets(kind)))
    assert model.transform(data).dtype == kept


@BOTH
def test_targets_do_not_decide_the_type(kind):
    model = kind(**SETTINGS).fit(X.astype(np.float32), targets(kind).astype(np.float64))
    assert model.coefs_[0].dtype == np.float32
    if kind is RegularizedMLPRegressor:
        assert model.predict(X).dtype == np.float32


@BOTH
@pytest.mark.parametrize("layout", ["fortran", "every second column", "reversed rows", "read-only", "list"])
def test_layout_does_not_matter(kind, layout):
    data = {
        "fortran": np.asfortranarray(X),
        "every second column": np.repeat(X, 2, axis=1)[:, ::2],
        "reversed rows": np.ascontiguousarray(X[::-1])[::-1],
        "read-only": X.copy(),
        "list": X.tolist(),
    }[layout]
    y, weight = targets(kind).copy(), WEIGHT.copy()
    if layout == "read-only":
        for array in (data, y, weight):
            array.setflags(write=False)
    model = kind(early_stopping=True, **SETTINGS).fit(data, y, weight)
    expected = kind(early_stopping=True, **SETTINGS).fit(X, targets(kind), WEIGHT)
    assert_same_network(model, expected)
    np.testing.assert_array_equal(model.predict(data), expected.predict(X))
    assert model.score(data, y, weight) == expected.score(X, targets(kind), WEIGHT)


@BOTH
def test_fit_leaves_the_data_as_they_are(kind):
    data, y, weight = X.copy(), targets(kind), WEIGHT.copy()
    kind(early_stopping=True, input_dropout=0.2, normalization="batch", alpha=0.0, **SETTINGS).fit(data, y, weight)
    np.testing.assert_array_equal(data, X)
    np.testing.assert_array_equal(y, targets(kind))
    np.testing.assert_array_equal(weight, WEIGHT)


def test_rows_of_an_array_in_fortran_order_are_read_without_copying_all_of_it(monkeypatch):
    class Watched(np.ndarray):
        """An array whose rows must not be gathered by `take`, which copies the whole array first."""

        def take(self, *args, **kwargs):
            raise AssertionError("take copies all of an array that is not C-contiguous")

    data = np.asfortranarray(X).view(Watched)
    rows = batches.Rows(data, torch.zeros(80, 1, dtype=torch.float64), None)
    np.testing.assert_array_equal(rows.inputs(np.array([3, 1])).numpy(), X[[3, 1]])


# -- sparse -------------------------------------------------------------------------------------------------


@BOTH
@pytest.mark.parametrize("container", [*CSR_CONTAINERS, *CSC_CONTAINERS, scipy.sparse.coo_array])
@pytest.mark.parametrize("options", [{"penalty": "l1"}, {"early_stopping": True, "scoring": "neg_mean_squared_error"}])
def test_sparse_equals_dense(kind, container, options):
    data, y = container(SPARSE_X), targets(kind)
    model = kind(**options, **SETTINGS).fit(data, y, WEIGHT)
    dense = kind(**options, **SETTINGS).fit(SPARSE_X, y, WEIGHT)
    assert_same_network(model, dense)
    assert model.validation_scores_ == dense.validation_scores_
    np.testing.assert_array_equal(model.predict(data), dense.predict(SPARSE_X))
    if kind is RegularizedMLPClassifier:
        np.testing.assert_array_equal(model.predict_proba(data), dense.predict_proba(SPARSE_X))
    np.testing.assert_array_equal(model.transform(data), dense.transform(SPARSE_X))
    assert model.score(data, y) == dense.score(SPARSE_X, y)
    assert_same_network(model.partial_fit(data, y), dense.partial_fit(SPARSE_X, y))


@BOTH
def test_sparse_with_lbfgs_and_validation_data_equals_dense(kind):
    y = targets(kind)
    settings = SETTINGS | {"solver": "lbfgs", "max_iter": 500, "tol": 1e-2}
    data = scipy.sparse.csr_array(SPARSE_X)
    model = kind(early_stopping=True, refit_on_all=True, **settings)
    model.fit(data[:60], y[:60], X_val=data[60:].tocsc(), y_val=y[60:])
    dense = kind(early_stopping=True, refit_on_all=True, **settings)
    dense.fit(SPARSE_X[:60], y[:60], X_val=SPARSE_X[60:], y_val=y[60:])
    assert_same_network(model, dense)


@BOTH
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_sparse_keeps_its_type(kind, dtype):
    model = kind(**SETTINGS).fit(scipy.sparse.csr_array(SPARSE_X.astype(dtype)), targets(kind))
    assert model.coefs_[0].dtype == dtype


@BOTH
def test_sparse_rows_become_dense_block_by_block(kind, monkeypatch):
    monkeypatch.setattr(batches, "BLOCK_BYTES", 16 * 4 * 8)  # 16 rows
    monkeypatch.setattr(batches, "MIN_PRODUCT_ROWS", 1)
    dense_rows = []

    def watch(name):
        original = getattr(scipy.sparse.csr_array, name)

        def watched(self, *args, **kwargs):
            if self.shape[1] == X.shape[1]:  # LabelBinarizer's own matrices are others
                dense_rows.append(self.shape[0])
            return original(self, *args, **kwargs)

        monkeypatch.setattr(scipy.sparse.csr_array, name, watched)

    for name in ("toarray", "todense"):
        watch(name)
    data = scipy.sparse.csr_array(SPARSE_X)
    model = kind(early_stopping=True, **SETTINGS).fit(data, targets(kind))
    model.predict(data)
    model.transform(data)
    model.score(data, targets(kind))
    model.partial_fit(data, targets(kind))
    # Three epochs of the 72 training rows, validation rows once, as they fit into a block, three predictions, and one
    # more epoch: all were seen here.
    assert sum(dense_rows) >= 3 * 72 + 8 + 3 * 80 + 80
    assert max(dense_rows) <= 16


@BOTH
def test_sparse_data_are_left_as_they_are(kind):
    data = scipy.sparse.csr_array(SPARSE_X)
    kind(early_stopping=True, **SETTINGS).fit(data, targets(kind))
    np.testing.assert_array_equal(data.toarray(), SPARSE_X)


@BOTH
def test_read_only_sparse_data_can_be_fitted(kind):
    data = scipy.sparse.csr_array(SPARSE_X)
    for array in (data.data, data.indices, data.indptr):
        array.setflags(write=False)
    model = kind(early_stopping=True, **SETTINGS).fit(data, targets(kind))
    assert_same_network(model, kind(early_stopping=True, **SETTINGS).fit(SPARSE_X, targets(kind)))


@BOTH
@pytest.mark.parametrize("container", [scipy.sparse.csr_array, scipy.sparse.csc_array, scipy.sparse.coo_array])
@pytest.mark.parametrize(("value", "name"), [(np.nan, "NaN"), (np.inf, "infinity")])
def test_sparse_with_nan_is_an_error_that_changes_nothing(kind, container, value, name):
    model, y = kind(**SETTINGS).fit(SPARSE_X, targets(kind)), targets(kind)
    bad = SPARSE_X.copy()
    bad[7, 2] = value
    bad, text = container(bad), f"Input X contains {name}"
    for call in (lambda m: m.fit(bad, y), lambda m: m.predict(bad), lambda m: m.partial_fit(bad, y)):
        assert_unchanged_by(model, ValueError, text, call)


# -- frames -------------------------------------------------------------------------------------------------


def polars_frame(data, **options):
    return polars.DataFrame(data, schema=NAMES, **options)


def frame_of(library, data):
    return pd.DataFrame(data, columns=NAMES) if library == "pandas" else polars_frame(data)


def series_of(library, values):
    return pd.Series(values) if library == "pandas" else polars.Series(values)


FRAMES = pytest.mark.parametrize("library", ["pandas", "polars"])


@BOTH
@FRAMES
def test_frames_equal_arrays_and_give_names(kind, library):
    frame, y = frame_of(library, X), series_of(library, targets(kind))
    model = kind(early_stopping=True, **SETTINGS).fit(frame, y, sample_weight=series_of(library, WEIGHT))
    expected = kind(early_stopping=True, **SETTINGS).fit(X, targets(kind), WEIGHT)
    assert model.feature_names_in_.tolist() == NAMES
    assert model.selected_features_.tolist() == NAMES
    assert_same_network(model, expected)
    np.testing.assert_array_equal(model.predict(frame), expected.predict(X))
    assert model.score(frame, y) == expected.score(X, targets(kind))


@BOTH
@FRAMES
def test_frames_of_float32_keep_their_type(kind, library):
    model = kind(**SETTINGS).fit(frame_of(library, X.astype(np.float32)), targets(kind))
    assert model.coefs_[0].dtype == np.float32
    assert_same_network(model, kind(**SETTINGS).fit(X.astype(np.float32), targets(kind)))


@BOTH
@FRAMES
def test_columns_of_other_names_are_an_error(kind, library):
    frame = frame_of(library, X)
    model = kind(**SETTINGS).fit(frame, targets(kind))
    other = frame.rename(columns={"a": "z"}) if library == "pandas" else frame.rename({"a": "z"})
    with pytest.raises(ValueError, match="Feature names unseen at fit time:\n- z"):
        model.predict(other)


@BOTH
@FRAMES
def test_text_in_a_frame_gets_the_advice_to_encode_it(kind, library):
    frame = frame_of(library, X)
    text = ["x", "y"] * 40
    bad = frame.assign(b=text) if library == "pandas" else frame.with_columns(series_of(library, text).alias("b"))
    model = kind(**SETTINGS).fit(frame, targets(kind))
    cause = "could not convert string to float: 'x'\n" if library == "pandas" else ""
    advice = rf"{cause}X holds strings, in the columns \['b'\]\. Use skreg\.table_pipeline\({kind.__name__}\(\.\.\.\)\)"
    for call in (lambda m: m.fit(bad, targets(kind)), lambda m: m.predict(bad)):
        assert_unchanged_by(model, ValueError, advice, call)


@FRAMES
def test_labels_may_be_a_series_of_text(library):
    text = np.where(targets(RegularizedMLPClassifier) == 1, "yes", "no")
    model = RegularizedMLPClassifier(early_stopping=True, scoring="f1_macro", **SETTINGS)
    model.fit(frame_of(library, X), series_of(library, text.tolist()))
    assert model.classes_.tolist() == ["no", "yes"]
    expected = RegularizedMLPClassifier(early_stopping=True, scoring="f1_macro", **SETTINGS).fit(X, text)
    assert_same_network(model, expected)
    assert model.validation_scores_ == expected.validation_scores_


@FRAMES
def test_a_missing_value_in_a_frame_is_an_error(library):
    data = X.copy()
    data[3, 1] = np.nan
    with pytest.raises(ValueError, match="Input X contains NaN"):
        RegularizedMLPRegressor(**SETTINGS).fit(frame_of(library, data), X[:, 0])


def test_a_null_of_polars_is_an_error():
    with pytest.raises(ValueError, match="Input X contains NaN"):
        RegularizedMLPRegressor(**SETTINGS).fit(polars_frame([[None, 1.0, 2.0, 3.0]] * 80, orient="row"), X[:, 0])


# -- torch tensors ------------------------------------------------------------------------------------------


@BOTH
@pytest.mark.parametrize("requires_grad", [False, True])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64, torch.bfloat16])
def test_tensors_equal_arrays(kind, dtype, requires_grad):
    data = torch.tensor(X, dtype=dtype)
    # What the tensors hold: bfloat16 is a part of float32.
    array_type = torch.float32 if dtype == torch.bfloat16 else dtype
    array = data.to(array_type).numpy().copy()
    weight = torch.tensor(WEIGHT, dtype=dtype)
    y = torch.tensor(targets(kind))
    if kind is RegularizedMLPRegressor:
        y = y.to(dtype)
    expected_y = (y.float() if dtype == torch.bfloat16 else y).numpy().copy()
    expected_weight = weight.to(array_type).numpy().copy()
    if requires_grad:
        data, weight = data.requires_grad_(), weight.requires_grad_()
        y = y.requires_grad_() if y.is_floating_point() else y
    model = kind(early_stopping=True, **SETTINGS).fit(data, y, sample_weight=weight)
    expected = kind(early_stopping=True, **SETTINGS).fit(array, expected_y, sample_weight=expected_weight)
    assert_same_network(model, expected)
    assert isinstance(model.predict(data), np.ndarray)
    np.testing.assert_array_equal(model.predict(data), expected.predict(array))
    score = expected.score(array, expected_y, sample_weight=expected_weight)
    assert model.score(data, y, sample_weight=weight) == score
    model.partial_fit(data, y, sample_weight=weight)
    assert_same_network(model, expected.partial_fit(array, expected_y, sample_weight=expected_weight))


@pytest.mark.parametrize("dtype", [torch.float64, torch.bfloat16])
def test_several_quantiles_are_scored_on_tensors(dtype):
    y = torch.tensor(X[:, 0], dtype=dtype).requires_grad_()
    weight = torch.tensor(WEIGHT, dtype=dtype).requires_grad_()
    model = RegularizedMLPRegressor(loss="quantile", quantile=(0.1, 0.9), **SETTINGS).fit(X, y)
    array = y.detach().double().numpy()
    assert model.score(X, y, weight) == model.score(X, array, WEIGHT)


@BOTH
def test_tensors_to_validate_on_and_to_score(kind):
    def fit(X, y, weight):
        model = kind(early_stopping=True, scoring="neg_mean_squared_error", **SETTINGS)
        return model.fit(X[:60], y[:60], weight[:60], X_val=X[60:], y_val=y[60:], sample_weight_val=weight[60:])

    tensors = [torch.tensor(a) for a in (X, targets(kind), WEIGHT)]
    tensors[0].requires_grad_()
    model, expected = fit(*tensors), fit(X, targets(kind), WEIGHT)
    assert_same_network(model, expected)
    assert model.validation_scores_ == expected.validation_scores_


@BOTH
def test_tensors_beside_a_callback(kind):
    weight = torch.tensor(WEIGHT).requires_grad_()
    scoring = "accuracy" if kind is RegularizedMLPClassifier else "r2"
    model = kind(**SETTINGS).set_callbacks(ScoringMonitor(scoring=scoring))
    model.fit(torch.tensor(X), torch.tensor(targets(kind)), sample_weight=weight)
    assert_same_network(model, kind(**SETTINGS).fit(X, targets(kind), WEIGHT))


def test_labels_may_be_a_tensor_of_booleans_or_indicators():
    settings = SETTINGS | {"early_stopping": True}
    for labels in (X[:, 0] > 0, (X[:, :2] > 0).astype(int), (X[:, :2] > 0)):
        model = RegularizedMLPClassifier(**settings).fit(X, torch.tensor(labels))
        assert_same_network(model, RegularizedMLPClassifier(**settings).fit(X, labels))


@BOTH
def test_nan_in_a_tensor_is_an_error(kind):
    data = torch.tensor(X)
    data[0, 0] = torch.nan
    with pytest.raises(ValueError, match="Input X contains NaN"):
        kind(**SETTINGS).fit(data, targets(kind))


# -- files mapped into memory -------------------------------------------------------------------------------


@pytest.fixture
def small_files_count(monkeypatch):
    """Treat every mapped file as a large one, read in several blocks and regions."""
    monkeypatch.setattr(arrays, "MAX_RESIDENT_BYTES", 512)
    monkeypatch.setattr(arrays, "BLOCK_BYTES", 1024)


def mapped(folder, data, mode="r", **options):
    path = Path(folder) / "data.bin"
    np.ascontiguousarray(data).tofile(path)
    return np.memmap(path, data.dtype, mode, shape=data.shape, **options)


@BOTH
@pytest.mark.parametrize("dtype", [np.float32, np.float64, np.int32])
@pytest.mark.parametrize("mode", ["r", "r+", "c"])
@pytest.mark.usefixtures("small_files_count")
def test_mapped_files_equal_arrays(kind, dtype, mode, tmp_path):
    array, y = (4 * X).astype(dtype), targets(kind)
    data = mapped(tmp_path, array, mode)
    options = {"early_stopping": True, "scoring": "neg_mean_squared_error"}
    model, expected = (kind(**options, **SETTINGS).fit(rows, y, WEIGHT) for rows in (data, array))
    assert_same_network(model, expected)
    assert model.validation_scores_ == expected.validation_scores_
    np.testing.assert_array_equal(model.predict(data), expected.predict(array))
    np.testing.assert_array_equal(model.transform(data), expected.transform(array))
    assert_same_network(model.partial_fit(data, y), expected.partial_fit(array, y))
    np.testing.assert_array_equal(data, array)


@BOTH
@pytest.mark.usefixtures("small_files_count")
def test_parts_of_mapped_files_equal_arrays(kind, tmp_path):
    data, y = mapped(tmp_path, X), targets(kind)
    parts = {
        "rows": (data[10:70], slice(10, 70)),
        "every second row": (data[::2], slice(None, None, 2)),
        "backwards": (data[::-1], slice(None, None, -1)),
        "as array": (np.asarray(data)[5:], slice(5, None)),
    }
    for part, rows in parts.values():
        model = kind(**SETTINGS).fit(part, y[rows])
        assert_same_network(model, kind(**SETTINGS).fit(X[rows].copy(), y[rows]))
    columns = kind(**SETTINGS).fit(data[:, 1:3], y)
    assert_same_network(columns, kind(**SETTINGS).fit(X[:, 1:3].copy(), y))


@BOTH
@pytest.mark.usefixtures("small_files_count")
def test_mapped_files_in_fortran_order_equal_arrays(kind, tmp_path):
    path = tmp_path / "fortran.bin"
    X.T.copy().tofile(path)
    data = np.memmap(path, np.float64, "r", shape=X.shape, order="F")
    assert_same_network(kind(**SETTINGS).fit(data, targets(kind)), kind(**SETTINGS).fit(X, targets(kind)))


@pytest.mark.usefixtures("small_files_count")
def test_mapped_files_to_validate_on_and_to_refit(tmp_path):
    y = targets(RegularizedMLPRegressor)

    def fit(data):
        model = RegularizedMLPRegressor(early_stopping=True, refit_on_all=True, **SETTINGS)
        return model.fit(data[:60], y[:60], X_val=data[60:], y_val=y[60:])

    assert_same_network(fit(mapped(tmp_path, X)), fit(X))


@BOTH
@pytest.mark.parametrize("view", [lambda a: a, lambda a: a[:], np.asarray, lambda a: a[::-1][::-1]])
@pytest.mark.usefixtures("small_files_count")
def test_changes_that_exist_only_in_memory_are_kept(kind, view, tmp_path):
    data = mapped(tmp_path, np.zeros_like(X), "c")
    data[:] = X
    model = kind(early_stopping=True, **SETTINGS).fit(view(data), targets(kind))
    model.predict(view(data))
    np.testing.assert_array_equal(data, X)
    assert_same_network(model, kind(early_stopping=True, **SETTINGS).fit(X, targets(kind)))


@BOTH
@pytest.mark.usefixtures("small_files_count")
def test_changes_of_a_shared_file_are_kept(kind, tmp_path):
    data = mapped(tmp_path, np.zeros_like(X), "r+")
    data[:] = X
    kind(**SETTINGS).fit(data, targets(kind))
    np.testing.assert_array_equal(data, X)
    data.flush()
    np.testing.assert_array_equal(np.fromfile(tmp_path / "data.bin").reshape(X.shape), X)


@BOTH
@pytest.mark.usefixtures("small_files_count")
def test_memory_that_only_looks_like_a_file_is_kept(kind):
    buffer = mmap.mmap(-1, X.nbytes, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
    data = np.ndarray(X.shape, X.dtype, buffer=buffer)
    data[:] = X
    model = kind(**SETTINGS).fit(data, targets(kind))
    np.testing.assert_array_equal(data, X)
    assert_same_network(model, kind(**SETTINGS).fit(X, targets(kind)))


@BOTH
@pytest.mark.parametrize(("value", "name"), [(np.nan, "NaN"), (np.inf, "infinity")])
@pytest.mark.parametrize("row", [0, 79])
@pytest.mark.usefixtures("small_files_count")
def test_nan_in_a_mapped_file_is_an_error_that_changes_nothing(kind, value, name, row, tmp_path):
    bad = X.copy()
    bad[row, 1] = value
    model = kind(**SETTINGS).fit(X, targets(kind))
    before = copy.copy(vars(model))
    data = mapped(tmp_path, bad)
    for call in (model.predict, lambda X: model.fit(X, targets(kind)), lambda X: model.partial_fit(X, targets(kind))):
        with pytest.raises(ValueError, match=f"Input X contains {name}"):
            call(data)
    assert vars(model) == before


@pytest.mark.usefixtures("small_files_count")
def test_nan_in_y_beside_a_mapped_file_is_an_error(tmp_path):
    y = targets(RegularizedMLPRegressor)
    y[5] = np.nan
    with pytest.raises(ValueError, match="Input y contains NaN"):
        RegularizedMLPRegressor(**SETTINGS).fit(mapped(tmp_path, X), y)


# -- workers ------------------------------------------------------------------------------------------------


def test_a_search_in_processes_gets_the_data_mapped(monkeypatch):
    # joblib hands arrays of more than 1 MB to its workers as read-only files mapped into memory.
    rng = np.random.default_rng(0)
    data = rng.normal(size=(3000, 60))
    y = (data[:, 0] > 0).astype(int)
    model = RegularizedMLPClassifier(**SETTINGS | {"max_iter": 2, "batch_size": 500, "early_stopping": True})
    searches = []
    for n_jobs in (1, 2):
        search = GridSearchCV(model, {"alpha": [1e-4, 1e-2]}, cv=2, n_jobs=n_jobs)
        with joblib.parallel_config(max_nbytes="1M"):
            searches.append(search.fit(data, y))
    one, two = searches
    np.testing.assert_array_equal(one.cv_results_["mean_test_score"], two.cv_results_["mean_test_score"])
    assert_same_network(one.best_estimator_, two.best_estimator_)

"""Paths, the choice of a strength and displays, where features stand for columns of a table."""

import pickle

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest
from sklearn.base import clone

from skreg import RegularizedMLPRegressor, RegularizedMLPRegressorCV, table_pipeline
from skreg._estimator.columns import column_norms
from skreg.inspection import FeatureSelectionDisplay
from skreg.model_selection import GridSearchCV, RegularizationPathDisplay, alpha_max, regularization_path
from skreg.penalties import GroupLasso
from skreg.preprocessing import TableEncoder
from skreg.preprocessing._encoded import EncodedTable
from tests.helpers import legend_texts

N_LEVELS = 4
COLUMNS = np.repeat([0, 1, 2, 4, 5, 6], N_LEVELS)  # column 3 has been dropped
LISTS = [list(range(first, first + N_LEVELS)) for first in range(0, len(COLUMNS), N_LEVELS)]
LINEAR = {
    "hidden_layer_sizes": (),
    "learning_rate": "cosine",
    "learning_rate_init": 0.05,
    "max_iter": 150,
    "random_state": 0,
}
DEEP = LINEAR | {"hidden_layer_sizes": (6,), "max_iter": 30, "batch_size": 50, "learning_rate_init": 0.02}


def categories(n_rows, n_columns, n_levels, seed):
    """Return categories as numbers, and their indicators; the first three have effects on the target."""
    rng = np.random.default_rng(seed)
    levels = rng.integers(n_levels, size=(n_rows, n_columns))
    effects = rng.normal(size=(3, n_levels))
    signal = effects[np.arange(3), levels[:, :3]].sum(axis=1)
    y = (signal - signal.mean()) / signal.std() + 0.5 * rng.normal(size=n_rows)
    return (levels[:, :, np.newaxis] == np.arange(n_levels)).reshape(n_rows, -1).astype(float), y


VALUES, Y = categories(150, 6, N_LEVELS, seed=0)
X = EncodedTable(VALUES, COLUMNS)


def model(groups="columns", penalty=GroupLasso, options=DEEP):
    return RegularizedMLPRegressor(penalty=penalty(groups=groups), **options)


def chosen(groups="columns", options=DEEP, **further):
    return RegularizedMLPRegressorCV(
        penalty=GroupLasso(groups=groups), **options | {"cv": 3, "alphas": [0.02, 0.1]} | further
    )


@pytest.fixture(scope="module")
def path():
    return regularization_path(model(), X, Y, alphas=[0.01, 0.05, 0.1, 0.5])


def test_the_largest_strength_has_a_closed_form():
    gradient = VALUES.T @ (Y - Y.mean()) / len(Y)
    expected = max(np.linalg.norm(gradient[members]) for members in LISTS) / np.sqrt(N_LEVELS)
    found = alpha_max(model(options=LINEAR), X, Y)
    assert found == pytest.approx(expected, rel=2e-3)
    strong, weak = (
        clone(model(options=LINEAR)).set_params(penalty__alpha=factor * found).fit(X, Y) for factor in (1, 0.9)
    )
    assert len(strong.selected_features_) == 0
    assert len(weak.selected_features_) == N_LEVELS
    assert found == alpha_max(model(LISTS, options=LINEAR), VALUES, Y)


@pytest.mark.parametrize("function", [alpha_max, regularization_path, lambda _, X, y: chosen().fit(X, y)])
def test_columns_must_be_known(function):
    with pytest.raises(ValueError, match=r"groups='columns'\) needs to know the original column of each feature"):
        function(model(), VALUES, Y)


def test_a_choice_that_fails_changes_nothing():
    fitted = chosen(max_iter=2).fit(X, Y)
    before = dict(vars(fitted))
    with pytest.raises(ValueError, match="needs to know"):
        fitted.fit(VALUES, Y)
    assert vars(fitted) == before


def test_a_path_is_that_with_lists(path):
    with_lists = regularization_path(model(LISTS), VALUES, Y, alphas=path.alphas)
    np.testing.assert_array_equal(path.coefs, with_lists.coefs)
    assert with_lists.source_columns is None
    assert with_lists.column_importances is None
    np.testing.assert_array_equal(path.source_columns, COLUMNS)
    # Groups enter and leave as a whole.
    used = path.importances.reshape(4, 6, N_LEVELS) > 0
    np.testing.assert_array_equal(used.any(axis=2), used.all(axis=2))
    assert 0 < used[2].sum() < used[0].sum()
    # The estimators have the groups of the one that was given, so that they can be fitted to other features.
    for estimator, alpha in zip(path.estimators, path.alphas, strict=True):
        assert estimator.penalty.groups == "columns"
        assert estimator.penalty.alpha == alpha
    assert clone(path.estimators[0]).fit(X[:, :12].view(EncodedTable)._with_columns(COLUMNS[:12].copy()), Y)


def test_norms_of_columns(path):
    expected = np.zeros((4, 7))
    for column in np.unique(COLUMNS):
        expected[:, column] = np.linalg.norm(path.importances[:, column == COLUMNS], axis=1)
    np.testing.assert_allclose(path.column_importances, expected, rtol=1e-12)
    np.testing.assert_array_equal(path.column_importances > 0, expected > 0)
    # Whatever their scale.
    for tiny in (1e-300, 5e-324, 1e300):
        assert column_norms(np.array([tiny, 0, tiny]), np.array([0, 1, 0]))[0] > 0
        assert np.isfinite(column_norms(np.array([tiny, 0, tiny]), np.array([0, 1, 0]))).all()
    np.testing.assert_array_equal(column_norms(np.array([3.0, 4.0, 1.0]), np.array([1, 1, 2]), 5), [0, 5, 1, 0, 0])


def test_lines_are_columns(path):
    display = RegularizationPathDisplay(path).plot(highlight=[0, 5])
    assert len(display.lines_) == 7
    np.testing.assert_array_equal(display.lines_[5].get_ydata(), path.column_importances[:, 5])
    assert legend_texts(display.ax_[0]) == ["0", "5"]
    assert display.ax_[0].get_ylabel() == "norm of a column's weights"
    frame = display.frame()
    assert frame["n_selected"].tolist() == (path.column_importances > 0).sum(axis=1).tolist()
    assert frame["6"].tolist() == path.column_importances[:, 6].tolist()
    assert not frame["3"].any(), "column 3 has no features"


def test_names_of_columns(path):
    names = pd.Index([f"c{number}" for number in range(9)])
    display = RegularizationPathDisplay(path, column_names=names).plot(highlight=["c1"])
    assert len(display.lines_) == 9
    assert legend_texts(display.ax_[0]) == ["c1"]
    np.testing.assert_array_equal(display.frame()["c6"], path.column_importances[:, 6])
    assert not display.frame()["c8"].any()
    with pytest.raises(ValueError, match=r"'column_names' parameter must hold a name .* at least 7 of them; got 6"):
        RegularizationPathDisplay(path, column_names=names[:6]).frame()


def test_lines_are_features_on_request(path):
    plt.close("all")
    display = RegularizationPathDisplay(path, by="feature").plot()
    assert len(display.lines_) == len(COLUMNS)
    assert display.ax_[0].get_ylabel() == "norm of a feature's weights"
    assert display.frame()["n_selected"].tolist() == path.n_selected.tolist()
    with pytest.raises(ValueError, match=r"The 'by' parameter of RegularizationPathDisplay must be .* Got 'level'"):
        RegularizationPathDisplay(path, by="level").plot()


@pytest.mark.parametrize("options", [{"relax": True}, {"adaptive": True, "relax": True}])
def test_a_choice_is_that_with_lists(options):
    options |= {"max_iter": 10}
    fitted, with_lists = chosen(**options).fit(X, Y), chosen(LISTS, **options).fit(VALUES, Y)
    np.testing.assert_array_equal(fitted.scores_path_, with_lists.scores_path_)
    np.testing.assert_array_equal(fitted.coefs_[0], with_lists.coefs_[0])
    np.testing.assert_array_equal(fitted.source_columns_, COLUMNS)
    assert fitted.penalty.groups == "columns"
    assert fitted.coefs_[0].shape == (len(COLUMNS), 6)


def test_a_choice_without_a_fit_knows_the_columns():
    np.testing.assert_array_equal(chosen(max_iter=2, refit=False).fit(X, Y).source_columns_, COLUMNS)


@pytest.fixture(scope="module")
def table():
    """Return a frame: a number and two categories with an effect, one without, and a column that is dropped."""
    rng = np.random.default_rng(0)
    data = pd.DataFrame({"size": rng.normal(size=200), "same": 1.0})
    effects = rng.normal(size=(2, 5))
    y = data["size"].to_numpy()
    for name, effect in zip(("town", "shop", "day"), [*effects, np.zeros(5)], strict=True):
        levels = rng.integers(5, size=200)
        data[name] = np.array(list("abcde"))[levels]
        y = y + effect[levels]
    return data, y + 0.2 * rng.normal(size=200)


@pytest.mark.parametrize("container", ["default", "pandas"])
def test_tables_as_they_are(table, container):
    encoder = TableEncoder().set_output(transform=container)
    pipeline = table_pipeline(model().set_params(penalty__alpha=0.08), encoder=encoder)
    search = GridSearchCV(pipeline, {"regularizedmlpregressor__penalty__alpha": [0.08, 3.0]}, cv=2).fit(*table)
    fitted = search.best_estimator_
    network = fitted[-1]
    np.testing.assert_array_equal(network.source_columns_, fitted[0].source_columns_)
    assert sorted(set(network.source_columns_.tolist())) == [0, 2, 3, 4]
    assert fitted.selected_features_.tolist() == ["size", "town", "shop"]
    frame = FeatureSelectionDisplay.from_estimator(search).frame().set_index("feature")
    np.testing.assert_allclose(frame.loc[table[0].columns, "importance"], fitted.feature_importances_)
    np.testing.assert_array_equal(frame.loc[["same", "day"], "importance"], 0)
    used = network.feature_importances_ > 0
    np.testing.assert_array_equal(used, np.isin(network.source_columns_, [0, 2, 3]))
    np.testing.assert_array_equal(pickle.loads(pickle.dumps(fitted)).predict(table[0]), fitted.predict(table[0]))


def test_polars_frames_do_not_know_their_columns(table):
    encoder = TableEncoder().set_output(transform="polars")
    with pytest.raises(ValueError, match="needs to know the original column of each feature"):
        table_pipeline(model(), encoder=encoder).fit(*table)


def test_exactly_the_columns_that_matter_are_kept():
    """One of the seeds of ``benchmarks/bench_columns.py``, with a small network on fewer rows."""
    values, y = categories(300, 8, 10, seed=0)
    table = EncodedTable(values, np.repeat(np.arange(8), 10))
    training = {"max_iter": 25, "batch_size": 75, "learning_rate": "cosine", "learning_rate_init": 0.03}
    fitted = RegularizedMLPRegressorCV(
        (8,),
        penalty=GroupLasso(groups="columns"),
        adaptive=True,
        selection="one_se",
        alphas=8,
        cv=3,
        random_state=0,
        **training,
    ).fit(table, y)
    assert fitted.selected_features_.tolist() == list(range(30))

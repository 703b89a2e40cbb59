"""Groups of features that stand for one column of a table: known from X, the same in every way to fit."""

import pickle

import numpy as np
import pandas as pd
import pytest
from sklearn.base import BaseEstimator, TransformerMixin, clone
from sklearn.model_selection import KFold
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import scale

from skreg import RegularizedMLPRegressor
from skreg.model_selection import GridSearchCV, cross_validate
from skreg.penalties import GroupLasso, SparseGroupLasso
from skreg.preprocessing._encoded import EncodedTable
from tests.helpers import BOTH, SHORT

# Column 1 of the table has been dropped, the features of column 3 are not beside each other.
COLUMNS = np.array([3, 0, 0, 0, 2, 3, 3, 4, 4, 4])
LISTS = [[1, 2, 3], [4], [0, 5, 6], [7, 8, 9]]
RNG = np.random.default_rng(0)
VALUES = scale(RNG.normal(size=(90, 10)) + 0.5 * RNG.normal(size=(90, 1)))
Y = VALUES[:, 1] - VALUES[:, 3] + 0.5 * VALUES[:, 4] + 0.3 * RNG.normal(size=90)
X = EncodedTable(VALUES, COLUMNS)
LINEAR = {
    "hidden_layer_sizes": (),
    "learning_rate": "cosine",
    "learning_rate_init": 0.05,
    "max_iter": 400,
    "random_state": 0,
}
UNKNOWN = r"\(groups='columns'\) needs to know the original column of each feature.*table_pipeline"


def targets(kind):
    return Y if kind is RegularizedMLPRegressor else (Y > 0).astype(int)


def model(kind=RegularizedMLPRegressor, penalty=GroupLasso, groups="columns", alpha=0.05, **options):
    return kind(penalty=penalty(alpha=alpha, groups=groups), **SHORT | options)


def assert_same(one, other):
    assert len(one.coefs_) == len(other.coefs_)
    for name in ("coefs_", "intercepts_"):
        for a, b in zip(getattr(one, name), getattr(other, name), strict=True):
            np.testing.assert_array_equal(a, b)


def frame(values=VALUES, source_columns=COLUMNS):
    """Return a frame as `set_output` makes it."""
    data = pd.DataFrame(values).add_prefix("f")
    data.attrs |= {"source_columns": source_columns.tolist(), "encoded_columns": data.columns.tolist()}
    return data


class OneHot(TransformerMixin, BaseEstimator):
    """Encoder of columns of integers, which drops levels that it has not seen."""

    def fit(self, X, y=None):
        self.levels_ = [np.unique(column) for column in X.T]
        self.n_features_in_ = len(self.levels_)
        self.source_columns_ = np.repeat(np.arange(len(self.levels_)), list(map(len, self.levels_)))
        return self

    def transform(self, X):
        parts = [column[:, None] == levels for column, levels in zip(X.T, self.levels_, strict=True)]
        return EncodedTable(np.hstack(parts).astype(float), self.source_columns_)


# -- outside truth -----------------------------------------------------------------------------------------------------


def solution(X, y, alpha, groups, weights, l1_ratio=0.0):
    """Return the coefficients of the sparse group lasso, by proximal gradient steps (Simon et al. 2013)."""
    X, y = X - X.mean(axis=0), y - y.mean()
    step = len(X) / np.linalg.norm(X, 2) ** 2
    w = np.zeros(X.shape[1])
    for _ in range(20_000):
        u = w - step * X.T @ (X @ w - y) / len(X)
        u = np.sign(u) * np.maximum(np.abs(u) - step * alpha * l1_ratio, 0)
        for members, weight in zip(groups, weights, strict=True):
            threshold = step * alpha * (1 - l1_ratio) * weight * np.sqrt(len(members))
            u[members] *= max(0, 1 - threshold / max(np.linalg.norm(u[members]), 1e-300))
        if np.abs(u - w).max() < 1e-13:
            break
        w = u
    return u


@pytest.mark.parametrize(
    ("penalty", "options"),
    [
        (GroupLasso(alpha=0.15, groups="columns"), {}),
        (GroupLasso(alpha=0.1, groups="columns", group_weights=[2.5, 1, 0.5, 1]), {"weights": [2.5, 1, 0.5, 1]}),
        (SparseGroupLasso(alpha=0.15, l1_ratio=0.4, groups="columns"), {"l1_ratio": 0.4}),
    ],
)
def test_without_hidden_layers_it_is_the_group_lasso(penalty, options):
    fitted = RegularizedMLPRegressor(penalty=penalty, **LINEAR).fit(X, Y)
    expected = solution(VALUES, Y, penalty.alpha, LISTS, **{"weights": np.ones(4)} | options)
    np.testing.assert_allclose(fitted.coefs_[0][:, 0], expected, atol=1e-5)
    np.testing.assert_array_equal(fitted.coefs_[0][:, 0] == 0, expected == 0)
    zeros = [not expected[members].any() for members in LISTS]
    assert any(zeros)
    assert not all(zeros)


def test_orthonormal_columns_have_a_closed_form():
    Q = np.linalg.qr(VALUES - VALUES.mean(axis=0))[0] * np.sqrt(len(VALUES))
    inner = Q.T @ Y / len(Y)
    expected = np.zeros(10)
    for members in LISTS:
        threshold = 0.3 * np.sqrt(len(members))
        expected[members] = inner[members] * max(0, 1 - threshold / np.linalg.norm(inner[members]))
    penalty = GroupLasso(alpha=0.3, groups="columns")
    fitted = RegularizedMLPRegressor(penalty=penalty, **LINEAR).fit(EncodedTable(Q, COLUMNS), Y)
    np.testing.assert_allclose(fitted.coefs_[0][:, 0], expected, atol=1e-6)
    assert 0 < np.count_nonzero(expected) < 10


# -- every way to fit --------------------------------------------------------------------------------------------------


@BOTH
@pytest.mark.parametrize("penalty", [GroupLasso, SparseGroupLasso])
def test_the_fit_is_that_with_lists(kind, penalty):
    y = targets(kind)
    fitted = model(kind, penalty).fit(X, y)
    assert_same(fitted, model(kind, penalty, LISTS).fit(VALUES, y))
    assert fitted.penalty.groups == "columns"
    np.testing.assert_array_equal(fitted.penalty_.groups, COLUMNS)
    np.testing.assert_array_equal(fitted.source_columns_, COLUMNS)
    assert type(fitted.source_columns_) is np.ndarray
    np.testing.assert_array_equal(fitted.predict(X), fitted.predict(VALUES))


@pytest.mark.parametrize(
    "options",
    [
        {"penalty": lambda **options: GroupLasso(**options | {"alpha": (0.05, 0.0)})},
        {"early_stopping": True},
        {"early_stopping": True, "refit_on_all": True, "scoring": "r2"},
        {"solver": "sgd", "averaging": "ema", "dropout": 0.2},
        {"constraint": "nonnegative", "augmentation": "noise"},
    ],
    ids=["one strength for each matrix", "early stopping", "refit", "sgd", "constraint"],
)
def test_other_parameters_with_it(options):
    fitted = model(**options).fit(X, Y)
    assert_same(fitted, model(groups=LISTS, **options).fit(VALUES, Y))


def test_frames_and_validation_rows():
    data = frame()
    fitted = model(early_stopping=True).fit(data, Y, X_val=data.iloc[:20], y_val=Y[:20])
    by_hand = model(early_stopping=True, groups=LISTS).fit(VALUES, Y, X_val=VALUES[:20], y_val=Y[:20])
    assert_same(fitted, by_hand)
    # Columns in another order bring theirs along.
    order = np.random.default_rng(1).permutation(10)
    np.testing.assert_array_equal(model().fit(data.iloc[:, order], Y).source_columns_, COLUMNS[order])


def test_other_penalties_know_the_columns_too():
    fitted = RegularizedMLPRegressor(**SHORT).fit(X, Y)
    np.testing.assert_array_equal(fitted.source_columns_, COLUMNS)
    assert_same(fitted, RegularizedMLPRegressor(**SHORT).fit(VALUES, Y))
    assert fitted.fit(VALUES, Y).source_columns_ is None


@BOTH
def test_batch_by_batch(kind):
    y = targets(kind)
    classes = {} if kind is RegularizedMLPRegressor else {"classes": [0, 1]}
    with_columns, with_lists = model(kind), model(kind, groups=LISTS)
    for rows in (slice(0, 45), slice(45, 90)):
        with_columns.partial_fit(X[rows], y[rows], **classes)
        with_lists.partial_fit(VALUES[rows], y[rows], **classes)
    # What X has to say is known from the first call.
    with_columns.partial_fit(VALUES, y)
    assert_same(with_columns, with_lists.partial_fit(VALUES, y))
    np.testing.assert_array_equal(with_columns.source_columns_, COLUMNS)
    before = clone_of(with_columns)
    with pytest.raises(ValueError, match="must have the same original columns as in the call of fit that this one"):
        with_columns.partial_fit(EncodedTable(VALUES, COLUMNS[::-1]), y)
    assert_same(with_columns, before)
    np.testing.assert_array_equal(with_columns.source_columns_, COLUMNS)


def clone_of(fitted):
    return pickle.loads(pickle.dumps(fitted))


def test_warm_starts_and_checkpoints(tmp_path):
    warm = model(warm_start=True, max_iter=4).fit(X, Y).fit(VALUES, Y)
    assert_same(warm, model(groups=LISTS, warm_start=True, max_iter=4).fit(VALUES, Y).fit(VALUES, Y))
    with pytest.raises(ValueError, match="must have the same original columns"):
        warm.fit(EncodedTable(VALUES, COLUMNS[::-1]), Y)
    path = tmp_path / "training.npz"
    model(max_iter=4).fit(X, Y).save_checkpoint(path)
    resumed = model(max_iter=8).load_checkpoint(path).fit(X, Y)
    assert_same(resumed, model(max_iter=8).fit(X, Y))


# -- searches ----------------------------------------------------------------------------------------------------------


def test_candidates_of_a_search_are_single_fits():
    """Candidates with other groups, or other columns in the same rows, do not share a population."""
    grid = {"penalty__groups": ["columns", "features", LISTS], "penalty__alpha": [0.02, 0.1]}
    folds = KFold(2)
    search = GridSearchCV(model(), grid, cv=folds).fit(X, Y)
    assert search.best_estimator_.source_columns_.tolist() == COLUMNS.tolist()
    scores = np.column_stack([search.cv_results_[f"split{i}_test_score"] for i in range(2)])
    for parameters, row in zip(search.cv_results_["params"], scores, strict=True):
        for (train, test), score in zip(folds.split(X), row, strict=True):
            single = clone(model()).set_params(**parameters).fit(X[train], Y[train])
            assert single.score(X[test], Y[test]) == pytest.approx(score, abs=1e-4)


def test_every_fold_has_the_columns_of_its_own_encoder():
    levels = np.random.default_rng(0).integers(6, size=(60, 3))
    levels[:30, 1] %= 4  # half of the rows lack two levels
    y = (levels[:, 0] > 2) + 0.1 * np.random.default_rng(1).normal(size=60)
    pipeline = make_pipeline(OneHot(), model())
    folds = list(KFold(2).split(levels))
    fitted = cross_validate(pipeline, levels, y, cv=folds, return_estimator=True)["estimator"]
    widths = {len(fold[-1].source_columns_) for fold in fitted}
    assert widths == {16, 18}
    for (train, _), fold in zip(folds, fitted, strict=True):
        np.testing.assert_array_equal(fold[-1].source_columns_, fold[0].source_columns_)
        alone = clone(pipeline).fit(levels[train], y[train])
        np.testing.assert_allclose(fold[-1].coefs_[0], alone[-1].coefs_[0], atol=1e-5)


# -- columns that are not known ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("data", [VALUES, VALUES.tolist(), pd.DataFrame(VALUES).add_prefix("f"), X[:, :10:1] * 1.0])
def test_x_must_know_its_columns(data):
    fitted = model(groups="features").fit(X, Y)
    before = vars(clone_of(fitted))
    with pytest.raises(ValueError, match=UNKNOWN):
        fitted.set_params(penalty__groups="columns").fit(data, Y)
    np.testing.assert_array_equal(fitted.coefs_[0], before["coefs_"][0])
    np.testing.assert_array_equal(fitted.source_columns_, COLUMNS)
    with pytest.raises(ValueError, match=UNKNOWN):
        model().partial_fit(data, Y)


def test_columns_must_be_as_many_as_features():
    damaged = EncodedTable(VALUES, COLUMNS)
    damaged.source_columns = COLUMNS[:4]
    message = r"X must bring along one original column for each of its 10 features; got 4 in 'source_columns'"
    with pytest.raises(ValueError, match=message):
        model().fit(damaged, Y)
    with pytest.raises(ValueError, match=r"needs the original column of each of the 3 features of X; got 10 numbers"):
        GroupLasso(groups="columns").for_source_columns(COLUMNS, 3)


def test_one_weight_for_each_column_with_features():
    wrong = RegularizedMLPRegressor(penalty=GroupLasso(groups="columns", group_weights=[1, 1, 1, 1, 1]), **SHORT)
    with pytest.raises(ValueError, match=r"'group_weights' parameter .* for each of the 4 groups; got \[1, 1, 1, 1, 1"):
        wrong.fit(X, Y)


# -- pickles -----------------------------------------------------------------------------------------------------------


def test_pickles_and_pruned_networks_know_the_columns():
    fitted = model(alpha=0.3).fit(X, Y)
    assert 0 < len(fitted.selected_features_) < 10
    for copy in (clone_of(fitted), fitted.prune(), clone_of(fitted.prune())):
        np.testing.assert_array_equal(copy.source_columns_, COLUMNS)
        np.testing.assert_array_equal(copy.feature_importances_, fitted.feature_importances_)
    state = fitted.__getstate__()
    del state["source_columns_"]  # of a version before
    older = object.__new__(RegularizedMLPRegressor)
    older.__setstate__(state)
    assert older.source_columns_ is None


@pytest.mark.parametrize("columns", [COLUMNS[:3], COLUMNS.astype(float), -COLUMNS, COLUMNS.tolist(), "columns"])
def test_damaged_columns_are_an_error(columns):
    state = model().fit(X, Y).__getstate__() | {"source_columns_": columns}
    with pytest.raises(ValueError, match="The saved state is damaged: 'source_columns_' must be None, or hold an"):
        object.__new__(RegularizedMLPRegressor).__setstate__(state)

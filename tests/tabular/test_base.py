"""Tables of every kind, copies, seeds, searches, and what cannot be fitted."""

import copy
import functools
import pickle
import warnings

import joblib
import numpy as np
import pandas as pd
import polars as pl
import pytest
import scipy.sparse
import torch
from sklearn import config_context
from sklearn.base import clone, is_classifier, is_regressor
from sklearn.compose import TransformedTargetRegressor
from sklearn.exceptions import ConvergenceWarning, FitFailedWarning, NotFittedError
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GroupKFold, KFold, LeaveOneGroupOut
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import FunctionTransformer, StandardScaler
from sklearn.utils import get_tags

from skreg import RegularizedMLPClassifier, RegularizedMLPRegressor, TabularMLPClassifier, TabularMLPRegressor
from skreg.backends import _joblib
from skreg.ensemble import FoldEnsembleClassifier, FoldEnsembleRegressor
from skreg.model_selection import GridSearchCV, cross_validate
from skreg.tabular import _members
from tests.helpers import KINDS, assert_unchanged_by
from tests.preprocessing.tables import with_strange_values
from tests.search_helpers import both, both_searches, log_likelihood, negative_error
from tests.tabular_helpers import (
    EPOCHS,
    N_ROWS,
    TABULAR,
    WEIGHT,
    assert_same_networks,
    data,
    model,
    networks,
    table,
    whole_table,
)

pytestmark = [
    pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning"),
    pytest.mark.filterwarnings("ignore:(All predictions are the same|No feature is selected)"),
]
BOTH = pytest.mark.parametrize("kind", KINDS)
SCORING = {"classifier": log_likelihood, "regressor": negative_error}
# Of what both share, one half with the products: the tests of folds and blends have both.
FOR_CLASSES, FOR_NUMBERS = (
    pytest.mark.parametrize("kind", [first, pytest.param(second, marks=pytest.mark.product)])
    for first, second in (KINDS, reversed(KINDS))
)
GROUPS = np.random.default_rng(1).integers(9, size=N_ROWS)


@pytest.fixture(params=KINDS)
def kind(request):
    return request.param


@functools.cache
def fitted_to_array(kind):
    return model(kind).fit(*data(kind))


@functools.cache
def fitted_to_frame(kind):
    return model(kind, network={"max_iter": 15}).fit(*table(kind))


@pytest.fixture
def fitted(kind):
    """Return an estimator fitted to an array, for tests that change nothing in it."""
    return fitted_to_array(kind)


@pytest.fixture(scope="module", params=["classifier", pytest.param("regressor", marks=pytest.mark.product)])
def of_table(request):
    """Return the kind of an estimator, and the estimator fitted to a frame with a column of every kind."""
    kind = request.param
    return kind, model(kind, network={"max_iter": 15}).fit(*whole_table(kind))


@pytest.fixture
def of_frame(kind):
    """Return an estimator fitted to a frame with a few columns, for tests that change nothing in it."""
    return fitted_to_frame(kind)


class TestTables:
    def test_columns_of_every_kind(self, of_table):
        kind, found = of_table
        X, y = whole_table(kind)
        assert found.n_features_in_ == X.shape[1]
        assert found.feature_names_in_.tolist() == X.columns.tolist()
        assert found.oof_score_ > (0.65 if kind == "classifier" else 0.2)
        assert found.score(X, y) > (0.8 if kind == "classifier" else 0.6)

    def test_new_rows_with_anything(self, of_table):
        kind, found = of_table
        predictions = found.predict(with_strange_values(whole_table(kind)[0]))
        if kind == "classifier":
            assert set(predictions) <= {"high", "low"}
        else:
            assert np.isfinite(predictions).all()

    def test_importances_are_those_of_columns(self, of_table):
        kind, found = of_table
        X, _ = whole_table(kind)
        assert found.feature_importances_.shape == (X.shape[1],)
        assert found.feature_importances_.sum() == pytest.approx(1)
        importance = pd.Series(found.feature_importances_, index=X.columns)
        assert importance["one"] == importance["seven"] == 0
        # They are means over folds of the norms of the columns' features.
        expected = np.mean([member.feature_importances_ for member in found.folds_.members_], axis=0)
        np.testing.assert_allclose(importance, expected / expected.sum(), rtol=1e-10)

    @FOR_CLASSES
    def test_frames_of_polars(self, kind, of_frame):
        X, y = table(kind)
        columns = {name: [None if pd.isna(value) else value for value in X[name]] for name in X}
        frame = pl.DataFrame(columns)
        found = model(kind, network={"max_iter": 15}).fit(frame, pl.Series(y.tolist()))
        assert_same_networks(found, of_frame)
        np.testing.assert_array_equal(found.predict(frame), of_frame.predict(X))

    @FOR_CLASSES
    def test_arrays_lists_and_tensors(self, kind, fitted):
        X, y = data(kind)
        expected = fitted.predict(X)
        for rows, targets in ((X.tolist(), y.tolist()), (torch.from_numpy(X), torch.from_numpy(y))):
            found = model(kind).fit(rows, targets)
            assert_same_networks(found, fitted)
            np.testing.assert_array_equal(found.predict(rows), expected)
        assert not hasattr(fitted, "feature_names_in_")

    @FOR_CLASSES
    def test_categories_whatever_their_dtype(self, kind):
        X, y = data(kind)
        X = np.column_stack([X, np.arange(N_ROWS) % 3])
        for columns in ([4], [False] * 4 + [True]):
            found = model(kind, categorical_features=columns).fit(X, y)
            names = found.folds_.members_[0][0].get_feature_names_out().tolist()
            assert names == ["x0", "x1", "x2", "x3", "x4_0", "x4_1", "x4_2"]
        assert len(model(kind).fit(X, y).folds_.members_[0][0].get_feature_names_out()) == 5


class TestMembers:
    def test_each_can_be_used_alone(self, kind, of_frame):
        X, y = table(kind)
        assert list(of_frame.members_) == ["linear", "small"]
        ensemble = FoldEnsembleClassifier if kind == "classifier" else FoldEnsembleRegressor
        for name, member in of_frame.members_.items():
            assert type(member) is ensemble
            assert member.predict(X[:3]).shape == (3,)
            assert member.feature_importances_.shape == (X.shape[1],)
            assert np.isfinite(member.score(X, y))
            (networks_of_name,) = {type(fold[-1]) for fold in member.members_}
            assert networks_of_name is KINDS[kind]
            for fold, whole in zip(member.members_, of_frame.folds_.members_, strict=True):
                assert fold[-1] is whole[-1].networks_[name]
        with pytest.raises(NotFittedError):
            clone(member).predict(X)

    def test_one_alone_is_what_the_estimator_is(self, kind):
        """Scores, intervals and sets of a single network are those of the blend of it alone."""
        X, y = data(kind)
        options = {"calibration": None} if kind == "classifier" else {}
        found = model(kind, members=networks(kind)[1:], **options).fit(X, y, WEIGHT)
        member = found.members_["small"]
        np.testing.assert_allclose(member.oof_predictions_, found.oof_predictions_, rtol=1e-10)
        assert member.oof_score_ == pytest.approx(found.oof_score_, rel=1e-10)
        np.testing.assert_allclose(_outputs(kind, member, X), _outputs(kind, found, X), rtol=1e-6)
        np.testing.assert_allclose(found.feature_importances_.sum(), 1)
        for new_rows in (X, X[:7] + 1):
            if kind == "classifier":
                for method in ("one_fold", "cv+"):
                    sets = member.predict_set(new_rows, 0.7, method=method)
                    assert 0 < sets.mean() < 1
                    np.testing.assert_array_equal(sets, found.predict_set(new_rows, 0.7, method=method))
                continue
            for method in ("scaled", "cv+", "one_fold"):
                interval = member.predict_interval(new_rows, 0.7, method=method)
                np.testing.assert_allclose(interval, found.predict_interval(new_rows, 0.7, method=method), rtol=1e-6)

    def test_each_can_be_fitted_again(self, kind, of_frame):
        X, y = table(kind)
        again = clone(of_frame.members_["small"]).fit(X, y)
        assert len(again.members_) == 2
        network = again.members_[0][-1]
        assert network.hidden_layer_sizes == (4,)
        assert network.max_iter == 15
        assert network.early_stopping is True
        # Another seed, and so other numbers, of the same quality.
        assert again.oof_score_ == pytest.approx(of_frame.members_["small"].oof_score_, abs=0.3)

    def test_a_fit_again_has_the_encoder_of_the_first(self, kind):
        X, y = data(kind)
        found = model(kind, categorical_features=[0]).fit(np.round(X), y)
        assert clone(found.members_["linear"]).estimator[0].categorical_features == [0]

    def test_they_weigh_as_the_attributes_say(self, kind, fitted):
        X, _ = data(kind)
        method = "predict_members"
        own = {name: getattr(member, method)(X).members for name, member in fitted.members_.items()}
        expected = sum(fitted.weights_[name] * own[name].astype(np.float64) for name in own)
        np.testing.assert_allclose(fitted.predict_members(X).members, expected, rtol=1e-6)

    def test_the_given_ones_are_left_as_they_are(self, kind):
        members = networks(kind)
        model(kind, members=members).fit(*data(kind))
        assert not [name for _, network in members for name in vars(network) if name.endswith("_")]
        assert [network.random_state for _, network in members] == [None, None]

    def test_of_several_kinds(self, kind):
        members = [
            ("dropout", KINDS[kind]((6,), dropout=0.3, input_dropout=0.1, weight_decay=0.01, **EPOCHS)),
            ("group", KINDS[kind]((6,), penalty="group_lasso", alpha=0.01, **EPOCHS)),
            ("norm", KINDS[kind]((6, 4), normalization="layer", penalty=None, averaging="ema", **EPOCHS)),
            ("all epochs", KINDS[kind]((), max_iter=3)),
        ]
        X, y = data(kind)
        found = model(kind, members=tuple(members)).fit(X, y if kind == "classifier" else (y - y.mean()) / y.std())
        assert list(found.weights_) == ["dropout", "group", "norm", "all epochs"]
        assert np.isfinite(list(found.losses_.values())).all()


@FOR_NUMBERS
class TestCopies:
    def test_files_and_copies(self, kind, of_frame, tmp_path):
        X, _ = table(kind)
        joblib.dump(of_frame, tmp_path / "model.joblib")
        others = [
            pickle.loads(pickle.dumps(of_frame)),
            joblib.load(tmp_path / "model.joblib"),
            copy.deepcopy(of_frame),
            copy.copy(of_frame),
        ]
        for other in others:
            np.testing.assert_array_equal(other.predict(X), of_frame.predict(X))
            np.testing.assert_array_equal(other.oof_predictions_, of_frame.oof_predictions_)
            assert other.summary() == of_frame.summary()
            np.testing.assert_array_equal(other.members_["small"].predict(X), of_frame.members_["small"].predict(X))
        assert not [name for name in vars(clone(of_frame)) if name.endswith("_")]
        assert repr(clone(of_frame)) == repr(of_frame)

    def test_the_same_seed_gives_the_same_bits(self, kind, of_frame, global_state):
        X, y = table(kind)
        for estimator in (clone(of_frame), pickle.loads(pickle.dumps(clone(of_frame)))):
            found = estimator.fit(X, y)
            assert_same_networks(found, of_frame)
            np.testing.assert_array_equal(found.predict(X), of_frame.predict(X))
            assert found.losses_ == of_frame.losses_
            assert found.loss_ == of_frame.loss_

    def test_seeds(self, kind, fitted):
        X, y = data(kind)
        random = np.random.RandomState(0)
        generated = model(kind, random_state=random)
        assert_same_networks(generated.fit(X, y), fitted)
        others = [model(kind, random_state=seed).fit(X, y) for seed in (1, None, None)]
        others.append(clone(generated).set_params(random_state=random).fit(X, y))  # goes on where the first fit ended
        coefs = [found.folds_.members_[0][-1].networks_["small"].coefs_[0].tobytes() for found in (fitted, *others)]
        assert len(set(coefs)) == 5

    def test_networks_of_one_estimator_have_seeds_of_their_own(self, kind):
        twin = [(name, KINDS[kind]((4,), **EPOCHS)) for name in ("one", "two")]
        found = model(kind, members=twin).fit(*data(kind))
        starts = {
            network.coefs_[0].tobytes() for fold in found.folds_.members_ for network in fold[-1].networks_.values()
        }
        assert len(starts) == 4

    def test_the_estimator_can_be_fitted_again(self, kind, fitted):
        X, y = data(kind)
        found = model(kind, members=networks(kind)[:1]).fit(X[:, :2], y)
        assert list(found.members_) == ["linear"]
        found.set_params(members=networks(kind)).fit(X, y)
        assert_same_networks(found, fitted)
        assert found.n_features_in_ == 4

    def test_threads_and_memory(self, kind, fitted, monkeypatch):
        X, y = data(kind)
        sizes, make = [], _joblib.make_populations

        def recorded(*args, **options):
            made = make(*args, **options)
            sizes.append(len(made))
            return made

        monkeypatch.setattr(_joblib, "make_populations", recorded)
        for options in ({"n_jobs": 2}, {"memory_limit": 25_000}):
            first, second = (model(kind, **options).fit(X, y) for _ in range(2))
            assert_same_networks(first, second)
            np.testing.assert_allclose(first.predict(X), fitted.predict(X), rtol=1e-6)
            assert first.weights_ == fitted.weights_
        assert sizes[0] == sizes[1] > 1
        assert sizes[2] == sizes[3] > 2

    def test_too_little_memory(self, kind):
        estimator = model(kind, memory_limit=10)
        with pytest.raises(ValueError, match="'memory_limit' parameter must leave room for one network .*; got 10"):
            estimator.fit(*data(kind))

    def test_a_progress_bar(self, kind, bars):
        model(kind, verbose=True).fit(*data(kind))
        assert bars
        bars.clear()
        model(kind).fit(*data(kind))
        assert not bars


class TestSearches:
    @FOR_CLASSES
    def test_members_and_folds_as_candidates(self, kind):
        """All networks of all candidates are trained together; scikit-learn fits one estimator after the other."""
        grid = [{"members": [networks(kind, dropout=0.2)[1:]]}, {"cv": [KFold(3)]}]
        ours, _ = both_searches(model(kind), grid, *data(kind), cv=2, scoring=SCORING[kind], n_single=0)
        assert len(ours.cv_results_["params"]) == 2
        assert ours.best_estimator_.summary()

    @FOR_NUMBERS
    def test_in_pipelines_with_weights(self, kind):
        pipeline = make_pipeline(FunctionTransformer(), model(kind))
        name = type(pipeline[-1]).__name__.lower()
        fit = {f"{name}__sample_weight": WEIGHT}
        grid = {f"{name}__cv": [2]}
        both_searches(pipeline, grid, *data(kind), cv=2, fit=fit, scoring=SCORING[kind], n_single=0)

    @FOR_NUMBERS
    def test_cross_validation_of_a_frame(self, kind):
        X, y = table(kind)
        both("cross_validate", model(kind), X, y, cv=2, scoring=SCORING[kind])

    def test_in_a_transformation_of_the_target(self):
        X, y = data("regressor")
        around = TransformedTargetRegressor(model("regressor"), transformer=StandardScaler())
        both_searches(around, {"regressor__cv": [2]}, X, y, cv=2, scoring=negative_error, n_single=0)
        found = around.fit(X, y)
        own = model("regressor").fit(X, (y - y.mean()) / y.std())
        np.testing.assert_allclose(found.predict(X), own.predict(X) * y.std() + y.mean(), rtol=1e-5)

    @FOR_CLASSES
    def test_candidates_that_cannot_be_fitted(self, kind):
        grid = {"members": [networks(kind), [], "nonsense", [("a", LogisticRegression())]]}
        with (
            pytest.warns(UserWarning, match="test scores are non-finite"),
            pytest.warns(FitFailedWarning, match="(?s)6 fits failed out of a total of 8.*'members' parameter"),
        ):
            search = GridSearchCV(model(kind), grid, cv=2).fit(*data(kind))
        assert np.isfinite(search.cv_results_["mean_test_score"]).tolist() == [True, False, False, False]

    @FOR_CLASSES
    def test_groups_of_a_search_stay_whole_within(self, kind):
        X, y = data(kind)
        found = cross_validate(
            model(kind, cv=2), X, y, cv=GroupKFold(2), groups=GROUPS, return_estimator=True, return_indices=True
        )
        for estimator, rows in zip(found["estimator"], found["indices"]["train"], strict=True):
            # Rows of a group are held out by the same fold: its networks have predicted them.
            by_fold = [
                np.isclose(
                    estimator.members_["small"].oof_predictions_,
                    np.asarray(_outputs(kind, estimator.members_["small"].members_[k], X[rows])),
                    rtol=1e-5,
                )
                .reshape(len(rows), -1)
                .all(axis=1)
                for k in range(2)
            ]
            np.testing.assert_array_equal(by_fold[0], ~by_fold[1])
            for group in np.unique(GROUPS[rows]):
                assert len(set(by_fold[0][GROUPS[rows] == group])) == 1


def _outputs(kind, estimator, X):
    return estimator.predict_proba(X) if kind == "classifier" else estimator.predict(X)


def test_metadata_routing_hands_weights_on(kind):
    X, y = table(kind)
    weight = np.arange(len(y)) % 3
    expected = model(kind).fit(X, y, weight)
    with config_context(enable_metadata_routing=True):
        assert_same_networks(model(kind).fit(X, y, weight), expected)
        wanted = model(kind).set_fit_request(sample_weight=True).set_score_request(sample_weight=True)
        scores = cross_validate(wanted, X, y, cv=2, params={"sample_weight": weight})["test_score"]
    assert np.isfinite(scores).all()


@pytest.mark.parametrize("output", ["pandas", "polars"])
def test_transformers_may_be_set_to_return_frames(kind, output):
    X, y = table(kind)
    expected = _outputs(kind, model(kind).fit(X, y), X)
    with config_context(transform_output=output):
        found = model(kind).fit(X, y)
        np.testing.assert_allclose(_outputs(kind, found, X), expected, rtol=1e-4, atol=1e-5)


def test_what_is_not_fitted_says_so(kind):
    estimator = model(kind)
    for call in (
        lambda: estimator.predict(np.zeros((2, 4))),
        lambda: estimator.predict_members(np.zeros((2, 4))),
        lambda: estimator.score(np.zeros((2, 4)), np.zeros(2)),
        estimator.summary,
        lambda: estimator.feature_importances_,
    ):
        with pytest.raises(NotFittedError):
            call()


def test_tags(kind):
    for members in (networks(kind), "auto", [], "nonsense", [1]):
        tags = get_tags(model(kind, members=members))
        assert tags.input_tags.allow_nan
        assert tags.input_tags.string
        assert not tags.input_tags.sparse
        assert tags.target_tags.multi_output == (kind == "regressor")
        assert not tags.target_tags.positive_only
    estimator = model(kind)
    assert (is_classifier(estimator), is_regressor(estimator)) == (kind == "classifier", kind == "regressor")
    if kind == "regressor":
        poisson = RegularizedMLPRegressor(loss="poisson")
        assert get_tags(model(kind, members=[*networks(kind), ("counts", poisson)])).target_tags.positive_only


class OwnFit(RegularizedMLPRegressor):
    """A network of the user, with a fit of its own."""

    def fit(self, X, y, sample_weight=None):
        return super().fit(X, 2 * y, sample_weight)


class TestWarnings:
    def test_networks_of_the_user_say_that_they_have_not_converged(self, kind):
        waiting = [("waiting", KINDS[kind]((4,), max_iter=5, early_stopping=True)), *networks(kind)]
        waiting[0][1].set_params(**({"target_transform": "standard"} if kind == "regressor" else {}))
        with warnings.catch_warnings(record=True, action="always") as caught:
            model(kind, members=waiting).fit(*data(kind))
        (found,) = caught  # once for all folds
        assert found.category is ConvergenceWarning
        assert str(found.message) == "Training reached max_iter=5 epochs before it converged. Use max_iter=25."

    def test_those_that_it_has_chosen_itself_say_nothing(self, kind, monkeypatch):
        monkeypatch.setattr(_members, "MIN_STEPS", 1)
        monkeypatch.setattr(_members, "MIN_EPOCHS", 2)
        with warnings.catch_warnings(action="error"):
            model(kind, members="auto", cv=3).fit(*data(kind))

    def test_as_many_rows_as_folds_or_a_few_more(self, monkeypatch):
        """Folds of few rows have different numbers of them."""
        monkeypatch.setattr(_members, "MIN_EPOCHS", 8)
        monkeypatch.setattr(_members, "MIN_STEPS", 8)
        X, y = data("regressor")
        for n_rows in (5, 6):
            found = TabularMLPRegressor(random_state=0).fit(X[:n_rows], y[:n_rows])
            assert np.isfinite(found.predict(X)).all()


class TestBadInput:
    """What is wrong is named, with what is allowed and what came; and nothing is changed."""

    def assert_refused(self, estimator, error, match, *args, **options):
        assert_unchanged_by(estimator, error, match, lambda model: model.fit(*args, **options))

    @pytest.mark.parametrize("n_rows", [1, 4])
    def test_fewer_rows_than_folds(self, kind, n_rows):
        X, y = data(kind)
        rows = np.argsort(np.arange(N_ROWS) % 7, kind="stable")[:n_rows]
        y = np.arange(n_rows) % 2 if kind == "classifier" and n_rows > 1 else y[rows]
        match = f"got cv=5 with n_samples={n_rows}" if n_rows > 1 or kind == "regressor" else "got 1 class"
        for cv in (5, None):
            self.assert_refused(model(kind, cv=cv), ValueError, match, X[rows], y)

    def test_as_many_rows_as_folds(self):
        X, y = data("regressor")
        found = model("regressor", cv=6).fit(X[:6], y[:6])
        assert np.isfinite(found.predict(X)).all()

    @pytest.mark.parametrize(
        ("cv", "groups", "match"),
        [
            (1, None, r"'cv' parameter of TabularMLP.* must be an int in the range \[2, inf\).* Got 1 instead"),
            ("all", None, "'cv' parameter of TabularMLP.* Got 'all' instead"),
            (
                N_ROWS + 1,
                None,
                f"'cv' parameter must be an int from 2 to the .*; got cv={N_ROWS + 1} with n_samples=60",
            ),
            (
                4,
                GROUPS % 3,
                "splitter in 'cv' does not split these rows: .*n_splits=4 .* number of groups: 3|n_splits=4",
            ),
            (LeaveOneGroupOut(), None, "'cv' parameter, LeaveOneGroupOut.*, needs the group of each row"),
            ([], None, "'cv' parameter must give folds; got none"),
            (
                [(np.arange(40), np.arange(30, 60))],
                None,
                "'cv' parameter must give .*; got 40 and 30 rows in fold 0, 10",
            ),
            ([(np.arange(40), [70])], None, "'cv' parameter must give indices or masks of the 60 rows of X"),
        ],
    )
    def test_folds(self, kind, cv, groups, match):
        self.assert_refused(model(kind, cv=cv), ValueError, match, *data(kind), groups=groups)

    def test_one_column(self, kind):
        X, y = data(kind)
        found = model(kind, network={"max_iter": 30}).fit(X[:, :1], y)
        assert found.oof_score_ > 0.3
        assert found.feature_importances_.tolist() == [1]
        frame = pd.DataFrame({"a": np.where(X[:, 0] > 0, "x", None)})
        assert model(kind).fit(frame, y).predict(frame[:3]).shape == (3,)

    @pytest.mark.parametrize(
        "X",
        [
            np.ones((N_ROWS, 3)),
            pd.DataFrame({"a": ["same"] * N_ROWS, "b": 7}),
            pd.DataFrame({"a": [f"name{i}" for i in range(N_ROWS)]}),
        ],
        ids=["numbers", "frame", "names"],
    )
    def test_no_usable_column(self, kind, X):
        _, y = data(kind)
        match = rf"X must have a column with different values .*; got {X.shape[1]} column\(s\), none of which"
        self.assert_refused(model(kind), ValueError, match, X, y)

    @pytest.mark.filterwarnings("ignore:.*(missing|no value)")
    def test_gaps_alone(self, kind):
        _, y = data(kind)
        for X in (pd.DataFrame({"a": [None] * N_ROWS}), np.full((N_ROWS, 2), np.nan)):
            self.assert_refused(model(kind), ValueError, "X must have a column with different values", X, y)

    def test_constant_columns_beside_others(self, kind):
        X, y = data(kind)
        found = model(kind, network={"max_iter": 15}).fit(np.column_stack([X, np.ones(N_ROWS)]), y)
        assert found.feature_importances_[4] == 0
        assert found.oof_score_ > 0.3

    @pytest.mark.parametrize(
        ("members", "match"),
        [
            ([], r"'members' parameter must be 'auto' or hold networks, each with a name of its own; got \[\]"),
            ((), r"'members' parameter must be 'auto' or hold networks, each with a name of its own; got \[\]"),
            ("all", r"'members' parameter of TabularMLP\w* must be a str among \{'auto'\}, .* Got 'all' instead"),
            (None, "'members' parameter of TabularMLP.* Got None instead"),
            (3, "'members' parameter of TabularMLP.* Got 3 instead"),
            ([1], "must be 'auto' or hold pairs of a name and a RegularizedMLP.*; got 1"),
            ([("a",)], r"must be 'auto' or hold pairs of a name and a RegularizedMLP.*; got \('a',\)"),
            ([("a", None)], r"must be 'auto' or hold pairs of a name and a RegularizedMLP.*; got \('a', None\)"),
            ([("a", LogisticRegression())], r"pairs of a name and a RegularizedMLP.*; got \('a', LogisticRegression"),
            ([("a", RegularizedMLPClassifier)], r"pairs of a name and a RegularizedMLP.*; got \('a', <class"),
        ],
    )
    def test_members_that_are_none(self, kind, members, match):
        self.assert_refused(model(kind, members=members), ValueError, match, *data(kind))

    def test_networks_that_are_no_members(self, kind):
        others = {"classifier": "regressor", "regressor": "classifier"}
        Network, (pair, *_) = KINDS[kind], networks(kind)
        wrong = [
            networks(others[kind])[0],
            Network(),
            (1, Network()),
            ("a", Network(solver="lbfgs")),
            ("a", Network(verbose=True)),
            ("a", Network(early_stopping=True, refit_on_all=True)),
            ("a", Network(early_stopping=True, scoring="r2" if kind == "regressor" else "accuracy")),
            ("a", Pipeline([])),
            ("a", make_pipeline(StandardScaler(), networks(others[kind])[0][1])),
            ("a", make_pipeline(StandardScaler(), make_pipeline(StandardScaler(), Network()))),
        ]
        if kind == "regressor":
            wrong += [("a", Network(loss="quantile", quantile=[0.1, 0.9])), ("a", OwnFit())]
        for member in wrong:
            match = (
                f"(?s)'members' parameter must .* a name and a {Network.__name__}, or a pipeline .* that can .*; got "
            )
            self.assert_refused(model(kind, members=[pair, member]), ValueError, match, *data(kind))
        match = r"'members' parameter must be .*, each with a name of its own; got \['linear', 'small', 'linear'\]"
        self.assert_refused(model(kind, members=[*networks(kind), pair]), ValueError, match, *data(kind))
        bad = ("a", Network(alpha=-1.0))
        self.assert_refused(model(kind, members=[bad]), ValueError, "'alpha' parameter of Reg.* Got -1.0", *data(kind))

    def test_targets(self, kind):
        X, y = data(kind)
        for missing in (np.nan, np.inf):
            odd = y.astype(float)
            odd[3] = missing
            self.assert_refused(model(kind), ValueError, "^Input y contains (NaN|infinity)", X, odd)
        objects = y.astype(object)
        objects[3] = None
        self.assert_refused(model(kind), ValueError, "Input y contains NaN: .* the first of which is row 3", X, objects)
        self.assert_refused(model(kind), ValueError, "requires y to be passed, but the target y is None", X, None)
        self.assert_refused(model(kind), ValueError, r"inconsistent numbers of samples: \[60, 59\]", X, y[1:])

    def test_rows(self, kind):
        X, y = data(kind)
        self.assert_refused(model(kind), ValueError, r"Expected 2D array.* got an array of shape \(60,\)", X[:, 0], y)
        self.assert_refused(model(kind), ValueError, r"Expected 2D array.* got an array of shape \(\)", 1.0, y)
        self.assert_refused(model(kind), TypeError, "Sparse data was passed", scipy.sparse.csr_array(X), y)
        self.assert_refused(model(kind), ValueError, "0 feature", X[:, :0], y)
        self.assert_refused(model(kind), ValueError, "0 sample", X[:0], y[:0])
        self.assert_refused(model(kind), TypeError, "X must be computed; got a LazyFrame", pl.DataFrame(X).lazy(), y)
        found = model(kind).fit(X, y)
        with pytest.raises(ValueError, match="X has 3 features, but .* is expecting 4 features"):
            found.predict(X[:, :3])

    @FOR_CLASSES
    def test_frames(self, kind):
        X, y = data(kind)
        frame = pd.DataFrame(X, columns=list("abcd"))
        for value in ([1, 2], {"a": 1}, np.ones(2)):
            odd = frame.assign(b=pd.Series([value] * N_ROWS, dtype=object))
            self.assert_refused(model(kind), TypeError, "X must hold single values, .* in column 'b'", odd, y)
        twice = pd.DataFrame(X, columns=list("abca"))
        match = r"The columns of X must have different names; got more than one of \['a'\]"
        self.assert_refused(model(kind), ValueError, match, twice, y)
        self.assert_refused(model(kind), TypeError, "Feature names", pd.DataFrame(X, columns=["a", 1, "b", "c"]), y)
        self.assert_refused(model(kind), ValueError, r"0 feature\(s\)", frame[[]], y)
        self.assert_refused(model(kind), ValueError, r"inconsistent numbers of samples: \[0, 60\]", pd.DataFrame(), y)

    def test_other_columns_of_new_rows(self, kind, of_frame):
        X, _ = table(kind)
        match = "^The feature names should match those that were passed during fit.\n"
        for columns, named in (
            (X.rename(columns={"town": "city"}), "unseen at fit time:\n- city\n.*now missing:\n- town"),
            (X.drop(columns="town"), "now missing:\n- town"),
            (X.assign(more=1.0), "unseen at fit time:\n- more"),
            (X[X.columns[::-1]], r"Column 0 is 'share', and was 'income'\. Give X\[X_train\.columns\]"),
        ):
            with pytest.raises(ValueError, match=f"(?s){match}.*{named}"):
                of_frame.predict(columns)
        with pytest.raises(ValueError, match="changed their type: 'income' held numbers in fit and now holds text"):
            of_frame.predict(X.assign(income="much"))
        with pytest.raises(ValueError, match=r"0 sample\(s\)"):
            of_frame.predict(X[:0])

    def test_infinite_numbers(self, kind, fitted):
        """They are far away: networks take them, in training and in new rows."""
        X, y = data(kind)
        far = X.copy()
        far[3, 0], far[4, 1], far[5, 2] = np.inf, -np.inf, 1e300
        found = model(kind).fit(far, y)
        assert found.oof_score_ == pytest.approx(fitted.oof_score_, abs=0.2)
        for estimator in (found, fitted):
            outputs = np.asarray(_outputs(kind, estimator, far))
            assert np.isfinite(outputs).all()
            assert np.abs(outputs).max() < 100

    def test_weights(self, kind):
        X, y = data(kind)
        for weight in (-WEIGHT, np.zeros(N_ROWS), WEIGHT[1:], WEIGHT * np.nan):
            self.assert_refused(model(kind), ValueError, "(?i)weight", X, y, weight)

    @pytest.mark.parametrize(
        ("name", "value"),
        [
            ("categorical_features", "all"),
            ("n_jobs", 1.5),
            ("memory_limit", 0),
            ("random_state", -1),
            ("verbose", "yes"),
        ],
    )
    def test_other_parameters(self, kind, name, value):
        match = f"The '{name}' parameter of {TABULAR[kind].__name__} must be .* Got {value!r} instead"
        self.assert_refused(model(kind, **{name: value}), ValueError, match, *data(kind))

    @pytest.mark.parametrize("columns", [["town"], [7], [True]])
    def test_categories_that_are_no_columns(self, kind, columns):
        match = (
            "'categorical_features' parameter must be 'from_dtype', a mask of 4 columns, or indices from 0 to 3; got "
        )
        self.assert_refused(model(kind, categorical_features=columns), ValueError, match, *data(kind))

    def test_a_fitted_estimator_is_as_it_was(self, kind):
        X, y = data(kind)
        random = np.random.RandomState(0)
        found = model(kind, random_state=random).fit(X, y)
        expected, state = found.predict(X), random.get_state()[1].tobytes()
        diverging = [("huge", KINDS[kind]((4,), solver="sgd", learning_rate_init=1e30, max_iter=6))]
        found.set_params(members=diverging)
        self.assert_refused(found, ValueError, "diverge", X[:, :2], y)
        assert random.get_state()[1].tobytes() == state
        np.testing.assert_array_equal(found.predict(X), expected)


@pytest.mark.parametrize("estimator", [TabularMLPClassifier(), TabularMLPRegressor()])
def test_the_representation_links_to_the_page(estimator):
    name = type(estimator).__name__
    assert estimator._get_doc_link() == f"https://skreg.readthedocs.io/en/stable/generated/skreg.{name}.html"

"""Ensembles within searches and other estimators, in workers, and as files."""

import copy
import pickle

import joblib
import numpy as np
import pytest
from sklearn.base import clone
from sklearn.calibration import CalibratedClassifierCV
from sklearn.ensemble import StackingClassifier
from sklearn.exceptions import FitFailedWarning
from sklearn.inspection import permutation_importance
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GroupKFold, KFold, TimeSeriesSplit
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer, StandardScaler

from skreg.backends import _joblib
from skreg.ensemble import (
    DeepEnsembleClassifier,
    DeepEnsembleRegressor,
    FoldEnsembleClassifier,
    FoldEnsembleRegressor,
)
from skreg.inspection import ColumnImportanceDisplay, compare_regularizers
from skreg.model_selection import GridSearchCV, cross_validate
from tests.ensemble_helpers import (
    N_ROWS,
    KeptRowsClassifier,
    KeptRowsRegressor,
    classes,
    classifier,
    numbered,
    numbers,
    regressor,
)
from tests.helpers import assert_same_bits
from tests.search_helpers import both, both_searches, log_likelihood, negative_error

pytestmark = [
    pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning"),
    pytest.mark.filterwarnings("ignore:(All predictions are the same|No feature is selected)"),
]
GROUPS = np.random.default_rng(1).integers(12, size=N_ROWS)
FOLDS = FoldEnsembleClassifier(classifier(early_stopping=True), cv=2, random_state=0)
ENSEMBLES = {
    "folds, classes": FOLDS,
    "folds, numbers": FoldEnsembleRegressor(regressor(early_stopping=True), cv=2, random_state=0),
    "deep, classes": DeepEnsembleClassifier(classifier(dropout=0.2), n_members=2, random_state=0),
    "deep, numbers": DeepEnsembleRegressor(
        make_pipeline(StandardScaler(), regressor(early_stopping=True)), n_members=2, bootstrap=True, random_state=0
    ),
}


def data_of(ensemble):
    return classes() if hasattr(ensemble, "predict_proba") else numbers()


@pytest.fixture(scope="module", params=ENSEMBLES)
def fitted(request):
    """Return a fitted ensemble, for tests that change nothing in it."""
    ensemble = clone(ENSEMBLES[request.param])
    return ensemble.fit(*data_of(ensemble))


@pytest.fixture
def populations(monkeypatch):
    """Return a list that gets the number of networks in each population of every call."""
    sizes, make = [], _joblib.make_populations

    def recorded(*args, **options):
        made = make(*args, **options)
        sizes.append([len(population.fits) if hasattr(population, "fits") else len(population) for population in made])
        return made

    monkeypatch.setattr(_joblib, "make_populations", recorded)
    return sizes


def networks_of(member):
    return member[-1] if hasattr(member, "steps") else member


def assert_same_members(first, second):
    for ours, theirs in zip(first.members_, second.members_, strict=True):
        assert_same_bits(networks_of(ours), networks_of(theirs))


class TestSearches:
    def test_strengths_of_the_networks(self, populations):
        ours, _ = both_searches(
            FOLDS, {"estimator__alpha": [1e-3, 10.0]}, *classes(), cv=3, scoring=log_likelihood, n_single=0
        )
        # 2 candidates on 3 folds, 2 members each, and the refit; scikit-learn's search fits ensemble by ensemble.
        assert [sum(sizes) for sizes in populations[:2]] == [12, 2]
        assert {sum(sizes) for sizes in populations[2:]} == {2}
        assert len(populations[0]) == 1
        assert len(ours.best_estimator_.members_) == 2

    def test_in_a_pipeline_with_transformers_and_weights(self):
        network = make_pipeline(StandardScaler(), regressor(early_stopping=True))
        ensemble = make_pipeline(StandardScaler(), DeepEnsembleRegressor(network, n_members=2, random_state=0))
        name = "deepensembleregressor"
        grid = [{f"{name}__estimator__regularizedmlpregressor__alpha": [10.0]}, {f"{name}__bootstrap": [True]}]
        weight = np.random.default_rng(0).uniform(0.1, 3, N_ROWS)
        fit = {f"{name}__sample_weight": weight}
        both_searches(ensemble, grid, *numbers(), cv=2, fit=fit, scoring=negative_error, n_single=0)

    def test_folds_and_repeats_as_candidates(self, populations):
        grid = [{"cv": [2, KFold(3)]}, {"n_repeats": [2]}]
        both_searches(FOLDS, grid, *classes(), cv=2, scoring=log_likelihood, n_single=0)
        assert sum(populations[0]) == 2 * (2 + 3 + 4)

    def test_a_network_and_ensembles_of_it_are_candidates(self):
        """The one single fit is that of the best candidate, a network, to all rows."""
        pipeline = make_pipeline(StandardScaler(), FOLDS)
        grid = {"foldensembleclassifier": [clone(FOLDS), ENSEMBLES["deep, classes"], classifier(random_state=0)]}
        both_searches(pipeline, grid, *classes(), cv=2, scoring=log_likelihood, n_single=1)

    @pytest.mark.parametrize(
        ("estimator", "n_jobs"),
        [
            (LogisticRegression(), None),
            (classifier(solver="lbfgs", max_iter=2), None),
            pytest.param(LogisticRegression(), 2, marks=pytest.mark.product),
        ],
    )
    def test_members_that_are_not_trained_together(self, estimator, n_jobs):
        ensemble = clone(FOLDS).set_params(estimator=estimator)
        options = {"cv": 2, "scoring": log_likelihood, "n_jobs": n_jobs, "refit": False}
        both_searches(ensemble, {"n_repeats": [1, 2]}, *classes(), **options)

    def test_a_subclass_with_a_fit_of_its_own_is_fitted_by_it(self, populations):
        class Doubled(FoldEnsembleRegressor):
            def fit(self, X, y, sample_weight=None, *, groups=None):
                return super().fit(X, 2 * y, sample_weight, groups=groups)

        X, y = numbers()
        plain = ENSEMBLES["folds, numbers"]
        own, doubled = (
            cross_validate(model, X, targets, cv=2, return_estimator=True)["estimator"]
            for model, targets in ((Doubled(**plain.get_params(deep=False)), y), (clone(plain), 2 * y))
        )
        assert populations == [[2], [2], [4]]
        for ours, theirs in zip(own, doubled, strict=True):
            np.testing.assert_allclose(ours.predict(X), theirs.predict(X), rtol=1e-5, atol=1e-6)

    def test_cross_validate_and_learning_curve(self):
        X, y = classes()
        both("cross_validate", FOLDS, X, y, cv=2, scoring=log_likelihood)
        both("learning_curve", FOLDS, X, y, cv=2, train_sizes=[0.6], scoring=log_likelihood)

    def test_a_candidate_that_fails(self):
        grid = {"estimator__alpha": [1e-3, -1.0]}
        with (
            pytest.warns(UserWarning, match="test scores are non-finite"),
            pytest.warns(FitFailedWarning, match="(?s)2 fits failed out of a total of 4.*'alpha' parameter"),
        ):
            search = GridSearchCV(FOLDS, grid, cv=2).fit(*classes())
        assert np.isfinite(search.cv_results_["mean_test_score"]).tolist() == [True, False]

    def test_members_that_fail(self):
        """Those of one candidate diverge, all of them."""
        X, y = numbers()
        ensemble = FoldEnsembleRegressor(regressor(solver="sgd"), cv=2, random_state=0)
        grid = {"estimator__learning_rate_init": [1e-3, 1e25]}
        with (
            pytest.warns(UserWarning, match="test scores are non-finite"),
            pytest.warns(
                FitFailedWarning, match="(?s)2 fits failed .* of 4.*All 2 members of the ensemble have failed"
            ),
        ):
            search = GridSearchCV(ensemble, grid, cv=2).fit(X, y)
        assert np.isfinite(search.cv_results_["mean_test_score"]).tolist() == [True, False]
        with pytest.raises(ValueError, match="diverge"):
            GridSearchCV(ensemble, {"estimator__learning_rate_init": [1e25]}, cv=2, error_score="raise").fit(X, y)

    @pytest.mark.parametrize("kind", [FoldEnsembleClassifier, DeepEnsembleClassifier])
    def test_groups_of_a_grouped_search_stay_whole_in_the_ensemble(self, kind):
        options = {"cv": 2} if kind is FoldEnsembleClassifier else {"n_members": 2, "bootstrap": True}
        X, y = classes()
        ensemble = make_pipeline(FunctionTransformer(), kind(KeptRowsClassifier(), **options, random_state=0))
        found = cross_validate(
            ensemble, numbered(X), y, cv=GroupKFold(2), groups=GROUPS, return_estimator=True, return_indices=True
        )
        for fitted, rows in zip(found["estimator"], found["indices"]["train"], strict=True):
            unseen = [np.setdiff1d(rows, member.rows_) for member in fitted[-1].members_]
            assert any(map(len, unseen))
            for member, others in zip(fitted[-1].members_, unseen, strict=True):
                assert not set(GROUPS[others]) & set(GROUPS[member.rows_])

    def test_the_order_of_rows_is_kept_in_the_ensemble(self):
        X, y = numbers()
        ensemble = FoldEnsembleRegressor(KeptRowsRegressor(), cv=3, random_state=0)
        options = {"cv": TimeSeriesSplit(2), "return_estimator": True}
        for number, fitted in enumerate(cross_validate(ensemble, numbered(X), y, **options)["estimator"]):
            for block, member in enumerate(fitted.members_):
                n_rows = 30 * (number + 1)
                held_out = np.setdiff1d(np.arange(n_rows), member.rows_)
                np.testing.assert_array_equal(held_out, np.arange(n_rows // 3) + block * n_rows // 3)


class TestPlacesOfUse:
    def test_stacking_and_calibration(self):
        X, y = classes()
        stack = StackingClassifier([("folds", FOLDS), ("linear", LogisticRegression())], cv=2).fit(X, y)
        np.testing.assert_allclose(stack.predict_proba(X).sum(axis=1), 1)
        calibrated = CalibratedClassifierCV(FOLDS, cv=2, ensemble=False).fit(X, y)
        np.testing.assert_allclose(calibrated.predict_proba(X).sum(axis=1), 1)

    def test_columns(self):
        X, y = classes()
        ensemble = clone(FOLDS).fit(X, y)
        found = permutation_importance(ensemble, X, y, n_repeats=2, random_state=0)
        display = ColumnImportanceDisplay.from_estimator(ensemble, X, y, n_repeats=2, random_state=0)
        assert found.importances.shape == (5, 2)
        np.testing.assert_allclose(np.sort(display.importances.mean(axis=1)), np.sort(found.importances_mean), atol=0.1)
        assert display.member_importances.shape == (5, 2)
        assert len(display.members_.get_xdata()) == 10

    def test_a_comparison(self):
        X, y = classes()
        models = {"network": (classifier(random_state=0), {"alpha": [0.01]}), "ensemble": (FOLDS, {"cv": [2]})}
        comparison = compare_regularizers(X, y, models, cv=2)
        scores = comparison.frame()["mean_test_score"]
        assert scores.index.tolist() == ["network", "ensemble"]
        assert scores.between(0.3, 1).all()


class TestCopies:
    def test_threads(self, fitted):
        X, y = data_of(fitted)
        with joblib.parallel_config("threading", n_jobs=2):
            found = clone(fitted).fit(X, y)
        np.testing.assert_allclose(found.predict_members(X).members, fitted.predict_members(X).members, rtol=1e-6)

    @pytest.mark.product
    def test_processes_and_threads_give_the_same_bits(self, fitted):
        X, y = data_of(fitted)
        found = []
        for backend in ("threading", "loky"):
            with joblib.parallel_config(backend, n_jobs=2):
                found.append(clone(fitted).fit(X, y))
        assert_same_members(*found)

    def test_seeds(self, fitted, global_state):
        X, y = data_of(fitted)
        assert_same_members(clone(fitted).fit(X, y), fitted)
        random = np.random.RandomState(0)
        again = clone(fitted).set_params(random_state=random)
        again.random_state = random
        assert_same_members(again.fit(X, y), fitted)
        other = clone(fitted).set_params(random_state=1).fit(X, y)
        assert not np.array_equal(networks_of(other.members_[0]).coefs_[0], networks_of(fitted.members_[0]).coefs_[0])
        first, second = (clone(fitted).set_params(random_state=None).fit(X, y) for _ in range(2))
        assert not np.array_equal(networks_of(first.members_[0]).coefs_[0], networks_of(second.members_[0]).coefs_[0])

    def test_files_and_copies(self, fitted, tmp_path):
        X, _ = data_of(fitted)
        joblib.dump(fitted, tmp_path / "ensemble.joblib")
        others = [
            pickle.loads(pickle.dumps(fitted)),
            joblib.load(tmp_path / "ensemble.joblib"),
            copy.deepcopy(fitted),
            copy.copy(fitted),
        ]
        for other in others:
            np.testing.assert_array_equal(other.predict(X), fitted.predict(X))
            np.testing.assert_array_equal(other.oof_predictions_, fitted.oof_predictions_)
        assert not hasattr(clone(fitted), "members_")
        assert repr(clone(fitted)) == repr(fitted)

    def test_the_estimator_is_left_as_it_is(self, fitted):
        estimator = fitted.estimator
        network = networks_of(estimator)
        assert not hasattr(network, "coefs_")
        assert network.random_state is None
        assert not [name for name in vars(network) if name.endswith("_")]

    def test_a_small_limit_of_memory_changes_no_bit(self, fitted):
        X, y = data_of(fitted)
        single = clone(fitted).set_params(memory_limit=200_000).fit(X, y)
        assert_same_members(single, fitted)

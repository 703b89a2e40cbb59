"""Populations as tasks of joblib: results by fit, in processes and threads, lost tasks, and errors that are sent."""

import copy

import joblib
import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.exceptions import FitFailedWarning

import skreg.backends._joblib
from skreg import RegularizedMLPClassifier, RegularizedMLPRegressor
from skreg._estimator.prepare import finish, prepare
from skreg.backends import train_fits
from skreg.model_selection import GridSearchCV, RegularizedMLPClassifierCV, cross_validate
from tests.helpers import three_classes

X, Y = three_classes()
pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
SHORT = {"hidden_layer_sizes": (6,), "max_iter": 4, "batch_size": 20, "n_iter_no_change": np.inf, "random_state": 0}


def make(**options):
    return RegularizedMLPClassifier(**SHORT | options)


SETTINGS = ({"alpha": 0.1}, {"dropout": 0.3}, {"hidden_layer_sizes": (4,)}, {"early_stopping": True}, {"solver": "sgd"})


class InOtherOrder(joblib.Parallel):
    """Returns results in another order than tasks were given, as a backend may."""

    def __call__(self, tasks):
        return list(reversed(super().__call__(tasks)))


class Loses(joblib.Parallel):
    def __call__(self, tasks):
        return super().__call__(tasks)[1:]


class Repeats(joblib.Parallel):
    def __call__(self, tasks):
        return super().__call__(tasks) * 2


class TestBackends:
    def test_results_in_another_order(self, monkeypatch):
        pending = [prepare(make(**options), X, Y) for options in SETTINGS]
        monkeypatch.setattr(skreg.backends._joblib, "Parallel", InOtherOrder)
        results = train_fits([(fit.spec, fit.dataset) for fit in pending])
        for fit, result, options in zip(pending, results, SETTINGS, strict=True):
            finish(fit, result)
            assert_allclose(fit.estimator.predict_proba(X), make(**options).fit(X, Y).predict_proba(X), rtol=1e-12)
        grid = {"alpha": [0.0, 1.0], "hidden_layer_sizes": [(4,), (5,)]}
        options = {"cv": 3, "n_jobs": 2}
        found = GridSearchCV(make(), grid, **options).fit(X, Y).cv_results_["mean_test_score"]
        monkeypatch.undo()
        assert_array_equal(found, GridSearchCV(make(), grid, **options).fit(X, Y).cv_results_["mean_test_score"])

    @pytest.mark.parametrize(
        ("kind", "text"),
        [
            (Loses, "lost the results of 2 of 4 fits"),
            (Repeats, "returned an unexpected or duplicate result"),
        ],
    )
    def test_a_task_that_is_lost_or_comes_twice(self, monkeypatch, kind, text):
        monkeypatch.setattr(skreg.backends._joblib, "Parallel", kind)
        search = GridSearchCV(make(), {"hidden_layer_sizes": [(4,), (5,)]}, cv=2)
        with pytest.raises(RuntimeError, match=f"The backend of joblib {text}"):
            search.fit(X, Y)
        assert not hasattr(search, "cv_results_")

    @pytest.mark.parametrize("estimator", [make(dropout=0.2), make(solver="lbfgs")], ids=["together", "one by one"])
    def test_processes_and_threads_give_the_same(self, estimator):
        grid = {"alpha": [0.0, 0.01, 1.0]}
        scores = {}
        for backend in ("loky", "threading", "sequential"):
            with joblib.parallel_config(backend, n_jobs=2):
                search = GridSearchCV(estimator, grid, cv=3, scoring="neg_log_loss").fit(X, Y)
            scores[backend] = search.cv_results_["mean_test_score"]
        assert_array_equal(scores["loky"], scores["threading"])
        assert_allclose(scores["sequential"], scores["threading"], rtol=1e-12)

    def test_estimators_that_choose_their_strength_train_elsewhere_too(self):
        model = RegularizedMLPClassifierCV(
            **SHORT | {"max_iter": 30, "learning_rate_init": 0.02}, alphas=[0.001, 0.01, 10.0], cv=2
        )
        with joblib.parallel_config("loky", n_jobs=2):
            elsewhere = copy.deepcopy(model).set_params(n_jobs=2).fit(X, Y)
        assert_array_equal(elsewhere.scores_path_, model.set_params(n_jobs=2).fit(X, Y).scores_path_)


def fails_on_200_rows(y_true, y_pred):
    if len(y_true) == 200:  # as many as the last look at a network takes; 240 in an epoch, 60 in a batch
        raise RuntimeError("not so many rows")
    return (y_true - y_pred).square().sum(dim=1)


def fails_on_61_rows(y_true, y_pred):
    if len(y_true) == 61:
        raise RuntimeError("not so many rows")
    return (y_true - y_pred).square().sum(dim=1)


class OddError(Exception):
    """Cannot be pickled."""

    def __init__(self, first, second):
        super().__init__(f"{first} and {second}")


def raises_odd_errors(y_true, y_pred):
    if len(y_true) == 61:
        raise OddError("this", "that")
    return (y_true - y_pred).square().sum(dim=1)


class TestErrorsOfALoss:
    def test_one_that_cannot_be_sent_from_another_process(self):
        model = RegularizedMLPRegressor(**SHORT | {"loss": raises_odd_errors})
        folds = [(np.arange(61), np.arange(61, 90)), (np.arange(60), np.arange(60, 90))]
        with joblib.parallel_config("loky", n_jobs=2), pytest.warns(FitFailedWarning, match="OddError: this and that"):
            results = cross_validate(model, X, X[:, 0], cv=folds, n_jobs=2)
        assert np.isnan(results["test_score"]).tolist() == [True, False]

    def test_while_a_member_finishes(self):
        X = np.random.default_rng(0).normal(size=(360, 3))
        model = RegularizedMLPRegressor(**SHORT | {"batch_size": 60, "max_iter": 2, "loss": fails_on_200_rows})
        with pytest.raises(RuntimeError, match="not so many rows"):
            model.fit(X[:240], X[:240, 0])
        assert not hasattr(model, "coefs_")
        with pytest.raises(ValueError, match="All the 6 fits failed") as caught:
            GridSearchCV(model, {"alpha": [0.0, 0.1]}, cv=3).fit(X, X[:, 0])
        assert str(caught.value).count("RuntimeError: not so many rows") == 1

    def test_some_members_fail(self):
        model = RegularizedMLPRegressor(**SHORT | {"loss": fails_on_61_rows})
        folds = [(np.arange(61), np.arange(61, 90)), (np.arange(60), np.arange(60, 90))]
        with pytest.warns(FitFailedWarning, match="1 fits failed"):
            results = cross_validate(model, X, X[:, 0], cv=folds)
        assert np.isnan(results["test_score"]).tolist() == [True, False]

"""Results of fits reach scikit-learn by what was fitted on which rows, whatever order they come back in."""

import contextlib
import copy
import inspect
import os
import pickle
import threading
import warnings
from unittest import mock

import joblib
import numpy as np
import pandas as pd
import polars
import pytest
import scipy.sparse
from joblib.parallel import ThreadingBackend, register_parallel_backend
from sklearn.base import BaseEstimator, ClassifierMixin, TransformerMixin, clone
from sklearn.callback import ScoringMonitor
from sklearn.compose import TransformedTargetRegressor
from sklearn.dummy import DummyClassifier
from sklearn.exceptions import ConvergenceWarning, FitFailedWarning, NotFittedError
from sklearn.frozen import FrozenEstimator
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV as PlainGridSearchCV
from sklearn.model_selection import GroupKFold, KFold
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler
from sklearn.utils.parallel import Parallel
from sklearn.utils.validation import check_is_fitted, has_fit_parameter

from skreg import RegularizedMLPClassifier
from skreg.backends import _calls
from skreg.inspection import compare_regularizers
from skreg.model_selection import (
    GridSearchCV,
    RegularizedMLPClassifierCV,
    _batched_fits,
    _search,
    _stand_in,
    cross_val_score,
    cross_validate,
)
from skreg.model_selection._stand_in import Outcomes, with_outcomes
from skreg.stopping import RowStructure
from tests.search_helpers import both, both_searches, data, log_likelihood, make

X, Y = data(n_rows=90)
ALPHAS = {"alpha": [0.0, 0.3], "dropout": [0.0, 0.5]}
FOLDS = KFold(3)  # of equal size
SCORED = {"cv": FOLDS, "scoring": log_likelihood}
fit_tasks = _batched_fits.fit_tasks
# Two epochs: what the networks predict is of no interest.
pytestmark = [
    pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning"),
    pytest.mark.filterwarnings("ignore:No feature is selected"),
]


@contextlib.contextmanager
def changed(change):
    """Let a function change what comes back from the fits."""

    def changed_fits(*arguments, **options):
        return change(fit_tasks(*arguments, **options))

    with mock.patch.object(_stand_in, "fit_tasks", changed_fits):
        yield


def backwards(results):
    return list(results)[::-1]


@contextlib.contextmanager
def changed_by_joblib(change):
    """Let a function change what comes back from joblib."""

    class Changing(Parallel):
        def __call__(self, calls):
            return change(list(super().__call__(calls)))

    with mock.patch.object(_calls, "Parallel", Changing):
        yield


def any_model():
    return Pipeline([("scale", StandardScaler()), ("model", make())]), {
        "model": [LogisticRegression(), make(), LogisticRegression(C=0.01), DummyClassifier()]
    }


def pickled(estimator):
    return pickle.loads(pickle.dumps(estimator))


def cross_validated():
    return RegularizedMLPClassifierCV(
        hidden_layer_sizes=(3,),
        max_iter=2,
        n_iter_no_change=np.inf,
        random_state=0,
        alphas=[0.01, 0.1],
        cv=2,
    )


class TestOrder:
    """Each candidate and fold has its own score though results come back in another order."""

    def test_search(self):
        with changed(backwards):
            both_searches(make(), ALPHAS, X, Y, **SCORED)

    def test_whole_estimators(self):
        with changed(backwards), changed_by_joblib(backwards):
            both_searches(*any_model(), X, Y, **SCORED)

    def test_estimators_with_cross_validation(self):
        with changed_by_joblib(backwards):
            both("cross_validate", cross_validated(), X, Y, **SCORED, return_train_score=True)

    def test_cross_validation(self):
        with changed(backwards):
            both("cross_validate", make(), X, Y, **SCORED, return_estimator=True, return_train_score=True)
            both("cross_val_score", make_pipeline(StandardScaler(), make()), X, Y, **SCORED)

    @pytest.mark.parametrize("method", ["predict", "predict_proba"])
    def test_predictions_of_text(self, method):
        with changed(backwards):
            both("cross_val_predict", make(), X, np.array(["c", "a", "b"])[Y], cv=FOLDS, method=method)
            both("cross_val_predict", make(), X, np.eye(3)[Y], cv=FOLDS, method=method)

    def test_curves(self):
        with changed(backwards):
            both("validation_curve", make(), X, Y, param_name="alpha", param_range=np.array([0, 0.1, 0.5]), **SCORED)
            both(
                "validation_curve", any_model()[0], X, Y, param_name="model", param_range=any_model()[1]["model"], cv=3
            )
            options = {"train_sizes": [0.5, 1.0], "shuffle": True, "random_state": 3}
            both("learning_curve", make(), X, Y, **options, **SCORED)

    def test_weights(self):
        """Folds with the same rows, which differ in weights, have results of their own."""
        X2, Y2 = np.concatenate([X, X]), np.concatenate([Y, Y])
        weight = np.random.default_rng(0).uniform(0.1, 3, len(X2))
        rows = np.arange(90)
        cv = [(rows, rows + 90), (rows + 90, rows)]
        with changed(backwards):
            both("cross_validate", make(), X2, Y2, cv=cv, scoring=log_likelihood, params={"sample_weight": weight})

    def test_comparisons(self):
        estimators = {"net": (make(), {"alpha": [0.0, 0.3]}), "linear": (LogisticRegression(), {"C": [0.1, 1.0]})}
        options = {"cv": FOLDS, "inner_cv": 2, "random_state": 0, "refit": False}
        expected = compare_regularizers(X, Y, estimators, **options).folds
        with (
            changed_by_joblib(backwards),
            mock.patch(
                "skreg.inspection._nested_cv.fit_tasks", lambda *args, **options: fit_tasks(*args, **options)[::-1]
            ),
        ):
            found = compare_regularizers(X, Y, estimators, **options).folds
        columns = ["regularizer", "fold", "test_score", "chosen"]
        pd.testing.assert_frame_equal(found[columns], expected[columns])

    def test_times_are_those_of_the_fits(self):
        def timed(outcomes):
            for number, outcome in enumerate(outcomes):
                outcome.seconds = 1000.0 * number
            return outcomes[::-1]

        with changed(timed):
            times = cross_validate(make(), X, Y, **SCORED)["fit_time"]
            found = GridSearchCV(make(), {"alpha": [0, 1, 2]}, cv=2, refit=False).fit(X, Y).cv_results_
        assert times.round(-2).tolist() == [0, 1000, 2000]
        assert found["mean_fit_time"].round(-2).tolist() == [500, 2500, 4500]


class TestErrors:
    """Results that are lost, or that nobody asked for, are errors; the estimators are as they were."""

    @pytest.mark.parametrize(
        ("change", "text"),
        [
            (lambda outcomes: outcomes[1:], "returned 11 results of 12 fits"),
            (lambda outcomes: outcomes + outcomes[:1], "duplicate result: RegularizedMLPClassifier"),
            (
                lambda outcomes: [outcomes[0], *outcomes[:-1]],
                "duplicate result: RegularizedMLPClassifier",
            ),
            (lambda outcomes: [], "returned 0 results of 12 fits"),
        ],
    )
    def test_of_fits(self, change, text):
        search = GridSearchCV(make(), ALPHAS, cv=FOLDS)
        model, before = search.estimator, repr(search)
        with changed(change), pytest.raises(RuntimeError, match=text):
            search.fit(X, Y)
        assert search.estimator is model
        assert repr(search) == before
        assert not hasattr(search, "cv_results_")

    def test_of_another_search(self):
        others = []
        with changed(lambda outcomes: others.append(outcomes) or outcomes):
            GridSearchCV(make(), ALPHAS, cv=FOLDS).fit(X, Y)
        with changed(lambda outcomes: others[0]), pytest.raises(RuntimeError, match="unexpected or duplicate"):
            GridSearchCV(make(), ALPHAS, cv=FOLDS).fit(X, Y)

    @pytest.mark.parametrize(
        ("change", "text"),
        [
            (lambda results: results[1:], "lost the results of 1 of 3 fits"),
            (lambda results: results[:1] * 3, "unexpected or duplicate result"),
            (lambda results: [("another call", result) for _, result in results], "unexpected or duplicate result"),
        ],
    )
    def test_of_joblib(self, change, text):
        with changed_by_joblib(change), pytest.raises(RuntimeError, match=text):
            cross_validate(cross_validated(), X, Y, cv=FOLDS)

    def test_fits_that_nobody_made(self):
        def of_others(estimator, parameters, rows):
            return _batched_fits.Task(estimator, {"alpha": 0.7}, rows)

        search = GridSearchCV(make(), {"alpha": [0.1, 0.2]}, cv=FOLDS)
        text = r"parameters {'alpha': 0.1} on 60 rows; results of 6 other fits are left. Use the function of the same"
        with mock.patch.object(_search, "Task", of_others), pytest.raises(RuntimeError, match=text):
            search.fit(X, Y)

    def test_copies_of_a_search_while_it_runs(self):
        copies = []

        def scorer(model, X, y):
            copies.append(pickle.loads(pickle.dumps(copy.deepcopy(model))))
            return copies[-1].score(X, y)

        both_searches(make(), {"alpha": [0.0, 0.1]}, X, Y, cv=2, scoring=scorer)
        assert all(type(model) is RegularizedMLPClassifier for model in copies)

    def test_fits_in_another_process_without_their_results(self):
        known = Outcomes()
        tasks = [_batched_fits.Task(make(), {}, np.arange(60))]
        known.add(X, Y, {}, tasks, [_batched_fits.Outcome(tasks[0], make())], RowStructure())
        stand_in = with_outcomes(make(), pickle.loads(pickle.dumps(known)))
        with pytest.raises(RuntimeError, match="asked for a fit that was not made, with parameters {} on 60"):
            stand_in.fit(X[:60], Y[:60])

    def test_fits_that_nobody_asked_for(self):
        with (
            mock.patch("sklearn.model_selection.cross_validate"),
            pytest.raises(RuntimeError, match="3 results of fits"),
        ):
            cross_validate(make(), X, Y, cv=FOLDS)


class OwnFit(RegularizedMLPClassifier):
    """A user's class with a `fit` and a `set_params` of its own."""

    def fit(self, X, y, weights=None):
        super().fit(X, y, weights)
        self.marked_ = True
        return self

    def set_params(self, **parameters):
        return super().set_params(**{name.lower(): value for name, value in parameters.items()})


STANDING_IN = {"fit", "set_params", "__sklearn_clone__"}


class TestStandIns:
    """A stand-in has methods of its own until it is fitted, and is of the plain class from the start."""

    @pytest.mark.parametrize(
        "model",
        [
            make(),
            OwnFit((3,), max_iter=2, random_state=0),
            make_pipeline(StandardScaler(), make()),
            TransformedTargetRegressor(make("regressor")),
            cross_validated(),
        ],
        ids=lambda model: type(model).__name__,
    )
    def test_they_look_like_the_estimator(self, model):
        stand_in = with_outcomes(model, Outcomes())
        assert type(stand_in) is type(model)
        assert repr(stand_in) == repr(model)
        assert inspect.signature(stand_in.fit) == inspect.signature(model.fit)
        assert has_fit_parameter(stand_in, "sample_weight") == has_fit_parameter(model, "sample_weight")
        with pytest.raises(NotFittedError):
            check_is_fitted(stand_in)
        assert STANDING_IN <= vars(clone(stand_in)).keys()
        assert not STANDING_IN & vars(model).keys()

    @pytest.mark.parametrize("copied", [clone, copy.deepcopy, pickled], ids=lambda f: f.__name__)
    def test_copies_look_up_results_for_their_own_parameters(self, copied):
        parameters, rows = {"alpha": 0.3}, np.arange(90)
        known, task = Outcomes(), _batched_fits.Task(make(), parameters, rows)
        fitted = make(**parameters).fit(X, Y)
        known.add(X, Y, {}, [task], [_batched_fits.Outcome(task, fitted)], RowStructure())
        original = with_outcomes(make(), known)
        twin = copied(original.set_params(**parameters))
        twin.fit.outcomes = known  # results stay where they are waited for
        assert twin is not original
        assert twin.fit.estimator is twin
        assert twin.set_params() is twin
        assert twin.fit(X, Y) is twin
        assert twin.coefs_ is fitted.coefs_
        assert not STANDING_IN & vars(twin).keys()
        assert STANDING_IN <= vars(original).keys()
        assert type(twin) is RegularizedMLPClassifier

    def test_errors_leave_a_plain_estimator(self):
        known, task = Outcomes(), _batched_fits.Task(make(), {}, np.arange(90))
        outcome = _batched_fits.Outcome(task, make())
        outcome.fail(ArithmeticError("diverged"))
        known.add(X, Y, {}, [task], [outcome], RowStructure())
        stand_in = with_outcomes(make(), known)
        with pytest.raises(ArithmeticError, match="diverged"):
            stand_in.fit(X, Y)
        assert not STANDING_IN & vars(stand_in).keys()
        assert stand_in.fit(X, Y).n_iter_ == make().max_iter

    def test_users_classes(self):
        model = OwnFit((3,), max_iter=2, n_iter_no_change=np.inf, random_state=0)
        search = GridSearchCV(model, {"ALPHA": [0.0, 0.3]}, cv=FOLDS, scoring=log_likelihood).fit(X, Y)
        expected = PlainGridSearchCV(model, {"ALPHA": [0.0, 0.3]}, cv=FOLDS, scoring=log_likelihood).fit(X, Y)
        for name in ("mean_test_score", "std_test_score"):
            np.testing.assert_allclose(search.cv_results_[name], expected.cv_results_[name], rtol=1e-6)
        assert search.best_estimator_.marked_
        assert type(search.best_estimator_) is OwnFit
        assert vars(search.best_estimator_).keys() == vars(expected.best_estimator_).keys()


def uneven_folds():
    rows = np.arange(90)
    return [(rows[:30], rows[60:]), (rows[30:60], rows[60:]), (rows[:30], rows[:30]), (rows[:30], rows[60:])]


class TestFolds:
    def test_the_same_rows_again(self):
        with changed(backwards):
            both_searches(make(), ALPHAS, X, Y, cv=uneven_folds(), scoring=log_likelihood)

    def test_rows_with_the_same_content(self):
        both_searches(make(), ALPHAS, np.tile(X[:30], (3, 1)), np.tile(Y[:30], 3), cv=uneven_folds())

    @pytest.mark.parametrize(
        "convert",
        [
            np.asfortranarray,
            lambda rows: rows[:, ::-1],
            lambda rows: rows.tolist(),
            lambda rows: rows.astype(np.float32),
            lambda rows: rows.astype(object),
            scipy.sparse.csr_matrix,
            scipy.sparse.csc_array,
            scipy.sparse.coo_array,
            lambda rows: pd.DataFrame(rows, columns=list("abcdef")),
            lambda rows: polars.DataFrame(rows),
        ],
    )
    def test_kinds_of_data(self, convert):
        with changed(backwards):
            both_searches(make(), {"alpha": [0.0, 0.3]}, convert(X), Y, **SCORED, refit=False)

    def test_columns_of_text(self):
        frame = pd.DataFrame({"text": list("abc") * 30, "kind": pd.Categorical(list("xxyyz") * 18), "number": X[:, 0]})
        frame["new"] = frame["text"].astype("string")
        model = make_pipeline(OneHotEncoder(handle_unknown="ignore"), make())
        with changed(backwards):
            both_searches(model, {"regularizedmlpclassifier__alpha": [0.0, 0.3]}, frame, pd.Series(Y), cv=FOLDS)


class Unreadable:
    """A loss that can be copied, but not read."""

    def __init__(self, delta):
        self.delta, self.lock = delta, threading.Lock()

    def __deepcopy__(self, memo):
        return Unreadable(self.delta)

    def __call__(self, y_true, y_pred):
        return (y_pred - y_true).square().sum(dim=1) * self.delta


class Marker(TransformerMixin, BaseEstimator):
    """Changes nothing."""

    def __init__(self, value=None):
        self.value = value

    def fit(self, X, y=None):
        return self

    def transform(self, X):
        return X


class TestParameters:
    def test_equal_values_of_other_types(self):
        values = [0, 0.0, -0.0, False, np.float32(0), np.int64(0), 1, True, 1.0, np.nan, "1", None, (1,), [1], {1: 2}]
        values += [np.zeros(2), np.zeros((1, 2)), np.zeros(2, dtype=int), log_likelihood, np.sum, dict, {1, 2}]
        values += [LogisticRegression(), LogisticRegression(C=2), FrozenEstimator(LogisticRegression())]
        texts = [f"{type(value)} {value!r}" for value in values]

        def number(model, X, y):
            return float(texts.index(f"{type(model[0].value)} {model[0].value!r}"))

        model = Pipeline([("marker", Marker()), ("network", make(max_iter=1, batch_size=45))])
        options = {"scoring": number, "cv": 2}
        with changed(backwards):
            found = both("validation_curve", model, X, Y, param_name="marker__value", param_range=values, **options)
        np.testing.assert_array_equal(found[0][1], np.arange(len(values))[:, None] * np.ones(2))

    def test_what_cannot_be_read_is_fitted_by_itself(self):
        losses = [Unreadable(1.0), Unreadable(9.0)]
        with changed(backwards):
            both_searches(make("regressor"), {"loss": losses, "alpha": [0.0, 0.3]}, X, X[:, 0] + X[:, 1], cv=FOLDS)


class Recorded(ClassifierMixin, BaseEstimator):
    """Notes the process of the fit, and warns, fails, or becomes unfit for travel when it is told to."""

    def __init__(self, kind=None):
        self.kind = kind

    def fit(self, X, y):
        self.pid_, self.classes_ = os.getpid(), np.unique(y)
        if self.kind == "warns":
            warnings.warn("a word from afar", stacklevel=2)
            warnings.warn(OddWarning(number=5), stacklevel=2)
        if self.kind == "fails":
            raise KeyError("no such luck")
        if self.kind == "fails oddly":
            raise OddError(number=7)
        if self.kind == "stays":
            self.lock_ = threading.Lock()
        return self

    def predict(self, X):
        return np.full(len(X), self.classes_[0])


class OddWarning(UserWarning):
    def __init__(self, *, number):
        super().__init__(f"number {number}")


class OddError(ValueError):
    def __init__(self, *, number):
        super().__init__(f"number {number}")


def process_of(model, X, y):
    return float(getattr(model[-1], "pid_", 0))


def search_of(*models, **options):
    return GridSearchCV(Pipeline([("model", make())]), {"model": list(models)}, cv=FOLDS, **options)


def plain(*arguments, **options):
    """Return a backend that knows nothing of generators."""

    class Plain(ThreadingBackend):
        supports_return_generator = False

    return Plain(*arguments, **options)


register_parallel_backend("plain", plain)


def scores_of_many(n_jobs=None):
    """Return scores of a search, a cross-validation and a comparison of networks and others."""
    options = {"cv": FOLDS, "n_jobs": n_jobs}
    models = [LogisticRegression(), make(), LogisticRegression(C=0.01), cross_validated()]
    search = search_of(*models, scoring=log_likelihood, refit=False, n_jobs=n_jobs).fit(X, Y)
    compared = {"linear": LogisticRegression(), "network": make()}
    comparison = compare_regularizers(X, Y, compared, random_state=0, refit=False, **options)
    return (
        search.cv_results_["mean_test_score"],
        cross_val_score(cross_validated(), X, Y, scoring=log_likelihood, **options),
        comparison.folds["test_score"],
    )


@pytest.fixture(scope="module")
def expected_scores():
    """Return scores of one population at a time, and of two, which are of other sizes, in processes."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        with joblib.parallel_config("loky"):
            return scores_of_many(), scores_of_many(n_jobs=2)


class TestProcesses:
    def test_they_are_used(self):
        processes = search_of(Recorded(), make(), n_jobs=2, scoring=process_of, refit=False).fit(X, Y).cv_results_
        found = {processes[f"split{i}_test_score"][0] for i in range(3)}
        assert os.getpid() not in found
        assert processes["mean_test_score"][1] == 0

    @pytest.mark.parametrize("backend", ["loky", "threading", "plain"])
    def test_every_backend_gives_the_same(self, backend, expected_scores):
        """Bit for bit; to rounding where populations are of other sizes, and with them the products of matrices."""
        with joblib.parallel_config(backend):
            for found, alone, expected in zip(scores_of_many(n_jobs=2), *expected_scores, strict=True):
                np.testing.assert_array_equal(found, expected)
                np.testing.assert_allclose(found, alone, rtol=1e-13)

    @pytest.mark.parametrize("n_jobs", [None, 2])
    def test_warnings_come_once(self, n_jobs):
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("default")
            search_of(Recorded("warns"), make(), n_jobs=n_jobs, refit=False).fit(X, Y)
        texts = [str(item.message) for item in caught]
        assert texts.count("a word from afar") == (1 if n_jobs else 3)
        assert texts.count("number 5") == (1 if n_jobs else 3)
        if n_jobs:
            assert {item.filename for item in caught} == {__file__}

    @pytest.mark.parametrize("n_jobs", [None, 2])
    def test_warnings_of_networks_that_are_fitted_one_by_one(self, n_jobs):
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            model = make(solver="lbfgs", max_iter=2, batch_size="auto", n_iter_no_change=10)
            GridSearchCV(model, {"alpha": [0.0, 0.1]}, cv=FOLDS, n_jobs=n_jobs, refit=False).fit(X, Y)
        # Six fits say the same.
        assert [(item.category, item.filename) for item in caught] == [(ConvergenceWarning, __file__)]

    @pytest.mark.filterwarnings("ignore:One or more of the test scores")
    @pytest.mark.parametrize("kind", ["fails", "fails oddly"])
    def test_errors(self, kind):
        for n_jobs in (None, 2):
            with pytest.warns(FitFailedWarning, match="3 fits failed out of a total of 6(.|\n)*in fit\n(.|\n)*raise"):
                results = search_of(Recorded(kind), make(), n_jobs=n_jobs).fit(X, Y).cv_results_
            assert np.isnan(results["mean_test_score"]).tolist() == [True, False]
        with pytest.raises(KeyError if kind == "fails" else RuntimeError, match="no such luck|OddError: number 7"):
            search_of(Recorded(kind), make(), n_jobs=2, error_score="raise").fit(X, Y)

    def test_what_cannot_come_back_is_fitted_here(self):
        results = search_of(Recorded("stays"), Recorded(), n_jobs=2, scoring=process_of, refit=False).fit(X, Y)
        assert results.cv_results_["mean_test_score"][0] == os.getpid() != results.cv_results_["mean_test_score"][1]

    @pytest.mark.parametrize(("n_jobs", "backend"), [(None, "loky"), (2, "loky"), (2, "threading")])
    def test_callbacks(self, n_jobs, backend):
        """Fits that scikit-learn makes itself, in its own processes, hold out whole groups."""
        groups = np.arange(90) // 6
        seen = SeesGroups(early_stopping=True, hidden_layer_sizes=(3,), max_iter=2, random_state=0)
        seen.set_callbacks(ScoringMonitor(scoring="accuracy"))
        options = {"cv": GroupKFold(3), "n_jobs": n_jobs, "scoring": splits_of_groups}
        rows = np.column_stack([np.arange(90), X])
        with warnings.catch_warnings(), joblib.parallel_config(backend):
            warnings.filterwarnings("ignore", "The columns of X have very different scales")
            search = GridSearchCV(seen, {"alpha": [0.0, 0.1]}, **options).fit(rows, Y, groups=groups)
            scores = cross_val_score(seen, rows, Y, groups=groups, **options)
        assert search.cv_results_["mean_test_score"].tolist() == [1, 1]
        assert search.best_estimator_.keeps_groups_
        assert scores.tolist() == [1, 1, 1]

    def test_callbacks_of_some(self):
        heard = [make().set_callbacks(ScoringMonitor(scoring="accuracy")), LogisticRegression(), make(alpha=0.3)]
        with changed(lambda outcomes: outcomes[:2:-1] + outcomes[:3]):
            both_searches(Pipeline([("model", make())]), {"model": heard}, X, Y, **SCORED, refit=False)


class SeesGroups(RegularizedMLPClassifier):
    """Notes whether early stopping has kept groups whole, of which every six rows are one."""

    def _split(self, table, *arguments):
        train, valid = super()._split(table, *arguments)
        groups = [set(table.X[side, 0] // 6) for side in (train, valid)]
        self.keeps_groups_ = not groups[0] & groups[1]
        return train, valid


def splits_of_groups(model, X, y):
    return float(model.keeps_groups_)

"""Specs and results are plain data, whatever backend trains them; what does not fit together is an error."""

import copy
import pickle
import threading
from dataclasses import FrozenInstanceError, replace

import joblib
import numpy as np
import pytest
import scipy.sparse
import torch
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.exceptions import FitFailedWarning

import skreg.backends._joblib
from skreg import RegularizedMLPClassifier, RegularizedMLPRegressor
from skreg._estimator.prepare import finish, prepare
from skreg.backends import train_fits
from skreg.engine.dataset import Dataset
from skreg.engine.grouping import structure
from skreg.engine.spec import RowChoice
from skreg.engine.threads import AbandonedError
from skreg.engine.trainer import Trainer
from skreg.model_selection import GridSearchCV, RegularizedMLPClassifierCV, cross_validate
from skreg.model_selection._deferred import DatasetCache
from tests.helpers import three_classes

X, Y = three_classes()
pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
SHORT = {"hidden_layer_sizes": (6,), "max_iter": 4, "batch_size": 20, "n_iter_no_change": np.inf, "random_state": 0}


def make(**options):
    return RegularizedMLPClassifier(**SHORT | options)


def fits(*settings):
    pending = [prepare(make(**options), X, Y) for options in settings]
    return pending, [(fit.spec, fit.dataset) for fit in pending]


SETTINGS = ({"alpha": 0.1}, {"dropout": 0.3}, {"hidden_layer_sizes": (4,)}, {"early_stopping": True}, {"solver": "sgd"})


class TestPlainData:
    @pytest.mark.parametrize("options", [*SETTINGS, {"solver": "lbfgs"}, {"penalty": "hierarchical"}], ids=str)
    def test_a_spec_and_its_result_survive_a_pickle(self, options):
        (fit,), ((spec, dataset),) = fits(options)
        again = pickle.loads(pickle.dumps((spec, dataset)))
        assert structure(again[0]) == structure(spec)
        (result,), (expected,) = (train_fits([pair]) for pair in (again, (spec, dataset)))
        for ours, theirs in zip(pickle.loads(pickle.dumps(result)).weights, expected.weights, strict=True):
            assert_array_equal(ours, theirs)
        finish(fit, result)
        assert_array_equal(fit.estimator.predict_proba(X), make(**options).fit(X, Y).predict_proba(X))

    def test_a_spec_cannot_be_changed_and_holds_no_rows(self):
        _, ((spec, _),) = fits({})
        with pytest.raises(FrozenInstanceError):
            spec.batch_size = 3
        assert len(pickle.dumps(replace(spec, train=RowChoice(np.arange(0))))) < X.nbytes

    def test_a_spec_does_not_change_with_its_estimator(self):
        (fit,), ((spec, dataset),) = fits({"penalty": "l1", "alpha": 0.01})
        fit.estimator.set_params(alpha=10.0, dropout=0.9, max_iter=1)
        (result,) = train_fits([(spec, dataset)])
        assert_array_equal(result.weights[0], make(penalty="l1", alpha=0.01).fit(X, Y).coefs_[0])


class TestStructure:
    def test_numbers_may_differ_and_all_else_may_not(self):
        _, ((first, _), *others) = fits(
            {"dropout": 0.2},
            {"alpha": 0.5, "dropout": 0.1, "learning_rate_init": 0.1, "weight_decay": 0.1, "tol": 1.0, "max_iter": 9},
            {"random_state": 3, "label_smoothing": 0.1, "class_weight": "balanced", "input_dropout": 0.5},
        )
        assert {structure(spec) for spec, _ in others} == {structure(first)}
        _, different = fits(
            {"activation": "tanh"}, {"penalty": "l1"}, {"beta_1": 0.5}, {"batch_size": 40}, {"shuffle": False}
        )
        assert len({structure(first), *(structure(spec) for spec, _ in different)}) == 6


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
        pending, pairs = fits(*SETTINGS)
        monkeypatch.setattr(skreg.backends._joblib, "Parallel", InOtherOrder)
        for fit, result, options in zip(pending, train_fits(pairs), SETTINGS, strict=True):
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


class TestWhatDoesNotFit:
    def test_a_spec_of_other_data(self):
        _, ((spec, dataset),) = fits({})
        for other, text in (
            (Dataset(X[:, :3], dataset.targets, None), "5 inputs and 3 outputs; the data set has 3 features"),
            (
                Dataset(X[:20], dataset.targets[:20], None),
                "must read rows of the data set, which has 20",
            ),
        ):
            with pytest.raises(ValueError, match=text):
                Trainer([(spec, other)])
        with pytest.raises(ValueError, match="validates on separate rows"):
            Trainer([(replace(spec, valid=replace(spec.train, of_validation_data=True)), dataset)])

    def test_a_result_of_another_spec(self):
        (fit, _), pairs = fits({}, {"hidden_layer_sizes": (4,)})
        before = set(vars(fit.estimator))
        of_other = train_fits(pairs)[1]
        with pytest.raises(ValueError, match="The result must be of the fit that is to be finished"):
            finish(fit, of_other)
        of_other.token = fit.spec.token
        with pytest.raises(ValueError, match="The result must be of this network"):
            finish(fit, of_other)
        assert set(vars(fit.estimator)) == before


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


@pytest.mark.parametrize("solver", ["adam", "lbfgs"])
def test_every_solver_gives_up_when_it_is_told_to(solver):
    _, (pair,) = fits({"solver": solver})
    stopped = threading.Event()
    stopped.set()
    with pytest.raises(AbandonedError):
        Trainer([pair], stopped=stopped).train()


def test_training_rows_in_another_order_keep_their_targets():
    """All of them, as a splitter may give that draws rows with replacement."""
    indices = np.random.default_rng(0).permutation(90)
    dataset = Dataset(X, X[:, :1], None)
    rows = dataset.rows(RowChoice(indices), torch.float64, torch.device("cpu"))
    assert_array_equal(rows.inputs(np.arange(90))[:, :1], rows.target)


def test_a_warning_of_parameters_is_given_once_by_a_search_with_its_refit():
    with pytest.warns(UserWarning, match="alpha=0.1 has no effect") as caught:
        GridSearchCV(make(penalty=None, alpha=0.1), {"dropout": [0.0, 0.1]}, cv=2, n_jobs=2).fit(X, Y)
    assert len([item for item in caught if "has no effect" in str(item.message)]) == 1
    assert {item.filename for item in caught if "has no effect" in str(item.message)} == {__file__}


def test_equal_rows_are_kept_once_in_whatever_form():
    for data in (X.astype(int), scipy.sparse.csr_matrix(X.astype(int))):
        cache, pending = DatasetCache(), [prepare(make(alpha=alpha), data, Y) for alpha in (0.1, 0.2)]
        for fit in pending:
            cache.share(fit)
        assert pending[0].dataset is pending[1].dataset
        assert pending[1].table.X is pending[0].dataset.X


def test_rows_are_copied_to_a_device_once():
    dataset, device = Dataset(X, np.zeros((90, 1)), None), torch.device("meta")
    rows = [RowChoice(np.arange(n)) for n in (90, 40)]
    first, second = (dataset.rows(choice, torch.float64, device) for choice in rows)
    assert first.X is second.X
    assert not pickle.loads(pickle.dumps(dataset))._on_device

"""Specs and results are plain data; what does not fit together is an error."""

import pickle
import threading
from dataclasses import FrozenInstanceError, replace

import numpy as np
import pytest
import scipy.sparse
import torch
from numpy.testing import assert_array_equal

from skreg import RegularizedMLPClassifier
from skreg._estimator.prepare import finish, prepare
from skreg.backends import train_fits
from skreg.engine.dataset import Dataset
from skreg.engine.grouping import structure
from skreg.engine.spec import RowChoice
from skreg.engine.threads import AbandonedError
from skreg.engine.trainer import Trainer
from skreg.model_selection import GridSearchCV
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

"""Batch size, epochs and patience from a number of steps."""

import numpy as np
import pytest
from sklearn.datasets import make_classification
from sklearn.exceptions import ConvergenceWarning
from sklearn.model_selection import KFold

from skreg import RegularizedMLPClassifier, RegularizedMLPRegressor
from skreg._estimator.prepare import prepare
from skreg._estimator.steps import scaled_batch_size
from skreg.model_selection import GridSearchCV, regularization_path

X, Y = make_classification(120, 6, random_state=0)
SMALL = {"hidden_layer_sizes": (5,), "random_state": 0, "n_iter_no_change": np.inf}


@pytest.mark.parametrize(
    ("n_rows", "size"), [(1, 1), (10, 10), (100, 32), (700, 32), (800, 64), (1024, 64), (2000, 128), (10**6, 256)]
)
def test_a_scaled_batch_size_grows_with_the_rows(n_rows, size):
    assert scaled_batch_size(n_rows) == size


def test_batches_are_scaled_by_the_training_rows():
    network = RegularizedMLPClassifier(batch_size="scale", early_stopping=True, validation_fraction=0.25)
    rows = np.random.default_rng(0).normal(size=(960, 2))
    spec = prepare(network, rows, rows[:, 0] > 0).spec
    assert (len(spec.train), spec.batch_size, spec.n_batches) == (720, 32, 23)


def test_max_iter_is_raised_to_a_number_of_steps():
    few = RegularizedMLPClassifier(**SMALL, batch_size=50, max_iter=4, min_steps=20).fit(X, Y)
    assert few.n_iter_ == 7  # of three batches each
    many = RegularizedMLPClassifier(**SMALL, batch_size=10, max_iter=4, min_steps=20).fit(X, Y)
    assert many.n_iter_ == 4


@pytest.mark.parametrize(
    "options",
    [
        {"learning_rate": "cosine"},
        {"learning_rate": "cosine", "early_stopping": True, "refit_on_all": True},
        {"early_stopping": True},
    ],
)
def test_a_number_of_steps_is_the_same_as_its_epochs(options):
    common = SMALL | options | {"batch_size": 32}  # four batches of 120 rows, and of 102
    in_steps = RegularizedMLPClassifier(**common, max_iter=1, min_steps=12 * 4).fit(X, Y)
    in_epochs = RegularizedMLPClassifier(**common, max_iter=12).fit(X, Y)
    assert in_steps.history_["lr"].tolist() == in_epochs.history_["lr"].tolist()
    for own, other in zip(in_steps.coefs_, in_epochs.coefs_, strict=True):
        np.testing.assert_array_equal(own, other)


def test_patience_of_early_stopping_lasts_a_tenth_of_the_steps():
    network = RegularizedMLPClassifier(batch_size=32, max_iter=10, min_steps=3000, n_iter_no_change=2)
    assert prepare(network, X, Y).spec.stopping.n_iter_no_change == 2
    stopping = prepare(network.set_params(early_stopping=True), X, Y).spec.stopping
    assert (stopping.max_epochs, stopping.n_iter_no_change) == (750, 75)
    longer = prepare(network.set_params(n_iter_no_change=200), X, Y).spec.stopping
    assert longer.n_iter_no_change == 200


def test_the_warning_names_what_has_raised_the_epochs():
    network = RegularizedMLPClassifier((5,), batch_size=60, max_iter=1, min_steps=5, random_state=0)
    with pytest.warns(ConvergenceWarning, match=r"max_iter=1 \(raised to 3 by min_steps=5\) epochs before"):
        network.fit(X, Y)


def test_lbfgs_has_no_steps():
    network = RegularizedMLPClassifier((5,), solver="lbfgs", max_iter=2, min_steps=500, random_state=0)
    with pytest.warns(ConvergenceWarning):
        network.fit(X, Y)
    assert network.n_iter_ == 2


def test_a_checkpoint_goes_on_to_the_last_step(tmp_path):
    common = SMALL | {"batch_size": 40, "max_iter": 1, "learning_rate": "cosine"}
    whole = RegularizedMLPClassifier(**common, min_steps=18).fit(X, Y)
    part = RegularizedMLPClassifier(**common | {"learning_rate": "constant"}, min_steps=6).fit(X, Y)
    part.save_checkpoint(tmp_path / "part")
    constant = common | {"learning_rate": "constant"}
    resumed = RegularizedMLPClassifier(**constant, min_steps=18).load_checkpoint(tmp_path / "part").fit(X, Y)
    at_once = RegularizedMLPClassifier(**constant, min_steps=18).fit(X, Y)
    assert whole.n_iter_ == resumed.n_iter_ == 6
    np.testing.assert_array_equal(resumed.coefs_[0], at_once.coefs_[0])
    late = RegularizedMLPClassifier(**constant, min_steps=4).load_checkpoint(tmp_path / "part")
    with pytest.raises(ValueError, match=r"after 2 epochs; .* max_iter=1 \(raised to 2 by min_steps=4\)\."):
        late.fit(X, Y)


def test_members_of_a_search_train_for_the_same_steps():
    network = RegularizedMLPClassifier(**SMALL, batch_size="scale", max_iter=2, min_steps=30, learning_rate="cosine")
    search = GridSearchCV(network, {"dropout": [0.0], "min_steps": [20, 40]}, cv=KFold(2), refit=False).fit(X, Y)
    for scores, n_steps in zip(zip(*_scores_of_folds(search), strict=True), (20, 40), strict=True):
        for score, (train, test) in zip(scores, KFold(2).split(X), strict=True):
            alone = RegularizedMLPClassifier(**network.get_params() | {"min_steps": n_steps}).fit(X[train], Y[train])
            assert alone.n_iter_ == n_steps / 2
            assert score == pytest.approx(alone.score(X[test], Y[test]))


def _scores_of_folds(search):
    return [search.cv_results_[f"split{fold}_test_score"] for fold in range(2)]


def test_warm_starts_of_a_path_take_their_part_of_the_steps():
    network = RegularizedMLPRegressor(**SMALL, penalty="l1", batch_size=40, max_iter=10, min_steps=120)
    network.set_params(learning_rate_init=0.01)
    path = regularization_path(network, X, X[:, 0], alphas=[0.001, 0.00101], direction="down")
    # The second one's share of ten epochs is one, in which there are a tenth of the steps.
    assert sorted(model.n_iter_ for model in path.estimators) == [4, 40]
    assert {model.min_steps for model in path.estimators} == {120}


@pytest.mark.parametrize("value", [0, 1.5, "many"])
def test_values_of_min_steps(value):
    with pytest.raises(ValueError, match="The 'min_steps' parameter of RegularizedMLPClassifier must be"):
        RegularizedMLPClassifier(min_steps=value).fit(X, Y)

"""What the candidates of a search have in common is found once: checks of data, penalties of layers, batches."""

import gc
import warnings
import weakref

import numpy as np
import pytest
import sklearn.model_selection
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.base import clone
from sklearn.compose import TransformedTargetRegressor
from sklearn.exceptions import ConvergenceWarning, FitFailedWarning
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from skreg import AdviceWarning, RegularizedMLPClassifier, RegularizedMLPRegressor
from skreg._estimator import shared_checks
from skreg._estimator.advice import advice_on_data
from skreg._estimator.data import learnable_data
from skreg._estimator.prepare import prepare
from skreg._estimator.shared_checks import CheckedWhole, SharedChecks
from skreg.engine.batches import n_epoch_batches
from skreg.ensemble import FoldEnsembleClassifier, FoldEnsembleRegressor
from skreg.ensemble._members import EnsembleData
from skreg.model_selection import GridSearchCV, cross_validate
from skreg.penalties import L2

RNG = np.random.default_rng(0)
X = RNG.normal(size=(36, 3))
LABELS = np.tile(["a", "b", "c"], 12)
NUMBERS = X @ [1.0, -1.0, 0.5] + 0.1 * RNG.normal(size=36)
TINY = {"hidden_layer_sizes": (3,), "max_iter": 2, "random_state": 0}
ALPHAS = [1e-4, 1e-2, 1.0]
FOLDS = sklearn.model_selection.KFold(3)
pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")


def classifier(**options):
    return RegularizedMLPClassifier(**TINY | options)


def regressor(**options):
    return RegularizedMLPRegressor(**TINY | options)


def counted(monkeypatch, owner, name):
    """Return a list that gets an entry for every call of a method of a class, or of a function of a module."""
    calls, plain = [], getattr(owner, name)

    def call(first, *args, **params):
        calls.append(first)
        return plain(first, *args, **params)

    monkeypatch.setattr(owner, name, call)
    return calls


def searched(estimator, grid, y, **options):
    return GridSearchCV(estimator, grid, cv=FOLDS, refit=False, **options).fit(X, y)


@pytest.mark.parametrize(
    ("estimator", "name", "y"),
    [
        (classifier(), "alpha", LABELS),
        (regressor(), "alpha", NUMBERS),
        (make_pipeline(StandardScaler(), classifier()), "regularizedmlpclassifier__alpha", LABELS),
    ],
    ids=["classifier", "regressor", "pipeline"],
)
def test_candidates_share_the_checks_of_a_fold(monkeypatch, estimator, name, y):
    checks = counted(monkeypatch, shared_checks, "learnable_data")
    scales = counted(monkeypatch, shared_checks, "advice_on_data")
    searched(estimator, {name: ALPHAS}, y)
    assert len(checks) == len(scales) == FOLDS.n_splits


def test_candidates_that_read_targets_otherwise_have_checks_of_their_own(monkeypatch):
    checks = counted(monkeypatch, shared_checks, "learnable_data")
    losses = ["squared_error", "poisson", "absolute_error"]
    with pytest.warns(FitFailedWarning, match="6 fits failed"), pytest.warns(UserWarning, match="non-finite"):
        search = searched(regressor(), {"loss": losses, "alpha": ALPHAS[:2]}, NUMBERS)
    # An error is found anew by each of those that make it.
    assert len(checks) == FOLDS.n_splits * (1 + 2 + 1)
    is_poisson = [parameters["loss"] == "poisson" for parameters in search.cv_results_["params"]]
    assert_array_equal(np.isnan(search.cv_results_["mean_test_score"]), is_poisson)


def test_class_weights_are_those_of_each_candidate():
    grid = {"class_weight": [None, {"a": 5.0}, "balanced", {"b": 0.1}], "max_iter": [20]}
    search = searched(classifier(learning_rate_init=0.1), grid, LABELS)
    expected = sklearn.model_selection.GridSearchCV(search.estimator, grid, cv=FOLDS, refit=False).fit(X, LABELS)
    assert_allclose(search.cv_results_["mean_test_score"], expected.cv_results_["mean_test_score"], atol=1e-6)


def test_a_transformed_target_is_checked_for_each_candidate(monkeypatch):
    checks = counted(monkeypatch, shared_checks, "learnable_data")
    model = TransformedTargetRegressor(regressor(), transformer=StandardScaler())
    searched(model, {"regressor__alpha": ALPHAS}, NUMBERS)
    assert len(checks) == FOLDS.n_splits * len(ALPHAS)


def test_what_is_said_of_data_holds_for_every_candidate():
    search = GridSearchCV(classifier(), {"alpha": ALPHAS}, cv=FOLDS, refit=False)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        search.fit(1000 * X, LABELS)
    texts = [str(item.message) for item in caught if item.category is ConvergenceWarning]
    (text,) = texts  # once for all fits, of which each would have another one if it had not been told of its data
    assert "Mend the data first, as another warning says: make_pipeline(StandardScaler()" in text
    said = [str(item.message) for item in caught if item.category is AdviceWarning]
    assert len(said) == len(set(said)) == FOLDS.n_splits
    assert all("standard deviations of about" in text for text in said)


def test_folds_and_weights_do_not_share():
    weights = np.where(LABELS == "a", 3.0, 1.0)
    results = [
        cross_validate(classifier(), X, LABELS, cv=FOLDS, params=params, return_estimator=True)["estimator"]
        for params in ({}, {"sample_weight": weights})
    ]
    for (train, _), plain, weighted in zip(FOLDS.split(X), *results, strict=True):
        assert_allclose(plain.coefs_[0], classifier().fit(X[train], LABELS[train]).coefs_[0], rtol=1e-4)
        expected = classifier().fit(X[train], LABELS[train], sample_weight=weights[train])
        assert_allclose(weighted.coefs_[0], expected.coefs_[0], rtol=1e-4)


@pytest.mark.parametrize(
    ("first", "second"),
    [
        ((X, LABELS, None), (X.copy(), LABELS, None)),
        ((X, LABELS, None), (X, LABELS.copy(), None)),
        ((X, LABELS, None), (X, LABELS, np.ones(36))),
    ],
    ids=["X", "y", "weights"],
)
def test_only_the_same_objects_are_the_same_data(monkeypatch, first, second):
    calls = counted(monkeypatch, shared_checks, "learnable_data")
    checks = SharedChecks()
    for data, n_calls in [(first, 1), (second, 2), (first, 2), (second, 2)]:
        prepare(classifier(), *data, checks=checks)
        assert len(calls) == n_calls


def test_estimators_share_no_attributes_that_could_be_changed():
    checks = SharedChecks()
    first, second = (prepare(classifier(alpha=alpha), X, LABELS, checks=checks) for alpha in ALPHAS[:2])
    assert first.table.X is second.table.X
    assert first.table is not second.table
    assert first.estimator.classes_ is not second.estimator.classes_
    for name in ("classes_", "_multilabel", "n_features_in_"):
        assert_array_equal(getattr(second.estimator, name), getattr(first.estimator, name))


@pytest.mark.parametrize(
    ("estimator", "y"),
    [
        (classifier(), LABELS),
        (classifier(class_weight={"a": 2.0}), LABELS),
        (classifier(class_weight="balanced"), np.eye(3)[np.arange(36) % 3].astype(int)),
        (regressor(), NUMBERS),
        (regressor(loss="quantile", quantile=[0.1, 0.9]), NUMBERS),
        (regressor(loss="huber", delta=0.5), np.column_stack([NUMBERS, NUMBERS])),
    ],
    ids=str,
)
def test_checks_of_data_depend_on_the_parameters_that_are_named(estimator, y):
    read = set()

    class Recorded(type(estimator)):
        def __getattribute__(self, name):
            read.add(name)
            return super().__getattribute__(name)

    names = set(estimator.get_params())
    recorded = Recorded.__new__(Recorded)
    vars(recorded).update(vars(estimator))
    before = set(vars(recorded))
    read.clear()
    advice_on_data(recorded, learnable_data(recorded, X, y, np.ones(36)))
    # Losses read the parameters from a mapping: all of them, to take what theirs are.
    assert read & names <= set(estimator._data_parameters)
    assert set(vars(recorded)) - before <= set(estimator._data_attributes)
    for name in names - set(estimator._data_parameters):
        delattr(recorded, name)
    advice_on_data(recorded, learnable_data(recorded, X, y, np.ones(36)))


def test_a_penalty_is_laid_out_once_for_each_fit(monkeypatch):
    layouts = counted(monkeypatch, L2, "for_layers")
    searched(regressor(), {"alpha": ALPHAS}, NUMBERS)
    assert len(layouts) == FOLDS.n_splits * len(ALPHAS)
    regressor().fit(X, NUMBERS)
    assert len(layouts) == FOLDS.n_splits * len(ALPHAS) + 1


@pytest.mark.parametrize(
    "options", [{}, {"batch_size": 7}, {"batch_size": 5, "normalization": "batch"}, {"solver": "lbfgs"}]
)
def test_a_spec_knows_its_batches(options):
    spec = prepare(regressor(**options), X, NUMBERS).spec
    sizes = [span.stop - span.start for span in spec.spans()]
    assert (len(sizes), max(sizes), sum(sizes)) == (spec.n_batches, spec.largest_batch, len(X))
    if options.get("solver") != "lbfgs":
        assert spec.n_batches == n_epoch_batches(len(X), spec.batch_size, spec.network.smallest_batch)


TRAIN, HELD_OUT = np.arange(0, 24), np.arange(24, 36)
WEIGHT = np.tile([0.0, 1.0, 2.0, 1.0], 9)


def parts(estimator, y, weight=None, dtype=np.float64):
    """Return the tables of training and held-out rows, as parts of a checked whole and by checks of their own."""
    rows, held = X.astype(dtype), HELD_OUT
    whole = CheckedWhole(clone(estimator), rows, y, weight)
    found = []
    for checks in (whole, SharedChecks()):
        train = (rows[TRAIN], y[TRAIN], None if weight is None else weight[TRAIN])
        valid = (rows[held], y[held], None if weight is None else weight[held])
        if checks is whole:
            checks.add(*train[:2], TRAIN)
            checks.add(*valid[:2], held)
        own = clone(estimator)
        table, _ = checks.learnable_data(own, *train)
        valid_table, _ = checks.validation_data(own, table, *valid, None)
        found.append(
            (table, valid_table, {name: getattr(own, name) for name in own._data_attributes if name in vars(own)})
        )
    return found


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("weight", [None, WEIGHT], ids=["equal", "weighted"])
@pytest.mark.parametrize(
    ("estimator", "y"),
    [
        (classifier(class_weight={"b": 3.0}), LABELS),
        (classifier(), np.where(LABELS == "a", 1, 0)),
        (classifier(), np.column_stack([LABELS == "a", LABELS == "b"]).astype(int)),
        (regressor(), NUMBERS),
        (regressor(target_transform="standard"), 100 * NUMBERS + 7),
    ],
    ids=["classes", "binary", "multilabel", "numbers", "transformed"],
)
def test_a_part_of_checked_rows_is_what_its_own_checks_find(monkeypatch, estimator, y, weight, dtype):
    checks = counted(monkeypatch, shared_checks, "learnable_data")
    (table, valid, attributes), (own_table, own_valid, own_attributes) = parts(estimator, y, weight, dtype)
    assert len(checks) == 1, "the part is not checked again"
    for one, other in ((table, own_table), (valid, own_valid)):
        assert_array_equal(one.X, other.X)
        assert_array_equal(np.asarray(one.targets), np.asarray(other.targets))
        for name in ("weight", "sample_weight"):
            assert_array_equal(getattr(one, name), getattr(other, name))
    assert attributes.keys() == own_attributes.keys()
    for name in ("classes_", "n_features_in_", "_target_range"):
        if name in attributes:
            assert_array_equal(attributes[name], own_attributes[name])


@pytest.mark.parametrize(
    ("other", "rows", "weight"),
    [
        (classifier(class_weight={"a": 2.0}), TRAIN, None),
        (regressor(), TRAIN, None),
        (classifier(), np.flatnonzero(LABELS != "a"), None),
        (classifier(), TRAIN, np.ones(len(TRAIN))),
    ],
    ids=["other parameters", "other class", "class missing", "other weights"],
)
def test_what_differs_from_the_whole_is_checked_by_itself(monkeypatch, other, rows, weight):
    checks = counted(monkeypatch, shared_checks, "learnable_data")
    y = LABELS if isinstance(other, RegularizedMLPClassifier) else NUMBERS
    whole = CheckedWhole(classifier(), X, LABELS, None)
    part = X[rows], y[rows]
    whole.add(*part, rows)
    table, _ = whole.learnable_data(clone(other), *part, weight)
    assert len(checks) == 1
    own = learnable_data(clone(other), *part, weight)
    assert_array_equal(table.targets, own.targets)
    assert_array_equal(table.weight, own.weight)


def test_rows_of_members_that_are_fitted_one_by_one_are_not_kept(monkeypatch):
    alive, found = [], []
    plain = EnsembleData.rows

    def rows(data, *args):
        parts = plain(data, *args)
        gc.collect()
        found.append(sum(part() is not None for part in alive))
        alive.append(weakref.ref(parts[0]))
        return parts

    monkeypatch.setattr(EnsembleData, "rows", rows)
    FoldEnsembleRegressor(regressor(solver="lbfgs"), cv=6, random_state=0).fit(X, NUMBERS)
    assert len(found) == 6
    assert max(found) <= 1


@pytest.mark.parametrize("transform", [None, "standard"])
def test_training_rows_without_weight_are_an_error_that_says_so(transform):
    rows = np.arange(36)
    weight = np.where(rows < 20, 0.0, 1.0)
    folds = [(rows[:20], rows[20:]), (rows[18:], rows[:18])]
    ensemble = FoldEnsembleRegressor(regressor(target_transform=transform), cv=folds, random_state=0)
    with pytest.raises(ValueError, match="Sample weights must contain at least one non-zero number"):
        ensemble.fit(X, NUMBERS, weight)


def test_held_out_rows_without_class_weight_are_an_error_that_says_so():
    held = np.flatnonzero(LABELS == "a")[:6]
    folds = [(np.setdiff1d(np.arange(36), held), held)]
    network = classifier(class_weight={"a": 0.0}, early_stopping=True)
    with pytest.raises(ValueError, match="'class_weight' parameter must give a positive weight"):
        FoldEnsembleClassifier(network, cv=folds, random_state=0).fit(X, LABELS)


@pytest.mark.parametrize(
    "ensemble",
    [FoldEnsembleClassifier(classifier(early_stopping=True)), FoldEnsembleRegressor(regressor(early_stopping=True))],
    ids=["classifier", "regressor"],
)
def test_members_of_an_ensemble_are_not_checked_again(monkeypatch, ensemble):
    checks = counted(monkeypatch, shared_checks, "learnable_data")
    validations = counted(monkeypatch, shared_checks, "check_validation_data")
    y = LABELS if hasattr(ensemble, "predict_proba") else NUMBERS
    ensemble.set_params(random_state=0).fit(X, y)
    assert not checks
    assert not validations


def test_advice_on_data_is_of_all_rows_and_given_once():
    ensemble = FoldEnsembleClassifier(classifier(early_stopping=True), random_state=0)
    rows = X * [1.0, 1e5, 1.0]
    with pytest.warns(UserWarning, match="very different scales") as caught:
        ensemble.fit(rows, LABELS)
    texts = [str(one.message) for one in caught if "very different" in str(one.message)]
    ranges = np.ptp(rows, axis=0)
    assert len(texts) == 1
    assert f"{ranges.max():.3g}" in texts[0]

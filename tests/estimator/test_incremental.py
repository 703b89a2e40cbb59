"""partial_fit and checkpoints: training that is cut into calls, or processes, is the same training."""

import copy
import pickle
import subprocess
import sys
import tracemalloc
from pathlib import Path
from unittest import mock

import joblib
import numpy as np
import pytest
import scipy.sparse
from sklearn.datasets import make_classification, make_multilabel_classification, make_regression
from sklearn.exceptions import NotFittedError
from sklearn.preprocessing import scale

from skreg import RegularizedMLPClassifier, RegularizedMLPRegressor
from skreg.model_selection import RegularizedMLPClassifierCV, RegularizedMLPRegressorCV
from tests.helpers import KINDS

FIXED = {
    "hidden_layer_sizes": (7,),
    "batch_size": 20,
    "learning_rate_init": 0.01,
    "tol": 0,
    "n_iter_no_change": np.inf,
    "random_state": 0,
}
N_CALLS = 6


def data(kind, dtype=np.float64):
    if kind == "classifier":
        X, y = make_classification(90, 6, n_informative=4, n_classes=3, flip_y=0.3, random_state=0)
        return scale(X).astype(dtype), y
    X, y = make_regression(90, 6, noise=40.0, random_state=0)
    return scale(X).astype(dtype), scale(y)


def make(kind, **options):
    return KINDS[kind](**{**FIXED, **options})


def trained_in_calls(model, X, y, n_calls=N_CALLS, **weights):
    first = {"classes": np.unique(y) if np.ndim(y) == 1 else np.arange(y.shape[1])}
    for i in range(n_calls):
        model.partial_fit(X, y, **weights, **(first if "Classifier" in type(model).__name__ and i == 0 else {}))
    return model


def learned(model):
    """Return all that training has left in an estimator, the texts of stopping reasons apart."""
    names = ("coefs_", "intercepts_", "normalization_params_", "loss_curve_", "loss_", "t_", "best_epoch_")
    result = {name: getattr(model, name) for name in names}
    return result | {
        "skip_coef_": [] if model.skip_coef_ is None else model.skip_coef_,
        "history_": {name: column for name, column in model.history_.items() if name != "stopping_reason"},
    }


def everything(model):
    """Return a deep copy of all attributes, objects as text."""

    def plain(value):
        return copy.deepcopy(value) if isinstance(value, np.ndarray | list | dict | float | str) else repr(value)

    return {name: plain(value) for name, value in vars(model).items()}


def assert_unchanged(model, before):
    after = everything(model)
    assert list(after) == list(before)
    np.testing.assert_equal(after, before)


# -- partial_fit -------------------------------------------------------------------------------------------

SAME_AS_FIT = {
    "adam": {},
    "sgd with Nesterov's momentum": {"solver": "sgd", "learning_rate_init": 0.1},
    "sgd with momentum": {"solver": "sgd", "nesterovs_momentum": False},
    "sgd without momentum": {"solver": "sgd", "momentum": 0.0},
    "dropout": {"dropout": 0.4, "input_dropout": 0.1},
    "batch normalization": {"normalization": "batch", "hidden_layer_sizes": (7, 5)},
    "layer normalization": {"normalization": "layer"},
    "l1": {"penalty": "l1", "alpha": 0.01},
    "group lasso": {"penalty": "group_lasso", "alpha": 0.05},
    "hierarchical": {"penalty": "hierarchical", "alpha": 0.01},
    "weight decay and a constraint": {"weight_decay": 0.1, "constraint": "max_norm"},
    "invscaling": {"learning_rate": "invscaling", "solver": "sgd"},
    "cosine": {"learning_rate": "cosine", "max_iter": N_CALLS},
    "adaptive": {"learning_rate": "adaptive", "tol": 10.0, "n_iter_no_change": 1},
    "given order": {"shuffle": False},
    "float32": {},
}


@pytest.mark.filterwarnings("ignore:Training reached max_iter")
@pytest.mark.parametrize("options", SAME_AS_FIT.values(), ids=SAME_AS_FIT)
@pytest.mark.parametrize("kind", KINDS)
def test_n_calls_of_partial_fit_are_fit_with_n_epochs(kind, options, request):
    X, y = data(kind, np.float32 if "float32" in request.node.name else np.float64)
    whole = make(kind, **{**options, "max_iter": N_CALLS}).fit(X, y)
    in_calls = trained_in_calls(make(kind, **options), X, y)
    np.testing.assert_equal(learned(in_calls), learned(whole))
    np.testing.assert_array_equal(in_calls.predict(X), whole.predict(X))
    assert in_calls.coefs_[0].dtype == X.dtype
    if "adaptive" in request.node.name:
        assert whole.history_["lr"][-1] < whole.history_["lr"][0]


@pytest.mark.parametrize("kind", KINDS)
def test_partial_fit_is_fit_with_sample_weights(kind):
    X, y = data(kind)
    weight = np.random.default_rng(0).uniform(0.1, 3, len(X))
    whole = make(kind, max_iter=N_CALLS).fit(X, y, weight)
    in_calls = trained_in_calls(make(kind), X, y, sample_weight=weight)
    np.testing.assert_equal(learned(in_calls), learned(whole))
    assert not np.array_equal(whole.coefs_[0], make(kind, max_iter=N_CALLS).fit(X, y).coefs_[0])


def test_partial_fit_is_fit_for_several_targets_and_sparse_rows():
    X, labels = make_multilabel_classification(80, 6, n_classes=3, random_state=0)
    numbers = X @ np.random.default_rng(0).normal(size=(6, 2))
    cases = {
        "multilabel": (RegularizedMLPClassifier(**FIXED), labels),
        "multi-output": (RegularizedMLPRegressor(**FIXED), scale(numbers)),
        "quantiles": (RegularizedMLPRegressor(loss="quantile", quantile=[0.1, 0.9], **FIXED), scale(numbers[:, 0])),
        "weights of classes": (RegularizedMLPClassifier(class_weight={1: 3.0}, **FIXED), labels[:, 0]),
    }
    for model, y in cases.values():
        for rows in (X, scipy.sparse.csr_array(X), scipy.sparse.csc_matrix(X)):
            whole = copy.deepcopy(model).set_params(max_iter=N_CALLS).fit(rows, y)
            in_calls = trained_in_calls(copy.deepcopy(model), rows, y)
            np.testing.assert_equal(learned(in_calls), learned(whole))
            np.testing.assert_array_equal(in_calls.predict(rows), whole.predict(rows))


def test_partial_fit_cosine_begins_anew_after_max_iter_calls():
    X, y = data("regressor")
    model = trained_in_calls(make("regressor", learning_rate="cosine", max_iter=3), X, y)
    np.testing.assert_array_equal(model.history_["lr"][:3], model.history_["lr"][3:])


def test_batches_may_lack_classes():
    X, y = data("classifier")
    model = make("classifier")
    for rows in (y == 1, y == 0, y == 2) * 20:
        model.partial_fit(X[rows], y[rows], classes=[2, 0, 1])
    np.testing.assert_array_equal(model.classes_, [0, 1, 2])
    assert model.predict_proba(X[:4]).shape == (4, 3)
    # One call with all rows, class after class, takes the same steps as one call for each class.
    model = make("classifier", shuffle=False)
    for rows in (np.flatnonzero(y == k)[:20] for k in (1, 0, 2)):
        model.partial_fit(X[rows], y[rows], classes=[0, 1, 2])
    order = np.concatenate([np.flatnonzero(y == k)[:20] for k in (1, 0, 2)])
    whole = make("classifier", shuffle=False, batch_size=20).partial_fit(X[order], y[order], classes=[0, 1, 2])
    np.testing.assert_equal(model.coefs_, whole.coefs_)


def test_partial_fit_takes_text_as_classes():
    X, y = data("classifier")
    names = np.array(["a", "b", "c"])[y]
    model = make("classifier").partial_fit(X[:20], names[:20], classes=["c", "b", "a"]).partial_fit(X, names)
    assert set(model.predict(X)) <= {"a", "b", "c"}
    assert model.classes_.tolist() == ["a", "b", "c"]


@pytest.mark.parametrize(
    ("y", "classes", "message"),
    [
        (np.tile([0, 3], 45), None, "y must hold only classes of the fitted network, [0, 1, 2]; got [3]."),
        (np.tile([0, 1], 45), [0, 1], "`classes=[0, 1]` is not the same as on last call to partial_fit"),
        (np.tile([0, 1], 45), [0, 1, 2, 3], "is not the same as on last call to partial_fit, was: array([0, 1, 2])"),
        (np.eye(3, dtype=int)[np.tile([0, 1], 45)], None, "y should be a 1d array, got an array of shape (90, 3)"),
    ],
)
def test_later_calls_with_other_classes_are_errors(y, classes, message):
    X, labels = data("classifier")
    model = make("classifier").partial_fit(X, labels, classes=[0, 1, 2])
    before = everything(model)
    with pytest.raises(ValueError, match=".*") as error:
        model.partial_fit(X, y, classes=classes)
    assert message in str(error.value)
    assert_unchanged(model, before)


@pytest.mark.parametrize(
    ("options", "classes", "message"),
    [
        ({}, None, "classes must be passed on the first call to partial_fit."),
        ({}, [1], "partial_fit needs at least 2 classes; got classes=[1]."),
        ({}, [0, 1], "y must hold only classes of the fitted network, [0, 1]; got [2]."),
        ({"class_weight": {7: 1.0}}, [0, 1, 2], "must name only classes of y, [0, 1, 2]; got {7: 1.0}."),
    ],
)
def test_a_first_call_with_wrong_classes_is_an_error(options, classes, message):
    X, y = data("classifier")
    model = make("classifier", **options)
    before = everything(model)
    with pytest.raises(ValueError, match=".*") as error:
        model.partial_fit(X, y, classes=classes)
    assert message in str(error.value)
    assert_unchanged(model, before)


@pytest.mark.parametrize("kind", KINDS)
def test_partial_fit_goes_on_after_fit(kind):
    X, y = data(kind)
    model = make(kind, max_iter=3, dropout=0.2).fit(X, y).partial_fit(X, y).partial_fit(X, y)
    np.testing.assert_equal(learned(model), learned(make(kind, max_iter=5, dropout=0.2).fit(X, y)))


@pytest.mark.parametrize("kind", KINDS)
def test_partial_fit_goes_on_from_the_best_epoch_of_a_stopped_fit(kind):
    X, y = data(kind)
    options = {"early_stopping": True, "hidden_layer_sizes": (50,), "learning_rate_init": 0.05, "alpha": 0.0}
    model = make(kind, max_iter=40, **options).fit(X, y)
    assert model.best_epoch_ < 40
    best = [W.copy() for W in model.coefs_]
    model.set_params(learning_rate_init=1e-9).partial_fit(X, y)
    for W, start in zip(model.coefs_, best, strict=True):
        np.testing.assert_allclose(W, start, atol=1e-7)
    assert model.history_["epoch"].tolist() == list(range(1, 42))
    assert np.isnan(model.history_["valid_loss"][-1])
    assert np.isfinite(model.history_["valid_loss"][:-1]).all()
    assert model.best_epoch_ == 41
    assert model.validation_scores_ is None


@pytest.mark.parametrize("kind", KINDS)
def test_partial_fit_uses_all_rows_whatever_early_stopping_says(kind):
    X, y = data(kind)
    plain = trained_in_calls(make(kind), X, y)
    model = trained_in_calls(make(kind, early_stopping=True), X, y)
    np.testing.assert_equal(learned(model), learned(plain))
    assert model.t_ == N_CALLS * len(X)


@pytest.mark.parametrize("kind", KINDS)
def test_attributes_count_over_calls(kind):
    X, y = data(kind)
    model = make(kind)
    for n, rows in enumerate((slice(0, 90), slice(0, 20), slice(20, 70)), start=1):
        model.partial_fit(X[rows], y[rows], **({"classes": [0, 1, 2]} if kind == "classifier" else {}))
        assert model.n_iter_ == 1
        assert model.best_epoch_ == n
        assert model.history_["epoch"].tolist() == list(range(1, n + 1))
        assert len(model.loss_curve_) == len(model.history_["train_loss"]) == n
        assert model.loss_curve_[-1] == model.loss_
        assert model.best_loss_ == min(model.loss_curve_)
        assert model.t_ == [90, 110, 160][n - 1]
    np.testing.assert_allclose(model.loss_curve_, model.history_["train_loss"] + model.history_["penalty"])
    # A text for the last epoch alone, and none that tells of max_iter epochs where there are 3.
    assert not any("max_iter" in reason for reason in model.history_["stopping_reason"])


def after_many_calls(n_calls):
    """Return an estimator with the history that so many calls would have left, and its data."""
    X, y = data("classifier")
    model = RegularizedMLPClassifier(**FIXED).partial_fit(X, y, classes=np.unique(y))
    model.history_ = {name: np.resize(column, n_calls) for name, column in model.history_.items()}
    model.history_["epoch"] = np.arange(1, n_calls + 1)
    model.loss_curve_ = np.resize(model.loss_curve_, n_calls).tolist()
    return model.partial_fit(X, y), X, y


def test_a_call_takes_no_more_memory_after_many_calls():
    """Only the list `loss_curve_` is copied, 8 bytes an epoch; the columns of `history_` have room behind them."""
    n_calls = 100_000
    model, X, y = after_many_calls(n_calls)
    tracemalloc.start()
    model.partial_fit(X, y)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 2 * 8 * n_calls  # the history has seven columns of 8 bytes, or more for text
    assert len(model.history_["epoch"]) == len(model.loss_curve_) == n_calls + 2


@pytest.mark.parametrize("copied", [copy.copy, copy.deepcopy, lambda model: pickle.loads(pickle.dumps(model))])
def test_histories_of_copies_do_not_share_their_ends(copied):
    model, X, y = after_many_calls(5)
    before = {name: column.copy() for name, column in model.history_.items()}
    kept, twin = model.history_, copied(model)
    twin.partial_fit(X[:50], y[:50])
    model.partial_fit(X, y)
    with pytest.raises(ValueError, match="diverged"):
        copy.copy(model).set_params(learning_rate_init=1e100).partial_fit(X, y)
    model.partial_fit(X, y)
    for name, column in before.items():
        np.testing.assert_array_equal(kept[name], column)
        np.testing.assert_array_equal(model.history_[name][:6], column)
        np.testing.assert_array_equal(twin.history_[name][:6], column)
    assert model.history_["epoch"].tolist() == list(range(1, 9))
    assert model.history_["train_loss"][6] != twin.history_["train_loss"][6]
    assert model.best_loss_ == min(model.loss_curve_)
    np.testing.assert_allclose(model.history_["train_loss"] + model.history_["penalty"], model.loss_curve_)


def test_a_float32_network_stays_one():
    X, y = data("regressor")
    model = make("regressor").partial_fit(X.astype(np.float32), y).partial_fit(X, y)
    same = trained_in_calls(make("regressor"), X.astype(np.float32), y, 2)
    assert {W.dtype for W in (*model.coefs_, *model.intercepts_)} == {np.dtype(np.float32)}
    np.testing.assert_equal(learned(model), learned(same))


def test_another_solver_begins_with_fresh_moments():
    X, y = data("regressor")
    model = trained_in_calls(make("regressor", shuffle=False, batch_size=90), X, y, 3)
    W, b = [W.copy() for W in model.coefs_], [b.copy() for b in model.intercepts_]
    model.set_params(solver="sgd", momentum=0.9, nesterovs_momentum=False, learning_rate_init=0.1, alpha=0.0)
    model.partial_fit(X, y)
    # One step of plain gradient descent: there is no momentum yet.
    hidden = np.maximum(X @ W[0] + b[0], 0)
    residual = (hidden @ W[1] + b[1] - y[:, None]) / len(X)
    np.testing.assert_allclose(model.coefs_[1], W[1] - 0.1 * hidden.T @ residual, rtol=1e-10)
    np.testing.assert_allclose(model.coefs_[0], W[0] - 0.1 * X.T @ ((residual @ W[1].T) * (hidden > 0)), rtol=1e-10)
    assert model.best_epoch_ == 4
    assert model.history_["epoch"].tolist() == [1, 2, 3, 4]
    assert model.t_ == 4 * len(X)


@pytest.mark.parametrize("kind", KINDS)
def test_a_pickled_estimator_goes_on_learning(kind):
    X, y = data(kind)
    model = pickle.loads(pickle.dumps(trained_in_calls(make(kind), X, y)))
    loss = model.loss_
    for _ in range(20):
        model.partial_fit(X, y)
    assert model.loss_ < loss
    assert model.best_epoch_ == len(model.history_["epoch"]) == N_CALLS + 20
    assert model.t_ == (N_CALLS + 20) * len(X)


def bad_calls(kind):
    X, y = data(kind)
    holes = X.copy()
    holes[3, 2] = np.nan
    two = np.column_stack([y, y])
    yield "width", {}, (X[:, :4], y), "X has 4 features, but"
    yield "NaN", {}, (holes, y), "Input X contains NaN"
    yield (
        "outputs",
        {},
        (X, two),
        "y must have 1 columns, as before; got 2." if kind == "regressor" else "1d array",
    )
    yield "lengths", {}, (X, y[:-1]), "inconsistent numbers of samples"
    yield "weights", {}, (X, y, np.zeros(len(X))), "zero"
    yield "negative weights", {}, (X, y, -np.ones(len(X))), "Negative values in data passed to `sample_weight`"
    yield "rate", {"learning_rate_init": -1.0}, (X, y), "The 'learning_rate_init' parameter of"
    yield "dropout", {"dropout": [0.1, 0.1]}, (X, y), "one for each of the 1 hidden layers; got 2 numbers"
    yield "layers", {"hidden_layer_sizes": (8,)}, (X, y), "whose shapes are [(6, 7), (7, "
    yield "norm", {"normalization": "batch"}, (X, y), "with normalization='batch'"
    yield "skip", {"penalty": "hierarchical"}, (X, y), "and a skip connection"
    yield "batch", {"batch_size": 1000}, (X, y), "batch_size=1000 is larger"
    yield "divergence", {"solver": "sgd", "learning_rate_init": 1e12}, (X, y), "Training diverged"


@pytest.mark.parametrize("random_state", [0, "instance"])
@pytest.mark.parametrize("kind", KINDS)
def test_a_failed_call_leaves_no_trace(kind, random_state):
    X, y = data(kind)
    seed = 0 if random_state == 0 else np.random.RandomState(0)
    model = trained_in_calls(make(kind, dropout=0.3, random_state=seed), X, y, 2)
    seed = 0 if random_state == 0 else np.random.RandomState(0)
    undisturbed = trained_in_calls(make(kind, dropout=0.3, random_state=seed), X, y, 3)
    for name, options, arguments, message in bad_calls(kind):
        original = {option: getattr(model, option) for option in options}
        model.set_params(**options)
        before, predictions = everything(model), model.predict(X)
        with pytest.raises((ValueError, UserWarning), match=".*") as error:
            model.partial_fit(*arguments)
        assert message in str(error.value), name
        assert_unchanged(model, before)
        np.testing.assert_array_equal(model.predict(X), predictions)
        model.set_params(**original)
    model.partial_fit(X, y)
    np.testing.assert_equal(learned(model), learned(undisturbed))


def test_partial_fit_is_there_for_solvers_that_take_steps():
    methods = ("partial_fit", "save_checkpoint", "load_checkpoint")
    for kind in KINDS.values():
        assert all(hasattr(kind(), name) for name in methods)
        assert all(hasattr(kind(solver="sgd"), name) for name in methods)
        assert not any(hasattr(kind(solver="lbfgs"), name) for name in methods)
    for kind in (RegularizedMLPClassifierCV, RegularizedMLPRegressorCV):
        assert not any(hasattr(kind(), name) for name in methods)
    with pytest.raises(AttributeError) as error:
        _ = RegularizedMLPClassifier(solver="lbfgs").partial_fit
    assert "got solver='lbfgs'" in str(error.value.__cause__)
    with pytest.raises(AttributeError) as error:
        _ = RegularizedMLPClassifier(class_weight="balanced").partial_fit
    assert "class_weight='balanced' needs all rows at once" in str(error.value.__cause__)


@pytest.mark.parametrize("options", [{"scoring": "loss"}, {"scoring": "r2"}])
def test_warm_start_and_refit_on_all_start_from_the_weights_of_the_call_before(options):
    X, y = data("regressor")
    model = make("regressor", max_iter=3, warm_start=True).fit(X, y)
    start = copy.deepcopy(model)
    model.set_params(early_stopping=True, refit_on_all=True, max_iter=5, **options).fit(X, y)
    # R² and the loss choose the same epoch; the refit is as many epochs on all rows from where the call began.
    again = start.set_params(max_iter=model.best_epoch_).fit(X, y)
    np.testing.assert_equal(model.coefs_, again.coefs_)


# -- checkpoints -------------------------------------------------------------------------------------------

N_BEFORE, N_WHOLE = 5, 10
STOPS = {"early_stopping": True, "hidden_layer_sizes": (50,), "alpha": 0.0}
FITS = {
    "plain": {},
    "dropout": {"dropout": 0.3},
    "input dropout": {"input_dropout": 0.2},
    "batch normalization": {"normalization": "batch"},
    "l1": {"penalty": "l1", "alpha": 0.01},
    "group lasso": {"penalty": "group_lasso", "alpha": 0.05},
    "best epoch before": {**STOPS, "learning_rate_init": 0.1},
    "best epoch after": {**STOPS, "learning_rate_init": 0.001},
    "scorer": {**STOPS, "scoring": "r2"},
    "refit on all rows": {**STOPS, "refit_on_all": True},
    "refit, adaptive": {**STOPS, "refit_on_all": True, "learning_rate": "adaptive", "n_iter_no_change": 1, "tol": 9.0},
    "invscaling": {"learning_rate": "invscaling"},
    "adaptive": {"learning_rate": "adaptive", "tol": 10.0, "n_iter_no_change": 3},
    "given order": {"shuffle": False},
    "class weights": {"class_weight": "balanced", **STOPS},
    "sample weights": {"dropout": 0.1},
    "no seed": {"random_state": None, "dropout": 0.2, **STOPS},
    "instance": {"random_state": "instance", "dropout": 0.2, **STOPS},
    "float32": {"dropout": 0.1},
}
CASES = [(name, solver) for name in FITS for solver in ("adam", "sgd")]


def case(name, solver, max_iter):
    """Return estimator and data of a case; class weights are for classes, scorer and l1 for numbers."""
    kind = "regressor" if name in ("scorer", "l1", "invscaling", "best epoch after") else "classifier"
    options = {"solver": solver, "max_iter": max_iter, **FITS[name]}
    if options.get("random_state") == "instance":
        options["random_state"] = np.random.RandomState(4)
    X, y = data(kind, np.float32 if name == "float32" else np.float64)
    arguments = [X, y]
    if name == "sample weights":
        arguments.append(np.random.default_rng(1).uniform(0, 2, len(X)))
    return make(kind, **options), arguments


def parts(name):
    """Return the rows of every call of partial_fit."""
    _, arguments = case(name, "adam", 1)
    thirds = [[a[i::3] for a in arguments] for i in range(3)]
    return thirds * 2


def results(model):
    return learned(model) | {
        "n_iter_": model.n_iter_,
        "best_loss_": model.best_loss_,
        "validation_scores_": model.validation_scores_,
        "best_validation_score_": model.best_validation_score_,
    }


def go_on_in_another_process(folder):
    """Continue all cases from the files in a folder; called by a fresh interpreter."""
    done = {}
    for name, solver in CASES:
        path = folder / f"{name}-{solver}"
        model, arguments = case(name, solver, N_WHOLE)
        done["fit", name, solver] = results(model.load_checkpoint(f"{path}.fit").fit(*arguments))
        model = joblib.load(f"{path}.joblib").load_checkpoint(f"{path}.partial")
        for rows in parts(name)[3:]:
            model.partial_fit(*rows)
        done["partial_fit", name, solver] = results(model)
    joblib.dump(done, folder / "done.joblib")


def seeded_entropy():
    """Give random_state=None the same entropy each time, so that two fits without a seed can be compared."""
    default_rng = np.random.default_rng
    return mock.patch.object(np.random, "default_rng", lambda *seed: default_rng(*(seed or (7,))))


@pytest.fixture(scope="module")
def continued(tmp_path_factory):
    """Return what uninterrupted trainings give, and those that another process has gone on with."""
    folder = tmp_path_factory.mktemp("checkpoints")
    whole = {}
    for name, solver in CASES:
        path = folder / f"{name}-{solver}"
        with seeded_entropy():
            model, arguments = case(name, solver, N_WHOLE)
            whole["fit", name, solver] = results(model.fit(*arguments))
            model, arguments = case(name, solver, N_BEFORE)
            model.fit(*arguments).save_checkpoint(f"{path}.fit")
            model, _ = case(name, solver, N_BEFORE)
            if model.get_params().get("class_weight"):
                model.set_params(class_weight={0: 2.0, 2: 0.5})
            for i, rows in enumerate(parts(name)):
                model.partial_fit(
                    *rows, **({"classes": [0, 1, 2]} if i == 0 and hasattr(model, "class_weight") else {})
                )
                if i == 2:
                    model.save_checkpoint(f"{path}.partial")
                    joblib.dump(model, f"{path}.joblib")
            whole["partial_fit", name, solver] = results(model)
    program = f"import sys, pathlib, {__name__} as t; t.go_on_in_another_process(pathlib.Path(sys.argv[1]))"
    subprocess.run([sys.executable, "-c", program, str(folder)], check=True, cwd=Path(__file__).parents[2])
    return whole, joblib.load(folder / "done.joblib")


@pytest.mark.filterwarnings("ignore:Training reached max_iter")
@pytest.mark.parametrize(("name", "solver"), CASES, ids=[f"{name}-{solver}" for name, solver in CASES])
@pytest.mark.parametrize("method", ["fit", "partial_fit"])
def test_another_process_goes_on_bit_for_bit(method, name, solver, continued):
    whole, done = (results[method, name, solver] for results in continued)
    np.testing.assert_equal(done, whole)
    if method == "fit":
        assert whole["n_iter_"] == N_WHOLE
        assert whole["t_"] == (77 if "early_stopping" in FITS[name] else 90) * N_WHOLE
        if name == "best epoch before":
            assert whole["best_epoch_"] <= N_BEFORE
        if name == "best epoch after":
            assert whole["best_epoch_"] > N_BEFORE
        if name == "adaptive":
            assert len(set(whole["history_"]["lr"])) > 1


@pytest.fixture
def saved(tmp_path):
    """Return an estimator in the middle of its training, its data, and its checkpoint."""
    X, y = data("regressor")
    model = make("regressor", max_iter=4, dropout=0.2).fit(X, y)
    model.save_checkpoint(tmp_path / "training.npz")
    return model, X, y, tmp_path / "training.npz"


def test_a_new_estimator_takes_a_checkpoint_of_partial_fit(tmp_path):
    X, y = data("classifier")
    model = trained_in_calls(make("classifier"), X, y, 3).save_checkpoint(tmp_path / "a")
    new = make("classifier").load_checkpoint(tmp_path / "a").partial_fit(X, y, classes=[0, 1, 2])
    np.testing.assert_equal(learned(new), learned(model.partial_fit(X, y)))


def test_partial_fit_goes_on_from_any_number_of_epochs(tmp_path):
    X, y = data("regressor")
    model = trained_in_calls(make("regressor", max_iter=2), X, y, 3).save_checkpoint(tmp_path / "a")
    new = pickle.loads(pickle.dumps(model)).load_checkpoint(tmp_path / "a").partial_fit(X, y)
    np.testing.assert_equal(learned(new), learned(model.partial_fit(X, y)))


def test_a_checkpoint_is_used_once(saved):
    _, X, y, path = saved
    new = make("regressor", max_iter=8, dropout=0.2).load_checkpoint(path).fit(X, y)
    assert new.n_iter_ == len(new.history_["epoch"]) == 8
    np.testing.assert_equal(learned(new.fit(X, y)), learned(make("regressor", max_iter=8, dropout=0.2).fit(X, y)))


def test_a_pickle_holds_neither_optimizer_nor_checkpoint(saved):
    model, X, y, path = saved
    model.set_params(hidden_layer_sizes=(500,)).fit(X, y).save_checkpoint(path)
    n_bytes = sum(a.nbytes for a in (*model.coefs_, *model.intercepts_))
    size = len(pickle.dumps(model))
    assert n_bytes < size < 1.2 * n_bytes
    assert path.stat().st_size > 3 * n_bytes  # weights, and two moments of each
    model.load_checkpoint(path)
    assert len(pickle.dumps(model)) == size
    assert not any(name in pickle.dumps(model) for name in (b"_training_state", b"_checkpoint", b"buffer_0"))
    assert not {"_training_state", "_checkpoint"} & set(vars(pickle.loads(pickle.dumps(model))))


def test_a_checkpoint_holds_arrays_of_numbers_and_text_alone(saved):
    *_, path = saved
    with np.load(path, allow_pickle=False) as file:
        arrays = {name: file[name] for name in file.files}
    assert {a.dtype.kind for a in arrays.values()} <= set("fiubU")
    assert {"buffer_0", "buffer_1", "generator_shuffle", "generator_dropout", "history_lr"} <= set(arrays)


def test_saving_needs_a_training(tmp_path):
    X, y = data("regressor")
    with pytest.raises(NotFittedError, match="This RegularizedMLPRegressor instance is not fitted yet"):
        make("regressor").save_checkpoint(tmp_path / "a")
    model = pickle.loads(pickle.dumps(make("regressor", max_iter=2).fit(X, y)))
    with pytest.raises(ValueError, match="The training state is not available: .* Save the checkpoint after fit"):
        model.save_checkpoint(tmp_path / "a")
    assert not (tmp_path / "a").exists()


def test_files_that_are_no_checkpoint_are_errors(saved, tmp_path):
    model, *_, path = saved
    whole = path.read_bytes()
    np.savez(tmp_path / "other.npz", a=np.ones(3))
    np.savez(tmp_path / "later.npz", checkpoint_format=np.asarray(99))
    np.savez(tmp_path / "list.npz", checkpoint_format=np.arange(3))
    np.savez(tmp_path / "object.npz", checkpoint_format=np.array([{}], dtype=object))
    np.save(tmp_path / "array.npy", np.ones(3))
    contents = {"text": b"weights: 1, 2, 3\n", "empty": b"", "pickle": pickle.dumps({"a": 1})}
    contents |= {f"cut at {share}": whole[: int(len(whole) * share)] for share in (0.01, 0.5, 0.99)}
    flipped = bytearray(whole)
    flipped[len(whole) // 2] ^= 255
    contents["one byte changed"] = bytes(flipped)
    for name, content in contents.items():
        (tmp_path / name).write_bytes(content)
    before = everything(model)
    for name in (*contents, "other.npz", "later.npz", "list.npz", "object.npz", "array.npy"):
        with pytest.raises(ValueError, match=".*") as error:
            model.load_checkpoint(tmp_path / name)
        assert str(error.value).startswith(f"{str(tmp_path / name)!r} is not a checkpoint"), name
        assert_unchanged(model, before)
    with pytest.raises(FileNotFoundError):
        model.load_checkpoint(tmp_path / "missing")


@pytest.mark.parametrize(
    ("options", "dtype", "message"),
    [
        ({"hidden_layer_sizes": (8,)}, np.float64, "'layer_units': [6, 8, 1]"),
        ({"hidden_layer_sizes": (7, 7)}, np.float64, "'layer_units': [6, 7, 7, 1]"),
        ({"solver": "sgd"}, np.float64, "'solver': 'sgd'"),
        ({}, np.float32, "'dtype': 'torch.float32'"),
        ({"max_iter": 4}, np.float64, "after 4 epochs; to continue, max_iter must be larger; got max_iter=4."),
        ({"normalization": "batch"}, np.float64, "checkpoint"),
        ({"penalty": "hierarchical"}, np.float64, "checkpoint"),
    ],
)
def test_a_checkpoint_of_another_fit_is_an_error(options, dtype, message, saved):
    model, X, y, path = saved
    model.set_params(**{"max_iter": 9, **options}).load_checkpoint(path)
    before, predictions = everything(model), model.predict(X)
    with pytest.raises(ValueError, match="[Cc]heckpoint") as error:
        model.fit(X.astype(dtype), y)
    assert message in str(error.value)
    assert_unchanged(model, before)
    np.testing.assert_array_equal(model.predict(X), predictions)


DAMAGES = {
    "missing": lambda a: None,
    "text": lambda a: np.full(a.shape, "x"),
    "another shape": lambda a: np.zeros((*a.shape, 2), dtype=a.dtype),
    "empty": lambda a: a.ravel()[:0],
    "NaN": lambda a: np.full(a.shape, np.nan),
}
# Without shuffling there is no generator for it; a history holds NaN for epochs without validation or learning rate.
HARMLESS = {damage: [] for damage in DAMAGES} | {
    "missing": ["generator_shuffle"],
    "text": ["history_stopping_reason"],
    "NaN": ["history_lr"],
}


@pytest.mark.parametrize("damage", DAMAGES)
def test_damaged_arrays_are_errors(damage, saved):
    fitted, X, y, path = saved
    fitted.set_params(max_iter=9)
    with np.load(path) as file:
        arrays = {name: file[name] for name in file.files}
    failures = []
    for name, array in arrays.items():
        if name in HARMLESS[damage]:
            continue
        damaged = {**arrays, name: DAMAGES[damage](array)}
        np.savez(path, **{name: array for name, array in damaged.items() if array is not None})
        model = copy.deepcopy(fitted)
        before = everything(model)
        try:
            model.load_checkpoint(path)
            before = everything(model)
            model.fit(X, y)
        except Exception as error:
            if not (isinstance(error, ValueError) and "checkpoint" in str(error)):
                failures.append((name, repr(error)))
            assert_unchanged(model, before)
            np.testing.assert_array_equal(model.predict(X), fitted.predict(X))
        else:
            failures.append((name, "no error"))
    assert not failures


@pytest.mark.parametrize("options", [{}, {"refit_on_all": True}], ids=["", "refit"])
def test_partial_fit_goes_on_from_the_weights_that_an_early_stopped_fit_has_kept(options, tmp_path):
    X, y = data("regressor")
    model = make("regressor", max_iter=60, learning_rate_init=0.05, n_iter_no_change=np.inf, **STOPS, **options)
    model.fit(X, y).save_checkpoint(tmp_path / "state.npz")
    assert model.best_epoch_ < model.n_iter_
    loaded = pickle.loads(pickle.dumps(model)).load_checkpoint(tmp_path / "state.npz")
    np.testing.assert_equal(learned(loaded.partial_fit(X, y)), learned(model.partial_fit(X, y)))


@pytest.mark.parametrize(
    "options", [{}, {"learning_rate": "adaptive"}, STOPS], ids=["constant", "adaptive", "stopping"]
)
def test_a_fit_that_had_come_to_its_end_is_not_taken_beyond_it(options, tmp_path):
    X, y = data("regressor")
    model = make("regressor", max_iter=2000, tol=1e-2, n_iter_no_change=3, learning_rate_init=0.05, **options).fit(X, y)
    assert model.n_iter_ < 2000
    model.save_checkpoint(tmp_path / "state.npz")
    loaded = pickle.loads(pickle.dumps(model)).set_params(max_iter=4000).load_checkpoint(tmp_path / "state.npz")
    np.testing.assert_equal(learned(loaded.fit(X, y)), learned(model))
    assert loaded.n_iter_ == model.n_iter_


def test_the_refit_of_a_warm_start_takes_the_same_rates_from_a_checkpoint(tmp_path):
    X, y = data("regressor")
    base = make("regressor", max_iter=4, warm_start=True, learning_rate="invscaling", refit_on_all=True, **STOPS).fit(
        X, y
    )
    whole = copy.deepcopy(base).set_params(max_iter=9).fit(X, y)
    half = copy.deepcopy(base).set_params(max_iter=5).fit(X, y).save_checkpoint(tmp_path / "state.npz")
    on = half.set_params(max_iter=9).load_checkpoint(tmp_path / "state.npz").fit(X, y)
    np.testing.assert_equal(learned(on), learned(whole))


def test_checkpoints_of_other_estimators_and_losses_are_errors(tmp_path):
    X, y = data("regressor")
    counts = np.abs(y) + 1
    make("regressor", max_iter=3).fit(X, counts).save_checkpoint(tmp_path / "state.npz")
    others = [make("regressor", max_iter=5, loss="poisson"), make("classifier", max_iter=5)]
    for other, target in zip(others, (counts, y > 0), strict=True):
        with pytest.raises(ValueError, match="The checkpoint is of a fit with {'estimator': 'RegularizedMLPRegressor'"):
            other.load_checkpoint(tmp_path / "state.npz").fit(X, target)


def test_a_checkpoint_that_cannot_be_written_leaves_the_one_that_was_there(saved):
    model, _, _, path = saved
    before = path.read_bytes()
    with (
        mock.patch("skreg.engine.checkpoints.np.savez", side_effect=OSError("no space left")),
        pytest.raises(OSError, match="space"),
    ):
        model.save_checkpoint(path)
    assert path.read_bytes() == before
    assert [file.name for file in path.parent.iterdir()] == [path.name]


def test_a_refit_wants_a_checkpoint_of_one(tmp_path):
    X, y = data("regressor")
    make("regressor", max_iter=3, **STOPS).fit(X, y).save_checkpoint(tmp_path / "state.npz")
    model = make("regressor", max_iter=5, refit_on_all=True, **STOPS).load_checkpoint(tmp_path / "state.npz")
    with pytest.raises(ValueError, match="refit_on_all=True needs a checkpoint of a fit with refit_on_all=True"):
        model.fit(X, y)

"""solver='lbfgs': the optimum of smooth objectives, against closed forms and scikit-learn's solvers."""

import copy
import pickle

import numpy as np
import pytest
import scipy.sparse
from sklearn.base import clone
from sklearn.datasets import make_classification, make_multilabel_classification, make_regression
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import GammaRegressor, HuberRegressor, LogisticRegression, PoissonRegressor, Ridge
from sklearn.neural_network import MLPClassifier, MLPRegressor
from sklearn.preprocessing import scale
from skorch.callbacks import Callback, Checkpoint, EarlyStopping, GradientNormClipping, LRScheduler

from skreg import RegularizedMLPClassifier, RegularizedMLPRegressor
from skreg.penalties import L1, L2

LINEAR = {"hidden_layer_sizes": (), "solver": "lbfgs", "max_iter": 2000, "tol": 1e-9, "random_state": 0}
SMALL = {"hidden_layer_sizes": (5,), "solver": "lbfgs", "max_iter": 1000, "random_state": 0}


@pytest.fixture(scope="module")
def classes():
    X, y = make_classification(100, 6, n_informative=4, n_classes=3, flip_y=0.3, random_state=0)
    return scale(X), y


@pytest.fixture(scope="module")
def numbers():
    rng = np.random.default_rng(0)
    X = rng.normal(size=(100, 6))
    return X, np.sin(X[:, 0]) + X[:, 1] * X[:, 2] + 0.1 * rng.normal(size=100)


@pytest.fixture(scope="module")
def fitted(numbers):
    """Return a fitted regressor; copy it to change it."""
    return RegularizedMLPRegressor(penalty=L2(alpha=0.1), **SMALL).fit(*numbers)


# -- against outside truth ---------------------------------------------------------------------------------


def test_a_linear_network_is_ridge_regression(linear_problem):
    X, Y = linear_problem
    for y in (Y, Y[:, 0]):
        # Half the mean squared error and alpha/2 |W|²: Ridge has the sum of squares and alpha |W|².
        model = RegularizedMLPRegressor(penalty=L2(alpha=0.1), **LINEAR).fit(X, y)
        ridge = Ridge(alpha=0.1 * len(X)).fit(X, y)
        np.testing.assert_allclose(model.coefs_[0].T.squeeze(), ridge.coef_, atol=1e-6)
        np.testing.assert_allclose(model.intercepts_[0].squeeze(), ridge.intercept_, atol=1e-6)
        np.testing.assert_allclose(model.predict(X), ridge.predict(X), atol=1e-6)


def test_a_linear_network_without_penalty_is_least_squares(linear_problem):
    X, Y = linear_problem
    model = RegularizedMLPRegressor(penalty=None, **LINEAR).fit(X, Y)
    solution = np.linalg.lstsq(np.column_stack([X, np.ones(len(X))]), Y, rcond=None)[0]
    np.testing.assert_allclose(np.vstack([model.coefs_[0], model.intercepts_[0]]), solution, atol=1e-6)


@pytest.mark.parametrize("n_classes", [2, 3])
def test_a_linear_network_is_logistic_regression(n_classes, classes):
    X, y = classes
    X, y = X[y < n_classes], y[y < n_classes]
    model = RegularizedMLPClassifier(alpha=0.01, **LINEAR).fit(X, y)
    logistic = LogisticRegression(C=1 / (0.01 * len(X)), tol=1e-12, max_iter=10_000).fit(X, y)
    np.testing.assert_allclose(model.coefs_[0].T, logistic.coef_, atol=1e-6)
    np.testing.assert_allclose(model.predict_proba(X), logistic.predict_proba(X), atol=1e-6)


def test_labels_are_logistic_regressions_of_their_own():
    X, Y = make_multilabel_classification(100, 6, n_classes=3, random_state=0)
    X = scale(X)
    model = RegularizedMLPClassifier(alpha=0.01, **LINEAR).fit(X, Y)
    for k in range(3):
        logistic = LogisticRegression(C=1 / (0.01 * len(X)), tol=1e-12, max_iter=10_000).fit(X, Y[:, k])
        np.testing.assert_allclose(model.coefs_[0][:, k], logistic.coef_[0], atol=1e-6)


@pytest.mark.parametrize(("loss", "glm"), [("poisson", PoissonRegressor), ("gamma", GammaRegressor)])
def test_a_linear_network_is_a_generalized_linear_model(loss, glm, numbers):
    X, _ = numbers
    rng = np.random.default_rng(1)
    mean = np.exp(X @ rng.normal(size=6) / 3)
    y = rng.poisson(mean).astype(float) if loss == "poisson" else rng.gamma(2, mean / 2)
    weight = rng.uniform(0.5, 2, len(X))
    # scikit-learn's objective is half the mean deviance plus alpha/2 |w|²: alpha means the same.
    for sample_weight in (None, weight):
        model = RegularizedMLPRegressor(loss=loss, alpha=0.05, **LINEAR).fit(X, y, sample_weight)
        reference = glm(alpha=0.05, tol=1e-10, max_iter=10_000).fit(X, y, sample_weight)
        np.testing.assert_allclose(model.coefs_[0][:, 0], reference.coef_, atol=1e-6)
        np.testing.assert_allclose(model.predict(X), reference.predict(X), rtol=1e-5)


def test_a_linear_network_is_huber_regression_of_known_scale(numbers):
    X, y = numbers
    y = y + 10 * (np.arange(len(y)) % 10 == 0)
    huber = HuberRegressor(epsilon=1.5, alpha=1e-3, tol=1e-10, max_iter=10_000).fit(X, y)
    sigma, n = huber.scale_, len(X)
    # Its solver stops within 4e-5 of the optimum. For a given scale σ it minimizes Σ σ H(r/σ) + α|w|², where H is twice
    # the Huber loss: with delta = εσ here, that is 2/σ times the sum of the losses plus α|w|².
    model = RegularizedMLPRegressor(loss="huber", delta=1.5 * sigma, penalty=L2(alpha=1e-3 * sigma / n), **LINEAR).fit(
        X, y
    )
    np.testing.assert_allclose(model.coefs_[0][:, 0], huber.coef_, atol=1e-4)
    np.testing.assert_allclose(model.intercepts_[0][0], huber.intercept_, atol=1e-4)


@pytest.mark.parametrize("kind", ["classifier", "regressor"])
def test_scikit_learns_networks_reach_no_better_optimum(kind, classes, numbers):
    ours, theirs, alpha = [], [], 0.02
    (X, y), mine, reference = (
        (classes, RegularizedMLPClassifier, MLPClassifier)
        if kind == "classifier"
        else (numbers, RegularizedMLPRegressor, MLPRegressor)
    )
    for seed in range(5):
        options = {"hidden_layer_sizes": (5,), "activation": "tanh", "random_state": seed, "solver": "lbfgs"}
        model = mine(penalty=L2(alpha=alpha), tol=1e-6, max_iter=3000, **options).fit(X, y)
        other = reference(
            alpha=alpha * len(X), tol=1e-6, max_iter=3000, max_fun=100_000, warm_start=True, **options
        ).fit(X, y)
        ours.append(model.loss_)
        theirs.append(other.loss_)
        # From our optimum, theirs finds nothing better: it is the same objective, and a local minimum.
        other.coefs_ = [W.copy() for W in model.coefs_]
        other.intercepts_ = [b.copy() for b in model.intercepts_]
        other.fit(X, y)
        assert other.loss_ == pytest.approx(model.loss_, abs=1e-6)
    # Random starts find several minima; the two find ones of the same order.
    assert min(ours) == pytest.approx(min(theirs), rel=0.02)
    assert np.median(ours) == pytest.approx(np.median(theirs), rel=0.05)


def test_it_reaches_a_point_without_gradient_that_adam_does_not_improve(numbers):
    X, y = numbers
    model = RegularizedMLPRegressor(activation="tanh", alpha=0.01, tol=1e-8, **{**SMALL, "max_iter": 5000}).fit(X, y)
    on = clone(model).set_params(
        solver="adam", max_iter=100, warm_start=True, tol=0, n_iter_no_change=np.inf, learning_rate_init=1e-4
    )
    for name in ("coefs_", "intercepts_", "normalization_params_", "skip_coef_", "loss_curve_", "t_", "n_features_in_"):
        setattr(on, name, getattr(model, name))
    on.fit(X, y)
    assert min(on.loss_curve_[len(model.loss_curve_) :]) > model.loss_ - 1e-5


# -- data and weights --------------------------------------------------------------------------------------


@pytest.mark.parametrize("normalization", [None, "batch", "layer"])
def test_sample_weights_are_repetitions(normalization, classes):
    X, y = classes
    counts = np.random.default_rng(0).integers(0, 4, len(X))
    options = {**SMALL, "normalization": normalization, "max_iter": 15, "tol": 0}
    with pytest.warns(ConvergenceWarning):
        weighted = RegularizedMLPClassifier(**options).fit(X, y, counts)
    with pytest.warns(ConvergenceWarning):
        repeated = RegularizedMLPClassifier(**options).fit(X.repeat(counts, axis=0), y.repeat(counts))
    np.testing.assert_allclose(weighted.loss_curve_, repeated.loss_curve_, rtol=1e-6)
    np.testing.assert_allclose(weighted.predict_proba(X), repeated.predict_proba(X), rtol=1e-6)


def test_sparse_rows_are_the_same_as_dense_ones(monkeypatch, numbers):
    X, y = numbers
    X = X * (np.abs(X) > 1)
    dense = RegularizedMLPRegressor(alpha=0.01, **SMALL).fit(X, y)
    for kind in (scipy.sparse.csr_array, scipy.sparse.csc_array):
        np.testing.assert_array_equal(
            RegularizedMLPRegressor(alpha=0.01, **SMALL).fit(kind(X), y).coefs_[0], dense.coefs_[0]
        )
    # Rows are read in blocks, whose sums are the whole.
    monkeypatch.setattr("skreg.engine.batches.BLOCK_BYTES", 8 * 6 * 10)
    monkeypatch.setattr("skreg.engine.batches.MIN_PRODUCT_ROWS", 1)
    blocks = RegularizedMLPRegressor(alpha=0.01, **{**LINEAR, "tol": 1e-7}).fit(scipy.sparse.csr_array(X), y)
    monkeypatch.undo()
    whole = RegularizedMLPRegressor(alpha=0.01, **{**LINEAR, "tol": 1e-7}).fit(X, y)
    np.testing.assert_allclose(blocks.coefs_[0], whole.coefs_[0], atol=1e-6)


def test_float32_data_gives_the_optimum_of_float64(classes):
    X, y = classes
    X = X.astype(np.float32)
    model = RegularizedMLPClassifier(alpha=0.01, **LINEAR).fit(X, y)
    exact = RegularizedMLPClassifier(alpha=0.01, **LINEAR).fit(X.astype(np.float64), y)
    assert model.coefs_[0].dtype == model.intercepts_[0].dtype == model.predict_proba(X).dtype == np.float32
    np.testing.assert_array_equal(model.coefs_[0], exact.coefs_[0].astype(np.float32))


@pytest.mark.parametrize("blocks", [False, True])
def test_batch_normalization_predicts_with_the_moments_of_all_rows(blocks, numbers, monkeypatch):
    X, y = numbers
    if blocks:
        monkeypatch.setattr("skreg.engine.batches.BLOCK_BYTES", 8 * 6 * 10)
        monkeypatch.setattr("skreg.engine.batches.MIN_PRODUCT_ROWS", 1)
    model = RegularizedMLPRegressor(alpha=(0, 0.01), normalization="batch", **SMALL).fit(X, y)
    Z = X @ model.coefs_[0] + model.intercepts_[0]
    (moments,) = model.normalization_params_
    np.testing.assert_allclose(moments["mean"], Z.mean(axis=0), atol=1e-9)
    np.testing.assert_allclose(moments["variance"], Z.var(axis=0), rtol=1e-9)
    # So the objective of training is that of predictions.
    penalty = 0.01 / 2 * (model.coefs_[1] ** 2).sum()
    assert model.loss_ == pytest.approx(((model.predict(X) - y) ** 2).mean() / 2 + penalty, rel=1e-9)


def test_layer_normalization_trains_on_what_it_predicts(classes):
    X, y = classes
    with pytest.warns(ConvergenceWarning):  # the scale of the weights before it has no optimum
        model = RegularizedMLPClassifier(alpha=(0, 0.05), normalization="layer", **{**SMALL, "max_iter": 50}).fit(X, y)
    penalty = 0.05 / 2 * (model.coefs_[1] ** 2).sum()
    loss = -np.mean(model.predict_log_proba(X)[np.arange(len(y)), y])
    assert model.loss_ == pytest.approx(loss + penalty, rel=1e-9)


# -- stopping ----------------------------------------------------------------------------------------------


def test_early_stopping_restores_the_best_iteration(classes, held_out):
    X, y = classes
    rows = held_out(len(X), y)
    model = RegularizedMLPClassifier(alpha=0, early_stopping=True, **{**SMALL, "hidden_layer_sizes": (30,)}).fit(X, y)
    valid_loss = model.history_["valid_loss"]
    assert model.best_epoch_ == 1 + np.argmin(valid_loss) < model.n_iter_
    log_loss = -np.mean(model.predict_log_proba(X[rows])[np.arange(len(rows)), y[rows]])
    assert log_loss == pytest.approx(valid_loss.min(), rel=1e-9)
    # A fit of as many iterations on the training rows ends there.
    train = np.setdiff1d(np.arange(len(X)), rows)
    with pytest.warns(ConvergenceWarning):
        short = clone(model).set_params(early_stopping=False, max_iter=model.best_epoch_).fit(X[train], y[train])
    np.testing.assert_allclose(short.coefs_[0], model.coefs_[0], rtol=1e-6, atol=1e-9)


def test_early_stopping_waits_and_then_ends(classes):
    X, y = classes
    options = {**SMALL, "hidden_layer_sizes": (30,), "max_iter": 5000}
    model = RegularizedMLPClassifier(
        alpha=0, early_stopping=True, activation="tanh", normalization="layer", tol=1e-12, **options
    ).fit(X, y)
    # An iteration is a step: the wait is at least 100 of them.
    assert model.n_iter_ - model.best_epoch_ >= 100 or "L-BFGS" in model.history_["stopping_reason"][-1]


def test_max_iter_ends_with_a_warning(numbers):
    X, y = numbers
    with pytest.warns(ConvergenceWarning) as record:
        model = RegularizedMLPRegressor(**{**SMALL, "max_iter": 7}).fit(X, y)
    assert len(record) == 1
    assert str(record[0].message) == (
        f"solver='lbfgs' has not converged: {model.history_['stopping_reason'][-1]} Use max_iter=35."
    )
    assert model.n_iter_ == len(model.loss_curve_) == 7


def test_max_fun_ends_with_a_warning(numbers):
    X, y = numbers
    with pytest.warns(ConvergenceWarning, match=r"LIMIT\. Use max_fun=45\.") as record:
        model = RegularizedMLPRegressor(max_fun=9, **SMALL).fit(X, y)
    # scipy has changed the case of its words.
    assert "has not converged: l-bfgs: stop: total no. of f" in str(record[0].message).lower()
    assert model.n_iter_ <= 9
    assert model.history_["stopping_reason"][-1].lower().startswith("l-bfgs: stop: total no. of f")


def test_convergence_is_told_without_a_warning(numbers):
    X, y = numbers
    model = RegularizedMLPRegressor(alpha=0.1, **SMALL).fit(X, y)
    reasons = model.history_["stopping_reason"].tolist()
    assert reasons[-1].startswith("L-BFGS: CONVERGENCE")
    assert set(reasons[:-1]) == {""}


# -- history, callbacks, going on --------------------------------------------------------------------------


class Counter(Callback):
    def on_train_begin(self, net, **kwargs):
        self.begun_, self.losses_ = 0, []

    def on_epoch_begin(self, net, **kwargs):
        self.begun_ += 1

    def on_epoch_end(self, net, **kwargs):
        self.losses_.append(net.history[-1, "train_loss"])


def test_an_iteration_is_an_epoch(numbers, capsys):
    X, y = numbers
    counter = Counter()
    model = RegularizedMLPRegressor(alpha=0.05, callbacks=[counter], verbose=True, **SMALL).fit(X, y)
    n = model.n_iter_
    assert n == len(model.loss_curve_) == model.best_epoch_ == counter.begun_ == len(counter.losses_)
    assert {len(column) for column in model.history_.values()} == {n}
    np.testing.assert_array_equal(model.history_["epoch"], np.arange(1, n + 1))
    np.testing.assert_array_equal(model.history_["train_loss"], counter.losses_)
    assert (np.diff(model.loss_curve_) <= 0).all()
    assert model.t_ == n * len(X)
    # The last row is of the weights that were kept.
    assert model.history_["train_loss"][-1] == pytest.approx(((model.predict(X) - y) ** 2).mean() / 2, rel=1e-9)
    assert model.history_["train_score"][-1] == pytest.approx(model.score(X, y), rel=1e-9)
    assert len(capsys.readouterr().out.splitlines()) == n + 2  # below a head of two lines


def test_validation_rows_are_recorded_for_every_iteration(numbers):
    X, y = numbers
    model = RegularizedMLPRegressor(alpha=0.05, **SMALL).fit(X[:70], y[:70], X_val=X[70:], y_val=y[70:])
    assert len(model.validation_scores_) == model.n_iter_
    assert model.best_validation_score_ == pytest.approx(model.score(X[70:], y[70:]), rel=1e-9)


def test_callbacks_can_end_it(numbers, tmp_path):
    X, y = numbers
    stop = EarlyStopping(monitor="train_loss", patience=3, threshold=10, threshold_mode="abs", sink=lambda text: None)
    model = RegularizedMLPRegressor(callbacks=[("mine", stop)], **SMALL).fit(X, y)
    assert model.n_iter_ == 4
    assert model.history_["stopping_reason"][-1] == "The callback mine asked to stop."
    model = RegularizedMLPRegressor(
        alpha=0.1, callbacks=[Checkpoint(dirname=tmp_path, monitor="train_loss_best")], **SMALL
    )
    model.fit(X, y)
    assert (tmp_path / "params.pt").exists()


@pytest.mark.parametrize("kind", ["classifier", "regressor"])
def test_warm_start_from_the_optimum_ends_at_once(kind, classes, numbers):
    X, y = classes if kind == "classifier" else numbers
    estimator = RegularizedMLPClassifier if kind == "classifier" else RegularizedMLPRegressor
    model = estimator(alpha=0.05, activation="tanh", warm_start=True, **SMALL).fit(X, y)
    n, coefs = model.n_iter_, [W.copy() for W in model.coefs_]
    model.fit(X, y)
    assert model.n_iter_ <= 5 < 20 < n
    assert len(model.loss_curve_) == n + model.n_iter_
    for W, before in zip(model.coefs_, coefs, strict=True):
        np.testing.assert_allclose(W, before, atol=1e-2)
    # From a given optimum of the linear network there is nothing to do: one evaluation, told as one iteration.
    linear = estimator(alpha=0.05, warm_start=True, **LINEAR).fit(X, y).set_params(tol=1e-4)
    coefs = linear.coefs_[0].copy()
    linear.fit(X, y)
    assert linear.n_iter_ == 1
    np.testing.assert_array_equal(linear.coefs_[0], coefs)


def test_the_same_seed_gives_the_same_fit_and_a_pickle_predicts_the_same(classes, global_state):
    X, y = classes
    model = RegularizedMLPClassifier(**SMALL).fit(X, y)
    again = RegularizedMLPClassifier(**SMALL).fit(X, y)
    np.testing.assert_array_equal(model.coefs_[0], again.coefs_[0])
    restored = pickle.loads(pickle.dumps(model))
    np.testing.assert_array_equal(restored.predict_proba(X), model.predict_proba(X))


# -- what it does not take ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "options",
    [
        {"penalty": "l1"},
        {"penalty": L1(alpha=0.1)},
        {"penalty": "elasticnet"},
        {"penalty": "group_lasso"},
        {"penalty": "hierarchical"},
        {"penalty": "mcp"},
        {"constraint": "max_norm"},
        {"dropout": 0.5},
        {"dropout": [0.1]},
        {"input_dropout": 0.2},
        {"weight_decay": 0.1},
    ],
    ids=str,
)
def test_nonsmooth_parts_are_errors(options, numbers, fitted):
    X, y = numbers
    model = copy.deepcopy(fitted)
    before, predictions = vars(model).copy(), model.predict(X)
    ((name, value),) = options.items()
    allowed = {"penalty": "None or a smooth one, such as 'l2',", "constraint": "None"}.get(name, "0")
    model.set_params(**options)
    with pytest.raises(ValueError, match=".*") as error:
        model.fit(X, y)
    assert str(error.value) == (
        f"The {name!r} parameter must be {allowed} with solver='lbfgs'; got {name}={value!r}. "
        "Use solver='adam' or 'sgd'."
    )
    assert vars(model) == {**before, name: value}
    np.testing.assert_array_equal(model.predict(X), predictions)


@pytest.mark.parametrize("options", [{"loss": "absolute_error"}, {"loss": "quantile", "quantile": 0.3}])
def test_nonsmooth_losses_are_errors(options, numbers):
    with pytest.raises(ValueError, match=".*") as error:
        RegularizedMLPRegressor(**SMALL, **options).fit(*numbers)
    assert str(error.value) == (
        f"solver='lbfgs' needs a smooth objective; got loss={options['loss']!r}. Use solver='adam' or 'sgd'."
    )


def test_callbacks_that_act_on_steps_are_errors(numbers, fitted):
    X, y = numbers
    model = copy.deepcopy(fitted)
    for callback in (LRScheduler("StepLR", step_size=2), GradientNormClipping(1.0)):
        model.set_params(callbacks=[callback])
        before = vars(model).copy()
        with pytest.raises(ValueError, match="lbfgs"):
            model.fit(X, y)
        assert vars(model) == before


def test_limits_must_be_numbers(numbers):
    with pytest.raises(
        ValueError, match="The 'max_fun' parameter of RegularizedMLPRegressor must be an int in the ran"
    ):
        RegularizedMLPRegressor(max_fun=0, **SMALL).fit(*numbers)


def test_schedules_of_a_rate_mean_nothing_to_it():
    X, y = make_regression(120, 10, noise=100.0, random_state=0)
    X, y = scale(X), scale(y)
    options = {"hidden_layer_sizes": (20,), "solver": "lbfgs", "early_stopping": True, "alpha": 0.0, "max_iter": 2000}
    plain, adaptive = (
        RegularizedMLPRegressor(**options, learning_rate=rate, random_state=0).fit(X, y)
        for rate in ("constant", "adaptive")
    )
    assert plain.n_iter_ == adaptive.n_iter_ < 2000
    assert np.isnan(adaptive.history_["lr"]).all()


@pytest.mark.filterwarnings("ignore:The columns of X are far from mean 0")
@pytest.mark.parametrize("normalization", ["batch", "layer"])
@pytest.mark.parametrize("factor", [1.0, 1e15, 1e21, 1e30])
def test_what_is_reported_holds_for_what_is_kept(normalization, factor):
    """Training has float64, what is kept the type of X: where float32 cannot hold it, that is an error."""
    rng = np.random.default_rng(0)
    X = rng.normal(size=(100, 4))
    y = (X[:, 0] * X[:, 1] > 0).astype(int)
    X = (factor * X).astype(np.float32)
    model = RegularizedMLPClassifier(penalty=None, normalization=normalization, **SMALL | {"tol": 0.01})
    if factor < 1e19:
        assert model.fit(X, y).score(X, y) == pytest.approx(model.history_["train_score"][-1], abs=0.02)
    else:
        with pytest.raises(ValueError, match="cannot be stored in float32, the type of X"):
            model.fit(X, y)
        assert not hasattr(model, "coefs_")
    assert model.fit(X.astype(np.float64), y).score(X.astype(np.float64), y) == pytest.approx(
        model.history_["train_score"][-1]
    )

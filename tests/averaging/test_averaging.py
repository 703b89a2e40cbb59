"""Averages of the weights against the formula, with early stopping, checkpoints and partial_fit."""

import pickle

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.base import clone
from skorch.callbacks import Callback

from skreg import RegularizedMLPClassifier, RegularizedMLPRegressor
from skreg.averaging import EMA, Averaging
from tests.helpers import SHORT, three_classes

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
X, Y = three_classes()


def make(**options):
    return RegularizedMLPClassifier(**SHORT | options)


class Weights(Callback):
    """Notes the weights after every step."""

    def __init__(self):
        self.steps = []

    def on_batch_end(self, net, training=None, **kwargs):
        self.steps.append([parameter.detach().numpy()[0].copy() for parameter in net.module_.weights])


@pytest.mark.parametrize("decay", [0.0, 0.5, 0.95])
def test_is_the_formula(decay):
    notes = Weights()
    plain = make(callbacks=[notes]).fit(X, Y)
    averaged = make(averaging=EMA(decay=decay)).fit(X, Y)
    shares = decay ** np.arange(len(notes.steps))[::-1]
    for layer, W in enumerate(averaged.coefs_):
        expected = np.average([step[layer] for step in notes.steps], axis=0, weights=shares)
        assert_allclose(W, expected, rtol=1e-9)
    # The steps are the same.
    assert_array_equal(averaged.history_["train_loss"], plain.history_["train_loss"])


def test_it_is_validated_and_kept(held_out):
    model = make(averaging=EMA(0.9), early_stopping=True, max_iter=20).fit(X, Y)
    valid = held_out(len(Y), Y)
    chances = model.predict_proba(X[valid])[np.arange(len(valid)), Y[valid]]
    assert -np.log(chances).mean() == pytest.approx(model.history_["valid_loss"][model.best_epoch_ - 1])
    assert model.history_["valid_loss"][model.best_epoch_ - 1] == model.history_["valid_loss"].min()


def test_zeros_stay_zeros():
    options = {"penalty": "l1", "alpha": 0.02, "max_iter": 60}
    plain, averaged = make(**options).fit(X, Y), make(averaging="ema", **options).fit(X, Y)
    assert 0.1 < plain.sparsity_[0] < 1
    assert_array_equal(averaged.coefs_[0] == 0, plain.coefs_[0] == 0)
    assert not np.array_equal(averaged.coefs_[0], plain.coefs_[0])


def test_the_bound_of_the_hierarchical_penalty_holds():
    for early_stopping in (False, True):
        model = make(penalty="hierarchical", alpha=0.05, averaging=EMA(0.9), max_iter=40, early_stopping=early_stopping)
        model.fit(X, Y)
        norms = np.linalg.norm(model.skip_coef_, axis=1, keepdims=True)
        assert (np.abs(model.coefs_[0]) <= model.penalty_.M * norms * (1 + 1e-9)).all()


def test_noisy_steps_end_nearer_to_the_minimum():
    """Of a convex problem whose minimum is known."""
    rng = np.random.default_rng(0)
    X = rng.normal(size=(400, 4))
    y = X @ [1.0, -1.0, 0.5, 0.0] + rng.normal(size=400)
    best = np.linalg.lstsq(np.column_stack([X, np.ones(400)]), y, rcond=None)[0][:4]
    options = {**SHORT, "hidden_layer_sizes": (), "penalty": None, "batch_size": 10, "solver": "sgd", "momentum": 0}
    errors = {}
    for averaging in (None, EMA(0.98)):
        models = [
            RegularizedMLPRegressor(**options | {"max_iter": 30, "averaging": averaging, "random_state": seed})
            for seed in range(6)
        ]
        errors[averaging is None] = np.mean([np.abs(m.fit(X, y).coefs_[0][:, 0] - best).max() for m in models])
    assert errors[False] < 0.8 * errors[True]


@pytest.mark.parametrize("options", [{}, {"early_stopping": True}, {"normalization": "batch"}], ids=str)
def test_a_checkpoint_goes_on_bit_for_bit(options, tmp_path):
    options = {"averaging": "ema", "dropout": 0.2, **options}
    make(max_iter=4, **options).fit(X, Y).save_checkpoint(tmp_path / "state")
    resumed = make(**options).load_checkpoint(tmp_path / "state").fit(X, Y)
    whole = make(**options).fit(X, Y)
    for ours, theirs in zip(resumed.coefs_, whole.coefs_, strict=True):
        assert_array_equal(ours, theirs)
    make(max_iter=4, **{**options, "averaging": None}).fit(X, Y).save_checkpoint(tmp_path / "plain")
    other = make(**options).load_checkpoint(tmp_path / "plain")
    with pytest.raises(ValueError, match="is of a fit without weight averaging. Set averaging=None to continue it"):
        other.fit(X, Y)


def test_partial_fit_and_refit_on_all():
    model, shuffle = make(averaging=EMA(0.8), max_iter=3, shuffle=False), {"shuffle": False}
    whole = clone(model).fit(X, Y)
    for _ in range(3):
        model.partial_fit(X, Y, classes=[0, 1, 2])
    assert_allclose(model.coefs_[0], whole.coefs_[0], rtol=1e-9)
    other = make(**shuffle).partial_fit(X, Y, classes=[0, 1, 2]).set_params(averaging="ema").partial_fit(X, Y)
    assert np.isfinite(other.coefs_[0]).all()
    model = make(averaging="ema", early_stopping=True, refit_on_all=True).fit(X, Y)
    again = make(averaging="ema", max_iter=model.best_epoch_).fit(X, Y)
    assert_allclose(model.coefs_[0], again.coefs_[0], rtol=1e-9)


@pytest.mark.parametrize(
    "options", [{"early_stopping": True}, {"early_stopping": True, "refit_on_all": True}, {}], ids=str
)
def test_partial_fit_goes_on_from_what_was_kept(options, tmp_path):
    model = make(averaging=EMA(0.9), max_iter=15, **options).fit(X, Y).save_checkpoint(tmp_path / "state")
    before = model.predict_proba(X)
    resumed = pickle.loads(pickle.dumps(model)).load_checkpoint(tmp_path / "state")
    for each in (model, resumed):
        each.set_params(learning_rate_init=1e-12).partial_fit(X, Y)
    assert_array_equal(resumed.coefs_[0], model.coefs_[0])
    if options:  # otherwise the steps go on from the last weights
        assert_allclose(model.predict_proba(X), before, atol=1e-8)


def test_partial_fit_goes_on_from_weights_that_the_user_has_changed():
    model = make(averaging="ema").fit(X, Y)
    model.coefs_ = [np.zeros_like(W) for W in model.coefs_]
    model.set_params(learning_rate_init=1e-12).partial_fit(X, Y)
    assert np.abs(model.coefs_[0]).max() < 1e-9


class LastHalf(Averaging):
    """The plain mean of the second half of so many steps."""

    def __init__(self, n_steps=24):
        self.n_steps = n_steps

    def share(self, step):
        return 1 / max(1, step - self.n_steps // 2)


def test_a_rule_of_the_users_own():
    notes = Weights()
    make(callbacks=[notes]).fit(X, Y)
    model = make(averaging=LastHalf()).fit(X, Y)
    assert_allclose(model.coefs_[0], np.mean([step[0] for step in notes.steps[12:]], axis=0), rtol=1e-9)

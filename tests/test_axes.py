"""Rules that act on steps: gradient clipping and averaged weights, alone and in populations."""

import pickle
from dataclasses import replace
from inspect import isabstract

import numpy as np
import pytest
import torch
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.base import clone
from sklearn.model_selection import StratifiedKFold
from skorch.callbacks import Callback, GradientNormClipping

from skreg import RegularizedMLPClassifier, RegularizedMLPRegressor
from skreg._estimator.parameters import AXES
from skreg.augmentation import GaussianNoise
from skreg.averaging import EMA, Averaging
from skreg.gradients import ClipByNorm
from skreg.model_selection import GridSearchCV, RegularizedMLPRegressorCV, cross_validate
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


class TestClipping:
    @pytest.mark.parametrize("max_norm", [0.01, 0.1, 1e9])
    def test_is_torchs(self, max_norm):
        ours = [torch.randn(1, 3, 4, dtype=torch.float64), torch.randn(1, 1, 4, dtype=torch.float64)]
        parameters = [torch.nn.Parameter(torch.zeros_like(part)) for part in ours]
        for parameter, part in zip(parameters, ours, strict=True):
            parameter.grad = part.clone()
        torch.nn.utils.clip_grad_norm_(parameters, max_norm)
        ClipByNorm(max_norm)(ours)
        for parameter, part in zip(parameters, ours, strict=True):
            assert_allclose(part, parameter.grad, rtol=1e-5)

    @pytest.mark.parametrize("solver", ["adam", "sgd"])
    def test_a_fit_is_that_of_skorchs_callback(self, solver):
        ours = make(max_grad_norm=0.05, solver=solver).fit(X, Y)
        theirs = make(callbacks=[GradientNormClipping(0.05)], solver=solver).fit(X, Y)
        assert_allclose(ours.coefs_[0], theirs.coefs_[0], rtol=1e-4)
        assert np.abs(ours.coefs_[0] - make(solver=solver).fit(X, Y).coefs_[0]).max() > 1e-3

    def test_a_bound_that_is_never_reached_changes_nothing(self):
        assert_array_equal(make(max_grad_norm=1e9).fit(X, Y).coefs_[0], make().fit(X, Y).coefs_[0])

    def test_members_have_norms_of_their_own(self):
        parts = [torch.tensor([[[3.0]], [[0.3]], [[0.0]]]), torch.tensor([[[4.0]], [[0.4]], [[0.0]]])]
        ClipByNorm(torch.tensor([1.0, 1.0, 2.0]).view(-1, 1, 1))(parts)
        assert_allclose(torch.cat(parts, dim=2)[:, 0], [[0.6, 0.8], [0.3, 0.4], [0, 0]], rtol=1e-6)


class TestAveraging:
    @pytest.mark.parametrize("decay", [0.0, 0.5, 0.95])
    def test_is_the_formula(self, decay):
        notes = Weights()
        plain = make(callbacks=[notes]).fit(X, Y)
        averaged = make(averaging=EMA(decay=decay)).fit(X, Y)
        shares = decay ** np.arange(len(notes.steps))[::-1]
        for layer, W in enumerate(averaged.coefs_):
            expected = np.average([step[layer] for step in notes.steps], axis=0, weights=shares)
            assert_allclose(W, expected, rtol=1e-9)
        # The steps are the same.
        assert_array_equal(averaged.history_["train_loss"], plain.history_["train_loss"])

    def test_it_is_validated_and_kept(self, held_out):
        model = make(averaging=EMA(0.9), early_stopping=True, max_iter=20).fit(X, Y)
        valid = held_out(len(Y), Y)
        chances = model.predict_proba(X[valid])[np.arange(len(valid)), Y[valid]]
        assert -np.log(chances).mean() == pytest.approx(model.history_["valid_loss"][model.best_epoch_ - 1])
        assert model.history_["valid_loss"][model.best_epoch_ - 1] == model.history_["valid_loss"].min()

    def test_zeros_stay_zeros(self):
        options = {"penalty": "l1", "alpha": 0.02, "max_iter": 60}
        plain, averaged = make(**options).fit(X, Y), make(averaging="ema", **options).fit(X, Y)
        assert 0.1 < plain.sparsity_[0] < 1
        assert_array_equal(averaged.coefs_[0] == 0, plain.coefs_[0] == 0)
        assert not np.array_equal(averaged.coefs_[0], plain.coefs_[0])

    def test_the_bound_of_the_hierarchical_penalty_holds(self):
        for early_stopping in (False, True):
            model = make(
                penalty="hierarchical", alpha=0.05, averaging=EMA(0.9), max_iter=40, early_stopping=early_stopping
            )
            model.fit(X, Y)
            norms = np.linalg.norm(model.skip_coef_, axis=1, keepdims=True)
            assert (np.abs(model.coefs_[0]) <= model.penalty_.M * norms * (1 + 1e-9)).all()

    def test_noisy_steps_end_nearer_to_the_minimum(self):
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
    def test_a_checkpoint_goes_on_bit_for_bit(self, options, tmp_path):
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

    def test_partial_fit_and_refit_on_all(self):
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
    def test_partial_fit_goes_on_from_what_was_kept(self, options, tmp_path):
        model = make(averaging=EMA(0.9), max_iter=15, **options).fit(X, Y).save_checkpoint(tmp_path / "state")
        before = model.predict_proba(X)
        resumed = pickle.loads(pickle.dumps(model)).load_checkpoint(tmp_path / "state")
        for each in (model, resumed):
            each.set_params(learning_rate_init=1e-12).partial_fit(X, Y)
        assert_array_equal(resumed.coefs_[0], model.coefs_[0])
        if options:  # otherwise the steps go on from the last weights
            assert_allclose(model.predict_proba(X), before, atol=1e-8)

    def test_partial_fit_goes_on_from_weights_that_the_user_has_changed(self):
        model = make(averaging="ema").fit(X, Y)
        model.coefs_ = [np.zeros_like(W) for W in model.coefs_]
        model.set_params(learning_rate_init=1e-12).partial_fit(X, Y)
        assert np.abs(model.coefs_[0]).max() < 1e-9


SWEEPS = {
    "max_grad_norm": {"max_grad_norm": [0.01, 0.1, 1e9]},
    "decay": {"averaging__decay": [0.0, 0.5, 0.99]},
    "both, with other numbers": {"averaging__decay": [0.5, 0.9], "max_grad_norm": [0.05, 0.5], "dropout": [0.1, 0.3]},
    "noise": {"augmentation__stddev": [0.0, 0.2, 1.0], "max_grad_norm": [0.05, 0.5]},
    "some without": {"averaging": [None, "ema", EMA(0.5)], "max_grad_norm": [None, 0.1]},
}


@pytest.mark.parametrize("options", [{}, {"early_stopping": True, "normalization": "batch"}], ids=str)
@pytest.mark.parametrize("grid", SWEEPS.values(), ids=SWEEPS)
def test_members_are_as_alone(grid, options):
    model = make(averaging=EMA(), augmentation=GaussianNoise(), **options)
    search = GridSearchCV(model, grid, cv=2, scoring="neg_log_loss", refit=False).fit(X, Y)
    for parameters, score in zip(search.cv_results_["params"], search.cv_results_["mean_test_score"], strict=True):
        folds = [
            clone(model).set_params(**parameters).fit(X[train], Y[train])
            for train in (np.setdiff1d(np.arange(90), test) for test in folds_of(search))
        ]
        alone = np.mean(
            [
                np.log(fold.predict_proba(X[test])[np.arange(len(test)), Y[test]]).mean()
                for fold, test in zip(folds, folds_of(search), strict=True)
            ]
        )
        assert score == pytest.approx(alone, rel=1e-8)


def folds_of(search):
    assert search.n_splits_ == 2
    return [test for _, test in StratifiedKFold(2).split(X, Y)]


def test_estimators_that_choose_their_strength_take_them():
    options = {"alphas": [0.001, 0.01, 1.0], "cv": 2, "max_grad_norm": 1.0, "averaging": "ema"}
    model = RegularizedMLPRegressorCV(**SHORT | {"max_iter": 40}, **options).fit(X, X[:, 0])
    assert model.score(X, X[:, 0]) > 0.5
    assert clone(model).get_params()["max_grad_norm"] == 1.0


@pytest.mark.parametrize(
    ("options", "text"),
    [
        ({"averaging": "swa"}, "'averaging' parameter .* must be a str among {'ema'}, .* Got 'swa' instead"),
        ({"averaging": EMA(1.0)}, r"'decay' parameter of EMA must be a float in the range \[0.0, 1.0\). Got 1.0"),
        ({"max_grad_norm": 0}, r"'max_grad_norm' parameter .* must be a float in the range \(0.0, inf\).* Got 0 "),
        ({"max_grad_norm": ClipByNorm(-1)}, "'max_norm' parameter of ClipByNorm must be .* Got -1"),
    ],
)
def test_bad_input(options, text):
    model = make(**options)
    with pytest.raises(ValueError, match=text):
        model.fit(X, Y)
    assert not hasattr(model, "coefs_")


def values_of(axis):
    """Return a value of every kind that the parameter of an axis takes."""
    kinds = [kind for kind in (axis.kind, *axis.aliases.values()) if not isabstract(kind)]
    return [*axis.aliases, *([0.5] if axis.number else []), *[kind() for kind in kinds]]


@pytest.mark.parametrize("solver", ["adam", "sgd", "lbfgs"])
@pytest.mark.parametrize(
    ("name", "value"),
    [pytest.param(name, value, id=f"{name}={value!r}") for name in AXES for value in values_of(AXES[name])],
)
def test_every_solver_takes_an_axis_or_says_which_one_does(name, value, solver):
    model = make(**{name: value}, solver=solver, max_iter=1)
    solvers = AXES[name].solvers
    if solver in solvers:
        model.fit(X, Y)
        return
    with pytest.raises(ValueError, match="must be None with") as error:
        model.fit(X, Y)
    others = " or ".join(f"'{other}'" for other in solvers)
    assert str(error.value) == (
        f"The '{name}' parameter must be None with solver='{solver}'; got {name}={value!r}. Use solver={others}."
    )


def test_an_axis_says_which_solvers_take_it(monkeypatch):
    name, axis = next(iter(AXES.items()))
    monkeypatch.setitem(AXES, name, replace(axis, solvers=("sgd",)))
    model = make(**{name: values_of(axis)[0]}, max_iter=1)
    with pytest.raises(ValueError, match=f"'{name}' parameter must be None with .*'adam'; .* Use solver='sgd'.$"):
        model.fit(X, Y)
    model.set_params(solver="sgd").fit(X, Y)


def test_objects_are_never_changed():
    averaging, rule = EMA(decay=0.5), ClipByNorm(0.1)
    cross_validate(make(averaging=averaging, max_grad_norm=rule), X, Y, cv=2)
    assert (averaging.get_params(), rule.get_params()) == ({"decay": 0.5}, {"max_norm": 0.1})
    assert pickle.loads(pickle.dumps(make(averaging=averaging).fit(X, Y))).averaging.decay == 0.5


def test_pickles_from_before_an_axis_have_its_default():
    model = make().fit(X, Y)
    state = {name: value for name, value in model.__getstate__().items() if name not in AXES}
    old = RegularizedMLPClassifier.__new__(RegularizedMLPClassifier)
    old.__setstate__(state)
    assert_array_equal(old.predict_proba(X), model.predict_proba(X))
    assert clone(old).fit(X, Y).averaging is None
    assert repr(old) == repr(model)


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

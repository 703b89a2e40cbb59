"""The parameters of rules that act on steps: in populations, in searches, with every solver, and in old pickles."""

import pickle
from dataclasses import replace
from inspect import isabstract

import numpy as np
import pytest
from numpy.testing import assert_array_equal
from sklearn.base import clone
from sklearn.model_selection import StratifiedKFold

from skreg import RegularizedMLPClassifier
from skreg._estimator.parameters import AXES
from skreg.augmentation import GaussianNoise
from skreg.averaging import EMA
from skreg.gradients import ClipByNorm
from skreg.model_selection import GridSearchCV, RegularizedMLPRegressorCV, cross_validate
from tests.helpers import SHORT, three_classes

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
X, Y = three_classes()


def make(**options):
    return RegularizedMLPClassifier(**SHORT | options)


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

"""Fits and predictions do not depend on torch's default device, nor on its inference mode."""

import ast
from pathlib import Path

import numpy as np
import pytest
import torch
from skorch.callbacks import LRScheduler
from torch.utils._device import _device_constructors

import skreg
from skreg import RegularizedMLPClassifier, RegularizedMLPRegressor, RegularizedMLPRegressorCV
from skreg.compose import TransformedTargetRegressor
from skreg.inspection import PenaltyGeometryDisplay, compare_regularizers
from skreg.model_selection import GridSearchCV, alpha_max, regularization_path
from skreg.penalties import SparseGroupLasso, WeightedL1

PACKAGE = Path(skreg.__file__).parent
X = np.random.default_rng(0).normal(size=(40, 3))
Y = X[:, 0] + 0.1 * X[:, 1] ** 2
LABELS = np.digitize(X[:, 0], [-0.5, 0.5])
X2 = X[:, :2]
SHORT = {"max_iter": 3, "n_iter_no_change": np.inf, "random_state": 0}
QUANTILES = {"loss": "quantile", "quantile": [0.1, 0.5, 0.9]}


def squares(y_true, y_pred):
    return (y_true - y_pred).square().sum(dim=1)


def classifier(**options):
    return RegularizedMLPClassifier((4,), **{**SHORT, **options})


def regressor(units=(4,), **options):
    return RegularizedMLPRegressor(units, **{**SHORT, **options})


def of_classes(**options):
    model = classifier(**options).fit(X, LABELS)
    yield from (model.predict(X), model.predict_proba(X), model.predict_log_proba(X), model.transform(X))
    yield from (model.score(X, LABELS), model.prune().predict_proba(X))
    if model.dropout:
        yield model.predict_dropout_samples(X, 3, random_state=0).samples


def of_numbers(y=Y, **options):
    model = regressor(**options).fit(X, y)
    yield from (model.predict(X), model.score(X, y), model.coefs_[0])


def resumed(path):
    classifier(dropout=0.2).fit(X, LABELS).save_checkpoint(path / "training.npz")
    yield classifier(dropout=0.2, max_iter=5).load_checkpoint(path / "training.npz").fit(X, LABELS).coefs_[0]


def partial_fit(path):
    model = classifier().partial_fit(X, LABELS, classes=[0, 1, 2]).partial_fit(X, LABELS)
    yield model.predict_proba(X)


def search(path):
    found = GridSearchCV(
        classifier(dropout=0.2, augmentation="noise"), {"alpha": [0.1, 1.0], "random_state": [0, 1]}, cv=2, n_jobs=2
    ).fit(X, LABELS)
    yield from (found.cv_results_["mean_test_score"], found.predict_proba(X))


def path_of_fits(path):
    found = regularization_path(regressor(penalty="group_lasso"), X, Y, alphas=3)
    yield from (found.alphas, found.coefs)


def choice(path):
    model = RegularizedMLPRegressorCV((4,), penalty="l1", alphas=3, cv=2, **SHORT).fit(X, Y)
    yield from (model.alpha_, model.predict(X))


def comparison(path):
    found = compare_regularizers(
        X, Y, {"none": regressor(penalty=None), "own": regressor(loss=squares)}, cv=2, random_state=0
    )
    yield found.folds[["test_score", "train_score"]]


def display(path):
    model = RegularizedMLPRegressor((), penalty="l1", alpha=0.1, loss=squares, max_iter=30, random_state=0).fit(X2, Y)
    yield PenaltyGeometryDisplay.from_estimator(model, X2, Y).solution


def transformed(path):
    model = TransformedTargetRegressor(regressor(**QUANTILES), func=np.sinh, inverse_func=np.arcsinh).fit(X, Y)
    yield from (model.predict(X), model.score(X, Y))


WORK = {
    "classes": lambda path: of_classes(dropout=0.2, early_stopping=True, refit_on_all=True),
    "scored": lambda path: of_classes(early_stopping=True, scoring="neg_log_loss"),
    "batch normalization": lambda path: of_classes(normalization="batch", batch_size=10, input_dropout=0.1),
    "noise": lambda path: of_classes(augmentation="noise"),
    "scheduler": lambda path: of_classes(callbacks=[LRScheduler("StepLR", step_size=2, gamma=0.1)]),
    "numbers": lambda path: of_numbers(averaging="ema", max_grad_norm=1.0),
    "quantiles": lambda path: of_numbers(**QUANTILES),
    "counts": lambda path: of_numbers(np.abs(Y), loss="poisson"),
    "absolute errors": lambda path: of_numbers(loss="absolute_error"),
    "own loss": lambda path: of_numbers(loss=squares),
    "own loss, L-BFGS": lambda path: of_numbers(loss=squares, solver="lbfgs"),
    "L-BFGS": lambda path: of_numbers(solver="lbfgs"),
    "groups": lambda path: of_numbers(penalty=SparseGroupLasso(0.01, groups=[[0, 1], [2]])),
    "hierarchical": lambda path: of_numbers(penalty="hierarchical", alpha=0.01),
    "weighted": lambda path: of_numbers(penalty=WeightedL1(0.01, weights=[1.0, 2.0, 3.0])),
    "MCP": lambda path: of_numbers(penalty="mcp", alpha=0.01, constraint="nonnegative"),
    "checkpoint": resumed,
    "partial_fit": partial_fit,
    "search": search,
    "path": path_of_fits,
    "CV": choice,
    "alpha_max": lambda path: [alpha_max(regressor((), penalty="l1", loss=squares), X, Y)],
    "comparison": comparison,
    "display": display,
    "transformed": transformed,
}
MODES = {"default device": lambda: torch.device("meta"), "inference mode": torch.inference_mode}


def results(work, path):
    return [np.asarray(value) for value in work(path)]


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("work", WORK.values(), ids=WORK)
def test_results_do_not_depend_on_the_modes_of_torch(work, tmp_path):
    expected = results(work, tmp_path)
    for mode in MODES.values():
        with mode():
            for own, found in zip(expected, results(work, tmp_path), strict=True):
                np.testing.assert_array_equal(found, own)


@pytest.mark.parametrize("mode", MODES.values(), ids=MODES)
def test_what_is_fitted_in_a_mode_works_outside_of_it(mode):
    with mode():
        models = [regressor(loss=squares).fit(X, Y), RegularizedMLPRegressor((), loss=squares, **SHORT).fit(X2, Y)]
        display = PenaltyGeometryDisplay.from_estimator(models[1], X2, Y)
    display.plot()
    assert np.isfinite(models[0].predict(X)).all()
    models[0].partial_fit(X, Y).set_params(warm_start=True).fit(X, Y)


NAMES = {function.__name__ for function in _device_constructors()}


@pytest.mark.parametrize("path", sorted(PACKAGE.rglob("*.py")), ids=lambda p: str(p.relative_to(PACKAGE)))
def test_every_tensor_is_made_on_a_device_that_is_named(path):
    """Otherwise it is on torch's default device, which the user may have set to another one."""
    module = ast.parse(path.read_text(encoding="utf-8"))
    calls = [node for node in ast.walk(module) if isinstance(node, ast.Call)]
    named = {
        id(part)
        for call in calls
        if any(keyword.arg == "device" for keyword in call.keywords)
        for part in (call.func, *call.args)
    }
    makers = [
        node
        for node in ast.walk(module)
        if isinstance(node, ast.Attribute) and ast.unparse(node.value) == "torch" and node.attr in NAMES
    ]
    assert not [f"line {node.lineno}: {ast.unparse(node)}" for node in makers if id(node) not in named]

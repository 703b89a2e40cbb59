"""What tests of several folders share: the two estimators, options of short fits, and comparisons of fits."""

import copy
import itertools
import random

import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, settings
from sklearn.datasets import make_classification
from sklearn.preprocessing import scale

from skreg import RegularizedMLPClassifier, RegularizedMLPRegressor

KINDS = {"classifier": RegularizedMLPClassifier, "regressor": RegularizedMLPRegressor}
BOTH = pytest.mark.parametrize("kind", KINDS.values())

# All epochs, with the same numbers every time.
FIXED = {"tol": 0, "n_iter_no_change": np.inf, "random_state": 0}
TINY = {"hidden_layer_sizes": (3,), "max_iter": 2, "n_iter_no_change": np.inf, "random_state": 0}
SHORT = {
    "hidden_layer_sizes": (6,),
    "max_iter": 8,
    "batch_size": 30,
    "learning_rate_init": 0.02,
    "n_iter_no_change": np.inf,
    "random_state": 0,
}


def three_classes(n_rows=90):
    """Return five scaled columns, and three classes."""
    X, y = make_classification(n_rows, 5, n_informative=4, n_redundant=0, n_classes=3, random_state=0)
    return scale(X), y


def state_around():
    """Return the global state of torch, numpy and Python's generator, which a fit must not change."""
    name, keys, *rest = np.random.get_state()  # noqa: NPY002 - the legacy generator is what must not change
    return (
        (name, keys.tobytes(), *rest),
        random.getstate(),
        torch.get_rng_state().numpy().tobytes(),
        torch.get_default_dtype(),
        torch.get_default_device(),
        torch.get_num_threads(),
        torch.is_grad_enabled(),
        torch.is_inference_mode_enabled(),
        np.geterr(),
    )


def fixed_examples(n_examples):
    """Return settings for hypothesis: the same examples every time, whatever time they take."""
    return settings(
        derandomize=True,
        deadline=None,
        max_examples=n_examples,
        suppress_health_check=[HealthCheck.too_slow],
        database=None,
    )


class Listener:
    """A callback of scikit-learn that asks for nothing, and keeps the ends of tasks."""

    def __init__(self):
        self.ends = []

    def setup(self, estimator, context):
        pass

    def teardown(self, estimator, context):
        pass

    def on_fit_task_begin(self, estimator, context):
        pass

    def on_fit_task_end(self, estimator, context):
        self.ends.append((context.estimator_name, context.task_name, context.task_id))


class CustomLoss:
    """A function whose text does not depend on the process, so that all workers give tests the same names."""

    def __repr__(self):
        return type(self).__name__


class SquaredHinge(CustomLoss):
    """A loss of classifiers."""

    def __call__(self, y_true, y_pred):
        return (1 - (2 * y_true - 1) * y_pred).clamp_min(0).square().sum(dim=1)


class LogCosh(CustomLoss):
    """A loss of regressors."""

    def __call__(self, y_true, y_pred):
        return torch.log(torch.cosh((y_pred - y_true).clamp(-30, 30))).sum(dim=1)


def mcp(W, alpha, gamma=3.0):
    """Return the values of MCP, integrated from its slope max(alpha - w / gamma, 0)."""
    size = np.minimum(np.abs(W), gamma * alpha)
    return (gamma**2 * alpha**2 - (gamma * alpha - size) ** 2) / (2 * gamma)


def scad(W, alpha, gamma=3.7):
    """Return the values of SCAD, integrated from its slope: alpha up to alpha, then falling to 0 at gamma * alpha."""
    size = np.minimum(np.abs(W), gamma * alpha)
    beyond = np.maximum(size, alpha)
    curved = ((gamma - 1) ** 2 * alpha**2 - (gamma * alpha - beyond) ** 2) / (2 * (gamma - 1))
    return alpha * np.minimum(size, alpha) + curved


def legend_texts(ax):
    """Return what stands in a legend."""
    return [text.get_text() for text in ax.get_legend().get_texts()]


def learned_numbers(model):
    """Return all weights, intercepts and parameters of normalization in one array."""
    normalization = [params[name].ravel() for params in model.normalization_params_ for name in sorted(params)]
    return np.concatenate([*(W.ravel() for W in model.coefs_), *model.intercepts_, *normalization])


def assert_same_bits(first, second):
    """Fail unless two fits have learnt the same numbers, bit for bit."""
    np.testing.assert_array_equal(learned_numbers(first), learned_numbers(second))


def assert_unchanged_by(model, error, match, call):
    """Fail unless a call of an estimator raises an error and leaves every attribute as it was."""
    before = copy.copy(vars(model))
    with pytest.raises(error, match=match):
        call(model)
    assert vars(model) == before


def covering(**axes):
    """Return arguments of pytest.mark.parametrize for all combinations of the values of some axes.

    An axis is a list, or a dict from ids to values. The suite has as many combinations as the longest axis has values,
    with every value of each axis; the others have the marker ``product``.
    """
    axes = {
        name: values if isinstance(values, dict) else dict(zip(values, values, strict=True))
        for name, values in axes.items()
    }
    in_suite = {
        tuple(number % len(values) for values in axes.values()) for number in range(max(map(len, axes.values())))
    }
    combinations = []
    for positions in itertools.product(*(range(len(values)) for values in axes.values())):
        chosen = [list(values.items())[at] for values, at in zip(axes.values(), positions, strict=True)]
        marks = [] if positions in in_suite else [pytest.mark.product]
        name = "-".join(str(name) for name, _ in chosen)
        combinations.append(pytest.param(*(value for _, value in chosen), marks=marks, id=name))
    return list(axes), combinations

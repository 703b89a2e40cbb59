"""Checks of an estimator's parameters before anything is trained."""

from collections.abc import Iterator, Sequence
from functools import cache
from numbers import Integral, Real

import numpy as np
import torch
from sklearn.base import BaseEstimator

from skreg._estimator.parameters import AXES
from skreg._numbers import is_number, numbers_in
from skreg._seeds import generator_of
from skreg._sklearn_private import Interval
from skreg.adapters.callbacks import check_callbacks
from skreg.penalties import Penalty
from skreg.penalties._base import layer_strengths
from skreg.penalties._resolve import resolve_penalty

# No machine has memory for the weights of more units.
MOST_UNITS = 2**31 - 1


def hidden_units(estimator) -> list[int]:
    """Return the units of every hidden layer."""
    sizes = estimator.hidden_layer_sizes
    is_one = isinstance(sizes, Integral) or getattr(sizes, "shape", None) == ()
    units = [sizes] if is_one else list(sizes)
    if not all(isinstance(n, Integral) and not isinstance(n, bool) and n >= 1 for n in units):
        raise ValueError(f"The 'hidden_layer_sizes' parameter must hold integers of at least 1; got {sizes!r}.")
    if max(units, default=1) > MOST_UNITS:
        raise ValueError(f"The 'hidden_layer_sizes' parameter must hold integers up to {MOST_UNITS}; got {sizes!r}.")
    return [int(n) for n in units]


def dropout_rates(dropout, n_hidden: int) -> list[float]:
    """Return the rate of every hidden layer."""
    if isinstance(dropout, Real):
        return [float(dropout)] * n_hidden
    if isinstance(dropout, torch.Tensor) and dropout.device.type == "meta":
        raise ValueError(f"The 'dropout' parameter must hold rates in [0, 1); got {dropout!r}.")
    rates = list(np.atleast_1d(np.asarray(dropout, dtype=object)))
    if len(rates) != n_hidden:
        raise ValueError(
            f"The 'dropout' parameter must be one number, or one for each of the {n_hidden} hidden layers; "
            f"got {len(rates)} numbers: {dropout!r}."
        )
    if not all(is_number(rate) and 0 <= rate < 1 for rate in rates):
        raise ValueError(f"The 'dropout' parameter must hold rates in [0, 1); got {dropout!r}.")
    return [float(rate) for rate in rates]


def check_parameters_together(estimator) -> Penalty | None:
    """Raise if parameters that are valid each for itself are not valid together; return the penalty."""
    n_hidden = len(hidden_units(estimator))
    dropout = dropout_rates(estimator.dropout, n_hidden)
    penalty = resolve_penalty(estimator.penalty, estimator.alpha, estimator.l1_ratio)
    if penalty is None:  # alpha has no effect, but must be valid
        layer_strengths(0.0 if estimator.alpha is None else estimator.alpha, n_hidden + 1)
    if estimator.weight_decay * estimator.learning_rate_init > 1:
        raise ValueError(
            "The 'weight_decay' parameter must be at most 1 / learning_rate_init, or a step would flip signs; "
            f"got weight_decay={estimator.weight_decay!r}, learning_rate_init={estimator.learning_rate_init!r}."
        )
    if isinstance(estimator.loss, type):
        raise ValueError(f"The 'loss' parameter must be a function or its name; got the class {estimator.loss!r}.")
    rule, _ = estimator._stopping_rule()
    if isinstance(rule, type):
        raise ValueError(
            "The 'early_stopping' parameter must be a bool or an instance of a cross-validation splitter, such as "
            f"GroupShuffleSplit(1); got the class {rule!r}."
        )
    check_callbacks(estimator.callbacks)
    check_solver(estimator, penalty, dropout)
    return penalty


def check_range(estimator, dtype: torch.dtype) -> None:
    """Raise ValueError if a number among the parameters is beyond the range of a network's type, as 1e39 is in float32.

    So may be the product of a strength and a learning rate, by which a step shrinks weights.
    """
    largest, strongest = torch.finfo(dtype).max, 0.0
    for name, value in _numbers_for_tensors(estimator):
        numbers = numbers_in(value)
        numbers = np.empty(0) if numbers is None else numbers[np.isfinite(numbers)]
        if not numbers.size:  # other values are for the checks of their objects
            continue
        if np.abs(numbers).max() > largest:
            raise ValueError(
                f"The {name!r} parameter must be in the range of {dtype}, the type of X, up to {largest:.3g}; got "
                f"{value!r}."
            )
        if name.rpartition("__")[2] == "alpha":
            strongest = numbers.max()
    with np.errstate(over="ignore"):
        if 2 * strongest * float(estimator.learning_rate_init) > largest:
            raise ValueError(
                "The 'alpha' and 'learning_rate_init' parameters must have a product in the range of "
                f"{dtype}, the type of X, up to {largest / 2:.3g}; got alpha={strongest!r} and "
                f"learning_rate_init={estimator.learning_rate_init!r}."
            )


def _numbers_for_tensors(estimator) -> Iterator[tuple[str, object]]:
    """Yield the parameters, those of objects included, that are real numbers and act on tensors, with their values."""
    numbers = _real_parameters(type(estimator))
    for name in type(estimator)._parameter_constraints:
        value = getattr(estimator, name)
        if name in numbers:
            yield name, value
        if name == "target_transform":  # whose numbers act on arrays, in double precision
            continue
        for part in value if isinstance(value, list | tuple) else [value]:
            if isinstance(part, BaseEstimator):
                yield from ((f"{name}__{own}", number) for own, number in part.get_params(deep=False).items())


@cache
def _real_parameters(kind: type) -> frozenset[str]:
    """Return the parameters of a class that can be real numbers and act on tensors."""
    return frozenset(
        name
        for name, constraints in kind._parameter_constraints.items()
        if name != "tol" and any(isinstance(item, Interval) and item.type is Real for item in constraints)
    )


def check_solver(estimator, penalty: Penalty | None, dropout: Sequence[float]) -> None:
    """Raise if the solver does not support another parameter."""
    others = ("adam", "sgd")
    # A parameter, whether it was given, what other solvers allow, and the solvers that take it.
    rules = [
        ("penalty", penalty is not None and not penalty.smooth, "None or a smooth one, such as 'l2',", others),
        ("constraint", estimator.constraint is not None, "None", others),
        ("dropout", any(dropout), "0", others),
        ("input_dropout", estimator.input_dropout > 0, "0", others),
        ("weight_decay", estimator.weight_decay > 0, "0", others),
        *[(name, getattr(estimator, name) is not None, "None", axis.solvers) for name, axis in AXES.items()],
    ]
    for name, is_given, allowed, solvers in rules:
        if is_given and estimator.solver not in solvers:
            raise ValueError(
                f"The {name!r} parameter must be {allowed} with solver={estimator.solver!r}; got "
                f"{name}={getattr(estimator, name)!r}. Use solver={' or '.join(map(repr, solvers))}."
            )


def check_device(estimator) -> torch.device:
    try:
        device = torch.device(estimator.device)
        torch.rand(1, device=device, generator=generator_of(0, device)).cpu()
    except (RuntimeError, AssertionError, ImportError, NotImplementedError) as error:
        raise ValueError(
            f"The 'device' parameter must name a device that torch can use here, such as 'cpu' or 'cuda'; "
            f"got {estimator.device!r}: {str(error).splitlines()[0]}"
        ) from error
    return device

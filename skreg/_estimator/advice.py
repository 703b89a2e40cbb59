"""Warnings of an estimator: parameters without effect, settings and data with which training fails or means little."""

import inspect
from collections.abc import Sequence
from functools import cache

import numpy as np
from sklearn.base import is_regressor
from sklearn.exceptions import ConvergenceWarning

from skreg._estimator.copies import unfitted
from skreg._estimator.data import Table
from skreg._estimator.scales import (
    VALIDATION_INPUTS,
    VALIDATION_TARGETS,
    advice_on_columns,
    advice_on_targets,
    look_different,
)
from skreg._estimator.steps import epochs_in_words
from skreg._warnings import Message
from skreg.penalties._base import LayerPenalty
from skreg.penalties._resolve import unused_strengths

# Parameters without effect unless rows are held out, which `partial_fit` does not do.
OF_EARLY_STOPPING = ("validation_fraction", "refit_on_all", "scoring")


@cache
def defaults_of(kind: type) -> dict[str, object]:
    """Return the defaults of a class's parameters."""
    return {name: parameter.default for name, parameter in inspect.signature(kind).parameters.items()}


def default_of(estimator, name: str):
    """Return the default of a parameter."""
    # The constructor of a subclass may lack parameters of its base class.
    return next(found[name] for found in map(defaults_of, type(estimator).__mro__) if name in found)


def has_default(estimator, name: str) -> bool:
    """Return whether a parameter has its default value, given or not."""
    value, default = getattr(estimator, name), default_of(estimator, name)
    is_one = not isinstance(value, Sequence) or isinstance(value, str)
    return value is default or (is_one and np.ndim(value) == 0 and value == default)


def unused_parameters(estimator) -> dict[str, str]:
    """Return parameters that were given but have no effect, and for each the parameter that is the cause.

    Parameters that regularize, choose or change what is predicted count. Those of other solvers and schedules do
    not, as in scikit-learn's MLP; nor do those of hidden layers where there are none, as in a search over
    `hidden_layer_sizes`.
    """
    unused = dict.fromkeys(unused_strengths(estimator.penalty), "penalty")
    rule, _ = estimator._stopping_rule()
    if not rule:
        unused |= dict.fromkeys(OF_EARLY_STOPPING, "early_stopping")
    elif hasattr(rule, "split"):
        unused["validation_fraction"] = "early_stopping"
    of_losses = estimator._loss_parameters.items()
    unused |= dict.fromkeys([name for name, loss in of_losses if estimator.loss != loss], "loss")
    return {name: cause for name, cause in unused.items() if not has_default(estimator, name)}


def unused_messages(estimator, used: tuple[str, ...] = ()) -> list[Message]:
    """Return warnings of parameters without effect, but for those that are ``used`` in this call."""
    messages = []
    for name, cause in unused_parameters(estimator).items():
        if name not in used:
            given = estimator._stopping_rule()[0] if cause == "early_stopping" else getattr(estimator, cause)
            text = "a function" if callable(given) else repr(given)
            messages.append((f"{name}={getattr(estimator, name)!r} has no effect with {cause}={text}.", UserWarning))
    return messages


def without_unused(estimator):
    """Return an estimator with the same fit, but without unused parameters; itself if there are none."""
    defaults = {name: default_of(estimator, name) for name in unused_parameters(estimator)}
    return unfitted(estimator, **defaults) if defaults else estimator


def batch_size_messages(estimator, n_rows: int) -> list[Message]:
    """Return a warning of batches that are larger than the number of training rows."""
    if estimator.solver == "lbfgs" or isinstance(estimator.batch_size, str) or estimator.batch_size <= n_rows:
        return []
    text = f"batch_size={estimator.batch_size!r} is larger than the {n_rows} training rows; all rows form one batch."
    return [(text, UserWarning)]


def advice_on_scale(estimator, table: Table) -> list[str]:
    """Return warnings about the scale of X and of the targets."""
    # An encoder of tables has chosen the scales of its features, and not for all of them the same.
    is_encoded = estimator.source_columns_ is not None
    advice = [] if is_encoded else [advice_on_columns(table.X, type(estimator).__name__)]
    if estimator._make_loss().in_units:
        advice.append(advice_on_targets(table.weighted_targets, estimator.target_transform))
    return [text for text in advice if text is not None]


def settings_messages(estimator, advice: Sequence[str], penalties: Sequence[LayerPenalty | None]) -> list[Message]:
    """Return warnings of settings with which training fails or means little, and ``advice`` on the data."""
    messages = [(text, UserWarning) for text in advice]
    explicit = estimator.alpha is not None or estimator.penalty != "l2"
    if estimator.normalization and explicit and any(penalties[:-1]):
        text = (
            f"normalization={estimator.normalization!r} undoes the scale of the weights before it, so a penalty on "
            "hidden layers has no minimizer: it shrinks them as long as training continues. Give alpha one number "
            "for each weight matrix, with 0 for all but the last; got the strengths "
            f"{[0.0 if p is None else p.alpha for p in penalties]}."
        )
        messages.append((text, UserWarning))
    return messages


def validation_messages(estimator, table: Table, valid_table: Table) -> list[Message]:
    """Return warnings of validation rows that look as if they had not been scaled like the training rows."""
    messages = []
    if look_different(table.X, valid_table.X):
        messages.append((VALIDATION_INPUTS.format(estimator=type(estimator).__name__), UserWarning))
    if is_regressor(estimator) and look_different(table.weighted_targets, valid_table.weighted_targets):
        messages.append((VALIDATION_TARGETS, UserWarning))
    return messages


def convergence_messages(estimator, reason: str, max_epochs: int, *, is_scaled: bool) -> list[Message]:
    """Return the warning of a training that has not converged."""
    if estimator.solver == "lbfgs":
        text = (
            f"solver='lbfgs' has not converged: {reason} Increase max_iter={estimator.max_iter!r} or "
            f"max_fun={estimator.max_fun!r}, or scale the data."
        )
    else:
        text = f"Training reached {epochs_in_words(estimator, max_epochs)} epochs before it converged. "
        text += "Increase max_iter or tol." if is_scaled else "Scale the data first, as another warning says."
    return [(text, ConvergenceWarning)]

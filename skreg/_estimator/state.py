"""Checks of the state of a pickled estimator: parameters, arrays, numbers and strings.

Nothing is trusted: a state that passes can be computed with, and needs no more memory than it has itself.
"""

from collections.abc import Callable
from itertools import pairwise
from numbers import Integral, Real

import numpy as np
from sklearn.exceptions import InconsistentVersionWarning

from skreg._sklearn_private import check_parameters, validate_parameter_constraints
from skreg._version import __version__
from skreg._warnings import warn_user
from skreg.network.activation import ACTIVATIONS
from skreg.network.norm import NORMALIZATION_PARAMETERS
from skreg.penalties import Penalty

# Key of the version of this package in a pickle.
VERSION = "_skreg_version"
# Attributes of an estimator that a pickle leaves out: the training state, a checkpoint that was read, spare memory.
TRAINING_STATE = ("_training_state", "_checkpoint", "_history_memory")
# A pruned network reads some columns of X alone. X can have up to this many.
MAX_FEATURES = np.iinfo(np.int32).max


class OtherVersionWarning(InconsistentVersionWarning):
    """Warning of an estimator that another version of skreg has pickled."""

    def __str__(self):
        return (
            f"{self.estimator_name} was pickled by version {self.original_sklearn_version} of skreg, and is read by "
            f"version {self.current_sklearn_version}: its predictions may be others, or wrong. Fit it again, or "
            "install that version."
        )


def check_version(version, name: str) -> None:
    """Warn if an estimator was pickled by another version; the first ones left no version in pickles."""
    if not isinstance(version, str | None):
        raise ValueError(f"The saved state is damaged: {VERSION!r} must be a string, got {version!r:.100}.")
    if version is not None and version != __version__:
        versions = {"current_sklearn_version": __version__, "original_sklearn_version": version}
        warn_user(OtherVersionWarning(estimator_name=name, **versions), OtherVersionWarning)


def with_fitted_parameters(estimator, state: dict) -> dict:
    """Return a state with ``_fitted_parameters``, which earlier versions did not have, or had without later ones."""
    names, later = estimator._prediction_parameters, estimator._later_parameters
    fitted = state.get("_fitted_parameters", {name: state[name] for name in names if name in state})
    if not isinstance(fitted, dict):  # an error, when it is checked
        return state
    return state | {"_fitted_parameters": {name: later[name] for name in names if name in later} | fitted}


def check_restored(estimator, state) -> None:
    """Raise ValueError if a state is not one of a fitted or unfitted estimator of the class."""
    try:
        _check(isinstance(state, dict) and all(isinstance(name, str) for name in state), "it must be a dict of names")
        if "coefs_" in state:
            _check_network(state)
            _check_numbers(state)
            _check_parameters(estimator, state)
            estimator = object.__new__(type(estimator))
            vars(estimator).update(state)
            estimator._check_restored_targets(state)
    except ValueError as error:
        raise ValueError(f"The saved state is damaged: {error}.") from error


def _check(condition, what: str) -> None:
    if not condition:
        raise ValueError(what)


def _is_array(value, dtype, ndim: int) -> bool:
    return isinstance(value, np.ndarray) and value.dtype == dtype and value.ndim == ndim


def _is_count(value) -> bool:
    return isinstance(value, Integral) and value >= 0


def _check_network(state: dict) -> None:
    """Check that weights, intercepts and normalization parameters are finite arrays of matching shapes."""
    coefs, intercepts = state["coefs_"], state.get("intercepts_")
    _check(isinstance(coefs, list) and len(coefs) > 0, "'coefs_' must be a list of arrays")
    dtype = getattr(coefs[0], "dtype", None)
    _check(
        isinstance(dtype, np.dtype) and dtype in (np.float32, np.float64),
        f"'coefs_' must hold float32 or float64 numbers, got {dtype}",
    )
    _check(all(_is_array(W, dtype, 2) and W.size for W in coefs), "'coefs_' must hold matrices of one type")
    _check(
        all(W.shape[1] == V.shape[0] for W, V in pairwise(coefs)),
        f"the shapes in 'coefs_' do not follow each other: {[W.shape for W in coefs]}",
    )
    _check_features(state)
    n_outputs, n_layers = state.get("n_outputs_"), state.get("n_layers_")
    _check(_is_count(n_outputs) and coefs[-1].shape[1] == n_outputs, "'coefs_' does not match 'n_outputs_'")
    _check(
        isinstance(intercepts, list)
        and len(intercepts) == len(coefs)
        and all(_is_array(b, dtype, 1) and len(b) == W.shape[1] for b, W in zip(intercepts, coefs, strict=True)),
        "'intercepts_' must hold one vector for each matrix in 'coefs_'",
    )
    skip = state.get("skip_coef_")
    _check(
        skip is None
        or (len(coefs) > 1 and _is_array(skip, dtype, 2) and skip.shape == (len(coefs[0]), coefs[-1].shape[1])),
        "'skip_coef_' must be None or a matrix from the inputs to the outputs, beside hidden layers",
    )
    skips = [] if skip is None else [skip]
    _check(all(np.isfinite(a).all() for a in (*coefs, *intercepts, *skips)), "weights and intercepts must be finite")
    _check(_is_count(n_layers) and n_layers == len(coefs) + 1, "'n_layers_' does not match 'coefs_'")
    _check_normalization(state.get("normalization_params_"), coefs)


def _check_features(state: dict) -> None:
    features, n_features = state.get("input_features_"), state.get("n_features_in_")
    fit = (
        isinstance(features, np.ndarray)
        and features.dtype.kind == "i"
        and features.shape == state["coefs_"][0].shape[:1]
        and _is_count(n_features)
        and features[0] >= 0
        and features[-1] < n_features <= MAX_FEATURES
        and (np.diff(features) > 0).all()
        and ("pruning_" in state or len(features) == n_features)
    )
    _check(fit, "'input_features_' does not match 'coefs_' and 'n_features_in_'")
    names = state.get("feature_names_in_")
    _check(
        names is None
        or (
            _is_array(names, np.dtype(object), 1)
            and len(names) == n_features
            and all(isinstance(name, str) for name in names)
        ),
        "'feature_names_in_' must hold one name for each of 'n_features_in_'",
    )
    columns = state.get("source_columns_")
    _check(
        columns is None
        or (
            isinstance(columns, np.ndarray)
            and columns.dtype.kind == "i"
            and columns.shape == (n_features,)
            and (columns >= 0).all()
        ),
        "'source_columns_' must be None, or hold an original column for each of 'n_features_in_'",
    )


def _check_normalization(layers, coefs: list[np.ndarray]) -> None:
    _check(
        isinstance(layers, list) and len(layers) in (0, len(coefs) - 1),
        "'normalization_params_' must be a list with one entry for each hidden layer, or empty",
    )
    _check(
        all(isinstance(layer, dict) and set(layer) in NORMALIZATION_PARAMETERS.values() for layer in layers)
        and all(set(layer) == set(layers[0]) for layer in layers),
        "'normalization_params_' must hold gain and shift, and mean and variance for batches",
    )
    for layer, W in zip(layers, coefs, strict=False):
        _check(
            all(_is_array(v, W.dtype, 1) and len(v) == W.shape[1] for v in layer.values()),
            "'normalization_params_' does not match 'coefs_'",
        )
        _check(
            all(np.isfinite(v).all() for v in layer.values()) and (layer.get("variance", np.zeros(1)) >= 0).all(),
            "'normalization_params_' must be finite, and no variance negative",
        )


def _is_number(value) -> bool:
    return isinstance(value, Real)


def _is_list_of_numbers(value) -> bool:
    return isinstance(value, list) and all(map(_is_number, value))


def _is_history(value) -> bool:
    return (
        isinstance(value, dict)
        and all(isinstance(name, str) for name in value)
        and all(isinstance(column, np.ndarray) and column.ndim == 1 for column in value.values())
        and all(column.dtype.kind in "fiuU" for column in value.values())
        and len({len(column) for column in value.values()}) <= 1
    )


def _optional(check: Callable) -> Callable:
    return lambda value: value is None or check(value)


# Attributes of a training: their checks, and in words what they must be.
_TRAINING_ATTRIBUTES: dict[str, tuple[Callable, str]] = {
    "history_": (_is_history, "a dict of columns of one length"),
    "loss_curve_": (lambda value: _is_list_of_numbers(value) and len(value) > 0, "a list of numbers"),
    "loss_": (_is_number, "a number"),
    "best_loss_": (_optional(_is_number), "a number or None"),
    "best_epoch_": (_is_count, "an integer of at least 0"),
    "n_iter_": (_is_count, "an integer of at least 0"),
    "t_": (_is_count, "an integer of at least 0"),
    "validation_scores_": (_optional(_is_list_of_numbers), "a list of numbers or None"),
    "best_validation_score_": (_optional(_is_number), "a number or None"),
    "pruning_": (lambda value: isinstance(value, dict), "a dict"),
    "out_activation_": (lambda value: isinstance(value, str), "a string"),
    "_n_targets": (lambda value: _is_count(value) and value > 0, "an integer of at least 1"),
}
_OPTIONAL_ATTRIBUTES = ("pruning_",)


def _check_numbers(state: dict) -> None:
    """Check the attributes of training beside the network."""
    for name, (is_one, words) in _TRAINING_ATTRIBUTES.items():
        if name in state or name not in _OPTIONAL_ATTRIBUTES:
            _check(name in state and is_one(state[name]), f"{name!r} must be {words}, got {state.get(name)!r:.100}")


def _check_parameters(estimator, state: dict) -> None:
    """Check the penalty and the parameters that predictions depend on."""
    penalty, fitted = state.get("penalty_"), state["_fitted_parameters"]
    _check(isinstance(penalty, Penalty | None), "'penalty_' must be a penalty or None")
    if penalty is not None:
        check_parameters(penalty)
    names = set(estimator._prediction_parameters)
    _check(
        isinstance(fitted, dict) and set(fitted) == names, f"'_fitted_parameters' must be a dict of {sorted(names)!r}"
    )
    for activation in (state.get("activation"), fitted["activation"]):
        _check(isinstance(activation, str) and activation in ACTIVATIONS, f"unknown activation {activation!r:.100}")
    constraints = {name: type(estimator)._parameter_constraints[name] for name in names}
    validate_parameter_constraints(constraints, fitted, caller_name=type(estimator).__name__)

"""What a pickled estimator holds: parameters, arrays, numbers and strings, which are checked when it is restored."""

from itertools import pairwise
from numbers import Integral

import numpy as np

from skreg.layers import ACTIVATIONS, NORMALIZATION_PARAMETERS
from skreg.penalties import Penalty

# Attributes of an estimator that a pickle leaves out: where training stands, and a checkpoint that was read.
TRAINING_STATE = ("_training_state", "_checkpoint")


def check_fitted_state(state: dict) -> None:
    """Raise ValueError unless weights, intercepts and normalization parameters are arrays of matching shapes."""

    def check(condition, what):
        if not condition:
            raise ValueError(f"The saved state is damaged: {what}.")

    def is_array(value, dtype, ndim):
        return isinstance(value, np.ndarray) and value.dtype == dtype and value.ndim == ndim

    coefs, intercepts = state["coefs_"], state.get("intercepts_")
    check(isinstance(coefs, list) and len(coefs) > 0, "'coefs_' must be a list of arrays")
    dtype = getattr(coefs[0], "dtype", None)
    check(dtype in (np.float32, np.float64), f"'coefs_' must hold float32 or float64 numbers, got {dtype}")
    check(all(is_array(W, dtype, 2) for W in coefs), "'coefs_' must hold matrices of one type")
    check(
        all(W.shape[1] == V.shape[0] for W, V in pairwise(coefs)),
        f"the shapes in 'coefs_' do not follow each other: {[W.shape for W in coefs]}",
    )
    features, n_features = state.get("input_features_"), state.get("n_features_in_")
    check(
        isinstance(features, np.ndarray)
        and features.dtype.kind == "i"
        and features.shape == coefs[0].shape[:1]
        and isinstance(n_features, Integral)
        and set(features.tolist()) <= set(range(n_features)),
        "'input_features_' does not match 'coefs_' and 'n_features_in_'",
    )
    check(coefs[-1].shape[1] == state.get("n_outputs_"), "'coefs_' does not match 'n_outputs_'")
    check(
        isinstance(intercepts, list)
        and len(intercepts) == len(coefs)
        and all(is_array(b, dtype, 1) and len(b) == W.shape[1] for b, W in zip(intercepts, coefs, strict=True)),
        "'intercepts_' must hold one vector for each matrix in 'coefs_'",
    )
    skip = state.get("skip_coef_")
    check(
        skip is None or (is_array(skip, dtype, 2) and skip.shape == (len(coefs[0]), coefs[-1].shape[1])),
        "'skip_coef_' must be None or a matrix from the inputs to the outputs",
    )
    skips = [] if skip is None else [skip]
    check(all(np.isfinite(a).all() for a in (*coefs, *intercepts, *skips)), "weights and intercepts must be finite")
    check(state.get("activation") in ACTIVATIONS, f"unknown activation {state.get('activation')!r}")
    check(state.get("n_layers_") == len(coefs) + 1, "'n_layers_' does not match 'coefs_'")
    check(isinstance(state.get("penalty_"), Penalty | None), "'penalty_' must be a penalty or None")
    layers = state.get("normalization_params_")
    check(
        isinstance(layers, list) and len(layers) in (0, len(coefs) - 1),
        "'normalization_params_' must be a list with one entry for each hidden layer, or empty",
    )
    for layer, W in zip(layers, coefs, strict=False):
        check(
            isinstance(layer, dict) and set(layer) in NORMALIZATION_PARAMETERS.values(),
            "'normalization_params_' must hold gain and shift, and mean and variance for batches",
        )
        check(
            all(is_array(v, dtype, 1) and len(v) == W.shape[1] for v in layer.values()),
            "'normalization_params_' does not match 'coefs_'",
        )

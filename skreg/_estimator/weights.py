"""Weights of a fitted network: as attributes of an estimator, as a result of training, and in a module."""

from itertools import pairwise

import numpy as np
import torch

from skreg.engine.spec import NetworkSpec
from skreg.network.mlp import MLP
from skreg.network.norm import NORMALIZATION_PARAMETERS
from skreg.network.pruning import Weights


def module_of(weights: list[np.ndarray], network: NetworkSpec) -> MLP:
    """Return a network with the weights of a result."""
    module = network.module()
    with torch.no_grad():
        for tensor, array in zip(module.member_views(module.state()), weights, strict=True):
            tensor[0] = torch.from_numpy(array)
    return module


def attributes_of(weights: list[np.ndarray], network: NetworkSpec, dtype) -> dict:
    """Return the weights of a result as fitted attributes.

    Raises
    ------
    ValueError
        If they are those of another network.
    """
    units = network.layer_units
    n_layers, n_hidden = len(units) - 1, len(units) - 2
    names = ["gain", "shift", "mean", "variance"][: {"batch": 4, "layer": 2}.get(network.normalization, 0)]
    widths = list(units[1:])
    if network.skip and n_hidden:
        widths[0] += units[-1]
    shapes = [*zip(units[:-1], widths, strict=True), *((1, n) for n in units[1:])]
    shapes += [(1, n) for _ in names for n in units[1:-1]]
    if shapes != [array.shape for array in weights]:
        raise ValueError(f"The result must be of this network, with arrays of the shapes {shapes}; got other shapes.")
    # An overflow in float32 is found by its effect on predictions: see `check_precision`.
    with np.errstate(over="ignore"):
        arrays = [array.astype(dtype) for array in weights]
    coefs, skip_coef = arrays[:n_layers], None
    if widths[0] != units[1]:
        coefs[0], skip_coef = coefs[0][:, : units[1]].copy(), coefs[0][:, units[1] :].copy()
    of_layers = [array[0] for array in arrays[2 * n_layers :]]
    columns = {name: of_layers[i * n_hidden : (i + 1) * n_hidden] for i, name in enumerate(names)}
    return {
        "coefs_": coefs,
        "skip_coef_": skip_coef,
        "intercepts_": [b[0] for b in arrays[n_layers : 2 * n_layers]],
        "normalization_params_": [
            {name: values[i] for name, values in columns.items()} for i in range(n_hidden if names else 0)
        ],
        "input_features_": np.arange(units[0]),
        "n_layers_": len(units),
        "n_outputs_": units[-1],
    }


def weights_of(estimator) -> Weights:
    """Return the fitted weights of an estimator."""
    return Weights(estimator.coefs_, estimator.intercepts_, estimator.normalization_params_, estimator.skip_coef_)


@torch.no_grad()
def load_parameters(estimator, module: MLP) -> None:
    """Copy the fitted weights of an estimator into a module of the same shape."""
    shapes = list(pairwise(module.layer_units))
    needed = [NORMALIZATION_PARAMETERS[module.normalization]] * len(module.gains) if module.normalization else []
    fits = shapes == [W.shape for W in estimator.coefs_] and needed == [set(p) for p in estimator.normalization_params_]
    if not fits or module.skip != (estimator.skip_coef_ is not None):
        raise ValueError(
            "Training continues from the fitted weights, whose shapes are "
            f"{[W.shape for W in estimator.coefs_]}; the parameters and data of this call need {shapes} "
            f"with normalization={estimator.normalization!r} and {'a' if module.skip else 'no'} skip connection. "
            "Use fit with warm_start=False."
        )
    first, skip = module.first_weights()
    tensors = [first, *module.weights[1:], *module.biases]
    arrays = [*estimator.coefs_, *estimator.intercepts_]
    if module.skip:
        tensors, arrays = [*tensors, skip], [*arrays, estimator.skip_coef_]
    for tensor, array in zip(tensors, arrays, strict=True):
        if tensor.device.type == "cpu":  # without the copy that torch wants of a read-only array
            np.copyto(tensor[0].detach().numpy(), array)
        else:
            tensor[0] = torch.from_numpy(np.array(array))
    for i, parameters in enumerate(estimator.normalization_params_):
        module.gains[i][0] = torch.from_numpy(np.array(parameters["gain"]))
        module.shifts[i][0] = torch.from_numpy(np.array(parameters["shift"]))
        if module.running_means:
            module.running_means[i][0] = torch.from_numpy(np.array(parameters["mean"]))
            module.running_variances[i][0] = torch.from_numpy(np.array(parameters["variance"]))

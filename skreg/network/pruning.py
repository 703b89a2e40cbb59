"""Pruning: removal of features without outgoing weights, and of constant hidden units, from a fitted network."""

import copy
from dataclasses import dataclass

import numpy as np
import torch

from skreg.network.activation import ACTIVATIONS
from skreg.network.norm import NORMALIZATION_EPSILON


@dataclass
class Weights:
    """The arrays of a fitted network, as in the estimators' attributes of the same names.

    Parameters
    ----------
    coefs : list of ndarray of shape (n_inputs, n_units)
        Weight matrices.
    intercepts : list of ndarray of shape (n_units,)
        Biases.
    normalization : list of dict of ndarray
        Parameters of normalized hidden layers; empty without normalization.
    skip : ndarray of shape (n_features, n_outputs) or None
        Skip weights.
    """

    coefs: list[np.ndarray]
    intercepts: list[np.ndarray]
    normalization: list[dict[str, np.ndarray]]
    skip: np.ndarray | None

    @property
    def used_features(self) -> np.ndarray:
        """Which rows of the first matrix, or of the skip weights, have an entry that is not zero."""
        used = (self.coefs[0] != 0).any(axis=1)
        return used if self.skip is None else used | (self.skip != 0).any(axis=1)

    @property
    def n_parameters(self) -> int:
        """Number of all of them."""
        scales = [array for layer in self.normalization for array in layer.values()]
        arrays = [*self.coefs, *self.intercepts, *scales, *([] if self.skip is None else [self.skip])]
        return sum(array.size for array in arrays)

    @property
    def n_multiplications(self) -> int:
        """Number of multiplications that the prediction of one row takes in matrix products."""
        return sum(W.size for W in self.coefs) + (0 if self.skip is None else self.skip.size)


def constant_output(weights: Weights, layer: int, activation: str) -> np.ndarray:
    """Return the outputs of the units of a hidden layer for incoming weights of zero."""
    Z = weights.intercepts[layer].astype(np.float64)
    if weights.normalization:
        norm = {name: array.astype(np.float64) for name, array in weights.normalization[layer].items()}
        Z = norm["gain"] * (Z - norm["mean"]) / np.sqrt(norm["variance"] + NORMALIZATION_EPSILON) + norm["shift"]
    return ACTIVATIONS[activation].apply_(torch.from_numpy(Z.copy())).numpy()


def prune_units(weights: Weights, layer: int, activation: str) -> Weights:
    """Return the network without the units of a hidden layer that put out a constant or that nothing reads.

    A constant is folded into the next layer's biases. At least one unit is kept.
    """
    incoming, outgoing = weights.coefs[layer], weights.coefs[layer + 1]
    is_constant = (incoming == 0).all(axis=0)
    keep = ~is_constant & (outgoing != 0).any(axis=1)
    keep[0] |= not keep.any()
    folded = is_constant & ~keep
    shift = constant_output(weights, layer, activation)[folded] @ outgoing[folded].astype(np.float64)
    coefs, intercepts = list(weights.coefs), list(weights.intercepts)
    coefs[layer], coefs[layer + 1] = incoming[:, keep], outgoing[keep]
    intercepts[layer] = intercepts[layer][keep]
    intercepts[layer + 1] = (intercepts[layer + 1] + shift).astype(incoming.dtype)
    normalization = list(weights.normalization)
    if normalization:
        normalization[layer] = {name: array[keep] for name, array in normalization[layer].items()}
    return Weights(coefs, intercepts, normalization, weights.skip)


def prune_weights(weights: Weights, activation: str) -> tuple[Weights, np.ndarray]:
    """Return a smaller network with the same predictions, and the features that it reads.

    Parameters
    ----------
    weights : Weights
        A fitted network.
    activation : str
        Name of its activation.

    Returns
    -------
    weights : Weights
        Without unused features and units; at least one of either is kept in every layer.
    features : ndarray of int
        Indices of the rows of the first matrix that are left, ascending.
    """
    # Nothing is shared with the first network, not even what stays as it is.
    weights = copy.deepcopy(weights)
    # A layer normalized over its units changes as a whole when one of them is missing.
    free = not weights.normalization or "mean" in weights.normalization[0]
    n_hidden = len(weights.coefs) - 1 if free else 0
    # Downwards: a unit that nothing reads any more unburdens the layer below. Upwards: so does a constant the next.
    for layer in (*reversed(range(n_hidden)), *range(n_hidden)):
        weights = prune_units(weights, layer, activation)
    used = weights.used_features
    used[0] |= not used.any()
    coefs = [weights.coefs[0][used], *weights.coefs[1:]]
    skip = None if weights.skip is None else weights.skip[used]
    return Weights(coefs, weights.intercepts, weights.normalization, skip), np.flatnonzero(used)

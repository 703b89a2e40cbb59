"""Proximal operators as pure tensor functions.

The proximal operator of a function ``g`` with step ``t`` is ``prox(w) = argmin_z  (z - w)**2 / (2 * t) + g(z)``
(Parikh and Boyd, "Proximal Algorithms", Foundations and Trends in Optimization 1(3), 2014, section 1.1).
A diagonal metric makes the step a tensor of the shape of ``w``: one step for each coordinate.
"""

from torch import Tensor

# A number for all coordinates, or a tensor that broadcasts against the weights.
Scalars = float | Tensor


def soft_threshold(W: Tensor, threshold: Scalars) -> Tensor:
    """Return ``sign(W) * max(|W| - threshold, 0)``, the prox of ``threshold * |w|``.

    Written as ``W`` minus its projection on ``[-threshold, threshold]`` (Moreau's decomposition), which
    gives exact zeros: where ``|W| <= threshold`` a number is subtracted from itself.
    """
    return W - W.clamp(-threshold, threshold)


def shrink(W: Tensor, strength: Scalars) -> Tensor:
    """Return ``W / (1 + strength)``, the prox of ``strength * w**2 / 2``."""
    return W / (1 + strength)

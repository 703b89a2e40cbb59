"""Proximal operators as pure tensor functions.

The proximal operator of a function ``g`` with step ``t`` is ``prox(w) = argmin_z  (z - w)**2 / (2 * t) + g(z)``
(Parikh and Boyd, "Proximal Algorithms", Foundations and Trends in Optimization 1(3), 2014, section 1.1).
A diagonal metric makes the step a tensor of the shape of ``w``: one step for each coordinate. Where a function ties
the coordinates of a block together, the step must be the same for all of them.
"""

import torch
from torch import Tensor

# A number for all coordinates, or a tensor that broadcasts against the weights.
Scalars = float | Tensor


def soft_threshold(W: Tensor, threshold: Scalars, out: Tensor | None = None) -> Tensor:
    """Return ``sign(W) * max(|W| - threshold, 0)``, the prox of ``threshold * |w|``.

    Written as ``W`` minus its projection on ``[-threshold, threshold]`` (Moreau's decomposition), which
    gives exact zeros: where ``|W| <= threshold`` a number is subtracted from itself.
    """
    return torch.sub(W, W.clamp(-threshold, threshold), out=out)


def shrink(W: Tensor, strength: Scalars) -> Tensor:
    """Return ``W / (1 + strength)``, the prox of ``strength * w**2 / 2``."""
    return W / (1 + strength)


def block_soft_threshold(W: Tensor, norms: Tensor, threshold: Scalars) -> Tensor:
    """Return ``W * max(1 - threshold / norm, 0)``, the prox of ``threshold * ||w||_2`` for blocks of W.

    ``norms`` holds the norm of the block that each entry of W belongs to (it broadcasts against W). A block of zeros
    stays what it is (Yuan and Lin, 2006, equation 2.4).
    """
    return W * (1 - threshold / norms.clamp_min(torch.finfo(W.dtype).tiny)).clamp_min(0)


def mcp_threshold(W: Tensor, step: Scalars, alpha: Scalars, gamma: float) -> Tensor:
    """Return the global minimizer of ``(z - w)**2 / (2 * step) + mcp(z)``.

    With ``mcp(z) = alpha * |z| - z**2 / (2 * gamma)`` up to ``|z| = gamma * alpha`` and constant beyond. For
    ``step < gamma`` this is the firm threshold (Breheny and Huang, 2011, equation 2.5, with their v = 1 / step). For
    longer steps the problem is concave up to ``gamma * alpha``, and its minimum is at zero or at ``w``: a hard
    threshold at ``alpha * sqrt(gamma * step)``, where both have the same value.
    """
    step = torch.as_tensor(step, dtype=W.dtype, device=W.device)
    is_short = step < gamma
    # Any number in place of the steps for which the firm threshold does not hold, so that it does not divide by 0.
    short = torch.where(is_short, step, 0)
    firm = torch.where(W.abs() > gamma * alpha, W, soft_threshold(W, short * alpha) / (1 - short / gamma))
    hard = torch.where(W.abs() > alpha * (gamma * step).sqrt(), W, 0)
    return torch.where(is_short, firm, hard)


def scad(W: Tensor, alpha: Scalars, gamma: float) -> Tensor:
    """Return the SCAD penalty of every entry: linear up to alpha, constant beyond gamma * alpha, a parabola between."""
    size = W.abs()
    middle = (2 * gamma * alpha * size - size.square() - alpha * alpha) / (2 * (gamma - 1))
    constant = torch.as_tensor(alpha * alpha * (gamma + 1) / 2, dtype=W.dtype, device=W.device)
    return torch.where(size <= alpha, alpha * size, torch.where(size <= gamma * alpha, middle, constant))


def scad_threshold(W: Tensor, step: Scalars, alpha: Scalars, gamma: float) -> Tensor:
    """Return the global minimizer of ``(z - w)**2 / (2 * step) + scad(z)``.

    For ``step < gamma - 1`` the three pieces of Fan and Li (2001), equation 2.8, for a general step. For longer steps
    the problem is concave between ``alpha`` and ``gamma * alpha``, so its minimum is one of the two minimizers of the
    outer pieces: their values are compared.
    """
    step = torch.as_tensor(step, dtype=W.dtype, device=W.device)
    size = W.abs()
    near = (size - step * alpha).clamp(min=0)
    is_short = step < gamma - 1
    short = torch.where(is_short, step, 0)
    middle = ((gamma - 1) * size - short * gamma * alpha) / (gamma - 1 - short)
    pieces = torch.where(size <= alpha * (1 + short), near, torch.where(size <= gamma * alpha, middle, size))
    near = torch.minimum(near, torch.as_tensor(alpha, dtype=W.dtype, device=W.device))
    far = torch.maximum(size, torch.as_tensor(gamma * alpha, dtype=W.dtype, device=W.device))
    value_near, value_far = ((z - size).square() / (2 * step) + scad(z, alpha, gamma) for z in (near, far))
    return W.sign() * torch.where(is_short, pieces, torch.where(value_near <= value_far, near, far))


def hierarchical_threshold(skip: Tensor, hidden: Tensor, threshold: Scalars, ratio: float) -> tuple[Tensor, Tensor]:
    """Return the minimizer of ``||b - skip||**2 / 2 + ||W - hidden||**2 / 2 + threshold * ||b||_2`` for every row.

    Subject to ``|W_k| <= ratio * ||b||_2`` for every entry of the row (Lemhadri et al., 2021, equation 8). For a fixed
    norm r of b, the best b points along ``skip``, and the best W is ``hidden`` clipped at ``ratio * r``. What is left
    is convex in r, with the derivative ``r - ||skip|| + threshold - ratio * sum_k max(|hidden_k| - ratio * r, 0)``. If
    the s largest entries are clipped, its zero is
    ``(||skip|| - threshold + ratio * sum of them) / (1 + s * ratio**2)`` (their algorithm 3); s is right if the next
    entry is not clipped.

    Parameters
    ----------
    skip : Tensor of shape (..., n_outputs)
        Skip weights of every feature.
    hidden : Tensor of shape (..., n_hidden)
        Weights into the first hidden layer of every feature.
    threshold : float or Tensor that broadcasts to (..., 1)
        Step times strength.
    ratio : float
        The largest hidden weight in units of the norm of the skip weights (M in the paper).

    Returns
    -------
    tuple of Tensor
        The minimizing ``skip`` and ``hidden``. Where ``skip`` is zero all directions are equally good, and the first
        coordinate's is taken.
    """
    norm = torch.linalg.vector_norm(skip, dim=-1, keepdim=True)
    size = hidden.abs()
    largest = size.sort(dim=-1, descending=True).values
    none = torch.zeros_like(norm)
    sums = torch.cat([none, largest.cumsum(dim=-1)], dim=-1)
    n_clipped = torch.arange(sums.shape[-1], dtype=skip.dtype, device=skip.device)
    radius = ((norm - threshold + ratio * sums) / (1 + n_clipped * ratio**2)).clamp_min(0)
    # The first s whose next entry stays below the bound; beyond the last entry comes a zero, so there is one.
    following = torch.cat([largest, none], dim=-1)
    s = (following > ratio * radius).sum(dim=-1, keepdim=True)
    radius = radius.gather(-1, s)
    direction = skip / norm.clamp_min(torch.finfo(skip.dtype).tiny)
    no_direction = norm == 0
    if no_direction.any():
        first = torch.zeros_like(skip)
        first[..., 0] = 1
        direction = torch.where(no_direction, first, direction)
    bound = ratio * radius
    return direction * radius, hidden.clamp(-bound, bound)

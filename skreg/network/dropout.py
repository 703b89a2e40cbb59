"""Dropout: masks of zeros and of what keeps the expectation."""

import torch
from torch import Tensor


def random_bits(like: Tensor, generator: torch.Generator) -> Tensor:
    """Return uniform 16-bit integers in the shape of ``like``.

    Four are cut from each 64-bit draw: four times faster than ``Tensor.bernoulli_``.
    """
    if like.shape[-1] % 4 == 0:
        bits = torch.empty_like(like, dtype=torch.int16, memory_format=torch.contiguous_format)
        bits.view(torch.int64).random_(-(2**63), None, generator=generator)
        return bits
    draws = torch.empty(-(-like.numel() // 4), dtype=torch.int64, device=like.device)
    draws.random_(-(2**63), None, generator=generator)
    return draws.view(torch.int16)[: like.numel()].view(like.shape)


def dropout_mask(like: Tensor, rate: float | Tensor, generator) -> Tensor:
    """Return a mask of zeros (with probability ``rate``) and ``1 / (1 - rate)``, of the shape of ``like``.

    The rate is rounded to a multiple of 2**-16, and the scale is that of the rounded rate, so the mask's mean is
    exactly 1. ``generator`` is a :class:`torch.Generator`, or an object with a method ``bits(like)`` that returns
    integers such as those of :func:`random_bits`, which broadcast to the shape of ``like``.
    """
    levels = 2**16
    # At least one level is kept: a rate just below 1 must not become 1.
    if isinstance(rate, Tensor):
        # In double precision, as numbers are; the result is exact in any.
        n_dropped = torch.round(rate.double() * levels).clamp_max(levels - 1).to(like.dtype)
    else:
        n_dropped = min(round(rate * levels), levels - 1)
    is_torch = isinstance(generator, torch.Generator)
    bits = random_bits(like, generator) if is_torch else generator.bits(like)
    # Compared right into numbers of the type: as booleans, to be converted, they would cost six times as much.
    is_number = isinstance(n_dropped, int)
    result = torch.empty_like(bits, dtype=like.dtype) if is_number else like.new_empty(0)
    return torch.ge(bits, n_dropped - levels // 2, out=result).mul_(levels / (levels - n_dropped))

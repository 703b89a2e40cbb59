"""Rules that change gradients before a step: one file each."""

from skreg.gradients._base import GradientRule
from skreg.gradients._clipping import ClipByNorm

__all__ = ["ClipByNorm", "GradientRule"]

"""Rules that change gradients before a step: one file each."""

from skreg.gradients._base import GradientRule

__all__ = ["GradientRule"]

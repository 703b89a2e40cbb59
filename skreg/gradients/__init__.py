"""Gradient rules, which change the gradient before a step: one in each file.

A new rule derives from :class:`GradientRule`; :doc:`/extending/adding_an_axis` shows how it becomes a parameter. Rules
know neither networks nor solvers; the engine and the estimators import them.
"""

from skreg.gradients._base import GradientRule
from skreg.gradients._clipping import ClipByNorm

__all__ = ["ClipByNorm", "GradientRule"]

"""Averages of the weights over training steps: one in each file.

The parameter `averaging` of the estimators takes an object of this module, or the name of one. A new average derives
from :class:`Averaging`; see :doc:`/extending/adding_an_axis`. Averages know the network; the engine and the estimators
import them.
"""

from skreg.averaging._base import Averaging
from skreg.averaging._ema import EMA

__all__ = ["EMA", "Averaging"]

"""Constraints on the weights: sets onto which every training step projects.

A constraint restricts the weight matrices of a network, never biases or normalization parameters. Pass a string for all
matrices, one of these objects, or a list with one of either (or None) for each weight matrix, the output layer's last.

One file each. A new constraint derives from :class:`Constraint` and has the projection onto its set (`project`) and the
minimizer of a penalty's proximal problem over that set (`prox`); its name goes into `_resolve.py`. Constraints
import penalties; solvers, the engine and the estimators import constraints.
"""

from skreg.constraints._base import Constraint
from skreg.constraints._max_norm import MaxNorm
from skreg.constraints._nonnegative import Nonnegative

__all__ = ["Constraint", "MaxNorm", "Nonnegative"]

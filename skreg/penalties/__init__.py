r"""Penalties on the weights: terms that are added to the loss, with their proximal operators.

A penalty adds :math:`\sum_l \alpha_l\,\Omega(W_l)` to the mean loss. It acts on the weight matrices
:math:`W_1, \dots, W_L` and never on biases or normalization parameters. The strength :math:`\alpha` multiplies
:math:`\Omega` once: it depends neither on the number of rows nor on the batch size, the solver or the learning
rate.

Pass a string for the common case (``penalty="l1", alpha=1e-3``) or one of these objects
(``penalty=L1(alpha=1e-3)``), whose parameters can be swept as ``penalty__alpha``.

A family a file. A new penalty derives from :class:`Penalty` and has a `value` and a `prox`; see
:doc:`/extending/adding_a_penalty`. Its string, if it has one, stands in `_resolve.py`. Penalties import the formulas of
:mod:`skreg.proximal`; constraints, solvers, the engine and the estimators import penalties.
"""

from skreg.penalties._base import Penalty
from skreg.penalties._coordinate import L1, L2, MCP, SCAD, ElasticNet
from skreg.penalties._groups import GroupLasso, SparseGroupLasso
from skreg.penalties._hierarchical import Hierarchical
from skreg.penalties._selecting import WeightedL1

__all__ = [
    "L1",
    "L2",
    "MCP",
    "SCAD",
    "ElasticNet",
    "GroupLasso",
    "Hierarchical",
    "Penalty",
    "SparseGroupLasso",
    "WeightedL1",
]

"""Solvers, one file each, and the schedules of their learning rates.

A new solver is a class of settings, derived from ``Solver``, and the optimizer that its ``make`` returns: a
``FlatOptimizer``, which works on one flat buffer of all members and ends a step with the proximal step of a
``Regularization``, that is penalties and constraints, in its own metric. It knows networks, penalties and
constraints, but neither rows nor losses; the engine and the estimators import solvers.
"""

from skreg.solvers._adam import Adam, ProximalAdam
from skreg.solvers._base import Solver
from skreg.solvers._flat import FlatOptimizer
from skreg.solvers._lbfgs import LBFGS
from skreg.solvers._regularization import Regularization
from skreg.solvers._schedules import Schedule
from skreg.solvers._sgd import SGD, ProximalSGD

__all__ = [
    "LBFGS",
    "SGD",
    "Adam",
    "FlatOptimizer",
    "ProximalAdam",
    "ProximalSGD",
    "Regularization",
    "Schedule",
    "Solver",
]

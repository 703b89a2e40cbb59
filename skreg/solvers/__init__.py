"""Solvers: how weights move, one file each, and the schedules of their learning rates."""

from skreg.solvers._adam import Adam, ProximalAdam
from skreg.solvers._base import Solver
from skreg.solvers._flat import FlatOptimizer, Regularization
from skreg.solvers._lbfgs import LBFGS
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

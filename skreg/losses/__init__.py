"""Losses of the network's outputs, row by row; one family a file.

A new loss derives from ``Loss``: its value and gradient for every row, the best constant outputs, a link and a score,
all with a leading member axis. Its name goes into `_resolve.py`. Rules that change targets before training stand in
`_targets.py`, formulas of mean predictions in `_members.py`. Losses know no network; what trains or measures networks
imports them.
"""

from skreg.losses._base import Loss, weighted_sum
from skreg.losses._classification import LogisticLogLoss, SoftmaxLogLoss
from skreg.losses._counts import Gamma, Poisson
from skreg.losses._custom import CustomLoss
from skreg.losses._quantile import Quantile
from skreg.losses._regression import AbsoluteError, HalfSquaredError, Huber
from skreg.losses._resolve import CLASSIFICATION_LOSSES, REGRESSION_LOSSES, classification_loss, regression_loss
from skreg.losses._targets import LabelSmoothing, changed_targets

__all__ = [
    "CLASSIFICATION_LOSSES",
    "REGRESSION_LOSSES",
    "AbsoluteError",
    "CustomLoss",
    "Gamma",
    "HalfSquaredError",
    "Huber",
    "LabelSmoothing",
    "LogisticLogLoss",
    "Loss",
    "Poisson",
    "Quantile",
    "SoftmaxLogLoss",
    "changed_targets",
    "classification_loss",
    "regression_loss",
    "weighted_sum",
]

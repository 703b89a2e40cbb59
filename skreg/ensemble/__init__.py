"""Ensembles of estimators that are fitted together, and whose predictions are averaged.

`_folds` and `_deep` say on which rows and from which seeds each member is fitted, `_members` prepares the fits, `_base`
has what all ensembles have in common, `_classifier` and `_regressor` the predictions. From `_held_out`, the predictions
of unseen rows, follow `_calibration` of probabilities and `_conformal` intervals and sets, for which `_draws` draws a
fold for each row. Members that share weights are one network in training (`_shared`), and an estimator that stands for
all of them until then (`_shared_networks`). A new kind of ensemble is a mixin with a method ``_plan`` beside
`FoldMembers` and `DeepMembers`. :mod:`skreg.inspection` imports this folder.
"""

from skreg.ensemble._deep import DeepEnsembleClassifier, DeepEnsembleRegressor
from skreg.ensemble._folds import FoldEnsembleClassifier, FoldEnsembleRegressor

__all__ = [
    "DeepEnsembleClassifier",
    "DeepEnsembleRegressor",
    "FoldEnsembleClassifier",
    "FoldEnsembleRegressor",
]

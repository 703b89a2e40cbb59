"""Estimators to start with: a table as it is goes in, and no parameter is needed.

`_members` says which networks are trained, `_blend` fits several networks to the same rows, `_weights` chooses how much
each counts, and `_folds` does so on the rows that folds hold out. `_base`, `_classifier` and `_regressor` are the
estimators around them, and `_summary` what they tell in words.
"""

from skreg.tabular._classifier import TabularMLPClassifier
from skreg.tabular._regressor import TabularMLPRegressor

__all__ = ["TabularMLPClassifier", "TabularMLPRegressor"]

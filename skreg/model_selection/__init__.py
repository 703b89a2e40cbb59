"""Model selection: searches and cross-validation that train networks together, and regularization paths.

:mod:`skreg.inspection` alone imports this folder, and :mod:`skreg` the names that it exports. A new function of
scikit-learn's is a subclass or a function of the same name and signature, which lets scikit-learn do its work on fits
that were trained together before (`_batched_fits.py`).
"""

from skreg.model_selection._alphas import alpha_max
from skreg.model_selection._cv import RegularizedMLPClassifierCV, RegularizedMLPRegressorCV
from skreg.model_selection._display import RegularizationPathDisplay
from skreg.model_selection._path import RegularizationPath, regularization_path
from skreg.model_selection._search import GridSearchCV, RandomizedSearchCV
from skreg.model_selection._validation import (
    cross_val_predict,
    cross_val_score,
    cross_validate,
    learning_curve,
    validation_curve,
)

__all__ = [
    "GridSearchCV",
    "RandomizedSearchCV",
    "RegularizationPath",
    "RegularizationPathDisplay",
    "RegularizedMLPClassifierCV",
    "RegularizedMLPRegressorCV",
    "alpha_max",
    "cross_val_predict",
    "cross_val_score",
    "cross_validate",
    "learning_curve",
    "regularization_path",
    "validation_curve",
]

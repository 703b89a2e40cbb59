"""Choosing the strength of a penalty: regularization paths and estimators with built-in cross-validation."""

from skreg.model_selection._alphas import alpha_max
from skreg.model_selection._cv import RegularizedMLPClassifierCV, RegularizedMLPRegressorCV
from skreg.model_selection._display import RegularizationPathDisplay
from skreg.model_selection._path import RegularizationPath, regularization_path

__all__ = [
    "RegularizationPath",
    "RegularizationPathDisplay",
    "RegularizedMLPClassifierCV",
    "RegularizedMLPRegressorCV",
    "alpha_max",
    "regularization_path",
]

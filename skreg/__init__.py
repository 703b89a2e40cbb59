"""skreg: scikit-learn estimators for regularized neural networks."""

from skreg._version import __version__
from skreg.classifier import RegularizedMLPClassifier
from skreg.regressor import RegularizedMLPRegressor

__all__ = ["RegularizedMLPClassifier", "RegularizedMLPRegressor", "__version__"]

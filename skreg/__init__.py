"""skreg: scikit-learn estimators for regularized neural networks."""

from importlib import import_module

from skreg._version import __version__
from skreg._warnings import AdviceWarning
from skreg.classifier import RegularizedMLPClassifier
from skreg.pipeline import TablePipeline, table_pipeline
from skreg.presets import preset_classifier, preset_regressor
from skreg.regressor import RegularizedMLPRegressor

__all__ = [
    "AdviceWarning",
    "RegularizedMLPClassifier",
    "RegularizedMLPClassifierCV",
    "RegularizedMLPRegressor",
    "RegularizedMLPRegressorCV",
    "TablePipeline",
    "TabularMLPClassifier",
    "TabularMLPRegressor",
    "__version__",
    "preset_classifier",
    "preset_regressor",
    "table_pipeline",
]


def __getattr__(name):
    # Imported on demand: their modules would add a tenth of a second to every import of skreg.
    if name in __all__:
        package = "skreg.tabular" if name.startswith("Tabular") else "skreg.model_selection"
        return getattr(import_module(package), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__():
    return sorted({*globals(), *__all__})

"""Comparisons of regularizers, and displays of what regularization does.

Nothing imports this folder. A new display is a file of its own: a class with `from_estimator` (or another constructor),
`frame`, which returns the numbers, and `plot`, which draws them and sets `ax_` and `figure_`. Measures of a comparison
are in `_measures.py`, the sentences of its summary in `_verdict.py`.
"""

from skreg.inspection._columns import ColumnImportanceDisplay
from skreg.inspection._compare import compare_regularizers
from skreg.inspection._comparison import RegularizerComparison
from skreg.inspection._differences import ComparisonDisplay
from skreg.inspection._ensembles import CoverageDisplay, MemberSpreadDisplay
from skreg.inspection._features import FeatureSelectionDisplay
from skreg.inspection._gap import GeneralizationGapDisplay
from skreg.inspection._geometry import PenaltyGeometryDisplay
from skreg.inspection._history import TrainingHistoryDisplay
from skreg.inspection._metrics import calibration_error
from skreg.inspection._regularizers import default_regularizers
from skreg.inspection._significance import corrected_ttest
from skreg.inspection._weights import WeightDistributionDisplay

__all__ = [
    "ColumnImportanceDisplay",
    "ComparisonDisplay",
    "CoverageDisplay",
    "FeatureSelectionDisplay",
    "GeneralizationGapDisplay",
    "MemberSpreadDisplay",
    "PenaltyGeometryDisplay",
    "RegularizerComparison",
    "TrainingHistoryDisplay",
    "WeightDistributionDisplay",
    "calibration_error",
    "compare_regularizers",
    "corrected_ttest",
    "default_regularizers",
]

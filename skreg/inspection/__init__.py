"""Which regularization generalizes best, and why: comparisons and displays."""

from skreg.inspection._compare import compare_regularizers
from skreg.inspection._comparison import RegularizerComparison
from skreg.inspection._differences import ComparisonDisplay
from skreg.inspection._features import FeatureSelectionDisplay
from skreg.inspection._gap import GeneralizationGapDisplay
from skreg.inspection._geometry import PenaltyGeometryDisplay
from skreg.inspection._history import TrainingHistoryDisplay
from skreg.inspection._metrics import calibration_error
from skreg.inspection._regularizers import default_regularizers
from skreg.inspection._significance import corrected_ttest
from skreg.inspection._weights import WeightDistributionDisplay

__all__ = [
    "ComparisonDisplay",
    "FeatureSelectionDisplay",
    "GeneralizationGapDisplay",
    "PenaltyGeometryDisplay",
    "RegularizerComparison",
    "TrainingHistoryDisplay",
    "WeightDistributionDisplay",
    "calibration_error",
    "compare_regularizers",
    "corrected_ttest",
    "default_regularizers",
]

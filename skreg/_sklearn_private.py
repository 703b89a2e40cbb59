"""The only place that imports private names of scikit-learn.

Everything here is used by scikit-learn's own estimators but is not part of its public interface, so a new
release of scikit-learn can move it. Keeping the imports together makes such a move a one-line change.
"""

import numpy as np
from sklearn.base import _fit_context as fit_context
from sklearn.calibration import _SigmoidCalibration as SigmoidCalibration
from sklearn.model_selection._validation import _check_groups_routing_disabled as check_groups_routing_disabled
from sklearn.model_selection._validation import _translate_train_sizes as translate_train_sizes
from sklearn.utils import _safe_indexing as safe_indexing
from sklearn.utils._param_validation import (
    HasMethods,
    Hidden,
    Options,
    StrOptions,
    validate_parameter_constraints,
    validate_params,
)
from sklearn.utils._param_validation import Interval as IntervalWithBools
from sklearn.utils._set_output import _get_output_config
from sklearn.utils.metaestimators import _safe_split as safe_split
from sklearn.utils.multiclass import _check_partial_fit_first_call as check_partial_fit_first_call
from sklearn.utils.parallel import _get_threadpool_controller as threadpool_controller
from sklearn.utils.validation import _check_feature_names_in as feature_names_checked
from sklearn.utils.validation import _check_method_params as check_method_params
from sklearn.utils.validation import _check_sample_weight as check_sample_weight
from sklearn.utils.validation import _num_samples as num_samples

from skreg._numbers import is_number


class Interval(IntervalWithBools):
    """Numbers within bounds that a float can hold; True and False, which Python counts as integers, are none."""

    def is_satisfied_by(self, val):
        """Return whether a value is such a number."""
        # Of fractions and the like NumPy, which scikit-learn asks, cannot tell whether they are NaN.
        return is_number(val) and isinstance(val, int | float | np.number) and super().is_satisfied_by(val)


def check_parameters(axis_object) -> None:
    """Raise if a parameter of a penalty or a constraint is not allowed."""
    validate_parameter_constraints(
        axis_object._parameter_constraints,
        axis_object.get_params(deep=False),
        caller_name=type(axis_object).__name__,
    )


def output_container(transformer) -> str:
    """Return what a transformer is to return: "default", "pandas" or "polars"."""
    return _get_output_config("transform", transformer)["dense"]


def validated_like(function):
    """Return a decorator that checks arguments as a function of scikit-learn with the same parameters does."""
    return validate_params(function._skl_parameter_constraints, prefer_skip_nested_validation=False)


__all__ = [
    "HasMethods",
    "Hidden",
    "Interval",
    "Options",
    "SigmoidCalibration",
    "StrOptions",
    "check_groups_routing_disabled",
    "check_method_params",
    "check_parameters",
    "check_partial_fit_first_call",
    "check_sample_weight",
    "feature_names_checked",
    "fit_context",
    "num_samples",
    "output_container",
    "safe_indexing",
    "safe_split",
    "threadpool_controller",
    "translate_train_sizes",
    "validate_parameter_constraints",
    "validate_params",
    "validated_like",
]

"""Checks of data that several estimators share."""

import copy
from dataclasses import replace

from skreg._estimator.advice import advice_on_scale
from skreg._estimator.attributes import data_attributes
from skreg._estimator.data import Table, learnable_data
from skreg._hashing import content_hash


class SharedChecks:
    """Results of the checks of some rows, shared by the estimators that make the same checks.

    The rows must not be written into while they are shared.
    """

    def __init__(self):
        self._known: dict[tuple, tuple] = {}

    def __deepcopy__(self, memo):
        """Return itself: clones of an estimator share the results."""
        return self

    def learnable_data(self, estimator, X, y, sample_weight) -> tuple[Table, list[str]]:
        """Return the checked rows of a fit, and warnings about their scale.

        The estimator gets the attributes of the checks.
        """
        parameters = content_hash([getattr(estimator, name) for name in estimator._data_parameters])
        key = (id(X), id(y), id(sample_weight), type(estimator), parameters)
        if parameters is None or key not in self._known:
            table = learnable_data(estimator, X, y, sample_weight)
            # The data are stored with the results, so that no other object gets their ids.
            found = (table, advice_on_scale(estimator, table), data_attributes(estimator), (X, y, sample_weight))
            if parameters is None:
                return found[:2]
            self._known[key] = found
        table, advice, attributes, _ = self._known[key]
        vars(estimator).update(copy.deepcopy(attributes))
        return replace(table), advice

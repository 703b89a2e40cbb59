"""Checks of data that several estimators share."""

import copy
from collections.abc import Sequence
from dataclasses import replace
from functools import partial

import numpy as np

from skreg._estimator.advice import advice_on_data, validation_messages
from skreg._estimator.attributes import data_attributes
from skreg._estimator.data import Table, check_data, check_validation_data, learnable, learnable_data
from skreg._hashing import content_hash
from skreg._warnings import Message


class SharedChecks:
    """Results of the checks of some rows, shared by the estimators that make the same checks.

    The rows must not be written into while they are shared.

    Parameters
    ----------
    warm_starts : bool, default=False
        Whether fits that go on from fitted weights share the results, too: all of these have been fitted to the same
        rows.
    """

    def __init__(self, *, warm_starts: bool = False):
        self.warm_starts = warm_starts
        self._known: dict[tuple, tuple] = {}

    def __deepcopy__(self, memo):
        """Return itself: clones of an estimator share the results."""
        return self

    def learnable_data(self, estimator, X, y, sample_weight) -> tuple[Table, Sequence[str]]:
        """Return the checked rows of a fit, and warnings about their scale.

        The estimator gets the attributes of the checks.
        """
        parameters = _data_parameters(estimator)
        key = (id(X), id(y), id(sample_weight), type(estimator), parameters)
        if parameters is None or key not in self._known:
            table, advice = self._checked(estimator, X, y, sample_weight)
            # The data are stored with the results, so that no other object gets their ids.
            found = (table, advice, data_attributes(estimator), (X, y, sample_weight))
            if parameters is None:
                return found[:2]
            self._known[key] = found
        table, advice, attributes, _ = self._known[key]
        vars(estimator).update(copy.deepcopy(attributes))
        return replace(table), advice

    def _checked(self, estimator, X, y, sample_weight) -> tuple[Table, Sequence[str]]:
        table = learnable_data(estimator, X, y, sample_weight)
        return table, advice_on_data(estimator, table)

    def validation_data(self, estimator, table: Table, X_val, y_val, sample_weight_val, groups):
        """Return checked rows to validate on, None if there are none, and warnings of differences from training rows.

        Parameters
        ----------
        estimator : BaseRegularizedMLP
            The estimator, with the attributes of the checks of its training rows.
        table : Table
            The training rows.
        X_val, y_val, sample_weight_val, groups : array-like or None
            The arguments of `fit`.

        Returns
        -------
        valid_table : Table or None
            The rows.
        messages : list
            Warnings.
        """
        n_targets = table.targets.shape[1]
        valid_table = check_validation_data(estimator, X_val, y_val, sample_weight_val, groups, n_targets)
        # Held-out rows of a fold have been transformed like the others; those of other groups may differ.
        is_compared = valid_table is not None and not estimator._stops_on_held_out_rows
        messages: list[Message] = validation_messages(estimator, table, valid_table) if is_compared else []
        return valid_table, messages


class CheckedWhole(SharedChecks):
    """Checks of rows as a whole, of which several estimators of one kind get parts that need no checks of their own.

    Parameters
    ----------
    estimator : BaseRegularizedMLP
        An estimator like those that get the parts. It gets the attributes of the checks.
    X, y, sample_weight : array-like
        All rows, their targets and weights, as for `fit`.

    Raises
    ------
    ValueError
        If these rows do not allow a fit.
    """

    def __init__(self, estimator, X, y, sample_weight):
        super().__init__()
        encode = partial(estimator._encode_targets, keep_classes=False)
        self._whole = check_data(estimator, X, y, sample_weight, reset=True, encode=encode)
        self._advice = advice_on_data(estimator, learnable(estimator, replace(self._whole)))
        self._example, self._attributes = estimator, data_attributes(estimator)
        self._parameters = _data_parameters(estimator)
        self._rows: dict[tuple[int, int], tuple] = {}

    def add(self, X, y, rows: np.ndarray) -> None:
        """Register a part, X and y, as some rows of the whole."""
        self._rows[id(X), id(y)] = rows, X, y

    def _part(self, estimator, X, y, sample_weight) -> Table | None:
        """Return some rows as a part of the whole; None if they are none, or an estimator makes other checks.

        Those without a positive weight are none: they are for the checks to complain of.
        """
        rows, *_ = self._rows.get((id(X), id(y)), (None,))
        if rows is None or self._parameters is None or _data_parameters(estimator) != self._parameters:
            return None
        part = self._whole.part(rows, X, y)
        weights = (sample_weight, part.sample_weight)
        same = weights[0] is weights[1] if any(weight is None for weight in weights) else np.array_equal(*weights)
        return part if same and (part.weight is None or part.weight.any()) else None

    def _checked(self, estimator, X, y, sample_weight):
        part = self._part(estimator, X, y, sample_weight)
        if part is None or not self._has_all_classes(part):
            return super()._checked(estimator, X, y, sample_weight)
        vars(estimator).update(copy.deepcopy(self._attributes))
        return learnable(estimator, part), self._advice

    def _has_all_classes(self, part: Table) -> bool:
        codes = self._example._strata(part.targets)
        return codes is None or len(np.unique(codes)) == len(self._example.classes_)

    def validation_data(self, estimator, table, X_val, y_val, sample_weight_val, groups):
        part = None if groups is not None else self._part(estimator, X_val, y_val, sample_weight_val)
        classes = [getattr(one, "classes_", ()) for one in (estimator, self._example)]
        if part is None or not np.array_equal(*classes):
            return super().validation_data(estimator, table, X_val, y_val, sample_weight_val, groups)
        part.targets = estimator._encode_known(y_val, part.sample_weight)
        return part, []


def _data_parameters(estimator) -> str | None:
    """Return a hash of the class of an estimator and of the parameters that the checks of data depend on.

    None if there is no hash of one of them.
    """
    values = [getattr(estimator, name) for name in estimator._data_parameters]
    return content_hash([type(estimator).__qualname__, *values])

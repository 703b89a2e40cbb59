"""Groups of rows as metadata of `fit`, for early stopping."""

import numpy as np
import pandas as pd
import scipy.sparse
from sklearn.utils import check_consistent_length

from skreg._estimator.data import as_numpy
from skreg.stopping import Following, RowStructure, takes_groups


def group_of_rows(groups, n_rows: int) -> np.ndarray | None:
    """Return the group of each row as an array; None if there are no groups.

    Raises
    ------
    ValueError
        If they are not one for each row, or if some are missing.
    """
    if groups is None:
        return None
    try:
        labels = None if scipy.sparse.issparse(groups) else np.asarray(as_numpy(groups, "groups"))
    except (ValueError, TypeError):  # of several lengths
        labels = None
    if labels is None or labels.ndim != 1:
        raise ValueError(f"groups must hold the group of each of the {n_rows} rows; got {groups!r}.")
    check_consistent_length(np.empty(n_rows), labels)
    if pd.isna(labels).any():
        raise ValueError("groups must hold the group of each row; got missing values.")
    return labels


class GroupsMixin:
    """Metadata routing of estimators whose `fit` takes groups if its splitters need them."""

    def _stopping_rule(self) -> tuple[object, RowStructure]:
        """Return the user's `early_stopping`, and the structure of the rows from a cross-validation around the fit."""
        rule = self.early_stopping
        return (rule.early_stopping, rule.structure) if isinstance(rule, Following) else (rule, RowStructure())

    @property
    def _stops_on_held_out_rows(self) -> bool:
        """Whether early stopping takes the rows that a cross-validation around the fit holds out."""
        return isinstance(self.early_stopping, Following) and self.early_stopping.on_held_out_rows

    @property
    def _wants_groups(self) -> bool:
        """Whether `fit` uses groups."""
        rule, _ = self._stopping_rule()
        return takes_groups(rule) or (isinstance(rule, bool | np.bool_) and bool(rule))

    def get_metadata_routing(self):
        """Return the metadata requests of the methods.

        With early stopping, or a splitter that asks for groups, `fit` takes groups if there are any, unless a request
        has been set.

        Returns
        -------
        MetadataRequest
            Requests of every method.
        """
        routing = super().get_metadata_routing()
        if self._wants_groups and routing.fit.requests.get("groups") is None:
            routing.fit.add_request(param="groups", alias=True)
        return routing

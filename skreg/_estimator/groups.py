"""Groups of rows as metadata of `fit`, for early stopping."""

import numpy as np

from skreg.stopping import Following, RowStructure, takes_groups


class GroupsMixin:
    """Metadata routing of estimators whose `fit` takes groups if its splitters need them."""

    def _stopping_rule(self) -> tuple[object, RowStructure]:
        """Return the user's `early_stopping`, and the structure of the rows from a cross-validation around the fit."""
        rule = self.early_stopping
        return (rule.early_stopping, rule.structure) if isinstance(rule, Following) else (rule, RowStructure())

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

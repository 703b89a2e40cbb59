"""Networks that share weights as one estimator, so that pipelines can fit them."""

import copy
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import ClassVar

from sklearn.base import BaseEstimator
from sklearn.exceptions import NotFittedError

from skreg._composition import last_of, opened, with_last
from skreg._estimator.prepare import PendingFit
from skreg._warnings import Message, give_warnings
from skreg.engine.spec import FitResult
from skreg.ensemble._members import Plan
from skreg.ensemble._shared import finish_shared, prepare_shared
from skreg.model_selection._deferred import FittedTogether, PendingFits
from skreg.stopping import following


@dataclass
class PendingShared(PendingFits):
    """The fit of networks that share weights, prepared but not trained."""

    estimator: "SharedNetworks"
    pending: PendingFit

    @property
    def fits(self) -> list[PendingFit]:
        """The fit."""
        return [self.pending]

    def finish(self, results: Sequence[FitResult]) -> list[Message]:
        """Set the members from the result of the fit, and return the warnings."""
        members, messages = finish_shared(self.pending, *results)
        for member in members:  # whose early stopping followed the rows of this fit
            member.early_stopping = self.estimator.network.early_stopping
        self.estimator.members_ = members
        return messages


class SharedNetworks(FittedTogether, BaseEstimator):
    """Substitute for a network while the estimators around it are fitted, of which several members are made.

    Parameters
    ----------
    network : BaseRegularizedMLP
        The network.
    n_members : int, default=8
        Number of members.

    Attributes
    ----------
    members_ : list of BaseRegularizedMLP
        The fitted members.
    """

    # The ensemble has checked the parameters.
    _parameter_constraints: ClassVar[dict] = {}

    def __init__(self, network=None, n_members=8):
        self.network = network
        self.n_members = n_members

    def fit(self, X, y, sample_weight=None, *, groups=None):
        """Fit the members."""
        self._fit_alone(X, y, sample_weight, groups=groups, warn=give_warnings)
        return self

    def _trains_together(self):
        return True

    def _prepare(self, X, y, sample_weight=None, *, groups=None, structure, messages, stopped=None):
        self.network._validate_params()
        options = {"n_members": self.n_members, "messages": messages, "groups": groups}
        with following(lambda: [self.network], structure):
            return PendingShared(self, prepare_shared(self.network, X, y, sample_weight, **options))

    def predict(self, X):
        """Raise NotFittedError: the members predict, each in a copy of the estimator around it."""
        raise NotFittedError("The members predict.")


def with_shared_weights(estimator, n_members: int):
    """Return an estimator with substitutes in place of its network, of which several members are made."""
    return with_last(estimator, lambda network: SharedNetworks(network, n_members))


def member_plans(plan: Plan) -> list[Plan]:
    """Return the plans of the members that a fit has made: of networks that share weights one for each of them."""
    *_, fitted = opened(plan.estimator)
    if not isinstance(last_of(plan.estimator), SharedNetworks):
        return [plan]
    members, fitted.members_ = fitted.members_, None  # which copies are not to have

    def replaced(shared: SharedNetworks, member):
        # The regressor of a transformation of the target is a part beside its fitted copy.
        return member if hasattr(shared, "members_") else shared.network

    return [
        Plan(with_last(copy.deepcopy(plan.estimator), partial(replaced, member=member)), plan.train, plan.held_out)
        for member in members
    ]

"""Several networks that are fitted to the same rows, and predict together."""

import copy
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from sklearn.base import BaseEstimator, clone, is_classifier
from sklearn.utils import get_tags
from sklearn.utils.validation import validate_data

from skreg._estimator.attributes import copy_attributes
from skreg._estimator.base import BaseRegularizedMLP
from skreg._estimator.data import as_numpy
from skreg._estimator.prepare import PendingFit, finish, prepare
from skreg._estimator.shared_checks import SharedChecks
from skreg._seeds import SEED_LIMIT, random_numbers
from skreg._warnings import Message, give_warnings
from skreg.compose import quantile_levels
from skreg.engine.spec import FitResult
from skreg.model_selection._deferred import FittedTogether, PendingFits, keeps_warnings
from skreg.stopping import following
from skreg.tabular._inputs import (
    Inputs,
    SharedInputs,
    importances_of,
    network_of,
    selected_by,
    transformers_of,
    with_network,
    without_padding,
)

# Attributes of the data that estimators have from the networks in them.
OF_DATA = ("n_features_in_", "feature_names_in_", "classes_")


def shares(importances: np.ndarray) -> np.ndarray:
    """Return importances that sum to 1, unless all are 0."""
    return importances / max(importances.sum(), np.finfo(importances.dtype).tiny)


def can_be_blended(network: BaseRegularizedMLP) -> bool:
    """Return whether a network can be trained in a population, and its predictions averaged."""
    return keeps_warnings(network) and network._can_be_a_member(None, None) and quantile_levels(network) is None


def normalized(probabilities: np.ndarray, multilabel: bool) -> np.ndarray:
    """Return probabilities in double precision, those of the classes of a row with a sum of 1."""
    probabilities = np.asarray(probabilities, dtype=np.float64)
    return probabilities if multilabel else probabilities / probabilities.sum(axis=1, keepdims=True)


def weighted_mean(values: Mapping[str, np.ndarray], weights: Mapping[str, float]) -> np.ndarray:
    """Return the weighted mean of arrays by name, in double precision; those of weight 0 are left out."""
    used = [(weights[name], own) for name, own in values.items() if weights[name] > 0]
    return sum(weight * np.asarray(own, dtype=np.float64) for weight, own in used)


@dataclass
class PendingMember:
    """A member of a blend whose network is prepared but not trained.

    Attributes
    ----------
    member : estimator
        The network, or a pipeline of transformers and the network.
    fit : PendingFit
        The fit of the network.
    inputs : Inputs
        What it is fitted to.
    """

    member: object
    fit: PendingFit
    inputs: Inputs

    def finish(self, result: FitResult) -> list[Message]:
        """Set the fitted attributes, and return the warnings."""
        messages = finish(self.fit, result)
        without_padding(self.fit.estimator, self.inputs.n_features)
        return messages


@dataclass
class PendingBlend(PendingFits):
    """The fits of the networks of a blend, prepared but not trained."""

    blend: "Blend"
    pending: dict[str, PendingMember]

    @property
    def fits(self) -> list[PendingFit]:
        """The fits."""
        return [member.fit for member in self.pending.values()]

    def finish(self, results: Sequence[FitResult]) -> list[Message]:
        """Set the fitted networks, but for those whose training has failed, and return the warnings."""
        messages: list[Message] = []
        self.blend.networks_, self.blend.failures_, errors = {}, {}, []
        for (name, pending), result in zip(self.pending.items(), results, strict=True):
            try:
                messages += pending.finish(result)
            except Exception as error:  # of training that has diverged, for instance: the others go on
                self.blend.failures_[name] = f"{type(error).__name__}: {error}"
                errors.append(error)
            else:
                self.blend.networks_[name] = pending.member
        if not self.blend.networks_:
            raise errors[0]
        copy_attributes(network_of(next(iter(self.blend.networks_.values()))), self.blend, ["classes_"])
        self.blend.weights_ = dict.fromkeys(self.blend.networks_, 1 / len(self.blend.networks_))
        return messages


class Blend(FittedTogether, BaseEstimator):
    """Networks that are fitted to the same rows, and whose predictions are averaged with weights.

    Parameters
    ----------
    networks : list of (str, estimator)
        Names and networks of skreg, or pipelines of transformers and such a network; all classifiers or all regressors.
    random_state : int, RandomState instance or None, default=None
        Seed from which the networks and the transformers before them get theirs.
    widths : dict of str to int or None, default=None
        Number of features that a network is trained with: inputs that have fewer get columns of zeros, which the fitted
        network does not have. Networks of folds whose encoders have not made the same features can then be trained
        together.

    Attributes
    ----------
    networks_ : dict of str to estimator
        The fitted networks, or pipelines, without those that have failed.
    failures_ : dict of str to str
        Errors of those that have failed.
    weights_ : dict of str to float
        Weight of each fitted network; they sum to 1. Equal at first.
    """

    # The estimator around it has checked the parameters.
    _parameter_constraints: ClassVar[dict] = {}
    # Weights are for it, also with metadata routing: the pipeline around it is not the user's, who could ask for them.
    __metadata_request__fit: ClassVar[dict] = {"sample_weight": True}

    def __init__(self, networks=(), random_state=None, widths=None):
        self.networks = networks
        self.random_state = random_state
        self.widths = widths

    def __sklearn_tags__(self):
        return get_tags(network_of(self.networks[0][1]))

    @property
    def stopped_networks(self) -> list:
        """The networks that stop early."""
        return [network for network in self._last_parts() if network.early_stopping]

    def _last_parts(self) -> list:
        return [network_of(member) for _, member in self.networks]

    def fit(self, X, y, sample_weight=None, *, X_val=None, y_val=None, sample_weight_val=None, groups=None):
        """Fit the networks, with rows of the user's own to stop on."""
        validation = {"X_val": X_val, "y_val": y_val, "sample_weight_val": sample_weight_val}
        self._fit_alone(X, y, sample_weight, groups=groups, warn=give_warnings, **validation)
        return self

    def _trains_together(self):
        return all(network._can_be_a_member(None, None) for network in self._last_parts())

    def _prepare(
        self, X, y, sample_weight=None, *, groups=None, structure, messages, stopped=None, X_val=None, **validation
    ):
        random, checks, pending = random_numbers(self.random_state), SharedChecks(), {}
        y, seeds = as_numpy(y, "y"), [int(random.randint(SEED_LIMIT)) for _ in self.networks]
        shared = SharedInputs(X, y, X_val, self.widths or {}, random)
        for (name, given), seed in zip(self.networks, seeds, strict=True):
            member = clone(given)
            network = network_of(member).set_params(random_state=seed)
            network._validate_params()
            inputs = shared.of(name, member)
            if member is not network:
                names = [step_name for step_name, _ in transformers_of(member)]
                member.steps[:-1] = zip(names, inputs.transformers, strict=True)
            weight = network._as_weights(sample_weight, inputs.X)
            rows = {"X_val": inputs.X_val, **validation} if network.early_stopping else {}
            options = {"groups": groups, "checks": checks, "messages": messages}
            with following(lambda network=network: [network], structure, on_held_out_rows=X_val is not None):
                fit = prepare(network, inputs.X, y, weight, **options, **rows)
            pending[name] = PendingMember(member, fit, inputs)
        validate_data(self, X, skip_check_array=True)  # for the number of features and their names
        return PendingBlend(self, pending)

    def predict(self, X):
        """Return the weighted mean of the predictions, or the labels of the largest mean probabilities."""
        if not is_classifier(self):
            return self._mean(lambda network: network.predict(X))
        probabilities = self.predict_proba(X)
        if self._multilabel:
            return (probabilities > 0.5).astype(int)
        return self.classes_[probabilities.argmax(axis=1)]

    def predict_proba(self, X):
        """Return the weighted mean of the probabilities."""
        return normalized(self._mean(lambda network: network.predict_proba(X)), self._multilabel)

    @property
    def feature_importances_(self) -> np.ndarray:
        """Weighted mean of the networks' importances, each of which sums to 1."""
        return self._mean(lambda member: shares(importances_of(member, self.n_features_in_)))

    @property
    def selected_features_(self) -> np.ndarray:
        """Features that a network with positive weight uses, as indices, or as names after a fit on a frame."""
        used = [selected_by(member, self.n_features_in_) for member in self._used.values()]
        names = getattr(self, "feature_names_in_", np.arange(self.n_features_in_))
        return names[np.unique(np.concatenate(used))]

    def prune(self):
        """Return a copy whose networks are pruned."""
        pruned = copy.copy(self)
        pruned.networks_ = {name: with_network(own, network_of(own).prune()) for name, own in self.networks_.items()}
        return pruned

    @property
    def _used(self) -> dict:
        return {name: member for name, member in self.networks_.items() if self.weights_[name] > 0}

    @property
    def _multilabel(self) -> bool:
        return network_of(next(iter(self.networks_.values())))._multilabel

    def _mean(self, of_member: Callable) -> np.ndarray:
        """Return the weighted mean of what a function returns for each member that is used."""
        return weighted_mean({name: of_member(member) for name, member in self._used.items()}, self.weights_)

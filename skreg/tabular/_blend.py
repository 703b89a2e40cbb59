"""Several networks that are fitted to the same rows, and predict together."""

import copy
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from sklearn.base import BaseEstimator, clone, is_classifier
from sklearn.utils import get_tags

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
from skreg.preprocessing._encoded import EncodedTable, source_columns_of
from skreg.stopping import following

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


def padded(X, width: int | None):
    """Return an encoded table with columns of zeros at its end, of which each counts as an original column."""
    n_features = X.shape[1]
    if width is None or width <= n_features or not isinstance(X, np.ndarray):  # as frames are, with set_config
        return X
    zeros = np.zeros((len(X), width - n_features), dtype=X.dtype)
    sources = source_columns_of(X)
    if sources is not None:
        sources = np.append(sources, sources.max() + 1 + np.arange(width - n_features))
    return EncodedTable(np.hstack([np.asarray(X), zeros]), sources)


def without_padding(network, n_features: int):
    """Return a fitted network without its weights of the columns that :func:`padded` has added.

    They have no part in the outputs: what they are multiplied by is zero.
    """
    if n_features < network.n_features_in_:
        network.coefs_[0] = np.ascontiguousarray(network.coefs_[0][:n_features])
        if network.skip_coef_ is not None:
            network.skip_coef_ = np.ascontiguousarray(network.skip_coef_[:n_features])
        network.n_features_in_ = n_features
        network.input_features_ = np.arange(n_features)
        if network.source_columns_ is not None:
            network.source_columns_ = network.source_columns_[:n_features]
    return network


@dataclass
class PendingBlend(PendingFits):
    """The fits of the networks of a blend, prepared but not trained."""

    blend: "Blend"
    pending: dict[str, PendingFit]
    n_features: int

    @property
    def fits(self) -> list[PendingFit]:
        """The fits."""
        return list(self.pending.values())

    def finish(self, results: Sequence[FitResult]) -> list[Message]:
        """Set the fitted networks, but for those whose training has failed, and return the warnings."""
        messages: list[Message] = []
        self.blend.networks_, self.blend.failures_, errors = {}, {}, []
        for (name, pending), result in zip(self.pending.items(), results, strict=True):
            try:
                messages += finish(pending, result)
            except Exception as error:  # of training that has diverged, for instance: the others go on
                self.blend.failures_[name] = f"{type(error).__name__}: {error}"
                errors.append(error)
            else:
                self.blend.networks_[name] = without_padding(pending.estimator, self.n_features)
        if not self.blend.networks_:
            raise errors[0]
        first = next(iter(self.blend.networks_.values()))
        copy_attributes(first, self.blend, OF_DATA)
        self.blend.weights_ = dict.fromkeys(self.blend.networks_, 1 / len(self.blend.networks_))
        return messages


class Blend(FittedTogether, BaseEstimator):
    """Networks that are fitted to the same rows, and whose predictions are averaged with weights.

    Parameters
    ----------
    networks : list of (str, estimator)
        Names and networks of skreg, all classifiers or all regressors.
    random_state : int, RandomState instance or None, default=None
        Seed from which the networks get theirs.
    width : int or None, default=None
        Number of features to train with: inputs that have fewer get columns of zeros, which the fitted networks do not
        have. Networks of folds whose encoders have not made the same features can then be trained together.

    Attributes
    ----------
    networks_ : dict of str to estimator
        The fitted networks, without those that have failed.
    failures_ : dict of str to str
        Errors of those that have failed.
    weights_ : dict of str to float
        Weight of each fitted network; they sum to 1. Equal at first.
    """

    # The estimator around it has checked the parameters.
    _parameter_constraints: ClassVar[dict] = {}
    # Weights are for it, also with metadata routing: the pipeline around it is not the user's, who could ask for them.
    __metadata_request__fit: ClassVar[dict] = {"sample_weight": True}

    def __init__(self, networks=(), random_state=None, width=None):
        self.networks = networks
        self.random_state = random_state
        self.width = width

    def __sklearn_tags__(self):
        return get_tags(self.networks[0][1])

    @property
    def stopped_networks(self) -> list:
        """The networks that stop early."""
        return [network for _, network in self.networks if network.early_stopping]

    def fit(self, X, y, sample_weight=None, *, X_val=None, y_val=None, sample_weight_val=None, groups=None):
        """Fit the networks, with rows of the user's own to stop on."""
        validation = {"X_val": X_val, "y_val": y_val, "sample_weight_val": sample_weight_val}
        self._fit_alone(X, y, sample_weight, groups=groups, warn=give_warnings, **validation)
        return self

    def _trains_together(self):
        return all(network._can_be_a_member(None, None) for _, network in self.networks)

    def _prepare(
        self, X, y, sample_weight=None, *, groups=None, structure, messages, stopped=None, X_val=None, **validation
    ):
        random, checks, pending = random_numbers(self.random_state), SharedChecks(), {}
        y, n_features = as_numpy(y, "y"), np.shape(X)[1]
        X, X_val = (None if rows is None else padded(as_numpy(rows), self.width) for rows in (X, X_val))
        for name, given in self.networks:
            network = clone(given).set_params(random_state=int(random.randint(SEED_LIMIT)))
            network._validate_params()
            weight = network._as_weights(sample_weight, X)
            rows = {"X_val": X_val, **validation} if network.early_stopping else {}
            with following(lambda network=network: [network], structure, on_held_out_rows=X_val is not None):
                pending[name] = prepare(network, X, y, weight, groups=groups, checks=checks, messages=messages, **rows)
        return PendingBlend(self, pending, n_features)

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
        return self._mean(lambda network: shares(network.feature_importances_))

    @property
    def selected_features_(self) -> np.ndarray:
        """Features that a network with positive weight uses, as indices, or as names after a fit on a frame."""
        used = [network.selected_features_ for network in self._used.values()]
        names = getattr(self, "feature_names_in_", np.arange(self.n_features_in_))
        return names[np.isin(names, np.concatenate(used))]

    def prune(self):
        """Return a copy whose networks are pruned."""
        pruned = copy.copy(self)
        pruned.networks_ = {name: network.prune() for name, network in self.networks_.items()}
        return pruned

    @property
    def _used(self) -> dict:
        return {name: network for name, network in self.networks_.items() if self.weights_[name] > 0}

    @property
    def _multilabel(self) -> bool:
        return next(iter(self.networks_.values()))._multilabel

    def _mean(self, of_network: Callable) -> np.ndarray:
        """Return the weighted mean of what a function returns for each network that is used."""
        return weighted_mean({name: of_network(network) for name, network in self._used.items()}, self.weights_)

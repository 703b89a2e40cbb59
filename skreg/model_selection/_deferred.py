"""Deferred fits: networks inside of estimators that are prepared first and trained later, together with others."""

import inspect
from collections.abc import Mapping

import numpy as np
import scipy.sparse
from sklearn.base import BaseEstimator
from sklearn.exceptions import NotFittedError

from skreg._composition import with_last
from skreg._estimator.base import BaseRegularizedMLP
from skreg._estimator.data import as_numpy
from skreg._estimator.fitted import FittedMLP
from skreg._estimator.prepare import PendingFit, prepare
from skreg._estimator.shared_checks import SharedChecks
from skreg._warnings import Message
from skreg.engine.classes import ClassIndicators
from skreg.engine.dataset import Dataset
from skreg.engine.threads import StopSignal

# Number of rows that are compared before two arrays are compared as a whole.
N_SAMPLED = 16


def keeps_warnings(network: FittedMLP) -> bool:
    """Return whether the fit of a network returns its warnings; that of a user's class gives them itself."""
    owner = next(kind for kind in type(network).__mro__ if "fit" in vars(kind))
    return "_fit_alone" in vars(owner)


def prepare_member(
    network: FittedMLP,
    args: tuple,
    params: Mapping | None = None,
    *,
    messages: list[Message],
    checks: SharedChecks | None = None,
    stopped: StopSignal | None = None,
    is_alone: bool = False,
) -> PendingFit | None:
    """Return the pending fit of a network, to be trained together with others; None if it was fitted by itself.

    Parameters
    ----------
    network : FittedMLP
        The network.
    args, params : tuple and mapping
        Arguments of `fit`.
    messages : list
        Its warnings are appended to this list.
    checks : SharedChecks or None, default=None
        Results of the checks of the data.
    stopped : StopSignal or None, default=None
        Signal to abandon a fit by itself.
    is_alone : bool, default=False
        Whether the network is to be fitted by itself in any case.

    Returns
    -------
    PendingFit or None
        The fit.
    """
    params = params or {}
    try:
        arguments = inspect.signature(network.fit).bind(*args, **params).arguments
    except TypeError:  # which `fit` raises in its own words
        network.fit(*args, **params)
        raise
    if not keeps_warnings(network):
        network.fit(*args, **params)
        return None
    X, y = arguments.pop("X"), arguments.pop("y")
    network._validate_params()
    if not isinstance(network, BaseRegularizedMLP):  # an estimator with cross-validation
        network._fit_alone(X, y, warn=messages.extend, **arguments)
        return None
    if is_alone or not network._can_be_a_member(X, arguments.get("X_val")):
        network._fit_alone(X, y, warn=messages.extend, stopped=stopped, **arguments)
        return None
    weight = network._as_weights(arguments.pop("sample_weight", None), X)
    return prepare(network, as_numpy(X), as_numpy(y, "y"), weight, checks=checks, messages=messages, **arguments)


class DeferredFit(BaseEstimator):
    """Substitute for a network while the estimators around it are fitted: it prepares the fit with their data.

    Parameters
    ----------
    network : FittedMLP
        The network.
    checks : SharedChecks or None, default=None
        Results of the checks of the data in the fits of other networks.
    stopped : StopSignal or None, default=None
        Signal to abandon a fit by itself.
    is_alone : bool, default=False
        Whether the network is to be fitted by itself in any case.

    Attributes
    ----------
    messages_ : list
        The warnings of the network, also of a fit that has failed.
    pending_ : PendingFit or None
        The fit; None if the network was fitted by itself.
    """

    def __init__(self, network, checks=None, stopped=None, is_alone=False):
        self.network = network
        self.checks = checks
        self.stopped = stopped
        self.is_alone = is_alone

    def fit(self, *args, **params):
        """Prepare the fit."""
        self.messages_ = []
        options = {"checks": self.checks, "stopped": self.stopped, "is_alone": self.is_alone}
        self.pending_ = prepare_member(self.network, args, params, messages=self.messages_, **options)
        return self

    def predict(self, X):
        """Raise NotFittedError: the network is not trained yet."""
        raise NotFittedError("The network is not trained yet.")

    def get_metadata_routing(self):
        """Return the metadata requests of the network."""
        return self.network.get_metadata_routing()

    def __getattr__(self, name):
        # Attributes that the estimators around it read after `fit`.
        if name in ("feature_names_in_", "n_features_in_"):
            return getattr(self.network, name)
        raise AttributeError(name)


def with_network(estimator):
    """Return an estimator with its network instead of the deferred fit."""
    return with_last(estimator, lambda last: last.network if isinstance(last, DeferredFit) else last)


class DatasetCache:
    """Cache of arrays and data sets, so that networks that read equal rows share them."""

    def __init__(self):
        self._arrays: dict[tuple, list[np.ndarray]] = {}
        self._datasets: dict[int, list[Dataset]] = {}

    def share(self, pending: PendingFit) -> None:
        """Replace the data set of a fit by an equal one in the cache, if there is one."""
        pending.dataset = self.shared(pending.dataset)
        pending.table.X = pending.dataset.X
        if pending.dataset.validation is not None:
            pending.valid_table.X = pending.dataset.validation.X

    def shared(self, dataset: Dataset) -> Dataset:
        """Return an equal data set from the cache, or this one after it is added."""
        dataset.X = self._shared_array(dataset.X)
        if dataset.validation is not None:
            dataset.validation = self.shared(dataset.validation)
        known = self._datasets.setdefault(id(dataset.X), [])
        for other in known:
            if (
                _equal(other.targets, dataset.targets)
                and _equal(other.weight, dataset.weight)
                and other.validation is dataset.validation
            ):
                return other
        known.append(dataset)
        return dataset

    def _shared_array(self, X):
        if scipy.sparse.issparse(X):
            for part in ("data", "indices", "indptr"):
                setattr(X, part, self._shared_array(getattr(X, part)))
            known = self._arrays.setdefault((X.shape, *map(id, (X.data, X.indices, X.indptr))), [X])
            return known[0]
        # Arrays that differ in these rows are not compared as a whole.
        sample = X[:: max(1, len(X) // N_SAMPLED)].tobytes()
        known = self._arrays.setdefault((X.shape, X.dtype.str, hash(sample)), [])
        for other in known:
            if other is X or np.array_equal(other, X):
                return other
        known.append(X)
        return X


def _equal(first: np.ndarray | None, second: np.ndarray | None) -> bool:
    if first is None or second is None or first is second:
        return first is second
    if isinstance(first, ClassIndicators) or isinstance(second, ClassIndicators):
        return type(first) is type(second) and first.shape == second.shape and _equal(first.codes, second.codes)
    return first.dtype == second.dtype and np.array_equal(first, second)

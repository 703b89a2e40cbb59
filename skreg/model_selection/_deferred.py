"""Deferred fits: networks inside of estimators that are prepared first and trained later, together with others."""

import inspect
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import scipy.sparse
from sklearn.base import BaseEstimator
from sklearn.exceptions import NotFittedError

from skreg._composition import handed_on, with_last
from skreg._estimator.attributes import unchanged_on_error
from skreg._estimator.base import BaseRegularizedMLP
from skreg._estimator.data import as_numpy
from skreg._estimator.fitted import FittedMLP
from skreg._estimator.prepare import PendingFit, finish, prepare
from skreg._estimator.shared_checks import SharedChecks
from skreg._warnings import Message, WarningSink, without_repeats
from skreg.backends import in_one_worker, keeping_data, train_fits
from skreg.engine.classes import ClassIndicators
from skreg.engine.dataset import Dataset
from skreg.engine.spec import FitResult
from skreg.engine.threads import StopSignal
from skreg.stopping import RowStructure

# Number of rows that are compared before two arrays are compared as a whole.
N_SAMPLED = 16


class PendingFits(ABC):
    """Fits of several networks that are prepared but not trained, of which one estimator is made."""

    fits: list[PendingFit]

    @abstractmethod
    def finish(self, results: Sequence[FitResult]) -> list[Message]:
        """Set the fitted attributes of the estimator from the results of the fits, and return the warnings."""


class FittedTogether(ABC):
    """Base class of estimators that train several networks, which can be trained together with those of others.

    Their `fit` hands its arguments to ``_fit_alone``, as that of a network does. A class that has a `fit` of its own,
    but no ``_prepare``, is one of the user's.
    """

    @property
    def stopped_networks(self) -> list[BaseRegularizedMLP]:
        """The networks that stop early on validation rows that `fit` takes; there are none if it takes no such rows."""
        return []

    @abstractmethod
    def _trains_together(self) -> bool:
        """Return whether its networks can be trained in a population, so that there is something to wait for."""

    @abstractmethod
    def _prepare(
        self, X, y, sample_weight=None, *, groups=None, structure: RowStructure, messages: list[Message], stopped=None
    ) -> PendingFits:
        """Check an estimator and data, and return the pending fits.

        Parameters
        ----------
        X, y, sample_weight, groups : array-like
            The arguments of `fit`.
        structure : RowStructure
            Structure of the rows in a cross-validation around the fit.
        messages : list
            Warnings are appended to it, also those that were found before an error.
        stopped : StopSignal or None, default=None
            Signal to abandon fits that are not prepared but made.
        """

    def _training_options(self) -> dict:
        """Return options of :func:`~skreg.backends.train_fits` for a fit by itself: those that are parameters."""
        parameters = self.get_params(deep=False)
        options = {name: parameters[name] for name in ("n_jobs", "memory_limit") if name in parameters}
        return options | {"verbose": bool(parameters.get("verbose", False))}

    @in_one_worker()
    @keeping_data()
    def _fit_alone(
        self,
        X,
        y,
        sample_weight=None,
        *,
        groups=None,
        warn: WarningSink,
        stopped: StopSignal | None = None,
        structure: RowStructure | None = None,
        **validation,
    ) -> None:
        """Fit the estimator by itself, and hand its warnings to ``warn``."""
        messages: list[Message] = []
        options = {"groups": groups, "structure": structure or RowStructure(), "stopped": stopped, **validation}
        with unchanged_on_error(self):
            try:
                pending = self._prepare(X, y, sample_weight, messages=messages, **options)
                results = train_fits([(fit.spec, fit.dataset) for fit in pending.fits], **self._training_options())
                messages += pending.finish(results)
            finally:
                without_repeats(warn)(messages)


@dataclass
class HeldOut:
    """Rows that a network is validated on, as the estimator around it takes them.

    They pass through the transformers when those are fitted.

    Attributes
    ----------
    X, y : array-like
        Rows and targets.
    sample_weight : ndarray or None
        Weights.
    estimator : estimator or None
        The estimator around the network.
    """

    X: object
    y: object
    sample_weight: np.ndarray | None = None
    estimator: object = None

    def __deepcopy__(self, memo):
        """Return itself: a clone of the estimator around the network refers to the same rows."""
        return self

    def arguments(self) -> dict:
        """Return the rows as arguments of the network's `fit`."""
        X, y = handed_on(self.estimator, self.X, self.y)
        return {"X_val": X, "y_val": y, "sample_weight_val": self.sample_weight}


def fits_of(pending: PendingFit | PendingFits) -> list[PendingFit]:
    """Return the fits of networks of which an estimator is made: one of a network's own, or several."""
    return pending.fits if isinstance(pending, PendingFits) else [pending]


def finish_fits(pending: PendingFit | PendingFits, results: Sequence[FitResult]) -> list[Message]:
    """Set the fitted attributes of an estimator from the results of :func:`fits_of`, and return the warnings."""
    return pending.finish(results) if isinstance(pending, PendingFits) else finish(pending, *results)


def keeps_warnings(network: FittedMLP | FittedTogether) -> bool:
    """Return whether the fit of a network returns its warnings; that of a user's class gives them itself."""
    owner = next(kind for kind in type(network).__mro__ if "fit" in vars(kind))
    return ("_prepare" if isinstance(network, FittedTogether) else "_fit_alone") in vars(owner)


def prepare_member(
    network: FittedMLP | FittedTogether,
    args: tuple,
    params: Mapping | None = None,
    *,
    messages: list[Message],
    checks: SharedChecks | None = None,
    stopped: StopSignal | None = None,
    is_alone: bool = False,
    structure: RowStructure | None = None,
) -> PendingFit | PendingFits | None:
    """Return the pending fit of a network, to be trained together with others; None if it was fitted by itself.

    Parameters
    ----------
    network : FittedMLP or FittedTogether
        The network, or an estimator that is made of several.
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
    structure : RowStructure or None, default=None
        Structure of the rows in a cross-validation around the fit, for an estimator that is made of several networks or
        has a cross-validation of its own. Of a network, early stopping has it.

    Returns
    -------
    PendingFit, PendingFits or None
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
    if isinstance(network, FittedTogether):
        arguments |= {"structure": structure or RowStructure(), "stopped": stopped}
        if not is_alone:
            return network._prepare(X, y, messages=messages, **arguments)
        network._fit_alone(X, y, warn=messages.extend, **arguments)
        return None
    if not isinstance(network, BaseRegularizedMLP):  # an estimator with cross-validation
        network._fit_alone(X, y, warn=messages.extend, structure=structure, **arguments)
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
    structure : RowStructure or None, default=None
        Structure of the rows in a cross-validation around the fit.
    held_out : HeldOut or None, default=None
        Rows that the network is validated on.

    Attributes
    ----------
    messages_ : list
        The warnings of the network, also of a fit that has failed.
    pending_ : PendingFit, PendingFits or None
        The fit; None if the network was fitted by itself.
    """

    def __init__(self, network, checks=None, stopped=None, is_alone=False, structure=None, held_out=None):
        self.network = network
        self.checks = checks
        self.stopped = stopped
        self.is_alone = is_alone
        self.structure = structure
        self.held_out = held_out

    def fit(self, *args, **params):
        """Prepare the fit."""
        self.messages_ = []
        options = {name: getattr(self, name) for name in ("checks", "stopped", "is_alone", "structure")}
        if self.held_out is not None:
            params |= self.held_out.arguments()
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

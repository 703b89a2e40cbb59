"""What the networks of a blend are fitted to: encoded rows, changed by the transformers before each network."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from sklearn.base import OneToOneFeatureMixin
from sklearn.pipeline import Pipeline

from skreg._estimator.columns import column_norms
from skreg._estimator.data import as_numpy
from skreg.ensemble._base import with_seeds
from skreg.model_selection._keys import NoKeyError, value_key
from skreg.preprocessing._encoded import EncodedTable, source_columns_of


def network_of(member):
    """Return the network of a member; anything else than a pipeline is returned as it is."""
    return member.steps[-1][1] if isinstance(member, Pipeline) and member.steps else member


def transformers_of(member) -> list[tuple[str, object]]:
    """Return names and transformers before the network of a member; none if it is a network."""
    steps = member.steps[:-1] if isinstance(member, Pipeline) else []
    return [(name, step) for name, step in steps if step not in (None, "passthrough")]


def with_network(member, network):
    """Return a member with another network."""
    return network if member is network_of(member) else Pipeline([*member.steps[:-1], (member.steps[-1][0], network)])


def input_features_of(member, n_features: int) -> np.ndarray:
    """Return which of the features that a fitted member gets each of its network's features comes from.

    Raises
    ------
    AttributeError
        If a transformer does not tell.
    """
    found = np.arange(n_features)
    for _, step in transformers_of(member):
        if hasattr(step, "input_features_"):
            found = found[step.input_features_]
        elif not isinstance(step, OneToOneFeatureMixin):
            raise AttributeError(f"What comes out of {step!r} belongs to no single column of the table.")
    return found


def importances_of(member, n_features: int) -> np.ndarray:
    """Return the importances of the features that a fitted member gets: Euclidean norms of those in its network."""
    network = network_of(member)
    if network is member:
        return network.feature_importances_
    return column_norms(network.feature_importances_, input_features_of(member, n_features), n_features)


def selected_by(member, n_features: int) -> np.ndarray:
    """Return the indices of the features that a fitted member gets and its network uses."""
    network = network_of(member)
    selected = network.selected_features_
    if hasattr(network, "feature_names_in_"):
        selected = np.flatnonzero(np.isin(network.feature_names_in_, selected))
    return np.unique(input_features_of(member, n_features)[selected])


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


def without_padding(network, n_features: int) -> None:
    """Take the weights of the columns that :func:`padded` has added out of a fitted network.

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


@dataclass(frozen=True)
class Inputs:
    """Rows as a network gets them.

    Attributes
    ----------
    transformers : list of transformer
        The fitted transformers before it.
    n_features : int
        Number of features without those that were added by :func:`padded`.
    X, X_val : ndarray, or None without rows to stop on
        Rows to train and to stop on.
    """

    transformers: list[object]
    n_features: int
    X: object
    X_val: object


class SharedInputs:
    """Inputs of the networks of a blend; those behind equal transformers are the same arrays.

    Parameters
    ----------
    X, y, X_val : array-like
        Encoded rows, targets, and encoded rows to stop on; the last may be None.
    widths : mapping of str to int
        Number of features of each network, to which its inputs are filled up with zeros. Others are as they are.
    random : RandomState
        Generator of the seeds of the transformers.
    """

    def __init__(self, X, y, X_val, widths: Mapping[str, int], random: np.random.RandomState):
        self._X, self._y, self._X_val = as_numpy(X), y, None if X_val is None else as_numpy(X_val)
        self._widths, self._random, self._known = widths, random, {}

    def of(self, name: str, member) -> Inputs:
        """Return the inputs of a member, after a fit of copies of its transformers."""
        transformers, width = [step for _, step in transformers_of(member)], self._widths.get(name)
        try:
            key = width, value_key(transformers)
        except NoKeyError:
            return self._made(transformers, width)
        if key not in self._known:
            self._known[key] = self._made(transformers, width)
        return self._known[key]

    def _made(self, transformers, width: int | None) -> Inputs:
        X, X_val, fitted = self._X, self._X_val, []
        for unfitted in transformers:
            step = with_seeds(unfitted, self._random)
            X = as_numpy(step.fit_transform(X, self._y))
            X_val = None if X_val is None else as_numpy(step.transform(X_val))
            fitted.append(step)
        return Inputs(fitted, np.shape(X)[1], padded(X, width), None if X_val is None else padded(X_val, width))

"""Transformations of the target, for networks that predict several quantiles."""

import numpy as np
import sklearn.compose
import torch
from sklearn.metrics import mean_pinball_loss
from sklearn.pipeline import Pipeline

from skreg._composition import last_of, opened, path_to_last
from skreg._doc_link import DocLink
from skreg._estimator.data import as_numpy
from skreg._sklearn_private import check_sample_weight
from skreg.engine.threads import on_one_thread
from skreg.losses import Quantile, regression_loss
from skreg.pipeline import TablePipeline
from skreg.regressor import FittedRegressor

# Rounding of an inverse transformation, relative to the largest prediction.
ROUNDING = 1e-6


class TransformedTargetRegressor(DocLink, sklearn.compose.TransformedTargetRegressor):
    """Regressor on a transformed target, with support for several quantiles.

    A subclass of :class:`sklearn.compose.TransformedTargetRegressor` with the same arguments and results. It differs
    for a network with ``loss="quantile"`` and several levels, whose predictions have one axis more than y:
    scikit-learn's class cannot score them, nor apply the inverse transformation to several targets.

    With several quantiles the transformation must be increasing.

    Parameters
    ----------
    regressor : estimator, default=None
        Regressor to fit, such as a :class:`~skreg.RegularizedMLPRegressor`, alone or at the end of a pipeline.
    transformer : transformer, default=None
        Transformer of the target, such as :class:`~sklearn.preprocessing.StandardScaler`. None means the functions.
    func, inverse_func : callable, default=None
        Function of the target and its inverse, instead of a transformer. None means the identity.
    check_inverse : bool, default=True
        Whether to check that the transformation and its inverse are inverse to each other.

    Attributes
    ----------
    regressor_ : estimator
        The fitted regressor.
    transformer_ : transformer
        The fitted transformer.

    See Also
    --------
    RegularizedMLPRegressor : Regressor with quantile loss.

    Examples
    --------
    >>> from sklearn.datasets import load_diabetes
    >>> from sklearn.pipeline import make_pipeline
    >>> from sklearn.preprocessing import StandardScaler
    >>> from skreg import RegularizedMLPRegressor
    >>> from skreg.compose import TransformedTargetRegressor
    >>> X, y = load_diabetes(return_X_y=True)
    >>> network = RegularizedMLPRegressor(
    ...     (20,), loss="quantile", quantile=[0.1, 0.5, 0.9], learning_rate="cosine", learning_rate_init=0.01,
    ...     max_iter=50, random_state=0,
    ... )
    >>> pipeline = make_pipeline(StandardScaler(), network)
    >>> model = TransformedTargetRegressor(pipeline, transformer=StandardScaler()).fit(X, y)
    >>> model.predict(X).shape
    (442, 3)
    >>> 0.2 < model.score(X, y) < 0.6
    True
    """

    def predict(self, X, **predict_params):
        """Predict targets, in the units of y.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)
            Inputs.
        **predict_params : dict
            Passed to `predict` of the regressor.

        Returns
        -------
        ndarray of shape (n_samples,), (n_samples, n_outputs) or, for several quantiles, with one more axis
            Predictions, with the quantiles in ascending order.

        Raises
        ------
        ValueError
            If the inverse transformation changes the order of the quantiles.
        """
        levels = quantile_levels(self)
        if levels is None:
            return super().predict(X, **predict_params)
        predictions = self.regressor_.predict(X, **predict_params)
        columns = predictions.reshape(len(predictions), -1, len(levels))
        quantiles = [self.transformer_.inverse_transform(columns[..., k]) for k in range(len(levels))]
        quantiles = np.stack([np.asarray(q).reshape(columns.shape[:2]) for q in quantiles], axis=-1)
        if (np.diff(quantiles, axis=-1) < -ROUNDING * np.abs(quantiles).max(initial=0)).any():
            raise ValueError(
                "The 'transformer' or 'func' parameter must be increasing in each output, or its inverse does not map "
                f"quantiles to quantiles; got transformer={self.transformer!r}, func={self.func!r}."
            )
        return quantiles[:, 0] if predictions.ndim == 2 else quantiles

    def score(self, X, y, sample_weight=None):
        """Return R², or for several quantiles their mean D², in the units of y.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)
            Inputs.
        y : array-like of shape (n_samples,) or (n_samples, n_outputs)
            Targets.
        sample_weight : array-like of shape (n_samples,), default=None
            Sample weights.

        Returns
        -------
        float
            The score; 1 is best.
        """
        if quantile_levels(self) is None:
            return super().score(X, y, sample_weight)
        return quantile_score(self, X, y, sample_weight)


# Classes whose last part can be fitted apart from the rest; a subclass may fit otherwise.
PLAIN_WRAPPERS = (Pipeline, TablePipeline, TransformedTargetRegressor, sklearn.compose.TransformedTargetRegressor)


def last_if_plain(estimator):
    """Return the innermost part that is to be fitted; None if something around it may fit in a way of its own."""
    *wrappers, (_, last) = path_to_last(estimator)
    return last if all(type(wrapper) in PLAIN_WRAPPERS for _, wrapper in wrappers) else None


def quantile_levels(estimator) -> tuple[float, ...] | None:
    """Return the levels of an estimator, fitted or not, that predicts several quantiles; None of another one."""
    *_, innermost = opened(estimator)
    network = last_of(innermost)
    if not isinstance(network, FittedRegressor):
        return None
    if network.loss != "quantile" or np.ndim(network.quantile) == 0:
        return None
    loss = network._fitted_loss() if hasattr(network, "coefs_") else network._make_loss()
    return loss.quantiles if len(loss.quantiles) > 1 else None


def quantile_score(estimator, X, y, sample_weight=None) -> float:
    """Return the mean D² of an estimator that predicts several quantiles: a scorer."""
    return share_of_quantiles(estimator.predict(X), quantile_levels(estimator), y, sample_weight)


@on_one_thread
def share_of_quantiles(quantiles, levels: tuple[float, ...], y, sample_weight=None) -> float:
    """Return the mean D² of predicted quantiles of some levels, which are the last axis."""
    quantiles = torch.from_numpy(np.asarray(quantiles, dtype=np.float64))
    loss: Quantile = regression_loss("quantile", quantile=levels, delta=1.0)
    targets = np.asarray(as_numpy(y, "y"), dtype=np.float64).reshape(len(quantiles), -1)
    weight = check_sample_weight(as_numpy(sample_weight), targets, dtype=np.float64)
    quantiles = quantiles.reshape(*targets.shape, -1)
    return float(loss.explained_share(quantiles, torch.from_numpy(targets), torch.from_numpy(weight / weight.sum())))


def pinball_loss(estimator, X, y) -> float:
    """Return the mean pinball loss of an estimator that predicts several quantiles, over levels and outputs."""
    levels = quantile_levels(estimator)
    quantiles = np.asarray(estimator.predict(X)).reshape(len(y), -1, len(levels))
    targets = np.asarray(y).reshape(len(y), -1)
    losses = [mean_pinball_loss(targets, quantiles[..., k], alpha=level) for k, level in enumerate(levels)]
    return float(np.mean(losses))


def scoring_of(estimator, scoring) -> object:
    """Return the `scoring` of a search or a cross-validation.

    With None that is mean D² where scikit-learn's own transformation of the target cannot score several quantiles.
    """
    behind = next((part for _, part in path_to_last(estimator) if not isinstance(part, Pipeline)), None)
    is_theirs = type(behind) is sklearn.compose.TransformedTargetRegressor
    return quantile_score if scoring is None and is_theirs and quantile_levels(behind) else scoring


__all__ = ["TransformedTargetRegressor"]

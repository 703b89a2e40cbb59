"""Predictions of ensembles of regressors."""

import numpy as np
from sklearn.base import RegressorMixin, is_regressor
from sklearn.metrics import r2_score
from sklearn.utils.validation import check_is_fitted

from skreg._estimator.data import as_numpy
from skreg._parameter import with_parameters
from skreg.compose import quantile_levels, share_of_quantiles
from skreg.ensemble._base import BaseEnsemble
from skreg.regressor import RegularizedMLPRegressor


@with_parameters
class EnsembleRegressor(RegressorMixin, BaseEnsemble):
    """Base class of ensembles of regressors."""

    def _default_estimator(self):
        return RegularizedMLPRegressor(early_stopping=True)

    def _check_estimator(self, estimator):
        if not is_regressor(estimator):
            raise TypeError(f"The 'estimator' parameter must be a regressor; got {estimator!r}.")

    def _set_targets(self, y):
        return y, None

    def _member_predictions(self, member, X):
        return np.asarray(member.predict(X))

    def _score_of(self, predictions, y, sample_weight):
        levels = quantile_levels(self.members_[0])
        if levels is not None:
            return share_of_quantiles(predictions, levels, y, sample_weight)
        return r2_score(y, predictions, sample_weight=sample_weight)

    def predict(self, X):
        """Predict targets: the mean of the members' predictions.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)
            Inputs.

        Returns
        -------
        ndarray of shape (n_samples,) or (n_samples, n_outputs)
            Predictions, of the shape of y in `fit`. Of networks for several quantiles there is one more axis, the last.
        """
        return self._mean_prediction(X)

    def score(self, X, y, sample_weight=None):
        """Return R², or for several quantiles their mean D².

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)
            Inputs.
        y : array-like of shape (n_samples,) or (n_samples, n_outputs)
            Targets.
        sample_weight : array-like of shape (n_samples,), default=None
            Weights.

        Returns
        -------
        float
            The score; 1 is best.
        """
        check_is_fitted(self)
        return self._score_of(self.predict(X), as_numpy(y, "y"), as_numpy(sample_weight, "sample_weight"))

"""Predictions of ensembles of regressors."""

import numpy as np
from sklearn.base import RegressorMixin, is_regressor
from sklearn.metrics import r2_score
from sklearn.utils.validation import check_is_fitted

from skreg._estimator.data import as_numpy
from skreg._parameter import with_parameters
from skreg._sklearn_private import safe_indexing
from skreg.compose import quantile_levels, share_of_quantiles
from skreg.ensemble._base import BaseEnsemble, stacked_predictions
from skreg.ensemble._conformal import OutOfFoldResiduals
from skreg.ensemble._draws import row_draws
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

    def _set_out_of_fold(self, held, known, sample_weight, data):
        if quantile_levels(self.members_[0]) is None:

            def predict(number, rows):
                return self._member_predictions(self.members_[number], safe_indexing(data.X, rows))

            # The spread of members is estimated from rows that they have seen, where no others can tell it.
            self._residuals = OutOfFoldResiduals(data.y, held.completed(predict), held.held_out)

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

    def predict_interval(self, X, coverage=0.9, *, method="scaled"):
        """Predict intervals that hold the target of a new row with a given probability (conformal prediction).

        They come from the residuals of rows that members have not seen, so the ensemble needs folds or
        ``bootstrap=True``. Of weights it counts only whether they are 0. The probabilities, over training rows and new
        ones:

        - 'one_fold': at least `coverage`, and more only where residuals are equal;
        - 'cv+': with one partition into folds at least ``2 * coverage - 1 - sqrt(2 / n_samples)``. Mostly it is at
          least `coverage` [1]_, and some points more where members differ much;
        - 'scaled': no guarantee. In measurements it is within 2.5 points of 90 %, with the narrowest intervals.

        The guarantees hold for any distribution and any estimator, if rows are exchangeable (as independent ones are)
        and members have not seen their held-out rows in any way. Early stopping on held-out rows comes close to that:
        in measurements the coverage of 'one_fold' is within two points of 90 %.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)
            Inputs.
        coverage : float, default=0.9
            Probability, in (0, 1), for each output by itself.
        method : {'scaled', 'cv+', 'one_fold'}, default='scaled'
            'scaled' gives intervals of equal width around :meth:`predict`: a quantile of the out-of-fold residuals,
            times a factor of at most 1 for how much less the mean of all members errs. 'cv+' compares the prediction of
            each member with the residuals of the rows that were held out of it. 'one_fold' compares each row with the
            held-out rows of one fold (of one member with bootstrap rows), which follows from the content of the row.

        Returns
        -------
        ndarray of shape (n_samples, 2) or (n_samples, n_outputs, 2)
            Lower and upper ends.

        Raises
        ------
        ValueError
            If `coverage` is not in (0, 1) or needs more rows than there are, if `method` is none of these, if no row
            was held out of a member, or if members predict several quantiles.

        References
        ----------
        .. [1] R. F. Barber, E. J. Candès, A. Ramdas and R. J. Tibshirani, "Predictive inference with the jackknife+",
           Annals of Statistics 49(1), 2021, Theorem 4.
        """
        check_is_fitted(self)
        levels = quantile_levels(self.members_[0])
        if levels is not None:
            raise ValueError(
                "predict_interval needs members that predict one number for each target; got members that predict the "
                f"quantiles {levels!r}."
            )
        residuals = self._required_residuals("predict_interval")
        draws = row_draws(as_numpy(X)) if method == "one_fold" else None
        return residuals.intervals(stacked_predictions(self, X), coverage, method=method, draws=draws)

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

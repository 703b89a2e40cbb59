"""Ensembles of folds whose members are blends, with the weights that are best on held-out rows."""

from collections.abc import Sequence

import numpy as np

from skreg._composition import handed_on, last_of
from skreg._parameter import with_parameters
from skreg._sklearn_private import num_samples, safe_indexing
from skreg.ensemble import FoldEnsembleClassifier, FoldEnsembleRegressor
from skreg.ensemble._held_out import HeldOutPredictions
from skreg.ensemble._members import EnsembleData, Plan
from skreg.tabular._blend import normalized
from skreg.tabular._weights import greedy_weights, log_losses, squared_losses


class WeightedFolds:
    """Ensemble of folds that gives all of its blends the weights with the smallest out-of-fold loss.

    Attributes
    ----------
    weights_ : dict of str to float
        Weight of each network; those that have failed in a fold have none.
    losses_ : dict of str to float
        Out-of-fold loss of each network by itself.
    network_failures_ : dict of str to str
        Errors of the networks that have failed in a fold.
    network_predictions_ : dict of str to ndarray
        Out-of-fold predictions of each network by itself.
    loss_ : float
        Out-of-fold loss of the weighted mean.
    """

    def _set_oof_predictions(self, plans: Sequence[Plan], data: EnsembleData) -> None:
        blends = [last_of(plan.estimator) for plan in plans]
        names = [name for name in blends[0].networks_ if all(name in blend.networks_ for blend in blends)]
        self.network_failures_ = {name: error for blend in blends for name, error in blend.failures_.items()}
        if not names:
            name, error = next(iter(self.network_failures_.items()))
            raise ValueError(f"Every network has failed on some fold; the error of {name!r} was {error}")
        held_out = np.zeros((len(plans), num_samples(data.X)), dtype=bool)
        for row, plan in zip(held_out, plans, strict=True):
            row[plan.held_out] = True
        of_folds = [self._of_networks(plan, names, data) for plan in plans]
        means = [HeldOutPredictions(held_out, [own[name] for own in of_folds]).mean() for name in names]
        self.network_predictions_ = dict(zip(names, means, strict=True))
        known = held_out.any(axis=0)
        if data.sample_weight is not None:
            known &= data.sample_weight > 0
        weight = None if data.sample_weight is None else data.sample_weight[known]
        losses = self._losses(np.asarray(data.y)[known], weight)
        predictions = np.stack(means)[:, known]
        self.losses_ = dict(zip(names, losses(predictions).tolist(), strict=True))
        weights, self.loss_ = greedy_weights(predictions, losses)
        self.weights_ = dict(zip(names, weights.tolist(), strict=True))
        for blend in blends:
            blend.weights_ = dict.fromkeys(blend.networks_, 0.0) | self.weights_
        super()._set_oof_predictions(plans, data)

    def _of_networks(self, plan: Plan, names: Sequence[str], data: EnsembleData) -> dict[str, np.ndarray]:
        """Return the predictions of each network of a fold for its held-out rows, in ascending order."""
        X, _ = handed_on(plan.estimator, safe_indexing(data.X, np.sort(plan.held_out)), None)
        networks = last_of(plan.estimator).networks_
        return {name: self._member_predictions(networks[name], X) for name in names}


@with_parameters
class WeightedFoldClassifier(WeightedFolds, FoldEnsembleClassifier):
    """Classifier of folds whose members are blends."""

    def _member_predictions(self, member, X):
        return normalized(super()._member_predictions(member, X), self._multilabel)

    def _losses(self, y, weight):
        return log_losses(y if self._multilabel else np.searchsorted(self.classes_, y), weight)


@with_parameters
class WeightedFoldRegressor(WeightedFolds, FoldEnsembleRegressor):
    """Regressor of folds whose members are blends."""

    def _losses(self, y, weight):
        return squared_losses(np.asarray(y, dtype=np.float64), weight)

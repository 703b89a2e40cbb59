"""Ensembles of folds whose members are blends, with the weights that are best on held-out rows."""

from abc import abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from sklearn.metrics import get_scorer, get_scorer_names

from skreg._composition import handed_on, last_of
from skreg._estimator.scoring import check_takes_weights
from skreg._parameter import parameter, with_parameters
from skreg._sklearn_private import StrOptions, safe_indexing
from skreg.ensemble import FoldEnsembleClassifier, FoldEnsembleRegressor
from skreg.ensemble._conformal import OutOfFold, OutOfFoldResiduals, OutOfFoldScores
from skreg.ensemble._held_out import HeldOutPredictions
from skreg.ensemble._members import EnsembleData, Plan
from skreg.tabular._blend import normalized, weighted_mean
from skreg.tabular._weights import (
    PredictedNumbers,
    PredictedProbabilities,
    greedy_weights,
    log_losses,
    scorer_losses,
    squared_losses,
)


@dataclass
class OfNetwork:
    """What a network of all folds is worth by itself, on the rows that it has not seen.

    Attributes
    ----------
    predictions : ndarray of shape (n_rows, ...)
        Its predictions; NaN for rows that no fold holds out.
    score : float
        Their accuracy or R².
    residuals : OutOfFold or None
        What new rows are compared with in conformal prediction; None for label indicator matrices.
    """

    predictions: np.ndarray
    score: float
    residuals: OutOfFold | None


@with_parameters
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
    networks_ : dict of str to OfNetwork
        What each network is worth by itself.
    loss_ : float
        Out-of-fold loss of the weighted mean.
    """

    scoring: object = parameter(
        "str or callable",
        "What the weights are chosen by: 'loss', or a scorer of scikit-learn.",
        default="loss",
        constraints=[StrOptions({"loss", *get_scorer_names()}), callable],
    )

    @abstractmethod
    def _losses(self, y, weight):
        """Return a function that gives the losses of several predictions."""

    @abstractmethod
    def _predicted(self, predictions: np.ndarray):
        """Return predictions as a fitted estimator, for scorers."""

    def _losses_by_scoring(self, X, y, weight):
        if self._scorer is None:
            return self._losses(y, weight)
        return scorer_losses(self._scorer, self.scoring, X, y, weight, self._predicted)

    @property
    def _scorer(self):
        """The scorer; None for the loss."""
        if not isinstance(self.scoring, str):
            return self.scoring
        return None if self.scoring == "loss" else get_scorer(self.scoring)

    def _plan(self, template, data: EnsembleData, groups, random):
        if self._scorer is not None and data.sample_weight is not None:
            check_takes_weights(self._scorer, self.scoring)
        return super()._plan(template, data, groups, random)

    @abstractmethod
    def _of_network(self, held_out: np.ndarray, predictions: list[np.ndarray], known: np.ndarray, data) -> OfNetwork:
        """Return what a network is worth by itself.

        Parameters
        ----------
        held_out : ndarray of bool of shape (n_folds, n_rows)
            Which rows each fold holds out.
        predictions : list of ndarray
            Predictions of each fold's network, for its held-out rows or for all rows, in order.
        known : ndarray of bool of shape (n_rows,)
            Rows with positive weight that a fold holds out.
        data : EnsembleData
            The rows.
        """

    def _held_out_predictions(self, plans, held_out, data):
        """Return the weighted means of the networks of each fold for its held-out rows, after a choice of weights."""
        blends = [last_of(plan.estimator) for plan in plans]
        names = [name for name in blends[0].networks_ if all(name in blend.networks_ for blend in blends)]
        self.network_failures_ = {name: error for blend in blends for name, error in blend.failures_.items()}
        if not names:
            name, error = next(iter(self.network_failures_.items()))
            raise ValueError(f"Every network has failed on some fold; the error of {name!r} was {error}")
        known = data.known_rows(held_out)
        if not known.any():
            raise ValueError(f"The 'cv' parameter must hold out rows with positive weight; got {self.cv!r}.")
        of_folds = [self._of_fold(plan, names, rows, data) for plan, rows in zip(plans, held_out, strict=True)]
        self.networks_ = {
            name: self._of_network(held_out, [own[name] for own in of_folds], known, data) for name in names
        }
        self._set_weights(known, data)
        for blend in blends:
            blend.weights_ = dict.fromkeys(blend.networks_, 0.0) | self.weights_
        return [self._mean(own, rows) for own, rows in zip(of_folds, held_out, strict=True)]

    @abstractmethod
    def _mean(self, predictions: dict[str, np.ndarray], held_out: np.ndarray) -> np.ndarray:
        """Return the weighted mean of what :meth:`_of_fold` gives for a fold, for its held-out rows."""

    def _set_weights(self, known: np.ndarray, data: EnsembleData) -> None:
        X = safe_indexing(data.X, np.flatnonzero(known))
        losses = self._losses_by_scoring(X, np.asarray(data.y)[known], _of_rows(data.sample_weight, known))
        predictions = np.stack([network.predictions[known] for network in self.networks_.values()])
        self.losses_ = dict(zip(self.networks_, losses(predictions).tolist(), strict=True))
        weights, self.loss_ = greedy_weights(predictions, losses)
        self.weights_ = dict(zip(self.networks_, weights.tolist(), strict=True))

    # Whether residuals need predictions of rows that a fold has trained on, too.
    _predicts_all_rows: bool

    def _of_fold(
        self, plan: Plan, names: Sequence[str], held_out: np.ndarray, data: EnsembleData
    ) -> dict[str, np.ndarray]:
        """Return the predictions of each network of a fold, for its held-out rows or for all rows, in order."""
        rows = data.X if self._predicts_all_rows else safe_indexing(data.X, np.flatnonzero(held_out))
        X, _ = handed_on(plan.estimator, rows, None)
        networks = last_of(plan.estimator).networks_
        return {name: self._member_predictions(networks[name], X) for name in names}


def _of_rows(weight: np.ndarray | None, rows: np.ndarray) -> np.ndarray | None:
    return None if weight is None else weight[rows]


@with_parameters
class WeightedFoldClassifier(WeightedFolds, FoldEnsembleClassifier):
    """Classifier of folds whose members are blends."""

    _predicts_all_rows = False

    def _member_predictions(self, member, X):
        return normalized(super()._member_predictions(member, X), self._multilabel)

    def _predicted(self, predictions):
        return PredictedProbabilities(predictions, self.classes_, self._labels)

    def _losses(self, y, weight):
        return log_losses(y if self._multilabel else np.searchsorted(self.classes_, y), weight)

    def _mean(self, predictions, held_out):
        return normalized(weighted_mean(predictions, self.weights_), self._multilabel)

    def _of_network(self, held_out, predictions, known, data):
        held = HeldOutPredictions(held_out, predictions)
        mean, y = held.mean(), np.asarray(data.y)
        score = self._score_of(mean[known], y[known], _of_rows(data.sample_weight, known))
        if self._multilabel:
            return OfNetwork(mean, score, None)
        codes = np.where(known, np.searchsorted(self.classes_, y), 0)
        return OfNetwork(mean, score, OutOfFoldScores(codes, held.of_rows(known)))


@with_parameters
class WeightedFoldRegressor(WeightedFolds, FoldEnsembleRegressor):
    """Regressor of folds whose members are blends."""

    _predicts_all_rows = True

    def _predicted(self, predictions):
        return PredictedNumbers(predictions)

    def _losses(self, y, weight):
        return squared_losses(np.asarray(y, dtype=np.float64), weight)

    def _mean(self, predictions, held_out):
        return weighted_mean(predictions, self.weights_)[held_out]

    def _of_network(self, held_out, predictions, known, data):
        held = HeldOutPredictions(held_out, [own[rows] for own, rows in zip(predictions, held_out, strict=True)])
        mean, y = held.mean(), np.asarray(data.y)
        score = self._score_of(mean[known], y[known], _of_rows(data.sample_weight, known))
        held = held.of_rows(known)
        completed = held.completed(lambda number, rows: predictions[number][rows])
        return OfNetwork(mean, score, OutOfFoldResiduals(data.y, completed, held.held_out))

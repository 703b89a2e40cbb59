"""Weights of models in a mean of their predictions."""

from collections.abc import Callable

import numpy as np
from sklearn.base import BaseEstimator, ClassifierMixin, RegressorMixin

from skreg._estimator.scoring import score_of

N_STEPS = 50
# Smaller probabilities count as this one, as in scikit-learn's log-loss.
MIN_PROBABILITY = 1e-12


def greedy_weights(predictions: np.ndarray, losses: Callable[[np.ndarray], np.ndarray], n_steps: int = N_STEPS):
    """Return the weights of models whose mean prediction has a small loss, by forward selection with replacement.

    In each step the model is added, perhaps once more, with which the mean of all that were added has the smallest
    loss. The weights are the shares of the models after the best step; they are never worse than the best model alone.

    Parameters
    ----------
    predictions : ndarray of shape (n_models, n_rows, ...)
        Predictions of each model for rows that it was not trained on.
    losses : callable
        Function of predictions of shape (n_candidates, n_rows, ...) that returns the loss of each candidate.
    n_steps : int, default=50
        Number of steps, at least 1.

    Returns
    -------
    weights : ndarray of shape (n_models,)
        Weights of at least 0 that sum to 1.
    loss : float
        Loss of the mean with these weights.

    Raises
    ------
    ValueError
        If no model has a finite loss.

    References
    ----------
    .. [1] R. Caruana, A. Niculescu-Mizil, G. Crew and A. Ksikes, "Ensemble selection from libraries of models", ICML
       2004, sections 2 and 2.1.
    """
    total, counts = np.zeros_like(predictions[0]), np.zeros(len(predictions))
    best, best_loss = counts, np.inf
    for step in range(1, n_steps + 1):
        found = losses((total + predictions) / step)
        found = np.where(np.isnan(found), np.inf, found)
        chosen = int(np.argmin(found))
        total, counts[chosen] = total + predictions[chosen], counts[chosen] + 1
        if found[chosen] < best_loss:
            best, best_loss = counts / step, float(found[chosen])
    if not np.isfinite(best_loss):
        raise ValueError("No network predicts finite numbers for the rows that it has not seen.")
    return best, best_loss


def log_losses(targets: np.ndarray, weight: np.ndarray | None = None) -> Callable[[np.ndarray], np.ndarray]:
    """Return a function that gives the mean log-loss of candidates' probabilities.

    Parameters
    ----------
    targets : ndarray of shape (n_rows,) or (n_rows, n_labels)
        Columns of the true classes; of multilabel targets zeros and ones, whose losses are added.
    weight : ndarray of shape (n_rows,) or None, default=None
        Weights of the rows.

    Returns
    -------
    callable
        Function of probabilities of shape (n_candidates, n_rows, n_columns).
    """

    def losses(probabilities):
        if targets.ndim == 2:
            likelihoods = np.where(targets > 0, probabilities, 1 - probabilities)
            of_rows = -np.log(np.maximum(likelihoods, MIN_PROBABILITY)).sum(axis=2)
        else:
            likelihoods = probabilities[:, np.arange(len(targets)), targets]
            of_rows = -np.log(np.maximum(likelihoods, MIN_PROBABILITY))
        return np.average(of_rows, axis=1, weights=weight)

    return losses


def squared_losses(targets: np.ndarray, weight: np.ndarray | None = None) -> Callable[[np.ndarray], np.ndarray]:
    """Return a function that gives 1 - R² of candidates' predictions, of several outputs the mean.

    Parameters
    ----------
    targets : ndarray of shape (n_rows,) or (n_rows, n_outputs)
        Targets.
    weight : ndarray of shape (n_rows,) or None, default=None
        Weights of the rows.

    Returns
    -------
    callable
        Function of predictions of shape (n_candidates, n_rows) or (n_candidates, n_rows, n_outputs).
    """
    centre = np.average(targets, axis=0, weights=weight)
    variance = np.average((targets - centre) ** 2, axis=0, weights=weight)
    unit = np.where(variance > 0, variance, 1.0)

    def losses(predictions):
        of_rows = (predictions - targets) ** 2 / unit
        means = np.average(of_rows, axis=1, weights=weight)
        return means if means.ndim == 1 else means.mean(axis=1)

    return losses


def scorer_losses(scorer: Callable, scoring, X, y, weight: np.ndarray | None, as_estimator: Callable) -> Callable:
    """Return a function that gives minus the score of candidates' predictions.

    Parameters
    ----------
    scorer : callable
        A scorer, greater is better.
    scoring : str or callable
        What the user has given.
    X : array-like of shape (n_rows, n_features)
        Rows, for scorers that look at them.
    y : ndarray of shape (n_rows,) or (n_rows, n_outputs)
        Targets.
    weight : ndarray of shape (n_rows,) or None
        Weights of the rows.
    as_estimator : callable
        Function of predictions that returns a fitted estimator that makes them.

    Returns
    -------
    callable
        Function of predictions of shape (n_candidates, n_rows, ...). It raises ValueError if no candidate has a score
        that is a number.
    """
    weights = {} if weight is None else {"sample_weight": weight}

    def losses(predictions):
        found = [score_of(scorer, scoring, as_estimator(own), X, y, rows="held-out", **weights) for own in predictions]
        found = np.nan_to_num(-np.array(found), nan=np.inf)
        if not np.isfinite(found).any():
            raise ValueError(f"The 'scoring' parameter must give scores that are numbers; got none from {scoring!r}.")
        return found

    return losses


class Predicted(BaseEstimator):
    """Predictions that are made already, as a fitted estimator."""

    def __init__(self, predictions):
        self.predictions = predictions

    def __sklearn_is_fitted__(self):
        return True

    def predict(self, X):
        """Return the predictions."""
        return self.predictions


class PredictedNumbers(RegressorMixin, Predicted):
    """Predicted numbers as a fitted regressor."""


class PredictedProbabilities(ClassifierMixin, Predicted):
    """Predicted probabilities as a fitted classifier.

    Parameters
    ----------
    predictions : ndarray of shape (n_rows, n_columns)
        Probabilities of classes or labels.
    classes : ndarray
        The classes, or the columns of labels.
    labels : callable
        Function of probabilities that returns labels.
    """

    def __init__(self, predictions, classes, labels):
        super().__init__(predictions)
        self.classes, self.labels = classes, labels

    @property
    def classes_(self):
        """The classes."""
        return self.classes

    def predict(self, X):
        """Return the labels."""
        return self.labels(self.predictions)

    def predict_proba(self, X):
        """Return the probabilities."""
        return self.predictions

"""Predictions of members for the rows that they have not seen."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np


@dataclass
class HeldOutPredictions:
    """Predictions of every member for its held-out rows.

    Attributes
    ----------
    held_out : ndarray of bool of shape (n_members, n_rows)
        Whether a member has not seen a row.
    predictions : list of ndarray of shape (n_held_out, ...)
        Predictions of each member, its rows in ascending order.
    """

    held_out: np.ndarray
    predictions: list[np.ndarray]

    def mean(self) -> np.ndarray:
        """Return the mean over the members that held a row out; NaN for rows that every member has seen."""
        n_rows = self.held_out.shape[1]
        total = np.zeros((n_rows, *self.predictions[0].shape[1:]))
        for held_out, predictions in zip(self.held_out, self.predictions, strict=True):
            total[held_out] += predictions
        counts = self.held_out.sum(axis=0).reshape(-1, *[1] * (total.ndim - 1))
        return np.divide(total, counts, out=np.full_like(total, np.nan), where=counts > 0)

    def of_rows(self, rows: np.ndarray) -> "HeldOutPredictions":
        """Return the predictions for some of the rows, those that a mask tells."""
        if not (self.held_out & ~rows).any():
            return self
        held_out = self.held_out & rows
        kept = [
            predictions[new[old]]
            for new, old, predictions in zip(held_out, self.held_out, self.predictions, strict=True)
        ]
        return HeldOutPredictions(held_out, kept)

    def completed(self, predict: Callable[[int, np.ndarray], np.ndarray]) -> np.ndarray:
        """Return the predictions of each member, also for the rows that it has seen and others have not.

        Parameters
        ----------
        predict : callable
            Function of the number of a member and of the indices of these rows, in ascending order, that returns its
            predictions for them. It is not called where there are none.

        Returns
        -------
        ndarray of shape (n_members, n_rows, ...)
            The predictions; NaN for rows that every member has seen.
        """
        found = np.full((*self.held_out.shape, *self.predictions[0].shape[1:]), np.nan)
        others = self.held_out.any(axis=0) & ~self.held_out
        for number, (held_out, predictions) in enumerate(zip(self.held_out, self.predictions, strict=True)):
            found[number, held_out] = predictions
            rows = np.flatnonzero(others[number])
            if len(rows):
                found[number, rows] = predict(number, rows)
        return found

    def between(self, first: int, last: int) -> "HeldOutPredictions":
        """Return the predictions for contiguous rows, as views; ``last`` is not among them."""
        n_before, n_until = (self.held_out[:, :end].sum(axis=1) for end in (first, last))
        parts = zip(self.predictions, n_before, n_until, strict=True)
        return HeldOutPredictions(self.held_out[:, first:last], [own[start:stop] for own, start, stop in parts])


def share_of_mean(variance, squares, n_averaged: np.ndarray, n_members: int, weight: np.ndarray | None = None):
    """Return by how much the mean of all members has a smaller mean square than the means of some of them.

    Parameters
    ----------
    variance : float or ndarray of shape (n_outputs,)
        Variance of members for the same row.
    squares : float or ndarray of shape (n_outputs,)
        Mean square of the means of some members, above 0.
    n_averaged : ndarray of int of shape (n_rows,)
        Number of these members for each row.
    n_members : int
        Number of all members.
    weight : ndarray of shape (n_rows,) or None, default=None
        Weights of the rows.

    Returns
    -------
    float or ndarray of shape (n_outputs,)
        The ratio, at most 1. Were mean squares due to the variance of members alone, it would be that of the numbers of
        members, below which it is not.
    """
    inverse = np.average(1 / n_averaged, weights=weight)
    return np.clip(1 - variance * (inverse - 1 / n_members) / squares, 1 / (n_members * inverse), 1.0)


def out_of_fold_mean(predictions: np.ndarray, held_out: np.ndarray) -> np.ndarray:
    """Return the mean over the members that held a row out.

    Parameters
    ----------
    predictions : ndarray of shape (n_members, n_rows, ...)
        Predictions of each member for all rows; those for rows that it has seen are left out, and may be NaN.
    held_out : ndarray of bool of shape (n_members, n_rows)
        Whether a member has not seen a row.

    Returns
    -------
    ndarray of shape (n_rows, ...)
        The means; NaN for rows that every member has seen.
    """
    own = [of_member[rows] for of_member, rows in zip(predictions, held_out, strict=True)]
    return HeldOutPredictions(held_out, own).mean()

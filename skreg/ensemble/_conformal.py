"""Intervals and sets of conformal prediction from out-of-fold residuals (CV+)."""

import math
from fractions import Fraction

import numpy as np

# How many numbers of a block of new rows are in memory at a time.
BLOCK_SIZE = 2**22


def out_of_fold_mean(predictions: np.ndarray, held_out: np.ndarray) -> np.ndarray:
    """Return the mean over the members that held a row out.

    Parameters
    ----------
    predictions : ndarray of shape (n_members, n_rows, ...)
        Predictions of each member; those for rows that it has seen are ignored, and may be NaN.
    held_out : ndarray of bool of shape (n_members, n_rows)
        Whether a member has not seen a row.

    Returns
    -------
    ndarray of shape (n_rows, ...)
        The means; NaN for rows that every member has seen.
    """
    predictions = np.asarray(predictions, dtype=np.float64)
    held_out = np.asarray(held_out, dtype=bool)
    mask = held_out.reshape(held_out.shape + (1,) * (predictions.ndim - 2))
    counts = held_out.sum(axis=0).reshape(mask.shape[1:])
    sums = np.where(mask, predictions, 0.0).sum(axis=0)
    return np.divide(sums, counts, out=np.full_like(sums, np.nan), where=counts > 0)


def rank_of(coverage: float, n_rows: int) -> int:
    """Return the rank of the residual that is to be covered, ceil(coverage (n + 1)), of 1 to n_rows.

    0.55 times 100 is 55, although it is a little more in floats: the decimal number is meant.
    """
    share = Fraction(repr(float(coverage)))
    rank = math.ceil(share * (n_rows + 1))
    if rank > n_rows:
        needed = math.ceil(share / (1 - share))
        raise ValueError(
            f"The 'coverage' parameter must be at most {n_rows / (n_rows + 1):.6g} with {n_rows} out-of-fold rows "
            f"(a coverage of {coverage!r} needs at least {needed} rows); got {coverage!r}."
        )
    return rank

"""When to stop, and on what data that is decided."""

import copy
import math

import numpy as np
from sklearn.model_selection import ShuffleSplit, StratifiedShuffleSplit

from skreg._sklearn_private import num_samples

# With few rows a tenth of them says little: a validation set has at least this many rows and one for each class ...
MIN_VALIDATION_ROWS = 10
# ... but never more than this share of the data.
MAX_VALIDATION_SHARE = 1 / 3
# With few rows an epoch is one or two steps: patience is counted in epochs, and lasts at least this many steps.
MIN_PATIENCE_STEPS = 100


def validation_size(n_rows: int, validation_fraction: float, n_classes: int = 0) -> int:
    """Return the number of validation rows.

    ``ceil(validation_fraction * n_rows)``, raised to 10 and to one row for each class, but at most a third of the
    rows unless the fraction itself asks for more.

    Parameters
    ----------
    n_rows : int
        Number of rows to split.
    validation_fraction : float
        Share in (0, 1).
    n_classes : int, default=0
        Number of classes; 0 for other targets.

    Returns
    -------
    int
        Number of rows, at least 1 and less than ``n_rows``.

    Raises
    ------
    ValueError
        If there are fewer than two rows, or if no row would be left for training.
    """
    asked = math.ceil(validation_fraction * n_rows)
    least = min(max(MIN_VALIDATION_ROWS, n_classes), int(n_rows * MAX_VALIDATION_SHARE))
    size = max(asked, least, 1)
    if size >= n_rows:
        raise ValueError(
            f"early_stopping=True needs rows for training and for validation, but validation_fraction="
            f"{validation_fraction!r} takes {size} of n_samples={n_rows}. Use fewer validation rows, more data, or "
            "early_stopping=False."
        )
    return size


def split_validation(
    n_rows: int, validation_fraction: float, *, classes: np.ndarray | None, seed: int
) -> tuple[np.ndarray, np.ndarray]:
    """Return the row numbers for training and for validation, shuffled.

    Classes keep their proportions when there are at least as many validation rows as classes. At least one row of
    every class is always a training row.

    Parameters
    ----------
    n_rows : int
        Number of rows to split.
    validation_fraction : float
        Share in (0, 1); see :func:`validation_size`.
    classes : ndarray of shape (n_rows,) or None
        Class of each row; None if there are none to keep the proportions of.
    seed : int
        Of the shuffle.

    Returns
    -------
    train, valid : ndarray of int
        Row numbers.
    """
    if classes is None:
        size = validation_size(n_rows, validation_fraction)
        return next(ShuffleSplit(1, test_size=size, random_state=seed).split(np.empty(n_rows)))
    _, codes, counts = np.unique(classes, return_inverse=True, return_counts=True)
    size = validation_size(n_rows, validation_fraction, len(counts))
    if min(size, n_rows - size) >= len(counts) and counts.min() > 1:
        return next(StratifiedShuffleSplit(1, test_size=size, random_state=seed).split(codes, codes))
    # One row of every class is for training, whichever comes first in a random order.
    order = np.random.RandomState(seed).permutation(n_rows)
    first_of_class = np.unique(codes[order], return_index=True)[1]
    free = np.delete(order, first_of_class)
    if len(free) < size:
        raise ValueError(
            f"early_stopping=True takes {size} validation rows and leaves one row of each of the {len(counts)} classes "
            f"for training; got n_samples={n_rows}. Use a smaller validation_fraction, more data, or "
            "early_stopping=False."
        )
    return np.concatenate([order[first_of_class], free[size:]]), free[:size]


def split_by(
    splitter, X, y, *, groups: np.ndarray | None, kept: np.ndarray, seed: int
) -> tuple[np.ndarray, np.ndarray]:
    """Return the row numbers for training and for validation from a splitter of scikit-learn.

    Of several splits the last is taken: for :class:`~sklearn.model_selection.TimeSeriesSplit` the one with the most
    training rows.

    Parameters
    ----------
    splitter : cross-validation splitter
        Has a method ``split(X, y, groups)``. It is copied; its random state, if None, is the seed.
    X, y : array-like
        All rows, because the splitter may know them.
    groups : array-like of shape (n_rows,) or None
        Group of each row.
    kept : ndarray of int
        Numbers of the rows that have weight; the others are on neither side.
    seed : int
        For a splitter without a random state of its own.

    Returns
    -------
    train, valid : ndarray of int
        Row numbers.

    Raises
    ------
    ValueError
        If the splitter does, if it gives no split, or if its last split has rows that do not exist, no rows for
        training or for validation, or some for both.
    """
    splitter = copy.deepcopy(splitter)
    if getattr(splitter, "random_state", seed) is None:
        splitter.random_state = seed
    splits = list(splitter.split(X, y, groups))
    if not splits:
        raise ValueError(f"The splitter given as 'early_stopping' must give a split; got none from {splitter!r}.")
    n_rows = num_samples(X)
    sides = []
    for rows in map(np.asarray, splits[-1]):
        numbers = np.flatnonzero(rows) if rows.dtype == bool else rows
        if not np.isin(numbers, np.arange(n_rows)).all() or (rows.dtype == bool and len(rows) != n_rows):
            raise ValueError(
                f"The splitter given as 'early_stopping' must split the {n_rows} rows of X; got others, up to number "
                f"{len(rows) - 1 if rows.dtype == bool else rows.max()}, from {splitter!r}."
            )
        sides.append(numbers[np.isin(numbers, kept)])
    train, valid = sides
    n_shared = np.intersect1d(train, valid).size
    if not (len(train) and len(valid)) or n_shared:
        raise ValueError(
            "The splitter given as 'early_stopping' must give rows (with positive weight) for training and other rows "
            f"for validation; got {len(train)} and {len(valid)} rows, {n_shared} of them the same, from {splitter!r}."
        )
    return train, valid


class Patience:
    """Counts the epochs since a monitored value last improved.

    Parameters
    ----------
    tol : float
        How much lower than the best a value must be to count as an improvement.
    n_iter_no_change : int or inf
        More epochs than this without an improvement exhaust the patience, as in scikit-learn's MLP.

    Attributes
    ----------
    best : float
        Lowest value so far.
    n_waiting : int
        Epochs since the last improvement.
    """

    def __init__(self, tol: float, n_iter_no_change: float):
        self.tol = tol
        self.n_iter_no_change = n_iter_no_change
        self.best = math.inf
        self.n_waiting = 0

    def update(self, value: float) -> bool:
        """Take the next epoch's value; return whether it is the lowest so far, by however little."""
        self.n_waiting = self.n_waiting + 1 if value > self.best - self.tol else 0
        lowest = value < self.best
        self.best = min(self.best, value)
        return lowest

    @property
    def exhausted(self) -> bool:
        """Whether the wait has been too long."""
        return self.n_waiting > self.n_iter_no_change

    def reset(self) -> None:
        """Begin a new wait, keeping the best value."""
        self.n_waiting = 0


def patience_in_epochs(n_iter_no_change: float, steps_per_epoch: int) -> float:
    """Return the number of epochs that is at least ``n_iter_no_change`` and lasts at least 100 steps."""
    return max(n_iter_no_change, math.ceil(MIN_PATIENCE_STEPS / steps_per_epoch))

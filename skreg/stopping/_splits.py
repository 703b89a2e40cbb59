"""Validation rows, held out at random, in whole groups, or as the last in time."""

import math

import numpy as np
import pandas as pd
from sklearn.model_selection import ShuffleSplit, StratifiedShuffleSplit

from skreg.stopping._splitters import NoSplitError

# With few rows a tenth of them says little. A validation set has at least this many rows, but is raised to no more than
# this share of the data for it. Measured by benchmarks/bench_few_rows.py.
WANTED_VALIDATION_ROWS, WANTED_VALIDATION_SHARE = 50, 0.15
# With still fewer rows, it has at least so many and one for each class ...
MIN_VALIDATION_ROWS = 10
# ... but never more than this share of the data.
MAX_VALIDATION_SHARE = 1 / 3
# The last rows are held out without exception to their order if there are at least this share of the wanted ones.
MIN_SHARE_IN_TIME = 0.5
# Number of random choices of whole groups, of which the one nearest to the size and to the shares of classes is taken.
N_GROUP_ORDERS = 20


def validation_size(n_rows: int, validation_fraction: float, n_classes: int = 0) -> int:
    """Return the number of validation rows.

    ``ceil(validation_fraction * n_rows)``, raised to 50 but at most 15 % of the rows, and to 10 and one row for
    each class but at most a third of the rows. A larger fraction is taken as it is.

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
    wanted = min(WANTED_VALIDATION_ROWS, int(n_rows * WANTED_VALIDATION_SHARE))
    least = min(max(MIN_VALIDATION_ROWS, n_classes), int(n_rows * MAX_VALIDATION_SHARE))
    size = max(asked, wanted, least, 1)
    if size >= n_rows:
        raise ValueError(
            f"early_stopping=True needs rows for training and for validation, but validation_fraction="
            f"{validation_fraction!r} takes {size} of n_samples={n_rows}. Use fewer validation rows, more data, or "
            "early_stopping=False."
        )
    return size


def split_validation(
    n_rows: int,
    validation_fraction: float,
    *,
    classes: np.ndarray | None,
    seed: int,
    groups: np.ndarray | None = None,
    time: np.ndarray | None = None,
) -> tuple[np.ndarray, np.ndarray]:
    """Return the row indices for training and for validation, shuffled unless they have an order in time.

    Classes keep their proportions when there are at least as many validation rows as classes. At least one row of
    every class is always a training row. With groups, whole ones are held out, as many as come to the number of rows;
    with an order in time, the last rows. A class that comes late leaves fewer of these, but not less than half: then
    its first row, a training row, is the exception to the order.

    Parameters
    ----------
    n_rows : int
        Number of rows to split.
    validation_fraction : float
        Share in (0, 1); see :func:`validation_size`.
    classes : ndarray of shape (n_rows,) or None
        Class of each row; None if there are none to keep the proportions of.
    seed : int
        Seed of the shuffle.
    groups : ndarray of shape (n_rows,) or None, default=None
        Group of each row.
    time : ndarray of shape (n_rows,) or None, default=None
        Position of each row in time. With groups, too, the groups that end last are held out, but for those that a
        class cannot be trained without.

    Returns
    -------
    train, valid : ndarray of int
        Row indices.

    Raises
    ------
    NoSplitError
        If no group can be held out without the loss of a class, or not enough rows.
    ValueError
        If there are too few rows.
    """
    if groups is not None:
        return _split_groups(groups, validation_fraction, classes, seed, time)
    if time is not None:
        return _split_time(time, validation_fraction, classes)
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


def _split_time(time, validation_fraction: float, classes) -> tuple[np.ndarray, np.ndarray]:
    """Return the indices of the earlier and of the last rows, each in their order."""
    order, n_rows = np.argsort(time, kind="stable"), len(time)
    size = validation_size(n_rows, validation_fraction)
    # Of every class a row is for training, its first one.
    is_first = np.zeros(n_rows, dtype=bool)
    if classes is not None:
        is_first[np.unique(classes[order], return_index=True)[1]] = True
    free = np.flatnonzero(~is_first)
    # Rows after the first one of the last class to come. Where these are far too few, the order has exceptions.
    n_last = min(size, n_rows - 1 - is_first.nonzero()[0].max(initial=-1))
    held_out = np.arange(n_rows - n_last, n_rows) if n_last >= size * MIN_SHARE_IN_TIME else free[-size:]
    if len(held_out) < size * MIN_SHARE_IN_TIME:
        raise NoSplitError(
            f"early_stopping=True holds out the last {size} of the {n_rows} training rows, as the folds do, but needs "
            f"a row of each of the {is_first.sum()} classes for training. Use more data, early_stopping=False, or give "
            "a splitter as 'early_stopping'."
        )
    is_valid = np.zeros(n_rows, dtype=bool)
    is_valid[held_out] = True
    return order[~is_valid], order[is_valid]


def _split_groups(groups, validation_fraction: float, classes, seed: int, time) -> tuple[np.ndarray, np.ndarray]:
    """Return the indices of the training rows and of the held-out rows, which are those of whole groups."""
    codes, names = pd.factorize(groups, use_na_sentinel=False)
    n_rows, n_groups = len(codes), len(names)
    if n_groups < 2:
        raise NoSplitError(
            f"early_stopping=True holds out whole groups, but the {n_rows} training rows are all of one group. Use "
            "more groups or other folds, early_stopping=False, or early_stopping=ShuffleSplit(1) to split this group."
        )
    labels = np.zeros(n_rows, dtype=int) if classes is None else np.unique(classes, return_inverse=True)[1]
    counts = np.zeros((n_groups, labels.max() + 1))
    np.add.at(counts, (codes, labels), 1)
    in_all = counts.sum(axis=0)
    size = validation_size(n_rows, validation_fraction, 0 if classes is None else len(in_all))
    random = np.random.RandomState(seed)
    if time is None:
        # A group with all rows of a class must be trained on.
        free = np.flatnonzero((counts < in_all).all(axis=1))
        orders = [random.permutation(free) for _ in range(N_GROUP_ORDERS)]
    else:
        ends = np.full(n_groups, -np.inf)
        np.maximum.at(ends, codes, time)
        orders = [_last_groups(counts, in_all, np.argsort(-ends, kind="stable"))]
    held_out = min((_first_groups(counts[order], in_all, size, order) for order in orders), key=lambda found: found[:2])
    if not len(held_out[2]):
        raise NoSplitError(
            f"early_stopping=True holds out whole groups, but without any of the {n_groups} groups "
            f"{'in time ' if time is not None else ''}a class has no training row left. Use more groups or other "
            "folds, early_stopping=False, or early_stopping=ShuffleSplit(1) to split groups."
        )
    is_valid = np.isin(codes, held_out[2])
    rows = random.permutation(n_rows) if time is None else np.argsort(time, kind="stable")
    return rows[~is_valid[rows]], rows[is_valid[rows]]


def _last_groups(counts, in_all, order: np.ndarray) -> np.ndarray:
    """Return the groups, in order, that can all be held out and leave every class a training row."""
    left, held_out = in_all.copy(), []
    for group in order:
        if (counts[group] < left).all():
            left -= counts[group]
            held_out.append(group)
    return np.array(held_out, dtype=int)


def _first_groups(counts, in_all, size: int, order: np.ndarray) -> tuple[bool, float, np.ndarray]:
    """Return a rank of the first groups as validation rows, lower is better, and these groups.

    They have at least ``size`` rows, if that takes no more than a third of all, and class proportions as near as
    possible to those of all rows.
    """
    held_out, n_rows = counts.cumsum(axis=0), in_all.sum()
    distance = np.abs(held_out - size / n_rows * in_all).sum(axis=1)
    n_held_out = held_out.sum(axis=1)
    is_enough = (n_held_out >= size) & (n_held_out <= max(size, n_rows * MAX_VALIDATION_SHARE))
    is_allowed = (held_out < in_all).all(axis=1)
    if not is_allowed.any():
        return True, math.inf, order[:0]
    chosen = is_allowed & is_enough if (is_allowed & is_enough).any() else is_allowed
    last = int(np.argmin(np.where(chosen, distance, np.inf)))
    return not is_enough[last], float(distance[last]), order[: last + 1]

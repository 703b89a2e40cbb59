"""When to stop, and on what data that is decided."""

import contextlib
import copy
import math
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import pandas as pd
import torch
from sklearn.model_selection import ShuffleSplit, StratifiedShuffleSplit
from torch import Tensor

from skreg._seeds import seeded_splitter
from skreg._sklearn_private import num_samples

# With few rows a tenth of them says little: a validation set has at least this many rows and one for each class ...
MIN_VALIDATION_ROWS = 10
# ... but never more than this share of the data.
MAX_VALIDATION_SHARE = 1 / 3
# With few rows an epoch is one or two steps: patience is counted in epochs, and lasts at least this many steps.
MIN_PATIENCE_STEPS = 100
# Ten epochs without a gain say much after ten epochs, and little after a hundred: the wait for validation to improve
# lasts at least this share of the epochs before. Measured by benchmarks/bench_stopping.py, as is the next number.
WAITING_SHARE = 0.5
# In choosing the best epoch, the loss of a validation row counts at most so many times the mean.
MAX_LOSS_OF_ROW = 50.0
# Of the last rows, at least such a share can be held out without an exception to their order.
MIN_SHARE_IN_TIME = 0.5
# Of so many random choices of whole groups, the one that comes nearest to the size and to the shares of classes.
N_GROUP_ORDERS = 20


class NoSplitError(ValueError):
    """No rows can be held out for early stopping: a matter of parameters, which every fit of a search has in common."""


def needs_groups(splitter) -> bool:
    """Return whether a splitter of scikit-learn cannot split without groups."""
    request = None if isinstance(splitter, type) else getattr(splitter, "get_metadata_routing", None)
    return request is not None and bool(request().split.requests.get("groups"))


def takes_groups(splitter) -> bool:
    """Return whether a splitter is given the groups where they are known: unless it is one of scikit-learn without use.

    A splitter of a user's own need not say what it wants.
    """
    return hasattr(splitter, "split") and (needs_groups(splitter) or not hasattr(splitter, "get_metadata_routing"))


def check_groups(splitter, groups, name: str, mending: str) -> None:
    """Raise NoSplitError if a splitter, the value of a parameter, has not the groups that it needs."""
    if groups is None and needs_groups(splitter):
        raise NoSplitError(f"The {name!r} parameter, {splitter!r}, needs the group of each row: {mending}")


def row_numbers(rows, n_rows: int | None = None) -> np.ndarray:
    """Return numbers of rows, of which a splitter may also have made a mask, of all rows if their number is given."""
    rows = np.asarray(rows)
    if rows.dtype != bool:
        return rows
    if n_rows is not None and rows.shape != (n_rows,):
        raise ValueError(
            f"A mask of rows in 'cv' must have one entry for each of the {n_rows} rows of X; got {rows.shape}."
        )
    return np.flatnonzero(rows)


@dataclass(frozen=True)
class RowStructure:
    """How rows belong together, as far as the splitter of a cross-validation tells.

    Attributes
    ----------
    groups : ndarray of shape (n_rows,) or None
        Group of each row.
    whole_groups : bool
        Whether the splitter keeps groups whole.
    time : ndarray of shape (n_rows,) or None
        Place of each row in time; None if the splitter does not keep to it.
    """

    groups: np.ndarray | None = None
    whole_groups: bool = False
    time: np.ndarray | None = None

    @classmethod
    def of(cls, splits, groups, n_rows: int) -> "RowStructure":
        """Return the structure that all splits respect, whatever has made them.

        Groups count if no split has a group on both sides, and the order of rows if there are at least two splits and
        in each of them all test rows come after all training rows.
        """
        splits = [tuple(row_numbers(rows, n_rows) for rows in split) for split in splits]
        splits = [split for split in splits if all(len(rows) for rows in split)]
        in_time = len(splits) > 1 and all(train.max() < test.min() for train, test in splits)
        whole = False
        if groups is not None:
            groups = np.asarray(groups)
            codes, names = pd.factorize(groups, use_na_sentinel=False)
            whole = bool(splits) and all(_keeps_whole(codes, len(names), *split) for split in splits)
        return cls(groups, whole, np.arange(n_rows) if in_time else None)

    def rows(self, numbers: np.ndarray) -> "RowStructure":
        """Return the structure of some of the rows."""
        groups, time = (None if values is None else values[numbers] for values in (self.groups, self.time))
        return RowStructure(groups, self.whole_groups, time)


def _keeps_whole(codes: np.ndarray, n_groups: int, train: np.ndarray, test: np.ndarray) -> bool:
    is_trained = np.zeros(n_groups, dtype=bool)
    is_trained[codes[train]] = True
    return not is_trained[codes[test]].any()


@dataclass(frozen=True)
class Following:
    """What `early_stopping` is while a network is fitted within a cross-validation.

    Attributes
    ----------
    early_stopping : True or cross-validation splitter
        The user's choice.
    structure : RowStructure
        Of the rows of the fit, as the splitter of the cross-validation sees them.
    """

    early_stopping: object
    structure: RowStructure


@contextlib.contextmanager
def following(networks, structure: RowStructure) -> Iterator[None]:
    """Let the early stopping of networks follow a structure within a block; their parameters are the same afterwards.

    Parameters
    ----------
    networks : callable
        Returns the networks; called again at the end, when a fit may have made copies.
    structure : RowStructure
        Of the rows that they are fitted to.
    """
    for network in networks():
        if network.early_stopping:
            network.early_stopping = Following(network.early_stopping, structure)
    try:
        yield
    finally:
        for network in networks():
            if isinstance(network.early_stopping, Following):
                network.early_stopping = network.early_stopping.early_stopping


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
    n_rows: int,
    validation_fraction: float,
    *,
    classes: np.ndarray | None,
    seed: int,
    groups: np.ndarray | None = None,
    time: np.ndarray | None = None,
) -> tuple[np.ndarray, np.ndarray]:
    """Return the row numbers for training and for validation, shuffled unless they have an order in time.

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
        Of the shuffle.
    groups : ndarray of shape (n_rows,) or None, default=None
        Group of each row.
    time : ndarray of shape (n_rows,) or None, default=None
        Place of each row in time. With groups, too, the groups that end last are held out, but for those that a class
        cannot be trained without.

    Returns
    -------
    train, valid : ndarray of int
        Row numbers.

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
    """Return the numbers of the earlier and of the last rows, each in their order."""
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
    """Return the numbers of the rows of some groups, and of those of the others, held out."""
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
    """Return groups in their order, without those whose absence would leave a class no training row."""
    left, kept = in_all.copy(), []
    for group in order:
        if (counts[group] < left).all():
            left -= counts[group]
            kept.append(group)
    return np.array(kept, dtype=int)


def _first_groups(counts, in_all, size: int, order: np.ndarray) -> tuple[bool, float, np.ndarray]:
    """Return how well the first groups can serve as validation rows, lower is better, and which ones those are.

    There are at least ``size`` rows, if it takes no more than a third of all, in proportions as near as possible.
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
    NoSplitError
        If the splitter needs groups and there are none.
    ValueError
        If the splitter does, if it gives no split, or if its last split has rows that do not exist, no rows for
        training or for validation, or some for both.
    """
    check_groups(
        splitter,
        groups,
        "early_stopping",
        "fit(X, y, groups=...). The searches of skreg.model_selection and compare_regularizers(..., groups=...) hand "
        "theirs on; those of scikit-learn do so with metadata routing enabled.",
    )
    splits = list(seeded_splitter(copy.deepcopy(splitter), seed).split(X, y, groups))
    if not splits:
        raise ValueError(f"The splitter given as 'early_stopping' must give a split; got none from {splitter!r}.")
    n_rows = num_samples(X)
    sides = []
    for rows in map(np.asarray, splits[-1]):
        numbers = row_numbers(rows)
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
    waiting_share : float, default=0.0
        The wait also lasts at least this share of the epochs up to the last improvement.

    Attributes
    ----------
    best : float
        Lowest value so far.
    n_epochs : int
        Epochs so far.
    n_waiting : int
        Epochs since the last improvement.
    """

    def __init__(self, tol: float, n_iter_no_change: float, waiting_share: float = 0.0):
        self.tol = tol
        self.n_iter_no_change = n_iter_no_change
        self.waiting_share = waiting_share
        self.best = math.inf
        self.n_epochs = self.n_waiting = 0

    def update(self, value: float) -> bool:
        """Take the next epoch's value; return whether it is the lowest so far, by however little."""
        self.n_epochs += 1
        self.n_waiting = self.n_waiting + 1 if value > self.best - self.tol else 0
        lowest = value < self.best
        self.best = min(self.best, value)
        return lowest

    @property
    def exhausted(self) -> bool:
        """Whether the wait has been too long."""
        before = self.n_epochs - self.n_waiting
        return self.n_waiting > max(self.n_iter_no_change, self.waiting_share * before)

    def reset(self) -> None:
        """Begin a new wait, keeping the best value."""
        self.n_waiting = 0


def patience_in_epochs(n_iter_no_change: float, steps_per_epoch: int) -> float:
    """Return the number of epochs that is at least ``n_iter_no_change`` and lasts at least 100 steps."""
    return max(n_iter_no_change, math.ceil(MIN_PATIENCE_STEPS / steps_per_epoch))


def bounded_mean(losses: Tensor, weight: Tensor, mean: Tensor) -> Tensor:
    """Return mean losses in which no row counts more than 50 times the result.

    Where a few wrong rows hold most of a validation loss, it tells their story epoch by epoch, and not that of the
    others. Their losses are lowered to the bound c that solves ``c = 50 * sum_i weight_i * min(losses_i, c)``. It does
    not depend on how far beyond it they were, it has the unit of the losses, and it is the same for weights and for
    repeated rows.

    Parameters
    ----------
    losses : Tensor of shape (n_members, n_rows)
        Losses of all rows, none of them negative.
    weight : Tensor of shape (n_rows,) or (n_members, n_rows)
        Weights of the rows; they sum to 1.
    mean : Tensor of shape (n_members,)
        The means of the losses, which are returned where no row is beyond the bound.

    Returns
    -------
    Tensor of shape (n_members,)
        The bounded means.
    """
    losses = torch.where(weight > 0, losses, 0.0)
    if not bool((losses.amax(dim=1) > MAX_LOSS_OF_ROW * mean).any()):
        return mean
    ordered, order = losses.double().sort(dim=1)  # no sum of small losses is to be a difference of large ones
    weight = weight.double().expand_as(losses).gather(1, order)
    # If the rows from here on had the bound, it would be: the loss of the rows below, over what is left of 1/50.
    below = torch.nn.functional.pad((weight * ordered)[:, :-1].cumsum(dim=1), (1, 0))
    room = 1 / MAX_LOSS_OF_ROW - weight.flip(1).cumsum(dim=1).flip(1)
    bound = torch.where(room > 0, below / room, math.inf)
    # The rows beyond their own bound are the last ones. The bound is that of the first of these.
    is_beyond = ordered > bound
    first = is_beyond.to(torch.int8).argmax(dim=1, keepdim=True)
    bounded = (bound.gather(1, first) / MAX_LOSS_OF_ROW).squeeze(1).to(mean.dtype)
    return torch.where(is_beyond.any(dim=1), bounded, mean)

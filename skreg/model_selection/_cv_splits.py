"""Splits of the cross-validation of an estimator that chooses its strength, and folds of shuffled rows."""

from numbers import Integral

import numpy as np
import scipy.sparse
from sklearn.model_selection import GroupKFold, KFold, StratifiedGroupKFold, StratifiedKFold, check_cv
from sklearn.utils.multiclass import type_of_target

from skreg._seeds import seeded_splitter
from skreg._sklearn_private import num_samples
from skreg.stopping import RowStructure, all_splits, check_groups, row_indices

N_FOLDS = 5


def shuffled_folds(n_splits: int, *, stratified: bool, has_groups: bool, seed: int):
    """Return a splitter into shuffled folds: stratified for classes, with whole groups if there are any.

    Tables are often sorted, by class or by a column: folds of contiguous rows would be predicted by networks that have
    seen no such rows.
    """
    if has_groups:
        splitter = StratifiedGroupKFold if stratified else GroupKFold
    else:
        splitter = StratifiedKFold if stratified else KFold
    return splitter(n_splits, shuffle=True, random_state=seed)


def checked_splits(
    cv, X, y, sample_weight, groups, *, is_classifier: bool, around: RowStructure, seed: int
) -> list[tuple]:
    """Return the row indices for training and for testing of every fold.

    Parameters
    ----------
    cv : int, cross-validation splitter, iterable of splits or None
        The user's choice.
    X, y, sample_weight, groups : array-like
        All rows.
    is_classifier : bool
        Whether y holds labels.
    around : RowStructure
        Groups and order of the rows in a cross-validation around the fit, to which the folds of an int keep.
    seed : int
        Seed of shuffled folds, and of a splitter without one.

    Returns
    -------
    list of tuple of ndarray
        Indices of rows with positive weight.

    Raises
    ------
    ValueError
        If a fold has no row with positive weight, or its training rows lack a class.
    """
    labels = np.asarray(y) if is_classifier and not scipy.sparse.issparse(y) else None
    if labels is not None and type_of_target(labels).startswith("multilabel"):
        labels = None
    check_groups(
        cv,
        groups,
        "cv",
        "fit(X, y, groups=...). scikit-learn's searches hand groups on with metadata routing enabled.",
    )
    is_number = cv is None or isinstance(cv, Integral)
    if is_number and groups is None and around.whole_groups:
        groups = around.groups
    if is_number and (groups is not None or around.time is None):
        number, has_groups = N_FOLDS if cv is None else cv, groups is not None
        splitter = shuffled_folds(number, stratified=labels is not None, has_groups=has_groups, seed=seed)
    else:
        splitter = seeded_splitter(check_cv(cv, y, classifier=is_classifier), seed)
    n_rows = num_samples(X)
    splits = [tuple(row_indices(rows, n_rows) for rows in split) for split in all_splits(splitter, X, y, groups, "cv")]
    if sample_weight is not None:
        # Rows of weight zero are left out of training and of scores.
        splits = [tuple(rows[sample_weight[rows] > 0] for rows in split) for split in splits]
        if not all(len(rows) for split in splits for rows in split):
            raise ValueError(f"A fold from cv={cv!r} has no row with positive weight. Use other folds.")
    if labels is not None:
        check_classes(splits, labels, sample_weight, cv)
    return splits


def check_classes(splits: list[tuple], labels: np.ndarray, sample_weight, cv) -> None:
    """Raise ValueError if the training rows of a fold lack a class."""
    n_classes = len(np.unique(labels if sample_weight is None else labels[sample_weight > 0]))
    for i, (train, _) in enumerate(splits):
        present = np.unique(labels[train])
        if len(present) < n_classes:
            raise ValueError(
                f"The training rows of every fold must hold all {n_classes} classes; those of fold {i} from "
                f"cv={cv!r} hold only {present.tolist()!r}. Use fewer folds, or stratified ones."
            )

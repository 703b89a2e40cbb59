"""Validation rows chosen by a splitter of scikit-learn, and the groups that it needs."""

import copy

import numpy as np

from skreg._seeds import seeded_splitter
from skreg._sklearn_private import num_samples


class NoSplitError(ValueError):
    """Error of early stopping without rows to hold out, because of parameters that all fits of a search share."""


def needs_groups(splitter) -> bool:
    """Return whether a splitter of scikit-learn cannot split without groups."""
    request = None if isinstance(splitter, type) else getattr(splitter, "get_metadata_routing", None)
    return request is not None and bool(request().split.requests.get("groups"))


def takes_groups(splitter) -> bool:
    """Return whether a splitter is given the groups if there are any: not one of scikit-learn that does not need them.

    A user's own splitter need not request them.
    """
    return hasattr(splitter, "split") and (needs_groups(splitter) or not hasattr(splitter, "get_metadata_routing"))


def check_groups(splitter, groups, name: str, mending: str) -> None:
    """Raise NoSplitError if a splitter, the value of a parameter, needs groups and there are none."""
    if groups is None and needs_groups(splitter):
        raise NoSplitError(f"The {name!r} parameter, {splitter!r}, needs the group of each row: {mending}")


def all_splits(splitter, X, y, groups, name: str) -> list:
    """Return the splits of a splitter; its errors of value name the parameter that holds it."""
    try:
        return list(splitter.split(X, y, groups))
    except ValueError as error:
        raise ValueError(f"The splitter in {name!r} does not split these rows: {error}") from error


def row_indices(rows, n_rows: int | None = None) -> np.ndarray:
    """Return the indices of rows, which a splitter may also give as a mask; check its length if ``n_rows`` is given."""
    rows = np.asarray(rows)
    if rows.dtype != bool:
        return rows
    if n_rows is not None and rows.shape != (n_rows,):
        raise ValueError(
            f"A mask of rows in 'cv' must have one entry for each of the {n_rows} rows of X; got {rows.shape}."
        )
    return np.flatnonzero(rows)


def split_by(
    splitter, X, y, *, groups: np.ndarray | None, indices: np.ndarray, seed: int
) -> tuple[np.ndarray, np.ndarray]:
    """Return the row indices for training and for validation from a splitter of scikit-learn.

    Of several splits the last is taken: for :class:`~sklearn.model_selection.TimeSeriesSplit` the one with the most
    training rows.

    Parameters
    ----------
    splitter : cross-validation splitter
        Has a method ``split(X, y, groups)``. It is copied; its random state, if None, is the seed.
    X, y : array-like
        All rows: the splitter may depend on them.
    groups : array-like of shape (n_rows,) or None
        Group of each row.
    indices : ndarray of int
        Indices of the rows with positive weight; the others are on neither side.
    seed : int
        Seed of a splitter whose random state is None.

    Returns
    -------
    train, valid : ndarray of int
        Row indices.

    Raises
    ------
    NoSplitError
        If the splitter needs groups and there are none.
    ValueError
        If the splitter raises it, if it gives no split, or if its last split has rows that do not exist, no rows for
        training or for validation, or some for both.
    """
    check_groups(
        splitter,
        groups,
        "early_stopping",
        "fit(X, y, groups=...). The searches of skreg.model_selection and compare_regularizers(..., groups=...) hand "
        "theirs on; those of scikit-learn do so with metadata routing enabled.",
    )
    splits = all_splits(seeded_splitter(copy.deepcopy(splitter), seed), X, y, groups, "early_stopping")
    if not splits:
        raise ValueError(f"The splitter in 'early_stopping' must give a split; got none from {splitter!r}.")
    n_rows = num_samples(X)
    sides = []
    for rows in map(np.asarray, splits[-1]):
        side = row_indices(rows)
        if not np.isin(side, np.arange(n_rows)).all() or (rows.dtype == bool and len(rows) != n_rows):
            raise ValueError(
                f"The splitter in 'early_stopping' must split the {n_rows} rows of X; got others, up to number "
                f"{len(rows) - 1 if rows.dtype == bool else rows.max()}, from {splitter!r}."
            )
        sides.append(side[np.isin(side, indices)])
    train, valid = sides
    n_shared = np.intersect1d(train, valid).size
    if not (len(train) and len(valid)) or n_shared:
        raise ValueError(
            "The splitter in 'early_stopping' must give rows (with positive weight) for training and other rows "
            f"for validation; got {len(train)} and {len(valid)} rows, {n_shared} of them the same, from {splitter!r}."
        )
    return train, valid

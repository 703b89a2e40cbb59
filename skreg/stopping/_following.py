"""Early stopping within a cross-validation: it holds out rows as the folds do."""

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import pandas as pd

from skreg.stopping._splitters import row_indices


@dataclass(frozen=True)
class RowStructure:
    """Groups and order of rows that the splits of a cross-validation respect.

    Attributes
    ----------
    groups : ndarray of shape (n_rows,) or None
        Group of each row.
    whole_groups : bool
        Whether the splitter keeps groups whole.
    time : ndarray of shape (n_rows,) or None
        Position of each row in time; None if the splits do not respect an order.
    """

    groups: np.ndarray | None = None
    whole_groups: bool = False
    time: np.ndarray | None = None

    @classmethod
    def of(cls, splits, groups, n_rows: int) -> "RowStructure":
        """Return the structure that all splits respect.

        Groups count if no split has a group on both sides, and the order of rows if there are at least two splits and
        in each of them all test rows come after all training rows.
        """
        splits = [tuple(row_indices(rows, n_rows) for rows in split) for split in splits]
        splits = [split for split in splits if all(len(rows) for rows in split)]
        in_time = len(splits) > 1 and all(train.max() < test.min() for train, test in splits)
        whole = False
        if groups is not None:
            groups = np.asarray(groups)
            codes, names = pd.factorize(groups, use_na_sentinel=False)
            whole = bool(splits) and all(_keeps_whole(codes, len(names), *split) for split in splits)
        return cls(groups, whole, np.arange(n_rows) if in_time else None)

    def rows(self, indices: np.ndarray) -> "RowStructure":
        """Return the structure of some of the rows."""
        groups, time = (None if values is None else values[indices] for values in (self.groups, self.time))
        return RowStructure(groups, self.whole_groups, time)


def _keeps_whole(codes: np.ndarray, n_groups: int, train: np.ndarray, test: np.ndarray) -> bool:
    is_trained = np.zeros(n_groups, dtype=bool)
    is_trained[codes[train]] = True
    return not is_trained[codes[test]].any()


@dataclass(frozen=True)
class Following:
    """Value of `early_stopping` while a network is fitted within a cross-validation.

    Attributes
    ----------
    early_stopping : True or cross-validation splitter
        The user's choice.
    structure : RowStructure
        Structure of the rows of the fit, which the cross-validation respects.
    on_held_out_rows : bool
        Whether the rows to validate on are those that the cross-validation holds out.
    """

    early_stopping: object
    structure: RowStructure
    on_held_out_rows: bool = False


@contextlib.contextmanager
def following(networks, structure: RowStructure, *, on_held_out_rows: bool = False) -> Iterator[None]:
    """Let the early stopping of networks follow a structure within a block, and restore their parameters afterwards.

    Parameters
    ----------
    networks : callable
        Returns the networks; called again at the end, because a fit may have made copies.
    structure : RowStructure
        Structure of the rows that they are fitted to.
    on_held_out_rows : bool, default=False
        Whether they are validated on rows that the cross-validation holds out.
    """
    for network in networks():
        if network.early_stopping:
            network.early_stopping = Following(network.early_stopping, structure, on_held_out_rows)
    try:
        yield
    finally:
        for network in networks():
            if isinstance(network.early_stopping, Following):
                network.early_stopping = network.early_stopping.early_stopping

"""Early stopping: how long training waits for an improvement, and on which rows that is decided.

One idea a file: rows held out at random, in groups or in time (`_splits`) or by a splitter (`_splitters`), as the folds
of a cross-validation do it (`_following`); the wait (`_patience`); the loss that counts (`_bounded_mean`). It knows
neither networks nor estimators. The engine imports the wait and the loss; the estimators, :mod:`skreg.model_selection`
and :mod:`skreg.inspection` the rest. A new rule that stops training is a class beside ``Patience``, which
`skreg.engine.monitor` asks after every epoch; a new way to hold out rows is a branch of ``split_validation``.
"""

from skreg.stopping._bounded_mean import bounded_mean
from skreg.stopping._following import Following, RowStructure, following
from skreg.stopping._patience import WAITING_SHARE, Patience, patience_in_epochs, with_at_least
from skreg.stopping._splits import split_validation, validation_size
from skreg.stopping._splitters import (
    NoSplitError,
    all_splits,
    check_groups,
    needs_groups,
    row_indices,
    split_by,
    takes_groups,
)

__all__ = [
    "WAITING_SHARE",
    "Following",
    "NoSplitError",
    "Patience",
    "RowStructure",
    "all_splits",
    "bounded_mean",
    "check_groups",
    "following",
    "needs_groups",
    "patience_in_epochs",
    "row_indices",
    "split_by",
    "split_validation",
    "takes_groups",
    "validation_size",
    "with_at_least",
]

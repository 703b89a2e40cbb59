"""Training histories over several calls of fit or partial_fit."""

from dataclasses import dataclass, field

import numpy as np


class HistoryMemory:
    """Memory of a history that grows epoch by epoch, with room behind its columns.

    So an epoch more costs the same after few and after many of them. A column is a view of the beginning of an array,
    and an epoch is written behind it: who holds an earlier view sees no change.
    """

    def __init__(self):
        self._columns: dict[str, np.ndarray] = {}
        self._n_epochs = 0

    def extended(self, first: dict[str, np.ndarray], epoch: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
        """Return a history with one epoch more, with numbers from 1 and no reasons why training ended."""
        n_before = len(first["epoch"]) if first else 0
        numbered = {"epoch": np.array([n_before + 1]), "stopping_reason": np.array([""])}
        epoch = epoch | numbered
        if not self._holds(first, n_before) or not epoch.keys() <= first.keys():
            self._take(joined(first, epoch))
        else:
            for name, column in self._columns.items():
                column[n_before] = epoch[name][0] if name in epoch else np.nan
            self._n_epochs = n_before + 1
        return {name: column[: self._n_epochs] for name, column in self._columns.items()}

    def _holds(self, history: dict[str, np.ndarray], n_epochs: int) -> bool:
        """Return whether this is the memory of a history, with room for an epoch behind its last one."""
        return (
            history.keys() == self._columns.keys()
            and n_epochs == self._n_epochs
            and all(history[name].base is column and n_epochs < len(column) for name, column in self._columns.items())
        )

    def _take(self, history: dict[str, np.ndarray]) -> None:
        """Copy a history, with as much room behind it."""
        history["epoch"] = np.arange(1, len(history["epoch"]) + 1)
        self._n_epochs = len(history["epoch"])
        self._columns = {}
        for name, values in history.items():
            dtype = "U1" if name == "stopping_reason" else values.dtype
            column = self._columns[name] = np.zeros(2 * self._n_epochs, dtype)
            column[: self._n_epochs] = values


@dataclass
class PreviousHistory:
    """History of earlier epochs, to which a fit that continues adds its own.

    ``memory`` is that of training epoch by epoch, or None; ``best_loss`` the least of the ``loss_curve``, if known.
    """

    history: dict[str, np.ndarray] = field(default_factory=dict)
    loss_curve: list[float] = field(default_factory=list)
    t: int = 0
    memory: HistoryMemory | None = None
    best_loss: float | None = None

    def joined(self, history: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
        """Return this history with that of more epochs."""
        return joined(self.history, history) if self.memory is None else self.memory.extended(self.history, history)

    def least_loss(self, objective: list[float]) -> float:
        """Return the least value of the objective, of these and of more epochs."""
        best = min(self.loss_curve, default=np.inf) if self.best_loss is None else self.best_loss
        return min([best, *objective])


def joined(first: dict[str, np.ndarray], second: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    """Return two histories joined; validation columns are NaN where one was not validated."""
    if not first:
        return second
    # The reason why training ended is that of the last epoch alone.
    first = first | {"stopping_reason": np.full(len(first["epoch"]), "")}
    n_rows = len(first["epoch"]), len(second["epoch"])
    names = [*first, *(name for name in second if name not in first)]
    return {
        name: np.concatenate(
            [part.get(name, np.full(n, np.nan)) for part, n in zip((first, second), n_rows, strict=True)]
        )
        for name in names
    }

"""Training histories over several calls of fit or partial_fit."""

from dataclasses import dataclass, field

import numpy as np


@dataclass
class PreviousHistory:
    """History of earlier epochs, to which a fit that continues adds its own."""

    history: dict[str, np.ndarray] = field(default_factory=dict)
    loss_curve: list[float] = field(default_factory=list)
    t: int = 0


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

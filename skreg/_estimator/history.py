"""Histories of training that go on from earlier ones."""

from dataclasses import dataclass, field

import numpy as np


@dataclass
class PreviousHistory:
    """What earlier epochs have left, which the results of a fit that goes on are added to."""

    history: dict[str, np.ndarray] = field(default_factory=dict)
    loss_curve: list[float] = field(default_factory=list)
    t: int = 0


def joined(first: dict[str, np.ndarray], second: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    """Return one history of two; where one of them was not validated, its validation columns hold NaN."""
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

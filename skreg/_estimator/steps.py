"""Batch size, epochs and patience of a fit: what its parameters come to for a number of training rows."""

import math

from skreg.engine.objective import AUTO_BATCH_SIZE
from skreg.stopping import with_at_least

# With batch_size="scale", an epoch has about so many steps, within these limits of the size of a batch.
STEPS_OF_EPOCH, SMALLEST_BATCH, LARGEST_BATCH = 16, 32, 256
# The patience of early stopping lasts at least `min_steps` divided by this.
STEPS_TO_PATIENCE = 10


def scaled_batch_size(n_rows: int) -> int:
    """Return a batch size that grows with the rows: a power of two, unless there are fewer rows."""
    size = 2 ** round(math.log2(max(1, n_rows / STEPS_OF_EPOCH)))
    return min(max(size, SMALLEST_BATCH), LARGEST_BATCH, n_rows)


def resolved_batch_size(estimator, n_rows: int) -> int:
    """Return the number of rows of a training step; raise ValueError if batch normalization has too few of them."""
    if estimator.solver == "lbfgs":
        return n_rows
    if estimator.normalization == "batch" and (n_rows < 2 or estimator.batch_size == 1):
        raise ValueError(
            "normalization='batch' needs batches of at least 2 rows; got "
            f"batch_size={estimator.batch_size!r} and n_samples={n_rows} for training."
        )
    if estimator.batch_size == "auto":
        return min(AUTO_BATCH_SIZE, n_rows)
    if estimator.batch_size == "scale":
        return scaled_batch_size(n_rows)
    return min(int(estimator.batch_size), n_rows)


def epochs_in_words(estimator, max_epochs: int) -> str:
    """Return `max_iter` for a message, with the number of epochs that `min_steps` has made of it."""
    text = f"max_iter={estimator.max_iter!r}"
    if max_epochs == estimator.max_iter:
        return text
    return f"{text} (raised to {max_epochs} by min_steps={estimator.min_steps!r})"


def resolved_epochs(estimator, n_batches: int) -> tuple[int, float]:
    """Return `max_iter` and `n_iter_no_change` in epochs of ``n_batches`` steps, raised as `min_steps` asks for."""
    if estimator.min_steps is None or estimator.solver == "lbfgs":
        return estimator.max_iter, estimator.n_iter_no_change
    n_steps, patience = int(estimator.min_steps), estimator.n_iter_no_change
    if estimator.early_stopping:
        patience = with_at_least(-(-n_steps // STEPS_TO_PATIENCE), patience, n_batches)
    return with_at_least(n_steps, estimator.max_iter, n_batches), patience

"""The networks that are trained where the user has named none."""

import math

from sklearn.base import clone
from sklearn.pipeline import make_pipeline

from skreg._estimator.base import BaseRegularizedMLP
from skreg.preprocessing import PiecewiseLinearEncoder
from skreg.regressor import RegularizedMLPRegressor

# Batches grow with the rows, so that an epoch has about so many steps, within these limits.
STEPS_OF_EPOCH, SMALLEST_BATCH, LARGEST_BATCH = 16, 32, 256
# Steps in all, and steps without a better epoch after which a network stops; in epochs at least so many.
MAX_STEPS, PATIENT_STEPS = 2500, 250
MIN_EPOCHS, MIN_PATIENCE = 50, 8

# Chosen with benchmarks/bench_defaults.py; docs/benchmarks.rst tells what each is worth.
RECIPES: dict[str, dict] = {
    "linear": {"hidden_layer_sizes": (), "alpha": 1e-3, "learning_rate_init": 0.03},
    "sparse": {"hidden_layer_sizes": (100,), "penalty": "l1", "alpha": 3e-3, "learning_rate_init": 0.003},
    "medium": {
        "hidden_layer_sizes": (128,),
        "penalty": None,
        "weight_decay": 0.1,
        "learning_rate_init": 0.002,
        "dropout": 0.3,
    },
    "wide": {
        "hidden_layer_sizes": (256, 128),
        "penalty": None,
        "weight_decay": 0.02,
        "learning_rate_init": 0.001,
        "dropout": 0.1,
    },
}
# Those that also have a member of the same kind behind a PiecewiseLinearEncoder, if its features do not outnumber rows.
IN_PIECES = ("sparse", "medium", "wide")
# Where columns outnumber rows: a network that selects columns.
WIDE_RECIPES: dict[str, dict] = {
    "group": {"hidden_layer_sizes": (64,), "penalty": "group_lasso", "alpha": 2e-2, "learning_rate_init": 0.003},
}


def batch_size_for(n_rows: int) -> int:
    """Return a batch size, a power of two unless there are fewer rows."""
    size = 2 ** round(math.log2(max(1, n_rows / STEPS_OF_EPOCH)))
    return min(max(size, SMALLEST_BATCH), LARGEST_BATCH, n_rows)


def default_members(kind: type[BaseRegularizedMLP], n_rows: int, n_columns: int) -> list[tuple[str, object]]:
    """Return names and networks, or pipelines of an encoder of pieces and a network, for a table.

    Parameters
    ----------
    kind : type
        Class of the networks.
    n_rows : int
        Number of rows that each of them is trained on.
    n_columns : int
        Number of columns of the table.

    Returns
    -------
    list of (str, estimator)
        The members.
    """
    recipes = RECIPES | WIDE_RECIPES if n_columns > n_rows else RECIPES
    members = [(name, make_network(kind, n_rows, **recipe)) for name, recipe in recipes.items()]
    encoder = PiecewiseLinearEncoder().set_output(transform="default")
    if n_columns * (1 + encoder.n_bins) <= n_rows:
        members += [(f"{name}_pieces", make_pipeline(clone(encoder), clone(dict(members)[name]))) for name in IN_PIECES]
    return members


def in_epochs(n_steps: int, n_rows: int, at_least: int) -> int:
    """Return the number of epochs that have about so many steps."""
    return max(at_least, round(n_steps / math.ceil(n_rows / batch_size_for(n_rows))))


def make_network(kind: type[BaseRegularizedMLP], n_rows: int, **parameters) -> BaseRegularizedMLP:
    """Return a network with a mean of its weights, which stops early after a number of steps without a better epoch."""
    if issubclass(kind, RegularizedMLPRegressor):
        parameters = {"target_transform": "standard"} | parameters
    return kind(
        # Of so few rows a fold may have fewer than another one, and all of them are one batch.
        batch_size="auto" if n_rows <= SMALLEST_BATCH else batch_size_for(n_rows),
        max_iter=in_epochs(MAX_STEPS, n_rows, MIN_EPOCHS),
        early_stopping=True,
        n_iter_no_change=in_epochs(PATIENT_STEPS, n_rows, MIN_PATIENCE),
        tol=0.0,
        averaging="ema",
        **parameters,
    )

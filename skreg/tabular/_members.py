"""The networks that are trained where the user has named none."""

import math

from skreg._estimator.base import BaseRegularizedMLP
from skreg.regressor import RegularizedMLPRegressor

# Batches grow with the rows, so that an epoch has at least so many steps, within these limits.
STEPS_OF_EPOCH, SMALLEST_BATCH, LARGEST_BATCH = 16, 16, 256

# A linear model with three strengths; one hidden layer with little and with more regularization; two, with dropout.
RECIPES: dict[str, dict] = {
    "linear_weak": {"hidden_layer_sizes": (), "alpha": 1e-3, "learning_rate_init": 0.03, "n_steps": 800},
    "linear": {"hidden_layer_sizes": (), "alpha": 1e-2, "learning_rate_init": 0.03, "n_steps": 800},
    "linear_strong": {"hidden_layer_sizes": (), "alpha": 1e-1, "learning_rate_init": 0.03, "n_steps": 800},
    "small": {"hidden_layer_sizes": (64,), "alpha": 1e-2, "learning_rate_init": 0.01, "dropout": 0.2, "n_steps": 1500},
    "wide": {
        "hidden_layer_sizes": (256, 128),
        "penalty": None,
        "weight_decay": 0.05,
        "learning_rate_init": 0.003,
        "dropout": 0.4,
        "input_dropout": 0.1,
        "n_steps": 2000,
    },
}
# Where columns outnumber rows: networks that choose columns.
WIDE_RECIPES: dict[str, dict] = {
    "group": {
        "hidden_layer_sizes": (64,),
        "penalty": "group_lasso",
        "alpha": 3e-2,
        "learning_rate_init": 0.005,
        "n_steps": 1500,
    },
}


def batch_size_for(n_rows: int) -> int:
    """Return a batch size, a power of two."""
    size = 2 ** round(math.log2(max(1, n_rows / STEPS_OF_EPOCH)))
    return min(max(size, SMALLEST_BATCH), LARGEST_BATCH)


def epochs_for(n_rows: int, n_steps: int) -> int:
    """Return the number of epochs that have about so many steps, at least 20."""
    return max(20, round(n_steps * batch_size_for(n_rows) / n_rows))


def default_members(kind: type[BaseRegularizedMLP], n_rows: int, n_columns: int) -> list[tuple[str, object]]:
    """Return names and networks for a table.

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
        The networks.
    """
    recipes = dict(RECIPES)
    if n_columns > n_rows:
        recipes |= WIDE_RECIPES
    return [(name, network(kind, n_rows, **recipe)) for name, recipe in recipes.items()]


def network(kind: type[BaseRegularizedMLP], n_rows: int, *, n_steps: int, **parameters) -> BaseRegularizedMLP:
    """Return a network that takes about so many steps, at a rate that falls to zero, and keeps its best epoch."""
    n_epochs = epochs_for(n_rows, n_steps)
    if issubclass(kind, RegularizedMLPRegressor):
        parameters = {"target_transform": "standard"} | parameters
    return kind(
        batch_size=min(batch_size_for(n_rows), n_rows),
        max_iter=n_epochs,
        learning_rate="cosine",
        early_stopping=True,
        n_iter_no_change=n_epochs,
        tol=0.0,
        **parameters,
    )

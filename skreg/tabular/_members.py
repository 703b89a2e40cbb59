"""The networks that are trained where the user has named none."""

from sklearn.base import clone
from sklearn.pipeline import make_pipeline

from skreg._estimator.base import BaseRegularizedMLP
from skreg.preprocessing import PiecewiseLinearEncoder
from skreg.regressor import RegularizedMLPRegressor

# Steps in all, in at least so many epochs. A network stops after a tenth of them, and at least so many epochs, without
# a better one.
MIN_STEPS, MIN_EPOCHS, MIN_PATIENCE = 2500, 50, 8

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
# Those that also have a member of the same kind behind a PiecewiseLinearEncoder, if so many features as it would make
# of plain columns do not outnumber rows. What it makes of encoded ones is known, and compared with rows, in `fit`.
IN_PIECES = ("sparse", "wide")
# Where columns outnumber rows: a network that selects columns.
WIDE_RECIPES: dict[str, dict] = {
    "group": {"hidden_layer_sizes": (64,), "penalty": "group_lasso", "alpha": 2e-2, "learning_rate_init": 0.003},
}


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
    members = [(name, make_network(kind, **recipe)) for name, recipe in recipes.items()]
    encoder = PiecewiseLinearEncoder().set_output(transform="default")
    if n_columns * (1 + encoder.n_bins) <= n_rows:
        members += [(f"{name}_pieces", make_pipeline(clone(encoder), clone(dict(members)[name]))) for name in IN_PIECES]
    return members


def make_network(kind: type[BaseRegularizedMLP], **parameters) -> BaseRegularizedMLP:
    """Return a network with a mean of its weights, which stops early after a number of steps without a better epoch."""
    if issubclass(kind, RegularizedMLPRegressor):
        parameters = {"target_transform": "standard"} | parameters
    return kind(
        batch_size="scale",
        max_iter=MIN_EPOCHS,
        min_steps=MIN_STEPS,
        early_stopping=True,
        n_iter_no_change=MIN_PATIENCE,
        tol=0.0,
        averaging="ema",
        **parameters,
    )

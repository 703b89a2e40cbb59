"""What early stopping costs on few rows: accuracy and log-loss with it, against the same network without it.

Tables are those of classification among the tables for choosing. From each, training sets of 100, 200 and 400 rows
are drawn at random, classes in their proportions, as far as the table has them; up to 2,000 of the other rows test. The
table is encoded by :class:`skreg.preprocessing.TableEncoder`, and the network has its defaults. Models:

- ``plain``: without early stopping, the reference;
- ``early``: ``early_stopping=True``;
- ``early, refit``: with ``refit_on_all=True`` besides;
- ``a tenth``, ``a fifth``: early stopping on just these shares of the rows, however few they are.

For each number of rows: the mean difference from ``plain``, over tables, in points of accuracy, with the 95 % interval
of the paired t-test over tables, the worst table, and the mean ratio of the log-losses.

    python benchmarks/bench_few_rows.py [--draws 8] [--sizes 100 200 400] [--tables NAME ...] [--csv FILE]
"""

import argparse
import warnings

import numpy as np
import pandas as pd
import torch
from bench_tables import scores_of
from scipy import stats
from sklearn.model_selection import StratifiedShuffleSplit
from tables import TABLES

from skreg import RegularizedMLPClassifier
from skreg.preprocessing import TableEncoder

N_TEST = 2000
REFERENCE = "plain"


MODELS = {
    REFERENCE: {},
    "early": {"early_stopping": True},
    "early, refit": {"early_stopping": True, "refit_on_all": True},
    "a tenth": {"early_stopping": StratifiedShuffleSplit(1, test_size=0.1)},
    "a fifth": {"early_stopping": StratifiedShuffleSplit(1, test_size=0.2)},
}


def draws(X, y, size, n_draws):
    """Yield row indices for training and for testing; none if the table has too few rows."""
    n_test = min(N_TEST, len(X) - size)
    if n_test >= len(X) / 5:
        yield from StratifiedShuffleSplit(n_draws, train_size=size, test_size=n_test, random_state=0).split(X, y)


def run_table(name, sizes, n_draws):
    """Yield a row for each number of rows, draw and model."""
    X, y = TABLES[name].load()
    y = pd.Series(np.unique(y, return_inverse=True)[1])
    classes = sorted(set(y))
    for size in sizes:
        for draw, (train, test) in enumerate(draws(X, y, size, n_draws)):
            # A stratified split needs two rows of each class.
            train = train[y.iloc[train].map(y.iloc[train].value_counts()).to_numpy() >= 2]
            encoder = TableEncoder().fit(X.iloc[train], y.iloc[train])
            inputs, test_inputs = encoder.transform(X.iloc[train]), encoder.transform(X.iloc[test])
            for model, options in MODELS.items():
                network = RegularizedMLPClassifier(**options, random_state=draw).fit(inputs, y.iloc[train])
                scores = scores_of(network, test_inputs, y.iloc[test], "classification", classes)
                yield {"table": name, "rows": size, "draw": draw, "model": model, **scores}


def print_summary(rows):
    """Print for each number of rows, and for all, what the models have gained and lost."""
    means = rows.groupby(["rows", "table", "model"])[["log-loss", "accuracy"]].mean().unstack("model")
    points = 100 * means["accuracy"].sub(means["accuracy"][REFERENCE], axis=0)
    ratios = means["log-loss"].div(means["log-loss"][REFERENCE], axis=0)
    for size in [*rows["rows"].unique(), "all"]:
        own = points.groupby("table").mean() if size == "all" else points.loc[size]
        ratio = ratios.mean() if size == "all" else ratios.loc[size].mean()
        print(f"\n{size} training rows ({len(own)} tables): accuracy in points, and the ratio of log-losses")
        for model in MODELS:
            if model != REFERENCE:
                error = stats.t.ppf(0.975, len(own) - 1) * own[model].std() / np.sqrt(len(own))
                mean, worst = own[model].mean(), own[model].idxmin()
                print(
                    f"  {model:13} {mean:+.2f} ({mean - error:+.2f} to {mean + error:+.2f}), "
                    f"worst {own[model].min():+.2f} ({worst}), log-loss x {ratio[model]:.3f}"
                )


def main():
    """Run the tables and print the summary."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    names = [name for name, table in TABLES.items() if table.role == "choosing" and table.task == "classification"]
    parser.add_argument("--tables", nargs="+", choices=names, default=names, metavar="NAME")
    parser.add_argument("--sizes", nargs="+", type=int, default=[100, 200, 400], help="numbers of training rows")
    parser.add_argument("--draws", type=int, default=8, help="training sets of each size")
    parser.add_argument("--csv", help="file for all scores")
    options = parser.parse_args()
    torch.set_num_threads(1)
    warnings.simplefilter("ignore")  # columns that are constant in a draw, networks that end at max_iter
    rows = []
    for name in options.tables:
        rows += run_table(name, options.sizes, options.draws)
        print(name, flush=True)
        if options.csv:
            pd.DataFrame(rows).to_csv(options.csv, index=False)
    print_summary(pd.DataFrame(rows))


if __name__ == "__main__":
    main()

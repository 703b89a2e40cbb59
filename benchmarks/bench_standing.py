"""Where skreg stands among other models, all with their defaults, on tables as they are.

Models are those of bench_tables.py, and:

- ``tabular``: TabularMLPClassifier or TabularMLPRegressor;
- ``mlp-search``: scikit-learn's MLP with an alpha from a grid search, behind the pipeline of ``mlp``;
- ``catboost``, ``lightgbm``, ``realmlp``, ``tabm``: see _peers.py.

For each table and model: means and standard deviations over folds. In the end, for each score, the mean over tables of
the rank of each model (1 is best), in how many tables it is best, and median seconds of processor time of a fit.

    python benchmarks/bench_standing.py --role reporting --splits 5 --csv FILE     # goes on where FILE ends

With `--pages docs/_static` the tables of docs/benchmarks.rst are written, too.
"""

import argparse
import logging
import time
import warnings
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from _peers import PEERS
from bench_tables import MODELS, by_hand, for_boosting, scores_of
from sklearn.compose import TransformedTargetRegressor
from sklearn.model_selection import GridSearchCV, KFold, StratifiedKFold
from sklearn.neural_network import MLPClassifier, MLPRegressor
from sklearn.preprocessing import StandardScaler
from tables import TABLES

from skreg import TabularMLPClassifier, TabularMLPRegressor

ALPHAS = np.logspace(-4, 1, 6)
# Means that agree in so many digits are the same: accuracies of folds, summed in another order.
DIGITS = 7
RANKED = {"log-loss": False, "accuracy": True, "R²": True}
# Names of models and scores on pages.
LABELS = {
    "tabular": "TabularMLP",
    "table-cv": "RegularizedMLP…CV",
    "preset": "preset",
    "table": "RegularizedMLP",
    "hand": "RegularizedMLP, by hand",
    "mlp": "scikit-learn's MLP",
    "mlp-search": "scikit-learn's MLP, searched",
    "linear": "linear",
    "boosting": "HistGradientBoosting",
    "catboost": "CatBoost",
    "lightgbm": "LightGBM",
    "realmlp": "RealMLP",
    "tabm": "TabM",
}
FILES = {"log-loss": "log_loss", "accuracy": "accuracy", "R²": "r2"}


def searched(task):
    """Return scikit-learn's MLP with an alpha from a grid search."""
    if task == "classification":
        search = GridSearchCV(MLPClassifier(random_state=0), {"alpha": ALPHAS}, scoring="neg_log_loss")
        return by_hand(search)
    search = GridSearchCV(MLPRegressor(random_state=0), {"alpha": ALPHAS})
    return by_hand(TransformedTargetRegressor(search, transformer=StandardScaler()))


def make_model(name, task):
    """Return an unfitted model."""
    if name == "tabular":
        return (TabularMLPClassifier if task == "classification" else TabularMLPRegressor)(random_state=0)
    if name == "mlp-search":
        return searched(task)
    return PEERS[name](task) if name in PEERS else MODELS[name][task]()


NAMES = ["tabular", *MODELS, "mlp-search", *PEERS]


def run_fold(name, fold, n_splits, models, max_rows):
    """Yield a row for each model on a fold of a table."""
    table = TABLES[name]
    X, y = table.load(max_rows)
    classes = sorted(y.unique()) if table.task == "classification" else None
    splitter = StratifiedKFold if classes is not None else KFold
    train, test = list(splitter(n_splits, shuffle=True, random_state=0).split(X, y))[fold]
    for model in models:
        inputs = for_boosting(X) if model == "boosting" else X
        start, processor = time.perf_counter(), time.process_time()
        fitted = make_model(model, table.task).fit(inputs.iloc[train], y.iloc[train])
        yield {
            "table": name,
            "task": table.task,
            "model": model,
            "fold": fold,
            "n_train": len(train),
            "seconds": time.perf_counter() - start,
            "cpu_seconds": time.process_time() - processor,
            **scores_of(fitted, inputs.iloc[test], y.iloc[test], table.task, classes),
        }


def standings(rows):
    """Yield each score with its means and deviations over folds, and the ranks of means, by table and model."""
    for score, greater in RANKED.items():
        if score not in rows or rows[score].isna().all():
            continue
        part = rows[rows[score].notna()]
        tables = [name for name in TABLES if name in set(part["table"])]
        cells = part.groupby(["table", "model"])[score]
        means, spreads = cells.mean().unstack().loc[tables].round(DIGITS), cells.std().unstack().loc[tables]
        yield score, means, spreads, means.rank(axis=1, ascending=not greater)


def print_standing(rows):
    """Print the means of each table, the mean ranks, and the time."""
    for score, means, spreads, ranks in standings(rows):
        print(f"\n{score}\n{means.round(4).to_string()}\nstandard deviation over folds\n{spreads.round(3).to_string()}")
        summary = pd.DataFrame({"mean rank": ranks.mean().round(2), "first on": (ranks == 1).sum()})
        print(summary.sort_values("mean rank").to_string())
    print("\nmedian processor seconds of a fit")
    print(rows.groupby("model", sort=False)["cpu_seconds"].median().round(1).to_string(), flush=True)


def write_pages(rows, folder):
    """Write a table for each score: models from the best mean rank on, their mean ranks, means and deviations."""
    for score, means, spreads, ranks in standings(rows):
        mean_ranks = ranks.mean().sort_values(kind="stable")
        # Spaces that do not break: on a narrow page the table is scrolled.
        page = means.map("{:.3f}".format) + "\N{NO-BREAK SPACE}±\N{NO-BREAK SPACE}" + spreads.map("{:.3f}".format)
        page = page.T.loc[mean_ranks.index]
        page.insert(0, "mean rank", mean_ranks.map("{:.1f}".format))
        page = page.replace("-", "−", regex=True).rename(index=LABELS).rename_axis(score)
        page.to_csv(folder / f"standing_{FILES[score]}.csv", lineterminator="\n")


def main():
    """Run what is not in the file yet, and print the standing."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--tables", nargs="+", choices=TABLES, default=None, metavar="NAME")
    parser.add_argument("--role", choices=["choosing", "reporting"], default="choosing")
    parser.add_argument("--models", nargs="+", choices=NAMES, default=NAMES)
    parser.add_argument("--splits", type=int, default=5, help="number of folds")
    parser.add_argument("--folds", type=int, default=None, help="how many of them are used; all unless given")
    parser.add_argument("--max-rows", type=int, default=10**9, help="tables with more rows are drawn from")
    parser.add_argument("--csv", type=Path, help="file for all scores; rows that it has are not computed again")
    parser.add_argument("--pages", type=Path, metavar="FOLDER", help="folder for the tables of docs/benchmarks.rst")
    options = parser.parse_args()
    torch.set_num_threads(1)
    warnings.simplefilter("ignore")  # fits that end at max_iter, columns that are constant in a fold
    logging.disable(logging.WARNING)
    rows = pd.read_csv(options.csv) if options.csv and options.csv.exists() else pd.DataFrame()
    done = set(zip(rows["table"], rows["model"], rows["fold"], strict=True)) if len(rows) else set()
    names = options.tables or [name for name, table in TABLES.items() if table.role == options.role]
    for fold in range(options.folds or options.splits):
        for name in names:
            models = [model for model in options.models if (name, model, fold) not in done]
            for row in run_fold(name, fold, options.splits, models, options.max_rows):
                rows = pd.concat([rows, pd.DataFrame([row])], ignore_index=True)
                print(row["table"], row["fold"], row["model"], f"{row['cpu_seconds']:.1f} s", flush=True)
                if options.csv:
                    rows.to_csv(options.csv, index=False)
    asked = rows[rows["table"].isin(names) & rows["model"].isin(options.models)]
    print_standing(asked)
    if options.pages:
        write_pages(asked, options.pages)


if __name__ == "__main__":
    main()

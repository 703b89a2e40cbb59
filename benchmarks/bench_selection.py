"""Which features are found: adaptive group lasso with relaxed refits beside LassoNet, on data whose truth is known.

Five of 200 features matter (:func:`skreg.datasets.make_interactions`, 500 rows), five more are correlated with them.
For each seed the estimators with cross-validation choose features; F1 compares these with the true ones, and the score
(R² or accuracy) is taken on 5,000 new rows. The oracle is the same network, told the five features. X and, in
regression, y are standardized for all alike. Seconds are those of the whole fit, cross-validation included.

LassoNet is no dependency; ``pip install lassonet`` for ``--lassonet``. It runs at its defaults.

    python benchmarks/bench_selection.py [--seeds 10] [--task both] [--lassonet [SEEDS]]
"""

import argparse
import importlib.util
import platform
import time
import warnings

import numpy as np
import pandas as pd
import torch
from sklearn.exceptions import ConvergenceWarning
from sklearn.preprocessing import StandardScaler

import skreg
from skreg import RegularizedMLPClassifier, RegularizedMLPRegressor
from skreg.datasets import make_interactions
from skreg.model_selection import RegularizedMLPClassifierCV, RegularizedMLPRegressorCV

HIDDEN = (32,)
TRUE = np.arange(5)
TRAINING = {"learning_rate": "cosine", "learning_rate_init": 0.01, "max_iter": 100, "batch_size": 50}
PLAIN = {"regression": RegularizedMLPRegressor, "classification": RegularizedMLPClassifier}
WITH_CV = {"regression": RegularizedMLPRegressorCV, "classification": RegularizedMLPClassifierCV}


def data(task, seed):
    """Return standardized training and test data, the latter by the means and deviations of the former."""
    X, y = make_interactions(n_samples=500, n_features=200, task=task, random_state=seed)
    X_test, y_test = make_interactions(5000, task=task, random_state=1000 + seed)
    scaler = StandardScaler().fit(X)
    if task == "regression":
        mean, sd = y.mean(), y.std()
        y, y_test = (y - mean) / sd, (y_test - mean) / sd
    return scaler.transform(X), y, scaler.transform(X_test), y_test


def run_skreg(task, seed, X, y, X_test, y_test):
    """Return the features that skreg chooses, and its test score."""
    model = WITH_CV[task](HIDDEN, adaptive=True, relax=True, selection="one_se", random_state=seed, **TRAINING)
    model.fit(X, y)
    return model.selected_features_, model.score(X_test, y_test)


def run_oracle(task, seed, X, y, X_test, y_test):
    """Return the true features, and the test score of a network that gets no others."""
    model = PLAIN[task](HIDDEN, penalty="l2", alpha=(0, 1e-3), random_state=seed, **TRAINING)
    model.fit(X[:, TRUE], y)
    return TRUE, model.score(X_test[:, TRUE], y_test)


def run_lassonet(task, seed, X, y, X_test, y_test):
    """Return the features that LassoNet chooses, and its test score."""
    from lassonet import LassoNetClassifierCV, LassoNetRegressorCV

    kind = LassoNetRegressorCV if task == "regression" else LassoNetClassifierCV
    model = kind(hidden_dims=HIDDEN, cv=5, random_state=seed, torch_seed=seed, verbose=0)
    model.fit(X, y)
    return np.flatnonzero(model.best_selected_.numpy()), model.score(X_test, y_test)


def f1(selected):
    """Return the harmonic mean of precision and recall of a set of features."""
    return 2 * len(np.intersect1d(selected, TRUE)) / (len(selected) + len(TRUE))


def run_seed(task, seed, methods):
    """Print and return a row of figures for each method."""
    rows = []
    sets = data(task, seed)
    for name, run in methods.items():
        start = time.perf_counter()
        selected, score = run(task, seed, *sets)
        seconds = time.perf_counter() - start
        found = len(np.intersect1d(selected, TRUE))
        rows.append(
            {
                "task": task,
                "seed": seed,
                "method": name,
                "found": found,
                "wrong": len(selected) - found,
                "F1": f1(selected),
                "score": score,
                "seconds": seconds,
            }
        )
        print(
            f"{task:14s} {seed:4d}  {name:9s} found {found}  wrong {len(selected) - found:3d}  F1 {f1(selected):.3f}  "
            f"score {score:.3f}  {seconds:6.1f} s",
            flush=True,
        )
    return rows


def main():
    """Run all seeds, then print the means."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seeds", type=int, default=10, help="number of data sets")
    parser.add_argument("--task", choices=[*PLAIN, "both"], default="both")
    parser.add_argument(
        "--lassonet", type=int, nargs="?", const=-1, default=0, metavar="SEEDS", help="on as many seeds; all by default"
    )
    arguments = parser.parse_args()
    n_lassonet = arguments.seeds if arguments.lassonet < 0 else min(arguments.lassonet, arguments.seeds)
    if n_lassonet and importlib.util.find_spec("lassonet") is None:
        print("LassoNet is not installed (pip install lassonet): running without it.\n")
        n_lassonet = 0
    torch.set_num_threads(1)
    warnings.simplefilter("ignore", ConvergenceWarning)
    print(f"skreg {skreg.__version__}, torch {torch.__version__}, Python {platform.python_version()}, ", end="")
    print(f"{platform.machine()}, one thread; found: of the {len(TRUE)} true features", flush=True)

    rows = []
    for task in PLAIN if arguments.task == "both" else [arguments.task]:
        for seed in range(arguments.seeds):
            methods = {"skreg": run_skreg, "oracle": run_oracle}
            if seed < n_lassonet:
                methods["LassoNet"] = run_lassonet
            rows += run_seed(task, seed, methods)
    table = pd.DataFrame(rows)
    summaries = [("Means over all seeds", table)]
    if 0 < n_lassonet < arguments.seeds:
        summaries.append((f"Means over the {n_lassonet} seeds that LassoNet ran on", table[table.seed < n_lassonet]))
    for title, part in summaries:
        columns = ["found", "wrong", "F1", "score", "seconds"]
        groups = part.groupby(["task", "method"], sort=False)
        means = groups[columns].mean()
        means.insert(0, "seeds", groups.size())
        means["score sd"] = groups["score"].std()
        print(f"\n{title}:")
        print(means.round(3).to_string())


if __name__ == "__main__":
    main()

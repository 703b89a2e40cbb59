"""Searches: networks trained together beside scikit-learn's search with one fit after the other.

First, ten strengths of L2 on five folds of the digits (64-128-10, batches of 32 rows, 30 epochs, float32): our
GridSearchCV on one and on two threads, and scikit-learn's GridSearchCV in two processes, around MLPClassifier, around
our estimator, and around skorch's NeuralNetClassifier with a plain torch module. The processes are started, and have
imported everything, before the clock runs; each has one thread. Contestants take turns, and medians are compared.

Second, what a member costs: 1 to 100 networks (dropout x alpha x seed) on one split, in one call, beside a single fit;
and the memory that 100 of them take under several limits, each in a fresh process.

    python benchmarks/bench_sweep.py [--rounds 5] [--skorch-candidates 10] [--parts searches members memory]
"""

import argparse
import functools
import itertools
import multiprocessing
import os
import threading
import time
import warnings
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

import joblib
import numpy as np
import pandas as pd
import sklearn.model_selection
import torch
from _timing import add_rounds, median_and_range, n_rounds, take_turns, threads, versions
from sklearn.base import clone
from sklearn.datasets import load_digits
from sklearn.exceptions import ConvergenceWarning
from sklearn.model_selection import StratifiedKFold, train_test_split
from sklearn.neural_network import MLPClassifier
from skorch import NeuralNetClassifier

from skreg import RegularizedMLPClassifier
from skreg.model_selection import GridSearchCV

ALPHAS = np.geomspace(1e-6, 1e-1, 10)
BATCH, EPOCHS, WORKERS = 32, 30, 2
SHARED = {"hidden_layer_sizes": (128,), "batch_size": BATCH, "max_iter": EPOCHS, "tol": 0, "n_iter_no_change": np.inf}
CV = StratifiedKFold(5, shuffle=True, random_state=0)
MEBIBYTE = 2**20
PARTS = ("searches", "members", "memory")


def data():
    """Return scikit-learn's digits, scaled to [0, 1]."""
    X, y = load_digits(return_X_y=True)
    return (X / 16).astype(np.float32), y


class Module(torch.nn.Sequential):
    """The same network in plain torch."""

    def __init__(self):
        super().__init__(torch.nn.Linear(64, 128), torch.nn.ReLU(), torch.nn.Linear(128, 10))


def skorch_network():
    """Return skorch's classifier with its own training loop and its own callbacks."""
    return NeuralNetClassifier(
        Module,
        criterion=torch.nn.CrossEntropyLoss,
        optimizer=torch.optim.Adam,
        lr=1e-3,
        batch_size=BATCH,
        max_epochs=EPOCHS,
        iterator_train__shuffle=True,
        train_split=None,
        verbose=0,
    )


def warm_up(estimator, X, y):
    """Fit briefly, and stay busy so long that the next call goes to another worker."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        estimator.fit(X[:200], y[:200])
    time.sleep(0.5)


def in_workers():
    """Return a context in which joblib has processes with one thread each."""
    return joblib.parallel_config(backend="loky", inner_max_num_threads=1)


def chosen(n):
    """Return the numbers of n candidates, spread over all."""
    return np.linspace(0, len(ALPHAS) - 1, n).round().astype(int)


def searches(n_skorch):
    """Return, by name, the unfitted search and the share of the candidates that it goes through."""
    ours, theirs = RegularizedMLPClassifier(**SHARED, random_state=0), MLPClassifier(**SHARED, random_state=0)
    options = {"cv": CV, "refit": False, "error_score": "raise"}
    one_by_one = functools.partial(sklearn.model_selection.GridSearchCV, n_jobs=WORKERS, **options)
    return {
        "skreg's search, 1 thread": GridSearchCV(ours, {"alpha": ALPHAS}, n_jobs=1, **options),
        "skreg's search, 2 threads": GridSearchCV(ours, {"alpha": ALPHAS}, n_jobs=2, **options),
        # scikit-learn divides alpha by the rows of a batch; Adam's weight decay is L2, on the biases as well.
        "scikit-learn's search, MLPClassifier": one_by_one(theirs, {"alpha": ALPHAS * BATCH}),
        "scikit-learn's search, skreg": one_by_one(ours, {"alpha": ALPHAS}),
        "scikit-learn's search, skorch": one_by_one(
            skorch_network(), {"optimizer__weight_decay": ALPHAS[chosen(n_skorch)]}
        ),
    }


def compare_searches(X, y, rounds, n_skorch):
    """Time all searches in turn; print medians, ratios and accuracies."""
    contestants = searches(n_skorch)

    def run(search):
        with in_workers():
            search.fit(X, y)

    with in_workers():
        for search in contestants.values():
            estimator = clone(search.estimator)
            joblib.Parallel(WORKERS)(joblib.delayed(warm_up)(estimator, X, y) for _ in range(WORKERS))
    GridSearchCV(RegularizedMLPClassifier((8,), max_iter=1), {"alpha": [0, 1]}, n_jobs=2, refit=False).fit(X, y)

    print(f"\n{len(ALPHAS)} strengths x {CV.get_n_splits()} folds, {EPOCHS} epochs, median of {rounds} rounds:")
    seconds = take_turns({name: functools.partial(run, search) for name, search in contestants.items()}, rounds)
    rows = []
    for name, search in contestants.items():
        n_candidates = len(search.cv_results_["params"])
        seconds[name] *= len(ALPHAS) / n_candidates
        scores = search.cv_results_["mean_test_score"]
        if n_candidates == len(ALPHAS):
            scores = scores[chosen(n_skorch)]
        rows.append(
            {
                "search": name,
                "seconds (range)": median_and_range(seconds[name]),
                "mean accuracy": scores.mean(),
                "best": scores.max(),
                "candidates": n_candidates,
            }
        )
    table = pd.DataFrame(rows).set_index("search")
    for name in list(contestants)[:2]:
        table[name.split(", ")[1]] = [np.median(seconds[other]) / np.median(seconds[name]) for other in contestants]
    print(table.round(3).to_string(), flush=True)
    if n_skorch < len(ALPHAS):
        scale = len(ALPHAS) / n_skorch
        print(f"skorch: seconds for {n_skorch} candidates, multiplied by {scale:g}; all accuracies are those of these.")
    print("The last two columns: how many times faster our search is on so many threads.")
    print(f"largest difference of a fold's accuracy, our estimator in both searches: {largest_difference(contestants)}")


def largest_difference(contestants):
    """Return by how much the accuracies of networks trained together differ from those of networks trained alone."""
    together, alone = contestants["skreg's search, 1 thread"], contestants["scikit-learn's search, skreg"]
    names = [f"split{number}_test_score" for number in range(CV.get_n_splits())]
    return max(np.abs(together.cv_results_[name] - alone.cv_results_[name]).max() for name in names)


def members(n):
    """Return n candidates that differ in dropout, strength and seed."""
    combinations = itertools.product(range(4), (1e-5, 1e-4, 1e-3, 1e-2, 1e-1), (0.0, 0.1, 0.25, 0.4, 0.5))
    names = ("random_state", "alpha", "dropout")
    grids = [{name: [value] for name, value in zip(names, values, strict=True)} for values in combinations]
    # So that few members have the same mix of rates as many.
    return [grids[i] for i in np.random.default_rng(0).permutation(len(grids))[:n]]


def one_split(n, memory_limit=None):
    """Return a search through n members on one split of the digits."""
    _, y = data()
    split = train_test_split(np.arange(len(y)), test_size=0.2, stratify=y, random_state=0)
    network = RegularizedMLPClassifier(**SHARED)
    return GridSearchCV(network, members(n), cv=[split], refit=False, memory_limit=memory_limit, error_score="raise")


def compare_members(rounds):
    """Time a fit alone, and searches through several numbers of members; print what each member costs."""
    X, y = data()
    train, _ = one_split(1).cv[0]
    alone = RegularizedMLPClassifier(**SHARED, dropout=0.25, random_state=0)
    contestants = {"a fit alone": lambda: alone.fit(X[train], y[train])}
    counts = {"a fit alone": 1}
    for n in (1, 10, 25, 50, 100):
        contestants[f"{n} members"] = functools.partial(one_split(n).fit, X, y)
        counts[f"{n} members"] = n
    alone.fit(X[train], y[train])
    print(f"\nDropout x alpha x seed on one split, {EPOCHS} epochs, one thread, median of {rounds} rounds:")
    seconds = take_turns(contestants, rounds)
    rows = []
    for name, values in seconds.items():
        each = 1000 * np.median(values) / counts[name]
        rows.append({"": name, "seconds (range)": median_and_range(values), "ms a member": each})
    table = pd.DataFrame(rows).set_index("")
    table["of a fit alone"] = table["ms a member"] / table["ms a member"].iloc[0]
    print(table.round(2).to_string())


def resident_bytes():
    """Return the resident memory of this process."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")


def measure_growth(n, memory_limit):
    """Return by how many bytes resident memory grows, at most, during a search, and its seconds."""
    torch.set_num_threads(1)
    warnings.simplefilter("ignore", ConvergenceWarning)
    X, y = data()
    one_split(1).fit(X, y)
    done, before, peak = threading.Event(), resident_bytes(), 0

    def watch():
        nonlocal peak
        while not done.wait(0.002):
            peak = max(peak, resident_bytes())

    watcher = threading.Thread(target=watch)
    watcher.start()
    start = time.perf_counter()
    one_split(n, memory_limit).fit(X, y)
    seconds = time.perf_counter() - start
    done.set()
    watcher.join()
    return peak - before, seconds


def compare_memory(n=100):
    """Print the memory that a search takes under several limits."""
    if not Path("/proc/self/statm").exists():
        print("\nMemory is measured on Linux only.")
        return
    print(f"\nResident memory, beyond that of a search through one member, while {n} members are trained:")
    processes = multiprocessing.get_context("spawn")
    rows = []
    for limit in (4 * MEBIBYTE, None, 64 * MEBIBYTE, 1024 * MEBIBYTE):
        with ProcessPoolExecutor(1, mp_context=processes) as pool:
            growth, seconds = pool.submit(measure_growth, n, limit).result()
        name = "None" if limit is None else f"{limit // MEBIBYTE} MiB"
        rows.append({"memory_limit": name, "grew by (MiB)": growth / MEBIBYTE, "seconds": seconds})
    print(pd.DataFrame(rows).round(1).to_string(index=False))
    print("The growth includes the fitted estimators themselves, which wait to be scored.")


def main():
    """Run all comparisons."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    add_rounds(parser)
    parser.add_argument(
        "--skorch-candidates", type=int, default=len(ALPHAS), help="fewer, whose time is then scaled up"
    )
    parser.add_argument("--parts", nargs="+", choices=PARTS, default=PARTS, help="which comparisons to make")
    arguments = parser.parse_args()
    warnings.simplefilter("ignore", ConvergenceWarning)  # scikit-learn's: the number of epochs is fixed on purpose
    print(versions())
    print("one thread for each process, and for each population of ours")
    with threads(1):
        if "searches" in arguments.parts:
            compare_searches(*data(), n_rounds(arguments), arguments.skorch_candidates)
        if "members" in arguments.parts:
            compare_members(n_rounds(arguments))
        if "memory" in arguments.parts:
            compare_memory()


if __name__ == "__main__":
    main()

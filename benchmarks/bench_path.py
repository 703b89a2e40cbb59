"""Time of a regularization path beside fits from scratch, and how close its objectives come to theirs.

A path of 50 strengths (the search for the end of its grid included) and fits from scratch at some of the same
strengths, evenly spaced along the grid, take turns; the time of 50 fits is extrapolated from these. Seconds are
medians, a ratio below 1 means that the path is faster. A difference of objectives is that of the path minus that from
scratch, so a positive one means that the path stopped short; all are relative to the loss of the best constant.

    python benchmarks/bench_path.py [--rounds 3] [--fits 10]
"""

import argparse
import platform
import time
import warnings

import numpy as np
import torch
from sklearn.base import clone
from sklearn.exceptions import ConvergenceWarning
from sklearn.preprocessing import scale

import skreg
from skreg import RegularizedMLPRegressor
from skreg.datasets import make_interactions
from skreg.model_selection import regularization_path

N_ALPHAS, N_ROWS = 50, 300
MODELS = [((), "l1"), ((32,), "group_lasso"), ((32,), "hierarchical")]
# As many steps of a fit: one for each epoch, or six.
BATCHES = {
    "full batch": {"batch_size": N_ROWS, "max_iter": 600, "learning_rate_init": 0.02},
    "batches of 50": {"batch_size": 50, "max_iter": 100, "learning_rate_init": 0.01},
}


def timed(function):
    """Return what a function returns, and the seconds that took."""
    start = time.perf_counter()
    result = function()
    return result, time.perf_counter() - start


def run_case(hidden, penalty, batches, X, y, rounds, n_fits):
    """Print one line: seconds of the path and of 50 fits, their ratio, and differences of objectives."""
    estimator = RegularizedMLPRegressor(
        hidden, penalty=penalty, learning_rate="cosine", random_state=0, **BATCHES[batches]
    )
    path_seconds, fit_seconds = [], []
    for _ in range(rounds):
        path, seconds = timed(lambda: regularization_path(estimator, X, y, alphas=N_ALPHAS))
        path_seconds.append(seconds)
        subset = np.unique(np.linspace(0, N_ALPHAS - 1, n_fits).round().astype(int))
        fits = [timed(lambda a=a: clone(estimator).set_params(alpha=a).fit(X, y)) for a in path.alphas[subset]]
        fit_seconds.append(sum(seconds for _, seconds in fits) * N_ALPHAS / len(subset))
    constant = 0.5 * np.var(y)
    differences = (path.objectives[subset] - [model.loss_ for model, _ in fits]) / constant
    of_path, of_fits = np.median(path_seconds), np.median(fit_seconds)
    print(
        f"{hidden!s:6s} {penalty:13s} {batches:14s} {of_path:7.1f} s {of_fits:7.1f} s  {of_path / of_fits:5.3f}  "
        f"{differences.max():+9.1e} {np.median(differences):+9.1e} {differences.min():+9.1e}",
        flush=True,
    )


def main():
    """Run all cases."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=3, help="paths of each case (at least 3)")
    parser.add_argument("--fits", type=int, default=10, help=f"fits from scratch in each round, at most {N_ALPHAS}")
    arguments = parser.parse_args()
    rounds, n_fits = max(3, arguments.rounds), min(N_ALPHAS, arguments.fits)
    torch.set_num_threads(1)
    warnings.simplefilter("ignore", ConvergenceWarning)  # the same number of epochs for all, on purpose
    print(f"skreg {skreg.__version__}, torch {torch.__version__}, Python {platform.python_version()}, ", end="")
    print(f"{platform.machine()}, one thread, median of {rounds}, {n_fits} of {N_ALPHAS} fits from scratch")
    print(f"{'':35s} {'path':>9s} {'fits':>9s}  ratio  objective, path minus fit: largest, median, smallest")
    X, y = make_interactions(n_samples=N_ROWS, n_features=50, random_state=0)
    X, y = scale(X), scale(y)
    for hidden, penalty in MODELS:
        for batches in BATCHES:
            run_case(hidden, penalty, batches, X, y, rounds, n_fits)


if __name__ == "__main__":
    main()

"""Which columns of a table are kept: group penalties on original columns, on data whose truth is known.

Of eight categories of ten levels, three have an effect on the target (one number for each level, drawn anew for each
seed; normal noise of half the standard deviation of their sum; in classification, the sign), in 500 rows. By default
there are 20 data sets: ten seeds of regression, and ten of classification. For each of them the estimator with
cross-validation gets the frame through :func:`skreg.table_pipeline`. An exact choice is that of the three columns and
no other. Seconds are those of the whole fit.

    python benchmarks/bench_columns.py [--seeds 10] [--task both] [--selection one_se] [--plain] [--features]
"""

import argparse
import platform
import time
import warnings

import numpy as np
import pandas as pd
import torch
from sklearn.exceptions import ConvergenceWarning

import skreg
from skreg import RegularizedMLPClassifierCV, RegularizedMLPRegressorCV, table_pipeline
from skreg.penalties import GroupLasso

N_ROWS, N_COLUMNS, N_LEVELS, N_TRUE, NOISE = 500, 8, 10, 3, 0.5
KINDS = {"regression": RegularizedMLPRegressorCV, "classification": RegularizedMLPClassifierCV}


def data(task, seed):
    """Return a frame of categories, of which the first three matter, and the target."""
    rng = np.random.default_rng(seed)
    levels = rng.integers(N_LEVELS, size=(N_ROWS, N_COLUMNS))
    effects = rng.normal(size=(N_TRUE, N_LEVELS))
    signal = effects[np.arange(N_TRUE), levels[:, :N_TRUE]].sum(axis=1)
    y = (signal - signal.mean()) / signal.std() + NOISE * rng.normal(size=N_ROWS)
    names = np.array([f"level {number}" for number in range(N_LEVELS)])
    frame = pd.DataFrame(names[levels], columns=[f"c{number}" for number in range(N_COLUMNS)])
    return frame, (y if task == "regression" else np.where(y > 0, "high", "low"))


def main():
    """Run all seeds, then print how many choices were exact."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seeds", type=int, default=10, help="number of data sets of a task")
    parser.add_argument("--task", choices=[*KINDS, "both"], default="both")
    parser.add_argument("--selection", choices=["best", "one_se"], default="one_se")
    parser.add_argument("--plain", action="store_true", help="without the second, adaptive path")
    parser.add_argument("--features", action="store_true", help="with groups='features', for comparison")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    warnings.simplefilter("ignore", ConvergenceWarning)
    print(f"skreg {skreg.__version__}, torch {torch.__version__}, Python {platform.python_version()}, ", end="")
    print(f"{platform.machine()}, one thread", flush=True)
    penalty = GroupLasso(groups="features" if arguments.features else "columns")
    for task in KINDS if arguments.task == "both" else [arguments.task]:
        n_exact = 0
        for seed in range(arguments.seeds):
            X, y = data(task, seed)
            start = time.perf_counter()
            options = {"adaptive": not arguments.plain, "selection": arguments.selection, "random_state": seed}
            model = table_pipeline(KINDS[task](penalty=penalty, **options)).fit(X, y)
            seconds = time.perf_counter() - start
            chosen = model.selected_features_.tolist()
            is_exact = chosen == X.columns[:N_TRUE].tolist()
            n_exact += is_exact
            n_features = len(model[-1].selected_features_)
            print(
                f"{task:14s} {seed:4d}  {'exact' if is_exact else '     '}  {seconds:6.1f} s  {', '.join(chosen)} "
                f"({n_features} features)",
                flush=True,
            )
        print(
            f"{task}: {n_exact} of {arguments.seeds} choices are exactly the {N_TRUE} columns that matter", flush=True
        )


if __name__ == "__main__":
    main()

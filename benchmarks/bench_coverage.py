"""How often intervals and sets of fold ensembles hold the target of a new row, beside how often they should.

Ten simulated problems and six real tables (`_coverage_problems.py`), fixed before anything was measured. The members
are networks of 32 units behind a StandardScaler, of five folds that are trained together, which stop early on the fold
that they are not trained on; with ``--repeats 2`` ten members, of two partitions into five folds. All methods use the
same members. For each: coverage in percent, mean of the splits and its standard error, and in brackets the mean width
of the intervals (in standard deviations of the target) or the mean number of classes in a set. A mean that is off by
more than two points is marked with a star.

    python benchmarks/bench_coverage.py [--problems linear digits] [--splits 20] [--folds 5] [--repeats 1]
"""

import argparse
import time
import warnings

import numpy as np
import torch
from _coverage_problems import PROBLEMS, draw, kind_of
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from skreg import RegularizedMLPClassifier, RegularizedMLPRegressor
from skreg.ensemble import FoldEnsembleClassifier, FoldEnsembleRegressor

RULES = {"regression": ("cv+", "one_fold", "scaled"), "classification": ("cv+", "one_fold")}
COVERAGES = (0.9, 0.8)


def make_ensemble(kind, split, n_folds, n_repeats):
    """Return an ensemble of networks that stop early on the rows that they are not trained on, behind scalers."""
    options = {"learning_rate_init": 0.01, "early_stopping": True}
    if kind == "regression":
        model = make_pipeline(StandardScaler(), RegularizedMLPRegressor((32,), target_transform="standard", **options))
        return FoldEnsembleRegressor(model, cv=n_folds, n_repeats=n_repeats, random_state=split)
    model = make_pipeline(StandardScaler(), RegularizedMLPClassifier((32,), **options))
    return FoldEnsembleClassifier(model, cv=n_folds, n_repeats=n_repeats, random_state=split)


def run_split(name, split, n_folds, n_repeats):
    """Return coverage and size, for each coverage and rule."""
    X, X_test, y, y_test = draw(name, split)
    kind = kind_of(name)
    ensemble = make_ensemble(kind, split, n_folds, n_repeats).fit(X, y)
    rows = {}
    for coverage in COVERAGES:
        for rule in RULES[kind]:
            if kind == "regression":
                lower, upper = ensemble.predict_interval(X_test, coverage, method=rule).T
                is_inside, sizes = (lower <= y_test) & (y_test <= upper), (upper - lower) / y_test.std()
            else:
                sets = ensemble.predict_set(X_test, coverage, method=rule)
                is_inside = (sets & (ensemble.classes_ == y_test[:, None])).any(axis=1)
                sizes = sets.sum(axis=1)
            rows[coverage, rule] = is_inside.mean(), sizes.mean()
    return rows


def print_problem(name, splits):
    """Print a line for each coverage, and return the mean coverages that are off by more than two points."""
    off = []
    for coverage in COVERAGES:
        line = f"{name:17}{coverage:4.0%} "
        for rule in RULES[kind_of(name)]:
            inside, sizes = np.array([split[coverage, rule] for split in splits]).T
            error = inside.std(ddof=1) / np.sqrt(len(inside)) if len(inside) > 1 else np.nan
            is_off = abs(inside.mean() - coverage) > 0.02
            if is_off:
                off.append((name, coverage, rule))
            line += f"  {100 * inside.mean():5.1f} ± {100 * error:.1f}{'*' if is_off else ' '} ({sizes.mean():.2f})"
        print(line, flush=True)
    return off


def main():
    """Run the problems, and print their coverages."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--problems", nargs="+", choices=PROBLEMS, default=PROBLEMS, metavar="NAME")
    parser.add_argument("--splits", type=int, default=20)
    parser.add_argument("--folds", type=int, default=5)
    parser.add_argument("--repeats", type=int, default=1, help="partitions into folds")
    options = parser.parse_args()
    torch.set_num_threads(1)
    warnings.simplefilter("ignore")  # fits that end at max_iter, columns that are constant in a fold
    start, kind, off = time.perf_counter(), None, []
    for name in options.problems:
        if kind_of(name) != kind:
            kind = kind_of(name)
            print(f"\n{kind:22}" + "".join(f"{rule:^21}" for rule in RULES[kind]))
        off += print_problem(
            name, [run_split(name, split, options.folds, options.repeats) for split in range(options.splits)]
        )
    print(
        f"\n{time.perf_counter() - start:.0f} s; means of {options.splits} splits that are off by more than 2 points:"
    )
    print("\n".join(f"  {name}, {coverage:.0%}: {rule}" for name, coverage, rule in off) or "  none")


if __name__ == "__main__":
    main()

"""Ensembles beside one network: what they cost, and what they gain on real tables.

Part ``cost``: seconds of `FoldEnsembleClassifier` with five members and of `DeepEnsembleClassifier` with eight, and
with shared weights, beside one fit of the same network with early stopping, which all watch for 100 epochs, on 64 to
1,000 rows of the digits. All take turns, on one thread; medians. ``--clock cpu`` counts the time of the processor, on a
machine that does other things, too.

Part ``tables``: tables for choosing (`tables.py`), in three splits. The network is ``(100,)`` with
``early_stopping=True`` and defaults; the table becomes numbers by `table_pipeline`. Models:

- ``one``: one fit, which holds a tenth of the rows out for early stopping;
- ``folds``: `FoldEnsemble` of five such pipelines, each of which stops on the fold that it is trained without;
- ``temperature``: the same members, the mean probabilities calibrated on the out-of-fold predictions;
- ``deep``: `DeepEnsemble` of eight, and ``shared8`` and ``shared16``, whose members share their weights, on request.

Scores are the means of the splits: log-loss and accuracy, or R². "Change" is the relative difference of the log-loss
from that of ``one``, or the difference of R².

    python benchmarks/bench_ensembles.py [--parts cost tables] [--models folds temperature deep shared8 shared16]
"""

import argparse
import sys
import time
import warnings

import numpy as np
import pandas as pd
from _timing import add_rounds, median_and_range, n_rounds, take_turns, threads, versions
from sklearn.base import clone
from sklearn.datasets import load_digits
from sklearn.metrics import accuracy_score, log_loss, r2_score
from sklearn.model_selection import KFold, ShuffleSplit, StratifiedKFold, StratifiedShuffleSplit
from tables import TABLES

from skreg import RegularizedMLPClassifier, RegularizedMLPRegressor, table_pipeline
from skreg.ensemble import (
    DeepEnsembleClassifier,
    DeepEnsembleRegressor,
    FoldEnsembleClassifier,
    FoldEnsembleRegressor,
)

MODELS = ("folds", "temperature", "deep", "shared8", "shared16")
# Early stopping ends the training before, but for some members on Hawks, whose classes can be told apart.
MAX_ITER = 1000
GAIN, HARM = 0.08, 0.005


def network(task, seed=0):
    """Return a table's pipeline with one early-stopped network."""
    options = {"early_stopping": True, "max_iter": MAX_ITER, "random_state": seed}
    if task == "classification":
        return table_pipeline(RegularizedMLPClassifier((100,), **options))
    return table_pipeline(RegularizedMLPRegressor((100,), target_transform="standard", **options))


def ensemble(model, task):
    """Return an unfitted ensemble of networks for a table."""
    classifies = task == "classification"
    if model == "folds":
        if classifies:  # the mean of the members is there without the calibration, too
            return FoldEnsembleClassifier(network(task), cv=5, calibration="temperature", random_state=0)
        return FoldEnsembleRegressor(network(task), cv=5, random_state=0)
    kind = DeepEnsembleClassifier if classifies else DeepEnsembleRegressor
    if model == "deep":
        return kind(network(task), n_members=8, random_state=0)
    n_members = int(model.removeprefix("shared"))
    return kind(network(task), n_members=n_members, weight_sharing="batch_ensemble", random_state=0)


def some_rows(X, y, task, n_rows):
    """Return a random part of a table that is larger."""
    if len(X) <= n_rows:
        return X, y
    kind = StratifiedShuffleSplit if task == "classification" else ShuffleSplit
    rows, _ = next(kind(1, train_size=n_rows, random_state=0).split(X, y))
    return X.iloc[rows], y.iloc[rows]


def with_all_classes(probabilities, seen, classes):
    """Return float64 probabilities of all classes of a table: 0 for those in no training row."""
    found = np.zeros((len(probabilities), len(classes)))
    found[:, np.searchsorted(classes, seen)] = probabilities
    return found


def scores(predicted, y, classes):
    """Return the scores of predictions; without classes, of numbers."""
    if classes is None:
        return {"R²": r2_score(y, predicted)}
    return {
        "log-loss": log_loss(y, predicted, labels=classes),
        "accuracy": accuracy_score(y, classes[predicted.argmax(axis=1)]),
    }


def run_split(task, models, classes, train, test):
    """Yield name, scores and seconds of each model."""
    X, y = train
    X_test, y_test = test
    for name in ["one", *(name for name in models if name != "temperature")]:
        start = time.perf_counter()
        model = (network(task) if name == "one" else ensemble(name, task)).fit(X, y)
        seconds = time.perf_counter() - start
        if classes is None:
            predictions = {name: model.predict(X_test)}
        elif name == "folds":  # the same members with and without calibration
            predictions = {"folds": model.predict_members(X_test).mean, "temperature": model.predict_proba(X_test)}
        else:
            predictions = {name: model.predict_proba(X_test)}
        for kind, predicted in predictions.items():
            if kind in ("one", *models):
                if classes is not None:
                    predicted = with_all_classes(predicted, model.classes_, classes)
                yield kind, scores(predicted, y_test, classes), seconds


def run_table(name, models, options):
    """Return a frame of the scores of one table, a row for each model and split."""
    table = TABLES[name]
    X, y = some_rows(*table.load(), table.task, options.rows)
    classes = np.unique(y) if table.task == "classification" else None
    kind = KFold if classes is None else StratifiedKFold
    rows = []
    for split, (train, test) in enumerate(kind(options.splits, shuffle=True, random_state=0).split(X, y)):
        parts = ((X.iloc[part], y.iloc[part]) for part in (train, test))
        for model, found, seconds in run_split(table.task, models, classes, *parts):
            rows.append({"table": name, "rows": len(X), "model": model, "split": split, **found, "seconds": seconds})
    return pd.DataFrame(rows)


def print_tables(frame, score):
    """Print the mean scores of each table, a line for each, and how many gain as much as is asked for."""
    models = list(dict.fromkeys(frame["model"]))
    means = frame.groupby(["table", "model"], sort=False)[score].mean().unstack()[models]
    is_loss = score == "log-loss"
    others = [model for model in models if model != "one"]
    changes = means[others].sub(means["one"], axis=0)
    if is_loss:
        changes = changes.div(means["one"], axis=0)
    print(f"\n{score:26}" + "".join(f"{model:>12}" for model in models) + "".join(f"{'change':>12}" for _ in others))
    for name, row in means.iterrows():
        line = f"{name:26}" + "".join(f"{value:12.4f}" for value in row)
        print(line + "".join(f"{value:+12.1%}" if is_loss else f"{value:+12.4f}" for value in changes.loc[name]))
    for model in others:
        change = changes[model]
        if is_loss:
            print(
                f"  {model}: at least {GAIN:.0%} lower on {(change <= -GAIN).sum()} of {len(change)}, lower on "
                f"{(change < 0).sum()}, mean {change.mean():+.1%}, median {change.median():+.1%}"
            )
        else:
            print(f"  {model}: higher on {(change > 1e-9).sum()} of {len(change)}, mean {change.mean():+.4f}")
    if is_loss and "temperature" in others:
        by_temperature = means["temperature"] - means["folds"]
        print(
            f"  temperature beside folds: mean {by_temperature.mean():+.4f}, from {by_temperature.min():+.4f} to "
            f"{by_temperature.max():+.4f}; raises by more than {HARM} on {(by_temperature > HARM).sum()}"
        )


def tables(options):
    """Run the models on the tables, and print scores, changes and seconds."""
    for task, own_scores in (("classification", ("log-loss", "accuracy")), ("regression", ("R²",))):
        if task not in options.tasks:
            continue
        models = [model for model in options.models if model != "temperature" or task == "classification"]
        names = [name for name, table in TABLES.items() if table.task == task and table.role == "choosing"]
        chosen = [name for name in names if options.tables is None or name in options.tables]
        if not chosen:
            continue
        frame = []
        for name in chosen:
            frame.append(run_table(name, models, options))
            found = frame[-1].groupby("model", sort=False)[own_scores[0]].mean().round(4).to_dict()
            print(f"  {name}: {found} after {frame[-1]['seconds'].sum():.0f} s of fits", file=sys.stderr, flush=True)
        frame = pd.concat(frame)
        for score in own_scores:
            print_tables(frame, score)
        print(
            f"\nmean seconds, {task}: " + str(frame.groupby("model", sort=False)["seconds"].mean().round(2).to_dict())
        )


class OneByOne:
    """Networks that are fitted one after the other."""

    def __init__(self, networks):
        self.networks = networks

    def fit(self, X, y):
        """Fit all networks."""
        for estimator in self.networks:
            estimator.fit(X, y)


def cost(options):
    """Time ensembles beside one fit of their network."""
    X, y = load_digits(return_X_y=True)
    X = (X / 16).astype(np.float32)
    print("\nSeconds, and the median of the ratios to one fit in the same round")
    for n_rows in options.sizes:
        rows = np.random.default_rng(0).permutation(len(X))[:n_rows]
        own = X[rows], y[rows]
        estimator = RegularizedMLPClassifier(
            (100,), early_stopping=True, max_iter=options.epochs, n_iter_no_change=np.inf, random_state=0
        )
        contestants = {
            "one": estimator,
            "five fits": OneByOne([clone(estimator).set_params(random_state=seed) for seed in range(5)]),
            "folds": FoldEnsembleClassifier(estimator, cv=5, random_state=0),
            "deep": DeepEnsembleClassifier(estimator, n_members=8, random_state=0),
        }
        for n_members in (8, 16) if options.shared else ():
            contestants[f"shared{n_members}"] = DeepEnsembleClassifier(
                estimator, n_members=n_members, weight_sharing="batch_ensemble", random_state=0
            )
        seconds = take_turns(
            {name: lambda model=model, own=own: model.fit(*own) for name, model in contestants.items()},
            n_rounds(options),
            clock={"wall": time.perf_counter, "cpu": time.process_time}[options.clock],
        )
        print(f"{n_rows} rows")
        for name, values in seconds.items():
            ratio = np.median(values / seconds["one"])
            print(f"  {name:10}{median_and_range(values, 1, 3):>30} s  {ratio:5.2f} times", flush=True)


def main():
    """Run the parts."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--parts", nargs="+", choices=["cost", "tables"], default=["cost", "tables"])
    parser.add_argument("--models", nargs="+", choices=MODELS, default=["folds", "temperature"], help="beside one fit")
    parser.add_argument(
        "--tasks", nargs="+", choices=["classification", "regression"], default=["classification", "regression"]
    )
    parser.add_argument("--tables", nargs="+", metavar="NAME", help="only these")
    parser.add_argument("--splits", type=int, default=3)
    parser.add_argument("--rows", type=int, default=4000, help="rows of a table at most")
    parser.add_argument("--sizes", nargs="+", type=int, default=[64, 128, 256, 512, 1000], help="of the part cost")
    parser.add_argument("--epochs", type=int, default=100, help="of the part cost")
    parser.add_argument("--shared", action="store_true", help="ensembles with shared weights in the part cost, too")
    parser.add_argument("--clock", choices=["wall", "cpu"], default="wall")
    add_rounds(parser)
    options = parser.parse_args()
    print(versions())
    warnings.simplefilter("ignore")  # columns that are constant in a fold, classes with fewer rows than folds
    with threads(1):
        for part in options.parts:
            {"cost": cost, "tables": tables}[part](options)


if __name__ == "__main__":
    main()

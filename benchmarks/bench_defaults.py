"""What each part of TabularMLPClassifier and TabularMLPRegressor is worth, beside models that are not networks.

For each table and fold one estimator is fitted with its defaults. From its members, their out-of-fold predictions and
their predictions of the test rows follow, without a further fit:

- ``weighted``: all members with greedy weights, without temperature: the reference;
- ``tabular``: the estimator itself, which for classes has a temperature besides;
- ``uniform``: all members with equal weights;
- ``best``: the member with the smallest out-of-fold loss;
- ``- NAME``: the other members, weighted anew;
- ``linear`` and ``boosting``: as in bench_tables.py, and ``table``: one network with its defaults behind the encoder.

Tables for choosing are the default; those for reporting are for the end of a study. Gains in brackets are those over
``weighted``, positive where a model is better: with the 95 % interval of the corrected paired t-test over folds, and in
the summary with that of the paired t-test over tables.

    python benchmarks/bench_defaults.py [--role choosing] [--tables cells cpus] [--splits 3] [--csv FILE]
"""

import argparse
import time
import warnings

import numpy as np
import pandas as pd
import torch
from bench_tables import MODELS, for_boosting, print_summary, print_table, scores_of
from sklearn.model_selection import KFold, StratifiedKFold
from tables import TABLES

from skreg import TabularMLPClassifier, TabularMLPRegressor
from skreg.tabular._weights import greedy_weights, log_losses, squared_losses

REFERENCE = "weighted"
OTHERS = ("table", "linear", "boosting")


class Mixture:
    """Predictions with some weights, which are scored as those of a model are."""

    def __init__(self, predictions, classes=None):
        self.predictions, self.classes_ = predictions, classes

    def predict(self, X):
        """Return the predictions."""
        return self.predictions

    predict_proba = predict


def mixtures(model, X_test, y, task):
    """Yield names and mixtures of a fitted estimator's members."""
    names = list(model.members_)
    held = np.stack([model.folds_.networks_[name].predictions for name in names])
    method = "predict_proba" if task == "classification" else "predict"
    new = np.stack([getattr(member, method)(X_test) for member in model.members_.values()])
    classes = getattr(model, "classes_", None)
    y = np.asarray(y)
    losses = log_losses(np.searchsorted(classes, y)) if classes is not None else squared_losses(y.astype(float))

    def mixed(chosen, weights):
        return Mixture(np.tensordot(weights, new[chosen], axes=1), classes)

    everything = np.arange(len(names))
    yield REFERENCE, mixed(everything, greedy_weights(held, losses)[0])
    yield "uniform", mixed(everything, np.full(len(names), 1 / len(names)))
    yield "best", mixed([int(np.argmin(losses(held)))], np.ones(1))
    for left_out, name in enumerate(names):
        chosen = np.delete(everything, left_out)
        yield f"- {name}", mixed(chosen, greedy_weights(held[chosen], losses)[0])


def run_table(name, n_splits, others, max_rows):
    """Yield a row for each model and fold."""
    table = TABLES[name]
    X, y = table.load(max_rows)
    task = table.task
    classes = sorted(y.unique()) if task == "classification" else None
    splitter = StratifiedKFold if task == "classification" else KFold
    for fold, (train, test) in enumerate(splitter(n_splits, shuffle=True, random_state=0).split(X, y)):
        common = {"table": name, "task": task, "fold": fold, "n_train": len(train), "n_test": len(test)}
        start = time.perf_counter()
        kind = TabularMLPClassifier if task == "classification" else TabularMLPRegressor
        model = kind(random_state=0).fit(X.iloc[train], y.iloc[train])
        seconds = time.perf_counter() - start
        fitted = {"tabular": (model, seconds)}
        fitted |= {key: (one, seconds) for key, one in mixtures(model, X.iloc[test], y.iloc[train], task)}
        for key in others:
            inputs = for_boosting(X) if key == "boosting" else X
            start = time.perf_counter()
            other = MODELS[key][task]().fit(inputs.iloc[train], y.iloc[train])
            fitted[key] = other, time.perf_counter() - start
        for key, (one, seconds) in fitted.items():
            inputs = for_boosting(X) if key == "boosting" else X
            scores = scores_of(one, inputs.iloc[test], y.iloc[test], task, classes)
            yield {"model": key, "seconds": seconds, **common, **scores}


def main():
    """Run the tables, and print each and a summary."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--tables", nargs="+", choices=TABLES, default=None, metavar="NAME")
    parser.add_argument("--role", choices=["choosing", "reporting"], default="choosing")
    parser.add_argument("--others", nargs="*", choices=MODELS, default=list(OTHERS))
    parser.add_argument("--splits", type=int, default=3, help="number of folds")
    parser.add_argument("--max-rows", type=int, default=10**9, help="tables with more rows are drawn from")
    parser.add_argument("--csv", help="file for all scores")
    options = parser.parse_args()
    torch.set_num_threads(1)
    warnings.simplefilter("ignore")  # columns that are constant in a fold, networks that end at max_iter
    rows = []
    for name in options.tables or [name for name, table in TABLES.items() if table.role == options.role]:
        own = list(run_table(name, options.splits, options.others, options.max_rows))
        print_table(pd.DataFrame(own), REFERENCE)
        rows += own
        if options.csv:
            pd.DataFrame(rows).to_csv(options.csv, index=False)
    print_summary(pd.DataFrame(rows), REFERENCE)


if __name__ == "__main__":
    main()

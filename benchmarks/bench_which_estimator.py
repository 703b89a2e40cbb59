"""What each way to fit a table costs, and how well it predicts: the numbers of the guide's page "Which estimator?".

All of them get the same table as it is, with their defaults and the same seed; those that take numbers stand behind
`table_pipeline`. Scores are log-loss and accuracy of the test rows, means of three folds. Seconds are those of the
processor for one fit, medians of the folds, and the last column is their ratio to the plain network. `--csv` writes
the table that the page shows.

A comparison of regularizers (of the quickstart's network) fits a thousand networks, and so takes the first fold only;
its scores are those of the estimator that it recommends. `--models` leaves it out.

    python benchmarks/bench_which_estimator.py [--table Titanic] [--models ...] [--folds 3] [--csv FILE]
"""

import argparse
import time
import warnings

import numpy as np
import pandas as pd
from _timing import threads, versions
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import log_loss
from sklearn.model_selection import StratifiedKFold
from tables import TABLES

from skreg import (
    RegularizedMLPClassifier,
    RegularizedMLPClassifierCV,
    TabularMLPClassifier,
    preset_classifier,
    table_pipeline,
)
from skreg.ensemble import DeepEnsembleClassifier, FoldEnsembleClassifier
from skreg.inspection import compare_regularizers


def recommended(X, y):
    """Return the estimator that a comparison of regularizers recommends, fitted to all rows."""
    network = RegularizedMLPClassifier((64,), learning_rate="cosine", learning_rate_init=0.01, max_iter=50)
    found = compare_regularizers(X, y, network=table_pipeline(network), scoring="neg_log_loss", random_state=0)
    return found.best_estimator_


def stopping():
    """Return a network that stops early."""
    return RegularizedMLPClassifier(early_stopping=True)


MODELS = {
    "LogisticRegression": lambda X, y: table_pipeline(LogisticRegression()).fit(X, y),
    "HistGradientBoostingClassifier": lambda X, y: table_pipeline(HistGradientBoostingClassifier(random_state=0)).fit(
        X, y
    ),
    "RegularizedMLPClassifier": lambda X, y: table_pipeline(RegularizedMLPClassifier(random_state=0)).fit(X, y),
    "preset_classifier": lambda X, y: table_pipeline(preset_classifier(random_state=0)).fit(X, y),
    "DeepEnsembleClassifier": lambda X, y: table_pipeline(
        DeepEnsembleClassifier(RegularizedMLPClassifier(), random_state=0)
    ).fit(X, y),
    "FoldEnsembleClassifier": lambda X, y: FoldEnsembleClassifier(table_pipeline(stopping()), random_state=0).fit(X, y),
    "RegularizedMLPClassifierCV": lambda X, y: table_pipeline(RegularizedMLPClassifierCV(random_state=0)).fit(X, y),
    "TabularMLPClassifier": lambda X, y: TabularMLPClassifier(random_state=0).fit(X, y),
    "compare_regularizers": recommended,
}
ONE_FOLD, UNIT = {"compare_regularizers"}, "RegularizedMLPClassifier"


def run(table, names, n_folds):
    """Yield seconds and scores of each model and fold."""
    X, y = TABLES[table].load()
    for fold, (train, test) in enumerate(StratifiedKFold(n_folds, shuffle=True, random_state=0).split(X, y)):
        for name in names:
            if fold and name in ONE_FOLD:
                continue
            start = time.process_time()
            model = MODELS[name](X.iloc[train], y.iloc[train])
            seconds = time.process_time() - start
            loss = log_loss(y.iloc[test], model.predict_proba(X.iloc[test]), labels=model.classes_)
            yield {
                "model": name,
                "log-loss": loss,
                "accuracy": np.mean(model.predict(X.iloc[test]) == y.iloc[test]),
                "seconds": seconds,
            }


def main():
    """Print a line for each model."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    classification = [name for name, table in TABLES.items() if table.task == "classification"]
    parser.add_argument("--table", choices=classification, default="Titanic")
    parser.add_argument("--models", nargs="+", choices=MODELS, default=list(MODELS))
    parser.add_argument("--folds", type=int, default=3)
    parser.add_argument("--csv", help="file for the table, such as docs/_static/which_estimator.csv")
    arguments = parser.parse_args()
    print(versions())
    with threads(1), warnings.catch_warnings():
        # Defaults are what is measured.
        warnings.simplefilter("ignore", ConvergenceWarning)
        rows = pd.DataFrame(run(arguments.table, arguments.models, arguments.folds))
    scores = rows.groupby("model", sort=False)
    found = scores[["log-loss", "accuracy"]].mean().round(3).join(scores["seconds"].median())
    if UNIT in found.index:
        found["time"] = (found["seconds"] / found.loc[UNIT, "seconds"]).round(1)
    print(f"{arguments.table}: {TABLES[arguments.table].shape[0]} rows, {arguments.folds} folds")
    print(found.round({"seconds": 2}).to_string())
    if arguments.csv:
        found.drop(columns="seconds").to_csv(arguments.csv, float_format="%.3g", lineterminator="\n")


if __name__ == "__main__":
    main()

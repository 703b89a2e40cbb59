"""How well tables are predicted as they are: `table_pipeline` beside what others make of them by hand.

Models, all with their defaults and the same seed:

- ``table``: ``table_pipeline(RegularizedMLPClassifier())``, or the regressor;
- ``preset``: the same with ``preset_classifier()``, or ``preset_regressor()``;
- ``table-cv``: the same with the estimator that chooses its strength by cross-validation;
- ``hand``: the network of ``table`` behind the pipeline that most people write: medians, StandardScaler, OneHotEncoder
  (of the 30 most frequent levels of each column, the rest together);
- ``mlp``: scikit-learn's MLP behind that pipeline;
- ``linear``: LogisticRegression or RidgeCV behind that pipeline;
- ``boosting``: HistGradientBoosting, which gets strings as categories (the 254 most frequent levels of each column).

The targets of all networks are standardized. Folds are the same for all. Scores are log-loss and accuracy of
classifiers, R² and MAE of regressors: mean and standard deviation of the folds. In brackets is the gain over the model
``--reference``, positive where that is worse, with the 95 % interval of the corrected paired t-test over folds; in the
summary, with that of the paired t-test over tables. MAE has another unit in each table, and is not in the summary.

    python benchmarks/bench_tables.py [--role choosing] [--tables cells cpus] [--models table hand] [--splits 5]
"""

import argparse
import time
import warnings

import numpy as np
import pandas as pd
import torch
from scipy import stats
from sklearn.compose import TransformedTargetRegressor, make_column_selector, make_column_transformer
from sklearn.ensemble import HistGradientBoostingClassifier, HistGradientBoostingRegressor
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LogisticRegression, RidgeCV
from sklearn.metrics import accuracy_score, log_loss, mean_absolute_error, r2_score
from sklearn.model_selection import KFold, StratifiedKFold
from sklearn.neural_network import MLPClassifier, MLPRegressor
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler
from tables import TABLES

from skreg import (
    RegularizedMLPClassifier,
    RegularizedMLPClassifierCV,
    RegularizedMLPRegressor,
    RegularizedMLPRegressorCV,
    preset_classifier,
    preset_regressor,
    table_pipeline,
)
from skreg.inspection import corrected_ttest

MOST_LEVELS, MOST_LEVELS_OF_BOOSTING = 30, 254
# Name of each score, and whether a larger one is better.
SCORES = {"classification": {"log-loss": False, "accuracy": True}, "regression": {"R²": True, "MAE": False}}


def by_hand(last):
    """Return the pipeline that most people write, with an estimator at its end."""
    numbers = make_pipeline(SimpleImputer(strategy="median"), StandardScaler())
    categories = make_pipeline(
        SimpleImputer(strategy="constant", fill_value="missing"),
        OneHotEncoder(handle_unknown="infrequent_if_exist", max_categories=MOST_LEVELS),
    )
    encoder = make_column_transformer(
        (numbers, make_column_selector(dtype_include=["number", "bool"])),
        (categories, make_column_selector(dtype_exclude=["number", "bool"])),
        sparse_threshold=0,
    )
    return make_pipeline(encoder, last)


MODELS = {
    "table": {
        "classification": lambda: table_pipeline(RegularizedMLPClassifier(random_state=0)),
        "regression": lambda: table_pipeline(RegularizedMLPRegressor(target_transform="standard", random_state=0)),
    },
    "preset": {
        "classification": lambda: table_pipeline(preset_classifier(random_state=0)),
        "regression": lambda: table_pipeline(preset_regressor(random_state=0)),
    },
    "table-cv": {
        "classification": lambda: table_pipeline(RegularizedMLPClassifierCV(random_state=0)),
        "regression": lambda: table_pipeline(RegularizedMLPRegressorCV(target_transform="standard", random_state=0)),
    },
    "hand": {
        "classification": lambda: by_hand(RegularizedMLPClassifier(random_state=0)),
        "regression": lambda: by_hand(RegularizedMLPRegressor(target_transform="standard", random_state=0)),
    },
    "mlp": {
        "classification": lambda: by_hand(MLPClassifier(random_state=0)),
        "regression": lambda: by_hand(
            TransformedTargetRegressor(MLPRegressor(random_state=0), transformer=StandardScaler())
        ),
    },
    "linear": {
        "classification": lambda: by_hand(LogisticRegression(max_iter=1000)),
        "regression": lambda: by_hand(RidgeCV(np.logspace(-3, 3, 13))),
    },
    "boosting": {
        "classification": lambda: HistGradientBoostingClassifier(categorical_features="from_dtype", random_state=0),
        "regression": lambda: HistGradientBoostingRegressor(categorical_features="from_dtype", random_state=0),
    },
}


def for_boosting(X):
    """Return a frame whose strings are categories, the rarest of them missing."""
    X = X.copy()
    for name in X.select_dtypes(exclude=["number", "bool"]):
        levels = X[name].value_counts().index[:MOST_LEVELS_OF_BOOSTING]
        X[name] = pd.Categorical(X[name], levels)
    return X


def scores_of(model, X, y, task, classes):
    """Return the scores of a fitted model."""
    if task == "regression":
        predicted = model.predict(X)
        return {"R²": r2_score(y, predicted), "MAE": mean_absolute_error(y, predicted)}
    # A class that is in no training row has probability 0.
    probabilities = pd.DataFrame(model.predict_proba(X), columns=model.classes_).reindex(
        columns=classes, fill_value=0.0
    )
    return {
        "log-loss": log_loss(y, probabilities, labels=classes),
        "accuracy": accuracy_score(y, np.asarray(classes)[probabilities.to_numpy().argmax(axis=1)]),
    }


def run_table(name, models, n_splits):
    """Yield a row for each model and fold."""
    table = TABLES[name]
    X, y = table.load()
    classes = sorted(y.unique()) if table.task == "classification" else None
    kind = StratifiedKFold if table.task == "classification" else KFold
    for fold, (train, test) in enumerate(kind(n_splits, shuffle=True, random_state=0).split(X, y)):
        for model in models:
            inputs = for_boosting(X) if model == "boosting" else X
            start = time.perf_counter()
            fitted = MODELS[model][table.task]().fit(inputs.iloc[train], y.iloc[train])
            seconds = time.perf_counter() - start
            yield {
                "table": name,
                "task": table.task,
                "model": model,
                "fold": fold,
                "n_train": len(train),
                "n_test": len(test),
                **scores_of(fitted, inputs.iloc[test], y.iloc[test], table.task, classes),
                "seconds": seconds,
            }


def differences(rows, score, model, reference):
    """Return the gain of a model over the reference in each fold, positive if it is better."""
    folds = rows.pivot(index="fold", columns="model", values=score)
    sign = 1 if SCORES[rows["task"].iloc[0]][score] else -1
    return sign * (folds[model] - folds[reference]).to_numpy()


def print_table(rows, reference):
    """Print the scores of one table, a line for each model."""
    task = rows["task"].iloc[0]
    models = list(dict.fromkeys(rows["model"]))
    print(f"\n{rows['table'].iloc[0]} ({task}, {rows['n_train'].iloc[0] + rows['n_test'].iloc[0]} rows)")
    for model in models:
        own = rows[rows["model"] == model]
        line = f"  {model:9}{own['seconds'].mean():7.1f} s"
        for score in SCORES[task]:
            line += f"   {score} {own[score].mean():9.4g} ± {own[score].std():.2g}"
            if reference in models and model != reference and len(own) > 1:
                gains = differences(rows, score, model, reference)
                test = corrected_ttest(gains, n_train=own["n_train"].mean(), n_test=own["n_test"].mean())
                line += f" ({test.difference:+.3g}, {test.low:+.3g} to {test.high:+.3g})"
        print(line, flush=True)


def print_summary(rows, reference):
    """Print the mean difference of each model from the reference over all tables, with its interval."""
    print(
        f"\nMean gain over “{reference}” (95 % interval of the paired t-test over tables; better on so many of the "
        "tables that have the model)"
    )
    for (score, _), model in (
        (item, model) for task in SCORES.values() for item in task.items() for model in rows["model"].unique()
    ):
        part = rows[rows[score].notna()] if score in rows else rows[:0]
        if model == reference or score == "MAE" or part.empty:
            continue
        # One of few rows may be without a member.
        tables = [own for _, own in part.groupby("table") if model in own["model"].to_numpy()]
        if not tables:
            continue
        gains = np.array([differences(own, score, model, reference).mean() for own in tables])
        error = (
            stats.t.ppf(0.975, len(gains) - 1) * gains.std(ddof=1) / np.sqrt(len(gains)) if len(gains) > 1 else np.nan
        )
        print(
            f"  {score:9}{model:9}{gains.mean():+8.4f} ({gains.mean() - error:+.4f} to {gains.mean() + error:+.4f}), "
            f"median {np.median(gains):+.4f}, better on {(gains > 0).sum()} of {len(gains)}"
        )


def main():
    """Run the models on the tables, and print each table and a summary."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--tables", nargs="+", choices=TABLES, default=None, metavar="NAME")
    parser.add_argument("--role", choices=["choosing", "reporting"], help="all tables of this role")
    parser.add_argument("--models", nargs="+", choices=MODELS, default=list(MODELS))
    parser.add_argument("--splits", type=int, default=3, help="number of folds")
    parser.add_argument("--reference", choices=MODELS, default="hand", help="from which differences are taken")
    parser.add_argument("--csv", help="file for all scores")
    options = parser.parse_args()
    names = [
        name
        for name, table in TABLES.items()
        if (options.tables is None or name in options.tables) and options.role in (None, table.role)
    ]
    torch.set_num_threads(1)
    warnings.simplefilter("ignore")  # fits that end at max_iter, columns that are constant in a fold
    rows = []
    for name in names:
        own = list(run_table(name, options.models, options.splits))
        print_table(pd.DataFrame(own), options.reference)
        rows += own
        if options.csv:
            pd.DataFrame(rows).to_csv(options.csv, index=False)
    if options.reference in options.models and len(names) > 1:
        print_summary(pd.DataFrame(rows), options.reference)


if __name__ == "__main__":
    main()

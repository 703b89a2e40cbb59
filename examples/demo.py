"""The main job in one command (`make demo`): which regularization generalizes best on the diabetes data?

Eight ways to regularize the same network are compared by nested cross-validation: the strength of each is chosen on the
training rows of every outer fold, and scored on rows that had no say in it. Prints a table and what it means; writes
the table, five figures and a report in HTML to results/demo.
"""

import time
from pathlib import Path

import matplotlib as mpl
import numpy as np
import pandas as pd
from sklearn.base import clone
from sklearn.compose import TransformedTargetRegressor
from sklearn.datasets import load_diabetes
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from skreg import RegularizedMLPRegressor
from skreg.inspection import (
    GeneralizationGapDisplay,
    TrainingHistoryDisplay,
    WeightDistributionDisplay,
    compare_regularizers,
    default_regularizers,
)

mpl.use("Agg")
import matplotlib.pyplot as plt

RESULTS = Path("results/demo")
NETWORK = TransformedTargetRegressor(
    make_pipeline(
        StandardScaler(),
        RegularizedMLPRegressor(
            (64,),
            batch_size=32,
            learning_rate="cosine",
            learning_rate_init=0.01,
            max_iter=100,
            n_iter_no_change=np.inf,
        ),
    ),
    transformer=StandardScaler(),
)
PREFIX = "regressor__regularizedmlpregressor__"
COLUMNS = ["test_score", "train_score", "gap", "mean_squared_error", "zeros", "epochs"]


def table_of(comparison) -> pd.DataFrame:
    """Return means and standard deviations as text."""
    frame = comparison.frame()
    digits = {"mean_squared_error": 0, "zeros": 2, "epochs": 0}
    return pd.DataFrame(
        {
            name: [
                f"{mean:.{digits.get(name, 3)}f} ± {std:.{digits.get(name, 3)}f}"
                for mean, std in zip(frame[f"mean_{name}"], frame[f"std_{name}"], strict=True)
            ]
            for name in COLUMNS
        },
        index=frame.index,
    )


def chosen_by(comparison, name: str):
    """Return the estimator of a regularizer with the parameters that most folds have chosen."""
    estimator, _ = default_regularizers(NETWORK)[name]
    choices = comparison.folds.loc[comparison.folds["regularizer"] == name, "chosen"].tolist()
    return clone(estimator).set_params(**{f"{PREFIX}random_state": 0}, **max(choices, key=choices.count))


def draw_training(comparison, X, y):
    """Draw loss and accuracy by epoch: training dashed, validation solid."""
    names = ("none", "l1", "l2", "dropout")
    for metric in ("loss", "score"):
        figure, ax = plt.subplots(figsize=(9, 4.5), layout="constrained")
        for name in names:
            # With validation rows, but without stopping: all epochs are shown.
            settings = {"early_stopping": True, "n_iter_no_change": np.inf, "validation_fraction": 0.3}
            model = chosen_by(comparison, name).set_params(**{PREFIX + key: value for key, value in settings.items()})
            TrainingHistoryDisplay.from_estimator(model.fit(X, y), metric=metric, name=name, ax=ax)
        ax.legend(loc="upper left", bbox_to_anchor=(1, 1), fontsize="small")
        figure.savefig(RESULTS / f"{metric}_curves.png", dpi=120)


def draw_weights(comparison, X, y):
    """Draw histograms of the first layer's weights."""
    names = ("none", "l1", "l2")
    figure, axes = plt.subplots(1, 3, figsize=(12, 3.6), layout="constrained")
    for ax, name in zip(axes, names, strict=True):
        WeightDistributionDisplay.from_estimator(chosen_by(comparison, name).fit(X, y), layers=[0], ax=ax)
        ax.set_title(f"{name}: {ax.get_title()}")
    figure.savefig(RESULTS / "weights.png", dpi=120)


def main():
    """Run everything."""
    start = time.perf_counter()
    RESULTS.mkdir(parents=True, exist_ok=True)
    X, y = load_diabetes(return_X_y=True, as_frame=True)
    print(
        f"Diabetes: {len(X)} rows, {X.shape[1]} columns; network 10-64-1; 5 outer folds twice, 3 inner folds.",
        flush=True,
    )
    comparison = compare_regularizers(X, y, network=NETWORK, random_state=0, n_jobs=2)
    comparison.frame().to_csv(RESULTS / "table.csv")
    comparison.plot().figure_.savefig(RESULTS / "differences.png", dpi=120)
    GeneralizationGapDisplay.from_comparison(comparison).figure_.savefig(RESULTS / "gaps.png", dpi=120)
    draw_training(comparison, X, y)
    draw_weights(comparison, X, y)
    report = comparison.to_html(RESULTS / "report.html")
    print(f"\n{table_of(comparison).to_string()}\n\n{comparison.summary()}")
    print(f"\nTable, figures and report: {report}   ({time.perf_counter() - start:.0f} s)")


if __name__ == "__main__":
    main()

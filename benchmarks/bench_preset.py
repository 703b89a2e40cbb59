"""What the preset of a single network is worth, beside the plain default and scikit-learn's MLP, and each of its parts.

Tables are those for choosing; :class:`skreg.preprocessing.TableEncoder` encodes each fold once for all models, and its
time is part of each model's. Losses are the log-loss of classifiers and 1 - R² of regressors. Models:

- ``plain``: RegularizedMLPClassifier() or the regressor with standardized targets: the reference of ``--parts models``;
- ``preset``: ``preset_classifier()`` or ``preset_regressor()``: the reference of ``--parts elements``;
- ``mlp``: scikit-learn's MLPClassifier() or MLPRegressor() with standardized targets;
- all others: the preset with one of its elements changed, most of them back to that of the plain network.

``--parts time`` looks for the shortest fit of the preset, by ``min_steps``, whose test loss is at most that of ``mlp``,
and compares their times. Ratios of losses are geometric means over tables of the means over folds, with the 95 %
interval of the paired t-test over tables; times are those of the processor, as a ratio of the reference's.

    python benchmarks/bench_preset.py [--parts models elements time] [--splits 3] [--max-rows 3000] [--csv FILE]
"""

import argparse
import time
import warnings

import numpy as np
import pandas as pd
import torch
from bench_tables import scores_of
from scipy import stats
from sklearn.compose import TransformedTargetRegressor
from sklearn.model_selection import KFold, StratifiedKFold
from sklearn.neural_network import MLPClassifier, MLPRegressor
from sklearn.preprocessing import StandardScaler
from tables import TABLES

from skreg import RegularizedMLPClassifier, RegularizedMLPRegressor, preset_classifier, preset_regressor
from skreg.preprocessing import TableEncoder

PRESET = {"classification": preset_classifier, "regression": preset_regressor}
MODELS = {
    "plain": {
        "classification": RegularizedMLPClassifier,
        "regression": lambda **options: RegularizedMLPRegressor(target_transform="standard", **options),
    },
    "preset": PRESET,
    "mlp": {
        "classification": MLPClassifier,
        "regression": lambda **options: TransformedTargetRegressor(
            MLPRegressor(**options), transformer=StandardScaler()
        ),
    },
}
ELEMENTS = {
    "constant rate": {"learning_rate": "constant"},
    "rate 0.005": {"learning_rate_init": 0.005},
    "rate 0.03": {"learning_rate_init": 0.03, "weight_decay": 0.75},
    "beta_2 0.999": {"beta_2": 0.999},
    "200 epochs": {"max_iter": 200, "min_steps": None},
    "300 steps": {"min_steps": 300},
    "1,200 steps": {"min_steps": 1200},
    "batches of 200": {"batch_size": "auto"},
    "64 units": {"hidden_layer_sizes": (64,)},
    "128 units": {"hidden_layer_sizes": (128,)},
    "two layers": {"hidden_layer_sizes": (256, 128)},
    "no dropout": {"dropout": 0.0},
    "dropout 0.3": {"dropout": 0.3},
    "no decay": {"weight_decay": 0.0},
    "decay 0.5": {"weight_decay": 0.5},
    "L2 for decay": {"weight_decay": 0.0, "penalty": "l2", "alpha": 1e-3},
    "mean of weights": {"averaging": "ema"},
    "early stopping": {"early_stopping": True, "n_iter_no_change": np.inf},
    "input dropout": {"input_dropout": 0.1},
}
STEPS = (25, 50, 100, 200, 400, 600)


def encoded_folds(name, n_splits, max_rows):
    """Yield for each fold the encoded rows to train and to test on, with targets, and the seconds that it took."""
    table = TABLES[name]
    X, y = table.load(max_rows)
    is_classification = table.task == "classification"
    splitter = StratifiedKFold if is_classification else KFold
    for train, test in splitter(n_splits, shuffle=True, random_state=0).split(X, y):
        start = time.process_time()
        encoder = TableEncoder(target_type="auto" if is_classification else "continuous")
        inputs = encoder.fit_transform(X.iloc[train], y.iloc[train])
        seconds = time.process_time() - start
        yield inputs, y.iloc[train], encoder.transform(X.iloc[test]), y.iloc[test], seconds


def fitted_rows(models, data, task, classes):
    """Yield name, loss, accuracy and seconds of every model on a fold."""
    inputs, y, test_inputs, y_test, encoding = data
    for name, model in models.items():
        start = time.process_time()
        model.fit(inputs, y)
        seconds = encoding + time.process_time() - start
        scores = scores_of(model, test_inputs, y_test, task, classes)
        loss = scores["log-loss"] if task == "classification" else 1 - scores["R²"]
        yield {"model": name, "loss": loss, "accuracy": scores.get("accuracy", np.nan), "seconds": seconds}


def models_for(parts, task, seed):
    """Return the models of the parts of this benchmark."""
    chosen = {}
    if "models" in parts or "time" in parts:
        chosen |= {name: kinds[task](random_state=seed) for name, kinds in MODELS.items()}
    if "elements" in parts:
        chosen["preset"] = PRESET[task](random_state=seed)
        chosen |= {name: PRESET[task](random_state=seed, **changes) for name, changes in ELEMENTS.items()}
    if "time" in parts:
        chosen |= {f"{n} steps": PRESET[task](random_state=seed, min_steps=n, max_iter=1) for n in STEPS}
    return chosen


def run_table(name, options):
    """Yield a row for each model and fold."""
    task = TABLES[name].task
    for fold, data in enumerate(encoded_folds(name, options.splits, options.max_rows)):
        classes = sorted(set(data[1]) | set(data[3])) if task == "classification" else None
        for row in fitted_rows(models_for(options.parts, task, fold), data, task, classes):
            yield {"table": name, "task": task, "fold": fold, "rows": len(data[0]), **row}


def geometric_mean(ratios):
    """Return the geometric mean of ratios over tables, and its 95 % interval, as text."""
    logs = np.log(ratios)
    error = stats.t.ppf(0.975, len(logs) - 1) * logs.std(ddof=1) / np.sqrt(len(logs)) if len(logs) > 1 else np.nan
    mean, low, high = np.exp([logs.mean(), logs.mean() - error, logs.mean() + error])
    return f"{mean:.3f} ({low:.3f} to {high:.3f})"


def print_comparison(rows, reference, names):
    """Print what models are in loss, accuracy and time beside the reference, for both tasks."""
    for task, own in rows.groupby("task"):
        means = own.groupby(["table", "model"])[["loss", "accuracy", "seconds"]].mean().unstack("model")
        print(f"\n{task}, {len(means)} tables, in comparison with “{reference}”")
        for name in names:
            ratios = means["loss"][name] / means["loss"][reference]
            times = means["seconds"][name] / means["seconds"][reference]
            points = 100 * (means["accuracy"][name] - means["accuracy"][reference])
            accuracy = f"accuracy {points.mean():+.2f} points, " if task == "classification" else ""
            print(
                f"  {name:18} loss x {geometric_mean(ratios)}, mean {means['loss'][name].mean():.4f}, lower on "
                f"{(ratios < 1).sum()}, {accuracy}time x {np.median(times):.2f} (at most {times.max():.2f})"
            )


def print_table_of_models(rows):
    """Print the mean losses of the models on every table."""
    means = rows.groupby(["task", "table", "rows", "model"])["loss"].mean().unstack("model")
    print(means[list(MODELS)].round(4).to_string())


def print_time(rows):
    """Print in which part of its time the preset comes to the loss of scikit-learn's MLP."""
    means = rows.groupby(["task", "table", "model"])[["loss", "seconds"]].mean().unstack("model")
    print("\nShortest fit of the preset with at most the loss of “mlp”: steps, and its share of the time of “mlp”")
    shares = {}
    for (task, table), own in means.iterrows():
        enough = [n for n in STEPS if own["loss", f"{n} steps"] <= own["loss", "mlp"]]
        share = own["seconds", f"{enough[0]} steps"] / own["seconds", "mlp"] if enough else np.inf
        shares.setdefault(task, []).append(share)
        print(f"  {table:26} {enough[0] if enough else 'none':>5} {share:.3f}")
    for task, values in shares.items():
        print(f"  {task}: median {np.median(values):.3f}")


def main():
    """Run the tables, and print a summary of each part."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    names = [name for name, table in TABLES.items() if table.role == "choosing"]
    parser.add_argument("--tables", nargs="+", choices=names, default=names, metavar="NAME")
    parser.add_argument("--parts", nargs="+", choices=["models", "elements", "time"], default=["models", "time"])
    parser.add_argument("--splits", type=int, default=3, help="number of folds")
    parser.add_argument("--max-rows", type=int, default=3000, help="tables with more rows are drawn from")
    parser.add_argument("--csv", help="file for all scores")
    options = parser.parse_args()
    torch.set_num_threads(1)
    warnings.simplefilter("ignore")  # columns that are constant in a fold, networks that end at max_iter
    rows = []
    for name in options.tables:
        rows += run_table(name, options)
        print(name, flush=True)
        if options.csv:
            pd.DataFrame(rows).to_csv(options.csv, index=False)
    rows = pd.DataFrame(rows)
    if "models" in options.parts:
        print_table_of_models(rows)
        print_comparison(rows, "plain", ["preset", "mlp"])
    if "elements" in options.parts:
        print_comparison(rows, "preset", ELEMENTS)
    if "time" in options.parts:
        print_time(rows)


if __name__ == "__main__":
    main()

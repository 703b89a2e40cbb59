"""The main job in one command (`make demo`): which regularization generalizes best on the digits?

Every kind of regularization gets its strength from a grid search on the same few training rows, is refitted, and is
compared on rows that the search has not seen. Prints a table; writes it and four figures to results/demo.
"""

import time
from pathlib import Path

import matplotlib as mpl
import numpy as np
import pandas as pd
from sklearn.datasets import load_digits
from sklearn.metrics import log_loss
from sklearn.model_selection import GridSearchCV, StratifiedKFold, learning_curve, train_test_split

from skreg import RegularizedMLPClassifier

mpl.use("Agg")
import matplotlib.pyplot as plt

RESULTS = Path("results/demo")
N_TRAIN = 500
EPOCHS = 100
# Okabe and Ito's colours, which the colour-blind can tell apart.
COLORS = {"none": "#000000", "L1": "#0072B2", "L2": "#D55E00", "dropout": "#009E73", "early stopping": "#CC79A7"}
SETTINGS = {
    "none": ({"penalty": None}, {}),
    "L1": ({"penalty": "l1"}, {"alpha": [1e-5, 3e-5, 1e-4, 3e-4, 1e-3]}),
    "L2": ({"penalty": "l2"}, {"alpha": [1e-4, 3e-4, 1e-3, 3e-3, 1e-2]}),
    "dropout": ({"penalty": None}, {"dropout": [0.1, 0.3, 0.5]}),
    "early stopping": ({"penalty": None, "early_stopping": True, "n_iter_no_change": 10, "max_iter": 2000}, {}),
}


def network(**options):
    """Return a network that trains for a fixed number of epochs, unless the options say otherwise."""
    options = {"n_iter_no_change": np.inf, "learning_rate_init": 3e-3, "max_iter": EPOCHS, **options}
    return RegularizedMLPClassifier((128,), batch_size=32, random_state=0, **options)


def compare(X_train, X_test, y_train, y_test, cv):
    """Search, refit and measure every setting; return the table and the fitted networks."""
    rows, models = [], {}
    for number, (name, (options, grid)) in enumerate(SETTINGS.items(), start=1):
        n_fits = int(np.prod([len(values) for values in grid.values()])) * cv.get_n_splits()
        print(f"[{number}/{len(SETTINGS)}] {name:15s} grid search of {n_fits:2d} fits ...", end="", flush=True)
        start = time.perf_counter()
        search = GridSearchCV(
            network(**options), grid, cv=cv, scoring=["accuracy", "neg_log_loss"], refit="neg_log_loss", n_jobs=2
        ).fit(X_train, y_train)
        model = models[name] = search.best_estimator_
        proba = {"train": model.predict_proba(X_train), "test": model.predict_proba(X_test)}
        accuracy = {"train": model.score(X_train, y_train), "test": model.score(X_test, y_test)}
        chosen = ", ".join(f"{key}={value:g}" for key, value in search.best_params_.items()) or "-"
        print(f" {time.perf_counter() - start:4.1f} s   best: {chosen}")
        rows.append(
            {
                "regularization": name,
                "chosen": chosen,
                "train acc": accuracy["train"],
                "valid acc": search.cv_results_["mean_test_accuracy"][search.best_index_],
                "test acc": accuracy["test"],
                "gap": accuracy["train"] - accuracy["test"],
                "train loss": log_loss(y_train, proba["train"]),
                "valid loss": -search.best_score_,
                "test loss": log_loss(y_test, proba["test"]),
                "zeros": model.sparsity_[0],
                "epochs": model.best_epoch_,
                "seconds": search.refit_time_,
            }
        )
    return pd.DataFrame(rows).set_index("regularization"), models


def with_validation_curve(model):
    """Return the same network, told to hold out validation rows and to go through all epochs."""
    return network(
        **{name: getattr(model, name) for name in ("penalty", "alpha", "dropout")},
        early_stopping=True,
        validation_fraction=0.3,
    )


def plot_curves(models, X, y):
    """Draw accuracy and loss by epoch: training dashed, validation solid."""
    histories = {name: with_validation_curve(model).fit(X, y).history_ for name, model in models.items()}
    for quantity, label in (("score", "accuracy"), ("loss", "log-loss")):
        fig, ax = plt.subplots(figsize=(7, 4.5), layout="constrained")
        for name, history in histories.items():
            if name == "early stopping":  # it is the curve of "none" up to its best epoch
                best = int(np.argmin(histories["none"]["valid_loss"]))
                point = (best + 1, histories["none"][f"valid_{quantity}"][best])
                ax.plot(*point, "o", ms=9, mfc="none", mew=2, color=COLORS[name], label="early-stopping point")
                continue
            ax.plot(history["epoch"], history[f"train_{quantity}"], "--", lw=1.2, color=COLORS[name])
            ax.plot(history["epoch"], history[f"valid_{quantity}"], lw=1.8, color=COLORS[name], label=name)
        ax.set(xlabel="epoch", ylabel=label, title=f"{label.capitalize()}: training dashed, validation solid")
        if quantity == "loss":
            ax.set_yscale("log")
        else:
            ax.set_ylim(0.8, 1.005)
        ax.legend()
        fig.savefig(RESULTS / f"{'accuracy' if quantity == 'score' else 'loss'}_curves.png", dpi=120)


def plot_weights(models):
    """Draw histograms of the first layer's weights, exact zeros beside them in words."""
    fig, axes = plt.subplots(1, 4, figsize=(12, 3.2), sharex=True, sharey=True, layout="constrained")
    for ax, name in zip(axes, ("none", "L1", "L2", "dropout"), strict=True):
        weights = models[name].coefs_[0].ravel()
        ax.hist(weights[weights != 0], bins=np.linspace(-0.4, 0.4, 81), color=COLORS[name])
        ax.set(title=f"{name}: {np.mean(weights == 0):.0%} exact zeros", xlabel="first-layer weight", yscale="log")
    axes[0].set_ylabel("weights that are not zero")
    fig.savefig(RESULTS / "weights.png", dpi=120)


def plot_learning_curves(models, X, y, cv):
    """Draw validation accuracy against the number of training rows."""
    fig, ax = plt.subplots(figsize=(7, 4.5), layout="constrained")
    for number, (name, model) in enumerate(models.items(), start=1):
        print(f"[{number}/{len(models)}] {name:15s} learning curve ...", end="", flush=True)
        start = time.perf_counter()
        sizes, _, scores = learning_curve(model, X, y, cv=cv, train_sizes=[0.15, 0.3, 0.6, 1.0], n_jobs=2)
        spread = scores.std(axis=1) / np.sqrt(scores.shape[1])
        ax.errorbar(sizes, scores.mean(axis=1), spread, color=COLORS[name], marker="o", capsize=3, label=name)
        print(f" {time.perf_counter() - start:4.1f} s")
    ax.set(xlabel="training rows", ylabel="validation accuracy (± standard error)", title="Learning curves")
    ax.legend()
    fig.savefig(RESULTS / "learning_curves.png", dpi=120)


def main():
    """Run everything."""
    start = time.perf_counter()
    RESULTS.mkdir(parents=True, exist_ok=True)
    X, y = load_digits(return_X_y=True)
    X = (X / 16).astype(np.float32)
    X_train, X_test, y_train, y_test = train_test_split(X, y, train_size=N_TRAIN, stratify=y, random_state=0)
    cv = StratifiedKFold(3, shuffle=True, random_state=0)
    print(f"Digits: {len(X_train)} training rows, {len(X_test)} test rows; network 64-128-10, {EPOCHS} epochs.\n")
    table, models = compare(X_train, X_test, y_train, y_test, cv)
    print()
    plot_learning_curves(models, X_train, y_train, cv)
    plot_curves(models, X_train, y_train)
    plot_weights(models)
    table.to_csv(RESULTS / "table.csv")
    formats = {name: "{:.1%}".format for name in table if name.endswith("acc") or name in ("gap", "zeros")}
    formats |= {name: "{:.3f}".format for name in table if name.endswith("loss")}
    print("\n" + table.to_string(formatters=formats | {"seconds": "{:.2f}".format}))
    lowest = table["test loss"].idxmin()
    standard_error = np.sqrt(table["test acc"] * (1 - table["test acc"]) / len(y_test)).max()
    constant = np.mean(X_train.std(axis=0) == 0)
    print(
        f"\nzeros: share of first-layer weights that are exactly zero. {constant:.0%} belong to pixels that never vary "
        "in the training rows;\nany penalty draws those to zero."
        f"\nLowest test loss: {lowest}. Accuracies here carry a standard error of about {standard_error:.1%} from the "
        "test rows alone\n(and more from the choice of training rows), so read small differences as ties."
    )
    print(f"\nTable and figures: {RESULTS}/   ({time.perf_counter() - start:.0f} s)")


if __name__ == "__main__":
    main()

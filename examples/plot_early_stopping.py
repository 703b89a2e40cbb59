"""
Where is the point to stop, and do a few rows know it?
======================================================

Early stopping promises to find by itself when training begins to do harm. With few rows, it has to trust even fewer.
Here 100 rows of a real table are split again and again. You will see how far the epoch that a validation set calls best
is from the one that is best on test rows, what patience costs, whether the rows that validation takes away are missed,
how the mean of several validation curves does better, and why repeated measurements need a splitter.
"""

# %%
# A network that learns its rows by heart
# ---------------------------------------
#
# The diabetes data of scikit-learn: ten measurements, and how far the disease has progressed a year later. Each draw
# has 100 training rows, and 342 to test. Everything is standardized by the training rows.

import warnings

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import torch
from sklearn.base import clone
from sklearn.datasets import load_diabetes
from sklearn.model_selection import GroupShuffleSplit, PredefinedSplit, train_test_split
from sklearn.preprocessing import StandardScaler

from skreg import AdviceWarning, RegularizedMLPRegressor
from skreg.inspection import TrainingHistoryDisplay
from skreg.model_selection import cross_validate

torch.set_num_threads(1)
warnings.simplefilter("ignore", AdviceWarning)  # that ten rows are few: that is what this example is about
plt.rcParams.update({"font.size": 12, "figure.constrained_layout.use": True})

N_TRAIN, N_DRAWS, SEEDS = 100, 10, range(5)


def standardized(X_train, X_test, y_train, y_test):
    """Return X and y of all rows, the training rows first, standardized by these."""
    X, y = np.concatenate([X_train, X_test]), np.concatenate([y_train, y_test])[:, None]
    X, y = StandardScaler().fit(X_train).transform(X), StandardScaler().fit(y_train[:, None]).transform(y)
    return X.astype(np.float32), y[:, 0].astype(np.float32)


X, y = load_diabetes(return_X_y=True)
draws = [standardized(*train_test_split(X, y, train_size=N_TRAIN, random_state=draw)) for draw in range(N_DRAWS)]
X_all, y_all = (np.concatenate(parts) for parts in zip(*draws, strict=True))
rows = np.arange(len(X_all)).reshape(N_DRAWS, -1)

# %%
# ``n_iter_no_change=np.inf`` is patience without end: training goes through all 200 epochs, and then restores the best
# one. That shows the whole curve. Every network is trained with five seeds, which stand for other initial weights and
# other validation rows.
#
# To know what would have been right, we also need the loss on the test rows after each epoch. A splitter can do that:
# ``PredefinedSplit`` makes the 342 test rows the validation rows of networks that train on all 100 others.

network = RegularizedMLPRegressor(
    hidden_layer_sizes=(50,),
    penalty=None,
    batch_size=25,
    learning_rate_init=0.002,
    max_iter=200,
    n_iter_no_change=np.inf,
)


def fit_all(n_rows, **options):
    """Fit the first rows of all draws with all seeds; return networks and test scores, of shape (n_seeds, n_draws)."""
    splits = [(row[:n_rows], row[N_TRAIN:]) for row in rows]
    networks, scores = [], []
    for seed in SEEDS:
        model = clone(network).set_params(random_state=seed, **options)
        results = cross_validate(model, X_all, y_all, cv=splits, return_estimator=True)
        networks.append(results["estimator"])
        scores.append(results["test_score"])
    return networks, np.array(scores)


def of_each(networks, value):
    """Return what a function says of each network, as an array."""
    return np.array([[value(model) for model in line] for line in networks])


# The last rows of each draw, which are in random order, validate.
splits = {f"{n} validation rows": PredefinedSplit(np.where(np.arange(N_TRAIN) < N_TRAIN - n, -1, 0)) for n in (10, 30)}
stopped = {name: fit_all(N_TRAIN, early_stopping=split) for name, split in splits.items()}
on_test_rows = PredefinedSplit(np.where(np.arange(len(X)) < N_TRAIN, -1, 0))
known, _ = fit_all(len(X), early_stopping=on_test_rows)

# %%
# One draw
# --------
#
# On the left the first seed, with a tenth of the rows to validate, 10, as is usual. (``early_stopping=True`` takes 15
# of 100 rows: a tenth of so few is too few, as we shall see.) On the right three seeds: other initial weights, another
# order of the training rows, and the same 10 rows.

figure, axes = plt.subplots(1, 2, figsize=(12, 4.8), sharey=True)
for ax, n_seeds in zip(axes, (1, 3), strict=True):
    for seed in range(n_seeds):
        model = stopped["10 validation rows"][0][seed][0]
        history = model.history_ if n_seeds == 1 else {key: model.history_[key] for key in ("epoch", "valid_loss")}
        TrainingHistoryDisplay(history, best_epoch=model.best_epoch_, name=f"seed {seed}").plot(ax=ax)
    truth = known[0][0].history_
    ax.plot(truth["epoch"], truth["valid_loss"], color="black", linestyle=":", label="test rows, trained on all 100")
    ax.legend(fontsize=10)
    ax.set(title=f"10 validation rows, {n_seeds} seed{'s' * (n_seeds > 1)}")
plt.show()
print("seed                            ", *(f"{seed:4d}" for seed in SEEDS))
for name, networks in {"10 validation rows": stopped["10 validation rows"][0], "the test rows": known}.items():
    print(f"best epoch on {name:18s}", *(f"{networks[seed][0].best_epoch_:4d}" for seed in SEEDS))

# %%
# The test loss (dotted) falls for some twenty epochs and then rises without end. Ten validation rows put the lowest
# point elsewhere: at epochs 13, 9 and 9 for the three seeds that are drawn, and between 4 and 44 for all five. How
# *high* the loss is they do not know either: their lowest one is from one and a half times to more than twice that of
# the test rows.
#
# All draws
# ---------
#
# Each dot is one network, at the epoch that was restored. The dotted line is the mean score of the networks that train
# on all 100 rows, if all of them stopped at the same epoch.


def best_epochs(networks):
    """Return the best epoch of each network."""
    return of_each(networks, lambda model: model.best_epoch_)


test_scores = of_each(known, lambda model: model.history_["valid_score"])
by_epoch = test_scores.mean(axis=(0, 1))
figure, axes = plt.subplots(1, 2, figsize=(12, 4.8), sharey=True)
for ax, (name, (networks, scores)) in zip(axes, stopped.items(), strict=True):
    ax.plot(np.arange(1, 201), by_epoch, color="black", linestyle=":", linewidth=2, label="all rows, mean")
    ax.plot(best_epochs(networks).ravel(), scores.ravel(), "o", color="#0072B2", alpha=0.5, label="stopped early")
    ax.set(xscale="log", xlabel="epoch that was restored", title=name)
    ax.set_xticks([1, 3, 10, 30, 100, 200], [1, 3, 10, 30, 100, 200])
axes[0].set(ylabel="R² on the test rows")
axes[0].legend(loc="lower right")
plt.show()

networks_by = {name: networks for name, (networks, _) in stopped.items()} | {"test rows": known}
quantiles = [np.quantile(best_epochs(networks), (0, 0.25, 0.5, 0.75, 1)) for networks in networks_by.values()]
table = pd.DataFrame(quantiles, index=networks_by, columns=["lowest", "quartile", "median", "quartile", "highest"])
print(table.rename_axis("best epoch on").to_string(), end="\n\n")
for name, (_, scores) in stopped.items():
    print(f"R² on the test rows, stopped on {name}: {scores.mean():.3f}")
best_number = by_epoch.argmax() + 1
print(f"all rows, for 200 epochs: {by_epoch[-1]:.3f}; for {best_number}, the best number: {by_epoch.max():.3f}")

# %%
# On the test rows the best epoch of half the networks lies between 9 and 19. Ten validation rows put it anywhere
# between 1 and 200. Thirty, though they leave only 70 to train on, do better: the epochs scatter as much, but the score
# is higher. Either way it is far above the score of 200 epochs, and stays behind a fixed number of epochs, which
# however was chosen on the test rows.
#
# What does patience cost?
# ------------------------
#
# How long to wait for another improvement? Since all curves are complete, every patience can be tried on them by hand.
# (The estimator itself waits for at least 100 training steps, here 25 epochs with 10 validation rows and 34 with 30,
# and for half as many epochs as came before, if ``n_iter_no_change`` is less.)
#
# To compare epochs, and nothing but epochs, the networks of this table are those trained on *all* rows for as many
# epochs as were best. That is what ``refit_on_all=True`` does, and it need not be trained again: it is a point on the
# curve of the networks that were watched on the test rows.


def stopping_epochs(losses, patience):
    """Return the best epoch, and the last one, of training that ends after so many epochs without a lower loss."""
    for last in range(len(losses)):
        best = losses[: last + 1].argmin()
        if last - best >= patience:
            break
    return best + 1, last + 1


def score_after(epochs):
    """Return the test scores (n_seeds, n_draws) of the networks on all rows after so many epochs."""
    return np.take_along_axis(test_scores, epochs[..., None] - 1, axis=2)[..., 0]


refitted = clone(network).set_params(early_stopping=splits["10 validation rows"], refit_on_all=True, random_state=0)
refitted.fit(X_all[rows[0, :N_TRAIN]], y_all[rows[0, :N_TRAIN]])
score = refitted.score(X_all[rows[0, N_TRAIN:]], y_all[rows[0, N_TRAIN:]])
print(f"refit_on_all=True: R² {score:.4f}; on the curve: {test_scores[0, 0, refitted.best_epoch_ - 1]:.4f}", end="\n\n")

lines = []
for name, (networks, _) in stopped.items():
    losses = of_each(networks, lambda model: model.history_["valid_loss"])
    for patience in (1, 3, 10, 30, 100, np.inf):
        best, last = np.moveaxis(np.apply_along_axis(stopping_epochs, 2, losses, patience), 2, 0)
        lines.append((name, patience, last.mean(), np.median(best), score_after(best).mean()))
columns = ["", "patience", "epochs trained", "median best", "R²"]
print(pd.DataFrame(lines, columns=columns).round(3).to_string(index=False))

# %%
# More patience means up to twenty times the epochs, and buys little: on 10 rows the score rises up to a patience of ten
# and falls beyond 30, on 30 rows it falls from 3 on, because a late epoch that is lower by a hair is luck more often
# than progress. These curves are smooth, so that a few epochs are patience enough. That is no rule: where an epoch is
# only one or two steps, or the learning rate small, haste can end training long before the valley, which is why the
# estimator insists on 100 steps.
#
# Can it be had without losing rows, and without the luck?
# --------------------------------------------------------
#
# ``refit_on_all=True`` gives the rows back, by a second fit. Against luck helps the mean: five seeds hold out five sets
# of rows, the mean of their validation curves has its lowest point somewhere, and all rows are trained for as many
# epochs, with ``early_stopping=False`` and that ``max_iter``. No test row takes part in that.

ways = {"200 epochs": test_scores[..., -1]}
for name, (networks, scores) in stopped.items():
    losses = of_each(networks, lambda model: model.history_["valid_loss"])
    best_of_mean = losses.mean(axis=0, keepdims=True).argmin(axis=2) + 1
    ways[f"{name}: stopped"] = scores
    ways[f"{name}: refitted on all rows"] = score_after(best_epochs(networks))
    ways[f"{name}: mean of five curves"] = score_after(np.repeat(best_of_mean, len(SEEDS), axis=0))
ways["best number for all (by the test rows)"] = test_scores[..., by_epoch.argmax()]
ways["best epoch of each (by the test rows)"] = test_scores.max(axis=2)

figure, ax = plt.subplots(figsize=(9, 5))
for row, scores in enumerate(ways.values()):
    ax.plot(scores.mean(axis=0), row + np.linspace(-0.2, 0.2, N_DRAWS), "o", color="#0072B2", alpha=0.6, markersize=6)
    ax.plot(scores.mean(), row, "k|", markersize=24, markeredgewidth=3)
ax.set_yticks(range(len(ways)), list(ways))
ax.set(ylim=(len(ways) - 0.5, -0.5), xlabel="R² on the test rows")
ax.set_title("dots: draws (means of five seeds); bar: their mean")
plt.show()

reference = ways["30 validation rows: stopped"].mean(axis=0)
table = {
    name: {
        "R²": scores.mean(),
        "sd of seeds": scores.std(axis=0, ddof=1).mean(),
        "worst network": scores.min(),
        "draws better than 30 rows, stopped": np.sum(scores.mean(axis=0) > reference),
    }
    for name, scores in ways.items()
}
print(pd.DataFrame(table).T.round(3).to_string())

# %%
# The refit is a small gain with 30 validation rows, and none with 10, where not the lost rows are the trouble but the
# epoch. The mean of five curves is a gain with 10 rows, which are then nearly worth 30 with a single curve. With 30 it
# does as well as the refit, and varies less from seed to seed. It is better than a single stop on 30 rows in 6 and 8 of
# the ten draws. (Its seeds share one number of epochs in each draw, so the spread over seeds is that of the initial
# weights alone.)
#
# Repeated measurements need a splitter
# -------------------------------------
#
# Now every patient comes three times, with some noise in the measurements and the same outcome. Held out at random, a
# visit nearly always has another visit of the same patient among the training rows. ``GroupShuffleSplit`` holds out
# whole patients. The test rows are other patients in both cases.


def repeated_measurements(draw, n_visits=3):
    """Return X, y and the patient of each row: training rows of a draw, measured several times."""
    patients = np.repeat(np.arange(N_TRAIN), n_visits)
    noise = 0.2 * np.random.default_rng(draw).normal(size=(len(patients), X.shape[1]))
    first = rows[draw][patients]
    return (X_all[first] + noise).astype(np.float32), y_all[first], patients


model = clone(network).set_params(random_state=0)
results = []
for draw in range(5):
    visits, progress, patients = repeated_measurements(draw)
    by_visit = clone(model).set_params(early_stopping=True, validation_fraction=0.3)
    by_patient = clone(model).set_params(early_stopping=GroupShuffleSplit(1, test_size=0.3))
    fitted = {
        "visits at random": by_visit.fit(visits, progress),
        "whole patients": by_patient.fit(visits, progress, groups=patients),
    }
    for name, one in fitted.items():
        score = one.score(X_all[rows[draw, N_TRAIN:]], y_all[rows[draw, N_TRAIN:]])
        figures = {"best epoch": one.best_epoch_, "validation R²": one.best_validation_score_, "test R²": score}
        results.append({"held out": name, "draw": draw} | figures)
table = pd.DataFrame(results)
print(table.groupby("held out", sort=False).mean().drop(columns="draw").round(3).to_string(), end="\n\n")
print(table.pivot(index="held out", columns="draw", values="test R²").round(3).to_string())

figure, axes = plt.subplots(1, 2, figsize=(12, 4.8), sharey=True)
for ax, (name, one) in zip(axes, fitted.items(), strict=True):
    TrainingHistoryDisplay.from_estimator(one, ax=ax)
    ax.set(title=f"held out: {name} (last draw)")
plt.show()

# %%
# The loss on visits held out at random goes on falling, slowly, because their patients are known: the best epoch is the
# 187th on average, and a validation R² of 0.80 promises what no new patient gets. With whole patients the best epoch is
# the 12th, the validation R² is close to that of the test rows, and the test R² is far higher in every draw.
#
# Conclusion
# ----------
#
# **Stop early, but do not leave it to ten rows.** To the end of all epochs R² was 0.17; stopped on 10 rows 0.37, on 30
# rows 0.40; with the mean of five validation curves 0.39 and 0.41, where the best number of epochs, known to nobody,
# had 0.43. Validation rows were worth more than the training rows they took away, and patience beyond ten epochs bought
# nothing. Rows that belong together must be held out together.
#
# **Cost.** Early stopping is one fit that ends before the others, ``refit_on_all=True`` a second one. The mean of five
# curves takes six.
#
# **Limits.** One table with much noise, one network without a penalty, one learning rate. The draws overlap, so their
# spread understates what other tables would do. A number of epochs can be carried over from one fit to another as long
# as the learning rate is constant; with ``learning_rate="cosine"``, ``max_iter`` also sets the pace at which it falls.

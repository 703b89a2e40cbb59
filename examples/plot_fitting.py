"""
How can you see that a network fits too little, or too much?
============================================================

The loss on training rows alone cannot tell: it falls with every unit and every epoch. Beside the loss on other rows it
can. Here are networks that are too small, about right and too large, and one that is trained for too short, about long
enough and too long, on points in the plane, where the mistakes can be seen. You will learn to read the two curves that
show them (against epochs, and against the size of the network), to choose by rows that were held out, and what to make
of it that networks which classify equally well have very different losses.
"""

# %%
# Data whose best answer is known
# -------------------------------
#
# Two half circles with noise: 200 training rows in each of five draws, and 4,000 test rows. Because we know how the
# points are made, we know the probability of either class at every point, and no network can do better than that.

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import torch
from scipy.special import expit, logsumexp
from sklearn.datasets import make_moons
from sklearn.inspection import DecisionBoundaryDisplay
from sklearn.metrics import log_loss
from sklearn.model_selection import StratifiedKFold, ValidationCurveDisplay

from skreg import RegularizedMLPClassifier
from skreg.inspection import TrainingHistoryDisplay
from skreg.model_selection import GridSearchCV

torch.set_num_threads(1)
plt.rcParams.update({"font.size": 12, "figure.constrained_layout.use": True})

NOISE, N_TRAIN, N_DRAWS = 0.3, 200, 5


def draw_rows(n_rows, seed):
    """Return noisy points of two interleaved half circles, and which of the two they belong to."""
    X, y = make_moons(n_rows, noise=NOISE, random_state=seed)
    return X.astype(np.float32), y


arcs, arc_of = make_moons(200, noise=None)


def best_probability(X):
    """Return the probability of class 1 as it follows from how the points are made."""
    squared = ((X[:, None] - arcs) ** 2).sum(axis=2)
    log_density = [logsumexp(-squared[:, arc_of == k] / (2 * NOISE**2), axis=1) for k in (0, 1)]
    return expit(log_density[1] - log_density[0])


draws = [draw_rows(N_TRAIN, seed) for seed in range(N_DRAWS)]
X, y = draws[0]
X_test, y_test = draw_rows(4000, seed=1000)
best_loss = log_loss(y_test, best_probability(X_test))
print(f"lowest possible log-loss on the test rows: {best_loss:.3f}")

# %%
# Too few units, enough, too many
# -------------------------------
#
# Nothing restrains these networks but their size: there is no penalty, and ``n_iter_no_change=np.inf`` lets them train
# for all 200 epochs. They learn the first draw.

network = RegularizedMLPClassifier(
    penalty=None, batch_size=50, learning_rate_init=0.02, max_iter=200, n_iter_no_change=np.inf, random_state=0
)


def draw_boundary(ax, model):
    """Draw the probabilities of a network, where it is undecided, where the best answer is, and the training rows."""
    options = {"response_method": "predict_proba", "grid_resolution": 100, "eps": 0.5, "ax": ax}
    DecisionBoundaryDisplay.from_estimator(model, X, cmap="PuOr", alpha=0.7, levels=np.linspace(0, 1, 11), **options)
    lines = {"plot_method": "contour", "levels": [0.5], "colors": "black"}
    display = DecisionBoundaryDisplay.from_estimator(model, X, linewidths=2, **lines, **options)
    points = np.column_stack([display.xx0.ravel(), display.xx1.ravel()])
    ideal = best_probability(points).reshape(display.xx0.shape)
    ax.contour(display.xx0, display.xx1, ideal, levels=[0.5], colors="black", linestyles=":", linewidths=2)
    for k, marker, color in ((0, "o", "#B35806"), (1, "^", "#542788")):
        ax.plot(*X[y == k].T, marker, color=color, markeredgecolor="white", markersize=6)


def describe(probability_of):
    """Return figures of a function that predicts the probability of class 1."""
    probability = probability_of(X_test)
    predicted = probability > 0.5
    is_sure = np.abs(probability - 0.5) > 0.49
    return {
        "training loss": log_loss(y, probability_of(X)),
        "test loss": log_loss(y_test, probability),
        "accuracy": np.mean(predicted == y_test),
        "more than 99 % sure": is_sure.mean(),
        "and wrong": np.mean((predicted != y_test)[is_sure]),
    }


lines = {"best possible": describe(best_probability)}
figure, axes = plt.subplots(1, 3, figsize=(12, 4.2), sharey=True)
for ax, n_units in zip(axes, (1, 16, 128), strict=True):
    network.set_params(hidden_layer_sizes=n_units).fit(X, y)
    draw_boundary(ax, network)
    ax.set(title=f"hidden units: {n_units}", xlabel="first feature", ylabel="")
    lines[f"{n_units} hidden unit{'s' * (n_units > 1)}"] = describe(lambda rows: network.predict_proba(rows)[:, 1])
axes[0].set_ylabel("second feature")
plt.show()
print(pd.DataFrame(lines).T.round(3).to_string())

# %%
# Shades are probabilities, in steps of a tenth; the solid line is where the network is undecided, the dotted one where
# the best answer changes. One unit can only draw a straight line: it **underfits**, and its losses on training and test
# rows are both high. With 16 units the line follows the dotted one wherever there are rows. With 128 it does so too,
# and classifies as many test rows correctly, yet its test loss is nearer to that of the single unit. It **overfits**:
# its training loss is far below what even the best answer reaches on these rows, and the band of doubt has become
# narrow. It is more than 99 % sure of every second row, and wrong in 2 % of these cases; the best answer is that sure
# of a third of the rows. The network with 16 units does a little of this as well.
#
# Too few epochs, enough, too many
# --------------------------------
#
# The same can be seen along the training of the largest network. Rows given as ``X_val`` are watched, and have no
# influence as long as ``early_stopping`` is off. We give it the test rows, which nobody has in practice, to get a
# smooth curve.

network.set_params(hidden_layer_sizes=128).fit(X, y, X_val=X_test, y_val=y_test)
display = TrainingHistoryDisplay.from_estimator(network)
display.ax_.axhline(best_loss, color="0.3", linestyle=":", label="best possible")
display.ax_.set(title="128 hidden units", ylim=(0, None))
display.ax_.legend()
plt.show()

history = display.frame().set_index("epoch")
lowest = history["valid_loss"].idxmin()
columns = ["train_loss", "valid_loss", "train_score", "valid_score"]
print(history.loc[[1, 5, lowest, 100, 200], columns].round(3).to_string())

# %%
# At first both losses fall: the network still underfits. After 32 epochs it is close to the best possible, closer than
# the network with 16 units came in 200. From then on only the training loss falls, while the validation loss rises:
# what is learned now is the noise of these 200 rows. Accuracy (the scores) hardly tells: it falls by one point where
# the loss rises by a third. The epoch of the lowest loss was read off the test rows, so that figure is too good to be a
# result.
#
# Choosing without test rows
# --------------------------
#
# The number of units is chosen by five folds of the training rows, in each of the five draws and with two seeds for the
# initial weights. All draws lie in one array and a split is a pair of row numbers, so ``GridSearchCV`` of
# ``skreg.model_selection`` can train the networks of one size, for all draws, folds and seeds, together.

N_FOLDS, SEEDS = 5, [0, 1]
sizes = np.array([1, 4, 8, 16, 32, 128])
X_all = np.concatenate([rows for rows, _ in draws] + [X_test])
y_all = np.concatenate([labels for _, labels in draws] + [y_test])
rows_of_draw = np.arange(N_DRAWS * N_TRAIN).reshape(N_DRAWS, N_TRAIN)
test_rows = np.arange(N_DRAWS * N_TRAIN, len(X_all))


def losses(grid, splits):
    """Return the log-losses on both parts of each split, averaged over the seeds, of shape (n_candidates, n_splits)."""
    options = {"scoring": "neg_log_loss", "refit": False, "return_train_score": True}
    search = GridSearchCV(network, grid | {"random_state": SEEDS}, cv=splits, **options).fit(X_all, y_all)
    table = pd.DataFrame(search.cv_results_)
    parts = (table.filter(regex=rf"^split\d+_{part}_score$").to_numpy() for part in ("train", "test"))
    return [-part.reshape(-1, len(SEEDS), len(splits)).mean(axis=1) for part in parts]


folds = StratifiedKFold(N_FOLDS, shuffle=True, random_state=0)
splits = [(rows[train], rows[valid]) for rows in rows_of_draw for train, valid in folds.split(rows, y_all[rows])]
by_fold = losses({"hidden_layer_sizes": sizes.tolist()}, splits)
train_losses, valid_losses = (part.reshape(len(sizes), N_DRAWS, N_FOLDS).mean(axis=2) for part in by_fold)

curve = ValidationCurveDisplay(
    param_name="hidden units",
    param_range=sizes,
    train_scores=train_losses,
    test_scores=valid_losses,
    score_name="log-loss",
).plot()
curve.lines_[0].set_linestyle("--")
curve.ax_.axhline(best_loss, color="0.3", linestyle=":")
curve.ax_.set_xscale("log", base=2)
curve.ax_.set_xticks(sizes, sizes)
curve.ax_.legend(["training folds", "held-out folds"])
plt.show()

chosen = valid_losses.argmin(axis=0)
print("hidden units chosen in each draw:", sizes[chosen].tolist())

# %%
# Lines are means, and bands standard deviations, over the draws. On the left the two lines are close and high, on the
# right they are far apart; between them the loss on held-out folds is lowest. The training loss gives no sign of that.
#
# Was the choice right?
# ---------------------
#
# Now the test rows may speak. Each size is trained on all 200 rows of each draw. Two more ways stand beside it: the
# largest network with early stopping, which gives away 40 of the 200 rows to find its epoch, and, out of reach, the
# size whose test loss turns out lowest.

whole = [(rows, test_rows) for rows in rows_of_draw]
_, by_size = losses({"hidden_layer_sizes": sizes.tolist()}, whole)
stopping = {"early_stopping": [True], "validation_fraction": [0.2], "n_iter_no_change": [10], "max_iter": [1000]}
_, stopped = losses(stopping | {"hidden_layer_sizes": [128]}, whole)
numbers = range(N_DRAWS)
ways = pd.DataFrame(
    {
        "1 unit": by_size[0],
        "128 units": by_size[-1],
        "128 units, stopped early": stopped[0],
        "units chosen by cross-validation": by_size[chosen, numbers],
        "units with the lowest test loss": by_size.min(axis=0),
    }
)
figure, ax = plt.subplots(figsize=(8, 4))
for row, name in enumerate(ways):
    ax.plot(ways[name], row + np.linspace(-0.2, 0.2, N_DRAWS), "o", color="#0072B2", alpha=0.6, markersize=7)
    ax.plot(ways[name].mean(), row, "k|", markersize=30, markeredgewidth=3)
ax.axvline(best_loss, color="0.3", linestyle=":", label="best possible")
ax.set_yticks(range(ways.shape[1]), list(ways))
ax.set(ylim=(ways.shape[1] - 0.5, -0.5), xlabel="log-loss on the test rows", title="dots: draws; bar: their mean")
ax.legend()
plt.show()
print(ways.agg(["mean", "std", "min", "max"]).T.round(3).to_string())
print("sizes with the lowest test loss:", sizes[by_size.argmin(axis=0)].tolist())

# %%
# Conclusion
# ----------
#
# **High losses on both sides: more units, or more epochs. A gap that widens while the loss on other rows rises:
# fewer.** Five folds chose 16 units in each draw, the best of the sizes in four of them and close to it in the fifth.
# Too few units cost 0.09 of log-loss, too many 0.07. Early stopping made good most of what too many units had spoiled,
# without a search, but varied more from draw to draw than the right size: 40 rows say little about when to stop, as
# :doc:`plot_early_stopping` shows.
#
# **Cost.** The choice takes 60 networks in each draw (six sizes, five folds, two seeds). The history comes with a
# single fit.
#
# **Limits.** Two features, one kind of noise, one learning rate. In more dimensions boundaries cannot be drawn, but
# both curves can. Size and time are blunt means against overfitting: penalties and dropout restrain a large network
# too, and are compared in :doc:`plot_digits_comparison`. That a larger network does worse is what these rows say at
# this length of training, and no law.

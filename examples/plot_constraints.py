"""
Must the prediction grow with every feature?
============================================

A flat's price grows with its size, a drug's effect with its dose: often one knows the direction of an effect before the
first row of data. ``constraint="nonnegative"`` makes a network keep to it. You will see what that is worth on 100 noisy
rows, against L2 and against boosted trees that are told the same, and why the activation should not be ReLU. The other
constraint, ``"max_norm"``, is said to go well with dropout and large learning rates; the last part tests that.
"""

# %%
# One feature, two activations
# ----------------------------
#
# If no weight is negative (:class:`~skreg.constraints.Nonnegative`) and the activation never falls, the output cannot
# fall when an input grows. With ReLU more than that is true: it bends upwards only, and so do sums with nonnegative
# weights, so the network is convex as well (Amos, Xu and Kolter, "Input convex neural networks", ICML 2017). An effect
# that levels off is then out of reach. tanh bends both ways.

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import torch
from sklearn.base import clone, is_classifier
from sklearn.datasets import load_digits
from sklearn.ensemble import HistGradientBoostingClassifier, HistGradientBoostingRegressor
from sklearn.metrics import log_loss
from sklearn.model_selection import StratifiedShuffleSplit
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from skreg import RegularizedMLPClassifier, RegularizedMLPRegressor
from skreg.constraints import MaxNorm
from skreg.model_selection import GridSearchCV

torch.set_num_threads(1)
plt.rcParams.update({"font.size": 12, "figure.constrained_layout.use": True})
BLACK, BLUE, ORANGE, GREEN, PINK = "#000000", "#0072B2", "#D55E00", "#009E73", "#CC79A7"

OPTIONS = {
    "hidden_layer_sizes": (32, 32),
    "activation": "tanh",
    "batch_size": 20,
    "learning_rate": "cosine",
    "learning_rate_init": 0.02,
    "max_iter": 120,
    "random_state": 0,
}


def threshold(x):
    """Return a number from 0 to 1 that grows steeply around x = 0.3 and then levels off."""
    return 1 / (1 + np.exp(-12 * (x - 0.3)))


rng = np.random.default_rng(3)
dose = rng.uniform(size=(30, 1))
effect = threshold(dose[:, 0]) + 0.25 * rng.normal(size=30)
grid = np.linspace(0, 1, 200)[:, None]
network = RegularizedMLPRegressor(**OPTIONS, alpha=1e-4)
trees = HistGradientBoostingRegressor(monotonic_cst=[1], min_samples_leaf=5, random_state=0)
contestants = {
    "free, tanh": (network, "--", ORANGE),
    "nonnegative, tanh": (clone(network).set_params(constraint="nonnegative"), "-", BLUE),
    "nonnegative, ReLU": (clone(network).set_params(constraint="nonnegative", activation="relu"), "-.", GREEN),
    "trees, monotonic": (trees, "-", PINK),
}
_, ax = plt.subplots(figsize=(7, 5))
ax.plot(dose, effect, "o", color="0.6", label="30 rows")
ax.plot(grid, threshold(grid), ":", color=BLACK, linewidth=2.5, label="truth")
for name, (model, style, color) in contestants.items():
    predicted = make_pipeline(StandardScaler(), model).fit(dose, effect).predict(grid)
    ax.plot(grid, predicted, style, color=color, linewidth=2, label=name)
    error = np.sqrt(np.mean((predicted - threshold(grid[:, 0])) ** 2))
    print(f"{name:18s} error {error:.3f}, falls on {np.mean(np.diff(predicted) < 0):4.0%} of the way")
ax.set(xlabel="dose", ylabel="effect")
ax.legend(fontsize=10)
plt.show()

# %%
# The free network turns down on the right, where a few rows lie low (with other rows it may not). Made to grow, it
# stays level there and is much the same elsewhere. Its error is no smaller: one feature and 30 rows are no hard case.
# The ReLU network can only choose a straight line. The steps of the trees go up, too.
#
# Five features, 100 rows
# -----------------------
#
# With five features there are many more ways to go wrong. The signal is a sum of thresholds, a square root and a
# square, all of which grow. The errors below are distances from the signal without noise, on the same 2,000 rows for
# all. Six draws of 100 training rows show how much is luck.

N_FEATURES = 5


def signal(X):
    """Return a number that grows with each of five features in [0, 1]: thresholds, a bend down and a bend up."""
    return threshold(X[:, 0]) + np.sqrt(X[:, 1]) + X[:, 2] ** 2 + threshold(X[:, 3:].mean(axis=1))


X = rng.uniform(size=(5_000, N_FEATURES))
truth = signal(X)
pool, test = np.arange(3_000), np.arange(3_000, 5_000)
y = truth.copy()
y[pool] += 0.45 * rng.normal(size=len(pool))
splits = [(rng.choice(pool, 100, replace=False), test) for _ in range(6)]
DRAWS = [f"draw {i}" for i in range(len(splits))]
print(f"standard deviation of the signal {truth.std():.2f}, of the noise 0.45")

# %%
# Each network meets five strengths of L2, for a strong L2 may make it smooth enough to grow of its own accord. Trees
# have two sizes of leaf, and ``monotonic_cst`` in place of the constraint. ``falls`` counts how often a prediction
# falls though a feature grows. The search trains the networks of all draws and strengths together, and hands the trees
# on to scikit-learn.


def output(model, X):
    """Return predicted numbers, or probabilities of the second class."""
    return model.predict_proba(X)[:, 1] if is_classifier(model) else model.predict(X)


def falls(model, X, y):
    """Return the share of rows whose prediction falls when one feature grows by 0.1 (to 1 at most)."""
    row = np.arange(len(X))
    column = row % N_FEATURES
    moved = X.copy()
    moved[row, column] = np.minimum(X[row, column] + 0.1, 1)
    return np.mean(output(model, moved) < output(model, X) - 1e-6)


def search(model, grid, y, scoring):
    """Return the results of a grid, one line for each candidate, with the errors of the draws in the last columns."""
    scaled = make_pipeline(StandardScaler(), model)
    prefix = f"{scaled.steps[-1][0]}__"
    prefixed = {prefix + parameter: values for parameter, values in grid.items()}
    scoring = {"error": scoring, "falls": falls}
    found = GridSearchCV(scaled, prefixed, scoring=scoring, cv=splits, refit=False).fit(X, y).cv_results_
    table = pd.DataFrame(list(found["params"])).rename(columns=lambda name: name.removeprefix(prefix))
    draws = pd.DataFrame({name: -found[f"split{i}_test_error"] for i, name in enumerate(DRAWS)})
    return table.assign(error=draws.mean(axis=1), sd=draws.std(axis=1), falls=found["mean_test_falls"]).join(draws)


ALPHAS = [1e-4, 1e-3, 1e-2, 3e-2, 1e-1]
network_grid = {"constraint": [None, "nonnegative"], "activation": ["tanh", "relu"], "alpha": ALPHAS}
tree_grid = {"monotonic_cst": [None, [1] * N_FEATURES], "min_samples_leaf": [5, 20]}
networks = search(RegularizedMLPRegressor(**OPTIONS), network_grid, y, "neg_root_mean_squared_error")
boosted = search(HistGradientBoostingRegressor(random_state=0), tree_grid, y, "neg_root_mean_squared_error")

groups = {
    f"{'free' if pd.isna(constraint) else constraint}, {activation}": rows
    for (constraint, activation), rows in networks.groupby(["constraint", "activation"], dropna=False, sort=False)
}
groups |= {
    f"trees, {'free' if is_free else 'monotonic'}": rows
    for is_free, rows in boosted.groupby(boosted["monotonic_cst"].isna(), sort=False)
}
best = pd.DataFrame({name: rows.loc[rows["error"].idxmin()] for name, rows in groups.items()}).transpose()
best[["alpha", "min_samples_leaf", "error", "sd", "falls", *DRAWS]].astype(float).round(3)

# %%
# Each line is the best of its grid; its error is the mean of the draws, which stand beside it.

_, axes = plt.subplots(2, 1, figsize=(7, 8.5), sharex=True)
looks = {"free": ORANGE, "nonnegative": BLUE, "tanh": "o-", "relu": "^--"}
for name, rows in groups.items():
    kind, variant = name.split(", ")
    if kind == "trees":
        style = ":" if variant == "free" else "-."
        axes[0].axhline(best.loc[name, "error"], color=PINK, linestyle=style, label=name)
        axes[1].axhline(best.loc[name, "falls"], color=PINK, linestyle=style, label=name)
    else:
        axes[0].errorbar(
            range(len(ALPHAS)), rows["error"], rows["sd"], fmt=looks[variant], color=looks[kind], label=name
        )
        axes[1].plot(range(len(ALPHAS)), rows["falls"], looks[variant], color=looks[kind], label=name)
axes[0].set(ylabel="root mean squared error", ylim=(0.14, 0.52), title="bars: standard deviation of six draws")
axes[0].legend(ncols=2, fontsize=10)
axes[1].set_xticks(range(len(ALPHAS)), [f"{alpha:g}" for alpha in ALPHAS])
axes[1].set(xlabel="alpha (L2)", ylabel="share of rows where the prediction falls")
plt.show()

# %%
# **Without fine-tuning the constraint is worth a lot.** At 0.0001, the default strength, the network with tanh has an
# error of 0.46 when free and 0.22 when nonnegative, and every third prediction of the free one falls where it should
# grow. **With the best strength for each it is still worth something**: 0.23 against 0.21, lower in five draws of six.
# The free network that predicts best falls in 4 % of the rows. More L2 cures that, at the price of a larger error.
#
# **The activation matters.** With ReLU the best nonnegative network is worse than the best free one, which is as good
# as any free network here, because it has to be convex and the signal is not. The trees gain from the constraint, too.
# Their steps fit this smooth signal less well.
#
# The same with classes
# ---------------------
#
# The same signal decides about the probability of a class. The error is the log-loss now, on the test rows' labels.

probability = 1 / (1 + np.exp(-4 * (truth - truth.mean())))
labels = (rng.uniform(size=len(X)) < probability).astype(int)
class_grid = {"constraint": [None, "nonnegative"], "alpha": ALPHAS}
class_networks = search(RegularizedMLPClassifier(**OPTIONS), class_grid, labels, "neg_log_loss")
class_tree_grid = tree_grid | {"min_samples_leaf": [20]}
class_trees = search(HistGradientBoostingClassifier(random_state=0), class_tree_grid, labels, "neg_log_loss")
measures = ["error", "sd", "falls"]
print(class_networks.fillna("free").pivot(index="alpha", columns="constraint", values=measures).round(3).to_string())
print(class_trees.fillna("free")[[*tree_grid, *measures]].round(3).to_string(index=False))
print(f"log-loss of the true probabilities: {log_loss(labels[test], probability[test]):.3f}")

# %%
# Here the constraint nearly halves the loss at weak strengths and changes nothing at the best one, 0.03, where the free
# network grows all by itself. What remains is that it also predicts well at 0.01, and that growth is certain rather
# than likely.
#
# Does max norm help dropout?
# ---------------------------
#
# ``"max_norm"`` scales down the incoming weights of a unit whose norm is above a bound. Srivastava et al. ("Dropout: a
# simple way to prevent neural networks from overfitting", Journal of Machine Learning Research 15, 2014, section 5.1)
# find it useful together with dropout: the weights cannot blow up, so one can begin with a large learning rate and let
# it decay. Here are 300 of the digits, SGD with momentum, rates that decay to zero, and bounds of 3 (the default) and
# 1.

images, digits = load_digits(return_X_y=True)
images = (images / 16).astype(np.float32)
sgd = RegularizedMLPClassifier(
    (64, 64),
    penalty=None,
    solver="sgd",
    batch_size=32,
    learning_rate="cosine",
    max_iter=50,
    n_iter_no_change=np.inf,
    random_state=0,
)
BOUNDS, DROPOUT, RATES = {"none": None, "3": MaxNorm(3), "1": MaxNorm(1)}, [0.0, 0.5], [0.01, 0.03, 0.1, 0.2, 0.3]
sgd_grid = {"constraint": list(BOUNDS.values()), "dropout": DROPOUT, "learning_rate_init": RATES}
draws = StratifiedShuffleSplit(4, train_size=300, test_size=1_000, random_state=0)
found = GridSearchCV(sgd, sgd_grid, scoring="neg_log_loss", cv=draws, refit=False).fit(images, digits).cv_results_
# A search goes through its parameters in alphabetical order, the last one fastest.
losses = -np.column_stack([found[f"split{i}_test_score"] for i in range(4)])
losses = losses.reshape(len(BOUNDS), len(DROPOUT), len(RATES), 4)

_, axes = plt.subplots(2, 1, figsize=(7, 8.5), sharex=True, sharey=True)
looks = {"none": ("o-", BLACK), "3": ("s--", ORANGE), "1": ("^-.", BLUE)}
for j, (ax, dropout) in enumerate(zip(axes, DROPOUT, strict=True)):
    for i, (bound, (style, color)) in enumerate(looks.items()):
        mean, spread = losses[i, j].mean(axis=1), losses[i, j].std(axis=1, ddof=1)
        ax.errorbar(range(len(RATES)), mean, spread, fmt=style, color=color, label=f"bound: {bound}")
        print(
            f"dropout {dropout:3}, bound {bound:4}:",
            *(f"{m:.2f} ± {s:.2f}" for m, s in zip(mean, spread, strict=True)),
            sep="  ",
        )
    ax.set(yscale="log", ylabel="log-loss on other digits", ylim=(0.15, 3), title=f"dropout {dropout:g}")
    ax.set_yticks([0.2, 0.5, 1, 2], ["0.2", "0.5", "1", "2"])
    ax.minorticks_off()
axes[0].legend(loc="upper left")
axes[1].set_xticks(range(len(RATES)), RATES)
axes[1].set(xlabel="learning rate at the start")
plt.show()

# %%
# Columns are the five rates; mean ± standard deviation of four draws. **Large rates, yes**: with a bound of 1 and
# without dropout, rates from 0.1 to 0.3 give the lowest loss of their line, while networks without a bound begin to
# fail from 0.2 on. **Dropout, no**: under dropout the bound makes a rate of 0.2 less bad, but the lowest loss comes
# with a small rate and no bound. That loss is as low as the one of the bound without dropout, about 0.20, so both
# regularize and neither adds to the other here. A bound of 3 does nothing up to a rate of 0.1, because no norm gets
# there. At 0.3 the results of all but one line are a matter of luck, and need not be the same on another machine.
#
# Conclusion
# ----------
#
# **If the direction is known, say so.** The constraint is a guarantee that no strength of L2 gives, and on few rows it
# also takes most of the work off L2: any weak strength will do. After careful tuning the gain in error is small for
# numbers and none for classes. Use tanh with it, not ReLU. A feature with a falling effect can be multiplied by -1.
#
# **Max norm** makes large learning rates safe. That is not the same as a better network.
#
# **Cost.** A constraint acts after every step. With networks as small as these, a fit takes nearly twice as long.
#
# **Limits.** The constraint is on weight matrices, so all features must have a direction: a network cannot leave one of
# them free, as trees can. One signal, with noise as large as three quarters of its spread, and 100 rows; the strengths
# in the table were chosen on the rows that judge them, which flatters all lines alike. For max norm, one data set, one
# network and two bounds.

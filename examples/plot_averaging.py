"""
When do averaged weights and clipped gradients help?
====================================================

Two parameters act on the steps of training. ``averaging`` keeps a moving mean of the weights in place of the last ones,
``max_grad_norm`` shortens gradients that are too long. You will see what a mean does to the validation loss at a high
learning rate, that at a good rate it may gain nothing, which bounds save a network from a few wild targets, and that
another loss does so without a bound.
"""

# %%
# Rows with noise
# ---------------
#
# Friedman's first function of ten features, five of which it ignores, plus noise: 500 rows to train, 2,000 others to
# see what came of it. Half the variance of the noise is the loss that no network can beat, the floor.

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import torch
from scipy.stats import zscore
from sklearn.base import clone
from sklearn.datasets import load_diabetes, make_friedman1
from sklearn.model_selection import RepeatedKFold

from skreg import RegularizedMLPRegressor
from skreg.averaging import EMA
from skreg.gradients import ClipByNorm
from skreg.model_selection import GridSearchCV

torch.set_num_threads(1)
plt.rcParams.update({"font.size": 12, "figure.constrained_layout.use": True})
BLUE, ORANGE, GREEN, PINK, AMBER = "#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00"

N_TRAIN, NOISE, SEEDS = 500, 2.0, list(range(8))
X, y = make_friedman1(2500, n_features=10, noise=NOISE, random_state=0)
shift, scale = y[:N_TRAIN].mean(), y[:N_TRAIN].std()
X, y = ((X - 0.5) * np.sqrt(12)).astype(np.float32), ((y - shift) / scale).astype(np.float32)
X_train, X_test, y_train, y_test = X[:N_TRAIN], X[N_TRAIN:], y[:N_TRAIN], y[N_TRAIN:]
floor = 0.5 * (NOISE / scale) ** 2

# %%
# Averaged weights
# ----------------
#
# Adam with a learning rate of 0.03, thirty times the default, 20 batches an epoch. Eight seeds stand for other initial
# weights and another order of the rows. They are the same for all lines, so that all but the last line belong to the
# *same* steps: :class:`~skreg.averaging.EMA`, an :class:`~skreg.averaging.Averaging`, changes what is kept of them, not
# where they go. A decay of :math:`d` is about the mean of the last :math:`1/(1-d)` steps, hence 0.99 of five epochs,
# and 0.999 of fifty.

options = {"hidden_layer_sizes": (30,), "penalty": None, "batch_size": 25, "n_iter_no_change": np.inf}
lines = {
    "last weights": {"averaging": None},
    "decay 0.9": {"averaging": EMA(decay=0.9)},
    "decay 0.99, 'ema'": {"averaging": "ema"},
    "decay 0.999": {"averaging": EMA(decay=0.999)},
    "last weights, cosine": {"learning_rate": "cosine"},
}


network = RegularizedMLPRegressor(learning_rate_init=0.03, max_iter=60, **options)
losses = {}
for name, changed in lines.items():
    models = [clone(network).set_params(random_state=seed, **changed) for seed in SEEDS]
    losses[name] = np.array(
        [model.fit(X_train, y_train, X_val=X_test, y_val=y_test).history_["valid_loss"] for model in models]
    )

figure, axes = plt.subplots(1, 2, figsize=(12, 5), sharey=True)
STYLES = dict(
    zip(lines, zip((BLUE, AMBER, ORANGE, PINK, GREEN), ("-", "-.", "--", ":", (0, (5, 1))), strict=True), strict=True)
)
epochs = np.arange(1, 61)
for name, (color, dashes) in STYLES.items():
    mean, sd = losses[name].mean(axis=0), losses[name].std(axis=0, ddof=1)
    axes[0].plot(epochs, losses[name][0], color=color, linestyle=dashes, linewidth=2, label=name)
    axes[1].plot(epochs, mean, color=color, linestyle=dashes, linewidth=2)
    axes[1].fill_between(epochs, mean - sd, mean + sd, color=color, alpha=0.15, linewidth=0)
for ax, title in zip(axes, ("one seed", f"mean and standard deviation of {len(SEEDS)} seeds"), strict=True):
    ax.axhline(floor, color="0.3", linewidth=1)
    ax.set(xlabel="epoch", title=title, ylim=(0.06, 0.2))
axes[0].annotate("floor: the noise", (1, floor), xytext=(0, 3), textcoords="offset points", fontsize=10)
axes[0].set_ylabel("loss on the 2,000 other rows")
figure.legend(loc="outside lower center", ncols=5, fontsize=11)
plt.show()

table = {
    name: {
        "epoch 3": curves[:, 2].mean(),
        "lowest mean": curves.mean(axis=0).min(),
        "at epoch": curves.mean(axis=0).argmin() + 1,
        "epoch 60": curves[:, -1].mean(),
        "sd of seeds": curves[:, -1].std(ddof=1),
        "change per epoch": np.abs(np.diff(curves[:, 29:])).mean(),
        "better than last weights": np.sum(curves[:, -1] < losses["last weights"][:, -1]),
    }
    for name, curves in losses.items()
}
print(f"floor: {floor:.3f}", end="\n\n")
print(pd.DataFrame(table).T.astype({"at epoch": int, "better than last weights": int}).round(4).to_string())

# %%
# The last weights go to and fro: from one epoch to the next their loss changes by 0.008, that of ``"ema"`` by 0.0005.
# The latter is lower, too: 0.108 instead of 0.123 after 60 epochs, with 0.066 of noise in both. It is lower for each of
# the eight seeds, and these differ half as much. A rate that falls along a cosine also brings the last weights to rest,
# at 0.112.
#
# A mean costs delay. After three epochs those of 0.99 and 0.999 are behind the last weights, and 0.999 is at its lowest
# point only at epoch 42. And it does not end overfitting: with 0.99 the loss is lowest, 0.094, at epoch 24, and rises
# from there as it does without. A long mean puts that off, because it holds weights from before; to end it, see
# :doc:`/auto_examples/plot_early_stopping`.
#
# Which decay, and at which rate?
# -------------------------------
#
# A decay is a parameter like any other. ``GridSearchCV`` sweeps it, together with the learning rate and its schedule. A
# decay of 0 keeps the last weights. The scores are means over three folds, twice. A second table is the diabetes data
# of scikit-learn, 442 patients, on which this network overfits early.

grid = {
    "averaging__decay": [0, 0.9, 0.99, 0.999],
    "learning_rate": ["constant", "cosine"],
    "learning_rate_init": [0.001, 0.003, 0.01, 0.03, 0.1, 0.3],
}
folds = RepeatedKFold(n_splits=3, n_repeats=2, random_state=0)
network = RegularizedMLPRegressor(averaging=EMA(), max_iter=60, random_state=0, **options)
X_diabetes, y_diabetes = (zscore(part).astype(np.float32) for part in load_diabetes(return_X_y=True))
tables = {"Friedman 1": (X_train, y_train), "diabetes": (X_diabetes, y_diabetes)}
columns = {"averaging__decay": "decay", "learning_rate_init": "rate"}
results = {}
for name, rows in tables.items():
    search = GridSearchCV(network, grid, cv=folds, refit=False).fit(*rows)
    results[name] = pd.DataFrame(search.cv_results_).rename(columns=lambda column: column.removeprefix("param_"))
    results[name] = results[name].rename(columns=columns)

figure, axes = plt.subplots(2, 2, figsize=(12, 9), sharex=True, sharey="row")
for line, (name, frame) in zip(axes, results.items(), strict=True):
    scores = frame.pivot(index=["learning_rate", "decay"], columns="rate", values="mean_test_score")
    print(f"{name}: R²", scores.round(3).to_string(), sep="\n", end="\n\n")
    for ax, schedule in zip(line, grid["learning_rate"], strict=True):
        for decay, (color, dashes), marker in zip(grid["averaging__decay"], STYLES.values(), "ovs^", strict=False):
            label = f"decay {decay}" if decay else "last weights"
            curve = scores.loc[schedule, decay]
            ax.plot(curve.index, curve, color=color, linestyle=dashes, marker=marker, label=label)
        ax.set(xscale="log", title=f'{name}, learning_rate="{schedule}"')
    line[0].set_ylabel("R², cross-validation")
for ax in axes[1]:
    ax.set_xlabel("learning_rate_init")
figure.legend(*axes[0, 0].get_legend_handles_labels(), loc="outside lower center", ncols=4)
plt.show()

# %%
# The best of each way on Friedman's data, trained on all 500 rows with eight seeds. A search whose only split trains on
# the 500 rows and scores the others does that for all seeds together.


def scores_on_others(network, target=y_train, **grid):
    """Return R² on the other rows with all seeds, one line for each setting of a grid."""
    split = [(np.arange(N_TRAIN), np.arange(N_TRAIN, len(X)))]
    search = GridSearchCV(network, {**grid, "random_state": SEEDS}, cv=split, refit=False)
    return search.fit(X, np.concatenate([target, y_test])).cv_results_["split0_test_score"].reshape(-1, len(SEEDS))


frame = results["Friedman 1"]
ways = {
    "last weights, constant": (frame["decay"] == 0) & (frame["learning_rate"] == "constant"),
    "averaged, constant": frame["learning_rate"] == "constant",
    "last weights, cosine": (frame["decay"] == 0) & (frame["learning_rate"] == "cosine"),
    "averaged, cosine": frame["learning_rate"] == "cosine",
}
chosen = {}
for name, mask in ways.items():
    best = frame.loc[frame.loc[mask, "mean_test_score"].idxmax()]
    found = scores_on_others(clone(network).set_params(**best["params"]))
    parameters = {"decay": best["decay"], "rate": best["rate"], "R² in the search": best["mean_test_score"]}
    chosen[name] = parameters | {"R² on other rows": np.mean(found), "sd of seeds": np.std(found, ddof=1)}
print(pd.DataFrame(chosen).T.astype({"decay": str, "rate": str}).round(3).to_string())

# %%
# **Where it helps.** On Friedman's data from a constant rate of 0.01 on, and the more the higher the rate: at 0.1 the
# score rises from 0.67 to 0.77. That is more than the best rate reaches without a mean, under either schedule, and the
# 2,000 other rows confirm it: 0.79 instead of 0.75 and 0.76. At 0.3 it still gains a lot, and the result is poor.
#
# **Where it does not.** At rates of 0.003 and less it changes next to nothing there, and a window too long for the
# training does harm: 0.999 at a rate of 0.001 loses nearly four points. Under a cosine 0.9 changes nothing, and 0.99
# mostly less than a point, since the last steps are tiny; only 0.999 reaches back to larger ones. On the diabetes data
# less training is better: the best score is 0.49 with a mean and without, at the two lowest rates. A mean makes a rate
# that is too high less costly (at 0.03: 0.43 instead of 0.30), and at a good rate is no gain.
#
# Clipped gradients
# -----------------
#
# Now the targets of five training rows, one in a hundred, are thirty times too large, as if their unit had been
# mistaken. SGD steps are as long as the gradient, so these rows can throw away what the others have learned. How long
# are gradients? An object that notes them before it shortens them knows: ``max_grad_norm=10`` is short for
# :class:`~skreg.gradients.ClipByNorm` with ``max_norm=10``, and that is a :class:`~skreg.gradients.GradientRule`, which
# is called once in every step.

wild = y_train.copy()
wild[np.random.default_rng(0).choice(N_TRAIN, size=5, replace=False)] *= 30
print(f"wild targets: {np.sort(wild[wild != y_train]).round().astype(int).tolist()}")

norms = []


class ObservedClipping(ClipByNorm):
    """Clip, and note how long the gradients were."""

    def __call__(self, gradients):
        """Scale the gradients."""
        norms.append(torch.cat([part.flatten() for part in gradients]).norm().item())
        super().__call__(gradients)


sgd = RegularizedMLPRegressor(
    solver="sgd", learning_rate="cosine", learning_rate_init=0.03, max_iter=60, random_state=0, **options
)
lengths = {}
for name, target in {"right targets": y_train, "five wild targets": wild}.items():
    norms.clear()
    clone(sgd).set_params(max_grad_norm=ObservedClipping(max_norm=1.0)).fit(X_train, target)
    lengths[name] = np.array(norms)
quantiles = pd.DataFrame({name: np.quantile(norm, (0.1, 0.5, 0.9, 1)) for name, norm in lengths.items()}).T
quantiles.columns = ["tenth", "median", "nine tenths", "longest"]
for bound in (3, 1, 0.3):
    quantiles[f"above {bound}"] = [np.mean(norm > bound) for norm in lengths.values()]
print(quantiles.round(2).to_string())

# %%
# With right targets nearly all gradients are shorter than 1, and a wild one makes that of its batch up to forty times
# as long as the median. With five wild targets 23 % of the batches are above 3, which is the share that holds at least
# one of them, and hardly more above 1. A bound of 0.3 is another matter: it shortens most gradients of right targets as
# well.
#
# Which bound?
# ------------
#
# All bounds and eight seeds, again as one search; also for Adam, and without a bound for the Huber loss, which grows
# only linearly with a large residual. The rows that score have right targets.

bounds = [None, 10, 3, 1, 0.3, 0.1, 0.03, 0.01]
adam = clone(sgd).set_params(solver="adam", learning_rate_init=0.01)
quality = {
    "SGD, right targets": scores_on_others(sgd, y_train, max_grad_norm=bounds),
    "SGD, five wild targets": scores_on_others(sgd, wild, max_grad_norm=bounds),
    "Adam, five wild targets": scores_on_others(adam, wild, max_grad_norm=bounds),
}
huber = scores_on_others(clone(sgd).set_params(loss="huber"), wild)

figure, ax = plt.subplots(figsize=(9, 5))
CURVES = [(GREEN, "--", "o"), (BLUE, "-", "s"), (ORANGE, "-.", "v")]
for (name, scores), (color, dashes, marker) in zip(quality.items(), CURVES, strict=True):
    mean, sd = (1 - scores).mean(axis=1), scores.std(axis=1, ddof=1)
    ax.errorbar(range(len(bounds)), mean, sd, color=color, linestyle=dashes, marker=marker, capsize=3, label=name)
ax.axhline(1 - huber.mean(), color="0.3", linestyle=":", label='SGD, five wild targets, loss="huber", no bound')
ax.set_xticks(range(len(bounds)), ["none", *bounds[1:]])
ax.set(xlabel="max_grad_norm", yscale="log", ylabel="1 - R² on the 2,000 other rows")
ax.set_yticks([0.25, 0.5, 1, 2, 5, 10], ["0.25", "0.5", "1", "2", "5", "10"])
ax.minorticks_off()
ax.legend(fontsize=11)
plt.show()

summaries = {"R²": np.mean, "standard deviation of the seeds": lambda scores, axis: scores.std(axis, ddof=1)}
for what, summary in summaries.items():
    lines = {name: summary(scores, axis=1) for name, scores in quality.items()}
    print(what, pd.DataFrame(lines, ["none", *bounds[1:]]).T.round(3).to_string(), sep="\n", end="\n\n")
print(f'loss="huber" without a bound: {huber.mean():.3f}, standard deviation {huber.std(ddof=1):.3f}')

# %%
# With wild targets and no bound SGD predicts far worse than the mean of the targets would, an R² of -12. A bound of 10
# does not help, because gradients that long are what does the harm. A bound of 1, which shortens hardly any but the
# batches with wild rows, gets to 0.54; the best ones, 0.3 and 0.1, to 0.71, which act on nearly all batches. Below, SGD
# no longer gets to the end of its way in 60 epochs, with right targets just as well: at 0.01 the score is 0.56 instead
# of 0.75. On right targets no bound gains anything.
#
# Adam divides by the size of the gradients. So wild rows do it less harm, it is well with every bound from 0.3 down,
# and tight ones do not slow it down. Its best score is 0.69.
#
# No bound gets to what **the Huber loss** has without any: 0.74, nearly the 0.75 of right targets. A shortened gradient
# of a batch with a wild row still points where that row wants, and the other 24 rows are shortened with it. The Huber
# loss bounds the pull of the row alone.
#
# Conclusion
# ----------
#
# **Averaged weights** belong to constant, high rates: there they calm the score, and can lift it. Compare with a lower
# rate and with a cosine before you give them the credit. Search decay and rate together: a window as long as the
# training did best at high rates here, and did harm at the lowest (:ref:`averaged-weights`).
#
# **Clipped gradients** keep SGD from ruin where a few rows are wild. Against wild targets, take another loss first
# (:ref:`clipped-gradients`, :doc:`/user_guide/wrong_rows`).
#
# **Limits.** Two small tables and one small network; one draw of training rows and one of the wild rows, so that the
# standard deviations are those of seeds only. The rates of SGD and Adam in the second part are not searched, and the
# bounds are judged on right targets, which a search on wild rows does not have. The best decay is the largest of the
# grid, with a window about as long as the training.
#
# References
# ----------
#
# * B. T. Polyak and A. B. Juditsky, "Acceleration of stochastic approximation by averaging", SIAM Journal on Control
#   and Optimization 30, 1992.
# * R. Pascanu, T. Mikolov and Y. Bengio, "On the difficulty of training recurrent neural networks", ICML 2013.
# * J. H. Friedman, "Multivariate adaptive regression splines", The Annals of Statistics 19, 1991.

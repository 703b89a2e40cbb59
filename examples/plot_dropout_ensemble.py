"""
Is a network with dropout an ensemble of many small networks?
=============================================================

In every training step dropout leaves out other units, so it trains a great number of subnetworks that share their
weights, and a prediction with all units is said to average over them. Here that claim is checked, first by going
through all 1,024 subnetworks of a tiny network, then by sampling those of larger ones. You will see when one prediction
with all units is exactly an average and when it is not, how many samples are needed to do as well, what the spread of
the samples tells about errors, and whether dropout beats the same network trained for equally long without it.
"""

# %%
# All subnetworks of a tiny network
# ---------------------------------
#
# Ten hidden units make :math:`2^{10}` subnetworks, and with a rate of 0.5 each of them is as likely as any other. A
# unit that is kept counts twice, as in training, so that its mean contribution is that of the unit itself. The
# predictions of the subnetworks are computed here with numpy, from the weights, and averaged in two ways:
# arithmetically, and geometrically (mean logarithms, scaled to sum to one).

import itertools

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from scipy.special import log_softmax, softmax
from scipy.stats import entropy
from sklearn.base import clone
from sklearn.datasets import load_digits, load_iris
from sklearn.metrics import roc_auc_score
from sklearn.model_selection import StratifiedShuffleSplit
from sklearn.preprocessing import scale

from skreg import RegularizedMLPClassifier
from skreg.model_selection import GridSearchCV, cross_validate

plt.rcParams.update({"font.size": 12, "figure.constrained_layout.use": True})
BLUE, ORANGE, GREEN, PINK = "#0072B2", "#D55E00", "#009E73", "#CC79A7"
RATE = 0.5
ACTIVATIONS = {"relu": lambda x: np.maximum(x, 0), "identity": lambda x: x}


def log_probabilities(fitted, X, kept, rate=RATE):
    """Return what is predicted with the hidden units for which `kept` is 1, those for which it is 0 left out."""
    activation = ACTIVATIONS[fitted.activation]
    sizes = [len(intercept) for intercept in fitted.intercepts_[:-1]]
    kept_by_layer = np.split(kept, np.cumsum(sizes)[:-1], axis=-1)
    for weights, intercept, units in zip(fitted.coefs_[:-1], fitted.intercepts_[:-1], kept_by_layer, strict=True):
        X = activation(X @ weights + intercept) * units / (1 - rate)
    return log_softmax(X @ fitted.coefs_[-1] + fitted.intercepts_[-1], axis=1)


X_iris, y_iris = load_iris(return_X_y=True)
X_iris = scale(X_iris)
tiny = {
    "one layer": {"hidden_layer_sizes": (10,)},
    "two layers": {"hidden_layer_sizes": (5, 5)},
    "two layers, linear": {"hidden_layer_sizes": (5, 5), "activation": "identity"},
}
all_masks = np.array(list(itertools.product([0, 1], repeat=10)))
all_units, geometric, arithmetic, distances = {}, {}, {}, {}
for name, options in tiny.items():
    fitted = RegularizedMLPClassifier(
        **options, dropout=RATE, learning_rate="cosine", learning_rate_init=0.02, max_iter=100, random_state=0
    ).fit(X_iris, y_iris)
    tiny[name] = fitted
    of_masks = np.stack([log_probabilities(fitted, X_iris, kept) for kept in all_masks])
    all_units[name] = fitted.predict_proba(X_iris)
    geometric[name] = softmax(of_masks.mean(axis=0), axis=1)
    arithmetic[name] = np.exp(of_masks).mean(axis=0)
    distances[name] = {
        "geometric mean": np.abs(geometric[name] - all_units[name]).max(),
        "arithmetic mean": np.abs(arithmetic[name] - all_units[name]).max(),
        "one subnetwork (median)": np.median(np.abs(np.exp(of_masks) - all_units[name]).max(axis=(1, 2))),
    }
print("largest difference from the probabilities with all units")
print(pd.DataFrame(distances).map("{:.1e}".format).to_string())

# %%
# With one layer, the prediction with all units is the geometric mean, to the last digits. It has to be: the logarithms
# of a softmax are its inputs, up to a constant, and those are linear in what the masks do to the last hidden layer
# (Hinton et al., 2012; Baldi and Sadowski, 2013). With two layers an activation stands between the first masks and the
# softmax, and the mean of a function is not the function of the mean: it is off by up to 0.04. Without the activation
# two layers are exact again, because the masks of different layers are independent. So it is not the number of layers
# that matters, but whether anything nonlinear comes after a mask and before the softmax.
#
# The arithmetic mean, which is what an ensemble usually predicts, is something else in all three networks.

counts = np.array([3, 10, 30, 100, 300, 1000])
figure, (left, right) = plt.subplots(1, 2, figsize=(11, 4.6))
left.plot([0, 1], [0, 1], ":", color="0.3")
for name, marker, color in zip(tiny, "o^s", (BLUE, ORANGE, GREEN), strict=True):
    if name != "two layers, linear":
        left.plot(geometric[name].ravel(), all_units[name].ravel(), marker, color=color, markersize=5, label=name)
    samples = tiny[name].predict_dropout_samples(X_iris, counts[-1], random_state=0).samples
    means = samples.cumsum(axis=0)[counts - 1] / counts[:, None, None]
    errors = np.sqrt(np.mean((means - arithmetic[name]) ** 2, axis=(1, 2)))
    right.loglog(counts, errors, marker + "-", color=color, label=name)
right.loglog(counts, 0.17 / np.sqrt(counts), ":", color="0.3", label="0.17 / √samples")
left.set(xlabel="geometric mean of all subnetworks", ylabel="prediction with all units", title="probabilities")
right.set(xlabel="samples", ylabel="root mean square error", title="mean of samples, from that of all masks")
for ax in (left, right):
    ax.legend()
plt.show()

# %%
# Left, the probabilities of all rows and classes: blue dots on the line, triangles beside it. Right,
# ``predict_dropout_samples`` draws masks at random, and its mean approaches the arithmetic mean of all of them as the
# mean of independent draws does: four times as many samples for half the error.
#
# Real networks: how many samples are needed?
# -------------------------------------------
#
# Two networks with far too many subnetworks to go through, trained on 200 handwritten digits and tested on 800 others,
# in eight draws. ``cross_validate`` trains the draws together. Beside each stands the same network trained for equally
# long without dropout, whose units are left out afterwards: are subnetworks only good if they have been trained?
# Confidence is the largest probability of a row, on average; it should be as high as the accuracy.

N_DRAWS = 8
EPSILON = np.finfo(np.float32).eps
LAYERS = {"one layer of 100": (100,), "two layers of 64": (64, 64)}
X, y = load_digits(return_X_y=True)
X = (X / 16).astype(np.float32)
draws = StratifiedShuffleSplit(N_DRAWS, train_size=200, test_size=800, random_state=0)
network = RegularizedMLPClassifier(
    penalty=None,
    batch_size=50,
    learning_rate="cosine",
    learning_rate_init=0.01,
    max_iter=100,
    n_iter_no_change=np.inf,
    random_state=0,
)


def fit_draws(X=X, y=y, cv=draws, **parameters):
    """Return a list with the fitted network and the test rows of each draw."""
    model = clone(network).set_params(**parameters)
    results = cross_validate(model, X, y, cv=cv, return_estimator=True, return_indices=True)
    return list(zip(results["estimator"], results["indices"]["test"], strict=True))


def sampled(fitted, X, n_samples, rate=RATE):
    """Return predictions with dropout at a rate, whatever the network was trained with."""
    rng = np.random.default_rng(0)
    n_units = sum(len(intercept) for intercept in fitted.intercepts_[:-1])
    masks = (rng.random((len(X), n_units)) >= rate for _ in range(n_samples))
    return np.exp([log_probabilities(fitted, X, kept, rate) for kept in masks])


def scores(probabilities, labels):
    """Return accuracy, log-loss and mean largest probability; of several predictions, the means of theirs."""
    correct = probabilities.argmax(axis=-1) == labels
    of_label = probabilities[..., np.arange(len(labels)), labels]
    return correct.mean(), -np.log(np.maximum(of_label, EPSILON)).mean(), probabilities.max(axis=-1).mean()


averaged = [1, 2, 5, 10, 20, 50]
trained = {"trained with dropout": RATE, "trained without dropout": 0.0}
records = []
fits = {}
for layers, kind in itertools.product(LAYERS, trained):
    fits[layers, kind] = fit_draws(hidden_layer_sizes=LAYERS[layers], dropout=trained[kind])
    for draw, (fitted, test) in enumerate(fits[layers, kind]):
        samples = sampled(fitted, X[test], averaged[-1])
        predictions = {"all units": fitted.predict_proba(X[test]), "one sample": samples}
        predictions |= {f"mean of {n}": samples[:n].mean(axis=0) for n in averaged[1:]}
        for prediction, probabilities in predictions.items():
            records.append((layers, kind, draw, prediction, *scores(probabilities, y[test])))
measures = ["accuracy", "log-loss", "confidence"]
results = pd.DataFrame(records, columns=["layers", "training", "draw", "prediction", *measures])
order = list(predictions)
table = results.pivot_table(index=["layers", "training"], columns="prediction", values=measures, sort=False)
for measure in measures:
    print(table[measure][order].rename_axis(columns=measure).round(3).to_string(), end="\n\n")

figure, axes = plt.subplots(2, 2, figsize=(11, 7.5), sharex=True, sharey="row")
for (row, measure), (column, layers) in itertools.product(enumerate(measures[:2]), enumerate(LAYERS)):
    ax = axes[row, column]
    for kind, color, marker in zip(trained, (BLUE, ORANGE), "o^", strict=True):
        line = table[measure].loc[layers, kind]
        ax.plot(averaged, line[order[1:]], marker + "-", color=color, label=f"{kind}, samples")
        ax.axhline(line["all units"], color=color, linestyle="--", label=f"{kind}, all units")
    ax.set(xscale="log", title=layers if row == 0 else "")
for ax, measure in zip(axes[:, 0], ("test accuracy", "test log-loss"), strict=True):
    ax.set_ylabel(measure)
axes[0, 0].set_ylim(0.75, 0.96)
axes[1, 0].set(ylim=(0.15, 0.75))
axes[0, 0].legend(loc="lower right", fontsize=10)
for ax in axes[1]:
    ax.set_xlabel("samples in the mean")
    ax.set_xticks(averaged, averaged)
plt.show()

# %%
# **Subnetworks are worse than the whole**, by three points of accuracy with one layer and by seven with two. Without
# training with dropout they are far worse than that. **Twenty samples** give the accuracy of all units, to 0.2 points;
# ten are nearly enough, and the log-loss still falls a little up to 50. Srivastava et al. (2014, section 7.5) needed
# about 50 to draw level on MNIST.
#
# **The mean of 50 samples is not better than one prediction with all units**: the accuracy is the same and the log-loss
# slightly higher. It is less confident: all units are a bit too sure of themselves (0.951 of confidence, 0.939 of
# accuracy with one layer), the mean of samples not sure enough (0.894).
#
# What does the spread of the samples say?
# ----------------------------------------
#
# The spread is often read as uncertainty (Gal and Ghahramani, 2016). Two uses can be tested: to find the rows where the
# network is wrong, and to notice digits of a kind that it has never seen (eights and nines, for a network trained on
# 200 images of the others). The area under the ROC curve is the probability that such a row gets a higher doubt than
# another row; 0.5 is chance. The first doubt needs no samples.


def doubts(fitted, X):
    """Return some measures of doubt for each row, higher for more doubt."""
    usual, samples = fitted.predict_proba(X), sampled(fitted, X, averaged[-1])
    mean, rows = samples.mean(axis=0), np.arange(len(X))
    return {
        "all units: 1 - largest probability": 1 - usual.max(axis=1),
        "mean of samples: 1 - largest probability": 1 - mean.max(axis=1),
        "samples: standard deviation": samples.std(axis=0)[rows, usual.argmax(axis=1)],
        "samples: mutual information": entropy(mean, axis=1) - entropy(samples, axis=2).mean(axis=0),
    }


known = y < 8
X_unseen = X[~known]
records = []
curves = []
for layers, sizes in LAYERS.items():
    for fitted, test in fits[layers, "trained with dropout"]:
        wrong = fitted.predict(X[test]) != y[test]
        for name, doubt in doubts(fitted, X[test]).items():
            records.append((layers, name, "errors", roc_auc_score(wrong, doubt)))
            groups = np.array_split(wrong[np.argsort(doubt)], 10)
            curves.append((layers, name, *(group.mean() for group in groups)))
    for fitted, test in fit_draws(X[known], y[known], hidden_layer_sizes=sizes, dropout=RATE):
        unseen = np.repeat([0, 1], [len(test), len(X_unseen)])
        for name, doubt in doubts(fitted, np.concatenate([X[known][test], X_unseen])).items():
            records.append((layers, name, "unseen digits", roc_auc_score(unseen, doubt)))
areas = pd.DataFrame(records, columns=["layers", "doubt", "to be found", "area"])
areas = areas.pivot_table(index="doubt", columns=["layers", "to be found"], values="area", sort=False)
print(areas.round(3).to_string())

# %%
# All doubts are good at both, and those of the samples are no better than the plainest one, one minus the largest
# probability that the network gives anyway, but for 0.001 and 0.003 in the columns of errors. The standard deviation
# and the mutual information (how far the samples disagree, rather than how unsure each is) are worse in every column.
#
# Whether a doubt ranks rows is one question, and what its size means is another. If the spread measured what the
# network does not know for want of data, it would shrink as rows are added, and would not depend on a rate that the
# user chooses. Here networks trained with 100 to 800 rows, for equally many steps, are sampled at three rates:

n_rows, rates = [100, 200, 400, 800], [0.1, 0.3, 0.5]


def mean_spread(fitted, X, rate):
    """Return the standard deviation of the predicted class's probability in samples at a rate, averaged over rows."""
    samples = sampled(fitted, X, 30, rate)
    return samples.std(axis=0)[np.arange(len(X)), fitted.predict(X)].mean()


records = []
for n in n_rows:
    cv = StratifiedShuffleSplit(4, train_size=n, test_size=600, random_state=0)
    for fitted, test in fit_draws(cv=cv, hidden_layer_sizes=(100,), dropout=RATE, max_iter=20_000 // n):
        spreads = {rate: mean_spread(fitted, X[test], rate) for rate in rates}
        records.append({"rows": n, **spreads, "errors": 1 - fitted.score(X[test], y[test])})
by_rows = pd.DataFrame(records).groupby("rows").mean()
print("mean spread at three rates, and share of errors")
print(by_rows.round(3).to_string())

curves = pd.DataFrame(curves, columns=["layers", "doubt", *range(1, 11)]).groupby(["layers", "doubt"]).mean()
figure, (left, right) = plt.subplots(1, 2, figsize=(11, 4.6))
for name, color, marker in zip(areas.index[[0, 2]], (BLUE, ORANGE), "o^", strict=True):
    tenths = curves.loc["one layer of 100", name]
    left.plot(tenths.index, 100 * tenths, marker + "-", color=color, label=name)
    print(f"{name}: {tenths.iloc[-3:].sum() / tenths.sum():.0%} of the errors in the last three tenths")
for rate, color, marker in zip(rates, (GREEN, PINK, ORANGE), "os^", strict=True):
    right.plot(n_rows, by_rows[rate], marker + "-", color=color, label=f"spread, sampled at {rate:g}")
right.plot(n_rows, by_rows["errors"], "k--", label="share of errors")
left.set(xlabel="tenth of the rows, by doubt", ylabel="wrong predictions (%)", title="one layer of 100")
right.set(xlabel="training rows", xscale="log", ylim=(0, 0.17), title="trained with dropout 0.5")
right.set_xticks(n_rows, n_rows)
right.minorticks_off()
left.legend(fontsize=10)
right.legend(fontsize=10, ncols=2, loc="upper right")
plt.show()

# %%
# Left, rows in ten groups by doubt: by either, more than nine errors in ten are in the last three groups. Right, the
# spread of the same networks is between four and five times as large at a rate of 0.5 as at 0.1. From 100 to 800 rows
# the share of errors falls to less than a third, and the spread by a sixth at the rate of training. It ranks rows, and
# is no measure of how often the network is wrong (Osband, 2016, gives the reason).
#
# Does dropout beat the same network trained for equally long?
# ------------------------------------------------------------
#
# Each length of training is a fit of its own, because the learning rate falls to zero along a cosine over all epochs.

grid = {"dropout": [0, 0.25, 0.5], "max_iter": [12, 25, 50, 100]}
figure, axes = plt.subplots(2, 2, figsize=(11, 7.5), sharex=True, sharey="row")
for column, (layers, sizes) in zip(axes.T, LAYERS.items(), strict=True):
    model = clone(network).set_params(hidden_layer_sizes=sizes)
    search = GridSearchCV(model, grid, scoring=["accuracy", "neg_log_loss"], refit=False, cv=draws).fit(X, y)
    by_length = pd.DataFrame(search.cv_results_).pivot(index="param_max_iter", columns="param_dropout")
    for ax, measure in zip(column, ("accuracy", "neg_log_loss"), strict=True):
        lines = by_length[f"mean_test_{measure}"].abs().rename_axis(index="epochs", columns="dropout")
        print(f"{layers}, {measure.removeprefix('neg_')}")
        print(lines.round(3).to_string(), end="\n\n")
        for rate, color, marker in zip(lines, (ORANGE, GREEN, BLUE), "^so", strict=True):
            ax.plot(lines.index, lines[rate], marker + "-", color=color, label=f"dropout {rate:g}")
    column[0].set(xscale="log", title=layers)
axes[0, 0].set(ylabel="test accuracy", ylim=(0.89, 0.95))
axes[1, 0].set(ylabel="test log-loss", ylim=(0.18, 0.42))
axes[0, 1].legend(loc="lower right")
for ax in axes[1]:
    ax.set_xlabel("epochs")
    ax.set_xticks(grid["max_iter"], grid["max_iter"])
    ax.minorticks_off()
plt.show()

# %%
# After 12 epochs dropout is worse: a network that loses half of its units in every step learns more slowly. After 100
# it is better on both counts, in both networks. A part of what it gains there in log-loss is only that the network
# without it has been trained for too long: with two layers that is best after 25 epochs. Still, the best figure with
# dropout is better than the best without. The rate matters as well: with two layers 0.25 is better than 0.5 at most
# lengths.
#
# At last the rivals side by side after 100 epochs, in pairs with the same rows, and a real ensemble beside them: five
# networks without dropout that differ in their initial weights.

records = []
for layers, sizes in LAYERS.items():
    first = fits[layers, "trained without dropout"]
    others = [fit_draws(hidden_layer_sizes=sizes, random_state=seed) for seed in range(1, 5)]
    for draw, members in enumerate(zip(first, *others, strict=True)):
        test = members[0][1]
        mean = np.mean([fitted.predict_proba(X[test]) for fitted, _ in members], axis=0)
        records.append((layers, "trained without dropout", draw, "mean of five networks", *scores(mean, y[test])))
everything = pd.concat([results, pd.DataFrame(records, columns=results.columns)])
everything = everything.pivot(index=["layers", "draw"], columns=["training", "prediction"])
reference = ("trained without dropout", "all units")
rivals = [
    ("trained without dropout", "mean of five networks"),
    ("trained with dropout", "all units"),
    ("trained with dropout", "mean of 50"),
]
for layers, (measure, better) in itertools.product(LAYERS, {"accuracy": 1, "log-loss": -1}.items()):
    values = everything.loc[layers, measure]
    print(f"{layers}, {measure}; {values[reference].mean():.3f} without dropout, all units")
    lines = {}
    for rival in rivals:
        difference = values[rival] - values[reference]
        lines[", ".join(rival)] = {
            "mean": f"{values[rival].mean():.3f}",
            "difference": f"{difference.mean():+.3f} ± {difference.std():.3f}",
            "better in": f"{(better * difference > 0).sum()} of {N_DRAWS}",
        }
    print(pd.DataFrame(lines).T.to_string(), end="\n\n")

# %%
# Differences are from one network without dropout, mean ± standard deviation over the draws. Dropout at 0.5 gains about
# half a point of accuracy, in seven draws of eight and in six. Five networks gain less of it, and in log-loss come up
# to dropout only with two layers.
#
# Conclusion
# ----------
#
# **Dropout is an ensemble in the sense of a geometric mean**, exactly if nothing nonlinear stands between the masks and
# the softmax, and roughly otherwise. That mean costs one prediction, and sampling gains nothing on it here: use
# ``predict_proba``. If you sample, 20 to 50 samples are enough.
#
# **The spread of the samples** finds errors and unknown digits, but no better than the largest probability does. Its
# size depends on the rate of dropout more than on the number of rows.
#
# **Dropout beats the same network trained for equally long**, by a little, if it is trained for long enough.
#
# **Cost.** Dropout costs epochs. Fifty samples cost fifty predictions, and an ensemble of five networks five trainings.
#
# **Limits.** One data set, two small networks, one learning rate, eight draws that share test rows. With other draws of
# the same data and batches of 25, dropout's gain in accuracy was between -0.3 and +0.8 points, and whether the mean of
# samples or the prediction with all units had the lower log-loss changed, too.
#
# References
# ----------
#
# * G. E. Hinton, N. Srivastava, A. Krizhevsky, I. Sutskever and R. Salakhutdinov, "Improving neural networks by
#   preventing co-adaptation of feature detectors", arXiv:1207.0580, 2012.
# * P. Baldi and P. Sadowski, "Understanding dropout", NIPS 2013.
# * N. Srivastava, G. Hinton, A. Krizhevsky, I. Sutskever and R. Salakhutdinov, "Dropout: a simple way to prevent neural
#   networks from overfitting", Journal of Machine Learning Research 15, 2014.
# * Y. Gal and Z. Ghahramani, "Dropout as a Bayesian approximation: representing model uncertainty in deep learning",
#   ICML 2016.
# * I. Osband, "Risk versus uncertainty in deep learning: Bayes, bootstrap and the dangers of dropout", NIPS workshop on
#   Bayesian deep learning, 2016.

"""
How small can a network get before it gets worse?
=================================================

A network that is trained with a group penalty has units, or inputs, whose weights are all exactly zero, and
:meth:`~skreg.RegularizedMLPClassifier.prune` takes them out without a change of the predictions. You will see how the
accuracy on handwritten digits falls as the network shrinks, whether pruning a large network beats training a small one
from the start, what becomes of the time of predictions, and what is different when inputs are dropped instead of units.
"""

# %%
# Units that are not needed
# -------------------------
#
# The group lasso over neurons penalizes, for each hidden unit, the norm of its incoming weights. A unit without them
# puts out a constant, which goes into the biases of the next layer. Networks are trained with weaker and stronger
# penalties; pruning every one of them gives a series of smaller and smaller networks. The rivals are networks of five
# sizes, with mild L2. All of that on three splits of the data.

import time

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from sklearn.base import clone
from sklearn.datasets import load_breast_cancer, load_digits
from sklearn.metrics import log_loss
from sklearn.model_selection import train_test_split
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from skreg import RegularizedMLPClassifier
from skreg.inspection import FeatureSelectionDisplay
from skreg.model_selection import regularization_path
from skreg.penalties import GroupLasso, Hierarchical

plt.rcParams.update({"font.size": 12, "figure.constrained_layout.use": True})
BLUE, ORANGE = "#0072B2", "#D55E00"

digits = load_digits(as_frame=True)
pixels, target = (digits.data / 16).astype(np.float32), digits.target
large = RegularizedMLPClassifier(
    hidden_layer_sizes=(100, 50),
    batch_size=50,
    learning_rate="cosine",
    learning_rate_init=0.01,
    max_iter=20,
    n_iter_no_change=np.inf,
    random_state=0,
)


def split(seed):
    """Return 900 rows to train on, 300 to choose by, and 597 to test."""
    rest, X_test, y_rest, y_test = train_test_split(pixels, target, test_size=597, stratify=target, random_state=seed)
    X, X_val, y, y_val = train_test_split(rest, y_rest, test_size=300, stratify=y_rest, random_state=seed)
    return {"train": (X, y), "validation": (X_val, y_val), "test": (X_test, y_test)}


def pruned_fits(model, penalty, alphas, X, y, seed):
    """Return the pruned networks of independent fits."""
    model = clone(model).set_params(penalty=penalty, random_state=seed)
    return [clone(model).set_params(penalty__alpha=alpha).fit(X, y).prune() for alpha in alphas]


def pruned_path(model, penalty, alphas, X, y, seed):
    """Return the pruned networks along a path."""
    model = clone(model).set_params(penalty=penalty, random_state=seed)
    return [network.prune() for network in regularization_path(model, X, y, alphas=alphas).estimators]


def n_parameters(network):
    """Return how many weights and biases a network has."""
    arrays = [*network.coefs_, *network.intercepts_, *([] if network.skip_coef_ is None else [network.skip_coef_])]
    return sum(array.size for array in arrays)


def describe(network, data):
    """Return one row of the results."""
    units = "-".join(str(W.shape[1]) for W in network.coefs_[:-1])
    scores = {name: network.score(*data[name]) for name in ("validation", "test")}
    return {"units": units, "parameters": n_parameters(network), **scores}


STRENGTHS = np.geomspace(0.002, 0.04, 8)
SIZES = [(100, 50), (50, 25), (25, 12), (12, 8), (8, 6)]
splits, networks, rows = [split(seed) for seed in range(3)], {}, []
for seed, data in enumerate(splits):
    for size in SIZES:
        small = clone(large).set_params(hidden_layer_sizes=size, penalty="l2", alpha=1e-3, random_state=seed)
        rows.append(
            {"how": "small from the start", "which": f"{size[0]}-{size[1]}", "split": seed}
            | describe(small.fit(*data["train"]), data)
        )
    networks[seed] = pruned_fits(large, GroupLasso(groups="neurons"), STRENGTHS, *data["train"], seed)
    rows += [
        {"how": "pruned", "which": f"alpha = {alpha:.3f}", "split": seed} | describe(network, data)
        for alpha, network in zip(STRENGTHS, networks[seed], strict=True)
    ]
results = pd.DataFrame(rows)
means = results.groupby(["how", "which"], sort=False)[["parameters", "validation", "test"]].mean()
print(means.round({"parameters": 0, "validation": 3, "test": 3}).to_string())

figure, ax = plt.subplots(figsize=(7, 5))
for how, color, marker in (("small from the start", ORANGE, "s"), ("pruned", BLUE, "o")):
    points = results[results["how"] == how]
    ax.plot(points["parameters"], points["test"], marker, color=color, alpha=0.35, markersize=6)
    mean = means.loc[how].sort_values("parameters")
    ax.plot(mean["parameters"], mean["test"], marker=marker, color=color, linewidth=2.2, markersize=9, label=how)
ax.set(xscale="log", xlabel="parameters", ylabel="test accuracy", ylim=(0.83, 1))
ax.legend(loc="lower right")
plt.show()

# %%
# Half of the parameters can go almost for nothing: accuracy stays at about 0.97 down to some 5,500. Below that it
# falls, by one and a half points at 3,000, by three at 1,800 and by nearly five at 1,100.
#
# Pruning is *no better* than a small network from the start: with 5,000 parameters both do about equally well, and with
# 2,000 or 1,000 the pruned ones are about one point behind. To drop so many units takes a strong penalty, which also
# shrinks those that stay.
#
# Every network here has a fit of its own. A path (:func:`~skreg.model_selection.regularization_path`), whose fits go on
# from each other, would not show all of these sizes: it keeps the fit with the lowest *objective*, and that need not be
# the most accurate one. On these data a few units with large weights pay less penalty than many with small ones. Along
# the same strengths all of its networks but the first have 950 to 1,250 parameters, with accuracies from 0.92 to 0.96.
#
# The smallest that is good enough
# --------------------------------
#
# On every split: the smallest pruned network whose validation accuracy is within one percentage point of the best
# pruned one. Prediction is timed on 40,000 rows, the fastest of seven runs of either network in turns.


def seconds(network, X):
    """Return the time of a prediction."""
    start = time.perf_counter()
    network.predict(X)
    return time.perf_counter() - start


many_rows = pd.concat([pixels] * 23, ignore_index=True)
rows = []
for seed, data in enumerate(splits):
    reference = clone(large).set_params(penalty="l2", alpha=1e-3, random_state=seed).fit(*data["train"])
    scores = np.array([network.score(*data["validation"]) for network in networks[seed]])
    chosen = networks[seed][np.flatnonzero(scores >= scores.max() - 0.01).max()]
    times = np.array([[seconds(reference, many_rows), seconds(chosen, many_rows)] for _ in range(7)]).min(axis=0)
    row = describe(chosen, data)
    rows.append(
        {
            "units": row["units"],
            "parameters": row["parameters"],
            "test": row["test"],
            "test, 100-50 with L2": reference.score(*data["test"]),
            "ratio of times": times[0] / times[1],
        }
    )
print(pd.DataFrame(rows).rename_axis("split").round(3).to_string())
before, after = chosen.pruning_["n_multiplications"]
print(f"\nlast split: multiplications for one row {before} before, {after} after pruning")

# %%
# Between a sixth and two fifths of the parameters are left. One point on 300 validation rows turns out to be 0.7, 3.5
# and 1.7 points on the test rows: who takes the smallest network that seems good enough takes one that was lucky.
# Predictions become faster, but by less than the number of multiplications suggests: reading the rows and the
# activations cost time, too. (Take the ratios as rough ones; the machine may have been doing other things.)
#
# Inputs that are not needed
# --------------------------
#
# Groups of features drop inputs instead of units (here along a path), and so does LassoNet's hierarchical penalty,
# which decides by a skip connection. Here the inputs are 30 measurements of cells, which somebody has to take, and the
# target is whether a tumour is malignant. Means over three splits, with 341 rows to train on.

cancer = load_breast_cancer(as_frame=True)
cells, diagnosis = cancer.data, cancer.target_names[cancer.target]
wide = clone(large).set_params(hidden_layer_sizes=(50,), batch_size=30)
penalties = {
    "group lasso": (GroupLasso(), np.geomspace(0.003, 1, 6)),
    "hierarchical": (Hierarchical(), np.geomspace(0.1, 30, 6)),
}

rows = []
for seed in range(3):
    X, X_test, y, y_test = train_test_split(cells, diagnosis, test_size=0.4, stratify=diagnosis, random_state=seed)
    scaler = StandardScaler().set_output(transform="pandas").fit(X)
    X, X_test = scaler.transform(X), scaler.transform(X_test)
    for name, (penalty, strengths) in penalties.items():
        for alpha, network in zip(strengths, pruned_path(wide, penalty, strengths, X, y, seed), strict=True):
            rows.append(
                {
                    "penalty": name,
                    "alpha": alpha,
                    "measurements": len(network.input_features_),
                    "parameters": n_parameters(network),
                    "test accuracy": network.score(X_test, y_test),
                    "test log-loss": log_loss(y_test, network.predict_proba(X_test)),
                }
            )
table = pd.DataFrame(rows).groupby(["penalty", "alpha"]).mean()
print(table.round({"measurements": 1, "parameters": 0, "test accuracy": 3, "test log-loss": 3}).to_string())

# %%
# Seventeen of the thirty measurements can go: with 13 the group lasso is right nearly as often as with all. Log-loss is
# stricter. It is lowest at 24, and rises from there, because the strong penalty shrinks what it keeps and
# probabilities become timid. The hierarchical penalty hardly differs: with as many measurements it has about the same
# log-loss.
#
# Which are they? The display shows norms for all rows at the left, and at the right in how many of ten folds the same
# penalty uses a measurement.

model = make_pipeline(StandardScaler(), clone(wide).set_params(penalty=GroupLasso(alpha=0.1)))
model.fit(cells, diagnosis)
display = FeatureSelectionDisplay.from_estimator(model, cells, diagnosis, cv=10, max_features=22)
plt.show()

frame = display.frame()
used = frame["selected"]
print(f"used with all rows: {used.sum()}, of these in all ten folds: {(frame['frequency'][used] == 1).sum()}")
print(f"not used with all rows: {(~used).sum()}, of these in some fold: {(frame['frequency'][~used] > 0).sum()}")
print(f"norms above zero, but below 0.001: {frame['importance'][used].lt(0.001).sum()}")

# %%
# Of the 16 measurements that the network uses, 11 are used in every fold; of the 14 others, only three turn up in any
# fold. So the choice is fairly stable here, although many of these measurements say nearly the same (radius, perimeter
# and area). The circles are exact zeros. Bars that are too short to be seen are none: six norms were still shrinking
# when training ended, and folds disagree on most of them. More epochs, or a threshold, would settle these.
#
# Conclusion
# ----------
#
# **Down to half of its parameters this network hardly gets worse; at a sixth of them it loses about three points.** A
# penalty on neurons finds that out with one fit for each strength. A network that small from the start is as good, or a
# little better where few units are left. Where inputs cost something, a penalty on features answers a question that the
# width of a layer cannot.
#
# **Cost.** One fit for each strength; a path of as many strengths takes a little longer than that. ``prune`` takes no
# time, and changes predictions by rounding only.
#
# **Limits.** Two small data sets, three splits of each. Strong penalties shrink what they keep. The relaxed fits of
# :class:`~skreg.RegularizedMLPClassifierCV` (``relax=True``), not tried here, train the inputs that are
# left once more without that; for units there is no such option. Zeros save time only where whole units or inputs go:
# L1 makes more zeros, and no prediction faster.

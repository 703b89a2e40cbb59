"""
Change the loss: what gets better, and what gets lost?
======================================================

Wrong labels, a rare class, outliers: against each there is a parameter that changes the loss. You will see label
smoothing, class weights and robust losses do what they are used for, on data whose truth is known, and what each of
them gives away for it: after the change, the network predicts something else than before. The last part is about the
step instead of the loss: whether ``weight_decay`` is the same as ``penalty="l2"``.
"""

# %%
# Wrong labels: label smoothing
# -----------------------------
#
# ``label_smoothing=s`` trains towards 1 - s + s / K for the given one of K classes and s / K for the others (Szegedy et
# al., "Rethinking the Inception architecture for computer vision", CVPR 2016). A label that is wrong then pulls less.
# Here are 400 of the digits, once with the right labels and once with a tenth of them wrong; the labels of the test
# rows are right. L2 stands beside it, as another way not to trust single rows.

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import torch
from sklearn.datasets import load_breast_cancer, load_digits
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import balanced_accuracy_score, log_loss, roc_auc_score
from sklearn.preprocessing import scale

from skreg import RegularizedMLPClassifier, RegularizedMLPRegressor
from skreg.inspection import calibration_error
from skreg.model_selection import GridSearchCV, cross_validate

torch.set_num_threads(1)
plt.rcParams.update({"font.size": 12, "figure.constrained_layout.use": True})
BLACK, BLUE, ORANGE, GREEN = "#000000", "#0072B2", "#D55E00", "#009E73"

N_DRAWS = 6
OPTIONS = {
    "learning_rate": "cosine",
    "learning_rate_init": 0.01,
    "max_iter": 40,
    "n_iter_no_change": np.inf,
    "random_state": 0,
}
rng = np.random.default_rng(0)
images, digits = load_digits(return_X_y=True)
images = (images / 16).astype(np.float32)


def draw_rows(n_pool, n_train, n_rows):
    """Return splits of n_rows rows: the test rows are the same in all, the training rows drawn from the others."""
    order = rng.permutation(n_rows)
    return [(rng.choice(order[:n_pool], n_train, replace=False), order[n_pool:]) for _ in range(N_DRAWS)]


digit_splits = draw_rows(1_000, 400, len(digits))
test = digit_splits[0][1]
wrong = rng.choice(np.setdiff1d(np.arange(len(digits)), test), 100, replace=False)
some_wrong = digits.copy()
some_wrong[wrong] = (digits[wrong] + rng.integers(1, 10, size=100)) % 10

# %%
# The network aims at smoothed probabilities q = (1 - s) p + s / K, so p = (q - s / K) / (1 - s) takes the smoothing
# out. The search trains all rates, strengths and draws together.


def loss_without_smoothing(model, X, y):
    """Return the log-loss after the smoothing has been taken out of the probabilities."""
    rate = model.label_smoothing
    plain = np.clip((model.predict_proba(X) - rate / 10) / (1 - rate), 1e-3, None)
    return log_loss(y, plain / plain.sum(axis=1, keepdims=True))


def calibration(model, X, y):
    """Return the calibration error."""
    return calibration_error(y, model.predict_proba(X))


RATES, ALPHAS = [0.0, 0.05, 0.1, 0.2, 0.4], [1e-3, 3e-3, 1e-2, 3e-2]
classifier = RegularizedMLPClassifier((64,), penalty=None, batch_size=32, **OPTIONS)
scoring = {
    "accuracy": "accuracy",
    "log-loss": "neg_log_loss",
    "log-loss, taken out": loss_without_smoothing,
    "calibration error": calibration,
}
grid = [{"label_smoothing": RATES}, {"penalty": ["l2"], "alpha": ALPHAS}]
lines = [f"smoothing {rate:g}" for rate in RATES] + [f"L2 {alpha:g}" for alpha in ALPHAS]


def scores_of(search, names):
    """Return the absolute scores of a search, one line for each candidate and draw."""
    found = search.cv_results_
    return pd.concat(
        pd.DataFrame({metric: np.abs(found[f"split{i}_test_{metric}"]) for metric in search.scoring}, index=names)
        for i in range(N_DRAWS)
    )


def mean_and_spread(values):
    """Return 'mean ± standard deviation' as text."""
    return f"{values.mean():.3f} ± {values.std():.3f}"


smoothed = {}
for name, labels in {"right labels": digits, "10 % wrong labels": some_wrong}.items():
    search = GridSearchCV(classifier, grid, scoring=scoring, cv=digit_splits, refit=False).fit(images, labels)
    smoothed[name] = scores_of(search, lines)
    gains = smoothed[name].loc["smoothing 0.1", "accuracy"].to_numpy() - smoothed[name].loc["smoothing 0", "accuracy"]
    print(f"accuracy is higher with smoothing of 0.1 than without in {np.sum(gains > 0)} of {N_DRAWS} draws")
    print(name, smoothed[name].groupby(level=0, sort=False).agg(mean_and_spread).to_string(), sep="\n", end="\n\n")

_, axes = plt.subplots(2, 1, figsize=(7, 8), sharex=True)
for (name, scores), color, marker in zip(smoothed.items(), (BLUE, ORANGE), "os", strict=True):
    means = scores.groupby(level=0, sort=False).mean().head(len(RATES))
    axes[0].plot(RATES, means["accuracy"], f"{marker}-", color=color, label=name)
    axes[1].plot(RATES, means["log-loss"], f"{marker}-", color=color, label=name)
    axes[1].plot(RATES, means["log-loss, taken out"], f"{marker}--", color=color, label=f"{name}, smoothing taken out")
axes[0].set(ylabel="accuracy on test rows", title="means of six draws")
axes[1].set(xlabel="label_smoothing", ylabel="log-loss on test rows", ylim=(0, None))
axes[0].legend()
axes[1].legend(fontsize=10)
plt.show()

# %%
# **Gained: accuracy.** Half a point with right labels, one to two points with wrong ones. L2 of 0.01 gains more with
# wrong labels, and nothing with right ones. Lukasik et al. ("Does label smoothing mitigate label noise?", ICML 2020)
# find smoothing useful against wrong labels as well.
#
# **Lost: the probabilities.** The network now predicts smoothed ones. Its log-loss doubles at 0.1 with right labels,
# and taking the smoothing out brings back only a part. Müller, Kornblith and Hinton ("When does label smoothing help?",
# NeurIPS 2019) found *better* calibration with smoothing, in networks that are too sure of themselves. This one is not,
# with an error of 0.01 to begin with.
#
# A rare class: class weights
# ---------------------------
#
# With one row in fourteen from the rare class, a threshold of 0.5 finds few of them. ``class_weight="balanced"`` gives
# both classes the same weight, and the network predicts probabilities q for a world in which half of the rows are rare
# ones. There are two other ways to the same end. One is to leave the loss alone and to move the threshold to the share
# b of the rare class. The other is to correct q: b q / (b q + (1 - b) (1 - q)) is the probability in the world as it is
# (Elkan, "The foundations of cost-sensitive learning", IJCAI 2001, theorem 2). The data have known probabilities.

Z = rng.normal(size=(12_000, 8))
probability = 1 / (1 + np.exp(6 - 1.5 * (Z[:, 0] + Z[:, 1] * Z[:, 2] + 0.7 * Z[:, 3] ** 2 + 0.7 * Z[:, 4])))
rare = (rng.uniform(size=len(Z)) < probability).astype(int)
rare_splits = draw_rows(4_000, 1_000, len(Z))
test = rare_splits[0][1]
print(f"share of the rare class: {rare.mean():.1%}")


def measure(p, threshold):
    """Return figures of probabilities of the rare class on the test rows."""
    return {
        "balanced acc.": balanced_accuracy_score(rare[test], p > threshold),
        "ROC AUC": roc_auc_score(rare[test], p),
        "log-loss": log_loss(rare[test], p),
        "mean prob.": p.mean(),
        "calib. error": calibration_error(rare[test], p),
    }


rows, shown = [], {}
for alpha in (1e-3, 3e-3, 1e-2):
    plain = RegularizedMLPClassifier((32,), alpha=alpha, batch_size=50, **OPTIONS)
    weighted = RegularizedMLPClassifier((32,), alpha=alpha, batch_size=50, class_weight="balanced", **OPTIONS)
    fits = [cross_validate(m, Z, rare, cv=rare_splits, return_estimator=True)["estimator"] for m in (plain, weighted)]
    for (train, _), without, balanced in zip(rare_splits, *fits, strict=True):
        share = rare[train].mean()
        p, q = (model.predict_proba(Z[test])[:, 1] for model in (without, balanced))
        back = q * share / (q * share + (1 - q) * (1 - share))
        variants = {
            "no weights, at 0.5": (p, 0.5),
            "no weights, at the share": (p, share),
            "balanced, at 0.5": (q, 0.5),
            "corrected, at the share": (back, share),
        }
        rows += [{"alpha": alpha, "variant": name, **measure(*variant)} for name, variant in variants.items()]
        shown.setdefault(alpha, {"no weights": p, "balanced": q, "balanced, corrected": back})
print(pd.DataFrame(rows).groupby(["alpha", "variant"], sort=False).mean().round(3).to_string())
print("the true probabilities, threshold at the share:")
print(pd.Series(measure(probability[test], rare.mean())).round(3).to_string())

# %%
# Means of six draws, 1,000 training rows each. The first draw at 0.003, as a picture:

_, ax = plt.subplots(figsize=(6.5, 6))
for (name, p), style, color in zip(shown[3e-3].items(), ("o-", "s--", "^-."), (BLACK, ORANGE, GREEN), strict=True):
    bins = np.array_split(np.argsort(p), 40)
    ax.plot([p[b].mean() for b in bins], [probability[test][b].mean() for b in bins], style, color=color, label=name)
ax.plot([0, 1], [0, 1], color="0.6", linewidth=1)
ax.set(
    xlabel="predicted probability of the rare class",
    ylabel="true probability",
    title="each mark: a fortieth of the test rows",
)
ax.legend()
plt.show()

# %%
# **Gained: balanced accuracy**, from about 0.65 to 0.82. The threshold alone gains as much, as long as L2 is not too
# strong. At 0.01 it is: the few rare rows cannot hold out against the penalty, and weights make them count for more.
# There weights also rank the rows better (ROC AUC 0.91 against 0.89).
#
# **Lost: the probabilities**, again. On average they are about three times too large, and the log-loss is worse than
# without weights by more than 0.1. Van den Goorbergh et al. ("The harm of class imbalance corrections for risk
# prediction models", Journal of the American Medical Informatics Association 29, 2022) warn of this. The correction
# repairs nearly all of it.
#
# Outliers: robust losses
# -----------------------
#
# ``"squared_error"`` estimates the mean of the target, ``"absolute_error"`` the median, and ``"huber"`` (Huber, "Robust
# estimation of a location parameter", Annals of Mathematical Statistics 35, 1964) something between the two: beyond
# ``delta`` a residual counts no more than in the absolute error. Where noise is symmetric, all of these are the same
# number. The networks see 200 rows with one of three kinds of noise: normal with a standard deviation of 0.3; the same,
# but for one row in ten with 5; and skewed, with a mean of 0 and a median of -0.31. Each loss gets the best of four
# strengths of L2. The truth is the mean.


def curve(X):
    """Return the mean of the target, in which two of six features have no part."""
    return np.sin(2 * X[:, 0]) + X[:, 1] * X[:, 2] + 0.5 * X[:, 3]


X = rng.uniform(-1.5, 1.5, size=(5_000, 6))
truth = curve(X)
splits = draw_rows(3_000, 200, len(X))
test = splits[0][1]
normal = rng.normal(size=len(X))
noises = {
    "normal": 0.3 * normal,
    "outliers": np.where(rng.uniform(size=len(X)) < 0.1, 5, 0.3) * normal,
    "skewed": rng.exponential(size=len(X)) - 1,
}
LOSSES = ["squared_error", "huber", "absolute_error"]


def bias(model, X, y):
    """Return how far predictions are too high, on average."""
    return np.mean(model.predict(X) - y)


regressor = RegularizedMLPRegressor((32, 32), batch_size=25, **OPTIONS)
regression_grid = [
    {"loss": [loss], "alpha": [1e-3, 1e-2, 3e-2, 1e-1], **({"delta": [0.5]} if loss == "huber" else {})}
    for loss in LOSSES
]
scoring = {"error": "neg_root_mean_squared_error", "bias": bias}
best = {}
for name, noise in noises.items():
    y = truth + noise
    y[test] = truth[test]
    found = GridSearchCV(regressor, regression_grid, scoring=scoring, cv=splits, refit=False).fit(X, y).cv_results_
    for loss in LOSSES:
        errors = np.where(found["param_loss"] == loss, -found["mean_test_error"], np.inf)
        k = errors.argmin()
        best[name, loss] = {
            "alpha": found["params"][k]["alpha"],
            "error": pd.Series([-found[f"split{i}_test_error"][k] for i in range(N_DRAWS)]),
            "bias": pd.Series([found[f"split{i}_test_bias"][k] for i in range(N_DRAWS)]),
        }
table = pd.DataFrame(
    {
        key: {"alpha": f"{b['alpha']:g}", "error": mean_and_spread(b["error"]), "bias": mean_and_spread(b["bias"])}
        for key, b in best.items()
    }
)
print(table.transpose().rename_axis(["noise", "loss"]).to_string())

_, axes = plt.subplots(2, 1, figsize=(7, 7), sharex=True)
for j, (loss, color, marker) in enumerate(zip(LOSSES, (BLACK, ORANGE, BLUE), "os^", strict=True)):
    for i, name in enumerate(noises):
        x = np.full(N_DRAWS, i + 0.2 * (j - 1))
        for ax, figure in zip(axes, ("error", "bias"), strict=True):
            ax.plot(
                x,
                best[name, loss][figure],
                marker,
                color=color,
                markersize=6,
                alpha=0.6,
                label=loss if i == 0 else None,
            )
axes[0].set(ylabel="root mean squared error", ylim=(0, None), title="dots: six draws of 200 rows")
axes[0].legend()
axes[1].axhline(0, color="0.6", linewidth=1)
axes[1].set(ylabel="mean of prediction minus truth", xlabel="noise")
axes[1].set_xticks(range(len(noises)), noises)
plt.show()

# %%
# **Gained: a network that outliers hardly move.** With them the squared error is off by 0.75, though it has chosen the
# strongest L2, and the other two by 0.48, about as much as without outliers. Where there are none, nothing is lost: the
# three are equal within their spread.
#
# **Lost: the mean.** With skewed noise the robust losses predict about 0.2 too little on average, as they must, since
# they do not estimate the mean. By the error of single rows one would not notice. Whoever adds predictions up, as with
# costs or sales, would.
#
# The step: weight decay is not L2
# --------------------------------
#
# ``weight_decay`` leaves the loss as it is and multiplies the weights by 1 - rate · decay in every step. With plain SGD
# that is the step of L2. With Adam it is not, because Adam rescales the gradient of L2 with the rest, and the decay is
# not rescaled (Loshchilov and Hutter, "Decoupled weight decay regularization", ICLR 2019). Without hidden layers L2 has
# an exact solution, that of ``LogisticRegression``. How far from it does training end?

X, y = load_breast_cancer(return_X_y=True)
X = scale(X)
exact = LogisticRegression(C=1 / (len(X) * 0.01), tol=1e-8, max_iter=1_000).fit(X, y).coef_.ravel()
ways = {"L2": {"penalty": "l2", "alpha": 0.01}, "weight decay": {"penalty": None, "weight_decay": 0.01}}
coefs = {}
for solver, rates in {"sgd": (0.3, 1.0), "adam": (0.03, 0.1)}.items():
    for rate in rates:
        for n_epochs in (50, 200):
            options = OPTIONS | {"solver": solver, "learning_rate_init": rate, "max_iter": n_epochs}
            for name, way in ways.items():
                linear = RegularizedMLPClassifier((), momentum=0, batch_size=64, **options, **way).fit(X, y)
                coefs[solver, rate, n_epochs, name] = linear.coefs_[0].ravel()
distances = pd.Series({key: np.linalg.norm(w - exact) / np.linalg.norm(exact) for key, w in coefs.items()})
print(distances.map("{:.1%}".format).rename_axis(["solver", "rate", "epochs", ""]).unstack().to_string())

_, axes = plt.subplots(1, 2, figsize=(9, 4.8), sharex=True, sharey=True)
for ax, (solver, rate) in zip(axes, (("sgd", 1.0), ("adam", 0.1)), strict=True):
    ax.axline((0, 0), slope=1, color="0.6", linewidth=1)
    for name, color, marker in (("weight decay", ORANGE, "s"), ("L2", BLUE, "o")):
        ax.plot(exact, coefs[solver, rate, 200, name], marker, color=color, markerfacecolor="none", label=name)
    ax.set(xlabel="coefficients of LogisticRegression", title=f"{solver}, 200 epochs, rate {rate:g}")
axes[0].set(ylabel="coefficients after training")
axes[0].legend()
plt.show()

# %%
# Distances in shares of the solution's length. L2 comes to the solution with both solvers, if they have enough steps.
# Decay does so with SGD. With Adam it ends elsewhere, and the further away the longer it trains and the larger the
# rate, so its strength means nothing without these two.
#
# That makes it hard to carry a strength over, and not bad. Against the wrong labels from above, both work equally well:

decays = [0.1, 0.3, 1, 3]
grid = [{"penalty": ["l2"], "alpha": ALPHAS}, {"weight_decay": decays}]
scoring = {"accuracy": "accuracy", "log-loss": "neg_log_loss"}
search = GridSearchCV(classifier, grid, scoring=scoring, cv=digit_splits, refit=False).fit(images, some_wrong)
lines = [f"L2 {alpha:g}" for alpha in ALPHAS] + [f"weight decay {decay:g}" for decay in decays]
print(scores_of(search, lines).groupby(level=0, sort=False).agg(mean_and_spread).to_string())

# %%
# Conclusion
# ----------
#
# **A changed loss changes what is predicted.** Label smoothing, class weights and robust losses each reach what they
# are used for. Smoothing and weights pay with the probabilities, robust losses with the mean. So first ask what is
# needed:
#
# * classes alone: smoothing, or L2, and whichever of them is better on validation rows;
# * probabilities: no smoothing and no class weights, and a threshold chosen afterwards (scikit-learn's
#   ``TunedThresholdClassifierCV`` does that), or weights and the correction;
# * a typical value: a robust loss; a mean or a sum: the squared error, and a look at the outliers themselves.
#
# **Weight decay** regularizes as well as L2 does, and its strength has to be searched anew for every learning rate and
# number of epochs.
#
# **Cost.** None of these makes training slower. Each has a number to choose, which the searches here try together.
#
# **Limits.** Small networks and a single source of data for each question, two of which are made up. The best strengths
# were chosen on the rows that judge them. Wrong labels here are wrong by chance; labels that are wrong for a reason,
# such as digits that look alike, are a harder case.

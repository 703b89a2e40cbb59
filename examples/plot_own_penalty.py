"""
The penalty I need is not there. How much work is it to add?
============================================================

A model was fitted where data are plenty; a similar question comes with only thirty rows. Shrinking its weights towards
zero would throw away what is known. Better to shrink the *difference* to the old weights, with L1, so that most of
them stay exactly as they were. No library has that penalty ready. You will see that it takes one class with two short
methods, how to check them, and what the penalty is worth here. A constraint of one's own comes last.
"""

# %%
# Two similar problems
# --------------------
#
# Forty columns, of which ten matter. In the new problem, the weights of three columns are others.

from typing import ClassVar

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import torch
from scipy.optimize import minimize

from skreg import RegularizedMLPRegressor
from skreg.constraints import Constraint
from skreg.model_selection import GridSearchCV
from skreg.penalties import L1, L2, ElasticNet, Penalty
from skreg.proximal import soft_threshold

torch.set_num_threads(1)
plt.rcParams.update({"font.size": 12})
BLUE, ORANGE, GREEN, GREY = "#0072B2", "#D55E00", "#009E73", "0.45"
N_COLUMNS, CHANGED = 40, [0, 1, 20]


def problem(seed, n_rows, weights):
    """Return rows of a linear problem with noise."""
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(n_rows, N_COLUMNS))
    return X, X @ weights + rng.normal(size=n_rows)


old_truth = np.zeros(N_COLUMNS)
old_truth[:10] = np.linspace(2, 0.5, 10)
new_truth = old_truth.copy()
new_truth[CHANGED] += [-1.5, 1.0, 1.0]

linear = {
    "hidden_layer_sizes": (),
    "learning_rate": "cosine",
    "learning_rate_init": 0.05,
    "max_iter": 300,
    "n_iter_no_change": np.inf,
    "random_state": 0,
}

# %%
# The penalty
# -----------
#
# ``value`` is the formula, and ``prox`` the minimizer of
#
# .. math:: \sum_j (z_j - w_j)^2 / (2 t_j) + \alpha \sum_j |z_j - c_j|
#
# where :math:`c` are the old weights. With :math:`z - c` as the unknown that is the problem of L1, so the soft
# threshold does it. Both methods get the weights of several networks at once, along the first axis: the batched
# searches of skreg work with this class as they do with the others. ``_parameter_constraints`` say what its parameters
# may be.


class L1Around(Penalty):
    """alpha * sum |W - center|, which leaves most weights exactly where they were."""

    _parameter_constraints: ClassVar[dict] = {**L1._parameter_constraints, "center": ["array-like"]}

    def __init__(self, center=(), alpha=1e-4):
        self.center = center
        self.alpha = alpha

    def _center(self, W):
        return torch.as_tensor(np.asarray(self.center), dtype=W.dtype, device=W.device).reshape(W.shape[1:])

    def value(self, W, alpha):
        """Return the penalty of each network."""
        return (alpha * (W - self._center(W)).abs()).sum(dim=(1, 2))

    def prox(self, W, step, alpha):
        """Return the minimizer of the proximal problem."""
        center = self._center(W)
        return center + soft_threshold(W - center, step * alpha)


# %%
# A formula that was derived by hand should be checked by a machine. A general optimizer, which knows nothing of soft
# thresholds, finds the same minimizer.

penalty = L1Around(center=np.array([1.0, -0.5, 0.0]))
point, step, alpha = np.array([1.3, -2.0, 0.1]), 0.7, 0.6


def proximal_problem(z):
    """Return what the proximal operator minimizes."""
    penalized = penalty.value(torch.as_tensor(z).reshape(1, 3, 1), alpha)
    return float(((z - point) ** 2).sum() / (2 * step) + penalized)


by_formula = penalty.prox(torch.as_tensor(point).reshape(1, 3, 1), step, alpha).ravel().numpy()
by_search = minimize(proximal_problem, point, method="Nelder-Mead", options={"xatol": 1e-10, "fatol": 1e-14}).x
print(f"formula: {by_formula.round(6)}   search: {by_search.round(6)}")

# %%
# Thirty rows
# -----------
#
# The old model sees 2,000 rows. The new one sees 30, and chooses its penalty's strength by cross-validation among them;
# all that for five draws of rows. What counts is the distance of its weights to the true ones.

X_old, y_old = problem(100, 2000, old_truth)
old_weights = RegularizedMLPRegressor(penalty=None, **linear).fit(X_old, y_old).coefs_[0].ravel()

alphas = np.geomspace(0.02, 2, 6)
penalties = {
    "L2 (to zero)": L2(),
    "L1 (to zero)": L1(),
    "elastic net (to zero)": ElasticNet(),
    "L1 around the old weights": L1Around(center=old_weights),
}
lines, last = [], {}
for seed in range(5):
    X_new, y_new = problem(seed, 30, new_truth)
    lines.append({"seed": seed, "model": "the old model as it is", "error": np.linalg.norm(old_weights - new_truth)})
    for name, penalty in penalties.items():
        search = GridSearchCV(
            RegularizedMLPRegressor(penalty=penalty, **linear),
            {"penalty__alpha": alphas},
            cv=4,
            scoring="neg_mean_squared_error",
        ).fit(X_new, y_new)
        weights = last[name] = search.best_estimator_.coefs_[0].ravel()
        unmoved = np.sum(weights == old_weights)
        lines.append({"seed": seed, "model": name, "error": np.linalg.norm(weights - new_truth), "unmoved": unmoved})
results = pd.DataFrame(lines)
summary = results.groupby("model", sort=False).agg(
    error=("error", "mean"), sd=("error", "std"), unmoved=("unmoved", "mean")
)
print(summary.round(2).to_string())

# %%
# Shrinking the change leaves less than half of the error of the best penalty that shrinks towards zero, and of the old
# model. Three quarters of the weights are, bit for bit, those of the old model (``unmoved``): thirty rows say nothing
# against them.

figure, ax = plt.subplots(figsize=(7, 4.5), layout="constrained")
columns = np.arange(N_COLUMNS)
ax.plot(columns, new_truth, "_", color="black", markersize=13, markeredgewidth=2.5, label="truth")
ax.plot(columns, old_weights, "o", color=GREY, markerfacecolor="none", markersize=9, label="old model, 2,000 rows")
ax.plot(columns, last["L1 (to zero)"], "x", color=ORANGE, markersize=6, label="L1 to zero, 30 rows")
ax.plot(columns, last["L1 around the old weights"], ".", color=BLUE, markersize=9, label="L1 around the old, 30 rows")
for column in CHANGED:
    ax.axvspan(column - 0.5, column + 0.5, color="0.92", zorder=0)
ax.set(xlabel="column (grey: its weight has changed)", ylabel="weight")
ax.legend(fontsize="small")
plt.show()

# %%
# Where nothing has changed, the dots lie in the circles. In the three grey columns they move towards the truth, and
# stop short of it, as L1 always does.
#
# A constraint
# ------------
#
# Constraints are as short: ``project`` moves weights to the nearest ones that are allowed, and ``prox`` does so for the
# penalty's problem. Here all weights lie between two numbers, as where they are shares or prices. With a penalty that
# treats every weight by itself and is convex, to take its step and then to clip is exact; without such a penalty the
# class refuses.


class Between(Constraint):
    """Every weight lies between low and high."""

    def __init__(self, low=0.0, high=1.0):
        self.low = low
        self.high = high

    def project(self, W):
        """Return the nearest weights that obey."""
        return W.clamp(self.low, self.high)

    def prox(self, W, step, penalty):
        """Return the minimizer of the penalty's problem among the weights that obey."""
        return self.project(W if penalty is None else penalty.prox(W, step))

    def check_penalty(self, penalty):
        """Refuse penalties for which clipping is not exact."""
        super().check_penalty(penalty)
        if not (penalty.penalty.convex and penalty.penalty.elementwise):
            raise ValueError(f"{self!r} needs a convex penalty of single weights; got {penalty.penalty!r}.")


X_new, y_new = problem(0, 30, new_truth)
bounded = RegularizedMLPRegressor(penalty="l1", alpha=0.05, constraint=Between(0, 2), **linear).fit(X_new, y_new)
weights = bounded.coefs_[0].ravel()
print(f"between {weights.min()} and {weights.max()}; {np.sum(weights == 0)} weights are exactly 0")
print(f"error: {np.linalg.norm(weights - new_truth):.2f}")

# %%
# The bounds hold exactly, and so do the zeros.
#
# Conclusion
# ----------
#
# A penalty is a formula and its proximal operator, and a constraint is a projection. Nothing else in skreg has to know
# of them: grid searches, exact zeros, early stopping and pickles work as before. Prior knowledge that fits the problem
# beats the choice among general penalties by far.
#
# **Cost.** About fifteen lines, and a check of the formula against a general optimizer.
#
# **Limits.** The center has the shape of one weight matrix, so this class is for models without hidden layers;
# ``for_layers`` would bind one center to each matrix of a network. A penalty without a closed form for its proximal
# operator needs a solver inside ``prox``, in every training step. And old weights help only as far as the old problem
# resembles the new one.

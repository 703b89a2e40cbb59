"""
Why does L1 give exact zeros when L2 does not?
==============================================

The usual picture shows a diamond and a disc that touch the contours of the loss. Here it is drawn around *fitted*
coefficients: you will see where the penalized solution of a small regression lies for L1, L2 and the elastic net, which
condition makes a coefficient exactly zero, and how the coefficients of a real data set shrink as ``alpha`` grows.

Without hidden layers, :class:`~skreg.RegularizedMLPRegressor` is a linear model, and its objective is that of
scikit-learn's ``Lasso`` and ``ElasticNet``. That makes it possible to check every coefficient.
"""

# %%
# Two correlated features
# -----------------------
#
# The target depends strongly on the first feature and weakly on the second. Both are centred, like the target.

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from sklearn.datasets import load_diabetes
from sklearn.linear_model import ElasticNet, Lasso, Ridge
from sklearn.preprocessing import scale

from skreg import RegularizedMLPRegressor

BLUE, ORANGE, GREEN, PINK, SKY, BROWN = "#0072B2", "#E69F00", "#009E73", "#CC79A7", "#56B4E9", "#8C510A"
plt.rcParams.update({"font.size": 12, "figure.constrained_layout.use": True})

rng = np.random.default_rng(0)
n_rows = 200
X = scale(rng.multivariate_normal([0, 0], [[1, 0.5], [0.5, 1]], size=n_rows))
y = X @ [2.0, 0.3] + rng.normal(size=n_rows)
y -= y.mean()

# %%
# A full batch and a step size that is annealed to zero give the minimizer to many digits. The loss is half the mean
# squared error; scikit-learn's ``Ridge`` does not divide by the number of rows, so there ``alpha`` is multiplied by
# it.

ALPHA = 0.7


def fit(X, y, learning_rate_init=0.1, **penalty):
    """Fit a linear model and return its coefficients."""
    model = RegularizedMLPRegressor(
        hidden_layer_sizes=(),
        batch_size=len(X),
        learning_rate="cosine",
        learning_rate_init=learning_rate_init,
        max_iter=600,
        random_state=0,
        **penalty,
    )
    return model.fit(X, y).coefs_[0].ravel()


solutions = {
    "no penalty": fit(X, y, penalty=None),
    "L1": fit(X, y, penalty="l1", alpha=ALPHA),
    "L2": fit(X, y, penalty="l2", alpha=ALPHA),
    "elastic net": fit(X, y, penalty="elasticnet", alpha=ALPHA, l1_ratio=0.5),
}
references = {
    "no penalty": np.linalg.lstsq(X, y)[0],
    "L1": Lasso(alpha=ALPHA, tol=1e-12).fit(X, y).coef_,
    "L2": Ridge(alpha=ALPHA * n_rows, tol=1e-12).fit(X, y).coef_,
    "elastic net": ElasticNet(alpha=ALPHA, l1_ratio=0.5, tol=1e-12).fit(X, y).coef_,
}
table = pd.DataFrame(solutions, index=["w1", "w2"]).T
table["w2 is exactly 0"] = table["w2"] == 0
table["difference from scikit-learn"] = [np.abs(solutions[k] - references[k]).max() for k in solutions]
print(table.round({"w1": 4, "w2": 4}).to_string(float_format="{:.4g}".format))

# %%
# Only L1 sets the second coefficient to zero, and to zero exactly. All four rows agree with scikit-learn's solvers.
# Now the picture: grey ellipses are contours of the loss, and the coloured curve holds all coefficients whose penalty
# is the same as that of the solution.

penalties = {
    "L1": lambda w1, w2: abs(w1) + abs(w2),
    "L2": lambda w1, w2: (w1**2 + w2**2) / 2,
    "elastic net": lambda w1, w2: (abs(w1) + abs(w2)) / 2 + (w1**2 + w2**2) / 4,
}
colors = {"L1": ORANGE, "L2": BLUE, "elastic net": GREEN}
hessian = X.T @ X / n_rows
w1, w2 = np.meshgrid(np.linspace(-1.9, 3.3, 400), np.linspace(-1.9, 2.3, 400))
offset = np.stack([w1, w2], axis=-1) - solutions["no penalty"]
excess_loss = 0.5 * np.einsum("...i,ij,...j", offset, hessian, offset)

figure, axes = plt.subplots(2, 2, figsize=(7, 7), sharex=True, sharey=True)
for ax, (name, omega) in zip(axes.flat, penalties.items(), strict=False):
    solution = solutions[name]
    at_solution = 0.5 * (solution - solutions["no penalty"]) @ hessian @ (solution - solutions["no penalty"])
    ax.contour(w1, w2, excess_loss, levels=at_solution * np.array([0.2, 0.5, 1, 2, 4]), colors="0.65", linewidths=1)
    ax.contour(w1, w2, excess_loss, levels=[at_solution], colors="0.3", linewidths=1.6)
    ball, level = omega(w1, w2), omega(*solution)
    ax.contourf(w1, w2, ball, levels=[0, level], colors=[colors[name]], alpha=0.25)
    ax.contour(w1, w2, ball, levels=[level], colors=[colors[name]], linewidths=2)
    ax.axhline(0, color="0.8", linewidth=0.8, zorder=0)
    ax.axvline(0, color="0.8", linewidth=0.8, zorder=0)
    (minimum,) = ax.plot(*solutions["no penalty"], "k+", markersize=11, markeredgewidth=2)
    (touching,) = ax.plot(*solution, "o", color="black", markersize=8)
    ax.set_title(
        f"{name}: ({solution[0]:.2f}, {solution[1]:.2f})" if solution[1] else f"{name}: ({solution[0]:.2f}, 0)"
    )
    ax.set_aspect("equal")
for ax in axes[:, 0]:
    ax.set_ylabel("second weight $w_2$")
for ax in (axes[0, 1], axes[1, 0]):
    ax.set_xlabel("first weight $w_1$")
    ax.tick_params(labelbottom=True)
axes[1, 1].axis("off")
handles = [
    minimum,
    touching,
    plt.Line2D([], [], color="0.3", linewidth=1.6),
    plt.Rectangle((0, 0), 1, 1, facecolor="0.8", edgecolor="0.3", linewidth=2),
]
labels = ["minimum of the loss", "penalized solution", "loss at the solution", "penalty at the solution,\nand less"]
axes[1, 1].legend(handles, labels, loc="center", frameon=False)
plt.show()

# %%
# The ellipse meets the diamond at a corner, where the second weight is zero. The disc has no corners: the ellipse
# touches it where both weights are different from zero. The second is even a little larger than without a penalty: of
# two features that go together, L2 lets both carry a part. The elastic net has corners too, but blunter ones, and at
# this strength the ellipse touches one of its curved edges.
#
# The condition behind the picture
# --------------------------------
#
# At a minimum, zero must be one of the slopes of loss plus penalty. The slope of :math:`\alpha|w|` is
# :math:`\pm\alpha` away from zero, and *everything between* :math:`-\alpha` and :math:`\alpha` at zero. So a weight
# stays at zero as long as the slope of the loss there is at most ``alpha``.

slope = hessian @ (solutions["L1"] - solutions["no penalty"])
print(f"L1, slope of the loss along w1: {slope[0]:+.4f}   (alpha = {ALPHA})")
print(f"L1, slope of the loss along w2: {slope[1]:+.4f}")

# %%
# Along the first weight, the slope of the loss is exactly ``-alpha`` and cancels that of the penalty. Along the second
# it is smaller than ``alpha`` in size, and zero is optimal. The slope of :math:`\tfrac{\alpha}{2} w^2` is
# :math:`\alpha w`: zero at zero, so it cannot hold a weight there against any slope of the loss.
#
# Twelve strengths on real data
# -----------------------------
#
# Six measurements of the diabetes data, standardized like the target. Each point is one fit; open circles are weights
# that are exactly zero.

diabetes = load_diabetes(as_frame=True)
names = ["sex", "bmi", "bp", "s3", "s5", "s6"]
X, y = scale(diabetes.data[names].to_numpy()), scale(diabetes.target.to_numpy())
alphas = np.geomspace(0.005, 1, 12)
paths = {name: np.array([fit(X, y, 0.03, penalty=name, alpha=alpha) for alpha in alphas]) for name in ("l1", "l2")}
lasso = np.array([Lasso(alpha=alpha, tol=1e-12).fit(X, y).coef_ for alpha in alphas])

figure, axes = plt.subplots(2, 1, figsize=(7, 7.5), sharex=True, sharey=True)
for ax, (name, path) in zip(axes, paths.items(), strict=True):
    styles = zip(names, path.T, (BLUE, ORANGE, GREEN, PINK, SKY, BROWN), "s^DvPX", strict=True)
    for label, weights, color, marker in styles:
        shown = np.where(weights != 0, weights, np.nan)
        ax.plot(alphas, weights, color=color, linewidth=1.8)
        ax.plot(alphas, shown, marker, color=color, markersize=6, label=label)
    is_zero = (path == 0).any(axis=1)
    ax.plot(alphas[is_zero], np.zeros(is_zero.sum()), "ko", markerfacecolor="white", markersize=9, label="exactly 0")
    ax.set(xscale="log", ylabel="weight", title=name.upper())
axes[1].set_xlabel("alpha")
figure.legend(*axes[0].get_legend_handles_labels(), ncols=4, loc="outside upper center", frameon=False)
plt.show()

# %%
# L1 drops one measurement after the other until none is left. L2 drops none. It shrinks the weights as a whole, but
# not each of them: that of ``s6`` grows, since it takes over from others that it goes together with.

counts = pd.DataFrame({name: (path == 0).sum(axis=1) for name, path in paths.items()}, index=alphas.round(4))
print(counts.rename_axis(index="alpha", columns="weights that are exactly 0").to_string())
print(f"Largest difference from scikit-learn's Lasso: {np.abs(paths['l1'] - lasso).max():.1e}")
print(f"Same weights are zero: {np.array_equal(paths['l1'] == 0, lasso == 0)}")

# %%
# Conclusion
# ----------
#
# Corners make zeros. A penalty has a corner where its slope jumps, and a weight stays in the corner as long as the
# slope of the loss is smaller than the jump. skreg reaches such points because its optimizers take proximal steps;
# adding the derivative of ``|w|`` to the gradient, as most frameworks do, only makes weights jitter around zero.
#
# **Cost.** Each fit takes a fraction of a second here, where scikit-learn's coordinate descent needs milliseconds: for
# a linear model, use ``Lasso``. The point is that the same penalty works on every layer of a network.
#
# **Limits.** With hidden layers the problem is not convex: the zeros are exact, but another seed gives other ones. And
# zero weights select *connections*; an input is only dropped once all of its weights are zero.

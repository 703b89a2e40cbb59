"""
Why does L1 give exact zeros when L2 does not?
==============================================

The usual picture shows a diamond and a disc that touch the contours of the loss. Here it is drawn around *fitted*
coefficients: you will see where the penalized solution of a small regression lies for L1, L2, the elastic net and the
group lasso, which condition makes a coefficient exactly zero, and how the coefficients of a real data set shrink as
``alpha`` grows.

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
from skreg.inspection import PenaltyGeometryDisplay
from skreg.penalties import L1, GroupLasso

BLUE, ORANGE, GREEN, PINK, SKY, BROWN = "#0072B2", "#E69F00", "#009E73", "#CC79A7", "#56B4E9", "#8C510A"
plt.rcParams.update({"font.size": 12, "figure.constrained_layout.use": True})

rng = np.random.default_rng(0)
n_rows = 200
X = scale(rng.multivariate_normal([0, 0], [[1, 0.5], [0.5, 1]], size=n_rows))
y = X @ [2.0, 0.3] + rng.normal(size=n_rows)
y -= y.mean()

# %%
# A full batch and a step size that is annealed to zero give the minimizer to many digits. The group lasso has both
# weights in one group, so its penalty is the length of the arrow from zero to them (times :math:`\\sqrt 2`, for two
# features). The loss is half the mean squared error; scikit-learn's ``Ridge`` does not divide by the number of rows, so
# there ``alpha`` is multiplied by it.

ALPHA = 0.7


def fit(X, y, learning_rate_init=0.1, **penalty):
    """Fit a linear model."""
    model = RegularizedMLPRegressor(
        hidden_layer_sizes=(),
        batch_size=len(X),
        learning_rate="cosine",
        learning_rate_init=learning_rate_init,
        max_iter=600,
        random_state=0,
        **penalty,
    )
    return model.fit(X, y)


models = {
    "L1": fit(X, y, penalty="l1", alpha=ALPHA),
    "L2": fit(X, y, penalty="l2", alpha=ALPHA),
    "elastic net": fit(X, y, penalty="elasticnet", alpha=ALPHA, l1_ratio=0.5),
    "group lasso": fit(X, y, penalty=GroupLasso(alpha=ALPHA, groups=[[0, 1]])),
}
references = {
    "L1": Lasso(alpha=ALPHA, tol=1e-12),
    "L2": Ridge(alpha=ALPHA * n_rows, tol=1e-12),
    "elastic net": ElasticNet(alpha=ALPHA, l1_ratio=0.5, tol=1e-12),
}
table = pd.DataFrame({name: model.coefs_[0][:, 0] for name, model in models.items()}, index=["w1", "w2"]).T
table.loc["least squares"] = np.linalg.lstsq(X, y)[0]
table["w2 is exactly 0"] = table["w2"] == 0
for name, reference in references.items():
    difference = models[name].coefs_[0][:, 0] - reference.fit(X, y).coef_
    table.loc[name, "difference from scikit-learn"] = np.abs(difference).max()
print(table.round({"w1": 4, "w2": 4}).to_string(float_format="{:.4g}".format, na_rep=""))

# %%
# Only L1 sets the second coefficient to zero, and to zero exactly. The first three rows agree with scikit-learn's
# solvers; it has no group lasso for one output. The last row is the minimum of the loss.
#
# Now the picture. :class:`~skreg.inspection.PenaltyGeometryDisplay` draws contours of the loss in grey, in dark the one
# through the solution, and fills all points whose penalty is at most that of the solution.

figure, axes = plt.subplots(2, 2, figsize=(7, 7), sharex=True, sharey=True)
for ax, (name, model), color in zip(axes.flat, models.items(), (ORANGE, BLUE, GREEN, PINK), strict=True):
    display = PenaltyGeometryDisplay.from_estimator(model, X, y, color=color, legend=False, ax=ax)
    ax.set(title=f"{name}, {display.solution_.get_label()}", xlim=(-2, 3.2), ylim=(-2, 2.4))
    ax.title.set_fontsize("medium")
    ax.label_outer()
markers = {"minimum of the loss": display.minimum_, "solution": display.solution_}
figure.legend(markers.values(), markers.keys(), ncols=2, loc="outside lower center", frameon=False)
plt.show()

# %%
# The contour touches the diamond at a corner, where the second weight is zero. The disc of L2 has no corners: the
# contour touches it where both weights are different from zero. The second is even a little larger than without a
# penalty: of two features that go together, L2 lets both carry a part. The elastic net has corners too, but blunter
# ones, and at this strength the contour touches one of its curved edges.
#
# The ball of the group lasso is a disc, like that of L2. Yet this penalty makes zeros: its only corner is at zero
# itself, where the cone of lengths has its tip. So it keeps both weights or none.

for alpha in (0.7, 1.1, 1.5, 1.9):
    weights = [fit(X, y, penalty=p).coefs_[0][:, 0] for p in (L1(alpha), GroupLasso(alpha, groups=[[0, 1]]))]
    print(f"alpha = {alpha}   L1: {weights[0].round(3)!s:16s} group lasso: {weights[1].round(3)}")

# %%
# L1 has dropped one weight at all four strengths. The group lasso keeps both, shorter and shorter, up to 1.5; at 1.9
# both are gone. In a network a group is all weights of a feature, and what goes is the feature.
# (:class:`~skreg.penalties.SparseGroupLasso` adds L1 to it and has both kinds of corners: whole features go, and single
# weights of those that stay.)
#
# The condition behind the picture
# --------------------------------
#
# At a minimum, zero must be one of the slopes of loss plus penalty. The slope of :math:`\alpha|w|` is
# :math:`\pm\alpha` away from zero, and *everything between* :math:`-\alpha` and :math:`\alpha` at zero. So a weight
# stays at zero as long as the slope of the loss there is at most ``alpha``.

slope = X.T @ (models["L1"].predict(X) - y) / n_rows
print(f"L1, slope of the loss along w1: {slope[0]:+.4f}   (alpha = {ALPHA})")
print(f"L1, slope of the loss along w2: {slope[1]:+.4f}")

# %%
# Along the first weight, the slope of the loss is exactly ``-alpha`` and cancels that of the penalty. Along the second
# it is smaller than ``alpha`` in size, and zero is optimal. The slope of :math:`\tfrac{\alpha}{2} w^2` is
# :math:`\alpha w`: zero at zero, so it cannot hold a weight there against any slope of the loss. For a group, the
# length of the vector of slopes takes the place of the slope.
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
paths = {
    name: np.array([fit(X, y, 0.03, penalty=name, alpha=alpha).coefs_[0][:, 0] for alpha in alphas])
    for name in ("l1", "l2")
}
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

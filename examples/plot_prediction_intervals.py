"""
How far off can a prediction be?
================================

A single number hides how sure a network is. This example predicts intervals: three quantiles from one network, whose
width follows the noise in the data. Beside them stands the spread of predictions with dropout, which is meant to show
where the network has seen few rows, and does so only faintly. The intervals are judged on fresh rows, because on the
training rows they can look too good.
"""

# %%
# Noise that grows, and a gap
# ---------------------------
#
# The curve is the same everywhere, the noise grows from left to right, and no row has an x between 0.5 and 1.5.

import matplotlib.pyplot as plt
import numpy as np
from sklearn.metrics import mean_pinball_loss

from skreg import RegularizedMLPRegressor


def draw(n_rows, rng):
    """Return x in [-2, 3] without (0.5, 1.5), and y with noise that grows with x."""
    x = rng.uniform(-2, 2, n_rows)
    x = np.where(x > 0.5, x + 1, x)
    return x[:, None], np.sin(2 * x) + (0.05 + 0.12 * (x + 2)) * rng.normal(size=n_rows)


rng = np.random.default_rng(0)
X, y = draw(400, rng)
X_new, y_new = draw(5000, rng)

# %%
# Three quantiles from one network
# --------------------------------
#
# ``quantile=[0.1, 0.5, 0.9]`` predicts all three levels at once. The middle one is an output of the network, and the
# others are a positive distance away from it, so they cannot cross. L2 keeps them smooth. (A target in units far from
# one, such as a price, is standardized by :class:`skreg.compose.TransformedTargetRegressor`, which gives the quantiles
# back in its units.)

options = {
    "hidden_layer_sizes": (50, 50),
    "activation": "tanh",
    "alpha": 1e-4,
    "learning_rate": "cosine",
    "learning_rate_init": 0.01,
    "max_iter": 200,
    "batch_size": 50,
    "random_state": 0,
}
levels = [0.1, 0.5, 0.9]
quantiles = RegularizedMLPRegressor(**options, loss="quantile", quantile=levels).fit(X, y)


def coverage(X, y):
    """Return the share of rows between the outer quantiles."""
    predicted = quantiles.predict(X)
    return np.mean((predicted[:, 0] <= y) & (y <= predicted[:, 2]))


print(f"between the quantiles 0.1 and 0.9: {coverage(X, y):.0%} of the training rows")
print(f"                                   {coverage(X_new, y_new):.0%} of new rows")

# %%
# The aim is 80 %. Is the width right everywhere, or only on average? The noise grows fivefold from the left part to the
# right one, and so does the width. Within single parts the coverage is off by some points, as one can expect of 400
# rows:

for low, high in [(-2, -1), (-1, 0.5), (1.5, 3)]:
    part = (X_new[:, 0] >= low) & (X_new[:, 0] < high)
    width = np.diff(quantiles.predict(X_new[part])[:, [0, 2]], axis=1).mean()
    print(f"x from {low:4} to {high:4}: mean width {width:.2f}, {coverage(X_new[part], y_new[part]):.0%} inside")

# %%
# Three networks instead, one for each level, need three times the time, are free to cross, and are no better on new
# rows (here they do not cross):

separate = np.column_stack(
    [RegularizedMLPRegressor(**options, loss="quantile", quantile=q).fit(X, y).predict(X_new) for q in levels]
)
together = quantiles.predict(X_new)
for name, predicted in [("together", together), ("one by one", separate)]:
    loss = np.mean([mean_pinball_loss(y_new, predicted[:, i], alpha=q) for i, q in enumerate(levels)])
    crossing = np.mean(np.diff(predicted, axis=1).min(axis=1) < 0)
    print(f"{name:10}: pinball loss {loss:.4f}, {crossing:.1%} of the rows with crossing quantiles")

# %%
# What dropout says
# -----------------
#
# A network for the mean, with dropout. Each of 200 samples leaves out other units.

dropout = RegularizedMLPRegressor(**options | {"max_iter": 400}, dropout=0.1).fit(X, y)
grid = np.linspace(-3, 4, 300)[:, None]
samples = dropout.predict_dropout_samples(grid, n_samples=200, random_state=0)
for name, low, high in [("rows on the left", -2, 0.5), ("the gap", 0.5, 1.5), ("beyond all rows", 3.2, 4)]:
    part = (grid[:, 0] > low) & (grid[:, 0] < high)
    print(f"{name:16}: mean spread of the samples {samples.std[part].mean():.2f}")

fig, axes = plt.subplots(1, 2, figsize=(10, 4), sharey=True, layout="constrained")
for ax in axes:
    ax.scatter(X, y, s=6, color="0.6", label="training rows")
    ax.plot(grid, np.sin(2 * grid), color="black", linestyle=":", label="the mean without noise")
    ax.set(xlabel="x", ylim=(-3, 3))
low, middle, high = quantiles.predict(grid).T
axes[0].fill_between(grid[:, 0], low, high, color="C0", alpha=0.3, label="quantiles 0.1 to 0.9")
axes[0].plot(grid, middle, color="C0", label="median")
axes[0].set(ylabel="y", title="Quantiles: the noise of the data")
axes[1].fill_between(
    grid[:, 0],
    samples.mean - 2 * samples.std,
    samples.mean + 2 * samples.std,
    color="C1",
    alpha=0.3,
    label="mean ± 2 sd",
)
axes[1].plot(grid, samples.mean, color="C1", label="mean of the samples")
axes[1].set(title="Dropout: the spread of the samples")
for ax in axes:
    ax.legend(loc="lower left", fontsize="small")
plt.show()

# %%
# Conclusion
# ----------
#
# The two pictures answer different questions. Quantiles describe how y scatters around its centre at a given x, and can
# be checked by counting. The spread of dropout samples ignores that scatter, is much the same everywhere, and grows
# only a little in the gap; beyond the last rows, where the network is simply wrong, it does not grow at all. Quantiles
# do not know either what happens where no rows were: they go on with the width that the network has learned nearby. A
# few hundred rows make rough 10 % quantiles; for a guarantee of the coverage, add a conformal correction on held-out
# rows. Cost: each network here trains in a few seconds.

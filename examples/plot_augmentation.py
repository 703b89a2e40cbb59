"""
Noise on the inputs, and images that move
=========================================

``augmentation`` shows the network its rows a little changed, in every step in another way. You will see that noise on
the inputs of a linear model is an L2 penalty, that on a network it is something else, and how an augmentation of your
own tells the network what you know: that a digit moved by a pixel is the same digit.
"""

# %%
# Noise is a penalty
# ------------------
#
# A linear model, ten columns, half of the squared error. In expectation, noise of standard deviation :math:`\sigma`
# adds :math:`\tfrac12 \sigma^2 \lVert w \rVert^2` to the loss, which is ``penalty="l2"`` with ``alpha``
# :math:`= \sigma^2`. We fit both, for several :math:`\sigma`, and a network with 50 hidden units besides. The scores
# are those of ten random splits into 309 rows to train and 133 to test.

import matplotlib.pyplot as plt
import numpy as np
import torch
from sklearn.datasets import load_diabetes, load_digits
from sklearn.model_selection import ShuffleSplit
from sklearn.preprocessing import scale

from skreg import RegularizedMLPClassifier, RegularizedMLPRegressor
from skreg.augmentation import BatchTransform, GaussianNoise
from skreg.model_selection import GridSearchCV, cross_validate

torch.set_num_threads(1)
plt.rcParams.update({"font.size": 12, "figure.constrained_layout.use": True})
BLUE, ORANGE, GREEN = "#0072B2", "#D55E00", "#009E73"

X, y = load_diabetes(return_X_y=True)
X, y = scale(X).astype(np.float32), scale(y).astype(np.float32)
stddev = np.array([0.0, 0.1, 0.2, 0.3, 0.5, 0.7, 1.0])
folds = ShuffleSplit(10, test_size=0.3, random_state=0)
options = {"batch_size": 32, "max_iter": 100, "n_iter_no_change": np.inf, "random_state": 0}


def scores(hidden_layer_sizes, grid, **more):
    """Return the mean R² for every candidate of a grid."""
    network = RegularizedMLPRegressor(hidden_layer_sizes, learning_rate_init=0.005, **options, **more)
    return GridSearchCV(network, grid, cv=folds, refit=False).fit(X, y).cv_results_["mean_test_score"]


fig, axes = plt.subplots(1, 2, figsize=(9, 4), sharey=True)
for ax, units, title in zip(axes, [(), (50,)], ["linear model", "50 hidden units"], strict=True):
    by_noise = scores(units, {"augmentation__stddev": stddev}, penalty=None, augmentation=GaussianNoise())
    by_penalty = scores(units, {"alpha": stddev**2})
    ax.plot(stddev, by_noise, "o-", color=BLUE, label="noise of this standard deviation")
    ax.plot(stddev, by_penalty, "s--", color=ORANGE, label="L2 penalty of its square")
    ax.set(title=title, xlabel="σ")
    print(f"{title}: noise {by_noise.max():.3f} at {stddev[by_noise.argmax()]}, ", end="")
    print(f"penalty {by_penalty.max():.3f} at {stddev[by_penalty.argmax()]}, neither {by_noise[0]:.3f}")
axes[0].set(ylabel="R² on other rows")
axes[1].legend()
plt.show()

# %%
# For the linear model the two lines are one. For the network they are not: the noise keeps its outputs from changing
# quickly where there are rows, the penalty keeps all weights small, those of the output layer too. The network without
# either has learned its 309 rows by heart.

# %%
# What you know of your rows
# --------------------------
#
# Images of digits, 8 by 8 pixels. Whoever wrote them could have begun a pixel further to the left. A
# :class:`~skreg.augmentation.BatchTransform` says so: it moves a share of the images of every batch by a pixel, in a
# random direction. Its tensors have the networks that are trained together along the first axis, and random numbers
# come from what the trainer gives it, so that each of these networks comes out as if it were trained alone.


class MovedImages(BatchTransform):
    """Moves some images by up to a pixel, up or down and to a side."""

    member_parameters = ("share",)

    def __init__(self, share=0.25):
        self.share = share

    def __call__(self, batch, random):
        """Return a batch with other images."""
        images = torch.nn.functional.pad(batch.X.unflatten(2, (8, 8)), (1, 1, 1, 1))
        first = (3 * random.uniform(batch.X[..., :2])).long()  # 0, 1 or 2: the first row and column to be seen
        rows, columns = (first[..., [axis]] + torch.arange(8) for axis in (0, 1))
        moved = images.take_along_dim(rows.unsqueeze(3), dim=2).take_along_dim(columns.unsqueeze(2), dim=3)
        is_moved = random.uniform(batch.X[..., :1]) < self.share
        return batch._replace(X=moved.flatten(2).where(is_moved, batch.X))


# %%
# 200 images to train, 1,000 to test, five times. The test images are taken as they are, and once more one pixel further
# to the right.

X, y = load_digits(return_X_y=True)
X = (X / 8).astype(np.float32)
to_the_right = np.pad(X.reshape(-1, 8, 8), ((0, 0), (0, 0), (1, 0)))[:, :, :-1].reshape(X.shape)
folds = ShuffleSplit(5, train_size=200, test_size=1000, random_state=0)
network = RegularizedMLPClassifier((100,), penalty=None, learning_rate_init=0.003, **options)
rows = {
    "as they are": None,
    "noise": GaussianNoise(0.5),
    "a quarter moved": MovedImages(0.25),
    "half of them moved": MovedImages(0.5),
}
results = {"as they are": [], "moved by a pixel": []}
for augmentation in rows.values():
    fitted = cross_validate(network.set_params(augmentation=augmentation), X, y, cv=folds, return_estimator=True)
    tests = [test for _, test in folds.split(X)]
    for name, images in zip(results, [X, to_the_right], strict=True):
        right = [model.score(images[test], y[test]) for model, test in zip(fitted["estimator"], tests, strict=True)]
        results[name].append(np.mean(right))

fig, ax = plt.subplots(figsize=(8, 4))
places = np.arange(len(rows))
for place, (name, accuracy), color in zip([-0.2, 0.2], results.items(), [BLUE, GREEN], strict=True):
    bars = ax.barh(places + place, accuracy, 0.38, color=color, label=name)
    ax.bar_label(bars, fmt="%.3f", padding=3)
ax.set(yticks=places, yticklabels=rows, xlim=(0, 1.15), xlabel="accuracy", ylabel="images to train on")
ax.invert_yaxis()
fig.legend(title="images to test on", loc="outside right upper", frameon=False)
plt.show()

# %%
# Moved images in training help a little on images that nobody has moved, and very much on those that are. Noise, which
# knows nothing of images, helps the first alone.

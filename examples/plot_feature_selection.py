"""
Which features matter? A path knows the order, not where to stop
================================================================

Sixty features were measured, five matter, and one of those five has no linear effect at all. You will see in which
order a network drops features as the penalty grows, why the strength that predicts best keeps many features too many,
and how an adaptive second stage, relaxed refits and the one-standard-error rule together find the five.
"""

# %%
# Data whose truth is known
# -------------------------
#
# :func:`~skreg.datasets.make_interactions` makes a target of main effects, interactions and one square. Features 0 to 4
# matter. Features 5 to 9 are decoys, each correlated with one of them, and the rest is noise. All of them have mean 0
# and variance 1; other data should be standardized first, because the penalty compares weights.

import time

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd

from skreg import RegularizedMLPRegressor
from skreg.datasets import make_interactions
from skreg.model_selection import RegularizationPathDisplay, RegularizedMLPRegressorCV, regularization_path

plt.rcParams.update({"font.size": 12, "figure.constrained_layout.use": True})
BLUE, ORANGE = "#0072B2", "#D55E00"

TRUE = range(5)
X, y = make_interactions(n_samples=300, n_features=60, random_state=0)
X_test, y_test = make_interactions(n_samples=2000, n_features=60, random_state=1)

# %%
# The order
# ---------
#
# The group lasso penalizes, for each feature, the norm of its weights into the first layer, so that whole features
# become zero. A path fits networks for a grid of strengths, from the weakest to the one that leaves no feature.

TRAINING = {"learning_rate": "cosine", "learning_rate_init": 0.01, "max_iter": 100, "batch_size": 50, "random_state": 0}
network = RegularizedMLPRegressor((20,), penalty="group_lasso", **TRAINING)
path = regularization_path(network, X, y, alphas=20, X_val=X_test, y_val=y_test)
display = RegularizationPathDisplay(path).plot(highlight=TRUE)
display.ax_[0].set_title("coloured: the five features that matter")
display.ax_[1].set_ylabel("test R²")
plt.show()
print(path.frame().round(3).to_string(index=False))
for i in range(0,20):
    print(path.alphas[i].round(3), path.selected[i], path.scores[i].round(3))
used = (path.importances>0).sum(0)
print(used)
print(path.importances[np.flatnonzero(path.n_selected>4)[-1]].round(3))

def choose(**options):
    """Return an estimator that has chosen its strength by cross-validation, and the seconds that took."""
    start = time.perf_counter()
    model = RegularizedMLPRegressorCV((20,), cv=3, alphas=20, **TRAINING, **options).fit(X, y)
    return model, time.perf_counter() - start

chosen = {
    "best": choose(),
    "one_se": choose(selection="one_se"),
    "relax, one_se": choose(relax=True, selection="one_se"),
    "adaptive, one_se": choose(adaptive=True, selection="one_se"),
    "adaptive, relax": choose(adaptive=True, relax=True),
    "adaptive, relax, one_se": choose(adaptive=True, relax=True, selection="one_se"),
}
for name,(m,s) in chosen.items():
    print(name, len(m.selected_features_), set(TRUE)<=set(m.selected_features_), round(m.score(X_test,y_test),3), s, m.alpha_)
    print(m.alphas_.round(3), m.scores_path_.mean(0).round(3), m.n_selected_path_.mean(0).round(1))
print(RegularizedMLPRegressor((20,), alpha=(0, 1e-3), **TRAINING).fit(X[:, TRUE], y).score(X_test[:, TRUE], y_test))

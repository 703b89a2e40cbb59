"""How often a comparison finds differences where there are none, and how often it finds those that there are.

Eight estimators are scored on ten outer folds (two repeats of five), thousands of times, as
:func:`skreg.inspection.compare_regularizers` would score them. Three ways to judge the scores by the same corrected
t-tests are compared: the max-t procedure of skreg, Holm's, and none for being several.

- *planned*: all estimators against the first, as in ``comparison.tests()``;
- *words*: what ``comparison.summary()`` claims, that the best is better than the first, or than another one. With Holm,
  over all pairs, as was done before.

False alarms are shares of comparisons with at least one of them; they should be 5 %. Power is the share of real
differences from the first (planned), and from the best (words), that are found.

The folds:

- *normal*: scores are normal, any two folds correlated by n_test / (n_test + n_train), as Nadeau and Bengio assume, and
  all estimators by what makes a fold hard for everybody;
- *seeds*: eight times the same ridge regression on twenty random units, which only differ in their seeds, on 100 rows;
- *columns*: least squares on five columns that matter, and five columns of noise, others for each estimator.

    python benchmarks/bench_significance.py [--simulations 2000]
"""

import argparse
from itertools import product

import numpy as np
from scipy import stats

from skreg.inspection import _significance
from skreg.inspection._significance import adjusted_pvalues, pvalues_of_the_best

N_ESTIMATORS, N_REPEATS, N_SPLITS, N_ROWS = 8, 2, 5, 100
ROWS = {"n_train": 80, "n_test": 20}
LEVEL = 0.05
PROCEDURES = ("max-t", "Holm", "uncorrected")
EQUAL = np.zeros(N_ESTIMATORS)
# In standard deviations of a fold's own noise.
REGULARIZED = np.array([0, 1.5, 1.8, 1.8, 1.5, 1.5, 1.5, 2.1])
GROUPS = np.array([0, 0, 0, 0, 1.8, 1.8, 1.8, 1.8])
NOISY_FIRST = np.array([2, *[0.7] * 7])


def normal_scores(random, means=EQUAL, noise=1.0, n_repeats=N_REPEATS):
    """Return scores of shape (n_folds, n_estimators), with correlations among folds and among estimators."""
    n_folds, share = n_repeats * N_SPLITS, ROWS["n_test"] / N_ROWS
    fold = np.sqrt(1 - share) * random.normal(size=(n_folds, 1)) + np.sqrt(share) * random.normal()
    own = np.sqrt(1 - share) * random.normal(size=(n_folds, len(means))) + np.sqrt(share) * random.normal(
        size=len(means)
    )
    return means + noise * own + 1.5 * fold


def cross_validated(random, columns_of, y):
    """Return R² of ridge regressions in repeated cross-validation; `columns_of` makes an estimator's columns."""
    scores = []
    for _ in range(N_REPEATS):
        order = random.permutation(N_ROWS)
        for test in np.array_split(order, N_SPLITS):
            train = np.setdiff1d(order, test)
            scores.append([])
            for estimator in range(N_ESTIMATORS):
                Z = columns_of(estimator)
                weights = np.linalg.solve(Z[train].T @ Z[train] + np.eye(Z.shape[1]), Z[train].T @ y[train])
                scores[-1].append(1 - np.mean((y[test] - Z[test] @ weights) ** 2) / np.var(y[test]))
    return np.array(scores)


def scores_of_seeds(random):
    """Return scores of networks with random hidden units, which every fit draws anew."""
    X = random.normal(size=(N_ROWS, 5))
    y = np.sin(X[:, 0]) + X[:, 1] + 0.5 * random.normal(size=N_ROWS)
    return cross_validated(random, lambda _: np.tanh(X @ random.normal(size=(5, 20))), y)


def scores_of_columns(random):
    """Return scores of least squares with columns of noise of their own."""
    X, noise = random.normal(size=(N_ROWS, 5)), random.normal(size=(N_ESTIMATORS, N_ROWS, 5))
    y = X.sum(axis=1) + 2 * random.normal(size=N_ROWS)
    return cross_validated(random, lambda estimator: np.hstack([X, noise[estimator]]), y)


def holm(pvalues):
    """Return p-values after Holm's correction (Scandinavian Journal of Statistics 6, 1979)."""
    order = np.argsort(pvalues)
    corrected = np.empty(len(pvalues))
    factors = np.arange(len(pvalues), 0, -1)
    corrected[order] = np.minimum(np.maximum.accumulate(pvalues[order] * factors), 1)
    return corrected


def claims_of(scores):
    """Return which differences each procedure claims: from the first, and from the best.

    Returns
    -------
    dict of str to tuple
        For each procedure two boolean arrays of shape (n_estimators,).
    """
    first, second = np.triu_indices(scores.shape[1], 1)
    best = scores.mean(axis=0).argmax()
    differences = scores[:, second] - scores[:, first]
    variance = (1 / len(scores) + ROWS["n_test"] / ROWS["n_train"]) * differences.var(axis=0, ddof=1)
    # As corrected_ttest, for all pairs at once.
    alone = 2 * stats.t.sf(np.abs(differences.mean(axis=0)) / np.sqrt(variance), len(scores) - 1)
    all_pairs = holm(alone)

    def of(pvalues, estimator):
        """Return those of the pairs with one estimator, in the order of the others; 1 for itself."""
        values = pvalues[(first == estimator) | (second == estimator)]
        return np.insert(values, estimator, 1.0)

    adjusted = np.insert(adjusted_pvalues(scores[:, 1:] - scores[:, :1], **ROWS), 0, 1.0)
    of_best = np.nan_to_num(pvalues_of_the_best(scores, **ROWS), nan=1.0)
    if best != 0:
        of_best[0] = adjusted[best]  # that comparison was planned
    pairs = {
        "max-t": (adjusted, of_best),
        "Holm": (np.insert(holm(of(alone, 0)[1:]), 0, 1.0), of(all_pairs, best)),
        "uncorrected": (of(alone, 0), of(alone, best)),
    }
    return {name: tuple(pvalues < LEVEL for pvalues in both) for name, both in pairs.items()}


def study(make_scores, n_simulations, means=EQUAL, seed=0):
    """Return shares of false alarms, and of real differences found, for each procedure."""
    random = np.random.default_rng(seed)
    counts = {}
    for _ in range(n_simulations):
        scores = make_scores(random)
        best = scores.mean(axis=0).argmax()
        real = means != means[0], means < means[best]
        for procedure, claims in claims_of(scores).items():
            for question, claimed, is_real in zip(("planned", "words"), claims, real, strict=True):
                of_question = counts.setdefault((procedure, question), [])
                found = np.mean(claimed[is_real]) if is_real.any() else np.nan
                of_question.append((np.any(claimed & ~is_real), found))
    mean = np.mean if means is EQUAL else np.nanmean  # the best may be the worst, and then nothing is to be found
    return {key: mean(values, axis=0) for key, values in counts.items()}


SCENARIOS = {
    "normal": (normal_scores, EQUAL),
    "normal, noisy first": (lambda random: normal_scores(random, noise=NOISY_FIRST), EQUAL),
    "normal, 5 folds": (lambda random: normal_scores(random, n_repeats=1), EQUAL),
    "seeds": (scores_of_seeds, EQUAL),
    "columns": (scores_of_columns, EQUAL),
    "all but the first gain": (lambda random: normal_scores(random, REGULARIZED), REGULARIZED),
    "the same, noisy first": (lambda random: normal_scores(random, REGULARIZED, NOISY_FIRST), REGULARIZED),
    "half of them gain": (lambda random: normal_scores(random, GROUPS), GROUPS),
    "the same, 5 folds": (lambda random: normal_scores(random, GROUPS, n_repeats=1), GROUPS),
}


def main():
    """Simulate, and print a table."""
    _significance.N_ROTATIONS = 10_000  # for time; the standard error of a p-value of 0.05 is 0.002
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--simulations", type=int, default=2000, help="of each scenario")
    n_simulations = parser.parse_args().simulations
    error = 100 * np.sqrt(LEVEL * (1 - LEVEL) / n_simulations)
    print(f"{n_simulations} simulations of each line; {N_ESTIMATORS} estimators, folds of 80 and 20 rows")
    print(f"percent; the standard error of 5 % is {error:.1f} %\n")
    columns = list(product(("planned", "words"), PROCEDURES))
    for line in zip(*columns, strict=True):
        print(" " * 36 + "".join(f"{name:>13}" for name in line))
    for name, (make_scores, means) in SCENARIOS.items():
        results = study(make_scores, n_simulations, means)
        for row, what in enumerate(("false alarms",) if means is EQUAL else ("false alarms", "power")):
            cells = [f"{100 * results[procedure, question][row]:13.1f}" for question, procedure in columns]
            print(f"{name:23}{what:13}{''.join(cells)}", flush=True)


if __name__ == "__main__":
    main()

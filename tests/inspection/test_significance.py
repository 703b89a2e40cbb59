"""P-values for several differences at once, against scipy's Dunnett test, Holm's bound and simulations."""

import numpy as np
import pytest
from scipy import stats

from skreg.inspection import corrected_ttest
from skreg.inspection._significance import adjusted_pvalues, pvalues_of_the_best

ROWS = {"n_train": 80, "n_test": 20}
# Four standard errors of a p-value that is estimated with random rotations.
RANDOM = 0.01


def own(differences, rows=ROWS):
    return np.array([corrected_ttest(column, **rows).pvalue for column in differences.T])


def holm(pvalues):
    order = np.argsort(pvalues)
    corrected = np.empty(len(pvalues))
    factors = np.arange(len(pvalues), 0, -1)
    corrected[order] = np.minimum(np.maximum.accumulate(pvalues[order] * factors), 1)
    return corrected


def folds(random, means=(0,) * 8, *, n_folds=10, noise=1.0):
    """Return scores as Nadeau and Bengio assume them: folds are correlated, and so are the columns, by hard folds."""
    parts = [random.normal(size=(n, m)) for m in (1, len(means)) for n in (n_folds, 1)]
    hard, of_all, own_noise, of_column = parts
    return np.asarray(means) + hard + of_all + noise * (np.sqrt(0.8) * own_noise + np.sqrt(0.2) * of_column)


@pytest.mark.parametrize("n_folds", [2, 5, 10])
def test_a_single_difference_has_the_corrected_t_test(n_folds):
    scores = folds(np.random.default_rng(0), (0, 1.5), n_folds=n_folds)
    expected = own(scores[:, 1:] - scores[:, :1])
    assert adjusted_pvalues(scores[:, 1:] - scores[:, :1], **ROWS) == pytest.approx(expected)
    best = scores.mean(axis=0).argmax()
    pvalues = pvalues_of_the_best(scores, **ROWS)
    assert pvalues[1 - best] == pytest.approx(expected[0])
    assert np.isnan(pvalues[best])


def test_the_smallest_is_that_of_dunnett():
    # Without an overlap of training sets, with independent scores, and many of them.
    random = np.random.default_rng(1)
    scores = random.normal(size=(200, 5)) + np.array([0, 0.02, 0.1, 0.12, 0.05])
    expected = stats.dunnett(*scores.T[1:], control=scores[:, 0], random_state=0).pvalue
    pvalues = adjusted_pvalues(scores[:, 1:] - scores[:, :1], n_train=1, n_test=1e-300)
    assert pvalues.min() == pytest.approx(expected.min(), abs=RANDOM)
    assert 0.03 < pvalues.min() < 0.5
    assert (pvalues < expected + RANDOM).all()  # the others step down


@pytest.mark.parametrize("n_folds", [2, 3, 5, 10, 30])
def test_lie_between_the_single_test_and_holm(n_folds):
    random = np.random.default_rng(n_folds)
    for _ in range(5):
        scores = folds(random, random.normal(size=7), n_folds=n_folds, noise=random.uniform(0.2, 2, size=7))
        differences = scores[:, 1:] - scores[:, :1]
        pvalues, alone = adjusted_pvalues(differences, **ROWS), own(differences)
        assert (pvalues >= alone).all()
        assert (pvalues <= holm(alone) + 1e-12).all()
        order = np.argsort(alone)
        assert (np.diff(pvalues[order]) >= 0).all()


def test_equal_columns_cost_nothing():
    difference = folds(np.random.default_rng(3), (0, 1.3)) @ [-1, 1]
    pvalues = adjusted_pvalues(np.column_stack([difference, 2 * difference, -difference]), **ROWS)
    np.testing.assert_allclose(pvalues, own(difference[:, None])[0], atol=RANDOM)


def test_few_folds_can_tell():
    # Flips of signs could not: five folds have 16, and so no p-value below 1 / 16.
    scores = folds(np.random.default_rng(0), (0, 9, 9, 0, 0), n_folds=5, noise=0.5)
    pvalues = adjusted_pvalues(scores[:, 1:] - scores[:, :1], **ROWS)
    assert (pvalues[:2] < 0.01).all()
    assert (pvalues[2:] > 0.1).all()


def test_what_cannot_be_tested_does_not_count():
    scores = folds(np.random.default_rng(0), (0, 1, 1, 1, 1, 1))
    differences = scores[:, 1:] - scores[:, :1]
    expected = adjusted_pvalues(differences[:, :2], **ROWS)
    differences[3, 2], differences[:, 3], differences[:, 4] = np.nan, 0.1, 0
    pvalues = adjusted_pvalues(differences, **ROWS)
    np.testing.assert_array_equal(pvalues, [*expected, np.nan, np.nan, 1])
    scores[:, 4] = scores[:, 3]
    scores[2, 5] = np.nan
    of_best = pvalues_of_the_best(scores, **ROWS)
    assert np.isnan(of_best[5])
    assert np.isfinite(of_best[:5]).sum() == 4
    assert adjusted_pvalues(np.empty((5, 0)), **ROWS).shape == (0,)
    assert np.isnan(pvalues_of_the_best(scores[:, :1], **ROWS)).all()


def test_the_best_ties_with_a_copy():
    scores = folds(np.random.default_rng(0), (0, 5))
    pvalues = pvalues_of_the_best(np.column_stack([scores, scores[:, 1]]), **ROWS)
    assert pvalues[2] == 1
    assert pvalues[0] < 0.05


def test_those_that_left_the_race_cost_nothing():
    # Of eight, six are far behind; the last two are compared like two alone.
    scores = folds(np.random.default_rng(2), (0, 0, 0, 0, 0, 0, 40, 41))
    alone = own(scores[:, 7:] - scores[:, 6:7])[0]
    pvalues = pvalues_of_the_best(scores, **ROWS)
    assert pvalues[:6].max() < 1e-3
    assert pvalues[6] == pytest.approx(alone, abs=RANDOM)
    assert alone > 0.01


@pytest.mark.parametrize(("n_folds", "noise"), [(10, 1.0), (5, np.array([2, *[0.7] * 7]))])
def test_false_alarms(n_folds, noise, monkeypatch):
    # benchmarks/bench_significance.py does so more often, and also by cross-validation.
    monkeypatch.setattr("skreg.inspection._significance.N_ROTATIONS", 4000)
    random, n_simulations = np.random.default_rng(0), 200
    of_reference, of_words = [], []
    for _ in range(n_simulations):
        scores = folds(random, n_folds=n_folds, noise=noise)
        planned = adjusted_pvalues(scores[:, 1:] - scores[:, :1], **ROWS)
        of_best, best = pvalues_of_the_best(scores, **ROWS), scores.mean(axis=0).argmax()
        of_reference.append(planned.min())
        of_words.append(np.nanmin([*of_best, planned[best - 1] if best else 1]))
    # Within 2.5 standard errors of five per cent.
    assert 0.012 < np.mean(np.array(of_reference) < 0.05) < 0.088
    assert np.mean(np.array(of_words) < 0.05) < 0.088


def test_has_more_power_than_holm(monkeypatch):
    monkeypatch.setattr("skreg.inspection._significance.N_ROTATIONS", 4000)
    random, found = np.random.default_rng(0), []
    for _ in range(60):
        scores = folds(random, (0, 4, 4, 4, 4, 4, 4, 4), noise=np.array([3, *[0.5] * 7]))
        differences = scores[:, 1:] - scores[:, :1]
        found.append([np.mean(p < 0.05) for p in (adjusted_pvalues(differences, **ROWS), holm(own(differences)))])
    rotated, by_holm = np.mean(found, axis=0)
    assert rotated > 1.3 * by_holm > 0

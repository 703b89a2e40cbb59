import itertools
import math
import pickle
import re
import tracemalloc
from fractions import Fraction

import numpy as np
import pytest
from scipy import stats

from skreg.ensemble import _conformal
from skreg.ensemble._conformal import (
    INTERVAL_METHODS,
    SET_METHODS,
    OutOfFold,
    OutOfFoldResiduals,
    OutOfFoldScores,
    log_odds_against,
    position,
)
from skreg.ensemble._held_out import HeldOutPredictions, out_of_fold_mean


def folds(n_rows, n_folds=5, n_repeats=1, seed=0):
    """Return which member holds out which row."""
    random = np.random.default_rng(seed)
    numbers = [random.permutation(n_rows) % n_folds for _ in range(n_repeats)]
    return np.concatenate([own == np.arange(n_folds)[:, None] for own in numbers])


def samples(n_rows, n_members=12, seed=0):
    """Return which member holds out which row where members are fitted to samples drawn with replacement."""
    random = np.random.default_rng(seed)
    drawn = random.integers(n_rows, size=(n_members, n_rows))
    return np.array([~np.isin(np.arange(n_rows), rows) for rows in drawn])


DESIGNS = {
    "folds": folds(23),
    "repeated folds": folds(23, n_repeats=3),
    "rows alone": np.eye(23, dtype=bool),
    "one part": folds(40)[:1],
    "samples": samples(23),
}
designs = pytest.mark.parametrize("held_out", DESIGNS.values(), ids=DESIGNS)


def regression(held_out, n_new=7, shape=(), seed=0):
    """Return targets, and predictions of members for training rows and new ones."""
    random = np.random.default_rng(seed)
    n_members, n_rows = held_out.shape
    y = random.normal(size=(n_rows, *shape))
    own = y / 2 + 0.6 * random.normal(size=(n_members, n_rows, *shape))
    return y, own, random.normal(size=(n_members, n_new, *shape))


def classification(held_out, n_new=9, seed=0, n_classes=3):
    """Return classes, and probabilities of members; multiples of 1/8, so that sums are exact and many are equal."""
    random = np.random.default_rng(seed)
    n_members, n_rows = held_out.shape
    y = random.integers(n_classes, size=n_rows)
    tables = []
    for classes in (y, random.integers(n_classes, size=n_new)):
        likely = (1 + 3 * np.eye(n_classes)[classes]) / (n_classes + 3)
        tables.append(random.multinomial(8, likely, size=(n_members, len(classes))) / 8)
    return y, *tables


def scores_of(y, own, held_out):
    """Return the scores of probabilities by each member for all rows."""
    held = [predictions[rows] for predictions, rows in zip(own, held_out, strict=True)]
    return OutOfFoldScores(y, HeldOutPredictions(held_out, held))


def members_of(held_out):
    """Return the rows that are held out, and the members that held each of them out."""
    rows = [row for row in range(held_out.shape[1]) if held_out[:, row].any()]
    return rows, [np.flatnonzero(held_out[:, row]) for row in rows]


@designs
@pytest.mark.parametrize("coverage", ["0.5", "0.62", "0.8"])
def test_cv_plus_intervals_are_those_of_the_definition(held_out, coverage):
    y, own, new = regression(held_out)
    intervals = OutOfFoldResiduals(y, own, held_out).intervals(new, float(coverage), method="cv+")
    rows, members = members_of(held_out)
    n, alpha = len(rows), 1 - Fraction(coverage)
    for column, (lower, upper) in enumerate(intervals):
        centres = [new[own_members, column].mean() for own_members in members]
        residuals = [abs(y[row] - own[own_members, row].mean()) for row, own_members in zip(rows, members, strict=True)]
        below = sorted(centre - residual for centre, residual in zip(centres, residuals, strict=True))
        above = sorted(centre + residual for centre, residual in zip(centres, residuals, strict=True))
        assert lower == pytest.approx(below[math.floor(alpha * (n + 1)) - 1], rel=1e-12)
        assert upper == pytest.approx(above[math.ceil((1 - alpha) * (n + 1)) - 1], rel=1e-12)


@designs
@pytest.mark.parametrize("coverage", ["0.5", "0.62", "0.8"])
def test_cv_plus_sets_are_those_of_the_definition(held_out, coverage):
    """With equal scores: fractions, to which nothing is rounded."""
    y, own, new = classification(held_out)
    sets = scores_of(y, own, held_out).sets(new, float(coverage), method="cv+")
    rows, members = members_of(held_out)

    def probability(table, own_members, row, label):
        return sum(Fraction(table[member, row, label]) for member in own_members) / len(own_members)

    residuals = [1 - probability(own, own_members, row, y[row]) for row, own_members in zip(rows, members, strict=True)]
    for column, label in itertools.product(range(new.shape[1]), range(3)):
        scores = [1 - probability(new, own_members, column, label) for own_members in members]
        # Means of members are rounded: equal are those that differ by less than 1e-12.
        n_larger = sum(
            score > residual + Fraction(1, 10**12) for score, residual in zip(scores, residuals, strict=True)
        )
        assert sets[column, label] == (n_larger < Fraction(coverage) * (len(rows) + 1))
    assert 0 < sets.mean() < 1


@pytest.mark.parametrize("name", ["folds", "rows alone"])
def test_one_fold_intervals_are_those_of_the_definition(name):
    held_out = folds(40) if name == "folds" else np.repeat(folds(40), 2, axis=0)  # two members for each fold
    y, own, new = regression(held_out, n_new=300)
    draws = np.random.default_rng(1).random(300)
    intervals = OutOfFoldResiduals(y, own, held_out).intervals(new, 0.75, method="one_fold", draws=draws)
    # 0.75 (8 + 1) = 6.75: the 7th of 8 residuals in three of four draws, else the 6th.
    groups = list(dict.fromkeys(tuple(row) for row in held_out))
    found = set()
    for column, (lower, upper) in enumerate(intervals):
        candidates = {}
        for number, group in enumerate(groups):
            members = [member for member in range(len(held_out)) if tuple(held_out[member]) == group]
            rows = np.flatnonzero(group)
            residuals = np.sort(np.abs(y[rows] - own[members][:, rows].mean(axis=0)))
            centre = new[members, column].mean()
            candidates |= {(number, rank): (centre - residuals[rank], centre + residuals[rank]) for rank in (5, 6)}
        (match,) = [key for key, ends in candidates.items() if np.allclose(ends, (lower, upper), rtol=1e-12)]
        found.add(match)
    assert found == set(itertools.product(range(5), (5, 6)))


def test_one_fold_takes_folds_and_ranks_as_often_as_it_should():
    held_out = folds(40)
    residuals = np.where(held_out, np.arange(1, 6)[:, None] * 10.0, 0).sum(axis=0)  # of fold k: 10 k plus 1 to 8
    for row in held_out:
        residuals[row] += np.arange(1, 9)
    found = OutOfFoldResiduals(residuals, np.zeros((5, 40)), held_out)
    draws = (np.arange(2000) + 0.5) / 2000
    uppers = found.intervals(np.zeros((5, 2000)), 0.75, method="one_fold", draws=draws)[:, 1]
    values, counts = np.unique(uppers, return_counts=True)
    assert dict(zip(values, counts, strict=True)) == {
        10.0 * k + r: n for k in range(1, 6) for r, n in ((6, 100), (7, 300))
    }


@pytest.mark.parametrize("n_repeats", [1, 3])
def test_one_fold_sets_are_those_of_the_definition(n_repeats):
    held_out = folds(40, n_repeats=n_repeats)
    y, own, new = classification(held_out, n_new=200)
    draws = np.random.default_rng(1).random(200)
    scores = scores_of(y, own, held_out)
    sets = scores.sets(new, 0.75, draws=draws)
    for column, draw in enumerate(draws):
        (member,), rows = scores.groups_[int(draw * len(held_out))]
        np.testing.assert_array_equal(rows, np.flatnonzero(held_out[member]))
        residuals = np.sort(1 - own[member, rows, y[rows]])
        rank = 7 if draw * len(held_out) % 1 < 0.75 else 6
        np.testing.assert_array_equal(sets[column], 1 - new[member, column] <= residuals[rank - 1])


@pytest.mark.parametrize("name", ["repeated folds", "samples"])
def test_scaled_intervals_are_those_of_the_definition(name):
    held_out = DESIGNS[name]
    y, own, new = regression(held_out)
    residuals = OutOfFoldResiduals(y, own, held_out)
    rows, members = members_of(held_out)
    missed = sorted(abs(y[row] - own[held, row].mean()) for row, held in zip(rows, members, strict=True))
    variances = [own[held, row].var(ddof=1) for row, held in zip(rows, members, strict=True) if len(held) > 1]
    inverse = np.mean([1 / len(held) for held in members])
    squared = 1 - np.mean(variances) * (inverse - 1 / len(held_out)) / np.mean(np.square(missed))
    assert 0.2 < squared < 0.9
    np.testing.assert_allclose(residuals.scale_, np.sqrt(squared), rtol=1e-12)
    radius = np.sqrt(squared) * missed[math.ceil(0.8 * (len(rows) + 1)) - 1]
    expected = new.mean(axis=0)[:, None] + np.array([-radius, radius])
    np.testing.assert_allclose(residuals.intervals(new, 0.8), expected, rtol=1e-12)


def test_where_rows_are_held_out_once_the_members_that_have_seen_them_give_the_scale():
    held_out = folds(30)
    y, own, _ = regression(held_out)
    seen = np.array([own[~held_out[:, row], row].var(ddof=1) for row in range(30)])
    missed = np.array([y[row] - own[held_out[:, row], row].item() for row in range(30)])
    expected = 1 - seen.mean() * (1 - 1 / 5) / np.mean(missed**2)
    np.testing.assert_allclose(OutOfFoldResiduals(y, own, held_out).scale_, np.sqrt(expected), rtol=1e-12)
    two = folds(30, n_folds=2)  # one member has seen each row: how much members differ is not known
    assert OutOfFoldResiduals(y, own[:2], two).scale_ == 1


def test_the_scale_is_that_of_a_mean_where_members_are_all_that_is_wrong():
    held_out = folds(30, n_repeats=3)
    own = 1e3 * np.random.default_rng(0).normal(size=(15, 30))
    own -= out_of_fold_mean(own, held_out)  # so that the variance would be all of the error, and more
    residuals = OutOfFoldResiduals(np.ones(30), own, held_out)
    assert residuals.scale_ == pytest.approx(np.sqrt(3 / 15))
    assert OutOfFoldResiduals(np.zeros(30), np.zeros((15, 30)), held_out).scale_ == 1


def test_the_scale_is_known_where_members_are_independent():
    """Errors of single members have variance 1 + 2; those of means of 2 and 10 members 1 + 2/2 and 1 + 2/10."""
    held_out = folds(20_000, n_repeats=2)
    random = np.random.default_rng(0)
    own = np.sqrt(2) * random.normal(size=held_out.shape)
    residuals = OutOfFoldResiduals(random.normal(size=20_000), own, held_out)
    assert residuals.scale_ == pytest.approx(np.sqrt(1.2 / 2), rel=0.01)


@pytest.mark.parametrize("method", INTERVAL_METHODS)
def test_outputs_have_intervals_of_their_own(method):
    held_out = folds(40, n_repeats=2)
    y, own, new = regression(held_out, shape=(3,))
    draws = np.random.default_rng(1).random(7)
    intervals = OutOfFoldResiduals(y, own, held_out).intervals(new, 0.8, method=method, draws=draws)
    assert intervals.shape == (7, 3, 2)
    for output in range(3):
        single = OutOfFoldResiduals(y[:, output], own[..., output], held_out)
        expected = single.intervals(new[..., output], 0.8, method=method, draws=draws)
        np.testing.assert_allclose(intervals[:, output], expected, rtol=1e-12)


@pytest.mark.parametrize("method", INTERVAL_METHODS)
def test_intervals_of_negative_targets_are_mirrored(method):
    held_out = folds(40)
    y, own, new = regression(held_out)
    draws = np.random.default_rng(1).random(7)
    intervals = OutOfFoldResiduals(y, own, held_out).intervals(new, 0.83, method=method, draws=draws)
    mirrored = OutOfFoldResiduals(-y, -own, held_out).intervals(-new, 0.83, method=method, draws=draws)
    np.testing.assert_allclose(mirrored, -intervals[:, ::-1], rtol=1e-12)


@pytest.mark.parametrize("size", [1, 100])
def test_blocks_give_what_all_rows_at_once_give(size, monkeypatch):
    held_out = folds(30, n_repeats=2)
    y, own, new = regression(held_out, n_new=50, shape=(2,))
    classes, probabilities, new_probabilities = classification(held_out, n_new=50)

    def computed():
        return (
            OutOfFoldResiduals(y, own, held_out).intervals(new, 0.8, method="cv+"),
            scores_of(classes, probabilities, held_out).sets(new_probabilities, 0.8, method="cv+"),
        )

    intervals, sets = computed()
    monkeypatch.setattr(_conformal, "BLOCK_SIZE", size)
    np.testing.assert_allclose(computed()[0], intervals, rtol=1e-12)
    np.testing.assert_array_equal(computed()[1], sets)


def test_blocks_bound_the_memory(monkeypatch):
    monkeypatch.setattr(_conformal, "BLOCK_SIZE", 1000)
    held_out = folds(100)
    y, own, new = regression(held_out, n_new=95)
    residuals = OutOfFoldResiduals(y, own, held_out)
    widths = [new[:, rows].shape[1] for rows in residuals.blocks(95, 100)]
    assert widths == [10] * 9 + [5]
    calls = []
    monkeypatch.setattr(
        residuals, "centres", lambda block: calls.append(block.shape) or np.zeros((5, block.shape[1], 1))
    )
    residuals.intervals(new, 0.9, method="cv+")
    assert calls == [(5, width, 1) for width in widths]


def test_rows_that_all_members_have_seen_are_left_out():
    held_out = folds(40, n_folds=4)[:2]
    y, own, new = regression(held_out)
    rows = held_out.any(axis=0)
    assert rows.sum() == 20
    own[:, ~rows] = np.nan
    for method in INTERVAL_METHODS:
        draws = np.full(7, 0.3)
        intervals = OutOfFoldResiduals(y, own, held_out).intervals(new, 0.8, method=method, draws=draws)
        expected = OutOfFoldResiduals(y[rows], own[:, rows], held_out[:, rows]).intervals(
            new, 0.8, method=method, draws=draws
        )
        np.testing.assert_array_equal(intervals, expected)
    assert np.isnan(out_of_fold_mean(own, held_out)[~rows]).all()


def test_out_of_fold_means_leave_seen_rows_out():
    held_out = np.array([[True, False, False], [True, True, False]])
    predictions = np.array([[[1.0], [np.nan], [5.0]], [[3.0], [7.0], [6.0]]])
    np.testing.assert_array_equal(out_of_fold_mean(predictions, held_out), [[2.0], [7.0], [np.nan]])


N_TRIALS = 600


def is_as_often(n_hits, share):
    return stats.binomtest(int(n_hits), N_TRIALS, float(share)).pvalue > 0.01


def is_at_least_as_often(n_hits, share, n_trials=N_TRIALS):
    return stats.binomtest(int(n_hits), n_trials, float(share), alternative="less").pvalue > 0.01


def fold_means(y, held_out):
    """Return predictions of members that know the mean of the rows that they have seen."""
    return np.array([np.broadcast_to(y[~rows].mean(axis=0), y.shape) for rows in held_out])


def zeros(y, held_out):
    return np.zeros((len(held_out), *y.shape))


def hits(method, coverage, members, transformed=lambda y: y):
    """Return in how many of the trials, each with 40 training rows and a new one, the new target is covered.

    Every trial is an output, with a draw of its own where there are draws: that of the new row of the same number.
    """
    held_out = folds(40)
    random = np.random.default_rng(0)
    y = transformed(random.standard_t(3, size=(41, N_TRIALS)))
    own = members(y[:40], held_out)
    n_new = N_TRIALS if method == "one_fold" else 1
    new = np.broadcast_to(own[:, :1], (5, n_new, N_TRIALS))
    residuals = OutOfFoldResiduals(y[:40], own, held_out)
    intervals = residuals.intervals(new, coverage, method=method, draws=random.random(n_new))
    trials = np.arange(N_TRIALS)
    lower, upper = intervals[trials % n_new, trials].T
    return np.sum((lower <= y[40]) & (y[40] <= upper))


def test_one_fold_covers_exactly_as_often_as_it_should():
    assert is_as_often(hits("one_fold", 0.77, fold_means), 0.77)


def test_cv_plus_covers_exactly_as_often_as_it_should_where_members_do_not_depend_on_the_rows():
    """It is split conformal prediction with 40 rows then."""
    n_hits = hits("cv+", 0.77, zeros)
    assert is_as_often(n_hits, Fraction(math.ceil(Fraction("0.77") * 41), 41))


def test_cv_plus_covers_at_least_as_often_as_it_should_where_members_are_stable():
    assert is_at_least_as_often(hits("cv+", 0.77, fold_means), 0.77)


def test_equal_residuals_are_covered_more_often():
    for method in ("one_fold", "cv+"):
        n_hits = hits(method, 0.77, zeros, np.round)
        assert is_at_least_as_often(n_hits, 0.77)
        assert not is_as_often(n_hits, 0.77)


def test_scaled_covers_as_often_as_it_should_where_errors_are_normal():
    """Members err independently of each other: CV+ covers too much, the mean of ten members is as good as it says."""
    n_rows, n_new = 2000, 4000
    held_out = folds(n_rows, n_repeats=2)
    random = np.random.default_rng(0)
    own = np.sqrt(2) * random.normal(size=(10, n_rows + n_new))
    y = random.normal(size=n_rows + n_new)
    residuals = OutOfFoldResiduals(y[:n_rows], own[:, :n_rows], held_out)
    shares = {}
    for method in INTERVAL_METHODS:
        intervals = residuals.intervals(own[:, n_rows:], 0.8, method=method, draws=random.random(n_new))
        shares[method] = ((intervals[:, 0] <= y[n_rows:]) & (y[n_rows:] <= intervals[:, 1])).mean()
    # A calibration with 2,000 rows is off by a standard deviation of 0.009 itself.
    assert shares["scaled"] == pytest.approx(0.8, abs=0.03)
    assert shares["one_fold"] == pytest.approx(0.8, abs=0.03)
    assert shares["cv+"] > 0.87


def set_hits(method, coverage, n_trials=N_TRIALS, *, n_classes=4, is_rounded=False):
    held_out = folds(40)
    random = np.random.default_rng(0)
    n_hits = 0
    for _ in range(n_trials):
        probabilities = random.dirichlet(np.ones(n_classes), size=41)
        y = (probabilities.cumsum(axis=1) > random.random((41, 1))).argmax(axis=1)
        if is_rounded:
            probabilities = np.round(probabilities * 2) / 2 + 0.25
            probabilities /= probabilities.sum(axis=1, keepdims=True)
        own = np.repeat(probabilities[None], 5, axis=0)
        scores = scores_of(y[:40], own[:, :40], held_out)
        n_hits += scores.sets(own[:, 40:], coverage, method=method, draws=random.random(1))[0, y[40]]
    return n_hits


def test_sets_cover_exactly_as_often_as_they_should():
    assert is_as_often(set_hits("one_fold", 0.77), 0.77)
    assert is_as_often(set_hits("cv+", 0.77), Fraction(math.ceil(Fraction("0.77") * 41), 41))


def test_sets_of_equal_scores_cover_at_least_as_often_as_they_should():
    for method in SET_METHODS:
        n_hits = set_hits(method, 0.77, 200, is_rounded=True)
        assert is_at_least_as_often(n_hits, 0.77, 200)


def test_no_set_is_empty_if_none_may_be():
    held_out = folds(100)
    random = np.random.default_rng(0)
    own = random.dirichlet(np.full(3, 0.5), size=(5, 100))
    own[:] = own[0]
    y = own[0].argmax(axis=1)
    new = random.dirichlet(np.ones(3), size=(5, 100))
    scores = scores_of(y, own, held_out)
    for method in SET_METHODS:
        draws = random.random(100)
        sets = scores.sets(new, 0.75, method=method, draws=draws)
        filled = scores.sets(new, 0.75, method=method, draws=draws, allow_empty=False)
        empty = ~sets.any(axis=1)
        assert 3 < empty.sum() < 90
        np.testing.assert_array_equal(filled[~empty], sets[~empty])
        np.testing.assert_array_equal(filled[empty], new.mean(axis=0)[empty].argmax(axis=1)[:, None] == np.arange(3))


def test_scores_have_the_order_of_one_minus_the_probability():
    random = np.random.default_rng(0)
    probabilities = random.dirichlet(np.ones(4), size=50)
    scores = log_odds_against(probabilities)
    np.testing.assert_allclose(scores, np.log((1 - probabilities) / probabilities), rtol=1e-9)
    np.testing.assert_array_equal(np.argsort(scores.ravel()), np.argsort(1 - probabilities.ravel()))
    sure = log_odds_against(np.array([[1.0, 1e-30, 0.0], [1.0, 0.0, 1e-20], [1.0, 0.0, 0.0]]))
    assert sure[2, 0] == -np.inf < sure[0, 0] < sure[1, 0]
    assert np.isposinf(sure[[0, 1, 2, 2], [2, 1, 1, 2]]).all()


def test_sure_probabilities_do_not_become_equal():
    held_out = folds(40)
    odds = np.geomspace(1e-40, 1e-20, 40)
    own = np.repeat(np.stack([np.ones(40), odds], axis=-1)[None], 5, axis=0)
    scores = scores_of(np.zeros(40, dtype=int), own, held_out)
    assert scores.sets(own, 0.5, method="cv+")[:, 0].sum() == 21
    assert not scores.sets(own, 0.5, method="cv+")[:, 1].any()


def test_a_class_that_members_have_not_seen_is_in_no_set():
    held_out = folds(40)
    y, own, new = classification(held_out)
    padded, new = (np.concatenate([table, np.zeros((*table.shape[:2], 1))], axis=2) for table in (own, new))
    with_zeros = scores_of(y, padded, held_out)
    for method in SET_METHODS:
        draws = np.random.default_rng(0).random(9)
        sets = with_zeros.sets(new, 0.6, method=method, draws=draws)
        expected = scores_of(y, own, held_out).sets(new[..., :3], 0.6, method=method, draws=draws)
        np.testing.assert_array_equal(sets, np.column_stack([expected, np.zeros(9, dtype=bool)]))


@pytest.mark.parametrize(
    ("coverage", "n_rows", "expected"), [(0.55, 99, 55), (0.9, 9, 9), (0.07, 99, 7), (0.5, 4, 2.5)]
)
def test_positions_are_those_of_decimal_numbers(coverage, n_rows, expected):
    assert position(coverage, n_rows) == Fraction(expected)


@pytest.mark.parametrize(("coverage", "needed"), [(0.9, 9), (0.95, 19), (0.8, 4), (0.7, 3), (0.99, 99)])
def test_one_row_too_few_is_an_error(coverage, needed):
    held_out = np.ones((1, needed), dtype=bool)
    y, own, new = regression(held_out)
    lower, upper = OutOfFoldResiduals(y, own, held_out).intervals(new, coverage, method="cv+").T
    np.testing.assert_allclose(upper - lower, 2 * np.abs(y - own[0]).max())  # the largest residual is needed
    message = (
        f"The 'coverage' parameter must be at most {needed - 1}/{needed} with {needed - 1} rows with an out-of-fold "
        f"prediction; got {coverage}, which needs {needed} of them."
    )
    few = OutOfFoldResiduals(y[1:], own[:, 1:], held_out[:, 1:])
    for method in ("cv+", "scaled"):
        with pytest.raises(ValueError, match=f"^{re.escape(message)}$"):
            few.intervals(new, coverage, method=method)
    with pytest.raises(ValueError, match=f"with {needed - 1} rows in a fold; got {coverage}, which needs {needed} of"):
        few.intervals(new, coverage, method="one_fold", draws=np.zeros(7))
    classes, probabilities, new = classification(held_out)
    scores_of(classes, probabilities, held_out).sets(new, coverage, method="cv+")
    few = scores_of(classes[1:], probabilities[:, 1:], held_out[:, 1:])
    with pytest.raises(ValueError, match=f"^{re.escape(message)}$"):
        few.sets(new, coverage, method="cv+")


def test_a_low_coverage_of_small_folds_is_exact_too():
    """0.1 of 4 + 1 is half a residual: every other interval is a point, the others end at the smallest residual."""
    held_out = folds(20)
    y, own, new = regression(held_out, n_new=1000)
    draws = (np.arange(1000) + 0.5) / 1000
    intervals = OutOfFoldResiduals(y, own, held_out).intervals(new, 0.1, method="one_fold", draws=draws)
    assert (intervals[:, 1] == intervals[:, 0]).sum() == 500
    classes, probabilities, new = classification(held_out, n_new=1000)
    sets = scores_of(classes, probabilities, held_out).sets(new, 0.1, draws=draws)
    assert not sets[draws * 5 % 1 >= 0.5].any()
    assert sets[draws * 5 % 1 < 0.5].any()


@pytest.mark.parametrize("coverage", [0, 1, 0.0, 1.0, -0.1, 90, float("nan"), "0.9", None, True])
def test_coverage_is_between_zero_and_one(coverage):
    held_out = folds(40)
    message = f"The 'coverage' parameter must be a number between 0 and 1, both excluded; got {coverage!r}."
    y, own, new = regression(held_out)
    with pytest.raises(ValueError, match=f"^{re.escape(message)}$"):
        OutOfFoldResiduals(y, own, held_out).intervals(new, coverage)
    y, own, new = classification(held_out)
    with pytest.raises(ValueError, match=f"^{re.escape(message)}$"):
        scores_of(y, own, held_out).sets(new, coverage)


def test_coverage_may_be_a_number_of_numpy():
    held_out = folds(40)
    y, own, new = regression(held_out)
    residuals = OutOfFoldResiduals(y, own, held_out)
    np.testing.assert_array_equal(residuals.intervals(new, np.float64(0.8)), residuals.intervals(new, 0.8))


def test_methods_have_names():
    held_out = folds(40)
    y, own, new = regression(held_out)
    message = "The 'method' parameter must be one of 'scaled', 'cv+', 'one_fold'; got 'jackknife'."
    with pytest.raises(ValueError, match=f"^{re.escape(message)}$"):
        OutOfFoldResiduals(y, own, held_out).intervals(new, method="jackknife")
    for draws in (None, np.ones(7), np.full(7, -0.1), np.full(7, np.nan), np.zeros(6)):
        with pytest.raises(ValueError, match="the 'draws' parameter must be numbers of at least 0 and smaller than 1"):
            OutOfFoldResiduals(y, own, held_out).intervals(new, 0.5, method="one_fold", draws=draws)
    y, own, new = classification(held_out)
    with pytest.raises(ValueError, match=r"one of 'one_fold', 'cv\+'; got 'scaled'"):
        scores_of(y, own, held_out).sets(new, method="scaled")


def test_they_are_pickled():
    held_out = folds(40)
    draws = np.full(7, 0.4)
    y, own, new = regression(held_out)
    residuals = OutOfFoldResiduals(y, own, held_out)
    again = pickle.loads(pickle.dumps(residuals))
    for method in INTERVAL_METHODS:
        ours, theirs = (one.intervals(new, 0.8, method=method, draws=draws) for one in (residuals, again))
        np.testing.assert_array_equal(ours, theirs)
    y, own, new = classification(held_out, n_new=7)
    scores = scores_of(y, own, held_out)
    again = pickle.loads(pickle.dumps(scores))
    for method in SET_METHODS:
        ours, theirs = (one.sets(new, 0.6, method=method, draws=draws) for one in (scores, again))
        np.testing.assert_array_equal(ours, theirs)


def test_patterns_are_as_many_as_the_folds_make():
    assert len(OutOfFoldResiduals(*regression(folds(40))[:2], folds(40)).patterns_) == 5
    repeated = folds(40, n_repeats=2)
    residuals = OutOfFoldResiduals(*regression(repeated)[:2], repeated)
    assert len(residuals.patterns_) == len({tuple(column) for column in repeated.T}) <= 25
    assert len(residuals.groups_) == 10
    assert (residuals.patterns_.sum(axis=1) == 2).all()


@pytest.mark.parametrize("n_repeats", [1, 2])
def test_scores_take_no_array_of_all_members_rows_and_classes(n_repeats):
    n_rows, n_classes = 2000, 1000
    held_out = folds(n_rows, n_repeats=n_repeats)
    random = np.random.default_rng(0)
    held = HeldOutPredictions(held_out, [random.dirichlet(np.ones(n_classes), size=row.sum()) for row in held_out])
    y = random.integers(n_classes, size=n_rows)
    tracemalloc.start()
    scores = OutOfFoldScores(y, held)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 2 * n_rows * n_classes * 8
    probabilities = held.mean()[np.arange(n_rows), y]
    np.testing.assert_allclose(scores.scores_, np.log((1 - probabilities) / probabilities), rtol=1e-9)
    for (members, rows), found in zip(scores.groups_, scores.group_scores_, strict=True):
        (member,) = members
        own = held.predictions[member][np.arange(len(rows)), y[rows]]
        np.testing.assert_allclose(found, np.log((1 - own) / own), rtol=1e-9)


def test_predictions_between_rows_are_those_of_these_rows():
    held_out = samples(23)
    own = np.random.default_rng(0).normal(size=(*held_out.shape, 2))
    held = HeldOutPredictions(held_out, [one[rows] for one, rows in zip(own, held_out, strict=True)])
    np.testing.assert_allclose(held.mean(), out_of_fold_mean(own, held_out))
    parts = [held.between(first, last).mean() for first, last in ((0, 1), (1, 9), (9, 9), (9, 23))]
    np.testing.assert_array_equal(np.concatenate(parts), held.mean())
    rows = np.arange(23) % 3 > 0
    np.testing.assert_array_equal(held.of_rows(rows).mean()[rows], held.mean()[rows])
    assert np.isnan(held.of_rows(rows).mean()[~rows]).all()
    assert held.of_rows(np.ones(23, dtype=bool)) is held


@pytest.mark.parametrize(("n_members", "n_rows"), [(5, 200), (3, 0), (1, 4), (70, 60)])
def test_patterns_are_those_of_a_sort_of_whole_columns(n_members, n_rows):
    held_out = np.random.default_rng(0).random((n_members, n_rows)) < 0.3
    held_out[0] |= ~held_out.any(axis=0)  # no row is left out
    found = OutOfFold(held_out)
    patterns, of_row = np.unique(held_out.T, axis=0, return_inverse=True)
    assert np.array_equal(found.patterns_, patterns)
    assert np.array_equal(found.pattern_of_row_, of_row.ravel())

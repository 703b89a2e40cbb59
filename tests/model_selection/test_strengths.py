"""Which strengths are fitted: plans of a path, the search on a grid, and the folds that it is judged by."""

from typing import ClassVar

import numpy as np
import pytest
from sklearn.base import clone
from sklearn.datasets import make_friedman1
from sklearn.exceptions import ConvergenceWarning
from sklearn.model_selection import KFold, StratifiedKFold, TimeSeriesSplit
from sklearn.preprocessing import scale

from skreg import RegularizedMLPClassifier, RegularizedMLPRegressor
from skreg._estimator import shared_checks
from skreg._estimator.prepare import prepare
from skreg._estimator.shared_checks import SharedChecks
from skreg._warnings import give_warnings
from skreg.model_selection import (
    GridSearchCV,
    RegularizedMLPClassifierCV,
    RegularizedMLPRegressorCV,
    _path,
    cross_validate,
    regularization_path,
)
from skreg.model_selection._cv_splits import checked_splits
from skreg.model_selection._folds import Fold
from skreg.model_selection._path import empty_from
from skreg.model_selection._strengths import Step, StrengthSearch, all_strengths, choose, follow, standard_error
from skreg.stopping import RowStructure

GRID = np.geomspace(1e-3, 1, 30)
NOISE = np.array([[0.1], [-0.1], [0.05], [-0.05], [0.0]])


def followed(plan, table):
    """Return the rounds of a plan, whose steps are scored by a table of shape (n_folds, n_alphas)."""
    rounds = []

    def make(steps):
        rounds.append(steps)
        return table[:, [step.strength for step in steps]]

    follow(plan, make)
    return rounds


def made(rounds):
    return {step.strength: step for steps in rounds for step in steps}


def peak(at, width=10.0):
    """Return scores with a maximum at an index, whose standard error is 0.035."""
    return NOISE - ((np.arange(30) - at) / width) ** 2


class TestPlans:
    @pytest.mark.parametrize("down", [False, True])
    def test_all_strengths(self, down):
        first, *later = followed(all_strengths(4, np.array([0, 2, 3]), down=down), np.zeros((2, 4)))
        assert [step.strength for step in first] == ([3, 0, 2] if down else [0, 2, 3])
        assert all(step.start is None for step in first)
        assert [step.strength for (step,) in later] == ([2, 1, 0] if down else [1, 2, 3])
        assert [step.strength for step in later[-1][0].chain] == ([3, 2, 1, 0] if down else [0, 1, 2, 3])
        assert later[0][0].start is first[0]

    def test_a_long_chain(self):
        steps = [Step(0)]
        for k in range(1, 3000):
            steps.append(Step(k, steps[-1]))
        assert steps[-1].chain == steps


class TestSearch:
    @pytest.mark.parametrize("at", [0, 3, 7, 12, 16, 22, 29])
    @pytest.mark.parametrize("down", [False, True])
    def test_it_finds_the_best_of_a_smooth_curve(self, at, down):
        rounds = followed(StrengthSearch(GRID, down=down, selection="best").plan(), peak(at))
        found = made(rounds)
        assert rounds[0][0].strength == (29 if down else 7)
        assert min(abs(k - at) for k in found) <= 1
        assert sum(map(len, rounds)) <= (20 if down else 13)
        # The ends are among them where the best is there, so that the warning of an end is right.
        assert at in found or at not in (0, 29)

    def test_it_stops_where_no_strength_can_be_chosen(self):
        table = peak(10, width=20.0)  # a standard error is 3.8 strengths away from the best
        assert standard_error(table[:, 10]) == pytest.approx(0.0354, abs=1e-3)
        one_se = made(followed(StrengthSearch(GRID, down=False, selection="one_se").plan(), table))
        assert (min(one_se), max(one_se)) == (4, 16)
        # All folds agree that 7 and 13 are worse than 10.
        best = made(followed(StrengthSearch(GRID, down=False, selection="best").plan(), table))
        assert (min(best), max(best)) == (4, 13)
        # They do not agree where the noise of the folds is another one for each strength.
        noisy = np.where(np.arange(30) % 2, NOISE, -NOISE) + peak(10, width=20.0) - NOISE
        best = made(followed(StrengthSearch(GRID, down=False, selection="best").plan(), noisy))
        assert (min(best), max(best)) == (4, 16)

    def test_it_comes_back_from_weaker_strengths(self):
        *_, last = rounds = followed(StrengthSearch(GRID, down=False, selection="best").plan(), peak(2))
        again = [step for steps in rounds for step in steps if step.strength == 4]
        assert [[one.strength for one in step.chain] for step in again] == [[7, 4], [7, 4, 1, 4]]
        # Equal scores are taken from the later one.
        assert [one.strength for one in last[-1].chain] == [7, 4, 1, 2]

    def test_starts_are_neighbours_on_the_side_that_the_path_comes_from(self):
        up = made(followed(StrengthSearch(GRID, down=False, selection="best").plan(), peak(14)))
        assert [step.strength for step in up[14].chain] == [7, 10, 13, 14]
        assert up[12].start is up[10]
        down = made(followed(StrengthSearch(GRID, down=True, selection="best").plan(), peak(14)))
        assert [step.strength for step in down[14].chain] == [29, 26, 23, 20, 17, 14]
        assert down[13].start is down[14]

    def test_one_se_looks_around_its_own_choice(self):
        table = peak(10, width=30.0)
        best, one_se = (
            made(followed(StrengthSearch(GRID, down=False, selection=rule).plan(), table))
            for rule in ("best", "one_se")
        )
        assert set(best) < set(one_se)
        tried = sorted(one_se)
        among_all, among_tried = choose(table, "one_se"), tried[choose(table[:, tried], "one_se")]
        assert 0 <= among_all - among_tried <= 1

    def test_flat_scores_are_not_refined(self):
        flat = NOISE + 0.001 * np.arange(30)
        assert sorted(made(followed(StrengthSearch(GRID, down=False, selection="one_se").plan(), flat))) == [
            *(0, 1, 4, 7, 10, 13, 16, 19, 22, 25, 28, 29)
        ]

    def test_scores_that_are_no_numbers(self):
        table = peak(14)
        table[2, :11] = np.nan
        found = made(followed(StrengthSearch(GRID, down=False, selection="best").plan(), table))
        assert 14 in found
        nothing = made(followed(StrengthSearch(GRID, down=False, selection="one_se").plan(), np.full((3, 30), np.nan)))
        assert {0, 29} <= set(nothing)

    def test_of_two_fits_of_a_strength_the_better_one_counts(self):
        search = StrengthSearch(GRID, down=False, selection="best")
        first, worse, without_score, better = (Step(4) for _ in range(4))
        for step, score, expected in [
            (first, 0.5, first),
            (worse, 0.4, first),
            (without_score, np.nan, first),
            (better, 0.6, better),
        ]:
            follow(search._round([step]), lambda steps, score=score: np.full((3, 1), score))
            assert search._steps[4] is expected

    def test_a_single_fold(self):
        found = made(followed(StrengthSearch(GRID, down=False, selection="best").plan(), peak(14)[:1]))
        assert 14 in found
        assert len(found) < 10

    def test_a_grid_of_nearly_equal_strengths_is_one_stride(self):
        for alphas in (np.geomspace(0.5, 0.6, 30), np.full(30, 0.5)):
            search = StrengthSearch(alphas, down=False, selection="best")
            assert search.stride == 29
            assert {0, 29} <= set(made(followed(search.plan(), peak(14))))

    def test_a_dense_grid_has_longer_strides(self):
        alphas = np.geomspace(1e-3, 1, 100)
        search = StrengthSearch(alphas, down=False, selection="best")
        assert alphas[search.stride] / alphas[0] == pytest.approx(2, rel=0.05)
        table = NOISE - ((np.arange(100) - 47) / 30) ** 2
        found = made(followed(search.plan(), table))
        assert min(abs(k - 47) for k in found) <= 2
        assert len(found) < 20


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
class TestSearchOfAnEstimator:
    X, y = (scale(part) for part in make_friedman1(100, 8, noise=1, random_state=0))
    options: ClassVar[dict] = {
        "hidden_layer_sizes": (12,),
        "batch_size": 40,
        "learning_rate": "cosine",
        "learning_rate_init": 0.02,
        "max_iter": 30,
        "random_state": 0,
    }

    def test_what_is_left_out_is_marked(self):
        model = RegularizedMLPRegressorCV(**self.options, alphas=20, cv=3).fit(self.X, self.y)
        assert model.scores_path_.shape == model.n_selected_path_.shape == (3, 20)
        assert len(model.alphas_) == 20
        tried = np.isfinite(model.scores_path_)
        assert (tried == tried[0]).all()
        assert 3 <= tried[0].sum() <= 12
        np.testing.assert_array_equal(model.n_selected_path_ == -1, ~tried)
        assert model.best_score_ == np.nanmax(model.scores_path_.mean(axis=0))
        assert model.alpha_ == model.alphas_[np.nanargmax(model.scores_path_.mean(axis=0))]
        assert model.penalty_.alpha == model.alpha_
        again = clone(model).fit(self.X, self.y)
        np.testing.assert_array_equal(again.scores_path_, model.scores_path_)
        np.testing.assert_array_equal(again.coefs_[0], model.coefs_[0])

    @pytest.mark.parametrize(("learning_rate", "first"), [("cosine", 0), ("constant", 5)])
    def test_a_search_with_an_annealed_rate_starts_at_the_weakest(self, learning_rate, first, monkeypatch):
        made = []

        def recorded(fold, steps):
            made.append([step.strength for step in steps])
            return (yield from scored(fold, steps))

        scored = Fold.scored
        monkeypatch.setattr(Fold, "scored", recorded)
        options = self.options | {"learning_rate": learning_rate, "max_iter": 5}
        RegularizedMLPRegressorCV(**options, alphas=20, cv=2, refit=False).fit(self.X, self.y)
        assert made[0] == [first]

    def test_given_strengths_and_few_of_a_grid_are_all_fitted(self):
        grid = RegularizedMLPRegressorCV(**self.options, alphas=12, cv=2).fit(self.X, self.y)
        assert np.isfinite(grid.scores_path_).all()
        given = RegularizedMLPRegressorCV(**self.options, alphas=np.geomspace(1e-3, 1, 14), cv=2).fit(self.X, self.y)
        assert np.isfinite(given.scores_path_).all()
        assert (given.n_selected_path_ >= 0).all()

    @pytest.mark.filterwarnings("ignore:The best alpha, .* is the weakest:UserWarning")  # of few rows and short fits
    @pytest.mark.parametrize("units", [(), (12,)], ids=["linear", "hidden"])
    def test_its_choice_is_as_good_as_that_of_a_search_over_all_strengths(self, units):
        options = self.options | {"hidden_layer_sizes": units}
        folds = {"cv": KFold(3, shuffle=True, random_state=0), "scoring": "neg_mean_squared_error"}
        model = RegularizedMLPRegressorCV(**options, **folds, alphas=16).fit(self.X, self.y)
        network = RegularizedMLPRegressor(**options, penalty="group_lasso")
        whole = GridSearchCV(network, {"alpha": model.alphas_}, **folds).fit(self.X, self.y)
        best = np.array([whole.cv_results_[f"split{fold}_test_score"][whole.best_index_] for fold in range(3)])
        assert model.best_score_ >= best.mean() - 0.5 * standard_error(best)

    def test_all_stages(self):
        options = {"adaptive": True, "relax": True, "selection": "one_se", "alphas": 16, "cv": 3}
        model = RegularizedMLPRegressorCV(**self.options, **options).fit(self.X, self.y)
        assert np.isnan(model.scores_path_).any()
        assert model.first_alpha_ is not None
        assert model.score(self.X, self.y) > 0.5

    def test_progress_bar_of_a_search(self, bars):
        RegularizedMLPRegressorCV(**self.options, alphas=16, cv=2, verbose=True).fit(self.X, self.y)
        assert [(n, total) for _, n, total in bars] == [(32, 32)]

    def test_data_are_checked_once(self, monkeypatch):
        calls = []
        checked = shared_checks.learnable_data
        monkeypatch.setattr(shared_checks, "learnable_data", lambda *args: calls.append(args) or checked(*args))
        model = RegularizedMLPRegressor(**self.options, penalty="group_lasso")
        regularization_path(model, self.X, self.y, alphas=[0.01, 0.02, 0.04])
        assert len(calls) == 1

    def test_fits_that_end_a_grid_are_short_with_min_steps_too(self, monkeypatch):
        lengths = []
        monkeypatch.setattr(
            _path, "WarmFits", lambda short, *_, **__: lengths.append((short.max_iter, short.min_steps))
        )
        model = RegularizedMLPRegressor(**self.options | {"max_iter": 60}, penalty="group_lasso", min_steps=900)
        with pytest.raises(AttributeError, match="from_scratch"):
            empty_from(model, self.X, self.y, None, 1.0, warn=give_warnings)
        assert lengths == [(10, 150)]

    def test_no_strength_ends_a_grid(self, monkeypatch):
        monkeypatch.setattr(_path, "LARGEST_ALPHA", 0.01)
        model = RegularizedMLPRegressor(**self.options, penalty="group_lasso")
        with pytest.raises(ValueError, match="No strength up to alpha=.* sets all weights to zero. Give 'alphas'"):
            empty_from(model, self.X, self.y, None, 1.0, warn=give_warnings)

    @pytest.mark.parametrize(("options", "n_epochs"), [({}, 5), ({"max_iter": 6, "min_steps": 60}, 10)])
    def test_fits_for_the_end_of_a_grid_are_short(self, monkeypatch, options, n_epochs):
        lengths = []

        def recorded(models):
            lengths.extend(model.n_iter_ for model in models)
            return False

        monkeypatch.setattr(_path, "is_empty", lambda model: recorded([model]))
        monkeypatch.setattr(_path, "LARGEST_ALPHA", 1.0)
        short = {"max_iter": 30, "batch_size": len(self.X), "n_iter_no_change": np.inf}
        model = RegularizedMLPRegressor(**self.options | short | options, penalty="group_lasso")
        with pytest.raises(ValueError, match="No strength"):
            empty_from(model, self.X, self.y, None, 1.0, warn=give_warnings)
        assert set(lengths) == {n_epochs}


def test_other_warm_starts_are_checked_anew():
    X, y = np.random.default_rng(0).normal(size=(30, 2)), np.arange(30) % 2
    model = RegularizedMLPClassifier((3,), max_iter=1, warm_start=True)
    checks = SharedChecks()
    prepare(clone(model), X, y, checks=checks)
    with pytest.warns(ConvergenceWarning):
        model.fit(X, np.arange(30) % 3)
    with pytest.raises(ValueError, match="warm_start can only be used where `y` has the same classes"):
        prepare(model, X, y, checks=checks)


class TestFolds:
    X = np.arange(40.0).reshape(-1, 1)
    y = np.repeat([0, 1], 20)

    def splits(self, cv=4, groups=None, **options):
        options = {"is_classifier": True, "around": RowStructure(), "seed": 0} | options
        return checked_splits(cv, self.X, self.y, None, groups, **options)

    def test_an_int_is_a_number_of_shuffled_folds(self):
        for (train, test), (_, expected) in zip(
            self.splits(), StratifiedKFold(4, shuffle=True, random_state=0).split(self.X, self.y), strict=True
        ):
            np.testing.assert_array_equal(test, expected)
            assert np.bincount(self.y[test]).tolist() == [5, 5]
            assert not np.isin(train, test).any()
        (_, test), *_ = self.splits(is_classifier=False)
        assert not np.array_equal(test, np.arange(10))
        assert len(self.splits(cv=None)) == 5

    def test_rows_in_time_are_not_shuffled(self):
        for (_, test), (_, expected) in zip(
            self.splits(around=RowStructure(time=np.arange(40))), StratifiedKFold(4).split(self.X, self.y), strict=True
        ):
            np.testing.assert_array_equal(test, expected)

    @pytest.mark.parametrize("is_classifier", [False, True])
    def test_groups_stay_whole(self, is_classifier):
        groups = np.arange(40) // 2
        around = RowStructure(groups, whole_groups=True)
        for options in ({"groups": groups}, {"around": around}):
            for train, test in self.splits(is_classifier=is_classifier, **options):
                assert not np.isin(groups[train], groups[test]).any()

    def test_zero_folds(self):
        with pytest.raises(ValueError, match="n_splits=2 or more, got n_splits=0"):
            self.splits(cv=0)

    @pytest.mark.filterwarnings("ignore")
    def test_the_choice_does_not_depend_on_whether_the_table_is_sorted(self):
        rng = np.random.default_rng(0)
        # Three kinds of rows in blocks, as the classes of passengers in a list: what is learnt of two of them is wrong
        # for the third, on which folds of contiguous rows would be judged.
        kind = np.repeat(np.arange(3), 60)
        X = np.column_stack([kind == k for k in range(3)] + [rng.normal(size=180)]).astype(float)
        y = (X[:, 3] * np.array([1.0, -1.0, 1.0])[kind] + rng.normal(scale=0.3, size=180) > 0).astype(int)
        options = {"hidden_layer_sizes": (20,), "learning_rate_init": 0.01, "max_iter": 60, "random_state": 0}
        model = RegularizedMLPClassifierCV(**options, alphas=[1e-3, 1e-2, 1e-1], cv=3)
        assert -model.fit(X, y).best_score_ < 0.45
        contiguous = list(KFold(3).split(X))
        assert -model.set_params(cv=contiguous).fit(X, y).best_score_ > 0.69

    @pytest.mark.filterwarnings("ignore")
    def test_folds_within_a_cross_validation_keep_to_its_order(self, monkeypatch):
        seen = []

        def recorded(*args, **options):
            seen.append(options["around"])
            return checked_splits(*args, **options)

        monkeypatch.setattr("skreg.model_selection._path_cv.checked_splits", recorded)
        X, y = np.random.default_rng(0).normal(size=(60, 2)), np.arange(60) % 2
        model = RegularizedMLPClassifierCV((3,), alphas=[1e-3, 1e-2], max_iter=3, cv=2, random_state=0)
        cross_validate(model, X, y, cv=TimeSeriesSplit(2))
        assert [around.time is not None for around in seen] == [True, True]
        cross_validate(model, X, y, cv=KFold(2))
        assert [around.time is None for around in seen[2:]] == [True, True]

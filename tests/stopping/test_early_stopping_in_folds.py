"""Early stopping within searches, comparisons and paths holds out rows as the folds around it do."""

import re
import warnings
from unittest import mock

import numpy as np
import pytest
import sklearn.model_selection
from sklearn import config_context
from sklearn.callback import ScoringMonitor
from sklearn.compose import TransformedTargetRegressor
from sklearn.dummy import DummyClassifier
from sklearn.exceptions import FitFailedWarning
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import (
    GroupKFold,
    GroupShuffleSplit,
    KFold,
    LeaveOneGroupOut,
    ShuffleSplit,
    TimeSeriesSplit,
)
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import FunctionTransformer, StandardScaler

from skreg import RegularizedMLPClassifier, RegularizedMLPRegressor
from skreg._estimator.base import BaseRegularizedMLP
from skreg.inspection import compare_regularizers, default_regularizers
from skreg.model_selection import (
    GridSearchCV,
    RandomizedSearchCV,
    RegularizedMLPClassifierCV,
    RegularizedMLPRegressorCV,
    cross_val_predict,
    cross_val_score,
    cross_validate,
    learning_curve,
    validation_curve,
)
from skreg.stopping import NoSplitError, RowStructure, split_validation
from tests.helpers import TINY

N = 96
RNG = np.random.default_rng(0)
# Twenty-four groups of unequal sizes, out of order.
SIZES = np.tile([2, 3, 5, 6], 6)
GROUPS = RNG.permutation(np.repeat([f"patient {i}" for i in range(24)], SIZES))
# The first column is the number of the row.
X = np.column_stack([np.arange(N), RNG.normal(size=(N, 3))])
LABELS = RNG.integers(3, size=N)
NUMBERS = X[:, 1] + RNG.normal(size=N)
ALPHAS = {"alpha": [0.0, 0.1]}
# The number of the row must not be scaled away, and means nothing to the network.
pytestmark = [
    pytest.mark.filterwarnings("ignore:The columns of X have very different scales"),
    pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning"),
    # Two epochs, labels at random: what the networks predict is of no interest, only on which rows they are trained.
    pytest.mark.filterwarnings("ignore:.*No feature is selected"),
    pytest.mark.filterwarnings("ignore:.* predicts the same for all test rows"),
    pytest.mark.filterwarnings("ignore:Early stopping has no row to choose the epoch by of the classes"),
]


def classifier(early_stopping=True, **options):
    return RegularizedMLPClassifier(early_stopping=early_stopping, **{**TINY, **options})


def regressor(early_stopping=True, **options):
    return RegularizedMLPRegressor(early_stopping=early_stopping, **{**TINY, **options})


def held_out(run):
    """Return, for each fit that a function makes, the indices of the rows for training and for validation."""
    seen, split = [], BaseRegularizedMLP._split

    def recorded(network, table, *arguments):
        rows = split(network, table, *arguments)
        seen.append([table.X[side, 0].astype(int) for side in rows])
        return rows

    with mock.patch.object(BaseRegularizedMLP, "_split", recorded):
        run()
    assert seen
    assert all(len(valid) for _, valid in seen)
    return seen


def keeps_groups(seen, groups=GROUPS):
    return [not set(groups[train]) & set(groups[valid]) for train, valid in seen]


def keeps_time(seen):
    return [train.max() < valid.min() for train, valid in seen]


def one_by_one(**options):
    """Return a network that cannot be trained together with others."""
    return classifier(solver="lbfgs", **options)


def cross_validated(early_stopping=True, **options):
    """Return an estimator with folds of its own, which know nothing of groups and time."""
    return RegularizedMLPClassifierCV(early_stopping=early_stopping, alphas=[0.001, 0.01], cv=2, **TINY, **options)


class OwnSplitter:
    """A splitter that says nothing of what it wants."""

    def split(self, X, y=None, groups=None):
        assert groups is not None
        yield from GroupShuffleSplit(1, random_state=0).split(X, y, groups)

    def get_n_splits(self, X=None, y=None, groups=None):
        return 1


def by_scikit_learn():
    """Return a network that only scikit-learn's own code fits."""
    return classifier().set_callbacks(ScoringMonitor(scoring="accuracy"))


def grid_search(model, grid, y=LABELS):
    return lambda cv, groups: GridSearchCV(model, grid, cv=cv).fit(X, y, groups=groups)


def in_both(model):
    pipeline = make_pipeline(FunctionTransformer(), model)
    return TransformedTargetRegressor(pipeline, transformer=StandardScaler())


PLACEHOLDER = Pipeline([("model", LogisticRegression())])
CALLS = {
    "search": (7, grid_search(classifier(), ALPHAS)),
    "random search": (
        6,
        lambda cv, groups: RandomizedSearchCV(classifier(), ALPHAS, n_iter=2, cv=cv, random_state=0, refit=False).fit(
            X, LABELS, groups=groups
        ),
    ),
    "search, one by one": (7, grid_search(one_by_one(), ALPHAS)),
    "search, refit on all": (7, grid_search(classifier(refit_on_all=True), ALPHAS)),
    "search by scikit-learn": (7, grid_search(by_scikit_learn(), ALPHAS)),
    "early stopping as candidate": (4, grid_search(classifier(False), {"early_stopping": [np.True_]})),
    "pipeline": (7, grid_search(in_both(regressor()), {"regressor__regularizedmlpregressor__alpha": [0, 1]}, NUMBERS)),
    "network as candidate": (4, grid_search(PLACEHOLDER, {"model": [classifier()]})),
    "several labels": (7, grid_search(classifier(), ALPHAS, np.eye(3, dtype=int)[LABELS])),
    "cross_validate": (3, lambda cv, groups: cross_validate(classifier(), X, LABELS, cv=cv, groups=groups)),
    "cross_val_score": (3, lambda cv, groups: cross_val_score(in_both(regressor()), X, NUMBERS, cv=cv, groups=groups)),
    "learning_curve": (
        6,
        lambda cv, groups: learning_curve(
            classifier(),
            X,
            LABELS,
            cv=cv,
            groups=groups,
            train_sizes=[0.8, 1.0],
            shuffle=True,
            random_state=0,
        ),
    ),
    "validation_curve": (
        6,
        lambda cv, groups: validation_curve(
            classifier(), X, LABELS, cv=cv, groups=groups, param_name="alpha", param_range=[0, 0.1]
        ),
    ),
    "comparison": (
        28,  # three outer folds and all rows, each with 2 x 3 inner fits and one in the end
        lambda cv, groups: compare_regularizers(X, LABELS, {"a": (classifier(), ALPHAS)}, cv=cv, groups=groups),
    ),
    "CV in a comparison": (
        None,
        lambda cv, groups: compare_regularizers(
            X,
            LABELS,
            {"a": cross_validated()},
            cv=cv,
            groups=groups,
        ),
    ),
    "CV in a search": (None, grid_search(cross_validated(), {"adaptive": [False, True]})),
    "CV in a pipeline in cross_validate": (
        None,
        lambda cv, groups: cross_validate(
            make_pipeline(FunctionTransformer(), cross_validated()), X, LABELS, cv=cv, groups=groups
        ),
    ),
    "CV": (
        None,
        lambda cv, groups: RegularizedMLPClassifierCV(
            early_stopping=True, alphas=[0.001, 0.01], adaptive=True, relax=True, cv=cv, **TINY
        ).fit(X, LABELS, groups=groups),
    ),
    "CV, regressor": (
        None,
        lambda cv, groups: RegularizedMLPRegressorCV(early_stopping=True, alphas=2, cv=cv, **TINY).fit(
            X, NUMBERS, groups=groups
        ),
    ),
}


@pytest.mark.parametrize(("n_fits", "call"), CALLS.values(), ids=CALLS.keys())
class TestItFollows:
    def test_groups(self, n_fits, call):
        seen = held_out(lambda: call(GroupKFold(3), GROUPS))
        assert all(keeps_groups(seen))
        assert n_fits in (None, len(seen))

    def test_time(self, n_fits, call):
        seen = held_out(lambda: call(TimeSeriesSplit(3), None))
        assert all(keeps_time(seen))
        assert n_fits in (None, len(seen))


SPLITTERS = [OwnSplitter(), GroupShuffleSplit(1)]
# In the suite, every pair of the three occurs.
SPLITTERS_IN_ESTIMATORS = [
    pytest.param(splitter, cv, make, marks=[pytest.mark.product] if (i + j + k) % 2 else [])
    for i, splitter in enumerate(SPLITTERS)
    for j, cv in enumerate([KFold(2), GroupKFold(2)])
    for k, make in enumerate([classifier, one_by_one, cross_validated])
]


class TestWhatIsFollowed:
    def test_folds_without_structure(self):
        seen = held_out(lambda: GridSearchCV(classifier(), ALPHAS, cv=3).fit(X, LABELS))
        assert not any(keeps_groups(seen))
        assert not any(keeps_time(seen))

    def test_groups_that_the_folds_split_are_split(self):
        with pytest.warns(UserWarning, match="groups parameter is ignored"):
            seen = held_out(lambda: cross_validate(classifier(), X, LABELS, cv=KFold(3), groups=GROUPS))
        assert not any(keeps_groups(seen))

    @pytest.mark.parametrize("as_mask", [False, True])
    def test_given_folds(self, as_mask):
        def folds(splits):
            if not as_mask:
                return list(splits)
            return [tuple(np.isin(np.arange(N), rows) for rows in split) for split in splits]

        cv = folds(GroupKFold(2).split(X, LABELS, GROUPS))
        assert all(keeps_groups(held_out(lambda: cross_validate(classifier(), X, LABELS, cv=cv, groups=GROUPS))))
        cv = folds(TimeSeriesSplit(2).split(X))
        assert all(keeps_time(held_out(lambda: cross_validate(classifier(), X, LABELS, cv=cv))))

    def test_comparisons_with_numbers_of_folds(self):
        seen = held_out(
            lambda: compare_regularizers(
                X, LABELS, {"a": (classifier(), ALPHAS)}, cv=2, n_repeats=1, inner_cv=2, groups=GROUPS
            )
        )
        assert all(keeps_groups(seen))

    def test_the_default_set(self):
        stopping = {name: pair for name, pair in default_regularizers(classifier()).items() if "early" in name}
        options = {"cv": 2, "n_repeats": 1, "inner_cv": 2, "groups": GROUPS, "refit": False}
        seen = held_out(lambda: compare_regularizers(X, LABELS, stopping, **options))
        assert all(keeps_groups(seen))
        assert len(seen) == 2 * (1 + 6 * 2 + 1)

    def test_groups_and_time(self):
        """Groups of neighbouring rows, in folds that keep both."""
        groups = np.arange(N) // 6
        cv = [(np.arange(end), np.arange(end, end + 12)) for end in (60, 72, 84)]
        seen = held_out(lambda: cross_validate(classifier(), X, LABELS, cv=cv, groups=groups))
        assert all(keeps_groups(seen, groups))
        assert all(keeps_time(seen))

    def test_the_users_splitter_gets_the_groups(self):
        for cv in (KFold(2), GroupKFold(2)):
            with warnings.catch_warnings():
                warnings.filterwarnings("ignore", "The groups parameter is ignored")
                for run in (
                    lambda cv=cv: GridSearchCV(classifier(GroupShuffleSplit(1)), ALPHAS, cv=cv).fit(
                        X, LABELS, groups=GROUPS
                    ),
                    lambda cv=cv: cross_validate(
                        in_both(regressor(GroupShuffleSplit(1))), X, NUMBERS, cv=cv, groups=GROUPS
                    ),
                    lambda cv=cv: compare_regularizers(
                        X, LABELS, {"es": (classifier(LeaveOneGroupOut()), ALPHAS)}, cv=cv, groups=GROUPS
                    ),
                    lambda cv=cv: RegularizedMLPClassifierCV(
                        early_stopping=GroupShuffleSplit(1), alphas=[0.001, 0.01], cv=cv, **TINY
                    ).fit(X, LABELS, groups=GROUPS),
                ):
                    assert all(keeps_groups(held_out(run)))

    @pytest.mark.filterwarnings("ignore:The groups parameter is ignored")
    @pytest.mark.parametrize(("splitter", "cv", "make"), SPLITTERS_IN_ESTIMATORS)
    def test_any_splitter_in_any_estimator_gets_the_groups(self, splitter, cv, make):
        model = make(early_stopping=splitter)
        for run in (
            lambda: GridSearchCV(model, {}, cv=cv).fit(X, LABELS, groups=GROUPS),
            lambda: cross_val_score(model, X, LABELS, cv=cv, groups=GROUPS),
            lambda: compare_regularizers(X, LABELS, {"es": model}, cv=cv, groups=GROUPS, refit=False),
        ):
            assert all(keeps_groups(held_out(run)))

    @pytest.mark.parametrize("splitter", SPLITTERS)
    def test_any_splitter_in_a_search_with_routing_gets_the_groups(self, splitter):
        with config_context(enable_metadata_routing=True):
            search = sklearn.model_selection.GridSearchCV(classifier(splitter), {}, cv=GroupKFold(2))
            assert all(keeps_groups(held_out(lambda: search.fit(X, LABELS, groups=GROUPS))))

    def test_the_users_splitter_is_taken_as_it_is(self):
        seen = held_out(lambda: cross_validate(classifier(ShuffleSplit(1)), X, LABELS, cv=GroupKFold(2), groups=GROUPS))
        assert not any(keeps_groups(seen))

    def test_scikit_learns_searches_with_routing(self):
        with config_context(enable_metadata_routing=True):
            search = sklearn.model_selection.GridSearchCV(classifier(), ALPHAS, cv=GroupKFold(2))
            assert all(keeps_groups(held_out(lambda: search.fit(X, LABELS, groups=GROUPS))))

    def test_our_searches_with_routing(self):
        with config_context(enable_metadata_routing=True):
            model = make_pipeline(FunctionTransformer(), classifier())
            for run in (
                lambda: GridSearchCV(model, {}, cv=GroupKFold(2)).fit(X, LABELS, groups=GROUPS),
                lambda: cross_val_predict(model, X, LABELS, cv=GroupKFold(2), params={"groups": GROUPS}),
            ):
                assert all(keeps_groups(held_out(run)))

    def test_a_fit_that_is_given_groups(self):
        seen = held_out(lambda: classifier().fit(X, LABELS, groups=list(GROUPS)))
        assert all(keeps_groups(seen))

    def test_rows_without_weight_are_on_neither_side(self):
        weight = (np.arange(N) % 3).astype(float)
        seen = held_out(
            lambda: cross_validate(
                classifier(), X, LABELS, cv=GroupKFold(2), groups=GROUPS, params={"sample_weight": weight}
            )
        )
        assert all(keeps_groups(seen))
        assert all((weight[rows] > 0).all() for split in seen for rows in split)


def test_the_parameters_stay_those_of_the_user():
    for model in (classifier(), one_by_one(), by_scikit_learn(), classifier(GroupShuffleSplit(1, random_state=0))):
        asked = model.early_stopping
        search = GridSearchCV(model, ALPHAS, cv=GroupKFold(2)).fit(X, LABELS, groups=GROUPS)
        assert repr(search.best_estimator_.early_stopping) == repr(asked)
        fits = cross_validate(model, X, LABELS, cv=GroupKFold(2), groups=GROUPS, return_estimator=True)["estimator"]
        assert [repr(fit.early_stopping) for fit in fits] == [repr(asked)] * 2
    model = in_both(regressor())
    fits = cross_validate(model, X, NUMBERS, cv=GroupKFold(2), groups=GROUPS, return_estimator=True)["estimator"]
    for n_jobs in (None, 2):
        options = {"cv": GroupKFold(2), "groups": GROUPS, "return_estimator": True, "n_jobs": n_jobs}
        scores = cross_validate(cross_validated(), X, LABELS, **options)
        assert [fit.early_stopping for fit in scores["estimator"]] == [True] * 2
        assert [type(fit) for fit in scores["estimator"]] == [RegularizedMLPClassifierCV] * 2
    for fit in fits:
        assert fit.regressor[-1].early_stopping is fit.regressor_[-1].early_stopping is True


def test_the_best_estimator_is_that_of_a_fit_with_groups():
    search = GridSearchCV(classifier(), ALPHAS, cv=GroupKFold(2)).fit(X, LABELS, groups=GROUPS)
    again = classifier(alpha=search.best_params_["alpha"]).fit(X, LABELS, groups=GROUPS)
    np.testing.assert_array_equal(search.predict_proba(X), again.predict_proba(X))


def test_parameters_are_the_users_after_an_error():
    model, groups = classifier(), np.zeros(N)
    with pytest.raises(NoSplitError):
        GridSearchCV(model, ALPHAS, cv=GroupKFold(2)).fit(X, LABELS, groups=np.arange(N) % 2)
    with pytest.raises(NoSplitError):
        model.fit(X, LABELS, groups=groups)
    assert model.early_stopping is True


class TestForgottenGroups:
    MENDING = re.compile(
        r"'early_stopping' parameter, GroupShuffleSplit\((.|\n)*needs the group of each row: fit\(X, y, groups="
    )

    def test_fit(self):
        with pytest.raises(ValueError, match=self.MENDING):
            classifier(GroupShuffleSplit(1)).fit(X, LABELS)

    @pytest.mark.parametrize("make", [classifier, one_by_one])
    def test_search(self, make):
        model = make(early_stopping=GroupShuffleSplit(1))
        for run in (
            lambda: GridSearchCV(model, ALPHAS, cv=2).fit(X, LABELS),
            lambda: cross_val_score(model, X, LABELS, cv=2),
            lambda: RegularizedMLPClassifierCV(early_stopping=GroupShuffleSplit(1), cv=2, **TINY).fit(X, LABELS),
        ):
            with pytest.raises(ValueError, match=self.MENDING) as caught:
                run()
            assert not re.search("fits failed", str(caught.value))

    def test_one_candidate_of_several(self):
        grid = {"early_stopping": [False, GroupShuffleSplit(1)]}
        with (
            pytest.warns(FitFailedWarning, match="2 fits failed out of a total of 4"),
            pytest.warns(UserWarning, match="One or more of the test scores are non-finite"),
        ):
            search = GridSearchCV(classifier(), grid, cv=2).fit(X, LABELS)
        assert search.best_params_ == {"early_stopping": False}

    @pytest.mark.parametrize("grid", [{}, ALPHAS])
    def test_comparison(self, grid):
        estimators = {"constant": DummyClassifier(), "es": (classifier(GroupShuffleSplit(1)), grid)}
        with pytest.raises(ValueError, match=self.MENDING) as caught:
            compare_regularizers(X, LABELS, estimators, cv=2, n_repeats=1)
        assert "compare_regularizers(..., groups=...)" in str(caught.value)
        assert not re.search("fits|inner", str(caught.value))

    def test_folds(self):
        with pytest.raises(
            ValueError, match=r"'cv' parameter, GroupKFold\(.*needs the group of each row: fit\(X, y, gr"
        ):
            RegularizedMLPClassifierCV(cv=GroupKFold(2), **TINY).fit(X, LABELS)
        for name, options in {"cv": {"cv": GroupKFold(2)}, "inner_cv": {"inner_cv": GroupKFold(2)}}.items():
            text = rf"'{name}' parameter, GroupKFold\(.*compare_regularizers\(\.\.\., groups=\.\.\.\)"
            with pytest.raises(ValueError, match=text):
                compare_regularizers(X, LABELS, {"a": (classifier(False), ALPHAS)}, **options)


class TestFewGroups:
    def test_one_group(self):
        text = "early_stopping=True holds out whole groups, but the 96 training rows are all of one group. Use more"
        with pytest.raises(ValueError, match=text):
            classifier().fit(X, LABELS, groups=np.zeros(N))
        # All training rows of each fold are of one group.
        text = "the 48 training rows are all of one group. .* or early_stopping="
        with pytest.raises(ValueError, match=text) as caught:
            cross_validate(classifier(), X, LABELS, cv=GroupKFold(2), groups=np.arange(N) % 2)
        assert "fits failed" not in str(caught.value)

    def test_two_groups(self):
        groups = np.repeat([0, 1], [70, 26])
        train, valid = split_validation(N, 0.1, classes=LABELS, seed=0, groups=groups)
        assert (len(train), len(valid)) == (70, 26)

    def test_groups_that_are_classes(self):
        with pytest.raises(ValueError, match="early_stopping=True holds out whole groups, but without any of the 3"):
            classifier().fit(X, LABELS, groups=LABELS)


class TestSplit:
    @pytest.mark.parametrize("seed", range(5))
    def test_whole_groups_of_every_size(self, seed):
        random = np.random.default_rng(seed)
        groups = random.integers(random.integers(2, 60), size=300)
        classes = random.integers(4, size=300)
        train, valid = split_validation(300, 0.1, classes=classes, seed=seed, groups=groups)
        assert sorted([*train, *valid]) == list(range(300))
        assert not set(groups[train]) & set(groups[valid])
        assert set(classes[train]) == set(range(4))

    def test_size_and_proportions(self):
        groups = np.repeat(np.arange(100), 10)
        classes = np.repeat(np.tile([0, 0, 0, 1, 2], 20), 10)  # groups are of one class each
        for seed in range(5):
            _, valid = split_validation(1000, 0.1, classes=classes, seed=seed, groups=groups)
            assert 100 <= len(valid) <= 150
            assert np.bincount(classes[valid], minlength=3).min() >= 10

    def test_a_class_of_one_group_is_for_training(self):
        groups = np.repeat(np.arange(12), 5)
        classes = (groups == 3).astype(int)
        for seed in range(10):
            train, _ = split_validation(60, 0.3, classes=classes, seed=seed, groups=groups)
            assert set(classes[train]) == {0, 1}

    def test_the_seed_decides(self):
        groups = np.arange(60) // 3
        valid = [sorted(split_validation(60, 0.2, classes=None, seed=s, groups=groups)[1]) for s in (0, 0, 1)]
        assert valid[0] == valid[1] != valid[2]

    def test_missing_and_mixed_names_of_groups(self):
        groups = np.array([None, "a", 3, 4.5] * 15, dtype=object)
        train, valid = split_validation(60, 0.2, classes=None, seed=0, groups=groups)
        assert not set(groups[train]) & set(groups[valid])

    def test_time_takes_the_last_rows(self):
        time = np.random.default_rng(0).permutation(100)
        train, valid = split_validation(100, 0.2, classes=None, seed=0, time=time)
        assert time[train].tolist() == list(range(80))
        assert time[valid].tolist() == list(range(80, 100))

    def test_the_first_row_of_a_class_that_comes_late_is_for_training(self):
        for first in range(70, 100):
            classes = np.repeat([0, 1], [first, 100 - first])
            train, valid = split_validation(100, 0.2, classes=classes, seed=0, time=np.arange(100))
            assert len(valid) == min(20, 99 - first if first < 90 else 20)
            assert first in train
            assert set(train) - {first if first >= 90 else -1} <= set(range(valid.min()))

    def test_late_classes_in_any_order(self):
        for seed in range(30):
            random = np.random.default_rng(seed)
            time = random.permutation(120)
            classes = (random.integers(6, size=120) + time // 25).astype(int)
            train, valid = split_validation(120, 0.1, classes=classes, seed=0, time=time)
            assert 9 <= len(valid) <= 18
            assert set(classes[train]) == set(classes)
            assert sorted([*train, *valid]) == list(range(120))
            # Whatever is trained on after the first validation row is the first of its class, and the order has such
            # exceptions only where it has to.
            late = train[time[train] > time[valid].min()]
            for row in late:
                assert time[row] == time[classes == classes[row]].min()
            assert len(valid) == 18 or not len(late)

    def test_too_few_rows_beside_late_classes(self):
        with pytest.raises(NoSplitError, match="holds out the last 10 of the 30 training rows, .* of the 27 classes"):
            split_validation(30, 0.1, classes=np.arange(30) % 27, seed=0, time=np.arange(30))

    def test_groups_in_time_of_which_the_last_has_a_class_for_itself(self):
        groups = np.arange(120) // 6
        classes = np.where(groups == 19, 2, np.arange(120) % 2)
        train, valid = split_validation(120, 0.1, classes=classes, seed=0, groups=groups, time=np.arange(120))
        assert set(groups[valid]) == {16, 17, 18}
        assert set(classes[train]) == {0, 1, 2}


def test_structure_of_splits():
    rows = np.arange(6)
    forward = [(rows[:2], rows[2:4]), (rows[:4], rows[4:])]
    assert RowStructure.of(forward, None, 6).time.tolist() == rows.tolist()
    for splits in (forward[1:], [*forward, (rows[3:], rows[:3])], []):
        assert RowStructure.of(splits, None, 6).time is None
    assert RowStructure.of(forward, [0, 0, 1, 1, 2, 2], 6).whole_groups
    assert not RowStructure.of(forward, [0, 0, 1, 1, 1, 2], 6).whole_groups
    part = RowStructure.of(forward, list("aabbcc"), 6).rows(np.array([4, 1]))
    assert (part.groups.tolist(), part.time.tolist()) == (["c", "a"], [4, 1])

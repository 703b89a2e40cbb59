"""Rows of the members of fold ensembles: folds, groups, order, repeats, weights, classes that folds lack."""

import numpy as np
import pytest
import sklearn
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import accuracy_score
from sklearn.model_selection import (
    GroupKFold,
    KFold,
    LeaveOneGroupOut,
    RepeatedKFold,
    ShuffleSplit,
    StratifiedKFold,
    cross_validate,
)
from sklearn.neighbors import KNeighborsClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from skreg.ensemble import FoldEnsembleClassifier, FoldEnsembleRegressor
from tests.ensemble_helpers import (
    N_ROWS,
    SPLITS,
    WEIGHT,
    KeptRowsClassifier,
    KeptRowsRegressor,
    classes,
    classifier,
    numbered,
    numbers,
    regressor,
    rows_of,
)
from tests.helpers import assert_same_bits

pytestmark = [
    pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning"),
    pytest.mark.filterwarnings("ignore:(All predictions are the same|No feature is selected)"),
]
ALL = set(range(N_ROWS))
GROUPS = np.random.default_rng(1).integers(12, size=N_ROWS)


def folds(kind=FoldEnsembleClassifier, groups=None, y=None, **options):
    """Return the rows that each member is fitted to, as sets."""
    X, labels = classes()
    member = KeptRowsClassifier() if kind is FoldEnsembleClassifier else KeptRowsRegressor()
    ensemble = kind(member, **{"random_state": 0, **options})
    return [set(rows) for rows in rows_of(ensemble.fit(numbered(X), labels if y is None else y, groups=groups))]


class TestFolds:
    @pytest.mark.parametrize("kind", [FoldEnsembleClassifier, FoldEnsembleRegressor])
    def test_a_number_of_shuffled_folds(self, kind):
        held_out = [ALL - rows for rows in folds(kind, cv=4)]
        assert set.union(*held_out) == ALL
        assert [len(rows) for rows in held_out] == [23, 23, 22, 22]
        assert held_out[0] != set(range(23))
        others = [ALL - rows for rows in folds(kind, cv=4, random_state=1)]
        assert others != held_out
        assert [ALL - rows for rows in folds(kind, cv=4)] == held_out

    def test_folds_are_stratified(self):
        y = np.repeat([0, 1], [75, 15])
        assert [sum(y[list(ALL - rows)]) for rows in folds(cv=5, y=y)] == [3] * 5

    def test_none_is_five_shuffled_folds(self):
        assert folds(cv=None) == folds(cv=5) == folds()

    @pytest.mark.parametrize("kind", [FoldEnsembleClassifier, FoldEnsembleRegressor])
    def test_groups_stay_whole(self, kind):
        for rows in folds(kind, groups=GROUPS, cv=3):
            assert not set(GROUPS[list(rows)]) & set(GROUPS[list(ALL - rows)])

    def test_splitters_and_their_groups(self):
        expected = [set(train) for train, _ in LeaveOneGroupOut().split(GROUPS, groups=GROUPS)]
        assert folds(cv=LeaveOneGroupOut(), groups=GROUPS) == expected
        with pytest.raises(
            ValueError, match=r"'cv' parameter, GroupKFold.*, needs the group of each row: fit\(X, y, gro"
        ):
            folds(cv=GroupKFold(2))
        with pytest.raises(ValueError, match="groups must hold the group of each row; got missing values"):
            folds(groups=np.where(GROUPS == 3, np.nan, GROUPS))
        with pytest.raises(ValueError, match="inconsistent numbers of samples"):
            folds(groups=GROUPS[1:])

    def test_a_splitter_of_scikit_learn(self):
        X, y = classes()
        expected = [set(train) for train, _ in StratifiedKFold(3).split(X, y)]
        assert folds(cv=StratifiedKFold(3)) == expected

    def test_a_splitter_of_the_user(self):
        class Halves:
            def split(self, X, y=None, groups=None):
                yield np.flatnonzero(groups), np.flatnonzero(~groups)

            def get_n_splits(self, X=None, y=None, groups=None):
                return 1

        is_first = np.arange(N_ROWS) < 45
        assert folds(cv=Halves(), groups=is_first) == [set(range(45))]

    def test_splits_as_they_are_and_as_masks(self):
        X, y = classes()
        masks = [tuple(np.isin(np.arange(N_ROWS), rows) for rows in split) for split in SPLITS]
        assert folds(cv=iter(SPLITS)) == folds(cv=masks) == [set(train) for train, _ in SPLITS]
        first, second = (
            FoldEnsembleClassifier(classifier(early_stopping=True), cv=cv, random_state=0).fit(X, y)
            for cv in (SPLITS, masks)
        )
        for ours, theirs in zip(first.members_, second.members_, strict=True):
            assert_same_bits(ours, theirs)

    def test_the_splitter_is_left_as_it_is(self):
        splitter = KFold(3, shuffle=True)
        first, second = (folds(cv=splitter) for _ in range(2))
        assert splitter.random_state is None
        assert first == second

    @pytest.mark.parametrize(
        ("cv", "message"),
        [
            ([(np.arange(60), np.arange(50, 90))], "got 60 and 40 rows in fold 0, 10 of them the same"),
            ([SPLITS[0], ([], np.arange(90))], "got 0 and 90 rows in fold 1"),
            ([(np.arange(90), [])], "got 90 and 0 rows in fold 0"),
            ([(np.arange(45), np.arange(45, 91))], "indices or masks of the 90 rows of X; got others in fold 0"),
            ([(np.arange(45), np.arange(-45, 0))], "indices or masks of the 90 rows of X; got others in fold 0"),
            ([(np.arange(45.0), np.arange(45.0, 90))], "indices or masks of the 90 rows of X; got others in fold 0"),
            ([(np.ones(80, dtype=bool), np.zeros(80, dtype=bool))], r"each of the 90 rows of X; got \(80,\)"),
            ([], r"must give folds; got none from \[\]"),
            (91, "splitter in 'cv' does not split these rows: .*n_splits=91"),
        ],
    )
    def test_folds_that_cannot_be_used(self, cv, message):
        with pytest.raises(ValueError, match=f"(?=.*'cv'.*).*{message}"):
            folds(cv=cv)


class TestRepeats:
    def test_rows_are_split_in_different_ways(self):
        found = folds(cv=3, n_repeats=2)
        assert len(found) == 6
        for held_out in ([ALL - rows for rows in found[:3]], [ALL - rows for rows in found[3:]]):
            assert set.union(*held_out) == ALL
            assert sum(map(len, held_out)) == N_ROWS
        assert found[:3] != found[3:]

    def test_a_splitter_that_shuffles_gets_a_seed_for_each(self):
        found = folds(cv=KFold(3, shuffle=True), n_repeats=2)
        assert found[:3] != found[3:]
        assert found == folds(cv=KFold(3, shuffle=True), n_repeats=2)

    @pytest.mark.parametrize("cv", [KFold(3), KFold(3, shuffle=True, random_state=0), SPLITS])
    def test_a_fixed_splitter_cannot_be_repeated(self, cv):
        with pytest.raises(ValueError, match=r"'cv' parameter must be .* random_state=None, .* \(n_repeats=2\); got "):
            folds(cv=cv, n_repeats=2)

    def test_a_row_is_predicted_by_all_members_that_have_not_seen_it(self):
        X, y = numbers()
        ensemble = FoldEnsembleRegressor(
            regressor(early_stopping=True), cv=RepeatedKFold(n_splits=3, n_repeats=2), random_state=0
        ).fit(X, y)
        kept = FoldEnsembleRegressor(
            KeptRowsRegressor(), cv=RepeatedKFold(n_splits=3, n_repeats=2), random_state=0
        ).fit(numbered(X), y)
        predictions = np.array([member.predict(X) for member in ensemble.members_])
        unseen = np.array([~np.isin(np.arange(N_ROWS), rows) for rows in rows_of(kept)])
        assert unseen.sum(axis=0).tolist() == [2] * N_ROWS
        np.testing.assert_allclose(ensemble.oof_predictions_, (predictions * unseen).sum(axis=0) / 2)

    def test_rows_that_all_members_have_seen(self):
        X, y = classes()
        splitter = ShuffleSplit(2, test_size=0.2, random_state=0)
        ensemble = FoldEnsembleClassifier(classifier(), cv=splitter, random_state=0).fit(X, y)
        unseen = np.unique(np.concatenate([held_out for _, held_out in splitter.split(X)]))
        known = np.isin(np.arange(N_ROWS), unseen)
        np.testing.assert_array_equal(np.isnan(ensemble.oof_predictions_), ~known[:, None].repeat(3, axis=1))
        assert ensemble.oof_score_ == accuracy_score(y[known], ensemble.oof_predictions_[known].argmax(axis=1))


class TestWeights:
    def test_rows_of_weight_0_are_no_rows_of_networks(self):
        """Whatever they hold, members stop and score as if they were not there."""
        X, y = numbers()
        odd = np.where(WEIGHT > 0, y, 1e3)
        first, second = (
            FoldEnsembleRegressor(regressor(early_stopping=True), cv=SPLITS, random_state=0).fit(X, targets, WEIGHT)
            for targets in (y, odd)
        )
        for ours, theirs in zip(first.members_, second.members_, strict=True):
            assert_same_bits(ours, theirs)
        assert first.oof_score_ == second.oof_score_

    @pytest.mark.parametrize("estimator", [classifier(early_stopping=True), LogisticRegression()])
    def test_no_out_of_fold_score_without_weight(self, estimator):
        X, y = classes()
        train, held_out = SPLITS[0]
        weight = np.isin(np.arange(N_ROWS), train).astype(float)
        ensemble = FoldEnsembleClassifier(estimator, cv=SPLITS[:1], random_state=0).fit(X, y, weight)
        assert ensemble.oof_score_ is None
        assert np.isfinite(ensemble.oof_predictions_[held_out]).all()

    def test_one_number_stands_for_all_rows(self):
        X, y = classes()
        for estimator in (make_pipeline(StandardScaler(), classifier()), LogisticRegression()):
            first, second = (
                FoldEnsembleClassifier(estimator, cv=2, random_state=0).fit(X, y, weight)
                for weight in (2.0, np.full(N_ROWS, 2.0))
            )
            np.testing.assert_array_equal(first.predict_proba(X), second.predict_proba(X))

    def test_weights_that_cannot_be_used(self):
        X, y = classes()
        message = "'estimator' parameter must be an estimator whose fit takes weights; got KNeighborsClassifier"
        with pytest.raises(ValueError, match=message):
            FoldEnsembleClassifier(make_pipeline(StandardScaler(), KNeighborsClassifier())).fit(X, y, WEIGHT)
        for weight in (-WEIGHT, np.zeros(N_ROWS), WEIGHT[1:], WEIGHT * np.nan):
            with pytest.raises(ValueError, match="(?i)weight"):
                FoldEnsembleClassifier(make_pipeline(StandardScaler(), classifier())).fit(X, y, weight)

    def test_metadata_routing(self):
        X, y = classes()
        with sklearn.config_context(enable_metadata_routing=True):
            scaler = StandardScaler().set_fit_request(sample_weight=True)
            member = make_pipeline(scaler, classifier(early_stopping=True).set_fit_request(sample_weight=True))
            ensemble = FoldEnsembleClassifier(member, cv=SPLITS, random_state=0)
            ensemble.set_fit_request(sample_weight=True).set_score_request(sample_weight=True)
            ensemble.fit(X, y, sample_weight=WEIGHT)
            for fitted, (train, _) in zip(ensemble.members_, SPLITS, strict=True):
                np.testing.assert_allclose(fitted[0].mean_, np.average(X[train], axis=0, weights=WEIGHT[train]))
            around = FoldEnsembleClassifier(KeptRowsClassifier(), cv=2, random_state=0)
            around.set_fit_request(sample_weight=True).set_score_request(sample_weight=True)
            around.estimator.set_fit_request(sample_weight=True)
            scores = cross_validate(
                around,
                numbered(X),
                y,
                params={"groups": GROUPS, "sample_weight": WEIGHT},
                cv=GroupKFold(2),
                return_estimator=True,
                error_score="raise",
            )
        for fitted in scores["estimator"]:
            first, second = (set(GROUPS[member.rows_]) for member in fitted.members_)
            assert not first & second
            for member in fitted.members_:
                np.testing.assert_array_equal(member.weight_, WEIGHT[member.rows_])


class TestClassesThatFoldsLack:
    @pytest.mark.parametrize("early_stopping", [False, True])
    @pytest.mark.filterwarnings("ignore:The least populated class in y has only 1 member")
    def test_a_class_of_one_row(self, early_stopping):
        X, y = classes()
        labels = np.array(["a", "b", "c"], dtype="U2")[y]
        labels[4] = "aa"
        ensemble = FoldEnsembleClassifier(
            make_pipeline(StandardScaler(), classifier(early_stopping=early_stopping)), cv=3, random_state=0
        ).fit(X, labels)
        known = [member.classes_.tolist() for member in ensemble.members_]
        assert sorted(map(len, known)) == [3, 4, 4]
        assert ensemble.oof_predictions_[4].sum() == pytest.approx(1)
        assert ensemble.oof_predictions_[4, 1] == 0
        probabilities = ensemble.predict_proba(X)
        np.testing.assert_allclose(probabilities.sum(axis=1), 1)
        expected = np.mean([m.predict_proba(X)[:, -1] for m in ensemble.members_], axis=0)
        np.testing.assert_allclose(probabilities[:, 3], expected)
        assert probabilities[0, 1] > 0
        assert np.isfinite(ensemble.decision_function(X)).all()

    def test_a_class_of_few_rows_that_lie_in_one_group(self):
        X, y = classes()
        y = np.where(GROUPS == 3, 7, y)
        ensemble = FoldEnsembleClassifier(classifier(early_stopping=True), cv=3, random_state=0)
        ensemble.fit(X, y, groups=GROUPS)
        assert sorted(len(member.classes_) for member in ensemble.members_) == [3, 4, 4]
        assert not ensemble.oof_predictions_[GROUPS == 3, 3].any()

    def test_held_out_rows_of_unknown_classes_alone(self):
        """There is nothing to stop on but training rows."""
        X, y = classes()
        last = np.arange(80, 90)
        y[last] = 9
        splits = [(np.arange(80), last), (np.arange(10, 90), np.arange(10))]
        ensemble = FoldEnsembleClassifier(classifier(early_stopping=True), cv=splits, random_state=0).fit(X, y)
        assert [member.classes_.tolist() for member in ensemble.members_] == [[0, 1, 2], [0, 1, 2, 9]]
        assert not ensemble.oof_predictions_[last, 3].any()

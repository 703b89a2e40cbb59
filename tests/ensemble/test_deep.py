"""Members of deep ensembles: their seeds, and bootstrap rows."""

import numpy as np
import pytest
from sklearn.base import clone
from sklearn.exceptions import FitFailedWarning
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.metrics import r2_score
from sklearn.model_selection import ShuffleSplit
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from skreg.ensemble import DeepEnsembleClassifier, DeepEnsembleRegressor
from tests.ensemble_helpers import (
    N_ROWS,
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
from tests.helpers import assert_unchanged_by
from tests.search_helpers import assert_same_fit, both_searches, log_likelihood

pytestmark = [
    pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning"),
    pytest.mark.filterwarnings("ignore:(All predictions are the same|No feature is selected)"),
]
SHARED = {"n_members": 3, "weight_sharing": "batch_ensemble", "random_state": 0}
GROUPS = np.random.default_rng(1).integers(12, size=N_ROWS)


def bootstrap_rows(groups=None, n_members=3, random_state=0, kind=DeepEnsembleRegressor):
    """Return the rows of each member, which are the same for all estimators with one random state."""
    X, labels = classes()
    member = KeptRowsRegressor() if kind is DeepEnsembleRegressor else KeptRowsClassifier()
    ensemble = kind(member, n_members=n_members, bootstrap=True, random_state=random_state)
    return rows_of(ensemble.fit(numbered(X), labels, groups=groups))


class TestSeeds:
    @pytest.mark.parametrize("rule", [False, True, ShuffleSplit(1, test_size=0.4)])
    def test_members_are_single_fits_with_other_seeds(self, rule):
        X, y = classes()
        ensemble = DeepEnsembleClassifier(classifier(early_stopping=rule), n_members=3, random_state=0).fit(
            X, y, WEIGHT
        )
        assert len({member.random_state for member in ensemble.members_}) == 3
        for member in ensemble.members_:
            assert bool(member.early_stopping) == bool(rule)
            assert_same_fit(member, clone(member).fit(X, y, WEIGHT))
        assert not np.allclose(ensemble.members_[0].coefs_[0], ensemble.members_[1].coefs_[0])

    def test_nothing_is_held_out(self):
        ensemble = DeepEnsembleRegressor(regressor(), n_members=2, random_state=0).fit(*numbers())
        assert ensemble.oof_predictions_ is None
        assert ensemble.oof_score_ is None
        assert not ensemble.failures_

    def test_early_stopping_keeps_groups_whole(self):
        X, y = numbers()
        with pytest.raises(ValueError, match="early_stopping=True holds out whole groups"):
            DeepEnsembleRegressor(regressor(early_stopping=True), n_members=2).fit(X, y, groups=np.zeros(N_ROWS))
        groups = np.arange(N_ROWS) // 30
        ensemble = DeepEnsembleRegressor(regressor(early_stopping=True), n_members=2, random_state=0).fit(
            X, y, groups=groups
        )
        for member in ensemble.members_:
            assert_same_fit(member, clone(member).fit(X, y, groups=groups))

    def test_warm_starts_of_members_have_no_effect(self):
        """A second fit makes new members of the same seeds."""
        X, y = numbers()
        ensemble = DeepEnsembleRegressor(regressor(warm_start=True), n_members=2, random_state=0).fit(X, y)
        first = ensemble.members_
        for ours, before in zip(ensemble.fit(X, y).members_, first, strict=True):
            assert ours is not before
            assert_same_fit(ours, before)

    def test_one_member(self):
        X, y = classes()
        ensemble = DeepEnsembleClassifier(classifier(), n_members=1, random_state=0).fit(X, y)
        (member,) = ensemble.members_
        np.testing.assert_array_equal(ensemble.predict_proba(X), member.predict_proba(X))
        assert not ensemble.predict_members(X).std.any()

    def test_the_default_network_stops_early(self):
        X, y = classes()
        ensemble = DeepEnsembleClassifier(n_members=1, random_state=0).fit(X, y)
        assert ensemble.members_[0].early_stopping is True
        assert ensemble.estimator is None


class TestBootstrap:
    def test_rows_are_drawn_with_replacement(self):
        found = bootstrap_rows(n_members=30)
        shares = [len(set(rows)) / N_ROWS for rows in found]
        assert {len(rows) for rows in found} == {N_ROWS}
        # 1 - (1 - 1/n)^n; the standard error of the mean of 30 is below 0.006.
        assert np.mean(shares) == pytest.approx(1 - (1 - 1 / N_ROWS) ** N_ROWS, abs=0.02)
        assert len({tuple(rows) for rows in found}) == 30
        np.testing.assert_array_equal(found, bootstrap_rows(n_members=30))
        assert not np.array_equal(found[:3], bootstrap_rows(random_state=1))

    @pytest.mark.parametrize("kind", [DeepEnsembleClassifier, DeepEnsembleRegressor])
    def test_whole_groups_are_drawn(self, kind):
        for rows in bootstrap_rows(GROUPS, kind=kind):
            times = np.bincount(rows, minlength=N_ROWS)
            assert all(len(set(times[GROUPS == group])) == 1 for group in range(12))
            assert sum(times[GROUPS == group][0] for group in range(12)) == 12

    @pytest.mark.parametrize("early_stopping", [False, True])
    @pytest.mark.parametrize("weight", [None, WEIGHT], ids=["", "weights"])
    def test_members_stop_on_rows_that_are_not_drawn(self, early_stopping, weight):
        X, y = numbers()
        network = make_pipeline(StandardScaler(), regressor(early_stopping=early_stopping))
        options = {"n_members": 2, "bootstrap": True, "random_state": 0}
        ensemble = DeepEnsembleRegressor(network, **options).fit(X, y, weight)
        drawn = bootstrap_rows(n_members=2)
        total, times = np.zeros(N_ROWS), np.zeros(N_ROWS)
        for member, train in zip(ensemble.members_, drawn, strict=True):
            out = np.setdiff1d(np.arange(N_ROWS), train)
            inputs = StandardScaler().fit(X[train])
            validation = {"X_val": inputs.transform(X[out]), "y_val": y[out]} if early_stopping else {}
            of_train = None if weight is None else weight[train]
            if early_stopping and weight is not None:
                validation["sample_weight_val"] = weight[out]
            assert_same_fit(
                member[-1], clone(member[-1]).fit(inputs.transform(X[train]), y[train], of_train, **validation)
            )
            total[out] += member.predict(X[out])
            times[out] += 1
        known = times > 0
        np.testing.assert_allclose(ensemble.oof_predictions_[known], total[known] / times[known])
        assert np.isnan(ensemble.oof_predictions_[~known]).all()
        of_known = None if weight is None else weight[known]
        expected = r2_score(y[known], total[known] / times[known], sample_weight=of_known)
        assert ensemble.oof_score_ == pytest.approx(expected)

    def test_refit_on_all_is_refused(self):
        network = regressor(early_stopping=True, refit_on_all=True)
        with pytest.raises(ValueError, match="'refit_on_all' parameter must be False"):
            DeepEnsembleRegressor(network, n_members=2, bootstrap=True).fit(*numbers())
        ensemble = DeepEnsembleRegressor(network, n_members=2).fit(*numbers())
        assert len(ensemble.members_) == 2

    def test_other_estimators(self):
        X, y = numbers()
        ensemble = DeepEnsembleRegressor(Ridge(), n_members=3, bootstrap=True, random_state=0).fit(X, y)
        for member, rows in zip(ensemble.members_, bootstrap_rows(), strict=True):
            np.testing.assert_array_equal(member.coef_, Ridge(random_state=0).fit(X[rows], y[rows]).coef_)


class TestSharedWeights:
    def test_members_differ_by_vectors_alone(self):
        """diag(r) W diag(s) divided by another one is a matrix of rank one; independent networks have none."""
        X, y = classes()
        network = make_pipeline(StandardScaler(), classifier(early_stopping=True))
        ensemble = DeepEnsembleClassifier(network, **SHARED).fit(X, y, WEIGHT)
        first, second, third = (member[-1].coefs_[0] for member in ensemble.members_)
        for other in (second, third):
            values = np.linalg.svd(first / other, compute_uv=False)
            assert values[1] < 1e-9 * values[0]
            assert not np.allclose(first, other)
        each = [member.predict_proba(X) for member in ensemble.members_]
        np.testing.assert_allclose(ensemble.predict_proba(X), np.mean(each, axis=0))
        assert ensemble.oof_predictions_ is None

    def test_one_member_is_a_plain_network(self):
        X, y = numbers()
        network = regressor(early_stopping=True, target_transform="standard")
        ensemble = DeepEnsembleRegressor(network, **{**SHARED, "n_members": 1}).fit(X, y)
        (member,) = ensemble.members_
        np.testing.assert_allclose(clone(member).fit(X, y).predict(X), ensemble.predict(X), rtol=1e-6)

    def test_in_searches(self):
        grid = [{"n_members": [2, 4]}, {"estimator__alpha": [1.0]}, {"weight_sharing": [None]}]
        ensemble = DeepEnsembleClassifier(classifier(), **SHARED)
        both_searches(ensemble, grid, *classes(), cv=2, scoring=log_likelihood, n_single=0)

    @pytest.mark.parametrize(
        ("options", "message"),
        [
            ({"bootstrap": True}, "'bootstrap' parameter must be False .*; got bootstrap=True"),
            (
                {"estimator": LogisticRegression()},
                "'estimator' parameter must be a Regularized.*; got LogisticRegression",
            ),
            ({"estimator": classifier(solver="lbfgs")}, "'solver' parameter must be 'adam' or 'sgd' .*; got 'lbfgs'"),
            ({"weight_sharing": "all"}, "'weight_sharing' parameter .* Got 'all' instead"),
        ],
    )
    def test_what_does_not_go_with_it(self, options, message):
        with pytest.raises(ValueError, match=message):
            DeepEnsembleClassifier(**{"estimator": classifier(), **SHARED, **options}).fit(*classes())

    def test_a_fit_that_fails_leaves_the_ensemble_as_it_was(self):
        X, y = numbers()
        ensemble = DeepEnsembleRegressor(regressor(solver="sgd"), **SHARED).fit(X, y)
        ensemble.set_params(estimator__learning_rate_init=1e25)
        assert_unchanged_by(ensemble, ValueError, "Training diverged", lambda model: model.fit(X, y))
        assert len(ensemble.members_) == 3


def test_a_member_whose_rows_are_of_one_class_is_left_out(global_state):
    """Bootstrap rows can miss a rare class: that is a failure of the member, not of the ensemble."""
    X = np.random.default_rng(0).normal(size=(60, 3))
    y = np.repeat([1, 0], [2, 58])
    network = classifier()
    with pytest.warns(FitFailedWarning, match=r"hold no two classes; got \[0\]"):
        ensemble = DeepEnsembleClassifier(network, n_members=8, bootstrap=True, random_state=0).fit(X, y)
    assert 0 < len(ensemble.failures_) < 8
    assert len(ensemble.members_) == 8 - len(ensemble.failures_)
    assert ensemble.predict_proba(X).shape == (60, 2)
    weight = np.where(y == 1, 0.0, 1.0)
    with pytest.raises(ValueError, match="hold no two classes|at least 2 classes"):
        DeepEnsembleClassifier(network, n_members=2, bootstrap=True, random_state=0).fit(X, y, sample_weight=weight)

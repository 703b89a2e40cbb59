"""Deep ensembles whose members share weights: their members, and what is around them."""

import pickle

import numpy as np
import pandas as pd
import pytest
import sklearn.compose
import sklearn.model_selection
from sklearn.base import clone
from sklearn.datasets import make_multilabel_classification
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import Ridge
from sklearn.metrics import r2_score
from sklearn.model_selection import ShuffleSplit
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler, scale

from skreg.backends import train_fits
from skreg.compose import TransformedTargetRegressor
from skreg.ensemble import DeepEnsembleClassifier, DeepEnsembleRegressor
from skreg.ensemble._shared import finish_shared, prepare_shared
from skreg.ensemble._shared_networks import SharedNetworks
from skreg.model_selection import GridSearchCV, cross_validate
from skreg.pipeline import table_pipeline
from tests.ensemble_helpers import N_ROWS, WEIGHT, classes, classifier, numbers, regressor
from tests.helpers import assert_unchanged_by
from tests.search_helpers import assert_same_fit, log_likelihood, negative_error

pytestmark = [
    pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning"),
    pytest.mark.filterwarnings("ignore:(All predictions are the same|No feature is selected)"),
]
NEW = np.random.default_rng(5).normal(size=(20, 5))
GROUPS = np.random.default_rng(1).integers(12, size=N_ROWS)


def labels():
    X, Y = make_multilabel_classification(N_ROWS, 5, n_classes=3, random_state=0)
    return scale(X), Y


PROBLEMS = {
    "binary": (DeepEnsembleClassifier, classifier, lambda: classes(2)),
    "multiclass": (DeepEnsembleClassifier, classifier, classes),
    "multilabel": (DeepEnsembleClassifier, classifier, labels),
    "numbers": (DeepEnsembleRegressor, regressor, numbers),
    "outputs": (DeepEnsembleRegressor, regressor, lambda: numbers(2)),
}
problems = pytest.mark.parametrize("problem", PROBLEMS)


def shared(estimator, **options):
    """Return an ensemble of three members that share weights."""
    kind = DeepEnsembleClassifier if hasattr(estimator, "predict_proba") else DeepEnsembleRegressor
    return kind(estimator, **{"n_members": 3, "weight_sharing": "batch_ensemble", "random_state": 0, **options})


def by_itself(network, n_members, X, y, *arguments, **options):
    """Return the members of a network that is trained apart from any ensemble."""
    pending = prepare_shared(network, X, y, *arguments, n_members=n_members, **options)
    return finish_shared(pending, *train_fits([(pending.spec, pending.dataset)]))[0]


def predictions(model, X):
    return model.predict_proba(X) if hasattr(model, "predict_proba") else model.predict(X)


def assert_same_members(ours, theirs, tol=1e-6):
    assert len(ours) == len(theirs)
    for mine, expected in zip(ours, theirs, strict=True):
        assert_same_fit(mine, expected, tol)


class TestMembers:
    @problems
    def test_the_ensemble_is_their_mean(self, problem):
        _, make, load = PROBLEMS[problem]
        X, y = load()
        ensemble = shared(make()).fit(X, y)
        seed = ensemble.members_[0].random_state
        assert_same_members(ensemble.members_, by_itself(make(random_state=seed), 3, X, y))
        each = np.stack([predictions(member, NEW) for member in ensemble.members_])
        np.testing.assert_allclose(predictions(ensemble, NEW), each.mean(axis=0), rtol=1e-6)
        np.testing.assert_array_equal(ensemble.predict_members(NEW).members, each)
        assert each.std(axis=0).min() > 0
        assert ensemble.predict(NEW).shape == (len(NEW), *y.shape[1:])
        assert ensemble.oof_predictions_ is None
        assert ensemble.failures_ == {}

    @problems
    def test_they_have_one_matrix(self, problem):
        """``diag(r_i) W diag(s_i)``: ratios of two members' weights have rank 1."""
        _, make, load = PROBLEMS[problem]
        first, second, _ = shared(make()).fit(*load()).members_
        for ours, theirs in zip(first.coefs_, second.coefs_, strict=True):
            values = np.linalg.svd(ours / theirs, compute_uv=False)
            assert (values[1:] < 1e-5 * values[0]).all()
            assert not np.allclose(ours, theirs)

    @pytest.mark.parametrize("kind", ["classes", "numbers"])
    def test_one_member_is_a_network(self, kind):
        X, y = classes() if kind == "classes" else numbers()
        network = classifier() if kind == "classes" else regressor()
        ensemble = shared(network, n_members=1).fit(X, y)
        (member,) = ensemble.members_
        assert_same_fit(member, clone(member).fit(X, y))
        np.testing.assert_array_equal(predictions(ensemble, NEW), predictions(member, NEW))

    @pytest.mark.parametrize("rule", [False, True, ShuffleSplit(1, test_size=0.4)])
    def test_early_stopping_is_the_users(self, rule):
        X, y = classes()
        ensemble = shared(classifier(early_stopping=rule)).fit(X, y)
        seed = ensemble.members_[0].random_state
        theirs = by_itself(classifier(early_stopping=rule, random_state=seed), 3, X, y)
        for member, expected in zip(ensemble.members_, theirs, strict=True):
            if rule in (False, True):
                assert member.early_stopping is rule
            else:
                assert isinstance(member.early_stopping, ShuffleSplit)
            if not isinstance(rule, ShuffleSplit):  # which would be split otherwise for want of a seed
                assert_same_fit(member, expected)

    def test_weights(self):
        X, y = classes()
        ensemble = shared(classifier()).fit(X, y, WEIGHT)
        seed = ensemble.members_[0].random_state
        assert_same_members(ensemble.members_, by_itself(classifier(random_state=seed), 3, X, y, WEIGHT))
        without = shared(classifier()).fit(X, y)
        assert not np.allclose(ensemble.predict_proba(NEW), without.predict_proba(NEW))
        with pytest.raises(ValueError, match="weight"):
            shared(classifier()).fit(X, y, WEIGHT[1:])

    @pytest.mark.parametrize("is_piped", [False, True])
    def test_early_stopping_holds_out_whole_groups(self, is_piped):
        X, y = numbers()
        network = regressor(early_stopping=True)
        ensemble = shared(make_pipeline(StandardScaler(), network) if is_piped else network).fit(X, y, groups=GROUPS)
        members = [member[-1] if is_piped else member for member in ensemble.members_]
        network.set_params(random_state=members[0].random_state)
        inputs = scale(X) if is_piped else X
        assert_same_members(members, by_itself(network, 3, inputs, y, groups=GROUPS))
        rows_alone = by_itself(network, 3, inputs, y)
        assert not np.allclose(members[0].validation_scores_, rows_alone[0].validation_scores_)
        with pytest.raises(ValueError, match="early_stopping=True holds out whole groups"):
            shared(network).fit(X, y, groups=np.zeros(N_ROWS))


class TestAround:
    def test_pipelines(self):
        X, y = classes()
        ensemble = shared(make_pipeline(StandardScaler(), classifier())).fit(3 * X + 1, y)
        seed = ensemble.members_[0][-1].random_state
        theirs = by_itself(classifier(random_state=seed), 3, StandardScaler().fit_transform(3 * X + 1), y)
        assert_same_members([member[-1] for member in ensemble.members_], theirs)
        each = np.stack([member.predict_proba(3 * NEW + 1) for member in ensemble.members_])
        np.testing.assert_allclose(ensemble.predict_proba(3 * NEW + 1), each.mean(axis=0), rtol=1e-6)
        scalers = [member[0] for member in ensemble.members_]
        assert len(set(map(id, scalers))) == 3
        assert ensemble.estimator[-1].__class__ is type(theirs[0])
        assert not hasattr(ensemble.estimator[-1], "coefs_")

    @pytest.mark.parametrize("kind", [TransformedTargetRegressor, sklearn.compose.TransformedTargetRegressor])
    @pytest.mark.parametrize("is_inside", [False, True])
    def test_transformations_of_the_target(self, kind, is_inside):
        X, y = numbers()
        network = make_pipeline(StandardScaler(), regressor()) if is_inside else regressor()
        member = kind(network, transformer=StandardScaler())
        ensemble = shared(member if is_inside else make_pipeline(StandardScaler(), member)).fit(X, 10 * y + 5)
        outer = ensemble.members_[0] if is_inside else ensemble.members_[0][-1]
        innermost = outer.regressor_[-1] if is_inside else outer.regressor_
        theirs = by_itself(regressor(random_state=innermost.random_state), 3, scale(X), scale(y))
        each = 10 * np.std(y) * np.stack([own.predict(NEW) for own in theirs]) + 10 * np.mean(y) + 5
        inputs = StandardScaler().fit(X).inverse_transform(NEW)
        np.testing.assert_allclose(ensemble.predict_members(inputs).members, each, rtol=1e-4, atol=1e-4)
        np.testing.assert_allclose(ensemble.predict(inputs), each.mean(axis=0), rtol=1e-4, atol=1e-4)
        for own in ensemble.members_:
            transformation = own if is_inside else own[-1]
            network = transformation.regressor[-1] if is_inside else transformation.regressor
            assert not hasattr(network, "coefs_")  # the part that is not fitted
            assert type(network) is type(innermost)

    def test_tables(self):
        X, y = classes()
        frame = pd.DataFrame(X, columns=list("abcde")).assign(f=np.array(["x", "y", "z"])[np.arange(N_ROWS) % 3])
        ensemble = shared(table_pipeline(classifier())).fit(frame, y)
        assert ensemble.feature_importances_.shape == (6,)
        seed = ensemble.members_[0][-1].random_state
        encoder = clone(ensemble.estimator[0]).fit(frame, y)
        theirs = by_itself(classifier(random_state=seed), 3, np.asarray(encoder.transform(frame)), y)
        each = np.stack([own.predict_proba(np.asarray(encoder.transform(frame))) for own in theirs])
        np.testing.assert_allclose(ensemble.predict_members(frame).members, each, rtol=1e-5)

    def test_searches_are_scikit_learns(self):
        X, y = classes()
        ensemble = shared(classifier(early_stopping=True))
        grid = {"n_members": [1, 2, 3], "estimator__alpha": [0.0, 0.1]}
        theirs, ours = (
            search(ensemble, grid, cv=2, scoring=log_likelihood).fit(X, y)
            for search in (sklearn.model_selection.GridSearchCV, GridSearchCV)
        )
        scores = ours.cv_results_["mean_test_score"]
        np.testing.assert_allclose(scores, theirs.cv_results_["mean_test_score"], rtol=1e-4)
        assert len(set(scores.round(7))) == 6
        alone = clone(ensemble).set_params(**ours.best_params_).fit(X, y)
        assert_same_members(ours.best_estimator_.members_, alone.members_)
        assert {member.early_stopping for member in ours.best_estimator_.members_} == {True}

    def test_searches_over_weight_sharing(self):
        X, y = numbers()
        ensemble = shared(make_pipeline(StandardScaler(), regressor()))
        grid = {"weight_sharing": [None, "batch_ensemble"]}
        theirs, ours = (
            search(ensemble, grid, cv=2, scoring=negative_error).fit(X, y)
            for search in (sklearn.model_selection.GridSearchCV, GridSearchCV)
        )
        scores = ours.cv_results_["mean_test_score"]
        np.testing.assert_allclose(scores, theirs.cv_results_["mean_test_score"], rtol=1e-4)
        assert scores[0] != scores[1]

    def test_cross_validation_with_groups(self):
        """The groups of a cross-validation are those of early stopping, too."""
        X, y = numbers()
        ensemble = shared(regressor(early_stopping=True))
        cv = sklearn.model_selection.GroupKFold(2)
        found = cross_validate(ensemble, X, y, cv=cv, groups=GROUPS, return_estimator=True)
        for (train, test), own, score in zip(
            cv.split(X, y, GROUPS), found["estimator"], found["test_score"], strict=True
        ):
            alone = clone(ensemble).fit(X[train], y[train], groups=GROUPS[train])
            assert_same_members(own.members_, alone.members_)
            assert score == pytest.approx(r2_score(y[test], alone.predict(X[test])))


class TestEnsemble:
    def test_random_states(self):
        X, y = classes()
        network = classifier(random_state=7, early_stopping=True)
        first, again, other = (shared(network, random_state=seed).fit(X, y) for seed in (0, 0, 1))
        np.testing.assert_array_equal(first.predict_proba(NEW), again.predict_proba(NEW))
        assert not np.allclose(first.predict_proba(NEW), other.predict_proba(NEW))
        assert first.members_[0].random_state != other.members_[0].random_state
        generator = np.random.RandomState(0)
        drawn = [shared(network, random_state=generator).fit(X, y).predict_proba(NEW) for _ in range(2)]
        assert not np.allclose(*drawn)

    @pytest.mark.parametrize("is_piped", [False, True])
    def test_pickles_clones_and_pruned_ones(self, is_piped):
        X, y = classes()
        network = classifier(penalty="group_lasso", alpha=0.05, max_iter=15)
        ensemble = shared(make_pipeline(StandardScaler(), network) if is_piped else network).fit(X, y)
        again = pickle.loads(pickle.dumps(ensemble))
        np.testing.assert_array_equal(again.predict_proba(NEW), ensemble.predict_proba(NEW))
        refitted = clone(ensemble)
        assert not hasattr(refitted, "members_")
        np.testing.assert_array_equal(refitted.fit(X, y).predict_proba(NEW), ensemble.predict_proba(NEW))
        pruned = ensemble.prune()
        np.testing.assert_allclose(pruned.predict_proba(NEW), ensemble.predict_proba(NEW), rtol=1e-5)
        last = [member[-1] if is_piped else member for member in pruned.members_]
        assert all(hasattr(member, "pruning_") for member in last)

    def test_a_fit_forgets_the_one_before(self):
        X, y = numbers()
        ensemble = shared(regressor()).fit(X, y)
        ensemble.set_params(weight_sharing=None, bootstrap=True).fit(X, y)
        assert ensemble.oof_predictions_ is not None
        ensemble.set_params(weight_sharing="batch_ensemble", bootstrap=False, n_members=2).fit(X, y)
        assert ensemble.oof_predictions_ is None
        assert ensemble.oof_score_ is None
        assert len(ensemble.members_) == 2
        with pytest.raises(ValueError, match="predict_interval needs rows"):
            ensemble.predict_interval(NEW)


@problems
def test_substitutes_can_be_fitted_by_themselves(problem):
    """They give their warnings themselves, then."""
    _, make, data = PROBLEMS[problem]
    X, y = data()
    network = make(random_state=0, n_iter_no_change=10)
    with pytest.warns(ConvergenceWarning, match="max_iter=4") as caught:
        substitute = SharedNetworks(network, 3).fit(X, y, WEIGHT)
    assert len(caught) == 1
    for ours, theirs in zip(substitute.members_, by_itself(network, 3, X, y, WEIGHT), strict=True):
        assert_same_fit(ours, theirs)


class TestErrors:
    @pytest.mark.parametrize(
        ("options", "message"),
        [
            ({"bootstrap": True}, "^The 'bootstrap' parameter must be False with members that share weights; got"),
            (
                {"estimator": Ridge()},
                "^The 'estimator' parameter must be a Reg.* with weight_sharing=.*; got Ridge",
            ),
            ({"weight_sharing": "tabm"}, "'weight_sharing' parameter of DeepEnsembleRegressor must be a str among"),
            (
                {"estimator": regressor(solver="lbfgs")},
                r"^The 'solver' parameter must .*; got 'lbfgs'\.$",
            ),
            (
                {"estimator": regressor(early_stopping=True, refit_on_all=True)},
                r"^The 'refit_on_all' parameter must be False .*; got True\.$",
            ),
            ({"estimator": regressor(warm_start=True)}, r"^The 'warm_start' parameter must be False .*; got True\.$"),
            ({"estimator": regressor(alpha=-1.0)}, "'alpha' parameter"),
            ({"estimator": make_pipeline(StandardScaler(), regressor(normalization="layer"))}, "have no normalization"),
            ({"estimator__learning_rate_init": 1e30, "estimator__solver": "sgd"}, "diverged|not finite|NaN"),
        ],
    )
    def test_parameters(self, options, message):
        """A fit that fails leaves the ensemble as it was."""
        X, y = numbers()
        ensemble = shared(regressor()).fit(X, y)
        ensemble.set_params(**options)
        assert_unchanged_by(ensemble, ValueError, message, lambda model: model.fit(X, y))

    def test_data(self):
        X, y = classes()
        holed = X.copy()
        holed[3, 1] = np.nan
        for network in (classifier(), make_pipeline(StandardScaler(), classifier())):
            with pytest.raises(ValueError, match="NaN"):
                shared(network).fit(holed, y)
            with pytest.raises(ValueError, match=r"at least (2|two) classes"):
                shared(network).fit(X, np.zeros(N_ROWS, dtype=int))

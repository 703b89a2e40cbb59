"""Members of ensembles against single fits, what is made of their predictions, and members that fail."""

import importlib

import numpy as np
import pandas as pd
import pytest
import scipy.sparse
import torch
from sklearn.base import clone
from sklearn.compose import TransformedTargetRegressor
from sklearn.decomposition import PCA
from sklearn.ensemble import HistGradientBoostingClassifier, RandomForestClassifier
from sklearn.exceptions import FitFailedWarning, NotFittedError
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.metrics import accuracy_score, d2_pinball_score, r2_score
from sklearn.model_selection import GridSearchCV, ShuffleSplit
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler
from sklearn.svm import SVC, LinearSVC

from skreg import RegularizedMLPClassifier, table_pipeline
from skreg.ensemble import (
    DeepEnsembleClassifier,
    DeepEnsembleRegressor,
    FoldEnsembleClassifier,
    FoldEnsembleRegressor,
)
from skreg.model_selection import RegularizedMLPClassifierCV, cross_val_predict
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
)
from tests.helpers import assert_same_bits, assert_unchanged_by
from tests.search_helpers import assert_same_fit

pytestmark = [
    pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning"),
    pytest.mark.filterwarnings("ignore:(All predictions are the same|No feature is selected)"),
]


@pytest.fixture(scope="module")
def fitted():
    """Return a fitted ensemble for tests that change nothing in it."""
    return FoldEnsembleClassifier(classifier(), cv=SPLITS, random_state=0).fit(*classes())


@pytest.fixture(scope="module")
def fitted_regressor():
    return FoldEnsembleRegressor(regressor(), cv=SPLITS, random_state=0).fit(*numbers())


def ensemble_of(estimator, **options):
    kind = FoldEnsembleClassifier if hasattr(estimator, "predict_proba") else FoldEnsembleRegressor
    return kind(estimator, **{"cv": SPLITS, "random_state": 0, **options})


class TestMembersAreSingleFits:
    @pytest.mark.parametrize("weight", [None, WEIGHT], ids=["", "weights"])
    @pytest.mark.parametrize("early_stopping", [False, True])
    @pytest.mark.parametrize(
        ("make", "data", "options"),
        [
            (classifier, classes, {}),
            (classifier, classes, {"dropout": 0.2, "penalty": "l1", "alpha": 0.01, "class_weight": "balanced"}),
            (regressor, numbers, {"target_transform": "standard", "batch_size": 20}),
        ],
    )
    def test_networks(self, make, data, options, early_stopping, weight):
        X, y = data()
        ensemble = ensemble_of(make(**options, early_stopping=early_stopping)).fit(X, y, weight)
        for member, (train, held_out) in zip(ensemble.members_, SPLITS, strict=True):
            validation = {}
            of_train = None if weight is None else weight[train]
            if early_stopping:
                validation = {"X_val": X[held_out], "y_val": y[held_out]}
                if weight is not None:
                    validation["sample_weight_val"] = weight[held_out]
            assert_same_fit(member, clone(member).fit(X[train], y[train], of_train, **validation))

    def test_seeds_take_the_place_of_every_random_state(self):
        pipeline = make_pipeline(PCA(3, svd_solver="randomized", random_state=5), classifier(random_state=5))
        ensemble = ensemble_of(pipeline).fit(*classes())
        seeds = [step.random_state for member in ensemble.members_ for _, step in member.steps]
        assert len(set(seeds) - {5}) == 6

    def test_held_out_rows_pass_through_the_fitted_transformers(self):
        X, y = classes()
        X = 5 * X + 3
        ensemble = ensemble_of(make_pipeline(StandardScaler(), PCA(3), classifier(early_stopping=True))).fit(X, y)
        for member, (train, held_out) in zip(ensemble.members_, SPLITS, strict=True):
            before = clone(member[:-1]).fit(X[train])
            network = clone(member[-1]).fit(
                before.transform(X[train]), y[train], X_val=before.transform(X[held_out]), y_val=y[held_out]
            )
            assert_same_fit(member[-1], network)
            np.testing.assert_allclose(member[0].mean_, X[train].mean(axis=0))

    @pytest.mark.parametrize("n_outputs", [1, 2])
    def test_held_out_targets_are_transformed(self, n_outputs):
        X, y = numbers(n_outputs)
        y = 100 * y + 7
        network = make_pipeline(StandardScaler(), regressor(early_stopping=True))
        ensemble = ensemble_of(TransformedTargetRegressor(network, transformer=StandardScaler())).fit(X, y)
        for member, (train, held_out) in zip(ensemble.members_, SPLITS, strict=True):
            mean, std = y[train].mean(axis=0), y[train].std(axis=0)
            inputs = StandardScaler().fit(X[train])
            single = clone(member.regressor_[-1]).fit(
                inputs.transform(X[train]),
                (y[train] - mean) / std,
                X_val=inputs.transform(X[held_out]),
                y_val=(y[held_out] - mean) / std,
            )
            assert_same_fit(member.regressor_[-1], single)
            assert not hasattr(member.regressor[-1], "coefs_")

    def test_raw_tables(self):
        X, y = classes(2)
        table = pd.DataFrame({"a": X[:, 0], "b": np.where(X[:, 1] > 0, "red", "blue"), "c": X[:, 2]})
        table.loc[::7, "c"] = np.nan
        table.loc[::11, "b"] = None
        labels = np.array(["no", "yes"])[y]
        ensemble = ensemble_of(table_pipeline(classifier(early_stopping=True))).fit(table, labels)
        for member, (train, held_out) in zip(ensemble.members_, SPLITS, strict=True):
            encoder = clone(member[0])
            rows = encoder.fit_transform(table.iloc[train], labels[train])
            network = clone(member[-1]).fit(
                rows, labels[train], X_val=encoder.transform(table.iloc[held_out]), y_val=labels[held_out]
            )
            assert_same_fit(member[-1], network)
        assert set(ensemble.predict(table)) <= {"no", "yes"}
        assert ensemble.feature_importances_.shape == (3,)
        assert ensemble.feature_names_in_.tolist() == ["a", "b", "c"]
        assert set(ensemble.selected_features_) <= {"a", "b", "c"}

    def test_a_splitter_in_early_stopping_gives_way_to_the_held_out_rows(self):
        X, y = classes()
        rule, plain = (
            classifier(early_stopping=ShuffleSplit(1, test_size=0.5, random_state=0)),
            classifier(early_stopping=True),
        )
        first, second = (ensemble_of(network).fit(X, y) for network in (rule, plain))
        for ours, theirs in zip(first.members_, second.members_, strict=True):
            assert_same_bits(ours, theirs)
            assert ours.early_stopping is True

    def test_a_network_that_is_not_trained_with_others(self):
        X, y = classes()
        ensemble = ensemble_of(classifier(solver="lbfgs")).fit(X, y)
        for member, (train, _) in zip(ensemble.members_, SPLITS, strict=True):
            assert_same_fit(member, clone(member).fit(X[train], y[train]))

    def test_a_scorer_decides_on_the_held_out_rows(self):
        X, y = classes()
        network = make_pipeline(StandardScaler(), classifier(early_stopping=True, scoring="balanced_accuracy"))
        ensemble = ensemble_of(network).fit(X, y)
        for member, (train, held_out) in zip(ensemble.members_, SPLITS, strict=True):
            inputs = StandardScaler().fit(X[train])
            validation = {"X_val": inputs.transform(X[held_out]), "y_val": y[held_out]}
            assert_same_fit(member[-1], clone(member[-1]).fit(inputs.transform(X[train]), y[train], **validation))

    @pytest.mark.parametrize(
        "wrap", [lambda network: network, lambda network: make_pipeline(StandardScaler(), network)]
    )
    def test_a_subclass_with_a_fit_of_its_own_gets_the_held_out_rows(self, wrap):
        X, y = classes()
        ensemble = ensemble_of(wrap(OwnFit(max_iter=2, hidden_layer_sizes=(2,), early_stopping=True))).fit(X, y)
        members = [member[-1] if hasattr(member, "steps") else member for member in ensemble.members_]
        for member, (_, held_out) in zip(members, SPLITS, strict=True):
            np.testing.assert_array_equal(member.targets_to_validate_on, y[held_out])

    def test_an_ensemble_of_ensembles(self):
        X, y = classes()
        inner = make_pipeline(StandardScaler(), DeepEnsembleClassifier(classifier(), n_members=2))
        ensemble = ensemble_of(inner).fit(X, y)
        for member, (train, _) in zip(ensemble.members_, SPLITS, strict=True):
            alone = clone(member).fit(X[train], y[train])
            np.testing.assert_allclose(member.predict_proba(X), alone.predict_proba(X), rtol=1e-6)

    @pytest.mark.parametrize("network", [classifier(), LogisticRegression()], ids=str)
    def test_an_ensemble_whose_members_are_ensembles_and_fail(self, network):
        """Rows of one class alone are a failure of the member, whether its networks are prepared or fitted."""
        X, _ = classes()
        rows, others = SPLITS[0][1], SPLITS[0][0]
        y = np.where(np.isin(np.arange(N_ROWS), rows), 5, classes()[1])
        ensemble = ensemble_of(FoldEnsembleClassifier(network, cv=2), cv=[(rows, others), SPLITS[1]])
        with pytest.warns(FitFailedWarning, match=r"member 0 was ValueError: .*(two|one) class.*\[5\]"):
            ensemble.fit(X, y)
        assert len(ensemble.members_) == 1


class OwnFit(RegularizedMLPClassifier):
    """A network of a user, whose fit does something more."""

    def fit(self, X, y, sample_weight=None, **validation):
        self.targets_to_validate_on = validation.get("y_val")
        return super().fit(X, y, sample_weight, **validation)


class TestOtherEstimators:
    @pytest.mark.parametrize(
        "estimator", [LogisticRegression(C=0.3), HistGradientBoostingClassifier(max_iter=3, max_leaf_nodes=4)]
    )
    def test_members_are_single_fits(self, estimator):
        X, y = classes()
        ensemble = ensemble_of(make_pipeline(StandardScaler(), estimator)).fit(X, y, WEIGHT)
        for member, (train, held_out) in zip(ensemble.members_, SPLITS, strict=True):
            name = estimator.__class__.__name__.lower()
            alone = clone(member).fit(X[train], y[train], **{f"{name}__sample_weight": WEIGHT[train]})
            np.testing.assert_array_equal(member.predict_proba(X), alone.predict_proba(X))
            np.testing.assert_array_equal(ensemble.oof_predictions_[held_out], alone.predict_proba(X[held_out]))

    def test_networks_with_cross_validation(self):
        X, y = classes()
        network = RegularizedMLPClassifierCV((2,), max_iter=1, alphas=[0.1], cv=2, n_iter_no_change=np.inf)
        ensemble = ensemble_of(network, cv=SPLITS[:1]).fit(X, y)
        for member, (train, _) in zip(ensemble.members_, SPLITS[:1], strict=True):
            np.testing.assert_allclose(member.coefs_[0], clone(member).fit(X[train], y[train]).coefs_[0], rtol=1e-6)

    def test_searches(self):
        X, y = classes()
        search = GridSearchCV(LogisticRegression(), {"C": [0.1, 1.0]}, cv=2)
        ensemble = ensemble_of(search).fit(X, y)
        expected = np.mean([member.predict_proba(X) for member in ensemble.members_], axis=0)
        np.testing.assert_allclose(ensemble.predict_proba(X), expected)

    @pytest.mark.parametrize("estimator", [SVC(), LinearSVC(), make_pipeline(StandardScaler(), LinearSVC())])
    def test_classifiers_without_probabilities_are_refused(self, estimator):
        with pytest.raises(TypeError, match=r"(?s)'estimator' parameter must be .* \(predict_proba\).*; got .*SVC"):
            FoldEnsembleClassifier(estimator).fit(*classes())

    def test_a_label_that_a_member_has_not_seen_has_probability_0(self):
        X, _ = classes()
        Y = np.column_stack([X[:, 0] > 0, np.arange(N_ROWS) == SPLITS[0][1][0], np.ones(N_ROWS)]).astype(int)
        ensemble = ensemble_of(RandomForestClassifier(3), cv=SPLITS[:1]).fit(X, Y)
        probabilities = ensemble.predict_proba(X)
        assert not probabilities[:, 1].any()
        assert (probabilities[:, 2] == 1).all()
        np.testing.assert_array_equal(probabilities[:, 0], ensemble.members_[0].predict_proba(X)[0][:, 1])


class TestPredictions:
    def test_probabilities_are_the_mean_and_labels_its_largest(self, fitted):
        X, y = classes()
        each = np.stack([member.predict_proba(X) for member in fitted.members_])
        np.testing.assert_allclose(fitted.predict_proba(X), each.mean(axis=0), rtol=1e-12)
        np.testing.assert_array_equal(fitted.predict(X), each.mean(axis=0).argmax(axis=1))
        np.testing.assert_allclose(np.exp(fitted.predict_log_proba(X)), each.mean(axis=0))
        np.testing.assert_allclose(fitted.decision_function(X), np.log(each.mean(axis=0)))
        members, mean, std = fitted.predict_members(X)
        np.testing.assert_array_equal(members, each)
        np.testing.assert_array_equal(mean, each.mean(axis=0))
        np.testing.assert_array_equal(std, each.std(axis=0))
        assert fitted.score(X, y, WEIGHT) == accuracy_score(y, fitted.predict(X), sample_weight=WEIGHT)

    def test_numbers_are_the_mean(self, fitted_regressor):
        X, y = numbers()
        each = np.stack([member.predict(X) for member in fitted_regressor.members_])
        np.testing.assert_allclose(fitted_regressor.predict(X), each.mean(axis=0), rtol=1e-12)
        assert fitted_regressor.score(X, y, WEIGHT) == r2_score(y, fitted_regressor.predict(X), sample_weight=WEIGHT)
        np.testing.assert_array_equal(fitted_regressor.predict_members(X).std, each.std(axis=0))

    def test_out_of_fold_predictions_are_those_of_a_cross_validation(self, fitted):
        X, y = classes()
        for member, (_, held_out) in zip(fitted.members_, SPLITS, strict=True):
            found = cross_val_predict(clone(member), X, y, cv=SPLITS, method="predict_proba")
            np.testing.assert_allclose(fitted.oof_predictions_[held_out], found[held_out], rtol=1e-6)

    def test_out_of_fold_scores_are_those_of_scikit_learn(self, fitted, fitted_regressor):
        X, y = classes()
        assert fitted.oof_score_ == accuracy_score(y, fitted.oof_predictions_.argmax(axis=1))
        assert fitted_regressor.oof_score_ == r2_score(numbers()[1], fitted_regressor.oof_predictions_)
        weighted = ensemble_of(classifier()).fit(X, y, WEIGHT)
        found = weighted.oof_predictions_.argmax(axis=1)
        assert weighted.oof_score_ == pytest.approx(accuracy_score(y, found, sample_weight=WEIGHT))

    def test_several_quantiles(self):
        X, y = numbers()
        ensemble = ensemble_of(regressor(loss="quantile", quantile=[0.2, 0.8])).fit(X, y, WEIGHT)
        assert ensemble.predict(X).shape == ensemble.oof_predictions_.shape == (N_ROWS, 2)
        scores = [
            d2_pinball_score(y, ensemble.oof_predictions_[:, k], alpha=level, sample_weight=WEIGHT)
            for k, level in enumerate((0.2, 0.8))
        ]
        assert ensemble.oof_score_ == pytest.approx(np.mean(scores))
        assert ensemble.predict_members(X).mean.shape == (N_ROWS, 2)

    def test_several_quantiles_of_several_transformed_targets(self):
        from skreg.compose import TransformedTargetRegressor

        X, y = numbers(2)
        network = regressor(loss="quantile", quantile=[0.2, 0.8], early_stopping=True)
        ensemble = ensemble_of(TransformedTargetRegressor(network, transformer=StandardScaler())).fit(X, 10 * y)
        assert ensemble.predict(X).shape == ensemble.oof_predictions_.shape == (N_ROWS, 2, 2)
        each = [member.predict(X) for member in ensemble.members_]
        np.testing.assert_allclose(ensemble.predict(X), np.mean(each, axis=0))
        assert np.isfinite(ensemble.oof_score_)

    def test_several_outputs(self):
        X, y = numbers(2)
        ensemble = ensemble_of(regressor(early_stopping=True)).fit(X, y)
        assert ensemble.predict(X).shape == (N_ROWS, 2)
        assert ensemble.oof_score_ == pytest.approx(r2_score(y, ensemble.oof_predictions_))

    def test_two_classes_of_strings(self):
        X, y = classes(2)
        labels = np.array(["no", "yes"])[y]
        ensemble = ensemble_of(classifier(early_stopping=True)).fit(X, labels)
        probabilities = ensemble.predict_proba(X)
        assert ensemble.classes_.tolist() == ["no", "yes"]
        np.testing.assert_array_equal(ensemble.predict(X), ensemble.classes_[probabilities.argmax(axis=1)])
        odds = probabilities[:, 1] / probabilities[:, 0]
        np.testing.assert_allclose(ensemble.decision_function(X), np.log(odds))
        assert ensemble.oof_score_ == np.mean(ensemble.classes_[ensemble.oof_predictions_.argmax(axis=1)] == labels)

    @pytest.mark.parametrize("sparse", [False, True])
    def test_labels_that_are_not_exclusive(self, sparse):
        X, y = classes()
        Y = np.column_stack([y > 0, y > 1]).astype(int)
        given = scipy.sparse.csr_matrix(Y) if sparse else Y
        ensemble = ensemble_of(classifier(early_stopping=True)).fit(X, given)
        probabilities = np.mean([member.predict_proba(X) for member in ensemble.members_], axis=0)
        np.testing.assert_allclose(ensemble.predict_proba(X), probabilities)
        np.testing.assert_array_equal(ensemble.predict(X), probabilities > 0.5)
        np.testing.assert_allclose(ensemble.decision_function(X), np.log(probabilities / (1 - probabilities)))
        assert ensemble.oof_score_ == np.mean(((ensemble.oof_predictions_ > 0.5) == Y).all(axis=1))


class TestKindsOfData:
    def test_single_precision_is_kept(self):
        X, y = classes()
        ensemble = ensemble_of(classifier(early_stopping=True)).fit(X.astype(np.float32), y)
        assert {member.coefs_[0].dtype for member in ensemble.members_} == {np.dtype(np.float32)}
        assert ensemble.predict_proba(X.astype(np.float32)).dtype == np.float32

    @pytest.mark.parametrize("make", [scipy.sparse.csr_matrix, scipy.sparse.coo_array])
    def test_sparse_rows(self, make, fitted):
        X, y = classes()
        ensemble = ensemble_of(classifier()).fit(make(X), y)
        np.testing.assert_allclose(ensemble.predict_proba(make(X)), fitted.predict_proba(X), rtol=1e-6)
        np.testing.assert_allclose(ensemble.oof_predictions_, fitted.oof_predictions_, rtol=1e-6)

    def test_lists_and_tensors(self, fitted):
        X, y = classes()
        as_lists = ensemble_of(classifier()).fit(X.tolist(), y.tolist())
        as_tensors = ensemble_of(classifier()).fit(torch.from_numpy(X), torch.from_numpy(y))
        for other in (as_lists, as_tensors):
            np.testing.assert_array_equal(other.predict_proba(X), fitted.predict_proba(X))
        np.testing.assert_array_equal(fitted.predict_proba(torch.from_numpy(X)), fitted.predict_proba(X))
        assert fitted.score(torch.from_numpy(X), torch.from_numpy(y)) == fitted.score(X, y)

    def test_tensors_for_other_estimators(self):
        X, y = classes()
        ensemble = ensemble_of(LogisticRegression()).fit(torch.from_numpy(X), torch.from_numpy(y))
        alone = ensemble_of(LogisticRegression()).fit(X, y)
        np.testing.assert_array_equal(ensemble.predict_proba(torch.from_numpy(X)), alone.predict_proba(X))

    @pytest.mark.parametrize("library", ["pandas", "polars"])
    def test_frames(self, library, fitted):
        frames = importlib.import_module(library)
        X, y = classes()
        table = frames.DataFrame(dict(zip("edcba", X.T, strict=True)))
        ensemble = ensemble_of(classifier()).fit(table, frames.Series(y))
        assert ensemble.feature_names_in_.tolist() == list("edcba")
        np.testing.assert_array_equal(ensemble.predict_proba(table), fitted.predict_proba(X))
        assert ensemble.selected_features_.tolist() == list("edcba")
        with pytest.raises(ValueError, match="feature names"):
            ensemble.predict(table[list("abcde")])


class TestFeatures:
    def test_importances_are_the_mean(self, fitted):
        expected = np.mean([member.feature_importances_ for member in fitted.members_], axis=0)
        np.testing.assert_allclose(fitted.feature_importances_, expected)

    def test_features_that_at_least_one_member_uses(self):
        X, y = classes()
        table = pd.DataFrame(X, columns=list("edcba"))
        network = classifier(penalty="group_lasso", alpha=0.08, max_iter=30)
        ensemble = ensemble_of(network).fit(table, y)
        used = [set(member.selected_features_) for member in ensemble.members_]
        assert len(set.union(*used)) < 5
        assert ensemble.selected_features_.tolist() == [name for name in "edcba" if name in set.union(*used)]

    def test_features_behind_transformers_that_forget_names(self):
        X, y = classes()
        table = pd.DataFrame(X, columns=list("edcba"))
        plain = ensemble_of(make_pipeline(StandardScaler(), classifier())).fit(table, y)
        named = clone(plain).set_params(estimator__standardscaler=StandardScaler().set_output(transform="pandas"))
        assert plain.selected_features_.tolist() == [0, 1, 2, 3, 4]
        assert named.fit(table, y).selected_features_.tolist() == list("edcba")

    def test_members_with_different_features(self):
        X, y = classes()
        encoder = OneHotEncoder(handle_unknown="ignore")
        ensemble = ensemble_of(make_pipeline(encoder, classifier())).fit(X.round(1), y)
        assert not hasattr(ensemble, "feature_importances_")
        with pytest.raises(AttributeError, match="members with the same features; got .* features of their rows"):
            _ = ensemble.selected_features_

    def test_members_without_importances(self):
        ensemble = ensemble_of(LogisticRegression()).fit(*classes())
        assert not hasattr(ensemble, "feature_importances_")
        assert not hasattr(ensemble, "prune")

    def test_pruning_keeps_the_predictions(self):
        X, y = classes()
        ensemble = ensemble_of(classifier(penalty="l1", alpha=0.05, max_iter=30)).fit(X, y)
        pruned = ensemble.prune()
        sizes = [member.pruning_["n_parameters"] for member in pruned.members_]
        assert any(after < before for before, after in sizes)
        np.testing.assert_allclose(pruned.predict_proba(X), ensemble.predict_proba(X), rtol=1e-6)
        assert not hasattr(ensemble.members_[0], "pruning_")


@pytest.fixture(scope="module")
def outlier():
    """Return rows one of which makes a network diverge that is trained on it."""
    X, y = numbers()
    y = y.copy()
    y[SPLITS[1][1][0]] = 1e8
    return X, y


class TestFailures:
    NETWORK = regressor(solver="sgd", learning_rate_init=0.1, max_iter=30, activation="identity")

    @pytest.mark.filterwarnings("ignore:y has a standard deviation")
    def test_a_member_that_diverges_is_left_out(self, outlier):
        X, y = outlier
        ensemble = ensemble_of(self.NETWORK)
        with pytest.warns(
            FitFailedWarning, match="2 of 3 members of the ensemble have failed .* member 0 was .*diverge"
        ):
            ensemble.fit(X, y)
        assert list(ensemble.failures_) == [0, 2]
        (member,) = ensemble.members_
        train, held_out = SPLITS[1]
        assert_same_fit(member, clone(member).fit(X[train], y[train]))
        np.testing.assert_array_equal(ensemble.predict(X), member.predict(X))
        np.testing.assert_array_equal(ensemble.oof_predictions_[held_out], member.predict(X[held_out]))
        assert np.isnan(ensemble.oof_predictions_).sum() == len(train)
        assert ensemble.oof_score_ == r2_score(y[held_out], member.predict(X[held_out]))

    @pytest.mark.filterwarnings("ignore:y has a standard deviation")
    def test_if_all_fail_the_ensemble_is_as_it_was(self, outlier):
        X, y = numbers()
        random = np.random.RandomState(0)
        ensemble = ensemble_of(self.NETWORK, random_state=random).fit(X, y)
        state = random.get_state()[1].tobytes(), random.get_state()[2]
        X, y = outlier
        failing = [split for k, split in enumerate(SPLITS) if k != 1]
        ensemble.set_params(cv=failing)
        with pytest.raises(ValueError, match="diverge") as info:
            ensemble.fit(X, y)
        assert info.value.__notes__ == ["All 2 members of the ensemble have failed; this is the error of the first."]
        assert_unchanged_by(ensemble, ValueError, "diverge", lambda model: model.fit(X, y))
        assert (random.get_state()[1].tobytes(), random.get_state()[2]) == state
        assert len(ensemble.members_) == 3

    @pytest.mark.parametrize("kind", [KeptRowsClassifier, KeptRowsRegressor])
    def test_members_of_other_kinds_fail_alike(self, kind):
        X, y = classes()
        row = SPLITS[2][1][0]
        ensemble = ensemble_of(kind(fails_on=row))
        with pytest.warns(FitFailedWarning, match=f"member 0 was ValueError: row {row} must not be trained on"):
            ensemble.fit(numbered(X), y)
        assert list(ensemble.failures_) == [0, 1]
        np.testing.assert_array_equal(ensemble.members_[0].rows_, SPLITS[2][0])
        with pytest.raises(ValueError, match=f"row {row} must not"):
            clone(ensemble).set_params(cv=SPLITS[:2]).fit(numbered(X), y)

    def test_an_error_of_the_data_or_of_parameters_is_one_of_the_ensemble(self, fitted):
        X, y = classes()
        assert_unchanged_by(fitted, ValueError, "NaN", lambda model: model.fit(np.where(X > 2, np.nan, X), y))
        ensemble = ensemble_of(make_pipeline(StandardScaler(), classifier(alpha=-1)))
        with pytest.raises(ValueError, match="'alpha' parameter"):
            ensemble.fit(X, y)
        assert not hasattr(ensemble, "members_")
        with pytest.raises(NotFittedError):
            ensemble.predict(X)

    def test_a_transformer_that_fails_names_the_column(self):
        X, y = classes()
        table = pd.DataFrame(X, columns=list("abcde")).assign(f="text")
        with pytest.raises(ValueError, match="'f'"):
            ensemble_of(make_pipeline(StandardScaler(), classifier())).fit(table, y)

    @pytest.mark.parametrize(
        ("ensemble", "message"),
        [
            (FoldEnsembleClassifier(Ridge()), "'estimator' parameter must be a classifier; got Ridge"),
            (DeepEnsembleRegressor(LogisticRegression()), "'estimator' parameter must be a regressor; got Logistic"),
            (
                FoldEnsembleClassifier(classifier(early_stopping=True, refit_on_all=True)),
                "'refit_on_all' .* got .*True",
            ),
            (FoldEnsembleClassifier("network"), "'estimator' parameter .* 'fit' and 'predict' or None. Got 'network'"),
            (FoldEnsembleRegressor(n_repeats=0), r"'n_repeats' parameter .* \[1, inf\). Got 0"),
            (FoldEnsembleRegressor(cv=1), r"'cv' parameter .* int in the range \[2, inf\), .* Got 1 instead"),
            (DeepEnsembleClassifier(n_members=0), r"'n_members' parameter .* \[1, inf\). Got 0"),
            (DeepEnsembleClassifier(bootstrap="yes"), "'bootstrap' parameter .* Got 'yes'"),
            (DeepEnsembleClassifier(n_jobs=1.5), "'n_jobs' parameter .* Got 1.5"),
            (DeepEnsembleClassifier(memory_limit=0), "'memory_limit' parameter .* Got 0"),
            (DeepEnsembleClassifier(random_state=-1), "'random_state' parameter .* Got -1"),
            (DeepEnsembleClassifier(verbose="a"), "'verbose' parameter .* Got 'a'"),
        ],
    )
    def test_parameters_out_of_range(self, ensemble, message):
        with pytest.raises((ValueError, TypeError), match=f"(?s){message}"):
            ensemble.fit(*classes(2))

    def test_a_class_instead_of_an_estimator(self):
        with pytest.raises(TypeError, match="Expected an estimator instance"):
            FoldEnsembleClassifier(RegularizedMLPClassifier).fit(*classes())

    def test_one_class(self):
        X, _ = classes()
        with pytest.raises(ValueError, match=r"at least two classes; got one class, \[1\]"):
            FoldEnsembleClassifier(LogisticRegression()).fit(X, np.ones(N_ROWS, dtype=int))

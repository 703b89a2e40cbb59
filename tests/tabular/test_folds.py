"""Out-of-fold predictions, of networks that have not seen the rows, and the weights that follow from them."""

import numpy as np
import pandas as pd
import pytest
from sklearn.exceptions import FitFailedWarning
from sklearn.metrics import accuracy_score, get_scorer, log_loss, r2_score
from sklearn.model_selection import (
    GroupKFold,
    KFold,
    LeaveOneGroupOut,
    RepeatedKFold,
    ShuffleSplit,
    StratifiedGroupKFold,
    StratifiedKFold,
    TimeSeriesSplit,
)

from skreg.tabular._folds import WeightedFolds
from skreg.tabular._weights import greedy_weights, log_losses, squared_losses
from tests.helpers import KINDS, CustomLoss, assert_unchanged_by
from tests.tabular_helpers import N_ROWS, WEIGHT, assert_same_networks, data, model, networks, table, weighted_mean

pytestmark = [
    pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning"),
    pytest.mark.filterwarnings("ignore:(All predictions are the same|No feature is selected)"),
]
BOTH = pytest.mark.parametrize("kind", KINDS)
SPLITS = list(KFold(3, shuffle=True, random_state=3).split(np.zeros(N_ROWS)))
GROUPS = np.random.default_rng(1).integers(9, size=N_ROWS)
METHOD = {"classifier": "predict_proba", "regressor": "predict"}


def outputs(kind, network, X):
    found = np.asarray(getattr(network, METHOD[kind])(X), dtype=np.float64)
    return found / found.sum(axis=1, keepdims=True) if kind == "classifier" else found


def losses(kind, y, predictions, weight=None):
    """Return scikit-learn's loss of each of several predictions."""
    if kind == "classifier":
        return {name: log_loss(y, own, sample_weight=weight) for name, own in predictions.items()}
    return {name: 1 - r2_score(y, own, sample_weight=weight) for name, own in predictions.items()}


def held_out_predictions(kind, fitted, X, splits=SPLITS, members=None):
    """Return the predictions of each network for the rows that its fold holds out, by name."""
    found = {}
    for name in fitted.weights_:
        for member, (_, held_out) in zip(members or fitted.folds_.members_, splits, strict=True):
            own = outputs(kind, member[-1].networks_[name], member[:-1].transform(X[held_out]))
            found.setdefault(name, np.zeros((len(X), *own.shape[1:])))[held_out] = own
    return found


@pytest.fixture(scope="module", params=KINDS)
def kind(request):
    return request.param


@pytest.fixture(scope="module")
def fitted(kind):
    """Return a fitted estimator, for tests that change nothing in it."""
    options = {"calibration": None} if kind == "classifier" else {}
    return model(kind, cv=SPLITS, network={"max_iter": 15}, **options).fit(*data(kind))


@pytest.fixture(scope="module")
def weighted(kind):
    return model(kind, cv=SPLITS, network={"max_iter": 15}).fit(*data(kind), WEIGHT)


class TestOutOfFold:
    def test_networks_predict_the_rows_that_their_fold_holds_out(self, kind, fitted):
        X, _ = data(kind)
        expected = held_out_predictions(kind, fitted, X)
        for name, member in fitted.members_.items():
            np.testing.assert_allclose(member.oof_predictions_, expected[name], rtol=1e-6)
        np.testing.assert_allclose(fitted.oof_predictions_, weighted_mean(expected, fitted.weights_), rtol=1e-6)

    def test_they_have_not_seen_these_rows(self, kind):
        """Whatever the targets of the rows that a fold holds out, its networks are the same."""
        X, y = data(kind)
        changed = y.copy()
        _, held_out = SPLITS[0]
        changed[held_out] = np.roll(y[held_out], 1) if kind == "classifier" else 1e3
        first, second = (
            model(kind, cv=SPLITS, network={"early_stopping": False}).fit(X, targets) for targets in (y, changed)
        )
        of_fold = [[m[-1].networks_["small"].coefs_[0] for m in fit.folds_.members_] for fit in (first, second)]
        same = [np.array_equal(ours, theirs) for ours, theirs in zip(*of_fold, strict=True)]
        assert same == [True, False, False]
        np.testing.assert_array_equal(
            first.members_["small"].oof_predictions_[held_out], second.members_["small"].oof_predictions_[held_out]
        )

    def test_nor_has_their_encoder(self, kind):
        X, y = data(kind)
        changed = X.copy()
        _, held_out = SPLITS[0]
        changed[held_out] += 0.1
        medians = [
            [member[0].transform(X)[:, 0] for member in model(kind, cv=SPLITS).fit(rows, y).folds_.members_]
            for rows in (X, changed)
        ]
        same = [np.array_equal(ours, theirs) for ours, theirs in zip(*medians, strict=True)]
        assert same == [True, False, False]

    def test_they_stop_on_these_rows(self, kind, fitted):
        X, y = data(kind)
        for member, (_, held_out) in zip(fitted.folds_.members_, SPLITS, strict=True):
            network = member[-1].networks_["small"]
            predicted = outputs(kind, network, member[:-1].transform(X[held_out]))
            if kind == "classifier":
                expected = log_loss(y[held_out], predicted, labels=[0, 1, 2])
            else:
                expected = np.square(y[held_out] - predicted).mean() / network.target_transformer_.var_[0] / 2
            best = network.history_["valid_loss"][network.history_["epoch"] == network.best_epoch_]
            assert best[-1] == network.history_["valid_loss"].min()
            assert best[-1] == pytest.approx(expected, rel=1e-4)

    def test_scores(self, kind, fitted, weighted):
        _, y = data(kind)
        for found, weight in ((fitted, None), (weighted, WEIGHT)):
            oof = found.oof_predictions_
            if kind == "classifier":
                expected = accuracy_score(y, oof.argmax(axis=1), sample_weight=weight)
            else:
                expected = r2_score(y, oof, sample_weight=weight)
            assert found.oof_score_ == pytest.approx(expected, rel=1e-12)


class TestWeights:
    def test_losses_are_those_of_out_of_fold_predictions(self, kind, fitted, weighted):
        _, y = data(kind)
        for found, weight in ((fitted, None), (weighted, WEIGHT)):
            members = {name: member.oof_predictions_ for name, member in found.members_.items()}
            assert found.losses_ == pytest.approx(losses(kind, y, members, weight), rel=1e-9)
            mean = {"mean": found.oof_predictions_}
            assert found.loss_ == pytest.approx(losses(kind, y, mean, weight)["mean"], rel=1e-9)

    def test_they_are_the_greedy_ones(self, kind, fitted, weighted):
        _, y = data(kind)
        for found, weight in ((fitted, None), (weighted, WEIGHT)):
            predictions = np.stack([member.oof_predictions_ for member in found.members_.values()])
            function = (log_losses if kind == "classifier" else squared_losses)(y, weight)
            expected, loss = greedy_weights(predictions, function)
            assert list(found.weights_.values()) == expected.tolist()
            assert found.loss_ == pytest.approx(loss, rel=1e-12)
            assert loss <= min(found.losses_.values())
            assert found.losses_[found.best_member_] == min(found.losses_.values())

    def test_a_grid_of_shares_is_hardly_better(self, kind, fitted):
        _, y = data(kind)
        first, second = (member.oof_predictions_ for member in fitted.members_.values())
        grid = {share: share * first + (1 - share) * second for share in np.linspace(0, 1, 101)}
        assert fitted.loss_ == pytest.approx(min(losses(kind, y, grid).values()), rel=1e-3)

    def test_predictions_are_means_over_folds_of_weighted_means(self, kind, fitted):
        X, _ = data(kind)
        of_folds = [
            weighted_mean(
                {name: outputs(kind, net, member[:-1].transform(X)) for name, net in member[-1].networks_.items()},
                fitted.weights_,
            )
            for member in fitted.folds_.members_
        ]
        np.testing.assert_allclose(outputs(kind, fitted, X), np.mean(of_folds, axis=0), rtol=1e-6)
        found = fitted.predict_members(X)
        np.testing.assert_allclose(found.members, of_folds, rtol=1e-6)
        np.testing.assert_allclose(found.std, np.std(of_folds, axis=0), rtol=1e-4, atol=1e-7)

    def test_a_useless_network_gets_no_weight(self):
        X, y = data("regressor")
        linear, _ = networks("regressor", max_iter=40)
        constant = ("constant", KINDS["regressor"]((), max_iter=1, learning_rate_init=1e-9, early_stopping=True))
        found = model("regressor", members=[constant, linear]).fit(X, y)
        assert found.weights_ == {"constant": 0.0, "linear": 1.0}
        assert found.best_member_ == "linear"
        assert found.losses_["constant"] > 1 > found.losses_["linear"]


class TestSampleWeights:
    def test_rows_of_weight_0_are_no_rows_of_networks(self, kind, weighted):
        """Whatever their targets, weights and networks are as if they were not there."""
        X, y = data(kind)
        odd = np.where(WEIGHT > 0, y, np.roll(y, 1) if kind == "classifier" else 1e3)
        other = model(kind, cv=SPLITS, network={"max_iter": 15}).fit(X, odd, WEIGHT)
        assert_same_networks(other, weighted)
        assert other.loss_ == weighted.loss_
        np.testing.assert_array_equal(other.predict(X), weighted.predict(X))

    def test_a_factor_plays_no_part(self, kind, weighted):
        X, y = data(kind)
        other = model(kind, cv=SPLITS, network={"max_iter": 15}).fit(X, y, 4 * WEIGHT)
        assert other.losses_ == pytest.approx(weighted.losses_, rel=1e-6)
        first, second = (model(kind, cv=SPLITS).fit(X, y, weight) for weight in (None, 2.0))
        np.testing.assert_allclose(outputs(kind, first, X), outputs(kind, second, X), rtol=1e-5)

    def test_they_act_in_fits_and_losses(self, kind, fitted, weighted):
        assert (
            fitted.folds_.members_[0][-1].networks_["small"].coefs_[0]
            != weighted.folds_.members_[0][-1].networks_["small"].coefs_[0]
        ).any()


class TestFolds:
    @pytest.fixture
    def splits_of(self, monkeypatch):
        """Return a function that gives the folds of a fit."""
        plans = []
        predict = WeightedFolds._held_out_predictions

        def recorded(ensemble, of_fit, *rows):
            plans[:] = of_fit
            return predict(ensemble, of_fit, *rows)

        monkeypatch.setattr(WeightedFolds, "_held_out_predictions", recorded)

        def found(kind, groups=None, **options):
            X, y = data(kind)
            model(kind, members=networks(kind)[:1], **options).fit(X, y, groups=groups)
            return [(set(plan.train), set(plan.held_out)) for plan in plans]

        return found

    def test_a_number_is_one_of_shuffled_folds(self, splits_of, kind):
        _, y = data(kind)
        found = splits_of(kind, cv=4)
        assert sorted(row for _, held_out in found for row in held_out) == list(range(N_ROWS))
        assert all(len(train) == 45 and len(held_out) == 15 and not train & held_out for train, held_out in found)
        assert found[0][1] != set(range(15))
        if kind == "classifier":
            counts = np.array([np.bincount(y[list(held_out)], minlength=3) for _, held_out in found])
            assert (np.ptp(counts, axis=0) <= 1).all()
        assert found == splits_of(kind, cv=4)
        assert found != splits_of(kind, cv=4, random_state=1)
        assert len(splits_of(kind, cv=None)) == 5

    @pytest.mark.parametrize("cv", [3, GroupKFold(3), LeaveOneGroupOut()])
    def test_groups_stay_whole(self, splits_of, kind, cv):
        found = splits_of(kind, cv=cv, groups=GROUPS)
        assert len(found) == (9 if isinstance(cv, LeaveOneGroupOut) else 3)
        for train, held_out in found:
            assert not set(GROUPS[list(train)]) & set(GROUPS[list(held_out)])

    def test_splitters_of_the_user(self, splits_of, kind):
        X, y = data(kind)
        for cv in (KFold(3), StratifiedKFold(2) if kind == "classifier" else TimeSeriesSplit(2)):
            assert splits_of(kind, cv=cv) == [(set(train), set(held)) for train, held in cv.split(X, y)]
        masks = [tuple(np.isin(np.arange(N_ROWS), rows) for rows in split) for split in SPLITS]
        expected = [(set(train), set(held)) for train, held in SPLITS]
        assert splits_of(kind, cv=SPLITS) == splits_of(kind, cv=masks) == splits_of(kind, cv=iter(SPLITS)) == expected

    def test_frames_of_groups(self, splits_of):
        found = splits_of("classifier", cv=StratifiedGroupKFold(2), groups=pd.Series(GROUPS).map(str))
        assert not set(GROUPS[list(found[0][0])]) & set(GROUPS[list(found[0][1])])

    def test_a_splitter_that_needs_groups(self):
        with pytest.raises(ValueError, match=r"'cv' parameter, GroupKFold.* needs the group of each row"):
            model(cv=GroupKFold(2)).fit(*data())
        with pytest.raises(ValueError, match="groups must hold the group of each row; got missing values"):
            model().fit(*data(), groups=np.where(GROUPS == 3, np.nan, GROUPS))

    def test_rows_that_several_folds_hold_out(self, kind):
        X, y = data(kind)
        splitter = RepeatedKFold(n_splits=2, n_repeats=2, random_state=0)
        found = model(kind, cv=splitter).fit(X, y)
        splits = list(splitter.split(X))
        of_halves = []
        for half in (slice(0, 2), slice(2, 4)):
            members = held_out_predictions(kind, found, X, splits[half], found.folds_.members_[half])
            of_halves.append(weighted_mean(members, found.weights_))
        np.testing.assert_allclose(found.oof_predictions_, np.mean(of_halves, axis=0), rtol=1e-6)

    def test_rows_that_no_fold_holds_out(self, kind):
        X, y = data(kind)
        splitter = ShuffleSplit(2, test_size=0.3, random_state=0)
        found = model(kind, cv=splitter).fit(X, y)
        known = np.isin(np.arange(N_ROWS), np.concatenate([held_out for _, held_out in splitter.split(X)]))
        is_missing = np.isnan(found.oof_predictions_).reshape(N_ROWS, -1)
        np.testing.assert_array_equal(is_missing.all(axis=1), ~known)
        assert not is_missing[known].any()
        members = {name: member.oof_predictions_[known] for name, member in found.members_.items()}
        assert found.losses_ == pytest.approx(losses(kind, y[known], members), rel=1e-9)


class FailsOnSomeRows(CustomLoss):
    """A squared error that fails in training on rows with, or on rows without, a target beyond 50."""

    def __init__(self, fails_with_it):
        self.fails_with_it = fails_with_it

    def __call__(self, y_true, y_pred):
        if len(y_true) == len(SPLITS[0][0]) and bool((y_true > 50).any()) is self.fails_with_it:
            raise ValueError("these rows must not be trained on")
        return (y_true - y_pred).square().sum(dim=1)


class TestNetworksThatFail:
    @staticmethod
    def diverging(kind):
        return "huge", KINDS[kind]((4,), solver="sgd", learning_rate_init=1e30, max_iter=6)

    @pytest.fixture
    def outlier(self):
        """Return rows one of which is far out; the first fold does not train on it."""
        X, y = data("regressor")
        y = y.copy()
        y[SPLITS[0][1][0]] = 100
        return X, y

    def test_one_is_left_out_with_a_warning(self, kind):
        X, y = data(kind)
        found = model(kind, members=[self.diverging(kind), *networks(kind)])
        with pytest.warns(
            FitFailedWarning, match="^1 of 3 networks have failed on a fold and are left out; the error of 'huge' was V"
        ):
            found.fit(X, y)
        assert list(found.failures_) == ["huge"]
        assert "diverge" in found.failures_["huge"]
        assert list(found.weights_) == list(found.losses_) == list(found.members_) == ["linear", "small"]
        assert sum(found.weights_.values()) == 1
        assert np.isfinite(outputs(kind, found, X)).all()
        assert found.summary().endswith("  huge    failed")

    def test_one_that_fails_on_some_folds_is_left_out_of_all(self, outlier):
        fails = KINDS["regressor"]((), loss=FailsOnSomeRows(fails_with_it=True), max_iter=2)
        found = model("regressor", members=[("fails", fails), *networks("regressor")], cv=SPLITS)
        with pytest.warns(FitFailedWarning, match="1 of 3 networks .*'fails' was ValueError: these rows must not"):
            found.fit(*outlier)
        assert ["fails" in member[-1].networks_ for member in found.folds_.members_] == [True, False, False]
        assert found.folds_.members_[0][-1].weights_["fails"] == 0
        assert list(found.weights_) == ["linear", "small"]

    def test_a_fold_on_which_all_fail_is_left_out(self, outlier):
        X, y = outlier
        fails = KINDS["regressor"]((), loss=FailsOnSomeRows(fails_with_it=True), max_iter=2)
        found = model("regressor", members=[("fails", fails)], cv=SPLITS)
        with pytest.warns(FitFailedWarning, match="2 of 3 members of the ensemble have failed .*these rows must not"):
            found.fit(X, y)
        assert len(found.folds_.members_) == 1
        assert found.weights_ == {"fails": 1.0}
        assert np.isnan(found.oof_predictions_).sum() == len(SPLITS[0][0])

    def test_no_network_is_left(self, outlier):
        members = [
            (str(with_it), KINDS["regressor"]((), loss=FailsOnSomeRows(fails_with_it=with_it), max_iter=2))
            for with_it in (True, False)
        ]
        found = model("regressor", members=members, cv=SPLITS)
        assert_unchanged_by(
            found,
            ValueError,
            "^Every network has failed on some fold; the error of 'False' was ValueError: these rows must not be",
            lambda model: model.fit(*outlier),
        )

    def test_without_failures(self, fitted):
        assert fitted.failures_ == {}

    def test_all_fail_on_all_folds(self, kind):
        found = model(kind, members=[self.diverging(kind)])
        with pytest.raises(ValueError, match="diverge") as info:
            found.fit(*data(kind))
        assert info.value.__notes__ == ["All 2 members of the ensemble have failed; this is the error of the first."]
        assert not hasattr(found, "folds_")


@pytest.mark.parametrize(
    ("kind", "scoring"),
    [("classifier", "roc_auc_ovr"), ("classifier", "accuracy"), ("regressor", "neg_median_absolute_error")],
)
def test_weights_can_be_chosen_by_a_scorer(kind, scoring):
    X, y = data(kind)
    found = model(kind, scoring=scoring, cv=SPLITS).fit(X, y)
    predictions = np.stack([network.predictions for network in found.folds_.networks_.values()])
    scorer = get_scorer(scoring)
    scores = [scorer(found.folds_._predicted(own), X, y) for own in predictions]
    np.testing.assert_allclose(list(found.losses_.values()), np.negative(scores))
    assert found.loss_ <= min(found.losses_.values())
    assert scoring in found.summary()


def test_scorers_see_the_held_out_rows_with_their_labels(kind):
    X, y = table(kind)
    weight = np.where(np.arange(len(y)) % 5, 1.0, 0.0)

    def of_owners(estimator, X, y, sample_weight=None):
        seen.append((X, y, sample_weight))
        right = estimator.predict(X) == y
        return right.mean() if kind == "classifier" else -np.abs(estimator.predict(X) - y)[X["income"] > 0].mean()

    for own in (None, weight):
        seen = []
        model(kind, scoring=of_owners).fit(X, y, own)
        rows = slice(None) if own is None else own > 0
        for found, targets, found_weight in seen:
            pd.testing.assert_frame_equal(found, X[rows])
            np.testing.assert_array_equal(targets, y[rows])
            assert (found_weight is None) if own is None else (found_weight == 1).all()


def test_scorers_that_take_no_weights(kind):
    X, y = data(kind)

    def own(estimator, X, y):
        return 1.0

    found = model(kind, scoring=own).fit(X, y)
    assert set(found.losses_.values()) == {-1.0}
    match = (
        "The 'scoring' parameter must be a scorer that accepts sample_weight if fit is given sample_weight; got .*own"
    )
    assert_unchanged_by(found, ValueError, match, lambda model: model.fit(X, y, WEIGHT))


def test_scoring_that_is_none():
    X, y = data("classifier")
    with pytest.raises(ValueError, match="The 'scoring' parameter of TabularMLPClassifier must be a str among"):
        model("classifier", scoring="loss of all").fit(X, y)
    with pytest.raises(ValueError, match="The 'scoring' parameter must give scores that are numbers"):
        model("classifier", scoring=lambda *_: np.nan).fit(X, y)

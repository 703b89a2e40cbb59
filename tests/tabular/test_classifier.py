"""Classifier: labels, label indicators, weights of classes, calibration, and sets of classes."""

import numpy as np
import pandas as pd
import pytest
from sklearn.exceptions import FitFailedWarning
from sklearn.metrics import accuracy_score, log_loss
from sklearn.preprocessing import scale

from skreg import RegularizedMLPClassifier, TabularMLPClassifier
from tests.helpers import assert_unchanged_by
from tests.tabular_helpers import N_ROWS, WEIGHT, assert_same_networks, data, model, networks, table

pytestmark = [
    pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning"),
    pytest.mark.filterwarnings("ignore:(All predictions are the same|No feature is selected)"),
]


@pytest.fixture(scope="module")
def fitted():
    """Return an estimator fitted to three classes with names."""
    X, y = data()
    return model(network={"max_iter": 20}).fit(X, np.array(["one", "two", "three"])[y])


class TestLabels:
    def test_strings(self, fitted):
        X, y = data()
        names = np.array(["one", "two", "three"])[y]
        assert fitted.classes_.tolist() == ["one", "three", "two"]
        np.testing.assert_array_equal(fitted.predict(X), fitted.classes_[fitted.predict_proba(X).argmax(axis=1)])
        assert fitted.score(X, names) == accuracy_score(names, fitted.predict(X)) > 0.7
        assert fitted.score(X, names, WEIGHT) == pytest.approx(
            accuracy_score(names, fitted.predict(X), sample_weight=WEIGHT)
        )

    def test_probabilities(self, fitted):
        X, y = data()
        found = fitted.predict_proba(X)
        assert found.dtype == np.float64
        np.testing.assert_allclose(found.sum(axis=1), 1, rtol=1e-14)
        names = np.array(["one", "two", "three"])[y]
        assert 0 < log_loss(names, found) < np.log(3)  # without a warning about their sums
        np.testing.assert_allclose(fitted.predict_log_proba(X), np.log(found))
        np.testing.assert_allclose(fitted.decision_function(X), np.log(found))

    @pytest.mark.parametrize("labels", [[-1, 1], [False, True], ["no", "yes"], [0.0, 2.0]])
    def test_two_classes_of_any_kind(self, labels):
        X, y = data(n_classes=2)
        found = model().fit(X, np.array(labels)[y])
        assert found.classes_.tolist() == labels
        shares = found.predict_proba(X)
        assert shares.shape == (N_ROWS, 2)
        np.testing.assert_allclose(found.decision_function(X), np.log(shares[:, 1] / shares[:, 0]), rtol=1e-6)
        np.testing.assert_array_equal(found.predict(X), np.array(labels)[(shares[:, 1] > 0.5).astype(int)])

    def test_series_and_categories(self, fitted):
        X, y = data()
        names = pd.Series(np.array(["one", "two", "three"])[y], index=np.arange(N_ROWS)[::-1])
        for labels in (names, names.astype("category"), names.astype("string")):
            found = model(network={"max_iter": 20}).fit(X, labels)
            assert_same_networks(found, fitted)

    def test_label_indicators(self):
        X, y = data()
        Y = np.column_stack([y == 0, y > 0, X[:, 0] > 0]).astype(int)
        found = model(network={"max_iter": 20}).fit(X, Y)
        assert found.classes_.tolist() == [0, 1, 2]
        shares = found.predict_proba(X)
        assert shares.shape == found.oof_predictions_.shape == Y.shape
        np.testing.assert_array_equal(found.predict(X), shares > 0.5)
        expected = {
            name: sum(log_loss(Y[:, j], member.oof_predictions_[:, j]) for j in range(3))
            for name, member in found.members_.items()
        }
        assert found.losses_ == pytest.approx(expected, rel=1e-9)
        assert found.oof_score_ == accuracy_score(Y, found.oof_predictions_ > 0.5)
        assert found.members_["small"].predict(X).shape == Y.shape
        with pytest.raises(ValueError, match="predict_set needs one column of classes"):
            found.predict_set(X)

    @pytest.mark.filterwarnings("ignore:The least populated class in y has only 1 member")
    def test_a_class_of_a_single_row(self):
        X, y = data(n_classes=2)
        y[4] = 2
        found = model(network={"max_iter": 20}).fit(X, y)
        assert sorted(len(member.classes_) for member in found.folds_.members_) == [2, 3]
        shares = found.predict_proba(X)
        np.testing.assert_allclose(shares.sum(axis=1), 1, rtol=1e-14)
        assert (shares[:, 2] > 0).all()
        assert shares[:, 2].mean() < 0.1
        assert found.oof_predictions_[4, 2] == 0
        assert found.oof_score_ > 0.6
        assert np.isfinite(list(found.losses_.values())).all()

    @pytest.mark.filterwarnings("ignore:The least populated class in y has only 1 member")
    def test_one_of_two_classes_has_a_single_row(self):
        """The fold that holds it out has one class to train on, and is left out."""
        X, _ = data()
        with pytest.warns(
            FitFailedWarning, match=r"1 of 2 members of the ensemble have failed .*hold no two classes; got \[False\]"
        ):
            found = model().fit(X, np.arange(N_ROWS) == 4)
        assert len(found.folds_.members_) == 1
        np.testing.assert_array_equal(found.predict(X[5:]), False)

    def test_targets_that_are_no_classes(self):
        X, y = data()
        for labels, match in (
            (np.zeros(N_ROWS), "A classifier needs rows .* of at least 2 classes; got 1 class"),
            (X[:, 0], "Unknown label type: continuous"),
            (np.column_stack([y, y]), "y must be class labels .* or a label indicator matrix .*; got 2 columns"),
        ):
            assert_unchanged_by(model(), ValueError, match, lambda model, y=labels: model.fit(X, y))
        match = (
            "The splitter in 'cv' does not split these rows: n_splits=4 cannot be greater than the number of members"
        )
        assert_unchanged_by(model(cv=4), ValueError, match, lambda model: model.fit(X, np.arange(N_ROWS) // 3))

    def test_a_column_of_labels(self, fitted):
        X, y = data()
        names = np.array(["one", "two", "three"])[y]
        with pytest.warns(UserWarning, match="A column-vector y was passed"):
            found = model(network={"max_iter": 20}).fit(X, names[:, None])
        assert_same_networks(found, fitted)


class TestClassWeights:
    @pytest.mark.parametrize("weight", [None, WEIGHT])
    def test_they_are_weights_of_rows(self, weight):
        X, y = data()
        given = {0: 3.0, 2: 0.5}
        of_rows = np.array([3.0, 1.0, 0.5])[y] * (1 if weight is None else weight)
        found, expected = model(class_weight=given).fit(X, y, weight), model().fit(X, y, of_rows)
        assert_same_networks(found, expected)
        assert found.losses_ == expected.losses_
        np.testing.assert_array_equal(found.oof_predictions_, expected.oof_predictions_)
        np.testing.assert_array_equal(found.predict_proba(X), expected.predict_proba(X))

    @pytest.mark.parametrize("weight", [None, WEIGHT])
    def test_accuracies_are_those_without_them(self, weight):
        X, y = data()
        labels = np.array(["one", "two", "three"])[y]
        found = model(class_weight={"one": 9.0, "two": 0.0}).fit(X, labels, weight)
        for fitted in (found, found.folds_, *found.members_.values()):
            predicted = found.classes_[fitted.oof_predictions_.argmax(axis=1)]
            assert fitted.oof_score_ == pytest.approx(accuracy_score(labels, predicted, sample_weight=weight))

    @pytest.mark.parametrize("weight", [None, WEIGHT])
    def test_balanced_ones_give_classes_the_same_weight(self, weight):
        X, y = data(n_classes=2)
        y[5:25] = 0
        ones = np.ones(N_ROWS) if weight is None else weight
        of_class = np.bincount(y, ones)
        of_rows = ones * (ones.sum() / (2 * of_class))[y]
        np.testing.assert_allclose(*np.bincount(y, of_rows))
        found, expected = model(class_weight="balanced").fit(X, y, weight), model().fit(X, y, of_rows)
        np.testing.assert_allclose(found.predict_proba(X), expected.predict_proba(X), rtol=1e-5)
        assert found.losses_ == pytest.approx(expected.losses_, rel=1e-6)
        # The rare class is predicted more often.
        plain = model().fit(X, y, weight)
        assert found.predict_proba(X)[:, 1].mean() > plain.predict_proba(X)[:, 1].mean() + 0.05

    def test_of_label_indicators_they_multiply(self):
        X, y = data()
        Y = np.column_stack([y == 0, X[:, 0] > 0]).astype(int)
        of_rows = np.array([1.0, 2.0])[Y[:, 0]] * np.array([3.0, 1.0])[Y[:, 1]]
        found = model(class_weight=[{1: 2.0}, {0: 3.0}]).fit(X, Y)
        assert_same_networks(found, model().fit(X, Y, of_rows))

    @pytest.mark.parametrize(
        ("given", "match"),
        [
            ("all", "'class_weight' parameter of TabularMLPClassifier must be .*'balanced'.* Got 'all' instead"),
            ({0: -1}, r"'class_weight' parameter must hold numbers of at least 0; got \{0: -1\}"),
            ({7: 1}, r"'class_weight' parameter must name only classes of y, \[0, 1, 2\]; got \{7: 1\}"),
            ([{0: 1}] * 2, "'class_weight' parameter must be a dict, or .*; got"),
            ({0: 0, 1: 0}, r"at least 2 classes; got 1 class with class_weight=\{0: 0, 1: 0\}"),
        ],
    )
    def test_what_they_cannot_be(self, given, match):
        assert_unchanged_by(model(class_weight=given), ValueError, match, lambda model: model.fit(*data()))


class TestCalibration:
    def test_a_temperature_changes_probabilities_but_no_class(self, fitted):
        X, y = data()
        plain = model(network={"max_iter": 20}, calibration=None).fit(X, np.array(["one", "two", "three"])[y])
        np.testing.assert_array_equal(plain.predict(X), fitted.predict(X))
        assert np.abs(plain.predict_proba(X) - fitted.predict_proba(X)).max() > 1e-4
        np.testing.assert_allclose(plain.oof_predictions_, fitted.oof_predictions_, rtol=1e-6)

    @pytest.mark.parametrize("calibration", ["isotonic", "sigmoid"])
    def test_others(self, calibration):
        X, y = data()
        found = model(calibration=calibration).fit(X, y)
        np.testing.assert_allclose(found.predict_proba(X).sum(axis=1), 1)
        assert found.folds_.calibrator_ is not None

    def test_what_it_cannot_be(self):
        match = "'calibration' parameter of TabularMLPClassifier must be .* Got 'all' instead"
        assert_unchanged_by(model(calibration="all"), ValueError, match, lambda model: model.fit(*data()))


@pytest.mark.parametrize("method", ["one_fold", "cv+"])
def test_sets_hold_the_class_of_new_rows(method):
    """Of 2,000 rows of a problem whose probabilities are known, as many as asked for."""
    random = np.random.default_rng(0)
    X = random.normal(size=(2400, 3))
    y = (random.uniform(size=2400) < 1 / (1 + np.exp(-2 * X[:, 0]))).astype(int)
    members = [("linear", RegularizedMLPClassifier((), max_iter=40, learning_rate_init=0.05, early_stopping=True))]
    found = TabularMLPClassifier(members, random_state=0).fit(X[:400], y[:400])
    sets = found.predict_set(X[400:], 0.9, method=method)
    assert sets.shape == (2000, 2)
    assert 0.87 < sets[np.arange(2000), y[400:]].mean() < 0.94
    assert sets.sum(axis=1).mean() < 1.6
    with pytest.raises(ValueError, match="'coverage' parameter must be a number between 0 and 1.*got 1.5"):
        found.predict_set(X, 1.5)


def test_it_is_not_worse_than_its_networks_on_new_rows():
    """Where a linear and a curved network each see a part of the truth."""
    random = np.random.default_rng(1)
    X = scale(random.normal(size=(1600, 3)))
    odds = 1.5 * X[:, 0] + 1.5 * np.where(X[:, 1] * X[:, 2] > 0, 1, -1)
    y = random.uniform(size=1600) < 1 / (1 + np.exp(-odds))
    members = networks(max_iter=60)
    members[1][1].set_params(hidden_layer_sizes=(20,))
    found = TabularMLPClassifier(members, random_state=0).fit(X[:400], y[:400])
    loss = log_loss(y[400:], found.predict_proba(X[400:]))
    own = {name: log_loss(y[400:], member.predict_proba(X[400:])) for name, member in found.members_.items()}
    assert loss < min(own.values()) + 0.02
    assert found.best_member_ == "small"
    assert loss == pytest.approx(found.loss_, abs=0.06)


def test_a_frame_with_gaps_in_new_rows():
    X, y = table()
    found = model().fit(X[:60], y[:60])
    new = X[60:].copy()
    new.loc[60, ["income", "town", "owner", "share"]] = None
    assert set(found.predict(new)) <= {"high", "low"}

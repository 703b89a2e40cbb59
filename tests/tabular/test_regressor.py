"""Regressor: several outputs, units of the target, a constant target, and intervals."""

import numpy as np
import pytest
from sklearn.datasets import make_friedman1
from sklearn.metrics import r2_score

from skreg import RegularizedMLPRegressor, TabularMLPRegressor
from tests.helpers import assert_unchanged_by
from tests.tabular_helpers import EPOCHS, N_ROWS, WEIGHT, data, model, networks

pytestmark = [
    pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning"),
    pytest.mark.filterwarnings("ignore:(All predictions are the same|No feature is selected)"),
]


class TestTargets:
    def test_several_outputs(self):
        X, y = data("regressor")
        Y = np.column_stack([y, 100 * X[:, 0], -X[:, 1]])
        found = model("regressor", network={"max_iter": 25}).fit(X, Y)
        assert found.predict(X).shape == found.oof_predictions_.shape == (N_ROWS, 3)
        assert found.predict(X).dtype == np.float64
        expected = {name: 1 - r2_score(Y, member.oof_predictions_) for name, member in found.members_.items()}
        assert found.losses_ == pytest.approx(expected, rel=1e-9)
        assert found.oof_score_ == pytest.approx(1 - found.loss_, rel=1e-9)
        assert found.score(X, Y, WEIGHT) == pytest.approx(r2_score(Y, found.predict(X), sample_weight=WEIGHT))
        assert found.predict_interval(X, 0.8).shape == (N_ROWS, 3, 2)

    def test_one_output_in_a_column(self):
        X, y = data("regressor")
        column, vector = (model("regressor").fit(X, targets) for targets in (y[:, None], y))
        assert column.predict(X).shape == (N_ROWS, 1)
        np.testing.assert_allclose(column.predict(X)[:, 0], vector.predict(X), rtol=1e-10)

    def test_the_unit_plays_no_part(self):
        X, y = data("regressor")
        first, second = (model("regressor").fit(X, targets) for targets in (y, 1e6 * y - 3e7))
        assert second.losses_ == pytest.approx(first.losses_, rel=1e-4)
        np.testing.assert_allclose(second.predict(X), 1e6 * first.predict(X) - 3e7, rtol=1e-3)

    def test_a_constant(self):
        """Nothing is to be learnt, and networks that start far from it come to it in the end."""
        X, _ = data("regressor")
        members = networks("regressor", max_iter=300, learning_rate="cosine")
        found = model("regressor", members=members).fit(X, np.full(N_ROWS, 3.0))
        np.testing.assert_allclose(found.predict(X), 3, atol=1e-3)
        assert found.loss_ == pytest.approx(np.square(found.oof_predictions_ - 3).mean(), rel=1e-9, abs=1e-30)
        assert np.isfinite(found.predict_interval(X, 0.8)).all()

    def test_what_is_no_number(self):
        X, _ = data("regressor")
        match = "y must be an array of numbers; got ndarray of dtype <U1"
        assert_unchanged_by(model("regressor"), ValueError, match, lambda model: model.fit(X, np.full(N_ROWS, "a")))

    def test_networks_with_losses_of_their_own(self):
        X, y = data("regressor")
        counts = np.round(np.exp(y / y.std() - 2))
        members = [
            ("counts", RegularizedMLPRegressor((), loss="poisson", **EPOCHS)),
            ("median", RegularizedMLPRegressor((), loss="quantile", target_transform="standard", **EPOCHS)),
            ("huber", RegularizedMLPRegressor((4,), loss="huber", target_transform="quantile", **EPOCHS)),
        ]
        found = model("regressor", members=members).fit(X, counts)
        own = {name: r2_score(counts, member.oof_predictions_) for name, member in found.members_.items()}
        assert found.losses_ == pytest.approx({name: 1 - score for name, score in own.items()}, rel=1e-9)
        assert found.members_["counts"].predict(X).min() > 0
        match = "y must be at least 0|negative"
        assert_unchanged_by(
            model("regressor", members=members), ValueError, match, lambda model: model.fit(X, counts - 5)
        )


def friedman(seed):
    """Return an estimator fitted to 300 rows of Friedman's first problem, and 1,500 new rows."""
    X, y = make_friedman1(1800, noise=1, random_state=seed)
    members = [
        ("linear", RegularizedMLPRegressor((), target_transform="standard", **EPOCHS | {"max_iter": 40})),
        ("small", RegularizedMLPRegressor((30,), target_transform="standard", **EPOCHS | {"max_iter": 60})),
    ]
    found = TabularMLPRegressor(members, random_state=0).fit(X[:300], y[:300])
    return found, X[300:], y[300:]


@pytest.fixture(scope="module")
def draws():
    """Return five draws of it: of 60 rows that tell how wide intervals are, coverage has a deviation of 0.04."""
    return [friedman(seed) for seed in range(5)]


@pytest.mark.parametrize("method", ["scaled", "cv+", "one_fold"])
def test_intervals_hold_the_target_of_new_rows(draws, method):
    held = []
    for found, X, y in draws:
        low, high = found.predict_interval(X, 0.9, method=method).T
        held.append(((low <= y) & (y <= high)).mean())
        # They are as wide as nine in ten errors need.
        assert 2 * np.quantile(np.abs(y - found.predict(X)), 0.8) < (high - low).mean()
    assert 0.87 < np.mean(held) < 0.97
    with pytest.raises(ValueError, match="'coverage' parameter must be a number between 0 and 1.*got 0"):
        found.predict_interval(X, 0)


def test_out_of_fold_predictions_tell_the_error_of_new_rows(draws):
    found, X, y = draws[0]
    assert found.score(X, y) == r2_score(y, found.predict(X)) > 0.8
    assert found.oof_score_ == pytest.approx(found.score(X, y), abs=0.06)
    # The mean of five networks is better than the one that has not seen the row.
    assert found.oof_score_ < found.score(X, y)
    assert found.best_member_ == "small"
    assert found.feature_importances_[:5].min() > found.feature_importances_[5:].max()

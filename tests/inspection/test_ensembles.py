"""Numbers and drawings of the displays of ensembles: spread of the members, and coverage."""

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest
from scipy import stats
from sklearn.compose import TransformedTargetRegressor
from sklearn.datasets import load_diabetes
from sklearn.ensemble import RandomForestRegressor
from sklearn.exceptions import NotFittedError
from sklearn.linear_model import LinearRegression, LogisticRegression, RidgeCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from skreg.ensemble import FoldEnsembleClassifier, FoldEnsembleRegressor
from skreg.inspection import CoverageDisplay, MemberSpreadDisplay
from skreg.model_selection import GridSearchCV


@pytest.fixture(scope="module")
def diabetes():
    """Return 300 rows to fit an ensemble of linear models to, and the other 142."""
    X, y = load_diabetes(return_X_y=True)
    return (X[:300], y[:300]), (X[300:], y[300:])


@pytest.fixture(scope="module")
def regressor(diabetes):
    return FoldEnsembleRegressor(LinearRegression(), cv=4, random_state=0).fit(*diabetes[0])


@pytest.fixture(scope="module")
def classifier(iris):
    X, y = iris
    names = np.array(["setosa", "versicolor", "virginica"])[y]
    return (
        FoldEnsembleClassifier(LogisticRegression(), cv=3, random_state=0).fit(X[::2], names[::2]),
        X[1::2],
        names[1::2],
    )


class TestSpread:
    def test_bins_are_of_equally_many_rows_in_the_order_of_the_spread(self):
        frame = MemberSpreadDisplay([5, 1, 4, 2, 3], [50, 10, 40, 20, 30], n_bins=2).frame()
        expected = pd.DataFrame({"n_rows": [3, 2], "spread": [2.0, 4.5], "error": [20.0, 45.0]})
        pd.testing.assert_frame_equal(frame[["n_rows", "spread", "error"]], expected)
        np.testing.assert_allclose(frame["std_error"], [stats.sem([10, 20, 30]), stats.sem([40, 50])])

    def test_a_bin_of_one_row_has_no_standard_error(self):
        display = MemberSpreadDisplay([1, 2, 3], [1, 1, 2], n_bins=3).plot()
        assert display.frame()["std_error"].isna().all()
        np.testing.assert_allclose(display.errorbar_[0].get_xydata()[:, 1], [1, 1, 2])

    def test_of_a_regressor(self, regressor, diabetes):
        X, y = diabetes[1]
        display = MemberSpreadDisplay.from_estimator(regressor, X, y, n_bins=1)
        members = np.stack([member.predict(X) for member in regressor.members_])
        expected = [142, members.std(axis=0).mean(), np.abs(members.mean(axis=0) - y).mean()]
        np.testing.assert_allclose(display.frame().iloc[0, :3].tolist(), expected)
        assert display.ax_.get_ylabel() == "mean absolute error"

    def test_of_a_classifier(self, classifier):
        ensemble, X, y = classifier
        display = MemberSpreadDisplay.from_estimator(ensemble, X, y)
        members = np.stack([member.predict_proba(X) for member in ensemble.members_])
        best = members.mean(axis=0).argmax(axis=1)
        np.testing.assert_allclose(display.spreads, members.std(axis=0)[np.arange(len(y)), best])
        np.testing.assert_array_equal(display.errors, ensemble.classes_[best] != y)
        assert 0 < np.sum(display.errors) < len(y)
        assert display.ax_.get_ylabel() == "share of wrong rows"
        assert display.equal_ is None

    def test_draws_the_frame(self):
        random = np.random.default_rng(0)
        spreads = random.uniform(size=40)
        display = MemberSpreadDisplay(spreads, 3 * spreads, n_bins=4, error_name="_$e$").plot(color="black")
        line, _, (bars,) = display.errorbar_
        np.testing.assert_allclose(line.get_xydata(), display.frame()[["spread", "error"]])
        ends = np.array([segment[:, 1] for segment in bars.get_segments()])
        frame = display.frame()
        np.testing.assert_allclose(ends.mean(axis=1), frame["error"])
        np.testing.assert_allclose(np.diff(ends)[:, 0], 2 * frame["std_error"])
        np.testing.assert_allclose(display.mean_.get_ydata(), 3 * spreads.mean())
        x, y = display.equal_.get_data()
        np.testing.assert_array_equal(x, y)
        assert display.figure_ is display.ax_.figure
        display.figure_.canvas.draw()

    def test_on_given_axes(self):
        _, ax = plt.subplots()
        assert MemberSpreadDisplay([1.0], [1.0], n_bins=1).plot(ax=ax).ax_ is ax

    def test_in_a_pipeline_and_a_search(self, diabetes):
        (X, y), (X_test, y_test) = diabetes
        ensemble = FoldEnsembleRegressor(RidgeCV(), cv=3, random_state=0)
        search = GridSearchCV(make_pipeline(StandardScaler(), ensemble), {"foldensembleregressor__cv": [3]}, cv=2)
        search.fit(X, y)
        found = MemberSpreadDisplay.from_estimator(search, X_test, y_test).frame()
        inner = search.best_estimator_[-1]
        scaled = search.best_estimator_[0].transform(X_test)
        pd.testing.assert_frame_equal(found, MemberSpreadDisplay.from_estimator(inner, scaled, y_test).frame())

    @pytest.mark.parametrize(
        ("change", "message"),
        [
            ({"spreads": [-1.0, 1.0]}, "'spreads' parameter must hold at least one number, finite, from 0 on; got"),
            ({"errors": [np.nan, 1.0]}, "'errors' parameter must hold at least one number, finite, from 0 on; got"),
            ({"errors": [[1.0]]}, "'errors' parameter"),
            ({"errors": [1.0]}, "inconsistent numbers of samples"),
            ({"n_bins": 0}, "'n_bins' parameter must be an int from 1 to the number of rows, 2; got 0"),
            ({"n_bins": 3}, "'n_bins' parameter must be an int from 1 to the number of rows, 2; got 3"),
            ({"n_bins": 1.0}, "'n_bins' parameter must be an int from 1 to the number of rows, 2; got 1.0"),
        ],
    )
    def test_wrong_parameters(self, change, message):
        with pytest.raises(ValueError, match=message):
            MemberSpreadDisplay(**{"spreads": [1.0, 2.0], "errors": [1.0, 2.0], "n_bins": 1} | change).plot()


class TestWrongEstimators:
    @pytest.mark.parametrize("display", [MemberSpreadDisplay, CoverageDisplay])
    def test_no_ensemble_of_skreg(self, display, diabetes):
        forest = RandomForestRegressor(2, random_state=0).fit(*diabetes[0])
        with pytest.raises(TypeError, match="'estimator' parameter must be a fitted ensemble of skreg.ensemble"):
            display.from_estimator(forest, *diabetes[1])

    @pytest.mark.parametrize("display", [MemberSpreadDisplay, CoverageDisplay])
    def test_not_fitted(self, display, diabetes):
        with pytest.raises(NotFittedError):
            display.from_estimator(FoldEnsembleRegressor(), *diabetes[1])

    def test_target_transformed_outside(self, diabetes):
        model = TransformedTargetRegressor(
            FoldEnsembleRegressor(LinearRegression(), cv=2), transformer=StandardScaler()
        )
        with pytest.raises(TypeError, match="must predict y itself, not a target that is transformed outside"):
            MemberSpreadDisplay.from_estimator(model.fit(*diabetes[0]), *diabetes[1])

    def test_several_targets(self, diabetes):
        (X, y), (X_test, y_test) = diabetes
        ensemble = FoldEnsembleRegressor(LinearRegression(), cv=2, random_state=0).fit(X, np.column_stack([y, -y]))
        with pytest.raises(ValueError, match=r"y must be a single target; got an array of shape \(142, 2\)"):
            MemberSpreadDisplay.from_estimator(ensemble, X_test, np.column_stack([y_test, y_test]))
        with pytest.raises(ValueError, match=r"must predict a single target, without quantiles; got .* \(142, 2\)"):
            MemberSpreadDisplay.from_estimator(ensemble, X_test, y_test)


class TestCoverage:
    def test_of_a_regressor(self, regressor, diabetes):
        X, y = diabetes[1]
        display = CoverageDisplay.from_estimator(regressor, X, y, coverages=[0.9, 0.5])
        frame = display.frame().set_index("coverage")
        for coverage in (0.5, 0.9):
            intervals = regressor.predict_interval(X, coverage=coverage)
            inside = [low <= target <= high for (low, high), target in zip(intervals, y, strict=True)]
            np.testing.assert_allclose(
                frame.loc[coverage, ["covered", "size"]].tolist(),
                [np.mean(inside), (intervals[:, 1] - intervals[:, 0]).mean()],
            )
        assert display.n_rows == 142
        assert frame["covered"].is_monotonic_increasing

    def test_of_a_classifier(self, classifier):
        ensemble, X, y = classifier
        display = CoverageDisplay.from_estimator(ensemble, X, y, coverages=[0.8], color="black", name="sets")
        sets = ensemble.predict_set(X, coverage=0.8)
        named = [set(ensemble.classes_[within]) for within in sets]
        expected = [np.mean([label in found for label, found in zip(y, named, strict=True)]), sets.sum() / len(X)]
        np.testing.assert_allclose(display.frame().loc[0, ["covered", "size"]].tolist(), expected)
        assert display.covered_.get_color() == "black"
        assert display.axes_[1].get_ylabel() == "mean number of classes in a set"

    def test_a_class_without_training_rows_is_in_no_set(self, classifier):
        ensemble, X, y = classifier
        for unknown in ("aaa", "zzz"):
            labels = np.where(np.arange(len(y)) % 2, y, unknown).astype(object)
            display = CoverageDisplay.from_estimator(ensemble, X, labels, coverages=[0.8])
            known = CoverageDisplay.from_estimator(ensemble, X[1::2], y[1::2], coverages=[0.8])
            np.testing.assert_allclose(display.covered[0] * len(y), known.covered[0] * len(y[1::2]))

    def test_frame(self):
        frame = CoverageDisplay([0.9, 0.5], [0.88, 0.6], [3, 1], n_rows=100).frame()
        expected = pd.DataFrame(
            {"coverage": [0.5, 0.9], "covered": [0.6, 0.88], "size": [1.0, 3.0], "std_error": [0.05, 0.03]}
        )
        pd.testing.assert_frame_equal(frame, expected)

    def test_draws_the_frame(self):
        display = CoverageDisplay([0.5, 0.9], [0.6, 0.88], [1, np.inf], n_rows=100, size_name="_$w$").plot(name="_a")
        np.testing.assert_allclose(display.covered_.get_xydata(), [[0.5, 0.6], [0.9, 0.88]])
        np.testing.assert_allclose(display.sizes_.get_xydata(), [[0.5, 1], [0.9, np.nan]])
        (path,) = display.band_.get_paths()
        at_half = path.vertices[np.isclose(path.vertices[:, 0], 0.5), 1]
        np.testing.assert_allclose([at_half.min(), at_half.max()], [0.4, 0.6])
        assert display.axes_[0].get_ylabel() == "share of 100 rows inside"
        assert len(display.axes_[0].get_legend().get_texts()) == 1
        display.figure_.canvas.draw()

    def test_two_on_the_same_axes(self):
        first = CoverageDisplay([0.5, 0.9], [0.4, 0.9], [1, 2], n_rows=100).plot()
        second = CoverageDisplay([0.8, 0.9], [0.8, 0.9], [3, 5], n_rows=100).plot(axes=first.axes_, name="b")
        for ax, line in zip(first.axes_, (first.covered_, first.sizes_), strict=True):
            assert ax.get_ylim()[0] <= line.get_ydata().min()
        assert second.axes_[1].get_ylim()[1] >= 5
        assert second.axes_[1].get_ylim()[0] == 0

    def test_on_given_axes(self):
        figure, axes = plt.subplots(1, 2)
        display = CoverageDisplay([0.5], [0.5], [1], n_rows=9).plot(axes=axes)
        assert display.axes_.tolist() == axes.tolist()
        assert display.figure_ is figure
        with pytest.raises(ValueError, match="must hold 2 matplotlib Axes; got 1"):
            display.plot(axes=axes[0])

    @pytest.mark.parametrize(
        ("change", "message"),
        [
            ({"coverages": [1.0]}, r"'coverages' parameter must hold numbers in \(0, 1\); got \[1.0\]"),
            ({"coverages": [1.1]}, "'coverages' parameter must hold at least one number, from 0 to 1; got"),
            ({"covered": [2.0]}, "'covered' parameter must hold at least one number, from 0 to 1; got"),
            ({"sizes": [-1.0]}, "'sizes' parameter must hold at least one number, from 0 on; got"),
            ({"sizes": [np.nan]}, "'sizes' parameter"),
            ({"sizes": [1.0, 2.0]}, "inconsistent numbers of samples"),
            ({"n_rows": 0}, "'n_rows' parameter"),
        ],
    )
    def test_wrong_parameters(self, change, message):
        with pytest.raises(ValueError, match=message):
            CoverageDisplay(**{"coverages": [0.5], "covered": [0.5], "sizes": [1.0], "n_rows": 5} | change).plot()

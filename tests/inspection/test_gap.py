"""What the displays of gaps and of differences draw, without looking at pixels."""

from typing import ClassVar

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import StratifiedKFold, cross_validate

from skreg import RegularizedMLPClassifier
from skreg.inspection import ComparisonDisplay, GeneralizationGapDisplay, compare_regularizers

HOSTILE = "_$x^2$ ünïcode"


@pytest.fixture(scope="module")
def comparison(iris):
    estimators = {
        "strong": LogisticRegression(C=0.001),
        HOSTILE: LogisticRegression(),
        "middle": LogisticRegression(C=0.1),
    }
    return compare_regularizers(*iris, estimators, cv=4, random_state=0)


class TestGap:
    train: ClassVar[dict] = {"a": [0.9, 1.0], HOSTILE: [0.7, 0.9]}
    test: ClassVar[dict] = {"a": [0.6, 0.8], HOSTILE: [0.8, 0.8]}

    def test_draws_means_and_folds(self):
        display = GeneralizationGapDisplay(self.train, self.test, score_name="R²").plot()
        # The first name is on top.
        assert display.train_.get_xdata().tolist() == pytest.approx([0.95, 0.8])
        assert display.test_.get_xdata().tolist() == pytest.approx([0.7, 0.8])
        assert display.train_.get_ydata().tolist() == [1, 0]
        assert [line.get_xdata() for line in display.gaps_] == [pytest.approx([0.95, 0.7]), pytest.approx([0.8, 0.8])]
        train_folds, test_folds = display.folds_
        assert train_folds.get_xdata().tolist() == [0.9, 1.0, 0.7, 0.9]
        assert test_folds.get_xdata().tolist() == [0.6, 0.8, 0.8, 0.8]
        assert test_folds.get_ydata().tolist() == [1, 1, 0, 0]
        assert [text.get_text() for text in display.ax_.texts] == ["+0.250", "+0.000"]
        assert "R²" in display.ax_.get_xlabel()
        assert display.figure_ is display.ax_.figure

    def test_names_are_written_as_they_are(self):
        display = GeneralizationGapDisplay(self.train, self.test).plot()
        display.figure_.canvas.draw()
        assert display.ax_.get_yticklabels()[1].get_text() == "\u200b_\\$x^2\\$ ünïcode"

    def test_frame(self):
        frame = GeneralizationGapDisplay(self.train, self.test).frame()
        assert frame.index.tolist() == ["a", HOSTILE]
        assert frame.loc["a"].tolist() == pytest.approx(
            [0.95, 0.7, 0.25, np.std([0.9, 1.0], ddof=1), np.std([0.6, 0.8], ddof=1)]
        )

    def test_from_estimators(self, iris):
        estimators = {
            "a": RegularizedMLPClassifier((), max_iter=5, n_iter_no_change=np.inf, random_state=0),
            "b": LogisticRegression(),
        }
        cv = StratifiedKFold(3)
        display = GeneralizationGapDisplay.from_estimators(estimators, *iris, cv=cv, scoring="neg_log_loss")
        for name, estimator in estimators.items():
            expected = cross_validate(estimator, *iris, cv=cv, scoring="neg_log_loss", return_train_score=True)
            np.testing.assert_allclose(display.train_scores[name], expected["train_score"], rtol=1e-6)
            np.testing.assert_allclose(display.test_scores[name], expected["test_score"], rtol=1e-6)
        assert display.ax_.get_xlabel().startswith("neg_log_loss")

    def test_from_estimator_on_given_axes(self, iris):
        figure, ax = plt.subplots()
        display = GeneralizationGapDisplay.from_estimator(LogisticRegression(), *iris, cv=2, ax=ax)
        assert display.ax_ is ax
        assert display.figure_ is figure
        assert ax.get_yticklabels()[0].get_text() == "LogisticRegression"
        named = GeneralizationGapDisplay.from_estimator(LogisticRegression(), *iris, cv=2, name="linear")
        assert list(named.train_scores) == ["linear"]

    def test_from_comparison(self, comparison):
        frame = GeneralizationGapDisplay.from_comparison(comparison).frame()
        expected = comparison.frame().loc[comparison.names]
        np.testing.assert_allclose(frame["gap"], expected["mean_gap"])
        np.testing.assert_allclose(frame["std_test_score"], expected["std_test_score"])

    def test_names_must_agree(self):
        with pytest.raises(
            ValueError,
            match=r"'test_scores' parameter must have the same names as 'train_scores', \['a'\]; got \['b'\]",
        ):
            GeneralizationGapDisplay({"a": [1.0]}, {"b": [1.0]})
        with pytest.raises(ValueError, match="'ax' parameter must hold 1 matplotlib Axes; got 2"):
            GeneralizationGapDisplay(self.train, self.test).plot(ax=plt.subplots(2)[1])


class TestDifferences:
    def test_draws_differences_and_intervals(self, comparison):
        display = comparison.plot(reference="middle")
        tests = comparison.tests("middle").iloc[::-1]
        line, _, (intervals,) = display.errorbar_
        np.testing.assert_allclose(line.get_xdata(), tests["difference"])
        assert line.get_ydata().tolist() == [0, 1]
        ends = np.array([segment[:, 0] for segment in intervals.get_segments()], dtype=float)
        np.testing.assert_allclose(ends, tests[["low", "high"]])
        assert display.zero_.get_xdata()[0] == 0
        labels = [label.get_text() for label in display.ax_.get_yticklabels()]
        assert labels == ["\u200b_\\$x^2\\$ ünïcode", "strong"]
        assert "accuracy from middle" in display.ax_.get_xlabel()
        pd.testing.assert_frame_equal(display.frame(), comparison.tests("middle"))

    def test_first_is_the_reference_by_default(self, comparison):
        assert comparison.plot().reference == "strong"

    def test_given_axes(self, comparison):
        figure, ax = plt.subplots()
        display = comparison.plot(ax=ax)
        assert display.ax_ is ax
        assert display.figure_ is figure
        display.figure_.canvas.draw()

    def test_frame_is_a_copy(self, comparison):
        display = comparison.plot()
        frame = display.frame()
        frame["difference"] = 0
        assert (display.frame()["difference"] != 0).all()

    def test_from_estimators(self, iris):
        estimators = {"a": LogisticRegression(), "b": LogisticRegression(C=0.01)}
        options = {"cv": 2, "random_state": 0}
        display = ComparisonDisplay.from_estimators(estimators, *iris, reference="b", **options)
        expected = compare_regularizers(*iris, estimators, **options).tests("b")
        pd.testing.assert_frame_equal(display.frame(), expected)

    def test_unknown_reference(self, comparison):
        with pytest.raises(ValueError, match="'reference' parameter must be one of"):
            comparison.plot(reference="nobody")

"""Importances of the columns of a table: scikit-learn's numbers, by original column, for ensembles by member, too."""

import warnings

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import polars as pl
import pytest
from sklearn.base import is_classifier
from sklearn.compose import make_column_selector, make_column_transformer
from sklearn.ensemble import (
    BaggingClassifier,
    GradientBoostingRegressor,
    HistGradientBoostingRegressor,
    RandomForestClassifier,
    RandomForestRegressor,
    VotingClassifier,
)
from sklearn.exceptions import NotFittedError
from sklearn.impute import SimpleImputer
from sklearn.inspection import PartialDependenceDisplay, permutation_importance
from sklearn.linear_model import LinearRegression, LogisticRegression, LogisticRegressionCV
from sklearn.metrics import get_scorer
from sklearn.model_selection import GridSearchCV
from sklearn.multioutput import MultiOutputRegressor
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler

from skreg import RegularizedMLPClassifier, RegularizedMLPRegressor, RegularizedMLPRegressorCV, table_pipeline
from skreg.inspection import ColumnImportanceDisplay
from skreg.inspection._members import members_of

N_TRAIN = 100
COLUMNS = ["noise", "size", "$colour"]
SCORER = get_scorer("neg_log_loss")


@pytest.fixture(scope="module")
def table():
    """Return a raw table with a gap, and labels that depend on two of its three columns."""
    random = np.random.default_rng(0)
    X = pd.DataFrame({name: random.normal(size=160) for name in COLUMNS[:2]})
    X[COLUMNS[2]] = pd.Categorical(random.choice(["red", "green", "blue"], 160))
    y = np.where(X["size"] + 2 * (X[COLUMNS[2]] == "red") + random.normal(scale=0.3, size=160) > 0.5, "yes", "no")
    X.iloc[::9, 1] = np.nan
    return X, y


def pipeline(last):
    numbers = make_pipeline(SimpleImputer(), StandardScaler())
    categories = (OneHotEncoder(), make_column_selector(dtype_include="category"))
    return make_pipeline(make_column_transformer(categories, remainder=numbers), last)


def network(**parameters):
    training = {"learning_rate_init": 0.03, "batch_size": 20, "max_iter": 20, "n_iter_no_change": np.inf}
    return RegularizedMLPClassifier((5,), random_state=0, **training, **parameters)


@pytest.fixture(scope="module")
def fitted(table):
    X, y = table
    return pipeline(network()).fit(X[:N_TRAIN], y[:N_TRAIN])


@pytest.fixture(scope="module")
def test_rows(table):
    X, y = table
    return X[N_TRAIN:], y[N_TRAIN:]


class TestNumbers:
    @pytest.mark.parametrize("scoring", [None, "neg_log_loss"])
    def test_are_those_of_scikit_learn(self, fitted, test_rows, scoring):
        display = ColumnImportanceDisplay.from_estimator(
            fitted, *test_rows, scoring=scoring, n_repeats=2, random_state=1
        )
        expected = permutation_importance(fitted, *test_rows, scoring=scoring, n_repeats=2, random_state=1)
        np.testing.assert_allclose(display.importances, expected.importances, rtol=1e-12)
        assert display.names == COLUMNS
        frame = display.frame().set_index("column")
        assert frame.index[-1] == "noise"
        assert frame["importance"].is_monotonic_decreasing
        np.testing.assert_allclose(frame.loc[COLUMNS, "importance"], expected.importances_mean)
        np.testing.assert_allclose(frame.loc[COLUMNS, "std"], expected.importances.std(axis=1, ddof=1))
        if scoring is None:
            assert display.score == pytest.approx(fitted.score(*test_rows))

    def test_weights_of_rows_count(self, fitted, test_rows):
        X, y = test_rows
        weights = np.repeat([0.0, 1.0], len(y) // 2)
        options = {"n_repeats": 2, "random_state": 0}
        display = ColumnImportanceDisplay.from_estimator(fitted, X, y, sample_weight=weights, **options)
        expected = permutation_importance(fitted, X, y, sample_weight=weights, **options)
        np.testing.assert_allclose(display.importances, expected.importances)
        assert display.score == pytest.approx(fitted.score(X[weights > 0], y[weights > 0]))

    def test_a_column_that_is_not_used_is_at_zero(self, table):
        X, y = table
        model = pipeline(network(penalty="group_lasso", alpha=0.2)).fit(X, y)
        used = model[-1].feature_importances_ > 0
        assert not used[model[:-1].get_feature_names_out() == "remainder__noise"]
        display = ColumnImportanceDisplay.from_estimator(model, X, y, n_repeats=2, random_state=0)
        assert (display.importances[0] == 0).all()
        assert (display.importances[1] > 0).all()

    def test_frames_of_polars(self, table, test_rows):
        X, y = table
        frame = pl.DataFrame({name: X[name].tolist() for name in COLUMNS})
        categories = (OneHotEncoder(), [COLUMNS[2]])
        model = make_pipeline(make_column_transformer(categories), network()).fit(frame[:N_TRAIN], y[:N_TRAIN])
        options = {"n_repeats": 2, "random_state": 0}
        display = ColumnImportanceDisplay.from_estimator(model, frame[N_TRAIN:], y[N_TRAIN:], **options)
        expected = permutation_importance(model, test_rows[0].astype({COLUMNS[2]: str}), test_rows[1], **options)
        np.testing.assert_allclose(display.importances, expected.importances)
        assert display.names == COLUMNS

    def test_arrays_have_numbers_for_names(self):
        X = np.random.default_rng(0).normal(size=(60, 3))
        model = LinearRegression().fit(X, X[:, 2])
        display = ColumnImportanceDisplay.from_estimator(model, X, X[:, 2], n_repeats=1)
        assert display.frame()["column"][0] == 2
        assert display.frame()["std"].isna().all()
        assert "R²" in display.ax_.get_xlabel()

    def test_scorers_without_a_name(self):
        X = np.random.default_rng(0).normal(size=(60, 3))
        model = LinearRegression().fit(X, X[:, 2])
        display = ColumnImportanceDisplay.from_estimator(model, X, X[:, 2], scoring=lambda m, X, y: m.score(X, y))
        assert display.ax_.get_xlabel() == "fall of score from 1 when the column is shuffled"

    @pytest.mark.parametrize(
        ("estimator", "name"),
        [
            (RegularizedMLPRegressor((), solver="lbfgs"), "R²"),  # whose scoring='loss' is for early stopping
            (RegularizedMLPRegressorCV((), solver="lbfgs", penalty="l2", alphas=[0.1, 1.0], cv=2, refit=True), "R²"),
            (HistGradientBoostingRegressor(max_iter=2), "R²"),
            (
                LogisticRegressionCV(
                    Cs=[1.0], l1_ratios=(0,), cv=2, scoring="neg_log_loss", use_legacy_attributes=False
                ),
                "log_loss",
            ),
        ],
    )
    def test_scores_have_the_name_of_what_they_are(self, estimator, name):
        X = np.random.default_rng(0).normal(size=(60, 3))
        y = X[:, 2] > 0 if is_classifier(estimator) else X[:, 2]
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of strengths at the edge
            fitted = estimator.fit(X, y)
        display = ColumnImportanceDisplay.from_estimator(fitted, X, y, n_repeats=1)
        assert display.score == fitted.score(X, y)
        assert f" of {name} from" in display.ax_.get_xlabel()


class TestMembers:
    @pytest.mark.parametrize("scoring", ["neg_log_loss", {"a": "neg_log_loss"}, lambda *data: {"a": SCORER(*data)}])
    def test_have_the_scores_of_the_search_around_them(self, scoring):
        X = np.random.default_rng(0).normal(size=(60, 2))
        y = X[:, 1] > 0
        refit = True if isinstance(scoring, str) else "a"
        ensemble = BaggingClassifier(LogisticRegression(), 2, random_state=0)
        search = GridSearchCV(ensemble, {"max_samples": [0.5]}, scoring=scoring, refit=refit, cv=2)
        model = make_pipeline(StandardScaler(), search).fit(X, y)
        options = {"n_repeats": 1, "random_state": 0}
        display = ColumnImportanceDisplay.from_estimator(model, X, y, **options)
        expected = ColumnImportanceDisplay.from_estimator(model, X, y, scoring="neg_log_loss", **options)
        np.testing.assert_array_equal(display.importances, expected.importances)
        np.testing.assert_array_equal(display.member_importances, expected.member_importances)
        assert display.score == model.score(X, y)
        assert display.ax_.get_xlabel().startswith("rise of log_loss" if isinstance(scoring, str) else "fall of score")

    @pytest.mark.parametrize(
        "ensemble",
        [
            BaggingClassifier(LogisticRegression(), 3, max_features=0.8, random_state=0),
            RandomForestClassifier(3, max_depth=4, random_state=0),
            VotingClassifier([("a", LogisticRegression()), ("b", LogisticRegression(C=0.1))], voting="soft"),
        ],
        ids=lambda ensemble: type(ensemble).__name__,
    )
    def test_mean_of_their_probabilities_is_that_of_the_ensemble(self, table, ensemble):
        X, y = table
        model = GridSearchCV(pipeline(ensemble), {}, cv=2).fit(X, y)
        transformers, members = members_of(model)
        for transformer in transformers:
            X = transformer.transform(X)
        probabilities = np.mean([member.predict_proba(X) for member in members], axis=0)
        np.testing.assert_allclose(probabilities, model.predict_proba(table[0]), atol=1e-7)
        votes = [member.predict(X) for member in members]
        assert set(np.unique(votes)) == {"no", "yes"}
        assert members[0].score(X, y) == pytest.approx(np.mean(votes[0] == y))

    def test_each_has_the_importances_of_its_own_scores(self, table, test_rows):
        X, y = table
        ensemble = RandomForestRegressor(3, random_state=0)
        model = pipeline(ensemble).fit(X[:N_TRAIN], y[:N_TRAIN] == "yes")
        rows, target = test_rows[0], test_rows[1] == "yes"
        options = {"n_repeats": 2, "random_state": 0}
        display = ColumnImportanceDisplay.from_estimator(model, rows, target, **options)
        for number, tree in enumerate(ensemble.estimators_):
            expected = permutation_importance(make_pipeline(model[0], tree), rows, target, **options)
            np.testing.assert_allclose(display.member_importances[:, number], expected.importances_mean)
        place = display.frame().index[display.frame()["column"] == "size"][0]
        assert display.frame()["std_members"][place] == pytest.approx(display.member_importances[1].std(ddof=1))
        x, at = display.members_.get_data()
        np.testing.assert_allclose(x[at == place], display.member_importances[1])

    def test_fitted_estimators_in_a_list(self, table, test_rows):
        X, y = table
        models = [pipeline(network()).fit(X[first:N_TRAIN], y[first:N_TRAIN]) for first in (0, 40)]
        options = {"n_repeats": 2, "random_state": 0}
        display = ColumnImportanceDisplay.from_estimator(models, *test_rows, **options)
        each = [permutation_importance(model, *test_rows, **options).importances for model in models]
        np.testing.assert_allclose(display.importances, np.mean(each, axis=0))
        np.testing.assert_allclose(display.member_importances, np.mean(each, axis=2).T)
        assert display.score == pytest.approx(np.mean([model.score(*test_rows) for model in models]))

    def test_parts_that_do_not_predict_the_target_are_none(self):
        X = np.random.default_rng(0).normal(size=(40, 3))
        boosting = GradientBoostingRegressor(n_estimators=2).fit(X, X[:, 0])
        outputs = MultiOutputRegressor(LinearRegression()).fit(X, X[:, :2])
        assert members_of(boosting) == ([], [])
        assert members_of(outputs, n_outputs=2) == ([], [])
        assert ColumnImportanceDisplay.from_estimator(outputs, X, X[:, :2], n_repeats=1).members_ is None


class TestDrawing:
    importances = ((0.1, 0.3), (0.5, 0.5), (-0.1, 0.1))

    def test_boxes_are_sorted(self):
        display = ColumnImportanceDisplay(
            self.importances, names=COLUMNS, score=0.9, score_name="accuracy", member_importances=np.zeros((3, 4))
        ).plot(max_columns=2)
        assert [line.get_xdata()[0] for line in display.boxes_["medians"]] == [0.5, pytest.approx(0.2)]
        assert [line.get_ydata().mean() for line in display.boxes_["medians"]] == [0, 1]
        assert [label.get_text() for label in display.ax_.get_yticklabels()] == ["size", "noise"]
        assert display.ax_.get_ylim() == (1.6, -0.6)
        assert display.ax_.get_xlabel() == "fall of accuracy from 0.9 when the column is shuffled"
        assert display.ax_.get_ylabel() == "column, the first 2 of 3"
        assert display.ax_.get_legend().texts[0].get_text() == "each of 4 members"
        assert display.zero_.get_xdata()[0] == 0
        assert display.figure_ is display.ax_.figure

    def test_losses_rise(self):
        _, ax = plt.subplots()
        display = ColumnImportanceDisplay(self.importances, score=-0.25, score_name="neg_log_loss").plot(ax=ax)
        assert ax.get_xlabel() == "rise of log_loss from 0.25 when the column is shuffled"
        assert display.ax_ is ax
        assert display.members_ is None
        assert list(display.frame()["column"]) == [1, 0, 2]

    def test_names_are_written_as_they_are(self):
        display = ColumnImportanceDisplay(self.importances, names=COLUMNS).plot()
        display.figure_.canvas.draw()
        assert display.ax_.get_yticklabels()[2].get_text() == r"\$colour"
        assert display.ax_.get_xlabel() == "fall of score when the column is shuffled"

    def test_long_names_leave_room_for_the_boxes(self):
        names = ["a" * 300, "first\nsecond", "b"]
        display = ColumnImportanceDisplay(self.importances, names=names).plot()
        display.figure_.canvas.draw()
        labels = [label.get_text() for label in display.ax_.get_yticklabels()]
        assert labels == ["first second", "a" * 19 + "…" + "a" * 19, "b"]
        assert display.ax_.get_position().width > 0.4
        assert display.frame()["column"][1] == names[0]


class TestMistakes:
    @pytest.mark.parametrize("parameters", [{"n_repeats": 0}, {"max_columns": 0}, {"scoring": 3}])
    def test_parameters(self, fitted, test_rows, parameters):
        ((name, value),) = parameters.items()
        with pytest.raises(ValueError, match=rf"The '{name}' parameter of .* must be .* Got {value} instead"):
            ColumnImportanceDisplay.from_estimator(fitted, *test_rows, **parameters)

    def test_estimators(self, test_rows):
        with pytest.raises(NotFittedError):
            ColumnImportanceDisplay.from_estimator(pipeline(network()), *test_rows)
        with pytest.raises(ValueError, match=r"a list of at least one; got \[\]"):
            ColumnImportanceDisplay.from_estimator([], *test_rows)

    @pytest.mark.parametrize("score", [np.nan, np.inf, "good", None, {"a": 1.0}, [0.5, 0.6]])
    def test_scores_that_are_no_numbers(self, fitted, test_rows, score):
        with pytest.raises(ValueError, match="The 'scoring' parameter must give a finite number; got .* for a Pipe"):
            ColumnImportanceDisplay.from_estimator(fitted, *test_rows, scoring=lambda model, X, y: score)

    def test_frames_that_are_not_computed(self, fitted, test_rows):
        X, y = test_rows
        with pytest.raises(TypeError, match=r"X must be computed; got a LazyFrame\. Give X\.collect\(\)"):
            ColumnImportanceDisplay.from_estimator(fitted, pl.LazyFrame({"size": X["size"].to_numpy()}), y)

    def test_names_that_come_twice(self, fitted, test_rows):
        X, y = test_rows
        with pytest.raises(ValueError, match=r"more than one column for \['size'\]"):
            ColumnImportanceDisplay.from_estimator(fitted, X[["size", "noise", "size"]], y)

    @pytest.mark.parametrize("importances", [[1.0, 2.0], [[np.nan]], [["a"]], []])
    def test_numbers(self, importances):
        with pytest.raises(ValueError, match="'importances' parameter must hold finite numbers"):
            ColumnImportanceDisplay(importances).plot()
        with pytest.raises(ValueError, match="'member_importances' parameter must hold finite numbers"):
            ColumnImportanceDisplay([[1.0]], member_importances=importances).frame()

    def test_lengths(self):
        with pytest.raises(ValueError, match="'names' parameter must have one entry for each of the 1 columns; got 2"):
            ColumnImportanceDisplay([[1.0]], names=["a", "b"]).frame()


def test_partial_dependence_of_columns_of_a_raw_table(fitted, table):
    X, _ = table
    X = X.dropna()
    display = PartialDependenceDisplay.from_estimator(
        fitted, X, ["size", COLUMNS[2]], categorical_features=[COLUMNS[2]], grid_resolution=4
    )
    assert np.all(np.diff(display.lines_.ravel()[0].get_ydata()) > 0)
    drawn = display.pd_results[1]
    red = X.assign(**{COLUMNS[2]: pd.Categorical(["red"] * len(X), X[COLUMNS[2]].cat.categories)})
    place = list(drawn["grid_values"][0]).index("red")
    assert drawn["average"][0, place] == pytest.approx(fitted.predict_proba(red)[:, 1].mean())


@pytest.fixture(scope="module")
def dated(table):
    """Return a table with dates and gaps everywhere, a pipeline that was fitted to its first rows, and labels."""
    X, y = table
    dates = pd.Timestamp("2024-01-01") + pd.to_timedelta(np.arange(len(X)), "D")
    frame = X.assign(date=dates).astype({COLUMNS[2]: object})
    frame.loc[::7, COLUMNS[2]] = None
    return frame, table_pipeline(network()).fit(frame[:N_TRAIN], y[:N_TRAIN]), y


class TestPipelinesOfTables:
    @pytest.mark.parametrize("kind", ["pandas", "polars"])
    def test_importances_are_by_column_of_the_table(self, dated, kind):
        frame, model, y = dated
        if kind == "polars":
            columns = {name: [None if pd.isna(value) else value for value in frame[name]] for name in frame}
            frame = pl.DataFrame(columns)
            model = table_pipeline(network()).fit(frame[:N_TRAIN], y[:N_TRAIN])
        display = ColumnImportanceDisplay.from_estimator(
            model, frame[N_TRAIN:], y[N_TRAIN:], n_repeats=2, random_state=0
        )
        assert sorted(display.frame()["column"][:2]) == ["$colour", "size"]
        assert display.importances.shape == (4, 2)

    def test_partial_dependence(self, dated):
        frame, model, _ = dated
        rows = frame.dropna()
        display = PartialDependenceDisplay.from_estimator(
            model, rows, ["size", COLUMNS[2]], categorical_features=[COLUMNS[2]], grid_resolution=4
        )
        of_size, of_colour = display.pd_results
        assert np.all(np.diff(of_size["average"][0]) > 0)
        levels = dict(zip(of_colour["grid_values"][0], of_colour["average"][0], strict=True))
        assert levels["red"] == pytest.approx(model.predict_proba(rows.assign(**{COLUMNS[2]: "red"}))[:, 1].mean())
        assert max(levels, key=levels.get) == "red"

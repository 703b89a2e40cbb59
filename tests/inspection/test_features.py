"""The display of selected features, read from what it has drawn, and folds fitted by hand."""

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest
from sklearn.base import BaseEstimator, TransformerMixin, clone
from sklearn.compose import TransformedTargetRegressor, make_column_transformer
from sklearn.exceptions import NotFittedError
from sklearn.feature_selection import SelectKBest, f_regression
from sklearn.linear_model import LinearRegression
from sklearn.model_selection import GroupKFold, KFold, ShuffleSplit
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer, OneHotEncoder, StandardScaler

from skreg import RegularizedMLPClassifier, RegularizedMLPRegressor
from skreg.inspection import FeatureSelectionDisplay
from skreg.model_selection import GridSearchCV, RegularizedMLPRegressorCV
from skreg.penalties import GroupLasso
from skreg.preprocessing._encoded import EncodedTable
from tests.helpers import legend_texts

from_estimator = FeatureSelectionDisplay.from_estimator
RNG = np.random.default_rng(0)
X = RNG.normal(size=(120, 6))
Y = 2 * X[:, 1] - X[:, 4] + 0.4 * X[:, 0] + 0.5 * RNG.normal(size=120)
NAMES = ["age", "price in $", "$x$", r"a_b^c\d", "{sex}", "100%"]
FRAME = pd.DataFrame(X, columns=NAMES)
OPTIONS = {
    "hidden_layer_sizes": (6,),
    "learning_rate": "cosine",
    "learning_rate_init": 0.05,
    "max_iter": 60,
    "batch_size": 24,
    "random_state": 0,
}
GROUPED = RegularizedMLPRegressor(**OPTIONS, penalty="group_lasso", alpha=0.15)


@pytest.fixture(scope="module")
def grouped():
    """Return a network that uses some of the features."""
    model = clone(GROUPED).fit(FRAME, Y)
    assert 1 < len(model.selected_features_) < 6
    return model


def labels(axis):
    return [label.get_text() for label in axis.get_yticklabels()]


def widths(display):
    return np.array([bar.get_width() for bar in display.bars_])


# -- what is drawn -----------------------------------------------------------------------------------------------------


def test_largest_first_and_zeros_as_circles():
    display = FeatureSelectionDisplay([0.5, 0.0, 2.0, 0.1, 0.0]).plot()
    np.testing.assert_array_equal(widths(display), [2.0, 0.5, 0.1, 0, 0])
    assert labels(display.ax_) == ["2", "0", "3", "1", "4"]
    np.testing.assert_array_equal(display.zeros_.get_xydata(), [[0, 3], [0, 4]])
    assert display.zeros_.get_markerfacecolor() == "white"
    assert legend_texts(display.ax_) == ["exactly zero"]
    bottom, top = display.ax_.get_ylim()
    assert bottom > top, "the first is at the top"
    assert display.ax_.get_xlim()[0] == 0
    assert display.ax_.get_xlabel() == "norm of the feature's weights"
    assert display.ax_.get_ylabel() == "feature"
    assert display.frequency_axis_ is None


def test_the_smallest_number_is_no_zero():
    display = FeatureSelectionDisplay([1.0, 5e-324]).plot()
    assert len(display.zeros_.get_xydata()) == 0
    assert display.ax_.get_legend() is None
    assert display.frame()["selected"].all()


def test_ties_keep_the_order_of_the_columns():
    frame = FeatureSelectionDisplay([0, 1, 0, 1, 0], names=list("abcde")).frame()
    assert frame["feature"].tolist() == ["b", "d", "a", "c", "e"]
    frame = FeatureSelectionDisplay([0, 1, 0, 1, 0], names=list("abcde"), frequencies=[0.2, 0.5, 0.4, 0.6, 0.4]).frame()
    assert frame["feature"].tolist() == ["d", "b", "c", "e", "a"], "the more frequent first"
    assert frame["frequency"].tolist() == [0.6, 0.5, 0.4, 0.4, 0.2]


def test_frame():
    frame = FeatureSelectionDisplay(np.array([0.0, 3.0], dtype=np.float32), names=["a", "b"]).frame()
    expected = pd.DataFrame({"feature": ["b", "a"], "importance": [3.0, 0.0], "selected": [True, False]})
    pd.testing.assert_frame_equal(frame, expected)
    numbers = FeatureSelectionDisplay([1.0, 2.0]).frame()["feature"]
    assert numbers.tolist() == [1, 0]


def test_frequencies_stand_at_the_right():
    display = FeatureSelectionDisplay([0.5, 0, 2], frequencies=[2 / 3, 1 / 3, 1]).plot()
    assert labels(display.frequency_axis_) == ["100%", "67%", "33%"]
    assert display.frequency_axis_.get_ylabel() == "used in this share of the folds"
    np.testing.assert_array_equal(display.frequency_axis_.get_yticks(), [0, 1, 2])


@pytest.mark.parametrize(("limit", "n_shown"), [(2, 2), (5, 5), (None, 5), (20, 5)])
def test_max_features(limit, n_shown):
    display = FeatureSelectionDisplay([1, 2, 3, 4, 0]).plot(max_features=limit)
    assert len(display.bars_) == n_shown
    assert labels(display.ax_) == ["3", "2", "1", "0", "4"][:n_shown]
    assert len(display.frame()) == 5
    expected = "feature" if n_shown == 5 else "feature, the first 2 of 5"
    assert display.ax_.get_ylabel() == expected
    assert len(display.zeros_.get_xydata()) == (n_shown == 5)


def test_hostile_names_are_written_as_they_are():
    display = FeatureSelectionDisplay(np.arange(6), names=NAMES).plot()
    assert labels(display.ax_) == ["100%", "{sex}", r"a_b^c\d", r"\$x\$", r"price in \$", "age"]
    display.figure_.canvas.draw()  # a formula that is none would raise
    assert display.frame()["feature"].tolist() == NAMES[::-1]


def test_nothing_selected():
    display = FeatureSelectionDisplay(np.zeros(3)).plot()
    assert len(display.zeros_.get_xydata()) == 3
    assert display.ax_.get_xlim() == (0, 1)
    assert not display.frame()["selected"].any()


def test_given_axes_and_colour():
    figure, (ax, other) = plt.subplots(1, 2)
    display = FeatureSelectionDisplay([1, 2])
    assert display.plot(ax=ax, color="#D55E00") is display
    assert display.ax_ is ax
    assert display.figure_ is figure
    assert not other.has_data()
    np.testing.assert_allclose(display.bars_[0].get_facecolor(), [0xD5 / 255, 0x5E / 255, 0, 1])
    assert len(plt.get_fignums()) == 1
    tall, short = (FeatureSelectionDisplay(np.ones(n)).plot().figure_.get_figheight() for n in (20, 3))
    assert tall > short + 2


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (
            {"importances": [1, -1]},
            r"'importances' parameter must hold finite numbers of at least 0; got \[1, -1\]",
        ),
        ({"importances": [1, np.nan]}, "The 'importances' parameter"),
        ({"importances": [1, np.inf]}, "The 'importances' parameter"),
        ({"importances": [[1, 2]]}, "The 'importances' parameter"),
        (
            {"importances": [1, 2], "names": ["a"]},
            "The 'names' parameter must have one entry for each of the 2 features; got 1",
        ),
        ({"importances": [1, 2], "frequencies": [1]}, "'frequencies' parameter must have one entry for each .* got 1"),
        (
            {"importances": [1, 2], "frequencies": [1, 2]},
            r"The 'frequencies' parameter must hold finite numbers of at least 0 and at most 1; got \[1, 2\]",
        ),
    ],
)
def test_errors_of_the_numbers(arguments, message):
    with pytest.raises(ValueError, match=message):
        FeatureSelectionDisplay(**arguments).plot()


@pytest.mark.parametrize("limit", [0, 2.5, "all"])
def test_errors_of_max_features(limit):
    with pytest.raises(ValueError, match=r"The 'max_features' parameter of FeatureSelectionDisplay.plot must"):
        FeatureSelectionDisplay([1, 2]).plot(max_features=limit)


# -- fitted estimators -------------------------------------------------------------------------------------------------


def test_a_fitted_network(grouped):
    display = from_estimator(grouped)
    frame = display.frame().set_index("feature")
    for name, row in zip(NAMES, grouped.coefs_[0], strict=True):
        assert frame.loc[name, "importance"] == pytest.approx(np.linalg.norm(row))
        assert frame.loc[name, "selected"] == row.any()
    assert set(frame.index[frame["selected"]]) == set(grouped.selected_features_)
    assert "frequency" not in frame
    np.testing.assert_allclose(widths(display), sorted(grouped.feature_importances_, reverse=True))


@pytest.mark.parametrize("penalty", ["l1", "hierarchical", "l2"])
def test_other_penalties(penalty):
    alpha = {"l1": 0.08, "hierarchical": 3.0, "l2": 0.1}[penalty]
    model = RegularizedMLPRegressor(**OPTIONS, penalty=penalty, alpha=alpha).fit(X, Y)
    frame = from_estimator(model).frame().sort_values("feature")
    np.testing.assert_array_equal(frame["feature"], np.arange(6))
    np.testing.assert_allclose(frame["importance"], model.feature_importances_)
    np.testing.assert_array_equal(np.flatnonzero(frame["selected"]), model.selected_features_)
    assert frame["selected"].all() == (penalty == "l2")


def test_a_pruned_network(grouped):
    frame = from_estimator(grouped.prune()).frame()
    pd.testing.assert_frame_equal(frame, from_estimator(grouped).frame())


def by_hand(model, data, splits, names):
    """Fit one fold after the other; return the share of folds that use each name."""
    used = []
    for train, _ in splits:
        fold = clone(model).fit(data.iloc[train] if hasattr(data, "iloc") else data[train], Y[train])
        used.append(np.isin(names, fold.selected_features_))
    return np.mean(used, axis=0)


def test_frequencies_are_those_of_folds_fitted_by_hand(grouped):
    splitter = ShuffleSplit(4, train_size=25, random_state=0)
    display = from_estimator(grouped, FRAME, Y, cv=splitter)
    expected = by_hand(grouped, FRAME, splitter.split(X), NAMES)
    assert {0, 0.25, 0.5, 0.75} & set(expected), "some folds differ"
    frame = display.frame().set_index("feature").loc[NAMES]
    np.testing.assert_array_equal(frame["frequency"], expected)
    np.testing.assert_allclose(
        frame["importance"], grouped.feature_importances_, err_msg="bars are the estimator's own"
    )
    assert labels(display.frequency_axis_) == [f"{share:.0%}" for share in display.frame()["frequency"]]


def test_frequencies_without_names():
    model = clone(GROUPED).set_params(alpha=0.3).fit(X, Y)
    splits = [(np.arange(0, 24), np.arange(24, 120)), (np.arange(60, 90), np.arange(0, 60))]
    frame = from_estimator(model, X, Y, cv=splits).frame().set_index("feature").loc[np.arange(6)]
    expected = by_hand(model, X, splits, np.arange(6))
    np.testing.assert_array_equal(frame["frequency"], expected)


def test_five_folds_are_the_default(grouped):
    expected = by_hand(grouped, FRAME, KFold(5).split(X), NAMES)
    frame = from_estimator(grouped, FRAME, Y).frame().set_index("feature").loc[NAMES]
    np.testing.assert_array_equal(frame["frequency"], expected)


def test_groups_reach_the_splitter(grouped):
    groups = np.arange(120) % 4
    expected = by_hand(grouped, FRAME, GroupKFold(2).split(X, Y, groups), NAMES)
    frame = from_estimator(grouped, FRAME, Y, cv=GroupKFold(2), groups=groups).frame()
    np.testing.assert_array_equal(frame.set_index("feature").loc[NAMES, "frequency"], expected)


def test_classification():
    model = RegularizedMLPClassifier(**OPTIONS, penalty="group_lasso", alpha=0.03).fit(FRAME, Y > 0)
    frame = from_estimator(model, FRAME, Y > 0, cv=3, max_features=2).frame()
    assert set(frame["feature"][frame["selected"]]) == set(model.selected_features_)
    assert frame["frequency"].between(0, 1).all()


# -- names through pipelines -------------------------------------------------------------------------------------------


def test_a_scaler_keeps_the_names(grouped):
    pipeline = make_pipeline(StandardScaler(), clone(GROUPED)).fit(FRAME, Y)
    assert set(from_estimator(pipeline).frame()["feature"]) == set(NAMES)
    unnamed = make_pipeline(StandardScaler(), clone(GROUPED)).fit(X, Y)
    assert set(from_estimator(unnamed).frame()["feature"]) == {f"x{j}" for j in range(6)}
    alone = make_pipeline(clone(GROUPED)).fit(FRAME, Y)
    pd.testing.assert_frame_equal(from_estimator(alone).frame(), from_estimator(grouped).frame())


def test_categories_become_features_of_their_own():
    data = FRAME[["age", "{sex}"]].assign(town=np.array(["Ulm", "Bonn", "Kiel"])[np.arange(120) % 3])
    encoder = make_column_transformer(
        (OneHotEncoder(), ["town"]), remainder="passthrough", verbose_feature_names_out=False
    )
    model = make_pipeline(encoder, RegularizedMLPRegressor(**OPTIONS, penalty="l2")).fit(data, Y)
    frame = from_estimator(model).frame()
    assert set(frame["feature"]) == {"town_Bonn", "town_Kiel", "town_Ulm", "age", "{sex}"}


def test_folds_are_matched_by_name():
    """A selection before the network can differ from fold to fold: what it leaves out is not used."""
    pipeline = make_pipeline(SelectKBest(f_regression, k=3), StandardScaler(), clone(GROUPED).set_params(alpha=1e-3))
    pipeline.fit(FRAME, Y)
    splits = list(KFold(6).split(X))
    kept = []
    for train, _ in splits:
        selection = SelectKBest(f_regression, k=3).fit(FRAME.iloc[train], Y[train])
        kept.append(selection.get_feature_names_out())
    assert len({tuple(names) for names in kept}) > 1, "the folds choose different features"
    frame = from_estimator(pipeline, FRAME, Y, cv=splits).frame()
    assert len(frame) == 3
    for feature, share in zip(frame["feature"], frame["frequency"], strict=True):
        assert share == pytest.approx(np.mean([feature in names for names in kept]))


def test_nested_pipelines_searches_and_transformed_targets():
    inner = make_pipeline(SelectKBest(f_regression, k=4), clone(GROUPED))
    model = TransformedTargetRegressor(make_pipeline(StandardScaler(), inner), transformer=StandardScaler())
    search = GridSearchCV(model, {"regressor__pipeline__regularizedmlpregressor__alpha": [0.1]}, cv=2).fit(FRAME, Y)
    kept = SelectKBest(f_regression, k=4).fit(FRAME, Y).get_feature_names_out()
    assert set(from_estimator(search).frame()["feature"]) == set(kept)
    frame = from_estimator(search, FRAME, Y, cv=2).frame()
    assert frame["frequency"].max() == 1


def test_steps_without_names_leave_numbers():
    pipeline = make_pipeline(StandardScaler(), FunctionTransformer(lambda Z: Z[:, ::-1]), clone(GROUPED)).fit(X, Y)
    frame = from_estimator(pipeline, X, Y, cv=2).frame()
    assert sorted(frame["feature"]) == [0, 1, 2, 3, 4, 5]
    assert frame["feature"][0] == 4, "the strongest column is number 1 of X, and number 4 turned round"
    assert frame["frequency"][0] == 1


def test_folds_without_names_that_differ_in_number_are_refused():
    cut = FunctionTransformer(lambda Z: Z[:, : 4 if len(Z) < 100 else 6])
    pipeline = make_pipeline(cut, clone(GROUPED)).fit(X, Y)
    folds = [(np.arange(90), np.arange(90, 120))]
    with pytest.raises(ValueError, match="Without names, the features of the folds cannot be matched"):
        from_estimator(pipeline, X, Y, cv=folds)


def test_an_estimator_that_chooses_its_strength():
    model = RegularizedMLPRegressorCV(
        (4,), alphas=4, cv=2, max_iter=15, learning_rate="cosine", learning_rate_init=0.05, random_state=0
    ).fit(FRAME, Y)
    frame = from_estimator(model, FRAME, Y, cv=2).frame()
    assert frame["frequency"].isin([0, 0.5, 1]).all()
    assert set(frame["feature"][frame["selected"]]) == set(model.selected_features_)


def test_errors_of_estimators(grouped):
    with pytest.raises(NotFittedError):
        from_estimator(clone(GROUPED))
    with pytest.raises(NotFittedError):
        from_estimator(clone(GROUPED), X, Y)
    with pytest.raises(TypeError, match="The 'estimator' parameter must be a fitted RegularizedMLPClassifier"):
        from_estimator(LinearRegression().fit(X, Y))
    with pytest.raises(
        ValueError, match="X and y must be given together, to fit the folds, or not at all; got X without y"
    ):
        from_estimator(grouped, FRAME)
    with pytest.raises(ValueError, match="got y without X"):
        from_estimator(grouped, y=Y)
    with pytest.raises(ValueError, match="X and y must be given with 'cv' and 'groups'; got cv=3, groups=None without"):
        from_estimator(grouped, cv=3)
    holed = FRAME.assign(age=np.where(np.arange(120) < 60, np.nan, X[:, 0]))
    folds = [(np.arange(60, 120), np.arange(60, 120)), (np.arange(120), np.arange(60, 120))]
    with pytest.raises(ValueError, match="NaN"):  # though only the fit of the second fold fails
        from_estimator(grouped, holed, Y, cv=folds)


# -- columns of a table ------------------------------------------------------------------------------------------------


class Encoder(TransformerMixin, BaseEstimator):
    """Encoder that turns every column but the second into itself and its square."""

    def fit(self, X, y=None):
        self.feature_names_in_, self.n_features_in_ = np.array(X.columns, dtype=object), X.shape[1]
        self.source_columns_ = np.repeat(np.delete(np.arange(X.shape[1]), 1), 2)
        return self

    def transform(self, X):
        kept = np.delete(X.to_numpy(), 1, axis=1)
        return EncodedTable(np.stack([kept, kept**2], axis=2).reshape(len(X), -1), self.source_columns_)

    def get_feature_names_out(self, names=None):
        return np.array([f"{self.feature_names_in_[column]} {i}" for i, column in enumerate(self.source_columns_)])


BY_COLUMN = RegularizedMLPRegressor(**OPTIONS, penalty=GroupLasso(alpha=0.1, groups="columns"))


@pytest.fixture(scope="module")
def encoded():
    """Return a pipeline that encodes a table, fitted."""
    return make_pipeline(Encoder(), clone(BY_COLUMN)).fit(FRAME, Y)


def test_bars_are_columns_of_the_table(encoded):
    frame = from_estimator(encoded).frame().set_index("feature")
    assert sorted(frame.index) == sorted(NAMES)
    norms = encoded[-1].feature_importances_.reshape(5, 2)
    np.testing.assert_allclose(frame.loc[np.delete(NAMES, 1), "importance"], np.linalg.norm(norms, axis=1))
    assert frame.loc[NAMES[1], "importance"] == 0, "it has no features"
    assert 1 < frame["selected"].sum() < 6


def test_bars_are_features_on_request(encoded):
    frame = from_estimator(encoded, by="feature").frame()
    assert set(frame["feature"]) == set(encoded[0].get_feature_names_out())
    np.testing.assert_allclose(np.sort(frame["importance"]), np.sort(encoded[-1].feature_importances_))
    with pytest.raises(ValueError, match=r"The 'by' parameter of FeatureSelectionDisplay.from_estimator must be"):
        from_estimator(encoded, by="level")


def test_a_network_alone_knows_columns_by_number(encoded):
    frame = from_estimator(encoded[-1]).frame()
    assert sorted(frame["feature"]) == [0, 1, 2, 3, 4, 5]
    np.testing.assert_allclose(frame["importance"], from_estimator(encoded).frame()["importance"])


def test_columns_in_folds(encoded):
    folds = KFold(3)
    frame = from_estimator(encoded, FRAME, Y, cv=folds).frame().set_index("feature")
    expected = np.zeros(6)
    for train, _ in folds.split(FRAME):
        fold = clone(encoded).fit(FRAME.iloc[train], Y[train])
        expected[np.unique(fold[0].source_columns_[fold[-1].feature_importances_ > 0])] += 1 / 3
    np.testing.assert_allclose(frame.loc[NAMES, "frequency"], expected)
    assert 0 < expected.sum() < 6


def test_columns_in_a_search(encoded):
    search = GridSearchCV(encoded, {"regularizedmlpregressor__penalty__alpha": [0.1]}, cv=2).fit(FRAME, Y)
    frame, expected = (from_estimator(fitted).frame() for fitted in (search, encoded))
    pd.testing.assert_series_equal(frame["feature"], expected["feature"])
    np.testing.assert_allclose(frame["importance"], expected["importance"], rtol=1e-4)

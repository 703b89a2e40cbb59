"""The display of the distribution of weights, read from what it has drawn."""

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest
from sklearn.compose import TransformedTargetRegressor
from sklearn.exceptions import NotFittedError
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from skreg import RegularizedMLPClassifier, RegularizedMLPRegressor
from skreg.inspection import WeightDistributionDisplay
from skreg.model_selection import GridSearchCV
from tests.helpers import legend_texts

QUICK = {"hidden_layer_sizes": (8, 6), "learning_rate_init": 0.01, "n_iter_no_change": np.inf, "random_state": 0}
RNG = np.random.default_rng(0)
X = RNG.normal(size=(120, 5))
TARGETS = X[:, :2] @ RNG.normal(size=(2, 2)) + 0.1 * RNG.normal(size=(120, 2))


@pytest.fixture(scope="module")
def sparse():
    """Return a network with zeros in the first two layers."""
    options = QUICK | {"penalty": "l1", "alpha": (0.05, 0.02, 0), "max_iter": 40}
    network = RegularizedMLPRegressor(**options).fit(X, TARGETS)
    n_zeros = [np.sum(W == 0) for W in network.coefs_]
    assert 0 < n_zeros[0] < 40
    assert 0 < n_zeros[1] < 48
    assert n_zeros[2] == 0
    return network


def heights(bars):
    return np.array([bar.get_height() for bar in bars])


def spans(bars):
    return np.array([(bar.get_x(), bar.get_x() + bar.get_width()) for bar in bars])


# -- what is drawn -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("bins", [50, 7, "auto", [-2.0, -0.1, 0.1, 2.0]])
def test_histograms_count_the_weights_that_are_not_zero(sparse, bins):
    display = WeightDistributionDisplay.from_estimator(sparse, bins=bins)
    assert len(display.bars_) == len(display.ax_) == 3
    for bars, W in zip(display.bars_, sparse.coefs_, strict=True):
        counts, edges = np.histogram(W[W != 0].astype(np.float64), bins)
        np.testing.assert_array_equal(heights(bars), counts)
        np.testing.assert_allclose(spans(bars), np.column_stack([edges[:-1], edges[1:]]))


@pytest.mark.parametrize("bins", [50, [-2.0, -0.1, 0.1, 2.0]])
def test_zeros_have_a_bar_of_their_own(sparse, bins):
    display = WeightDistributionDisplay.from_estimator(sparse, bins=bins)
    for zeros, bars, ax, W in zip(display.zeros_[:2], display.bars_, display.ax_, sparse.coefs_, strict=False):
        n_zeros = np.sum(W == 0)
        ((left, right),) = spans(zeros)
        assert heights(zeros) == [n_zeros]
        assert left == -right < 0
        assert right - left < np.diff(spans(bars)).min()  # it hides no bar of the histogram
        assert (zeros[0].get_hatch(), bars[0].get_hatch()) == ("////", None)
        assert zeros[0].get_facecolor() != bars[0].get_facecolor()
        assert legend_texts(ax) == [f"exactly 0: {n_zeros} of {W.size} ({n_zeros / W.size:.1%})"]
    assert display.zeros_[2] is None
    assert display.ax_[2].get_legend() is None


def test_axes_are_labelled(sparse):
    display = WeightDistributionDisplay.from_estimator(sparse)
    assert [ax.get_title() for ax in display.ax_] == ["coefs_[0], 5 × 8", "coefs_[1], 8 × 6", "coefs_[2], 6 × 2"]
    for ax in display.ax_:
        assert (ax.get_xlabel(), ax.get_ylabel()) == ("weight", "number of weights")
        assert ax.get_yscale() == "log"
        assert ax.get_ylim()[0] == 0.5  # below a single weight
    linear = WeightDistributionDisplay.from_estimator(sparse, log=False)
    assert {ax.get_yscale() for ax in linear.ax_} == {"linear"}
    highest = max(heights(linear.bars_[0]).max(), heights(linear.zeros_[0])[0])
    # Above the highest bar there is room for the legend.
    assert linear.ax_[0].get_ylim() == pytest.approx((0, 1.2 * highest))


def test_a_layer_of_zeros():
    display = WeightDistributionDisplay([np.zeros((3, 4))]).plot()
    assert heights(display.bars_[0]).sum() == 0
    assert heights(display.zeros_[0]) == [12]
    assert legend_texts(display.ax_[0]) == ["exactly 0: 12 of 12 (100.0%)"]
    left, right = display.ax_[0].get_xlim()
    assert -left == right > 0


def test_a_layer_of_one_weight_and_one_of_none():
    display = WeightDistributionDisplay([[0.5], np.empty((0, 3))]).plot()
    assert heights(display.bars_[0]).sum() == 1
    assert heights(display.bars_[1]).sum() == 0
    assert display.zeros_ == [None, None]
    table = display.frame()
    assert table.loc[0, ["mean", "std", "min", "max"]].tolist() == [0.5, 0, 0.5, 0.5]
    assert table.loc[1, ["n_weights", "n_zeros"]].tolist() == [0, 0]
    assert table.loc[1, ["zeros", "mean", "std", "min", "max"]].isna().all()
    display.figure_.canvas.draw()


def test_negative_zero_is_zero_and_the_smallest_number_is_not():
    table = WeightDistributionDisplay([[0.0, -0.0, 5e-324, 1.0]]).frame()
    assert table["n_zeros"].tolist() == [2]


# -- which layers, which axes --------------------------------------------------------------------------------------


@pytest.mark.parametrize(("layers", "drawn"), [(1, [1]), ([2, 0], [2, 0]), (np.array([0]), [0]), ((1, 1), [1, 1])])
def test_layers_are_chosen_by_number(sparse, layers, drawn):
    display = WeightDistributionDisplay.from_estimator(sparse, layers=layers)
    expected = [np.sum(sparse.coefs_[i] != 0) for i in drawn]
    assert [heights(bars).sum() for bars in display.bars_] == expected
    assert [name.split(",")[0] for name in display.frame()["layer"]] == [f"coefs_[{i}]" for i in drawn]


def test_a_skip_connection_comes_last():
    options = QUICK | {"penalty": "hierarchical", "alpha": 0.1, "max_iter": 30}
    network = RegularizedMLPRegressor(**options).fit(X, TARGETS)
    display = WeightDistributionDisplay.from_estimator(network)
    assert display.frame()["layer"].iloc[-1] == "skip_coef_, 5 × 2"
    alone = WeightDistributionDisplay.from_estimator(network, layers=3)
    np.testing.assert_array_equal(alone.weights[0], network.skip_coef_)


def test_a_pruned_network_has_the_weights_that_are_left(sparse):
    pruned = sparse.prune()
    table = WeightDistributionDisplay.from_estimator(pruned).frame()
    assert table["n_weights"].tolist() == [W.size for W in pruned.coefs_]
    assert table["n_zeros"].sum() < np.sum(WeightDistributionDisplay.from_estimator(sparse).frame()["n_zeros"])


def test_given_axes_are_drawn_on(sparse):
    figure, axes = plt.subplots(2, 2)
    display = WeightDistributionDisplay.from_estimator(sparse, layers=[0, 1], ax=axes[1])
    assert list(display.ax_) == list(axes[1])
    assert display.figure_ is figure
    assert not any(ax.patches for ax in axes[0])
    single = WeightDistributionDisplay.from_estimator(sparse, layers=0, ax=axes[0, 0])
    assert list(single.ax_) == [axes[0, 0]]
    grid = WeightDistributionDisplay([[1.0]] * 4).plot(ax=axes)
    assert list(grid.ax_) == list(axes.ravel())


def test_pipelines_searches_and_transformed_targets_are_opened():
    model = RegularizedMLPRegressor((4,), max_iter=3, n_iter_no_change=np.inf, random_state=0)
    transformed = TransformedTargetRegressor(make_pipeline(StandardScaler(), model), transformer=StandardScaler())
    name = "regressor__regularizedmlpregressor__alpha"
    search = GridSearchCV(transformed, {name: [1e-3, 1e-1]}, cv=2).fit(X, TARGETS)
    inner = search.best_estimator_.regressor_[-1]
    display = WeightDistributionDisplay.from_estimator(search, layers=0)
    np.testing.assert_array_equal(display.weights[0], inner.coefs_[0])


# -- names and the table -------------------------------------------------------------------------------------------


def test_the_table_describes_every_layer(sparse):
    table = WeightDistributionDisplay.from_estimator(sparse).frame()
    expected = pd.DataFrame(
        {
            "layer": [f"coefs_[{i}], {W.shape[0]} × {W.shape[1]}" for i, W in enumerate(sparse.coefs_)],
            "n_weights": [W.size for W in sparse.coefs_],
            "n_zeros": [np.sum(W == 0) for W in sparse.coefs_],
            "zeros": sparse.sparsity_,
            **{name: [getattr(np, name)(W) for W in sparse.coefs_] for name in ("mean", "std", "min", "max")},
        }
    )
    pd.testing.assert_frame_equal(table, expected, check_dtype=False, rtol=1e-6)


@pytest.mark.parametrize("name", ["$w_1$", r"\frac{$", "ℓ₁-Gewichte µ", "_x", "", 0])
def test_names_are_drawn_as_they_are(name):
    display = WeightDistributionDisplay([[1.0, 0.0]], names=[name]).plot()
    title = display.ax_[0].title
    assert title.get_text().replace(r"\$", "$").lstrip("\u200b") == str(name)
    assert title._preprocess_math(title.get_text())[1] is False  # no formula
    assert display.frame()["layer"].tolist() == [name]
    display.figure_.canvas.draw()


def test_layers_without_names_are_called_as_the_attribute():
    assert WeightDistributionDisplay([[1.0], [2.0]]).frame()["layer"].tolist() == ["coefs_[0]", "coefs_[1]"]


def test_plot_changes_nothing_that_was_given(sparse):
    weights = [W.copy() for W in sparse.coefs_]
    display = WeightDistributionDisplay(weights, names=["a", "b", "c"])
    assert display.plot() is display
    assert display.weights is weights
    for W, before in zip(weights, sparse.coefs_, strict=True):
        np.testing.assert_array_equal(W, before)


# -- errors --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("layers", [3, -1, [0, 3], [], True, ["coefs_[0]"], 1.0])
def test_layers_that_there_are_not(sparse, layers):
    with pytest.raises(ValueError, match=r"'layers' parameter must hold indices of weight matrices, from 0 to 2; got "):
        WeightDistributionDisplay.from_estimator(sparse, layers=layers)
    assert not plt.get_fignums()


def test_wrong_number_of_axes(sparse):
    with pytest.raises(ValueError, match="'ax' parameter must hold 3 matplotlib Axes; got 1"):
        WeightDistributionDisplay.from_estimator(sparse, ax=plt.figure().subplots())
    with pytest.raises(ValueError, match="'ax' parameter must hold 1 matplotlib Axes; got 2"):
        WeightDistributionDisplay.from_estimator(sparse, layers=0, ax=plt.figure().subplots(1, 2))


def test_wrong_weights_and_names():
    with pytest.raises(ValueError, match=r"'weights' parameter must hold at least one layer; got \[\]"):
        WeightDistributionDisplay([]).plot()
    with pytest.raises(ValueError, match="'weights' parameter must hold finite numbers; got nan in layer 1"):
        WeightDistributionDisplay([[1.0], [np.nan]]).plot()
    with pytest.raises(ValueError, match=r"'names' parameter must hold a name for each of the 2 layers; got \['a'\]"):
        WeightDistributionDisplay([[1.0], [2.0]], names=["a"]).plot()
    assert not plt.get_fignums()


def test_estimators_without_weights():
    with pytest.raises(NotFittedError):
        WeightDistributionDisplay.from_estimator(make_pipeline(StandardScaler(), RegularizedMLPClassifier()))
    with pytest.raises(TypeError, match="'estimator' parameter must be a fitted RegularizedMLP.*LogisticRegression"):
        WeightDistributionDisplay.from_estimator(LogisticRegression().fit(X, X[:, 0] > 0))


@pytest.mark.parametrize("log", [True, False])
@pytest.mark.parametrize("together", [True, False])
def test_zeros_stay_visible_beside_layers_of_larger_weights(together, log):
    rng = np.random.default_rng(0)
    layers = [np.concatenate([np.zeros(900), 1e-3 * rng.normal(size=100)]), 5 * rng.normal(size=1000)]
    figure, axes = plt.subplots(1, 2, sharex=True, sharey=True)
    if together:
        (zeros, _) = WeightDistributionDisplay(layers).plot(ax=axes, log=log).zeros_
    else:
        displays = [WeightDistributionDisplay([W]).plot(ax=ax, log=log) for W, ax in zip(layers, axes, strict=True)]
        zeros = displays[0].zeros_[0]
    figure.canvas.draw()
    ((left, right),) = spans(zeros)
    low, high = axes[0].get_xlim()
    assert high - low > 20
    assert left == -right
    assert right - left >= 0.0099 * (high - low)
    # Near zero there is room enough, and the bar is as narrow as the bins ask for.
    axes[0].set_xlim(-2e-3, 2e-3)
    ((left, right),) = spans(zeros)
    assert right - left < np.ptp(layers[0]) / 50


def test_axes_that_share_their_limits_show_all_bars():
    rng = np.random.default_rng(0)
    layers = [rng.normal(size=1000), np.concatenate([np.zeros(10_000), rng.normal(size=100)])]
    _, ax = plt.subplots(2, 1, sharey=True)
    WeightDistributionDisplay(layers).plot(ax=ax)
    lower, upper = ax[0].get_ylim()
    assert lower == 0.5
    assert upper > 10_000

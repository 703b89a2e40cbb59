"""The display of loss and score against epochs, read from what it has drawn."""

import re

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest
from sklearn.compose import TransformedTargetRegressor
from sklearn.exceptions import NotFittedError
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import log_loss
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from skreg import RegularizedMLPClassifier, RegularizedMLPRegressor
from skreg._plotting import COLORS
from skreg.inspection import TrainingHistoryDisplay
from skreg.model_selection import GridSearchCV, RegularizedMLPRegressorCV
from tests.helpers import legend_texts

QUICK = {
    "hidden_layer_sizes": (8,),
    "learning_rate_init": 0.01,
    "max_iter": 12,
    "n_iter_no_change": np.inf,
    "batch_size": 30,
    "random_state": 0,
}
HISTORY = {
    "epoch": [1, 2, 3],
    "train_loss": [3.0, 2.0, 1.0],
    "penalty": [0.5, 0.25, 0.125],
    "valid_loss": [4.0, 2.5, 3.5],
    "train_score": [0.5, 0.75, 1.0],
    "valid_score": [0.25, 0.5, 0.375],
}
RNG = np.random.default_rng(0)
X = RNG.normal(size=(120, 4))
Y = (X[:, 0] + X[:, 1] ** 2 > 0.5).astype(int)


@pytest.fixture(scope="module")
def stopped():
    """Return a network with validation rows."""
    return RegularizedMLPClassifier(**QUICK, early_stopping=True).fit(X, Y)


def drawn(line):
    return np.asarray(line.get_xdata(), dtype=float), np.asarray(line.get_ydata(), dtype=float)


@pytest.mark.parametrize(
    ("metric", "train", "valid", "ylabel"),
    [
        ("loss", [3, 2, 1], [4, 2.5, 3.5], "loss (without penalty)"),
        ("score", [0.5, 0.75, 1], [0.25, 0.5, 0.375], "score"),
        ("objective", [3.5, 2.25, 1.125], [4.5, 2.75, 3.625], "loss + penalty"),
    ],
)
@pytest.mark.parametrize("kind", [dict, pd.DataFrame])
def test_curves_are_those_of_the_history(metric, train, valid, ylabel, kind):
    display = TrainingHistoryDisplay(kind(HISTORY), best_epoch=2).plot(metric=metric)
    assert list(display.lines_) == ["train", "valid"]
    for rows, values in (("train", train), ("valid", valid)):
        np.testing.assert_array_equal(drawn(display.lines_[rows]), [[1, 2, 3], values])
    np.testing.assert_array_equal(drawn(display.best_), [[2], [valid[1]]])
    assert display.ax_.get_xlabel() == "epoch"
    assert display.ax_.get_ylabel() == ylabel
    assert display.figure_ is display.ax_.figure


def test_curves_can_be_told_apart_without_colour():
    display = TrainingHistoryDisplay(HISTORY, best_epoch=3).plot()
    assert display.lines_["train"].get_linestyle() == "--"
    assert display.lines_["valid"].get_linestyle() == "-"
    assert display.lines_["train"].get_color() == display.lines_["valid"].get_color() == display.best_.get_color()
    assert (display.best_.get_marker(), display.best_.get_linestyle()) == ("o", "None")
    assert display.best_.get_markerfacecolor() == "none"
    assert legend_texts(display.ax_) == ["training", "validation", "best epoch (3)"]


def test_epochs_of_a_new_figure_are_whole_numbers():
    display = TrainingHistoryDisplay(HISTORY).plot()
    assert (np.mod(display.ax_.get_xticks(), 1) == 0).all()
    given = plt.figure().subplots()
    TrainingHistoryDisplay(HISTORY).plot(ax=given)
    assert (np.mod(given.get_xticks(), 1) != 0).any()


def test_a_given_ax_is_drawn_on_whatever_its_scale():
    figure, axes = plt.subplots(1, 2)
    axes[1].set(xscale="log", yscale="log")
    display = TrainingHistoryDisplay(HISTORY).plot(ax=axes[1])
    assert display.ax_ is axes[1]
    assert display.figure_ is figure
    assert not axes[0].lines
    assert axes[1].get_xscale() == axes[1].get_yscale() == "log"


def test_options_of_lines_win_under_any_alias():
    display = TrainingHistoryDisplay(HISTORY, best_epoch=1).plot(lw=7, c="black", alpha=0.5, ls=":")
    for line in display.lines_.values():
        assert (line.get_linewidth(), line.get_color(), line.get_alpha(), line.get_linestyle()) == (
            7,
            "black",
            0.5,
            ":",
        )
    assert display.best_.get_color() == "black"
    assert TrainingHistoryDisplay(HISTORY).plot(color="red").lines_["valid"].get_color() == "red"


@pytest.mark.parametrize("rows", ["train", "valid"])
def test_a_missing_curve_is_left_out(rows):
    history = {name: values for name, values in HISTORY.items() if not name.startswith(rows)}
    there = {"train": "valid", "valid": "train"}[rows]
    display = TrainingHistoryDisplay(history, best_epoch=3).plot()
    assert list(display.lines_) == [there]
    assert len(display.ax_.lines) == 2
    np.testing.assert_array_equal(drawn(display.best_), [[3], [HISTORY[f"{there}_loss"][2]]])


# -- several networks -------------------------------------------------------------------------------------------------


def test_networks_on_one_ax_differ_in_colour_marker_and_label():
    ax = plt.figure().subplots()
    displays = [TrainingHistoryDisplay(HISTORY, best_epoch=2, name=f"n{i}").plot(ax=ax) for i in range(7)]
    colors = [display.lines_["valid"].get_color() for display in displays]
    markers = [display.lines_["train"].get_marker() for display in displays]
    assert colors == [*COLORS, COLORS[0]]
    assert len(set(markers[:6])) == 6
    assert legend_texts(ax)[:4] == ["n0, training", "n0, validation", "n0, best epoch (2)", "n1, training"]
    assert len(legend_texts(ax)) == 21


def test_colours_and_markers_that_are_on_the_axes_are_not_taken_again():
    ax = plt.figure().subplots()
    ax.plot([1, 2], [1, 2], color=COLORS[0])
    train = {name: HISTORY[name] for name in ("epoch", "train_loss")}
    valid = {name: HISTORY[name] for name in ("epoch", "valid_loss")}
    displays = [TrainingHistoryDisplay(history).plot(ax=ax) for history in (train, valid, train)]
    displays.append(TrainingHistoryDisplay(HISTORY).plot(ax=ax, color="red"))
    lines = [next(iter(display.lines_.values())) for display in displays]
    assert [line.get_color() for line in lines] == [*COLORS[1:4], "red"]
    assert len({line.get_marker() for line in lines}) == 4


def test_markers_of_a_long_history_are_few():
    epochs = np.arange(1, 201)
    ax = plt.figure().subplots()
    for _ in range(2):
        display = TrainingHistoryDisplay({"epoch": epochs, "train_loss": 1 / epochs}).plot(ax=ax)
    assert display.lines_["train"].get_markevery() == 25


@pytest.mark.parametrize("name", ["$x_1$", "cost in $", r"$\frac{$", "ℓ₁ – Ärger 正則化 (μ)", "%d {0}", 3])
@pytest.mark.filterwarnings("ignore:Glyph:UserWarning")  # the default font knows no Chinese
def test_names_are_drawn_as_they_are(name):
    display = TrainingHistoryDisplay(HISTORY).plot(name=name)
    text = display.ax_.get_legend().get_texts()[0]
    assert text.get_text().replace(r"\$", "$") == f"{name}, training"
    assert text._preprocess_math(text.get_text())[1] is False  # no formula
    display.figure_.canvas.draw()


def test_the_name_given_to_plot_comes_first():
    display = TrainingHistoryDisplay(HISTORY, name="first")
    assert legend_texts(display.plot().ax_)[0] == "first, training"
    assert legend_texts(display.plot(name="second").ax_)[0] == "second, training"


# -- estimators ----------------------------------------------------------------------------------------------------


def test_history_of_an_estimator_is_drawn_with_its_best_epoch(stopped):
    display = TrainingHistoryDisplay.from_estimator(stopped, name="stopped")
    history = stopped.history_
    np.testing.assert_array_equal(drawn(display.lines_["train"]), [history["epoch"], history["train_loss"]])
    np.testing.assert_array_equal(drawn(display.lines_["valid"]), [history["epoch"], history["valid_loss"]])
    # Epochs count from 1, and the best one has the lowest validation loss.
    best = np.argmin(history["valid_loss"])
    np.testing.assert_array_equal(drawn(display.best_), [[best + 1], [history["valid_loss"].min()]])
    assert legend_texts(display.ax_) == [
        "stopped, training",
        "stopped, validation",
        f"stopped, best epoch ({best + 1})",
    ]
    # And it is the one whose weights are kept.
    held_out = RegularizedMLPClassifier(**QUICK, early_stopping=True).fit(X[:80], Y[:80], X_val=X[80:], y_val=Y[80:])
    marked = drawn(TrainingHistoryDisplay.from_estimator(held_out).best_)[1]
    assert marked == pytest.approx(log_loss(Y[80:], held_out.predict_proba(X[80:])), rel=1e-6)


def test_options_of_lines_are_handed_on(stopped):
    ax = plt.figure().subplots()
    display = TrainingHistoryDisplay.from_estimator(stopped, ax=ax, color="red", linewidth=5)
    assert display.ax_ is ax
    assert {(line.get_color(), line.get_linewidth()) for line in display.lines_.values()} == {("red", 5)}


def test_no_epoch_is_marked_where_none_was_chosen(stopped):
    plain = RegularizedMLPClassifier(**QUICK).fit(X, Y)
    watched = RegularizedMLPClassifier(**QUICK).fit(X[:80], Y[:80], X_val=X[80:], y_val=Y[80:])
    for network, curves in ((plain, ["train"]), (watched, ["train", "valid"])):
        display = TrainingHistoryDisplay.from_estimator(network)
        assert display.best_ is None
        assert list(display.lines_) == curves
        assert len(display.ax_.lines) == len(curves)


def test_partial_fit_after_early_stopping_keeps_the_curves_and_not_the_mark():
    network = RegularizedMLPClassifier(**QUICK, early_stopping=True).fit(X, Y).partial_fit(X, Y)
    display = TrainingHistoryDisplay.from_estimator(network)
    assert display.best_ is None
    assert len(drawn(display.lines_["train"])[0]) == 13
    assert np.isnan(drawn(display.lines_["valid"])[1]).tolist() == [False] * 12 + [True]


def test_the_penalty_is_the_difference_of_objective_and_loss(stopped):
    loss, objective = (TrainingHistoryDisplay.from_estimator(stopped, metric=m).lines_ for m in ("loss", "objective"))
    for rows in ("train", "valid"):
        difference = drawn(objective[rows])[1] - drawn(loss[rows])[1]
        np.testing.assert_allclose(difference, stopped.history_["penalty"], rtol=1e-6)
    np.testing.assert_allclose(drawn(objective["train"])[1], stopped.loss_curve_)
    # The penalty in the end is that of the weights: half of 1e-4 times the sum of squares.
    last = RegularizedMLPClassifier(**QUICK).fit(X, Y)
    expected = 1e-4 / 2 * sum(np.sum(W**2) for W in last.coefs_)
    assert TrainingHistoryDisplay.from_estimator(last).frame()["penalty"].iloc[-1] == pytest.approx(expected)


def test_scores_of_another_kind_are_not_drawn_beside_those_of_training():
    network = RegularizedMLPClassifier(**QUICK, early_stopping=True, scoring="neg_log_loss").fit(X, Y)
    display = TrainingHistoryDisplay.from_estimator(network, metric="score")
    assert list(display.lines_) == ["valid"]
    assert (drawn(display.lines_["valid"])[1] < 0).all()
    assert "train_score" in network.history_
    assert sorted(TrainingHistoryDisplay.from_estimator(network).lines_) == ["train", "valid"]


def test_scoring_of_folds_does_not_concern_the_history():
    network = RegularizedMLPRegressorCV(**QUICK, alphas=[0.01, 0.1], cv=2, scoring="neg_mean_absolute_error")
    assert "train" in TrainingHistoryDisplay.from_estimator(network.fit(X, X[:, 0]), metric="score").lines_


def test_pipelines_searches_and_transformed_targets_are_opened(stopped):
    model = RegularizedMLPRegressor(**QUICK, early_stopping=True)
    pipeline = make_pipeline(StandardScaler(), model)
    transformed = TransformedTargetRegressor(pipeline, transformer=StandardScaler())
    name = "regressor__regularizedmlpregressor__alpha"
    search = GridSearchCV(transformed, {name: [1e-3, 1e-1]}, cv=2).fit(X, X[:, 0])
    inner = search.best_estimator_.regressor_[-1]
    display = TrainingHistoryDisplay.from_estimator(search)
    np.testing.assert_array_equal(drawn(display.lines_["valid"])[1], inner.history_["valid_loss"])


def test_lbfgs_has_iterations_for_epochs():
    network = RegularizedMLPRegressor((4,), solver="lbfgs", max_iter=500, random_state=0).fit(X, X[:, 0])
    display = TrainingHistoryDisplay.from_estimator(network)
    assert len(drawn(display.lines_["train"])[0]) == network.n_iter_
    assert display.frame()["lr"].isna().all()


# -- the table -----------------------------------------------------------------------------------------------------


def test_the_table_has_one_line_for_each_epoch(stopped):
    table = TrainingHistoryDisplay.from_estimator(stopped).frame()
    assert list(table) == ["epoch", "train_loss", "penalty", "valid_loss", "train_score", "valid_score", "lr"]
    assert table["epoch"].tolist() == list(range(1, stopped.n_iter_ + 1))
    for name in table:
        np.testing.assert_array_equal(table[name], stopped.history_[name])
    assert list(TrainingHistoryDisplay(HISTORY | {"dur": [1, 2, 3]}).frame()) == list(HISTORY)


def test_plot_changes_nothing_that_was_given():
    history = {name: np.array(values) for name, values in HISTORY.items()}
    display = TrainingHistoryDisplay(history, best_epoch=2, name="a")
    assert display.plot(name="b") is display
    assert (display.history, display.best_epoch, display.name) == (history, 2, "a")
    for name, values in HISTORY.items():
        np.testing.assert_array_equal(history[name], values)


# -- errors --------------------------------------------------------------------------------------------------------


def test_unknown_metric():
    with pytest.raises(ValueError, match="'metric' parameter of TrainingHistoryDisplay.plot must.*Got 'los' instead"):
        TrainingHistoryDisplay(HISTORY).plot(metric="los")


@pytest.mark.parametrize(
    ("missing", "metric", "needed"),
    [
        (["epoch"], "loss", "must hold 'epoch', 'train_loss' or 'valid_loss'; got ['train_loss',"),
        (["train_score", "valid_score"], "score", "must hold 'epoch', 'train_score' or 'valid_score'; got ['epoch',"),
        (["penalty"], "objective", "'train_loss' or 'valid_loss', and the penalty; got ['epoch', 'train_loss', 'valid"),
    ],
)
def test_history_without_what_is_to_be_drawn(missing, metric, needed):
    history = {name: values for name, values in HISTORY.items() if name not in missing}
    with pytest.raises(ValueError, match=re.escape(needed)):
        TrainingHistoryDisplay(history).plot(metric=metric)
    assert not plt.get_fignums()  # raised before anything is drawn


@pytest.mark.parametrize("best", [0, 4])
def test_best_epoch_that_there_is_not(best):
    with pytest.raises(ValueError, match=f"'best_epoch' parameter must be an epoch of the history, 1 to 3; got {best}"):
        TrainingHistoryDisplay(HISTORY, best_epoch=best).plot()
    assert not plt.get_fignums()


def test_wrong_number_of_axes():
    with pytest.raises(ValueError, match="'ax' parameter must hold 1 matplotlib Axes; got 2"):
        TrainingHistoryDisplay(HISTORY).plot(ax=plt.subplots(1, 2)[1])


def test_estimators_without_a_history():
    with pytest.raises(NotFittedError):
        TrainingHistoryDisplay.from_estimator(make_pipeline(StandardScaler(), RegularizedMLPClassifier()))
    with pytest.raises(TypeError, match="'estimator' parameter must be a fitted RegularizedMLP.*LogisticRegression"):
        TrainingHistoryDisplay.from_estimator(LogisticRegression().fit(X, Y))

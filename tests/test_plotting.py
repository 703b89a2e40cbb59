"""Names in figures: whatever users call their features, layers and estimators is written as it is."""

import io
import re
from html import unescape

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest

from skreg import RegularizedMLPRegressor
from skreg.inspection import (
    ComparisonDisplay,
    FeatureSelectionDisplay,
    GeneralizationGapDisplay,
    PenaltyGeometryDisplay,
    TrainingHistoryDisplay,
    WeightDistributionDisplay,
)
from skreg.model_selection import RegularizationPathDisplay, regularization_path
from tests.helpers import legend_texts

# Matplotlib keeps what begins with an underscore out of legends, and reads text between dollar signs as formulas.
NAMES = ["_a", "$x$", "_nolegend_", "$", "_$x_1$ and $y^2$", r"\$x\$", r"$\frac{$", "a_b", "%d {0}", "\\"]
LINEAR = {"hidden_layer_sizes": (), "penalty": "l1", "max_iter": 2, "n_iter_no_change": np.inf, "random_state": 0}


def texts(figure) -> list[str]:
    """Return what a figure shows, in order, as an SVG holds it: formulas would be symbols in pieces."""
    image = io.BytesIO()
    with plt.rc_context({"svg.fonttype": "none"}):
        figure.savefig(image, format="svg")
    found = re.findall(r"<text[^>]*>(.*?)</text>", image.getvalue().decode(), re.DOTALL)
    return [unescape(text).strip().removeprefix("\u200b") for text in found]


@pytest.fixture(scope="module")
def path():
    X = pd.DataFrame(np.random.default_rng(0).normal(size=(40, len(NAMES))), columns=NAMES)
    y = X.to_numpy() @ np.linspace(1, 2, len(NAMES))
    return regularization_path(RegularizedMLPRegressor(**LINEAR), X, y, alphas=[1e-4, 1e-3])


def draw_path(path):
    return RegularizationPathDisplay(path).plot(highlight=NAMES).figure_, NAMES


def draw_features(path):
    return FeatureSelectionDisplay(np.linspace(0, 1, len(NAMES)), names=NAMES).plot().figure_, NAMES


def draw_weights(path):
    names = NAMES[:3]
    return WeightDistributionDisplay([np.ones(3)] * len(names), names=names).plot().figure_, names


def draw_histories(path):
    history = {"epoch": np.arange(1, 3), "train_loss": np.ones(2), "valid_loss": np.ones(2)}
    _, ax = plt.subplots(figsize=(6, 12))
    for name in NAMES:
        TrainingHistoryDisplay(history, best_epoch=2, name=name).plot(ax=ax)
    return ax.figure, [f"{name}, {what}" for name in NAMES for what in ("training", "validation", "best epoch (2)")]


def draw_gaps(path):
    scores = {name: np.array([0.5, 0.6]) for name in NAMES}
    display = GeneralizationGapDisplay(scores, scores, score_name="_$s$").plot()
    return display.figure_, [*NAMES, "_$s$ (number: gap, training minus test)"]


def draw_differences(path):
    values = np.linspace(1, 2, len(NAMES))
    tests = pd.DataFrame({"difference": values, "low": values - 1, "high": values + 1}, index=NAMES)
    display = ComparisonDisplay(tests, reference="_$r", score_name="_$s").plot()
    return display.figure_, [*NAMES, "difference in _$s from _$r, and 95 % interval"]


def draw_geometry(path):
    drawn = PenaltyGeometryDisplay.from_penalty("l1")
    display = PenaltyGeometryDisplay(drawn.penalty, drawn.loss, solution=drawn.solution, names=["_a", "$x$"]).plot()
    return display.figure_, ["weight of _a", "weight of $x$"]


@pytest.mark.parametrize("parse_math", [True, False])
@pytest.mark.parametrize(
    "draw",
    [draw_path, draw_features, draw_weights, draw_histories, draw_gaps, draw_differences, draw_geometry],
)
def test_names_are_shown_as_they_are(draw, parse_math, path):
    with plt.rc_context({"text.parse_math": parse_math}):
        figure, names = draw(path)
        shown = texts(figure)
    assert [name for name in names if name not in shown] == []


@pytest.mark.parametrize("name", ["", "_", "_nolegend_", "$x$"])
def test_every_highlighted_feature_is_in_the_legend(name):
    X = pd.DataFrame(np.random.default_rng(0).normal(size=(40, 2)), columns=[name, "b"])
    path = regularization_path(RegularizedMLPRegressor(**LINEAR), X, X["b"], alphas=[1e-4, 1e-3])
    display = RegularizationPathDisplay(path).plot(highlight=[name, "b"])
    shown = [text.removeprefix("\u200b") for text in legend_texts(display.ax_[0])]
    assert shown == [name.replace("$", r"\$"), "b"]

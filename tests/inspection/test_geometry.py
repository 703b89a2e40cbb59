"""The geometry of penalties: solutions against closed forms and scikit-learn, and what is drawn against both."""

import functools
from numbers import Real
from typing import ClassVar

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest
import scipy.sparse
import torch
from numpy.linalg import norm
from scipy.optimize import minimize_scalar
from sklearn.compose import TransformedTargetRegressor
from sklearn.exceptions import NotFittedError
from sklearn.linear_model import (
    ElasticNet as SklearnElasticNet,
)
from sklearn.linear_model import (
    Lasso,
    LinearRegression,
    LogisticRegression,
    PoissonRegressor,
    QuantileRegressor,
    Ridge,
)
from sklearn.metrics import log_loss
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler, scale

from skreg import RegularizedMLPClassifier, RegularizedMLPRegressor
from skreg.inspection import PenaltyGeometryDisplay, _geometry, _surfaces
from skreg.losses import AbsoluteError, LogisticLogLoss, Poisson
from skreg.model_selection import GridSearchCV
from skreg.penalties import (
    L1,
    L2,
    MCP,
    SCAD,
    ElasticNet,
    GroupLasso,
    Hierarchical,
    Penalty,
    SparseGroupLasso,
    WeightedL1,
)
from skreg.proximal import soft_threshold
from tests.helpers import legend_texts, mcp, scad

MINIMUM = np.array([2.0, 0.6])
HESSIAN = np.array([[1.0, 0.5], [0.5, 1.0]])
from_penalty = PenaltyGeometryDisplay.from_penalty

RNG = np.random.default_rng(0)
X = scale(RNG.multivariate_normal([0, 0], HESSIAN, size=80))
Y = 2 * X[:, 0] + 0.3 * X[:, 1] + RNG.normal(size=80)
LABELS = np.where(Y > 0.5, "yes", "no")
TO_THE_END = {
    "hidden_layer_sizes": (),
    "batch_size": 80,
    "learning_rate": "cosine",
    "learning_rate_init": 0.05,
    "max_iter": 800,
    "random_state": 0,
}


def regression(n_rows=2):
    """Return data whose half mean squared error is the default loss."""
    root = np.linalg.cholesky(HESSIAN).T * np.sqrt(n_rows)
    return root, root @ MINIMUM


def excess(w, minimum=MINIMUM, hessian=HESSIAN):
    offset = np.asarray(w) - minimum
    return 0.5 * offset @ hessian @ offset


class Lopsided(Penalty):
    """A user's own: absolute values, of which the second counts three times."""

    _parameter_constraints: ClassVar[dict] = {"alpha": [Real]}

    def __init__(self, alpha=1.0):
        self.alpha = alpha

    def _weights(self, W):
        return W.new_tensor([[1.0], [3.0]])

    def value(self, W, alpha):
        return (W.abs() * self._weights(W) * alpha).sum(dim=(1, 2))

    def prox(self, W, step, alpha):
        return soft_threshold(W, step * alpha * self._weights(W))


class Restless(Lopsided):
    """One whose prox is wrong: it turns signs."""

    def prox(self, W, step, alpha):
        return -W


# Each with its formula in numpy, the strength included.
PENALTIES = {
    "l1": (L1(1.0), lambda w: np.abs(w).sum(axis=-1)),
    "l2": (L2(0.7), lambda w: 0.35 * (w**2).sum(axis=-1)),
    "elasticnet": (ElasticNet(0.8, l1_ratio=0.6), lambda w: (0.48 * np.abs(w) + 0.16 * w**2).sum(axis=-1)),
    "one-group": (GroupLasso(0.5, groups=[[0, 1]]), lambda w: 0.5 * np.sqrt(2) * norm(w, axis=-1)),
    "one-neuron": (GroupLasso(0.7, groups="neurons"), lambda w: 0.7 * norm(w, axis=-1)),
    "two-groups": (GroupLasso(1.0, group_weights=[0.5, 1]), lambda w: np.abs(w) @ [0.5, 1]),
    "sparse-group": (
        SparseGroupLasso(0.8, groups="neurons"),
        lambda w: 0.4 * np.abs(w).sum(axis=-1) + 0.4 * norm(w, axis=-1),
    ),
    "mcp": (MCP(0.7), lambda w: mcp(w, 0.7).sum(axis=-1)),
    "scad": (SCAD(0.4), lambda w: scad(w, 0.4).sum(axis=-1)),
    "weighted-l1": (WeightedL1(0.5, weights=[0.5, 2]), lambda w: 0.5 * np.abs(w) @ [0.5, 2]),
    "hierarchical": (Hierarchical(1.0), lambda w: np.abs(w).sum(axis=-1)),
    "own": (Lopsided(0.4), lambda w: 0.4 * np.abs(w) @ [1, 3]),
}
every_penalty = pytest.mark.parametrize(("penalty", "formula"), PENALTIES.values(), ids=PENALTIES)


# -- the solution ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("alpha", [0.3, 0.7, 1.0, 3.0])
def test_solutions_are_those_of_scikit_learn(alpha):
    data, target = regression()
    options = {"fit_intercept": False, "tol": 1e-14}
    expected = {
        "l1": Lasso(alpha=alpha, **options).fit(data, target).coef_,
        "l2": Ridge(alpha=alpha * len(data), **options).fit(data, target).coef_,
        "elasticnet": SklearnElasticNet(alpha=alpha, l1_ratio=0.5, **options).fit(data, target).coef_,
    }
    for penalty, coef in expected.items():
        solution = from_penalty(penalty, alpha=alpha).solution
        np.testing.assert_allclose(solution, coef, atol=1e-9)
        np.testing.assert_array_equal(solution == 0, coef == 0)
    assert (expected["l1"] == 0).any() == (alpha >= 1)


@pytest.mark.parametrize("curvature", [0.5, 1.0, 2.0])
def test_group_lasso_is_a_soft_threshold_of_the_norm(curvature):
    for penalty, strength in (
        (GroupLasso(0.4, groups=[[0, 1]]), 0.4 * np.sqrt(2)),
        (GroupLasso(0.4, groups="neurons"), 0.4),
    ):
        display = from_penalty(penalty, hessian=curvature * np.eye(2))
        expected = MINIMUM * max(1 - strength / (curvature * norm(MINIMUM)), 0)
        np.testing.assert_allclose(display.solution, expected, atol=1e-9)
    dropped = from_penalty(GroupLasso(3.0, groups="neurons"), hessian=curvature * np.eye(2))
    assert dropped.solution.tolist() == ([0, 0] if curvature < 2 else dropped.solution.tolist())
    assert dropped.solution.any() == (curvature == 2)


def test_sparse_group_lasso_thresholds_weights_then_the_group():
    display = from_penalty(SparseGroupLasso(0.8, l1_ratio=0.25, groups="neurons"), hessian=np.eye(2))
    sparse = np.maximum(MINIMUM - 0.2, 0)
    np.testing.assert_allclose(display.solution, sparse * (1 - 0.6 / norm(sparse)), atol=1e-9)


def test_weights_in_groups_of_their_own_are_l1():
    expected = from_penalty("l1", alpha=1.0).solution
    for penalty in (GroupLasso(1.0), Hierarchical(1.0)):
        np.testing.assert_allclose(from_penalty(penalty).solution, expected, atol=1e-12)
    assert expected[1] == 0


@pytest.mark.parametrize("minimum", [(2.0, 0.6), (1.2, -0.9), (0.4, 3.0), (-2.2, 0.7)])
def test_mcp_and_scad_of_independent_weights_have_closed_forms(minimum):
    alpha, m = 0.6, np.array(minimum)
    size = np.abs(m)
    soft = np.sign(m) * np.maximum(size - alpha, 0)
    firm = np.where(size <= 3 * alpha, soft / (1 - 1 / 3), m)
    np.testing.assert_allclose(from_penalty(MCP(alpha), minimum=m, hessian=np.eye(2)).solution, firm, atol=1e-9)
    between = (2.7 * m - np.sign(m) * 3.7 * alpha) / 1.7
    pieces = np.where(size <= 2 * alpha, soft, np.where(size <= 3.7 * alpha, between, m))
    np.testing.assert_allclose(from_penalty(SCAD(alpha), minimum=m, hessian=np.eye(2)).solution, pieces, atol=1e-9)


@pytest.mark.parametrize("kind", [MCP, SCAD])
def test_of_local_minima_the_lowest_is_taken(kind):
    rng = np.random.default_rng(1)
    formula = mcp if kind is MCP else scad
    axis = np.linspace(-4, 4, 401)
    points = np.stack(np.meshgrid(axis, axis), axis=-1).reshape(-1, 2)
    for _ in range(12):
        correlation = rng.uniform(-0.95, 0.95)
        hessian = rng.uniform(0.2, 1) * np.array([[1, correlation], [correlation, 1]])
        minimum, alpha = rng.uniform(-1.5, 1.5, size=2), rng.uniform(0.1, 0.6)
        display = from_penalty(kind(alpha), minimum=minimum, hessian=hessian, legend=False, grid_resolution=11)
        offset = points - minimum
        objective = 0.5 * np.einsum("ni,ij,nj->n", offset, hessian, offset) + formula(points, alpha).sum(axis=1)
        found = excess(display.solution, minimum, hessian) + formula(display.solution, alpha).sum()
        assert found <= objective.min() + 1e-12
        assert found >= objective.min() - 1e-3, "the grid of hundredths comes near"


@every_penalty
def test_the_solution_is_the_lowest_point(penalty, formula):
    """No small move lowers the objective, along the axes or elsewhere."""
    solution = from_penalty(penalty).solution
    angles = np.linspace(0, 2 * np.pi, 64, endpoint=False)
    around = solution + 1e-4 * np.stack([np.cos(angles), np.sin(angles)], axis=1)
    objective = excess(solution) + formula(solution)
    assert min(excess(w) + formula(w) for w in around) > objective


def test_a_string_has_a_visible_strength():
    np.testing.assert_array_equal(from_penalty("l1").solution, from_penalty(L1(1.0)).solution)


def test_zero_has_no_sign():
    solution = from_penalty(GroupLasso(9.0, groups="neurons"), minimum=(-2, -1)).solution
    assert solution.tolist() == [0, 0]
    assert not np.signbit(solution).any()


# -- the drawing -------------------------------------------------------------------------------------------------------


@every_penalty
def test_the_edge_of_the_ball_has_the_penalty_of_the_solution(penalty, formula):
    display = from_penalty(penalty)
    level = formula(display.solution)
    vertices = np.concatenate([path.vertices for path in display.ball_.get_paths()])
    reach = _geometry.REACH * max(np.abs(MINIMUM).max(), np.abs(display.solution).max())
    ends = vertices[np.abs(vertices).max(axis=1) < reach]
    assert len(ends) > 20
    assert (len(ends) < len(vertices)) == isinstance(penalty, MCP | SCAD), "these balls have no end"
    # Lines between points of the grid are exact for penalties made of straight pieces.
    rounding = 1e-9 if isinstance(penalty, L1 | WeightedL1 | Hierarchical | Lopsided) else 0.02
    np.testing.assert_allclose(formula(ends), level, rtol=rounding)
    assert norm(vertices - display.solution, axis=1).min() < 1e-9, "the solution is on the edge"
    assert display.ball_.get_facecolor()[0][3] == 0.25


@every_penalty
def test_one_contour_goes_through_the_solution(penalty, formula):
    display = from_penalty(penalty)
    level = excess(display.solution)
    number = np.argmin(np.abs(display.contours_.levels - level))
    assert display.contours_.levels[number] == pytest.approx(level, abs=1e-12)
    vertices = display.contours_.get_paths()[number].vertices
    assert norm(vertices - display.solution, axis=1).min() < 1e-9
    np.testing.assert_allclose([excess(v) for v in vertices], level, atol=0.01 * excess([0, 0]))
    widths = display.contours_.get_linewidths()
    assert np.argmax(widths) == number, "it is the bold one"
    # No point of the ball has a lower loss: of the contour, only the touching point can be inside.
    assert formula(vertices).min() > formula(display.solution) * (1 - 0.02)


@every_penalty
def test_everything_is_in_view(penalty, formula):
    display = from_penalty(penalty)
    (left, right), (bottom, top) = display.ax_.get_xlim(), display.ax_.get_ylim()
    for x, y in (MINIMUM, display.solution, (0, 0)):
        assert left < x < right
        assert bottom < y < top
    assert display.ax_.get_aspect() == 1
    assert right - left == pytest.approx(top - bottom, rel=0.2)
    largest = max(MINIMUM.max(), np.abs(display.solution).max())
    assert right - left < 2.7 * largest, "and not much more, even if the ball has no end"


def test_a_ball_without_end_and_one_of_a_point():
    everywhere = from_penalty(MCP(0.1))  # both weights are beyond the region where it rises
    np.testing.assert_allclose(everywhere.solution, MINIMUM, atol=1e-9)
    covered = everywhere.ball_.get_paths()[0].get_extents()
    assert covered.x0 < everywhere.ax_.get_xlim()[0]
    assert covered.y1 > everywhere.ax_.get_ylim()[1]
    nowhere = from_penalty("l1", alpha=5)
    assert nowhere.solution.tolist() == [0, 0]
    vertices = np.concatenate([path.vertices for path in nowhere.ball_.get_paths()])
    np.testing.assert_allclose(vertices, 0, atol=1e-12)


def test_markers_and_labels():
    display = from_penalty("l1")
    np.testing.assert_allclose(display.solution_.get_xydata(), [[1.3, 0]])
    np.testing.assert_array_equal(display.minimum_.get_xydata(), [MINIMUM])
    texts = legend_texts(display.ax_)
    assert texts == [
        "minimum of the loss: (2, 0.6)",
        "solution: (1.3, 0)",
        "loss of the solution",
        "penalty of the solution, and less",
    ]
    assert display.ax_.get_xlabel() == "first weight"
    assert display.ax_.get_ylabel() == "second weight"
    assert display.solution_.get_marker() != display.minimum_.get_marker()


def test_given_axes_colour_and_no_legend():
    figure, (ax, other) = plt.subplots(1, 2)
    display = from_penalty("l2", ax=ax, color="#D55E00", legend=False)
    assert display.ax_ is ax
    assert display.figure_ is figure
    assert ax.get_legend() is None
    np.testing.assert_allclose(display.ball_.get_facecolor()[0][:3], [0xD5 / 255, 0x5E / 255, 0])
    assert not other.has_data()
    assert display.plot(ax=other) is display
    assert display.ax_ is other
    assert len(plt.get_fignums()) == 1
    assert display.plot().figure_ is not figure


def test_the_grid_can_be_finer():
    coarse, fine = (from_penalty("l2", alpha=0.7, grid_resolution=n) for n in (11, 201))
    errors = []
    for display in (coarse, fine):
        vertices = display.ball_.get_paths()[0].vertices
        errors.append(np.abs(norm(vertices, axis=1) - norm(display.solution)).max())
    assert errors[1] < 1e-3 < 1e-2 < errors[0]


def test_frame():
    frame = from_penalty("elasticnet", alpha=0.7).frame()
    assert frame["point"].tolist() == ["minimum", "solution"]
    solution = frame.loc[1, ["w1", "w2"]].to_numpy(dtype=float)
    np.testing.assert_array_equal(frame.loc[0, ["w1", "w2"]].to_numpy(dtype=float), MINIMUM)
    penalty = 0.35 * np.abs(solution).sum() + 0.175 * (solution**2).sum()
    np.testing.assert_allclose(
        frame.loc[1, ["loss", "penalty", "objective"]].to_numpy(dtype=float),
        [excess(solution), penalty, excess(solution) + penalty],
    )
    assert frame.loc[0, "loss"] == 0


def test_functions_of_ones_own():
    display = PenaltyGeometryDisplay(
        lambda W: np.abs(W).max(axis=1), lambda W: ((W - [2, 1]) ** 2).sum(axis=1), solution=(1, 1), minimum=(2, 1)
    ).plot()
    vertices = display.ball_.get_paths()[0].vertices
    np.testing.assert_allclose(np.abs(vertices).max(axis=1), 1, atol=0.03)
    assert display.frame()["penalty"].tolist() == [2, 1]


@pytest.mark.parametrize(
    ("penalty", "options", "message"),
    [
        ("lasso", {}, r"The 'penalty' parameter of PenaltyGeometryDisplay.from_penalty must be .* Got 'lasso' instead"),
        (None, {}, "The 'penalty' parameter .* Got None instead"),
        ("l1", {"alpha": 0}, "The 'alpha' parameter .* must be a float in the range \\(0.0, inf\\).*Got 0 instead"),
        (L1(0.1), {"alpha": 1.0}, "'alpha' parameter must be None if 'penalty' is an object"),
        (L1(0.0), {}, r"The 'penalty' parameter must have a positive strength to be drawn; got L1\(alpha=0.0\)"),
        (L1(alpha=(0.1, 0.2)), {}, "one for each of the 1 weight matrices"),
        (Hierarchical(alpha=(0.1, 0)), {}, "one for each of the 1 weight matrices"),
        (Lopsided("much"), {}, "The 'alpha' parameter of Lopsided must"),
        (WeightedL1(0.1, weights=[1, 2, 3]), {}, r"The 'weights' parameter of WeightedL1 must"),
        (MCP(0.1, gamma=0.5), {}, "The 'gamma' parameter of MCP must"),
        ("l1", {"minimum": (0, 0)}, r"The 'minimum' parameter must hold two finite .* not both zero; got \(0, 0\)"),
        ("l1", {"minimum": (1, 2, 3)}, r"The 'minimum' parameter must .* got \(1, 2, 3\)"),
        ("l1", {"minimum": (1, np.nan)}, "The 'minimum' parameter must"),
        ("l1", {"hessian": [[1, 2], [2, 1]]}, r"The 'hessian' parameter must be .* got \[\[1, 2\], \[2, 1\]\]"),
        ("l1", {"hessian": [[1, 0.5], [0.2, 1]]}, "The 'hessian' parameter must be a symmetric"),
        ("l1", {"hessian": [[1, 0], [0, 1e-4]]}, "eigenvalues at most a factor of 1000 apart"),
        ("l1", {"hessian": np.eye(3)}, "The 'hessian' parameter"),
        ("l1", {"grid_resolution": 5}, "The 'grid_resolution' parameter of PenaltyGeometryDisplay.plot"),
        ("l1", {"legend": "yes"}, "The 'legend' parameter"),
        ("l1", {"ax": [None, None]}, "The 'ax' parameter must hold 1 matplotlib Axes; got 2"),
    ],
)
def test_errors(penalty, options, message):
    with pytest.raises(ValueError, match=message):
        from_penalty(penalty, **options)


def test_steps_that_do_not_come_to_rest(monkeypatch):
    monkeypatch.setattr(_surfaces, "MAX_STEPS", 50)
    with pytest.raises(RuntimeError, match=r"steps of Restless\(\) did not converge within 50 steps"):
        from_penalty(Restless())


def test_a_loss_that_is_lowest_at_zero_is_refused():
    display = PenaltyGeometryDisplay(
        lambda W: np.abs(W).sum(axis=1), lambda W: (W**2).sum(axis=1), solution=(1, 0), minimum=(0, 0)
    )
    with pytest.raises(ValueError, match="must not be lowest where both weights are zero"):
        display.plot()


# -- fitted estimators -------------------------------------------------------------------------------------------------


@functools.cache
def fitted(**options):
    return RegularizedMLPRegressor(**{**TO_THE_END, "penalty": "l1", "alpha": 0.4, **options}).fit(X, Y)


@pytest.mark.parametrize("penalty", ["l1", "l2", "mcp", "hierarchical"])
def test_a_regression_is_drawn_as_its_quadratic_is(penalty):
    model = fitted(penalty=penalty)
    display = PenaltyGeometryDisplay.from_estimator(model, X, Y)
    np.testing.assert_array_equal(display.solution, model.coefs_[0].ravel())
    np.testing.assert_allclose(display.minimum, LinearRegression().fit(X, Y).coef_, atol=1e-12)
    quadratic = from_penalty(penalty, alpha=0.4, minimum=display.minimum, hessian=X.T @ X / len(X))
    np.testing.assert_allclose(display.solution, quadratic.solution, atol=1e-6)
    np.testing.assert_array_equal(display.solution == 0, quadratic.solution == 0)
    lowest = display.loss(np.array([display.minimum]))[0]
    np.testing.assert_allclose(display.contours_.levels - lowest, quadratic.contours_.levels, atol=1e-6)
    assert display.frame()["loss"][1] == pytest.approx(0.5 * np.mean((Y - model.predict(X)) ** 2), abs=1e-8)
    assert display.frame()["penalty"][1] == pytest.approx(model.history_["penalty"][-1], abs=1e-6)


def test_constant_columns_and_a_large_mean_do_not_matter():
    model = fitted()
    shifted = PenaltyGeometryDisplay.from_estimator(model, X + 7, Y - 3)
    np.testing.assert_allclose(
        shifted.frame().iloc[:, 1:], PenaltyGeometryDisplay.from_estimator(model, X, Y).frame().iloc[:, 1:]
    )


def test_a_classification_is_drawn_with_its_own_loss():
    model = RegularizedMLPClassifier(**TO_THE_END, penalty="l1", alpha=0.05).fit(X, LABELS)
    display = PenaltyGeometryDisplay.from_estimator(model, X, LABELS)
    np.testing.assert_array_equal(display.solution, model.coefs_[0].ravel())
    free = LogisticRegression(C=np.inf, tol=1e-10).fit(X, LABELS)
    np.testing.assert_allclose(display.minimum, free.coef_[0], rtol=1e-4)
    expected = [log_loss(LABELS, m.predict_proba(X)) for m in (free, model)]
    np.testing.assert_allclose(display.frame()["loss"], expected, atol=1e-7)
    level = display.frame()["loss"][1]
    number = np.argmin(np.abs(display.contours_.levels - level))
    assert norm(display.contours_.get_paths()[number].vertices - display.solution, axis=1).min() < 1e-9


@pytest.mark.parametrize(
    ("loss", "target", "other"),
    [
        ("poisson", np.exp(Y / 2), PoissonRegressor(alpha=0, tol=1e-10)),
        ("absolute_error", Y, QuantileRegressor(quantile=0.5, alpha=0)),
        ("quantile", Y, QuantileRegressor(quantile=0.8, alpha=0)),
        (lambda t, z: ((t - z) ** 2).sum(dim=1), Y, LinearRegression()),
    ],
)
def test_minima_of_other_losses(loss, target, other):
    options = {**TO_THE_END, "max_iter": 3, "n_iter_no_change": np.inf}
    if loss == "quantile":
        options["quantile"] = 0.8
    model = RegularizedMLPRegressor(**options, loss=loss, penalty="l1").fit(X, target)
    display = PenaltyGeometryDisplay.from_estimator(model, X, target, grid_resolution=11)
    np.testing.assert_allclose(display.minimum, other.fit(X, target).coef_, atol=2e-3)


def test_weights_labels_and_classes_count():
    options = {**TO_THE_END, "max_iter": 3, "n_iter_no_change": np.inf, "penalty": "l1"}
    repeats = np.random.default_rng(1).integers(0, 3, size=80)
    model = RegularizedMLPClassifier(**options).fit(X, LABELS)
    weighted = PenaltyGeometryDisplay.from_estimator(model, X, LABELS, sample_weight=repeats, grid_resolution=11)
    again = PenaltyGeometryDisplay.from_estimator(
        model, X.repeat(repeats, axis=0), LABELS.repeat(repeats), grid_resolution=11
    )
    np.testing.assert_allclose(weighted.frame().iloc[:, 1:], again.frame().iloc[:, 1:], rtol=1e-5)
    squares = fitted()
    weighted = PenaltyGeometryDisplay.from_estimator(squares, X, Y, sample_weight=repeats)
    expected = LinearRegression().fit(X, Y, sample_weight=repeats).coef_
    np.testing.assert_allclose(weighted.minimum, expected, atol=1e-10)

    balanced = RegularizedMLPClassifier(**options, class_weight="balanced").fit(X, LABELS)
    display = PenaltyGeometryDisplay.from_estimator(balanced, X, LABELS, grid_resolution=11)
    free = LogisticRegression(C=np.inf, tol=1e-10, class_weight="balanced").fit(X, LABELS)
    np.testing.assert_allclose(display.minimum, free.coef_[0], rtol=1e-4)

    smooth = RegularizedMLPClassifier(**options, label_smoothing=0.2).fit(X, LABELS)
    display = PenaltyGeometryDisplay.from_estimator(smooth, X, LABELS, grid_resolution=11)
    share = np.where(LABELS == "yes", 0.9, 0.1)
    twice, labels = np.concatenate([X, X]), np.repeat([1, 0], 80)
    free = LogisticRegression(C=np.inf, tol=1e-10).fit(twice, labels, sample_weight=np.concatenate([share, 1 - share]))
    np.testing.assert_allclose(display.minimum, free.coef_[0], rtol=1e-4)


def test_separable_classes_have_no_minimum():
    labels = X[:, 0] > 0
    model = RegularizedMLPClassifier(**TO_THE_END, penalty="l1", alpha=0.05).fit(X, labels)
    display = PenaltyGeometryDisplay.from_estimator(model, X, labels)
    assert display.minimum is None
    assert display.minimum_ is None
    assert display.frame()["point"].tolist() == ["solution"]
    assert len(display.ax_.get_legend().get_texts()) == 3
    assert (np.diff(display.contours_.levels) > 0).all()


def test_blocks_do_not_change_the_loss(monkeypatch):
    model = RegularizedMLPClassifier(**TO_THE_END, penalty="l1", alpha=0.05).fit(X, LABELS)
    points = np.random.default_rng(1).normal(size=(30, 2))
    loss = _surfaces.loss_on_rows(model, X, LABELS)
    expected = loss(points)
    monkeypatch.setattr(_surfaces, "BLOCK", 200)
    np.testing.assert_allclose(loss(points), expected, rtol=1e-12)


LOSSES = {
    "log_loss": (LogisticLogLoss(), lambda z: np.logaddexp(0, -z * np.where(LABELS == "yes", 1, -1))),
    "poisson": (Poisson(), lambda z: np.exp(z) - COUNTS * z - COUNTS + COUNTS * np.log(np.maximum(COUNTS, 1))),
    "absolute": (AbsoluteError(), lambda z: np.abs(z - Y)),
}
COUNTS = RNG.poisson(2, size=80)


@pytest.mark.parametrize("name", LOSSES)
def test_the_intercept_is_the_best_one(name):
    """Far from the solution, too, where the best intercept is far from that of a constant."""
    loss, formula = LOSSES[name]
    target = {"log_loss": 1.0 * (LABELS == "yes"), "poisson": 1.0 * COUNTS, "absolute": Y}[name]
    centred = X - X.mean(axis=0)
    weight = torch.full((80,), 1 / 80, dtype=torch.float64)
    of_weights = _surfaces.RowsLoss(loss, centred, torch.from_numpy(target)[:, None], weight)
    points = np.repeat([[0.5], [3], [8]], 12, axis=0) * np.random.default_rng(1).normal(size=(36, 2))
    for w, actual in zip(points, of_weights(points), strict=True):
        outputs = centred @ w
        expected = minimize_scalar(
            lambda b, outputs=outputs: formula(outputs + b).mean(), (-30, 5), options={"xtol": 1e-10}
        ).fun
        assert actual == pytest.approx(expected, rel=1e-5)


def test_pipelines_searches_and_transformed_targets():
    raw = pd.DataFrame(X * [3, 10] + [5, -2], columns=["cost $", "b$c$"])
    network = RegularizedMLPRegressor(**TO_THE_END, penalty="l1", alpha=0.4).set_params(batch_size="auto")
    pipeline = make_pipeline(StandardScaler(), network)
    search = GridSearchCV(pipeline, {"regularizedmlpregressor__alpha": [0.4]}, cv=2)
    transformed = TransformedTargetRegressor(search, transformer=StandardScaler())
    plain = RegularizedMLPRegressor(**TO_THE_END, penalty="l1", alpha=0.4).fit(X, scale(Y))
    expected = PenaltyGeometryDisplay.from_estimator(plain, X, scale(Y)).frame()
    display = PenaltyGeometryDisplay.from_estimator(transformed.fit(raw, Y), raw, Y)
    np.testing.assert_allclose(display.frame().iloc[:, 1:], expected.iloc[:, 1:], atol=1e-6)
    alone = make_pipeline(network).fit(raw[["cost $", "b$c$"]] / [3, 10], Y)
    display = PenaltyGeometryDisplay.from_estimator(alone, raw / [3, 10], Y)
    assert display.ax_.get_xlabel() == r"weight of cost \$"
    assert display.ax_.get_ylabel() == r"weight of b\$c\$"
    display.figure_.canvas.draw()


def test_other_forms_of_data():
    model = fitted()
    expected = PenaltyGeometryDisplay.from_estimator(model, X, Y).frame().iloc[:, 1:]
    for data in (scipy.sparse.csr_matrix(X), torch.from_numpy(X)):
        actual = PenaltyGeometryDisplay.from_estimator(model, data, Y).frame().iloc[:, 1:]
        np.testing.assert_allclose(actual, expected, atol=1e-10)
    single = RegularizedMLPRegressor(**TO_THE_END, penalty="l1", alpha=0.4).fit(X.astype(np.float32), Y)
    actual = PenaltyGeometryDisplay.from_estimator(single, X.astype(np.float32), Y).frame().iloc[:, 1:]
    np.testing.assert_allclose(actual, expected, atol=1e-4)


def test_a_pruned_network_keeps_its_zero():
    turned = X[:, ::-1]
    model = RegularizedMLPRegressor(**TO_THE_END, penalty="l1", alpha=1.2).fit(turned, Y)
    assert model.coefs_[0][0, 0] == 0
    pruned = model.prune()
    assert len(pruned.coefs_[0]) == 1
    display = PenaltyGeometryDisplay.from_estimator(pruned, turned, Y)
    np.testing.assert_array_equal(display.solution, model.coefs_[0].ravel())


QUICK = {"max_iter": 2, "n_iter_no_change": np.inf, "random_state": 0}


@pytest.mark.parametrize(
    ("model", "data", "target", "message"),
    [
        (
            RegularizedMLPRegressor((3,), **QUICK),
            X,
            Y,
            r"no hidden layers.* \[\(2, 3\), \(3, 1\)\]",
        ),
        (RegularizedMLPRegressor((), **QUICK), np.c_[X, X[:, 0]], Y, "must have two features, .* got 3 features"),
        (RegularizedMLPRegressor((), **QUICK), X, np.c_[Y, Y], r"one output and .* got 2 features and .* \[\(2, 2\)\]"),
        (RegularizedMLPClassifier((), **QUICK), X, np.arange(80) % 3, r"one output and .* got .* \[\(2, 3\)\]"),
        (RegularizedMLPRegressor((), penalty=None, **QUICK), X, Y, "must have a penalty to draw; got penalty=None"),
        (RegularizedMLPRegressor((), alpha=0.0, **QUICK), X, Y, "must have a positive strength to be drawn"),
    ],
)
def test_networks_that_cannot_be_drawn(model, data, target, message):
    with pytest.raises(ValueError, match=message):
        PenaltyGeometryDisplay.from_estimator(model.fit(data, target), data, target)


def test_other_errors_of_estimators(monkeypatch):
    with pytest.raises(TypeError, match="The 'estimator' parameter must be a fitted RegularizedMLPClassifier"):
        PenaltyGeometryDisplay.from_estimator(LinearRegression().fit(X, Y), X, Y)
    with pytest.raises(NotFittedError):
        PenaltyGeometryDisplay.from_estimator(RegularizedMLPRegressor(()), X, Y)
    model = RegularizedMLPClassifier((), **QUICK).fit(X, LABELS)
    with pytest.raises(ValueError, match="needs rows .* of at least 2 classes; got 1 class"):
        PenaltyGeometryDisplay.from_estimator(model, X, np.full(80, "yes"))
    with monkeypatch.context() as patch:
        patch.setattr(_surfaces, "MAX_STRIDES", 1)
        with pytest.raises(ValueError, match="The loss has no minimum over the intercept on these rows"):
            PenaltyGeometryDisplay.from_estimator(model, X, LABELS)
    with pytest.raises(ValueError, match="must not be lowest where both weights are zero"):
        PenaltyGeometryDisplay.from_estimator(fitted(), X, np.ones(80))

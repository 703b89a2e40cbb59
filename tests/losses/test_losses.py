"""Laws of every loss, and each against its reference in scikit-learn, scipy or torch."""

import copy
import pickle
import re

import numpy as np
import pytest
import scipy.optimize
import torch
import torch.nn.functional as F
from sklearn.linear_model import QuantileRegressor
from sklearn.metrics import (
    accuracy_score,
    d2_pinball_score,
    log_loss,
    mean_absolute_error,
    mean_gamma_deviance,
    mean_pinball_loss,
    mean_poisson_deviance,
    r2_score,
)

from skreg.losses import (
    CLASSIFICATION_LOSSES,
    REGRESSION_LOSSES,
    AbsoluteError,
    CustomLoss,
    Gamma,
    HalfSquaredError,
    Huber,
    LogisticLogLoss,
    Poisson,
    Quantile,
    SoftmaxLogLoss,
    classification_loss,
    regression_loss,
)


def squared_error(y_true, y_pred):
    return (y_true - y_pred).square().sum(dim=1) / 2


def log_cosh(y_true, y_pred):
    return (y_true - y_pred).cosh().log().sum(dim=1)


def focal_loss(y_true, y_pred):
    probability = (torch.softmax(y_pred, dim=1) * y_true).sum(dim=1)
    return -((1 - probability) ** 2) * probability.log()


N_ROWS = 30
RNG = np.random.default_rng(0)
Z = torch.from_numpy(RNG.normal(size=(2, N_ROWS, 4)) * 2)
WEIGHT = torch.from_numpy(RNG.random(N_ROWS))
WEIGHT /= WEIGHT.sum()
LABELS = RNG.integers(0, 4, N_ROWS)
ONE_HOT = torch.from_numpy(np.eye(4)[LABELS])
INDICATORS = torch.from_numpy((RNG.random((N_ROWS, 4)) < 0.4).astype(float))
NUMBERS = torch.from_numpy(RNG.normal(size=(N_ROWS, 4)))
COUNTS = torch.from_numpy(RNG.poisson(1.5, size=(N_ROWS, 4)).astype(float))
POSITIVE = torch.from_numpy(RNG.lognormal(size=(N_ROWS, 4)))
# Two on each side of the middle one.
LEVELS = (0.1, 0.3, 0.5, 0.8, 0.95)
CASES = {
    "softmax": (SoftmaxLogLoss(), ONE_HOT),
    "logistic": (LogisticLogLoss(), INDICATORS),
    "squared": (HalfSquaredError(), NUMBERS),
    "absolute": (AbsoluteError(), NUMBERS),
    "huber": (Huber(0.7), NUMBERS),
    "huber-small": (Huber(1e-3), NUMBERS),
    "median": (Quantile((0.5,)), NUMBERS),
    "quantile": (Quantile((0.8,)), NUMBERS),
    "two-quantiles": (Quantile((0.25, 0.75)), NUMBERS),
    "quantiles": (Quantile(LEVELS), NUMBERS),
    "quantiles-of-counts": (Quantile(LEVELS), COUNTS),
    "poisson": (Poisson(), COUNTS),
    "gamma": (Gamma(), POSITIVE),
    "custom": (CustomLoss(log_cosh, HalfSquaredError()), NUMBERS),
    "custom-softmax": (CustomLoss(focal_loss, SoftmaxLogLoss()), ONE_HOT),
}
every_loss = pytest.mark.parametrize(("loss", "target"), CASES.values(), ids=CASES)
AS_WIDE_AS_TARGETS = [case for case in CASES.values() if case[0].n_outputs(4) == 4]


def outputs_for(loss, target, n_members=2, seed=1):
    rng = np.random.default_rng(seed)
    return torch.from_numpy(rng.normal(size=(n_members, len(target), loss.n_outputs(target.shape[1]))))


def exactly(message):
    return f"^{re.escape(message)}$"


def mean_loss(loss, constant, target, weight):
    Z = torch.as_tensor(constant, dtype=torch.float64).expand(1, len(target), -1)
    return float(loss.per_row(Z, target)[0] @ weight)


class TestLaws:
    @every_loss
    @pytest.mark.parametrize("own_targets", [False, True])
    def test_gradient_is_that_of_per_row(self, loss, target, own_targets):
        Z = outputs_for(loss, target)
        target = torch.stack([target, target.flip(0)]) if own_targets else target
        leaf = Z.clone().requires_grad_()
        loss.per_row(leaf, target).sum().backward()
        with torch.no_grad():
            torch.testing.assert_close(loss.gradient(Z, target), leaf.grad, rtol=1e-12, atol=1e-13)

    @every_loss
    def test_gradient_is_the_difference_quotient(self, loss, target):
        Z, step = outputs_for(loss, target), 1e-6
        gradient = loss.gradient(Z, target)
        for k in range(Z.shape[-1]):
            shift = torch.zeros_like(Z)
            shift[..., k] = step
            quotient = (loss.per_row(Z + shift, target) - loss.per_row(Z - shift, target)) / (2 * step)
            torch.testing.assert_close(gradient[..., k], quotient, rtol=1e-6, atol=1e-7)

    @every_loss
    def test_nothing_is_changed_in_place(self, loss, target):
        Z, targets = outputs_for(loss, target), target.clone()
        before = Z.clone()
        for function in (loss.gradient, loss.per_row, lambda Z, T: loss.score(Z, T, WEIGHT), lambda Z, T: loss.link(Z)):
            function(Z, targets).mul_(2)
            assert torch.equal(Z, before)
            assert torch.equal(targets, target)

    @every_loss
    def test_several_members_are_single_ones(self, loss, target):
        Z = outputs_for(loss, target, n_members=3)
        targets = torch.stack([target, target.flip(0), target.roll(1, 0)])
        for function in (loss.per_row, loss.gradient, lambda Z, T: loss.score(Z, T, WEIGHT), lambda Z, T: loss.link(Z)):
            together, shared = function(Z, targets), function(Z, target)
            for m in range(3):
                torch.testing.assert_close(together[m : m + 1], function(Z[m : m + 1], targets[m]))
                torch.testing.assert_close(shared[m : m + 1], function(Z[m : m + 1], target))

    @every_loss
    def test_shapes(self, loss, target):
        Z = outputs_for(loss, target)
        assert loss.link(Z).shape == loss.gradient(Z, target).shape == Z.shape
        assert loss.per_row(Z, target).shape == (2, N_ROWS)
        assert loss.score(Z, target, WEIGHT).shape == (2,)
        assert loss.fit_intercept_only(target, WEIGHT).shape == Z.shape[-1:]

    @every_loss
    def test_the_best_constant_is_a_minimum(self, loss, target):
        target = target[:, :2] if isinstance(loss, Quantile) else target
        best = loss.fit_intercept_only(target, WEIGHT).numpy()
        value = mean_loss(loss, best, target, WEIGHT)
        # A minimizer that knows no gradient, from the best constant and from elsewhere.
        for start in (best, np.full_like(best, 0.3)):
            found = scipy.optimize.minimize(
                lambda constant: mean_loss(loss, constant, target, WEIGHT),
                start,
                method="Powell",
                options={"xtol": 1e-9, "ftol": 1e-12, "maxiter": 10000},
            )
            # Where quantiles coincide, 1e-6 of the range of the targets keeps their outputs finite.
            rounding = 1e-5 if isinstance(loss, Quantile) else 1e-9
            assert value <= found.fun + rounding
            assert value >= found.fun - 1e-3 or start is not best

    @every_loss
    def test_weights_are_repetitions(self, loss, target):
        counts = np.random.default_rng(2).integers(1, 4, N_ROWS)
        weighted = loss.fit_intercept_only(target, torch.from_numpy(counts / counts.sum()))
        repeated = target[np.repeat(np.arange(N_ROWS), counts)]
        uniform = torch.full((len(repeated),), 1 / len(repeated), dtype=torch.float64)
        torch.testing.assert_close(weighted, loss.fit_intercept_only(repeated, uniform), rtol=1e-7, atol=1e-7)

    @every_loss
    def test_the_gradient_of_the_null_model_has_mean_zero(self, loss, target):
        outputs = loss.fit_intercept_only(target, WEIGHT)
        gradient = loss.null_gradient(outputs, target, WEIGHT)
        assert gradient.shape == (1, N_ROWS, len(outputs))
        torch.testing.assert_close(WEIGHT @ gradient[0], torch.zeros_like(outputs), rtol=0, atol=1e-9)

    @every_loss
    def test_the_gradient_of_the_null_model_is_the_gradient_away_from_kinks(self, loss, target):
        def by_target(gradient):
            return gradient.unflatten(-1, (4, -1))

        outputs = loss.fit_intercept_only(target, WEIGHT)
        Z = outputs.expand(1, N_ROWS, -1)
        # Farther than the gap that is left between coinciding quantiles.
        jump = by_target(loss.gradient(Z + 1e-4, target) - loss.gradient(Z - 1e-4, target)).abs().amax(dim=-1)
        apart = (jump < 1e-3) | torch.tensor(loss.smooth)
        assert apart.any()
        found = by_target(loss.null_gradient(outputs, target, WEIGHT))[apart]
        torch.testing.assert_close(found, by_target(loss.gradient(Z, target))[apart], rtol=1e-9, atol=1e-12)

    @every_loss
    def test_it_is_a_module_without_state_that_can_be_copied_and_pickled(self, loss, target):
        assert isinstance(loss, torch.nn.Module)
        assert not loss.state_dict()
        Z = outputs_for(loss, target)
        for twin in (pickle.loads(pickle.dumps(loss)), copy.deepcopy(loss)):
            assert torch.equal(twin.per_row(Z, target), loss.per_row(Z, target))
            assert twin.out_activation == loss.out_activation

    @every_loss
    def test_targets_in_range_are_accepted(self, loss, target):
        loss.check_targets(target.numpy())

    @every_loss
    def test_float32_is_float64_but_for_rounding(self, loss, target):
        Z = outputs_for(loss, target)
        for function in (loss.per_row, loss.gradient, lambda Z, T: loss.score(Z, T, WEIGHT.to(Z.dtype))):
            single = function(Z.float(), target.float())
            assert single.dtype == torch.float32
            # Equal up to rounding, but for rows that rounding moves across a kink: there is none here.
            torch.testing.assert_close(single.double(), function(Z, target), rtol=1e-4, atol=1e-5)

    @every_loss
    def test_smooth_is_whether_the_gradient_has_no_jump(self, loss, target):
        if isinstance(loss, CustomLoss):
            assert not loss.smooth
            return
        T = target[:1]
        if isinstance(loss, SoftmaxLogLoss | LogisticLogLoss):
            crossing = torch.zeros(1, 1, 4, dtype=torch.float64)
        elif loss.out_activation == "exp":
            crossing = T.clamp_min(0.1).log().unsqueeze(0)
        else:
            crossing = torch.zeros(1, 1, loss.n_outputs(4), dtype=torch.float64)
            crossing.unflatten(-1, (4, -1))[..., loss.n_outputs(1) // 2] = T
        jump = (loss.gradient(crossing + 1e-9, T) - loss.gradient(crossing - 1e-9, T)).abs().max()
        assert loss.smooth == bool(jump < 1e-3)


@pytest.mark.parametrize(("loss", "target"), AS_WIDE_AS_TARGETS)
def test_link_is_of_the_named_activation(loss, target):
    functions = {
        "identity": lambda Z: Z,
        "exp": torch.exp,
        "logistic": torch.sigmoid,
        "softmax": lambda Z: torch.softmax(Z, dim=-1),
    }
    torch.testing.assert_close(loss.link(Z), functions[loss.out_activation](Z))


class TestReferences:
    def test_softmax_log_loss_is_scikit_learns(self):
        expected = log_loss(LABELS, torch.softmax(Z[0], 1).numpy(), sample_weight=WEIGHT.numpy())
        assert float(SoftmaxLogLoss().per_row(Z, ONE_HOT)[0] @ WEIGHT) == pytest.approx(expected, rel=1e-12)

    def test_logistic_log_loss_is_the_sum_of_the_labels_log_losses(self):
        probability = torch.sigmoid(Z[0]).numpy()
        expected = sum(log_loss(INDICATORS[:, k].numpy(), probability[:, k]) for k in range(4))
        assert float(LogisticLogLoss().per_row(Z, INDICATORS)[0].mean()) == pytest.approx(expected, rel=1e-12)

    def test_half_squared_error_is_torchs(self):
        expected = F.mse_loss(Z, NUMBERS.expand_as(Z), reduction="none").sum(dim=-1) / 2
        torch.testing.assert_close(HalfSquaredError().per_row(Z, NUMBERS), expected)

    def test_absolute_error_is_scikit_learns(self):
        weight = WEIGHT.numpy()
        expected = mean_absolute_error(NUMBERS, Z[0], sample_weight=weight, multioutput="raw_values").sum()
        assert float(AbsoluteError().per_row(Z, NUMBERS)[0] @ WEIGHT) == pytest.approx(expected, rel=1e-12)

    @pytest.mark.parametrize("delta", [0.1, 1.0, 100.0])
    def test_huber_is_torchs(self, delta):
        expected = F.huber_loss(Z, NUMBERS.expand_as(Z), delta=delta, reduction="none").sum(dim=-1)
        torch.testing.assert_close(Huber(delta).per_row(Z, NUMBERS), expected, rtol=1e-12, atol=1e-12)

    @pytest.mark.parametrize("levels", [(0.2,), LEVELS])
    def test_quantile_is_the_sum_of_scikit_learns_pinball_losses(self, levels):
        loss = Quantile(levels)
        outputs = outputs_for(loss, NUMBERS)
        predicted = loss.link(outputs)[0].numpy()
        expected = sum(
            mean_pinball_loss(NUMBERS[:, j], predicted[:, j * len(levels) + k], alpha=level, sample_weight=WEIGHT)
            for j in range(4)
            for k, level in enumerate(levels)
        )
        assert float(loss.per_row(outputs, NUMBERS)[0] @ WEIGHT) == pytest.approx(expected, rel=1e-12)

    @pytest.mark.parametrize(
        ("loss", "target", "deviance"),
        [(Poisson(), COUNTS, mean_poisson_deviance), (Gamma(), POSITIVE, mean_gamma_deviance)],
    )
    def test_deviances_are_twice_scikit_learns(self, loss, target, deviance):
        assert (COUNTS == 0).any()
        mean = Z[0].exp().numpy()
        expected = sum(deviance(target[:, k].numpy(), mean[:, k], sample_weight=WEIGHT.numpy()) for k in range(4)) / 2
        assert float(loss.per_row(Z, target)[0] @ WEIGHT) == pytest.approx(expected, rel=1e-12)


class TestScores:
    @pytest.mark.parametrize("member", [0, 1])
    def test_accuracy_is_scikit_learns(self, member):
        weight = WEIGHT.numpy()
        predicted = Z[member].numpy()
        accuracy = accuracy_score(LABELS, predicted.argmax(1), sample_weight=weight)
        assert SoftmaxLogLoss().score(Z, ONE_HOT, WEIGHT)[member].item() == pytest.approx(accuracy)
        subset = accuracy_score(INDICATORS.numpy(), predicted > 0, sample_weight=weight)
        assert LogisticLogLoss().score(Z, INDICATORS, WEIGHT)[member].item() == pytest.approx(subset)

    @pytest.mark.parametrize(
        "loss",
        [
            HalfSquaredError(),
            AbsoluteError(),
            Huber(1.0),
            Quantile((0.3,)),
            Poisson(),
            Gamma(),
            CustomLoss(log_cosh, HalfSquaredError()),
        ],
    )
    def test_r2_is_that_of_the_predictions(self, loss):
        for member in range(2):
            expected = r2_score(POSITIVE, loss.link(Z)[member], sample_weight=WEIGHT)
            assert loss.score(Z, POSITIVE, WEIGHT)[member].item() == pytest.approx(expected)

    def test_r2_of_a_constant_target_is_scikit_learns(self):
        target = torch.full((5, 1), 2.0, dtype=torch.float64)
        weight = torch.full((5,), 0.2, dtype=torch.float64)
        met = HalfSquaredError().score(target.unsqueeze(0), target, weight).item()
        missed = HalfSquaredError().score(target.unsqueeze(0) + 1, target, weight).item()
        assert (met, missed) == (r2_score(target, target), r2_score(target, target + 1))

    @pytest.mark.parametrize("target", [NUMBERS, COUNTS])
    def test_that_of_several_quantiles_is_the_mean_of_scikit_learns(self, target):
        loss = Quantile(LEVELS)
        outputs = outputs_for(loss, target)
        for member in range(2):
            predicted = loss.link(outputs)[member].unflatten(-1, (4, -1)).numpy()
            expected = np.mean(
                [
                    d2_pinball_score(target, predicted[..., k], alpha=level, sample_weight=WEIGHT)
                    for k, level in enumerate(LEVELS)
                ]
            )
            assert loss.score(outputs, target, WEIGHT)[member].item() == pytest.approx(expected)

    def test_that_of_quantiles_of_a_constant_target_is_scikit_learns(self):
        loss = Quantile((0.2, 0.8))
        target = torch.full((5, 1), 2.0, dtype=torch.float64)
        weight = torch.full((5,), 0.2, dtype=torch.float64)
        outputs = torch.tensor([-900.0, 2.0], dtype=torch.float64).expand(1, 5, 2)
        assert loss.score(outputs, target, weight).item() == d2_pinball_score(target, target) == 1
        assert loss.score(outputs + 1, target, weight).item() == d2_pinball_score(target, target + 1) == 0

    def test_one_quantile_is_scored_by_the_share_of_variance_even_at_the_tail(self):
        assert (
            Quantile((0.9,)).score(Z, NUMBERS, WEIGHT).tolist() == HalfSquaredError().score(Z, NUMBERS, WEIGHT).tolist()
        )


class TestBestConstants:
    def test_means(self):
        mean = WEIGHT @ COUNTS
        torch.testing.assert_close(HalfSquaredError().fit_intercept_only(COUNTS, WEIGHT), mean)
        torch.testing.assert_close(Poisson().fit_intercept_only(COUNTS, WEIGHT).exp(), mean)
        torch.testing.assert_close(Gamma().fit_intercept_only(POSITIVE, WEIGHT).exp(), WEIGHT @ POSITIVE)
        torch.testing.assert_close(SoftmaxLogLoss().fit_intercept_only(ONE_HOT, WEIGHT).exp(), WEIGHT @ ONE_HOT)
        torch.testing.assert_close(
            LogisticLogLoss().fit_intercept_only(INDICATORS, WEIGHT).sigmoid(), WEIGHT @ INDICATORS
        )

    def test_a_class_without_rows_has_finite_outputs(self):
        none, weight = torch.zeros(3, 2, dtype=torch.float64), torch.full((3,), 1 / 3, dtype=torch.float64)
        for loss in (SoftmaxLogLoss(), LogisticLogLoss(), Poisson()):
            assert torch.isfinite(loss.fit_intercept_only(none, weight)).all()

    @pytest.mark.parametrize("rank", range(1, 20))
    def test_quantiles_are_the_smallest_target_that_reaches_the_level(self, rank):
        # In floating point, sums of twentieths are now more and now less than they should be.
        target = torch.from_numpy(np.random.default_rng(5).permutation(20) + 1.0).unsqueeze(1)
        weight = torch.full((20,), 1 / 20, dtype=torch.float64)
        for level, expected in ((rank / 20 - 1e-9, rank), (rank / 20, rank), (rank / 20 + 1e-9, rank + 1)):
            assert Quantile((level,)).fit_intercept_only(target, weight).item() == expected

    def test_the_medians(self):
        target = torch.tensor([[1.0, 5], [2, 6], [30, 7]], dtype=torch.float64)
        uniform = torch.full((3,), 1 / 3, dtype=torch.float64)
        assert AbsoluteError().fit_intercept_only(target, uniform).tolist() == [2, 6]
        assert AbsoluteError().fit_intercept_only(target, torch.tensor([0.1, 0.2, 0.7]).double()).tolist() == [30, 7]

    @pytest.mark.parametrize("delta", [1e-6, 0.3, 1.0, 1e6])
    def test_the_location_of_huber_is_exact(self, delta):
        location = Huber(delta).fit_intercept_only(NUMBERS, WEIGHT)
        np.testing.assert_allclose(WEIGHT @ (location - NUMBERS).clamp(-delta, delta), 0, atol=1e-15)

    def test_huber_takes_the_middle_of_many_minima(self):
        target = torch.tensor([[0.0], [0], [0], [1], [1], [1]], dtype=torch.float64)
        weight = torch.full((6,), 1 / 6, dtype=torch.float64)
        assert Huber(0.1).fit_intercept_only(target, weight).item() == pytest.approx(0.5, abs=1e-12)

    @pytest.mark.parametrize("loss", [AbsoluteError(), Huber(0.5), Quantile((0.3,)), Quantile(LEVELS)])
    @pytest.mark.parametrize("value", [0.0, 5.1, -1e6])
    def test_constant_targets_are_met(self, loss, value):
        target = torch.full((7, 1), value, dtype=torch.float64)
        weight = torch.full((7,), 1 / 7, dtype=torch.float64)
        outputs = loss.fit_intercept_only(target, weight)
        assert torch.isfinite(outputs).all()
        np.testing.assert_allclose(loss.link(outputs), value, rtol=1e-15, atol=1e-300)
        np.testing.assert_allclose(loss.null_gradient(outputs, target, weight), 0, atol=1e-9)

    def test_quantiles_that_coincide_stay_near_and_can_be_trained(self):
        loss = Quantile(LEVELS)
        target = torch.tensor([[0.0]] * 9 + [[8.0]], dtype=torch.float64)
        weight = torch.full((10,), 0.1, dtype=torch.float64)
        outputs = loss.fit_intercept_only(target, weight)
        np.testing.assert_allclose(loss.link(outputs), [0, 0, 0, 0, 8], atol=3e-5)
        elsewhere = torch.full((1, 1, 1), 5.0, dtype=torch.float64)
        assert loss.gradient(outputs.expand(1, 1, 5), elsewhere[0]).abs().min() > 1e-7

    def test_that_of_a_custom_loss_is_that_of_the_same_loss(self):
        custom = CustomLoss(squared_error, AbsoluteError())
        expected = HalfSquaredError().fit_intercept_only(NUMBERS, WEIGHT)
        torch.testing.assert_close(custom.fit_intercept_only(NUMBERS, WEIGHT), expected, rtol=1e-9, atol=1e-9)

    @pytest.mark.parametrize(
        "function",
        [
            lambda y_true, y_pred: y_pred.sum(dim=1),
            lambda y_true, y_pred: -(y_pred**2).sum(dim=1),
            lambda y_true, y_pred: -y_pred.exp().sum(dim=1),
            lambda y_true, y_pred: y_pred.log().sum(dim=1),
        ],
        ids=["linear", "concave", "exponential", "undefined"],
    )
    def test_a_custom_loss_without_minimum(self, function):
        expected = "The 'loss' parameter must be a function whose mean has a minimum among constant outputs; the search"
        with pytest.raises(ValueError, match=expected):
            CustomLoss(function, HalfSquaredError()).fit_intercept_only(NUMBERS[:, :1], WEIGHT)


@pytest.mark.parametrize("level", [0.2, 0.5, 0.9])
@pytest.mark.parametrize("target", [NUMBERS[:, 0], NUMBERS[:, 1].round(decimals=1)], ids=["distinct", "with-ties"])
def test_the_null_gradient_tells_where_scikit_learns_quantile_regression_is_empty(level, target):
    X = np.random.default_rng(3).normal(size=(N_ROWS, 5))
    y, weight = target.unsqueeze(1), WEIGHT
    losses = [(Quantile((level,)), 1.0), *([(AbsoluteError(), 2.0)] if level == 0.5 else [])]
    for loss, factor in losses:
        residual = loss.null_gradient(loss.fit_intercept_only(y, weight), y, weight)[0]
        strength = np.abs(X.T @ (weight[:, None] * residual).numpy()).max() / factor
        coefs = {}
        for share in (0.5, 0.999, 1.001):
            model = QuantileRegressor(quantile=level, alpha=share * strength, solver="highs")
            coefs[share] = model.fit(X, target, sample_weight=weight).coef_
        np.testing.assert_allclose(coefs[1.001], 0, atol=1e-9)
        assert np.abs(coefs[0.5]).max() > 1e-3
        if len(np.unique(target)) == N_ROWS:
            assert np.abs(coefs[0.999]).max() > 1e-9


class TestQuantilesDoNotCross:
    @pytest.mark.parametrize("levels", [(0.5, 0.6), (0.1, 0.5, 0.9), LEVELS, tuple(np.arange(1, 20) / 20)])
    @pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
    @pytest.mark.parametrize("scale", [1e-3, 1.0, 30.0, 1e4, 1e30])
    def test_whatever_the_outputs(self, levels, dtype, scale):
        outputs = (torch.from_numpy(np.random.default_rng(4).normal(size=(3, 50, 2 * len(levels)))) * scale).to(dtype)
        predicted = Quantile(levels).link(outputs).unflatten(-1, (2, -1))
        assert torch.isfinite(predicted).all()
        assert (predicted.diff(dim=-1) >= 0).all()
        assert torch.equal(predicted[..., len(levels) // 2], outputs.unflatten(-1, (2, -1))[..., len(levels) // 2])

    def test_every_ascending_triple_can_be_had(self):
        wanted = np.array([[-3.0, -2.9, 50.0], [1.0, 1.001, 1.002]])
        loss = Quantile((0.1, 0.5, 0.9))
        gap = np.log(np.expm1(np.diff(wanted)))
        outputs = np.stack([gap[:, 0], wanted[:, 1], gap[:, 1]], axis=1).ravel()
        np.testing.assert_allclose(loss.link(torch.from_numpy(outputs)), wanted.ravel(), rtol=1e-12)

    def test_names_of_the_link_and_numbers_of_outputs(self):
        assert Quantile((0.3,)).out_activation == "identity"
        assert Quantile((0.3, 0.4)).out_activation == "non_crossing"
        assert Quantile((0.3, 0.4)).n_outputs(5) == 10
        assert Huber(1.0).n_outputs(5) == 5

    def test_gradient_beyond_where_softplus_is_linear(self):
        outputs = torch.tensor([[[25.0, 1, 3, 39, 41]], [[-50.0, 1, -39, 500, 22]]], dtype=torch.float64)
        target = torch.tensor([[-7.0]], dtype=torch.float64)
        leaf = outputs.clone().requires_grad_()
        Quantile(LEVELS).per_row(leaf, target).sum().backward()
        torch.testing.assert_close(Quantile(LEVELS).gradient(outputs, target), leaf.grad, rtol=1e-14, atol=1e-16)


class TestExtremes:
    def test_log_losses_stay_finite_where_probabilities_underflow(self):
        extreme = torch.tensor([[[2000.0, -2000.0]]], dtype=torch.float64)
        target = torch.tensor([[0.0, 1.0]], dtype=torch.float64)
        assert SoftmaxLogLoss().per_row(extreme, target).item() == 4000
        assert LogisticLogLoss().per_row(extreme, target).item() == 4000

    @pytest.mark.parametrize("loss", [AbsoluteError(), Huber(2.0), Quantile((0.5,)), Quantile(LEVELS)])
    @pytest.mark.parametrize("size", [1e-30, 1e30, -1e30])
    def test_robust_losses_stay_finite(self, loss, size):
        outputs = torch.full((1, 1, loss.n_outputs(1)), size)
        assert torch.isfinite(loss.per_row(outputs, torch.zeros(1, 1))).all()
        assert torch.isfinite(loss.gradient(outputs, torch.zeros(1, 1))).all()

    @pytest.mark.parametrize("loss", [Poisson(), Gamma()])
    @pytest.mark.parametrize("mean", [1e-3, 1.0, 1e6])
    @pytest.mark.parametrize("off", [0.0, 2e-3, -2e-3, 0.9, 1.1, -5, 8])
    def test_deviances_keep_their_digits_in_float32(self, loss, mean, off):
        target = torch.tensor([[mean]])
        # The deviance is about off**2 / 2: the last digit of the log of 1e6 moves that of off = 0.002 by 1e-3.
        outputs = target.log().unsqueeze(0) + off
        expected = loss.per_row(outputs.double(), target.double())
        size = target.item() if isinstance(loss, Poisson) else 1
        torch.testing.assert_close(loss.per_row(outputs, target).double(), expected, rtol=5e-3, atol=1e-11 * size)

    @pytest.mark.parametrize(
        ("target", "output"), [(0.0, 80.0), (0.0, -200.0), (1e-30, 60.0), (1e30, -80.0), (3.0, -80.0)]
    )
    def test_poisson_is_finite_wherever_the_mean_is(self, target, output):
        T, Z = torch.tensor([[target]]), torch.tensor([[[output]]])
        found = Poisson().per_row(Z, T)
        torch.testing.assert_close(found.double(), Poisson().per_row(Z.double(), T.double()), rtol=1e-4, atol=1e-30)
        mean = np.exp(np.float64(output))
        exact = mean - target + (target * (np.log(target) - output) if target else 0)
        assert found.item() == pytest.approx(exact, rel=1e-5)
        assert torch.isfinite(Poisson().gradient(Z, T)).all()

    @pytest.mark.parametrize(("target", "output"), [(1e-30, -100.0), (1e30, 100.0), (1e-30, 80.0), (1e20, -30.0)])
    def test_gamma_is_finite_wherever_the_ratio_is(self, target, output):
        T, Z = torch.tensor([[target]]), torch.tensor([[[output]]])
        ratio = np.exp(np.log(target) - output)
        assert Gamma().per_row(Z, T).item() == pytest.approx(ratio - 1 - np.log(target) + output, rel=1e-4)
        assert Gamma().gradient(Z, T).item() == pytest.approx(1 - ratio, rel=1e-4)


class TestTargets:
    @pytest.mark.parametrize(
        ("loss", "targets", "expected"),
        [
            (Poisson(), [[1.0], [-2.0]], "y must not be negative with loss='poisson'; got -2.0."),
            (Gamma(), [[1.0], [0.0]], "y must be positive with loss='gamma'; got 0.0."),
        ],
    )
    def test_out_of_range(self, loss, targets, expected):
        with pytest.raises(ValueError, match=exactly(expected)):
            loss.check_targets(np.array(targets))

    def test_counts_of_zero_alone(self):
        batch = np.array([[1.0, 0], [0, 0]])
        Poisson().check_targets(batch)  # may be a batch among others
        with pytest.raises(
            ValueError, match=exactly("y must not be zero in all rows with loss='poisson'; column 1 is.")
        ):
            Poisson().check_whole(batch)

    def test_label_smoothing(self):
        smooth = SoftmaxLogLoss().smooth_targets(ONE_HOT, 0.2)
        np.testing.assert_allclose(smooth.sum(1), 1)
        assert sorted(set(smooth.numpy().ravel().round(12))) == [0.05, 0.85]
        assert sorted(set(LogisticLogLoss().smooth_targets(INDICATORS, 0.2).numpy().ravel().round(12))) == [0.1, 0.9]
        assert torch.equal(CustomLoss(focal_loss, SoftmaxLogLoss()).smooth_targets(ONE_HOT, 0.2), smooth)
        for loss in (HalfSquaredError(), Poisson(), CustomLoss(log_cosh, HalfSquaredError())):
            with pytest.raises(TypeError, match="label smoothing needs class targets"):
                loss.smooth_targets(NUMBERS, 0.2)


class TestCustomLoss:
    def test_it_is_given_targets_and_outputs_of_one_member(self):
        seen = []

        def record(y_true, y_pred):
            seen.append((y_true, y_pred))
            return squared_error(y_true, y_pred)

        targets = torch.stack([NUMBERS, NUMBERS.flip(0)])
        found = CustomLoss(record, HalfSquaredError()).per_row(Z, targets)
        torch.testing.assert_close(found, HalfSquaredError().per_row(Z, targets))
        assert len(seen) == 2
        for member, (y_true, y_pred) in enumerate(seen):
            assert torch.equal(y_true, targets[member])
            assert torch.equal(y_pred, Z[member])

    def test_its_gradient_is_that_of_the_same_loss(self):
        with torch.no_grad():
            custom = CustomLoss(squared_error, HalfSquaredError()).gradient(Z, NUMBERS)
        torch.testing.assert_close(custom, HalfSquaredError().gradient(Z, NUMBERS))
        assert not custom.requires_grad

    def test_double_results_for_single_outputs(self):
        loss = CustomLoss(lambda y_true, y_pred: squared_error(y_true.double(), y_pred), HalfSquaredError())
        assert loss.per_row(Z.float(), NUMBERS.float()).dtype == torch.float32
        assert loss.gradient(Z.float(), NUMBERS.float()).dtype == torch.float32

    @pytest.mark.parametrize(
        ("function", "got"),
        [
            (lambda y_true, y_pred: (y_true - y_pred).square(), "one of shape (30, 4)"),
            (lambda y_true, y_pred: (y_true - y_pred).square().mean(), "one of shape ()"),
            (lambda y_true, y_pred: (y_true - y_pred).square().sum(dim=1, keepdim=True), "one of shape (30, 1)"),
            (lambda y_true, y_pred: 3.5, "3.5"),
            (lambda y_true, y_pred: None, "None"),
        ],
    )
    @pytest.mark.parametrize("method", ["per_row", "gradient"])
    def test_results_of_another_shape(self, function, got, method):
        expected = (
            "The 'loss' parameter must be a function that returns a tensor of shape (n_rows,), the loss of each row, "
            f"here (30,); got {got}."
        )
        with pytest.raises(ValueError, match=exactly(expected)):
            getattr(CustomLoss(function, HalfSquaredError()), method)(Z, NUMBERS)

    @pytest.mark.parametrize(
        "function",
        [
            lambda y_true, y_pred: squared_error(y_true, y_pred.detach()),
            lambda y_true, y_pred: torch.from_numpy(np.square(y_pred.detach().numpy()).sum(axis=1)),
            lambda y_true, y_pred: y_true.sum(dim=1),
            lambda y_true, y_pred: y_true.sum(dim=1) * torch.ones((), requires_grad=True),
            lambda y_true, y_pred: (y_true.argmax(dim=1) != y_pred.argmax(dim=1)).to(torch.float64),
        ],
        ids=["detached", "numpy", "constant", "other-parameters", "zero-one"],
    )
    def test_results_without_gradient(self, function):
        expected = (
            "The 'loss' parameter must be a function whose result depends on y_pred through torch operations; got a "
            "result that is detached from y_pred, so it has no gradient."
        )
        with pytest.raises(ValueError, match=exactly(expected)):
            CustomLoss(function, HalfSquaredError()).gradient(Z, NUMBERS)


class TestNames:
    @pytest.mark.parametrize(
        ("name", "kind"),
        list(zip(REGRESSION_LOSSES, (HalfSquaredError, AbsoluteError, Huber, Quantile, Poisson, Gamma), strict=True)),
    )
    def test_regression(self, name, kind):
        assert type(regression_loss(name, quantile=0.5, delta=1.0)) is kind

    def test_parameters_arrive(self):
        assert regression_loss("huber", quantile=0.5, delta=2.5).delta == 2.5
        assert regression_loss("quantile", quantile=0.3, delta=1.0).quantiles == (0.3,)
        for levels in ([0.1, 0.9], (0.1, 0.9), np.array([0.1, 0.9])):
            assert regression_loss("quantile", quantile=levels, delta=1.0).quantiles == (0.1, 0.9)

    @pytest.mark.parametrize(("is_multiclass", "kind"), [(True, SoftmaxLogLoss), (False, LogisticLogLoss)])
    def test_classification(self, is_multiclass, kind):
        for name in CLASSIFICATION_LOSSES:
            assert type(classification_loss(name, is_multiclass=is_multiclass)) is kind
        custom = classification_loss(focal_loss, is_multiclass=is_multiclass)
        assert custom.function is focal_loss
        assert custom.out_activation == kind.out_activation

    def test_a_function_for_regression(self):
        custom = regression_loss(log_cosh, quantile=0.5, delta=1.0)
        assert custom.function is log_cosh
        assert custom.out_activation == "identity"

    @pytest.mark.parametrize(
        "quantile", [0, 1, 1.5, -0.1, np.nan, "0.5", True, None, [], [0.5, 0.5], (0.9, 0.1), [0.1, "a"], [[0.1], [0.2]]]
    )
    @pytest.mark.parametrize("name", ["quantile", "squared_error"])
    def test_quantiles_out_of_range(self, quantile, name):
        expected = (
            "The 'quantile' parameter must be a number in (0, 1), or an ascending sequence of such numbers; got "
            f"{quantile!r}."
        )
        with pytest.raises(ValueError, match=exactly(expected)):
            regression_loss(name, quantile=quantile, delta=1.0)

    def test_unknown_names(self):
        expected = (
            "The 'loss' parameter must be one of ('squared_error', 'absolute_error', 'huber', 'quantile', 'poisson', "
            "'gamma') or a function; got 'log_loss'."
        )
        with pytest.raises(ValueError, match=exactly(expected)):
            regression_loss("log_loss", quantile=0.5, delta=1.0)
        expected = "The 'loss' parameter must be one of ('log_loss',) or a function; got 3."
        with pytest.raises(ValueError, match=exactly(expected)):
            classification_loss(3, is_multiclass=True)

"""Where training starts: around the best constant of the loss on the training rows."""

import numpy as np
import pytest
import scipy.sparse
import torch
from scipy.optimize import minimize_scalar
from sklearn.linear_model import GammaRegressor, PoissonRegressor
from sklearn.metrics import d2_tweedie_score
from sklearn.model_selection import KFold, PredefinedSplit, cross_val_predict

from skreg import RegularizedMLPClassifier, RegularizedMLPRegressor
from skreg.losses import Quantile, SoftmaxLogLoss
from skreg.model_selection import cross_val_predict as cross_val_predict_together

pytestmark = pytest.mark.filterwarnings(
    "ignore::sklearn.exceptions.ConvergenceWarning",
    # Here, targets have all sizes on purpose.
    "ignore:y has a standard deviation",
    "ignore:y_val has another location",
)

# Steps too small to be seen: what is fitted is where training starts.
STILL = {"hidden_layer_sizes": (4,), "learning_rate_init": 1e-12, "max_iter": 1, "random_state": 0}
RNG = np.random.default_rng(0)
X = RNG.normal(size=(60, 3))
NUMBERS = 50 + 10 * RNG.normal(size=60)
POSITIVE = RNG.gamma(2, 1000, size=60)
WEIGHT = RNG.uniform(0.1, 2, size=60)
CLASSES = np.repeat([0, 1, 2], [40, 15, 5])


def start_of(model, y, sample_weight=None, **options):
    return model.fit(X, y, sample_weight, **options).intercepts_[-1]


def regressor(loss="squared_error", **options):
    return RegularizedMLPRegressor(loss=loss, **STILL | options)


def classifier(**options):
    return RegularizedMLPClassifier(**STILL | options)


def weighted_quantile(y, weight, level):
    order = np.argsort(y)
    reached = np.cumsum(weight[order]) / weight.sum()
    return y[order][np.searchsorted(reached, level)]


def huber_constant(y, weight, delta):
    def loss(c):
        distance = np.abs(y - c)
        return weight @ np.where(distance <= delta, distance**2 / 2, delta * (distance - delta / 2))

    return minimize_scalar(loss, bounds=(y.min(), y.max()), options={"xatol": 1e-10}, method="bounded").x


@pytest.mark.parametrize("weight", [np.ones(60), WEIGHT], ids=["equal", "weighted"])
class TestBestConstants:
    @pytest.mark.parametrize(
        ("options", "y", "constant"),
        [
            ({}, NUMBERS, lambda y, w: np.average(y, weights=w)),
            ({"loss": "absolute_error"}, NUMBERS, lambda y, w: weighted_quantile(y, w, 0.5)),
            ({"loss": "huber", "delta": 3.0}, NUMBERS, lambda y, w: huber_constant(y, w, 3.0)),
            ({"loss": "quantile", "quantile": 0.83}, NUMBERS, lambda y, w: weighted_quantile(y, w, 0.83)),
            ({"loss": "poisson"}, np.round(POSITIVE), lambda y, w: np.log(np.average(y, weights=w))),
            ({"loss": "gamma"}, POSITIVE, lambda y, w: np.log(np.average(y, weights=w))),
        ],
        ids=["mean", "median", "huber", "quantile", "poisson", "gamma"],
    )
    def test_of_numbers(self, options, y, constant, weight):
        start = start_of(regressor(**options), y, weight)
        assert start == pytest.approx([constant(y, weight)], rel=1e-6)

    def test_of_several_outputs_and_quantiles(self, weight):
        Y = np.column_stack([NUMBERS, POSITIVE])
        assert start_of(regressor(), Y, weight) == pytest.approx(np.average(Y, axis=0, weights=weight))
        levels = (0.1, 0.5, 0.9)
        model = regressor("quantile", quantile=levels).fit(X, Y, weight)
        quantiles = Quantile(levels).link(torch.from_numpy(model.intercepts_[-1])).reshape(2, 3)
        expected = [[weighted_quantile(column, weight, level) for level in levels] for column in Y.T]
        np.testing.assert_allclose(quantiles, expected, rtol=1e-6)

    def test_of_classes(self, weight):
        shares = np.bincount(CLASSES, weight) / weight.sum()
        start = start_of(classifier(), CLASSES, weight)
        np.testing.assert_allclose(np.exp(start) / np.exp(start).sum(), shares, rtol=1e-6)
        is_first = CLASSES == 0
        assert start_of(classifier(), is_first, weight) == pytest.approx([np.log(shares[0] / (1 - shares[0]))])
        labels = np.column_stack([is_first, CLASSES == 2])
        odds = np.average(labels, axis=0, weights=weight)
        assert start_of(classifier(), labels, weight) == pytest.approx(np.log(odds / (1 - odds)))

    def test_as_the_training_loss_sees_classes(self, weight):
        shares = np.bincount(CLASSES, weight) / weight.sum()
        start = start_of(classifier(label_smoothing=0.3), CLASSES, weight)
        np.testing.assert_allclose(np.exp(start) / np.exp(start).sum(), 0.7 * shares + 0.1, rtol=1e-6)
        np.testing.assert_allclose(start_of(classifier(class_weight="balanced"), CLASSES, weight), 0, atol=1e-9)
        start = start_of(classifier(class_weight={0: 1, 1: 2, 2: 5}), CLASSES, weight)
        tilted = shares * [1, 2, 5]
        np.testing.assert_allclose(np.exp(start) / np.exp(start).sum(), tilted / tilted.sum(), rtol=1e-6)


class TestWhichRows:
    def test_validation_rows_have_no_say(self, held_out):
        fold = np.where(np.arange(60) % 4, -1, 0)
        model = regressor(early_stopping=PredefinedSplit(fold))
        assert start_of(model, NUMBERS) == pytest.approx([NUMBERS[fold < 0].mean()])
        rows = np.setdiff1d(np.arange(60), held_out(60))
        assert start_of(regressor(early_stopping=True), NUMBERS) == pytest.approx([NUMBERS[rows].mean()])
        start = start_of(regressor(), NUMBERS, X_val=X[:9], y_val=1000 + NUMBERS[:9])
        assert start == pytest.approx([NUMBERS.mean()])

    def test_the_refit_starts_with_all_rows(self):
        fold = np.where(np.arange(60) % 4, -1, 0)
        model = regressor(early_stopping=PredefinedSplit(fold), refit_on_all=True)
        assert start_of(model, NUMBERS) == pytest.approx([NUMBERS.mean()])
        X_val, y_val = X[:20] + 1, NUMBERS[:20] + 30
        start = start_of(regressor(early_stopping=True, refit_on_all=True), NUMBERS, X_val=X_val, y_val=y_val)
        assert start == pytest.approx([np.concatenate([NUMBERS, y_val]).mean()])

    def test_a_refit_goes_on_from_a_checkpoint_with_the_same_start(self, tmp_path):
        fold = np.where(np.arange(60) % 4, -1, 0)
        options = {"learning_rate_init": 0.01, "n_iter_no_change": np.inf, "early_stopping": PredefinedSplit(fold)}
        whole, half = (regressor(**options | {"refit_on_all": True, "max_iter": n}) for n in (6, 3))
        whole.fit(X, NUMBERS)
        half.fit(X, NUMBERS).save_checkpoint(tmp_path / "half.npz")
        resumed = regressor(**options | {"refit_on_all": True, "max_iter": 6}).load_checkpoint(tmp_path / "half.npz")
        resumed.fit(X, NUMBERS)
        np.testing.assert_array_equal(resumed.predict(X), whole.predict(X))

    def test_partial_fit_starts_at_its_first_rows(self):
        model = regressor().partial_fit(X[:20], NUMBERS[:20])
        assert model.intercepts_[-1] == pytest.approx([NUMBERS[:20].mean()])
        model.partial_fit(X[20:], NUMBERS[20:] + 1000)
        assert model.intercepts_[-1] == pytest.approx([NUMBERS[:20].mean()])

    def test_warm_starts_go_on_from_fitted_weights(self):
        model = regressor(warm_start=True).fit(X, NUMBERS)
        assert start_of(model, NUMBERS + 1000) == pytest.approx([NUMBERS.mean()])

    def test_sparse_rows_and_float32(self):
        model = regressor("gamma").fit(scipy.sparse.csr_matrix(X.astype(np.float32)), POSITIVE)
        assert model.intercepts_[-1] == pytest.approx([np.log(POSITIVE.mean())], rel=1e-6)

    def test_members_of_a_population_start_like_single_fits(self):
        model = RegularizedMLPRegressor((4,), loss="gamma", max_iter=5, random_state=0)
        folds = KFold(3)
        single = cross_val_predict(model, X, POSITIVE, cv=folds)
        np.testing.assert_allclose(cross_val_predict_together(model, X, POSITIVE, cv=folds), single, rtol=1e-9)


class TestNothingKnown:
    def test_classes_that_the_first_rows_lack(self):
        first = CLASSES < 2
        for classes in ([0, 1, 2], [0, 1, 2, 3]):
            model = classifier().partial_fit(X[first], CLASSES[first], classes=classes)
            np.testing.assert_allclose(model.intercepts_[-1], 0, atol=1e-9)
        model = classifier().partial_fit(X[CLASSES == 0], CLASSES[CLASSES == 0], classes=[0, 1])
        np.testing.assert_allclose(model.intercepts_[-1], 0, atol=1e-9)

    def test_classes_almost_without_weight(self):
        weight = np.where(CLASSES == 2, 1e-30, 1)
        start = start_of(classifier(), CLASSES, weight)
        assert np.ptp(start) < 14  # a share of 1e-6
        # A rare class that is really there starts at its share.
        shares = torch.tensor([[0.9999, 0.0001, 0.0], [0.9999, 0.0, 0.0001]]).double()
        outputs = SoftmaxLogLoss().start_outputs(shares, torch.full((2,), 0.5))
        np.testing.assert_allclose(outputs.softmax(0), shares.mean(dim=0))

    def test_labels_that_all_rows_have(self):
        labels = np.column_stack([CLASSES == 0, np.ones(60), np.zeros(60)]).astype(int)
        start = start_of(classifier(), labels)
        assert start == pytest.approx([np.log(2), 0, 0], abs=1e-9)

    def test_no_events_in_the_first_rows(self):
        model = regressor("poisson").partial_fit(X, np.zeros(60))
        np.testing.assert_allclose(model.intercepts_[-1], 0, atol=1e-9)

    def test_quantiles_that_coincide_can_still_part(self):
        y = np.where(np.arange(60) % 3, 0, POSITIVE)
        model = regressor("quantile", quantile=(0.1, 0.5, 0.9)).fit(X, y)
        quantiles = Quantile((0.1, 0.5, 0.9)).link(torch.from_numpy(model.intercepts_[-1])).numpy()
        gap = 0.01 * np.mean(np.abs(y - np.median(y)))
        assert quantiles == pytest.approx([-gap, 0, weighted_quantile(y, np.ones(60), 0.9)])
        constant = regressor("quantile", quantile=(0.1, 0.5, 0.9)).fit(X, np.full(60, 7.0))
        assert constant.intercepts_[-1] == pytest.approx([0, 7, 0], abs=1e-9)

    def test_a_constant_target_is_predicted_at_once(self):
        model = RegularizedMLPRegressor((5,), penalty=None, learning_rate_init=0.01, random_state=0)
        model.fit(X, np.full(60, 1234.5))
        assert model.predict(X) == pytest.approx(np.full(60, 1234.5), abs=0.5)


def logarithmic(y_true, y_pred):
    """Half the Poisson deviance up to a constant, of outputs that are logarithms of means."""
    return (y_pred.exp() - y_true * y_pred).sum(dim=-1)


class TestFunctionsOfTheUser:
    def test_start_at_zero_where_that_is_better(self):
        model = RegularizedMLPRegressor(loss=logarithmic, **STILL).fit(X, POSITIVE)
        np.testing.assert_allclose(model.intercepts_[-1], 0, atol=1e-9)

    def test_start_at_the_links_own_constant_otherwise(self):
        calls = []

        def absolute(y_true, y_pred):
            calls.append(y_pred.dtype)
            return (y_pred - y_true).abs().sum(dim=-1)

        model = RegularizedMLPRegressor(loss=absolute, **STILL).fit(X.astype(np.float32), NUMBERS)
        assert model.intercepts_[-1] == pytest.approx([NUMBERS.mean()])
        assert set(calls) == {torch.float32}


class TestUnits:
    """What a link of logarithms promises: the target can be left as it is."""

    @pytest.mark.parametrize("solver", ["adam", "lbfgs"])
    def test_gamma_predictions_do_not_depend_on_the_unit(self, solver):
        model = RegularizedMLPRegressor((8,), loss="gamma", solver=solver, max_iter=30, random_state=0)
        predictions = model.fit(X, POSITIVE).predict(X)
        for factor in (100, 1e-6, 1e9):
            scaled = model.fit(X, factor * POSITIVE).predict(X)
            np.testing.assert_allclose(scaled / factor, predictions, rtol=1e-6)

    @pytest.mark.parametrize(("loss", "power"), [("poisson", 1), ("gamma", 2)])
    def test_targets_in_the_thousands(self, loss, power):
        rng = np.random.default_rng(1)
        Z = rng.normal(size=(500, 3))
        counts = rng.poisson(np.exp(8 + 0.3 * Z[:, 0]))
        glm = {"poisson": PoissonRegressor, "gamma": GammaRegressor}[loss](alpha=0, max_iter=1000).fit(Z, counts)
        for dtype in (np.float64, np.float32):
            model = RegularizedMLPRegressor(loss=loss, random_state=0).fit(Z.astype(dtype), counts)
            ours = d2_tweedie_score(counts, model.predict(Z), power=power)
            assert ours > glm.score(Z, counts) - 0.02

    @pytest.mark.parametrize(("loss", "power"), [("poisson", 1), ("gamma", 2)])
    def test_prices_with_a_heavy_tail(self, loss, power):
        rng = np.random.default_rng(2)
        size = rng.normal(size=6000)
        X = np.column_stack([size + 0.2 * rng.normal(size=6000), rng.normal(size=(6000, 5))])
        y = np.exp(7.8 + 0.9 * size)
        model = RegularizedMLPRegressor(loss=loss, max_iter=10, random_state=0).fit(X[:3000], y[:3000])
        assert d2_tweedie_score(y[3000:], model.predict(X[3000:]), power=power) > 0.9


class TestDivergence:
    """A first batch that is met by chance must not make the others look like divergence."""

    @pytest.mark.parametrize("fit", [lambda m, X, y: m.fit(X, y), lambda m, X, y: cross_val_predict_together(m, X, y)])
    def test_rare_targets_far_away(self, fit):
        y = np.zeros(60)
        y[1::20] = 1e9
        fit(RegularizedMLPRegressor((2,), loss="absolute_error", shuffle=False, batch_size=1, max_iter=2), X, y)

    def test_steps_that_are_too_large_are_still_found(self):
        with pytest.raises(ValueError, match="diverged"):
            RegularizedMLPRegressor((4,), solver="sgd", learning_rate_init=10.0, random_state=0).fit(X, POSITIVE)

"""Targets transformed for training and predictions transformed back, against scikit-learn's own wrapper."""

import copy
import pickle
import warnings

import numpy as np
import pytest
import scipy.stats
import sklearn
import torch
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.base import clone
from sklearn.compose import TransformedTargetRegressor
from sklearn.decomposition import PCA
from sklearn.impute import SimpleImputer
from sklearn.model_selection import KFold
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import (
    FunctionTransformer,
    KBinsDiscretizer,
    QuantileTransformer,
    RobustScaler,
    StandardScaler,
)

from skreg import RegularizedMLPClassifier, RegularizedMLPRegressor, RegularizedMLPRegressorCV
from skreg._estimator.target_transform import MAX_SCORES, NormalScores
from skreg.inspection import compare_regularizers
from skreg.inspection._surfaces import loss_on_rows
from skreg.model_selection import GridSearchCV, alpha_max, cross_validate, learning_curve, regularization_path
from tests.helpers import LogCosh, assert_same_bits, assert_unchanged_by, learned_numbers

RNG = np.random.default_rng(0)
N_ROWS = 48
X = RNG.normal(size=(N_ROWS, 3))
SIGNAL = X @ [1.0, -1.0, 0.5] + 0.3 * RNG.normal(size=N_ROWS)
Y = 500 + 40 * SIGNAL
SKEWED = np.exp(SIGNAL / 2)
TWO = np.column_stack([Y, SKEWED])
WEIGHT = np.arange(N_ROWS) % 4
QUICK = {
    "hidden_layer_sizes": (4,),
    "batch_size": 16,
    "learning_rate_init": 0.03,
    "max_iter": 8,
    "n_iter_no_change": np.inf,
    "random_state": 0,
}
LOGARITHM = FunctionTransformer(np.log, np.exp)
LOG_SCORES = make_pipeline(LOGARITHM, StandardScaler())
TRANSFORMS = {"standard": "standard", "quantile": "quantile", "scaled logarithm": LOG_SCORES}
GRID = {
    "target_transform": [None, "standard", "quantile", RobustScaler(), LOG_SCORES],
    "alpha": [1e-3, 1e-1],
    "clip_predictions": [True, False],
}
EACH = pytest.mark.parametrize("transform", TRANSFORMS.values(), ids=TRANSFORMS)


def regressor(**options):
    return RegularizedMLPRegressor(**QUICK | options)


def wrapped(transformer, **options):
    return TransformedTargetRegressor(regressor(**options), transformer=transformer)


class Overwriting(StandardScaler):
    """A transformer whose `fit` writes into what it gets."""

    def fit(self, y, sample_weight=None):
        super().fit(y, sample_weight=sample_weight)
        y[:] = 0
        return self


class Halves(StandardScaler):
    """A transformer with two columns for one."""

    def transform(self, y):
        return np.hstack([y, y]) / 2


class TestAgainstTransformedTargetRegressor:
    @pytest.mark.parametrize(
        "options",
        [
            {},
            {"early_stopping": True},
            {"early_stopping": True, "refit_on_all": True},
            {"solver": "lbfgs", "hidden_layer_sizes": (), "max_iter": 100},
            {"loss": "absolute_error", "penalty": "l1", "alpha": 0.01},
            {"loss": "huber", "delta": 0.5, "hidden_layer_sizes": ()},
            {"loss": "quantile", "quantile": 0.8},
            {"loss": LogCosh(), "dropout": 0.2},
        ],
        ids=str,
    )
    def test_standardized_targets_give_the_same_bits(self, options):
        for y in (Y, TWO):
            model = regressor(target_transform="standard", **options).fit(X, y)
            theirs = wrapped(StandardScaler(), **options).fit(X, y)
            assert_same_bits(model, theirs.regressor_)
            assert_array_equal(model.predict(X), theirs.predict(X))
            assert model.score(X, y) == theirs.score(X, y)

    def test_so_does_any_transformer(self):
        model = regressor(target_transform=LOG_SCORES).fit(X, SKEWED)
        theirs = wrapped(LOG_SCORES).fit(X, SKEWED)
        assert_array_equal(model.predict(X), theirs.predict(X))
        assert model.target_transformer_ is not LOG_SCORES
        assert not hasattr(LOG_SCORES[1], "mean_")

    def test_single_precision_differs_by_rounding(self):
        model = regressor(target_transform="standard").fit(X.astype(np.float32), Y)
        theirs = wrapped(StandardScaler()).fit(X.astype(np.float32), Y)
        assert model.predict(X).dtype == np.float32
        assert_allclose(model.predict(X), theirs.predict(X), rtol=1e-6)

    def test_the_transformer_gets_all_digits(self):
        far = 1e7 + SIGNAL  # in float32 there are steps of 1
        model = regressor(target_transform="standard").fit(X.astype(np.float32), far)
        assert_array_equal(model.target_transformer_.mean_, far.mean())
        assert_allclose(model.loss_, regressor(target_transform="standard").fit(X, far).loss_, rtol=1e-4)
        double = regressor(target_transform="standard").fit(X, far).partial_fit(X, far)
        assert_allclose(model.partial_fit(X.astype(np.float32), far).loss_, double.loss_, rtol=1e-4)

    def test_several_quantiles(self):
        options = {"loss": "quantile", "quantile": [0.2, 0.5, 0.8]}
        for y in (Y, TWO):
            model = regressor(target_transform="standard", **options).fit(X, y)
            scaler = StandardScaler().fit(y.reshape(N_ROWS, -1))
            inner = regressor(**options).fit(X, scaler.transform(y.reshape(N_ROWS, -1)))
            by_hand = inner.predict(X) * scaler.scale_[:, None] + scaler.mean_[:, None]
            assert_allclose(model.predict(X), by_hand.reshape(model.predict(X).shape), rtol=1e-12)
            assert_allclose(model.score(X, y), inner.score(X, scaler.transform(y.reshape(N_ROWS, -1))), rtol=1e-10)


class TestWeights:
    @pytest.mark.parametrize("transform", ["standard", "quantile", StandardScaler(), NormalScores()], ids=str)
    def test_are_repetitions(self, transform):
        """With full batches, which is where a fit to repeated rows sees the same rows in a step."""
        options = {"target_transform": transform, "batch_size": 36, "solver": "sgd", "learning_rate_init": 0.1}
        weighted = regressor(**options).fit(X, TWO, sample_weight=WEIGHT / 7)
        options["batch_size"] = WEIGHT.sum()
        repeated = regressor(**options).fit(X.repeat(WEIGHT, axis=0), TWO.repeat(WEIGHT, axis=0))
        assert_allclose(weighted.predict(X), repeated.predict(X), rtol=1e-8)
        without = regressor(**options | {"batch_size": N_ROWS}).fit(X, TWO)
        assert not np.allclose(weighted.predict(X), without.predict(X), rtol=1e-3)

    def test_mean_and_standard_deviation_are_weighted(self):
        scaler = regressor(target_transform="standard").fit(X, Y, sample_weight=WEIGHT).target_transformer_
        mean = np.average(Y, weights=WEIGHT)
        assert_allclose(scaler.mean_, mean)
        assert_allclose(scaler.scale_, np.sqrt(np.average((Y - mean) ** 2, weights=WEIGHT)))

    def test_rows_without_weight_may_be_what_the_transformer_does_not_take(self):
        y, weight = SKEWED.copy(), np.ones(N_ROWS)
        y[:5], weight[:5] = -1.0, 0.0
        model = regressor(target_transform=LOG_SCORES, clip_predictions=True).fit(X, y, sample_weight=weight)
        without = regressor(target_transform=LOG_SCORES, clip_predictions=True).fit(X[5:], y[5:])
        assert_allclose(model.target_transformer_[1].mean_, without.target_transformer_[1].mean_)
        assert_array_equal(model._target_range, without._target_range)


class TestNormalScores:
    def test_are_those_of_van_der_waerden(self):
        y = np.round(SKEWED, 1)[:, None]  # with ties
        ranks = scipy.stats.rankdata(y)
        expected = scipy.stats.norm.ppf((ranks - 0.5) / N_ROWS)
        scores = NormalScores().fit(y)
        assert_allclose(scores.transform(y)[:, 0], expected)
        assert_allclose(scores.inverse_transform(scores.transform(y)), y)

    def test_agree_with_those_of_sklearn_but_at_the_ends(self):
        y = np.random.default_rng(0).exponential(size=(5000, 1))
        theirs = QuantileTransformer(output_distribution="normal", n_quantiles=1000, subsample=None).fit(y)
        middle = (y > np.quantile(y, 0.01)) & (y < np.quantile(y, 0.99))
        ours = NormalScores().fit(y)
        assert len(ours.values_[0]) <= MAX_SCORES
        assert_allclose(ours.transform(y)[middle], theirs.transform(y)[middle], atol=0.02)
        assert_allclose(ours.transform(y).max(), scipy.stats.norm.ppf(1 - 0.5 / 5000))
        assert_allclose(ours.inverse_transform(ours.transform(y)), y, rtol=1e-8)

    def test_do_not_depend_on_a_monotone_transformation_of_y(self):
        options = {"target_transform": "quantile"}
        first, second = (regressor(**options).fit(X, y) for y in (SKEWED, np.log(SKEWED) * 1e-9))
        assert_same_bits(first, second)

    def test_beyond_the_ends(self):
        scores = NormalScores().fit(np.array([[1.0], [2.0], [4.0]]))
        low, high = scores.transform(np.array([[-9.0], [9.0]]))[:, 0]
        assert_allclose([low, high], scipy.stats.norm.ppf([1 / 6, 5 / 6]))
        assert_array_equal(scores.inverse_transform([[-9.0], [0.0], [9.0]] @ np.eye(1)).ravel(), [1.0, 2.0, 4.0])


class TestLosses:
    @EACH
    def test_quantiles_of_transformed_targets_are_quantiles(self, transform):
        """Without features, a quantile of y, whatever increasing transformation has been in between."""
        nothing = np.zeros((N_ROWS, 1))
        options = {"hidden_layer_sizes": (), "penalty": None, "batch_size": 48, "learning_rate_init": 1e-3}
        model = regressor(loss="quantile", quantile=[0.25, 0.75], target_transform=transform, **options)
        low, high = model.fit(nothing, SKEWED).predict(nothing[:1])[0]
        step = np.diff(np.sort(SKEWED)).max()
        expected = np.quantile(SKEWED, [0.25, 0.75], method="inverted_cdf")
        assert_allclose([low, high], expected, atol=0.02 * step + 0.02 * SKEWED.std())

    def test_several_quantiles_do_not_cross_and_are_scored_in_the_unit_of_y(self):
        model = regressor(loss="quantile", quantile=[0.1, 0.5, 0.9], target_transform=LOG_SCORES).fit(X, SKEWED)
        predicted = model.predict(X)
        assert (np.diff(predicted, axis=1) >= 0).all()
        levels = enumerate([0.1, 0.5, 0.9])
        scores = [sklearn.metrics.d2_pinball_score(SKEWED, predicted[:, k], alpha=level) for k, level in levels]
        assert_allclose(model.score(X, SKEWED), np.mean(scores))

    @pytest.mark.parametrize("quantile", [0.9, [0.1, 0.9]])
    def test_quantiles_need_an_increasing_transformation(self, quantile):
        model = regressor(
            loss="quantile", quantile=quantile, target_transform=FunctionTransformer(np.negative, np.negative)
        )
        with pytest.raises(
            ValueError, match="'target_transform' parameter must be increasing in each output with loss="
        ):
            model.fit(X, SIGNAL)
        with pytest.raises(ValueError, match="must be increasing"):  # each component mixes both targets
            model.set_params(target_transform=PCA(whiten=True)).fit(X, TWO)
        regressor(target_transform=PCA(whiten=True)).fit(X, TWO)

    def test_quantiles_that_change_their_order_on_the_way_back_are_an_error(self):
        root = FunctionTransformer(np.sqrt, np.square)  # whose inverse turns negative outputs round
        model = regressor(loss="quantile", quantile=[0.1, 0.9], target_transform=root).fit(X, np.exp(SIGNAL))
        model.intercepts_[-1] = np.array([-3.0, 0.0])
        with pytest.raises(ValueError, match="whose inverse is increasing in each output for all predictions"):
            model.predict(X)

    def test_so_are_those_beside_infinite_ones(self):
        wild = FunctionTransformer(np.sqrt, _squares_and_infinity)
        model = regressor(loss="quantile", quantile=[0.1, 0.9], target_transform=wild).fit(X, np.exp(SIGNAL))
        model.intercepts_[-1] = np.array([-3.0, 0.0])
        model.coefs_[-1][:] = np.array([[0, 1e3]])
        with pytest.raises(ValueError, match="whose inverse is increasing in each output for all predictions"):
            model.predict(np.abs(X))

    @pytest.mark.parametrize("loss", ["poisson", "gamma"])
    def test_losses_with_a_link_take_y_as_it_is(self, loss):
        for model in (
            regressor(loss=loss, target_transform="standard"),
            RegularizedMLPRegressorCV(loss=loss, target_transform="standard", alphas=[0.1, 1.0], cv=2),
        ):
            with pytest.raises(ValueError, match=f"must be None with loss='{loss}', which takes y as it is"):
                model.fit(X, SKEWED)
        limits = regressor(loss=loss, clip_predictions=True).fit(X, SKEWED).predict(100 * X)
        assert limits.max() == SKEWED.max()

    def test_a_function_gets_transformed_targets(self):
        seen = []

        def loss(y_true, y_pred):
            seen.append(y_true)
            return (y_true - y_pred).square().sum(dim=1)

        regressor(loss=loss, target_transform="standard", batch_size=N_ROWS).fit(X, Y)
        assert_allclose(torch.cat(seen)[:N_ROWS].mean(), 0, atol=1e-12)
        assert max(rows.abs().max() for rows in seen) < 5

    def test_losses_and_histories_are_those_of_transformed_targets(self):
        model = regressor(target_transform="standard", early_stopping=True).fit(X, Y)
        theirs = wrapped(StandardScaler(), early_stopping=True).fit(X, Y).regressor_
        for name, column in theirs.history_.items():
            assert_array_equal(model.history_[name], column)
        scaled = StandardScaler().fit_transform(Y[:, None]).ravel()
        assert_allclose(model._mean_loss(X, Y), theirs._mean_loss(X, scaled), rtol=1e-12)

    def test_training_starts_at_the_mean(self):
        resting = {"learning_rate_init": 1e-12, "penalty": None, "max_iter": 1, "hidden_layer_sizes": ()}
        model = regressor(target_transform="standard", **resting).fit(np.zeros((N_ROWS, 1)), Y, WEIGHT)
        assert_allclose(model.predict([[0.0]]), np.average(Y, weights=WEIGHT))


class TestClipping:
    def test_to_the_targets_of_the_training_rows(self):
        weight = np.ones(N_ROWS)
        weight[Y.argmax()] = 0
        limits = {"clip_predictions": True, "target_transform": "standard"}
        for y in (Y, TWO):
            plain = regressor(target_transform="standard").fit(X, y, weight).predict(100 * X)
            clipped = regressor(**limits).fit(X, y, weight).predict(100 * X)
            rows = y[weight > 0]
            assert_array_equal(clipped, np.clip(plain, rows.min(axis=0), rows.max(axis=0)))
            assert (clipped != plain).any()
            assert clipped.max() < y.max()

    def test_for_quantiles_samples_and_scores(self):
        options = {"target_transform": "standard", "clip_predictions": True, "dropout": 0.5}
        model = regressor(loss="quantile", quantile=[0.1, 0.9], **options).fit(X, Y)
        far = 100 * X
        unclipped = model.set_params(clip_predictions=False).fit(X, Y).predict(far)
        assert Y.min() > unclipped.min()
        model.set_params(clip_predictions=True).fit(X, Y)
        assert_array_equal(model.predict(far), np.clip(unclipped, Y.min(), Y.max()))
        samples = model.predict_dropout_samples(far, 3, random_state=0).samples
        assert Y.min() <= samples.min() < samples.max() <= Y.max()
        low, high = model.predict(far).T
        scores = [
            sklearn.metrics.d2_pinball_score(Y, low, alpha=0.1),
            sklearn.metrics.d2_pinball_score(Y, high, alpha=0.9),
        ]
        assert_allclose(model.score(far, Y), np.mean(scores))

    def test_scores_of_a_scorer_are_those_of_clipped_predictions(self):
        options = {"target_transform": "standard", "clip_predictions": True, "early_stopping": True}
        far = {"X_val": 100 * X, "y_val": Y}
        for scoring, same in (("r2", True), ("loss", False)):
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", UserWarning)  # of the scale of X_val
                model = regressor(**options, scoring=scoring, max_iter=2).fit(X, Y, **far)
            best = model.history_["valid_score"][model.best_epoch_ - 1]
            assert np.isclose(best, model.score(100 * X, Y)) == same

    def test_in_single_precision_to_the_targets_in_it(self):
        model = regressor(clip_predictions=True, target_transform="standard").fit(X.astype(np.float32), Y)
        assert model.predict(100 * X).max() == np.float32(Y.max())

    def test_later_calls_widen_the_range(self):
        model = regressor(clip_predictions=True)
        model.partial_fit(X, SIGNAL)
        model.partial_fit(X, SIGNAL + 5)
        assert_array_equal(model._target_range.ravel(), [SIGNAL.min(), SIGNAL.max() + 5])
        model.set_params(warm_start=True).fit(X, SIGNAL - 5)
        assert_array_equal(model._target_range.ravel(), [SIGNAL.min() - 5, SIGNAL.max() + 5])
        model.set_params(warm_start=False).fit(X, SIGNAL)
        assert_array_equal(model._target_range.ravel(), [SIGNAL.min(), SIGNAL.max()])


class TestValidation:
    def test_rows_that_are_held_out_are_among_those_of_the_transformer(self):
        model = regressor(target_transform="standard", early_stopping=True).fit(X, Y)
        assert_array_equal(model.target_transformer_.mean_, Y.mean())

    @EACH
    def test_targets_to_validate_on_are_transformed_alike(self, transform):
        train, valid = slice(0, 36), slice(36, None)
        model = regressor(target_transform=transform).fit(X[train], SKEWED[train], X_val=X[valid], y_val=SKEWED[valid])
        transformer = model.target_transformer_
        y = [transformer.transform(SKEWED[rows, None]).ravel() for rows in (train, valid)]
        by_hand = regressor().fit(X[train], y[0], X_val=X[valid], y_val=y[1])
        assert_array_equal(model.history_["valid_loss"], by_hand.history_["valid_loss"])
        with pytest.raises(
            ValueError, match="cannot be used: (X has 2 features, but Sta|y must have 1 columns, as in fit; got 2)"
        ):
            model.fit(X, SKEWED, X_val=X, y_val=TWO)

    def test_scorers_get_the_unit_of_y(self):
        model = regressor(target_transform="standard", early_stopping=True, scoring="neg_mean_absolute_error")
        model.fit(X[:36], Y[:36], X_val=X[36:], y_val=Y[36:])
        error = np.abs(model.predict(X[36:]) - Y[36:]).mean()
        assert_allclose(model.best_validation_score_, -error)

    def test_targets_without_weight_may_be_what_the_transformer_does_not_take(self):
        y, weight = SKEWED[36:].copy(), np.ones(12)
        y[:3], weight[:3] = -1.0, 0.0
        model = regressor(target_transform=LOG_SCORES)
        data = {"X_val": X[36:], "y_val": y}
        weighted = clone(model).fit(X[:36], SKEWED[:36], **data, sample_weight_val=weight)
        without = clone(model).fit(X[:36], SKEWED[:36], X_val=X[39:], y_val=y[3:])
        assert_array_equal(weighted.history_["valid_loss"], without.history_["valid_loss"])
        with pytest.raises(ValueError, match="y_val or sample_weight_val cannot be used.* got nan for -1"):
            model.fit(X[:36], SKEWED[:36], **data)

    def test_a_y_val_in_another_unit_is_warned_of(self):
        with pytest.warns(UserWarning, match="y_val has another location or scale than y.*target_transform='standard'"):
            regressor(target_transform="standard").fit(X[:36], Y[:36], X_val=X[36:], y_val=SIGNAL[36:])


class TestManyFits:
    def test_candidates_that_are_trained_together_are_single_fits(self):
        folds = KFold(2)
        for model in (regressor(), make_pipeline(StandardScaler(), regressor())):
            prefix = "" if not hasattr(model, "steps") else "regularizedmlpregressor__"
            grid = {f"{prefix}{name}": values for name, values in GRID.items()}
            search = GridSearchCV(model, grid, cv=folds, refit=False).fit(X, SKEWED)
            for parameters, score in zip(
                search.cv_results_["params"], search.cv_results_["split1_test_score"], strict=True
            ):
                train, test = list(folds.split(X))[1]
                single = clone(model).set_params(**parameters).fit(X[train], SKEWED[train])
                assert_allclose(score, single.score(X[test], SKEWED[test]), rtol=1e-6)

    def test_parameters_of_the_transformer_can_be_searched(self):
        model = regressor(target_transform=RobustScaler())
        grid = {"target_transform__quantile_range": [(25, 75), (10, 90)]}
        first, second = GridSearchCV(model, grid, cv=2, refit=False).fit(X, SKEWED).cv_results_["mean_test_score"]
        assert first != second

    def test_learning_curves(self):
        options = {"cv": 2, "train_sizes": [0.7, 1.0]}
        ours = learning_curve(regressor(target_transform="standard"), X, Y, **options)
        theirs = sklearn.model_selection.learning_curve(wrapped(StandardScaler()), X, Y, **options)
        assert_allclose(ours[2], theirs[2], rtol=1e-6)

    def test_seeds(self):
        found = cross_validate(regressor(target_transform="quantile", early_stopping=True), X, SKEWED, cv=2)
        single = regressor(target_transform="quantile", early_stopping=True).fit(X[24:], SKEWED[24:])
        assert_allclose(found["test_score"][0], single.score(X[:24], SKEWED[:24]), rtol=1e-6)

    def test_paths_and_their_ends_are_those_of_standardized_targets(self):
        scaled = StandardScaler().fit_transform(Y[:, None]).ravel()
        options = {"hidden_layer_sizes": (), "penalty": "l1", "batch_size": N_ROWS}
        model, plain = regressor(target_transform="standard", **options), regressor(**options)
        assert_allclose(alpha_max(model, X, Y), alpha_max(plain, X, scaled), rtol=1e-12)
        for alphas in ([0.01, 0.1], 3):
            path, expected = (regularization_path(m, X, y, alphas=alphas) for m, y in ((model, Y), (plain, scaled)))
            assert_allclose(path.alphas, expected.alphas, rtol=1e-12)
            assert_allclose(path.coefs, expected.coefs, rtol=1e-10)
            assert_allclose(path.scores, expected.scores, rtol=1e-10)
        assert_allclose(
            path.estimators[0].predict(X),
            StandardScaler().fit(Y[:, None]).scale_ * (expected.estimators[0].predict(X)) + Y.mean(),
        )

    def test_a_strength_is_chosen_by_the_loss_of_each_folds_own_transformation(self):
        options = {**QUICK, "hidden_layer_sizes": (3,), "max_iter": 4, "alphas": [0.001, 0.01, 0.1], "cv": KFold(2)}
        model = RegularizedMLPRegressorCV(**options, target_transform="standard", penalty="l1").fit(X, Y)
        assert_array_equal(model.target_transformer_.mean_, Y.mean())
        assert abs(model.predict(X).mean() - Y.mean()) < Y.std()
        assert -5 < model.best_score_ < 0
        by_r2 = RegularizedMLPRegressorCV(**options, target_transform="standard", penalty="l1", scoring="r2").fit(X, Y)
        assert by_r2.scores_path_.shape == (2, 3)

    def test_comparisons(self):
        searched = regressor(), {"target_transform": ["standard", "quantile"]}
        estimators = {"ours": regressor(target_transform="standard"), "wrapped": wrapped(StandardScaler())}
        options = {"cv": 2, "n_repeats": 1, "inner_cv": 2, "random_state": 0, "refit": False}
        folds = compare_regularizers(X, Y, estimators | {"searched": searched}, **options).folds
        scores = {name: group["test_score"].to_numpy() for name, group in folds.groupby("regularizer")}
        assert_allclose(scores["ours"], scores["wrapped"], rtol=1e-6)
        assert np.isfinite(scores["searched"]).all()

    def test_surfaces_show_the_loss_that_was_minimized(self):
        model = regressor(hidden_layer_sizes=(), target_transform="standard").fit(X[:, :2], Y)
        scaled = StandardScaler().fit_transform(Y[:, None]).ravel()
        plain = regressor(hidden_layer_sizes=()).fit(X[:, :2], scaled)
        points = np.array([[0.5, -1.0], [2.0, 0.1]])
        assert_allclose(loss_on_rows(model, X[:, :2], Y)(points), loss_on_rows(plain, X[:, :2], scaled)(points))


class TestFurtherCalls:
    def test_the_first_call_of_partial_fit_fits_the_transformer(self):
        model, plain, scaler = regressor(target_transform="standard"), regressor(), StandardScaler()
        scaler.fit(Y[:24, None], sample_weight=WEIGHT[:24])
        for rows in (slice(0, 24), slice(24, None)):
            model.partial_fit(X[rows], Y[rows], WEIGHT[rows])
            plain.partial_fit(X[rows], scaler.transform(Y[rows, None]).ravel(), WEIGHT[rows])
        assert_allclose(learned_numbers(model), learned_numbers(plain), rtol=1e-10)
        assert_allclose(model.predict(X), scaler.inverse_transform(plain.predict(X)[:, None]).ravel(), rtol=1e-12)
        with pytest.warns(UserWarning, match="does not give y back"):
            regressor(target_transform=FunctionTransformer(np.log)).partial_fit(X, SKEWED)

    def test_partial_fit_transforms_as_fit_did(self):
        for weight in (None, WEIGHT):
            model = regressor(target_transform="standard", batch_size=15).fit(X, Y)
            plain = regressor(batch_size=15).fit(X, StandardScaler().fit_transform(Y[:, None]).ravel())
            model.partial_fit(X[:20], Y[:20] + 30, None if weight is None else weight[:20])
            then = model.target_transformer_.transform(Y[:20, None] + 30).ravel()
            plain.partial_fit(X[:20], then, None if weight is None else weight[:20])
            assert_same_bits(model, plain)
            assert_array_equal(model.target_transformer_.mean_, Y.mean())

    def test_partial_fit_keeps_to_one_transformation(self):
        model = regressor(target_transform="standard").fit(X, Y).set_params(target_transform=None)
        match = "'target_transform' parameter must be that of fit in partial_fit, 'standard'; got None. Call fit again"
        assert_unchanged_by(model, ValueError, match, lambda model: model.partial_fit(X, Y))
        log = FunctionTransformer(lambda y: np.log(y), lambda y: np.exp(y))  # which cannot be hashed
        regressor(target_transform=log).fit(X, SKEWED).partial_fit(X, SKEWED)

    def test_a_warm_start_goes_on_with_the_transformation_that_the_weights_are_for(self):
        model = regressor(target_transform="standard", warm_start=True).fit(X, Y)
        before = model.predict(X)
        model.set_params(max_iter=1, learning_rate_init=1e-12).fit(X, Y + 20)
        assert_allclose(model.predict(X), before, rtol=1e-8)
        model.set_params(target_transform="quantile").fit(X, Y)
        assert isinstance(model.target_transformer_, NormalScores)
        model.set_params(clip_predictions=True)
        assert_unchanged_by(model, ValueError, "Training continues from the fitted weights", lambda m: m.fit(X, TWO))

    def test_checkpoints_are_for_the_same_transformation(self, tmp_path):
        path = tmp_path / "training.npz"
        first = regressor(target_transform="standard").partial_fit(X, Y)
        copied = pickle.loads(pickle.dumps(first.save_checkpoint(path)))
        # A fit to other rows would transform targets otherwise than the weights expect.
        match = r"checkpoint is of a fit to other targets: with target_transform='standard', \S+ stood for .* now. Give"
        for call in ("fit", "partial_fit"):
            fresh = regressor(target_transform="standard").load_checkpoint(path)
            with pytest.raises(ValueError, match=match):
                getattr(fresh, call)(X, SIGNAL)
        first.partial_fit(X[:16], SIGNAL[:16])
        copied.load_checkpoint(path).partial_fit(X[:16], SIGNAL[:16])
        assert_array_equal(copied.predict(X), first.predict(X))
        assert_array_equal(copied.target_transformer_.mean_, Y.mean())
        with np.load(path) as file:
            state = {name: file[name] for name in file.files if name != "target_places"}
        np.savez(path, **state)  # as earlier versions left it
        regressor(target_transform="standard").load_checkpoint(path).fit(X, SIGNAL)

    def test_weights_that_were_set_by_hand_go_with_no_transformation(self):
        given = regressor(target_transform="standard").fit(X, Y)
        for options in ({}, {"target_transform": "standard", "clip_predictions": True}):
            model = regressor(warm_start=True, max_iter=1, learning_rate_init=1e-12, **options)
            names = "coefs_", "intercepts_", "normalization_params_", "skip_coef_", "loss_curve_", "t_"
            for name in (*names, "n_features_in_"):
                setattr(model, name, getattr(given, name))
            model.fit(X, SIGNAL)
            expected = regressor().fit(X, Y / Y.std() - Y.mean() / Y.std()).predict(X)
            if options:
                expected = np.clip(expected * SIGNAL.std() + SIGNAL.mean(), SIGNAL.min(), SIGNAL.max())
            assert_allclose(model.predict(X), expected, rtol=1e-6)

    def test_checkpoints_continue_bit_for_bit(self, tmp_path):
        options = {"target_transform": "standard", "dropout": 0.2}
        path = tmp_path / "training.npz"
        regressor(**options, max_iter=3).fit(X, SIGNAL).save_checkpoint(path)
        resumed = regressor(**options).load_checkpoint(path).fit(X, SIGNAL)
        whole = regressor(**options).fit(X, SIGNAL)
        assert_same_bits(resumed, whole)
        assert_array_equal(resumed.predict(X), whole.predict(X))
        for other in ("quantile", None, StandardScaler()):
            with pytest.raises(ValueError, match="The checkpoint is of a fit with .*'target_transform': 'standard'"):
                regressor(**options | {"target_transform": other}).load_checkpoint(path).fit(X, SIGNAL)
        regressor(max_iter=3).fit(X, SIGNAL).save_checkpoint(path)
        with pytest.raises(ValueError, match="this call's parameters and data need .*'target_transform': 'standard'"):
            regressor(**options).load_checkpoint(path).fit(X, SIGNAL)

    @EACH
    def test_what_was_fitted_predicts_alike_after_pickling_pruning_and_other_parameters(self, transform):
        model = regressor(target_transform=transform, clip_predictions=True, penalty="l1", alpha=0.1).fit(X, SKEWED)
        before = model.predict(X)
        assert_array_equal(pickle.loads(pickle.dumps(model)).predict(X), before)
        assert_allclose(model.prune().predict(X), before, rtol=1e-6)
        model.set_params(target_transform=None, clip_predictions=False)
        assert_array_equal(model.predict(X), before)
        assert_array_equal(model._as_fitted().predict(X), before)

    def test_pickles_of_earlier_versions_have_no_transformation(self):
        model = regressor().fit(X, SIGNAL)
        state = copy.deepcopy(model.__getstate__())
        for name in ("target_transform", "clip_predictions"):
            del state[name], state["_fitted_parameters"][name]
        for name in ("target_transformer_", "_target_range"):
            del state[name]
        old = RegularizedMLPRegressor()
        old.__setstate__(state)
        assert_array_equal(old.predict(X), model.predict(X))
        assert (old.target_transform, old.target_transformer_) == (None, None)
        assert_same_bits(old.partial_fit(X, SIGNAL), copy.deepcopy(old))
        old.set_params(clip_predictions=True)
        match = "clip_predictions=True needs the range of all training targets"
        assert_unchanged_by(old, ValueError, match, lambda model: model.partial_fit(X, SIGNAL))

    @pytest.mark.parametrize(
        "damage",
        [
            {"target_transformer_": None},
            {"target_transformer_": 3},
            {"target_transformer_": StandardScaler()},
            {"target_transformer_": StandardScaler().fit(TWO)},
            {"_target_range": None},
            {"_target_range": np.array([[1.0], [0.0]])},
            {"_target_range": np.zeros((2, 2))},
            {"_target_range": np.full((2, 1), np.nan)},
        ],
        ids=str,
    )
    def test_damaged_pickles_are_errors(self, damage):
        state = regressor(target_transform="standard", clip_predictions=True, max_iter=1).fit(X, Y).__getstate__()
        with pytest.raises(ValueError, match="The saved state is damaged: '(target_transformer_|_target_range)'"):
            RegularizedMLPRegressor().__setstate__(state | damage)


class TestBadInput:
    @pytest.mark.parametrize("value", ["robust", 1, RegularizedMLPClassifier(), KFold(2), object()])
    def test_what_is_no_transformer(self, value):
        with pytest.raises(ValueError, match="The 'target_transform' parameter of RegularizedMLPRegressor must be"):
            regressor(target_transform=value).fit(X, Y)

    @pytest.mark.parametrize(
        ("transform", "match"),
        [
            (StandardScaler, "'target_transform' parameter must be an instance of a transformer; got the class"),
            (
                FunctionTransformer(np.log, np.exp, check_inverse=False),
                r"must be a transformer that returns finite numbers for y; got nan for -\d",
            ),
            (Halves(), r"returns as many columns as it gets, 1; got 2 from Halves\(\)"),
            (PCA(2), r"'target_transform' parameter must fit y; got PCA\(n_components=2\): n_components=2 must be"),
            (
                FunctionTransformer(np.array, lambda y: y / 0, check_inverse=False),
                "'target_transform' parameter must have a finite inverse",
            ),
        ],
    )
    def test_what_does_not_go_with_y(self, transform, match):
        model = regressor(target_transform="standard").fit(X, Y).set_params(target_transform=transform)
        assert_unchanged_by(model, ValueError, match, lambda model: model.fit(X, SIGNAL))

    def test_numbers_that_are_too_large(self):
        with pytest.raises(ValueError, match="must be a transformer that returns finite numbers for y; got nan for "):
            regressor(target_transform="standard").fit(X, 1e200 * SIGNAL)
        with pytest.raises(ValueError, match="y must be in the range of float32, the type of X; got"):
            regressor(target_transform="standard").fit(X.astype(np.float32), 1e39 * SIGNAL)

    def test_predictions_that_are_not_finite_are_warned_of(self):
        def outputs_of(transform, **options):
            model = regressor(hidden_layer_sizes=(), target_transform=transform, max_iter=1, **options)
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", UserWarning)  # of the scale of targets
                model.fit(X, SKEWED)
            model.intercepts_[0][:], model.coefs_[0][:] = 0, [[1.0], [0], [0]]
            return model

        rows = np.array([[-2.0, 0, 0], [1.0, 0, 0], [1e6, 0, 0]])
        exponential, logarithm = LOGARITHM, FunctionTransformer(np.expm1, np.log1p)
        for transform, expected in (
            (exponential, [np.exp(-2), np.e, np.inf]),
            (logarithm, [np.nan, np.log(2), np.log1p(1e6)]),
        ):
            with pytest.warns(
                UserWarning, match="1 of 3 predictions are not finite: the inverse of target_transform=F"
            ):
                assert_allclose(outputs_of(transform).predict(rows), expected)
        clipped = outputs_of(exponential, clip_predictions=True).predict(rows)
        assert_allclose(clipped, np.clip([np.exp(-2), np.e, np.inf], SKEWED.min(), SKEWED.max()))

    def test_a_transformer_needs_an_inverse(self):
        with pytest.raises(ValueError, match=r"must have an inverse; got SimpleImputer\(\): 'inverse_transform' works"):
            regressor(target_transform=SimpleImputer()).fit(X, Y)

    def test_an_inverse_that_is_none_is_warned_of(self):
        for transform in (FunctionTransformer(np.log), KBinsDiscretizer(3, encode="ordinal", strategy="uniform")):
            with pytest.warns(UserWarning, match="The inverse of target_transform=.* does not give y back"):
                regressor(target_transform=transform).fit(X, SKEWED)
        with pytest.warns(UserWarning, match="does not give y back"):  # of the first target alone, it does
            regressor(target_transform=FunctionTransformer(np.abs, check_inverse=False)).fit(X, np.sort(SIGNAL)[::-1])

    def test_a_transformer_that_writes_into_its_input_does_not_change_y(self):
        y = Y.copy()
        model = regressor(target_transform=StandardScaler(copy=False)).fit(X, y)
        assert_array_equal(y, Y)
        assert_array_equal(model.predict(X), regressor(target_transform="standard").fit(X, Y).predict(X))
        regressor(target_transform=Overwriting(), max_iter=1).fit(X, y)
        assert_array_equal(y, Y)

    @EACH
    def test_one_target(self, transform):
        model = regressor(target_transform=transform, max_iter=2, batch_size=1).fit(X[:1], SKEWED[:1])
        assert_allclose(model.predict(X[:1]), SKEWED[0], atol=2)

    @EACH
    def test_constant_targets(self, transform):
        model = regressor(target_transform=transform, max_iter=2).fit(X, np.full(N_ROWS, 7.0))
        assert_allclose(model.predict(X), 7, atol=2)

    def test_advice_on_the_scale_is_to_standardize_and_then_silent(self):
        with pytest.warns(
            UserWarning, match=r"y has a standard deviation of \d+, far from 1.*target_transform='standard'"
        ):
            regressor().fit(X, Y)
        shifted = FunctionTransformer(lambda y: y - 500, lambda y: y + 500)
        with pytest.warns(
            UserWarning, match="(?s)after target_transform=FunctionTransformer.*or another transformer that sc"
        ):
            regressor(target_transform=shifted).fit(X, Y)

    def test_the_output_of_transformers_may_be_set_to_frames(self):
        expected = regressor(target_transform="standard").fit(X, Y).predict(X)
        with sklearn.config_context(transform_output="pandas"):
            assert_array_equal(regressor(target_transform="standard").fit(X, Y).predict(X), expected)
            quantiles = regressor(target_transform="quantile").fit(X, Y)
        assert np.isfinite(learned_numbers(quantiles)).all()

    def test_numbers_of_transformers_may_be_beyond_those_of_single_precision(self):
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            regressor(
                target_transform=FunctionTransformer(kw_args={"a": 1e300}, func=_same, inverse_func=np.array)
            ).fit(X.astype(np.float32), SIGNAL)


def _same(y, a):
    return y


def _squares_and_infinity(y):
    return np.where(y > 10, np.inf, np.square(y))

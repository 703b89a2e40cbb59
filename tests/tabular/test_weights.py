"""Greedy weights against compositions that are all tried, and losses against scikit-learn's."""

import itertools
from fractions import Fraction

import numpy as np
import pytest
from sklearn.metrics import accuracy_score, get_scorer, log_loss, r2_score

from skreg.tabular._weights import (
    MIN_PROBABILITY,
    N_STEPS,
    PredictedNumbers,
    PredictedProbabilities,
    greedy_weights,
    log_losses,
    scorer_losses,
    squared_losses,
)

SEEDS = pytest.mark.parametrize("seed", range(6))


def probabilities(seed, n_models=3, n_rows=20, n_classes=3):
    """Return probabilities of models of different quality, and classes."""
    random = np.random.default_rng(seed)
    y = random.integers(n_classes, size=n_rows)
    signal = random.uniform(0, 2, size=(n_models, 1, 1)) * np.eye(n_classes)[y]
    logits = signal + random.normal(size=(n_models, n_rows, n_classes))
    shares = np.exp(logits)
    return shares / shares.sum(axis=2, keepdims=True), y


def numbers(seed, n_models=3, n_rows=20, n_outputs=()):
    """Return predictions of models of different quality, and numbers."""
    random = np.random.default_rng(seed)
    y = random.normal(size=(n_rows, *n_outputs))
    noise = random.normal(size=(n_models, n_rows, *n_outputs))
    return y + random.uniform(0.2, 2, size=(n_models, *[1] * y.ndim)) * noise, y


def problem(kind, seed):
    predictions, y = probabilities(seed) if kind == "classes" else numbers(seed)
    return predictions, log_losses(y) if kind == "classes" else squared_losses(y)


def loss_of(weights, predictions, losses):
    return losses(np.tensordot(weights, predictions, axes=1)[None])[0]


def compositions(n_models, n_steps):
    """Yield every way to choose models, some of them several times, up to a number of times in all."""
    for counts in itertools.product(range(n_steps + 1), repeat=n_models):
        if 0 < sum(counts) <= n_steps:
            yield np.array(counts) / sum(counts)


def selected(predictions, losses, n_steps):
    """Return counts after each step of the selection, by its definition: one candidate at a time."""
    chosen, history = [], []
    for _ in range(n_steps):
        found = [losses(predictions[[*chosen, j]].mean(axis=0)[None])[0] for j in range(len(predictions))]
        chosen.append(int(np.argmin(found)))
        history.append((min(found), [Fraction(chosen.count(j), len(chosen)) for j in range(len(predictions))]))
    return history


@pytest.mark.parametrize("kind", ["classes", "numbers"])
class TestGreedyWeights:
    @SEEDS
    def test_they_are_those_of_the_definition(self, kind, seed):
        predictions, losses = problem(kind, seed)
        expected_loss, shares = min(selected(predictions, losses, 12), key=lambda step: step[0])
        weights, loss = greedy_weights(predictions, losses, 12)
        np.testing.assert_allclose(weights, [float(share) for share in shares], rtol=1e-15)
        assert loss == pytest.approx(expected_loss, rel=1e-12)

    @SEEDS
    def test_they_lie_between_the_best_composition_and_the_best_model(self, kind, seed):
        predictions, losses = problem(kind, seed)
        weights, loss = greedy_weights(predictions, losses, 6)
        assert loss == pytest.approx(loss_of(weights, predictions, losses), rel=1e-12)
        best = min(loss_of(shares, predictions, losses) for shares in compositions(3, 6))
        assert best - 1e-12 <= loss <= losses(predictions).min()
        assert loss <= best * 1.02  # greedy, but not far

    @SEEDS
    def test_they_are_shares(self, kind, seed):
        predictions, losses = problem(kind, seed)
        weights, loss = greedy_weights(predictions, losses)
        assert weights.sum() == pytest.approx(1, abs=1e-15)
        assert (weights >= 0).all()
        assert loss <= losses(predictions).min()
        shares = [Fraction(weight).limit_denominator(N_STEPS) for weight in weights]
        assert sum(shares) == 1
        np.testing.assert_allclose(weights, [float(share) for share in shares], rtol=1e-15)

    def test_one_step_is_the_best_model(self, kind):
        predictions, losses = problem(kind, 0)
        weights, loss = greedy_weights(predictions, losses, 1)
        assert weights.tolist() == np.eye(3)[losses(predictions).argmin()].tolist()
        assert loss == losses(predictions).min()

    def test_a_model_alone_and_equal_models(self, kind):
        predictions, losses = problem(kind, 0)
        assert greedy_weights(predictions[:1], losses)[0].tolist() == [1]
        # The first of several equal ones is enough.
        assert greedy_weights(predictions[[0, 0, 0]], losses)[0].tolist() == [1, 0, 0]

    def test_the_order_of_models_plays_no_part(self, kind):
        predictions, losses = problem(kind, 1)
        weights, loss = greedy_weights(predictions, losses)
        others, same = greedy_weights(predictions[::-1], losses)
        np.testing.assert_allclose(others[::-1], weights, rtol=1e-15)
        assert same == pytest.approx(loss, rel=1e-12)

    @SEEDS
    def test_weighted_rows_are_repeated_rows(self, kind, seed):
        predictions, y = probabilities(seed) if kind == "classes" else numbers(seed)
        make = log_losses if kind == "classes" else squared_losses
        times = np.random.default_rng(seed).integers(0, 4, size=len(y))
        weights, loss = greedy_weights(predictions, make(y, times.astype(float)))
        repeated = np.repeat(np.arange(len(y)), times)
        expected, same = greedy_weights(predictions[:, repeated], make(y[repeated]))
        np.testing.assert_allclose(weights, expected, rtol=1e-15)
        assert loss == pytest.approx(same, rel=1e-12)


@SEEDS
def test_of_two_models_the_squared_error_finds_the_best_shares(seed):
    """The loss is a parabola of the share, and the nearest multiple of 1/k is one step from that of 1/(k - 1)."""
    predictions, y = numbers(seed, n_models=2)
    losses = squared_losses(y)
    shares = np.unique([count / n for n in range(1, 31) for count in range(n + 1)])
    means = shares[:, None] * predictions[0] + (1 - shares[:, None]) * predictions[1]
    assert greedy_weights(predictions, losses, 30)[1] == pytest.approx(losses(means).min(), rel=1e-12)


def test_errors_that_cancel_make_equal_weights():
    y = np.arange(8.0)
    error = np.array([1.0, -1.0] * 4)
    weights, loss = greedy_weights(np.stack([y + error, y - error, y + 5]), squared_losses(y))
    assert weights.tolist() == [0.5, 0.5, 0]
    assert loss == 0


@pytest.mark.filterwarnings("ignore:(invalid value|overflow)")
def test_models_without_finite_predictions_are_not_chosen():
    predictions, y = numbers(0)
    losses = squared_losses(y)
    bad = np.stack([np.full_like(y, np.nan), np.full_like(y, np.inf), *predictions])
    weights, loss = greedy_weights(bad, losses)
    expected, same = greedy_weights(predictions, losses)
    assert weights.tolist() == [0, 0, *expected]
    assert loss == same
    with pytest.raises(ValueError, match="No network predicts finite numbers for the rows that it has not seen"):
        greedy_weights(bad[:2], losses)


class TestLosses:
    @pytest.mark.parametrize("weighted", [False, True])
    def test_of_classes(self, weighted):
        predictions, y = probabilities(0)
        weight = np.random.default_rng(1).uniform(size=len(y)) if weighted else None
        expected = [log_loss(y, own, sample_weight=weight, labels=[0, 1, 2]) for own in predictions]
        np.testing.assert_allclose(log_losses(y, weight)(predictions), expected, rtol=1e-12)

    @pytest.mark.parametrize("weighted", [False, True])
    def test_of_labels_they_are_added(self, weighted):
        random = np.random.default_rng(0)
        Y, P = random.integers(2, size=(20, 3)), random.uniform(size=(4, 20, 3))
        weight = random.uniform(size=20) if weighted else None
        expected = [
            sum(log_loss(Y[:, j], own[:, j], sample_weight=weight, labels=[0, 1]) for j in range(3)) for own in P
        ]
        np.testing.assert_allclose(log_losses(Y, weight)(P), expected, rtol=1e-12)

    def test_a_probability_of_0_costs_a_finite_loss(self):
        assert log_losses(np.array([0]))(np.array([[[0.0, 1.0]]]))[0] == -np.log(MIN_PROBABILITY)

    @pytest.mark.parametrize("weighted", [False, True])
    @pytest.mark.parametrize("n_outputs", [(), (3,)])
    def test_of_numbers(self, weighted, n_outputs):
        predictions, y = numbers(0, n_outputs=n_outputs)
        y = y * 100 + 7
        predictions = predictions * 100 + 7
        weight = np.random.default_rng(1).uniform(size=len(y)) if weighted else None
        expected = [1 - r2_score(y, own, sample_weight=weight) for own in predictions]
        np.testing.assert_allclose(squared_losses(y, weight)(predictions), expected, rtol=1e-10)

    def test_of_a_constant_target_it_is_the_squared_error(self):
        assert squared_losses(np.full(4, 3.0))(np.full((1, 4), 5.0)).tolist() == [4]


@pytest.mark.parametrize("weight", [None, np.arange(1.0, 21)], ids=["equal", "weighted"])
def test_a_scorer_of_the_loss_gives_the_same_weights(weight):
    predictions, y = probabilities(0)
    classes = np.arange(3)

    def as_estimator(own):
        return PredictedProbabilities(own, classes, lambda shares: shares.argmax(axis=1))

    by_scorer = scorer_losses(get_scorer("neg_log_loss"), "neg_log_loss", predictions[0], y, weight, as_estimator)
    np.testing.assert_allclose(by_scorer(predictions), log_losses(y, weight)(predictions), rtol=1e-12)
    found, expected = (greedy_weights(predictions, losses) for losses in (by_scorer, log_losses(y, weight)))
    np.testing.assert_array_equal(found[0], expected[0])
    accuracy = scorer_losses(get_scorer("accuracy"), "accuracy", predictions[0], y, weight, as_estimator)(predictions)
    expected = [-accuracy_score(y, own.argmax(axis=1), sample_weight=weight) for own in predictions]
    np.testing.assert_allclose(accuracy, expected)


def test_scorers_of_numbers():
    predictions, y = numbers(0)
    losses = scorer_losses(get_scorer("r2"), "r2", y[:, None], y, None, PredictedNumbers)
    np.testing.assert_allclose(losses(predictions), squared_losses(y)(predictions) - 1)


def test_scores_that_are_no_numbers():
    predictions, y = numbers(0)

    def first_alone(estimator, X, y):
        return 0.5 if np.array_equal(estimator.predict(X), predictions[0]) else np.nan

    losses = scorer_losses(first_alone, first_alone, y[:, None], y, None, PredictedNumbers)
    assert losses(predictions).tolist() == [-0.5, np.inf, np.inf]
    nothing = scorer_losses(lambda *_: np.nan, "own", y[:, None], y, None, PredictedNumbers)
    with pytest.raises(
        ValueError, match="The 'scoring' parameter must give scores that are numbers; got none from 'own'"
    ):
        nothing(predictions)

"""Validation rows, patience and the bounded mean against formulas and scikit-learn."""

import warnings
from functools import partial

import numpy as np
import pytest
import torch
from scipy.optimize import brentq
from sklearn.base import clone
from sklearn.exceptions import ConvergenceWarning
from sklearn.model_selection import PredefinedSplit

from skreg import RegularizedMLPRegressor
from skreg.engine.monitor import TrainingMonitor
from skreg.engine.spec import StoppingRule
from skreg.stopping import Patience, bounded_mean, patience_in_epochs, split_validation, validation_size
from skreg.stopping._bounded_mean import MAX_LOSS_OF_ROW


@pytest.mark.parametrize(
    ("n_rows", "fraction", "n_classes", "size"),
    [
        (1000, 0.1, 0, 100),
        (1001, 0.1, 0, 101),
        (400, 0.1, 3, 50),  # a tenth would be 40 rows
        (200, 0.1, 3, 30),  # not more than 15 %
        (200, 0.3, 3, 60),  # unless asked for
        (60, 0.1, 3, 10),  # 15 % would be 9 rows
        (60, 0.1, 15, 15),  # one for each class
        (20, 0.1, 2, 6),  # not more than a third
        (20, 0.5, 2, 10),  # unless asked for
        (2, 0.1, 0, 1),
    ],
)
def test_validation_size(n_rows, fraction, n_classes, size):
    assert validation_size(n_rows, fraction, n_classes) == size


@pytest.mark.parametrize(("n_rows", "fraction"), [(1, 0.1), (2, 0.9), (10, 0.99)])
def test_validation_size_leaves_rows_for_training(n_rows, fraction):
    with pytest.raises(ValueError, match=rf"validation_fraction={fraction} takes .* of n_samples={n_rows}"):
        validation_size(n_rows, fraction)


def test_split_is_a_partition_that_keeps_proportions():
    classes = np.repeat([0, 1, 2], [60, 30, 10])
    train, valid = split_validation(100, 0.2, classes=classes, seed=0)
    assert sorted([*train, *valid]) == list(range(100))
    assert np.bincount(classes[valid]).tolist() == [12, 6, 2]


def test_split_depends_on_the_seed_alone():
    splits = [split_validation(50, 0.2, classes=None, seed=seed)[1].tolist() for seed in (0, 0, 1)]
    assert splits[0] == splits[1] != splits[2]


def test_the_only_row_of_a_class_is_for_training():
    classes = np.array([0] * 20 + [1] * 20 + [2, 3])
    for seed in range(20):
        train, _ = split_validation(42, 0.3, classes=classes, seed=seed)
        assert {40, 41} <= set(train)


def test_more_classes_than_validation_rows():
    classes = np.repeat(np.arange(15), 2)
    for seed in range(20):
        train, valid = split_validation(30, 0.1, classes=classes, seed=seed)
        assert len(valid) == 10
        assert len(train) == 20
        assert set(classes[train]) == set(range(15))


def test_classes_with_one_row_each_cannot_be_split():
    with pytest.raises(ValueError, match="leaves one row of each of the 10 classes for training; got n_samples=10"):
        split_validation(10, 0.1, classes=np.arange(10), seed=0)


def test_patience_counts_as_scikit_learns_mlp():
    patience = Patience(tol=0.1, n_iter_no_change=2)
    lowest = [patience.update(value) for value in (1.0, 0.8, 0.75, 0.74)]
    assert lowest == [True, True, True, True]
    assert (patience.n_waiting, patience.best) == (2, 0.74)
    assert not patience.exhausted
    assert not patience.update(0.9)
    assert patience.exhausted
    patience.reset()
    assert not patience.exhausted
    assert patience.best == 0.74


def test_patience_without_limit():
    patience = Patience(tol=0, n_iter_no_change=np.inf)
    for _ in range(1000):
        patience.update(1.0)
    assert not patience.exhausted


def test_patience_lasts_a_hundred_steps():
    assert patience_in_epochs(10, 1) == 100
    assert patience_in_epochs(10, 9) == 12
    assert patience_in_epochs(10, 200) == 10
    assert patience_in_epochs(np.inf, 1) == np.inf


# -- more than one look ---------------------------------------------------------------------------------------


def judged(curve, *, schedule="constant", patience=10, is_scored=False):
    """Return the progress of training with early stopping on a validation curve."""
    rule = StoppingRule(len(curve), is_early=True, is_scored=is_scored, tol=1e-6, n_iter_no_change=patience)
    progress = TrainingMonitor(rule, 0.1, schedule, n_batches=100)
    for value in curve:
        progress.first_loss = 1.0
        progress.epoch += 1
        row = {"train_loss": 1.0, "penalty": 0.0, "valid_loss": value, "valid_score": -value}
        progress.update(row, is_finite=True)
        progress.check_stopping()
        if progress.stopping_reason:
            break
    return progress


# Falls for 40 epochs, then epoch 41 is low by luck: the curve comes down to it again only 15 epochs later.
SLOW = 1 - np.arange(100) / 200
UNLUCKY = np.where(np.arange(100) == 40, SLOW[55] + 1e-4, SLOW)


@pytest.mark.parametrize("is_scored", [False, True])
def test_a_lucky_epoch_late_in_training_is_not_settled_on(is_scored):
    progress = judged(UNLUCKY, is_scored=is_scored)
    assert progress.epoch == progress.best_epoch == 100
    # Half of 41 epochs are 20: where the curve does not come down again, they are waited for, and no more.
    progress = judged(np.where(np.arange(100) > 40, 0.9, UNLUCKY))
    assert (progress.best_epoch, progress.epoch) == (41, 41 + 21)
    assert "in 21 epochs" in progress.stopping_reason


@pytest.mark.parametrize(
    ("best", "patience", "waited"), [(1, 10, 11), (20, 10, 11), (24, 10, 13), (6, 1, 4), (1, 1, 2)]
)
def test_the_wait_is_n_iter_no_change_or_half_of_the_epochs_before(best, patience, waited):
    progress = judged(np.abs(np.arange(1, 101) - best) + 1.0, patience=patience)
    assert (progress.best_epoch, progress.epoch) == (best, best + waited)


def test_a_flat_curve_ends():
    progress = judged(np.ones(100))
    assert (progress.best_epoch, progress.epoch) == (1, 12)
    assert progress.converged


def test_an_adaptive_rate_falls_after_n_iter_no_change_epochs():
    progress = judged(np.abs(np.arange(1, 61) - 40.0), schedule="adaptive", patience=5)
    assert [row["epoch"] for row in progress.history][-1] == 60
    assert progress.lr == pytest.approx(0.1 / 5**3)  # after 6, 12 and 18 epochs without an improvement


def test_the_training_objective_is_waited_for_as_long_as_scikit_learn_does():
    progress = TrainingMonitor(StoppingRule(100, tol=0.0, n_iter_no_change=10), 0.1, "constant", n_batches=1)
    for value in np.abs(np.arange(1, 101) - 40.0):
        progress.first_loss = 1.0
        progress.epoch += 1
        progress.update({"train_loss": value, "penalty": 0.0}, is_finite=True)
        progress.check_stopping()
        if progress.stopping_reason:
            break
    assert progress.epoch == 40 + 11


@pytest.mark.filterwarnings("ignore:Training reached max_iter")
def test_a_long_wait_goes_on_from_a_checkpoint(tmp_path):
    rng = np.random.default_rng(0)
    X = rng.normal(size=(240, 3))
    y = np.sin(2 * X[:, 0]) + 0.5 * rng.normal(size=240)
    X[:2], y[:2] = [[30, -30, 30], [-30, 30, 30]], 0
    halves = PredefinedSplit(np.where(np.arange(240) < 120, 0, -1))
    options = {"batch_size": 2, "learning_rate_init": 0.01, "n_iter_no_change": 2, "tol": 0.0, "random_state": 0}
    model = RegularizedMLPRegressor((8,), early_stopping=halves, max_iter=8, **options).fit(X, y)
    model.save_checkpoint(tmp_path / "state")
    resumed = clone(model).set_params(max_iter=40).load_checkpoint(tmp_path / "state").fit(X, y)
    whole = clone(model).set_params(max_iter=40).fit(X, y)
    # The checkpoint was taken in the middle of a wait that is longer than n_iter_no_change.
    assert whole.best_epoch_ < 8 < whole.best_epoch_ + 3 < whole.n_iter_ < 40
    np.testing.assert_equal(resumed.history_, whole.history_)
    np.testing.assert_equal(resumed.coefs_, whole.coefs_)


# -- rows that are wrong --------------------------------------------------------------------------------------


def plain_mean(losses, weight):
    return (losses * weight).sum(dim=1)


def excess(bound, row, weight):
    return MAX_LOSS_OF_ROW * (weight @ np.minimum(row, bound)) - bound


@pytest.mark.parametrize("seed", range(6))
def test_bounded_mean_solves_its_equation(seed):
    rng = np.random.default_rng(seed)
    losses, weight = rng.chisquare(1, (3, 300)), rng.uniform(0.1, 1, (3, 300))
    losses[0, : seed + 1] *= 1e4
    losses[1, : seed + 1] *= 10 ** rng.uniform(0, 9, seed + 1)
    weight[:, -40:] = 0  # rows that fill a batch up
    losses[:, -1] = 1e30
    weight /= weight.sum(axis=1, keepdims=True)
    means = plain_mean(torch.tensor(losses), torch.tensor(weight))
    found = bounded_mean(torch.tensor(losses), torch.tensor(weight), means).tolist()
    for row, w, mean, bounded in zip(losses, weight, means.tolist(), found, strict=True):
        highest = row[w > 0].max()
        if highest <= MAX_LOSS_OF_ROW * mean:
            assert bounded == mean
        else:
            bound = brentq(partial(excess, row=row, weight=w), 1e-3, highest)
            assert bounded == pytest.approx(bound / MAX_LOSS_OF_ROW, rel=1e-9)


def test_a_bounded_mean_does_not_know_how_wrong_a_row_is():
    losses = torch.ones(4, 100)
    losses[:, 0] = torch.tensor([49.0, 1e3, 1e9, 1e30])
    weight = torch.full((100,), 0.01)
    bounded = bounded_mean(losses, weight, plain_mean(losses, weight))
    # One row at 50 times the mean m, 99 at 1: 100 m = 99 + 50 m.
    assert bounded.tolist() == pytest.approx([1.48, 1.98, 1.98, 1.98])
    in_cents = bounded_mean(losses[:3] * 1e4, weight, plain_mean(losses[:3] * 1e4, weight))
    assert (in_cents / bounded[:3]).tolist() == pytest.approx([1e4] * 3)


def test_a_bounded_mean_is_the_same_for_weights_and_repeated_rows():
    rng = np.random.default_rng(0)
    losses, counts = torch.tensor(rng.chisquare(1, (1, 400))), torch.tensor(rng.integers(0, 4, 400))
    losses[0, :4] *= 1e5
    repeated = losses.repeat_interleave(counts, dim=1)
    weight, uniform = counts / counts.sum(), torch.full((repeated.shape[1],), 1 / repeated.shape[1])
    means = plain_mean(losses, weight), plain_mean(repeated, uniform)
    weighted = bounded_mean(losses, weight, means[0])
    assert weighted < 0.1 * means[0]
    assert weighted.item() == pytest.approx(bounded_mean(repeated, uniform.double(), means[1]).item(), rel=1e-6)


def test_few_rows_are_all_heard():
    """One of fifty rows cannot have more than fifty times the mean."""
    losses = torch.tensor([[1e9] + [1.0] * 49])
    weight = torch.full((50,), 1 / 50)
    mean = plain_mean(losses, weight)
    assert bounded_mean(losses, weight, mean) == mean


@pytest.mark.parametrize("solver", ["adam", "lbfgs"])
def test_one_wrong_row_does_not_choose_the_epoch(solver):
    rng = np.random.default_rng(0)
    X = rng.normal(size=(600, 3))
    y = np.sin(2 * X[:, 0]) + X[:, 1] * X[:, 2] / 2 + 0.1 * rng.normal(size=600)
    options = {"learning_rate_init": 0.02, "batch_size": 20, "solver": solver, "n_iter_no_change": np.inf}
    model = RegularizedMLPRegressor((16,), early_stopping=True, max_iter=30, random_state=0, **options)
    right, wrong = X[300:400].copy(), X[300:400].copy()
    wrong[0] = [40, -40, 40]
    scores = []
    for X_val in (right, wrong):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ConvergenceWarning)  # of L-BFGS
            model.fit(X[:300], y[:300], X_val=X_val, y_val=y[300:400])
        scores.append(model.score(X[400:], y[400:]))
    # By the mean with the wrong row the best epoch comes much earlier. The test rows are right.
    assert np.argmin(model.history_["valid_loss"]) + 1 < model.best_epoch_ / 2
    assert scores[1] > scores[0] - 0.02

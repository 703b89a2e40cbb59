import numpy as np
import pytest
import torch
from sklearn.metrics import accuracy_score, log_loss, r2_score

from skreg.losses import HalfSquaredError, LogisticLogLoss, SoftmaxLogLoss

RNG = np.random.default_rng(0)
Z = torch.from_numpy(RNG.normal(size=(2, 30, 4)) * 2)
WEIGHT = torch.from_numpy(RNG.random(30))
WEIGHT /= WEIGHT.sum()
LABELS = RNG.integers(0, 4, 30)
ONE_HOT = torch.from_numpy(np.eye(4)[LABELS])
INDICATORS = torch.from_numpy((RNG.random((30, 4)) < 0.4).astype(float))
NUMBERS = torch.from_numpy(RNG.normal(size=(30, 4)))
CASES = [(SoftmaxLogLoss(), ONE_HOT), (LogisticLogLoss(), INDICATORS), (HalfSquaredError(), NUMBERS)]


@pytest.mark.parametrize(("loss", "target"), CASES)
def test_gradient_is_that_of_per_row(loss, target):
    outputs = Z.clone().requires_grad_()
    loss.per_row(outputs, target).sum().backward()
    torch.testing.assert_close(loss.gradient(Z, target), outputs.grad)


@pytest.mark.parametrize(("loss", "target"), CASES)
def test_nothing_is_changed_in_place(loss, target):
    outputs, targets = Z.clone(), target.clone()
    for function in (loss.gradient, loss.per_row, lambda Z, T: loss.score(Z, T, WEIGHT), lambda Z, T: loss.link(Z)):
        function(outputs, targets)
        assert torch.equal(outputs, Z)
        assert torch.equal(targets, target)


def test_softmax_log_loss_is_scikit_learns():
    expected = log_loss(LABELS, torch.softmax(Z[0], 1).numpy(), sample_weight=WEIGHT.numpy())
    assert float(SoftmaxLogLoss().per_row(Z, ONE_HOT)[0] @ WEIGHT) == pytest.approx(expected, rel=1e-12)


def test_logistic_log_loss_is_the_sum_of_the_labels_log_losses():
    probability = torch.sigmoid(Z[0]).numpy()
    expected = sum(log_loss(INDICATORS[:, k].numpy(), probability[:, k]) for k in range(4))
    assert float(LogisticLogLoss().per_row(Z, INDICATORS)[0].mean()) == pytest.approx(expected, rel=1e-12)


def test_log_losses_stay_finite_where_probabilities_underflow():
    extreme = torch.tensor([[[2000.0, -2000.0]]], dtype=torch.float64)
    target = torch.tensor([[0.0, 1.0]], dtype=torch.float64)
    assert SoftmaxLogLoss().per_row(extreme, target).item() == 4000
    assert LogisticLogLoss().per_row(extreme, target).item() == 4000


@pytest.mark.parametrize("member", [0, 1])
def test_scores_are_scikit_learns(member):
    weight = WEIGHT.numpy()
    predicted = Z[member].numpy()
    accuracy = accuracy_score(LABELS, predicted.argmax(1), sample_weight=weight)
    assert SoftmaxLogLoss().score(Z, ONE_HOT, WEIGHT)[member].item() == pytest.approx(accuracy)
    subset = accuracy_score(INDICATORS.numpy(), predicted > 0, sample_weight=weight)
    assert LogisticLogLoss().score(Z, INDICATORS, WEIGHT)[member].item() == pytest.approx(subset)
    r2 = r2_score(NUMBERS.numpy(), predicted, sample_weight=weight)
    assert HalfSquaredError().score(Z, NUMBERS, WEIGHT)[member].item() == pytest.approx(r2)


def test_r2_of_a_constant_target_is_scikit_learns():
    target = torch.full((5, 1), 2.0, dtype=torch.float64)
    weight = torch.full((5,), 0.2, dtype=torch.float64)
    met = HalfSquaredError().score(target.unsqueeze(0), target, weight).item()
    missed = HalfSquaredError().score(target.unsqueeze(0) + 1, target, weight).item()
    assert (met, missed) == (r2_score(target, target), r2_score(target, target + 1))


def test_label_smoothing():
    smooth = SoftmaxLogLoss().smooth_targets(ONE_HOT, 0.2)
    np.testing.assert_allclose(smooth.sum(1), 1)
    assert sorted(set(smooth.numpy().ravel().round(12))) == [0.05, 0.85]
    assert sorted(set(LogisticLogLoss().smooth_targets(INDICATORS, 0.2).numpy().ravel().round(12))) == [0.1, 0.9]
    with pytest.raises(TypeError, match="label smoothing needs class targets"):
        HalfSquaredError().smooth_targets(NUMBERS, 0.2)

"""Gradient clipping against torch's and skorch's, alone and in populations."""

import numpy as np
import pytest
import torch
from numpy.testing import assert_allclose, assert_array_equal
from skorch.callbacks import GradientNormClipping

from skreg import RegularizedMLPClassifier
from skreg.gradients import ClipByNorm
from tests.helpers import SHORT, three_classes

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
X, Y = three_classes()


def make(**options):
    return RegularizedMLPClassifier(**SHORT | options)


@pytest.mark.parametrize("max_norm", [0.01, 0.1, 1e9])
def test_is_torchs(max_norm):
    ours = [torch.randn(1, 3, 4, dtype=torch.float64), torch.randn(1, 1, 4, dtype=torch.float64)]
    parameters = [torch.nn.Parameter(torch.zeros_like(part)) for part in ours]
    for parameter, part in zip(parameters, ours, strict=True):
        parameter.grad = part.clone()
    torch.nn.utils.clip_grad_norm_(parameters, max_norm)
    ClipByNorm(max_norm)(ours)
    for parameter, part in zip(parameters, ours, strict=True):
        assert_allclose(part, parameter.grad, rtol=1e-5)


@pytest.mark.parametrize("solver", ["adam", "sgd"])
def test_a_fit_is_that_of_skorchs_callback(solver):
    ours = make(max_grad_norm=0.05, solver=solver).fit(X, Y)
    theirs = make(callbacks=[GradientNormClipping(0.05)], solver=solver).fit(X, Y)
    assert_allclose(ours.coefs_[0], theirs.coefs_[0], rtol=1e-4)
    assert np.abs(ours.coefs_[0] - make(solver=solver).fit(X, Y).coefs_[0]).max() > 1e-3


def test_a_bound_that_is_never_reached_changes_nothing():
    assert_array_equal(make(max_grad_norm=1e9).fit(X, Y).coefs_[0], make().fit(X, Y).coefs_[0])


def test_members_have_norms_of_their_own():
    parts = [torch.tensor([[[3.0]], [[0.3]], [[0.0]]]), torch.tensor([[[4.0]], [[0.4]], [[0.0]]])]
    ClipByNorm(torch.tensor([1.0, 1.0, 2.0]).view(-1, 1, 1))(parts)
    assert_allclose(torch.cat(parts, dim=2)[:, 0], [[0.6, 0.8], [0.3, 0.4], [0, 0]], rtol=1e-6)

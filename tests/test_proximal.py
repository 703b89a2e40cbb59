import numpy as np
import pytest
import torch

from skreg.proximal import shrink, soft_threshold


def test_soft_threshold_is_the_closed_form_with_exact_zeros():
    W = torch.tensor([-3.0, -1.0, -0.5, 0.0, 0.5, 1.0, 3.0], dtype=torch.float64)
    expected = torch.sign(W) * torch.clamp(W.abs() - 1.0, min=0)
    result = soft_threshold(W, 1.0)
    torch.testing.assert_close(result, expected)
    assert (result == 0).tolist() == [False, True, True, True, True, True, False]


def test_soft_threshold_takes_one_threshold_for_each_coordinate():
    W, threshold = torch.tensor([2.0, -2.0, 2.0]), torch.tensor([0.5, 1.5, 5.0])
    assert soft_threshold(W, threshold).tolist() == [1.5, -0.5, 0.0]


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_soft_threshold_leaves_no_residue_at_awkward_numbers(dtype):
    W = torch.from_numpy(np.random.default_rng(0).normal(size=10_000)).to(dtype)
    result = soft_threshold(W, 0.7)
    assert ((result == 0) == (W.abs() <= torch.tensor(0.7, dtype=dtype))).all()


def test_shrink():
    assert shrink(torch.tensor([3.0, -6.0]), 2.0).tolist() == [1.0, -2.0]

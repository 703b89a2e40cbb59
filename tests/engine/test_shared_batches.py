"""Batches that are divided among members that share weights."""

import numpy as np
import pytest
import torch

from skreg.engine.batches import Rows
from skreg.engine.shared_batches import SharedBatches
from skreg.engine.spec import FitSpec, NetworkSpec, RowChoice
from skreg.solvers import Adam

# Rows, members, batch size: even, with padding, more members than rows in a batch, than rows at all.
CASES = [(64, 8, 16), (61, 8, 20), (50, 7, 13), (30, 8, 5), (5, 8, 200), (9, 8, 4), (200, 16, 200), (1, 2, 1)]


def spans_of(n_rows, k, batch_size):
    network = NetworkSpec((1, 1), "relu", None, (), 0.0, False, torch.float64, torch.device("cpu"), n_shared=k)
    others = dict.fromkeys(("loss", "penalty", "penalties", "constraints", "schedule", "target_rules"))
    others |= dict.fromkeys(("batch_transforms", "gradient_rules", "averaging", "stopping", "valid", "seeds"))
    spec = FitSpec(network=network, solver=Adam(), train=RowChoice(np.arange(n_rows)), batch_size=batch_size, **others)
    return spec.spans()


def batches_of(n_rows, k, batch_size, seed=0, weight=None, **options):
    numbers = torch.arange(n_rows, dtype=torch.float64)
    rows = Rows(numbers[:, None].numpy().copy(), numbers[:, None] * 10, weight)
    return SharedBatches(rows, spans_of(n_rows, k, batch_size), seed, k, **options)


def epoch_of(batches):
    """Return row, member, weight and batch of every column that is no padding."""
    batches.begin_epoch()
    parts = []
    for number, batch in enumerate(batches):
        X, n_columns = batch.X[0, :, 0], batch.X.shape[1]
        assert torch.equal(batch.target[0, :, 0], X * 10)
        assert n_columns % batches.n_shared == 0
        weight = torch.full_like(X, 1 / len(batches.readers[0].rows)) if batch.weight is None else batch.weight[0, :, 0]
        member = torch.arange(n_columns) % batches.n_shared
        table = torch.stack([X, member.double(), weight, torch.full_like(X, number)], dim=1)
        parts.append(table[weight > 0].numpy())
    return np.concatenate(parts)


@pytest.mark.parametrize("seed", [0, None])
@pytest.mark.parametrize(("n_rows", "k", "batch_size"), CASES)
def test_each_row_goes_to_one_member_in_an_epoch_and_to_all_in_k(n_rows, k, batch_size, seed):
    batches = batches_of(n_rows, k, batch_size, seed)
    assert len(batches) == min(-(-n_rows // batch_size), max(1, n_rows // k))
    for _ in range(2):
        seen = np.zeros((n_rows, k), dtype=int)
        for _ in range(k):
            rows, members, weight, numbers = epoch_of(batches).T
            assert sorted(rows) == list(range(n_rows))
            seen[rows.astype(int), members.astype(int)] += 1
            sizes = np.bincount(members.astype(int), minlength=k)
            assert sizes.max() - sizes.min() <= 1
            in_batches = np.bincount(numbers.astype(int))
            assert in_batches.max() - in_batches.min() <= 2 * k
            np.testing.assert_allclose(weight, 1 / n_rows, rtol=1e-12)
        assert (seen == 1).all()


def test_rows_are_shuffled_anew_in_every_epoch():
    batches = batches_of(96, 4, 24)
    orders = [epoch_of(batches)[:, 0] for _ in range(8)]
    assert len({tuple(order) for order in orders}) == 8
    # Of the rows of one member, too, those of the first batch are others.
    first = [frozenset(epoch_of(batches)[:24, 0]) for _ in range(8)]
    assert len(set(first)) == 8


def test_without_a_seed_the_order_is_the_given_one():
    batches = batches_of(12, 3, 6, seed=None)
    rows, members, *_ = epoch_of(batches).T
    assert rows.tolist() == list(range(12))
    assert members.tolist() == [0, 1, 2] * 4
    rows, members, *_ = epoch_of(batches).T
    assert rows.tolist() == [2, 0, 1, 5, 3, 4, 8, 6, 7, 11, 9, 10]


def test_the_order_follows_from_the_seed():
    orders = [[epoch_of(batches).tolist() for _ in range(5)] for batches in (batches_of(50, 7, 13) for _ in range(2))]
    assert orders[0] == orders[1]
    assert orders[0] != [epoch_of(batches).tolist() for batches in [batches_of(50, 7, 13, seed=1)] for _ in range(5)]


@pytest.mark.parametrize("n_rows", [48, 50])
def test_weights_of_rows_stay_with_them(n_rows):
    weight = torch.from_numpy(np.random.default_rng(0).random(n_rows) + 0.1)
    weight /= weight.sum()
    batches = batches_of(n_rows, 8, 16, weight=weight)
    for _ in range(3):
        rows, _, found, _ = epoch_of(batches).T
        np.testing.assert_array_equal(found, weight[rows.astype(int)])


def test_blocks_of_batches_are_the_same_as_all_at_once():
    few, all_at_once = batches_of(100, 4, 10, block_bytes=64), batches_of(100, 4, 10)
    assert few.batches_per_block == 1
    np.testing.assert_array_equal(epoch_of(few), epoch_of(all_at_once))

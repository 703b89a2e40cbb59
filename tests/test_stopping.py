import numpy as np
import pytest

from skreg.stopping import Patience, patience_in_epochs, split_validation, validation_size


@pytest.mark.parametrize(
    ("n_rows", "fraction", "n_classes", "size"),
    [
        (1000, 0.1, 0, 100),
        (1001, 0.1, 0, 101),
        (60, 0.1, 3, 10),  # a tenth would be 6 rows
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

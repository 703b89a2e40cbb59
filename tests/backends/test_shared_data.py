"""What tasks for a cluster have beside them: data, by content, and warnings."""

import io
import threading
import warnings
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
import scipy.sparse

from skreg.backends import Shared, keeping_data
from skreg.backends._cluster import kept_data
from skreg.backends._shared_data import BlockStore
from skreg.model_selection._processes import Home

pytest.importorskip("cloudpickle")
from skreg.backends._task_pickles import TaskUnpickler, arrays_in, dumped

X = np.random.default_rng(0).normal(size=(60, 10))
SPARSE = scipy.sparse.random(60, 10, density=0.3, format="csr", random_state=0)


class Receiver:
    """Takes blocks as they come, and counts the numbers in them."""

    def __init__(self):
        self.store, self.blocks, self.n_sent = BlockStore(), {}, 0

    def array(self, array):
        reference = self.store.reference(array)
        self.n_sent += sum(block.size for block in self.store.new.values() if block.dtype.kind == "f")
        self.blocks |= self.store.new
        self.store.new = {}
        return reference.array(self.blocks)


def folds():
    """Return the training rows of three folds of a permutation."""
    order = np.random.default_rng(0).permutation(60)
    return [np.concatenate([order[:start], order[start + 20 :]]) for start in (0, 20, 40)]


@pytest.mark.parametrize("data", [X, X.astype(np.float32), SPARSE, scipy.sparse.csr_array(SPARSE)])
def test_rows_of_folds_are_sent_once(data):
    receiver = Receiver()
    for rows in [*folds(), np.arange(60), np.zeros(5, dtype=int)]:
        found, expected = receiver.array(data[rows]), data[rows]
        assert type(found) is type(expected)
        assert found.dtype == expected.dtype
        if scipy.sparse.issparse(data):
            found, expected = found.toarray(), expected.toarray()
        np.testing.assert_array_equal(found, expected, strict=True)
    assert receiver.n_sent == data.size


def test_the_same_values_as_other_numbers_are_other_data():
    receiver = Receiver()
    arrays = [X, X.astype(np.float32), X[:, :9].copy(), np.asfortranarray(X), X.view(np.int64), X[::2]]
    arrays += [np.where(X > 0, 0.0, -0.0), np.zeros_like(X), np.full_like(X, np.nan), X[:, 0], np.array(["a", "bc"])]
    arrays += [np.arange(60).astype("datetime64[s]"), X > 0, X[:3], X.reshape(30, 20)]
    for array in arrays:
        found = receiver.array(array)
        np.testing.assert_array_equal(found, array, strict=True)
        assert found.tobytes() == array.tobytes()
        assert found.flags.f_contiguous == array.flags.f_contiguous


def test_changed_in_place():
    receiver, data = Receiver(), X.copy()
    receiver.array(data)
    data[3, 3] += 1
    np.testing.assert_array_equal(receiver.array(data), data)


def test_pickles(tmp_path):
    large, small = np.tile(X, (2, 1)), X[:2]
    table = np.memmap(tmp_path / "X", dtype=float, mode="w+", shape=(60, 10))
    table[:] = 1 - X
    words = ["word"] * 5000
    task = {"large": [large, large], "small": small, "table": table, "words": Shared((words, large))}
    store = BlockStore()
    content = dumped(task, store.reference)
    assert len(content) < 2000
    found = TaskUnpickler(io.BytesIO(content), store.new).load()
    assert found["large"][0] is found["large"][1]
    np.testing.assert_array_equal(found["large"][0], large)
    np.testing.assert_array_equal(found["small"], small)
    np.testing.assert_array_equal(found["table"], 1 - X)
    assert found["words"].value[0] == words
    np.testing.assert_array_equal(found["words"].value[1], large)
    assert set(arrays_in([task["large"], table])) == {id(large), id(table)}


def test_warnings_of_threads_go_to_their_own_lists():
    """As in a worker of Dask with several threads: the first to leave is not the last."""
    shown, caught = warnings.showwarning, {name: [] for name in ("first", "second")}
    inside, has_left = threading.Barrier(2), threading.Event()

    def task(name):
        with home.recording(caught[name]):
            inside.wait(20)
            warnings.warn(name, stacklevel=1)
            if name == "second":
                has_left.wait(20)
                warnings.warn("late", stacklevel=1)
        has_left.set()

    with warnings.catch_warnings():
        warnings.simplefilter("always")
        home = Home()
        with ThreadPoolExecutor(2) as pool:
            list(pool.map(task, caught))
    assert caught == {"first": [("first", UserWarning)], "second": [("second", UserWarning), ("late", UserWarning)]}
    assert warnings.showwarning is shown


def test_a_cluster_gets_what_is_kept_once():
    made, closed = [], []

    class Data:
        def __init__(self, client):
            made.append(client)

        def close(self):
            closed.append(self)

    with keeping_data():
        with keeping_data():
            first = kept_data("one", Data)
        with ThreadPoolExecutor(2) as pool:
            again = list(pool.map(lambda _: kept_data("one", Data), range(4)))
        assert set(again) == {first}
        second = kept_data("another", Data)
        assert (made, closed) == (["one", "another"], [])
    assert closed == [first, second]
    with keeping_data():
        assert kept_data("one", Data) is not first

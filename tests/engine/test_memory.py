"""Peaks of the memory of fits, against their bounds and against copies of their data, in processes of their own."""

import os
import subprocess
import sys

import numpy as np
import pytest

START = """
import ctypes, gc, sys, warnings
import numpy as np
import scipy.sparse
from skreg import RegularizedMLPClassifier, RegularizedMLPRegressor
from skreg._estimator.prepare import prepare
from skreg.engine.grouping import n_bytes
from skreg.engine.trainer import Trainer

libc = ctypes.CDLL(None)


def kilobytes(name):
    with open("/proc/self/status") as lines:
        return next(int(line.split()[1]) for line in lines if line.startswith(name))


def peak(call):
    # Freed memory is given back, so that every call is measured from the same start.
    gc.collect()
    libc.malloc_trim(0)
    with open("/proc/self/clear_refs", "w") as file:
        file.write("5")
    before = kilobytes("VmRSS")
    call()
    return 1024 * (kilobytes("VmHWM") - before)


warnings.simplefilter("ignore")
rng = np.random.default_rng(0)
SHORT = {"max_iter": 1, "random_state": 0}

# What the first fits of a process load is not theirs.
rows, labels = rng.normal(size=(30, 3)), np.arange(30) % 3
RegularizedMLPClassifier(**SHORT, early_stopping=True, input_dropout=0.2).fit(rows, labels).predict(rows)
RegularizedMLPClassifier(**SHORT).fit(rows.astype(np.float32), rows[:, 0] > 0)
RegularizedMLPClassifier(**SHORT, augmentation="noise").fit(scipy.sparse.csr_matrix(rows), labels)
RegularizedMLPClassifier(**SHORT).fit(rows, labels[:, None] == [0, 1])
RegularizedMLPRegressor(**SHORT).fit(rows, rows)
RegularizedMLPRegressor(**SHORT, loss="poisson").fit(rows, rows**2)
"""


# Copies of targets. Freed memory is given back at once, as figures_of says, so that peaks do not depend on the heap.
OF_TARGETS = """
n_rows, n_classes = 12_000, 2000
X, y = rng.normal(size=(n_rows, 5)), np.resize(np.arange(n_classes), n_rows)
for name, options in {"classes": {}, "classes, validated": {"early_stopping": True, "n_iter_no_change": 2}}.items():
    model = RegularizedMLPClassifier((5,), batch_size=500, **SHORT, **options)
    print(name, peak(lambda: model.fit(X, y).predict(X)) / (8 * n_rows * n_classes), sep=";")
    del model

n_rows, n_targets = 16_000, 1500
X, y = rng.normal(size=(n_rows, 5)), rng.random((n_rows, n_targets))
options = {"hidden_layer_sizes": (5,), "batch_size": 250, **SHORT}
print("numbers", peak(lambda: RegularizedMLPRegressor(**options).fit(X, y)) / y.nbytes, sep=";")
labels = (y < 0.05).astype(int)
del y
print("labels", peak(lambda: RegularizedMLPClassifier(**options).fit(X, labels)) / labels.nbytes, sep=";")
del labels

X, Y = rng.normal(size=(4000, 3)), np.exp(rng.normal(size=(4000, 100)))
options = {"hidden_layer_sizes": (3,), "max_iter": 2, "n_iter_no_change": np.inf, "random_state": 0}
CASES = [
    ("two networks", RegularizedMLPRegressor(**options), Y),
    ("two networks of counts", RegularizedMLPRegressor(**options, loss="poisson"), Y),
    ("two networks of labels", RegularizedMLPClassifier(**options), (Y > 1).astype(int)),
]
for name, estimator, targets in CASES:
    pending = prepare(estimator, X, targets)
    trainer = Trainer([(pending.spec, pending.dataset)] * 2)
    print(name, peak(trainer.train), 2 * n_bytes(pending.spec), sep=";")
    del trainer, pending
"""


# What is left behind in the heap counts, too.
OF_INPUTS = """
X, y = np.memmap(sys.argv[1], np.float32, "r", shape=(48 * 1024, 1024)), np.arange(48 * 1024) % 2
model = RegularizedMLPClassifier((4,), early_stopping=True, **SHORT)
print("mapped file", peak(lambda: model.fit(X, y).predict(X)), sep=";")
del X, model


def fit_changing_inputs(X):
    options = {"hidden_layer_sizes": (5,), "batch_size": 50, **SHORT}
    y = np.arange(X.shape[0]) % 2
    RegularizedMLPClassifier(**options, augmentation="noise").fit(X, y)
    RegularizedMLPClassifier(**options, input_dropout=0.2).fit(X, y)


n_rows, n_columns, n_nonzero = 2000, 20_000, 5
columns = rng.integers(0, n_columns, n_rows * n_nonzero)
indptr = np.arange(0, len(columns) + 1, n_nonzero)
X = scipy.sparse.csr_matrix((np.ones(len(columns)), columns, indptr), (n_rows, n_columns))
X.sum_duplicates()
print("changing inputs", peak(lambda: fit_changing_inputs(X)) / (8 * n_rows * n_columns), sep=";")
"""


def figures_of(script, *arguments, **environment):
    """Return what a script prints of each fit."""
    if not os.access("/proc/self/clear_refs", os.W_OK):
        pytest.skip("needs Linux")
    environment = os.environ | {"OMP_NUM_THREADS": "1"} | environment
    command = [sys.executable, "-c", START + script, *map(str, arguments)]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
    return {
        name: tuple(map(float, numbers)) for name, *numbers in (line.split(";") for line in done.stdout.splitlines())
    }


@pytest.fixture(scope="module")
def of_targets():
    return figures_of(OF_TARGETS, MALLOC_MMAP_THRESHOLD_=str(2**20), MALLOC_TRIM_THRESHOLD_="0")


@pytest.fixture(scope="module")
def of_inputs(tmp_path_factory):
    path = tmp_path_factory.mktemp("memory") / "mapped.bin"
    block = np.random.default_rng(0).normal(size=(1024, 1024)).astype(np.float32)
    with path.open("wb") as file:
        for _ in range(48):
            block.tofile(file)
    return figures_of(OF_INPUTS, path)


@pytest.mark.parametrize("name", ["two networks", "two networks of counts", "two networks of labels"])
def test_the_bound_of_the_memory_of_a_fit_holds_with_many_targets(of_targets, name):
    peak, bound = of_targets[name]
    assert 0.2 * bound < peak < bound + 3 * 2**20  # blocks of rows come beside


@pytest.mark.parametrize("name", ["classes", "classes, validated"])
def test_memory_of_many_classes(of_targets, name):
    """In units of an indicator array in float64: it took nine of them, and MLPClassifier takes two."""
    assert of_targets[name][0] < 1


@pytest.mark.parametrize(("name", "most"), [("numbers", 0.7), ("labels", 1.9)])
def test_memory_of_many_targets(of_targets, name, most):
    """In units of y in float64: it took eight of them, and nine with that of the labels, of which one is an array."""
    assert of_targets[name][0] < most


def test_memory_of_sparse_inputs_that_change_in_every_batch(of_inputs):
    """In units of a dense copy of the inputs: it took one, which the batches made dense left behind."""
    assert of_inputs["changing inputs"][0] < 0.4


def test_a_mapped_file_is_never_in_memory_as_a_whole(of_inputs):
    """Of its 192 MB, mapped pages count."""
    assert of_inputs["mapped file"][0] < 100 * 2**20

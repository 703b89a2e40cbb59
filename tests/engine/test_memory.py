"""The bound of the memory of a fit, against the peak of a process of its own."""

import os
import subprocess
import sys

import pytest

SCRIPT = """
import gc, warnings
import numpy as np
from skreg import RegularizedMLPClassifier, RegularizedMLPRegressor
from skreg._estimator.prepare import prepare
from skreg.engine.grouping import n_bytes
from skreg.engine.trainer import Trainer

def kilobytes(name):
    with open("/proc/self/status") as lines:
        return next(int(line.split()[1]) for line in lines if line.startswith(name))

warnings.simplefilter("ignore")
rng = np.random.default_rng(0)
X, Y = rng.normal(size=(4000, 3)), np.exp(rng.normal(size=(4000, 100)))
options = {"hidden_layer_sizes": (3,), "max_iter": 2, "n_iter_no_change": np.inf, "random_state": 0}
CASES = [
    (RegularizedMLPRegressor(**options), Y),
    (RegularizedMLPRegressor(**options, loss="poisson"), Y),
    (RegularizedMLPClassifier(**options), (Y > 1).astype(int)),
]
for estimator, targets in [CASES[0], *CASES]:  # what the first fit of a process loads is not the fit's
    pending = prepare(estimator, X, targets)
    trainer = Trainer([(pending.spec, pending.dataset)] * 2)
    gc.collect()
    with open("/proc/self/clear_refs", "w") as file:
        file.write("5")
    before = kilobytes("VmRSS")
    trainer.train()
    print(2 * n_bytes(pending.spec), 1024 * (kilobytes("VmHWM") - before))
    del trainer, pending
"""


@pytest.mark.skipif(not os.access("/proc/self/clear_refs", os.W_OK), reason="needs Linux")
def test_the_bound_of_the_memory_of_a_fit_holds_with_many_targets():
    # Freed memory is given back, so that every fit is measured from the same start.
    malloc = {"MALLOC_MMAP_THRESHOLD_": "1048576", "MALLOC_TRIM_THRESHOLD_": "0"}
    environment = os.environ | malloc | {"OMP_NUM_THREADS": "1"}
    done = subprocess.run([sys.executable, "-c", SCRIPT], env=environment, capture_output=True, text=True, check=True)
    figures = [tuple(map(int, line.split())) for line in done.stdout.splitlines()]
    assert len(figures) == 4
    for bound, peak in figures[1:]:
        assert 0.2 * bound < peak < bound + 3 * 2**20  # blocks of rows come beside

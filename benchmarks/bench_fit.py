"""Time of one training step beside scikit-learn's MLPClassifier and skorch, in one process, interleaved.

All train the same network on the same data for the same number of epochs with the same batch size; a fit's time is
divided by its number of steps. skorch runs its default loop: a plain torch module, torch's Adam, autograd. Every figure
is the median of several rounds, and a ratio says how many times faster skreg is. "Products" is the time that the matrix
products of a step take on their own, the floor under any implementation. One-thread figures limit scikit-learn's BLAS
and torch to one thread each; the others leave both alone. At the end: what ``import skreg`` and a first small fit take
beyond ``import torch, sklearn``.

    python benchmarks/bench_fit.py [--rounds 5] [--one-thread]
"""

import argparse
import subprocess
import sys
import time
import warnings
from itertools import pairwise

import numpy as np
import torch
from _timing import add_rounds, n_rounds, threads, versions
from sklearn.datasets import load_digits
from sklearn.exceptions import ConvergenceWarning
from sklearn.neural_network import MLPClassifier
from skorch import NeuralNetClassifier

from skreg import RegularizedMLPClassifier


def digits():
    """Return scikit-learn's digits, scaled to [0, 1]."""
    X, y = load_digits(return_X_y=True)
    return (X / 16).astype(np.float32), y


def images(n_rows=6000):
    """Return rows of the size and sparsity of Fashion-MNIST; a step's time does not depend on their meaning."""
    rng = np.random.default_rng(0)
    X = rng.random((n_rows, 784), dtype=np.float32)
    X[X < 0.5] = 0
    return X, rng.integers(0, 10, n_rows)


# Name, data, hidden layers, batch size, epochs.
CASES = [
    ("64-128-10, batch 32", digits, (128,), 32, 20),
    ("64-100-10, batch 200", digits, (100,), 200, 60),
    ("784-128-10, batch 32", images, (128,), 32, 8),
    ("784-256-128-10, batch 128", images, (256, 128), 128, 12),
]
PLAIN, PENALIZED = "none", "L2"
BOTH = "L1, dropout"
VARIANTS = {
    PLAIN: {"penalty": None},
    PENALIZED: {},
    "L1": {"penalty": "l1"},
    "dropout": {"penalty": None, "dropout": 0.5},
    BOTH: {"penalty": "l1", "dropout": 0.5},
}
PEERS = ("MLP", "skorch")
FIRST_FIT = """
import numpy as np, skreg
skreg.RegularizedMLPClassifier((8,), max_iter=2, tol=0, n_iter_no_change=np.inf).fit(np.eye(30), np.arange(30) % 3)
"""


def plain_module(units):
    """Return a network as torch's users write it."""
    layers = [torch.nn.Linear(*units[:2])]
    for n_in, n_out in pairwise(units[1:]):
        layers += [torch.nn.ReLU(), torch.nn.Linear(n_in, n_out)]
    return torch.nn.Sequential(*layers)


def models(hidden, batch_size, epochs, units):
    """Return the peers and the variants of skreg."""
    shared = {"hidden_layer_sizes": hidden, "batch_size": batch_size, "max_iter": epochs, "random_state": 0}
    shared |= {"tol": 0, "n_iter_no_change": np.inf}
    options = {"optimizer": torch.optim.Adam, "lr": 0.001, "batch_size": batch_size, "max_epochs": epochs}
    options |= {"criterion": torch.nn.CrossEntropyLoss, "iterator_train__shuffle": True}
    net = NeuralNetClassifier(plain_module(units), **options, train_split=None, verbose=0)
    ours = {variant: RegularizedMLPClassifier(**shared, **options) for variant, options in VARIANTS.items()}
    return {"MLP": MLPClassifier(**shared), "skorch": net, **ours}


def products(units, batch_size, n_repeats=20):
    """Return the time that the matrix products of one step take, and their billions of operations a second."""
    calls, n_operations = [], 0
    for i, (n_in, n_out) in enumerate(pairwise(units)):
        A, W, dZ = torch.rand(batch_size, n_in), torch.rand(n_in, n_out), torch.rand(batch_size, n_out)
        # Forward, gradient of the weights, gradient of the inputs, which the first layer does not need.
        calls += [(A, W), (A.mT, dZ), (dZ, W.mT)][: 2 if i == 0 else 3]
        n_operations += (4 if i == 0 else 6) * batch_size * n_in * n_out
    # Fewer than 16 columns are slow: then the transposed product is the floor.
    calls = [(B.mT, A.mT) if B.shape[1] < 16 else (A, B) for A, B in calls]
    start = time.perf_counter()
    for _ in range(n_repeats):
        for A, B in calls:
            torch.mm(A, B)
    seconds = (time.perf_counter() - start) / n_repeats
    return seconds, n_operations / seconds / 1e9


def timed(work, n_threads):
    """Return the time of a call, with a number of threads or, for None, the libraries' own choice; and its result."""
    with threads(n_threads):
        start = time.perf_counter()
        result = work()
        return time.perf_counter() - start, result


def run_case(load, hidden, batch_size, epochs, rounds, n_threads):
    """Return the median microseconds of a step of every model and of the products, and the speed of these."""
    X, y = load()
    units = (X.shape[1], *hidden, 10)
    candidates = models(hidden, batch_size, epochs, units)
    n_steps = epochs * -(-len(X) // batch_size)
    times, speeds = {name: [] for name in ("products", *candidates)}, []
    for number in range(rounds + 1):
        for name, model in candidates.items():
            # skorch takes several times as long: a quarter of the epochs is enough.
            share = 4 if name == "skorch" else 1
            if share > 1:
                model.set_params(max_epochs=epochs // share)
            seconds, _ = timed(lambda model=model: model.fit(X, y), n_threads)
            times[name].append(1e6 * share * seconds / n_steps)
        _, (seconds, speed) = timed(lambda: products(units, batch_size), n_threads)
        times["products"].append(1e6 * seconds)
        speeds.append(speed)
        if number == 0:  # the first fits are not like the others
            times, speeds = {name: [] for name in times}, []
    return {name: float(np.median(values)) for name, values in times.items()}, float(np.median(speeds))


def table(rows, formats):
    """Print rows of cells, the first of which is a name."""
    for name, *cells in rows:
        print(f"{name:27s}" + "".join(f"{cell:>13{formats if not isinstance(cell, str) else ''}}" for cell in cells))


def geometric_mean(values):
    """Return the geometric mean."""
    return float(np.exp(np.mean(np.log(values))))


def run(rounds, n_threads):
    """Run all cases and print the tables."""
    results, speeds = {}, []
    for name, *case in CASES:
        results[name], speed = run_case(*case, rounds, n_threads)
        speeds.append(speed)
    columns = list(next(iter(results.values())))
    print("microseconds a step")
    table([("", *columns, "GFLOP/s")], "")
    table([(name, *row.values(), speed) for (name, row), speed in zip(results.items(), speeds, strict=True)], ".0f")
    for peer in PEERS:
        print(f"times faster than {peer}")
        ratios = [[row[peer] / row[variant] for variant in VARIANTS] for row in results.values()]
        table([("", *VARIANTS)], "")
        table([(name, *row) for name, row in zip(results, ratios, strict=True)], ".2f")
        table([("geometric mean", *map(geometric_mean, zip(*ratios, strict=True)))], ".2f")
    costs = [row[BOTH] / row[PLAIN] for row in results.values()]
    listed = ", ".join(f"{cost:.2f}" for cost in costs)
    print(f"{BOTH} of 0.5 in units of the time without: {listed}; mean {np.mean(costs):.2f}", flush=True)


def import_seconds(rounds):
    """Return the median time of ``import torch, sklearn`` in a new process, and with skreg and a first fit."""
    codes = ("import torch, sklearn", "import torch, sklearn\n" + FIRST_FIT)
    times = {code: [] for code in codes}
    for _ in range(rounds):
        for code in codes:
            start = time.perf_counter()
            subprocess.run([sys.executable, "-c", code], check=True)
            times[code].append(time.perf_counter() - start)
    return [float(np.median(times[code])) for code in codes]


def main():
    """Run all cases with one thread each, then with the libraries' own choice."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    add_rounds(parser)
    parser.add_argument("--one-thread", action="store_true", help="leave out the libraries' own choice")
    arguments = parser.parse_args()
    rounds = n_rounds(arguments)
    warnings.simplefilter("ignore", ConvergenceWarning)  # scikit-learn's: the number of epochs is fixed on purpose
    print(f"{versions()}; float32, median of {rounds}", flush=True)
    print("\nOne thread each")
    run(rounds, 1)
    if not arguments.one_thread:
        print(f"\nThe libraries' own choice of up to {torch.get_num_threads()} threads")
        run(rounds, None)
    without, with_fit = import_seconds(rounds)
    print(
        f"\nimport torch, sklearn: {without:.2f} s; with import skreg and a first fit {with_fit - without:.2f} s more"
    )


if __name__ == "__main__":
    main()

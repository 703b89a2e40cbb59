"""Time of one training step beside scikit-learn's MLPClassifier, in one process, interleaved.

Both train the same network on the same data for the same number of epochs with the same batch size; a fit's time is
divided by its number of steps. Every figure is the median of several rounds, and a ratio below 1 means that skreg is
faster. One-thread figures limit scikit-learn's BLAS and torch to one thread each; the others leave both alone.

    python benchmarks/bench_fit.py [--rounds 7]
"""

import argparse
import platform
import time
import warnings

import numpy as np
import sklearn
import torch
from sklearn.datasets import load_digits
from sklearn.exceptions import ConvergenceWarning
from sklearn.neural_network import MLPClassifier
from threadpoolctl import threadpool_limits

import skreg
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
    ("digits 64-128-10, batch 32", digits, (128,), 32, 20),
    ("digits 64-100-10, batch 200", digits, (100,), 200, 60),
    ("784-128-10, batch 32", images, (128,), 32, 4),
    ("784-256-128-10, batch 128", images, (256, 128), 128, 4),
]
VARIANTS = {
    "no penalty": {"penalty": None},
    "L2 (default)": {},
    "L1": {"penalty": "l1"},
    "dropout": {"penalty": None, "dropout": 0.5},
}


def seconds(model, X, y, n_threads):
    """Return the time of one fit."""
    before = torch.get_num_threads()
    if n_threads:
        torch.set_num_threads(n_threads)
    try:
        with threadpool_limits(n_threads, user_api="blas"):
            start = time.perf_counter()
            model.fit(X, y)
            return time.perf_counter() - start
    finally:
        torch.set_num_threads(before)


def run_case(name, load, hidden, batch_size, epochs, rounds, n_threads):
    """Print one line: microseconds a step of scikit-learn's MLP and of every variant, and their ratios."""
    X, y = load()
    shared = {"hidden_layer_sizes": hidden, "batch_size": batch_size, "max_iter": epochs, "random_state": 0}
    shared |= {"tol": 0, "n_iter_no_change": np.inf}
    models = {"MLPClassifier": MLPClassifier(**shared)}
    models |= {variant: RegularizedMLPClassifier(**shared, **options) for variant, options in VARIANTS.items()}
    for model in models.values():
        model.fit(X, y)
    times = {variant: [] for variant in models}
    for _ in range(rounds):
        for variant, model in models.items():
            times[variant].append(seconds(model, X, y, n_threads))
    n_steps = epochs * -(-len(X) // batch_size)
    medians = {variant: 1e6 * np.median(values) / n_steps for variant, values in times.items()}
    peer = medians.pop("MLPClassifier")
    cells = "  ".join(f"{variant} {value:5.0f} ({value / peer:.2f})" for variant, value in medians.items())
    print(f"{name:28s} MLPClassifier {peer:5.0f}  {cells}", flush=True)
    return medians["L2 (default)"] / peer


def main():
    """Run all cases with one thread each, then with the libraries' own choice."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=7, help="fits of each model (at least 5)")
    rounds = max(5, parser.parse_args().rounds)
    warnings.simplefilter("ignore", ConvergenceWarning)  # scikit-learn's: the number of epochs is fixed on purpose
    print(f"skreg {skreg.__version__}, scikit-learn {sklearn.__version__}, torch {torch.__version__}, ", end="")
    print(f"Python {platform.python_version()}, {platform.machine()}, float32, median of {rounds}")
    for n_threads, label in ((1, "one thread each"), (None, f"own choice of up to {torch.get_num_threads()} threads")):
        print(f"\nMicroseconds a step (ratio to MLPClassifier), {label}:")
        ratios = [run_case(*case, rounds, n_threads) for case in CASES]
        print(f"geometric mean of the ratios, L2 as in MLPClassifier: {np.exp(np.mean(np.log(ratios))):.2f}")


if __name__ == "__main__":
    main()

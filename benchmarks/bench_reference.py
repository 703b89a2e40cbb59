"""The reference experiment beside scikit-learn's MLPClassifier, and beside its matrix products alone.

A 784-256-128-10 network on 48,000 images of Fashion-MNIST (random images of that size where the data set is not
installed), batches of 128 rows, float32: the models of `make fashion`. The floor is the time of the eight matrix
products of a step, forward and backward, with the same shapes, on the same rows: what is left when everything else is
free. Contestants take turns, and medians are compared.

    python benchmarks/bench_reference.py [--rounds 5] [--epochs 2] [--threads 1]
"""

import argparse
import functools
import itertools
import warnings

import numpy as np
import pandas as pd
import torch
from _timing import add_rounds, median_and_range, n_rounds, take_turns, threads, versions
from sklearn.exceptions import ConvergenceWarning
from sklearn.neural_network import MLPClassifier

from skreg import RegularizedMLPClassifier
from skreg.datasets import fetch_fashion_mnist

N_ROWS, BATCH, HIDDEN, CLASSES = 48_000, 128, (256, 128), 10
MODELS = {
    "baseline": {"penalty": None},
    "L2, first layer": {"penalty": "l2", "alpha": (0.02, 0, 0)},
    "dropout 0.5": {"penalty": None, "dropout": 0.5},
    "L1, first layer": {"penalty": "l1", "alpha": (3e-4, 0, 0)},
}


def images():
    """Return 48,000 images, their classes, and what they are."""
    try:
        X, y = fetch_fashion_mnist(return_X_y=True, download_if_missing=False)
    except OSError:
        rng = np.random.default_rng(0)
        X = rng.random((N_ROWS, 784), dtype=np.float32)
        X[X < 0.5] = 0
        return X, np.arange(N_ROWS) % CLASSES, "random images (Fashion-MNIST is not installed)"
    return X[:N_ROWS], y[:N_ROWS], "Fashion-MNIST"


class Products:
    """The matrix products of training, and nothing else.

    Parameters
    ----------
    X : ndarray of shape (n_rows, n_features)
        Inputs.
    epochs : int
        Number of passes over them.
    """

    def __init__(self, X, epochs):
        self.X, self.epochs = torch.from_numpy(X), epochs
        units = (X.shape[1], *HIDDEN, CLASSES)
        generator = torch.Generator().manual_seed(0)
        self.weights = [
            torch.randn(n_in, n_out, generator=generator) / n_in**0.5 for n_in, n_out in itertools.pairwise(units)
        ]
        self.weight_gradients = [torch.empty_like(W) for W in self.weights]
        self.outputs = [torch.zeros(BATCH, n) for n in units[1:]]
        self.gradients = [torch.zeros(BATCH, n) for n in units[1:]]
        # The gradients of the outputs come from the loss; everything else is computed from them.
        self.gradients[-1].normal_(generator=generator)

    def __call__(self):
        """Compute the products of all steps."""
        for _ in range(self.epochs):
            for batch in self.X.split(BATCH):
                self._step(batch)

    def _step(self, batch):
        A = batch
        for W, Z in zip(self.weights, self.outputs, strict=True):
            A = torch.mm(A, W, out=Z)
        inputs = [batch, *self.outputs[:-1]]
        for i in reversed(range(len(self.weights))):
            torch.mm(inputs[i].T, self.gradients[i], out=self.weight_gradients[i])
            if i > 0:
                torch.mm(self.gradients[i], self.weights[i].T, out=self.gradients[i - 1])


def compare(X, y, rounds, epochs, n_threads):
    """Print seconds a fit of every model, beside those of the peer and of the floor."""
    shared = {"hidden_layer_sizes": HIDDEN, "batch_size": BATCH, "max_iter": epochs, "random_state": 0}
    shared |= {"tol": 0, "n_iter_no_change": np.inf}
    models = {name: RegularizedMLPClassifier(**shared, **options) for name, options in MODELS.items()}
    peer, floor = "MLPClassifier, L2", "matrix products alone"
    models[peer] = MLPClassifier(**shared)
    with threads(n_threads):
        for model in models.values():
            model.fit(X[:2000], y[:2000])
        contestants = {name: functools.partial(model.fit, X, y) for name, model in models.items()}
        contestants[floor] = Products(X, epochs)
        seconds = take_turns(contestants, rounds)
    n_steps = epochs * len(X) // BATCH
    rows = []
    for name, values in seconds.items():
        middle = np.median(values)
        rows.append(
            {
                "": name,
                "seconds a fit (range)": median_and_range(values),
                "µs a step": round(1e6 * middle / n_steps),
                "times faster than MLPClassifier": np.median(seconds[peer]) / middle,
                "times the products": middle / np.median(seconds[floor]),
            }
        )
    print(pd.DataFrame(rows).set_index("").round(2).to_string())


def main():
    """Run everything."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    add_rounds(parser)
    parser.add_argument("--epochs", type=int, default=2, help="of a fit; the experiment itself has ten")
    parser.add_argument("--threads", type=int, nargs="+", default=[1], help="of BLAS and torch; 0 leaves both alone")
    arguments = parser.parse_args()
    warnings.simplefilter("ignore", ConvergenceWarning)  # scikit-learn's: the number of epochs is fixed on purpose
    X, y, source = images()
    rounds = n_rounds(arguments)
    print(versions())
    print(f"{source}, {len(X)} rows, {arguments.epochs} epochs, float32, median of {rounds} rounds")
    for n_threads in arguments.threads:
        own = f"the libraries' own choice of up to {torch.get_num_threads()} threads"
        print(f"\n{f'{n_threads} thread(s)' if n_threads else own}:")
        compare(X, y, rounds, arguments.epochs, n_threads or None)


if __name__ == "__main__":
    main()

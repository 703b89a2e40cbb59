"""Data sets: Fashion-MNIST, and synthetic data with known informative features.

Examples, tests and benchmarks import them, nothing else. A new one is a ``make_`` function that draws it, or a
``fetch_`` function that loads it with scikit-learn's arguments (`data_home`, `download_if_missing`).
"""

from skreg.datasets._fashion_mnist import fetch_fashion_mnist
from skreg.datasets._synthetic import make_interactions

__all__ = ["fetch_fashion_mnist", "make_interactions"]

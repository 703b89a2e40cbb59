"""Data sets of the examples."""

from skreg.datasets._fashion_mnist import fetch_fashion_mnist
from skreg.datasets._synthetic import make_interactions

__all__ = ["fetch_fashion_mnist", "make_interactions"]

"""Data sets of the examples."""

from skreg.datasets._fashion_mnist import fetch_fashion_mnist

__all__ = ["fetch_fashion_mnist"]

"""Backends for many fits: threads, or the active backend of joblib.

They take descriptions of fits and data sets of :mod:`skreg.engine`, and return their results in the same order.
Everything that fits many networks imports them. What a new backend sends must survive pickling, errors included, and a
task that it loses or returns twice is an error.
"""

from skreg.backends._joblib import train_fits

__all__ = ["train_fits"]

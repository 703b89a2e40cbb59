"""Backends for many fits: threads, or the active backend of joblib.

They take descriptions of fits and data sets of :mod:`skreg.engine`, and return their results in the same order.
Everything that fits many networks imports them. What a new backend sends must survive pickling, errors included, and a
task that it loses or returns twice is an error.
"""

from skreg.backends._calls import run_calls
from skreg.backends._cluster import in_one_worker, keeping_data, stop_signal
from skreg.backends._joblib import train_fits
from skreg.backends._shared_data import Shared

__all__ = ["Shared", "in_one_worker", "keeping_data", "run_calls", "stop_signal", "train_fits"]

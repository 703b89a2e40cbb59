"""Where many fits run: in threads, or wherever joblib's active backend takes them.

Takes descriptions of fits and data sets of :mod:`skreg.engine`, and returns their results in the same order. Whatever
fits many networks imports it. What is sent must survive pickling, errors included, and a task that a backend loses or
returns twice is an error.
"""

from skreg.backends._joblib import train_fits

__all__ = ["train_fits"]

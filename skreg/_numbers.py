"""Numbers among what users give."""

import math
from numbers import Real

import numpy as np


def fits_float(value: Real) -> bool:
    """Return whether a number is within the range of floats; Python's integers may be larger."""
    try:
        number = float(value)
    except OverflowError:
        return False
    return not math.isinf(number) or value == number  # NumPy's long doubles become infinite


def is_number(value) -> bool:
    """Return whether a value is a real number that a float can hold.

    True and False, which Python counts as integers, are none.
    """
    return isinstance(value, Real) and not isinstance(value, bool) and fits_float(value)


def numbers_in(values) -> np.ndarray | None:
    """Return a sequence of numbers, or of sequences of them, as an array of floats; None if it holds anything else."""
    try:
        numbers = np.asarray(values, dtype=np.float64)
        given = values if isinstance(values, np.ndarray) else np.asarray(values, dtype=object)
    except (TypeError, ValueError, OverflowError):
        return None
    holds_bools = given.dtype.kind == "b" or (
        given.dtype.kind == "O" and any(isinstance(value, bool | np.bool_) for value in given.ravel())
    )
    return None if holds_bools else numbers

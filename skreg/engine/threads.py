"""Threads of torch, and the signal by which fits in other threads are abandoned."""

import contextlib
import threading
from collections.abc import Iterator
from itertools import pairwise

import torch

# Below this many floating-point operations a step, a second thread costs more than it gains.
FLOPS_FOR_THREADS = 2e9


class _ThreadLimit:
    """Number of fits that run at the same time in Python threads, and of torch threads before them."""

    lock = threading.Lock()
    n_running = 0
    before = 1


@contextlib.contextmanager
def limited_threads(flops_per_step: float) -> Iterator[None]:
    """Run torch on one thread where the work of a step is small; restore the number of threads afterwards.

    Each Python thread has its own number, and a new one starts with the number that was set last in any thread. So all
    concurrent fits restore the number before the first of them.
    """
    if flops_per_step >= FLOPS_FOR_THREADS:
        yield
        return
    with _ThreadLimit.lock:
        if _ThreadLimit.n_running == 0:
            _ThreadLimit.before = torch.get_num_threads()
        _ThreadLimit.n_running += 1
    torch.set_num_threads(1)
    try:
        yield
    finally:
        with _ThreadLimit.lock:
            _ThreadLimit.n_running -= 1
            torch.set_num_threads(_ThreadLimit.before)


def step_flops(layer_units, batch_size: int) -> float:
    """Return the floating-point operations of one training step: three matrix products a layer."""
    return 6.0 * batch_size * sum(a * b for a, b in pairwise(layer_units))


class AbandonedError(Exception):
    """Error of a fit in a thread whose call has been interrupted."""


class StopSignal:
    """Signal to abandon fits, set in any thread; trainers check it in every step."""

    def __init__(self):
        self._event = threading.Event()

    def __deepcopy__(self, memo):
        """Return itself: clones of an estimator share the signal."""
        return self

    def set(self) -> None:
        """Set the signal."""
        self._event.set()

    def is_set(self) -> bool:
        """Return whether it is set."""
        return self._event.is_set()

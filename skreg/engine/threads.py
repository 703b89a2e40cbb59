"""Threads of torch, in this process and in forked children, and the signal by which fits in threads are abandoned.

All torch work of the library is within :func:`limited_threads`, because

- below a certain size of a step, a second thread costs more than it gains;
- the threads of OpenMP are not there in a forked child, which waits for them for ever if it asks for more than one;
- fits that run beside each other in threads of joblib would each take as many threads as there are cores.
"""

import contextlib
import functools
import os
import sys
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise

import torch
from joblib.parallel import get_active_backend

from skreg._sklearn_private import threadpool_controller

# Below this many floating-point operations a step, a second thread costs more than it gains.
FLOPS_FOR_THREADS = 2e9


class _Process:
    """What the blocks of all Python threads share.

    Attributes
    ----------
    n_running : int
        Number of blocks that are within no other one.
    before : int
        Number of torch threads before the first of them.
    is_forked : bool
        Whether this is a child of a process that may have used its threads.
    """

    lock = threading.Lock()
    n_running = 0
    before = 1
    is_forked = False


class _PythonThread(threading.local):
    """What the blocks of one Python thread share.

    Attributes
    ----------
    most : int or None
        How many torch threads large steps may take; None outside of the blocks.
    n_blas_blocks : int
        In how many blocks with one thread of BLAS it is.
    """

    most: int | None = None
    n_blas_blocks = 0


_own = _PythonThread()


@contextlib.contextmanager
def limited_threads(flops_per_step: float = 0.0, *, is_worker: bool = False) -> Iterator[None]:
    """Run torch on one thread unless the work of a step is large; restore the number of threads afterwards.

    A block within another one restores what it has found. Steps that are large take the number from before the
    outermost block, but for forked children, and where fits run beside each other: ``is_worker`` says so, or joblib
    does, whose threads are not the main one. These have one thread each.

    Each Python thread has its own number, and a new one starts with the number that was set last in any thread. So all
    concurrent fits restore the number before the first of them.
    """
    outer = _own.most
    if outer is None:
        is_worker = is_worker or _is_thread_of_joblib() or is_task_of_dask()
        _begin()
        _own.most = 1 if is_worker or _Process.is_forked else _Process.before
    else:
        found = torch.get_num_threads()
        _own.most = 1 if is_worker else outer
    torch.set_num_threads(_own.most if flops_per_step >= FLOPS_FOR_THREADS else 1)
    try:
        yield
    finally:
        _own.most = outer
        if outer is None:
            _end()
        else:
            torch.set_num_threads(found)


def is_task_of_dask() -> bool:
    """Return whether a task of Dask runs in this thread."""
    module = sys.modules.get("distributed.utils")  # which workers have imported
    return module is not None and hasattr(module.thread_state, "execution_state")


def _is_thread_of_joblib() -> bool:
    """Return whether this is a thread in which joblib runs a task; a process of joblib runs tasks in its main one."""
    backend, _ = get_active_backend()
    is_task = (backend.nesting_level or 0) > 0
    return is_task and threading.current_thread() is not threading.main_thread()


def _begin() -> None:
    """Count an outermost block in."""
    with _Process.lock:
        # Always: a new thread takes over the number of the process when it first asks or works, which must not come
        # later, after it has been limited.
        found = torch.get_num_threads()
        if _Process.n_running == 0:
            _Process.before = found
        _Process.n_running += 1


def _end() -> None:
    """Count an outermost block out."""
    with _Process.lock:
        _Process.n_running -= 1
        torch.set_num_threads(_Process.before)


def _after_fork() -> None:
    """Take account of a fork, in the child: only the thread that has forked is left, and none of its torch threads."""
    _Process.lock, _Blas.lock = threading.Lock(), threading.Lock()  # other threads may have held the first
    _Process.is_forked = True
    _Process.n_running = 0 if _own.most is None else 1
    if _own.most is not None:
        _own.most = 1
        torch.set_num_threads(1)
    if _Blas.n_running and not _own.n_blas_blocks:
        # Those who would have given BLAS its threads back have stayed behind.
        _Blas.limiter.restore_original_limits()
    _Blas.n_running = min(_own.n_blas_blocks, 1)


class _Blas:
    """What the blocks in which BLAS has one thread share: in how many Python threads they are, and what ends them."""

    lock = threading.Lock()
    n_running = 0
    limiter = None


@contextlib.contextmanager
def one_blas_thread() -> Iterator[None]:
    """Run the BLAS of NumPy and SciPy on one thread; restore their numbers, which are those of all Python threads."""
    with _Blas.lock:
        if _Blas.n_running == 0:
            _Blas.limiter = _in_passing(lambda: threadpool_controller().limit(limits=1, user_api="blas"))
        _Blas.n_running += _own.n_blas_blocks == 0
        _own.n_blas_blocks += 1
    try:
        yield
    finally:
        with _Blas.lock:
            _own.n_blas_blocks -= 1
            _Blas.n_running -= _own.n_blas_blocks == 0
            if _Blas.n_running == 0:
                _in_passing(_Blas.limiter.restore_original_limits)


def _in_passing(function: Callable):
    """Return the result of a function from a thread that ends with it.

    While the thread lives that has limited BLAS, threadpoolctl lets no other one change that, not even restore it: the
    last of several fits might not be the first.
    """
    with ThreadPoolExecutor(1) as pool:
        return pool.submit(function).result()


if hasattr(os, "register_at_fork"):  # not on Windows, which has no fork
    # No fork while the limit of BLAS is being set or taken away.
    os.register_at_fork(
        before=lambda: _Blas.lock.acquire(), after_in_parent=lambda: _Blas.lock.release(), after_in_child=_after_fork
    )


def on_one_thread(function: Callable) -> Callable:
    """Decorate a function: its torch work is within :func:`limited_threads`, which large steps in it can exceed."""

    @functools.wraps(function)
    def limited(*args, **kwargs):
        with limited_threads():
            return function(*args, **kwargs)

    return limited


def for_autograd(function: Callable) -> Callable:
    """Decorate a function: it runs outside of torch's inference mode, in which a user's loss has no gradients."""

    @functools.wraps(function)
    def with_gradients(*args, **kwargs):
        if not torch.is_inference_mode_enabled():  # leaves the mode of gradients as it is, too
            return function(*args, **kwargs)
        with torch.inference_mode(False):
            return function(*args, **kwargs)

    return with_gradients


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

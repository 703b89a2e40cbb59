"""Clusters of Dask: which one is active, how long it keeps data, and what tasks on it know of themselves.

Nothing here imports Dask, which is optional; who uses it has imported it.
"""

import contextlib
import sys
import threading
from collections.abc import Callable, Iterator

import joblib

from skreg.engine.threads import StopSignal, is_task_of_dask


def client_of(backend):
    """Return the client of a backend of joblib that is a cluster of Dask; None for all others."""
    client = getattr(backend, "client", None)
    distributed = sys.modules.get("distributed")
    return client if distributed is not None and isinstance(client, distributed.Client) else None


class _Kept:
    """What clusters keep while calls run: their number, and data of each client.

    The lock is held while data of a client are made, so that a client has them once.
    """

    lock = threading.Lock()
    n_calls = 0
    data: dict = {}  # noqa: RUF012 - of the process, as the other attributes


@contextlib.contextmanager
def keeping_data() -> Iterator[None]:
    """Keep what is sent to clusters until the end of the outermost block."""
    with _Kept.lock:
        _Kept.n_calls += 1
    try:
        yield
    finally:
        with _Kept.lock:
            _Kept.n_calls -= 1
            if _Kept.n_calls == 0:
                done, _Kept.data = _Kept.data, {}
                for data in done.values():
                    data.close()


def kept_data(client, make: Callable):
    """Return what is kept for a client, within :func:`keeping_data`; ``make`` makes it of the client the first time."""
    with _Kept.lock:
        if client not in _Kept.data:
            _Kept.data[client] = make(client)
        return _Kept.data[client]


@contextlib.contextmanager
def in_one_worker() -> Iterator[None]:
    """Run tasks of joblib one after the other in this thread, if this is a task of Dask itself.

    The cluster is busy with the tasks beside it, to which the data would be sent once more.
    """
    with joblib.parallel_config("sequential") if is_task_of_dask() else contextlib.nullcontext():
        yield


class TaskSignal(StopSignal):
    """Signal to abandon the fits of a task of Dask, which is also set when nobody waits for the task any more."""

    def __init__(self):
        super().__init__()
        self._tasks = sys.modules["distributed"].get_worker().state.tasks
        self._key = sys.modules["distributed.utils"].thread_state.key

    def is_set(self) -> bool:
        """Return whether it is set."""
        task = self._tasks.get(self._key)
        return super().is_set() or task is None or task.state not in ("executing", "long-running")


def stop_signal() -> StopSignal:
    """Return a signal for the fits of this thread."""
    return TaskSignal() if is_task_of_dask() else StopSignal()

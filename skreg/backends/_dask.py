"""Tasks on a cluster of Dask.

joblib's own backend for it sends the arrays that are arguments of a task once for each call, and what is inside of
arguments with every task; it fails when the only worker that holds an argument dies; and it has all tasks run that are
left when a call is interrupted. So tasks are given to the client of that backend here, with its options.
"""

import io
import threading
import uuid
from collections.abc import Callable, Iterable, Iterator, Sequence

import distributed

from skreg._sklearn_private import threadpool_controller
from skreg._version import __version__
from skreg.backends._cluster import client_of, in_one_worker, keeping_data, kept_data
from skreg.backends._shared_data import BlockStore, Reference
from skreg.backends._task_pickles import TaskUnpickler, arrays_in, dumped
from skreg.engine.threads import limited_threads, one_blas_thread

# Number of times that data are sent again because they were lost: the only worker that held some of them has died.
N_REPEATS = 3
# Larger tasks are sent as data are, because the scheduler holds tasks itself.
MOST_BYTES = 2**20

Call = tuple[Callable, tuple]


class ClusterData:
    """Data that have been sent to a cluster, and stay there as long as this object lives."""

    def __init__(self, client):
        self.client = client
        self.lock = threading.Lock()
        self.forget()
        # Dask's active memory manager drops copies that no task reads at the moment, which would be sent again.
        self._had_manager = client.amm.running()
        if self._had_manager:
            client.amm.stop()

    def close(self) -> None:
        """Let the cluster manage its memory as before."""
        if self._had_manager and self.client.status == "running":
            self.client.amm.start()

    def forget(self) -> None:
        """Forget all, so that it is sent again."""
        self._store, self._futures = BlockStore(), {}

    def tasks(self, calls: Sequence[Call], ids: set[int] | None) -> list[tuple[bytes, dict]]:
        """Return for each call a pickle of it, and the futures of the blocks of its data; send those that are new."""
        with self.lock:
            described = [self._described(call, ids) for call in calls]
            new, self._store.new = self._store.new, {}
            sent = self.client.scatter(list(new.values()), hash=False) if new else []
            self._futures.update(zip(new, sent, strict=True))
            return [
                (content, {number: self._futures[number] for number in sorted(numbers)})
                for content, numbers in described
            ]

    def _described(self, call: Call, ids: set[int] | None) -> tuple[bytes, set[int]]:
        numbers: set[int] = set()

        def refer(array) -> Reference | None:
            if ids is not None and id(array) not in ids:
                return None
            reference = self._store.reference(array)
            numbers.update(reference.numbers)
            return reference

        return dumped(call, refer), numbers


def run_task(version: str, content: bytes, numbers: Sequence[int], blocks: Sequence):
    """Return the result of a call, in a worker."""
    if version != __version__:
        raise RuntimeError(
            f"The workers of the cluster must have the version of skreg of this process, {version}; got {__version__}."
        )
    function, arguments = TaskUnpickler(io.BytesIO(content), dict(zip(numbers, blocks, strict=True))).load()
    # Blocks of openmp end before that of torch, which restores what was before all of them.
    with (
        in_one_worker(),
        limited_threads(),
        one_blas_thread(),
        threadpool_controller().limit(limits=1, user_api="openmp"),
    ):
        return function(*arguments)


def run_on_cluster(backend, calls: Iterable[Call], shared: Sequence | None = None) -> Iterator:
    """Yield the results of some calls in any order.

    Parameters
    ----------
    backend : joblib's backend of Dask
        Its client and its options are used.
    calls : iterable of (function, arguments)
        Functions that can be imported, and what can be pickled.
    shared : sequence or None, default=None
        Objects whose arrays other calls read, too, now or later; None means that all arrays are such data.

    Yields
    ------
    object
        The results.

    Raises
    ------
    RuntimeError
        If data are lost again and again, or a worker has another version.
    """
    backend.effective_n_jobs(-1)  # waits for workers
    client, waiting = client_of(backend), list(calls)
    ids = None if shared is None else set(arrays_in(shared))
    with keeping_data():
        data = kept_data(client, ClusterData)
        for _ in range(1 + N_REPEATS):
            lost = []
            yield from _finished(client, waiting, data.tasks(waiting, ids), backend.submit_kwargs, lost)
            if not lost:
                return
            waiting = lost
            data.forget()
    raise RuntimeError(
        f"The cluster has lost the data of {len(waiting)} tasks {1 + N_REPEATS} times, because workers died or left."
    )


def _finished(client, calls: Sequence[Call], tasks: Sequence[tuple], options: dict, lost: list[Call]) -> Iterator:
    """Yield the results of some tasks; append the calls whose data have been lost to a list."""
    futures: dict = {}
    try:
        for call, (content, blocks) in zip(calls, tasks, strict=True):
            if len(content) > MOST_BYTES:
                content = client.scatter(content, hash=False)
            key = f"skreg-{call[0].__name__}-{uuid.uuid4().hex}"
            arguments = (__version__, content, list(blocks), list(blocks.values()))
            futures[client.submit(run_task, *arguments, key=key, **options)] = call
        for future, result in distributed.as_completed(list(futures), with_results=True, raise_errors=False):
            call, status = futures.pop(future), future.status
            if status == "error":
                _, error, trace = result
                raise error.with_traceback(trace)
            if status == "finished":
                yield result
            else:
                lost.append(call)
    finally:
        client.cancel(list(futures))

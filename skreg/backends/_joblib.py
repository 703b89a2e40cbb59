"""Populations as tasks of joblib, under its active backend; in threads where none is set."""

import contextlib
import threading
import time
from collections.abc import Callable, Sequence

from joblib import Parallel, delayed
from joblib.parallel import get_active_backend

from skreg._progress import progress_bar
from skreg.backends._calls import run_on_cluster
from skreg.backends._cluster import client_of, in_one_worker, keeping_data, stop_signal
from skreg.backends._errors import SentError
from skreg.backends._returned import checked_results
from skreg.engine.grouping import Fit, block_size, make_populations
from skreg.engine.spec import FitResult
from skreg.engine.threads import AbandonedError, for_autograd, limited_threads, step_flops
from skreg.engine.trainer import Trainer


class Connection:
    """Connection of a population to the call that it is a part of: a signal to stop, and reports of progress.

    In another process there is neither; that process ends with the call.
    """

    def __init__(self, report: Callable[[int, int], None] | None = None):
        self.stopped = stop_signal()
        self.report = report

    @property
    def is_remote(self) -> bool:
        """Whether this is another process than that of the call."""
        return self.report is None

    def __reduce__(self):
        return Connection, ()


def n_workers_of(n_jobs: int | None, n_tasks: int) -> int:
    """Return the number of tasks that run at the same time."""
    backend, n_default = get_active_backend(prefer="threads")
    return max(1, min(backend.effective_n_jobs(n_default if n_jobs is None else n_jobs), n_tasks))


def train_population(index: int, fits: list[Fit], connection: Connection, n_workers: int, block_bytes: int):
    """Return the index of a population, and the results of its fits."""
    start = time.perf_counter()
    spec = fits[0][0]
    flops = step_flops(spec.network.layer_units, spec.batch_size)
    report = connection.report and (lambda n_epochs: connection.report(index, n_epochs))
    with limited_threads(flops, is_worker=n_workers > 1 or connection.is_remote):
        results = train_together(fits, stopped=connection.stopped, report=report, block_bytes=block_bytes)
    for result in results:
        result.seconds = (time.perf_counter() - start) / len(fits)
        if connection.is_remote and result.error is not None:
            result.error = SentError.of(result.error)
    return index, results


@for_autograd
def train_together(fits: list[Fit], *, report: Callable | None = None, **options) -> list[FitResult]:
    """Return the results of fits of the same structure, which hold their errors.

    After an error of the whole population, such as that of a user's loss or of memory, its fits are made one by one.
    """
    results = [None] * len(fits)
    try:
        trainer = Trainer(fits, report=report, keep_state=False, **options)
        results = trainer.results
        return trainer.train()
    except AbandonedError:
        raise
    except Exception as error:
        if len(fits) == 1:
            return [FitResult(error=error)]
    alone = (result or train_together([fit], **options)[0] for result, fit in zip(results, fits, strict=True))
    return list(alone)


@in_one_worker()
@keeping_data()
def train_fits(
    fits: Sequence[Fit],
    *,
    n_jobs: int | None = None,
    memory_limit: int | None = None,
    verbose: bool = False,
    on_progress: Callable[[float], None] | None = None,
) -> list[FitResult]:
    """Train networks, those of the same structure together.

    Parameters
    ----------
    fits : sequence of (FitSpec, Dataset)
        The fits.
    n_jobs : int or None, default=None
        Number of populations that are trained at the same time, as in joblib; each is a task of the active backend, or
        a thread.
    memory_limit : int or None, default=None
        Largest number of bytes for all populations at a time, beside the data; None is sized for the cache.
    verbose : bool, default=False
        Whether to show a progress bar.
    on_progress : callable or None, default=None
        Called with the number of fits that have been done since the last call; an epoch is a share of a fit.

    Returns
    -------
    list of FitResult
        In the order of the fits; they hold the errors.

    Raises
    ------
    ValueError
        If the limit is too small for a single network.
    RuntimeError
        If the backend has lost a task.
    """
    if not fits:
        return []
    n_workers = n_workers_of(n_jobs, len(fits))
    populations = make_populations(fits, memory_limit, n_workers)
    block_bytes = block_size(memory_limit, n_workers)
    n_epochs = [sum(fits[k][0].stopping.max_epochs for k in population) for population in populations]
    lock = threading.Lock()
    reported = [0] * len(populations)
    with progress_bar(shown=bool(verbose), total=sum(n_epochs), desc="epochs of all networks") as bar:

        def report(index: int, n_done: int) -> None:
            with lock:
                reported[index] += n_done
                bar.update(n_done)
                if on_progress is not None:
                    on_progress(n_done * len(populations[index]) / n_epochs[index])

        connection = Connection(report)
        tasks = [
            (index, [fits[k] for k in population], connection, n_workers, block_bytes)
            for index, population in enumerate(populations)
        ]
        backend, _ = get_active_backend(prefer="threads")
        try:
            if client_of(backend) is None:
                returned = Parallel(n_jobs=n_workers, prefer="threads")(
                    delayed(train_population)(*args) for args in tasks
                )
            else:
                returned = train_on_cluster(backend, tasks, lambda index: report(index, n_epochs[index]))
        finally:
            connection.stopped.set()
        for index in range(len(populations)):  # those in other processes, or that have failed, have not reported all
            report(index, n_epochs[index] - reported[index])
    return results_of_fits(returned, populations, len(fits))


def train_on_cluster(backend, tasks: list[tuple], report: Callable[[int], None]) -> list[tuple[int, list[FitResult]]]:
    """Return the results of populations that are trained on a cluster, and report the index of each that is done."""
    # Rows are read by many tasks, also of later calls; weights from which training starts are those of one task.
    specs, datasets = zip(*(fit for _, fits, *_ in tasks for fit in fits), strict=True)
    shared = [*datasets, *(choice for spec in specs for choice in (spec.train, spec.valid))]
    returned = []
    with contextlib.closing(run_on_cluster(backend, train_population, tasks, shared)) as results:
        for index, trained in results:
            returned.append((index, trained))
            report(index)
    return returned


def results_of_fits(returned: Sequence[tuple], populations: list[list[int]], n_fits: int) -> list[FitResult]:
    """Return the results of the fits in their order, from those of the populations in any order."""
    for index, results in returned:
        n_networks = len(populations[index])
        if len(results) != n_networks:
            raise RuntimeError(f"The backend of joblib returned results of {len(results)} of {n_networks} networks.")
    of_fits = (pair for index, results in returned for pair in zip(populations[index], results, strict=True))
    results = dict(checked_results(range(n_fits), of_fits))
    for result in results.values():
        if isinstance(result.error, SentError):
            result.error = result.error.received()
    return [results[k] for k in range(n_fits)]

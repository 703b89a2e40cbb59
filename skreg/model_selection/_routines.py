"""Fits that depend on the fits before them, made together with those of other folds.

A routine is a generator that yields the fits that it needs next and is resumed when they are done. Several routines,
one for each fold, go on in step: what they ask for at the same time is trained together.
"""

import contextlib
from collections.abc import Generator, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace

from sklearn.exceptions import ConvergenceWarning

from skreg._context import set_context_var
from skreg._estimator.base import BaseRegularizedMLP
from skreg._estimator.prepare import PendingFit, finish
from skreg._warnings import SILENCED_WARNINGS
from skreg.backends import train_fits
from skreg.model_selection._deferred import DatasetCache, prepare_member


@dataclass
class Request:
    """An estimator that is to be fitted to some data.

    Attributes
    ----------
    estimator : estimator
        What to fit, in place.
    data : tuple
        X, y and sample weights.
    is_short : bool
        Whether the fit is meant to end before it has converged, which is not worth a warning.
    """

    estimator: BaseRegularizedMLP
    data: tuple
    is_short: bool = False

    def warnings_of_interest(self) -> AbstractContextManager:
        """Return a block in which there is no warning of what is not worth one."""
        return set_context_var(SILENCED_WARNINGS, ConvergenceWarning) if self.is_short else contextlib.nullcontext()

    def fit(self) -> None:
        """Fit the estimator."""
        with self.warnings_of_interest():
            self.estimator.fit(*self.data)


# What a routine yields, and what it returns at its end.
Routine = Generator[list[Request], None, object]


def run(routine: Routine):
    """Run one routine, fit by fit, and return its result."""
    return run_together([routine])[0]


def silenced(routine: Routine) -> Routine:
    """Return a routine whose fits do not warn of convergence."""
    try:
        requests = next(routine)
        while True:
            yield [replace(request, is_short=True) for request in requests]
            requests = next(routine)
    except StopIteration as end:
        return end.value


def run_together(routines: Sequence[Routine], *, n_jobs: int | None = None) -> list:
    """Run routines in step, and return their results.

    Parameters
    ----------
    routines : sequence of generator
        The routines.
    n_jobs : int or None, default=None
        Number of populations that are trained at the same time.

    Returns
    -------
    list
        The result of each.
    """
    results = [None] * len(routines)
    running = dict(enumerate(routines))
    while running:
        requests: list[Request] = []
        for number, routine in list(running.items()):
            try:
                requests += next(routine)
            except StopIteration as end:
                results[number] = end.value
                del running[number]
        _fit_all(requests, n_jobs)
    return results


def _fit_all(requests: list[Request], n_jobs: int | None) -> None:
    if len(requests) == 1:
        requests[0].fit()
        return
    datasets = DatasetCache()
    waiting: list[tuple[Request, PendingFit]] = []
    for request in requests:
        with request.warnings_of_interest():
            pending = prepare_member(request.estimator, request.data)
        if pending is not None:
            datasets.share(pending)
            waiting.append((request, pending))
    results = train_fits([(pending.spec, pending.dataset) for _, pending in waiting], n_jobs=n_jobs)
    for (request, pending), result in zip(waiting, results, strict=True):
        with request.warnings_of_interest():
            finish(pending, result)

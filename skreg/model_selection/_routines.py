"""Fits that depend on the fits before them, made together with those of other folds.

A routine is a generator that yields the fits that it needs next and is resumed when they are done. Several routines,
one for each fold, go on in step: what they ask for at the same time is trained together.
"""

from collections.abc import Generator, Iterable, Sequence
from dataclasses import dataclass, replace

from sklearn.exceptions import ConvergenceWarning

from skreg._estimator.base import BaseRegularizedMLP
from skreg._estimator.prepare import PendingFit, finish
from skreg._warnings import Message, WarningSink, give_warnings
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

    def worth_giving(self, messages: Iterable[Message]) -> list[Message]:
        """Return those of some warnings that are worth giving."""
        return [item for item in messages if not (self.is_short and item[1] is ConvergenceWarning)]


# What a routine yields, and what it returns at its end.
Routine = Generator[list[Request], None, object]


def run(routine: Routine, *, warn: WarningSink = give_warnings):
    """Run one routine, fit by fit, and return its result."""
    return run_together([routine], warn=warn)[0]


def silenced(routine: Routine) -> Routine:
    """Return a routine whose fits do not warn of convergence."""
    try:
        requests = next(routine)
        while True:
            yield [replace(request, is_short=True) for request in requests]
            requests = next(routine)
    except StopIteration as end:
        return end.value


def run_together(routines: Sequence[Routine], *, n_jobs: int | None = None, warn: WarningSink = give_warnings) -> list:
    """Run routines in step, and return their results.

    Parameters
    ----------
    routines : sequence of generator
        The routines.
    n_jobs : int or None, default=None
        Number of populations that are trained at the same time.
    warn : callable
        Is called with the warnings of the fits.

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
        fit_all(requests, n_jobs=n_jobs, warn=warn)
    return results


def fit_all(requests: Sequence[Request], *, n_jobs: int | None = None, warn: WarningSink = give_warnings) -> None:
    """Make some fits together; one is made by itself."""
    datasets = DatasetCache()
    waiting: list[tuple[Request, PendingFit]] = []
    for request in requests:
        messages: list[Message] = []
        try:
            pending = prepare_member(request.estimator, request.data, messages=messages, is_alone=len(requests) == 1)
        finally:
            warn(request.worth_giving(messages))
        if pending is not None:
            datasets.share(pending)
            waiting.append((request, pending))
    results = train_fits([(pending.spec, pending.dataset) for _, pending in waiting], n_jobs=n_jobs)
    for (request, pending), result in zip(waiting, results, strict=True):
        warn(request.worth_giving(finish(pending, result)))

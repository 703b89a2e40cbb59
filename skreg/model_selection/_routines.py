"""Routines: sequences of fits, each of which depends on the ones before, made together with those of other folds.

A routine is a generator that yields requests for its next fits and is resumed when these are made. Several routines,
one for each fold, run in step: fits that they request at the same time are trained together.
"""

from collections.abc import Generator, Iterable, Sequence
from dataclasses import dataclass, replace

from sklearn.exceptions import ConvergenceWarning

from skreg._estimator.base import BaseRegularizedMLP
from skreg._estimator.prepare import PendingFit, finish
from skreg._estimator.shared_checks import SharedChecks
from skreg._warnings import Message, WarningSink, give_warnings
from skreg.backends import keeping_data, train_fits
from skreg.model_selection._deferred import DatasetCache, prepare_member


@dataclass
class Request:
    """An estimator that is to be fitted to some data.

    Attributes
    ----------
    estimator : estimator
        The estimator, which is fitted in place.
    data : tuple
        X, y and, if there are any, sample weights.
    is_short : bool
        Whether the fit ends before it has converged on purpose, and so does not warn of that.
    checks : SharedChecks or None
        Results of the checks of the data in other requests.
    """

    estimator: BaseRegularizedMLP
    data: tuple
    is_short: bool = False
    checks: SharedChecks | None = None

    def relevant(self, messages: Iterable[Message]) -> list[Message]:
        """Return warnings without those of convergence, if the fit is short."""
        return [item for item in messages if not (self.is_short and item[1] is ConvergenceWarning)]


# A generator that yields requests and returns a result.
Routine = Generator[list[Request], None, object]


def run(routine: Routine, *, warn: WarningSink = give_warnings):
    """Run one routine, fit by fit, and return its result."""
    return run_together([routine], warn=warn)[0]


def without_convergence_warnings(routine: Routine) -> Routine:
    """Return a routine whose fits do not warn of convergence."""
    try:
        requests = next(routine)
        while True:
            yield [replace(request, is_short=True) for request in requests]
            requests = next(routine)
    except StopIteration as end:
        return end.value


def together(routines: Sequence[Routine]) -> Routine:
    """Return the results of several routines, which run in step, as a routine."""
    results = [None] * len(routines)
    running = dict(enumerate(routines))
    while running:
        requests: list[Request] = []
        for index, routine in list(running.items()):
            try:
                requests += next(routine)
            except StopIteration as end:
                results[index] = end.value
                del running[index]
        if requests:
            yield requests
    return results


@keeping_data()
def run_together(routines: Sequence[Routine], *, n_jobs: int | None = None, warn: WarningSink = give_warnings) -> list:
    """Run routines in step, and return their results.

    Parameters
    ----------
    routines : sequence of generator
        The routines.
    n_jobs : int or None, default=None
        Number of populations that are trained at the same time.
    warn : callable
        Called with the warnings of the fits.

    Returns
    -------
    list
        The result of each.
    """
    routine = together(routines)
    while True:
        try:
            requests = next(routine)
        except StopIteration as end:
            return end.value
        fit_all(requests, n_jobs=n_jobs, warn=warn)


def fit_all(requests: Sequence[Request], *, n_jobs: int | None = None, warn: WarningSink = give_warnings) -> None:
    """Make the fits of some requests together; a single one by itself."""
    datasets = DatasetCache()
    pending_fits: list[tuple[Request, PendingFit]] = []
    for request in requests:
        messages: list[Message] = []
        X, y, weight = (*request.data, None)[:3]
        # By name: in the `fit` of a subclass the weights may have another place, or none.
        weights = {} if weight is None else {"sample_weight": weight}
        try:
            options = {"messages": messages, "checks": request.checks, "is_alone": len(requests) == 1}
            pending = prepare_member(request.estimator, (X, y), weights, **options)
        finally:
            warn(request.relevant(messages))
        if pending is not None:
            datasets.share(pending)
            pending_fits.append((request, pending))
    results = train_fits([(pending.spec, pending.dataset) for _, pending in pending_fits], n_jobs=n_jobs)
    for (request, pending), result in zip(pending_fits, results, strict=True):
        warn(request.relevant(finish(pending, result)))

"""Fits of many candidates on many folds together, behind the interface of scikit-learn.

scikit-learn's own functions split, score and format. Here the fits that they will ask for are made before, by
:func:`fit_tasks`: networks as populations where possible, all others one by one in threads and processes. The outcomes
are looked up by :mod:`skreg.model_selection._stand_in`. Early stopping follows the splitter of the cross-validation in
all fits.
"""

import contextlib
import secrets
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import partial
from itertools import islice, starmap

import numpy as np
import scipy.sparse
from sklearn.base import clone
from sklearn.utils.parallel import Parallel, delayed

from skreg._composition import last_of, nested, opened, with_last
from skreg._estimator.base import BaseRegularizedMLP
from skreg._estimator.fitted import FittedMLP
from skreg._estimator.hints import is_about_conversion, is_about_text, with_column_hint
from skreg._estimator.prepare import PendingFit
from skreg._estimator.shared_checks import SharedChecks
from skreg._seeds import seeded_splitter
from skreg._sklearn_private import check_method_params, num_samples, safe_split
from skreg._warnings import IN_COMMON, Message, keeping_warnings
from skreg.backends import Shared, in_one_worker, keeping_data, run_calls, stop_signal, train_fits
from skreg.backends._returned import checked_results
from skreg.compose import last_if_plain
from skreg.engine.spec import FitResult
from skreg.engine.threads import AbandonedError, StopSignal
from skreg.model_selection._deferred import (
    DatasetCache,
    DeferredFit,
    FittedTogether,
    HeldOut,
    PendingFits,
    finish_fits,
    fits_of,
    keeps_warnings,
    with_network,
)
from skreg.model_selection._memory import restore_memory, share_memory
from skreg.model_selection._processes import Home, packed, unpacked
from skreg.stopping import NoSplitError, RowStructure, following

# Folds are copied, as in scikit-learn, but all at the same time, up to so many bytes; then their networks are trained.
ROUND_BYTES = 2**30


@dataclass
class Task:
    """A fit to be made: an estimator, parameters of a candidate, and the row indices of a fold."""

    estimator: object
    parameters: dict
    rows: np.ndarray


@dataclass
class Outcome:
    """The result of a task.

    Attributes
    ----------
    task : Task or None
        The task; None in another process.
    estimator : estimator
        The fitted estimator.
    error : Exception or None
        Error of a fit that failed.
    warnings : list
        Messages and categories of the warnings of its fit.
    seconds : float
        Time of its preparation, and its share of the time of its population.
    """

    task: Task | None
    estimator: object
    error: Exception | None = None
    warnings: list[Message] = field(default_factory=list)
    seconds: float = 0.0

    def fail(self, error: Exception) -> None:
        """Store an error, which several outcomes may share, and its traceback."""
        self.error, self._traceback = error, error.__traceback__

    @classmethod
    def sent(cls, estimator, messages: list[tuple], seconds: float, error: Exception | None) -> "Outcome":
        """Return an outcome from another process."""
        outcome = cls(None, estimator, warnings=messages, seconds=seconds)
        if error is not None:
            outcome.fail(error)
        return outcome

    def take_over(self, other: "Outcome") -> None:
        """Take the values of another outcome of the same task."""
        vars(self).update({name: value for name, value in vars(other).items() if name != "task"})

    def raise_error(self) -> None:
        """Raise the error, if there is one, with its own traceback."""
        if self.error is not None:
            raise self.error.with_traceback(self._traceback)


def size_in_bytes(X) -> int:
    """Return the approximate size of some data."""
    if scipy.sparse.issparse(X):
        return X.data.nbytes
    return X.nbytes if hasattr(X, "nbytes") else 8 * np.size(X)


def splits_of(splitter, X, y, **metadata) -> tuple[list, RowStructure]:
    """Return the splits, the same for all estimators, and the structure of rows that they respect."""
    splits = list(seeded_splitter(splitter).split(X, y, **metadata))
    return splits, RowStructure.of(splits, metadata.get("groups"), num_samples(X))


def clone_with_parameters(estimator, parameters: dict):
    """Return an unfitted copy of an estimator with copies of some parameters, which may be estimators."""
    return clone(estimator).set_params(**clone(parameters, safe=False))


def network_of(estimator) -> BaseRegularizedMLP | None:
    """Return the network at the end of an estimator that can be trained together with others; None if there is none.

    That is one of skreg's own, alone or inside of pipelines and transformations of the target.
    """
    last = last_if_plain(estimator)
    is_ours = isinstance(last, BaseRegularizedMLP) and type(last).fit is BaseRegularizedMLP.fit
    return last if is_ours else None


def is_trained_together(estimator) -> bool:
    """Return whether what is at the end of an estimator can be trained in a population with others."""
    last = last_if_plain(estimator)
    if isinstance(last, FittedTogether):
        return keeps_warnings(last) and last._trains_together()
    network = network_of(estimator)
    return network is not None and network._can_be_a_member(None, None)


def has_network(estimator) -> bool:
    """Return whether there are networks at the end of an estimator: one, of any class, or an ensemble of them."""
    return isinstance(last_if_plain(estimator), FittedMLP | FittedTogether)


def networks_of(estimator) -> Iterator[FittedMLP]:
    """Yield the network at the end of an estimator, as in :func:`has_network`, and the copies that a fit has made.

    An ensemble hands the structure of its rows on to its members itself.
    """
    for part in () if last_if_plain(estimator) is None else nested(estimator):
        network = part.network if isinstance(part, DeferredFit) else part
        if isinstance(network, FittedMLP):
            yield network


def fit_with_messages(
    estimator,
    structure: RowStructure,
    data: tuple,
    parameters: dict,
    messages: list[Message],
    held_out: HeldOut | None = None,
    **options,
) -> PendingFit | PendingFits | None:
    """Fit an estimator, and append the warnings of a network at its end, and of our transformers, to a list.

    Parameters
    ----------
    estimator : estimator
        Any.
    structure : RowStructure
        Structure of the rows, which early stopping follows.
    data, parameters : tuple and dict
        Arguments of `fit`.
    messages : list
        The warnings of a network, and of a :class:`~skreg.preprocessing.TableEncoder` before any estimator, are
        appended to it, also before an error; other estimators warn themselves.
    held_out : HeldOut or None, default=None
        Rows that the network is validated on.
    **options : dict
        Further options of :class:`DeferredFit`.

    Returns
    -------
    PendingFit, PendingFits or None
        The fit of the network, to be trained together with others; None if there is nothing left to train.
    """
    if not has_network(estimator) or (held_out is None and not keeps_warnings(last_of(estimator))):
        with keeping_warnings(messages), following(partial(networks_of, estimator), structure):
            estimator.fit(*data, **parameters)
        return None
    deferring = with_last(estimator, partial(DeferredFit, structure=structure, held_out=held_out, **options))
    of_networks, is_held_out = partial(networks_of, deferring), held_out is not None
    if is_held_out:
        held_out.estimator = deferring
    try:
        with keeping_warnings(messages), following(of_networks, structure, on_held_out_rows=is_held_out):
            deferring.fit(*data, **parameters)
    finally:
        *_, deferred = opened(deferring)
        messages += getattr(deferred, "messages_", ())  # there are none where a transformer has failed before
        with_network(deferring)
    return deferred.pending_


def fit_error(error: Exception, X, estimator) -> Exception:
    """Return an error of a fit, with a hint on columns that hold no numbers, where a transformer stumbles over them."""
    return with_column_hint(error, X, last_of(estimator)) if is_about_conversion(error) else error


@dataclass
class Fold:
    """The training rows of a fold, their structure, further arguments of `fit`, and the results of checks.

    Estimators must not write into the rows: see :mod:`skreg.model_selection._memory`.
    """

    X: object
    y: object
    structure: RowStructure
    parameters: dict
    checks: SharedChecks = field(default_factory=SharedChecks)

    def fit(self, outcome: Outcome, **options) -> PendingFit | PendingFits | None:
        """Fit the estimator of an outcome, or store the error there, which the error_score of the search is for.

        Takes the options of :func:`fit_with_messages`, and returns the same.
        """
        data = (self.X,) if self.y is None else (self.X, self.y)
        try:
            return fit_with_messages(
                outcome.estimator,
                self.structure,
                data,
                self.parameters,
                outcome.warnings,
                checks=self.checks,
                **options,
            )
        except AbandonedError:
            raise
        except Exception as error:  # any error of a user's transformer
            outcome.fail(fit_error(error, self.X, outcome.estimator))
            return None


def has_callbacks(estimator) -> bool:
    """Return whether an estimator, or a part of it, has callbacks of scikit-learn."""
    is_network = isinstance(estimator, FittedMLP)
    parts = () if is_network or not hasattr(estimator, "get_params") else estimator.get_params().values()
    return any(getattr(part, "_skl_callbacks", None) for part in (estimator, *parts))


@in_one_worker()
@keeping_data()
def fit_tasks(
    X,
    y,
    tasks: Iterable[Task],
    fit_parameters: dict,
    structure: RowStructure,
    *,
    n_jobs: int | None = None,
    pre_dispatch: int | str = "2*n_jobs",
    leave_callbacks: bool = True,
    on_fitted: Callable[[int], None] | None = None,
    **options,
) -> list[Outcome | None]:
    """Fit the estimator of every task with its parameters and on its rows.

    Networks, alone or in pipelines and transformations of the target, are trained together, or in threads; other
    estimators are fitted by joblib, with the backend that is active.

    Parameters
    ----------
    X, y : array-like
        All rows.
    tasks : iterable of Task
        The fits to be made.
    fit_parameters : dict
        Further arguments of `fit`, for all rows.
    structure : RowStructure
        Structure of all rows.
    n_jobs : int or None, default=None
        Number of populations, or of other fits, at the same time.
    pre_dispatch : int or str, default='2*n_jobs'
        Parameter of joblib, for other fits.
    leave_callbacks : bool, default=True
        Whether fits with callbacks of scikit-learn are left to scikit-learn's own code, which tells the callbacks the
        purpose of the fits.
    on_fitted : callable or None, default=None
        Called with the number of fits that are done whenever some are.
    **options : dict
        `memory_limit`, `verbose` and `on_progress` of :func:`~skreg.backends.train_fits`.

    Returns
    -------
    list of Outcome or None
        One for every task; None for fits that are left to scikit-learn.

    Raises
    ------
    ValueError
        If an estimator does not have the parameters of its task, or memory is too small for a single network.
    RuntimeError
        If joblib's backend loses results, or returns others.
    """
    outcomes: list[Outcome | None] = []
    folds: dict[bytes, list[tuple[Task, Outcome]]] = {}
    others: list[Outcome] = []
    for task in tasks:
        candidate = clone_with_parameters(task.estimator, task.parameters)
        if leave_callbacks and has_callbacks(candidate):
            outcomes.append(None)
            continue
        outcomes.append(Outcome(task, candidate))
        if network_of(candidate) is None and not is_trained_together(candidate):
            others.append(outcomes[-1])
        else:
            folds.setdefault(task.rows.tobytes(), []).append((task, outcomes[-1]))
    per_round = max(1, ROUND_BYTES // max(1, size_in_bytes(X)))
    ordered = list(folds.values())
    for first in range(0, len(ordered), per_round):
        together = ordered[first : first + per_round]
        _fit_folds(X, y, together, fit_parameters, structure, n_jobs=n_jobs, **options)
    on_fitted = on_fitted or (lambda n_fits: None)
    on_fitted(len(outcomes) - len(others))
    if others:
        _fit_others(X, y, others, fit_parameters, structure, on_fitted, n_jobs=n_jobs, pre_dispatch=pre_dispatch)
    _warn_once(outcomes)
    return outcomes


def outcome_of_each(tasks: Sequence[Task], outcomes: Sequence[Outcome | None]) -> list[Outcome | None]:
    """Return the outcome of every task, None for those without one, in the order of the tasks.

    Raises
    ------
    RuntimeError
        If there are outcomes of other tasks, or not as many as tasks.
    """
    of_task = {id(task): None for task in tasks}
    made = [outcome for outcome in outcomes if outcome is not None]
    for outcome in made:
        if of_task.get(id(outcome.task), outcome) is not None:
            raise RuntimeError(
                f"The backend of joblib returned an unexpected or duplicate result: {outcome.estimator!r} on "
                f"{len(outcome.task.rows)} rows."
            )
        of_task[id(outcome.task)] = outcome
    if len(outcomes) != len(tasks):
        raise RuntimeError(f"The backend of joblib returned {len(outcomes)} results of {len(tasks)} fits.")
    return list(of_task.values())


def _warn_once(outcomes: list[Outcome | None]) -> None:
    """Remove each warning of parameters, data or convergence from all outcomes but the first that has it.

    Python itself would show a repeated text once, but not after a library has changed the filters for a while, as
    scikit-learn does in every fit.
    """
    given: set[tuple[str, type[Warning]]] = set()
    for outcome in outcomes:
        if outcome is not None:
            outcome.warnings = [item for item in outcome.warnings if item[1] not in IN_COMMON or item not in given]
            given.update(outcome.warnings)


def raise_common_error(outcomes: Sequence[Outcome | None]) -> None:
    """Raise the error if all fits have failed because of early stopping without a split, or of text in X."""
    errors = [None if outcome is None else outcome.error for outcome in outcomes]
    if errors and all(isinstance(error, NoSplitError) or is_about_text(error) for error in errors):
        raise errors[0]


def _fit_folds(X, y, folds: list[list], fit_parameters: dict, structure: RowStructure, **options) -> None:
    """Make the fits of some folds."""
    pending_fits: list[tuple[Outcome, PendingFit | PendingFits]] = []
    alone: list[tuple[Outcome, Fold]] = []
    known: dict = {}
    datasets = DatasetCache()
    for members in folds:
        rows, example = members[0][0].rows, members[0][1].estimator
        parameters = check_method_params(X, params=fit_parameters, indices=rows)
        fold = Fold(*safe_split(example, X, y, rows), structure.rows(rows), parameters)
        for _, outcome in members:
            if not is_trained_together(outcome.estimator):
                alone.append((outcome, fold))
            elif pending := _prepare(outcome, fold, known):
                for fit in fits_of(pending):
                    datasets.share(fit)
                pending_fits.append((outcome, pending))
    fits = [fit for _, pending in pending_fits for fit in fits_of(pending)]
    results = iter(train_fits([(fit.spec, fit.dataset) for fit in fits], **options))
    for outcome, pending in pending_fits:
        _finish(outcome, pending, list(islice(results, len(fits_of(pending)))))
    stopped = stop_signal()
    fit_alone = delayed(_prepare)
    try:
        # Fitted transformers are shared within a thread only.
        Parallel(n_jobs=options["n_jobs"], backend="threading")(fit_alone(*item, {}, stopped) for item in alone)
    finally:
        stopped.set()


def _prepare(
    outcome: Outcome, fold: Fold, known: dict, stopped: StopSignal | None = None
) -> PendingFit | PendingFits | None:
    """Fit an estimator but for its network; return the pending fit of that, or None if there is nothing to train.

    A network that cannot be trained with others is fitted here, unless the signal ``stopped`` is set.
    """
    start = time.perf_counter()
    share_memory(outcome.estimator, known)
    pending = fold.fit(outcome, stopped=stopped)
    restore_memory(outcome.estimator)
    outcome.seconds = time.perf_counter() - start
    return pending


def _finish(outcome: Outcome, pending: PendingFit | PendingFits, results: list[FitResult]) -> None:
    """Set the fitted attributes of a network, or of an estimator that is made of several, from their results."""
    outcome.seconds += sum(result.seconds for result in results)
    if isinstance(pending, PendingFit) and results[0].error is not None:  # not raised here: other fits may share it
        outcome.fail(results[0].error)
        return
    try:
        outcome.warnings += finish_fits(pending, results)
    except Exception as error:  # also of a user's loss
        outcome.fail(error)


def _fit_others(
    X, y, outcomes: list[Outcome], fit_parameters: dict, structure: RowStructure, on_fitted: Callable, **options
) -> None:
    """Fit estimators that are no networks, with the backend of joblib."""
    call = secrets.token_hex(8)  # names of fits are unique among all calls
    unfinished = {f"{call} {number}": outcome for number, outcome in enumerate(outcomes)}
    home, common = Home(), Shared((X, y, fit_parameters))

    def arguments(name: str, outcome: Outcome) -> tuple:
        rows = outcome.task.rows
        return home, name, outcome.estimator, common, rows, structure.rows(rows)

    with contextlib.closing(run_calls(_fit_other, starmap(arguments, unfinished.items()), **options)) as returned:
        for name, found in checked_results(unfinished, returned):
            outcome = unfinished[name]
            if not isinstance(found, Outcome):
                content = unpacked(found)
                # An estimator that cannot be pickled is fitted again, in this process.
                found = _fit_other(*arguments(name, outcome))[1] if content is None else Outcome.sent(*content)
            outcome.take_over(found)
            on_fitted(1)


def _fit_other(
    home: Home, name: str, estimator, common: Shared, rows: np.ndarray, structure: RowStructure
) -> tuple[str, Outcome | bytes | None]:
    """Fit an estimator that is no network; return the name of the fit, and the outcome, packed in another process."""
    start = time.perf_counter()
    outcome, is_home = Outcome(None, estimator), home.is_here()
    X, y, fit_parameters = common.value
    parameters = check_method_params(X, params=fit_parameters, indices=rows)
    fold = Fold(*safe_split(estimator, X, y, rows), structure, parameters)
    with contextlib.nullcontext() if is_home else home.recording(outcome.warnings):
        fold.fit(outcome, is_alone=True)
    outcome.seconds = time.perf_counter() - start
    return name, outcome if is_home else packed(estimator, outcome.warnings, outcome.seconds, outcome.error)

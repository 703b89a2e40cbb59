"""Fits of many candidates on many folds together, behind the interface of scikit-learn.

scikit-learn's own functions split, score and format. They make a clone of the estimator for every fit, in a known
order, and call its ``fit``. Here the fits are done before: :func:`fit_tasks` trains what they will ask for as
populations, and :func:`with_outcomes` returns an estimator whose clones, in that order, pick up one result each when
they are fitted. Early stopping follows the splitter of the cross-validation, whoever does the fit.
"""

import copy
import threading
import time
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import partial, wraps

import numpy as np
import scipy.sparse
from sklearn.base import clone
from sklearn.pipeline import Pipeline
from sklearn.utils.parallel import Parallel, delayed
from sklearn.utils.validation import check_memory

from skreg._base import BaseRegularizedMLP
from skreg._context import holding
from skreg._data import is_about_text, with_encoding_hint
from skreg._hashing import content_hash
from skreg._prepare import PendingFit, finish
from skreg._seeds import seeded_splitter
from skreg._sklearn_private import check_method_params, num_samples, safe_split
from skreg._warnings import KEPT_WARNINGS, warn_user
from skreg.backends import train_fits
from skreg.compose import TARGET_TRANSFORMATIONS
from skreg.engine.spec import FitResult
from skreg.engine.threads import STOPPED, AbandonedError
from skreg.model_selection._deferred import DatasetCache, DeferredFit, deferred_of, with_deferred, with_network
from skreg.stopping import NoSplitError, RowStructure, following

# Folds are copied, as in scikit-learn, but all at the same time, up to so many bytes; then their networks are trained.
ROUND_BYTES = 2**30


@dataclass
class Task:
    """A fit that will be asked for: an estimator, parameters of a candidate, and the numbers of the rows of a fold."""

    estimator: object
    parameters: dict
    rows: np.ndarray


@dataclass
class Outcome:
    """What has come of a task.

    Attributes
    ----------
    n_rows : int
        Number of training rows.
    estimator : estimator
        The fitted estimator.
    error : Exception or None
        Why it could not be fitted.
    warnings : list
        What its fit had to say.
    seconds : float
        Time for its own preparation, and its share of the time of those it was trained with.
    """

    n_rows: int
    estimator: object
    error: Exception | None = None
    warnings: list[tuple[str, type[Warning]]] = field(default_factory=list)
    seconds: float = 0.0

    def fail(self, error: Exception) -> None:
        """Keep an error, which several outcomes may share, and where it comes from."""
        self.error, self._traceback = error, error.__traceback__

    def raise_error(self) -> None:
        """Raise the error, if there is one, as it was."""
        if self.error is not None:
            raise self.error.with_traceback(self._traceback)


def size_in_bytes(X) -> int:
    """Return about the size of some data."""
    if scipy.sparse.issparse(X):
        return X.data.nbytes
    return getattr(X, "nbytes", 8 * np.size(X))


def splits_of(splitter, X, y, **metadata) -> tuple[list, RowStructure]:
    """Return the splits, which are then the same for all estimators, and how rows belong together in them."""
    splits = list(seeded_splitter(splitter).split(X, y, **metadata))
    return splits, RowStructure.of(splits, metadata.get("groups"), num_samples(X))


def with_parameters(estimator, parameters: dict):
    """Return a copy of an estimator, not fitted, with copies of some parameters, which can be estimators themselves."""
    return clone(estimator).set_params(**clone(parameters, safe=False))


def network_of(estimator) -> BaseRegularizedMLP | None:
    """Return the network at the end of an estimator that can be trained together with others; None if there is none.

    That is one of our own, alone or behind any pipelines and transformations of the target.
    """
    if type(estimator) is Pipeline:
        return network_of(estimator.steps[-1][1]) if estimator.steps else None
    if type(estimator) in TARGET_TRANSFORMATIONS:
        return network_of(estimator.regressor)
    is_ours = isinstance(estimator, BaseRegularizedMLP) and type(estimator).fit is BaseRegularizedMLP.fit
    return estimator if is_ours else None


def has_network(estimator) -> bool:
    """Return whether there is a network at the end of an estimator, of whatever class of ours."""
    return next(networks_of(estimator), None) is not None


def networks_of(estimator) -> Iterator[BaseRegularizedMLP]:
    """Yield the network at the end of an estimator, of whatever class of ours, and the copies that a fit has made."""
    if type(estimator) is Pipeline:
        yield from networks_of(estimator.steps[-1][1]) if estimator.steps else ()
    elif type(estimator) in TARGET_TRANSFORMATIONS:
        yield from networks_of(estimator.regressor)
        yield from networks_of(getattr(estimator, "regressor_", None))
    elif isinstance(estimator, DeferredFit):
        yield estimator.network
    elif isinstance(estimator, BaseRegularizedMLP):
        yield estimator


class FoldMemory:
    """Stands in for the memory of a pipeline: what a transformer has made of a fold serves all candidates that have it.

    Parameters
    ----------
    known : dict
        What has been transformed so far.
    memory : object
        The pipeline's own memory, which is asked for what is not known.
    """

    def __init__(self, known: dict, memory):
        self.known = known
        self.memory = memory

    def cache(self, function, **options):
        """Return a function that remembers."""
        transform = check_memory(self.memory).cache(function, **options)
        ignored = options.get("ignore", ())

        def run(transformer, X, y, **arguments):
            # As everywhere in scikit-learn, a transformer may write into what it is given.
            return transform(transformer, copy.deepcopy(X), y, **arguments)

        @wraps(function)
        def remembered(transformer, X, y, **arguments):
            counted = {name: value for name, value in arguments.items() if name not in ignored}
            content = content_hash([transformer, counted])
            key = (id(X), id(y), content)
            if key in self.known:
                (transformed, fitted), *_ = self.known[key]
                own = copied(fitted)
                return run(transformer, X, y, **arguments) if own is None else (transformed, own)
            result = run(transformer, X, y, **arguments)
            if content is not None:
                # The data are kept with the result, so that their ids stay theirs.
                self.known[key] = (result, X, y)
            return result

        return remembered

    def __deepcopy__(self, memo):
        """Return itself: clones of a pipeline share what is known."""
        return self


def copied(fitted):
    """Return a copy of a fitted transformer; None if it cannot be copied, as one that holds a lock cannot."""
    try:
        return copy.deepcopy(fitted)
    except Exception:  # whatever a user's own object raises
        return None


def remember(estimator, known: dict) -> None:
    """Give all pipelines on the way to the network a memory in common."""
    if type(estimator) is Pipeline:
        estimator.memory = FoldMemory(known, estimator.memory)
        remember(estimator.steps[-1][1], known)
    elif type(estimator) in TARGET_TRANSFORMATIONS:
        remember(estimator.regressor, known)


def forget(estimator) -> None:
    """Give the pipelines of an estimator, fitted or not, their own memory again."""
    if type(estimator) is Pipeline:
        estimator.memory = estimator.memory.memory
        forget(estimator.steps[-1][1])
    elif type(estimator) in TARGET_TRANSFORMATIONS:
        forget(estimator.regressor)
        if hasattr(estimator, "regressor_"):
            forget(estimator.regressor_)


def fit_error(error: Exception, X, estimator) -> Exception:
    """Return what a fit reports: before a network sees text, a transformer stumbles over it."""
    last = network_of(estimator) or (estimator.steps[-1][1] if getattr(estimator, "steps", None) else estimator)
    return with_encoding_hint(error, X, last) if "string" in str(error) else error


@dataclass
class Fold:
    """The training rows of a fold, how they belong together, and what `fit` is given with them."""

    X: object
    y: object
    structure: RowStructure
    parameters: dict

    def fit(self, outcome: Outcome) -> None:
        """Fit the estimator of an outcome, or put an error there: its error_score decides what becomes of that."""
        estimator, data = outcome.estimator, (self.X,) if self.y is None else (self.X, self.y)
        try:
            with following(partial(networks_of, estimator), self.structure):
                estimator.fit(*data, **self.parameters)
        except AbandonedError:
            raise
        except Exception as error:  # whatever a user's transformer raises
            outcome.fail(fit_error(error, self.X, estimator))


def fit_tasks(
    X, y, tasks: Iterable[Task], fit_parameters: dict, structure: RowStructure, **options
) -> list[Outcome | None]:
    """Fit the estimator of every task with its parameters and on its rows.

    Parameters
    ----------
    X, y : array-like
        All rows.
    tasks : iterable of Task
        What to fit: networks alone, or in pipelines and transformations of the target.
    fit_parameters : dict
        Further arguments of `fit`, for all rows.
    structure : RowStructure
        Of all rows.
    **options : dict
        `n_jobs`, `memory_limit`, `verbose` and `on_progress` of :func:`~skreg.backends.train_fits`.

    Returns
    -------
    list of Outcome or None
        One for every task, None where scikit-learn has to fit by itself.

    Raises
    ------
    ValueError
        If an estimator has not the parameters of its task, or memory is too short for a single network.
    """
    outcomes: list[Outcome | None] = []
    folds: dict[bytes, list[tuple[Task, Outcome, BaseRegularizedMLP]]] = {}
    for task in tasks:
        candidate = with_parameters(task.estimator, task.parameters)
        network = network_of(candidate)
        if network is None or getattr(network, "_skl_callbacks", None):
            outcomes.append(None)
            continue
        outcomes.append(Outcome(len(task.rows), candidate))
        folds.setdefault(task.rows.tobytes(), []).append((task, outcomes[-1], network))
    per_round = max(1, ROUND_BYTES // max(1, size_in_bytes(X)))
    ordered = list(folds.values())
    for first in range(0, len(ordered), per_round):
        _fit_folds(X, y, ordered[first : first + per_round], fit_parameters, structure, **options)
    _warn_once(outcomes)
    return outcomes


def _warn_once(outcomes: list[Outcome | None]) -> None:
    """Leave each warning of parameters or data with the first fit that gives it.

    That a fit has not converged is said of each. Python shows a text once as well, but begins anew wherever a library
    has set its filters aside for a while, as scikit-learn does in every fit.
    """
    given: set[tuple[str, type[Warning]]] = set()
    for outcome in outcomes:
        if outcome is not None:
            outcome.warnings = [item for item in outcome.warnings if item[1] is not UserWarning or item not in given]
            given.update(outcome.warnings)


def raise_common_error(outcomes: Sequence[Outcome | None]) -> None:
    """Raise what is wrong with every fit: none could split its rows for early stopping, or read text in X."""
    errors = [None if outcome is None else outcome.error for outcome in outcomes]
    if errors and all(isinstance(error, NoSplitError) or is_about_text(error) for error in errors):
        raise errors[0]


def _fit_folds(X, y, folds: list[list], fit_parameters: dict, structure: RowStructure, **options) -> None:
    """Fit what is to be fitted on some folds."""
    waiting: list[tuple[Outcome, PendingFit]] = []
    alone: list[tuple[Outcome, Fold]] = []
    known: dict = {}
    datasets = DatasetCache()
    for members in folds:
        rows, example = members[0][0].rows, members[0][1].estimator
        parameters = check_method_params(X, params=fit_parameters, indices=rows)
        fold = Fold(*safe_split(example, X, y, rows), structure.rows(rows), parameters)
        for _, outcome, network in members:
            if not network._can_be_a_member(None, None):
                alone.append((outcome, fold))
            elif pending := _prepare(outcome, fold, known):
                pending.dataset = datasets.shared(pending.dataset)
                waiting.append((outcome, pending))
    results = train_fits([(pending.spec, pending.dataset) for _, pending in waiting], **options)
    for (outcome, pending), result in zip(waiting, results, strict=True):
        _finish(outcome, pending, result)
    stopped = threading.Event()
    try:
        Parallel(n_jobs=options["n_jobs"], backend="threading")(delayed(_fit_alone)(*item, stopped) for item in alone)
    finally:
        stopped.set()


def _prepare(outcome: Outcome, fold: Fold, known: dict) -> PendingFit | None:
    """Let an estimator do everything but train its network; return that fit, or None if there is nothing to train."""
    start = time.perf_counter()
    outcome.estimator = with_deferred(outcome.estimator)
    remember(outcome.estimator, known)
    with holding(KEPT_WARNINGS, outcome.warnings):
        fold.fit(outcome)
    forget(outcome.estimator)
    pending = None if outcome.error else deferred_of(outcome.estimator).pending_
    outcome.estimator = with_network(outcome.estimator)
    outcome.seconds = time.perf_counter() - start
    return pending


def _finish(outcome: Outcome, pending: PendingFit, result: FitResult) -> None:
    """Let a network take over what the population has trained."""
    outcome.seconds += result.seconds
    try:
        with holding(KEPT_WARNINGS, outcome.warnings):
            finish(pending, result)
    except Exception as error:  # of a user's loss, too
        outcome.fail(error)


def _fit_alone(outcome: Outcome, fold: Fold, stopped: threading.Event) -> None:
    """Fit an estimator whose network cannot be trained with others."""
    start = time.perf_counter()
    with holding(STOPPED, stopped):
        fold.fit(outcome)
    outcome.seconds = time.perf_counter() - start


@dataclass
class Fits:
    """The fits that clones of an estimator are going to ask for, in order.

    Attributes
    ----------
    expected : deque of tuple
        For each fit what has come of it, or None if the clone has to fit by itself, and the structure of its rows.
    structure : RowStructure
        Of all rows, for a fit after these.
    """

    expected: deque = field(default_factory=deque)
    structure: RowStructure = field(default_factory=RowStructure)

    def add(self, tasks: Sequence[Task], outcomes: Sequence[Outcome | None], structure: RowStructure) -> None:
        """Add what has come of some tasks."""
        self.structure = structure
        self.expected.extend(
            (outcome, structure.rows(task.rows)) for task, outcome in zip(tasks, outcomes, strict=True)
        )


def with_outcomes(estimator, fits: Fits):
    """Return a copy of an estimator whose clones take one of some fits each, and pick up what has come of it.

    They are then of the estimator's own class. Clones that find no fit left, or one without an outcome, fit by
    themselves.
    """
    plain = type(estimator)

    def clone_with_outcome(self):
        twin = plain.__sklearn_clone__(self)
        if self._fits.expected:
            # Without the other fits, a clone can be sent to another process.
            twin._expected = self._fits.expected.popleft()
        else:
            twin._fits = self._fits
        return twin

    @wraps(plain.fit)
    def fit(self, X, *arguments, **parameters):
        after = vars(self).pop("_fits", None)
        outcome, structure = vars(self).pop("_expected", (None, after and after.structure))
        self.__class__ = plain
        if outcome is None:
            with following(partial(networks_of, self), structure):
                return self.fit(X, *arguments, **parameters)
        if num_samples(X) != outcome.n_rows:
            raise RuntimeError(
                f"Fits were asked for in another order than they were made: {num_samples(X)} rows instead of "
                f"{outcome.n_rows}. Use the function of the same name in sklearn.model_selection, and report this."
            )
        for message, category in outcome.warnings:
            warn_user(message, category)
        outcome.raise_error()
        vars(self).update(vars(outcome.estimator))  # beside what callbacks have put there
        return self

    methods = {"__sklearn_clone__": clone_with_outcome, "fit": fit, "__module__": plain.__module__}
    picks_up = clone(estimator)
    picks_up.__class__ = type(plain.__name__, (plain,), methods)
    picks_up._fits = fits
    return picks_up

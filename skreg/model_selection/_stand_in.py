"""Stand-ins for estimators, through which scikit-learn's functions get the results of fits that are made already.

scikit-learn's own functions split, score and format. They clone an estimator for every fit, set the parameters of a
candidate and call ``fit``. The stand-in's ``fit`` looks up the result for these parameters and these rows.
"""

import contextlib
import inspect
import types
from collections import deque
from collections.abc import Iterator, Sequence
from functools import partial

from sklearn.base import clone

from skreg._composition import parts
from skreg._sklearn_private import check_method_params, num_samples, safe_split
from skreg._warnings import IN_COMMON, Message, warn_user
from skreg.model_selection._batched_fits import (
    Outcome,
    Task,
    fit_tasks,
    fit_with_messages,
    has_callbacks,
    networks_of,
    outcome_of_each,
    raise_common_error,
)
from skreg.model_selection._keys import parameters_key, rows_key
from skreg.stopping import RowStructure, following

ADVICE = "Use the function of the same name in sklearn.model_selection, and report this."


class Outcomes:
    """Outcomes of fits by key: the parameters of the candidate, and the content of the rows.

    Outcomes with equal keys, as of repeated folds, are taken one after the other.
    """

    def __init__(self):
        self._remaining: dict[tuple, deque[Outcome]] = {}
        # Keys of the fits that scikit-learn makes itself, and the structures of their rows.
        self._left: set[tuple] = set()
        self._structures: dict[bytes, RowStructure] = {}
        self._n_rows, self._structure = 0, RowStructure()
        self._error: RuntimeError | None = None
        # Warnings that have been given, of those that fits have in common.
        self._given: set[tuple] = set()

    def warn(self, messages: list[Message]) -> None:
        """Give the warnings of a fit that have not been given before; those of other categories in any case."""
        for message, category in messages:
            if category not in IN_COMMON or (message, category) not in self._given:
                self._given.add((message, category))
                warn_user(message, category)

    def fit_here(self, estimator, structure: RowStructure, *arguments, **parameters):
        """Fit an estimator that has no outcome, and give the new warnings of its network."""
        if has_callbacks(estimator) and parts(estimator):  # which are handed on to estimators that can take them
            with following(partial(networks_of, estimator), structure):
                return estimator.fit(*arguments, **parameters)
        messages: list[Message] = []
        try:
            fit_with_messages(estimator, structure, arguments, parameters, messages, is_alone=True)
        finally:
            self.warn(messages)
        return estimator

    def __getstate__(self):
        """Return the state for another process: structures of rows, without outcomes."""
        return vars(self) | {"_remaining": {}, "_left": set()}

    def __deepcopy__(self, memo):
        """Return itself: copies share the outcomes."""
        return self

    def make(
        self, X, y, fit_parameters: dict, tasks: Sequence[Task], structure: RowStructure, **options
    ) -> list[Outcome | None]:
        """Make the fits of some tasks, and add their outcomes, which are returned in the order of the tasks.

        Takes the options of :func:`~skreg.model_selection._batched_fits.fit_tasks`. If all fits have failed for the
        same reason, that error is raised.
        """
        outcomes = outcome_of_each(tasks, fit_tasks(X, y, tasks, fit_parameters, structure, **options))
        raise_common_error(outcomes)
        self.add(X, y, fit_parameters, tasks, outcomes, structure)
        return outcomes

    def add(
        self,
        X,
        y,
        fit_parameters: dict,
        tasks: Sequence[Task],
        outcomes: Sequence[Outcome | None],
        structure: RowStructure,
    ) -> None:
        """Add the outcomes of some tasks, in their order; None where scikit-learn makes the fit.

        Parameters
        ----------
        X, y : array-like
            All rows.
        fit_parameters : dict
            Further arguments of `fit`, for all rows.
        tasks : sequence of Task
            The tasks of the fits.
        outcomes : sequence of Outcome or None
            One for each task.
        structure : RowStructure
            Structure of all rows.
        """
        self._n_rows, self._structure = num_samples(X), structure
        of_rows: dict[bytes, bytes] = {}
        of_parameters: dict[int, tuple | None] = {}
        for task, outcome in zip(tasks, outcomes, strict=True):
            indices = task.rows.tobytes()
            if indices not in of_rows:
                own = check_method_params(X, params=fit_parameters, indices=task.rows)
                of_rows[indices] = rows_key(*safe_split(task.estimator, X, y, task.rows), own)
            if id(task.parameters) not in of_parameters:  # the tasks keep them
                of_parameters[id(task.parameters)] = parameters_key(task.parameters)
            key = of_parameters[id(task.parameters)], of_rows[indices]
            # Outcomes of parameters without a key cannot be found, so scikit-learn makes these fits.
            if outcome is None or key[0] is None:
                self._left.add(key)
                self._structures[key[1]] = structure.rows(task.rows)
            else:
                self._remaining.setdefault(key, deque()).append(outcome)

    def take(self, estimator, keys: dict, X, y, fit_parameters: dict) -> tuple[Outcome | None, RowStructure]:
        """Remove and return the outcome of a fit, and the structure of its rows.

        Parameters
        ----------
        estimator : estimator
            The estimator of the fit.
        keys : dict of str to tuple or None
            Keys of its parameters of a candidate.
        X, y : array-like
            Rows of the fit.
        fit_parameters : dict
            Further arguments of `fit`, for these rows.

        Returns
        -------
        outcome : Outcome or None
            None if the fit is not made yet: it was left to scikit-learn, or it is the refit on all rows.
        structure : RowStructure
            Structure of the rows, for a fit that is not made yet.

        Raises
        ------
        RuntimeError
            If there is no such fit.
        """
        n_rows = num_samples(X)
        if self._remaining or self._structures:
            parameters = None if None in keys.values() else tuple(item for _, item in sorted(keys.items()))
            key = parameters, rows_key(X, y, fit_parameters)
            if key in self._remaining:
                outcome = self._remaining[key].popleft()
                if not self._remaining[key]:
                    del self._remaining[key]
                return outcome, self._structure
            if key[1] in self._structures and (key in self._left or not self._remaining):
                return None, self._structures[key[1]]
        if self._remaining or n_rows != self._n_rows:
            asked = {name: value for name, value in estimator.get_params().items() if name in keys}
            error = RuntimeError(
                f"scikit-learn asked for a fit that was not made, with parameters {asked!r} on {n_rows} rows; results "
                f"of {self._n_remaining} other fits are left. {ADVICE}"
            )
            # scikit-learn turns errors of fits into scores of NaN: raise it again at the end.
            self._error = self._error or error
            raise error
        return None, self._structure

    @property
    def _n_remaining(self) -> int:
        return sum(map(len, self._remaining.values()))

    @contextlib.contextmanager
    def all_taken(self) -> Iterator[None]:
        """Raise RuntimeError unless all outcomes, and no others, are taken within a block."""
        try:
            yield
        except Exception:
            if self._error is not None:
                raise self._error from None
            raise
        if self._error is not None:
            raise self._error
        if self._remaining:
            raise RuntimeError(f"scikit-learn did not use {self._n_remaining} results of fits. {ADVICE}")


class StandIn:
    """Substitute for three methods of one estimator, as attributes of the instance, until it is fitted.

    scikit-learn calls them where it has cloned an estimator, sets the parameters of a candidate, and fits.

    Parameters
    ----------
    estimator : estimator
        The estimator, not fitted; it remains of its class.
    outcomes : Outcomes
        Outcomes among which its fit is looked up.
    keys : dict of str to tuple or None
        Keys of the parameters of the candidate that have been set.
    """

    def __init__(self, estimator, outcomes: Outcomes, keys: dict):
        self.estimator, self.outcomes, self.keys = estimator, outcomes, keys
        vars(estimator).update(fit=self, set_params=self.set_params, __sklearn_clone__=self.clone)

    @property
    def __signature__(self) -> inspect.Signature:
        """The signature of `fit`."""
        return inspect.signature(types.MethodType(type(self.estimator).fit, self.estimator))

    def __call__(self, X, *arguments, **parameters):
        """Set the fitted attributes from the outcome of the fit, or fit the estimator if there is none."""
        estimator = self.estimator
        for name in ("fit", "set_params", "__sklearn_clone__"):
            del vars(estimator)[name]
        y = arguments[0] if arguments else None
        outcome, structure = self.outcomes.take(estimator, self.keys, X, y, parameters)
        if outcome is None:
            return self.outcomes.fit_here(estimator, structure, X, *arguments, **parameters)
        self.outcomes.warn(outcome.warnings)
        outcome.raise_error()
        vars(estimator).update(vars(outcome.estimator))  # beside what callbacks have put there
        return estimator

    def set_params(self, **parameters):
        """Set the parameters of a candidate, and store their keys."""
        for name, value in parameters.items():
            key = parameters_key({name: value})
            self.keys[name] = key and key[0]
        return type(self.estimator).set_params(self.estimator, **parameters)

    def clone(self):
        """Return a clone of the estimator with a stand-in of its own."""
        twin = type(self.estimator).__sklearn_clone__(self.estimator)
        StandIn(twin, self.outcomes, dict(self.keys))
        return twin


def with_outcomes(estimator, outcomes: Outcomes):
    """Return a copy of an estimator whose clones get their fitted attributes from outcomes."""
    copy = clone(estimator)
    StandIn(copy, outcomes, {})
    return copy

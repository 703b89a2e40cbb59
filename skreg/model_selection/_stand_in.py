"""How results of fits that were made before reach scikit-learn's functions.

scikit-learn's own functions split, score and format. They clone an estimator for every fit, set the parameters of a
candidate and call ``fit``. What stands there in the place of ``fit`` looks up what has been fitted with these
parameters on these rows.
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
from skreg._warnings import Message, warn_user
from skreg.model_selection._keys import parameters_key, rows_key
from skreg.model_selection._together import Outcome, Task, fit_with_messages, has_callbacks, networks_of
from skreg.stopping import RowStructure, following

ADVICE = "Use the function of the same name in sklearn.model_selection, and report this."


class Outcomes:
    """Outcomes of fits by key: the parameters of the candidate, and the content of the rows.

    Fits with equal keys, as on folds that repeat each other, are given out one after the other.
    """

    def __init__(self):
        self._waiting: dict[tuple, deque[Outcome]] = {}
        # Fits that scikit-learn makes itself, and how the rows of these belong together.
        self._left: set[tuple] = set()
        self._structures: dict[bytes, RowStructure] = {}
        self._n_rows, self._structure = 0, RowStructure()
        self._error: RuntimeError | None = None
        # What has been said of parameters and data, which the fits have in common.
        self._said: set[tuple] = set()

    def warn(self, said: list[Message]) -> None:
        """Give warnings of fits: those of parameters and data once; that one has not converged is said of each."""
        for message, category in said:
            if category is not UserWarning or (message, category) not in self._said:
                self._said.add((message, category))
                warn_user(message, category)

    def fit_here(self, estimator, structure: RowStructure, *arguments, **parameters):
        """Fit an estimator that has no outcome, and give the warnings of its network, as far as they are new."""
        if has_callbacks(estimator) and parts(estimator):  # which are handed on to estimators that can take them
            with following(partial(networks_of, estimator), structure):
                return estimator.fit(*arguments, **parameters)
        said: list[Message] = []
        try:
            fit_with_messages(estimator, structure, arguments, parameters, said, is_alone=True)
        finally:
            self.warn(said)
        return estimator

    def __getstate__(self):
        """Return what another process needs: structures of rows. Results stay where they are waited for."""
        return vars(self) | {"_waiting": {}, "_left": set()}

    def __deepcopy__(self, memo):
        """Return itself: there is one set of results."""
        return self

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
            What has been fitted.
        outcomes : sequence of Outcome or None
            One for each task.
        structure : RowStructure
            Of all rows.
        """
        self._n_rows, self._structure = num_samples(X), structure
        of_rows: dict[bytes, bytes] = {}
        of_parameters: dict[int, tuple | None] = {}
        for task, outcome in zip(tasks, outcomes, strict=True):
            numbers = task.rows.tobytes()
            if numbers not in of_rows:
                own = check_method_params(X, params=fit_parameters, indices=task.rows)
                of_rows[numbers] = rows_key(*safe_split(task.estimator, X, y, task.rows), own)
            if id(task.parameters) not in of_parameters:  # the tasks keep them
                of_parameters[id(task.parameters)] = parameters_key(task.parameters)
            key = of_parameters[id(task.parameters)], of_rows[numbers]
            # Parameters without a key cannot be told apart, so these fits are made once more.
            if outcome is None or key[0] is None:
                self._left.add(key)
                self._structures[key[1]] = structure.rows(task.rows)
            else:
                self._waiting.setdefault(key, deque()).append(outcome)

    def take(self, estimator, keys: dict, X, y, fit_parameters: dict) -> tuple[Outcome | None, RowStructure]:
        """Return the outcome of a fit, which is then given out, and the structure of its rows.

        Parameters
        ----------
        estimator : estimator
            What is to be fitted.
        keys : dict of str to tuple or None
            Keys of the parameters of the candidate that it has.
        X, y : array-like
            Rows of the fit.
        fit_parameters : dict
            Further arguments of `fit`, for these rows.

        Returns
        -------
        outcome : Outcome or None
            None if the fit is still to be made: it was left to scikit-learn, or it is a further one, on all rows.
        structure : RowStructure
            For a fit that is still to be made.

        Raises
        ------
        RuntimeError
            If there is no such fit.
        """
        n_rows = num_samples(X)
        if self._waiting or self._structures:
            parameters = None if None in keys.values() else tuple(item for _, item in sorted(keys.items()))
            key = parameters, rows_key(X, y, fit_parameters)
            if key in self._waiting:
                outcome = self._waiting[key].popleft()
                if not self._waiting[key]:
                    del self._waiting[key]
                return outcome, self._structure
            if key[1] in self._structures and (key in self._left or not self._waiting):
                return None, self._structures[key[1]]
        if self._waiting or n_rows != self._n_rows:
            asked = {name: value for name, value in estimator.get_params().items() if name in keys}
            error = RuntimeError(
                f"scikit-learn asked for a fit that was not made, with parameters {asked!r} on {n_rows} rows; results "
                f"of {self._n_waiting} other fits are left. {ADVICE}"
            )
            # scikit-learn makes scores of NaN from errors of fits.
            self._error = self._error or error
            raise error
        return None, self._structure

    @property
    def _n_waiting(self) -> int:
        return sum(map(len, self._waiting.values()))

    @contextlib.contextmanager
    def given_out(self) -> Iterator[None]:
        """Raise RuntimeError unless all outcomes, and no others, are taken within a block."""
        try:
            yield
        except Exception:
            if self._error is not None:
                raise self._error from None
            raise
        if self._error is not None:
            raise self._error
        if self._waiting:
            raise RuntimeError(f"scikit-learn did not use {self._n_waiting} results of fits. {ADVICE}")


class StandIn:
    """Substitute for three methods of one estimator, as attributes of the instance, until it is fitted.

    scikit-learn calls them where it has cloned an estimator, sets the parameters of a candidate, and fits.

    Parameters
    ----------
    estimator : estimator
        Not fitted; it stays of its own class.
    outcomes : Outcomes
        Where its fit is looked up.
    keys : dict of str to tuple or None
        Keys of the parameters of the candidate, as far as they have been set.
    """

    def __init__(self, estimator, outcomes: Outcomes, keys: dict):
        self.estimator, self.outcomes, self.keys = estimator, outcomes, keys
        vars(estimator).update(fit=self, set_params=self.set_params, __sklearn_clone__=self.clone)

    @property
    def __signature__(self) -> inspect.Signature:
        """The signature of `fit`."""
        return inspect.signature(types.MethodType(type(self.estimator).fit, self.estimator))

    def __call__(self, X, *arguments, **parameters):
        """Let the estimator take over the fit that was made before, or fit it."""
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
        """Set parameters of the estimator, which are those of a candidate, and note their keys."""
        for name, value in parameters.items():
            key = parameters_key({name: value})
            self.keys[name] = key and key[0]
        return type(self.estimator).set_params(self.estimator, **parameters)

    def clone(self):
        """Return a clone of the estimator that looks up its outcome, too."""
        twin = type(self.estimator).__sklearn_clone__(self.estimator)
        StandIn(twin, self.outcomes, dict(self.keys))
        return twin


def with_outcomes(estimator, outcomes: Outcomes):
    """Return a copy of an estimator whose clones take over, when they are fitted, what was fitted before."""
    copy = clone(estimator)
    StandIn(copy, outcomes, {})
    return copy

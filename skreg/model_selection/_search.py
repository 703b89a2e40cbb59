"""scikit-learn's searches over parameters, with networks that are trained together."""

import contextlib
import copy
import math
from collections.abc import Mapping
from numbers import Integral
from typing import ClassVar

import joblib
import sklearn.model_selection
from sklearn.model_selection import check_cv
from sklearn.utils import indexable

from skreg._doc_link import DocLink
from skreg._estimator.data import as_numpy, as_target, with_arrays
from skreg._seeds import fresh_seed, random_numbers
from skreg._sklearn_private import Interval, check_method_params
from skreg.compose import scoring_of
from skreg.model_selection._batched_fits import Task, has_callbacks, has_network, splits_of
from skreg.model_selection._docs import CV, N_JOBS
from skreg.model_selection._stand_in import Outcomes, with_outcomes
from skreg.stopping import row_indices

_PARAMETERS = f"""scoring : str, callable, list, tuple or dict, default=None
        One or several scorers of the held-out rows; None means the estimator's `score`.
    {N_JOBS}
    refit : bool, str or callable, default=True
        Whether to fit the best candidate to all rows; with several scorers, the name of the one that decides, or a
        function of `cv_results_` that returns an index.
    {CV}
    verbose : int, default=0
        If at least 1, a progress bar counts the epochs of all networks; otherwise as in scikit-learn.
    pre_dispatch : int or str, default='2*n_jobs'
        As in scikit-learn, for estimators that are not networks of skreg.
    {{random_state}}error_score : 'raise' or float, default=nan
        Score of a fit that fails, for instance because training diverges; the other networks continue. 'raise' raises
        its error.
    return_train_score : bool, default=False
        Whether to score the training rows, too.
    memory_limit : int, default=None
        Largest number of bytes for the networks that are trained at the same time (weights, moments, batches), without
        the data. If the networks do not fit, they are trained in several populations, one after the other. None means a
        size that the processor's cache can hold.

    Attributes
    ----------
    cv_results_ : dict of str to ndarray
        Scores, times and ranks of all candidates. The time of a fit is its share of the time of its population.
    best_estimator_ : estimator
        The best candidate, fitted to all rows.
    best_params_, best_score_, best_index_ : dict, float, int
        Parameters, mean score and index of the best candidate.
    scorer_, n_splits_, refit_time_, multimetric_ : object
        As in scikit-learn.

    Raises
    ------
    ValueError
        By `fit`: as in scikit-learn, and if `memory_limit` is too small for one network."""

_TOGETHER = """Candidates and folds that differ only in numbers (`alpha`, `l1_ratio`, `dropout`, `input_dropout`,
    `learning_rate_init`, `weight_decay`, `label_smoothing`, `class_weight`, `augmentation__stddev`, `max_grad_norm`,
    `averaging__decay`, `random_state`, patience) are trained together, in one batched program; those that differ in
    structure (layers, kind of penalty, solver, number of batches) form further populations. So are networks in
    pipelines and in :class:`~sklearn.compose.TransformedTargetRegressor`; candidates with equal transformers share the
    transformed rows of a fold. The results are those of single fits, up to rounding.

    Networks with ``early_stopping=True`` hold out rows as the folds do: whole groups, if no group is on both sides of a
    fold; the last rows, if in every fold all test rows come after all training rows. This holds for the refit, too. A
    splitter given as `early_stopping` is used as it is, with the groups if it needs them.

    Networks with callbacks, `solver="lbfgs"`, `verbose`, `refit_on_all` or, with early stopping, a `scoring` other than
    the loss are fitted one by one, in `n_jobs` threads. Other estimators are fitted as in scikit-learn, in `n_jobs`
    processes or by the backend of :func:`joblib.parallel_config`, and scored in this process. Searches with callbacks
    of scikit-learn run scikit-learn's own code."""


class BatchedSearchMixin(DocLink):
    """Mixin for searches of scikit-learn that trains candidates and folds together."""

    _own_constraints: ClassVar[dict] = {"memory_limit": [Interval(Integral, 1, None, closed="left"), None]}

    def _searches_estimators(self) -> bool:
        """Return whether whole estimators are among the values that are searched."""
        grids = getattr(self, self._space)
        grids = [grids] if isinstance(grids, Mapping) else grids
        if not all(isinstance(grid, Mapping) for grid in grids):
            return False  # scikit-learn raises an error about it
        values = [
            value for grid in grids for choice in grid.values() if isinstance(choice, list | tuple) for value in choice
        ]
        return any(hasattr(value, "fit") for value in values)

    def fit(self, X, y=None, **params):
        """Fit all candidates on all folds, and the best one on all rows.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Inputs.
        y : array-like of shape (n_samples,) or (n_samples, n_outputs), default=None
            Targets.
        **params : dict
            Passed to `fit` of the estimator, to the splitter and the scorer, as in scikit-learn.

        Returns
        -------
        self : object
            The fitted search.

        Raises
        ------
        ValueError
            As in scikit-learn, and if `memory_limit` is too small for one network.
        """
        estimator = self.estimator
        if not (has_network(estimator) or self._searches_estimators()):
            return super().fit(X, y, **params)
        self._validate_params()
        X, y, params = as_numpy(X), as_target(y), with_arrays(params)
        # A copy does the work, with a stand-in for the estimator that looks up results.
        worker, parameters = copy.copy(self), self.get_params(deep=False)
        worker._fit_arguments = (estimator, X, y, params)
        worker.scoring = scoring_of(estimator, self.scoring)
        worker._outcomes, worker._seconds = Outcomes(), []
        worker.estimator = with_outcomes(estimator, worker._outcomes)
        try:
            with contextlib.ExitStack() as worker._sequential:
                # Looking up and scoring results takes less time than starting processes. Only fits with callbacks of
                # scikit-learn are made by scikit-learn itself.
                if self._searches_estimators() or not has_callbacks(estimator):
                    worker._sequential.enter_context(joblib.parallel_config(backend="sequential"))
                super(BatchedSearchMixin, worker).fit(X, y, **params)
        finally:
            own = {*parameters, "_fit_arguments", "_outcomes", "_seconds", "_sequential"}
            vars(self).update({name: value for name, value in vars(worker).items() if name not in own})
        return self

    def _get_scorers(self):
        if not hasattr(self, "_fit_arguments"):
            return super()._get_scorers()
        # The scorers remain, and may refer to the estimator.
        stand_in, self.estimator = self.estimator, self._fit_arguments[0]
        try:
            return super()._get_scorers()
        finally:
            self.estimator = stand_in

    def _run_search(self, evaluate_candidates, *, callback_ctx=None):
        if not hasattr(self, "_fit_arguments"):
            super()._run_search(evaluate_candidates, callback_ctx=callback_ctx)
            return
        # scikit-learn has chosen its backend by now. The fits are made with the user's.
        self._sequential.close()
        estimator, X, y, params = self._fit_arguments
        X, y = indexable(X, y)
        routed = self._get_routed_params_for_fit(check_method_params(X, params=params))

        def evaluate_together(candidate_params, cv=None, **options):
            candidates = list(candidate_params)
            splits, structure = splits_of(cv or self._checked_cv_orig, X, y, **routed.splitter.split)
            tasks = [
                Task(estimator, parameters, row_indices(train)) for parameters in candidates for train, _ in splits
            ]
            outcomes = self._outcomes.make(
                X,
                y,
                routed.estimator.fit,
                tasks,
                structure,
                n_jobs=self.n_jobs,
                pre_dispatch=self.pre_dispatch,
                memory_limit=self.memory_limit,
                verbose=self.verbose > 0,
            )
            self._seconds += [0.0 if outcome is None else outcome.seconds for outcome in outcomes]
            with self._outcomes.all_taken():
                return evaluate_candidates(candidates, cv=check_cv(splits), **options)

        super()._run_search(evaluate_together, callback_ctx=callback_ctx)

    def _format_results(self, candidate_params, n_splits, out, more_results=None):
        if hasattr(self, "_seconds"):
            # Looking up a result takes no time; its training has.
            out = [
                result | {"fit_time": result["fit_time"] + seconds}
                for result, seconds in zip(out, self._seconds, strict=True)
            ]
        return super()._format_results(candidate_params, n_splits, out, more_results)


class GridSearchCV(BatchedSearchMixin, sklearn.model_selection.GridSearchCV):
    __doc__ = f"""Exhaustive search over parameters, with networks that are trained together.

    A subclass of :class:`sklearn.model_selection.GridSearchCV` with the same arguments and results.

    {_TOGETHER}

    Parameters
    ----------
    estimator : estimator
        What to search for.
    param_grid : dict or list of dicts
        Values to try for each parameter; of a list, the grids one after the other.
    {_PARAMETERS.format(random_state="")}

    See Also
    --------
    RandomizedSearchCV : Tries random candidates.
    RegularizedMLPClassifierCV : Chooses a strength along a path, each fit of which continues from the one before.

    Examples
    --------
    Ten strengths on five folds, trained together:

    >>> import numpy as np
    >>> from sklearn.datasets import load_digits
    >>> from skreg import RegularizedMLPClassifier
    >>> from skreg.model_selection import GridSearchCV
    >>> X, y = load_digits(return_X_y=True)
    >>> model = RegularizedMLPClassifier(
    ...     (32,), dropout=0.2, learning_rate_init=0.01, max_iter=10, n_iter_no_change=np.inf, random_state=0
    ... )
    >>> search = GridSearchCV(model, {{"alpha": np.geomspace(1e-5, 1, 10)}}).fit(X / 16, y)
    >>> search.cv_results_["split0_test_score"].shape
    (10,)
    >>> bool(search.best_score_ > 0.9)
    True
    """

    _parameter_constraints: ClassVar[dict] = {
        **sklearn.model_selection.GridSearchCV._parameter_constraints,
        **BatchedSearchMixin._own_constraints,
    }
    _space = "param_grid"

    def __init__(
        self,
        estimator,
        param_grid,
        *,
        scoring=None,
        n_jobs=None,
        refit=True,
        cv=None,
        verbose=0,
        pre_dispatch="2*n_jobs",
        error_score=math.nan,
        return_train_score=False,
        memory_limit=None,
    ):
        super().__init__(
            estimator,
            param_grid,
            scoring=scoring,
            n_jobs=n_jobs,
            refit=refit,
            cv=cv,
            verbose=verbose,
            pre_dispatch=pre_dispatch,
            error_score=error_score,
            return_train_score=return_train_score,
        )
        self.memory_limit = memory_limit


class RandomizedSearchCV(BatchedSearchMixin, sklearn.model_selection.RandomizedSearchCV):
    __doc__ = f"""Search over random parameters, with networks that are trained together.

    A subclass of :class:`sklearn.model_selection.RandomizedSearchCV` with the same arguments and results.

    {_TOGETHER}

    Parameters
    ----------
    estimator : estimator
        Estimator to tune.
    param_distributions : dict or list of dicts
        Lists of values, or distributions with a method ``rvs`` such as those of scipy.stats, by parameter name.
    n_iter : int, default=10
        Number of candidates.
    {
        _PARAMETERS.format(
            random_state='''random_state : int, RandomState instance or None, default=None
        Seed of the candidates; None means fresh entropy.
    '''
        )
    }

    See Also
    --------
    GridSearchCV : Search over all combinations of given values.

    Examples
    --------
    >>> import numpy as np
    >>> from scipy.stats import loguniform, uniform
    >>> from sklearn.datasets import load_digits
    >>> from skreg import RegularizedMLPClassifier
    >>> from skreg.model_selection import RandomizedSearchCV
    >>> X, y = load_digits(return_X_y=True)
    >>> model = RegularizedMLPClassifier((32,), max_iter=10, n_iter_no_change=np.inf, random_state=0)
    >>> search = RandomizedSearchCV(
    ...     model, {{"alpha": loguniform(1e-5, 1), "dropout": uniform(0, 0.5)}}, n_iter=8, random_state=0
    ... ).fit(X / 16, y)
    >>> sorted(search.best_params_)
    ['alpha', 'dropout']
    """

    _parameter_constraints: ClassVar[dict] = {
        **sklearn.model_selection.RandomizedSearchCV._parameter_constraints,
        **BatchedSearchMixin._own_constraints,
    }
    _space = "param_distributions"

    def __init__(
        self,
        estimator,
        param_distributions,
        *,
        n_iter=10,
        scoring=None,
        n_jobs=None,
        refit=True,
        cv=None,
        verbose=0,
        pre_dispatch="2*n_jobs",
        random_state=None,
        error_score=math.nan,
        return_train_score=False,
        memory_limit=None,
    ):
        super().__init__(
            estimator,
            param_distributions,
            n_iter=n_iter,
            scoring=scoring,
            n_jobs=n_jobs,
            refit=refit,
            cv=cv,
            verbose=verbose,
            pre_dispatch=pre_dispatch,
            random_state=random_state,
            error_score=error_score,
            return_train_score=return_train_score,
        )
        self.memory_limit = memory_limit

    def _run_search(self, evaluate_candidates, *, callback_ctx=None):
        random_state = self.random_state
        try:
            if random_state is None:  # numpy's global generator is left alone
                self.random_state = fresh_seed(random_numbers(None))
            super()._run_search(evaluate_candidates, callback_ctx=callback_ctx)
        finally:
            self.random_state = random_state

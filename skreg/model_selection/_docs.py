"""Parts of the docstrings of searches and functions of cross-validation, each written once."""

from collections.abc import Callable

ESTIMATOR = """estimator : estimator
        Estimator to fit. Networks of skreg, also in pipelines and in
        :class:`~sklearn.compose.TransformedTargetRegressor`, are trained together; other estimators one by one.
    X : {array-like, sparse matrix} of shape (n_samples, n_features)
        Inputs.
    y : array-like of shape (n_samples,) or (n_samples, n_outputs)
        Targets."""
GROUPS = """groups : array-like of shape (n_samples,), default=None
        Group of each row, for the splitter."""
CV = """cv : int, cross-validation splitter or iterable, default=None
        Splitting strategy; None means 5 folds."""
SCORING = """scoring : str, callable or None, default=None
        Scorer of the held-out rows; None means the estimator's `score`."""
N_JOBS = """n_jobs : int, default=None
        Number of populations of networks that are trained at the same time, in threads or by the backend of
        :func:`joblib.parallel_config`; other estimators are fitted in as many processes, or by that backend. None means
        the number of the joblib configuration, else 1."""
VERBOSE = """verbose : int, default=0
        If at least 1, a progress bar counts the epochs of all networks."""
PARAMS = """params : dict, default=None
        Passed to `fit` of the estimator and, with metadata routing, to the splitter and the scorer."""
PRE_DISPATCH = """pre_dispatch : int or str
        As in scikit-learn, for estimators that are not networks of skreg."""
ERROR_SCORE = """error_score : 'raise' or float, default=nan
        Score of a fit that fails; 'raise' raises its error."""
RAISES = """Raises
    ------
    ValueError
        As in scikit-learn."""


def documented(text: str) -> Callable:
    """Return a decorator that gives a function its docstring, which is made of parts."""

    def document(function):
        function.__doc__ = text
        return function

    return document

"""Comparison of regularizers by nested cross-validation."""

from skreg.inspection._comparison import RegularizerComparison
from skreg.inspection._design import ComparisonOptions
from skreg.inspection._nested_cv import run_comparison


def compare_regularizers(
    X,
    y,
    estimators=None,
    *,
    network=None,
    cv=5,
    n_repeats=None,
    inner_cv=None,
    scoring=None,
    tuning_scoring=None,
    groups=None,
    random_state=None,
    n_jobs=None,
    memory_limit=None,
    refit=True,
    verbose=None,
):
    """Compare regularizers by nested cross-validation.

    Every regularizer is scored on the same test rows: those of the outer folds. In each outer fold its strength is
    chosen by cross-validation on the training rows, so that test rows have no influence on it. Within a fold all
    regularizers have the same inner folds and, where they are networks of the same shape, the same initial weights.
    Networks that differ only in numbers are trained together, as in :class:`GridSearchCV
    <skreg.model_selection.GridSearchCV>`.

    Parameters
    ----------
    X : {array-like, dataframe, sparse matrix} of shape (n_samples, n_features)
        Inputs. The default network encodes a frame with gaps or categories by a
        :class:`~skreg.preprocessing.TableEncoder`; of your own, give ``table_pipeline(network)``.
    y : array-like of shape (n_samples,) or (n_samples, n_outputs)
        Classes, label indicators or numbers.
    estimators : dict of str to estimator or tuple, default=None
        Estimators by name, each alone or in a pair with a grid as for
        :class:`~sklearn.model_selection.GridSearchCV`. The first one is the reference of the tests. Any scikit-learn
        estimator is allowed. A `random_state` that is None gets a seed in every fold. None means
        :func:`default_regularizers` of `network`.
    network : estimator, default=None
        Network that the default set regularizes; must be None if `estimators` is given. None means a pipeline of a
        :class:`~sklearn.preprocessing.StandardScaler` and one hidden layer of 64 units, trained in single precision on
        batches of 32 rows, with a cosine schedule, for about 1,000 steps but at least 20 and at most 60 epochs; a
        regressor standardizes its target, too. Frames with anything but numbers, or with missing values, are encoded by
        :func:`~skreg.table_pipeline` instead, and encoded ones are taken as they are; group lasso is then over the
        columns of the table. It is a classifier if `y` holds strings, booleans, integers, indicators or floats of only
        two values, and otherwise a regressor.
    cv : int, cross-validation splitter or iterable, default=5
        Outer folds. An int, at least 2, is a number of shuffled folds: stratified for classes, and with whole groups if
        `groups` are given.
    n_repeats : int, default=None
        Number of repetitions of these folds, each with another shuffle, if `cv` is an int; None means 2. Must be None
        beside a splitter.
    inner_cv : int or cross-validation splitter, default=None
        Inner folds, on the training rows of an outer fold. None means the splitter in `cv`, or 3 folds as described
        above if `cv` is an int.
    scoring : str or callable, default=None
        Scorer to report, greater is better. None means accuracy or R², or the mean D² of several quantiles.
    tuning_scoring : str or callable, default=None
        Scorer that the strength is chosen by. None means `scoring` if that is given, and otherwise minus the loss:
        minus log-loss for classifiers (accuracy for those without probabilities), minus the mean squared error for
        regressors, minus the mean pinball loss for several quantiles. On few rows the loss distinguishes candidates of
        equal accuracy, and a strength chosen by accuracy can give poor probabilities.
    groups : array-like of shape (n_samples,), default=None
        Group of each row, for the splitters in `cv`, `inner_cv` and `early_stopping`; searches among the `estimators`
        do not get them.
    random_state : int, RandomState instance or None, default=None
        Seed of the folds (also of splitters whose own random state is None) and of the networks. None means fresh
        entropy.
    n_jobs : int, default=None
        Number of populations of networks that are trained at the same time, in threads or by the backend of
        :func:`joblib.parallel_config`, and number of processes for other estimators, searches, and estimators with
        cross-validation. None means the number of the joblib configuration, else 1.
    memory_limit : int, default=None
        As in :class:`GridSearchCV <skreg.model_selection.GridSearchCV>`.
    refit : bool, default=True
        Whether to fit the regularizer with the highest mean test score to all rows, as `best_estimator_` of the result,
        with the strength that inner folds of all rows choose. That costs as many fits as the regularizer takes in one
        outer fold.
    verbose : int, default=None
        Whether to show a progress bar: 0 never, 1 and more always, None only in a terminal or a notebook and after some
        seconds.

    Returns
    -------
    RegularizerComparison
        Scores of all folds, with tests, a summary, a plot, a report, and the best regularizer, fitted to all rows.

    Raises
    ------
    ValueError
        If a parameter is not allowed, if `y` can be both classes and numbers, or if all fits of an estimator fail.
    TypeError
        If `estimators` holds anything but estimators and pairs, or if `network` is not a network of skreg.

    Warns
    -----
    FitFailedWarning
        If some fits fail, because training diverges or they cannot be scored: their scores are NaN. Also if the fit to
        all rows fails.

    See Also
    --------
    default_regularizers : The default set, to be changed.
    skreg.model_selection.GridSearchCV : Search over the parameters of one estimator.

    Notes
    -----
    Networks with ``early_stopping=True`` hold out rows as the outer folds do: whole groups, if no group is in both the
    training and the test rows of a fold; the last rows, if in every fold all test rows come after all training rows. A
    splitter given as `early_stopping` is used as it is.

    A score estimates that of the whole procedure, tuning included, on as many rows as the outer training sets have. The
    highest of several means is an optimistic estimate: it is the largest of several noisy numbers.

    References
    ----------
    .. [1] G. C. Cawley, N. L. C. Talbot, "On Over-fitting in Model Selection and Subsequent Selection Bias in
       Performance Evaluation", Journal of Machine Learning Research 11, 2010.

    Examples
    --------
    >>> from sklearn.datasets import load_iris
    >>> from sklearn.linear_model import LogisticRegression
    >>> from skreg import RegularizedMLPClassifier
    >>> from skreg.inspection import compare_regularizers
    >>> X, y = load_iris(return_X_y=True)
    >>> network = RegularizedMLPClassifier((20,), learning_rate_init=0.02, max_iter=20, n_iter_no_change=float("inf"))
    >>> comparison = compare_regularizers(
    ...     X,
    ...     y,
    ...     {
    ...         "none": network,
    ...         "l2": (network, {"penalty": ["l2"], "alpha": [0.001, 0.01]}),
    ...         "linear": LogisticRegression(max_iter=1000),
    ...     },
    ...     n_repeats=1,
    ...     random_state=0,
    ... )
    >>> comparison.folds.shape[0], sorted(comparison.frame().index)
    (15, ['l2', 'linear', 'none'])
    >>> comparison.best_estimator_.predict(X).shape
    (150,)
    """
    options = ComparisonOptions(
        network=network,
        cv=cv,
        n_repeats=n_repeats,
        inner_cv=inner_cv,
        scoring=scoring,
        tuning_scoring=tuning_scoring,
        groups=groups,
        random_state=random_state,
        n_jobs=n_jobs,
        memory_limit=memory_limit,
        refit=refit,
        verbose=verbose,
    )
    return RegularizerComparison(**run_comparison(X, y, estimators, options))

"""Design of a comparison: its estimators, their candidates, and its folds."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from numbers import Integral

import numpy as np
from sklearn.base import BaseEstimator, is_classifier, is_regressor
from sklearn.metrics import get_scorer_names
from sklearn.model_selection import ParameterGrid, check_cv
from sklearn.utils import check_array, indexable
from sklearn.utils.multiclass import type_of_target

from skreg._estimator.data import as_numpy, as_target
from skreg._seeds import fresh_seed, random_numbers, seeded_splitter
from skreg._sklearn_private import (
    HasMethods,
    Interval,
    StrOptions,
    num_samples,
    safe_indexing,
    validate_parameter_constraints,
)
from skreg.compose import quantile_levels
from skreg.inspection._regularizers import default_network, default_regularizers, knows_columns
from skreg.model_selection._batched_fits import clone_with_parameters
from skreg.model_selection._cv_splits import shuffled_folds
from skreg.stopping import RowStructure, check_groups, row_indices

OUTER_FOLDS, N_REPEATS, INNER_FOLDS = 5, 2, 3
# Integers that take more values than this, each on fewer rows than that, may be numbers as well as classes.
MANY_CLASSES, FEW_ROWS = 20, 20
# What the parameters of a comparison may be.
PARAMETER_CONSTRAINTS = {
    "estimators": [dict, None],
    "network": [BaseEstimator, None],
    "cv": ["cv_object"],
    "n_repeats": [Interval(Integral, 1, None, closed="left"), None],
    "inner_cv": [Interval(Integral, 2, None, closed="left"), HasMethods(["split"]), None],
    "scoring": [StrOptions(set(get_scorer_names())), callable, None],
    "tuning_scoring": [StrOptions(set(get_scorer_names())), callable, None],
    "random_state": ["random_state"],
    "n_jobs": [Integral, None],
    "memory_limit": [Interval(Integral, 1, None, closed="left"), None],
    "refit": ["boolean"],
    "verbose": ["verbose", None],
}


@dataclass(frozen=True)
class ComparisonOptions:
    """Parameters of :func:`compare_regularizers` with which data and estimators are compared."""

    network: object = None
    cv: object = 5
    n_repeats: int | None = None
    inner_cv: object = None
    scoring: object = None
    tuning_scoring: object = None
    groups: object = None
    random_state: object = None
    n_jobs: int | None = None
    memory_limit: int | None = None
    refit: bool = True
    verbose: int | None = None


@dataclass
class Candidate:
    """Parameters of an estimator that a comparison tries.

    Attributes
    ----------
    parameters : dict
        Names and values.
    unseeded : list of str
        Names of the `random_state` parameters, nested ones included, that are None with these parameters.
    """

    parameters: dict
    unseeded: list[str]


@dataclass
class NamedEstimator:
    """An estimator of a comparison.

    Attributes
    ----------
    name : str
        Its name in the results.
    estimator : estimator
        The estimator, which is cloned for each fit.
    candidates : list of Candidate
        The parameters to choose from; without a grid, a single candidate without parameters.
    """

    name: str
    estimator: BaseEstimator
    candidates: list[Candidate]


@dataclass
class OuterFold:
    """An outer fold: indices of its training and test rows, inner folds of the training rows, and a seed."""

    train: np.ndarray
    test: np.ndarray
    inner: list[tuple[np.ndarray, np.ndarray]]
    seed: int


@dataclass(frozen=True)
class Design:
    """Estimators and folds of a comparison.

    Attributes
    ----------
    X, y : array-like
        All rows, and their targets.
    estimators : list of NamedEstimator
        The estimators.
    classifier : bool
        Whether the targets are classes.
    folds : list of OuterFold
        The outer folds.
    whole : OuterFold or None
        All rows as a training set, without test rows; None if the best estimator is not to be fitted to them.
    inner : cross-validation splitter
        Splitter of the inner folds.
    structure : RowStructure
        Groups and order of the rows that the outer folds respect.
    """

    X: object
    y: np.ndarray
    estimators: list[NamedEstimator]
    classifier: bool
    folds: list[OuterFold]
    whole: OuterFold | None
    inner: object
    structure: RowStructure

    @property
    def n_train(self) -> float:
        """Mean number of training rows of an outer fold."""
        return float(np.mean([len(fold.train) for fold in self.folds]))

    @property
    def n_test(self) -> float:
        """Mean number of test rows of an outer fold."""
        return float(np.mean([len(fold.test) for fold in self.folds]))

    @property
    def n_fits(self) -> int:
        """Number of all fits, with an upper bound for the final fit of the best estimator to all rows."""
        n_fits = sum(n_fits_of(named, fold) for named in self.estimators for fold in self.folds)
        return n_fits + (0 if self.whole is None else max(n_fits_of(named, self.whole) for named in self.estimators))


def design_of(X, y, estimators, options: ComparisonOptions) -> Design:
    """Return the design of a comparison: parameters are checked, folds and seeds are drawn here."""
    parameters = {"estimators": estimators, **vars(options)}
    validate_parameter_constraints(PARAMETER_CONSTRAINTS, parameters, caller_name="compare_regularizers")
    X, y, groups = indexable(as_numpy(X), as_target(y), options.groups)
    y, network, cv = checked_target(y), options.network, options.cv
    _check_network(network, estimators)
    named_estimators = None if estimators is None else check_estimators(estimators)
    known = [c.estimator for c in named_estimators or []] if network is None else [network]
    classifier = is_classification(known, y)
    for name, splitter in {"cv": cv, "inner_cv": options.inner_cv}.items():
        check_groups(splitter, groups, name, "compare_regularizers(..., groups=...).")
    random = random_numbers(options.random_state)
    splits = outer_splits(X, y, groups, classifier, cv, options.n_repeats, random)
    inner = inner_splitter(cv, options.inner_cv, y, classifier, groups is not None, random)
    has_choices = named_estimators is None or any(len(named.candidates) > 1 for named in named_estimators)
    inner_of_fold = inner if has_choices else None
    folds = [outer_fold(X, y, groups, inner_of_fold, *split, random) for split in splits]
    all_rows = np.arange(num_samples(X))
    whole = outer_fold(X, y, groups, inner_of_fold, all_rows, [], random) if options.refit else None
    structure = RowStructure.of([(fold.train, fold.test) for fold in folds], groups, num_samples(X))
    design = Design(X, y, named_estimators or [], classifier, folds, whole, inner, structure)
    if named_estimators is None:
        if network is None:
            network = default_network(X, round(design.n_train), classifier=classifier)
        groups = {"groups": "columns"} if knows_columns(network, X) else {}
        design = replace(design, estimators=check_estimators(default_regularizers(network, **groups)))
    return design


def _check_network(network, estimators) -> None:
    if estimators is not None and network is not None:
        raise ValueError(
            "The 'network' parameter must be None if 'estimators' is given, which replaces the default set; "
            f"got {network!r}."
        )


def settings_of(design: Design, options: ComparisonOptions) -> dict:
    """Return the description of rows and folds for a report."""
    is_default = options.inner_cv is None and not hasattr(options.cv, "split")
    return {
        "rows": num_samples(design.X),
        "task": _task_in_words(design.y, design.classifier),
        "outer folds": f"{len(design.folds)}, of {design.n_train:.0f} training and {design.n_test:.0f} test rows",
        "inner folds": INNER_FOLDS if is_default else repr(design.inner),
    }


def checked_target(y) -> np.ndarray:
    """Return targets as an array; a single column becomes a vector."""
    y = check_array(y, ensure_2d=False, dtype=None, input_name="y")
    if y.ndim == 2 and y.shape[1] == 1:
        y = y.ravel()
    return y


def check_estimators(estimators: Mapping) -> list[NamedEstimator]:
    """Return the estimators of a comparison, checked."""
    if not estimators:
        raise ValueError(f"The 'estimators' parameter must hold at least one estimator; got {estimators!r}.")
    named_estimators = []
    for name, value in estimators.items():
        is_pair = isinstance(value, tuple) and len(value) == 2
        estimator, grid = value if is_pair else (value, {})
        if not isinstance(name, str):
            raise TypeError(f"The keys of the 'estimators' parameter must be strings; got {name!r}.")
        if not hasattr(estimator, "fit") or not hasattr(estimator, "get_params"):
            raise TypeError(
                "The values in the 'estimators' parameter must be estimators, or pairs of an estimator and a grid; "
                f"got {value!r} for {name!r}."
            )
        candidates = [_candidate(estimator, parameters) for parameters in ParameterGrid(grid)]
        if not candidates:
            raise ValueError(f"The grid in the 'estimators' parameter must not be empty; got {grid!r} for {name!r}.")
        named_estimators.append(NamedEstimator(name, estimator, candidates))
    return named_estimators


def common_quantiles(named_estimators: Sequence[NamedEstimator]) -> tuple[float, ...] | None:
    """Return the levels that all estimators predict; None if they predict one number for each target."""
    levels = {quantile_levels(named.estimator) for named in named_estimators}
    if len(levels) > 1:
        raise ValueError(
            "The 'estimators' parameter must hold estimators that all predict the same quantiles, or none that "
            f"predicts several; got the levels {sorted(levels, key=str)!r}."
        )
    return levels.pop()


def _candidate(estimator, parameters: dict) -> Candidate:
    """Return a candidate; raise if the estimator does not have its parameters (which can also replace its parts)."""
    changed = clone_with_parameters(estimator, parameters)
    unseeded = [
        name
        for name, value in changed.get_params().items()
        if value is None and name.rpartition("__")[2] == "random_state"
    ]
    return Candidate(parameters, unseeded)


def is_classification(estimators: Sequence, y: np.ndarray) -> bool:
    """Return whether estimators classify; if there is none, whether the targets are classes."""
    if estimators:
        kinds = {is_classifier(estimator) for estimator in estimators}
        if len(kinds) > 1 or not all(is_classifier(e) or is_regressor(e) for e in estimators):
            names = sorted({type(estimator).__name__ for estimator in estimators})
            raise ValueError(
                f"The 'estimators' parameter must hold only classifiers or only regressors; got {names!r}."
            )
        classifier = kinds.pop()
    else:
        classifier = _holds_classes(y)
    if classifier and type_of_target(y) == "multiclass-multioutput":
        raise ValueError(
            "The 'y' parameter must hold one column of classes, or label indicators; got an array of shape "
            f"{y.shape} with more than two classes in a column."
        )
    return classifier


def _holds_classes(y: np.ndarray) -> bool:
    """Return whether targets look like classes."""
    values = np.unique(y)
    if y.dtype.kind == "f":
        return len(values) == 2
    if y.ndim == 1 and y.dtype.kind in "iu" and len(values) > MANY_CLASSES and len(y) / len(values) < FEW_ROWS:
        raise ValueError(
            f"The 'y' parameter must hold either classes or numbers; got {len(values)} different integers in {len(y)} "
            "rows, which may be either. Give a RegularizedMLPClassifier or a RegularizedMLPRegressor as 'network', or "
            "convert 'y' to strings or floats."
        )
    return True


def has_strata(y, classifier: bool) -> bool:
    """Return whether folds can keep the proportions of classes."""
    return classifier and type_of_target(y) in ("binary", "multiclass")


def outer_splits(X, y, groups, classifier: bool, cv, n_repeats, random) -> list[tuple]:
    """Return the indices of the training and test rows of every outer fold."""
    if not isinstance(cv, Integral) and cv is not None:
        if n_repeats is not None:
            raise ValueError(
                f"The 'n_repeats' parameter must be None if 'cv' is not an int; got n_repeats={n_repeats!r}, cv={cv!r}."
            )
        splitter = seeded_splitter(check_cv(cv, y, classifier=classifier), fresh_seed(random))
        return list(splitter.split(X, y, groups))
    n_splits, n_repeats = 5 if cv is None else cv, N_REPEATS if n_repeats is None else n_repeats
    stratified = has_strata(y, classifier)
    splitters = [
        shuffled_folds(n_splits, stratified=stratified, has_groups=groups is not None, seed=fresh_seed(random))
        for _ in range(n_repeats)
    ]
    return [split for splitter in splitters for split in splitter.split(X, y, groups)]


def inner_splitter(cv, inner_cv, y, classifier: bool, has_groups: bool, random):
    """Return the splitter of the training rows of an outer fold."""
    if inner_cv is None:
        inner_cv = cv if hasattr(cv, "split") else INNER_FOLDS
    if isinstance(inner_cv, Integral):
        stratified = has_strata(y, classifier)
        return shuffled_folds(inner_cv, stratified=stratified, has_groups=has_groups, seed=fresh_seed(random))
    return seeded_splitter(inner_cv, fresh_seed(random))


def n_fits_of(named: NamedEstimator, fold: OuterFold) -> int:
    """Return the number of fits of an estimator in an outer fold: those of the choice, and one with what was chosen."""
    n_candidates = len(named.candidates)
    return 1 + (n_candidates * len(fold.inner) if n_candidates > 1 else 0)


def outer_fold(X, y, groups, inner, train, test, random) -> OuterFold:
    """Return an outer fold with its inner folds; without any, if there is no splitter for them."""
    n_rows = num_samples(X)
    train, test, seed = row_indices(train, n_rows), row_indices(test, n_rows), fresh_seed(random)
    if inner is None:
        return OuterFold(train, test, [], seed)
    own_groups = None if groups is None else safe_indexing(groups, train)
    try:
        splits = list(inner.split(safe_indexing(X, train), y[train], own_groups))
        of_inner = [tuple(train[row_indices(rows, len(train))] for rows in split) for split in splits]
        return OuterFold(train, test, of_inner, seed)
    except (ValueError, IndexError) as error:
        raise ValueError(
            f"The 'inner_cv' parameter must split the {len(train)} training rows of an outer fold; got {inner!r}: "
            f"{error}"
        ) from error


def _task_in_words(y: np.ndarray, classifier: bool) -> str:
    n_columns = 1 if y.ndim == 1 else y.shape[1]
    if classifier:
        return f"{len(np.unique(y))} classes" if y.ndim == 1 else f"{n_columns} labels"
    return f"regression, {n_columns} {'target' if n_columns == 1 else 'targets'}"

"""Design of a comparison: its estimators, their candidates, and its folds."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from numbers import Integral

import numpy as np
from sklearn.base import BaseEstimator, is_classifier, is_regressor
from sklearn.model_selection import GroupKFold, KFold, ParameterGrid, StratifiedGroupKFold, StratifiedKFold, check_cv
from sklearn.utils import check_array
from sklearn.utils.multiclass import type_of_target

from skreg._seeds import fresh_seed, seeded_splitter
from skreg._sklearn_private import num_samples, safe_indexing
from skreg.compose import quantile_levels
from skreg.model_selection._together import with_parameters
from skreg.stopping import row_indices

OUTER_FOLDS, N_REPEATS, INNER_FOLDS = 5, 2, 3
# Integers that take more values than this, each on fewer rows than that, may be numbers as well as classes.
MANY_CLASSES, FEW_ROWS = 20, 20


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
    changed = with_parameters(estimator, parameters)
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


def shuffled_folds(n_splits: int, y: np.ndarray, classifier: bool, has_groups: bool, seed: int):
    """Return a splitter into shuffled folds: stratified for classes, with whole groups if there are any."""
    stratified = classifier and type_of_target(y) in ("binary", "multiclass")
    if has_groups:
        splitter = StratifiedGroupKFold if stratified else GroupKFold
    else:
        splitter = StratifiedKFold if stratified else KFold
    return splitter(n_splits, shuffle=True, random_state=seed)


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
    splitters = [
        shuffled_folds(n_splits, y, classifier, groups is not None, fresh_seed(random)) for _ in range(n_repeats)
    ]
    return [split for splitter in splitters for split in splitter.split(X, y, groups)]


def inner_splitter(cv, inner_cv, y, classifier: bool, has_groups: bool, random):
    """Return the splitter of the training rows of an outer fold."""
    if inner_cv is None:
        inner_cv = cv if hasattr(cv, "split") else INNER_FOLDS
    if isinstance(inner_cv, Integral):
        return shuffled_folds(inner_cv, y, classifier, has_groups, fresh_seed(random))
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

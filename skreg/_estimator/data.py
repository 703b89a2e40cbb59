"""Validation of the data that estimators are given."""

import contextlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial

import numpy as np
import scipy.sparse
import torch
from sklearn.utils import assert_all_finite
from sklearn.utils.sparsefuncs import min_max_axis
from sklearn.utils.validation import validate_data

from skreg._estimator.columns import set_source_columns
from skreg._estimator.hints import check_container, check_present, check_times, with_hint
from skreg._sklearn_private import check_sample_weight, safe_indexing
from skreg.engine.arrays import gathered, mapped_file, row_blocks
from skreg.engine.classes import ClassIndicators
from skreg.engine.dataset import rescaled
from skreg.engine.threads import limited_threads


@dataclass
class Table:
    """Rows to learn from or to validate on.

    Attributes
    ----------
    X : ndarray or CSR matrix of shape (n_samples, n_features)
        Inputs.
    targets : ndarray or ClassIndicators of shape (n_samples, n_targets)
        Targets as the loss wants them.
    weight : ndarray of shape (n_samples,) or None
        Weights, at least 0, in float64; None if all are equal.
    sample_weight : ndarray of shape (n_samples,) or None
        Those of the user, without class weights.
    source : tuple
        X and y as the user gave them, with column names and labels for scorers.
    """

    X: object
    targets: np.ndarray
    weight: np.ndarray | None
    sample_weight: np.ndarray | None
    source: tuple

    @property
    def nonzero_weight_indices(self) -> np.ndarray:
        """Indices of the rows with positive weight.

        The others are left out as if they were not there: of batches, of the batch size and of validation rows.
        """
        if self.weight is None:
            return np.arange(len(self.targets))
        # A weight that is zero in the type of X, relative to the largest, counts as zero.
        return np.flatnonzero(rescaled(self.weight).astype(self.X.dtype))

    @property
    def weighted_targets(self):
        """Targets of the rows with positive weight; those of all rows are not copied."""
        indices = self.nonzero_weight_indices
        return self.targets if len(indices) == len(self.targets) else self.targets[indices]

    def part(self, rows: np.ndarray, X, y) -> "Table":
        """Return a table of some rows, which the user has as X and y."""
        weights = [None if weight is None else weight[rows] for weight in (self.weight, self.sample_weight)]
        # Rows that needed no conversion are not copied once more.
        inputs = X if self.X is self.source[0] else self.X[rows]
        return Table(inputs, self.targets[rows], *weights, (X, y))

    def source_rows(self, rows: np.ndarray) -> tuple:
        """Return some rows of X and y as the user gave them; of sparse X in CSR format."""
        X, y = self.source
        if scipy.sparse.issparse(X):
            X = self.X[rows]
        else:
            X = safe_indexing(X, rows) if mapped_file(X) is None else gathered(self.X, rows)
        return X, safe_indexing(y.tocsr() if scipy.sparse.issparse(y) else y, rows)


def concatenated(first: Table, second: Table) -> Table:
    """Return the rows of two tables in one, without their sources."""

    def joined_weights(*weights):
        if all(weight is None for weight in weights):
            return None
        sizes = (len(first.targets), len(second.targets))
        return np.concatenate(
            [np.ones(n) if weight is None else weight for weight, n in zip(weights, sizes, strict=True)]
        )

    is_sparse = scipy.sparse.issparse(first.X) or scipy.sparse.issparse(second.X)
    X = scipy.sparse.vstack([first.X, second.X]).tocsr() if is_sparse else np.concatenate([first.X, second.X])
    targets = concatenated_targets(first.targets, second.targets.astype(first.targets.dtype))
    weight = joined_weights(first.weight, second.weight)
    return Table(X, targets, weight, joined_weights(first.sample_weight, second.sample_weight), ())


def concatenated_targets(first, second):
    """Return the targets of some rows and of others; as codes if one of them are."""
    if not isinstance(first, ClassIndicators) and not isinstance(second, ClassIndicators):
        return np.concatenate([first, second])
    codes = np.concatenate([first.argmax(axis=1), second.argmax(axis=1)])
    return ClassIndicators(codes, first.shape[1], first.dtype)


def as_numpy(data, name: str = "X"):
    """Return a torch tensor as an array, a sparse one as a CSR array, and everything else as it is.

    ``name`` is that of the data in errors about data sets of torch, which are no arrays.
    """
    if not isinstance(data, torch.Tensor):
        check_container(data, name)
        return data
    if data.device.type == "meta" or data.is_quantized:
        raise TypeError(f"{name} must be a tensor of numbers; got one of {data.dtype} on {data.device.type!r}.")
    with limited_threads():
        data = data.detach().cpu()
        # NumPy has no bfloat16.
        data = data.float() if data.dtype == torch.bfloat16 else data
        return data.numpy() if data.layout == torch.strided else sparse_array(data)


def as_target(y):
    """Return y as :func:`as_numpy` does; raise ValueError if it holds missing values among objects."""
    y = as_numpy(y, "y")
    check_present(y)
    return y


def with_arrays(metadata: dict | None) -> dict:
    """Return metadata with arrays in place of torch tensors.

    Selecting rows of tensors would be torch work of others, out of the limit of threads.
    """
    metadata = metadata or {}
    return {name: as_numpy(item, name) if isinstance(item, torch.Tensor) else item for name, item in metadata.items()}


def sparse_array(data: torch.Tensor) -> scipy.sparse.csr_array:
    """Return a sparse tensor in any layout as a CSR array."""
    data = data.to_sparse_coo().coalesce()
    return scipy.sparse.coo_array((data.values().numpy(), data.indices().numpy()), shape=tuple(data.shape)).tocsr()


def check_inputs(estimator, X, y="no_validation", **options):
    """Return validated X, or X and y; an error about what X holds names columns of a frame, and has a hint.

    A large memory-mapped file is checked block by block, so that it is never in memory as a whole.
    """
    check_times(X, estimator)
    if not isinstance(y, str):
        check_present(y)
    # scikit-learn finds no common type of a polars frame, and would take the first of the list.
    is_single = isinstance(getattr(X, "dtypes", None), list) and all(str(dtype) == "Float32" for dtype in X.dtypes)
    in_blocks = mapped_file(X) is not None and X.dtype in (np.float32, np.float64)
    try:
        validated = validate_data(
            estimator,
            X,
            y,
            accept_sparse="csr",
            dtype=np.float32 if is_single else (np.float64, np.float32),
            ensure_all_finite=not in_blocks,
            **options,
        )
        if in_blocks:
            for block in row_blocks(X):
                assert_all_finite(block, input_name="X")
            if isinstance(validated, tuple):
                assert_all_finite(validated[1], input_name="y")
    except (ValueError, TypeError, OverflowError) as error:
        hinted = with_hint(error, X, estimator)
        if hinted is error:
            raise
        raise hinted from None  # scikit-learn's own text advises other estimators
    return validated


def check_weights(sample_weight, X) -> np.ndarray | None:
    """Return weights of at least 0, not all of them 0."""
    if sample_weight is None:
        return None
    with numbers_in_range("sample_weight"):
        return check_sample_weight(
            sample_weight, X, dtype=np.float64, ensure_non_negative=True, allow_all_zero_weights=False
        )


@contextlib.contextmanager
def numbers_in_range(names: str) -> Iterator[None]:
    """Raise ValueError about some data if the block finds integers in them that no float can hold."""
    try:
        yield
    except OverflowError as error:
        raise ValueError(f"{names} must hold numbers in the range of float64; got larger integers.") from error


def column_ranges(X) -> np.ndarray:
    """Return the largest minus the smallest value of every column."""
    if scipy.sparse.issparse(X):
        low, high = min_max_axis(X, axis=0)
        return high - low
    extremes = [(block.min(axis=0), block.max(axis=0)) for block in row_blocks(X)]
    return np.max([high for _, high in extremes], axis=0) - np.min([low for low, _ in extremes], axis=0)


def check_data(estimator, X, y, sample_weight, *, reset: bool, encode: Callable) -> Table:
    """Return the rows to fit to; ``encode`` takes y and the type of X, and returns targets."""
    X, y, sample_weight = as_numpy(X), as_numpy(y, "y"), as_numpy(sample_weight, "sample_weight")
    data, labels = check_inputs(estimator, X, y, multi_output=True, reset=reset)
    set_source_columns(estimator, X, reset=reset)
    targets = encode(labels, data.dtype)
    sample_weight = check_weights(sample_weight, data)
    table = weighted(estimator, Table(data, targets, sample_weight, sample_weight, (X, y)))
    estimator._make_loss().check_targets(table.weighted_targets)
    return table


def learnable_data(estimator, X, y, sample_weight, is_warm_start=False) -> Table:
    """Return the rows of a whole fit, checked."""
    encode = partial(estimator._encode_targets, keep_classes=is_warm_start)
    table = check_data(estimator, X, y, sample_weight, reset=not is_warm_start, encode=encode)
    return learnable(estimator, table, is_warm_start)


def learnable(estimator, table: Table, is_warm_start=False) -> Table:
    """Return checked rows with their targets transformed, after the checks that concern all of them together."""
    estimator._transform_targets(table, goes_on=is_warm_start)
    targets = table.weighted_targets
    estimator._make_loss().check_whole(targets)
    estimator._check_weighted_targets(targets)
    return table


def weighted(estimator, table: Table) -> Table:
    """Return a table with the weights of classes that the user has given."""
    given = estimator._given_class_weights(table.targets)
    if given is not None:
        of_class = given(table.targets)
        table.weight = of_class if table.weight is None else table.weight * of_class
        if not table.weight.any():
            raise ValueError(
                "The 'class_weight' parameter must give a positive weight to rows with positive sample_weight; got "
                f"class_weight={estimator.class_weight!r}, with which all rows have weight zero."
            )
    return table


def check_validation_data(estimator, X_val, y_val, sample_weight_val, groups, n_targets: int) -> Table | None:
    """Return the rows that the user has given to validate on."""
    if X_val is None and y_val is None and sample_weight_val is None:
        return None
    if X_val is None or y_val is None:
        given = {"X_val": X_val, "y_val": y_val, "sample_weight_val": sample_weight_val}
        names = [name for name, value in given.items() if value is not None]
        raise ValueError(f"X_val and y_val must be given together; got only {' and '.join(names)}.")
    rule, _ = estimator._stopping_rule()
    if hasattr(rule, "split") or groups is not None:
        raise ValueError(
            "Validation rows must come from X_val or from a splitter (with groups), not from both; got X_val and "
            f"early_stopping={rule!r}{'' if groups is None else ' and groups'}."
        )
    X_val, y_val = as_numpy(X_val, "X_val"), as_numpy(y_val, "y_val")
    try:
        data, labels = check_inputs(estimator, X_val, y_val, multi_output=True, reset=False)
        weight = check_weights(as_numpy(sample_weight_val, "sample_weight_val"), data)
        targets = estimator._encode_known(labels, weight)
        if targets.shape[1] != n_targets:
            raise ValueError(f"y_val must have as many columns as y, {n_targets}; got {targets.shape[1]}.")
        estimator._make_loss().check_targets(targets if weight is None else targets[weight > 0])
    except ValueError as error:
        raise ValueError(f"X_val, y_val or sample_weight_val cannot be used: {error}") from error
    return weighted(estimator, Table(data, targets, weight, weight, (X_val, y_val)))

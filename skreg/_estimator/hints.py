"""Errors about X and y in words that help: which columns they are about, and what to do with these."""

import datetime
from collections.abc import Callable, Iterator
from numbers import Number

import numpy as np
import pandas as pd
import scipy.sparse
import torch
from sklearn.base import is_classifier, is_regressor

from skreg._numbers import fits_float
from skreg._warnings import Advice
from skreg.preprocessing._frames import check_computed

TEXT_IN_X = "X holds strings"
# An error message lists up to so many columns.
MAX_LISTED_COLUMNS = 8
# What NumPy, pandas and scikit-learn say of columns of which they cannot make numbers.
CONVERSION = (
    *("string", "str dtype", "object dtype to float", "float() argument", "with a sequence"),
    *("too large to convert to float", "datetime"),
)
TIMES = (datetime.date, datetime.time, datetime.timedelta, np.datetime64, np.timedelta64, pd.Period)


def check_container(data, name: str) -> None:
    """Raise an error if data are of a kind of which no array can be made.

    Raises
    ------
    TypeError
        If they are a data set or a loader of torch, or a frame of polars that is not yet computed.
    ValueError
        If they are sparse and have one dimension, or more than two.
    """
    check_computed(data, name)
    if scipy.sparse.issparse(data) and data.ndim != 2:
        raise ValueError(f"{name} must have two dimensions where it is sparse; got the shape {data.shape}.")
    if isinstance(data, torch.utils.data.TensorDataset):
        raise TypeError(
            f"{name} must be an array, a data frame, a torch tensor or a sparse matrix; got a TensorDataset. Give its "
            "tensors: X, y = dataset.tensors."
        )
    if isinstance(data, torch.utils.data.Dataset | torch.utils.data.DataLoader):
        raise TypeError(
            f"{name} must be an array, a data frame, a torch tensor or a sparse matrix; got a {type(data).__name__} of "
            "torch. Collect its rows in one tensor, for instance with torch.stack([row for row, _ in dataset])."
        )


def with_hint(error: Exception, X, estimator) -> Exception:
    """Return an error about data with a hint on what to do, if there is one; otherwise the error itself."""
    return with_column_hint(with_value_hint(error, X, estimator), X, estimator)


def with_value_hint(error: Exception, X, estimator) -> Exception:
    """Return an error about missing or infinite values with their columns, and how to fit with missing ones."""
    text, what = str(error), "Input X contains NaN"
    if text.startswith("Input X contains infinity"):
        where = _places(X, np.isinf)
        return ValueError(f"{text.splitlines()[0]}{where}") if where else error
    if not text.startswith(what) and "NAType" not in text:  # pandas.NA among objects
        return error
    # Tables are not sparse, and centred columns would be sparse no more.
    by_hand = f"make_pipeline(SimpleImputer(add_indicator=True), MaxAbsScaler(), {type(estimator).__name__}(...))"
    model = by_hand if scipy.sparse.issparse(X) else _table_pipeline(estimator)
    return ValueError(f"{what}. Use {model}, or leave out rows with missing values.{_places(X, np.isnan)}")


def with_column_hint(error: Exception, X, estimator) -> Exception:
    """Return an error about columns that hold no numbers with a hint on what to do; otherwise the error itself."""
    if is_about_text(error) or not isinstance(error, ValueError | TypeError | OverflowError):
        return error
    kind = TypeError if isinstance(error, TypeError) else ValueError
    if columns := text_columns(X):
        return kind(f"{error}\n{TEXT_IN_X}, in {_listed(columns)}. {_use_for_tables(estimator)}")
    if not is_about_conversion(error):
        return error
    if columns := _columns_with(X, _is_time):
        return kind(f"{error}\n{times_in(columns, estimator)}")
    if columns := _columns_with(X, _is_no_number):
        return kind(
            f"{error}\nX holds objects that are no numbers, in {_listed(columns)}. Make numbers of them first, or leave"
            " these columns out."
        )
    if columns := _columns_with(X, _is_beyond_float):
        return ValueError(
            f"X must hold numbers in the range of float64; got larger integers in {_listed(columns)}. Scale them first."
        )
    return error


def _table_pipeline(estimator) -> str:
    return f"skreg.table_pipeline({type(estimator).__name__}(...))"


def _use_for_tables(estimator) -> str:
    """Return the line with which a table of mixed columns is fitted, and the shortest one."""
    text = f"Use {_table_pipeline(estimator)}, which encodes them."
    if is_classifier(estimator) or is_regressor(estimator):
        kind = "Classifier" if is_classifier(estimator) else "Regressor"
        text += f" skreg.TabularMLP{kind}() takes such tables without any setting."
    return text


def advice_on_categories(X, estimator) -> Advice | None:
    """Return a warning about categories of X that are numbers; None if there are none.

    Of two categories it makes no difference.
    """
    kinds = X.dtypes if isinstance(X, pd.DataFrame) else []
    columns = [
        name
        for name, kind in zip(X.columns if len(kinds) else [], kinds, strict=True)
        if isinstance(kind, pd.CategoricalDtype) and len(kind.categories) > 2
    ]
    if not columns:
        return None
    text = f"X holds categories, which are taken as numbers, in {_listed(columns)}. {_use_for_tables(estimator)}"
    return Advice(text, _table_pipeline(estimator))


def is_about_text(error: Exception) -> bool:
    """Return whether an error already has a hint to encode text."""
    return TEXT_IN_X in str(error)


def is_about_conversion(error: Exception) -> bool:
    """Return whether an error says that numbers could not be made of some data."""
    is_of_types = isinstance(error, np.exceptions.DTypePromotionError)
    return is_of_types or any(words in str(error) for words in CONVERSION)


def times_in(columns: list, estimator) -> str:
    """Return what to do with dates and times in some columns of X."""
    return f"X holds dates or times, in {_listed(columns)}. {_use_for_tables(estimator)}"


def check_times(X, estimator) -> None:
    """Raise ValueError if X holds dates or times, of which NumPy would make numbers of an arbitrary unit."""
    kinds = getattr(X, "dtypes", None)
    kinds = [getattr(X, "dtype", None)] if kinds is None or isinstance(X, np.ndarray) else kinds
    if any(_is_type_of_times(kind) for kind in kinds):
        raise ValueError(times_in(_columns_with(X, _is_time), estimator))


def check_present(y) -> None:
    """Raise ValueError if y holds missing values among objects, which scikit-learn lets pass."""
    if scipy.sparse.issparse(y):
        return
    try:
        values = np.asarray(y)
    except ValueError:  # rows of several lengths
        return
    if values.dtype.kind != "O":
        return
    missing = np.flatnonzero(pd.isna(values).reshape(len(values), -1).any(axis=1)) if values.ndim else []
    if len(missing):
        raise ValueError(
            f"Input y contains NaN: it holds missing values (None, NaN or NA) in {len(missing)} of {len(values)} rows, "
            f"the first of which is row {missing[0]}. Leave out these rows."
        )


def _is_type_of_times(kind) -> bool:
    if hasattr(kind, "is_temporal"):  # of polars
        return kind.is_temporal()
    return getattr(kind, "kind", "") in ("M", "m")


def _listed(columns: list) -> str:
    more = len(columns) - MAX_LISTED_COLUMNS
    listed = ", ".join(map(repr, columns[:MAX_LISTED_COLUMNS]))
    return f"the columns [{listed}]" + (f" and {more} more" if more > 0 else "")


def _is_frame(X) -> bool:
    return hasattr(X, "dtypes") and hasattr(X, "columns")


def _columns(X) -> Iterator[tuple[object, np.ndarray]]:
    """Yield the columns of X, each with its name, or else its index."""
    if scipy.sparse.issparse(X) or getattr(getattr(X, "dtype", None), "kind", "O") in "biufc":
        return
    if _is_frame(X):
        names = list(X.columns)
        has_names = all(isinstance(name, str) for name in names)
        for j, name in enumerate(names):
            column = X.iloc[:, j] if hasattr(X, "iloc") else X[name]
            yield (name if has_names else j), np.asarray(column)
        return
    try:
        # As objects, dates would become integers.
        values = X if isinstance(X, np.ndarray) else np.asarray(X, dtype=object)
    except ValueError:  # rows of several lengths
        return
    yield from enumerate(np.atleast_2d(values.T))


def _columns_with(X, holds: Callable[[np.ndarray], bool]) -> list:
    return [name for name, column in _columns(X) if holds(column)]


def text_columns(X) -> list:
    """Return the columns of X that hold text: their names, or else their indices."""
    return _columns_with(X, _is_text)


def _is_text(column: np.ndarray) -> bool:
    return column.dtype.kind not in "biufcmM" and any(isinstance(value, str | bytes) for value in column.ravel())


def _is_time(column: np.ndarray) -> bool:
    return column.dtype.kind in "mM" or (
        column.dtype.kind == "O" and any(isinstance(value, TIMES) for value in column.ravel())
    )


def _is_no_number(column: np.ndarray) -> bool:
    return column.dtype.kind == "O" and not all(
        value is None or value is pd.NA or isinstance(value, Number | np.bool_) for value in column.ravel()
    )


def _is_beyond_float(column: np.ndarray) -> bool:
    return column.dtype.kind == "O" and any(
        isinstance(value, int) and not fits_float(value) for value in column.ravel()
    )


def _places(X, is_one: Callable[[np.ndarray], np.ndarray]) -> str:
    """Return a sentence on the columns of a frame that hold some kind of value; nothing for arrays."""
    if not _is_frame(X):
        return ""

    def holds(column):
        if column.dtype.kind == "O":
            column = np.array([np.nan if value is None or value is pd.NA else value for value in column])
        return column.dtype.kind == "f" and is_one(column).any()

    columns = _columns_with(X, holds)
    return f" Found in {_listed(columns)}." if columns else ""

"""Tables by column: frames of pandas and polars, and arrays, read in one way.

Columns of numbers and booleans are read as blocks, so that tables of many columns need no loop over them; all others
one by one, as series of pandas.
"""

import sys

import numpy as np
import pandas as pd
from sklearn.utils.validation import validate_data

from skreg.preprocessing._columns import complex_message, listed

# What the dtype says about the values of a column.
NUMBER, BOOLEAN, OTHER, COMPLEX = "number", "boolean", "other", "complex"
# Larger numbers count as infinite: their differences and squares are beyond the range of float64.
LARGEST = 1e100


class Frame:
    """Columns of a table.

    Parameters
    ----------
    data : object
        What the columns are read from.
    labels : list
        Names of the columns; of an array, their positions.
    groups : ndarray of str of shape (n_columns,)
        What the dtype of each column says about its values: "number", "boolean" or "other".
    """

    def __init__(self, data, labels: list, groups: np.ndarray):
        self.data, self.labels, self.groups = data, labels, groups
        self.n_rows, self.n_columns = data.shape
        # Numbers of columns whose dtype is not of numbers.
        self.replaced: dict[int, np.ndarray] = {}

    def numbers(self, rows: slice, positions: np.ndarray) -> np.ndarray:
        """Return rows of some columns as float64 of shape (n_rows, n_positions); missing values are NaN."""
        is_replaced = np.isin(positions, list(self.replaced)) if self.replaced else np.zeros(len(positions), dtype=bool)
        if is_replaced.any():
            values = np.empty((len(range(self.n_rows)[rows]), len(positions)))
            values[:, is_replaced] = np.stack([self.replaced[j][rows] for j in positions[is_replaced]], axis=1)
            if not is_replaced.all():
                values[:, ~is_replaced] = self.numbers(rows, positions[~is_replaced])
            return values
        values = self._numbers(rows, positions)
        np.copyto(values, np.copysign(np.inf, values), where=np.abs(values) > LARGEST)
        return values

    def _numbers(self, rows: slice, positions: np.ndarray) -> np.ndarray:
        """Return a new array of rows of some columns whose dtypes are of numbers or booleans."""
        return self.data[rows, positions].astype(np.float64)

    def column(self, position: int) -> pd.Series:
        """Return a column as a series of pandas."""
        return pd.Series(self.data[:, position], name=self.labels[position])


class PandasFrame(Frame):
    """Columns of a frame of pandas."""

    def __init__(self, data: pd.DataFrame):
        codes, dtypes = pd.factorize(data.dtypes.to_numpy())
        labels, groups = list(data.columns), np.array([group_of(dtype) for dtype in dtypes], dtype=object)[codes]
        if (groups == COMPLEX).any():
            raise ValueError(complex_message(labels[j] for j in np.flatnonzero(groups == COMPLEX)))
        super().__init__(data, labels, groups)

    def _numbers(self, rows, positions):
        return self.data.iloc[rows, positions].to_numpy(dtype=np.float64, na_value=np.nan, copy=True)

    def column(self, position):
        column = self.data.iloc[:, position].reset_index(drop=True)
        return column.sparse.to_dense() if isinstance(column.dtype, pd.SparseDtype) else column


class ObjectFrame(PandasFrame):
    """Columns of an array of objects, or of strings."""

    def __init__(self, values: np.ndarray):
        super().__init__(pd.DataFrame(values).infer_objects())
        self._values = values

    def column(self, position):
        # As objects: whether these are text can depend on the rows.
        return pd.Series(self._values[:, position], name=self.labels[position])


class PolarsFrame(Frame):
    """Columns of a frame of polars."""

    def __init__(self, data):
        dtypes = data.dtypes
        is_boolean = np.array([str(dtype) == "Boolean" for dtype in dtypes])
        is_number = np.array([dtype.is_numeric() for dtype in dtypes])
        groups = np.where(is_boolean, BOOLEAN, np.where(is_number, NUMBER, OTHER)).astype(object)
        super().__init__(data, list(data.columns), groups)

    def _numbers(self, rows, positions):
        pl = sys.modules["polars"]
        names = [self.labels[position] for position in positions]
        return self.data[rows, names].select(pl.all().cast(pl.Float64)).to_numpy(writable=True)

    def column(self, position):
        return pandas_series(self.data.get_column(self.labels[position])).rename(self.labels[position])


def group_of(dtype) -> str:
    """Return what a dtype of pandas says about the values of a column."""
    if isinstance(dtype, pd.CategoricalDtype):
        return OTHER
    if pd.api.types.is_complex_dtype(dtype):
        return COMPLEX
    if pd.api.types.is_bool_dtype(dtype):
        return BOOLEAN
    return NUMBER if pd.api.types.is_numeric_dtype(dtype) else OTHER


def pandas_series(column) -> pd.Series:
    """Return a series of polars as one of pandas, without the help of pyarrow."""
    pl = sys.modules["polars"]
    dtype = column.dtype
    if dtype.is_numeric() or dtype == pl.Boolean:
        return pd.Series(column.cast(pl.Float64).to_numpy())
    if dtype == pl.Datetime and dtype.time_zone is not None:
        moments = column.dt.convert_time_zone("UTC").dt.replace_time_zone(None).to_numpy()
        return pd.Series(moments).dt.tz_localize("UTC").dt.tz_convert(dtype.time_zone)
    if dtype in (pl.Date, pl.Datetime, pl.Duration):
        return pd.Series(column.to_numpy())
    if dtype == pl.Time:
        return pd.Series(column.cast(pl.Duration).to_numpy())
    if dtype in (pl.Categorical, pl.Enum):
        return pd.Series(column.cast(pl.String).to_list(), dtype=object).astype("category")
    return pd.Series(column.to_list(), dtype=object)


def frame_class(X) -> type[Frame] | None:
    """Return what reads the columns of a frame of pandas or polars; None for anything else."""
    if isinstance(X, pd.DataFrame):
        return PandasFrame
    polars = sys.modules.get("polars")
    return PolarsFrame if polars is not None and isinstance(X, polars.DataFrame) else None


def is_raw_table(X) -> bool:
    """Return whether X is a frame with missing values, or with columns that hold no numbers."""
    read = frame_class(X)
    if read is None:
        return False
    frame = read(X)
    if (frame.groups == OTHER).any():
        return True
    return bool(np.isnan(frame.numbers(slice(None), np.arange(frame.n_columns))).any())


def check_computed(data, name: str) -> None:
    """Raise TypeError if data are a frame of polars that is not yet computed, or another lazy frame like it."""
    if hasattr(data, "collect_schema") and not hasattr(data, "shape"):
        raise TypeError(f"{name} must be computed; got a {type(data).__name__}. Give {name}.collect().")


def frame_of(encoder, X, *, reset: bool) -> Frame:
    """Return the columns of X, checked.

    Parameters
    ----------
    encoder : estimator
        Gets `n_features_in_` and `feature_names_in_` in a fit; otherwise X must have the same.
    X : {array-like, dataframe} of shape (n_samples, n_features)
        A table.
    reset : bool
        Whether this is a fit.

    Returns
    -------
    Frame
        The columns.

    Raises
    ------
    TypeError
        If X is sparse, or a frame of polars that is not yet computed.
    ValueError
        If X has no rows or columns, two columns of one name, complex numbers, or other columns than those of the fit.
    """
    check_computed(X, "X")
    read = frame_class(X)
    if read is None:
        return _array_frame(encoder, X, reset=reset)
    _check_labels(list(X.columns), None if reset else encoder)
    for size, what in zip(X.shape, ("sample", "feature"), strict=True):
        if not size:
            raise ValueError(f"Found array with 0 {what}(s) (shape={X.shape}) while a minimum of 1 is required.")
    validate_data(encoder, X, reset=reset, skip_check_array=True)
    return read(X)


def _array_frame(encoder, X, *, reset: bool) -> Frame:
    if isinstance(X, np.ma.MaskedArray):  # scikit-learn would take what is under the mask
        X = X.astype(np.float64).filled(np.nan) if X.dtype.kind in "iuf" else X.astype(object).filled(None)
    values = validate_data(encoder, X, reset=reset, dtype=None, ensure_all_finite=False)
    if values.dtype.kind in "biuf":
        group = BOOLEAN if values.dtype.kind == "b" else NUMBER
        return Frame(values, list(range(values.shape[1])), np.full(values.shape[1], group, dtype=object))
    return ObjectFrame(values.astype(object))


def _check_labels(labels: list, fitted) -> None:
    """Raise ValueError if names occur twice, or are in another order than in the fit."""
    index = pd.Index(labels)
    if not index.is_unique:
        twice = index[index.duplicated()].unique()
        raise ValueError(f"The columns of X must have different names; got more than one of {listed(twice)}.")
    # What is missing or new, scikit-learn names itself, where the names are strings.
    known = None if fitted is None else fitted._plan.labels
    if known is None or not fitted._plan.has_names or index.equals(pd.Index(known)):
        return
    new, gone = index.difference(known, sort=False), pd.Index(known).difference(index, sort=False)
    if len(new) == len(gone) == 0:
        place = next(j for j, (label, other) in enumerate(zip(labels, known, strict=True)) if label != other)
        raise ValueError(
            "The feature names should match those that were passed during fit.\n"
            "Feature names must be in the same order as they were in fit.\n"
            f"Column {place} is {labels[place]!r}, and was {known[place]!r}. Give X[X_train.columns], where "
            "X_train is the table of fit."
        )
    if not all(isinstance(label, str) for label in (*labels, *known)):
        raise ValueError(
            "The columns of X must have the names that they had in fit; "
            f"missing are {listed(gone)}, and new are {listed(new)}."
        )

"""Encoded tables: numbers that remember from which column of the original table each of their columns comes."""

import numpy as np
import pandas as pd

from skreg._sklearn_private import output_container

# What a frame of pandas carries in its `attrs`: the original columns, and the names that the list goes with.
SOURCE_COLUMNS, ENCODED_COLUMNS = "source_columns", "encoded_columns"


class EncodedTable(np.ndarray):
    """Array of encoded features with the original column of each.

    A selection of rows (``X[rows]``, ``X[rows, :]``, `take`), a copy, another dtype and a pickle keep
    `source_columns`. Whatever may change the columns loses it: selections of columns are plain arrays, and results of
    other operations have ``source_columns=None``.

    Parameters
    ----------
    values : array-like of shape (n_samples, n_features)
        Encoded features. An array is not copied.
    source_columns : array-like of int of shape (n_features,) or None
        Position of the original column of each feature.

    Attributes
    ----------
    source_columns : ndarray of int of shape (n_features,) or None
        Position of the original column of each feature.

    Raises
    ------
    ValueError
        If `source_columns` does not have one number for each column of a table.
    """

    source_columns = None  # of views and results that are not known to have the same columns

    def __new__(cls, values, source_columns):
        """Make a table of an array."""
        table = np.asarray(values).view(cls)
        if source_columns is None:
            return table
        source_columns = np.array(source_columns, dtype=np.intp)
        if table.ndim != 2 or source_columns.shape != (table.shape[1],):
            raise ValueError(
                "'source_columns' must have one number for each column of a table; "
                f"got shape {source_columns.shape} for values of shape {table.shape}."
            )
        return table._with_columns(source_columns)

    def _with_columns(self, source_columns):
        source_columns.flags.writeable = False  # selections of rows share it
        self.source_columns = source_columns
        return self

    def _like(self, values):
        """Return values with the same columns as a table of them."""
        table = np.asarray(values).view(type(self))
        return table if self.source_columns is None else table._with_columns(self.source_columns)

    def __getitem__(self, key):
        """Select as from any array; a selection of rows remains a table."""
        selected = self.view(np.ndarray)[key]
        return self._like(selected) if self.ndim == 2 and selects_rows(key) else selected

    def take(self, indices, axis=None, out=None, mode="raise"):
        """Take rows or others, as from any array."""
        taken = self.view(np.ndarray).take(indices, axis, out, mode)
        rows_only = self.ndim == 2 and axis in (0, -2) and np.ndim(indices) == 1 and out is None
        return self._like(taken) if rows_only else taken

    def copy(self, order="C"):
        """Return a copy."""
        return self._like(self.view(np.ndarray).copy(order))

    def astype(self, dtype, order="K", casting="unsafe", subok=True, copy=True):
        """Return a copy of another dtype."""
        values = self.view(np.ndarray).astype(dtype, order, casting, copy=copy)
        return self._like(values) if subok else values

    def __copy__(self):
        """Return a copy."""
        return self.copy(order="K")

    def __deepcopy__(self, memo):
        """Return a copy; elements are numbers."""
        return self.copy(order="K")

    def __reduce__(self):
        """Pickle as a plain array, which joblib and protocol 5 know how to handle, and the original columns."""
        return type(self), (self.view(np.ndarray), self.source_columns)


def selects_rows(key) -> bool:
    """Return whether an index selects rows of a table, and all of their columns in order."""
    if isinstance(key, tuple):
        if len(key) != 2:
            return len(key) == 1 and selects_rows(key[0])
        key, columns = key
        if columns is not Ellipsis and not (isinstance(columns, slice) and columns == slice(None)):
            return False
        if key is Ellipsis:
            return True
    return key is Ellipsis or isinstance(key, slice) or (isinstance(key, list | np.ndarray) and np.ndim(key) == 1)


def source_columns_of(X) -> np.ndarray | None:
    """Return the original column of each column of an encoded table.

    Parameters
    ----------
    X : object
        Anything.

    Returns
    -------
    ndarray of int of shape (n_features,) or None
        Positions of the original columns; None for all but an :class:`EncodedTable` and a frame of pandas made of one,
        whose columns may have been selected and sorted, but not renamed.
    """
    if isinstance(X, EncodedTable):
        return X.source_columns
    attributes = getattr(X, "attrs", None)
    # With one of the two alone, it is the user who has written something of that name.
    is_encoded = isinstance(attributes, dict) and attributes.keys() >= {SOURCE_COLUMNS, ENCODED_COLUMNS}
    if not is_encoded or not hasattr(X, "columns"):
        return None
    source_columns = attributes[SOURCE_COLUMNS]
    sources = dict(zip(attributes[ENCODED_COLUMNS], source_columns, strict=True))
    if len(X.columns) > len(source_columns) or any(name not in sources for name in X.columns):
        return None
    return np.array([sources[name] for name in X.columns], dtype=np.intp)


def table_or_frame(transformer, encoded: np.ndarray, X):
    """Return what a transformer has made of a table as the table or the frame of pandas that is wanted.

    Parameters
    ----------
    transformer : transformer
        Fitted, with `source_columns_` and `get_feature_names_out`.
    encoded : ndarray of shape (n_samples, n_features)
        Features.
    X : object
        What they were made of; a frame of pandas gives its index.

    Returns
    -------
    EncodedTable or DataFrame of shape (n_samples, n_features)
        The features, with the original column of each.
    """
    sources = transformer.source_columns_
    if output_container(transformer) != "pandas":
        return EncodedTable(encoded, sources)
    names = transformer.get_feature_names_out()
    index = X.index if isinstance(X, pd.DataFrame) else None
    frame = pd.DataFrame(encoded, index=index, columns=names, copy=False)
    frame.attrs |= {SOURCE_COLUMNS: sources.tolist(), ENCODED_COLUMNS: names.tolist()}
    return frame

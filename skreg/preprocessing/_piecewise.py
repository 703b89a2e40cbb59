"""Numbers as pieces of their range."""

from numbers import Integral
from typing import ClassVar

import numpy as np
from sklearn.base import BaseEstimator, TransformerMixin
from sklearn.utils.validation import check_is_fitted, validate_data

from skreg._doc_link import DocLink
from skreg._sklearn_private import Interval, feature_names_checked, fit_context
from skreg.preprocessing._encoded import source_columns_of, table_or_frame


class PiecewiseLinearEncoder(DocLink, TransformerMixin, BaseEstimator):
    """Encoder of numbers that adds a feature for each piece of their range, from 0 below the piece to 1 above it.

    A linear model of these features is a function of each number that is linear between the quantiles at which the
    pieces meet, so that it need not be monotone. For a piece from `a` to `b` the feature of `x` is
    ``min(max((x - a) / (b - a), 0), 1)``. The number itself remains a feature.

    Parameters
    ----------
    n_bins : int, default=8
        Number of pieces of a column, at least 2: the training rows are divided equally among them, as far as equal
        numbers allow. A piece in which all numbers are equal has a feature that is always 0.
    min_unique : int, default=5
        Columns with fewer different numbers in the training rows get no further features; at least 2.

    Attributes
    ----------
    bin_edges_ : list of ndarray of shape (n_bins + 1,) or None
        Where the pieces of each column meet, ascending; None for columns without pieces.
    input_features_ : ndarray of int of shape (n_features_out,)
        Position in X of the column that each feature comes from.
    source_columns_ : ndarray of int of shape (n_features_out,)
        Position of the column that each feature comes from in the original table, if X is the output of a
        :class:`TableEncoder`, else in X.
    n_features_in_ : int
        Number of columns of X.
    feature_names_in_ : ndarray of str of shape (`n_features_in_`,)
        Names of the columns; only for frames whose names are strings.

    See Also
    --------
    TableEncoder : Makes numbers of tables as they are.
    sklearn.preprocessing.SplineTransformer : Splines; those of degree 1 span the same functions.

    Notes
    -----
    Memory grows with `n_bins`: use it where rows are many times the columns.

    References
    ----------
    Y. Gorishniy, I. Rubachev and A. Babenko, "On Embeddings for Numerical Features in Tabular Deep Learning", NeurIPS
    2022, section 3.2: piecewise linear encoding, there also outside of the range, where it is constant here.

    Examples
    --------
    >>> import numpy as np
    >>> from skreg.preprocessing import PiecewiseLinearEncoder
    >>> encoder = PiecewiseLinearEncoder(n_bins=2).fit(np.array([[0.0], [1.0], [2.0], [6.0], [10.0]]))
    >>> encoder.bin_edges_
    [array([ 0.,  2., 10.])]
    >>> np.asarray(encoder.transform([[1.0], [4.0], [20.0]]))
    array([[ 1.  ,  0.5 ,  0.  ],
           [ 4.  ,  1.  ,  0.25],
           [20.  ,  1.  ,  1.  ]])
    """

    _parameter_constraints: ClassVar[dict] = {
        "n_bins": [Interval(Integral, 2, None, closed="left")],
        "min_unique": [Interval(Integral, 2, None, closed="left")],
    }

    def __init__(self, n_bins=8, *, min_unique=5):
        self.n_bins = n_bins
        self.min_unique = min_unique

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.transformer_tags.preserves_dtype = ["float64", "float32"]
        return tags

    @fit_context(prefer_skip_nested_validation=True)
    def fit(self, X, y=None):
        """Find the pieces of each column.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Numbers, without gaps.
        y : None
            Ignored.

        Returns
        -------
        PiecewiseLinearEncoder
            The encoder.

        Raises
        ------
        ValueError
            If a parameter is not allowed, or X holds missing or infinite numbers.
        """
        sources = source_columns_of(X)
        values = np.asarray(validate_data(self, X, dtype=[np.float64, np.float32]))
        quantiles = np.linspace(0, 1, self.n_bins + 1)
        self.bin_edges_ = [
            np.quantile(column.astype(np.float64), quantiles) if len(np.unique(column)) >= self.min_unique else None
            for column in values.T
        ]
        self.input_features_ = np.concatenate([np.arange(values.shape[1]), np.repeat(self._in_pieces, self.n_bins)])
        self.source_columns_ = self.input_features_ if sources is None else np.asarray(sources)[self.input_features_]
        return self

    @property
    def _in_pieces(self) -> np.ndarray:
        """Positions of the columns that have pieces."""
        return np.array([j for j, edges in enumerate(self.bin_edges_) if edges is not None], dtype=np.intp)

    def transform(self, X):
        """Return the numbers, and the features of their pieces.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Numbers, with the columns of `fit`.

        Returns
        -------
        EncodedTable or dataframe of shape (n_samples, n_features_out)
            The columns of X, then `n_bins` features for each column that has pieces: an array with an attribute
            `source_columns`, or a frame after ``set_output``. Its dtype is float32 if that of X is, else float64.

        Raises
        ------
        ValueError
            If X has other columns, or holds missing or infinite numbers.
        """
        check_is_fitted(self)
        values = np.asarray(validate_data(self, X, dtype=[np.float64, np.float32], reset=False))
        first = values.shape[1]
        encoded = np.empty((len(values), len(self.input_features_)), dtype=values.dtype)
        encoded[:, :first] = values
        for column in self._in_pieces:
            edges = self.bin_edges_[column]
            widths = np.diff(edges)
            # In double precision: the distance of two edges can vanish in single precision.
            distances = values[:, [column]].astype(np.float64) - edges[:-1]
            shares = np.divide(distances, widths, out=np.zeros_like(distances), where=widths > 0)
            np.clip(shares, 0, 1, out=shares)
            encoded[:, first : first + len(widths)] = shares
            first += len(widths)
        return table_or_frame(self, encoded, X)

    def get_feature_names_out(self, input_features=None):
        """Return the names of the features: those of the columns, then ``age_piece0``, ``age_piece1``, and so on.

        Parameters
        ----------
        input_features : array-like of str or None, default=None
            Names of the columns of an array, instead of x0, x1, and so on. Those of a frame are known.

        Returns
        -------
        ndarray of str of shape (n_features_out,)
            Names.
        """
        check_is_fitted(self)
        names = feature_names_checked(self, input_features)
        n_pieces = {column: len(self.bin_edges_[column]) - 1 for column in self._in_pieces}
        pieces = [f"{names[column]}_piece{number}" for column, n in n_pieces.items() for number in range(n)]
        return np.array([*names, *pieces], dtype=object)

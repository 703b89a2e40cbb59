"""The encoder of tables."""

import math
from numbers import Integral, Real
from typing import ClassVar

import numpy as np
import pandas as pd
import scipy.sparse
from sklearn.base import BaseEstimator, TransformerMixin, clone
from sklearn.utils.validation import check_consistent_length, check_is_fitted

from skreg._doc_link import DocLink
from skreg._seeds import fresh_seed, random_numbers
from skreg._sklearn_private import (
    HasMethods,
    Interval,
    Options,
    StrOptions,
    feature_names_checked,
    fit_context,
)
from skreg._warnings import warn_or_keep
from skreg.preprocessing._columns import listed
from skreg.preprocessing._encoded import table_or_frame
from skreg.preprocessing._frames import Frame, frame_of
from skreg.preprocessing._plan import Options as PlanOptions
from skreg.preprocessing._plan import Plan


class TableEncoder(DocLink, TransformerMixin, BaseEstimator):
    """Encoder of tables as they are: numbers with gaps, categories, text, dates, durations, booleans.

    Each column becomes what a network learns from well:

    - Numbers and durations (in seconds), also in strings, are centred at their median, divided by the distance of
      their quartiles and squashed, ``x / sqrt(1 + (x / 3)**2)``, so that outliers and infinite values are at most 3
      (`max_absolute_value`) away from it. Missing ones become the median.
    - Dates, also in strings, become year, time since 1970, and month, day, weekday and hour on circles, scaled like
      numbers.
    - Categories, by dtype, strings and other objects: one feature for each level, 0 or 1. Levels in fewer than
      `min_frequency` rows share one feature, which levels that are not in the training rows have, too; if there are no
      rare levels, an unseen level has 0 in all features. Two levels have one feature, -1 and 1, with 0 for others.
    - Booleans are -1 and 1, and 0 where they are missing.
    - Categories with `cardinality_threshold` levels and more: see `high_cardinality`.
    - Columns with missing values in at least `min_frequency` of the training rows have an indicator besides, 0 or 1.
      Fewer missing values, and those of columns that have none in training, are the median, or an unseen level.
    - Columns with a single value are dropped; with an indicator, that remains. Columns without any value are dropped
      with a warning. A category that is (almost) different in every row, as names and ids are, is dropped unless it has
      several words; numbers that are different in every row are numbers.

    Strings such as "N/A", "?" and spaces are missing values, but not if the dtype is of categories. In a column of
    numbers, dates or durations in strings, a string that is none of them is a missing value, too. Numbers among text
    are levels, and 1 is the same as 1.0.

    Parameters
    ----------
    categorical_features : "from_dtype" or array-like of {bool, int, str} of shape (n_features,) or \
            (n_categorical_features,), default="from_dtype"
        Which columns are categories whatever their dtype, as in
        :class:`~sklearn.ensemble.HistGradientBoostingClassifier`: a mask, indices, or names. The kind of all others is
        found out.
    cardinality_threshold : int, default=40
        Categories with fewer levels have a feature for each; at least 1.
    high_cardinality : {"auto", "target", "string"} or transformer, default="auto"
        What is made of categories with more levels:

        - "target": the mean target of each level, shrunk to that of all rows, by scikit-learn's
          :class:`~sklearn.preprocessing.TargetEncoder`. `fit_transform` encodes each fifth of the rows by the others,
          so that no row has a part in its own feature; it needs a single target.
        - "string": 30 features of the parts of words, by :class:`skrub.StringEncoder`, which together have the
          variance of one standardized column.
        - "auto": "target" for categories with at least two rows for each level (without a single target, "string");
          "string" for other text of at least two words. If the target is of classes, and there are fewer than 3,000
          rows, 100 for each feature of "string", it becomes what a ridge regression on these features predicts of the
          standardized indicator of each class, with the cross-fitting of "target". What remains is dropped.
        - a transformer of a frame with one column of strings, or one of skrub for a single column. What it returns is
          scaled like numbers.
    min_frequency : int, float or None, default=5
        Number of rows, or fraction of all, from which on a level or missing values have a feature of their own. None
        means any.
    max_absolute_value : float or None, default=3.0
        Bound of numbers after squashing, as in :class:`skrub.SquashingScaler`, in distances of the quartiles; positive.
        The larger it is, the more a number far out counts. None means no bound: numbers become ``arcsinh(x)``, which
        grows as a logarithm far out; infinite ones, and those beyond 1e100, are 1 beyond the smallest or the largest
        feature of the training rows. :class:`~skreg.TabularMLPRegressor` takes None.
    target_type : {"auto", "continuous", "binary", "multiclass"}, default="auto"
        Parameter of :class:`~sklearn.preprocessing.TargetEncoder`, where that is used. "auto" takes integers for
        classes; :func:`skreg.table_pipeline` replaces it by what the estimator is for.
    dtype : dtype, default=np.float32
        Type of the features, float32 or float64. Statistics are computed in float64.
    random_state : int, RandomState instance or None, default=0
        Seed of the folds of target encoding and of :class:`skrub.StringEncoder`. None takes another in every fit.

    Attributes
    ----------
    kinds_ : dict
        What each column holds, by its name or position: "number", "category", "text", "date", "duration", "boolean", or
        "dropped".
    source_columns_ : ndarray of int of shape (n_features_out,)
        Position of the column of X that each encoded feature comes from.
    n_features_in_ : int
        Number of columns of X.
    feature_names_in_ : ndarray of str of shape (`n_features_in_`,)
        Names of the columns; only for frames whose names are strings.

    See Also
    --------
    skreg.table_pipeline : Pipeline of this encoder and an estimator.
    sklearn.compose.ColumnTransformer : Transformers for given columns.

    Notes
    -----
    The features of 0 and 1 are not scaled by their frequency: division by the standard deviation would make those of
    rare levels the largest inputs of a network, and the least penalized ones.

    Numbers are scaled by :class:`skrub.SquashingScaler`, dates are found by :class:`skrub.ToDatetime` and encoded by
    :class:`skrub.DatetimeEncoder`. Strings of digits alone are numbers, not dates.

    References
    ----------
    D. Holzmüller, L. Grinsztajn, I. Steinwart, "Better by Default: Strong Pre-Tuned MLPs and Boosted Trees on Tabular
    Data", NeurIPS 2024, section 3: robust scaling and smooth clipping.

    Examples
    --------
    >>> import pandas as pd
    >>> from skreg.preprocessing import TableEncoder
    >>> df = pd.DataFrame(
    ...     {
    ...         "age": [22, 38, None, 35, 54, 1000],
    ...         "town": ["Ayr", "Bonn", "Bonn", None, "Caen", "Ayr"],
    ...         "since": ["2024-05-01", "2024-06-02", "2024-06-09", "2024-07-01", "2024-08-13", "2024-08-14"],
    ...     }
    ... )
    >>> encoder = TableEncoder(min_frequency=1).set_output(transform="pandas")
    >>> encoder.fit_transform(df).iloc[:, :6].round(2)
        age  age_missing  town_Ayr  town_Bonn  town_Caen  town_missing
    0 -0.81          0.0       1.0        0.0        0.0           0.0
    1  0.00          0.0       0.0        1.0        0.0           0.0
    2  0.00          1.0       0.0        1.0        0.0           0.0
    3 -0.16          0.0       0.0        0.0        0.0           1.0
    4  0.81          0.0       0.0        0.0        1.0           0.0
    5  2.99          0.0       1.0        0.0        0.0           0.0
    >>> encoder.kinds_
    {'age': 'number', 'town': 'category', 'since': 'date'}
    """

    _parameter_constraints: ClassVar[dict] = {
        "categorical_features": ["array-like", StrOptions({"from_dtype"})],
        "cardinality_threshold": [Interval(Integral, 1, None, closed="left")],
        "high_cardinality": [StrOptions({"auto", "target", "string"}), HasMethods(["fit_transform", "transform"])],
        "min_frequency": [
            Interval(Integral, 1, None, closed="left"),
            Interval(Real, 0, 1, closed="neither"),
            None,
        ],
        "max_absolute_value": [Interval(Real, 0, None, closed="neither"), None],
        "target_type": [StrOptions({"auto", "continuous", "binary", "multiclass"})],
        "dtype": [Options(object, {np.float32, np.float64, "float32", "float64"})],
        "random_state": ["random_state"],
    }

    def __init__(
        self,
        *,
        categorical_features="from_dtype",
        cardinality_threshold=40,
        high_cardinality="auto",
        min_frequency=5,
        max_absolute_value=3.0,
        target_type="auto",
        dtype=np.float32,
        random_state=0,
    ):
        self.categorical_features = categorical_features
        self.cardinality_threshold = cardinality_threshold
        self.high_cardinality = high_cardinality
        self.min_frequency = min_frequency
        self.max_absolute_value = max_absolute_value
        self.target_type = target_type
        self.dtype = dtype
        self.random_state = random_state

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.input_tags.allow_nan = True
        tags.input_tags.categorical = True
        tags.input_tags.string = True
        tags.transformer_tags.preserves_dtype = [np.dtype(self.dtype).name]
        return tags

    def fit(self, X, y=None):
        """Learn what each column becomes.

        Parameters
        ----------
        X : {array-like, dataframe} of shape (n_samples, n_features)
            A table: a frame of pandas or polars, or an array.
        y : array-like of shape (n_samples,) or (n_samples, n_outputs), default=None
            Targets, for target encoding.

        Returns
        -------
        TableEncoder
            The encoder.

        Raises
        ------
        ValueError
            If a parameter is not allowed, two columns have one name, no column varies, or a column holds complex
            numbers.
        TypeError
            If X is sparse or not yet computed, or a column holds lists or other containers.

        Warns
        -----
        UserWarning
            If columns have no value.
        """
        self._fit(X, y)
        self._plan.forget_training()
        return self

    def fit_transform(self, X, y=None):
        """Learn what each column becomes, and return the encoded training rows.

        With target encoding they differ from what `transform` returns for the same rows: see `high_cardinality`.

        Parameters
        ----------
        X : {array-like, dataframe} of shape (n_samples, n_features)
            A table: a frame of pandas or polars, or an array.
        y : array-like of shape (n_samples,) or (n_samples, n_outputs), default=None
            Targets, for target encoding.

        Returns
        -------
        EncodedTable or dataframe of shape (n_samples, n_features_out)
            As that of `transform`.
        """
        frame = self._fit(X, y)
        encoded = self._plan.encode(frame, self.dtype, is_training=True)
        self._plan.forget_training()
        return table_or_frame(self, encoded, X)

    def transform(self, X):
        """Return the encoded rows of a table.

        Parameters
        ----------
        X : {array-like, dataframe} of shape (n_samples, n_features)
            A table with the columns of the fit.

        Returns
        -------
        EncodedTable or dataframe of shape (n_samples, n_features_out)
            Features; an array with an attribute `source_columns`, which selections of rows, copies and pickles keep,
            or a frame after ``set_output``, which has it in its `attrs` if it is one of pandas.

        Raises
        ------
        ValueError
            If columns are missing, new, in another order, twice there, or have changed their type; the message names
            them. A column without any value may be of any type.
        """
        check_is_fitted(self)
        frame = frame_of(self, X, reset=False)
        return table_or_frame(self, self._plan.encode(frame, self.dtype), X)

    def get_feature_names_out(self, input_features=None):
        """Return the names of the encoded features.

        They begin with the name of their column: ``age``, ``age_missing``, ``town_Bonn``, ``town_rare``,
        ``since_month_circular_0``.

        Parameters
        ----------
        input_features : array-like of str or None, default=None
            Names of the columns of an array, instead of x0, x1, and so on. Those of a frame are known.

        Returns
        -------
        ndarray of str of shape (n_features_out,)
            Names, all different.
        """
        check_is_fitted(self)
        labels = np.asarray(self._column_names(input_features), dtype=object)
        names = pd.Index(labels[self.source_columns_] + self._plan.suffixes)
        taken = set(names)
        while not names.is_unique:
            again = names.duplicated()
            names = pd.Index(
                [_unused(name, taken) if twice else name for name, twice in zip(names, again, strict=True)]
            )
        return names.to_numpy(dtype=object)

    def _column_names(self, input_features):
        labels = self._plan.labels
        if not self._plan.has_names or hasattr(self, "feature_names_in_"):
            return feature_names_checked(self, input_features)
        return list(map(str, labels))

    @fit_context(prefer_skip_nested_validation=True)
    def _fit(self, X, y) -> Frame:
        """Fit to a table, and return it; a fit that fails changes nothing."""
        checked = clone(self)
        frame = frame_of(checked, X, reset=True)
        has_names = isinstance(X, pd.DataFrame) or hasattr(checked, "feature_names_in_")
        options = PlanOptions(
            categorical=_categorical_mask(self.categorical_features, frame, has_names=has_names),
            cardinality_threshold=self.cardinality_threshold,
            min_frequency=_min_rows(self.min_frequency, frame.n_rows),
            high_cardinality=self.high_cardinality,
            max_absolute_value=self.max_absolute_value,
            target_type=self.target_type,
            seed=fresh_seed(random_numbers(self.random_state)),
        )
        plan = Plan(frame, _target_array(y, frame.n_rows), options, has_names=has_names)
        if len(plan.empty):
            columns = listed(frame.labels[j] for j in plan.empty)
            # Without the number of rows: all folds of a search warn in the same words.
            warn_or_keep(f"The columns {columns} of X have no value in the training rows, and are dropped.")
        if not len(plan.sources):
            raise ValueError(
                f"X must have a column with different values that the encoder does not drop; got {frame.n_columns} "
                f"column(s), none of which is one, in {frame.n_rows} sample(s)."
            )
        for name in ("feature_names_in_", "n_features_in_"):
            vars(self).pop(name, None)
        vars(self).update({name: value for name, value in vars(checked).items() if name.endswith("_in_")})
        self._plan = plan
        self.source_columns_ = plan.sources
        self.kinds_ = dict(zip(frame.labels, plan.kinds, strict=True))
        return frame


def _min_rows(min_frequency, n_rows: int) -> int | None:
    """Return the number of rows that a level must be in."""
    if min_frequency is None or isinstance(min_frequency, Integral):
        return None if min_frequency is None else int(min_frequency)
    return max(1, math.ceil(min_frequency * n_rows))


def _target_array(y, n_rows: int) -> np.ndarray | None:
    """Return targets as an array, a single column as a vector; the estimator that learns them checks what they hold."""
    if y is None:
        return None
    y = y if scipy.sparse.issparse(y) else np.asarray(y)
    check_consistent_length(y, range(n_rows))
    return y.ravel() if y.ndim == 2 and y.shape[1] == 1 and not scipy.sparse.issparse(y) else y


def _categorical_mask(categorical_features, frame: Frame, *, has_names: bool) -> np.ndarray:
    """Return which columns are categories whatever their dtype."""
    mask = np.zeros(frame.n_columns, dtype=bool)
    if isinstance(categorical_features, str):
        return mask
    given = np.asarray(categorical_features)
    if given.dtype == bool and given.shape == mask.shape:
        return given.copy()
    if given.dtype.kind in "iu" and given.ndim == 1:
        wrong = given[(given < 0) | (given >= frame.n_columns)].tolist()
        if not wrong:
            mask[given] = True
            return mask
    elif given.dtype.kind in "UO" and given.ndim == 1 and has_names:
        wrong = [name for name in given.tolist() if name not in frame.labels]
        if not wrong:
            return np.isin(np.asarray(frame.labels, dtype=object), given)
    elif not given.size:
        return mask
    else:
        wrong = given.tolist()
    names = "names of columns, " if has_names else ""
    raise ValueError(
        f"The 'categorical_features' parameter must be 'from_dtype', a mask of {frame.n_columns} columns, {names}or "
        f"indices from 0 to {frame.n_columns - 1}; got {listed(wrong)}."
    )


def _unused(name: str, taken: set) -> str:
    """Return a name that is not taken yet, and take it."""
    number = 2
    while f"{name}_{number}" in taken:
        number += 1
    taken.add(f"{name}_{number}")
    return f"{name}_{number}"

"""Blocks of encoded features: each reads its columns and writes features of a common scale.

Numbers are centred at their median, scaled by the distance of their quartiles and squashed; two-valued features
are -1 and 1, with 0 for values that are missing or unseen; features of single levels are 0 and 1.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from sklearn.preprocessing import OneHotEncoder

from skreg.preprocessing import _skrub
from skreg.preprocessing._columns import MISSING, UNSEEN

# Numbers that are worked on at the same time: temporary arrays take a few MiB, however large the table is.
CHUNK = 2**18
# Of a column whose largest number is smaller, scikit-learn's RobustScaler may take the quartiles for equal.
SMALL = 2.0**-10
# The bound of skrub's scaler where there is to be none: no number comes near it.
NO_BOUND = 1e200
# So many times the largest training number is as far out as new ones can be: squares of larger ones are infinite.
FARTHEST = 1e50

# Read some features in some rows, as float64 of shape (n_rows, n_features).
Read = Callable[[slice, slice], np.ndarray]
ALL = slice(None)


def chunks(n: int, width: int) -> list[slice]:
    """Return slices of a number of rows, which have a width, or of columns, that are worked on at the same time."""
    size = max(1, CHUNK // max(1, width))
    return [slice(first, min(first + size, n)) for first in range(0, n, size)]


@dataclass
class Squash:
    """The scaling of some numbers, all of which vary.

    Attributes
    ----------
    factors : ndarray of shape (n_features,)
        Powers of two, by which tiny numbers are multiplied first.
    scaler : SquashingScaler
        Of skrub.
    limits : ndarray of shape (n_features,)
        Largest absolute values of multiplied numbers.
    ends : tuple of ndarray of shape (n_features,), or None
        What -inf and inf become if there is no bound: 1 beyond the smallest and the largest feature of the training
        rows. None with a bound, which they become then.
    """

    factors: np.ndarray
    scaler: object
    # Defaults are for pickles of before.
    limits: np.ndarray | float = np.inf
    ends: tuple[np.ndarray, np.ndarray] | None = None

    @classmethod
    def fit(cls, values: np.ndarray, max_absolute_value: float | None) -> "Squash":
        """Return the scaling of finite, infinite and missing values of shape (n_rows, n_features).

        They are squashed to a bound, or, with None, by `arcsinh`, which grows as a logarithm.
        """
        is_finite = np.isfinite(values)
        lowest = np.min(values, axis=0, where=is_finite, initial=np.inf)
        highest = np.max(values, axis=0, where=is_finite, initial=-np.inf)
        largest = np.maximum(-lowest, highest)
        exponents = np.minimum(-np.frexp(largest)[1].astype(float), np.finfo(float).maxexp - 1)
        factors = np.where((largest > 0) & (largest < SMALL), np.exp2(exponents), 1.0)
        scaler = _skrub.SquashingScaler(NO_BOUND if max_absolute_value is None else max_absolute_value)
        squash = cls(factors, scaler.fit(values * factors), FARTHEST * largest * factors)
        if max_absolute_value is None:
            first, last = np.arcsinh(scaler.transform(np.stack([lowest, highest]) * factors))
            squash.ends = first - 1, last + 1
        return squash

    def __call__(self, values: np.ndarray) -> np.ndarray:
        """Return squashed numbers; missing ones are 0, as the median is."""
        with np.errstate(over="ignore"):
            multiplied = values * self.factors
        # Infinite ones stay what they are.
        np.clip(multiplied, -self.limits, self.limits, out=multiplied, where=np.isfinite(values))
        squashed = self.scaler.transform(multiplied)
        if self.ends is not None:
            squashed = np.arcsinh(squashed)
            for end, infinite in zip(self.ends, (-np.inf, np.inf), strict=True):
                np.copyto(squashed, end, where=values == infinite)
        np.copyto(squashed, 0.0, where=np.isnan(squashed))
        return squashed


def signs(values: np.ndarray) -> np.ndarray:
    """Return booleans as -1 and 1; missing ones are 0."""
    return np.where(np.isnan(values), 0.0, 2 * values - 1)


class Numbers:
    """Block of numbers, or of booleans.

    Parameters
    ----------
    read : callable
        Reads some of the features in the training rows.
    n_rows, n_features : int
        Size of what it reads.
    max_absolute_value : float or None
        Bound of the features; None for `arcsinh` in place of one.
    are_booleans : bool, default=False
        Whether the numbers are all 0 and 1 and two-valued on purpose.

    Attributes
    ----------
    varies : ndarray of bool of shape (n_features,)
        Whether there are different values; the others have no feature.
    n_missing : ndarray of int of shape (n_features,)
        Number of missing values.
    is_empty : ndarray of bool of shape (n_features,)
        Whether there is no finite value.
    """

    def __init__(
        self, read: Read, n_rows: int, n_features: int, *, max_absolute_value: float | None, are_booleans: bool = False
    ):
        self._scalings = []
        self.varies = np.zeros(n_features, dtype=bool)
        self.n_missing = np.zeros(n_features, dtype=np.intp)
        self.is_empty = np.zeros(n_features, dtype=bool)
        self._parts = chunks(n_features, n_rows)
        for part in self._parts:
            values = read(ALL, part)
            self.is_empty[part] = ~np.isfinite(values).any(axis=0)
            varies = ~self.is_empty[part] & (np.fmin.reduce(values, axis=0) < np.fmax.reduce(values, axis=0))
            self.varies[part] = varies
            self.n_missing[part] = np.isnan(values).sum(axis=0)
            if are_booleans or not varies.any():
                self._scalings.append(signs)
            else:
                self._scalings.append(Squash.fit(values[:, varies], max_absolute_value))

    def write(self, read: Read, out: np.ndarray, at: np.ndarray, indicators: np.ndarray) -> None:
        """Write the features of some rows.

        Parameters
        ----------
        read : callable
            Reads some of the features in these rows.
        out : ndarray of shape (n_rows, n_features_out)
            Is written to.
        at, indicators : ndarray of int of shape (n_features,)
            Columns of ``out`` for the values and for indicators of missing ones; negative where there is none.
        """
        for part, scaling in zip(self._parts, self._scalings, strict=True):
            varies, flagged = self.varies[part], indicators[part] >= 0
            for rows in chunks(len(out), len(varies)) if (varies | flagged).any() else ():
                values = read(rows, part)
                out[rows, indicators[part][flagged]] = np.isnan(values[:, flagged])
                if varies.any():
                    out[rows, at[part][varies]] = scaling(values[:, varies])


class OneHot:
    """Block of categories: a feature for each level that is frequent enough, and one for all others together.

    A column with two levels has a single feature. Levels that are not in the training rows are rare ones, if there are
    any; otherwise they have zeros, which are between all levels.

    Parameters
    ----------
    codes : ndarray of int of shape (n_rows, n_columns)
        Codes of the levels in the training rows.
    n_levels : list of int
        The number of levels of each column.
    min_frequency : int or None
        Levels in fewer rows are rare.

    Attributes
    ----------
    features : list of (int, int or None)
        Column and level of each feature; None for the rare levels, and for a column of two the second of them.
    """

    def __init__(self, codes: np.ndarray, n_levels: list[int], min_frequency: int | None):
        self.encoder = OneHotEncoder(
            categories=[np.arange(n, dtype=codes.dtype) for n in n_levels],
            handle_unknown="infrequent_if_exist",
            min_frequency=min_frequency,
            dtype=np.float32,
        ).fit(codes)
        self.features: list[tuple[int, int | None]] = []
        places, values, self._column_of = [], [], []
        for column, (levels, rare) in enumerate(zip(self.encoder.categories_, self._infrequent(), strict=True)):
            outputs = [int(level) for level in levels if level not in rare] + ([None] if rare else [])
            first = len(self.features)
            self._column_of += [column] * len(outputs)
            if len(outputs) > 2:
                self.features += [(column, level) for level in outputs]
                places += range(first, first + len(outputs))
                values += [1.0] * len(outputs)
            elif len(outputs) == 2:
                self.features.append((column, outputs[1]))
                places += [first, first]
                values += [-1.0, 1.0]
            else:
                places += [-1] * len(outputs)
                values += [0.0] * len(outputs)
        self._places, self._values = np.array(places, dtype=np.intp), np.array(values)
        self._column_of = np.array(self._column_of, dtype=np.intp)

    def _infrequent(self) -> list[set]:
        if self.encoder.min_frequency is None:
            return [set() for _ in self.encoder.categories_]
        return [set() if rare is None else set(rare.tolist()) for rare in self.encoder.infrequent_categories_]

    def write(self, codes: np.ndarray, out: np.ndarray, at: np.ndarray, flagged: np.ndarray) -> None:
        """Write the features of some rows.

        Parameters
        ----------
        codes : ndarray of int of shape (n_rows, n_columns)
            Codes of their levels.
        out : ndarray of shape (n_rows, n_features_out)
            Is written to; it holds zeros.
        at : ndarray of int of shape (n_features,)
            Columns of ``out``.
        flagged : ndarray of bool of shape (n_columns,)
            Whether missing values have an indicator; elsewhere they count as unseen levels.
        """
        for part in chunks(*codes.shape):
            own = codes[part]
            levels = self.encoder.transform(np.where(own == MISSING, UNSEEN, own)).tocoo()
            keep = self._places[levels.col] >= 0
            keep &= ~(flagged[self._column_of[levels.col]] & (own[levels.row, self._column_of[levels.col]] == MISSING))
            rows, columns = levels.row[keep], levels.col[keep]
            out[part.start + rows, at[self._places[columns]]] = self._values[columns]

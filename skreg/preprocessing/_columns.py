"""Single columns that are no plain numbers: what they hold, as numbers, moments, or levels and codes."""

import datetime
import re
from collections.abc import Hashable
from dataclasses import dataclass, replace
from numbers import Real

import numpy as np
import pandas as pd

from skreg.preprocessing import _skrub

# Codes of values that are no level.
UNSEEN, MISSING = -1, -2
# What the text of a moment ends with if it is a day.
MIDNIGHT = " 00:00:00"
# Durations as pandas writes them into a file, as Python prints them, and by ISO 8601 without months and years, which
# have no length.
_CLOCK = r"[+-]?\d+:\d\d:\d\d(\.\d+)?"
DURATION = re.compile(
    rf"[+-]?\d+ days?(,? {_CLOCK})?|{_CLOCK}|-?P(?=[\dT])(\d+D)?(T(?=\d)(\d+H)?(\d+M)?(\d+(\.\d+)?S)?)?"
)
# Names that an error message lists.
MAX_LISTED = 8


def listed(labels) -> str:
    """Return some names, as a message lists them."""
    labels = list(labels)
    more = len(labels) - MAX_LISTED
    return f"[{', '.join(map(repr, labels[:MAX_LISTED]))}]" + (f" and {more} more" if more > 0 else "")


def complex_message(labels) -> str:
    """Return the message on columns of complex numbers."""
    return f"Complex data not supported: X must hold real numbers, categories, text or dates, unlike {listed(labels)}."


@dataclass
class Column:
    """What a column holds.

    Attributes
    ----------
    form : str
        "number", "boolean", "duration", "date", "level" (text and categories), or "missing" for a column without any
        value.
    values : ndarray of float64 of shape (n_rows,), Series or None
        Numbers, durations in seconds, booleans as 0 and 1, with NaN where they are missing; dates as a series.
    codes : ndarray of int of shape (n_rows,) or None
        Of the levels, -2 where they are missing.
    levels : ndarray of shape (n_levels,) or None
        Different values, sorted: numbers in float64, or strings as objects.
    of : str
        What the levels are: "text", "number", "boolean", "duration" (in seconds), or "date" (as strings).
    is_mixed : bool
        Whether some levels of text were numbers.
    is_declared : bool
        Whether the dtype says that the values are categories, so that none of them means a missing value or a number.
    """

    form: str
    n_rows: int
    values: object = None
    codes: np.ndarray | None = None
    levels: np.ndarray | None = None
    of: str = "text"
    is_mixed: bool = False
    is_declared: bool = False

    def __str__(self):
        if self.form == "level":
            return "text or categories" if self.of == "text" else f"categories of {self.of}s"
        return f"{self.form}s"

    @property
    def missing(self) -> np.ndarray:
        """Mask of the missing values."""
        if self.form == "missing":
            return np.ones(self.n_rows, dtype=bool)
        if self.form == "level":
            return self.codes == MISSING
        return np.asarray(pd.isna(self.values))

    @property
    def has_numbers(self) -> bool:
        """Whether the values or the levels are numbers."""
        return self.form in ("number", "boolean") or (self.form == "level" and self.levels.dtype.kind == "f")


def read_column(series: pd.Series, *, is_declared: bool = False, is_text: bool = False) -> Column:
    """Return what a series holds.

    Strings that mean missing values ("?", "N/A", ...) are missing, but for those of a category dtype. What is no
    number, date or duration is text.

    Parameters
    ----------
    series : Series
        Values of any dtype.
    is_declared : bool, default=False
        Whether the values are to be read as the categories that they are of in a category dtype.
    is_text : bool, default=False
        Whether objects are text, though some rows of them may all be numbers, say.

    Returns
    -------
    Column
        The column.
    """
    dtype, n_rows = series.dtype, len(series)
    if isinstance(dtype, pd.CategoricalDtype):
        return _declared(series, n_rows, is_text)
    if series.isna().all():
        return Column("missing", n_rows)
    if pd.api.types.is_object_dtype(dtype) and not is_text:
        series = _settled(series if is_declared else _without_null_strings(series))
    if isinstance(series.dtype, pd.PeriodDtype) and not is_declared:
        series = series.dt.to_timestamp()
    if pd.api.types.is_datetime64_any_dtype(series.dtype):
        return Column("date", n_rows, series)
    if pd.api.types.is_timedelta64_dtype(series.dtype):
        return Column("duration", n_rows, series.dt.total_seconds().to_numpy(dtype=np.float64))
    if pd.api.types.is_complex_dtype(series.dtype):
        raise ValueError(complex_message([series.name]))
    if pd.api.types.is_numeric_dtype(series.dtype):  # of booleans, too
        form = "boolean" if pd.api.types.is_bool_dtype(series.dtype) else "number"
        return Column(form, n_rows, series.to_numpy(dtype=np.float64, na_value=np.nan))
    return _text(series, n_rows, is_declared)


def _settled(series: pd.Series) -> pd.Series:
    """Return a series of objects with the dtype of what it holds; strings where that is nothing in particular."""
    # Arrow strings and the like are of other dtypes; this one says nothing.
    what = _held(series)
    if what in ("integer", "floating", "mixed-integer-float", "decimal"):
        try:
            return series.where(series.notna(), np.nan).astype(np.float64)
        except OverflowError as error:
            message = f"X must hold numbers in the range of float64; got larger integers in column {series.name!r}."
            raise ValueError(message) from error
    if what == "boolean":
        return series.where(series.notna(), pd.NA).astype("boolean")
    if what in ("datetime64", "datetime", "date"):
        # Dates beyond the range of nanoseconds have other units; several time zones become UTC.
        zones = {getattr(value, "tzinfo", None) for value in series.dropna().unique()}
        return pd.to_datetime(series, utc=len(zones) > 1)
    if what in ("timedelta64", "timedelta"):
        return pd.to_timedelta(series)
    if what == "time":
        return pd.to_timedelta(series.where(series.isna(), series.astype(str)))
    if what == "period":
        return series.infer_objects()
    return series


def _held(series: pd.Series) -> str:
    """Return what pandas says about objects that are there; to its own ``skipna``, NaT among numbers is a value."""
    return pd.api.types.infer_dtype(series[series.notna()])


def _without_null_strings(series: pd.Series) -> pd.Series:
    """Return objects, none of which is a string that stands for a missing value among numbers, dates and so on."""
    if not _held(series).startswith("mixed"):
        return series
    is_text = np.fromiter((isinstance(value, str) for value in series), dtype=bool, count=len(series))
    is_null = np.zeros(len(series), dtype=bool)
    is_null[is_text] = null_strings(series.to_numpy()[is_text])
    return series.where(~is_null, np.nan) if is_null.any() else series


def _declared(series: pd.Series, n_rows: int, is_text: bool) -> Column:
    """Return a column of a category dtype, with the levels that occur."""
    codes = series.cat.codes.to_numpy(dtype=np.int64)
    if (codes < 0).all():
        return Column("missing", n_rows, is_declared=True)
    # The categories are read as a column of their values would be, which new rows may have.
    categories = pd.Series(series.cat.categories, name=series.name)
    known = as_levels(read_column(categories, is_declared=True, is_text=is_text))
    codes = of_codes(known.codes, codes, MISSING)
    used = np.unique(codes[codes >= 0])
    codes = _compact(codes, used).astype(np.int32)
    return replace(known, n_rows=n_rows, codes=codes, levels=known.levels[used], is_declared=True)


def _text(series: pd.Series, n_rows: int, is_declared: bool) -> Column:
    """Return a column of strings; of other objects, what ``str`` gives."""
    values = series.to_numpy(dtype=object, na_value=None)
    is_mixed = False
    if pd.api.types.infer_dtype(series, skipna=True) != "string":
        _check_cells(values, series.name)
        is_mixed = any(isinstance(value, Real) for value in values)
        values = np.array([value if value is None else text_of(value) for value in values], dtype=object)
    codes, levels = pd.factorize(values)
    if not is_declared:
        is_null = null_strings(levels)
        if is_null.any():
            codes = _compact(codes, np.flatnonzero(~is_null))
            levels = levels[~is_null]
    if not len(levels):
        return Column("missing", n_rows)
    return _sorted(codes, np.asarray(levels, dtype=object), n_rows, is_mixed=is_mixed, is_declared=is_declared)


def _check_cells(values: np.ndarray, name) -> None:
    """Raise an error if objects are complex numbers, or lists and other containers that are no level."""
    for value in values:
        if isinstance(value, complex | np.complexfloating):
            raise ValueError(complex_message([name]))
        if not isinstance(value, Hashable):
            raise TypeError(
                f"X must hold single values, such as numbers and strings; got {value!r}, of type "
                f"{type(value).__name__}, in column {name!r}."
            )


def text_of(value) -> str:
    """Return the text of a level: that of a day at midnight, that of an integer for whole numbers, whatever the type.

    So a level is the same whether a frame was made of objects, has a dtype of its own, or comes from a file.
    """
    if isinstance(value, datetime.datetime):
        moment = value if value.tzinfo is None else value.astimezone(datetime.UTC)
        return str(moment).removesuffix(MIDNIGHT)
    if isinstance(value, float | np.floating) and value.is_integer():
        return str(int(value))
    return str(value)


def null_strings(levels: np.ndarray) -> np.ndarray:
    """Return which of some strings stand for missing values: spaces, and those that skrub knows, as "N/A" and "?"."""
    known = frozenset(_skrub.STR_NA_VALUES)
    return np.fromiter((level in known or level.isspace() for level in levels), dtype=bool, count=len(levels))


def of_codes(values: np.ndarray, codes: np.ndarray, missing) -> np.ndarray:
    """Return the values that codes stand for, where negative codes stand for `missing`."""
    return np.append(values, missing)[np.maximum(codes, -1)]


def _compact(codes: np.ndarray, used: np.ndarray) -> np.ndarray:
    """Return codes of the used levels alone, and negative ones for the others."""
    places = np.full(codes.max(initial=-1) + 1, MISSING)
    places[used] = np.arange(len(used))
    return of_codes(places, codes, MISSING)


def _sorted(codes: np.ndarray, levels: np.ndarray, n_rows: int, **properties) -> Column:
    # Different values can have the same text.
    levels, groups = np.unique(levels, return_inverse=True)
    codes = of_codes(groups, codes, MISSING).astype(np.int32)
    return Column("level", n_rows, codes=codes, levels=levels, **properties)


def as_levels(column: Column) -> Column:
    """Return a column of numbers, dates or durations as one of levels."""
    if column.form in ("level", "missing"):
        return column
    codes, levels = pd.factorize(column.values)
    if column.form == "date":
        levels = np.array([text_of(level) for level in levels], dtype=object)
    return _sorted(codes, levels, column.n_rows, of=column.form, is_declared=True)


def as_text(column: Column) -> Column:
    """Return a column of levels, or of numbers, as one of levels that are text."""
    column = as_levels(column)
    if not column.has_numbers:
        return column
    name = bool if column.of == "boolean" else float
    levels = np.array([text_of(name(level)) for level in column.levels], dtype=object)
    return _sorted(column.codes, levels, column.n_rows, is_mixed=True, is_declared=column.is_declared)


def parsed_numbers(levels: np.ndarray, *, strict: bool) -> np.ndarray | None:
    """Return strings as numbers; None (or, unless strict, NaN in their places) if some are none."""
    try:
        numbers = np.asarray(pd.to_numeric(levels, errors="raise" if strict else "coerce"), dtype=np.float64)
    except (ValueError, TypeError):
        return None
    # "inf" and "nan" alone are words.
    return numbers if not strict or any(map(_has_digit, levels)) else None


def parsed_durations(levels: np.ndarray, *, strict: bool) -> np.ndarray | None:
    """Return strings as durations in seconds; None (or, unless strict, NaN in their places) if some are none."""
    if strict and not all(map(DURATION.fullmatch, levels)):
        return None
    texts = pd.Series([level if DURATION.fullmatch(level) else None for level in levels], dtype=object)
    seconds = pd.to_timedelta(texts, errors="coerce").dt.total_seconds().to_numpy(dtype=np.float64)
    return None if strict and np.isnan(seconds).any() else seconds


def may_be_dates(levels: np.ndarray) -> bool:
    """Return whether strings may be dates, all of which have digits."""
    return _has_digit(levels[0]) and _has_digit(levels[-1])


def _has_digit(text: str) -> bool:
    return any(character.isdigit() for character in text)

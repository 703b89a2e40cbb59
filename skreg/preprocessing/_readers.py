"""What is learnt of single columns: how their values become numbers or codes of levels."""

from abc import ABC, abstractmethod
from dataclasses import dataclass

import numpy as np
import pandas as pd
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import RidgeCV
from sklearn.model_selection import KFold, cross_val_predict
from sklearn.preprocessing import StandardScaler
from sklearn.utils.multiclass import type_of_target

from skreg.preprocessing import _skrub
from skreg.preprocessing._columns import (
    MIDNIGHT,
    MISSING,
    Column,
    as_levels,
    as_text,
    of_codes,
    parsed_durations,
    parsed_numbers,
    text_of,
)

# Features of a text.
N_COMPONENTS = 30
# Strengths of the regression that makes few features of them, in variances of one feature of them all.
ALPHAS = np.logspace(-2, 3, 11)


class ColumnTypeError(ValueError):
    """Error of a column whose values are not of the type that they had in the fit."""


class Reader(ABC):
    """Base class: reads a column in the way that was learnt of its training rows.

    Attributes
    ----------
    kind : str
        What the column holds, for the user.
    names : list of str
        What follows the name of the column in those of its features.
    is_declared : bool
        Whether the values are categories whatever their dtype.
    is_text : bool
        Whether objects are text.
    """

    kind: str
    names: tuple | list = ("",)
    is_declared = False
    is_text = False

    @abstractmethod
    def accepts(self, column: Column) -> bool:
        """Return whether a column holds what it held in the fit."""

    def check(self, column: Column) -> None:
        """Raise ColumnTypeError unless a column holds what it held in the fit, or no value at all."""
        if column.form != "missing" and not self.accepts(column):
            raise ColumnTypeError(f"held {self.before} in fit and now holds {column}")

    @property
    def before(self) -> str:
        """What the column held in the fit, in words."""
        return {"category": "categories"}.get(self.kind, f"{self.kind}s")


class ReadParsed(Reader):
    """Base class: reads values that are numbers, or strings of them if they were strings in the fit.

    Attributes
    ----------
    forms : tuple of str
        Forms of columns that hold such values.
    level_types : tuple of str
        What the levels of a column may be, in the place of strings.
    """

    forms: tuple[str, ...]
    level_types: tuple[str, ...]

    def __init__(self, column: Column):
        self._from_strings = column.form == "level"

    @staticmethod
    @abstractmethod
    def parse(levels: np.ndarray, *, strict: bool) -> np.ndarray | None:
        """Return strings as numbers; None (or, unless strict, NaN in their places) if some are none."""

    def accepts(self, column):
        """Return whether a column holds such values, or strings as in the fit."""
        if column.form == "level":
            return self._from_strings and column.of in self.level_types
        return column.form in self.forms

    def values(self, column: Column) -> np.ndarray:
        """Return the values of a column, of shape (n_rows, 1); strings that are none are missing."""
        if column.form != "level":
            return column.values[:, None]
        numbers = column.levels if column.has_numbers else self.parse(column.levels, strict=False)
        return of_codes(numbers, column.codes, np.nan)[:, None]


class ReadNumbers(ReadParsed):
    """Reads numbers from strings, or from objects."""

    kind = "number"
    forms = ("number", "boolean")
    level_types = ("text", "number", "boolean", "duration", "date")
    parse = staticmethod(parsed_numbers)


class ReadDurations(ReadParsed):
    """Reads durations, also from strings, in seconds."""

    kind = "duration"
    forms = ("duration",)
    level_types = ("text", "duration")
    parse = staticmethod(parsed_durations)


class ReadDates(Reader):
    """Reads dates, and strings of dates: year, time since 1970, and month, day, weekday and hour as circles."""

    def __init__(self, column: Column, parser):
        self.kind = "date"
        self._parser = parser
        self._encoder = _skrub.DatetimeEncoder(add_weekday=True, periodic_encoding="circular")
        features = self._encoder.fit_transform(parser.transform(_series(column)))
        # The names of skrub begin with that of the column.
        self.names = [name[1:] for name in features.columns]
        self.training_values = features.to_numpy(dtype=np.float64)

    @classmethod
    def of(cls, column: Column) -> "ReadDates | None":
        """Return a reader of dates, and of strings that are all dates of one format; None for other columns."""
        known = column.values if column.form == "date" else pd.Series(column.levels, dtype=object)
        try:
            parser = _skrub.ToDatetime().fit(known)
        except _skrub.RejectColumn:
            return None
        return cls(column, parser)

    def accepts(self, column):
        """Return whether a column holds dates or strings."""
        return column.form in ("date", "level") and not column.has_numbers

    def values(self, column: Column) -> np.ndarray:
        """Return the features of the dates of a column; strings that are none are missing."""
        dates = self._parser.transform(_series(column))
        return self._encoder.transform(dates).to_numpy(dtype=np.float64)


def _series(column: Column) -> pd.Series:
    """Return dates as they are, and levels as strings."""
    if column.form == "date":
        return column.values.rename("x")
    return pd.Series(strings_of(column.codes, column.levels), name="x", dtype=object)


def strings_of(codes: np.ndarray, levels: np.ndarray) -> np.ndarray:
    """Return the strings that levels and codes stand for; None where they are missing."""
    return of_codes(np.array([*map(text_of, levels)], dtype=object), codes, None)


class ReadLevels(Reader):
    """Reads categories, as codes of the levels of the training rows."""

    def __init__(self, column: Column, *, are_booleans: bool = False):
        self.kind = "boolean" if are_booleans else "category"
        self.levels, self._of, self._is_mixed = column.levels, column.of, column.is_mixed
        self.is_declared = column.is_declared and column.of == "text"
        self.is_text = column.levels.dtype.kind != "f"
        self._index = pd.Index(column.levels)

    @property
    def has_numbers(self) -> bool:
        """Whether the levels are numbers."""
        return self.levels.dtype.kind == "f"

    @property
    def before(self) -> str:
        """What the column held in the fit, in words."""
        return super().before if self._of == "text" or self.kind == "boolean" else f"categories of {self._of}s"

    def accepts(self, column):
        """Return whether a column holds text if the levels are text, numbers if they are numbers, and so on.

        Numbers may be among text if they were so in the fit, and dates may be strings.
        """
        column = as_levels(column)
        if self.kind == "boolean":
            return column.has_numbers and bool(np.isin(column.levels, (0.0, 1.0)).all())
        numbers = ("number", "boolean")
        if self._of in numbers or (self._is_mixed and column.of in numbers):
            return column.of in numbers
        return column.of == self._of or (self._of, column.of) == ("date", "text")

    def codes(self, column: Column) -> np.ndarray:
        """Return the codes of a column's levels, with those for unseen and missing values."""
        if column.form == "missing":
            return np.full(column.n_rows, MISSING, dtype=np.int32)
        if column.levels is self.levels:  # the training rows
            return column.codes
        column = as_levels(column) if self.has_numbers else as_text(column)
        levels = column.levels
        if self._of == "date":  # strings of dates may have times
            levels = [level.removesuffix(MIDNIGHT) for level in levels]
        places = self._index.get_indexer(levels)  # -1 for unseen levels
        return of_codes(places, column.codes, MISSING).astype(np.int32)

    def label(self, code: int) -> str:
        """Return the name of a level."""
        level = self.levels[code]
        return str(bool(level)) if self._of == "boolean" else text_of(level)


class ReadWholeLevels(Reader):
    """Base class of readers for which the levels of the fit are not all that there is."""

    def __init__(self, levels: ReadLevels):
        self._levels = levels
        self.is_declared, self.is_text = levels.is_declared, levels.is_text

    def accepts(self, column):
        """Return whether a column holds text if it did so in the fit."""
        return self._levels.accepts(column)


class ReadText(ReadWholeLevels):
    """Reads text as features of the character n-grams that it has, with skrub's StringEncoder.

    Together they have the variance of one standardized column.
    """

    def __init__(self, levels: ReadLevels, column: Column, seed: int):
        super().__init__(levels)
        self.kind = "text"
        distinct, analyze = set(), TfidfVectorizer(analyzer="char_wb", ngram_range=(3, 4)).build_analyzer()
        for level in map(str, column.levels):
            distinct.update(analyze(level))
            if len(distinct) > N_COMPONENTS:
                break
        # skrub warns of more.
        n_components = max(1, min(N_COMPONENTS, column.n_rows - 1, len(distinct) - 1))
        self._encoder = _skrub.StringEncoder(n_components=n_components, random_state=seed)
        self.training_values = self._encoder.fit_transform(_text(column)).to_numpy(dtype=np.float32)
        self.names = [name[1:] for name in self._encoder.get_feature_names_out()]

    def values(self, column: Column) -> np.ndarray:
        """Return the features of a column; a missing text has those of an empty one."""
        return self._encoder.transform(_text(column)).to_numpy(dtype=np.float32)


@dataclass(frozen=True)
class Classes:
    """Classes that a text is to predict.

    Attributes
    ----------
    indicators : ndarray of float64 of shape (n_rows, n_indicators)
        Standardized indicators of the classes; of two classes that of the second.
    names : list of str
        What they add to the name of a column.
    """

    indicators: np.ndarray
    names: list[str]

    @classmethod
    def of(cls, y: np.ndarray, target_type: str) -> "Classes | None":
        """Return the classes of targets that TargetEncoder takes for classes; None for numbers."""
        kind = type_of_target(y, input_name="y") if target_type == "auto" else target_type
        if kind not in ("binary", "multiclass"):
            return None
        classes, codes = np.unique(y, return_inverse=True)
        indicators, names = codes.astype(np.float64)[:, None], [""]
        if kind == "multiclass":
            indicators, names = np.eye(len(classes))[codes], [f"_{label}" for label in classes]
        return cls(StandardScaler().fit_transform(indicators), names)


class ReadTextByClasses(ReadText):
    """Reads text as what a ridge regression on its features predicts of the classes.

    The training rows are encoded by regressions on others, so that no row has a part in its own features: a network
    learns few rows by heart from 30 features of a name, but not from these. The unit is the standard deviation of an
    indicator, so that a text without information has features near zero.
    """

    def __init__(self, levels: ReadLevels, column: Column, seed: int, classes: Classes, folds: KFold):
        super().__init__(levels, column, seed)
        features = self.training_values.astype(np.float64)
        self._regression = RidgeCV(ALPHAS).fit(features, classes.indicators)
        predicted = cross_val_predict(RidgeCV(ALPHAS), features, classes.indicators, cv=folds)
        self.training_values, self.names = predicted.reshape(len(features), -1), classes.names

    def values(self, column: Column) -> np.ndarray:
        """Return the predictions for a column; a missing text has those of an empty one."""
        predicted = self._regression.predict(super().values(column).astype(np.float64))
        return predicted.reshape(column.n_rows, -1)


def _text(column: Column) -> pd.Series:
    if column.form == "missing":
        return pd.Series(np.full(column.n_rows, "", dtype=object), name="x")
    column = as_text(column)
    texts = strings_of(column.codes, column.levels)
    return pd.Series(np.where(column.codes < 0, "", texts), name="x", dtype=object)


class ReadByTransformer(ReadWholeLevels):
    """Reads categories with a transformer of the user, such as those of scikit-learn or of skrub."""

    def __init__(self, levels: ReadLevels, column: Column, transformer, y, label):
        super().__init__(levels)
        self.kind = "category"
        self._transformer, self._label = transformer, str(label)
        self.training_values = self._as_numbers(transformer.fit_transform(self._input(column), y))
        n_features = self.training_values.shape[1]
        self.names = [f"_{j}" if n_features > 1 else "" for j in range(n_features)]

    def _input(self, column: Column):
        """Return the strings of a column as skrub's transformers of one column want them, and else as a frame."""
        is_missing = column.form == "missing"
        texts = np.full(column.n_rows, None) if is_missing else strings_of(column.codes, column.levels)
        series = pd.Series(texts, name=self._label, dtype=object)
        return series if hasattr(self._transformer, "__single_column_transformer__") else series.to_frame()

    @staticmethod
    def _as_numbers(output) -> np.ndarray:
        output = output.toarray() if hasattr(output, "toarray") else output
        values = np.asarray(output, dtype=np.float64)
        return values.reshape(len(values), -1)

    def values(self, column: Column) -> np.ndarray:
        """Return the features that the transformer makes of a column."""
        return self._as_numbers(self._transformer.transform(self._input(as_text(column))))

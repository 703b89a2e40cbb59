"""The plan of an encoding: what each column of a table becomes, learnt from the training rows."""

import math
from dataclasses import dataclass

import numpy as np
import pandas as pd
from sklearn import config_context
from sklearn.base import clone
from sklearn.model_selection import KFold
from sklearn.preprocessing import TargetEncoder

from skreg.preprocessing._blocks import Numbers, OneHot
from skreg.preprocessing._columns import (
    MAX_LISTED,
    Column,
    as_levels,
    listed,
    may_be_dates,
    parsed_durations,
    parsed_numbers,
    read_column,
)
from skreg.preprocessing._frames import BOOLEAN, NUMBER, OTHER, Frame
from skreg.preprocessing._readers import (
    N_COMPONENTS,
    Classes,
    ColumnTypeError,
    ReadByTransformer,
    ReadDates,
    ReadDurations,
    Reader,
    ReadLevels,
    ReadNumbers,
    ReadText,
    ReadTextByClasses,
)

DROPPED = "dropped"
# Text has so many words in the mean; a name or an id without information for other rows has fewer.
MIN_WORDS = 2
# A category has so many rows for each level, or it is as good as different in every row.
MIN_ROWS_PER_LEVEL = 2
# With fewer rows for each of its features, a text becomes what they predict of the classes. Numbers to predict say more
# about a row than a class, and a network does better with all features.
MIN_ROWS_PER_COMPONENT = 100
N_FOLDS = 5
# What may come in the place of plain numbers and booleans.
FORMS = ("number", "boolean")


@dataclass(frozen=True)
class Options:
    """Parameters of an encoding, checked.

    Attributes
    ----------
    categorical : ndarray of bool of shape (n_columns,)
        Which columns are categories whatever their dtype.
    cardinality_threshold : int
        Categories with fewer levels are one-hot encoded.
    min_frequency : int or None
        Levels, and missing values, in fewer rows are rare.
    high_cardinality : str or transformer
        What is made of categories with more levels.
    max_absolute_value : float or None
        Bound of squashed numbers; None for `arcsinh` in place of one.
    target_type : str
        Parameter of TargetEncoder.
    seed : int
        Seed of whatever draws random numbers.
    """

    categorical: np.ndarray
    cardinality_threshold: int
    min_frequency: int | None
    high_cardinality: object
    max_absolute_value: float | None
    target_type: str
    seed: int

    @property
    def min_missing(self) -> int:
        """The number of missing values from which a column has an indicator."""
        return max(1, self.min_frequency or 1)


@dataclass
class UsedColumn:
    """A column that is read alone: what was learnt of it, how it is encoded, and whether it has an indicator."""

    reader: Reader
    encoding: str
    has_indicator: bool


class Layout:
    """Order of the features: by original column, and in a column first the values, then the indicator."""

    def __init__(self):
        self._sources, self._suffixes, self._n = [], [], 0

    def add(self, sources, suffixes) -> slice:
        """Add features, and return their places among all that were added."""
        sources = np.asarray(sources, dtype=np.intp)
        self._sources.append(sources)
        self._suffixes.append(np.asarray(suffixes, dtype=object).reshape(-1))
        self._n += len(sources)
        return slice(self._n - len(sources), self._n)

    def arranged(self) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Return sources and suffixes in the order of the columns, and the column of each feature that was added."""
        sources, suffixes = np.concatenate(self._sources), np.concatenate(self._suffixes)
        order = np.argsort(sources, kind="stable")
        places = np.empty(len(order), dtype=np.intp)
        places[order] = np.arange(len(order))
        return sources[order], suffixes[order], places


class Plan:
    """What each column of a table becomes.

    Parameters
    ----------
    frame : Frame
        The training rows.
    y : ndarray or None
        Their targets.
    options : Options
        Parameters.
    has_names : bool
        Whether the columns have names.

    Attributes
    ----------
    sources : ndarray of int of shape (n_features_out,)
        Original column of each feature.
    suffixes : ndarray of str of shape (n_features_out,)
        What follows the name of the column in that of the feature.
    kinds : list of str
        What the columns hold.
    empty : ndarray of int
        The columns without a finite value.
    """

    # Those of scikit-learn and skrub that it is made of return arrays, whatever the user has set for all transformers.
    @config_context(transform_output="default")
    def __init__(self, frame: Frame, y, options: Options, *, has_names: bool):
        self.labels, self.has_names, self.n_columns = frame.labels, has_names, frame.n_columns
        is_alone = (frame.groups == OTHER) | options.categorical
        self._plain = {group: np.flatnonzero((frame.groups == group) & ~is_alone) for group in (NUMBER, BOOLEAN)}
        self._used: dict[int, UsedColumn] = {}
        # Those of the training rows, until they are encoded.
        self._training: dict[int, Column] = {}
        empty = self._fit_alone(frame, y, options, np.flatnonzero(is_alone))
        self._blocks = {
            group: Numbers(
                _reader(frame, positions),
                frame.n_rows,
                len(positions),
                max_absolute_value=options.max_absolute_value,
                are_booleans=group == BOOLEAN,
            )
            for group, positions in self._plain.items()
        }
        self._fit_together(y, options, frame.n_rows)
        self._arrange(options)
        of_blocks = [self._plain[group][block.is_empty] for group, block in self._blocks.items()]
        self.empty = np.sort(np.concatenate([np.array(empty, dtype=np.intp), *of_blocks]))

    # -- fit -------------------------------------------------------------------------------------------------------

    def _fit_alone(self, frame: Frame, y, options: Options, positions: np.ndarray) -> list[int]:
        """Learn the columns that are read one by one, and return those without a value."""
        empty = []
        for j in positions:
            column = read_column(frame.column(j), is_declared=bool(options.categorical[j]))
            column = as_levels(column) if options.categorical[j] else column
            if column.form == "missing":
                empty.append(j)
                continue
            reader, encoding = reader_of(column, frame.labels[j], options, y)
            if reader is not None:
                has_indicator = int(column.missing.sum()) >= options.min_missing
                self._used[j], self._training[j] = UsedColumn(reader, encoding, has_indicator), column
        return empty

    def _fit_together(self, y, options: Options, n_rows: int) -> None:
        """Learn what columns that are read one by one have in common: scales, one-hot and target encoders."""
        onehot = self._encoded_as("onehot")
        readers = [self._used[j].reader for j in onehot]
        self._onehot = self._target = None
        if onehot:
            n_levels = [len(reader.levels) for reader in readers]
            self._onehot = OneHot(self._codes(onehot, self._training), n_levels, options.min_frequency)
        values = [self._used[j].reader.names for j in self._encoded_as("numbers")]
        self._derived_sources = np.repeat(self._encoded_as("numbers"), list(map(len, values))).astype(np.intp)
        self._derived_names = [name for names in values for name in names]
        target = self._encoded_as("target")
        self._cross_fitted = None
        if target:
            self._target = TargetEncoder(cv=folds_of(n_rows, options), target_type=options.target_type)
            check_targets(y, [self.labels[j] for j in target])
            y = y.astype(np.float64) if options.target_type == "continuous" else y
            self._cross_fitted = self._target.fit_transform(self._codes(target, self._training), y)
            suffixes = [""]
            if self._target.target_type_ == "multiclass":
                suffixes = [f"_{label}" for label in self._target.classes_]
            self._derived_sources = np.append(self._derived_sources, np.repeat(target, len(suffixes)))
            self._derived_names += suffixes * len(target)
        derived = self._derived(self._training, n_rows, is_training=True)
        self._derived_block = Numbers(
            lambda rows, part: derived[rows, part], *derived.shape, max_absolute_value=options.max_absolute_value
        )

    def _arrange(self, options: Options) -> None:
        """Set the columns of all features."""
        layout, added = Layout(), {}
        for group, block in self._blocks.items():
            added[group] = layout.add(self._plain[group][block.varies], [""] * int(block.varies.sum()))
        varies = self._derived_block.varies
        names = np.array(self._derived_names, dtype=object)[varies]
        added["derived"] = layout.add(self._derived_sources[varies], names)
        added["onehot"] = layout.add(*self._onehot_features())
        for j in self._encoded_as("text"):
            names = self._used[j].reader.names
            added[j] = layout.add([j] * len(names), names)
        flagged = {}
        for group, block in self._blocks.items():
            flagged[group] = (block.n_missing >= options.min_missing) & ~block.is_empty
            sources = self._plain[group][flagged[group]]
            added[group, "missing"] = layout.add(sources, ["_missing"] * len(sources))
        sources = [j for j, used in self._used.items() if used.has_indicator]
        added["missing"] = layout.add(sources, ["_missing"] * len(sources))
        self.sources, self.suffixes, places = layout.arranged()
        self._at = {key: places[part] for key, part in added.items()}
        self._spread = {
            group: (_spread(self._at[group], block.varies), _spread(self._at[group, "missing"], flagged[group]))
            for group, block in self._blocks.items()
        }
        self._spread["derived"] = _spread(self._at["derived"], varies), np.full(len(varies), -1)

    def _onehot_features(self) -> tuple[list[int], list[str]]:
        positions = self._encoded_as("onehot")
        features = [] if self._onehot is None else self._onehot.features
        return [positions[column] for column, _ in features], [
            "_rare" if level is None else f"_{self._used[positions[column]].reader.label(level)}"
            for column, level in features
        ]

    def _encoded_as(self, encoding: str) -> list[int]:
        return [j for j, used in self._used.items() if used.encoding == encoding]

    @property
    def kinds(self) -> list[str]:
        """What the columns hold; "dropped" for those that have no feature."""
        kinds = np.full(self.n_columns, DROPPED, dtype=object)
        for group, positions in self._plain.items():
            kinds[positions] = group
        for j, used in self._used.items():
            kinds[j] = used.reader.kind
        kinds[~np.isin(np.arange(self.n_columns), self.sources)] = DROPPED
        return kinds.tolist()

    # -- encoding --------------------------------------------------------------------------------------------------

    @config_context(transform_output="default")
    def encode(self, frame: Frame, dtype, *, is_training: bool = False) -> np.ndarray:
        """Return the features of some rows.

        Parameters
        ----------
        frame : Frame
            The rows.
        dtype : dtype
            Type of the features.
        is_training : bool, default=False
            Whether these are the rows of the fit, of which what has been read is used, once.

        Returns
        -------
        ndarray of shape (n_rows, n_features_out)
            The features.
        """
        columns = self._training if is_training else self._columns(frame)
        derived = self._derived(columns, frame.n_rows, is_training=is_training)
        out = np.zeros((frame.n_rows, len(self.sources)), dtype=dtype)
        for group, block in self._blocks.items():
            block.write(_reader(frame, self._plain[group]), out, *self._spread[group])
        self._derived_block.write(lambda rows, part: derived[rows, part], out, *self._spread["derived"])
        if self._onehot is not None:
            positions = self._encoded_as("onehot")
            flagged = np.array([self._used[j].has_indicator for j in positions])
            self._onehot.write(self._codes(positions, columns), out, self._at["onehot"], flagged)
        for j in self._encoded_as("text"):
            reader = self._used[j].reader
            out[:, self._at[j]] = reader.training_values if is_training else reader.values(columns[j])
        with_indicator = [j for j, used in self._used.items() if used.has_indicator]
        for j, place in zip(with_indicator, self._at["missing"], strict=True):
            out[:, place] = columns[j].missing
        return out

    def forget_training(self) -> None:
        """Drop what is only needed to encode the training rows."""
        self._training, self._cross_fitted = {}, None
        for used in self._used.values():
            vars(used.reader).pop("training_values", None)

    def _codes(self, positions: list[int], columns: dict[int, Column]) -> np.ndarray:
        return np.stack([self._used[j].reader.codes(columns[j]) for j in positions], axis=1)

    def _derived(self, columns: dict[int, Column], n_rows: int, *, is_training: bool) -> np.ndarray:
        """Return the numbers that are made of single columns, of shape (n_rows, n_derived)."""
        parts = []
        for j in self._encoded_as("numbers"):
            reader, column = self._used[j].reader, columns[j]
            if is_training and hasattr(reader, "training_values"):
                parts.append(reader.training_values)
            elif column.form == "missing" and not isinstance(reader, ReadByTransformer):
                parts.append(np.full((n_rows, len(reader.names)), np.nan))
            else:
                parts.append(reader.values(column))
        if self._target is not None:
            if is_training:
                parts.append(self._cross_fitted)
            else:
                parts.append(self._target.transform(self._codes(self._encoded_as("target"), columns)))
        return np.hstack(parts) if parts else np.zeros((n_rows, 0))

    def _columns(self, frame: Frame) -> dict[int, Column]:
        """Return the columns that are read one by one.

        Raises
        ------
        ValueError
            If columns are of other types than in the fit.
        """
        columns, wrong, with_feature = {}, [], set(self.sources.tolist())
        for j, used in self._used.items():
            if j not in with_feature:  # it may hold anything
                columns[j] = Column("missing", frame.n_rows)
                continue
            reader = used.reader
            columns[j] = read_column(frame.column(j), is_declared=reader.is_declared, is_text=reader.is_text)
            try:
                reader.check(columns[j])
            except ColumnTypeError as error:
                wrong.append(f"{self.labels[j]!r} {error}")
        for group, positions in self._plain.items():
            is_other = frame.groups[positions] != group
            if group == NUMBER:  # booleans are numbers, too
                is_other &= frame.groups[positions] == OTHER
            has_feature = np.max(self._spread[group], axis=0) >= 0
            for j, is_used in zip(positions[is_other], has_feature[is_other], strict=True):
                column = read_column(frame.column(j)) if is_used else Column("missing", frame.n_rows)
                frame.replaced[j] = column.values if column.form in FORMS else np.full(frame.n_rows, np.nan)
                if column.form not in (*FORMS, "missing") or (group == BOOLEAN and not is_binary(column)):
                    wrong.append(f"{self.labels[j]!r} held {group}s in fit and now holds {column}")
        if wrong:
            more = "" if len(wrong) <= MAX_LISTED else f"; and {len(wrong) - MAX_LISTED} more"
            raise ValueError(f"Columns of X have changed their type: {'; '.join(wrong[:MAX_LISTED])}{more}.")
        return columns


def _reader(frame: Frame, positions: np.ndarray):
    """Return a function that reads some of the columns at these positions."""
    return lambda rows, part: frame.numbers(rows, positions[part])


def folds_of(n_rows: int, options: Options) -> KFold:
    """Return the parts of the training rows that are encoded by the targets of the others."""
    # Not stratified, which warns of classes with fewer rows than folds.
    return KFold(min(N_FOLDS, n_rows), shuffle=True, random_state=options.seed)


def check_targets(y, labels) -> None:
    """Raise ValueError if targets are missing by which columns are encoded."""
    if (is_missing := pd.isna(y)).any():
        raise ValueError(
            f"Input y contains NaN: {int(is_missing.sum())} of {len(y)} rows have no target to encode the columns "
            f"{listed(labels)} by. Leave out these rows."
        )


def _spread(places: np.ndarray, has_one: np.ndarray) -> np.ndarray:
    """Return the places of those that have one, and -1 for the others."""
    spread = np.full(len(has_one), -1)
    spread[has_one] = places
    return spread


def is_binary(column: Column) -> bool:
    """Return whether all numbers of a column are 0 or 1."""
    return column.form == "missing" or bool(np.isin(column.values[~column.missing], (0, 1)).all())


def reader_of(column: Column, label, options: Options, y) -> tuple[Reader | None, str]:
    """Return a reader of a column with values, and the encoding that it is for; None if the column is dropped."""
    if column.form == "number":
        return ReadNumbers(column), "numbers"
    if column.form == "duration":
        return ReadDurations(column), "numbers"
    if column.form == "date":
        return ReadDates.of(column), "numbers"
    if column.form == "boolean":
        return ReadLevels(as_levels(column), are_booleans=True), "onehot"
    if not column.is_declared:
        if parsed_numbers(column.levels, strict=True) is not None:
            return ReadNumbers(column), "numbers"
        if parsed_durations(column.levels, strict=True) is not None:
            return ReadDurations(column), "numbers"
        if may_be_dates(column.levels) and (dates := ReadDates.of(column)) is not None:
            return dates, "numbers"
    if len(column.levels) < options.cardinality_threshold:
        return ReadLevels(column), "onehot"
    return high_cardinality_reader(column, label, options, y)


def high_cardinality_reader(column: Column, label, options: Options, y) -> tuple[Reader | None, str]:
    """Return a reader of a category with many levels, and the encoding that it is for; None if it is dropped."""
    levels, choice = ReadLevels(column), options.high_cardinality
    if isinstance(choice, str) and choice == "auto":
        repeats = int((column.codes >= 0).sum()) >= MIN_ROWS_PER_LEVEL * len(column.levels)
        if not repeats and n_words(column.levels) < MIN_WORDS:
            return None, DROPPED
        if y is None or y.ndim != 1:
            choice = "string"
        elif repeats:
            choice = "target"
        else:
            has_few_rows = 1 < column.n_rows < MIN_ROWS_PER_COMPONENT * N_COMPONENTS
            choice = "text by classes" if has_few_rows and options.target_type != "continuous" else "string"
    if not isinstance(choice, str):
        return ReadByTransformer(levels, column, clone(choice), y, label), "numbers"
    if choice == "string":
        return ReadText(levels, column, options.seed), "text"
    if choice == "text by classes":
        check_targets(y, [label])
        classes = Classes.of(y, options.target_type)
        if classes is None or len(classes.names) > N_COMPONENTS:
            return ReadText(levels, column, options.seed), "text"
        return ReadTextByClasses(levels, column, options.seed, classes, folds_of(column.n_rows, options)), "text"
    if y is None or y.ndim != 1:
        raise ValueError(
            f"high_cardinality='target' needs a single target; got {'no y' if y is None else f'y of shape {y.shape}'} "
            f"for the column {label!r}, which has {len(column.levels)} levels."
        )
    return levels, "target"


def n_words(levels: np.ndarray) -> float:
    """Return the mean number of words."""
    return math.fsum(len(str(level).split()) for level in levels) / len(levels)

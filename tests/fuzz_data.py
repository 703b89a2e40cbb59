"""Strategies for the data of the fuzz: X, y, weights and groups, in order and not.

Every value is a `Given`, whose text says in an example that fails what was given. Data in order are what an estimator
must take; odd data are what it may refuse.
"""

import datetime
import decimal
import warnings
from fractions import Fraction

import numpy as np
import pandas as pd
import polars as pl
import scipy.sparse
import torch
from hypothesis import strategies as st

N_ROWS, N_COLUMNS = 12, 3


class Given:
    """A value that is given to an estimator, a text for it, and whether its numbers may overflow."""

    def __init__(self, text, value, is_extreme=False):
        self.text, self.value, self.is_extreme = text, value, is_extreme

    def __repr__(self):
        return self.text


def _read_only(values):
    values = values.copy()
    values.flags.writeable = False
    return values


def _frame(values, kind=pd.DataFrame):
    return kind({f"c{j}": column for j, column in enumerate(values.T)})


def _with_column(values, column):
    """Return a frame whose first column is replaced by other values, repeated."""
    frame = _frame(values)
    return frame.assign(c0=pd.Series([column[i % len(column)] for i in range(len(frame))], index=frame.index))


def _structured(values):
    return np.array([tuple(row) for row in values], dtype=[(f"c{j}", float) for j in range(values.shape[1])])


# What may hold numbers in two dimensions, and must be taken.
CONTAINERS = {
    "float64": lambda values: values,
    "float32": lambda values: values.astype(np.float32),
    "float16": lambda values: values.astype(np.float16),
    "longdouble": lambda values: values.astype(np.longdouble),
    "big-endian": lambda values: values.astype(">f8"),
    "integers": lambda values: np.round(3 * values).astype(int),
    "int8": lambda values: np.round(3 * values).astype(np.int8),
    "uint64": lambda values: np.round(3 * np.abs(values)).astype(np.uint64),
    "bool": lambda values: values > 0,
    "objects": lambda values: values.astype(object),
    "Fortran order": np.asfortranarray,
    "every second": lambda values: np.repeat(values, 2, axis=1)[:, ::2],
    "negative strides": lambda values: values[::-1, ::-1],
    "read-only": _read_only,
    "masked": np.ma.asarray,
    "lists": lambda values: values.tolist(),
    "tuples": lambda values: tuple(map(tuple, values.tolist())),
    "rows in a list": list,
    "DataFrame": _frame,
    "nullable DataFrame": lambda values: _frame(values).convert_dtypes(),
    "float32 DataFrame": lambda values: _frame(values).astype("float32"),
    "DataFrame of objects": lambda values: _frame(values).astype(object),
    "DataFrame of sparse columns": lambda values: _frame(values).astype(pd.SparseDtype("float64", 0.0)),
    "DataFrame with other index": lambda values: _frame(values).set_axis([7] * len(values)),
    "DataFrame with integer names": pd.DataFrame,
    "categorical numbers": lambda values: _frame(np.round(values)).astype("category"),
    "polars": lambda values: _frame(values, pl.DataFrame),
    "float32 polars": lambda values: _frame(values.astype(np.float32), pl.DataFrame),
    "tensor": lambda values: torch.from_numpy(values.copy()),
    "float32 tensor": lambda values: torch.from_numpy(values.astype(np.float32)),
    "bfloat16 tensor": lambda values: torch.from_numpy(values.copy()).bfloat16(),
    "integer tensor": lambda values: torch.from_numpy(np.round(3 * values).astype(int)),
    "tensor with gradient": lambda values: torch.from_numpy(values.copy()).requires_grad_(),
    "transposed tensor": lambda values: torch.from_numpy(values.T.copy()).T,
    "sparse tensor": lambda values: torch.from_numpy(values.copy()).to_sparse(),
    **{
        f"{name} of {dtype}": lambda values, name=name, dtype=dtype: getattr(scipy.sparse, name)(values.astype(dtype))
        for name in ("csr_array", "csc_array", "coo_array", "csr_matrix", "csc_matrix", "coo_matrix", "lil_array")
        for dtype in ("float64", "float32", "int64")
    },
}
# What may be refused.
ODD_CONTAINERS = {
    "strings": lambda values: values.astype(str),
    "bytes": lambda values: values.astype("S8"),
    "words": lambda values: np.where(values > 0, "yes", "no"),
    "words among objects": lambda values: np.where(values > 0, "yes", values.astype(object)),
    "StringDType": lambda values: np.where(values > 0, "yes", "no").astype(np.dtypes.StringDType()),
    "complex": lambda values: values + 1j,
    "complex objects": lambda values: (values + 1j).astype(object),
    "dates": lambda values: np.round(values).astype("datetime64[D]"),
    "times": lambda values: np.round(values).astype("timedelta64[s]"),
    "dates among objects": lambda values: np.full(values.shape, datetime.date(2020, 1, 1), dtype=object),
    "structured": _structured,
    "void": lambda values: np.ascontiguousarray(values).view("V8"),
    "recarray": lambda values: _structured(values).view(np.recarray),
    "objects with None": lambda values: np.where(values > 1, None, values.astype(object)),
    "objects with NA": lambda values: np.where(values > 1, pd.NA, values.astype(object)),
    "objects with a list": lambda values: np.array([[[1.0]] + [0.0] * (values.shape[1] - 1)] * len(values), object),
    "objects with a dict": lambda values: np.where(values > 0, {}, values.astype(object)),
    "large integers": lambda values: np.where(values > 0, 10**400, 1).astype(object),
    "fractions": lambda values: np.full(values.shape, Fraction(1, 3), dtype=object),
    "decimals": lambda values: np.full(values.shape, decimal.Decimal("0.3"), dtype=object),
    "masked values": lambda values: np.ma.masked_greater(values, 1),
    "np.matrix": np.asmatrix,
    "ragged lists": lambda values: [[0.0] * (1 + i % 2) for i in range(len(values))],
    "set": lambda values: {1, 2, 3},
    "dict": lambda values: {j: column.tolist() for j, column in enumerate(values.T)},
    "None": lambda values: None,
    "string": lambda values: "text",
    "bytes string": lambda values: b"text",
    "empty string": lambda values: "",
    "number": lambda values: 1.5,
    "object": lambda values: object(),
    "class": lambda values: np.ndarray,
    "function": lambda values: len,
    "ellipsis": lambda values: ...,
    "generator": lambda values: (row for row in values),
    "range": lambda values: range(len(values)),
    "memoryview": lambda values: memoryview(np.ascontiguousarray(values)),
    "Series": lambda values: pd.Series(values.ravel()),
    "Index": lambda values: pd.Index(values.ravel()),
    "MultiIndex": lambda values: pd.MultiIndex.from_arrays([values[:, 0], values[:, 0]]),
    "DataFrame with words": lambda values: _with_column(values, ["yes", "no"]),
    "DataFrame with dates": lambda values: _with_column(values, [pd.Timestamp("2020-01-01")]),
    "DataFrame with zoned times": lambda values: _with_column(values, [pd.Timestamp("2020-01-01", tz="CET")]),
    "DataFrame with periods": lambda values: _with_column(values, [pd.Period("2020-01", "M")]),
    "DataFrame with intervals": lambda values: _with_column(values, [pd.Interval(0, 1)]),
    "DataFrame with lists": lambda values: _with_column(values, [[1], [2]]),
    "DataFrame with None": lambda values: _with_column(values, [None, 1.0]),
    "DataFrame with NA": lambda values: _with_column(values, [pd.NA, 1]).convert_dtypes(),
    "DataFrame of NA": lambda values: _with_column(values, [pd.NA]),
    "DataFrame with categories": lambda values: _with_column(values, ["a", "b"]).astype({"c0": "category"}),
    "DataFrame with large integers": lambda values: _with_column(values, [10**400]),
    "DataFrame with complex": lambda values: _with_column(values, [1j]),
    "DataFrame with bytes": lambda values: _with_column(values, [b"a"]),
    "DataFrame with equal names": lambda values: _frame(values).set_axis(["a"] * values.shape[1], axis=1),
    "DataFrame with mixed names": lambda values: _frame(values).set_axis(
        ["a", *range(1, values.shape[1])] if values.shape[1] else [], axis=1
    ),
    "DataFrame with levels": lambda values: _frame(values).set_axis(
        pd.MultiIndex.from_tuples([("a", j) for j in range(values.shape[1])], names=[None, None]), axis=1
    ),
    "polars with words": lambda values: pl.DataFrame({"c0": ["yes"] * len(values), "c1": values[:, 0]}),
    "polars with dates": lambda values: pl.DataFrame({"c0": [datetime.date(2020, 1, 1)] * len(values)}),
    "polars with None": lambda values: pl.DataFrame({"c0": [None] * len(values), "c1": values[:, 0]}),
    "polars with lists": lambda values: pl.DataFrame({"c0": [[1.0]] * len(values)}),
    "polars of bool": lambda values: pl.DataFrame({"c0": [True] * len(values)}),
    "polars Series": lambda values: pl.Series(values[:, 0]),
    "lazy polars": lambda values: _frame(values, pl.DataFrame).lazy(),
    "complex tensor": lambda values: torch.from_numpy(values + 1j),
    "meta tensor": lambda values: torch.from_numpy(values.copy()).to("meta"),
    "nested tensor": lambda values: [torch.ones(1 + i % 2) for i in range(len(values))],
    "CSR tensor": lambda values: torch.from_numpy(values.copy()).to_sparse_coo(),
    "TensorDataset": lambda values: torch.utils.data.TensorDataset(torch.from_numpy(values.copy())),
    "DataLoader": lambda values: torch.utils.data.DataLoader([(1, 2)]),
    "list of tensors": lambda values: [torch.from_numpy(row.copy()) for row in values],
    "dok": scipy.sparse.dok_array,
    "bsr": scipy.sparse.bsr_array,
    "dia": scipy.sparse.dia_array,
    "complex csr": lambda values: scipy.sparse.csr_array(values + 1j),
    "bool csr": lambda values: scipy.sparse.csr_array(values > 0),
    "empty csr": lambda values: scipy.sparse.csr_array(values.shape),
    "csr with duplicates": lambda values: scipy.sparse.csr_array(
        (np.ones(2 * len(values)), np.zeros(2 * len(values), int), 2 * np.arange(len(values) + 1)), shape=values.shape
    ),
    "sparse vector": lambda values: scipy.sparse.coo_array(values.ravel()),
}

# What happens to numbers, and whether they may overflow then.
SPOILERS = {
    "NaN": (lambda values: np.where(values > 0.5, np.nan, values), False),
    "infinity": (lambda values: np.where(values > 0.5, np.inf, values), False),
    "minus infinity": (lambda values: np.where(values > 0.5, -np.inf, values), False),
    "only NaN": (lambda values: np.full(values.shape, np.nan), False),
    "huge": (lambda values: values * 1e300, True),
    "largest": (lambda values: np.sign(values) * np.finfo(float).max, True),
    "beyond float32": (lambda values: values * 1e39, True),
    "large": (lambda values: values * 1e6, False),
    "tiny": (lambda values: values * 1e-300, True),
    "subnormal": (lambda values: np.sign(values) * 5e-324, True),
    "zeros": (np.zeros_like, False),
    "negative zeros": (lambda values: -np.zeros_like(values), False),
    "ones": (np.ones_like, False),
    "one column zero": (lambda values: values * (np.arange(values[:1].size) > 0).reshape(values[:1].shape), False),
}
SHAPES = [(0, 3), (1, 3), (2, 3), (12, 0), (0, 0), (12, 1), (11, 3), (12, 2), (12, 50)]
OTHER_DIMENSIONS = [(), (0,), (12,), (12, 3, 2), (1, 12, 3), (0, 3, 1)]


def _made(build, values):
    """Return what a container makes of numbers; the numbers where there is no such container of them."""
    with np.errstate(all="ignore"), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            return build(values)
        except (ValueError, TypeError, IndexError, OverflowError, RuntimeError, NotImplementedError):
            return values


def _numbers(seed, shape):
    return np.random.default_rng(seed).normal(size=shape)


@st.composite
def inputs(draw, odd=False, n_rows=N_ROWS):
    """Draw X, with `n_rows` rows unless it is odd."""
    seed = draw(st.integers(0, 9))
    if not odd:
        name = draw(st.sampled_from(list(CONTAINERS)))
        return Given(f"{name}[{seed}]", _made(CONTAINERS[name], _numbers(seed, (n_rows, N_COLUMNS))))
    way = draw(st.sampled_from(["container", "container", "numbers", "shape", "dimensions"]))
    name = draw(st.sampled_from(list(ODD_CONTAINERS if way == "container" else CONTAINERS)))
    shape = (n_rows, N_COLUMNS)
    if way == "shape" or (way == "container" and draw(st.booleans())):
        shape = draw(st.sampled_from(SHAPES))
    elif way == "dimensions":
        shape, name = draw(st.sampled_from(OTHER_DIMENSIONS)), draw(st.sampled_from(["float64", "tensor", "lists"]))
    values, spoiler, is_extreme = _numbers(seed, shape), "", False
    if way == "numbers":
        spoiler = draw(st.sampled_from(list(SPOILERS)))
        change, is_extreme = SPOILERS[spoiler]
        with np.errstate(all="ignore"):
            values = change(values)
    build = (CONTAINERS | ODD_CONTAINERS)[name]
    return Given(f"{name}{shape} {spoiler}[{seed}]", _made(build, values), is_extreme)


LABELS = {
    "two": lambda codes: codes % 2,
    "three": lambda codes: codes,
    "negative": lambda codes: codes - 5,
    "floats": lambda codes: codes.astype(float),
    "float32": lambda codes: codes.astype(np.float32),
    "uint8": lambda codes: codes.astype(np.uint8),
    "bool": lambda codes: codes > 0,
    "strings": lambda codes: np.array(["a", "bb", "ccc"])[codes],
    "objects": lambda codes: np.array(["a", "bb", "ccc"], dtype=object)[codes],
    "list": lambda codes: codes.tolist(),
    "list of strings": lambda codes: np.array(["a", "bb", "ccc"])[codes].tolist(),
    "tuple": lambda codes: tuple(codes.tolist()),
    "Series": pd.Series,
    "Series of strings": lambda codes: pd.Series(np.array(["a", "bb", "ccc"])[codes]),
    "categorical Series": lambda codes: pd.Series(np.array(["a", "bb", "ccc"])[codes]).astype("category"),
    "nullable Series": lambda codes: pd.Series(codes, dtype="Int64"),
    "nullable bool": lambda codes: pd.Series(codes > 0, dtype="boolean"),
    "string Series": lambda codes: pd.Series(np.array(["a", "bb", "ccc"])[codes], dtype="string"),
    "polars Series": pl.Series,
    "polars strings": lambda codes: pl.Series(np.array(["a", "bb", "ccc"])[codes].tolist()),
    "tensor": lambda codes: torch.from_numpy(codes.copy()),
    "read-only": _read_only,
    "indicators": lambda codes: np.eye(3, dtype=int)[codes],
    "float indicators": lambda codes: np.eye(3)[codes],
    "sparse indicators": lambda codes: scipy.sparse.csr_array(np.eye(3, dtype=int)[codes]),
    "frame of indicators": lambda codes: pd.DataFrame(np.eye(3, dtype=int)[codes]),
}
ODD_LABELS = {
    "bool objects": lambda codes: (codes > 0).astype(object),  # which scikit-learn does not take
    "column": lambda codes: codes[:, None],
    "sparse column": lambda codes: scipy.sparse.csr_array(codes[:, None]),
    "frame of one column": lambda codes: pd.DataFrame({"y": codes}),
    "two outputs": lambda codes: np.stack([codes, codes[::-1]], axis=1),
    "two outputs of strings": lambda codes: np.array(["a", "b", "c"])[np.stack([codes, codes[::-1]], axis=1)],
    "one indicator": lambda codes: np.ones((len(codes), 1), dtype=int),
    "no indicators": lambda codes: np.zeros((len(codes), 0), dtype=int),
    "constant indicators": lambda codes: np.ones((len(codes), 2), dtype=int),
    "lists of labels": lambda codes: [[code] * (code % 3) for code in codes.tolist()],
    "sets of labels": lambda codes: [{code} for code in codes.tolist()],
    "constant": lambda codes: np.ones_like(codes),
    "all different": lambda codes: np.arange(len(codes)),
    "all different strings": lambda codes: np.arange(len(codes)).astype(str),
    "one alone": lambda codes: (np.arange(len(codes)) == 0).astype(int),
    "largest integers": lambda codes: codes + np.iinfo(np.int64).max - 2,
    "large integers": lambda codes: np.where(codes > 0, 10**400, 1).astype(object),
    "largest uint64": lambda codes: codes.astype(np.uint64) + np.uint64(2**64 - 3),
    "mixed": lambda codes: np.array([1, "a", 2.5], dtype=object)[codes],
    "mixed list": lambda codes: [[1, "a", 2.5][code] for code in codes.tolist()],
    "numbers and bools": lambda codes: np.array([1, True, 0], dtype=object)[codes],
    "with None": lambda codes: np.array(["a", None, "b"], dtype=object)[codes],
    "only None": lambda codes: np.full(len(codes), None),
    "with NA": lambda codes: pd.Series(codes, dtype="Int64").where(codes > 0),
    "strings with NA": lambda codes: pd.Series(np.array(["a", "b", "c"])[codes], dtype="string").where(codes > 0),
    "categories with NA": lambda codes: pd.Series(np.array(["a", "b", "c"])[codes], dtype="category").where(codes > 0),
    "polars with None": lambda codes: pl.Series([None if code else 1 for code in codes.tolist()]),
    "with NaN": lambda codes: np.where(codes > 0, codes, np.nan),
    "with infinity": lambda codes: np.where(codes > 0, codes, np.inf),
    "NaN among objects": lambda codes: np.array(["a", np.nan, "b"], dtype=object)[codes],
    "unhashable": lambda codes: np.array([{}, [], set()], dtype=object)[codes],
    "tuples": lambda codes: [(code, code) for code in codes.tolist()],
    "dicts": lambda codes: [{} for _ in codes],
    "complex": lambda codes: codes + 1j,
    "dates": lambda codes: codes.astype("datetime64[D]"),
    "times": lambda codes: codes.astype("timedelta64[s]"),
    "Timestamps": lambda codes: pd.Series(pd.to_datetime(codes)),
    "bytes": lambda codes: codes.astype("S3"),
    "StringDType": lambda codes: np.array(["a", "b", "c"], dtype=np.dtypes.StringDType())[codes],
    "structured": lambda codes: np.array([(code,) for code in codes], dtype=[("y", int)]),
    "void": lambda codes: codes.astype(np.int64).view("V8"),
    "fractions": lambda codes: np.array([Fraction(1, 3), Fraction(1, 2), Fraction(1)], dtype=object)[codes],
    "decimals": lambda codes: np.array([decimal.Decimal(1), decimal.Decimal(2), decimal.Decimal(3)])[codes],
    "longdouble": lambda codes: codes.astype(np.longdouble),
    "float16": lambda codes: codes.astype(np.float16),
    "masked": lambda codes: np.ma.masked_equal(codes, 1),
    "too long": lambda codes: np.r_[codes, codes],
    "too short": lambda codes: codes[1:],
    "empty": lambda codes: codes[:0],
    "None": lambda codes: None,
    "string": lambda codes: "text",
    "number": lambda codes: 1,
    "0-d": lambda codes: np.array(1),
    "3-d": lambda codes: codes[:, None, None],
    "row": lambda codes: codes[None],
    "generator": lambda codes: (code for code in codes),
    "set": lambda codes: set(codes.tolist()),
    "dict": lambda codes: dict(enumerate(codes.tolist())),
    "object": lambda codes: object(),
    "class": lambda codes: int,
    "range": lambda codes: range(len(codes)),
    "ragged": lambda codes: [[1] * (1 + i % 2) for i in range(len(codes))],
    "meta tensor": lambda codes: torch.from_numpy(codes.copy()).to("meta"),
    "sparse tensor": lambda codes: torch.from_numpy(np.eye(3)[codes]).to_sparse(),
    "complex tensor": lambda codes: torch.from_numpy(codes + 1j),
    "tensor of 3 dimensions": lambda codes: torch.from_numpy(codes.copy())[:, None, None],
    "sparse 1-d": lambda codes: scipy.sparse.coo_array(codes),
    "sparse with 2": lambda codes: scipy.sparse.csc_array(2 * np.eye(3, dtype=int)[codes]),
    "coo indicators": lambda codes: scipy.sparse.coo_matrix(np.eye(3, dtype=int)[codes]),
    "dok indicators": lambda codes: scipy.sparse.dok_array(np.eye(3, dtype=int)[codes]),
    "complex sparse": lambda codes: scipy.sparse.csr_array(1j * np.eye(3)[codes]),
    "sparse Series": lambda codes: pd.Series(pd.arrays.SparseArray(codes)),
    "TensorDataset": lambda codes: torch.utils.data.TensorDataset(torch.from_numpy(codes.copy())),
    "polars frame": lambda codes: pl.DataFrame({"y": codes}),
    "lazy frame": lambda codes: pl.DataFrame({"y": codes}).lazy(),
}
NUMBERS = {
    "float64": lambda codes: codes - 0.5,
    "float32": lambda codes: (codes - 0.5).astype(np.float32),
    "float16": lambda codes: (codes - 0.5).astype(np.float16),
    "longdouble": lambda codes: (codes - 0.5).astype(np.longdouble),
    "integers": lambda codes: codes,
    "bool": lambda codes: codes > 0,
    "objects": lambda codes: (codes - 0.5).astype(object),
    "list": lambda codes: (codes - 0.5).tolist(),
    "two columns": lambda codes: np.stack([codes, -codes], axis=1) + 0.5,
    "one column": lambda codes: codes[:, None] + 0.5,
    "Series": pd.Series,
    "nullable Series": lambda codes: pd.Series(codes, dtype="Float64"),
    "frame": lambda codes: pd.DataFrame({"a": codes, "b": -codes}),
    "polars Series": pl.Series,
    "tensor": lambda codes: torch.from_numpy(codes + 0.5),
    "read-only": _read_only,
    "every second": lambda codes: np.repeat(codes, 2)[::2],
    "reversed": lambda codes: codes[::-1],
}
ODD_NUMBERS = {
    f"{name} numbers": lambda codes, change=change: change(codes - 0.5) for name, (change, _) in SPOILERS.items()
} | {"no columns": lambda codes: np.zeros((len(codes), 0)), "many columns": lambda codes: np.ones((len(codes), 40))}


@st.composite
def targets(draw, of_classifier, odd=False, n_rows=N_ROWS):
    """Draw y, with `n_rows` rows unless it is odd."""
    builds = LABELS if of_classifier else NUMBERS
    if odd:
        builds = LABELS | NUMBERS | ODD_LABELS | ODD_NUMBERS
    name = draw(st.sampled_from(list(builds)))
    codes = np.arange(n_rows) % 3
    return Given(name, _made(builds[name], codes), odd and name.startswith(("larg", *SPOILERS)))


WEIGHTS = {
    "ones": np.ones,
    "different": lambda n: np.arange(1.0, n + 1),
    "some zero": lambda n: (np.arange(n) > 0).astype(float),
    "integers": lambda n: np.arange(1, n + 1),
    "bool": lambda n: np.arange(n) > 0,
    "number": lambda n: 2.0,
    "float32": lambda n: np.ones(n, dtype=np.float32),
    "list": lambda n: [1.0] * n,
    "Series": lambda n: pd.Series(np.ones(n)),
    "polars": lambda n: pl.Series([1.0] * n),
    "tensor": torch.ones,
    "objects": lambda n: np.ones(n).astype(object),
    "read-only": lambda n: _read_only(np.ones(n)),
}
ODD_WEIGHTS = {
    "zeros": np.zeros,
    "negative": lambda n: -np.ones(n),
    "one negative": lambda n: np.arange(n) - 1.0,
    "NaN": lambda n: np.full(n, np.nan),
    "one NaN": lambda n: np.r_[np.nan, np.ones(n - 1)] if n else np.ones(0),
    "infinity": lambda n: np.full(n, np.inf),
    "huge": lambda n: np.full(n, 1e308),
    "huge range": lambda n: np.logspace(-300, 300, n),
    "subnormal": lambda n: np.full(n, 5e-324),
    "large integers": lambda n: [10**400] * n,
    "one": lambda n: np.r_[1.0, np.zeros(n - 1)] if n else np.ones(0),
    "wrong length": lambda n: np.ones(n + 1),
    "empty": lambda n: [],
    "two columns": lambda n: np.ones((n, 2)),
    "column": lambda n: np.ones((n, 1)),
    "0-d": lambda n: np.array(2.0),
    "0-d tensor": lambda n: torch.tensor(2.0),
    "negative number": lambda n: -1.0,
    "zero": lambda n: 0,
    "NaN number": lambda n: float("nan"),
    "large integer": lambda n: 10**400,
    "True": lambda n: True,
    "strings": lambda n: ["1.0"] * n,
    "words": lambda n: np.full(n, "a"),
    "string": lambda n: "balanced",
    "None among objects": lambda n: [None] * n,
    "NA": lambda n: pd.Series([pd.NA] * n, dtype="Float64"),
    "lists": lambda n: [[1.0]] * n,
    "ragged": lambda n: [[1.0] * (1 + i % 2) for i in range(n)],
    "complex": lambda n: np.ones(n) + 1j,
    "dates": lambda n: np.zeros(n, dtype="datetime64[D]"),
    "times": lambda n: np.ones(n, dtype="timedelta64[s]"),
    "structured": lambda n: np.ones(n, dtype=[("a", float)]),
    "generator": lambda n: (1.0 for _ in range(n)),
    "set": lambda n: {1.0},
    "dict": lambda n: dict.fromkeys(range(n), 1.0),
    "frame": lambda n: pd.DataFrame({"w": np.ones(n)}),
    "sparse": lambda n: scipy.sparse.csr_array(np.ones((n, 1))),
    "sparse row": lambda n: scipy.sparse.csr_array(np.ones((1, n))),
    "object": lambda n: object(),
    "class": lambda n: float,
    "ellipsis": lambda n: ...,
    "meta tensor": lambda n: torch.ones(n, device="meta"),
    "complex tensor": lambda n: torch.ones(n) + 1j,
    "sparse tensor": lambda n: torch.ones(n).to_sparse(),
    "TensorDataset": lambda n: torch.utils.data.TensorDataset(torch.ones(n)),
}


@st.composite
def weights(draw, odd=False, n_rows=N_ROWS):
    """Draw weights, or None."""
    if not odd and draw(st.booleans()):
        return Given("None", None)
    builds = ODD_WEIGHTS if odd else WEIGHTS
    name = draw(st.sampled_from(list(builds)))
    return Given(name, _made(builds[name], n_rows) if n_rows else None, odd)


GROUPS = {
    "None": lambda codes: None,
    "strings": lambda codes: codes.astype(str),
    **{name: ODD_LABELS[name] for name in ODD_LABELS},
    **{name: LABELS[name] for name in LABELS},
}


@st.composite
def groups(draw):
    """Draw groups of rows."""
    name = draw(st.sampled_from(list(GROUPS)))
    return Given(name, _made(GROUPS[name], np.arange(N_ROWS) // 2 % 3))

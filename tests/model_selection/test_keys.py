"""Keys are equal for copies, and for nothing else."""

import threading
import types

import numpy as np
import pandas as pd
import pytest
import scipy.sparse
import torch
from sklearn import config_context
from sklearn.base import BaseEstimator, clone
from sklearn.frozen import FrozenEstimator
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from skreg import RegularizedMLPClassifier
from skreg.model_selection._keys import NoKeyError, parameters_key, rows_key, value_key
from skreg.penalties import L1, L2


class Local:
    def __init__(self, **values):
        vars(self).update(values)


def module(weight):
    layer = torch.nn.Linear(2, 1)
    torch.nn.init.constant_(layer.weight, weight)
    torch.nn.init.zeros_(layer.bias)
    return layer


def fitted(scale):
    return FrozenEstimator(StandardScaler().fit(np.arange(4.0)[:, None] * scale))


def weighted():
    with config_context(enable_metadata_routing=True):
        return LogisticRegression().set_fit_request(sample_weight=True)


def inside_itself(number):
    loop = Local(number=number)
    loop.other = loop
    return loop


def inner_class():
    class Inner(L1):
        pass

    return Inner


INNER = inner_class()
DIFFERENT = [
    None,
    True,
    False,
    *[kind(number) for number in (0, 1) for kind in (int, float, complex, np.float32, np.float64, np.int64, np.int32)],
    -0.0,
    np.float64(-0.0),
    float("nan"),
    np.nan * np.float32(1),
    0.1,
    0.1 + 2**-56,
    2**70,
    "1",
    b"1",
    np.str_("1"),
    (),
    [],
    (1,),
    [1],
    ((1,),),
    (1, 2),
    (2, 1),
    {},
    {1: 2},
    {1: 2.0},
    {2: 1},
    {1, 2},
    frozenset([1, 2]),
    np.datetime64("2020-01-01"),
    slice(1, 2),
    range(3),
    np.zeros(2),
    np.zeros(3),
    np.zeros((2, 1)),
    np.zeros(2, dtype=np.float32),
    np.array([0.0, -0.0]),
    np.arange(6).reshape(2, 3),
    np.arange(6).reshape(3, 2).T,
    np.ma.masked_array([0.0, 0.0], mask=[True, False]),
    np.array(["a", None], dtype=object),
    scipy.sparse.eye(2, format="csr"),
    scipy.sparse.eye(2, format="coo"),
    torch.zeros(2),
    torch.zeros(2, dtype=torch.bfloat16),
    torch.zeros(2, 1),
    module(0.5),
    module(0.25),
    np.random.RandomState(0),
    np.random.RandomState(1),
    np.random.default_rng(0),
    np.sum,
    len,
    dict,
    np,
    lambda value: value,
    lambda value: value,
    Local(a=1),
    Local(a=1.0),
    Local(a=[1]),
    Local(a=lambda: 0),
    Local(a={"x", "y", "z", "a", "b"}),
    Local(a=np.zeros(2)),
    Local(a=torch.zeros(2)),
    inside_itself(1),
    inside_itself(2),
    L1(0.1),
    L1(0.2),
    L2(0.1),
    INNER(0.1),
    LogisticRegression(),
    weighted(),
    LogisticRegression(C=2),
    make_pipeline(StandardScaler(), LogisticRegression()),
    make_pipeline(StandardScaler(), LogisticRegression(C=2)),
    make_pipeline(StandardScaler().set_output(transform="pandas"), LogisticRegression()),
    RegularizedMLPClassifier(),
    RegularizedMLPClassifier(penalty=L1(0.1)),
    fitted(1),
    fitted(2),
]


def test_values():
    keys = [value_key(value) for value in DIFFERENT]
    assert len(set(keys)) == len(keys)
    copyable = [value for value in DIFFERENT if not isinstance(value, types.ModuleType)]
    for value, copied in zip(copyable, clone(copyable, safe=False), strict=True):
        assert value_key(value) == value_key(copied), value


def test_methods_in_c_are_known_by_what_they_are_bound_to():
    """Each access makes another object, as in the pickles of time zones."""
    first, second = dict.fromkeys, dict.fromkeys
    assert first is not second
    assert value_key(first) == value_key(second)
    assert len({value_key(method) for method in (first, int.from_bytes, "a".join, "b".join, len)}) == 5


def test_equal_objects_are_written_alike_whether_they_are_one_or_not():
    one, two = Local(a=1), Local(a=1)
    assert value_key(Local(items=[one, one])) == value_key(Local(items=[one, two]))


def test_arrays_are_what_they_say():
    rows = np.arange(12.0).reshape(3, 4)
    for view in (rows, rows.copy(), np.repeat(rows, 2, axis=0)[::2]):
        assert value_key(Local(a=view)) == value_key(Local(a=rows))
    assert value_key(rows[::-1][::-1]) == value_key(rows)


def test_parameters():
    assert parameters_key({}) == ()
    assert parameters_key({"a": 1, "b": 2}) == parameters_key({"b": 2, "a": 1})
    assert parameters_key({"a": 1}) != parameters_key({"b": 1})


class Holder(BaseEstimator):
    def __init__(self, lock=None):
        self.lock = lock


@pytest.mark.parametrize("wrap", [lambda lock: lock, lambda lock: [lock], lambda lock: Local(a=lock), Holder])
def test_no_key(wrap):
    with pytest.raises(NoKeyError):
        value_key(wrap(threading.Lock()))
    assert parameters_key({"a": 1, "b": wrap(threading.Lock())}) is None


class TestRows:
    X, Y = np.arange(24.0).reshape(8, 3), np.arange(8) % 2

    @pytest.mark.parametrize(
        "convert",
        [
            np.asarray,
            np.asfortranarray,
            np.ndarray.tolist,
            scipy.sparse.csr_matrix,
            scipy.sparse.coo_array,
            pd.DataFrame,
            lambda rows: pd.DataFrame(rows).astype({0: str, 1: "category"}),
            lambda rows: pd.DataFrame(rows).assign(at=pd.to_datetime(rows[:, 0], unit="D").tz_localize("Asia/Tokyo")),
            lambda rows: rows.astype(object),
            lambda rows: [f"text {row}" for row in rows],
            lambda rows: [(number, threading.Lock()) for number in rows],
        ],
    )
    def test_equal_and_other(self, convert):
        rows = convert(self.X)
        key = rows_key(rows, self.Y, {})
        assert rows_key(rows, self.Y.copy(), {}) == key
        others = [
            rows_key(convert(self.X[::-1]), self.Y, {}),
            rows_key(convert(self.X[:, ::-1]), self.Y, {}),
            rows_key(convert(self.X[:7]), self.Y[:7], {}),
            rows_key(rows, 1 - self.Y, {}),
            rows_key(rows, self.Y.astype(float), {}),
            rows_key(rows, None, {}),
            rows_key(rows, self.Y, {"sample_weight": np.ones(8)}),
            rows_key(rows, self.Y, {"groups": np.ones(8)}),
        ]
        assert len({key, *others}) == 9

    def test_what_is_not_of_rows_makes_no_difference(self):
        """It is the same for all fits, and may be altered by each."""
        key = rows_key(self.X, self.Y, {})
        for value in (3, None, np.zeros((2, 3)), Local(a=1), threading.Lock(), print):
            assert rows_key(self.X, self.Y, {"other": value}) == key

    def test_no_rows(self):
        assert rows_key(self.X[:0], self.Y[:0], {}) != rows_key(self.X[:0, :2], self.Y[:0], {})

"""Strategies for parameters, drawn from their declarations, and for values that few parameters take."""

import abc
import datetime
import decimal
import inspect
from fractions import Fraction
from numbers import Integral

import numpy as np
import pandas as pd
import torch
from hypothesis import strategies as st
from sklearn.decomposition import PCA
from sklearn.model_selection import GroupKFold, GroupShuffleSplit, KFold, LeaveOneOut, ShuffleSplit, TimeSeriesSplit
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import (
    FunctionTransformer,
    KBinsDiscretizer,
    MinMaxScaler,
    OneHotEncoder,
    PowerTransformer,
    QuantileTransformer,
    RobustScaler,
    StandardScaler,
)
from sklearn.utils._param_validation import HasMethods, Hidden, Options, StrOptions
from sklearn.utils._param_validation import Interval as AnyInterval
from skorch.callbacks import EpochScoring, GradientNormClipping, LRScheduler

from skreg._parameter import parameters_of
from tests.fuzz_data import Given
from tests.helpers import LogCosh, SquaredHinge

# Values that make for a long fit or a large network, whatever bounds the declaration has: these replace the numbers of
# its intervals. A number of layers or units is bounded by memory, not by a rule.
BOUNDED = {
    "hidden_layer_sizes": [1, 2, 3],
    "max_iter": [1, 2, 3],
    "min_steps": [1, 2, 20],
    "max_fun": [1, 2, 20],
    "alphas": [2, 3],
    "n_jobs": [1, 2],
    "cv": [2, 3],
    "n_members": [1, 2],
    "n_repeats": [1, 2],
}
# Nor may these be a number of their junk.
UNBOUNDED_TIME = {"max_iter", "min_steps", "alphas", "n_jobs", "cv", "max_fun", "n_members", "n_repeats"}
LARGE_INTEGERS = {"2**40": 2**40, "2**63": 2**63, "10**30": 10**30, "10**400": 10**400}


JUNK = {
    "None": None,
    "'nonsense'": "nonsense",
    "''": "",
    "b'l1'": b"l1",
    "'\\ud800'": "\ud800",
    "'{}%s'": "{}%s",
    "0": 0,
    "-1": -1,
    "2": 2,
    "0.5": 0.5,
    "1.5": 1.5,
    "-0.0": -0.0,
    "1e300": 1e300,
    "5e-324": 5e-324,
    "nan": float("nan"),
    "inf": float("inf"),
    "-inf": -float("inf"),
    "True": True,
    "np.True_": np.True_,
    "1j": 1j,
    "np.int8(1)": np.int8(1),
    "np.float32(0.25)": np.float32(0.25),
    "np.float64(nan)": np.float64("nan"),
    "np.longdouble(0.5)": np.longdouble("0.5"),
    "np.str_('l1')": np.str_("l1"),
    "np.array(1)": np.array(1),
    "np.array(0.5)": np.array(0.5),
    "np.array([])": np.array([]),
    "np.array(['a'])": np.array(["a"]),
    "np.eye(2)": np.eye(2),
    "np.array([nan])": np.array([np.nan]),
    "np.array([None])": np.array([None]),
    "np.datetime64": np.datetime64("2020-01-01"),
    "tensor(0.5)": torch.tensor(0.5),
    "tensor([0.5])": torch.tensor([0.5]),
    "meta tensor": torch.ones(2, device="meta"),
    "Fraction(1, 3)": Fraction(1, 3),
    "Decimal('0.5')": decimal.Decimal("0.5"),
    "pd.NA": pd.NA,
    "Series": pd.Series([1, 2]),
    "DataFrame": pd.DataFrame({"a": [1, 2]}),
    "[]": [],
    "()": (),
    "[None]": [None],
    "[nan]": [float("nan")],
    "['a']": ["a"],
    "[[1]]": [[1]],
    "[[1], [2, 3]]": [[1], [2, 3]],
    "[1, 'a']": [1, "a"],
    "[True]": [True],
    "[0]": [0],
    "[-1]": [-1],
    "[1.5]": [1.5],
    "[inf]": [float("inf")],
    "[10**400]": [10**400],
    "[object()]": [object()],
    "[{}]": [{}],
    "{}": {},
    "{0: 1}": {0: 1},
    "{'a': None}": {"a": None},
    "{None: nan}": {None: float("nan")},
    "{0: 1, 1: 10**400}": {0: 1, 1: 10**400},
    "set()": set(),
    "{1}": {1},
    "range(1, 3)": range(1, 3),
    "object()": object(),
    "int": int,
    "KFold": KFold,
    "len": len,
    "lambda": lambda *args, **kwargs: None,
    "lambda without arguments": lambda: 0.0,
    "...": ...,
    "NotImplemented": NotImplemented,
    "date": datetime.date(2020, 1, 1),
    "slice": slice(3),
    "torch.float32": torch.float32,
    "Generator": np.random.default_rng(0),
}


def _generator_of_numbers():
    yield 1


def junk(name):
    """Return a strategy for values that a parameter seldom takes."""
    values = JUNK if name in UNBOUNDED_TIME else JUNK | LARGE_INTEGERS
    return st.one_of(
        st.sampled_from(list(values)).map(lambda text: Given(text, values[text], is_extreme=True)),
        st.builds(lambda: Given("generator", _generator_of_numbers())),
    )


def zero_loss(y_true, y_pred):
    return 0 * y_pred.sum(dim=1)


def scalar_loss(y_true, y_pred):
    return (y_true - y_pred).square().mean()


def matrix_loss(y_true, y_pred):
    return (y_true - y_pred).square()


def nan_loss(y_true, y_pred):
    return y_pred.sum(dim=1) * float("nan")


def numpy_loss(y_true, y_pred):
    return (y_true - y_pred).square().sum(dim=1).detach().numpy()


def integer_loss(y_true, y_pred):
    return (y_true - y_pred).square().sum(dim=1).long()


def complex_loss(y_true, y_pred):
    return (y_true - y_pred).square().sum(dim=1) * 1j


def none_loss(y_true, y_pred):
    return None


def no_gradient_loss(y_true, y_pred):
    return torch.zeros(len(y_pred))


def half(estimator, X, y, sample_weight=None):
    return 0.5


def no_score(estimator, X, y, sample_weight=None):
    return None


def text_score(estimator, X, y):
    return "0.5"


def nan_score(estimator, X, y, sample_weight=None):
    return float("nan")


CALLABLES = {
    "loss": [
        SquaredHinge(),
        LogCosh(),
        zero_loss,
        scalar_loss,
        matrix_loss,
        nan_loss,
        numpy_loss,
        integer_loss,
        complex_loss,
        none_loss,
        no_gradient_loss,
        len,
    ],
    "scoring": [half, no_score, text_score, nan_score, len],
}
SPLITTERS = [
    KFold(2),
    KFold(50),
    GroupKFold(2),
    GroupShuffleSplit(2, random_state=0),
    ShuffleSplit(2, test_size=0.5, random_state=0),
    TimeSeriesSplit(2),
    LeaveOneOut(),
]
TRANSFORMERS = [
    StandardScaler(),
    RobustScaler(),
    PowerTransformer(),
    QuantileTransformer(n_quantiles=3),
    MinMaxScaler((-1, 1)),
    PCA(whiten=True),
    KBinsDiscretizer(2, encode="ordinal", strategy="uniform", subsample=None),
    FunctionTransformer(np.log1p, np.expm1, check_inverse=False),
    FunctionTransformer(np.negative, np.negative),
    make_pipeline(MinMaxScaler(), StandardScaler()),
    OneHotEncoder(),
    StandardScaler,
]
SPLITS = [
    [],
    [(np.arange(6), np.arange(6, 12))],
    [(np.arange(6), np.arange(6, 12)), (np.arange(6, 12), np.arange(6))],
    [(np.arange(12) < 6, np.arange(12) >= 6)] * 2,
    [(np.arange(6), [50])],
    [([], [])],
    [(np.arange(12), [])],
    [([0.5], [1])],
    [(["a"], ["b"])],
    [1, 2],
    [(1,)],
    [(None, None)],
]


def _numbers_of(interval):
    """Return numbers within an interval and at its ends."""
    low = -1e6 if interval.left is None else interval.left
    high = max(low + 1, 10) if interval.right is None else interval.right
    if interval.type is Integral:
        kinds = [int, np.int64, np.int32]
        within = st.integers(int(low) + (interval.closed in ("right", "neither")), int(high) + 0)
        return st.tuples(st.sampled_from(kinds), within).map(lambda pair: pair[0](pair[1]))
    ends = {
        "exclude_min": interval.closed in ("right", "neither"),
        "exclude_max": interval.right is not None and interval.closed in ("left", "neither"),
    }
    near = st.floats(float(low), float(high), **ends, allow_subnormal=False)
    far = st.floats(float(low), interval.right, **ends, allow_infinity=False)
    return st.one_of(near, near.map(np.float64), near, far)


def _public_kinds(base):
    """Return the public classes of the package derived from a class, itself included."""
    found = [base, *(kind for sub in base.__subclasses__() for kind in _public_kinds(sub))]
    return [
        kind
        for kind in dict.fromkeys(found)
        if kind.__module__.startswith("skreg.") and not inspect.isabstract(kind) and abc.ABC not in kind.__bases__
    ]


@st.composite
def _objects(draw, base):
    """Draw an object of a class, or of one derived from it, with one parameter other than the default."""
    kind = draw(st.sampled_from(_public_kinds(base)))
    names = list(inspect.signature(kind).parameters)
    options = {}
    if names and draw(st.booleans()):
        name = draw(st.sampled_from(names))
        constraints = kind._parameter_constraints.get(name, [])
        options[name] = draw(st.one_of(value_of(name, constraints), value_of(name, constraints), junk(name))).value
    try:
        return kind(**options)
    except (ValueError, TypeError):
        return kind()


def _of_constraint(name, constraint, all_constraints):
    """Return a strategy for what a constraint allows; None if it is for the package's own use."""
    match constraint:
        case None:
            return st.none()
        case Hidden():
            return None
        case "boolean":
            return st.sampled_from([True, False, np.True_, np.False_])
        case "verbose":
            return st.sampled_from([False, 0])
        case "random_state":
            return st.one_of(st.integers(0, 2**32 - 1), st.builds(np.random.RandomState, st.just(0)))
        case "cv_object":
            return st.one_of(st.sampled_from(BOUNDED["cv"]), st.sampled_from(SPLITTERS), st.sampled_from(SPLITS))
        case "array-like":
            numbers = [kind for kind in all_constraints if isinstance(kind, AnyInterval)]
            each = _of_constraint(name, numbers[0], []) if numbers else st.integers(0, 2)
            lists = st.lists(each, max_size=3)
            return st.one_of(lists, lists.map(tuple), lists.map(np.array), st.integers(0, 2).map(np.ones))
        case StrOptions():
            return st.sampled_from(sorted(constraint.options))
        case Options():
            return st.sampled_from(sorted(constraint.options))
        case AnyInterval():
            return st.sampled_from(BOUNDED[name]) if name in BOUNDED else _numbers_of(constraint)
        case HasMethods():
            return st.sampled_from(TRANSFORMERS if "transform" in constraint.methods else SPLITTERS)
        case kind if kind is callable:
            return st.sampled_from(CALLABLES[name])
        case kind if kind is str:
            return st.sampled_from(["cpu", "meta", "cpu:0", "cpu:7", "cuda:99", "nonsense", "mps", "xla", ""])
        case kind if kind is torch.device:
            return st.sampled_from([torch.device("cpu"), torch.device("meta"), torch.device("cuda:99")])
        case kind if kind is Integral:
            return st.sampled_from(BOUNDED.get(name, [0, 1, 2]))
        case kind if kind is dict:
            numbers = st.sampled_from([0, 1, 2.5, np.float64(1), -1, float("nan"), None, "a", 10**400])
            return st.dictionaries(st.sampled_from([0, 1, 2, "a", "bb", "ccc", True, None]), numbers, max_size=3)
        case kind if kind in (list, tuple):
            others = [each for each in all_constraints if each not in (list, tuple, None)]
            each = st.one_of(value_of(name, others).map(lambda given: given.value), st.none()) if others else CALLBACKS
            return st.lists(each, max_size=3).map(kind)
        case type():
            return _objects(constraint)
    raise TypeError(f"The fuzz must know how to draw what the constraint {constraint!r} of {name!r} allows.")


CALLBACKS = st.one_of(
    st.builds(lambda: GradientNormClipping(0.1)),
    st.builds(lambda: ("clip", GradientNormClipping(0.1))),
    st.builds(lambda: LRScheduler("StepLR", step_size=1)),
    st.builds(lambda: EpochScoring("accuracy")),
    st.sampled_from([None, "a", 1, ("a",), ("a", None), (1, 2), LRScheduler, object()]),
)


def value_of(name, constraints):
    """Return a strategy for what the constraints of a parameter allow."""
    found = [_of_constraint(name, constraint, constraints) for constraint in constraints]
    found = [strategy for strategy in found if strategy is not None]
    return st.one_of(*found).map(lambda value: Given(repr(value), value, True)) if found else junk(name)


def parameter_names(kind):
    return sorted(parameters_of(kind))


@st.composite
def parameters(draw, kind, names, odd=()):
    """Draw values of some parameters: what their declarations allow, and anything for the odd ones."""
    declared = parameters_of(kind)
    return {name: draw(junk(name) if name in odd else value_of(name, declared[name].constraints)) for name in names}

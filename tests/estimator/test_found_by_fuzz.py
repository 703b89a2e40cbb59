"""What the fuzz of data and parameters has found: each a plain case, because a fuzz draws it only now and then."""

import warnings
from fractions import Fraction

import numpy as np
import polars
import pytest
import scipy.sparse
import torch
from sklearn.exceptions import DataConversionWarning
from sklearn.model_selection import KFold
from skorch.callbacks import GradientNormClipping

from skreg import RegularizedMLPClassifier, RegularizedMLPRegressor, RegularizedMLPRegressorCV
from skreg._numbers import is_number
from skreg.constraints import MaxNorm
from skreg.penalties import Hierarchical
from tests.helpers import BOTH, TINY, assert_unchanged_by

X = np.random.default_rng(0).normal(size=(12, 3))
CODES = np.arange(12) % 3
SINGLE = X.astype(np.float32)


@pytest.mark.parametrize("method", ["fit", "partial_fit"])
@pytest.mark.parametrize(
    ("parameters", "name"),
    [
        ({"solver": "sgd", "learning_rate_init": 1e39}, "learning_rate_init"),
        ({"constraint": MaxNorm(1e300)}, "constraint__max_value"),
        ({"constraint": [None, MaxNorm(1e39)]}, "constraint__max_value"),
        ({"loss": "huber", "delta": 1e39}, "delta"),
        ({"penalty": "l1", "alpha": (0, 1e39)}, "alpha"),
        ({"penalty": "l1", "alpha": 1e30, "learning_rate_init": 1e30, "solver": "sgd"}, "learning_rate_init"),
    ],
)
def test_numbers_beyond_float32_are_named(parameters, name, method):
    """Torch says of them that a "value cannot be converted to type float without overflow"."""
    model = RegularizedMLPRegressor(**TINY | parameters)
    assert_unchanged_by(
        model, ValueError, rf"'{name}' parameter.* range", lambda m: getattr(m, method)(SINGLE, X[:, 0])
    )


def test_numbers_beyond_float32_act_on_double_networks():
    RegularizedMLPRegressor(**TINY, constraint=MaxNorm(1e300), loss="huber", delta=1e300).fit(X, X[:, 0])


def test_a_tolerance_has_a_square_within_the_range_of_floats():
    RegularizedMLPRegressor(**TINY, solver="lbfgs", tol=1e300).fit(X, X[:, 0])


def test_a_bound_of_hidden_weights_has_a_square_within_the_range_of_floats():
    RegularizedMLPRegressor(**TINY, penalty=Hierarchical(M=1e18)).fit(SINGLE, X[:, 0])
    with pytest.raises(ValueError, match="'M' parameter of Hierarchical"):
        RegularizedMLPRegressor(**TINY, penalty=Hierarchical(M=1e300)).fit(X, X[:, 0])


def test_long_doubles_beyond_float_are_no_numbers():
    assert is_number(np.longdouble("0.5"))
    assert is_number(np.longdouble("inf"))
    assert not is_number(np.longdouble("1e4000"))


@BOTH
@pytest.mark.parametrize("weight", [10**400, [10**400] * 12], ids=["number", "list"])
def test_weights_beyond_float_are_named(kind, weight):
    model = kind(**TINY).fit(X, CODES)
    for method in (model.fit, model.partial_fit):
        with pytest.raises(ValueError, match="sample_weight must hold numbers in the range of float64"):
            method(X, CODES, sample_weight=weight)


@pytest.mark.parametrize("options", [{}, {"loss": "quantile", "quantile": (0.2, 0.8)}])
def test_weights_of_a_score_beyond_float_are_named(options):
    model = RegularizedMLPRegressor(**TINY, **options).fit(X, X[:, 0])
    with pytest.raises(ValueError, match="sample_weight must hold numbers in the range of float64"):
        model.score(X, X[:, 0], sample_weight=[10**400] * 12)


@BOTH
@pytest.mark.parametrize(
    "groups",
    [
        scipy.sparse.coo_array(CODES),
        CODES[:, None],
        np.array(1),
        np.where(CODES > 0, CODES, np.nan),
        np.where(CODES > 0, "a", None),
        [[1], [2, 3]] * 6,
    ],
    ids=["sparse", "column", "0-d", "NaN", "None", "ragged"],
)
def test_groups_are_one_for_each_row(kind, groups):
    model = kind(**TINY, early_stopping=True)
    assert_unchanged_by(model, ValueError, "groups must hold the group", lambda m: m.fit(X, CODES, groups=groups))


def test_groups_of_estimators_with_cv_are_one_for_each_row():
    model = RegularizedMLPRegressorCV(**TINY, cv=2, alphas=[0.1, 1.0])
    with pytest.raises(ValueError, match="groups must hold the group"):
        model.fit(X, X[:, 0], groups=scipy.sparse.coo_array(CODES))


def test_labels_in_a_column_warn_at_the_line_of_the_call():
    model = RegularizedMLPClassifier(**TINY)
    for method in (model.fit, model.partial_fit):
        with pytest.warns(DataConversionWarning, match="column-vector y") as caught:
            method(X, CODES[:, None])
        assert {warning.filename for warning in caught} == {__file__}


def complex_loss(y_true, y_pred):
    return (y_true - y_pred).square().sum(dim=1) * 1j


@BOTH
def test_a_loss_of_complex_numbers_is_refused(kind):
    with pytest.raises(ValueError, match="'loss' parameter must be a function that returns real numbers"):
        kind(**TINY, loss=complex_loss).fit(X, CODES)


@BOTH
@pytest.mark.parametrize("method", ["fit", "partial_fit"])
def test_frames_that_are_not_computed_say_how(kind, method):
    frame = polars.DataFrame(X, schema=["a", "b", "c"]).lazy()
    with pytest.raises(TypeError, match=r"X must be computed; got a LazyFrame. Give X.collect\(\)"):
        getattr(kind(**TINY).fit(X, CODES), method)(frame, CODES)


@pytest.mark.parametrize("options", [{"adaptive": True}, {"relax": True}])
def test_estimators_with_cv_take_tuples(options):
    options = TINY | {"cv": 2, "alphas": [0.001, 0.01], "random_state": 0} | options
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        of_tuples = RegularizedMLPRegressorCV(**options).fit(tuple(map(tuple, X.tolist())), tuple(X[:, 0].tolist()))
        of_arrays = RegularizedMLPRegressorCV(**options).fit(X, X[:, 0])
    np.testing.assert_array_equal(of_tuples.scores_path_, of_arrays.scores_path_)


@pytest.mark.parametrize("kind", [RegularizedMLPRegressor, RegularizedMLPRegressorCV])
def test_a_fit_that_fails_sets_a_generator_back(kind):
    """The next fit is as if the one that failed had not been."""
    generator = np.random.RandomState(0)
    model = kind(**TINY | {"random_state": generator}, learning_rate_init=1e300, solver="sgd")
    model.set_params(max_iter=50)
    with pytest.raises(ValueError, match="diverged"):
        model.fit(X, X[:, 0])
    assert generator.randint(2**31) == np.random.RandomState(0).randint(2**31)


def test_names_of_callbacks_differ():
    pairs = [("clip", GradientNormClipping(1.0)), ("clip", GradientNormClipping(2.0))]
    with pytest.raises(ValueError, match="'callbacks' parameter must give every callback another name"):
        RegularizedMLPClassifier(**TINY, callbacks=pairs).fit(X, CODES)


def test_weights_that_leave_one_class_are_named():
    with pytest.raises(ValueError, match=r"got 1 class with class_weight=\{0: 0, 1: 0\}"):
        RegularizedMLPClassifier(**TINY, class_weight={0: 0, 1: 0}).fit(X, CODES)


def test_missing_labels_of_a_first_partial_fit_leak_no_warning():
    y = polars.Series([None if code else 1 for code in CODES.tolist()])
    with pytest.raises(ValueError, match="NaN"):
        RegularizedMLPClassifier(**TINY).partial_fit(X, y, classes=[0, 1])


def test_missing_classes_leak_no_warning():
    with pytest.raises(ValueError, match="contains NaN"):
        RegularizedMLPClassifier(**TINY).partial_fit(X, CODES, classes=[0, 1, 2, np.nan])


@BOTH
def test_sparse_targets_have_two_dimensions(kind):
    y = scipy.sparse.coo_array(CODES)
    model = kind(**TINY).fit(X, CODES)
    for method in (model.fit, model.partial_fit, model.score, kind(**TINY).fit):
        with pytest.raises(ValueError, match=r"y must have two dimensions where it is sparse; got the shape \(12,\)"):
            method(X, y)


@BOTH
@pytest.mark.parametrize(
    "parameter",
    [
        ("alpha", Fraction(1, 3)),
        ("alpha", [[1], [2, 3]]),
        ("dropout", torch.ones(1, device="meta")),
        ("hidden_layer_sizes", np.array(0.5)),
        ("hidden_layer_sizes", 2**40),
        ("hidden_layer_sizes", [10**400]),
    ],
    ids=str,
)
def test_an_error_of_a_parameter_names_it(kind, parameter):
    name, value = parameter
    with pytest.raises(ValueError, match=f"'{name}' parameter"):
        kind(**TINY | {name: value}).fit(X, CODES)


def test_integers_beyond_int64_are_bounds():
    options = {"max_grad_norm": 10**30, "constraint": MaxNorm(10**30)}
    RegularizedMLPRegressor(**TINY | options).fit(X, X[:, 0])


def test_errors_of_a_splitter_name_its_parameter():
    with pytest.raises(ValueError, match=r"splitter in 'early_stopping' does not split these rows: .*n_splits=50"):
        RegularizedMLPClassifier(**TINY | {"early_stopping": KFold(50)}).fit(X, CODES)
    with pytest.raises(ValueError, match=r"splitter in 'cv' does not split these rows: .*n_splits=50"):
        RegularizedMLPRegressorCV(**TINY | {"cv": KFold(50)}).fit(X, X[:, 0])


def test_missing_labels_of_a_score_are_an_error_without_a_warning():
    model = RegularizedMLPClassifier(**TINY).fit(X, CODES)
    with pytest.raises(ValueError, match="contains NaN"):
        model.score(X, np.where(CODES == 0, np.nan, CODES))


def test_classes_are_not_sparse():
    for classes in (scipy.sparse.coo_array(CODES), scipy.sparse.csr_array([[0, 1, 2]])):
        model = RegularizedMLPClassifier(**TINY)
        with pytest.raises(ValueError, match=r"classes must be an array of shape \(n_classes,\); got a sparse one"):
            model.partial_fit(X, CODES, classes=classes)
